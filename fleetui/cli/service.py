"""Commands that stay until they are stopped.

Owns: `serve_until_stopped`: SIGINT, SIGTERM and a lost terminal (SIGHUP, unless nohup has it ignored) end the work,
which may still tidy up after itself.
"""

from __future__ import annotations

import asyncio
import signal
from collections.abc import Callable, Coroutine
from typing import Any

from fleetui.model.errors import FleetError
from fleetui.runtime import Runtime


def serve_until_stopped(
    work: Callable[[], Coroutine[Any, Any, None]], *, stop: Callable[[], None] | None = None, grace: float = 0.0
) -> bool:
    """Runs `work` on an engine thread until it ends or a signal comes; whether it was a signal.

    Args:
        work: what goes on.
        stop: called on the engine's loop when a signal comes, so that `work` ends by itself.
        grace: seconds that it has for that; a second signal cuts them short.

    Raises:
        FleetError: what `work` raised; the first of several.
    """

    async def guarded() -> bool:
        stopped = asyncio.Event()
        runtime.post(lambda: arm(stopped))
        working = asyncio.create_task(work(), name="service")
        waiting = asyncio.create_task(stopped.wait(), name="until stopped")
        await asyncio.wait({working, waiting}, return_when=asyncio.FIRST_COMPLETED)
        was_stopped = not working.done()
        if was_stopped and stop is not None:
            stop()
            stopped.clear()
            again = asyncio.create_task(stopped.wait(), name="until stopped again")
            await asyncio.wait({working, again}, timeout=grace, return_when=asyncio.FIRST_COMPLETED)
            again.cancel()
        for task in (working, waiting):
            task.cancel()
        ended, _ = await asyncio.gather(working, waiting, return_exceptions=True)
        if isinstance(ended, Exception) and not was_stopped:
            raise _first(ended)
        return was_stopped

    def arm(stopped: asyncio.Event) -> None:
        events.append(stopped)
        if early:
            stopped.set()

    events: list[asyncio.Event] = []
    early: list[int] = []

    def on_signal(number: int, _: object) -> None:
        early.append(number)
        runtime.post(lambda: _set_all(events))

    with Runtime() as runtime:
        ending = [signal.SIGINT, signal.SIGTERM]
        ending += [signal.SIGHUP] if signal.getsignal(signal.SIGHUP) is not signal.SIG_IGN else []
        former = {number: signal.signal(number, on_signal) for number in ending}
        try:
            return runtime.submit(guarded()).result()
        finally:
            for number, handler in former.items():
                signal.signal(number, handler)


def _first(error: BaseException) -> BaseException:
    """The first error of ours in a group of errors, or else the error itself."""
    while isinstance(error, BaseExceptionGroup):
        ours = error.subgroup(FleetError) or error
        error = ours.exceptions[0]
    return error


def _set_all(events: list[asyncio.Event]) -> None:
    for event in events:
        event.set()
