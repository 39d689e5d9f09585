"""HTTP to one API server.

Owns: `Transport`, its session, its retries and its count of requests. Called by `backends.kube.cluster`, which imports
it at the first request: with it comes aiohttp. Raises the errors of `fleetui.model.errors` alone.
"""

from __future__ import annotations

import asyncio
import os
import platform
import random
import socket
from collections import Counter
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar
from urllib.parse import urlencode

import aiohttp
from multidict import CIMultiDict
from yarl import URL

from backends.kube.context import ContextConfig, Pem
from backends.kube.credentials import Credentials, Login
from backends.kube.errors import from_answer, from_exception, was_lost
from backends.kube.proxy import proxy_for
from backends.kube.tls import ssl_context
from backends.kube.websocket import WebSocket, connect
from fleetui import __version__
from fleetui.model.errors import ClusterError, OverloadedError, UnauthorizedError

JSON = "application/json"

_CONNECT_TIMEOUT = 10.0
_ANSWER_TIMEOUT = 60.0
"""Seconds without a byte of an answer; the API server itself gives up after 60. A slow link may take longer in all."""
_IDLE_CONNECTION = 30.0
"""Seconds that an unused connection is kept: less than any load balancer's, so that a write never meets a dead one."""
_PARALLEL = 32
"""Requests at a time; watches do not count, so that they can't starve requests."""
_ATTEMPTS = 4
_LONGEST_WAIT = 10.0
"""Seconds that a request waits at most before it is asked again."""
_READ_BUFFER = 2**21
_PROBE = "PROBE"
_VERBS = {"POST": "CREATE", "PUT": "UPDATE"}

Query = Mapping[str, str]
_T = TypeVar("_T")


@dataclass(frozen=True, slots=True)
class _Request:
    method: str
    path: str
    verb: str
    headers: Mapping[str, str]
    timeout: aiohttp.ClientTimeout
    query: Query | None = None
    body: bytes = b""

    def __str__(self) -> str:
        return f"{self.method} {self.path}"


class Stream:
    """The body of a watch, as it comes."""

    def __init__(self, content: aiohttp.StreamReader, *, cluster: str, server: str) -> None:
        self._content = content
        self._cluster = cluster
        self._server = server
        self._rest: list[bytes] = []

    async def lines(self) -> list[bytes]:
        """The complete lines that came since the last call, at least one; empty when the server has ended the body.

        Lines may be of any length. What follows the last line break is never handed out.

        Raises:
            UnreachableError: the connection broke, or nothing came for as long as the stream may be idle.
        """
        while True:
            chunk = await self.piece()
            if not chunk:
                return []
            head, *others = chunk.split(b"\n")
            self._rest.append(head)
            if not others:
                continue
            first = b"".join(self._rest)
            self._rest = [others.pop()]
            lines = [line for line in (first, *others) if line]
            if lines:
                return lines

    async def piece(self) -> bytes:
        """What came since the last call, at least a byte; empty when the server has ended the body.

        Raises:
            UnreachableError: as for `lines`.
        """
        try:
            return await self._content.readany()
        except (aiohttp.ClientError, OSError) as error:
            raise from_exception(error, cluster=self._cluster, server=self._server) from error


class Transport:
    """One API server over HTTP. Used on one event loop; `close` it.

    Args:
        config: how it is reached, and as whom.
        requests: counts the requests.
        env: where proxies are named; None: that of the process.
        asked: called when a request is sent; by then there is a login, which may have taken a plugin its time.
        answered: called when the head of a successful answer came. Neither is called for a probe.
    """

    def __init__(
        self,
        config: ContextConfig,
        *,
        requests: Counter[str],
        env: Mapping[str, str] | None = None,
        asked: Callable[[], object] = lambda: None,
        answered: Callable[[], object] = lambda: None,
    ) -> None:
        self._config = config
        self._asked = asked
        self._answered = answered
        self.requests = requests
        """How many requests were sent, by verb: LIST, WATCH, GET, CREATE, UPDATE, PATCH, DELETE, DISCOVER, PROBE,
        LOG, EXEC, ATTACH, FORWARD."""
        self._credentials = Credentials(config)
        self._proxy = config.proxy_url or proxy_for(config.server, os.environ if env is None else env) or None
        self._slots = asyncio.Semaphore(_PARALLEL)
        self._opening = asyncio.Lock()
        self._session: aiohttp.ClientSession | None = None
        self._session_key: tuple[object, ...] = ()

    async def request(
        self,
        method: str,
        path: str,
        *,
        query: Query | None = None,
        body: bytes = b"",
        content_type: str = JSON,
        accept: str = JSON,
        verb: str = "",
    ) -> bytes:
        """The body of a successful answer.

        A read is asked again a few times after a lost connection, 429 or 5xx. A write is asked again only after a 429
        with Retry-After, which says that it was not carried out.

        Args:
            path: percent-encoded where that is needed.
            verb: what the request counts as; default: by its method.
        """
        headers = {"Accept": accept} | ({"Content-Type": content_type} if body else {})
        verb = verb or _VERBS.get(method, method)
        timeout = aiohttp.ClientTimeout(total=None, sock_connect=_CONNECT_TIMEOUT, sock_read=_ANSWER_TIMEOUT)
        request = _Request(method, path, verb=verb, headers=headers, timeout=timeout, query=query, body=body)
        attempt = 0
        while True:
            try:
                async with self._slots:
                    return await self._send(request)
            except ClusterError as error:
                delay = retry_delay(method, error, attempt=attempt, chance=random.random())
                if delay is None:
                    raise
            await asyncio.sleep(delay)
            attempt += 1

    async def probe(self, path: str, *, timeout: float) -> None:
        """Asks once, within `timeout` seconds, outside the limit of parallel requests.

        Raises:
            ClusterError: as `request` does.
        """
        limit = aiohttp.ClientTimeout(total=timeout)
        await self._send(_Request("GET", path, verb=_PROBE, headers={"Accept": "*/*"}, timeout=limit))

    @asynccontextmanager
    async def stream(
        self, path: str, *, query: Query, idle: float | None, verb: str = "WATCH", accept: str = JSON
    ) -> AsyncIterator[Stream]:
        """A watch (or a log) that the server has accepted; `idle` seconds without a byte end it.

        Raises:
            ClusterError: it was not accepted.
        """
        timeout = aiohttp.ClientTimeout(total=None, sock_connect=_CONNECT_TIMEOUT, sock_read=idle)
        request = _Request("GET", path, verb=verb, headers={"Accept": accept}, timeout=timeout, query=query)
        answer = await self._answer(request)
        try:
            yield Stream(answer.content, cluster=self._config.name, server=self._config.server)
        finally:
            # Without a farewell: TLS would wait half a minute for the server's.
            if answer.connection is not None and answer.connection.transport is not None:
                answer.connection.transport.abort()
            answer.close()

    @asynccontextmanager
    async def websocket(self, path: str, *, verb: str, protocols: Sequence[str]) -> AsyncIterator[WebSocket]:
        """A websocket that the server has accepted; leaving the context cuts it.

        Args:
            path: with its query, percent-encoded.
            verb: what the request counts as.
            protocols: the subprotocols, best first; `WebSocket.protocol` is the one that the server took.

        Raises:
            ClusterError: it was not accepted.
        """
        socket = await self._renewing(lambda login: self._upgrade(path, login, verb=verb, protocols=protocols))
        try:
            yield socket
        finally:
            await socket.cut()

    async def _upgrade(self, path: str, login: Login, *, verb: str, protocols: Sequence[str]) -> WebSocket:
        session = await self._open(login)
        self.requests[verb] += 1
        self._asked()
        socket = await connect(
            session,
            f"{self._config.server}{path}",
            headers={"Authorization": login.authorization} if login.authorization else {},
            protocols=protocols,
            proxy=self._proxy,
            config=self._config,
        )
        self._answered()
        return socket

    async def close(self) -> None:
        """Closes all connections; a request in progress fails."""
        session, self._session = self._session, None
        if session is not None:
            await session.close()
            # An aborted connection is gone two rounds of the loop later (TLS, then TCP).
            for _ in range(2):
                await asyncio.sleep(0)

    async def _send(self, request: _Request) -> bytes:
        async with await self._answer(request) as answer:
            return await self._body(answer)

    async def _answer(self, request: _Request) -> aiohttp.ClientResponse:
        """An answer that is a success, its body not yet read."""
        return await self._renewing(lambda login: self._ask(request, login))

    async def _renewing(self, ask: Callable[[Login], Awaitable[_T]]) -> _T:
        """What `ask` returns; a login that was refused is renewed once."""
        login = await self._credentials.login()
        try:
            return await ask(login)
        except UnauthorizedError:
            if not self._credentials.refused(login):
                raise
            renewed = await self._credentials.login()
            if renewed == login:
                raise
        return await ask(renewed)

    async def _ask(self, request: _Request, login: Login) -> aiohttp.ClientResponse:
        session = await self._open(login)
        self.requests[request.verb] += 1
        told = request.verb != _PROBE
        if told:
            self._asked()
        answer = await self._exchange(session, request, login=login)
        if answer.status < 300:
            if told:
                self._answered()
            return answer
        async with answer:
            body = await self._body(answer)
        name = self._config.name
        raise from_answer(answer.status, answer.headers, body=body, cluster=name, what=str(request))

    async def _exchange(
        self, session: aiohttp.ClientSession, request: _Request, *, login: Login
    ) -> aiohttp.ClientResponse:
        # Encoded here once: yarl would normalise a name that has dots or a percent sign.
        query = f"?{urlencode(request.query)}" if request.query else ""
        headers = {**request.headers, **({"Authorization": login.authorization} if login.authorization else {})}
        try:
            return await session.request(
                request.method,
                URL(f"{self._config.server}{request.path}{query}", encoded=True),
                data=request.body or None,
                headers=headers,
                timeout=request.timeout,
                proxy=self._proxy,
                server_hostname=self._config.tls_server_name or None,
                # A login is for this server alone.
                allow_redirects=False,
            )
        except (aiohttp.ClientError, OSError) as error:
            raise from_exception(error, cluster=self._config.name, server=self._config.server) from error

    async def _body(self, answer: aiohttp.ClientResponse) -> bytes:
        try:
            return await answer.read()
        except (aiohttp.ClientError, OSError) as error:
            raise from_exception(error, cluster=self._config.name, server=self._config.server) from error

    async def _open(self, login: Login) -> aiohttp.ClientSession:
        """The session for the certificates as they are now; a new one where a file of them has changed."""
        key = tuple(map(_fingerprint, (login.cert, login.key, self._config.ca)))
        if self._session is not None and self._session_key == key:
            return self._session
        async with self._opening:
            if self._session is None or self._session_key != key:
                context = await asyncio.to_thread(ssl_context, self._config, cert=login.cert, key=login.key)
                await self.close()
                self._session, self._session_key = self._new_session(context), key
            return self._session

    def _new_session(self, context: Any) -> aiohttp.ClientSession:
        connector = aiohttp.TCPConnector(
            ssl=True if context is None else context,
            limit=0,
            keepalive_timeout=_IDLE_CONNECTION,
            socket_factory=_kept_alive,
        )
        headers: CIMultiDict[str] = CIMultiDict(
            {
                "User-Agent": f"fleetui/{__version__} ({platform.system().lower()}/{platform.machine()})",
                "Accept-Encoding": "gzip" if self._config.compression else "identity",
            }
        )
        for name, values in self._credentials.fixed_headers.items():
            for value in values:
                headers.add(name, value)
        return aiohttp.ClientSession(
            connector=connector, headers=headers, cookie_jar=aiohttp.DummyCookieJar(), read_bufsize=_READ_BUFFER
        )


def retry_delay(method: str, error: ClusterError, *, attempt: int, chance: float) -> float | None:
    """Seconds until a failed request is asked again; None where it is not.

    Args:
        attempt: how many attempts were made before the one that failed.
        chance: from 0 to 1, so that many clients do not come back at once.
    """
    if attempt + 1 >= _ATTEMPTS:
        return None
    delay = 0.2 * 2**attempt * (0.5 + chance / 2)
    read = method == "GET"
    if isinstance(error, OverloadedError):
        if not read and (error.code != 429 or error.retry_after is None):
            return None
        delay = max(delay, error.retry_after or 0.0)
        return delay if delay <= _LONGEST_WAIT else None
    return delay if read and was_lost(error) else None


def _fingerprint(pem: Pem) -> object:
    if not isinstance(pem, Path):
        return pem
    try:
        found = pem.stat()
    except OSError:
        return pem
    return pem, found.st_mtime_ns, found.st_size


def _kept_alive(address: Any) -> socket.socket:
    """A socket that notices within half a minute that the other side has gone without a word (a VPN that dropped)."""
    family, kind, protocol, _, _ = address
    made = socket.socket(family, kind, protocol)
    made.setsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)
    for name, value in (("TCP_KEEPIDLE", 15), ("TCP_KEEPINTVL", 5), ("TCP_KEEPCNT", 3), ("TCP_USER_TIMEOUT", 30_000)):
        if hasattr(socket, name):
            made.setsockopt(socket.IPPROTO_TCP, getattr(socket, name), value)
    return made
