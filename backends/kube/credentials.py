"""As whom requests are made: the headers, and where they come from.

Owns: `Login` and `Credentials`. Called by `backends.kube.transport` before each request. Credential plugins are run
by `backends.kube.plugins`, which is imported only where a context has one. Never a request without the credentials
that the context names: what can't be had is an error.
"""

from __future__ import annotations

import asyncio
import base64
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING
from urllib.parse import quote

from backends.kube.context import ContextConfig, Impersonation, Pem, shown
from fleetui.model.errors import RefusedError, UnauthorizedError
from fleetui.model.text import one_line

if TYPE_CHECKING:
    from backends.kube.plugins import PluginLogin

_FILE_AGE = 10.0
"""Seconds for which a token read from a file is used without looking again (client-go: at most a minute)."""
_PLUGIN_PAUSE = 30.0
"""Seconds after a failed run of a plugin before it is run again: some open a browser each time."""


@dataclass(frozen=True, slots=True)
class Login:
    """What a request carries: a header, or a client certificate, or neither (anonymous, as the context says)."""

    authorization: str = field(default="", repr=False)
    cert: Pem = field(default=None, repr=False)
    key: Pem = field(default=None, repr=False)


class Credentials:
    """The login of one context, kept until it expires or the server refuses it."""

    def __init__(self, config: ContextConfig, *, clock: Callable[[], float] = time.time) -> None:
        self._config = config
        self._clock = clock
        self._lock = asyncio.Lock()
        self._login: Login | None = None
        self._expires = 0.0
        self._failure: UnauthorizedError | None = None
        self._pause_ends = 0.0
        self.fixed_headers = impersonation_headers(config.impersonate)

    async def login(self) -> Login:
        """The login to use now.

        Raises:
            UnauthorizedError: the token file can't be read, or the plugin failed.
        """
        if self._login is not None and self._clock() < self._expires:
            return self._login
        async with self._lock:
            if self._login is None or self._clock() >= self._expires:
                self._login, self._expires = await self._obtain()
            return self._login

    async def renew(self) -> None:
        """Gets a new login now, because the operator asks for it.

        Raises:
            RefusedError: the kubeconfig names nothing that could give another one.
            UnauthorizedError: no login could be had.
        """
        config = self._config
        if not (config.token_file or _by_plugin(config)):
            who = config.user or config.name
            raise RefusedError(f"the kubeconfig gives {who} a fixed login, which fleetui can't renew", "edit it there")
        self._login = self._failure = None
        await self.login()

    def refused(self, login: Login) -> bool:
        """Told that the server answered 401 to `login`; True where another try may get another one."""
        if self._login is login:
            self._login = None
        config = self._config
        return bool(config.token_file or _by_plugin(config))

    async def _obtain(self) -> tuple[Login, float]:
        config = self._config
        given = Login(cert=config.client_cert, key=config.client_key)
        if config.token_file is not None:
            token = await asyncio.to_thread(_token_of, config.token_file, config.name)
            return _bearer(token, given), self._clock() + _FILE_AGE
        if config.token:
            return _bearer(config.token, given), float("inf")
        if config.username:
            text = base64.b64encode(f"{config.username}:{config.password}".encode()).decode()
            return Login(f"Basic {text}", given.cert, given.key), float("inf")
        if _by_plugin(config):
            return await self._from_plugin(given)
        return given, float("inf")

    async def _from_plugin(self, given: Login) -> tuple[Login, float]:
        if self._failure is not None and self._clock() < self._pause_ends:
            raise UnauthorizedError(self._failure.message, self._failure.hint, cluster=self._config.name)
        try:
            found = await _run_plugin(self._config)
        except UnauthorizedError as error:
            self._failure, self._pause_ends = error, self._clock() + _PLUGIN_PAUSE
            raise
        self._failure = None
        login = Login(found.authorization, given.cert or found.cert, given.key or found.key)
        return login, float("inf") if found.expires is None else found.expires


def _by_plugin(config: ContextConfig) -> bool:
    return (config.exec is not None or config.auth_provider is not None) and not (config.token or config.username)


async def _run_plugin(config: ContextConfig) -> PluginLogin:
    # 0.35 s of imports: in a thread, and never for those who have a token or a certificate.
    module = await asyncio.to_thread(__import__, "backends.kube.plugins", fromlist=["plugin_login"])
    login: PluginLogin = await module.plugin_login(config)
    return login


def _bearer(token: str, given: Login) -> Login:
    return Login(f"Bearer {token}", given.cert, given.key)


def _token_of(file: Path, cluster: str) -> str:
    try:
        token = file.read_text(encoding="utf-8").strip()
    except (OSError, UnicodeDecodeError) as error:
        reason = error.strerror if isinstance(error, OSError) else "it is not text"
        raise UnauthorizedError(f"the token file {shown(file)} can't be read: {reason}", cluster=cluster) from error
    if not token or not token.isprintable():
        raise UnauthorizedError(f"the token file {shown(file)} holds no token", cluster=cluster)
    return token


def impersonation_headers(who: Impersonation | None) -> Mapping[str, tuple[str, ...]]:
    """The ``Impersonate-*`` headers (client-go transport/round_trippers.go); a name may come several times."""
    if who is None:
        return {}
    headers: dict[str, tuple[str, ...]] = {"Impersonate-User": (one_line(who.user),)}
    if who.uid:
        headers["Impersonate-Uid"] = (one_line(who.uid),)
    if who.groups:
        headers["Impersonate-Group"] = tuple(map(one_line, who.groups))
    for key, values in who.extra.items():
        # Header names allow RFC 7230 token characters; the rest, and %, is percent-encoded, as client-go does.
        headers[f"Impersonate-Extra-{quote(key, safe=chr(33) + '#$&*+^`|')}"] = tuple(map(one_line, values))
    return headers
