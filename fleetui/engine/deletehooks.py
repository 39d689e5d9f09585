"""The hooks of an Application that is being deleted: run before or after its objects go, and cleaned up at the end.

Owns: `kept_finalizers` (which finalizers an Application wants for the hooks that it has), `run_hooks` and
`clean_up_hooks` (argo-cd `controller/hook.go`, `executeHooks`, `cleanupHooks`; v3.6.1). Called by
`fleetui.engine.reconcile` and `fleetui.engine.finalize`. As in Argo CD these hooks know no waves: all of one phase are
created at once, as they are in Git and without the hook finalizer, and each is judged by its health.
"""

from __future__ import annotations

from collections.abc import Sequence

from fleetui.engine.application import FIELD_MANAGER, POST_DELETE_FINALIZER, PRE_DELETE_FINALIZER, mapping, text
from fleetui.engine.desired import Target
from fleetui.engine.destination import Destination
from fleetui.engine.hooks import DeletePhase, delete_policies, is_delete_hook
from fleetui.engine.projects import Permits
from fleetui.health import Judge
from fleetui.model.errors import AlreadyExistsError, ClusterError, NotFoundError
from fleetui.model.objects import Obj, ObjectRef, ref_of
from fleetui.model.status import HealthStatus
from fleetui.ports import Propagation

CLEANUP = "/cleanup"
_FINALIZERS = {DeletePhase.PRE_DELETE: PRE_DELETE_FINALIZER, DeletePhase.POST_DELETE: POST_DELETE_FINALIZER}
_FROM_BEST = (
    HealthStatus.HEALTHY,
    HealthStatus.SUSPENDED,
    HealthStatus.PROGRESSING,
    HealthStatus.MISSING,
    HealthStatus.DEGRADED,
    HealthStatus.UNKNOWN,
)


class HookFailedError(Exception):
    """A hook of the deletion failed, and has been deleted, so that it is run again; or it may not be run at all. The
    message is Argo CD's."""


def kept_finalizers(finalizers: tuple[str, ...], hooks: Sequence[Target]) -> tuple[str, ...]:
    """The finalizers of an Application with these hooks in Git: a pair for each phase in which it has some."""
    for phase, finalizer in _FINALIZERS.items():
        pair = (finalizer, finalizer + CLEANUP)
        if any(is_delete_hook(hook.obj, phase) for hook in hooks):
            finalizers += tuple(name for name in pair if name not in finalizers)
        else:
            finalizers = tuple(name for name in finalizers if name not in pair)
    return finalizers


async def run_hooks(
    phase: DeletePhase,
    destination: Destination,
    hooks: Sequence[Target],
    live: Sequence[Obj],
    *,
    permits: Permits | None,
    run: str,
    judge: Judge,
) -> bool:
    """Takes the hooks of a phase one step further; returns whether all have ended.

    Args:
        phase: before or after the objects go.
        destination: the cluster.
        hooks: all hooks in Git.
        live: the Application's objects, hooks among them.
        permits: what the project permits; hooks are created with the engine's rights, not with those of their author.
        run: what is appended to a `generateName`, the same at every step of one deletion (Argo CD would create such a
            hook again at each).
        judge: the health of a live object.

    Raises:
        HookFailedError: some have failed, or are not permitted; then none was created.
        ClusterError: one can't be created or deleted.
    """
    running = {ref_of(obj): obj for obj in live if is_delete_hook(obj, phase)}
    wanted = [_named(hook, f"{run}-{phase}".lower()) for hook in hooks if is_delete_hook(hook.obj, phase)]
    missing = [hook for ref, hook in wanted if ref not in running]
    if permits is not None:
        _check(phase, missing, permits, destination)
    # Another look follows in any case: what was created is not healthy yet.
    if [hook for hook in missing if await _create(destination, hook)]:
        return False
    found = [(obj, health.status) for obj in running.values() if (health := judge(obj)) is not None]
    failed = [obj for obj, status in found if status is HealthStatus.DEGRADED]
    for obj in failed:
        await delete(destination, obj)
    if failed:
        names = ", ".join(f"{ref.namespace}/{ref.name}" for ref in map(ref_of, failed))
        raise HookFailedError(f"{phase} hook(s) failed: {names}")
    return all(status is not HealthStatus.PROGRESSING for _, status in found)


async def clean_up_hooks(phase: DeletePhase, destination: Destination, live: Sequence[Obj], *, judge: Judge) -> bool:
    """Deletes the hooks of a phase whose delete policies say so; returns whether all of these are gone.

    The worst health among them is the outcome that ``HookSucceeded`` and ``HookFailed`` speak of.

    Raises:
        ClusterError: one can't be deleted.
    """
    hooks = [obj for obj in live if is_delete_hook(obj, phase)]
    states = [health.status for obj in hooks if (health := judge(obj)) is not None]
    worst = max(states, key=_FROM_BEST.index, default=HealthStatus.HEALTHY)
    policy = {HealthStatus.HEALTHY: "HookSucceeded", HealthStatus.DEGRADED: "HookFailed"}.get(worst)
    going = [obj for obj in hooks if policy in delete_policies(obj)]
    for obj in going:
        await delete(destination, obj)
    return not going


async def delete(destination: Destination, obj: Obj, *, propagation: Propagation = "Foreground") -> None:
    """Deletes an object that is not being deleted already; one that is gone is as good.

    Raises:
        ClusterError: it can't be deleted.
    """
    metadata, ref = mapping(obj.get("metadata")), ref_of(obj)
    resource = await destination.resource(obj)
    if resource is None or metadata.get("deletionTimestamp"):
        return
    uid = text(metadata.get("uid"))
    try:
        await destination.api.delete(resource, ref.name, ref.namespace, propagation=propagation, uid=uid)
    except NotFoundError:
        destination.overlay.deleted(ref, uid)


def _named(hook: Target, suffix: str) -> tuple[ObjectRef, Target]:
    if hook.ref.name:
        return hook.ref, hook
    metadata = mapping(hook.obj.get("metadata"))
    name = text(metadata.get("generateName")) + suffix
    ref = ObjectRef(hook.ref.group, hook.ref.kind, hook.ref.namespace, name)
    return ref, Target(ref, {**hook.obj, "metadata": {**metadata, "name": name}}, namespaced=hook.namespaced)


def _check(phase: DeletePhase, hooks: Sequence[Target], permits: Permits, destination: Destination) -> None:
    if hooks and permits.project.unserved:
        raise HookFailedError(permits.project.unserved)
    for hook in hooks:
        is_served = destination.discovery.of(hook.obj) is not None
        if is_served and (objection := permits.objection(hook.obj, destination.discovery)):
            key = f"{hook.ref.group}/{hook.ref.kind}/{hook.ref.namespace}/{hook.ref.name}"
            raise HookFailedError(f"{phase} hook {key} is not permitted: {objection}")


async def _create(destination: Destination, hook: Target) -> bool:
    """Creates a hook; returns whether there is one to wait for, which the watch will show.

    An object of that name that is not the Application's is none (Argo CD takes any for a hook that has ended, and so at
    times its own).
    """
    resource = await destination.resource(hook.obj)
    if resource is None:
        raise ClusterError(f"{hook.ref}: the API server does not serve this kind")
    try:
        await destination.api.create(resource, hook.obj, field_manager=FIELD_MANAGER)
    except AlreadyExistsError:
        found = await destination.api.get(resource, hook.ref.name, hook.ref.namespace)
        return destination.tracking.owner_of(found) == destination.tracking.owner_of(hook.obj)
    return True
