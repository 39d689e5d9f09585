"""What the logs of several containers bring, on its way from the engine's thread to a screen.

Owns: `LogBox` and `Source`, in which the engine's thread leaves bytes, and `LogLine`, which they become. Bytes become
lines when the console takes them: however fast a log is written, a bounded number of bytes waits, a bounded number of
lines is made at a time, and what had to go is counted. Pure but for its lock.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterator
from threading import Lock
from typing import NamedTuple

from fleetui.model.loglines import LogLines
from fleetui.model.objects import ObjectRef

WAITING = 2**20
"""Bytes of one log that wait for the console."""


class LogLine(NamedTuple):
    """One line. `stamp` is when it was written (RFC 3339), `source` whose it is. One without a stamp is ours."""

    text: str
    stamp: str = ""
    source: ObjectRef | None = None


class _Gap(NamedTuple):
    """So many line ends went here; `within`: the next bytes begin within a line."""

    lines: int
    within: bool


class Source:
    """One container's log; the engine's thread leaves it here (`fleetui.fleet.api.LogSink`). `problem` says why nothing
    more comes; `closed` is set when nobody follows it any more."""

    def __init__(self, key: ObjectRef, ring: Callable[[], object], lock: Lock) -> None:
        self.key = key
        self.problem = ""
        self.closed = False
        self._ring = ring
        self._lock = lock
        self._waiting: deque[bytes | _Gap | None] = deque()
        self._size = 0
        self._lines = LogLines(stamped=True)
        self._ready: deque[LogLine] = deque()
        self._within = False
        self._last = ""
        self._known = ""

    # --- on the engine's thread ----------------------------------------------------------------------------------

    def began(self) -> None:
        with self._lock:
            self._waiting.append(None)
            self.problem = ""
        self._ring()

    def take(self, piece: bytes) -> None:
        with self._lock:
            self._waiting.append(piece)
            self._size += len(piece)
            if self._size > WAITING:
                self._drop()
        self._ring()

    def say(self, message: str) -> None:
        with self._lock:
            self.problem = message
        self._ring()

    def _drop(self) -> None:
        """Lets the oldest half go, so that there are few gaps."""
        lines, within = 0, False
        while self._size > WAITING // 2 and len(self._waiting) > 1:
            oldest = self._waiting.popleft()
            if isinstance(oldest, bytes):
                self._size -= len(oldest)
                lines += oldest.count(b"\n")
                within = not oldest.endswith(b"\n")
            elif oldest is not None:
                lines, within = lines + oldest.lines, oldest.within
        self._waiting.appendleft(_Gap(lines, within))

    # --- on the console's thread ---------------------------------------------------------------------------------

    def lines(self, most: int) -> list[LogLine]:
        """The next lines, at most so many."""
        while len(self._ready) < most:
            with self._lock:
                if not self._waiting:
                    break
                piece = self._waiting.popleft()
                if isinstance(piece, bytes):
                    self._size -= len(piece)
            self._ready.extend(self._made_of(piece))
        return [self._ready.popleft() for _ in range(min(most, len(self._ready)))]

    @property
    def has_more(self) -> bool:
        return bool(self._ready or self._waiting)

    def _made_of(self, piece: bytes | _Gap | None) -> Iterator[LogLine]:
        if isinstance(piece, bytes):
            if self._within:
                _, end, piece = piece.partition(b"\n")
                self._within = not end
            yield from self._stamped(self._lines.feed(piece))
        elif piece is None:
            yield from self._stamped(self._lines.end())
            self._known = self._last
        else:
            self._lines = LogLines(stamped=True)  # the end of the line that had begun is among those that went
            self._within = piece.within
            count = piece.lines + piece.within
            yield LogLine(f"{count:,} lines came faster than they can be shown, and were skipped", source=self.key)

    def _stamped(self, lines: list[str]) -> Iterator[LogLine]:
        """Each line and its time, without those that were there before the log began anew."""
        for line in lines:
            stamp, _, text = line.partition(" ")
            if len(stamp) < len("2026-01-01T00:00:00Z") or not stamp[:4].isdigit():
                stamp, text = self._last, line  # the server said something of its own
            if self._known and stamp <= self._known:
                continue
            self._known, self._last = "", stamp
            yield LogLine(text, stamp, self.key)


class LogBox:
    """The logs of several containers; `ring` is called once, on any thread, until the console has taken all."""

    def __init__(self, ring: Callable[[], object]) -> None:
        self._ring = ring
        self._lock = Lock()
        self._rung = False
        self.sources: list[Source] = []

    def add(self, key: ObjectRef) -> Source:
        """A further log; `key` is the Pod that its lines are known by."""
        source = Source(key, self._ring_once, self._lock)
        self.sources.append(source)
        return source

    def clear(self) -> None:
        """Forgets every log; what is still left in one goes nowhere."""
        self.sources.clear()

    @property
    def has_more(self) -> bool:
        """Whether there is something to take, be it only why nothing comes."""
        return self._rung or any(source.has_more for source in self.sources)

    def take(self, most: int) -> list[LogLine]:
        """The next lines, at most some `most`, in the order of their times where several logs have some."""
        with self._lock:
            self._rung = False
        self.sources = [source for source in self.sources if source.has_more or not source.closed]
        share = max(1, most // max(1, sum(source.has_more for source in self.sources)))
        parts = [lines for source in self.sources if (lines := source.lines(share))]
        return _by_time(parts) if len(parts) > 1 else parts[0] if parts else []

    def _ring_once(self) -> None:
        with self._lock:
            rung, self._rung = self._rung, True
        if not rung:
            self._ring()


def _by_time(parts: list[list[LogLine]]) -> list[LogLine]:
    from fleetui.model.times import parse_time

    timed: list[tuple[float, LogLine]] = []
    for lines in parts:
        time = 0.0
        for line in lines:
            time = (parse_time(line.stamp) or time) if line.stamp else time  # a note stays with what it follows
            timed.append((time, line))
    return [line for _, line in sorted(timed, key=lambda one: one[0])]
