"""What the user's own environment and settings say about Git hosts.

Owns: `OwnHosts`. Called by `backends.hosts.generators` and `backends.hosts.githosts`. A token of the environment goes
to the public host of its kind and to hosts that the user's own settings name: a hub that names an address of its own
does not get it.
"""

from __future__ import annotations

from collections.abc import Mapping

from backends.git_url import host_of
from backends.hosts.kinds import NOBODY, Kind, Token, kind_of

_PUBLIC: Mapping[str, Kind] = {
    "github.com": Kind.GITHUB,
    "api.github.com": Kind.GITHUB,
    "ssh.github.com": Kind.GITHUB,
    "gitlab.com": Kind.GITLAB,
    "altssh.gitlab.com": Kind.GITLAB,
    "gitea.com": Kind.GITEA,
    "codeberg.org": Kind.GITEA,
    "bitbucket.org": Kind.BITBUCKET,
    "altssh.bitbucket.org": Kind.BITBUCKET,
    "api.bitbucket.org": Kind.BITBUCKET,
    "dev.azure.com": Kind.AZURE,
    "ssh.dev.azure.com": Kind.AZURE,
}
_VARIABLES: Mapping[Kind, tuple[str, ...]] = {
    Kind.GITHUB: ("GITHUB_TOKEN", "GH_TOKEN"),
    Kind.GITLAB: ("GITLAB_TOKEN",),
    Kind.GITEA: ("GITEA_TOKEN",),
    Kind.BITBUCKET: ("BITBUCKET_TOKEN",),
    Kind.BITBUCKET_SERVER: ("BITBUCKET_TOKEN",),
    Kind.AZURE: ("AZURE_DEVOPS_EXT_PAT",),
}


class OwnHosts:
    """See the module.

    Args:
        environment: its variables.
        hosts: the kinds of hosts by their names, from the settings.
    """

    def __init__(self, environment: Mapping[str, str], hosts: Mapping[str, str]) -> None:
        self._environment = environment
        named = {host.lower(): kind_of(name) for host, name in hosts.items()}
        self._kinds = {**_PUBLIC, **{host: kind for host, kind in named.items() if kind is not None}}

    def kind(self, url: str) -> Kind | None:
        """The kind of the host at an address; None where nobody says."""
        return self._kinds.get(host_of(url))

    def token(self, kind: Kind, url: str) -> Token:
        """The token for a host; `NOBODY` where there is none, none for this host, or the way to it is plain http."""
        if self.kind(url) is not kind or not url.startswith("https://"):
            return NOBODY
        values = (self._environment.get(name, "") for name in _VARIABLES[kind])
        return Token(secret=next(filter(None, values), ""))


def variable_of(kind: Kind) -> str:
    """The variable to set for a kind of host."""
    return _VARIABLES[kind][0]
