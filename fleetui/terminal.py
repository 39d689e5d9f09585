"""The terminal that a command in a container is connected to.

Owns: `LocalTerminal`: raw mode and its end, the size and its changes, and the keys; `talk`, which connects it to a
session. Called by `fleetui.cli.pods` and by the console's shell. Made and left on the main thread, which alone may
handle signals; whatever ends the command, the terminal is given back as it was.
"""

from __future__ import annotations

import asyncio
import os
import select
import signal
import sys
import threading
from collections.abc import Awaitable, Callable
from contextlib import suppress
from types import FrameType, TracebackType
from typing import TYPE_CHECKING, Any, Self

if TYPE_CHECKING:
    from fleetui.podports import ExecSession, Output

_PIECE = 2**15
_ENDED_BY = (signal.SIGTERM, signal.SIGHUP)
"""What would end the process without a word, and leave the terminal raw."""


class LocalTerminal:
    """This process's own input and output.

    Args:
        raw: whether keys go through as they are, Ctrl-C among them; only where both ends are a terminal.
        ended_by: the signals that end the process meanwhile; none where somebody else sees to them.
    """

    def __init__(self, *, raw: bool, ended_by: tuple[signal.Signals, ...] = _ENDED_BY) -> None:
        self.raw = raw
        self._ended_by = ended_by
        self._settings: list[Any] | None = None
        self._handlers: dict[int, Any] = {}
        self._resized: Callable[[], object] = lambda: None
        self._reader: threading.Thread | None = None
        self._enough: int | None = None

    def __enter__(self) -> Self:
        if self.raw:
            import termios
            import tty

            self._settings = termios.tcgetattr(_stdin())
            for number in self._ended_by:
                self._handlers[number] = signal.signal(number, _end)
            self._handlers[signal.SIGWINCH] = signal.signal(signal.SIGWINCH, self._on_resize)
            tty.setraw(_stdin())
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._stop_reading()
        if self._settings is not None:
            import termios

            with suppress(termios.error):  # it has gone
                termios.tcsetattr(_stdin(), termios.TCSADRAIN, self._settings)
            for number, handler in self._handlers.items():
                signal.signal(number, handler)

    @property
    def size(self) -> tuple[int, int]:
        """Columns and rows."""
        found = os.get_terminal_size(_stdin())
        return found.columns, found.lines

    def on_resize(self, listener: Callable[[], object]) -> None:
        """Calls `listener` on the main thread whenever the size changes."""
        self._resized = listener

    def read_keys(self, take: Callable[[bytes], object]) -> None:
        """Hands what is typed or piped in to `take`, on a thread of its own until this terminal is left; empty bytes
        for the end. `take` may block, and ends the reading by raising."""
        ends = os.pipe()
        self._enough = ends[1]
        self._reader = threading.Thread(target=_read, args=(take, ends[0]), name="stdin", daemon=True)
        self._reader.start()

    def _stop_reading(self) -> None:
        """Sees to it that whoever reads the terminal next gets all its keys."""
        if self._enough is not None:
            os.close(self._enough)
            self._enough = None

    def _on_resize(self, number: int, frame: FrameType | None) -> None:
        self._resized()


def _read(take: Callable[[bytes], object], enough: int) -> None:
    file = _stdin()
    with suppress(Exception):  # nobody takes it any more
        while enough not in select.select([file, enough], [], [])[0]:
            data = os.read(file, _PIECE)
            take(data)
            if not data:
                break
    os.close(enough)


def _stdin() -> int:
    """The process's own input, whatever a console has put in its place."""
    return sys.__stdin__.fileno() if sys.__stdin__ is not None else 0


async def talk(
    session: ExecSession, terminal: LocalTerminal, *, stdin: bool, show: Callable[[Output, bytes], Awaitable[object]]
) -> int:
    """Connects a session to the terminal until the command ends; runs on the engine's loop. Returns its exit code.

    Raises:
        ClusterError: the connection broke, or the command could not be run.
    """
    loop = asyncio.get_running_loop()

    def take(data: bytes) -> None:
        given = session.write(data) if data else session.end_input()
        asyncio.run_coroutine_threadsafe(given, loop).result()

    if terminal.raw:
        await session.resize(*terminal.size)
        resizes: set[asyncio.Task[None]] = set()

        def resized() -> None:
            task = loop.create_task(session.resize(*terminal.size))
            resizes.add(task)
            task.add_done_callback(resizes.discard)

        terminal.on_resize(lambda: loop.call_soon_threadsafe(resized))
    if stdin:
        terminal.read_keys(take)
    while (piece := await session.read()) is not None:
        await show(*piece)
    return session.exit_code or 0


def is_terminal() -> bool:
    """Whether both our input and our output are a terminal."""
    return sys.stdin.isatty() and sys.stdout.isatty()


def _end(number: int, frame: FrameType | None) -> None:
    raise SystemExit(128 + number)
