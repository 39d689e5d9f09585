"""Deleting one object: preconditions, finalizers, and the propagation policy.

Owns: `DeleteOptions` and what a DELETE does to the object itself; what becomes of its dependents is `gc`'s.
Called by `store`. Rules: apiserver v0.37 pkg/registry/generic/registry/store.go (`Delete`,
`deletionFinalizersForGarbageCollection`).
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import msgspec

from backends.embedded import errors
from backends.embedded.registry import ResourceType
from backends.embedded.storage import Obj, Record
from fleetui.model.times import format_time

if TYPE_CHECKING:
    from backends.embedded.store import ObjectStore

FOREGROUND, ORPHAN = "foregroundDeletion", "orphan"
DEFINITION_CLEANUP = "customresourcecleanup.apiextensions.k8s.io"
_LASTING = ("default", "kube-public", "kube-system")
_DEFINITION = ("apiextensions.k8s.io", "CustomResourceDefinition")
_NAMESPACE = ("", "Namespace")


class DeleteOptions(msgspec.Struct, frozen=True):
    """How an object is to be deleted.

    Args:
        propagation: Background, Foreground, Orphan, or nothing: the kind's own policy.
        uid: the object must have it, where it is given.
        resource_version: likewise.
        dry_run: nothing is committed.
    """

    propagation: str = ""
    uid: str = ""
    resource_version: str = ""
    dry_run: bool = False


class Deletion(msgspec.Struct, frozen=True):
    """What became of the object: its last state, and whether it is gone."""

    obj: dict[str, Any]
    gone: bool


def delete(store: ObjectStore, resource: ResourceType, record: Record, options: DeleteOptions) -> Deletion:
    """Deletes the object, or marks it for deletion where something holds it.

    Raises:
        ApiError: 409, a precondition does not hold; 403, a namespace that has to stay.
    """
    _check(resource, record, options)
    obj = record.decode()
    meta = obj["metadata"]
    finalizers = _finalizers(resource, obj, options)
    held = bool(finalizers)
    if resource.group_kind == _NAMESPACE:
        held = held or bool(obj.get("spec", {}).get("finalizers"))
        if held:
            obj.setdefault("status", {})["phase"] = "Terminating"
    meta["finalizers"] = finalizers
    table = store.table(resource)
    if not held:
        if not options.dry_run:
            store.storage.remove(table, obj)
        return Deletion(obj, gone=True)
    if not record.terminating:
        meta["deletionTimestamp"] = format_time(store.clock())
        if resource.group_kind == _DEFINITION:
            _say_terminating(obj, meta["deletionTimestamp"])
        elif resource.group_kind != _NAMESPACE:
            meta["deletionGracePeriodSeconds"] = 0
            if meta.get("generation"):
                meta["generation"] += 1
    elif tuple(finalizers) == record.finalizers:
        return Deletion(obj, gone=False)
    if not options.dry_run:
        store.storage.put(table, obj)
    return Deletion(obj, gone=False)


def _say_terminating(definition: Obj, now: str) -> None:
    condition = {
        "type": "Terminating",
        "status": "True",
        "lastTransitionTime": now,
        "reason": "InstanceDeletionPending",
        "message": "CustomResourceDefinition marked for deletion; CustomResource deletion will begin soon",
    }
    conditions = definition.setdefault("status", {}).get("conditions") or []
    definition["status"]["conditions"] = [*conditions, condition]


def _check(resource: ResourceType, record: Record, options: DeleteOptions) -> None:
    if resource.group_kind == _NAMESPACE and record.name in _LASTING:
        raise errors.forbidden("", "namespaces", record.name, why="this namespace may not be deleted")
    why = ""
    if options.uid and options.uid != record.uid:
        why = f"the UID in the precondition ({options.uid}) does not match the UID in record ({record.uid}). "
        why += "The object might have been deleted and then recreated"
    elif options.resource_version and options.resource_version != str(record.version):
        why = f"the ResourceVersion in the precondition ({options.resource_version}) does not match the "
        why += f"ResourceVersion in record ({record.version}). The object might have been modified"
    if why:
        raise errors.conflict(resource.group, resource.kind, record.name, why=why)


def _finalizers(resource: ResourceType, obj: Obj, options: DeleteOptions) -> list[str]:
    """The finalizers that hold the object once it is to be deleted: its own, and those of the policy."""
    own = list(obj["metadata"].get("finalizers") or ())
    found = [name for name in own if name not in (FOREGROUND, ORPHAN)]
    if _orphans(resource, own, options):
        found.append(ORPHAN)
    elif options.propagation == "Foreground" or (not options.propagation and FOREGROUND in own):
        found.append(FOREGROUND)
    if resource.group_kind == _DEFINITION and DEFINITION_CLEANUP not in found:
        found.append(DEFINITION_CLEANUP)
    return found


def _orphans(resource: ResourceType, own: list[str], options: DeleteOptions) -> bool:
    if options.propagation:
        return options.propagation == "Orphan"
    if FOREGROUND in own:
        return False
    # For backward compatibility a Job's Pods stay unless a policy is given (jobStrategy).
    return ORPHAN in own or resource.group_kind in (("batch", "Job"), ("", "ReplicationController"))
