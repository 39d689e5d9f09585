"""Differences in a few words, and as data for others.

Owns: `summary` (dialogs, plan entries), `to_json` (the command line), `audit_changes` (the audit record). On masked
objects alone, except `audit_changes`, which masks by itself.
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping, Sequence
from typing import Any

from fleetui.diff.mask import HIDDEN, mask
from fleetui.diff.normalize import normalize
from fleetui.diff.scalars import scalar
from fleetui.model.change import Blame, Change, ChangeKind
from fleetui.model.errors import FleetError
from fleetui.model.objects import Obj
from fleetui.model.text import cut_middle, one_line
from fleetui.model.times import format_time

_SHOWN = 2
_WIDTH = 24
_HIDDEN = re.compile(r"\++")
_IMAGE = re.compile(r"(?P<name>[^@]*?)(?::(?P<tag>[^/:@]+))?(?:@(?P<digest>.+))?")
_KIND = {
    ChangeKind.ADD: "added",
    ChangeKind.REMOVE: "removed",
    ChangeKind.CHANGE: "changed",
    ChangeKind.MOVE: "moved",
}


def summary(changes: Sequence[Change]) -> str:
    """What changes, for a line of a dialog: ``image 1.98 → 1.99``, ``replicas 2 → 5, paused removed``, ``3 fields``.

    From what is live to what is desired. Empty where there is no change.
    """
    if len(changes) > _SHOWN:
        return f"{len(changes)} fields"
    return ", ".join(_words(change) for change in changes)


def _words(change: Change) -> str:
    if not change.path:
        return f"object {_KIND[change.kind]}"
    label = _label(change)
    if change.kind is ChangeKind.CHANGE:
        before, after = _values(change)
        if before and after:
            return f"{label} {before} → {after}"
    elif change.kind is ChangeKind.ADD and (value := _short(change.after)):
        return f"{label} {value} added"
    elif change.kind is ChangeKind.MOVE:
        return f"{label} moved {change.before} → {change.after}"
    return f"{label} {_KIND[change.kind]}"


def _label(change: Change) -> str:
    """The field's own name; for an item of a list, the list's, and the item's name where it has one."""
    fields = [part for part in change.path if isinstance(part, str)]
    label = fields[-1] if fields else "item"
    item = change.before if change.kind is ChangeKind.REMOVE else change.after
    if isinstance(change.path[-1], int) and isinstance(item, Mapping) and isinstance(item.get("name"), str):
        label = f"{label} {item['name']}"
    return one_line(label)


def _values(change: Change) -> tuple[str, str]:
    before, after = change.before, change.after
    if change.path[-1] == "image" and isinstance(before, str) and isinstance(after, str):
        old, new = _IMAGE.fullmatch(before), _IMAGE.fullmatch(after)
        if old and new and old["name"] == new["name"]:
            before, after = _version(old), _version(new)
    return _short(before), _short(after)


def _version(image: re.Match[str]) -> str:
    digest = image["digest"]
    return image["tag"] or (cut_middle(digest, _WIDTH) if digest else "latest")


def _short(value: Any) -> str:
    """A value that can be said in a few characters; empty for maps, lists, long texts and what is masked."""
    if isinstance(value, str):
        if not value:
            return '""'
        hidden = value.startswith(HIDDEN) and _HIDDEN.fullmatch(value)
        return "" if hidden or "\n" in value or len(value) > 2 * _WIDTH else cut_middle(one_line(value), _WIDTH)
    return "" if isinstance(value, Mapping | list) else scalar(value)


# --- for machines ---------------------------------------------------------------------------------------------------


def to_json(changes: Sequence[Change]) -> list[Obj]:
    """The changes as JSON values.

    Each has `path` (``spec.containers[0].image``), `parts` (the path as a list), `kind` (``add``, ``remove``,
    ``change``, ``move``), `before` and `after` where there is such a side (of a move: positions), and `blame`
    (`manager`, `operation`, `time` in RFC 3339) where it is known.
    """
    return [_change(change) for change in changes]


def _change(change: Change) -> Obj:
    result: Obj = {"path": change.dotted, "parts": list(change.path), "kind": change.kind.value}
    if change.kind is not ChangeKind.ADD:
        result["before"] = change.before
    if change.kind is not ChangeKind.REMOVE:
        result["after"] = change.after
    if change.blame is not None:
        result["blame"] = _blame(change.blame)
    return result


def _blame(blame: Blame) -> Obj:
    result = {"manager": blame.manager, "operation": blame.operation}
    if blame.time is not None:
        result["time"] = format_time(blame.time)
    return result


def audit_changes(before: Mapping[str, Any] | None, after: Mapping[str, Any] | None) -> Obj:
    """The tree that deepdiff makes of two states of an object, as JSON values, for an audit record.

    Both are normalised and masked here, so that a record never holds a secret. Takes some 20 ms, and 100 ms more the
    first time, when deepdiff is loaded: for what somebody has done, not for what is compared all the time.

    Raises:
        FleetError: nested too deeply.
    """
    from deepdiff import DeepDiff  # here, because no command should wait for it

    sides = mask(None if after is None else normalize(after), None if before is None else normalize(before))
    desired, live = (side or {} for side in sides)
    try:
        result: Obj = json.loads(DeepDiff(live, desired, verbose_level=2).to_json(default_mapping={object: str}))
    except RecursionError as error:
        raise FleetError("an object is nested too deeply for an audit record") from error
    return result
