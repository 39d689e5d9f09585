"""Which objects are sync hooks, as far as health depends on it.

Owns: `is_hook`, `is_skipped`, `has_hook_finalizer`, and the readers of metadata that they need. Rules: argo-cd v3.6.1,
gitops-engine/pkg/sync/hook. Called by `assessment` and by the rule for pods; whoever makes an `AppMember` asks here
too. Phases, weights and delete policies are the engine's, never here.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

HOOK_FINALIZER = "argocd.argoproj.io/hook-finalizer"
_HOOK = "argocd.argoproj.io/hook"
_HELM_HOOK = "helm.sh/hook"
_TYPES = frozenset({"PreSync", "Sync", "PostSync", "SyncFail", "Skip"})


def is_hook(obj: Mapping[str, Any]) -> bool:
    """Whether an object belongs to a phase of a sync rather than to the application.

    Helm calls ``crd-install`` a hook too, which it is not.
    """
    annotations = annotations_of(obj)
    if _HOOK in annotations:
        return not is_skipped(obj)
    return bool(annotations.get(_HELM_HOOK, "crd-install") != "crd-install")


def is_skipped(obj: Mapping[str, Any]) -> bool:
    """Whether `Skip` is the only hook type that the object names: it is never applied, and never counts."""
    value = annotations_of(obj).get(_HOOK)
    return isinstance(value, str) and {name.strip() for name in value.split(",")} & _TYPES == {"Skip"}


def has_hook_finalizer(obj: Mapping[str, Any]) -> bool:
    """Whether the engine itself holds the object until its sync phase has ended."""
    return HOOK_FINALIZER in finalizers_of(obj)


def finalizers_of(obj: Mapping[str, Any]) -> list[str]:
    """The finalizers of an object; empty where there are none or they are no list of texts."""
    metadata = obj.get("metadata")
    finalizers = metadata.get("finalizers") if isinstance(metadata, Mapping) else None
    if not isinstance(finalizers, list) or not all(isinstance(each, str) for each in finalizers):
        return []
    return finalizers


def annotations_of(obj: Mapping[str, Any]) -> Mapping[str, Any]:
    """The annotations of an object; empty where there are none or they are no map."""
    metadata = obj.get("metadata")
    annotations = metadata.get("annotations") if isinstance(metadata, Mapping) else None
    return annotations if isinstance(annotations, Mapping) else {}
