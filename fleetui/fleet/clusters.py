"""The clusters of a fleet: those that were chosen, and those that their hubs register.

Owns: `Clusters`, the `fleetui.hubports.Directory` of the engine and the console. It knows each API server once, however
many ways lead to it, and finds the one that a destination names. Made in the composition root, shared by all engines
and the console of a process; everything runs on their loop.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine, Iterator, Mapping, Sequence
from contextlib import suppress
from functools import partial
from itertools import chain
from typing import Any

import msgspec

from fleetui.engine.application import IN_CLUSTER
from fleetui.engine.clock import Clock, SystemClock
from fleetui.engine.lookup import by_server, no_such_name, no_such_server, server_of
from fleetui.fleet.references import References
from fleetui.fleet.registered import Claim, Registered, close_store, labels_of
from fleetui.fleet.registrations import Registrations
from fleetui.fleet.sorting import Sorting, key_of
from fleetui.fleet.store import LiveStore
from fleetui.fleet.subscription import enlist
from fleetui.fleet.twins import Twins
from fleetui.hubports import Referrer, Registrar, Registration, Site
from fleetui.model.errors import FleetError, MissingError
from fleetui.model.objects import ClusterName
from fleetui.model.servers import ServerIdentity
from fleetui.model.status import AWAY, ClusterState, ClusterStatus
from fleetui.ports import Subscription

AT_ONCE = 100
"""Clusters that are asked side by side when all are."""
PATIENCE = 15.0
"""Seconds that each of them is given."""


class Clusters:
    """Every cluster that a fleet knows of.

    Args:
        chosen: the clusters that were asked for by name; each may be a hub.
        registrar: reads what hubs register; None: nothing.
        referrer: reads which clusters objects of hubs refer to; None: none.
        clock: the time.
        identities: of the servers of the chosen ones, where more is known of them than the URL.
        aliases: further names of the chosen ones.
    """

    def __init__(
        self,
        chosen: Sequence[LiveStore],
        registrar: Registrar | None = None,
        referrer: Referrer | None = None,
        *,
        clock: Clock | None = None,
        identities: Mapping[ClusterName, ServerIdentity] | None = None,
        aliases: Mapping[ClusterName, tuple[str, ...]] | None = None,
    ) -> None:
        self.chosen = {store.api.name: store for store in chosen}
        self._registrar = registrar
        self._referrer = referrer
        self._clock = clock or SystemClock()
        of_url = {name: ServerIdentity.of(store.api.server) for name, store in self.chosen.items()}
        self._identities = {**of_url, **(identities or {})}
        self._given_aliases = aliases or {}
        self._found_aliases: dict[ClusterName, list[str]] = {}
        self._hubs: dict[ClusterName, Registrations] = {}
        self._references: dict[ClusterName, References] = {}
        self._registered: list[Registered] = []
        self._ways: dict[str, Registered] = {}
        self._sorting = Sorting((), self._identities, (), partial(self._made, told=self._place_told))
        self._twins = Twins(self.chosen)
        self._told: dict[ClusterName, ClusterStatus] = {}
        self._listeners: list[Callable[[], None]] = []
        self._registration_listeners: list[Callable[[], None]] = []
        self._status_listeners: list[Callable[[ClusterStatus], None]] = []
        self._gone_listeners: list[Callable[[ClusterName], None]] = []
        self._subscriptions: list[Subscription] = []
        self._asking: set[asyncio.Task[None]] = set()
        self._closing: set[asyncio.Task[None]] = set()

    # --- life -------------------------------------------------------------------------------------------------------

    def start(self) -> None:
        """Begins to tell how the clusters are; harmless when it has begun."""
        if not self._subscriptions:
            for store in self.chosen.values():
                self._told[store.api.name] = self._shown(store.api.status)
                self._subscriptions.append(store.api.on_status(lambda status: self._tell(self._shown(status))))

    async def close(self) -> None:
        """Ends every watch of what hubs register and the connections to what they did; the chosen stay open."""
        for subscription in self._subscriptions:
            subscription.close()
        for hub in self._hubs.values():
            hub.close()
        for place in (*self._registered, *self._ways.values()):
            place.close()
        await asyncio.gather(*(references.close() for references in self._references.values()))
        for task in self._asking:
            task.cancel()
        await asyncio.gather(*self._asking, *self._closing, return_exceptions=True)

    # --- how they are -----------------------------------------------------------------------------------------------

    @property
    def statuses(self) -> dict[ClusterName, ClusterStatus]:
        """How each cluster is, the chosen ones first."""
        chosen = [self._shown(store.api.status) for store in self.chosen.values()]
        registered = [place.status for place in self._registered if self._twins.of(place.name) is None]
        return {status.name: status for status in (*chosen, *registered)}

    def is_protected(self, name: ClusterName) -> bool:
        """Whether actions on a cluster want its name typed, also where it is shown under another one."""
        of_place = {place.name: place for place in self._registered}
        if name in of_place:
            twin = self._twins.of(name)
            return of_place[name].status.protected or (twin is not None and self.is_protected(twin))
        return name in self.chosen and self.chosen[name].api.status.protected

    def on_status(self, listener: Callable[[ClusterStatus], None]) -> Subscription:
        """Calls `listener` with each new status."""
        return enlist(self._status_listeners, listener)

    def on_gone(self, listener: Callable[[ClusterName], None]) -> Subscription:
        """Calls `listener` with the name of a cluster that is not registered any more."""
        return enlist(self._gone_listeners, listener)

    def same(self, leader: ClusterName, other: ClusterName) -> None:
        """Two chosen ones were found to lead to one server; `leader` is the one under which it is shown."""
        known = self._found_aliases.setdefault(leader, [])
        if other not in known:
            known.append(other)
            self._tell(self._shown(self.chosen[leader].api.status))

    async def referred(self) -> None:
        """Returns when it is known to which clusters objects of the chosen ones refer, as far as they answer."""
        if self._referrer is None:
            return
        begun = []
        for name, store in self.chosen.items():
            if store.api.status.state is not ClusterState.LIVE:
                continue
            if name not in self._references:
                self._references[name] = References(store.api, self._referrer, self._registrations_changed)
            if not self._references[name].begun:
                begun.append(self._references[name].start())
        await asyncio.gather(*begun)
        await asyncio.gather(*(references.ready() for references in self._references.values()))

    async def check(self) -> None:
        """Connects to every registered cluster; returns when each has answered or failed to."""
        gate = asyncio.Semaphore(AT_ONCE)

        async def ask(place: Registered) -> None:
            async with gate:
                if place not in self._sorting.of_place:
                    return  # it went before its turn came
                await asyncio.wait_for(place.open().api.discover(), PATIENCE)

        await asyncio.gather(*map(ask, self._registered), return_exceptions=True)
        while self._asking:
            await asyncio.wait(self._asking)

    def probe(self, name: ClusterName) -> None:
        """Begins to ask a cluster for something small, so that it is told whether it answers; harmless where there is
        none of that name."""

        async def ask() -> None:
            with suppress(FleetError):  # that is its status then
                await self.named(name).api.discover()

        _begin(ask(), self._asking)

    async def versions(self) -> None:
        """Returns when every cluster that is connected to has said its version."""
        await asyncio.gather(*(store.api.discover() for store in self.answering), return_exceptions=True)

    @property
    def answering(self) -> list[LiveStore]:
        """Every cluster that answers."""
        stores = [*self.chosen.values(), *(store for place in self._registered if (store := place.live))]
        return [store for store in stores if store.api.status.state is ClusterState.LIVE]

    def named(self, name: ClusterName) -> LiveStore:
        """The cluster that is shown under a name; one that a hub registers is connected to at its first request.

        Raises:
            MissingError: there is none.
        """
        if name in self.chosen:
            return self.chosen[name]
        for place in self._registered:
            if place.name == name:
                return place.open()
        raise MissingError(f"the fleet has no cluster {name}")

    # --- fleetui.hubports.Directory ---------------------------------------------------------------------------------

    def unread(self, hub: ClusterName) -> str:
        """Why it is not known which clusters the hub has registered; empty where it is known, or not asked."""
        return self._hubs[hub].problem if hub in self._hubs else ""

    def look_at(self, hub: ClusterName) -> None:
        """Begins to watch what a hub registers; harmless when it has begun."""
        if self._registrar is not None and hub not in self._hubs:
            api = self.chosen[hub].api
            self._hubs[hub] = Registrations(api, self._registrar, self._registrations_changed)
            self._hubs[hub].start()

    async def ready(self, hub: ClusterName) -> None:
        """Returns when it is known which clusters the hub has registered, or that this can't be known."""
        self.look_at(hub)
        if hub in self._hubs:
            await self._hubs[hub].ready()

    def subscribe(self, listener: Callable[[], None]) -> Subscription:
        """Calls `listener` whenever another cluster may be found than before."""
        return enlist(self._listeners, listener)

    def registrations(self, hub: ClusterName) -> Sequence[Registration] | None:
        """What the hub's own objects register, in the order of their names; None where that is not known (yet)."""
        if self._registrar is None:
            return ()
        return self._hubs[hub].all if hub in self._hubs and self._hubs[hub].known else None

    def on_registrations(self, listener: Callable[[], None]) -> Subscription:
        """Calls `listener` whenever `registrations` of a hub is another."""
        return enlist(self._registration_listeners, listener)

    def find(self, hub: ClusterName, *, server: str, name: str) -> Site:
        """The cluster into which a destination of the hub's Applications syncs, and the hub's own way to it.

        Argo CD's rule and nothing beyond: a hub's text must not open what only the operator's contexts open. So a
        context that the hub has not registered is not found, and where it has, it is reached with the hub's login.

        Raises:
            MissingError: there is none, or several; the message is Argo CD's.
        """
        asked, found = self._look_up(hub, server=server, name=name)
        if found is not None:
            live, bounds = self._way_to((hub, found)), (found.namespaces, found.cluster_resources)
            return Site(live, *bounds, server=found.server, name=found.name, project=found.project)
        if asked == IN_CLUSTER or name == hub or self._identities[hub].url == ServerIdentity.of(asked).url:
            return Site(self.chosen[hub])
        raise no_such_server(server) if asked else no_such_name(name)

    def store(self, hub: ClusterName, *, server: str, name: str) -> LiveStore:
        """The cluster where the operator looks at what a destination names: by a context where one leads there, else by
        what the hub has registered.

        Raises:
            MissingError: as for `find`.
        """
        place = self._place(hub, server=server, name=name)
        return place.open() if isinstance(place, Registered) else self.chosen[place]

    def called(self, hub: ClusterName, *, server: str, name: str) -> ClusterName | None:
        """The name under which `store` is shown, connected to or not; None where there is none."""
        try:
            place = self._place(hub, server=server, name=name)
        except MissingError:
            return None
        return place.name if isinstance(place, Registered) else place

    def behind(self, hub: ClusterName, namespace: str, secret: str) -> ClusterName | None:
        """The name of the cluster to which the kubeconfig in a hub's Secret leads; None where that is not known."""
        references = self._references.get(hub)
        found = references.registration(namespace, secret) if references is not None else None
        place = self._sorting.places.get(key_of((hub, found))) if found is not None else None
        return place.name if isinstance(place, Registered) else place

    def _place(self, hub: ClusterName, *, server: str, name: str) -> Registered | ClusterName:
        asked, found = self._look_up(hub, server=server, name=name)
        if found is not None:
            return self._sorting.places[key_of((hub, found))]
        chosen = self._chosen_by_url(hub, asked) if asked else self.chosen.get(ClusterName(name))
        if chosen is not None:
            return chosen.api.name
        raise no_such_server(server) if asked else no_such_name(name)

    def _look_up(self, hub: ClusterName, *, server: str, name: str) -> tuple[str, Registration | None]:
        registered = self._hubs[hub].all if hub in self._hubs else ()
        asked = server_of(server, name, registered)
        return asked, by_server(asked, registered)

    def _chosen_by_url(self, hub: ClusterName, url: str) -> LiveStore | None:
        if url == IN_CLUSTER:
            return self.chosen[hub]
        wanted = ServerIdentity.of(url).url
        names = (hub, *self.chosen)
        return next((self.chosen[name] for name in names if self._identities[name].url == wanted), None)

    def _way_to(self, claim: Claim) -> LiveStore:
        key = key_of(claim)
        place = self._sorting.places[key]
        if isinstance(place, Registered):
            return place.open()
        if place == claim[0]:
            return self.chosen[place]
        if key not in self._ways:
            self._ways[key] = self._made(place, claim, told=lambda _: None)
            self._ways[key].claim([claim])
        return self._ways[key].open()

    # --- what hubs register -----------------------------------------------------------------------------------------

    def _registrations_changed(self) -> None:
        before = self._registered
        changed = self._sort()
        names = {place.name for place in self._registered}
        gone = [place for place in before if place not in self._sorting.of_place]
        for place in gone:
            place.close()
            self._twins.forget(place.name)
            if place.name not in names:
                self._tell_gone(place.name)
        for place in self._registered:
            self._place_told(place)
        for store in self.chosen.values():
            self._tell(self._shown(store.api.status))
        told = [*self._registration_listeners, *(self._listeners if changed or gone else ())]
        for listener in told:
            listener()

    def _claims(self) -> Iterator[Claim]:
        for hub in self.chosen:
            for source in (self._hubs.get(hub), self._references.get(hub)):
                yield from ((hub, each) for each in (source.all if source is not None else ()))

    def _sort(self) -> bool:
        """Gives every registration its place; returns whether any is found in another way now."""
        make = partial(self._made, told=self._place_told)
        before, self._sorting = self._sorting, Sorting(self._claims(), self._identities, self._registered, make)
        moved = [place.claim(claims) for place, claims in self._sorting.of_place.items()]
        moved += self._renewed_ways()
        self._registered = list(self._sorting.of_place)
        return any(moved) or self._sorting.places != before.places or self._sorting.meaning != before.meaning

    def _renewed_ways(self) -> list[bool]:
        """Brings the hubs' own ways to chosen clusters up to date; says for each whether it is another one now."""
        claims = {key_of(claim): claim for claim in self._sorting.claims}
        for key in [key for key in self._ways if not isinstance(self._sorting.places.get(key), str)]:
            self._ways.pop(key).close()
        return [way.claim([claims[key]]) for key, way in self._ways.items()]

    def _made(self, name: ClusterName, claim: Claim, *, told: Callable[[Registered], None]) -> Registered:
        connector = self._registrar if claim[1].by == "hub" else self._referrer
        assert connector is not None, "nobody else registers anything"
        return Registered(
            name,
            claim[1].identity,
            connector,
            self._clock,
            told=told,
            closing=lambda store: _begin(close_store(store), self._closing),
        )

    # --- telling ----------------------------------------------------------------------------------------------------

    def _place_told(self, place: Registered) -> None:
        status, before = place.status, self._told.get(place.name)
        if status.state in AWAY and before is not None and before.state is not status.state:
            for hub, each in place.claims:
                if each.by != "hub":
                    self._references[hub].read_again(each)
        if self._twins.of(place.name) is None:
            self._tell(status)
        if place.live is not None and place.whole and self._twins.is_new(place.name):
            _begin(self._identify(place), self._asking)

    def _shown(self, status: ClusterStatus) -> ClusterStatus:
        """The status of a chosen cluster, with what is known of it besides."""
        given, found = self._given_aliases.get(status.name, ()), self._found_aliases.get(status.name, ())
        aliases = (*given, *found, *self._sorting.aliases(status.name))
        twins = [place for place in self._registered if self._twins.of(place.name) == status.name]
        claims = (self._sorting.of_chosen.get(status.name, ()), *(place.claims for place in twins))
        problem = self.unread(status.name) if status.state is ClusterState.LIVE else ""
        return msgspec.structs.replace(
            status,
            aliases=tuple(dict.fromkeys((*aliases, *(place.name for place in twins)))),
            labels=labels_of(chain.from_iterable(claims)),
            origin=", ".join((status.origin, *self._sorting.origins(status.name))),
            message=status.message or problem,
        )

    def _tell(self, status: ClusterStatus) -> None:
        if self._told.get(status.name) != status:
            self._told[status.name] = status
            for listener in tuple(self._status_listeners):
                listener(status)

    def _tell_gone(self, name: ClusterName) -> None:
        self._told.pop(name, None)
        for listener in tuple(self._gone_listeners):
            listener(name)

    async def _identify(self, place: Registered) -> None:
        await self._twins.ask(place)
        twin = self._twins.of(place.name)
        if twin is not None and place in self._registered:
            self._tell_gone(place.name)
            self._tell(self._shown(self.chosen[twin].api.status))


def _begin(work: Coroutine[Any, Any, None], tasks: set[asyncio.Task[None]]) -> None:
    task = asyncio.get_running_loop().create_task(work, name="clusters")
    tasks.add(task)
    task.add_done_callback(tasks.discard)
