"""The status that the engine writes, and the smallest patch that brings it about.

Owns: `compared_status` (what a comparison says, in the words of Argo CD's CRD), `merge_patch` and conditions
(`controller/appcontroller.go`, `persistAppStatus`; `types.go`, `SetConditions`). Pure.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from fleetui.engine.application import Application, mapping, mappings, text
from fleetui.engine.compare import Comparison
from fleetui.engine.sourceset import SourceSet
from fleetui.model.objects import Obj
from fleetui.model.status import Health, HealthStatus, SyncStatus
from fleetui.model.times import format_time

COMPARISON_ERROR = "ComparisonError"
DELETION_ERROR = "DeletionError"
INVALID_SPEC_ERROR = "InvalidSpecError"
SYNC_ERROR = "SyncError"
UNKNOWN_ERROR = "UnknownError"
ORPHANED_RESOURCE_WARNING = "OrphanedResourceWarning"
EXCLUDED_RESOURCE_WARNING = "ExcludedResourceWarning"
REPEATED_RESOURCE_WARNING = "RepeatedResourceWarning"
SHARED_RESOURCE_WARNING = "SharedResourceWarning"


def compared_status(app: Application, comparison: Comparison, *, now: float, controller_namespace: str) -> Obj:
    """`status` after a comparison; everything that the comparison does not say stays as it was."""
    status = dict(app.status)
    sync: Obj = {
        "status": comparison.status.value,
        "comparedTo": compared_to(app),
    }
    if comparison.origin.revision:
        sync["revision"] = comparison.origin.revision
    if comparison.origin.revisions:
        sync["revisions"] = list(comparison.origin.revisions)
    status["sync"] = sync
    status["health"] = health_status(app, comparison.health, now=now)
    status["resources"] = comparison.resources
    if not comparison.resources:
        status.pop("resources")
    # Only who has rendered a source knows its type.
    tools = () if comparison.error else comparison.origin.tools
    status.pop("sourceType", None)
    status.pop("sourceTypes", None)
    if tools and comparison.origin.revisions:
        status["sourceTypes"] = list(tools)
    elif tools:
        status["sourceType"] = tools[0]
    status["controllerNamespace"] = controller_namespace
    status["resourceHealthSource"] = "appTree"
    if comparison.summary or "summary" in status:
        status["summary"] = comparison.summary
    return status


def invalid_status(app: Application, *, now: float) -> Obj:
    """`status` of an application whose spec can't be worked with: nothing was compared, so little is said."""
    status = dict(app.status)
    status["sync"] = {**mapping(status.get("sync")), "status": SyncStatus.UNKNOWN.value}
    status["health"] = health_status(app, Health(HealthStatus.UNKNOWN), now=now)
    return status


def compared_to(app: Application) -> Obj:
    """`status.sync.comparedTo`: what of the spec the comparison looked at.

    Beside several sources Argo CD's merge patches never write the empty one, and never take it away either.
    """
    wanted = SourceSet.of(app.spec)
    looked_at: Obj = {**wanted.fields(), "destination": {key: value for key, value in app.destination.items() if value}}
    if wanted.multiple and "source" not in mapping(mapping(app.status.get("sync")).get("comparedTo")):
        del looked_at["source"]
    ignored = [
        {key: value for key, value in each.items() if value or key == "kind"}
        for each in mappings(app.spec.get("ignoreDifferences"))
    ]
    if ignored:
        looked_at["ignoreDifferences"] = ignored
    return looked_at


def health_status(app: Application, health: Health, *, now: float) -> Obj:
    """`status.health`; time and message are those of the transition, and move only when the status does."""
    before = mapping(app.status.get("health"))
    same = before.get("status") == health.status.value
    since = text(before.get("lastTransitionTime")) if same else ""
    message = text(before.get("message")) if same else health.message
    found = {"status": health.status.value, "lastTransitionTime": since or format_time(now)}
    return {**found, "message": message} if message else found


def as_argo_stores(status: Obj) -> Obj:
    """The status as Argo CD writes it when it starts an operation by itself: the whole object, whose empty structs its
    types write out (`util/argo/argo.go`, `SetAppOperation`)."""
    stored: Obj = {"sourceHydrator": {}, "summary": {}, **status}
    sync, looked_at = mapping(stored.get("sync")), mapping(mapping(stored.get("sync")).get("comparedTo"))
    if "sources" in looked_at:
        stored["sync"] = {**sync, "comparedTo": {**looked_at, **SourceSet.of(looked_at).fields()}}
    return stored


def with_conditions(status: Obj, evaluated: Sequence[str], found: Sequence[tuple[str, str]], *, now: float) -> Obj:
    """`status` with its conditions of the `evaluated` types replaced by those `found` (type, message).

    A condition that stays keeps its time (`types.go`, `SetConditions`).
    """
    before = [entry for entry in status.get("conditions") or () if isinstance(entry, Mapping)]
    kept = [dict(entry) for entry in before if entry.get("type") not in evaluated]
    for kind, message in found:
        same = [entry for entry in before if entry.get("type") == kind and entry.get("message") == message]
        since = text(same[0].get("lastTransitionTime")) if same else ""
        kept.append({"type": kind, "message": message, "lastTransitionTime": since or format_time(now)})
    changed = {key: value for key, value in status.items() if key != "conditions"}
    if kept:
        changed["conditions"] = sorted(kept, key=lambda entry: (text(entry.get("type")), text(entry.get("message"))))
    return changed


def merge_patch(before: Any, after: Any) -> Any:
    """The JSON merge patch (RFC 7386) from `before` to `after`; an empty dict where nothing changed.

    A null in a map of `after` counts as absent: no merge patch can write one.
    """
    if not isinstance(after, Mapping):
        return after
    wanted = {key: value for key, value in after.items() if value is not None}
    if not isinstance(before, Mapping):
        return {key: merge_patch(None, value) for key, value in wanted.items()}
    patch: Obj = {key: None for key in before if key not in wanted}
    for key, value in wanted.items():
        inner = merge_patch(before.get(key), value)
        if key not in before or (inner != before[key] and not (inner == {} and isinstance(before[key], Mapping))):
            patch[key] = inner
    return patch
