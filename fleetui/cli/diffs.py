"""What differs, as `diff` prints it.

Owns: `show`, with one form for each way of looking at it. On objects that are masked and harmless already.
"""

from __future__ import annotations

import time
from collections.abc import Iterable
from typing import NamedTuple

from fleetui.cli import documents
from fleetui.cli.output import emit
from fleetui.cli.tables import SHORT
from fleetui.diff import DiffRow, RowKind, json_patch, near_differences, rows, unified
from fleetui.model.change import Change, ChangeKind, ObjectDiff
from fleetui.model.times import age

NAMELESS = frozenset({"unified", "jsonpatch"})
"""Forms that do not say who made a difference."""
_CONTEXT = 3
"""Equal lines around a difference."""


def show(objects: Iterable[ObjectDiff], output: str, *, of_files: bool = False, of_appset: bool = False) -> None:
    """Prints every object that differs.

    Args:
        output: ``table``: field by field, with who set the live value and which commit wrote the desired one;
            ``unified``: as ``diff -u`` has it, from live to desired; ``side``: live and desired beside each other;
            ``jsonpatch``: a JSON patch (RFC 6902) from live to desired for each object.
        of_files: no Git and no cluster is compared.
        of_appset: what is desired comes of an ApplicationSet.
    """
    differing = [one for one in objects if one.differs]
    if output == "jsonpatch":
        emit([{**documents.ref(one.ref), "patch": json_patch(one.live, one.changes)} for one in differing], "json")
        return
    form = {"table": _fields, "unified": _unified, "side": _side}[output]
    desired = "desired" if of_files else "the ApplicationSet" if of_appset else "Git"
    view = _View(desired, of_files, time.time())
    emit("\n\n".join("\n".join([_head(one), *form(one, view)]) for one in differing))


class _View(NamedTuple):
    """How the desired side is called, whether files alone are compared, and the time in seconds since the epoch."""

    desired: str
    of_files: bool
    now: float


def _head(one: ObjectDiff) -> str:
    where = f"{one.file}:{one.line}" if one.file and one.line else one.file
    return f"=== {one.ref}  {where}".rstrip()


# --- field by field -------------------------------------------------------------------------------------------------


def _fields(one: ObjectDiff, view: _View) -> list[str]:
    git, cluster = (one.file, one.file) if view.of_files else ("Git", "the cluster")
    if one.live is None:
        return [f"+ only in {git}: a sync makes it" + "".join(_written(change, view.now) for change in one.changes)]
    if one.desired is None:
        return [f"- only in {cluster}: a sync with prune deletes it"]
    called = {}
    if any(change.kind is ChangeKind.MOVE for change in one.changes):
        called = {row.move.path: f" ({_line(row, row.desired).strip(' -')})" for row in rows(one) if row.move}
    return [_field(change, view, called.get(change.path, "")) for change in one.changes]


def _field(change: Change, view: _View, called: str) -> str:
    """One line of a change; `called` tells an item that moves from its neighbours: its position does not."""
    if change.kind is ChangeKind.MOVE:
        return f"~ {change.dotted}{called}: live at position {change.before}, {view.desired} at {change.after}"
    mark = {ChangeKind.ADD: "+", ChangeKind.REMOVE: "-", ChangeKind.CHANGE: "~"}[change.kind]
    live = "(absent)" if change.kind is ChangeKind.ADD else _value(change.before)
    desired = "(absent)" if change.kind is ChangeKind.REMOVE else _value(change.after)
    return f"{mark} {change.dotted}: live {live}, {view.desired} {desired}{_set(change)}{_written(change, view.now)}"


def _set(change: Change) -> str:
    """Who set the live value."""
    return f"  (live set by {change.blame.manager})" if change.blame and change.blame.manager else ""


def _written(change: Change, now: float) -> str:
    """Who wrote the desired value in Git."""
    commit = change.commit
    return f"  # {commit.sha[:SHORT]} {commit.author}, {age(now - commit.time)} ago" if commit is not None else ""


def _value(value: object) -> str:
    import msgspec

    return msgspec.json.encode(value).decode()


# --- as text --------------------------------------------------------------------------------------------------------


def _unified(one: ObjectDiff, view: _View) -> list[str]:
    return unified(one.desired, one.live, context=_CONTEXT)


def _side(one: ObjectDiff, view: _View) -> list[str]:
    every = rows(one)
    near = near_differences(every, _CONTEXT)
    shown = [(place, row) for place, row in enumerate(every) if place in near]
    width = max([len("live"), *(len(_line(row, row.live)) for _, row in shown)])
    lines = [f"{'live':{width}}   {view.desired}"]
    last = -1
    for place, row in shown:
        lines += ["..."] if place != last + 1 else []
        desired = _line(row, row.desired) + _said(row, view.now)
        lines.append(f"{_line(row, row.live):{width}} {_mark(row)} {desired}".rstrip())
        last = place
    return lines + (["..."] if last < len(every) - 1 else [])


def _line(row: DiffRow, value: str | None) -> str:
    if value is None:
        return ""
    return f"{'  ' * row.indent}{row.key}{' ' if row.key and value else ''}{value}"


def _mark(row: DiffRow) -> str:
    if row.kind is RowKind.EQUAL:
        return "~" if row.change or row.move else " "
    return {RowKind.ADD: "+", RowKind.REMOVE: "-", RowKind.CHANGE: "~"}[row.kind]


def _said(row: DiffRow, now: float) -> str:
    moved = f"  (moves from position {row.move.before} to {row.move.after})" if row.move else ""
    return moved + (_set(row.change) + _written(row.change, now) if row.change else "")
