"""The commands of rollouts: what they ask, what they print, and what they end with."""

from __future__ import annotations

import asyncio
import json
import os
import signal
from collections.abc import Callable, Coroutine
from typing import Any

import pytest
from click.testing import CliRunner, Result
from msgspec.structs import replace

from fleetui.cli.commands import cli
from fleetui.model.errors import ExitCode, FleetError
from fleetui.model.rollout import (
    CellKey,
    CellPhase,
    CellState,
    Driver,
    GateState,
    Order,
    Rollout,
    RolloutEvent,
    RolloutPhase,
    RolloutState,
    Verb,
)
from tests.screens.fake_fleet import NOW, FakeFleet
from tests.screens.fake_rollouts import FakeRollouts, addon_fleet, underway, with_cell

EVENT = RolloutEvent(NOW, "wave complete", wave="asia")


@pytest.fixture
def fleet(monkeypatch: pytest.MonkeyPatch) -> FakeFleet:
    """The fleet that every command finds."""
    found = addon_fleet()

    async def on_fleet(_: object, work: Callable[[Any], Coroutine[Any, Any, Any]]) -> Any:
        return await work(await found.open())

    monkeypatch.setattr("fleetui.cli.rollout.on_fleet", on_fleet)
    monkeypatch.setattr("fleetui.cli.rollout.with_fleet", lambda _, work: asyncio.run(on_fleet(None, work)))
    monkeypatch.setattr("time.time", lambda: NOW)
    return found


def run(*words: str) -> tuple[int, Result]:
    done = CliRunner().invoke(cli, ["rollout", *words], standalone_mode=False)
    if isinstance(done.exception, FleetError):
        return done.exception.exit_code, done
    assert done.exception is None, done.exception
    return done.return_value, done


def scripted(fleet: FakeFleet, **state: Any) -> Rollout:
    """A rollout that is under way, with this in its state."""
    rollout = underway(fleet, **state)
    fleet.rollouts.stored[rollout.plan.key] = rollout
    return rollout


# --- plans -----------------------------------------------------------------------------------------------------------


def test_a_plan_says_waves_changes_and_what_has_it_already(fleet: FakeFleet) -> None:
    fleet.rollouts.notes = ("milan-1 is slow",)
    code, done = run(
        "plan", "cert-manager=1.15.0", "--wave", "canary:1", "--wave", "asia:region=asia", "--wave", "rest"
    )
    assert code == ExitCode.OK
    text = done.stdout
    assert "Rollout cert-manager-1: cert-manager 1.14.5 → 1.15.0" in text
    assert "1 cell already there: basel-1/cert-manager" in text
    rows = [line.split() for line in text.splitlines()]
    assert ["canary", "1", "0", "synced,", "healthy", "5m", "seoul-1"] in rows
    assert ["rest", "4", "0", "synced,", "healthy", "5m", "paris-1,", "milan-1,", "porto-1,", "turin-1"] in rows
    assert "10 cells: seoul-1/cert-manager" in text
    assert "change   Deployment" in text
    assert done.stderr == "fleetui: milan-1 is slow\n"


def test_a_plan_that_is_refused_ends_with_5_and_says_why(fleet: FakeFleet) -> None:
    fleet.rollouts.refusals = ("paris-1: a sync window forbids it",)
    code, done = run("plan", "cert-manager=1.15.0", "-o", "json")
    assert code == ExitCode.REFUSED
    assert json.loads(done.stdout)["refusals"] == ["paris-1: a sync window forbids it"]
    assert "refused: paris-1: a sync window forbids it" in done.stderr
    code, done = run("start", "cert-manager=1.15.0")
    assert (code, fleet.rollouts.started) == (ExitCode.REFUSED, [])


def test_the_document_of_a_plan(fleet: FakeFleet) -> None:
    _, done = run("plan", "cert-manager=1.15.0", "--gate", "synced", "--gate", "healthy:5m/1h", "-o", "json")
    found = json.loads(done.stdout)
    assert (found["name"], found["addons"]) == ("cert-manager-1", {"cert-manager": "1.15.0"})
    assert [(wave["name"], wave["gates"], len(wave["cells"])) for wave in found["waves"]] == [
        ("all", ["synced", "healthy:5m/1h"], 11)
    ]
    assert found["cells"][0] == {
        "cluster": "seoul-1",
        "addon": "cert-manager",
        "app": "hub/argocd/seoul-1-cert-manager",
        "from": "1.14.5",
        "to": "1.15.0",
        "change": "same",
        "truth": {
            "kind": "element",
            "repoURL": "https://git.example.com/addons.git",
            "branch": "main",
            "path": "appsets/addons.yaml",
            "document": "",
            "field": "elements.1.version",
        },
    }
    assert [len(change["cells"]) for change in found["changes"]] == [10, 1]
    assert found["typeToConfirm"] == "milan-1"


def test_a_plan_for_a_comment_is_markdown_in_which_nothing_is_markup(fleet: FakeFleet) -> None:
    _, done = run("plan", "cert-manager=1.15.0", "--wave", "a|b*:rest", "-o", "markdown")
    assert "| a\\|b\\* | 11 | 0 |" in done.stdout
    assert "| WAVE | CELLS |" in done.stdout


def test_what_others_wrote_is_harmless_in_a_terminal(fleet: FakeFleet) -> None:
    text = "[31m]\x1b[31m\x1b]0;x\x07\nsecond"
    before = scripted(fleet, reason=text, events=())
    event = RolloutEvent(NOW, text, who=text, wave=text)
    fleet.rollouts.course = (replace(before.state, phase=RolloutPhase.HALTED, reason=text, events=(event,)),)
    fleet.rollouts.notes = (text,)
    for words in (("resume",), ("status",), ("list",), ("plan", "cert-manager=1.15.0", "--message", text)):
        _, done = run(*words)
        assert "\x1b" not in done.stdout + done.stderr
        assert "\x07" not in done.stdout + done.stderr


@pytest.mark.parametrize(
    ("words", "clusters"),
    [
        (("--cluster", "seoul-1", "--cluster", "milan-1"), {"seoul-1", "milan-1"}),
        (("-l", "region=europe"), {"paris-1", "milan-1", "porto-1", "turin-1", "basel-1"}),
        (("-l", "region=europe", "--cluster", "paris-1"), {"paris-1"}),
        ((), set()),
    ],
)
def test_cells_are_chosen_by_clusters_and_their_labels(
    fleet: FakeFleet, words: tuple[str, ...], clusters: set[str]
) -> None:
    assert run("plan", "cert-manager=1.15.0", *words)[0] == ExitCode.OK
    chosen = fleet.rollouts.requests[-1].cells
    assert {fleet.apps[key].destination.name for key in chosen} == clusters


@pytest.mark.parametrize(
    ("words", "code", "said"),
    [
        (("certmanager=1",), ExitCode.NOT_FOUND, "no cluster has an addon certmanager (did you mean cert-manager?)"),
        (("cert-manager=1", "--cluster", "seul-1"), ExitCode.NOT_FOUND, "no cluster seul-1 (did you mean seoul-1?)"),
        (("cert-manager=1", "-l", "a=b"), ExitCode.NOT_FOUND, "none of the chosen clusters has cert-manager"),
        (("cert-manager=1", "-l", "a in ("), ExitCode.USAGE, "-l a in ("),
    ],
)
def test_what_is_not_there_is_named(fleet: FakeFleet, words: tuple[str, ...], code: int, said: str) -> None:
    found, done = run("plan", *words)
    assert found == code
    assert said in str(done.exception)


# --- beginning and carrying on ---------------------------------------------------------------------------------------


def test_start_wants_the_word_for_protected_clusters(fleet: FakeFleet) -> None:
    code, done = run("start", "cert-manager=1.15.0")
    assert code == ExitCode.REFUSED
    assert "--yes milan-1 confirms" in str(done.exception)
    assert fleet.rollouts.started == []


@pytest.mark.parametrize(
    ("phase", "code"),
    [
        (RolloutPhase.DONE, ExitCode.OK),
        (RolloutPhase.HALTED, ExitCode.FAILED),
        (RolloutPhase.ABORTED, ExitCode.FAILED),
        (RolloutPhase.PAUSED, ExitCode.DIFFERS),
    ],
)
def test_start_drives_tells_each_event_once_and_ends_as_the_rollout_did(
    fleet: FakeFleet, phase: RolloutPhase, code: int
) -> None:
    begun = RolloutEvent(NOW, "begun", who="ann@bastion")
    fleet.rollouts.course = (
        RolloutState(RolloutPhase.RUNNING, events=(begun,)),
        RolloutState(RolloutPhase.RUNNING, events=(begun, EVENT)),
        RolloutState(phase, "so it is", events=(begun, EVENT)),
    )
    found, done = run("start", "cert-manager=1.15.0", "--yes", "milan-1")
    assert found == code
    (key, take_over), *more = fleet.rollouts.driven
    assert (key.name, take_over, more) == ("cert-manager-1", False, [])
    assert done.stdout.splitlines()[:3] == [
        "rollout cert-manager-1 begun",
        "08:53:20  begun  (ann@bastion)",
        "08:53:20  asia  wave complete",
    ]
    assert f"{phase}: so it is" in done.stdout.splitlines()[3]
    hints = {RolloutPhase.HALTED: "rollout retry", RolloutPhase.PAUSED: "rollout resume cert-manager-1 goes on"}
    assert hints.get(phase, "") in done.stderr


def test_start_prints_one_object_for_programs(fleet: FakeFleet) -> None:
    fleet.rollouts.course = (RolloutState(RolloutPhase.DONE, events=(EVENT,)),)
    code, done = run("start", "cert-manager=1.15.0", "--yes", "milan-1", "-o", "json")
    assert code == ExitCode.OK
    found = json.loads(done.stdout)
    assert (found["phase"], found["events"][0]["what"]) == ("done", "wave complete")
    assert "wave complete" in done.stderr


def test_start_detached_leaves_it_and_says_how_it_goes_on(fleet: FakeFleet) -> None:
    code, done = run("start", "cert-manager=1.15.0", "--yes", "milan-1", "--detach")
    assert code == ExitCode.OK
    assert len(fleet.rollouts.started) == 1
    assert fleet.rollouts.driven == []
    assert "fleetui rollout resume cert-manager-1 carries it on" in done.stderr


def test_nothing_to_do_is_no_failure(fleet: FakeFleet) -> None:
    code, done = run("start", "cert-manager=1.15.0", "--cluster", "basel-1")
    assert (code, fleet.rollouts.started) == (ExitCode.OK, [])
    assert "there is nothing to do" in done.stderr


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGHUP])
def test_a_signal_leaves_it_as_it_is_and_says_how_it_goes_on(fleet: FakeFleet, number: int) -> None:
    rollouts: FakeRollouts = fleet.rollouts
    drive = rollouts.drive
    ended = []

    async def interrupted(key: Any, **asked: Any) -> None:
        os.kill(os.getpid(), number)
        try:
            await drive(key, **asked)
        finally:
            ended.append(key)

    rollouts.drive = interrupted  # type: ignore[method-assign]
    code, done = run("start", "cert-manager=1.15.0", "--yes", "milan-1")
    assert code == 130
    assert len(ended) == 1
    assert "fleetui: cert-manager-1 stays as it is; fleetui rollout resume cert-manager-1 carries it on" in done.stderr


def test_resume_drives_what_runs_without_an_order_and_takes_over_when_asked(fleet: FakeFleet) -> None:
    before = scripted(fleet)
    fleet.rollouts.course = (replace(before.state, phase=RolloutPhase.DONE),)
    assert run("resume", "--take-over")[0] == ExitCode.OK
    assert fleet.rollouts.orders == []
    assert fleet.rollouts.driven == [(before.plan.key, True)]


def test_resume_says_where_versions_may_be_written(fleet: FakeFleet) -> None:
    before = scripted(fleet)
    fleet.rollouts.course = (replace(before.state, phase=RolloutPhase.DONE),)
    assert run("resume", "--truth", "https://git.example/a.git")[0] == ExitCode.OK
    assert fleet.rollouts.vouched == ["https://git.example/a.git"]


def test_what_another_process_took_over_has_not_ended_for_who_waits(fleet: FakeFleet) -> None:
    before = scripted(fleet)
    fleet.rollouts.course = (before.state,)
    code, done = run("resume")
    assert code == ExitCode.DIFFERS
    assert "it was taken over; fleetui rollout status cert-manager-1 --watch looks on" in done.stderr


def test_resume_orders_it_where_it_is_paused(fleet: FakeFleet) -> None:
    before = scripted(fleet, phase=RolloutPhase.PAUSED)
    fleet.rollouts.obey = lambda rollout, _: replace(rollout, state=replace(rollout.state, phase=RolloutPhase.RUNNING))
    fleet.rollouts.course = (replace(before.state, phase=RolloutPhase.DONE),)
    assert run("resume", "cert-manager-1")[0] == ExitCode.OK
    assert [order.verb for order in fleet.rollouts.orders] == [Verb.RESUME]
    assert len(fleet.rollouts.driven) == 1


def test_rollback_ends_with_0_where_it_is_rolled_back(fleet: FakeFleet) -> None:
    before = scripted(fleet)

    def obey(rollout: Rollout, order: Order) -> Rollout:
        return replace(rollout, state=replace(rollout.state, phase=RolloutPhase.ROLLING_BACK))

    fleet.rollouts.obey = obey
    fleet.rollouts.course = (replace(before.state, phase=RolloutPhase.ROLLED_BACK),)
    code, _ = run("rollback", "--reason", "it is slow")
    assert code == ExitCode.OK
    (order,) = fleet.rollouts.orders
    assert (order.verb, order.reason) == (Verb.ROLL_BACK, "it is slow")
    assert order.who.count("@") == 1


@pytest.mark.parametrize("words", [("pause",), ("abort",), ("approve", "--detach"), ("skip", "--detach")])
def test_what_only_says_something_drives_nothing(fleet: FakeFleet, words: tuple[str, ...]) -> None:
    scripted(fleet, driver=Driver())
    verb, *more = words
    cells = ("--cell", "osaka-1/cert-manager") if verb == "skip" else ()
    code, done = run(verb, "cert-manager-1", *more, *cells)
    assert code == ExitCode.OK
    assert fleet.rollouts.driven == []
    assert [order.verb.value for order in fleet.rollouts.orders] == [verb]
    if verb == "skip":
        assert fleet.rollouts.orders[0].cells == (CellKey("osaka-1", "cert-manager"),)  # type: ignore[arg-type]
    assert "nobody drives it; fleetui rollout resume cert-manager-1 carries it on" in done.stderr


@pytest.mark.parametrize("verb", ["approve", "skip", "retry", "rollback"])
def test_what_lets_it_go_on_drives_it_where_nobody_does(fleet: FakeFleet, verb: str) -> None:
    before = scripted(fleet)
    fleet.rollouts.course = (replace(before.state, phase=RolloutPhase.DONE),)
    assert run(verb, "cert-manager-1")[0] == ExitCode.OK
    assert fleet.rollouts.driven == [], "ann@bastion does"
    scripted(fleet, driver=Driver())
    assert run(verb, "cert-manager-1")[0] == ExitCode.OK
    assert len(fleet.rollouts.driven) == 1


def test_a_cell_is_cluster_and_addon(fleet: FakeFleet) -> None:
    scripted(fleet)
    code, done = run("retry", "--cell", "osaka-1")
    assert code == ExitCode.USAGE
    assert "--cell osaka-1 is not CLUSTER/ADDON" in str(done.exception)


# --- looking ---------------------------------------------------------------------------------------------------------


def test_status_says_waves_gates_and_cells(fleet: FakeFleet) -> None:
    before = scripted(fleet)
    hand = CellState(CellPhase.CHANGED, NOW - 9, found="1.14.9")
    fleet.rollouts.stored[before.plan.key] = with_cell(before, "hanoi-1", hand)
    code, done = run("status")
    assert code == ExitCode.OK
    lines = done.stdout.splitlines()
    assert lines[0] == ("cert-manager-1  cert-manager 1.14.5 → 1.15.0  running, wave 2 of 3, 6m, driven by ann@bastion")
    rows = [line.split() for line in lines]
    assert [*"asia changed 3/5".split(), *"0 of 0 synced (passed), healthy 5m, 2:10 left".split()] in rows
    assert "hanoi-1 cert-manager 1.14.5 1.15.0 changed 9s changed by hand to 1.14.9".split() in rows


@pytest.mark.parametrize(
    ("state", "code"),
    [
        ({}, ExitCode.OK),
        ({"phase": RolloutPhase.HALTED, "reason": "2 failed"}, ExitCode.FAILED),
        ({"phase": RolloutPhase.PAUSED}, ExitCode.DIFFERS),
        ({"phase": RolloutPhase.DONE}, ExitCode.OK),
        ({"phase": RolloutPhase.ROLLED_BACK}, ExitCode.FAILED),
    ],
)
def test_status_ends_as_the_rollout_stands(fleet: FakeFleet, state: dict[str, Any], code: int) -> None:
    scripted(fleet, **state)
    assert run("status", "cert-manager-1")[0] == code


def test_a_rollout_that_waits_for_approval_ends_with_4(fleet: FakeFleet) -> None:
    before = underway(fleet)
    passed = GateState(passed_at=NOW)
    last = replace(before.state.waves[2], started_at=NOW - 9, gates=(passed, passed, GateState(opened_at=NOW)))
    scripted(fleet, wave=2, waves=(*before.state.waves[:2], last))
    code, done = run("status", "-o", "json")
    assert code == ExitCode.DIFFERS
    found = json.loads(done.stdout)
    assert found["awaitsApproval"] is True
    assert found["waves"][2]["gates"][2]["gate"] == "approval"


def test_status_follows_until_it_ends(fleet: FakeFleet) -> None:
    before = scripted(fleet)
    subscribe = fleet.rollouts.subscribe

    def subscribed(key: Any, listener: Callable[[Rollout], None]) -> Any:
        events = (*before.state.events, EVENT)
        fleet.rollouts.becomes(replace(before, state=replace(before.state, events=events)))
        fleet.rollouts.becomes(
            replace(before, state=replace(before.state, events=events, phase=RolloutPhase.DONE, ended_at=NOW))
        )
        return subscribe(key, listener)

    fleet.rollouts.subscribe = subscribed
    code, done = run("status", "-w")
    assert code == ExitCode.OK
    assert done.stdout.splitlines()[-2:] == [
        "08:53:20  asia  wave complete",
        "cert-manager-1  cert-manager 1.14.5 → 1.15.0  done, 6m",
    ]


def test_the_list_and_its_other_name(fleet: FakeFleet) -> None:
    scripted(fleet)
    _, done = run("list")
    row = done.stdout.splitlines()[1].split()
    assert row[:2] == ["cert-manager-1", "cert-manager"]
    assert row[-6:] == ["2/3", "5/11", "0", "ann@bastion", "0s", "ann@bastion"]
    other = CliRunner().invoke(cli, ["get", "rollouts", "-o", "name"], standalone_mode=False)
    assert other.stdout == "cert-manager-1\n"
    _, done = run("list", "-o", "json")
    assert "cells" not in json.loads(done.stdout)[0]
    assert run("list", "-o", "markdown")[1].stdout.splitlines()[0].startswith("| NAME | ADDONS |")


def test_which_rollout_is_meant(fleet: FakeFleet) -> None:
    code, done = run("status")
    assert code == ExitCode.NOT_FOUND
    assert "no rollout is under way" in str(done.exception)
    first = scripted(fleet)
    assert run("status", "argocd/cert-manager-1")[0] == ExitCode.OK
    code, done = run("status", "cert-manager")
    assert code == ExitCode.NOT_FOUND
    assert "did you mean cert-manager-1?" in str(done.exception)
    key = replace(first.plan.key, namespace="other")
    fleet.rollouts.stored[key] = replace(first, plan=replace(first.plan, key=key))
    code, done = run("pause")
    assert code == ExitCode.USAGE
    assert "several rollouts are under way: hub/argocd/cert-manager-1, hub/other/cert-manager-1" in str(done.exception)
