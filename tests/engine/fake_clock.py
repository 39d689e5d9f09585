"""A clock that stands still until the test moves it: owns the one `fleetui.engine.clock.Clock` for tests of timing."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from heapq import heappop, heappush
from itertools import count


@dataclass(order=True)
class FakeTimer:
    """One call that is due at `due`."""

    due: float
    number: int
    callback: Callable[[], None] = field(compare=False)
    cancelled: bool = field(default=False, compare=False)

    def cancel(self) -> None:
        self.cancelled = True


class FakeClock:
    """Time in seconds since the epoch; `advance` makes the calls that fall due, each at its own time and in order."""

    def __init__(self, now: float = 1_800_000_000.0) -> None:
        self._now = now
        self._timers: list[FakeTimer] = []
        self._numbers = count()

    def now(self) -> float:
        return self._now

    def call_later(self, delay: float, callback: Callable[[], None]) -> FakeTimer:
        timer = FakeTimer(self._now + max(0.0, delay), next(self._numbers), callback)
        heappush(self._timers, timer)
        return timer

    def advance(self, seconds: float) -> None:
        end = self._now + seconds
        while self._timers and self._timers[0].due <= end:
            timer = heappop(self._timers)
            self._now = timer.due
            if not timer.cancelled:
                timer.callback()
        self._now = end

    @property
    def waiting(self) -> list[float]:
        """The delays after which something is due, shortest first."""
        return sorted(timer.due - self._now for timer in self._timers if not timer.cancelled)
