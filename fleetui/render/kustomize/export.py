"""What the binary needs of a repository to build a kustomization.

Owns: `exported`. The folders of the kustomization and of all that it leads to, whole, since kustomize reads files only
from below the kustomization that names them; the root kustomization with the Application's options written into it.
Called by `backends.kustomize`. Pure.
"""

from __future__ import annotations

import json
import posixpath
from collections.abc import Iterator, Mapping
from typing import Any

from fleetui.model.errors import ManifestError, RefusedError
from fleetui.model.text import one_line
from fleetui.render.kustomize.edit import edited
from fleetui.render.kustomize.errors import Problem, UnsupportedProblem
from fleetui.render.kustomize.kustomization import read
from fleetui.render.kustomize.loader import Folder, is_remote
from fleetui.renderports import Files

MAX_EXPORT = 256 * 1024 * 1024
"""Bytes that a build may need together."""

_FOLDERS = ("resources", "bases", "components", "generators", "transformers", "validators")
_FILES = ("patchesStrategicMerge", "crds", "configurations")
_WITH_FILES = {
    "patches": ("path",),
    "patchesJson6902": ("path",),
    "replacements": ("path",),
    "configMapGenerator": ("files", "envs", "env"),
    "secretGenerator": ("files", "envs", "env"),
}


def exported(files: Files, folder: str, options: Mapping[str, Any], *, remote: bool = False) -> dict[str, bytes]:
    """The files by their path from the repository's root.

    Args:
        options: `spec.source.kustomize`, its variables substituted.
        remote: whether bases in other repositories are allowed.

    Raises:
        RefusedError: something remote is named, and that is not allowed.
        ManifestError: an option can't be carried out, there is no kustomization, or it is too large.
    """
    root = "" if folder in ("", ".") else posixpath.normpath(folder.strip("/"))
    try:
        start = Folder(files, root)
    except Problem as problem:
        raise ManifestError(str(problem), path=root) from problem
    value = edited(read(start.content, start.file), options, start.exists)
    folders = set(_reached(start, value, remote=remote))
    found: dict[str, bytes] = {}
    size = 0
    for path in files:
        if any(not each or path.startswith(f"{each}/") for each in folders):
            found[path] = files[path]
            size += len(found[path])
            if size > MAX_EXPORT:
                raise ManifestError(f"needs more than {MAX_EXPORT // 1024**2} MiB of files", path=start.file)
    if options:
        # JSON is YAML, and kustomize does not look at the file's form.
        found[start.file] = json.dumps(value).encode()
    return found


def _reached(folder: Folder, value: Mapping[str, Any], *, remote: bool) -> Iterator[str]:
    """The folders of a kustomization and of those that it names; what can't be followed is the binary's to complain."""
    yield folder.path
    for path in _named(value):
        if is_remote(path) and not folder.has(path):
            if not remote:
                raise RefusedError(
                    f"{folder.file} uses the remote resource {one_line(path)}",
                    "the project must allow it, or copy it into the repository",
                )
            continue
        try:
            below = folder.folder(path)
        except (Problem, UnsupportedProblem, ManifestError):
            continue
        yield from _reached(below, read(below.content, below.file), remote=remote)


def _named(value: Mapping[str, Any]) -> Iterator[str]:
    """What a kustomization names that may be a folder or lie elsewhere; patches and files only if they are remote."""
    for field in _FOLDERS:
        yield from _texts(value.get(field))
    elsewhere = [text for field in _FILES for text in _texts(value.get(field))]
    if isinstance(openapi := value.get("openapi"), dict):
        elsewhere += _texts(openapi.get("path"))
    for field, keys in _WITH_FILES.items():
        entries = value.get(field)
        for entry in entries if isinstance(entries, list) else ():
            if isinstance(entry, dict):
                elsewhere += [text for key in keys for text in _texts(entry.get(key))]
    yield from (text for text in elsewhere if "\n" not in text and "://" in text)


def _texts(value: Any) -> list[str]:
    values = value if isinstance(value, list) else [value]
    return [text for text in values if isinstance(text, str) and "\n" not in text]
