"""What jq does with one value: looking something up, going through it, comparing it.

Owns: these and `JqError`. Called by `fleetui.diff.jq` and `fleetui.diff.jqpaths` alone. Pure.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from fleetui.diff.structure import same


class JqError(Exception):
    """The expression does not fit the value: a field of a list, an item of nothing. Stays in this package."""


def index(value: Any, key: str | int) -> Any:
    """``.key`` of a map or ``[key]`` of a list; null where there is none.

    Raises:
        JqError: the value is of another type.
    """
    if value is None:
        return None
    if isinstance(key, str) and isinstance(value, dict):
        return value.get(key)
    if isinstance(key, int) and isinstance(value, list):
        return value[key] if -len(value) <= key < len(value) else None
    raise JqError


def items(value: Any) -> Iterator[tuple[str | int, Any]]:
    """``.[]`` with keys; a map's in their order.

    Raises:
        JqError: the value is neither a map nor a list.
    """
    if isinstance(value, list):
        yield from enumerate(value)
    elif isinstance(value, dict):
        yield from sorted(value.items(), key=lambda item: str(item[0]))  # YAML may have keys that are no text
    else:
        raise JqError


def tested(word: str, value: Any, text: str) -> bool:
    """``startswith``, ``endswith`` and ``has``.

    Raises:
        JqError: the value is no string, for `has` neither map nor null.
    """
    if word == "has":
        if value is None or isinstance(value, dict):
            return value is not None and text in value
        raise JqError
    if not isinstance(value, str):
        raise JqError
    return value.startswith(text) if word == "startswith" else value.endswith(text)


def same_value(left: Any, right: Any) -> bool:
    """``==``: numbers by value, null equal to null alone."""
    return (left is None) == (right is None) and same(left, right)


def ordered(part: str | int) -> tuple[bool, int, str]:
    """A sort key for a part of a path: positions as numbers."""
    return (False, part, "") if isinstance(part, int) else (True, 0, str(part))
