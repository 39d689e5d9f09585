"""A cluster that can't be connected to because of how it is written down.

Owns: `UnusableCluster`, a `fleetui.ports.Cluster` that answers everything with the one sentence that says why, so that
a bad entry is that cluster's state and costs the others nothing. No network.
"""

from __future__ import annotations

import builtins
import time
from collections.abc import Callable
from typing import TYPE_CHECKING, Any, NoReturn

from fleetui.model.errors import RefusedError, UnreachableError
from fleetui.model.objects import ApiResource, ClusterName, Discovery, Obj
from fleetui.model.status import ClusterState, ClusterStatus
from fleetui.ports import PatchType, PodStreams, Propagation, Subscription, Validation, WatchSink

if TYPE_CHECKING:
    from fleetui.ports import Cluster


class UnusableCluster:
    """A cluster by name, and why it can't be used."""

    def __init__(self, name: ClusterName, problem: str, *, server: str = "", protected: bool = False) -> None:
        self.name = name
        self.server = server
        self.namespace = ""
        self._problem = problem
        self.status = ClusterStatus(
            name=name,
            state=ClusterState.UNREACHABLE,
            since=time.time(),
            message=problem,
            server=server,
            protected=protected,
        )

    @property
    def urgent(self) -> UnusableCluster:
        return self

    @property
    def pods(self) -> PodStreams:
        self._fail()

    def on_status(self, listener: Callable[[ClusterStatus], None]) -> Subscription:
        return _Nothing()

    def retry(self) -> None:
        """Nothing would be another: what says how it is reached has to change."""

    async def greet(self) -> None:
        self._fail()

    async def login(self) -> None:
        raise RefusedError(self._problem)

    async def discover(self, *, refresh: bool = False) -> Discovery:
        self._fail()

    async def get(self, resource: ApiResource, name: str, namespace: str = "") -> Obj:
        self._fail()

    async def list(
        self, resource: ApiResource, namespace: str = "", *, labels: str = "", fields: str = ""
    ) -> builtins.list[Obj]:
        self._fail()

    async def create(self, resource: ApiResource, obj: Obj, *, field_manager: str, dry_run: bool = False) -> Obj:
        self._fail()

    async def apply(
        self,
        resource: ApiResource,
        obj: Obj,
        *,
        field_manager: str,
        force: bool = True,
        dry_run: bool = False,
        validation: Validation = "Strict",
    ) -> Obj:
        self._fail()

    async def patch(
        self,
        resource: ApiResource,
        name: str,
        namespace: str,
        body: Any,
        *,
        kind: PatchType,
        subresource: str = "",
        field_manager: str,
        dry_run: bool = False,
    ) -> Obj:
        self._fail()

    async def replace(
        self, resource: ApiResource, obj: Obj, *, field_manager: str, subresource: str = "", dry_run: bool = False
    ) -> Obj:
        self._fail()

    async def delete(
        self,
        resource: ApiResource,
        name: str,
        namespace: str = "",
        *,
        propagation: Propagation | None = None,
        uid: str = "",
        dry_run: bool = False,
    ) -> None:
        self._fail()

    def watch(
        self,
        resource: ApiResource,
        sink: WatchSink,
        *,
        namespace: str = "",
        labels: str = "",
        fields: str = "",
        metadata_only: bool = False,
    ) -> Subscription:
        sink.failed(self._error())
        return _Nothing()

    async def close(self) -> None:
        """Nothing is open."""

    def _error(self) -> UnreachableError:
        return UnreachableError(self._problem, cluster=self.name)

    def _fail(self) -> NoReturn:
        raise self._error()


class _Nothing:
    def close(self) -> None:
        """Nothing goes on."""


if TYPE_CHECKING:

    def _is_a_cluster(cluster: UnusableCluster) -> Cluster:
        return cluster
