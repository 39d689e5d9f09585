"""How a repository of Git or of charts is logged in to.

Owns: `RepositoryAccess` and `AccessBook`. The fields are those of Argo CD's repository Secrets and credential templates
(`util/db/repository_secrets.go`, v3.6). Read from a hub by `backends.argocd_repositories`; used by `backends.git` and
`backends.charts`.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Protocol

import msgspec

from fleetui.model.text import masked
from fleetui.ports import Subscription


class RepositoryAccess(msgspec.Struct, frozen=True, kw_only=True):
    """One repository's login; texts are empty where the Secret has none. PEM texts are kept as text."""

    url: str
    kind: str = "git"
    """``git``, ``helm`` or ``oci``."""
    name: str = ""
    project: str = ""
    """The AppProject whose Applications alone may use it; empty: every one's."""
    username: str = ""
    password: str = ""
    bearer_token: str = ""
    ssh_key: str = ""
    client_certificate: str = ""
    client_key: str = ""
    insecure: bool = False
    insecure_ignore_host_key: bool = False
    enable_lfs: bool = False
    enable_oci: bool = False
    oci_force_http: bool = False
    app_id: int = 0
    app_installation_id: int = 0
    app_private_key: str = ""
    app_base_url: str = ""
    force_basic_auth: bool = False
    proxy: str = ""
    no_proxy: str = ""
    depth: int = 0
    certificate_authority: str = ""
    """PEM of ``argocd-tls-certs-cm`` for this host; empty: the system's."""
    known_hosts: str = ""
    """Lines of ``argocd-ssh-known-hosts-cm``; empty: the user's own."""
    problem: str = ""
    """Why it can't be used, in a sentence; empty where it can."""

    def __repr__(self) -> str:
        # A struct's own would show the secrets to whoever logs one.
        return f"RepositoryAccess(url={masked(self.url)!r}, name={self.name!r}, project={self.project!r})"


class AccessBook(Protocol):
    """The logins that are known; reading is synchronous and makes no request. Any thread may read."""

    def find(self, url: str, project: str = "") -> RepositoryAccess | None:
        """The login of a repository: its own Secret, else the template with the longest prefix; None where there is
        neither. A Secret of a project is found for that project alone, and before one that is everybody's."""
        ...

    def address(self, name: str, project: str = "") -> str:
        """The URL of the repository of charts that a Secret calls so, with the same right of way; empty where none
        does."""
        ...


class WatchedAccess(AccessBook, Protocol):
    """The logins of one hub, as they are now."""

    async def ready(self) -> None:
        """Returns when it is known what the hub says, or that this can't be known now."""
        ...

    def subscribe(self, listener: Callable[[], None]) -> Subscription:
        """Calls `listener` whenever `find` may say something else than before."""
        ...
