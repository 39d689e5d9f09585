"""An operation that an Application asks for, one step at a time.

Owns: `Operations` and `Again`. Called by `fleetui.engine.reconcile`, which has compared the Application before. What a
step does is decided in `fleetui.engine.sync`, how an attempt ends in `fleetui.engine.operation`. All state is in the
Application and in the cluster; what is kept in memory (delays between waves) may be lost without harm.
"""

from __future__ import annotations

import logging
from collections.abc import Awaitable, Callable, Container, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from fleetui.engine import operation as ops
from fleetui.engine.application import Application, has_option, mapping, strings
from fleetui.engine.apply import ApplyOptions
from fleetui.engine.clock import Clock
from fleetui.engine.compare import Comparison
from fleetui.engine.comparing import Comparer, Subject
from fleetui.engine.context import chosen_resources, context_of
from fleetui.engine.effects import Recorded
from fleetui.engine.execute import Executor
from fleetui.engine.gate import gate_of, operation_of
from fleetui.engine.observe import TARGET_STATE
from fleetui.engine.settings import Settings
from fleetui.engine.sources import COMMIT
from fleetui.engine.sourceset import SourceSet
from fleetui.engine.status import COMPARISON_ERROR, INVALID_SPEC_ERROR
from fleetui.engine.sync import sync_step
from fleetui.engine.tasks import ResultCode
from fleetui.engine.writer import ApplicationWriter
from fleetui.model.errors import RepositoryUnreachableError
from fleetui.model.objects import Obj, ObjectRef
from fleetui.model.status import OperationPhase

NO_OPERATION = "Invalid operation request: no operation specified"

_log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Again:
    """When the key wants to be worked on again: in `after` seconds (0: at once), or only when woken (None); where it
    `backs_off` sooner than that, as after a failure, and less often the longer it lasts."""

    after: float | None = None
    backs_off: bool = False


_AT_ONCE = Again(0.0)


class Operations:
    """The operations of one hub's Applications.

    `settled`: the status of an Application whose operation has just succeeded, as a comparison that finds it in sync
    makes it; None where there is more to say. The other arguments are those of `fleetui.engine.reconcile.Reconciler`.
    """

    def __init__(
        self,
        comparer: Comparer,
        writer: ApplicationWriter,
        clock: Clock,
        settings: Settings,
        *,
        settled: Callable[[Application], Awaitable[Obj | None]],
    ) -> None:
        self._comparer = comparer
        self._writer = writer
        self._clock = clock
        self._settings = settings
        self._settled = settled
        self._not_before: dict[ObjectRef, float] = {}

    def forget(self, ref: ObjectRef) -> None:
        """Drops what is kept of an Application that is gone."""
        self._not_before.pop(ref, None)

    async def break_off(self, app: Application, message: str) -> Again:
        """Ends an operation with an error for good: to try again, as its retry may ask for, would only say the same."""
        return await self._end(app, self._running_state(app), OperationPhase.ERROR, message, terminating=True)

    async def refuse(self, app: Application, message: str, subject: Subject | None) -> Again:
        """Ends an operation of an Application whose spec does not do; its retry is kept.

        As in Argo CD its revisions are looked up first, where its destination is known (`subject`).
        """
        state = self._running_state(app)
        terminating = ops.phase_of(state) is OperationPhase.TERMINATING
        now = self._clock.now()
        if (due := ops.retry_due(state)) is not None and due > now and not terminating:
            return Again(due - now)
        state = ops.begin_retry(state) if ops.is_waiting_for_retry(state) else state
        operation = mapping(state.get("operation"))
        if operation.get("sync") is None:
            return await self._end(app, state, OperationPhase.ERROR, NO_OPERATION, terminating=terminating)
        wanted, sync = SourceSet.of_operation(operation["sync"], app.spec), mapping(operation["sync"])
        asked = _asked(wanted, state)
        revisions = wanted.revision_fields(asked)
        if subject is not None:
            comparison = await self._compared_for(subject, None, wanted, state)
            revisions = _revision_fields(wanted, comparison, asked)
        state["syncResult"] = {**wanted.result_fields(sync), **revisions}
        return await self._end(app, state, OperationPhase.ERROR, message, terminating=terminating)

    def _running_state(self, app: Application) -> Obj:
        state = app.operation_state
        if state is not None and ops.in_progress(state):
            return dict(state)
        return ops.begin(app.operation or {}, self._clock.now())

    async def operate(self, subject: Subject, comparison: Comparison) -> Again:
        """Takes the operation one step further, unless a sync window keeps it waiting."""
        app, ref, project, now = subject.app, subject.ref, subject.permits.project, self._clock.now()
        if not ops.in_progress(app.operation_state):
            state = ops.begin(app.operation or {}, now)
            app = await self._writer.write(app, {**app.status, "operationState": state})
        state = self._running_state(app)
        terminating = ops.phase_of(state) is OperationPhase.TERMINATING
        wait = max((ops.retry_due(state) or now), self._not_before.get(ref, now)) - now
        if wait > 0 and not terminating:
            return Again(wait)
        self._not_before.pop(ref, None)
        if ops.is_waiting_for_retry(state):
            state = ops.begin_retry(state)
            app = await self._writer.write(app, {**app.status, "operationState": state})
        sync = mapping(mapping(state.get("operation")).get("sync"))
        if mapping(state.get("operation")).get("sync") is None:
            return await self._end(app, state, OperationPhase.ERROR, NO_OPERATION)
        if sync.get("manifests"):
            # To sync what is in Git instead would be silently wrong.
            message = "operation.sync.manifests is not supported: commit the manifests and sync the commit"
            return await self._end(app, state, OperationPhase.ERROR, message, terminating=True)
        wanted = SourceSet.of_operation(sync, app.spec)
        state["syncResult"] = {**mapping(state.get("syncResult")), **wanted.result_fields(sync)}
        gate = gate_of(app, project, now, operation_of(state))
        if gate is not None and not terminating:
            state["syncResult"] = {**wanted.revision_fields(wanted.revisions_of(sync)), **state["syncResult"]}
            message = f"Sync operation blocked by sync window{gate.problem and f': {gate.problem}'}"
            await self._writer.write(app, {**app.status, "operationState": {**state, "message": message}})
            return Again(gate.wait)
        if project.unserved:
            return await self._end(app, state, OperationPhase.ERROR, project.unserved, terminating=True)
        subject = subject.written(app)
        comparison = await self._compared_for(subject, comparison, wanted, state)
        revisions = _revision_fields(wanted, comparison, _asked(wanted, state))
        state["syncResult"].pop("revisions", None)
        state["syncResult"].update(revisions)
        if comparison.shared and has_option(strings(sync.get("syncOptions")), "FailOnSharedResource=true"):
            message = f"Shared resource found: {comparison.shared[0]}"
            return await self._end(app, state, OperationPhase.FAILED, message, terminating=terminating)
        if comparison.misplaced:
            # Once from the comparison before, once from this one (`controller/sync.go`, `SyncAppState`).
            message = ";".join(f"{INVALID_SPEC_ERROR}: {each}" for each in sorted(comparison.misplaced * 2))
            return await self._end(app, state, OperationPhase.ERROR, message, terminating=terminating)
        if comparison.error:
            message = f"{COMPARISON_ERROR}: {comparison.error}"
            return await self._end(app, state, OperationPhase.ERROR, message, terminating=terminating)
        return await self._step(subject, comparison, state, sync, terminating=terminating)

    async def _compared_for(
        self, subject: Subject, comparison: Comparison | None, wanted: SourceSet, state: Mapping[str, Any]
    ) -> Comparison:
        """The comparison at the operation's own revisions and sources; the one at hand where they are the same."""
        resolved = wanted.revisions_of(mapping(state.get("syncResult")))
        wishes = _asked(wanted, state)
        if comparison is not None and wanted == SourceSet.of(subject.app.spec) and wishes == comparison.origin.each:
            return comparison
        # A human who asks for a branch means the branch as it is now, not as it was at the last fetch.
        fetch = not resolved and not (wishes and all(map(COMMIT.fullmatch, wishes)))
        try:
            return await self._comparer.compare(subject, wanted=wanted, revisions=wishes, fetch=fetch)
        except RepositoryUnreachableError as error:
            return await self._comparer.unreadable(subject, error, wanted, wishes)

    async def _step(
        self, subject: Subject, comparison: Comparison, state: Obj, sync: Mapping[str, Any], *, terminating: bool
    ) -> Again:
        app, destination = subject.app, subject.destination
        context = context_of(
            app,
            destination,
            comparison,
            state,
            permits=subject.permits,
            judge=self._comparer.judge,
            terminating=terminating,
        )
        strategy = mapping(sync.get("syncStrategy"))
        force = any(mapping(strategy.get(key)).get("force") is True for key in ("apply", "hook"))
        options = strings(sync.get("syncOptions"))
        ignoring = self._comparer.ignoring(app) if has_option(options, "RespectIgnoreDifferences=true") else None
        executor = Executor(
            destination, ApplyOptions.of(options, force=force, app=app.obj, since=context.started_at), ignoring=ignoring
        )
        async with destination.syncing:
            outcome = await executor.drive(sync_step(context))
        before = mapping(state.get("syncResult")).get("resources")
        _tell_refused(app, comparison, outcome.results, known={recorded.key for recorded in context.recorded})
        rows = ops.stored_results(outcome.results)
        state["syncResult"] = {**state["syncResult"], **({"resources": rows} if rows else {})}
        if context.settings.namespace_metadata is not None:
            state["syncResult"]["managedNamespaceMetadata"] = dict(context.settings.namespace_metadata)
        if outcome.phase.completed:
            recorded = not context.settings.dry_run and not chosen_resources(sync)
            return await self._end(
                app, state, outcome.phase, outcome.message, terminating=terminating, history=recorded
            )
        running = ops.finish(state, outcome.phase, outcome.message, now=self._clock.now())
        if terminating:
            running["phase"] = OperationPhase.TERMINATING.value
        await self._writer.write(app, {**app.status, "operationState": running})
        if outcome.waved:
            self._not_before[subject.ref] = self._clock.now() + self._settings.wave_delay
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
            status["history"] = ops.next_history(app, state, now)
            if not status["history"]:
                del status["history"]
        waiting = ops.is_waiting_for_retry(ended)
        if phase is OperationPhase.SUCCEEDED:
            settled = await self._settled(_without_operation(app, status))
            if settled is not None:
                # In one write with the end: two would be a request more for every sync of every application.
                await self._writer.write(app, settled, operation=None)
                return Again()
        await self._writer.write(app, status, operation=app.operation if waiting else None)
        due = ops.retry_due(ended) if waiting else None
        return Again(max(0.0, due - now)) if due is not None else _AT_ONCE


def _revision_fields(wanted: SourceSet, comparison: Comparison, asked: Sequence[str]) -> Obj:
    """The revisions of an operation's result; where the target state can't be read, those that it asked for itself."""
    unread = comparison.error.startswith(TARGET_STATE)
    return wanted.revision_fields(asked if unread else comparison.origin.each)


def _asked(wanted: SourceSet, state: Mapping[str, Any]) -> tuple[str, ...]:
    """The revisions that an earlier step of an operation has found, or else those that it asks for."""
    operation = mapping(state.get("operation"))
    return wanted.revisions_of(mapping(state.get("syncResult"))) or wanted.revisions_of(mapping(operation.get("sync")))


def _without_operation(app: Application, status: Obj) -> Application:
    """The Application as it is when its operation is over."""
    kept = {key: value for key, value in app.obj.items() if key != "operation"}
    return Application({**kept, "status": status})


def _tell_refused(
    app: Application, comparison: Comparison, results: Iterable[Recorded], *, known: Container[tuple[ObjectRef, str]]
) -> None:
    """Logs what could not be applied with where Git has it: the result itself says what Argo CD's does."""
    for result in results:
        if result.status is not ResultCode.SYNC_FAILED or result.key in known:
            continue
        target = comparison.targets.by_ref.get(result.ref)
        where = "" if target is None or not target.file else f"{target.file}:{target.line or 1}: "
        about = {"namespace": app.namespace, "application": app.name}
        _log.warning("%s/%s: %s%s: %s", *about.values(), where, result.ref, result.message, extra=about)
