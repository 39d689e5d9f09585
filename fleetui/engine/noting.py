"""What a rendering looked at, so that it can be told later whether it would come out the same.

Owns: `NotedTree` and `Seen`. Called by `fleetui.engine.rendering`. A path that was looked for and is not there
counts: the file may come. Never here: what is rendered.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field

from fleetui.model.errors import FleetError
from fleetui.renderports import Files, Tree


@dataclass
class Seen:
    """What was looked at of the tree `sha`: the ids of files and of whole folders, and where no file was."""

    sha: str
    oids: dict[str, str] = field(default_factory=dict)
    absent: set[str] = field(default_factory=set)

    def __bool__(self) -> bool:
        return bool(self.oids or self.absent)

    def is_in(self, tree: Tree) -> bool:
        """Whether a tree has all of it, as it was."""
        if self.sha and tree.sha == self.sha:
            return True
        try:
            files = tree.files("")
        except FleetError:
            # A link leads out of it: refused, whatever else it holds. Or it is a chart that nobody has fetched.
            return False
        same = all(tree.oid(path) == oid for path, oid in self.oids.items())
        return same and not any(path in files for path in self.absent)


class NotedTree:
    """A `Tree` that notes in `seen` what is looked at. For the one thread that renders."""

    def __init__(self, tree: Tree) -> None:
        self._tree = tree
        self.seen = Seen(tree.sha)

    @property
    def sha(self) -> str:
        return self._tree.sha

    def oid(self, path: str) -> str:
        self.seen.oids[path] = found = self._tree.oid(path)
        return found

    def files(self, folder: str) -> Files:
        try:
            return _NotedFiles(self, self._tree.files(folder), folder)
        except FleetError:
            # That it is no folder, or may not be read, is what was found: it holds until the commit has another root.
            self.oid(folder)
            self.oid("")
            raise


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
        return isinstance(path, str) and self._look(path)

    def __iter__(self) -> Iterator[str]:
        self._look_at_all()
        return iter(self._files)

    def __len__(self) -> int:
        self._look_at_all()
        return len(self._files)

    def _look(self, path: str) -> bool:
        there = path in self._files
        if not self._whole:
            whole = f"{self._folder}/{path}" if self._folder else path
            if there:
                self._tree.oid(whole)
            else:
                self._tree.seen.absent.add(whole)
        return there

    def _look_at_all(self) -> None:
        if not self._whole:
            self._tree.oid(self._folder)
            self._whole = True
