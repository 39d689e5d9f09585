"""Time as the engine sees it, so that a test can hold it.

Owns: the Protocol `Clock` and the real one. Nothing else in the engine asks what time it is.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable
from typing import Protocol


class Timer(Protocol):
    def cancel(self) -> None: ...


class Clock(Protocol):
    def now(self) -> float:
        """Seconds since the epoch."""
        ...

    def call_later(self, delay: float, callback: Callable[[], None]) -> Timer:
        """Calls `callback` on the running loop after `delay` seconds, unless cancelled."""
        ...


class SystemClock:
    """The machine's clock and the running loop's timers."""

    def now(self) -> float:
        return time.time()

    def call_later(self, delay: float, callback: Callable[[], None]) -> Timer:
        return asyncio.get_running_loop().call_later(delay, callback)
