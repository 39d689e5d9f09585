"""What jq's ``delpaths`` does: removing from an object the places that paths lead to.

Owns: `remove_paths`. Paths come from `fleetui.diff.jq` or from a real jq, and are as jq writes them: names, positions
(negative ones too) and slices. Called by `fleetui.diff.ignore`. Pure.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from fleetui.diff.jqvalues import JqError, ordered

Place = tuple[str | int, ...]


def remove_paths(obj: Any, paths: Iterable[Sequence[Any]]) -> None:
    """Removes from `obj`, in place, what is at `paths`; what is not there is no matter.

    Where one of them does not fit the object, or is the object itself, nothing is removed.
    """
    try:
        places = {place for path in paths for place in _places(obj, path)}
    except JqError:
        return
    if () in places:
        return
    for place in sorted(places, key=lambda place: [ordered(part) for part in place], reverse=True):
        *parents, last = place
        node = obj
        for part in parents:
            node = node[part]
        del node[last]


def _places(obj: Any, path: Sequence[Any]) -> list[Place]:
    """The places that are there of those that a path means: a slice at its end may mean many or none."""
    node, offset = obj, 0
    place: list[str | int] = []
    for at, part in enumerate(path):
        if node is None:
            return []
        if isinstance(part, Mapping):
            span = _span(node, part)
            if at == len(path) - 1:
                return [(*place, offset + position) for position in span]
            # What follows counts from the slice's beginning.
            node, offset = node[span.start : span.stop], offset + span.start
            continue
        key = _key(node, part)
        if key is None:
            return []
        place.append(key + offset if isinstance(key, int) else key)
        node, offset = node[key], 0
    return [tuple(place)]


def _key(node: Any, part: Any) -> str | int | None:
    """The key or position that a part of a path means in a map or list; None where there is none."""
    if isinstance(node, dict) and isinstance(part, str):
        return part if part in node else None
    if isinstance(node, list) and isinstance(part, int | float):
        position = int(part)
        position += len(node) if position < 0 else 0
        return position if 0 <= position < len(node) else None
    raise JqError


def _span(node: Any, part: Mapping[str, Any]) -> range:
    """The positions of a slice, ``{"start": …, "end": …}`` with null for an open end."""
    start, end = part.get("start"), part.get("end")
    if not isinstance(node, list) or not all(isinstance(bound, int | float | None) for bound in (start, end)):
        raise JqError
    bounds = slice(None if start is None else math.floor(start), None if end is None else math.ceil(end))
    return range(*bounds.indices(len(node)))
