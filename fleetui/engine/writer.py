"""Writing Applications: the smallest patch, guarded by the resourceVersion it was made from.

Owns: `ApplicationWriter`. An Application has no status subresource (Argo CD's definition), so status, operation and
annotations go in one merge patch. A conflict is answered by reading again and keeping what others wrote.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from fleetui.engine.application import PREFIX, REFRESH, STATUS_MANAGER, Application, mapping
from fleetui.engine.destination import Destination
from fleetui.engine.operation import phase_of
from fleetui.engine.status import merge_patch
from fleetui.engine.telling import Listener
from fleetui.model.errors import ConflictError, NotFoundError
from fleetui.model.objects import ApiResource, Obj, ObjectRef
from fleetui.model.status import OperationPhase
from fleetui.ports import PatchType

_TRIES = 6
_ABSENT: Any = object()
KEEP: Any = object()
"""For `ApplicationWriter.write`: leave the operation as it is."""


class ApplicationGoneError(Exception):
    """The Application was deleted, or its operation replaced, while it was worked on: there is nothing to write."""


class ApplicationWriter:
    """Writes the Applications of one hub; `listener` is told of each write."""

    def __init__(self, hub: Destination, resource: ApiResource, listener: Listener) -> None:
        self._hub = hub
        self._resource = resource
        self._listener = listener

    async def write(
        self, app: Application, status: Mapping[str, Any], *, operation: Any = KEEP, refreshed: bool = False
    ) -> Application:
        """Brings `status` (and `operation`: a dict, or None to remove it) about; no request where nothing differs.

        Args:
            app: what the new status was made from.
            status: the whole status as it is to be.
            operation: `KEEP`, None or the operation to start.
            refreshed: whether the refresh annotation has been honoured and is to go.

        Returns the Application as it is afterwards.

        Raises:
            ApplicationGoneError: it was deleted meanwhile, or somebody started another operation first.
            ClusterError: the hub could not be written to.
        """
        wish = _changed(app.status, status)
        honoured = _refresh(app) if refreshed else {}
        alone = True
        for _ in range(_TRIES):
            patch = _patch(app, {**app.status, **wish}, operation, honoured)
            if not patch:
                return app
            patch.setdefault("metadata", {})["resourceVersion"] = app.resource_version
            try:
                return self._noted(app, await self._send(app, patch), alone=alone)
            except ConflictError:
                fresh = await self._read_again(app, operation)
                if operation is None and fresh.operation != app.operation:
                    # Ours is over; what somebody has asked for since is yet to begin.
                    operation = KEEP
                app, alone = fresh, False
                _keep_termination(app, wish)
        raise ConflictError(f"application {app.namespace}/{app.name}: others keep writing it; tried {_TRIES} times")

    async def write_spec(self, app: Application, patch: Obj) -> Application:
        """Merges `patch` into the spec; returns the Application as it is afterwards.

        Raises:
            ApplicationGoneError: it was deleted meanwhile.
            ClusterError: the hub could not be written to, or somebody else has written since.
        """
        written = await self._send(app, {"metadata": {"resourceVersion": app.resource_version}, "spec": patch})
        return self._noted(app, written)

    async def write_finalizers(self, app: Application, finalizers: tuple[str, ...]) -> Application:
        """Gives the Application these finalizers and no others; returns it as it is afterwards.

        Raises:
            ApplicationGoneError: it is gone, which taking its last finalizer off brings about.
            ClusterError: the hub could not be written to.
        """
        body = {"metadata": {"finalizers": list(finalizers) or None, "resourceVersion": app.resource_version}}
        written = await self._send(app, body)
        if app.deleting and not finalizers:
            self._hub.overlay.deleted(self._ref(app), app.uid)
            raise ApplicationGoneError
        return self._noted(app, written)

    async def _send(self, app: Application, body: Obj) -> Obj:
        try:
            return await self._hub.api.patch(
                self._resource, app.name, app.namespace, body, kind=PatchType.MERGE, field_manager=STATUS_MANAGER
            )
        except NotFoundError as error:
            self._hub.overlay.deleted(self._ref(app), app.uid)
            raise ApplicationGoneError from error

    def _noted(self, before: Application, written: Obj, *, alone: bool = True) -> Application:
        # An Application of Applications is told of what became of its children. And where others have written too, a
        # watch that was cut off may show that in no other version than ours.
        self._hub.overlay.wrote(written, quiet=alone and not self._hub.tracking.owner_of(written))
        after = Application(written)
        self._listener.wrote(before, after)
        return after

    async def _read_again(self, app: Application, operation: Any) -> Application:
        try:
            fresh = Application(await self._hub.api.get(self._resource, app.name, app.namespace))
        except NotFoundError as error:
            self._hub.overlay.deleted(self._ref(app), app.uid)
            raise ApplicationGoneError from error
        if fresh.uid != app.uid:
            # Another Application of the same name: what we found out is not about it.
            raise ApplicationGoneError
        starting = operation is not KEEP and operation is not None
        if starting and fresh.operation is not None and fresh.operation != app.operation:
            raise ApplicationGoneError
        return fresh

    def _ref(self, app: Application) -> ObjectRef:
        return ObjectRef(self._resource.group, self._resource.kind, app.namespace, app.name)


def _changed(before: Mapping[str, Any], after: Mapping[str, Any]) -> Obj:
    """The keys of the status that we mean to change; a value of `_ABSENT` removes one."""
    wish: Obj = {key: value for key, value in after.items() if before.get(key, _ABSENT) != value}
    wish.update({key: _ABSENT for key in before if key not in after})
    return wish


def _refresh(app: Application) -> dict[str, Any]:
    """The annotations that ask for a refresh, as they are now."""
    return {key: app.annotations[key] for key in (REFRESH, PREFIX + "refresh-timestamp") if key in app.annotations}


def _patch(app: Application, status: Mapping[str, Any], operation: Any, honoured: Mapping[str, Any]) -> Obj:
    wanted = {key: value for key, value in status.items() if value is not _ABSENT}
    patch: Obj = {}
    delta = merge_patch(app.status, wanted)
    if delta:
        patch["status"] = delta
    if operation is None and app.operation is not None:
        patch["operation"] = None
    elif operation is not KEEP and operation is not None and operation != app.operation:
        patch["operation"] = merge_patch(app.operation, operation) if app.operation else operation
    # A refresh that was asked for since has yet to be honoured.
    if honoured and _refresh(app) == honoured:
        patch["metadata"] = {"annotations": dict.fromkeys(honoured)}
    return patch


def _keep_termination(fresh: Application, wish: Obj) -> None:
    """A human may terminate an operation while a step runs; that wish outlives ours to go on."""
    state = wish.get("operationState")
    if phase_of(fresh.operation_state) is not OperationPhase.TERMINATING or not isinstance(state, Mapping):
        return
    if mapping(state).get("phase") == OperationPhase.RUNNING.value:
        going = {"phase": OperationPhase.TERMINATING.value, "message": "operation is terminating"}
        wish["operationState"] = {**state, **going}
