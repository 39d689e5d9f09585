"""Sync windows: which match, what is allowed when, and until when it is not."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

import pytest

from fleetui.engine.windows import Operation, blocking, go_duration, matching, until, windows_in

MANUAL, AUTOMATED = Operation(manual=True), Operation()
NIGHT = {"kind": "deny", "schedule": "0 22 * * *", "duration": "8h", "applications": ["*"]}
OFFICE = {"kind": "allow", "schedule": "0 9 * * 1-5", "duration": "8h", "applications": ["*"]}


def at(text: str) -> float:
    return datetime.fromisoformat(text).replace(tzinfo=UTC).timestamp()


def told(moment: float | None) -> str | None:
    return None if moment is None else datetime.fromtimestamp(moment, UTC).strftime("%Y-%m-%dT%H:%M:%S")


@pytest.mark.parametrize(
    ("windows", "now", "operation", "allowed"),
    [
        ([], "2026-03-02T23:00:00", AUTOMATED, True),
        ([NIGHT], "2026-03-02T22:00:00", AUTOMATED, True),
        ([NIGHT], "2026-03-02T22:00:01", AUTOMATED, False),
        ([NIGHT], "2026-03-03T05:59:59", AUTOMATED, False),
        ([NIGHT], "2026-03-03T06:00:00", AUTOMATED, True),
        ([NIGHT], "2026-03-02T23:00:00", MANUAL, False),
        ([NIGHT | {"manualSync": True}], "2026-03-02T23:00:00", MANUAL, True),
        ([NIGHT | {"manualSync": True}], "2026-03-02T23:00:00", AUTOMATED, False),
        ([NIGHT | {"manualSync": True}, NIGHT], "2026-03-02T23:00:00", MANUAL, False),
        ([NIGHT | {"timeZone": "Europe/Berlin"}], "2026-03-02T21:30:00", AUTOMATED, False),
        ([NIGHT | {"timeZone": "Europe/Berlin"}], "2026-03-03T05:30:00", AUTOMATED, True),
        ([NIGHT | {"timeZone": "Nope/Zone"}], "2026-03-02T22:30:00", AUTOMATED, False),
        ([OFFICE], "2026-03-02T10:00:00", AUTOMATED, True),
        ([OFFICE], "2026-03-02T18:00:00", AUTOMATED, False),
        ([OFFICE], "2026-03-01T10:00:00", AUTOMATED, False),
        ([OFFICE | {"manualSync": True}], "2026-03-01T10:00:00", MANUAL, True),
        ([OFFICE, NIGHT | {"schedule": "0 10 * * *"}], "2026-03-02T11:00:00", AUTOMATED, False),
        # A schedule that never comes counts as begun, as in Argo CD.
        ([NIGHT | {"schedule": "0 0 30 2 *"}], "2026-03-02T11:00:00", AUTOMATED, False),
    ],
)
def test_what_is_allowed(windows: list[Any], now: str, operation: Operation, allowed: bool) -> None:
    assert (not blocking(windows_in(windows), at(now), operation)) is allowed


@pytest.mark.parametrize(
    ("window", "started", "now", "allowed"),
    [
        (NIGHT, "2026-03-02T21:59:00", "2026-03-02T22:01:00", True),
        (NIGHT, "2026-03-02T22:00:30", "2026-03-02T22:01:00", False),
        (OFFICE, "2026-03-02T16:59:00", "2026-03-02T17:01:00", True),
        (OFFICE, "2026-03-02T17:00:30", "2026-03-02T17:01:00", False),
    ],
)
def test_an_operation_that_runs_over(window: Any, started: str, now: str, allowed: bool) -> None:
    operation = Operation(started=at(started))
    assert blocking(windows_in([window]), at(now), operation), "only where the window says so"
    assert (not blocking(windows_in([window | {"syncOverrun": True}]), at(now), operation)) is allowed


@pytest.mark.parametrize(
    ("windows", "now", "expected"),
    [
        ([NIGHT], "2026-03-02T23:00:00", "2026-03-03T06:00:00"),
        ([OFFICE], "2026-03-06T18:00:00", "2026-03-09T09:00:00"),
        ([NIGHT, NIGHT | {"schedule": "0 5 * * *", "duration": "3h"}], "2026-03-02T23:00:00", "2026-03-03T08:00:00"),
        ([OFFICE, NIGHT | {"schedule": "0 8 * * *", "duration": "2h"}], "2026-03-02T06:00:00", "2026-03-02T10:00:00"),
        ([NIGHT | {"schedule": "* * * * *"}], "2026-03-02T23:00:00", None),
        # The zone's clocks change while the window is open, and the window with them.
        ([NIGHT | {"timeZone": "Europe/Berlin"}], "2026-03-28T23:00:00", "2026-03-29T04:00:00"),
        ([NIGHT | {"timeZone": "Europe/Berlin"}], "2026-10-24T23:00:00", "2026-10-25T05:00:00"),
    ],
)
def test_until_when(windows: list[Any], now: str, expected: str | None) -> None:
    found = until(windows_in(windows), at(now), AUTOMATED)
    assert told(found) == expected
    if found is not None:
        assert not blocking(windows_in(windows), found, AUTOMATED)
        assert blocking(windows_in(windows), found - 0.5, AUTOMATED)


@pytest.mark.parametrize(
    ("window", "fits"),
    [
        ({}, False),
        ({"applications": ["sh*"]}, True),
        ({"applications": ["web"], "namespaces": ["prod-*"]}, True),
        ({"applications": ["web"], "namespaces": ["prod-*"], "andOperator": True}, False),
        ({"applications": ["shop"], "namespaces": ["prod-*"], "andOperator": True}, True),
        ({"clusters": ["https://*"]}, True),
        ({"clusters": ["edge-*"]}, False),
        ({"applications": ["!shop"]}, False),
        ({"applications": ["["]}, False),
    ],
)
def test_which_windows_match(window: Any, fits: bool) -> None:
    destination = {"server": "https://a.example", "namespace": "prod-eu"}
    assert bool(matching(windows_in([NIGHT | {"applications": []} | window]), "shop", destination)) is fits


def test_a_window_that_can_not_be_read_allows_nothing() -> None:
    with pytest.raises(ValueError, match="invalid sync windows: cannot parse schedule 'daily': expected exactly 5"):
        blocking(windows_in([NIGHT, OFFICE | {"schedule": "daily"}]), at("2026-03-02T12:00:00"), AUTOMATED)
    with pytest.raises(ValueError, match="cannot parse duration '8': time: missing unit in duration \"8\""):
        blocking(windows_in([NIGHT | {"duration": "8"}]), at("2026-03-02T12:00:00"), AUTOMATED)


@pytest.mark.parametrize(
    ("text", "seconds"), [("0", 0), ("1h30m", 5400), ("-1.5h", -5400), (".5s", 0.5), ("1us", 1e-6)]
)
def test_durations(text: str, seconds: float) -> None:
    assert go_duration(text) == seconds * 1e9


@pytest.mark.parametrize("text", ["", "1", "h", "1d", "1h ", ".", "-", "3000000h"])
def test_what_is_no_duration(text: str) -> None:
    with pytest.raises(ValueError, match=r"^time: "):
        go_duration(text)
