"""One kind of one cluster, listed and then watched, for ever.

Owns: `Informer` and `Backoff`. Called by `backends.kube.cluster`, one task each. It keeps no objects: what comes is
handed to its `WatchSink` at once. Sharing a watch among many takers is the business of `fleetui.fleet.store`.

The rules are those of client-go's reflector (tools/cache/reflector.go): list in pages, watch from the list's
resourceVersion, go on from the last one seen after a cut, list again after 410.
"""

from __future__ import annotations

import asyncio
import logging
import random
import time
from collections.abc import Awaitable, Callable
from contextlib import AbstractAsyncContextManager
from typing import Protocol

import msgspec

from backends.kube import decode
from backends.kube.errors import Status, from_status, parse_status
from fleetui.model.errors import (
    ClusterError,
    GoneError,
    OverloadedError,
    StatusError,
    UnauthorizedError,
    UnreachableError,
)
from fleetui.model.objects import ApiResource, StoredObject
from fleetui.ports import WatchSink

_log = logging.getLogger(__name__)

PAGE = 500
"""Objects a list page: 2.5 ms to decode, so that a big list never holds the loop."""
_WATCH_SECONDS = (300, 600)
"""How long the server is asked to keep a watch, at random, so that watches do not all end at once."""
_IDLE = 200.0
"""Seconds without a byte after which a watch counts as dead. Where nothing happens, kube-apiserver 1.37 sends the
first bookmark after 120 seconds and one each minute from then on."""
_SHORT = 1.0
"""Seconds; a watch that ends sooner with nothing to say did not do well."""


class Stream(Protocol):
    """An open watch: batches of lines, an empty one at its end."""

    async def lines(self) -> list[bytes]: ...


class Source(Protocol):
    """What an informer asks; `backends.kube.transport.Transport` is one."""

    async def request(self, method: str, path: str, *, query: dict[str, str], verb: str) -> bytes: ...

    def stream(self, path: str, *, query: dict[str, str], idle: float) -> AbstractAsyncContextManager[Stream]: ...


class Monitor(Protocol):
    """Who is told how the watch fares, and says when to ask; `backends.kube.link.Link` is one."""

    async def ready(self) -> None: ...

    def succeeded(self, watcher: object) -> None: ...

    def failed(self, error: Exception, watcher: object) -> None: ...


class Backoff:
    """Growing pauses with jitter: nothing at first, then 0.8 s, doubled up to 30 s."""

    def __init__(self, *, chance: Callable[[], float] = random.random) -> None:
        self._chance = chance
        self._failures = 0

    def reset(self) -> None:
        self._failures = 0

    def pause(self, error: Exception | None) -> float:
        """Seconds until the next try, after one more failure (or a watch that was too short, with no error)."""
        step = 0.8 * 2.0 ** min(self._failures - 1, 10) if self._failures else 0.0
        self._failures += 1
        if not (error is None or isinstance(error, UnreachableError | UnauthorizedError | GoneError)):
            # Forbidden, not served, overloaded: asking at once would get the same answer.
            step = max(step, 1.0)
        pause = min(step, 30.0) * (0.5 + self._chance() / 2)
        return max(pause, error.retry_after or 0.0) if isinstance(error, OverloadedError) else pause


class Informer:
    """Keeps `sink` told of every object of a resource. Run `run` as a task; cancel it to end it."""

    def __init__(
        self,
        source: Source,
        resource: ApiResource,
        sink: WatchSink,
        *,
        cluster: str,
        monitor: Monitor,
        namespace: str = "",
        labels: str = "",
        sleep: Callable[[float], Awaitable[None]] = asyncio.sleep,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._source = source
        self._resource = resource
        self._sink = sink
        self._cluster = cluster
        self._monitor = monitor
        self._path = resource.path(namespace)
        self._selector = {"labelSelector": labels} if labels else {}
        self._sleep = sleep
        self._clock = clock
        self._backoff = Backoff()
        self._version = ""
        self._whole = False

    async def run(self) -> None:
        """Never returns."""
        while True:
            await self._monitor.ready()
            await self.cycle()

    async def cycle(self) -> None:
        """Lists where that is needed, watches until the watch ends, and pauses where it did not go well.

        What fails is told to the sink and to the monitor, never raised.
        """
        try:
            if not self._version:
                await self._list()
            fine = await self._watch()
        except GoneError as error:
            _log.info("%s: %s is listed again: %s", self._cluster, self._resource.full_name, error)
            self._version = ""
            await self._sleep(self._backoff.pause(error))
        except Exception as error:
            self._failed(error)
            await self._sleep(self._backoff.pause(error))
        else:
            if not fine:
                await self._sleep(self._backoff.pause(None))

    def _failed(self, error: Exception) -> None:
        if not isinstance(error, UnreachableError | UnauthorizedError | OverloadedError):
            # It may be this resourceVersion that the server, or the sink, can't go on from.
            self._version = ""
        if not isinstance(error, ClusterError):
            _log.exception("%s: the watch of %s failed", self._cluster, self._resource.full_name)
        self._monitor.failed(error, self)
        self._sink.failed(error)

    # --- list ---------------------------------------------------------------------------------------------------

    async def _list(self) -> None:
        """All objects in pages. The continue token expires after some minutes: then all again, in one page at last."""
        try:
            await self._list_pages({} if self._whole else {"limit": str(PAGE)})
        except GoneError:
            self._whole = True
            raise
        self._whole = False
        self._sink.listed()

    async def _list_pages(self, query: dict[str, str]) -> None:
        self._sink.listing()
        query = query | self._selector
        while True:
            body = await self._source.request("GET", self._path, query=query, verb="LIST")
            try:
                page = decode.list_page(body)
                objects = [decode.stored(self._resource, raw) for raw in page.items or ()]
            except (msgspec.DecodeError, UnicodeDecodeError) as error:
                raise self._unreadable("LIST") from error
            self._monitor.succeeded(self)
            if objects:
                self._sink.upsert(objects)
            if not page.metadata.next:
                break
            query["continue"] = page.metadata.next
        self._version = page.metadata.resource_version

    # --- watch --------------------------------------------------------------------------------------------------

    async def _watch(self) -> bool:
        """Watches until the stream ends, whoever ended it; whether it did well.

        Raises:
            ClusterError: the watch was not accepted, or the server ended it with an ERROR event.
        """
        began, told = self._clock(), False
        async with self._source.stream(self._path, query=self._watch_query(), idle=_IDLE) as stream:
            self._monitor.succeeded(self)
            while lines := await self._next(stream):
                self._events(lines)
                self._monitor.succeeded(self)
                self._backoff.reset()
                told = True
        if self._clock() - began >= _SHORT:
            self._backoff.reset()
            return True
        return told

    async def _next(self, stream: Stream) -> list[bytes]:
        try:
            return await stream.lines()
        except UnreachableError as error:
            # A cut is no failure yet: whether the server still answers shows when the watch is asked for again.
            _log.info("%s: the watch of %s was cut: %s", self._cluster, self._resource.full_name, error)
            return []

    def _watch_query(self) -> dict[str, str]:
        query = {
            "watch": "true",
            "allowWatchBookmarks": "true",
            "resourceVersion": self._version,
            "timeoutSeconds": str(random.randint(*_WATCH_SECONDS)),
        }
        return query | self._selector

    def _events(self, lines: list[bytes]) -> None:
        """Hands on what a batch of lines says, in its order; neighbouring upserts go together."""
        changed: list[StoredObject] = []
        for line in lines:
            removed = self._event(line, changed)
            if removed is not None:
                self._upsert(changed)
                self._sink.remove(removed)
                self._version = removed.meta.resource_version
        self._upsert(changed)

    def _event(self, line: bytes, changed: list[StoredObject]) -> StoredObject | None:
        """Adds an object that came or changed to `changed`; returns one that was removed."""
        try:
            event = decode.event(line)
            if event.type in {"ADDED", "MODIFIED"}:
                changed.append(decode.stored(self._resource, event.object))
            elif event.type == "DELETED":
                return decode.stored(self._resource, event.object)
            elif event.type == "BOOKMARK":
                self._upsert(changed)
                self._version = decode.resource_version(event.object) or self._version
            elif event.type == "ERROR":
                self._upsert(changed)
                raise self._ended_by(event.object)
        except (msgspec.DecodeError, UnicodeDecodeError) as error:
            raise self._unreadable("WATCH") from error
        return None

    def _upsert(self, changed: list[StoredObject]) -> None:
        if changed:
            self._sink.upsert(tuple(changed))
            self._version = changed[-1].meta.resource_version
            changed.clear()

    def _ended_by(self, raw: msgspec.Raw) -> ClusterError:
        status = parse_status(bytes(raw)) or Status(code=500, message="the watch ended with an error")
        return from_status(status, cluster=self._cluster)

    def _unreadable(self, verb: str) -> ClusterError:
        message = f"the answer to {verb} {self._path} is not what a Kubernetes API server sends"
        return StatusError(message, cluster=self._cluster)
