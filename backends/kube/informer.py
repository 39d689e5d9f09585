"""One kind of one cluster, listed and then watched, for ever.

Owns: `Informer`. Called by `backends.kube.watching`, one task each. It keeps no objects: what comes is handed to its
`WatchSink` at once. Sharing a watch among many takers is the business of `fleetui.fleet.store`.

The rules are those of client-go's reflector (v0.37 tools/cache/reflector.go): list in pages or as a stream, watch from
the list's resourceVersion, go on from the last one seen after a cut, list again after 410, and never go back in time.
"""

from __future__ import annotations

import asyncio
import logging
import random
import time
from collections.abc import Awaitable, Callable
from typing import Protocol

import msgspec

from backends.kube.backoff import Backoff
from backends.kube.reading import PAGE, Reader, Stream
from backends.kube.selection import Query
from backends.kube.streaming import Streaming
from backends.kube.turns import decoding
from fleetui.model.errors import (
    ClusterError,
    GoneError,
    OverloadedError,
    StatusError,
    UnauthorizedError,
    UnreachableError,
)
from fleetui.model.objects import StoredObject, is_older
from fleetui.ports import WatchSink

_log = logging.getLogger(__name__)

_WATCH_SECONDS = (300, 600)
"""How long the server is asked to keep a watch, at random, so that watches do not all end at once."""
_IDLE = 200.0
"""Seconds without a byte after which a watch counts as dead. Where nothing happens, kube-apiserver 1.37 sends the
first bookmark after 120 seconds and one each minute from then on. But asked for a version that it has not come to, as
after etcd was restored, it says nothing at all until it gets there: who hears nothing from the start lists again."""
_INITIAL_IDLE = 10.0
"""Seconds without a byte after which a streaming list that has not ended is taken for one of a server that does not
know how (an aggregated one, say): it would go on for ever. client-go begins to warn then."""
_STREAMS = 2
"""Streaming lists that may break off before their end; then the list is asked for in pages."""
_GONE = 410
_SHORT = 1.0
"""Seconds; a watch that ends sooner with nothing to say did not do well."""


class Monitor(Protocol):
    """Who is told how the watch fares, and says when to ask; `backends.kube.link.Link` is one."""

    async def ready(self) -> None: ...

    def succeeded(self, watcher: object) -> None: ...

    def failed(self, error: Exception, watcher: object) -> None: ...


class Informer:
    """Keeps `sink` told of every object that `reader` reads. Run `run` as a task; cancel it to end it.

    Args:
        name: what it is about, for the log.
        streaming: whether a list is to be streamed (KEP-3157); asked before each.
    """

    def __init__(
        self,
        reader: Reader,
        sink: WatchSink,
        *,
        name: str,
        monitor: Monitor,
        streaming: Streaming,
        sleep: Callable[[float], Awaitable[None]] = asyncio.sleep,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._reader = reader
        self._sink = sink
        self._monitor = monitor
        self._name = name
        self._streaming = streaming
        self._sleep = sleep
        self._clock = clock
        self._backoff = Backoff()
        self._version = ""
        """From where the watch goes on; empty: only a list can say."""
        self._seen = ""
        """What a list must not be older than; empty: the newest, as etcd has it."""
        self._broken_streams = 0
        self._initial = self._told = False
        self._began = 0.0
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
            fine = await self._list_and_watch()
        except GoneError as error:
            _log.debug("%s is listed again: %s", self._name, error)
            await self._sleep(self._backoff.pause(error))
        except Exception as error:
            self._failed(error)
            await self._sleep(self._backoff.pause(error))
        else:
            if not fine:
                await self._sleep(self._backoff.pause(None))

    async def _list_and_watch(self) -> bool:
        if not self._version and self._streaming.pays and self._broken_streams < _STREAMS:
            try:
                return await self._watch(self._initial_query(), initial=True)
            except (GoneError, OverloadedError):
                raise
            except StatusError as error:
                if not self._initial:
                    raise
                # Whatever a server has against streaming, it may have nothing against a list.
                self._broken_streams = _STREAMS
                _log.debug("%s can't be streamed: %s", self._name, error)
        if not self._version:
            await self._list()
        return await self._watch({"resourceVersion": self._version}, initial=False)

    def _failed(self, error: Exception) -> None:
        if not isinstance(error, UnreachableError | UnauthorizedError | OverloadedError):
            # It may be this resourceVersion that the server, or the sink, can't go on from.
            self._version = self._seen = ""
        if not isinstance(error, ClusterError):
            _log.exception("%s: the watch failed", self._name)
        self._monitor.failed(error, self)
        self._sink.failed(error)

    def _reached(self, version: str) -> None:
        """The watch goes on from `version`, which is never before where it already was."""
        if version and not is_older(version, self._version):
            self._version = self._seen = version

    # --- list ---------------------------------------------------------------------------------------------------

    def _not_older(self) -> Query:
        if not self._seen:
            return {}
        return {"resourceVersion": self._seen, "resourceVersionMatch": "NotOlderThan"}

    async def _list(self) -> None:
        """All objects in pages. The continue token expires after some minutes: then all again, in one page at last.

        The token that comes with a 410 would go on with a later state; what was changed in between would be missed.
        """
        query = self._not_older() | ({} if self._whole else {"limit": str(PAGE)})
        self._sink.listing()
        while True:
            try:
                following, version = await self._page(query)
            except GoneError:
                if "continue" in query:
                    self._whole = True
                else:
                    self._seen = ""
                raise
            if not following:
                break
            query = {"limit": str(PAGE), "continue": following}
        self._whole = False
        self._reached(version)
        self._sink.listed()

    async def _page(self, query: Query) -> tuple[str, str]:
        body = await self._reader.body(query)
        # The first rows of every cluster are there before the rest of any.
        async with decoding().late() if "continue" in query else decoding():
            page = self._reader.page(body)
            self._monitor.succeeded(self)
            self._objects(page.slices[:1])
        for more in page.slices[1:]:
            async with decoding().late():
                self._objects([more])
        return page.next, page.version

    def _objects(self, slices: list[list[msgspec.Raw]]) -> None:
        for items in slices:
            self._sink.upsert(self._reader.objects(items))

    # --- watch --------------------------------------------------------------------------------------------------

    def _initial_query(self) -> Query:
        match = {"resourceVersion": self._seen} if self._seen else {}
        return match | {"sendInitialEvents": "true", "resourceVersionMatch": "NotOlderThan"}

    async def _watch(self, query: Query, *, initial: bool) -> bool:
        """Watches until the stream ends, whoever ended it; whether it did well.

        Args:
            initial: it begins with all objects there are, up to a bookmark that says so.

        Raises:
            ClusterError: the watch was not accepted, or the server ended it with an ERROR event.
        """
        self._began, self._initial, self._told = self._clock(), initial, False
        query = query | {"timeoutSeconds": str(random.randint(*_WATCH_SECONDS))}
        try:
            async with self._reader.stream(query, idle=_IDLE) as stream:
                if initial:
                    self._sink.listing()
                self._monitor.succeeded(self)
                while lines := await self._next(stream):
                    await self._take(lines)
                    self._monitor.succeeded(self)
                    self._backoff.reset()
                    self._told = True
        except GoneError as error:
            # Not only too old: a server of another life has not come as far yet, and what it has is older.
            self._version = ""
            if self._initial or error.code != _GONE:
                self._seen = ""
            raise
        if self._initial:
            self._broken_streams += 1
            return False
        if self._clock() - self._began >= _SHORT:
            self._backoff.reset()
            return True
        return self._told

    async def _next(self, stream: Stream) -> list[bytes]:
        try:
            async with asyncio.timeout(_INITIAL_IDLE if self._initial else None):
                return await stream.lines()
        except TimeoutError:
            self._broken_streams = _STREAMS
            return []
        except UnreachableError as error:
            # A cut is no failure yet: whether the server still answers shows when the watch is asked for again.
            _log.debug("%s: the watch was cut: %s", self._name, error)
            if isinstance(error.__cause__, TimeoutError) and not self._told:
                self._version = ""
            return []

    async def _take(self, lines: list[bytes]) -> None:
        for start in range(0, len(lines), PAGE):
            async with decoding():
                self._events(lines[start : start + PAGE])

    def _events(self, lines: list[bytes]) -> None:
        """Hands on what a batch of lines says, in its order; neighbouring upserts go together."""
        changed: list[StoredObject] = []
        try:
            for event in filter(None, map(self._reader.event, lines)):
                if event.obj is not None and not event.removed:
                    changed.append(event.obj)
                    continue
                self._upsert(changed)
                if event.obj is not None:
                    self._sink.remove(event.obj)
                    self._passed(event.obj.meta.resource_version)
                else:
                    self._bookmarked(event.version, ends_initial=event.ends_initial)
        finally:
            # An ERROR event ends the watch, not what came before it.
            self._upsert(changed)

    def _upsert(self, changed: list[StoredObject]) -> None:
        if changed:
            self._sink.upsert(tuple(changed))
            self._passed(changed[-1].meta.resource_version)
            changed.clear()

    def _passed(self, version: str) -> None:
        # The objects that a streaming list begins with come in no order of their versions.
        if not self._initial:
            self._reached(version)

    def _bookmarked(self, version: str, *, ends_initial: bool) -> None:
        if self._initial and ends_initial:
            self._initial = False
            self._broken_streams = 0
            self._streaming.took(self._clock() - self._began)
            self._reached(version)
            self._sink.listed()
        else:
            self._passed(version)
