"""The types of objects: what their fields are, how lists merge, what their zero value holds.

Owns: `Type`, compiled from OpenAPI schemas on demand. Pure data; shared by server-side apply, strategic merge, decoding
and defaulting. Rules: kube-openapi pkg/schemaconv, structured-merge-diff v6 schema.
"""

from __future__ import annotations

from collections.abc import Mapping
from functools import cache
from typing import Any

import msgspec

from backends.embedded.registry import ResourceType, catalogue
from fleetui.model.objects import join_api_version

REF = "#/components/schemas/"
ABSENT: Any = object()
"""What stands for a field that is not there, where None is JSON's null."""

_META = "io.k8s.apimachinery.pkg.apis.meta.v1.ObjectMeta"
_RAW_EXTENSION = "io.k8s.apimachinery.pkg.runtime.RawExtension"
_QUANTITY = "io.k8s.apimachinery.pkg.api.resource.Quantity"
_ZEROS = {"string": "", "integer": 0, "number": 0, "boolean": False, "int-or-string": 0}
GO = "x-go"
"""The annotation of ``data/kubernetes.json`` that says how Go writes a field (`data.gotypes`)."""
_SCALARS = {"string", "integer", "number", "boolean"}


class Type:
    """One type of a field.

    `kind` is map, list, scalar or any. A map has declared `fields`, or an `element` type for every key, or both (a
    struct that keeps unknown fields). A list that is not `atomic` is a set, or a map by `keys`. `any` is deduced from
    the value: maps are granular, lists atomic, unless the whole is `atomic`.
    """

    __slots__ = (
        "_declared", "_fields", "_filled", "_omitted", "atomic", "default", "element", "embedded", "keys", "kind",
        "merge_key", "name", "nullable", "required", "scalar", "schema", "strategy",
    )  # fmt: skip

    def __init__(self, kind: str, schema: Mapping[str, Any]) -> None:
        self.kind = kind
        self.schema = schema
        self.name = ""
        self.atomic = False
        self.element: Type | None = None
        self.keys: tuple[str, ...] = ()
        self.default: Any = ABSENT
        self.scalar = ""
        self.merge_key = ""
        self.strategy: tuple[str, ...] = ()
        self.nullable = False
        self.embedded = False
        self.required: tuple[str, ...] = tuple(schema.get("required") or ())
        self._declared: Mapping[str, Any] = {}
        self._fields: dict[str, Type] = {}
        self._filled: dict[str, Any] | None = None
        self._omitted: frozenset[str] | None = None

    def field(self, name: str) -> Type | None:
        """The type of a declared field, or of any key of a map; None where the field is unknown."""
        found = self._fields.get(name)
        if found is None:
            declared = self._declared.get(name)
            if declared is None:
                return self.element
            found = self._fields[name] = compile_schema(declared)
        return found

    def declares(self, name: str) -> bool:
        return name in self._declared

    @property
    def filled(self) -> dict[str, Any]:
        """The fields that are written even when nobody set them, with what they hold then: declared defaults, and the
        zeros of what Go does not omit."""
        if self._filled is None:
            self._filled = {}
            for name, schema in self._declared.items():
                if schema.get("default"):
                    self._filled[name] = schema["default"]
                elif schema.get(GO) in ("a", "n"):
                    self._filled[name] = self._zero_of(name, schema)
        return self._filled

    def _zero_of(self, name: str, schema: Mapping[str, Any]) -> Any:
        field = self.field(name)
        if schema[GO] == "n" or field is None or field.name.endswith("Time"):
            return None
        if field.kind == "map" and field.names:
            return {}
        return _ZEROS.get(field.scalar) if field.name != _QUANTITY else "0"

    @property
    def omitted(self) -> frozenset[str]:
        """The fields that are not written when they are zero or empty (omitempty)."""
        if self._omitted is None:
            self._omitted = frozenset(name for name, schema in self._declared.items() if schema.get(GO) == "o")
        return self._omitted

    def zero(self) -> dict[str, Any]:
        """Go's zero value of the struct, as JSON has it, before any default."""
        found: dict[str, Any] = {}
        for name, schema in self._declared.items():
            if schema.get(GO) in ("a", "n"):
                value, field = self._zero_of(name, schema), self.field(name)
                found[name] = field.zero() if value == {} and field is not None else value
        return found

    @property
    def names(self) -> Mapping[str, Any]:
        """The declared fields' names."""
        return self._declared

    def path_element(self, item: Any) -> str:
        """How a list's item is named in a field set: ``k:{"name":"x"}`` or ``v:"x"``.

        Raises:
            ValueError: the item has none of the keys, or is no scalar where one is needed.
        """
        if not self.keys:
            if isinstance(item, (dict, list)) or item is None:
                raise ValueError("associative list without keys has an element that's a map type")
            return f"v:{_encode(item)}"
        if not isinstance(item, dict):
            raise ValueError("associative list with keys may not have non-map elements")
        key = self.key_of(item)
        if not key:
            names = " ".join(f'"{name}"' for name in self.keys)
            raise ValueError(
                f"associative list with keys has an element that omits all key fields [{names}] "
                "(and doesn't have default values for any key fields)"
            )
        return f"k:{_encode(key)}"

    def key_of(self, item: Mapping[str, Any]) -> dict[str, Any]:
        """The key fields of a list's item, defaults filled in, sorted by name."""
        found: dict[str, Any] = {}
        for name in sorted(self.keys):
            value = item.get(name, ABSENT)
            if value is ABSENT and self.element is not None:
                field = self.element.field(name)
                value = field.default if field is not None else ABSENT
            if value is not ABSENT:
                found[name] = value
        return found


def _encode(value: Any) -> str:
    return msgspec.json.encode(value).decode()


_ANY = Type("any", {})
_ATOMIC_ANY = Type("any", {})
_ATOMIC_ANY.atomic = True


@cache
def named_type(name: str) -> Type:
    """The type of a definition of ``data/kubernetes.json``."""
    if name == _RAW_EXTENSION:
        return _ATOMIC_ANY
    made = _compile(msgspec.json.decode(catalogue().schemas[name]))
    made.name = name
    return made


@cache
def _names_by_kind() -> dict[tuple[str, str], str]:
    found: dict[tuple[str, str], str] = {}
    decoder = msgspec.json.Decoder(dict[str, Any])
    for name, raw in catalogue().schemas.items():
        if b"x-kubernetes-group-version-kind" not in bytes(raw):
            continue
        for kind in decoder.decode(raw)["x-kubernetes-group-version-kind"]:
            found[join_api_version(kind["group"], kind["version"]), kind["kind"]] = name
    return found


def schema_name(api_version: str, kind: str) -> str | None:
    """The name of the definition of a built-in kind."""
    return _names_by_kind().get((api_version, kind))


_CUSTOM: dict[int, tuple[Any, Type]] = {}


def type_of(resource: ResourceType) -> Type:
    """The type of a resource's objects; one without a schema keeps whatever it is given."""
    if resource.custom:
        return custom_type(resource.schema)
    name = schema_name(resource.api_version, resource.kind)
    return named_type(name) if name else _ANY


def custom_type(schema: dict[str, Any] | None) -> Type:
    """The type of custom objects: their schema with the server's own apiVersion, kind and metadata in it."""
    cached = _CUSTOM.get(id(schema))
    if cached is not None and cached[0] is schema:
        return cached[1]
    body = dict(schema or {"type": "object", "x-kubernetes-preserve-unknown-fields": True})
    properties = dict(body.get("properties") or {})
    properties |= {"apiVersion": {"type": "string"}, "kind": {"type": "string"}, "metadata": {"$ref": REF + _META}}
    made = _compile(body | {"properties": properties})
    if len(_CUSTOM) > 512:
        _CUSTOM.clear()
    _CUSTOM[id(schema)] = schema, made
    return made


def compile_schema(schema: Mapping[str, Any]) -> Type:
    """The type of a property: a reference, with what the property itself adds to it, or an inline schema."""
    reference = schema.get("$ref") or next((part["$ref"] for part in schema.get("allOf", ()) if "$ref" in part), "")
    if not reference:
        return _compile(schema)
    target = named_type(reference.removeprefix(REF))
    map_type = schema.get("x-kubernetes-map-type")
    if "default" not in schema and map_type is None and "x-kubernetes-patch-strategy" not in schema:
        return target
    return _with(target, schema, map_type)


def _with(target: Type, schema: Mapping[str, Any], map_type: str | None) -> Type:
    made = Type(target.kind, target.schema)
    made.name = target.name
    made._declared, made._fields = target._declared, target._fields
    made.atomic, made.element, made.keys, made.scalar = target.atomic, target.element, target.keys, target.scalar
    made.nullable, made.embedded = target.nullable, target.embedded
    made.default = schema.get("default", ABSENT)
    made.strategy = _strategy(schema)
    if map_type is not None:
        made.atomic = map_type == "atomic"
    return made


def _strategy(schema: Mapping[str, Any]) -> tuple[str, ...]:
    return tuple(filter(None, schema.get("x-kubernetes-patch-strategy", "").split(",")))


def _compile(schema: Mapping[str, Any]) -> Type:
    type_name = schema.get("type", "")
    keeps = bool(schema.get("x-kubernetes-preserve-unknown-fields"))
    if type_name == "array":
        made = _list(schema)
    elif type_name in _SCALARS or schema.get("x-kubernetes-int-or-string") or "oneOf" in schema:
        made = _scalar(schema)
    elif schema.get("properties") or schema.get("additionalProperties") or (type_name == "object" and keeps):
        made = _map(schema, keeps=keeps)
    else:
        made = Type("any", schema)
    made.default = schema.get("default", ABSENT)
    made.nullable = bool(schema.get("nullable"))
    made.embedded = bool(schema.get("x-kubernetes-embedded-resource"))
    made.strategy = _strategy(schema)
    return made


def _scalar(schema: Mapping[str, Any]) -> Type:
    made = Type("scalar", schema)
    made.scalar = schema.get("format", "") if "oneOf" in schema else schema.get("type", "")
    if schema.get("x-kubernetes-int-or-string"):
        made.scalar = "int-or-string"
    return made


def _list(schema: Mapping[str, Any]) -> Type:
    made = Type("list", schema)
    made.element = compile_schema(schema["items"]) if schema.get("items") else _ANY
    made.merge_key = schema.get("x-kubernetes-patch-merge-key", "")
    match schema.get("x-kubernetes-list-type"):
        case "map":
            made.keys = tuple(schema.get("x-kubernetes-list-map-keys") or ())
        case "set":
            pass
        case None if "merge" in _strategy(schema):
            made.keys = (made.merge_key,) if made.merge_key else ()
        case _:
            made.atomic = True
    return made


def _map(schema: Mapping[str, Any], *, keeps: bool) -> Type:
    made = Type("map", schema)
    made._declared = schema.get("properties") or {}
    additional = schema.get("additionalProperties")
    if isinstance(additional, dict):
        made.element = compile_schema(additional)
    elif keeps or additional is True:
        made.element = _ANY
    made.atomic = schema.get("x-kubernetes-map-type") == "atomic"
    return made
