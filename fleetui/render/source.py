"""What an application's source says about how it is rendered.

Owns: `folder_of`, `from_directory`, `from_stream` and `refusal`. Called by `fleetui.engine.rendering`, which has the
tools. The rules and words are Argo CD's (3.6: util/app/path/path.go, reposerver/repository/repository.go). Pure.
"""

from __future__ import annotations

import posixpath
from collections.abc import Mapping
from typing import Any

from fleetui.model.errors import FleetError, RefusedError
from fleetui.render.detect import Tool
from fleetui.render.directory import Manifest, manifests, objects_of
from fleetui.renderports import Files


def folder_of(source: Mapping[str, Any]) -> str:
    """The folder that a source names, from the root of its repository (``""``: the root itself).

    Raises:
        RefusedError: it lies outside of the repository.
    """
    path = str(source.get("path") or "")
    if path.startswith("/"):
        raise RefusedError(f"{path}: app path is absolute")
    folder = posixpath.normpath(path or ".")
    if folder.split("/")[0] == "..":
        raise RefusedError(f"{path}: app path outside root")
    return "" if folder == "." else folder


def from_directory(source: Mapping[str, Any], files: Files) -> list[Manifest]:
    """The manifests of a directory source: the `files` of its folder, by their path relative to it.

    Raises:
        ManifestError: a file is no manifest.
    """
    directory = source.get("directory") or {}
    return manifests(
        files,
        root=folder_of(source),
        recurse=bool(directory.get("recurse")),
        include=str(directory.get("include") or ""),
        exclude=str(directory.get("exclude") or ""),
        any_name=bool(directory.get("disableExtensionFilter")),
    )


def from_stream(content: bytes, file: str) -> list[Manifest]:
    """The objects that a tool wrote as YAML; `file` stands for what it read.

    Raises:
        ManifestError: it is no YAML, or holds something that is no object.
    """
    return [Manifest(document.value, file, document.line) for document in objects_of(content, file)]


def refusal(source: Mapping[str, Any], tool: Tool) -> FleetError | None:
    """Why a source can't be rendered by this engine whatever its files are; None where it can."""
    if tool is Tool.PLUGIN:
        plugin = str((source.get("plugin") or {}).get("name") or "")
        named = f"the config management plugin {plugin!r}" if plugin else "a config management plugin"
        message = f"{named} is asked for by spec.source.plugin, and this engine runs no plugins"
        return FleetError(message, "point the application at what the plugin writes")
    return None
