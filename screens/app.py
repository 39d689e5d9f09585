"""The console's app: it wires the engine's thread to the screens, and nothing else.

Owns: `FleetApp`. Called by `fleetui.cli`, which says how to open a fleet. The first frame is painted before that is
called, so nothing that it needs (a network library, Git) may be imported here.
"""

from __future__ import annotations

import logging
import os
from collections.abc import Callable, Coroutine, Sequence
from functools import partial
from time import time
from typing import TYPE_CHECKING, Any, ClassVar, TypeVar
from weakref import WeakKeyDictionary

from textual import events
from textual.app import App
from textual.binding import BindingType
from textual.message import Message

from screens import actions, glyphs, theme
from screens.base import FleetScreen
from screens.picture import Letterbox, Picture
from screens.typed import Typing

if TYPE_CHECKING:
    from pathlib import Path

    from textual.driver import Driver
    from textual.filter import LineFilter
    from textual.screen import Screen

    from fleetui.fleet.api import Fleet
    from fleetui.ports import Subscription
    from fleetui.runtime import Runtime

T = TypeVar("T")
log = logging.getLogger(__name__)

AGES = 10.0
"""Seconds after which ages are looked at again; what reads as before is not repainted."""
TWICE = 2.0
"""Seconds in which a second ctrl+c quits."""


class FleetChanged(Message):
    """Something waits in the letterbox."""

    def can_replace(self, message: Message) -> bool:
        return isinstance(message, FleetChanged)


class Held:
    """A subscription that lives on the engine's thread and is opened and closed from the console's."""

    def __init__(self, runtime: Runtime, open_it: Callable[[], Subscription] | None) -> None:
        self._runtime = runtime
        self._open_it = open_it
        self._subscription: Subscription | None = None
        runtime.post(self._open)

    def close(self) -> None:
        self._runtime.post(self._close)

    def _open(self) -> None:
        if self._open_it is not None:
            self._subscription = self._open_it()

    def _close(self) -> None:
        if self._subscription is not None:
            self._subscription.close()


class FleetApp(App[None], inherit_bindings=False):
    """The console.

    Args:
        start: opens the fleet; called on the engine's thread, after the first frame, again on each retry. What it
            raises as `FleetError` is shown as a sentence.
        runtime: the engine's thread, running. Stopping it, and closing the fleet, is the caller's.
        contexts: what the command line named, for the first frame.
        read_only: nothing can be changed from here.
        log_file: where unexpected errors are logged in full (`fleetui.config.set_up_log`); named on the screen.
        now: the clock, in seconds since the epoch.
    """

    CSS_PATH = "app.tcss"
    ENABLE_COMMAND_PALETTE = False
    ALLOW_SELECT = False
    TITLE = "fleetui"
    BINDINGS: ClassVar[list[BindingType]] = actions.bindings("everywhere", priority=True)

    def __init__(
        self,
        start: Callable[[], Coroutine[Any, Any, Fleet]],
        runtime: Runtime,
        *,
        contexts: Sequence[str] = (),
        read_only: bool = False,
        log_file: Path | None = None,
        now: Callable[[], float] = time,
    ) -> None:
        # Without colours, or with only 16, the terminal's own background and foreground are kept.
        super().__init__(ansi_color=True if "NO_COLOR" in os.environ else None)
        self._start_fleet = start
        self._runtime = runtime
        self._now = now
        self._log_file = log_file
        self._read_only = read_only
        self._letterbox = Letterbox(lambda: self.post_message(FleetChanged()))
        self._watching: Subscription | None = None
        self._interrupted_at = float("-inf")
        self._typing = Typing(self, self._focus_first)
        self._typed_on: WeakKeyDictionary[events.Key, Screen[Any]] = WeakKeyDictionary()
        self.fleet: Fleet | None = None
        self.contexts = tuple(contexts)
        self.failure = ""
        self.picture = Picture(contexts)
        self.glyphs = glyphs.for_terminal()
        self.animation_level = "none"
        self.register_theme(theme.THEME)
        way = theme.way_of(self.console.color_system, no_color=self.no_color)
        self._begin_with(theme.THEME.name if way is theme.Way.FULL else theme.ANSI_THEME)

    def _begin_with(self, name: str) -> None:
        """What `App._watch_theme` does, before anything is painted: there the first frame waits for all styles to be
        parsed a second time."""
        self.set_reactive(App.theme, name)
        chosen = self.current_theme
        classes = {f"-theme-{name}": True, "-dark-mode": chosen.dark, "-light-mode": not chosen.dark}
        self.update_classes(classes, update=False)
        self._refresh_truecolor_filter(self.ansi_theme)
        self.stylesheet.set_variables(self.get_css_variables())

    # --- keys that are typed faster than screens open ---------------------------------------------------------------

    async def on_event(self, event: events.Event) -> None:
        if isinstance(event, events.Key) and not event.is_forwarded and self.screen_stack:
            if not getattr(self.screen, "seen", True) and event.key != "ctrl+c":
                return
            if event.key != "ctrl+c" and self._typing.holds(event):
                return
            self._typed_on[event] = self.screen
        await super().on_event(event)

    async def _on_key(self, event: events.Key) -> None:
        """Gives a key to the screen for which it was meant.

        Textual hands keys to what has the focus when they arrive: of ``/abc`` in one packet of a slow line the list
        gets all, and the prompt that ``/`` opens gets nothing. Those are sent anew once the prompt is there.
        """
        if not self.screen_stack:
            return
        screen = self.screen
        meant = self._typed_on.pop(event, screen)
        if meant is screen and (screen.focused is not None or not screen.focus_chain):
            return  # Textual's own handler is called next
        event.prevent_default()
        if not hasattr(screen, "seen"):
            self._typing.send_again(event)

    def on_keys_passed(self) -> None:
        self.screen.call_later(self._typing.passed)

    def _focus_first(self, screen: Screen[Any]) -> None:
        if screen.focused is None and screen.focus_chain:
            screen.set_focus(screen.focus_chain[0])

    # --- what screens ask (screens.host.Host) ----------------------------------------------------------------------

    @property
    def read_only(self) -> bool:
        return self._read_only or (self.fleet is not None and self.fleet.read_only)

    def now(self) -> float:
        return self._now()

    async def on_engine(self, work: Coroutine[Any, Any, T]) -> T:
        return await self._runtime.call(work)

    def hold(self, open_it: Callable[[Fleet], Subscription]) -> Subscription:
        return Held(self._runtime, partial(open_it, self.fleet) if self.fleet is not None else None)

    def tell(self, message: str, *, error: bool = False) -> None:
        from screens.cells import clean

        self.notify(clean(message), severity="error" if error else "information", markup=False)

    def tell_unexpected(self, error: BaseException, doing: str) -> str:
        log.error("unexpected error while %s", doing, exc_info=error)
        where = f" (in full in {self._log_file})" if self._log_file is not None else ""
        return f"Unexpected {type(error).__name__} while {doing}: {error}{where}"

    def copy(self, text: str, what: str) -> None:
        self.copy_to_clipboard(text)
        self.tell(f"Copied the {what}: {text}")

    # --- from the first frame to the end -------------------------------------------------------------------------

    def get_default_screen(self) -> Screen[Any]:
        from screens.apps import AppsScreen

        return AppsScreen()

    def get_driver_class(self) -> type[Driver]:
        driver = super().get_driver_class()
        if driver.__name__ != "LinuxDriver":
            return driver
        from screens.driver import Terminal

        return Terminal

    def get_line_filters(self) -> Sequence[LineFilter]:
        filters = super().get_line_filters()
        if self.glyphs is not glyphs.ASCII:
            return filters
        from screens.ascii import AsciiOnly

        return [*filters, AsciiOnly()]

    def on_mount(self) -> None:
        self._catch_hangup()
        self.app_resume_signal.subscribe(self, lambda _: self.action_repaint())
        self.set_interval(AGES, self._tick)
        self.call_after_refresh(self.open_fleet)

    def on_unmount(self) -> None:
        if self._watching is not None:
            self._runtime.post(self._watching.close)

    def open_fleet(self) -> None:
        if self.fleet is None:
            self.failure = ""
            self._redraw()
            self.run_worker(self._open_fleet(), name="opening the fleet", exclusive=True, exit_on_error=False)

    async def _open_fleet(self) -> None:
        from fleetui.model.errors import FleetError

        try:
            self.fleet, self._watching = await self.on_engine(self._open_on_engine())
        except FleetError as error:
            self.failure = str(error)
        except Exception as error:
            self.failure = self.tell_unexpected(error, "opening the fleet")
        self._redraw()

    async def _open_on_engine(self) -> tuple[Fleet, Subscription]:
        fleet = await self._start_fleet()
        return fleet, fleet.subscribe(self._letterbox.put)

    def on_fleet_changed(self) -> None:
        change = self._letterbox.take()
        if change is None:
            return
        self.picture.apply(change)
        for screen in self._fleet_screens():
            screen.picture_changed(change)

    def _fleet_screens(self) -> list[FleetScreen]:
        return [screen for screen in self.screen_stack if isinstance(screen, FleetScreen)]

    def _tick(self) -> None:
        for screen in self._fleet_screens():
            screen.tick()

    def _redraw(self) -> None:
        for screen in self._fleet_screens():
            screen.draw_frame()

    def _catch_hangup(self) -> None:
        """A terminal that went away ends the console as `q` does: tasks are cancelled, nothing is half-written."""
        import asyncio
        import signal

        if self.is_headless:
            return
        loop = asyncio.get_running_loop()
        for number in (signal.SIGHUP, signal.SIGTERM):
            loop.add_signal_handler(number, partial(self.exit, return_code=128 + number))

    def _handle_exception(self, error: Exception) -> None:
        log.error("unexpected error in the console", exc_info=error)
        super()._handle_exception(error)

    def _fatal_error(self) -> None:
        """One line instead of Textual's traceback, which shows the locals: what is in a cluster is not for a log."""
        from rich.text import Text

        from screens.cells import clean

        error = self._exception
        where = f", in full in {self._log_file}" if self._log_file is not None else ""
        self.panic(Text(f"fleetui failed: {type(error).__name__}: {clean(str(error))}{where}"))

    # --- actions -------------------------------------------------------------------------------------------------

    def action_interrupt(self) -> None:
        if self.now() - self._interrupted_at < TWICE:
            self.exit()
            return
        self._interrupted_at = self.now()
        self.tell("ctrl+c once more quits")

    def action_suspend_process(self) -> None:
        # Whatever repaints between leaving the terminal and coming back would block on the driver's full queue.
        with self.batch_update():
            super().action_suspend_process()

    def action_repaint(self) -> None:
        self.screen.refresh()
