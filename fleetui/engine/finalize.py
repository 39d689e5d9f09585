"""Deleting what an Application that is being deleted has made.

Owns: `finalize` (`controller/appcontroller.go`, `finalizeApplicationDeletion`; `sort_delete.go`; Argo CD v3): highest
wave first, one wave at a time, each gone before the next.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from fleetui.engine.application import (
    FINALIZER,
    SYNC_OPTIONS,
    Application,
    annotation,
    annotation_option,
    mapping,
    text,
)
from fleetui.engine.destination import Destination
from fleetui.engine.hooks import wave
from fleetui.engine.tracking import is_self_referenced
from fleetui.model.errors import NotFoundError
from fleetui.model.objects import Obj, ref_of
from fleetui.ports import Propagation

_CASCADING = (FINALIZER, FINALIZER + "/background", FINALIZER + "/foreground")


async def finalize(app: Application, destination: Destination | None, instance: str) -> tuple[str, ...] | None:
    """Takes the deletion one step further.

    Returns the finalizers that the Application should have now, or None while objects are still going. Where the
    destination is not known any more, the finalizers are dropped, as Argo CD does.

    Raises:
        ClusterError: an object can't be deleted.
    """
    ours = [name for name in app.finalizers if name in _CASCADING]
    kept = tuple(name for name in app.finalizers if name not in _CASCADING)
    if not ours or destination is None:
        return kept
    rows = app.status.get("resources")
    kinds = {(text(mapping(row).get("group")), text(mapping(row).get("kind"))) for row in rows or ()}
    await destination.know(kinds)
    await destination.watch(kinds)
    left = [obj for obj in destination.tracked(instance) if _deletable(obj)]
    if not left:
        return kept
    last = max(wave(obj) for obj in left)
    propagation: Propagation = "Background" if ours[0].endswith("/background") else "Foreground"
    for obj in left:
        if wave(obj) == last and not mapping(obj.get("metadata")).get("deletionTimestamp"):
            await _delete(destination, obj, propagation)
    return None


def _deletable(obj: Mapping[str, Any]) -> bool:
    keeps = annotation_option(obj, SYNC_OPTIONS, "Delete=false") or annotation(obj, "helm.sh/resource-policy") == "keep"
    return not keeps and obj.get("kind") != "CustomResourceDefinition" and is_self_referenced(obj)


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
