"""What one API server serves, as far as is known here.

Owns: `ServedKinds`: the answer of discovery, kept in memory and on disk, and asked for again when it has aged. Called
by `backends.kube.cluster`.

What is on disk is confirmed by the server before it is used: with aggregated discovery that is one round trip and
nothing to download, and a kind that is new is never said not to be served. It ages when somebody misses a kind, and
when a definition or an API service changes under somebody's watch.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING

from backends.kube.context import ContextConfig
from backends.kube.link import Link
from fleetui.model.errors import ClusterError
from fleetui.model.objects import Discovery
from fleetui.model.status import ClusterState

if TYPE_CHECKING:
    from backends.kube.discovery import Served
    from backends.kube.discovery_cache import DiscoveryCache
    from backends.kube.transport import Transport

_PAUSE = 1.0
"""Seconds between two questions: whoever misses a kind may ask again and again, and a hundred may miss it at once."""

_SETTLES = 5.0
"""Seconds after a change until discovery is sure to say so: a definition is established first, then published."""


class ServedKinds:
    """What one API server serves.

    Args:
        name: the cluster's.
        open_transport: the way to it.
        link: told whether it answers, and its version.
        cache: makes the place on disk; None: only memory.
    """

    def __init__(
        self,
        name: str,
        *,
        open_transport: Callable[[], Awaitable[Transport]],
        link: Link,
        cache: Callable[[], DiscoveryCache] | None = None,
        clock: Callable[[], float] = time.monotonic,
        sleep: Callable[[float], Awaitable[None]] = asyncio.sleep,
    ) -> None:
        self._name = name
        self._open = open_transport
        self._link = link
        self._cache = cache
        self._clock = clock
        self._sleep = sleep
        self._served: Served | None = None
        self._discovery: Discovery | None = None
        self._asking = asyncio.Lock()
        self._asked = 0
        self._answered_at = float("-inf")
        self._changed_at = float("-inf")

    def age(self) -> None:
        """A definition or an API service has changed: whoever wants to know next asks the server."""
        self._changed_at = self._clock()

    @property
    def _aged(self) -> bool:
        """Whether the answer may be from before a change, and the one before it was not just now."""
        old = self._answered_at < self._changed_at + _SETTLES
        return old and self._clock() - self._answered_at >= _PAUSE and self._link.status.state is ClusterState.LIVE

    async def discover(self, *, refresh: bool) -> Discovery:
        """What the server serves: as it was found last, unless it has aged or `refresh` is wanted.

        Raises:
            ClusterError: the server can't be asked.
        """
        asked = self._asked
        async with self._asking:
            # Whoever waited takes the answer to a question that was asked after theirs came up.
            if self._discovery is None or (refresh and self._asked == asked):
                return await self._ask(self._discovery)
            if self._aged:
                with suppress(ClusterError):
                    return await self._ask(self._discovery)
            return self._discovery

    async def _ask(self, before: Discovery | None) -> Discovery:
        transport = await self._open()
        from backends.kube.discovery import discover

        if self._served is None:
            self._served = await asyncio.to_thread(self._load)
        rest = self._answered_at + _PAUSE - self._clock()
        if rest > 0:
            await self._sleep(rest)
        self._asked += 1
        try:
            found = await discover(transport, cluster=self._name, known=self._served)
        except ClusterError as error:
            self._link.failed(error)
            raise
        self._answered_at = self._clock()
        self._link.succeeded()
        self._link.served(found.version)
        if found != self._served:
            self._served, before = found, None
            await asyncio.to_thread(self._keep, found)
        self._discovery = before or found.discovery()
        return self._discovery

    def _load(self) -> Served | None:
        return self._cache().load() if self._cache is not None else None

    def _keep(self, served: Served) -> None:
        if self._cache is not None:
            self._cache().keep(served)


def kept_in(folder: Path | None, context: ContextConfig) -> Callable[[], DiscoveryCache] | None:
    """The place of what this server serves; the same URL may lead to another cluster tomorrow (a tunnel, kind)."""
    if folder is None:
        return None

    def place() -> DiscoveryCache:
        from backends.kube.discovery_cache import DiscoveryCache

        way = (context.server, context.tls_server_name, context.proxy_url, context.ca)
        return DiscoveryCache(folder, identity=repr(way))

    return place
