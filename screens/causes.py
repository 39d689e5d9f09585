"""What lies behind the state of the application under the cursor.

Owns: `CauseFollower`, and `FollowsCause` for screens whose cursor is on applications. An Application itself says no
more than Degraded; the fleet finds out which pod, and why. It is asked only about an application in trouble on which
the cursor rests, and watches its tree only as long as it does.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, cast

from screens.host import Refetch

if TYPE_CHECKING:
    from textual.timer import Timer

    from fleetui.fleet.views import Why
    from fleetui.model.app import App, AppKey
    from fleetui.ports import Subscription
    from screens.base import FleetScreen

REST = 0.4
"""Seconds that the cursor rests on a row before its tree is looked at: moving through a list asks for nothing."""


SETTLE = 1.0
"""Seconds after a change until it is asked again: what crashes changes often, and an answer takes some requests."""


class CauseFollower:
    """Keeps `told`, what is known of why, for the application that it was last told to follow; None while nothing is.

    Args:
        screen: on which it is shown; its host is asked.
        changed: called when `told` has changed.
    """

    def __init__(self, screen: FleetScreen, changed: Callable[[], None]) -> None:
        self._screen = screen
        self._changed = changed
        self._key: AppKey | None = None
        self._timer: Timer | None = None
        self._watch: Subscription | None = None
        self._refetch = Refetch(self._ask)
        self.told: Why | None = None

    def follow(self, app: App | None) -> None:
        """Asks about `app` if it is in trouble, about none else."""
        key = app.key if app is not None and _in_trouble(app) else None
        if key == self._key:
            return
        self.close()
        self._key = key
        if key is not None:
            self._timer = self._screen.set_timer(REST, self._begin)

    def touched(self, keys: frozenset[AppKey]) -> None:
        """Objects of these applications have changed."""
        if self._watch is not None and self._key in keys and self._timer is None:
            self._timer = self._screen.set_timer(SETTLE, self._again)

    def close(self) -> None:
        """Stops looking."""
        if self._timer is not None:
            self._timer.stop()
        if self._watch is not None:
            self._watch.close()
        self._timer = self._watch = self._key = None
        self._refetch = Refetch(self._ask)
        self.told = None

    def _again(self) -> None:
        self._timer = None
        self._refetch.want()

    def _begin(self) -> None:
        key, self._timer = self._key, None
        if key is None or self._screen.host.fleet is None:
            return
        self._watch = self._screen.host.hold(lambda fleet: fleet.watch_tree(key))
        self._refetch.want()

    def _ask(self) -> None:
        key = self._key
        if key is not None:
            self._screen.ask(
                lambda fleet: fleet.why(key), self._take, doing="looking for the cause", failed=self._failed
            )

    def _failed(self, _: str) -> None:
        # The row says what it can without it; the tree's own screen tells the failure.
        self._refetch.done()

    def _take(self, found: Why) -> None:
        self._refetch.done()
        if found.key == self._key and found != self.told:
            self.told = found
            self._changed()


class FollowsCause:
    """Makes a screen follow the application under its cursor; `_cause` is the follower. The screen calls
    `follow_cause` when the cursor has moved."""

    _cause: CauseFollower

    def current(self) -> App | None:
        """The application under the cursor."""
        raise NotImplementedError

    def follow_cause(self) -> None:
        """Behind another screen nobody reads it."""
        screen = cast("FleetScreen", self)
        self._cause.follow(self.current() if screen.app.screen is screen else None)

    def on_screen_suspend(self) -> None:
        self._cause.close()

    def on_screen_resume(self) -> None:
        self.follow_cause()

    def on_unmount(self) -> None:
        self._cause.close()


def _in_trouble(app: App) -> bool:
    """Whether its objects may say more than the application does."""
    from fleetui.model.status import HealthStatus, OperationPhase

    sick = {HealthStatus.DEGRADED, HealthStatus.MISSING, HealthStatus.PROGRESSING, HealthStatus.UNKNOWN}
    failed = app.operation is not None and app.operation.phase is not OperationPhase.SUCCEEDED
    return failed or app.health.status in sick
