"""A keyed work queue: one key is worked on once at a time, never waits twice, and never waits for another group's.

Owns: `WorkQueue` and `Priority`. The rules are client-go's (`util/workqueue`): a key added while it is being worked on
is worked on once more afterwards; failures back off exponentially with jitter until `forget`. What client-go's lacks:
keys that somebody waits for go first, and keys are of groups, of which each has its own places. No knowledge of what a
key or a group means.
"""

from __future__ import annotations

import asyncio
import random
from collections import OrderedDict
from collections.abc import Callable, Hashable
from enum import IntEnum
from typing import Generic, TypeVar

from fleetui.engine.clock import Clock, Timer

K = TypeVar("K", bound=Hashable)

_DOUBLINGS = 30
"""Beyond this a delay is capped in any case; a long outage must not overflow."""
_TURNS = 10
"""Of so many keys of a group one is the lowest that waits: what is least urgent is late, but it is never left lying."""


class Priority(IntEnum):
    """Why a key is worked on; the lower goes first."""

    ASKED = 0
    """Somebody asked for it, or it goes on with what was begun."""
    NEWS = 1
    """Something about it changed."""
    ROUTINE = 2
    """It may have changed, as many others may: a commit in a repository of many, the safety net."""


class WorkQueue(Generic[K]):
    """Keys to be worked on: the urgent first, and of the same urgency who came first.

    Args:
        clock: for delayed keys.
        group: the group that a key is of, now.
        places: how many keys of a group are worked on at a time; 0: any number.
        base: first delay after a failure, in seconds.
        cap: longest delay after a failure, in seconds.
    """

    def __init__(
        self,
        clock: Clock,
        *,
        group: Callable[[K], Hashable] = lambda _: None,
        places: int = 0,
        base: float = 0.5,
        cap: float = 60.0,
    ) -> None:
        self._clock = clock
        self._group = group
        self._places = places
        self._base = base
        self._cap = cap
        self._groups: dict[Hashable, _Group[K]] = {}
        self._ready: OrderedDict[Hashable, None] = OrderedDict()
        self._waiting: dict[K, Priority] = {}
        self._queued_in: dict[K, _Group[K]] = {}
        self._working: dict[K, _Group[K]] = {}
        self._delayed: dict[K, tuple[float, Timer]] = {}
        self._failures: dict[K, int] = {}
        self._wake = asyncio.Event()

    def add(self, key: K, priority: Priority = Priority.NEWS) -> None:
        """Queues `key` unless it already waits; one that waits, or is delayed, is brought forward."""
        delayed = self._delayed.pop(key, None)
        if delayed is not None:
            delayed[1].cancel()
        before = self._waiting.get(key)
        if before is not None and before <= priority:
            return
        self._waiting[key] = priority
        if key in self._queued_in:
            self._queued_in[key].move(key, priority)
        elif key not in self._working:
            self._enqueue(key, priority)

    def add_after(self, key: K, delay: float, priority: Priority = Priority.NEWS) -> None:
        """Queues `key` in `delay` seconds; the earliest of several wishes counts."""
        if delay <= 0:
            self.add(key, priority)
            return
        due = self._clock.now() + delay
        current = self._delayed.get(key)
        if current is not None:
            if current[0] <= due:
                return
            current[1].cancel()
        self._delayed[key] = (due, self._clock.call_later(delay, lambda: self._due(key, priority)))

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
        """The next key whose group has a place; the caller must say `done` with it."""
        while not self._ready:
            self._wake.clear()
            await self._wake.wait()
        name, _ = self._ready.popitem(last=False)
        group = self._groups[name]
        key = group.take()
        del self._queued_in[key], self._waiting[key]
        self._working[key] = group
        self._announce(group)
        return key

    def done(self, key: K) -> None:
        """Says that the worker has finished with `key`; it is queued again if it was added meanwhile."""
        group = self._working.pop(key)
        group.working -= 1
        if key in self._waiting:
            self._enqueue(key, self._waiting[key])
        self._announce(group)
        if not group.working and not group:
            self._groups.pop(group.name, None)

    def idle(self) -> bool:
        """Whether nothing waits and nothing is being worked on (delayed keys do not count)."""
        return not self._waiting and not self._working

    def waiting(self) -> int:
        """How many keys wait for their turn."""
        return len(self._waiting)

    def _enqueue(self, key: K, priority: Priority) -> None:
        name = self._group(key)
        group = self._groups.get(name)
        if group is None:
            group = self._groups[name] = _Group(name)
        group.put(key, priority)
        self._queued_in[key] = group
        self._announce(group)

    def _announce(self, group: _Group[K]) -> None:
        """Has a group served if it has keys and places."""
        if group and not (self._places and group.working >= self._places):
            self._ready.setdefault(group.name)
            self._wake.set()

    def _due(self, key: K, priority: Priority) -> None:
        self._delayed.pop(key, None)
        self.add(key, priority)


class _Group(Generic[K]):
    """The waiting keys of one group, a lane for each priority, and how many of its keys are being worked on."""

    def __init__(self, name: Hashable) -> None:
        self.name = name
        self.working = 0
        self._lanes: dict[Priority, OrderedDict[K, None]] = {priority: OrderedDict() for priority in Priority}
        self._turns = 0

    def __bool__(self) -> bool:
        return any(self._lanes.values())

    def put(self, key: K, priority: Priority) -> None:
        self._lanes[priority][key] = None

    def move(self, key: K, priority: Priority) -> None:
        for lane in self._lanes.values():
            lane.pop(key, None)
        self.put(key, priority)

    def take(self) -> K:
        """The next key; from now on it is worked on."""
        self.working += 1
        filled = [lane for lane in self._lanes.values() if lane]
        self._turns = self._turns + 1 if len(filled) > 1 else 0
        lane = filled[-1] if self._turns % _TURNS == _TURNS - 1 else filled[0]
        return lane.popitem(last=False)[0]
