"""A rollout that is being planned: what the form offers, what is planned, and what may begin."""

from __future__ import annotations

from typing import cast

import pytest

from fleetui.fleet.cells import cell_of, version_of
from fleetui.fleet.naming import ClusterNames
from fleetui.fleet.rolloutapi import WaveRule
from fleetui.model.errors import GitError, RefusedError, UsageError
from fleetui.model.rollout import Delivery, GateKind
from screens.apps import AppsScreen
from screens.matrix import MatrixScreen
from screens.rollout import RolloutScreen
from screens.rollout_ask import AskScreen
from screens.rollout_form import Form, by_labels, entered, form_of, turned, typed
from screens.rollout_wizard import RolloutWizard, open_wizard
from screens.widgets.lines import Bar
from tests.screens.console import Console, console
from tests.screens.fake_fleet import FakeFleet
from tests.screens.fake_rollouts import HUB, FakeRollouts, addon_app, addon_fleet


async def opened(found: Console, words: str = "cert-manager") -> RolloutWizard:
    await found.press("colon")
    await found.enter(f"rollout {words}")
    await found.until(lambda: isinstance(found.screen, RolloutWizard), "the wizard")
    screen = cast(RolloutWizard, found.screen)
    await found.until(lambda: screen.planned is not None or screen.form.missing, "a plan")
    await found.still()
    return screen


def rollouts(found: Console) -> FakeRollouts:
    return cast(FakeRollouts, cast(FakeFleet, found.app.fleet).rollouts)


async def edited(found: Console, text: str) -> None:
    """Types a value in place of the one under the cursor."""
    await found.press("enter", "ctrl+u")
    await found.enter(text)
    await found.still()


# --- looks -----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("size", [(80, 24), (200, 50)], ids=["80x24", "200x50"])
async def test_looks(size: tuple[int, int]) -> None:
    fleet = addon_fleet()
    fleet.rollouts.notes = ("porto-1: its sync window opens at 22:00",)
    async with console(fleet, size=size, contexts=(HUB,)) as found:
        await opened(found)
        found.looks(f"rollout-wizard-{size[0]}x{size[1]}")
        await found.press("S")
        await found.until(lambda: isinstance(found.screen, AskScreen), "the question")
        await found.still()
        found.looks(f"rollout-start-{size[0]}x{size[1]}")


# --- what is planned -------------------------------------------------------------------------------------------------


async def test_it_proposes_the_newest_version_and_plans_anew_with_each_change() -> None:
    async with console(addon_fleet(), contexts=(HUB,)) as found:
        screen = await opened(found)
        (request,) = rollouts(found).requests
        assert request.moves == {"cert-manager": "1.15.0"}
        assert [rule.name for rule in request.waves] == ["canary", "25%", "rest"]
        assert request.cells == (), "all of them"
        await found.press("j", "left")  # the last of the known ways: by the label that tells the clusters apart
        await found.shows("by region: europe:region=europe; asia:region=asia")
        await found.until(lambda: len(rollouts(found).requests) == 2, "planned anew")
        await found.press("j", "right", "right", "j", "right", "j", "right")
        await found.until(lambda: rollouts(found).requests[-1].delivery is Delivery.PULL_REQUEST, "planned")
        last = rollouts(found).requests[-1]
        assert [gate.kind for gate in last.gates] == [GateKind.SYNCED, GateKind.HEALTHY, GateKind.APPROVAL]
        assert last.failures_allowed == 1
        await found.until(lambda: screen.planned is not None, "a plan")
        assert "--pull-request" in screen.command_line()
        assert "--max-failures=1" in screen.command_line()


async def test_values_are_typed_and_what_can_not_be_read_is_said() -> None:
    async with console(addon_fleet(), contexts=(HUB,)) as found:
        screen = await opened(found)
        await edited(found, "1.16.0")
        await found.press("j")
        await edited(found, "first:clusters:seoul-1; rest")
        await found.until(lambda: len(rollouts(found).requests) == 3, "planned anew")
        request = rollouts(found).requests[-1]
        assert request.moves == {"cert-manager": "1.16.0"}
        assert [rule.name for rule in request.waves] == ["first", "rest"]
        await edited(found, "first")
        await found.until(lambda: any("'first' is no rule of a wave" in each for each in found.toasts()), "told")
        assert len(rollouts(found).requests) == 3
        assert screen.form.waves == request.waves


async def test_a_version_must_be_chosen_where_none_is_known_to_be_newer() -> None:
    fleet = addon_fleet()
    apps = [addon_app("seoul-1", "metrics", "0.7.1"), addon_app("tokyo-1", "metrics", "0.7.1")]
    fleet._apps.update({each.key: each for each in apps})
    async with console(fleet, contexts=(HUB,)) as found:
        await opened(found, "metrics")
        await found.shows("To which version does metrics go? enter types one")
        assert rollouts(found).requests == []
        await edited(found, "0.8.0")
        await found.shows("2 cells on 2 clusters change")


async def test_groups_open_to_show_each_object() -> None:
    async with console(addon_fleet(), contexts=(HUB,)) as found:
        await opened(found)
        text = found.text
        assert "▸ the same in 10 cells of cert-manager: 1 change, 1 create" in text
        assert "▸ milan-1 cert-manager: 1 change" in text
        await found.press(*["j"] * 12, "enter")
        await found.shows("create  CustomResourceDefinition issuers.example.com")


async def test_marked_cells_alone_are_moved_and_named_where_a_command_can() -> None:
    fleet = addon_fleet()
    names = ClusterNames(fleet.clusters.values())
    cells = []
    for key, each in fleet.apps.items():
        cell = cell_of(each, names)
        if cell is not None and cell.cluster in {"seoul-1", "milan-1"}:
            cells.append((key, cell, version_of(each)))
    async with console(fleet, contexts=(HUB,)) as found:
        open_wizard(found.app, cells)
        await found.until(lambda: rollouts(found).requests, "planned")
        assert {key.name for key in rollouts(found).requests[0].cells} == {
            "seoul-1-cert-manager",
            "milan-1-cert-manager",
        }
        line = cast(RolloutWizard, found.screen).command_line()
        assert "cert-manager=1.15.0 --cluster=seoul-1 --cluster=milan-1 --wave=canary:1" in line
        await found.press("escape")
        open_wizard(found.app, [])
        await found.until(lambda: found.toasts(), "told")
        assert isinstance(found.screen, AppsScreen)


async def test_the_marked_cells_of_the_matrix_are_rolled_out() -> None:
    async with console(addon_fleet(), contexts=(HUB,)) as found:
        await found.press("m")
        await found.until(lambda: isinstance(found.screen, MatrixScreen), "the matrix")
        await found.still()
        await found.press("j", "space", "space", "U")
        await found.until(lambda: isinstance(found.screen, RolloutWizard), "the wizard")
        await found.until(lambda: rollouts(found).requests, "planned")
        assert len(rollouts(found).requests[0].cells) == 2


async def test_an_addon_that_there_is_not_is_said() -> None:
    async with console(addon_fleet(), contexts=(HUB,)) as found:
        await found.press("colon")
        await found.enter("rollout certmanager 1.15")
        await found.until(lambda: found.toasts() == ["No cluster has an addon certmanager; there are cert-manager"], "")


# --- beginning -------------------------------------------------------------------------------------------------------


async def test_start_asks_for_the_word_then_drives_and_shows_it() -> None:
    async with console(addon_fleet(), contexts=(HUB,)) as found:
        await opened(found)
        await found.press("S")
        await found.shows("Type milan-1 to go on")
        await found.shows("11 cells in 3 waves, first canary: seoul-1.")
        await found.still()
        await found.enter("paris-1")
        await found.still()
        assert rollouts(found).started == []
        await found.press("ctrl+u")
        await found.enter("milan-1")
        await found.until(lambda: isinstance(found.screen, RolloutScreen), "the rollout")
        await found.until(lambda: rollouts(found).driven, "driven")
        ((key, take_over),) = rollouts(found).driven
        assert (key.name, take_over) == ("cert-manager-1", False)
        await found.press("escape")
        await found.until(lambda: isinstance(found.screen, AppsScreen), "the wizard is gone")


async def test_what_is_refused_is_said_and_can_not_be_started() -> None:
    fleet = addon_fleet()
    fleet.rollouts.refusals = ("paris-1/cert-manager: you may not sync in project addons",)
    async with console(fleet, contexts=(HUB,)) as found:
        await opened(found)
        await found.shows("✖ paris-1/cert-manager: you may not sync in project addons")
        await found.press("S")
        await found.still()
        assert isinstance(found.screen, RolloutWizard)
        fleet.rollouts.refusals = ()
        fleet.rollouts.failure = GitError("https://git.example.com/addons.git does not answer")
        await found.press("r")
        await found.shows("✖ https://git.example.com/addons.git does not answer")
        await found.press("S")
        await found.still()
        assert isinstance(found.screen, RolloutWizard)


async def test_another_rollout_of_the_same_cells_is_told_and_the_form_stays() -> None:
    async with console(addon_fleet(), contexts=(HUB,)) as found:
        await opened(found)
        await found.press("S")
        await found.until(lambda: isinstance(found.screen, AskScreen), "the question")
        await found.still()
        rollouts(found).failure = RefusedError("rollout in-june has seoul-1/cert-manager")
        await found.enter("milan-1")
        await found.until(lambda: "rollout in-june has seoul-1/cert-manager" in found.toasts(), "told")
        assert isinstance(found.screen, RolloutWizard)


async def test_read_only_plans_and_starts_nothing() -> None:
    async with console(addon_fleet(read_only=True), read_only=True, contexts=(HUB,)) as found:
        screen = await opened(found)
        assert screen.planned is not None
        assert "start" not in screen.query_one("#hints", Bar).text
        await found.press("S")
        await found.until(lambda: "Read-only: nothing can be changed from here" in found.toasts(), "told")


# --- the form --------------------------------------------------------------------------------------------------------


def form() -> Form:
    fleet = addon_fleet()
    names = ClusterNames(fleet.clusters.values())
    cells = [(key, cell, "1") for key, app in fleet.apps.items() if (cell := cell_of(app, names)) is not None]
    return form_of(cells, {"cert-manager": ["2", "1"]}, {"cert-manager": {key: cell for key, cell, _ in cells}}, [])


def test_waves_by_a_label_go_from_the_fewest_clusters_to_the_most() -> None:
    labels = [{"stage": "prod", "kubernetes.io/os": "x"}] * 3 + [{"stage": "test"}, {}]
    ((name, waves),) = by_labels(labels)
    assert name == "by stage"
    assert waves == (
        WaveRule("test", labels="stage=test"),
        WaveRule("prod", labels="stage=prod"),
        WaveRule("rest", rest=True),
    )


def test_each_field_is_typed_as_it_is_written() -> None:
    before = form()
    for key in ("move:cert-manager", "waves", "gates", "failures", "delivery", "message", "name"):
        assert entered(before, key, typed(before, key)) == before
    for key, text in (("waves", " ; "), ("gates", "happy"), ("failures", "-1"), ("delivery", "mail")):
        with pytest.raises(UsageError):
            entered(before, key, text)
    assert entered(before, "gates", "").gates == ()


def test_known_values_go_round_and_those_that_are_none_begin_with_the_first() -> None:
    before = form()
    assert before.moves[0].version == "2"
    after = turned(before, "move:cert-manager", 1)
    assert after is not None
    assert after.moves[0].version == "1"
    assert turned(after, "move:cert-manager", 1) == before
    assert turned(entered(before, "waves", "rest"), "waves", 1) == before
    assert turned(before, "message", 1) is None


async def test_it_offers_what_git_has_and_proposes_the_newest_release_where_the_fleet_has_no_newer_one() -> None:
    fleet = addon_fleet()
    fleet.rollouts.in_git = frozenset({"1.14.5", "1.16.0", "1.17.0-rc.1"})
    cells = [key for key in fleet.apps if "basel-1" in key.name]
    async with console(fleet, contexts=(HUB,)) as found:
        app = fleet.apps[cells[0]]
        cell = cell_of(app, ClusterNames(fleet.clusters.values()))
        assert cell is not None
        open_wizard(found.app, [(app.key, cell, "1.16.0")])
        await found.shows("17.0-rc.1, 1.16.0, 1.15.0, 1.14.5")
        screen = cast(RolloutWizard, found.screen)
        assert screen.form.moves[0].version == "1.15.0", "what was proposed is not taken away again"
    async with console(addon_fleet(), contexts=(HUB,)) as found:
        rollouts(found).in_git = frozenset({"1.16.0"})
        open_wizard(found.app, [(app.key, cell, "1.15.0")])
        await found.shows("1.15.0 x1 → 1.16.0")


async def test_what_can_not_be_started_says_why() -> None:
    fleet = addon_fleet()
    fleet.rollouts.refusals = ("wave rest: its sync window is closed",)
    async with console(fleet, contexts=(HUB,)) as found:
        await opened(found)
        await found.press("S")
        await found.shows("can't be started: wave rest:")
