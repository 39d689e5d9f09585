"""How a repository of Git or of charts is logged in to.

Owns: `RepositoryAccess` and `AccessBook`. The fields are those of Argo CD's repository Secrets and credential templates
(`util/db/repository_secrets.go`, v3.6). Read from a hub by `backends.argocd_repositories`; used by `backends.git` and
`backends.charts`.
"""

from __future__ import annotations

from typing import Protocol

import msgspec


class RepositoryAccess(msgspec.Struct, frozen=True, kw_only=True):
    """One repository's login; texts are empty where the Secret has none. PEM texts are kept as text."""

    url: str
    kind: str = "git"
    """``git``, ``helm`` or ``oci``."""
    name: str = ""
    project: str = ""
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


class AccessBook(Protocol):
    """The logins that are known; reading is synchronous and makes no request."""

    def find(self, url: str) -> RepositoryAccess | None:
        """The login of a repository: its own Secret, else the template with the longest prefix; None where there is
        neither."""
        ...
