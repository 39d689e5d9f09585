"""What of an Application's spec Argo CD's controller takes away, since it says nothing.

Owns: `spec_patch` (argo-cd v3.6.1 util/argo/argo.go, `NormalizeApplicationSpec`). Called by `fleetui.engine.reconcile`
after each comparison. Pure.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from fleetui.engine.application import mapping
from fleetui.engine.sourceset import as_go_writes
from fleetui.model.objects import Obj

DEFAULT_PROJECT = "default"
_SYNC_POLICY = ("automated", "retry", "managedNamespaceMetadata")
_TOOLS = ("kustomize", "helm", "directory")


def spec_patch(spec: Mapping[str, Any]) -> Obj:
    """The JSON merge patch that makes a spec what Argo CD keeps; empty where it is that already."""
    patch: Obj = {} if spec.get("project") else {"project": DEFAULT_PROJECT}
    policy = spec.get("syncPolicy")
    said = [key for key in _SYNC_POLICY if isinstance(mapping(policy).get(key), Mapping)]
    if isinstance(policy, Mapping) and not said and not policy.get("syncOptions"):
        patch["syncPolicy"] = None
    several = spec.get("sources")
    if isinstance(several, list) and several:
        kept = [_without_empty_tools(each) for each in several]
        return patch if kept == several else {**patch, "sources": kept}
    source = mapping(spec.get("source"))
    empty = source.keys() - _without_empty_tools(source).keys()
    return {**patch, "source": dict.fromkeys(sorted(empty))} if empty else patch


def _without_empty_tools(source: Any) -> Any:
    if not isinstance(source, Mapping):
        return source
    written = as_go_writes(source)
    return {key: value for key, value in source.items() if key not in _TOOLS or written.get(key)}
