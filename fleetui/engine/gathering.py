"""A watch whose listings are told as a whole.

Owns: `Gathering`. Called by what keeps a picture of a few objects of its own, beside `fleetui.fleet.store`: the hub's
settings here, and what hubs register in `fleetui.fleet`.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

from fleetui.model.objects import ObjectRef, StoredObject


class Gathering:
    """A `fleetui.ports.WatchSink`.

    Args:
        settle: given all objects, whenever they were listed.
        change: given the objects that changed since, and the references of those that went.
        fail: told why they can't be listed or watched now.
    """

    def __init__(
        self,
        *,
        settle: Callable[[Sequence[StoredObject]], object],
        change: Callable[[Sequence[StoredObject], set[ObjectRef]], object],
        fail: Callable[[Exception], object],
    ) -> None:
        self._settle = settle
        self._change = change
        self._fail = fail
        self._listing: dict[ObjectRef, StoredObject] | None = None

    def listing(self) -> None:
        self._listing = {}

    def upsert(self, objects: Sequence[StoredObject]) -> None:
        if self._listing is None:
            self._change(objects, set())
        else:
            self._listing.update((obj.ref, obj) for obj in objects)

    def remove(self, obj: StoredObject) -> None:
        if self._listing is None:
            self._change((), {obj.ref})
        else:
            self._listing.pop(obj.ref, None)

    def listed(self) -> None:
        found, self._listing = self._listing, None
        if found is not None:
            self._settle(list(found.values()))

    def failed(self, error: Exception) -> None:
        self._listing = None
        self._fail(error)
