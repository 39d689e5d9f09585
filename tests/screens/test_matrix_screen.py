"""The addon matrix in front of a scripted fleet: what it shows, and that a change paints its cell alone."""

from __future__ import annotations

import asyncio
from typing import cast

import pytest

from fleetui.fleet.cells import CellRules
from fleetui.model.objects import ClusterName
from fleetui.model.rollout import CellKey
from fleetui.model.status import ClusterState, HealthStatus
from screens.matrix import MatrixScreen
from tests.screens.console import Console, console, painted
from tests.screens.fake_fleet import FakeFleet, app, key, status
from tests.screens.matrix_fleet import apps, cell, cluster, clusters, fleet, large


def matrix(found: Console) -> MatrixScreen:
    return next(each for each in found.app.screen_stack if isinstance(each, MatrixScreen))


def under_cursor(found: Console) -> str:
    screen = matrix(found)
    at = screen.table.at
    assert at is not None
    return str(screen.view.cell_at(*at))


@pytest.mark.parametrize(("keys", "size", "name"), [
    ("m", (80, 24), "80x24"),
    ("mb", (80, 24), "by-stage"),
    ("mbo", (80, 24), "turned"),
    ("mbjVH", (200, 50), "200x50-marked"),
])  # fmt: skip
async def test_looks(keys: str, size: tuple[int, int], name: str) -> None:
    async with console(fleet(), size=size) as found:
        await found.press(*keys)
        await found.still()
        found.looks(f"matrix-{name}")


async def test_looks_in_ascii(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("FLEETUI_ASCII", "1")
    monkeypatch.setenv("NO_COLOR", "1")
    async with console(fleet()) as found:
        await found.press("m", "b", "space")
        await found.still()
        assert found.text.isascii()
        found.looks("matrix-ascii")


async def test_more_addons_than_there_is_room_for_are_glyphs_and_the_cursor_takes_the_columns_along() -> None:
    made, places = large(wide=30, tall=30)
    async with console(FakeFleet(*made, clusters=places)) as found:
        await found.press("m", "j")
        await found.still()
        found.looks("matrix-narrow")
        await found.press("dollar_sign")
        await found.shows("cluster-2 addon-29 1.0.0")
        head = found.lines[1]
        await found.press("j", "j", "j", "G")
        await found.shows("cluster-30 addon-29")
        assert found.lines[1] == head, "heads stay while it scrolls"
        assert found.lines[3].startswith(" cluster-") or found.lines[3].startswith("  cluster-")
        await found.press("ctrl+w")
        await found.shows("● 1.0.0")
        assert under_cursor(found) == "cluster-30/addon-29"
        await found.press("circumflex_accent", "g")
        assert under_cursor(found) == "cluster-1/addon-0"


async def test_a_change_of_a_cell_paints_that_cell_and_its_totals() -> None:
    made, places = large()
    async with console(FakeFleet(*made, clusters=places), size=(200, 50)) as found:
        await found.press("m", "j")
        await found.still()
        grid, shown = matrix(found).table, cast(FakeFleet, found.app.fleet)
        with painted(grid) as lines:
            regions: list[tuple[int, int, int, int]] = []
            refresh = grid.refresh
            grid.refresh = lambda *r, **more: (regions.extend(r), refresh(*r, **more))[1]  # type: ignore[method-assign, func-returns-value]
            shown.publish(cell("cluster-3", "addon-5", "1.0.0", HealthStatus.DEGRADED))
            await found.until(lambda: lines, "it is painted")
            await found.still()
        column = next(each for each in grid.laid_out if each.place == 5)
        assert (column.x, 5, column.width, 1) in regions
        # The cell, the total of its column, that of its row, that of its group.
        assert sorted(set(lines)) == [1, 2, 5]
        assert sum(region[2] for region in regions) <= 2 * column.width + 2 * 18
        with painted(grid) as lines:
            shown.publish(cell("cluster-150", "addon-5", "1.0.0", revision="f" * 40))
            await found.until(
                lambda: any(each.revision == "f" * 40 for each in found.app.picture.apps.values()), "there"
            )
            await found.still()
        assert lines == [], "what nobody sees is not painted"


async def test_moving_the_cursor_paints_two_cells_and_their_heads() -> None:
    async with console(fleet()) as found:
        await found.press("m")
        await found.still()
        grid = matrix(found).table
        with painted(grid) as lines:
            await found.press("j")
            await found.still()
        assert sorted(set(lines)) == [3, 4]
        with painted(grid) as lines:
            await found.press("l")
            await found.still()
        assert sorted(set(lines)) == [0, 4]


async def test_marks_follow_applications_whose_cluster_gets_its_name_later() -> None:
    async with console(FakeFleet(*apps(), clusters=(status("hub"),))) as found:
        await found.press("m", "space")
        await found.shows(lambda text: "milan-1:6443" in text and "1 marked" in text)
        cast(FakeFleet, found.app.fleet).publish(clusters=clusters())
        await found.shows(lambda text: "milan-1 " in text and "1 marked" in text)
        assert matrix(found).table.marks == {CellKey(ClusterName("milan-1"), "cert-manager")}


async def test_keys_move_mark_and_turn() -> None:
    async with console(fleet()) as found:
        await found.press("m", "b")
        assert under_cursor(found) == "milan-1/cert-manager", "the cursor stays on its cell, whatever moves around it"
        await found.press("g", "space")
        await found.press("j", "l", "space")
        screen = matrix(found)
        wanted = {CellKey(ClusterName("seoul-1"), "cert-manager"), CellKey(ClusterName("milan-1"), "external-secrets")}
        assert screen.table.marks == wanted
        await found.shows("2 marked")
        await found.press("o")
        assert screen.table.marks == wanted
        assert under_cursor(found) == "oslo-1/external-secrets"
        await found.press("V")
        assert screen.table.marks == wanted | {
            CellKey(ClusterName("oslo-1"), addon) for addon in ("cert-manager", "metrics-server")
        }
        await found.press("V", "H")
        names = ("seoul-1", "tokyo-1", "milan-1", "paris-1")
        assert screen.table.marks >= {CellKey(ClusterName(name), "external-secrets") for name in names}
        await found.press("u")
        assert screen.table.marks == set()
        await found.press("n")
        assert under_cursor(found) == "paris-1/metrics-server"
        await found.press("N", "N")
        assert under_cursor(found) == "tokyo-1/cert-manager"


async def test_enter_opens_the_application_and_what_is_marked_is_synced() -> None:
    async with console(fleet()) as found:
        await found.press("m", "enter")
        await found.shows("milan-1 › milan-1-cert-manager")
        await found.press("q", "V", "S")
        await found.shows("Sync milan-1-cert-manager on milan-1")
        await found.shows("1 of 5")


async def test_the_line_below_says_where_the_cursor_is_and_why_that_is_so() -> None:
    async with console(fleet()) as found:
        await found.press("m")
        await found.shows("milan-1 cert-manager 1.14.5: Degraded since 2h: webhook has no endpoints")
        await found.press("j", "l")
        await found.shows("oslo-1 external-secrets: not there")
        await found.press("enter")
        assert found.app.screen is matrix(found)
        await found.press("N", "dollar_sign")
        await found.shows("milan-1 metrics-server 0.6.4, behind 0.7.1")


async def test_a_filter_takes_cells_and_goes_with_esc() -> None:
    async with console(fleet(), contexts=("hub",)) as found:
        await found.press("m", "slash")
        await found.enter("stage=prod version:<1.14.6 addon:cert*")
        await found.shows("1 × 3 clusters")
        await found.press("C")
        wanted = "fleetui get matrix --context=hub stage=prod 'version:<1.14.6' 'addon:cert*'"
        assert found.toasts() == [f"Copied the command line: {wanted}"]
        await found.press("escape", "slash")
        await found.enter("addon:nothing")
        await found.shows("No cell matches addon:nothing")
        await found.press("escape")
        await found.shows("3 × 5 clusters")
        await found.press("colon")
        await found.enter("matrix health:degraded")
        await found.shows("1 × 1 cluster")


async def test_which_versions_where() -> None:
    async with console(fleet(), size=(100, 24)) as found:
        await found.press("m", "v")
        text = await found.shows("cert-manager  2 versions   on 5 clusters")
        assert "seoul-1, tokyo-1" in text
        cast(FakeFleet, found.app.fleet).publish(cell("oslo-1", "cert-manager", "1.15.0"))
        await found.shows("oslo-1, seoul-1, tokyo-1")
        await found.press("enter")
        await found.shows("addon:=cert-manager version:=1.15.0")
        assert matrix(found).table.row_count == 4


async def test_a_version_that_becomes_the_usual_one_makes_others_be_behind() -> None:
    async with console(fleet()) as found:
        await found.press("m")
        await found.shows("● 1.15.0 ahead")
        shown = cast(FakeFleet, found.app.fleet)
        shown.publish(cell("oslo-1", "cert-manager", "1.15.0"), cell("paris-1", "cert-manager", "1.15.0"))
        await found.shows("✖ 1.14.5 behind")
        shown.publish(cell("oslo-1", "metrics-server", "0.8.0-rc.10"))
        await found.shows("● 0.8.0-rc.10")


async def test_clusters_and_addons_come_and_go_while_it_is_open() -> None:
    async with console(fleet()) as found:
        await found.press("m", "j", "l")
        shown = cast(FakeFleet, found.app.fleet)
        shown.publish(cell("bern-1", "alerts"), clusters=(cluster("bern-1", "prod"),))
        await found.shows("4 × 6 clusters")
        assert under_cursor(found) == "oslo-1/external-secrets"
        shown.publish(removed=(key("bern-1-alerts", "hub"),))
        await found.shows("3 × 5 clusters")


async def test_what_an_away_hub_last_said_is_dimmed() -> None:
    async with console(fleet(), size=(120, 24)) as found:
        await found.press("m")
        gone = status("hub", ClusterState.STALE, since=5, message="connection reset by peer")
        cast(FakeFleet, found.app.fleet).publish(clusters=(gone,))
        await found.shows("hub is stale since 5s (connection reset by peer): its last known state is shown")
        await found.shows("● 0.9.4 stale")
        await found.shows("● 1.14.5 stale")
        at = matrix(found).table.here
        assert at is not None
        assert at.dim


async def test_without_addons_it_says_what_would_be_one() -> None:
    async with console(FakeFleet(app("shop"), clusters=(status("prod-eu-1"),)), size=(120, 24)) as found:
        await found.press("m")
        await found.shows("No addons: of 1 application none was made by an ApplicationSet or has the label addon")


async def test_opened_before_there_is_a_fleet_it_takes_the_operator_s_addons_over_when_there_is() -> None:
    shown, opened = fleet(), asyncio.Event()
    shown.cell_rules = CellRules(label="team", selector=lambda labels: "team" in labels)

    async def start() -> FakeFleet:
        await opened.wait()
        return await shown.open()

    async with console(shown, loaded=False, start=start, size=(120, 24)) as found:
        await found.press("m")
        await found.shows("Connecting to hub")
        found.app._runtime.post(opened.set)
        await found.shows("No addons: of 14 applications none is chosen by addon_selector in config.yaml")
        shown.publish(cell("oslo-1", "by-hand", labels={"team": "dns"}))
        await found.shows("oslo-1 dns 1.0.0: Synced")


async def test_without_applications_it_says_why() -> None:
    shown = FakeFleet(clusters=(status("hub"),))
    shown.loading = frozenset({ClusterName("hub")})
    async with console(shown) as found:
        await found.press("m")
        await found.shows("Loading the applications of hub…")
        shown.loading, shown.problems = frozenset(), {ClusterName("hub"): "applications can't be listed: forbidden"}
        shown.publish()
        await found.shows("hub: applications can't be listed: forbidden")
        shown.problems = {}
        shown.publish(*apps(), clusters=clusters())
        await found.shows("3 × 5 clusters")
        assert under_cursor(found) == "milan-1/cert-manager"
