"""A program in a pseudo terminal, as a person sees it.

Owns: `Terminal`. What the program writes goes through a terminal emulator (pyte), so that tests read the screen and
wait for what stands there; bytes are counted, for the budgets of slow links.
"""

from __future__ import annotations

import fcntl
import os
import pty
import select
import signal
import struct
import termios
import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from types import TracebackType
from typing import Self

import pyte

POLL = 0.02
PATIENCE = 20.0
SYNC_QUERY = b"\x1b[?2026$p"
SYNC_ANSWER = b"\x1b[?2026;2$y"


class Terminal:
    """Runs `command` in a terminal of `columns` x `rows`; use it as a context manager."""

    def __init__(
        self, command: Sequence[str], *, columns: int = 80, rows: int = 24, environment: Mapping[str, str] | None = None
    ) -> None:
        self.screen = pyte.Screen(columns, rows)
        self._stream = pyte.ByteStream(self.screen)
        self.received = 0
        """Bytes that the program has written."""
        self.arrived = 0.0
        """When the last of them came (`time.perf_counter`): the emulator itself takes longer than any real terminal."""
        self.first_paint: float | None = None
        """Seconds from the start until something stood on the screen."""
        self._started = time.perf_counter()
        self._pid, self._fd = pty.fork()
        if self._pid == 0:
            fcntl.ioctl(0, termios.TIOCSWINSZ, struct.pack("HHHH", rows, columns, 0, 0))
            os.execvpe(command[0], list(command), {**(environment or os.environ), "TERM": "xterm-256color"})
        self._status: int | None = None

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    @property
    def pid(self) -> int:
        """The program's, which leads a session of its own."""
        return self._pid

    @property
    def text(self) -> str:
        """The screen's lines."""
        return "\n".join(line.rstrip() for line in self.screen.display)

    def send(self, keys: str) -> None:
        """Types."""
        os.write(self._fd, keys.encode())

    def wait_for(self, wanted: str | Callable[[str], bool], timeout: float = PATIENCE) -> str:
        """Returns the screen as soon as it shows `wanted` (or satisfies it); AssertionError with the screen if not."""
        fits = wanted if callable(wanted) else (lambda text: wanted in text)
        deadline = time.monotonic() + timeout
        while not fits(self.text):
            if time.monotonic() > deadline:
                raise AssertionError(f"the terminal never showed {wanted!r}:\n{self.text}")
            self.read()
        return self.text

    def read(self, timeout: float = POLL) -> int:
        """Takes in what the program wrote within `timeout` seconds; returns the number of bytes."""
        ready, _, _ = select.select([self._fd], [], [], timeout)
        if not ready:
            return 0
        try:
            data = os.read(self._fd, 65536)
        except OSError:
            return 0
        self.arrived = time.perf_counter()
        self.received += len(data)
        if SYNC_QUERY in data:
            os.write(self._fd, SYNC_ANSWER)
        self._stream.feed(data.replace(SYNC_QUERY, b""))
        if self.first_paint is None and self.text.strip():
            self.first_paint = time.perf_counter() - self._started
        return len(data)

    def signal(self, number: signal.Signals) -> None:
        os.kill(self._pid, number)

    def leave(self) -> int:
        """Quits the console as an operator does; its exit status. An answer that comes before the question has been
        painted is dropped, so it is given again."""
        self.send("q")
        self.wait_for("quit")
        deadline = time.monotonic() + PATIENCE
        while True:
            with suppress(OSError):
                self.send("\r")
            try:
                return self.exit_status(1.0)
            except AssertionError:
                if time.monotonic() > deadline:
                    raise

    def exit_status(self, timeout: float = PATIENCE) -> int:
        """Waits for the program's end; its exit status, negative for a signal."""
        deadline = time.monotonic() + timeout
        while self._status is None:
            pid, status = os.waitpid(self._pid, os.WNOHANG)
            if pid:
                self._status = os.waitstatus_to_exitcode(status)
            elif time.monotonic() > deadline:
                raise AssertionError(f"the program did not end:\n{self.text}")
            else:
                self.read()
        return self._status

    def close(self) -> None:
        if self._status is None:
            pid, status = os.waitpid(self._pid, os.WNOHANG)
            if pid:
                self._status = os.waitstatus_to_exitcode(status)
            else:
                os.kill(self._pid, signal.SIGKILL)
                self._status = os.waitstatus_to_exitcode(os.waitpid(self._pid, 0)[1])
        os.close(self._fd)
