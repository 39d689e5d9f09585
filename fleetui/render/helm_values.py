"""Which files a Helm source's `valueFiles` and `fileParameters` name.

Owns: `value_files`, `parameter_files` and `ValueFile`. Rules and words: Argo CD 3.6 (`getResolvedValueFiles` in
reposerver/repository/repository.go, `ResolveValueFilePathOrUrl` in util/io/path/resolved.go), whose patterns are those
of github.com/bmatcuk/doublestar 4.10. Called by whoever reads the files. Pure: a file is a path, never its content.
"""

from __future__ import annotations

import posixpath
import re
from collections.abc import Collection, Mapping, Sequence
from typing import Any
from urllib.parse import urlsplit

import msgspec

from fleetui.model.errors import FleetError, ManifestError, RefusedError
from fleetui.model.text import go_quoted, masked, quoted
from fleetui.render.environment import expand
from fleetui.render.pathglob import PatternError, matching

SCHEMES = ("https", "http")
"""Of remote files, where `helm.valuesFileSchemes` in argocd-cm does not say (settings.go)."""

_GLOB = re.compile(r"[*?\[]")
"""What makes a path a pattern (`isGlobPath`): braces alone don't."""


class ValueFile(msgspec.Struct, frozen=True):
    """One file of values.

    `source` is ``$NAME`` where it lies in the source of that `ref`, else empty; `path` is from the repository's root;
    `url` is set, and `path` empty, where it is remote.
    """

    source: str = ""
    path: str = ""
    url: str = ""

    @property
    def name(self) -> str:
        """How messages call it."""
        return masked(self.url) or (f"{self.source}/{self.path}" if self.source else self.path)


class Places(msgspec.Struct, frozen=True, kw_only=True):
    """Where values may lie: the chart's `folder` among the `files` of its repository (for a chart of a repository of
    charts: ``""`` and the chart's own files), and `refs`, the files of the sources with a `ref`, by ``$NAME``: None
    where the application has one source alone, whose dollar signs are variables; so are, where no source has a `ref`,
    those that the environment knows."""

    files: Collection[str]
    folder: str = ""
    refs: Mapping[str, Collection[str]] | None = None
    schemes: Sequence[str] = SCHEMES

    def beside(self, file: ValueFile) -> Collection[str]:
        """The files of the repository that `file` lies in."""
        return (self.refs or {})[file.source] if file.source else self.files


def value_files(options: Mapping[str, Any], places: Places, environment: Mapping[str, str]) -> list[ValueFile]:
    """The files that `options` (`spec.source.helm`) names in `valueFiles`, in order, each once; a pattern stands for
    what it matches, but for what is named besides.

    Raises:
        RefusedError: one lies outside its repository, or at an address of a kind that is not allowed.
        ManifestError: one is missing, or a pattern matches nothing, and `ignoreMissingValueFiles` is not set.
        FleetError: one is in a source that there is not.
    """
    ignore_missing = bool(options.get("ignoreMissingValueFiles"))
    named = [(str(raw), _resolved(str(raw), places, environment)) for raw in options.get("valueFiles") or ()]
    explicit = {file for _, file in named if not _is_pattern(file)}
    found: dict[ValueFile, None] = {}
    for raw, file in named:
        if _is_pattern(file):
            matches = _matching(file, raw, places.beside(file))
            if not matches and not ignore_missing:
                raise ManifestError(f"values file glob {go_quoted(raw)} matched no files")
            found.update((match, None) for match in matches if match not in explicit)
        elif file.url or file.path in places.beside(file):
            found[file] = None
        elif not ignore_missing:
            raise ManifestError("the file of values does not exist", path=file.name)
    return list(found)


def parameter_files(options: Mapping[str, Any], places: Places, environment: Mapping[str, str]) -> dict[str, ValueFile]:
    """The files that `options` names in `fileParameters`, by the parameter's name.

    Raises:
        RefusedError, ManifestError, FleetError: as for `value_files`.
    """
    found: dict[str, ValueFile] = {}
    for parameter in options.get("fileParameters") or ():
        file = _resolved(str(parameter.get("path") or ""), places, environment)
        if not file.url and file.path not in places.beside(file):
            raise ManifestError("the file of a parameter does not exist", path=file.name)
        found[str(parameter.get("name") or "")] = file
    return found


def _resolved(raw: str, places: Places, environment: Mapping[str, str]) -> ValueFile:
    source, _, rest = raw.partition("/")
    if source.startswith("$") and places.refs is not None:
        if source in places.refs:
            # Only what is behind the name is substituted: the name itself looks like a variable.
            return ValueFile(source, _inside("", f"/{expand(rest, environment)}", raw))
        if places.refs or expand(source, environment) == expand(source, {}):
            known = f"which is not one of the available sources ({', '.join(places.refs)})"
            reason = known if places.refs else "but no source has a 'ref' field defined"
            raise FleetError(f"source referenced {go_quoted(source)}, {reason}")
    text = expand(raw, environment)
    if scheme := _scheme(text):
        if scheme not in (each.lower() for each in places.schemes):
            raise RefusedError(f"error resolving value file path: the URL scheme {quoted(scheme)} is not allowed")
        return ValueFile(url=text)
    return ValueFile("", _inside(places.folder, text, raw))


def _scheme(text: str) -> str:
    try:
        return urlsplit(text).scheme
    except ValueError:
        return ""


def _inside(folder: str, path: str, raw: str) -> str:
    """A path from the repository's root; one that begins with a slash is already."""
    whole = posixpath.normpath(path.lstrip("/") if path.startswith("/") else posixpath.join(folder, path))
    if whole == "." or whole.split("/")[0] == "..":
        raise RefusedError(f"error resolving value file path: file {quoted(raw)} resolved to outside repository root")
    return whole


def _is_pattern(file: ValueFile) -> bool:
    return not file.url and _GLOB.search(file.path) is not None


def _matching(file: ValueFile, raw: str, files: Collection[str]) -> list[ValueFile]:
    try:
        return [ValueFile(file.source, path) for path in matching(file.path, files)]
    except PatternError as error:
        raise ManifestError(f"error expanding glob pattern {go_quoted(raw)}: {error}") from error
