"""Whether a difference from Git is to be synced without a human, now, later or not at all.

Owns: `decide` (`controller/appcontroller.go`, `autoSync`, `alreadyAttemptedSync`, `selfHealRemainingBackoff`,
Argo CD v3). Pure: the time is passed in.
"""

from __future__ import annotations

from collections.abc import Container, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from fleetui.engine.application import Application, mapping, text, whole
from fleetui.engine.operation import phase_of
from fleetui.engine.sourceset import SourceSet
from fleetui.model.objects import Obj, ObjectRef
from fleetui.model.status import OperationPhase, SyncStatus
from fleetui.model.times import parse_time

SELF_HEAL_BASE = 2.0
SELF_HEAL_FACTOR = 3.0
SELF_HEAL_CAP = 300.0
DEFAULT_RETRY_LIMIT = 5
_CAPPED_AFTER = 10
_ATTEMPTS = "autoHealAttemptsCount"


@dataclass(frozen=True)
class Decision:
    """What to do: start `operation`, look again in `retry_in` seconds, or tell the operator `error` (a SyncError)."""

    operation: Obj | None = None
    retry_in: float | None = None
    error: str = ""


def decide(
    app: Application,
    *,
    status: SyncStatus,
    revisions: Sequence[str],
    resources: Sequence[Mapping[str, Any]],
    leaving: Container[ObjectRef] = (),
    now: float,
) -> Decision:
    """The decision for an application that was just compared.

    Args:
        app: the application before the comparison's result was written.
        status: its sync status now.
        revisions: what it was compared with: for each source a commit.
        resources: the rows of `status.resources`.
        leaving: objects that are being deleted already: there is nothing left to do about them.
        now: epoch seconds.
    """
    automated = app.automated
    if automated is None or app.operation is not None or app.deleting or status is not SyncStatus.OUT_OF_SYNC:
        return Decision()
    prune = automated.get("prune") is True
    different = [row for row in resources if row.get("status") != SyncStatus.SYNCED.value]
    if different and all(row.get("requiresPruning") and _ref(row) in leaving for row in different):
        return Decision()
    if not prune and all(row.get("requiresPruning") for row in different):
        return Decision()
    wanted = SourceSet.of(app.spec)
    attempted, tried, last_phase = _last_attempt(app, wanted, tuple(revisions))
    if attempted and last_phase is not OperationPhase.SUCCEEDED:
        reason = text(mapping(app.operation_state).get("message"))
        return Decision(error=f"Failed last sync attempt to [{' '.join(tried)}]: {reason}")
    if attempted and automated.get("selfHeal") is not True:
        return Decision()
    sync: Obj = wanted.asked(revisions)
    if prune:
        sync["prune"] = True
    if app.sync_options:
        sync["syncOptions"] = list(app.sync_options)
    if attempted:
        attempts = whole(mapping(mapping(mapping(app.operation_state).get("operation")).get("sync")).get(_ATTEMPTS))
        wait = _heal_wait(app, attempts, now)
        if wait > 0:
            return Decision(retry_in=wait)
        sync[_ATTEMPTS] = attempts + 1
        if different:
            sync["resources"] = [_sync_resource(row) for row in different]
    if prune and automated.get("allowEmpty") is not True and all(row.get("requiresPruning") for row in resources):
        return Decision(
            error=f"Skipping sync attempt to [{' '.join(revisions)}]: auto-sync will wipe out all resources"
        )
    retry = app.sync_policy.get("retry")
    return Decision(
        operation={
            "sync": sync,
            "initiatedBy": {"automated": True},
            "retry": dict(retry) if isinstance(retry, Mapping) else {"limit": DEFAULT_RETRY_LIMIT},
        }
    )


def _ref(row: Mapping[str, Any]) -> ObjectRef:
    return ObjectRef(*(text(row.get(key)) for key in ("group", "kind", "namespace", "name")))


def _sync_resource(row: Mapping[str, Any]) -> Obj:
    chosen = {key: row[key] for key in ("group", "kind", "name") if row.get(key)}
    return {"kind": "", "name": "", **chosen}


def _last_attempt(
    app: Application, wanted: SourceSet, revisions: tuple[str, ...]
) -> tuple[bool, tuple[str, ...], OperationPhase | None]:
    """Whether the last operation already tried these revisions and sources, which revisions it were, and how it ended.

    An operation that ended without a result was an attempt at whatever there was: to repeat it would go on for ever.
    """
    state = app.operation_state
    if state is None:
        return False, (), None
    result = state.get("syncResult")
    phase = phase_of(state)
    if not isinstance(result, Mapping):
        return phase is not None and phase.completed, (), phase
    synced = SourceSet.of(result)
    tried = synced.revisions_of(result)
    return tried == revisions and synced == wanted, tried, phase


def _heal_wait(app: Application, attempts: int, now: float) -> float:
    """Seconds until the next heal may start: 0, then 2, 6, 18, 54, 162, 300 after the last one ended."""
    if attempts <= 0:
        return 0.0
    delay = SELF_HEAL_CAP
    if attempts <= _CAPPED_AFTER:
        delay = min(SELF_HEAL_CAP, SELF_HEAL_BASE * SELF_HEAL_FACTOR ** (attempts - 1))
    finished = parse_time(text(mapping(app.operation_state).get("finishedAt")))
    return delay if finished is None else max(0.0, finished + delay - now)
