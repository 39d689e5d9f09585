"""A server of bytes: what no HTTP library would send, and who is connected.

Owns: `Wire` and `wired`. Called by the tests of the transport. Requests are read as HTTP/1.1; answers are written as
the test has them, one for each request, in the order in which the requests came.
"""

from __future__ import annotations

import asyncio
import ssl
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import asynccontextmanager, suppress

Reply = bytes | Callable[[asyncio.StreamWriter], Awaitable[None]]


class Wire:
    """The answers still to be given, and what came."""

    def __init__(self, replies: Sequence[Reply]) -> None:
        self.replies = list(replies)
        self.requests: list[bytes] = []
        """The head of each request, and its body, as far as it came."""
        self.connections = 0
        self.open = 0
        """Connections that neither side has ended."""

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.connections += 1
        self.open += 1
        try:
            with suppress(ConnectionError, asyncio.IncompleteReadError):
                while True:
                    await self._one(reader, writer)
        finally:
            self.open -= 1
            writer.transport.abort()

    async def _one(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        head = await reader.readuntil(b"\r\n\r\n")
        length = next((line[15:] for line in head.split(b"\r\n") if line.lower().startswith(b"content-length:")), b"0")
        body = await reader.readexactly(int(length))
        self.requests.append(head + body)
        reply = self.replies.pop(0) if self.replies else answer(b"nothing is written for it", status=418)
        if isinstance(reply, bytes):
            writer.write(reply)
            await writer.drain()
            return
        replying = asyncio.ensure_future(reply(writer))
        # Nothing more comes before the answer: whoever hangs up meanwhile is noticed.
        gone = asyncio.ensure_future(reader.read(1))
        try:
            await asyncio.wait({replying, gone}, return_when=asyncio.FIRST_COMPLETED)
            if not replying.done():
                raise ConnectionResetError
            await replying
        finally:
            for task in (replying, gone):
                task.cancel()
            await asyncio.gather(replying, gone, return_exceptions=True)


@asynccontextmanager
async def wired(*replies: Reply, tls: ssl.SSLContext | None = None) -> AsyncIterator[tuple[str, Wire]]:
    """The URL of a server on loopback, and the server."""
    wire = Wire(replies)
    tasks: set[asyncio.Task[None]] = set()

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None
        tasks.add(task)
        task.add_done_callback(tasks.discard)
        with suppress(asyncio.CancelledError):
            await wire.serve(reader, writer)

    server = await asyncio.start_server(serve, "127.0.0.1", 0, ssl=tls)
    port = server.sockets[0].getsockname()[1]
    try:
        yield f"{'https' if tls else 'http'}://127.0.0.1:{port}", wire
    finally:
        server.close()
        for task in tuple(tasks):
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)


def answer(body: bytes, *, status: int = 200, length: int | None = None, media: str = "application/json") -> bytes:
    """A whole answer; `length` is what it says of its body, right or wrong."""
    said = len(body) if length is None else length
    return f"HTTP/1.1 {status} X\r\nContent-Type: {media}\r\nContent-Length: {said}\r\n\r\n".encode() + body


async def silence(writer: asyncio.StreamWriter) -> None:
    """No answer, for ever."""
    await asyncio.Event().wait()


def then_reset(data: bytes) -> Reply:
    """These bytes, then the end of the connection without a farewell."""

    async def reply(writer: asyncio.StreamWriter) -> None:
        writer.write(data)
        await writer.drain()
        writer.transport.abort()
        raise ConnectionResetError

    return reply


def then_silence(data: bytes) -> Reply:
    """These bytes, then nothing more."""

    async def reply(writer: asyncio.StreamWriter) -> None:
        writer.write(data)
        await silence(writer)

    return reply
