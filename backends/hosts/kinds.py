"""The kinds of hosts there are, and how each is logged in to.

Owns: `Kind`, `Token` and `opened`. Called by `backends.hosts.generators` for ApplicationSets and by
`backends.hosts.githosts` for pull requests of rollouts.
"""

from __future__ import annotations

import base64
from collections.abc import Mapping
from enum import StrEnum

import msgspec

from backends.hosts import azure, bitbucket, bitbucket_server, gitea, github, gitlab
from backends.hosts.api import Api, Line
from backends.hosts.model import Host
from backends.repository_access import RepositoryAccess


class Kind(StrEnum):
    """A kind of host, by its key in an SCM provider generator."""

    GITHUB = "github"
    GITLAB = "gitlab"
    GITEA = "gitea"
    BITBUCKET = "bitbucket"
    BITBUCKET_SERVER = "bitbucketServer"
    AZURE = "azureDevOps"


class Token(msgspec.Struct, frozen=True):
    """What proves who asks: a secret alone, or with the user's name as a password; `bearer`: never as a password."""

    secret: str = ""
    user: str = ""
    bearer: bool = False

    def __repr__(self) -> str:
        return f"Token(user={self.user!r}, bearer={self.bearer!r})"


NOBODY = Token()


def opened(
    kind: Kind,
    line: Line,
    *,
    api: str,
    token: Token = NOBODY,
    access: RepositoryAccess | None = None,
    organization: str = "",
) -> Host:
    """A host, logged in to.

    Args:
        api: its address as generators name it; empty for the public one.
        access: certificates and proxy.
        organization: of Azure DevOps.

    Raises:
        GitError: `api` is no address, or the kind has no public one.
    """
    headers = _headers(kind, token)
    match kind:
        case Kind.GITHUB:
            return github.GitHub(Api(line, github.base_of(api), headers=headers, access=access))
        case Kind.GITLAB:
            return gitlab.GitLab(Api(line, gitlab.base_of(api), headers=headers, access=access))
        case Kind.GITEA:
            return gitea.Gitea(Api(line, gitea.base_of(api), headers=headers, access=access))
        case Kind.BITBUCKET:
            return bitbucket.Bitbucket(Api(line, api or bitbucket.PUBLIC, headers=headers, access=access))
        case Kind.BITBUCKET_SERVER:
            headers |= bitbucket_server.HEADERS if headers else {}
            base = bitbucket_server.base_of(api)
            return bitbucket_server.BitbucketServer(Api(line, base, headers=headers, access=access))
        case Kind.AZURE:
            base = azure.base_of(api, organization)
            return azure.AzureDevOps(Api(line, base, headers=headers, access=access))


def _headers(kind: Kind, token: Token) -> dict[str, str]:
    if not token.secret:
        return {}
    match kind:
        case Kind.GITHUB:
            return {"Authorization": f"Bearer {token.secret}", "X-GitHub-Api-Version": "2022-11-28"}
        case Kind.GITLAB:
            return {"PRIVATE-TOKEN": token.secret}
        case Kind.AZURE:
            # The user's name does not matter.
            return _basic("", token.secret)
        case Kind.GITEA if not token.user:
            return {"Authorization": f"token {token.secret}"}
        case _ if token.bearer or not token.user:
            return {"Authorization": f"Bearer {token.secret}"}
        case _:
            return _basic(token.user, token.secret)


def _basic(user: str, password: str) -> dict[str, str]:
    return {"Authorization": f"Basic {base64.b64encode(f'{user}:{password}'.encode()).decode()}"}


def kind_of(name: str) -> Kind | None:
    """The kind with a name, however its letters are cased (pull request generators write ``azuredevops``)."""
    return _BY_NAME.get(name.lower())


_BY_NAME: Mapping[str, Kind] = {kind.value.lower(): kind for kind in Kind}
