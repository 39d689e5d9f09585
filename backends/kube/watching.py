"""The watches of one cluster.

Owns: `Watches`, which starts an informer for each and ends it. Called by `backends.kube.cluster`. What an informer
needs is imported with the first one.
"""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Awaitable, Callable, Coroutine
from typing import TYPE_CHECKING

from backends.kube.link import Link
from backends.kube.opening import closed
from backends.kube.paths import Paths
from backends.kube.selection import Selection
from backends.kube.streaming import Streaming
from backends.kube.turns import starting
from fleetui.model.errors import ClusterError, InvalidError
from fleetui.model.objects import ApiResource
from fleetui.ports import Subscription, WatchSink

if TYPE_CHECKING:
    from backends.kube.firstlook import FirstLook
    from backends.kube.informer import Monitor
    from backends.kube.reading import Source
    from backends.kube.transport import Transport


class Watches:
    """What is watched on one API server.

    Args:
        name: the cluster's.
        open_transport: the way to it.
        link: told how each watch fares.
        first_look: where the first page of a list may have been asked for already.
        requests: counts that page as the request that it stands for.
    """

    def __init__(
        self,
        name: str,
        *,
        open_transport: Callable[[], Awaitable[Transport]],
        link: Link,
        first_look: FirstLook | None,
        requests: Counter[str],
    ) -> None:
        self._name = name
        self._open = open_transport
        self._link = link
        self._first_look = first_look
        self._requests = requests
        self._streaming = Streaming(self._version)
        self._running: set[_Watch] = set()
        self._is_closed = False

    def start(
        self, resource: ApiResource, sink: WatchSink, selection: Selection, *, telling: bool = True
    ) -> Subscription:
        """Watches until the subscription is closed.

        Args:
            telling: whether the watch says something about the cluster's state; one that nobody asked for does not.
        """
        work = self._inform(resource, sink, selection, monitor=self._link if telling else _Untold(self._link))
        watch = _Watch(self._running, resource, work=work, name=f"watch {self._name} {resource.full_name}")
        self._running.add(watch)
        return watch

    def has(self, group_kind: tuple[str, str]) -> bool:
        """Whether a kind is watched, by whoever wants it."""
        return any(watch.resource.group_kind == group_kind for watch in self._running)

    async def close(self) -> None:
        """Ends every watch, and returns when all have ended; one that is started later fails."""
        self._is_closed = True
        watches = tuple(self._running)
        for watch in watches:
            watch.close()
        if watches:
            await asyncio.wait([watch.task for watch in watches])

    async def _inform(self, resource: ApiResource, sink: WatchSink, selection: Selection, *, monitor: Monitor) -> None:
        """Lists and watches until it is cancelled."""
        try:
            path = self._path(resource, selection)
        except ClusterError as error:
            sink.failed(error)
            return
        source = await self._source()
        # After the imports, for which all that start at once wait together.
        async with starting():
            pass
        from backends.kube.informer import Informer
        from backends.kube.reading import Reader

        informer = Informer(
            Reader(source, resource, selection, path=path, cluster=self._name),
            sink,
            name=f"{self._name}: {resource.full_name}",
            monitor=monitor,
            streaming=self._streaming,
        )
        try:
            await informer.run()
        finally:
            self._link.forget(informer)

    def _version(self) -> str:
        """The server's; of no interest while the page of a first look is to be had, which is no stream."""
        looked_at = self._first_look is not None and self._first_look.looks_at(self._name)
        return "" if looked_at else self._link.status.version

    def _path(self, resource: ApiResource, selection: Selection) -> str:
        if self._is_closed:
            raise closed(self._name)
        if resource.verbs and "watch" not in resource.verbs:
            raise InvalidError(f"{resource.full_name} can't be watched", cluster=self._name)
        return Paths(self._name).every(resource, selection.namespace)

    async def _source(self) -> Source:
        if self._first_look is None:
            return await self._open()
        from backends.kube.firstlook import LookingSource

        if self._first_look.looks_at(self._name):
            self._link.asked()
        return LookingSource(self._first_look, self._name, self._open, counted=lambda: self._requests.update(["LIST"]))


class _Untold:
    """A `Monitor` for a watch that waits for the cluster as the others do, and otherwise keeps to itself."""

    def __init__(self, link: Link) -> None:
        self._link = link

    async def ready(self) -> None:
        await self._link.ready()

    def succeeded(self, watcher: object) -> None: ...

    def failed(self, error: Exception, watcher: object) -> None: ...


class _Watch:
    """One watch and its task; a `Subscription`."""

    def __init__(
        self, running: set[_Watch], resource: ApiResource, *, work: Coroutine[None, None, None], name: str
    ) -> None:
        self.resource = resource
        self._running = running
        self.task = asyncio.get_running_loop().create_task(work, name=name)

    def close(self) -> None:
        self.task.cancel()
        self._running.discard(self)
