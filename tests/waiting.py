"""Waiting for conditions: owns the only poll of the tests.

Called by tests and by the harness that starts servers. No test sleeps for a length of time it guessed: it
names the condition it waits for, and a failure tells that condition and what was seen last.
"""

from __future__ import annotations

import asyncio
import inspect
import time
from collections.abc import Awaitable, Callable
from typing import TypeVar, cast

T = TypeVar("T")

POLL_INTERVAL = 0.02
"""Seconds between two looks: short against what servers take, long against what a look costs."""


def wait_until(predicate: Callable[[], T], timeout: float, description: str) -> T:
    """The first truthy value of the predicate; AssertionError with the last one after `timeout` seconds.

    Blocks. An exception of the predicate is not swallowed: a look that may fail has to say so itself.
    """
    deadline = time.monotonic() + timeout
    while not (value := predicate()):
        if time.monotonic() >= deadline:
            raise AssertionError(_too_late(timeout, description, value))
        time.sleep(POLL_INTERVAL)
    return value


async def await_until(predicate: Callable[[], T | Awaitable[T]], timeout: float, description: str) -> T:
    """As `wait_until`, leaving the loop free between looks; the predicate may be a coroutine function."""
    deadline = time.monotonic() + timeout
    while not (value := await _look(predicate)):
        if time.monotonic() >= deadline:
            raise AssertionError(_too_late(timeout, description, value))
        await asyncio.sleep(POLL_INTERVAL)
    return value


async def _look(predicate: Callable[[], T | Awaitable[T]]) -> T:
    value = predicate()
    if inspect.isawaitable(value):
        return await cast("Awaitable[T]", value)
    return value


def _too_late(timeout: float, description: str, value: object) -> str:
    return f"not within {timeout:g} s: {description}; last seen: {value!r}"
