"""Requests that become streams: the websockets of exec, attach and port-forward.

Owns: `serve`, the HTTP side of an `Upgrade`. Called by `server`. What a command does is in `containers`, the streams of
a port-forward in `portforward`. Protocols: ``v5.channel.k8s.io`` and ``v4.channel.k8s.io`` for commands, SPDY in the
websocket and ``v4.channel.k8s.io`` for ports. An upgrade to SPDY itself, as kubectl sent it before 1.31, is refused.
"""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from contextlib import suppress
from typing import TYPE_CHECKING, Any

import msgspec

from backends.embedded import errors, portforward
from backends.embedded.containers.commands import COMMANDS, Machine, Streams
from backends.embedded.containers.container import Container, find
from backends.embedded.containers.logs import Log
from backends.embedded.containers.shell import SHELLS, NoCommandError, name_of, run
from backends.embedded.containers.terminal import Terminal
from backends.embedded.errors import ApiError
from backends.embedded.podstreams import LogOptions, LogStream, Upgrade
from backends.embedded.store import ObjectStore

if TYPE_CHECKING:
    from aiohttp.web import BaseRequest, StreamResponse, WebSocketResponse

V5, V4 = "v5.channel.k8s.io", "v4.channel.k8s.io"

_STDIN, _STDOUT, _STDERR, _ERROR, _RESIZE, _CLOSE = 0, 1, 2, 3, 4, 255
_PIECE = 2**15
_BACKLOG = 16
"""Messages of input that wait for the process."""
_LOOK = 1.0
"""Seconds after which it is looked whether the container still runs."""
_KILLED = 137


async def serve(
    request: BaseRequest, upgrade: Upgrade, store: ObjectStore, *, protocols: Sequence[str]
) -> StreamResponse:
    """Answers the request, and returns when the stream is over.

    Args:
        protocols: the subprotocols that this server speaks.

    Raises:
        ApiError: 400, it is no websocket, or of none of the protocols.
    """
    from aiohttp.web import WebSocketResponse

    kinds = (portforward.TUNNEL, V4) if upgrade.kind == "portforward" else (V5, V4)
    spoken = [protocol for protocol in kinds if protocol in protocols]
    if request.headers.get("Upgrade", "").lower() != "websocket":
        raise errors.bad_request("Upgrade request required")
    asked = {one.strip() for one in request.headers.get("Sec-WebSocket-Protocol", "").split(",")}
    if not asked & set(spoken):
        raise errors.bad_request(f"unable to upgrade: none of the protocols is known, but {', '.join(spoken)} are")
    socket = WebSocketResponse(protocols=spoken, timeout=1.0, max_msg_size=2**24)
    await socket.prepare(request)
    # A client that is gone is told by the reader; writing to it then means nothing.
    with suppress(ConnectionResetError, ConnectionAbortedError):
        if upgrade.kind == "portforward":
            pod = _pod(store, upgrade)
            ports = [int(port) for text in request.query.getall("ports", []) for port in text.split(",")]
            await portforward.serve(socket, pod, ports)
        else:
            await _Command(socket, upgrade, store, request).serve()
        await socket.close()
    return socket


def _pod(store: ObjectStore, upgrade: Upgrade) -> dict[str, Any]:
    found: dict[str, Any] = store.get("", "Pod", upgrade.namespace, upgrade.pod)
    return found


class _Command:
    """One process with its channels."""

    def __init__(self, socket: WebSocketResponse, upgrade: Upgrade, store: ObjectStore, request: BaseRequest) -> None:
        self._socket = socket
        self._upgrade = upgrade
        self._store = store
        query = request.query
        self._argv = query.getall("command", [])
        self._stdin, self._stdout, self._stderr, tty = (
            query.get(name, "").lower() in ("true", "1") for name in ("stdin", "stdout", "stderr", "tty")
        )
        self._input: asyncio.Queue[bytes] = asyncio.Queue(_BACKLOG)
        self._terminal = Terminal(self._out) if tty else None

    async def serve(self) -> None:
        """Runs the process until it ends, or the client goes, or the container does; then tells how it ended."""
        await self._send(_STDOUT if self._stdout else _STDERR if self._stderr else _ERROR, b"")
        try:
            container = self._container()
        except ApiError:
            what = f'unable to upgrade connection: container not found ("{self._upgrade.container}")'
            await self._tell(_internal(what))
            return
        work = self._attach(container) if self._upgrade.kind == "attach" else self._run(container, self._argv)
        process = asyncio.create_task(work, name="a command in a container")
        others = [asyncio.create_task(self._listen()), asyncio.create_task(self._watch(container))]
        try:
            await asyncio.wait([process, *others], return_when=asyncio.FIRST_COMPLETED)
            if process.done():
                await self._tell(_ended(process))
            elif others[1].done():
                await self._tell(_exited(_KILLED))
        finally:
            await _end([process, *others])

    def _container(self) -> Container:
        container = find(_pod(self._store, self._upgrade), self._upgrade.container)
        if not container.runs:
            raise errors.bad_request("it does not run")
        return container

    async def _run(self, container: Container, argv: Sequence[str]) -> int:
        machine = Machine(container, self._store.clock)
        if self._terminal is None:
            return await run(machine, argv, Streams(self._read, self._out, self._err))
        terminal = self._terminal
        streams = Streams(terminal.read, terminal.write, terminal.write, lambda: terminal.size)
        return await run(machine, argv, streams, terminal.foreground)

    async def _attach(self, container: Container) -> int:
        """The container's own process, where it is one that is known here; of another there is the log alone."""
        argv = [*(container.spec.get("command") or ()), *(container.spec.get("args") or ())]
        if argv and (name_of(argv[0]) in COMMANDS or name_of(argv[0]) in SHELLS):
            await self._run(container, argv)
            return 0
        resource = self._store.resources.by_kind("", "Pod")
        assert resource is not None
        log = Log(container, container.life(previous=False))
        lines = LogStream(self._store, resource, container, log, LogOptions(follow=True, tail=0))
        async for chunk in lines.chunks():
            await (self._terminal.write(chunk) if self._terminal else self._out(chunk))
        return 0

    async def _listen(self) -> None:
        """Takes what the client sends until it goes."""
        from aiohttp import WSMsgType

        if not self._stdin:
            self._input.put_nowait(b"")
        async for message in self._socket:
            if message.type is not WSMsgType.BINARY or not message.data:
                continue
            channel, data = message.data[0], message.data[1:]
            if channel == _RESIZE and self._terminal is not None:
                self._terminal.size = _size(data, self._terminal.size)
            elif channel == _STDIN and data and self._stdin:
                await self._take(data)
            elif channel == _CLOSE and data == bytes([_STDIN]) and self._socket.ws_protocol == V5:
                await self._take(b"")

    async def _take(self, data: bytes) -> None:
        await (self._terminal.feed(data) if self._terminal else self._input.put(data))

    async def _read(self) -> bytes:
        data = await self._input.get()
        if not data:
            self._input.put_nowait(b"")  # the end stays the end
        return data

    async def _watch(self, container: Container) -> None:
        """Returns when the container does not run any more."""
        identity = container.status.get("containerID")
        while True:
            await asyncio.sleep(_LOOK)
            try:
                if self._container().status.get("containerID") != identity:
                    return
            except ApiError:
                return

    async def _out(self, data: bytes) -> None:
        if self._stdout:
            await self._send(_STDOUT, data)

    async def _err(self, data: bytes) -> None:
        if self._stderr:
            await self._send(_STDERR, data)

    async def _send(self, channel: int, data: bytes) -> None:
        for at in range(0, len(data) or 1, _PIECE):
            await self._socket.send_bytes(bytes([channel]) + data[at : at + _PIECE])

    async def _tell(self, status: dict[str, Any]) -> None:
        await self._send(_ERROR, msgspec.json.encode(status))


async def _end(tasks: list[asyncio.Task[Any]]) -> None:
    for task in tasks:
        task.cancel()
    await asyncio.gather(*tasks, return_exceptions=True)


def _size(data: bytes, before: tuple[int, int]) -> tuple[int, int]:
    try:
        given = msgspec.json.decode(data, type=dict[str, int])
    except msgspec.DecodeError:
        return before
    return given.get("Width", before[0]), given.get("Height", before[1])


def _ended(process: asyncio.Task[int]) -> dict[str, Any]:
    """The Status of how a process ended (cri-streaming pkg/streaming/remotecommand/exec.go)."""
    error = process.exception()
    if isinstance(error, NoCommandError):
        return _internal(f"Internal error occurred: error executing command in container: {error}")
    if error is not None:
        raise error
    return _exited(process.result()) if process.result() else {"metadata": {}, "status": "Success"}


def _exited(code: int) -> dict[str, Any]:
    return {
        "metadata": {},
        "status": "Failure",
        "message": f"command terminated with non-zero exit code: command terminated with exit code {code}",
        "reason": "NonZeroExitCode",
        "details": {"causes": [{"reason": "ExitCode", "message": str(code)}]},
    }


def _internal(why: str) -> dict[str, Any]:
    return {
        "metadata": {},
        "status": "Failure",
        "message": f"Internal error occurred: {why}",
        "reason": "InternalError",
        "details": {"causes": [{"message": why}]},
        "code": 500,
    }
