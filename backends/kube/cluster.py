"""One API server as the engine and the fleet see it.

Owns: `KubeCluster`, the implementation of `fleetui.ports.Cluster` for real servers and for the embedded ones. Made by
the command line; importing and making one is cheap and connects to nothing. What needs aiohttp is imported at the
first request, in a worker thread.
"""

from __future__ import annotations

import asyncio
import builtins
import dataclasses
from collections import Counter
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar

import msgspec

from backends.kube import decode
from backends.kube.context import ContextConfig
from backends.kube.definitions import Definitions
from backends.kube.latency import RoundTrips
from backends.kube.link import Link
from backends.kube.opening import closed, transport_class
from backends.kube.paths import Paths, written
from backends.kube.selection import Selection
from backends.kube.served import ServedKinds, kept_in
from backends.kube.throttle import RATE, Schedule, Throttle
from backends.kube.watching import Watches
from fleetui.model.errors import ClusterError, GoneError, OverloadedError, StatusError
from fleetui.model.objects import ApiResource, ClusterName, Discovery, Obj
from fleetui.model.status import ClusterStatus
from fleetui.podports import PodStreams
from fleetui.ports import PatchType, Propagation, Subscription, Validation, WatchSink

if TYPE_CHECKING:
    from backends.kube.firstlook import FirstLook
    from backends.kube.transport import Transport
    from fleetui.ports import Cluster

_PAGE = "500"
_PROBE = "/readyz"
"""Says ok only when everything in the server is up; /version answers while custom resources are still 404."""
_PROBE_TIMEOUT = 5.0
"""Seconds for the whole answer; more would leave a server that hangs unnoticed for longer."""
_URGENT_DEADLINE = 35.0
"""Seconds that a person waits for a request that is no list, further tries included: one more than kube-apiserver
gives a write (apiserver 1.37, pkg/endpoints/handlers/rest.go), which can then say itself what it waited for."""
_POD = ApiResource(group="", version="v1", kind="Pod", plural="pods", namespaced=True)
_APPLY = "application/apply-patch+yaml"
"""The media type of server-side apply; JSON is YAML."""


class KubeCluster:
    """One API server.

    Its requests are background work; those of its view `urgent` go before them.

    Args:
        context: how it is reached, and as whom.
        name: under which the fleet knows it; default: the context's.
        protected: whether actions on it want its name typed.
        first_look: where the first page of a list may have been asked for already.
        cache: the folder in which what servers serve is kept; None: it is kept in memory alone.
        qps: background requests a second that may go on for ever (`backends.kube.throttle`); 0: no bound but that on
            those in flight.
    """

    _is_urgent: ClassVar[bool] = False

    def __init__(
        self,
        context: ContextConfig,
        *,
        name: str = "",
        protected: bool = False,
        first_look: FirstLook | None = None,
        cache: Path | None = None,
        qps: float = RATE,
    ) -> None:
        self._name = ClusterName(name or context.name)
        self._context = dataclasses.replace(context, name=self._name)
        self._link = Link(
            self._name,
            server=context.server,
            protected=protected,
            insecure=context.insecure,
            problem=context.problem,
            probe=self._probe,
        )
        self._paths = Paths(self._name)
        self._trips = RoundTrips()
        self._first_look = first_look
        self._qps = qps
        self._transport: Transport | None = None
        self._is_closed = False
        self._served = ServedKinds(
            self._name, open_transport=self._open, link=self._link, cache=kept_in(cache, self._context)
        )
        self.requests: Counter[str] = Counter()
        """How many requests were sent, by verb: LIST, WATCH, GET, CREATE, UPDATE, PATCH, DELETE, DISCOVER, PROBE,
        LOG, EXEC, ATTACH, FORWARD."""
        self._watches = Watches(
            self._name, open_transport=self._open, link=self._link, first_look=first_look, requests=self.requests
        )
        self._definitions = Definitions(self._watches, changed=self._served.age)

    @property
    def name(self) -> ClusterName:
        return self._name

    @property
    def server(self) -> str:
        return self._context.server

    @property
    def namespace(self) -> str:
        """The context's namespace, for commands that name none."""
        return self._context.namespace

    @property
    def status(self) -> ClusterStatus:
        return self._link.status

    @property
    def urgent(self) -> KubeCluster:
        return _UrgentCluster(self)

    def on_status(self, listener: Callable[[ClusterStatus], None]) -> Subscription:
        return self._link.on_status(listener)

    @property
    def pods(self) -> PodStreams:
        from backends.kube.podstreams import KubePods

        def path(namespace: str, name: str, subresource: str) -> str:
            return self._paths.item(_POD, namespace, name, subresource=subresource)

        return KubePods(self._name, transport=self._open, path=path, link=self._link)

    async def greet(self) -> None:
        await self._call("GET", "/version")

    def retry(self) -> None:
        self._link.renewed()

    async def login(self) -> None:
        await (await self._open()).login()
        self._link.renewed()

    async def discover(self, *, refresh: bool = False) -> Discovery:
        found = await self._served.discover(refresh=refresh)
        self._definitions.known(found)
        return found

    # --- reading ----------------------------------------------------------------------------------------------------

    async def get(self, resource: ApiResource, name: str, namespace: str = "") -> Obj:
        return self._obj(await self._call("GET", self._paths.item(resource, namespace, name)))

    async def list(
        self,
        resource: ApiResource,
        namespace: str = "",
        *,
        labels: str = "",
        fields: str = "",
        metadata_only: bool = False,
    ) -> builtins.list[Obj]:
        path = self._paths.every(resource, namespace)
        selection = Selection(labels=labels, fields=fields, metadata_only=metadata_only)
        query, form = selection.query, selection.list_form
        try:
            return await self._pages(resource, path, query | {"limit": _PAGE}, form)
        except GoneError:
            # The list took longer than its continue token lasts: then in one page (client-go v0.37 tools/pager).
            return await self._pages(resource, path, query, form)

    async def _pages(self, resource: ApiResource, path: str, query: dict[str, str], form: str) -> builtins.list[Obj]:
        found: builtins.list[Obj] = []
        while True:
            body = await self._call("GET", path, query=query, verb="LIST", accept=form)
            try:
                page = decode.list_page(body)
                found += decode.listed_objects(resource, page)
            except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
                raise self._unreadable(f"LIST {path}") from error
            if not page.metadata.next:
                return found
            query["continue"] = page.metadata.next

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
        sink = self._definitions.watched(resource, sink)
        return self._watches.start(resource, sink, Selection(namespace, labels, fields, metadata_only))

    # --- writing ----------------------------------------------------------------------------------------------------

    async def create(
        self,
        resource: ApiResource,
        obj: Obj,
        *,
        field_manager: str,
        dry_run: bool = False,
        validation: Validation = "Warn",
    ) -> Obj:
        path = self._paths.collection(resource, written(obj, "namespace"))
        query = _write_query(field_manager, dry_run=dry_run)
        if validation != "Warn":  # what a server does unasked
            query |= {"fieldValidation": validation}
        return self._obj(await self._call("POST", path, query=query, body=obj))

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
        path = self._paths.itself(resource, obj)
        query = _write_query(field_manager, dry_run=dry_run)
        query |= {"force": "true" if force else "false", "fieldValidation": validation}
        return self._obj(await self._call("PATCH", path, query=query, body=obj, content_type=_APPLY))

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
        path = self._paths.item(resource, namespace, name, subresource=subresource)
        query = _write_query(field_manager, dry_run=dry_run)
        return self._obj(await self._call("PATCH", path, query=query, body=body, content_type=kind.value))

    async def replace(
        self, resource: ApiResource, obj: Obj, *, field_manager: str, subresource: str = "", dry_run: bool = False
    ) -> Obj:
        path = self._paths.itself(resource, obj, subresource=subresource)
        query = _write_query(field_manager, dry_run=dry_run)
        return self._obj(await self._call("PUT", path, query=query, body=obj))

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
        options: dict[str, Any] = {"kind": "DeleteOptions", "apiVersion": "v1"}
        if propagation is not None:
            options["propagationPolicy"] = propagation
        if uid:
            options["preconditions"] = {"uid": uid}
        if dry_run:
            options["dryRun"] = ["All"]
        await self._call("DELETE", self._paths.item(resource, namespace, name), body=options)

    async def close(self) -> None:
        """Ends every watch and closes every connection; what is asked or watched later fails."""
        self._is_closed = True
        self._definitions.close()
        await self._watches.close()
        await self._link.close()
        transport, self._transport = self._transport, None
        if transport is not None:
            await transport.close()

    # --- how --------------------------------------------------------------------------------------------------------

    async def _open(self) -> Transport:
        if self._transport is None:
            if self._first_look is not None:
                await self._first_look.breathe()
            made = await transport_class()
            if self._is_closed:
                raise closed(self._name)
            if self._transport is None:
                self._transport = made(
                    self._context,
                    requests=self.requests,
                    asked=self._asked,
                    answered=self._answered,
                    slow=self._link.slow,
                    throttle=Throttle(lambda now: Schedule(rate=self._qps, now=now)),
                )
        return self._transport

    def _asked(self) -> None:
        self._trips.asked()
        self._link.asked()

    def _answered(self) -> None:
        self._link.answered()
        if (latency := self._trips.answered()) is not None:
            self._link.timed(latency)

    async def _probe(self) -> None:
        if self._context.problem:
            # Nothing to find out: the kubeconfig stays as it was read.
            await asyncio.Event().wait()
        try:
            await (await self._open()).probe(_PROBE, timeout=_PROBE_TIMEOUT)
        except OverloadedError as error:
            # Its body is a list of checks.
            raise OverloadedError(f"{self.server} is not ready yet", cluster=self._name, code=error.code) from error

    async def _call(
        self,
        method: str,
        path: str,
        *,
        query: Mapping[str, str] | None = None,
        body: Any = None,
        content_type: str = "application/json",
        verb: str = "",
        accept: str = "application/json",
    ) -> bytes:
        transport = await self._open()
        data = b"" if body is None else msgspec.json.encode(body)
        try:
            answer = await transport.request(
                method,
                path,
                query=query,
                body=data,
                content_type=content_type,
                verb=verb,
                accept=accept,
                urgent=self._is_urgent,
                deadline=_URGENT_DEADLINE if self._is_urgent and verb != "LIST" else None,
            )
        except ClusterError as error:
            self._link.failed(error)
            raise
        self._link.succeeded()
        return answer

    def _obj(self, body: bytes) -> Obj:
        try:
            return decode.obj(body)
        except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
            raise self._unreadable("the request") from error

    def _unreadable(self, what: str) -> StatusError:
        return StatusError(f"{self.server} does not answer {what} as a Kubernetes API server does", cluster=self._name)


class _UrgentCluster(KubeCluster):
    """A view of a cluster: it is the same in everything but what its requests give way to."""

    _is_urgent = True

    def __init__(self, cluster: KubeCluster) -> None:
        # The very same state, so that a connection, a watch or a discovery of one is the other's too.
        self.__dict__ = cluster.__dict__


def _write_query(field_manager: str, *, dry_run: bool) -> dict[str, str]:
    return {"fieldManager": field_manager} | ({"dryRun": "All"} if dry_run else {})


if TYPE_CHECKING:

    def _is_a_cluster(cluster: KubeCluster) -> Cluster:
        return cluster
