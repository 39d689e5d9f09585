"""From an application's source to the manifests of one commit.

Owns: `Sources`: revisions and rendered manifests, remembered until the repository moves, so that a reconcile which is
woken by the cluster asks Git for nothing. Never here: Git itself (`backends.git`), reading YAML (`fleetui.render`).
"""

from __future__ import annotations

import asyncio
import re
import time
from collections import OrderedDict
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from fleetui.engine.application import text
from fleetui.engine.fingerprint import fingerprint
from fleetui.model.errors import FleetError, PathNotFoundError, RepositoryUnreachableError
from fleetui.ports import Repositories, Repository, Subscription
from fleetui.render.directory import Manifest
from fleetui.render.source import render

COMMIT = re.compile(r"[0-9a-f]{40}|[0-9a-f]{64}")
"""A whole SHA."""
_REMEMBERED = 512
KEPT = 60.0
"""Seconds for which a revision counts as known; then the repository is heard again, and may say that it can't be
reached. Asking one that is watched makes no request as long as its remote answers."""
AWAY = 5.0
"""Seconds for which a repository that did not answer is not asked again: no worker waits for it at every event."""


@dataclass(frozen=True)
class Rendered:
    """The manifests of a source at the commit `revision`."""

    revision: str
    manifests: Sequence[Manifest]


class Sources:
    """The sources of every application of one engine.

    Args:
        repositories: where Git repositories are opened.
        moved: called with a repository's URL after one of its references moved.
        now: seconds, of a clock that does not go back.
    """

    def __init__(
        self, repositories: Repositories, moved: Callable[[str], None], *, now: Callable[[], float] = time.monotonic
    ) -> None:
        self._repositories = repositories
        self._moved = moved
        self._now = now
        self._open: dict[str, Repository] = {}
        self._subscriptions: list[Subscription] = []
        self._revisions: dict[tuple[str, str], tuple[str, float]] = {}
        self._away: dict[str, tuple[RepositoryUnreachableError, float]] = {}
        self._rendered: OrderedDict[tuple[str, bytes], Sequence[Manifest]] = OrderedDict()

    def close(self) -> None:
        for subscription in self._subscriptions:
            subscription.close()
        self._subscriptions.clear()

    def forget(self) -> None:
        """Forgets what was rendered (hard refresh)."""
        self._rendered.clear()
        self._revisions.clear()
        self._away.clear()

    async def resolve(self, source: Mapping[str, Any], revision: str = "", *, fetch: bool = False) -> str:
        """The commit of `revision`, or else of the source's `targetRevision` (``HEAD`` where it has none).

        Raises:
            GitError: it can't be told.
        """
        url = text(source.get("repoURL"))
        wish = revision or text(source.get("targetRevision")) or "HEAD"
        key = (url, wish)
        known, until = self._revisions.get(key, ("", 0.0))
        if fetch or not known or self._now() >= until:
            self._revisions.pop(key, None)
            known = await self._ask(url, wish, fetch=fetch)
            self._revisions[key] = known, self._now() + KEPT
        return known

    async def _ask(self, url: str, wish: str, *, fetch: bool) -> str:
        error, until = self._away.get(url, (None, 0.0))
        # A whole SHA may be had without the remote.
        if error is not None and not fetch and self._now() < until and not COMMIT.fullmatch(wish):
            raise RepositoryUnreachableError(error.message, error.hint, url=error.url)
        try:
            return await self._repository(url).resolve(wish, fetch=fetch)
        except RepositoryUnreachableError as found:
            self._away[url] = found, self._now() + AWAY
            raise

    async def render(self, source: Mapping[str, Any], sha: str) -> Rendered:
        """The manifests of a source at commit `sha`.

        Raises:
            GitError: the folder can't be read.
            ManifestError: a file is no manifest; it names file and line.
        """
        path = text(source.get("path")).strip("/")
        key = (sha, fingerprint(source))
        if key not in self._rendered:
            self._rendered[key] = await self._read(source, sha, path)
            while len(self._rendered) > _REMEMBERED:
                self._rendered.popitem(last=False)
        self._rendered.move_to_end(key)
        return Rendered(sha, self._rendered[key])

    async def _read(self, source: Mapping[str, Any], sha: str, path: str) -> Sequence[Manifest]:
        try:
            files = await self._repository(text(source.get("repoURL"))).files(sha, "" if path == "." else path)
        except PathNotFoundError as error:
            raise FleetError(f"{path}: app path does not exist") from error
        # Large folders take hundreds of milliseconds, which the watches of this loop must not wait for.
        return await asyncio.to_thread(render, source, files)

    def _repository(self, url: str) -> Repository:
        repository = self._open.get(url)
        if repository is None:
            repository = self._open[url] = self._repositories.open(url)
            self._subscriptions.append(repository.subscribe(lambda: self._on_moved(url)))
        return repository

    def _on_moved(self, url: str) -> None:
        self._away.pop(url, None)
        for key in [key for key in self._revisions if key[0] == url]:
            del self._revisions[key]
        self._moved(url)
