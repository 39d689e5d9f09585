"""What was fetched from repositories of charts, kept on disk.

Owns: `Store`. Archives lie by their SHA-256, and small notes say which belongs to what; several processes may use the
folder at once, because files appear whole or not at all. Called by `backends.charts`, on threads.
"""

from __future__ import annotations

import hashlib
import os
import re
import tempfile
import time
from contextlib import suppress
from pathlib import Path

from backends.git_process import make_folder

MOST = 2 * 1024**3
"""Bytes that the folder may have; what was used longest ago goes first."""


_DIGEST = re.compile(r"[0-9a-f]{64}")


class Store:
    """A folder of this user's cache.

    Args:
        folder: where; made (0700) when something is kept.
        most: bytes.
        check_every: bytes that are kept between two looks whether there is too much.
    """

    def __init__(self, folder: Path, *, most: int = MOST, check_every: int = 64 * 1024**2) -> None:
        self._folder = folder
        self._most = most
        self._check_every = check_every
        self._since_check = check_every

    def read(self, digest: str) -> bytes | None:
        """The content with a SHA-256 (hexadecimal); None where it is not there, or no longer what it was."""
        if _DIGEST.fullmatch(digest) is None:  # what an index says is a stranger's word, and would be a path
            return None
        path = self._folder / "content" / digest
        try:
            content = path.read_bytes()
        except OSError:
            return None
        if hashlib.sha256(content).hexdigest() != digest:
            with suppress(OSError):
                path.unlink()
            return None
        with suppress(OSError):
            os.utime(path)
        return content

    def keep(self, content: bytes) -> str:
        """Keeps `content` and returns its SHA-256. That a disk is full is no failure: it is fetched again."""
        digest = hashlib.sha256(content).hexdigest()
        self._write(self._folder / "content" / digest, content)
        self._since_check += len(content)
        if self._since_check >= self._check_every:
            self._since_check = 0
            self._trim()
        return digest

    def note(self, key: str) -> tuple[bytes, float] | None:
        """What was noted under `key`, and how many seconds ago."""
        path = self._note(key)
        try:
            return path.read_bytes(), max(0.0, time.time() - path.stat().st_mtime)
        except OSError:
            return None

    def write_note(self, key: str, content: bytes) -> None:
        self._write(self._note(key), content)

    def _note(self, key: str) -> Path:
        return self._folder / "notes" / hashlib.sha256(key.encode(errors="replace")).hexdigest()

    def _write(self, path: Path, content: bytes) -> None:
        make_folder(self._folder)
        make_folder(path.parent)
        with suppress(OSError):
            handle, name = tempfile.mkstemp(dir=path.parent, prefix=".new-")
            try:
                with os.fdopen(handle, "wb") as file:
                    file.write(content)
                Path(name).replace(path)
            except OSError:
                Path(name).unlink(missing_ok=True)

    def _trim(self) -> None:
        """Removes what was used longest ago until the rest fits, and what a process that was killed left."""
        found: list[tuple[float, int, Path]] = []
        for path in self._folder.glob("*/*"):
            with suppress(OSError):
                state = path.stat()
                found.append((state.st_mtime, state.st_size, path))
        total = sum(size for _, size, _ in found)
        hour_ago = time.time() - 3600
        for used, size, path in sorted(found):
            if total > self._most or (path.name.startswith(".new-") and used < hour_ago):
                with suppress(OSError):
                    path.unlink()
                    total -= size
