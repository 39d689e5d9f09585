"""Objects as we last wrote them, until the watch has caught up.

Owns: `Overlay`. Without it a reconcile that follows a write at once would look at the state before it, and do the same
work twice. Pure bookkeeping.
"""

from __future__ import annotations

from fleetui.engine.application import mapping, text
from fleetui.model.objects import Obj, ObjectRef, StoredObject, ref_of


class Overlay:
    """The writes of one cluster that its watches may not have shown yet."""

    def __init__(self) -> None:
        self._written: dict[ObjectRef, Obj] = {}

    def wrote(self, obj: Obj) -> None:
        """Notes the object that the API server returned for a write."""
        self._written[ref_of(obj)] = obj

    def seen(self, obj: StoredObject, *, deleted: bool) -> bool:
        """Notes what a watch has shown; returns whether it is the very write that was noted (nothing new)."""
        written = self._written.get(obj.ref)
        if written is None:
            return False
        version = _version(written)
        shown = obj.meta.resource_version
        same_object = _uid(written) == obj.uid
        if deleted and (same_object or not _newer(version, shown)):
            del self._written[obj.ref]
        elif not deleted and not _newer(version, shown):
            del self._written[obj.ref]
            return version == shown
        return False

    def get(self, ref: ObjectRef, cached: StoredObject | None) -> Obj | None:
        """The newest known state of an object: what we wrote, or else what the watch has shown."""
        written = self._written.get(ref)
        if written is not None and (cached is None or _newer(_version(written), cached.meta.resource_version)):
            return written
        return cached.decode() if cached is not None else None

    def forget(self, ref: ObjectRef) -> None:
        self._written.pop(ref, None)


def _version(obj: Obj) -> str:
    return text(mapping(obj.get("metadata")).get("resourceVersion"))


def _uid(obj: Obj) -> str:
    return text(mapping(obj.get("metadata")).get("uid"))


def _newer(mine: str, theirs: str) -> bool:
    """Whether one resourceVersion is newer; they are decimal and ordered (KEP-5504, Kubernetes 1.35)."""
    if mine.isdigit() and theirs.isdigit():
        return int(mine) > int(theirs)
    return mine != theirs
