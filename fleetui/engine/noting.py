"""What a rendering looked at, so that it can be told later whether it would come out the same.

Owns: `NotedTree` and `unchanged`. Called by `fleetui.engine.rendering`. A path that was looked for and is not there
counts: the file may come. Never here: what is rendered.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from fleetui.model.errors import FleetError
from fleetui.renderports import Files, Tree


class NotedTree:
    """A `Tree` that notes, in `seen`, the ids of what is looked at. For the one thread that renders."""

    def __init__(self, tree: Tree) -> None:
        self._tree = tree
        self.seen: dict[str, str] = {}

    @property
    def sha(self) -> str:
        return self._tree.sha

    def oid(self, path: str) -> str:
        self.seen[path] = found = self._tree.oid(path)
        return found

    def files(self, folder: str) -> Files:
        try:
            return _NotedFiles(self, self._tree.files(folder), folder)
        except FleetError:
            # That it is no folder, or may not be read, is what was found: it holds until the commit has another root.
            self.oid(folder)
            self.oid("")
            raise


def unchanged(seen: Mapping[str, str], tree: Tree) -> bool:
    """Whether a tree is still as it was `seen`."""
    return all(tree.oid(path) == oid for path, oid in seen.items())


class _NotedFiles(Mapping[str, bytes]):
    def __init__(self, tree: NotedTree, files: Files, folder: str) -> None:
        self._tree = tree
        self._files = files
        self._folder = folder
        self._whole = False

    def __getitem__(self, path: str) -> bytes:
        self._look(path)
        return self._files[path]

    def __contains__(self, path: object) -> bool:
        if isinstance(path, str):
            self._look(path)
        return path in self._files

    def __iter__(self) -> Iterator[str]:
        self._look_at_all()
        return iter(self._files)

    def __len__(self) -> int:
        self._look_at_all()
        return len(self._files)

    def _look(self, path: str) -> None:
        if not self._whole:
            self._tree.oid(f"{self._folder}/{path}" if self._folder else path)

    def _look_at_all(self) -> None:
        if not self._whole:
            self._tree.oid(self._folder)
            self._whole = True
