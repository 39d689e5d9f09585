"""What the binary needs of a repository to build a kustomization.

Owns: `exported` and `Export`. The folders of the kustomization and of all that it leads to, whole, since kustomize
reads files only from below the kustomization that names them; the root kustomization with the Application's options
written into it. Called by `backends.kustomize`. Pure.
"""

from __future__ import annotations

import json
import posixpath
from collections.abc import Callable, Iterator, Mapping
from typing import Any, NamedTuple

from fleetui.model.errors import ManifestError, RefusedError
from fleetui.model.text import masked, one_line
from fleetui.render.kustomize.edit import edited
from fleetui.render.kustomize.errors import Problem, UnsupportedProblem
from fleetui.render.kustomize.kustomization import read
from fleetui.render.kustomize.loader import Folder, is_remote, repository_of
from fleetui.renderports import Files

MAX_EXPORT = 128 * 1024 * 1024
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


class Export(NamedTuple):
    """The `files` by their path from the repository's root, and whether they name any that are `remote`."""

    files: dict[str, bytes]
    remote: bool


def exported(
    files: Files, folder: str, options: Mapping[str, Any], *, permits: Callable[[str], bool] = lambda url: False
) -> Export:
    """What the kustomization in `folder` is built from.

    Args:
        options: `spec.source.kustomize`, its variables substituted.
        permits: whether something may come from the repository at an address. What a repository that may be used
            names itself is for kustomize to fetch, and not seen here.

    Raises:
        RefusedError: something outside the repository is named, and that is not permitted.
        ManifestError: an option can't be carried out, there is no kustomization, or it is too large.
    """
    root = "" if folder in ("", ".") else posixpath.normpath(folder.strip("/"))
    try:
        start = Folder(files, root)
    except Problem as problem:
        raise ManifestError(str(problem), path=root) from problem
    value = edited(read(start.content, start.file), options, start.exists)
    reached = _Reached(permits)
    reached.follow(start, value)
    found: dict[str, bytes] = {}
    size = 0
    for path in files:
        if any(not each or path.startswith(f"{each}/") for each in reached.folders):
            found[path] = files[path]
            size += len(found[path])
            if size > MAX_EXPORT:
                raise ManifestError(f"needs more than {MAX_EXPORT // 1024**2} MiB of files", path=start.file)
    if options:
        # JSON is YAML, and kustomize does not look at the file's form.
        found[start.file] = json.dumps(value).encode()
    return Export(found, reached.remote)


class _Reached:
    """The folders of a kustomization and of those that it names; what can't be followed is the binary's to complain."""

    def __init__(self, permits: Callable[[str], bool]) -> None:
        self.folders: set[str] = set()
        self.remote = False
        self._permits = permits

    def follow(self, folder: Folder, value: Mapping[str, Any]) -> None:
        self.folders.add(folder.path)
        for path in _named(value):
            if is_remote(path):
                self._allow(folder, path)
                continue
            if folder.leads_out(path):
                # The binary would go there: to whatever lies beside the folder that it is given.
                raise RefusedError(f"{folder.file} uses {one_line(path)}, which leads out of the repository")
            try:
                below = folder.folder(path)
            except (Problem, UnsupportedProblem, ManifestError):
                continue
            self.follow(below, read(below.content, below.file))

    def _allow(self, folder: Folder, path: str) -> None:
        what, url = f"{folder.file} uses the remote resource {one_line(masked(path))}", repository_of(path)
        if not url:
            raise RefusedError(f"{what}, which is at no https address", "copy it into the repository")
        if not self._permits(url):
            hint = "name its repository in the project's sourceRepos, or copy it into this one"
            raise RefusedError(f"{what}, which the project does not permit", hint)
        self.remote = True


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
