"""The objects that say what a server serves, watched for it.

Owns: `Definitions`, and `Noticing`, which hears of a change on any watch of them. Called by `backends.kube.cluster`.

Once a cluster is used for longer than a command takes, its CustomResourceDefinitions and APIServices are watched, their
metadata alone: when one changes, what is known has aged. Who may not watch them is told nothing: then only a kind that
somebody misses ages it. Where somebody watches them anyway, that watch will do.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence

from backends.kube.selection import Selection
from backends.kube.watching import Watches
from fleetui.model.errors import OverloadedError, StatusError
from fleetui.model.objects import ApiResource, Discovery, StoredObject
from fleetui.ports import Subscription, WatchSink

_KINDS = (("apiextensions.k8s.io", "CustomResourceDefinition"), ("apiregistration.k8s.io", "APIService"))
_AFTER = 10.0
"""Seconds from the first answer: a command has ended by then."""


class Definitions:
    """Watches the definitions of one server.

    Args:
        watches: starts a watch.
        changed: called when a definition came, changed or went.
    """

    def __init__(self, watches: Watches, *, changed: Callable[[], object]) -> None:
        self._watches = watches
        self._changed = changed
        self._timer: asyncio.TimerHandle | None = None
        self._own: dict[tuple[str, str], Subscription] = {}
        self._refused: set[tuple[str, str]] = set()
        self._is_closed = False

    def known(self, discovery: Discovery) -> None:
        """Somebody knows what the server serves; from now on it is worth knowing when that changes."""
        if self._timer is None and not self._is_closed:
            self._timer = asyncio.get_running_loop().call_later(_AFTER, self._start, discovery)

    def watched(self, resource: ApiResource, sink: WatchSink) -> WatchSink:
        """The sink of a watch that somebody starts: one of definitions tells us too, and ours ends."""
        if resource.group_kind not in _KINDS:
            return sink
        self._end(resource.group_kind)
        return Noticing(sink, self._changed)

    def close(self) -> None:
        self._is_closed = True
        if self._timer is not None:
            self._timer.cancel()
        for kind in tuple(self._own):
            self._end(kind)

    def _start(self, discovery: Discovery) -> None:
        self._timer = None
        for kind in _KINDS:
            resource = discovery.by_kind(*kind)
            if resource is not None and kind not in self._refused and not self._watches.has(kind):
                sink = Noticing(_Nobody(self, kind), self._changed)
                self._own[kind] = self._watches.start(resource, sink, Selection(metadata_only=True), telling=False)

    def _end(self, kind: tuple[str, str]) -> None:
        watch = self._own.pop(kind, None)
        if watch is not None:
            watch.close()

    def refused(self, kind: tuple[str, str], error: Exception) -> None:
        """A watch of ours could not be had; one that we may not have, or that is not there, is given up."""
        if isinstance(error, StatusError) and not isinstance(error, OverloadedError):
            self._refused.add(kind)
            self._end(kind)


class Noticing:
    """A `WatchSink` that passes everything on, and notices what changes."""

    def __init__(self, sink: WatchSink, noticed: Callable[[], object]) -> None:
        self._sink = sink
        self._noticed = noticed
        self._lists = self._listed_once = False

    def listing(self) -> None:
        self._lists = True
        self._sink.listing()

    def upsert(self, objects: Sequence[StoredObject]) -> None:
        if not self._lists:
            self._noticed()
        self._sink.upsert(objects)

    def remove(self, obj: StoredObject) -> None:
        self._noticed()
        self._sink.remove(obj)

    def listed(self) -> None:
        # What a list brings was there before; what another one brings may have come in between.
        if self._listed_once:
            self._noticed()
        self._lists, self._listed_once = False, True
        self._sink.listed()

    def failed(self, error: Exception) -> None:
        self._sink.failed(error)


class _Nobody:
    """The `WatchSink` of a watch of our own: the objects themselves interest nobody."""

    def __init__(self, definitions: Definitions, kind: tuple[str, str]) -> None:
        self._definitions = definitions
        self._kind = kind

    def listing(self) -> None: ...

    def upsert(self, objects: Sequence[StoredObject]) -> None: ...

    def remove(self, obj: StoredObject) -> None: ...

    def listed(self) -> None: ...

    def failed(self, error: Exception) -> None:
        self._definitions.refused(self._kind, error)
