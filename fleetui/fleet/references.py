"""The clusters that one hub's objects reach by a kubeconfig in a Secret.

Owns: `References`. Called by `fleetui.fleet.clusters`, one for each hub. Objects are watched; the Secrets that they
name are read one by one, when they are first named and when the cluster behind one does not answer as it did: nobody
needs all Secrets of a namespace to be watched for the sake of one.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Collection, Iterable, Sequence
from contextlib import suppress
from functools import partial

from fleetui.engine.gathering import Gathering
from fleetui.hubports import Reference, Referrer, Registration
from fleetui.model.errors import ClusterError, NotFoundError
from fleetui.model.objects import ApiResource, ClusterName, ObjectRef, StoredObject
from fleetui.ports import Cluster, Subscription

PATIENCE = 10.0
"""Seconds to wait for the first listing of what refers to clusters."""
SECRETS = ApiResource(group="", version="v1", kind="Secret", plural="secrets", namespaced=True)


class References:
    """What the objects of one hub refer to; empty where they are not served or may not be read.

    Args:
        hub: the cluster.
        referrer: who knows which objects refer to clusters.
        changed: called when `all` became another.
    """

    def __init__(self, hub: Cluster, referrer: Referrer, changed: Callable[[], None]) -> None:
        self._hub = hub
        self._referrer = referrer
        self._changed = changed
        self._of_object: dict[ObjectRef, Reference] = {}
        self._known: dict[Reference, Registration] = {}
        self._waiting: set[tuple[str, str]] = set()
        self._listed = asyncio.Event()
        self._watches: list[Subscription] = []
        self._reads: dict[Reference, asyncio.Task[None]] = {}
        self._is_closed = False

    async def start(self) -> None:
        """Begins to watch what the hub serves of the kinds; returns when that is known, or that it can't be now."""
        with suppress(ClusterError):
            discovery = await self._hub.discover()
            if not (self._watches or self._is_closed):
                self._watch(found for kind in self._referrer.kinds if (found := discovery.by_kind(*kind)) is not None)
        self._have(None)

    def _watch(self, served: Iterable[ApiResource]) -> None:
        for resource in served:
            kind = resource.group_kind
            self._waiting.add(kind)
            self._listed.clear()
            sink = Gathering(settle=partial(self._settle, kind), change=self._take, fail=partial(self._fail, kind))
            self._watches.append(self._hub.watch(resource, sink))

    async def close(self) -> None:
        """Ends the watches and what is being read."""
        self._is_closed = True
        for watch in self._watches:
            watch.close()
        for task in self._reads.values():
            task.cancel()
        await asyncio.gather(*self._reads.values(), return_exceptions=True)

    @property
    def begun(self) -> bool:
        """Whether anything is watched; a hub that did not answer, or has no Flux yet, is to be started again."""
        return bool(self._watches)

    @property
    def hub(self) -> ClusterName:
        return self._hub.name

    @property
    def all(self) -> Sequence[Registration]:
        """In the order of the Secrets' names."""
        return [self._known[reference] for reference in sorted(self._known)]

    def registration(self, namespace: str, secret: str) -> Registration | None:
        """What is known of the kubeconfig in a Secret."""
        named = (known for reference, known in self._known.items() if reference[:2] == (namespace, secret))
        return next(named, None)

    async def ready(self) -> None:
        """Returns when the objects were listed, or can't be, and the Secrets that they name were read, or patience
        ends."""
        with suppress(TimeoutError):
            async with asyncio.timeout(PATIENCE):
                await self._listed.wait()
                while self._reads:
                    await asyncio.wait(self._reads.values())

    def read_again(self, registration: Registration) -> None:
        """The cluster does not answer as it did: its Secret may say by now how else."""
        for reference, known in self._known.items():
            if known == registration:
                self._read(reference)

    # --- what the watches say ---------------------------------------------------------------------------------------

    def _take(self, objects: Collection[StoredObject], gone: set[ObjectRef]) -> None:
        """Some objects changed or went."""
        for ref in gone:
            self._of_object.pop(ref, None)
        for obj in objects:
            reference = self._referrer.reference(obj)
            if reference is None:
                self._of_object.pop(obj.ref, None)
            else:
                self._of_object[obj.ref] = reference
        named = set(self._of_object.values())
        for reference in sorted((named - self._known.keys()) | self._in_vain(objects)):
            self._read(reference)
        if unnamed := self._known.keys() - named:
            self._known = {reference: known for reference, known in self._known.items() if reference not in unnamed}
            self._changed()

    def _in_vain(self, objects: Collection[StoredObject]) -> set[Reference]:
        """What these objects name and what could not be used. Flux tries such a Secret again and again, and writes down
        each time what came of it: then it may be there by now, or be read."""
        named = {self._of_object[obj.ref] for obj in objects if obj.ref in self._of_object}
        return {reference for reference in named & self._known.keys() if self._known[reference].problem}

    def _settle(self, kind: tuple[str, str], objects: Sequence[StoredObject]) -> None:
        """All objects of a kind."""
        found = {obj.ref for obj in objects}
        self._take(objects, {ref for ref in self._of_object if ref.group_kind == kind} - found)
        self._have(kind)

    def _fail(self, kind: tuple[str, str], error: Exception) -> None:
        """The objects of a kind can't be listed now; what is known of them stays."""
        self._have(kind)

    def _have(self, kind: tuple[str, str] | None) -> None:
        self._waiting -= {kind}
        if not self._waiting:
            self._listed.set()

    def _read(self, reference: Reference) -> None:
        if reference not in self._reads:
            task = asyncio.get_running_loop().create_task(self._read_now(reference), name=f"read {reference.name}")
            self._reads[reference] = task
            task.add_done_callback(lambda _: self._reads.pop(reference, None))

    async def _read_now(self, reference: Reference) -> None:
        try:
            secret = await self._hub.get(SECRETS, reference.name, reference.namespace)
        except NotFoundError:
            found = self._referrer.read(reference, None, problem="there is no such Secret")
        except ClusterError as error:
            found = self._referrer.read(reference, None, problem=f"it can't be read: {error}")
        else:
            found = self._referrer.read(reference, secret)
        if reference in self._of_object.values() and self._known.get(reference) != found:
            self._known[reference] = found
            self._changed()
