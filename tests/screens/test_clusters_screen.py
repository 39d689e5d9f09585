"""The clusters table: what it shows in each state, what its keys do, and that it paints no more than it has to."""

from __future__ import annotations

import asyncio
from typing import cast

import pytest

from fleetui.model.app import Destination
from fleetui.model.errors import UnauthorizedError
from fleetui.model.objects import ClusterName
from fleetui.model.status import ClusterState, HealthStatus, SyncStatus
from screens import cluster_rows
from screens import status as status_words
from screens.apps import AppsScreen
from screens.clusters import ClustersScreen
from screens.filters import parse
from screens.glyphs import CLUSTER_ROLE
from tests.screens.console import Console, console, painted
from tests.screens.fake_fleet import FakeFleet, app, key, small_fleet, status, wide_fleet

STAGE = ClusterName("stage-1")


async def open_clusters(found: Console, command: str = "clusters") -> ClustersScreen:
    await found.press("colon")
    await found.enter(command)
    await found.until(lambda: isinstance(found.screen, ClustersScreen), "the clusters")
    await found.still()
    return cast(ClustersScreen, found.screen)


async def at(found: Console, cluster: str) -> None:
    """Puts the cursor on a cluster."""
    table = cast(ClustersScreen, found.screen).table
    table.move_to(list(table.order).index(cluster))
    await found.still()


def flat(found: Console) -> str:
    """What stands on the screen, without its line breaks."""
    return " ".join(found.text.split())


def line_of(found: Console, cluster: str) -> str:
    return next(line for line in found.lines if cluster in line)


@pytest.mark.parametrize("size", [(80, 24), (200, 50)], ids=["80x24", "200x50"])
async def test_looks(size: tuple[int, int]) -> None:
    async with console(wide_fleet(), size=size) as found:
        await open_clusters(found)
        found.looks(f"clusters-{size[0]}x{size[1]}")


async def test_looks_in_letters(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("FLEETUI_ASCII", "1")
    async with console(wide_fleet()) as found:
        await open_clusters(found)
        found.looks("clusters-ascii")


@pytest.mark.parametrize("command", ["clusters", "ctx", "fleet"])
async def test_each_of_its_names_opens_it_once(command: str) -> None:
    async with console(wide_fleet()) as found:
        first = await open_clusters(found, command)
        await found.press("question_mark")
        await found.until(lambda: not isinstance(found.screen, ClustersScreen), "help")
        assert await open_clusters(found) is first
        await found.press("q")
        await found.until(lambda: isinstance(found.screen, AppsScreen), "the applications")


async def test_it_says_why_for_the_cluster_under_the_cursor() -> None:
    async with console(wide_fleet(), size=(140, 24)) as found:
        await open_clusters(found)
        assert "stage-1: the API server refuses the login" in flat(found)
        await at(found, "edge-07")
        assert "edge-07: watch closed by the server; reconnecting in 8 s. its rows are 3m old" in flat(found)
        await at(found, "shared")
        assert "shared: namespace team-a only: you may not list applications.argoproj.io in all" in flat(found)
        await at(found, "prod-eu-2")
        assert "prod-eu-2: its certificate is not checked (insecure-skip-tls-verify)" in flat(found)
        await at(found, "prod-eu-1")
        assert "prod-eu-1: live for 60s, https://prod-eu-1.example.com:6443" in flat(found)


async def test_enter_shows_the_applications_of_that_cluster_alone() -> None:
    fleet = FakeFleet(app("a"), app("b", "prod-eu-10"), clusters=(status("prod-eu-1"), status("prod-eu-10")))
    async with console(fleet) as found:
        await open_clusters(found)
        await at(found, "prod-eu-1")
        await found.press("enter")
        await found.until(lambda: isinstance(found.screen, AppsScreen), "the applications")
        apps = cast(AppsScreen, found.screen)
        assert (apps.filter.text, list(apps.table.order)) == ("cluster:=prod-eu-1", [key("a")])


@pytest.mark.parametrize("name", ["edge", "arn:aws:eks:eu-1:1:cluster/prod", "my, own cluster"])
def test_whatever_a_cluster_is_called_its_filter_lets_its_applications_through(name: str) -> None:
    wanted = parse(cluster_rows.filter_for(ClusterName(name)))
    assert wanted.matches(app("a", name), name)
    assert not wanted.matches(app("a", "other"), "other")


async def test_counts_follow_the_applications() -> None:
    fleet = FakeFleet(app("a"), app("b"), clusters=(status("prod-eu-1"),))
    async with console(fleet) as found:
        await open_clusters(found)
        assert line_of(found, "prod-eu-1").split()[:3] == ["prod-eu-1", "live", "2"]
        bad = app("c", health=HealthStatus.DEGRADED, sync=SyncStatus.OUT_OF_SYNC)
        fleet.publish(bad, app("a", health=HealthStatus.PROGRESSING))
        await found.until(lambda: line_of(found, "prod-eu-1").split()[2:6] == ["3", "1", "1", "1"], "counted")
        fleet.publish(app("a"), removed=(key("c"),))
        await found.until(lambda: line_of(found, "prod-eu-1").split()[2:4] == ["2", "v1.37"], "counted again")


async def test_a_change_paints_its_row_alone_and_what_is_as_before_nothing() -> None:
    fleet = wide_fleet()
    async with console(fleet) as found:
        table = (await open_clusters(found)).table
        with painted(table) as lines:
            fleet.publish(clusters=(status("shared", latency=0.12),))
            fleet.publish(app("app-001", revision="f" * 40))
            await found.until(lambda: found.app.picture.apps[key("app-001")].revision == "f" * 40, "it arrived")
            await found.still()
            assert lines == []
            fleet.publish(app("app-001", health=HealthStatus.PROGRESSING))
            await found.until(lambda: lines, "painted")
            await found.still()
        assert set(lines) == {list(table.order).index(ClusterName("prod-eu-1")) + 1}


# --- logging in -----------------------------------------------------------------------------------------------------


async def test_x_logs_in_where_the_state_asks_for_it_and_nowhere_else() -> None:
    fleet = wide_fleet()
    async with console(fleet) as found:
        await open_clusters(found)
        await at(found, "prod-eu-1")
        await found.press("x")
        await found.until(lambda: "prod-eu-1 is live: it asks for no login" in found.toasts(), "no login")
        assert "login" not in fleet.asked
        await at(found, "stage-1")
        fleet.gate = asyncio.Event()
        await found.press("x", "x")
        await found.until(lambda: fleet.asked.count("login"), "asked")
        found.app._runtime.post(fleet.gate.set)
        await found.until(lambda: "Logged in to stage-1" in found.toasts(), "logged in")
        assert fleet.asked.count("login") == 1


async def test_a_login_that_fails_is_told() -> None:
    fleet = wide_fleet()
    fleet.logins[STAGE] = UnauthorizedError("aws: the session has expired\x1b[31m")
    async with console(fleet) as found:
        await open_clusters(found)
        await found.press("x")
        await found.until(lambda: any("the session has expired" in toast for toast in found.toasts()), "told")
        assert not any("\x1b" in toast for toast in found.toasts())


async def test_r_asks_the_cluster_under_the_cursor_again() -> None:
    fleet = wide_fleet()
    async with console(fleet) as found:
        await open_clusters(found)
        await at(found, "old-lab")
        await found.press("r")
        await found.until(lambda: "old-lab is asked again" in found.toasts(), "told")
        assert fleet.retried == ["old-lab"]


# --- elsewhere ------------------------------------------------------------------------------------------------------


async def test_a_registered_cluster_says_from_where_it_is_known_and_its_applications_count() -> None:
    edge = status("edge", ClusterState.REGISTERED, origin="hub prod-eu-1", aliases=("edge-old",))
    there = Destination(name="edge-old", namespace="x")
    fleet = FakeFleet(app("a", destination=there), app("b"), clusters=(status("prod-eu-1"), edge))
    async with console(fleet, size=(140, 24)) as found:
        screen = await open_clusters(found)
        assert list(screen.table.order) == ["prod-eu-1", "edge"]
        assert line_of(found, "edge").split()[:3] == ["edge", "registered", "1"]
        await at(found, "edge")
        words = "edge: registered by hub prod-eu-1, and connected to when somebody needs it; r does it now. also called"
        assert f"{words} edge-old" in flat(found)
        await found.press("r")
        await found.until(lambda: fleet.retried == ["edge"], "connected to")


async def test_a_state_that_is_not_known_here_is_shown_in_its_own_words(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delitem(status_words._FIRST, ClusterState.CONNECTING)
    monkeypatch.delitem(CLUSTER_ROLE, ClusterState.CONNECTING)
    async with console(wide_fleet()) as found:
        screen = await open_clusters(found)
        assert screen.table.order[-1] == "new-1"
        assert line_of(found, "new-1").split()[:3] == ["new-1", "connecting", "–"]


async def test_the_status_bar_says_insecure_and_one_namespace_only() -> None:
    async with console(wide_fleet(), size=(200, 24)) as found:
        assert "prod-eu-2 insecure live" in flat(found)
        assert "shared namespace team-a only" in flat(found)


async def test_a_cluster_that_shows_one_namespace_and_has_nothing_there_says_so() -> None:
    fleet = FakeFleet(clusters=(status("shared"),))
    fleet.narrowed = wide_fleet().narrowed
    async with console(fleet) as found:
        await found.shows("shared: namespace team-a only")
        assert "you may not list applications.argoproj.io in all namespaces" in flat(found)


async def test_a_forbidden_cluster_says_what_is_missing_once() -> None:
    refused = "you may not list applications.argoproj.io in all namespaces (see kubectl auth can-i list)"
    fleet = FakeFleet(clusters=(status("east", ClusterState.FORBIDDEN, message=refused),))
    fleet.problems = {ClusterName("east"): refused}
    async with console(fleet, size=(140, 24)) as found:
        await found.shows(f"east: {refused}")
        assert "more)" not in flat(found)


async def test_the_command_line_of_the_table_and_the_name_of_a_cluster_can_be_copied() -> None:
    async with console(small_fleet()) as found:
        screen = await open_clusters(found)
        assert screen.name_under_cursor() == "edge-07"
        assert screen.command_line().startswith("fleetui get clusters --context=")
