"""Lines of a log, made fit to be shown.

Owns: `LogLines`. Called by whoever shows a log (`fleetui.cli`, screens). Pure. A log is written by whatever runs in a
container: it may be binary, carry escape sequences, redraw a progress bar ten thousand times, or have no line break in
gigabytes. Nothing of it reaches a terminal but printable text, and nothing grows beyond `LONGEST`.
"""

from __future__ import annotations

from fleetui.model.text import sanitize

LONGEST = 16_384
"""Bytes of a line that are kept."""
CUT = " …(cut)"
"""What stands at the end of a line that was longer."""


class LogLines:
    """Pieces of a log in, lines out; one for each log."""

    def __init__(self, longest: int = LONGEST) -> None:
        self._longest = longest
        self._rest = bytearray()
        self._cut = False

    def feed(self, piece: bytes) -> list[str]:
        """The lines that are complete by now, without their line breaks."""
        first, *others = piece.split(b"\n")
        self._keep(first)
        found: list[str] = []
        for part in others:
            found.append(self._line())
            self._keep(part)
        return found

    def end(self) -> list[str]:
        """The last line, if it has no line break; the log has ended."""
        return [self._line()] if self._rest or self._cut else []

    def _keep(self, part: bytes) -> None:
        if b"\r" in part[:-1]:
            # A progress bar: each carriage return starts the line anew, and the last state is what a terminal shows.
            head, _, last = part.rstrip(b"\r").rpartition(b"\r")
            if head or last:
                self._rest.clear()
                self._cut = False
            part = last + (b"\r" if part.endswith(b"\r") else b"")
        elif self._rest.endswith(b"\r") and part:
            self._rest.clear()
            self._cut = False
        room = self._longest - len(self._rest)
        self._rest += part[:room]
        self._cut = self._cut or len(part) > room

    def _line(self) -> str:
        text = bytes(self._rest).rstrip(b"\r").decode(errors="replace")
        cut, self._cut = self._cut, False
        self._rest.clear()
        return sanitize(text) + (CUT if cut else "")
