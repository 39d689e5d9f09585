"""The tree of an application with many like objects, and with applications below it."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any, cast

from fleetui.fleet.views import PodViews, Tree, TreeNode
from fleetui.model.status import Health, HealthStatus, SyncStatus
from screens.app_view import AppScreen
from screens.glyphs import UNICODE
from screens.tree_rows import nodes_of
from tests.screens.console import Console, console
from tests.screens.fake_fleet import FakeFleet, app, degraded, healthy, key, node, pod_view, ref, small_fleet

SHOP, BELOW = key("aaa-shop"), key("below", "stage-1")
SET = ref("ReplicaSet", "web", "apps")
APPLICATION = ref("Application", "below", "argoproj.io", namespace="argocd")


def pods(count: int, **more: Any) -> list[TreeNode]:
    return [node(ref("Pod", f"web-{i:02}"), 2, health=healthy(), info="Running", **more) for i in range(count)]


def tree(*nodes: TreeNode) -> Tree:
    root = node(ref("Application", "aaa-shop", "argoproj.io", namespace="argocd"), 0, children=2)
    return Tree(SHOP, (root, *nodes))


def grown(count: int, *others: TreeNode) -> Tree:
    return tree(node(SET, 1, children=count + len(others)), *others, *pods(count))


@asynccontextmanager
async def looking(found: Tree) -> AsyncIterator[tuple[Console, FakeFleet]]:
    fleet = small_fleet()
    fleet.trees[SHOP] = found
    fleet.trees[BELOW] = Tree(BELOW, (node(APPLICATION, 0, "stage-1"),))
    fleet.running[SHOP, SET] = PodViews((pod_view("web-00", "api"),))
    async with console(fleet) as shown:
        fleet.publish(app("aaa-shop", health=healthy().status), app("below", "stage-1"))
        await shown.shows("aaa-shop")
        shown.app.push_screen(AppScreen(SHOP))
        await shown.until(lambda: isinstance(shown.screen, AppScreen) and rows(shown), "the tree")
        yield shown, fleet


def rows(found: Console) -> list[str]:
    widget = cast(AppScreen, found.screen).tree_rows
    return [widget.node(row).name.text for row in range(widget.row_count)]


async def test_many_like_objects_are_one_row_that_enter_opens_and_closes() -> None:
    async with looking(grown(12)) as (found, _):
        assert rows(found) == ["aaa-shop", "web", "12 alike"]
        await found.press("j", "j")
        await found.shows("12 Pods: Running. In payments.")
        await found.press("enter")
        await found.until(lambda: len(rows(found)) == 15, "it is open")
        await found.press("enter")
        await found.until(lambda: len(rows(found)) == 3, "it is closed")


async def test_a_row_that_was_opened_stays_open_when_one_more_comes_and_what_breaks_stands_out() -> None:
    async with looking(grown(12)) as (found, fleet):
        await found.press("j", "j", "enter")
        await found.until(lambda: len(rows(found)) == 15, "it is open")
        broken = node(ref("Pod", "web-99"), 2, health=degraded("no image"), info="ImagePullBackOff")
        fleet.trees[SHOP] = grown(13, broken)
        fleet.publish(trees=(SHOP,))
        await found.until(lambda: rows(found)[:4] == ["aaa-shop", "web", "web-99", "13 alike"], "it came")
        assert len(rows(found)) == 17


async def test_the_logs_of_a_row_are_those_of_what_is_above_it() -> None:
    async with looking(grown(12)) as (found, fleet):
        await found.press("j", "j", "l")
        await found.until(lambda: fleet.asked.count("pods") or fleet.followed, "they are asked for")
        assert [log.ref.name for log, _ in fleet.followed] in ([], ["web-00"])
        await found.until(lambda: [log.ref.name for log, _ in fleet.followed] == ["web-00"], "of the ReplicaSet")


def nested(sync: SyncStatus = SyncStatus.OUT_OF_SYNC) -> Tree:
    child = node(APPLICATION, 1, "stage-1", sync=SyncStatus.SYNCED, children=1)
    settings = node(ref("ConfigMap", "settings"), 2, "edge-07", sync=sync, info="on edge-07", app=BELOW)
    return tree(child, settings)


async def test_enter_opens_the_tree_of_an_application_below() -> None:
    async with looking(nested()) as (found, _):
        await found.shows("on edge-07")
        await found.press("j", "enter")
        await found.until(lambda: cast(AppScreen, found.screen).key == BELOW, "its own tree")


async def test_what_hangs_on_an_application_below_is_compared_and_synced_as_that_one_s() -> None:
    async with looking(nested()) as (found, _):
        screen = cast(AppScreen, found.screen)
        await found.press("j", "j")
        await found.until(lambda: screen.node() == ref("ConfigMap", "settings"), "the cursor is on it")
        assert screen.owner() == BELOW
        assert screen.resources() == (ref("ConfigMap", "settings"),)
        await found.press("space", "k", "space", "j")
        await found.until(lambda: len(screen.tree_rows.marks) == 2, "both are marked")
        assert screen.resources() == [ref("ConfigMap", "settings")]
        await found.press("k")
        await found.until(lambda: screen.owner() == SHOP, "the cursor is on the application below")
        assert screen.resources() == [APPLICATION]


def test_what_is_wrong_with_an_object_stands_in_its_row() -> None:
    said = "create failed:\n  quota exceeded"
    found = tree(
        node(ref("Instance", "db", "rds.example.org"), 1, health=Health(HealthStatus.DEGRADED, said)),
        node(ref("Subnet", "net", "rds.example.org"), 1, health=Health(HealthStatus.HEALTHY, "up to date")),
        node(ref("Pod", "web"), 1, health=Health(HealthStatus.DEGRADED, said), info="0/1"),
    )
    assert [each.info.text for each in nodes_of(found, UNICODE)] == ["", "create failed: quota exceeded", "", "0/1"]
