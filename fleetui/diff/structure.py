"""Two objects -> what differs, field by field.

Owns: `compare`, `same`. Called by the engine (is it synced), by `objects` (the diff of a screen or a command) and by
plans. Never here: what is left out of a comparison (`normalize`, `ignore`), what an apply would make of the live object
(`predicted`), who set a value (`ownership`), the way back (`patch`).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import msgspec

from fleetui.diff.fields import Entry, entries_of, managed_fields_of
from fleetui.diff.lists import match, steady
from fleetui.diff.ownership import blame_among
from fleetui.model.change import Change, ChangeKind, Path
from fleetui.model.errors import FleetError

_ABSENT = object()
_ADD, _REMOVE, _CHANGE, _MOVE = ChangeKind.ADD, ChangeKind.REMOVE, ChangeKind.CHANGE, ChangeKind.MOVE

Trail = tuple[Any, Any] | None
"""A path on the way down, its last part first: ``((None, "spec"), "replicas")``. Only where something differs is it
made into a `Path`: that halves the cost."""

Difference = tuple[Path, ChangeKind, Any, Any]


def compare(
    desired: Mapping[str, Any] | None,
    live: Mapping[str, Any] | None,
    *,
    managed_fields: Sequence[Any] | None = None,
) -> list[Change]:
    """What has to change in `live` to make it `desired`, in the order of the paths.

    The two are compared as they are: normalise them first, and take for `desired` what an apply would leave. Lists of
    maps are matched by their merge key; as few of their items move as can be. Other lists are matched by position,
    after what they share at both ends. 1 and 1.0 are equal, 1 and true are not.

    Args:
        desired: what should be; None: the object should not be there.
        live: what is; None: the object is not there.
        managed_fields: the live object's `metadata.managedFields`, to say who set each live value; taken from `live`
            where they are not given.

    Returns:
        Changes whose values are shared with the two objects. In a path, a position counts in the live list, only that
        of an added item in the desired one. Empty where nothing differs; one change with an empty path where one of the
        two is None.

    Raises:
        FleetError: the objects are nested so deeply that they can't be compared.
    """
    differences: list[Difference] = []
    try:
        _compare_roots(desired, live, differences)
    except RecursionError as error:
        raise FleetError("an object is nested too deeply to be compared") from error
    if not differences:
        return []
    differences.sort(key=_path)
    if managed_fields is None:
        managed_fields = managed_fields_of(live)
    entries = list(entries_of(managed_fields))
    return [_change(difference, live, entries) for difference in differences]


def same(left: Any, right: Any) -> bool:
    """Whether two decoded values are equal as JSON has it: 1 equals 1.0 but not true, and NaN equals NaN."""
    differences: list[Difference] = []
    _compare_values(left, right, None, differences)
    return not differences


def _path(difference: Difference) -> Path:
    # Parts at one place are of one type (a map's keys or a list's positions), so that paths can be ordered.
    return difference[0]


def _change(difference: Difference, live: Mapping[str, Any] | None, entries: Sequence[Entry]) -> Change:
    path, kind, before, after = difference
    # managedFields say who owns an item, not who put it where it lies.
    is_set = live is not None and kind is not _ADD and kind is not _MOVE
    who = blame_among(entries, live, path) if entries and live is not None and is_set else None
    return Change(path, kind, before, after, who)


def _compare_roots(desired: Any, live: Any, out: list[Difference]) -> None:
    if _alike(desired, live):
        return
    if live is None:
        out.append(((), _ADD, None, desired))
    elif desired is None:
        out.append(((), _REMOVE, live, None))
    else:
        _compare_values(live, desired, None, out)


def _alike(desired: Any, live: Any) -> bool:
    """Whether the two are surely the same, at the speed of C: nearly all objects of a fleet are as they should be.

    Python's own comparison takes true for 1, so the bytes are asked too.
    """
    try:
        return bool(desired == live) and msgspec.json.encode(desired) == msgspec.json.encode(live)
    except (TypeError, ValueError, OverflowError):  # a key or a value that JSON has not
        return False


def _compare_values(have: Any, want: Any, path: Trail, out: list[Difference]) -> None:
    kind = type(want)
    if kind is dict and type(have) is dict:
        _compare_maps(have, want, path, out)
    elif kind is list and type(have) is list:
        if not _alike(want, have):
            _compare_lists(have, want, path, out)
    elif not _same_scalar(have, want):
        out.append((_path_of(path), _CHANGE, have, want))


def _same_scalar(have: Any, want: Any) -> bool:
    if have != want:
        return bool(have != have and want != want)  # NaN
    return isinstance(have, bool) == isinstance(want, bool)


def _compare_maps(live: dict[Any, Any], desired: dict[Any, Any], path: Trail, out: list[Difference]) -> None:
    added = 0
    for key, want in desired.items():
        have = live.get(key, _ABSENT)
        if have is want:
            continue
        kind = type(want)
        if kind is str and have == want:  # most of what there is, and equal to strings alone
            continue
        part = key if type(key) is str else str(key)
        if have is _ABSENT:
            added += 1
            out.append((_path_of((path, part)), _ADD, None, want))
        elif kind is dict and type(have) is dict:
            if not _alike(want, have):
                _compare_maps(have, want, (path, part), out)
        elif kind is list or not _same_scalar(have, want):
            _compare_values(have, want, (path, part), out)
    if len(live) + added != len(desired):
        for key, have in live.items():
            if key not in desired:
                out.append((_path_of((path, str(key))), _REMOVE, have, None))


def _compare_lists(live: list[Any], desired: list[Any], path: Trail, out: list[Difference]) -> None:
    field = path[1] if path else ""
    matched = match(str(field), live, desired) if live and desired else None
    if matched is None:
        _compare_positions(live, desired, path, out)
    elif matched.live == matched.desired:
        for index, want in enumerate(desired):
            _compare_maps(live[index], want, (path, index), out)
    else:
        stay = steady(matched.live, matched.desired)
        place = {key: index for index, key in enumerate(matched.desired)}
        for index, key in enumerate(matched.live):
            there = place.pop(key, None)
            if there is None:
                out.append((_path_of((path, index)), _REMOVE, live[index], None))
                continue
            if key not in stay:
                out.append((_path_of((path, index)), _MOVE, index, there))
            _compare_maps(live[index], desired[there], (path, index), out)
        for index in place.values():
            out.append((_path_of((path, index)), _ADD, None, desired[index]))


def _compare_positions(live: list[Any], desired: list[Any], path: Trail, out: list[Difference]) -> None:
    head, tail = common_ends(live, desired)
    live_end, desired_end = len(live) - tail, len(desired) - tail
    for index in range(head, min(live_end, desired_end)):
        _compare_values(live[index], desired[index], (path, index), out)
    for index in range(desired_end, live_end):
        out.append((_path_of((path, index)), _REMOVE, live[index], None))
    for index in range(live_end, desired_end):
        out.append((_path_of((path, index)), _ADD, None, desired[index]))


def _path_of(trail: Trail) -> Path:
    parts: list[str | int] = []
    while trail is not None:
        trail, part = trail
        parts.append(part)
    return tuple(reversed(parts))


def common_ends(live: Sequence[Any], desired: Sequence[Any]) -> tuple[int, int]:
    """How many items two lists share at their beginning, and how many of the others at their end."""
    shorter = min(len(live), len(desired))
    head = 0
    while head < shorter and same(live[head], desired[head]):
        head += 1
    tail = 0
    while tail < shorter - head and same(live[-1 - tail], desired[-1 - tail]):
        tail += 1
    return head, tail


def copy_tree(value: Any) -> Any:
    """A copy of a decoded value that shares no map and no list with it.

    Raises:
        FleetError: the value is nested too deeply.
    """
    try:
        return _copy(value)
    except RecursionError as error:
        raise FleetError("an object is nested too deeply to be copied") from error


def _copy(value: Any) -> Any:
    if type(value) is dict:
        return {key: _copy(item) for key, item in value.items()}
    if type(value) is list:
        return [_copy(item) for item in value]
    return value
