"""What a Git host's webhook says of a pull request.

Owns: `PullEvent` and its readers, one for each provider's payload. Pure. Called by `fleetui.engine.webhook`, which
checks who sends it; which ApplicationSets it concerns is in `fleetui.engine.appset.webhook`. (Argo CD v3.6.1:
applicationset/webhook/webhook.go, `getPRGeneratorInfo`, for GitHub, GitLab and Azure DevOps; the others are ours, by
their documented payloads.)
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from fleetui.engine.application import mapping, mappings, text, whole

GITHUB_ACTIONS = frozenset({"opened", "closed", "synchronize", "labeled", "reopened", "unlabeled"})
GITEA_ACTIONS = frozenset(
    {"opened", "closed", "synchronized", "synchronize", "labeled", "label_updated", "label_cleared", "reopened"}
)
GITLAB_ACTIONS = frozenset({"open", "close", "reopen", "update", "merge"})
AZURE_EVENTS = frozenset({"git.pullrequest.created", "git.pullrequest.merged", "git.pullrequest.updated"})
BITBUCKET_EVENTS = frozenset(
    {"pullrequest:created", "pullrequest:updated", "pullrequest:fulfilled", "pullrequest:rejected"}
)
BITBUCKET_SERVER_EVENTS = frozenset(
    {"pr:opened", "pr:modified", "pr:from_ref_updated", "pr:merged", "pr:declined", "pr:deleted"}
)


@dataclass(frozen=True)
class PullEvent:
    """The pull requests of a repository are others than before.

    `provider`: the key of a pull request generator, in lower case. `url`: the repository's, or its interface's.
    `names`: what a generator may call it: ``OWNER/NAME``, ``PROJECT/NAME``, or GitLab's number or path.
    """

    provider: str
    url: str
    names: tuple[str, ...]


def of_github(payload: Mapping[str, Any]) -> PullEvent | None:
    repository = mapping(payload.get("repository"))
    if payload.get("action") not in GITHUB_ACTIONS:
        return None
    # Its `url` is that of the interface, which generators name.
    owner = text(mapping(repository.get("owner")).get("login"))
    return _event("github", repository.get("url"), f"{owner}/{text(repository.get('name'))}")


def of_gitea(payload: Mapping[str, Any]) -> PullEvent | None:
    repository = mapping(payload.get("repository"))
    if payload.get("action") not in GITEA_ACTIONS:
        return None
    return _event("gitea", repository.get("html_url"), text(repository.get("full_name")))


def of_gitlab(payload: Mapping[str, Any]) -> PullEvent | None:
    project, attributes = mapping(payload.get("project")), mapping(payload.get("object_attributes"))
    if attributes.get("action") not in GITLAB_ACTIONS:
        return None
    number = whole(attributes.get("target_project_id"))
    return _event("gitlab", project.get("web_url"), str(number or ""), text(project.get("path_with_namespace")))


def of_azure(payload: Mapping[str, Any]) -> PullEvent | None:
    repository = mapping(mapping(payload.get("resource")).get("repository"))
    project = text(mapping(repository.get("project")).get("name"))
    url = repository.get("remoteUrl") or repository.get("url")
    return _event("azuredevops", url, f"{project}/{text(repository.get('name'))}")


def of_bitbucket(payload: Mapping[str, Any]) -> PullEvent | None:
    repository = mapping(payload.get("repository"))
    url = mapping(mapping(repository.get("links")).get("html")).get("href")
    return _event("bitbucket", url, text(repository.get("full_name")))


def of_bitbucket_server(payload: Mapping[str, Any]) -> PullEvent | None:
    into = mapping(mapping(payload.get("pullRequest")).get("toRef"))
    repository = mapping(into.get("repository"))
    key, slug = text(mapping(repository.get("project")).get("key")), text(repository.get("slug"))
    links = mapping(repository.get("links"))
    url = next((link.get("href") for each in ("self", "clone") for link in mappings(links.get(each))), "")
    return _event("bitbucketserver", url, f"{key}/{slug}")


def _event(provider: str, url: Any, *names: str) -> PullEvent | None:
    known = tuple(name for name in names if name.strip("/"))
    return PullEvent(provider, text(url), known) if known else None
