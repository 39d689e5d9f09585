"""Discovery: what the server says that it serves.

Owns: the plain documents (/api, /apis, /apis/G, /apis/G/V) and the aggregated one. Pure functions over the registry.
Called by `handlers`. Rules: apiserver v0.37 pkg/endpoints/discovery.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import msgspec

from backends.embedded.crds import version_rank
from backends.embedded.errors import PageNotFoundError, no_such_path
from backends.embedded.registry import Registry, ResourceType, Subresource
from fleetui.model.objects import join_api_version

Obj = dict[str, Any]
AGGREGATED = "application/json;g=apidiscovery.k8s.io;v=v2;as=APIGroupDiscoveryList"


def wants_aggregated(accept: str) -> bool:
    """Whether an Accept header prefers the aggregated document."""
    for clause in accept.split(","):
        parts = {part.strip() for part in clause.split(";")}
        if {"g=apidiscovery.k8s.io", "v=v2", "as=APIGroupDiscoveryList"} <= parts:
            return "application/json" in parts
        if clause.strip() in ("application/json", "*/*"):
            return False
    return False


def groups(registry: Registry) -> dict[str, dict[str, list[ResourceType]]]:
    """The resources by group and version: built-in groups in their own order, then those of definitions by name."""
    found: dict[str, dict[str, list[ResourceType]]] = {}
    for resource in registry:
        found.setdefault(resource.group, {}).setdefault(resource.version, []).append(resource)
    builtin = [group for group, versions in found.items() if not _custom(versions)]
    custom = sorted(group for group, versions in found.items() if _custom(versions))
    return {group: {v: found[group][v] for v in sorted(found[group], key=version_rank)} for group in builtin + custom}


def _custom(versions: dict[str, list[ResourceType]]) -> bool:
    return all(resource.custom for resources in versions.values() for resource in resources)


def aggregated(registry: Registry, *, core: bool) -> bytes:
    """The APIGroupDiscoveryList of /api (`core`) or of /apis."""
    items = []
    for group, versions in groups(registry).items():
        if (group == "") is core:
            items.append(
                {
                    "metadata": {"name": group} if group else {},
                    "versions": [
                        {"version": version, "resources": [_entry(r) for r in resources], "freshness": "Current"}
                        for version, resources in versions.items()
                    ],
                }
            )
    head = {"kind": "APIGroupDiscoveryList", "apiVersion": "apidiscovery.k8s.io/v2", "metadata": {}}
    return msgspec.json.encode(head | {"items": items})


def _entry(resource: ResourceType) -> Obj:
    entry: Obj = {
        "resource": resource.plural,
        "responseKind": {"group": "", "version": "", "kind": resource.kind},  # that is: the list's own
        "scope": "Namespaced" if resource.namespaced else "Cluster",
        "singularResource": resource.singular,
        "verbs": resource.verbs,
    }
    if resource.short_names:
        entry["shortNames"] = resource.short_names
    if resource.categories:
        entry["categories"] = resource.categories
    if resource.subresources:
        entry["subresources"] = [
            {
                "subresource": name,
                "responseKind": _foreign(resource, sub) | {"kind": sub.kind},
                "verbs": sub.verbs,
            }
            for name, sub in sorted(resource.subresources.items())
        ]
    return entry


def _foreign(resource: ResourceType, sub: Subresource) -> Obj:
    if (sub.group, sub.version) == (resource.group, resource.version):
        return {"group": "", "version": ""}
    return {"group": sub.group, "version": sub.version}


def versions_document(address: str) -> Obj:
    """/api."""
    addresses = [{"clientCIDR": "0.0.0.0/0", "serverAddress": address}]
    return {"kind": "APIVersions", "versions": ["v1"], "serverAddressByClientCIDRs": addresses}


def groups_document(registry: Registry) -> Obj:
    """/apis."""
    found = [_group(group, versions) for group, versions in groups(registry).items() if group]
    return {"kind": "APIGroupList", "apiVersion": "v1", "groups": found}


def group_document(registry: Registry, group: str) -> Obj:
    """/apis/GROUP.

    Raises:
        ApiError: 404.
    """
    versions = groups(registry).get(group)
    if not versions:
        raise PageNotFoundError
    return {"kind": "APIGroup", "apiVersion": "v1"} | _group(group, versions)


def _group(group: str, versions: dict[str, list[ResourceType]]) -> Obj:
    listed = [{"groupVersion": f"{group}/{version}", "version": version} for version in versions]
    return {"name": group, "versions": listed, "preferredVersion": listed[0]}


def resources_document(registry: Registry, group: str, version: str) -> Obj:
    """/api/v1 or /apis/GROUP/VERSION.

    Raises:
        ApiError: 404.
    """
    resources = groups(registry).get(group, {}).get(version)
    if not resources:
        raise no_such_path() if registry.is_built_in(group) else PageNotFoundError
    entries = [entry for resource in resources for entry in _flat(resource)]
    head: Obj = {"kind": "APIResourceList"} | ({"apiVersion": "v1"} if group else {})
    return head | {"groupVersion": join_api_version(group, version), "resources": entries}


def _flat(resource: ResourceType) -> Iterator[Obj]:
    entry: Obj = {
        "name": resource.plural,
        "singularName": resource.singular,
        "namespaced": resource.namespaced,
        "kind": resource.kind,
        "verbs": resource.verbs,
    }
    if resource.short_names:
        entry["shortNames"] = resource.short_names
    if resource.categories:
        entry["categories"] = resource.categories
    yield entry
    for name, sub in sorted(resource.subresources.items()):
        foreign = {} if sub.group == resource.group else {"group": sub.group, "version": sub.version}
        yield {
            "name": f"{resource.plural}/{name}",
            "singularName": "",
            "namespaced": resource.namespaced,
            **foreign,
            "kind": sub.kind,
            "verbs": sub.verbs,
        }
