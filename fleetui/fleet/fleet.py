"""The live picture of a fleet.

Owns: `LiveFleet`, the implementation of `fleetui.fleet.api.Fleet`: it keeps applications and clusters, publishes what
changed, and hands each question to the module that answers it. Made in the composition root; everything runs on the
engine's loop. Never here: rules of a dialect, requests other than through a module of this package.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine, Mapping, Sequence
from contextlib import AbstractAsyncContextManager, closing, suppress
from functools import cached_property, partial
from types import MappingProxyType
from typing import TYPE_CHECKING, Any

import msgspec

from fleetui import renderports
from fleetui.dialectports import Dialect
from fleetui.engine.clock import Clock, SystemClock
from fleetui.fleet.applications import Applications
from fleetui.fleet.cells import DEFAULT, CellRules
from fleetui.fleet.changes import Publisher
from fleetui.fleet.clusters import Clusters
from fleetui.fleet.coverage import Coverage
from fleetui.fleet.history import Commits, history_of
from fleetui.fleet.kept import Trees
from fleetui.fleet.overrides import HubOverrides
from fleetui.fleet.places import behind, grown_in
from fleetui.fleet.shownclusters import ShownClusters
from fleetui.fleet.store import LiveStore
from fleetui.fleet.subjects import Subjects
from fleetui.fleet.subscription import Once
from fleetui.fleet.tools import Tools
from fleetui.fleet.views import (
    Action,
    AppDiff,
    ChangeSet,
    Deployed,
    HistoryRow,
    Narrowed,
    ObjectEvent,
    Orphans,
    Outcome,
    Plan,
    PodLog,
    PodView,
    PodViews,
    Tree,
    Why,
)
from fleetui.gitports import Repositories
from fleetui.model.app import App, AppKey
from fleetui.model.errors import ClusterError, FleetError
from fleetui.model.objects import ClusterName, Obj, ObjectRef
from fleetui.model.status import ClusterState, ClusterStatus
from fleetui.podports import ExecSession
from fleetui.ports import Cluster, Jq, Subscription

if TYPE_CHECKING:
    from fleetui.engine.appset.ports import Answers
    from fleetui.engine.appset.preview import Preview
    from fleetui.engine.rollout.ports import Outside
    from fleetui.fleet.api import LogSink
    from fleetui.fleet.appsets import AppSetKey, AppSets
    from fleetui.fleet.audit import Audit
    from fleetui.fleet.cells import CellRules
    from fleetui.fleet.projects import Projects
    from fleetui.fleet.rollouts import LiveRollouts
    from fleetui.fleet.trees import TreeWatch
    from fleetui.gitports import GitHosts

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
        jq: evaluates the expressions of `ignoreDifferences` that compute.
        renderers: what renders charts and kustomizations.
        answers: what answers the generators of ApplicationSets.
        cell_rules: which applications are addons.
        hosts, outside: what rollouts ask beyond clusters and repositories: pull requests, gates; None: nobody can be.
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
        jq: Jq | None = None,
        renderers: renderports.Tools | None = None,
        answers: Answers | None = None,
        cell_rules: CellRules = DEFAULT,
        hosts: GitHosts | None = None,
        outside: Outside | None = None,
    ) -> None:
        self.cell_rules = cell_rules
        self._hosts, self._outside = hosts, outside
        clock = clock or SystemClock()
        self._directory = clusters if isinstance(clusters, Clusters) else Clusters(clusters, clock=clock)
        self._owns_directory = self._directory is not clusters
        self._stores = self._directory.chosen
        self._dialects = tuple(dialects)
        self._namespaces = tuple(namespaces)
        self._repositories = repositories
        self._commits = Commits(repositories)
        self._tools = Tools(
            repositories,
            self._commits,
            clock=clock,
            audit=audit,
            read_only=read_only,
            protects=lambda cluster: self._clusters.is_protected(cluster),
            jq=jq,
            renderers=renderers,
        )
        self._jq = jq
        self._answers = answers
        self._clock = clock
        self._publisher = Publisher(clock, stamp=self._as_of_now)
        self._coverage = Coverage(
            self._stores.values(),
            dialects,
            namespaces=self._namespaces,
            named=named,
            permissions=lambda: self._tools.permissions,
            clock=clock,
            changed=self._coverage_changed,
        )
        self._clusters = ShownClusters(
            self._directory, self._coverage, protects=protects, publish=self._publisher.publish
        )
        self._trees = Trees(self._tree_watch, self._tree_touched)
        self._overrides = HubOverrides(clock, self._overrides_changed)
        self._apps = Applications(
            self._stores,
            dialects,
            self._namespaces,
            publish=self._publisher.publish,
            watched=lambda: self._trees.kept,
            same=self._directory.same,
        )
        self._subjects = Subjects(self._apps, self._stores, dialects, self._directory, self._overrides)
        self._loaded = asyncio.Event()
        self._subscriptions: list[Subscription] = []
        self._tasks: set[asyncio.Task[None]] = set()

    # --- life -------------------------------------------------------------------------------------------------------

    async def start(self) -> None:
        """Begins to watch; returns at once."""
        for store in self._stores.values():
            self._subscriptions.append(store.subscribe(partial(self._apps.object_changed, store.api.name)))
        self._directory.start()
        self._subscriptions += [
            self._directory.on_status(self._clusters.changed),
            self._directory.on_gone(self._clusters.gone),
            self._directory.subscribe(self._places_changed),
        ]
        for status in self._directory.statuses.values():
            self._clusters.changed(status)
        self._coverage.start()

    async def close(self) -> None:
        """Ends what `start` began; the clusters and repositories stay open, they are their makers'."""
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        if "rollouts" in vars(self):
            await self.rollouts.close()
        self._trees.close()
        self._overrides.close()
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
        return MappingProxyType(self._apps.shown)

    @property
    def clusters(self) -> Mapping[ClusterName, ClusterStatus]:
        return MappingProxyType(self._clusters.shown)

    @property
    def problems(self) -> dict[ClusterName, str]:
        """Why a cluster shows no applications or old ones, in a sentence that begins with its name."""
        return self._clusters.problems(self._stores)

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

    def probe(self, cluster: ClusterName) -> None:
        """Begins to find out whether a cluster answers."""
        self._directory.probe(cluster)

    async def greet(self) -> None:
        for store in self._directory.answering:  # one after the other: side by side they would wait for each other here
            with suppress(ClusterError, TimeoutError):
                await asyncio.wait_for(store.api.urgent.greet(), GREETED_WITHIN)

    def subscribe(self, listener: Callable[[ChangeSet], None]) -> Subscription:
        subscription = self._publisher.subscribe(listener)
        listener(self._as_of_now(ChangeSet(apps=dict(self._apps.shown), clusters=dict(self._clusters.shown))))
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
        self._coverage.hurry()
        if self._coverage.loading:
            await self._loaded.wait()

    # --- questions --------------------------------------------------------------------------------------------------

    def watch_tree(self, key: AppKey) -> Subscription:
        subscription, first = self._trees.take(key)
        if first and key in self._apps.shown:
            # Begun here, so that its objects are on their way before anybody asks for the tree.
            self._begin(self._begin_tree(key), name=f"tree of {key}")
        return subscription

    async def tree(self, key: AppKey) -> Tree:
        app = self._subjects.app(key)
        place = await self._subjects.place(app)
        if isinstance(place, str):
            from fleetui.fleet.trees import without_cluster

            return without_cluster(app, place)
        await self._overrides.of(self._stores[key.hub].api)
        return await self._trees.tree(app, place)

    async def orphans(self, key: AppKey) -> Orphans:
        from fleetui.fleet.orphans import orphans_of

        subject = await self._subjects.of(key)
        return await orphans_of(subject, self._subjects.managed_in(subject.place.api.name))

    async def diff(self, key: AppKey, ref: ObjectRef | None = None, *, revision: str = "") -> AppDiff:
        return await self._tools.differ.diff(await self._subjects.of(key), ref, revision=revision)

    async def with_commits(self, diff: AppDiff) -> AppDiff:
        return await self._tools.differ.with_commits(await self._subjects.of(diff.key), diff)

    async def history(self, key: AppKey) -> tuple[HistoryRow, ...]:
        records = self._tools.audit.records(cluster=key.hub, app=f"{key.namespace}/{key.name}")
        return await history_of(self._subjects.app(key), self._commits, records)

    async def deployed(self, key: AppKey, history_id: int) -> Deployed:
        return await self._tools.deployed(await self._subjects.of(key), history_id)

    async def events(self, key: AppKey, ref: ObjectRef | None = None) -> tuple[ObjectEvent, ...]:
        from fleetui.fleet.events import events_of_tree

        return await events_of_tree(await self.tree(key), self._asked, ref)

    async def why(self, key: AppKey) -> Why:
        from fleetui.fleet.asking import why

        return await why(self, key, stores=self._directory.named, now=self._clock.now())

    async def projects(self) -> Projects:
        from fleetui.fleet.projects import projects_in

        return await projects_in(self._stores.values())

    async def appsets(self) -> AppSets:
        from fleetui.fleet.appsets import appsets_in

        return await appsets_in(self._stores.values())

    async def preview(self, key: AppSetKey, edited: Obj | None = None) -> Preview:
        from fleetui.fleet.appsets import preview_in

        return await preview_in(self._asked(key.hub), self._directory, self._answers, key, edited=edited, jq=self._jq)

    async def pods(self, key: AppKey, ref: ObjectRef | None = None) -> PodViews:
        from fleetui.fleet.pods import pods_of_tree

        return await pods_of_tree(await self.tree(key), self._asked, ref)

    def follow_log(self, log: PodLog, sink: LogSink) -> Subscription:
        from fleetui.fleet.podlogs import follow

        task = self._begin(follow(self._asked, log, sink, clock=self._clock), name=f"log of {log.ref}")
        return Once(task.cancel)

    def shell(
        self, pod: PodView, container: str, *, warn: Callable[[str], object]
    ) -> AbstractAsyncContextManager[ExecSession]:
        from fleetui.fleet.pods import shell_in

        return shell_in(self._tools.pod_access(warn), self._asked(pod.cluster), pod, container)

    async def manifest(self, key: AppKey, ref: ObjectRef) -> Obj:
        return await self._tools.differ.manifest(await self._subjects.of(key), ref)

    async def plan(self, action: Action) -> Plan:
        return await self._tools.planner.plan(action, await self._subjects.of(action.app))

    async def execute(self, action: Action) -> Outcome:
        subject = await self._subjects.of(action.app)
        if action.hard:
            for store in subject.clusters:
                self._tools.permissions.forget(store.api.name)
        outcome, written = await self._tools.dispatcher.execute(
            action, subject.app, api=subject.hub.api, dialect=subject.dialect, resource=await subject.app_resource()
        )
        known = subject.hub.get(subject.ref)
        await self._apps.seen.until(
            action.app,
            str((written.get("metadata") or {}).get("resourceVersion", "")),
            known=known.meta.resource_version if known is not None else "",
        )
        return outcome

    # --- rollouts ---------------------------------------------------------------------------------------------------

    @cached_property
    def rollouts(self) -> LiveRollouts:
        from fleetui.fleet.rolloutwiring import rollouts_in

        return rollouts_in(
            self,
            directory=self._directory,
            hubs=lambda: self._coverage.hubs,
            subjects=self._subjects,
            overrides=self._overrides,
            tools=self._tools,
            repositories=self._repositories,
            answers=self._answers,
            hosts=self._hosts,
            outside=self._outside,
            protects=self._clusters.is_protected,
            clock=self._clock,
            rules=self.cell_rules,
        )

    # --- what clusters tell -----------------------------------------------------------------------------------------

    def _places_changed(self) -> None:
        # Whoever looks at a tree asks again, and gets it from where it is reached now.
        self._publisher.publish(ChangeSet(trees=self._trees.kept))

    def _coverage_changed(self, store: LiveStore, dialect: Dialect) -> None:
        narrowed = self._coverage.narrowed_in(store.api.name, dialect)
        if narrowed is not None and narrowed.namespaces:  # where nothing may be seen, what was known stays, as old
            self._apps.narrow(store.api.name, dialect, narrowed.namespaces)
        self._clusters.changed(self._directory.statuses[store.api.name])
        for hub in self._coverage.hubs:
            self._directory.look_at(hub)
        self._publisher.publish(ChangeSet())
        if not self._coverage.loading:
            self._loaded.set()

    def _overrides_changed(self, hub: ClusterName) -> None:
        self._publisher.publish(ChangeSet(trees=frozenset(key for key in self._trees.kept if key.hub == hub)))

    def _tree_touched(self, key: AppKey) -> None:
        self._publisher.publish(ChangeSet(trees=frozenset({key})))

    # --- inside -----------------------------------------------------------------------------------------------------

    def _look_again(self, store: LiveStore) -> None:
        self._tools.permissions.forget(store.api.name)
        self._coverage.retry(store.api.name)

    def _begin(self, work: Coroutine[Any, Any, None], *, name: str) -> asyncio.Task[None]:
        task = asyncio.get_running_loop().create_task(work, name=name)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)
        return task

    def _asked(self, cluster: ClusterName) -> Cluster:
        """A cluster for what a person waits for."""
        return self._directory.named(cluster).api.urgent

    async def _begin_tree(self, key: AppKey) -> None:
        with suppress(FleetError):  # whoever asks for the tree hears of it
            await self.tree(key)

    def _tree_watch(self, app: App, place: LiveStore, touched: Callable[[], None]) -> TreeWatch:
        from fleetui.fleet.trees import TreeWatch

        cluster = place.api.name
        return TreeWatch(
            place,
            touched,
            permissions=self._tools.permissions,
            judge=lambda: self._overrides.now(app.key.hub).judge,
            clock=self._clock,
            grown=partial(grown_in, cluster, self._dialects, self._directory),
            remote=lambda namespace, secret: behind(cluster, namespace, secret, self._directory),
        )

    def _as_of_now(self, change: ChangeSet) -> ChangeSet:
        coverage = self._coverage
        return msgspec.structs.replace(
            change, loading=coverage.loading, problems=coverage.problems, narrowed=coverage.narrowed
        )
