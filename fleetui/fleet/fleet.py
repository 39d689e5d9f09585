"""The live picture of a fleet.

Owns: `LiveFleet`, the implementation of `fleetui.fleet.api.Fleet`: it keeps applications and clusters, publishes what
changed, and hands each question to the module that answers it. Made in the composition root; everything runs on the
engine's loop. Never here: rules of a dialect, requests other than through a module of this package.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping, Sequence
from contextlib import closing, suppress
from functools import partial
from types import MappingProxyType
from typing import TYPE_CHECKING

import msgspec

from fleetui.engine.clock import Clock, SystemClock
from fleetui.engine.tracking import instance_name
from fleetui.fleet.changes import Publisher
from fleetui.fleet.clusters import Clusters
from fleetui.fleet.coverage import Coverage
from fleetui.fleet.history import Commits, history_of
from fleetui.fleet.kept import Kept
from fleetui.fleet.places import is_the_hub, place_of
from fleetui.fleet.seen import Seen
from fleetui.fleet.store import LiveStore
from fleetui.fleet.subject import Subject
from fleetui.fleet.tools import Tools
from fleetui.fleet.unique import Unique
from fleetui.fleet.views import Action, AppDiff, ChangeSet, HistoryRow, Narrowed, ObjectEvent, Outcome, Plan, Tree
from fleetui.model.app import App, AppKey
from fleetui.model.errors import ClusterError, FleetError, MissingError
from fleetui.model.objects import ClusterName, Obj, ObjectRef, StoredObject
from fleetui.model.status import ClusterState, ClusterStatus
from fleetui.ports import Cluster, Dialect, Repositories, Subscription

if TYPE_CHECKING:
    from fleetui.fleet.audit import Audit

GREETED_WITHIN = 2.0
"""Seconds that a greeted cluster has to answer before the next one's turn comes."""
MET_WITHIN = 10.0
"""Seconds that a cluster has to say what it serves which is asked for the first time because a person wants it."""


class LiveFleet:
    """Every chosen cluster as one fleet.

    Args:
        clusters: each may be a hub, a place where applications run, or both; with what they register where they come as
            `Clusters`, which then stay open.
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
        clusters: Sequence[LiveStore] | Clusters,
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
        self._directory = clusters if isinstance(clusters, Clusters) else Clusters(clusters, clock=clock)
        self._owns_directory = self._directory is not clusters
        self._stores = self._directory.chosen
        self._dialects = {dialect.app_kind: dialect for dialect in dialects}
        self._by_name = {dialect.name: dialect for dialect in dialects}
        self._namespaces = tuple(namespaces)
        self._commits = Commits(repositories)
        self._tools = Tools(
            repositories, self._commits, clock=clock, audit=audit, read_only=read_only, protects=self._is_protected
        )
        self._protects = protects
        self._clock = clock
        self._publisher = Publisher(clock, stamp=self._as_of_now)
        self._apps: dict[AppKey, App] = {}
        self._coverage = Coverage(
            self._stores.values(),
            dialects,
            namespaces=self._namespaces,
            named=named,
            permissions=lambda: self._tools.permissions,
            clock=clock,
            changed=self._coverage_changed,
        )
        self._clusters = {name: self._shown(status) for name, status in self._directory.statuses.items()}
        self._trees: dict[AppKey, Kept] = {}
        self._loaded = asyncio.Event()
        self._seen = Seen()
        self._unique = Unique(self._stores)
        self._subscriptions: list[Subscription] = []
        self._tasks: set[asyncio.Task[None]] = set()

    # --- life -------------------------------------------------------------------------------------------------------

    async def start(self) -> None:
        """Begins to watch; returns at once."""
        for store in self._stores.values():
            self._subscriptions.append(store.subscribe(partial(self._object_changed, store.api.name)))
        self._directory.start()
        self._subscriptions += [
            self._directory.on_status(self._status_changed),
            self._directory.on_gone(self._cluster_gone),
            self._directory.subscribe(self._places_changed),
        ]
        for status in self._directory.statuses.values():
            self._status_changed(status)
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
        if self._owns_directory:
            await self._directory.close()

    # --- the picture ------------------------------------------------------------------------------------------------

    @property
    def read_only(self) -> bool:
        return self._tools.read_only

    @property
    def apps(self) -> Mapping[AppKey, App]:
        return MappingProxyType(self._apps)

    @property
    def clusters(self) -> Mapping[ClusterName, ClusterStatus]:
        return MappingProxyType(self._clusters)

    @property
    def problems(self) -> dict[ClusterName, str]:
        """Why a cluster shows no applications or old ones, in a sentence that begins with its name."""
        fine = {ClusterState.LIVE, ClusterState.CONNECTING}
        told = {name: status.message for name, status in self._clusters.items() if status.state not in fine}
        away = {name: message for name, message in told.items() if message and name in self._stores}
        return {name: f"{name}: {problem}" for name, problem in (away | self._coverage.problems).items()}

    @property
    def narrowed(self) -> dict[ClusterName, Narrowed]:
        """The clusters of which some namespaces alone are shown."""
        return self._coverage.narrowed

    async def versions(self) -> None:
        """Returns when every cluster that answers has said its version (`ClusterStatus.version`)."""
        await self._directory.versions()

    async def registered(self, *, check: bool = False) -> None:
        """Returns when it is known which clusters the hubs have registered, with `check` also how these are."""
        await asyncio.gather(self._directory.referred(), *map(self._directory.ready, self._coverage.hubs))
        if check:
            await self._directory.check()

    async def greet(self) -> None:
        for store in self._directory.answering:  # one after the other: side by side they would wait for each other here
            with suppress(ClusterError, TimeoutError):
                await asyncio.wait_for(store.api.urgent.greet(), GREETED_WITHIN)

    def subscribe(self, listener: Callable[[ChangeSet], None]) -> Subscription:
        subscription = self._publisher.subscribe(listener)
        listener(self._as_of_now(ChangeSet(apps=dict(self._apps), clusters=dict(self._clusters))))
        return subscription

    async def login(self, cluster: ClusterName) -> None:
        store = self._directory.named(cluster)
        # Listened to, or the connection would be closed as unused while somebody types, and the login with it.
        with closing(store.subscribe(lambda _, *, deleted: None)):
            await store.api.login()
        self._look_again(store)

    async def retry(self, cluster: ClusterName) -> None:
        store = self._directory.named(cluster)
        store.api.retry()
        self._look_again(store)
        if store.api.status.state is ClusterState.CONNECTING:  # one that nobody has connected to
            with suppress(ClusterError, TimeoutError):
                await asyncio.wait_for(store.api.urgent.discover(), MET_WITHIN)

    async def loaded(self) -> None:
        if self._coverage.loading:
            await self._loaded.wait()

    # --- questions --------------------------------------------------------------------------------------------------

    def watch_tree(self, key: AppKey) -> Subscription:
        kept = self._trees.setdefault(key, Kept())
        if kept.is_free and key in self._apps:
            # Begun here, so that its objects are on their way before anybody asks for the tree.
            task = asyncio.get_running_loop().create_task(self._begin_tree(key), name=f"tree of {key}")
            self._tasks.add(task)
            task.add_done_callback(self._tasks.discard)
        return kept.taken(lambda: self._drop_tree(key, kept))

    async def tree(self, key: AppKey) -> Tree:
        app = self._app(key)
        place = await self._place(app)
        from fleetui.fleet.trees import TreeWatch, without_cluster

        if isinstance(place, str):
            return without_cluster(app, place)

        def watching(touched: Callable[[], None]) -> TreeWatch:
            return TreeWatch(place, touched, permissions=self._tools.permissions, clock=self._clock)

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
        return await self._tools.differ.diff(await self._subject(key), ref, revision=revision)

    async def history(self, key: AppKey) -> tuple[HistoryRow, ...]:
        return await history_of(self._app(key), self._commits)

    async def events(self, key: AppKey, ref: ObjectRef | None = None) -> tuple[ObjectEvent, ...]:
        from fleetui.fleet.events import events_of_tree

        def asked(cluster: ClusterName) -> Cluster:
            return self._directory.named(cluster).api.urgent

        return await events_of_tree(await self.tree(key), asked, ref)

    async def manifest(self, key: AppKey, ref: ObjectRef) -> Obj:
        return await self._tools.differ.manifest(await self._subject(key), ref)

    async def plan(self, action: Action) -> Plan:
        return await self._tools.planner.plan(action, await self._subject(action.app))

    async def execute(self, action: Action) -> Outcome:
        subject = await self._subject(action.app)
        if action.hard:
            for store in subject.clusters:
                self._tools.permissions.forget(store.api.name)
        outcome, written = await self._tools.dispatcher.execute(
            action, subject.app, api=subject.hub.api, dialect=subject.dialect, resource=await subject.app_resource()
        )
        known = subject.hub.get(subject.ref)
        await self._seen.until(
            action.app,
            str((written.get("metadata") or {}).get("resourceVersion", "")),
            known=known.meta.resource_version if known is not None else "",
        )
        return outcome

    # --- what clusters tell -----------------------------------------------------------------------------------------

    def _object_changed(self, hub: ClusterName, obj: StoredObject, *, deleted: bool) -> None:
        dialect = self._dialects.get(obj.ref.group_kind)
        if dialect is None or not ("" in self._namespaces or obj.ref.namespace in self._namespaces):
            return
        key = dialect.key(hub, obj)
        if deleted:
            self._unique.drop(key, obj.uid)
            self._app_gone(key)
            self._show_by_another(hub, obj.ref, obj.uid)
            return
        mine, former = self._unique.take(key, obj.uid)
        if former is not None:
            self._directory.same(*((hub, former.hub) if mine else (former.hub, hub)))
        if mine:
            if former is not None:
                self._app_gone(former)
            self._app_changed(dialect.app(hub, obj))
            self._seen.tell(dialect.key(hub, obj), obj.meta.resource_version)

    def _show_by_another(self, hub: ClusterName, ref: ObjectRef, uid: str) -> None:
        """What one context shows no more, another one of the same server may."""
        for name, store in self._stores.items():
            other = store.get(ref) if name != hub else None
            if other is not None and other.uid == uid:
                self._object_changed(name, other, deleted=False)

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
        if self._clusters.get(shown.name) != shown:
            self._clusters[shown.name] = shown
            self._publisher.publish(ChangeSet(clusters={shown.name: shown}))

    def _cluster_gone(self, name: ClusterName) -> None:
        if self._clusters.pop(name, None) is not None:
            self._publisher.publish(ChangeSet(gone=frozenset({name})))

    def _places_changed(self) -> None:
        # Whoever looks at a tree asks again, and gets it from where it is reached now.
        self._publisher.publish(ChangeSet(trees=frozenset(self._trees)))

    def _coverage_changed(self, store: LiveStore, dialect: Dialect) -> None:
        narrowed = self._coverage.narrowed_in(store.api.name, dialect)
        if narrowed is not None and narrowed.namespaces:  # where nothing may be seen, what was known stays, as old
            mine = [key for key in self._apps if (key.hub, key.dialect) == (store.api.name, dialect.name)]
            unseen = {key for key in mine if key.namespace not in narrowed.namespaces}
            for key in unseen:
                self._app_gone(key)
            for key, uid in self._unique.forget(unseen) if unseen else ():
                self._show_by_another(key.hub, ObjectRef(*dialect.app_kind, key.namespace, key.name), uid)
        self._status_changed(self._directory.statuses[store.api.name])
        for hub in self._coverage.hubs:
            self._directory.look_at(hub)
        self._publisher.publish(ChangeSet())
        if not self._coverage.loading:
            self._loaded.set()

    def _tree_touched(self, key: AppKey) -> None:
        self._publisher.publish(ChangeSet(trees=frozenset({key})))

    # --- inside -----------------------------------------------------------------------------------------------------

    def _look_again(self, store: LiveStore) -> None:
        self._tools.permissions.forget(store.api.name)
        self._coverage.retry(store.api.name)

    def _app(self, key: AppKey) -> App:
        app = self._apps.get(key)
        if app is None:
            raise MissingError(f"there is no application {key}")
        return app

    async def _subject(self, key: AppKey) -> Subject:
        app = self._app(key)
        place = await self._place(app)
        return Subject(app, hub=self._stores[key.hub], dialect=self._by_name[key.dialect], place=place)

    async def _place(self, app: App) -> LiveStore | str:
        if not is_the_hub(app):
            await self._directory.ready(app.key.hub)
        return place_of(app, self._directory)

    def _shown(self, status: ClusterStatus) -> ClusterStatus:
        shown = msgspec.structs.replace(status, protected=status.protected or self._protects(status.name))
        refusal = self._coverage.refusal(status.name)
        if refusal and status.state in {ClusterState.LIVE, ClusterState.FORBIDDEN}:
            # No application of it is watched, so that the link complains of nothing, or of something beside the point.
            shown = msgspec.structs.replace(shown, state=ClusterState.FORBIDDEN, message=refusal)
        return shown

    def _is_protected(self, cluster: ClusterName) -> bool:
        return self._protects(cluster) or self._directory.is_protected(cluster)

    def _watched(self, key: AppKey) -> frozenset[AppKey]:
        return frozenset({key}) if key in self._trees else frozenset()

    async def _begin_tree(self, key: AppKey) -> None:
        with suppress(FleetError):  # whoever asks for the tree hears of it
            await self.tree(key)

    def _drop_tree(self, key: AppKey, kept: Kept) -> None:
        if kept.is_free and self._trees.get(key) is kept:
            del self._trees[key]
            kept.drop()

    def _as_of_now(self, change: ChangeSet) -> ChangeSet:
        coverage = self._coverage
        return msgspec.structs.replace(
            change, loading=coverage.loading, problems=coverage.problems, narrowed=coverage.narrowed
        )


def _tracking(key: AppKey) -> str:
    return instance_name(key.namespace, key.name)
