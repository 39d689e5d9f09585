"""A keyed work queue: one key is worked on by one worker at a time, and never waits twice.

Owns: `WorkQueue`. The rules are client-go's (`util/workqueue`): a key added while it is being worked on is worked on
once more afterwards; failures back off exponentially with jitter until `forget`. No knowledge of what a key means.
"""

from __future__ import annotations

import asyncio
import random
from collections import deque
from collections.abc import Hashable
from typing import Generic, TypeVar

from fleetui.engine.clock import Clock, Timer

K = TypeVar("K", bound=Hashable)

_DOUBLINGS = 30
"""Beyond this a delay is capped in any case; a long outage must not overflow."""


class WorkQueue(Generic[K]):
    """Keys to be worked on, first come first served.

    Args:
        clock: for delayed keys.
        base: first delay after a failure, in seconds.
        cap: longest delay after a failure, in seconds.
    """

    def __init__(self, clock: Clock, *, base: float = 0.5, cap: float = 60.0) -> None:
        self._clock = clock
        self._base = base
        self._cap = cap
        self._ready: deque[K] = deque()
        self._waiting: set[K] = set()
        self._working: set[K] = set()
        self._delayed: dict[K, tuple[float, Timer]] = {}
        self._failures: dict[K, int] = {}
        self._wake = asyncio.Event()

    def add(self, key: K) -> None:
        """Queues `key` unless it already waits; a delayed entry of it is brought forward."""
        delayed = self._delayed.pop(key, None)
        if delayed is not None:
            delayed[1].cancel()
        if key in self._waiting:
            return
        self._waiting.add(key)
        if key not in self._working:
            self._ready.append(key)
            self._wake.set()

    def add_after(self, key: K, delay: float) -> None:
        """Queues `key` in `delay` seconds; the earliest of several wishes counts."""
        if delay <= 0:
            self.add(key)
            return
        due = self._clock.now() + delay
        current = self._delayed.get(key)
        if current is not None:
            if current[0] <= due:
                return
            current[1].cancel()
        self._delayed[key] = (due, self._clock.call_later(delay, lambda: self._due(key)))

    def retry(self, key: K) -> float:
        """Queues `key` after its back-off; returns the delay in seconds."""
        failures = self._failures.get(key, 0)
        self._failures[key] = failures + 1
        delay = min(self._cap, self._base * 2.0 ** min(failures, _DOUBLINGS)) * random.uniform(0.8, 1.2)
        self.add_after(key, delay)
        return delay

    def forget(self, key: K) -> None:
        """Ends the back-off of a key that was worked on without a failure."""
        self._failures.pop(key, None)

    async def get(self) -> K:
        """The next key; the caller must say `done` with it."""
        while not self._ready:
            self._wake.clear()
            await self._wake.wait()
        key = self._ready.popleft()
        self._waiting.discard(key)
        self._working.add(key)
        return key

    def done(self, key: K) -> None:
        """Says that the worker has finished with `key`; it is queued again if it was added meanwhile."""
        self._working.discard(key)
        if key in self._waiting:
            self._ready.append(key)
            self._wake.set()

    def idle(self) -> bool:
        """Whether nothing waits and nothing is being worked on (delayed keys do not count)."""
        return not self._waiting and not self._working

    def waiting(self) -> int:
        """How many keys wait for a worker."""
        return len(self._waiting)

    def _due(self, key: K) -> None:
        self._delayed.pop(key, None)
        self.add(key)
