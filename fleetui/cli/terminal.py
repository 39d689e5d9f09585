"""The terminal that a command in a container is connected to.

Owns: `LocalTerminal`: raw mode and its end, the size and its changes, and the keys. Called by `fleetui.cli.pods`. Made
and left on the main thread, which alone may handle signals; whatever ends the command, the terminal is given back as it
was.
"""

from __future__ import annotations

import os
import signal
import sys
import threading
from collections.abc import Callable
from contextlib import suppress
from types import FrameType, TracebackType
from typing import Any, Self

_PIECE = 2**15
_ENDED_BY = (signal.SIGTERM, signal.SIGHUP)
"""What would end the process without a word, and leave the terminal raw."""


class LocalTerminal:
    """This process's own input and output.

    Args:
        raw: whether keys go through as they are, Ctrl-C among them; only where both ends are a terminal.
    """

    def __init__(self, *, raw: bool) -> None:
        self.raw = raw
        self._settings: list[Any] | None = None
        self._handlers: dict[int, Any] = {}
        self._resized: Callable[[], object] = lambda: None

    def __enter__(self) -> Self:
        if self.raw:
            import termios
            import tty

            self._settings = termios.tcgetattr(sys.stdin.fileno())
            for number in _ENDED_BY:
                self._handlers[number] = signal.signal(number, _end)
            self._handlers[signal.SIGWINCH] = signal.signal(signal.SIGWINCH, self._on_resize)
            tty.setraw(sys.stdin.fileno())
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._settings is not None:
            import termios

            termios.tcsetattr(sys.stdin.fileno(), termios.TCSADRAIN, self._settings)
            for number, handler in self._handlers.items():
                signal.signal(number, handler)

    @property
    def size(self) -> tuple[int, int]:
        """Columns and rows."""
        found = os.get_terminal_size(sys.stdout.fileno())
        return found.columns, found.lines

    def on_resize(self, listener: Callable[[], object]) -> None:
        """Calls `listener` on the main thread whenever the size changes."""
        self._resized = listener

    def read_keys(self, take: Callable[[bytes], object]) -> None:
        """Hands what is typed or piped in to `take`, on a thread that lives as long as the process; empty bytes for the
        end. `take` may block, and ends the reading by raising."""

        def read() -> None:
            with suppress(Exception):  # nobody takes it any more
                while True:
                    data = os.read(sys.stdin.fileno(), _PIECE)
                    take(data)
                    if not data:
                        return

        # A read can't be interrupted; the thread ends with the process.
        threading.Thread(target=read, name="stdin", daemon=True).start()

    def _on_resize(self, number: int, frame: FrameType | None) -> None:
        self._resized()


def is_terminal() -> bool:
    """Whether both our input and our output are a terminal."""
    return sys.stdin.isatty() and sys.stdout.isatty()


def _end(number: int, frame: FrameType | None) -> None:
    raise SystemExit(128 + number)
