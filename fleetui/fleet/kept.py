"""Trees that somebody looks at.

Owns: `Kept`. Called by `fleetui.fleet.fleet`, one for each application that is looked at.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

from fleetui.fleet.store import LiveStore
from fleetui.fleet.subscription import Once
from fleetui.ports import Subscription

if TYPE_CHECKING:
    from fleetui.fleet.trees import TreeWatch


class Kept:
    """One tree: its watch is made when it is first asked for, and anew where its cluster is reached in another way."""

    def __init__(self) -> None:
        self._takers = 0
        self._watch: TreeWatch | None = None

    @property
    def is_free(self) -> bool:
        return self._takers == 0

    def taken(self, freed: Callable[[], None]) -> Subscription:
        self._takers += 1

        def release() -> None:
            self._takers -= 1
            freed()

        return Once(release)

    def watch(self, place: LiveStore, make: Callable[[], TreeWatch]) -> TreeWatch:
        """The watch of the tree on `place`, made if there is none."""
        if self._watch is None or self._watch.store is not place:
            self.drop()
            self._watch = make()
        return self._watch

    def drop(self) -> None:
        watch, self._watch = self._watch, None
        if watch is not None:
            watch.close()
