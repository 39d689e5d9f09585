"""The generators that ask a host, a plugin or the hub: SCM provider, pull request, plugin, cluster decision resource
(argo-cd v3.6.1, applicationset/generators/scm_provider.go, pull_request.go, plugin.go, duck_type.go).

Owns: their parameters. Called by `fleetui.engine.appset.generators`. Pure: what the world says is asked.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from fleetui.engine.application import IN_CLUSTER
from fleetui.engine.appset import reading
from fleetui.engine.appset.params import Params, as_go_decodes, flattened, texts
from fleetui.engine.appset.questions import Decisions, HostPullRequests, HostRepositories, PluginParameters
from fleetui.engine.appset.reading import Flaw
from fleetui.engine.appset.slug import branch_slug
from fleetui.engine.appset.world import World, spec_text
from fleetui.engine.lookup import IN_CLUSTER_NAME
from fleetui.model.gotext import go_text
from fleetui.model.names import sanitized_name

_REPOSITORIES = ("github", "gitlab", "gitea", "bitbucketServer", "azureDevOps", "bitbucket", "awsCodeCommit")
_PULL_REQUESTS = ("github", "gitlab", "gitea", "bitbucketServer", "bitbucket", "azuredevops")
"""The providers; of several, the first counts."""
_REMEMBERED = "requeueAfterSeconds"


def of_repositories(spec: Mapping[str, Any], world: World, at: str) -> list[Params]:
    """A set for each branch of each repository that a host has."""
    provider = _provider(spec, _REPOSITORIES, at)
    asked = _asked(spec, provider, ("filters", "cloneProtocol"))
    values = reading.text_map(spec, "values", at)
    found: Sequence[Mapping[str, Any]] = world.ask(HostRepositories(provider, asked), f"{at}.{provider}")
    return [world.with_values(_of_repository(one), values, at) for one in found]


def _of_repository(one: Mapping[str, Any]) -> Params:
    sha, branch = str(one.get("sha", "")), str(one.get("branch", ""))
    return {
        "organization": str(one.get("organization", "")),
        "repository": str(one.get("repository", "")),
        "repository_id": one.get("repository_id"),
        "url": str(one.get("url", "")),
        "branch": branch,
        "sha": sha,
        "short_sha": sha[:8],
        "short_sha_7": sha[:7],
        "labels": ",".join(texts(one.get("labels"))),
        "branchNormalized": sanitized_name(branch),
    }


def of_pull_requests(spec: Mapping[str, Any], world: World, at: str) -> list[Params]:
    """A set for each open pull request of a repository."""
    provider = _provider(spec, _PULL_REQUESTS, at)
    asked = _asked(spec, provider, ("filters", "continueOnRepoNotFoundError"))
    values = reading.text_map(spec, "values", at)
    found: Sequence[Mapping[str, Any]] = world.ask(HostPullRequests(provider, asked), f"{at}.{provider}")
    return [world.with_values(_of_pull_request(one, go=world.go), values, at) for one in found]


def _of_pull_request(one: Mapping[str, Any], *, go: bool) -> Params:
    sha, branch, target = (str(one.get(key, "")) for key in ("head_sha", "branch", "target_branch"))
    params = {
        "number": str(one.get("number", 0)),
        "title": str(one.get("title", "")),
        "branch": branch,
        "branch_slug": branch_slug(branch),
        "target_branch": target,
        "target_branch_slug": branch_slug(target),
        "head_sha": sha,
        "head_short_sha": sha[:8],
        "head_short_sha_7": sha[:7],
        "author": str(one.get("author", "")),
    }
    return {**params, "labels": texts(one.get("labels"))} if go else params


def _provider(spec: Mapping[str, Any], known: Sequence[str], at: str) -> str:
    for name in known:
        if spec.get(name) is not None:
            reading.mapping(spec, name, at)
            return name
    raise Flaw(at, "names no provider", f"one of {', '.join(known)}")


def _asked(spec: Mapping[str, Any], provider: str, beside: Sequence[str]) -> str:
    """A generator as its question carries it: without what is done with the answer."""
    return spec_text({key: spec[key] for key in (provider, *beside, _REMEMBERED) if spec.get(key) is not None})


def of_plugin(spec: Mapping[str, Any], world: World, at: str) -> list[Params]:
    """A set for each that the plugin gives, with what it was asked in `generator.input.parameters`.

    Unlike in Argo CD, which hands on the bytes of its JSON, that is what it says, as its documentation has it.
    """
    given = reading.mapping(spec, "input", at)
    reading.mapping(spec, "configMapRef", at)
    asked = _asked(spec, "configMapRef", ("input",))
    values = reading.text_map(spec, "values", at)
    told = {"input": {"parameters": as_go_decodes(reading.mapping(given, "parameters", f"{at}.input"))}}
    made = []
    for one in world.ask(PluginParameters(world.name, asked), at):
        if not isinstance(one, Mapping):
            raise Flaw(at, "the plugin answered with parameters that are no map")
        found = as_go_decodes(dict(one))
        params = found if world.go else flattened(found)
        made.append(world.with_values({**params, "generator": told}, values, at))
    return made


def of_decisions(spec: Mapping[str, Any], world: World, at: str) -> list[Params]:
    """A set for each registered cluster that the status of the named objects decides for.

    Where Argo CD makes nothing, and so deletes all, since the ConfigMap has no `matchKey`, this is an error.
    """
    name = reading.text(spec, "name", at)
    selects = reading.mapping(spec, "labelSelector", at)
    if bool(name) == bool(selects.get("matchLabels") or selects.get("matchExpressions")):
        raise Flaw(at, "needs either a name or a labelSelector")
    values = reading.text_map(spec, "values", at)
    config = reading.text(spec, "configMapRef", at)
    answer = world.ask(Decisions(_asked(spec, "configMapRef", ("name", "labelSelector"))), at)
    match_key, status_key = answer["matchKey"], answer["statusListKey"]
    if not match_key:
        raise Flaw(f"{at}.configMapRef", f"the ConfigMap {config} has no matchKey")
    if not answer["objects"]:
        raise Flaw(at, "there is no such object to decide")
    servers = _servers(world)
    made = []
    for decision in _decided(answer["objects"], status_key, at):
        cluster = go_text(decision[match_key]) if decision.get(match_key) is not None else ""
        if cluster not in servers:
            continue
        params: Params = {"name": cluster, "server": servers[cluster]}
        params |= {key: go_text(value) for key, value in as_go_decodes(decision).items()}
        made.append(_with_plain(params, values, go=world.go))
    return made


def _servers(world: World) -> dict[str, str]:
    found = {one.name: one.server for one in world.clusters}
    if IN_CLUSTER not in found.values():
        found.setdefault(IN_CLUSTER_NAME, IN_CLUSTER)
    found.pop("", None)
    return found


def _decided(objects: Sequence[Mapping[str, Any]], key: str, at: str) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = []
    for one in objects:
        status = one.get("status")
        if not status:
            continue
        listed = status.get(key) if isinstance(status, Mapping) else None
        if not isinstance(listed, list) or not all(isinstance(item, dict) for item in listed):
            named = (one.get("metadata") or {}).get("name", "")
            raise Flaw(at, f"status.{key} of {one.get('kind', 'the object')} {named} is no list of maps")
        found += listed
    return found


def _with_plain(params: Params, values: Mapping[str, str], *, go: bool) -> Params:
    """The values of this generator are no templates."""
    if go:
        return {**params, "values": dict(values)} if values else params
    return params | {f"values.{key}": value for key, value in values.items()}
