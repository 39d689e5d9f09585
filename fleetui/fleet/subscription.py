"""Subscriptions of this package.

Owns: `Once`, and `enlist` for lists of listeners. Pure.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TypeVar

L = TypeVar("L")


class Once:
    """A `fleetui.ports.Subscription` that calls one function when it is closed, once."""

    def __init__(self, close: Callable[[], object]) -> None:
        self._close: Callable[[], object] | None = close

    def close(self) -> None:
        close, self._close = self._close, None
        if close is not None:
            close()


def enlist(listeners: list[L], listener: L) -> Once:
    """Adds `listener` to the list until the subscription is closed, or somebody clears the list."""
    listeners.append(listener)

    def leave() -> None:
        if listener in listeners:
            listeners.remove(listener)

    return Once(leave)
