"""What an apply would leave, where no API server can be asked.

Owns: `merge`. Called by the engine and by `objects` where a server's dry run can't be had; where it can, its answer is
used instead. Three-way: what is desired, what is live, and what the last apply had said, which is read from the live
object's managedFields (server-side apply) or from its last-applied annotation (client-side apply).

What only a server knows is guessed as kindly as possible: what is live and not taken away stays, so that defaults are
no differences. A field that was taken out of Git and has a default is predicted to be absent.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import msgspec

from fleetui.diff.claims import Claim, applied_claim, managed_claim
from fleetui.diff.fields import entries_of, managed_fields_of
from fleetui.diff.lists import Key, match
from fleetui.diff.normalize import LAST_APPLIED, normalize
from fleetui.diff.schema import is_atomic_map, is_built_in, is_merged_by_key, is_merged_set, is_omitted
from fleetui.diff.structure import copy_tree, same
from fleetui.model.errors import FleetError
from fleetui.model.objects import Obj, ref_of

_ABSENT = object()
_SEARCHED = 200
"""Items of longer lists are looked for at their own place alone: the search is quadratic."""


def merge(desired: Mapping[str, Any], live: Mapping[str, Any] | None, *, manager: str = "argocd-controller") -> Obj:
    """The object as it would be after `desired` were applied over `live`.

    Server-side apply's rules where `manager` has applied the object before; else client-side apply's by the
    last-applied annotation; else whatever `manager` owns and does not desire any more is taken away.

    Args:
        desired: the manifest.
        live: the object as the server gives it, with its managedFields; None where there is none.
        manager: the field manager under which the apply would be made.

    Returns:
        A new object; compare it with `live`, both normalised.

    Raises:
        FleetError: the objects are nested too deeply.
    """
    try:
        wanted = normalize(desired)
        if live is None:
            return dict(copy_tree(wanted))
        merger = _Merger(wanted, client_side=_client_side(live, manager))
        claim = applied_claim(_last_applied(live)) if merger.client_side else managed_claim(live, manager)
        result: Obj = copy_tree(merger.maps(wanted, dict(live), claim, ""))
    except RecursionError as error:
        raise FleetError(f"{ref_of(desired)} is nested too deeply to be compared") from error
    return result


def _client_side(live: Mapping[str, Any], manager: str) -> bool:
    entries = entries_of(managed_fields_of(live))
    applied = any(entry.manager == manager and entry.operation == "Apply" for entry in entries)
    return not applied and _last_applied(live) is not None


def _last_applied(live: Mapping[str, Any]) -> Obj | None:
    metadata = live.get("metadata")
    annotations = metadata.get("annotations") if isinstance(metadata, Mapping) else None
    text = annotations.get(LAST_APPLIED) if isinstance(annotations, Mapping) else None
    try:
        applied = msgspec.json.decode(text) if isinstance(text, str) else None
    except msgspec.DecodeError:
        return None
    return normalize(applied) if isinstance(applied, dict) else None


class _Merger:
    """The merge of one object; the methods take the desired and the live value of one field, which both exist."""

    def __init__(self, desired: Obj, *, client_side: bool) -> None:
        self.client_side = client_side
        self._kind = str(desired.get("kind", ""))
        self._built_in = is_built_in(desired)

    def maps(self, desired: Obj, live: Obj, claim: Claim | None, field: str) -> Obj:
        """Field by field; live ones stay unless the last apply had set them."""
        if not self.client_side and is_atomic_map(field, self._kind):
            return {key: value for key, value in desired.items() if value is not None}
        result = dict(live)
        for key, value in desired.items():
            if value is None:
                continue
            have = live.get(key, _ABSENT)
            if have is not _ABSENT and have is not None:
                result[key] = self._values(value, have, claim.field(key) if claim else None, key)
            elif not (self._built_in and is_omitted(key, value)):
                result[key] = _without_nulls(value)
        if claim is not None:
            for key, have in live.items():
                if desired.get(key) is None and (mine := claim.field(key)) is not None:
                    _replace(result, key, mine.without(have))
        return result

    def _values(self, desired: Any, live: Any, claim: Claim | None, field: str) -> Any:
        if isinstance(desired, dict) and isinstance(live, dict):
            return self.maps(desired, live, claim, field)
        if isinstance(desired, list) and isinstance(live, list):
            return self._lists(desired, live, claim, field)
        return desired

    def _lists(self, desired: list[Any], live: list[Any], claim: Claim | None, field: str) -> list[Any]:
        if is_merged_set(field, self._kind):
            return _merged_set(desired, live, claim)
        keyed = is_merged_by_key(field, self._kind) and (self._built_in or field == "ownerReferences")
        matched = match(field, live, desired) if keyed else None
        if matched is None:
            return self._replaced(desired, live, claim)
        wanted = dict(zip(matched.desired, desired, strict=True))
        merged: dict[Key, Any] = {}
        for position, (key, have) in enumerate(zip(matched.live, live, strict=True)):
            mine = claim.item(have, position, matched.fields) if claim else None
            if key in wanted:
                merged[key] = self._values(wanted[key], have, mine, "")
            else:
                left = mine.without(have) if mine is not None else have
                if left is not None:
                    merged[key] = left
        for key in matched.desired:
            if key not in merged:
                merged[key] = _without_nulls(wanted[key])
        return [merged[key] for key in merged_order(matched.live, matched.desired) if key in merged]

    def _replaced(self, desired: list[Any], live: list[Any], claim: Claim | None) -> list[Any]:
        """A list that an apply replaces as a whole. Each item that is what Git says it is, but for what the server has
        added to it, is taken from the live list with what was added."""
        free = set(range(len(live)))
        result = []
        for index, want in enumerate(desired):
            found = self._partner(want, live, index, free)
            if found is None:
                result.append(_without_nulls(want))
                continue
            free.remove(found)
            mine = claim.item(live[found], found, ()) if claim else None
            result.append(self._values(want, live[found], mine, ""))
        return result

    def _partner(self, want: Any, live: list[Any], index: int, free: set[int]) -> int | None:
        """Where in `live` the item is that is `want` with additions: nearly always at the same place."""
        if index in free and self._covers(live[index], want):
            return index
        if len(live) > _SEARCHED:
            return None
        return next((position for position in sorted(free) if self._covers(live[position], want)), None)

    def _covers(self, live: Any, desired: Any) -> bool:
        """Whether `live` is `desired` with nothing but additions."""
        if isinstance(desired, dict) and isinstance(live, dict):
            return all(
                self._covers(live[key], value) if live.get(key) is not None else self._may_be_left_out(key, value)
                for key, value in desired.items()
            )
        if isinstance(desired, list) and isinstance(live, list):
            return len(desired) == len(live) and all(map(self._covers, live, desired))
        return same(live, desired)

    def _may_be_left_out(self, key: str, value: Any) -> bool:
        return value is None or (self._built_in and is_omitted(key, value))


def _merged_set(desired: list[Any], live: list[Any], claim: Claim | None) -> list[Any]:
    stays = [
        item
        for position, item in enumerate(live)
        if item in desired
        or claim is None
        or (mine := claim.item(item, position, ())) is None
        or mine.without(item) is not None
    ]
    return stays + [item for item in desired if item not in stays]


def _replace(result: Obj, key: str, value: Any) -> None:
    if value is None:
        result.pop(key, None)
    else:
        result[key] = value


def _without_nulls(value: Any) -> Any:
    """An API server leaves out of a manifest what is null."""
    if isinstance(value, dict):
        return {key: _without_nulls(item) for key, item in value.items() if item is not None}
    return [_without_nulls(item) for item in value] if isinstance(value, list) else value


def merged_order(live: list[Key], desired: list[Key]) -> list[Key]:
    """The order that server-side apply gives the items of a list: that of `desired`, and in it those that only the live
    list has, where they stood (structured-merge-diff v6, typed/merge.go, `visitListItems`)."""
    shared = iter([key for key in desired if key in set(live)])
    here, there = set(live), set(desired)
    awaited = next(shared, None)
    order: list[Key] = []
    done: set[Key] = set()
    at = to = 0
    while at < len(live) or to < len(desired):
        if at < len(live) and to < len(desired):
            if live[at] == desired[to]:
                order.append(live[at])
                done.add(live[at])
                at, to, awaited = at + 1, to + 1, next(shared, None)
                continue
            if live[at] in there and awaited is not None and awaited != live[at]:
                at += 1
                continue
        if at < len(live):
            if live[at] not in there:
                order.append(live[at])
                at += 1
                continue
            if live[at] in done:
                at += 1
        if to < len(desired):
            order.append(desired[to])
            done.add(desired[to])
            if awaited is not None and awaited == desired[to]:
                awaited = next(shared, None)
            to += 1
    assert here | there == set(order)
    return order
