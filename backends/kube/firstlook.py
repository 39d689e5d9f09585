"""The first page of a list, asked for before there is anybody to show it to.

Owns: `begin` and `FirstLook`. Called by the console alone: while it imports Textual and paints its first frame, which
keeps one processor busy, a small process of its own (`backends.kube.firstlook_child`) asks each API server for the
beginning of the list that the informer asks for first. `LookingSource` hands it to the informer in place of that one
request.

It is a head start and never more: what fails, comes late or looks odd is dropped without a word, and the ordinary
request is made, which says what is wrong. Only logins that need no other program and no other identity are used. They
reach the other process through its stdin, never as an argument, in its environment or on disk.
"""

from __future__ import annotations

import json
import os
import struct
import subprocess
import sys
import threading
import time
import zlib
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping, Sequence
from contextlib import asynccontextmanager, suppress
from pathlib import Path
from typing import IO, TYPE_CHECKING, Any
from urllib.parse import urlsplit

from fleetui import __version__

if TYPE_CHECKING:
    from backends.kube.context import ContextConfig, Pem
    from backends.kube.reading import Source, Stream

MOST = 8
"""Contexts that are looked at; who has more is not waiting for one of them."""
LATE = 2.0
"""Seconds from the start after which nobody waits for a page any more."""
BREATH = 0.1
"""Seconds after a page was handed out until the network stack may be imported: the rows are painted meanwhile."""
PAGE = 100
"""Objects asked for: more than a screen shows, and a fifth of the work of a page as informers ask for it. The next page
follows from its continue token, whatever its limit."""
LIMIT = 500
"""Of the request that the page stands for: `backends.kube.reading.PAGE`."""
HEAD = struct.Struct(">HBQ")
FAILED, PLAIN, GZIP = 0, 1, 2
"""As in `backends.kube.firstlook_child`, which would bring the network with it."""
JSON = "application/json"
"""The only form in which a page is asked for."""
_GZIP_WINDOW = 31
_CHILD = Path(__file__).with_name("firstlook_child.py")


def begin(contexts: Sequence[ContextConfig], path: str, *, env: Mapping[str, str] | None = None) -> FirstLook | None:
    """Starts looking; None where there is nothing to look at, or no process can be started.

    Args:
        contexts: whose servers; those are passed over whose login needs a program, a proxy or another identity.
        path: of the list, such as ``/apis/argoproj.io/v1alpha1/applications``.
        env: where proxies are named; None: that of the process.
    """
    env = os.environ if env is None else env
    chosen = [context for context in contexts if _is_plain(context, env)][:MOST]
    if not chosen or not sys.executable:
        return None
    order = json.dumps([_target(context, f"{path}?limit={PAGE}") for context in chosen])
    try:
        process = subprocess.Popen(
            [sys.executable, "-I", "-S", str(_CHILD)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
        )
    except OSError:
        return None
    look = FirstLook(process, [context.name for context in chosen], path=path)
    look.order(order)
    return look


class FirstLook:
    """Pages that are on their way, each for one taker. Made by `begin`; `close` it.

    `page` and `breathe` belong to one event loop; everything else may be called on any thread.
    """

    def __init__(
        self,
        process: subprocess.Popen[bytes],
        names: Sequence[str],
        *,
        path: str,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._process = process
        self._asked = (path, {"limit": str(LIMIT)})
        self._clock = clock
        self._deadline = clock() + LATE
        self._served_at = float("-inf")
        self._numbered = [_Page() for _ in names]
        self._pages = dict(zip(names, self._numbered, strict=True))
        self._reader = threading.Thread(target=self._read, name="first look", daemon=True)

    @property
    def pid(self) -> int:
        """The other process's."""
        return self._process.pid

    def order(self, text: str) -> None:
        """Says what to ask; stdin stays open, because its end is the other process's."""
        with suppress(OSError):
            assert self._process.stdin is not None
            self._process.stdin.write(text.encode() + b"\n")
            self._process.stdin.flush()
        self._reader.start()

    def looks_at(self, context: str) -> bool:
        """Whether this context's server was asked, and its page is worth waiting for and not taken yet."""
        return context in self._pages and self._clock() < self._deadline

    async def page(self, context: str, path: str, query: Mapping[str, str]) -> bytes | None:
        """The answer to this request, once; None where there is none, and none in time."""
        if (path, dict(query)) != self._asked or (waiting := self._pages.pop(context, None)) is None:
            return None
        if not waiting.there.done():
            import asyncio

            # Without a thread: there are few, and servers that hang may be many.
            coming = asyncio.shield(asyncio.wrap_future(waiting.there))
            try:
                await asyncio.wait_for(coming, max(0.0, self._deadline - self._clock()))
            except TimeoutError:
                self._process.kill()
                return None
        body = waiting.there.result()
        if body is not None:
            self._served_at = self._clock()
        return body

    async def breathe(self) -> None:
        """Returns when the rows of a page that was just handed out have had their time to be painted."""
        rest = self._served_at + BREATH - self._clock()
        if rest > 0:
            import asyncio

            await asyncio.sleep(rest)

    def close(self) -> None:
        """Ends the other process and waits until it is gone; may be called again."""
        self._process.kill()
        self._reader.join(timeout=1.0)

    def _read(self) -> None:
        """Takes answers until the other process ends, and buries it."""
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        try:
            while (answer := _answer(self._process.stdout)) is not None:
                number, body = answer
                self._numbered[number].there.set_result(body)
        except Exception:  # whatever came is not what the other process sends: as good as nothing
            self._process.kill()
        finally:
            self._process.wait()
            for stream in (self._process.stdin, self._process.stdout):
                with suppress(OSError):
                    stream.close()
            for page in self._numbered:
                if not page.there.done():
                    page.there.set_result(None)


class _Page:
    """One answer: none yet, or, once it is `there`, its body; None where it is none to use."""

    def __init__(self) -> None:
        from concurrent.futures import Future  # not before the other process is at work

        self.there: Future[bytes | None] = Future()
        # Running, it can't be cancelled by who does not wait any longer.
        self.there.set_running_or_notify_cancel()


class LookingSource:
    """An informer's source: the first look's page where there is one, else the API server.

    Args:
        look: the first look.
        context: whose page.
        transport: opens the way to the API server.
        counted: called where a page stands for a request.
    """

    def __init__(
        self,
        look: FirstLook,
        context: str,
        transport: Callable[[], Awaitable[Source]],
        *,
        counted: Callable[[], object] = lambda: None,
    ) -> None:
        self._look = look
        self._context = context
        self._transport = transport
        self._counted = counted

    async def request(self, method: str, path: str, *, query: dict[str, str], accept: str, verb: str) -> bytes:
        page = await self._look.page(self._context, path, query) if accept == JSON else None
        if page is not None:
            self._counted()
            return page
        return await (await self._transport()).request(method, path, query=query, accept=accept, verb=verb)

    @asynccontextmanager
    async def stream(self, path: str, *, query: dict[str, str], idle: float, accept: str) -> AsyncIterator[Stream]:
        async with (await self._transport()).stream(path, query=query, idle=idle, accept=accept) as stream:
            yield stream


def _answer(file: IO[bytes]) -> tuple[int, bytes | None] | None:
    """The next answer's number and page; None at the end."""
    head = file.read(HEAD.size)
    if len(head) < HEAD.size:
        return None
    number, kind, length = HEAD.unpack(head)
    body = file.read(length)
    if kind == FAILED or len(body) < length:
        return number, None
    return number, zlib.decompress(body, _GZIP_WINDOW) if kind == GZIP else body


def _is_plain(context: ContextConfig, env: Mapping[str, str]) -> bool:
    if (
        context.problem
        or context.exec
        or context.auth_provider
        or context.impersonate
        or context.username
        or context.proxy_url
    ):
        return False
    if not (_lends(context.client_cert) and _lends(context.client_key)):
        return False
    return not _is_proxied(context.server, env)


def _lends(pem: Pem) -> bool:
    """Whether the other process can load it without leaving a file behind, however it ends."""
    return not isinstance(pem, bytes) or hasattr(os, "memfd_create")


def _is_proxied(server: str, env: Mapping[str, str]) -> bool:
    name = f"{server.partition(':')[0]}_proxy"
    if not (env.get(name) or env.get(name.upper())):
        return False
    from backends.kube.proxy import proxy_for

    return bool(proxy_for(server, env))


def _target(context: ContextConfig, path: str) -> dict[str, Any]:
    url = urlsplit(context.server)
    headers = {
        "Host": url.netloc,
        "Connection": "close",
        "Accept": JSON,
        "Accept-Encoding": "gzip" if context.compression else "identity",
        "User-Agent": f"fleetui/{__version__}",
    }
    if context.token and context.token_file is None:
        headers["Authorization"] = f"Bearer {context.token}"
    return {
        "host": url.hostname,
        "port": url.port or (443 if url.scheme == "https" else 80),
        "path": f"{url.path}{path}",
        "headers": headers,
        "token_file": str(context.token_file or ""),
        "tls": _tls(context) if url.scheme == "https" else None,
    }


def _tls(context: ContextConfig) -> dict[str, Any]:
    given = context.client_cert is not None and context.client_key is not None
    return {
        "name": context.tls_server_name,
        "insecure": context.insecure,
        "ca": context.ca.decode("ascii", "replace") if isinstance(context.ca, bytes) else "",
        "ca_file": str(context.ca) if isinstance(context.ca, Path) else "",
        "cert": _lent(context.client_cert) if given else None,
        "key": _lent(context.client_key) if given else None,
    }


def _lent(pem: Pem) -> dict[str, str]:
    if isinstance(pem, bytes):
        return {"file": "", "data": pem.decode("ascii", "replace")}
    return {"file": str(pem), "data": ""}
