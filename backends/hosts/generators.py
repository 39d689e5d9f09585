"""From an SCM provider or pull request generator to what its host lists.

Owns: `Generators`: the login that a generator names (read from the hub, in the ApplicationSet's namespace), what the
hub's administrator allows, and the answers to `HostRepositories` and `HostPullRequests`; and `parameters_of`. Called by
`backends.appset_answers`. (Argo CD v3.6.1: applicationset/generators/scm_provider.go,
applicationset/generators/pull_request.go, applicationset/utils/kubernetes.go.)

A hub's Secret goes to the host that stands beside it in the same generator, and nowhere else. Without a hub (a file on
a command line) the user's own token of the environment counts, and goes to the provider's public host alone.
"""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from typing import Any
from urllib.parse import urljoin

import msgspec

from backends.argocd_repositories import TYPE_LABEL, read
from backends.git_login import app_token
from backends.github_app import InstallationTokens
from backends.hosts import azure, bitbucket, github, gitlab
from backends.hosts.api import Line, MissingOnHostError, segment
from backends.hosts.filters import listed_pulls, listed_repositories
from backends.hosts.kinds import NOBODY, Kind, Token, kind_of, opened
from backends.hosts.model import Host, get, words
from backends.hosts.own import OwnHosts
from backends.hub_objects import HubObjects
from backends.repository_access import RepositoryAccess
from fleetui.engine.appset.questions import HostPullRequests, HostRepositories
from fleetui.model.errors import FleetError, GitAuthenticationError, MissingError, RefusedError
from fleetui.model.text import one_line, quoted

PARAMETERS = "argocd-cmd-params-cm"
SCM_LABEL = (TYPE_LABEL, "scm-creds")
_PREFIX = "applicationsetcontroller."
_TRUE = frozenset({"1", "t", "T", "TRUE", "true", "True"})
_FALSE = frozenset({"0", "f", "F", "FALSE", "false", "False"})


class ScmRules(msgspec.Struct, frozen=True):
    """What ``argocd-cmd-params-cm`` says about providers. `allowed`: the only addresses that a generator may name; all
    where there are none. `strict`: Secrets need a label to be used."""

    enabled: bool = True
    allowed: tuple[str, ...] = ()
    strict: bool = False


def switched_on(parameters: Mapping[str, str], name: str) -> bool:
    """Whether a parameter of the ApplicationSet controller that is off by default is on."""
    return parameters.get(f"{_PREFIX}{name}", "") in _TRUE


def rules_of(parameters: Mapping[str, str]) -> ScmRules:
    """Those of the ConfigMap's data; what can't be read counts as Argo CD's default (util/env/env.go)."""
    allowed = parameters.get(f"{_PREFIX}allowed.scm.providers", "")
    return ScmRules(
        enabled=parameters.get(f"{_PREFIX}enable.scm.providers", "true") not in _FALSE,
        allowed=tuple(filter(None, (address.strip() for address in allowed.split(",")))),
        strict=switched_on(parameters, "enable.tokenref.strict.mode"),
    )


class Asker(msgspec.Struct, frozen=True):
    """For whom something is asked: the hub (None: a file), the namespace of the ApplicationSet and that of Argo CD."""

    hub: HubObjects | None
    namespace: str
    control_plane: str


class Generators:
    """Answers what generators ask of Git hosts.

    Args:
        tokens: those of GitHub Apps.
        own: the user's own.
    """

    def __init__(self, line: Line, tokens: InstallationTokens, own: OwnHosts) -> None:
        self._line = line
        self._tokens = tokens
        self._own = own

    async def repositories(self, question: HostRepositories, asker: Asker) -> tuple[Mapping[str, Any], ...]:
        """See `HostRepositories`.

        Raises:
            FleetError: they can't be had.
        """
        generator = msgspec.json.decode(question.spec)
        part = _part(generator, question.provider)
        host = await self._host(question.provider, part, asker)
        return tuple(
            {
                "organization": one.organization,
                "repository": one.repository,
                "url": one.url,
                "branch": one.branch,
                "sha": one.sha,
                "labels": one.labels,
                "repository_id": one.repository_id,
            }
            for one in await listed_repositories(host, part, generator)
        )

    async def pulls(self, question: HostPullRequests, asker: Asker) -> tuple[Mapping[str, Any], ...]:
        """See `HostPullRequests`.

        Raises:
            FleetError: they can't be had.
        """
        generator = msgspec.json.decode(question.spec)
        part = _part(generator, question.provider)
        host = await self._host(question.provider, part, asker)
        try:
            found = await listed_pulls(host, part, generator)
        except MissingOnHostError:
            if generator.get("continueOnRepoNotFoundError") is True:
                return ()
            raise
        return tuple(msgspec.structs.asdict(one) for one in found)

    async def _host(self, provider: str, part: Mapping[str, Any], asker: Asker) -> Host:
        kind = kind_of(provider)
        if kind is None:
            raise _unsupported(provider)
        api = words(part, "api")
        if asker.hub is None:
            access = RepositoryAccess(url=api, insecure=part.get("insecure") is True)
            token = self._own.token(kind, api or PUBLIC[kind])
        else:
            rules = rules_of(await parameters_of(asker.hub, asker.control_plane))
            _refuse_what_is_not_allowed(api, rules, asker)
            access = await _access(part, api, asker.hub, asker.namespace)
            if words(part, "appSecretName"):
                api, token = await self._app(part, api, asker.hub, asker.control_plane)
            else:
                token = await _token(part, asker.hub, asker.namespace, strict=rules.strict)
        if kind is Kind.AZURE and not token.secret and "teamProject" in part:
            raise GitAuthenticationError("Azure DevOps lists no repositories without a token", "set accessTokenRef")
        organization = words(part, "organization")
        return opened(kind, self._line, api=api, token=token, access=access, organization=organization)

    async def _app(self, part: Mapping[str, Any], api: str, hub: HubObjects, control_plane: str) -> tuple[str, Token]:
        """The address and the token of a GitHub App's installation, whose Secret lies where Argo CD's are."""
        name = words(part, "appSecretName")
        found = read(await hub.secret(control_plane, name))
        if not found.app_private_key or not found.app_id:
            where = one_line(f"Secret {control_plane}/{name}")
            raise MissingError(f"{where} has no GitHub App", "it needs githubAppID and githubAppPrivateKey")
        api = api or found.app_base_url
        owner = words(part, "organization") or words(part, "owner")
        login = msgspec.structs.replace(
            found,
            # By its owner, the first part of the path, the installation is found.
            url=urljoin(github.base_of(api), f"/{segment(owner)}"),
            app_base_url=github.base_of(api),
        )
        return api, Token(secret=await asyncio.to_thread(app_token, login, f"of {owner} on GitHub", self._tokens))


PUBLIC: Mapping[Kind, str] = {
    Kind.GITHUB: github.PUBLIC,
    Kind.GITLAB: gitlab.PUBLIC,
    Kind.GITEA: "",
    Kind.BITBUCKET: bitbucket.PUBLIC,
    Kind.BITBUCKET_SERVER: "",
    Kind.AZURE: azure.PUBLIC,
}
"""Where a kind of host is that a generator names no address of."""


async def parameters_of(hub: HubObjects, control_plane: str) -> Mapping[str, str]:
    """Those of Argo CD; none where there is no such ConfigMap. One that may not be read is an error: it could forbid
    what is asked."""
    try:
        return await hub.config_map(control_plane, PARAMETERS)
    except MissingError:
        return {}


def _refuse_what_is_not_allowed(api: str, rules: ScmRules, asker: Asker) -> None:
    where = f"{PARAMETERS} in namespace {asker.control_plane}"
    if not rules.enabled:
        raise RefusedError("SCM provider and pull request generators are switched off on this hub", f"see {where}")
    if api and rules.allowed and api not in rules.allowed:
        allowed = ", ".join(map(one_line, rules.allowed))
        raise RefusedError(f"the hub does not allow the SCM provider at {one_line(api)}", f"allowed are: {allowed}")
    if api and not rules.allowed and asker.namespace != asker.control_plane:
        # Argo CD does not start so: whoever may write there could have the namespace's Secrets sent to himself.
        message = f"the SCM provider at {one_line(api)} may not be named outside of namespace {asker.control_plane}"
        raise RefusedError(message, f"set {_PREFIX}allowed.scm.providers in {where}")


async def _access(part: Mapping[str, Any], api: str, hub: HubObjects, namespace: str) -> RepositoryAccess:
    """Certificates, from `insecure` and `caRef`."""
    authority = ""
    if get(part, "caRef") is not None:
        name, key = words(part, "caRef", "configMapName"), words(part, "caRef", "key")
        authority = await hub.config_map_value(namespace, name, key)
    return RepositoryAccess(url=api, insecure=part.get("insecure") is True, certificate_authority=authority)


async def _token(part: Mapping[str, Any], hub: HubObjects, namespace: str, *, strict: bool) -> Token:
    """What a generator refers to, whatever its provider calls it; nobody where it refers to nothing."""

    async def secret(*keys: str) -> str:
        name, key = words(part, *keys, "secretName"), words(part, *keys, "key")
        return await hub.secret_value(namespace, name, key, labelled=SCM_LABEL if strict else None)

    if get(part, "bearerToken") is not None:
        return Token(secret=await secret("bearerToken", "tokenRef"), bearer=True)
    if get(part, "basicAuth") is not None:
        return Token(user=words(part, "basicAuth", "username"), secret=await secret("basicAuth", "passwordRef"))
    for key in ("tokenRef", "accessTokenRef", "appPasswordRef"):
        if get(part, key) is not None:
            return Token(user=words(part, "user"), secret=await secret(key))
    return NOBODY


def _part(generator: Any, provider: str) -> Mapping[str, Any]:
    part = get(generator, provider)
    if not isinstance(part, dict):
        raise RefusedError(f"the generator says nothing about its provider {quoted(provider)}")
    return part


def _unsupported(provider: str) -> FleetError:
    if provider == "awsCodeCommit":
        message = (
            "AWS CodeCommit is not supported as an SCM provider: its interface wants requests signed with AWS keys"
        )
        return RefusedError(message, "list its repositories with a list or plugin generator")
    known = ", ".join(kind.value for kind in Kind)
    return RefusedError(f"there is no SCM provider {quoted(provider)}", f"known are {known}")
