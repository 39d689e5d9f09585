"""What the operators of a ``${...}`` reference do with a value.

Owns: one function an operator, for `fleetui.render.substitute`. Pure.
Rules: fluxcd/pkg envsubst v1.8.0 (funcs.go, path/match.go). Lengths and positions count bytes of UTF-8, as Go's do.
"""

from __future__ import annotations

import re

_INTEGER = re.compile(r"[+-]?[0-9]{1,19}")
_BOUND = 2**63
_LONGEST = 10_000
"""Bytes of a value that a pattern is tried on: the time it takes grows with the square, at least."""


def length(value: str) -> str:
    return str(len(_bytes(value)))


def lower(value: str) -> str:
    return "".join(map(_lower, value))


def upper(value: str) -> str:
    return "".join(map(_upper, value))


def lower_first(value: str) -> str:
    return lower(value[:1]) + value[1:]


def upper_first(value: str) -> str:
    return upper(value[:1]) + value[1:]


def part(value: str, position: str, count: str | None = None) -> str:
    """`count` bytes from `position` on; a negative one counts from the end, an unreadable one changes nothing."""
    data, start = _bytes(value), _integer(position)
    if start is None:
        return value
    if start < 0:
        start = max(0, len(data) + start)
    if count is None:
        return _text(data[start:])
    number = _integer(count)
    if number is None:
        return value
    end = len(data) + number if number < 0 else start + number
    return _text(data[start : max(start, end)])


def replace_first(value: str, old: str, new: str = "") -> str:
    return value.replace(old, new, 1)


def replace_all(value: str, old: str, new: str = "") -> str:
    return value.replace(old, new)


def replace_prefix(value: str, old: str, new: str | None = None) -> str:
    """Without a replacement nothing happens, as in Flux."""
    return new + value[len(old) :] if new is not None and value.startswith(old) else value


def replace_suffix(value: str, old: str, new: str | None = None) -> str:
    """Without a replacement nothing happens, as in Flux."""
    return value.removesuffix(old) + new if new is not None and value.endswith(old) else value


def without_shortest_prefix(value: str, pattern: str) -> str:
    return _without_prefix(value, pattern, longest=False)


def without_longest_prefix(value: str, pattern: str) -> str:
    return _without_prefix(value, pattern, longest=True)


def without_shortest_suffix(value: str, pattern: str) -> str:
    return _without_prefix(value[::-1], pattern[::-1], longest=False)[::-1]


def without_longest_suffix(value: str, pattern: str) -> str:
    return _without_prefix(value[::-1], pattern[::-1], longest=True)[::-1]


def _without_prefix(value: str, pattern: str, *, longest: bool) -> str:
    """`value` without its longest or shortest non-empty beginning that fits; whole where the pattern is malformed.

    Raises:
        ValueError: the value is too long to try a pattern on.
    """
    data, glob = _bytes(value), _bytes(pattern)
    if len(data) > _LONGEST:
        raise ValueError(f"a value of {len(data)} bytes is too long to trim a pattern from (max {_LONGEST})")
    shortest = 0
    try:
        for end in range(len(data), 0, -1):
            if _matches(glob, data[:end]):
                if longest:
                    return _text(data[end:])
                shortest = end
    except _BadPatternError:
        return value
    return _text(data[shortest:])


# --- Go's path.Match, in which a star crosses slashes --------------------------------------------------------------


class _BadPatternError(Exception):
    """A pattern that can't be read any further; found out only where matching gets that far."""


def _matches(pattern: bytes, name: bytes) -> bool:
    while pattern:
        star, chunk, pattern = _next_chunk(pattern)
        if star and not chunk:
            return True
        rest = _match_chunk(chunk, name)
        if rest is None or (rest and not pattern):
            if not star:
                return False
            rest = _match_later(chunk, name, last=not pattern)
            if rest is None:
                return False
        name = rest
    return not name


def _match_later(chunk: bytes, name: bytes, *, last: bool) -> bytes | None:
    """What is left behind the first place at which a chunk behind a star fits."""
    for start in range(1, len(name) + 1):
        rest = _match_chunk(chunk, name[start:])
        if rest is not None and not (last and rest):
            return rest
    return None


def _next_chunk(pattern: bytes) -> tuple[bool, bytes, bytes]:
    """Whether a star comes first, what stands behind it up to the next one, and the rest."""
    stripped = pattern.lstrip(b"*")
    within, at = False, 0
    while at < len(stripped):
        char = stripped[at : at + 1]
        if char == b"\\":
            at += at + 1 < len(stripped)
        elif char == b"[":
            within = True
        elif char == b"]":
            within = False
        elif char == b"*" and not within:
            break
        at += 1
    return len(stripped) < len(pattern), stripped[:at], stripped[at:]


def _match_chunk(chunk: bytes, name: bytes) -> bytes | None:
    """What is left of `name` behind a chunk that fits its beginning; None where it doesn't fit."""
    while chunk:
        if not name:
            return None
        if chunk[:1] == b"[":
            char, name = _rune(name)
            fits, chunk = _match_class(chunk[1:], char)
            if not fits:
                return None
            continue
        if chunk[:1] == b"?":
            _, name = _rune(name)
            chunk = chunk[1:]
            continue
        if chunk[:1] == b"\\":
            chunk = chunk[1:]
            if not chunk:
                raise _BadPatternError
        if chunk[0] != name[0]:
            return None
        name, chunk = name[1:], chunk[1:]
    return name


def _match_class(chunk: bytes, char: str) -> tuple[bool, bytes]:
    """Whether a character is of the class that `chunk` begins with, and what stands behind it."""
    negated = chunk[:1] == b"^"
    chunk = chunk[negated:]
    found, ranges = False, 0
    while not (ranges and chunk[:1] == b"]"):
        low, chunk = _class_member(chunk)
        high = low
        if chunk[:1] == b"-":
            high, chunk = _class_member(chunk[1:])
        found = found or low <= char <= high
        ranges += 1
    return found != negated, chunk[1:]


def _class_member(chunk: bytes) -> tuple[str, bytes]:
    if chunk[:1] in (b"", b"-", b"]"):
        raise _BadPatternError
    if chunk[:1] == b"\\":
        chunk = chunk[1:]
        if not chunk:
            raise _BadPatternError
    char, rest = _rune(chunk)
    if not rest:
        raise _BadPatternError
    return char, rest


def _rune(data: bytes) -> tuple[str, bytes]:
    """The first character and the rest; a byte that begins none is U+FFFD."""
    first = data[0]
    size = 1 if first < 0xC0 else 2 if first < 0xE0 else 3 if first < 0xF0 else 4
    try:
        return data[:size].decode(), data[size:]
    except UnicodeDecodeError:
        return "\ufffd", data[1:]


def _integer(text: str) -> int | None:
    """As ``strconv.Atoi`` reads it."""
    if _INTEGER.fullmatch(text) is None:
        return None
    number = int(text)
    return number if -_BOUND <= number < _BOUND else None


def _lower(char: str) -> str:
    """Go maps a character to one: of U+0130, the only one that Python maps to two, to the first."""
    return char.lower()[:1]


def _upper(char: str) -> str:
    """Go maps a character to one: where Python has several there may be a single title character, or none."""
    for mapped in (char.upper(), char.title()):
        if len(mapped) == 1:
            return mapped
    return char


def _bytes(text: str) -> bytes:
    return text.encode("utf-8", "surrogatepass")


def _text(data: bytes) -> str:
    return data.decode("utf-8", "replace")
