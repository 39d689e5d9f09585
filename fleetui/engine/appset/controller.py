"""The loops of ApplicationSets: what wakes which, and the workers that reconcile them.

Owns: `ApplicationSets`, the sibling of `fleetui.engine.controller.Engine`, which runs it on the same hub, under the
same Lease. Woken by the hub's ApplicationSets and their Applications, by the clusters that the hub registers, by its
projects and by what their generators asked. Where Argo CD's own controller is at work it steps aside, and looks again
now and then. The decisions are in the modules it calls.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from fleetui.engine.application import GROUP, KIND, Application
from fleetui.engine.appset.applicationset import KIND as SET_KIND
from fleetui.engine.appset.applicationset import ApplicationSet, names_clusters
from fleetui.engine.appset.asking import Asking
from fleetui.engine.appset.ports import Answers
from fleetui.engine.appset.reconcile import SetReconciler
from fleetui.engine.appset.waking import Key, Seen
from fleetui.engine.appset.webhook import concerns
from fleetui.engine.appset.writing import SetWriter
from fleetui.engine.beside import APPLICATION_SETS, ForeignWrites, refuse_beside_argocd
from fleetui.engine.clock import Clock
from fleetui.engine.destination import Destination
from fleetui.engine.hubprojects import HubProjects
from fleetui.engine.queue import Priority, WorkQueue
from fleetui.engine.rehearsal import Rehearsal
from fleetui.engine.settings import Settings
from fleetui.engine.telling import Listener
from fleetui.engine.webhook import Event
from fleetui.hubports import Directory
from fleetui.model.errors import ClusterError, FleetError, ForbiddenError, RefusedError
from fleetui.model.objects import ApiResource, StoredObject
from fleetui.ports import Jq

_log = logging.getLogger(__name__)

PLACES = 10
"""ApplicationSets that are worked on at a time (Argo CD's `concurrent-reconciliations`)."""
ASIDE = 60.0
"""Seconds between two looks whether Argo CD's controller is still at work, or the hub can be asked again."""
SOON = 5.0
"""Seconds in which the status of an ApplicationSet that does not roll follows those of its Applications: many change at
once, and Argo CD, which looks at none of them then, follows by chance."""
MOST_FAILURES = 5
"""How many errors of one ApplicationSet are remembered."""
LIST = "the ApplicationSets of cluster {} can't be listed: {}; none is reconciled"


class ApplicationSets:
    """Reconciles the ApplicationSets in the control plane's namespace of one hub, until cancelled or stopped.

    Args:
        hub: the cluster that holds them, whose Applications the engine has wanted.
        directory: the clusters that it registers.
        projects: the hub's, which the engine watches.
        answers: what answers generators.
        clock: the time.
        settings: see `Settings`.
        listener: looks on.
        ours_until: until when an engine of ours was at work here (epoch seconds).
        jq: evaluates the expressions of `ignoreApplicationDifferences` that compute.
        rehearsal: where what would be done is noted instead of done; then nothing is written.
    """

    def __init__(
        self,
        hub: Destination,
        *,
        directory: Directory,
        projects: HubProjects,
        answers: Answers,
        clock: Clock,
        settings: Settings,
        listener: Listener,
        ours_until: Callable[[], float] = lambda: 0.0,
        jq: Jq | None = None,
        rehearsal: Rehearsal | None = None,
    ) -> None:
        self._hub = hub
        self._directory = directory
        self._projects = projects
        self._clock = clock
        self._settings = settings
        self._listener = listener
        self._ours_until = ours_until
        self._jq = jq
        self._rehearsal = rehearsal
        self._asking = Asking(hub.api.name, answers, lambda key: self._queue.add(key))
        self._foreign = ForeignWrites(hub.api, clock, namespace=settings.namespace, controller=APPLICATION_SETS)
        self._resting: set[asyncio.Task[None]] = set()
        self._stopping = False
        self.begun = False
        """Whether every ApplicationSet that there is has been queued, or none is to be worked on."""
        self.reconciles = 0
        """How many reconciles have been made."""
        self.failures: dict[Key, list[Exception]] = {}
        """The ApplicationSets whose last reconcile failed, with the errors since one succeeded, the latest last."""
        self._begin_anew()

    def _begin_anew(self) -> None:
        """Forgets what was seen, and what waits: another controller may have been at work meanwhile."""
        self._queue: WorkQueue[Key] = WorkQueue(self._clock, places=PLACES)
        self._seen = Seen()
        self._of_clusters: set[Key] = set()
        self._rolling: set[Key] = set()
        self._wrong: set[Key] = set()
        self._waiting: set[Key] = set()
        self.failures.clear()

    @property
    def idle(self) -> bool:
        """Whether nothing waits, nothing is being worked on, and no rollout goes on by itself."""
        return self._queue.idle() and not self._waiting

    def stop(self) -> None:
        """Lets every reconcile that is going on come to its end, and begins no other; then `run` returns."""
        self._stopping = True
        for task in self._resting:
            task.cancel()

    def heard(self, event: Event) -> None:
        """Has the ApplicationSets looked at that an event of a Git host concerns, with everything asked anew."""
        for obj in self._hub.live.of_kind(GROUP, SET_KIND):
            key = obj.ref.namespace, obj.ref.name
            if key[0] == self._settings.namespace and concerns(event, obj.decode()):
                _log.info("ApplicationSet %s/%s is concerned by what %s says", *key, event.provider)
                self._asking.doubt(key)
                self._queue.add(key, Priority.ASKED)

    def projects_changed(self) -> None:
        """Looks again at what named no project."""
        for key in self._wrong:
            self._queue.add(key)

    async def run(self) -> None:
        """Works until stopped or cancelled. Returns at once where the hub does not know ApplicationSets, and raises
        nothing: what keeps it from working is logged, and tried again."""
        said = ""
        while not self._stopping:
            try:
                discovery = await self._hub.api.discover()
                resource, applications = (discovery.by_kind(GROUP, kind) for kind in (SET_KIND, KIND))
                if resource is None or applications is None:
                    self.begun = True
                    return
                await self._work(resource, applications)
            except RefusedError as refusal:
                reason = f"{refusal.message}: ApplicationSets are left to it"
            except ForbiddenError as error:
                reason = LIST.format(self._hub.api.name, error)
            except ClusterError as error:
                reason = str(error)
            else:
                return
            self.begun = True
            if reason != said:
                _log.warning("%s", reason)
                said = reason
            with self._rests(asyncio.create_task(asyncio.sleep(ASIDE))) as resting:
                await asyncio.wait({resting})

    async def _work(self, resource: ApiResource, applications: ApiResource) -> None:
        """Works until stopped.

        Raises:
            RefusedError: Argo CD's own controller is at work.
            ClusterError: the hub can't be asked.
        """
        if self._rehearsal is None:
            await refuse_beside_argocd(
                self._hub.api,
                self._clock,
                namespace=self._settings.namespace,
                ours_until=self._ours_until(),
                controller=APPLICATION_SETS,
            )
        reconciler = SetReconciler(
            self._hub,
            self._asking,
            SetWriter(
                self._hub,
                sets=resource,
                applications=applications,
                listener=self._listener,
                wrote=self._foreign.wrote,
            ),
            directory=self._directory,
            projects=self._projects,
            clock=self._clock,
            settings=self._settings,
            jq=self._jq,
            rehearsal=self._rehearsal,
        )
        going = [
            self._hub.live.want(resource, self._settings.namespace),
            self._hub.live.subscribe(self._changed),
            self._directory.on_registrations(self._clusters_changed),
        ]
        try:
            await self._hub.live.listed(resource, self._settings.namespace)
            # One that is not seen yet would be made once more.
            await self._hub.live.listed(applications)
            for kind in (SET_KIND, KIND):
                for obj in self._hub.live.of_kind(GROUP, kind):
                    self._changed(obj, deleted=False)
            self.begun = True
            async with asyncio.TaskGroup() as group:
                looking = group.create_task(self._foreign.until_certain())
                serving = group.create_task(self._serve(reconciler, group), name=f"sets {self._hub.api.name}")
                with self._rests(looking), self._rests(serving):
                    await asyncio.wait({looking, serving})
        except BaseExceptionGroup as ended:
            raise ended.exceptions[0] from None
        finally:
            for subscription in going:
                subscription.close()
            self._asking.close()
            self._begin_anew()

    @contextmanager
    def _rests(self, task: asyncio.Task[None]) -> Iterator[asyncio.Task[None]]:
        """For as long as it goes on, the task may be cancelled at any moment."""
        self._resting.add(task)
        try:
            if self._stopping:
                task.cancel()
            yield task
        finally:
            self._resting.discard(task)

    async def _serve(self, reconciler: SetReconciler, group: asyncio.TaskGroup) -> None:
        while True:
            key = await self._queue.get()
            await self._foreign.calm()
            group.create_task(self._reconcile(reconciler, key), name=f"set {self._hub.api.name} {'/'.join(key)}")

    async def _reconcile(self, reconciler: SetReconciler, key: Key) -> None:
        """One reconcile; a failure is logged and tried again after its back-off."""
        self.reconciles += 1
        about = {"namespace": key[0], "applicationset": key[1]}
        try:
            with self._foreign.reconciling(*key):
                later = await reconciler.reconcile(*key)
        except Exception as error:
            self.failures[key] = [*self.failures.get(key, ())[-MOST_FAILURES + 1 :], error]
            delay = self._queue.retry(key)
            if isinstance(error, FleetError):
                _log.warning("ApplicationSet %s/%s: %s; next try in %.0f s", *key, error, delay, extra=about)
            else:
                _log.exception("ApplicationSet %s/%s: unexpected failure; next try in %.0f s", *key, delay, extra=about)
        else:
            self._queue.forget(key)
            self.failures.pop(key, None)
            for among, belongs in ((self._wrong, later.wrong), (self._waiting, later.waits)):
                (among.add if belongs else among.discard)(key)
            if later.after is not None:
                self._queue.add_after(key, later.after, Priority.ROUTINE)
        finally:
            self._queue.done(key)

    # --- what wakes -------------------------------------------------------------------------------------------------

    def _changed(self, obj: StoredObject, *, deleted: bool) -> None:
        if obj.ref.group_kind == (GROUP, SET_KIND):
            self._set_changed(obj, deleted=deleted)
        elif obj.ref.group_kind == (GROUP, KIND):
            woken = self._seen.application(obj, deleted=deleted)
            for key in woken.written:
                self._queue.add(key)
            for key in woken.told:
                self._queue.add_after(key, 0.0 if key in self._rolling else SOON, Priority.ROUTINE)

    def _set_changed(self, obj: StoredObject, *, deleted: bool) -> None:
        key = obj.ref.namespace, obj.ref.name
        # Whoever may write elsewhere must not make Applications here.
        if obj.ref.namespace != self._settings.namespace:
            return
        self._of_clusters.discard(key)
        self._rolling.discard(key)
        if deleted:
            self._foreign.gone(obj.uid)
            self._wrong.discard(key)
            self._waiting.discard(key)
        else:
            appset = ApplicationSet(obj.decode())
            if self._rehearsal is None:
                self._foreign.seen(Application(appset.obj))
            if names_clusters(appset.spec.get("generators")):
                self._of_clusters.add(key)
            if appset.rolls:
                self._rolling.add(key)
        if self._seen.applicationset(obj, deleted=deleted):
            self._queue.add(key)

    def _clusters_changed(self) -> None:
        for key in self._of_clusters | self._wrong:
            self._queue.add(key)
