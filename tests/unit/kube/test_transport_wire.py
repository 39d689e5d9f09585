"""The transport and what servers, proxies and networks do to it: odd answers, pools, time limits, cancelling."""

from __future__ import annotations

import asyncio
import time
from collections import Counter
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from typing import Any

import pytest

from backends.kube.throttle import Schedule, Throttle
from backends.kube.transport import Transport
from fleetui.model.errors import ClusterError, NotFoundError, OverloadedError, StatusError, UnreachableError
from tests.unit.kube.scripted import PEM, context, server_tls
from tests.unit.kube.wire import Reply, Wire, answer, silence, then_reset, then_silence, wired
from tests.waiting import await_until

TLS = pytest.mark.parametrize("secure", [False, True], ids=["plain", "tls"])
FINE = answer(b"{}")
BUSY = b"HTTP/1.1 429 X\r\nRetry-After: 0\r\nContent-Length: 0\r\n\r\n"
PATIENCE = 5.0


@asynccontextmanager
async def on_wire(
    *replies: Reply, secure: bool = False, throttle: Throttle | None = None, **settings: Any
) -> AsyncIterator[tuple[Transport, Wire]]:
    async with wired(*replies, tls=server_tls() if secure else None) as (url, wire):
        config = context(url, **settings, **({"ca": PEM / "ca.crt"} if secure else {}))
        transport = Transport(config, requests=Counter(), env={}, throttle=throttle)
        try:
            yield transport, wire
        finally:
            await transport.close()


async def alone(wire: Wire) -> None:
    await await_until(lambda: wire.open == 0, PATIENCE, "the server sees that the connection is gone")


# --- odd answers --------------------------------------------------------------------------------------------------

ZIPPED = b"HTTP/1.1 200 X\r\nContent-Encoding: gzip\r\nContent-Length: 5\r\n\r\nhello"
NO_HTTP = "does not answer in HTTP (is its address right, and no proxy before it broken?)"


@pytest.mark.parametrize(
    ("reply", "expected", "sentence"),
    [
        (b"hello\r\n", UnreachableError, NO_HTTP),
        (b"<html>\n<body>502 Bad Gateway", UnreachableError, NO_HTTP),
        (b"HTTP/1.1 200 X\r\nA: " + b"a" * 99_999 + b"\r\n\r\n", UnreachableError, NO_HTTP),
        (b"HTTP/1.1 200 X\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n", UnreachableError, NO_HTTP),
        (b"HTTP/1.1 200 X\r\nContent-Length: 2\r\nContent-Length: 7\r\n\r\n{}", UnreachableError, NO_HTTP),
        (answer(b'{"a": 1}}', length=8), UnreachableError, NO_HTTP),
        (then_reset(answer(b"{}", length=50)), UnreachableError, "the connection to URL was lost"),
        (then_reset(b""), UnreachableError, "the connection to URL was lost"),
        (
            ZIPPED,
            UnreachableError,
            "URL sends an answer that can't be decompressed (disable-compression in the kubeconfig helps)",
        ),
        (
            answer(b"<html>log in", media="text/html; charset=utf-8"),
            ClusterError,
            "URL does not answer POST /x as a Kubernetes API server does (a web page came: is a proxy or a login page"
            " before it?)",
        ),
        (
            b"HTTP/1.1 302 X\r\nLocation: https://sso.example.com/?t=secret\r\nContent-Length: 0\r\n\r\n",
            StatusError,
            "POST /x: HTTP 302 Found: a redirection to sso.example.com, which is not followed with a login",
        ),
        (answer(b"\xff\xfe", status=404, media="text/plain"), NotFoundError, "POST /x: HTTP 404 Not Found: \ufffd"),
        (then_reset(answer(b'{"kind": ', status=404, length=99)), NotFoundError, "POST /x: HTTP 404 Not Found"),
        (answer(b"<html>" * 99, status=503, media="text/html"), OverloadedError, "POST /x: HTTP 503 Service"),
    ],
)
async def test_what_is_no_answer_of_kubernetes_is_one_sentence_and_leaves_no_harm(
    reply: Reply, expected: type[ClusterError], sentence: str
) -> None:
    async with on_wire(reply, FINE) as (transport, wire):
        with pytest.raises(ClusterError) as caught:
            await transport.request("POST", "/x", body=b"{}")
        assert type(caught.value) is expected
        assert sentence in str(caught.value).replace(transport._config.server, "URL")
        assert await transport.request("GET", "/y") == b"{}"
        assert len(wire.requests) == 2


async def test_a_gigantic_explanation_is_not_read() -> None:
    sent = 0

    async def endless(writer: asyncio.StreamWriter) -> None:
        nonlocal sent
        writer.write(b"HTTP/1.1 500 X\r\nContent-Length: 999999999999\r\n\r\n")
        while True:
            writer.write(b"x" * 65536)
            sent += 65536
            await writer.drain()

    async with on_wire(endless) as (transport, wire):
        with pytest.raises(OverloadedError, match="POST /x: HTTP 500 Internal Server Error"):
            await transport.request("POST", "/x")
        await alone(wire)
    assert sent < 50_000_000


@pytest.mark.parametrize("late", [False, True])
async def test_bytes_that_nobody_asked_for_are_nobodys_answer(late: bool) -> None:
    said = asyncio.Event()

    async def twice(writer: asyncio.StreamWriter) -> None:
        writer.write(FINE)
        if late:
            await said.wait()
        writer.write(answer(b'"for somebody else"'))
        await writer.drain()

    async with on_wire(twice, answer(b'"mine"')) as (transport, wire):
        assert await transport.request("GET", "/x") == b"{}"
        said.set()
        if late:
            await alone(wire)
        assert await transport.request("GET", "/y") == b'"mine"'


# --- asked again --------------------------------------------------------------------------------------------------


@TLS
async def test_a_read_that_breaks_in_the_middle_of_its_body_is_read_again(secure: bool) -> None:
    broken = then_reset(answer(b'{"items": [', length=5_000))
    async with on_wire(broken, broken, FINE, secure=secure) as (transport, wire):
        assert await transport.request("GET", "/x", verb="LIST") == b"{}"
    assert transport.requests == {"LIST": 3}
    assert wire.connections == 3


@TLS
@pytest.mark.parametrize("method", ["POST", "PUT", "PATCH", "DELETE"])
async def test_a_write_that_may_have_been_carried_out_is_sent_once(method: str, secure: bool) -> None:
    async with on_wire(FINE, then_reset(b""), FINE, secure=secure) as (transport, wire):
        await transport.request("GET", "/x")
        with pytest.raises(UnreachableError, match="was lost"):
            await transport.request(method, "/x", body=b"{}")
    assert len(wire.requests) == 2


async def test_a_write_whose_connection_never_stood_is_sent_all_the_same() -> None:
    # A load balancer without a server behind it: it accepts, and hangs up in the middle of the handshake.
    hangs_up = 2
    seen = 0

    async with wired(FINE, tls=server_tls()) as (url, wire):
        port = int(url.rpartition(":")[2])

        async def relay(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            nonlocal seen
            seen += 1
            if seen > hangs_up:
                behind = await asyncio.open_connection("127.0.0.1", port)
                await asyncio.gather(_pump(reader, behind[1]), _pump(behind[0], writer))
            writer.transport.abort()

        balancer = await asyncio.start_server(relay, "127.0.0.1", 0)
        front = f"https://127.0.0.1:{balancer.sockets[0].getsockname()[1]}"
        transport = Transport(context(front, ca=PEM / "ca.crt"), requests=Counter(), env={})
        try:
            assert await transport.request("POST", "/x", body=b"{}") == b"{}"
        finally:
            await transport.close()
            balancer.close()
            await await_until(lambda: wire.open == 0, PATIENCE, "the relay ends")
    assert (seen, len(wire.requests)) == (3, 1)


async def _pump(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    with suppress(ConnectionError):
        while data := await reader.read(65536):
            writer.write(data)
    writer.close()


async def test_429_holds_back_all_background_work_and_no_person() -> None:
    pause = b"HTTP/1.1 429 X\r\nRetry-After: 1\r\nContent-Length: 0\r\n\r\n"
    async with on_wire(pause, *[FINE] * 9) as (transport, wire):
        began = time.monotonic()
        first = asyncio.create_task(transport.request("POST", "/refused", body=b"{}"))
        await await_until(lambda: len(wire.requests) == 1, PATIENCE, "the server is asked")
        await await_until(lambda: transport._throttle.is_paused, PATIENCE, "its wish is heard")
        others = [asyncio.create_task(transport.request("GET", f"/{number}")) for number in range(5)]
        await transport.request("GET", "/urgent", urgent=True)
        assert not any(other.done() for other in others)
        await asyncio.gather(first, *others)
        assert time.monotonic() - began >= 1.0
    paths = [request.split()[1].decode() for request in wire.requests]
    # Who was refused comes before those that came after it.
    assert paths[:3] == ["/refused", "/urgent", "/refused"]


async def test_a_watch_that_is_put_off_holds_back_the_background_too() -> None:
    pause = b"HTTP/1.1 429 X\r\nRetry-After: 30\r\nContent-Length: 0\r\n\r\n"
    async with on_wire(pause, FINE) as (transport, wire):
        with pytest.raises(OverloadedError):
            async with transport.stream("/x", query={}, idle=5):
                pytest.fail("it was not accepted")
        with pytest.raises(OverloadedError, match="the pause to end"):
            await transport.request("GET", "/x", deadline=0.05)
        assert await transport.request("GET", "/x", urgent=True) == b"{}"
    assert len(wire.requests) == 2


async def test_a_server_that_keeps_refusing_is_given_up(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("backends.kube.retry._PAUSE", 0.01)
    async with on_wire(*[BUSY] * 20) as (transport, wire):
        with pytest.raises(OverloadedError, match="PATCH /x: HTTP 429 Too Many Requests"):
            await transport.request("PATCH", "/x", body=b"{}")
    assert len(wire.requests) == 10


# --- the pool -----------------------------------------------------------------------------------------------------


@TLS
async def test_requests_one_after_the_other_share_one_connection(secure: bool) -> None:
    async with on_wire(*[FINE] * 500, secure=secure) as (transport, wire):
        for _ in range(500):
            await transport.request("PATCH", "/x", body=b"{}")
    assert (len(wire.requests), wire.connections) == (500, 1)


async def test_a_connection_that_the_server_has_ended_is_not_used_for_a_write() -> None:
    async with on_wire(then_reset(FINE), FINE) as (transport, wire):
        await transport.request("GET", "/x")
        await alone(wire)
        await await_until(lambda: not _kept(transport), PATIENCE, "the end is noticed")
        assert await transport.request("POST", "/x", body=b"{}") == b"{}"
    assert wire.connections == 2


def _kept(transport: Transport) -> int:
    """Connections that are kept for the next request and still stand."""
    line = transport._connections._line
    assert line is not None
    assert line.session.connector is not None
    kept = line.session.connector._conns.values()
    return sum(connection.is_connected() for connections in kept for connection, _ in connections)


@pytest.mark.parametrize(("urgent", "most"), [(False, 24), (True, 32)])
async def test_requests_at_once_share_as_many_connections_as_have_a_place(urgent: bool, most: int) -> None:
    async with on_wire(*[FINE] * 500) as (transport, wire):
        await asyncio.gather(*(transport.request("GET", "/x", urgent=urgent) for _ in range(500)))
    assert len(wire.requests) == 500
    assert 2 <= wire.connections <= most


async def test_hanging_background_work_leaves_places_for_a_person() -> None:
    async with on_wire(*[silence] * 24, *[FINE] * 9) as (transport, wire):
        hanging = [asyncio.create_task(transport.request("GET", "/x")) for _ in range(40)]
        await await_until(lambda: len(wire.requests) == 24, PATIENCE, "the background has its places")
        assert transport._throttle.waiting == 16
        assert await transport.request("GET", "/y", urgent=True) == b"{}"
        await _end(*hanging)
        assert await transport.request("GET", "/z") == b"{}"


async def test_watches_beyond_their_bound_wait_in_order_and_requests_go_on(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("backends.kube.transport._WATCHES", 2)
    events = b"HTTP/1.1 200 X\r\nContent-Type: application/json\r\nContent-Length: 99\r\n\r\n{}\n"
    async with on_wire(*[then_silence(events)] * 2, FINE, *[then_silence(events)] * 2) as (transport, wire):
        open_ = []

        async def watch(name: str) -> None:
            async with transport.stream(f"/{name}", query={}, idle=60) as stream:
                await stream.lines()
                open_.append(name)
                await asyncio.Event().wait()

        watches = []
        for number, name in enumerate("abcde"):
            watches.append(asyncio.create_task(watch(name)))
            await await_until(lambda n=number: len(open_) == min(n + 1, 2), PATIENCE, "a watch is open, or waits")  # type: ignore[misc]
        assert await transport.request("GET", "/request") == b"{}"
        await _end(watches[3], watches[0])
        await await_until(lambda: len(open_) == 3, PATIENCE, "the next watch is open")
        await _end(watches[1])
        await await_until(lambda: len(open_) == 4, PATIENCE, "the one after it is open")
        assert open_ == ["a", "b", "c", "e"]
        await _end(*watches)
        # One connection may be that of the request, kept for the next.
        await await_until(lambda: wire.open <= 1, PATIENCE, "the watches are gone")


# --- time limits --------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("method", "hint"),
    [("GET", ""), ("PATCH", " (whether it was carried out is not known: look before asking again)")],
)
async def test_a_deadline_bounds_the_answer_and_the_server_is_told(method: str, hint: str) -> None:
    async with on_wire(silence) as (transport, wire):
        with pytest.raises(UnreachableError) as caught:
            await transport.request(method, "/x", query={"a": "b"}, deadline=0.5)
        await alone(wire)
        url = transport._config.server
    assert str(caught.value) == f"{url}: gave up {method} /x after 0.5 s, waiting for an answer{hint}"
    assert wire.requests[0].startswith(f"{method} /x?a=b&timeout=1s HTTP/1.1\r\n".encode())


async def test_the_server_is_told_of_less_than_there_is() -> None:
    async with on_wire(FINE, FINE) as (transport, wire):
        await transport.request("GET", "/x", deadline=30.0)
        await transport.request("GET", "/x")
    told, untold = (request.split()[1].decode() for request in wire.requests)
    assert told.startswith("/x?timeout=")
    assert 20 <= int(told.partition("=")[2].rstrip("s")) < 30
    assert untold == "/x"


async def test_a_deadline_bounds_the_body_the_turn_and_the_tries() -> None:
    slow = then_silence(answer(b"{", length=9))
    async with on_wire(slow) as (transport, _):
        with pytest.raises(UnreachableError, match="waiting for the rest of the answer"):
            await transport.request("GET", "/x", deadline=0.5)
    full = Throttle(lambda now: Schedule(slots=1, reserved=1, now=now))
    async with on_wire(throttle=full) as (transport, wire):
        with pytest.raises(OverloadedError, match="s, waiting for its turn"):
            await transport.request("POST", "/x", deadline=0.1)
        assert (wire.connections, full.waiting) == (0, 0)
    paused = Throttle()
    async with on_wire(throttle=paused) as (transport, wire):
        paused.pause(60.0)
        with pytest.raises(OverloadedError, match="waiting for the pause to end that the overloaded server asked for"):
            await transport.request("POST", "/x", deadline=0.1)
        assert wire.connections == 0
    wait = b"HTTP/1.1 503 X\r\nRetry-After: 20\r\nContent-Length: 0\r\n\r\n"
    async with on_wire(wait) as (transport, wire):
        # What can't be in time is told at once, in the server's words.
        with pytest.raises(OverloadedError, match="HTTP 503 Service Unavailable"):
            await transport.request("GET", "/x", deadline=10.0)
    assert len(wire.requests) == 1


async def test_a_body_that_drips_is_given_up_unless_it_is_a_list(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("backends.kube.transport._ANSWER_TIMEOUT", 0.5)

    async def drips(writer: asyncio.StreamWriter) -> None:
        writer.write(answer(b"", length=30))
        for _ in range(30):
            writer.write(b" ")
            await writer.drain()
            await asyncio.sleep(0.03)

    async with on_wire(drips, drips) as (transport, _):
        with pytest.raises(UnreachableError, match="does not answer in time"):
            await transport.request("GET", "/x")
        assert await transport.request("GET", "/x", verb="LIST") == b" " * 30


async def test_no_connection_in_time_is_told_as_that(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("backends.kube.transport._CONNECT_TIMEOUT", 0.1)

    # It accepts, and never begins to speak TLS.
    async def mute(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.read()
        writer.close()

    server = await asyncio.start_server(mute, "127.0.0.1", 0)
    url = f"https://127.0.0.1:{server.sockets[0].getsockname()[1]}"
    transport = Transport(context(url, ca=PEM / "ca.crt"), requests=Counter(), env={})
    try:
        with pytest.raises(UnreachableError) as caught:
            await transport.request("GET", "/x")
    finally:
        await transport.close()
        server.close()
    assert str(caught.value) == f"no connection to {url} comes about (a VPN or a proxy may be missing, or silent)"


async def test_a_callers_own_time_limit_is_the_callers() -> None:
    async with on_wire(silence, FINE) as (transport, wire):
        with pytest.raises(TimeoutError):
            async with asyncio.timeout(0.05):
                await transport.request("GET", "/x", deadline=60.0)
        await alone(wire)
        assert await transport.request("GET", "/x") == b"{}"


# --- cancelling ---------------------------------------------------------------------------------------------------


@TLS
@pytest.mark.parametrize("reply", [silence, then_silence(answer(b"{", length=9))], ids=["no answer", "half a body"])
async def test_a_request_that_is_cancelled_is_cut_off_at_once(reply: Reply, secure: bool) -> None:
    async with on_wire(FINE, reply, FINE, secure=secure) as (transport, wire):
        await transport.request("GET", "/x")
        asking = asyncio.create_task(transport.request("GET", "/x", verb="LIST"))
        await await_until(lambda: len(wire.requests) == 2, PATIENCE, "it is asked")
        await _end(asking)
        await alone(wire)
        assert await transport.request("GET", "/x") == b"{}"
    assert wire.connections == 2


@TLS
async def test_a_watch_that_is_cancelled_is_cut_off_at_once(secure: bool) -> None:
    async with on_wire(then_silence(answer(b"{}\n{", length=99)), FINE, secure=secure) as (transport, wire):
        watching = asyncio.Event()

        async def watch() -> None:
            async with transport.stream("/x", query={}, idle=60) as stream:
                await stream.lines()
                watching.set()
                await stream.lines()

        task = asyncio.create_task(watch())
        await watching.wait()
        await _end(task)
        await alone(wire)
        assert await transport.request("GET", "/x") == b"{}"


async def test_a_write_that_is_cancelled_half_sent_never_arrives_whole() -> None:
    big = b"x" * 50_000_000
    reading = asyncio.Event()
    arrived = 0

    async def slow(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        nonlocal arrived
        await reader.readuntil(b"\r\n\r\n")
        reading.set()
        await cancelled.wait()
        with suppress(ConnectionError):
            while data := await reader.read(65536):
                arrived += len(data)
        writer.transport.abort()
        gone.set()

    cancelled, gone = asyncio.Event(), asyncio.Event()
    server = await asyncio.start_server(slow, "127.0.0.1", 0)
    url = f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}"
    transport = Transport(context(url), requests=Counter(), env={})
    try:
        writing = asyncio.create_task(transport.request("PUT", "/x", body=big))
        await reading.wait()
        await _end(writing)
        cancelled.set()
        await asyncio.wait_for(gone.wait(), PATIENCE)
    finally:
        await transport.close()
        server.close()
    assert arrived < len(big)


async def test_all_places_are_free_after_all_have_been_cancelled() -> None:
    async with on_wire(*[silence] * 64, *[FINE] * 32) as (transport, wire):
        for asked in (32, 64):
            asking = [asyncio.create_task(transport.request("GET", "/x", urgent=True)) for _ in range(40)]
            await await_until(lambda n=asked: len(wire.requests) == n, PATIENCE, "all places are taken")  # type: ignore[misc]
            await _end(*asking)
            await alone(wire)
        await asyncio.gather(*(transport.request("GET", "/x", urgent=True) for _ in range(32)))


async def _end(*tasks: asyncio.Task[Any]) -> None:
    for task in tasks:
        task.cancel()
    await asyncio.gather(*tasks, return_exceptions=True)
