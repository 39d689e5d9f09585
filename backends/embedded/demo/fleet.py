"""The demo's fleet, ready to be looked at.

Owns: `DemoFleet`: embedded clusters with controllers and content on a thread of their own, and the story that plays on
them. Called by ``fleetui demo`` and by tests. It syncs nothing: that is the engine's part.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable
from pathlib import Path

from backends.embedded.cluster import EmbeddedCluster
from backends.embedded.controllers.manager import Controllers
from backends.embedded.controllers.world import Timing
from backends.embedded.demo import applications, planting
from backends.embedded.demo.repository import DemoRepository
from backends.embedded.demo.story import Story
from backends.embedded.thread import EmbeddedHost

POD_DELAY = (0.3, 1.5)
"""Seconds that a Pod takes to start: long enough to see a roll-out, short enough to wait for it."""


class DemoFleet:
    """A fleet of embedded clusters with applications; a context manager, or `start` and `stop` it.

    Args:
        folder: for the Git repositories and the kubeconfig; made where it does not exist. A fresh one begins the story
            at its beginning; repositories of a former demo are taken as they are, with all that was committed since.
        clusters: how many, each its own hub; the first four are those of the story.
        apps: Applications over all clusters; None for the cast of the story.
        seed: of everything generated.
        pod_delay: bounds of a Pod's start, in seconds.
        pace: how long the story's pauses are against the usual; None for no story.
        say: told each step of the story in one sentence, on the clusters' loop.
    """

    def __init__(
        self,
        folder: Path,
        *,
        clusters: int = 4,
        apps: int | None = None,
        seed: int = 1,
        pod_delay: tuple[float, float] = POD_DELAY,
        pace: float | None = 1.0,
        say: Callable[[str], object] | None = None,
    ) -> None:
        self.plan = planting.plan(clusters=clusters, apps=apps, seed=seed)
        self.kubeconfig = folder / "kubeconfig"
        self.viewers = folder / "kubeconfig-viewers"
        """As `kubeconfig`, and with a second context for each cluster: in a file of its own, or whoever asks for all
        contexts would see each cluster twice."""
        self.repositories: dict[str, DemoRepository] = {}
        self.host = EmbeddedHost(
            EmbeddedCluster(name, anonymous=name in self.plan.clusters)
            for name in (*self.plan.clusters, *self.plan.beyond)
        )
        self._folder = folder
        self._timing = Timing(pod=pod_delay)
        self._controllers: list[Controllers] = []
        self._pace = pace
        self._say = say
        self._story: asyncio.Task[None] | None = None

    def __enter__(self) -> DemoFleet:
        self.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.stop()

    def start(self) -> None:
        """Makes the repositories, starts the clusters and fills them; returns when they answer.

        Raises:
            GitError: git is not installed, or refused.
        """
        self.repositories = planting.repositories(self._folder / "git", self.plan, now=time.time())
        hubs = planting.hubs(self.plan, self.repositories)
        self.host.start()
        try:
            self.host.kubeconfig(self.kubeconfig, contexts=self.plan.clusters)
            self.host.kubeconfig(self.viewers, contexts=self.plan.clusters, viewers=True)
            self.host.call(self._furnish(hubs))
        except BaseException:
            self.stop()
            raise

    def stop(self) -> None:
        """Ends the story, the controllers and the clusters; harmless when they never began."""
        if self._controllers:
            self.host.run(self._end)
        self.host.stop()

    async def _furnish(self, hubs: dict[str, planting.Hub]) -> None:
        for name, cluster in self.host.clusters.items():
            controllers = Controllers(cluster.store, cluster=name, timing=self._timing, seed=self.plan.seed)
            controllers.start()
            self._controllers.append(controllers)
            if name in hubs:
                planting.plant(cluster.store, hubs[name])
        self._register()
        if self._pace is not None:
            stores = {name: cluster.store for name, cluster in self.host.clusters.items()}
            story = Story(stores, self.repositories, pace=self._pace, say=self._say)
            self._story = asyncio.create_task(story.run(), name="the demo's story")

    def _register(self) -> None:
        hub = self.host.clusters[applications.ADDONS_HUB]
        for name, cluster in self.host.clusters.items():
            there = (applications.IN_CLUSTER, "") if cluster is hub else (cluster.url, cluster.token)
            planting.register(hub.store, name, *there)

    def _end(self) -> None:
        if self._story is not None:
            self._story.cancel()
        for controllers in self._controllers:
            controllers.stop()
        self._controllers.clear()
