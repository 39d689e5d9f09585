"""Proxies that are real servers: HTTP CONNECT, with TLS or without, and SOCKS5.

Owns: `Proxy`. Called by the tests of backends.kube. Every name leads to this machine, so that a request can only arrive
where the proxy has resolved it.
"""

from __future__ import annotations

import asyncio
import base64
import ssl
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager, suppress

Reader = asyncio.StreamReader
Writer = asyncio.StreamWriter


class Proxy:
    """One proxy.

    Args:
        login: ``user:password`` that it asks for; empty for none.
        answer: what it says in place of connecting: a status line, or the number of a SOCKS5 reply.
        silent: it takes connections and says nothing.
    """

    def __init__(self, *, login: str = "", answer: str = "", silent: bool = False) -> None:
        self._login, self._answer, self._silent = login, answer, silent
        self.asked: list[str] = []
        """The targets, as they were asked for."""
        self.logins: list[str] = []

    @asynccontextmanager
    async def up(self, scheme: str, tls: ssl.SSLContext | None = None) -> AsyncIterator[str]:
        """Its host and port while it listens; every connection is cut at the end."""
        serve = self._socks if scheme.startswith("socks") else self._http
        open_now: set[asyncio.Task[None]] = set()

        async def connected(reader: Reader, writer: Writer) -> None:
            task = asyncio.current_task()
            assert task is not None
            open_now.add(task)
            with suppress(ConnectionError, asyncio.IncompleteReadError, asyncio.CancelledError):
                await (self._wait(reader) if self._silent else serve(reader, writer))
            writer.transport.abort()
            open_now.discard(task)

        server = await asyncio.start_server(connected, "127.0.0.1", 0, ssl=tls)
        try:
            yield f"127.0.0.1:{server.sockets[0].getsockname()[1]}"
        finally:
            server.close()
            for task in tuple(open_now):
                task.cancel()
            await asyncio.gather(*open_now, return_exceptions=True)
            await server.wait_closed()

    async def _wait(self, reader: Reader) -> None:
        while await reader.read(65_536):
            pass

    async def _http(self, reader: Reader, writer: Writer) -> None:
        head = (await reader.readuntil(b"\r\n\r\n")).decode()
        line, *headers = head.split("\r\n")
        given = {name.lower(): value for name, _, value in (header.partition(": ") for header in headers)}
        login = base64.b64decode(given.get("proxy-authorization", "").removeprefix("Basic ")).decode()
        self.logins.append(login)
        method, target, _ = line.split()
        assert method == "CONNECT"
        self.asked.append(target)
        if answer := self._answer or ("407 Proxy Authentication Required" if login != self._login else ""):
            writer.write(f"HTTP/1.1 {answer}\r\nContent-Length: 0\r\n\r\n".encode())
            return
        await self._join(reader, writer, target, lambda: writer.write(b"HTTP/1.1 200 Connection established\r\n\r\n"))

    async def _socks(self, reader: Reader, writer: Writer) -> None:
        """RFC 1928, and 1929 for the login."""
        _, count = await reader.readexactly(2)
        methods = await reader.readexactly(count)
        wanted = 2 if self._login else 0
        writer.write(bytes([5, wanted if wanted in methods else 255]))
        if self._login and wanted in methods:
            user = await reader.readexactly((await reader.readexactly(2))[1])
            password = await reader.readexactly((await reader.readexactly(1))[0])
            self.logins.append(f"{user.decode()}:{password.decode()}")
            writer.write(bytes([1, self.logins[-1] != self._login]))
        *_, kind = await reader.readexactly(4)
        if kind == 3:
            host = (await reader.readexactly((await reader.readexactly(1))[0])).decode()
        else:
            host = ".".join(map(str, await reader.readexactly(4)))
        port = int.from_bytes(await reader.readexactly(2))
        self.asked.append(f"{host}:{port}")
        if self._answer:
            writer.write(bytes([5, int(self._answer), 0, 1]) + bytes(6))
            return
        await self._join(reader, writer, self.asked[-1], lambda: writer.write(bytes([5, 0, 0, 1]) + bytes(6)))

    async def _join(self, reader: Reader, writer: Writer, target: str, joined: Callable[[], object]) -> None:
        theirs, ours = await asyncio.open_connection("127.0.0.1", int(target.rpartition(":")[2]))
        joined()
        ways: list[Awaitable[None]] = [_copy(reader, ours), _copy(theirs, writer)]
        try:
            await asyncio.gather(*ways)
        finally:
            ours.transport.abort()


async def _copy(reader: Reader, writer: Writer) -> None:
    while data := await reader.read(65_536):
        writer.write(data)
        await writer.drain()
    writer.transport.abort()
