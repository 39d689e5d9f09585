"""The embedded fleet on a thread of its own.

Owns: `EmbeddedHost`: the thread, its event loop, any number of clusters on it, and their kubeconfig. Whoever uses the
clusters does so over HTTP, or hands work to the loop with `call`. fleetui's own engine thread is another one: what
reconciles must not share a loop with what it reconciles.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Coroutine, Iterable
from concurrent.futures import Future
from pathlib import Path
from typing import Any, TypeVar

from backends.embedded.access import AUTHENTICATED
from backends.embedded.cluster import ADMIN, VIEWER, EmbeddedCluster
from fleetui.model.errors import MissingError
from fleetui.runtime import Runtime

T = TypeVar("T")


class EmbeddedHost:
    """Runs clusters; a context manager, or `start` and `stop` it. Its methods may be called from any other thread."""

    def __init__(self, clusters: Iterable[EmbeddedCluster] = ()) -> None:
        self._clusters = {cluster.name: cluster for cluster in clusters}
        self._runtime = Runtime("embedded fleet")
        self._started = False

    def __enter__(self) -> EmbeddedHost:
        self.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.stop()

    @property
    def clusters(self) -> dict[str, EmbeddedCluster]:
        """The clusters by name, in the order in which they came."""
        return dict(self._clusters)

    def start(self) -> None:
        """Starts the thread and all servers; returns when they listen.

        Raises:
            OSError: a port that was asked for is taken.
        """
        if self._started:
            return
        self._runtime.start()
        self._started = True
        try:
            for cluster in self._clusters.values():
                self.call(cluster.start())
        except BaseException:
            self.stop()
            raise

    def stop(self) -> None:
        """Stops all servers, ends the loop and joins the thread; harmless when it never ran."""
        if not self._started:
            return
        for cluster in self._clusters.values():
            self.call(cluster.stop())
        self._runtime.stop()
        self._started = False

    def add(self, cluster: EmbeddedCluster) -> None:
        """Takes one more cluster, and starts its server where the host runs."""
        self._clusters[cluster.name] = cluster
        if self._started:
            self.call(cluster.start())

    def stop_server(self, name: str) -> None:
        """Stops one cluster's server: connections drop, new ones are refused, the data stay.

        Raises:
            MissingError: there is no such cluster.
        """
        self.call(self._cluster(name).stop())

    def start_server(self, name: str) -> None:
        """Starts one cluster's server again, on its port and data.

        Raises:
            MissingError: there is no such cluster.
        """
        self.call(self._cluster(name).start())

    def submit(self, work: Coroutine[Any, Any, T]) -> Future[T]:
        """Runs a coroutine on the loop of the clusters.

        Raises:
            FleetError: the host does not run.
        """
        return self._runtime.submit(work)

    def call(self, work: Coroutine[Any, Any, T]) -> T:
        """Runs a coroutine on the loop of the clusters and waits for its result."""
        return self.submit(work).result()

    def run(self, function: Callable[[], T]) -> T:
        """Calls a plain function on the loop of the clusters: the way to a store from another thread."""

        async def work() -> T:
            return function()

        return self.call(work())

    def kubeconfig(self, path: Path, *, contexts: Iterable[str] | None = None, viewers: bool = False) -> Path:
        """Writes a kubeconfig with a context for each cluster, the first one current, for its owner alone.

        Returns `path`. `contexts` names the clusters that get one; None: all. With `viewers` their user is the second
        one, who may do less.
        """
        wanted = set(self._clusters if contexts is None else contexts)
        path.parent.mkdir(parents=True, exist_ok=True)
        path.touch(mode=0o600)
        chosen = [cluster for name, cluster in self._clusters.items() if name in wanted]
        path.write_text(kubeconfig_text(chosen, viewers=viewers), encoding="utf-8")
        return path

    def _cluster(self, name: str) -> EmbeddedCluster:
        found = self._clusters.get(name)
        if found is None:
            raise MissingError(f"there is no embedded cluster {name!r}", f"there are {', '.join(self._clusters)}")
        return found


def kubeconfig_text(clusters: Iterable[EmbeddedCluster], *, viewers: bool = False) -> str:
    """The kubeconfig of these clusters, as YAML that is JSON: every reader knows it."""
    found = list(clusters)
    who, suffix, claim = ADMIN.name, "", dict[str, Any]()
    if viewers:
        # kubectl sends no token over plain HTTP, but says for whom it speaks: so the viewer is one that the
        # administrator speaks for.
        who, suffix = VIEWER.name, f"-{VIEWER.name}"
        claim = {"as": VIEWER.name, "as-groups": [group for group in VIEWER.groups if group != AUTHENTICATED]}
    contexts = [{"name": c.name + suffix, "context": {"cluster": c.name, "user": f"{who}@{c.name}"}} for c in found]
    body = {
        "apiVersion": "v1",
        "kind": "Config",
        "current-context": contexts[0]["name"] if contexts else "",
        "clusters": [{"name": c.name, "cluster": {"server": c.url}} for c in found],
        "contexts": contexts,
        "users": [{"name": f"{who}@{c.name}", "user": {"token": c.token, **claim}} for c in found],
    }
    return json.dumps(body, indent=2) + "\n"
