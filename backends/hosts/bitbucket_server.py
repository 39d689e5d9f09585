"""Bitbucket Server and Data Center.

Owns: `BitbucketServer`, which implements `backends.hosts.model.Host`, and `base_of`. (Argo CD v3.6.1:
applicationset/services/scm_provider/bitbucket_server.go, applicationset/services/pull_request/bitbucket_server.go,
`NormalizeBitbucketBasePath`; developer.atlassian.com, Bitbucket Data Center REST API 1.0.)
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import msgspec

from backends.charts_http import Answer
from backends.hosts.api import PAGE, Api, Query, file_path, segment
from backends.hosts.model import HostPull, HostRepository, clone_url, each, get, number, words
from backends.hosts.requests import Requests, parts_of
from fleetui.gitports import GitHost, PullRequest
from fleetui.model.errors import GitError

_PAGE = {"limit": PAGE}
HEADERS = {"X-Atlassian-Token": "no-check", "X-Requested-With": "XMLHttpRequest"}
"""Without them a login of a browser is suspected."""


def base_of(api: str) -> str:
    """The interface's address from the one that a generator names.

    Raises:
        GitError: it names none.
    """
    if not api:
        raise GitError("a bitbucketServer generator needs the address of the host", "set its api")
    bare = api.rstrip("/")
    return f"{bare if bare.endswith('/rest') else f'{bare}/rest'}/api/1.0"


class BitbucketServer:
    """See `backends.hosts.model.Host`."""

    def __init__(self, api: Api) -> None:
        self._api = api

    async def repositories(self, part: Mapping[str, Any], protocol: str) -> list[HostRepository]:
        path = f"projects/{segment(words(part, 'project'))}/repos"
        listed = await self._api.pages(path, _PAGE, _following, items=_values)
        found = [
            HostRepository(
                organization=words(one, "project", "key"),
                repository=words(one, "name"),
                url=clone_url(protocol, "Bitbucket Server", ssh=_clone(one, "ssh"), https=_clone(one, "http")),
                branch="",
                repository_id=number(one, "id"),
                slug=words(one, "slug"),
            )
            for one in listed
        ]
        branches = await each(found, self._default_branch)
        return [one for one in branches if one is not None]

    async def branches(self, part: Mapping[str, Any], repository: HostRepository) -> list[HostRepository]:
        if part.get("allBranches") is not True:
            return [repository]
        listed = await self._api.pages(f"{_path_of(repository)}/branches", _PAGE, _following, items=_values)
        return [_at(repository, one) for one in listed]

    async def has_path(self, part: Mapping[str, Any], repository: HostRepository, path: str) -> bool:
        where = f"{_path_of(repository)}/browse/{file_path(path)}"
        return await self._api.find(where, {"at": repository.branch, "type": "true", "limit": 1}) is not None

    async def pulls(self, part: Mapping[str, Any]) -> list[HostPull]:
        path = f"{_path(words(part, 'project'), words(part, 'repo'))}/pull-requests"
        return [
            HostPull(
                number=number(one, "id"),
                title=words(one, "title"),
                branch=words(one, "fromRef", "displayId"),
                target_branch=words(one, "toRef", "displayId"),
                head_sha=words(one, "fromRef", "latestCommit"),
                labels=(),
                author=words(one, "author", "user", "name"),
            )
            for one in await self._api.pages(path, _PAGE, _following, items=_values)
        ]

    def requests(self, path: str) -> GitHost:
        parts = [part for part in path.split("/") if part]
        # Addresses of clones have ``scm`` before the project, those of pages ``projects`` and ``repos``.
        bare = "/".join(part for part in parts[:-1] if part not in ("scm", "projects", "repos"))
        project, slug = parts_of(f"{bare}/{parts[-1] if parts else ''}", "Bitbucket Server", least=2, most=2)
        return _Requests(self._api, project, slug)

    async def _default_branch(self, repository: HostRepository) -> HostRepository | None:
        """None where there is none: the branch that is set does not exist, or the repository is empty."""
        found = await self._api.find(f"{_path_of(repository)}/branches/default")
        return None if found is None else _at(repository, found)


class _Requests(Requests):
    def __init__(self, api: Api, project: str, slug: str) -> None:
        self._api = api
        self._repository = {"slug": slug, "project": {"key": project}}
        self._path = f"{_path(project, slug)}/pull-requests"

    async def pull_request(self, number: int) -> PullRequest:
        return _pull_request(await self._api.get(f"{self._path}/{number}"))

    async def _opened(self, head: str, base: str) -> PullRequest | None:
        query: Query = {"state": "OPEN", "direction": "OUTGOING", "at": f"refs/heads/{head}", **_PAGE}
        listed = await self._api.pages(self._path, query, _following, items=_values)
        fits = [one for one in listed if words(one, "toRef", "displayId") == base]
        return _pull_request(fits[0]) if fits else None

    async def _make(self, head: str, base: str, title: str, body: str) -> PullRequest:
        content = {
            "title": title,
            "description": body,
            "fromRef": {"id": f"refs/heads/{head}", "repository": self._repository},
            "toRef": {"id": f"refs/heads/{base}", "repository": self._repository},
        }
        return _pull_request(await self._api.post(self._path, content))


def _pull_request(value: Any) -> PullRequest:
    state = words(value, "state")
    links = get(value, "links", "self")
    return PullRequest(
        url=words(links[0], "href") if isinstance(links, list) and links else "",
        number=number(value, "id"),
        state={"OPEN": "open", "MERGED": "merged"}.get(state, "closed"),
        merge_commit=words(value, "properties", "mergeCommit", "id") if state == "MERGED" else "",
    )


def _at(repository: HostRepository, branch: Any) -> HostRepository:
    name, sha = words(branch, "displayId"), words(branch, "latestCommit")
    return msgspec.structs.replace(repository, branch=name, sha=sha)


def _clone(repository: Any, name: str) -> str:
    clones = get(repository, "links", "clone")
    found = (words(one, "href") for one in clones if words(one, "name") == name) if isinstance(clones, list) else ()
    return next(iter(found), "")


def _values(value: Any) -> Any:
    return get(value, "values")


def _following(_: Answer, value: Any) -> Query | None:
    return {"start": number(value, "nextPageStart")} if get(value, "isLastPage") is False else None


def _path_of(repository: HostRepository) -> str:
    return _path(repository.organization, repository.slug or repository.repository)


def _path(project: str, slug: str) -> str:
    return f"projects/{segment(project)}/repos/{segment(slug)}"
