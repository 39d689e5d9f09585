"""Distils Kubernetes' published API description into what the embedded servers need.

Owns: the making of ``kubernetes.json``, ``protobuf.json``, ``roles.json``, ``columns.json`` and ``prose.json.gz``,
beside this file. Run by hand when the version that the embedded servers speak is raised: ``python -m
backends.embedded.data.generate KUBERNETES STAGING``, with the folder of the sources and the one that holds ``api``,
``apimachinery`` and the other modules (``staging/src/k8s.io``, or a folder of Go's module cache). Never imported by the
program.

From ``api/discovery/aggregated_v2.json`` and ``api/openapi-spec/v3/*.json`` it keeps the resources of the groups below
and the schemas they reach, without descriptions. From the Go types it adds to each property how Go writes it, which
OpenAPI does not say (`gotypes`). ``protobuf.json`` has the fields' numbers, for the clients that send protobuf.
``roles.json`` has the roles that every cluster begins with, as the sources' own test data list them; ``columns.json``
what ``kubectl get``'s printers say of their columns. The descriptions of fields go into
``prose.json.gz``, because they are larger than all the rest and only ``kubectl explain`` reads them.
"""

from __future__ import annotations

import gzip
import json
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import yaml

from backends.embedded.data.gotypes import annotate, go_structs, printed_columns, protobuf_numbers

GROUP_VERSIONS = (
    ("", "v1"),
    ("admissionregistration.k8s.io", "v1"),
    ("apiextensions.k8s.io", "v1"),
    ("apiregistration.k8s.io", "v1"),
    ("apps", "v1"),
    ("authentication.k8s.io", "v1"),
    ("authorization.k8s.io", "v1"),
    ("autoscaling", "v2"),
    ("batch", "v1"),
    ("coordination.k8s.io", "v1"),
    ("discovery.k8s.io", "v1"),
    ("events.k8s.io", "v1"),
    ("networking.k8s.io", "v1"),
    ("node.k8s.io", "v1"),
    ("policy", "v1"),
    ("rbac.authorization.k8s.io", "v1"),
    ("scheduling.k8s.io", "v1"),
    ("storage.k8s.io", "v1"),
)
LEFT_OUT = {
    "bindings": "scheduling is no part of the embedded fleet",
    "componentstatuses": "deprecated since 1.19",
    "mutatingadmissionpolicies": "no admission",
    "mutatingadmissionpolicybindings": "no admission",
}
KEPT_SUBRESOURCES = {
    *("status", "scale", "approval", "finalize", "eviction"),
    *("log", "exec", "attach", "portforward"),
}
KEPT_ROLES = {
    "admin",
    "cluster-admin",
    "edit",
    "system:aggregate-to-admin",
    "system:aggregate-to-edit",
    "system:aggregate-to-view",
    "system:basic-user",
    "system:discovery",
    "system:monitoring",
    "system:public-info-viewer",
    "view",
}
"""The roles that people are given; the others are for components that an embedded cluster does not have."""

REF = "#/components/schemas/"


def main(sources: Path, staging: Path) -> None:
    """Writes both files from the folders of a Kubernetes source tree."""
    groups = list(_groups(sources / "api" / "discovery"))
    told = _schemas(sources / "api" / "openapi-spec" / "v3")
    schemas = {name: _bare(schema) for name, schema in told.items()}
    annotate(schemas, go_structs(staging))
    wanted = _reached(schemas, [name for name, schema in schemas.items() if _served(schema)])
    lines = [f"{json.dumps(name)}:{_compact(schemas[name])}" for name in sorted(wanted)]
    resources = ",\n".join(_compact(resource) for resource in groups)
    body = f'{{"version":"v1.37.2",\n"resources":[\n{resources}\n],\n"schemas":{{\n' + ",\n".join(lines) + "\n}}\n"
    Path(__file__).with_name("kubernetes.json").write_text(body, encoding="utf-8")
    _write_numbers(protobuf_numbers(staging), sorted(wanted))
    prose = json.dumps({name: _prose(told[name]) for name in sorted(wanted)}, separators=(",", ":"))
    Path(__file__).with_name("prose.json.gz").write_bytes(gzip.compress(prose.encode(), mtime=0))
    printers = sources / "pkg" / "printers" / "internalversion" / "printers.go"
    kinds = {resource["kind"] for resource in groups} | {"ObjectMeta"}
    columns = printed_columns(
        printers.read_text(encoding="utf-8"), {n.split(".", 5)[-1]: _prose(told[n]) for n in told}
    )
    kept = ",\n".join(f"{json.dumps(kind)}:{_compact(columns[kind])}" for kind in sorted(kinds & columns.keys()))
    Path(__file__).with_name("columns.json").write_text(f"{{\n{kept}\n}}\n", encoding="utf-8")
    policy = sources / "plugin" / "pkg" / "auth" / "authorizer" / "rbac" / "bootstrappolicy" / "testdata"
    roles = ",\n".join(_compact(role) for role in _roles(policy))
    Path(__file__).with_name("roles.json").write_text(f"[\n{roles}\n]\n", encoding="utf-8")


def _roles(folder: Path) -> Iterator[dict[str, Any]]:
    for name in ("cluster-roles", "cluster-role-bindings"):
        for item in yaml.safe_load((folder / f"{name}.yaml").read_text(encoding="utf-8"))["items"]:
            if (item.get("roleRef") or item["metadata"])["name"] in KEPT_ROLES:
                yield item


def _prose(schema: dict[str, Any]) -> dict[str, str]:
    """The description of a definition, under an empty name, and those of its properties."""
    found = {"": schema, **schema.get("properties", {})}
    return {name: child["description"] for name, child in found.items() if child.get("description")}


def _write_numbers(numbers: dict[str, Any], wanted: list[str]) -> None:
    lines = [f"{json.dumps(name)}:{_compact(numbers[name])}" for name in wanted if numbers.get(name)]
    Path(__file__).with_name("protobuf.json").write_text("{\n" + ",\n".join(lines) + "\n}\n", encoding="utf-8")


def _groups(folder: Path) -> Iterator[dict[str, Any]]:
    aggregated = json.loads((folder / "aggregated_v2.json").read_text())["items"]
    found = {
        (group["metadata"]["name"], version["version"]): version["resources"]
        for group in aggregated
        for version in group["versions"]
    }
    core = json.loads((folder / "api__v1.json").read_text())["resources"]
    order = [("", "v1"), *found]
    for group, version in order:
        if (group, version) not in GROUP_VERSIONS:
            continue
        for resource in _from_core(core) if not group else found[group, version]:
            if resource["resource"] not in LEFT_OUT:
                yield _resource(group, version, resource)


def _from_core(resources: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """The core group is published in the older form alone: one flat list with ``pods/status`` in it."""
    made: dict[str, dict[str, Any]] = {}
    for entry in resources:
        name, _, subresource = entry["name"].partition("/")
        kind = {"kind": entry["kind"], "group": entry.get("group", ""), "version": entry.get("version", "")}
        if subresource:
            made[name].setdefault("subresources", []).append(
                {"subresource": subresource, "responseKind": kind, "verbs": entry["verbs"]}
            )
        else:
            made[name] = {
                "resource": name,
                "responseKind": kind,
                "scope": "Namespaced" if entry["namespaced"] else "Cluster",
                "singularResource": entry["singularName"],
                "verbs": entry["verbs"],
                "shortNames": entry.get("shortNames", []),
                "categories": entry.get("categories", []),
            }
    return list(made.values())


def _resource(group: str, version: str, entry: dict[str, Any]) -> dict[str, Any]:
    subresources = {
        sub["subresource"]: {
            "group": sub["responseKind"].get("group") or group,
            "version": sub["responseKind"].get("version") or version,
            "kind": sub["responseKind"]["kind"],
            "verbs": sub["verbs"],
        }
        for sub in entry.get("subresources", ())
        if sub["subresource"] in KEPT_SUBRESOURCES
    }
    return {
        "group": group,
        "version": version,
        "kind": entry["responseKind"]["kind"],
        "plural": entry["resource"],
        "singular": entry["singularResource"],
        "namespaced": entry["scope"] == "Namespaced",
        "verbs": sorted(entry["verbs"]),
        "short_names": entry.get("shortNames", []),
        "categories": entry.get("categories", []),
        "subresources": subresources,
    }


def _schemas(folder: Path) -> dict[str, Any]:
    found: dict[str, Any] = {}
    for group, version in GROUP_VERSIONS:
        name = f"apis__{group}__{version}" if group else f"api__{version}"
        document = json.loads((folder / f"{name}_openapi.json").read_text())
        for key, schema in document["components"]["schemas"].items():
            found.setdefault(key, schema)
    return found


def _served(schema: dict[str, Any]) -> bool:
    kinds = schema.get("x-kubernetes-group-version-kind", ())
    if any(entry["kind"].endswith("List") for entry in kinds):
        return False
    return any((entry["group"], entry["version"]) in GROUP_VERSIONS for entry in kinds)


def _bare(node: Any, *, in_properties: bool = False) -> Any:
    """The schema without prose; a property may itself be called ``description``."""
    if isinstance(node, dict):
        return {
            key: _bare(value, in_properties=key == "properties" and not in_properties)
            for key, value in node.items()
            if in_properties or key not in {"description", "x-kubernetes-unions"}
        }
    if isinstance(node, list):
        return [_bare(value) for value in node]
    return node


def _reached(schemas: dict[str, Any], roots: list[str]) -> set[str]:
    seen: set[str] = set()
    todo = list(roots)
    while todo:
        name = todo.pop()
        if name not in seen:
            seen.add(name)
            todo.extend(_references(schemas[name]))
    return seen


def _references(node: Any) -> Iterator[str]:
    if isinstance(node, dict):
        for key, value in node.items():
            if key == "$ref" and isinstance(value, str):
                yield value.removeprefix(REF)
            else:
                yield from _references(value)
    elif isinstance(node, list):
        for value in node:
            yield from _references(value)


def _compact(value: Any) -> str:
    return json.dumps(value, separators=(",", ":"))


if __name__ == "__main__":
    main(Path(sys.argv[1]), Path(sys.argv[2]))
