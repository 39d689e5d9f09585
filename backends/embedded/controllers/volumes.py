"""PersistentVolumeClaims: bound to a volume at once, and the volume gone with the claim.

Owns: what a provisioner and the volume binder do. After kubernetes `pkg/controller/volume/persistentvolume`.
"""

from __future__ import annotations

from backends.embedded.controllers.events import Recorder
from backends.embedded.controllers.world import CLAIM, VOLUME, World, deleting
from fleetui.model.objects import Obj

_BOUND = {"pv.kubernetes.io/bind-completed": "yes", "pv.kubernetes.io/bound-by-controller": "yes"}
PROVISIONER = "csi.fleetui.example"


class Claims:
    """Reconciles one claim at a time."""

    def __init__(self, world: World, recorder: Recorder) -> None:
        self._world = world
        self._events = recorder

    def reconcile(self, namespace: str, name: str) -> float | None:
        """Provisions a volume for the claim and binds it, in as many rounds as there are writes."""
        claim = self._world.get(CLAIM, namespace, name)
        if claim is None or deleting(claim):
            return None
        volume = claim["spec"].get("volumeName") or f"pvc-{claim['metadata']['uid']}"
        if self._world.get(VOLUME, "", volume) is None:
            self._world.create(_volume(claim, volume), manager="csi-provisioner")
            self._events.normal(claim, "ProvisioningSucceeded", f"Successfully provisioned volume {volume}")
        elif not claim["spec"].get("volumeName"):
            meta = claim["metadata"]
            meta = {**meta, "annotations": {**(meta.get("annotations") or {}), **_BOUND}}
            self._world.change({**claim, "metadata": meta, "spec": {**claim["spec"], "volumeName": volume}})
        else:
            self._world.set_status(claim, _bound(claim))
        return None  # each write brings the claim here again, as an event of its own or of its volume


class Volumes:
    """Reconciles one volume at a time: bound while its claim is there, deleted after it (reclaim policy Delete)."""

    def __init__(self, world: World) -> None:
        self._world = world

    def reconcile(self, namespace: str, name: str) -> float | None:
        volume = self._world.get(VOLUME, namespace, name)
        if volume is None or deleting(volume):
            return None
        reference = volume["spec"].get("claimRef") or {}
        claim = self._world.get(CLAIM, reference.get("namespace", ""), reference.get("name", ""))
        alive = claim is not None and claim["metadata"]["uid"] == reference.get("uid")
        if alive:
            self._world.set_status(volume, {"phase": "Bound"})
        elif volume["spec"].get("persistentVolumeReclaimPolicy") == "Delete":
            self._world.delete(volume)
        else:
            self._world.set_status(volume, {"phase": "Released"})
        return None


def _bound(claim: Obj) -> Obj:
    spec = claim["spec"]
    requests = (spec.get("resources") or {}).get("requests") or {}
    return {"phase": "Bound", "accessModes": spec.get("accessModes") or ["ReadWriteOnce"], "capacity": dict(requests)}


def _volume(claim: Obj, name: str) -> Obj:
    spec, meta = claim["spec"], claim["metadata"]
    reference = {"apiVersion": "v1", "kind": "PersistentVolumeClaim"}
    reference |= {key: meta[key] for key in ("namespace", "name", "uid")}
    return {
        "apiVersion": "v1",
        "kind": "PersistentVolume",
        "metadata": {"name": name, "annotations": {"pv.kubernetes.io/provisioned-by": PROVISIONER}},
        "spec": {
            "capacity": dict((spec.get("resources") or {}).get("requests") or {"storage": "1Gi"}),
            "csi": {"driver": PROVISIONER, "volumeHandle": name},
            "accessModes": spec.get("accessModes") or ["ReadWriteOnce"],
            "claimRef": reference,
            "persistentVolumeReclaimPolicy": "Delete",
            "storageClassName": spec.get("storageClassName") or "standard",
            "volumeMode": spec.get("volumeMode") or "Filesystem",
        },
    }
