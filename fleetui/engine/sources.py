"""The sources of an engine's applications.

Owns: `Sources`: what revisions mean, remembered until the repository moves, so that a reconcile which is woken by the
cluster asks Git for nothing. Never here: Git itself (`backends.git`), what is read of a revision
(`fleetui.engine.loading`).
"""

from __future__ import annotations

import re
import time
from collections.abc import Callable, Mapping, Sequence
from functools import partial
from typing import Any

from fleetui.engine.application import text
from fleetui.engine.loading import Loaded, Loader, Remotes, charts_of
from fleetui.engine.rendering import Place
from fleetui.engine.sourceset import SourceSet, is_oci
from fleetui.gitports import Repositories, Repository
from fleetui.model.errors import RepositoryUnreachableError
from fleetui.ports import Subscription
from fleetui.renderports import Tools

COMMIT = re.compile(r"[0-9a-f]{40}|[0-9a-f]{64}")
"""A whole SHA."""
KEPT = 60.0
"""Seconds for which a revision counts as known; then the repository is heard again, and may say that it can't be
reached. Asking one that is watched makes no request as long as its remote answers."""
AWAY = 5.0
"""Seconds for which a repository that did not answer is not asked again: no worker waits for it at every event."""


class Sources:
    """The sources of every application of one engine.

    Args:
        repositories: where Git repositories are opened.
        hub: whose logins are used.
        moved: called with a repository's URL after one of its references moved.
        tools: what renders charts and kustomizations, and where charts are looked up.
        now: seconds, of a clock that does not go back.
    """

    def __init__(
        self,
        repositories: Repositories,
        moved: Callable[[str], None],
        *,
        hub: str = "",
        tools: Tools | None = None,
        now: Callable[[], float] = time.monotonic,
    ) -> None:
        self._repositories = repositories
        self._hub = hub
        self._moved = moved
        self._charts = tools.charts if tools is not None else None
        self._loader = Loader(tools)
        self._now = now
        self._open: dict[tuple[str, str], Repository] = {}
        """By URL and project, for a project may have a login of its own."""
        self._subscriptions: list[Subscription] = []
        self._revisions: dict[tuple[str, ...], tuple[str, float]] = {}
        self._moves = 0
        self._away: dict[tuple[str, str], tuple[RepositoryUnreachableError, float]] = {}

    @property
    def renders(self) -> int:
        """How often something was rendered, and not remembered (for tests and `/metrics`)."""
        return self._loader.renderer.renders

    def close(self) -> None:
        for subscription in self._subscriptions:
            subscription.close()
        self._subscriptions.clear()

    def forget(self) -> None:
        """Forgets revisions, and what was rendered (hard refresh)."""
        self._loader.forget()
        self._moves += 1
        self._revisions.clear()
        self._away.clear()

    async def load(
        self, wanted: SourceSet, place: Place, *, revisions: Sequence[str] = (), fetch: bool = False
    ) -> Loaded:
        """The manifests of an application (see `Loader.load`); with `fetch` the remotes are asked for what is new
        first."""
        remotes = Remotes(
            partial(self.resolve, project=place.project, fetch=fetch),
            partial(self._repository, project=place.project),
            place.project,
        )
        return await self._loader.load(wanted, place, remotes, revisions=revisions)

    async def resolve(
        self, source: Mapping[str, Any], wish: str = "", *, project: str = "", fetch: bool = False
    ) -> str:
        """The commit, or the chart's version, that `wish` means for a source of an application of `project` (``HEAD``
        where it is empty).

        Raises:
            GitError, ChartError: it can't be told.
        """
        url, chart = text(source.get("repoURL")), text(source.get("chart"))
        key = (url, project, chart, text(source.get("tagPrefix")), wish)
        known, until = self._revisions.get(key, ("", 0.0))
        if fetch or not known or self._now() >= until:
            self._revisions.pop(key, None)
            moves = self._moves
            if chart or is_oci(source):
                known = await charts_of(self._charts).resolve(url, chart, wish, project=project, refresh=fetch)
            else:
                known = await self._ask(url, project, wish or "HEAD", text(source.get("tagPrefix")), fetch=fetch)
            # What moved while it was asked would be passed over until the revision is asked for again.
            if moves == self._moves:
                self._revisions[key] = known, self._now() + KEPT
        return known

    async def _ask(self, url: str, project: str, wish: str, tag_prefix: str, *, fetch: bool) -> str:
        error, until = self._away.get((url, project), (None, 0.0))
        # A whole SHA may be had without the remote.
        if error is not None and not fetch and self._now() < until and not COMMIT.fullmatch(wish):
            raise RepositoryUnreachableError(error.message, error.hint, url=error.url)
        try:
            return await self._repository(url, project).resolve(wish, fetch=fetch, tag_prefix=tag_prefix)
        except RepositoryUnreachableError as found:
            self._away[url, project] = found, self._now() + AWAY
            raise

    def _repository(self, url: str, project: str) -> Repository:
        repository = self._open.get((url, project))
        if repository is None:
            repository = self._repositories.open(url, hub=self._hub, project=project)
            self._open[url, project] = repository
            self._subscriptions.append(repository.subscribe(lambda: self._on_moved(url)))
        return repository

    def _on_moved(self, url: str) -> None:
        self._moves += 1
        for away in [key for key in self._away if key[0] == url]:
            del self._away[away]
        for key in [key for key in self._revisions if key[0] == url]:
            del self._revisions[key]
        self._moved(url)
