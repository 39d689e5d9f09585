"""Kustomizations built without the `kustomize` binary.

Owns: `build`, `expanded` and `Unsupported`, the door to this package. Called by `fleetui.engine.sources`, which turns
to `fleetui.renderports.Kustomize` (a binary) where `build` raises `Unsupported`. Pure: reads only what it is given.

What is accepted comes out as `kustomize build` 5.8.2 has it, object by object and in the same order; what is not known
to come out the same is refused. No Markdown, no network, no plugins.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from fleetui.render.directory import Manifest
from fleetui.render.kustomize.errors import Unsupported
from fleetui.renderports import Files

__all__ = ["Unsupported", "build"]


def build(files: Files, folder: str, options: Mapping[str, Any] | None = None) -> list[Manifest]:
    """The objects of the kustomization in `folder`, in the order of `kustomize build`.

    Args:
        files: the whole repository by path from its root; only what the kustomization names is read, nothing iterated.
        folder: where the kustomization file lies, from the repository's root (``""`` or ``"."``: the root itself).
        options: `spec.source.kustomize` of the Application as written, applied as Argo CD 3.6 does. Variables such as
            ``$ARGOCD_APP_NAME`` are substituted before.

    Returns:
        The objects, the caller's own, each with the file and line that it comes from; a generated ConfigMap or Secret
        comes from the kustomization file.

    Raises:
        Unsupported: the kustomization uses something that only the binary knows; `feature` names it.
        ManifestError: it does not build; file and line where they are known.
    """
    raise Unsupported("kustomizations", path=folder)
