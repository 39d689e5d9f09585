"""Opening the console: the first frame before the network stack.

Owns: `open_console`, `show`. Textual keeps this thread; everything else runs on the engine's.
"""

from __future__ import annotations

import gc
import os
import sys
from collections.abc import Awaitable, Callable
from typing import TYPE_CHECKING

from fleetui.cli.options import Scope
from fleetui.model.errors import UsageError

if TYPE_CHECKING:
    from fleetui.fleet.api import Fleet
    from fleetui.runtime import Runtime

Opened = tuple["Fleet", Callable[[], Awaitable[None]]]

APPLICATIONS = "/apis/argoproj.io/v1alpha1/applications"
"""What the first look asks for: `backends.argocd.ArgoDialect.app_resource`, which is not imported so early."""
FRAMES = "240"
"""Paints a second at most. Textual's 60 keep the first frame and the first rows waiting for 0.01 s more each; the
fleet's own changes come at most ten times a second."""
GROWN_UP = 2.0
"""Seconds after which everything is imported and the first rows stand there."""


def open_console(scope: Scope) -> None:
    """The console over the clusters that the options name.

    Raises:
        UsageError: there is no terminal, or no usable kubeconfig.
    """
    from fleetui.cli.connect import chosen_contexts, one_way_each

    kubeconfig, names = chosen_contexts(scope)
    leaders = one_way_each(map(kubeconfig.context_or_problem, names), current=kubeconfig.current)
    names = tuple(name for name in names if name in leaders)
    need_terminal()
    # A tenth of the start would be spent on looking for garbage among modules, of which there is none.
    gc.disable()
    from backends.kube import firstlook

    look = firstlook.begin([kubeconfig.context_or_problem(name) for name in names[: firstlook.MOST]], APPLICATIONS)

    async def opening() -> Opened:
        import asyncio

        from fleetui.cli.connect import Connection

        asyncio.get_running_loop().call_later(GROWN_UP, _collect_garbage)
        connection = Connection(scope, first_look=look)
        fleet = connection.fleet()
        await fleet.start()

        async def close() -> None:
            await fleet.close()
            await connection.close()

        return fleet, close

    from fleetui.runtime import Runtime

    try:
        with Runtime() as runtime:
            show(opening, runtime, contexts=names, read_only=scope.read_only)
    finally:
        if look is not None:
            look.close()


def _collect_garbage() -> None:
    """From now on as usual, except that what stands there already is not gone through each time."""
    gc.freeze()
    gc.enable()


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
    """Runs the console until it is left, then closes what was opened.

    Raises:
        SystemExit: it ended otherwise than by being left; with a status that is not 0.
    """
    from fleetui.config import Paths, set_up_log

    os.environ.setdefault("TEXTUAL_FPS", FRAMES)
    from screens.app import FleetApp

    log_file = Paths.of(os.environ).log_file
    set_up_log(log_file)
    closers: list[Callable[[], Awaitable[None]]] = []

    async def start() -> Fleet:
        fleet, close = await opening()
        closers.append(close)
        return fleet

    async def close_all() -> None:
        for close in closers:
            await close()

    app = FleetApp(start, runtime, contexts=contexts, read_only=read_only, log_file=log_file)
    try:
        app.run(mouse=os.environ.get("FLEETUI_MOUSE", "1") != "0")
    finally:
        runtime.submit(close_all()).result(timeout=5)
    if app.return_code:
        raise SystemExit(app.return_code)
