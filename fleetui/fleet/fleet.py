"""The live picture of a fleet.

Owns: `LiveFleet`, the implementation of `fleetui.fleet.api.Fleet`: it keeps applications and clusters, publishes what
changed, and hands each question to the module that answers it. Made in the composition root; everything runs on the
engine's loop. Never here: rules of a dialect, requests other than through a module of this package.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from functools import cached_property
from types import MappingProxyType
from typing import TYPE_CHECKING

import msgspec

from fleetui.engine.clock import Clock, SystemClock
from fleetui.engine.tracking import instance_name
from fleetui.fleet.changes import Publisher
from fleetui.fleet.coverage import Coverage
from fleetui.fleet.history import Commits, history_of
from fleetui.fleet.kept import KeptTree
from fleetui.fleet.places import place_of
from fleetui.fleet.store import LiveStore
from fleetui.fleet.subject import Subject
from fleetui.fleet.views import Action, AppDiff, ChangeSet, HistoryRow, Narrowed, ObjectEvent, Outcome, Plan, Tree
from fleetui.model.app import App, AppKey
from fleetui.model.errors import ClusterError, FleetError, MissingError
from fleetui.model.objects import ClusterName, Obj, ObjectRef, StoredObject
from fleetui.model.status import ClusterState, ClusterStatus
from fleetui.ports import Cluster, Dialect, Repositories, Subscription

if TYPE_CHECKING:
    from fleetui.fleet.audit import Audit
    from fleetui.fleet.differ import Differ
    from fleetui.fleet.dispatch import Dispatcher
    from fleetui.fleet.permissions import Permissions
    from fleetui.fleet.planner import Planner

SEEN_WITHIN = 3.0
"""Seconds that `execute` waits, at most, until the watch has brought what it wrote."""
GREETED_WITHIN = 2.0
"""Seconds that a greeted cluster has to answer before the next one's turn comes."""


class LiveFleet:
    """Every chosen cluster as one fleet.

    Args:
        clusters: each may be a hub, a place where applications run, or both.
        dialects: how applications are written down.
        repositories: where their desired state lies.
        audit: where actions are recorded; by default the file in the user's state folder.
        read_only: refuse every action.
        namespaces: where applications are looked for; an empty string stands for all.
        named: namespaces to look into where not all may be listed, besides the context's own.
        protects: which clusters want their name typed before an action, besides those whose status says so.
        clock: the time.
    """

    def __init__(
        self,
        clusters: Sequence[LiveStore],
        dialects: Sequence[Dialect],
        repositories: Repositories,
        *,
        audit: Audit | None = None,
        read_only: bool = False,
        namespaces: Sequence[str] = ("",),
        named: Sequence[str] = (),
        protects: Callable[[str], bool] = lambda cluster: False,
        clock: Clock | None = None,
    ) -> None:
        clock = clock or SystemClock()
        self._clock = clock
        self._audit = audit
        self._read_only = read_only
        self._stores = {store.api.name: store for store in clusters}
        self._dialects = {dialect.app_kind: dialect for dialect in dialects}
        self._by_name = {dialect.name: dialect for dialect in dialects}
        self._namespaces = tuple(namespaces)
        self._repositories = repositories
        self._commits = Commits(repositories)
        self._protects = protects
        self._publisher = Publisher(clock, stamp=self._as_of_now)
        self._apps: dict[AppKey, App] = {}
        self._coverage = Coverage(
            clusters,
            dialects,
            namespaces=self._namespaces,
            named=named,
            permissions=lambda: self._permissions,
            clock=clock,
            changed=self._coverage_changed,
        )
        self._clusters = {name: self._shown(store.api.status) for name, store in self._stores.items()}
        self._trees: dict[AppKey, KeptTree] = {}
        self._loaded_waiters: list[asyncio.Future[None]] = []
        self._seen_waiters: list[tuple[AppKey, str, asyncio.Future[None]]] = []
        self._subscriptions: list[Subscription] = []
        self._tasks: set[asyncio.Task[None]] = set()

    # --- life -------------------------------------------------------------------------------------------------------

    async def start(self) -> None:
        """Begins to watch; returns at once."""
        for store in self._stores.values():
            self._subscriptions.append(store.subscribe(self._listener(store.api.name)))
            self._subscriptions.append(store.api.on_status(self._status_changed))
            self._status_changed(store.api.status)
        self._coverage.start()

    async def close(self) -> None:
        """Ends what `start` began; the clusters and repositories stay open, they are their makers'."""
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        for kept in self._trees.values():
            kept.drop()
        self._trees.clear()
        await self._coverage.close()
        for subscription in self._subscriptions:
            subscription.close()
        self._subscriptions.clear()
        self._publisher.close()

    # --- the picture ------------------------------------------------------------------------------------------------

    @property
    def read_only(self) -> bool:
        return self._read_only

    @property
    def apps(self) -> Mapping[AppKey, App]:
        return MappingProxyType(self._apps)

    @property
    def clusters(self) -> Mapping[ClusterName, ClusterStatus]:
        return MappingProxyType(self._clusters)

    @property
    def problems(self) -> dict[ClusterName, str]:
        """Why a cluster shows no applications or old ones, in a sentence that begins with its name."""
        away = {name: status.message for name, status in self._clusters.items() if _is_away(status)}
        return {name: f"{name}: {problem}" for name, problem in (away | self._coverage.problems).items()}

    @property
    def narrowed(self) -> dict[ClusterName, Narrowed]:
        """The clusters of which some namespaces alone are shown."""
        return self._coverage.narrowed

    async def versions(self) -> None:
        """Returns when every cluster that answers has said its version (`ClusterStatus.version`)."""
        await asyncio.gather(*(api.discover() for api in self._live()), return_exceptions=True)

    async def greet(self) -> None:
        for api in self._live():  # one after the other: side by side they would wait for each other here
            with suppress(ClusterError, TimeoutError):
                await asyncio.wait_for(api.greet(), GREETED_WITHIN)

    def subscribe(self, listener: Callable[[ChangeSet], None]) -> Subscription:
        subscription = self._publisher.subscribe(listener)
        listener(self._as_of_now(ChangeSet(apps=dict(self._apps), clusters=dict(self._clusters))))
        return subscription

    async def login(self, cluster: ClusterName) -> None:
        store = self._store(cluster)
        await store.api.login()
        self._look_again(store)

    async def retry(self, cluster: ClusterName) -> None:
        store = self._store(cluster)
        store.api.retry()
        self._look_again(store)

    async def loaded(self) -> None:
        if self._coverage.loading:
            waiter: asyncio.Future[None] = asyncio.get_running_loop().create_future()
            self._loaded_waiters.append(waiter)
            await waiter

    # --- questions --------------------------------------------------------------------------------------------------

    def watch_tree(self, key: AppKey) -> Subscription:
        kept = self._trees.setdefault(key, KeptTree())
        if kept.is_free and key in self._apps:
            # Begun here, so that its objects are on their way before anybody asks for the tree.
            task = asyncio.get_running_loop().create_task(self._begin_tree(key), name=f"tree of {key}")
            self._tasks.add(task)
            task.add_done_callback(self._tasks.discard)
        return kept.taken(lambda: self._drop_tree(key, kept))

    async def tree(self, key: AppKey) -> Tree:
        app = self._app(key)
        place = place_of(app, self._stores)
        from fleetui.fleet.trees import TreeWatch, without_cluster

        if isinstance(place, str):
            return without_cluster(app, place)

        def watching(touched: Callable[[], None]) -> TreeWatch:
            return TreeWatch(place, touched, permissions=self._permissions, clock=self._clock)

        kept = self._trees.get(key)
        if kept is not None:
            watch = kept.watch(place, lambda: watching(lambda: self._tree_touched(key)))
            return await watch.tree(app, tracking=_tracking(key))
        watch = watching(lambda: None)
        try:
            return await watch.tree(app, tracking=_tracking(key))
        finally:
            watch.close()

    async def diff(self, key: AppKey, ref: ObjectRef | None = None, *, revision: str = "") -> AppDiff:
        return await self._differ.diff(self._subject(key), ref, revision=revision)

    async def history(self, key: AppKey) -> tuple[HistoryRow, ...]:
        return await history_of(self._app(key), self._commits)

    async def events(self, key: AppKey, ref: ObjectRef | None = None) -> tuple[ObjectEvent, ...]:
        from fleetui.fleet.events import events_of_tree

        apis = {name: store.api.urgent for name, store in self._stores.items()}
        return await events_of_tree(await self.tree(key), apis, ref)

    async def manifest(self, key: AppKey, ref: ObjectRef) -> Obj:
        return await self._differ.manifest(self._subject(key), ref)

    async def plan(self, action: Action) -> Plan:
        return await self._planner.plan(action, self._subject(action.app))

    async def execute(self, action: Action) -> Outcome:
        subject = self._subject(action.app)
        if action.hard:
            for store in subject.clusters:
                self._permissions.forget(store.api.name)
        outcome, written = await self._dispatcher.execute(
            action, subject.app, api=subject.hub.api, dialect=subject.dialect, resource=await subject.app_resource()
        )
        await self._seen(action.app, str((written.get("metadata") or {}).get("resourceVersion", "")))
        return outcome

    # --- what clusters tell -----------------------------------------------------------------------------------------

    def _listener(self, hub: ClusterName) -> _Listener:
        return _Listener(hub, self._object_changed)

    def _object_changed(self, hub: ClusterName, obj: StoredObject, deleted: bool) -> None:
        dialect = self._dialects.get(obj.ref.group_kind)
        if dialect is None or not ("" in self._namespaces or obj.ref.namespace in self._namespaces):
            return
        if deleted:
            self._app_gone(dialect.key(hub, obj))
        else:
            self._app_changed(dialect.app(hub, obj))
            self._wake_seen(dialect.key(hub, obj), obj.meta.resource_version)

    def _app_changed(self, app: App) -> None:
        if self._apps.get(app.key) == app:
            return
        self._apps[app.key] = app
        self._publisher.publish(ChangeSet(apps={app.key: app}, trees=self._watched(app.key)))

    def _app_gone(self, key: AppKey) -> None:
        if self._apps.pop(key, None) is not None:
            self._publisher.publish(ChangeSet(removed=frozenset({key}), trees=self._watched(key)))

    def _status_changed(self, status: ClusterStatus) -> None:
        shown = self._shown(status)
        if self._clusters[shown.name] != shown:
            self._clusters[shown.name] = shown
            self._publisher.publish(ChangeSet(clusters={shown.name: shown}))

    def _coverage_changed(self, store: LiveStore, dialect: Dialect) -> None:
        narrowed = self._coverage.narrowed_in(store.api.name, dialect)
        if narrowed is not None and narrowed.namespaces:  # where nothing may be seen, what was known stays, as old
            mine = [key for key in self._apps if (key.hub, key.dialect) == (store.api.name, dialect.name)]
            for key in mine:
                if key.namespace not in narrowed.namespaces:
                    self._app_gone(key)
        self._status_changed(store.api.status)
        self._publisher.publish(ChangeSet())
        if not self._coverage.loading:
            waiters, self._loaded_waiters = self._loaded_waiters, []
            for waiter in waiters:
                if not waiter.done():
                    waiter.set_result(None)

    def _tree_touched(self, key: AppKey) -> None:
        self._publisher.publish(ChangeSet(trees=frozenset({key})))

    # --- inside -----------------------------------------------------------------------------------------------------

    # What follows takes 0.06 s to import in all: not before the first rows.

    @cached_property
    def _permissions(self) -> Permissions:
        from fleetui.fleet.permissions import Permissions

        return Permissions(self._clock)

    @cached_property
    def _dispatcher(self) -> Dispatcher:
        from fleetui.fleet.audit import default_audit
        from fleetui.fleet.dispatch import Dispatcher

        audit = self._audit or default_audit(self._clock.now)
        return Dispatcher(self._permissions, audit, self._clock, read_only=self._read_only)

    @cached_property
    def _differ(self) -> Differ:
        from fleetui.fleet.differ import Differ

        return Differ(self._repositories, self._commits)

    @cached_property
    def _planner(self) -> Planner:
        from fleetui.fleet.planner import Planner

        return Planner(self._differ, self._dispatcher, self._commits, protects=self._is_protected)

    def _store(self, cluster: ClusterName) -> LiveStore:
        store = self._stores.get(cluster)
        if store is None:
            raise MissingError(f"the fleet has no cluster {cluster}")
        return store

    def _live(self) -> list[Cluster]:
        """The clusters that answer."""
        return [store.api for store in self._stores.values() if store.api.status.state is ClusterState.LIVE]

    def _look_again(self, store: LiveStore) -> None:
        self._permissions.forget(store.api.name)
        self._coverage.retry(store.api.name)

    def _app(self, key: AppKey) -> App:
        app = self._apps.get(key)
        if app is None:
            raise MissingError(f"there is no application {key}")
        return app

    def _subject(self, key: AppKey) -> Subject:
        app = self._app(key)
        return Subject(app, hub=self._stores[key.hub], dialect=self._by_name[key.dialect], place=self._place(app))

    def _place(self, app: App) -> LiveStore | str:
        return place_of(app, self._stores)

    def _shown(self, status: ClusterStatus) -> ClusterStatus:
        shown = msgspec.structs.replace(status, protected=status.protected or self._protects(status.name))
        refusal = self._coverage.refusal(status.name)
        if refusal and status.state is ClusterState.LIVE:
            # Nothing of it is watched, so that the link itself has nothing to complain of.
            shown = msgspec.structs.replace(shown, state=ClusterState.FORBIDDEN, message=refusal)
        return shown

    def _is_protected(self, cluster: ClusterName) -> bool:
        return self._clusters[cluster].protected

    def _watched(self, key: AppKey) -> frozenset[AppKey]:
        return frozenset({key}) if key in self._trees else frozenset()

    async def _begin_tree(self, key: AppKey) -> None:
        with suppress(FleetError):  # whoever asks for the tree hears of it
            await self.tree(key)

    def _drop_tree(self, key: AppKey, kept: KeptTree) -> None:
        if kept.is_free and self._trees.get(key) is kept:
            del self._trees[key]
            kept.drop()

    def _as_of_now(self, change: ChangeSet) -> ChangeSet:
        coverage = self._coverage
        return msgspec.structs.replace(
            change, loading=coverage.loading, problems=coverage.problems, narrowed=coverage.narrowed
        )

    async def _seen(self, key: AppKey, version: str) -> None:
        """Returns when the picture shows what was written (or something newer), so that whoever follows the operation
        never takes the former one for it; or soon, where the watch does not come."""
        waiter: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._seen_waiters.append((key, version, waiter))
        ref = ObjectRef(*self._by_name[key.dialect].app_kind, key.namespace, key.name)
        known = self._stores[key.hub].get(ref)
        if known is not None:
            self._wake_seen(key, known.meta.resource_version)
        await asyncio.wait({waiter}, timeout=SEEN_WITHIN)
        self._seen_waiters = [waiting for waiting in self._seen_waiters if waiting[2] is not waiter]

    def _wake_seen(self, key: AppKey, version: str) -> None:
        for waiting, wanted, waiter in self._seen_waiters:
            if waiting == key and not waiter.done() and _is_at_least(version, wanted):
                waiter.set_result(None)


class _Listener:
    """Adds the cluster's name to what its store tells."""

    def __init__(self, hub: ClusterName, told: Callable[[ClusterName, StoredObject, bool], None]) -> None:
        self._hub = hub
        self._told = told

    def __call__(self, obj: StoredObject, *, deleted: bool) -> None:
        self._told(self._hub, obj, deleted)


def _tracking(key: AppKey) -> str:
    return instance_name(key.namespace, key.name)


def _is_away(status: ClusterStatus) -> bool:
    return status.state not in {ClusterState.LIVE, ClusterState.CONNECTING} and bool(status.message)


def _is_at_least(version: str, wanted: str) -> bool:
    """Whether one resourceVersion is as new as another of the same object (KEP-5504: they are comparable integers)."""
    if version.isdigit() and wanted.isdigit():
        return int(version) >= int(wanted)
    return version == wanted
