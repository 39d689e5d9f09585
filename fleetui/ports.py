"""The Protocols of clusters that backends implement, and nothing else.

Owns: what the engine and the fleet ask of a cluster, of its watched objects, and of jq. Implemented in `backends`;
wired together in `fleetui.cli`. All methods run on the engine's event loop unless a docstring says otherwise, and raise
the errors of `fleetui.model.errors` alone.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from enum import StrEnum
from typing import Any, Literal, Protocol, TypeVar

from fleetui.model.objects import ApiResource, ClusterName, Discovery, Obj, ObjectRef, StoredObject
from fleetui.model.status import ClusterStatus
from fleetui.podports import PodStreams

T = TypeVar("T")


class PatchType(StrEnum):
    """The media type of a PATCH."""

    JSON = "application/json-patch+json"
    MERGE = "application/merge-patch+json"
    STRATEGIC = "application/strategic-merge-patch+json"


Propagation = Literal["Foreground", "Background", "Orphan"]
Validation = Literal["Strict", "Warn", "Ignore"]


class WatchSink(Protocol):
    """What an informer tells; called on the engine's loop, never concurrently, and must not block.

    The order is: `listing`, any number of `upsert` (and of `remove`, where objects go while the list is streamed),
    `listed`, then `upsert` and `remove` as the watch goes on; a relist (410, reconnection) begins with `listing` again,
    also where the one before it broke off, and what did not come by `listed` is gone.
    """

    def listing(self) -> None: ...

    def upsert(self, objects: Sequence[StoredObject]) -> None: ...

    def remove(self, obj: StoredObject) -> None: ...

    def listed(self) -> None: ...

    def failed(self, error: Exception) -> None:
        """The list or watch could not be had (forbidden, unreachable, kind not served); it is tried again."""
        ...


class Subscription(Protocol):
    """Something that goes on until it is closed; closing twice is harmless."""

    def close(self) -> None: ...


class Cluster(Protocol):
    """One API server."""

    @property
    def name(self) -> ClusterName: ...

    @property
    def server(self) -> str:
        """The API server's URL, without a trailing slash."""
        ...

    @property
    def namespace(self) -> str:
        """Where the user works who names no namespace: that of the context."""
        ...

    @property
    def status(self) -> ClusterStatus: ...

    @property
    def urgent(self) -> Cluster:
        """The same server, for what a person waits for: its requests go before background work (watches' lists,
        discovery, the engine)."""
        ...

    def on_status(self, listener: Callable[[ClusterStatus], None]) -> Subscription: ...

    @property
    def pods(self) -> PodStreams:
        """Logs, commands and ports of Pods."""
        ...

    def retry(self) -> None:
        """Asks a server that does not answer now, and not when its next turn comes."""
        ...

    async def greet(self) -> None:
        """Makes one small request, so that it is known how long the server takes (`ClusterStatus.latency`).

        Raises:
            ClusterError: it was not answered.
        """
        ...

    async def login(self) -> None:
        """Logs in anew because the operator asks for it; what waits for the server goes on at once.

        A login that needs a terminal takes that of this process: the caller sees to it that nobody else uses it.

        Raises:
            RefusedError: another login is going on, or this cluster's has nothing that could be renewed.
            UnauthorizedError: no login could be had.
        """
        ...

    async def discover(self, *, refresh: bool = False) -> Discovery:
        """What the server serves; cached, asked again with `refresh`."""
        ...

    async def get(self, resource: ApiResource, name: str, namespace: str = "") -> Obj: ...

    async def list(
        self,
        resource: ApiResource,
        namespace: str = "",
        *,
        labels: str = "",
        fields: str = "",
        metadata_only: bool = False,
    ) -> list[Obj]:
        """The objects of a resource, of all namespaces where `namespace` is empty.

        Args:
            labels: a label selector, such as ``app in (a,b)``.
            fields: a field selector, such as ``metadata.name=a``.
            metadata_only: asks for `apiVersion`, `kind` and `metadata` alone.
        """
        ...

    async def create(
        self,
        resource: ApiResource,
        obj: Obj,
        *,
        field_manager: str,
        dry_run: bool = False,
        validation: Validation = "Warn",
    ) -> Obj: ...

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
        """Server-side apply of `obj` (namespace and name taken from its metadata); returns the object as it is, or
        with `dry_run` as it would be."""
        ...

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
    ) -> Obj: ...

    async def replace(
        self,
        resource: ApiResource,
        obj: Obj,
        *,
        field_manager: str,
        subresource: str = "",
        dry_run: bool = False,
    ) -> Obj:
        """PUT; conflicts where `obj` carries a stale resourceVersion."""
        ...

    async def delete(
        self,
        resource: ApiResource,
        name: str,
        namespace: str = "",
        *,
        propagation: Propagation | None = None,
        uid: str = "",
        dry_run: bool = False,
    ) -> None: ...

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
        """Lists, then watches, for ever, until the subscription is closed.

        Args:
            labels: a label selector; as for `list`, and so is `fields`.
            metadata_only: asks for `apiVersion`, `kind` and `metadata` alone: objects that are counted, named or
                owned, but not looked into, cost a tenth.
        """
        ...

    async def close(self) -> None: ...


class LiveListener(Protocol):
    def __call__(self, obj: StoredObject, *, deleted: bool) -> None: ...


class LiveCluster(Protocol):
    """One cluster together with the objects of it that are watched (implemented by `fleetui.fleet.store`).

    Reading is synchronous and makes no request.
    """

    @property
    def api(self) -> Cluster: ...

    def want(
        self,
        resource: ApiResource,
        namespace: str = "",
        *,
        labels: str = "",
        fields: str = "",
        metadata_only: bool = False,
    ) -> Subscription:
        """Keeps the resource watched (all namespaces where `namespace` is empty) until every taker has closed.

        The other arguments are those of `Cluster.watch`. With selectors, only what they select is there; with
        `metadata_only` an object may come as its metadata alone, and whole where another taker wants it whole.
        """
        ...

    async def listed(self, resource: ApiResource, namespace: str = "") -> None:
        """Returns when a wanted resource has been listed once.

        Raises:
            ClusterError: it can't be listed (forbidden, not served, unreachable); the watch itself goes on trying.
        """
        ...

    def get(self, ref: ObjectRef) -> StoredObject | None: ...

    def of_kind(self, group: str, kind: str) -> Iterable[StoredObject]: ...

    def tracked(self, tracking_app: str) -> Iterable[StoredObject]:
        """The watched objects whose `argocd.argoproj.io/tracking-id` begins with ``tracking_app:``."""
        ...

    def labelled(self, label: str, value: str) -> Iterable[StoredObject]:
        """The watched objects that have this label; which labels are asked for is remembered, so they are to be few."""
        ...

    def owned(self, uid: str) -> Iterable[StoredObject]:
        """The watched objects with an owner reference to `uid`."""
        ...

    def subscribe(self, listener: LiveListener) -> Subscription:
        """Calls `listener` once for each object that changed or went, after the store has it."""
        ...


class PathExpressions(Protocol):
    """Evaluates jq path expressions. Blocks."""

    def __call__(self, expression: str, obj: Mapping[str, Any]) -> Sequence[Sequence[Any]]:
        """What ``path(EXPRESSION)`` gives for `obj`: paths as jq writes them; none where the expression fails on it.

        Raises:
            ExpressionError: it can't be evaluated, or not within its limits.
        """
        ...


class Jq(Protocol):
    """A jq outside of this process's own code: expressions are strangers' programs."""

    async def run(self, work: Callable[[PathExpressions], T]) -> T:
        """Calls `work` with jq at hand, on a thread where it may block; one at a time."""
        ...
