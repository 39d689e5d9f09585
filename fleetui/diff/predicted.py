"""What an apply would leave, where no API server can be asked.

Owns: `merge`. Called by the engine and by `objects` where a server's dry run can't be had; where it can, its answer is
used instead. Three-way: what is desired, what is live, and what the last apply had said, which is read from the live
object's managedFields (server-side apply) or from its last-applied annotation (client-side apply).

What only a server knows is guessed as kindly as possible: what is live and not taken away stays, so that defaults are
no differences. A field that was taken out of Git and has a default is predicted to be absent, but for the commonest
ones.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from fleetui.diff.claims import Claim, applied_claim, managed_claim
from fleetui.diff.fields import entries_of, managed_fields_of
from fleetui.diff.lists import Key, match
from fleetui.diff.normalize import LAST_APPLIED, has_no_rules, normalize
from fleetui.diff.schema import (
    is_atomic_map,
    is_built_in,
    is_default,
    is_left_to_server,
    is_merged_by_key,
    is_merged_set,
    is_omitted,
    is_replaced_map,
    is_server_added,
    with_defaults,
)
from fleetui.diff.structure import copy_tree, same
from fleetui.model.errors import FleetError
from fleetui.model.objects import Obj, from_json, ref_of

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
        if merger.client_side:
            claim = applied_claim(_last_applied(live))
            # kubectl applies an annotation of its own, so it never takes away all that there are.
            if isinstance(metadata := wanted.get("metadata"), dict):
                wanted["metadata"] = {"annotations": {}, **metadata}
        else:
            claim = managed_claim(live, manager)
        result: Obj = copy_tree(merger.maps(wanted, dict(live), claim, ""))
        if has_no_rules(desired):
            result.pop("rules", None)
    except (RecursionError, FleetError) as error:
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
        applied = from_json(text) if isinstance(text, str) else None
    except ValueError:
        return None
    return _nameless(normalize(applied)) if isinstance(applied, dict) else None


def _nameless(applied: Obj) -> Obj:
    # kubectl writes the namespace into the annotation also where the manifest leaves it to the context.
    metadata = applied.get("metadata")
    if not isinstance(metadata, dict):
        return applied
    return {**applied, "metadata": {key: metadata[key] for key in metadata if key not in {"name", "namespace"}}}


class _Merger:
    """The merge of one object; the methods take the desired and the live value of one field, which both exist."""

    def __init__(self, desired: Obj, *, client_side: bool) -> None:
        self.client_side = client_side
        self._kind = str(desired.get("kind", ""))
        self._built_in = is_built_in(desired)

    def maps(self, desired: Obj, live: Obj, claim: Claim | None, field: str) -> Obj:
        """Field by field; live ones stay unless the last apply had set them."""
        whole = self._built_in and self._is_whole(field)
        result = {key: have for key, have in live.items() if is_server_added(key)} if whole else dict(live)
        for key, value in desired.items():
            if value is not None:
                self._set(result, key, value, live.get(key), claim.field(key) if claim else None)
        if claim is not None and not whole:
            for key, have in live.items():
                if (
                    desired.get(key) is None
                    and (mine := claim.field(key)) is not None
                    and not self._comes_back(key, have)
                ):
                    _put(result, key, mine.without(have))
        return result

    def _is_whole(self, field: str) -> bool:
        return is_replaced_map(field, self._kind) if self.client_side else is_atomic_map(field)

    def _comes_back(self, key: str, live: Any) -> bool:
        return self._built_in and is_default(key, live, self._kind)

    def _set(self, result: Obj, key: str, desired: Any, live: Any, claim: Claim | None) -> None:
        if (live == desired and not live) or (self._built_in and is_left_to_server(key, desired)):
            return
        value = self._fresh(desired) if live is None else self._values(desired, live, claim, key)
        emptied = value == {} and bool(live) and not is_atomic_map(key)
        _put(result, key, None if emptied else self._kept(key, value, live))

    def _fresh(self, value: Any) -> Any:
        """What a server makes of a value that is new to it: without nulls, and with the usual defaults."""
        if isinstance(value, dict):
            pairs = {key: self._kept(key, self._fresh(item)) for key, item in value.items() if item is not None}
            return {key: item for key, item in pairs.items() if item is not None}
        return [self._fresh(item) for item in value] if isinstance(value, list) else value

    def _kept(self, key: str, value: Any, live: Any = None) -> Any:
        """What a server keeps of a field's value; None where that is nothing."""
        if not self._built_in:
            return value
        if isinstance(value, list):
            value = [self._with_defaults(key, item, live) for item in value]
        return None if is_omitted(key, value, self._kind) else value

    def _with_defaults(self, field: str, item: Any, live: Any) -> Any:
        """`item` of the list at `field` with its defaults, unless it is in `live` without them."""
        whole = with_defaults(field, item, self._kind)
        return item if whole is not item and isinstance(live, list) and item in live else whole

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
                merged[key] = self._fresh(wanted[key])
        return [merged[key] for key in merged_order(matched.live, matched.desired) if key in merged]

    def _replaced(self, desired: list[Any], live: list[Any], claim: Claim | None) -> list[Any]:
        """A list that an apply replaces as a whole. Each item that is what Git says it is, but for what the server has
        added to it, is taken from the live list with what was added."""
        free = set(range(len(live)))
        result = []
        for index, want in enumerate(desired):
            found = self._partner(want, live, index, free)
            if found is None:
                result.append(self._fresh(want))
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
            return self._explains_additions(live, desired) and all(
                self._covers(live[key], value) if live.get(key) is not None else self._may_be_left_out(key, value)
                for key, value in desired.items()
            )
        if isinstance(desired, list) and isinstance(live, list):
            return len(desired) == len(live) and all(map(self._covers, live, desired))
        return same(live, desired)

    def _explains_additions(self, live: Obj, desired: Obj) -> bool:
        # Of a custom kind, the definition may have any defaults; of the built-in ones they are known.
        return not self._built_in or all(
            key in desired or value is None or is_server_added(key) for key, value in live.items()
        )

    def _may_be_left_out(self, key: str, value: Any) -> bool:
        return value is None or (self._built_in and is_omitted(key, value, self._kind))


def _merged_set(desired: list[Any], live: list[Any], claim: Claim | None) -> list[Any]:
    if not all(isinstance(value, str) for value in (*desired, *live)):
        return desired
    gone = {
        value
        for position, value in enumerate(live)
        if value not in desired and claim and (mine := claim.item(value, position, ())) and mine.without(value) is None
    }
    return [value for value in merged_order(live, desired) if value not in gone]


def _put(result: Obj, key: str, value: Any) -> None:
    if value is None:
        result.pop(key, None)
    else:
        result[key] = value


def merged_order(live: Sequence[Key], desired: Sequence[Key]) -> list[Key]:
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
