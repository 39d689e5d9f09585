"""What a container has written, computed from what it is. Pure.

Owns: `Log`. Called by `backends.embedded.podstreams`. Nothing is stored: the same container at the same moment has the
same log, each line at its own time. A container that runs says a few words when it starts, and then a line every few
seconds; one that fails says why. Only the last `KEPT` lines are there, as if the rest had been rotated away.
"""

from __future__ import annotations

import zlib
from bisect import bisect_right
from collections.abc import Iterator
from typing import NamedTuple

from backends.embedded.containers.container import Container, Life
from backends.embedded.controllers.images import Fate, fate
from fleetui.model.times import parse_time

KEPT = 2_000
_VERBS = ("GET", "GET", "GET", "POST", "PUT")
_PATHS = ("/healthz", "/api/v1/items", "/api/v1/orders", "/", "/metrics")


class Line(NamedTuple):
    """One line: its time in seconds since the epoch, its text without a line break."""

    time: float
    text: str


class Log:
    """One life of a container."""

    def __init__(self, container: Container, life: Life) -> None:
        self._container = container
        self._seed = zlib.crc32(f"{container.pod['metadata'].get('uid', '')}/{container.name}/{life.restarts}".encode())
        self._start = parse_time(life.started) or 0.0
        self._end = parse_time(life.ended)
        self._code = life.code
        self._fails = fate(container.image) is not Fate.RUNS
        self._period = 4.0 + self._seed % 80 / 10
        self._silent = False
        self._head = self._beginning()

    @property
    def ended(self) -> bool:
        return self._end is not None

    def stop(self, now: float) -> None:
        """The container is gone, and nobody knows with what it ended."""
        self._end = now
        self._silent = True

    def lines(self, now: float) -> list[Line]:
        """What has been written by `now`, the oldest first."""
        last = now if self._end is None else min(now, self._end)
        found = list(self._head)
        steady = max(0, int((last - self._start - 1.0) / self._period))
        found += [self._steady(number) for number in range(max(0, steady - KEPT), steady)]
        if self._end is not None and not self._silent:
            found += self._ending(max(self._end, found[-1].time))
        return found[-KEPT:]

    def after(self, time: float, now: float) -> Iterator[Line]:
        """What was written after `time`, up to `now`."""
        lines = self.lines(now)
        yield from lines[bisect_right(lines, time, key=lambda line: line.time) :]

    def next_in(self, now: float) -> float:
        """Seconds until the next line."""
        passed = max(0.0, now - self._start - 1.0)
        return max(0.01, self._period - passed % self._period)

    def _beginning(self) -> list[Line]:
        ports = self._container.ports
        texts = [
            f"starting {self._container.name} from {self._container.image}",
            f"pod {self._container.namespace}/{self._container.pod_name}, pid 1",
            *(f"listening on :{port}" for port in ports),
            "ready",
        ]
        if self._fails:
            texts[-1:] = ["loading configuration"]
        return [Line(self._start + 0.001 * at, text) for at, text in enumerate(texts)]

    def _steady(self, number: int) -> Line:
        chance = zlib.crc32(number.to_bytes(8, "big"), self._seed)
        verb, path = _VERBS[chance % 5], _PATHS[chance // 5 % 5]
        text = f"{verb} {path} {500 if chance % 97 == 0 else 200} {1 + chance // 25 % 40}ms"
        return Line(self._start + 1.0 + (number + 1) * self._period, text)

    def _ending(self, end: float) -> list[Line]:
        if not self._code:
            return [Line(end, "done")]
        return [
            Line(end, "error: dial tcp 10.96.0.10:5432: connect: connection refused"),
            Line(end, f"fatal: giving up, exit status {self._code}"),
        ]
