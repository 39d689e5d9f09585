"""The OpenAPI v3 documents that kubectl asks for before it applies or explains.

Owns: the index and one document for each group and version: schemas, and the PATCH operations with the parameters that
kubectl looks for (`fieldValidation`, `dryRun`). Pure functions over the registry. Called by `handlers`.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import msgspec

from backends.embedded import discovery, schemas
from backends.embedded.errors import PageNotFoundError
from backends.embedded.registry import SERVER_VERSION, Registry, ResourceType, catalogue

Obj = dict[str, Any]
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
    properties = dict(body.get("properties") or {})
    properties["apiVersion"] = properties["kind"] = {"type": "string"}
    properties["metadata"] = {"allOf": [{"$ref": schemas.REF + _META}]}
    components[name] = body | {"properties": properties, "x-kubernetes-group-version-kind": [_kind(resource)]}
    return name


def _add_named(components: Obj, name: str) -> None:
    todo = [name]
    while todo:
        found = todo.pop()
        if found not in components:
            components[found] = msgspec.json.decode(catalogue().schemas[found])
            todo.extend(_references(components[found]))


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
