"""Embedded API servers in a process of their own, for benchmarks.

Owns: `Servers`, which starts the process (`tests.bench.serving`) and asks it. What is measured must not share an
interpreter with what serves it, nor import it.
"""

from __future__ import annotations

import json
import subprocess
import sys
from types import TracebackType
from typing import Any

from backends.kube.context import ContextConfig


class Servers:
    """A process with `clusters` servers that hold `objects` objects each; a context manager.

    Args:
        kind: Application or Deployment.
        dead: how many more there are that refuse connections.
        hanging: how many more there are that accept them and never answer.
    """

    def __init__(self, clusters: int, objects: int, kind: str, *, dead: int = 0, hanging: int = 0) -> None:
        self._order = {"clusters": clusters, "objects": objects, "kind": kind, "dead": dead, "hanging": hanging}
        self._process: subprocess.Popen[str] | None = None
        self.contexts: list[ContextConfig] = []
        """Those that answer, then the dead ones, then the hanging ones."""

    def __enter__(self) -> Servers:
        command = [sys.executable, "-m", "tests.bench.serving", json.dumps(self._order)]
        self._process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
        self.contexts = [ContextConfig(**found) for found in self._ask("")]
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        assert self._process is not None
        self._process.communicate()

    def cpu(self) -> float:
        """Seconds of processor that the servers have used."""
        return float(self._ask("cpu"))

    def _ask(self, question: str) -> Any:
        assert self._process is not None
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        self._process.stdin.write(f"{question}\n")
        self._process.stdin.flush()
        return json.loads(self._process.stdout.readline())
