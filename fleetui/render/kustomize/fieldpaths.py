"""The paths of replacements: which values they lead to.

Owns: `split`, `lookup` (a source's one value), `places` (a target's values, made where they are missing) and
`read_plain`. Follows kyaml as of api 0.21.2 (yaml/match.go, utils/pathsplitter.go). Called by `replacements`.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

from fleetui.render.kustomize.errors import Problem, UnsupportedProblem
from fleetui.render.kustomize.selectors import pattern
from fleetui.render.kustomize.values import EMPTY, Untyped, copied, is_null, is_scalar, new_key, plain, text_of

Place = tuple[Any, Any]
"""A container and the key or index of an item of it."""


def split(path: str) -> list[str]:
    """`SmarterPathSplitter`: parts at dots; what stands in brackets is one part, with them where it holds ``=``."""
    rough: list[str] = []
    for piece in path.removeprefix(".").split("."):
        if rough and rough[-1].endswith("\\"):
            rough[-1] = f"{rough[-1][:-1]}.{piece}"
        else:
            rough.append(piece)
    parts: list[str] = []
    pieces = iter(rough)
    for piece in pieces:
        if not piece.startswith("[") or piece.endswith("]"):
            parts.append(piece)
            continue
        while not piece.endswith("]") and (more := next(pieces, None)) is not None:
            piece = f"{piece}.{more}"
        parts.append(piece if "=" in piece else piece.strip("[]"))
    if any(part != part.strip() or not part for part in parts):
        raise UnsupportedProblem(f"the field path {path!r}")
    return parts


def lookup(value: Any, parts: Sequence[str]) -> Place | None:
    """`Lookup`: where the value at the path is; None where the path ends before."""
    place: Place = ([value], 0)
    for part in parts:
        value = place[0][place[1]]
        if is_null(value):
            return None
        key = _key(value, part)
        if key is None:
            return None
        place = (value, key)
    return place


def _key(value: Any, part: str) -> Any:
    """The key or index of the item that one part of a source's path names; None where there is none."""
    if part == "*":
        raise Problem("a replacement's source can't have * in its path")
    if part == "-" or _is_index(part):
        if not isinstance(value, list):
            raise UnsupportedProblem(f"the index {part} of something that is no list")
        index = len(value) - 1 if part == "-" else int(part)
        return index if 0 <= index < len(value) else None
    if _is_match(part):
        name, wanted = _name_and_value(part)
        if not isinstance(value, list):
            raise Problem(f"the replacement's source has no list at {part}")
        return next((index for index, item in enumerate(value) if _has(item, name, wanted)), None)
    if not isinstance(value, dict):
        raise Problem(f"the replacement's source is no mapping at {part}")
    return part if part in value else None


def _has(item: Any, name: str, wanted: str) -> bool:
    if not name:
        return is_scalar(item) and text_of(item) == wanted
    return isinstance(item, dict) and name in item and (not wanted or text_of(item[name]) == wanted)


def _is_index(part: str) -> bool:
    return part.isascii() and part.isdigit()


def _is_match(part: str) -> bool:
    return part.startswith("[") and part.endswith("]")


def _name_and_value(part: str) -> tuple[str, str]:
    name, separator, value = part[1:-1].partition("=")
    if not separator:
        raise Problem(f"the path part {part} is not of the form [field=value]")
    return name, value


def places(place: Place, value: Any, parts: Sequence[str], create: Any) -> Iterator[Place]:
    """`PathMatcher`: where the values at the path are; with `create`, what is missing is made on the way."""
    if not parts:
        yield place
        return
    part, rest = parts[0], parts[1:]
    if value is None or value is EMPTY:
        if create is not None:
            raise UnsupportedProblem("a null on the path of a replacement that creates")
        return
    if _is_index(part):
        yield from _at_index(value, int(part), rest, create)
    elif _is_match(part):
        yield from _at_match(value, part, rest, create)
    elif part == "*":
        for index, item in enumerate(_list(value, part)):
            yield from places((value, index), item, rest, create)
    else:
        yield from _at_field(value, part, rest, create)


def _at_field(value: Any, part: str, rest: Sequence[str], create: Any) -> Iterator[Place]:
    if not isinstance(value, dict):
        if is_scalar(value):
            raise UnsupportedProblem(f"a replacement within a text (at {part})")
        raise Problem(f"the replacement's target is no mapping at {part}")
    if part not in value:
        if create is None:
            return
        value[new_key(part)] = _next(rest, create)
    yield from places((value, part), value[part], rest, create)


def _at_index(value: Any, index: int, rest: Sequence[str], create: Any) -> Iterator[Place]:
    items = _list(value, str(index))
    if index == len(items) and create is not None:
        items.append(_next(rest, create))
    if index >= len(items):
        raise Problem(f"the replacement's target has only {len(items)} items where it names index {index}")
    yield from places((items, index), items[index], rest, create)


def _at_match(value: Any, part: str, rest: Sequence[str], create: Any) -> Iterator[Place]:
    name, wanted = _name_and_value(part)
    items = _list(value, part)
    if any(char in wanted for char in "^$'\"\\"):
        raise UnsupportedProblem(f"the path part {part}")
    expression = pattern(wanted)
    found: list[Place] = []
    for index, item in enumerate(items):
        if name and not isinstance(item, dict):
            raise UnsupportedProblem(f"the path part {part} in a list of texts")
        text = _searched(item.get(name) if name else item) if not name or name in item else None
        if text is not None and expression.search(text):
            found += places((items, index), item, rest if name else (), create)
    if not found and create is not None:
        items.append({name: read_plain(wanted)} if name else read_plain(wanted))
        found += (
            _at_match(value, part, rest, None) if not rest else places((items, len(items) - 1), items[-1], rest, create)
        )
    yield from found


def _searched(value: Any) -> str:
    if not is_scalar(value) or is_null(value):
        raise UnsupportedProblem("a replacement that looks for a mapping")
    return text_of(value)


def _list(value: Any, part: str) -> list[Any]:
    if not isinstance(value, list):
        if is_scalar(value):
            raise UnsupportedProblem(f"a replacement within a text (at {part})")
        raise Problem(f"the replacement's target has no list at {part}")
    return value


def _next(rest: Sequence[str], create: Any) -> Any:
    if not rest:
        return copied(create)
    return [] if _is_match(rest[0]) or _is_index(rest[0]) else {}


def read_plain(text: str) -> Any:
    """What is written without a type."""
    value = plain(text)
    if value is EMPTY:
        raise UnsupportedProblem("an empty replacement")
    return Untyped(value) if isinstance(value, str) else value
