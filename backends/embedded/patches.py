"""Patches: JSON patch, merge patch, strategic merge patch.

Owns: how each changes an object. Pure functions; the object that comes in is not changed. Called by `handlers`.
Rules: RFC 6902 (evanphx/json-patch v4, which the real server uses, for its wordings), RFC 7386, apimachinery v0.37
pkg/util/strategicpatch/patch.go.
"""

from __future__ import annotations

import copy
from collections.abc import Callable, Sequence
from typing import Any

from backends.embedded.errors import ApiError, bad_request, unprocessable
from backends.embedded.schemas import Type

Obj = dict[str, Any]
MAX_OPERATIONS = 10000
_REJECTED = "the server rejected our request due to an error in our request"


def merge_patch(obj: Any, patch: Any) -> Any:
    """RFC 7386."""
    if not isinstance(patch, dict):
        return patch
    out = dict(obj) if isinstance(obj, dict) else {}
    for key, value in patch.items():
        if value is None:
            out.pop(key, None)
        else:
            out[key] = merge_patch(out.get(key), value)
    return out


# --- JSON patch


class _Unfit(Exception):  # noqa: N818 - turned into an ApiError at once
    pass


def json_patch(obj: Obj, operations: Any) -> Obj:
    """RFC 6902.

    Raises:
        ApiError: 400, no patch; 422, an operation can't be carried out or a test failed.
    """
    if not isinstance(operations, list) or not all(isinstance(entry, dict) for entry in operations):
        raise bad_request(
            "error decoding patch: json: cannot unmarshal object into Go value of type []handlers.jsonPatchOp"
        )
    if len(operations) > MAX_OPERATIONS:
        text = f"The allowed maximum operations in a JSON patch is {MAX_OPERATIONS}, got {len(operations)}"
        raise ApiError(413, "RequestEntityTooLarge", f"Request entity too large: {text}")
    out: Any = copy.deepcopy(obj)
    for entry in operations:
        run = _OPERATIONS.get(str(entry.get("op")))
        try:
            if run is None:
                raise _Unfit(f"Unexpected kind: {entry.get('op')}")
            out = run(out, entry)
        except (_Unfit, KeyError):
            # The real server keeps what went wrong to itself (NewGenericServerResponse).
            raise unprocessable(_REJECTED) from None
    result: Obj = out
    return result


def _steps(path: Any) -> list[str]:
    if not isinstance(path, str) or (path and not path.startswith("/")):
        raise _Unfit(f"bad path {path!r}")
    return [step.replace("~1", "/").replace("~0", "~") for step in path.split("/")[1:]]


def _reach(doc: Any, steps: Sequence[str]) -> Any:
    for step in steps:
        doc = _child(doc, step)
    return doc


def _child(doc: Any, step: str) -> Any:
    if isinstance(doc, dict) and step in doc:
        return doc[step]
    if isinstance(doc, list):
        return doc[_position(step, len(doc) - 1)]
    raise _Unfit(f"missing {step}")


def _position(step: str, last: int) -> int:
    try:
        position = int(step)
    except ValueError:
        raise _Unfit(f"no index: {step}") from None
    if not -last - 1 <= position <= last:
        raise _Unfit(f"index out of range: {step}")
    return position


def _add(doc: Any, entry: Obj) -> Any:
    return _put(doc, _steps(entry["path"]), copy.deepcopy(entry["value"]))


def _put(doc: Any, steps: list[str], value: Any) -> Any:
    if not steps:
        return value
    parent = _reach(doc, steps[:-1])
    if isinstance(parent, list):
        parent.insert(len(parent) if steps[-1] == "-" else _position(steps[-1], len(parent)), value)
    elif isinstance(parent, dict):
        parent[steps[-1]] = value
    else:
        raise _Unfit("no container")
    return doc


def _remove(doc: Any, entry: Obj) -> Any:
    steps = _steps(entry["path"])
    if not steps:
        raise _Unfit("nothing to remove from")
    parent = _reach(doc, steps[:-1])
    _child(parent, steps[-1])
    del parent[_position(steps[-1], len(parent) - 1) if isinstance(parent, list) else steps[-1]]
    return doc


def _replace(doc: Any, entry: Obj) -> Any:
    steps, value = _steps(entry["path"]), copy.deepcopy(entry["value"])
    if not steps:
        return value
    parent = _reach(doc, steps[:-1])
    if isinstance(parent, list):
        parent[_position(steps[-1], len(parent) - 1)] = value
    elif isinstance(parent, dict):
        parent[steps[-1]] = value  # unlike the RFC, what is missing is added (json-patch v4)
    else:
        raise _Unfit("no container")
    return doc


def _move(doc: Any, entry: Obj) -> Any:
    value = _reach(doc, _steps(entry["from"]))
    return _put(_remove(doc, {"path": entry["from"]}), _steps(entry["path"]), value)


def _copy(doc: Any, entry: Obj) -> Any:
    return _put(doc, _steps(entry["path"]), copy.deepcopy(_reach(doc, _steps(entry["from"]))))


def _test(doc: Any, entry: Obj) -> Any:
    try:
        found = _reach(doc, _steps(entry["path"]))
    except _Unfit:
        found = None  # a missing value equals null
    wanted = entry.get("value")
    if found != wanted or isinstance(found, bool) is not isinstance(wanted, bool):
        raise _Unfit(f"testing value {entry['path']} failed")
    return doc


_OPERATIONS: dict[str, Callable[[Any, Obj], Any]] = {
    "add": _add,
    "remove": _remove,
    "replace": _replace,
    "move": _move,
    "copy": _copy,
    "test": _test,
}


# --- strategic merge patch

_PATCH, _RETAIN = "$patch", "$retainKeys"
_ORDER, _DELETE = "$setElementOrder/", "$deleteFromPrimitiveList/"


def strategic_merge_patch(type_: Type, obj: Obj, patch: Obj) -> Obj:
    """A merge patch whose lists merge by key, where the type says so.

    Raises:
        ApiError: 400, a directive can't be understood.
    """
    return _merge_map(type_, copy.deepcopy(obj), copy.deepcopy(patch))


def _merge_map(type_: Type | None, out: Obj, patch: Obj) -> Obj:
    directive = patch.pop(_PATCH, None)
    if directive == "replace":
        return patch
    if directive == "delete":
        return {}
    if directive not in (None, "merge"):
        raise bad_request(f"unknown patch type: {directive}")
    kept = patch.pop(_RETAIN, None)
    if kept is not None:
        out = {key: value for key, value in out.items() if key in kept}
    orders = {key.removeprefix(_ORDER): patch.pop(key) for key in list(patch) if key.startswith(_ORDER)}
    server_order = {name: out.get(name) for name in orders}
    for key, value in patch.items():
        _merge_field(type_, out, key, value=value)
    for name, order in orders.items():
        if isinstance(out.get(name), list):
            key = _merge_key(type_, name)
            out[name] = _ordered(out[name], order, server=server_order[name] or [], key=key)
    return out


def _merge_field(type_: Type | None, out: Obj, key: str, *, value: Any) -> None:
    if key.startswith(_DELETE):
        name = key.removeprefix(_DELETE)
        if isinstance(out.get(name), list):
            out[name] = [item for item in out[name] if item not in value]
        return
    field = _field(type_, key)
    before = out.get(key)
    if value is None:
        out.pop(key, None)
    elif isinstance(value, dict) and isinstance(before, dict) and _strategy(field) != "replace":
        out[key] = _merge_map(field, before, value)
    elif isinstance(value, list) and isinstance(before, list) and _strategy(field) == "merge":
        out[key] = _merge_list(field, before, value)
    else:
        _take(out, key, value)


def _take(out: Obj, key: str, value: Any) -> None:
    """Takes a value that nothing merges with, without its directives."""
    if isinstance(value, dict) and value.get(_PATCH) == "delete":
        out.pop(key, None)
    else:
        out[key] = _bare(value)


def _bare(value: Any) -> Any:
    if isinstance(value, dict):
        return {key: _bare(child) for key, child in value.items() if not key.startswith("$") and child is not None}
    if isinstance(value, list):
        items = [item for item in value if not (isinstance(item, dict) and _PATCH in item)]
        return [_bare(item) for item in items]
    return value


def _field(type_: Type | None, key: str) -> Type | None:
    return type_.field(key) if type_ is not None and type_.kind == "map" else None


def _strategy(type_: Type | None) -> str:
    if type_ is None:
        return ""
    return next((word for word in type_.strategy if word != "retainKeys"), "")


def _merge_key(type_: Type | None, name: str) -> str:
    field = _field(type_, name)
    return field.merge_key if field is not None else ""


def _merge_list(type_: Type | None, before: list[Any], patch: list[Any]) -> list[Any]:
    key = type_.merge_key if type_ is not None else ""
    if not key:
        both = [*before, *patch]
        merged = [item for i, item in enumerate(both) if item not in both[:i]]
        return _ordered(merged, patch, server=before, key="")
    server, items = list(before), []
    for item in patch:
        directive = item.get(_PATCH) if isinstance(item, dict) else None
        if directive == "replace":
            return [_bare(other) for other in patch if _PATCH not in other]
        if directive == "delete":
            server = [other for other in server if other.get(key) != item.get(key)]
        elif directive is None:
            items.append(item)
        else:
            raise bad_request(f"unknown patch type: {directive}")
    merged = list(server)
    for item in items:
        if key not in item:
            raise bad_request(f"map: {item} does not contain declared merge key: {key}")
        found = next((i for i, other in enumerate(merged) if other.get(key) == item[key]), None)
        if found is None:
            merged.append(_bare(item))
        else:
            merged[found] = _merge_map(type_.element if type_ else None, merged[found], dict(item))
    return _ordered(merged, items, server=server, key=key)


def _ordered(merged: list[Any], order: list[Any], *, server: list[Any], key: str) -> list[Any]:
    """The items of the patch in its order, the others where the server had them (normalizeElementOrder)."""

    def name(item: Any) -> Any:
        return item.get(key) if key and isinstance(item, dict) else item

    wanted, had = [name(item) for item in order], [name(item) for item in server]
    mine = sorted((item for item in merged if name(item) in wanted), key=lambda item: wanted.index(name(item)))
    others = [item for item in merged if name(item) not in wanted]
    out: list[Any] = []
    while others and mine:
        left, right = name(others[0]), name(mine[0])
        first = left in had and right in had and had.index(left) < had.index(right)
        out.append((others if first else mine).pop(0))
    return out + others + mine
