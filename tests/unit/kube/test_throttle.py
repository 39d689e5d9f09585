"""Whose turn it is: the rules by the clock of the test, and callers who wait by them."""

from __future__ import annotations

import asyncio

import pytest

from backends.kube.throttle import BURST, RATE, RESERVED, SLOTS, Schedule, Throttle

NEVER = 1e9


def schedule(**settings: float) -> Schedule[str]:
    given = {"slots": 4, "reserved": 1, "rate": 10.0, "burst": 100} | settings
    return Schedule(**given, now=0.0)  # type: ignore[arg-type]


def filled(plan: Schedule[str], *background: str, urgent: str = "") -> Schedule[str]:
    for ticket in background:
        plan.join(ticket, urgent=False)
    for ticket in urgent:
        plan.join(ticket, urgent=True)
    return plan


def test_the_urgent_go_first_and_each_class_in_its_order() -> None:
    plan = filled(schedule(slots=9), "a", "b", "c", urgent="XYZ")
    assert plan.admit(0.0) == ["X", "Y", "Z", "a", "b", "c"]
    assert plan.waiting == 0


def test_the_background_never_takes_the_last_places() -> None:
    plan = filled(schedule(), "a", "b", "c", "d")
    assert plan.admit(0.0) == ["a", "b", "c"]
    assert filled(plan, urgent="XY").admit(0.0) == ["X"]
    plan.release()
    assert plan.admit(0.0) == ["Y"]
    plan.release()
    assert plan.admit(0.0) == []
    plan.release()
    assert plan.admit(0.0) == ["d"]


def test_a_rate_for_the_background_alone() -> None:
    plan = filled(schedule(slots=99, burst=2), *"abcde", urgent="XYZ")
    assert plan.admit(0.0) == [*"XYZ", "a", "b"]
    assert plan.look_again(0.0) == pytest.approx(0.1)
    assert plan.admit(0.05) == []
    assert plan.admit(0.1) == ["c"]
    assert plan.admit(0.3) == ["d", "e"]
    # A long rest fills the bucket and no more.
    assert filled(plan, *"fghi").admit(1000.0) == ["f", "g"]


def test_without_a_rate_the_places_alone_bound_the_background() -> None:
    plan = filled(schedule(rate=0.0, burst=1), *"abcde")
    assert plan.admit(0.0) == ["a", "b", "c"]
    assert plan.look_again(0.0) is None
    plan.release()
    plan.pause(5.0)
    assert plan.admit(0.0) == []
    assert plan.look_again(0.0) == 5.0
    assert plan.admit(5.0) == ["d"]


def test_a_pause_is_for_the_background_and_the_longest_counts() -> None:
    plan = filled(schedule(), "a", urgent="X")
    plan.pause(5.0)
    plan.pause(3.0)
    assert plan.admit(4.9) == ["X"]
    assert plan.is_paused(4.9)
    assert plan.look_again(4.9) == 5.0
    assert plan.admit(5.0) == ["a"]
    assert not plan.is_paused(5.0)


def test_one_that_tries_again_goes_before_those_that_came_after_it() -> None:
    plan = filled(schedule(), "b", "c")
    plan.join("a", urgent=False, again=True)
    assert plan.admit(0.0) == ["a", "b", "c"]


def test_with_nobody_before_it_a_caller_has_its_place_at_once() -> None:
    plan = schedule(slots=2, burst=1)
    assert plan.slip_in(0.0, urgent=False)
    assert not plan.slip_in(0.0, urgent=False)
    assert plan.slip_in(0.0, urgent=True)
    assert not plan.slip_in(0.0, urgent=True)
    filled(plan, "a", urgent="X")
    plan.release()
    plan.release()
    # Not before those that wait.
    assert not plan.slip_in(9.0, urgent=True)
    assert not plan.slip_in(9.0, urgent=False)
    assert plan.admit(9.0) == ["X"]
    plan.pause(20.0)
    plan.release()
    assert plan.withdraw("a")
    assert not plan.slip_in(10.0, urgent=False)
    assert plan.slip_in(20.0, urgent=False)


def test_one_that_goes_away_holds_nobody_up() -> None:
    plan = filled(schedule(slots=2), "a", "b", "c")
    assert plan.admit(0.0) == ["a"]
    assert plan.withdraw("b")
    assert not plan.withdraw("a")
    plan.release()
    assert plan.admit(0.0) == ["c"]


def test_time_alone_lets_nobody_in_where_a_place_or_a_caller_is_missing() -> None:
    plan = schedule(slots=2)
    assert plan.look_again(0.0) is None
    filled(plan, "a", "b").admit(0.0)
    assert plan.look_again(0.0) is None


def test_the_numbers_that_are_promised() -> None:
    assert (SLOTS, RESERVED, RATE, BURST) == (32, 8, 100.0, 1000)
    plan: Schedule[str] = Schedule(now=0.0)
    assert len(filled(plan, *map(str, range(5000))).admit(0.0)) == SLOTS - RESERVED
    admitted = SLOTS - RESERVED
    for _ in range(4000):
        plan.release()
        admitted += len(plan.admit(0.0))
    assert admitted == BURST
    assert len(plan.admit(1.0)) == pytest.approx(RATE, abs=1)


# --- callers ------------------------------------------------------------------------------------------------------


def throttle(**settings: float) -> Throttle:
    given = {"slots": 2, "reserved": 1, "rate": 1000.0, "burst": 100} | settings
    return Throttle(lambda now: Schedule(**given, now=now))  # type: ignore[arg-type]


async def settle() -> None:
    for _ in range(5):
        await asyncio.sleep(0)


async def test_callers_come_in_by_turns() -> None:
    gate = throttle()
    order: list[str] = []

    async def ask(name: str, *, urgent: bool) -> None:
        await gate.enter(urgent=urgent)
        order.append(name)
        await asyncio.sleep(0)
        gate.leave()

    async with asyncio.TaskGroup() as group:
        for number in range(4):
            group.create_task(ask(f"b{number}", urgent=False))
        await settle()
        for number in range(4):
            group.create_task(ask(f"u{number}", urgent=True))
    assert [name for name in order if name[0] == "b"] == ["b0", "b1", "b2", "b3"]
    assert [name for name in order if name[0] == "u"] == ["u0", "u1", "u2", "u3"]
    assert gate.waiting == 0


async def test_a_caller_that_is_cancelled_leaves_its_place_to_the_next() -> None:
    gate = throttle()
    await gate.enter(urgent=False)
    first, second = (asyncio.create_task(gate.enter(urgent=False)) for _ in range(2))
    await settle()
    first.cancel()
    await settle()
    assert gate.waiting == 1
    gate.leave()
    await second
    gate.leave()


async def test_a_caller_that_is_cancelled_in_the_moment_of_its_turn_gives_it_back() -> None:
    gate = throttle()
    await gate.enter(urgent=False)
    first, second = (asyncio.create_task(gate.enter(urgent=False)) for _ in range(2))
    await settle()
    # In this order: the turn was given before the task got to know that it is cancelled, and the other way round.
    gate.leave()
    first.cancel()
    await asyncio.wait({first})
    assert first.cancelled()
    await second
    third, fourth = (asyncio.create_task(gate.enter(urgent=False)) for _ in range(2))
    await settle()
    third.cancel()
    gate.leave()
    await fourth
    assert third.cancelled()
    gate.leave()
    assert gate.waiting == 0


async def test_a_pause_ends_by_itself() -> None:
    gate = throttle()
    gate.pause(0.02)
    assert gate.is_paused
    waiting = asyncio.create_task(gate.enter(urgent=False))
    await settle()
    assert not waiting.done()
    await gate.enter(urgent=True)
    gate.leave()
    await waiting
    gate.leave()


async def test_a_rate_is_kept_without_anybody_leaving() -> None:
    gate = throttle(slots=99, burst=1)
    await asyncio.gather(*(gate.enter(urgent=False) for _ in range(20)))
    assert gate.waiting == 0
