"""What the API server does not accept in a CustomResourceDefinition.

Owns: its validation, as far as those who write definitions run into it. Pure functions from objects to causes. Called
by `kindvalidation`. Rules and wordings: apiextensions-apiserver v0.37 pkg/apis/apiextensions/validation,
pkg/apiserver/schema/validation.go. CEL rules are not looked at.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any

from backends.embedded import custom, errors
from backends.embedded.errors import Cause
from backends.embedded.schemas import compile_schema

Obj = dict[str, Any]


def definition(obj: Obj) -> Iterator[Cause]:
    spec = obj["spec"]
    wanted = f"{spec['names'].get('plural', '')}.{spec.get('group', '')}"
    if obj["metadata"].get("name") != wanted:
        text = 'must be spec.names.plural+"."+spec.group'
        yield errors.field_invalid("metadata.name", obj["metadata"].get("name", ""), text)
    if sum(bool(version.get("storage")) for version in spec.get("versions") or ()) != 1:
        text = "must have exactly one version marked as storage version"
        yield errors.field_invalid("spec.versions", spec.get("versions") or [], text)
    if spec.get("scope") not in ("Cluster", "Namespaced"):
        yield errors.field_unsupported("spec.scope", spec.get("scope", ""), ["Cluster", "Namespaced"])
    for position, version in enumerate(spec.get("versions") or ()):
        if not (version.get("schema") or {}).get("openAPIV3Schema"):
            field = f"spec.versions[{position}].schema.openAPIV3Schema"
            yield errors.field_required(field)
        yield from _version(version, position, alone=len(spec["versions"]) == 1)


def _version(version: Obj, position: int, *, alone: bool) -> Iterator[Cause]:
    """What is wrong with one version; the real server words a single one as it did before there were several."""
    where = "spec" if alone else f"spec.versions[{position}]"
    name = version.get("name", "")
    if not re.fullmatch(r"[a-z]([-a-z0-9]*[a-z0-9])?", name):
        yield errors.field_invalid(f"spec.versions[{position}].name", name, _VERSION)
        if position == 0:
            yield errors.field_invalid("spec.version", name, _VERSION)
    for number, column in enumerate(version.get("additionalPrinterColumns") or ()):
        if column.get("type") not in _COLUMN_TYPES:
            text = f"must be one of {','.join(_COLUMN_TYPES)}"
            yield errors.field_invalid(f"{where}.additionalPrinterColumns[{number}].type", column.get("type", ""), text)
    schema = (version.get("schema") or {}).get("openAPIV3Schema")
    if not schema:
        return
    path = f"{where}.validation.openAPIV3Schema" if alone else f"{where}.schema.openAPIV3Schema"
    if not schema.get("type"):
        yield errors.field_required(f"{path}.type", "must not be empty at the root")
    elif schema["type"] != "object":
        yield errors.field_invalid(f"{path}.type", schema["type"], "must be object at the root")
    yield from _structural(schema, path)


def _structural(schema: Obj, path: str) -> Iterator[Cause]:
    """What keeps a schema from saying of each field what it is (apiserver/schema ValidateStructural)."""
    yield from _list_type(schema, path)
    if schema.get("type") == "array" and "items" not in schema:
        yield errors.field_required(f"{path}.items", "must be specified")
    if "default" in schema:
        for cause in custom.value_faults(compile_schema(schema), schema["default"]):
            yield Cause(cause.reason, cause.message, f"{path}.default")
    for name, child in (schema.get("properties") or {}).items():
        yield from _typed(child, f"{path}.properties[{name}]", "object fields")
    if isinstance(schema.get("items"), dict):
        yield from _typed(schema["items"], f"{path}.items", "array items")
    if isinstance(schema.get("additionalProperties"), dict):
        yield from _typed(schema["additionalProperties"], f"{path}.additionalProperties", "object fields")


def _typed(schema: Obj, path: str, what: str) -> Iterator[Cause]:
    free = schema.get("x-kubernetes-int-or-string") or schema.get("x-kubernetes-preserve-unknown-fields")
    if not schema.get("type") and not free:
        yield errors.field_required(f"{path}.type", f"must not be empty for specified {what}")
    yield from _structural(schema, path)


def _list_type(schema: Obj, path: str) -> Iterator[Cause]:
    kind = schema.get("x-kubernetes-list-type")
    if kind is not None and schema.get("type") != "array":
        yield errors.field_invalid(
            f"{path}.type", schema.get("type", ""), "must be array if x-kubernetes-list-type is specified"
        )
    if kind == "map" and not schema.get("x-kubernetes-list-map-keys"):
        text = "must not be empty if x-kubernetes-list-type is map"
        yield errors.field_required(f"{path}.x-kubernetes-list-map-keys", text)


_COLUMN_TYPES = ("boolean", "date", "integer", "number", "string")
_VERSION = (
    "a DNS-1035 label must consist of lower case alphanumeric characters or '-', start with an alphabetic character, "
    "and end with an alphanumeric character (e.g. 'my-name',  or 'abc-123', regex used for validation is "
    "'[a-z]([-a-z0-9]*[a-z0-9])?')"
)
