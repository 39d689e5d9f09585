"""One step of a sync operation, as a generator over values: it says what to do, it never does it.

Owns: `sync_step` (gitops-engine `pkg/sync/sync_context.go`, `Sync`, `Terminate`; Argo CD v3.6). The engine drives the
generator: each yielded batch of effects is carried out in parallel and answered with one `EffectResult` each. All state
between two steps lies in the recorded results, which are stored in the Application's status: a step can be entered
again after a crash. Building the tasks is `fleetui.engine.plan`'s.
"""

from __future__ import annotations

from collections.abc import Generator, Mapping, Sequence
from enum import Enum
from itertools import groupby

from fleetui.engine.application import SYNC_OPTIONS, annotation_value, is_leaving, mapping
from fleetui.engine.effects import Apply, Delete, Effect, EffectResult, Look, ReleaseHook, Step, StepOutcome
from fleetui.engine.hooks import Phase
from fleetui.engine.plan import Run, SyncContext, holds_hook_finalizer, tasks_of
from fleetui.engine.tasks import RESULT_PHASE, ResultCode, Task, is_multi_step, step_of
from fleetui.model.objects import Obj
from fleetui.model.status import Health, HealthStatus, OperationPhase

UNSUCCESSFUL = "one or more synchronization tasks completed unsuccessfully"
NOT_APPLIED = "one or more objects failed to apply"


class _State(Enum):
    SUCCESSFUL = "successful"
    PENDING = "pending"
    FAILED = "failed"


_Answers = Generator[list[Effect], list[EffectResult], _State]


def sync_step(context: SyncContext) -> Step:
    """Runs one step of an operation; see `SyncContext` for what goes in and `StepOutcome` for what comes out."""
    run = Run(context, {result.key: result for result in context.recorded})
    started = bool(run.results)
    tasks, refusals = tasks_of(run)
    if context.terminating:
        return (yield from _terminate(run, tasks))
    if refusals:
        reasons = "; ".join(refusals)
        return run.outcome(OperationPhase.FAILED, f"one or more synchronization tasks are not valid: {reasons}")
    if not started:
        failed = yield from _prepare(run, tasks)
        if failed is not None:
            return failed
    ended = _update_running(run, tasks)
    stepwise = is_multi_step(tasks)
    waiting = [task for task in tasks if task.running and (task.is_hook or stepwise)]
    if waiting:
        yield from _note_missing(run, waiting)
        return run.outcome(OperationPhase.RUNNING, waiting_message(run, waiting))
    leaving = [task for task in tasks if task.pruned and is_leaving(task.live)]
    if leaving:
        return run.outcome(OperationPhase.RUNNING, waiting_message(run, leaving, deletion=True))
    if ended:
        # That a hook has ended is written down before it is let go: once it is gone nothing else would tell.
        return run.outcome(OperationPhase.RUNNING, waiting_message(run, ended))
    yield from _release(run, [task for task in tasks if task.is_hook and task.completed])
    return (yield from _advance(run, tasks))


def _advance(run: Run, tasks: list[Task]) -> Step:
    """Runs the next wave, or ends the operation."""
    ended_hooks = [task for task in tasks if task.is_hook and task.live is not None and not task.running]
    fail_hooks = [task for task in tasks if task.phase is Phase.SYNC_FAIL]
    tasks = [task for task in tasks if task.phase is not Phase.SYNC_FAIL]
    if any(task.completed and not task.successful for task in tasks):
        yield from _delete_hooks(run, ended_hooks, "HookFailed")
        return (yield from _fail(run, fail_hooks, tasks, UNSUCCESSFUL))
    pending = _out_of_sync(run, [task for task in tasks if task.pending])
    if not pending:
        yield from _delete_hooks(run, ended_hooks, "HookSucceeded")
        return run.outcome(OperationPhase.SUCCEEDED, "successfully synced (no more tasks)")
    step = step_of(pending[0])
    current = [task for task in pending if step_of(task) == step]
    state = yield from _run_tasks(run, current, dry_run=False)
    if state is _State.FAILED:
        return (yield from _failed_to_apply(run, current, fail_hooks, ended_hooks))
    waved = step != step_of(pending[-1])
    if state is _State.PENDING:
        held = [task for task in current if task.to_delete_before_creation or (task.is_prune and task.pending)]
        return run.outcome(OperationPhase.RUNNING, waiting_message(run, held, deletion=True), waved=waved)
    # Argo CD's rule: the last wave, when it has no hooks, is done as soon as it is applied, whatever its health.
    if len(current) == len(pending) and not any(task.is_hook for task in current):
        yield from _delete_hooks(run, ended_hooks, "HookSucceeded")
        return run.outcome(OperationPhase.SUCCEEDED, "successfully synced (all tasks run)")
    return run.outcome(OperationPhase.RUNNING, waiting_message(run, current), waved=waved)


def _failed_to_apply(run: Run, current: list[Task], fail_hooks: list[Task], ended_hooks: list[Task]) -> Step:
    """A wave of which something could not be applied: what was applied beside it is waited for first."""
    running = [task for task in current if task.running]
    if not running:
        outcome = yield from _fail(run, fail_hooks, current, NOT_APPLIED)
        if outcome.phase is OperationPhase.FAILED:
            yield from _delete_hooks(run, ended_hooks, "HookFailed")
        return run.outcome(outcome.phase, outcome.message)
    if fail_hooks:
        outcome = yield from _fail(run, fail_hooks, current, NOT_APPLIED)
        if outcome.phase is OperationPhase.RUNNING:
            running += fail_hooks
    return run.outcome(OperationPhase.RUNNING, waiting_message(run, running))


def waiting_message(run: Run, tasks: Sequence[Task], *, deletion: bool = False) -> str:
    """What a running operation waits for, in Argo CD's words (`setRunningPhase`)."""
    if not tasks:
        return ""
    hooks = [task for task in tasks if task.is_hook]
    first, more = (hooks or list(tasks))[0], len(tasks) - 1
    reason = "completion of hook" if hooks else "healthy state of"
    if deletion:
        reason = "deletion of hook" if hooks else "deletion of"
    unconfirmed = [task for task in tasks if _needs_confirmation(run, task)]
    if unconfirmed:
        first, more, reason = unconfirmed[0], len(unconfirmed) - 1, "pruning confirmation of"
    others = f" and {more} more {'hooks' if len(hooks) == len(tasks) else 'resources'}" if more else ""
    return f"waiting for {reason} {first}{others}"


def _out_of_sync(run: Run, tasks: list[Task]) -> list[Task]:
    """The tasks that ApplyOutOfSyncOnly leaves."""
    if not run.context.settings.apply_out_of_sync_only:
        return tasks
    synced = {ref for ref, target, live in run.context.resources if target is not None and live is not None}
    synced -= run.context.modified
    return [task for task in tasks if task.is_hook or task.ref not in synced]


# --- running them ---------------------------------------------------------------------------------------------


def _prepare(run: Run, tasks: list[Task]) -> Generator[list[Effect], list[EffectResult], StepOutcome | None]:
    """The first step of an operation: make the namespace, then dry-run everything; an outcome only on failure."""
    namespace = next((task for task in tasks if _makes_namespace(run, task)), None)
    if namespace is not None and (yield from _run_tasks(run, [namespace], dry_run=False)) is _State.FAILED:
        return (yield from _fail(run, [], [namespace], "the namespace failed to apply"))
    rest = _out_of_sync(run, [task for task in tasks if task is not namespace])
    if (yield from _run_tasks(run, rest, dry_run=True)) is _State.FAILED:
        return run.outcome(OperationPhase.FAILED, f"{NOT_APPLIED} (dry run)")
    return None


def _makes_namespace(run: Run, task: Task) -> bool:
    if task.target is None or task.live is not None:
        return False
    return task.ref.group_kind == ("", "Namespace") and task.ref.name == run.context.namespace


def _run_tasks(run: Run, tasks: list[Task], *, dry_run: bool) -> _Answers:
    """Prunes, then applies, kind by kind (`runTasks`); `dry_run` is the dry run that prepares an operation."""
    dry = dry_run or run.context.settings.dry_run
    if not dry:
        # What an earlier operation left of its hooks must not hold this one up.
        failed = yield from _release(run, [task for task in tasks if task.is_hook and task.pending])
        if failed:
            return _State.FAILED
    prunes = [task for task in tasks if task.is_prune]
    if any(_needs_confirmation(run, task) for task in prunes):
        return _State.PENDING
    if (yield from _prune(run, prunes, dry, dry_run)) is _State.FAILED:
        return _State.FAILED
    creations = [task for task in tasks if not task.is_prune]
    if not dry:
        state = yield from _delete_before_creation(run, [task for task in creations if task.to_delete_before_creation])
        if state is not _State.SUCCESSFUL:
            return state
    state = _State.SUCCESSFUL
    for _, group in groupby(creations, key=lambda task: task.ref.kind):
        members = [task for task in group if not (dry_run and task.skip_dry_run)]
        answers = (yield [Apply(task, task.target or {}, dry) for task in members]) if members else []
        for task, answer in zip(members, answers, strict=True):
            _keep(run, task, ResultCode.SYNCED if answer.ok else ResultCode.SYNC_FAILED, answer.message, dry_run)
            state = state if answer.ok else _State.FAILED
    return state


def _keep(run: Run, task: Task, code: ResultCode, message: str, preparing: bool) -> None:
    """Records a result; of the dry run that prepares an operation only failures are worth keeping."""
    if preparing and not run.context.settings.dry_run and code is not ResultCode.SYNC_FAILED:
        return
    phase = RESULT_PHASE[code]
    if run.context.settings.dry_run and phase is OperationPhase.RUNNING:
        phase = OperationPhase.SUCCEEDED
    run.record(task, code, phase, message)


def _prune(run: Run, tasks: list[Task], dry: bool, preparing: bool) -> _Answers:
    wanted = []
    for task in tasks:
        if not run.context.settings.prune:
            _keep(run, task, ResultCode.PRUNE_SKIPPED, "ignored (requires pruning)", preparing)
        elif _prune_option(run, task) == "false":
            _keep(run, task, ResultCode.PRUNE_SKIPPED, "ignored (no prune)", preparing)
        elif dry:
            _keep(run, task, ResultCode.PRUNED, "pruned (dry run)", preparing)
        elif is_leaving(task.live):
            _keep(run, task, ResultCode.PRUNED, "pruned", preparing)
        else:
            wanted.append(task)
    answers = (yield [Delete(task) for task in wanted]) if wanted else []
    for task, answer in zip(wanted, answers, strict=True):
        code = ResultCode.SYNC_FAILED if answer.failed else ResultCode.PRUNED
        _keep(run, task, code, answer.message if answer.failed else "pruned", preparing)
    return _State.FAILED if any(answer.failed for answer in answers) else _State.SUCCESSFUL


def _prune_option(run: Run, task: Task) -> str:
    own = annotation_value(task.live, SYNC_OPTIONS, "Prune")
    return run.context.settings.default_prune if own is None else own


def _needs_confirmation(run: Run, task: Task) -> bool:
    """Whether a human has to approve first (`objRequiresPruneConfirmation`)."""
    return task.is_prune and not run.context.settings.prune_confirmed and _prune_option(run, task) == "confirm"


def _delete_before_creation(run: Run, stale: list[Task]) -> _Answers:
    answers = (yield [Delete(task) for task in stale]) if stale else []
    state = _State.SUCCESSFUL
    for task, answer in zip(stale, answers, strict=True):
        if answer.gone:
            task.live = None
        elif answer.ok:
            state = _State.PENDING if state is _State.SUCCESSFUL else state
        else:
            state = _State.FAILED
            run.record(task, task.status, OperationPhase.ERROR, f"failed to delete resource: {answer.message}")
    return state


# --- hooks ----------------------------------------------------------------------------------------------------


def _release(run: Run, hooks: Sequence[Task]) -> Generator[list[Effect], list[EffectResult], list[Task]]:
    """Takes our finalizer off hooks that have it; returns those where it could not be done, recorded as errors."""
    # Argo CD lets a dry run, too, release and delete the hooks of an earlier sync.
    held = [task for task in hooks if holds_hook_finalizer(task.live) and not run.context.settings.dry_run]
    answers = (yield [ReleaseHook(task) for task in held]) if held else []
    failed = [(task, answer.message) for task, answer in zip(held, answers, strict=True) if answer.failed]
    for task, message in failed:
        run.record(task, task.status, OperationPhase.ERROR, f"Failed to remove hook finalizer: {message}")
    return [task for task, _ in failed]


def _delete_hooks(run: Run, hooks: Sequence[Task], policy: str) -> Generator[list[Effect], list[EffectResult], None]:
    chosen = [task for task in hooks if task.has_delete_policy(policy) and not run.context.settings.dry_run]
    answers = (yield [Delete(task) for task in chosen]) if chosen else []
    for task, answer in zip(chosen, answers, strict=True):
        if answer.failed:
            run.record(task, task.status, OperationPhase.ERROR, f"failed to delete resource: {answer.message}")


def _fail(run: Run, fail_hooks: list[Task], tasks: Sequence[Task], message: str) -> Step:
    """Fails the operation, or first starts the SyncFail hooks (`executeSyncFailPhase`)."""
    message = _with_reasons(message, tasks)
    if all(task.completed for task in fail_hooks):
        if any(task.status is ResultCode.SYNC_FAILED for task in fail_hooks):
            message += "\n" + _with_reasons("one or more SyncFail hooks failed", fail_hooks)
        return run.outcome(OperationPhase.FAILED, message)
    pending = [task for task in fail_hooks if not task.completed and not task.running]
    yield from _run_tasks(run, pending, dry_run=False)
    return run.outcome(OperationPhase.RUNNING, waiting_message(run, pending))


def _with_reasons(message: str, tasks: Sequence[Task]) -> str:
    reasons = dict.fromkeys(task.message for task in tasks if task.status is ResultCode.SYNC_FAILED)
    return f"{message}, reason: {','.join(reasons)}" if reasons else message


def _terminate(run: Run, tasks: list[Task]) -> Step:
    """Ends a terminating operation: hooks are let go, running ones deleted (`Terminate`)."""
    yield from _release(run, [task for task in tasks if task.is_hook and task.completed])
    running = [task for task in tasks if task.is_hook and task.running]
    for task in running:
        if task.live is None:
            run.record(task, task.status, OperationPhase.SUCCEEDED, "Terminated")
    found = [(task, task.live) for task in running if task.live is not None]
    broken = yield from _release(run, [task for task, _ in found])
    errors = bool(broken)
    for task, live in found:
        if task not in broken:
            errors = (yield from _terminate_hook(run, task, live)) or errors
    if errors:
        return run.outcome(OperationPhase.ERROR, "Operation termination had errors")
    return run.outcome(OperationPhase.FAILED, "Operation terminated")


def _terminate_hook(run: Run, task: Task, live: Obj) -> Generator[list[Effect], list[EffectResult], bool]:
    """Deletes a running hook and records its end; returns whether that failed (`terminateHooksPreemptively`)."""
    phase, message = hook_phase(live, run.context.health(live))
    if phase is OperationPhase.RUNNING or task.has_delete_policy("HookFailed"):
        (answer,) = yield [Delete(task)]
        if answer.failed:
            run.record(task, task.status, OperationPhase.FAILED, f"Failed to delete: {answer.message}")
            return True
    if phase.completed:
        run.record(task, task.status, phase, message)
    else:
        run.record(task, task.status, OperationPhase.FAILED, "Terminated")
    return False


# --- what has been applied --------------------------------------------------------------------------------------


def _update_running(run: Run, tasks: Sequence[Task]) -> list[Task]:
    """Judges what has been applied by its live state; returns the hooks that were found to have ended.

    (`sync_context.go`, "update status of any tasks that are running".)
    """
    ended = []
    for task in tasks:
        if not task.running or task.live is None:
            continue
        health = run.context.health(task.live)
        if task.is_hook:
            phase, message = hook_phase(task.live, health)
            run.record(task, task.status, phase, message)
            ended += [task] if phase.completed else []
        elif health is None:
            run.record(task, task.status, OperationPhase.SUCCEEDED, task.message)
        elif health.status is HealthStatus.HEALTHY:
            run.record(task, task.status, OperationPhase.SUCCEEDED, health.message)
        elif health.status is HealthStatus.DEGRADED:
            run.record(task, task.status, OperationPhase.FAILED, health.message)
    return ended


def _note_missing(run: Run, waiting: Sequence[Task]) -> Generator[list[Effect], list[EffectResult], None]:
    """Fails what an earlier step applied and is not there any more, so that it is not waited for for ever."""
    known = {result.key for result in run.context.recorded}
    # What this very step applied has no live object yet.
    unseen = [task for task in waiting if task.live is None and task.result_key in known]
    answers = (yield [Look(task) for task in unseen]) if unseen else []
    for task, answer in zip(unseen, answers, strict=True):
        if answer.gone:
            message = f"Resource {task} is missing, it might have been deleted"
            run.record(task, ResultCode.SYNC_FAILED, OperationPhase.ERROR, message)
        elif not answer.ok:
            message = f"Failed to get live resource {answer.message}"
            run.record(task, task.status, OperationPhase.ERROR, message)


def hook_phase(live: Mapping[str, object], health: Health | None) -> tuple[OperationPhase, str]:
    """How far a live hook is, by its health (`sync_context.go`, `getOperationPhase`)."""
    if health is None:
        return OperationPhase.SUCCEEDED, f"{mapping(live.get('metadata')).get('name', '')} created"
    if health.status in {HealthStatus.DEGRADED, HealthStatus.UNKNOWN}:
        return OperationPhase.FAILED, health.message
    if health.status in {HealthStatus.PROGRESSING, HealthStatus.SUSPENDED}:
        return OperationPhase.RUNNING, health.message
    return OperationPhase.SUCCEEDED, health.message
