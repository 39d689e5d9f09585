"""The OpenAPI documents that kubectl asks for before it applies or explains.

Owns: the index of v3 and one document for each group and version: schemas with their descriptions, and the PATCH
operations with the parameters that kubectl looks for (`fieldValidation`, `dryRun`); and the definitions of v2, which
kubectl wants where a manifest is a `List`. Pure functions over the registry. Called by `documents`.
"""

from __future__ import annotations

import gzip
from collections.abc import Iterator
from functools import cache
from pathlib import Path
from typing import Any

import msgspec

from backends.embedded import discovery, schemas
from backends.embedded.errors import PageNotFoundError
from backends.embedded.registry import SERVER_VERSION, Registry, ResourceType, catalogue

Obj = dict[str, Any]
_OWN = ("apiVersion", "kind", "metadata")
_CONFIGMAP = "io.k8s.api.core.v1.ConfigMap"
_META = "io.k8s.apimachinery.pkg.apis.meta.v1.ObjectMeta"


def index(registry: Registry) -> Obj:
    """/openapi/v3: where the document of each group and version is."""
    paths = [
        f"apis/{group}/{version}" if group else f"api/{version}"
        for group, versions in discovery.groups(registry).items()
        for version in versions
    ]
    mark = f"{SERVER_VERSION}-{registry.generation}"
    return {"paths": {path: {"serverRelativeURL": f"/openapi/v3/{path}?hash={mark}"} for path in paths}}


def document(registry: Registry, group: str, version: str) -> Obj:
    """/openapi/v3/apis/GROUP/VERSION.

    Raises:
        ApiError: 404.
    """
    resources = discovery.groups(registry).get(group, {}).get(version)
    if not resources:
        raise PageNotFoundError
    components: Obj = {}
    paths: Obj = {}
    for resource in resources:
        name = _add_schema(components, resource)
        for path, operation in _paths(resource, name):
            paths.setdefault(path, {}).update(operation)
    return {
        "openapi": "3.0.0",
        "info": {"title": "Kubernetes", "version": SERVER_VERSION},
        "paths": paths,
        "components": {"schemas": components},
    }


def _add_schema(components: Obj, resource: ResourceType) -> str:
    if not resource.custom:
        name = schemas.schema_name(resource.api_version, resource.kind)
        if name:
            _add_named(components, name)
        return name or ""
    reverse = ".".join(reversed(resource.group.split(".")))
    name = f"{reverse}.{resource.version}.{resource.kind}"
    _add_named(components, _META)
    body = dict(resource.schema or {"type": "object"})
    own = _described(_CONFIGMAP)["properties"]
    properties = dict(body.get("properties") or {}) | {name: own[name] for name in _OWN}
    components[name] = body | {"properties": properties, "x-kubernetes-group-version-kind": [_kind(resource)]}
    return name


def _add_named(components: Obj, name: str) -> None:
    todo = [name]
    while todo:
        found = todo.pop()
        if found not in components:
            components[found] = _described(found)
            todo.extend(_references(components[found]))


@cache
def _prose() -> dict[str, dict[str, str]]:
    """The descriptions of definitions and their properties; nobody needs them but who explains."""
    body = Path(__file__).with_name("data").joinpath("prose.json.gz").read_bytes()
    return msgspec.json.decode(gzip.decompress(body), type=dict[str, dict[str, str]])


def _described(name: str) -> Obj:
    """A built-in definition as it is published: with its descriptions, without what `schemas` alone reads."""
    schema: Obj = msgspec.json.decode(catalogue().schemas[name])
    prose = _prose().get(name, {})
    for key, child in (schema.get("properties") or {}).items():
        child.pop(schemas.GO, None)
        if key in prose:
            child["description"] = prose[key]
    return schema | ({"description": prose[""]} if "" in prose else {})


def definitions(registry: Registry) -> Obj:
    """The definitions of all served kinds, as /openapi/v2 has them."""
    found: Obj = {}
    for resource in registry:
        _add_schema(found, resource)
    return {
        "swagger": "2.0",
        "info": {"title": "Kubernetes", "version": SERVER_VERSION},
        "paths": {},
        "definitions": {name: _older(schema) for name, schema in found.items()},
    }


def _older(node: Any) -> Any:
    """A schema of v3 in the terms of v2 (apiextensions-apiserver pkg/controller/openapi/v2/conversion.go)."""
    if isinstance(node, list):
        return [_older(item) for item in node]
    if not isinstance(node, dict):
        return node
    reference = node.get("$ref") or next((part.get("$ref") for part in node.get("allOf") or ()), None)
    if isinstance(reference, str):
        told = {"description": node["description"]} if "description" in node else {}
        return told | {"$ref": reference.replace(schemas.REF, "#/definitions/")}
    kept = {key: value for key, value in node.items() if key not in _NEWER}
    if node.get("x-kubernetes-preserve-unknown-fields") or node.get("nullable"):
        kept = {key: value for key, value in kept.items() if key not in ("properties", "items", "additionalProperties")}
    if (
        node.get("nullable")
        or node.get("x-kubernetes-int-or-string")
        or (kept.get("type") == "array" and "items" not in kept)
    ):
        kept.pop("type", None)
    if "oneOf" in node and "type" not in kept:
        kept["type"] = "string"  # a quantity, or a number or its name
    for key in ("properties", "patternProperties"):
        if key in kept:
            kept[key] = {name: _older(child) for name, child in kept[key].items()}
    for key in ("items", "additionalProperties"):
        if key in kept:
            kept[key] = _older(kept[key])
    return kept


_NEWER = frozenset({"allOf", "anyOf", "not", "nullable", "oneOf", "x-kubernetes-validations"})


def _references(node: Any) -> Iterator[str]:
    if isinstance(node, dict):
        reference = node.get("$ref")
        if isinstance(reference, str):
            yield reference.removeprefix(schemas.REF)
        for value in node.values():
            yield from _references(value)
    elif isinstance(node, list):
        for value in node:
            yield from _references(value)


def _kind(resource: ResourceType) -> Obj:
    return {"group": resource.group, "version": resource.version, "kind": resource.kind}


def _paths(resource: ResourceType, schema: str) -> Iterator[tuple[str, Obj]]:
    root = f"/apis/{resource.group}/{resource.version}" if resource.group else f"/api/{resource.version}"
    scope = "/namespaces/{namespace}" if resource.namespaced else ""
    parameters = [
        {"name": name, "in": "query", "schema": {"type": type_, "uniqueItems": True}}
        for name, type_ in (
            ("dryRun", "string"), ("fieldManager", "string"), ("fieldValidation", "string"), ("force", "boolean"),
        )
    ]  # fmt: skip
    content = {"application/json": {"schema": {"$ref": schemas.REF + schema}}} if schema else {}
    for verb, action in (("create", "post"), ("patch", "patch"), ("get", "get")):
        if verb not in resource.verbs:
            continue
        tail = "" if verb == "create" else "/{name}"
        operation = {
            "x-kubernetes-action": action,
            "x-kubernetes-group-version-kind": _kind(resource),
            "parameters": parameters if verb != "get" else [],
            "responses": {"200": {"description": "OK", "content": content}},
        }
        yield f"{root}{scope}/{resource.plural}{tail}", {action: operation}
