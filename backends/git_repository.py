"""One Git repository, read from its mirror.

Owns: `GitRepository`, which implements `fleetui.gitports.Repository`: which commit a revision means, and what is asked
of the mirror for it. Made by `backends.git`, one for each mirror. Never here: manifests.
"""

from __future__ import annotations

import asyncio
import logging
import re
import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from functools import partial
from typing import TypeVar

from backends.git_commit import author_of, commit_of, default_branch, files_at, is_commit_of, tree_of, with_files
from backends.git_mirror import BrokenMirrorError, Mirror
from backends.git_objects import CommitTree
from backends.git_poll import Pace, Poller
from backends.git_reader import Reader
from backends.git_remote import Remote
from backends.git_restore import put_back
from backends.git_submodules import Submodule, Whole, joined
from backends.git_tree import Contents, MirrorTree
from fleetui.gitports import Files
from fleetui.model.change import Commit
from fleetui.model.errors import GitError, RefusedError, RevisionNotFoundError
from fleetui.model.text import one_line
from fleetui.ports import Subscription
from fleetui.renderports import Tree
from fleetui.versions import VersionError
from fleetui.versions.newest import is_version, newest

T = TypeVar("T")

_MISS_INTERVAL = 3.0
_PUSHES = 8
"""How often a commit is made anew because somebody else pushed first."""
_AT_THAT_MOMENT = (".lock", "cannot lock ref", "failed to update ref", "incorrect old value")
"""What a remote says while it takes another push."""
_WHOLES = 4
"""Commits with submodules that a repository remembers."""
_SHA = re.compile(r"[0-9a-fA-F]{7,64}")
_FULL_SHA = re.compile(r"[0-9a-fA-F]{40}|[0-9a-fA-F]{64}")
_OTHER_REF = re.compile(
    r"refs/(?!heads/|tags/|fleetui/)(?!.*(?:\.\.|//|@\{|\.lock(?:/|$)|/\.|[/.]$))[^\x00-\x20\x7f~^:?*\[\\]+"
)
_TAGS = "refs/tags/"

_log = logging.getLogger(__name__)


class GitRepository:
    """One repository and its mirror; see `fleetui.gitports.Repository`.

    Args:
        opened: opens what it names as its submodules; without it they are left out.
    """

    def __init__(self, url: str, mirror: Mirror, pace: Pace, opened: Callable[[str], Submodule] | None = None) -> None:
        self._opened = opened
        self._wholes: dict[str, Whole] = {}
        self._joining: dict[str, asyncio.Task[Whole]] = {}
        self._url = url
        self._mirror = mirror
        self._poller = Poller(mirror, pace)
        self._reader = Reader(mirror)
        self._blaming = asyncio.Lock()

    @property
    def url(self) -> str:
        return self._url

    def also(self, remote: Remote) -> None:
        """See `backends.git_mirror.Mirror.also`."""
        self._mirror.also(remote)

    def expire(self) -> None:
        """Has the remote asked anew by whoever asks next."""
        self._poller.expire()

    async def resolve(self, revision: str, *, fetch: bool = False, tag_prefix: str = "") -> str:
        """The full SHA of the commit that `revision` names: ``HEAD`` (or nothing), a branch, a tag, a range of semantic
        versions, a full or abbreviated SHA (seven digits or more), or a full reference name.

        A range means the newest tag that it allows (Argo CD 3.6 util/git/client.go, `lsRemote`).

        A branch is taken before a tag of the same name. (Argo CD takes either, by chance: go-git lists references in
        no order.) A full SHA that the mirror has needs no remote; all else is answered from what the remote said
        lately, so that a mirror left by an earlier run never brings an old commit back.
        """
        if fetch:
            await self._poller.refresh()
        elif _FULL_SHA.fullmatch(revision) and (found := await self._find(revision)):
            return found
        elif await self._poller.is_stale():
            await self._poller.refresh()
        return await self._find(revision, tag_prefix) or await self._find_again(revision, tag_prefix)

    async def tree(self, sha: str) -> Tree:
        """The files of commit `sha`, those of its submodules among them.

        Symbolic links are followed within the commit. Left out are links to folders and to nowhere.
        """
        sha = await self._present(sha)
        whole = await self.whole(sha)
        return MirrorTree(whole.tree, sha, self._mirror.remote.shown, whole.read)

    async def whole(self, sha: str, depth: int = 0) -> Whole:
        """A commit and its submodules; `depth`: how many repositories this one is a submodule within.

        Raises:
            GitError: one of them can't be had.
        """
        sha = await self._present(sha)
        tree = await self._read(lambda: self._reader.tree(sha))
        if not tree.submodules or self._opened is None:
            return Whole(tree, self._contents())
        known = self._wholes.get(sha)
        if known is None:
            # Together with everyone who wants the same meanwhile.
            joining = self._joining.get(sha)
            if joining is None:
                joining = asyncio.get_running_loop().create_task(self._join(sha, tree, depth), name=f"submodules {sha}")
                self._joining[sha] = joining
                joining.add_done_callback(partial(self._joined, sha))
            known = await asyncio.shield(joining)
        return known

    async def _join(self, sha: str, tree: CommitTree, depth: int) -> Whole:
        assert self._opened is not None
        modules = tree.file(".gitmodules")
        settings = await self._read(lambda: self._mirror.settings_in(modules.oid)) if modules else {}
        remote = self._mirror.remote
        if settings is None:
            message = f"the file .gitmodules of {remote.shown} is broken in commit {sha[:7]}"
            raise GitError(message, "mend it", url=remote.shown)
        found = await joined(tree, self._contents(), settings, remote, self._opened, depth)
        self._wholes[sha] = found
        while len(self._wholes) > _WHOLES:
            self._wholes.pop(next(iter(self._wholes)))
        return found

    def _joined(self, sha: str, joining: asyncio.Task[Whole]) -> None:
        del self._joining[sha]
        if not joining.cancelled():
            # Also a failure that nobody waits for any more is known, or asyncio would print it over the console.
            joining.exception()

    def _contents(self) -> Contents:
        loop = asyncio.get_running_loop()

        def contents(oids: Iterable[str]) -> Mapping[str, bytes]:
            wanted = tuple(oids)
            try:
                return self._reader.contents(wanted)
            except BrokenMirrorError:
                # In a thread, where the file is asked for: only the loop can make the mirror anew.
                reading = self._read(lambda: self._reader.contents(wanted))
                return asyncio.run_coroutine_threadsafe(reading, loop).result()

        return contents

    async def commit(self, sha: str) -> Commit:
        """Author, time, subject and message of a commit."""
        sha = await self._present(sha)
        return await self._read(lambda: self._reader.commit(sha))

    async def blame(self, sha: str, path: str) -> Sequence[Commit]:
        """The commit of each line of a file; a symbolic link within the commit is followed.

        One after the other: a long history must not take the threads that others read with.
        """
        async with self._blaming:
            sha = await self._present(sha)
            return await self._read(lambda: self._reader.blame(sha, path))

    async def branch(self, revision: str) -> str:
        """See `fleetui.gitports.Committer.branch`."""
        return (await self._tip(revision))[0]

    async def touched(self, sha: str, path: str, *, limit: int) -> Sequence[Commit]:
        """See `fleetui.gitports.Repository.touched`."""
        sha = await self._present(sha)
        return await self._read(lambda: self._reader.touched(sha, path, limit))

    async def put_back(self, *, branch: str, path: str, revision: str, message: str, author: tuple[str, str]) -> str:
        """See `fleetui.gitports.Repository.put_back`."""
        branch, tip = await self._tip(branch)
        revision = await self._present(revision)
        made = await self._pushed(
            lambda: put_back(
                self._mirror,
                tip=tip,
                branch=branch,
                path=path,
                revision=revision,
                message=message,
                author=author_of(*author),
            )
        )
        await self._poller.refresh()
        return made

    async def commit_files(
        self,
        *,
        branch: str,
        paths: Sequence[str],
        change: Callable[[Files], Files],
        message: str,
        author: tuple[str, str],
        onto: str = "",
    ) -> str:
        """See `fleetui.gitports.Committer.commit_files`; `change` is called on a thread."""
        branch, tip = await self._tip(branch)
        for _ in range(_PUSHES):
            before = tip
            try:
                made = await self._pushed(partial(self._commit, tip, branch, onto, paths, change, message, author))
            except GitError as error:
                branch, tip = await self._tip(branch)
                if onto or (tip == before and not any(words in str(error) for words in _AT_THAT_MOMENT)):
                    raise
            else:
                await self._poller.refresh()
                return made
        shown = self._mirror.remote.shown
        message = f"somebody else pushed to {one_line(branch)} of {shown} each of the {_PUSHES} times"
        raise GitError(message, "ask again", url=shown)

    def _commit(
        self,
        tip: str,
        branch: str,
        onto: str,
        paths: Sequence[str],
        change: Callable[[Files], Files],
        message: str,
        author: tuple[str, str],
    ) -> str:
        tree, root = self._reader.tree(tip), tree_of(self._mirror, tip)
        found = files_at(self._mirror, tree, paths)
        wanted = {path: content for path, content in change(found).items() if content != found.get(path)}
        made = with_files(self._mirror, tree, root, wanted) if wanted else root
        if made == root:
            return tip
        there = self._branches().get(onto, "") if onto else tip
        if onto and there and is_commit_of(self._mirror, there, made, tip, message):
            return there
        commit = commit_of(self._mirror, made, tip, message, author_of(*author))
        self._mirror.push(commit, onto or branch, over=there if onto else None)
        return commit

    def _branches(self) -> dict[str, str]:
        commits = self._poller.refs.commits if self._poller.refs else {}
        start = "refs/heads/"
        return {name.removeprefix(start): commit for name, commit in commits.items() if name.startswith(start)}

    async def _tip(self, branch: str) -> tuple[str, str]:
        """The branch that is meant, and its commit, as the remote now has it."""
        await self._poller.refresh()
        if branch in ("", "HEAD"):
            branch = await self._poller.on_network(default_branch, self._mirror)
        tip = self._branches().get(branch)
        if tip is None:
            shown = self._mirror.remote.shown
            message = f"{one_line(branch)!r} is no branch of {shown}"
            raise RefusedError(message, "a tag or a commit can't be committed to: change spec.source.targetRevision")
        return branch, tip

    async def _pushed(self, work: Callable[[], str]) -> str:
        try:
            return await self._poller.on_network(work)
        except BrokenMirrorError as error:
            raise self._unreadable(error) from error

    def subscribe(self, listener: Callable[[], None]) -> Subscription:
        """See `fleetui.gitports.Repository.subscribe`; `listener` is also called when the repository can be read again
        after it could not."""
        return self._poller.subscribe(listener)

    async def close(self) -> None:
        """Ends what watches the remote; processes are ended by `GitRepositories.close`."""
        joining = list(self._joining.values())
        for task in joining:
            task.cancel()
        await asyncio.gather(*joining, return_exceptions=True)
        await self._poller.close()

    # --- revisions ------------------------------------------------------------------------------------------------

    async def _find(self, revision: str, tag_prefix: str = "") -> str | None:
        """What the mirror knows of a revision. Nothing that a person wrote reaches git's own grammar, but digits."""
        commits = self._poller.refs.commits if self._poller.refs else {}
        if not revision or revision == "HEAD":
            return commits.get("HEAD")
        if not _FULL_SHA.fullmatch(revision):
            revision = _meant(revision, tag_prefix, commits)
        names = [revision] if revision.startswith("refs/") else [f"refs/heads/{revision}", f"refs/tags/{revision}"]
        for name in names:
            if name in commits:
                return commits[name]
        if _SHA.fullmatch(revision):
            return await self._read(lambda: self._mirror.commit_id(revision.lower()))
        return None

    async def _find_again(self, revision: str, tag_prefix: str) -> str:
        """Asks the remote for what the mirror lacks: it may be new, or lie on no branch and no tag."""
        if _OTHER_REF.fullmatch(revision):
            found = await self._find_other_ref(revision)
        else:
            if time.monotonic() - self._poller.asked > _MISS_INTERVAL or not self._mirror.exists():
                await self._poller.refresh()
            found = await self._find(revision, tag_prefix)
            if found is None and _FULL_SHA.fullmatch(revision):
                await self._poller.on_network(self._mirror.fetch_commit, revision.lower())
                found = await self._find(revision)
        if found is None:
            raise self._not_found(revision)
        return found

    async def _find_other_ref(self, name: str) -> str | None:
        self._poller.wanted.add(name)
        found = None
        try:
            await self._poller.refresh()
            found = await self._find(name)
        finally:
            if found is None:
                self._poller.wanted.discard(name)
        return found

    def _not_found(self, revision: str) -> RevisionNotFoundError:
        shown = self._mirror.remote.shown
        if not self._poller.refs or not self._poller.refs.commits:
            return RevisionNotFoundError(f"the repository {shown} has no commits yet", "push one", url=shown)
        if not revision or revision == "HEAD":
            hint = "name a branch in spec.source.targetRevision"
            return RevisionNotFoundError(f"the HEAD of the repository {shown} leads to no commit", hint, url=shown)
        message = f"the repository {shown} has no branch, tag or commit {one_line(revision)[:200]!r}"
        return RevisionNotFoundError(message, "check its name", url=shown)

    # --- reading --------------------------------------------------------------------------------------------------

    async def _present(self, sha: str) -> str:
        """`sha` in full and certainly in the mirror."""
        return sha if self._reader.knows(sha) else await self.resolve(sha)

    async def _read(self, work: Callable[[], T]) -> T:
        generation, shown = self._poller.generation, self._mirror.remote.shown
        try:
            return await self._poller.on_disk(work)
        except BrokenMirrorError as error:
            _log.warning("the mirror of %s is broken and is made anew: %s", shown, one_line(str(error)))
        await self._poller.heal(generation)
        try:
            return await self._poller.on_disk(work)
        except BrokenMirrorError as error:
            raise self._unreadable(error) from error

    def _unreadable(self, error: BrokenMirrorError) -> GitError:
        shown = self._mirror.remote.shown
        message = f"the repository {shown} can't be read: {one_line(str(error))[:200]}"
        return GitError(message, "check the repository with git fsck", url=shown)


def _meant(revision: str, tag_prefix: str, commits: Mapping[str, str]) -> str:
    """The name that a version or a range of versions stands for; any other revision is itself
    (Argo CD 3.6 util/versions/tags.go, `MaxVersion`)."""
    if is_version(revision):
        return tag_prefix + revision
    start = _TAGS + tag_prefix
    tags = [name.removeprefix(start) for name in commits if name.startswith(start)]
    try:
        # What is a tag's very name is no range, and needs no prefix.
        return tag_prefix + newest(revision, [] if revision in tags else tags)
    except VersionError:
        return revision
