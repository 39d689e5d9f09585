"""What an application's source says about how it is rendered.

Owns: `folder_of`, `overridden`, `from_directory`, `from_stream` and `refusal`. Called by `fleetui.engine.rendering`,
which has the tools. The rules and words are Argo CD's (3.6: util/app/path/path.go,
reposerver/repository/repository.go). Pure.
"""

from __future__ import annotations

import posixpath
from collections.abc import Mapping
from typing import Any

from fleetui.model.errors import FleetError, ManifestError, RefusedError
from fleetui.model.objects import merge_patched
from fleetui.render.detect import Tool
from fleetui.render.directory import Manifest, manifests, objects_of
from fleetui.render.yaml import documents
from fleetui.renderports import Files

_OF_THE_SPEC = frozenset({"chart", "path", "repoURL", "targetRevision"})
"""Fields that no file in a repository changes."""


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


def overridden(source: Mapping[str, Any], files: Files, app: str) -> Mapping[str, Any]:
    """The source with what ``.argocd-source.yaml`` and ``.argocd-source-APP.yaml`` in its folder say of its tool.

    Raises:
        ManifestError: one of them is no YAML, or no map.
    """
    merged = source
    for name in (".argocd-source.yaml", f".argocd-source-{app}.yaml"):
        if name in files:
            path = posixpath.join(folder_of(source), name)
            for document in documents(files[name], path=path):
                if not isinstance(document.value, dict):
                    raise ManifestError("it is no map of a source's fields", path=path, line=document.line)
                merged = merge_patched(merged, document.value)
    fixed = {key: source[key] for key in _OF_THE_SPEC if key in source}
    return merged if merged is source else {key: merged[key] for key in merged if key not in _OF_THE_SPEC} | fixed


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
