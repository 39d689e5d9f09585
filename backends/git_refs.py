"""A cheap look at the references of a repository on this machine.

Owns: `fingerprint`. Called by `backends.git_repository` every quarter of a second on an executor thread, in place of a
git process: a commit, a new tag, a switch of branches each change a file's status.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

Fingerprint = tuple[tuple[str, int, int, int], ...]


def fingerprint(folder: Path) -> Fingerprint:
    """Something that differs after the references of the repository at `folder` changed; empty where there is none."""
    home = git_dir(folder)
    if home is None:
        return ()
    common = _common_dir(home)
    return tuple(sorted({*_look(home / "HEAD"), *_look(common / "packed-refs"), *_walk(common)}))


def git_dir(folder: Path) -> Path | None:
    """The Git directory that a path names, tried in git's own order (path.c, `enter_repo`)."""
    for candidate in (folder / ".git", folder, folder.with_name(f"{folder.name}.git")):
        if candidate.is_file():
            with suppress(OSError, UnicodeDecodeError):
                word, _, target = candidate.read_text().partition("gitdir:")
                if not word.strip() and target.strip():
                    return candidate.parent / target.strip()
        elif (candidate / "HEAD").is_file():
            return candidate
    return None


def _common_dir(home: Path) -> Path:
    """Where the references of a linked worktree lie; of any other repository: `home` itself."""
    try:
        return home / (home / "commondir").read_text().strip()
    except (OSError, UnicodeDecodeError):
        return home


def _walk(common: Path) -> Iterator[tuple[str, int, int, int]]:
    # Reftable repositories keep one list of tables in place of the files below refs.
    pending = [common / "refs", common / "reftable"]
    while pending:
        with suppress(OSError), os.scandir(pending.pop()) as found:
            for item in found:
                if item.is_dir(follow_symlinks=False):
                    pending.append(Path(item.path))
                elif not item.name.endswith(".lock"):
                    yield from _look(Path(item.path))


def _look(path: Path) -> Iterator[tuple[str, int, int, int]]:
    with suppress(OSError):
        status = path.stat()
        yield str(path), status.st_mtime_ns, status.st_ino, status.st_size
