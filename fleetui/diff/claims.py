"""What the last apply had set, so that it can be taken away again once Git does not say it any more.

Owns: `Claim` and its two makings: from managedFields and from the last-applied annotation. Called by `predicted`.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Protocol

from fleetui.diff.fields import (
    FieldTree,
    entries_of,
    field_node,
    is_leaf,
    item_keys,
    item_node,
    managed_fields_of,
)
from fleetui.diff.lists import keys_of


class Claim(Protocol):
    """A field that the last apply had set, or something below it."""

    def field(self, name: str) -> Claim | None:
        """The claim on a map's field; None where there is none."""
        ...

    def item(self, item: Any, position: int, fields: tuple[str, ...]) -> Claim | None:
        """The claim on a list's item, which is told by `fields`, its merge key (empty: by its position)."""
        ...

    def without(self, live: Any) -> Any:
        """What is left of the live value when what is claimed goes; None where nothing is."""
        ...


def managed_claim(live: Mapping[str, Any], manager: str) -> Claim | None:
    """What `manager` owns, by managedFields; None where it owns nothing.

    What it applied counts; what it wrote otherwise only where it never applied.
    """
    entries = [entry for entry in entries_of(managed_fields_of(live)) if not entry.subresource]
    mine = [entry for entry in entries if entry.manager == manager]
    own = [entry for entry in mine if entry.operation == "Apply"] or mine
    others = [entry for entry in entries if entry not in own]
    return _managed([entry.fields for entry in own], [entry.fields for entry in others])


def applied_claim(applied: Mapping[str, Any] | None) -> Claim | None:
    """What the last-applied annotation holds; None where there is none."""
    return None if applied is None else _Applied(applied)


def _managed(own: list[FieldTree], others: list[FieldTree]) -> Claim | None:
    return _Managed(own, others) if own else None


class _Managed:
    """Ownership by managedFields.

    A field that goes takes along all that is below it, such as defaults that nobody owns; what others own of it comes
    back (structured-merge-diff v6, merge/update.go, `prune`).
    """

    def __init__(self, own: list[FieldTree], others: list[FieldTree]) -> None:
        self._own = own
        self._others = others

    def field(self, name: str) -> Claim | None:
        return _managed(_field_nodes(self._own, name), _field_nodes(self._others, name))

    def item(self, item: Any, position: int, fields: tuple[str, ...]) -> Claim | None:
        return _managed(_item_nodes(self._own, item, position), _item_nodes(self._others, item, position))

    def without(self, live: Any) -> Any:
        return _owned_part(live, self._others)


def _field_nodes(trees: list[FieldTree], name: str) -> list[FieldTree]:
    return [node for tree in trees if (node := field_node(tree, name)) is not None]


def _item_nodes(trees: list[FieldTree], item: Any, position: int) -> list[FieldTree]:
    return [node for tree in trees if (node := item_node(tree, item, position)) is not None]


def _owned_part(live: Any, trees: list[FieldTree]) -> Any:
    """The part of a live value that `trees` own; None where that is nothing."""
    if not trees:
        return None
    if any(is_leaf(tree) for tree in trees):
        return live
    if isinstance(live, dict):
        part = {key: _owned_part(value, _field_nodes(trees, key)) for key, value in live.items()}
        return {key: value for key, value in part.items() if value is not None} or None
    if isinstance(live, list):
        return _owned_items(live, trees) or None
    return live


def _owned_items(live: list[Any], trees: list[FieldTree]) -> list[Any]:
    items = []
    for position, item in enumerate(live):
        part = _owned_part(item, _item_nodes(trees, item, position))
        if isinstance(part, dict):
            keys = {key for tree in trees for key in item_keys(tree, item, position)}
            part = {key: value for key, value in item.items() if key in part or key in keys} | part
        if part is not None:
            items.append(part)
    return items


class _Applied:
    """What the annotation says was applied: it goes whole, whoever else set something in it."""

    def __init__(self, value: Any) -> None:
        self._value = value

    def field(self, name: str) -> Claim | None:
        value = self._value.get(name) if isinstance(self._value, dict) else None
        return None if value is None else _Applied(value)

    def item(self, item: Any, position: int, fields: tuple[str, ...]) -> Claim | None:
        items = self._value
        if not isinstance(items, list):
            return None
        if not isinstance(item, dict):
            return _Applied(item) if item in items else None
        if not fields:
            return _Applied(items[position]) if position < len(items) else None
        applied, key = keys_of(items, fields), keys_of([item], fields)
        if applied is None or key is None or key[0] not in applied:
            return None
        return _Applied(items[applied.index(key[0])])

    def without(self, live: Any) -> Any:
        return None
