"""Pull requests of one repository, whatever its host.

Owns: `Requests`, which implements `fleetui.gitports.GitHost` over what each kind of host does in its own way, and
`parts_of`. Called by `backends.hosts.github` and its neighbours.
"""

from __future__ import annotations

from abc import ABC, abstractmethod

from fleetui.gitports import PullRequest
from fleetui.model.errors import GitError, RefusedError
from fleetui.model.text import masked, quoted


class Requests(ABC):
    """See `fleetui.gitports.GitHost`."""

    async def open_pull_request(self, *, head: str, base: str, title: str, body: str) -> PullRequest:
        if opened := await self._opened(head, base):
            return opened
        try:
            return await self._make(head, base, title, body)
        except GitError as error:
            # Somebody else may have opened it in between; or the host did, and its answer was lost.
            if opened := await self._opened_quietly(head, base):
                return opened
            raise error from None

    async def _opened_quietly(self, head: str, base: str) -> PullRequest | None:
        try:
            return await self._opened(head, base)
        except GitError:
            return None

    @abstractmethod
    async def pull_request(self, number: int) -> PullRequest: ...

    @abstractmethod
    async def _opened(self, head: str, base: str) -> PullRequest | None:
        """The one that is open between two branches."""

    @abstractmethod
    async def _make(self, head: str, base: str, title: str, body: str) -> PullRequest: ...


def parts_of(path: str, host: str, *, least: int, most: int) -> list[str]:
    """The parts of a repository's path at its host's web address, without ``.git``.

    Raises:
        RefusedError: there are less or more of them than a repository of `host` has.
    """
    parts = [part for part in path.split("/") if part]
    if parts:
        parts[-1] = parts[-1].removesuffix(".git")
    if not least <= len(parts) <= most or not all(parts):
        raise RefusedError(f"{quoted(masked(path))} is no path of a repository of {host}", "check the repository's url")
    return parts
