"""What an apply itself changes, told from what others change on the way.

Owns: `without_mutations`. Called on a server's dry-run answer before it is compared: a mutating webhook may answer with
something new each time, which no sync would ever settle. Rules: argo-cd v3.6.1, gitops-engine/pkg/diff/diff.go
(`removeWebhookMutation`).
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from fleetui.diff.fields import FieldTree, entries_of, field_node, is_leaf, item_node, managed_fields_of
from fleetui.diff.lists import Key, match
from fleetui.diff.predicted import merged_order
from fleetui.model.errors import FleetError
from fleetui.model.objects import Obj

_ABSENT = object()
_ANSWERS = ("managedFields", "resourceVersion")
"""What an answer says of itself, and nobody owns."""


def without_mutations(predicted: Mapping[str, Any], live: Mapping[str, Any], manager: str) -> Obj:
    """A dry-run answer in which only what `manager` owns, or owned before, differs from the live object.

    Argo CD also takes for live what `manager` owned, no longer applies, and the server fills in anew; that is a change
    that the apply makes, and counts here.

    Args:
        predicted: the answer to the dry run, with its managedFields.
        live: the object as the server gives it, with its managedFields.
        manager: under which the dry run was made.

    Returns:
        A new object, which shares with both; `predicted` as it is where its managedFields say nothing of `manager`.

    Raises:
        FleetError: the objects are nested too deeply.
    """
    after, before = (_owned(side, manager) for side in (predicted, live))
    if not after:
        return dict(predicted)
    try:
        result = _maps(dict(predicted), dict(live), after, before)
    except RecursionError as error:
        raise FleetError("an object is nested too deeply to be compared") from error
    metadata, answered = result.get("metadata"), predicted.get("metadata")
    if isinstance(metadata, dict) and isinstance(answered, Mapping):
        result["metadata"] = metadata | {key: answered[key] for key in _ANSWERS if key in answered}
    return result


def _owned(side: Mapping[str, Any], manager: str) -> list[FieldTree]:
    """What `manager` owns. What it applied as a Secret's `stringData` it owns in `data`, where the server keeps it."""
    trees = [entry.fields for entry in entries_of(managed_fields_of(side)) if entry.manager == manager]
    if side.get("kind") == "Secret":
        trees += [{"f:data": plain} for tree in trees if (plain := field_node(tree, "stringData")) is not None]
    return trees


def _maps(predicted: Obj, live: Obj, after: list[FieldTree], before: list[FieldTree]) -> Obj:
    result: Obj = {}
    for key in predicted | live:
        value = _value(
            predicted.get(key, _ABSENT),
            live.get(key, _ABSENT),
            [node for tree in after if (node := field_node(tree, str(key))) is not None],
            [node for tree in before if (node := field_node(tree, str(key))) is not None],
            key,
        )
        if value is not _ABSENT:
            result[key] = value
    return result


def _value(predicted: Any, live: Any, after: list[FieldTree], before: list[FieldTree], field: str) -> Any:
    """One field that is on a side at least; `after` and `before` are what the manager owns of it."""
    if not after and not before:
        return live
    if predicted is _ABSENT or live is _ABSENT or any(map(is_leaf, after)):
        return predicted
    if isinstance(predicted, dict) and isinstance(live, dict):
        return _maps(predicted, live, after, before)
    if isinstance(predicted, list) and isinstance(live, list):
        return _lists(predicted, live, after, before, field)
    return predicted


def _lists(predicted: list[Any], live: list[Any], after: list[FieldTree], before: list[FieldTree], field: str) -> Any:
    found = match(field, live, predicted)
    if found is None:
        return predicted
    ours = dict(zip(found.desired, enumerate(predicted), strict=True))
    theirs = dict(zip(found.live, enumerate(live), strict=True))
    nowhere = (0, _ABSENT)
    merged: dict[Key, Any] = {}
    applied: list[Key] = []
    for key in ours | theirs:
        (place, item), (there, have) = ours.get(key, nowhere), theirs.get(key, nowhere)
        mine = _items(after, item, place)
        value = _value(item, have, mine, _items(before, have, there), "")
        if value is not _ABSENT:
            merged[key] = value
        if mine:
            applied.append(key)
    return [merged[key] for key in merged_order(found.live, applied) if key in merged]


def _items(trees: list[FieldTree], item: Any, position: int) -> list[FieldTree]:
    if item is _ABSENT:
        return []
    return [node for tree in trees if (node := item_node(tree, item, position)) is not None]
