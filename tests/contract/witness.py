"""Those who are told what informers say, and hold them to it.

Owns: `Witness` (a listener of a `LiveStore`), `Holder` (a `WatchSink` of its own, for selections that no store takes)
and the rules that both check. What is wrong is collected in `faults`: an exception would only be logged.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import NamedTuple

from fleetui.model.objects import ObjectRef, StoredObject

Exists = Callable[[str], bool]
"""Whether the server has an object with that uid now."""
Picture = dict[ObjectRef, tuple[str, str]]
"""uid and resourceVersion of each object."""


class _Told(NamedTuple):
    uid: str
    version: int
    present: bool


class Witness:
    """Checks what is told of each object, one piece of news after the other.

    - resourceVersions grow strictly, so that nothing old follows something new, nor an old uid a new one;
    - each object that is known is told as deleted once, before another of its name is told;
    - nothing is told as deleted that the server still has.
    """

    def __init__(self, exists: Exists) -> None:
        self.faults: list[str] = []
        self.changes = self.deletions = 0
        self._exists = exists
        self._told: dict[ObjectRef, _Told] = {}

    def __call__(self, obj: StoredObject, *, deleted: bool) -> None:
        last = self._told.get(obj.ref)
        now = _Told(obj.uid, int(obj.meta.resource_version), present=not deleted)
        self._told[obj.ref] = now
        if deleted:
            self.deletions += 1
            self._check_deletion(obj, now, last)
            return
        self.changes += 1
        if last is not None and now.version <= last.version:
            self._fault(f"told after version {last.version} of {last.uid}", obj)
        if last is not None and last.present and last.uid != now.uid:
            self._fault(f"told in the place of {last.uid}, which was not told as deleted", obj)

    def forget(self, known: Callable[[ObjectRef], object]) -> None:
        """Somebody has closed a watch: what is `known` no longer may be told anew."""
        self._told = {ref: told for ref, told in self._told.items() if known(ref) is not None}

    def _check_deletion(self, obj: StoredObject, now: _Told, last: _Told | None) -> None:
        if last is None or not last.present:
            self._fault("told as deleted and was not known", obj)
        elif last.uid != now.uid:
            self._fault(f"told as deleted in the place of {last.uid}", obj)
        elif now.version < last.version:
            self._fault(f"told as deleted after version {last.version}", obj)
        if self._exists(now.uid):
            self._fault("told as deleted and still exists", obj)

    def _fault(self, what: str, obj: StoredObject) -> None:
        self.faults.append(f"{obj.ref} {obj.uid} at {obj.meta.resource_version} was {what}")


class Holder:
    """The objects of one watch, as its informer tells them."""

    def __init__(self) -> None:
        self.holds: dict[ObjectRef, StoredObject] = {}
        self.faults: list[str] = []
        self.listings = 0
        self._fresh: set[ObjectRef] | None = None
        self._versions: dict[ObjectRef, int] = {}

    @property
    def picture(self) -> Picture:
        return {ref: (obj.uid, obj.meta.resource_version) for ref, obj in self.holds.items()}

    def listing(self) -> None:
        self._fresh = set()

    def upsert(self, objects: Sequence[StoredObject]) -> None:
        for obj in objects:
            self._check(obj, again=True)
            self.holds[obj.ref] = obj
            if self._fresh is not None:
                self._fresh.add(obj.ref)

    def remove(self, obj: StoredObject) -> None:
        self._check(obj, again=False)
        self.holds.pop(obj.ref, None)
        if self._fresh is not None:
            self._fresh.discard(obj.ref)

    def listed(self) -> None:
        self.listings += 1
        fresh, self._fresh = self._fresh, None
        assert fresh is not None, "listed without listing"
        self.holds = {ref: obj for ref, obj in self.holds.items() if ref in fresh}

    def failed(self, error: Exception) -> None:
        self._fresh = None

    def _check(self, obj: StoredObject, *, again: bool) -> None:
        """A list may tell again what is known, and nothing may tell what is older than that."""
        version, last = int(obj.meta.resource_version), self._versions.get(obj.ref, 0)
        if version < last or (version == last and not again):
            self.faults.append(f"{obj.ref} at {version} was told after {last}")
        self._versions[obj.ref] = version
