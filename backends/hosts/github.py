"""GitHub and GitHub Enterprise.

Owns: `GitHub`, which implements `backends.hosts.model.Host`, and `base_of`. (Argo CD v3.6.1:
applicationset/services/scm_provider/github.go, applicationset/services/pull_request/github.go, with go-github v69;
docs.github.com, REST API version 2022-11-28.)
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any
from urllib.parse import urlsplit

import msgspec

from backends.hosts.api import PAGE, Api, file_path, segment
from backends.hosts.model import (
    HostPull,
    HostRepository,
    clone_url,
    get,
    listed_pulls,
    names,
    next_in_link,
    number,
    words,
)
from backends.hosts.requests import Requests, parts_of
from fleetui.gitports import GitHost, PullRequest

PUBLIC = "https://api.github.com"


def base_of(api: str) -> str:
    """The interface's address from the one that a generator names (go-github's `WithEnterpriseURLs`)."""
    if not api:
        return PUBLIC
    bare = api.rstrip("/")
    host = urlsplit(bare).netloc
    if bare.endswith("/api/v3") or host.startswith("api.") or ".api." in host:
        return bare
    return f"{bare}/api/v3"


class GitHub:
    """See `backends.hosts.model.Host`."""

    def __init__(self, api: Api) -> None:
        self._api = api

    async def repositories(self, part: Mapping[str, Any], protocol: str) -> list[HostRepository]:
        path = f"orgs/{segment(words(part, 'organization'))}/repos"
        listed = await self._api.pages(path, {"per_page": PAGE}, next_in_link)
        return [
            HostRepository(
                organization=words(each, "owner", "login"),
                repository=words(each, "name"),
                url=clone_url(protocol, "GitHub", ssh=words(each, "ssh_url"), https=words(each, "clone_url")),
                branch=words(each, "default_branch"),
                labels=names(each.get("topics")),
                repository_id=number(each, "id"),
            )
            for each in listed
            if not (part.get("excludeArchivedRepos") is True and each.get("archived") is True)
        ]

    async def branches(self, part: Mapping[str, Any], repository: HostRepository) -> list[HostRepository]:
        path = f"{_path(repository.organization, repository.repository)}/branches"
        if part.get("allBranches") is True:
            found = await self._api.pages(path, {"per_page": PAGE}, next_in_link)
        else:
            # An empty repository names a default branch that there is not.
            one = await self._api.find(f"{path}/{segment(repository.branch)}")
            found = [] if one is None else [one]
        return [
            msgspec.structs.replace(repository, branch=words(each, "name"), sha=words(each, "commit", "sha"))
            for each in found
        ]

    async def has_path(self, part: Mapping[str, Any], repository: HostRepository, path: str) -> bool:
        where = f"{_path(repository.organization, repository.repository)}/contents/{file_path(path)}"
        return await self._api.has(where, {"ref": repository.branch})

    async def pulls(self, part: Mapping[str, Any]) -> list[HostPull]:
        path = f"{_path(words(part, 'owner'), words(part, 'repo'))}/pulls"
        listed = await self._api.pages(path, {"per_page": PAGE}, next_in_link)
        return listed_pulls(part, listed)

    def requests(self, path: str) -> GitHost:
        return _Requests(self._api, *parts_of(path, "GitHub", least=2, most=2))


class _Requests(Requests):
    def __init__(self, api: Api, owner: str, name: str) -> None:
        self._api = api
        self._owner = owner
        self._path = f"{_path(owner, name)}/pulls"

    async def pull_request(self, number: int) -> PullRequest:
        return _pull_request(await self._api.get(f"{self._path}/{number}"))

    async def _make(self, head: str, base: str, title: str, body: str) -> PullRequest:
        content = {"title": title, "head": head, "base": base, "body": body}
        return _pull_request(await self._api.post(self._path, content))

    async def _opened(self, head: str, base: str) -> PullRequest | None:
        query = {"state": "open", "head": f"{self._owner}:{head}", "base": base}
        listed = await self._api.get(self._path, query)
        # A host that knows no such filter answers with all of them.
        fits = [each for each in listed or () if get(each, "head", "ref") == head and get(each, "base", "ref") == base]
        return _pull_request(fits[0]) if fits else None


def _pull_request(value: Any) -> PullRequest:
    merged = get(value, "merged") is True or bool(words(value, "merged_at"))
    commit = words(value, "merge_commit_sha") if merged else ""
    return PullRequest(
        url=words(value, "html_url"),
        number=number(value, "number"),
        state="merged" if merged else "open" if words(value, "state") == "open" else "closed",
        merge_commit=commit,
    )


def _path(owner: str, name: str) -> str:
    return f"repos/{segment(owner)}/{segment(name)}"
