"""The way of one request through its cluster's faults.

Owns: `Passage`, one for each request: it breaks what a `FaultPlan` wants broken, at the socket where that is needed.
Called by `server` alone. Which requests are struck is decided in `faults`.
"""

from __future__ import annotations

import asyncio
import socket
import struct
from collections.abc import AsyncGenerator, Callable
from contextlib import aclosing, suppress
from typing import TYPE_CHECKING

import msgspec

from backends.embedded.calls import Reply
from backends.embedded.faults import ON_THE_WAY, Armed, FaultPlan, Kind, Subject, api_error, refusal
from backends.embedded.watches import Watch, line

if TYPE_CHECKING:
    from aiohttp.web import BaseRequest, Response, StreamResponse

_STEP = 0.02
"""Seconds between two pieces of a slow body."""
_RST = struct.pack("ii", 1, 0)
"""SO_LINGER with no time: what is closed is reset."""


class Passage:
    """One request, from its arrival to the end of its answer.

    Args:
        subject: what it is about; asked only where there are faults.
    """

    def __init__(self, plan: FaultPlan, request: BaseRequest, subject: Callable[[], Subject]) -> None:
        self._plan = plan
        self._request = request
        self._subject = subject
        self._asked: set[Armed] = set()
        self._struck: dict[Kind, Armed] = {}
        self._open = False
        self._left: dict[Kind, int] = {}

    async def admit(self) -> Reply | None:
        """Lets the request in; what it returns is the answer, unless it is None.

        Raises:
            ConnectionResetError: the connection was cut.
        """
        self._look()
        for kind in (Kind.LATENCY, Kind.CLOCK_JUMP):
            armed = self._struck.pop(kind, None)
            if armed is not None and kind is Kind.LATENCY:
                await asyncio.sleep(armed.fault.seconds)
            elif armed is not None:
                self._plan.jump(armed.fault.seconds)
        for kind in (Kind.HANG, Kind.RESET):
            armed = self._struck.get(kind)
            if armed is not None and armed.fault.at is None:
                await self._stop(kind)
        armed = self._struck.pop(Kind.STATUS, None)
        return refusal(armed.fault, self._subject()) if armed is not None else None

    async def send(self, whole: Response) -> StreamResponse:
        """An answer that may be broken on its way."""
        body = whole.body
        if not (self._struck and isinstance(body, bytes) and body):
            return whole
        from aiohttp.web import StreamResponse

        response = StreamResponse(status=whole.status, headers=whole.headers)
        response.content_length = len(body)
        # Before the last byte, or the client would have it all.
        self._left = {kind: min(left, len(body) - 1) for kind, left in self._left.items()}
        with suppress(ConnectionResetError, ConnectionAbortedError):
            await response.prepare(self._request)
            await self.write(response, body)
            await response.write_eof()
        return response

    async def write(self, response: StreamResponse, data: bytes) -> None:
        """Writes a piece of the body.

        Raises:
            ConnectionResetError: the connection was cut.
        """
        while data or self._due():
            for kind in self._due():
                await self._stop(kind)
            slow = self._on(Kind.SLOW)
            step = max(1, int(slow.fault.rate * _STEP)) if slow else len(data)
            piece = data[: min(step, *(self._left[kind] for kind in self._stops()), len(data))]
            await response.write(piece)
            data = data[len(piece) :]
            for kind in self._stops():
                self._left[kind] -= len(piece)
            if slow and data:
                await asyncio.sleep(len(piece) / slow.fault.rate)

    async def chunks(self, watch: Watch) -> AsyncGenerator[bytes, None]:
        """What is told of a watch; a piece may be empty."""
        self._open = True
        with self._plan.listening(watch.wake):
            async with aclosing(watch.chunks()) as chunks:
                if (end := self._ended()) is not None:
                    yield end
                    return
                yield b""  # what cuts the body off at its very beginning does so before there is news
                async for chunk in chunks:
                    self._look()
                    kept, end = self._kept(chunk), self._ended()
                    yield kept
                    if end is not None:
                        yield end
                        return

    # --- which ------------------------------------------------------------------------------------------------------

    def _look(self) -> None:
        """Asks the faults that were not asked yet; of each kind, one strikes."""
        for armed in self._plan.armed:
            kind = armed.fault.kind
            if armed in self._asked or self._on(kind) or (self._open and kind not in ON_THE_WAY):
                continue
            self._asked.add(armed)
            if armed.strikes(self._subject(), chance=self._plan.random.random):
                self._struck[kind] = armed
                self._left[kind] = armed.fault.at or 0

    def _on(self, kind: Kind) -> Armed | None:
        armed = self._struck.get(kind)
        return armed if armed is not None and armed.on else None

    def _stops(self) -> list[Kind]:
        return [kind for kind in (Kind.HANG, Kind.RESET) if self._on(kind)]

    def _due(self) -> list[Kind]:
        return [kind for kind in self._stops() if self._left[kind] == 0]

    # --- breaking ---------------------------------------------------------------------------------------------------

    async def _stop(self, kind: Kind) -> None:
        armed = self._struck.pop(kind)
        if kind is Kind.RESET:
            _reset(self._request)
            raise ConnectionResetError("a fault was asked for")
        changed = asyncio.Event()
        with self._plan.listening(changed.set):
            while armed.on:
                await changed.wait()
                changed.clear()

    def _kept(self, chunk: bytes) -> bytes:
        """What comes through of the lines of a watch."""
        quiet = self._on(Kind.NO_BOOKMARKS)
        ends = [kind for kind in (Kind.WATCH_CUT, Kind.WATCH_ERROR) if self._on(kind)]
        if not (quiet or ends):
            return chunk
        lines = [line for line in chunk.splitlines(keepends=True) if not (quiet and _is_bookmark(line))]
        told = lines[: min((self._left[kind] for kind in ends), default=len(lines))]
        for kind in ends:
            self._left[kind] -= len(told)
        return b"".join(told)

    def _ended(self) -> bytes | None:
        """The last words of a watch that ends here; None where it goes on."""
        if self._on(Kind.WATCH_CUT) and self._left[Kind.WATCH_CUT] == 0:
            return b""
        error = self._on(Kind.WATCH_ERROR)
        if error and self._left[Kind.WATCH_ERROR] == 0:
            return line("ERROR", msgspec.json.encode(api_error(error.fault.code, self._subject()).status()))
        return None


def _reset(request: BaseRequest) -> None:
    """Cuts the connection so that the other side is told by RST, not by a farewell."""
    transport = request.transport
    if transport is not None:
        transport.get_extra_info("socket").setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, _RST)
        transport.abort()


def _is_bookmark(told: bytes) -> bool:
    return told.startswith(b'{"type":"BOOKMARK"') and b'"k8s.io/initial-events-end"' not in told
