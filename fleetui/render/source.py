"""An application's source becomes manifests.

Owns: `render`. Called by `fleetui.engine` and by the command line. Pure.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from fleetui.model.errors import FleetError
from fleetui.render.detect import Tool, detect
from fleetui.render.directory import Manifest, manifests


def render(source: Mapping[str, Any], files: Mapping[str, bytes]) -> list[Manifest]:
    """The manifests of an Application's `spec.source` (as JSON has it), from the `files` of its folder, keyed by their
    path relative to it.

    Raises:
        ManifestError: a file is no manifest.
        FleetError: the source needs a tool that is not supported.
    """
    tool = detect(source, files)
    path = str(source.get("path") or source.get("chart") or ".")
    if tool is not Tool.DIRECTORY:
        raise FleetError(f"{tool} sources are not supported yet: {path}", "point the application at plain manifests")
    directory = source.get("directory") or {}
    return manifests(
        files,
        root="" if path == "." else path.strip("/"),
        recurse=bool(directory.get("recurse")),
        include=str(directory.get("include") or ""),
        exclude=str(directory.get("exclude") or ""),
    )
