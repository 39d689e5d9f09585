"""The applications table in front of a scripted fleet: what it shows in each state, and that it holds still."""

from __future__ import annotations

from typing import cast

import pytest
from textual.widgets import Input

from fleetui.model.app import AppKey
from fleetui.model.errors import UsageError
from fleetui.model.objects import ClusterName
from fleetui.model.status import ClusterState, HealthStatus, SyncStatus
from screens.apps import AppsScreen
from tests.screens.console import Console, console, painted
from tests.screens.fake_fleet import NOW, FakeFleet, app, key, payments_why, small_fleet, status


def apps(found: Console) -> AppsScreen:
    return cast(AppsScreen, found.app.screen_stack[0])


def names(found: Console) -> list[str]:
    return [cast(AppKey, each).name for each in apps(found).table.order]


@pytest.mark.parametrize("size", [(80, 24), (200, 50)], ids=["80x24", "200x50"])
async def test_looks(size: tuple[int, int]) -> None:
    async with console(small_fleet(), size=size) as found:
        found.looks(f"apps-{size[0]}x{size[1]}")


async def test_looks_read_only_with_a_filter() -> None:
    async with console(small_fleet(read_only=True)) as found:
        await found.press("slash")
        await found.enter("cluster:stage")
        await found.still()
        found.looks("apps-filtered-read-only")


async def test_a_change_in_the_fleet_is_shown_and_paints_its_row_alone() -> None:
    async with console(small_fleet()) as found:
        fleet = cast(FakeFleet, found.app.fleet)
        await found.press("j")
        table = apps(found).table
        with painted(table) as lines:
            fleet.publish(app("mailer", "stage-1", health=HealthStatus.SUSPENDED, revision="f" * 40))
            await found.shows("fffffff")
            await found.still()
        assert lines == [table.order.index(key("mailer", "stage-1")) + 1]


async def test_a_change_that_only_the_engine_sees_paints_nothing_at_all() -> None:
    fleet = FakeFleet(*(app(f"app-{number:03}") for number in range(300)), clusters=(status("prod-eu-1"),))
    async with console(fleet) as found:
        table = apps(found).table
        frames = []
        found.app.post_display_hook = lambda: frames.append(1)  # type: ignore[method-assign]
        with painted(table) as lines:
            fleet.publish(app("app-250", revision="f" * 40))
            await found.until(lambda: found.app.picture.apps[key("app-250")].revision == "f" * 40, "it arrived")
            await found.still()
        assert lines == []
        assert not frames


async def test_rows_stay_and_are_dimmed_when_their_cluster_goes_stale_and_come_back() -> None:
    fleet = FakeFleet(app("orders"), app("mailer", "stage-1"), clusters=(status("prod-eu-1"), status("stage-1")))
    async with console(fleet) as found:
        gone = status("stage-1", ClusterState.STALE, since=5, message="connection reset by peer")
        fleet.publish(clusters=(gone,))
        text = await found.shows("◷5s")
        assert "mailer" in text
        assert "1 live 1 ◷" in text
        assert "stage-1: connection reset by peer" in text
        fleet.publish(clusters=(status("stage-1"),))
        await found.shows(lambda text: "◷" not in text and "2 live" in text)


async def test_a_new_application_comes_at_its_place_and_under_the_hand_at_the_end() -> None:
    fleet = FakeFleet(app("b"), app("d"), clusters=(status("prod-eu-1"),))
    async with console(fleet) as found:
        fleet.publish(app("a"))
        await found.until(lambda: names(found) == ["a", "b", "d"], "sorted, untouched")
        await found.press("j")
        fleet.publish(app("c", health=HealthStatus.DEGRADED))
        await found.until(lambda: names(found) == ["a", "b", "d", "c"], "at the end")
        assert apps(found).table.key == key("b")
        await found.press("o", "o", "o", "o")
        assert names(found) == ["c", "a", "b", "d"]
        fleet.publish(removed=(key("a"),))
        await found.until(lambda: names(found) == ["c", "b", "d"], "gone at once")


async def test_ages_are_looked_at_again_and_only_what_reads_differently_is_painted() -> None:
    fleet = FakeFleet(app("old", since=86400), app("young", since=30), clusters=(status("prod-eu-1"),))
    async with console(fleet) as found:
        table = apps(found).table
        with painted(table) as lines:
            found.clock[0] = NOW + 10
            found.app._tick()
            await found.shows("40s")
            await found.still()
        assert lines == [table.order.index(key("young")) + 1]


async def test_what_is_counted_follows_what_is_shown() -> None:
    fleet = FakeFleet(app("a"), app("b", sync=SyncStatus.UNKNOWN), app("c"), clusters=(status("prod-eu-1"),))
    async with console(fleet) as found:
        assert found.lines[1].split()[:12] == ["✖", "0", "◌", "0", "≠", "0", "◐", "0", "‖", "0", "?", "0"]
        fleet.publish(
            app("a", health=HealthStatus.DEGRADED, sync=SyncStatus.OUT_OF_SYNC), app("c", sync=SyncStatus.OUT_OF_SYNC)
        )
        await found.shows("✖ 1   ◌ 0   ≠ 2")
        fleet.publish(app("a", sync=SyncStatus.OUT_OF_SYNC), removed=(key("c"),))
        await found.shows("✖ 0   ◌ 0   ≠ 1")
        await found.press("slash")
        await found.enter("b")
        await found.shows("✖ 0   ◌ 0   ≠ 0")


async def test_what_progresses_for_long_moves_up_by_itself() -> None:
    fleet = FakeFleet(app("a", health=HealthStatus.SUSPENDED), app("b", health=HealthStatus.PROGRESSING, since=10))
    fleet._clusters = {ClusterName("prod-eu-1"): status("prod-eu-1")}
    async with console(fleet) as found:
        assert names(found) == ["a", "b"]
        found.clock[0] += 600
        found.app._tick()
        assert names(found) == ["b", "a"]


# --- the line that says why ---------------------------------------------------------------------------------------


async def test_it_says_why_for_the_row_under_the_cursor() -> None:
    async with console(small_fleet()) as found:
        assert "cannot pull" in found.text
        await found.press("j")
        await found.shows("Deployment orders does not exist")


@pytest.mark.parametrize(("rows", "whole"), [(39, False), (40, True)])
async def test_a_long_error_is_whole_where_the_screen_is_high(rows: int, whole: bool) -> None:
    error = " ".join(f"word{number}" for number in range(30)) + " manifest unknown"
    fleet = FakeFleet(app("shop", health=HealthStatus.DEGRADED, message=error), clusters=(status("prod-eu-1"),))
    async with console(fleet, size=(80, rows)) as found:
        assert "word10" in found.text
        assert ("manifest unknown" in found.text) is whole


@pytest.mark.usefixtures("curious")
async def test_the_pod_behind_a_degraded_application_is_named_once_the_cursor_rests_on_it() -> None:
    what = key("payments-service")
    silent = app("payments-service", health=HealthStatus.DEGRADED)
    fleet = FakeFleet(silent, app("orders"), clusters=(status("prod-eu-1"),))
    fleet.whys[what] = payments_why()
    async with console(fleet, size=(120, 24)) as found:
        await found.shows("Degraded since 2h: Pod payments-api-7c9-x2x can't pull the image")
        asked = fleet.asked.count("why")
        await found.press("j")
        await found.until(lambda: "can't pull" not in found.text, "another row, another reason")
        fleet.publish(trees=(what,))
        await found.still()
        assert fleet.asked.count("why") == asked, "nobody looks at it any more"


async def test_a_long_name_is_cut_in_the_table_and_whole_under_the_cursor() -> None:
    name = "a-very-long-application-name-that-no-table-of-eighty-columns-can-show-whole"
    fleet = FakeFleet(app(name), clusters=(status("prod-eu-1"),))
    async with console(fleet) as found:
        assert "…" in found.lines[3]
        assert name not in "\n".join(found.lines[:10])
        assert name in found.text.replace("\n   ", "").replace(" ", "")


@pytest.mark.parametrize("system", ["truecolor", "standard"])
@pytest.mark.parametrize("count", [5, 50])
async def test_a_scroll_bar_is_seen_only_where_there_is_more(
    monkeypatch: pytest.MonkeyPatch, system: str, count: int
) -> None:
    monkeypatch.setenv("COLORTERM", system if system == "truecolor" else "")
    monkeypatch.setenv("TERM", "xterm-256color" if system == "truecolor" else "xterm")
    fleet = FakeFleet(*(app(f"app-{number}") for number in range(count)), clusters=(status("prod-eu-1"),))
    async with console(fleet) as found:
        table = cast(AppsScreen, found.screen).table
        strips = found.screen._compositor.render_strips()[table.region.y : table.region.bottom]
        last = [list(strip)[-1].style for strip in strips]
        beside = table.palette.style().bgcolor
        bare = [style is not None and style.bgcolor == beside and not style.reverse for style in last]
        assert all(bare) is (count == 5)


# --- filter and order ---------------------------------------------------------------------------------------------


async def test_the_filter_works_while_it_is_typed_and_esc_puts_the_old_one_back() -> None:
    async with console(small_fleet()) as found:
        await found.press("slash")
        found.type("pay")
        await found.until(lambda: names(found) == ["payments-service", "payments-service"], "filtered")
        await found.press("escape")
        await found.until(lambda: len(names(found)) == 7, "all again")
        await found.press("slash")
        await found.enter("health:miss")
        assert names(found) == ["orders"]
        await found.shows("1 of 7")
        await found.press("escape")
        assert len(names(found)) == 7


async def test_a_filter_without_a_match_says_so_and_how_to_take_it_away() -> None:
    async with console(small_fleet()) as found:
        await found.press("slash")
        await found.enter("nonsense")
        text = await found.shows("No application matches nonsense")
        assert "esc takes the filter away" in text


async def test_a_command_filters_and_an_unknown_one_names_the_nearest() -> None:
    async with console(small_fleet()) as found:
        await found.press("colon")
        await found.enter("apps cluster:edge")
        await found.until(lambda: names(found) == ["telemetry"], "filtered by command")
        await found.press("colon")
        await found.enter("hepl")
        await found.until(lambda: found.toasts() != [], "it is told")
        assert found.toasts() == ["There is no command :hepl; did you mean :help?"]
        await found.press("colon")
        await found.enter("quit")
        await found.until(lambda: not found.app.is_running, "the console ended")


# --- states that are easily forgotten -----------------------------------------------------------------------------


async def test_connecting_is_not_empty() -> None:
    async with console(FakeFleet(), contexts=("east", "west")) as found:
        await found.shows("Connecting to east, west…")


async def test_loading_is_not_empty_and_the_rest_comes_later() -> None:
    fleet = FakeFleet(clusters=(status("east"), status("west", ClusterState.CONNECTING)))
    fleet.loading = frozenset({ClusterName("west")})
    async with console(fleet) as found:
        text = await found.shows("Loading the applications of west…")
        assert "1 of 2 clusters" in text
        fleet.loading = frozenset()
        fleet.publish(app("a", "west"), clusters=(status("west"),))
        await found.shows("2 clusters: 2 live")


async def test_a_number_that_still_grows_says_so() -> None:
    fleet = FakeFleet(app("a", "east"), clusters=(status("east"), status("west", ClusterState.CONNECTING)))
    fleet.loading = frozenset({ClusterName("west")})
    async with console(fleet) as found:
        assert found.lines[0].startswith(" Apps  1+")


async def test_forbidden_is_not_empty() -> None:
    fleet = FakeFleet(clusters=(status("east"),))
    fleet.problems = {ClusterName("east"): "you may not list applications.argoproj.io (RBAC)"}
    async with console(fleet) as found:
        text = await found.shows("east: you may not list applications.argoproj.io (RBAC)")
        assert "✖ no apps" in text


async def test_nothing_there_says_what_was_looked_for() -> None:
    async with console(FakeFleet(clusters=(status("east"),))) as found:
        text = await found.shows("No applications on east")
        assert "Looked for applications.argoproj.io" in text


async def test_a_fleet_that_can_not_be_opened_is_a_sentence_and_r_tries_again() -> None:
    fleet = small_fleet()
    attempts: list[int] = []

    async def start() -> FakeFleet:
        attempts.append(1)
        if len(attempts) == 1:
            raise UsageError("there is no context east in ~/.kube/config", "name one of: west")
        return await fleet.open()

    async with console(fleet, loaded=False, start=start) as found:
        text = await found.shows("there is no context east in ~/.kube/config (name one of: west)")
        assert "r tries again, q quits" in text
        await found.press("r")
        await found.shows("payments-service")


async def test_an_unexpected_error_is_one_line_here_and_whole_in_the_log(caplog: pytest.LogCaptureFixture) -> None:
    async def start() -> FakeFleet:
        raise ValueError("surprise")

    async with console(FakeFleet(), loaded=False, start=start) as found:
        await found.shows("Unexpected ValueError while opening the fleet: surprise")
    assert "Traceback" in caplog.text


async def test_a_fault_of_our_own_ends_the_console_with_one_line_and_the_log_has_it_whole(
    caplog: pytest.LogCaptureFixture,
) -> None:
    from pathlib import Path

    said: list[str] = []

    async def failing() -> None:
        async with console(small_fleet(), log_file=Path("/state/fleetui.log")) as found:
            found.app.panic = lambda *texts: said.extend(map(str, texts))  # type: ignore[method-assign]
            found.app.call_later(lambda: 1 // 0)
            await found.until(lambda: said, "it is told")
            found.app.exit()

    with pytest.raises(ZeroDivisionError):
        await failing()
    assert said == [
        "fleetui failed: ZeroDivisionError: integer division or modulo by zero, in full in /state/fleetui.log"
    ]
    assert "Traceback" in caplog.text


async def test_a_terminal_that_is_too_small_says_so_and_comes_back() -> None:
    async with console(small_fleet()) as found:
        await found.pilot.resize_terminal(50, 10)
        text = await found.shows("Too small: 50x10\n needed: 60x15")
        assert "payments" not in text
        await found.pilot.resize_terminal(80, 24)
        await found.shows("payments-service")


# --- keys ---------------------------------------------------------------------------------------------------------


async def test_quitting_is_asked_and_esc_never_quits() -> None:
    async with console(small_fleet()) as found:
        await found.press("escape", "escape", "q")
        await found.shows("Quit fleetui?")
        await found.press("escape")
        await found.shows("enter open")
        assert found.app.is_running
        await found.press("q", "enter")
        await found.until(lambda: not found.app.is_running, "it quit")


async def test_ctrl_c_quits_when_it_is_pressed_twice_in_a_moment() -> None:
    async with console(small_fleet()) as found:
        await found.press("ctrl+c")
        assert found.toasts() == ["ctrl+c once more quits"]
        found.clock[0] += 60
        await found.press("ctrl+c")
        assert found.app.is_running
        await found.press("ctrl+c")
        await found.until(lambda: not found.app.is_running, "it quit")


async def test_the_fleet_is_subscribed_on_the_engines_thread_and_let_go_at_the_end() -> None:
    from threading import get_ident

    fleet = small_fleet()
    async with console(fleet):
        assert fleet.subscribed_on not in {0, get_ident()}
    assert fleet.closed == 1


async def test_copying() -> None:
    async with console(small_fleet(), contexts=("prod-eu-1", "it's")) as found:
        await found.press("c")
        assert found.app.clipboard == "payments-service"
        await found.press("C")
        assert found.app.clipboard == "fleetui get apps --context=prod-eu-1 '--context=it'\"'\"'s'"


async def test_the_help_lists_every_key() -> None:
    from screens import actions
    from screens.help import HelpScreen

    async with console(small_fleet()) as found:
        await found.press("question_mark")
        screen = cast(HelpScreen, found.screen)
        text = "\n".join("".join(span.text for span in line.spans) for line in screen.pager.lines)
        for action in actions.ACTIONS:
            assert action.help.split()[0] in text
            assert action.key in text
        assert text.index("Applications") < text.index("Dialogs")
        await found.press("escape")
        assert isinstance(found.screen, AppsScreen)


async def test_the_prompt_takes_keys_that_would_do_something_elsewhere() -> None:
    async with console(small_fleet()) as found:
        await found.press("slash", *"qSB?:")
        assert found.screen.query_one(Input).value == "qSB?:"
        assert found.app.is_running


async def test_statuses_of_all_clusters_fit_or_are_counted() -> None:
    clusters = tuple(status(f"cluster-{number:02}") for number in range(20))
    fleet = FakeFleet(app("a", "cluster-00"), clusters=(*clusters, status("zone", ClusterState.UNREACHABLE)))
    async with console(fleet) as found:
        line = found.lines[-2]
        assert line.strip().startswith("zone ✖ unreachable")
        assert "+1" in line
        assert len(line) == 80


async def test_sync_status_unknown_and_synced_are_told_apart() -> None:
    fleet = FakeFleet(app("a", sync=SyncStatus.UNKNOWN), clusters=(status("prod-eu-1"),))
    async with console(fleet) as found:
        assert "It has not been compared with Git" in found.text


async def test_the_name_of_a_stale_cluster_stays_whole() -> None:
    stale = (status("prod-eu-1", ClusterState.STALE), status("prod-eu-2", ClusterState.STALE))
    async with console(FakeFleet(app("a", "prod-eu-1"), app("b", "prod-eu-2"), clusters=stale)) as found:
        rows = [line for line in found.lines if "Healthy" in line]
        assert [row.split("◷")[0].strip() for row in rows] == ["prod-eu-1", "prod-eu-2"]
