"""The fleet as the console last heard of it, on the console's own thread.

Owns: `Picture`, which change sets are applied to, and `Letterbox`, in which the engine's thread leaves them. Screens
read the picture and never the fleet's own maps, which belong to the engine's thread.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from threading import Lock

from fleetui.fleet.naming import ClusterNames
from fleetui.fleet.views import ChangeSet, Narrowed
from fleetui.model.app import App, AppKey
from fleetui.model.objects import ClusterName, ObjectRef
from fleetui.model.status import ClusterState, ClusterStatus


class Letterbox:
    """Takes change sets on the engine's thread; the console is told once, and takes all that came since.

    However fast they come and however slow the console is, at most one message waits for it.
    """

    def __init__(self, ring: Callable[[], object]) -> None:
        self._ring = ring
        self._lock = Lock()
        self._waiting: ChangeSet | None = None

    def put(self, change: ChangeSet) -> None:
        """Leaves a change set; called on the engine's thread."""
        from fleetui.fleet.changes import merge

        with self._lock:
            first = self._waiting is None
            self._waiting = change if self._waiting is None else merge([self._waiting, change])
        if first:
            self._ring()

    def take(self) -> ChangeSet | None:
        """All that came since the last call, as one; None where nothing did."""
        with self._lock:
            change, self._waiting = self._waiting, None
        return change


class Picture:
    """Applications and clusters, as of the last change set."""

    def __init__(self, clusters: Iterable[str] = ()) -> None:
        self.apps: dict[AppKey, App] = {}
        self.clusters: dict[ClusterName, ClusterStatus] = {}
        self.loading: frozenset[ClusterName] = frozenset()
        self.problems: dict[ClusterName, str] = {}
        self.narrowed: dict[ClusterName, Narrowed] = {}
        self._places: dict[str, int] = {name: place for place, name in enumerate(clusters)}
        self.names = ClusterNames()

    def apply(self, change: ChangeSet) -> None:
        """Takes a change set over."""
        for key in change.removed:
            self.apps.pop(key, None)
        self.apps.update(change.apps)
        for cluster in change.gone:
            self.clusters.pop(cluster, None)
        self.clusters.update(change.clusters)
        self.names.update(change.clusters.values(), gone=change.gone)
        for name in change.clusters:
            self._places.setdefault(name, len(self._places))
        self.loading = change.loading
        self.problems = dict(change.problems)
        self.narrowed = dict(change.narrowed)

    def place(self, cluster: str) -> int:
        """The place of a cluster among all, from 0; the same as long as the console runs."""
        return self._places.setdefault(cluster, len(self._places))

    def app_at(self, cluster: ClusterName, ref: ObjectRef) -> AppKey | None:
        """The application whose own object `ref` is; None where it is none that is known."""
        key = AppKey.of(cluster, ref)
        return key if key in self.apps else None

    def cluster_of(self, app: App) -> str:
        """The name of the cluster that an application runs on: its hub, or the one that its destination names."""
        return self.names.of(app)

    def protected(self, cluster: str) -> bool:
        """Whether a cluster is marked as one that is not changed lightly."""
        status = self.clusters.get(ClusterName(cluster))
        return status is not None and status.protected

    def stale_since(self, key: AppKey) -> float | None:
        """Since when what is known of an application is no longer live, in seconds since the epoch; None if it is."""
        status = self.clusters.get(key.hub)
        return None if status is None or status.state is ClusterState.LIVE else status.since
