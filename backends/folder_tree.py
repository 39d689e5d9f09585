"""A folder of this machine as a tree.

Owns: `FolderTree`, which implements `fleetui.renderports.Tree` for `fleetui render PATH`: files as they lie there, not
as a commit has them. Blocking: for threads. Never here: Git.
"""

from __future__ import annotations

import hashlib
import os
from collections.abc import Iterator, Mapping
from pathlib import Path

from fleetui.model.errors import PathNotFoundError, RefusedError, UsageError
from fleetui.renderports import Files


class FolderTree:
    """The files below `root`, but for those of Git itself. A symbolic link must not lead out of it."""

    sha = ""

    def __init__(self, root: Path) -> None:
        self._root = root.resolve()

    def oid(self, path: str) -> str:
        found = self._root / path
        if found.is_file():
            return hashlib.sha256(_read(found)).hexdigest()
        return "folder" if found.is_dir() else ""

    def files(self, folder: str) -> Files:
        found = self._root / folder
        if not found.is_dir():
            raise PathNotFoundError(f"there is no folder {found}")
        return _FolderFiles(self._root, found)


class _FolderFiles(Mapping[str, bytes]):
    def __init__(self, root: Path, folder: Path) -> None:
        self._root = root
        self._folder = folder

    def __getitem__(self, path: str) -> bytes:
        file = self._folder / path
        if not file.is_file():
            raise KeyError(path)
        if not file.resolve().is_relative_to(self._root):
            raise RefusedError(f"illegal filepath in symlink at {file.relative_to(self._root)}")
        return _read(file)

    def __contains__(self, path: object) -> bool:
        return isinstance(path, str) and (self._folder / path).is_file()

    def __iter__(self) -> Iterator[str]:
        for folder, folders, names in os.walk(self._folder):
            folders[:] = [name for name in folders if name != ".git"]
            for name in names:
                file = Path(folder, name)
                if file.is_file():
                    yield file.relative_to(self._folder).as_posix()

    def __len__(self) -> int:
        return sum(1 for _ in self)


def _read(file: Path) -> bytes:
    try:
        return file.read_bytes()
    except OSError as error:
        raise UsageError(f"{file} can't be read: {error.strerror}") from error
