"""Logging in to a cluster with the terminal to itself: a plugin may ask for a password, or print where to go.

Owns: `log_in`, and how the console leaves the terminal and comes back. Called by the clusters screen, when a person
asks for it. What a login is, is the fleet's.
"""

from __future__ import annotations

import asyncio
import os
import signal
import sys
import termios
import tty
from collections.abc import Callable, Iterator
from contextlib import contextmanager, nullcontext, suppress
from typing import TYPE_CHECKING, Any, TextIO, cast

from textual.app import App, SuspendNotSupported

if TYPE_CHECKING:
    from fleetui.model.objects import ClusterName
    from screens.host import Host

GROUP = "login"


def log_in(app: App[None], cluster: ClusterName) -> None:
    """Has the fleet log in to `cluster`, in the terminal that the console leaves meanwhile; how it went is told.

    One at a time: a second one, asked for before the first has left the terminal, is dropped.
    """
    if not any(worker.group == GROUP and not worker.is_finished for worker in app.workers):
        app.run_worker(_log_in(app, cluster), name=f"log in to {cluster}", group=GROUP, exit_on_error=False)


async def _log_in(app: App[None], cluster: ClusterName) -> None:
    host = cast("Host", app)
    with terminal(app) as out:
        _say(out, f"fleetui: logging in to {cluster}; ctrl+c gives up")
        failure = await _tried(host, cluster, interruptible=out is not None)
        if failure and out is not None:
            _say(out, f"\nfleetui: {failure}\nPress any key to go back.")
            await any_key(sys.__stdin__.fileno() if sys.__stdin__ is not None else 0)
    if not failure:
        host.tell(f"Logged in to {cluster}")
    elif out is None:
        host.tell(failure, error=True)


def _say(out: TextIO | None, text: str) -> None:
    if out is not None:
        out.write(f"{text}\n")
        out.flush()


async def _tried(host: Host, cluster: ClusterName, *, interruptible: bool) -> str:
    """Why the login failed, in a sentence; empty where it didn't."""
    from fleetui.model.errors import FleetError
    from screens.cells import clean

    if host.fleet is None:
        return "there is no fleet yet"
    login = asyncio.ensure_future(host.on_engine(host.fleet.login(cluster)))
    try:
        with interrupts(login.cancel) if interruptible else nullcontext():
            await asyncio.wait({login})
    finally:
        login.cancel()  # where the console itself ends
    if login.cancelled():
        return f"{cluster}: the login was given up"
    error = login.exception()
    if error is None:
        return ""
    told = str(error) if isinstance(error, FleetError) else host.tell_unexpected(error, f"logging in to {cluster}")
    return clean(told)


@contextmanager
def terminal(app: App[Any]) -> Iterator[TextIO | None]:
    """Leaves the terminal as it was before the console began, until the end of the block; what to write to there.

    None where there is none to be left (a test without a terminal).
    """
    failed: BaseException | None = None
    # Whatever repaints meanwhile would block on the driver's full queue.
    with app.batch_update():
        try:
            with app.suspend():
                try:
                    yield sys.__stderr__
                except BaseException as error:  # Textual comes back only from a block that has not raised
                    failed = error
        except SuspendNotSupported:
            yield None
    if failed is not None:
        raise failed


@contextmanager
def interrupts(interrupted: Callable[[], object]) -> Iterator[None]:
    """Calls `interrupted` on ctrl+c, which in a terminal of its own ends the console."""
    loop, before = asyncio.get_running_loop(), signal.getsignal(signal.SIGINT)
    loop.add_signal_handler(signal.SIGINT, interrupted)
    try:
        yield
    finally:
        loop.remove_signal_handler(signal.SIGINT)
        signal.signal(signal.SIGINT, before)


async def any_key(file: int) -> None:
    """Returns when a key (ctrl+c is one) is pressed in the terminal `file`, or it has gone."""
    loop = asyncio.get_running_loop()
    pressed = asyncio.Event()

    def read() -> None:
        with suppress(OSError):
            os.read(file, 1024)
        pressed.set()

    try:
        before = termios.tcgetattr(file)
        tty.setcbreak(file)
    except (termios.error, OSError):
        return
    loop.add_reader(file, read)
    try:
        with interrupts(pressed.set):
            await pressed.wait()
    finally:
        loop.remove_reader(file)
        with suppress(termios.error, OSError):
            termios.tcsetattr(file, termios.TCSADRAIN, before)
