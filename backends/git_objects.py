"""Trees and files of a commit, read from a mirror without a checkout.

Owns: `CommitTree` (every path of a commit), `read_tree` and `read_blobs`. Blocking: called by `backends.git_repository`
on executor threads. One `ls-tree` and one `cat-file` read 2,000 small files in some 15 ms; `git archive` would be
slower and obeys export attributes, which may hide or change manifests.
"""

from __future__ import annotations

from bisect import bisect_left
from collections import deque
from collections.abc import Iterable, Iterator, Mapping
from hashlib import sha256
from typing import NamedTuple

from backends.git_mirror import BrokenMirrorError, Mirror
from fleetui.model.text import sanitize

_SYMLINK = "120000"
_MAX_HOPS = 40


class Entry(NamedTuple):
    """One file of a commit: its mode, its blob, and its size in bytes."""

    mode: str
    oid: str
    size: int


class CommitTree:
    """The files of one commit by path.

    `targets` are the contents of the symbolic links, by path; `folders` the ids of the trees; `submodules` the commits
    of other repositories, whose files are not among these (`backends.git_submodules` joins them).
    """

    def __init__(
        self,
        entries: Mapping[str, Entry],
        targets: Mapping[str, str],
        folders: Mapping[str, str],
        submodules: Mapping[str, str] | None = None,
    ) -> None:
        self.by_path = entries
        self.targets = targets
        self.folders = folders
        self.submodules = submodules or {}
        self._paths = sorted(entries)
        self._linked = {parent for path in targets for parent in _parents(path)}
        self.outside = next((path for path in sorted(targets) if _leads_out(path, targets[path])), "")
        """A symbolic link that leads out of the commit, where there is one."""

    def entries(self) -> Iterable[Entry]:
        """Every file."""
        return self.by_path.values()

    def is_file(self, path: str) -> bool:
        return path in self.by_path

    def file(self, path: str) -> Entry | None:
        return self.by_path.get(path)

    def oid(self, path: str) -> str:
        """What names the content of a file or folder; empty where nothing is there."""
        entry = self.by_path.get(path)
        if entry is not None:
            return entry.oid
        if path not in self._linked:
            return self.folders.get(path, "")
        # What a link leads to is no part of the folder's own tree.
        content = sha256()
        for name, found in self.files(path):
            content.update(f"{name}\0{found.oid}\0".encode())
        return content.hexdigest()

    def is_folder(self, path: str) -> bool:
        """True for the root (``""``) and for what has files below it."""
        return path == "" or next(self._below(path), None) is not None

    def files(self, folder: str) -> Iterator[tuple[str, Entry]]:
        """The files below a folder, by their path relative to it.

        A symbolic link stands for the file it leads to within the commit; one that leads to a folder, outside, or
        nowhere is left out.
        """
        start = len(folder) + 1 if folder else 0
        for path in self._below(folder):
            entry = self.by_path[path]
            if entry.mode == _SYMLINK:
                target = self.by_path.get(self.follow(path) or "")
                if target is None:
                    continue
                entry = target
            yield path[start:], entry

    def follow(self, path: str) -> str | None:
        """`path` without symbolic links and dots; None where it leads outside the commit or in a circle."""
        rest, done, hops = deque(path.split("/")), list[str](), 0
        while rest:
            part = rest.popleft()
            if part in ("", "."):
                continue
            if part == "..":
                if not done:
                    return None
                done.pop()
                continue
            done.append(part)
            target = self.targets.get("/".join(done))
            if target is not None:
                hops += 1
                if hops > _MAX_HOPS or target.startswith("/"):
                    return None
                done.pop()
                rest.extendleft(reversed(target.split("/")))
        return "/".join(done)

    def _below(self, folder: str) -> Iterator[str]:
        prefix = f"{folder}/" if folder else ""
        index = bisect_left(self._paths, prefix)
        while index < len(self._paths) and self._paths[index].startswith(prefix):
            yield self._paths[index]
            index += 1


def _parents(path: str) -> Iterator[str]:
    while path:
        path = path.rpartition("/")[0]
        yield path


def _leads_out(path: str, target: str) -> bool:
    """Whether a link is absolute, or on its way ever above the root (util/app/path/path.go, Argo CD 3.6)."""
    depth = path.count("/")
    for part in target.split("/"):
        if part == "..":
            depth -= 1
        elif part not in ("", "."):
            depth += 1
        if depth < 0:
            return True
    return target.startswith("/")


def read_tree(mirror: Mirror, sha: str) -> CommitTree:
    """Every file of a commit.

    Raises:
        BrokenMirrorError: the mirror lacks a part of it.
    """
    entries: dict[str, Entry] = {}
    folders: dict[str, str] = {}
    submodules: dict[str, str] = {}
    for line in mirror.read("ls-tree", "-r", "-t", "-z", "-l", "--full-tree", sha).split(b"\0"):
        if line:
            meta, _, name = line.partition(b"\t")
            mode, kind, oid, size = meta.split()
            path = name.decode(errors="backslashreplace")
            if kind == b"blob":
                entries[path] = Entry(mode.decode(), oid.decode(), int(size))
            elif kind == b"tree":
                folders[path] = oid.decode()
            elif kind == b"commit":
                submodules[path] = oid.decode()
    # The root has no line of its own; a listing of it would read the commit once more.
    folders[""] = sha
    links = {path: entry.oid for path, entry in entries.items() if entry.mode == _SYMLINK}
    contents = read_blobs(mirror, links.values())
    targets = {path: contents[oid].decode(errors="backslashreplace") for path, oid in links.items()}
    return CommitTree(entries, targets, folders, submodules)


def read_blobs(mirror: Mirror, oids: Iterable[str]) -> dict[str, bytes]:
    """The contents of blobs, by their ids.

    Raises:
        BrokenMirrorError: the mirror lacks one.
    """
    wanted = list(dict.fromkeys(oids))
    if not wanted:
        return {}
    output = memoryview(mirror.read("cat-file", "--batch", "--buffer", stdin="\n".join([*wanted, ""]).encode()))
    found: dict[str, bytes] = {}
    position = 0
    for oid in wanted:
        end = _line_end(output, position)
        header = bytes(output[position:end]).split()
        if len(header) != 3 or header[1] != b"blob":
            raise BrokenMirrorError(f"the blob {oid} is missing")
        size = int(header[2])
        found[oid] = bytes(output[end + 1 : end + 1 + size])
        position = end + size + 2
    return found


def _line_end(output: memoryview, position: int) -> int:
    # A header is an object id, a type and a size: no need to search the contents of large files.
    end = bytes(output[position : position + 128]).find(b"\n")
    if end < 0:
        raise BrokenMirrorError("git cat-file ended early")
    return position + end


def shown_path(path: str) -> str:
    """A path as it may be shown on a line of a terminal."""
    return sanitize(path).replace("\n", "\ufffd").replace("\t", "\ufffd")
