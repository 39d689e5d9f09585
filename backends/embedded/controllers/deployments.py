"""Deployments: their ReplicaSets, roll-outs, history and status.

Owns: the Deployment controller; the decisions are in `rollout`. After kubernetes `pkg/controller/deployment`.
"""

from __future__ import annotations

import copy

from backends.embedded.controllers import conditions, progress, rollout
from backends.embedded.controllers.adoption import claim
from backends.embedded.controllers.events import Recorder
from backends.embedded.controllers.naming import safe_hash
from backends.embedded.controllers.rollout import replicas_of, status_of
from backends.embedded.controllers.world import DEPLOYMENT, REPLICA_SET, World, deleting, owner_reference
from fleetui.model.objects import Obj

# What a ReplicaSet does not take over from its Deployment (deployment_util.go, `annotationsToSkip`).
_NOT_COPIED = {
    "kubectl.kubernetes.io/last-applied-configuration",
    "deprecated.deployment.rollback.to",
    rollout.REVISION,
    rollout.REVISION_HISTORY,
    rollout.DESIRED,
    rollout.MAXIMUM,
}


class Deployments:
    """Reconciles one Deployment at a time."""

    def __init__(self, world: World, recorder: Recorder) -> None:
        self._world = world
        self._events = recorder

    def reconcile(self, namespace: str, name: str) -> float | None:
        """Does the next step of the roll-out; returns the seconds until its deadline, or None."""
        deployment = self._world.get(DEPLOYMENT, namespace, name)
        if deployment is None:
            return None
        sets = claim(self._world, deployment, REPLICA_SET)
        if deleting(deployment):
            self._write_status(deployment, _newest(deployment, sets), sets)
            return None
        self._advance(deployment, sets)
        # Everything above may have written: the status is made from what is there now.
        deployment = self._world.get(DEPLOYMENT, namespace, name)
        if deployment is None:
            return None
        sets = self._world.owned(deployment, REPLICA_SET)
        self._write_status(deployment, _newest(deployment, sets), sets)
        return self._deadline(namespace, name)

    def _advance(self, deployment: Obj, sets: list[Obj]) -> None:
        new = _newest(deployment, sets)
        if deployment["spec"].get("paused"):
            self._scale(deployment, sets, rollout.resize(deployment, sets))
            return
        resized = rollout.resize(deployment, sets) if new is not None and _resized(deployment, sets) else {}
        if resized:
            self._scale(deployment, sets, resized)
            return
        old = [rs for rs in sets if rs is not new]
        if new is None and rollout.recreates(deployment) and not rollout.stopped(old):
            self._scale(deployment, old, rollout.stops(old))
            return
        new = self._sync_new(deployment, new, old)
        if new is None:
            return
        old = [rs for rs in sets if rs["metadata"]["uid"] != new["metadata"]["uid"]]
        steps = rollout.next_step(deployment, new, old)
        self._scale(deployment, [new, *old], steps)
        if not steps and progress.complete(deployment, deployment.get("status") or {}):
            self._forget(deployment, old)

    def _deadline(self, namespace: str, name: str) -> float | None:
        deployment = self._world.get(DEPLOYMENT, namespace, name)
        left = progress.seconds_left(deployment, self._world.now) if deployment else None
        return None if left is None else max(left, 0.0) + 0.01

    # --- the ReplicaSets -------------------------------------------------------------------------------------------

    def _sync_new(self, deployment: Obj, new: Obj | None, old: list[Obj]) -> Obj | None:
        revision = max([rollout.revision_of(rs) for rs in old], default=0) + 1
        if new is None:
            return self._create(deployment, old, revision)
        annotations = _annotations(deployment, new, revision=max(revision, rollout.revision_of(new)))
        if annotations != new["metadata"].get("annotations"):
            new = self._world.change({**new, "metadata": {**new["metadata"], "annotations": annotations}})
        found = None
        if conditions.find((deployment.get("status") or {}).get("conditions"), "Progressing") is None:
            found = "FoundNewReplicaSet", f'Found new replica set "{new["metadata"]["name"]}"'
        self._note(deployment, annotations[rollout.REVISION], found)
        return new

    def _create(self, deployment: Obj, old: list[Obj], revision: int) -> Obj | None:
        spec = deployment["spec"]
        salt = str((deployment.get("status") or {}).get("collisionCount") or "")
        digest = safe_hash(spec["template"], salt)
        template = copy.deepcopy(spec["template"])
        template.setdefault("metadata", {}).setdefault("labels", {})[rollout.HASH] = digest
        selector = copy.deepcopy(spec["selector"])
        selector.setdefault("matchLabels", {})[rollout.HASH] = digest
        name = f"{deployment['metadata']['name']}-{digest}"
        new: Obj = {
            "apiVersion": "apps/v1",
            "kind": "ReplicaSet",
            "metadata": {
                "name": name,
                "namespace": deployment["metadata"]["namespace"],
                "labels": template["metadata"]["labels"],
                "annotations": _annotations(deployment, None, revision=revision),
                "ownerReferences": [owner_reference(deployment)],
            },
            "spec": {"replicas": 0, "selector": selector, "template": template},
        }
        if "minReadySeconds" in spec:
            new["spec"]["minReadySeconds"] = spec["minReadySeconds"]
        size = new["spec"]["replicas"] = rollout.first_size(deployment, new, old)
        created = self._world.create(new)
        if created is None:
            self._collide(deployment)
            return None
        if size:
            self._events.normal(deployment, "ScalingReplicaSet", f"Scaled up replica set {name} from 0 to {size}")
        self._note(deployment, str(revision), ("NewReplicaSetCreated", f'Created new replica set "{name}"'))
        return created

    def _collide(self, deployment: Obj) -> None:
        # Another template has the same hash: the count goes into the next hash (`collisionCount`).
        status = dict(deployment.get("status") or {})
        status["collisionCount"] = int(status.get("collisionCount") or 0) + 1
        self._world.set_status(deployment, status)

    def _scale(self, deployment: Obj, sets: list[Obj], sizes: rollout.Scales) -> None:
        for rs in sets:
            name = rs["metadata"]["name"]
            if name not in sizes:
                continue
            before, after = replicas_of(rs), sizes[name]
            notes = {**(rs["metadata"].get("annotations") or {}), **_sizes(deployment)}
            meta = {**rs["metadata"], "annotations": notes}
            self._world.change({**rs, "metadata": meta, "spec": {**rs["spec"], "replicas": after}})
            way = "up" if after > before else "down"
            message = f"Scaled {way} replica set {name} from {before} to {after}"
            self._events.normal(deployment, "ScalingReplicaSet", message)

    def _forget(self, deployment: Obj, old: list[Obj]) -> None:
        limit = deployment["spec"].get("revisionHistoryLimit")
        idle = [rs for rs in old if not replicas_of(rs) and not status_of(rs, "replicas") and not deleting(rs)]
        surplus = len(old) - (10 if limit is None else int(limit))
        for rs in sorted(idle, key=rollout.revision_of)[: max(0, surplus)]:
            self._world.delete(rs)

    # --- the Deployment itself -------------------------------------------------------------------------------------

    def _note(self, deployment: Obj, revision: str, reached: tuple[str, str] | None) -> None:
        """Writes the revision, and what the roll-out has reached, through the status as the real controller does: an
        annotation written otherwise would count as a new generation."""
        meta = deployment["metadata"]
        current = self._world.get(DEPLOYMENT, meta["namespace"], meta["name"])
        if current is None:
            return
        notes = current["metadata"].get("annotations") or {}
        changed = {**current, "metadata": {**current["metadata"], "annotations": {**notes, rollout.REVISION: revision}}}
        if reached is not None:
            status = dict(current.get("status") or {})
            reason, message = reached
            new = progress.condition("Progressing", "True", reason, message=message, now=self._world.now)
            changed["status"] = {**status, "conditions": conditions.put_last(status.get("conditions") or [], new)}
        if changed != current:
            self._world.change_status(changed)

    def _write_status(self, deployment: Obj, new: Obj | None, sets: list[Obj]) -> None:
        numbers = progress.counts(deployment, new, sets)
        found = progress.statements(deployment, new, numbers, now=self._world.now)
        self._world.set_status(deployment, {**numbers, "conditions": found})


def _newest(deployment: Obj, sets: list[Obj]) -> Obj | None:
    """The ReplicaSet whose template is the Deployment's (``FindNewReplicaSet``)."""
    template = deployment["spec"]["template"]
    fitting = [rs for rs in sets if not deleting(rs) and rollout.same_template(rs["spec"]["template"], template)]
    return fitting[0] if fitting else None


def _resized(deployment: Obj, sets: list[Obj]) -> bool:
    """Whether `spec.replicas` changed since the ReplicaSets were scaled last (``isScalingEvent``)."""
    wanted = str(replicas_of(deployment))
    notes = [rs["metadata"].get("annotations") or {} for rs in sets if replicas_of(rs)]
    return any(rollout.DESIRED in note and note[rollout.DESIRED] != wanted for note in notes)


def _sizes(deployment: Obj) -> dict[str, str]:
    wanted = replicas_of(deployment)
    return {rollout.DESIRED: str(wanted), rollout.MAXIMUM: str(wanted + rollout.fenceposts(deployment)[0])}


def _annotations(deployment: Obj, new: Obj | None, *, revision: int) -> dict[str, str]:
    """The annotations of the newest ReplicaSet (``SetNewReplicaSetAnnotations``)."""
    own = dict((new["metadata"].get("annotations") if new else None) or {})
    given = deployment["metadata"].get("annotations") or {}
    own.update({key: value for key, value in given.items() if key not in _NOT_COPIED})
    former = own.get(rollout.REVISION)
    if former is not None and former != str(revision):
        history = [*filter(None, own.get(rollout.REVISION_HISTORY, "").split(",")), former]
        own[rollout.REVISION_HISTORY] = ",".join(history)
    return {**own, rollout.REVISION: str(revision), **_sizes(deployment)}
