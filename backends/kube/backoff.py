"""How long to wait before asking again.

Owns: `Backoff`. Called by `backends.kube.informer`.
"""

from __future__ import annotations

import random
from collections.abc import Callable

from fleetui.model.errors import GoneError, OverloadedError, UnauthorizedError, UnreachableError

_SPREAD = 1.0
"""Seconds over which relists are spread: watches that a server ends all at once must not all list at once."""


class Backoff:
    """Growing pauses with jitter: nothing at first, then 0.8 s, doubled up to 30 s."""

    def __init__(self, *, chance: Callable[[], float] = random.random) -> None:
        self._chance = chance
        self._failures = 0

    def reset(self) -> None:
        self._failures = 0

    def pause(self, error: Exception | None) -> float:
        """Seconds until the next try, after one more failure (or a watch that was too short, with no error)."""
        step = 0.8 * 2.0 ** min(self._failures - 1, 10) if self._failures else 0.0
        self._failures += 1
        if isinstance(error, GoneError):
            return min(step, 30.0) * (0.5 + self._chance() / 2) + _SPREAD * self._chance()
        if not (error is None or isinstance(error, UnreachableError | UnauthorizedError)):
            # Forbidden, not served, overloaded: asking at once would get the same answer.
            step = max(step, 1.0)
        pause = min(step, 30.0) * (0.5 + self._chance() / 2)
        return max(pause, error.retry_after or 0.0) if isinstance(error, OverloadedError) else pause
