"""How the console leaves the terminal to somebody else, and comes back.

Owns: `terminal`, `write`, `stays`, `interrupts`. Called by `screens.login` and `screens.shell`.
"""

from __future__ import annotations

import asyncio
import os
import signal
import sys
import termios
import tty
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from typing import Any, TextIO

from textual.app import App, SuspendNotSupported


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


def write(out: TextIO | None, text: str) -> None:
    """A line for the person before the terminal, where there is one."""
    if out is not None:
        out.write(f"{text}\n")
        out.flush()


async def stays(out: TextIO, failure: str) -> None:
    """Shows why something failed until a key is pressed."""
    said = f"\nfleetui: {failure}\nPress any key to go back."
    await any_key(sys.__stdin__.fileno() if sys.__stdin__ is not None else 0, ready=lambda: write(out, said))


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


async def any_key(file: int, *, ready: Callable[[], object] = lambda: None) -> None:
    """Returns when a key (ctrl+c is one) is pressed in the terminal `file`, or it has gone; `ready` is called when no
    key can be lost any more."""
    loop = asyncio.get_running_loop()
    pressed = asyncio.Event()

    def read() -> None:
        with suppress(OSError):
            os.read(file, 1024)
        pressed.set()

    try:
        before = termios.tcgetattr(file)
        tty.setcbreak(file, termios.TCSADRAIN)
    except (termios.error, OSError):
        ready()
        return
    loop.add_reader(file, read)
    try:
        with interrupts(pressed.set):
            ready()
            await pressed.wait()
    finally:
        loop.remove_reader(file)
        with suppress(termios.error, OSError):
            termios.tcsetattr(file, termios.TCSADRAIN, before)
