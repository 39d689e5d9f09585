"""When a console in a test has nothing more to do: owns what the pilot waits for after each key.

Called by `tests.screens.console` and by the tests of single widgets. Textual's own pilot compares CPU time with the
clock, 20 ms at a time, at least twice for each key: most of the time of these tests went there, and a busy machine
made it a guess. Here the loops are asked: one that has no callback ready and no timer due within a frame is at rest.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from typing import Any
from unittest.mock import patch

from fleetui.model.errors import FleetError
from fleetui.runtime import Runtime

FRAME = 0.02
"""Seconds. A timer due within them (a repaint, a debounce) is waited for; a clock or a cursor that blinks is not."""

PATIENCE = 1.0
"""Seconds after which a console that never comes to rest (one with a firehose of logs) is taken as it is."""


@contextmanager
def at_rest_after_keys(runtime: Runtime | None = None) -> Iterator[None]:
    """Within the block a pilot waits for rest, of this loop and of the engine's, where it would watch the CPU."""

    async def wait_for_idle(min_sleep: float = 0, max_sleep: float = PATIENCE) -> None:
        await _at_rest(runtime, time.monotonic() + max_sleep)

    with patch("textual.app.wait_for_idle", wait_for_idle), patch("textual.pilot.wait_for_idle", wait_for_idle):
        yield


async def _at_rest(runtime: Runtime | None, deadline: float) -> None:
    """Returns when this loop, and the engine's where there is one, have nothing to do now or within a frame."""
    while await _came_to_rest(deadline) or await _engine_came_to_rest(runtime, deadline):
        if time.monotonic() >= deadline:
            return


async def _engine_came_to_rest(runtime: Runtime | None, deadline: float) -> bool:
    if runtime is not None:
        with suppress(FleetError):  # its thread has ended: nothing comes from there any more
            return await runtime.call(_came_to_rest(deadline))
    return False


async def _came_to_rest(deadline: float) -> bool:
    """Lets the running loop come to rest; whether it had anything to do."""
    loop: Any = asyncio.get_running_loop()
    had_to = False
    while time.monotonic() < deadline:
        await asyncio.sleep(0)
        due = loop._scheduled[0].when() - loop.time() if loop._scheduled else FRAME
        if not loop._ready and due >= FRAME:
            return had_to
        had_to = True
        if not loop._ready:
            await asyncio.sleep(max(due, 0))
    return had_to
