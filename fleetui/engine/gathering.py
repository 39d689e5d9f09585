"""A watch whose listings are told as a whole.

Owns: `Gathering`, and `Rechecked` around it. Called by what keeps a picture of a few objects of its own, beside
`fleetui.fleet.store`: the hub's settings, projects and webhooks here, and what hubs register in `fleetui.fleet`.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

from fleetui.engine.clock import Clock, Timer
from fleetui.model.errors import ForbiddenError
from fleetui.model.objects import ApiResource, ObjectRef, StoredObject
from fleetui.ports import Cluster, Subscription

RECHECK = 60.0
"""Seconds until what may not be read is asked for again: permissions can't be watched."""


class Gathering:
    """A `fleetui.ports.WatchSink`.

    Args:
        settle: given all objects, whenever they were listed.
        change: given the objects that changed since, and the references of those that went.
        fail: told why they can't be listed or watched now.
    """

    def __init__(
        self,
        *,
        settle: Callable[[Sequence[StoredObject]], object],
        change: Callable[[Sequence[StoredObject], set[ObjectRef]], object],
        fail: Callable[[Exception], object],
    ) -> None:
        self._settle = settle
        self._change = change
        self._fail = fail
        self._listing: dict[ObjectRef, StoredObject] | None = None

    def listing(self) -> None:
        self._listing = {}

    def upsert(self, objects: Sequence[StoredObject]) -> None:
        if self._listing is None:
            self._change(objects, set())
        else:
            self._listing.update((obj.ref, obj) for obj in objects)

    def remove(self, obj: StoredObject) -> None:
        if self._listing is None:
            self._change((), {obj.ref})
        else:
            self._listing.pop(obj.ref, None)

    def listed(self) -> None:
        found, self._listing = self._listing, None
        if found is not None:
            self._settle(list(found.values()))

    def failed(self, error: Exception) -> None:
        self._listing = None
        self._fail(error)


class Rechecked:
    """A watch of a few objects of a hub; what may not be read is asked for again now and then.

    Args:
        hub: the cluster.
        clock: for the next look.
        settle, change: as for `Gathering`.
        refused: told that they may not be read, each time.
        failed: told of anything else; that the hub does not answer is said by the cluster's state.
    """

    def __init__(
        self,
        hub: Cluster,
        clock: Clock,
        *,
        settle: Callable[[Sequence[StoredObject]], object],
        change: Callable[[Sequence[StoredObject], set[ObjectRef]], object],
        refused: Callable[[ForbiddenError], object],
        failed: Callable[[Exception], object] = lambda _: None,
    ) -> None:
        self._hub = hub
        self._clock = clock
        self._settle = settle
        self._change = change
        self._refused = refused
        self._failed = failed
        self._watch: Subscription | None = None
        self._retry: Timer | None = None

    def start(self, resource: ApiResource, *, namespace: str, labels: str = "", fields: str = "") -> None:
        """Begins to watch; returns at once."""

        def fail(error: Exception) -> None:
            if isinstance(error, ForbiddenError):
                self.close()
                self._retry = self._clock.call_later(RECHECK, begin)
                self._refused(error)
            else:
                self._failed(error)

        def begin() -> None:
            self._retry = None
            sink = Gathering(settle=self._settle, change=self._change, fail=fail)
            self._watch = self._hub.watch(resource, sink, namespace=namespace, labels=labels, fields=fields)

        begin()

    def close(self) -> None:
        """Ends the watch; closing twice is harmless."""
        if self._watch is not None:
            self._watch.close()
        if self._retry is not None:
            self._retry.cancel()
        self._watch = self._retry = None
