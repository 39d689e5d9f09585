"""Where an application runs.

Owns: `place_of` and `is_the_hub`. Pure but for what the directory lends.
"""

from __future__ import annotations

from fleetui.engine.application import IN_CLUSTER
from fleetui.fleet.clusters import Clusters
from fleetui.fleet.store import LiveStore
from fleetui.model.app import App
from fleetui.model.errors import MissingError


def is_the_hub(app: App) -> bool:
    """Whether the destination is the hub whatever it has registered."""
    return app.destination.server.rstrip("/") == IN_CLUSTER and not app.destination.name


def place_of(app: App, clusters: Clusters) -> LiveStore | str:
    """The cluster into which `app` is synced, or the sentence that says why it is not known here."""
    destination = app.destination
    named = destination.server or destination.name
    try:
        return clusters.store(app.key.hub, server=destination.server, name=destination.name)
    except MissingError as error:
        return f"{error}; {_not_known(clusters, app)}" if named else str(error)


def _not_known(clusters: Clusters, app: App) -> str:
    hub = app.key.hub
    unread = clusters.unread(hub)
    if unread:
        return f"no context here leads to it, and of {hub} {unread}"
    return f"neither a context here leads to it nor has {hub} registered it"
