"""The table of rollouts: what it shows, what it watches, and what its keys do."""

from __future__ import annotations

from typing import cast

import pytest
from msgspec.structs import replace

from fleetui.model.errors import ClusterError
from fleetui.model.rollout import Driver, Rollout, RolloutPhase
from screens.rollout import RolloutScreen
from screens.rollouts import RolloutsScreen
from tests.screens.console import Console, console
from tests.screens.fake_fleet import NOW, FakeFleet
from tests.screens.fake_rollouts import HUB, addon_fleet, underway


def named(rollout: Rollout, name: str) -> Rollout:
    return replace(rollout, plan=replace(rollout.plan, key=replace(rollout.plan.key, name=name)))


def fleet_with_three() -> FakeFleet:
    fleet = addon_fleet()
    alone = underway(fleet, driver=Driver("x", "bo@laptop", NOW - 300))
    done = underway(fleet, phase=RolloutPhase.DONE, wave=2, ended_at=NOW - 60)
    for each in (named(done, "in-may"), named(underway(fleet), "in-june"), named(alone, "left-alone")):
        fleet.rollouts.stored[each.plan.key] = each
    return fleet


async def opened(found: Console) -> RolloutsScreen:
    await found.press("colon")
    await found.enter("rollouts")
    await found.until(lambda: isinstance(found.screen, RolloutsScreen), "the rollouts")
    await found.still()
    return cast(RolloutsScreen, found.screen)


@pytest.mark.parametrize("size", [(80, 24), (200, 50)], ids=["80x24", "200x50"])
async def test_looks(size: tuple[int, int]) -> None:
    async with console(fleet_with_three(), size=size, contexts=(HUB,)) as found:
        await opened(found)
        await found.press("n")
        await found.still()
        found.looks(f"rollouts-{size[0]}x{size[1]}")


async def test_those_under_way_are_watched_until_it_is_left_and_enter_opens_one() -> None:
    async with console(fleet_with_three(), contexts=(HUB,)) as found:
        screen = await opened(found)
        fleet = cast(FakeFleet, found.app.fleet)
        assert fleet.rollouts.watched == 2
        june = next(each for key, each in fleet.rollouts.stored.items() if key.name == "in-june")
        fleet.rollouts.becomes(replace(june, state=replace(june.state, phase=RolloutPhase.PAUSED, reason="by bo")))
        await found.shows("paused")
        assert screen.name_under_cursor() == "in-june"
        await found.shows("cert-manager 1.14.5 → 1.15.0; paused: by bo")
        await found.press("enter")
        await found.until(lambda: isinstance(found.screen, RolloutScreen), "one rollout")
        assert cast(RolloutScreen, found.screen).key.name == "in-june"
        await found.press("escape", "escape")
        await found.until(lambda: fleet.rollouts.watched == 0, "nothing is watched")


async def test_none_and_what_keeps_them_from_being_read_are_said() -> None:
    fleet = addon_fleet()
    async with console(fleet, contexts=(HUB,)) as found:
        await opened(found)
        await found.shows("No rollouts. :rollout ADDON VERSION plans one")
        fleet.rollouts.failure = ClusterError("hub: you may not list configmaps")
        await found.press("r")
        await found.shows("hub: you may not list configmaps")
