"""The dialog before anything changes: it shows what will happen, and nothing happens without it."""

from __future__ import annotations

import asyncio
from typing import cast

import pytest
from msgspec.structs import replace
from textual.widgets import Input

from fleetui.fleet.views import Action, ActionKind, Outcome, Plan
from fleetui.model.app import Automation
from fleetui.model.errors import ConflictError, FleetError
from screens.confirm import ConfirmScreen
from tests.screens.console import Console, console
from tests.screens.fake_fleet import FakeFleet, app, key, ref, small_fleet, status, sync_plan

PAYMENTS = key("payments-service")


def fleet_of(found: Console) -> FakeFleet:
    return cast(FakeFleet, found.app.fleet)


def quiet(plan: Plan) -> Plan:
    """The plan of a cluster that isn't protected."""
    return replace(plan, type_to_confirm="")


@pytest.fixture
def fleet() -> FakeFleet:
    found = small_fleet()
    found.plans[ActionKind.SYNC] = quiet(sync_plan())
    return found


@pytest.mark.parametrize("size", [(80, 24), (200, 50)], ids=["80x24", "200x50"])
async def test_looks(size: tuple[int, int]) -> None:
    async with console(small_fleet(), size=size) as found:
        await found.press("S")
        await found.shows("to go on")
        found.screen.query_one(Input).cursor_blink = False
        await found.still()
        found.looks(f"sync-{size[0]}x{size[1]}")


async def test_it_names_object_cluster_and_commits_and_says_what_happens(fleet: FakeFleet) -> None:
    async with console(fleet) as found:
        await found.press("S")
        text = await found.shows("image 1.98 → 1.99")
        for said in (
            "Sync payments-service on prod-eu-1 ⚿",
            "from  77aa001  “initial settings”  Bo Riis 25h ago",
            "to    a1b2c3d  “bump payments to 1.99”  Ann Lee 4m ago",
            "2 change",
            "1 keep",
            "undoes what kubectl-edit set",
            "same as: fleetui sync prod-eu-1/argocd/payments-service",
        ):
            assert said in text


async def test_enter_does_it_once_and_the_outcome_is_told(fleet: FakeFleet) -> None:
    async with console(fleet) as found:
        await found.press("S")
        await found.shows("enter Sync")
        await found.press("enter")
        await found.until(lambda: found.toasts(), "the outcome")
        assert [action.app for action in fleet.executed] == [PAYMENTS]
        assert found.toasts() == ["sync of prod-eu-1/argocd/payments-service begun"]
        assert not isinstance(found.screen, ConfirmScreen)


async def test_esc_does_nothing(fleet: FakeFleet) -> None:
    async with console(fleet) as found:
        await found.press("S")
        await found.shows("enter Sync")
        await found.press("escape")
        await found.still()
        assert fleet.executed == []


async def test_a_failure_is_told_and_never_tried_again(fleet: FakeFleet) -> None:
    fleet.outcome = ConflictError("prod-eu-1: another operation is already in progress", cluster="prod-eu-1")
    async with console(fleet) as found:
        await found.press("S")
        await found.shows("enter Sync")
        await found.press("enter")
        await found.until(lambda: found.toasts(), "the failure")
        assert found.toasts() == ["prod-eu-1: another operation is already in progress"]
        assert len(fleet.executed) == 1


async def test_what_was_not_accepted_is_told_as_an_error(fleet: FakeFleet) -> None:
    fleet.outcome = Outcome(action=sync_plan().action, accepted=False, message="the sync window is closed until 22:00")
    async with console(fleet) as found:
        await found.press("S")
        await found.shows("enter Sync")
        await found.press("enter")
        await found.until(lambda: found.toasts(), "the outcome")
        assert [each.severity for each in found.app._notifications] == ["error"]


async def test_nothing_can_be_confirmed_before_the_plan_is_there(fleet: FakeFleet) -> None:
    async with console(fleet) as found:
        fleet.gate = asyncio.Event()
        await found.press("S")
        await found.shows("Working out what will happen")
        await found.press("enter", "enter")
        assert fleet.executed == []
        assert isinstance(found.screen, ConfirmScreen)
        found.app._runtime.post(fleet.gate.set)
        await found.shows("enter Sync")


async def test_a_refusal_is_said_and_the_button_is_not_offered(fleet: FakeFleet) -> None:
    fleet.plans[ActionKind.SYNC] = replace(
        quiet(sync_plan()), refusals=("you may not patch applications in argocd (RBAC)",)
    )
    async with console(fleet) as found:
        await found.press("S")
        text = await found.shows("you may not patch applications in argocd (RBAC)")
        assert "enter Sync" not in text
        await found.press("enter")
        assert fleet.executed == []


async def test_a_plan_that_can_not_be_had_is_a_sentence_and_nothing_is_offered(fleet: FakeFleet) -> None:
    fleet.plans[ActionKind.SYNC] = FleetError("git.example.com does not answer", "try again later")
    async with console(fleet) as found:
        await found.press("S")
        await found.shows("git.example.com does not answer (try again later)")
        await found.press("enter")
        assert fleet.executed == []


async def test_a_protected_cluster_wants_its_name_typed() -> None:
    async with console(small_fleet()) as found:
        fleet = fleet_of(found)
        await found.press("S")
        await found.shows("Type prod-eu-1 to go on")
        await found.press("enter")
        await found.enter("prod-eu-2")
        assert fleet.executed == []
        await found.press("backspace", "1", "enter")
        await found.until(lambda: len(fleet.executed) == 1, "done")


async def test_the_switches_plan_anew_and_go_with_the_action(fleet: FakeFleet) -> None:
    async with console(fleet) as found:
        await found.press("S")
        await found.shows("p [ ] prune")
        await found.press("p")
        await found.shows("p [x] prune")
        await found.press("d")
        await found.shows("Sync (dry run) payments-service")
        await found.until(lambda: len(fleet.planned) == 3, "planned for each")
        await found.shows("enter Sync (dry run)")
        await found.press("enter")
        await found.until(lambda: len(fleet.executed) == 1, "done")
        assert (fleet.executed[0].prune, fleet.executed[0].dry_run) == (True, True)


async def test_switches_are_reached_with_tab_where_a_name_is_typed() -> None:
    async with console(small_fleet()) as found:
        await found.press("S")
        await found.shows("Type prod-eu-1 to go on")
        await found.press("tab", "p")
        await found.shows("p [x] prune")


async def test_marked_applications_are_asked_for_one_after_the_other(fleet: FakeFleet) -> None:
    async with console(fleet) as found:
        await found.press("space", "space", "S")
        await found.shows("1 of 2")
        await found.shows("enter Sync")
        await found.press("enter")
        await found.shows("2 of 2")
        await found.press("escape")
        await found.until(lambda: len(fleet.executed) == 1, "the first alone")


async def test_refresh_and_hard_refresh(fleet: FakeFleet) -> None:
    async with console(fleet) as found:
        await found.press("R")
        text = await found.shows("Compares it with Git anew; nothing is applied")
        assert "prune" not in text
        await found.press("enter")
        await found.until(lambda: len(fleet.executed) == 1, "refreshed")
        await found.press("ctrl+r")
        await found.shows("drops what is cached")
        await found.press("enter")
        await found.until(lambda: len(fleet.executed) == 2, "refreshed hard")
        assert [(action.kind, action.hard) for action in fleet.executed] == [
            (ActionKind.REFRESH, False),
            (ActionKind.REFRESH, True),
        ]


async def test_a_rollback_goes_to_the_entry_under_the_cursor_and_not_to_the_current_one(fleet: FakeFleet) -> None:
    async with console(fleet) as found:
        await found.press("B")
        await found.shows("initial settings")
        await found.press("B")
        await found.shows("Roll back payments-service on prod-eu-1")
        await found.shows("enter Roll back")
        await found.press("enter")
        await found.until(lambda: len(fleet.executed) == 1, "asked for")
        assert (fleet.executed[0].kind, fleet.executed[0].history_id) == (ActionKind.ROLLBACK, 6)
        await found.press("k", "B")
        await found.until(lambda: any("is the current one" in toast for toast in found.toasts()), "told")
        assert len(fleet.executed) == 1


async def test_a_node_of_the_tree_is_synced_alone(fleet: FakeFleet) -> None:
    async with console(fleet) as found:
        await found.press("enter")
        await found.shows("payments-api-7c9-x2x")
        await found.press("G", "k", "S")
        await found.shows("only ConfigMap settings")
        await found.press("escape", "space", "space", "S")
        await found.shows("only ConfigMap settings, Secret credentials")
        await found.press("enter")
        await found.until(lambda: len(fleet.executed) == 1, "asked for")
        assert fleet.executed[0].resources == (ref("ConfigMap", "settings"), ref("Secret", "credentials"))


async def test_read_only_offers_no_dialog_at_all() -> None:
    async with console(small_fleet(read_only=True)) as found:
        await found.press("S")
        await found.until(lambda: found.toasts(), "told")
        assert found.toasts() == ["Read-only: nothing can be changed from here"]
        assert fleet_of(found).planned == []
        assert "S sync" not in found.text


async def test_an_application_that_vanished_meanwhile_does_not_matter_to_the_dialog(fleet: FakeFleet) -> None:
    async with console(fleet) as found:
        await found.press("S")
        await found.shows("enter Sync")
        fleet.publish(app("new-one"), removed=(PAYMENTS,), clusters=(status("prod-eu-1", protected=True),))
        await found.until(lambda: PAYMENTS not in found.app.picture.apps, "gone")
        await found.press("escape")
        await found.shows("new-one")


async def test_automated_sync_is_suspended_and_resumed_by_one_key(fleet: FakeFleet) -> None:
    for kind in (ActionKind.SUSPEND, ActionKind.RESUME):
        fleet.plans[kind] = Plan(Action(kind=kind, app=PAYMENTS), notes=(f"about {kind}",))
    async with console(fleet) as found:
        await found.press("P")
        await found.shows("about suspend")
        await found.press("enter")
        await found.until(lambda: found.toasts(), "the outcome")
        suspended = replace(fleet.apps[PAYMENTS], automation=Automation(enabled=False))
        fleet.publish(suspended)
        await found.until(lambda: not found.app.picture.apps[PAYMENTS].automation.enabled, "it is off")
        await found.press("P")
        await found.shows("about resume")
        await found.press("enter")
        await found.until(lambda: len(fleet.executed) == 2, "the second outcome")
    assert [action.kind for action in fleet.executed] == [ActionKind.SUSPEND, ActionKind.RESUME]


async def test_a_narrow_dialog_shows_every_switch_and_the_whole_command(fleet: FakeFleet) -> None:
    fleet.plans[ActionKind.ROLLBACK] = Plan(
        Action(kind=ActionKind.ROLLBACK, app=PAYMENTS, history_id=6),
        notes=("about rollback",),
        command="fleetui rollback prod-eu-1/argocd/payments-service 6 --prune --restore-auto-sync",
    )
    async with console(fleet, size=(64, 24)) as found:
        await found.press("h")
        await found.shows("initial settings")
        await found.press("B")
        await found.shows("about rollback")
        await found.still()
        dialog = [line.strip(" │") for line in found.text.splitlines() if "│" in line]
    assert dialog[1:3] == ["", "- about rollback"], "one blank line, and not two"
    switches = " ".join(line for line in dialog if "[ ]" in line)
    assert switches.split("[ ]")[1:] == [" prune    d ", " dry run    a ", " auto-sync back c ", " in Git"]
    assert "".join(dialog[-2:]).replace(" ", "").endswith("payments-service6--prune--restore-auto-sync")


async def test_a_rollback_in_git_is_called_so(fleet: FakeFleet) -> None:
    fleet.plans[ActionKind.REVERT] = Plan(
        Action(kind=ActionKind.REVERT, app=PAYMENTS, history_id=6), notes=("x",), type_to_confirm="prod-eu-1"
    )
    async with console(fleet) as found:
        await found.press("h")
        await found.shows("initial settings")
        await found.press("B", "c")
        await found.shows("Roll back payments-service on prod-eu-1 ⚿ in Git")


async def test_what_has_no_switches_speaks_of_none(fleet: FakeFleet) -> None:
    kind = ActionKind.SUSPEND
    fleet.plans[kind] = Plan(Action(kind=kind, app=PAYMENTS), notes=("x",), type_to_confirm="prod-eu-1")
    async with console(fleet) as found:
        await found.press("P")
        await found.shows("Type prod-eu-1 to go on")
        await found.still()
        assert "to the switches" not in found.text


async def test_leaving_says_which_automated_sync_it_would_leave_off(fleet: FakeFleet) -> None:
    kind = ActionKind.ROLLBACK
    fleet.plans[kind] = Plan(Action(kind=kind, app=PAYMENTS, history_id=6), notes=("about rollback",))
    async with console(fleet) as found:
        await found.press("h")
        await found.shows("initial settings")
        await found.press("B")
        await found.shows("about rollback")
        await found.press("a")
        await found.until(lambda: cast(ConfirmScreen, found.screen).offered, "the plan with the switch")
        await found.press("enter")
        await found.until(lambda: len(fleet.executed) == 1, "the rollback")
        found.app.clear_notifications()  # what is told of the rollback lies for 5 s on what is looked for
        await found.press("escape", "q")
        await found.shows("Automated sync stays off then: payments-service")


async def test_a_rollback_can_be_a_commit_or_put_automated_sync_back(fleet: FakeFleet) -> None:
    for kind in (ActionKind.ROLLBACK, ActionKind.REVERT):
        fleet.plans[kind] = Plan(Action(kind=kind, app=PAYMENTS, history_id=6), notes=(f"about {kind}",))
    async with console(fleet) as found:
        await found.press("h")
        await found.shows("initial settings")
        await found.press("B")
        await found.shows("about rollback")
        dialog = found.screen
        assert isinstance(dialog, ConfirmScreen)
        await found.press("a")
        await found.until(lambda: dialog.asked.restore, "automated sync again")
        await found.press("c")
        await found.shows("about revert")
        assert (dialog.asked.kind, dialog.asked.restore) == (ActionKind.REVERT, False)
        await found.press("p")
        assert not dialog.asked.prune
        await found.press("c")
        await found.shows("about rollback")
