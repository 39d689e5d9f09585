"""The steps of a rollout: gates, failures, changes by hand, orders; what halts, what waits, what goes back."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from contextlib import suppress

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from fleetui.engine.rollout.ports import Verdict
from fleetui.model.errors import RefusedError
from fleetui.model.rollout import CellKey, CellPhase, Delivery, Gate, GateKind, Rollout, RolloutPhase, Verb
from fleetui.model.status import HealthStatus
from tests.engine.rollout_world import GATES, NEW, OLD, Process, World, away, cell, plan, unreachable


def phase(world: World, key: CellKey) -> CellPhase:
    rollout = world.rollout
    return rollout.state.cells[[each.key for each in rollout.plan.cells].index(key)].phase


def message(world: World, key: CellKey) -> str:
    rollout = world.rollout
    return rollout.state.cells[[each.key for each in rollout.plan.cells].index(key)].message


async def driven(world: World, name: str = "one") -> Rollout:
    assert await Process(world, name).to_the_end()
    return world.rollout


def story(test: Callable[[], Awaitable[None]]) -> None:
    asyncio.run(test())  # type: ignore[arg-type]


# --- failures -------------------------------------------------------------------------------------------------------


def test_a_failure_halts_before_the_next_wave_and_is_retried() -> None:
    async def test() -> None:
        world = World(plan())
        world.bad.add((cell(3), NEW))
        rollout = await driven(world)
        assert rollout.state.phase is RolloutPhase.HALTED
        assert rollout.state.reason == "1 cell of wave wave-1 failed, none may"
        assert phase(world, cell(3)) is CellPhase.FAILED
        assert message(world, cell(3)) == "degraded (for 10 s)"
        assert all(world.git[cell(number)] == OLD for number in range(6, 12))
        with pytest.raises(RefusedError, match="rollout certs is halted: 1 cell of wave wave-1 failed, none may"):
            world.order(Verb.RESUME)
        world.bad.clear()
        world.order(Verb.RETRY)
        world.apps[cell(3)].health = HealthStatus.HEALTHY  # a hand has mended it
        assert (await driven(world)).state.phase is RolloutPhase.DONE
        assert all(world.wrote[key] == [NEW] for key in world.git)

    story(test)


def test_failures_that_may_be_let_the_wave_pass() -> None:
    async def test() -> None:
        world = World(plan(wave_failures=1, failures=1))
        world.bad.add((cell(0), NEW))
        assert (await driven(world)).state.phase is RolloutPhase.DONE
        assert phase(world, cell(0)) is CellPhase.FAILED
        world = World(plan(wave_failures=1, failures=1))
        world.bad |= {(cell(0), NEW), (cell(4), NEW)}
        rollout = await driven(world)
        assert (rollout.state.phase, rollout.state.reason) == ("halted", "2 cells failed in all, 1 may")

    story(test)


def test_a_failed_sync_a_refused_one_and_an_application_that_is_gone() -> None:
    async def test() -> None:
        world = World(plan((6,)))
        world.sync_fails.add((cell(1), NEW))
        world.refuse_sync[cell(2)] = RefusedError("a sync by hand is blocked by a window")
        world.apps[cell(4)].missing = True
        rollout = await driven(world)
        assert rollout.state.phase is RolloutPhase.HALTED
        # It halts at once, before the others are written.
        assert phase(world, cell(4)) is CellPhase.FAILED
        assert world.git[cell(1)] == OLD
        world.order(Verb.SKIP)
        rollout = await driven(world, "two")
        assert rollout.state.phase is RolloutPhase.HALTED
        assert message(world, cell(2)) == "sync refused: a sync by hand is blocked by a window"
        world.order(Verb.SKIP)
        await driven(world, "three")
        assert message(world, cell(1)) == "sync failed: one object was not applied"
        world.sync_fails.clear()
        world.order(Verb.RETRY)
        rollout = await driven(world, "four")
        assert rollout.state.phase is RolloutPhase.DONE
        # One that syncs by itself does not try again by itself.
        assert world.syncs[cell(1)] == 1

    story(test)


def test_degraded_for_a_moment_is_no_failure() -> None:
    async def test() -> None:
        world = World(plan((1, 1), patience=30.0))
        world.bad.add((cell(0), NEW))
        task = asyncio.ensure_future(Process(world, "one").run())
        await world.until(lambda: world.apps[cell(0)].health == "Degraded")
        world.bad.clear()
        world.apps[cell(0)].health = HealthStatus.PROGRESSING
        await world.until(task.done)
        world.assert_done_once()

    story(test)


def test_a_gates_timeout_fails_the_cells_that_lack_and_a_cluster_that_is_away_is_waited_for() -> None:
    async def test() -> None:
        gates = (Gate(GateKind.SYNCED, timeout=60), Gate(GateKind.HEALTHY, timeout=60))
        world = World(plan((2,), gates=gates))
        world.apps[cell(0)].automated = world.apps[cell(1)].automated = True
        away(world.apps[cell(0)])
        task = asyncio.ensure_future(Process(world, "one").run())
        await world.until(lambda: world.clock.now() > 1_800_000_200)
        before = world.map_writes
        await world.until(lambda: world.clock.now() > 1_800_000_600)
        assert not task.done()
        assert world.map_writes - before <= 400 / 20, "nothing but the driver's renewals"
        state = world.rollout.state
        assert (state.phase, state.cells[0].away) == ("running", "cluster does not answer")
        assert any(event.what == "waits: cluster does not answer" for event in state.events)
        world.apps[cell(0)].away = ""
        await world.until(task.done)
        world.assert_done_once()

    story(test)


def test_what_is_not_healthy_in_time_has_failed() -> None:
    async def test() -> None:
        gates = (Gate(GateKind.SYNCED), Gate(GateKind.HEALTHY, timeout=60))
        world = World(plan((2,), gates=gates, patience=1000.0))
        world.bad.add((cell(1), NEW))
        rollout = await driven(world)
        assert rollout.state.phase is RolloutPhase.HALTED
        assert message(world, cell(1)) == "not healthy within 1m"

    story(test)


# --- gates ----------------------------------------------------------------------------------------------------------


def test_healthy_must_hold_without_a_break() -> None:
    async def test() -> None:
        gates = (Gate(GateKind.SYNCED), Gate(GateKind.HEALTHY, seconds=60))
        world = World(plan((1, 1), gates=gates, patience=1000.0))
        task = asyncio.ensure_future(Process(world, "one").run())

        def held() -> float | None:
            gates = world.rollout.state.waves[0].gates if world.rollout.state.waves else ()
            return gates[1].held_since if gates else None

        await world.until(held)
        first = held()
        world.apps[cell(0)].health = HealthStatus.DEGRADED
        await world.until(lambda: held() is None)
        world.apps[cell(0)].health = HealthStatus.HEALTHY
        await world.until(held)
        again = held()
        assert first is not None
        assert again is not None
        assert again > first
        await world.until(lambda: world.rollout.state.wave == 1)
        passed = world.rollout.state.waves[0].gates[1].passed_at
        assert passed is not None
        assert passed - again >= 60
        await world.until(task.done)
        world.assert_done_once()

    story(test)


def test_an_approval_is_waited_for_and_said_by_whom() -> None:
    async def test() -> None:
        world = World(plan((1, 1), gates=(*GATES, Gate(GateKind.APPROVAL))))
        with pytest.raises(RefusedError, match="nothing to approve"):
            world.order(Verb.APPROVE)
        rollout = await driven(world)
        assert rollout.state.phase is RolloutPhase.RUNNING
        assert not rollout.state.driver.holder
        assert world.git[cell(1)] == OLD
        world.order(Verb.APPROVE, who="cid@laptop")
        assert world.rollout.state.waves[0].gates[2].by == "cid@laptop"
        await driven(world, "two")
        assert world.git[cell(1)] == NEW
        world.order(Verb.APPROVE)
        await driven(world, "three")
        world.assert_done_once()

    story(test)


def test_an_approval_too_early_names_the_gate_that_is_open() -> None:
    async def test() -> None:
        world = World(plan((1, 1), gates=(*GATES, Gate(GateKind.APPROVAL))))
        task = asyncio.ensure_future(Process(world, "one").run())
        await world.until(lambda: world.apps[cell(0)].running == NEW)
        with pytest.raises(RefusedError, match="wave wave-0 does not wait for its approval now, gate healthy 10s"):
            await world.until(lambda: world.order(Verb.APPROVE), ticks=1)
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)

    story(test)


def test_a_metric_must_hold_for_its_time_and_fails_at_its_end() -> None:
    async def test() -> None:
        metric = Gate(GateKind.METRIC, seconds=20, timeout=200, url="http://prom", query="up", condition="> 0")
        world = World(plan((1, 1), gates=(*GATES, metric)))
        world.verdicts = [Verdict(None, "no data"), Verdict(True, "1"), Verdict(False, "0"), Verdict(True, "1")]
        await driven(world)
        world.assert_done_once()
        assert world.asked > 6
        world = World(plan((1, 1), gates=(*GATES, metric)))
        world.verdicts = [Verdict(False, "0")]
        rollout = await driven(world)
        assert rollout.state.phase is RolloutPhase.HALTED
        assert rollout.state.reason == "gate metric of wave wave-0: not within 3m20s: 0"
        world.verdicts = [Verdict(True, "1")]
        world.order(Verb.RETRY)
        await driven(world, "two")
        world.assert_done_once()

    story(test)


def test_a_webhook_that_says_no_halts_and_can_be_skipped() -> None:
    async def test() -> None:
        world = World(plan((1, 1), gates=(*GATES, Gate(GateKind.WEBHOOK, url="http://gate"))))
        world.verdicts = [Verdict(False, "the gate says 403")]
        rollout = await driven(world)
        assert rollout.state.reason == "gate webhook of wave wave-0: the gate says 403"
        world.order(Verb.SKIP)
        world.verdicts = [Verdict(True, "")]
        await driven(world, "two")
        world.assert_done_once()

    story(test)


# --- changed by hand ------------------------------------------------------------------------------------------------


def test_what_somebody_changed_in_git_is_never_overwritten() -> None:
    async def test() -> None:
        for verb, ends in ((Verb.SKIP, "1.16"), (Verb.RETRY, NEW)):
            world = World(plan())
            world.by_hand(cell(3), "1.16")
            rollout = await driven(world)
            assert rollout.state.phase is RolloutPhase.PAUSED
            assert rollout.state.reason == "1 cell was changed by hand: retry takes them along, skip leaves them"
            assert (phase(world, cell(3)), world.git[cell(3)]) == (CellPhase.CHANGED, "1.16")
            with pytest.raises(RefusedError, match="changed by hand"):
                world.order(Verb.RESUME)
            world.order(verb)
            assert (await driven(world, "two")).state.phase is RolloutPhase.DONE
            assert world.git[cell(3)] == ends
            world.order(Verb.ROLL_BACK)
            assert (await driven(world, "three")).state.phase is RolloutPhase.ROLLED_BACK
            # What it took along goes back to what it found there.
            assert world.git == {key: "1.16" if key == cell(3) else OLD for key in world.git}

    story(test)


def test_what_somebody_changes_behind_the_rollout_pauses_it_and_stays_when_it_goes_back() -> None:
    async def test() -> None:
        world = World(plan())
        task = asyncio.ensure_future(Process(world, "one").run())
        await world.until(lambda: world.rollout.state.wave == 1)
        world.by_hand(cell(0), "1.13")
        await world.until(task.done)
        assert world.rollout.state.phase is RolloutPhase.PAUSED
        assert phase(world, cell(0)) is CellPhase.CHANGED
        world.order(Verb.ROLL_BACK)
        rollout = await driven(world, "two")
        assert rollout.state.phase is RolloutPhase.ROLLED_BACK
        assert rollout.state.reason == "left as they are: 1 changed by hand"
        assert world.git == {key: "1.13" if key == cell(0) else OLD for key in world.git}

    story(test)


def test_what_is_reverted_before_its_application_saw_it_is_found_in_git() -> None:
    async def test() -> None:
        world = World(plan((1,)))

        def revert(_: int) -> None:
            if world.wrote[cell(0)] == [NEW]:
                world.git[cell(0)] = OLD

        world.at = revert
        rollout = await driven(world)
        assert rollout.state.phase is RolloutPhase.PAUSED
        assert message(world, cell(0)) == "somebody gave it version 1.14 meanwhile (in Git)"

    story(test)


def test_what_somebody_gave_an_application_while_nobody_looked_stays_when_it_goes_back() -> None:
    async def test() -> None:
        world = World(plan())
        world.bad.add((cell(3), NEW))
        await driven(world)
        assert world.rollout.state.phase is RolloutPhase.HALTED
        for key in (cell(1), cell(4)):  # of an older wave, and of the one where it stands
            world.apps[key].pinned = "1.99"
        world.tick()
        world.order(Verb.ROLL_BACK)
        task = asyncio.ensure_future(Process(world, "two").run())
        await world.until(lambda: world.rollout.state.restoring)
        assert world.rollout.state.wave == 1
        world.apps[cell(0)].pinned = "1.99"  # of a wave whose turn has not come
        await world.until(task.done)
        state = world.rollout.state
        assert (state.phase, state.reason) == ("rolled back", "left as they are: 3 changed by hand")
        left = {cell(0), cell(1), cell(4)}
        assert world.git == {key: NEW if key in left else OLD for key in world.git}

    story(test)


def test_what_a_human_left_as_somebody_changed_it_is_not_restored() -> None:
    async def test() -> None:
        world = World(plan((1, 1)))
        task = asyncio.ensure_future(Process(world, "one").run())
        await world.until(lambda: world.rollout.state.wave == 1)
        world.apps[cell(0)].pinned = "1.99"
        await world.until(task.done)
        assert message(world, cell(0)) == "somebody gave it version 1.99 meanwhile (in its application)"
        world.order(Verb.SKIP)
        await driven(world, "two")
        assert world.rollout.state.phase is RolloutPhase.DONE
        world.order(Verb.ROLL_BACK)
        rollout = await driven(world, "three")
        assert (rollout.state.phase, rollout.state.reason) == ("rolled back", "left as they are: 1 skipped")
        assert world.git == {cell(0): NEW, cell(1): OLD}

    story(test)


def test_a_rollout_of_which_nothing_is_left_is_not_rolled_back() -> None:
    async def test() -> None:
        world = World(plan((1, 1), gates=(*GATES, Gate(GateKind.HEALTHY, seconds=100))))
        with pytest.raises(RefusedError, match="it has changed nothing: abort ends it"):
            world.order(Verb.ROLL_BACK)
        task = asyncio.ensure_future(Process(world, "one").run())
        await world.until(lambda: world.rollout.state.cells and phase(world, cell(0)) is CellPhase.HEALTHY)
        world.apps[cell(0)].pinned = "1.99"
        await world.until(task.done)
        with pytest.raises(RefusedError, match="rollout certs is paused: it has changed nothing"):
            world.order(Verb.ROLL_BACK)

    story(test)


def test_rolled_back_and_paused_while_the_write_is_under_way() -> None:
    async def test() -> None:
        world = World(plan((2,)))

        def order(_: int) -> None:
            if world.wrote[cell(0)] == [NEW] and world.rollout.state.phase is RolloutPhase.RUNNING:
                world.order(Verb.ROLL_BACK)
                world.order(Verb.PAUSE)

        world.at = order
        rollout = await driven(world)
        assert (rollout.state.phase, rollout.state.restoring) == (RolloutPhase.PAUSED, True)
        assert phase(world, cell(0)) is CellPhase.RESTORING
        world.at = lambda _: None
        world.order(Verb.RESUME)
        await driven(world, "two")
        world.assert_restored()

    story(test)


# --- Git ------------------------------------------------------------------------------------------------------------


def test_git_that_does_not_answer_is_asked_again_and_one_that_refuses_halts() -> None:
    async def test() -> None:
        world = World(plan((1,)))
        world.git_down = unreachable()
        task = asyncio.ensure_future(Process(world, "one").run())
        await world.until(lambda: world.rollout.state.reason)
        assert world.rollout.state.reason == "git.example does not answer"
        world.git_down = None
        await world.until(task.done)
        world.assert_done_once()
        assert world.rollout.state.reason == ""
        world = World(plan((1,)))
        world.git_down = RefusedError("branch main is protected")
        rollout = await driven(world)
        assert (rollout.state.phase, rollout.state.reason) == ("halted", "branch main is protected")
        world.git_down = None
        world.order(Verb.RESUME)
        await driven(world, "two")
        world.assert_done_once()

    story(test)


def test_a_pull_request_that_is_closed_halts_and_a_retry_opens_another() -> None:
    async def test() -> None:
        world = World(plan((2,), delivery=Delivery.PULL_REQUEST))
        task = asyncio.ensure_future(Process(world, "one").run())
        await world.until(lambda: world.requests)
        (url,) = world.requests
        await world.until(lambda: world.rollout.state.waves[0].change == url)
        world.requests[url] = ("closed", {})
        await world.until(task.done)
        assert world.rollout.state.reason == f"pull request {url} was closed"
        assert world.git == dict.fromkeys(world.git, OLD)
        world.requests.clear()
        world.order(Verb.RETRY)
        task = asyncio.ensure_future(Process(world, "two").run())
        await world.until(lambda: world.requests)
        world.merge(url)
        await world.until(task.done)
        world.assert_done_once()

    story(test)


# --- drivers --------------------------------------------------------------------------------------------------------


def test_two_never_drive_at_once() -> None:
    async def test() -> None:
        world = World(plan())
        first = asyncio.ensure_future(Process(world, "first").run())
        await world.until(lambda: world.wrote[cell(0)])
        with pytest.raises(RefusedError, match="driven by first@bastion"):
            await Process(world, "second").run()
        # Every effect of the world asserts that who asks is the driver.
        second = asyncio.ensure_future(Process(world, "second").run(take_over=True))
        await world.until(lambda: first.done() and second.done())
        first.result()
        second.result()
        world.assert_done_once()
        assert [event.what for event in world.rollout.state.events if event.who == "second@bastion"] == ["taken over"]

    story(test)


def test_an_order_in_the_moment_before_an_effect_is_heeded() -> None:
    async def test() -> None:
        world = World(plan((1,)))
        world.git_down = unreachable()
        task = asyncio.ensure_future(Process(world, "one").run())
        await world.until(lambda: world.rollout.state.reason)

        def pause() -> None:
            world.git_down = None
            world.before_renewal = lambda: None
            world.order(Verb.PAUSE)

        world.before_renewal = pause
        await world.until(task.done)
        assert world.rollout.state.phase is RolloutPhase.PAUSED
        assert world.wrote[cell(0)] == []

    story(test)


def test_taken_over_at_each_step() -> None:
    async def test() -> None:
        for point in range(1, 40, 2):
            world = World(plan((1, 2)))
            world.strict = False
            tasks = [asyncio.ensure_future(Process(world, "first").run())]
            second = Process(world, "second")

            def take(
                at: int, point: int = point, tasks: list[asyncio.Task[Rollout]] = tasks, second: Process = second
            ) -> None:
                if at == point:
                    tasks.append(asyncio.ensure_future(second.run(take_over=True)))

            world.at = take
            await world.until(lambda tasks=tasks: all(task.done() for task in tasks))  # type: ignore[misc]
            for task in tasks:
                task.result()
            world.assert_done_once()

    story(test)


def test_nothing_is_written_while_nothing_happens_but_the_drivers_renewals() -> None:
    async def test() -> None:
        world = World(plan((1,), gates=(Gate(GateKind.SYNCED), Gate(GateKind.HEALTHY, seconds=600))))
        task = asyncio.ensure_future(Process(world, "one").run())
        await world.until(lambda: phase(world, cell(0)) is CellPhase.HEALTHY if world.rollout.state.cells else False)
        before, began = world.map_writes, world.clock.now()
        await world.until(lambda: world.clock.now() - began >= 400)
        assert world.map_writes - before <= 400 / 20
        await world.until(task.done)
        world.assert_done_once()

    story(test)


# --- orders ---------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("verb", list(Verb))
def test_each_order_at_each_step(verb: Verb) -> None:
    """Whatever is asked for whenever, it is refused in a sentence or done, and what follows can be ended well."""

    async def one(point: int) -> bool:
        world = World(plan((1, 3)))
        given: list[str] = []

        def order(at: int) -> None:
            if at == point:
                given.append("")
                with suppress(RefusedError):
                    world.order(verb)

        world.at = order
        await driven(world)
        if verb is Verb.ROLL_BACK and world.rollout.state.phase is RolloutPhase.ROLLING_BACK:
            await driven(world)  # it was asked for when all was done
        phase = world.rollout.state.phase
        if phase is RolloutPhase.PAUSED:
            world.order(Verb.RESUME)
            await driven(world, "two")
            phase = world.rollout.state.phase
        if phase is RolloutPhase.ABORTED and world.git != dict.fromkeys(world.git, OLD):
            world.order(Verb.ROLL_BACK)
            await driven(world, "three")
            phase = world.rollout.state.phase
        if phase is RolloutPhase.DONE:
            world.assert_done_once()
        elif phase is RolloutPhase.ROLLED_BACK:
            world.assert_restored()
        else:
            assert phase is RolloutPhase.ABORTED
        return bool(given)

    async def test() -> None:
        point = 0
        while await one(point := point + 1):
            pass
        assert point > 10

    story(test)


@settings(max_examples=60, deadline=None, suppress_health_check=list(HealthCheck))
@given(st.data())
def test_whatever_happens_it_comes_to_an_end_that_was_asked_for(data: st.DataObject) -> None:
    """Failures, hands, dead processes and orders, as they come: a version is never written over somebody's, a rollback
    restores what was."""
    failing = data.draw(st.sets(st.integers(0, 5), max_size=2))
    kills = data.draw(st.lists(st.integers(1, 60), max_size=3))
    hands = data.draw(st.dictionaries(st.integers(1, 40), st.integers(0, 5), max_size=2))
    orders = data.draw(st.dictionaries(st.integers(1, 60), st.sampled_from(list(Verb)), max_size=3))
    by_hand: dict[CellKey, str] = {}

    async def test() -> None:
        world = World(plan((1, 2, 3)))
        world.bad |= {(cell(number), NEW) for number in failing}

        def meddle(at: int) -> None:
            if at in hands and world.rollout.state.phase not in {"aborted", "rolled back"}:
                key = cell(hands[at])
                by_hand[key] = f"1.20-{at}"
                world.by_hand(key, by_hand[key])
            if at in orders:
                with suppress(RefusedError):
                    world.order(orders[at])

        world.at = meddle
        for number, kill in enumerate([*kills, -1]):
            process = Process(world, f"p{number}", kill_at=world.points + kill if kill > 0 else -1)
            if not await process.to_the_end():
                world.clock.advance(61)
        world.at = lambda at: None
        for number in range(8):
            state = world.rollout.state
            if state.phase.ended:
                break
            problem = state.phase is RolloutPhase.HALTED and state.restoring
            verb = Verb.SKIP if problem else Verb.RESUME if state.restoring else Verb.ROLL_BACK
            try:
                world.order(verb)
            except RefusedError:
                world.order(Verb.ABORT)
            await driven(world, f"q{number}")
        assert world.rollout.state.phase.ended
        if world.rollout.state.phase is RolloutPhase.ROLLED_BACK:
            for key, version in world.git.items():
                assert version in {OLD, by_hand.get(key)}, (key, version)
                assert world.wrote[key].count(NEW) == world.wrote[key][1:].count(OLD) or key in by_hand

    story(test)
