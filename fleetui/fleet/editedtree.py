"""A commit's files as they would be after an edit that nobody has committed.

Owns: `Edited`, a repository as far as trees are read from it. Called by `fleetui.fleet.desired`, which renders what a
rollout is about to write.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Mapping

from fleetui.engine.loading import Trees
from fleetui.renderports import Files, Tree


class Edited:
    """The trees of a repository, each with some files (by their paths from its root) as they are to be."""

    def __init__(self, repository: Trees, edited: Mapping[str, bytes]) -> None:
        self._repository = repository
        self._edited = edited

    async def tree(self, sha: str) -> Tree:
        return _Tree(await self._repository.tree(sha), self._edited)


class _Tree:
    def __init__(self, tree: Tree, edited: Mapping[str, bytes]) -> None:
        self._tree = tree
        self._edited = edited

    @property
    def sha(self) -> str:
        # Another one than the commit's: what was rendered of that is not what this renders to.
        return _digest(self._tree.sha, self._edited)

    def oid(self, path: str) -> str:
        within = {each: content for each, content in self._edited.items() if _is_in(each, path)}
        return _digest(self._tree.oid(path), within) if within else self._tree.oid(path)

    def files(self, folder: str) -> Files:
        start = len(folder) + 1 if folder else 0
        within = {each[start:]: content for each, content in self._edited.items() if _is_in(each, folder)}
        return _Files(self._tree.files(folder), within)


class _Files(Mapping[str, bytes]):
    def __init__(self, files: Files, edited: Mapping[str, bytes]) -> None:
        self._files = files
        self._edited = edited

    def __getitem__(self, path: str) -> bytes:
        return self._edited[path] if path in self._edited else self._files[path]

    def __contains__(self, path: object) -> bool:
        return path in self._edited or path in self._files

    def __iter__(self) -> Iterator[str]:
        # Edits are of files that there are.
        return iter(self._files)

    def __len__(self) -> int:
        return len(self._files)


def _is_in(path: str, folder: str) -> bool:
    return not folder or path == folder or path.startswith(f"{folder}/")


def _digest(oid: str, edited: Mapping[str, bytes]) -> str:
    found = hashlib.sha256(oid.encode())
    for path, content in sorted(edited.items()):
        found.update(f"\0{path}\0".encode() + content)
    return found.hexdigest()
