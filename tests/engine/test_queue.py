"""The work queue: one key at a time, nothing lost, back-off."""

from __future__ import annotations

import asyncio

import pytest

from fleetui.engine.queue import Priority, WorkQueue
from tests.engine.fake_clock import FakeClock

ASKED, NEWS, ROUTINE = Priority.ASKED, Priority.NEWS, Priority.ROUTINE


@pytest.fixture
def clock() -> FakeClock:
    return FakeClock()


@pytest.fixture
def queue(clock: FakeClock) -> WorkQueue[str]:
    return WorkQueue(clock, base=1.0, cap=8.0)


async def test_gives_keys_in_order_and_each_once(queue: WorkQueue[str]) -> None:
    for key in ("a", "b", "a", "c", "b"):
        queue.add(key)
    assert [await queue.get() for _ in range(3)] == ["a", "b", "c"]
    assert not queue.idle()


async def test_a_waiting_worker_is_woken(queue: WorkQueue[str]) -> None:
    take = asyncio.ensure_future(queue.get())
    await asyncio.sleep(0)
    queue.add("a")
    assert await take == "a"


async def test_a_key_is_never_worked_on_twice_at_once(queue: WorkQueue[str]) -> None:
    queue.add("a")
    assert await queue.get() == "a"
    queue.add("a")
    queue.add("b")
    assert await queue.get() == "b"
    take = asyncio.ensure_future(queue.get())
    await asyncio.sleep(0)
    assert not take.done()
    queue.done("a")
    assert await take == "a"


async def test_what_is_added_while_it_is_worked_on_is_not_lost(queue: WorkQueue[str]) -> None:
    queue.add("a")
    await queue.get()
    queue.add("a")
    queue.add("a")
    queue.done("a")
    assert await queue.get() == "a"
    queue.done("a")
    assert queue.idle()


async def test_done_without_a_new_wish_queues_nothing(queue: WorkQueue[str]) -> None:
    queue.add("a")
    await queue.get()
    queue.done("a")
    assert queue.idle()
    take = asyncio.ensure_future(queue.get())
    await asyncio.sleep(0)
    assert not take.done()
    take.cancel()


async def test_of_several_delays_the_earliest_counts(queue: WorkQueue[str], clock: FakeClock) -> None:
    queue.add_after("a", 10.0)
    queue.add_after("a", 5.0)
    queue.add_after("a", 20.0)
    assert clock.waiting == [5.0]
    clock.advance(4.9)
    assert queue.idle()
    clock.advance(0.1)
    assert await queue.get() == "a"
    queue.done("a")
    clock.advance(60.0)
    assert queue.idle()


async def test_adding_brings_a_delayed_key_forward_and_only_once(queue: WorkQueue[str], clock: FakeClock) -> None:
    queue.add_after("a", 10.0)
    queue.add("a")
    assert await queue.get() == "a"
    queue.done("a")
    clock.advance(60.0)
    assert queue.idle()


async def test_a_delay_that_falls_due_while_the_key_is_worked_on_is_kept(
    queue: WorkQueue[str], clock: FakeClock
) -> None:
    queue.add("a")
    await queue.get()
    queue.add_after("a", 5.0)
    clock.advance(5.0)
    queue.done("a")
    assert await queue.get() == "a"


async def test_no_delay_is_at_once(queue: WorkQueue[str]) -> None:
    queue.add_after("a", 0.0)
    queue.add_after("b", -1.0)
    assert [await queue.get(), await queue.get()] == ["a", "b"]


async def test_failures_back_off_with_jitter_up_to_the_cap_until_one_goes_well(queue: WorkQueue[str]) -> None:
    for expected in (1.0, 2.0, 4.0, 8.0, 8.0):
        assert expected * 0.8 <= queue.retry("a") <= expected * 1.2
    assert 0.8 <= queue.retry("b") <= 1.2
    queue.forget("a")
    assert 0.8 <= queue.retry("a") <= 1.2


async def test_an_outage_of_days_does_not_overflow_the_back_off(queue: WorkQueue[str]) -> None:
    delays = [queue.retry("a") for _ in range(3000)]
    assert max(delays[5:]) <= 8.0 * 1.2


async def test_who_is_waited_for_goes_first_and_in_its_order(queue: WorkQueue[str]) -> None:
    for key, priority in (("routine", ROUTINE), ("news", NEWS), ("asked", ASKED), ("asked too", ASKED)):
        queue.add(key, priority)
    assert [await queue.get() for _ in range(4)] == ["asked", "asked too", "news", "routine"]


async def test_a_key_that_waits_is_brought_forward_and_never_back(queue: WorkQueue[str]) -> None:
    queue.add("a", ROUTINE)
    queue.add("b", NEWS)
    queue.add("a", ASKED)
    queue.add("a", ROUTINE)
    assert [await queue.get(), await queue.get()] == ["a", "b"]
    queue.add("c", NEWS)
    queue.add("a", ROUTINE)
    queue.add("a", ASKED)
    queue.done("a")
    assert [await queue.get(), await queue.get()] == ["a", "c"], "also while it is worked on"


async def test_routine_is_late_where_there_is_always_something_urgent_but_it_comes(queue: WorkQueue[str]) -> None:
    queue.add("routine", ROUTINE)
    for number in range(50):
        queue.add(f"asked {number}", ASKED)
    assert "routine" in [await queue.get() for _ in range(10)]


async def test_a_group_has_its_own_places_and_fills_nobody_elses(clock: FakeClock) -> None:
    queue: WorkQueue[str] = WorkQueue(clock, group=lambda key: key[0], places=2)
    for key in ("a1", "a2", "a3", "a4", "b1"):
        queue.add(key)
    assert [await queue.get() for _ in range(3)] == ["a1", "b1", "a2"]
    take = asyncio.ensure_future(queue.get())
    await asyncio.sleep(0)
    assert not take.done(), "the rest is of a group that has no place"
    queue.add("a4", ASKED)
    queue.add("b2")
    assert await take == "b2"
    queue.done("a1")
    assert await queue.get() == "a4"
    queue.done("a2")
    queue.done("a4")
    assert await queue.get() == "a3"
    for key in ("a3", "b1", "b2"):
        queue.done(key)
    assert queue.idle()


async def test_a_key_that_changes_its_group_takes_the_place_of_the_new_one(clock: FakeClock) -> None:
    groups = {"a": 1, "b": 2}
    queue: WorkQueue[str] = WorkQueue(clock, group=groups.__getitem__, places=1)
    queue.add("a")
    await queue.get()
    groups["a"] = 2
    queue.add("a")
    queue.add("b")
    assert await queue.get() == "b"
    queue.done("a")
    take = asyncio.ensure_future(queue.get())
    await asyncio.sleep(0)
    assert not take.done()
    queue.done("b")
    assert await take == "a"
