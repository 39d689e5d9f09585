"""What a chart depends on, and which versions of it are to be fetched.

Owns: `wanted`, `missing`, `folder_of`, `is_version_of` and `Dependency`. Rules: Helm 4.3 (`Manager.Build` in
pkg/downloader/manager.go, `HashReq` in internal/resolver/resolver.go), which Argo CD runs where a chart lacks what it
depends on (`runHelmBuild`). Called by `backends.helm`, which fetches them. Pure.
"""

from __future__ import annotations

import hashlib
import json
import posixpath
import re
from collections.abc import Collection, Iterable, Mapping
from typing import Any

import msgspec

from fleetui.model.errors import ManifestError, RefusedError
from fleetui.model.text import masked, quoted
from fleetui.render.yaml import documents
from fleetui.versions import Constraint, VersionError

_MISSING = re.compile(
    r"found in (?:Chart|requirements)\.yaml, but missing in charts/(?: directory)?: (?P<names>[^\n]+)"
)
_FIELDS = ("name", "version", "repository", "condition", "tags", "enabled", "import-values", "alias")
_ALWAYS = frozenset({"name", "repository"})


class Dependency(msgspec.Struct, frozen=True):
    """One chart that another depends on; `version` may be a constraint where no lock file says more."""

    name: str
    version: str
    repository: str

    @property
    def is_folder(self) -> bool:
        return self.repository.startswith("file://")

    @property
    def alias(self) -> str:
        """The name under which a hub knows the repository, of ``@NAME`` and ``alias:NAME``; empty for an address."""
        if self.repository.startswith("@"):
            return self.repository[1:]
        return self.repository.removeprefix("alias:") if self.repository.startswith("alias:") else ""


def missing(said: str) -> list[str]:
    """The names that helm says are missing in ``charts/``; empty where it says something else."""
    found = _MISSING.search(said)
    return [name.strip() for name in found["names"].split(",")] if found else []


def wanted(chart: Mapping[str, bytes], *, what: str, names: Collection[str] | None = None) -> list[Dependency]:
    """A chart's dependencies, in the versions of its lock file where it has one; helm wants all of them, also those
    that a condition switches off.

    Args:
        chart: the chart's files.
        names: those that are wanted; None for all.
        what: how messages call it.

    Raises:
        ManifestError: the lock file is out of sync, or one has no repository to fetch it from.
    """
    is_old = "requirements.yaml" in chart and "dependencies" not in _read(chart, "Chart.yaml")
    file, lock_file = ("requirements.yaml", "requirements.lock") if is_old else ("Chart.yaml", "Chart.lock")
    listed = _listed(_read(chart, file), file)
    if not listed:
        return []
    if lock_file in chart:
        lock = _read(chart, lock_file)
        locked = _listed(lock, lock_file)
        if lock.get("digest") != _digest(listed, locked) and not is_old:
            raise ManifestError(
                f"the lock file ({lock_file}) is out of sync with the dependencies file ({file}); "
                "run helm dependency update and commit it",
                path=posixpath.join(what, lock_file),
            )
        listed = locked
    found = [
        Dependency(_text(each, "name"), _text(each, "version"), _text(each, "repository"))
        for each in listed
        if names is None or each.get("name") in names
    ]
    for each in found:
        if not each.repository:
            text = f"the dependency {quoted(each.name)} has no repository and is not in charts/"
            raise ManifestError(text, path=posixpath.join(what, file))
    return list(dict.fromkeys(found))


def folder_of(dependency: Dependency, chart_folder: str) -> str:
    """Where in the repository a dependency on ``file://`` lies.

    Raises:
        RefusedError: outside of it.
    """
    path = dependency.repository.removeprefix("file://")
    # An absolute path is one of the machine that wrote the chart.
    whole = posixpath.normpath(posixpath.join(chart_folder, path))
    if path.startswith("/") or whole.split("/")[0] == "..":
        raise RefusedError(
            f"the dependency {quoted(dependency.name)} ({masked(dependency.repository)}) lies outside the repository"
        )
    return "" if whole == "." else whole


def is_version_of(dependency: Dependency, chart: Mapping[str, bytes]) -> bool:
    """Whether a chart, as which a folder is given, has a version that is wanted (`tarFromLocalDir`)."""
    try:
        return Constraint(dependency.version or "*").check(_text(_read(chart, "Chart.yaml"), "version"))
    except VersionError:
        return False


def _read(chart: Mapping[str, bytes], file: str) -> dict[str, Any]:
    content = chart.get(file)
    found = next(documents(content, path=file), None) if content is not None else None
    return found.value if found is not None and isinstance(found.value, dict) else {}


def _listed(of: Mapping[str, Any], file: str) -> list[dict[str, Any]]:
    listed = of.get("dependencies")
    if listed is None:
        return []
    if not isinstance(listed, list) or not all(isinstance(each, dict) for each in listed):
        raise ManifestError("dependencies is no list of charts", path=file)
    return listed


def _digest(listed: Iterable[Mapping[str, Any]], locked: Iterable[Mapping[str, Any]]) -> str:
    """The digest that binds a lock file to what it was made of: that of both as Go writes them in JSON."""
    both = [[_as_go(each) for each in listed], [_as_go(each) for each in locked]]
    written = json.dumps(both, separators=(",", ":"), ensure_ascii=False)
    for char in "<>&\u2028\u2029":
        written = written.replace(char, f"\\u{ord(char):04x}")
    return f"sha256:{hashlib.sha256(written.encode(errors='replace')).hexdigest()}"


def _as_go(dependency: Mapping[str, Any]) -> dict[str, Any]:
    fields = ((name, dependency.get(name)) for name in _FIELDS)
    return {name: _sorted(value or "") for name, value in fields if value or name in _ALWAYS}


def _sorted(value: Any) -> Any:
    if isinstance(value, dict):
        return {key: _sorted(value[key]) for key in sorted(value)}
    return [_sorted(each) for each in value] if isinstance(value, list) else value


def _text(of: Mapping[str, Any], field: str) -> str:
    value = of.get(field)
    return "" if value is None else str(value)
