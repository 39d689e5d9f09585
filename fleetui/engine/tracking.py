"""Which application an object belongs to: Argo CD's tracking annotation.

Owns: making, reading and checking `argocd.argoproj.io/tracking-id`
(`util/argo/resource_tracking.go`: ``<app>:<group>/<Kind>:<namespace>/<name>``). Pure.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from fleetui.engine.application import TRACKING_ID, annotation, mapping
from fleetui.model.objects import Obj, ObjectRef, ref_of

CONTROL_PLANE_NAMESPACE = "argocd"
INSTANCE_LABEL = "app.kubernetes.io/instance"


def instance_name(namespace: str, name: str, control_plane_namespace: str = CONTROL_PLANE_NAMESPACE) -> str:
    """The application's name within tracking ids: qualified outside of the control plane's namespace."""
    return name if namespace == control_plane_namespace else f"{namespace}_{name}"


def tracking_id(app: str, ref: ObjectRef, destination_namespace: str) -> str:
    """The tracking id of an object; a cluster-scoped one carries the application's destination namespace."""
    return f"{app}:{ref.group}/{ref.kind}:{ref.namespace or destination_namespace}/{ref.name}"


def owner_of(obj: Mapping[str, Any]) -> str:
    """The application that an object says it belongs to; empty where it says nothing."""
    return annotation(obj, TRACKING_ID).partition(":")[0]


def as_tracked(live: Obj, target: Mapping[str, Any]) -> Obj:
    """The live object as it is compared with its manifest, which has a tracking id.

    An object that is labelled, and has no tracking id, comes from a time when labels tracked: that is no difference
    (`util/argo/resource_tracking.go`, `Normalize`). Another one's tracking id is.
    """
    metadata = mapping(live.get("metadata"))
    labels = mapping(metadata.get("labels"))
    tracked = annotation(target, TRACKING_ID)
    if not labels.get(INSTANCE_LABEL) or annotation(live, TRACKING_ID) or not tracked:
        return live
    if INSTANCE_LABEL not in mapping(mapping(target.get("metadata")).get("labels")):
        labels = {key: value for key, value in labels.items() if key != INSTANCE_LABEL}
    annotations = {**mapping(metadata.get("annotations")), TRACKING_ID: tracked}
    return {**live, "metadata": {**metadata, "labels": labels, "annotations": annotations}}


def is_self_referenced(live: Mapping[str, Any]) -> bool:
    """Whether a live object's tracking id speaks of the object itself, not of one it was copied from.

    (`controller/state.go`, `isSelfReferencedObj`, for an object without a target; the namespace is ignored where the
    live object has none. An object without the annotation counts as managed.)
    """
    return names_itself(annotation(live, TRACKING_ID), ref_of(live))


def names_itself(tracking: str, mine: ObjectRef) -> bool:
    """Whether the tracking id of the object `mine` speaks of it; one that can't be read counts as if it did."""
    parts = tracking.split(":", 2)
    if len(parts) != 3:
        return True
    group, _, kind = parts[1].partition("/")
    namespace, _, name = parts[2].partition("/")
    return (group, kind, name) == (mine.group, mine.kind, mine.name) and mine.namespace in {"", namespace}
