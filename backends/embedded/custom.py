"""Objects of custom kinds, held to the schema of their definition.

Owns: pruning, defaulting and validation of custom objects (apiextensions-apiserver v0.37 pkg/apiserver/schema,
kube-openapi pkg/validation). Pure functions. Called by `store`. CEL rules (x-kubernetes-validations) are not evaluated.
"""

from __future__ import annotations

import copy
import re
from collections.abc import Iterator, Mapping
from typing import Any

import msgspec

from backends.embedded import errors
from backends.embedded.errors import Cause
from backends.embedded.schemas import ABSENT, Type

Obj = dict[str, Any]


def conform(type_: Type, obj: Obj, *, unknown: list[str]) -> Obj:
    """`obj` without fields that the schema neither declares nor keeps, with its defaults filled in.

    The paths of dropped fields are added to `unknown`. The metadata is left out: `decoding` does it.
    """
    bare = {key: value for key, value in obj.items() if key != "metadata"}
    conformed = _map(type_, bare, path="", unknown=unknown)
    unknown.sort()
    return conformed


def _map(type_: Type, value: Obj, *, path: str, unknown: list[str]) -> Obj:
    out: Obj = {}
    for key, child in value.items():
        field = type_.field(key)
        where = f"{path}.{key}" if path else key
        if field is None and type_.embedded and key in ("apiVersion", "kind", "metadata"):
            out[key] = child
        elif field is None:
            unknown.append(where)
        elif child is None and not field.nullable and field.default is not ABSENT:
            continue
        else:
            out[key] = _value(field, child, path=where, unknown=unknown)
    for key in type_.names:
        if key not in out and (field := type_.field(key)) is not None and field.default is not ABSENT:
            out[key] = _value(field, copy.deepcopy(field.default), path=path, unknown=unknown)
    return out


def _value(type_: Type, value: Any, *, path: str, unknown: list[str]) -> Any:
    if type_.kind == "map" and isinstance(value, dict):
        return _map(type_, value, path=path, unknown=unknown)
    if type_.kind == "list" and isinstance(value, list) and type_.element is not None:
        element = type_.element
        return [_value(element, item, path=f"{path}[{i}]", unknown=unknown) for i, item in enumerate(value)]
    return value


def faults(type_: Type, obj: Obj) -> list[Cause]:
    """What the schema has against `obj`, as the real server words it."""
    found: list[Cause] = []
    for key, value in obj.items():
        field = type_.field(key)
        if key not in ("apiVersion", "kind", "metadata") and field is not None and not _lacks(type_, obj, key):
            found += _faults(field, value, key)
    return [*_missing(type_, obj, ""), *found]


def value_faults(type_: Type, value: Any) -> list[Cause]:
    """What a schema has against a value that stands alone, such as its own default."""
    return list(_faults(type_, value, ""))


def status_faults(type_: Type, obj: Obj) -> list[Cause]:
    """What the schema has against the status alone: the real server words paths from there."""
    field = type_.field("status")
    if field is None or "status" not in obj:
        return []
    found = _faults(field, obj["status"], "status")
    return [
        Cause(cause.reason, cause.message.replace(f"{cause.field} in body", f"{cause.field[7:]} in body"), cause.field)
        for cause in found
    ]


def _faults(type_: Type, value: Any, path: str) -> Iterator[Cause]:
    schema = type_.schema
    if value is None:
        if not schema.get("nullable") and schema.get("type"):
            yield _wrong_type(path, value, schema)
        return
    if not _has_type(schema, value):
        yield _wrong_type(path, value, schema)
        return
    yield from _enumerated(schema, value, path)
    if isinstance(value, dict):
        yield from _missing(type_, value, path)
        for key, child in value.items():
            field = type_.field(key)
            if field is not None and not _lacks(type_, value, key):
                yield from _faults(field, child, f"{path}.{key}")
    elif isinstance(value, list):
        yield from _list_faults(type_, value, path)
    elif isinstance(value, str):
        yield from _text_faults(schema, value, path)
    elif isinstance(value, (int, float)) and not isinstance(value, bool):
        yield from _number_faults(schema, value, path)


_JSON_TYPES = {"string": str, "boolean": bool, "object": dict, "array": list}


def _has_type(schema: Mapping[str, Any], value: Any) -> bool:
    name = schema.get("type")
    if schema.get("x-kubernetes-int-or-string"):
        return isinstance(value, (int, str)) and not isinstance(value, bool)
    if name in ("integer", "number"):
        whole = name == "number" or float(value).is_integer() if isinstance(value, (int, float)) else False
        return whole and not isinstance(value, bool)
    wanted = _JSON_TYPES.get(str(name))
    return wanted is None or isinstance(value, wanted)


def _wrong_type(path: str, value: Any, schema: Mapping[str, Any]) -> Cause:
    names = {bool: "boolean", int: "integer", float: "number", str: "string", dict: "object", list: "array"}
    given = names.get(type(value), "null")
    wanted = "integer,string" if schema.get("x-kubernetes-int-or-string") else schema.get("type")
    message = f'Invalid value: "{given}": {path} in body must be of type {wanted}: "{given}"'
    return Cause("FieldValueTypeInvalid", message, path)


def _missing(type_: Type, value: Obj, path: str) -> Iterator[Cause]:
    for name in type_.required:
        if _lacks(type_, value, name):
            yield errors.field_required(f"{path}.{name}" if path else name)


def _lacks(type_: Type, value: Obj, name: str) -> bool:
    """Whether a required field is missing; null is as good as missing where it may not be null."""
    if name not in type_.required or value.get(name) is not None:
        return False
    field = type_.field(name)
    return name not in value or field is None or not field.nullable


def _enumerated(schema: Mapping[str, Any], value: Any, path: str) -> Iterator[Cause]:
    allowed = schema.get("enum")
    if allowed and value not in allowed:
        words = ", ".join(f'"{word}"' for word in allowed)
        yield Cause("FieldValueNotSupported", f'Unsupported value: "{value}": supported values: {words}', path)


def _list_faults(type_: Type, items: list[Any], path: str) -> Iterator[Cause]:
    least, most = type_.schema.get("minItems"), type_.schema.get("maxItems")
    if least is not None and len(items) < least:
        text = f"{path} in body should have at least {least} items"
        yield Cause("FieldValueInvalid", f"Invalid value: {len(items)}: {text}", path)
    if most is not None and len(items) > most:
        yield Cause("FieldValueTooMany", f"Too many: {len(items)}: must have at most {most} items", path)
    yield from _repeated(type_.schema, items, path)
    if type_.element is not None:
        for position, item in enumerate(items):
            yield from _faults(type_.element, item, f"{path}[{position}]")


def _repeated(schema: Mapping[str, Any], items: list[Any], path: str) -> Iterator[Cause]:
    """The items of a set, or of a map by its keys, that are there twice (pkg/apiserver/schema/listtype)."""
    kind, keys = schema.get("x-kubernetes-list-type"), schema.get("x-kubernetes-list-map-keys") or ()
    seen: list[Any] = []
    for position, item in enumerate(items):
        if kind == "map" and isinstance(item, dict):
            item = {key: item[key] for key in keys if key in item}
        elif kind != "set":
            return
        if item in seen:
            shown = msgspec.json.encode(item).decode()
            yield Cause("FieldValueDuplicate", f"Duplicate value: {shown}", f"{path}[{position}]")
        seen.append(item)


_FORMATS = {
    "date": re.compile(r"\d{4}-\d\d-\d\d"),
    "date-time": re.compile(r"\d{4}-\d\d-\d\d[tT ]\d\d:\d\d:\d\d(\.\d+)?([zZ]|[+-]\d\d:\d\d)"),
}


def _text_faults(schema: Mapping[str, Any], value: str, path: str) -> Iterator[Cause]:
    pattern, least, most = schema.get("pattern"), schema.get("minLength"), schema.get("maxLength")
    shape = _FORMATS.get(schema.get("format", ""))
    if shape is not None and not shape.fullmatch(value):
        text = f'{path} in body must be of type {schema["format"]}: "{value}"'
        yield Cause("FieldValueTypeInvalid", f'Invalid value: "{value}": {text}', path)
    # The first of these alone is told.
    if most is not None and len(value) > most:
        yield Cause("FieldValueTooLong", f"Too long: may not be more than {most} bytes", path)
    elif least is not None and len(value) < least:
        yield errors.field_invalid(path, value, f"{path} in body should be at least {least} chars long")
    elif pattern and not re.search(pattern, value):
        yield errors.field_invalid(path, value, f"{path} in body should match '{pattern}'")


def _number_faults(schema: Mapping[str, Any], value: float, path: str) -> Iterator[Cause]:
    least, most = schema.get("minimum"), schema.get("maximum")
    if least is not None and value < least:
        yield errors.field_invalid(path, value, f"{path} in body should be greater than or equal to {least}")
    if most is not None and value > most:
        yield errors.field_invalid(path, value, f"{path} in body should be less than or equal to {most}")
