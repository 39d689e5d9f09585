"""Rollouts as screens and commands have them: on a hub with its ConfigMaps, Git and applications in memory."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager
from pathlib import Path

import msgspec
import pytest

from fleetui.engine.rollout.telling import as_json, as_markdown
from fleetui.fleet.audit import Audit, Operator
from fleetui.fleet.rolloutapi import PlannedRollout, RolloutRequest
from fleetui.fleet.rollouts import LiveRollouts
from fleetui.fleet.store import LiveStore
from fleetui.model.app import AppKey
from fleetui.model.errors import MissingError, RefusedError
from fleetui.model.objects import ClusterName
from fleetui.model.rollout import Gate, GateKind, Order, Rollout, RolloutKey, RolloutPhase, Verb
from tests.engine.bench import Hub, embedded_hub
from tests.engine.rollout_world import GATES, HUB, KEY, NEW, OLD, Process, World, cell, plan
from tests.unit.test_dispatch import Pages
from tests.waiting import await_until


class Hand(Process):
    """Git and applications for a process whose ConfigMaps are a real hub's."""

    def _as_driver(self) -> None:
        pass


class Console:
    """One process that looks on, steers, drives."""

    def __init__(self, hub: Hub, world: World, user: str, *, read_only: bool = False) -> None:
        self.world = world
        self.api = hub.connect()
        self.store = LiveStore(self.api)
        self.pages = Pages()
        hand = Hand(world, user)
        self.rollouts = LiveRollouts(
            {HUB: self.store},
            lambda: {HUB: frozenset({"argocd"})},
            planner=self._plan,
            versions=self._versions,
            truths=hand,
            sights=hand,
            outside=hand,
            audit=Audit(self.pages, Operator(user, "bastion", "ssh 10.0.0.7"), now=world.clock.now),
            clock=world.clock,
            read_only=read_only,
        )

    async def _versions(self, apps: Sequence[AppKey]) -> frozenset[str]:
        return frozenset()

    async def _plan(self, request: RolloutRequest) -> PlannedRollout:
        return PlannedRollout(self.world.plan)

    async def close(self) -> None:
        await self.rollouts.close()
        self.store.close()
        await self.api.close()

    async def until(self, look: Callable[[Rollout], object], what: str) -> Rollout:
        """Lets the applications go on until a look at the rollout finds what it is for."""

        found: list[Rollout] = []

        async def looked() -> bool:
            found.append(await self.rollouts.get(KEY))
            if look(found[-1]):
                return True
            self.world.tick()
            self.world.clock.advance(5)
            return False

        predicate: Callable[[], object] = looked
        await await_until(predicate, 20, what)
        return found[-1]


@asynccontextmanager
async def consoles(folder: Path, world: World) -> AsyncIterator[tuple[Console, Console]]:
    async with embedded_hub(folder) as hub:
        both = Console(hub, world, "ann"), Console(hub, world, "bob")
        try:
            yield both
        finally:
            for each in both:
                await each.close()


def test_one_drives_another_looks_on_steers_and_takes_over(tmp_path: Path) -> None:
    async def test() -> None:
        world = World(plan((1, 2), gates=(*GATES, Gate(GateKind.APPROVAL))))
        world.strict = False
        async with consoles(tmp_path, world) as (ann, bob):
            planned = await ann.rollouts.plan(RolloutRequest(moves={}))
            with pytest.raises(RefusedError, match="can't begin: c00 is away"):
                await ann.rollouts.start(msgspec.structs.replace(planned, refusals=("c00 is away",)))
            begun = await ann.rollouts.start(planned)
            assert ann.rollouts.driving(KEY)
            assert begun.state.phase is RolloutPhase.PLANNED
            heard: list[Rollout] = []
            looking = bob.rollouts.subscribe(KEY, heard.append)

            await bob.until(lambda r: r.state.driver.holder, "ann drives")
            with pytest.raises(RefusedError, match="driven by ann@bastion"):
                await bob.rollouts.drive(KEY)
            await bob.until(lambda r: not r.state.driver.holder and r.state.cells, "an approval is waited for")
            await await_until(lambda: not ann.rollouts.driving(KEY), 5, "ann drives no longer")
            assert world.git[cell(1)] == OLD

            other = msgspec.structs.replace(world.plan, key=RolloutKey(HUB, "argocd", "other"))
            with pytest.raises(RefusedError, match="rollout certs, which is running, has c00/cert-manager too"):
                await bob.rollouts.start(PlannedRollout(other))

            await bob.rollouts.order(KEY, Order(Verb.APPROVE, "bob@bastion"))
            driving = asyncio.ensure_future(bob.rollouts.drive(KEY))
            await bob.until(lambda r: world.git[cell(1)] == NEW, "the next wave is written")
            # Ann takes it over; bob's drive ends by itself.
            taking = asyncio.ensure_future(ann.rollouts.drive(KEY, take_over=True))
            await bob.until(lambda r: driving.done(), "bob drives no longer")
            driving.result()
            await bob.until(lambda r: taking.done(), "the last approval is waited for")
            await bob.rollouts.order(KEY, Order(Verb.APPROVE, "bob@bastion"))
            await asyncio.gather(ann.rollouts.drive(KEY), bob.until(lambda r: r.state.phase.ended, "it ends"))
            world.assert_done_once_in(await ann.rollouts.get(KEY))
            await await_until(lambda: heard[-1].state.phase.ended, 5, "bob heard of it")
            assert len({each.version for each in heard}) == len(heard)
            looking.close()
            assert [each.plan.key for each in await bob.rollouts.all()] == [KEY]
            records = [json.loads(line) for line in ann.pages.lines]
            assert [(each["action"], each["ending"]) for each in records] == [("rollout start", "accepted")]
            records = [json.loads(line) for line in bob.pages.lines]
            assert {each["action"] for each in records} == {"rollout approve"}
            assert records[0]["rollout"] == "argocd/certs"

    asyncio.run(test())


def test_what_ends_a_console_gives_the_rollout_back_and_read_only_changes_nothing(tmp_path: Path) -> None:
    async def test() -> None:
        world = World(plan((1, 2)))
        async with embedded_hub(tmp_path) as hub:
            ann = Console(hub, world, "ann")
            looker = Console(hub, world, "eve", read_only=True)
            await ann.rollouts.start(PlannedRollout(world.plan))
            await ann.until(lambda r: r.state.driver.holder, "ann drives")
            await ann.close()
            left = await looker.rollouts.get(KEY)
            assert not left.state.driver.holder
            for refused in (
                looker.rollouts.start(PlannedRollout(world.plan)),
                looker.rollouts.order(KEY, Order(Verb.PAUSE, "eve")),
                looker.rollouts.drive(KEY),
            ):
                with pytest.raises(RefusedError, match="read-only"):
                    await refused
            with pytest.raises(MissingError, match="no hub elsewhere"):
                await looker.rollouts.get(RolloutKey(ClusterName("elsewhere"), "argocd", "certs"))
            await looker.close()

    asyncio.run(test())


@pytest.mark.parametrize(
    ("gates", "said"),
    [
        ((Gate(GateKind.METRIC, url="http://prom"),), "gate metric needs a query and a condition"),
        ((Gate(GateKind.WEBHOOK),), "gate webhook has no address"),
        ((Gate(GateKind.HEALTHY, seconds=60, timeout=30),), "gate healthy can't hold for longer than its timeout"),
    ],
)
def test_a_plan_that_could_never_end_is_refused(gates: tuple[Gate, ...], said: str, tmp_path: Path) -> None:
    from fleetui.engine.rollout.gates import problems

    assert problems(plan((1,), gates=gates)) == [f"wave wave-0: {said}"]
    good = plan((1, 1))
    assert problems(good) == []
    assert problems(msgspec.structs.replace(good, waves=good.waves[:1])) == ["each cell must be in exactly one wave"]


def test_the_timeline_as_a_document_and_as_markdown() -> None:
    async def test() -> Rollout:
        world = World(plan((1, 1)))
        world.bad.add((cell(1), NEW))
        assert await Process(world, "one").to_the_end()
        world.order(Verb.ABORT, who="eve|<b>@host")
        return world.rollout

    rollout = asyncio.run(test())
    found = json.loads(as_json(rollout))
    assert (found["phase"], found["name"], found["addons"]) == ("aborted", "certs", {"cert-manager": "1.15"})
    assert found["cells"][0]["phase"] == "healthy"
    whats = [(event["what"], event["cell"] and event["cell"]["cluster"]) for event in found["events"]]
    assert whats[:4] == [
        ("carried on", None),
        ("begun", None),
        ("wave begun", None),
        ("1.15 written as 0000000", "c00"),
    ]
    assert ("failed: degraded (for 10 s)", "c01") in whats
    assert ("halted: 1 cell of wave wave-1 failed, none may", None) in whats
    assert found["events"][-1]["who"] == "eve|<b>@host"
    text = as_markdown(rollout)
    assert text.startswith("# Rollout certs: cert-manager to 1.15\n")
    assert "- cells: 1 healthy, 1 failed\n" in text
    assert text.splitlines()[-1].endswith(" | aborted: 2 of 2 cells were changed, and stay so | eve\\|\\<b\\>@host |")
