"""The one way by which anything in a cluster is changed on an operator's behalf.

Owns: `Dispatcher`: read-only check, permission, the application's own rules, one write, the audit record. Called by
`LiveFleet.execute` alone. Never here: the confirmation (screens, command line), following the operation to its end
(`fleetui.fleet.wait`), and any second try: whoever asked decides.
"""

from __future__ import annotations

import re
from typing import Any

import msgspec

from fleetui.dialectports import Dialect
from fleetui.engine.clock import Clock
from fleetui.fleet.audit import Audit, AuditRecord, Ending, Operator
from fleetui.fleet.permissions import Permissions
from fleetui.fleet.projects import project_of_app
from fleetui.fleet.views import Action, ActionKind, Outcome
from fleetui.fleet.windows import block_of
from fleetui.gitports import Folder, Repositories
from fleetui.model.app import App
from fleetui.model.errors import ConflictError, FleetError, ForbiddenError, InvalidError, RefusedError
from fleetui.model.objects import ApiResource, Meta, Obj, StoredObject, ref_of, split_api_version
from fleetui.ports import Cluster, PatchType

FIELD_MANAGER = "fleetui"
_SHA = re.compile("[0-9a-f]{40}|[0-9a-f]{64}")


class Dispatcher:
    """Carries actions out.

    Args:
        permissions: what the operator may do.
        audit: where the record goes.
        clock: for the patches that carry a time.
        repositories: where a rollback is committed.
        read_only: refuse everything.
    """

    def __init__(
        self,
        permissions: Permissions,
        audit: Audit,
        clock: Clock,
        *,
        repositories: Repositories,
        read_only: bool,
    ) -> None:
        self._repositories = repositories
        self._permissions = permissions
        self._audit = audit
        self._clock = clock
        self.read_only = read_only

    async def execute(
        self, action: Action, app: App, *, api: Cluster, dialect: Dialect, resource: ApiResource
    ) -> tuple[Outcome, Obj]:
        """Writes the action once, and its audit record however it ends.

        Returns the outcome, and the application's object as the write left it.

        Raises:
            RefusedError: read-only, not permitted, or the application's own state forbids it.
            MissingError: the application or the history entry is gone.
            ConflictError: the application changed at that very moment; nothing was written.
            ClusterError: the API server did not do it.
        """
        try:
            written = await self._write(action, app, api=api.urgent, dialect=dialect, resource=resource)
        except FleetError as error:
            self._record(action, app, ending=_ending(error), message=str(error))
            raise
        except BaseException as error:  # cancelled: whether it was written is not known, and that is on record
            self._record(action, app, ending=Ending.FAILED, message=f"{type(error).__name__} while it was written")
            raise
        trouble = self._record(action, app, ending=Ending.ACCEPTED)
        message = asked_for(action)
        return Outcome(action, accepted=True, message=f"{message}; {trouble}" if trouble else message), written

    async def refusals(self, action: Action, app: App, *, api: Cluster, resource: ApiResource) -> tuple[str, ...]:
        """Why the action would be refused before anything is asked of the application itself."""
        if self.read_only:
            return ("this console is read-only (--read-only)",)
        if action.kind is ActionKind.REVERT:
            # Who may push is Git's to say; the cluster is not written to.
            return ()
        key = action.app
        if action.kind in {ActionKind.SYNC, ActionKind.ROLLBACK}:
            # Argo CD's API server refuses so (v3.6 server/application/application.go, `Sync`); without it the operation
            # would stand there until the window lets it go on.
            project = await project_of_app(api.urgent, app)
            block = block_of(project, app, self._clock.now(), by_hand=True) if project is not None else ""
            if block:
                return (f"{key}: a {action.kind} by hand is blocked {block}",)
        may = await self._permissions.may(
            api.urgent, "patch", resource=resource, namespace=key.namespace, name=key.name
        )
        if may.allowed is not False:
            return ()
        because = f": {may.reason}" if may.reason else ""
        return (f"{api.name}: you may not patch {resource.full_name} {key.namespace}/{key.name} (RBAC{because})",)

    async def _write(self, action: Action, app: App, *, api: Cluster, dialect: Dialect, resource: ApiResource) -> Obj:
        refused = await self.refusals(action, app, api=api, resource=resource)
        if refused:
            raise RefusedError(refused[0])
        key = action.app
        # Read afresh: the patch tests the resourceVersion, and the watch may be a moment behind.
        current = stored_of(await api.get(resource, key.name, key.namespace))
        if action.kind is ActionKind.REVERT:
            await self._revert(action, dialect, current)
            return current.decode()
        body, kind = patch_of(action, dialect, current, username=self._audit.operator.user, now=self._clock.now())
        try:
            return await api.patch(resource, key.name, key.namespace, body, kind=kind, field_manager=FIELD_MANAGER)
        except ForbiddenError as error:
            self._permissions.forget(api.name)  # whatever it said before
            raise RefusedError(str(error)) from error
        except InvalidError as error:
            # A JSON patch whose test fails is answered with 422, and with no word on which part failed.
            latest = stored_of(await api.get(resource, key.name, key.namespace))
            if latest.meta.resource_version == current.meta.resource_version:
                raise
            message = f"{key} changed at that very moment, and nothing was written"
            raise ConflictError(message, "ask again", cluster=api.name, code=409, reason="Conflict") from error

    async def _revert(self, action: Action, dialect: Dialect, current: StoredObject) -> None:
        folder = dialect.folder(current, history_id=_history_id(action))
        operator = self._audit.operator
        message = revert_message(action, folder, operator)
        hub = action.app.hub
        repository = self._repositories.open(folder.url, hub=hub, project=dialect.app(hub, current).project)
        await repository.put_back(
            branch=folder.branch,
            path=folder.path,
            revision=folder.revision,
            message=message,
            author=(operator.user, operator.who),
        )

    def _record(self, action: Action, app: App, *, ending: Ending, message: str = "") -> str:
        def make(time: str, operator: Operator) -> AuditRecord:
            return AuditRecord(
                time=time,
                who=operator.who,
                origin=operator.origin,
                action=action.kind,
                app=f"{action.app.namespace}/{action.app.name}",
                cluster=action.app.hub,
                destination=app.destination.name or app.destination.server,
                from_revision=deployed(app),
                to_revision=aimed_at(action, app),
                ending=ending,
                message=message,
                prune=action.prune,
                dry_run=action.dry_run,
                hard=action.hard,
                history_id=action.history_id,
                resources=tuple(str(ref) for ref in action.resources),
                rollout=action.rollout,
            )

        return self._audit.write(make)


def patch_of(
    action: Action, dialect: Dialect, obj: StoredObject, *, username: str, now: float
) -> tuple[Any, PatchType]:
    """The write that `action` means for the application `obj`.

    Raises:
        RefusedError, MissingError: as the dialect's patches do.
    """
    match action.kind:
        case ActionKind.REFRESH:
            return dialect.refresh_patch(obj, hard=action.hard, now=now), PatchType.MERGE
        case ActionKind.ROLLBACK:
            body = dialect.rollback_patch(
                obj, history_id=_history_id(action), prune=action.prune, dry_run=action.dry_run, username=username
            )
            return body, PatchType.JSON
        case ActionKind.SUSPEND | ActionKind.RESUME:
            return dialect.automation_patch(obj, on=action.kind is ActionKind.RESUME), PatchType.JSON
        case ActionKind.TERMINATE:
            return dialect.terminate_patch(obj), PatchType.JSON
        case ActionKind.REVERT:
            raise RefusedError(f"{action.app}: a revert is written to Git, not to the cluster")
    body = dialect.sync_patch(
        obj,
        revision=action.revision,
        prune=action.prune,
        dry_run=action.dry_run,
        resources=action.resources,
        username=username,
    )
    return body, PatchType.JSON


def revert_message(action: Action, folder: Folder, operator: Operator) -> str:
    """The message of the commit that puts an application's folder back."""
    subject = f"Roll {folder.path or action.app.name} back to {short(folder.revision)}"
    return (
        f"{subject}\n\nThe application {action.app.namespace}/{action.app.name} goes back to entry "
        f"{action.history_id} of its history, commit {folder.revision}.\nAsked for by {operator.who}"
        f" ({operator.origin}) with fleetui.\n"
    )


def _history_id(action: Action) -> int:
    if action.history_id is None:
        raise RefusedError(f"{action.app}: a rollback needs the id of a history entry")
    return action.history_id


def stored_of(obj: Obj) -> StoredObject:
    """A decoded object as an informer would have handed it on."""
    version = split_api_version(str(obj.get("apiVersion", "")))[1]
    meta = msgspec.convert(obj.get("metadata") or {}, Meta)
    return StoredObject(ref=ref_of(obj), version=version, meta=meta, raw=msgspec.json.encode(obj))


def deployed(app: App) -> str:
    """The revision that runs: that of the last sync that succeeded, or else the one last compared with."""
    return app.history[-1].revision if app.history else app.revision


def aimed_at(action: Action, app: App) -> str:
    """The revision that an action leads to, as far as the application itself knows it."""
    if action.kind in {ActionKind.ROLLBACK, ActionKind.REVERT}:
        return next((entry.revision for entry in app.history if entry.id == action.history_id), "")
    if action.kind is not ActionKind.SYNC:
        return ""
    return action.revision or app.revision or app.source.target_revision


def asked_for(action: Action) -> str:
    """The sentence that tells of an action that was accepted."""
    match action.kind:
        case ActionKind.REFRESH:
            return f"{action.app}: {'hard ' if action.hard else ''}refresh asked for"
        case ActionKind.REVERT:
            return f"{action.app}: history entry {action.history_id} is committed to Git, and synced from there"
        case ActionKind.SUSPEND:
            return f"{action.app}: automated sync is suspended"
        case ActionKind.RESUME:
            return f"{action.app}: automated sync goes on"
        case ActionKind.TERMINATE:
            return f"{action.app}: the operation is asked to end"
    aim = f" to {short(action.revision)}" if action.revision else ""
    if action.kind is ActionKind.ROLLBACK:
        aim = f" to history entry {action.history_id}"
    return f"{action.app}: {'dry run of a ' if action.dry_run else ''}{action.kind}{aim} asked for"


def short(revision: str) -> str:
    """A full SHA as people write it; any other revision as it is."""
    return revision[:7] if _SHA.fullmatch(revision) else revision


def _ending(error: FleetError) -> Ending:
    return Ending.REFUSED if isinstance(error, RefusedError) else Ending.FAILED
