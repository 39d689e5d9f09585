"""Objects as we last wrote them, until the watch has caught up.

Owns: `Overlay`. Without it a reconcile that follows a write at once would look at the state before it, and do the same
work twice. Pure bookkeeping; the time is passed in.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable

from fleetui.engine.application import uid_of, version_of
from fleetui.model.objects import Obj, ObjectRef, StoredObject, ref_of

PATIENCE = 120.0
"""Seconds after which the watch is believed again, whatever we wrote: an object that was deleted while the watch was
down is never announced, and must not live on here."""

_REMEMBERED = 4096


class Overlay:
    """The writes of one cluster that its watches may not have shown yet.

    Args:
        now: seconds on any clock.
    """

    def __init__(self, now: Callable[[], float]) -> None:
        self._now = now
        self._written: dict[ObjectRef, tuple[float, Obj, bool]] = {}
        self._gone: OrderedDict[str, float] = OrderedDict()

    def __len__(self) -> int:
        return len(self._written)

    def wrote(self, obj: Obj, *, quiet: bool = True) -> None:
        """Notes the object that the API server returned for a write; `quiet` where its event tells nothing new."""
        # The answer to a write may be read after the watch has told that the object went.
        if not self._is_gone(uid_of(obj)):
            self._written[ref_of(obj)] = (self._now(), obj, quiet)

    def deleted(self, ref: ObjectRef, uid: str) -> None:
        """Notes that the object is gone, though the watch may still have it."""
        written = self._written.get(ref)
        if written is not None and uid_of(written[1]) == uid:
            del self._written[ref]
        self._bury(uid)

    def seen(self, obj: StoredObject, *, deleted: bool) -> bool:
        """Notes what a watch has shown; returns whether it is a write that was noted, and nothing new."""
        if deleted:
            self._bury(obj.uid)
        entry = self._written.get(obj.ref)
        if entry is None:
            return False
        version = version_of(entry[1])
        shown = obj.meta.resource_version
        if deleted:
            if uid_of(entry[1]) == obj.uid or not _newer(version, shown):
                del self._written[obj.ref]
            return False
        if _newer(version, shown):
            return False
        del self._written[obj.ref]
        return entry[2] and version == shown

    def get(self, ref: ObjectRef, cached: StoredObject | None) -> Obj | None:
        """The newest known state of an object: what we wrote, or else what the watch has shown."""
        entry = self._written.get(ref)
        if entry is not None:
            since, written, _ = entry
            ahead = cached is None or _newer(version_of(written), cached.meta.resource_version)
            if ahead and self._now() - since < PATIENCE:
                return written
            del self._written[ref]
        return None if cached is None or self._is_gone(cached.uid) else cached.decode()

    def written(self, group: str, kind: str) -> list[ObjectRef]:
        """The objects of a kind whose last write of ours may not have been shown yet; some of them may be new."""
        return [ref for ref in self._written if ref.group_kind == (group, kind)]

    def _bury(self, uid: str) -> None:
        if uid:
            self._gone[uid] = self._now()
            self._gone.move_to_end(uid)
            while len(self._gone) > _REMEMBERED:
                self._gone.popitem(last=False)

    def _is_gone(self, uid: str) -> bool:
        # A restored etcd brings objects back under the uid they had.
        return self._now() - self._gone.get(uid, float("-inf")) < PATIENCE


def _newer(mine: str, theirs: str) -> bool:
    """Whether one resourceVersion is newer; they are decimal and ordered (KEP-5504, Kubernetes 1.35)."""
    if mine.isdigit() and theirs.isdigit():
        return int(mine) > int(theirs)
    return mine != theirs
