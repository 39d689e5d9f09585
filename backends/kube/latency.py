"""How long one API server takes to answer.

Owns: `RoundTrips`. Called by `backends.kube.cluster` as requests go out and answers come; it makes no request of its
own, and says something only when it is news: each word of it is a change of the cluster's status, which is painted.
"""

from __future__ import annotations

import time
from collections import deque
from collections.abc import Callable
from contextvars import ContextVar

SAMPLES = 5
"""The quickest of so many counts: a list takes the server its time, and a first request a TLS handshake."""
ENOUGH = 3
"""Samples before anything is said."""
SELDOM = 30.0
"""Seconds until it is said that a server has become slower. That it is quicker than was said is said at once: while the
console itself is busy, at its start, every server seems slow."""
NEWS = 0.25
"""The part of what was said last by which it must differ."""


class RoundTrips:
    """Times requests from their sending to the head of their answer.

    `asked` and `answered` of one request are called in the same task, which is how they find each other.
    """

    def __init__(self, *, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._sent: ContextVar[float | None] = ContextVar("sent", default=None)
        self._samples: deque[float] = deque(maxlen=SAMPLES)
        self._told: float | None = None
        self._told_at = float("-inf")

    def asked(self) -> None:
        """A request is sent."""
        self._sent.set(self._clock())

    def answered(self) -> float | None:
        """The head of an answer came: how many seconds the server takes, where that is news, else None."""
        now, sent = self._clock(), self._sent.get()
        if sent is None:
            return None
        self._sent.set(None)
        self._samples.append(now - sent)
        quickest = min(self._samples)
        if len(self._samples) < ENOUGH or not self._is_news(quickest, now):
            return None
        self._told, self._told_at = quickest, now
        return quickest

    def _is_news(self, quickest: float, now: float) -> bool:
        if self._told is None:
            return True
        step = max(0.001, self._told * NEWS)
        return quickest < self._told - step or (quickest > self._told + step and now - self._told_at >= SELDOM)
