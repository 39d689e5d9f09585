"""A cluster into which applications are synced, with what the engine keeps about it.

Owns: `Destination` (watches, discovery, overlay of our own writes, prediction cache) and `Destinations`, which finds
the one that an Application names (`util/argo`, `GetDestinationCluster`).
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any

from fleetui.engine.application import IN_CLUSTER, text
from fleetui.engine.clock import Clock
from fleetui.engine.overlay import Overlay
from fleetui.engine.predict import Predictor
from fleetui.model.errors import MissingError
from fleetui.model.objects import ApiResource, Discovery, Obj, ObjectRef, StoredObject
from fleetui.ports import Cluster, LiveCluster, Subscription

REDISCOVER_AFTER = 10.0
"""Seconds before discovery is asked again for a kind that the server did not know."""

Woken = Callable[[StoredObject, bool], None]
"""Called with an object that changed, and whether it went."""


class Destination:
    """One cluster as the engine works on it."""

    def __init__(self, live: LiveCluster, clock: Clock, woken: Woken) -> None:
        self.live = live
        self.overlay = Overlay(clock.now)
        self.predictor = Predictor(live.api)
        self.discovery = Discovery(())
        self._clock = clock
        self._woken = woken
        self._discovered_at: float | None = None
        self._wanted: dict[ApiResource, Subscription] = {}
        self._subscription = live.subscribe(self._changed)

    @property
    def api(self) -> Cluster:
        return self.live.api

    def close(self) -> None:
        self._subscription.close()
        for subscription in self._wanted.values():
            subscription.close()
        self._wanted.clear()

    async def rediscover(self) -> None:
        """Asks the server what it serves."""
        self.discovery = await self.api.discover(refresh=self._discovered_at is not None)
        self._discovered_at = self._clock.now()

    async def know(self, kinds: Iterable[tuple[str, str]], *, anew: bool = False) -> None:
        """Makes sure that the kinds are known if they are served, asking the server again now and then; `anew`: now,
        because a human asked for a look."""
        unknown = any(self.discovery.by_kind(*kind) is None for kind in kinds)
        asked = self._discovered_at
        if asked is None or (unknown and (anew or self._clock.now() - asked >= REDISCOVER_AFTER)):
            await self.rediscover()

    async def resource(self, obj: Mapping[str, Any]) -> ApiResource | None:
        """The resource of an object in its own version; None where it is not served."""
        return self.discovery.of(obj)

    async def watch(self, kinds: Iterable[tuple[str, str]]) -> None:
        """Returns when every served one of the kinds is watched and has been listed.

        Raises:
            ClusterError: one can't be listed.
        """
        resources = [resource for kind in kinds if (resource := self.discovery.by_kind(*kind)) is not None]
        resources = [resource for resource in resources if "watch" in resource.verbs]
        for resource in resources:
            if resource not in self._wanted:
                self._wanted[resource] = self.live.want(resource)
        for resource in resources:
            await self.live.listed(resource)

    def get(self, ref: ObjectRef) -> Obj | None:
        """The newest known state of an object."""
        return self.overlay.get(ref, self.live.get(ref))

    def tracked(self, instance: str) -> list[Obj]:
        """The objects that say they belong to an application and have no owner (`GetManagedLiveObjs`)."""
        found = []
        for stored in self.live.tracked(instance):
            obj = None if stored.meta.owner_references else self.overlay.get(stored.ref, stored)
            if obj is not None:
                found.append(obj)
        return found

    def _changed(self, obj: StoredObject, *, deleted: bool) -> None:
        if not self.overlay.seen(obj, deleted=deleted):
            self._woken(obj, deleted)


class Destinations:
    """The clusters that this engine may sync into: its hub, and those it was given besides.

    Args:
        hub: the cluster that holds the Applications.
        others: further ones.
        clock: the time.
        on_hub: told of what changes on the hub.
        elsewhere: told of what changes on the others; an Application there is none of this engine's.
    """

    def __init__(
        self, hub: LiveCluster, others: Sequence[LiveCluster], clock: Clock, *, on_hub: Woken, elsewhere: Woken
    ) -> None:
        self._hub = Destination(hub, clock, on_hub)
        self._others = [Destination(live, clock, elsewhere) for live in others if live is not hub]

    @property
    def hub(self) -> Destination:
        return self._hub

    def close(self) -> None:
        for destination in (self._hub, *self._others):
            destination.close()

    def find(self, destination: Mapping[str, Any]) -> Destination:
        """The cluster that `spec.destination` names, by server (a trailing slash does not matter) or by name.

        Raises:
            MissingError: there is no such cluster; the message is Argo CD's.
        """
        server, name = text(destination.get("server")).rstrip("/"), text(destination.get("name"))
        if server == IN_CLUSTER or name == "in-cluster":
            return self._hub
        for candidate in (self._hub, *self._others):
            if (server and candidate.api.server.rstrip("/") == server) or (name and candidate.api.name == name):
                return candidate
        if server:
            # Argo CD looks clusters up over gRPC, and its words come with the message.
            lookup = f'rpc error: code = NotFound desc = cluster "{server}" not found'
            raise MissingError(f'error getting cluster by server "{text(destination.get("server"))}": {lookup}')
        raise MissingError(f"there are no clusters with this name: {name}")
