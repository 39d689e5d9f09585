"""The clusters that one hub registers, watched.

Owns: `Registrations`. Called by `fleetui.fleet.clusters`, one for each hub. It reads nothing itself: what an object
says is the `fleetui.ports.Registrar`'s to know.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable, Iterable, Sequence

from fleetui.model.errors import ForbiddenError
from fleetui.model.objects import ClusterName, ObjectRef, StoredObject
from fleetui.ports import Cluster, Registrar, Registration, Subscription

_log = logging.getLogger(__name__)

PATIENCE = 10.0
"""Seconds to wait for the first listing of what a hub registers; after that it has registered nothing for now."""


class Registrations:
    """What one hub registers; empty where this may not be read, which `problem` then says.

    Args:
        hub: the cluster.
        registrar: who reads its objects.
        changed: called when `all` or `problem` became another.
    """

    def __init__(self, hub: Cluster, registrar: Registrar, changed: Callable[[], None]) -> None:
        self._hub = hub
        self._registrar = registrar
        self._changed = changed
        self._known: dict[ObjectRef, Registration] = {}
        self._problems: dict[str, str] = {}
        self._waiting = set(registrar.namespaces)
        self._listed = asyncio.Event()
        self._watches: list[Subscription] = []

    def start(self) -> None:
        """Begins to watch; returns at once."""
        for namespace in self._registrar.namespaces:
            sink = _Sink(self, namespace)
            self._watches.append(
                self._hub.watch(self._registrar.resource, sink, namespace=namespace, labels=self._registrar.labels)
            )

    def close(self) -> None:
        """Ends the watches; what is known stays."""
        for watch in self._watches:
            watch.close()
        self._watches.clear()
        self._listed.set()

    @property
    def hub(self) -> ClusterName:
        return self._hub.name

    @property
    def all(self) -> Sequence[Registration]:
        """In the order of the objects' names."""
        return [self._known[ref] for ref in sorted(self._known)]

    @property
    def problem(self) -> str:
        """Why it is not known what this hub registers, in a sentence."""
        return next(iter(self._problems.values()), "")

    async def ready(self) -> None:
        """Returns when the objects were listed, can't be, or patience ends."""
        try:
            await asyncio.wait_for(self._listed.wait(), PATIENCE)
        except TimeoutError:
            _log.warning("%s: %s are not listed yet", self.hub, self._registrar.resource.full_name)

    # --- what the watches say ---------------------------------------------------------------------------------------

    def settle(self, namespace: str, objects: dict[ObjectRef, StoredObject]) -> None:
        """All objects of a namespace."""
        gone = {ref for ref in self._known if ref.namespace == namespace} - objects.keys()
        self._take(objects.values(), gone, settled=namespace)

    def change(self, objects: Sequence[StoredObject], gone: set[ObjectRef]) -> None:
        """Some objects changed or went."""
        self._take(objects, gone)

    def fail(self, namespace: str, error: Exception) -> None:
        """The objects of a namespace can't be listed now; what is known of them stays."""
        # That the whole server does not answer is said by the cluster's state.
        before = self.problem
        if isinstance(error, ForbiddenError):
            self._problems[namespace] = f"the clusters that it registers can't be read: {error}"
        self._have(namespace)
        if self.problem != before:
            self._changed()

    def _take(self, objects: Iterable[StoredObject], gone: set[ObjectRef], *, settled: str = "") -> None:
        before = dict(self._known), self.problem
        for ref in gone:
            self._known.pop(ref, None)
        for obj in objects:
            self._known[obj.ref] = self._registrar.read(obj)
        if settled:
            self._problems.pop(settled, None)
            self._have(settled)
        if (self._known, self.problem) != before:
            self._changed()

    def _have(self, namespace: str) -> None:
        self._waiting.discard(namespace)
        if not self._waiting:
            self._listed.set()


class _Sink:
    """A `fleetui.ports.WatchSink` that gathers a listing before it is told."""

    def __init__(self, owner: Registrations, namespace: str) -> None:
        self._owner = owner
        self._namespace = namespace
        self._listing: dict[ObjectRef, StoredObject] | None = None

    def listing(self) -> None:
        self._listing = {}

    def upsert(self, objects: Sequence[StoredObject]) -> None:
        if self._listing is None:
            self._owner.change(objects, set())
        else:
            self._listing.update((obj.ref, obj) for obj in objects)

    def remove(self, obj: StoredObject) -> None:
        if self._listing is None:
            self._owner.change((), {obj.ref})
        else:
            self._listing.pop(obj.ref, None)

    def listed(self) -> None:
        found, self._listing = self._listing, None
        if found is not None:
            self._owner.settle(self._namespace, found)

    def failed(self, error: Exception) -> None:
        self._listing = None
        self._owner.fail(self._namespace, error)
