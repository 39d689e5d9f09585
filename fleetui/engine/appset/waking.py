"""What wakes which ApplicationSet.

Owns: `Seen`: what changed of an ApplicationSet, or of an Application of one, since the last look, and whether that
matters (Argo CD v3.6.1 `applicationset/controllers/applicationset_controller.go`, `shouldRequeueForApplicationSet`,
`getApplicationOwnsHandler` and `shouldRequeueForApplication`, with progressive syncs on). Pure but for its memory.
Called by `fleetui.engine.appset.controller`.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping
from typing import Any, NamedTuple

from fleetui.engine.application import GROUP, mapping
from fleetui.engine.appset.applicationset import KIND, REFRESH
from fleetui.engine.fingerprint import fingerprint
from fleetui.model.objects import Obj, ObjectRef, StoredObject

Key = tuple[str, str]
"""Namespace and name of an ApplicationSet."""


def set_of(app: StoredObject) -> Key | None:
    """The ApplicationSet that controls an Application; None where none does."""
    for owner in app.meta.owner_references or ():
        if owner.controller and owner.kind == KIND and owner.api_version == f"{GROUP}/v1alpha1":
            return app.ref.namespace, owner.name
    return None


class Woken(NamedTuple):
    """The ApplicationSets that have to be looked at: because of what they wrote, or only because an Application is
    otherwise than before."""

    written: Collection[Key] = ()
    told: Collection[Key] = ()


class Seen:
    """What has been seen of ApplicationSets and of their Applications."""

    def __init__(self) -> None:
        self._sets: dict[ObjectRef, tuple[bytes, bytes, bool]] = {}
        self._apps: dict[ObjectRef, tuple[Key, bytes, bytes]] = {}

    def applicationset(self, obj: StoredObject, *, deleted: bool) -> bool:
        """Notes an ApplicationSet that a watch shows; returns whether it has to be looked at."""
        if deleted:
            self._sets.pop(obj.ref, None)
            return True
        before, now = self._sets.get(obj.ref), _of_set(obj.decode())
        self._sets[obj.ref] = now
        if before is None or before[0] != now[0]:
            return True
        # That the refresh was honoured is no reason to look again.
        return before[1] != now[1] and not (before[2] and not now[2])

    def application(self, obj: StoredObject, *, deleted: bool) -> Woken:
        """Notes an Application that a watch shows, and says whom that wakes.

        One that is new wakes nobody: who made it knows.
        """
        owner, before = set_of(obj), self._apps.pop(obj.ref, None)
        if deleted or owner is None:
            return Woken({key for key in (before[0] if before is not None else owner,) if key is not None})
        self._apps[obj.ref] = now = (owner, *_of_app(obj.decode()))
        if before is None or before == now:
            return Woken()
        return Woken(told={owner}) if before[:2] == now[:2] else Woken({before[0], owner})


def _of_set(obj: Obj) -> tuple[bytes, bytes, bool]:
    metadata = mapping(obj.get("metadata"))
    annotations = mapping(metadata.get("annotations"))
    about = [
        obj.get("spec"),
        mapping(obj.get("status")).get("applicationStatus") or [],
        metadata.get("labels") or {},
        metadata.get("finalizers") or [],
        metadata.get("deletionTimestamp"),
    ]
    return fingerprint(about), fingerprint(annotations), REFRESH in annotations


def _of_app(obj: Mapping[str, Any]) -> tuple[bytes, bytes]:
    metadata, status = mapping(obj.get("metadata")), mapping(obj.get("status"))
    operation = mapping(status.get("operationState"))
    written = [
        obj.get("spec"),
        metadata.get("annotations") or {},
        metadata.get("labels") or {},
        metadata.get("finalizers") or [],
    ]
    told = [
        mapping(status.get("health")).get("status"),
        mapping(status.get("sync")).get("status"),
        # Argo CD hears of new revisions only together with one of the others.
        mapping(status.get("sync")).get("revision"),
        mapping(status.get("sync")).get("revisions"),
        operation.get("phase"),
        operation.get("startedAt"),
    ]
    return fingerprint(written), fingerprint(told)
