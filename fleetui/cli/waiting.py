"""Waiting for the fleet's first answers, and saying so where it takes long.

Owns: `loaded`. Called by the commands that need applications. It never gives up by itself: a cluster that does not
answer is told as unreachable by its backend after some seconds, which ends the waiting for it.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import TYPE_CHECKING

from fleetui.cli.report import say
from fleetui.model.status import ClusterState, ClusterStatus

if TYPE_CHECKING:
    from fleetui.fleet.fleet import LiveFleet
    from fleetui.fleet.views import ChangeSet
    from fleetui.model.objects import ClusterName

QUIET = 3.0
"""Seconds that a command may wait without a word."""


async def loaded(fleet: LiveFleet) -> None:
    """Returns when every cluster has listed its applications or failed to (`Fleet.loaded`).

    After `QUIET` seconds it says on stderr which clusters are awaited and why, and again with each change.
    """
    waiting = asyncio.ensure_future(fleet.loaded())
    try:
        await asyncio.wait({waiting}, timeout=QUIET)
        if not waiting.done():
            subscription = fleet.subscribe(_Narrator(say))
            try:
                await asyncio.wait({waiting})
            finally:
                subscription.close()
        await waiting
    finally:
        waiting.cancel()


class _Narrator:
    """Takes what the fleet publishes and says what is awaited, each thing once."""

    def __init__(self, tell: Callable[[str], None]) -> None:
        self._tell = tell
        self._clusters: dict[ClusterName, ClusterStatus] = {}
        self._told: dict[ClusterName, str] = {}

    def __call__(self, change: ChangeSet) -> None:
        self._clusters |= change.clusters
        news: dict[str, list[ClusterName]] = {}
        for name in sorted(change.loading):
            words = _awaited(self._clusters[name])
            if self._told.get(name) != words:
                self._told[name] = words
                news.setdefault(words, []).append(name)
        for words, names in news.items():
            self._tell(f"fleetui: waiting for {', '.join(names)}: {words}")


def _awaited(status: ClusterStatus) -> str:
    if status.state is ClusterState.LIVE:
        return "its applications are not listed yet"
    return status.message or status.state.value
