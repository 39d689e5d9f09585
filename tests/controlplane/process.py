"""Child processes that never outlive the tests: owns starting, stopping and the log of one component.

Called by server.py. Knows nothing of Kubernetes.
"""

from __future__ import annotations

import os
import random
import socket
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from functools import cache
from pathlib import Path

LOG_TAIL = 12
"""Lines of a log an error shows."""

# prctl(PR_SET_PDEATHSIG, SIGKILL) survives the exec. In a launcher instead of a preexec_fn, because Python
# warns of (and may deadlock in) that once there are threads. The parent may die before: hence getppid.
_LAUNCHER = """
import ctypes, os, sys
if sys.platform == "linux":
    ctypes.CDLL(None).prctl(1, 9)
if os.getppid() == int(sys.argv[1]):
    os.execv(sys.argv[2], sys.argv[2:])
"""


class ControlPlaneError(Exception):
    """The control plane did not do as told; one sentence, and the end of a log where there is one."""


class Component:
    """One server process with its log file; can be started again after it was stopped."""

    def __init__(self, name: str, command: list[str], *, folder: Path) -> None:
        self.name = name
        self.log = folder / f"{name}.log"
        self._command = command
        self._home = folder
        self._process: subprocess.Popen[bytes] | None = None

    @property
    def pid(self) -> int | None:
        """The process id; None while it is not running."""
        return self._process.pid if self._process and self._process.poll() is None else None

    def start(self) -> None:
        self._process = _spawner().submit(self._spawn).result()

    def _spawn(self) -> subprocess.Popen[bytes]:
        command = [sys.executable, "-I", "-S", "-c", _LAUNCHER, str(os.getpid()), *self._command]
        environment = {"PATH": os.environ.get("PATH", os.defpath), "HOME": str(self._home)}
        with self.log.open("ab") as log:
            return subprocess.Popen(
                command,
                cwd=self._home,
                env=environment,
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                start_new_session=True,  # a Ctrl-C is for the tests, which then stop this in order
            )

    def stop(self) -> None:
        """Kills the process and waits for its end; nothing where it does not run."""
        process, self._process = self._process, None
        if process is not None:
            process.kill()
            process.wait()

    def insist(self) -> None:
        """ControlPlaneError with the end of the log if the process ended by itself."""
        if self._process is not None and (code := self._process.poll()) is not None:
            raise self.failure(f"{self.name} ended with exit code {code}")

    def failure(self, sentence: str) -> ControlPlaneError:
        lines = self.log.read_text(errors="replace").splitlines()[-LOG_TAIL:] if self.log.exists() else []
        return ControlPlaneError("\n  ".join([f"{sentence}; the end of {self.log}:", *lines]))


@cache
def _spawner() -> ThreadPoolExecutor:
    """The one thread that starts processes, as long-lived as the program.

    The kernel's parent-death signal means the parent *thread*: a server started in a worker thread of one
    test would die with that worker.
    """
    return ThreadPoolExecutor(max_workers=1, thread_name_prefix="control-plane-spawner")


def free_ports(count: int) -> list[int]:
    """Loopback ports nobody listens on, all below the range the kernel gives to outgoing connections.

    A port of that range may be taken by any client while a stopped server is to come back on it; a client
    that retries a closed port of that range may even connect to itself.
    """
    found: set[int] = set()
    while len(found) < count:
        port = random.randrange(12_000, _first_ephemeral_port())
        if port not in found and _is_free(port):
            found.add(port)
    return sorted(found)


def _first_ephemeral_port() -> int:
    try:
        first = int(Path("/proc/sys/net/ipv4/ip_local_port_range").read_text().split()[0])
    except (OSError, ValueError, IndexError):
        return 32_768
    return first if first > 13_000 else 32_768


def _is_free(port: int) -> bool:
    with socket.socket() as candidate:
        try:
            candidate.bind(("127.0.0.1", port))
        except OSError:
            return False
    return True
