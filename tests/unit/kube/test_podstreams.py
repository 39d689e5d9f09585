"""Logs, commands and ports of Pods against a server that does what the test says: refusals, breaks, who is held up."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from pathlib import Path

import pytest
from aiohttp import web

from backends.kube.cluster import KubeCluster
from backends.kube.context import Impersonation
from fleetui.model.errors import (
    ForbiddenError,
    InvalidError,
    NotFoundError,
    OverloadedError,
    StatusError,
    UnauthorizedError,
    UnreachableError,
)
from fleetui.model.status import ClusterState
from fleetui.podports import Output
from tests.unit.kube.scripted import PEM, Script, body, context, server_tls, serving, status
from tests.waiting import await_until

V5, V4 = "v5.channel.k8s.io", "v4.channel.k8s.io"
SUCCESS = b'\x03{"status":"Success"}'
Talk = Callable[[web.WebSocketResponse], Awaitable[None]]


@asynccontextmanager
async def cluster_at(url: str, **settings: object) -> AsyncIterator[KubeCluster]:
    cluster = KubeCluster(context(url, **settings))
    try:
        yield cluster
    finally:
        await cluster.close()


@asynccontextmanager
async def scripted(script: Script) -> AsyncIterator[KubeCluster]:
    async with serving(script) as url, cluster_at(url) as cluster:
        yield cluster


class Sockets:
    """A server of websockets: each runs `talk`. `ended` counts those whose client has gone."""

    def __init__(self, talk: Talk, *protocols: str) -> None:
        self._talk = talk
        self._protocols = protocols
        self.asked: list[str] = []
        self.ended = 0

    async def __call__(self, request: web.BaseRequest) -> web.StreamResponse:
        self.asked.append(str(request.rel_url))
        socket = web.WebSocketResponse(protocols=self._protocols, timeout=0.1)
        await socket.prepare(request)
        try:
            await self._talk(socket)
        finally:
            self.ended += 1
        return socket

    @asynccontextmanager
    async def cluster(self) -> AsyncIterator[KubeCluster]:
        async with serving(self) as url, cluster_at(url) as cluster:
            yield cluster


async def whole(log: AbstractAsyncContextManager[AsyncIterator[bytes]]) -> bytes:
    async with log as pieces:
        return b"".join([piece async for piece in pieces])


async def ends_well(socket: web.WebSocketResponse) -> None:
    await socket.send_bytes(SUCCESS)
    await socket.close()


async def code_of(cluster: KubeCluster) -> int | None:
    async with cluster.pods.exec("shop", "web", ["ls"]) as session:
        assert await session.read() is None
        return session.exit_code


async def forever(socket: web.WebSocketResponse) -> None:
    async for _ in socket:
        pass


@pytest.mark.parametrize(
    ("code", "reason", "kind"),
    [
        (403, "Forbidden", ForbiddenError),
        (404, "NotFound", NotFoundError),
        (400, "BadRequest", InvalidError),
        (500, "InternalError", OverloadedError),
    ],
)
async def test_a_refusal_has_the_servers_words(code: int, reason: str, kind: type[Exception]) -> None:
    script = Script([status(code, reason, "pods is forbidden: you may not exec")] * 3)
    async with scripted(script) as cluster:
        with pytest.raises(kind, match="you may not exec"):
            async with cluster.pods.exec("shop", "web", ["ls"]):
                pass
        with pytest.raises(kind, match="you may not exec"):
            async with cluster.pods.port_forward("shop", "web", 80):
                pass
        with pytest.raises(kind, match="you may not exec"):
            async with cluster.pods.logs("shop", "web"):
                pass
    assert script.lines == [f"GET /api/v1/namespaces/shop/pods/web/{one}" for one in ("exec", "portforward", "log")]


async def test_a_refusal_without_an_end_is_not_read_to_it() -> None:
    async def endless(request: web.BaseRequest) -> web.StreamResponse:
        response = web.StreamResponse(status=403)
        await response.prepare(request)
        while True:
            await response.write(b"x" * 65_536)

    async with serving(endless) as url, cluster_at(url) as cluster:
        with pytest.raises(ForbiddenError):
            await asyncio.wait_for(code_of(cluster), 10)


async def test_a_login_that_is_refused_is_told_as_such() -> None:
    script = Script([status(401, "Unauthorized", "Unauthorized"), body(b"ok")])
    async with scripted(script) as cluster:
        with pytest.raises(UnauthorizedError, match="the API server refuses the login: Unauthorized"):
            async with cluster.pods.exec("shop", "web", ["ls"]):
                pass


async def test_a_login_that_has_expired_is_renewed(tmp_path: Path) -> None:
    token = tmp_path / "token"
    token.write_text("old")
    sockets = Sockets(ends_well, V5)
    seen: list[str] = []

    async def server(request: web.BaseRequest) -> web.StreamResponse:
        seen.append(request.headers["Authorization"])
        if seen[-1] == "Bearer old":
            token.write_text("new")
            return web.json_response({"kind": "Status", "code": 401}, status=401)
        return await sockets(request)

    async with serving(server) as url, cluster_at(url, token_file=token) as cluster:
        assert await code_of(cluster) == 0
    assert seen == ["Bearer old", "Bearer new"]


async def test_a_websocket_has_the_certificates_and_the_identity_of_every_request() -> None:
    peers: list[tuple[str, str]] = []
    sockets = Sockets(ends_well, V5)

    async def server(request: web.BaseRequest) -> web.StreamResponse:
        subject = (request.get_extra_info("peercert") or {})["subject"]
        peers.append(
            (dict(pair for group in subject for pair in group)["commonName"], request.headers["Impersonate-User"])
        )
        return await sockets(request)

    settings = {
        "ca": PEM / "ca.crt",
        "client_cert": PEM / "client.crt",
        "client_key": PEM / "client.key",
        "tls_server_name": "api.internal",
        "impersonate": Impersonation("ann"),
    }
    async with serving(server, tls=server_tls(client_ca=True)) as url, cluster_at(url, **settings) as cluster:
        assert await code_of(cluster) == 0
    assert peers == [("unit-client", "ann")]


async def test_a_redirection_is_not_followed_with_a_login() -> None:
    elsewhere = Script([body(b"")])
    async with serving(elsewhere) as other:

        async def away(request: web.Request) -> web.StreamResponse:
            raise web.HTTPFound(f"{other}/steal")

        script = Script([away])
        async with serving(script) as url, cluster_at(url, token="secret") as cluster:
            with pytest.raises(StatusError, match="which is not followed with a login"):
                async with cluster.pods.exec("shop", "web", ["ls"]):
                    pass
    assert elsewhere.asked == []
    assert script.asked[0].headers["authorization"] == "Bearer secret"


async def test_a_proxy_that_knows_no_websockets_is_told() -> None:
    async with scripted(Script([body(b"<html>hello</html>")])) as cluster:
        with pytest.raises(StatusError, match="HTTP 200"):
            async with cluster.pods.exec("shop", "web", ["ls"]):
                pass


async def test_nobody_listens() -> None:
    async with cluster_at("http://127.0.0.1:1") as cluster:
        for opened in (cluster.pods.exec("a", "b", ["ls"]), cluster.pods.port_forward("a", "b", 1)):
            with pytest.raises(UnreachableError, match=r"127\.0\.0\.1:1 refuses connections"):
                async with opened:
                    pass
        assert cluster.status.state is not ClusterState.LIVE


async def test_a_server_without_any_of_the_protocols_is_refused() -> None:
    async with Sockets(forever).cluster() as cluster:
        with pytest.raises(StatusError, match=r"speaks none of v5\.channel\.k8s\.io, v4"):
            async with cluster.pods.exec("shop", "web", ["ls"]):
                pass


async def test_what_is_asked_for() -> None:
    server = Sockets(forever, V5)
    async with server.cluster() as cluster:
        async with cluster.pods.exec("shop", "web", ["sh", "-c", "a b&c"], container="main", stdin=True, tty=True):
            pass
        async with cluster.pods.attach("shop", "web"):
            pass
        assert cluster.requests == {"EXEC": 1, "ATTACH": 1}
    path = "/api/v1/namespaces/shop/pods/web"
    assert server.asked == [
        f"{path}/exec?command=sh&command=-c&command=a+b%26c&container=main&stdin=true&stdout=true&tty=true",
        f"{path}/attach?stdout=true&stderr=true",
    ]


@pytest.mark.parametrize(
    ("last", "words"),
    [
        (b"", "without a word on how the process ended"),
        (
            b'\x03{"status":"Failure","message":"odd","details":{"causes":[{"reason":"ExitCode","message":"%s"}]}}'
            % (b"9" * 5000),
            "odd",
        ),
        (b"\x03not json \x1b[31m", "not json"),
        (b'\x03{"status":"Failure","message":"it \\u001b[1m broke","code":500}', "it �\\[1m broke"),
    ],
)
async def test_an_end_that_is_not_known_is_an_error(last: bytes, words: str) -> None:
    async def talk(socket: web.WebSocketResponse) -> None:
        await socket.send_bytes(b"\x01out")
        if last:
            await socket.send_bytes(last)
        await socket.close()

    async with Sockets(talk, V5).cluster() as cluster, cluster.pods.exec("shop", "web", ["ls"]) as session:
        assert await session.read() == (Output.OUT, b"out")
        with pytest.raises(StatusError, match=words):
            await session.read()
        assert session.exit_code is None


async def test_a_connection_that_breaks_is_told() -> None:
    async def talk(socket: web.WebSocketResponse) -> None:
        await socket.send_bytes(b"\x02err")
        transport = socket._req.transport if socket._req else None
        assert transport is not None
        transport.abort()

    async with Sockets(talk, V5).cluster() as cluster, cluster.pods.exec("shop", "web", ["ls"]) as session:
        assert await session.read() == (Output.ERR, b"err")
        with pytest.raises(UnreachableError, match="was lost"):
            await session.read()
        await session.write(b"nobody takes it")


async def test_leaving_and_cancelling_close_the_connection_at_once() -> None:
    server = Sockets(forever, V5, "SPDY/3.1+portforward.k8s.io")
    async with server.cluster() as cluster:
        async with cluster.pods.exec("shop", "web", ["cat"], stdin=True):
            pass
        await await_until(lambda: server.ended == 1, 5, "the server notices")

        async def wait() -> None:
            async with cluster.pods.port_forward("shop", "web", 80) as stream:
                await stream.read()

        waiting = asyncio.create_task(wait())
        await await_until(lambda: len(server.asked) == 2, 5, "it is open")
        waiting.cancel()
        with pytest.raises(asyncio.CancelledError):
            await waiting
        await await_until(lambda: server.ended == 2, 5, "the server notices")
    assert [task for task in asyncio.all_tasks() if task.get_name().startswith(("ping", "port-forward"))] == []


async def test_a_client_that_does_not_read_holds_up_the_server() -> None:
    sent = 0

    async def talk(socket: web.WebSocketResponse) -> None:
        nonlocal sent
        for _ in range(10_000):
            await socket.send_bytes(b"\x01" + bytes(2**15))
            sent += 2**15

    server = Sockets(talk, V5)
    async with server.cluster() as cluster, cluster.pods.exec("shop", "web", ["yes"]) as session:
        await session.read()
        before = -1
        while before != sent:
            before = sent
            for _ in range(500):
                await asyncio.sleep(0)
        assert sent < 2**26, "a fifth of what the server has to say"
        await session.read()


async def test_a_log_is_handed_on_as_it_comes_and_its_end_is_told_from_a_break() -> None:
    more = asyncio.Event()

    async def answer(request: web.Request) -> web.StreamResponse:
        response = web.StreamResponse()
        await response.prepare(request)
        await response.write(b"one\n\xff")
        await more.wait()
        await response.write(b"two")
        if "previous" in request.query:
            assert request.transport is not None
            request.transport.abort()
        return response

    script = Script([answer, answer])
    async with scripted(script) as cluster:
        async with cluster.pods.logs("shop", "web", follow=True, tail=5, since=1.2) as pieces:
            assert await anext(pieces) == b"one\n\xff"
            more.set()
            assert [piece async for piece in pieces] == [b"two"]
        assert script.asked[0].query == {"follow": "true", "tailLines": "5", "sinceSeconds": "2"}
        with pytest.raises(UnreachableError, match="was lost"):
            await whole(cluster.pods.logs("shop", "web", previous=True))


async def test_names_that_are_none_are_refused_before_anything_is_asked() -> None:
    async with cluster_at("http://127.0.0.1:1") as cluster:
        for opened in (
            cluster.pods.logs("shop", "../secrets"),
            cluster.pods.exec("shop", "", ["ls"]),
            cluster.pods.exec("shop", "web", []),
            cluster.pods.port_forward("shop", "web", 70000),
        ):
            with pytest.raises(InvalidError):
                async with opened:
                    pass
        assert not cluster.requests
