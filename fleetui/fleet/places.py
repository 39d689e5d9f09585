"""Where an application runs.

Owns: `place_of`, `is_the_hub`, and the same for what stands in a tree: `grown_in`, `behind`. Pure but for what the
directory lends.
"""

from __future__ import annotations

from collections.abc import Iterable

from fleetui.dialectports import Dialect
from fleetui.engine.application import IN_CLUSTER
from fleetui.engine.tracking import instance_name
from fleetui.fleet.clusters import Clusters
from fleetui.fleet.edges import APPLICATION
from fleetui.fleet.items import Grown
from fleetui.fleet.store import LiveStore
from fleetui.model.app import App
from fleetui.model.errors import MissingError
from fleetui.model.objects import ClusterName, StoredObject


def is_the_hub(app: App) -> bool:
    """Whether the destination is the hub whatever it has registered."""
    return app.destination.server.rstrip("/") == IN_CLUSTER and not app.destination.name


def by_kubeconfig(app: App) -> bool:
    """Whether the destination is the Secret with a kubeconfig: Flux knows no other clusters than its own and those."""
    return app.key.dialect != "argo" and bool(app.destination.name)


def place_of(app: App, clusters: Clusters) -> LiveStore | str:
    """The cluster into which `app` is synced, or the sentence that says why it is not known here."""
    destination = app.destination
    if by_kubeconfig(app):
        found = clusters.behind(app.key.hub, app.key.namespace, destination.name)
        secret = f"Secret {app.key.namespace}/{destination.name}"
        return clusters.named(found) if found is not None else f"the cluster behind {secret} is not known here"
    named = destination.server or destination.name
    try:
        return clusters.store(app.key.hub, server=destination.server, name=destination.name)
    except MissingError as error:
        return f"{error}; {_not_known(clusters, app)}" if named else str(error)


def grown_in(hub: ClusterName, dialects: Iterable[Dialect], clusters: Clusters, stored: StoredObject) -> Grown | None:
    """What an Application in a cluster's tree manages, and where; None where no dialect reads it, or where the cluster
    is no hub of this fleet. Connects to nothing."""
    # What Flux's objects list is read where they stand (`fleetui.fleet.edges`).
    dialect = next((each for each in dialects if each.app_kind == stored.ref.group_kind == APPLICATION), None)
    if dialect is None or hub not in clusters.chosen:
        return None
    app = dialect.app(hub, stored)
    return Grown(app, called(app, clusters), instance_name(app.key.namespace, app.key.name))


def called(app: App, clusters: Clusters) -> ClusterName:
    """The name of the cluster into which `app` is synced, as its destination says it where it is not known here.
    Connects to nothing."""
    server, name = app.destination.server, app.destination.name
    if by_kubeconfig(app):
        return behind(app.key.hub, app.key.namespace, name, clusters)
    return clusters.called(app.key.hub, server=server, name=name) or ClusterName(name or server)


def behind(hub: ClusterName, namespace: str, secret: str, clusters: Clusters) -> ClusterName:
    """The cluster to which the kubeconfig in a Secret leads, called by the Secret's name where it is not known."""
    return clusters.behind(hub, namespace, secret) or ClusterName(f"{namespace}/{secret}")


def _not_known(clusters: Clusters, app: App) -> str:
    hub = app.key.hub
    unread = clusters.unread(hub)
    if unread:
        return f"no context here leads to it, and of {hub} {unread}"
    return f"neither a context here leads to it nor has {hub} registered it"
