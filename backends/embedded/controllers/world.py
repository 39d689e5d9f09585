"""What the controllers see of their cluster, and how they write to it.

Owns: `World` (a cache of the kinds that controllers care for, indexed by owner and namespace) and `Timing`. Called
by every controller. No decision is made here. Cached objects are shared: they are read, never changed in place.
"""

from __future__ import annotations

import copy
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from random import Random
from typing import Any

from backends.embedded.errors import ApiError
from backends.embedded.storage import Event
from backends.embedded.store import ObjectStore
from fleetui.model.objects import Obj, split_api_version
from fleetui.model.times import format_time

Kind = tuple[str, str]
"""Group and kind."""

POD: Kind = ("", "Pod")
NODE: Kind = ("", "Node")
SERVICE: Kind = ("", "Service")
NAMESPACE: Kind = ("", "Namespace")
SERVICE_ACCOUNT: Kind = ("", "ServiceAccount")
CLAIM: Kind = ("", "PersistentVolumeClaim")
VOLUME: Kind = ("", "PersistentVolume")
DEPLOYMENT: Kind = ("apps", "Deployment")
REPLICA_SET: Kind = ("apps", "ReplicaSet")
STATEFUL_SET: Kind = ("apps", "StatefulSet")
DAEMON_SET: Kind = ("apps", "DaemonSet")
REVISION: Kind = ("apps", "ControllerRevision")
JOB: Kind = ("batch", "Job")
SLICE: Kind = ("discovery.k8s.io", "EndpointSlice")
INGRESS: Kind = ("networking.k8s.io", "Ingress")
AUTOSCALER: Kind = ("autoscaling", "HorizontalPodAutoscaler")
BUDGET: Kind = ("policy", "PodDisruptionBudget")

WATCHED = frozenset(
    {
        *(POD, NODE, SERVICE, CLAIM, VOLUME, DEPLOYMENT, REPLICA_SET, STATEFUL_SET, DAEMON_SET, REVISION),
        *(JOB, SLICE, INGRESS, AUTOSCALER, BUDGET, NAMESPACE, SERVICE_ACCOUNT),
    }
)

ADOPTABLE = frozenset({POD, REPLICA_SET, REVISION})

MANAGER = "kube-controller-manager"


@dataclass(frozen=True)
class Timing:
    """How long things take in an embedded cluster, in seconds."""

    pod: tuple[float, float] = (0.3, 1.5)
    """Bounds of each step of a Pod's life (pulled and started; a Job's run); each Pod has its own place within."""
    backoff: float = 10.0
    """First wait of an image pull or of a crashed container, doubled each time (kubelet: 10 s)."""
    backoff_max: float = 300.0
    """The longest such wait (kubelet: 300 s)."""
    job_retry: float = 2.0
    """First wait before a failed Job's next Pod, doubled each time (kube-controller-manager: 10 s)."""

    @classmethod
    def immediate(cls) -> Timing:
        """Nothing takes time, except that what failed is not tried again within a test."""
        return cls(pod=(0.0, 0.0), backoff=3600.0, backoff_max=3600.0, job_retry=0.0)


class World:
    """The controllers' view of one store."""

    def __init__(self, store: ObjectStore, *, cluster: str, timing: Timing, random: Random) -> None:
        self.store = store
        self.cluster = cluster
        self.timing = timing
        self.random = random
        self._objects: dict[Kind, dict[str, dict[str, Obj]]] = {kind: {} for kind in WATCHED}
        self._owned: dict[str, dict[tuple[Kind, str, str], None]] = {}
        self._orphans: dict[tuple[Kind, str], dict[str, None]] = {}

    # --- reading -------------------------------------------------------------------------------------------------

    def load(self) -> list[Obj]:
        """Takes in what the store holds already; returns it."""
        found: list[Obj] = []
        for kind in WATCHED:
            for obj in self.store.list(*kind):
                self._put(kind, obj)
                found.append(obj)
        return found

    def observe(self, event: Event) -> bool:
        """Takes one event of the store in; returns whether any controller cares for the object's kind."""
        kind = event.resource.group_kind
        if kind not in WATCHED:
            return False
        old = self.get(kind, event.record.namespace, event.record.name)
        if old is not None:
            self._disown(kind, old)
        if event.type == "DELETED":
            self._drop(kind, event.record.namespace, event.record.name)
        else:
            self._put(kind, event.obj)
        return True

    def get(self, kind: Kind, namespace: str, name: str) -> Obj | None:
        return self._objects.get(kind, {}).get(namespace, {}).get(name)

    def of_namespace(self, kind: Kind, namespace: str) -> list[Obj]:
        return list(self._objects[kind].get(namespace, {}).values())

    def all(self, kind: Kind) -> Iterator[Obj]:
        for named in self._objects[kind].values():
            yield from named.values()

    def owned(self, owner: Obj, kind: Kind) -> list[Obj]:
        """The objects of `kind` that `owner` controls, oldest first."""
        keys = self._owned.get(owner["metadata"]["uid"], {})
        found = [self.get(*key) for key in keys if key[0] == kind]
        return [obj for obj in found if obj is not None]

    def orphans(self, kind: Kind, namespace: str) -> list[Obj]:
        """The objects of a namespace that nobody controls; only of kinds that somebody could."""
        found = (self.get(kind, namespace, name) for name in self._orphans.get((kind, namespace), ()))
        return [obj for obj in found if obj is not None]

    @property
    def now(self) -> float:
        """Seconds since the epoch, by the store's clock."""
        return self.store.clock()

    def stamp(self) -> str:
        """Now, as Kubernetes writes it."""
        return format_time(self.now)

    # --- writing -------------------------------------------------------------------------------------------------

    def create(self, obj: Obj, *, manager: str = MANAGER) -> Obj | None:
        """Creates `obj`; None where the name is taken."""
        try:
            return self.store.create(obj, manager=manager)
        except ApiError as error:
            if error.reason == "AlreadyExists":
                return None
            raise

    def change(self, obj: Obj, *, manager: str = MANAGER) -> Obj:
        """Writes everything of `obj` except its status."""
        return self.store.update(obj, manager=manager)

    def change_status(self, obj: Obj, *, manager: str = MANAGER) -> Obj:
        """Writes the status of `obj`, and of its metadata what goes with it."""
        return self.store.update(obj, manager=manager, subresource="status")

    def set_status(self, obj: Obj, status: Obj, *, manager: str = MANAGER) -> None:
        """Writes `status` where it differs from what `obj` has."""
        if obj.get("status") != status:
            self.change_status({**obj, "status": status}, manager=manager)

    def delete(self, obj: Obj) -> None:
        """Deletes exactly this object; one that is gone already is fine."""
        meta = obj["metadata"]
        try:
            self.store.delete(*kind_of(obj), meta.get("namespace", ""), meta["name"], uid=meta["uid"])
        except ApiError as error:
            if error.reason not in {"NotFound", "Conflict"}:
                raise

    # --- the cache -----------------------------------------------------------------------------------------------

    def _put(self, kind: Kind, obj: Obj) -> None:
        meta = obj["metadata"]
        namespace, name = meta.get("namespace", ""), meta["name"]
        self._objects[kind].setdefault(namespace, {})[name] = obj
        owner = controller_of(obj)
        if owner is not None:
            self._owned.setdefault(owner["uid"], {})[kind, namespace, name] = None
        elif kind in ADOPTABLE:
            self._orphans.setdefault((kind, namespace), {})[name] = None

    def _drop(self, kind: Kind, namespace: str, name: str) -> None:
        named = self._objects[kind].get(namespace, {})
        named.pop(name, None)
        if not named:
            self._objects[kind].pop(namespace, None)

    def _disown(self, kind: Kind, obj: Obj) -> None:
        owner, meta = controller_of(obj), obj["metadata"]
        if owner is None:
            self._orphans.get((kind, meta.get("namespace", "")), {}).pop(meta["name"], None)
            return
        keys = self._owned.get(owner["uid"], {})
        keys.pop((kind, meta.get("namespace", ""), meta["name"]), None)
        if not keys:
            self._owned.pop(owner["uid"], None)


def kind_of(obj: Mapping[str, Any]) -> Kind:
    """Group and kind of an object."""
    return split_api_version(obj["apiVersion"])[0], obj["kind"]


def controller_of(obj: Mapping[str, Any]) -> dict[str, Any] | None:
    """The owner reference with ``controller: true``, or None."""
    for reference in obj["metadata"].get("ownerReferences") or ():
        if reference.get("controller"):
            return dict(reference)
    return None


def owner_reference(owner: Mapping[str, Any]) -> dict[str, Any]:
    """The reference that a controller puts on what it makes (apimachinery `metav1.NewControllerRef`)."""
    return {
        "apiVersion": owner["apiVersion"],
        "kind": owner["kind"],
        "name": owner["metadata"]["name"],
        "uid": owner["metadata"]["uid"],
        "controller": True,
        "blockOwnerDeletion": True,
    }


def deleting(obj: Mapping[str, Any]) -> bool:
    return "deletionTimestamp" in obj["metadata"]


def matches(selector: Mapping[str, Any] | None, labels: Mapping[str, str] | None) -> bool:
    """Whether a `metav1.LabelSelector` selects `labels`; an absent or empty one selects nothing here, as workload
    controllers have it."""
    if not selector or not (selector.get("matchLabels") or selector.get("matchExpressions")):
        return False
    have = labels or {}
    if any(have.get(key) != value for key, value in (selector.get("matchLabels") or {}).items()):
        return False
    return all(_holds(rule, have) for rule in selector.get("matchExpressions") or ())


def _holds(rule: Mapping[str, Any], labels: Mapping[str, str]) -> bool:
    key, values = rule["key"], rule.get("values") or ()
    match rule["operator"]:
        case "In":
            return labels.get(key) in values
        case "NotIn":
            return labels.get(key) not in values
        case "Exists":
            return key in labels
        case _:
            return key not in labels


def pod_from(template: Mapping[str, Any], *, owner: Obj, name: str, labels: Mapping[str, str]) -> Obj:
    """The Pod that `owner` makes from `template`, with `labels` on top of the template's."""
    meta = copy.deepcopy(dict(template.get("metadata") or {}))
    kept = {key: meta[key] for key in ("annotations", "finalizers") if meta.get(key)}
    return {
        "apiVersion": "v1",
        "kind": "Pod",
        "metadata": {
            "name": name,
            "namespace": owner["metadata"]["namespace"],
            "labels": {**(meta.get("labels") or {}), **labels},
            **kept,
            "ownerReferences": [owner_reference(owner)],
        },
        "spec": copy.deepcopy(dict(template.get("spec") or {})),
    }
