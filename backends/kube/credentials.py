"""As whom requests are made: the headers, and where they come from.

Owns: `Login` and `Credentials`. Called by `backends.kube.transport` before each request. Never a request without the
login that the context names: what can't be had is an error. What runs plugins or asks identity providers is imported
only where a context has one, and shared with every context that has the same (`backends.kube.logins`).

Which of several logins counts is client-go 0.37's: transport/round_trippers.go (a token, of a file before that of the
kubeconfig, or a user name), plugin/pkg/client/auth/exec/exec.go `UpdateTransportConfig` (a plugin is run only where
there is neither of them nor a client certificate); a client certificate is shown besides whatever else there is.
"""

from __future__ import annotations

import asyncio
import base64
import json
import shlex
import time
from collections.abc import Callable, Hashable, Mapping
from dataclasses import asdict, dataclass, field
from pathlib import Path
from urllib.parse import quote

from backends.kube.context import ContextConfig, Impersonation, Pem, shown
from backends.kube.logins import Credential, NoLoginError, SharedLogin, shared
from backends.kube.opening import closed
from fleetui.model.errors import RefusedError, UnauthorizedError, UnreachableError
from fleetui.model.text import one_line

_FILE_AGE = 10.0
"""Seconds for which a token read from a file is used without looking again (client-go: at most a minute)."""

_PATIENCE = 5.0
"""Seconds after which it is told that a login is still waited for."""


@dataclass(frozen=True, slots=True)
class Login:
    """What a request carries: a header, or a client certificate, or neither (anonymous, as the context says)."""

    authorization: str = field(default="", repr=False)
    cert: Pem = field(default=None, repr=False)
    key: Pem = field(default=None, repr=False)


class Credentials:
    """The login of one context, kept until it ends or the server refuses it. Used on one event loop; `close` it.

    Args:
        timeout: seconds that a plugin may take; None: `backends.kube.execplugin.TIMEOUT`.
        slow: told when a plugin or provider has kept somebody waiting for a while.
    """

    def __init__(
        self,
        config: ContextConfig,
        *,
        clock: Callable[[], float] = time.time,
        timeout: float | None = None,
        slow: Callable[[str], object] = lambda _: None,
    ) -> None:
        self._slow = slow
        self._config = config
        self._clock = clock
        self._timeout = timeout
        self._lock = asyncio.Lock()
        self._login: Login | None = None
        self._ends = 0.0
        self._shared: SharedLogin | None = None
        self._credential: Credential | None = None
        self._is_closed = False
        self.fixed_headers = impersonation_headers(config.impersonate)

    async def login(self) -> Login:
        """The login to use now.

        Raises:
            UnauthorizedError: the token file can't be read, or the plugin or provider gave none.
            UnreachableError: the context can't be used at all.
        """
        self._insist_on_usable()
        if _is_given(self._config):
            return await self._from_provider()
        if self._login is not None and self._clock() < self._ends:
            return self._login
        async with self._lock:
            if self._login is None or self._clock() >= self._ends:
                self._login, self._ends = await self._from_kubeconfig()
            return self._login

    async def renew(self) -> None:
        """Gets a new login now, because the operator asks for it; a plugin may use the terminal.

        Raises:
            RefusedError: the kubeconfig names nothing that could give another one, or another login is going on.
            UnauthorizedError: no login could be had.
            UnreachableError: the context can't be used at all.
        """
        self._insist_on_usable()
        config = self._config
        if _is_given(config):
            try:
                await self._taken().by_hand()
            except NoLoginError as error:
                raise self._error(error) from error
        elif config.token_file is None:
            who = config.user or config.name
            raise RefusedError(f"the kubeconfig gives {who} a fixed login, which fleetui can't renew", "edit it there")
        self._ends = 0.0
        await self.login()

    def refused(self, login: Login) -> bool:
        """Told that the server answered 401 to `login`; True where another try may get another one."""
        if self._shared is not None and self._credential is not None:
            return login is not self._login or self._shared.refused(self._credential)
        if login is self._login:
            self._ends = 0.0
        return self._config.token_file is not None

    async def close(self) -> None:
        """Ends a run that nobody else waits for; there is no login from now on."""
        self._is_closed = True
        taken, self._shared = self._shared, None
        if taken is not None:
            await taken.release()

    def _insist_on_usable(self) -> None:
        if self._is_closed:
            raise closed(self._config.name)
        if self._config.problem:
            raise UnreachableError(self._config.problem, cluster=self._config.name)

    async def _from_kubeconfig(self) -> tuple[Login, float]:
        config = self._config
        given = Login(cert=config.client_cert, key=config.client_key)
        if config.token_file is not None:
            return await self._from_file(config.token_file, given), self._clock() + _FILE_AGE
        if config.token:
            return _bearer(config.token, given), float("inf")
        if config.username:
            text = base64.b64encode(f"{config.username}:{config.password}".encode()).decode()
            return Login(f"Basic {text}", given.cert, given.key), float("inf")
        return given, float("inf")

    async def _from_file(self, file: Path, given: Login) -> Login:
        try:
            return _bearer(await asyncio.to_thread(_token_of, file, self._config.name), given)
        except UnauthorizedError:
            # client-go transport/token_source.go: while a file can't be read, what was read before is used.
            if self._login is not None:
                return self._login
            if self._config.token:
                return _bearer(self._config.token, given)
            raise

    async def _from_provider(self) -> Login:
        who = str(self._config.exec or "the identity provider")
        words = f"{who} has not given a login for {_PATIENCE:g} s"
        impatient = asyncio.get_running_loop().call_later(_PATIENCE, self._slow, words)
        try:
            found = await self._taken().get()
        except NoLoginError as error:
            raise self._error(error) from error
        finally:
            impatient.cancel()
        if self._login is None or found is not self._credential:
            given = self._config
            header = f"Bearer {found.token}" if found.token else ""
            self._login = Login(header, given.client_cert or found.cert, given.client_key or found.key)
            self._credential = found
        return self._login

    def _taken(self) -> SharedLogin:
        if self._shared is None:
            self._shared = shared(_key(self._config), self._made)
        return self._shared

    def _made(self) -> SharedLogin:
        config, clock, timeout = self._config, self._clock, self._timeout

        async def obtain(at_terminal: bool) -> Credential:
            if config.exec is None:
                from backends.kube.oidc import oidc_login

                return await oidc_login(config, now=clock())
            from backends.kube.execplugin import TIMEOUT, run_plugin

            limit = TIMEOUT if timeout is None else timeout
            return await run_plugin(config.exec, at_terminal=at_terminal, timeout=limit, now=clock())

        return SharedLogin(obtain, clock=clock)

    def _error(self, error: NoLoginError) -> UnauthorizedError:
        name = self._config.name
        hint = f"log in: fleetui login {shlex.quote(name)}" if error.by_hand else ""
        return UnauthorizedError(f"no login for {self._config.user or name}: {error}", hint, cluster=name)


def _is_given(config: ContextConfig) -> bool:
    """Whether a plugin or a provider gives the login."""
    if config.token or config.token_file or config.username:
        return False
    return config.auth_provider is not None or (config.exec is not None and config.client_cert is None)


def _key(config: ContextConfig) -> Hashable:
    """What is the same for contexts that share a login (client-go `cacheKey`: the plugin with all its settings)."""
    if config.exec is not None:
        return json.dumps(asdict(config.exec), sort_keys=True, default=str)
    return config.source, config.user


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
