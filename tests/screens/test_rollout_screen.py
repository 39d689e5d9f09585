"""A rollout under way: what it shows, what it repaints, and what its keys ask for."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any, cast

import pytest
from msgspec.structs import replace

from fleetui.model.errors import RefusedError
from fleetui.model.rollout import (
    CellKey,
    CellPhase,
    CellState,
    Driver,
    GateState,
    Order,
    Rollout,
    RolloutEvent,
    RolloutPhase,
    Verb,
)
from screens.app_view import AppScreen
from screens.apps import AppsScreen
from screens.rollout import RolloutScreen
from screens.rollout_ask import AskScreen
from screens.widgets.lines import Bar, Pager
from tests.screens.console import Console, console, painted
from tests.screens.fake_fleet import NOW, FakeFleet
from tests.screens.fake_rollouts import HUB, FakeRollouts, addon_fleet, underway, with_cell

pytestmark = pytest.mark.usefixtures("incurious")
FAILED = CellState(CellPhase.FAILED, NOW - 60, "webhook has no endpoints", commit="4e1f07a" + "0" * 33)
BY_HAND = CellState(CellPhase.CHANGED, NOW - 60, found="1.14.9", commit="4e1f07a" + "0" * 33)


def fleet_with(rollout: Rollout | None = None, **more: Any) -> FakeFleet:
    fleet = addon_fleet(**more)
    shown = rollout or underway(fleet)
    fleet.rollouts.stored[shown.plan.key] = shown
    return fleet


def halted(fleet: FakeFleet) -> Rollout:
    reason = "1 cell failed in wave asia, 0 may"
    rollout = with_cell(underway(fleet), "hanoi-1", FAILED, phase=RolloutPhase.HALTED, reason=reason, driver=Driver())
    return with_cell(rollout, "macau-1", BY_HAND)


async def opened(found: Console) -> RolloutScreen:
    fleet = cast(FakeFleet, found.app.fleet)
    (key,) = fleet.rollouts.stored
    screen = RolloutScreen(key)
    await found.app.push_screen(screen)
    await found.shows("canary")
    await found.still()
    return screen


def shown(fleet: FakeFleet) -> Any:
    return console(fleet, contexts=(HUB,))


async def confirmed(found: Console, *keys: str) -> None:
    await found.press(*keys)
    await found.until(lambda: isinstance(found.screen, AskScreen), "the question")
    await found.still()
    await found.press("enter")
    await found.still()


# --- looks -----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("size", [(80, 24), (200, 50)], ids=["80x24", "200x50"])
async def test_looks(size: tuple[int, int]) -> None:
    async with console(fleet_with(), size=size, contexts=(HUB,)) as found:
        await opened(found)
        found.looks(f"rollout-{size[0]}x{size[1]}")


async def test_looks_halted_with_what_was_found_in_letters(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("FLEETUI_ASCII", "1")
    monkeypatch.setenv("NO_COLOR", "1")
    async with shown(fleet_with(halted(addon_fleet()))) as found:
        await opened(found)
        await found.press("n")
        await found.still()
        found.looks("rollout-halted-ascii")


async def test_many_cells_are_counted_and_problems_come_first() -> None:
    fleet = addon_fleet()
    rollout = underway(fleet)
    cells = tuple(plan for number in range(40) for plan in _numbered(rollout, number))
    states = (FAILED, *[CellState(CellPhase.HEALTHY, NOW)] * 30, *[CellState()] * 9)
    wave = replace(rollout.plan.waves[1], cells=tuple(cell.key for cell in cells))
    waves = (rollout.plan.waves[0], wave, rollout.plan.waves[2])
    many = replace(
        rollout,
        plan=replace(rollout.plan, cells=(*rollout.plan.cells, *cells), waves=waves),
        state=replace(rollout.state, cells=(*rollout.state.cells, *states)),
    )
    async with shown(fleet_with(many)) as found:
        await opened(found)
        line = next(line for line in found.lines if " 2 asia" in line)
        assert "30/40 1 failed" in line
        assert "✖1 ●30 ·9" in line


def _numbered(rollout: Rollout, number: int) -> list[Any]:
    plan = rollout.plan.cells[0]
    return [replace(plan, key=CellKey(cast(Any, f"edge-{number}"), plan.key.addon))]


# --- live ------------------------------------------------------------------------------------------------------------


async def test_a_change_repaints_its_rows_alone() -> None:
    async with shown(fleet_with()) as found:
        screen = await opened(found)
        rollouts = cast(FakeRollouts, cast(FakeFleet, found.app.fleet).rollouts)
        assert screen.rollout is not None
        row = next(row for row, line in enumerate(screen.rows.lines) if line.key == CellKey(*_cell("macau-1")))
        with painted(screen.rows) as lines:
            rollouts.becomes(with_cell(screen.rollout, "macau-1", CellState(CellPhase.HEALTHY, NOW)))
            await found.shows("4/5 running")
            await found.still()
        assert set(lines) == {1, row}, "the wave's own row and the cell's"


async def test_the_countdown_of_a_gate_repaints_its_line_and_nothing_when_no_gate_runs() -> None:
    async with shown(fleet_with()) as found:
        screen = await opened(found)
        assert "2:10 left" in found.text
        assert counting(screen)
        found.clock[0] += 1
        with painted(screen.rows) as lines, painted(screen.query_one("#log")) as log:
            screen._count()
            await found.still()
        assert "2:09 left" in found.text
        # A second goes by in the cells that are as young as seconds, too.
        assert 1 in lines
        assert log == []
        fleet = cast(FakeFleet, found.app.fleet)
        fleet.rollouts.becomes(underway(fleet, phase=RolloutPhase.DONE, ended_at=NOW, wave=2))
        await found.until(lambda: not counting(screen), "no clock")
        hints = screen.query_one("#hints", Bar).text
        assert "B roll back" in hints
        assert "pause" not in hints, "it has ended"


def counting(screen: RolloutScreen) -> bool:
    """Whether its clock runs."""
    return screen._timer is not None and screen._timer._active.is_set()


async def test_nothing_is_watched_any_more_once_it_is_left() -> None:
    async with shown(fleet_with()) as found:
        await opened(found)
        fleet = cast(FakeFleet, found.app.fleet)
        assert fleet.rollouts.watched == 1
        await found.press("escape")
        await found.until(lambda: fleet.rollouts.watched == 0, "nobody listens")
        assert isinstance(found.screen, AppsScreen)


async def test_a_rollout_that_there_is_not_is_said() -> None:
    fleet = fleet_with()
    (key,) = fleet.rollouts.stored
    async with shown(fleet) as found:
        await found.app.push_screen(RolloutScreen(replace(key, name="gone")))
        await found.shows("there is no rollout hub/argocd/gone")


async def test_the_log_follows_its_end_unless_somebody_reads_above() -> None:
    async with shown(fleet_with()) as found:
        screen = await opened(found)
        fleet = cast(FakeFleet, found.app.fleet)
        log = screen.query_one("#log", Pager)

        async def happens(count: int) -> None:
            events = tuple(RolloutEvent(NOW, f"step {number}") for number in range(count))
            fleet.rollouts.becomes(underway(fleet, events=events))
            await found.until(lambda: log.row_count == count, "told")
            await found.still()

        await happens(20)
        assert "step 19" in found.text
        await found.press("tab", "g")
        await happens(30)
        assert "step 0\n" in found.text
        assert "step 29" not in found.text


async def test_waves_open_and_close_and_enter_shows_the_application() -> None:
    async with shown(fleet_with()) as found:
        screen = await opened(found)
        assert screen.name_under_cursor() == "asia"
        await found.press("left")
        await found.still()
        assert "macau-1" not in found.screen.query_one("#waves", Pager).lines.__repr__()
        await found.press("right", "j", "left")
        await found.still()
        assert screen.name_under_cursor() == "asia", "to the wave of the cell"
        await found.press("enter", "j", "enter")
        await found.until(lambda: isinstance(found.screen, AppScreen), "the application")
        assert cast(AppScreen, found.screen).key.name == "osaka-1-cert-manager"


# --- orders ----------------------------------------------------------------------------------------------------------


async def test_p_pauses_at_once_and_asks_before_it_goes_on() -> None:
    async with shown(fleet_with()) as found:
        await opened(found)
        fleet = cast(FakeFleet, found.app.fleet)
        fleet.rollouts.obey = _to_phase
        await found.press("p")
        await found.shows("Paused: p resumes it")
        assert [order.verb for order in fleet.rollouts.orders] == [Verb.PAUSE]
        await confirmed(found, "p")
        await found.shows("running")
        assert [order.verb for order in fleet.rollouts.orders] == [Verb.PAUSE, Verb.RESUME]
        assert fleet.rollouts.driven == [], "ann@bastion drives it"


def _to_phase(rollout: Rollout, order: Order) -> Rollout:
    phase = {Verb.PAUSE: RolloutPhase.PAUSED, Verb.ROLL_BACK: RolloutPhase.ROLLING_BACK}
    return replace(rollout, state=replace(rollout.state, phase=phase.get(order.verb, RolloutPhase.RUNNING), reason=""))


async def test_a_halted_one_says_what_can_be_decided_and_each_key_asks_first() -> None:
    async with shown(fleet_with(halted(addon_fleet()))) as found:
        screen = await opened(found)
        fleet = cast(FakeFleet, found.app.fleet)
        fleet.rollouts.obey = _to_phase
        waits = screen.query_one("#waits", Bar).text
        assert "Halted: 1 cell failed in wave asia, 0 may: r tries again" in waits
        await found.press("n")
        await found.shows("changed by hand to 1.14.9")
        await found.shows("r takes it along to the new version, s leaves it as it is")
        await found.press("s")
        await found.shows("macau-1/cert-manager stays as it is")
        await found.shows("Nobody drives it: this console does from then on.")
        await found.press("escape")
        await found.still()
        assert fleet.rollouts.orders == []
        await confirmed(found, "s")
        await found.until(lambda: fleet.rollouts.driven, "driven from here")
        (order,) = fleet.rollouts.orders
        assert (order.verb, order.cells) == (Verb.SKIP, (CellKey(*_cell("macau-1")),))
        assert order.who.count("@") == 1


def _cell(cluster: str) -> tuple[Any, str]:
    return cluster, "cert-manager"


async def test_on_a_waves_row_all_of_it_that_failed_is_meant() -> None:
    async with shown(fleet_with(halted(addon_fleet()))) as found:
        await opened(found)
        fleet = cast(FakeFleet, found.app.fleet)
        await confirmed(found, "r")
        assert [order.cells for order in fleet.rollouts.orders] == [
            (CellKey(*_cell("macau-1")), CellKey(*_cell("hanoi-1")))
        ]


async def test_a_gate_that_did_not_hold_can_be_skipped_or_tried_again() -> None:
    fleet = addon_fleet()
    before = underway(fleet)
    gates = (GateState(passed_at=NOW), GateState(failed=True, message="not within 1h"))
    waves = (before.state.waves[0], replace(before.state.waves[1], gates=gates), before.state.waves[2])
    async with shown(fleet_with(underway(fleet, waves=waves, phase=RolloutPhase.HALTED))) as found:
        await opened(found)
        await found.press("r")
        await found.shows("The gate healthy 5m: not within 1h is tried again.")
        await found.press("enter")
        fleet = cast(FakeFleet, found.app.fleet)
        await found.until(
            lambda: [(order.verb, order.cells) for order in fleet.rollouts.orders] == [(Verb.RETRY, ())], ""
        )


async def test_approval_abort_and_rolling_back() -> None:
    fleet = addon_fleet()
    before = underway(fleet)
    passed = GateState(passed_at=NOW)
    last = replace(before.state.waves[2], started_at=NOW - 9, gates=(passed, passed, GateState(opened_at=NOW)))
    waiting = underway(fleet, wave=2, waves=(*before.state.waves[:2], last))
    async with shown(fleet_with(waiting)) as found:
        await opened(found)
        fleet = cast(FakeFleet, found.app.fleet)
        await found.shows("Wave europe waits for a human's approval: A approves")
        await found.press("A")
        await found.shows("Wave europe is let through; it is the last one.")
        await found.press("enter")
        await found.still()
        await confirmed(found, "X")
        fleet.rollouts.obey = _to_phase
        await confirmed(found, "B")
        assert [order.verb for order in fleet.rollouts.orders] == [Verb.APPROVE, Verb.ABORT, Verb.ROLL_BACK]
        await found.shows("rolling back")


async def test_what_is_refused_is_told() -> None:
    async with shown(fleet_with()) as found:
        await opened(found)
        fleet = cast(FakeFleet, found.app.fleet)

        def refuse(rollout: Rollout, order: Order) -> Rollout:
            raise RefusedError("it has ended")

        fleet.rollouts.obey = refuse
        await found.press("A")
        await found.until(lambda: "No approval is waited for" in found.toasts(), "told")
        await confirmed(found, "X")
        await found.until(lambda: "it has ended" in found.toasts(), "told")


async def test_read_only_offers_nothing_and_does_nothing() -> None:
    async with console(fleet_with(read_only=True), read_only=True, contexts=(HUB,)) as found:
        await opened(found)
        fleet = cast(FakeFleet, found.app.fleet)
        hints = found.screen.query_one("#hints", Bar).text
        assert "pause" not in hints
        assert "e export" in hints
        await found.press("p", "s", "r", "A", "X", "B", "D")
        await found.still()
        assert not isinstance(found.screen, AskScreen)
        assert (fleet.rollouts.orders, fleet.rollouts.driven) == ([], [])


# --- who drives it ---------------------------------------------------------------------------------------------------


async def test_a_rollout_whose_driver_is_gone_says_so_and_can_be_driven_from_here() -> None:
    fleet = addon_fleet()
    async with shown(fleet_with(underway(fleet, driver=Driver("x", "ann@bastion", NOW - 240)))) as found:
        await opened(found)
        await found.shows("Nobody drives it since 4m; D drives it from here")
        fleet = cast(FakeFleet, found.app.fleet)
        await found.press("D")
        await found.until(lambda: fleet.rollouts.driven, "driven")
        ((key, take_over),) = fleet.rollouts.driven
        assert not take_over
        await found.press("D")
        await found.until(lambda: "This console drives it already" in found.toasts(), "once")
        await found.press("escape")
        await found.until(lambda: isinstance(found.screen, AppsScreen), "left")
        await found.press("q")
        await found.shows(f"Nobody drives then: {key.name}")
        await found.press("escape")
        fleet.rollouts.stored[key] = underway(fleet, phase=RolloutPhase.DONE)
        fleet.rollouts.release()
        await found.until(lambda: f"Rollout {key.name}: done" in found.toasts(), "told how it ended")


async def test_taking_over_asks_first() -> None:
    async with shown(fleet_with()) as found:
        await opened(found)
        fleet = cast(FakeFleet, found.app.fleet)
        await found.press("D")
        await found.shows("It is driven by ann@bastion.")
        await found.still()
        await found.press("enter")
        await found.until(lambda: [take_over for _, take_over in fleet.rollouts.driven] == [True], "taken over")


async def test_a_closed_pull_request_is_named() -> None:
    fleet = addon_fleet()
    before = underway(fleet)
    page = "https://git.example.com/addons/pull/7"
    waves = (before.state.waves[0], replace(before.state.waves[1], change=page), before.state.waves[2])
    reason = f"the pull request {page} was closed"
    rollout = underway(fleet, waves=waves, phase=RolloutPhase.HALTED, reason=reason)
    async with shown(fleet_with(rollout)) as found:
        screen = await opened(found)
        assert reason in " ".join(screen.query_one("#waits", Bar).text.split())
        assert f"pull request {page}" in screen.query_one("#about", Bar).text


# --- export ----------------------------------------------------------------------------------------------------------


async def test_export_writes_both_and_says_where(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path))
    async with shown(fleet_with()) as found:
        await opened(found)
        await found.press("e")
        await found.until(lambda: len(found.toasts()) == 2, "told")
        paths = [Path(toast.removeprefix("Saved in ")) for toast in found.toasts()]
        assert [path.suffix for path in paths] == [".json", ".md"]
        assert json.loads(paths[0].read_text())
        assert "cert-manager-1" in paths[1].read_text()


async def test_waves_of_what_was_rolled_back_are_restored_or_were_never_begun() -> None:
    fleet = addon_fleet()
    rollout = underway(fleet)
    cells = tuple(
        replace(cell, phase=CellPhase.WAITING if cell.phase is CellPhase.WAITING else CellPhase.RESTORED)
        for cell in rollout.state.cells
    )
    state = replace(rollout.state, cells=cells, phase=RolloutPhase.ROLLED_BACK, ended_at=NOW)
    async with shown(fleet_with(replace(rollout, state=state))) as found:
        await opened(found)
        assert [wave.words for wave in cast(RolloutScreen, found.screen).waves] == ["restored", "restored", "not begun"]


async def test_no_clock_runs_for_the_gates_of_what_nobody_drives() -> None:
    fleet = addon_fleet()
    rollout = underway(fleet)
    async with shown(fleet_with(replace(rollout, state=replace(rollout.state, driver=Driver())))) as found:
        await opened(found)
        await found.shows("Nobody drives it")
        assert "left" not in found.text


async def test_the_time_that_it_has_taken_is_painted_with_the_countdown() -> None:
    async with shown(fleet_with()) as found:
        screen = await opened(found)
        assert " 6m " in found.text
        found.app.now = lambda: NOW + 60
        screen._count()
        await found.shows(" 7m ")
