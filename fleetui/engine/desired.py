"""From the manifests of a commit to the objects that should be in the cluster.

Owns: `targets_of` (namespace filled in, duplicates dropped, hooks set apart, tracking id added), as
`controller/state.go` (`CompareAppState`, `DeduplicateTargetObjects`) and `gitops-engine/pkg/sync/reconcile.go` do.
Called by the engine and by `fleetui.fleet` for its diffs. Pure: discovery is passed in.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from fleetui.engine.application import mapping
from fleetui.engine.tracking import BY_ANNOTATION, Tracking
from fleetui.health.hooks import is_hook
from fleetui.model.objects import Discovery, Obj, ObjectRef, ref_of
from fleetui.render.directory import Manifest


@dataclass(frozen=True)
class Target:
    """One desired object, ready to be applied; `file` and `line` say where it is written."""

    ref: ObjectRef
    obj: Obj
    file: str = ""
    line: int | None = None
    namespaced: bool = True


@dataclass(frozen=True)
class Targets:
    """The desired state: kept objects and hooks, with warnings (``RepeatedResourceWarning`` messages)."""

    objects: tuple[Target, ...] = ()
    hooks: tuple[Target, ...] = ()
    warnings: tuple[str, ...] = ()
    by_ref: Mapping[ObjectRef, Target] = field(default_factory=dict)


def targets_of(
    manifests: Sequence[Manifest],
    discovery: Discovery,
    *,
    app: str,
    namespace: str,
    tracking: Tracking = BY_ANNOTATION,
) -> Targets:
    """The desired objects of an application.

    Args:
        manifests: what rendering gave, in order.
        discovery: what the destination cluster serves; a kind it does not know counts as namespaced.
        app: the application's name within tracking ids (`tracking.instance_name`).
        namespace: the application's destination namespace.
        tracking: how the objects are to say that they belong to it.
    """
    seen: dict[ObjectRef, Target] = {}
    nameless: list[Target] = []
    count: dict[ObjectRef, int] = {}
    for manifest in manifests:
        target = _target(manifest, discovery, app, namespace, tracking)
        if not target.ref.name:
            nameless.append(target)
            continue
        count[target.ref] = count.get(target.ref, 0) + 1
        seen[target.ref] = target
    warnings = tuple(
        f"Resource {ref.group}/{ref.kind}/{ref.namespace}/{ref.name} appeared {times} times "
        "among application resources."
        for ref, times in count.items()
        if times > 1
    )
    everything = [*seen.values(), *nameless]
    kept = tuple(target for target in everything if not is_hook(target.obj) and target.ref.name)
    hooks = tuple(target for target in everything if is_hook(target.obj))
    return Targets(kept, hooks, warnings, {target.ref: target for target in kept})


def _target(manifest: Manifest, discovery: Discovery, app: str, namespace: str, tracking: Tracking) -> Target:
    ref = ref_of(manifest.obj)
    resource = discovery.of(manifest.obj) or discovery.by_kind(ref.group, ref.kind)
    namespaced = resource.namespaced if resource is not None else ref.kind != "Namespace"
    ref = ObjectRef(ref.group, ref.kind, (ref.namespace or namespace) if namespaced else "", ref.name)
    metadata: dict[str, Any] = {**mapping(manifest.obj.get("metadata"))}
    if namespaced:
        metadata["namespace"] = ref.namespace
    else:
        metadata.pop("namespace", None)
    # A definition is shared by everything that uses it: Argo CD never tracks one (`util/kube`, `IsCRD`).
    if ref.kind != "CustomResourceDefinition":
        metadata = tracking.mark(metadata, ref, app, namespace)
    obj = {**manifest.obj, "metadata": metadata}
    return Target(ref, obj, manifest.file, manifest.line, namespaced)
