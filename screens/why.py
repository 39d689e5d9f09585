"""Why an application is in the state that it is in, in a sentence or two, for the line under a table.

Owns: `why`, which says at once what the application's own object says, and what the fleet found out
(`fleetui.fleet.why`) as soon as that is known. Pure; the words of the cluster are used as they are.
"""

from __future__ import annotations

from fleetui.fleet.views import Why
from fleetui.model.app import App, AppResource, OperationState
from fleetui.model.objects import ObjectRef
from fleetui.model.status import (
    PROBLEM_ORDER,
    ClusterState,
    ClusterStatus,
    HealthStatus,
    OperationPhase,
    SyncStatus,
)
from fleetui.model.times import age
from screens.words import ago, short_revision, who

_SAID_HERE = frozenset({"", "ClusterUnreachable", "Syncing"})
"""Causes that this module tells more about than the fleet does: since when, and which try it is."""


def why(app: App, cluster: ClusterStatus | None, now: float, *, told: Why | None = None) -> str:
    """What a human wants to know of `app` first: sentences, the most pressing one first.

    `cluster` is the status of its hub, None where nothing is known of it; `now` is in seconds since the epoch; `told`
    is what the fleet says that it waits for, where somebody has looked.
    """
    if told is not None and told.cause not in _SAID_HERE:
        found = [_stale(cluster, now), _told(app, told, now), told.remedy, _sync(app)]
    else:
        deleted = "It is being deleted." if app.deleting else ""
        found = [_stale(cluster, now), deleted, *_conditions(app), _operation(app, now), _health(app, now), _sync(app)]
    sentences = list(dict.fromkeys(_sentence(text) for text in found if text))
    return " ".join(sentences) if sentences else _calm(app, now)


def _sentence(text: str) -> str:
    text = text.strip()
    return text if text.endswith((".", "!", "?", "…")) else f"{text}."


def _stale(cluster: ClusterStatus | None, now: float) -> str:
    if cluster is None or cluster.state is ClusterState.LIVE:
        return ""
    reason = f" ({cluster.message})" if cluster.message else ""
    since = age(now - cluster.since)
    return f"{cluster.name} is {cluster.state.value} since {since}{reason}: its last known state is shown"


def _conditions(app: App) -> list[str]:
    """Errors first; a condition that only repeats the operation's message is left to it."""
    told = app.operation.message if app.operation is not None else ""
    ordered = sorted(app.conditions, key=lambda condition: not condition.is_error)
    return [f"{each.type}: {each.message}" for each in ordered if not told or each.message != told]


def _operation(app: App, now: float) -> str:
    operation = app.operation
    if operation is None or operation.phase is OperationPhase.SUCCEEDED:
        return "A sync was asked for and has not begun" if app.pending else ""
    if not operation.phase.completed:
        return progress(operation, now)
    when = f" {ago(operation.finished_at, now)}" if operation.finished_at else ""
    return f"The last sync {operation.phase.value.lower()}{when}: {operation.message or _failed_results(operation)}"


def progress(operation: OperationState, now: float) -> str:
    """One line on a running operation: what, since when, which try, what it waits for."""
    to = f" to {short_revision(operation.revision)}" if operation.revision else ""
    since = f" since {age(now - operation.started_at)}" if operation.started_at else ""
    tries = f", try {operation.retry_count + 1}" if operation.retry_count else ""
    if tries and operation.retry_limit > 0:
        tries += f" of {operation.retry_limit + 1}"
    verb = "Terminating" if operation.phase is OperationPhase.TERMINATING else "Syncing"
    return f"{verb}{to}{since}{tries}" + (f": {operation.message}" if operation.message else "")


def _failed_results(operation: OperationState) -> str:
    failed = [result for result in operation.results if result.status not in {"Synced", "Pruned", "PruneSkipped", ""}]
    return "; ".join(f"{name_of(result.ref)}: {result.message}" for result in failed[:3])


def _told(app: App, told: Why, now: float) -> str:
    status = app.health.status
    if status is HealthStatus.HEALTHY or any(told.cause == each.type for each in app.conditions):
        return told.words  # a comparison that fails is not why the objects are as they are
    more = told.words.removeprefix(f"It is {status.value}").lstrip(".: ")
    return f"{_state(app, now)}: {more}" if more else _state(app, now)


def _state(app: App, now: float) -> str:
    since = f" since {age(now - app.health_since)}" if app.health_since else ""
    return f"{app.health.status.value}{since}"


def _health(app: App, now: float) -> str:
    status, state = app.health.status, _state(app, now)
    if status is HealthStatus.HEALTHY:
        return ""
    worst = _worst(app)
    if app.health.message:
        return f"{state}: {app.health.message}"
    if worst is not None and worst.health is not None:
        text = f": {worst.health.message}" if worst.health.message else ""
        return f"{state}: {name_of(worst.ref)}{text}"
    if status is HealthStatus.UNKNOWN:
        return f"Its health is not known{state.removeprefix(status.value)}"
    return state


def _worst(app: App) -> AppResource | None:
    """The object that explains the application's health best: in the same state, if possible with a message."""
    bad = [each for each in app.resources if each.health is not None and each.health.status is not HealthStatus.HEALTHY]
    ranked = sorted(
        bad,
        key=lambda each: (
            each.health is None or each.health.status is not app.health.status,
            each.health is None or not each.health.message,
            PROBLEM_ORDER[each.health.status] if each.health else 9,
        ),
    )
    return ranked[0] if ranked else None


def _sync(app: App) -> str:
    if app.sync is SyncStatus.SYNCED:
        return ""
    if app.sync is SyncStatus.UNKNOWN:
        return "" if app.conditions else "It has not been compared with Git"
    differing = [each for each in app.resources if each.sync is SyncStatus.OUT_OF_SYNC]
    pruned = [each for each in differing if each.requires_pruning]
    changed = [each for each in differing if not each.requires_pruning]
    parts = []
    if changed or not differing:
        verb = "differs" if len(changed) == 1 else "differ"
        parts.append(f"{_listed(changed)} {verb} from Git" if changed else "It differs from Git")
    if pruned:
        parts.append(f"{_listed(pruned)} no longer in Git, to be pruned")
    return "; ".join(parts) + ("" if app.automation.enabled else "; automated sync is off")


def _listed(resources: list[AppResource], most: int = 3) -> str:
    names = ", ".join(name_of(each.ref) for each in resources[:most])
    return names if len(resources) <= most else f"{names} and {len(resources) - most} more"


def _calm(app: App, now: float) -> str:
    last = app.operation
    synced = f"Synced to {short_revision(app.revision)}" if app.revision else "Synced"
    healthy = f", healthy since {age(now - app.health_since)}" if app.health_since else ", healthy"
    if last is None or last.finished_at is None:
        return f"{synced}{healthy}."
    return f"{synced}{healthy}. Last sync {ago(last.finished_at, now)}, {who(last.initiated_by, last.automated)}."


def name_of(ref: ObjectRef) -> str:
    """An object as people say it: kind and name."""
    return f"{ref.kind} {ref.name}"
