"""The sync windows of a project: which an application falls under, and whether it may be synced now.

Owns: `Window`, `windows_in`, `matching`, `can_sync` and `until` (Argo CD v3.6.1 pkg/apis/application/v1alpha1/types.go,
`SyncWindows`). Called by the engine before it syncs and by `fleetui.fleet.windows`, which says it in words. Pure: the
time is a parameter.

A window's zone shifts it by what the zone's clocks are off UTC at the time of asking, as Argo CD has it: a window that
begins before a clock change and ends after it moves by an hour at the change.
"""

from __future__ import annotations

import math
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

from fleetui.engine import cron
from fleetui.engine.application import mappings, strings, text
from fleetui.engine.zones import load_zone, offset_at
from fleetui.model.globs import glob_matches

_UNITS = {
    "ns": 1, "us": 10**3, "µs": 10**3, "μs": 10**3, "ms": 10**6, "s": 10**9, "m": 60 * 10**9, "h": 3600 * 10**9,
}  # fmt: skip
_PART = re.compile(r"([0-9]*)(\.[0-9]*)?([^0-9.]*)")
_SECOND = 10**9
_MOST_STEPS = 1000
"""How many openings and closings `until` looks ahead; a window that opens each minute has 1440 a day."""
_FAR = 366 * 86400.0
_JUST_AFTER = 0.001
"""Seconds: at the very second at which a window opens it is not open yet."""

ALLOW, DENY = "allow", "deny"


@dataclass(frozen=True)
class Window:
    """One entry of `spec.syncWindows`; schedule and duration stay text, so that a bad one is told when it matters."""

    kind: str
    schedule: str
    duration: str
    applications: tuple[str, ...] = ()
    namespaces: tuple[str, ...] = ()
    clusters: tuple[str, ...] = ()
    manual_sync: bool = False
    time_zone: str = ""
    and_operator: bool = False
    overrun: bool = False
    description: str = ""

    def matches(self, name: str, destination: Mapping[str, Any]) -> bool:
        """Whether an application falls under the window (`SyncWindows.Matches`).

        Args:
            name: of the application.
            destination: its `spec.destination`.
        """
        namespace = text(destination.get("namespace"))
        given = [
            (self.applications, (name,)),
            (self.clusters, tuple(filter(None, (text(destination.get("name")), text(destination.get("server")))))),
            (self.namespaces, (namespace,)),
        ]
        hits = [any(_fits(glob, value) for glob in globs for value in values) for globs, values in given if globs]
        return bool(hits) and (all(hits) if self.and_operator else any(hits))

    def is_active(self, now: float, *, asked_at: float | None = None) -> bool:
        """Whether the window is open at `now` (epoch s); `asked_at` is when that is asked, `now` if not given.

        Raises:
            ValueError: schedule or duration can't be read; in Argo CD's words.
        """
        schedule, length = self._read()
        shifted = round(now * _SECOND) + self._shift(now if asked_at is None else asked_at) * _SECOND
        begins = schedule.after(math.floor((shifted - length) / _SECOND))
        # A schedule that never comes counts as begun, in the year 1: so it does in Argo CD, whose `Next` says zero.
        return begins is None or begins * _SECOND < shifted

    def next_change(self, now: float) -> float | None:
        """The next time (epoch s) at which the window may open or close; None where it never does."""
        schedule, length = self._read()
        shift = self._shift(now)
        shifted = now + shift
        opening = schedule.after(math.floor(shifted))
        running = schedule.after(math.floor(shifted - length / _SECOND))
        changes = [] if opening is None else [opening + _JUST_AFTER]
        changes += [] if running is None else [running + length / _SECOND]
        future = [change - shift for change in changes if change > shifted]
        found = min(future, default=None)
        if found is None or self._shift(found) == shift:
            return found
        return self._clock_change(now, found)

    def turns(self, now: float) -> float | None:
        """When (epoch s) the window will be closed that is open at `now`, or open that is closed; None where that is
        not in sight.

        Raises:
            ValueError: as `is_active` does.
        """
        is_open, at = self.is_active(now), now
        for _ in range(_MOST_STEPS):
            change = self.next_change(at)
            if change is None or change > now + _FAR:
                return None
            at = change
            if self.is_active(at) is not is_open:
                return at
        return None

    def problem(self) -> str:
        """What is wrong with the window (`InlineSyncWindow.Validate`); empty where nothing is."""
        if self.kind not in {ALLOW, DENY}:
            return f"kind '{self.kind}' mismatch: can only be allow or deny"
        try:
            self._read()
        except ValueError as error:
            return str(error)
        if len(self.description.encode()) > 255:
            return "description must not exceed 255 characters"
        return ""

    def _read(self) -> tuple[cron.Schedule, int]:
        """The schedule, and the length in nanoseconds."""
        try:
            schedule = cron.parse(self.schedule)
        except ValueError as error:
            raise ValueError(f"cannot parse schedule '{self.schedule}': {error}") from None
        try:
            return schedule, go_duration(self.duration)
        except ValueError as error:
            raise ValueError(f"cannot parse duration '{self.duration}': {error}") from None

    def _shift(self, moment: float) -> int:
        try:
            return offset_at(load_zone(self.time_zone), moment)
        except ValueError:
            return 0

    def _clock_change(self, before: float, after: float) -> float:
        """The first second after `before` at which the zone's clocks are another way off than at it."""
        low, high, shift = math.floor(before), math.ceil(after), self._shift(before)
        while high - low > 1:
            middle = (low + high) // 2
            low, high = (middle, high) if self._shift(middle) == shift else (low, middle)
        return float(high)


@dataclass(frozen=True)
class Operation:
    """What is asked about: by hand or automated, and since when it runs (epoch s) where it runs already."""

    manual: bool = False
    started: float | None = None


def windows_in(entries: Any) -> tuple[Window, ...]:
    """The windows of `spec.syncWindows`; what is no map is left out."""
    return tuple(
        Window(
            kind=text(entry.get("kind")),
            schedule=text(entry.get("schedule")),
            duration=text(entry.get("duration")),
            applications=strings(entry.get("applications")),
            namespaces=strings(entry.get("namespaces")),
            clusters=strings(entry.get("clusters")),
            manual_sync=entry.get("manualSync") is True,
            time_zone=text(entry.get("timeZone")),
            and_operator=entry.get("andOperator") is True,
            overrun=entry.get("syncOverrun") is True,
            description=text(entry.get("description")),
        )
        for entry in mappings(entries)
    )


def matching(windows: Sequence[Window], name: str, destination: Mapping[str, Any]) -> tuple[Window, ...]:
    """Those of the windows that an application falls under; the parameters are those of `Window.matches`."""
    return tuple(window for window in windows if window.matches(name, destination))


def blocking(windows: Sequence[Window], now: float, operation: Operation) -> tuple[Window, ...]:
    """The windows that keep an application from being synced at `now` (epoch s): open ones that deny, or else closed
    ones that allow. Empty where it may be (`SyncWindows.CanSync`).

    Args:
        windows: those that match the application.
        now: the time.
        operation: what is to be done.

    Raises:
        ValueError: a window can't be read, and then nothing may be synced; in Argo CD's words.
    """
    try:
        found = _blocking(windows, now, manual=operation.manual, asked_at=now)
        if not found or not operation.started or not all(window.overrun for window in found):
            return found
        was = _blocking(windows, operation.started, manual=operation.manual, asked_at=now)
    except ValueError as error:
        raise ValueError(f"invalid sync windows: {error}") from None
    return found if was else ()


def _blocking(windows: Sequence[Window], now: float, *, manual: bool, asked_at: float) -> tuple[Window, ...]:
    active = [window for window in windows if window.is_active(now, asked_at=asked_at)]
    denying = [window for window in active if window.kind == DENY]
    if not denying and any(window.kind == ALLOW for window in active):
        return ()
    found = denying or [window for window in windows if window.kind == ALLOW]
    return () if manual and all(window.manual_sync for window in found) else tuple(found)


def until(windows: Sequence[Window], now: float, operation: Operation) -> float | None:
    """From when on (epoch s) an operation that is blocked at `now` is no longer; None where no end is in sight.

    Raises:
        ValueError: as `blocking` does.
    """
    # The applications of a project ask the same in the same minute, and a window that opens each minute takes long.
    minute = math.floor(now / 60) * 60.0
    found = _until(tuple(windows), minute, operation)
    return found if found is None or found > now else _until(tuple(windows), now, operation)


@lru_cache(maxsize=1024)
def _until(windows: tuple[Window, ...], now: float, operation: Operation) -> float | None:
    moment = now
    for _ in range(_MOST_STEPS):
        changes = [change for window in windows if (change := window.next_change(moment)) is not None]
        moment = min(changes, default=math.inf)
        if moment > now + _FAR:
            return None
        if not blocking(windows, moment, operation):
            return moment
    return None


def go_duration(value: str) -> int:
    """Nanoseconds of a duration as Go reads it (`time.ParseDuration`): every number has a unit.

    Raises:
        ValueError: in Go's words.
    """
    shown = '"' + value.replace("\\", "\\\\").replace('"', '\\"') + '"'
    body = value[1:] if value[:1] in {"+", "-"} else value
    if body == "0":
        return 0
    total, at = 0, 0
    while at < len(body):
        part = _PART.match(body, at)
        whole, fraction, unit = part.groups() if part is not None else ("", None, "")
        if not (whole or (fraction or "").strip(".")):
            raise ValueError(f"time: invalid duration {shown}")
        if not unit:
            raise ValueError(f"time: missing unit in duration {shown}")
        if unit not in _UNITS:
            raise ValueError(f'time: unknown unit "{unit}" in duration {shown}')
        digits = (fraction or ".")[1:]
        total += int(whole or 0) * _UNITS[unit] + (int(digits) * _UNITS[unit] // 10 ** len(digits) if digits else 0)
        at = part.end() if part is not None else len(body)
        if total > 2**63:
            raise ValueError(f"time: invalid duration {shown}")
    if not body or (total == 2**63 and not value.startswith("-")):
        raise ValueError(f"time: invalid duration {shown}")
    return -total if value.startswith("-") else total


def _fits(pattern: str, value: str) -> bool:
    return pattern == "*" or glob_matches(pattern, value)
