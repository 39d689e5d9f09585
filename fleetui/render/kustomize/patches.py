"""Patches of both kinds.

Owns: `apply_patches`, `apply_strategic_merges`, `apply_json_patches`. Follows api 0.21.2 (internal/builtins:
PatchTransformer.go, PatchStrategicMergeTransformer.go, PatchJson6902Transformer.go). Called by `target`.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Protocol

from fleetui.model.errors import ManifestError
from fleetui.render.kustomize import jsonpatch
from fleetui.render.kustomize.documents import resources as objects_of
from fleetui.render.kustomize.errors import Problem, Unsupported, UnsupportedProblem
from fleetui.render.kustomize.kustomization import Patch
from fleetui.render.kustomize.merge import merge
from fleetui.render.kustomize.resource import ALLOW_KIND_CHANGE, ALLOW_NAME_CHANGE, Resource, Resources
from fleetui.render.kustomize.values import finished, replaced, round_tripped
from fleetui.render.yaml import documents, single_json


class Loader(Protocol):
    """Reads the files that a kustomization names."""

    file: str

    def load(self, path: str) -> tuple[bytes, str]: ...


def apply_patches(patches: Sequence[Patch], resources: Resources, loader: Loader) -> None:
    """The field `patches`.

    Raises:
        ManifestError, Problem: a patch can't be read, or does not fit.
    """
    for patch in patches:
        content, file = _content(patch, loader)
        merges, operations = _parse(content, file)
        if merges:
            _prepare(merges, patch)
            _merge_all(merges, patch, resources)
        else:
            if patch.target is None:
                raise Problem("the JSON patch has no target; name its kind and name")
            for resource in patch.target.select(resources):
                resource.store_id()
                _patch_json(resource, operations)


def apply_strategic_merges(patches: Sequence[str], resources: Resources, loader: Loader) -> None:
    """The field `patchesStrategicMerge`: paths, or patches in place."""
    if not patches:
        return
    loaded: list[Resource] = []
    for text in patches:
        content, file = (text.encode(), loader.file) if "\n" in text.strip() else loader.load(text)
        loaded += [Resource(doc.value, file, doc.line) for doc in objects_of(content, file)]
    if not loaded:
        raise Problem("patchesStrategicMerge names no patch")
    for patch in loaded:
        _merge_selected(resources, [resources.target_of(patch)], patch)


def apply_json_patches(patches: Sequence[Patch], resources: Resources, loader: Loader) -> None:
    """The field `patchesJson6902`."""
    for patch in patches:
        if patch.target is None or not patch.target.name:
            raise Problem("a patch of patchesJson6902 has no target with a name")
        content, file = _content(patch, loader)
        operations = _operations(content, file)
        if not operations:
            raise Problem("a patch of patchesJson6902 is empty")
        for resource in patch.target.select(resources):
            _patch_json(resource, operations)


def _content(patch: Patch, loader: Loader) -> tuple[bytes, str]:
    text = patch.patch.strip()
    if bool(text) == bool(patch.path):
        raise Problem("a patch needs either path or patch" if not text else "a patch has both path and patch")
    return (text.encode(), loader.file) if text else loader.load(patch.path)


def _parse(content: bytes, file: str) -> tuple[list[Resource], Sequence[jsonpatch.Operation]]:
    """kustomize reads a patch as both kinds and takes the one that it is."""
    start = content.lstrip()
    if not start:
        raise UnsupportedProblem("an empty patch file")
    if start.startswith((b"[", b"- ", b"-\n")) or _is_list(content, file):
        return [], _operations(content, file)
    return [Resource(doc.value, file, doc.line) for doc in objects_of(content, file)], ()


def _is_list(content: bytes, file: str) -> bool:
    # Comments may stand before either kind.
    if not content.lstrip().startswith((b"#", b"---")):
        return False
    try:
        return isinstance(next(documents(content, path=file)).value, list)
    except (ManifestError, StopIteration):
        return False


def _operations(content: bytes, file: str) -> list[jsonpatch.Operation]:
    if content.startswith(b"["):
        # Only then kustomize takes it for JSON; anything else may be YAML.
        return jsonpatch.operations(single_json(content, path=file).value)
    values = list(documents(content, path=file))
    if len(values) != 1:
        raise Unsupported("a JSON patch of several documents", path=file)
    return jsonpatch.operations(values[0].value)


def _prepare(merges: Sequence[Resource], patch: Patch) -> None:
    for merged in merges if patch.options else ():
        assert patch.options is not None
        if patch.options.allow_name_change:
            merged.enable(ALLOW_NAME_CHANGE)
        if patch.options.allow_kind_change:
            merged.enable(ALLOW_KIND_CHANGE)


def _merge_all(merges: Sequence[Resource], patch: Patch, resources: Resources) -> None:
    if patch.target is not None:
        if len(merges) > 1:
            raise Problem("a patch with a target holds several documents; make each one a patch of its own")
        _merge_selected(resources, patch.target.select(resources), merges[0])
        return
    for merged in merges:
        target = resources.target_of(merged)
        _merge_one(target, merged)


def _merge_selected(resources: Resources, selected: Sequence[Resource], patch: Resource) -> None:
    """`resWrangler.ApplySmPatch`: the objects that are left keep their order, and their ids must still differ."""
    ids = [resource.id for resource in selected]
    left = Resources()
    for resource in list(resources):
        if resource.id in ids:
            own = patch.copy()
            own.copy_metadata(patch)
            own.obj["apiVersion"] = resource.obj["apiVersion"]
            _merge_one(resource, own)
        if resource.obj:
            left.append(resource)
    resources.clear()
    resources.add_all(left)


def _merge_one(resource: Resource, patch: Resource) -> None:
    if resource.untyped:
        raise UnsupportedProblem("a patch of an object in which a replacement made a number or the like")
    name, namespace, kind = resource.name, resource.namespace, resource.kind
    renames, changes_kind = patch.enabled(ALLOW_NAME_CHANGE), patch.enabled(ALLOW_KIND_CHANGE)
    if renames or changes_kind:
        resource.store_id()
    try:
        merged: Any = merge(patch.obj, resource.obj)
    except Problem as problem:
        raise type(problem)(f"{problem} ({resource.id})") from problem
    resource.obj = merged or {}
    if not resource.obj:
        return
    resource.spread_shared()
    if not changes_kind:
        resource.obj["kind"] = replaced(resource.obj.get("kind"), kind)
    if not renames:
        resource.set_name(name)
    resource.set_namespace(namespace)


def _patch_json(resource: Resource, operations: Sequence[jsonpatch.Operation]) -> None:
    internal = {key: value for key, value in resource.annotations.items() if key.startswith("internal.config.")}
    try:
        resource.obj = round_tripped(jsonpatch.apply(operations, finished(resource.obj)))
    except Problem as problem:
        raise type(problem)(f"{problem} ({resource.id})") from problem
    resource.shared = []
    resource.untyped = False
    metadata = resource.obj.get("metadata")
    if not isinstance(metadata, dict) or not isinstance(metadata.get("annotations", {}), dict):
        raise UnsupportedProblem("a JSON patch that takes metadata or its annotations away")
    if not all(isinstance(resource.obj.get(field), str) for field in ("apiVersion", "kind")) or not resource.name:
        raise UnsupportedProblem("a JSON patch that takes apiVersion, kind or name away")
    resource.set_map("annotations", resource.annotations | internal)
