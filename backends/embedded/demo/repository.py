"""Real Git repositories on disk, written without a checkout.

Owns: `DemoRepository` and `PastCommit`. Called by `fleet`, `story` and tests. Everything is written by
``git fast-import``: one process for a whole history, however many files it has.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import threading
import time
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple

from backends.embedded.demo.people import Person
from fleetui.model.errors import GitError

BRANCH = "refs/heads/main"


@dataclass(frozen=True)
class PastCommit:
    """One commit of a history.

    `when` is in seconds since the epoch; in `files` None deletes a path, and a folder with it.
    """

    files: Mapping[str, str | None]
    subject: str
    author: Person
    when: float


class LoggedCommit(NamedTuple):
    """A commit as it is in the repository; `when` in seconds since the epoch."""

    sha: str
    when: float
    subject: str


class DemoRepository:
    """A bare repository with one branch, ``main``.

    Args:
        path: where it lies; made where it does not exist.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self._lock = threading.RLock()
        if not (path / "HEAD").exists():
            path.mkdir(parents=True, exist_ok=True)
            _git(path, "init", "--quiet", "--bare", "--initial-branch=main", "--template=", ".")

    @property
    def url(self) -> str:
        """The URL under which an Application names it."""
        return self.path.resolve().as_uri()

    @property
    def head(self) -> str:
        """The SHA of the newest commit; empty where there is none."""
        return self.resolve("main")

    def resolve(self, revision: str) -> str:
        """The SHA of a revision in Git's own grammar; empty where it does not exist."""
        command = ("rev-parse", "--quiet", "--verify", "--end-of-options", f"{revision}^{{commit}}")
        return _git(self.path, *command, check=False).strip()

    def find(self, subject: str) -> str:
        """The SHA of the newest commit with that subject, or of ``main`` for ``HEAD``; empty where there is none."""
        if subject == "HEAD":
            return self.head
        return next((commit.sha for commit in self.log() if commit.subject == subject), "")

    def log(self) -> list[LoggedCommit]:
        """The commits of ``main``, newest first."""
        lines = (line.split(" ", 2) for line in _git(self.path, "log", "--format=%H %at %s", "main").splitlines())
        return [LoggedCommit(sha, float(when), subject) for sha, when, subject in lines]

    def file(self, path: str, revision: str = "main") -> str | None:
        """A file's text in a revision, or None."""
        found = _git(self.path, "ls-tree", "--name-only", revision, "--", path, check=False).strip()
        return _git(self.path, "show", f"{revision}:{path}") if found else None

    def commit(
        self, files: Mapping[str, str | None], subject: str, author: Person, *, when: float | None = None
    ) -> str:
        """Commits a change on ``main`` and returns its SHA; blocks for some 10 ms, callable on any thread.

        Args:
            files: path to new text; None deletes the path, be it a file or a folder.
            subject: the commit's message.
            author: also the committer.
            when: seconds since the epoch; now where it is None.

        Raises:
            GitError: git could not be run or refused.
        """
        with self._lock:
            self.write([PastCommit(files, subject, author, time.time() if when is None else when)])
            return self.head

    def edit(self, path: str, change: Callable[[str], str], subject: str, *, author: Person) -> str:
        """Commits what `change` makes of one file's text (empty where there is no such file); returns the SHA.

        Raises:
            GitError: git could not be run or refused.
        """
        with self._lock:
            return self.commit({path: change(self.file(path) or "")}, subject, author)

    def write(self, history: Iterable[PastCommit]) -> None:
        """Adds commits to ``main``, oldest first.

        Raises:
            GitError: git could not be run or refused.
        """
        with self._lock:
            head = self.head
            stream = [_entry(commit, parent="" if number else head) for number, commit in enumerate(history)]
            _git(self.path, "fast-import", "--quiet", "--done", stdin=b"".join([*stream, b"done\n"]))


def _entry(commit: PastCommit, *, parent: str) -> bytes:
    name = commit.author.name.replace("<", "").replace(">", "")
    stamp = f"{name} <{commit.author.email}> {int(commit.when)} +0000"
    lines = [f"commit {BRANCH}\nauthor {stamp}\ncommitter {stamp}\n".encode(), _data(commit.subject + "\n")]
    if parent:
        lines.append(f"from {parent}\n".encode())
    for path, text in commit.files.items():
        quoted = '"' + path.replace("\\", "\\\\").replace('"', '\\"').replace("\n", "\\n") + '"'
        if text is None:
            lines.append(f"D {quoted}\n".encode())
        else:
            lines += [f"M 100644 inline {quoted}\n".encode(), _data(text)]
    return b"".join([*lines, b"\n"])


def _data(text: str) -> bytes:
    body = text.encode()
    return b"data %d\n%b\n" % (len(body), body)


def _git(folder: Path, *arguments: str, stdin: bytes = b"", check: bool = True) -> str:
    """Runs git away from the user's own settings and hooks."""
    program = shutil.which("git")
    if program is None:
        raise GitError("git is not installed", "install it, for example with apt-get install git", url=str(folder))
    kept = {key: value for key, value in os.environ.items() if not key.startswith("GIT_")}
    lone = {"GIT_CONFIG_NOSYSTEM": "1", "GIT_CONFIG_GLOBAL": os.devnull, "GIT_TERMINAL_PROMPT": "0", "LC_ALL": "C"}
    command = [program, "-c", "core.hooksPath=/dev/null", *arguments]
    done = subprocess.run(command, cwd=folder, input=stdin, capture_output=True, env={**kept, **lone}, check=False)
    if check and done.returncode:
        text = done.stderr.decode(errors="replace").strip()
        raise GitError(f"git {arguments[0]} failed in {folder}: {text}", url=str(folder))
    return done.stdout.decode(errors="replace")
