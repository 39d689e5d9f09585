"""The streams of one SPDY connection.

Owns: `Connection` and `Stream`. Called by `backends.kube.portforward` and `backends.embedded.portforward`, which hand
in what comes from the websocket and send what goes out. There is no flow control in this SPDY, so a stream that nobody
reads holds up the connection: `feed` waits then, and with it whoever feeds.
"""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Awaitable, Callable, Mapping

from backends.spdy.frames import (
    CANCEL,
    PROTOCOL_ERROR,
    Data,
    Decoder,
    Encoder,
    Frame,
    Ping,
    Reset,
    SynReply,
    SynStream,
)

_UNREAD = 2**18
"""Bytes that a stream may have unread before its connection is held up."""
_PIECE = 2**15
"""Bytes in one frame, so that streams take turns."""


class StreamResetError(Exception):
    """The other end took the stream back, or the connection ended with it open."""


class Stream:
    """One stream; each end finishes its own half."""

    def __init__(self, connection: Connection, number: int, headers: Mapping[str, str]) -> None:
        self.number = number
        self.headers = headers
        self._connection = connection
        self._unread: deque[bytes] = deque()
        self._size = 0
        self._ended = False
        self._reset = False
        self._finished = False
        self._news = asyncio.Event()
        self._room = asyncio.Event()
        self._room.set()

    async def read(self) -> bytes:
        """What came next; empty once the other end has finished its half.

        Raises:
            StreamResetError: it was reset. What had come before it can be read first.
        """
        while not self._unread:
            if self._ended:
                return b""
            if self._reset:
                raise StreamResetError
            self._news.clear()
            await self._news.wait()
        data = self._unread.popleft()
        self._size -= len(data)
        if self._size < _UNREAD:
            self._room.set()
        return data

    async def write(self, data: bytes) -> None:
        """Raises: StreamResetError: it was reset."""
        for at in range(0, len(data), _PIECE):
            if self._reset:
                raise StreamResetError
            await self._connection.send(Data(self.number, data[at : at + _PIECE]))

    async def finish(self) -> None:
        """Ends our half; harmless when that has happened."""
        if not self._finished and not self._reset:
            self._finished = True
            await self._connection.send(Data(self.number, b"", fin=True))
            self._connection.forget(self)

    async def reset(self) -> None:
        """Takes the stream back; harmless once it is over."""
        if not self._reset and not (self._finished and self._ended):
            self.cut()
            await self._connection.send(Reset(self.number, CANCEL))
            self._connection.forget(self)

    @property
    def over(self) -> bool:
        return self._reset or (self._finished and self._ended)

    async def take(self, data: bytes, *, fin: bool) -> None:
        """Hands on what came for it; waits while too much is unread."""
        if data and not self._reset:
            self._unread.append(data)
            self._size += len(data)
            if self._size >= _UNREAD:
                self._room.clear()
        self._ended = self._ended or fin
        self._news.set()
        if not self._reset:
            await self._room.wait()

    def cut(self) -> None:
        """From here on reading ends with an error, and nobody waits for room."""
        self._reset = not (self._ended and self._finished)
        self._news.set()
        self._room.set()


class Connection:
    """One end of a connection.

    Args:
        send: sends bytes, and waits while the other end takes no more.
        client: whether this end opens the streams with odd numbers.
        accept: called with each stream that the other end opens; None: those are refused.
    """

    def __init__(
        self,
        send: Callable[[bytes], Awaitable[None]],
        *,
        client: bool,
        accept: Callable[[Stream], None] | None = None,
    ) -> None:
        self._send = send
        self._accept = accept
        self._next = 1 if client else 2
        self._encoder = Encoder()
        self._decoder = Decoder()
        self._order = asyncio.Lock()
        self._streams: dict[int, Stream] = {}
        self._last = 0

    async def open(self, headers: Mapping[str, str]) -> Stream:
        """A new stream with these headers. That the other end takes it is not waited for."""
        number, self._next = self._next, self._next + 2
        stream = self._streams[number] = Stream(self, number, headers)
        await self.send(SynStream(number, headers))
        return stream

    async def send(self, frame: Frame) -> None:
        # One after the other: what compresses headers must meet them in the order in which they go out.
        async with self._order:
            await self._send(self._encoder.encode(frame))

    async def feed(self, data: bytes) -> None:
        """Handles what came; waits while a stream has too much unread.

        Raises:
            SpdyError: it is no SPDY.
        """
        for frame in self._decoder.feed(data):
            await self._handle(frame)

    def lost(self) -> None:
        """Nothing comes any more: what waits for it ends."""
        for stream in tuple(self._streams.values()):
            stream.cut()
        self._streams.clear()

    def forget(self, stream: Stream) -> None:
        """Lets go of a stream that is over on both ends."""
        if stream.over:
            self._streams.pop(stream.number, None)

    async def _handle(self, frame: Frame) -> None:
        match frame:
            case Data(number, data, fin):
                stream = self._streams.get(number)
                if stream is not None:
                    await stream.take(data, fin=fin)
                    self.forget(stream)
            case SynStream():
                await self._opened(frame)
            case SynReply(number, _, True):
                if number in self._streams:
                    await self._streams[number].take(b"", fin=True)
            case Reset(number):
                stream = self._streams.pop(number, None)
                if stream is not None:
                    stream.cut()
            case Ping(number) if number % 2 != self._next % 2:
                await self.send(frame)
            case _:
                pass  # our own ping's echo; a GOAWAY, after which the connection ends by itself

    async def _opened(self, frame: SynStream) -> None:
        theirs = frame.stream % 2 != self._next % 2
        if self._accept is None or not theirs or frame.stream <= self._last:
            await self.send(Reset(frame.stream, PROTOCOL_ERROR))
            return
        self._last = frame.stream
        stream = self._streams[frame.stream] = Stream(self, frame.stream, frame.headers)
        await self.send(SynReply(frame.stream))
        if frame.fin:
            await stream.take(b"", fin=True)
        self._accept(stream)
