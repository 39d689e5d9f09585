"""One repository, as the Applications of one hub and one project see it.

Owns: `SharedRepository`: which login counts for them now decides which mirror they read, and a change of it is told
like a commit. Made by `backends.git`, which keeps the mirrors.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Protocol

from backends.git_poll import Closing
from backends.repository_access import RepositoryAccess, WatchedAccess
from fleetui.model.change import Commit
from fleetui.ports import Repository, Subscription
from fleetui.renderports import Tree


class Kept(Repository, Protocol):
    """A repository with its mirror."""

    def expire(self) -> None:
        """Has the remote asked anew by whoever asks next."""
        ...


class SharedRepository:
    """See `fleetui.ports.Repository`.

    Args:
        book: what the hub says about logins; None: nothing.
        keeper: the repository that goes with a login.
    """

    def __init__(
        self,
        url: str,
        project: str,
        book: WatchedAccess | None,
        keeper: Callable[[RepositoryAccess | None], Kept],
    ) -> None:
        self._url = url
        self._project = project
        self._book = book
        self._keeper = keeper
        self._listeners: dict[object, tuple[Callable[[], None], Subscription]] = {}
        self._access = self._find()
        self._kept = keeper(self._access)
        if book is not None:
            book.subscribe(self._look_again)

    @property
    def url(self) -> str:
        return self._url

    async def resolve(self, revision: str, *, fetch: bool = False, tag_prefix: str = "") -> str:
        return await (await self._now()).resolve(revision, fetch=fetch, tag_prefix=tag_prefix)

    async def tree(self, sha: str) -> Tree:
        return await (await self._now()).tree(sha)

    async def commit(self, sha: str) -> Commit:
        return await (await self._now()).commit(sha)

    async def blame(self, sha: str, path: str) -> Sequence[Commit]:
        return await (await self._now()).blame(sha, path)

    def subscribe(self, listener: Callable[[], None]) -> Subscription:
        """See `fleetui.ports.Repository.subscribe`; `listener` is also called when another login counts."""
        key = object()
        self._listeners[key] = listener, self._kept.subscribe(listener)
        return Closing(lambda: self._unsubscribe(key))

    def _unsubscribe(self, key: object) -> None:
        self._listeners.pop(key)[1].close()

    async def _now(self) -> Kept:
        if self._book is not None:
            await self._book.ready()
        return self._kept

    def _find(self) -> RepositoryAccess | None:
        return self._book.find(self._url, self._project) if self._book is not None else None

    def _look_again(self) -> None:
        before, self._access = self._access, self._find()
        if before == self._access:
            return
        self._kept = self._keeper(self._access)
        self._kept.expire()
        for key, (listener, watching) in list(self._listeners.items()):
            self._listeners[key] = listener, self._kept.subscribe(listener)
            watching.close()
            listener()
