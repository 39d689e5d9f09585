"""One websocket to an API server.

Owns: `WebSocket` and how it is opened (`connect`). Called by `backends.kube.transport`, which has the session and the
login; used by `backends.kube.execsession` and `backends.kube.portforward`. Raises the errors of `fleetui.model.errors`
alone.
"""

from __future__ import annotations

import asyncio
from collections.abc import Mapping, Sequence
from contextlib import suppress

import aiohttp
from yarl import URL

from backends.kube.bodies import problem
from backends.kube.connections import Interrupted
from backends.kube.context import ContextConfig
from backends.kube.errors import from_answer, from_exception
from fleetui.model.errors import UnreachableError

_PING = 30.0
"""Seconds between pings, which keep load balancers from dropping a shell that waits. An answer is not insisted on: the
other end may be held up by whoever does not read; that it is gone, TCP finds out (`transport._kept_alive`)."""
_CLOSE = 1.0
"""Seconds that the other end has for its farewell."""
_HANDSHAKE = aiohttp.ClientTimeout(total=None, sock_connect=10.0, sock_read=60.0)
"""As for any request; once the websocket is open, silence has no limit."""


class WebSocket:
    """Binary messages, both ways."""

    def __init__(
        self, socket: aiohttp.ClientWebSocketResponse, answer: aiohttp.ClientResponse, config: ContextConfig
    ) -> None:
        self._socket = socket
        self._answer = answer
        self._config = config
        self._pings = asyncio.create_task(self._ping(), name=f"ping {config.name}")

    @property
    def protocol(self) -> str:
        """The subprotocol that the server took; empty for none."""
        return self._socket.protocol or ""

    async def receive(self) -> bytes | None:
        """The next message; None once the server has closed.

        Raises:
            UnreachableError: the connection broke.
        """
        message = await self._socket.receive()
        if message.type is aiohttp.WSMsgType.BINARY:
            return bytes(message.data)
        if message.type is aiohttp.WSMsgType.TEXT:
            return str(message.data).encode()
        if message.type is aiohttp.WSMsgType.CLOSE and self._socket.close_code not in (1000, 1001, 1005):
            raise self.broken()
        if message.type is aiohttp.WSMsgType.ERROR or self._socket.close_code == 1006:
            raise self.broken() from self._socket.exception()
        return None

    async def send(self, data: bytes) -> None:
        """Waits while the server takes no more.

        Raises:
            UnreachableError: the connection broke.
        """
        try:
            await self._socket.send_bytes(data)
        except (aiohttp.ClientError, OSError, RuntimeError) as error:
            raise self.broken() from error

    def broken(self) -> UnreachableError:
        """The error of a connection that ended before its time."""
        return UnreachableError(f"the connection to {self._config.server} was lost", cluster=self._config.name)

    async def cut(self) -> None:
        """Ends the connection, without waiting for anybody."""
        self._pings.cancel()
        connection = self._answer.connection
        if connection is not None and connection.transport is not None:
            connection.transport.abort()
        self._answer.close()
        await asyncio.wait([self._pings])

    async def _ping(self) -> None:
        with suppress(aiohttp.ClientError, OSError, RuntimeError):
            while True:
                await asyncio.sleep(_PING)
                await self._socket.ping()


async def connect(
    session: aiohttp.ClientSession,
    url: str,
    *,
    headers: Mapping[str, str],
    protocols: Sequence[str],
    proxy: str | None,
    config: ContextConfig,
) -> WebSocket:
    """Opens a websocket over the connections of `session`.

    Raises:
        ClusterError: the server does not want it, in its own words, or can't be reached.
    """
    answers: list[aiohttp.ClientResponse] = []

    async def look(request: aiohttp.ClientRequest, handler: aiohttp.ClientHandlerType) -> aiohttp.ClientResponse:
        # aiohttp would follow a redirection with the login, and drop the body of a refusal.
        try:
            answer = await handler(request)
        except (aiohttp.ClientOSError, aiohttp.ServerDisconnectedError) as error:
            # It would ask a second time, too: what runs a command must not.
            raise Interrupted(error) from error
        if answer.status != 101:
            raise await _refusal(answer, config)
        answers.append(answer)
        return answer

    # A session of its own for the middleware; the connections and their limits are those of the other.
    upgrading = aiohttp.ClientSession(
        connector=session.connector,
        connector_owner=False,
        headers=session.headers,
        cookie_jar=aiohttp.DummyCookieJar(),
        timeout=_HANDSHAKE,
        middlewares=(look,),
    )
    try:
        socket = await upgrading.ws_connect(
            URL(url, encoded=True),
            protocols=protocols,
            headers=headers,
            proxy=proxy,
            server_hostname=config.tls_server_name or None,
            autoclose=False,
            timeout=aiohttp.ClientWSTimeout(ws_close=_CLOSE),
        )
    except Interrupted as error:
        raise from_exception(error.error, cluster=config.name, server=config.server) from error.error
    except (aiohttp.ClientError, OSError) as error:
        raise from_exception(error, cluster=config.name, server=config.server) from error
    finally:
        await upgrading.close()
    return WebSocket(socket, answers[-1], config)


async def _refusal(answer: aiohttp.ClientResponse, config: ContextConfig) -> Exception:
    try:
        body = await problem(answer)
    finally:
        answer.close()
    what = f"GET {answer.url.raw_path}"
    return from_answer(answer.status, answer.headers, body=body, cluster=config.name, what=what)
