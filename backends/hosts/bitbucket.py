"""Bitbucket Cloud.

Owns: `Bitbucket`, which implements `backends.hosts.model.Host`. (Argo CD v3.6.1:
applicationset/services/scm_provider/bitbucket_cloud.go, applicationset/services/pull_request/bitbucket_cloud.go, with
go-bitbucket; developer.atlassian.com, Bitbucket Cloud REST API 2.0. Unlike there, lists of branches are read to their
end, and a repository without any branch is left out instead of failing all.)
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any
from urllib.parse import parse_qsl, urlsplit

import msgspec

from backends.charts_http import Answer
from backends.hosts.api import PAGE, Api, Query, file_path, segment
from backends.hosts.model import HostPull, HostRepository, get, number, words
from backends.hosts.requests import Requests, parts_of
from fleetui.gitports import GitHost, PullRequest
from fleetui.model.errors import GitError
from fleetui.model.text import quoted

PUBLIC = "https://api.bitbucket.org/2.0"
_PULLS = 50
"""The largest page of pull requests."""


class Bitbucket:
    """See `backends.hosts.model.Host`."""

    def __init__(self, api: Api) -> None:
        self._api = api

    async def repositories(self, part: Mapping[str, Any], protocol: str) -> list[HostRepository]:
        owner = words(part, "owner")
        path = f"repositories/{segment(owner)}"
        listed = await self._api.pages(path, {"role": "member", "pagelen": PAGE}, _following, items=_values)
        return [
            HostRepository(
                organization=owner,
                repository=words(each, "slug"),
                url=_clone_url(each, protocol or "ssh"),
                branch=words(each, "mainbranch", "name"),
                repository_id=words(each, "uuid"),
            )
            for each in listed
            if words(each, "mainbranch", "name")
        ]

    async def branches(self, part: Mapping[str, Any], repository: HostRepository) -> list[HostRepository]:
        path = f"{_path(repository.organization, repository.repository)}/refs/branches"
        if part.get("allBranches") is True:
            found = await self._api.pages(path, {"pagelen": PAGE}, _following, items=_values)
        else:
            found = [await self._api.get(f"{path}/{segment(repository.branch)}")]
        return [
            msgspec.structs.replace(repository, branch=words(each, "name"), sha=words(each, "target", "hash"))
            for each in found
        ]

    async def has_path(self, part: Mapping[str, Any], repository: HostRepository, path: str) -> bool:
        where = f"{_path(repository.organization, repository.repository)}/src/{segment(repository.sha)}"
        return await self._api.find(f"{where}/{file_path(path)}", {"format": "meta"}) is not None

    async def pulls(self, part: Mapping[str, Any]) -> list[HostPull]:
        path = f"{_path(words(part, 'owner'), words(part, 'repo'))}/pullrequests"
        listed = await self._api.pages(path, {"pagelen": _PULLS}, _following, items=_values)
        return [
            HostPull(
                number=number(each, "id"),
                title=words(each, "title"),
                branch=words(each, "source", "branch", "name"),
                target_branch=words(each, "destination", "branch", "name"),
                head_sha=words(each, "source", "commit", "hash"),
                labels=(),
                author=words(each, "author", "nickname"),
            )
            for each in listed
        ]

    def requests(self, path: str) -> GitHost:
        return _Requests(self._api, _path(*parts_of(path, "Bitbucket", least=2, most=2)))


class _Requests(Requests):
    def __init__(self, api: Api, path: str) -> None:
        self._api = api
        self._path = f"{path}/pullrequests"

    async def pull_request(self, number: int) -> PullRequest:
        return _pull_request(await self._api.get(f"{self._path}/{number}"))

    async def _opened(self, head: str, base: str) -> PullRequest | None:
        wanted = f"source.branch.name={_text(head)} AND destination.branch.name={_text(base)}"
        query: Query = {"q": f'state="OPEN" AND {wanted}', "pagelen": _PULLS}
        listed = await self._api.pages(self._path, query, _following, items=_values)
        return _pull_request(listed[0]) if listed else None

    async def _make(self, head: str, base: str, title: str, body: str) -> PullRequest:
        content = {
            "title": title,
            "description": body,
            "source": {"branch": {"name": head}},
            "destination": {"branch": {"name": base}},
        }
        return _pull_request(await self._api.post(self._path, content))


def _pull_request(value: Any) -> PullRequest:
    state = words(value, "state")
    return PullRequest(
        url=words(value, "links", "html", "href"),
        number=number(value, "id"),
        state={"OPEN": "open", "MERGED": "merged"}.get(state, "closed"),
        merge_commit=words(value, "merge_commit", "hash") if state == "MERGED" else "",
    )


def _clone_url(repository: Mapping[str, Any], protocol: str) -> str:
    clones = get(repository, "links", "clone")
    for clone in clones if isinstance(clones, list) else ():
        if words(clone, "name") == protocol:
            return words(clone, "href")
    raise GitError(f"unknown clone protocol for Bitbucket Cloud {quoted(protocol)}", "cloneProtocol is ssh or https")


def _values(value: Any) -> Any:
    return get(value, "values")


def _following(_: Answer, value: Any) -> Query | None:
    """What `next` asks for; only its query is taken, so that it leads nowhere else."""
    following = words(value, "next")
    return dict(parse_qsl(urlsplit(following).query)) if following else None


def _text(value: str) -> str:
    """A string of Bitbucket's query language."""
    escaped = value.replace("\\", "\\\\").replace('"', '\\"')
    return f'"{escaped}"'


def _path(owner: str, name: str) -> str:
    return f"repositories/{segment(owner)}/{segment(name)}"
