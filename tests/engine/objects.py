"""Objects, applications and sync contexts in one line each, for the engine's tests."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from fleetui.engine.application import HOOK, HOOK_DELETE_POLICY, HOOK_FINALIZER, SYNC_OPTIONS, SYNC_WAVE, Application
from fleetui.engine.effects import Apply, Delete, Effect, EffectResult, Look, Recorded, ReleaseHook, Step, StepOutcome
from fleetui.engine.plan import SyncContext, SyncSettings
from fleetui.engine.tracking import BY_ANNOTATION, Tracking
from fleetui.model.objects import Obj, ObjectRef, ref_of
from fleetui.model.status import Health, HealthStatus
from fleetui.model.times import format_time

NAMESPACE = "shop"
STARTED = 1_800_000_000.0
REVISION = "0123456789abcdef0123456789abcdef01234567"
VERSIONS = {
    "Deployment": "apps/v1",
    "Job": "batch/v1",
    "CustomResourceDefinition": "apiextensions.k8s.io/v1",
    "ClusterRole": "rbac.authorization.k8s.io/v1",
    "Widget": "example.com/v1",
}
CLUSTER_SCOPED = {"Namespace", "CustomResourceDefinition", "ClusterRole"}


def obj(
    kind: str,
    name: str,
    *,
    wave: int | None = None,
    hook: str = "",
    policy: str = "",
    options: str = "",
    namespace: str | None = None,
    metadata: Mapping[str, Any] | None = None,
    **rest: Any,
) -> Obj:
    """A manifest; a name that ends in a dash becomes `generateName`."""
    annotations = {
        SYNC_WAVE: "" if wave is None else str(wave),
        HOOK: hook,
        HOOK_DELETE_POLICY: policy,
        SYNC_OPTIONS: options,
    }
    home = "" if kind in CLUSTER_SCOPED else NAMESPACE if namespace is None else namespace
    meta: Obj = {"generateName" if name.endswith("-") else "name": name}
    meta |= {"namespace": home} if home else {}
    meta |= {"annotations": kept} if (kept := {key: value for key, value in annotations.items() if value}) else {}
    return {"apiVersion": VERSIONS.get(kind, "v1"), "kind": kind, "metadata": {**meta, **(metadata or {})}, **rest}


def live(
    target: Obj,
    health: HealthStatus | None = None,
    *,
    message: str = "",
    held: bool = False,
    leaving: bool = False,
    created: float = STARTED - 3600,
) -> Obj:
    """The live object of a target: `held` by the hook finalizer, `leaving` with a deletionTimestamp.

    Its health is written into it, where `judge` finds it.
    """
    meta: Obj = {"uid": f"uid-{ref_of(target).name}", "resourceVersion": "1", "creationTimestamp": format_time(created)}
    meta |= {"finalizers": [HOOK_FINALIZER]} if held else {}
    meta |= {"deletionTimestamp": format_time(STARTED)} if leaving else {}
    state = {"health": [health.value, message]} if health is not None else {}
    return {**target, "metadata": {**target["metadata"], **meta}, **state}


def judge(found: Obj) -> Health | None:
    state = found.get("health")
    return None if state is None else Health(HealthStatus(state[0]), state[1])


def context(
    *resources: tuple[Obj | None, Obj | None],
    hooks: Iterable[Obj] = (),
    cluster: Iterable[Obj] = (),
    recorded: Iterable[Recorded] = (),
    modified: Iterable[Obj] = (),
    unserved: Mapping[str, tuple[str, str]] | None = None,
    terminating: bool = False,
    revision: str = REVISION,
    namespace: str = NAMESPACE,
    tracking: Tracking = BY_ANNOTATION,
    **settings: Any,
) -> SyncContext:
    """A context of (target, live) pairs; in `cluster` the live objects of hooks and the namespace are sought."""
    found = {ref_of(each): each for each in cluster}
    if namespace and "create_namespace" not in settings:
        found.setdefault(ObjectRef("", "Namespace", "", namespace), obj("Namespace", namespace))
    return SyncContext(
        revision=revision,
        started_at=STARTED,
        namespace=namespace,
        settings=SyncSettings(**settings),
        resources=[(ref_of(target or there or {}), target, there) for target, there in resources],
        hooks=[(ref_of(hook), hook) for hook in hooks],
        live=found.get,
        health=judge,
        modified=frozenset(ref_of(each) for each in modified),
        unserved=lambda each: (unserved or {}).get(str(each.get("kind"))),
        recorded=tuple(recorded),
        tracking=tracking,
        terminating=terminating,
    )


class Driver:
    """Drives a step by hand, and keeps what it asked for in words such as ``apply ConfigMap/a`` and ``dry Job/b``.

    Args:
        answers: for such a word the answer; everything else goes well.
    """

    def __init__(self, answers: Mapping[str, EffectResult] | None = None) -> None:
        self._answers = answers or {}
        self.asked: list[list[str]] = []
        self.applied: dict[str, Obj] = {}

    def run(self, step: Step) -> StepOutcome:
        answers: list[EffectResult] | None = None
        while True:
            try:
                batch = next(step) if answers is None else step.send(answers)
            except StopIteration as stop:
                outcome: StepOutcome = stop.value
                return outcome
            words = [word(effect) for effect in batch]
            assert words, "an empty batch is a wasted turn"
            self.asked.append(words)
            self.applied |= {name(effect): effect.obj for effect in batch if isinstance(effect, Apply)}
            answers = [self._answers.get(each, EffectResult(True, f"{each} done")) for each in words]

    @property
    def changes(self) -> list[list[str]]:
        """What was asked for, without the dry run and the looks."""
        kept = [[each for each in batch if not each.startswith(("dry ", "look "))] for batch in self.asked]
        return [batch for batch in kept if batch]


def name(effect: Effect) -> str:
    return f"{effect.task.ref.kind}/{effect.task.ref.name}"


def word(effect: Effect) -> str:
    verbs = {Delete: "delete", ReleaseHook: "release", Look: "look"}
    verb = ("dry" if effect.dry_run else "apply") if isinstance(effect, Apply) else verbs[type(effect)]
    return f"{verb} {name(effect)}"


def application(
    *, spec: Mapping[str, Any] | None = None, status: Mapping[str, Any] | None = None, **rest: Any
) -> Application:
    """An Application `argocd/shop` with a directory source and the hub as its destination."""
    source = {"repoURL": "https://git.example/shop.git", "path": "shop", "targetRevision": "main"}
    whole: Obj = {
        "project": "default",
        "source": source,
        "destination": {"server": "https://kubernetes.default.svc", "namespace": NAMESPACE},
        **(spec or {}),
    }
    metadata = {
        "name": "shop",
        "namespace": "argocd",
        "uid": "app-uid",
        "resourceVersion": "1",
        **rest.pop("metadata", {}),
    }
    found: Obj = {
        "apiVersion": "argoproj.io/v1alpha1",
        "kind": "Application",
        "metadata": metadata,
        "spec": whole,
        **rest,
    }
    if status is not None:
        found["status"] = dict(status)
    return Application(found)
