"""RollingSync: which Applications of an ApplicationSet may be synced now.

Owns: `roll`, one step of the state machine: from the ApplicationSet, what it generates and the Applications that there
are to `status.applicationStatus`, and to the syncs that may begin; and `with_syncs`, which asks for them. The rules,
and every word of the messages, are Argo CD's (v3.6.1 `applicationset/progressivesync/progressive_sync.go`). Pure: the
time is passed in.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from fleetui.diff.structure import copy_tree
from fleetui.engine.application import Application, mapping, mappings, strings, text
from fleetui.engine.appset.applicationset import ApplicationSet, name_of
from fleetui.engine.appset.status import (
    INVALID_CONFIG,
    INVALID_ROLLOUT_CONFIG,
    MODIFIED,
    ROLLOUT_COMPLETE,
    ROLLOUT_PROGRESSING,
    VALID_CONFIG,
    Condition,
)
from fleetui.engine.appset.steps import Steps
from fleetui.engine.operation import phase_of
from fleetui.engine.status import INVALID_SPEC_ERROR, UNKNOWN_ERROR
from fleetui.model.objects import Obj
from fleetui.model.status import OperationPhase
from fleetui.model.times import format_time, parse_time

WAITING, PENDING, PROGRESSING, HEALTHY = "Waiting", "Pending", "Progressing", "Healthy"
REVISION_CHANGED = "Application has pending changes, setting status to Waiting"
SPEC_CHANGED = "Application has pending changes (spec differs), setting status to Waiting"
BOTH_CHANGED = "Application has pending changes (revision and spec differ), setting status to Waiting"
USERNAME = "applicationset-controller"
"""Who begins these operations."""


@dataclass(frozen=True)
class Rollout:
    """What `roll` decided.

    `statuses`: `status.applicationStatus`. `refresh`: the Applications that are to be compared anew first. `syncs`:
    those that may be synced. `conditions`: what is told of it. `wait`: seconds until it has to be looked at again in
    any case, 0 for never.
    """

    statuses: list[Obj]
    refresh: tuple[str, ...] = ()
    syncs: frozenset[str] = frozenset()
    conditions: tuple[Condition, ...] = ()
    wait: float = 0.0


def roll(
    appset: ApplicationSet,
    generated: Sequence[Mapping[str, Any]],
    live: Iterable[Application],
    *,
    changed: Collection[str],
    now: float,
    grace: float,
) -> Rollout:
    """One step.

    Args:
        appset: with its `status.applicationStatus` as it is.
        generated: every generated Application.
        live: the Applications of the set that there are.
        changed: the names of those whose spec is not what was generated.
        now: seconds since the epoch.
        grace: seconds after a change was seen in which all Applications may come to see it, before any is synced.
    """
    apps = {app.name: app for app in live}
    steps = Steps.sorted(appset.steps, generated)
    before = {text(each.get("application")): each for each in mappings(appset.status.get("applicationStatus"))}
    waited_since = _changed_at(before.values())
    statuses = {name: _judged(apps[name], before.get(name), steps, name in changed, now) for name in sorted(apps)}
    since = waited_since if waited_since is not None else _changed_at(statuses.values())
    if since is not None:
        left = grace - (now - since)
        if left > 0:
            return Rollout(list(statuses.values()), wait=left)
        # Who has not looked since does not know yet that it is to wait.
        late = [app for app in apps.values() if (parse_time(text(app.status.get("reconciledAt"))) or 0.0) < since]
        if late:
            return Rollout(list(statuses.values()), refresh=tuple(app.name for app in late if not app.refresh))
    allowed = _allowed(steps, statuses, apps)
    _begin(steps, statuses, allowed, now)
    return Rollout(list(statuses.values()), syncs=allowed, conditions=_conditions(steps, statuses.values()))


def with_syncs(
    appset: ApplicationSet, rollout: Rollout, generated: Iterable[Mapping[str, Any]], live: Iterable[Application]
) -> list[Obj]:
    """The generated Applications with automated sync off, and an operation on those whose turn it is
    (`SyncDesiredApplications`).

    An Application whose operation has begun since its turn came gets no other, and one that nobody has compared yet
    none before it is: Argo CD asks twice, and then for no certain revision.
    """
    states = {text(each.get("application")): each for each in rollout.statuses}
    apps = {app.name: app for app in live}
    return [_with_sync(app, states, apps, rollout.syncs) for app in generated]


def without_automation(generated: Mapping[str, Any]) -> Obj:
    """A generated Application as it is written: the rollout alone begins syncs (`disableAutomatedSync`)."""
    app: Obj = copy_tree(generated)
    policy = mapping(app.get("spec")).get("syncPolicy")
    if isinstance(policy, dict) and isinstance(policy.get("automated"), dict):
        policy["automated"]["enabled"] = False
    return app


# --- the state of each ----------------------------------------------------------------------------------------------


def _judged(app: Application, before: Mapping[str, Any] | None, steps: Steps, changed: bool, now: float) -> Obj:
    """The state of one Application (`UpdateApplicationSetApplicationStatus`)."""
    revisions = _revisions(app)
    state: Obj = {
        "application": app.name,
        "status": WAITING,
        "message": "No Application status found, defaulting status to Waiting",
        "lastTransitionTime": format_time(now),
        "targetRevisions": revisions,
    }
    if before is not None:
        state = {**before, "targetRevisions": list(strings(before.get("targetRevisions")))}
    state["step"] = steps.number(app.name)

    def become(status: str, message: str) -> Obj:
        return {**state, "status": status, "message": message, "lastTransitionTime": format_time(now)}

    moved = state["targetRevisions"] != revisions
    if moved or changed:
        state["targetRevisions"] = revisions
        state = become(WAITING, BOTH_CHANGED if moved and changed else REVISION_CHANGED if moved else SPEC_CHANGED)
    synced = text(mapping(app.status.get("sync")).get("status")) == "Synced"
    healthy = text(mapping(app.status.get("health")).get("status")) == "Healthy"
    if state["status"] == WAITING:
        if not synced:
            return state
        status = HEALTHY if healthy else PROGRESSING
        return become(status, f"Application resource has synced, updating status to {status}")
    if state["status"] == PENDING:
        message = _begun(app, state)
        return become(PROGRESSING, message) if message else state
    if state["status"] == PROGRESSING and synced and healthy:
        return become(HEALTHY, "Application resource became Healthy, updating status from Progressing to Healthy")
    return state


def _begun(app: Application, state: Mapping[str, Any]) -> str:
    """Why an Application that was to begin has begun; empty where it has not, or nobody has looked at it since."""
    since = parse_time(text(state.get("lastTransitionTime"))) or 0.0
    looked = parse_time(text(app.status.get("reconciledAt")))
    ours = _was_synced(app, state)
    if looked is not None and not (looked >= since if ours else looked > since):
        return ""
    started = parse_time(text(mapping(app.operation_state).get("startedAt")))
    if ours or (started is not None and started > since):
        phase = phase_of(app.operation_state)
        if phase is OperationPhase.SUCCEEDED:
            return "Application resource completed a sync successfully, updating status from Pending to Progressing"
        if phase is not None and phase.completed:
            return "Application resource completed a sync, updating status from Pending to Progressing"
        return "Application resource became Progressing, updating status from Pending to Progressing"
    conditions = {text(each.get("type")) for each in mappings(app.status.get("conditions"))}
    if conditions & {INVALID_SPEC_ERROR, UNKNOWN_ERROR}:
        return "Application resource has error and cannot sync, updating status to Progressing"
    return ""


def _was_synced(app: Application, state: Mapping[str, Any]) -> bool:
    """Whether the operation has begun that was asked for when the Application's turn came. Argo CD wants any begun in a
    later second; an engine that is woken at once begins it in the same one."""
    operation = mapping(mapping(app.operation_state).get("operation"))
    sync, by = mapping(operation.get("sync")), text(mapping(operation.get("initiatedBy")).get("username"))
    asked = list(strings(sync.get("revisions"))) or ([text(sync["revision"])] if sync.get("revision") else [])
    started = parse_time(text(mapping(app.operation_state).get("startedAt"))) or 0.0
    since = parse_time(text(state.get("lastTransitionTime"))) or 0.0
    return by == USERNAME and started >= since and asked == list(strings(state.get("targetRevisions")))


def _revisions(app: Application) -> list[str]:
    sync = mapping(app.status.get("sync"))
    one = text(sync.get("revision"))
    return list(strings(sync.get("revisions"))) or ([one] if one else [])


def _changed_at(statuses: Iterable[Mapping[str, Any]]) -> float | None:
    """When the last of those that wait came to wait for a change (`GetLatestWaitingTransitionTimeOfAppset`)."""
    changes = {REVISION_CHANGED, SPEC_CHANGED, BOTH_CHANGED}
    waiting = [each for each in statuses if each.get("status") == WAITING and each.get("message") in changes]
    times = [parse_time(text(each.get("lastTransitionTime"))) for each in waiting]
    return max((time for time in times if time is not None), default=None)


# --- whose turn it is -----------------------------------------------------------------------------------------------


def _allowed(steps: Steps, statuses: Mapping[str, Obj], apps: Collection[str]) -> frozenset[str]:
    """The Applications of the steps that are open: those before are all there and healthy (`getAppsToSync`)."""
    allowed: set[str] = set()
    for names in steps.members:
        allowed.update(names)
        if not all(name in apps and statuses[name]["status"] == HEALTHY for name in names):
            break
    return frozenset(allowed)


def _begin(steps: Steps, statuses: dict[str, Obj], allowed: Collection[str], now: float) -> None:
    """Lets as many begin as `maxUpdate` permits (`UpdateApplicationSetApplicationStatusProgress`).

    An Application that no step selects counts for the first one, as it does there.
    """
    step_of = {name: steps.of.get(name, 0) for name in statuses}
    under_way = dict.fromkeys(range(len(steps.members)), 0)
    total = dict(under_way)
    for name, state in statuses.items():
        total[step_of[name]] += 1
        under_way[step_of[name]] += state["status"] in {PENDING, PROGRESSING}
    for name, state in statuses.items():
        step = step_of[name]
        most = steps.most(step, total[step])
        may = most is None or under_way[step] < most
        if may and name in allowed and state["status"] == WAITING:
            under_way[step] += 1
            message = "Application moved to Pending status, watching for the Application resource to start Progressing"
            statuses[name] = {
                **state,
                "status": PENDING,
                "message": message,
                "lastTransitionTime": format_time(now),
            }


def _conditions(steps: Steps, statuses: Iterable[Mapping[str, Any]]) -> tuple[Condition, ...]:
    complete: dict[str, bool] = {}
    for state in statuses:
        step = text(state.get("step"))
        complete[step] = complete.get(step, True) and state.get("status") == HEALTHY
    numbers = [str(position + 1) for position in range(len(steps.wanted))]
    going = next((number for number in numbers if not complete.get(number, True)), "")
    if going:
        message = f"ApplicationSet is performing rollout of step {going}"
        progress = Condition(ROLLOUT_PROGRESSING, True, MODIFIED, message)
    else:
        message = "ApplicationSet Rollout has completed"
        progress = Condition(ROLLOUT_PROGRESSING, False, ROLLOUT_COMPLETE, message)
    problem = steps.problem()
    if problem:
        return Condition(INVALID_ROLLOUT_CONFIG, True, INVALID_CONFIG, problem), progress
    return Condition(INVALID_ROLLOUT_CONFIG, False, VALID_CONFIG, "Rolling Sync Configured correctly"), progress


# --- asking for syncs -----------------------------------------------------------------------------------------------


def _with_sync(
    generated: Mapping[str, Any], states: Mapping[str, Obj], apps: Mapping[str, Application], allowed: Collection[str]
) -> Obj:
    name = name_of(generated)
    state, there = states.get(name, {}), apps.get(name)
    app = without_automation(generated)
    due = name in allowed and state.get("status") == PENDING
    if not due or there is None or not there.status.get("reconciledAt") or _was_synced(there, state):
        return app
    prune = mapping(Application(dict(generated)).automated).get("prune") is True
    app["operation"] = _operation(mapping(app.get("spec")), strings(state.get("targetRevisions")), prune)
    return app


def _operation(spec: Mapping[str, Any], revisions: Sequence[str], prune: bool) -> Obj:
    """The sync that is asked for (`syncApplication`): of the revisions that were seen when its turn came."""
    policy = spec.get("syncPolicy")
    sync: Obj = {}
    if spec.get("sources"):
        sync |= {"revisions": list(revisions)} if revisions else {}
    elif revisions:
        sync["revision"] = revisions[0]
    retry: Any = {"limit": 5}
    if isinstance(policy, Mapping):
        retry = policy["retry"] if isinstance(policy.get("retry"), Mapping) else retry
        sync |= {"syncOptions": list(strings(policy.get("syncOptions")))} if policy.get("syncOptions") else {}
        sync |= {"prune": True} if prune else {}
    reason = "ApplicationSet RollingSync triggered a sync of this Application resource"
    return {
        "initiatedBy": {"username": USERNAME, "automated": True},
        "info": [{"name": "Reason", "value": reason}],
        "sync": sync,
        "retry": dict(retry),
    }


def in_reverse(appset: ApplicationSet, live: Iterable[Mapping[str, Any]]) -> list[str]:
    """The Applications that a step selects in the order in which they are deleted: those of the last step first
    (`PerformReverseDeletion`)."""
    apps = sorted(live, key=name_of)
    steps = Steps.sorted(appset.steps, apps)
    return sorted(steps.of, key=lambda name: -steps.of[name])
