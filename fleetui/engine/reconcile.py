"""One reconcile of one Application: observe, decide, act, write the status.

Owns: `Reconciler`. Called by `fleetui.engine.controller` with one key at a time. All state is in the Application and
in the cluster; what is kept in memory (delays between waves) may be lost without harm.
"""

from __future__ import annotations

import logging
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from fleetui.engine import operation as ops
from fleetui.engine.application import GROUP, KIND, SKIP_RECONCILE, Application, has_option, mapping, strings, text
from fleetui.engine.autosync import decide
from fleetui.engine.clock import Clock
from fleetui.engine.compare import Comparison, Member
from fleetui.engine.destination import Destination, Destinations
from fleetui.engine.execute import ApplyOptions, Executor
from fleetui.engine.finalize import finalize
from fleetui.engine.observe import observe
from fleetui.engine.sources import Sources
from fleetui.engine.status import (
    COMPARISON_ERROR,
    INVALID_SPEC_ERROR,
    REPEATED_RESOURCE_WARNING,
    SYNC_ERROR,
    compared_status,
    compared_to,
    invalid_status,
    with_conditions,
)
from fleetui.engine.sync import SyncContext, SyncSettings, sync_step
from fleetui.engine.tracking import instance_name
from fleetui.engine.writer import ApplicationGoneError, ApplicationWriter
from fleetui.health import assess
from fleetui.model.errors import FleetError, MissingError, RepositoryUnreachableError
from fleetui.model.objects import Obj, ObjectRef
from fleetui.model.status import OperationPhase
from fleetui.model.times import format_time, parse_time

_log = logging.getLogger(__name__)

REPOSITORY_GRACE = 180.0
"""Seconds for which an unreachable repository leaves an application's status as it was (Argo CD's
`repo-error-grace-period`)."""


@dataclass(frozen=True)
class Settings:
    """How an engine works.

    `wave_delay`: seconds between two sync waves (`ARGOCD_SYNC_WAVE_DELAY`). `poll`: seconds after which a running
    operation is looked at again even if nothing woke it. `namespace`: where Applications need no namespace in their
    tracking ids.
    """

    wave_delay: float = 2.0
    poll: float = 30.0
    namespace: str = "argocd"


@dataclass(frozen=True)
class Again:
    """When the key wants to be worked on again: in `after` seconds (0: at once), or only when woken (None)."""

    after: float | None = None


_WHEN_WOKEN = Again()
_AT_ONCE = Again(0.0)


class Reconciler:
    """Reconciles the Applications of one hub."""

    def __init__(
        self,
        destinations: Destinations,
        sources: Sources,
        writer: ApplicationWriter,
        *,
        clock: Clock,
        settings: Settings,
    ) -> None:
        self._destinations = destinations
        self._sources = sources
        self._writer = writer
        self._clock = clock
        self._settings = settings
        self._not_before: dict[ObjectRef, float] = {}
        self._entered: set[tuple[ObjectRef, str]] = set()
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
            return _AT_ONCE

    async def _reconcile(self, ref: ObjectRef, app: Application) -> Again:
        instance = instance_name(app.namespace, app.name, self._settings.namespace)
        problems = app.problems()
        destination: Destination | None = None
        try:
            destination = self._destinations.find(app.destination)
        except MissingError as error:
            problems.append(str(error))
        if app.deleting:
            return await self._finalize(app, destination, instance)
        if problems or destination is None:
            return await self._refuse(app, problems)
        try:
            comparison = await observe(
                app, destination, self._sources, instance=instance, fetch=self._asked_to_refresh(app, destination)
            )
        except RepositoryUnreachableError as error:
            return await self._unreachable(ref, app, error)
        self._unreachable_since.pop(ref, None)
        status = self._judged(app, comparison)
        if app.operation is not None:
            app = await self._writer.write(app, status, refreshed=True)
            return await self._operate(ref, app, destination, comparison, instance)
        return await self._automate(ref, app, destination, comparison, status, instance)

    # --- comparison -------------------------------------------------------------------------------------------------

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
        evaluated = (COMPARISON_ERROR, INVALID_SPEC_ERROR, REPEATED_RESOURCE_WARNING)
        status = with_conditions(status, evaluated, found, now=now)
        before = mapping(app.status.get("sync"))
        fresh = (
            app.refresh or comparison.revision != before.get("revision") or before.get("comparedTo") != compared_to(app)
        )
        if fresh or "reconciledAt" not in app.status:
            status["reconciledAt"] = format_time(now)
        return status

    async def _refuse(self, app: Application, problems: list[str]) -> Again:
        now = self._clock.now()
        status = invalid_status(app, now=now, controller_namespace=self._settings.namespace)
        found = [(INVALID_SPEC_ERROR, "; ".join(problems))]
        status = with_conditions(status, (INVALID_SPEC_ERROR, COMPARISON_ERROR), found, now=now)
        if app.operation is None:
            await self._writer.write(app, status, refreshed=True)
            return _WHEN_WOKEN
        state = self._running_state(app)
        ended = ops.finish(state, OperationPhase.FAILED, "; ".join(problems), now=now)
        await self._writer.write(app, {**status, "operationState": ended}, operation=None, refreshed=True)
        return _WHEN_WOKEN

    async def _unreachable(self, ref: ObjectRef, app: Application, error: FleetError) -> Again:
        """A repository that does not answer for a moment changes nothing; one that stays away is a ComparisonError."""
        now = self._clock.now()
        since = self._unreachable_since.setdefault(ref, now)
        left = since + REPOSITORY_GRACE - now
        first = not mapping(app.status.get("sync")).get("revision")
        if left > 0 and not first and not app.refresh and app.operation is None:
            return Again(min(left, self._settings.poll))
        message = f"Failed to load target state: failed to generate manifest for source 1 of 1: {error}"
        status = invalid_status(app, now=now, controller_namespace=self._settings.namespace)
        status = with_conditions(status, (COMPARISON_ERROR,), [(COMPARISON_ERROR, message)], now=now)
        if app.operation is not None:
            state = self._running_state(app)
            ended = ops.finish(state, OperationPhase.ERROR, f"{COMPARISON_ERROR}: {message}", now=now)
            done = not ops.is_waiting_for_retry(ended)
            status["operationState"] = ended
            await self._writer.write(app, status, operation=None if done else app.operation, refreshed=True)
        else:
            await self._writer.write(app, status, refreshed=True)
        return Again(self._settings.poll)

    async def _finalize(self, app: Application, destination: Destination | None, instance: str) -> Again:
        left = await finalize(app, destination, instance)
        if left is None:
            return Again(self._settings.poll)
        if left != app.finalizers:
            await self._writer.strip_finalizers(app, left)
        return _WHEN_WOKEN

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
        decision = decide(
            app,
            status=comparison.status,
            revision=comparison.revision,
            resources=comparison.resources,
            leaving={member.ref for member in comparison.members if _is_leaving(member)},
            now=now,
        )
        errors = [(SYNC_ERROR, decision.error)] if decision.error else []
        status = with_conditions(status, (SYNC_ERROR,), errors, now=now)
        if decision.operation is None:
            await self._writer.write(app, status, refreshed=True)
            return Again(decision.retry_in)
        _log.info("%s/%s: initiated automated sync to %s", app.namespace, app.name, comparison.revision)
        status["operationState"] = ops.begin(decision.operation, now)
        self._entered.add((ref, text(status["operationState"]["startedAt"])))
        app = await self._writer.write(app, status, operation=decision.operation, refreshed=True)
        return await self._operate(ref, app, destination, comparison, instance)

    # --- operations -------------------------------------------------------------------------------------------------

    def _running_state(self, app: Application) -> Obj:
        state = app.operation_state
        if state is not None and ops.in_progress(state):
            return dict(state)
        return ops.begin(app.operation or {}, self._clock.now())

    async def _operate(
        self, ref: ObjectRef, app: Application, destination: Destination, comparison: Comparison, instance: str
    ) -> Again:
        """Takes the operation one step further."""
        now = self._clock.now()
        if not ops.in_progress(app.operation_state):
            state = ops.begin(app.operation or {}, now)
            self._entered.add((ref, text(state["startedAt"])))
            app = await self._writer.write(app, {**app.status, "operationState": state})
        state = self._running_state(app)
        terminating = ops.phase_of(state) is OperationPhase.TERMINATING
        wait = max((ops.retry_due(state) or now), self._not_before.get(ref, now)) - now
        if wait > 0 and not terminating:
            return Again(wait)
        self._not_before.pop(ref, None)
        if ops.is_waiting_for_retry(state):
            state = ops.begin_retry(state)
            self._entered.add((ref, text(state.get("startedAt"))))
            app = await self._writer.write(app, {**app.status, "operationState": state})
        sync = mapping(mapping(state.get("operation")).get("sync"))
        if not mapping(state.get("operation")).get("sync") and "sync" not in mapping(state.get("operation")):
            return await self._end(
                app, state, OperationPhase.ERROR, "Invalid operation request: no operation specified"
            )
        source = sync.get("source") if isinstance(sync.get("source"), Mapping) else app.source
        state["syncResult"] = {**mapping(state.get("syncResult")), "source": dict(source or {})}
        comparison = await self._compared_for(app, destination, comparison, instance, source or {}, state)
        state["syncResult"]["revision"] = comparison.revision
        if comparison.error:
            message = f"{COMPARISON_ERROR}: {comparison.error}"
            return await self._end(app, state, OperationPhase.ERROR, message, terminating=terminating)
        return await self._step(ref, app, destination, comparison, state, sync, terminating=terminating)

    async def _compared_for(
        self,
        app: Application,
        destination: Destination,
        comparison: Comparison,
        instance: str,
        source: Mapping[str, Any],
        state: Mapping[str, Any],
    ) -> Comparison:
        """The comparison at the operation's own revision and source; the one at hand where they are the same."""
        sync = mapping(mapping(state.get("operation")).get("sync"))
        wish = text(mapping(state.get("syncResult")).get("revision")) or text(sync.get("revision"))
        if source == app.source and wish in {"", comparison.revision}:
            return comparison
        return await observe(app, destination, self._sources, instance=instance, source=source, revision=wish)

    async def _step(
        self,
        ref: ObjectRef,
        app: Application,
        destination: Destination,
        comparison: Comparison,
        state: Obj,
        sync: Mapping[str, Any],
        *,
        terminating: bool,
    ) -> Again:
        context = self._context(ref, app, destination, comparison, state, sync, terminating=terminating)
        strategy = mapping(sync.get("syncStrategy"))
        force = any(mapping(strategy.get(key)).get("force") is True for key in ("apply", "hook"))
        executor = Executor(destination, ApplyOptions.of(strings(sync.get("syncOptions")), force=force))
        outcome = await executor.drive(sync_step(context))
        before = mapping(state.get("syncResult")).get("resources")
        rows = ops.stored_results(outcome.results)
        state["syncResult"] = {**state["syncResult"], **({"resources": rows} if rows else {})}
        if outcome.phase.completed:
            recorded = not context.settings.dry_run and not sync.get("resources")
            return await self._end(
                app, state, outcome.phase, outcome.message, terminating=terminating, history=recorded
            )
        running = ops.finish(state, outcome.phase, outcome.message, now=self._clock.now())
        if terminating:
            running["phase"] = OperationPhase.TERMINATING.value
        await self._writer.write(app, {**app.status, "operationState": running})
        if outcome.waved:
            self._not_before[ref] = self._clock.now() + self._settings.wave_delay
            return Again(self._settings.wave_delay)
        return _AT_ONCE if rows != (before or []) else Again(self._settings.poll)

    async def _end(
        self,
        app: Application,
        state: Obj,
        phase: OperationPhase,
        message: str,
        *,
        terminating: bool = False,
        history: bool = False,
    ) -> Again:
        """Writes the end of an attempt: the operation is over, or waits for its retry."""
        now = self._clock.now()
        ended = ops.finish(state, phase, message, now=now, terminating=terminating)
        status: Obj = {**app.status, "operationState": ended}
        if history and phase is OperationPhase.SUCCEEDED:
            result = mapping(state.get("syncResult"))
            source = dict(mapping(result.get("source")))
            status["history"] = ops.next_history(app, state, text(result.get("revision")), source, now)
            if not status["history"]:
                del status["history"]
        waiting = ops.is_waiting_for_retry(ended)
        await self._writer.write(app, status, operation=app.operation if waiting else None)
        due = ops.retry_due(ended) if waiting else None
        return Again(max(0.0, due - now)) if due is not None else _AT_ONCE

    def _context(
        self,
        ref: ObjectRef,
        app: Application,
        destination: Destination,
        comparison: Comparison,
        state: Mapping[str, Any],
        sync: Mapping[str, Any],
        *,
        terminating: bool,
    ) -> SyncContext:
        chosen = [mapping(entry) for entry in sync.get("resources") or ()]
        options = strings(sync.get("syncOptions"))
        members = [member for member in comparison.members if not member.hook and member.self_referenced]
        members = [member for member in members if not chosen or _is_chosen(member.ref, chosen)]
        namespace = app.destination_namespace
        started = text(state.get("startedAt"))
        # A process that meets a running operation for the first time takes it over from one that died: the hooks it
        # finds may be that one's work. A retry runs them anew.
        interrupted = (ref, started) not in self._entered and not state.get("retryCount")
        self._entered.add((ref, started))
        return SyncContext(
            revision=comparison.revision,
            started_at=parse_time(started) or 0.0,
            namespace=namespace,
            settings=SyncSettings(
                prune=sync.get("prune") is True,
                dry_run=sync.get("dryRun") is True,
                skip_hooks=bool(chosen) or "apply" in mapping(sync.get("syncStrategy")),
                create_namespace=has_option(options, "CreateNamespace=true"),
                namespace_metadata=mapping(app.sync_policy.get("managedNamespaceMetadata")),
                prune_last=has_option(options, "PruneLast=true"),
                apply_out_of_sync_only=has_option(options, "ApplyOutOfSyncOnly=true"),
            ),
            resources=[_triple(member) for member in members],
            hooks=[(target.ref, target.obj) for target in comparison.targets.hooks],
            live=destination.get,
            health=assess,
            modified=frozenset(member.ref for member in members if member.differs),
            served=lambda obj: destination.discovery.of(obj) is not None,
            recorded=ops.recorded_results(state),
            namespace_missing=destination.get(ObjectRef("", "Namespace", "", namespace)) is None,
            terminating=terminating,
            adopt_since=parse_time(started) if interrupted else None,
        )

    def _forget(self, ref: ObjectRef) -> None:
        self._not_before.pop(ref, None)
        self._unreachable_since.pop(ref, None)
        self._entered = {entry for entry in self._entered if entry[0] != ref}


def _is_leaving(member: Member) -> bool:
    return bool(mapping(mapping(member.live).get("metadata")).get("deletionTimestamp"))


def _triple(member: Member) -> tuple[ObjectRef, Obj | None, Obj | None]:
    return member.ref, member.target.obj if member.target is not None else None, member.live


def _is_chosen(ref: ObjectRef, chosen: list[Mapping[str, Any]]) -> bool:
    """Whether a partial sync names an object; ``*`` stands for anything (`util/argo`, `ContainsSyncResource`)."""

    def fits(wish: str, value: str) -> bool:
        return wish in {"*", value}

    return any(
        fits(text(entry.get("kind")), ref.kind)
        and fits(text(entry.get("group")), ref.group)
        and fits(text(entry.get("name")), ref.name)
        and (not entry.get("namespace") or fits(text(entry.get("namespace")), ref.namespace))
        for entry in chosen
    )
