"""How an operation begins, is retried and ends: pure functions over `status.operationState`.

Owns: the transitions of `controller/appcontroller.go` (`processRequestedAppOperation`) and the back-off of
`types.go` (`RetryStrategy.NextRetryAt`), Argo CD v3.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from fleetui.engine.application import Application, Retry, mapping, mappings, retry_of, strings, text, whole
from fleetui.engine.effects import Recorded
from fleetui.engine.sourceset import SourceSet
from fleetui.engine.tasks import ResultCode
from fleetui.model.objects import Obj, ObjectRef
from fleetui.model.status import OperationPhase
from fleetui.model.times import format_time, parse_duration, parse_time

DEFAULT_DURATION = 5.0
DEFAULT_FACTOR = 2
DEFAULT_MAX_DURATION = 180.0
SHORTEST_DELAY = 1.0
_LONGEST = 366 * 86400.0
"""A bound even where none is asked for, so that the time of the next attempt can be written down."""

_EMPTY: tuple[Any, ...] = (None, False, 0, "", [])
_REVISIONS = frozenset({"revision", "revisions"})


def retry_delay(retry: Retry, attempts: int) -> float:
    """Seconds to wait before the next attempt, after `attempts` retries have been made.

    ``min(maxDuration, duration * factor ** attempts)``; a maxDuration of 0 is no bound. Never less than a second: with
    no limit and no delay an operation that can't succeed would keep the API server busy.

    Raises:
        ValueError: a duration can't be read.
    """
    duration = parse_duration(retry.duration) if retry.duration else DEFAULT_DURATION
    longest = parse_duration(retry.max_duration) if retry.max_duration else DEFAULT_MAX_DURATION
    factor = retry.factor if retry.factor is not None else DEFAULT_FACTOR
    try:
        delay = duration * float(factor) ** attempts
    except OverflowError:
        delay = _LONGEST
    return max(SHORTEST_DELAY, min(longest if longest > 0 else _LONGEST, delay))


def phase_of(state: Mapping[str, Any] | None) -> OperationPhase | None:
    """The phase of an operation state; None where there is none or it can't be read."""
    try:
        return OperationPhase(text(mapping(state).get("phase")))
    except ValueError:
        return None


def in_progress(state: Mapping[str, Any] | None) -> bool:
    phase = phase_of(state)
    return phase is not None and not phase.completed


def begin(operation: Mapping[str, Any], now: float) -> Obj:
    """The state of an operation that starts. It holds the operation as Argo CD's Go types write it: who began it and
    how it is retried always, and of the sync nothing that is empty."""
    begun: Obj = {"initiatedBy": {}, "retry": {}, **operation}
    if isinstance(sync := operation.get("sync"), Mapping):
        begun["sync"] = written = {key: value for key, value in sync.items() if value not in _EMPTY}
        if "resources" in written:
            written["resources"] = [
                {key: value for key, value in each.items() if value or key in {"kind", "name"}}
                for each in mappings(written["resources"])
            ]
    return {"phase": OperationPhase.RUNNING.value, "operation": begun, "startedAt": format_time(now)}


def retry_due(state: Mapping[str, Any]) -> float | None:
    """When a failed attempt is to be repeated (epoch s); None where the operation does not wait for a retry.

    A running operation that has a finishing time is one that waits for its next attempt.
    """
    finished = parse_time(text(state.get("finishedAt")))
    if phase_of(state) is not OperationPhase.RUNNING or finished is None:
        return None
    retry = retry_of(mapping(state.get("operation")).get("retry"))
    try:
        return finished + retry_delay(retry, whole(state.get("retryCount")) - 1)
    except ValueError:
        return finished


def begin_retry(state: Mapping[str, Any]) -> Obj:
    """The state at the start of the next attempt: results are cleared, the operation's revision stays.

    With `retry.refresh` the revision goes too, so that the newest one is taken.
    """
    again = {key: value for key, value in state.items() if key not in {"finishedAt", "syncResult"}}
    operation = mapping(state.get("operation"))
    latest = ""
    if mapping(operation.get("retry")).get("refresh") is True:
        sync = {key: value for key, value in mapping(operation.get("sync")).items() if key not in _REVISIONS}
        again["operation"] = {**operation, "sync": sync}
        latest = " with latest revisions"
    again["message"] = f"Retrying operation{latest}. Attempt #{whole(state.get('retryCount'))}"
    return again


def finish(state: Obj, phase: OperationPhase, message: str, *, now: float, terminating: bool = False) -> Obj:
    """The state after an attempt came to `phase`: completed, or running and waiting for its next attempt."""
    ended: Obj = {**state, "phase": phase.value, "message": message}
    if not phase.completed:
        return ended
    ended["finishedAt"] = format_time(now)
    retry = retry_of(mapping(state.get("operation")).get("retry"))
    count = whole(state.get("retryCount"))
    if phase is OperationPhase.SUCCEEDED:
        return ended
    if not terminating and (count < retry.limit or retry.limit < 0):
        try:
            due = now + retry_delay(retry, count)
        except ValueError as error:
            ended["phase"] = OperationPhase.ERROR.value
            ended["message"] = f"{message} (failed to retry: {error})"
            return ended
        ended["phase"] = OperationPhase.RUNNING.value
        ended["retryCount"] = count + 1
        ended["message"] = f"{message}. Retrying attempt #{count + 1} at {format_time(due)}."
    elif count > 0:
        ended["message"] = f"{message} (retried {count} times)."
    return ended


def is_waiting_for_retry(state: Mapping[str, Any]) -> bool:
    return phase_of(state) is OperationPhase.RUNNING and bool(state.get("finishedAt"))


# --- results, as they are stored --------------------------------------------------------------------------------


def recorded_results(state: Mapping[str, Any]) -> list[Recorded]:
    """The results that the operation's earlier steps left in the status; what can't be read is left out."""
    rows = mapping(state.get("syncResult")).get("resources")
    found = []
    for row in rows if isinstance(rows, list) else []:
        entry = mapping(row)
        try:
            status = ResultCode(text(entry.get("status"))) if entry.get("status") else None
            phase = OperationPhase(text(entry.get("hookPhase"))) if entry.get("hookPhase") else None
        except ValueError:
            continue
        found.append(
            Recorded(
                ref=ObjectRef(*(text(entry.get(key)) for key in ("group", "kind", "namespace", "name"))),
                version=text(entry.get("version")),
                status=status,
                message=text(entry.get("message")),
                sync_phase=text(entry.get("syncPhase")),
                hook_phase=phase,
                hook_type=text(entry.get("hookType")),
                images=strings(entry.get("images")),
            )
        )
    return found


def stored_results(results: Iterable[Recorded]) -> list[Obj]:
    """`syncResult.resources` as Argo CD writes them (`ResourceResult`)."""
    rows: list[Obj] = []
    for result in results:
        row: Obj = {
            "group": result.ref.group,
            "version": result.version,
            "kind": result.ref.kind,
            "namespace": result.ref.namespace,
            "name": result.ref.name,
        }
        optional: Obj = {
            "status": result.status.value if result.status else "",
            "message": result.message,
            "hookType": result.hook_type,
            "hookPhase": result.hook_phase.value if result.hook_phase else "",
            "syncPhase": result.sync_phase,
            "images": list(result.images),
        }
        row.update({key: value for key, value in optional.items() if value})
        rows.append(row)
    return rows


def next_history(app: Application, state: Mapping[str, Any], now: float) -> list[Obj]:
    """`status.history` after a sync that succeeded: oldest first, cut to the application's limit
    (`controller/state.go`, `persistRevisionHistory`)."""
    history = [dict(entry) for entry in app.history]
    result = mapping(state.get("syncResult"))
    synced = SourceSet.of(result)
    entry: Obj = {
        "id": whole(history[-1].get("id")) + 1 if history else 0,
        "deployStartedAt": text(state.get("startedAt")),
        "deployedAt": format_time(now),
        **synced.fields(),
        **{key: value for key, value in synced.revision_fields(synced.revisions_of(result)).items() if value},
        "initiatedBy": dict(mapping(mapping(state.get("operation")).get("initiatedBy"))),
    }
    history.append(entry)
    limit = app.history_limit
    return history[-limit:] if limit > 0 else []
