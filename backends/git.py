"""Git repositories, mirrored on this machine and read without a checkout.

Owns: `GitRepositories`, which implements `fleetui.gitports.Repositories`: which addresses and logins share a mirror.
Called by the composition root. What one repository answers is in `backends.git_repository`, how its mirror is kept in
`backends.git_mirror`, when its remote is asked in `backends.git_poll`, how it is read in `backends.git_reader`.
"""

from __future__ import annotations

import asyncio
import hashlib
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import NamedTuple, NoReturn

from backends.git_mirror import Mirror, Timeouts
from backends.git_poll import Closing, Pace
from backends.git_process import Processes
from backends.git_remote import Remote
from backends.git_repository import GitRepository
from backends.git_shared import Logins, SharedRepository
from backends.git_submodules import Submodule, Whole
from backends.git_url import identity
from backends.github_app import InstallationTokens
from backends.repository_access import WatchedAccess
from fleetui.config import Paths
from fleetui.gitports import Files, Repository
from fleetui.model.change import Commit
from fleetui.model.errors import GitError
from fleetui.ports import Subscription
from fleetui.renderports import Tree

INTERVAL = 60.0
"""Seconds between two looks at a remote; Argo CD takes three minutes."""

LOCAL_INTERVAL = 0.25
"""Seconds between two looks at a repository on this machine: cheap, and a commit shows within a second."""


class GitRepositories:
    """The repositories that this process has opened; one event loop uses them.

    Args:
        cache: the folder of the mirrors (default: ``git`` in fleetui's XDG cache folder).
        interval: seconds between two looks at a remote that somebody watches.
        local_interval: the same for a repository on this machine.
        books: what a hub says about logins, by the hub's name; asked once for each.
        submodules: whether a commit's submodules are part of it (`ARGOCD_GIT_MODULES_ENABLED`).
    """

    def __init__(
        self,
        cache: Path | None = None,
        *,
        interval: float = INTERVAL,
        local_interval: float = LOCAL_INTERVAL,
        timeouts: Timeouts | None = None,
        books: Callable[[str], WatchedAccess | None] = lambda hub: None,
        submodules: bool = True,
    ) -> None:
        self._submodules = submodules
        self._cache = cache or Paths.of().cache / "git"
        self._timeouts = timeouts or Timeouts()
        self._processes = Processes(self._cache)
        self._pace = Pace(
            network=ThreadPoolExecutor(16, thread_name_prefix="git-network"),
            disk=ThreadPoolExecutor(4, thread_name_prefix="git-disk"),
            interval=interval,
            local_interval=local_interval,
        )
        self._books: dict[str, WatchedAccess | None] = {"": None}
        self._ask_book = books
        self._tokens = InstallationTokens()
        self._opened: dict[_Lodger, SharedRepository] = {}
        self._kept: dict[tuple[str, str], GitRepository | _Unusable] = {}

    def open(self, url: str, *, hub: str = "", project: str = "") -> Repository:
        """The repository at `url`, as the Applications of a hub and a project see it. Nothing is asked yet; that an
        address can't be used is told by the first call that needs it.

        A login of one hub is never used for another's: each has a mirror of its own of what it names a login for. What
        no hub says anything about is one mirror for all, with the user's own login.
        """
        return self._shared(_Lodger(url, hub, project))

    def _shared(self, lodger: _Lodger) -> SharedRepository:
        if lodger not in self._opened:
            if lodger.hub not in self._books:
                self._books[lodger.hub] = self._ask_book(lodger.hub)
            logins = Logins(self._books[lodger.hub], lodger.url, lodger.project, within=lodger.within)
            self._opened[lodger] = SharedRepository(lodger.url, logins, lambda: self._keeper(lodger, logins))
        return self._opened[lodger]

    async def close(self) -> None:
        """Ends every subscription and every git process, and waits for their end."""
        self._processes.close()
        await asyncio.gather(*(each.close() for each in self._kept.values()))
        for pool in (self._pace.network, self._pace.disk):
            await asyncio.to_thread(pool.shutdown)

    def _keeper(self, lodger: _Lodger, logins: Logins) -> GitRepository | _Unusable:
        """The one who keeps the mirror that an address and its present login belong to."""
        key = (logins.scope(lodger.hub), identity(lodger.url))
        try:
            remote = Remote.parse(lodger.url)
        except GitError as error:
            return self._kept.setdefault(key, _Unusable(lodger.url, error))
        kept = self._kept.get(key)
        if isinstance(kept, GitRepository):
            kept.also(remote)
            return kept
        mirror = Mirror(
            self._cache / hashlib.sha256("\n".join(key).encode()).hexdigest()[:32],
            remote,
            self._processes,
            timeouts=self._timeouts,
            access=logins.shared().find if key[0] else lambda: None,
            tokens=self._tokens,
        )

        def submodule(url: str) -> Submodule:
            return self._shared(_Lodger(url, lodger.hub, lodger.project, within=lodger.url))

        made = GitRepository(lodger.url, mirror, self._pace, submodule if self._submodules else None)
        self._kept[key] = made
        return made


class _Lodger(NamedTuple):
    """For whom a repository is opened; `within`: the repository that it is a submodule of."""

    url: str
    hub: str
    project: str
    within: str = ""


class _Unusable:
    """What `GitRepositories.open` gives for an address that can't be used: each call says why."""

    def __init__(self, url: str, error: GitError) -> None:
        self.url = url
        self._error = error

    async def resolve(self, revision: str, *, fetch: bool = False, tag_prefix: str = "") -> str:
        self._refuse()

    async def tree(self, sha: str) -> Tree:
        self._refuse()

    async def whole(self, sha: str, depth: int = 0) -> Whole:
        self._refuse()

    async def commit(self, sha: str) -> Commit:
        self._refuse()

    async def blame(self, sha: str, path: str) -> Sequence[Commit]:
        self._refuse()

    async def put_back(self, *, branch: str, path: str, revision: str, message: str, author: tuple[str, str]) -> str:
        self._refuse()

    async def branch(self, revision: str) -> str:
        self._refuse()

    async def touched(self, sha: str, path: str, *, limit: int) -> Sequence[Commit]:
        self._refuse()

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
        self._refuse()

    def subscribe(self, listener: Callable[[], None]) -> Subscription:
        return Closing(lambda: None)

    def expire(self) -> None:
        pass

    async def close(self) -> None:
        pass

    def _refuse(self) -> NoReturn:
        # A new one each time: an exception that is raised again drags its old traceback along.
        raise GitError(self._error.message, self._error.hint, url=self._error.url)
