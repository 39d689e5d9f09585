"""How a hub says that repositories are logged in to, as Argo CD has it.

Owns: `Book` (one moment of a hub's repository Secrets, credential templates, certificates and known hosts, an
`AccessBook`) and the reading of each object (Argo CD v3.6: util/db/repository_secrets.go, util/db/repository.go,
util/cert/cert.go). Pure: watched by `backends.argocd_access`. Nothing of a Secret is ever shown but its name.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import msgspec

from backends.git_url import host_of
from backends.repository_access import RepositoryAccess
from fleetui.engine.giturl import normalized
from fleetui.model.objects import StoredObject
from fleetui.model.secrets import secret_texts
from fleetui.model.text import one_line

TYPE_LABEL = "argocd.argoproj.io/secret-type"
REPOSITORY, TEMPLATE = "repository", "repo-creds"
TLS_CERTIFICATES = "argocd-tls-certs-cm"
KNOWN_HOSTS = "argocd-ssh-known-hosts-cm"
_KNOWN_HOSTS_KEY = "ssh_known_hosts"

_TRUE = frozenset({"1", "t", "T", "TRUE", "true", "True"})
_FALSE = frozenset({"0", "f", "F", "FALSE", "false", "False"})
_TEXTS = {
    "url": "url",
    "name": "name",
    "project": "project",
    "username": "username",
    "password": "password",
    "bearer_token": "bearerToken",
    "ssh_key": "sshPrivateKey",
    "client_certificate": "tlsClientCertData",
    "client_key": "tlsClientCertKey",
    "app_private_key": "githubAppPrivateKey",
    "app_base_url": "githubAppEnterpriseBaseUrl",
    "proxy": "proxy",
    "no_proxy": "noProxy",
}
_FLAGS = {
    "insecure": "insecure",
    "insecure_ignore_host_key": "insecureIgnoreHostKey",
    "enable_lfs": "enableLfs",
    "enable_oci": "enableOCI",
    "oci_force_http": "insecureOCIForceHttp",
    "force_basic_auth": "forceHttpBasicAuth",
}
_NUMBERS = {"app_id": "githubAppID", "app_installation_id": "githubAppInstallationID", "depth": "depth"}
_REFUSED = {
    "gcpServiceAccountKey": "Google Cloud service accounts",
    "useAzureWorkloadIdentity": "Azure workload identities",
    "azureServicePrincipalClientSecret": "Azure service principals",
}
_KINDS = ("git", "helm", "oci")
_INHERITED = (
    "username password bearer_token ssh_key client_certificate client_key app_private_key app_id app_installation_id "
    "app_base_url proxy no_proxy"
).split()
_TAKEN_OVER = ("enable_oci", "oci_force_http", "force_basic_auth")
_AUTHORITY = re.compile(r"(?:[a-z][a-z0-9+.-]*://)?([^/]*)")
_KEY = re.compile(r"-----BEGIN [A-Z0-9 ]*PRIVATE KEY-----")


class Book:
    """What a hub says at one moment.

    Args:
        secrets: its Secrets of the types `REPOSITORY` and `TEMPLATE`; the first by name counts where two name the same.
        certificates: ``argocd-tls-certs-cm``: host to PEM.
        known_hosts: the lines of ``argocd-ssh-known-hosts-cm``.
    """

    def __init__(
        self,
        secrets: Sequence[StoredObject] = (),
        *,
        certificates: Mapping[str, str] | None = None,
        known_hosts: str = "",
    ) -> None:
        self._certificates = certificates or {}
        self._known_hosts = known_hosts
        self._own: dict[tuple[str, str], RepositoryAccess] = {}
        templates: dict[str, RepositoryAccess] = {}
        self.problems: dict[str, str] = {}
        """By Secret, for a log: those of a Secret that names no repository reach no Application."""
        for obj in sorted(secrets, key=lambda obj: obj.ref):
            access = read(obj)
            if access.problem:
                self.problems[str(obj.ref.name)] = access.problem
            key = _key(access.url)
            if (obj.meta.labels or {}).get(TYPE_LABEL) == TEMPLATE:
                templates.setdefault(normalized(access.url), access)
            elif key:
                self._own.setdefault((key, access.project), access)
        # An empty prefix is no prefix (`getRepositoryCredentialIndex`).
        self._templates = sorted(((key, each) for key, each in templates.items() if key), key=lambda it: -len(it[0]))

    def find(self, url: str, project: str = "") -> RepositoryAccess | None:
        """See `backends.repository_access.AccessBook`.

        A Secret without a login takes that of the template (`enrichCredsToRepo`). A host's certificate counts without a
        Secret too.
        """
        own = self._own.get((_key(url), project)) or self._own.get((_key(url), ""))
        whole = normalized(url)
        template = next((each for prefix, each in self._templates if _is_below(whole, prefix)), None)
        found = own
        if template is not None and (own is None or not has_login(own)):
            found = _inherit(own or RepositoryAccess(url=url), template)
        authority = self._certificates.get(host_of(url), "")
        if found is None:
            return RepositoryAccess(url=url, certificate_authority=authority) if authority else None
        return msgspec.structs.replace(found, url=url, certificate_authority=authority, known_hosts=self._known_hosts)

    def address(self, name: str, project: str = "") -> str:
        """See `backends.repository_access.AccessBook` (reposerver/repository/repository.go, `getHelmRepos`)."""
        named = [each for each in self._own.values() if each.kind == "helm" and each.name == name]
        return next((each.url for owner in (project, "") for each in named if each.project == owner), "")

    def of_project(self, project: str) -> tuple[str, ...]:
        """The repositories that have a Secret of this project: beside its `sourceRepos` they are allowed to it
        (util/argo/argo.go, `GetAppProjectByName`)."""
        return tuple(access.url for (_, owner), access in self._own.items() if owner == project)


def _is_below(url: str, prefix: str) -> bool:
    """Whether a template with this prefix is meant for an address.

    Unlike in `getRepositoryCredentialIndex`, hosts have to be the same: ``https://host`` is also a prefix of
    ``https://host.evil.example`` and of ``https://host@evil.example``.
    """
    return url.startswith(prefix) and _host(url) == _host(prefix)


def _host(url: str) -> str:
    """The host of a normalized address, which may have no scheme."""
    authority = _AUTHORITY.match(url)
    return authority[1].rpartition("@")[2].partition(":")[0] if authority else ""


def _key(url: str) -> str:
    """What two addresses have in common that Argo CD takes for one (`SameURL`): also such as are none."""
    return normalized(url) or url


def has_login(access: RepositoryAccess) -> bool:
    """`Repository.HasCredentials`."""
    return bool(
        access.username
        or access.password
        or access.bearer_token
        or access.ssh_key
        or access.client_certificate
        or access.app_private_key
    )


def read(obj: StoredObject) -> RepositoryAccess:
    """What one Secret says; where that can't be used, `problem` says why."""
    source = one_line(f"Secret {obj.ref.namespace}/{obj.ref.name}")
    data, broken = secret_texts(obj)
    values: dict[str, Any] = {field: data.get(key, "") for field, key in _TEXTS.items()}
    problem = f"{source}: {one_line(broken[0])} is no text" if broken else ""
    for field, key in _FLAGS.items():
        values[field], wrong = _read(data.get(key), _flag, f"{source}: {key} is neither true nor false")
        problem = problem or wrong
    for field, key in _NUMBERS.items():
        values[field], wrong = _read(data.get(key), int, f"{source}: {key} is no whole number")
        problem = problem or wrong
    kind = data.get("type", "").lower() or "git"
    access = RepositoryAccess(**values | {"kind": kind})
    return msgspec.structs.replace(access, problem=problem or _refusal(source, data, access))


def texts_of(obj: StoredObject) -> dict[str, str]:
    """The `data` of a ConfigMap."""
    data = obj.decode().get("data")
    return {str(key): str(value) for key, value in data.items()} if isinstance(data, Mapping) else {}


def known_hosts_of(obj: StoredObject) -> str:
    """The lines of ``argocd-ssh-known-hosts-cm``."""
    return texts_of(obj).get(_KNOWN_HOSTS_KEY, "")


def _refusal(source: str, data: Mapping[str, str], access: RepositoryAccess) -> str:
    if not access.url.strip():
        return f"{source} names no url"
    if access.kind not in _KINDS:
        return f"{source}: type {one_line(access.kind)} is none of {', '.join(_KINDS)}"
    for key, what in _REFUSED.items():
        if data.get(key) and data[key] not in _FALSE and not (access.password or access.bearer_token or access.ssh_key):
            return f"{source}: {what} are not supported (use a token, an ssh key or a GitHub App)"
    if access.ssh_key and not _KEY.search(access.ssh_key):
        return f"{source}: sshPrivateKey is no private key in PEM"
    if access.app_private_key and not _KEY.search(access.app_private_key):
        return f"{source}: githubAppPrivateKey is no private key in PEM"
    if access.app_private_key and not access.app_id:
        return f"{source}: githubAppPrivateKey without githubAppID"
    if bool(access.client_certificate) != bool(access.client_key):
        return f"{source}: a client certificate needs both tlsClientCertData and tlsClientCertKey"
    if access.depth < 0:
        return f"{source}: depth is less than nothing"
    return ""


def _inherit(own: RepositoryAccess, template: RepositoryAccess) -> RepositoryAccess:
    """`Repository.CopyCredentialsFrom`. A template's certificate checks are not taken over: `insecure` is no part of
    one."""
    taken = {name: getattr(own, name) or getattr(template, name) for name in _INHERITED}
    taken |= {name: getattr(template, name) for name in _TAKEN_OVER}
    return msgspec.structs.replace(own, **taken, problem=own.problem or template.problem)


def _flag(text: str) -> bool:
    if text not in _TRUE | _FALSE:
        raise ValueError(text)
    return text in _TRUE


def _read(text: str | None, parse: Callable[[str], Any], otherwise: str) -> tuple[Any, str]:
    try:
        return parse("0" if text is None else text), ""
    except ValueError:
        return parse("0"), otherwise
