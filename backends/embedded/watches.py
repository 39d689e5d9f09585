"""Watches: the changes of one kind as a stream of lines.

Owns: `Watch`, one for each open request: where it begins, what it lets through, bookmarks, its end. Called by `server`,
which writes what it yields. Rules: apiserver v0.37 pkg/endpoints/handlers/watch.go, pkg/storage/cacher.
"""

from __future__ import annotations

import asyncio
import random
from collections.abc import AsyncGenerator, Callable
from typing import Any

import msgspec

from backends.embedded.calls import Call
from backends.embedded.errors import ApiError
from backends.embedded.lists import Selection, version_of
from backends.embedded.registry import ResourceType
from backends.embedded.representations import Form, raw_of, render
from backends.embedded.storage import Event, Record, Storage, Table

BACKLOG = 20_000
"""Events that a client may be behind; more, and the watch is closed, as the real server does."""


class Watch:
    """One watch; iterate it once.

    Args:
        call: the request, for its parameters.
        wanted: what it selects.
        bookmark_every: seconds between bookmarks.
    """

    def __init__(
        self,
        call: Call,
        *,
        resource: ResourceType,
        storage: Storage,
        table: Table,
        wanted: Selection,
        form: Form,
        now: Callable[[], float],
        bookmark_every: float,
    ) -> None:
        self.content_type = form.content_type
        self._resource = resource
        self._storage = storage
        self._table = table
        self._wanted = wanted
        self._form = form
        self._now = now
        self._bookmark_every = bookmark_every
        self._bookmarks = call.flag("allowWatchBookmarks")
        self._initial = call.flag("sendInitialEvents") if "sendInitialEvents" in call.query else None
        self._timeout = float(call.number("timeoutSeconds")) or random.uniform(1800, 3600)
        self._since = version_of(call)
        self._lines: list[bytes] = []
        self._news = asyncio.Event()
        self._overrun = False
        self._headed = False
        """Whether the columns of a table were told: once is enough."""

    async def chunks(self) -> AsyncGenerator[bytes, None]:
        """The lines, as many at a time as there are, or none after `wake`; ends with the watch."""
        cancel = self._storage.subscribe(self._on_event, self._table)
        self._table.ends[self] = self.wake
        try:
            try:
                self._begin()
            except ApiError as error:
                yield line("ERROR", msgspec.json.encode(error.status()))
                return
            async for chunk in self._pump():
                yield chunk
        finally:
            cancel()
            self._table.ends.pop(self, None)

    def wake(self) -> None:
        """Lets whoever iterates have a look, though nothing happened."""
        self._news.set()

    def _begin(self) -> None:
        """Queues what is to be told before news: the present state, or the changes since a version."""
        present = self._storage.version
        if self._initial or (not self._since and self._initial is None):
            for key in list(self._table.between(self._wanted.namespace)):
                record = self._table.records[key]
                if self._wanted.takes(record):
                    self._put("ADDED", record)
            if self._initial and self._bookmarks:
                self._lines.append(self._bookmark(present, ended=True))
        elif self._since:
            for event in self._table.since(self._since):
                self._on_event(event)
        if self._lines:
            self._news.set()

    async def _pump(self) -> AsyncGenerator[bytes, None]:
        loop = asyncio.get_running_loop()
        end = loop.time() + self._timeout
        bookmark = loop.time() + self._bookmark_every
        while not self._overrun:
            wake = min(end, bookmark) if self._bookmarks else end
            try:
                async with asyncio.timeout_at(wake):
                    await self._news.wait()
            except TimeoutError:
                # News of the same moment goes first: a bookmark says that everything up to it has been told.
                if not self._news.is_set():
                    if self._bookmarks:
                        yield self._bookmark(self._storage.version)
                        bookmark = loop.time() + self._bookmark_every
                    if loop.time() >= end:
                        return
                    continue
            lines, self._lines = self._lines, []
            self._news.clear()
            yield b"".join(lines)
            if self._table.dropped:
                return

    def _on_event(self, event: Event) -> None:
        before = event.before is not None and self._wanted.takes(event.before)
        after = event.type != "DELETED" and self._wanted.takes(event.record)
        if after:
            self._put("MODIFIED" if before else "ADDED", event.record)
        elif before:
            # What left the selection is told as deleted, in its last selected state, at the version of the change.
            self._put("DELETED", event.record if event.type == "DELETED" else _at_version(event))

    def _put(self, type_: str, record: Record) -> None:
        if self._form.kind:
            body = render(self._resource, record, self._form, now=self._now(), columns=not self._headed)
            self._headed = True
        else:
            body = raw_of(self._resource, record)
        self._lines.append(line(type_, body))
        self._overrun = len(self._lines) > BACKLOG
        self._news.set()

    def _bookmark(self, version: int, *, ended: bool = False) -> bytes:
        meta: dict[str, Any] = {"resourceVersion": str(version)}
        if ended:
            meta["annotations"] = {"k8s.io/initial-events-end": "true"}
        kind, api_version = self._resource.kind, self._resource.api_version
        if self._form.kind == "Table":
            kind, api_version = "Table", f"meta.k8s.io/{self._form.version}"
        elif self._form.kind:
            kind, api_version = "PartialObjectMetadata", f"meta.k8s.io/{self._form.version}"
        body = {"kind": kind, "apiVersion": api_version, "metadata": meta}
        if kind == "Table":
            body |= {"columnDefinitions": [], "rows": []}
        return line("BOOKMARK", msgspec.json.encode(body))


def _at_version(event: Event) -> Record:
    assert event.before is not None
    obj = event.before.decode()
    obj["metadata"]["resourceVersion"] = str(event.version)
    return Record(obj, event.version)


def line(type_: str, body: bytes) -> bytes:
    """One event, as it is told."""
    return b'{"type":"%s","object":%s}\n' % (type_.encode(), body)
