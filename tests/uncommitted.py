"""What a repository of the tests has to have, and is never asked for, where nothing commits files to it."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from fleetui.gitports import Files
from fleetui.model.change import Commit


class Uncommitted:
    """A part of a `fleetui.gitports.Repository`; whoever calls it fails the test."""

    async def branch(self, revision: str) -> str:
        raise NotImplementedError

    async def touched(self, sha: str, path: str, *, limit: int) -> Sequence[Commit]:
        raise NotImplementedError

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
        raise NotImplementedError
