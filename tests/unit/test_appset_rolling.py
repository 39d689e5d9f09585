"""RollingSync beyond what the real Argo CD was told (tests/e2e/set_verdicts.py): time, and amounts."""

from __future__ import annotations

from typing import Any

import pytest

from fleetui.engine.application import Application
from fleetui.engine.appset.applicationset import ApplicationSet
from fleetui.engine.appset.rolling import USERNAME, Rollout, in_reverse, roll, with_syncs
from fleetui.engine.appset.steps import Steps
from fleetui.model.objects import Obj
from fleetui.model.times import format_time

NOW = 1_800_000_000.0


def app(name: str, *, step: str = "first", revision: str = "one", **status: Any) -> Obj:
    sync = {"status": "OutOfSync", "revision": revision}
    return {
        "metadata": {"name": name, "namespace": "argocd", "labels": {"step": step}},
        "spec": {"syncPolicy": {"automated": {"prune": True}}},
        "status": {"sync": sync, "health": {"status": "Healthy"}, "reconciledAt": format_time(NOW), **status},
    }


def state(name: str, status: str, *, ago: float = 0.0, message: str = "told", revision: str = "one") -> Obj:
    return {
        "application": name,
        "status": status,
        "message": message,
        "step": "1",
        "targetRevisions": [revision],
        "lastTransitionTime": format_time(NOW - ago),
    }


def of(*statuses: Obj, maxima: tuple[Any, ...] = (None,)) -> ApplicationSet:
    names = ("first", "second", "third")
    steps: list[Obj] = [
        {
            "matchExpressions": [{"key": "step", "operator": "In", "values": [name]}],
            **({} if most is None else {"maxUpdate": most}),
        }
        for name, most in zip(names, maxima, strict=False)
    ]
    spec = {"strategy": {"type": "RollingSync", "rollingSync": {"steps": steps}}}
    metadata = {"name": "addons", "namespace": "argocd"}
    return ApplicationSet({"metadata": metadata, "spec": spec, "status": {"applicationStatus": list(statuses)}})


def rolled(appset: ApplicationSet, *apps: Obj, grace: float = 0.0, changed: frozenset[str] = frozenset()) -> Rollout:
    return roll(appset, apps, [Application(each) for each in apps], changed=changed, now=NOW, grace=grace)


def states(rollout: Rollout) -> dict[str, str]:
    return {each["application"]: each["status"] for each in rollout.statuses}


def test_nothing_begins_within_the_grace_after_a_change() -> None:
    waiting = state("a", "Healthy", revision="zero")
    rollout = rolled(of(waiting), app("a"), grace=30.0)
    assert (states(rollout), rollout.syncs, rollout.wait) == ({"a": "Waiting"}, frozenset(), 30.0)
    later = of(rollout.statuses[0] | {"lastTransitionTime": format_time(NOW - 29)})
    assert rolled(later, app("a"), grace=30.0).wait == 1.0
    over = of(rollout.statuses[0] | {"lastTransitionTime": format_time(NOW - 30)})
    assert states(rolled(over, app("a"), grace=30.0)) == {"a": "Pending"}


def test_who_has_not_looked_since_the_change_is_asked_to_once() -> None:
    changed = "Application has pending changes, setting status to Waiting"
    late = app("b", reconciledAt=format_time(NOW - 60))
    appset = of(state("a", "Waiting", message=changed), state("b", "Waiting", ago=60))
    rollout = rolled(appset, app("a"), late)
    assert (rollout.refresh, rollout.syncs, rollout.conditions) == (("b",), frozenset(), ())
    late["metadata"]["annotations"] = {"argocd.argoproj.io/refresh": "normal"}
    assert rolled(appset, app("a"), late).refresh == ()


@pytest.mark.parametrize(
    ("most", "begins"),
    [
        (None, 5),
        (0, 0),
        (2, 2),
        ("0%", 0),
        ("10%", 1),
        ("50%", 2),
        ("100%", 5),
        ("some", 1),
    ],
)
def test_as_many_begin_as_may(most: Any, begins: int) -> None:
    names = [f"app-{number}" for number in range(5)]
    appset = of(*(state(name, "Waiting", ago=9) for name in names), maxima=(most,))
    rollout = rolled(appset, *map(app, names))
    assert list(states(rollout).values()).count("Pending") == begins
    told = next(each.message for each in rollout.conditions if each.type == "InvalidRolloutConfig")
    assert told == (
        "Step 1 has an invalid maxUpdate value: some" if most == "some" else "Rolling Sync Configured correctly"
    )


def test_a_sync_that_began_in_the_same_second_is_not_asked_for_again() -> None:
    operation = {"initiatedBy": {"username": USERNAME}, "sync": {"revision": "one"}}
    running = {"phase": "Running", "startedAt": format_time(NOW), "operation": operation}
    there = app("a", operationState=running)
    rollout = rolled(of(state("a", "Pending")), there)
    assert states(rollout) == {"a": "Progressing"}
    former = app("a", operationState={**running, "operation": {**operation, "sync": {"revision": "zero"}}})
    assert states(rolled(of(state("a", "Pending")), former)) == {"a": "Pending"}, "this was the turn before"
    somebody = app("a", operationState={**running, "operation": {"initiatedBy": {"username": "ann"}}})
    rollout = rolled(of(state("a", "Pending")), somebody)
    assert states(rollout) == {"a": "Pending"}, "this one may have begun before its turn came"
    asked = with_syncs(of(), rollout, [app("a")], [Application(somebody)])[0]
    assert asked["operation"]["sync"] == {"revision": "one", "prune": True}
    assert asked["spec"]["syncPolicy"]["automated"] == {"prune": True, "enabled": False}


def test_the_next_step_waits_for_those_that_are_not_there_yet() -> None:
    appset = of(state("a", "Healthy"), state("z", "Waiting", ago=9), maxima=(None, None))
    synced = {"status": "Synced", "revision": "one"}
    first, new, last = app("a", sync=synced), app("b"), app("z", step="second")
    live = [Application(first), Application(last)]
    rollout = roll(appset, [first, new, last], live, changed=(), now=NOW, grace=0.0)
    assert rollout.syncs == {"a", "b"}
    assert states(rollout) == {"a": "Healthy", "z": "Waiting"}


def test_in_reverse_the_last_step_goes_first() -> None:
    apps = [app("a"), app("b", step="third"), app("c", step="second"), app("d", step="none")]
    assert in_reverse(of(maxima=(None, None, None)), apps) == ["b", "c", "a"]


def test_what_is_wrong_with_steps_is_told_in_argo_cds_words() -> None:
    twice = {"matchExpressions": [{"key": "step", "operator": "NotIn", "values": ["x"]}]}
    steps = Steps.sorted([twice, twice], [app("a"), app("b")])
    assert steps.problem() == "Applications 'a', 'b' are selected by multiple steps: [(1-2), (1-2)]"
    exists = {"matchExpressions": [{"key": "step", "operator": "Exists"}]}
    steps = Steps.sorted([exists, exists], [app("a")])
    assert steps.problem() == (
        "Steps 1, 2 have invalid matchExpression operators: Exists, Exists. Supported Operators are 'In' and 'NotIn'"
    )
    assert Steps.sorted([twice, {**exists, "matchExpressions": []}], []).problem() == (
        "Steps [1 2] have no applications matching their criteria"
    )
