"""What the engine asks of an API server, request by request: a proxy between the two.

Owns: `Recorder`, `Call`. It passes everything on unchanged, keeps a list, and can strike between a write that the
server has carried out and the engine's hearing of it: the worst moment to die.
"""

from __future__ import annotations

import json
from collections.abc import AsyncIterator, Callable, Coroutine, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

from aiohttp import ClientError, ClientSession, ClientTimeout, TCPConnector
from aiohttp.web import BaseRequest, Response, StreamResponse
from aiohttp.web_server import Server
from yarl import URL

from fleetui.runtime import Runtime
from tests.e2e.client import upstream

if TYPE_CHECKING:
    import asyncio

T = TypeVar("T")
_LIMIT = 64 * 1024 * 1024
_OF_THE_HOP = frozenset({"connection", "host", "keep-alive", "transfer-encoding", "content-length", "upgrade"})


@dataclass(frozen=True)
class Call:
    """One request of the engine that the server has answered."""

    method: str
    path: str
    query: dict[str, str]
    status: int
    body: Any
    """What was sent, where it was JSON."""

    @property
    def writes(self) -> bool:
        """Whether it changed something, or tried to: a dry run does not."""
        return self.method != "GET" and "dryRun" not in self.query

    @property
    def lease(self) -> bool:
        return "/leases/" in self.path or self.path.endswith("/leases")

    @property
    def event(self) -> bool:
        """Whether it tells of something: sent behind the work, at no certain point of it."""
        return self.path.endswith("/events")

    def about(self, plural: str, name: str = "") -> bool:
        """Whether it is about an object of that kind, or about that very object."""
        parts = self.path.strip("/").split("/")
        return (parts[-1] == plural and not name) or (
            parts[-2:] == [plural, name] if name else parts[-2:-1] == [plural]
        )


class Recorder:
    """A proxy before the server of a kubeconfig; a context manager.

    Args:
        kubeconfig: whose server it stands before.
        folder: where its own kubeconfig is written.
    """

    def __init__(self, kubeconfig: Path, folder: Path) -> None:
        self._to = upstream(kubeconfig)
        self._folder = folder
        self._runtime = Runtime("recorder")
        self._port = 0
        self._session: ClientSession | None = None
        self._web: Server | None = None
        self._listener: asyncio.Server | None = None
        self._gone = False
        self._passing: set[asyncio.Future[StreamResponse]] = set()
        self.calls: list[Call] = []
        self.answered: Callable[[Call], object] | None = None
        """Called after the server has answered and before the engine hears of it, on the recorder's own thread."""

    def __enter__(self) -> Recorder:
        self._runtime.start()
        self._call(self._start())
        return self

    def __exit__(self, *_: object) -> None:
        self._call(self._stop())
        self._runtime.stop()

    def kubeconfig(self) -> Path:
        """A kubeconfig that leads here."""
        path = self._folder / "kubeconfig-recorded.yaml"
        context = {"cluster": "recorded", "user": "recorded"}
        body = {
            "apiVersion": "v1",
            "kind": "Config",
            "current-context": "recorded",
            "clusters": [{"name": "recorded", "cluster": {"server": f"http://127.0.0.1:{self._port}"}}],
            "users": [{"name": "recorded", "user": {"token": self._to.token}}],
            "contexts": [{"name": "recorded", "context": context}],
        }
        path.touch(mode=0o600)
        path.write_text(json.dumps(body))
        return path

    @contextmanager
    def away(self) -> Iterator[None]:
        """Within it the server is gone, for whoever comes through here: connections break, and nothing is answered."""
        self._call(self._cut(gone=True))
        try:
            yield
        finally:
            self._call(self._cut(gone=False))

    def since(self, mark: int) -> list[Call]:
        """What was asked after there were `mark` calls, lease renewals and Events left out."""
        return [call for call in self.calls[mark:] if not call.lease and not call.event]

    def _call(self, work: Coroutine[Any, Any, T]) -> T:
        return self._runtime.submit(work).result()

    async def _start(self) -> None:
        import asyncio

        loop = asyncio.get_running_loop()
        tls = self._to.tls()
        connector = TCPConnector(limit=0, ssl=True if tls is None else tls)
        self._session = ClientSession(
            connector=connector, auto_decompress=False, timeout=ClientTimeout(total=None), trust_env=False
        )

        def request(message: Any, payload: Any, protocol: Any, writer: Any, task: Any) -> BaseRequest:
            return BaseRequest(message, payload, protocol, writer, task, loop, client_max_size=_LIMIT)

        # Cancelled when the engine goes, so that its watches end on the server too.
        self._web = Server(self._answer, request_factory=request, access_log=None, handler_cancellation=True)
        self._listener = await loop.create_server(self._web, "127.0.0.1", 0)
        self._port = self._listener.sockets[0].getsockname()[1]

    async def _stop(self) -> None:
        if self._listener is not None and self._web is not None:
            self._listener.close()
            await self._web.shutdown(0.05)
            await self._listener.wait_closed()
        if self._session is not None:
            await self._session.close()

    async def _cut(self, *, gone: bool) -> None:
        self._gone = gone
        assert self._web is not None
        for connection in self._web.connections:
            connection.force_close()

    async def _answer(self, request: BaseRequest) -> StreamResponse:
        import asyncio

        body = await request.read()
        if self._gone:
            assert request.protocol is not None
            request.protocol.force_close()
        if request.method == "GET":
            return await self._passed(request, body)
        # The server carries a write out that is on its way when the engine dies: then it has to be noted too.
        passing = asyncio.ensure_future(self._passed(request, body))
        self._passing.add(passing)
        passing.add_done_callback(self._passing.discard)
        return await asyncio.shield(passing)

    async def _passed(self, request: BaseRequest, body: bytes) -> StreamResponse:
        assert self._session is not None
        url = URL(self._to.url + request.raw_path, encoded=True)
        headers = {name: value for name, value in request.headers.items() if name.lower() not in _OF_THE_HOP}
        try:
            async with self._session.request(request.method, url, headers=headers, data=body or None) as found:
                kept = {name: value for name, value in found.headers.items() if name.lower() not in _OF_THE_HOP}
                streams = request.query.get("watch") in {"1", "true"} and found.status == 200
                data = b"" if streams else await found.read()
                self._note(request, body, found.status)
                if streams:
                    return await _stream(request, found.status, kept, found.content.iter_any())
                return Response(status=found.status, headers=kept, body=data)
        except ClientError as error:
            return Response(status=502, text=f"the recorder could not ask the server: {error}")

    def _note(self, request: BaseRequest, body: bytes, status: int) -> None:
        try:
            sent = json.loads(body) if body else None
        except ValueError:
            sent = None
        call = Call(request.method, request.path, dict(request.query), status, sent)
        self.calls.append(call)
        if self.answered is not None:
            self.answered(call)


async def _stream(
    request: BaseRequest, status: int, headers: dict[str, str], chunks: AsyncIterator[bytes]
) -> StreamResponse:
    response = StreamResponse(status=status, headers=headers)
    response.enable_chunked_encoding()
    try:
        await response.prepare(request)
        async for chunk in chunks:
            await response.write(chunk)
        await response.write_eof()
    except (ConnectionResetError, ConnectionAbortedError):
        pass  # the engine went away
    return response
