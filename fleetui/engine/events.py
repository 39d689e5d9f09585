"""The Kubernetes Events that Argo CD's controller emits, from what was written to an Application.

Owns: `told_by` (which Events a write gives), `event_of` and `event_about` (one as the API server takes it). The rules
are those of `controller/appcontroller.go` (`persistAppStatus`, `setOperationState`, `autoSync`) and
`util/argo/audit_logger.go` (`logEvent`), Argo CD v3.6. Pure: the time is passed in. Sent by `fleetui.engine.recorder`.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, NamedTuple

from fleetui.engine.application import GROUP, KIND, STATUS_MANAGER, Application, mapping, strings, text
from fleetui.engine.operation import phase_of
from fleetui.engine.status import DELETION_ERROR
from fleetui.model.objects import Obj
from fleetui.model.status import OperationPhase
from fleetui.model.times import format_time

NORMAL, WARNING = "Normal", "Warning"


class Told(NamedTuple):
    """One Event: its type, reason and message."""

    type: str
    reason: str
    message: str


def told_by(before: Application, after: Application) -> list[Told]:
    """The Events of one write, in the order in which Argo CD emits them."""
    told = []
    if _is_automated(after.operation) and not _is_automated(before.operation):
        revisions = _revisions(mapping(mapping(after.operation).get("sync")))
        message = f"Initiated automated sync to '{', '.join(revisions)}'"
        told.append(Told(NORMAL, "OperationStarted", message))
    state = after.operation_state
    ended = phase_of(state)
    if ended is not None and ended.completed and not _same_end(before.operation_state, state):
        told.append(_completed(mapping(state), ended))
    was, now = (text(mapping(app.status.get("sync")).get("status")) for app in (before, after))
    if was != now:
        told.append(Told(NORMAL, "ResourceUpdated", f"Updated sync status: {was} -> {now}"))
    was, now = (text(mapping(app.status.get("health")).get("status")) for app in (before, after))
    if was != now:
        message = text(mapping(after.status.get("health")).get("message"))
        reason = f" ({message})" if message else ""
        told.append(Told(NORMAL, "ResourceUpdated", f"Updated health status: {was} -> {now}{reason}"))
    error = _deletion_error(after)
    if error and error != _deletion_error(before):
        told.append(Told(WARNING, "StatusRefreshed", f"Unable to delete application resources: {error}"))
    return told


def event_of(app: Application, told: Told, now: float) -> Obj:
    """The Event object of the Application `app` at `now` (epoch seconds), to be created in its namespace."""
    destination = {"dest-server": text(app.destination.get("server")), "dest-namespace": app.destination_namespace}
    event = event_about(app.obj, KIND, told, now, component=STATUS_MANAGER)
    return {**event, "metadata": {**event["metadata"], "annotations": destination}}


def event_about(obj: Mapping[str, Any], kind: str, told: Told, now: float, *, component: str) -> Obj:
    """The Event object of an object of Argo CD's group, told by one of its components."""
    stamp, metadata = format_time(now), mapping(obj.get("metadata"))
    name, namespace = text(metadata.get("name")), text(metadata.get("namespace"))
    return {
        "apiVersion": "v1",
        "kind": "Event",
        "metadata": {"name": f"{name}.{int(now * 1e9):x}", "namespace": namespace},
        "source": {"component": component},
        "involvedObject": {
            "kind": kind,
            "name": name,
            "namespace": namespace,
            "resourceVersion": text(metadata.get("resourceVersion")),
            "apiVersion": f"{GROUP}/v1alpha1",
            "uid": text(metadata.get("uid")),
        },
        "firstTimestamp": stamp,
        "lastTimestamp": stamp,
        "count": 1,
        "message": told.message,
        "type": told.type,
        "reason": told.reason,
    }


def _completed(state: Mapping[str, Any], phase: OperationPhase) -> Told:
    sync = mapping(mapping(state.get("operation")).get("sync"))
    message = "Partial sync operation" if sync.get("resources") else "Sync operation"
    result = state.get("syncResult")
    if isinstance(result, Mapping):
        message += f" to {','.join(_revisions(result))}"
    if phase is OperationPhase.SUCCEEDED:
        return Told(NORMAL, "OperationCompleted", f"{message} succeeded")
    return Told(WARNING, "OperationCompleted", f"{message} failed: {text(state.get('message'))}")


def _revisions(sync: Mapping[str, Any]) -> list[str]:
    return list(strings(sync.get("revisions"))) or [text(sync.get("revision"))]


def _is_automated(operation: Mapping[str, Any] | None) -> bool:
    return mapping(mapping(operation).get("initiatedBy")).get("automated") is True


def _same_end(before: Mapping[str, Any] | None, after: Mapping[str, Any] | None) -> bool:
    keys = ("startedAt", "finishedAt", "phase")
    return all(mapping(before).get(key) == mapping(after).get(key) for key in keys)


def _deletion_error(app: Application) -> str:
    conditions = app.status.get("conditions")
    for condition in conditions if isinstance(conditions, list) else []:
        if mapping(condition).get("type") == DELETION_ERROR:
            return text(mapping(condition).get("message"))
    return ""
