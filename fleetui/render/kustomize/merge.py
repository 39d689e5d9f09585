"""Strategic merge patches.

Owns: `merge`. A line by line reading of kyaml 0.21.2 (yaml/merge2, yaml/walk), which also decides what a patch does to
lists: those of built-in kinds merge by the keys of Kubernetes' OpenAPI document, those of other kinds are replaced.
Called by `patches`.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from fleetui.render.kustomize.errors import Problem, UnsupportedProblem
from fleetui.render.kustomize.tables import Type, tables
from fleetui.render.kustomize.values import Untyped, is_null, is_scalar, new_key, plain, retyped, settled, text_of

_DIRECTIVE = "$patch"


class _Absent:
    """Nothing there, as against a null."""


class _Kept:
    """A null that stays, as against one that clears its field."""


ABSENT = _Absent()
_KEPT = _Kept()


def merge(patch: dict[str, Any], target: dict[str, Any]) -> dict[str, Any] | None:
    """`target` with `patch` merged into it, both used up; None where the patch deletes the object.

    Raises:
        Problem: the patch does not fit the object.
    """
    merged = _walk(target, patch, None, "")
    # What replaces the whole object is not taken over: of its root only the deletion counts.
    return target if isinstance(merged, dict) else None


def _missing(value: Any) -> bool:
    return value is ABSENT or is_null(value)


def _walk(target: Any, patch: Any, schema: Type | None, where: str) -> Any:
    present = patch if _missing(target) else target
    if schema is None:
        schema = _schema_of(target) or _schema_of(patch)
    if _missing(present) or isinstance(present, dict):
        _demand(dict, target, patch, where)
        return _walk_mapping(target, patch, schema, where)
    if isinstance(present, list):
        _demand(list, target, patch, where)
        if schema is not None and schema.keys is not None:
            return _walk_list(target, patch, schema, where)
        return target if patch is ABSENT else patch
    _demand(None, target, patch, where)
    if patch is ABSENT:
        return settled(target)
    return patch if _missing(target) or is_null(patch) else retyped(target, patch)


def _demand(kind: type | None, target: Any, patch: Any, where: str) -> None:
    for value in (target, patch):
        if not _missing(value) and (not is_scalar(value) if kind is None else not isinstance(value, kind)):
            raise Problem(f"the patch has another type than the object at {where.removeprefix('.') or 'its root'}")


def _schema_of(value: Any) -> Type | None:
    if not isinstance(value, dict):
        return None
    root = tables().roots.get(f"{text_of(value.get('apiVersion'))}|{text_of(value.get('kind'))}")
    return None if root is None else tables().types[root]


_NOTHING_BELOW = Type()


def _field(schema: Type | None, name: str) -> Type | None:
    if schema is None:
        return None
    number = schema.fields.get(name, schema.values)
    return _NOTHING_BELOW if number is None else tables().types[number]


def _items(schema: Type) -> Type:
    return _NOTHING_BELOW if schema.items is None else tables().types[schema.items]


# --- mappings -------------------------------------------------------------------------------------------------


def _walk_mapping(target: Any, patch: Any, schema: Type | None, where: str) -> Any:
    target = _visit_mapping(target, patch)
    if target is ABSENT or target is _KEPT or is_null(target):
        return target
    names = dict.fromkeys(target)
    if isinstance(patch, dict):
        names |= dict.fromkeys(patch)
    for name in sorted(names):
        mine = target.get(name, ABSENT)
        theirs = patch.get(name, ABSENT) if isinstance(patch, dict) else ABSENT
        value = _walk(mine, theirs, _field(schema, name), f"{where}.{name}")
        if value is _KEPT:
            target[name] = None
        elif _missing(value):
            target.pop(name, None)
        else:
            target[name if name in target else new_key(name)] = value
    return target


def _visit_mapping(target: Any, patch: Any) -> Any:
    if _missing(target):
        if isinstance(patch, dict) and _mapping_directive(patch, quiet=True) == "delete":
            return ABSENT
        if patch is ABSENT and target is None:
            return _KEPT
        return patch
    if is_null(patch):
        return ABSENT
    directive = "merge" if patch is ABSENT else _mapping_directive(patch)
    return {"delete": ABSENT, "replace": patch}.get(directive, target)


def _mapping_directive(patch: dict[str, Any], *, quiet: bool = False) -> str:
    """Takes the directive out of the patch; `quiet` lets one be that is not known."""
    if _DIRECTIVE not in patch or is_null(patch[_DIRECTIVE]):
        if _DIRECTIVE in patch:
            raise UnsupportedProblem("an empty $patch directive")
        return "merge"
    directive = text_of(patch[_DIRECTIVE])
    if directive not in ("delete", "replace", "merge"):
        if quiet:
            raise UnsupportedProblem(f"the $patch directive {directive!r}")
        raise Problem(f"unknown $patch directive {directive!r}; use delete, replace or merge")
    del patch[_DIRECTIVE]
    return directive


# --- lists ----------------------------------------------------------------------------------------------------


def _walk_list(target: Any, patch: Any, schema: Type, where: str) -> Any:
    target = _visit_list(target, patch)
    if _missing(target):
        return ABSENT if target is ABSENT else target
    keys = schema.keys or ()
    sources = [patch, target]
    if keys:
        return _merge_items(target, patch, _values(sources, keys), keys, schema, where)
    scalars = dict.fromkeys(text_of(item) for source in sources if isinstance(source, list) for item in source)
    return _merge_items(target, patch, [(text,) for text in scalars], ("",), schema, where)


def _visit_list(target: Any, patch: Any) -> Any:
    if _missing(target):
        return patch
    if is_null(patch):
        return ABSENT
    directive = "merge" if patch is ABSENT else _list_directive(patch)
    return {"delete": ABSENT, "replace": patch}.get(directive, target)


def _list_directive(patch: list[Any]) -> str:
    element = next((item for item in patch if isinstance(item, dict) and _DIRECTIVE in item), None)
    if element is None or len(element) > 1:
        return "merge"
    directive = text_of(element[_DIRECTIVE])
    if directive not in ("delete", "replace", "merge"):
        raise Problem(f"unknown $patch directive {directive!r}; use delete, replace or merge")
    patch[:] = _with_element(patch, (_DIRECTIVE,), (directive,), ABSENT)
    return directive


def _values(sources: Sequence[Any], keys: Sequence[str]) -> list[tuple[str, ...]]:
    """The values of the merge keys, of each item once; empty where an item lacks one."""
    seen: dict[tuple[str, ...], None] = {}
    for source in sources:
        for item in source if isinstance(source, list) else ():
            found = item if isinstance(item, dict) else {}
            seen[tuple("" if _blank(found.get(key)) else text_of(found[key]) for key in keys)] = None
    return list(seen)


def _blank(value: Any) -> bool:
    return is_null(value) or value == {} or value == []


def _merge_items(
    target: list[Any],
    patch: Any,
    values: list[tuple[str, ...]],
    keys: Sequence[str],
    schema: Type,
    where: str,
) -> Any:
    """`setAssociativeSequenceElements`: items of the patch first, then those that only the object has."""
    if len(keys) > 1:
        values = _completed(values)
    items = _items(schema)
    merged: list[Any] = []
    valid_keys: Sequence[str] = ()
    for each in values:
        if not any(each):
            raise UnsupportedProblem("a list item without its merge key")
        valid_keys, valid_values = _valid(values, each, keys)
        own_keys, own_values = _valid([valid_values], valid_values, valid_keys)
        mine = _item(target, own_keys, own_values)
        theirs = _item(patch, own_keys, own_values) if isinstance(patch, list) else ABSENT
        value = _walk(mine, theirs, items, f"{where}[{','.join(each)}]")
        if value is _KEPT:
            raise UnsupportedProblem("a null in a list")
        if _missing(value) or value == {}:
            target[:] = _with_element(target, valid_keys, valid_values, ABSENT)
            continue
        if isinstance(value, dict):
            for key, text in zip(valid_keys, valid_values, strict=False):
                if key not in value and text:
                    value[key] = _read(text)
        merged = _with_element(merged, valid_keys, valid_values, value)
    if values:
        target = _appended(merged, target, valid_keys)
    return target


def _read(text: str) -> Any:
    """A value that is written without a type."""
    value = plain(text)
    return Untyped(value) if isinstance(value, str) else value


def _completed(values: list[tuple[str, ...]]) -> list[tuple[str, ...]]:
    """`mergeValues`: an item that lacks a key is the one that agrees in the others."""
    values = list(values)
    for i, first in enumerate(values):
        for j, second in enumerate(values):
            if (common := _common(first, second)) is not None:
                values[i] = values[j] = common
    return values


def _common(first: tuple[str, ...], second: tuple[str, ...]) -> tuple[str, ...] | None:
    if len(first) != len(second):
        return None
    if any(a and b and a != b for a, b in zip(first, second, strict=True)):
        return None
    if not any(a == b for a, b in zip(first, second, strict=True)):
        return None
    return tuple(a or b for a, b in zip(first, second, strict=True))


def _valid(
    all_values: Sequence[Sequence[str]], values: Sequence[str], keys: Sequence[str]
) -> tuple[list[str], list[str]]:
    """`validateKeys`: the keys that any item has, and this item's values of them."""
    used = {keys[i] for each in all_values for i, value in enumerate(each) if value}
    if not used:
        return list(keys), list(values)
    return (
        [key for key in keys if key in used],
        [value for i, value in enumerate(values) if value or keys[i] in used],
    )


def _item(items: list[Any], keys: Sequence[str], values: Sequence[str]) -> Any:
    """`ElementMatcher`: the first item with these values."""
    if not keys[0]:
        return next((item for item in items if text_of(item) == values[0]), ABSENT)
    if len(keys) != len(values):
        raise UnsupportedProblem("a list whose merge keys don't agree")
    return next(
        (item for item in items if isinstance(item, dict) and all(map(_matches, [item] * len(keys), keys, values))),
        ABSENT,
    )


def _matches(item: dict[str, Any], key: str, value: str) -> bool:
    # Without a value, having the field is enough.
    return key in item and (not value or text_of(item[key]) == value)


def _with_element(items: list[Any], keys: Sequence[str], values: Sequence[str], element: Any) -> list[Any]:
    """`ElementSetter`: the items with `element` in place of those that match, or at the end; ABSENT removes."""
    scalars = not keys[0]
    found = False
    kept: list[Any] = []
    for item in items:
        if is_null(item) or item == {}:
            continue
        if not isinstance(item, dict) and not scalars and values and values[0]:
            kept.append(item)
            continue
        if not _element_matches(item, keys, values, scalars):
            if values:
                kept.append(item)
            continue
        found = True
        if element is not ABSENT:
            kept.append(element)
    if element is not ABSENT and not is_null(element) and not found:
        kept.append(element)
    return kept


def _element_matches(item: Any, keys: Sequence[str], values: Sequence[str], scalars: bool) -> bool:
    if scalars:
        if not is_scalar(item):
            raise Problem("a list of texts holds a mapping")
        return not values or text_of(item) == values[0]
    if not isinstance(item, dict):
        raise Problem("a list of mappings holds a text")
    # A key without a value counts as its predecessor did, which has one (kyaml's loop keeps what it found last).
    return bool(values) and all(_matches(item, key, value) for key, value in zip(keys, values, strict=False))


def _appended(merged: list[Any], target: list[Any], keys: Sequence[str]) -> list[Any]:
    """`appendListNode`: what the object has goes behind what is merged already, each item once."""
    for item in list(target):
        if not keys[0]:
            merged = _with_element(merged, ("",), (text_of(item),), item)
            continue
        if not isinstance(item, dict):
            raise Problem("a list of mappings holds a text")
        values: list[str] = []
        for key in keys:
            if key in item:
                values.append(text_of(item[key]))
            else:
                merged = [*merged, item]
        if len(keys) > 1:
            merged = _with_element(merged, keys, values, ABSENT)
        merged = _with_element(merged, keys, values, item)
    return merged
