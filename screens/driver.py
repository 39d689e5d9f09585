"""The terminal, and what happens when it goes away.

Owns: `Terminal`, Textual's Linux driver that outlives its terminal long enough to end cleanly. When an SSH connection
drops, writing fails; Textual's writer thread would die of it, its queue fill, and the console hang for ever in `put`.
"""

from __future__ import annotations

import os
import signal
from collections.abc import Callable
from contextlib import suppress
from functools import partial
from typing import IO, TYPE_CHECKING, Any

from textual.drivers.linux_driver import LinuxDriver

if TYPE_CHECKING:
    from textual.app import App

HUNG_UP = 128 + signal.SIGHUP
"""What the process ends with, as a shell reports a process that SIGHUP ended."""


class LossyFile:
    """A file whose writes are dropped from the first that fails; `lost` is called then, once."""

    def __init__(self, file: IO[str], lost: Callable[[], object]) -> None:
        self._file = file
        self._lost = lost
        self.gone = False

    def write(self, text: str) -> int:
        self._try(lambda: self._file.write(text))
        return len(text)

    def flush(self) -> None:
        self._try(self._file.flush)

    def fileno(self) -> int:
        return self._file.fileno()

    def isatty(self) -> bool:
        return self._file.isatty()

    def _try(self, work: Callable[[], object]) -> None:
        if self.gone:
            return
        try:
            work()
        except OSError:
            self.gone = True
            with suppress(OSError):  # what is still buffered has to go somewhere, or Python itself fails at the end
                os.dup2(os.open(os.devnull, os.O_WRONLY), self._file.fileno())
            self._lost()


class Terminal(LinuxDriver):
    """The Linux driver on a terminal that may go away."""

    def __init__(
        self, app: App[Any], *, debug: bool = False, mouse: bool = True, size: tuple[int, int] | None = None
    ) -> None:
        super().__init__(app, debug=debug, mouse=mouse, size=size)
        self._file: Any = LossyFile(self._file, partial(app.call_later, app.exit, None, HUNG_UP))
