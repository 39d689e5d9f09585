"""A memory of limited size.

Owns: `ByteCache`. Called by `fleetui.render.directory` from the engine's thread and its executors.
"""

from __future__ import annotations

import threading
from collections import OrderedDict
from typing import Generic, TypeVar

T = TypeVar("T")


class ByteCache(Generic[T]):
    """Keeps what was used last, up to `limit` bytes as its callers count them; safe between threads."""

    def __init__(self, limit: int) -> None:
        self._limit = limit
        self._used = 0
        self._items: OrderedDict[bytes, tuple[T, int]] = OrderedDict()
        self._lock = threading.Lock()

    def get(self, key: bytes) -> T | None:
        with self._lock:
            item = self._items.get(key)
            if item is None:
                return None
            self._items.move_to_end(key)
            return item[0]

    def put(self, key: bytes, value: T, *, size: int) -> None:
        with self._lock:
            _, replaced = self._items.pop(key, (None, 0))
            self._items[key] = (value, size)
            self._used += size - replaced
            while self._used > self._limit:
                _, (_, freed) = self._items.popitem(last=False)
                self._used -= freed
