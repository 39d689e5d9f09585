"""Sync windows as a person reads them."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

import msgspec
import pytest

from fleetui.engine.projects import Project, project_of
from fleetui.fleet.windows import block_of, windows_of
from fleetui.model.app import App, AppKey, Destination
from fleetui.model.objects import ClusterName

NIGHT = {"kind": "deny", "schedule": "0 22 * * *", "duration": "8h", "applications": ["*"]}
OFFICE = {"kind": "allow", "schedule": "0 6 * * 1-5", "duration": "2h", "applications": ["*"]}
SHOP = App(AppKey(ClusterName("hub"), "argo", "argocd", "shop"))


def at(text: str) -> float:
    return datetime.fromisoformat(text).replace(tzinfo=UTC).timestamp()


def project(*windows: Any) -> Project:
    return project_of({"metadata": {"name": "team"}, "spec": {"syncWindows": list(windows)}})


@pytest.mark.parametrize(
    ("window", "matches"),
    [
        ({"applications": ["sh*"]}, True),
        ({"applications": ["other"]}, False),
        ({"namespaces": ["shop-*"]}, True),
        ({"clusters": ["edge"]}, True),
        ({"clusters": ["https://edge*"]}, True),
        ({"applications": ["other"], "namespaces": ["shop-1"], "andOperator": True}, False),
        ({"applications": "odd"}, False),
    ],
)
def test_which_windows_an_application_falls_under(window: dict[str, Any], matches: bool) -> None:
    app = msgspec.structs.replace(SHOP, destination=Destination("https://edge.acme.io", "edge", "shop-1"))
    found = windows_of(project(NIGHT | {"applications": []} | window), app, at("2027-03-02T12:00"))
    assert found == (("deny from 0 22 * * * (UTC) for 8h, closed until 22:00 UTC (in 10 h)",) if matches else ())


def test_a_window_is_told_as_it_is_written_and_as_it_is() -> None:
    zone = {"timeZone": "Europe/Zurich", "manualSync": True, "description": "office hours"}
    assert windows_of(project(OFFICE | zone), SHOP, at("2027-03-05T12:00")) == (
        "allow from 0 6 * * 1-5 (Europe/Zurich) for 2h, closed until 2027-03-08 06:00 Europe/Zurich (in 2 d 17 h), "
        "a sync by hand is allowed: office hours",
    )


@pytest.mark.parametrize(
    ("windows", "by_hand", "expected"),
    [
        ([], False, ""),
        ([NIGHT], False, "by a deny window of project team until 06:00 UTC (in 6 h 20 min)"),
        ([NIGHT], True, "by a deny window of project team until 06:00 UTC (in 6 h 20 min)"),
        ([NIGHT | {"manualSync": True}], True, ""),
        (
            [NIGHT | {"timeZone": "Europe/Berlin", "description": "freeze\nCHG-1"}],
            False,
            "by a deny window of project team until 06:00 Europe/Berlin (in 5 h 20 min): freeze CHG-1",
        ),
        ([OFFICE], True, "outside the allow windows of project team until 06:00 UTC (in 6 h 20 min)"),
        ([NIGHT | {"schedule": "* * * * *"}], True, "by a deny window of project team with no end in sight"),
        (
            [NIGHT | {"duration": "8"}],
            True,
            "by a sync window of project team that can't be read: invalid sync windows: cannot parse duration '8': "
            'time: missing unit in duration "8"',
        ),
    ],
)
def test_what_blocks(windows: list[Any], by_hand: bool, expected: str) -> None:
    assert block_of(project(*windows), SHOP, at("2027-03-01T23:40"), by_hand=by_hand) == expected
