"""Deleting what an Application that is being deleted has made.

Owns: `finalize` (`controller/appcontroller.go`, `finalizeApplicationDeletion`; `sort_delete.go`; Argo CD v3): highest
wave first, one wave at a time, each gone before the next.
"""

from __future__ import annotations

import contextlib
from collections.abc import Mapping
from typing import Any

from fleetui.engine.application import (
    DELETION_APPROVED,
    FIELD_MANAGER,
    FINALIZER,
    GROUP,
    HOOK_FINALIZER,
    KIND,
    SYNC_OPTIONS,
    Application,
    annotation_option,
    annotation_value,
    mapping,
    option_value,
    strings,
    text,
)
from fleetui.engine.destination import Destination
from fleetui.engine.hooks import wave
from fleetui.engine.plan import holds_hook_finalizer
from fleetui.engine.projects import Permits
from fleetui.engine.tracking import is_self_referenced
from fleetui.model.errors import NotFoundError
from fleetui.model.objects import Obj, ObjectRef, ref_of
from fleetui.model.times import parse_time
from fleetui.ports import PatchType, Propagation

_CASCADING = (FINALIZER, FINALIZER + "/background", FINALIZER + "/foreground")


async def finalize(
    app: Application, destination: Destination | None, instance: str, permits: Permits | None = None
) -> tuple[str, ...] | None:
    """Takes the deletion one step further.

    What its project does not permit is left alone; without `permits` everything goes.

    Returns the finalizers that the Application should have now, or None while objects are still going. Where the
    destination is not known any more, the finalizers are dropped, as Argo CD does.

    Raises:
        ClusterError: an object can't be deleted.
    """
    ours = [name for name in app.finalizers if name in _CASCADING]
    kept = tuple(name for name in app.finalizers if name not in _CASCADING)
    if not ours or destination is None:
        return kept
    kinds = _kinds(app)
    await destination.know(kinds)
    await destination.watch(kinds)
    live = [obj for obj in destination.tracked(instance) if permits is None or permits.live(ref_of(obj))]
    for obj in live:
        if _is_leaving(obj) and holds_hook_finalizer(obj):
            await _release(destination, obj)
    left = [obj for obj in live if _deletable(app, obj)]
    if not left:
        return kept
    if any(_is_leaving(obj) for obj in live) or _unapproved(app, left):
        return None
    last = max(wave(obj) for obj in left)
    propagation: Propagation = "Background" if ours[0].endswith("/background") else "Foreground"
    for obj in left:
        if wave(obj) == last:
            await _delete(destination, obj, propagation)
    return None


def _kinds(app: Application) -> set[tuple[str, str]]:
    """The kinds of everything that the application is known to have made."""
    result = mapping(mapping(app.operation_state).get("syncResult"))
    lists = (app.status.get("resources"), result.get("resources"))
    rows = [mapping(row) for found in lists if isinstance(found, list) for row in found]
    return {(text(row.get("group")), text(row.get("kind"))) for row in rows}


def _deletable(app: Application, obj: Mapping[str, Any]) -> bool:
    """Whether a cascading deletion takes the object (`shouldBeDeleted`)."""
    itself = ref_of(obj) == ObjectRef(GROUP, KIND, app.namespace, app.name)
    if itself or obj.get("kind") == "CustomResourceDefinition":
        return False
    keeps = annotation_option(obj, "helm.sh/resource-policy", "keep")
    return not keeps and _delete_option(app, obj) != "false" and is_self_referenced(obj)


def _unapproved(app: Application, left: list[Obj]) -> bool:
    """Whether a human has to approve first (``Delete=confirm``)."""
    approved = parse_time(text(app.annotations.get(DELETION_APPROVED)))
    asked = parse_time(text(app.metadata.get("deletionTimestamp"))) or 0.0
    return (approved is None or approved < asked) and any(_delete_option(app, obj) == "confirm" for obj in left)


def _delete_option(app: Application, obj: Mapping[str, Any]) -> str | None:
    own = annotation_value(obj, SYNC_OPTIONS, "Delete")
    return option_value(app.sync_options, "Delete") if own is None else own


def _is_leaving(obj: Mapping[str, Any]) -> bool:
    return bool(mapping(obj.get("metadata")).get("deletionTimestamp"))


async def _release(destination: Destination, hook: Obj) -> None:
    """Lets go of a hook that an interrupted operation still holds: nobody else would, and the deletion would hang."""
    resource = await destination.resource(hook)
    if resource is None:
        return
    metadata, ref = mapping(hook.get("metadata")), ref_of(hook)
    kept = [name for name in strings(metadata.get("finalizers")) if name != HOOK_FINALIZER]
    body = {"metadata": {"finalizers": kept or None, "resourceVersion": metadata.get("resourceVersion")}}
    with contextlib.suppress(NotFoundError):
        await destination.api.patch(
            resource, ref.name, ref.namespace, body, kind=PatchType.MERGE, field_manager=FIELD_MANAGER
        )


async def _delete(destination: Destination, obj: Obj, propagation: Propagation) -> None:
    resource = await destination.resource(obj)
    if resource is None:
        return
    ref = ref_of(obj)
    uid = text(mapping(obj.get("metadata")).get("uid"))
    try:
        await destination.api.delete(resource, ref.name, ref.namespace, propagation=propagation, uid=uid)
    except NotFoundError:
        destination.overlay.deleted(ref, uid)
