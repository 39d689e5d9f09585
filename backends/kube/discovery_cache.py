"""What API servers served the last time, on disk.

Owns: `DiscoveryCache`, one file for each server. Called by `backends.kube.served` on executor threads. It saves a
download, never a question: whether what is kept still holds is for the server to say, by the ETags that are kept with
it. So nothing is lost when a file is missing, and a file that is corrupt, too large, of another version of fleetui, or
that others may have written counts as missing. Processes may share the folder: files are replaced as a whole.
"""

from __future__ import annotations

import hashlib
import logging
import os
import stat
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import suppress
from pathlib import Path

import msgspec

from backends.kube.discovery import Document, Served, sane
from fleetui import __version__
from fleetui.model.text import one_line

_log = logging.getLogger(__name__)

_LARGEST = 8 * 2**20
"""Bytes; a server with a thousand custom resources needs half a megabyte."""
_MOST = 128
"""Files that are kept: those used last."""
_OLDEST = 30 * 86400.0
"""Seconds; servers that were not asked for so long are forgotten."""
_SUFFIX = ".json"
_OTHERS = stat.S_IWGRP | stat.S_IWOTH


class _File(msgspec.Struct, frozen=True):
    program: str
    identity: str
    served: Served


class DiscoveryCache:
    """What one server served.

    Args:
        folder: of all servers; made when there is something to keep.
        identity: tells this server from any other, such as its URL and certificate authority.
    """

    def __init__(self, folder: Path, *, identity: str) -> None:
        self._folder = folder
        self._identity = hashlib.sha256(identity.encode(errors="surrogateescape")).hexdigest()
        self._path = folder / f"{self._identity[:40]}{_SUFFIX}"

    def load(self) -> Served | None:
        """What was kept; None where there is nothing to be trusted. It was used, so it is kept for longer."""
        try:
            if not _is_ours(os.lstat(self._folder), stat.S_ISDIR):
                return None
            body = _read(self._path)
            found = msgspec.json.decode(body, type=_File) if body is not None else None
        except FileNotFoundError:
            return None
        except (OSError, msgspec.DecodeError, UnicodeDecodeError) as error:
            _log.info("%s is not used: %s", self._path, one_line(str(error)))
            return None
        if found is None or (found.program, found.identity) != (__version__, self._identity):
            return None
        with suppress(OSError):
            os.utime(self._path)
        served = found.served
        return Served(one_line(served.version), _cleaned(served.core), _cleaned(served.groups))

    def keep(self, served: Served) -> None:
        """Keeps what can be asked about again; a disk that is full or read-only is no error."""
        if not (served.core.etag and served.groups.etag):
            return
        body = msgspec.json.encode(_File(__version__, self._identity, served))
        if len(body) > _LARGEST:
            return
        try:
            self._folder.mkdir(mode=0o700, parents=True, exist_ok=True)
            if _is_ours(os.lstat(self._folder), stat.S_ISDIR):
                _replace(self._path, body)
                _prune(self._folder)
        except OSError as error:
            _log.info("%s is not written: %s", self._path, one_line(str(error)))


def _cleaned(document: Document) -> Document:
    failed = tuple(map(one_line, document.failed))
    # A tag is sent in a header, where a line break would end it.
    etag = document.etag if document.etag.isascii() and document.etag.isprintable() else ""
    return Document(tuple(filter(sane, document.resources)), failed, etag)


def _is_ours(found: os.stat_result, kind: Callable[[int], bool]) -> bool:
    """Whether it is of the kind, and nobody else may have written it."""
    return kind(found.st_mode) and found.st_uid == os.geteuid() and not found.st_mode & _OTHERS


def _read(path: Path) -> bytes | None:
    handle = os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_CLOEXEC | os.O_NONBLOCK)
    with os.fdopen(handle, "rb") as file:
        found = os.fstat(handle)
        if not _is_ours(found, stat.S_ISREG) or found.st_size > _LARGEST:
            return None
        return file.read(_LARGEST)


def _replace(path: Path, body: bytes) -> None:
    # mkstemp makes it readable for this user alone.
    handle, name = tempfile.mkstemp(prefix=".", dir=path.parent)
    try:
        with os.fdopen(handle, "wb") as file:
            file.write(body)
        Path(name).replace(path)
    except OSError:
        with suppress(OSError):
            Path(name).unlink()
        raise


def _prune(folder: Path) -> None:
    """Removes what was not used for long, the oldest of too many, and what killed processes left."""
    now = time.time()
    for place, (used, path) in enumerate(sorted(_entries(folder), reverse=True)):
        left = path.suffix != _SUFFIX and now - used > 3600
        if left or place >= _MOST or now - used > _OLDEST:
            with suppress(OSError):
                path.unlink()


def _entries(folder: Path) -> Iterator[tuple[float, Path]]:
    for entry in os.scandir(folder):
        # Another process may be pruning too.
        with suppress(OSError):
            if entry.is_file(follow_symlinks=False):
                yield entry.stat(follow_symlinks=False).st_mtime, Path(entry.path)
