"""Which tool renders a source.

Owns: `Tool` and `detect`. The rules are Argo CD's (3.4: `ApplicationSource.ExplicitType` in types.go, `Discover` in
util/app/discovery/discovery.go). Called by `fleetui.render.source`. Pure.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from enum import StrEnum
from typing import Any

from fleetui.model.errors import FleetError

_KUSTOMIZATIONS = frozenset({"kustomization.yaml", "kustomization.yml", "Kustomization"})


class Tool(StrEnum):
    """What turns a source's files into manifests; the values are those of `status.sourceType`."""

    KUSTOMIZE = "Kustomize"
    HELM = "Helm"
    DIRECTORY = "Directory"
    PLUGIN = "Plugin"


def detect(source: Mapping[str, Any], files: Iterable[str]) -> Tool:
    """The tool of `source` (an Application's `spec.source`, as JSON has it) with `files`, paths relative to its folder.

    A tool that the source names wins; else a chart or a kustomization in the folder itself decides, the last in
    alphabetical order where there are both, as `filepath.Walk` meets them.

    Raises:
        FleetError: the source names several tools.
    """
    named = [tool for tool in Tool if source.get(tool.lower()) is not None]
    if len(named) > 1:
        raise FleetError(f"multiple application sources defined: {','.join(named)}", "keep one of them in spec.source")
    if named:
        return named[0]
    if source.get("chart"):
        return Tool.HELM
    tool = Tool.DIRECTORY
    for name in sorted(file for file in files if "/" not in file):
        if name.endswith("Chart.yaml"):
            tool = Tool.HELM
        elif name in _KUSTOMIZATIONS:
            tool = Tool.KUSTOMIZE
    return tool
