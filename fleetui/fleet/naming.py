"""Which cluster a destination names, as far as the clusters' statuses tell.

Owns: `ClusterNames`. Called by whoever knows clusters by their statuses alone: the console, the addon matrix, commands.
Connects to nothing. Where the fleet itself looks is decided in `fleetui.fleet.clusters`.
"""

from __future__ import annotations

from collections.abc import Iterable

from fleetui.model.app import App
from fleetui.model.objects import ClusterName
from fleetui.model.status import ClusterStatus

IN_CLUSTER_NAME = "in-cluster"
"""What Argo CD calls the hub itself where nothing registers it (`KubernetesInClusterName`)."""
IN_CLUSTER = frozenset({"", "https://kubernetes.default.svc", "https://kubernetes.default.svc.cluster.local"})
"""Servers that mean the hub itself (Argo CD, `argoappv1.KubernetesInternalAPIServerAddr`)."""


class ClusterNames:
    """The names under which each cluster is known, and which one an application's destination means.

    Two hubs may call different clusters by one name: an application means the one that its own hub registers.
    """

    def __init__(self, statuses: Iterable[ClusterStatus] = ()) -> None:
        self._facts: dict[ClusterName, tuple[str, tuple[str, ...], str]] = {}
        self._servers: dict[str, ClusterName] = {}
        self._aliases: dict[str, ClusterName] = {}
        self._of_hub: dict[tuple[str, str], ClusterName] = {}
        self.update(statuses)

    def update(self, statuses: Iterable[ClusterStatus], gone: Iterable[ClusterName] = ()) -> bool:
        """Takes statuses over, and leaves out clusters that are `gone`; returns whether a destination may mean another
        cluster than before."""
        facts = {name: fact for name, fact in self._facts.items() if name not in frozenset(gone)}
        facts.update((status.name, (status.server, status.aliases, status.origin)) for status in statuses)
        changed, self._facts = facts != self._facts, facts
        if changed:
            self._build()
        return changed

    def of(self, app: App) -> ClusterName:
        """The cluster on which an application runs: its hub, or the one that its destination names; what the
        destination says where no such cluster is known."""
        destination, hub = app.destination, app.key.hub
        if destination.name:
            return self._named(hub, destination.name)
        server = destination.server.rstrip("/")
        if server in IN_CLUSTER:
            return hub
        return self._servers.get(server) or ClusterName(server.partition("://")[2] or server)

    def called(self, cluster: ClusterName) -> tuple[str, ...]:
        """All names of a cluster, its own first."""
        _, aliases, _ = self._facts.get(cluster, ("", (), ""))
        return cluster, *aliases

    def _named(self, hub: ClusterName, name: str) -> ClusterName:
        found = self._of_hub.get((hub, name))
        if found is None and name == IN_CLUSTER_NAME:
            return hub
        if found is None:
            found = ClusterName(name) if name in self._facts else self._aliases.get(name)
        return found or ClusterName(name)

    def _build(self) -> None:
        self._servers.clear()
        self._aliases.clear()
        self._of_hub.clear()
        for name, (server, aliases, origin) in self._facts.items():
            if server:
                self._servers[server.rstrip("/")] = name
            for alias in aliases:
                self._aliases.setdefault(alias, name)
            for hub in (name, *_hubs(origin)):
                self._of_hub.update(((hub, each), name) for each in (name, *aliases))


def _hubs(origin: str) -> list[str]:
    """The hubs in a status' origin, such as ``kubeconfig, hub prod-eu-1, flux edge``."""
    return [hub for each in origin.split(", ") if (hub := each.partition(" ")[2])]
