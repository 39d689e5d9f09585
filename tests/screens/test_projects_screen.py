"""The projects table: what it shows, what it says of the project under the cursor, and what its keys do."""

from __future__ import annotations

from typing import Any, cast

import pytest

from fleetui.engine.projects import project_of
from fleetui.fleet.projects import Projects, ProjectView
from fleetui.model.errors import ClusterError
from fleetui.model.objects import ClusterName
from screens.apps import AppsScreen
from screens.projects import ProjectsScreen
from tests.screens.console import Console, console
from tests.screens.fake_fleet import FakeFleet, small_fleet

HUB = ClusterName("prod-eu-1")
ALWAYS = {"kind": "deny", "schedule": "* * * * *", "duration": "1h", "applications": ["*"], "description": "freeze"}


def view(name: str, **spec: Any) -> ProjectView:
    return ProjectView(HUB, "argocd", project_of({"metadata": {"name": name}, "spec": spec}))


def fleet() -> FakeFleet:
    found = small_fleet()
    role = {"name": "deployer", "groups": ["team-shop"], "policies": ["p, proj:shop:deployer, …"], "description": "CI"}
    found.project_list = Projects(
        (
            view("default", sourceRepos=["*"], destinations=[{"server": "*", "namespace": "*"}]),
            view("shop", description="the shop", syncWindows=[ALWAYS], roles=[role], orphanedResources={"warn": True}),
            view("signed", signatureKeys=[{"keyID": "ABC"}]),
        )
    )
    return found


async def opened(found: Console) -> ProjectsScreen:
    await found.press("colon")
    await found.enter("projects")
    await found.until(lambda: isinstance(found.screen, ProjectsScreen), "the projects")
    await found.still()
    return cast(ProjectsScreen, found.screen)


def flat(found: Console) -> str:
    return " ".join(found.text.split())


@pytest.mark.parametrize("size", [(80, 24), (200, 50)], ids=["80x24", "200x50"])
async def test_looks(size: tuple[int, int]) -> None:
    async with console(fleet(), size=size) as found:
        await opened(found)
        await found.press("j")
        await found.still()
        found.looks(f"projects-{size[0]}x{size[1]}")


async def test_it_tells_windows_and_roles_of_the_project_under_the_cursor() -> None:
    async with console(fleet(), size=(140, 40)) as found:
        screen = await opened(found)
        await found.press("j")
        await found.still()
        assert screen.name_under_cursor() == "shop"
        assert "window: deny from * * * * * (UTC) for 1h, open: freeze" in flat(found)
        assert "role deployer (groups team-shop), 1 policy: CI" in flat(found)
        await found.press("g", "n")
        await found.still()
        assert screen.name_under_cursor() == "signed", "what the engine can't do needs a human"


async def test_enter_shows_the_applications_of_a_project_and_r_reads_anew() -> None:
    scripted = fleet()
    async with console(scripted) as found:
        await opened(found)
        before = scripted.asked.count("projects")
        await found.press("r")
        await found.until(lambda: scripted.asked.count("projects") == before + 1, "read again")
        await found.press("j", "enter")
        await found.until(lambda: isinstance(found.screen, AppsScreen), "the applications")
        assert "project:=shop" in flat(found)


async def test_what_can_not_be_read_is_told() -> None:
    scripted = fleet()
    scripted.project_list = Projects((), ("prod-eu-1: you may not list appprojects",))
    async with console(scripted) as found:
        await opened(found)
        assert "prod-eu-1: you may not list appprojects" in flat(found)
    scripted.project_list = ClusterError("prod-eu-1: no answer")
    async with console(scripted) as found:
        await opened(found)
        await found.until(lambda: "no answer" in flat(found), "the error")
