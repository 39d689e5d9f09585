"""The clusters that one hub registers, watched.

Owns: `Registrations`. Called by `fleetui.fleet.clusters`, one for each hub. It reads nothing itself: what an object
says is the `fleetui.hubports.Registrar`'s to know.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable, Iterable, Sequence
from functools import partial

from fleetui.engine.gathering import Gathering
from fleetui.hubports import Registrar, Registration
from fleetui.model.errors import ForbiddenError
from fleetui.model.objects import ClusterName, ObjectRef, StoredObject
from fleetui.ports import Cluster, Subscription

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
        self.all: Sequence[Registration] = ()
        """What it registers, in the order of the objects' names."""
        self._problems: dict[str, str] = {}
        self._waiting = set(registrar.namespaces)
        self._unread = set(registrar.namespaces)
        self._listed = asyncio.Event()
        self._watches: list[Subscription] = []

    def start(self) -> None:
        """Begins to watch; returns at once."""
        for namespace in self._registrar.namespaces:
            sink = Gathering(
                settle=partial(self._settle, namespace), change=self._take, fail=partial(self._fail, namespace)
            )
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
    def problem(self) -> str:
        """Why it is not known what this hub registers, in a sentence."""
        return next(iter(self._problems.values()), "")

    @property
    def known(self) -> bool:
        """Whether what this hub registers has been read at least once."""
        return not self._unread

    async def ready(self) -> None:
        """Returns when the objects were listed, can't be, or patience ends."""
        try:
            await asyncio.wait_for(self._listed.wait(), PATIENCE)
        except TimeoutError:
            _log.warning("%s: %s are not listed yet", self.hub, self._registrar.resource.full_name)

    # --- what the watches say ---------------------------------------------------------------------------------------

    def _settle(self, namespace: str, objects: Sequence[StoredObject]) -> None:
        gone = {ref for ref in self._known if ref.namespace == namespace} - {obj.ref for obj in objects}
        self._take(objects, gone, settled=namespace)

    def _fail(self, namespace: str, error: Exception) -> None:
        """The objects of a namespace can't be listed now; what is known of them stays."""
        # That the whole server does not answer is said by the cluster's state.
        before = self.problem
        if isinstance(error, ForbiddenError):
            self._problems[namespace] = f"the clusters that it registers can't be read: {error}"
        self._have(namespace)
        if self.problem != before:
            self._changed()

    def _take(self, objects: Iterable[StoredObject], gone: set[ObjectRef], *, settled: str = "") -> None:
        before = dict(self._known), self.problem, self.known
        for ref in gone:
            self._known.pop(ref, None)
        for obj in objects:
            self._known[obj.ref] = self._registrar.read(obj)
        if settled:
            self._unread.discard(settled)
            self._problems.pop(settled, None)
            self._have(settled)
        if (self._known, self.problem, self.known) != before:
            self.all = tuple(self._known[ref] for ref in sorted(self._known))
            self._changed()

    def _have(self, namespace: str) -> None:
        self._waiting.discard(namespace)
        if not self._waiting:
            self._listed.set()
