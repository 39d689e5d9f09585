"""What hosts list, as values, and what each kind of host can do.

Owns: `HostRepository`, `HostPull`, the Protocol `Host`, and the small readers of untyped JSON. Implemented by
`backends.hosts.github` and its neighbours; called by `backends.hosts.listing` and `backends.hosts.requests`.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Iterable, Mapping, Sequence
from typing import Any, Protocol, TypeVar
from urllib.parse import parse_qs, urlsplit

import msgspec

from backends.charts_http import Answer
from backends.hosts.api import Query
from fleetui.gitports import GitHost
from fleetui.model.errors import GitError
from fleetui.model.text import quoted, sanitize

T = TypeVar("T")
R = TypeVar("R")


class HostRepository(msgspec.Struct, frozen=True):
    """A repository at one of its branches (`scm_provider.Repository`); `slug`: its name in the host's addresses where
    that is another."""

    organization: str
    repository: str
    url: str
    branch: str
    sha: str = ""
    labels: tuple[str, ...] = ()
    repository_id: str | int = ""
    slug: str = ""


class HostPull(msgspec.Struct, frozen=True):
    """An open pull request (`pull_request.PullRequest`)."""

    number: int
    title: str
    branch: str
    target_branch: str
    head_sha: str
    labels: tuple[str, ...]
    author: str


class Host(Protocol):
    """One kind of host, logged in to. `part`: the provider's own part of a generator.

    All raise `GitError`; `backends.hosts.api.MissingOnHostError` where a repository or organization is not there.
    """

    async def repositories(self, part: Mapping[str, Any], protocol: str) -> list[HostRepository]:
        """Those of an organization, at their default branches; `protocol`: of their addresses, ``ssh``, ``https`` or
        empty."""
        ...

    async def branches(self, part: Mapping[str, Any], repository: HostRepository) -> list[HostRepository]:
        """A repository at its default branch, or with `allBranches` at all, with their commits."""
        ...

    async def has_path(self, part: Mapping[str, Any], repository: HostRepository, path: str) -> bool:
        """Whether there is a file or folder in the repository's branch."""
        ...

    async def pulls(self, part: Mapping[str, Any]) -> list[HostPull]:
        """The pull requests of one repository that are open and have the wanted labels."""
        ...

    def requests(self, path: str) -> GitHost:
        """The pull requests of the repository at a path of the host's web address.

        Raises:
            RefusedError: it is no repository's.
        """
        ...


def clone_url(protocol: str, host: str, *, ssh: str, https: str) -> str:
    """The address for a `cloneProtocol`; ssh where none is named.

    Raises:
        GitError: there is no such protocol.
    """
    if protocol not in ("", "ssh", "https"):
        raise GitError(f"unknown clone protocol for {host} {quoted(protocol)}", "cloneProtocol is ssh or https")
    return https if protocol == "https" else ssh


def get(value: Any, *keys: str) -> Any:
    """What lies under nested keys; None where something else lies on the way."""
    for key in keys:
        value = value.get(key) if isinstance(value, dict) else None
    return value


def words(value: Any, *keys: str) -> str:
    """As `get`, for a text; empty where there is none."""
    found = get(value, *keys)
    return sanitize(found) if isinstance(found, str) else ""


def number(value: Any, *keys: str) -> int:
    """As `get`, for a whole number; 0 where there is none."""
    found = get(value, *keys)
    return found if isinstance(found, int) and not isinstance(found, bool) else 0


def names(value: Any, key: str = "name") -> tuple[str, ...]:
    """The texts of a list, or those under a key of its maps."""
    listed = value if isinstance(value, list) else []
    return tuple(sanitize(each) if isinstance(each, str) else words(each, key) for each in listed)


def wanted_labels(part: Mapping[str, Any]) -> tuple[str, ...]:
    """The `labels` of a generator, all of which a pull request must have."""
    return names(part.get("labels"))


def has_labels(part: Mapping[str, Any], found: Sequence[str]) -> bool:
    return all(label in found for label in wanted_labels(part))


def listed_pulls(part: Mapping[str, Any], listed: Iterable[Any]) -> list[HostPull]:
    """The pull requests that GitHub or Gitea lists, as far as they have the wanted labels."""
    found = [
        HostPull(
            number=number(each, "number"),
            title=words(each, "title"),
            branch=words(each, "head", "ref"),
            target_branch=words(each, "base", "ref"),
            head_sha=words(each, "head", "sha"),
            labels=names(each.get("labels")),
            author=words(each, "user", "login"),
        )
        for each in listed
    ]
    return [each for each in found if has_labels(part, each.labels)]


def next_in_link(answer: Answer, _: Any) -> Query | None:
    """The next page of GitHub and Gitea: the `page` of the ``Link`` with ``rel="next"`` (RFC 8288)."""
    for link in answer.headers.get("link", "").split(","):
        target, _, rest = link.strip().partition(">")
        if 'rel="next"' in rest.replace(" ", ""):
            page = parse_qs(urlsplit(target.removeprefix("<")).query).get("page", [""])[0]
            return {"page": page} if page else None
    return None


async def each(things: Iterable[T], ask: Callable[[T], Awaitable[R]]) -> list[R]:
    """What is answered about each of some things, side by side and in their order; how many at once is `Line`'s to
    say. The first failure ends the others."""
    try:
        async with asyncio.TaskGroup() as group:
            tasks = [group.create_task(_awaited(ask(thing))) for thing in things]
    except BaseExceptionGroup as failed:
        raise failed.exceptions[0] from None
    return [task.result() for task in tasks]


async def _awaited(awaitable: Awaitable[R]) -> R:
    return await awaitable
