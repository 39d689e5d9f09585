"""The log of a container for as long as somebody looks at it.

Owns: `follow`, called by `fleetui.fleet.fleet`, and `last_lines`, called by `fleetui.fleet.asking`. What is followed
is made into lines by whoever looks on. A container that has not started, has ended or can't be reached is asked again,
ever more seldom: its next life goes on where the last one stopped. Never here: how many lines are kept.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager
from typing import TYPE_CHECKING

from fleetui.engine.clock import Clock
from fleetui.fleet.views import PodLog
from fleetui.model.errors import FleetError, ForbiddenError, NotFoundError
from fleetui.model.loglines import LogLines
from fleetui.model.objects import ClusterName
from fleetui.model.times import parse_time
from fleetui.ports import Cluster

if TYPE_CHECKING:
    from fleetui.fleet.api import LogSink

FIRST, LONGEST = 2.0, 30.0
"""Seconds before a log is asked for again: at first, and after many times in vain."""
OVERLAP = 2.0
"""Seconds that are asked for a second time, so that nothing is lost in between."""
WIDEST = 400
"""Bytes of a line that are kept where a few lines are asked for."""
MOST = 1 << 20
"""Bytes that are read for a few lines: they may be of any length."""


async def follow(cluster: Callable[[ClusterName], Cluster], log: PodLog, sink: LogSink, *, clock: Clock) -> None:
    """Hands a log to `sink` until it is cancelled, its Pod is gone, or it may not be read."""
    pause, heard = FIRST, 0.0
    while True:
        since = clock.now() - heard + OVERLAP if heard else None
        try:
            async with _opened(cluster(log.cluster), log, since=since, follow=not log.previous) as pieces:
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


async def last_lines(api: Cluster, log: PodLog) -> list[tuple[float | None, str]]:
    """The last lines of a log as they are now, at most `log.tail` of them, each with its time (seconds since the epoch)
    and cut where it is long.

    Raises:
        FleetError: it can't be read.
    """
    lines, found = LogLines(WIDEST, stamped=True), list[str]()
    async with _opened(api, log, since=None, follow=False, limit=MOST) as pieces:
        async for piece in pieces:
            found = [*found, *lines.feed(piece)][-log.tail :]
    return [_stamped(line) for line in [*found, *lines.end()][-log.tail :]]


def _stamped(line: str) -> tuple[float | None, str]:
    stamp, _, text = line.partition(" ")
    time = parse_time(stamp)
    return (time, text) if time is not None else (None, line)


def _opened(
    api: Cluster, log: PodLog, *, since: float | None, follow: bool, limit: int | None = None
) -> AbstractAsyncContextManager[AsyncIterator[bytes]]:
    return api.pods.logs(
        log.ref.namespace,
        log.ref.name,
        container=log.container,
        follow=follow,
        previous=log.previous,
        timestamps=True,
        tail=log.tail if since is None else None,
        since=since,
        limit_bytes=limit,
    )


async def _sleep(clock: Clock, seconds: float) -> None:
    over = asyncio.Event()
    timer = clock.call_later(seconds, over.set)
    try:
        await over.wait()
    finally:
        timer.cancel()
