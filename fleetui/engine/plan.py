"""The tasks of a sync step: every object at its phase, in order, with what earlier steps recorded of it.

Owns: `SyncSettings`, `SyncContext`, `Run` and `tasks_of` (gitops-engine `pkg/sync/sync_context.go`, `getSyncTasks`,
`autoCreateNamespace`; Argo CD v3.6). Pure. Called by `fleetui.engine.sync`.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field

from fleetui.engine.application import (
    FIELD_MANAGER,
    HOOK_FINALIZER,
    SYNC_OPTIONS,
    annotation_option,
    mapping,
    strings,
    text,
)
from fleetui.engine.effects import Recorded, StepOutcome
from fleetui.engine.hooks import Phase, phases
from fleetui.engine.tasks import ResultCode, Task, defined_by, order_tasks, step_of
from fleetui.engine.tracking import owner_of
from fleetui.model.objects import Obj, ObjectRef
from fleetui.model.status import Health, OperationPhase
from fleetui.model.times import parse_time


@dataclass(frozen=True)
class SyncSettings:
    """What the operation and the application ask for.

    `namespace_metadata` is `managedNamespaceMetadata`, None where the application has none. `default_prune` is the
    value of a ``Prune=`` sync option (``false``, ``confirm``), which an object's own annotation overrules;
    `prune_confirmed` says that a human approved since the operation began.
    """

    prune: bool = False
    dry_run: bool = False
    skip_hooks: bool = False
    create_namespace: bool = False
    namespace_metadata: Mapping[str, object] | None = None
    prune_last: bool = False
    apply_out_of_sync_only: bool = False
    skip_dry_run_on_missing: bool = False
    default_prune: str = ""
    prune_confirmed: bool = False


@dataclass(frozen=True)
class SyncContext:
    """All that one step looks at.

    Args:
        resources: (ref, target, live) of every object in the sync, hooks left out.
        hooks: the desired hooks; a hook without a name has `generateName`.
        live: finds a live object by reference (for hooks and the namespace).
        health: judges a live object; None where its kind has no health.
        modified: objects that differ from Git.
        unserved: why the API server does not serve the kind of an object, in the words of Argo CD's discovery and in
            those of its results (`served.unserved`); None where it does.
        objection: why the project does not permit an object, in Argo CD's words; empty where it does.
        recorded: results of the operation's earlier steps, in order.
        synced_before: whether the application's history has a sync already, whose namespace it then was.
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
    unserved: Callable[[Obj], tuple[str, str] | None] = lambda _: None
    objection: Callable[[Obj], str] = lambda _: ""
    recorded: Sequence[Recorded] = ()
    synced_before: bool = False
    terminating: bool = False


@dataclass
class Run:
    """The mutable part of one step: the results so far, in the order in which they came."""

    context: SyncContext
    results: dict[tuple[ObjectRef, str], Recorded] = field(default_factory=dict)

    def record(self, task: Task, status: ResultCode | None, phase: OperationPhase | None, message: str) -> None:
        """Notes what became of a task; an empty message leaves the last one (`setResourceResult`)."""
        task.status, task.phase_state = status, phase
        task.message = message or task.message
        before = self.results.get(task.result_key)
        self.results[task.result_key] = Recorded(
            ref=task.recorded_ref,
            version=before.version if before is not None else task.version,
            status=status,
            message=task.message,
            sync_phase=task.phase.value,
            hook_phase=phase,
            hook_type=task.phase.value if task.is_hook else "",
            images=before.images if before is not None else images_of(task.obj),
        )

    def outcome(self, phase: OperationPhase, message: str, *, waved: bool = False) -> StepOutcome:
        return StepOutcome(phase, message, tuple(self.results.values()), waved)


def images_of(obj: Mapping[str, object]) -> tuple[str, ...]:
    """The images of a workload's containers, as written (`utils/kube`, `GetResourceImages`)."""
    spec = mapping(obj.get("spec"))
    template = mapping(mapping(spec.get("template")).get("spec"))
    job = mapping(mapping(mapping(mapping(spec.get("jobTemplate")).get("spec")).get("template")).get("spec"))
    for pod in (spec, template, job):
        containers = pod.get("containers")
        if isinstance(containers, list):
            return tuple(image for each in containers if (image := text(mapping(each).get("image"))))
    return ()


def tasks_of(run: Run) -> tuple[list[Task], list[str]]:
    """The tasks in the order in which they run, and why some can't run, in Argo CD's words, sorted."""
    context = run.context
    tasks = [
        Task(phase, ref, target, live, context.namespace if target is not None else "")
        for ref, target, live in context.resources
        for phase in (phases(target) if target is not None else [Phase.SYNC])
    ]
    if not context.settings.skip_hooks:
        tasks += [_hook_task(context, ref, hook, phase) for ref, hook in context.hooks for phase in phases(hook)]
    if context.settings.create_namespace:
        tasks += _namespace_task(run, tasks)
    refusals = {reason for task in tasks if (reason := _refusal(run, task, tasks))}
    ordered = order_tasks(tasks, prune_last=context.settings.prune_last)
    reached = [task for task in ordered if task.result_key in run.results]
    for task in ordered:
        recorded = run.results.get(task.result_key)
        if recorded is not None:
            task.status, task.phase_state, task.message = recorded.status, recorded.hook_phase, recorded.message
        elif task.is_hook and _made_before(context, task.live) and not _held_for(task, reached):
            run.record(task, ResultCode.SYNCED, OperationPhase.RUNNING, created(task.ref))
            reached.append(task)
    return ordered, sorted(refusals)


def _held_for(task: Task, reached: Sequence[Task]) -> bool:
    """Whether the live hook of a task may be that of an earlier phase, which was not let go of yet: what comes after
    that phase begins only when it was."""
    others = [other for other in reached if other.recorded_ref == task.recorded_ref]
    steps = [step_of(other) for other in reached if other.recorded_ref != task.recorded_ref]
    return any(other.running or max(steps, default=step_of(other)) <= step_of(other) for other in others)


def created(ref: ObjectRef) -> str:
    """kubectl's words for an object that was made."""
    kind = ref.kind.lower()
    return f"{kind}.{ref.group}/{ref.name} created" if ref.group else f"{kind}/{ref.name} created"


def holds_hook_finalizer(live: Obj | None) -> bool:
    return HOOK_FINALIZER in strings(mapping(mapping(live).get("metadata")).get("finalizers"))


def _refusal(run: Run, task: Task, tasks: Sequence[Task]) -> str:
    reasons = None if task.is_prune else run.context.unserved(task.obj)
    if reasons is None:
        objection = "" if task.is_prune else run.context.objection(task.obj)
        if objection:
            run.record(task, ResultCode.SYNC_FAILED, None, objection)
        return objection
    if (
        run.context.settings.skip_dry_run_on_missing
        or annotation_option(task.target, SYNC_OPTIONS, "SkipDryRunOnMissingResource=true")
        or defined_by(tasks, task.ref)
    ):
        task.skip_dry_run = True
        return ""
    raw, shown = reasons
    run.record(task, ResultCode.SYNC_FAILED, None, shown)
    return raw


def _hook_task(context: SyncContext, ref: ObjectRef, hook: Obj, phase: Phase) -> Task:
    metadata = dict(mapping(hook.get("metadata")))
    if not ref.name:
        # Deterministic, so that a hook is found again after a crash (`getSyncTasks`).
        short = context.revision[:7] if len(context.revision) >= 8 else context.revision
        name = text(metadata.get("generateName")) + f"{short}-{phase}-{int(context.started_at)}".lower()
        ref = ObjectRef(ref.group, ref.kind, ref.namespace, name)
        metadata["name"] = name
    finalizers = strings(metadata.get("finalizers"))
    if HOOK_FINALIZER not in finalizers:
        metadata["finalizers"] = [*finalizers, HOOK_FINALIZER]
    live = context.live(ref)
    if live is not None and owner_of(live) != owner_of(hook):
        # Somebody else's object of that name is not an earlier run of this hook, to be deleted before the next one.
        live = None
    return Task(phase, ref, {**hook, "metadata": metadata}, live, context.namespace)


def _namespace_task(run: Run, tasks: Sequence[Task]) -> list[Task]:
    """The task that makes the application's namespace, or keeps its labels (`sync_namespace.go`, `syncNamespace`)."""
    context = run.context
    ref = ObjectRef("", "Namespace", "", context.namespace)
    if not ref.name or any(task.target is not None and task.ref == ref and not task.is_hook for task in tasks):
        return []
    live, managed = context.live(ref), context.settings.namespace_metadata
    metadata: Obj = {"name": ref.name}
    if live is not None and managed is None:
        fresh = not run.results and not context.synced_before and _is_younger(context, live)
        if fresh and _untouched_by_others(live):
            # A step that died made it: the results say so, though there is nothing left to do.
            target: Obj = {"apiVersion": "v1", "kind": "Namespace", "metadata": metadata}
            made = Task(Phase.PRE_SYNC, ref, target, live)
            run.record(made, ResultCode.SYNCED, OperationPhase.RUNNING, created(ref))
        return []
    if managed is not None:
        labels = mapping(managed.get("labels"))
        metadata |= {"labels": dict(labels)} if labels else {}
        # Server-side apply leaves alone the labels that others set (`appendSSAAnnotation`).
        metadata["annotations"] = {**mapping(managed.get("annotations")), SYNC_OPTIONS: "ServerSideApply=true"}
    return [Task(Phase.PRE_SYNC, ref, {"apiVersion": "v1", "kind": "Namespace", "metadata": metadata}, live)]


def _made_before(context: SyncContext, live: Obj | None) -> bool:
    """Whether a hook without a result was made by this very operation, whose step then died before it was recorded.

    It is younger than the operation and still held by our finalizer: a hook of an earlier attempt has lost it. Without
    this a `kill -9` at that moment would run the hook twice.
    """
    return _is_younger(context, live) and holds_hook_finalizer(live)


def _is_younger(context: SyncContext, live: Obj | None) -> bool:
    """Whether an object was made after the operation began; its time has whole seconds."""
    made = parse_time(text(mapping(mapping(live).get("metadata")).get("creationTimestamp")))
    return made is not None and made >= int(context.started_at)


def _untouched_by_others(live: Obj) -> bool:
    """Whether nobody else has written an object; an apply of its name alone leaves no mark of ours either."""
    entries = mapping(live.get("metadata")).get("managedFields")
    entries = entries if isinstance(entries, list) else []
    return all(mapping(entry).get("manager") == FIELD_MANAGER for entry in entries)
