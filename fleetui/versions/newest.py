"""Which of several versions a revision means.

Owns: `is_version`, `newest` and `chart_version`. Rules: Argo CD 3.6 (util/versions) and Helm 4.3 (`IndexFile.Get` in
pkg/repo/v1/index.go). Pure.
"""

from __future__ import annotations

from collections.abc import Sequence

from fleetui.versions.constraint import Constraint
from fleetui.versions.version import Version, VersionError


def is_version(text: str) -> bool:
    """Whether `text` is one version, such as ``v1.2``, which is taken as it is (`IsVersion`)."""
    try:
        Version.loose(text)
    except VersionError:
        return False
    return True


def newest(revision: str, versions: Sequence[str]) -> str:
    """The version that `revision` means (`MaxVersion`): itself where it is one, the newest of `versions` that a
    constraint allows, else the very text where it is among them. What is no version is passed over.

    Raises:
        VersionError: none fits; the words are Argo CD's.
    """
    if is_version(revision):
        return revision
    try:
        constraint = Constraint(revision)
    except VersionError as error:
        if revision in versions:
            return revision
        raise VersionError(f"failed to determine semver constraint: {error}") from error
    found = _newest(constraint, versions)
    if found is None:
        raise VersionError(f"version matching constraint not found in {len(versions)} tags")
    return found


def chart_version(wanted: str, versions: Sequence[str]) -> str | None:
    """The one of a chart's `versions` that Helm takes for `wanted`: the very text, else the newest that it allows as a
    constraint, as which ``1.2`` is every 1.2. None where there is none.

    Raises:
        VersionError: `wanted` is neither.
    """
    if wanted in versions:
        return wanted
    return _newest(Constraint(wanted or "*"), versions)


def _newest(constraint: Constraint, versions: Sequence[str]) -> str | None:
    best: Version | None = None
    for text in versions:
        try:
            version = Version.loose(text)
        except VersionError:
            continue
        if constraint.check(version) and (best is None or version > best):
            best = version
    return best.original if best else None
