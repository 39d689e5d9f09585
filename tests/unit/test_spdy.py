"""SPDY/3.1: frames survive any cutting of their bytes, streams end half by half, and unread data hold up the feed."""

from __future__ import annotations

import asyncio

import pytest
from hypothesis import given
from hypothesis import strategies as st

from backends.spdy.connection import Connection, Stream, StreamResetError
from backends.spdy.frames import (
    DICTIONARY,
    Data,
    Decoder,
    Encoder,
    Frame,
    GoAway,
    Ping,
    Reset,
    SpdyError,
    SynReply,
    SynStream,
)

IDS = st.integers(1, 2**31 - 1)
HEADERS = st.dictionaries(st.text("abcdefghij-", min_size=1, max_size=9), st.text(max_size=20), max_size=4)
FRAMES = st.one_of(
    st.builds(Data, IDS, st.binary(max_size=50), st.booleans()),
    st.builds(SynStream, IDS, HEADERS, st.booleans()),
    st.builds(SynReply, IDS, HEADERS, st.booleans()),
    st.builds(Reset, IDS, st.integers(1, 11)),
    st.builds(Ping, IDS),
    st.builds(GoAway, IDS, st.integers(0, 2)),
)


def test_the_dictionary_is_that_of_the_specification() -> None:
    assert len(DICTIONARY) == 1423
    assert DICTIONARY.startswith(b"\x00\x00\x00\x07options\x00\x00\x00\x04head")
    assert DICTIONARY.endswith(b",enq=0.")


@given(st.lists(FRAMES, max_size=8), st.lists(st.integers(1, 40), min_size=1, max_size=8))
def test_frames_survive_any_cutting(frames: list[Frame], cuts: list[int]) -> None:
    encoder, decoder = Encoder(), Decoder()
    data = b"".join(encoder.encode(frame) for frame in frames)
    found: list[Frame] = []
    at = turn = 0
    while at < len(data):
        end = at + cuts[turn % len(cuts)]
        found += decoder.feed(data[at:end])
        at, turn = end, turn + 1
    assert found == frames


def test_what_means_nothing_is_passed_over_and_headers_go_on() -> None:
    encoder, decoder = Encoder(), Decoder()
    settings = b"\x80\x03\x00\x04\x00\x00\x00\x0c\x00\x00\x00\x01\x00\x00\x00\x07\x00\x01\x00\x00"
    first, second = (encoder.encode(SynStream(at, {"streamtype": "data", "port": "80"})) for at in (1, 3))
    assert len(second) < len(first), "headers are compressed across frames"
    assert [type(frame) for frame in decoder.feed(first + settings + second)] == [SynStream, SynStream]


@pytest.mark.parametrize("data", [b"\x80\x02\x00\x06" + bytes(8), b"\x80\x03\x00\x06" + bytes(4), b"HTTP/1.1 400 Bad"])
def test_what_is_no_spdy_is_an_error(data: bytes) -> None:
    if data.startswith(b"HTTP"):
        # A data frame of a stream nobody opened, and far too long: it never completes.
        assert Decoder().feed(data) == []
        return
    with pytest.raises(SpdyError):
        Decoder().feed(data)


def test_headers_that_can_not_be_decompressed_are_an_error() -> None:
    broken = b"\x80\x03\x00\x01\x00\x00\x00\x0e" + b"\x00\x00\x00\x01" + bytes(6) + b"junk"
    with pytest.raises(SpdyError):
        Decoder().feed(broken)


class Pair:
    """Two ends; what one sends the other is fed, in order, by a task of its own."""

    def __init__(self) -> None:
        self.accepted: asyncio.Queue[Stream] = asyncio.Queue()
        self._wires: list[asyncio.Queue[bytes]] = [asyncio.Queue(4), asyncio.Queue(4)]
        self.client = Connection(self._wires[0].put, client=True)
        self.server = Connection(self._wires[1].put, client=False, accept=self.accepted.put_nowait)
        self._tasks = [
            asyncio.create_task(self._pump(self._wires[0], self.server)),
            asyncio.create_task(self._pump(self._wires[1], self.client)),
        ]

    async def _pump(self, wire: asyncio.Queue[bytes], end: Connection) -> None:
        while True:
            await end.feed(await wire.get())

    async def close(self) -> None:
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)

    async def stream(self, **headers: str) -> tuple[Stream, Stream]:
        return await self.client.open(headers), await self.accepted.get()


async def test_each_half_ends_by_itself() -> None:
    pair = Pair()
    ours, theirs = await pair.stream(streamtype="data", port="80")
    assert theirs.headers == {"streamtype": "data", "port": "80"}
    await ours.write(b"question")
    await ours.finish()
    assert await theirs.read() == b"question"
    assert await theirs.read() == b""
    await theirs.write(b"answer")
    await theirs.finish()
    assert await ours.read() == b"answer"
    assert await ours.read() == b""
    await ours.finish()
    await ours.reset()
    await pair.close()


async def test_a_reset_comes_after_what_was_sent_before() -> None:
    pair = Pair()
    ours, theirs = await pair.stream()
    await theirs.write(b"last words")
    await theirs.reset()
    assert await ours.read() == b"last words"
    with pytest.raises(StreamResetError):
        await ours.read()
    with pytest.raises(StreamResetError):
        await ours.write(b"x")
    await pair.close()


async def test_a_stream_that_nobody_reads_holds_up_the_other_end() -> None:
    pair = Pair()
    ours, theirs = await pair.stream()
    sent = 0

    async def send() -> None:
        nonlocal sent
        for _ in range(1000):
            await ours.write(bytes(2**15))
            sent += 2**15

    sending = asyncio.create_task(send())
    for _ in range(2000):
        await asyncio.sleep(0)
    held = sent
    assert 0 < held < 2**20, "about what may be unread, and what is on its way"
    received = 0
    while received < 1000 * 2**15:
        received += len(await theirs.read())
    await sending
    assert sent == received
    await pair.close()


async def test_a_lost_connection_ends_every_wait() -> None:
    pair = Pair()
    ours, _ = await pair.stream()
    reading = asyncio.create_task(ours.read())
    await asyncio.sleep(0)
    pair.client.lost()
    with pytest.raises(StreamResetError):
        await reading
    await pair.close()


async def test_streams_that_were_not_asked_for_are_refused() -> None:
    sent: list[bytes] = []

    async def send(data: bytes) -> None:
        sent.append(data)

    client = Connection(send, client=True)
    await client.feed(Encoder().encode(SynStream(2, {})))
    await client.feed(Encoder().encode(Ping(2)))
    assert Decoder().feed(b"".join(sent)) == [Reset(2, 1), Ping(2)]
    await client.feed(Encoder().encode(Ping(1)))
    assert len(sent) == 2, "its own ping coming back is not answered"
