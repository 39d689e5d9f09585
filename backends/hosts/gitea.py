"""Gitea and Forgejo.

Owns: `Gitea`, which implements `backends.hosts.model.Host`, and `base_of`. (Argo CD v3.6.1:
applicationset/services/scm_provider/gitea.go, applicationset/services/pull_request/gitea.go. Unlike there, lists are
read to their end, not to the end of their first page.)
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import msgspec

from backends.hosts.api import Api, MissingOnHostError, file_path, segment
from backends.hosts.model import (
    HostPull,
    HostRepository,
    clone_url,
    each,
    get,
    listed_pulls,
    names,
    next_in_link,
    number,
    words,
)
from backends.hosts.requests import Requests, parts_of
from fleetui.gitports import GitHost, PullRequest
from fleetui.model.errors import GitError

_PAGE = {"limit": 50}
"""What a server gives at most unless it is told otherwise (``MAX_RESPONSE_ITEMS``)."""


def base_of(api: str) -> str:
    """The interface's address from the one that a generator names.

    Raises:
        GitError: it names none.
    """
    if not api:
        raise GitError("a gitea generator needs the address of the host", "set its api")
    return f"{api.rstrip('/')}/api/v1"


class Gitea:
    """See `backends.hosts.model.Host`."""

    def __init__(self, api: Api) -> None:
        self._api = api

    async def repositories(self, part: Mapping[str, Any], protocol: str) -> list[HostRepository]:
        owner = words(part, "owner")
        listed = await self._api.pages(f"orgs/{segment(owner)}/repos", _PAGE, next_in_link)
        kept = [one for one in listed if not (part.get("excludeArchivedRepos") is True and one.get("archived") is True)]
        labels = await each(kept, lambda one: self._labels(owner, words(one, "name")))
        return [
            HostRepository(
                organization=owner,
                repository=words(one, "name"),
                url=clone_url(protocol, "Gitea", ssh=words(one, "ssh_url"), https=words(one, "html_url")),
                branch=words(one, "default_branch"),
                labels=found,
                repository_id=number(one, "id"),
            )
            for one, found in zip(kept, labels, strict=True)
        ]

    async def _labels(self, owner: str, name: str) -> tuple[str, ...]:
        return names(await self._api.pages(f"{_path(owner, name)}/labels", _PAGE, next_in_link))

    async def branches(self, part: Mapping[str, Any], repository: HostRepository) -> list[HostRepository]:
        path = f"{_path(repository.organization, repository.repository)}/branches"
        if part.get("allBranches") is True:
            found = await self._api.pages(path, _PAGE, next_in_link)
        else:
            try:
                found = [await self._api.get(f"{path}/{segment(repository.branch)}")]
            except MissingOnHostError as error:
                message = f"the repository {repository.repository} has no default branch {repository.branch!r}"
                raise MissingOnHostError(message, error.hint, url=error.url) from error
        return [
            msgspec.structs.replace(repository, branch=words(one, "name"), sha=words(one, "commit", "id"))
            for one in found
        ]

    async def has_path(self, part: Mapping[str, Any], repository: HostRepository, path: str) -> bool:
        where = f"{_path(repository.organization, repository.repository)}/contents/{file_path(path)}"
        return await self._api.find(where, {"ref": repository.branch}) is not None

    async def pulls(self, part: Mapping[str, Any]) -> list[HostPull]:
        path = f"{_path(words(part, 'owner'), words(part, 'repo'))}/pulls"
        listed = await self._api.pages(path, {"state": "open", **_PAGE}, next_in_link)
        return listed_pulls(part, listed)

    def requests(self, path: str) -> GitHost:
        return _Requests(self._api, _path(*parts_of(path, "Gitea", least=2, most=2)))


class _Requests(Requests):
    def __init__(self, api: Api, path: str) -> None:
        self._api = api
        self._path = f"{path}/pulls"

    async def pull_request(self, number: int) -> PullRequest:
        return _pull_request(await self._api.get(f"{self._path}/{number}"))

    async def _opened(self, head: str, base: str) -> PullRequest | None:
        listed = await self._api.pages(self._path, {"state": "open", **_PAGE}, next_in_link)
        fits = [one for one in listed if get(one, "head", "ref") == head and get(one, "base", "ref") == base]
        return _pull_request(fits[0]) if fits else None

    async def _make(self, head: str, base: str, title: str, body: str) -> PullRequest:
        content = {"head": head, "base": base, "title": title, "body": body}
        return _pull_request(await self._api.post(self._path, content))


def _pull_request(value: Any) -> PullRequest:
    merged = get(value, "merged") is True
    return PullRequest(
        url=words(value, "html_url"),
        number=number(value, "number"),
        state="merged" if merged else "open" if words(value, "state") == "open" else "closed",
        merge_commit=words(value, "merge_commit_sha") if merged else "",
    )


def _path(owner: str, name: str) -> str:
    return f"repos/{segment(owner)}/{segment(name)}"
