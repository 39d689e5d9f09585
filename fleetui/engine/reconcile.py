"""One reconcile of one Application: observe, decide, act, write the status.

Owns: `Reconciler`. Called by `fleetui.engine.controller` with one key at a time. All state is in the Application and
in the cluster; what is kept in memory (delays between waves) may be lost without harm.
"""

from __future__ import annotations

import contextlib
import logging
import math
from collections.abc import Callable

from fleetui.engine import operation as ops
from fleetui.engine.application import GROUP, KIND, SKIP_RECONCILE, Application, mapping, text
from fleetui.engine.autosync import Decision, decide
from fleetui.engine.clock import Clock
from fleetui.engine.compare import Comparison, Member
from fleetui.engine.destination import Destination, Destinations
from fleetui.engine.finalize import finalize
from fleetui.engine.observe import observe, unreadable
from fleetui.engine.operate import Again, Operations
from fleetui.engine.overrides import Overrides
from fleetui.engine.rehearsal import Rehearsal
from fleetui.engine.settings import Settings
from fleetui.engine.sources import COMMIT, Sources
from fleetui.engine.status import (
    COMPARISON_ERROR,
    DELETION_ERROR,
    INVALID_SPEC_ERROR,
    REPEATED_RESOURCE_WARNING,
    SHARED_RESOURCE_WARNING,
    SYNC_ERROR,
    compared_status,
    compared_to,
    invalid_status,
    with_conditions,
)
from fleetui.engine.tracking import instance_name
from fleetui.engine.writer import ApplicationGoneError, ApplicationWriter
from fleetui.model.errors import ClusterError, FleetError, MissingError, RepositoryUnreachableError
from fleetui.model.objects import Obj, ObjectRef
from fleetui.model.status import SyncStatus
from fleetui.model.times import format_time
from fleetui.ports import Jq

_log = logging.getLogger(__name__)

REPOSITORY_GRACE = 180.0
"""Seconds for which an application is compared with the commit that is known of a repository that can't be reached
(Argo CD's `repo-error-grace-period`)."""


_WHEN_WOKEN = Again()


class Reconciler:
    """Reconciles the Applications of one hub.

    `overrides`: what the hub's ``argocd-cm`` says at this moment. With a `rehearsal` nothing is written: what would
    have been done is noted there.
    """

    def __init__(
        self,
        destinations: Destinations,
        sources: Sources,
        writer: ApplicationWriter,
        *,
        overrides: Callable[[], Overrides],
        clock: Clock,
        settings: Settings,
        jq: Jq | None,
        rehearsal: Rehearsal | None = None,
    ) -> None:
        self._destinations = destinations
        self._sources = sources
        self._writer = writer
        self._overrides = overrides
        self._clock = clock
        self._settings = settings
        self._jq = jq
        self._operations = Operations(
            sources, writer, overrides=overrides, clock=clock, settings=settings, jq=jq, settled=self._settled
        )
        self._rehearsal = rehearsal
        self._unreachable_since: dict[ObjectRef, float] = {}

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
            return await self._reconcile(ref, app)
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

    async def _reconcile(self, ref: ObjectRef, app: Application) -> Again:
        instance = instance_name(app.namespace, app.name, self._settings.namespace)
        problem = app.problem()
        destination: Destination | None = None
        try:
            destination = self._destinations.find(app.destination)
        except MissingError as error:
            problem = problem or str(error)
        if app.deleting and app.operation is None:
            if self._rehearsal is not None:
                self._rehearsal.deleting(app)
                return _WHEN_WOKEN
            return await self._finalize(app, destination, instance)
        if problem or destination is None:
            return await self._refuse(app, problem)
        comparison = await self._compared(ref, app, destination, instance)
        if isinstance(comparison, Again):
            return comparison
        if self._rehearsal is not None:
            self._rehearsal.compared(app, comparison, self._decided(app, comparison).operation)
            return _WHEN_WOKEN
        status = self._judged(app, comparison)
        if app.operation is not None:
            app = await self._writer.write(app, status, refreshed=True)
            return await self._operations.operate(ref, app, destination, comparison, instance)
        return await self._automate(ref, app, destination, comparison, status, instance)

    # --- comparison -------------------------------------------------------------------------------------------------

    async def _compared(
        self, ref: ObjectRef, app: Application, destination: Destination, instance: str
    ) -> Comparison | Again:
        """The comparison, or when to look again: a repository that does not answer for a moment changes nothing."""
        fetch = self._asked_to_refresh(app, destination)
        try:
            comparison = await observe(
                app,
                destination,
                self._sources,
                instance=instance,
                overrides=self._overrides(),
                fetch=fetch,
                jq=self._jq,
            )
        except RepositoryUnreachableError as error:
            return await self._compared_meanwhile(ref, app, destination, instance, error)
        self._unreachable_since.pop(ref, None)
        return comparison

    async def _compared_meanwhile(
        self,
        ref: ObjectRef,
        app: Application,
        destination: Destination,
        instance: str,
        error: RepositoryUnreachableError,
    ) -> Comparison | Again:
        """The comparison while the repository does not answer: with the commit that is known, for as long as the grace
        lasts. It ends at once for who asks for a refresh, and begins anew only when the repository has answered."""
        now = self._clock.now()
        if app.refresh:
            self._unreachable_since[ref] = -math.inf
        left = self._unreachable_since.setdefault(ref, now) + REPOSITORY_GRACE - now
        before = mapping(app.status.get("sync"))
        known = text(before.get("revision"))
        if left > 0 and COMMIT.fullmatch(known) and before.get("comparedTo") == compared_to(app):
            try:
                return await observe(
                    app,
                    destination,
                    self._sources,
                    instance=instance,
                    overrides=self._overrides(),
                    revision=known,
                    jq=self._jq,
                )
            except RepositoryUnreachableError:
                if app.operation is None:
                    return Again(min(left, self._settings.poll))
        judge = self._overrides().judge
        return await unreadable(app, destination, error, instance=instance, judge=judge, source=app.source)

    async def _settled(self, app: Application) -> Obj | None:
        """See `Operations`. Of what was just written there is nothing to ask the cluster."""
        if app.deleting:
            return None
        try:
            comparison = await observe(
                app,
                self._destinations.find(app.destination),
                self._sources,
                instance=instance_name(app.namespace, app.name, self._settings.namespace),
                overrides=self._overrides(),
                jq=self._jq,
            )
        except FleetError:
            return None
        if comparison.error or comparison.status is not SyncStatus.SYNCED:
            return None
        return with_conditions(self._judged(app, comparison), (SYNC_ERROR,), (), now=self._clock.now())

    def _asked_to_refresh(self, app: Application, destination: Destination) -> bool:
        if app.refresh == "hard":
            self._sources.forget()
            destination.predictor.forget()
        return bool(app.refresh)

    def _judged(self, app: Application, comparison: Comparison) -> Obj:
        """The status after a comparison. The time of the comparison moves only with something else, or when a human
        asked for it: a reconcile that finds nothing new writes nothing."""
        now = self._clock.now()
        status = compared_status(app, comparison, now=now, controller_namespace=self._settings.namespace)
        found = [(COMPARISON_ERROR, comparison.error)] if comparison.error else []
        found += [(REPEATED_RESOURCE_WARNING, warning) for warning in comparison.targets.warnings]
        found += [(SHARED_RESOURCE_WARNING, warning) for warning in comparison.shared]
        evaluated = (COMPARISON_ERROR, INVALID_SPEC_ERROR, REPEATED_RESOURCE_WARNING, SHARED_RESOURCE_WARNING)
        status = with_conditions(status, evaluated, found, now=now)
        before = mapping(app.status.get("sync"))
        fresh = (
            app.refresh or comparison.revision != before.get("revision") or before.get("comparedTo") != compared_to(app)
        )
        if fresh or "reconciledAt" not in app.status:
            status["reconciledAt"] = format_time(now)
        return status

    async def _refuse(self, app: Application, problem: str) -> Again:
        if self._rehearsal is not None:
            self._rehearsal.refused(app, problem)
            return _WHEN_WOKEN
        now = self._clock.now()
        status = with_conditions(
            invalid_status(app, now=now), (INVALID_SPEC_ERROR,), [(INVALID_SPEC_ERROR, problem)], now=now
        )
        if app.operation is None:
            await self._writer.write(app, status, refreshed=True)
            return _WHEN_WOKEN
        app = await self._writer.write(app, status, refreshed=True)
        message = f"{INVALID_SPEC_ERROR}: {problem}"
        return await self._operations.break_off(app, message)

    async def _finalize(self, app: Application, destination: Destination | None, instance: str) -> Again:
        try:
            left = await finalize(app, destination, instance)
        except ClusterError as error:
            found = [(DELETION_ERROR, str(error))]
            status = with_conditions(dict(app.status), (DELETION_ERROR,), found, now=self._clock.now())
            await self._writer.write(app, status)
            raise
        if left is None:
            return Again(self._settings.poll)
        if left != app.finalizers:
            await self._writer.strip_finalizers(app, left)
        return _WHEN_WOKEN

    def _decided(self, app: Application, comparison: Comparison) -> Decision:
        return decide(
            app,
            status=comparison.status,
            revision=comparison.revision,
            resources=comparison.resources,
            leaving={member.ref for member in comparison.members if _is_leaving(member)},
            now=self._clock.now(),
        )

    # --- automated sync ---------------------------------------------------------------------------------------------

    async def _automate(
        self,
        ref: ObjectRef,
        app: Application,
        destination: Destination,
        comparison: Comparison,
        status: Obj,
        instance: str,
    ) -> Again:
        now = self._clock.now()
        decision = self._decided(app, comparison)
        errors = [(SYNC_ERROR, decision.error)] if decision.error else []
        status = with_conditions(status, (SYNC_ERROR,), errors, now=now)
        if decision.operation is None:
            await self._writer.write(app, status, refreshed=True)
            # What kept us from looking (a cluster, a login) may mend without anybody telling.
            return Again(self._settings.poll if comparison.error else decision.retry_in)
        status["operationState"] = ops.begin(decision.operation, now)
        app = await self._writer.write(app, status, operation=decision.operation, refreshed=True)
        return await self._operations.operate(ref, app, destination, comparison, instance)

    def _forget(self, ref: ObjectRef) -> None:
        self._operations.forget(ref)
        if self._rehearsal is not None:
            self._rehearsal.gone(ref.namespace, ref.name)
        self._unreachable_since.pop(ref, None)


def _is_leaving(member: Member) -> bool:
    return bool(mapping(mapping(member.live).get("metadata")).get("deletionTimestamp"))
