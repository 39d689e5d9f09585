"""What a write keeps, resets and counts, kind by kind: the registries' PrepareForCreate and PrepareForUpdate.

Owns: generated metadata, generation, what a subresource may change. Pure functions that change the new object in
place. Called by `store`. Rules: Kubernetes v1.37 pkg/registry/*/*/strategy.go, apiextensions-apiserver v0.37
pkg/registry/customresource/strategy.go.
"""

from __future__ import annotations

import secrets
from typing import Any

from backends.embedded.registry import ResourceType

Obj = dict[str, Any]
_ALPHABET = "bcdfghjklmnpqrstvwxz2456789"
_KEPT_META = ("uid", "creationTimestamp", "deletionTimestamp", "deletionGracePeriodSeconds", "generation", "selfLink")


def generate_name(base: str) -> str:
    """`base` with five random letters (apiserver pkg/storage/names/generate.go)."""
    return base[:58] + "".join(secrets.choice(_ALPHABET) for _ in range(5))


def prepare_create(resource: ResourceType, obj: Obj, *, now: str, uid: str) -> None:
    """Fills what the server alone decides; a status that was sent is dropped where the status is a subresource."""
    meta = obj["metadata"]
    for key in ("deletionTimestamp", "deletionGracePeriodSeconds", "selfLink", "resourceVersion", "generation"):
        meta.pop(key, None)
    meta["uid"] = uid
    meta["creationTimestamp"] = now
    if resource.custom or "spec" in obj:
        meta["generation"] = 1
    if resource.has_status:
        obj.pop("status", None)


def prepare_update(resource: ResourceType, new: Obj, old: Obj, *, subresource: str) -> None:
    """Puts back what this write may not change, and counts the generation up when the desired state changed."""
    for key in _KEPT_META:
        new["metadata"].pop(key, None)
        if key in old["metadata"]:
            new["metadata"][key] = old["metadata"][key]
    if subresource == "status":
        kept = {key: value for key, value in old.items() if key != "status"}
        status = new.get("status")
        new.clear()
        new.update(kept | ({"status": status} if status is not None else {}))
    elif resource.has_status:
        new.pop("status", None)
        if "status" in old:
            new["status"] = old["status"]
    if not subresource and "generation" in old["metadata"] and _desired(resource, new) != _desired(resource, old):
        new["metadata"]["generation"] = old["metadata"]["generation"] + 1


def _desired(resource: ResourceType, obj: Obj) -> Obj:
    left_out = {"metadata", "status"} if resource.has_status else {"metadata"}
    return {key: value for key, value in obj.items() if key not in left_out}
