"""What an application waits for: from everything known of it to one paragraph with evidence.

Owns: `explain`, `Why`, and the order in which causes are looked for: what keeps the engine from comparing, then from
syncing, then the object at the bottom of the tree. How a cause is told from words is in `fleetui.fleet.causes`, from an
object in `fleetui.fleet.stuck`. Called by the command line. Pure.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import msgspec

from fleetui.fleet.cause import cause_of
from fleetui.fleet.causes import Cause, told_by
from fleetui.fleet.stuck import stuck
from fleetui.fleet.views import ObjectEvent, Tree, TreeNode
from fleetui.model.app import App, AppKey, OperationState
from fleetui.model.objects import ObjectRef
from fleetui.model.status import ClusterState, ClusterStatus, HealthStatus, OperationPhase, SyncStatus

_EVENTS = 3


class Evidence(msgspec.Struct, frozen=True):
    """Where a cause was read: `kind` is ``cluster``, ``condition``, ``operation``, ``result``, ``status``, ``event``,
    ``finalizer`` or ``tree``; `time` in seconds since the epoch, None where there is none."""

    kind: str
    text: str
    ref: ObjectRef | None = None
    time: float | None = None


class Why(msgspec.Struct, frozen=True):
    """What an application waits for. `cause` is a name for programs, empty where nothing holds it up; `ref` the object
    that does, where it is one; `words` are sentences for people."""

    key: AppKey
    cause: str
    words: str
    ref: ObjectRef | None = None
    evidence: tuple[Evidence, ...] = ()


def explain(
    app: App,
    *,
    cluster: ClusterStatus | None,
    tree: Tree,
    culprit: TreeNode | None,
    live: Mapping[str, Any] | None,
    events: Sequence[ObjectEvent],
) -> Why:
    """The first thing that holds `app` up.

    Args:
        cluster: its hub's state, None where nothing is known of it.
        tree: its objects.
        culprit: the object of the tree that is looked into (`cause.culprit_of`), None where none is in trouble.
        live: that object, None where it is not there or may not be read.
        events: those about all of the tree, the newest last.
    """
    return (
        _of_cluster(app, cluster)
        or _of_conditions(app)
        or _of_operation(app, events)
        or _of_object(app, tree, culprit, live, events)
        or _of_sync(app)
        or Why(app.key, "", f"{app.key.name} waits for nothing: it is {app.health.status} and {app.sync}.")
    )


def _of_cluster(app: App, cluster: ClusterStatus | None) -> Why | None:
    if cluster is None or cluster.state in (ClusterState.LIVE, ClusterState.REGISTERED):
        return None
    reason = f": {cluster.message.rstrip('.')}" if cluster.message else ""
    words = f"The cluster {cluster.name} is {cluster.state.value}{reason}. What is known of it is from before that."
    return Why(app.key, "ClusterUnreachable", words, evidence=(Evidence("cluster", cluster.message),))


def _of_conditions(app: App) -> Why | None:
    for condition in app.conditions:
        if condition.is_error:
            cause = told_by(condition.message) or Cause(condition.type, f"{condition.type}: {condition.message}")
            return Why(
                app.key,
                cause.name,
                _sentences(cause.words, cause.remedy),
                evidence=(Evidence("condition", f"{condition.type}: {condition.message}", time=condition.since),),
            )
    return None


def _of_operation(app: App, events: Sequence[ObjectEvent]) -> Why | None:
    operation = app.operation
    if operation is None or operation.phase is OperationPhase.SUCCEEDED:
        return None
    if operation.phase.completed and app.sync is SyncStatus.SYNCED:
        return None
    evidence = [Evidence("operation", f"{operation.phase}: {operation.message}", time=operation.finished_at)]
    for text, ref in _texts(operation):
        cause = told_by(text)
        if cause is not None:
            if ref is not None:
                evidence.append(Evidence("result", text, ref))
                evidence += _of_events(events, ref)
            subject = f"{ref.kind} {ref.name}: " if ref is not None else ""
            return Why(app.key, cause.name, _sentences(subject + cause.words, cause.remedy), ref, tuple(evidence))
    if operation.phase.completed:
        words = f"The last sync {operation.phase.value.lower()}: {operation.message}"
        return Why(app.key, "SyncFailed", _sentences(words, ""), evidence=tuple(evidence))
    return None


def _texts(operation: OperationState) -> list[tuple[str, ObjectRef | None]]:
    """What a sync says, object by object first: its own message repeats one of them."""
    results: list[tuple[str, ObjectRef | None]] = [(one.message, one.ref) for one in operation.results if one.message]
    return [*results, (operation.message, None)]


def _of_object(
    app: App,
    tree: Tree,
    culprit: TreeNode | None,
    live: Mapping[str, Any] | None,
    events: Sequence[ObjectEvent],
) -> Why | None:
    if culprit is None:
        return None
    ref, health = culprit.ref, culprit.health
    said = health.message if health is not None else ""
    about = [event for event in events if event.ref == ref and event.warning]
    evidence = [Evidence("status", ", ".join(filter(None, (culprit.info, said))), ref)] if culprit.info or said else []
    evidence += _of_events(events, ref)
    cause = stuck(live) if live is not None else None
    if cause is None:
        texts = [said, *(event.message for event in reversed(about))]
        cause = next(filter(None, map(told_by, texts)), None)
        if cause is not None:
            cause = Cause(cause.name, f"{ref.kind} {ref.name}: {cause.words}", cause.remedy)
    if cause is None:
        # Nothing that is known by name: what the tree says, and the newest warning.
        newest = f" Its newest warning: {about[-1].message}" if about and about[-1].message not in said else ""
        cause = Cause("Unhealthy", cause_of(tree) + newest)
    if culprit.ref.kind not in cause.words:
        cause = Cause(cause.name, f"{ref.kind} {ref.name}: {cause.words}", cause.remedy)
    return Why(app.key, cause.name, _sentences(cause.words, cause.remedy), ref, tuple(evidence))


def _of_events(events: Sequence[ObjectEvent], ref: ObjectRef) -> list[Evidence]:
    about = [event for event in events if event.ref == ref and event.warning][-_EVENTS:]
    return [Evidence("event", f"{event.reason}: {event.message}", event.ref, event.last) for event in reversed(about)]


def _of_sync(app: App) -> Why | None:
    operation = app.operation
    if operation is not None and not operation.phase.completed:
        words = f"A sync is running: {operation.message}" if operation.message else "A sync is running"
        return Why(app.key, "Syncing", _sentences(words, ""), evidence=(Evidence("operation", operation.message),))
    if app.pending:
        return Why(app.key, "OperationPending", "A sync was asked for, and no engine has begun it.")
    if app.sync is SyncStatus.OUT_OF_SYNC and not app.automation.enabled:
        words = f"{app.out_of_sync or 'Some'} of its objects differ from Git, and automated sync is off."
        return Why(app.key, "ManualSync", f"{words} Sync it to go on.")
    if app.sync is SyncStatus.OUT_OF_SYNC:
        prune = [one for one in app.resources if one.requires_pruning]
        if prune and not app.automation.prune:
            words = f"{prune[0].ref.kind} {prune[0].ref.name} is no longer in Git, and automated prune is off."
            return Why(app.key, "PruneDisabled", f"{words} Sync with prune to delete it.", prune[0].ref)
        if not app.automation.self_heal:
            words = "It differs from Git, this commit was synced already, and self-heal is off."
            return Why(app.key, "SelfHealDisabled", f"{words} Sync it to put it back.")
        return Why(app.key, "OutOfSync", "It differs from Git, and the engine has yet to sync it.")
    if app.health.status is HealthStatus.SUSPENDED:
        reason = f": {app.health.message}" if app.health.message else ""
        return Why(app.key, "Suspended", _sentences(f"It is suspended until somebody resumes it{reason}", ""))
    if app.health.status is not HealthStatus.HEALTHY:
        return Why(app.key, "Unhealthy", _sentences(f"It is {app.health.status}: {app.health.message}", ""))
    return None


def _sentences(words: str, remedy: str) -> str:
    told = " ".join(text.strip().rstrip(".:,") + "." for text in (words, remedy) if text.strip())
    return told[:1].upper() + told[1:]
