"""The sync windows of a project that an application falls under, in words.

Owns: `windows_of` and `block_of`. Called by `fleetui.fleet.asking`, by the dispatcher and by who shows projects. Pure:
what a window allows when is decided in `fleetui.engine.windows`.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any

import msgspec

from fleetui.engine.projects import Project
from fleetui.engine.windows import DENY, Operation, Window, blocking, matching, until
from fleetui.engine.zones import load_zone
from fleetui.model.app import App
from fleetui.model.text import one_line

DAY = 86400.0
MANUAL, AUTOMATED = Operation(manual=True), Operation()


class WindowState(msgspec.Struct, frozen=True):
    """How a window is: open or not, until when (epoch s; None where it stays so), or why that can't be said."""

    window: Window
    is_open: bool = False
    until: float | None = None
    problem: str = ""


def states_of(windows: Sequence[Window], now: float) -> tuple[WindowState, ...]:
    """How each of the windows is at `now` (epoch s)."""
    return tuple(_state(window, now) for window in windows)


def windows_of(project: Project, app: App, now: float) -> tuple[str, ...]:
    """A line for each sync window of `project` that `app` falls under: as it is written, and how it is at `now`."""
    return tuple(words_of(state, now) for state in states_of(_matching(project, app), now))


def block_of(project: Project, app: App, now: float, *, by_hand: bool) -> str:
    """What keeps `app` from being synced at `now`, to follow on a word such as ``blocked``; empty where nothing does:
    ``by a deny window of project shop until 06:00 Europe/Berlin (in 2 h 10 min)``."""
    windows = _matching(project, app)
    operation = MANUAL if by_hand else AUTOMATED
    of = f"of project {project.name}"
    try:
        found = blocking(windows, now, operation)
        ends = until(windows, now, operation) if found else None
    except ValueError as error:
        return one_line(f"by a sync window {of} that can't be read: {error}")
    if not found:
        return ""
    what = f"by a deny window {of}" if found[0].kind == DENY else f"outside the allow windows {of}"
    when = f"until {moment(ends, found[0].time_zone, now)}" if ends is not None else "with no end in sight"
    reason = "; ".join(dict.fromkeys(window.description for window in found if window.description))
    return one_line(f"{what} {when}{reason and f': {reason}'}")


def words_of(state: WindowState, now: float) -> str:
    """A window in a line: as it is written, and how it is at `now`."""
    window = state.window
    manual = ", a sync by hand is allowed" if window.manual_sync else ""
    why = f": {window.description}" if window.description else ""
    written = f"{window.kind} from {window.schedule} ({window.time_zone or 'UTC'}) for {window.duration}"
    return one_line(f"{written}, {state_words(state, now)}{manual}{why}")


def state_words(state: WindowState, now: float) -> str:
    """``open until 06:00 UTC (in 7 h)``, ``closed until …``, or why that can't be said."""
    if state.problem:
        return one_line(state.problem)
    lasts = f" until {moment(state.until, state.window.time_zone, now)}" if state.until is not None else ""
    return f"{'open' if state.is_open else 'closed'}{lasts}"


def moment(when: float, zone: str, now: float) -> str:
    """``06:00 Europe/Berlin (in 2 h 10 min)``; with the date where it is a day away."""
    try:
        local, called = datetime.fromtimestamp(int(when), load_zone(zone)), zone or "UTC"
    except ValueError:
        local, called = datetime.fromtimestamp(int(when), load_zone("")), "UTC"
    shown = local.strftime("%H:%M" if when - now < DAY else "%Y-%m-%d %H:%M")
    return f"{shown} {called} (in {_length(when - now)})"


def _length(seconds: float) -> str:
    minutes = max(1, round(seconds / 60))
    days, hours, rest = minutes // 1440, minutes % 1440 // 60, minutes % 60
    parts = [(days, "d"), (hours, "h"), (0 if days else rest, "min")]
    return " ".join(f"{number} {unit}" for number, unit in parts if number)


def _matching(project: Project, app: App) -> tuple[Window, ...]:
    to = app.destination
    destination: Mapping[str, Any] = {"server": to.server, "name": to.name, "namespace": to.namespace}
    return matching(project.windows, app.key.name, destination)


def _state(window: Window, now: float) -> WindowState:
    try:
        is_open = window.is_active(now)
        return WindowState(window, is_open, window.turns(now))
    except ValueError as error:
        return WindowState(window, problem=one_line(str(error)))
