"""The one way by which an operator gets into a Pod: commands, and connections to its ports.

Owns: `PodAccess`: read-only check, permission, the audit record, then the stream. What is done in there changes things
as surely as a write does, so it goes the way of `fleetui.fleet.dispatch`. Called by the command line and by screens.
Logs only read, and are asked of `Cluster.pods` itself. A record names the program that was run, not its arguments:
they may be secret.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import AbstractAsyncContextManager, AsyncExitStack, asynccontextmanager

import msgspec

from fleetui.fleet.audit import Audit, AuditRecord, Ending, Operator
from fleetui.fleet.permissions import Permissions
from fleetui.model.errors import FleetError, ForbiddenError, RefusedError
from fleetui.model.objects import ApiResource
from fleetui.podports import ByteStream, ExecSession
from fleetui.ports import Cluster

POD = ApiResource(group="", version="v1", kind="Pod", plural="pods", namespaced=True)


class PodTarget(msgspec.Struct, frozen=True):
    """A container of a Pod; `container` is empty where the Pod has but one."""

    namespace: str
    pod: str
    container: str = ""

    def __str__(self) -> str:
        return f"{self.namespace}/{self.pod}" + (f" ({self.container})" if self.container else "")


class PodAccess:
    """Opens streams into Pods.

    Args:
        permissions: what the operator may do.
        audit: where the record goes.
        read_only: refuse everything.
        warn: told why a record could not be written; what was asked for goes on all the same, as in the dispatcher.
    """

    def __init__(
        self, permissions: Permissions, audit: Audit, *, read_only: bool, warn: Callable[[str], object]
    ) -> None:
        self._permissions = permissions
        self._audit = audit
        self._read_only = read_only
        self._warn = warn

    @asynccontextmanager
    async def exec(
        self, api: Cluster, target: PodTarget, command: Sequence[str], *, tty: bool = False, stdin: bool = False
    ) -> AsyncIterator[ExecSession]:
        """A command in a container.

        Raises:
            RefusedError: read-only, or not permitted.
            ClusterError: the API server or the node did not do it.
        """
        await self._admit(api, target, "exec")
        async with AsyncExitStack() as stack:
            opened = api.pods.exec(
                target.namespace, target.pod, command, container=target.container, tty=tty, stdin=stdin
            )
            try:
                session = await stack.enter_async_context(opened)
            except FleetError as error:
                raise self._failed(api, target, "exec", error) from error
            except BaseException as error:  # cancelled: whether it runs is not known, and that is on record
                message = f"{command[0]}: {type(error).__name__} while it was started"
                self._record(api, target, "exec", ending=Ending.FAILED, message=message)
                raise
            self._record(api, target, "exec", ending=Ending.ACCEPTED, message=command[0])
            yield session

    async def forward(
        self, api: Cluster, target: PodTarget, port: int
    ) -> Callable[[], AbstractAsyncContextManager[ByteStream]]:
        """A way to a port: each call of what is returned is one connection. One record is written for all of them.

        Raises:
            RefusedError: read-only, or not permitted.
            ClusterError: there is no such Pod.
        """
        await self._admit(api, target, "portforward")
        try:
            await api.get(POD, target.pod, target.namespace)
        except FleetError as error:
            raise self._failed(api, target, "portforward", error) from error
        self._record(api, target, "portforward", ending=Ending.ACCEPTED, message=f"port {port}")
        return lambda: api.pods.port_forward(target.namespace, target.pod, port)

    async def _admit(self, api: Cluster, target: PodTarget, subresource: str) -> None:
        refused = await self._refusal(api, target, subresource)
        if refused:
            self._record(api, target, subresource, ending=Ending.REFUSED, message=refused)
            raise RefusedError(refused)

    async def _refusal(self, api: Cluster, target: PodTarget, subresource: str) -> str:
        if self._read_only:
            return "this console is read-only (--read-only)"
        # Kubernetes 1.35 and newer insist on create, whatever the method of the request.
        may = await self._permissions.may(
            api, "create", resource=POD, namespace=target.namespace, name=target.pod, subresource=subresource
        )
        if may.allowed is not False:
            return ""
        because = f": {may.reason}" if may.reason else ""
        return f"{api.name}: you may not create pods/{subresource} of {target.namespace}/{target.pod} (RBAC{because})"

    def _failed(self, api: Cluster, target: PodTarget, subresource: str, error: FleetError) -> FleetError:
        """The error to raise instead of one that came before anything was open; it is on record."""
        refused = isinstance(error, ForbiddenError | RefusedError)
        ending = Ending.REFUSED if refused else Ending.FAILED
        self._record(api, target, subresource, ending=ending, message=str(error))
        return RefusedError(str(error)) if isinstance(error, ForbiddenError) else error

    def _record(self, api: Cluster, target: PodTarget, action: str, *, ending: Ending, message: str) -> None:
        def make(time: str, operator: Operator) -> AuditRecord:
            return AuditRecord(
                time=time,
                who=operator.who,
                origin=operator.origin,
                action=action,
                app="",
                cluster=api.name,
                ending=ending,
                message=message,
                resources=(f"Pod {target}",),
            )

        if trouble := self._audit.write(make):
            self._warn(trouble)
