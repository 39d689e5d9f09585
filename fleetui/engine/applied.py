"""Proof, without a request, that a server-side apply would change nothing.

Owns: `applied_exactly`. A comparison first asks here; only where the answer is no does it ask the API server for a dry
run. That is what lets an engine start over a thousand applications in sync without a single write or dry run.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

from fleetui.engine.application import FIELD_MANAGER, mapping

_IDENTITY = ("apiVersion", "kind")
_NAME = frozenset({"name", "namespace"})


def applied_exactly(target: Mapping[str, Any], live: Mapping[str, Any], *, manager: str = FIELD_MANAGER) -> bool:
    """Whether `live` already is what applying `target` as `manager` would make of it.

    True only where it can be proved from managedFields (structured-merge-diff's `fieldsV1`): every field of `target`
    has that value in `live`, and `manager` owns by ``Apply`` no field that `target` no longer has. False where it
    can't be proved; the API server's own dry run then decides.
    """
    if any(target.get(key) != live.get(key) for key in _IDENTITY):
        return False
    fields = _owned(live, manager)
    if fields is None:
        return False
    desired = {key: value for key, value in target.items() if key not in _IDENTITY}
    metadata = {key: value for key, value in mapping(target.get("metadata")).items() if key not in _NAME}
    desired.pop("metadata", None)
    # What generators leave behind and no apply takes up: ``creationTimestamp: null`` and ``status: {}``.
    if metadata.get("creationTimestamp", ...) is None:
        del metadata["creationTimestamp"]
    if desired.get("status", ...) in (None, {}):
        del desired["status"]
    if metadata:
        desired["metadata"] = metadata
    return _same(fields, desired, live)


def _entries(live: Mapping[str, Any]) -> list[Mapping[str, Any]]:
    entries = mapping(live.get("metadata")).get("managedFields")
    return [entry for entry in entries if isinstance(entry, Mapping)] if isinstance(entries, list) else []


def _owned(live: Mapping[str, Any], manager: str) -> Mapping[str, Any] | None:
    """The fields that `manager` owns by Apply, where that is the only way in which it owns any."""
    found: Mapping[str, Any] | None = None
    for entry in _entries(live):
        if entry.get("manager") != manager or entry.get("subresource"):
            continue
        if entry.get("operation") != "Apply" or entry.get("apiVersion") != live.get("apiVersion") or found is not None:
            return None
        found = mapping(entry.get("fieldsV1"))
    return found


def _same(fields: Mapping[str, Any], desired: Any, live: Any) -> bool:
    """Whether `desired` stands in `live` and covers what `fields` says is owned."""
    children = {key: value for key, value in fields.items() if key != "."}
    if not children:
        return bool(desired == live)
    if all(key.startswith("f:") for key in children):
        return _same_map(children, desired, live)
    if all(key.startswith("k:") for key in children):
        return _same_list(children, desired, live)
    return bool(desired == live)


def _same_map(children: Mapping[str, Any], desired: Any, live: Any) -> bool:
    if not isinstance(desired, Mapping) or not isinstance(live, Mapping):
        return False
    owned = {key[2:]: value for key, value in children.items()}
    if not owned.keys() <= desired.keys():
        return False
    for key, value in desired.items():
        if key not in live:
            return False
        if key in owned:
            if not _same(mapping(owned[key]), value, live[key]):
                return False
        elif value != live[key]:
            return False
    return True


def _same_list(children: Mapping[str, Any], desired: Any, live: Any) -> bool:
    if not isinstance(desired, list) or not isinstance(live, list) or len(desired) != len(children):
        return False
    order = []
    for key, fields in children.items():
        identity = _identity(key)
        mine, theirs = _item(desired, identity), _item(live, identity)
        if mine is None or theirs is None or not _same(mapping(fields), desired[mine], live[theirs]):
            return False
        order.append((mine, theirs))
    # Each item was found once, and in the order in which an apply would leave the items that it names.
    order.sort()
    places = [theirs for _, theirs in order]
    return len({mine for mine, _ in order}) == len(desired) and places == sorted(places)


def _identity(key: str) -> Mapping[str, Any]:
    """The keys of a list item, from ``k:{"name":"api"}``; empty where it can't be read."""
    try:
        return mapping(json.loads(key[2:]))
    except ValueError:
        return {}


def _item(items: list[Any], identity: Mapping[str, Any]) -> int | None:
    """The index of the item with these keys; a key that a desired item leaves out counts as defaulted."""
    for index, item in enumerate(items):
        if not identity or not isinstance(item, Mapping):
            continue
        if all(item.get(key, value) == value for key, value in identity.items()):
            return index
    return None
