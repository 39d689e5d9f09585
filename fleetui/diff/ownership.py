"""Who set a live value.

Owns: `blame`. Called by `structure` for each change. Knows only the live side; which commit set the desired value is
asked of Git elsewhere.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from typing import Any

from fleetui.diff.fields import Entry, FieldTree, entries_of, field_node, is_leaf, item_node, managed_fields_of
from fleetui.model.change import Blame, Path

ENGINES: Collection[str] = frozenset({"argocd-controller", "kustomize-controller", "helm-controller"})
"""The field managers under which reconcilers apply what Git says."""


def blame(
    live: Mapping[str, Any],
    path: Path,
    *,
    managed_fields: Sequence[Any] | None = None,
    engines: Collection[str] = ENGINES,
) -> Blame | None:
    """The field manager that owns the live value at `path`, by which operation and when; None where nobody does.

    Of several owners, one that is no engine comes first (whoever drifted is wanted, not who applied Git), then the one
    that owns the field itself rather than a whole map or list around it, then the latest.

    Args:
        live: the live object; positions in `path` count in its lists.
        path: what `Change.path` says; empty for the object as a whole.
        managed_fields: its `metadata.managedFields`, where they have been taken out of `live`.
    """
    if managed_fields is None:
        managed_fields = managed_fields_of(live)
    return blame_among(list(entries_of(managed_fields)), live, path, engines=engines)


def blame_among(
    entries: Sequence[Entry], live: Mapping[str, Any], path: Path, *, engines: Collection[str] = ENGINES
) -> Blame | None:
    """As `blame`, for whoever asks for many paths of one object."""
    best: tuple[bool, int, float] | None = None
    owner: Entry | None = None
    for entry in entries:
        depth = _owned_depth(entry, live, path)
        if depth is not None:
            rank = (entry.manager not in engines, depth, float("-inf") if entry.time is None else entry.time)
            if best is None or rank > best:
                best, owner = rank, entry
    return None if owner is None else Blame(owner.manager, owner.operation, owner.time)


def _owned_depth(entry: Entry, live: Any, path: Path) -> int | None:
    """How far down `path` the manager owns; None where it owns something else alone."""
    if not path:
        return None if entry.subresource == "status" else 0
    tree: FieldTree = entry.fields
    value: Any = live
    for depth, part in enumerate(path, start=1):
        value = _child(value, part)
        node = field_node(tree, part) if isinstance(part, str) else item_node(tree, value, part)
        if node is None:
            return None
        if is_leaf(node):
            return depth
        tree = node
    return len(path)


def _child(value: Any, part: str | int) -> Any:
    if isinstance(part, str):
        return value.get(part) if isinstance(value, dict) else None
    return value[part] if isinstance(value, list) and part < len(value) else None
