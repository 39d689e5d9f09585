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
        if isinstance(part, str):
            name = _secret_field(change.path, manifest) if depth == 1 and diff.ref.kind == "Secret" else part
            found = sides.field(part, name)
        else:
            found = sides.item(str(path[-1]) if path else "", part, added=depth == added)
        if found is None:
            return None
        path.append(found[0])
        sides = found[1]
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

    def field(self, name: str, written_name: str) -> tuple[str | int, _Sides] | None:
        """A field of a map, and how it is called where it is written; None where it is not."""
        if not isinstance(self.written, Mapping) or written_name not in self.written:
            return None
        live, desired = (side.get(name) if isinstance(side, Mapping) else None for side in (self.live, self.desired))
        return written_name, _Sides(live, desired, self.written[written_name])

    def item(self, field: str, position: int, *, added: bool) -> tuple[str | int, _Sides] | None:
        """An item of the list `field`, and where it is written; None where that can't be told. `position` counts in the
        live list, in the desired one where the item is `added`."""
        live, desired, written = (side if isinstance(side, list) else [] for side in self)
        ours = desired if added else live
        found, compared = match(field, ours, written), match(field, live, desired)
        if found is None or position >= len(ours):
            # Matched by position, as `structure.compare` does.
            if (live and compared is not None) or len(written) != len(desired) or position >= len(written):
                return None
            place, there = position, position
        else:
            key = found.live[position]
            if key not in found.desired:
                return None
            place = found.desired.index(key)
            there = compared.desired.index(key) if compared is not None and key in compared.desired else -1
        before = None if added or position >= len(live) else live[position]
        after = desired[position] if added else desired[there] if there >= 0 else None
        return place, _Sides(before, after, written[place])
