"""One commit's files, read when they are asked for.

Owns: `MirrorTree` and `TreeFiles`, which implement `fleetui.renderports.Tree` and `Files` over a mirror. Blocking: for
threads. Which paths there are is in `backends.git_objects`; processes are run by the `contents` that a tree is given.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping

from backends.git_objects import CommitTree, Entry, shown_path
from fleetui.model.errors import GitError, PathNotFoundError, RefusedError
from fleetui.model.text import one_line
from fleetui.renderports import Files

LARGEST_FILE = 16 * 1024 * 1024
"""Bytes of the largest file that is read: the manifests of one source may have 10 MB together."""
_LARGEST_NEIGHBOUR = 1024 * 1024
_MOST_NEIGHBOURS = 5000
_ONE_READ = 16 * 1024 * 1024
"""Bytes up to which the neighbours of a file are read with it."""

_POINTERS = (b"version https://git-lfs.github.com/spec/v1\n", b"version https://hawser.github.com/spec/v1\n")
"""How the files begin that stand for others in Git LFS (its specification, docs/spec.md)."""
_RENDERED = (".yaml", ".yml", ".json", ".jsonnet", ".libsonnet", ".tpl", ".tgz", "/Kustomization")
"""Names of manifests, charts, kustomizations and values. Who copies a whole chart or repository reads pictures too."""

Contents = Callable[[Iterable[str]], Mapping[str, bytes]]
"""Blobs by their ids."""


class MirrorTree:
    """See `fleetui.renderports.Tree`. `shown` names the repository in messages."""

    def __init__(self, tree: CommitTree, sha: str, shown: str, contents: Contents) -> None:
        self._tree = tree
        self._sha = sha
        self._shown = shown
        self._contents = contents

    @property
    def sha(self) -> str:
        return self._sha

    def oid(self, path: str) -> str:
        found = self._tree.follow(path)
        return "" if found is None else self._tree.oid(found)

    def files(self, folder: str) -> Files:
        outside = self._tree.outside
        if outside:
            # util/app/path/path.go, CheckOutOfBoundsSymlinks: one such link, and nothing of the commit is read.
            message = f"repository contains out-of-bounds symlinks. file: {one_line(outside)}"
            raise RefusedError(message)
        found = self._tree.follow(folder)
        if found is None or not self._tree.is_folder(found):
            what = "is a file, not a folder," if found and self._tree.is_file(found) else "does not exist"
            message = f"the path {one_line(folder)!r} {what} in commit {self._sha[:7]} of {self._shown}"
            raise PathNotFoundError(message, "check spec.source.path", url=self._shown)
        return TreeFiles(self._tree, found, self._shown, self._contents)


def _is_rendered(path: str) -> bool:
    return f"/{path}".endswith(_RENDERED)


class TreeFiles(Mapping[str, bytes]):
    """The files below one folder, by their path relative to it; a symbolic link is the file that it leads to.

    Reading one reads its neighbours too, so that a folder costs one process and not one for each file.
    """

    def __init__(self, tree: CommitTree, folder: str, shown: str, contents: Contents) -> None:
        self._tree = tree
        self._folder = folder
        self._shown = shown
        self._contents = contents
        self._known: dict[str, bytes] = {}

    def __getitem__(self, path: str) -> bytes:
        entry = self._entry(path)
        if entry is None:
            raise KeyError(path)
        if entry.oid not in self._known:
            self._read(path, entry)
        content = self._known[entry.oid]
        if content.startswith(_POINTERS) and _is_rendered(path):
            where = one_line(f"{self._folder}/{path}".lstrip("/"))
            message = f"the file {where!r} of {self._shown} lies in Git LFS, which is not supported"
            raise GitError(message, "keep in Git itself what is rendered", url=self._shown)
        return content

    def __contains__(self, path: object) -> bool:
        return isinstance(path, str) and self._entry(path) is not None

    def __iter__(self) -> Iterator[str]:
        return (shown_path(name) for name, _ in self._tree.files(self._folder))

    def __len__(self) -> int:
        return sum(1 for _ in self._tree.files(self._folder))

    def _entry(self, path: str) -> Entry | None:
        """The file at a path, also one that leads through links to folders, which listing does not go into."""
        found = self._tree.follow(f"{self._folder}/{path}")
        entry = None if found is None else self._tree.file(found)
        if entry is None and "\ufffd" in path:
            # A name that was made harmless when it was listed.
            return next((each for name, each in self._tree.files(self._folder) if shown_path(name) == path), None)
        return entry

    def _read(self, path: str, entry: Entry) -> None:
        if entry.size > LARGEST_FILE:
            message = f"the file {one_line(path)!r} of {self._shown} is larger than {LARGEST_FILE >> 20} MiB"
            raise GitError(message, "keep what is that large elsewhere", url=self._shown)
        beside = f"{self._folder}/{path.rpartition('/')[0]}".strip("/")
        near = self._near(self._folder) or self._near(self._tree.follow(beside) or "")
        self._known.update(self._contents({entry.oid, *near}))

    def _near(self, folder: str) -> list[str]:
        """What to read of a folder in one go: all of it but large files; nothing where that would be too much."""
        found, size = list[str](), 0
        for _, entry in self._tree.files(folder):
            if entry.size <= _LARGEST_NEIGHBOUR:
                found.append(entry.oid)
                size += entry.size
            if size > _ONE_READ or len(found) > _MOST_NEIGHBOURS:
                return []
        return found
