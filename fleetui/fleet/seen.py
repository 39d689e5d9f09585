"""Waiting until the picture shows what was written.

Owns: `Seen`. Told by `fleetui.fleet.applications`, asked by `fleetui.fleet.fleet`: whoever follows an operation must
never take the former one for it.
"""

from __future__ import annotations

import asyncio

from fleetui.model.app import AppKey

PATIENCE = 3.0
"""Seconds that are waited, at most, until the watch has brought what was written."""


class Seen:
    """Who waits for which version of an application's object."""

    def __init__(self) -> None:
        self._waiters: list[tuple[AppKey, str, asyncio.Future[None]]] = []

    async def until(self, key: AppKey, version: str, *, known: str) -> None:
        """Returns when the object is there in `version` or a newer one, or soon, where the watch does not come.

        `known` is the version that is there already, empty where there is none.
        """
        waiter: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._waiters.append((key, version, waiter))
        if known:
            self.tell(key, known)
        await asyncio.wait({waiter}, timeout=PATIENCE)
        self._waiters = [waiting for waiting in self._waiters if waiting[2] is not waiter]

    def tell(self, key: AppKey, version: str) -> None:
        """The object is there in this version."""
        for waiting, wanted, waiter in self._waiters:
            if waiting == key and not waiter.done() and _is_at_least(version, wanted):
                waiter.set_result(None)


def _is_at_least(version: str, wanted: str) -> bool:
    """Whether one resourceVersion is as new as another of the same object (KEP-5504: they are comparable integers)."""
    if version.isdigit() and wanted.isdigit():
        return int(version) >= int(wanted)
    return version == wanted
