"""A connection to a port of a Pod, over a websocket.

Owns: `forwarded`, and the two protocols that it speaks: SPDY in the websocket (KEP-4006, Kubernetes 1.31 and newer),
as kubectl does, and ``v4.channel.k8s.io`` of older servers, which has no word for the end of one direction. Called by
`backends.kube.podstreams`. After client-go 0.37 tools/portforward/portforward.go and cri-streaming 0.37
pkg/streaming/portforward/websocket.go.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from typing import TYPE_CHECKING

from backends.spdy.connection import Connection, Stream, StreamResetError
from backends.spdy.frames import SpdyError
from fleetui.model.errors import ClusterError, StatusError
from fleetui.model.text import one_line

if TYPE_CHECKING:
    from backends.kube.websocket import WebSocket
    from fleetui.podports import ByteStream

TUNNEL, CHANNELS = "SPDY/3.1+portforward.k8s.io", "v4.channel.k8s.io"
PROTOCOLS = (TUNNEL, CHANNELS)

_DATA, _ERROR = 0, 1
_PIECE = 2**15
_LONGEST = 500
"""Characters of a server's message that are kept."""


@asynccontextmanager
async def forwarded(socket: WebSocket, port: int, *, cluster: str) -> AsyncIterator[ByteStream]:
    """The connection to `port` that a websocket was opened for."""
    if socket.protocol != TUNNEL:
        yield _Channels(socket, cluster)
        return
    spdy = Connection(socket.send, client=True)
    tunnel = _Tunnel(socket, spdy, cluster)
    pump = asyncio.create_task(tunnel.pump(), name=f"port-forward {cluster} {port}")
    try:
        await tunnel.open(port)
        yield tunnel
    finally:
        pump.cancel()
        await asyncio.wait([pump])


class _Tunnel:
    """Two streams of SPDY: the data, and what the node has to say."""

    def __init__(self, socket: WebSocket, spdy: Connection, cluster: str) -> None:
        self._socket = socket
        self._spdy = spdy
        self._cluster = cluster
        self._data: Stream
        self._error: Stream
        self._failure: ClusterError | None = None

    async def open(self, port: int) -> None:
        headers = {"port": str(port), "requestid": "0"}
        self._error = await self._spdy.open({"streamtype": "error", **headers})
        await self._error.finish()
        self._data = await self._spdy.open({"streamtype": "data", **headers})

    async def pump(self) -> None:
        """Hands on what comes until the connection ends."""
        try:
            while (message := await self._socket.receive()) is not None:
                await self._spdy.feed(message)
        except ClusterError as error:
            self._failure = error
        except SpdyError as error:
            self._failure = StatusError(f"port-forward: {error}", cluster=self._cluster)
        finally:
            self._spdy.lost()

    async def read(self) -> bytes:
        try:
            data = await self._data.read()
        except StreamResetError:
            await self._tell()
            raise self._failure or self._socket.broken() from None
        if not data:
            await self._tell()
        return data

    async def _tell(self) -> None:
        """Raises what the node said, if it said anything."""
        said = b""
        with suppress(StreamResetError):
            while piece := await self._error.read():
                said = (said + piece)[:_LONGEST]
        if said:
            raise _failed(said, self._cluster)

    async def write(self, data: bytes) -> None:
        try:
            await self._data.write(data)
        except StreamResetError:
            await self._tell()
            raise self._failure or self._socket.broken() from None

    async def end(self) -> None:
        await self._data.finish()


class _Channels:
    """Two channels of a websocket; the first message of each names the port."""

    def __init__(self, socket: WebSocket, cluster: str) -> None:
        self._socket = socket
        self._cluster = cluster
        self._named: set[int] = set()

    async def read(self) -> bytes:
        while (message := await self._socket.receive()) is not None:
            if not message:
                continue
            channel, data = message[0], message[1:]
            if channel not in self._named:
                self._named.add(channel)
                data = data[2:]
            if data and channel == _ERROR:
                raise _failed(data, self._cluster)
            if data and channel == _DATA:
                return data
        return b""

    async def write(self, data: bytes) -> None:
        for at in range(0, len(data), _PIECE):
            await self._socket.send(bytes([_DATA]) + data[at : at + _PIECE])

    async def end(self) -> None:
        """There is no word for it: the Pod learns of it when the connection is closed."""


def _failed(said: bytes, cluster: str) -> StatusError:
    return StatusError(one_line(said.decode(errors="replace"))[:_LONGEST], cluster=cluster)
