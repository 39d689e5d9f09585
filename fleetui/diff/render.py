"""A difference as lines for people: two columns beside each other, or unified text.

Owns: `DiffRow`, `rows`, `near_differences`, `lines`, `unified`. Called by the diff screen and the command line, on
objects that are masked already. Never here: colours, columns, what a fold says (`screens`), the choice of what is
compared (`structure`).
"""

from __future__ import annotations

import difflib
from collections.abc import Iterator, Mapping, Sequence
from enum import StrEnum
from typing import Any

import msgspec

from fleetui.diff.lists import match, steady
from fleetui.diff.scalars import block_header, scalar
from fleetui.diff.structure import common_ends, same
from fleetui.model.change import Change, ChangeKind, ObjectDiff, Path
from fleetui.model.errors import FleetError

_ABSENT = object()
_ALIGNED = 1_000_000
"""Two texts are aligned line by line up to this product of their lengths; beyond, they are set side by side."""


class RowKind(StrEnum):
    EQUAL = "equal"
    ADD = "add"
    REMOVE = "remove"
    CHANGE = "change"


class DiffRow(msgspec.Struct, frozen=True):
    """One line of an object's YAML, as it is live and as it is desired.

    `indent` counts levels. `key` is what stands before the value on both sides: ``color:``, ``- name:``, ``-``, or
    nothing for a line of a longer text. `live` and `desired` are the values (empty for a map or list that follows in
    the next rows), None where that side has no such line. `change` is set on the first row of each change, and on no
    other: from one to the next is from difference to difference. So is `move`, for an item that changes its place: it
    stands where it will be, its live side beside it, and may begin with a change of its own.
    """

    path: Path
    indent: int
    key: str
    live: str | None
    desired: str | None
    kind: RowKind
    change: Change | None = None
    move: Change | None = None


def rows(diff: ObjectDiff) -> list[DiffRow]:
    """The rows of an object that is compared with Git, keys in alphabetical order, the key of a list's items first.

    Raises:
        FleetError: the object is nested too deeply.
    """
    live = _ABSENT if diff.live is None else diff.live
    desired = _ABSENT if diff.desired is None else diff.desired
    return _rows(live, desired, {(change.path, change.kind): change for change in diff.changes})


def differs(row: DiffRow) -> bool:
    """Whether a row is no equal one."""
    return row.kind is not RowKind.EQUAL or row.change is not None or row.move is not None


def near_differences(found: Sequence[DiffRow], context: int) -> set[int]:
    """The places of the rows that differ, of up to `context` beside each, of those that hold a difference, and of those
    with which an item begins that holds one: without its name it would be read as a part of the item above."""
    places = [place for place, row in enumerate(found) if differs(row)]
    holding = {found[place].path[:length] for place in places for length in range(len(found[place].path))}
    shown = {place + step for place in places for step in range(-context, context + 1)}
    for place, row in enumerate(found):
        if row.path in holding or (row.key.startswith("- ") and row.path[:-1] in holding):
            shown.add(place)
    return shown


def lines(obj: Mapping[str, Any] | None) -> list[str]:
    """An object as YAML, in the order that `rows` has.

    Raises:
        FleetError: the object is nested too deeply.
    """
    if obj is None:
        return []
    return [_line(row) for row in _rows(obj, obj, {})] or ["{}"]


def unified(desired: Mapping[str, Any] | None, live: Mapping[str, Any] | None, *, context: int = 3) -> list[str]:
    """What a sync would change in the live object, as unified text without line ends: ``-`` live, ``+`` desired.

    Empty where nothing differs. `context` is the number of equal lines around a difference.
    """
    ours, theirs = lines(live), lines(desired)
    return list(difflib.unified_diff(ours, theirs, "live", "desired", lineterm="", n=context))


def _line(row: DiffRow) -> str:
    text = f"{row.key} {row.live}" if row.key and row.live else row.key or row.live or ""
    return "  " * row.indent + text if text else ""


def _rows(live: Any, desired: Any, changes: dict[tuple[Path, ChangeKind], Change]) -> list[DiffRow]:
    builder = _Builder(changes)
    try:
        builder.root(live, desired)
    except RecursionError as error:
        raise FleetError("an object is nested too deeply to be shown") from error
    return builder.rows


class _Builder:
    """Walks both sides at once and collects rows; `_ABSENT` stands for a side that is not there.

    `lead` is what stands before a row's key: the dash of a list's item, or nothing.
    """

    def __init__(self, changes: dict[tuple[Path, ChangeKind], Change]) -> None:
        self.rows: list[DiffRow] = []
        self._changes = changes

    def root(self, live: Any, desired: Any) -> None:
        self._children(live, desired, (), 0, "")
        self._mark((), 0, live, desired)

    def _node(self, live: Any, desired: Any, path: Path, indent: int, *, key: str, lead: str) -> None:
        """The rows of one field (`key` set) or one item of a list (`key` empty)."""
        first = len(self.rows)
        shape = _common_shape(live, desired, item=not key)
        if shape is None:  # a map on one side and none on the other: first the one, then the other
            self._node(live, _ABSENT, path, indent, key=key, lead=lead)
            self._node(_ABSENT, desired, path, indent, key=key, lead=lead)
        elif shape == "leaf":
            equal = same(live, desired)
            self._add(path, indent, (lead + key).rstrip(), _text(live), _text(desired), equal=equal)
        elif shape == "text":
            self._block(live, desired, path, indent, label=(lead + key).rstrip())
        elif key or shape == "list":
            self._add(path, indent, (lead + key).rstrip(), _held(live), _held(desired))
            # As kubectl has it: a field's map is indented, a field's list is not.
            self._children(live, desired, path, indent + bool(lead) + (shape == "map"), "")
        else:
            self._children(live, desired, path, indent, lead)
        self._mark(path, first, live, desired)

    def _mark(self, path: Path, first: int, live: Any, desired: Any) -> None:
        """Puts the change at `path`, if it has not been put yet, on the row with which it begins."""
        kinds = [ChangeKind.ADD] if live is _ABSENT else [ChangeKind.REMOVE] if desired is _ABSENT else []
        for kind in (*kinds, ChangeKind.CHANGE):
            change = self._changes.get((path, kind))
            if change is not None and first < len(self.rows) and self.rows[first].change is None:
                del self._changes[path, kind]
                self.rows[first] = msgspec.structs.replace(self.rows[first], change=change)
        if not kinds and (move := self._changes.pop((path, ChangeKind.MOVE), None)) is not None:
            self.rows[first] = msgspec.structs.replace(self.rows[first], move=move)

    def _children(self, live: Any, desired: Any, path: Path, indent: int, lead: str) -> None:
        if isinstance(live if live is not _ABSENT else desired, list):
            for have, want, position in _items(live, desired, path):
                self._node(have, want, (*path, position), indent, key="", lead="- ")
            return
        ours, theirs = (side if isinstance(side, dict) else {} for side in (live, desired))
        for number, key in enumerate(sorted({*ours, *theirs}, key=_key_order if lead else str)):
            self._node(
                ours.get(key, _ABSENT),
                theirs.get(key, _ABSENT),
                (*path, key if isinstance(key, str) else str(key)),
                indent + (bool(lead) and number > 0),
                key=f"{scalar(key)}:",
                lead="" if number else lead,
            )

    def _block(self, live: Any, desired: Any, path: Path, indent: int, *, label: str) -> None:
        self._add(path, indent, label, _header(live), _header(desired), equal=live == desired)
        inner = indent + 1 + label.startswith("- ")  # below a key, not below its dash
        for have, want in _aligned(_text_lines(live), _text_lines(desired)):
            self._add(path, inner, "", have, want, equal=have == want)

    def _add(
        self, path: Path, indent: int, key: str, live: str | None, desired: str | None, *, equal: bool = True
    ) -> None:
        self.rows.append(DiffRow(path, indent, key, live, desired, _kind(live, desired, equal=equal)))


def _kind(live: str | None, desired: str | None, *, equal: bool) -> RowKind:
    if live is None:
        return RowKind.ADD
    if desired is None:
        return RowKind.REMOVE
    return RowKind.EQUAL if equal else RowKind.CHANGE


def _common_shape(live: Any, desired: Any, *, item: bool) -> str | None:
    """What both sides are: ``map``, ``list``, ``text`` (of several lines) or ``leaf``; None where they differ.

    An empty map or list is a leaf. A field's empty map and a filled one are both maps; an item's have no row in common.
    """
    sides = [side for side in (live, desired) if side is not _ABSENT]
    types = {_type(side) for side in sides}
    filled = [bool(side) for side in sides]
    if len(types) > 1:
        return None
    shape = types.pop()
    if shape in {"map", "list"} and not any(filled):
        return "leaf"
    return None if item and shape == "map" and not all(filled) else shape


def _type(side: Any) -> str:
    if isinstance(side, str) and block_header(side):
        return "text"
    return "map" if isinstance(side, dict) else "list" if isinstance(side, list) else "leaf"


def _held(side: Any) -> str | None:
    return None if side is _ABSENT else "" if side else scalar(side)


def _text(side: Any) -> str | None:
    return None if side is _ABSENT else scalar(side)


def _header(side: Any) -> str | None:
    return None if side is _ABSENT else block_header(side)


def _text_lines(side: Any) -> list[str]:
    if side is _ABSENT:
        return []
    text = str(side)
    return (text[:-1] if text.endswith("\n") else text).split("\n")


def _key_order(key: Any) -> tuple[bool, str]:
    return key != "name", str(key)


def _items(live: Any, desired: Any, path: Path) -> Iterator[tuple[Any, Any, int]]:
    """The items of two lists beside each other, in the order in which they are read, with the position that a change
    of the item has in its path. An item that moves comes where it will be."""
    ours: list[Any] = [] if live is _ABSENT else live
    theirs: list[Any] = [] if desired is _ABSENT else desired
    pairs, moved = _pairs(ours, theirs, str(path[-1]) if path else "")
    gone = set(moved.values())
    here = there = 0
    for left, right in [*pairs, (len(ours), len(theirs))]:
        for position in range(here, left):
            if position not in gone:
                yield ours[position], _ABSENT, position
        for position in range(there, right):
            before = moved.get(position)
            yield (_ABSENT, theirs[position], position) if before is None else (ours[before], theirs[position], before)
        if left < len(ours) and right < len(theirs):
            yield ours[left], theirs[right], left
        here, there = left + 1, right + 1


def _pairs(live: list[Any], desired: list[Any], field: str) -> tuple[list[tuple[int, int]], dict[int, int]]:
    """The positions (live, desired) of the items that are the same item, as `structure.compare` has them: those that
    stay, rising on both sides, and by desired position those that move."""
    matched = match(field, live, desired) if live and desired else None
    if matched is None:
        head, tail = common_ends(live, desired)
        middle = min(len(live), len(desired)) - head - tail
        ends = [(len(live) - place, len(desired) - place) for place in range(tail, 0, -1)]
        return [(place, place) for place in range(head + middle)] + ends, {}
    stay = steady(matched.live, matched.desired)
    place = {key: position for position, key in enumerate(matched.desired)}
    shared = [(key, position, place[key]) for position, key in enumerate(matched.live) if key in place]
    pairs = [(before, after) for key, before, after in shared if key in stay]
    return pairs, {after: before for key, before, after in shared if key not in stay}


def _aligned(live: Sequence[str], desired: Sequence[str]) -> Iterator[tuple[str | None, str | None]]:
    """The lines of two texts beside each other."""
    head, tail = common_ends(live, desired)
    ours, theirs = live[head : len(live) - tail], desired[head : len(desired) - tail]
    yield from zip(live[:head], desired[:head], strict=True)
    if len(ours) * len(theirs) > _ALIGNED:
        yield from _side_by_side(ours, theirs)
    else:
        for _, i, j, k, m in difflib.SequenceMatcher(None, ours, theirs, autojunk=False).get_opcodes():
            yield from _side_by_side(ours[i:j], theirs[k:m])
    yield from zip(live[len(live) - tail :], desired[len(desired) - tail :], strict=True)


def _side_by_side(live: Sequence[str], desired: Sequence[str]) -> Iterator[tuple[str | None, str | None]]:
    for position in range(max(len(live), len(desired))):
        yield (
            live[position] if position < len(live) else None,
            desired[position] if position < len(desired) else None,
        )
