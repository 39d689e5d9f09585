"""Argo CD's patterns for names and paths.

Owns: `Glob`, the patterns of github.com/gobwas/glob 0.2.3 without separators (argo-cd util/glob/glob.go): ``*`` crosses
``/``, ``{a,b}`` nests, ``[!x]`` negates. Called wherever a user writes such a pattern: `ignoreDifferences`, projects,
the files of a directory source. Pure.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from functools import lru_cache

_MAX_ALTERNATIVES = 1000
STAR = ".*"
ANY = "."


class Glob:
    """A compiled pattern; one that is malformed matches nothing, as in Argo CD."""

    def __init__(self, pattern: str) -> None:
        self.pattern = pattern
        try:
            self._regexes = [_regex(tokens) for tokens in alternatives(pattern)]
        except ValueError:
            self._regexes = []

    def matches(self, text: str) -> bool:
        """True where the whole of `text` fits."""
        return any(regex.fullmatch(text) for regex in self._regexes)


def glob_matches(pattern: str, text: str) -> bool:
    """True where the whole of `text` fits; a malformed pattern fits nothing."""
    return compiled(pattern).matches(text)


def alternatives(pattern: str) -> list[list[str]]:
    """The ways in which a pattern can be read once its braces are expanded; each is a list of regular expressions for
    one character, `ANY` among them, and of `STAR`.

    Raises:
        ValueError: the pattern is malformed.
    """
    return _Parser(pattern).alternatives()


@lru_cache(maxsize=256)
def compiled(pattern: str) -> Glob:
    """`Glob(pattern)`, remembered."""
    return Glob(pattern)


def _regex(tokens: list[str]) -> re.Pattern[str]:
    # The leftmost place for what stands between two stars is as good as any other, so each is atomic: no pattern of
    # many stars can take exponential time.
    parts: list[list[str]] = [[]]
    for token in tokens:
        if token == STAR:
            parts.append([])
        else:
            parts[-1].append(token)
    first, *rest = ("".join(part) for part in parts)
    if not rest:
        return re.compile(first, re.DOTALL)
    *middle, last = rest
    return re.compile(first + "".join(f"(?>.*?{part})" for part in middle if part) + STAR + last, re.DOTALL)


class _Parser:
    """Expands the braces of a pattern; each alternative is a list of regular expressions of one character, or stars."""

    def __init__(self, pattern: str) -> None:
        self._text = pattern
        self._at = 0

    def alternatives(self) -> list[list[str]]:
        return self._branch(inside=False)

    def _branch(self, *, inside: bool) -> list[list[str]]:
        found: list[list[str]] = [[]]
        while self._at < len(self._text):
            char = self._text[self._at]
            if inside and char in ",}":
                break
            self._at += 1
            tails = self._group() if char == "{" else [list(self._token(char))]
            if len(found) * len(tails) > _MAX_ALTERNATIVES:
                raise ValueError("too many alternatives")
            found = [head + tail for head in found for tail in tails]
        return found

    def _group(self) -> list[list[str]]:
        # A brace that is never closed ends with the pattern.
        found = self._branch(inside=True)
        while self._text[self._at : self._at + 1] == ",":
            self._at += 1
            found += self._branch(inside=True)
        self._at += 1
        return found

    def _token(self, char: str) -> Iterator[str]:
        if char == "*":
            yield STAR
        elif char == "?":
            yield ANY
        elif char == "[":
            yield self._range()
        elif char != "\\":
            yield re.escape(char)
        elif self._at < len(self._text):
            self._at += 1
            yield re.escape(self._text[self._at - 1])

    def _range(self) -> str:
        negated = self._text[self._at : self._at + 1] == "!"
        self._at += negated
        if self._text[self._at + 1 : self._at + 2] == "-":
            low, high = self._text[self._at], self._text[self._at + 2 : self._at + 3]
            self._at += 3
            if not high or high < low:
                raise ValueError("bad range")
            body = f"{re.escape(low)}-{re.escape(high)}"
        else:
            body = re.escape(self._characters())
        if self._text[self._at : self._at + 1] != "]" or not body:
            raise ValueError("bad range")
        self._at += 1
        return f"[{'^' if negated else ''}{body}]"

    def _characters(self) -> str:
        found = ""
        while self._at < len(self._text) and self._text[self._at] != "]":
            self._at += self._text[self._at] == "\\"
            found += self._text[self._at : self._at + 1]
            self._at += 1
        return found
