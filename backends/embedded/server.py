"""One embedded API server on a TCP port.

Owns: `EmbeddedServer`: HTTP, authentication, open connections. Plain HTTP on loopback. What a request means is `Api`'s.
aiohttp is imported when the first server starts, because importing it takes longer than twelve servers do.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable, Mapping
from typing import TYPE_CHECKING, Any
from urllib.parse import unquote

from backends.embedded import errors
from backends.embedded.access import Access
from backends.embedded.bodies import LIMIT
from backends.embedded.calls import Call, Reply, error_reply
from backends.embedded.errors import ApiError
from backends.embedded.handlers import Answer, Api
from backends.embedded.podstreams import LogStream, Upgrade
from backends.embedded.store import ObjectStore
from backends.embedded.watches import Watch

if TYPE_CHECKING:
    from aiohttp.web import BaseRequest, StreamResponse
    from aiohttp.web_server import Server

Intercept = Callable[["BaseRequest"], Awaitable["StreamResponse | None"]]
ANONYMOUS = "system:anonymous"
WEBSOCKETS = ("v5.channel.k8s.io", "v4.channel.k8s.io", "SPDY/3.1+portforward.k8s.io")
_LOOPBACK = ("127.0.0.1", "localhost", "[::1]")
_LOG = logging.getLogger(__name__)


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
        allow: whether a user may do something; None: everybody may do everything.
    """

    def __init__(
        self,
        store: ObjectStore,
        *,
        name: str,
        tokens: Mapping[str, str] | None = None,
        host: str = "127.0.0.1",
        port: int = 0,
        anonymous: bool = True,
        allow: Callable[[Access], bool] | None = None,
    ) -> None:
        self.store = store
        self.name = name
        self.tokens = tokens if tokens is not None else {}
        self.anonymous = anonymous
        self.api = Api(store, address=lambda: f"{self.host}:{self.port}", allow=allow)
        self.host = host
        self.port = port
        self.protocols: tuple[str, ...] = WEBSOCKETS
        """The subprotocols of websockets; with fewer it is an older server."""
        self.intercept: Intercept | None = None
        """Called before each request is answered; what it returns is the answer, unless it is None. For faults."""
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
        listener.close()
        await web.shutdown(SHUTDOWN)
        await listener.wait_closed()

    async def _answer(self, request: BaseRequest) -> StreamResponse:
        if self.intercept is not None:
            instead = await self.intercept(request)
            if instead is not None:
                return instead
        try:
            answer: Answer = self.api.handle(await self._call(request))
        except ApiError as error:
            answer = error_reply(error)
        except Exception as error:
            _LOG.exception("%s: %s %s failed", self.name, request.method, request.rel_url)
            answer = error_reply(errors.internal(f"{type(error).__name__}: {error}"))
        if isinstance(answer, Watch | LogStream):
            return await _stream(request, answer)
        if isinstance(answer, Upgrade):
            return await self._upgrade(request, answer)
        return _response(answer)

    async def _upgrade(self, request: BaseRequest, upgrade: Upgrade) -> StreamResponse:
        from backends.embedded.upgrades import serve

        try:
            return await serve(request, upgrade, self.store, protocols=self.protocols)
        except ApiError as error:
            return _response(error_reply(error))

    async def _call(self, request: BaseRequest) -> Call:
        from aiohttp.web import HTTPRequestEntityTooLarge

        user = self._user(request)
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
            headers={key.lower(): value for key, value in request.headers.items()},
            body=body,
            user=user,
        )

    def _user(self, request: BaseRequest) -> str:
        scheme, _, token = request.headers.get("Authorization", "").partition(" ")
        if scheme.lower() == "bearer":
            user = self.tokens.get(token.strip())
            if user is None:
                raise errors.unauthorized()
            return user
        if not self.anonymous or self._from_a_browser(request):
            raise errors.unauthorized()
        return ANONYMOUS

    def _from_a_browser(self, request: BaseRequest) -> bool:
        """Whether a web page may be behind the request: it can reach loopback, by its own name or by a rebound one."""
        host = request.headers.get("Host", "").rpartition(":")[0] or request.headers.get("Host", "")
        return "Origin" in request.headers or host not in (self.host, *_LOOPBACK)


def _response(reply: Reply) -> StreamResponse:
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


async def _stream(request: BaseRequest, watch: Watch | LogStream) -> StreamResponse:
    from aiohttp.web import StreamResponse

    response = StreamResponse()
    response.headers["Content-Type"] = watch.content_type
    response.headers["Cache-Control"] = "no-cache, private"
    response.enable_chunked_encoding()
    try:
        await response.prepare(request)
        chunks = watch.chunks()
        try:
            async for chunk in chunks:
                await response.write(chunk)
        finally:
            await chunks.aclose()
        await response.write_eof()
    except (ConnectionResetError, ConnectionAbortedError):
        pass  # the client went away: that is how watches end
    return response
