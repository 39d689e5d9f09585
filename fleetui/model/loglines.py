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
    """Pieces of a log in, lines out; one for each log.

    Args:
        longest: bytes of a line that are kept.
        stamped: each line begins with its time and a blank, which no carriage return takes away.
    """

    def __init__(self, longest: int = LONGEST, *, stamped: bool = False) -> None:
        self._longest = longest
        self._stamped = stamped
        self._rest = bytearray()
        self._cut = False
        self._returned = False

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
        # A progress bar: what follows a carriage return starts the line anew, and its last state is what counts.
        first, *others = part.split(b"\r")
        self._append(first)
        for segment in others:
            self._returned = True
            self._append(segment)

    def _append(self, segment: bytes) -> None:
        if not segment:
            return
        if self._returned:
            del self._rest[self._rest.find(b" ") + 1 if self._stamped else 0 :]
            self._cut = self._returned = False
        room = self._longest - len(self._rest)
        self._rest += segment[:room]
        self._cut = self._cut or len(segment) > room

    def _line(self) -> str:
        text = sanitize(bytes(self._rest).decode(errors="replace")) + (CUT if self._cut else "")
        self._start()
        return text

    def _start(self) -> None:
        self._rest.clear()
        self._cut = self._returned = False
