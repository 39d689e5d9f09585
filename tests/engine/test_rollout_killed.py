"""A rollout that is killed after any step and carried on by another process: no cell twice, none forgotten."""

from __future__ import annotations

import asyncio

import msgspec
import pytest

from fleetui.engine.rollout import codec
from fleetui.model.errors import RefusedError
from fleetui.model.rollout import Delivery, Rollout, RolloutState, Verb
from tests.engine.rollout_world import NEW, OLD, Process, World, at_once, cell, plan


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


@pytest.mark.parametrize("ended", [False, True])
def test_a_write_that_arrives_after_another_took_over_and_went_back(ended: bool) -> None:
    """The driver has begun a push; another process takes over and goes back meanwhile, and finds nothing of it."""

    async def story() -> None:
        world = World(plan((1, 2)))
        world.strict = False
        pushing, arrives = asyncio.Event(), asyncio.Event()

        async def slow_push(name: str) -> None:
            if name == "first" and world.rollout.state.wave == 1:
                pushing.set()
                await arrives.wait()

        world.before_write = slow_push
        first = asyncio.ensure_future(Process(world, "first").run())
        await world.until(pushing.is_set)
        world.order(Verb.ROLL_BACK)
        second = asyncio.ensure_future(Process(world, "second").run(take_over=True))
        late = [cell(1), cell(2)]
        if ended:
            await world.until(second.done)
            assert world.rollout.state.phase == "rolled back"
        else:  # the wave was restored already, and the one before it is on its way
            await world.until(lambda: world.rollout.state.wave == 0)
        arrives.set()
        await world.until(lambda: first.done() and second.done())
        cells = dict(zip((each.key for each in world.plan.cells), world.rollout.state.cells, strict=True))
        if ended:
            assert [cells[key].phase for key in late] == ["changed", "changed"]
            assert cells[late[0]].message == "1.15 was written by the driver that was taken over, after it went back"
            assert cells[cell(0)].phase == "restored"
        else:
            world.assert_restored()

    asyncio.run(story())


def test_a_plan_that_somebody_changes_is_carried_on_by_nobody() -> None:
    async def story() -> None:
        world = World(plan((1, 2)))
        first = asyncio.ensure_future(Process(world, "first").run())
        await world.until(lambda: world.git[cell(0)] == NEW)
        name = f"rollout-{world.plan.key.name}"
        truths = [
            msgspec.structs.replace(each.truth, url="https://git.example/stranger.git") for each in world.plan.cells
        ]
        cells = [
            msgspec.structs.replace(each, truth=truth) for each, truth in zip(world.plan.cells, truths, strict=True)
        ]
        strange = msgspec.structs.replace(world.plan, cells=tuple(cells))
        packed = codec.encode(Rollout(strange, RolloutState()))["binaryData"]["plan"]
        known = world.maps[name]
        world.put({**known, "binaryData": {**known["binaryData"], "plan": packed}})
        await world.until(first.done)
        with pytest.raises(RefusedError, match="the plan of rollout certs was changed in first/argocd after it began"):
            first.result()
        assert world.git[cell(1)] == OLD

    asyncio.run(story())


def test_a_push_that_was_interrupted_keeps_the_rollout_until_it_can_no_longer_arrive() -> None:
    async def story() -> None:
        world = World(plan((1, 2)))
        pushing = asyncio.Event()

        async def never(_: str) -> None:
            pushing.set()
            await asyncio.Event().wait()

        world.before_write = never
        first = asyncio.ensure_future(Process(world, "first").run())
        await world.until(pushing.is_set)
        first.cancel()
        await asyncio.gather(first, return_exceptions=True)
        world.before_write = at_once
        with pytest.raises(RefusedError, match="driven by first@bastion"):
            await Process(world, "second").run()
        world.clock.advance(61)
        assert await Process(world, "second").to_the_end()
        world.assert_done_once()

    asyncio.run(story())
