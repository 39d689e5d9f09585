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
from fleetui.fleet.appwatch import AppWatch
from fleetui.fleet.changes import Publisher
from fleetui.fleet.history import Commits, history_of
from fleetui.fleet.places import place_of
from fleetui.fleet.store import LiveStore
from fleetui.fleet.subject import Subject
from fleetui.fleet.subscription import Once
from fleetui.fleet.views import Action, AppDiff, ChangeSet, HistoryRow, ObjectEvent, Outcome, Plan, Tree
from fleetui.model.app import App, AppKey
from fleetui.model.errors import FleetError, MissingError
from fleetui.model.objects import ClusterName, Obj, ObjectRef, StoredObject
from fleetui.model.status import ClusterState, ClusterStatus
from fleetui.ports import Dialect, Repositories, Subscription

if TYPE_CHECKING:
    from fleetui.fleet.audit import Audit
    from fleetui.fleet.differ import Differ
    from fleetui.fleet.dispatch import Dispatcher
    from fleetui.fleet.planner import Planner
    from fleetui.fleet.trees import TreeWatch

SEEN_WITHIN = 3.0
"""Seconds that `execute` waits, at most, until the watch has brought what it wrote."""


class LiveFleet:
    """Every chosen cluster as one fleet.

    Args:
        clusters: each may be a hub, a place where applications run, or both.
        dialects: how applications are written down.
        repositories: where their desired state lies.
        audit: where actions are recorded; by default the file in the user's state folder.
        read_only: refuse every action.
        namespaces: where applications are looked for; an empty string stands for all.
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
        self._clusters = {name: self._shown(store.api.status) for name, store in self._stores.items()}
        self._watches = [
            AppWatch(store, dialect, namespaces=self._namespaces, clock=clock, changed=self._loading_changed)
            for store in clusters
            for dialect in dialects
        ]
        self._trees: dict[AppKey, _Kept] = {}
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
        for watch in self._watches:
            watch.start()

    async def close(self) -> None:
        """Ends what `start` began; the clusters and repositories stay open, they are their makers'."""
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        for kept in self._trees.values():
            kept.drop()
        self._trees.clear()
        for watch in self._watches:
            await watch.close()
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
        return {name: f"{name}: {problem}" for name, problem in (away | self._problems()).items()}

    async def versions(self) -> None:
        """Returns when every cluster that answers has said its version (`ClusterStatus.version`)."""
        live = [store.api for store in self._stores.values() if store.api.status.state is ClusterState.LIVE]
        await asyncio.gather(*(api.discover() for api in live), return_exceptions=True)

    def subscribe(self, listener: Callable[[ChangeSet], None]) -> Subscription:
        subscription = self._publisher.subscribe(listener)
        listener(self._as_of_now(ChangeSet(apps=dict(self._apps), clusters=dict(self._clusters))))
        return subscription

    async def loaded(self) -> None:
        if self._loading():
            waiter: asyncio.Future[None] = asyncio.get_running_loop().create_future()
            self._loaded_waiters.append(waiter)
            await waiter

    # --- questions --------------------------------------------------------------------------------------------------

    def watch_tree(self, key: AppKey) -> Subscription:
        kept = self._trees.setdefault(key, _Kept())
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
        kept = self._trees.get(key)
        if kept is not None:
            return await kept.watch(place, lambda: self._tree_touched(key)).tree(app, tracking=_tracking(key))
        watch = TreeWatch(place, lambda: None)
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

        return await events_of_tree(
            await self.tree(key), {name: store.api for name, store in self._stores.items()}, ref
        )

    async def manifest(self, key: AppKey, ref: ObjectRef) -> Obj:
        return await self._differ.manifest(self._subject(key), ref)

    async def plan(self, action: Action) -> Plan:
        return await self._planner.plan(action, self._subject(action.app))

    async def execute(self, action: Action) -> Outcome:
        subject = self._subject(action.app)
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

    def _loading_changed(self) -> None:
        self._publisher.publish(ChangeSet())
        if not self._loading():
            waiters, self._loaded_waiters = self._loaded_waiters, []
            for waiter in waiters:
                if not waiter.done():
                    waiter.set_result(None)

    def _tree_touched(self, key: AppKey) -> None:
        self._publisher.publish(ChangeSet(trees=frozenset({key})))

    # --- inside -----------------------------------------------------------------------------------------------------

    # What follows takes 0.06 s to import in all: not before the first rows.

    @cached_property
    def _dispatcher(self) -> Dispatcher:
        from fleetui.fleet.audit import default_audit
        from fleetui.fleet.dispatch import Dispatcher
        from fleetui.fleet.permissions import Permissions

        audit = self._audit or default_audit(self._clock.now)
        return Dispatcher(Permissions(self._clock), audit, self._clock, read_only=self._read_only)

    @cached_property
    def _differ(self) -> Differ:
        from fleetui.fleet.differ import Differ

        return Differ(self._repositories, self._commits)

    @cached_property
    def _planner(self) -> Planner:
        from fleetui.fleet.planner import Planner

        return Planner(self._differ, self._dispatcher, self._commits, protects=self._is_protected)

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
        protected = status.protected or self._protects(status.name)
        return msgspec.structs.replace(status, protected=protected)

    def _is_protected(self, cluster: ClusterName) -> bool:
        return self._clusters[cluster].protected

    def _watched(self, key: AppKey) -> frozenset[AppKey]:
        return frozenset({key}) if key in self._trees else frozenset()

    async def _begin_tree(self, key: AppKey) -> None:
        with suppress(FleetError):  # whoever asks for the tree hears of it
            await self.tree(key)

    def _drop_tree(self, key: AppKey, kept: _Kept) -> None:
        if kept.is_free and self._trees.get(key) is kept:
            del self._trees[key]
            kept.drop()

    def _loading(self) -> frozenset[ClusterName]:
        return frozenset(watch.store.api.name for watch in self._watches if watch.loading)

    def _problems(self) -> dict[ClusterName, str]:
        # A cluster that shows applications in one dialect has no problem with the others.
        problems: dict[ClusterName, str] = {}
        fine: set[ClusterName] = set()
        for watch in self._watches:
            if watch.problem:
                problems.setdefault(watch.store.api.name, watch.problem)
            else:
                fine.add(watch.store.api.name)
        return {name: problem for name, problem in problems.items() if name not in fine}

    def _as_of_now(self, change: ChangeSet) -> ChangeSet:
        return msgspec.structs.replace(change, loading=self._loading(), problems=self._problems())

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


class _Kept:
    """A tree that somebody looks at: its watch, made when it is first asked for."""

    def __init__(self) -> None:
        self._takers = 0
        self._watch: TreeWatch | None = None

    @property
    def is_free(self) -> bool:
        return self._takers == 0

    def taken(self, freed: Callable[[], None]) -> Subscription:
        self._takers += 1

        def release() -> None:
            self._takers -= 1
            freed()

        return Once(release)

    def watch(self, place: LiveStore, touched: Callable[[], None]) -> TreeWatch:
        if self._watch is None or self._watch.store is not place:
            from fleetui.fleet.trees import TreeWatch

            self.drop()
            self._watch = TreeWatch(place, touched)
        return self._watch

    def drop(self) -> None:
        watch, self._watch = self._watch, None
        if watch is not None:
            watch.close()


def _tracking(key: AppKey) -> str:
    return instance_name(key.namespace, key.name)


def _is_away(status: ClusterStatus) -> bool:
    return status.state not in {ClusterState.LIVE, ClusterState.CONNECTING} and bool(status.message)


def _is_at_least(version: str, wanted: str) -> bool:
    """Whether one resourceVersion is as new as another of the same object (KEP-5504: they are comparable integers)."""
    if version.isdigit() and wanted.isdigit():
        return int(version) >= int(wanted)
    return version == wanted
