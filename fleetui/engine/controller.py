"""The engine's loops: what wakes which Application, and the workers that reconcile them.

Owns: `Engine`, one for each hub. Woken by the hub's Applications, by the objects they made, by their repositories, by
the hub's ``argocd-cm`` and by the clusters that come and go; timers are only a safety net. The decisions are in the
modules it calls.
"""

from __future__ import annotations

import asyncio
import logging
import random
from collections.abc import Callable, Collection, Container, Hashable

from fleetui.engine.application import GROUP, KIND, Application, text
from fleetui.engine.appset.asking import NoAnswers
from fleetui.engine.appset.controller import ApplicationSets
from fleetui.engine.appset.ports import Answers
from fleetui.engine.beside import ForeignWrites
from fleetui.engine.clock import Clock
from fleetui.engine.comparing import Comparer
from fleetui.engine.destination import Asked, Destinations, asked_for
from fleetui.engine.followed import Followed, Key
from fleetui.engine.hubprojects import HubProjects
from fleetui.engine.hubsettings import HubSettings
from fleetui.engine.onlyhub import OnlyTheHub
from fleetui.engine.operate import Again
from fleetui.engine.orphans import Monitors
from fleetui.engine.projects import PROJECT_KIND
from fleetui.engine.queue import Priority, WorkQueue
from fleetui.engine.reconcile import Reconciler
from fleetui.engine.rehearsal import Rehearsal
from fleetui.engine.settings import Settings
from fleetui.engine.sources import Sources
from fleetui.engine.sourceset import SourceSet
from fleetui.engine.telling import Listener, Listeners, Nobody
from fleetui.engine.tracking import instance_name
from fleetui.engine.webhook import Event, Push
from fleetui.engine.writer import ApplicationWriter
from fleetui.gitports import ProjectRepositories, Repositories
from fleetui.hubports import Directory
from fleetui.model.errors import FleetError, MissingError
from fleetui.model.objects import ClusterName, StoredObject
from fleetui.ports import Jq, LiveCluster
from fleetui.renderports import Tools

_log = logging.getLogger(__name__)

MOST_FAILURES = 5
"""How many errors of one Application are remembered."""
PLACES = 20
"""Applications of one cluster and one repository that are worked on at a time (Argo CD's status processors are as many,
for all together). A cluster or a repository that does not answer holds these places and nobody else's."""

RESYNC = 600.0
"""Seconds, give or take a fifth, after which an Application is looked at though nothing woke it, whatever it waits for:
the safety net under lost events. Where nothing changed it makes no request. Argo CD's
(`timeout.reconciliation`) is shorter because it is also how a commit is found; here repositories tell of theirs."""


class Engine:
    """Reconciles the Applications of one hub until it is stopped or cancelled.

    Args:
        hub: the cluster that holds the Applications.
        repositories: the Git repositories of this process.
        own_repositories: those that the hub gives to single projects.
        clock: the time.
        directory: where the clusters are found that an Application may name as its destination; the hub alone where
            there is none.
        settings: see `Settings`.
        jq: evaluates the expressions of `ignoreDifferences` that compute.
        tools: what renders charts and kustomizations.
        listener: looks on.
        rehearsal: where what would be done is noted instead of done; then nothing is written.
        answers: what answers the generators of ApplicationSets.
        ours_until: until when an engine of ours was at work here (epoch seconds).
    """

    def __init__(
        self,
        hub: LiveCluster,
        repositories: Repositories,
        *,
        clock: Clock,
        directory: Directory | None = None,
        settings: Settings | None = None,
        jq: Jq | None = None,
        own_repositories: ProjectRepositories | None = None,
        tools: Tools | None = None,
        listener: Listener | None = None,
        rehearsal: Rehearsal | None = None,
        answers: Answers | None = None,
        ours_until: Callable[[], float] = lambda: 0.0,
    ) -> None:
        self._hub = hub
        self._clock = clock
        self._settings = settings or Settings()
        self._jq = jq
        self._queue: WorkQueue[Key] = WorkQueue(clock, group=self._group_of, places=PLACES)
        self._instances: dict[str, Key] = {}
        self._followed = Followed(
            hub,
            repositories,
            project=lambda key: self._project_of[key],
            wake=lambda key: self._queue.add(key, Priority.ASKED),
        )
        self._sources = Sources(repositories, self._moved, hub=hub.api.name, tools=tools)
        self._asks: dict[Key, Asked] = {}
        self._directory = directory or OnlyTheHub(hub)
        self._destinations = Destinations(
            hub,
            self._directory,
            clock,
            on_hub=self._woken_on_hub,
            elsewhere=self._woken,
            back=self._answers_again,
            syncs=self._settings.syncs,
            tracking=lambda: self._hub_settings.overrides.tracking,
        )
        self._hub_settings = HubSettings(
            hub.api, namespace=self._settings.namespace, clock=clock, changed=self._overrides_changed
        )
        self._projects = HubProjects(
            hub.api,
            namespace=self._settings.namespace,
            overrides=lambda: self._hub_settings.overrides,
            clock=clock,
            changed=self._projects_changed,
            repositories=own_repositories.of_project if own_repositories is not None else lambda _: (),
        )
        self._own_repositories = own_repositories
        self._project_of: dict[Key, str] = {}
        self._monitors: Monitors[Key] = Monitors()
        self._rehearsal = rehearsal
        self._foreign = ForeignWrites(hub.api, clock, namespace=self._settings.namespace)
        self._listener = Listeners(listener or Nobody(), self._foreign)
        self.sets = ApplicationSets(
            self._destinations.hub,
            directory=self._directory,
            projects=self._projects,
            answers=answers or NoAnswers(),
            clock=clock,
            settings=self._settings,
            listener=self._listener,
            ours_until=ours_until,
            jq=jq,
            rehearsal=rehearsal,
        )
        self._stopping = False
        self._resting: set[asyncio.Task[None]] = set()
        self.reconciles = 0
        """How many reconciles have been made (for tests and `/metrics`)."""
        self.failures: dict[Key, list[Exception]] = {}
        """The Applications whose last reconcile failed, with the errors since one succeeded, the latest last."""

    @property
    def renders(self) -> int:
        """How often a source was rendered (for tests and `/metrics`)."""
        return self._sources.renders

    @property
    def idle(self) -> bool:
        """Whether nothing waits and nothing is being worked on."""
        return self._queue.idle() and self.sets.idle

    @property
    def waiting(self) -> int:
        """How many Applications wait for their turn."""
        return self._queue.waiting()

    async def run(self) -> None:
        """Works until stopped or cancelled.

        Raises:
            MissingError: the hub does not know Applications; `fleetui bootstrap` puts the definition there.
            RefusedError: Argo CD's own controller has come to life beside us.
            ForbiddenError: the Applications may not be listed.
            ClusterError: the hub can't be reached at the start.
        """
        discovery = await self._hub.api.discover()
        resource = discovery.by_kind(GROUP, KIND)
        if resource is None:
            raise MissingError(
                f"cluster {self._hub.api.name} has no definition of applications.{GROUP}",
                f"fleetui bootstrap --context {self._hub.api.name} puts it there",
            )
        await self._destinations.ready()
        reconciler = Reconciler(
            self._destinations,
            Comparer(self._sources, lambda: self._hub_settings.overrides, self._clock, self._jq),
            ApplicationWriter(self._destinations.hub, resource, self._listener),
            projects=self._projects,
            monitors=self._monitors,
            is_known=self._instances.__contains__,
            clock=self._clock,
            settings=self._settings,
            rehearsal=self._rehearsal,
        )
        self._hub_settings.start()
        self._projects.start(discovery.by_kind(GROUP, PROJECT_KIND))
        going = [
            self._directory.subscribe(self._clusters_changed),
            self._hub.want(resource),
            self._hub_settings,
            self._projects,
        ]
        # Where somebody watches them already, no event tells of the Applications that are there.
        for obj in self._hub.of_kind(GROUP, KIND):
            self._application_changed(obj)
        try:
            # Compared without the rules that a hub has, its objects would be healed of what it wants left alone.
            await self._hub_settings.known()
            await self._projects.known()
            if self._own_repositories is not None:
                await self._own_repositories.ready()
                going.append(self._own_repositories.subscribe(self._overrides_changed))
            async with asyncio.TaskGroup() as group:
                # Who may not list the Applications would wait for ever for one.
                self._rest(group.create_task(self._hub.listed(resource), name=f"engine {self._hub.api.name} lists"))
                self._rest(group.create_task(self._foreign.until_certain(), name=f"engine {self._hub.api.name} looks"))
                self._rest(group.create_task(self._serve(reconciler, group), name=f"engine {self._hub.api.name}"))
                group.create_task(self.sets.run(), name=f"sets {self._hub.api.name}")
        except BaseExceptionGroup as ended:
            # Reconciles raise nothing: it is what looks on that ends the engine, or a failure of its own.
            raise ended.exceptions[0] from None
        finally:
            for subscription in going:
                subscription.close()
            self._followed.close()
            self._sources.close()
            self._destinations.close()

    def heard(self, event: Event) -> bool:
        """Does what an event of a Git host asks for; False where it can't take more."""
        self.sets.heard(event)
        return self.pushed(event) if isinstance(event, Push) else True

    def pushed(self, push: Push) -> bool:
        """See `Followed.pushed`."""
        return self._followed.pushed(push)

    def stop(self) -> None:
        """Lets every reconcile that is going on come to its end, and begins no other; then `run` returns."""
        self._stopping = True
        self.sets.stop()
        for task in self._resting:
            task.cancel()

    def _rest(self, task: asyncio.Task[None]) -> None:
        """Notes a task that may be cancelled at any moment."""
        self._resting.add(task)
        if self._stopping:
            task.cancel()

    async def _serve(self, reconciler: Reconciler, group: asyncio.TaskGroup) -> None:
        while True:
            key = await self._queue.get()
            await self._foreign.calm()
            name = f"engine {self._hub.api.name} {'/'.join(key)}"
            group.create_task(self._work(reconciler, key), name=name)

    async def _work(self, reconciler: Reconciler, key: Key) -> None:
        try:
            await self.work_on(reconciler, key)
        finally:
            self._queue.done(key)

    async def work_on(self, reconciler: Reconciler, key: Key) -> None:
        """One reconcile; a failure is logged and tried again after its back-off."""
        self.reconciles += 1
        try:
            with self._listener.reconciling(*key):
                again = await reconciler.reconcile(*key)
        except FleetError as error:
            delay = self._failed(key, error)
            _log.warning("%s/%s: %s; next try in %.0f s", *key, error, delay, extra=_about(key))
        except Exception as error:
            delay = self._failed(key, error)
            _log.exception("%s/%s: unexpected failure; next try in %.0f s", *key, delay, extra=_about(key))
        else:
            if again.backs_off:
                self._queue.retry(key)
            else:
                self._queue.forget(key)
            self.failures.pop(key, None)
            self._come_again(key, again)

    def _failed(self, key: Key, error: Exception) -> float:
        """Notes a failure; returns the seconds until the next try."""
        self.failures[key] = [*self.failures.get(key, ())[-MOST_FAILURES + 1 :], error]
        return self._queue.retry(key)

    def _come_again(self, key: Key, again: Again) -> None:
        resync = RESYNC * random.uniform(0.8, 1.2)
        if again.after is not None and again.after < resync:
            # What goes on at once is an operation: it is brought to its end before another one begins.
            self._queue.add_after(key, again.after, Priority.NEWS if again.after > 0 else Priority.ASKED)
        elif key in self._followed:
            self._queue.add_after(key, resync, Priority.ROUTINE)

    def _group_of(self, key: Key) -> Hashable:
        return self._asks.get(key), self._followed.of(key)

    # --- what wakes -------------------------------------------------------------------------------------------------

    def _woken_on_hub(self, hub: ClusterName, obj: StoredObject, deleted: bool, owners: Collection[str]) -> None:
        if obj.ref.group_kind == (GROUP, KIND):
            if deleted:
                self._application_went(obj)
            else:
                self._application_changed(obj)
        self._woken(hub, obj, deleted, owners)

    def _woken(self, cluster: ClusterName, obj: StoredObject, deleted: bool, owners: Collection[str]) -> None:
        keys = [key for owner in owners if (key := self._instances.get(owner)) is not None]
        for key in keys or self._monitors.woken_by(cluster, obj.ref, deleted=deleted):
            self._queue.add(key)

    def _application_changed(self, obj: StoredObject) -> None:
        key = (obj.ref.namespace, obj.ref.name)
        self._instances[instance_name(*key, self._settings.namespace)] = key
        app = Application(obj.decode())
        self._foreign.seen(app)
        self._asks[key] = asked_for(app.destination)
        self._project_of[key] = app.project
        urls = frozenset(text(source.get("repoURL")) for source in SourceSet.of(app.spec).sources)
        self._followed.follow(key, urls)
        asked = app.refresh or app.operation is not None
        self._queue.add(key, Priority.ASKED if asked else Priority.NEWS)

    def _application_went(self, obj: StoredObject) -> None:
        key = (obj.ref.namespace, obj.ref.name)
        self._foreign.gone(obj.uid)
        self._instances.pop(instance_name(*key, self._settings.namespace), None)
        self._asks.pop(key, None)
        self._project_of.pop(key, None)
        self._followed.drop(key)
        self._queue.add(key)

    def _clusters_changed(self) -> None:
        self._answers_again(self._destinations.look_again())

    def _answers_again(self, clusters: Container[Asked]) -> None:
        for key, asked in self._asks.items():
            if asked in clusters:
                self._queue.add(key)

    def _overrides_changed(self) -> None:
        for key in self._asks:
            self._queue.add(key, Priority.ROUTINE)

    def _projects_changed(self, names: Collection[str]) -> None:
        for key, name in self._project_of.items():
            if name in names:
                self._queue.add(key)
        self.sets.projects_changed()

    def _moved(self, url: str) -> None:
        for key in self._followed.followers(url):
            self._queue.add(key, Priority.ROUTINE)


def _about(key: Key) -> dict[str, str]:
    """The fields of a log record about one Application."""
    return {"namespace": key[0], "application": key[1]}
