"""What the engine's thread tells a screen, kept until the screen comes to it.

Owns: `Heard`. For change sets of the fleet there is `screens.picture.Letterbox`.
"""

from __future__ import annotations

from collections.abc import Callable
from threading import Lock
from typing import Generic, TypeVar

K = TypeVar("K")
V = TypeVar("V")


class Heard(Generic[K, V]):
    """The latest value of each key. `ring` is called once for all that comes until it is taken."""

    def __init__(self, ring: Callable[[], object]) -> None:
        self._ring = ring
        self._lock = Lock()
        self._waiting: dict[K, V] = {}

    def put(self, key: K, value: V) -> None:
        """Leaves a value; on the engine's thread."""
        with self._lock:
            first = not self._waiting
            self._waiting[key] = value
        if first:
            self._ring()

    def take(self) -> dict[K, V]:
        """All that came since the last call."""
        with self._lock:
            waiting, self._waiting = self._waiting, {}
        return waiting
