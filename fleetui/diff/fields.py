"""Reading `metadata.managedFields`: which fields a manager owns.

Owns: the entries, and steps through a `fieldsV1` tree (structured-merge-diff's serialisation: ``f:name`` a field,
``k:{...}`` an item by its keys, ``v:...`` an item by its value, ``i:0`` by its position, ``.`` the node itself).
Called by `ownership`, `predicted` and `ignore`. Odd entries own nothing.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from functools import lru_cache
from typing import Any

import msgspec

from fleetui.diff.lists import DEFAULTS
from fleetui.model.objects import from_json
from fleetui.model.times import parse_time

FieldTree = Mapping[str, Any]
"""A node of `fieldsV1`; an empty one is a leaf."""

SELF = "."


class Entry(msgspec.Struct, frozen=True):
    """One entry of managedFields; `time` in seconds since the epoch, None where it says none."""

    manager: str
    operation: str
    subresource: str
    time: float | None
    fields: FieldTree


def managed_fields_of(obj: Mapping[str, Any] | None) -> Sequence[Any]:
    """The raw `metadata.managedFields` of an object; empty where there are none."""
    metadata = obj.get("metadata") if obj else None
    entries = metadata.get("managedFields") if isinstance(metadata, Mapping) else None
    return entries if isinstance(entries, list) else ()


def entries_of(managed_fields: Sequence[Any]) -> Iterator[Entry]:
    """The entries that can be read."""
    for raw in managed_fields:
        fields = raw.get("fieldsV1") if isinstance(raw, Mapping) else None
        if isinstance(fields, Mapping):
            yield Entry(
                manager=_text(raw, "manager"),
                operation=_text(raw, "operation"),
                subresource=_text(raw, "subresource"),
                time=parse_time(_text(raw, "time")),
                fields=fields,
            )


def _text(raw: Mapping[str, Any], key: str) -> str:
    value = raw.get(key)
    return value if isinstance(value, str) else ""


def field_node(tree: FieldTree, name: str) -> FieldTree | None:
    """The node of a map's field; None where the manager has nothing to do with it."""
    return _node(tree.get(f"f:{name}"))


def item_node(tree: FieldTree, item: Any, position: int) -> FieldTree | None:
    """The node of a list's item; None where the manager has nothing to do with it."""
    for name in tree:
        if name != SELF and names_item(name, item, position):
            return _node(tree[name])
    return None


def item_keys(tree: FieldTree, item: Any, position: int) -> list[str]:
    """The merge key by which the tree names an item; empty where it names it otherwise or not at all."""
    for name in tree:
        if name.startswith("k:") and names_item(name, item, position):
            return [key for key, _ in step(name)[1]]
    return []


def is_leaf(tree: FieldTree) -> bool:
    """Whether the node is owned as a whole: a scalar, or a map or list that is never merged."""
    return not tree or (len(tree) == 1 and SELF in tree)


def names_item(name: str, item: Any, position: int) -> bool:
    """Whether a step such as ``k:{"name":"api"}`` names this item of a list."""
    kind, value = step(name)
    if kind == "k":
        return isinstance(item, Mapping) and all(item.get(key, DEFAULTS.get(key)) == part for key, part in value)
    if kind == "v":
        return not isinstance(item, Mapping | list) and bool(item == value)
    return kind == "i" and bool(value == position)


@lru_cache(maxsize=4096)
def step(name: object) -> tuple[str, Any]:
    """A step taken apart: its kind (``f``, ``k``, ``v``, ``i``) and its value; ``("", None)`` where it is none.

    The value of ``k`` is a tuple of (key, value) pairs.
    """
    kind, colon, text = name.partition(":") if isinstance(name, str) else ("", "", "")
    if not colon:
        return "", None
    if kind == "f":
        return kind, text
    try:
        value = from_json(text)
    except ValueError:
        return "", None
    if kind == "k":
        return (kind, tuple(value.items())) if isinstance(value, dict) else ("", None)
    return (kind, value) if kind in {"v", "i"} else ("", None)


def _node(value: object) -> FieldTree | None:
    return value if isinstance(value, dict) else None
