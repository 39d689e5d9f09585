"""One repository, as the Applications of one hub and one project see it.

Owns: `Logins` (which login counts for them now) and `SharedRepository` (which mirror they read therefore); a change of
the login is told like a commit. Made by `backends.git`, which keeps the mirrors.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Protocol

import msgspec

from backends.argocd_repositories import has_login
from backends.git_poll import Closing
from backends.git_submodules import Submodule, Whole
from backends.git_url import host_of
from backends.repository_access import RepositoryAccess, WatchedAccess
from fleetui.gitports import Files, Repository
from fleetui.model.change import Commit
from fleetui.ports import Subscription
from fleetui.renderports import Tree


class Kept(Repository, Submodule, Protocol):
    """A repository with its mirror."""

    def expire(self) -> None:
        """Has the remote asked anew by whoever asks next."""
        ...


class Logins:
    """The login of one repository.

    Args:
        book: what the hub says about logins; None: nothing.
        within: the repository that this one is a submodule of: its login is used on the same host where this one has
            none of its own, as Argo CD's is.
    """

    def __init__(self, book: WatchedAccess | None, url: str, project: str, *, within: str = "") -> None:
        self.book = book
        self._url = url
        self._project = project
        self._within = within

    def find(self) -> RepositoryAccess | None:
        """What the hub says now; any thread may ask."""
        return self._found()[0]

    def scope(self, hub: str) -> str:
        """Who may share a mirror: all that have this in common. Empty where the login is the user's own."""
        access, borrowed = self._found()
        return "" if access is None else f"{hub}/{access.project}/{borrowed}"

    def shared(self) -> Logins:
        """The same for all who share the mirror: a Secret that a project gets later is nothing to the others."""
        access = self.find()
        return Logins(self.book, self._url, access.project if access is not None else "", within=self._within)

    def _found(self) -> tuple[RepositoryAccess | None, str]:
        if self.book is None:
            return None, ""
        own = self.book.find(self._url, self._project)
        if self._within and (own is None or not has_login(own)) and host_of(self._within) == host_of(self._url):
            other = self.book.find(self._within, self._project)
            if other is not None and has_login(other):
                return msgspec.structs.replace(other, url=self._url), self._within
        return own, ""


class SharedRepository:
    """See `fleetui.gitports.Repository`.

    Args:
        keeper: the repository that goes with the present login.
    """

    def __init__(self, url: str, logins: Logins, keeper: Callable[[], Kept]) -> None:
        self._url = url
        self._logins = logins
        self._keeper = keeper
        self._listeners: dict[object, tuple[Callable[[], None], Subscription]] = {}
        self._access = logins.find()
        self._kept = keeper()
        if logins.book is not None:
            logins.book.subscribe(self._look_again)

    @property
    def url(self) -> str:
        return self._url

    async def resolve(self, revision: str, *, fetch: bool = False, tag_prefix: str = "") -> str:
        return await (await self._now()).resolve(revision, fetch=fetch, tag_prefix=tag_prefix)

    async def tree(self, sha: str) -> Tree:
        return await (await self._now()).tree(sha)

    async def whole(self, sha: str, depth: int = 0) -> Whole:
        """See `backends.git_repository.GitRepository.whole`."""
        return await (await self._now()).whole(sha, depth)

    async def commit(self, sha: str) -> Commit:
        return await (await self._now()).commit(sha)

    async def blame(self, sha: str, path: str) -> Sequence[Commit]:
        return await (await self._now()).blame(sha, path)

    async def put_back(self, *, branch: str, path: str, revision: str, message: str, author: tuple[str, str]) -> str:
        kept = await self._now()
        return await kept.put_back(branch=branch, path=path, revision=revision, message=message, author=author)

    async def branch(self, revision: str) -> str:
        return await (await self._now()).branch(revision)

    async def touched(self, sha: str, path: str, *, limit: int) -> Sequence[Commit]:
        return await (await self._now()).touched(sha, path, limit=limit)

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
        kept = await self._now()
        return await kept.commit_files(
            branch=branch, paths=paths, change=change, message=message, author=author, onto=onto
        )

    def subscribe(self, listener: Callable[[], None]) -> Subscription:
        """See `fleetui.gitports.Repository.subscribe`; `listener` is also called when another login counts."""
        key = object()
        self._listeners[key] = listener, self._kept.subscribe(listener)
        return Closing(lambda: self._unsubscribe(key))

    def _unsubscribe(self, key: object) -> None:
        self._listeners.pop(key)[1].close()

    async def _now(self) -> Kept:
        if self._logins.book is not None:
            await self._logins.book.ready()
        return self._kept

    def _look_again(self) -> None:
        before, self._access = self._access, self._logins.find()
        if before == self._access:
            return
        self._kept = self._keeper()
        self._kept.expire()
        for key, (listener, watching) in list(self._listeners.items()):
            self._listeners[key] = listener, self._kept.subscribe(listener)
            watching.close()
            listener()
