"""The open connections to one API server.

Owns: `Connections`: one aiohttp session for the certificates as they are now, and those that went before for as long
as somebody uses them. Called by `backends.kube.transport`. How many there can be is decided there, by how many may ask
at a time; here they are kept alive, and cut when whoever used one did not read to its end.
"""

from __future__ import annotations

import asyncio
import platform
import socket
from collections.abc import Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import Any

import aiohttp
from aiohttp.client_proto import ResponseHandler
from aiohttp.http import RawResponseMessage
from aiohttp.streams import StreamReader
from multidict import CIMultiDict

from backends.kube.context import ContextConfig, Pem
from backends.kube.credentials import Login
from backends.kube.opening import closed
from backends.kube.resolver import Resolver
from backends.kube.tls import ssl_context
from fleetui import __version__

_IDLE_CONNECTION = 30.0
"""Seconds that an unused connection is kept: less than any load balancer's, so that a write never meets a dead one."""
_READ_BUFFER = 2**21


class Connections:
    """Lends lines. Used on one event loop; `close` it.

    Args:
        config: how the server is reached.
        headers: which every request carries; a name may have several values.
        limit: connections at a time; nobody waits for one, because fewer are asked for.
        socks: the URL of a SOCKS5 proxy that they all go through; empty for none.
    """

    def __init__(
        self, config: ContextConfig, *, headers: Mapping[str, Sequence[str]], limit: int, socks: str = ""
    ) -> None:
        self._config = config
        self._headers = headers
        self._limit = limit
        self._socks = socks
        self._opening = asyncio.Lock()
        self._line: Line | None = None
        self._retired: set[Line] = set()
        self._is_closed = False

    async def take(self, login: Login) -> Line:
        """What has the login's certificates, to be given back.

        Raises:
            UnreachableError, UnauthorizedError: a certificate can't be used, or all were closed.
        """
        line = await self._open(login)
        line.users += 1
        return line

    async def give_back(self, line: Line) -> None:
        line.users -= 1
        if not line.users and line in self._retired:
            self._retired.discard(line)
            await line.session.close()

    async def close(self) -> None:
        """Cuts all connections, used or not; there will be no others."""
        self._is_closed = True
        lines, self._retired = [*self._retired], set()
        if self._line is not None:
            lines.append(self._line)
            self._line = None
        for line in lines:
            await line.session.close()
        # An aborted connection is gone two rounds of the loop later (TLS, then TCP).
        for _ in range(2 if lines else 0):
            await asyncio.sleep(0)

    async def _open(self, login: Login) -> Line:
        """The session for the certificates as they are now; a new one where a file of them has changed."""
        key = tuple(map(_fingerprint, (login.cert, login.key, self._config.ca)))
        if self._line is not None and self._line.key == key:
            return self._line
        async with self._opening:
            if self._line is None or self._line.key != key:
                context = await asyncio.to_thread(ssl_context, self._config, cert=login.cert, key=login.key)
                await self._retire()
                if self._is_closed:
                    raise closed(self._config.name)
                self._line = Line(self._new_session(context), key)
            return self._line

    async def _retire(self) -> None:
        """What is under way with the old certificates goes on to its end."""
        old, self._line = self._line, None
        if old is None:
            return
        if old.users:
            self._retired.add(old)
        else:
            await old.session.close()

    def _new_session(self, context: Any) -> aiohttp.ClientSession:
        connector = self._new_connector(
            ssl=True if context is None else context, limit=self._limit, keepalive_timeout=_IDLE_CONNECTION
        )
        connector._factory = partial(_Protocol, loop=asyncio.get_running_loop())  # type: ignore[assignment]
        headers: CIMultiDict[str] = CIMultiDict(
            {"User-Agent": f"fleetui/{__version__} ({platform.system().lower()}/{platform.machine()})"}
        )
        for name, values in self._headers.items():
            for value in values:
                headers.add(name, value)
        return aiohttp.ClientSession(
            connector=connector,
            headers=headers,
            cookie_jar=aiohttp.DummyCookieJar(),
            read_bufsize=_READ_BUFFER,
            middlewares=(_once,),
        )

    def _new_connector(self, **settings: Any) -> aiohttp.TCPConnector:
        if not self._socks:
            return aiohttp.TCPConnector(socket_factory=_kept_alive, resolver=Resolver(), **settings)
        from backends.kube.socks import SocksConnector

        return SocksConnector(self._socks, prepare=_keep_alive, **settings)


class Line:
    """A session, the certificates it was made with, and how many use it now."""

    def __init__(self, session: aiohttp.ClientSession, key: tuple[object, ...]) -> None:
        self.session = session
        self.key = key
        self.users = 0


class _Protocol(ResponseHandler):
    """A connection that is cut where aiohttp would be polite or trusting (3.14).

    Closed, it is gone at once: what was to be sent is not sent any more, so that a write that was given up is not
    carried out after all, and TLS does not wait half a minute for the server's farewell. While nothing is asked of it,
    nothing may come: aiohttp would take such bytes for the answer to the next request.
    """

    _is_answered = False
    _is_final = False

    def close(self) -> None:
        # Whoever still reads the body would wait for ever: aiohttp forgets it before the connection is lost.
        if self._payload is not None and not self._payload.is_eof():
            self._payload.set_exception(aiohttp.ServerDisconnectedError())
        self.abort()

    def set_response_params(self, **params: Any) -> None:
        self._is_answered = False
        super().set_response_params(**params)

    def feed_data(self, data: tuple[RawResponseMessage, StreamReader], size: int = 0) -> None:
        self._is_final = data[0].code >= 200
        super().feed_data(data, size)

    def data_received(self, data: bytes) -> None:
        if self._is_answered and data:
            self.abort()
            return
        super().data_received(data)
        self._is_answered = self._is_final and self._payload is not None and self._payload.is_eof()


class Interrupted(Exception):  # noqa: N818 - never seen outside of the transport
    """A connection failed, by `error`; in a class of our own, because aiohttp acts upon its own."""

    def __init__(self, error: aiohttp.ClientError) -> None:
        super().__init__(str(error))
        self.error = error


async def _once(request: aiohttp.ClientRequest, handler: aiohttp.ClientHandlerType) -> aiohttp.ClientResponse:
    """Keeps aiohttp from sending a PUT or a DELETE a second time by itself, and a GET without being counted."""
    try:
        return await handler(request)
    except (aiohttp.ClientOSError, aiohttp.ServerDisconnectedError) as error:
        raise Interrupted(error) from error


def _fingerprint(pem: Pem) -> object:
    if not isinstance(pem, Path):
        return pem
    try:
        found = pem.stat()
    except OSError:
        return pem
    return pem, found.st_mtime_ns, found.st_size


def _kept_alive(address: Any) -> socket.socket:
    family, kind, protocol, _, _ = address
    made = socket.socket(family, kind, protocol)
    _keep_alive(made)
    return made


def _keep_alive(made: socket.socket) -> None:
    """Lets a socket notice within half a minute that the other side has gone without a word (a VPN that dropped)."""
    made.setsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)
    for name, value in (("TCP_KEEPIDLE", 15), ("TCP_KEEPINTVL", 5), ("TCP_KEEPCNT", 3), ("TCP_USER_TIMEOUT", 30_000)):
        if hasattr(socket, name):
            made.setsockopt(socket.IPPROTO_TCP, getattr(socket, name), value)
