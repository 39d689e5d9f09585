"""A version: how it is read, and how it is ordered.

Owns: `Version`. Rules: Masterminds/semver v3.5.0 version.go.
"""

from __future__ import annotations

import re
from functools import total_ordering
from typing import Any

import semver

from fleetui.model.errors import FleetError

LONGEST_VERSION = 256
"""Bytes."""
_LARGEST = 2**64 - 1

IDS = r"[0-9A-Za-z\-]+(?:\.[0-9A-Za-z\-]+)*"
_LOOSE = re.compile(rf"v?([0-9]+)(?:\.([0-9]+))?(?:\.([0-9]+))?(?:-({IDS}))?(?:\+({IDS}))?")
_NUMBER = re.compile(r"[0-9]*")
_ID = re.compile(r"[0-9A-Za-z\-]+")


class VersionError(FleetError):
    """A text that is no version, or no constraint; the sentence is Masterminds'."""


@total_ordering
class Version(semver.Version):
    """A semantic version. Build metadata does not count in comparisons.

    Made by `Version.loose` or `Version.strict`; `original` is the text as it was.
    """

    __slots__ = ("_key", "original")

    def __init__(
        self, major: int, minor: int = 0, patch: int = 0, prerelease: str | None = None, build: str | None = None
    ) -> None:
        super().__init__(major, minor, patch, prerelease, build)
        self._key = (self.major, self.minor, self.patch, _prerelease_key(prerelease or ""))
        self.original = str(self)

    @classmethod
    def loose(cls, text: str) -> Version:
        """The version in ``v1.2``, ``1`` or ``01.2.3-rc.1``: a ``v``, missing parts and leading zeros are allowed.

        Raises:
            VersionError: it is none.
        """
        if len(text.encode()) > LONGEST_VERSION:
            raise VersionError(f"version string is too long (max {LONGEST_VERSION} bytes)")
        found = _LOOSE.fullmatch(text)
        if found is None:
            raise VersionError("invalid semantic version")
        *numbers, prerelease, build = found.groups()
        try:
            segments = [_uint(number or "0") for number in numbers]
        except VersionError as error:
            raise VersionError(f"error parsing version segment: {error.message}") from error
        return cls._checked(text, segments, prerelease, build)

    @classmethod
    def strict(cls, text: str) -> Version:
        """The version in exactly ``MAJOR.MINOR.PATCH[-PRERELEASE][+BUILD]``.

        Raises:
            VersionError: it is none.
        """
        if not text:
            raise VersionError("version string empty")
        if len(text.encode()) > LONGEST_VERSION:
            raise VersionError(f"version string is too long (max {LONGEST_VERSION} bytes)")
        parts = text.split(".", 2)
        if len(parts) != 3:
            raise VersionError("invalid semantic version")
        parts[2], plus, build = parts[2].partition("+")
        _check_build(build if plus else None)
        parts[2], minus, prerelease = parts[2].partition("-")
        _check_prerelease(prerelease if minus else None)
        for part in parts:
            if _NUMBER.fullmatch(part) is None:
                raise VersionError("invalid characters in version")
            if len(part) > 1 and part[0] == "0":
                raise VersionError("version segment starts with 0")
        return cls._checked(text, [_uint(part) for part in parts], prerelease or None, build or None)

    @classmethod
    def _checked(cls, text: str, segments: list[int], prerelease: str | None, build: str | None) -> Version:
        _check_prerelease(prerelease)
        _check_build(build)
        major, minor, patch = segments
        made = cls(major, minor, patch, prerelease, build)
        made.original = text
        return made

    def compare(self, other: Any) -> int:
        if not isinstance(other, Version):
            return super().compare(other)
        return (self._key > other._key) - (self._key < other._key)

    def __eq__(self, other: object) -> bool:
        return self._key == other._key if isinstance(other, Version) else NotImplemented

    def __lt__(self, other: Any) -> bool:
        return self._key < other._key if isinstance(other, Version) else NotImplemented

    def __hash__(self) -> int:
        return hash(self._key)


def _uint(text: str) -> int:
    """As ``strconv.ParseUint``, with its words."""
    if not text:
        raise VersionError('strconv.ParseUint: parsing "": invalid syntax')
    if (number := int(text)) > _LARGEST:
        raise VersionError(f'strconv.ParseUint: parsing "{text}": value out of range')
    return number


def _check_prerelease(text: str | None) -> None:
    for part in text.split(".") if text is not None else ():
        if _ID.fullmatch(part) is None:
            raise VersionError("invalid prerelease string")
        if len(part) > 1 and part[0] == "0" and part.isdigit():
            raise VersionError("version segment starts with 0")


def _check_build(text: str | None) -> None:
    if text is not None and not all(map(_ID.fullmatch, text.split("."))):
        raise VersionError("invalid metadata string")


def _prerelease_key(text: str) -> tuple[Any, ...]:
    """Orders prereleases: none is the highest, numbers come before words, a part less comes first."""
    if not text:
        return (1,)
    return (0, *map(_part_key, text.split(".")))


def _part_key(part: str) -> tuple[int, int, str]:
    # What does not fit 64 bits is no number to Go, and so a word.
    if part.isdigit() and (number := int(part)) <= _LARGEST:
        return 0, number, ""
    return 1, 0, part
