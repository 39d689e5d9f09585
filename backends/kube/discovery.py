"""What an API server serves.

Owns: `discover` and `Served`. Called by `backends.kube.served`, which keeps the answer. Aggregated discovery (since
Kubernetes 1.26) takes two requests for everything, and two empty answers where it is at hand and has not changed; an
older server is asked for each group and version. A third request asks for the server's version.
"""

from __future__ import annotations

import asyncio
from collections.abc import Iterable, Iterator
from functools import partial
from typing import Protocol, TypeVar

import msgspec

from backends.kube.etag import Tag
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

    async def request(self, method: str, path: str, *, accept: str, verb: str, tag: Tag | None) -> bytes: ...


class _Ask(Protocol):
    """Asks for a path, and for an answer of a shape."""

    async def __call__(self, path: str, shape: type[T], tag: Tag | None = None) -> T: ...


class Document(msgspec.Struct, frozen=True):
    """What ``/api`` or ``/apis`` says, itself or by way of the groups that it names."""

    resources: tuple[ApiResource, ...] = ()
    failed: tuple[str, ...] = ()
    etag: str = ""
    """Empty where the server has no word for whether it changed."""


class Served(msgspec.Struct, frozen=True):
    """What a server serves, in a form to be kept."""

    version: str
    core: Document
    groups: Document

    def discovery(self) -> Discovery:
        failed = (*self.core.failed, *self.groups.failed)
        return Discovery((*self.core.resources, *self.groups.resources), version=self.version, failed=failed)


_NOTHING = Served("", Document(), Document())


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


async def discover(source: Source, *, cluster: str = "", known: Served | None = None) -> Served:
    """Everything that the server serves, groups and versions in its own order of preference.

    A group that can't be asked, because the API service behind it is dead or it is forbidden, is named as failed, and
    touches no other.

    Args:
        known: what it served before; what of it has not changed is not sent again.

    Raises:
        ClusterError: the server itself can't be asked, or does not answer as Kubernetes does.
    """
    ask = partial(_ask, source, cluster=cluster)
    before = known or _NOTHING
    core, groups, version = await asyncio.gather(
        _document(ask, "/api", before.core), _document(ask, "/apis", before.groups), _server_version(ask)
    )
    return Served(version, core, groups)


async def _document(ask: _Ask, path: str, known: Document) -> Document:
    tag = Tag(known.etag)
    answer = await ask(path, _Answer, tag)
    if tag.unchanged:
        return known
    if answer.items is not None:
        resources, failed, etag = list(_aggregated(answer.items)), list(_stale(answer.items)), tag.value
    else:
        resources, failed = await _plain(ask, _group_versions(answer))
        etag = ""
    return Document(tuple(filter(sane, resources)), tuple(map(one_line, failed)), etag)


def sane(resource: ApiResource) -> bool:
    """Whether its names may be shown to a person and be part of a path; no server of good will has others."""
    path = (resource.group, resource.version, resource.plural)
    names = (*path, resource.kind, resource.singular, *resource.short_names, *resource.categories)
    return all(map(str.isprintable, names)) and not any("/" in name or ".." in name for name in path)


async def _ask(source: Source, path: str, shape: type[T], tag: Tag | None = None, *, cluster: str) -> T:
    body = await source.request("GET", path, accept=ACCEPT, verb="DISCOVER", tag=tag)
    try:
        return msgspec.json.decode(b"{}" if tag is not None and tag.unchanged else body, type=shape)
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
