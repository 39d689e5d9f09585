"""A cluster into which applications are synced, with what the engine keeps about it.

Owns: `Destination` (watches, discovery, overlay of our own writes, prediction cache) and `Destinations`, which keeps
one for each cluster that Applications name. Which cluster that is, says a `fleetui.hubports.Directory`.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable, Collection, Container, Iterable, Mapping
from contextlib import suppress
from typing import Any

from fleetui.engine.application import IN_CLUSTER, text
from fleetui.engine.clock import Clock
from fleetui.engine.lookup import IN_CLUSTER_NAME
from fleetui.engine.orphans import STATEFUL_SET, is_looked_at
from fleetui.engine.overlay import Overlay
from fleetui.engine.predict import Predictor
from fleetui.engine.projects import Place
from fleetui.engine.tracking import BY_ANNOTATION, Tracking
from fleetui.hubports import Directory, Site
from fleetui.model.errors import ClusterError, MissingError, UnreachableError
from fleetui.model.objects import ApiResource, ClusterName, Discovery, Obj, ObjectRef, StoredObject
from fleetui.model.status import ClusterState, ClusterStatus
from fleetui.ports import Cluster, LiveCluster, Subscription

_log = logging.getLogger(__name__)

REDISCOVER_AFTER = 10.0
"""Seconds before discovery is asked again for a kind that the server did not know."""

MOST_LOOKED_INTO = 128
"""Watches of a cluster for orphans: each is a connection, of which it has 256 for everybody."""

REQUESTS = 20
"""Requests about objects that are in flight on one cluster. Where that is the hub, some of its places are left for the
Applications themselves: a webhook that hangs must not keep the engine from writing what becomes of other clusters."""

_AWAY = frozenset({ClusterState.UNREACHABLE, ClusterState.STALE})

Woken = Callable[[ClusterName, StoredObject, bool, Collection[str]], None]
"""Called with a cluster, an object of it that changed, whether it went, and the applications that it names or did until
now."""
Asked = tuple[str, str]
"""What a destination names a cluster by: `server` and `name`."""


def asked_for(destination: Mapping[str, Any]) -> Asked:
    """By what `spec.destination` names its cluster."""
    return text(destination.get("server")), text(destination.get("name"))


class Destination:
    """One cluster as the engine works on it.

    Args:
        site: the cluster, and what of it is ours.
        clock: the time.
        woken: told of what changes there.
        back: told when it answers again.
        syncs: how many sync steps run there at a time.
        tracking: how its objects say which application they belong to, at this moment.
    """

    def __init__(
        self,
        site: Site,
        clock: Clock,
        woken: Woken,
        *,
        back: Callable[[Site], None] = lambda _: None,
        syncs: int = 10,
        tracking: Callable[[], Tracking] = lambda: BY_ANNOTATION,
    ) -> None:
        self.live = live = site.live
        self._site = site
        self.overlay = Overlay(clock.now)
        self.requests = asyncio.Semaphore(REQUESTS)
        """Whoever asks something about an object holds it; nobody waits for it with many requests at a time."""
        self.predictor = Predictor(live.api, self.requests, tracking)
        self.discovery = Discovery(())
        self._clock = clock
        self._woken = woken
        self._tracking = tracking
        self._discovered_at: float | None = None
        self._wanted: dict[tuple[ApiResource, str], Subscription] = {}
        self._looked_into: dict[tuple[ApiResource, str], Subscription] = {}
        self._owners: dict[ObjectRef, str] = {}
        self.syncing = asyncio.Semaphore(syncs)
        """Whoever runs a sync step holds it."""
        self._back = back
        self._asking: asyncio.Task[None] | None = None
        self._away: asyncio.Future[ClusterStatus] | None = None
        self._was_away = False
        self._told_away = False
        self._subscriptions = [live.subscribe(self._changed), live.api.on_status(self._status_told)]

    @property
    def api(self) -> Cluster:
        return self.live.api

    @property
    def tracking(self) -> Tracking:
        """How objects here say which application they belong to."""
        return self._tracking()

    def close(self) -> None:
        if self._asking is not None:
            self._asking.cancel()
        for subscription in (*self._subscriptions, *self._wanted.values(), *self._looked_into.values()):
            subscription.close()
        self._wanted.clear()
        self._looked_into.clear()

    async def rediscover(self) -> None:
        """Asks the server what it serves, once for all who want to know.

        Raises:
            ClusterError: it can't be asked. One that is known not to answer is not asked: `back` is told of when it
                does again.
        """
        if self._asking is None:
            self._asking = asyncio.create_task(self._discover(), name=f"discovery {self.api.name}")
            self._asking.add_done_callback(self._answered)
        await asyncio.shield(self._asking)

    async def _discover(self) -> None:
        if self.api.status.state in _AWAY:
            raise self._unreachable(self.api.status)
        away = self._away = asyncio.get_running_loop().create_future()
        answer = asyncio.ensure_future(self.api.discover(refresh=self._discovered_at is not None))
        try:
            await asyncio.wait({answer, away}, return_when=asyncio.FIRST_COMPLETED)
            if not answer.done():
                raise self._unreachable(away.result())
            self.discovery = answer.result()
        finally:
            answer.cancel()
        self._discovered_at = self._clock.now()

    def _answered(self, asking: asyncio.Task[None]) -> None:
        self._asking = self._away = None
        if not asking.cancelled():
            # Looked at, or Python would complain where every asker was cancelled meanwhile.
            asking.exception()

    def _unreachable(self, status: ClusterStatus) -> UnreachableError:
        self._was_away = True
        return UnreachableError(status.message, cluster=self.api.name)

    def _status_told(self, status: ClusterStatus) -> None:
        away = status.state in _AWAY
        if away != self._told_away and (away or status.state is ClusterState.LIVE):
            self._told_away = away
            if away:
                _log.warning("cluster %s: %s", status.name, status.message or status.state)
            else:
                _log.info("cluster %s answers again", status.name)
        if status.state in _AWAY and self._away is not None and not self._away.done():
            self._away.set_result(status)
        elif status.state is ClusterState.LIVE and self._was_away:
            self._was_away = False
            self._back(self._site)

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
        wanted = [
            (resource, namespace)
            for resource in resources
            if "watch" in resource.verbs
            for namespace in self._scopes(resource)
        ]
        for want in wanted:
            if want not in self._wanted:
                self._wanted[want] = self.live.want(*want)
                # Of what somebody else has watched already no event tells.
                for obj in self.live.of_kind(*want[0].group_kind):
                    self._owners_of(obj)
        for want in wanted:
            await self.live.listed(*want)

    async def look_into(self, namespace: str) -> list[StoredObject]:
        """All objects of a namespace that may be read, which is watched from then on (their metadata, but for
        StatefulSets).

        Raises:
            ClusterError: the cluster can't be asked what it serves, or would have to be watched too much.
        """
        await self.know(())
        kinds = dict.fromkeys(each.group_kind for each in self.discovery if is_looked_at(each))
        resources = [found for kind in kinds if (found := self.discovery.by_kind(*kind)) and "watch" in found.verbs]
        wanted = [(each, "") if (each, "") in self._wanted else (each, namespace) for each in resources]
        fresh = [want for want in wanted if want not in self._wanted and want not in self._looked_into]
        if len(self._looked_into) + len(fresh) > MOST_LOOKED_INTO:
            raise ClusterError(f"{self.api.name}: too many namespaces are to be watched for orphaned resources")
        for resource, where in fresh:
            whole = resource.group_kind == STATEFUL_SET
            self._looked_into[resource, where] = self.live.want(resource, where, metadata_only=not whole)
        for want in wanted:
            with suppress(ClusterError):  # what may not be read can't be called an orphan
                await self.live.listed(*want)
        return [obj for kind in kinds for obj in self.live.of_kind(*kind) if obj.ref.namespace == namespace]

    def _scopes(self, resource: ApiResource) -> tuple[str, ...]:
        """The namespaces in which a resource is watched; an empty string stands for all, or for the cluster."""
        if not self._site.namespaces:
            return ("",)
        if resource.namespaced:
            return self._site.namespaces
        return ("",) if self._site.cluster_resources else ()

    @property
    def place(self) -> Place:
        """The cluster as a project names it; a hub that has not registered itself is Argo CD's own cluster."""
        site = self._site
        server = site.server or IN_CLUSTER
        name = site.name or (IN_CLUSTER_NAME if not site.server else "")
        return Place(server, name, site.project, site.namespaces)

    @property
    def makes_namespaces(self) -> bool:
        """Whether namespaces are made here: a cluster that is registered for some has them already."""
        return self._site.cluster_resources or not self._site.namespaces

    def objection(self, refs: Iterable[ObjectRef]) -> str:
        """Why one of the objects can't be managed on a cluster that is registered for some namespaces alone; empty
        where all can (gitops-engine pkg/cache/cluster.go, `GetManagedLiveObjs`)."""
        site = self._site
        for ref in refs if site.namespaces else ():
            if not ref.namespace and not site.cluster_resources:
                return f'cluster level {ref.kind} "{ref.name}" can not be managed when in namespaced mode'
            if ref.namespace and ref.namespace not in site.namespaces:
                return f'namespace "{ref.namespace}" for {ref.kind} "{ref.name}" is not managed'
        return ""

    def get(self, ref: ObjectRef) -> Obj | None:
        """The newest known state of an object."""
        return self.overlay.get(ref, self.live.get(ref))

    def tracked(self, instance: str) -> list[Obj]:
        """The objects that say they belong to an application and have no owner (`GetManagedLiveObjs`)."""
        tracking, found = self.tracking, []
        named = self.live.labelled(tracking.label, instance) if tracking.by_label else self.live.tracked(instance)
        for stored in named:
            meta = stored.meta
            if tracking.owner(meta.labels or {}, meta.annotations or {}) != instance:
                continue  # another installation's
            obj = None if stored.meta.owner_references else self.overlay.get(stored.ref, stored)
            if obj is not None:
                found.append(obj)
        return found

    def _changed(self, obj: StoredObject, *, deleted: bool) -> None:
        owners = self._owners_of(obj, deleted=deleted)
        if not self.overlay.seen(obj, deleted=deleted):
            self._woken(self.api.name, obj, deleted, owners)

    def _owners_of(self, obj: StoredObject, *, deleted: bool = False) -> set[str]:
        """The applications that an object names, and that it did until now: who lost it has to look too (Argo CD v3.6.1
        controller/cache/cache.go, where both the old and the new object wake their applications)."""
        before = self._owners.pop(obj.ref, "")
        now = self.tracking.owner(obj.meta.labels or {}, obj.meta.annotations or {})
        if now and not deleted:
            self._owners[obj.ref] = now
        return {before, now} - {""}


class Destinations:
    """The clusters that this engine syncs into: its hub, and those that the hub's Applications name.

    Args:
        hub: the cluster that holds the Applications.
        directory: where the others are found.
        clock: the time.
        on_hub: told of what changes on the hub.
        elsewhere: told of what changes on the others; an Application there is none of this engine's.
        back: told by what Applications name the clusters that answer again.
        syncs: how many sync steps run on one cluster at a time.
        tracking: how the hub's objects say which application they belong to, at this moment.
    """

    def __init__(
        self,
        hub: LiveCluster,
        directory: Directory,
        clock: Clock,
        *,
        on_hub: Woken,
        elsewhere: Woken,
        back: Callable[[Container[Asked]], None] = lambda _: None,
        syncs: int = 10,
        tracking: Callable[[], Tracking] = lambda: BY_ANNOTATION,
    ) -> None:
        self._tracking = tracking
        self._directory = directory
        self._clock = clock
        self._elsewhere = elsewhere
        self._back = back
        self._syncs = syncs
        self._hub = self._make(Site(hub), on_hub)
        self._made: dict[Site, Destination] = {Site(hub): self._hub}
        self._asked: dict[Asked, Site | None] = {}

    @property
    def hub(self) -> Destination:
        return self._hub

    def close(self) -> None:
        for destination in self._made.values():
            destination.close()

    async def ready(self) -> None:
        """Returns when it is known which clusters there are."""
        await self._directory.ready(self._hub.api.name)

    def find(self, destination: Mapping[str, Any]) -> Destination:
        """The cluster that `spec.destination` names.

        Raises:
            MissingError: there is no such cluster; the message is Argo CD's.
        """
        asked = asked_for(destination)
        self._asked[asked] = None
        self._asked[asked] = site = self._look(asked)
        if site not in self._made:
            self._made[site] = self._make(site, self._elsewhere)
        return self._made[site]

    def _make(self, site: Site, woken: Woken) -> Destination:
        return Destination(
            site, self._clock, woken, back=self._answers_again, syncs=self._syncs, tracking=self._tracking
        )

    def _answers_again(self, site: Site) -> None:
        self._back({asked for asked, found in self._asked.items() if found == site})

    def look_again(self) -> set[Asked]:
        """Forgets what is reached no more, or otherwise than before; returns whose answer has changed."""
        changed: set[Asked] = set()
        for asked, before in self._asked.items():
            try:
                now: Site | None = self._look(asked)
            except MissingError:
                now = None
            if now != before:
                changed.add(asked)
                self._asked[asked] = now
        used = {site for site in self._asked.values() if site is not None} | {Site(self._hub.live)}
        for site in self._made.keys() - used:
            self._made.pop(site).close()
        return changed

    def _look(self, asked: Asked) -> Site:
        server, name = asked
        return self._directory.find(self._hub.api.name, server=server, name=name)
