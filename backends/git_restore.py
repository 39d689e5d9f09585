"""Putting a folder back to what it was, as a commit on a branch.

Owns: `put_back` and `author_of`. Blocking: called by `backends.git_repository` on executor threads. Made of trees
alone: there is no checkout and no index, and what other folders hold is not touched.
"""

from __future__ import annotations

import os
import re
import subprocess
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import NamedTuple

from backends.git_mirror import Mirror
from fleetui.model.errors import GitError, RefusedError, RevisionNotFoundError
from fleetui.model.text import one_line

_SYMREF = re.compile(rb"ref: refs/heads/(\S+)\tHEAD")


class Author(NamedTuple):
    """Who commits."""

    name: str
    email: str


def author_of(name: str, email: str, environ: Mapping[str, str] = os.environ) -> Author:
    """Who the operator is to Git: by the environment, by their own ``~/.gitconfig``, or else `name` and `email`."""
    return Author(
        environ.get("GIT_AUTHOR_NAME") or _setting("user.name") or name,
        environ.get("GIT_AUTHOR_EMAIL") or _setting("user.email") or email,
    )


def default_branch(mirror: Mirror) -> str:
    """The branch that the remote's HEAD leads to.

    Raises:
        GitError: the remote does not answer, or its HEAD leads to no branch.
    """
    found = _SYMREF.match(mirror.ask("--symref", "--", mirror.remote.url, "HEAD"))
    if found is None:
        shown = mirror.remote.shown
        raise GitError(f"the HEAD of {shown} leads to no branch", "name one in spec.source.targetRevision", url=shown)
    return found[1].decode(errors="replace")


def put_back(mirror: Mirror, *, tip: str, branch: str, path: str, revision: str, message: str, author: Author) -> str:
    """Pushes a commit onto `branch` in which the folder `path` is again as it was in commit `revision`; returns it.

    Args:
        tip: the branch's commit as the mirror knows it; one that somebody pushes meanwhile is not overwritten.
        path: relative to the repository's root; the root itself where it is empty.

    Raises:
        RefusedError: the folder is already like that.
        GitError: the remote takes no push.
        BrokenMirrorError: the mirror lacks a part of it.
    """
    parts = [part for part in path.split("/") if part not in ("", ".")]
    then = _subtree(mirror, revision, parts)
    root = _replaced(mirror, f"{tip}^{{tree}}", parts, then)
    shown = path or "the repository"
    if root == mirror.read("rev-parse", f"{tip}^{{tree}}").decode().strip():
        raise RefusedError(f"{shown} is on {branch} as it was in {revision[:7]}: there is nothing to put back")
    identity = [("user.name", author.name), ("user.email", author.email)]
    made = mirror.write("commit-tree", root, "-p", tip, "-F", "-", stdin=message.encode(), config=identity)
    commit = made.decode().strip()
    mirror.push(commit, branch)
    return commit


def _subtree(mirror: Mirror, revision: str, parts: Sequence[str]) -> str:
    """The tree of a folder; empty where it was not there."""
    if not parts:
        return mirror.read("rev-parse", f"{revision}^{{tree}}").decode().strip()
    line = mirror.read("ls-tree", "-z", "--full-tree", revision, "--", "/".join(parts)).rstrip(b"\0")
    meta = line.partition(b"\t")[0].split()
    if line and meta[1] != b"tree":
        raise RevisionNotFoundError(f"{'/'.join(parts)} was a file, not a folder, in {revision[:7]}")
    return meta[2].decode() if line else ""


def _replaced(mirror: Mirror, tree: str, parts: Sequence[str], wanted: str) -> str:
    """`tree` with the folder at `parts` replaced; without it where `wanted` is empty."""
    if not parts:
        return wanted or mirror.write("mktree", "-z").decode().strip()
    name = os.fsencode(parts[0])
    entries = {line.partition(b"\t")[2]: line for line in mirror.read("ls-tree", "-z", tree).split(b"\0") if line}
    inner = wanted
    if len(parts) > 1:
        meta = entries.get(name, b"").split()
        below = meta[2].decode() if meta and meta[1] == b"tree" else mirror.write("mktree", "-z").decode().strip()
        inner = _replaced(mirror, below, parts[1:], wanted)
    entries.pop(name, None)
    if inner:
        entries[name] = b"040000 tree %s\t%s" % (inner.encode(), name)
    made = mirror.write("mktree", "-z", stdin=b"".join(line + b"\0" for line in entries.values()))
    return made.decode().strip()


def _setting(name: str) -> str:
    """A setting of the operator's own Git; the file is read, nothing in it is obeyed."""
    file = Path.home() / ".gitconfig"
    if not file.is_file():
        return ""
    command = ["git", "config", "--file", str(file), "--no-includes", "--get", name]
    try:
        done = subprocess.run(command, capture_output=True, timeout=5, check=False, stdin=subprocess.DEVNULL)
    except (OSError, subprocess.TimeoutExpired):
        return ""
    return one_line(done.stdout.decode(errors="replace"))
