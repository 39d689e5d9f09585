"""The console in front of a scripted fleet, and how a test looks at it.

Owns: `console`, which opens it and waits until it shows the fleet; `Console`, its hands and eyes.
"""

from __future__ import annotations

import os
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import asynccontextmanager, contextmanager
from pathlib import Path
from typing import Any

from textual.pilot import Pilot
from textual.screen import Screen
from textual.widget import Widget
from textual.widgets import Input

from fleetui.runtime import Runtime
from screens.app import FleetApp
from tests.screens.fake_fleet import NOW, FakeFleet
from tests.screens.idle import at_rest_after_keys
from tests.waiting import await_until

SNAPSHOTS = Path(__file__).parent / "snapshots"
PATIENCE = 10.0


class Console:
    """A running console. `clock` is what it takes for the time; `errors` is what was told as an error."""

    def __init__(self, app: FleetApp, pilot: Pilot[None], clock: list[float]) -> None:
        self.app = app
        self.pilot = pilot
        self.clock = clock

    @property
    def screen(self) -> Screen[Any]:
        return self.app.screen

    @property
    def lines(self) -> list[str]:
        """The screen as text, line by line, blanks at the ends kept."""
        return ["".join(segment.text for segment in strip) for strip in self.screen._compositor.render_strips()]

    @property
    def text(self) -> str:
        return "\n".join(line.rstrip() for line in self.lines)

    async def press(self, *keys: str) -> None:
        await self.pilot.press(*keys)

    async def enter(self, text: str) -> None:
        """Types a whole line into the field that has the focus, at once, and presses enter."""
        self.type(text)
        await self.press("enter")

    def type(self, text: str) -> None:
        """Puts a text into the field that has the focus, as a paste does."""
        self.screen.query_one(Input).insert_text_at_cursor(text)

    async def shows(self, wanted: str | Callable[[str], bool]) -> str:
        """Waits until the screen shows `wanted`; returns it whole."""
        fits = wanted if callable(wanted) else (lambda text: wanted in text)
        try:
            await await_until(lambda: fits(self.text), PATIENCE, f"the screen shows {wanted!r}")
        except AssertionError as error:
            raise AssertionError(f"{error}; it shows:\n{self.text}") from None
        return self.text

    async def until(self, holds: Callable[[], Any], description: str) -> None:
        await await_until(holds, PATIENCE, description)

    async def still(self) -> None:
        """Waits until every message has been handled and painted."""
        await self.pilot.pause()

    def toasts(self) -> list[str]:
        return [notification.message for notification in self.app._notifications]

    def looks(self, name: str) -> None:
        """Compares the screen with a stored text; FLEETUI_SNAPSHOTS=update stores it anew, to be read in the diff."""
        path = SNAPSHOTS / f"{name}.txt"
        if os.environ.get("FLEETUI_SNAPSHOTS") == "update":
            path.write_text(self.text + "\n", encoding="utf-8")
        assert self.text + "\n" == path.read_text(encoding="utf-8")


@asynccontextmanager
async def console(
    fleet: FakeFleet, *, size: tuple[int, int] = (80, 24), loaded: bool = True, **given: Any
) -> AsyncIterator[Console]:
    """Opens the console on `fleet`; with `loaded`, when it has taken the fleet's first change set over."""
    clock = [NOW]
    contexts = given.pop("contexts", tuple(fleet.clusters))
    with Runtime() as runtime, at_rest_after_keys(runtime):
        start = given.pop("start", fleet.open)
        app = FleetApp(start, runtime, contexts=contexts, now=lambda: clock[0], **given)
        async with app.run_test(size=size, notifications=True) as pilot:
            found = Console(app, pilot, clock)
            if loaded:
                await found.until(lambda: len(app.picture.clusters) == len(fleet.clusters), "the fleet is there")
                await found.still()
            yield found


@contextmanager
def painted(widget: Widget) -> Iterator[list[int]]:
    """The lines of `widget` that are painted within the block, by their place in it."""
    found: list[int] = []
    render_line = widget.render_line

    def counting(y: int) -> Any:
        found.append(y)
        return render_line(y)

    widget.render_line = counting  # type: ignore[method-assign]
    try:
        yield found
    finally:
        widget.render_line = render_line  # type: ignore[method-assign]
