"""What an API server serves.

Owns: `discover`. Called by `backends.kube.cluster`, which keeps the answer. Aggregated discovery (Kubernetes 1.26 and
later) takes two requests for everything; an older server is asked for each group and version. A third request asks
for the server's version.
"""

from __future__ import annotations

import asyncio
from collections.abc import Iterable, Iterator
from functools import partial
from typing import Protocol, TypeVar

import msgspec

from fleetui.model.errors import ClusterError, StatusError, UnauthorizedError, UnreachableError
from fleetui.model.objects import ApiResource, Discovery, join_api_version
from fleetui.model.text import one_line

ACCEPT = ",".join(
    [
        "application/json;g=apidiscovery.k8s.io;v=v2;as=APIGroupDiscoveryList",
        "application/json;g=apidiscovery.k8s.io;v=v2beta1;as=APIGroupDiscoveryList",
        "application/json",
    ]
)
"""Aggregated discovery where the server has it, else the plain one (KEP-3352)."""
_PARALLEL = 8
"""Groups asked at a time, where the server is an old one."""

T = TypeVar("T")


class Source(Protocol):
    """What discovery asks; `backends.kube.transport.Transport` is one."""

    async def request(self, method: str, path: str, *, accept: str = ..., verb: str = ...) -> bytes: ...


class _Ask(Protocol):
    """Asks for a path, and for an answer of a shape."""

    async def __call__(self, path: str, shape: type[T]) -> T: ...


# --- shapes: k8s.io/api/apidiscovery/v2 and k8s.io/apimachinery/pkg/apis/meta/v1 ----------------------------------


class _Kind(msgspec.Struct):
    kind: str = ""


class _Subresource(msgspec.Struct):
    subresource: str


class _AggregatedResource(msgspec.Struct, rename="camel"):
    resource: str
    response_kind: _Kind | None = None
    scope: str = ""
    singular_resource: str = ""
    verbs: list[str] | None = None
    short_names: list[str] | None = None
    categories: list[str] | None = None
    subresources: list[_Subresource] | None = None


class _AggregatedVersion(msgspec.Struct):
    version: str
    resources: list[_AggregatedResource] | None = None
    freshness: str = ""


class _Name(msgspec.Struct):
    name: str = ""


class _AggregatedGroup(msgspec.Struct):
    metadata: _Name = msgspec.field(default_factory=_Name)
    versions: list[_AggregatedVersion] | None = None


class _GroupVersion(msgspec.Struct):
    version: str


class _Group(msgspec.Struct, rename="camel"):
    name: str
    versions: list[_GroupVersion]
    preferred_version: _GroupVersion | None = None


class _Answer(msgspec.Struct):
    """Of ``/api`` and ``/apis``: an APIGroupDiscoveryList has items, an APIGroupList groups, APIVersions versions."""

    kind: str = ""
    items: list[_AggregatedGroup] | None = None
    groups: list[_Group] | None = None
    versions: list[str] | None = None


class _PlainResource(msgspec.Struct, rename="camel"):
    name: str
    kind: str
    namespaced: bool = False
    singular_name: str = ""
    verbs: list[str] | None = None
    short_names: list[str] | None = None
    categories: list[str] | None = None


class _PlainResources(msgspec.Struct):
    resources: list[_PlainResource] | None = None


class _Version(msgspec.Struct, rename="camel"):
    git_version: str = ""


# --- asking -------------------------------------------------------------------------------------------------------


async def discover(source: Source, *, cluster: str = "") -> Discovery:
    """Everything that the server serves, groups and versions in its own order of preference.

    A group that can't be asked, because the API service behind it is dead, is named in `Discovery.failed`.

    Raises:
        ClusterError: the server itself can't be asked, or does not answer as Kubernetes does.
    """
    ask = partial(_ask, source, cluster=cluster)
    core, groups, version = await asyncio.gather(ask("/api", _Answer), ask("/apis", _Answer), _server_version(ask))
    resources: list[ApiResource] = []
    failed: list[str] = []
    for answer in (core, groups):
        if answer.items is not None:
            resources += _aggregated(answer.items)
            failed += _stale(answer.items)
        else:
            found, dead = await _plain(ask, _group_versions(answer))
            resources += found
            failed += dead
    return Discovery(filter(_sane, resources), version=version, failed=map(one_line, failed))


def _sane(resource: ApiResource) -> bool:
    """Whether a person may see the resource's names; no server of good will has others."""
    names = (resource.group, resource.version, resource.kind, resource.plural, resource.singular)
    return all(map(str.isprintable, (*names, *resource.short_names, *resource.categories)))


async def _ask(source: Source, path: str, shape: type[T], *, cluster: str) -> T:
    body = await source.request("GET", path, accept=ACCEPT, verb="DISCOVER")
    try:
        return msgspec.json.decode(body, type=shape)
    except (msgspec.DecodeError, UnicodeDecodeError) as error:
        message = f"the answer to GET {path} is not what a Kubernetes API server sends"
        raise StatusError(message, cluster=cluster) from error


async def _server_version(ask: _Ask) -> str:
    try:
        return one_line((await ask("/version", _Version)).git_version)
    except (UnreachableError, UnauthorizedError):
        raise
    except ClusterError:
        return ""


# --- aggregated ---------------------------------------------------------------------------------------------------


def _aggregated(groups: Iterable[_AggregatedGroup]) -> Iterator[ApiResource]:
    for group in groups:
        for version in group.versions or ():
            for resource in version.resources or ():
                if resource.response_kind is not None and resource.response_kind.kind:
                    yield _of_aggregated(group.metadata.name, version.version, resource)


def _of_aggregated(group: str, version: str, resource: _AggregatedResource) -> ApiResource:
    kind = resource.response_kind.kind if resource.response_kind else ""
    return ApiResource(
        group=group,
        version=version,
        kind=kind,
        plural=resource.resource,
        namespaced=resource.scope == "Namespaced",
        verbs=frozenset(resource.verbs or ()),
        short_names=tuple(resource.short_names or ()),
        singular=resource.singular_resource or kind.lower(),
        subresources=frozenset(sub.subresource for sub in resource.subresources or ()),
        categories=tuple(resource.categories or ()),
    )


def _stale(groups: Iterable[_AggregatedGroup]) -> Iterator[str]:
    """The versions whose API service did not answer the server; what it served before may still be listed."""
    for group in groups:
        for version in group.versions or ():
            if version.freshness == "Stale":
                yield join_api_version(group.metadata.name, version.version)


# --- plain --------------------------------------------------------------------------------------------------------


def _group_versions(answer: _Answer) -> list[tuple[str, str]]:
    pairs = [("", version) for version in answer.versions or ()]
    for group in answer.groups or ():
        versions = [version.version for version in group.versions]
        preferred = group.preferred_version.version if group.preferred_version else ""
        # A stable sort: the preferred version first, the others as the server has them.
        pairs += [(group.name, version) for version in sorted(versions, key=lambda version: version != preferred)]
    return pairs


async def _plain(ask: _Ask, pairs: list[tuple[str, str]]) -> tuple[list[ApiResource], list[str]]:
    slots = asyncio.Semaphore(_PARALLEL)

    async def one(group: str, version: str) -> _PlainResources | None:
        path = f"/apis/{group}/{version}" if group else f"/api/{version}"
        try:
            async with slots:
                return await ask(path, _PlainResources)
        except StatusError:
            return None

    answers = await asyncio.gather(*(one(group, version) for group, version in pairs))
    resources: list[ApiResource] = []
    failed: list[str] = []
    for (group, version), answer in zip(pairs, answers, strict=True):
        if answer is None:
            failed.append(join_api_version(group, version))
        else:
            resources += _of_plain(group, version, answer.resources or [])
    return resources, failed


def _of_plain(group: str, version: str, resources: list[_PlainResource]) -> Iterator[ApiResource]:
    subresources: dict[str, set[str]] = {}
    for resource in resources:
        parent, slash, name = resource.name.partition("/")
        if slash:
            subresources.setdefault(parent, set()).add(name)
    for resource in resources:
        if "/" not in resource.name:
            yield ApiResource(
                group=group,
                version=version,
                kind=resource.kind,
                plural=resource.name,
                namespaced=resource.namespaced,
                verbs=frozenset(resource.verbs or ()),
                short_names=tuple(resource.short_names or ()),
                singular=resource.singular_name or resource.kind.lower(),
                subresources=frozenset(subresources.get(resource.name, ())),
                categories=tuple(resource.categories or ()),
            )
