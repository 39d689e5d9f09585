"""Patterns in which a star stops at a slash.

Owns: `glob_matches_path` (github.com/gobwas/glob with ``/`` as separator, as Argo CD matches the repositories of a
project) and `path_matches` (Go's `filepath.Match`, as it matches the kinds of one). Pure.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from functools import lru_cache

from fleetui.model.globs import ANY, STAR, alternatives


@lru_cache(maxsize=1024)
def glob_matches_path(pattern: str, text: str) -> bool:
    """True where the whole of `text` fits: ``*`` and ``?`` stop at a slash, ``**`` does not. A malformed pattern fits
    nothing."""
    try:
        found = alternatives(pattern)
    except ValueError:
        return False
    return any(_walk(tokens, text) for tokens in found)


def _walk(tokens: Sequence[str], text: str) -> bool:
    """Follows all ways through `text` at once, so that no pattern of many stars can take exponential time."""
    places = {0}
    for at, token in enumerate(tokens):
        if token == STAR:
            places = _stretched(places, text, crossing=STAR in (*tokens[at - 1 : at], *tokens[at + 1 : at + 2]))
        else:
            fits = re.compile("[^/]" if token == ANY else token, re.DOTALL).match
            places = {place + 1 for place in places if fits(text, place)}
    return len(text) in places


def _stretched(places: set[int], text: str, *, crossing: bool) -> set[int]:
    if not places:
        return places
    if crossing:
        return set(range(min(places), len(text) + 1))
    found = set(places)
    for place in range(min(places), len(text)):
        if place in found and text[place] != "/":
            found.add(place + 1)
    return found


@lru_cache(maxsize=1024)
def _path_regex(pattern: str) -> re.Pattern[str] | None:
    parts: list[str] = []
    at = 0
    while at < len(pattern):
        char = pattern[at]
        at += 1
        if char == "*":
            if parts[-1:] != ["[^/]*"]:
                parts.append("[^/]*")
        elif char == "?":
            parts.append("[^/]")
        elif char == "[":
            found = _class(pattern, at)
            if found is None:
                return None
            part, at = found
            parts.append(part)
        elif char == "\\":
            if at == len(pattern):
                return None
            parts.append(re.escape(pattern[at]))
            at += 1
        else:
            parts.append(re.escape(char))
    return re.compile("".join(parts), re.DOTALL)


def _class(pattern: str, at: int) -> tuple[str, int] | None:
    """The regular expression of a character class and where it ends; None where it is malformed."""
    negated = pattern[at : at + 1] == "^"
    at += negated
    ranges: list[str] = []
    while pattern[at : at + 1] != "]" or not ranges:
        low, at = _class_character(pattern, at)
        high = low
        if pattern[at : at + 1] == "-":
            high, at = _class_character(pattern, at + 1)
        if not low or not high:
            return None
        ranges.append(f"{re.escape(low)}-{re.escape(high)}" if low <= high else "")
    body = "".join(ranges)
    if not body:
        return ("(?s:.)" if negated else "(?!)"), at + 1
    return f"[{'^' if negated else ''}{body}]", at + 1


def _class_character(pattern: str, at: int) -> tuple[str, int]:
    char = pattern[at : at + 1]
    if char == "\\":
        at += 1
        char = pattern[at : at + 1]
    elif char in {"-", "]"}:
        return "", at
    # A class that ends with the pattern is not closed.
    return (char if at + 1 < len(pattern) else ""), at + 1


def path_matches(pattern: str, text: str) -> bool:
    """True where the whole of `text` fits; a malformed pattern fits nothing."""
    if pattern in {"*", text} and "/" not in text and not set(pattern) & set("[\\?"):
        return True
    regex = _path_regex(pattern)
    return regex is not None and regex.fullmatch(text) is not None
