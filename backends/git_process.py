"""Git processes: how they are run, with which environment, and how they end.

Owns: `Processes`, `environment`, `make_folder`. Called by `backends.git_mirror` and `backends.git_reader` on executor
threads. GitPython's own commands inherit the whole environment and can't be ended from another thread, so processes are
started here.
"""

from __future__ import annotations

import os
import signal
import subprocess
import threading
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from fleetui.model.errors import FleetError

SSH_OPTIONS = ("-o", "BatchMode=yes", "-o", "ConnectTimeout=15")
"""What every ssh of ours is told: it never asks, and a dead host ends it."""

_KEPT = frozenset({"GIT_SSL_CAINFO", "GIT_SSL_CAPATH", "GIT_SSH_COMMAND"})
_CONFIG = (
    ("protocol.ext.allow", "never"),
    ("core.hooksPath", "/dev/null"),
    ("core.fsmonitor", "false"),
    ("core.askPass", ""),
    ("credential.helper", ""),
    ("fetch.recurseSubmodules", "false"),
    ("gc.autoDetach", "false"),
    ("http.lowSpeedLimit", "1000"),
    ("http.lowSpeedTime", "30"),
)


def not_installed() -> FleetError:
    return FleetError("git is not installed", "install it, for example with: apt-get install git")


class GitTimeoutError(Exception):
    """A git process ran longer than it was allowed to; it has been ended."""


@dataclass(frozen=True)
class Result:
    """How a git process ended."""

    code: int
    stdout: bytes
    stderr: str


class Processes:
    """Runs git and knows what runs, so that all of it can be ended.

    Args:
        home: a folder of ours that is no repository: where git is started, so that no repository's settings count.
    """

    def __init__(self, home: Path) -> None:
        self._home = home
        self._running: set[subprocess.Popen[bytes]] = set()
        self._lock = threading.Lock()
        self._closed = False

    def run(
        self,
        arguments: Sequence[str | Path],
        *,
        stdin: bytes = b"",
        config: Sequence[tuple[str, str]] = (),
        variables: Mapping[str, str] | None = None,
        held: Sequence[int] = (),
        timeout: float,
    ) -> Result:
        """Runs ``git ARGUMENTS`` to its end and returns it, whatever its exit status; blocks.

        Args:
            config: settings for this process alone; they are not visible in the list of processes.
            variables: environment variables of this process alone.
            held: file descriptors (locks) that the process keeps open as long as it lives.
            timeout: seconds.

        Raises:
            GitTimeoutError: it took longer, and was ended.
            FleetError: git is not installed, or `close` was called.
        """
        env = environment(self._home, config) | dict(variables or {})
        process = self._start(["git", *(str(argument) for argument in arguments)], env, held)
        try:
            stdout, stderr = process.communicate(stdin, timeout=timeout)
        except subprocess.TimeoutExpired as error:
            _end(process)
            process.communicate()
            raise GitTimeoutError(f"no answer within {timeout:g} seconds") from error
        finally:
            with self._lock:
                self._running.discard(process)
        if self._closed:
            raise FleetError("fleetui is ending")
        return Result(process.returncode, stdout, stderr.decode(errors="replace"))

    @property
    def closed(self) -> bool:
        return self._closed

    def close(self) -> None:
        """Ends what runs; nothing can be started any more."""
        with self._lock:
            self._closed = True
            running = list(self._running)
        for process in running:
            _end(process)

    def _start(self, command: list[str], env: Mapping[str, str], held: Sequence[int]) -> subprocess.Popen[bytes]:
        make_folder(self._home)
        with self._lock:
            if self._closed:
                raise FleetError("fleetui is ending")
            try:
                process = subprocess.Popen(
                    command,
                    stdin=subprocess.PIPE,
                    stdout=subprocess.PIPE,
                    stderr=subprocess.PIPE,
                    cwd=self._home,
                    env=env,
                    pass_fds=held,
                    # Without a terminal of its own ssh can't ask anything, and its children end with it.
                    start_new_session=True,
                )
            except FileNotFoundError as error:
                raise not_installed() from error
            self._running.add(process)
        return process


def make_folder(path: Path) -> None:
    """Makes a folder of the cache, for this user alone.

    Raises:
        FleetError: it can't be made.
    """
    try:
        path.mkdir(mode=0o700, parents=True, exist_ok=True)
    except OSError as error:
        hint = "set XDG_CACHE_HOME to a folder that you may write"
        raise FleetError(f"the cache folder {path} can't be made: {error.strerror}", hint) from error


def environment(home: Path, config: Sequence[tuple[str, str]] = ()) -> dict[str, str]:
    """The environment of a git process: the operator's own, without what could make Git ask, run something, or read
    other settings than ours."""
    env = {name: value for name, value in os.environ.items() if not name.startswith("GIT_") or name in _KEPT}
    env.pop("SSH_ASKPASS", None)
    env |= {
        "LC_ALL": "C",
        "LANGUAGE": "C",
        "GIT_TERMINAL_PROMPT": "0",
        "GIT_CONFIG_GLOBAL": "/dev/null",
        "GIT_CONFIG_SYSTEM": "/dev/null",
        "GIT_CONFIG_NOSYSTEM": "1",
        "GIT_ATTR_NOSYSTEM": "1",
        "GIT_CEILING_DIRECTORIES": str(home.parent),
        "GIT_ALLOW_PROTOCOL": "file:git:http:https:ssh",
        "GIT_LFS_SKIP_SMUDGE": "1",
        "GIT_NO_REPLACE_OBJECTS": "1",
        "GIT_OPTIONAL_LOCKS": "0",
        "GIT_SSH_COMMAND": " ".join([env.get("GIT_SSH_COMMAND", "ssh"), *SSH_OPTIONS]),
        "SSH_ASKPASS_REQUIRE": "never",
    }
    pairs = [*_CONFIG, *config]
    env["GIT_CONFIG_COUNT"] = str(len(pairs))
    for index, (key, value) in enumerate(pairs):
        env[f"GIT_CONFIG_KEY_{index}"] = key
        env[f"GIT_CONFIG_VALUE_{index}"] = value
    return env


def _end(process: subprocess.Popen[bytes]) -> None:
    # The group: git's helpers (ssh, git-remote-https) would go on for a while by themselves.
    with suppress(ProcessLookupError, PermissionError):
        os.killpg(process.pid, signal.SIGKILL)
