"""Where an application runs.

Owns: `place_of`, the rule that finds the cluster that a destination names (`util/argo`, `GetDestinationCluster`). Pure.
"""

from __future__ import annotations

from collections.abc import Mapping

from fleetui.engine.application import IN_CLUSTER
from fleetui.fleet.store import LiveStore
from fleetui.model.app import App
from fleetui.model.objects import ClusterName

IN_CLUSTER_NAME = "in-cluster"


def place_of(app: App, clusters: Mapping[ClusterName, LiveStore]) -> LiveStore | str:
    """The cluster into which `app` is synced, or the sentence that says why none of `clusters` is it.

    Either the server's URL counts (a trailing slash doesn't) or the name; the hub is preferred where several fit.
    """
    destination = app.destination
    server = destination.server.rstrip("/")
    hub = clusters[app.key.hub]
    if server == IN_CLUSTER or (not server and destination.name == IN_CLUSTER_NAME):
        return hub
    if not server and not destination.name:
        return "its spec.destination names no cluster"
    for candidate in (hub, *clusters.values()):
        if _is_at(candidate, server) if server else candidate.api.name == destination.name:
            return candidate
    return f"its destination cluster {server or destination.name} is none of the clusters shown; add its context"


def _is_at(cluster: LiveStore, server: str) -> bool:
    return cluster.api.server.rstrip("/") == server
