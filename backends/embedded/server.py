"""One embedded API server on a TCP port.

Owns: `EmbeddedServer`: HTTP, authentication, open connections. Plain HTTP on loopback. What a request means is `Api`'s.
aiohttp is imported when the first server starts, because importing it takes longer than twelve servers do.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import AsyncGenerator, Mapping
from contextlib import aclosing
from typing import TYPE_CHECKING, Any
from urllib.parse import unquote

from backends.embedded import errors
from backends.embedded.access import NOBODY, User
from backends.embedded.bodies import LIMIT
from backends.embedded.calls import Call, Reply, error_reply
from backends.embedded.errors import ApiError
from backends.embedded.faults import FaultPlan, Subject, subject_of
from backends.embedded.handlers import Answer, Api
from backends.embedded.impersonation import impersonated
from backends.embedded.passage import Passage
from backends.embedded.podstreams import LogStream, Upgrade
from backends.embedded.store import ObjectStore
from backends.embedded.watches import Watch

if TYPE_CHECKING:
    from aiohttp.web import BaseRequest, Response, StreamResponse
    from aiohttp.web_server import Server

WEBSOCKETS = ("v5.channel.k8s.io", "v4.channel.k8s.io", "SPDY/3.1+portforward.k8s.io")
_LOOPBACK = ("127.0.0.1", "localhost", "[::1]")
_LOG = logging.getLogger(__name__)
_ACCEPTED = 3
"""Rounds of the loop from accepting a connection to its protocol's first call (asyncio/selector_events.py)."""
SHUTDOWN = 0.05
"""Seconds that open connections have to end before they are cut; aiohttp takes 0 for "for ever"."""


class EmbeddedServer:
    """An API server over a store.

    Args:
        name: what it is called in messages.
        tokens: bearer token -> user. May be changed while it runs: a token that is taken out is an expired login.
        port: 0 for any free one; it is kept over `stop` and `start`.
        anonymous: whether requests without a token are answered. They are by default, since kubectl sends no token over
            plain HTTP; a wrong token is refused always.
        stranger: who such requests come from.
        faults: what goes wrong.
    """

    def __init__(
        self,
        store: ObjectStore,
        *,
        name: str,
        tokens: Mapping[str, User] | None = None,
        host: str = "127.0.0.1",
        port: int = 0,
        anonymous: bool = True,
        stranger: User = NOBODY,
        faults: FaultPlan | None = None,
    ) -> None:
        self.store = store
        self.name = name
        self.faults = faults or FaultPlan()
        self.tokens = tokens if tokens is not None else {}
        self.anonymous = anonymous
        self.stranger = stranger
        self.api = Api(store, address=lambda: f"{self.host}:{self.port}", tokens=self.tokens)
        self.host = host
        self.port = port
        self.protocols: tuple[str, ...] = WEBSOCKETS
        """The subprotocols of websockets; with fewer it is an older server."""
        self._web: Server | None = None
        self._listener: asyncio.Server | None = None

    @property
    def url(self) -> str:
        """Where it listens; valid once it was started."""
        return f"http://{self.host}:{self.port}"

    @property
    def running(self) -> bool:
        return self._listener is not None

    async def start(self) -> None:
        """Begins to listen; harmless when it does.

        Raises:
            OSError: the port is taken.
        """
        if self._listener is not None:
            return
        from aiohttp.web import BaseRequest
        from aiohttp.web_server import Server

        loop = asyncio.get_running_loop()

        def request(message: Any, payload: Any, protocol: Any, writer: Any, task: Any) -> BaseRequest:
            return BaseRequest(message, payload, protocol, writer, task, loop, client_max_size=LIMIT)

        # Cancelled when its client goes, or a watch that nothing happens to would stay for ever.
        self._web = Server(self._answer, request_factory=request, access_log=None, handler_cancellation=True)
        self._listener = await loop.create_server(self._web, self.host, self.port, backlog=512)
        self.port = self._listener.sockets[0].getsockname()[1]

    async def stop(self) -> None:
        """Stops listening and drops all connections, watches included. The store keeps its data."""
        listener, web = self._listener, self._web
        self._listener = self._web = None
        if listener is None or web is None:
            return
        # What was accepted a moment ago is not the web server's yet, and asyncio 3.11 would leave it open for ever if
        # its listener were closed meanwhile.
        for accepting in listener.sockets:
            asyncio.get_running_loop().remove_reader(accepting.fileno())
        for _ in range(_ACCEPTED):
            await asyncio.sleep(0)
        listener.close()
        await web.shutdown(SHUTDOWN)
        await listener.wait_closed()

    async def _answer(self, request: BaseRequest) -> StreamResponse:
        passage = Passage(self.faults, request, lambda: self._subject(request))
        try:
            answer: Answer = await passage.admit() or self.api.handle(await self._call(request))
        except ApiError as error:
            answer = error_reply(error)
        except (ConnectionResetError, ConnectionAbortedError):
            return _response(Reply(500, b""))  # nobody is there to read it
        except Exception as error:
            _LOG.exception("%s: %s %s failed", self.name, request.method, request.rel_url)
            answer = error_reply(errors.internal(f"{type(error).__name__}: {error}"))
        if isinstance(answer, Watch):
            return await _stream(request, answer.content_type, passage.chunks(answer), passage)
        if isinstance(answer, LogStream):
            return await _stream(request, answer.content_type, answer.chunks(), passage)
        if isinstance(answer, Upgrade):
            return await self._upgrade(request, answer)
        return await passage.send(_response(answer))

    async def _upgrade(self, request: BaseRequest, upgrade: Upgrade) -> StreamResponse:
        from backends.embedded.upgrades import serve

        try:
            return await serve(request, upgrade, self.store, protocols=self.protocols)
        except ApiError as error:
            return _response(error_reply(error))

    def _subject(self, request: BaseRequest) -> Subject:
        path = unquote(request.rel_url.raw_path)
        watch = request.query.get("watch", "false").lower() in ("true", "1", "")
        return subject_of(self.store.resources, request.method, path, watch=watch)

    async def _call(self, request: BaseRequest) -> Call:
        from aiohttp.web import HTTPRequestEntityTooLarge

        headers = [(name.lower(), value) for name, value in request.headers.items()]
        user = impersonated(self._user(request), headers, self.api.authorizer)
        body = b""
        if request.can_read_body:
            try:
                body = await request.read()
            except HTTPRequestEntityTooLarge:
                message = f"Request entity too large: limit is {LIMIT}"
                raise ApiError(413, "RequestEntityTooLarge", message) from None
        return Call(
            method=request.method,
            path=unquote(request.rel_url.raw_path),
            query={key: request.query[key] for key in request.query},
            headers=dict(headers),
            body=body,
            user=user,
        )

    def _user(self, request: BaseRequest) -> User:
        scheme, _, token = request.headers.get("Authorization", "").partition(" ")
        if scheme.lower() == "bearer":
            user = self.tokens.get(token.strip())
            if user is None:
                raise errors.unauthorized()
            return user
        if not self.anonymous or self._from_a_browser(request):
            raise errors.unauthorized()
        return self.stranger

    def _from_a_browser(self, request: BaseRequest) -> bool:
        """Whether a web page may be behind the request: it can reach loopback, by its own name or by a rebound one."""
        host = request.headers.get("Host", "").rpartition(":")[0] or request.headers.get("Host", "")
        return "Origin" in request.headers or host not in (self.host, *_LOOPBACK)


def _response(reply: Reply) -> Response:
    from aiohttp.web import Response

    response = Response(status=reply.status, body=reply.body)
    response.headers["Content-Type"] = reply.content_type
    response.headers["Cache-Control"] = "no-cache, private"
    for name, value in reply.headers.items():
        response.headers[name] = value
    for text in reply.warnings:
        escaped = text.replace("\\", "\\\\").replace('"', '\\"')
        response.headers.add("Warning", f'299 - "{escaped}"')
    return response


async def _stream(
    request: BaseRequest, content_type: str, content: AsyncGenerator[bytes, None], passage: Passage
) -> StreamResponse:
    from aiohttp.web import StreamResponse

    response = StreamResponse()
    response.headers["Content-Type"] = content_type
    response.headers["Cache-Control"] = "no-cache, private"
    response.enable_chunked_encoding()
    try:
        await response.prepare(request)
        async with aclosing(content) as chunks:
            async for chunk in chunks:
                await passage.write(response, chunk)
        await response.write_eof()
    except (ConnectionResetError, ConnectionAbortedError):
        pass  # the client went away: that is how watches and logs end
    return response
