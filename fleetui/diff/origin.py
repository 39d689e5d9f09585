"""Where a manifest says what a change sets.

Owns: `written_at`. Called by `fleetui.fleet` to ask Git who wrote it. A change's path leads through the live object;
the manifest has its own order, and fields of its own alone. Where it can't be told for sure, nothing is said.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, NamedTuple

from fleetui.diff.lists import match
from fleetui.model.change import Change, ChangeKind, ObjectDiff, Path

_REORDERED = frozenset({"Endpoints"})
"""Kinds whose lists are compared in another order than they are written in."""


def written_at(change: Change, diff: ObjectDiff, manifest: Mapping[str, Any]) -> Path | None:
    """The path in `manifest` of the field that `change` (one of `diff`) adds or changes.

    None where the manifest does not write it (a default, or something that others set), for what goes, and for a move:
    which of two items that changed places moved is nobody's to say.
    """
    if change.kind in {ChangeKind.REMOVE, ChangeKind.MOVE} or diff.ref.kind in _REORDERED:
        return None
    added = len(change.path) if change.kind is ChangeKind.ADD else 0
    sides = _Sides(diff.live, diff.desired, manifest)
    path: list[str | int] = []
    for depth, part in enumerate(change.path, start=1):
        key: str | int
        if isinstance(part, str):
            name = _secret_field(change.path, manifest) if depth == 1 and diff.ref.kind == "Secret" else part
            key, below = name, sides.field(part, name)
        else:
            key, below = sides.item(str(path[-1]) if path else "", part, added=depth == added)
        if below is None:
            return None
        sides = below
        path.append(key)
    return tuple(path)


def _secret_field(path: Path, manifest: Mapping[str, Any]) -> str:
    """A Secret's values are written in plain text or encoded; plain text wins (`normalize.secret_data`)."""
    plain = manifest.get("stringData")
    if path[0] != "data" or not isinstance(plain, Mapping):
        return str(path[0])
    is_plain = path[1] in plain if len(path) > 1 else "data" not in manifest
    return "stringData" if is_plain else "data"


class _Sides(NamedTuple):
    """One field as it is live, as it is desired, and as it is written; what is written is there."""

    live: Any
    desired: Any
    written: Any

    def field(self, name: str, written_name: str) -> _Sides | None:
        """A field of a map; None where it is not written."""
        if not isinstance(self.written, Mapping) or written_name not in self.written:
            return None
        live, desired = (side.get(name) if isinstance(side, Mapping) else None for side in (self.live, self.desired))
        return _Sides(live, desired, self.written[written_name])

    def item(self, field: str, position: int, *, added: bool) -> tuple[int, _Sides | None]:
        """Where an item of the list `field` is written, and the item; None where that can't be told. `position` counts
        in the live list, in the desired one where the item is `added`."""
        live, desired, written = (side if isinstance(side, list) else [] for side in self)
        ours = desired if added else live
        found = match(field, ours, written)
        same = match(field, live, desired)
        if found is not None and position < len(ours):
            key = found.live[position]
            place = found.desired.index(key) if key in found.desired else len(written)
            there = same.desired.index(key) if same is not None and key in same.desired else None
        elif not live or same is None:  # matched by position, as `structure.compare` does
            place = there = position if len(written) == len(desired) else len(written)
        else:
            return 0, None
        if place >= len(written):
            return 0, None
        before = None if added or position >= len(live) else live[position]
        after = desired[position] if added else None if there is None else desired[there]
        return place, _Sides(before, after, written[place])
