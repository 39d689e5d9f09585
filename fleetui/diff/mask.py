"""A Secret's values, made unreadable without making equal values look different.

Owns: `mask`. Rule: argo-cd v3.6.1, gitops-engine/pkg/diff/diff.go (`HideSecretData`). Called on everything of a Secret
before it leaves the engine: diffs, manifests, audit records. Where that rule would let a value through (a `data` that
is no map), this one does not.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping
from typing import Any

import msgspec

from fleetui.diff.normalize import LAST_APPLIED, secret_data
from fleetui.diff.structure import copy_tree
from fleetui.model.objects import Obj, from_json

HIDDEN = "++++++++"
_STEP = "++++"


def is_secret(obj: Mapping[str, Any] | None) -> bool:
    """Whether a decoded object is a Secret of the core group."""
    return obj is not None and obj.get("kind") == "Secret" and "/" not in str(obj.get("apiVersion", ""))


def mask(
    desired: Mapping[str, Any] | None, live: Mapping[str, Any] | None, *, annotations: Collection[str] = ()
) -> tuple[Obj | None, Obj | None]:
    """The two sides of one Secret with runs of ``+`` for its values; other objects as they are.

    For each key, equal values get runs of equal length: ``++++++++`` the first, four more each further one. So a change
    is still seen, and nothing about the values themselves. The last-applied annotation of both sides is treated
    alike; one that can't be read is hidden as a whole.

    Args:
        desired: what should be, or what an apply would leave; None where there is none.
        live: what is; None where there is none.
        annotations: further annotations to hide (argo-cd's ``resource.sensitive.mask.annotations``).

    Returns:
        Copies of `desired` and `live`, `stringData` encoded into `data`.
    """
    if not is_secret(desired) and not is_secret(live):
        return (None if desired is None else dict(desired)), (None if live is None else dict(live))
    sides = [None if side is None else secret_data(copy_tree(dict(side))) for side in (desired, live)]
    applied = [_last_applied(side) for side in sides]
    objects = [obj for obj in (*sides, *applied) if obj is not None]
    for field in ("data", "stringData"):
        _hide_values(objects, field)
    _hide_keys([_annotations(obj) for obj in objects], set(annotations) - {LAST_APPLIED})
    for side, inner in zip(sides, applied, strict=True):
        if side is not None and LAST_APPLIED in _annotations(side):
            hidden = inner is None or LAST_APPLIED in annotations
            _annotations(side)[LAST_APPLIED] = HIDDEN if hidden else msgspec.json.encode(inner).decode()
    return sides[0], sides[1]


def _last_applied(obj: Obj | None) -> Obj | None:
    """What the annotation holds; None where there is none, or none that can be read."""
    text = _annotations(obj).get(LAST_APPLIED) if obj is not None else None
    if not isinstance(text, str):
        return None
    try:
        inner = from_json(text)
    except ValueError:
        return None
    if not isinstance(inner, dict):
        return None
    _annotations(inner).pop(LAST_APPLIED, None)  # kubectl leaves it out; whoever did not may have left values there
    return secret_data(inner)


def _annotations(obj: Obj) -> Obj:
    metadata = obj.get("metadata")
    annotations = metadata.get("annotations") if isinstance(metadata, dict) else None
    return annotations if isinstance(annotations, dict) else {}


def _hide_values(objects: list[Obj], field: str) -> None:
    """Hides the values of the map at `field` key by key; what is there and no map is hidden as one value."""
    odd = [obj for obj in objects if obj.get(field) is not None and not isinstance(obj[field], dict)]
    _hide_keys(odd, {field})
    maps = [obj[field] for obj in objects if isinstance(obj.get(field), dict)]
    _hide_keys(maps, {key for values in maps for key in values})


def _hide_keys(maps: list[Obj], keys: Collection[str]) -> None:
    for key in keys:
        runs: dict[str, str] = {}
        for values in maps:
            if key in values:
                seen = repr("" if values[key] is None else values[key])
                values[key] = runs.setdefault(seen, HIDDEN + _STEP * len(runs))
