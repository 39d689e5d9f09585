"""Which ApplicationSets an event of a Git host concerns.

Owns: `concerns`. Pure. Called by the engine for its ApplicationSets. (Argo CD v3.6.1:
applicationset/webhook/webhook.go. Where a parameter of another generator stands in an address, it makes that
generator's parameters first; here it is taken for any, so that nothing has to be asked: at worst, an ApplicationSet is
looked at once too often. SCM providers, which it asks by the clock alone, are asked after a push to one of theirs too.)
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any
from urllib.parse import urlsplit

from fleetui.engine.application import mapping, text
from fleetui.engine.appset.applicationset import each_generator
from fleetui.engine.pullevents import PullEvent
from fleetui.engine.pushes import moves
from fleetui.engine.webhook import Event, Push

_PUBLIC = {
    "github": "api.github.com",
    "gitlab": "gitlab.com",
    "bitbucket": "api.bitbucket.org",
    "azuredevops": "dev.azure.com",
}
"""The hosts of generators that name no `api`."""
_OWNERS = {
    "github": "organization",
    "gitlab": "group",
    "gitea": "owner",
    "bitbucket": "owner",
    "bitbucketserver": "project",
    "azuredevops": "organization",
}
"""What an SCM provider generator calls the first part of its repositories' paths."""
_REPOSITORIES = {
    "github": ("owner", "repo"),
    "gitlab": ("project",),
    "gitea": ("owner", "repo"),
    "bitbucket": ("owner", "repo"),
    "bitbucketserver": ("project", "repo"),
    "azuredevops": ("project", "repo"),
}


def concerns(event: Event, appset: Mapping[str, Any]) -> bool:
    """Whether an ApplicationSet's generators may make something else after an event.

    A plugin may always: what its server looks at is not known.
    """
    generators = each_generator(mapping(appset.get("spec")).get("generators"))
    return any(_generator_concerned(event, each) for each in generators)


def _generator_concerned(event: Event, generator: Mapping[str, Any]) -> bool:
    if "plugin" in generator:
        return True
    if isinstance(event, PullEvent):
        return _pulls_concerned(event, mapping(generator.get("pullRequest")))
    return _git_concerned(event, mapping(generator.get("git"))) or _provider_concerned(
        event, mapping(generator.get("scmProvider"))
    )


def _git_concerned(push: Push, git: Mapping[str, Any]) -> bool:
    url, revision = text(git.get("repoURL")), text(git.get("revision"))
    if _is_templated(url):
        return True
    # What a template makes of a revision is taken for one of those that were pushed to.
    wanted = (*push.revisions, "HEAD") if _is_templated(revision) else (revision,)
    return any(moves(push, url, each) for each in wanted)


def _pulls_concerned(event: PullEvent, generator: Mapping[str, Any]) -> bool:
    part = _part(generator, event.provider)
    if part is None or not _same_host(event.url, text(part.get("api")), event.provider):
        return False
    wanted = "/".join(text(part.get(key)) for key in _REPOSITORIES[event.provider])
    return _is_templated(wanted) or wanted.lower() in (name.lower() for name in event.names)


def _provider_concerned(push: Push, generator: Mapping[str, Any]) -> bool:
    return any(
        _within(url, text(part.get(owner))) and _same_host(url, text(part.get("api")), provider)
        for provider, owner in _OWNERS.items()
        if (part := _part(generator, provider)) is not None
        for url in push.urls
    )


def _part(generator: Mapping[str, Any], provider: str) -> Mapping[str, Any] | None:
    """A provider's part; the two kinds of generators differ in how they write one of them."""
    return next((mapping(part) for key, part in generator.items() if key.lower() == provider), None)


def _within(url: str, owner: str) -> bool:
    """Whether a repository lies in an organization, group or project; GitLab's may be told by its number."""
    path = urlsplit(url).path.removeprefix("/scm").strip("/").lower()
    return _is_templated(owner) or owner.isdigit() or path.startswith(f"{owner.strip('/').lower()}/")


def _same_host(url: str, api: str, provider: str) -> bool:
    """Whether a repository, or its interface, is at the host that a generator asks."""
    if _is_templated(api):
        return True
    asked = urlsplit(api).hostname or "" if api else _PUBLIC.get(provider, "")
    return (urlsplit(url).hostname or "").removeprefix("api.") == asked.removeprefix("api.")


def _is_templated(value: str) -> bool:
    return "{{" in value
