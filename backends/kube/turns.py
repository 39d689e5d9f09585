"""One at a time, each time that the loop comes round.

Owns: `decoding` and `starting`. Called by `backends.kube.informer` and `backends.kube.watching`. A hundred clusters
that start at once have a hundred sessions to make, and then a hundred pages to decode; back to back, either would hold
the loop for a quarter of a second, keys and all. Those that wait get their turn one in each round; starts do not wait
for pages nor pages for starts, so that the first clusters' rows are there while the last ones start.
"""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from weakref import WeakKeyDictionary

PATIENT = 8
"""Turns after which one goes to who is late, so that a hundred busy watches do not keep a list from its end."""


class Turn:
    """A turn of the running loop: within ``async with``, nobody else has one, nor for the rest of the round.

    Nothing may be awaited within. (A lock would let all who are ready in a round go in that round.)
    """

    def __init__(self) -> None:
        self._taken = False
        self._waiting: deque[asyncio.Future[None]] = deque()
        self._late: deque[asyncio.Future[None]] = deque()
        self._before_late = 0

    async def __aenter__(self) -> None:
        await self._wait(self._waiting)

    async def __aexit__(self, *_: object) -> None:
        self._next()

    @asynccontextmanager
    async def late(self) -> AsyncIterator[None]:
        """A turn that others go before, seven of eight."""
        await self._wait(self._late)
        try:
            yield
        finally:
            self._next()

    async def _wait(self, queue: deque[asyncio.Future[None]]) -> None:
        if not self._taken:
            self._taken = True
            return
        mine: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        queue.append(mine)
        try:
            await mine
        except asyncio.CancelledError:
            if mine.done() and not mine.cancelled():
                self._next()
            raise

    def _next(self) -> None:
        """Wakes who is next, in the next round; or frees the turn then."""
        if not self._wakes():
            asyncio.get_running_loop().call_soon(self._free)

    def _queue(self) -> deque[asyncio.Future[None]]:
        """Whose turn it is: that of those who wait, and once in a while that of those who are late."""
        if not self._late:
            return self._waiting
        self._before_late += 1
        if self._waiting and self._before_late < PATIENT:
            return self._waiting
        self._before_late = 0
        return self._late

    def _free(self) -> None:
        self._taken = self._wakes()

    def _wakes(self) -> bool:
        while queue := self._queue():
            waiting = queue.popleft()
            if not waiting.done():
                waiting.set_result(None)
                return True
        return False


_Turns = WeakKeyDictionary[asyncio.AbstractEventLoop, Turn]
_decoding: _Turns = WeakKeyDictionary()
_starting: _Turns = WeakKeyDictionary()


def decoding() -> Turn:
    """The turn to decode one page; first come, first served."""
    return _of_this_loop(_decoding)


def starting() -> Turn:
    """The turn to make a watch's first request."""
    return _of_this_loop(_starting)


def _of_this_loop(turns: _Turns) -> Turn:
    loop = asyncio.get_running_loop()
    found = turns.get(loop)
    if found is None:
        found = turns[loop] = Turn()
    return found
