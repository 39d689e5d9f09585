"""Patterns for paths in which a star stays within one folder.

Owns: `matching`. Rules: github.com/bmatcuk/doublestar 4.10 (match.go, glob.go), which Argo CD 3.6 expands the patterns
in `valueFiles` with: ``*``, ``?``, ``[a-z]``, ``[!a]``, ``{a,b}``, and ``**`` for any number of folders where it is a
whole part of the path. Called by `fleetui.render.helm_values`. Pure. The star of `fleetui.model.globs` crosses folders.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Sequence

_MOST_ALTERNATIVES = 256


class PatternError(ValueError):
    """A text that is no such pattern; the words are doublestar's."""

    def __init__(self) -> None:
        super().__init__("syntax error in pattern")


def matching(pattern: str, paths: Iterable[str]) -> list[str]:
    """Those of the files `paths` that fit, each once, in the order of `FilepathGlob`: folder by folder.

    Raises:
        PatternError: the pattern can't be read.
    """
    alternatives = [_segments(each) for each in _alternatives(pattern)]
    found = [path for path in paths if any(_fits(parts, path.split("/")) for parts in alternatives)]
    if pattern.endswith("/**"):
        return sorted(found, key=lambda path: path.split("/"))
    return sorted(found, key=_by_folder)


def _by_folder(path: str) -> tuple[list[str], str]:
    *folders, name = path.split("/")
    return folders, name


def _alternatives(pattern: str) -> list[str]:
    """`pattern` once for each choice that its braces leave."""
    made: list[str] = []
    pending = [pattern]
    while pending:
        text = pending.pop(0)
        span = _braces(text)
        if span is None:
            made.append(text)
        else:
            start, end, parts = span
            pending[:0] = [text[:start] + part + text[end:] for part in parts]
        if len(made) + len(pending) > _MOST_ALTERNATIVES:
            raise PatternError
    return made


def _braces(text: str) -> tuple[int, int, list[str]] | None:
    """Where the first pair of braces begins and ends, and what it offers; None where there is none."""
    depth, start, last, at = 0, 0, 0, 0
    parts: list[str] = []
    while at < len(text):
        char = text[at]
        if char == "\\":
            at += 1
        elif char == "{":
            depth += 1
            if depth == 1:
                start, last = at, at + 1
        elif char == "," and depth == 1:
            parts.append(text[last:at])
            last = at + 1
        elif char == "}":
            if not depth:
                raise PatternError
            depth -= 1
            if not depth:
                # Glob leaves out an empty choice at the end, which Match would take.
                return start, at + 1, [*parts, text[last:at]] if last < at else parts
        at += 1
    if depth:
        raise PatternError
    return None


def _segments(pattern: str) -> list[re.Pattern[str] | None]:
    parts = pattern.split("/")
    # What ends with ** fits the folder before it too, and that is no file.
    return [_segment(part) for part in (*parts, "*")[: len(parts) + (parts[-1] == "**")]]


def _segment(part: str) -> re.Pattern[str] | None:
    """What one part of a path fits; None for ``**``, any number of folders."""
    if part == "**":
        return None
    # The leftmost place for what stands between two stars is as good as any other, so each is atomic: no pattern of
    # many stars can take exponential time.
    pieces: list[str] = [""]
    for token in _tokens(part):
        if token == "*":
            pieces.append("")
        else:
            pieces[-1] += token
    first, *rest = pieces
    if not rest:
        return re.compile(first, re.DOTALL)
    *middle, last = rest
    return re.compile(first + "".join(f"(?>.*?{piece})" for piece in middle if piece) + ".*" + last, re.DOTALL)


def _tokens(part: str) -> Iterator[str]:
    at = 0
    while at < len(part):
        char = part[at]
        if char == "*":
            yield "*"
        elif char == "?":
            yield "."
        elif char == "[":
            end = _class_end(part, at)
            body = part[at + 1 : end]
            negated = body[0] in "!^"
            inside = _class(body[1:] if negated else body)
            yield f"[{'^' if negated else ''}{inside}]" if inside else ("." if negated else "(?!)")
            at = end
        elif char == "\\":
            at += 1
            if at == len(part):
                raise PatternError
            yield re.escape(part[at])
        else:
            yield re.escape(char)
        at += 1


def _class_end(part: str, start: int) -> int:
    at = start + 1 + (part[start + 1 : start + 2] in ("!", "^"))
    if part[at : at + 1] in ("", "]"):
        raise PatternError
    while at < len(part) and part[at] != "]":
        at += 2 if part[at] == "\\" else 1
    if at >= len(part):
        raise PatternError
    return at


def _class(body: str) -> str:
    """The inside of a class as Python's `re` writes it."""
    chars: list[tuple[str, bool]] = []
    at = 0
    while at < len(body):
        escaped = body[at] == "\\" and at + 1 < len(body)
        at += escaped
        chars.append((body[at], escaped))
        at += 1
    made, at = "", 0
    while at < len(chars):
        low = chars[at][0]
        if at + 2 < len(chars) and chars[at + 1] == ("-", False):
            high = chars[at + 2][0]
            made += f"{re.escape(low)}-{re.escape(high)}" if low <= high else ""
            at += 3
        else:
            made += re.escape(low)
            at += 1
    return made


def _fits(parts: Sequence[re.Pattern[str] | None], names: Sequence[str]) -> bool:
    # Which of the pattern's parts may come next, after each name: linear in both, however many ** there are.
    states = _closed({0}, parts)
    for name in names:
        after: set[int] = set()
        for state in states:
            if state < len(parts):
                part = parts[state]
                if part is None:
                    after.add(state)
                elif part.fullmatch(name):
                    after.add(state + 1)
        states = _closed(after, parts)
        if not states:
            return False
    return len(parts) in states


def _closed(states: set[int], parts: Sequence[re.Pattern[str] | None]) -> set[int]:
    """`states`, with the ``**`` passed over that fit nothing."""
    pending = list(states)
    while pending:
        state = pending.pop()
        if state < len(parts) and parts[state] is None and state + 1 not in states:
            states.add(state + 1)
            pending.append(state + 1)
    return states
