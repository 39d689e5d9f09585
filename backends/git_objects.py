"""Trees and files of a commit, read from a mirror without a checkout.

Owns: `CommitTree` (every path of a commit), `read_tree` and `read_blobs`. Blocking: called by `backends.git` on
executor threads. One `ls-tree` and one `cat-file` read 2,000 small files in some 15 ms; `git archive` would be slower
and obeys export attributes, which may hide or change manifests.
"""

from __future__ import annotations

from bisect import bisect_left
from collections import deque
from collections.abc import Iterable, Iterator, Mapping
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
    """The files of one commit by path; submodules are left out, because what they hold lies in other repositories.

    `targets` are the contents of the symbolic links, by path.
    """

    def __init__(self, entries: Mapping[str, Entry], targets: Mapping[str, str]) -> None:
        self._entries = entries
        self._targets = targets
        self._paths = sorted(entries)

    def is_file(self, path: str) -> bool:
        return path in self._entries

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
            entry = self._entries[path]
            if entry.mode == _SYMLINK:
                target = self._entries.get(self.follow(path) or "")
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
            target = self._targets.get("/".join(done))
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


def read_tree(mirror: Mirror, sha: str) -> CommitTree:
    """Every file of a commit.

    Raises:
        BrokenMirrorError: the mirror lacks a part of it.
    """
    entries: dict[str, Entry] = {}
    for line in mirror.read("ls-tree", "-r", "-z", "-l", "--full-tree", sha).split(b"\0"):
        if line:
            meta, _, path = line.partition(b"\t")
            mode, kind, oid, size = meta.split()
            if kind == b"blob":
                entries[path.decode(errors="backslashreplace")] = Entry(mode.decode(), oid.decode(), int(size))
    links = {path: entry.oid for path, entry in entries.items() if entry.mode == _SYMLINK}
    contents = read_blobs(mirror, links.values())
    return CommitTree(entries, {path: contents[oid].decode(errors="backslashreplace") for path, oid in links.items()})


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
