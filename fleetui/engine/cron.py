"""Schedules as Argo CD reads them for sync windows.

Owns: `Schedule`: five fields in the grammar of github.com/robfig/cron/v3 3.0.1 (parser.go, spec.go), with its own ways
where crons differ: which days match, what a clock change does. Called by `fleetui.engine.windows`. Pure.

Written here because the libraries that are kept up schedule otherwise (tried beside robfig/cron): croniter 7.0 and
cronsim 2.8 take ``7`` for Sunday, which Argo CD refuses, and run at once what a clock put forward takes out, where Argo
CD leaves that day out; croniter also takes ``22-2``, and cronsim refuses ``?``, joins ``*/2`` in a day field with "and"
and leaves out the second of two hours. A window that opens otherwise is a sync at the wrong time.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import lru_cache
from zoneinfo import ZoneInfo

from fleetui.engine.zones import load_zone, offset_at

_MONTHS = ("jan", "feb", "mar", "apr", "may", "jun", "jul", "aug", "sep", "oct", "nov", "dec")
_DAYS = ("sun", "mon", "tue", "wed", "thu", "fri", "sat")
_YEARS = 5
"""How far is looked for a time that fits."""
_WHOLE = re.compile(r"[+-]?[0-9]+")
_SPACE = re.compile(r"[\t\n\v\f\r \x85\xa0]+")


@dataclass(frozen=True)
class _Bounds:
    lowest: int
    highest: int
    names: tuple[tuple[str, int], ...] = ()


_MINUTE = _Bounds(0, 59)
_HOUR = _Bounds(0, 23)
_DAY = _Bounds(1, 31)
_MONTH = _Bounds(1, 12, tuple((name, number) for number, name in enumerate(_MONTHS, start=1)))
_WEEKDAY = _Bounds(0, 6, tuple((name, number) for number, name in enumerate(_DAYS)))


@dataclass(frozen=True)
class _Field:
    """The values that fit; `star`: written with ``*`` or ``?``, which decides how the two day fields meet."""

    values: frozenset[int]
    star: bool


@dataclass(frozen=True)
class Schedule:
    """When something begins. `zone` is None where the schedule names none: its fields are then those of UTC."""

    minute: _Field
    hour: _Field
    day: _Field
    month: _Field
    weekday: _Field
    zone: ZoneInfo | None = None

    def after(self, moment: int) -> int | None:
        """The first second (epoch) after `moment` at which the schedule begins; None where there is none within five
        years (spec.go, `Next`)."""
        return _Walk(self, moment + 1).find()


@lru_cache(maxsize=256)
def parse(spec: str) -> Schedule:
    """A schedule of minute, hour, day of month, month and day of week, with an optional ``TZ=`` or ``CRON_TZ=`` before
    it; descriptors such as ``@daily`` are refused, as Argo CD has its parser.

    Raises:
        ValueError: in robfig/cron's words.
    """
    if not spec:
        raise ValueError("empty spec string")
    zone: ZoneInfo | None = None
    if spec.startswith(("TZ=", "CRON_TZ=")):
        named, _, rest = spec.partition(" ")
        name = named.partition("=")[2]
        try:
            zone = load_zone(name)
        except ValueError as error:
            raise ValueError(f"provided bad location {name}: {error}") from None
        spec = rest.strip()
    if spec.startswith("@"):
        raise ValueError(f"parser does not accept descriptors: {spec}")
    fields = [part for part in _SPACE.split(spec) if part]
    if len(fields) != 5:
        raise ValueError(f"expected exactly 5 fields, found {len(fields)}: [{' '.join(fields)}]")
    bounds = (_MINUTE, _HOUR, _DAY, _MONTH, _WEEKDAY)
    minute, hour, day, month, weekday = (_field(text, each) for text, each in zip(fields, bounds, strict=True))
    return Schedule(minute, hour, day, month, weekday, zone)


def _field(text: str, bounds: _Bounds) -> _Field:
    values: set[int] = set()
    star = False
    for expression in text.split(","):
        if expression:
            found, wild = _range(expression, bounds)
            values.update(found)
            star = star or wild
    return _Field(frozenset(values), star)


def _range(expression: str, bounds: _Bounds) -> tuple[range, bool]:
    first, *steps = expression.split("/")
    low, *highs = first.split("-")
    star = low in {"*", "?"}
    if star:
        start, end = bounds.lowest, bounds.highest
    else:
        start = _number(low, bounds)
        if len(highs) > 1:
            raise ValueError(f"too many hyphens: {expression}")
        end = _number(highs[0], bounds) if highs else start
    if len(steps) > 1:
        raise ValueError(f"too many slashes: {expression}")
    step = _whole(steps[0]) if steps else 1
    if steps and not highs:
        end = bounds.highest
    if start < bounds.lowest:
        raise ValueError(f"beginning of range ({start}) below minimum ({bounds.lowest}): {expression}")
    if end > bounds.highest:
        raise ValueError(f"end of range ({end}) above maximum ({bounds.highest}): {expression}")
    if start > end:
        raise ValueError(f"beginning of range ({start}) beyond end of range ({end}): {expression}")
    if step == 0:
        raise ValueError(f"step of range should be a positive number: {expression}")
    return range(start, end + 1, step), star and step == 1


def _number(text: str, bounds: _Bounds) -> int:
    named = dict(bounds.names).get(text.lower())
    return _whole(text) if named is None else named


def _whole(text: str) -> int:
    if not _WHOLE.fullmatch(text):
        raise ValueError(f'failed to parse int from {text}: strconv.Atoi: parsing "{text}": invalid syntax')
    number = int(text)
    if not -(2**63) <= number < 2**63:
        raise ValueError(f'failed to parse int from {text}: strconv.Atoi: parsing "{text}": value out of range')
    if number < 0:
        raise ValueError(f"negative number ({number}) not allowed: {text}")
    return number


class _Walk:
    """The walk to the next time, field by field as robfig/cron makes it: what it does around clock changes follows from
    the order of its steps, so they are kept."""

    def __init__(self, schedule: Schedule, start: int) -> None:
        self._schedule = schedule
        self._at = start
        self._moved = False

    def find(self) -> int | None:
        limit = self._local().year + _YEARS
        while True:
            now = self._local()
            if now.year > limit:
                return None
            if self._months() and self._days() and self._hours() and self._minutes() and self._seconds():
                return self._at

    def _local(self) -> datetime:
        return datetime.fromtimestamp(self._at, self._schedule.zone or UTC)

    def _date(self, year: int, month: int, day: int, hour: int = 0, minute: int = 0, second: int = 0) -> int:
        """Go's `time.Date`, whose choice counts where a clock change makes a time twice or never."""
        year, month = year + (month - 1) // 12, (month - 1) % 12 + 1
        first = int(datetime(year, month, 1, tzinfo=UTC).timestamp())
        naive = first + (day - 1) * 86400 + hour * 3600 + minute * 60 + second
        zone = self._schedule.zone
        guess = offset_at(zone, naive)
        return naive - offset_at(zone, naive - guess) if guess else naive

    def _reset(self, value: int) -> None:
        if not self._moved:
            self._moved = True
            self._at = value

    def _months(self) -> bool:
        while (now := self._local()).month not in self._schedule.month.values:
            self._reset(self._date(now.year, now.month, 1))
            now = self._local()
            self._at = self._date(now.year, now.month + 1, now.day, now.hour, now.minute, now.second)
            if self._local().month == 1:
                return False
        return True

    def _days(self) -> bool:
        while not self._day_fits(now := self._local()):
            self._reset(self._date(now.year, now.month, now.day))
            now = self._local()
            self._at = self._date(now.year, now.month, now.day + 1, now.hour, now.minute, now.second)
            hour = self._local().hour
            if hour:
                self._at += ((24 - hour) if hour > 12 else -hour) * 3600
            if self._local().day == 1:
                return False
        return True

    def _day_fits(self, now: datetime) -> bool:
        day, weekday = self._schedule.day, self._schedule.weekday
        fits = (now.day in day.values, now.isoweekday() % 7 in weekday.values)
        return all(fits) if day.star or weekday.star else any(fits)

    def _hours(self) -> bool:
        while (now := self._local()).hour not in self._schedule.hour.values:
            self._reset(self._date(now.year, now.month, now.day, now.hour))
            self._at += 3600
            if self._local().hour == 0:
                return False
        return True

    def _minutes(self) -> bool:
        while self._local().minute not in self._schedule.minute.values:
            self._reset(self._at - self._at % 60)
            self._at += 60
            if self._local().minute == 0:
                return False
        return True

    def _seconds(self) -> bool:
        second = self._local().second
        if second:
            # The next minute may not fit any more.
            self._moved = True
            self._at += 60 - second
        return not second
