"""A commit in which some files are others, made of trees alone.

Owns: `files_at`, `with_files`, `replaced`, `commit_of`, `author_of`. Blocking: called by `backends.git_repository` and
`backends.git_restore` on executor threads. There is no checkout and no index, and what is not named is not touched.
"""

from __future__ import annotations

import os
import re
import subprocess
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import NamedTuple

from backends.git_mirror import Mirror
from backends.git_objects import CommitTree, read_blobs, shown_path
from fleetui.gitports import Files
from fleetui.model.errors import GitError, RefusedError
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


# --- files ----------------------------------------------------------------------------------------------------------


def files_at(mirror: Mirror, tree: CommitTree, paths: Iterable[str]) -> Files:
    """The files of a commit at `paths`; through a symbolic link, what it leads to.

    Raises:
        RefusedError: a path leads out of the repository, to a folder, or into a submodule.
        BrokenMirrorError: the mirror lacks a part of it.
    """
    entries = {path: tree.file(_real(tree, path)) for path in paths}
    contents = read_blobs(mirror, (entry.oid for entry in entries.values() if entry is not None))
    return {path: None if entry is None else contents[entry.oid] for path, entry in entries.items()}


def with_files(mirror: Mirror, tree: CommitTree, root: str, files: Files) -> str:
    """The tree `root` (that of `tree`'s commit) with `files`, whose modes stay; a new file is an ordinary one.

    Raises:
        RefusedError: as `files_at`; one file is to be two at once.
        BrokenMirrorError: the mirror lacks a part of it.
    """
    wanted: dict[str, bytes | None] = {}
    for path, content in files.items():
        real = _real(tree, path)
        if wanted.setdefault(real, content) != content:
            raise RefusedError(f"{shown_path(real)} is to be two at once: a symbolic link leads there too")
    return replaced(mirror, root, {path: _written(mirror, tree, path, content) for path, content in wanted.items()})


def _written(mirror: Mirror, tree: CommitTree, path: str, content: bytes | None) -> str:
    if content is None:
        return ""
    there = tree.file(path)
    made = mirror.write("hash-object", "-w", "-t", "blob", "--stdin", stdin=content).decode().strip()
    return f"{there.mode if there else '100644'} blob {made}"


def _real(tree: CommitTree, path: str) -> str:
    real = tree.follow(path)
    if not real:
        raise RefusedError(f"{shown_path(path)!r} is no file of the repository")
    inside = next((each for each in tree.submodules if real == each or real.startswith(f"{each}/")), "")
    if inside:
        message = f"{shown_path(path)} lies in the submodule {shown_path(inside)}"
        raise RefusedError(message, "change it in the repository that it comes from")
    parts = real.split("/")
    above = ("/".join(parts[:end]) for end in range(1, len(parts)))
    if tree.is_folder(real) or any(tree.is_file(each) for each in above):
        raise RefusedError(f"{shown_path(path)} is no file, or lies below one")
    return real


def replaced(mirror: Mirror, tree: str, changes: Mapping[str, str]) -> str:
    """The tree `tree` (empty for one that there is not) with other entries at some paths; returns its id.

    `changes` are entries as ``100644 blob ID`` by their paths from it; an empty one goes. A folder that has nothing
    left goes too.

    Raises:
        BrokenMirrorError: the mirror lacks a part of it, or takes no such entry.
    """
    entries = _replaced(mirror, tree, {tuple(path.split("/")): os.fsencode(entry) for path, entry in changes.items()})
    return entries or mirror.write("mktree", "-z").decode().strip()


def _replaced(mirror: Mirror, tree: str, changes: Mapping[tuple[str, ...], bytes]) -> str:
    listed = mirror.read("ls-tree", "-z", tree).split(b"\0") if tree else []
    entries = {line.partition(b"\t")[2]: line.partition(b"\t")[0] for line in listed if line}
    below: dict[str, dict[tuple[str, ...], bytes]] = {}
    for (name, *rest), entry in changes.items():
        if rest:
            below.setdefault(name, {})[tuple(rest)] = entry
        else:
            entries[os.fsencode(name)] = entry
    for name, inner in below.items():
        meta = entries.get(os.fsencode(name), b"").split()
        made = _replaced(mirror, meta[2].decode() if meta and meta[1] == b"tree" else "", inner)
        entries[os.fsencode(name)] = os.fsencode(f"040000 tree {made}") if made else b""
    lines = b"".join(entry + b"\t" + name + b"\0" for name, entry in entries.items() if entry)
    return mirror.write("mktree", "-z", stdin=lines).decode().strip() if lines else ""


# --- commits --------------------------------------------------------------------------------------------------------


def tree_of(mirror: Mirror, commit: str) -> str:
    """The id of a commit's tree."""
    return mirror.read("rev-parse", f"{commit}^{{tree}}").decode().strip()


def commit_of(mirror: Mirror, root: str, parent: str, message: str, author: Author) -> str:
    """A new commit of the tree `root`; it belongs to nothing until it is pushed.

    Raises:
        BrokenMirrorError: the mirror does not take it.
    """
    identity = [("user.name", author.name), ("user.email", author.email)]
    made = mirror.write("commit-tree", root, "-p", parent, "-F", "-", stdin=message.encode(), config=identity)
    return made.decode().strip()


def is_commit_of(mirror: Mirror, commit: str, root: str, parent: str, message: str) -> bool:
    """Whether a commit is what `commit_of` made of these, whoever made it and when."""
    header, _, said = mirror.read("cat-file", "commit", commit).decode(errors="replace").partition("\n\n")
    ids = [line for line in header.split("\n") if line.startswith(("tree ", "parent "))]
    return ids == [f"tree {root}", f"parent {parent}"] and said.strip() == message.strip()


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
