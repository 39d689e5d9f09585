"""The frames of SPDY/3.1: bytes to frames and back.

Owns: `Frame` and its kinds, `Encoder`, `Decoder`. Called by `backends.spdy.connection`. Pure. After github.com/moby/
spdystream v0.5.1 (spdy/read.go, spdy/write.go), which is at the other end; it knows no flow control windows.
"""

from __future__ import annotations

import struct
import zlib
from collections.abc import Mapping
from dataclasses import dataclass, field

FIN = 0x01
PROTOCOL_ERROR, CANCEL = 1, 5
"""Why a stream is reset."""

_VERSION = 0x8003
_SYN_STREAM, _SYN_REPLY, _RST_STREAM, _PING, _GOAWAY, _HEADERS = 1, 2, 3, 6, 7, 8
_ID = 0x7FFF_FFFF
_LONGEST_HEADERS = 2**20
_WORDS = (
    "options head post put delete trace accept accept-charset accept-encoding accept-language accept-ranges age allow "
    "authorization cache-control connection content-base content-encoding content-language content-length "
    "content-location content-md5 content-range content-type date etag expect expires from host if-match "
    "if-modified-since if-none-match if-range if-unmodified-since last-modified location max-forwards pragma "
    "proxy-authenticate proxy-authorization range referer retry-after server te trailer transfer-encoding upgrade "
    "user-agent vary via warning www-authenticate method get status 200_OK version HTTP/1.1 url public set-cookie "
    "keep-alive origin"
)
_TAIL = (
    "100101201202205206300302303304305306307402405406407408409410411412413414415416417502504505203 Non-Authoritative "
    "Information204 No Content301 Moved Permanently400 Bad Request401 Unauthorized403 Forbidden404 Not Found500 "
    "Internal Server Error501 Not Implemented503 Service UnavailableJan Feb Mar Apr May Jun Jul Aug Sept Oct Nov Dec "
    "00:00:00 Mon, Tue, Wed, Thu, Fri, Sat, Sun, GMTchunked,text/html,image/png,image/jpg,image/gif,application/xml,"
    "application/xhtml+xml,text/plain,text/javascript,publicprivatemax-age=gzip,deflate,sdchcharset=utf-8"
    "charset=iso-8859-1,utf-,*,enq=0."
)


def _sized(text: bytes) -> bytes:
    return struct.pack(">I", len(text)) + text


DICTIONARY = b"".join(_sized(word.replace("_", " ").encode()) for word in _WORDS.split()) + _TAIL.encode()
"""What both ends begin to compress headers with (SPDY/3, section 2.6.10.1)."""


class SpdyError(Exception):
    """Bytes that are no SPDY/3.1; the connection is of no more use."""


@dataclass(frozen=True, slots=True)
class Data:
    stream: int
    data: bytes
    fin: bool = False


@dataclass(frozen=True, slots=True)
class SynStream:
    stream: int
    headers: Mapping[str, str] = field(default_factory=dict)
    fin: bool = False


@dataclass(frozen=True, slots=True)
class SynReply:
    stream: int
    headers: Mapping[str, str] = field(default_factory=dict)
    fin: bool = False


@dataclass(frozen=True, slots=True)
class Reset:
    stream: int
    status: int = CANCEL


@dataclass(frozen=True, slots=True)
class Ping:
    id: int


@dataclass(frozen=True, slots=True)
class GoAway:
    last: int
    status: int = 0


Frame = Data | SynStream | SynReply | Reset | Ping | GoAway


class Encoder:
    """Frames to bytes; one for each direction of a connection, since headers are compressed across frames."""

    def __init__(self) -> None:
        self._deflate = zlib.compressobj(zdict=DICTIONARY)

    def encode(self, frame: Frame) -> bytes:
        match frame:
            case Data(stream, data, fin):
                return struct.pack(">II", stream, fin << 24 | len(data)) + data
            case SynStream(stream, headers, fin):
                return _control(_SYN_STREAM, struct.pack(">IIBB", stream, 0, 0, 0) + self._headers(headers), fin)
            case SynReply(stream, headers, fin):
                return _control(_SYN_REPLY, struct.pack(">I", stream) + self._headers(headers), fin)
            case Reset(stream, status):
                return _control(_RST_STREAM, struct.pack(">II", stream, status))
            case Ping(number):
                return _control(_PING, struct.pack(">I", number))
            case GoAway(last, status):
                return _control(_GOAWAY, struct.pack(">II", last, status))

    def _headers(self, headers: Mapping[str, str]) -> bytes:
        block = struct.pack(">I", len(headers))
        for name, value in headers.items():
            block += _sized(name.lower().encode()) + _sized(value.encode())
        return self._deflate.compress(block) + self._deflate.flush(zlib.Z_SYNC_FLUSH)


def _control(kind: int, payload: bytes, fin: bool = False) -> bytes:
    return struct.pack(">HHI", _VERSION, kind, fin << 24 | len(payload)) + payload


class Decoder:
    """Bytes to frames, however the bytes are cut."""

    def __init__(self) -> None:
        self._inflate = zlib.decompressobj(zdict=DICTIONARY)
        self._rest = bytearray()

    def feed(self, data: bytes) -> list[Frame]:
        """The frames that are complete by now; those that mean nothing to us are left out.

        Raises:
            SpdyError: it is no SPDY/3.1.
        """
        self._rest += data
        found: list[Frame] = []
        at = 0
        while len(self._rest) - at >= 8:
            first, second = struct.unpack_from(">II", self._rest, at)
            end = at + 8 + (second & 0xFF_FFFF)
            if len(self._rest) < end:
                break
            frame = self._frame(first, second >> 24, bytes(self._rest[at + 8 : end]))
            if frame is not None:
                found.append(frame)
            at = end
        del self._rest[:at]
        return found

    def _frame(self, first: int, flags: int, payload: bytes) -> Frame | None:
        if not first >> 31:
            return Data(first, payload, bool(flags & FIN))
        if first >> 16 != _VERSION:
            raise SpdyError(f"version {first >> 16 & 0x7FFF} of SPDY instead of 3")
        try:
            return self._controlled(first & 0xFFFF, bool(flags & FIN), payload)
        except struct.error as error:
            raise SpdyError("a control frame is too short") from error

    def _controlled(self, kind: int, fin: bool, payload: bytes) -> Frame | None:
        (number,) = struct.unpack_from(">I", payload)
        if kind == _SYN_STREAM:
            return SynStream(number & _ID, self._block(payload[10:]), fin)
        if kind == _SYN_REPLY:
            return SynReply(number & _ID, self._block(payload[4:]), fin)
        if kind == _RST_STREAM:
            return Reset(number & _ID, struct.unpack_from(">I", payload, 4)[0])
        if kind == _PING:
            return Ping(number)
        if kind == _GOAWAY:
            return GoAway(number & _ID, struct.unpack_from(">I", payload, 4)[0])
        if kind == _HEADERS:
            self._block(payload[4:])  # nobody sends it, but what is left out would spoil what is compressed after it
        return None  # SETTINGS, WINDOW_UPDATE: the other end knows of neither

    def _block(self, packed: bytes) -> dict[str, str]:
        try:
            block = self._inflate.decompress(packed, _LONGEST_HEADERS)
        except zlib.error as error:
            raise SpdyError("headers can't be decompressed") from error
        (count,) = struct.unpack_from(">I", block)
        at, texts = 4, []
        for _ in range(2 * min(count, 1000)):
            (size,) = struct.unpack_from(">I", block, at)
            texts.append(block[at + 4 : at + 4 + size].decode(errors="replace"))
            at += 4 + size
        return dict(zip(texts[::2], texts[1::2], strict=True))
