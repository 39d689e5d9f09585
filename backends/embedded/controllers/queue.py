"""A keyed work queue on an event loop: each key once, in order, never blocking the loop for long.

Owns: `WorkQueue`. Called by `manager`. The store is synchronous, so that a reconcile is a plain function; between
slices the loop serves HTTP and watches. Nothing here knows what a key means.
"""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import Callable
from typing import Any, NamedTuple

_log = logging.getLogger(__name__)

SLICE = 0.008
"""Seconds of work before the loop gets its turn: a roll-out of a thousand Pods must not stall a watch."""

RETRY_FIRST, RETRY_MAX = 0.05, 30.0
"""Seconds until a failed key is tried again, doubled with each failure."""


class Key(NamedTuple):
    """One object for one controller."""

    controller: str
    namespace: str
    name: str


class WorkQueue:
    """Runs `reconcile` for each key that was added.

    Args:
        reconcile: does what the key needs now; returns in how many seconds to look again, or None. What it raises is
            logged, and the key is tried again with a growing delay.
        loop: the loop that everything runs on.
    """

    def __init__(self, reconcile: Callable[[Key], float | None], loop: asyncio.AbstractEventLoop) -> None:
        self._reconcile = reconcile
        self._loop = loop
        self._ready: dict[Key, None] = {}
        self._timers: dict[Key, asyncio.TimerHandle] = {}
        self._failures: dict[Key, int] = {}
        self._drain: asyncio.Handle | None = None
        self._closed = False

    def add(self, key: Key) -> None:
        """Wants `key` reconciled soon; a key that waits already is not added twice."""
        if self._closed:
            return
        self._ready[key] = None
        if self._drain is None:
            self._drain = self._loop.call_soon(self._work)

    def add_after(self, key: Key, seconds: float) -> None:
        """Wants `key` reconciled in `seconds`; of several such wishes the earliest counts."""
        if self._closed:
            return
        when = self._loop.time() + seconds
        timer = self._timers.get(key)
        if timer is not None:
            if timer.when() <= when:
                return
            timer.cancel()
        self._timers[key] = self._loop.call_at(when, self._due, key)

    def close(self) -> None:
        """Forgets what waits; nothing is reconciled any more."""
        self._closed = True
        for timer in self._timers.values():
            timer.cancel()
        if self._drain is not None:
            self._drain.cancel()
        self._timers.clear()
        self._ready.clear()

    def _due(self, key: Key) -> None:
        self._timers.pop(key, None)
        self.add(key)

    def _work(self) -> None:
        end = time.perf_counter() + SLICE
        while self._ready:
            key = next(iter(self._ready))
            del self._ready[key]
            self._one(key)
            if time.perf_counter() >= end:
                break
        self._drain = self._loop.call_soon(self._work) if self._ready and not self._closed else None

    def _one(self, key: Key) -> None:
        try:
            again: Any = self._reconcile(key)
        except Exception:
            failures = self._failures[key] = self._failures.get(key, 0) + 1
            _log.exception("%s %s/%s could not be reconciled", *key)
            self.add_after(key, min(RETRY_FIRST * 2.0 ** (failures - 1), RETRY_MAX))
            return
        self._failures.pop(key, None)
        if again is not None:
            self.add_after(key, again)
