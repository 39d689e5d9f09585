"""What git is told so that it logs in as a hub's Secret says.

Owns: `prepared`: from a `RepositoryAccess` to settings and environment of one git process, with keys and certificates
in files of this user alone that live as long as that process; `led_to`: where a host redirects to; and `app_token`.
Called by `backends.git_mirror` and `backends.hosts` on executor threads. No secret stands in a command line, in a
mirror's own settings or in an error. (Argo CD v3.6: util/git/creds.go.)

Git follows no redirect with a login: only the first request of a process is curl's to follow, and all that come after
go to the new host with the headers of the old one. So the redirect is followed here, and git is given its end.
"""

from __future__ import annotations

import base64
import os
import re
import shlex
import tempfile
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from urllib.parse import urlsplit

from backends.git_http import location
from backends.git_process import SSH_OPTIONS
from backends.git_remote import Remote
from backends.github_app import InstallationTokens
from backends.repository_access import RepositoryAccess
from fleetui.model.errors import GitError

TOKEN_USER = "x-access-token"
"""The user name where a Secret has a password alone (`githubAccessTokenUsername`)."""

_MOST_REDIRECTS = 5
_PROXY_HOST = re.compile(r"[A-Za-z0-9.-]+")


@dataclass(frozen=True)
class Login:
    """Settings (key and value) and environment for one git process."""

    config: tuple[tuple[str, str], ...] = field(default=(), repr=False)
    environment: Mapping[str, str] = field(default_factory=dict, repr=False)


@dataclass(frozen=True)
class Led:
    """Where a redirect ends. `trusted`: no other host was on the way, so that the login may go there."""

    remote: Remote
    trusted: bool = True


@contextmanager
def prepared(
    remote: Remote, access: RepositoryAccess | None, tokens: InstallationTokens, led: Led | None = None
) -> Iterator[Login]:
    """The login for a remote while the block runs. Where the hub names none, it is the user's own: the address's, that
    of ``~/.netrc``, the ssh-agent's.

    Args:
        led: where `led_to` found the remote to be; git is told to go there where it is given the address of `remote`.

    Raises:
        GitError: the login can't be used, or a GitHub App gets no token.
    """
    if access is not None and access.problem and remote.folder is None:
        raise GitError(f"the repository {remote.shown} can't be read: {access.problem}", url=remote.shown)
    with _Files() as files:
        if remote.base:
            yield _over_http(remote, led or Led(remote), access, files, tokens)
        elif access is not None and access.ssh_key and remote.folder is None:
            yield Login(environment={"GIT_SSH_COMMAND": shlex.join(_ssh(remote, access, files))})
        else:
            yield Login()


def led_to(remote: Remote, access: RepositoryAccess | None, tokens: InstallationTokens) -> Led:
    """Where the host of an HTTP remote sends those who ask for it; blocks.

    Raises:
        GitError: nowhere that is an HTTP address, or on and on; or no host answers.
    """
    led = Led(remote)
    with _Files() as files:
        for _ in range(_MOST_REDIRECTS):
            login = _at(led, access, remote)
            identified = led.trusted and login.client_certificate
            url = location(
                led.remote,
                login,
                _authorization(remote, login, files, tokens) if led.trusted else "",
                certificate=files.client_certificate(login) if identified else None,
                certificate_key=files.client_key(login) if identified else None,
            )
            if not url:
                return led
            following = Remote.parse(url)
            if not following.base:
                break
            # Once away, it stays without a login: who redirected could lead it back to a path of its choice.
            led = Led(following, led.trusted and _is_same_host(led.remote, following))
    raise GitError(f"the repository {remote.shown} redirects, and to no address that can be followed", url=remote.shown)


def _is_same_host(one: Remote, other: Remote) -> bool:
    """Whether a login for one address may go to the other: the very host, or its https instead of http."""
    here, there = one.base.lower(), other.base.lower()
    return there in (here, f"https://{here.removeprefix('http://')}")


def _at(led: Led, access: RepositoryAccess | None, remote: Remote) -> RepositoryAccess:
    """The login as it counts where a redirect has led: of a stranger no more than the way through the network."""
    known = access or RepositoryAccess(url=remote.url)
    return known if led.trusted else RepositoryAccess(url=led.remote.url, proxy=known.proxy, no_proxy=known.no_proxy)


def _over_http(
    remote: Remote, led: Led, known: RepositoryAccess | None, files: _Files, tokens: InstallationTokens
) -> Login:
    access = _at(led, known, remote)
    scope = f"http.{led.remote.base}."
    header = _authorization(remote, access, files, tokens) if led.trusted else ""
    config: list[tuple[str, str]] = []
    environment: dict[str, str] = {}
    if header:
        config.append((f"{scope}extraHeader", f"Authorization: {header}"))
    if header or access.client_certificate:
        config.append(("http.followRedirects", "false"))
    if led.remote is not remote:
        config.append((f"url.{led.remote.url}.insteadOf", remote.url))
    if access.insecure:
        config.append((f"{scope}sslVerify", "false"))
    if access.client_certificate:
        config.append((f"{scope}sslCert", str(files.client_certificate(access))))
        config.append((f"{scope}sslKey", str(files.client_key(access))))
    if access.certificate_authority:
        # By the environment: the user's own GIT_SSL_CAINFO would go before a setting.
        environment["GIT_SSL_CAINFO"] = str(files.authority(access))
    if access.proxy:
        config.append((f"{scope}proxy", access.proxy))
        environment |= {"NO_PROXY": access.no_proxy, "no_proxy": access.no_proxy}
    return Login(tuple(config), environment)


def app_token(access: RepositoryAccess, shown: str, tokens: InstallationTokens) -> str:
    """The token of the GitHub App that a login is; blocks.

    Args:
        shown: how messages name the repository.

    Raises:
        GitError: the App gets none.
    """
    with _Files() as files:
        return _app_token(access, shown, files, tokens)


def _app_token(access: RepositoryAccess, shown: str, files: _Files, tokens: InstallationTokens) -> str:
    return tokens.get(
        access,
        shown,
        key=files.write("app", access.app_private_key),
        certificate=files.client_certificate(access) if access.client_certificate else None,
        certificate_key=files.client_key(access) if access.client_key else None,
    )


def _authorization(remote: Remote, access: RepositoryAccess, files: _Files, tokens: InstallationTokens) -> str:
    """The header's value: by the hub (`HTTPSCreds.Environ`, `Repository.GetGitCreds`), else by the address itself;
    empty where neither names a login."""
    if access.password and (access.force_basic_auth or not access.bearer_token):
        return _basic(access.username or TOKEN_USER, access.password)
    if access.bearer_token:
        return f"Bearer {access.bearer_token}"
    if access.app_private_key and not access.ssh_key:
        return _basic(TOKEN_USER, _app_token(access, remote.shown, files, tokens))
    return remote.authorization


def _basic(user: str, password: str) -> str:
    return f"Basic {base64.b64encode(f'{user}:{password}'.encode()).decode()}"


def _ssh(remote: Remote, access: RepositoryAccess, files: _Files) -> list[str]:
    # Nothing of the user's own counts beside a key of the hub: neither settings nor agent.
    command = ["ssh", "-F", "/dev/null", "-i", str(files.write("id", access.ssh_key.rstrip("\r\n") + "\n"))]
    command += ["-o", "IdentitiesOnly=yes", "-o", "IdentityAgent=none", *SSH_OPTIONS]
    if access.insecure or access.insecure_ignore_host_key:
        command += ["-o", "StrictHostKeyChecking=no", "-o", "UserKnownHostsFile=/dev/null"]
    else:
        command += ["-o", "StrictHostKeyChecking=yes"]
        if access.known_hosts:
            known = files.write("known_hosts", access.known_hosts.rstrip("\n") + "\n")
            command += ["-o", f"UserKnownHostsFile={known}", "-o", "GlobalKnownHostsFile=/dev/null"]
    if access.proxy:
        command += ["-o", f"ProxyCommand={_socks(remote, access.proxy)} %h %p"]
    return command


def _socks(remote: Remote, proxy: str) -> str:
    """The program that Argo CD reaches a SOCKS5 proxy with; the proxy's name ends up in a shell, so it is looked at."""
    parts = urlsplit(proxy)
    try:
        host, port = parts.hostname or "", parts.port
    except ValueError:
        host, port = "", None
    if parts.scheme not in ("socks5", "socks5h") or port is None or not _PROXY_HOST.fullmatch(host):
        message = f"the repository {remote.shown} can't be read: the proxy of its Secret is no socks5://HOST:PORT"
        raise GitError(message, "ssh goes through SOCKS5 proxies alone", url=remote.shown)
    return f"connect-proxy -5 -S {host}:{port}"


class _Files:
    """A folder of this user alone that goes when the block ends; made when something is written to it."""

    def __init__(self) -> None:
        self._folder: tempfile.TemporaryDirectory[str] | None = None

    def __enter__(self) -> _Files:
        return self

    def __exit__(self, *_: object) -> None:
        if self._folder is not None:
            self._folder.cleanup()

    def client_certificate(self, access: RepositoryAccess) -> Path:
        return self.write("client.crt", access.client_certificate)

    def client_key(self, access: RepositoryAccess) -> Path:
        return self.write("client.key", access.client_key)

    def authority(self, access: RepositoryAccess) -> Path:
        return self.write("ca.crt", access.certificate_authority)

    def write(self, name: str, text: str) -> Path:
        if self._folder is None:
            # The runtime folder lies in memory where there is one (XDG Base Directory Specification 0.8).
            runtime = os.environ.get("XDG_RUNTIME_DIR", "")
            usable = bool(runtime) and os.access(runtime, os.W_OK | os.X_OK)
            self._folder = tempfile.TemporaryDirectory(prefix="fleetui-", dir=runtime if usable else None)
        path = Path(self._folder.name) / name
        if not path.exists():
            path.touch(mode=0o600, exist_ok=False)
            path.write_text(text, encoding="utf-8")
        return path
