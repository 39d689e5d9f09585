"""One step of a sync operation, as a generator over values: it says what to do, it never does it.

Owns: `SyncContext` and `sync_step` (gitops-engine `pkg/sync/sync_context.go`, `Sync`; Argo CD v3). The engine drives
the generator: each yielded batch of effects is carried out in parallel and answered with one `EffectResult` each. All
state between two steps lies in the recorded results, which are stored in the Application's status: a step can be
entered again after a crash.
"""

from __future__ import annotations

from collections.abc import Callable, Generator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from enum import Enum
from itertools import groupby

from fleetui.engine.application import HOOK_FINALIZER, SYNC_OPTIONS, annotation_option, mapping, strings
from fleetui.engine.hooks import Phase, phases
from fleetui.engine.tasks import (
    RESULT_PHASE,
    ResultCode,
    Task,
    defined_by,
    is_multi_step,
    order_tasks,
    step_of,
)
from fleetui.model.objects import Obj, ObjectRef
from fleetui.model.status import Health, HealthStatus, OperationPhase


@dataclass(frozen=True)
class Apply:
    """Create or update `obj`; with `dry_run` only ask whether it would be accepted."""

    task: Task
    obj: Obj
    dry_run: bool = False


@dataclass(frozen=True)
class Delete:
    """Delete the live object of a task (prune, or the end of a hook)."""

    task: Task


@dataclass(frozen=True)
class ReleaseHook:
    """Take the hook finalizer off a completed hook, so that it may be deleted."""

    task: Task


Effect = Apply | Delete | ReleaseHook


@dataclass(frozen=True)
class EffectResult:
    """What became of an effect: a message as kubectl words it, `gone` where the object was not there any more."""

    ok: bool
    message: str = ""
    gone: bool = False


@dataclass(frozen=True)
class Recorded:
    """One entry of `operationState.syncResult.resources`."""

    ref: ObjectRef
    version: str
    status: ResultCode | None
    message: str
    sync_phase: str
    hook_phase: OperationPhase | None
    hook_type: str = ""
    images: tuple[str, ...] = ()

    @property
    def key(self) -> tuple[ObjectRef, str]:
        return self.ref, self.sync_phase


@dataclass(frozen=True)
class SyncSettings:
    """What the operation and the application ask for."""

    prune: bool = False
    dry_run: bool = False
    skip_hooks: bool = False
    create_namespace: bool = False
    namespace_metadata: Mapping[str, object] | None = None
    prune_last: bool = False
    apply_out_of_sync_only: bool = False


@dataclass(frozen=True)
class SyncContext:
    """All that one step looks at.

    Args:
        resources: (ref, target, live) of every object in the sync, hooks left out.
        hooks: the desired hooks; a hook without a name has `generateName`.
        live: finds a live object by reference (for hooks and the namespace).
        health: judges a live object; None where its kind has no health.
        modified: objects that differ from Git.
        permitted: a sentence why an object may not be synced (kind not served, project), or empty.
        served: whether the API server serves the kind of an object.
        recorded: results of the operation's earlier steps, in order.
        adopt_since: hooks created at or after this time (epoch s) were made by this very operation before it was
            interrupted; None where nothing was interrupted.
    """

    revision: str
    started_at: float
    namespace: str
    settings: SyncSettings
    resources: Sequence[tuple[ObjectRef, Obj | None, Obj | None]]
    hooks: Sequence[tuple[ObjectRef, Obj]]
    live: Callable[[ObjectRef], Obj | None]
    health: Callable[[Obj], Health | None]
    modified: frozenset[ObjectRef] = frozenset()
    served: Callable[[Obj], bool] = lambda _: True
    recorded: Sequence[Recorded] = ()
    namespace_missing: bool = False
    terminating: bool = False
    adopt_since: float | None = None


@dataclass(frozen=True)
class StepOutcome:
    """The operation after a step: its phase, message and all results so far.

    `waved` says that a wave which is not the last has just been applied.
    """

    phase: OperationPhase
    message: str
    results: tuple[Recorded, ...]
    waved: bool = False


Step = Generator[list[Effect], list[EffectResult], StepOutcome]


@dataclass
class _Run:
    """The mutable part of one step."""

    context: SyncContext
    results: dict[tuple[ObjectRef, str], Recorded] = field(default_factory=dict)

    def record(self, task: Task, status: ResultCode | None, phase: OperationPhase | None, message: str) -> None:
        task.status, task.phase_state = status, phase
        task.message = message or task.message
        self.results[task.result_key] = Recorded(
            ref=task.ref,
            version=task.version,
            status=status,
            message=task.message,
            sync_phase=task.phase.value,
            hook_phase=phase,
            hook_type=task.phase.value if task.is_hook else "",
            images=images_of(task.target),
        )

    def outcome(self, phase: OperationPhase, message: str, *, waved: bool = False) -> StepOutcome:
        return StepOutcome(phase, message, tuple(self.results.values()), waved)


def images_of(obj: Obj | None) -> tuple[str, ...]:
    """The container images of a workload, as written, without duplicates (`util/kube`, `GetResourceImages`)."""
    spec = mapping(mapping(obj).get("spec"))
    template = mapping(mapping(spec.get("template")).get("spec"))
    job = mapping(mapping(mapping(mapping(spec.get("jobTemplate")).get("spec")).get("template")).get("spec"))
    found: list[str] = []
    for pod in (template, job, spec):
        for key in ("initContainers", "containers"):
            containers = pod.get(key)
            for container in containers if isinstance(containers, list) else []:
                image = mapping(container).get("image")
                if isinstance(image, str) and image:
                    found.append(image)
    return tuple(dict.fromkeys(found))


def sync_step(context: SyncContext) -> Step:
    """Runs one step of an operation; see `SyncContext` for what goes in and `StepOutcome` for what comes out."""
    run = _Run(context, {result.key: result for result in context.recorded})
    started = bool(run.results)
    tasks, refusals = _tasks(run)
    if context.terminating:
        return (yield from _terminate(run, tasks))
    if refusals:
        return run.outcome(
            OperationPhase.FAILED, "one or more synchronization tasks are not valid: " + ",".join(refusals)
        )
    if not started:
        failed = yield from _prepare(run, tasks)
        if failed is not None:
            return failed
    _update_running(run, tasks)
    waiting = [task for task in tasks if task.running and (task.is_hook or is_multi_step(tasks))]
    if waiting:
        return run.outcome(OperationPhase.RUNNING, waiting_message(waiting))
    leaving = [
        task for task in tasks if task.pruned and mapping(mapping(task.live).get("metadata")).get("deletionTimestamp")
    ]
    if leaving:
        return run.outcome(OperationPhase.RUNNING, waiting_message(leaving, deletion=True))
    held = [task for task in tasks if task.is_hook and task.completed and _has_finalizer(task.live)]
    if held:
        yield [ReleaseHook(task) for task in held]
    return (yield from _advance(run, tasks))


def _advance(run: _Run, tasks: list[Task]) -> Step:
    """Runs the next wave, or ends the operation."""
    ended_hooks = [task for task in tasks if task.is_hook and task.live is not None and not task.running]
    fail_hooks = [task for task in tasks if task.phase is Phase.SYNC_FAIL]
    tasks = [task for task in tasks if task.phase is not Phase.SYNC_FAIL]
    if any(task.completed and not task.successful for task in tasks):
        yield from _delete_hooks(ended_hooks, "HookFailed")
        broken = [task for task in tasks if task.status is ResultCode.SYNC_FAILED]
        message = "one or more synchronization tasks completed unsuccessfully"
        return (yield from _fail(run, fail_hooks, broken, message))
    pending = [task for task in tasks if task.pending]
    if run.context.settings.apply_out_of_sync_only:
        pending = [task for task in pending if task.is_hook or task.is_prune or task.ref in run.context.modified]
    if not pending:
        yield from _delete_hooks(ended_hooks, "HookSucceeded")
        return run.outcome(OperationPhase.SUCCEEDED, "successfully synced (no more tasks)")
    step = step_of(pending[0])
    current = [task for task in pending if step_of(task) == step]
    # Argo CD's rule: the last wave, when it has no hooks, is done as soon as it is applied, whatever its health.
    remaining = [task for task in pending if step_of(task) != step or task.is_hook]
    state = yield from _run_tasks(run, current, dry_run=False)
    if state is _State.FAILED:
        yield from _delete_hooks(ended_hooks, "HookFailed")
        broken = [task for task in current if task.status is ResultCode.SYNC_FAILED]
        return (yield from _fail(run, fail_hooks, broken, "one or more objects failed to apply"))
    if state is _State.PENDING:
        deleted = [task for task in current if task.to_delete_before_creation]
        return run.outcome(OperationPhase.RUNNING, waiting_message(deleted, deletion=True))
    if not remaining:
        yield from _delete_hooks(ended_hooks, "HookSucceeded")
        return run.outcome(OperationPhase.SUCCEEDED, "successfully synced (all tasks run)")
    return run.outcome(OperationPhase.RUNNING, waiting_message(remaining), waved=step != step_of(pending[-1]))


def waiting_message(tasks: Sequence[Task], *, deletion: bool = False) -> str:
    """What a running operation waits for, in Argo CD's words (`setRunningPhase`)."""
    first = tasks[0]
    reason = "completion of hook" if first.is_hook else "healthy state of"
    if deletion:
        reason = "deletion of hook" if first.is_hook else "deletion of"
    more = f" and {len(tasks) - 1} more {'hooks' if first.is_hook else 'resources'}" if len(tasks) > 1 else ""
    return f"waiting for {reason} {first}{more}"


# --- the tasks ------------------------------------------------------------------------------------------------


def _tasks(run: _Run) -> tuple[list[Task], list[str]]:
    context = run.context
    tasks = [
        Task(phase, ref, target, live)
        for ref, target, live in context.resources
        for phase in (phases(target) if target is not None else [Phase.SYNC])
    ]
    if not context.settings.skip_hooks:
        tasks += [_hook_task(context, ref, hook, phase) for ref, hook in context.hooks for phase in phases(hook)]
    if context.namespace_missing and context.settings.create_namespace:
        tasks += _namespace_task(context, tasks)
    refusals = []
    for task in tasks:
        if not task.is_prune and not context.served(task.obj):
            if defined_by(tasks, task.ref) or annotation_option(
                task.target, SYNC_OPTIONS, "SkipDryRunOnMissingResource=true"
            ):
                task.skip_dry_run = True
            else:
                message = not_served(task.ref)
                run.record(task, ResultCode.SYNC_FAILED, None, message)
                refusals.append(message)
    ordered = order_tasks(tasks, prune_last=context.settings.prune_last)
    for task in ordered:
        recorded = run.results.get(task.result_key)
        if recorded is not None:
            task.status, task.phase_state, task.message = recorded.status, recorded.hook_phase, recorded.message
        elif task.is_hook and _made_by_this_operation(context, task.live):
            run.record(task, ResultCode.SYNCED, OperationPhase.RUNNING, created(task.ref))
    return ordered, refusals


def not_served(ref: ObjectRef) -> str:
    """Argo CD's sentence for a kind that the API server does not know (`util/argo`, `AugmentSyncMsg`)."""
    return (
        f"The Kubernetes API could not find {ref.group}/{ref.kind} for requested resource {ref.namespace}/{ref.name}. "
        f'Make sure the "{ref.kind}" CRD is installed on the destination cluster.'
    )


def created(ref: ObjectRef) -> str:
    """kubectl's words for an object that was made."""
    kind = ref.kind.lower()
    return f"{kind}.{ref.group}/{ref.name} created" if ref.group else f"{kind}/{ref.name} created"


def _hook_task(context: SyncContext, ref: ObjectRef, hook: Obj, phase: Phase) -> Task:
    metadata = dict(mapping(hook.get("metadata")))
    if not ref.name:
        # Deterministic, so that a hook is found again after a crash (`sync_context.go`, `getSyncTasks`).
        short = context.revision[:7] if len(context.revision) >= 8 else context.revision
        name = f"{metadata.get('generateName', '')}{short}-{phase}-{int(context.started_at)}".lower()
        ref = ObjectRef(ref.group, ref.kind, ref.namespace, name)
        metadata["name"] = name
        metadata.pop("generateName", None)
    metadata["finalizers"] = [*strings(metadata.get("finalizers")), HOOK_FINALIZER]
    return Task(phase, ref, {**hook, "metadata": metadata}, context.live(ref))


def _namespace_task(context: SyncContext, tasks: Sequence[Task]) -> list[Task]:
    name = context.namespace
    if not name or any(task.ref.kind == "Namespace" and task.ref.name == name for task in tasks):
        return []
    metadata: dict[str, object] = {"name": name, **(context.settings.namespace_metadata or {})}
    target: Obj = {"apiVersion": "v1", "kind": "Namespace", "metadata": metadata}
    return [Task(Phase.PRE_SYNC, ObjectRef("", "Namespace", "", name), target, None)]


def _made_by_this_operation(context: SyncContext, live: Obj | None) -> bool:
    if context.adopt_since is None or live is None:
        return False
    stamp = mapping(live.get("metadata")).get("creationTimestamp")
    if not isinstance(stamp, str):
        return False
    made = datetime.fromisoformat(stamp.replace("Z", "+00:00")).astimezone(UTC).timestamp()
    return made >= int(context.adopt_since)


# --- running them ---------------------------------------------------------------------------------------------


class _State(Enum):
    SUCCESSFUL = "successful"
    PENDING = "pending"
    FAILED = "failed"


def _prepare(run: _Run, tasks: list[Task]) -> Generator[list[Effect], list[EffectResult], StepOutcome | None]:
    """The first step of an operation: make the namespace, then dry-run everything; an outcome only on failure."""
    namespaces = [task for task in tasks if task.ref.kind == "Namespace" and task.phase is Phase.PRE_SYNC]
    namespaces = [task for task in namespaces if task.ref.name == run.context.namespace and not task.is_hook]
    if namespaces and not run.context.settings.dry_run:
        state = yield from _run_tasks(run, namespaces, dry_run=False)
        if state is _State.FAILED:
            return (yield from _fail(run, [], namespaces, "the namespace failed to apply"))
    rest = [task for task in tasks if task not in namespaces or run.context.settings.dry_run]
    state = yield from _run_tasks(run, rest, dry_run=True)
    if state is _State.FAILED:
        return run.outcome(OperationPhase.FAILED, "one or more objects failed to apply (dry run)")
    return None


def _run_tasks(run: _Run, tasks: list[Task], *, dry_run: bool) -> Generator[list[Effect], list[EffectResult], _State]:
    dry = dry_run or run.context.settings.dry_run
    if (yield from _prune(run, [task for task in tasks if task.is_prune], dry, dry_run)) is _State.FAILED:
        return _State.FAILED
    creations = [task for task in tasks if not task.is_prune]
    if not dry:
        stale = [task for task in creations if task.to_delete_before_creation]
        if stale:
            return (yield from _delete_before_creation(run, stale))
    state = _State.SUCCESSFUL
    for _, group in groupby(creations, key=lambda task: task.ref.kind):
        members = [task for task in group if not (dry_run and task.skip_dry_run)]
        answers = yield [Apply(task, task.target or {}, dry) for task in members]
        for task, answer in zip(members, answers, strict=True):
            code = ResultCode.SYNCED if answer.ok else ResultCode.SYNC_FAILED
            if not answer.ok:
                state = _State.FAILED
            _keep(run, task, code, answer.message, dry_run)
    return state


def _keep(run: _Run, task: Task, code: ResultCode, message: str, preparing: bool) -> None:
    """Records a result; of the dry run that prepares an operation only failures are worth keeping."""
    if preparing and not run.context.settings.dry_run and code is not ResultCode.SYNC_FAILED:
        return
    phase = RESULT_PHASE[code]
    if run.context.settings.dry_run and phase is OperationPhase.RUNNING:
        phase = OperationPhase.SUCCEEDED
    run.record(task, code, phase, message)


def _prune(
    run: _Run, tasks: list[Task], dry: bool, preparing: bool
) -> Generator[list[Effect], list[EffectResult], _State]:
    wanted = []
    for task in tasks:
        if not run.context.settings.prune:
            _keep(run, task, ResultCode.PRUNE_SKIPPED, "ignored (requires pruning)", preparing)
        elif annotation_option(task.live, SYNC_OPTIONS, "Prune=false"):
            _keep(run, task, ResultCode.PRUNE_SKIPPED, "ignored (no prune)", preparing)
        elif dry:
            _keep(run, task, ResultCode.PRUNED, "pruned (dry run)", preparing)
        elif mapping(mapping(task.live).get("metadata")).get("deletionTimestamp"):
            _keep(run, task, ResultCode.PRUNED, "pruned", preparing)
        else:
            wanted.append(task)
    answers = (yield [Delete(task) for task in wanted]) if wanted else []
    for task, answer in zip(wanted, answers, strict=True):
        ok = answer.ok or answer.gone
        _keep(
            run,
            task,
            ResultCode.PRUNED if ok else ResultCode.SYNC_FAILED,
            "pruned" if ok else answer.message,
            preparing,
        )
    return _State.SUCCESSFUL if all(answer.ok or answer.gone for answer in answers) else _State.FAILED


def _delete_before_creation(run: _Run, stale: list[Task]) -> Generator[list[Effect], list[EffectResult], _State]:
    held = [task for task in stale if _has_finalizer(task.live)]
    if held:
        yield [ReleaseHook(task) for task in held]
    answers = yield [Delete(task) for task in stale]
    state = _State.PENDING
    for task, answer in zip(stale, answers, strict=True):
        if not answer.ok and not answer.gone:
            state = _State.FAILED
            run.record(task, None, OperationPhase.ERROR, f"failed to delete resource: {answer.message}")
    return state


def _delete_hooks(hooks: Sequence[Task], policy: str) -> Generator[list[Effect], list[EffectResult], None]:
    chosen = [task for task in hooks if task.has_delete_policy(policy)]
    if chosen:
        yield [Delete(task) for task in chosen]


def _fail(
    run: _Run, fail_hooks: list[Task], broken: list[Task], message: str
) -> Generator[list[Effect], list[EffectResult], StepOutcome]:
    """Ends the operation as failed, after the SyncFail hooks have run (`setOperationFailed`)."""
    reasons = ",".join(task.message for task in broken)
    if reasons:
        message = f"{message}, reason: {reasons}"
    if fail_hooks and not all(task.completed for task in fail_hooks):
        state = yield from _run_tasks(run, [task for task in fail_hooks if task.pending], dry_run=False)
        if state is not _State.FAILED:
            return run.outcome(OperationPhase.RUNNING, waiting_message(fail_hooks))
    return run.outcome(OperationPhase.FAILED, message)


def _terminate(run: _Run, tasks: list[Task]) -> Step:
    """Ends a terminating operation: running hooks are deleted (`Terminate`)."""
    running = [task for task in tasks if task.is_hook and task.running and task.live is not None]
    held = [task for task in running if _has_finalizer(task.live)]
    if held:
        yield [ReleaseHook(task) for task in held]
    answers = (yield [Delete(task) for task in running]) if running else []
    failed = False
    for task, answer in zip(running, answers, strict=True):
        ok = answer.ok or answer.gone
        failed = failed or not ok
        message = "Deleted" if ok else f"Failed to delete: {answer.message}"
        run.record(task, task.status, OperationPhase.FAILED if ok else OperationPhase.ERROR, message)
    if failed:
        return run.outcome(OperationPhase.ERROR, "Operation termination had errors")
    return run.outcome(OperationPhase.FAILED, "Operation terminated")


def _update_running(run: _Run, tasks: Sequence[Task]) -> None:
    """Judges what has been applied by its live state (`sync_context.go`, "update status of any tasks")."""
    known = {result.key for result in run.context.recorded}
    for task in tasks:
        if not task.running:
            continue
        if task.live is None:
            if task.result_key not in known:
                continue
            run.record(task, ResultCode.SYNC_FAILED, OperationPhase.FAILED, f"{task} was deleted during the sync")
            continue
        health = run.context.health(task.live)
        if task.is_hook:
            phase, message = hook_phase(health)
            run.record(task, task.status, phase, message)
        elif health is None:
            run.record(task, task.status, OperationPhase.SUCCEEDED, task.message)
        elif health.status is HealthStatus.HEALTHY:
            run.record(task, task.status, OperationPhase.SUCCEEDED, health.message)
        elif health.status is HealthStatus.DEGRADED:
            run.record(task, task.status, OperationPhase.FAILED, health.message)


def hook_phase(health: Health | None) -> tuple[OperationPhase, str]:
    """How far a hook is, by its health (`sync_context.go`, `getOperationPhase`)."""
    if health is None:
        return OperationPhase.SUCCEEDED, "created"
    if health.status in {HealthStatus.DEGRADED, HealthStatus.UNKNOWN}:
        return OperationPhase.FAILED, health.message
    if health.status in {HealthStatus.PROGRESSING, HealthStatus.SUSPENDED}:
        return OperationPhase.RUNNING, health.message
    return OperationPhase.SUCCEEDED, health.message


def _has_finalizer(live: Obj | None) -> bool:
    return HOOK_FINALIZER in strings(mapping(mapping(live).get("metadata")).get("finalizers"))
