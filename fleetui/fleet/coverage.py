"""Of which clusters the applications are shown, how far, and why no further.

Owns: `Coverage`, which has an `AppWatch` for each cluster and dialect. Called by `fleetui.fleet.fleet`. Never here: the
applications themselves.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterable, Sequence
from typing import TYPE_CHECKING

from fleetui.dialectports import Dialect
from fleetui.engine.clock import Clock
from fleetui.fleet.appwatch import AppWatch
from fleetui.fleet.store import LiveStore
from fleetui.fleet.views import Narrowed
from fleetui.model.objects import ClusterName

if TYPE_CHECKING:
    from fleetui.fleet.permissions import Permissions
    from fleetui.fleet.reach import Reach


class Coverage:
    """What is watched of the applications.

    Args:
        clusters: where they are looked for.
        dialects: how they may be written down. The first is looked for at once; each other one behind it, or when
            somebody waits (`hurry`), and a cluster without it is fine.
        namespaces: where to look; an empty string stands for all.
        named: namespaces to look into where not all may be listed, besides the context's own.
        permissions: makes what knows the user's permissions; called when a list was forbidden.
        clock: the time.
        changed: called when it became another for one cluster and dialect.
    """

    def __init__(
        self,
        clusters: Iterable[LiveStore],
        dialects: Sequence[Dialect],
        *,
        namespaces: Sequence[str],
        named: Sequence[str],
        permissions: Callable[[], Permissions],
        clock: Clock,
        changed: Callable[[LiveStore, Dialect], None],
    ) -> None:
        self._namespaces = tuple(namespaces)
        self._named = tuple(named)
        self._permissions = permissions
        self._clock = clock
        self._changed = changed
        self._watches = {
            (store.api.name, each.name): self._watch(store, each, optional=each is not dialects[0])
            for store in clusters
            for each in dialects
        }

    def start(self) -> None:
        for watch in self._watches.values():
            if not watch.optional:
                watch.start()

    def hurry(self) -> None:
        """Looks for everything at once: somebody waits until it is known what there is."""
        for watch in self._watches.values():
            watch.start()

    async def close(self) -> None:
        await asyncio.gather(*(watch.close() for watch in self._watches.values()))

    @property
    def loading(self) -> frozenset[ClusterName]:
        """The clusters whose applications have not been listed yet."""
        return frozenset(cluster for (cluster, _), watch in self._watches.items() if watch.loading)

    @property
    def hubs(self) -> list[ClusterName]:
        """The clusters that have listed applications, and may register others."""
        listed = (cluster for (cluster, _), watch in self._watches.items() if watch.listed and not watch.optional)
        return list(dict.fromkeys(listed))

    @property
    def problems(self) -> dict[ClusterName, str]:
        """Why a cluster shows no applications; one that shows some in one dialect has no problem with the others."""
        problems: dict[ClusterName, str] = {}
        fine: set[ClusterName] = set()
        for cluster, watch in self._with_news:
            if watch.problem:
                problems.setdefault(cluster, watch.problem)
            else:
                fine.add(cluster)
        return {cluster: problem for cluster, problem in problems.items() if cluster not in fine}

    @property
    def narrowed(self) -> dict[ClusterName, Narrowed]:
        """The clusters of which not all that was asked for may be seen."""
        seen = ((cluster, watch.narrowed) for cluster, watch in self._with_news)
        return {cluster: narrowed for cluster, narrowed in seen if narrowed is not None}

    def narrowed_in(self, cluster: ClusterName, dialect: Dialect) -> Narrowed | None:
        """As `narrowed`, for the applications of one dialect."""
        return self._watches[cluster, dialect.name].narrowed

    def refusal(self, cluster: ClusterName) -> str:
        """What is missing where no application of a cluster may be seen in any dialect; empty where some may."""
        mine = [watch.narrowed for name, watch in self._with_news if name == cluster]
        if any(narrowed is None or narrowed.namespaces for narrowed in mine):
            return ""
        return next((narrowed.refusal for narrowed in mine if narrowed is not None), "")

    def retry(self, cluster: ClusterName) -> None:
        """Looks again now at what could not be had of a cluster: a person asks for it, or there is a new login."""
        for (name, _), watch in self._watches.items():
            if name == cluster:
                watch.retry()

    @property
    def _with_news(self) -> list[tuple[ClusterName, AppWatch]]:
        return [(cluster, watch) for (cluster, _), watch in self._watches.items() if watch.has_news]

    def _told(self, store: LiveStore, dialect: Dialect) -> None:
        if not self._watches[store.api.name, dialect.name].loading:
            for (name, _), watch in self._watches.items():
                if name == store.api.name:
                    watch.start()
        self._changed(store, dialect)

    def _watch(self, store: LiveStore, dialect: Dialect, *, optional: bool) -> AppWatch:
        return AppWatch(
            store,
            dialect,
            namespaces=self._namespaces,
            reach=lambda: self._reach(store),
            optional=optional,
            clock=self._clock,
            changed=lambda: self._told(store, dialect),
        )

    def _reach(self, store: LiveStore) -> Reach:
        from fleetui.fleet.reach import Reach  # not before the first rows

        permissions = self._permissions()
        return Reach(store.api, permissions, wanted=self._namespaces, named=self._named, clock=self._clock)
