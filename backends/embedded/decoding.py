"""Objects of built-in kinds as the real server decodes them: unknown fields out, wrong types refused, defaults in.

Owns: decoding by schema, and the always-present fields that Go's encoding adds. Pure functions. Called by `store`.
Custom objects go through `custom`. Wordings: sigs.k8s.io/json, apiserver pkg/endpoints/handlers/rest.go
(transformDecodeError).
"""

from __future__ import annotations

import base64
import binascii
import copy
from typing import Any

from backends.embedded.defaults import DEFAULTS
from backends.embedded.errors import ApiError, bad_request
from backends.embedded.quantities import canonical
from backends.embedded.schemas import REF, Type, compile_schema

Obj = dict[str, Any]
_QUANTITY = "io.k8s.apimachinery.pkg.api.resource.Quantity"


class Unfit(Exception):  # noqa: N818 - turned into an ApiError by the caller
    """A value that its field can't hold; the message is Go's."""


def decode(type_: Type, obj: Obj, *, unknown: list[str]) -> Obj:
    """`obj` as its kind has it: nulls and unknown fields dropped, empty structs and defaults filled in.

    The paths of unknown fields are added to `unknown`.

    Raises:
        Unfit: a value has the wrong type.
    """
    return _map(type_, obj, path="", unknown=unknown)


def decode_metadata(obj: Obj, *, unknown: list[str]) -> Obj:
    """The metadata of a custom object, decoded as every kind's is.

    Raises:
        Unfit: a value has the wrong type.
    """
    bare = {"apiVersion": obj.get("apiVersion"), "kind": obj.get("kind"), "metadata": obj.get("metadata") or {}}
    metadata: Obj = decode(_ANY_OBJECT, bare, unknown=unknown)["metadata"]
    return metadata


_ANY_OBJECT = compile_schema(
    {
        "type": "object",
        "properties": {
            "apiVersion": {"type": "string"},
            "kind": {"type": "string"},
            "metadata": {"$ref": f"{REF}io.k8s.apimachinery.pkg.apis.meta.v1.ObjectMeta"},
        },
    }
)


def refusal(obj: Obj, why: str) -> ApiError:
    """400 of an object that can't be decoded (transformDecodeError)."""
    kind, version = obj.get("kind", ""), str(obj.get("apiVersion", "")).rpartition("/")[2]
    return bad_request(f'{kind} in version "{version}" cannot be handled as a {kind}: {why}')


def unknown_fields(unknown: list[str]) -> str:
    """What ``fieldValidation=Strict`` has against an object."""
    return "strict decoding error: " + ", ".join(f'unknown field "{path}"' for path in unknown)


class _Wrong(Exception):  # noqa: N818 - made an Unfit by the struct around it
    def __init__(self, type_: Type, value: Any) -> None:
        super().__init__()
        self.type = type_
        self.value = value


def _map(type_: Type, value: Obj, *, path: str, unknown: list[str]) -> Obj:
    if not type_.names:
        return _plain_map(type_, value, path=path, unknown=unknown)
    out: Obj = {}
    for key, child in value.items():
        field = type_.field(key)
        where = f"{path}.{key}" if path else key
        if field is None:
            unknown.append(where)
        elif child is not None:
            try:
                decoded = _value(field, child, path=where, unknown=unknown)
            except _Wrong as wrong:
                raise _unfit(wrong, path=where, owner=type_) from None
            if decoded or key not in type_.omitted:
                out[key] = decoded
    for key, default in type_.filled.items():
        if key not in out:
            # An empty struct has defaults of its own, which its decoding fills in.
            field = type_.field(key) if isinstance(default, dict) else None
            out[key] = _map(field, {}, path=path, unknown=unknown) if field else copy.copy(default)
    fill = DEFAULTS.get(type_.name)
    if fill is not None:
        fill(out)
    return out


def _plain_map(type_: Type, value: Obj, *, path: str, unknown: list[str]) -> Obj:
    element = type_.element
    if element is None:
        return value
    out: Obj = {}
    for key, child in value.items():
        if child is not None:
            out[key] = _value(element, child, path=path, unknown=unknown, listed=True)
        elif element.scalar == "string":
            out[key] = ""
    return {key: out[key] for key in sorted(out)}  # as Go writes its maps


def _value(type_: Type, value: Any, *, path: str, unknown: list[str], listed: bool = False) -> Any:
    match type_.kind:
        case "any":
            return value
        case "map":
            if not isinstance(value, dict):
                raise _Wrong(type_, value)
            return _map(type_, value, path=path, unknown=unknown)
        case "list":
            if not isinstance(value, list):
                raise _Wrong(type_, value)
            element = type_.element
            if element is None:
                return value
            items = enumerate(value)
            return [_value(element, v, path=f"{path}[{i}]", unknown=unknown) for i, v in items if v is not None]
    if type_.name == _QUANTITY and isinstance(value, (int, float, str)) and not isinstance(value, bool):
        # In a list of resources thousandths are the least there is (SetDefaults_ResourceList).
        return _quantity(str(value), least=-3 if listed else -9)
    return _scalar(type_, value)


_FITS: dict[str, tuple[type, ...]] = {
    "integer": (int,),
    "number": (int, float),
    "boolean": (bool,),
    "int-or-string": (int, str),
}


def _scalar(type_: Type, value: Any) -> Any:
    if type_.scalar == "integer" and isinstance(value, float) and value.is_integer():
        return int(value)
    fits = _FITS.get(type_.scalar, (str,))
    if not isinstance(value, fits) or (isinstance(value, bool) and bool not in fits):
        raise _Wrong(type_, value)
    if type_.schema.get("format") == "byte" and isinstance(value, str):
        _check_base64(value)
    return value


def _quantity(text: str, *, least: int) -> str:
    try:
        return canonical(text, least)
    except ValueError as error:
        raise Unfit(str(error)) from None


def _check_base64(value: str) -> None:
    try:
        base64.b64decode(value.replace("\n", "").replace("\r", ""), validate=True)
    except binascii.Error:
        bad = next((i for i, letter in enumerate(value) if not (letter.isalnum() or letter in "+/=")), len(value))
        raise Unfit(f"illegal base64 data at input byte {bad}") from None


def _unfit(wrong: _Wrong, *, path: str, owner: Type) -> Unfit:
    given = {bool: "bool", str: "string", int: "number", float: "number", dict: "object", list: "array"}
    field = f"Go struct field {_go_name(owner)}.{_without_indices(path)}"
    word = given.get(type(wrong.value), "value")
    return Unfit(f"json: cannot unmarshal {word} into {field} of type {_go_type(wrong.type)}")


def _go_name(type_: Type) -> str:
    return type_.name.rpartition(".")[2]


def _without_indices(path: str) -> str:
    return ".".join(step.partition("[")[0] for step in path.split("."))


def _go_type(type_: Type) -> str:
    if type_.kind == "list":
        return f"[]{_go_type(type_.element)}" if type_.element else "[]interface {}"
    if type_.name:
        package, name = type_.name.split(".")[-2:]
        return f"{package}.{name}"
    if type_.kind == "map":
        return f"map[string]{_go_type(type_.element)}" if type_.element else "map[string]interface {}"
    names = {"integer": type_.schema.get("format", "int64"), "boolean": "bool", "number": "float64"}
    return str(names.get(type_.scalar, "string"))
