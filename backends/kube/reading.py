"""One resource of one API server, as objects.

Owns: `Reader` (from a query to objects and events), and the Protocols of what it asks. Called by
`backends.kube.informer`, which knows what to ask when.
"""

from __future__ import annotations

from collections.abc import Callable
from contextlib import AbstractAsyncContextManager
from typing import NamedTuple, Protocol, TypeVar

import msgspec

from backends.kube import decode
from backends.kube.errors import Status, from_status, parse_status
from backends.kube.selection import Query, Selection
from fleetui.model.errors import StatusError
from fleetui.model.objects import ApiResource, StoredObject

PAGE = 500
"""Objects a list page: some 4 ms to decode, so that a big list never holds the loop."""
FIRST = 100
"""Objects of a page that are decoded at first: more than a screen shows, so that each of many clusters that answer at
once has its first rows told before any has the rest."""

T = TypeVar("T")
V = TypeVar("V")


class Stream(Protocol):
    """An open watch: batches of lines, an empty one at its end."""

    async def lines(self) -> list[bytes]: ...


class Source(Protocol):
    """What a reader asks; `backends.kube.transport.Transport` is one."""

    async def request(self, method: str, path: str, *, query: Query, accept: str, verb: str) -> bytes: ...

    def stream(self, path: str, *, query: Query, idle: float, accept: str) -> AbstractAsyncContextManager[Stream]: ...


class Page(NamedTuple):
    """One answer to LIST: its objects by the pageful, not decoded yet."""

    slices: list[list[msgspec.Raw]]
    next: str
    version: str


class Event(NamedTuple):
    """One event of a watch: an object that changed or went, or, without one, the version of a bookmark."""

    obj: StoredObject | None
    removed: bool = False
    version: str = ""
    ends_initial: bool = False


class Reader:
    """Asks for one selection of a resource.

    Raises, in every method: ClusterError, the server refuses, can't be asked, or answers what Kubernetes does not.

    Args:
        path: of the resource, with the selection's namespace.
    """

    def __init__(self, source: Source, resource: ApiResource, selection: Selection, *, path: str, cluster: str) -> None:
        self._source = source
        self._resource = resource
        self._cluster = cluster
        self._path = path
        self._query = selection.query
        self._list_form, self._watch_form = selection.list_form, selection.watch_form
        self._stored: Callable[[ApiResource, msgspec.Raw], StoredObject]
        self._stored = decode.stored_metadata if selection.metadata_only else decode.stored

    async def body(self, query: Query) -> bytes:
        """The answer to LIST, to be given to `page`."""
        query = query | self._query
        return await self._source.request("GET", self._path, query=query, accept=self._list_form, verb="LIST")

    def page(self, body: bytes) -> Page:
        page = self._decoded("LIST", decode.list_page, body)
        items = page.items or []
        first = min(FIRST, PAGE)
        slices = [items[:first]] if items else []
        slices += [items[start : start + PAGE] for start in range(first, len(items), PAGE)]
        return Page(slices, page.metadata.next, page.metadata.resource_version)

    def objects(self, items: list[msgspec.Raw]) -> list[StoredObject]:
        return self._decoded("LIST", lambda raws: [self._stored(self._resource, raw) for raw in raws], items)

    def stream(self, query: Query, *, idle: float) -> AbstractAsyncContextManager[Stream]:
        """A watch; `idle` seconds without a byte end it."""
        query = {"watch": "true", "allowWatchBookmarks": "true"} | query | self._query
        return self._source.stream(self._path, query=query, idle=idle, accept=self._watch_form)

    def event(self, line: bytes) -> Event | None:
        """What a line of a watch says; None where it is of a kind that says nothing to us.

        Raises:
            ClusterError: it is an ERROR event.
        """
        return self._decoded("WATCH", self._event, line)

    def _event(self, line: bytes) -> Event | None:
        event = decode.event(line)
        if event.type in {"ADDED", "MODIFIED", "DELETED"}:
            return Event(self._stored(self._resource, event.object), removed=event.type == "DELETED")
        if event.type == "BOOKMARK":
            version, ends_initial = decode.bookmark(event.object)
            return Event(None, version=version, ends_initial=ends_initial)
        if event.type == "ERROR":
            status = parse_status(bytes(event.object)) or Status(code=500, message="the watch ended with an error")
            raise from_status(status, cluster=self._cluster)
        return None

    def _decoded(self, verb: str, decoder: Callable[[V], T], given: V) -> T:
        try:
            return decoder(given)
        except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
            message = f"the answer to {verb} {self._path} is not what a Kubernetes API server sends"
            raise StatusError(message, cluster=self._cluster) from error
