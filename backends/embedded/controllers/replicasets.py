"""ReplicaSets: as many Pods as asked for, and their counts.

Owns: the ReplicaSet controller. After kubernetes `pkg/controller/replicaset`.
"""

from __future__ import annotations

from backends.embedded.controllers import conditions, pods
from backends.embedded.controllers.adoption import claim
from backends.embedded.controllers.events import Recorder
from backends.embedded.controllers.naming import suffix
from backends.embedded.controllers.rollout import replicas_of
from backends.embedded.controllers.world import POD, REPLICA_SET, World, deleting, pod_from
from backends.embedded.errors import ApiError
from fleetui.model.objects import Obj

BURST = 500
"""Pods made or deleted in one go (`BurstReplicas`)."""

RETRY = 5.0
"""Seconds until Pods that the API server refused are tried again."""


class ReplicaSets:
    """Reconciles one ReplicaSet at a time."""

    def __init__(self, world: World, recorder: Recorder) -> None:
        self._world = world
        self._events = recorder

    def reconcile(self, namespace: str, name: str) -> float | None:
        """Makes or deletes Pods and counts them; returns the seconds until one becomes available, or None."""
        rs = self._world.get(REPLICA_SET, namespace, name)
        if rs is None:
            return None
        failure = None
        if not deleting(rs):
            found = claim(self._world, rs, POD, fits=lambda pod: not pods.finished(pod))
            failure = self._scale(rs, pods.active(found))
        rs = self._world.get(REPLICA_SET, namespace, name)
        if rs is None:
            return None
        found = pods.active(self._world.owned(rs, POD))
        seconds = int(rs["spec"].get("minReadySeconds") or 0)
        waits = [pods.available_in(pod, seconds, self._world.now) for pod in found]
        going = sum(map(deleting, self._world.owned(rs, POD)))
        self._world.set_status(rs, _status(rs, found, waits, going=going, failure=failure))
        if failure:
            return RETRY
        return min((wait for wait in waits if wait), default=None)

    def _scale(self, rs: Obj, found: list[Obj]) -> Obj | None:
        missing = replicas_of(rs) - len(found)
        for pod in pods.to_delete_first(found)[: min(-missing, BURST)] if missing < 0 else ():
            self._world.delete(pod)
            self._events.normal(rs, "SuccessfulDelete", f"Deleted pod: {pod['metadata']['name']}")
        try:
            for _ in range(min(missing, BURST)):
                self._create(rs)
        except ApiError as error:
            # Quota, a namespace that goes, an invalid template: told in the status, as the real one does.
            self._events.warning(rs, "FailedCreate", f"Error creating: {error.message}")
            failure = {"type": "ReplicaFailure", "status": "True", "reason": "FailedCreate", "message": error.message}
            old = (rs.get("status") or {}).get("conditions") or []
            return conditions.put(old, {**failure, "lastTransitionTime": self._world.stamp()})[-1]
        return None

    def _create(self, rs: Obj) -> None:
        base = f"{rs['metadata']['name']}-"
        pod = pod_from(rs["spec"]["template"], owner=rs, name=base + suffix(self._world.random), labels={})
        pod["metadata"]["generateName"] = base
        if self._world.create(pod) is not None:
            self._events.normal(rs, "SuccessfulCreate", f"Created pod: {pod['metadata']['name']}")


def _status(rs: Obj, found: list[Obj], waits: list[float | None], *, going: int, failure: Obj | None) -> Obj:
    labels = (rs["spec"]["template"].get("metadata") or {}).get("labels") or {}
    full = [pod for pod in found if labels.items() <= (pod["metadata"].get("labels") or {}).items()]
    numbers = {
        "fullyLabeledReplicas": len(full),
        "readyReplicas": sum(wait is not None for wait in waits),
        "availableReplicas": sum(wait == 0 for wait in waits),
    }
    return {
        "replicas": len(found),
        **{field: number for field, number in numbers.items() if number},
        "terminatingReplicas": going,
        "observedGeneration": rs["metadata"].get("generation", 1),
        **({"conditions": [failure]} if failure else {}),
    }
