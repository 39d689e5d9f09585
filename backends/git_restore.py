"""Putting a folder back to what it was, as a commit on a branch.

Owns: `put_back`. Blocking: called by `backends.git_repository` on executor threads. Made as `backends.git_commit` makes
commits: what other folders hold is not touched.
"""

from __future__ import annotations

from backends.git_commit import Author, commit_of, replaced, tree_of
from backends.git_mirror import Mirror
from fleetui.model.errors import RefusedError, RevisionNotFoundError


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
    folder = "/".join(part for part in path.split("/") if part not in ("", "."))
    then, now = _subtree(mirror, revision, folder), tree_of(mirror, tip)
    root = replaced(mirror, now, {folder: f"040000 tree {then}" if then else ""}) if folder else then
    if root == now:
        shown = path or "the repository"
        raise RefusedError(f"{shown} is on {branch} as it was in {revision[:7]}: there is nothing to put back")
    commit = commit_of(mirror, root, tip, message, author)
    mirror.push(commit, branch)
    return commit


def _subtree(mirror: Mirror, revision: str, folder: str) -> str:
    """The tree of a folder; empty where it was not there."""
    if not folder:
        return tree_of(mirror, revision)
    line = mirror.read("ls-tree", "-z", "--full-tree", revision, "--", folder).rstrip(b"\0")
    meta = line.partition(b"\t")[0].split()
    if line and meta[1] != b"tree":
        raise RevisionNotFoundError(f"{folder} was a file, not a folder, in {revision[:7]}")
    return meta[2].decode() if line else ""
