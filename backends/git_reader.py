"""What is read from a mirror, and remembered.

Owns: `Reader`: trees, files, commits and blames by full SHA. Blocking: called by `backends.git_repository` on executor
threads, several at a time. What it remembers is named by its content, so it never goes stale.
"""

from __future__ import annotations

import re
from collections import OrderedDict
from threading import Lock
from typing import TYPE_CHECKING, Generic, TypeVar

from backends.git_blame import blame, missing
from backends.git_mirror import BrokenMirrorError, Mirror
from backends.git_objects import CommitTree, read_blobs, read_tree
from backends.git_process import environment, not_installed
from fleetui.model.change import Commit
from fleetui.model.text import one_line, sanitize
from fleetui.render.cache import ByteCache

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

T = TypeVar("T")

_BLOB_BYTES = 64 * 1024 * 1024
_TREES = 4
_COMMITS = 1024
_BLAMES = 256
_AUTHOR = re.compile(r"(?P<name>[^<]*)<(?P<email>[^>]*)>(?: (?P<time>-?[0-9]{1,15}))?")


class Reader:
    """Reads one mirror."""

    def __init__(self, mirror: Mirror) -> None:
        self._mirror = mirror
        self._trees: _Memory[CommitTree] = _Memory(_TREES)
        self._commits: _Memory[Commit] = _Memory(_COMMITS)
        self._blames: _Memory[tuple[Commit, ...]] = _Memory(_BLAMES)
        self._blobs: ByteCache[bytes] = ByteCache(_BLOB_BYTES)

    def knows(self, sha: str) -> bool:
        """True where the commit has been read before, so certainly is in the mirror."""
        return sha in self._trees or sha in self._commits

    def tree(self, sha: str) -> CommitTree:
        """The files of a commit, without its submodules'.

        Raises:
            BrokenMirrorError: the mirror lacks a part of it.
        """
        return self._trees.get(sha, lambda: read_tree(self._mirror, sha))

    def contents(self, oids: Iterable[str]) -> dict[str, bytes]:
        """Blobs by their ids.

        Raises:
            BrokenMirrorError: the mirror lacks one.
        """
        known = {oid: self._blobs.get(bytes.fromhex(oid)) for oid in oids}
        found = {oid: content for oid, content in known.items() if content is not None}
        for oid, content in read_blobs(self._mirror, (oid for oid in known if oid not in found)).items():
            found[oid] = content
            self._blobs.put(bytes.fromhex(oid), content, size=len(content) + 100)
        return found

    def commit(self, sha: str) -> Commit:
        """The commit `sha`.

        Raises:
            BrokenMirrorError: the mirror lacks it.
        """
        return self._commits.get(sha, lambda: _read_commit(self._mirror, sha))

    def blame(self, sha: str, path: str) -> tuple[Commit, ...]:
        """See `fleetui.gitports.Repository.blame`.

        Raises:
            PathNotFoundError: there is no such file.
            BrokenMirrorError: the mirror lacks a part of its history.
        """
        tree = self._trees.get(sha, lambda: read_tree(self._mirror, sha))
        file = tree.follow(path)
        if file is None or not tree.is_file(file):
            raise missing(self._mirror, sha, path)
        return self._blames.get(f"{sha}:{file}", lambda: blame(self._mirror, sha, file))

    def touched(self, sha: str, path: str, limit: int) -> tuple[Commit, ...]:
        """See `fleetui.gitports.Repository.touched`.

        Raises:
            BrokenMirrorError: the mirror lacks a part of the history.
        """
        file = self.tree(sha).follow(path)
        found = self._mirror.read("--literal-pathspecs", "rev-list", f"--max-count={limit}", sha, "--", file or path)
        return tuple(self.commit(line) for line in found.decode().split())


class _Memory(Generic[T]):
    """The last `limit` things that were asked for; each is made once, however many threads ask for it."""

    def __init__(self, limit: int) -> None:
        self._limit = limit
        self._items: OrderedDict[str, T] = OrderedDict()
        self._lock = Lock()

    def __contains__(self, key: str) -> bool:
        return key in self._items

    def get(self, key: str, make: Callable[[], T]) -> T:
        with self._lock:
            if key not in self._items:
                self._items[key] = make()
            self._items.move_to_end(key)
            if len(self._items) > self._limit:
                self._items.popitem(last=False)
            return self._items[key]


def _read_commit(mirror: Mirror, sha: str) -> Commit:
    try:
        import git
    except ImportError as error:
        # GitPython runs `git version` while it is imported.
        raise not_installed() from error
    try:
        # A Repo is not safe between threads: each call has its own.
        with git.Repo(mirror.path) as repo:
            repo.git.update_environment(**environment(mirror.path.parent), GIT_DIR=str(mirror.path))
            raw: bytes = repo.git.cat_file("commit", sha, stdout_as_string=False, strip_newline_in_stdout=False)
    except (git.exc.GitError, OSError) as error:
        raise BrokenMirrorError(f"commit {sha}: {error}") from error
    return parse_commit(sha, raw)


def parse_commit(sha: str, raw: bytes) -> Commit:
    """A commit of its object's content.

    GitPython's own `Commit` misses the encoding header (it compares ten bytes with nine) and knows no SHA-256.
    """
    head, _, body = raw.partition(b"\n\n")
    headers = dict(line.partition(b" ")[::2] for line in reversed(head.split(b"\n")))
    encoding = headers.get(b"encoding", b"").decode("ascii", errors="replace")
    author = _AUTHOR.match(_text(headers.get(b"author", b""), encoding))
    message = _text(body, encoding).strip()
    return Commit(
        sha=sha,
        author=one_line(author["name"]) if author else "",
        email=one_line(author["email"]) if author else "",
        time=float(author["time"] or 0) if author else 0.0,
        subject=one_line(message.partition("\n\n")[0]),
        message=sanitize(message),
    )


def _text(raw: bytes, encoding: str) -> str:
    try:
        return raw.decode(encoding or "utf-8", errors="replace")
    except LookupError:
        return raw.decode(errors="replace")
