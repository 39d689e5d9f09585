"""StatefulSets: Pods with an ordinal and a volume each, made, updated and deleted one after the other.

Owns: the StatefulSet controller. After kubernetes `pkg/controller/statefulset/stateful_set_control.go`
(`updateStatefulSet`).
"""

from __future__ import annotations

import copy

from backends.embedded.controllers import pods, revisions
from backends.embedded.controllers.adoption import claim
from backends.embedded.controllers.events import Recorder
from backends.embedded.controllers.rollout import replicas_of
from backends.embedded.controllers.world import CLAIM, POD, STATEFUL_SET, World, deleting, pod_from
from fleetui.model.objects import Obj

Slots = dict[int, Obj]
"""Ordinal -> Pod."""


class StatefulSets:
    """Reconciles one StatefulSet at a time."""

    def __init__(self, world: World, recorder: Recorder) -> None:
        self._world = world
        self._events = recorder

    def reconcile(self, namespace: str, name: str) -> float | None:
        """Does what may be done now, one Pod at a time unless `podManagementPolicy` is ``Parallel``."""
        sts = self._world.get(STATEFUL_SET, namespace, name)
        if sts is None or deleting(sts):
            return None
        claim(self._world, sts, POD, fits=lambda pod: pod["metadata"]["name"].rpartition("-")[0] == name)
        update = revisions.sync(self._world, sts, label=revisions.STATEFUL_LABEL)
        current = self._current(sts, update)
        self._step(sts, current, update)
        slots = self._slots(sts)
        status = _status(sts, list(slots.values()), current=current, update=update, now=self._world.now)
        self._world.set_status(sts, status)
        used = {status["currentRevision"], status["updateRevision"], *map(_revision, slots.values())}
        revisions.prune(self._world, sts, used)
        seconds = int(sts["spec"].get("minReadySeconds") or 0)
        waits = [pods.available_in(pod, seconds, self._world.now) for pod in slots.values()]
        return min((wait for wait in waits if wait), default=None)

    def _current(self, sts: Obj, update: Obj) -> Obj:
        name = (sts.get("status") or {}).get("currentRevision")
        namespace = sts["metadata"]["namespace"]
        return (name and self._world.get(("apps", "ControllerRevision"), namespace, name)) or update

    def _slots(self, sts: Obj) -> Slots:
        found = {}
        for pod in self._world.owned(sts, POD):
            ordinal = pod["metadata"]["name"].rpartition("-")[2]
            if ordinal.isdigit():
                found[int(ordinal)] = pod
        return dict(sorted(found.items()))

    def _step(self, sts: Obj, current: Obj, update: Obj) -> None:
        slots = self._slots(sts)
        start = int((sts["spec"].get("ordinals") or {}).get("start") or 0)
        wanted = range(start, start + replicas_of(sts))
        parallel = sts["spec"].get("podManagementPolicy") == "Parallel"
        for ordinal in wanted:
            revision = _needed(sts, current, update, ordinal=ordinal)
            if self._fill(sts, slots.get(ordinal), ordinal, revision=revision) and not parallel:
                return
        for ordinal in sorted(set(slots) - set(wanted), reverse=True):
            self._delete(sts, slots[ordinal])
            if not parallel:
                return
        self._update(sts, slots, wanted, update=update)

    def _fill(self, sts: Obj, pod: Obj | None, ordinal: int, *, revision: Obj) -> bool:
        """Makes the Pod of one ordinal; returns whether those behind it must wait."""
        if pod is not None and pods.finished(pod):
            self._delete(sts, pod)
            return True
        if pod is not None:
            return not self._available(sts, pod)
        name = f"{sts['metadata']['name']}-{ordinal}"
        self._claim(sts, name, ordinal)
        labels = {
            "statefulset.kubernetes.io/pod-name": name,
            "apps.kubernetes.io/pod-index": str(ordinal),
            revisions.LABEL: revision["metadata"]["name"],
        }
        pod = pod_from(revisions.template_of(revision), owner=sts, name=name, labels=labels)
        pod["spec"]["hostname"] = name
        pod["spec"]["subdomain"] = sts["spec"].get("serviceName", "")
        self._mount(sts, pod, ordinal)
        if self._world.create(pod) is not None:
            message = f"Create Pod {name} in StatefulSet {sts['metadata']['name']} successful"
            self._events.normal(sts, "SuccessfulCreate", message)
        return True

    def _available(self, sts: Obj, pod: Obj) -> bool:
        return pods.available_in(pod, int(sts["spec"].get("minReadySeconds") or 0), self._world.now) == 0

    def _mount(self, sts: Obj, pod: Obj, ordinal: int) -> None:
        own = {
            template["metadata"]["name"]: _claim_name(sts, template, ordinal)
            for template in sts["spec"].get("volumeClaimTemplates") or ()
        }
        volumes = [{"name": name, "persistentVolumeClaim": {"claimName": claim}} for name, claim in own.items()]
        volumes += [volume for volume in pod["spec"].get("volumes") or () if volume["name"] not in own]
        if volumes:
            pod["spec"]["volumes"] = volumes

    def _claim(self, sts: Obj, pod: str, ordinal: int) -> None:
        for template in sts["spec"].get("volumeClaimTemplates") or ():
            name = _claim_name(sts, template, ordinal)
            namespace = sts["metadata"]["namespace"]
            if self._world.get(CLAIM, namespace, name) is not None:
                continue
            claim = copy.deepcopy({key: value for key, value in template.items() if key != "status"})
            labels = {**((sts["spec"].get("selector") or {}).get("matchLabels") or {})}
            labels.update((template["metadata"].get("labels")) or {})
            claim |= {"apiVersion": "v1", "kind": "PersistentVolumeClaim"}
            claim["metadata"] = {**claim["metadata"], "name": name, "namespace": namespace, "labels": labels}
            if self._world.create(claim) is not None:
                message = f"Create Claim {name} Pod {pod} in StatefulSet {sts['metadata']['name']} success"
                self._events.normal(sts, "SuccessfulCreate", message)

    def _update(self, sts: Obj, slots: Slots, wanted: range, *, update: Obj) -> None:
        strategy = sts["spec"].get("updateStrategy") or {}
        if strategy.get("type") == "OnDelete":
            return
        partition = int((strategy.get("rollingUpdate") or {}).get("partition") or 0)
        for ordinal in reversed([each for each in wanted if each >= wanted.start + partition]):
            pod = slots.get(ordinal)
            if pod is None:
                return
            if _revision(pod) != update["metadata"]["name"]:
                self._delete(sts, pod)
                return
            if not self._available(sts, pod):
                return

    def _delete(self, sts: Obj, pod: Obj) -> None:
        if deleting(pod):
            return
        self._world.delete(pod)
        message = f"Delete Pod {pod['metadata']['name']} in StatefulSet {sts['metadata']['name']} successful"
        self._events.normal(sts, "SuccessfulDelete", message)


def _revision(pod: Obj) -> str:
    return str((pod["metadata"].get("labels") or {}).get(revisions.LABEL, ""))


def _claim_name(sts: Obj, template: Obj, ordinal: int) -> str:
    return f"{template['metadata']['name']}-{sts['metadata']['name']}-{ordinal}"


def _needed(sts: Obj, current: Obj, update: Obj, *, ordinal: int) -> Obj:
    """The revision that a missing Pod is made from (``isCurrentRevisionNeeded``)."""
    strategy = sts["spec"].get("updateStrategy") or {}
    if strategy.get("type") == "OnDelete":
        return update
    partition = (strategy.get("rollingUpdate") or {}).get("partition")
    start = int((sts["spec"].get("ordinals") or {}).get("start") or 0)
    # `partition: 0` is the default that the API server writes, and means the same as none.
    held = int(partition) if partition else int((sts.get("status") or {}).get("currentReplicas") or 0)
    return current if ordinal < start + held else update


def _status(sts: Obj, found: list[Obj], *, current: Obj, update: Obj, now: float) -> Obj:
    seconds = int(sts["spec"].get("minReadySeconds") or 0)
    waits = [pods.available_in(pod, seconds, now) for pod in found]
    names = current["metadata"]["name"], update["metadata"]["name"]
    old, new = (sum(_revision(pod) == name and not deleting(pod) for pod in found) for name in names)
    ready = sum(wait is not None for wait in waits)
    strategy = sts["spec"].get("updateStrategy") or {}
    if strategy.get("type") != "OnDelete" and new == ready == len(found):
        old, names = new, (names[1], names[1])
    numbers = {"readyReplicas": ready, "currentReplicas": old, "updatedReplicas": new}
    return {
        "observedGeneration": sts["metadata"].get("generation", 1),
        "replicas": len(found),
        **{field: number for field, number in numbers.items() if number},
        "currentRevision": names[0],
        "updateRevision": names[1],
        "collisionCount": 0,
        "availableReplicas": sum(wait == 0 for wait in waits),
    }
