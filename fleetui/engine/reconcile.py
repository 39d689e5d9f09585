"""One reconcile of one Application: observe, decide, act, write the status.

Owns: `Reconciler`. Called by `fleetui.engine.controller` with one key at a time. All state is in the Application and
in the cluster; what is kept in memory (delays between waves) may be lost without harm.
"""

from __future__ import annotations

import contextlib
import logging
from collections.abc import Callable, Sequence

from fleetui.engine import operation as ops
from fleetui.engine.application import GROUP, KIND, SKIP_RECONCILE, Application, is_leaving, mapping, text
from fleetui.engine.autosync import Decision, decide
from fleetui.engine.clock import Clock
from fleetui.engine.compare import Comparison
from fleetui.engine.comparing import Comparer, Subject
from fleetui.engine.deletehooks import kept_finalizers
from fleetui.engine.desired import Target
from fleetui.engine.destination import Destination, Destinations
from fleetui.engine.finalize import DeletionFailedError, finalize, needs_hooks, unreadable_hooks
from fleetui.engine.gate import AUTOMATED, gate_of
from fleetui.engine.hubprojects import HubProjects, ProjectError
from fleetui.engine.operate import Again, Operations
from fleetui.engine.orphans import Monitors, orphans_among
from fleetui.engine.projects import Permits, spec_problems
from fleetui.engine.rehearsal import Rehearsal
from fleetui.engine.settings import Settings
from fleetui.engine.specs import spec_patch
from fleetui.engine.status import (
    COMPARISON_ERROR,
    DELETION_ERROR,
    EXCLUDED_RESOURCE_WARNING,
    INVALID_SPEC_ERROR,
    ORPHANED_RESOURCE_WARNING,
    REPEATED_RESOURCE_WARNING,
    SHARED_RESOURCE_WARNING,
    SYNC_ERROR,
    UNKNOWN_ERROR,
    as_argo_stores,
    compared_status,
    invalid_status,
    with_conditions,
)
from fleetui.engine.tracking import instance_name
from fleetui.engine.writer import ApplicationGoneError, ApplicationWriter
from fleetui.model.errors import ClusterError, FleetError, MissingError
from fleetui.model.objects import Obj, ObjectRef
from fleetui.model.status import SyncStatus
from fleetui.model.times import format_time

_log = logging.getLogger(__name__)

_WHEN_WOKEN = Again()


class Reconciler:
    """Reconciles the Applications of one hub.

    `projects`: the hub's. `monitors` hears who looks for orphans where, and `is_known` tells whether there is an
    Application of an instance name. With a `rehearsal` nothing is written: what would have been done is noted there.
    """

    def __init__(
        self,
        destinations: Destinations,
        comparer: Comparer,
        writer: ApplicationWriter,
        *,
        projects: HubProjects,
        monitors: Monitors[tuple[str, str]],
        is_known: Callable[[str], bool],
        clock: Clock,
        settings: Settings,
        rehearsal: Rehearsal | None = None,
    ) -> None:
        self._destinations = destinations
        self._comparer = comparer
        self._writer = writer
        self._projects = projects
        self._monitors = monitors
        self._is_known = is_known
        self._clock = clock
        self._settings = settings
        self._operations = Operations(comparer, writer, clock, settings, settled=self._settled)
        self._rehearsal = rehearsal

    async def reconcile(self, namespace: str, name: str) -> Again:
        """Works on one Application.

        Raises:
            ClusterError: the hub or the destination could not be asked; the caller tries again with back-off.
        """
        ref = ObjectRef(GROUP, KIND, namespace, name)
        obj = self._destinations.hub.get(ref)
        if obj is None:
            self._forget(ref)
            return _WHEN_WOKEN
        app = Application(obj)
        if text(app.annotations.get(SKIP_RECONCILE)).lower() in {"true", "1", "t"}:
            return _WHEN_WOKEN
        try:
            return await self._reconcile(app)
        except ApplicationGoneError:
            # Whatever came in between is an event of the watch, and wakes us: trying again before would only spin.
            return _WHEN_WOKEN
        except FleetError:
            raise
        except Exception as error:
            await self._break_off(ref, error)
            raise

    async def _break_off(self, ref: ObjectRef, error: Exception) -> None:
        """Ends an operation that the engine itself stumbles over: it would stumble again at every try."""
        obj = self._destinations.hub.get(ref)
        app = Application(obj) if obj is not None else None
        if app is None or app.operation is None or self._rehearsal is not None:
            return
        message = f"the engine failed: {type(error).__name__}: {error}"
        with contextlib.suppress(ApplicationGoneError):
            await self._operations.break_off(app, message)

    async def _reconcile(self, app: Application) -> Again:
        try:
            project = self._projects.of(app)
        except ProjectError as error:
            return await self._without_project(app, error)
        destination: Destination | None = None
        missing = ""
        try:
            destination = self._destinations.find(app.destination)
        except MissingError as error:
            missing = str(error)
        permits = Permits(project, destination.place) if destination is not None else None
        if app.deleting and app.operation is None:
            if self._rehearsal is not None:
                self._rehearsal.deleting(app)
                return _WHEN_WOKEN
            return await self._finalize(app, destination, permits)
        problems = spec_problems(app, project, permits.place if permits is not None else None, missing)
        if problems or destination is None or permits is None:
            nowhere = app.problem() or missing
            app = await self._refuse(app, [(INVALID_SPEC_ERROR, each) for each in problems])
            if app.operation is None or self._rehearsal is not None:
                return _WHEN_WOKEN
            said = nowhere or ";".join(f"{INVALID_SPEC_ERROR}: {each}" for each in problems)
            if nowhere or destination is None or permits is None:
                return await self._operations.refuse(app, said, None)
            return await self._operations.refuse(app, said, self._subject(app, destination, permits))
        # What another Application manages would differ from Git at once; Argo CD puts up with that.
        managed = destination.tracking.owner_of(app.obj)
        if self._rehearsal is None and not managed and (patch := spec_patch(app.spec)):
            app = await self._writer.write_spec(app, patch)
        subject = self._subject(app, destination, permits)
        comparison = await self._comparer.compare_anew(subject)
        if isinstance(comparison, float):
            return self._again(comparison)
        if self._rehearsal is not None:
            held = self._held(app, permits) is not None
            self._rehearsal.compared(app, comparison, None if held else self._decided(app, comparison).operation)
            return _WHEN_WOKEN
        status = await self._judged(subject, comparison)
        if not app.deleting and not comparison.error:
            # Before the status tells that it is in sync: to delete it then must already run its hooks.
            finalizers = kept_finalizers(app.finalizers, comparison.targets.hooks)
            if finalizers != app.finalizers:
                app = await self._writer.write_finalizers(app, finalizers)
        if app.operation is not None:
            app = await self._writer.write(app, status, refreshed=True)
            return await self._operations.operate(subject.written(app), comparison)
        return await self._automate(subject.written(app), comparison, status)

    def _subject(self, app: Application, destination: Destination, permits: Permits) -> Subject:
        return Subject(app, destination, self._instance(app), permits)

    def _instance(self, app: Application) -> str:
        return instance_name(app.namespace, app.name, self._settings.namespace)

    def _again(self, seconds: float) -> Again:
        """After so many seconds, or earlier: what is waited for may be over without anybody telling."""
        return Again(min(seconds, self._settings.poll))

    def _look_again(self, failed: Comparison) -> Again:
        """What kept us from looking (a cluster, a login) may mend without anybody telling. What passes, such as the
        "storage is (re)initializing" of a kind that was defined a second ago, is over sooner than others' causes."""
        return Again(self._settings.poll, backs_off=failed.passing)

    # --- comparison -------------------------------------------------------------------------------------------------

    async def _settled(self, app: Application) -> Obj | None:
        """See `Operations`. Of what was just written there is nothing to ask the cluster."""
        if app.deleting:
            return None
        try:
            destination = self._destinations.find(app.destination)
            permits = Permits(self._projects.of(app), destination.place)
            if spec_problems(app, permits.project, permits.place, ""):
                return None
            subject = self._subject(app, destination, permits)
            comparison = await self._comparer.compare(subject)
        except (FleetError, ProjectError):
            return None
        if comparison.error or comparison.status is not SyncStatus.SYNCED:
            return None
        status = await self._judged(subject, comparison)
        return with_conditions(status, (SYNC_ERROR,), (), now=self._clock.now())

    async def _orphans(self, subject: Subject, comparison: Comparison) -> int:
        """How many objects of its namespace nobody manages, where the project wants that told."""
        app, permits = subject.app, subject.permits
        key, namespace, orphaned = (app.namespace, app.name), app.destination_namespace, permits.project.orphaned
        if orphaned is None or not orphaned.warn or not namespace or comparison.error:
            self._monitors.drop(key)
            return 0
        try:
            objects = await subject.destination.look_into(namespace)
        except ClusterError as error:
            _log.warning("%s/%s: orphaned resources are not looked for: %s", app.namespace, app.name, error)
            return 0
        self._monitors.looked(key, subject.destination.api.name, namespace, frozenset(each.ref for each in objects))
        managed = {member.ref for member in comparison.members}
        return orphans_among(objects, managed, permits, subject.destination.tracking, is_known=self._is_known)

    async def _judged(self, subject: Subject, comparison: Comparison) -> Obj:
        """The status after a comparison. The time of the comparison moves only with something else, or when a human
        asked for it: a reconcile that finds nothing new writes nothing."""
        app, project, now = subject.app, subject.permits.project, self._clock.now()
        status = compared_status(app, comparison, now=now, controller_namespace=self._settings.namespace)
        found = [(COMPARISON_ERROR, comparison.error)] if comparison.error else []
        found += [(INVALID_SPEC_ERROR, problem) for problem in comparison.misplaced]
        found += [(EXCLUDED_RESOURCE_WARNING, warning) for warning in comparison.excluded]
        found += [(REPEATED_RESOURCE_WARNING, warning) for warning in comparison.targets.warnings]
        found += [(SHARED_RESOURCE_WARNING, warning) for warning in comparison.shared]
        if orphans := await self._orphans(subject, comparison):
            found.append((ORPHANED_RESOURCE_WARNING, f"Application has {orphans} orphaned resources"))
        if project.unserved:
            found.append((UNKNOWN_ERROR, project.unserved))
        evaluated = (
            COMPARISON_ERROR,
            INVALID_SPEC_ERROR,
            UNKNOWN_ERROR,
            EXCLUDED_RESOURCE_WARNING,
            ORPHANED_RESOURCE_WARNING,
            REPEATED_RESOURCE_WARNING,
            SHARED_RESOURCE_WARNING,
        )
        status = with_conditions(status, evaluated, found, now=now)
        before, after = mapping(app.status.get("sync")), status["sync"]
        fresh = app.refresh or any(after.get(key) != before.get(key) for key in ("revision", "revisions", "comparedTo"))
        if fresh or "reconciledAt" not in app.status:
            status["reconciledAt"] = format_time(now)
        return status

    async def _refuse(self, app: Application, found: list[tuple[str, str]]) -> Application:
        """Says by conditions (type, message) what keeps the application from being looked at."""
        if self._rehearsal is not None:
            self._rehearsal.refused(app, "; ".join(each for _, each in found))
            return app
        now = self._clock.now()
        status = with_conditions(invalid_status(app, now=now), (INVALID_SPEC_ERROR, UNKNOWN_ERROR), found, now=now)
        return await self._writer.write(app, status, refreshed=True)

    # --- deletion ---------------------------------------------------------------------------------------------------

    async def _without_project(self, app: Application, error: ProjectError) -> Again:
        if app.deleting and app.operation is None and self._rehearsal is None:
            await self._not_deleted(app, str(error))
            return _WHEN_WOKEN
        app = await self._refuse(app, [(error.condition, error.shown)])
        if app.operation is None or self._rehearsal is not None:
            return _WHEN_WOKEN
        return await self._operations.break_off(app, f"Failed to load application project: {error}")

    async def _finalize(self, app: Application, destination: Destination | None, permits: Permits | None) -> Again:
        """Takes the deletion one step further; what it fails at is told as a DeletionError, and tried again."""
        hooks: Sequence[Target] = ()
        subject = None
        if destination is not None and permits is not None:
            subject = self._subject(app, destination, permits)
        try:
            if subject is not None and needs_hooks(app):
                comparison = await self._comparer.compare_anew(subject)
                if isinstance(comparison, float):
                    return self._again(comparison)
                app = await self._writer.write(app, await self._judged(subject, comparison), refreshed=True)
                if comparison.error:
                    raise unreadable_hooks(app, comparison.error)
                hooks = comparison.targets.hooks
            judge = self._comparer.judge
            left = await finalize(app, destination, self._instance(app), permits, hooks=hooks, judge=judge)
        except DeletionFailedError as error:
            await self._not_deleted(app, str(error))
            if isinstance(error.__cause__, ClusterError):
                raise error.__cause__ from error
            return Again(self._settings.poll)
        if left is None:
            if subject is not None and not needs_hooks(app):
                await self._show_deletion(subject)
            return Again(self._settings.poll)
        if left == app.finalizers:
            return _WHEN_WOKEN
        await self._writer.write_finalizers(app, left)
        return Again(0.0)

    async def _show_deletion(self, subject: Subject) -> None:
        """Compares an application while its objects go: what holds its deletion up is seen in its status."""
        app, permits = subject.app, subject.permits
        if spec_problems(app, permits.project, permits.place, ""):
            return
        comparison = await self._comparer.compare_anew(subject)
        if isinstance(comparison, Comparison):
            await self._writer.write(app, await self._judged(subject, comparison), refreshed=True)

    async def _not_deleted(self, app: Application, why: str) -> None:
        now = self._clock.now()
        await self._writer.write(
            app, with_conditions(dict(app.status), (DELETION_ERROR,), [(DELETION_ERROR, why)], now=now)
        )

    # --- automated sync ---------------------------------------------------------------------------------------------

    def _held(self, app: Application, permits: Permits) -> Again | None:
        """When to look again at an application that its project does not let be synced automatically now; None where
        it does."""
        if permits.project.unserved:
            return _WHEN_WOKEN
        gate = gate_of(app, permits.project, self._clock.now(), AUTOMATED)
        if gate is None:
            return None
        return Again(gate.wait) if app.automated is not None else _WHEN_WOKEN

    def _decided(self, app: Application, comparison: Comparison) -> Decision:
        return decide(
            app,
            status=comparison.status,
            revisions=comparison.origin.each,
            resources=comparison.resources,
            leaving={member.ref for member in comparison.members if is_leaving(member.live)},
            now=self._clock.now(),
        )

    async def _automate(self, subject: Subject, comparison: Comparison, status: Obj) -> Again:
        app, now = subject.app, self._clock.now()
        held = self._held(app, subject.permits)
        if held is not None:
            await self._writer.write(app, status, refreshed=True)
            return self._look_again(comparison) if comparison.error else held
        decision = self._decided(app, comparison)
        errors = [(SYNC_ERROR, decision.error)] if decision.error else []
        status = with_conditions(status, (SYNC_ERROR,), errors, now=now)
        if decision.operation is None:
            await self._writer.write(app, status, refreshed=True)
            return self._look_again(comparison) if comparison.error else Again(decision.retry_in)
        status = as_argo_stores(status)
        status["operationState"] = ops.begin(decision.operation, now)
        app = await self._writer.write(app, status, operation=decision.operation, refreshed=True)
        return await self._operations.operate(subject.written(app), comparison)

    def _forget(self, ref: ObjectRef) -> None:
        self._monitors.drop((ref.namespace, ref.name))
        self._operations.forget(ref)
        if self._rehearsal is not None:
            self._rehearsal.gone(ref.namespace, ref.name)
        self._comparer.forget(ref)
