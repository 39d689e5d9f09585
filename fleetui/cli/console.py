"""Opening the console: the first frame before the network stack.

Owns: `open_console`, `show`. Textual keeps this thread; everything else runs on the engine's.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Awaitable, Callable
from typing import TYPE_CHECKING

from fleetui.cli.options import Scope
from fleetui.config import Paths, set_up_log
from fleetui.model.errors import UsageError
from fleetui.runtime import Runtime

if TYPE_CHECKING:
    from fleetui.fleet.api import Fleet

Opened = tuple["Fleet", Callable[[], Awaitable[None]]]


def open_console(scope: Scope) -> None:
    """The console over the clusters that the options name.

    Raises:
        UsageError: there is no terminal, or no usable kubeconfig.
    """
    from fleetui.cli.connect import chosen_contexts

    _, names = chosen_contexts(scope)
    need_terminal()

    async def opening() -> Opened:
        from fleetui.cli.connect import Connection

        connection = Connection(scope)
        fleet = connection.fleet()
        await fleet.start()

        async def close() -> None:
            await fleet.close()
            await connection.close()

        return fleet, close

    with Runtime() as runtime:
        show(opening, runtime, contexts=names, read_only=scope.read_only)


def need_terminal() -> None:
    """Refuses where nobody could see the console.

    Raises:
        UsageError: stdin or stderr is no terminal.
    """
    if not (sys.stdin.isatty() and sys.__stderr__ is not None and sys.__stderr__.isatty()):
        raise UsageError("the console needs a terminal", "fleetui get apps prints the applications")


def show(
    opening: Callable[[], Awaitable[Opened]], runtime: Runtime, *, contexts: tuple[str, ...], read_only: bool
) -> None:
    """Runs the console until it is left, then closes what was opened."""
    from screens.app import FleetApp

    set_up_log(Paths.of(os.environ).log_file)
    closers: list[Callable[[], Awaitable[None]]] = []

    async def start() -> Fleet:
        fleet, close = await opening()
        closers.append(close)
        return fleet

    async def close_all() -> None:
        for close in closers:
            await close()

    app = FleetApp(start, runtime, contexts=contexts, read_only=read_only)
    try:
        app.run(mouse=os.environ.get("FLEETUI_MOUSE", "1") != "0")
    finally:
        runtime.submit(close_all()).result(timeout=5)
