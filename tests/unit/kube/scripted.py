"""An HTTP server that answers what the test wrote down, in its order.

Owns: `Script`, `serving` and the answers. Called by the tests of backends.kube. What was asked is recorded; a request
for which nothing is written fails the test.
"""

from __future__ import annotations

import asyncio
import gzip
import json
import ssl
from collections.abc import AsyncIterator, Awaitable, Callable, Iterable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from aiohttp import web

from backends.kube.context import ContextConfig

PEM = Path(__file__).parent / "pem"

Json = dict[str, Any]
Answer = Callable[[web.Request], Awaitable[web.StreamResponse]]


@dataclass
class Asked:
    """One request as the server saw it."""

    method: str
    path: str
    query: dict[str, str]
    headers: dict[str, str]
    body: bytes
    peer: str = ""


@dataclass
class Script:
    """The answers still to be given, and the requests that came."""

    answers: list[Answer] = field(default_factory=list)
    asked: list[Asked] = field(default_factory=list)
    peers: set[object] = field(default_factory=set)
    """The clients' ends of the connections."""

    async def __call__(self, request: web.BaseRequest) -> web.StreamResponse:
        assert isinstance(request, web.BaseRequest)
        body = await request.read()
        self.peers.add(request.get_extra_info("peername"))
        headers = {name.lower(): value for name, value in request.headers.items()}
        certificate = request.get_extra_info("peercert") or {}
        peer = dict(pair for group in certificate.get("subject", ()) for pair in group).get("commonName", "")
        self.asked.append(Asked(request.method, request.raw_path.partition("?")[0], dict(request.query), headers, body))
        self.asked[-1].peer = peer
        if not self.answers:
            return web.Response(status=418, text=f"nothing is written for {request.method} {request.rel_url}")
        return await self.answers.pop(0)(request)  # type: ignore[arg-type]

    @property
    def lines(self) -> list[str]:
        """``GET /api/v1/configmaps`` and so on."""
        return [f"{asked.method} {asked.path}" for asked in self.asked]


@asynccontextmanager
async def serving(
    script: Callable[[web.BaseRequest], Awaitable[web.StreamResponse]],
    *,
    tls: ssl.SSLContext | None = None,
    port: int = 0,
) -> AsyncIterator[str]:
    """The URL of a server on loopback; every connection is cut at the end."""
    runner = web.ServerRunner(web.Server(script, handler_cancellation=True), shutdown_timeout=0.1)
    await runner.setup()
    site = web.TCPSite(runner, "127.0.0.1", port, ssl_context=tls)
    await site.start()
    bound = runner.addresses[0][1]
    try:
        yield f"{'https' if tls else 'http'}://127.0.0.1:{bound}"
    finally:
        await runner.cleanup()


def server_tls(name: str = "server", *, client_ca: bool = False) -> ssl.SSLContext:
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    context.load_cert_chain(PEM / f"{name}.crt", PEM / "server.key")
    if client_ca:
        context.load_verify_locations(PEM / "ca.crt")
        context.verify_mode = ssl.CERT_REQUIRED
    return context


def context(server: str, **settings: Any) -> ContextConfig:
    return ContextConfig(**{"name": "prod", "server": server, **settings})


# --- answers ------------------------------------------------------------------------------------------------------


def body(content: Json | bytes, *, status: int = 200, headers: dict[str, str] | None = None) -> Answer:
    async def answer(request: web.Request) -> web.StreamResponse:
        data = content if isinstance(content, bytes) else json.dumps(content).encode()
        return web.Response(status=status, body=data, headers={"Content-Type": "application/json"} | (headers or {}))

    return answer


def zipped(content: Json) -> Answer:
    return body(gzip.compress(json.dumps(content).encode()), headers={"Content-Encoding": "gzip"})


def status(code: int, reason: str = "", message: str = "", **rest: Any) -> Answer:
    headers = rest.pop("headers", None)
    return body(status_obj(code, reason, message, **rest), status=code, headers=headers)


def status_obj(code: int, reason: str = "", message: str = "", **rest: Any) -> Json:
    return {"kind": "Status", "apiVersion": "v1", "code": code, "reason": reason, "message": message, **rest}


def page(items: Iterable[Json], version: str, *, next: str = "") -> Answer:  # noqa: A002 - the API's own word
    metadata = {"resourceVersion": version} | ({"continue": next} if next else {})
    return body({"kind": "ConfigMapList", "apiVersion": "v1", "metadata": metadata, "items": list(items)})


def event(kind: str, obj: Json) -> bytes:
    return json.dumps({"type": kind, "object": obj}).encode() + b"\n"


def bookmark(version: str) -> bytes:
    return event("BOOKMARK", {"kind": "ConfigMap", "apiVersion": "v1", "metadata": {"resourceVersion": version}})


def watch(*chunks: bytes, cut: bool = False, until: asyncio.Event | None = None) -> Answer:
    """A stream of these chunks, then the end of the body, or with `cut` the end of the connection without one."""

    async def answer(request: web.Request) -> web.StreamResponse:
        response = web.StreamResponse(headers={"Content-Type": "application/json"})
        response.enable_chunked_encoding()
        await response.prepare(request)
        for chunk in chunks:
            await response.write(chunk)
        if until is not None:
            await until.wait()
        if cut:
            assert request.transport is not None
            request.transport.abort()
        return response

    return answer


def hanging(*chunks: bytes) -> Answer:
    """A stream that stays open until the client goes."""
    return watch(*chunks, until=asyncio.Event())


def dropped() -> Answer:
    """No answer: the connection is reset."""

    async def answer(request: web.Request) -> web.StreamResponse:
        assert request.transport is not None
        request.transport.abort()
        return web.Response()

    return answer


def config_map(name: str, version: str, **data: str) -> Json:
    """An item of a list: without apiVersion and kind, as the API server sends its own kinds."""
    return {"metadata": {"name": name, "namespace": "default", "resourceVersion": version}, "data": data}


def whole(obj: Json) -> Json:
    """The object as a watch sends it."""
    return {"kind": "ConfigMap", "apiVersion": "v1", **obj}
