"""Kustomizations built without the `kustomize` binary.

Owns: `build`, `substituted` and `Unsupported`, the door to this package. Called by `fleetui.engine.sources`, which
turns to `fleetui.renderports.Kustomize` (a binary) where `build` raises `Unsupported`. Pure.

What is accepted comes out as `kustomize build` 5.8.2 has it, object by object and in the same order; what is not known
to come out the same is refused. No network, no plugins.
"""

from __future__ import annotations

import posixpath
from collections.abc import Mapping
from typing import Any

from fleetui.model.errors import ManifestError
from fleetui.render.directory import Manifest
from fleetui.render.kustomize.edit import edited, substituted
from fleetui.render.kustomize.errors import Problem, Unsupported, UnsupportedProblem
from fleetui.render.kustomize.loader import Folder
from fleetui.render.kustomize.options import refused_option
from fleetui.render.kustomize.target import built
from fleetui.render.kustomize.values import finished
from fleetui.renderports import Files

__all__ = ["Unsupported", "build", "refused_option", "substituted"]


def build(files: Files, folder: str, options: Mapping[str, Any] | None = None) -> list[Manifest]:
    """The objects of the kustomization in `folder`, in the order of `kustomize build`.

    Args:
        files: the whole repository by path from its root; only what the kustomization names is read, nothing iterated.
        folder: where the kustomization file lies, from the repository's root (``""`` or ``"."``: the root itself).
        options: `spec.source.kustomize` of the Application as written, applied as Argo CD 3.6 does. Variables such as
            ``$ARGOCD_APP_NAME`` are substituted before, by `substituted`.

    Returns:
        The objects, the caller's own, each with the file and line that it comes from; a generated ConfigMap or Secret
        comes from the kustomization file.

    Raises:
        Unsupported: the kustomization uses something that only the binary knows; `feature` names it.
        ManifestError: it does not build; file and line where they are known.
    """
    path = posixpath.normpath(folder.strip("/") or ".")
    root = "" if path == "." else path

    def edit(value: dict[str, Any], own: Folder) -> dict[str, Any]:
        return edited(value, options or {}, own.exists)

    try:
        resources = built(Folder(files, root), edit if options else None)
        return [Manifest(finished(resource.obj), resource.file, resource.line) for resource in resources]
    except Problem as problem:
        kind = Unsupported if isinstance(problem, UnsupportedProblem) else ManifestError
        raise kind(str(problem), path=root) from problem
