"""Connections to the ports of a Pod, for clients of an embedded server.

Owns: `serve`, for a websocket that was accepted. Called by `upgrades`. Two protocols: SPDY in the websocket, where a
client opens a pair of streams for each connection, and ``v4.channel.k8s.io``, where each port of the request is one
connection. What answers is in `containers.ports`. After cri-streaming 0.37 pkg/streaming/portforward.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine
from contextlib import suppress
from typing import TYPE_CHECKING, Any

from backends.embedded.containers import ports
from backends.embedded.containers.container import listening
from backends.spdy.connection import Connection, Stream, StreamResetError
from backends.spdy.frames import SpdyError

if TYPE_CHECKING:
    from aiohttp.web import WebSocketResponse

Obj = dict[str, Any]
Start = Callable[[Coroutine[Any, Any, None]], None]
TUNNEL = "SPDY/3.1+portforward.k8s.io"
_PIECE = 2**15
_BACKLOG = 16
"""Messages that wait for what answers on a port."""


class _RefusedError(Exception):
    """Nothing listens on the port; the message is the node's."""


async def serve(socket: WebSocketResponse, pod: Obj, asked: list[int]) -> None:
    """Serves connections to the Pod's ports until the client goes.

    Args:
        asked: the ports of the request; the tunnel names them later.
    """
    tasks: set[asyncio.Task[None]] = set()

    def start(work: Coroutine[Any, Any, None]) -> None:
        task = asyncio.create_task(work, name="a connection to a container's port")
        tasks.add(task)
        task.add_done_callback(tasks.discard)

    try:
        if socket.ws_protocol == TUNNEL:
            await _Tunnel(socket, pod, start).serve()
        else:
            await _Channels(socket, pod, asked, start).serve()
    finally:
        for task in tuple(tasks):
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)


async def _answer(pod: Obj, port: int, read: ports.Read, write: ports.Write) -> None:
    container = listening(pod).get(port)
    if container is None:
        meta = pod["metadata"]
        where = f"error forwarding port {port} to pod {meta['namespace']}/{meta['name']}, uid "
        raise _RefusedError(f"{where}: dial tcp 127.0.0.1:{port}: connect: connection refused")
    await ports.answer(container, port, read, write)


class _Tunnel:
    def __init__(self, socket: WebSocketResponse, pod: Obj, start: Start) -> None:
        self._socket = socket
        self._pod = pod
        self._start = start
        self._pairs: dict[str, dict[str, Stream]] = {}

    async def serve(self) -> None:
        spdy = Connection(self._socket.send_bytes, client=False, accept=self._accept)
        try:
            async for message in self._socket:
                await spdy.feed(message.data)
        except SpdyError:
            return  # closing the websocket is all that can be said
        finally:
            spdy.lost()

    def _accept(self, stream: Stream) -> None:
        kind, request = stream.headers.get("streamtype", ""), stream.headers.get("requestid", "")
        pair = self._pairs.setdefault(request, {})
        pair[kind] = stream
        if {"data", "error"} <= pair.keys():
            del self._pairs[request]
            self._start(self._forward(pair["data"], pair["error"]))

    async def _forward(self, data: Stream, error: Stream) -> None:
        port = data.headers.get("port", "")
        with suppress(StreamResetError, ConnectionError):
            try:
                await _answer(self._pod, int(port) if port.isdigit() else 0, data.read, data.write)
            except _RefusedError as refused:
                await error.write(str(refused).encode())
                await data.reset()
                await error.reset()
                return
            await error.finish()
            await data.finish()


class _Channels:
    def __init__(self, socket: WebSocketResponse, pod: Obj, asked: list[int], start: Start) -> None:
        self._socket = socket
        self._pod = pod
        self._asked = asked
        self._start = start
        self._inputs: list[asyncio.Queue[bytes]] = [asyncio.Queue(_BACKLOG) for _ in asked]
        self._open = len(asked)

    async def serve(self) -> None:
        for at, port in enumerate(self._asked):
            for channel in (2 * at, 2 * at + 1):
                await self._send(channel, port.to_bytes(2, "little"))
            self._start(self._forward(at, port))
        async for message in self._socket:
            channel, data = message.data[0], message.data[1:]
            if data and channel % 2 == 0 and channel // 2 < len(self._inputs):
                await self._inputs[channel // 2].put(data)

    async def _forward(self, at: int, port: int) -> None:
        async def write(data: bytes) -> None:
            for begin in range(0, len(data), _PIECE):
                await self._send(2 * at, data[begin : begin + _PIECE])

        with suppress(ConnectionError):
            try:
                await _answer(self._pod, port, self._inputs[at].get, write)
            except _RefusedError as refused:
                await self._send(2 * at + 1, str(refused).encode())
            self._open -= 1
            if not self._open:
                await self._socket.close()

    async def _send(self, channel: int, data: bytes) -> None:
        await self._socket.send_bytes(bytes([channel]) + data)
