"""The engine's thread, its event loop, and the bridge to whoever looks on.

Owns: `Runtime`. Textual keeps the main thread; watches, Git and the engine run here, so that a slow SSH link never
stalls a watch and a big LIST never stalls a key. Nothing else in fleetui starts a thread with a loop of its own.
"""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Awaitable, Callable, Coroutine
from concurrent.futures import Future
from typing import Any, TypeVar

from fleetui.model.errors import FleetError

T = TypeVar("T")


class Runtime:
    """An event loop on a thread of its own.

    Use it as a context manager, or `start` and `stop` it. Tasks left at the end are cancelled and awaited.
    """

    def __init__(self, name: str = "engine") -> None:
        self._name = name
        self._ready = threading.Event()
        self._loop: asyncio.AbstractEventLoop | None = None
        self._thread: threading.Thread | None = None

    def __enter__(self) -> Runtime:
        self.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.stop()

    def start(self) -> None:
        """Starts the thread; returns when its loop runs."""
        if self._thread is not None:
            return
        self._thread = threading.Thread(target=self._main, name=self._name, daemon=True)
        self._thread.start()
        self._ready.wait()

    def stop(self) -> None:
        """Cancels what still runs, closes the loop and joins the thread; harmless when it never ran."""
        loop, thread = self._loop, self._thread
        if loop is None or thread is None:
            return
        loop.call_soon_threadsafe(loop.stop)
        thread.join()
        self._loop = self._thread = None
        self._ready.clear()

    def submit(self, work: Coroutine[Any, Any, T]) -> Future[T]:
        """Runs a coroutine on the engine's loop; the future may be waited for on any other thread."""
        if self._loop is None:
            work.close()
            raise FleetError("the engine's thread has ended")
        return asyncio.run_coroutine_threadsafe(work, self._loop)

    async def call(self, work: Coroutine[Any, Any, T]) -> T:
        """Runs a coroutine on the engine's loop and awaits it on the caller's; cancelling the caller cancels it."""
        return await asyncio.wrap_future(self.submit(work))

    def post(self, function: Callable[[], object]) -> None:
        """Calls a plain function on the engine's loop, soon; dropped when the thread has ended."""
        if self._loop is not None and not self._loop.is_closed():
            self._loop.call_soon_threadsafe(function)

    def _main(self) -> None:
        self._loop = loop = asyncio.new_event_loop()
        asyncio.set_event_loop(loop)
        loop.call_soon(self._ready.set)
        try:
            loop.run_forever()
        finally:
            loop.run_until_complete(_cancel_all(loop))
            loop.run_until_complete(loop.shutdown_asyncgens())
            loop.run_until_complete(loop.shutdown_default_executor())
            loop.close()


async def _cancel_all(loop: asyncio.AbstractEventLoop) -> None:
    tasks: list[Awaitable[Any]] = []
    for task in asyncio.all_tasks(loop):
        if task is not asyncio.current_task(loop):
            task.cancel()
            tasks.append(task)
    await asyncio.gather(*tasks, return_exceptions=True)
