"""Trees that somebody looks at.

Owns: `Trees`, which answers what is in an application's tree, and keeps it watched while somebody looks at it. Made by
`fleetui.fleet.fleet`.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

from fleetui.engine.tracking import instance_name
from fleetui.fleet.store import LiveStore
from fleetui.fleet.subscription import Once
from fleetui.fleet.views import Tree
from fleetui.model.app import App, AppKey
from fleetui.ports import Subscription

if TYPE_CHECKING:
    from fleetui.fleet.trees import TreeWatch

Make = Callable[[App, LiveStore, Callable[[], None]], "TreeWatch"]
"""Makes the watch of an application's tree on a cluster; what it is given is called whenever something of it
changed."""


class Trees:
    """The trees of a fleet.

    Args:
        make: see `Make`.
        touched: called with the application whose tree changed while somebody looks at it.
    """

    def __init__(self, make: Make, touched: Callable[[AppKey], None]) -> None:
        self._make = make
        self._touched = touched
        self._kept: dict[AppKey, _Kept] = {}

    @property
    def kept(self) -> frozenset[AppKey]:
        """The applications whose trees somebody looks at."""
        return frozenset(self._kept)

    def take(self, key: AppKey) -> tuple[Subscription, bool]:
        """Keeps a tree watched until the subscription is closed; with whether nobody else does so far."""
        kept = self._kept.setdefault(key, _Kept())
        first = kept.is_free
        return kept.taken(lambda: self._drop(key, kept)), first

    async def tree(self, app: App, place: LiveStore) -> Tree:
        """The tree of an application that runs on `place`."""
        # Only Argo CD marks what it manages so.
        tracking = instance_name(app.key.namespace, app.key.name) if app.key.dialect == "argo" else ""
        kept = self._kept.get(app.key)
        if kept is not None:
            watch = kept.watch(place, lambda: self._make(app, place, lambda: self._touched(app.key)))
            return await watch.tree(app, tracking=tracking)
        watch = self._make(app, place, lambda: None)
        try:
            return await watch.tree(app, tracking=tracking)
        finally:
            watch.close()

    def close(self) -> None:
        """Ends every watch."""
        for kept in self._kept.values():
            kept.drop()
        self._kept.clear()

    def _drop(self, key: AppKey, kept: _Kept) -> None:
        if kept.is_free and self._kept.get(key) is kept:
            del self._kept[key]
            kept.drop()


class _Kept:
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
