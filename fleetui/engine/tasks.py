"""Sync tasks and the order in which they run.

Owns: `Task`, `order_tasks` and the helpers that read a list of tasks (gitops-engine `pkg/sync/sync_task.go`,
`sync_tasks.go`, and the wave rules of `sync_context.go`, `getSyncTasks`). Pure.
"""

from __future__ import annotations

from collections.abc import Callable, Hashable, Sequence
from dataclasses import dataclass
from enum import StrEnum

from fleetui.engine.application import SYNC_OPTIONS, annotation_option, mapping
from fleetui.engine.hooks import PHASE_ORDER, Phase, delete_policies, wave
from fleetui.health.hooks import is_hook
from fleetui.model.objects import Obj, ObjectRef, split_api_version
from fleetui.model.status import OperationPhase


class ResultCode(StrEnum):
    """What became of one object (`ResultCode` of gitops-engine `pkg/sync/common`)."""

    SYNCED = "Synced"
    SYNC_FAILED = "SyncFailed"
    PRUNED = "Pruned"
    PRUNE_SKIPPED = "PruneSkipped"


RESULT_PHASE = {
    ResultCode.SYNCED: OperationPhase.RUNNING,
    ResultCode.SYNC_FAILED: OperationPhase.FAILED,
    ResultCode.PRUNED: OperationPhase.SUCCEEDED,
    ResultCode.PRUNE_SKIPPED: OperationPhase.SUCCEEDED,
}

_FIRST_KINDS = """
    Namespace NetworkPolicy ResourceQuota LimitRange PodSecurityPolicy PodDisruptionBudget ServiceAccount Secret
    SecretList ConfigMap StorageClass PersistentVolume PersistentVolumeClaim CustomResourceDefinition ClusterRole
    ClusterRoleList ClusterRoleBinding ClusterRoleBindingList Role RoleList RoleBinding RoleBindingList Service
    DaemonSet Pod ReplicationController ReplicaSet Deployment HorizontalPodAutoscaler StatefulSet Job CronJob
    IngressClass Ingress APIService
""".split()
KIND_ORDER = {kind: rank - len(_FIRST_KINDS) for rank, kind in enumerate(_FIRST_KINDS)}
"""Kinds that come first, in this order; all others have rank 0 (`sync_tasks.go`, `kindOrder`)."""


@dataclass(eq=False)
class Task:
    """One object at one phase: to be applied (`target`), pruned (no `target`), or a hook to be run.

    `namespace` is the one that the results name: Argo CD fills in the application's own for everything it applies,
    cluster-scoped objects too (`getSyncTasks`, "enrich target objects with the namespace"). `status`, `phase_state` and
    `message` are what earlier steps of the same operation recorded.
    """

    phase: Phase
    ref: ObjectRef
    target: Obj | None
    live: Obj | None
    namespace: str = ""
    wave_override: int | None = None
    skip_dry_run: bool = False
    status: ResultCode | None = None
    phase_state: OperationPhase | None = None
    message: str = ""

    @property
    def obj(self) -> Obj:
        return self.target if self.target is not None else self.live or {}

    @property
    def wave(self) -> int:
        return wave(self.obj) if self.wave_override is None else self.wave_override

    @property
    def is_prune(self) -> bool:
        return self.target is None

    @property
    def is_hook(self) -> bool:
        return is_hook(self.obj)

    @property
    def pending(self) -> bool:
        return self.phase_state is None

    @property
    def running(self) -> bool:
        return self.phase_state is OperationPhase.RUNNING

    @property
    def completed(self) -> bool:
        return self.phase_state is not None and self.phase_state.completed

    @property
    def successful(self) -> bool:
        return self.phase_state is OperationPhase.SUCCEEDED

    @property
    def pruned(self) -> bool:
        return self.status is ResultCode.PRUNED

    @property
    def version(self) -> str:
        return split_api_version(str(self.obj.get("apiVersion", "")))[1]

    @property
    def recorded_ref(self) -> ObjectRef:
        """The reference under which the results name the object."""
        return ObjectRef(self.ref.group, self.ref.kind, self.ref.namespace or self.namespace, self.ref.name)

    @property
    def result_key(self) -> tuple[ObjectRef, str]:
        return self.recorded_ref, self.phase.value

    def has_delete_policy(self, policy: str) -> bool:
        return self.is_hook and policy in delete_policies(self.obj)

    @property
    def to_delete_before_creation(self) -> bool:
        return self.live is not None and self.pending and self.has_delete_policy("BeforeHookCreation")

    def __str__(self) -> str:
        return f"{self.ref.group}/{self.ref.kind}/{self.ref.name}"


def sort_key(task: Task) -> tuple[int, int, int, str, str]:
    """Phase, wave, kind, name (`sync_tasks.go`, `Less`)."""
    return (
        PHASE_ORDER[task.phase],
        task.wave,
        KIND_ORDER.get(task.ref.kind, 0),
        task.ref.name,
        f"{task.ref.group}/{task.ref.kind}/{task.ref.namespace}",
    )


def order_tasks(tasks: Sequence[Task], *, prune_last: bool) -> list[Task]:
    """The tasks in the order in which they run.

    Prune waves are swapped symmetrically, so that what was made last goes first; PruneLast moves a prune behind every
    other wave; a Namespace or a definition moves before the first task that needs it.
    """
    _swap_prune_waves([task for task in tasks if task.is_prune])
    last = max((task.wave for task in tasks if task.phase is Phase.SYNC), default=0)
    for task in tasks:
        if task.is_prune and (prune_last or annotation_option(task.live, SYNC_OPTIONS, "PruneLast=true")):
            task.wave_override = max(last, 0) + 1
    ordered = sorted(tasks, key=sort_key)
    _bubble_up(ordered, provided=_namespace_made, needed=_namespace_needed)
    _bubble_up(ordered, provided=_kind_defined, needed=lambda task: task.ref.group_kind)
    return ordered


def _swap_prune_waves(prunes: Sequence[Task]) -> None:
    by_wave: dict[int, list[Task]] = {}
    for task in prunes:
        by_wave.setdefault(task.wave, []).append(task)
    waves = sorted(by_wave)
    for first, last in zip(waves[: len(waves) // 2], reversed(waves), strict=False):
        for task in by_wave[first]:
            task.wave_override = last
        for task in by_wave[last]:
            task.wave_override = first


def _namespace_made(task: Task) -> str | None:
    return task.ref.name if task.ref.group_kind == ("", "Namespace") else None


def _namespace_needed(task: Task) -> str | None:
    return task.recorded_ref.namespace or None


def _kind_defined(task: Task) -> tuple[str, str] | None:
    """Group and kind that a definition defines."""
    if task.ref.kind != "CustomResourceDefinition" or task.target is None:
        return None
    spec = mapping(task.target.get("spec"))
    group, kind = spec.get("group"), mapping(spec.get("names")).get("kind")
    return (group, kind) if isinstance(group, str) and isinstance(kind, str) else None


def _bubble_up(
    tasks: list[Task], *, provided: Callable[[Task], Hashable | None], needed: Callable[[Task], Hashable | None]
) -> None:
    """Moves each task that provides something before the first one that needs it, into that one's phase and wave.

    In place; prunes neither provide nor need (`sync_tasks.go`, `adjustDeps`).
    """
    first: dict[Hashable, Task] = {}
    moved: dict[int, list[Task]] = {}
    stay = []
    for task in tasks:
        key = None if task.is_prune else provided(task)
        if key is not None and key in first:
            user = first[key]
            task.phase, task.wave_override = user.phase, user.wave
            moved.setdefault(id(user), []).append(task)
            continue
        stay.append(task)
        if key is None and not task.is_prune and (need := needed(task)) is not None:
            first.setdefault(need, task)
    tasks[:] = [each for task in stay for each in (*moved.get(id(task), ()), task)]


def defined_by(tasks: Sequence[Task], ref: ObjectRef) -> bool:
    """Whether one of the tasks applies the definition of `ref`'s kind."""
    return any(_kind_defined(task) == ref.group_kind for task in tasks)


def step_of(task: Task) -> tuple[int, int]:
    """Phase and wave as one ordered value."""
    return PHASE_ORDER[task.phase], task.wave


def is_multi_step(tasks: Sequence[Task]) -> bool:
    """Whether the tasks span more than one phase or wave."""
    return len({step_of(task) for task in tasks}) > 1
