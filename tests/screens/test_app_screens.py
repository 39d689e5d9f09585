"""The views of one application: tree, history, YAML, and what can be done from them."""

from __future__ import annotations

import asyncio
from typing import cast

import pytest
from msgspec.structs import replace

from fleetui.fleet.views import AppDiff, Tree
from fleetui.model.app import OperationState
from fleetui.model.errors import UnreachableError
from fleetui.model.status import Health, HealthStatus, OperationPhase, SyncStatus
from screens.app_view import AppScreen
from screens.glyphs import UNICODE
from screens.history import HistoryScreen
from screens.manifest import to_yaml
from screens.tree_rows import calm_branches, nodes_of
from tests.screens.console import Console, console, painted
from tests.screens.fake_fleet import (
    COMMIT,
    NOW,
    SHA,
    FakeFleet,
    app,
    healthy,
    key,
    node,
    payments_history,
    payments_tree,
    ref,
    small_fleet,
)

PAYMENTS = key("payments-service")


async def tree_of(found: Console) -> AppScreen:
    await found.press("enter")
    await found.shows("payments-api-7c9-x2x")
    await found.still()
    return cast(AppScreen, found.screen)


def fleet_of(found: Console) -> FakeFleet:
    return cast(FakeFleet, found.app.fleet)


# --- the tree -----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("size", [(80, 24), (200, 50)], ids=["80x24", "200x50"])
async def test_looks(size: tuple[int, int]) -> None:
    async with console(small_fleet(), size=size) as found:
        await tree_of(found)
        await found.press("j")
        if size[0] > 140:
            await found.shows("by kubectl-edit")
        await found.still()
        found.looks(f"tree-{size[0]}x{size[1]}")


async def test_the_head_names_cluster_commit_author_and_automation() -> None:
    async with console(small_fleet()) as found:
        await tree_of(found)
        text = await found.shows("bump payments to 1.99")
        assert text.startswith(" prod-eu-1 ⚿ › payments-service")
        assert "Ann Lee 4m ago" in text
        assert "auto: prune, self-heal" in text


@pytest.mark.parametrize("width", [80, 160])
async def test_the_head_of_a_newer_revision_names_its_commit_or_the_one_last_synced(width: int) -> None:
    fleet = small_fleet()
    newer = "3d95257" + "2" * 33
    commit = replace(COMMIT, sha=newer, author="Cy Young", subject="rename the queue")
    fleet.diffs[PAYMENTS, None] = AppDiff(key=PAYMENTS, revision=newer, commit=commit, objects=())
    async with console(fleet, size=(width, 24)) as found:
        await tree_of(found)
        fleet.publish(app("payments-service", revision=newer))
        wanted = "3d95257  “rename the queue”  Cy Young 4m ago" if width > 140 else "3d95257  last synced a1b2c3d  “"
        text = await found.shows(wanted)
        assert "auto: prune, self-heal" in text
        assert ("Cy Young 4m ago" if width > 140 else "to 1.99”") in text


async def test_a_sync_that_ended_has_the_history_asked_once_more() -> None:
    async with console(small_fleet()) as found:
        await tree_of(found)
        fleet = fleet_of(found)
        await found.shows("bump payments to 1.99")
        asked = fleet.asked.count("history")
        done = OperationState(phase=OperationPhase.SUCCEEDED, finished_at=NOW)
        for _ in range(2):
            fleet.publish(app("payments-service", operation=done))
            await found.shows("Last sync succeeded 0s ago")
            await found.still()
        assert fleet.asked.count("history") == asked + 1


async def test_a_tree_that_changed_is_asked_for_again_and_only_the_changed_node_is_painted() -> None:
    async with console(small_fleet()) as found:
        screen = await tree_of(found)
        fleet = fleet_of(found)
        tree = payments_tree()
        fresh = replace(tree.nodes[3], info="Running", health=healthy())
        fleet.trees[PAYMENTS] = replace(tree, nodes=(*tree.nodes[:3], fresh, *tree.nodes[4:]))
        with painted(screen.tree_rows) as lines:
            fleet.publish(trees=(PAYMENTS,))
            await found.shows("Running")
            await found.still()
        assert lines == [3]


async def test_another_applications_tree_is_not_asked_for() -> None:
    async with console(small_fleet()) as found:
        await tree_of(found)
        fleet = fleet_of(found)
        asked = fleet.asked.count("tree")
        fleet.publish(app("catalog", revision="e" * 40), trees=(key("catalog"),))
        await found.until(lambda: found.app.picture.apps[key("catalog")].revision == "e" * 40, "it arrived")
        await found.still()
        assert fleet.asked.count("tree") == asked


async def test_however_fast_a_tree_changes_one_question_is_on_its_way() -> None:
    async with console(small_fleet()) as found:
        await tree_of(found)
        fleet = fleet_of(found)
        before = fleet.asked.count("tree")
        fleet.gate = asyncio.Event()
        for number in range(5):
            fleet.publish(app("payments-service", revision=f"{number}" * 40), trees=(PAYMENTS,))
            await found.until(lambda: found.app.picture.apps[PAYMENTS].revision == f"{number}" * 40, "it arrived")  # noqa: B023
        await found.until(lambda: fleet.asked.count("tree") == before + 1, "one question")
        gate, fleet.gate = fleet.gate, None
        found.app._runtime.post(gate.set)
        await found.until(lambda: fleet.asked.count("tree") == before + 2, "the last wish is asked")


async def test_the_tree_is_watched_as_long_as_it_is_shown() -> None:
    async with console(small_fleet()) as found:
        await tree_of(found)
        fleet = fleet_of(found)
        await found.until(lambda: fleet.watched == [PAYMENTS], "watched")
        await found.press("escape")
        await found.until(lambda: fleet.watched == [], "let go")


async def test_a_tree_that_can_not_be_read_is_a_sentence_and_the_next_change_tries_again() -> None:
    fleet = small_fleet()
    fleet.trees[PAYMENTS] = UnreachableError("prod-eu-1: connection refused", "is the cluster up?")
    async with console(fleet) as found:
        await found.press("enter")
        await found.shows("prod-eu-1: connection refused (is the cluster up?)")
        fleet.trees[PAYMENTS] = payments_tree()
        fleet.publish(trees=(PAYMENTS,))
        await found.shows("payments-api-7c9-x2x")


async def test_what_a_tree_lacks_is_told() -> None:
    fleet = small_fleet()
    fleet.trees[PAYMENTS] = replace(payments_tree(), problem="prod-eu-1: you may not list pods (RBAC)")
    async with console(fleet) as found:
        await tree_of(found)
        assert "you may not list pods (RBAC)" in found.text


async def test_the_operation_is_followed() -> None:
    async with console(small_fleet()) as found:
        await tree_of(found)
        fleet = fleet_of(found)
        running = OperationState(
            phase=OperationPhase.RUNNING, started_at=NOW - 7, revision=SHA, message="waiting for Job migrate"
        )
        fleet.publish(app("payments-service", operation=running))
        await found.shows("Syncing to a1b2c3d since 7s: waiting for Job migrate")
        ended = OperationState(phase=OperationPhase.FAILED, finished_at=NOW, initiated_by="ann", message="timed out")
        fleet.publish(app("payments-service", operation=ended))
        await found.shows("Last sync failed 0s ago, by ann: timed out")


async def test_an_application_that_is_gone_says_so_and_nothing_breaks() -> None:
    async with console(small_fleet()) as found:
        await tree_of(found)
        fleet_of(found).publish(removed=(PAYMENTS,))
        await found.shows("gone")
        await found.press("j", "d")
        await found.press("escape", "h", "escape", "escape")
        await found.shows("Apps  6")


async def test_in_a_wide_terminal_the_diff_follows_the_cursor_once_it_rests() -> None:
    async with console(small_fleet(), size=(160, 40)) as found:
        screen = await tree_of(found)
        fleet = fleet_of(found)
        await found.shows("by kubectl-edit")
        asked = fleet.asked.count("diff")
        await found.press("j", "j", "j")
        await found.shows("Git does not list this object")
        assert fleet.asked.count("diff") == asked
        await found.press("G")
        await found.until(lambda: screen.pane.diff is not None, "the last node's diff")


def test_a_calm_branch_has_no_problem_at_or_below_it() -> None:
    calm = calm_branches(payments_tree().nodes)
    named = [each.ref.name for each, quiet in zip(payments_tree().nodes, calm, strict=True) if quiet]
    assert named == ["payments-api-5d4", "payments-api", "credentials"]


def test_an_object_that_stands_in_a_tree_twice_is_two_nodes() -> None:
    twice = node(ref("EndpointSlice", "x"), 1, health=Health(HealthStatus.HEALTHY), sync=SyncStatus.SYNCED)
    keys = [each.key for each in nodes_of(Tree(key=PAYMENTS, nodes=(twice, twice)), UNICODE)]
    assert len(set(keys)) == 2


# --- history ------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("size", [(80, 24), (200, 50)], ids=["80x24", "200x50"])
async def test_history_looks(size: tuple[int, int]) -> None:
    async with console(small_fleet(), size=size) as found:
        await found.press("h")
        await found.shows("changed no object")
        await found.still()
        found.looks(f"history-{size[0]}x{size[1]}")


async def test_the_history_starts_on_the_entry_before_the_current_one_and_grows() -> None:
    async with console(small_fleet()) as found:
        await found.press("h")
        await found.shows("initial settings")
        screen = cast(HistoryScreen, found.screen)
        assert screen.table.key == 6
        fleet = fleet_of(found)
        newest = replace(payments_history()[0], id=8, commit=replace(COMMIT, subject="a third commit"))
        older = (replace(payments_history()[0], current=False), payments_history()[1])
        fleet.histories[PAYMENTS] = (newest, *older)
        fleet.publish(app("payments-service", history=(object(),) * 3))
        await found.shows("a third commit")
        assert screen.table.key == 6


async def test_a_commit_that_git_can_not_tell_says_why() -> None:
    fleet = small_fleet()
    fleet.histories[PAYMENTS] = (
        replace(payments_history()[1], commit=None, problem="the repository is not reachable"),
    )
    async with console(fleet) as found:
        await found.press("h")
        await found.shows("the repository is not reachable")


async def test_an_empty_history_says_so() -> None:
    async with console(small_fleet()) as found:
        await found.press("j", "h")
        await found.shows("No sync of this application has succeeded yet")


# --- YAML ---------------------------------------------------------------------------------------------------------


async def test_yaml_of_the_object_under_the_cursor() -> None:
    fleet = small_fleet()
    what = ref("ConfigMap", "settings")
    fleet.manifests[what] = {
        "apiVersion": "v1",
        "kind": "ConfigMap",
        "metadata": {"name": "settings"},
        "data": {"a": "[red]\x1b]0;x\x07", "long": "x" * 200},
    }
    async with console(fleet) as found:
        await tree_of(found)
        await found.press("G", "k", "y")
        text = await found.shows("kind: ConfigMap")
        assert "payments-service › ConfigMap settings" in text
        assert '[red]\\e]0;x\\a"' in text
        assert "long: xxx" in text
        await found.press("right")
        await found.shows(lambda text: "long: xxx" not in text and "x" * 70 in text)
        await found.press("left")
        await found.shows("long: xxx")
        await found.press("t")
        assert isinstance(found.screen, AppScreen)


def test_yaml_keeps_the_objects_order() -> None:
    assert to_yaml({"b": 1, "a": {"d": [1, "x"], "c": None}}) == "b: 1\na:\n  d:\n  - 1\n  - x\n  c: null\n"


# --- between the views --------------------------------------------------------------------------------------------


async def test_the_views_replace_each_other_and_esc_goes_back_to_where_one_came_from() -> None:
    async with console(small_fleet()) as found:
        await found.press("h", "d", "t")
        await found.shows("payments-api-7c9-x2x")
        assert len(found.app.screen_stack) == 2
        await found.press("h", "d", "y")
        assert len(found.app.screen_stack) == 3
        await found.press("escape")
        assert isinstance(found.screen, AppScreen)
        await found.press("escape")
        assert len(found.app.screen_stack) == 1


async def test_command_lines_are_those_that_show_the_same() -> None:
    async with console(small_fleet()) as found:
        for keys, word in (("t", "tree"), ("d", "diff"), ("h", "history")):
            await found.press(keys, "C")
            assert found.app.clipboard == f"fleetui {word} prod-eu-1/argocd/payments-service"
