"""A terminal between a client and a process: what a kernel's line discipline does.

Owns: `Terminal`. Called by `backends.embedded.podstreams` where a client asks for a tty. Keys are echoed, a line can be
edited until Enter, Ctrl-C interrupts, Ctrl-D ends the input.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from contextlib import suppress

_INTERRUPT, _END, _ERASE, _KILL = 0x03, 0x04, (0x08, 0x7F), 0x15
_LONGEST = 4_096
"""Characters of a line, as in a kernel."""
_WAITING = 256
"""Lines that nobody has read; what comes then is dropped."""


class Terminal:
    """One terminal.

    Args:
        show: sends bytes to the client.
    """

    def __init__(self, show: Callable[[bytes], Awaitable[None]]) -> None:
        self._show = show
        self._lines: asyncio.Queue[bytes] = asyncio.Queue(_WAITING)
        self._line = bytearray()
        self._foreground: asyncio.Task[int] | None = None
        self.size = (80, 24)
        """Columns and rows."""

    def foreground(self, task: asyncio.Task[int] | None) -> None:
        """Whom an interrupt is for."""
        self._foreground = task

    async def feed(self, data: bytes) -> None:
        """Keys as they come from the client; empty for the end of the input."""
        if not data:
            self._put(b"")
        for key in data:
            await self._press(key)

    async def read(self) -> bytes:
        """The next line; empty for the end of the input."""
        return await self._lines.get()

    async def write(self, data: bytes) -> None:
        """Output of the process."""
        await self._show(data.replace(b"\n", b"\r\n"))

    def _put(self, line: bytes) -> None:
        with suppress(asyncio.QueueFull):
            self._lines.put_nowait(line)

    async def _press(self, key: int) -> None:
        if key == _INTERRUPT:
            self._line.clear()
            await self._show(b"^C\r\n")
            if self._foreground is not None:
                self._foreground.cancel()
            else:
                self._put(b"\n")
        elif key == _END:
            line, self._line = bytes(self._line), bytearray()
            self._put(line)
        elif key in _ERASE:
            if self._line:
                del self._line[-1:]
                await self._show(b"\b \b")
        elif key == _KILL:
            await self._show(b"\b \b" * len(self._line))
            self._line.clear()
        elif key in (0x0A, 0x0D):
            line, self._line = bytes(self._line), bytearray()
            await self._show(b"\r\n")
            self._put(line + b"\n")
        elif (key >= 0x20 or key == 0x09) and len(self._line) < _LONGEST:
            self._line.append(key)
            await self._show(bytes([key]))
