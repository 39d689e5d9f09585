"""The Events about an application or one of its objects: the newest last, live, and honest about what can't be read."""

from __future__ import annotations

from typing import cast

import pytest
from msgspec.structs import replace

from fleetui.model.errors import ForbiddenError
from screens.events import EventsScreen
from tests.screens.console import Console, console
from tests.screens.fake_fleet import NOW, FakeFleet, app, key, payments_events, ref, small_fleet

PAYMENTS = key("payments-service")
POD = ref("Pod", "payments-api-7c9-x2x")


def fleet_of(found: Console) -> FakeFleet:
    return cast(FakeFleet, found.app.fleet)


async def events_of(found: Console) -> EventsScreen:
    await found.press("e")
    await found.shows("BackOff")
    await found.still()
    return cast(EventsScreen, found.screen)


@pytest.mark.parametrize("size", [(80, 24), (200, 50)], ids=["80x24", "200x50"])
async def test_looks(size: tuple[int, int]) -> None:
    async with console(small_fleet(), size=size) as found:
        await events_of(found)
        await found.press("N")
        await found.shows("Warning about Pod")
        await found.still()
        found.looks(f"events-{size[0]}x{size[1]}")


async def test_the_events_of_the_node_under_the_cursor() -> None:
    async with console(small_fleet()) as found:
        await found.press("enter")
        await found.shows(POD.name)
        await found.still()
        await found.press("j", "j", "j")
        screen = await events_of(found)
        text = await found.shows("3 events  1 warning")
        assert "SuccessfulCreate" not in text
        assert screen.name_under_cursor() == POD.name


async def test_the_cursor_stays_on_the_newest_until_somebody_moves_it(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("screens.events.AGAIN", 0.05)
    async with console(small_fleet()) as found:
        screen = await events_of(found)
        fleet = fleet_of(found)
        assert screen.table.cursor == 3
        fresh = replace(payments_events()[0], reason="Killing", last=NOW - 1)
        fleet.happened[PAYMENTS, None] = (*payments_events(), fresh)
        await found.shows("Killing")
        assert screen.table.cursor == 4
        await found.press("k", "k")
        fleet.happened[PAYMENTS, None] = (*payments_events(), fresh, replace(fresh, reason="Started"))
        await found.shows("Started")
        assert screen.current() == payments_events()[2]


async def test_a_tree_that_changed_has_the_events_asked_for_again() -> None:
    async with console(small_fleet()) as found:
        await events_of(found)
        fleet = fleet_of(found)
        asked = fleet.asked.count("events")
        fleet.publish(trees=(PAYMENTS,))
        await found.until(lambda: fleet.asked.count("events") == asked + 1, "asked again")


async def test_behind_another_screen_nobody_asks() -> None:
    async with console(small_fleet()) as found:
        await events_of(found)
        fleet = fleet_of(found)
        await found.press("colon")
        await found.enter("clusters")
        await found.shows("LATENCY")
        await found.still()
        asked = fleet.asked.count("events")
        fleet.publish(app("catalog", revision="e" * 40), trees=(PAYMENTS,))
        await found.until(lambda: found.app.picture.apps[key("catalog")].revision == "e" * 40, "it arrived")
        await found.still()
        assert fleet.asked.count("events") == asked
        await found.press("escape")
        await found.until(lambda: fleet.asked.count("events") > asked, "asked again")


async def test_no_events_and_events_that_may_not_be_read_are_told_apart() -> None:
    fleet = small_fleet()
    fleet.happened[PAYMENTS, None] = ()
    async with console(fleet) as found:
        await found.press("e")
        await found.shows("No Events about application payments-service")
        await found.press("escape")
        fleet.happened[PAYMENTS, None] = ForbiddenError("prod-eu-1: you may not list events in payments")
        await found.press("e")
        await found.shows("you may not list events in payments")


async def test_events_that_can_not_be_read_any_more_stay_on_the_screen(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("screens.events.AGAIN", 0.05)
    async with console(small_fleet()) as found:
        await events_of(found)
        fleet_of(found).happened[PAYMENTS, None] = ForbiddenError("prod-eu-1: you may not list events in payments")
        await found.until(found.toasts, "told")
        assert "BackOff" in found.text
