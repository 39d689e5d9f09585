"""Schedules as robfig/cron v3 reads them; every expected time was computed with it."""

from __future__ import annotations

import re
from datetime import UTC, datetime

import pytest

from fleetui.engine.cron import parse


def at(text: str) -> int:
    return int(datetime.fromisoformat(text).replace(tzinfo=UTC).timestamp())


@pytest.mark.parametrize(
    ("spec", "now", "expected"),
    [
        ("0 22 * * *", "2026-03-01T21:59:59", "2026-03-01T22:00:00"),
        ("0 22 * * *", "2026-03-01T22:00:00", "2026-03-02T22:00:00"),
        ("*/20 9-17 * * MON-fri", "2026-03-06T17:40:00", "2026-03-09T09:00:00"),
        ("10/25 * * * *", "2026-03-01T00:10:00", "2026-03-01T00:35:00"),
        ("0 0 29 2 *", "2026-03-01T00:00:00", "2028-02-29T00:00:00"),
        ("5,10,55 3 ? jan,DEC ?", "2026-02-01T00:00:00", "2026-12-01T03:05:00"),
        # Two day fields without a star meet in either; a star with a step is no star any more.
        ("0 0 13 * 5", "2026-03-01T00:00:00", "2026-03-06T00:00:00"),
        ("0 0 */10 * 1", "2026-03-01T00:00:00", "2026-03-02T00:00:00"),
        ("0 0 13 * *", "2026-03-01T00:00:00", "2026-03-13T00:00:00"),
        ("0 0 13 * */1", "2026-03-01T00:00:00", "2026-03-13T00:00:00"),
        # An hour that a clock change takes out comes on the next day; one that it makes twice comes twice.
        ("TZ=Europe/Berlin 30 2 * * *", "2026-03-28T12:00:00", "2026-03-30T00:30:00"),
        ("TZ=Europe/Berlin 30 2 * * *", "2026-10-24T23:00:00", "2026-10-25T00:30:00"),
        ("TZ=Europe/Berlin 30 2 * * *", "2026-10-25T00:30:00", "2026-10-25T01:30:00"),
        ("CRON_TZ=America/Sao_Paulo 0 0 * * *", "2018-11-03T12:00:00", "2018-11-05T02:00:00"),
    ],
)
def test_the_next_time(spec: str, now: str, expected: str) -> None:
    found = parse(spec).after(at(now))
    assert found is not None
    assert datetime.fromtimestamp(found, UTC).strftime("%Y-%m-%dT%H:%M:%S") == expected


def test_a_day_that_never_comes() -> None:
    assert parse("0 0 30 2 *").after(at("2026-03-01T00:00:00")) is None


@pytest.mark.parametrize(
    ("spec", "message"),
    [
        ("", "empty spec string"),
        ("* * * *", "expected exactly 5 fields, found 4: [* * * *]"),
        ("@daily", "parser does not accept descriptors: @daily"),
        ("60 * * * *", "end of range (60) above maximum (59): 60"),
        ("* * 0 * *", "beginning of range (0) below minimum (1): 0"),
        ("* * * * 7", "end of range (7) above maximum (6): 7"),
        ("9-3 * * * *", "beginning of range (9) beyond end of range (3): 9-3"),
        ("*/0 * * * *", "step of range should be a positive number: */0"),
        ("1-2-3 * * * *", "too many hyphens: 1-2-3"),
        ("1/2/3 * * * *", "too many slashes: 1/2/3"),
        ("x * * * *", 'failed to parse int from x: strconv.Atoi: parsing "x": invalid syntax'),
        ("TZ=Nope/Zone * * * * *", "provided bad location Nope/Zone: unknown time zone Nope/Zone"),
    ],
)
def test_what_is_no_schedule(spec: str, message: str) -> None:
    with pytest.raises(ValueError, match=f"^{re.escape(message)}$"):
        parse(spec)
