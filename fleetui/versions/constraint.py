"""What a version may be: comparisons, ranges and alternatives.

Owns: `Constraint`. Rules and wordings: Masterminds/semver v3.5.0 constraints.go.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass

from fleetui.model.text import go_quoted
from fleetui.versions.version import IDS, Version, VersionError

LONGEST = 512
"""Bytes."""
MOST_GROUPS = 32
"""Groups between ``||``."""

_SPACE = r"[\t\n\f\r ]"
_SOME = r"[0-9|xX*]+"
_VERSION = rf"v?({_SOME})(\.{_SOME})?(\.{_SOME})?(-{IDS})?(?:\+{IDS})?"
_OPERATOR = r"=||!=|>|<|>=|=>|<=|=<|~|~>|\^"
_ITEM = rf"(?:{_OPERATOR}){_SPACE}*{_VERSION}"
_GROUP = re.compile(rf"{_SPACE}*+{_ITEM}(?:(?:{_SPACE}*+,{_SPACE}*+|{_SPACE}++){_ITEM})*+{_SPACE}*+")
"""Possessive where Go's engine needs nothing: backtracking over blanks would take for ever on a hostile text."""
_ITEMS = re.compile(rf"({_OPERATOR}){_SPACE}*({_VERSION})")
_RANGE = re.compile(rf"{_SPACE}*({_VERSION}){_SPACE}+-{_SPACE}+({_VERSION}){_SPACE}*")
_SECOND = 6
"""Of `_RANGE`: the group of the version behind the hyphen."""
_WILD = frozenset({"x", "X", "*"})


@dataclass(frozen=True, slots=True)
class _Comparator:
    """One comparison, such as ``>=1.2.x``; `dirty` where a part is missing or a wildcard, and which of them."""

    operator: str
    text: str
    version: Version
    dirty: bool = False
    minor_dirty: bool = False
    patch_dirty: bool = False


class Constraint:
    """What a version may be: ``>=1.2 <2 || ^3.0.0-0``.

    Raises:
        VersionError: the text is no constraint.
    """

    def __init__(self, text: str) -> None:
        self._groups = _parsed(text)
        self._takes_prereleases = [any(each.version.prerelease for each in group) for group in self._groups]

    def check(self, version: Version | str) -> bool:
        """Whether `version` satisfies it; a text is read loosely.

        A prerelease satisfies only a group in which some version has one.

        Raises:
            VersionError: the text is no version.
        """
        version = _as_version(version)
        return any(
            all(not _reason(each, version, prereleases) for each in group)
            for group, prereleases in zip(self._groups, self._takes_prereleases, strict=True)
        )

    def reasons(self, version: Version | str) -> list[str]:
        """Why `version` does not satisfy it, a sentence for each comparison that fails; empty where it does.

        Raises:
            VersionError: the text is no version.
        """
        version = _as_version(version)
        found: list[str] = []
        for group, prereleases in zip(self._groups, self._takes_prereleases, strict=True):
            failed = list(filter(None, (_reason(each, version, prereleases) for each in group)))
            if not failed:
                return []
            if version.prerelease and not prereleases:
                # Said once, however many groups are of that kind.
                failed = [] if _only_releases(version) in found else failed[:1]
            found += failed
        return found

    def __str__(self) -> str:
        return " || ".join(" ".join(f"{each.operator}{each.text}" for each in group) for group in self._groups)

    def __repr__(self) -> str:
        return f"Constraint({str(self)!r})"


def _as_version(version: Version | str) -> Version:
    return Version.loose(version) if isinstance(version, str) else version


def _parsed(text: str) -> list[list[_Comparator]]:
    if len(text.encode()) > LONGEST:
        raise VersionError(f"constraint string is too long (max {LONGEST} bytes)")
    groups = _without_ranges(text).split("||")
    if len(groups) > MOST_GROUPS:
        raise VersionError(f"too many constraint groups (max {MOST_GROUPS})")
    return [_parsed_group(group) for group in groups]


def _without_ranges(text: str) -> str:
    """``1 - 2`` as ``>= 1, <= 2``."""
    rewritten = text
    for found in _RANGE.finditer(text):
        comparison = f">= {found[1]}, <= {found[_SECOND]} "
        rewritten = rewritten.replace(found[0], comparison, 1)
    return rewritten


def _parsed_group(text: str) -> list[_Comparator]:
    if _GROUP.fullmatch(text) is None:
        raise VersionError(f"improper constraint: {go_quoted(text)}")
    return [_comparator(found) for found in _ITEMS.finditer(text)]


def _comparator(found: re.Match[str]) -> _Comparator:
    operator, text, major, minor, patch, prerelease = (found[number] or "" for number in range(1, 7))
    try:
        if major in _WILD:
            return _Comparator(operator, text, Version.loose(f"0.0.0{prerelease}"), dirty=True)
        if minor[1:] in _WILD or not minor:
            version = Version.loose(f"{major}.0.0{prerelease}")
            return _Comparator(operator, text, version, dirty=True, minor_dirty=True)
        if patch[1:] in _WILD or not patch:
            version = Version.loose(f"{major}{minor}.0{prerelease}")
            return _Comparator(operator, text, version, dirty=True, patch_dirty=True)
        return _Comparator(operator, text, Version.loose(text))
    except VersionError as error:
        raise VersionError("constraint parser error") from error


# --- comparisons: why a version fails one, in a sentence; empty where it doesn't -----------------------------------


def _reason(comparator: _Comparator, version: Version, prereleases: bool) -> str:
    if version.prerelease and not prereleases:
        return _only_releases(version)
    return _OPERATORS[comparator.operator](version, comparator)


def _only_releases(version: Version) -> str:
    return f'"{version}" is a prerelease version and the constraint is only looking for release versions'


def _says(version: Version, relation: str, comparator: _Comparator) -> str:
    return f"{go_quoted(str(version))} {relation} {go_quoted(comparator.text)}"


def _equal(version: Version, to: _Comparator) -> str:
    if to.dirty:
        return _tilde(version, to)
    return "" if version == to.version else _says(version, "is not equal to", to)


def _not_equal(version: Version, to: _Comparator) -> str:
    if _is_other(version, to):
        return ""
    return _says(version, "is equal to", to)


def _is_other(version: Version, to: _Comparator) -> bool:
    other = to.version
    if not to.dirty or not (to.minor_dirty or to.patch_dirty):
        # A wildcard in the place of the major part stands for 0.0.0 here.
        return version != other
    if version.major != other.major:
        return True
    if to.minor_dirty:
        return False
    return version.minor != other.minor or version.prerelease != other.prerelease


def _greater(version: Version, than: _Comparator) -> str:
    limit = than.version
    if version.major == limit.major and than.minor_dirty:
        higher = False
    elif version.major == limit.major and than.patch_dirty:
        higher = version.minor > limit.minor
    elif than.dirty and version.major != limit.major:
        higher = version.major > limit.major
    else:
        higher = version > limit
    return "" if higher else _says(version, "is less than or equal to", than)


def _less(version: Version, than: _Comparator) -> str:
    return "" if version < than.version else _says(version, "is greater than or equal to", than)


def _at_least(version: Version, least: _Comparator) -> str:
    return "" if version >= least.version else _says(version, "is less than", least)


def _at_most(version: Version, most: _Comparator) -> str:
    limit = most.version
    if not most.dirty:
        fits = version <= limit
    else:
        fits = version.major < limit.major or (
            version.major == limit.major and (version.minor <= limit.minor or most.minor_dirty)
        )
    return "" if fits else _says(version, "is greater than", most)


def _tilde(version: Version, to: _Comparator) -> str:
    base = to.version
    if version < base:
        return _says(version, "is less than", to)
    # ~0.0.0 takes everything, as ~* does.
    if (base.major, base.minor, base.patch) == (0, 0, 0) and not (to.minor_dirty or to.patch_dirty):
        return ""
    if version.major != base.major:
        return _says(version, "does not have same major version as", to)
    if version.minor != base.minor and not to.minor_dirty:
        return _says(version, "does not have same major and minor version as", to)
    return ""


def _caret(version: Version, to: _Comparator) -> str:
    base = to.version
    if version < base:
        return _says(version, "is less than", to)
    if version.major != base.major:
        return _says(version, "does not have same major version as", to)
    if base.major > 0 or to.minor_dirty:
        return ""
    if base.minor > 0 or to.patch_dirty:
        if version.minor == base.minor:
            return ""
        expected = "Expected minor versions to match when constraint major version is 0"
        return f"{_says(version, 'does not have same minor version as', to)}. {expected}"
    if version.minor > 0:
        return _says(version, "does not have same minor version as", to)
    if version.patch == base.patch:
        return ""
    expected = "Expect version and constraint to equal when major and minor versions are 0"
    return f"{_says(version, 'does not equal', to)}. {expected}"


_OPERATORS: dict[str, Callable[[Version, _Comparator], str]] = {
    "": _equal,
    "=": _equal,
    "!=": _not_equal,
    ">": _greater,
    "<": _less,
    ">=": _at_least,
    "=>": _at_least,
    "<=": _at_most,
    "=<": _at_most,
    "~": _tilde,
    "~>": _tilde,
    "^": _caret,
}
