"""What goes over a wire, counted and slowed.

Owns: `Relay`. Called by tests and benchmarks that ask how many bytes came from a server, or how it is over a slow line.
"""

from __future__ import annotations

import asyncio
from contextlib import suppress
from typing import Self
from urllib.parse import urlsplit

_PIECE = 16_384


class Relay:
    """Stands before a server at `url`, byte for byte; a context manager.

    Args:
        target: the URL of the server.
        rate: bytes a second that come from the server over each connection; None: as many as there are.
    """

    def __init__(self, target: str, *, rate: float | None = None) -> None:
        self._target = urlsplit(target)
        self._rate = rate
        self._tasks: set[asyncio.Task[None]] = set()
        self._server: asyncio.Server | None = None
        self.connections = 0
        self.received = bytearray()
        """What came from the server, whole; clear it to count from now on."""

    @property
    def url(self) -> str:
        assert self._server is not None
        return f"{self._target.scheme}://127.0.0.1:{self._server.sockets[0].getsockname()[1]}"

    async def __aenter__(self) -> Self:
        self._server = await asyncio.start_server(self._serve, "127.0.0.1", 0)
        return self

    async def __aexit__(self, *_: object) -> None:
        assert self._server is not None
        self._server.close()
        for task in tuple(self._tasks):
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)
        self.connections += 1
        behind = None
        with suppress(ConnectionError, asyncio.CancelledError):
            behind = await asyncio.open_connection(self._target.hostname, self._target.port)
            await asyncio.gather(self._there(reader, behind[1]), self._back(behind[0], writer))
        for end in (writer, behind[1] if behind else None):
            if end is not None:
                end.transport.abort()

    async def _there(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        while data := await reader.read(_PIECE):
            writer.write(data)
            await writer.drain()
        writer.transport.abort()

    async def _back(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        while data := await reader.read(_PIECE):
            self.received += data
            if self._rate is not None:
                await asyncio.sleep(len(data) / self._rate)
            writer.write(data)
            await writer.drain()
        writer.transport.abort()
