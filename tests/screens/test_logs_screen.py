"""The logs of Pods: which are followed, what moves and what does not, and how little is painted."""

from __future__ import annotations

import re
from pathlib import Path
from typing import cast

import pytest

from fleetui.fleet.views import PodViews
from fleetui.model.errors import UnreachableError
from screens.logs import AT_ONCE, LogsScreen
from screens.widgets import log_pane
from screens.widgets.log_pane import LogPane, shortened
from tests.screens.console import Console, console, painted
from tests.screens.fake_fleet import FakeFleet, key, pod_view, ref, small_fleet, stamped

PAYMENTS = key("payments-service")
X2X, K0P = "payments-api-7c9-x2x", "payments-api-7c9-k0p"


def fleet_of(found: Console) -> FakeFleet:
    return cast(FakeFleet, found.app.fleet)


async def logs_of(found: Console, *way: str) -> LogsScreen:
    """Opens the logs by these keys, and waits until something is followed."""
    await found.press(*way)
    await found.until(lambda: fleet_of(found).followed, "followed")
    await found.still()
    return cast(LogsScreen, found.screen)


async def one_pod(found: Console) -> LogsScreen:
    """The logs of the first Pod of the tree."""
    await found.press("enter")
    await found.shows(X2X)
    await found.still()
    return await logs_of(found, "j", "j", "j", "l")


def followed(found: Console) -> list[tuple[str, str, bool]]:
    return [(log.ref.name, log.container, log.previous) for log, _ in fleet_of(found).followed]


# --- which logs -----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("size", [(80, 24), (200, 50)], ids=["80x24", "200x50"])
async def test_looks(size: tuple[int, int]) -> None:
    async with console(small_fleet(), size=size) as found:
        await logs_of(found, "l")
        fleet = fleet_of(found)
        fleet.writes(
            X2X, stamped("listening on :8080", "GET /healthz 200", "GET /api/v1/payments/" + "7" * 90 + " 200")
        )
        fleet.writes(K0P, stamped("listening on :8080", "ready", at=1))
        await found.shows("ready")
        fleet.says(
            K0P, 'container "api" in pod "payments-api-7c9-k0p" is waiting to start: trying and failing to pull image'
        )
        await found.shows("failing to pull image")
        await found.press("T", "w")
        await found.still()
        found.looks(f"logs-{size[0]}x{size[1]}")


async def test_of_an_application_all_pods_are_followed_and_of_a_node_its_own() -> None:
    async with console(small_fleet()) as found:
        await logs_of(found, "l")
        assert followed(found) == [(X2X, "api", False), (K0P, "api", False)]
        await found.press("escape")
        await found.until(lambda: not fleet_of(found).followed, "let go")
        await one_pod(found)
        assert followed(found) == [(X2X, "api", False)]
        text = await found.shows("[l logs]")
        assert "› Pod payments-api-7c9" in text.split("\n")[0]


async def test_the_next_container_and_the_last_life() -> None:
    async with console(small_fleet()) as found:
        await one_pod(found)
        fleet = fleet_of(found)
        fleet.writes(X2X, stamped("of api"))
        await found.shows("of api")
        await found.press("o")
        await found.shows(lambda text: "proxy" in text and "of api" not in text)
        assert followed(found) == [(X2X, "proxy", False)]
        await found.press("p")
        await found.shows("proxy  previous")
        assert followed(found) == [(X2X, "proxy", True)]
        await found.press("o")
        await found.shows("api  previous")


async def test_new_pods_are_followed_and_what_gone_ones_wrote_stays(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("screens.logs.AGAIN", 0.05)
    async with console(small_fleet()) as found:
        await logs_of(found, "l")
        fleet = fleet_of(found)
        fleet.writes(X2X, stamped("of the old one"))
        await found.shows("of the old one")
        fleet.says(X2X, "pods not found")
        await found.shows("pods not found")
        fleet.running[PAYMENTS, None] = PodViews((pod_view(K0P, "api", "proxy"), pod_view("payments-api-8d1-new")))
        fleet.publish(trees=(PAYMENTS,))
        await found.until(lambda: ("payments-api-8d1-new", "api", False) in followed(found), "the new one is followed")
        assert (X2X, "api", False) not in followed(found)
        text = await found.shows(lambda text: "pods not found" not in text)
        assert "of the old one" in text


async def test_where_there_is_nothing_it_says_why() -> None:
    fleet = small_fleet()
    about = ref("ConfigMap", "settings")
    fleet.running[PAYMENTS, about] = PodViews((), problem="You may not list pods in payments.")
    async with console(fleet) as found:
        await found.press("enter")
        await found.shows("settings")
        await found.still()
        await found.press("G", "k", "l")
        await found.shows("ConfigMap settings has no Pods. You may not list pods in payments.")
        fleet.running[PAYMENTS, None] = UnreachableError("prod-eu-1 does not answer")
        await found.press("escape", "escape", "l")
        await found.shows("prod-eu-1 does not answer")


async def test_a_narrow_screen_still_says_which_view_it_is() -> None:
    async with console(small_fleet(), size=(60, 15)) as found:
        await logs_of(found, "l")
        text = await found.shows("2 Pods")
        assert "h history  e [l logs] y" in text


async def test_what_is_many_is_said() -> None:
    fleet = small_fleet()
    fleet.running[PAYMENTS, None] = PodViews((pod_view("a"), pod_view("b", "api")), more=7)
    async with console(fleet) as found:
        await logs_of(found, "l")
        await found.shows("2 Pods of 9 api")


# --- following the end ------------------------------------------------------------------------------------------------


async def test_the_end_is_followed_until_somebody_moves_up() -> None:
    async with console(small_fleet()) as found:
        screen = await one_pod(found)
        fleet = fleet_of(found)
        fleet.writes(X2X, stamped(*(f"line {number}" for number in range(100))))
        await found.shows("line 99")
        await found.shows("Following  the last 100 lines")
        await found.press("k")
        await found.shows("Paused")
        before = screen.pane.top
        fleet.writes(X2X, stamped("newer", "still newer", at=200))
        text = await found.shows("2 newer lines below")
        assert "newer\n" not in text.replace("newer lines", "")
        assert (screen.pane.top, screen.pane.key) == (before, 98)
        await found.press("f")
        await found.shows(lambda text: "still newer" in text and "Following" in text)
        await found.press("f")
        await found.shows("Paused")
        fleet.writes(X2X, stamped("the newest", at=300))
        await found.shows("1 newer line below")
        await found.press("G")
        await found.shows(lambda text: "the newest" in text and "Following" in text)


async def test_the_wheel_pauses_too() -> None:
    async with console(small_fleet()) as found:
        screen = await one_pod(found)
        fleet_of(found).writes(X2X, stamped(*(f"line {number}" for number in range(100))))
        await found.shows("line 99")
        screen.pane.scroll_relative(y=-3, animate=False)
        await found.shows("Paused")


async def test_what_is_read_stays_where_it_is_and_is_not_painted_again() -> None:
    async with console(small_fleet()) as found:
        screen = await one_pod(found)
        fleet = fleet_of(found)
        fleet.writes(X2X, stamped(*(f"line {number}" for number in range(100))))
        await found.shows("line 99")
        await found.press("g")
        await found.shows("Paused")
        await found.still()
        with painted(screen.pane) as lines:
            fleet.writes(X2X, stamped("newer", at=200))
            await found.shows("1 newer line below")
            await found.still()
        assert lines == []


async def test_a_firehose_is_bounded_in_memory_and_in_updates(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(log_pane, "MOST", 2_000)
    async with console(small_fleet()) as found:
        screen = await one_pod(found)
        fleet = fleet_of(found)
        updates: list[int] = []
        add = LogPane.add

        def counting(pane: LogPane, lines: list[object]) -> None:
            updates.append(len(lines))
            add(pane, lines)  # type: ignore[arg-type]

        monkeypatch.setattr(LogPane, "add", counting)
        whole = stamped(*(f"line {number}" for number in range(100_000)))
        with painted(screen.pane) as lines:
            fleet.writes(X2X, *(whole[at : at + 65_536] for at in range(0, len(whole), 65_536)))
            await found.press("question_mark")
            await found.shows("Help")
            await found.press("escape")
            await found.shows("line 99999")
            await found.still()
        assert max(updates) <= AT_ONCE
        assert sum(updates) < 50_000
        assert len(lines) <= (len(updates) + 4) * found.app.size.height
        assert len(screen.pane.log_lines) <= 2_500
        skipped = [line.text for line in screen.pane.log_lines if not line.stamp]
        shown = sum(updates)
        assert shown < 100_000
        assert all(re.match(r"[\d,]+ lines came faster", text) for text in skipped)


async def test_old_lines_go_and_a_reader_keeps_the_line(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(log_pane, "MOST", 100)
    monkeypatch.setattr(log_pane, "SLACK", 20)
    async with console(small_fleet()) as found:
        screen = await one_pod(found)
        fleet = fleet_of(found)
        fleet.writes(X2X, stamped(*(f"line {number}" for number in range(100))))
        await found.shows("line 99")
        await found.press("pageup", "pageup")
        row, at = screen.pane.current, screen.pane.cursor - screen.pane.top
        fleet.writes(X2X, stamped(*(f"line {number}" for number in range(100, 130)), at=100))
        await found.shows("30 newer lines below")
        assert len(screen.pane.log_lines) == 100
        assert screen.pane.current == row
        assert screen.pane.cursor - screen.pane.top == at
        await found.press("w")
        await found.still()
        assert screen.pane.current == row


# --- how it is shown -------------------------------------------------------------------------------------------------


async def test_a_text_is_looked_for_and_the_matches_are_gone_through() -> None:
    async with console(small_fleet()) as found:
        screen = await one_pod(found)
        fleet_of(found).writes(X2X, stamped("Error: one", "fine", "error: two", "fine", *["other"] * 40))
        await found.shows("Following")
        await found.until(lambda: len(screen.pane.log_lines) == 44, "written")
        await found.press("slash")
        await found.enter("error")
        await found.shows(lambda text: "error: two" in text and "Paused" in text and "/error" in text)
        assert screen.pane.cursor == 2
        await found.press("N")
        assert screen.pane.cursor == 0
        await found.press("n", "slash")
        await found.enter(":Nothing")
        await found.until(found.toasts, "told")
        assert found.toasts()[-1] == "None of the 44 lines has error:Nothing"
        await found.press("escape")
        await found.shows(lambda text: "/error" not in text and "[l logs]" in text)


async def test_a_long_line_is_cut_wrapped_or_reached_with_the_arrows() -> None:
    async with console(small_fleet()) as found:
        screen = await one_pod(found)
        fleet_of(found).writes(X2X, stamped("begin " + "-" * 80 + " middle " + "=" * 80 + " end"))
        text = await found.shows("begin")
        assert " end" not in text
        await found.press("w")
        await found.shows(" end")
        assert screen.pane.row_count == 3
        await found.press("w")
        await found.shows(lambda text: " end" not in text)
        await found.press(*["right"] * 8)
        await found.shows(" end")


async def test_a_line_of_a_megabyte_is_shown_as_far_as_anybody_reads() -> None:
    async with console(small_fleet()) as found:
        await one_pod(found)
        fleet_of(found).writes(X2X, stamped("漢" * 400_000, "after it"))
        await found.shows("after it")
        await found.press("w")
        await found.shows("after it")


async def test_the_lines_are_saved_in_a_file_of_their_own(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path))
    async with console(small_fleet()) as found:
        await logs_of(found, "l")
        fleet_of(found).writes(X2X, stamped("one"))
        fleet_of(found).writes(K0P, stamped("two", at=1))
        await found.shows("two")
        await found.press("ctrl+s", "ctrl+s")
        await found.until(lambda: len(found.toasts()) == 2, "told")
        files = sorted((tmp_path / "fleetui" / "saved").iterdir())
        assert [f"Saved in {path}" for path in files] == sorted(found.toasts())
        assert files[0].read_text() == (
            f"2026-01-02T03:00:00.500000000Z {X2X} one\n2026-01-02T03:00:01.500000000Z {K0P} two\n"
        )
        assert files[0].stat().st_mode & 0o777 == 0o600
        (tmp_path / "file").write_text("")
        monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path / "file"))
        await found.press("ctrl+s")
        await found.until(lambda: "could not be saved" in found.toasts()[-1], "told")


async def test_the_command_line_and_the_name_are_those_of_the_line_under_the_cursor() -> None:
    async with console(small_fleet()) as found:
        screen = await logs_of(found, "l")
        fleet_of(found).writes(X2X, stamped("one"))
        fleet_of(found).writes(K0P, stamped("two", at=1))
        await found.shows("two")
        assert screen.name_under_cursor() == K0P
        assert screen.command_line() == f"fleetui logs prod-eu-1/payments/{K0P} -c api --follow"
        await found.press("k")
        assert screen.name_under_cursor() == X2X


def test_names_that_are_wide_lose_what_they_have_in_common() -> None:
    assert shortened(["a-1", "a-2"], "…") == ["a-1", "a-2"]
    wide = [f"recommendations-{end}" for end in ("865f8844db-kg67t", "865f8844db-28fxd", "59b66c6f68-qk5wl")]
    assert shortened(wide, "…") == ["…865f8844db-kg67t", "…865f8844db-28fxd", "…59b66c6f68-qk5wl"]
    assert shortened(["x" * 40, "y" * 40], "…") == ["x" * 40, "y" * 40]
    assert shortened(wide[:1], "…") == wide[:1]
