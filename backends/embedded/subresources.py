"""Subresources that are no part of an object: scale, eviction.

Owns: what they answer. Called by `handlers`. Rules: Kubernetes v1.37 pkg/registry/apps/*/storage (ScaleREST),
pkg/registry/core/pod/storage/eviction.go.
"""

from __future__ import annotations

from typing import Any

import msgspec

from backends.embedded import bodies, errors
from backends.embedded.calls import Call, Reply, Target
from backends.embedded.deletion import DeleteOptions
from backends.embedded.registry import ResourceType
from backends.embedded.store import ObjectStore
from backends.embedded.tablecells import get, selector_text

Obj = dict[str, Any]
_PATHS = {"specReplicasPath": ".spec.replicas", "statusReplicasPath": ".status.replicas"}


def scale_of(resource: ResourceType, obj: Obj) -> Obj:
    """The autoscaling/v1 Scale of an object."""
    paths = resource.scale_paths or _PATHS
    meta = obj["metadata"]
    status: Obj = {"replicas": get(obj, *_steps(paths["statusReplicasPath"])) or 0}
    if resource.scale_paths is None:
        status["selector"] = selector_text(get(obj, "spec", "selector"))
    elif paths.get("labelSelectorPath"):
        status["selector"] = get(obj, *_steps(paths["labelSelectorPath"])) or ""
    wanted = get(obj, *_steps(paths["specReplicasPath"]))
    kept = ("name", "namespace", "uid", "resourceVersion", "creationTimestamp")
    return {
        "kind": "Scale",
        "apiVersion": "autoscaling/v1",
        "metadata": {key: meta[key] for key in kept if key in meta},
        "spec": {"replicas": wanted} if wanted else {},
        "status": status,
    }


def scaled(resource: ResourceType, live: Obj, scale: Obj) -> Obj:
    """`live` with the replicas of a Scale.

    Raises:
        ApiError: 422, less than none.
    """
    count = get(scale, "spec", "replicas") or 0
    if not isinstance(count, int) or count < 0:
        cause = errors.field_invalid("spec.replicas", count, "must be greater than or equal to 0")
        raise errors.invalid("autoscaling", "Scale", live["metadata"]["name"], causes=[cause])
    *parents, last = _steps((resource.scale_paths or _PATHS)["specReplicasPath"])
    node = live
    for step in parents:
        node = node.setdefault(step, {})
    node[last] = count
    return live


def _steps(path: str) -> list[str]:
    return [step for step in path.split(".") if step]


def handle(store: ObjectStore, call: Call, target: Target, resource: ResourceType) -> Reply:
    """A Pod's eviction."""
    store.record(resource, target.namespace, target.name)
    options = bodies.parse(call) if call.body.strip() else {}
    dry_run = call.dry_run or "All" in (get(options, "deleteOptions", "dryRun") or ())
    store.remove(resource, target.namespace, target.name, DeleteOptions(propagation="Background", dry_run=dry_run))
    body = {"kind": "Status", "apiVersion": "v1", "metadata": {}, "status": "Success"}
    return Reply(201, msgspec.json.encode(body))
