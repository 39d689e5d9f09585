"""The resources that one embedded API server serves: Kubernetes' own and those of definitions.

Owns: `ResourceType` and the registry of one store. Filled from ``data/kubernetes.json``, and by `crds` as definitions
come and go. Knows nothing of objects.
"""

from __future__ import annotations

from collections.abc import Iterator
from functools import cache
from pathlib import Path
from typing import Any

import msgspec

from fleetui.model.objects import join_api_version, split_api_version

SERVER_VERSION = "v1.37.2"
"""The Kubernetes version whose behaviour is followed; a test compares it with the data file."""


class Subresource(msgspec.Struct, frozen=True):
    """What discovery says of ``pods/status``: the kind that it speaks, and its verbs."""

    group: str
    version: str
    kind: str
    verbs: tuple[str, ...] = ()


class ResourceType(msgspec.Struct, frozen=True, eq=False):
    """One resource as it is served in one version.

    `storage_version` is the version in which its objects are kept; custom resources alone have several versions.
    `schema` is the OpenAPI schema of a custom resource's version, None for a built-in one (`schemas` knows those).
    """

    group: str
    version: str
    kind: str
    plural: str
    namespaced: bool
    verbs: tuple[str, ...]
    singular: str = ""
    short_names: tuple[str, ...] = ()
    categories: tuple[str, ...] = ()
    subresources: dict[str, Subresource] = {}
    list_kind: str = ""
    storage_version: str = ""
    custom: bool = False
    schema: dict[str, Any] | None = None
    columns: tuple[dict[str, Any], ...] = ()
    scale_paths: dict[str, str] | None = None
    selectable: tuple[str, ...] = ()

    @property
    def group_kind(self) -> tuple[str, str]:
        return self.group, self.kind

    @property
    def group_plural(self) -> tuple[str, str]:
        return self.group, self.plural

    @property
    def api_version(self) -> str:
        return join_api_version(self.group, self.version)

    @property
    def storage_api_version(self) -> str:
        return join_api_version(self.group, self.storage_version or self.version)

    @property
    def has_status(self) -> bool:
        """Whether `.status` is written by the status subresource alone."""
        return "status" in self.subresources

    @property
    def list_name(self) -> str:
        return self.list_kind or f"{self.kind}List"


class _Catalogue(msgspec.Struct):
    version: str
    resources: list[ResourceType]
    schemas: dict[str, msgspec.Raw]


@cache
def catalogue() -> _Catalogue:
    """The built-in resources and schemas; read once in a process and shared by all servers."""
    body = Path(__file__).with_name("data").joinpath("kubernetes.json").read_bytes()
    return msgspec.json.decode(body, type=_Catalogue)


class Registry:
    """The resources of one server, found by path, by kind or by object."""

    def __init__(self) -> None:
        self._by_path: dict[tuple[str, str, str], ResourceType] = {}
        self._by_kind: dict[tuple[str, str, str], ResourceType] = {}
        self._stored: dict[tuple[str, str], ResourceType] = {}
        self.generation = 0
        """Grows with each change; whoever caches what follows from the registry compares it."""
        for resource in catalogue().resources:
            self.add(resource)

    def __iter__(self) -> Iterator[ResourceType]:
        return iter(self._by_path.values())

    def add(self, resource: ResourceType) -> None:
        """Serves `resource`; another one with the same group, version and plural is replaced."""
        self._by_path[resource.group, resource.version, resource.plural] = resource
        if "get" in resource.verbs or resource.group_kind not in self._stored:
            self._by_kind[resource.group, resource.version, resource.kind] = resource
        if not resource.storage_version or resource.storage_version == resource.version:
            self._stored[resource.group_kind] = resource
        self.generation += 1

    def remove(self, group: str, plural: str) -> None:
        """Serves it in no version any more; harmless where it was not served."""
        for path, resource in list(self._by_path.items()):
            if resource.group_plural == (group, plural):
                del self._by_path[path]
                self._by_kind.pop((group, resource.version, resource.kind), None)
                self._stored.pop(resource.group_kind, None)
        self.generation += 1

    def lookup(self, group: str, version: str, plural: str) -> ResourceType | None:
        """The resource at ``/apis/GROUP/VERSION/PLURAL``, or None."""
        return self._by_path.get((group, version, plural))

    def serves(self, group: str, version: str) -> bool:
        """Whether anything is served in a group and version."""
        return any(path[:2] == (group, version) for path in self._by_path)

    def is_built_in(self, group: str) -> bool:
        """Whether the group is one of Kubernetes' own."""
        return any(not resource.custom for path, resource in self._by_path.items() if path[0] == group)

    def is_custom(self, group: str) -> bool:
        """Whether definitions made the group."""
        return any(resource.custom for path, resource in self._by_path.items() if path[0] == group)

    def by_kind(self, group: str, kind: str) -> ResourceType | None:
        """The resource of a kind in its storage version, or None."""
        return self._stored.get((group, kind))

    def of(self, obj: dict[str, Any]) -> ResourceType | None:
        """The resource of an object, in the version that the object names, or None."""
        group, version = split_api_version(str(obj.get("apiVersion", "")))
        return self._by_kind.get((group, version, str(obj.get("kind", ""))))
