"""The log of a container for as long as somebody looks at it.

Owns: `follow`. Called by `fleetui.fleet.fleet`; what it reads is made into lines by whoever looks on. A container that
has not started, has ended or can't be reached is asked again, ever more seldom: its next life goes on where the last
one stopped. Never here: lines, or how many of them are kept.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager
from typing import TYPE_CHECKING

from fleetui.engine.clock import Clock
from fleetui.fleet.views import PodLog
from fleetui.model.errors import FleetError, ForbiddenError, NotFoundError
from fleetui.model.objects import ClusterName
from fleetui.ports import Cluster

if TYPE_CHECKING:
    from fleetui.fleet.api import LogSink

FIRST, LONGEST = 2.0, 30.0
"""Seconds before a log is asked for again: at first, and after many times in vain."""
OVERLAP = 2.0
"""Seconds that are asked for a second time, so that nothing is lost in between."""


async def follow(cluster: Callable[[ClusterName], Cluster], log: PodLog, sink: LogSink, *, clock: Clock) -> None:
    """Hands a log to `sink` until it is cancelled, its Pod is gone, or it may not be read."""
    pause, heard = FIRST, 0.0
    while True:
        since = clock.now() - heard + OVERLAP if heard else None
        try:
            async with _opened(cluster(log.cluster), log, since=since) as pieces:
                heard = clock.now()
                sink.began()
                async for piece in pieces:
                    pause, heard = FIRST, clock.now()
                    sink.take(piece)
            sink.say("its last life ended here" if log.previous else "the container has ended")
        except (NotFoundError, ForbiddenError) as error:
            sink.say(str(error))
            return
        except FleetError as error:
            sink.say(str(error))
        if log.previous:
            return
        await _sleep(clock, pause)
        pause = min(pause * 2, LONGEST)


def _opened(api: Cluster, log: PodLog, *, since: float | None) -> AbstractAsyncContextManager[AsyncIterator[bytes]]:
    return api.pods.logs(
        log.ref.namespace,
        log.ref.name,
        container=log.container,
        follow=not log.previous,
        previous=log.previous,
        timestamps=True,
        tail=log.tail if since is None else None,
        since=since,
    )


async def _sleep(clock: Clock, seconds: float) -> None:
    over = asyncio.Event()
    timer = clock.call_later(seconds, over.set)
    try:
        await over.wait()
    finally:
        timer.cancel()
