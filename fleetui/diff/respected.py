"""What an apply leaves alone, because the user ignores it.

Owns: `respected`. Called by the engine before it applies, where a sync asks for ``RespectIgnoreDifferences=true``.
Rules: argo-cd v3.6.1, controller/sync.go (`normalizeTargetResources`).
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from fleetui.diff.fields import managed_fields_of
from fleetui.diff.ignore import IgnoreRule, ignore
from fleetui.diff.lists import match
from fleetui.diff.normalize import secret_data
from fleetui.diff.structure import copy_tree, same
from fleetui.model.errors import FleetError
from fleetui.model.objects import Obj
from fleetui.ports import PathExpressions

_NOT_OURS = "status"
"""Written by an object's own controller: an apply that copied it would own it, and freeze it."""


def respected(
    rules: Iterable[IgnoreRule],
    desired: Mapping[str, Any],
    live: Mapping[str, Any],
    *,
    evaluate: PathExpressions | None = None,
) -> Obj:
    """The manifest with what `rules` ignore as it is live: the live value, or nothing where the live object has none.

    Items of lists are told apart by their merge key; of a list that has none, the live one is taken as a whole.

    Args:
        rules: those about other objects are passed over.
        desired: the manifest.
        live: the object as the server gives it, with its managedFields.
        evaluate: as for `ignore`.

    Returns:
        A copy of `desired`, as it is where nothing of it is ignored.

    Raises:
        FleetError: a rule can't be applied, so that it is not known what to leave alone; or nested too deeply.
    """
    concerned = [rule for rule in rules if rule.concerns(live)]
    if not concerned:
        return dict(desired)
    wanted = secret_data(dict(desired)) if desired.get("kind") == "Secret" else dict(desired)
    have = {key: value for key, value in live.items() if key != _NOT_OURS}
    if isinstance(metadata := have.get("metadata"), dict):
        have["metadata"] = {key: value for key, value in metadata.items() if key != "managedFields"}
    kept = ignore(concerned, wanted, have, managed_fields=managed_fields_of(live), evaluate=evaluate)
    if unknown := (*kept.unevaluated, *kept.problems):
        raise FleetError(f"what is to be left alone is not known: {unknown[0]}")
    if kept.desired is None or kept.live is None or (same(kept.desired, wanted) and same(kept.live, have)):
        return dict(desired)
    result: Obj = copy_tree(kept.desired)
    _graft(result, kept.live, have)
    return result


def _graft(wanted: Obj, kept: Obj, have: Obj) -> None:
    """Puts into `wanted` what `have` has and `kept`, the same without what is ignored, has not."""
    for key, value in have.items():
        if key not in kept:
            wanted[key] = copy_tree(value)
            continue
        left = kept[key]
        if isinstance(value, dict) and isinstance(left, dict):
            below = wanted.get(key, {})
            if isinstance(below, dict):
                _graft(below, left, value)
                if below:
                    wanted[key] = below
        elif isinstance(value, list) and isinstance(left, list) and not same(left, value):
            wanted[key] = _grafted(key, wanted.get(key), left, value)


def _grafted(field: str, wanted: Any, kept: list[Any], have: list[Any]) -> Any:
    """The same for a list: its items are matched where a merge key tells them apart."""
    ours = match(field, have, kept)
    theirs = match(field, have, wanted) if isinstance(wanted, list) else None
    if ours is None or theirs is None:
        return copy_tree(have)
    left = dict(zip(ours.desired, kept, strict=True))
    result = dict(zip(theirs.desired, wanted, strict=True))
    for key, item in zip(ours.live, have, strict=True):
        if key not in left:
            result[key] = copy_tree(item)
        elif key in result:
            _graft(result[key], left[key], item)
    return list(result.values())
