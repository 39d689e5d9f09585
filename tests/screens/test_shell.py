"""Before a shell: which container, which cluster, and what is refused. The shell itself: `test_in_terminal`."""

from __future__ import annotations

from typing import cast

import pytest

from fleetui.fleet.views import PodViews
from screens import shell
from screens.shell import ShellScreen
from tests.screens.console import Console, console
from tests.screens.fake_fleet import FakeFleet, key, pod_view, small_fleet, status

PAYMENTS = key("payments-service")
X2X = "payments-api-7c9-x2x"


def unprotected(*running: str, containers: tuple[str, ...] = ("api", "proxy")) -> FakeFleet:
    fleet = small_fleet()
    fleet._clusters[PAYMENTS.hub] = status(PAYMENTS.hub)
    fleet.running[PAYMENTS, None] = PodViews(
        (pod_view("waiting", running=()), pod_view("web", *containers, running=running))
    )
    return fleet


@pytest.fixture
def opened(monkeypatch: pytest.MonkeyPatch) -> list[tuple[str, str]]:
    """The Pods and containers that a shell is opened in."""
    found: list[tuple[str, str]] = []
    monkeypatch.setattr(shell, "run_shell", lambda app, pod, container: found.append((pod.ref.name, container)))
    return found


async def dialog_of(found: Console) -> ShellScreen:
    await found.press("x")
    await found.shows("Shell in Pod")
    await found.still()
    return cast(ShellScreen, found.screen)


async def test_the_one_running_container_of_the_first_running_pod_needs_no_question(
    opened: list[tuple[str, str]],
) -> None:
    async with console(unprotected("api")) as found:
        await found.press("x")
        await found.until(lambda: opened, "opened")
        assert opened == [("web", "api")]


async def test_of_several_containers_one_is_chosen(opened: list[tuple[str, str]]) -> None:
    async with console(unprotected("api", "proxy")) as found:
        await dialog_of(found)
        await found.press("j", "enter")
        await found.until(lambda: opened, "opened")
        assert opened == [("web", "proxy")]
        await dialog_of(found)
        await found.press("escape")
        await found.shows("Apps")
        assert opened[1:] in ([], [("web", "")])


@pytest.mark.parametrize("size", [(80, 24), (200, 50)], ids=["80x24", "200x50"])
async def test_a_protected_cluster_wants_its_name(opened: list[tuple[str, str]], size: tuple[int, int]) -> None:
    async with console(small_fleet(), size=size) as found:
        await dialog_of(found)
        found.looks(f"shell-{size[0]}x{size[1]}")
        await found.press("enter")
        await found.still()
        assert opened == []
        found.type("prod-eu-1")
        await found.press("down", "enter")
        await found.until(lambda: opened, "opened")
        assert opened == [(X2X, "proxy")]


async def test_where_no_container_runs_it_says_so(opened: list[tuple[str, str]]) -> None:
    async with console(unprotected()) as found:
        await found.press("x")
        await found.until(found.toasts, "told")
        assert found.toasts() == ["Application payments-service: no container of its Pods runs"]
        assert opened == []


async def test_read_only_it_is_refused_and_not_offered(opened: list[tuple[str, str]]) -> None:
    async with console(small_fleet(), read_only=True, size=(120, 30)) as found:
        await found.press("enter")
        text = await found.shows("? help")
        assert "x shell" not in text
        await found.press("x")
        await found.until(found.toasts, "told")
        assert found.toasts() == ["Read-only: no shell is opened from here"]
        assert "pods" not in cast(FakeFleet, found.app.fleet).asked
        assert opened == []


async def test_without_a_terminal_there_is_no_shell() -> None:
    async with console(unprotected("api")) as found:
        await found.press("x")
        await found.until(found.toasts, "told")
        assert found.toasts() == ["There is no terminal for a shell"]
        assert cast(FakeFleet, found.app.fleet).shells == []
