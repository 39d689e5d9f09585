"""What changed, merged, and told at most ten times a second.

Owns: `merge` and `Publisher`. Called by `fleetui.fleet.fleet` on the engine's loop. Never here: what a change means.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable

from fleetui.engine.clock import Clock, Timer
from fleetui.fleet.subscription import enlist
from fleetui.fleet.views import ChangeSet
from fleetui.model.app import App, AppKey
from fleetui.model.objects import ClusterName
from fleetui.model.status import ClusterStatus
from fleetui.ports import Subscription

INTERVAL = 0.1
"""Seconds between two change sets, at least."""


def merge(changes: Iterable[ChangeSet]) -> ChangeSet:
    """One change set that says what all of `changes` say one after the other; the newest word on each thing counts."""
    apps: dict[AppKey, App] = {}
    removed: set[AppKey] = set()
    clusters: dict[ClusterName, ClusterStatus] = {}
    gone: set[ClusterName] = set()
    trees: set[AppKey] = set()
    newest = ChangeSet()
    for newest in changes:
        for key in newest.removed:
            apps.pop(key, None)
        removed = (removed | newest.removed) - newest.apps.keys()
        apps.update(newest.apps)
        for name in newest.gone:
            clusters.pop(name, None)
        gone = (gone | newest.gone) - newest.clusters.keys()
        clusters.update(newest.clusters)
        trees |= newest.trees
    return ChangeSet(
        apps=apps,
        removed=frozenset(removed),
        clusters=clusters,
        gone=frozenset(gone),
        trees=frozenset(trees),
        loading=newest.loading,
        problems=newest.problems,
        narrowed=newest.narrowed,
    )


class Publisher:
    """Gathers change sets and tells its listeners of them: the first at once, the next no sooner than the interval.

    The first applications are told at once, too: while many clusters connect, there is always something told before.
    `stamp` has the last word on each change set before it is told: it fills in what is true as of then.
    """

    def __init__(
        self,
        clock: Clock,
        *,
        stamp: Callable[[ChangeSet], ChangeSet] = lambda change: change,
        interval: float = INTERVAL,
    ) -> None:
        self._clock = clock
        self._stamp = stamp
        self._interval = interval
        self._listeners: list[Callable[[ChangeSet], None]] = []
        self._gathered: list[ChangeSet] = []
        self._timer: Timer | None = None
        self._told_at = float("-inf")
        self._told_apps = False

    def subscribe(self, listener: Callable[[ChangeSet], None]) -> Subscription:
        return enlist(self._listeners, listener)

    def publish(self, change: ChangeSet) -> None:
        """Gathers `change`; it is told from a timer, so that all changes of one turn of the loop come as one."""
        self._gathered.append(change)
        if change.apps and not self._told_apps:
            self._told_apps = True
            self._stop_timer()
            self._timer = self._clock.call_later(0.0, self._tell)
        elif self._timer is None:
            wait = self._told_at + self._interval - self._clock.now()
            # Bounded, because a clock that is set back must not silence the fleet.
            self._timer = self._clock.call_later(min(max(wait, 0.0), self._interval), self._tell)

    def close(self) -> None:
        self._stop_timer()
        self._gathered.clear()
        self._listeners.clear()

    def _stop_timer(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
        self._timer = None

    def _tell(self) -> None:
        self._timer = None
        self._told_at = self._clock.now()
        gathered, self._gathered = self._gathered, []
        merged = self._stamp(merge(gathered))
        for listener in tuple(self._listeners):
            listener(merged)
