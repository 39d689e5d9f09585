"""Keys that are typed faster than screens open, kept in their order.

Owns: `Typing`. Called by `screens.app`, for which Textual's order is not enough: a key goes to the widget that has the
focus and comes back from it where it isn't used; a later key, typed on a screen that was opened meanwhile, would
overtake it. ``:clusters`` became ``ersclust`` like that.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any
from weakref import WeakSet

from textual import events
from textual.message import Message

if TYPE_CHECKING:
    from textual.app import App
    from textual.screen import Screen
    from textual.widget import Widget

LATEST = 0.3
"""Seconds after which held keys go on, whatever has become of those before them."""


class KeysPassed(Message):
    """Comes back from a widget behind all keys that were given to it before."""


class Typing:
    """Holds keys back while older ones are on their way back from another screen.

    Args:
        app: in which is typed.
        focus: gives the focus to what a screen begins with.
    """

    def __init__(self, app: App[Any], focus: Callable[[Screen[Any]], object]) -> None:
        self._app = app
        self._focus = focus
        self._last: tuple[Screen[Any], Widget] | None = None
        self._back: list[events.Key] = []
        self._held: list[events.Key] = []
        self._again: WeakSet[events.Key] = WeakSet()

    def holds(self, event: events.Key) -> bool:
        """Whether a key that has just come waits; it then comes again by itself."""
        screen = self._app.screen
        if event in self._again:
            self._again.discard(event)
        elif self._held:
            self._held.append(events.Key(event.key, event.character))
            return True
        elif self._last is not None and self._last[0] is not screen and self._ask(self._last[1]):
            self._held.append(events.Key(event.key, event.character))
            self._app.set_timer(LATEST, self.passed, name="held keys")
            return True
        self._last = screen, self._app.focused or screen
        return False

    def send_again(self, event: events.Key) -> None:
        """A key came back that was meant for the screen that has been opened since."""
        self._back.append(events.Key(event.key, event.character))
        if not self._held:
            self._app.screen.call_later(self.passed)

    def passed(self) -> None:
        """No older key is on its way any more: what was kept goes on, in its order."""
        keys, self._back, self._held = [*self._back, *self._held], [], []
        if keys and self._app.screen_stack:
            self._focus(self._app.screen)
            self._again.update(keys)
            for key in keys:
                self._app.post_message(key)

    def _ask(self, widget: Widget) -> bool:
        """Sends for the sign behind the keys that a widget has been given; False where it is gone."""
        return widget.is_attached and widget.post_message(KeysPassed())
