"""Why an application is as it is: the paragraph, the way, the evidence; live, and a door to each object on the way."""

from __future__ import annotations

import asyncio
from functools import partial
from typing import cast

import pytest
from msgspec.structs import replace

from fleetui.fleet.views import Evidence, Link, PodViews, Why
from fleetui.model.errors import UnreachableError
from fleetui.model.objects import ClusterName
from screens.app_base import AppViewScreen
from screens.app_view import AppScreen
from screens.events import EventsScreen
from screens.logs import LogsScreen
from screens.manifest import ManifestScreen
from screens.why_view import WhyScreen
from tests.screens.console import Console, console
from tests.screens.fake_fleet import NOW, FakeFleet, app, key, payments_why, pod_view, ref, small_fleet, status

PAYMENTS = key("payments-service")
POD = ref("Pod", "payments-api-7c9-x2x")
HUB = ClusterName("prod-eu-1")
SOURCE = ref("GitRepository", "platform", "source.toolkit.fluxcd.io", "flux-system")


@pytest.fixture(autouse=True)
def at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("screens.causes.SETTLE", 0.01)


def fleet_of(found: Console) -> FakeFleet:
    return cast(FakeFleet, found.app.fleet)


def shows(found: Console, kind: type[AppViewScreen]) -> bool:
    return isinstance(found.screen, kind)


def of_a_source() -> Why:
    """A cause beyond the tree, with a crash's log and what could not be asked."""
    kustomization = ref("Kustomization", "infra", "kustomize.toolkit.fluxcd.io", "flux-system")
    fetch = "failed to checkout and determine revision: unable to clone 'https://git.acme.io/p': repository not found"
    root = payments_why().chain[0]
    return Why(
        PAYMENTS,
        "SourceUnreachable",
        "Kustomization infra waits for GitRepository platform (sourceRef). GitRepository platform: the source can't be "
        f"fetched: {fetch}.",
        chain=(root, Link(kustomization, HUB, said="not ready"), Link(SOURCE, HUB, "spec.sourceRef", fetch)),
        evidence=(
            Evidence("condition", f"Ready, GitOperationFailed: {fetch}", SOURCE, NOW - 60),
            Evidence("log", "panic:   at /srv/main.go:8 \x1b[31m", POD, NOW - 7),
        ),
        notes=("Events are missing: you may not list events in flux-system",),
    )


async def why_of(found: Console, wanted: str = "Evidence") -> WhyScreen:
    await found.press("w")
    await found.shows(wanted)
    await found.still()
    return cast(WhyScreen, found.screen)


@pytest.mark.parametrize("size", [(80, 24), (200, 50)], ids=["80x24", "200x50"])
async def test_looks(size: tuple[int, int]) -> None:
    async with console(small_fleet(), size=size) as found:
        await why_of(found)
        found.looks(f"why-{size[0]}x{size[1]}")


@pytest.mark.parametrize("size", [(80, 24), (200, 50)], ids=["80x24", "200x50"])
async def test_looks_beyond_the_tree(size: tuple[int, int]) -> None:
    fleet = small_fleet()
    fleet.whys[PAYMENTS] = of_a_source()
    async with console(fleet, size=size) as found:
        await why_of(found)
        found.looks(f"why-beyond-{size[0]}x{size[1]}")


async def test_looks_in_letters(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("FLEETUI_ASCII", "1")
    monkeypatch.setenv("NO_COLOR", "1")
    fleet = small_fleet()
    fleet.whys[PAYMENTS] = of_a_source()
    async with console(fleet) as found:
        await why_of(found)
        assert all(line.isascii() for line in found.lines)
        assert "-> sourceRef" in found.text


async def test_it_says_that_it_looks_and_what_became_of_it() -> None:
    fleet = small_fleet()
    async with console(fleet) as found:
        fleet.gate = asyncio.Event()
        await found.press("w")
        await found.shows("Looking for what it waits for")
        assert fleet._loop is not None
        fleet._loop.call_soon_threadsafe(fleet.gate.set)
        await found.shows("Pod payments-api-7c9-x2x can't pull the image")
        await found.press("escape")
        fleet.whys[PAYMENTS] = UnreachableError("prod-eu-1: no answer")
        await found.press("w")
        await found.shows("prod-eu-1: no answer")


async def test_a_cluster_that_is_down_is_said() -> None:
    down = Why(PAYMENTS, "ClusterUnreachable", "The cluster prod-eu-1 is unreachable: no route. It is old.")
    fleet = small_fleet()
    fleet.whys[PAYMENTS] = down
    async with console(fleet) as found:
        await why_of(found, "The cluster prod-eu-1 is unreachable: no route.")
        assert "The way" not in found.text


async def test_it_is_asked_again_when_the_tree_or_the_application_changes_and_never_twice_at_once() -> None:
    async with console(small_fleet()) as found:
        screen, fleet = await why_of(found), fleet_of(found)
        assert fleet.watched.count(PAYMENTS) >= 1
        fleet.whys[PAYMENTS] = replace(payments_why(), words="It was mended.")
        fleet.publish(trees=(PAYMENTS,))
        await found.shows("It was mended.")
        fleet.whys[PAYMENTS] = UnreachableError("no answer")
        fleet.publish(app("payments-service"))
        await found.until(found.toasts, "told")
        assert "It was mended." in found.text, "what was known stays"
        await found.press("escape")
        await found.until(lambda: not screen.is_attached, "closed")
        await found.until(lambda: fleet.watched.count(PAYMENTS) == 0, "nobody looks at the tree any more")


async def test_what_lies_beyond_the_tree_is_looked_at_again_now_and_then() -> None:
    fleet = small_fleet()
    fleet.whys[PAYMENTS] = of_a_source()
    async with console(fleet) as found:
        screen = await why_of(found)
        asked = fleet.asked.count("why")
        screen.tick()
        await found.until(lambda: fleet.asked.count("why") == asked + 1, "asked again")
        fleet.whys[PAYMENTS] = payments_why()
        screen.tick()
        await found.shows("Pod payments-api-7c9-x2x can't pull")
        asked = fleet.asked.count("why")
        screen.tick()
        await found.still()
        assert fleet.asked.count("why") == asked, "the tree tells of its own objects"


async def test_behind_another_screen_nobody_asks() -> None:
    async with console(small_fleet()) as found:
        await why_of(found)
        fleet = fleet_of(found)
        await found.press("l")
        await found.until(lambda: isinstance(found.screen, LogsScreen), "the logs")
        await found.still()
        asked = fleet.asked.count("why")
        fleet.publish(app("catalog", revision="e" * 40), trees=(PAYMENTS,))
        await found.until(lambda: found.app.picture.apps[key("catalog")].revision == "e" * 40, "it arrived")
        await found.still()
        assert fleet.asked.count("why") == asked
        await found.press("escape")
        await found.until(lambda: fleet.asked.count("why") > asked, "asked again")


async def test_enter_goes_to_the_object_in_the_tree_and_w_comes_back() -> None:
    async with console(small_fleet()) as found:
        await why_of(found)
        await found.press("n")
        await found.still()
        await found.press("enter")
        await found.until(lambda: isinstance(found.screen, AppScreen), "the tree")
        tree = cast(AppScreen, found.screen)
        await found.until(lambda: tree.node() == POD, "the cursor on the Pod")
        await found.press("w")
        await found.until(lambda: isinstance(found.screen, WhyScreen), "back")
        assert len(found.app.screen_stack) == 2


async def test_from_the_tree_it_goes_back_into_that_tree() -> None:
    async with console(small_fleet()) as found:
        await found.press("enter")
        await found.shows(POD.name)
        await found.still()
        await why_of(found)
        await found.press("n", "enter")
        await found.until(lambda: isinstance(found.screen, AppScreen), "the tree")
        await found.until(lambda: cast(AppScreen, found.screen).node() == POD, "the cursor on the Pod")
        assert len(found.app.screen_stack) == 2


async def test_the_other_views_are_of_the_object_under_the_cursor_or_else_of_the_culprit() -> None:
    fleet = small_fleet()
    fleet.manifests[POD] = {"kind": "Pod", "metadata": {"name": POD.name}}
    async with console(fleet) as found:
        screen = await why_of(found)
        assert screen.about() == (PAYMENTS, POD), "the cursor is on the paragraph"
        for letter, kind in (("y", ManifestScreen), ("l", LogsScreen), ("e", EventsScreen)):
            await found.press(letter)
            await found.until(partial(shows, found, kind), f"the view {letter}")
            assert cast(AppViewScreen, found.screen).node() == POD
            await found.press("escape")
            await found.until(lambda: found.screen is screen, "back to why")
        while "Deployment" not in found.lines[screen.pager.region.y + screen.pager.cursor]:
            await found.press("j")
        assert screen.about() == (PAYMENTS, ref("Deployment", "payments-api", "apps"))
        assert screen.name_under_cursor() == "payments-api"
        assert screen.command_line() == "fleetui why prod-eu-1/argocd/payments-service"


async def test_an_object_that_the_tree_does_not_have_opens_as_yaml() -> None:
    fleet = small_fleet()
    fleet.whys[PAYMENTS] = of_a_source()
    fleet.manifests[SOURCE] = {"kind": "GitRepository", "metadata": {"name": "platform"}}
    async with console(fleet) as found:
        await why_of(found)
        await found.press("n", "enter")
        await found.shows("kind: GitRepository")


async def test_an_object_of_a_child_application_is_looked_at_in_that_application() -> None:
    child, web = key("child"), ref("Pod", "web-0")
    root = Link(ref("Application", "parent", "argoproj.io", "argocd"), HUB)
    chain = (root, Link(ref("Application", "child", "argoproj.io", "argocd"), HUB), Link(web, HUB))
    fleet = FakeFleet(app("parent"), app("child"), clusters=(status("prod-eu-1"),))
    fleet.whys[key("parent")] = Why(key("parent"), "CrashLoop", "It waits for the Application child.", chain=chain)
    fleet.running[child, web] = PodViews((pod_view("web-0"),))
    async with console(fleet) as found:
        await found.press("j")
        await found.still()
        screen = await why_of(found, "The way")
        assert screen.about() == (child, web)
        await found.press("n", "k")
        assert screen.about() == (child, None)
        await found.press("enter")
        await found.until(lambda: isinstance(found.screen, AppScreen), "the child's tree")
        assert cast(AppScreen, found.screen).key == child


async def test_hostile_text_stays_text() -> None:
    fleet = small_fleet()
    fleet.whys[PAYMENTS] = of_a_source()
    async with console(fleet, size=(120, 40)) as found:
        await why_of(found)
        assert "\x1b" not in found.text
        assert "panic:" in found.text
