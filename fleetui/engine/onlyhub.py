"""The clusters of a hub that has registered none.

Owns: `OnlyTheHub`, which `fleetui.engine.controller` takes where it is given no other `fleetui.hubports.Directory`.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

from fleetui.engine.application import IN_CLUSTER
from fleetui.engine.lookup import no_such_name, no_such_server, server_of
from fleetui.hubports import Registration, Site
from fleetui.model.objects import ClusterName
from fleetui.ports import LiveCluster, Subscription


class OnlyTheHub:
    """A `fleetui.hubports.Directory` of a hub that has registered nothing."""

    def __init__(self, hub: LiveCluster) -> None:
        self._hub = hub

    async def ready(self, hub: ClusterName) -> None:
        """Nothing has to be waited for."""

    def find(self, hub: ClusterName, *, server: str, name: str) -> Site:
        """The hub, under its own name or URL or as ``in-cluster``."""
        asked = server_of(server, name, ())
        if asked in {IN_CLUSTER, self._hub.api.server.rstrip("/")} or (name and name == self._hub.api.name):
            return Site(self._hub)
        raise no_such_server(server) if server else no_such_name(name)

    def subscribe(self, listener: Callable[[], None]) -> Subscription:
        """Nothing ever changes."""
        return self

    def registrations(self, hub: ClusterName) -> Sequence[Registration] | None:
        """None."""
        return ()

    def on_registrations(self, listener: Callable[[], None]) -> Subscription:
        """Nothing ever changes."""
        return self

    def close(self) -> None:
        """Nothing goes on."""
