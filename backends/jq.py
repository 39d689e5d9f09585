"""jq path expressions evaluated by a real jq, in a process of its own.

Owns: `JqWorker`, a `fleetui.ports.Jq`. Made by `fleetui.cli`, used by engines and by the differ for the expressions of
`ignoreDifferences` that compute. In this process an expression would hold Python's lock for as long as it likes, and
`$ENV` would show the environment; the other one (`backends.jq_child`) has neither, and ends with an expression that
takes too much. It is started for the first question and again after each end.
"""

from __future__ import annotations

import asyncio
import importlib.util
import os
import re
import signal
import socket
import subprocess
import sys
from collections.abc import Callable, Mapping
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any, TypeVar

import msgspec

from backends.jq_child import ANSWER, INVALID, MEGABYTES, PATHS, QUESTION, SECONDS
from fleetui.model.errors import ExpressionError
from fleetui.model.text import cut_middle, one_line, quoted
from fleetui.ports import PathExpressions

T = TypeVar("T")

PATIENCE = 10.0
"""Seconds without a byte from a process that has more than enough with one: it has been stopped, or the machine has."""
_WORDS = 200
"""Characters of what jq says of an expression that are told."""
_CHILD = Path(__file__).with_name("jq_child.py")
_COMPILE_ERROR = re.compile(r"jq: error: (.*?)(?: at <top-level>.*)?\n")
_KEPT = ("LD_LIBRARY_PATH", "DYLD_LIBRARY_PATH")
"""Of the environment: a Python may need them to start. They are gone before jq is there."""

# gojq goes through maps in the order of their keys, jq in that of the object: sorted, both are the same.
_encoder = msgspec.json.Encoder(order="sorted")


class JqWorker:
    """A thread that waits and a process that evaluates; neither is there before the first expression. `close` it."""

    def __init__(self) -> None:
        self._thread = ThreadPoolExecutor(max_workers=1, thread_name_prefix="jq")
        self._child: _Child | None = None
        self._closed = False

    @property
    def pid(self) -> int | None:
        """The other process's; None while there is none."""
        return None if self._child is None else self._child.process.pid

    async def run(self, work: Callable[[PathExpressions], T]) -> T:
        """As `fleetui.ports.Jq.run`; given up before its turn, `work` is not called.

        Raises:
            ExpressionError: `close` was called.
        """
        if self._closed:
            raise ExpressionError("no expression is evaluated any more: fleetui is ending")
        return await asyncio.get_running_loop().run_in_executor(self._thread, work, self.paths)

    def paths(self, expression: str, obj: Mapping[str, Any]) -> list[list[Any]]:
        """As `fleetui.ports.PathExpressions`; for one thread at a time."""
        named = quoted(expression)
        try:
            text = _encoder.encode(obj)
        except (TypeError, ValueError, OverflowError, RecursionError) as error:
            raise ExpressionError(f"{named} can't be evaluated on an object that is no JSON: {error}") from error
        child = self._running(named)
        try:
            kind, body = child.ask(expression.encode(errors="replace"), text)
        except OSError as error:
            raise ExpressionError(f"{named} {_ended(child.end(), late=isinstance(error, TimeoutError))}") from error
        if kind == PATHS:
            found: list[list[Any]] = msgspec.json.decode(body)
            return found
        words = body.decode(errors="replace")
        raise ExpressionError(f"{named} {_is_no_jq(words) if kind == INVALID else words}")

    def close(self) -> None:
        """Ends both; what waits is given up."""
        self._closed = True
        if self._child is not None:
            # The thread may be waiting for it, and sees its end.
            self._child.process.kill()
        self._thread.shutdown(cancel_futures=True)
        if self._child is not None:
            self._child.end()

    def _running(self, named: str) -> _Child:
        if self._child is not None and self._child.process.poll() is None:
            return self._child
        if self._child is not None:
            self._child.end()
        package = importlib.util.find_spec("jq")
        if package is None or package.origin is None:
            raise ExpressionError(f"{named} computes, and jq is not installed", "pip install 'fleetui[jq]'")
        try:
            self._child = _Child(str(Path(package.origin).parent))
        except OSError as error:
            raise ExpressionError(f"{named} can't be evaluated: no process can be started: {error}") from error
        if self._closed:  # whoever closed may have looked before it was there
            self._child.end()
            raise ExpressionError(f"{named} is not evaluated any more: fleetui is ending")
        return self._child


class _Child:
    """One life of the other process."""

    def __init__(self, packages: str) -> None:
        self._link, theirs = socket.socketpair()
        with theirs:
            try:
                self.process: subprocess.Popen[bytes] = subprocess.Popen(
                    [sys.executable, "-I", "-S", str(_CHILD), packages],
                    stdin=theirs.fileno(),
                    stdout=subprocess.DEVNULL,
                    stderr=subprocess.DEVNULL,
                    cwd="/",
                    env={name: os.environ[name] for name in _KEPT if name in os.environ},
                    # ctrl+c in the terminal is for this process.
                    start_new_session=True,
                )
            except OSError:
                self._link.close()
                raise

    def ask(self, expression: bytes, obj: bytes) -> tuple[int, bytes]:
        """What it answers (see `backends.jq_child`).

        Raises:
            OSError: it has ended, or is silent (TimeoutError).
        """
        self._link.settimeout(PATIENCE)
        self._link.sendall(QUESTION.pack(len(expression), len(obj)) + expression + obj)
        kind, length = ANSWER.unpack(self._received(ANSWER.size))
        return kind, self._received(length)

    def end(self) -> int:
        """Ends it, where it has not ended; returns how it did."""
        self._link.close()
        if self.process.poll() is None:
            self.process.kill()
        return self.process.wait()

    def _received(self, length: int) -> bytes:
        parts = bytearray()
        while len(parts) < length:
            part = self._link.recv(min(length - len(parts), 2**20))
            if not part:
                raise ConnectionResetError
            parts += part
        return bytes(parts)


def _is_no_jq(words: str) -> str:
    error = _COMPILE_ERROR.match(words)
    return f"is no jq: {cut_middle(one_line(error[1] if error else words), _WORDS)}"


def _ended(status: int, *, late: bool) -> str:
    if late:
        return f"gave no answer within {PATIENCE:g} s and was stopped"
    if status == -signal.SIGPROF:
        return f"did not end within {SECONDS:g} s and was stopped"
    how = f"signal {-status}" if status < 0 else f"status {status}"
    return f"ended the process that evaluates it ({how}); it may need more than {MEGABYTES} MB of memory"
