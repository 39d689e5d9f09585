"""The submodules of a commit, joined to its tree.

Owns: `Whole` and `joined`. Called by `backends.git_repository`. As Argo CD checks a commit out (v3.6,
util/git/client.go, `Submodule`: ``git submodule update --init --recursive``): what the commit pins is part of its
files, and a submodule that can't be had is an error. Each has a mirror of its own; nothing is checked out, and nothing
of it is run.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from typing import Protocol

from backends.git_objects import CommitTree, Entry
from backends.git_remote import Remote
from backends.git_tree import Contents
from backends.git_url import resolved
from fleetui.model.errors import GitError
from fleetui.model.text import masked, one_line

DEEPEST = 10
"""How many submodules may lie within each other."""
MOST = 200
"""How many a commit may have, on each level."""
_KEY = re.compile(r"submodule\.(.*)\.(path|url|update)", re.DOTALL)


@dataclass(frozen=True)
class Whole:
    """A commit with its submodules: every file of them, and where a submodule's blobs are read."""

    tree: CommitTree
    contents: Contents
    owners: Mapping[str, Contents] = field(default_factory=dict)
    """By the blobs' ids; a blob that is not here is the commit's own."""

    def read(self, oids: Iterable[str]) -> dict[str, bytes]:
        """Blobs by their ids, of whichever repository they are."""
        wanted: dict[Contents, list[str]] = {}
        for oid in oids:
            wanted.setdefault(self.owners.get(oid, self.contents), []).append(oid)
        return {oid: content for contents, some in wanted.items() for oid, content in contents(some).items()}


class Submodule(Protocol):
    """A repository that another one names as its submodule."""

    async def whole(self, sha: str, depth: int = 0) -> Whole: ...


async def joined(
    tree: CommitTree,
    contents: Contents,
    settings: Mapping[str, str],
    base: Remote,
    opened: Callable[[str], Submodule],
    depth: int,
) -> Whole:
    """A commit's tree with its submodules'.

    Args:
        settings: what ``.gitmodules`` says, key to value.
        base: the commit's repository, for relative addresses.
        opened: opens the repository at an address.
        depth: how many repositories this one is within.

    Raises:
        GitError: a submodule can't be had.
    """
    if depth >= DEEPEST or len(tree.submodules) > MOST:
        what = f"nested more than {DEEPEST} deep" if depth >= DEEPEST else f"more than {MOST}"
        raise GitError(f"the submodules of {base.shown} are {what}", "name fewer", url=base.shown)
    modules = _modules(settings)
    parts: dict[str, CommitTree] = {}
    owners: dict[str, Contents] = {}
    for path, sha in tree.submodules.items():
        module = modules.get(path, {})
        if module.get("update") == "none":
            continue
        where = f"the submodule {one_line(path)!r} of {base.shown}"
        if "url" not in module:
            message = f"no url found for {where} in .gitmodules"
            raise GitError(message, "add it with git submodule add", url=base.shown)
        url = _allowed(resolved(module["url"], base.url), where)
        try:
            whole = await opened(url).whole(sha, depth + 1)
        except GitError as error:
            raise GitError(f"{where} can't be read: {error.message}", error.hint, url=error.url) from error
        parts[path] = whole.tree
        owners |= {entry.oid: whole.owners.get(entry.oid, whole.contents) for entry in whole.tree.entries()}
    return Whole(_grafted(tree, parts), contents, owners)


def _modules(settings: Mapping[str, str]) -> dict[str, dict[str, str]]:
    """The sections of ``.gitmodules``, by path."""
    sections: dict[str, dict[str, str]] = {}
    for key, value in settings.items():
        match = _KEY.fullmatch(key)
        if match is not None:
            sections.setdefault(match[1], {})[match[2]] = value
    return {section["path"].rstrip("/"): section for section in sections.values() if "path" in section}


def _allowed(url: str, where: str) -> str:
    """An address that a stranger's file may name: none of this machine's folders, whose content is no stranger's to
    show (git's own default since CVE-2022-39253, ``protocol.file.allow=user``)."""
    remote = Remote.parse(url)
    if remote.folder is not None or remote.url.lower().startswith("file:"):
        message = f"{where} is at {masked(one_line(url))}: transport 'file' not allowed"
        raise GitError(message, "name an https or ssh address in .gitmodules", url=remote.shown)
    return url


def _grafted(tree: CommitTree, parts: Mapping[str, CommitTree]) -> CommitTree:
    entries: dict[str, Entry] = dict(tree.by_path)
    targets, folders = dict(tree.targets), dict(tree.folders)
    for path, part in parts.items():
        entries |= {f"{path}/{name}": entry for name, entry in part.by_path.items()}
        targets |= {f"{path}/{name}": target for name, target in part.targets.items()}
        folders |= {f"{path}/{name}".rstrip("/"): oid for name, oid in part.folders.items()}
    return CommitTree(entries, targets, folders)
