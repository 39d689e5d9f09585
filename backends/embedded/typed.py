"""Walks over typed values: compare, merge, remove, name the fields of, and validate.

Owns: structured-merge-diff's five walks (v6 typed/compare.go, merge.go, remove.go, tofieldset.go, validate.go). Pure
functions; values that come out may share parts with those that went in, and are not to be changed in place.
"""

from __future__ import annotations

from typing import Any

from backends.embedded.fieldsets import Fields, path_text
from backends.embedded.schemas import ABSENT, Type

_ANY = Type("any", {})


class Comparison:
    """What differs between two values: fields added, removed and modified."""

    __slots__ = ("added", "modified", "removed")

    def __init__(self) -> None:
        self.added: Fields = {}
        self.removed: Fields = {}
        self.modified: Fields = {}


def shape(type_: Type | None, value: Any) -> str:
    """How a value is walked: map, list or leaf. What is atomic is a leaf, and so is what does not fit its type."""
    if type_ is None or type_.atomic:
        return "leaf"
    if isinstance(value, dict):
        return "map" if type_.kind in ("map", "any") else "leaf"
    if isinstance(value, list):
        return "list" if type_.kind == "list" else "leaf"
    return "leaf"


def compare(type_: Type, left: dict[str, Any], right: dict[str, Any]) -> Comparison:
    """What has to change to make `left` into `right`."""
    found = Comparison()
    _compare_maps(type_, left, right, out=found)
    return found


def _compare_maps(type_: Type, left: dict[str, Any], right: dict[str, Any], *, out: Comparison) -> None:
    for key, value in right.items():
        before = left.get(key, ABSENT)
        if before is not value:
            _compare(_field(type_, key), before, value, key=f"f:{key}", out=out)
    for key, value in left.items():
        if key not in right:
            _compare(_field(type_, key), value, ABSENT, key=f"f:{key}", out=out)


def _compare(type_: Type | None, left: Any, right: Any, *, key: str, out: Comparison) -> None:
    if left is ABSENT:
        out.added[key] = _everything(type_, right)
    elif right is ABSENT:
        out.removed[key] = _everything(type_, left)
    elif left != right or type(left) is not type(right):
        sub = Comparison()
        if not _compare_inside(type_, left, right, out=sub):
            out.modified[key] = {}
            return
        for target, found in ((out.added, sub.added), (out.removed, sub.removed), (out.modified, sub.modified)):
            if found:
                target[key] = found


def _compare_inside(type_: Type | None, left: Any, right: Any, *, out: Comparison) -> bool:
    """Compares what both hold; False where the two are leaves."""
    form = shape(type_, right if left is None else left)
    if form == "leaf" or type_ is None or not (left or right):
        return False
    if left is not None and right is not None and type(left) is not type(right):
        return False
    if form == "map":
        _compare_maps(type_, left or {}, right or {}, out=out)
    else:
        _compare_lists(type_, left or [], right or [], out=out)
    return True


def _compare_lists(type_: Type, left: list[Any], right: list[Any], *, out: Comparison) -> None:
    before, after = index(type_, left), index(type_, right)
    for key in before | after:
        olds, news = before.get(key, ()), after.get(key, ())
        if len(olds) <= 1 and len(news) <= 1:
            old, new = (olds[0] if olds else ABSENT), (news[0] if news else ABSENT)
            _compare(type_.element, old, new, key=key, out=out)
        elif len(olds) >= 2 and len(news) >= 2:
            if olds != news:
                out.modified[key] = {}
        elif len(olds) >= 2:
            out.removed[key] = {}
        else:
            out.added[key] = {}


def index(type_: Type, items: list[Any]) -> dict[str, list[Any]]:
    """The items of an associative list by path element; more than one for duplicates."""
    found: dict[str, list[Any]] = {}
    for item in items:
        try:
            found.setdefault(type_.path_element(item), []).append(item)
        except ValueError:
            continue
    return found


def _everything(type_: Type | None, value: Any) -> Fields:
    """The node of a value that is there on one side alone: every path in it, inner ones too."""
    form = shape(type_, value)
    if form == "leaf" or not value or type_ is None:
        return {}
    node: Fields = {".": {}}
    if form == "map":
        for key, child in value.items():
            node[f"f:{key}"] = _everything(_field(type_, key), child)
    else:
        for key, items in index(type_, value).items():
            node[key] = _everything(type_.element, items[0]) if len(items) == 1 else {}
    return node


def _field(type_: Type, key: str) -> Type | None:
    return type_.field(key) if type_.kind == "map" else _ANY


def field_set(type_: Type, value: dict[str, Any]) -> Fields:
    """The fields that an applied configuration names (ToFieldSet): leaves, items, and keys of maps."""
    out: Fields = {}
    for key, child in value.items():
        node = _fields_of(_field(type_, key), child)
        if child is None or child == {} or not (type_.kind == "map" and type_.declares(key)):
            node = {".": {}} | node if node else {}
        elif node is _NOTHING:
            continue
        out[f"f:{key}"] = node
    return out


_NOTHING: Fields = {}


def _fields_of(type_: Type | None, value: Any) -> Fields:
    form = shape(type_, value)
    if form == "leaf" or type_ is None:
        return {}
    if form == "map":
        return field_set(type_, value) or _NOTHING
    out: Fields = {}
    for key, items in index(type_, value).items():
        node = _fields_of(type_.element, items[0]) if len(items) == 1 else {}
        out[key] = {".": {}} | node if node else {}
    return out or _NOTHING


def merge(type_: Type | None, left: Any, right: Any) -> Any:
    """`left` with what `right` says put over it; either may be `ABSENT`. ABSENT comes out where nothing is left."""
    if right is ABSENT:
        return left
    form = shape(type_, right if left is ABSENT or left is None else left)
    if left is ABSENT or type_ is None or form == "leaf" or not (left or right) or not _alike(left, right):
        return right
    if form == "map":
        left, right = left or {}, right or {}
        return {
            key: merge(_field(type_, key), left.get(key, ABSENT), right.get(key, ABSENT)) for key in {**left, **right}
        }
    return _merge_lists(type_, left or [], right or [])


def _alike(left: Any, right: Any) -> bool:
    return left is None or right is None or type(left) is type(right)


def _merge_lists(type_: Type, left: list[Any], right: list[Any]) -> list[Any]:
    """The items of both: shared ones in the order of `right`, the others where they stood (visitListItems)."""
    l_keys, r_keys = [type_.path_element(item) for item in left], [type_.path_element(item) for item in right]
    l_items, r_items = _unique(l_keys, left), dict(zip(r_keys, right, strict=True))
    shared = [key for key in r_keys if key in l_items]
    merged: set[str] = set()
    out: list[Any] = []
    li = ri = si = 0
    while li < len(left) or ri < len(right):
        if li < len(left) and ri < len(right):
            key = l_keys[li]
            if key == r_keys[ri]:
                merged.add(key)
                out.append(merge(type_.element, l_items[key], r_items[key]))
                li, ri, si = li + 1, ri + 1, si + 1
                continue
            if key in r_items and si < len(shared) and shared[si] != key:
                li += 1
                continue
        if li < len(left):
            key = l_keys[li]
            if key not in r_items:
                out.append(left[li])
                li += 1
                continue
            if key in merged:
                li += 1
        if ri < len(right):
            key = r_keys[ri]
            merged.add(key)
            out.append(merge(type_.element, l_items.get(key, ABSENT), r_items[key]))
            ri += 1
            if si < len(shared) and shared[si] == key:
                si += 1
    return out


def _unique(keys: list[str], items: list[Any]) -> dict[str, Any]:
    # A duplicated item is not merged with what replaces it.
    found: dict[str, Any] = {}
    for key, item in zip(keys, items, strict=True):
        found[key] = ABSENT if key in found else item
    return found


def remove(type_: Type | None, value: Any, fields: Fields) -> Any:
    """`value` without the fields of a set; ABSENT where nothing remains of a map or list (RemoveItems)."""
    form = shape(type_, value)
    if type_ is None or not isinstance(value, (dict, list)):
        return value
    if form == "leaf" or not value:
        return ABSENT
    if isinstance(value, dict):
        kept = {key: _remove_one(_field(type_, key), f"f:{key}", item=child, fields=fields)
                for key, child in value.items()}  # fmt: skip
        return {key: child for key, child in kept.items() if child is not _GONE} or ABSENT
    items = [_remove_one(type_.element, _key_or_blank(type_, item), item=item, fields=fields) for item in value]
    return [item for item in items if item is not _GONE] or ABSENT


_GONE: Any = object()


def _remove_one(type_: Type | None, key: str, *, item: Any, fields: Fields) -> Any:
    node = fields.get(key)
    if node is None:
        return item
    if not node or "." in node:
        return _GONE
    left = remove(type_, item, node)
    return None if left is ABSENT else left


def _key_or_blank(type_: Type, item: Any) -> str:
    try:
        return type_.path_element(item)
    except ValueError:
        return ""


def with_named_fields(type_: Type | None, fields: Fields) -> Fields:
    """The set with every declared field on the way to a member made a member (EnsureNamedFieldsAreMembers)."""
    out: Fields = {}
    for key, node in fields.items():
        if key == ".":
            continue
        named = type_ is not None and type_.kind == "map" and key.startswith("f:") and type_.declares(key[2:])
        children = with_named_fields(_below(type_, key), node)
        member = named or not node or "." in node
        out[key] = ({".": {}} | children if children else {}) if member else children
    return out


def _below(type_: Type | None, key: str) -> Type | None:
    if type_ is None:
        return None
    if key.startswith("f:"):
        return _field(type_, key[2:]) if type_.kind in ("map", "any") else None
    return type_.element if type_.kind == "list" else None


def validate(type_: Type | None, value: Any, path: str = "") -> list[str]:
    """What is wrong with a value of that type: unknown fields, wrong forms, duplicate items."""
    if value is None:
        return []
    if type_ is None:
        return [f"{path}: field not declared in schema"]
    if type_.kind == "any":
        return []
    if type_.kind == "scalar":
        return _validate_scalar(type_, value, path)
    if type_.kind == "map":
        if not isinstance(value, dict):
            return [f"{path}: expected map, got &{{{value}}}"]
        return [fault for key, child in value.items() for fault in validate(type_.field(key), child, f"{path}.{key}")]
    if not isinstance(value, list):
        return [f"{path}: expected list, got &{{{value}}}"]
    return _validate_list(type_, value, path)


def _validate_list(type_: Type, items: list[Any], path: str) -> list[str]:
    faults: list[str] = []
    seen: set[str] = set()
    for position, item in enumerate(items):
        where = f"{path}[{position}]"
        if not type_.atomic:
            try:
                key = type_.path_element(item)
            except ValueError as error:
                faults.append(f"{path}: element {position}: {error}")
                continue
            where = path + path_text((key,))
            if key in seen:
                faults.append(f"{path}: duplicate entries for key {path_text((key,))}")
                continue
            seen.add(key)
        faults += validate(type_.element, item, where)
    return faults


def _validate_scalar(type_: Type, value: Any, path: str) -> list[str]:
    match type_.scalar:
        case "integer" | "number":
            fits = isinstance(value, (int, float)) and not isinstance(value, bool)
            return [] if fits else [f"{path}: expected numeric (int or float), got {_go_type(value)}"]
        case "boolean":
            return [] if isinstance(value, bool) else [f"{path}: expected boolean, got {_go_value(value)}"]
        case "string" if not type_.schema.get("format") or type_.schema.get("format") == "byte":
            return [] if isinstance(value, str) else [f"{path}: expected string, got {_go_value(value)}"]
    if isinstance(value, (dict, list)):
        return [f"{path}: expected scalar, got {_go_value(value)}"]
    return []


def _go_type(value: Any) -> str:
    names = {bool: "boolean", str: "string", dict: "map", list: "list"}
    return names.get(type(value), "unknown")


def _go_value(value: Any) -> str:
    return f"&value.valueUnstructured{{Value:{value!r}}}"
