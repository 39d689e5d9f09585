"""Which host a repository lies on, and how its pull requests are asked for.

Owns: `HostsOfRepositories`, which implements `fleetui.gitports.GitHosts`. Called by the composition root, for rollouts.

The login is that of the repository itself, as the hub has it for Git: the password or token of its Secret or its
credential template, or its GitHub App. Where the hub has none that an interface takes (an ssh key is none), it is the
user's own (`backends.hosts.own`).
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import NamedTuple
from urllib.parse import unquote, urlsplit

import msgspec

from backends.git_login import TOKEN_USER, app_token
from backends.git_remote import Remote
from backends.git_url import host_of
from backends.github_app import InstallationTokens
from backends.hosts import azure, bitbucket, github
from backends.hosts.api import Api, Line
from backends.hosts.kinds import Kind, Token, opened
from backends.hosts.model import words
from backends.hosts.own import OwnHosts, variable_of
from backends.repository_access import RepositoryAccess, WatchedAccess
from fleetui.config import GIT_HOSTS
from fleetui.gitports import GitHost
from fleetui.model.errors import GitAuthenticationError, GitError, RefusedError, RepositoryUnreachableError

_TOKEN_USERS = frozenset({"", TOKEN_USER, "x-token-auth", "oauth2", "token"})
"""Names that stand before a token in a Secret, and are nobody's."""


class HostsOfRepositories:
    """See `fleetui.gitports.GitHosts`.

    Args:
        books: what a hub says about logins, by the hub's name.
        own: the user's own hosts and tokens.
        tokens: those of GitHub Apps.
    """

    def __init__(
        self, line: Line, *, books: Callable[[str], WatchedAccess | None], own: OwnHosts, tokens: InstallationTokens
    ) -> None:
        self._line = line
        self._books = books
        self._own = own
        self._tokens = tokens
        self._found: dict[str, Kind] = {}

    async def of(self, url: str, *, hub: str = "", project: str = "") -> GitHost:
        """See `fleetui.gitports.GitHosts`."""
        place = placed(url)
        book = self._books(hub) if hub else None
        if book is not None:
            await book.ready()
        access = (book.find(url, project) if book is not None else None) or RepositoryAccess(url=url)
        kind = self._own.kind(place.web) or self._found.get(place.web)
        if kind is None and _has_token(access):
            # Asked without a login. A host that there is no login for is not asked at all.
            kind = self._found[place.web] = await self._kind_at(place, access)
        if kind is None:
            raise _unknown(place)
        api, organization, path = _APIS.get(place.web, place.web), "", place.path
        if kind is Kind.AZURE:
            api, organization, path = _azure(place)
        elif kind is Kind.BITBUCKET_SERVER:
            # A server may lie below a path of its own.
            prefix, scm, rest = path.partition("scm/")
            api, path = (f"{place.web}/{prefix}", rest) if scm else (api, path)
        token = await self._token(kind, place, access)
        if book is not None and host_of(api) != host_of(place.web):
            # Certificates are those of a host, and this is another one.
            other = book.find(api, project)
            authority = other.certificate_authority if other is not None else ""
            access = msgspec.structs.replace(access, certificate_authority=authority)
        access = msgspec.structs.replace(access, url=api)
        host = opened(kind, self._line, api=api, token=token, access=access, organization=organization)
        return host.requests(path)

    async def _token(self, kind: Kind, place: Place, access: RepositoryAccess) -> Token:
        if access.problem:
            raise RefusedError(f"the login for {place.shown} can't be used: {access.problem}")
        if access.bearer_token:
            return Token(secret=access.bearer_token, bearer=True)
        if access.password:
            return Token(user="" if access.username in _TOKEN_USERS else access.username, secret=access.password)
        if access.app_private_key and kind is Kind.GITHUB:
            base = access.app_base_url or github.base_of(_APIS.get(place.web, place.web))
            login = msgspec.structs.replace(access, url=f"{place.web}/{place.path}", app_base_url=base)
            return Token(secret=await asyncio.to_thread(app_token, login, place.shown, self._tokens))
        own = self._own.token(kind, place.web)
        if not own.secret:
            message = f"there is no token to open pull requests of {place.shown} with"
            hint = f"set {variable_of(kind)}, or give the repository's Secret in the hub a password that is a token"
            raise RefusedError(message, hint)
        return own

    async def _kind_at(self, place: Place, access: RepositoryAccess) -> Kind:
        """The kind of a host, from what its interface says to anybody."""
        api = Api(self._line, place.web, access=msgspec.structs.replace(access, url=place.web))
        for kind, path, key in _SIGNS:
            try:
                if words(await api.find(path), key):
                    return kind
            except RepositoryUnreachableError:
                raise
            except GitAuthenticationError:
                if kind is Kind.GITLAB:
                    return kind
            except GitError:
                # What is no JSON is another host's.
                continue
        raise _unknown(place)


_SIGNS = (
    (Kind.GITEA, "api/v1/version", "version"),
    (Kind.BITBUCKET_SERVER, "rest/api/1.0/application-properties", "version"),
    (Kind.GITHUB, "api/v3/meta", "installed_version"),
    # Tells nobody who has not logged in, and says so.
    (Kind.GITLAB, "api/v4/version", "version"),
)
_APIS = {"https://github.com": github.PUBLIC, "https://bitbucket.org": bitbucket.PUBLIC}
"""Public hosts whose interfaces lie elsewhere, by their web addresses."""
_WEB = {
    "ssh.github.com": "github.com",
    "altssh.gitlab.com": "gitlab.com",
    "altssh.bitbucket.org": "bitbucket.org",
    "ssh.dev.azure.com": "dev.azure.com",
}
_AZURE_OLD = ".visualstudio.com"


class Place(NamedTuple):
    """Where a repository is: the web address of its host, and its own path there, as text."""

    web: str
    path: str
    shown: str


def placed(url: str) -> Place:
    """The place that an address of a repository names.

    Raises:
        RefusedError: it is none of a host.
        GitError: it is no address.
    """
    remote = Remote.parse(url)
    host = host_of(remote.url)
    if remote.folder is not None or not host:
        raise RefusedError(f"{remote.shown} lies on no Git host, so there are no pull requests", "commit to its branch")
    if remote.base:
        web, path = remote.base.rstrip("/"), urlsplit(remote.url).path
    else:
        path = urlsplit(remote.url).path if "://" in remote.url else remote.url.partition(":")[2]
        web = f"https://{_WEB.get(host, host)}"
    if host.endswith(_AZURE_OLD):
        path = f"{host.removesuffix(_AZURE_OLD)}/{path.lstrip('/').removeprefix('DefaultCollection/')}"
        web = azure.PUBLIC
    return Place(web.lower(), unquote(path).strip("/"), remote.shown)


def _azure(place: Place) -> tuple[str, str, str]:
    """The address, organization and path of a repository of Azure DevOps.

    ``[…/]ORGANIZATION/PROJECT/_git/NAME``, without the project where it is called as the repository is; by ssh
    ``v3/ORGANIZATION/PROJECT/NAME``.
    """
    parts = place.path.split("/")
    if parts[0] == "v3":
        parts = [*parts[1:-1], "_git", parts[-1]]
    if len(parts) < 3 or parts[-2] != "_git":
        raise RefusedError(f"{place.shown} is no address of a repository of Azure DevOps")
    name, above = parts[-1].removesuffix(".git"), parts[:-2]
    if len(above) == 1:
        above.append(name)
    return "/".join([place.web, *above[:-2]]), above[-2], f"{above[-1]}/_git/{name}"


def _has_token(access: RepositoryAccess) -> bool:
    return bool(access.password or access.bearer_token or access.app_private_key)


def _unknown(place: Place) -> RefusedError:
    host = host_of(place.web)
    message = f"it is not known which kind of Git host {host} is, so no pull request can be opened there"
    return RefusedError(message, f"set git_hosts: {{{host}: KIND}} in config.yaml, KIND one of {', '.join(GIT_HOSTS)}")
