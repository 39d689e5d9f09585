"""Which commit wrote each line of a file.

Owns: `blame` and the reading of what `git blame` prints. Blocking: called by `backends.git_reader` on executor threads.
"""

from __future__ import annotations

import re

from backends.git_mirror import BrokenMirrorError, Mirror
from fleetui.model.change import Commit
from fleetui.model.errors import PathNotFoundError
from fleetui.model.text import one_line

_GROUP = re.compile(rb"([0-9a-f]{40}|[0-9a-f]{64}) [0-9]+ ([0-9]+) ([0-9]+)")
_TIME = re.compile(rb"-?[0-9]{1,15}")


def blame(mirror: Mirror, sha: str, path: str) -> tuple[Commit, ...]:
    """The commit of each line of the file `path` in commit `sha`, the first line's first.

    Commits are without their message: git tells its subject alone.

    Raises:
        PathNotFoundError: there is no such file.
        BrokenMirrorError: the mirror lacks a part of the file's history.
    """
    # The mirror's own HEAD is no part of a pinned commit: its .mailmap must not count.
    options = ("--incremental", "--encoding=UTF-8", "--no-textconv")
    try:
        return parse_blame(mirror.read("-c", "mailmap.blob=", "blame", *options, sha, "--", path))
    except BrokenMirrorError as error:
        if "no such path" not in str(error):
            raise
        raise missing(mirror, sha, path) from error


def missing(mirror: Mirror, sha: str, path: str) -> PathNotFoundError:
    """That a file is not there, in a sentence."""
    shown = mirror.remote.shown
    return PathNotFoundError(f"there is no file {one_line(path)!r} in commit {sha[:7]} of {shown}", url=shown)


def parse_blame(output: bytes) -> tuple[Commit, ...]:
    """What ``git blame --incremental`` printed: a group of lines names its commit, and describes it the first time."""
    described: dict[str, dict[bytes, bytes]] = {}
    groups: list[tuple[int, int, str]] = []
    current: dict[bytes, bytes] = {}
    for line in output.split(b"\n"):
        if group := _GROUP.fullmatch(line):
            sha = group[1].decode()
            current = described.setdefault(sha, {})
            groups.append((int(group[2]), int(group[3]), sha))
        else:
            key, _, value = line.partition(b" ")
            current.setdefault(key, value)
    commits = {sha: _commit(sha, fields) for sha, fields in described.items()}
    return tuple(commits[sha] for _, size, sha in sorted(groups) for _ in range(size))


def _commit(sha: str, fields: dict[bytes, bytes]) -> Commit:
    time = fields.get(b"author-time", b"")
    return Commit(
        sha=sha,
        author=_text(fields, b"author"),
        email=_text(fields, b"author-mail").removeprefix("<").removesuffix(">"),
        time=float(time) if _TIME.fullmatch(time) else 0.0,
        subject=_text(fields, b"summary"),
    )


def _text(fields: dict[bytes, bytes], key: bytes) -> str:
    return one_line(fields.get(key, b"").decode(errors="replace"))
