"""Deleting what an Application that is being deleted has made.

Owns: `finalize` (`controller/appcontroller.go`, `finalizeApplicationDeletion`; `sort_delete.go`; Argo CD v3.6.1), one
stage after the other, each remembered by its finalizer: PreDelete hooks, the objects (highest wave first, one wave at a
time, each gone before the next), PostDelete hooks, and what is left of either kind of hook.
"""

from __future__ import annotations

import contextlib
from collections.abc import Mapping, Sequence
from typing import Any

from fleetui.engine.application import (
    DELETION_APPROVED,
    FIELD_MANAGER,
    FINALIZER,
    GROUP,
    HOOK_FINALIZER,
    KIND,
    POST_DELETE_FINALIZER,
    PRE_DELETE_FINALIZER,
    Application,
    annotation_option,
    is_leaving,
    mapping,
    object_option,
    strings,
    text,
)
from fleetui.engine.deletehooks import CLEANUP, HookFailedError, clean_up_hooks, delete, run_hooks
from fleetui.engine.desired import Target
from fleetui.engine.destination import Destination
from fleetui.engine.hooks import DeletePhase, wave
from fleetui.engine.observe import TARGET_STATE
from fleetui.engine.plan import holds_hook_finalizer
from fleetui.engine.projects import Permits
from fleetui.health import Judge
from fleetui.model.errors import ClusterError, NotFoundError, StatusError
from fleetui.model.objects import Obj, ObjectRef, ref_of
from fleetui.model.times import parse_time
from fleetui.ports import PatchType, Propagation

_CASCADING = (FINALIZER, FINALIZER + "/background", FINALIZER + "/foreground")
_HOOKS = {PRE_DELETE_FINALIZER: DeletePhase.PRE_DELETE, POST_DELETE_FINALIZER: DeletePhase.POST_DELETE}
_OURS = (FINALIZER, PRE_DELETE_FINALIZER, POST_DELETE_FINALIZER)
_STAGES = (
    (PRE_DELETE_FINALIZER, "error executing pre-delete hooks: "),
    (FINALIZER, ""),
    (POST_DELETE_FINALIZER, ""),
    (PRE_DELETE_FINALIZER + CLEANUP, "error cleaning up pre-delete hooks: "),
    (POST_DELETE_FINALIZER + CLEANUP, ""),
)
"""The finalizer of each stage in order, and how Argo CD begins to tell of its failure."""


class DeletionFailedError(Exception):
    """A stage of a deletion failed; the message is that of the DeletionError. The cause is a ClusterError where an API
    server did not do as it was asked."""


def stage_of(app: Application) -> str:
    """The finalizer of the stage in which the deletion is; empty where nothing is left to do."""
    ours = {FINALIZER if name in _CASCADING else name for name in app.finalizers}
    return next((finalizer for finalizer, _ in _STAGES if finalizer in ours), "")


def unreadable_hooks(app: Application, error: str) -> DeletionFailedError:
    """The failure of a stage whose hooks can't be read, for the comparison's reason."""
    return DeletionFailedError(dict(_STAGES)[stage_of(app)] + error.removeprefix(TARGET_STATE))


def needs_hooks(app: Application) -> bool:
    """Whether the stage of the deletion runs hooks, which have to be read from Git."""
    return stage_of(app) in _HOOKS


async def finalize(
    app: Application,
    destination: Destination | None,
    instance: str,
    permits: Permits | None = None,
    *,
    hooks: Sequence[Target] = (),
    judge: Judge,
) -> tuple[str, ...] | None:
    """Takes the deletion one step further.

    Args:
        app: the Application.
        destination: where its objects are; None where it is not known any more: its finalizers are dropped then, as
            Argo CD does.
        instance: the Application's name within tracking ids.
        permits: what its project permits, where the rest is left alone; without it everything goes.
        hooks: the hooks in Git, where `needs_hooks`.
        judge: the health of a live object.

    Returns the finalizers that the Application should have now, or None while the stage goes on.

    Raises:
        DeletionFailedError: a hook failed, or the cluster could not be asked.
    """
    stage = stage_of(app)
    if destination is None:
        return tuple(name for name in app.finalizers if not name.startswith(_OURS))
    if not stage:
        return app.finalizers
    try:
        kinds = _kinds(app) | {hook.ref.group_kind for hook in hooks}
        await destination.know(kinds)
        await destination.watch(kinds)
        live = [obj for obj in destination.tracked(instance) if permits is None or permits.live(ref_of(obj))]
        done = await _advance(app, stage, destination, live, hooks, permits, judge)
    except (ClusterError, HookFailedError) as error:
        # Argo CD tells an API server's own words.
        message = error.message if isinstance(error, StatusError) else str(error)
        raise DeletionFailedError(dict(_STAGES)[stage] + message) from error
    if not done:
        return None
    over = _CASCADING if stage == FINALIZER else (stage,)
    return tuple(name for name in app.finalizers if name not in over)


async def _advance(
    app: Application,
    stage: str,
    destination: Destination,
    live: Sequence[Obj],
    hooks: Sequence[Target],
    permits: Permits | None,
    judge: Judge,
) -> bool:
    if stage in _HOOKS:
        asked = int(parse_time(text(app.metadata.get("deletionTimestamp"))) or 0)
        return await run_hooks(_HOOKS[stage], destination, hooks, live, permits=permits, run=str(asked), judge=judge)
    if stage == FINALIZER:
        return await _cascade(app, destination, live)
    return await clean_up_hooks(_HOOKS[stage.removesuffix(CLEANUP)], destination, live, judge=judge)


async def _cascade(app: Application, destination: Destination, live: Sequence[Obj]) -> bool:
    """Deletes the objects of the highest wave; returns whether nothing is left to delete."""
    for obj in live:
        if is_leaving(obj) and holds_hook_finalizer(obj):
            await _release(destination, obj)
    left = [obj for obj in live if destination.tracking.is_own(obj) and _deletable(app, obj)]
    if any(is_leaving(obj) for obj in live) or _unapproved(app, left):
        return False
    last = max(map(wave, left), default=0)
    first = next(name for name in app.finalizers if name in _CASCADING)
    propagation: Propagation = "Background" if first.endswith("/background") else "Foreground"
    for obj in left:
        if wave(obj) == last:
            await delete(destination, obj, propagation=propagation)
    return not left


def _kinds(app: Application) -> set[tuple[str, str]]:
    """The kinds of everything that the application is known to have made."""
    result = mapping(mapping(app.operation_state).get("syncResult"))
    lists = (app.status.get("resources"), result.get("resources"))
    rows = [mapping(row) for found in lists if isinstance(found, list) for row in found]
    return {(text(row.get("group")), text(row.get("kind"))) for row in rows}


def _deletable(app: Application, obj: Mapping[str, Any]) -> bool:
    """Whether a cascading deletion takes the object (`shouldBeDeleted`)."""
    itself = ref_of(obj) == ObjectRef(GROUP, KIND, app.namespace, app.name)
    if itself or obj.get("kind") == "CustomResourceDefinition":
        return False
    keeps = annotation_option(obj, "helm.sh/resource-policy", "keep")
    return not keeps and object_option(app, obj, "Delete") != "false"


def _unapproved(app: Application, left: Sequence[Obj]) -> bool:
    """Whether a human has to approve first: Argo CD asks for ``Delete=confirm`` and for ``Prune=confirm``."""
    approved = parse_time(text(app.annotations.get(DELETION_APPROVED)))
    asked = parse_time(text(app.metadata.get("deletionTimestamp"))) or 0.0
    if approved is not None and approved >= asked:
        return False
    return any("confirm" in {object_option(app, obj, "Delete"), object_option(app, obj, "Prune")} for obj in left)


async def _release(destination: Destination, hook: Obj) -> None:
    """Lets go of a hook that an interrupted operation still holds: nobody else would, and the deletion would hang."""
    resource = await destination.resource(hook)
    if resource is None:
        return
    metadata, ref = mapping(hook.get("metadata")), ref_of(hook)
    kept = [name for name in strings(metadata.get("finalizers")) if name != HOOK_FINALIZER]
    body = {"metadata": {"finalizers": kept or None, "resourceVersion": metadata.get("resourceVersion")}}
    with contextlib.suppress(NotFoundError):
        await destination.api.patch(
            resource, ref.name, ref.namespace, body, kind=PatchType.MERGE, field_manager=FIELD_MANAGER
        )
