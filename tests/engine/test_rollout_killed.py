"""A rollout that is killed after any step and carried on by another process: no cell twice, none forgotten."""

from __future__ import annotations

import asyncio

import pytest

from fleetui.model.rollout import Delivery, Verb
from tests.engine.rollout_world import NEW, Process, World, cell, plan


async def _carried_on(world: World, kill_at: int) -> bool:
    """Drives the rollout with a process that dies at a point, and another one after it; whether the first one died."""
    lived = await Process(world, "first", kill_at=kill_at).to_the_end()
    if not lived:
        # The first one can't give the rollout back: it is taken when it has expired.
        world.clock.advance(61)
        assert await Process(world, "second").to_the_end()
    return not lived


def test_rolled_out_whoever_is_killed_when() -> None:
    async def story() -> int:
        kill_at = 0
        while True:
            kill_at += 1
            world = World(plan())
            died = await _carried_on(world, kill_at)
            world.assert_done_once()
            if not died:
                return kill_at

    # Each wave: begun, written, answered; each application refreshed, synced, told of.
    assert asyncio.run(story()) > 30


def test_rolled_back_whoever_is_killed_when() -> None:
    async def story() -> int:
        kill_at = 0
        while True:
            kill_at += 1
            world = World(plan())
            world.bad.add((cell(8), NEW))
            assert await Process(world, "zeroth").to_the_end()
            assert world.rollout.state.phase == "halted"
            world.order(Verb.ROLL_BACK)
            world.points = 0
            world.order_of_writes.clear()
            died = await _carried_on(world, kill_at)
            world.assert_restored()
            waves = [next(i for i, w in enumerate(world.plan.waves) if key in w.cells) for key in world.order_of_writes]
            assert waves == sorted(waves, reverse=True)
            if not died:
                return kill_at

    assert asyncio.run(story()) > 30


@pytest.mark.parametrize("back", [False, True])
def test_pull_requests_whoever_is_killed_when(back: bool) -> None:
    async def story() -> None:
        kill_at = 0
        died = True
        while died:
            kill_at += 1
            world = World(plan((1, 2), delivery=Delivery.PULL_REQUEST))
            ticking = world.tick

            def tick(world: World = world, ticking: object = ticking) -> None:
                for url, (state, _) in list(world.requests.items()):
                    if state == "open":
                        world.merge(url)
                assert callable(ticking)
                ticking()

            world.tick = tick  # type: ignore[method-assign]
            if back:
                assert await Process(world, "zeroth").to_the_end()
                world.order(Verb.ROLL_BACK)
                world.points = 0
            died = await _carried_on(world, kill_at)
            if back:
                world.assert_restored()
            else:
                world.assert_done_once()

    asyncio.run(story())
