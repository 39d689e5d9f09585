"""Git repositories, mirrored on this machine and read without a checkout.

Owns: `GitRepositories` and `GitRepository`, which implement `fleetui.ports.Repositories` and `Repository`. Called by
the composition root. How a mirror is kept is in `backends.git_mirror`, when its remote is asked in `backends.git_poll`,
how it is read in `backends.git_reader`. Never here: manifests.
"""

from __future__ import annotations

import asyncio
import hashlib
import logging
import re
import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import NoReturn, TypeVar

from backends.git_mirror import BrokenMirrorError, Mirror, Timeouts
from backends.git_poll import Closing, Pace, Poller
from backends.git_process import Processes
from backends.git_reader import Reader
from backends.git_remote import Remote
from backends.git_restore import author_of, default_branch, put_back
from fleetui.config import Paths
from fleetui.model.change import Commit
from fleetui.model.errors import GitError, RefusedError, RevisionNotFoundError
from fleetui.model.text import one_line
from fleetui.ports import Repository, Subscription
from fleetui.renderports import Tree
from fleetui.versions import VersionError
from fleetui.versions.newest import is_version, newest

T = TypeVar("T")

INTERVAL = 60.0
"""Seconds between two looks at a remote; Argo CD takes three minutes."""

LOCAL_INTERVAL = 0.25
"""Seconds between two looks at a repository on this machine: cheap, and a commit shows within a second."""

_MISS_INTERVAL = 3.0
_SHA = re.compile(r"[0-9a-fA-F]{7,64}")
_FULL_SHA = re.compile(r"[0-9a-fA-F]{40}|[0-9a-fA-F]{64}")
_OTHER_REF = re.compile(
    r"refs/(?!heads/|tags/|fleetui/)(?!.*(?:\.\.|//|@\{|\.lock(?:/|$)|/\.|[/.]$))[^\x00-\x20\x7f~^:?*\[\\]+"
)
_TAGS = "refs/tags/"

_log = logging.getLogger(__name__)


class GitRepositories:
    """The repositories that this process has opened, one for each URL; one event loop uses them.

    Args:
        cache: the folder of the mirrors (default: ``git`` in fleetui's XDG cache folder).
        interval: seconds between two looks at a remote that somebody watches.
        local_interval: the same for a repository on this machine.
    """

    def __init__(
        self,
        cache: Path | None = None,
        *,
        interval: float = INTERVAL,
        local_interval: float = LOCAL_INTERVAL,
        timeouts: Timeouts | None = None,
    ) -> None:
        self._cache = cache or Paths.of().cache / "git"
        self._timeouts = timeouts or Timeouts()
        self._processes = Processes(self._cache)
        self._pace = Pace(
            network=ThreadPoolExecutor(16, thread_name_prefix="git-network"),
            disk=ThreadPoolExecutor(4, thread_name_prefix="git-disk"),
            interval=interval,
            local_interval=local_interval,
        )
        self._opened: dict[str, GitRepository | _Unusable] = {}

    def open(self, url: str) -> Repository:
        """The repository at `url`. Nothing is asked yet; that an address can't be used is told by the first call that
        needs it."""
        if url not in self._opened:
            try:
                self._opened[url] = GitRepository(url, self._mirror(url), self._pace)
            except GitError as error:
                self._opened[url] = _Unusable(url, error)
        return self._opened[url]

    async def close(self) -> None:
        """Ends every subscription and every git process, and waits for their end."""
        self._processes.close()
        await asyncio.gather(*(each.close() for each in self._opened.values()))
        for pool in (self._pace.network, self._pace.disk):
            await asyncio.to_thread(pool.shutdown)

    def _mirror(self, url: str) -> Mirror:
        path = self._cache / hashlib.sha256(url.encode()).hexdigest()[:32]
        return Mirror(path, Remote.parse(url), self._processes, timeouts=self._timeouts)


class GitRepository:
    """One repository and its mirror; see `fleetui.ports.Repository`."""

    def __init__(self, url: str, mirror: Mirror, pace: Pace) -> None:
        self._url = url
        self._mirror = mirror
        self._poller = Poller(mirror, pace)
        self._reader = Reader(mirror)
        self._blaming = asyncio.Lock()

    @property
    def url(self) -> str:
        return self._url

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
        """The files of commit `sha`.

        Symbolic links are followed within the commit. Left out are links to folders and to nowhere, and submodules.
        """
        sha = await self._present(sha)
        loop = asyncio.get_running_loop()

        def contents(oids: Iterable[str]) -> Mapping[str, bytes]:
            wanted = tuple(oids)
            try:
                return self._reader.contents(wanted)
            except BrokenMirrorError:
                # In a thread, where the file is asked for: only the loop can make the mirror anew.
                reading = self._read(lambda: self._reader.contents(wanted))
                return asyncio.run_coroutine_threadsafe(reading, loop).result()

        return await self._read(lambda: self._reader.tree(sha, contents))

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

    async def put_back(self, *, branch: str, path: str, revision: str, message: str, author: tuple[str, str]) -> str:
        """See `fleetui.ports.Repository.put_back`."""
        await self._poller.refresh()
        if branch in ("", "HEAD"):
            branch = await self._poller.on_network(default_branch, self._mirror)
        commits = self._poller.refs.commits if self._poller.refs else {}
        tip = commits.get(f"refs/heads/{branch}")
        if tip is None:
            shown = self._mirror.remote.shown
            message = f"{one_line(branch)!r} is no branch of {shown}"
            raise RefusedError(message, "a tag or a commit can't be committed to: change spec.source.targetRevision")
        revision = await self._present(revision)
        made = await self._poller.on_network(
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

    def subscribe(self, listener: Callable[[], None]) -> Subscription:
        """See `fleetui.ports.Repository.subscribe`; `listener` is also called when the repository can be read again
        after it could not."""
        return self._poller.subscribe(listener)

    async def close(self) -> None:
        """Ends what watches the remote; processes are ended by `GitRepositories.close`."""
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
            message = f"the repository {shown} can't be read: {one_line(str(error))[:200]}"
            raise GitError(message, "check the repository with git fsck", url=shown) from error


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


class _Unusable:
    """What `GitRepositories.open` gives for an address that can't be used: each call says why."""

    def __init__(self, url: str, error: GitError) -> None:
        self.url = url
        self._error = error

    async def resolve(self, revision: str, *, fetch: bool = False, tag_prefix: str = "") -> str:
        self._refuse()

    async def tree(self, sha: str) -> Tree:
        self._refuse()

    async def commit(self, sha: str) -> Commit:
        self._refuse()

    async def blame(self, sha: str, path: str) -> Sequence[Commit]:
        self._refuse()

    async def put_back(self, *, branch: str, path: str, revision: str, message: str, author: tuple[str, str]) -> str:
        self._refuse()

    def subscribe(self, listener: Callable[[], None]) -> Subscription:
        return Closing(lambda: None)

    async def close(self) -> None:
        pass

    def _refuse(self) -> NoReturn:
        # A new one each time: an exception that is raised again drags its old traceback along.
        raise GitError(self._error.message, self._error.hint, url=self._error.url)
