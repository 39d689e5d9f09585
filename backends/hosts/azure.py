"""Azure DevOps.

Owns: `AzureDevOps`, which implements `backends.hosts.model.Host`, and `base_of`. (Argo CD v3.6.1:
applicationset/services/scm_provider/azure_devops.go, applicationset/services/pull_request/azure_devops.go;
learn.microsoft.com, Azure DevOps Services REST API 6.0, which Azure DevOps Server 2020 has too.)
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import msgspec

from backends.charts_http import Answer
from backends.hosts.api import PAGE, Api, Query, segment
from backends.hosts.model import HostPull, HostRepository, get, has_labels, names, number, words
from backends.hosts.requests import Requests, parts_of
from fleetui.gitports import GitHost, PullRequest
from fleetui.model.errors import GitError

PUBLIC = "https://dev.azure.com"
_VERSION = {"api-version": "6.0"}
_HEADS = "refs/heads/"


def base_of(api: str, organization: str) -> str:
    """The interface's address from what a generator names."""
    return f"{(api or PUBLIC).rstrip('/')}/{segment(organization)}"


class AzureDevOps:
    """See `backends.hosts.model.Host`."""

    def __init__(self, api: Api) -> None:
        self._api = api

    async def repositories(self, part: Mapping[str, Any], protocol: str) -> list[HostRepository]:
        path = f"{_git(words(part, 'teamProject'))}/repositories"
        listed = await self._api.pages(path, _VERSION, _one_page, items=_values)
        # There is no other protocol than https, whatever is asked for; an empty repository has no default branch.
        return [
            HostRepository(
                organization=words(part, "organization"),
                repository=words(each, "name"),
                url=words(each, "remoteUrl"),
                branch=words(each, "defaultBranch"),
                repository_id=words(each, "id"),
            )
            for each in listed
            if all(words(each, key) for key in ("name", "defaultBranch", "remoteUrl", "id"))
        ]

    async def branches(self, part: Mapping[str, Any], repository: HostRepository) -> list[HostRepository]:
        path = f"{_git(words(part, 'teamProject'))}/repositories/{segment(repository.repository)}/stats/branches"
        if part.get("allBranches") is True:
            found = await self._api.pages(path, _VERSION, _one_page, items=_values, may_be_missing=True)
        else:
            name = repository.branch.replace(_HEADS, "", 1)
            one = await self._api.find(path, {**_VERSION, "name": name})
            found = [] if one is None else [one]
        if not all(words(each, "name") and words(each, "commit", "commitId") for each in found):
            raise GitError(f"Azure DevOps names a branch of {repository.repository} without its name or commit")
        return [
            msgspec.structs.replace(repository, branch=words(each, "name"), sha=words(each, "commit", "commitId"))
            for each in found
        ]

    async def has_path(self, part: Mapping[str, Any], repository: HostRepository, path: str) -> bool:
        where = f"{_git(words(part, 'teamProject'))}/repositories/{segment(str(repository.repository_id))}/items"
        query = {**_VERSION, "path": path, "versionDescriptor.version": repository.branch, "$format": "json"}
        return await self._api.find(where, query) is not None

    async def pulls(self, part: Mapping[str, Any]) -> list[HostPull]:
        path = f"{_git(words(part, 'project'))}/pullrequests"
        query: Query = {**_VERSION, "searchCriteria.status": "active", "$top": PAGE}
        found = [
            HostPull(
                number=number(each, "pullRequestId"),
                title=words(each, "title"),
                branch=words(each, "sourceRefName").replace(_HEADS, "", 1),
                target_branch=words(each, "targetRefName").replace(_HEADS, "", 1),
                head_sha=words(each, "lastMergeSourceCommit", "commitId"),
                labels=names(each.get("labels")),
                author=words(each, "createdBy", "uniqueName").split("@")[0],
            )
            for each in await self._api.pages(path, query, _Skipping(), items=_values)
            if words(each, "repository", "name") == words(part, "repo")
        ]
        # Until the host has tried to merge it, a pull request has no commit.
        return [each for each in found if each.head_sha and has_labels(part, each.labels)]

    def requests(self, path: str) -> GitHost:
        # ``PROJECT/_git/NAME``, below the organization that the base address ends with.
        project, _, name = parts_of(path, "Azure DevOps", least=3, most=3)
        return _Requests(self._api, project, name)


class _Requests(Requests):
    def __init__(self, api: Api, project: str, name: str) -> None:
        self._api = api
        self._path = f"{_git(project)}/repositories/{segment(name)}/pullrequests"
        self._page = f"{api.base}/{segment(project)}/_git/{segment(name)}/pullrequest"

    async def pull_request(self, number: int) -> PullRequest:
        return self._read(await self._api.get(f"{self._path}/{number}", _VERSION))

    async def _opened(self, head: str, base: str) -> PullRequest | None:
        refs = {"searchCriteria.sourceRefName": _HEADS + head, "searchCriteria.targetRefName": _HEADS + base}
        query = {**_VERSION, "searchCriteria.status": "active", **refs}
        listed = await self._api.pages(self._path, query, _one_page, items=_values)
        return self._read(listed[0]) if listed else None

    async def _make(self, head: str, base: str, title: str, body: str) -> PullRequest:
        refs = {"sourceRefName": _HEADS + head, "targetRefName": _HEADS + base}
        path = f"{self._path}?api-version={_VERSION['api-version']}"
        return self._read(await self._api.post(path, {**refs, "title": title, "description": body}))

    def _read(self, value: Any) -> PullRequest:
        state = words(value, "status")
        return PullRequest(
            url=f"{self._page}/{number(value, 'pullRequestId')}",
            number=number(value, "pullRequestId"),
            state={"active": "open", "completed": "merged"}.get(state, "closed"),
            merge_commit=words(value, "lastMergeCommit", "commitId") if state == "completed" else "",
        )


class _Skipping:
    """The next page of a list that says neither where it ends nor how long it is."""

    def __init__(self) -> None:
        self._seen = 0

    def __call__(self, _: Answer, value: Any) -> Query | None:
        listed = _values(value)
        self._seen += len(listed)
        return {"$skip": self._seen} if len(listed) == PAGE else None


def _one_page(_: Answer, __: Any) -> Query | None:
    return None


def _values(value: Any) -> Any:
    return get(value, "value")


def _git(project: str) -> str:
    return f"{segment(project)}/_apis/git"
