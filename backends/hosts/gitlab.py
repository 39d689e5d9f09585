"""GitLab.

Owns: `GitLab`, which implements `backends.hosts.model.Host`, and `base_of`. (Argo CD v3.6.1:
applicationset/services/scm_provider/gitlab.go, applicationset/services/pull_request/gitlab.go; docs.gitlab.com, REST
API v4.)
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import msgspec

from backends.charts_http import Answer
from backends.hosts.api import PAGE, Api, Query, segment
from backends.hosts.model import HostPull, HostRepository, clone_url, names, number, wanted_labels, words
from backends.hosts.requests import Requests, parts_of
from fleetui.gitports import GitHost, PullRequest

PUBLIC = "https://gitlab.com"


def base_of(api: str) -> str:
    """The interface's address from the one that a generator names."""
    bare = (api or PUBLIC).rstrip("/")
    return bare if bare.endswith("/api/v4") else f"{bare}/api/v4"


class GitLab:
    """See `backends.hosts.model.Host`."""

    def __init__(self, api: Api) -> None:
        self._api = api

    async def repositories(self, part: Mapping[str, Any], protocol: str) -> list[HostRepository]:
        query: dict[str, str | int] = {
            "include_subgroups": _flag(part.get("includeSubgroups") is True),
            "with_shared": _flag(part.get("includeSharedProjects") is not False),
            "per_page": PAGE,
        }
        if topic := words(part, "topic"):
            query["topic"] = topic
        if part.get("includeArchivedRepos") is True:
            query["archived"] = "true"
        listed = await self._api.pages(f"groups/{segment(words(part, 'group'))}/projects", query, _following)
        return [
            HostRepository(
                organization=words(each, "namespace", "full_path"),
                repository=words(each, "path"),
                url=clone_url(
                    protocol, "GitLab", ssh=words(each, "ssh_url_to_repo"), https=words(each, "http_url_to_repo")
                ),
                branch=words(each, "default_branch"),
                # Before 14.5 topics were tags.
                labels=names(each.get("topics")) or names(each.get("tag_list")),
                repository_id=number(each, "id"),
            )
            for each in listed
        ]

    async def branches(self, part: Mapping[str, Any], repository: HostRepository) -> list[HostRepository]:
        path = f"projects/{repository.repository_id}/repository/branches"
        if part.get("allBranches") is True:
            found = await self._api.pages(path, {"per_page": PAGE}, _following, may_be_missing=True)
        else:
            # An empty project has no default branch.
            one = await self._api.find(f"{path}/{segment(repository.branch)}") if repository.branch else None
            found = [] if one is None else [one]
        return [
            msgspec.structs.replace(repository, branch=words(each, "name"), sha=words(each, "commit", "id"))
            for each in found
        ]

    async def has_path(self, part: Mapping[str, Any], repository: HostRepository, path: str) -> bool:
        project = f"projects/{repository.repository_id}/repository"
        if await self._api.has(f"{project}/files/{segment(path)}", {"ref": repository.branch}):
            return True
        # A folder is no file. One that there is not is an error since 15.0, and was an empty list before.
        return bool(await self._api.find(f"{project}/tree", {"path": path, "ref": repository.branch, "per_page": 1}))

    async def pulls(self, part: Mapping[str, Any]) -> list[HostPull]:
        query: dict[str, str | int] = {"per_page": PAGE}
        if labels := wanted_labels(part):
            query["labels"] = ",".join(labels)
        # As in Argo CD: where no state is named, also those that are closed or merged.
        if state := words(part, "pullRequestState"):
            query["state"] = state
        path = f"projects/{segment(words(part, 'project'))}/merge_requests"
        return [
            HostPull(
                number=number(each, "iid"),
                title=words(each, "title"),
                branch=words(each, "source_branch"),
                target_branch=words(each, "target_branch"),
                head_sha=words(each, "sha"),
                labels=names(each.get("labels")),
                author=words(each, "author", "username"),
            )
            for each in await self._api.pages(path, query, _following)
        ]

    def requests(self, path: str) -> GitHost:
        return _Requests(self._api, "/".join(parts_of(path, "GitLab", least=2, most=20)))


class _Requests(Requests):
    def __init__(self, api: Api, project: str) -> None:
        self._api = api
        self._path = f"projects/{segment(project)}/merge_requests"

    async def pull_request(self, number: int) -> PullRequest:
        return _pull_request(await self._api.get(f"{self._path}/{number}"))

    async def _opened(self, head: str, base: str) -> PullRequest | None:
        query = {"state": "opened", "source_branch": head, "target_branch": base}
        listed = await self._api.pages(self._path, query, _following)
        return _pull_request(listed[0]) if listed else None

    async def _make(self, head: str, base: str, title: str, body: str) -> PullRequest:
        content = {"source_branch": head, "target_branch": base, "title": title, "description": body}
        return _pull_request(await self._api.post(self._path, content))


def _pull_request(value: Any) -> PullRequest:
    state = words(value, "state")
    merged = state == "merged"
    # A fast-forward makes no merge commit.
    commit = words(value, "merge_commit_sha") or words(value, "squash_commit_sha") or words(value, "sha")
    return PullRequest(
        url=words(value, "web_url"),
        number=number(value, "iid"),
        state="merged" if merged else "open" if state in ("opened", "locked") else "closed",
        merge_commit=commit if merged else "",
    )


def _following(answer: Answer, _: Any) -> Query | None:
    page = answer.headers.get("x-next-page", "")
    return {"page": page} if page else None


def _flag(value: bool) -> str:
    return "true" if value else "false"
