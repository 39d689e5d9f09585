"""One API server as the engine and the fleet see it.

Owns: `KubeCluster`, the implementation of `fleetui.ports.Cluster` for real servers and for the embedded ones. Made by
the command line; importing and making one is cheap and connects to nothing. What needs aiohttp is imported at the
first request, in a worker thread.
"""

from __future__ import annotations

import asyncio
import builtins
import dataclasses
import importlib
from collections import Counter
from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any
from urllib.parse import quote

import msgspec

from backends.kube import decode
from backends.kube.context import ContextConfig
from backends.kube.link import Link
from fleetui.model.errors import ClusterError, InvalidError, OverloadedError, StatusError
from fleetui.model.objects import ApiResource, ClusterName, Discovery, Obj
from fleetui.model.status import ClusterStatus
from fleetui.model.text import one_line
from fleetui.ports import PatchType, PodStreams, Propagation, Subscription, Validation, WatchSink

if TYPE_CHECKING:
    from backends.kube.firstlook import FirstLook
    from backends.kube.informer import Source
    from backends.kube.transport import Transport
    from fleetui.ports import Cluster

_PAGE = "500"
_PROBE = "/readyz"
"""Says ok only when everything in the server is up; /version answers while custom resources are still 404."""
_PROBE_TIMEOUT = 5.0
"""Seconds for the whole answer; more would leave a server that hangs unnoticed for longer."""
_POD = ApiResource(group="", version="v1", kind="Pod", plural="pods", namespaced=True)
_APPLY = "application/apply-patch+yaml"
"""The media type of server-side apply; JSON is YAML."""


class KubeCluster:
    """One API server.

    Args:
        context: how it is reached, and as whom.
        name: under which the fleet knows it; default: the context's.
        protected: whether actions on it want its name typed.
        first_look: where the first page of a list may have been asked for already.
    """

    def __init__(
        self,
        context: ContextConfig,
        *,
        name: str = "",
        protected: bool = False,
        first_look: FirstLook | None = None,
    ) -> None:
        self._name = ClusterName(name or context.name)
        self._context = dataclasses.replace(context, name=self._name)
        self._link = Link(self._name, server=context.server, protected=protected, probe=self._probe)
        self._first_look = first_look
        self._transport: Transport | None = None
        self._discovery: Discovery | None = None
        self._discovering = asyncio.Lock()
        self._watches: set[_Watch] = set()
        self.requests: Counter[str] = Counter()
        """How many requests were sent, by verb: LIST, WATCH, GET, CREATE, UPDATE, PATCH, DELETE, DISCOVER, PROBE,
        LOG, EXEC, ATTACH, FORWARD."""

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

    def on_status(self, listener: Callable[[ClusterStatus], None]) -> Subscription:
        return self._link.on_status(listener)

    @property
    def pods(self) -> PodStreams:
        from backends.kube.podstreams import KubePods

        return KubePods(self._name, transport=self._open, path=self._pod, link=self._link)

    async def discover(self, *, refresh: bool = False) -> Discovery:
        known = self._discovery
        async with self._discovering:
            # Whoever waited for the lock takes what was found meanwhile.
            if self._discovery is None or (refresh and self._discovery is known):
                self._discovery = await self._discover()
            return self._discovery

    async def _discover(self) -> Discovery:
        transport = await self._open()
        from backends.kube.discovery import discover

        try:
            found = await discover(transport, cluster=self._name)
        except ClusterError as error:
            self._link.failed(error)
            raise
        self._link.succeeded()
        self._link.served(found.version)
        return found

    # --- reading ----------------------------------------------------------------------------------------------------

    async def get(self, resource: ApiResource, name: str, namespace: str = "") -> Obj:
        return self._obj(await self._call("GET", self._item(resource, namespace, name)))

    async def list(
        self, resource: ApiResource, namespace: str = "", *, labels: str = "", fields: str = ""
    ) -> builtins.list[Obj]:
        path = resource.path(self._segment(namespace, "namespace"))
        query = {"limit": _PAGE} | ({"labelSelector": labels} if labels else {})
        query |= {"fieldSelector": fields} if fields else {}
        found: builtins.list[Obj] = []
        while True:
            body = await self._call("GET", path, query=query, verb="LIST")
            try:
                page = decode.list_page(body)
                found += decode.listed_objects(resource, page)
            except (msgspec.DecodeError, UnicodeDecodeError) as error:
                raise self._unreadable(f"LIST {path}") from error
            if not page.metadata.next:
                return found
            query["continue"] = page.metadata.next

    def watch(self, resource: ApiResource, sink: WatchSink, *, namespace: str = "", labels: str = "") -> Subscription:
        watch = _Watch(self, resource, sink, namespace=namespace, labels=labels)
        self._watches.add(watch)
        return watch

    # --- writing ----------------------------------------------------------------------------------------------------

    async def create(self, resource: ApiResource, obj: Obj, *, field_manager: str, dry_run: bool = False) -> Obj:
        path = self._collection(resource, _meta(obj, "namespace"))
        query = _write_query(field_manager, dry_run=dry_run)
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
        path = self._itself(resource, obj)
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
        path = self._item(resource, namespace, name, subresource=subresource)
        query = _write_query(field_manager, dry_run=dry_run)
        return self._obj(await self._call("PATCH", path, query=query, body=body, content_type=kind.value))

    async def replace(
        self, resource: ApiResource, obj: Obj, *, field_manager: str, subresource: str = "", dry_run: bool = False
    ) -> Obj:
        path = self._itself(resource, obj, subresource=subresource)
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
        await self._call("DELETE", self._item(resource, namespace, name), body=options)

    async def close(self) -> None:
        """Ends every watch and closes every connection."""
        watches = tuple(self._watches)
        for watch in watches:
            watch.close()
        if watches:
            await asyncio.wait([watch.task for watch in watches])
        await self._link.close()
        transport, self._transport = self._transport, None
        if transport is not None:
            await transport.close()

    # --- how --------------------------------------------------------------------------------------------------------

    async def _open(self) -> Transport:
        if self._transport is None:
            if self._first_look is not None:
                await self._first_look.breathe()
            # 0.1 s of imports that must hold neither the first frame nor the loop.
            module = await asyncio.to_thread(importlib.import_module, "backends.kube.transport")
            if self._transport is None:
                self._transport = module.Transport(
                    self._context, requests=self.requests, asked=self._link.asked, answered=self._link.answered
                )
        return self._transport

    async def _probe(self) -> None:
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
    ) -> bytes:
        transport = await self._open()
        data = b"" if body is None else msgspec.json.encode(body)
        try:
            answer = await transport.request(method, path, query=query, body=data, content_type=content_type, verb=verb)
        except ClusterError as error:
            self._link.failed(error)
            raise
        self._link.succeeded()
        return answer

    async def _inform(self, resource: ApiResource, sink: WatchSink, *, namespace: str, labels: str) -> None:
        """Lists and watches until it is cancelled."""
        if resource.verbs and "watch" not in resource.verbs:
            sink.failed(InvalidError(f"{resource.full_name} can't be watched", cluster=self._name))
            return
        from backends.kube.informer import Informer

        informer = Informer(
            await self._source(),
            resource,
            sink,
            cluster=self._name,
            monitor=self._link,
            namespace=namespace,
            labels=labels,
        )
        try:
            await informer.run()
        finally:
            self._link.forget(informer)

    async def _source(self) -> Source:
        if self._first_look is None:
            return await self._open()
        from backends.kube.firstlook import LookingSource

        context = self._context.name
        if self._first_look.looks_at(context):
            self._link.asked()
        return LookingSource(self._first_look, context, self._open, counted=lambda: self.requests.update(["LIST"]))

    def _collection(self, resource: ApiResource, namespace: str) -> str:
        if resource.namespaced and not namespace:
            raise self._invalid(f"a {resource.kind} needs a namespace")
        return resource.path(self._segment(namespace, "namespace"))

    def _item(self, resource: ApiResource, namespace: str, name: str, *, subresource: str = "") -> str:
        if not name:
            raise self._invalid(f"a {resource.kind} needs a name")
        tail = f"/{subresource}" if subresource else ""
        return f"{self._collection(resource, namespace)}/{self._segment(name, 'name')}{tail}"

    def _pod(self, namespace: str, name: str, subresource: str) -> str:
        return self._item(_POD, namespace, name, subresource=subresource)

    def _itself(self, resource: ApiResource, obj: Obj, *, subresource: str = "") -> str:
        return self._item(resource, _meta(obj, "namespace"), _meta(obj, "name"), subresource=subresource)

    def _segment(self, text: str, what: str) -> str:
        """A name as part of a path; what the API server forbids there is refused (path.IsValidPathSegmentName)."""
        if text in {".", ".."} or "/" in text or "%" in text:
            raise self._invalid(f"{one_line(text)} is no {what}")
        return quote(text, safe=":@!$&'()*+,;=~")

    def _obj(self, body: bytes) -> Obj:
        try:
            return decode.obj(body)
        except (msgspec.DecodeError, UnicodeDecodeError) as error:
            raise self._unreadable("it") from error

    def _invalid(self, message: str) -> InvalidError:
        return InvalidError(message, cluster=self._name)

    def _unreadable(self, what: str) -> StatusError:
        return StatusError(f"{self.server} does not answer {what} as a Kubernetes API server does", cluster=self._name)


class _Watch:
    """One watch of a cluster and its task; a `Subscription`."""

    def __init__(
        self, cluster: KubeCluster, resource: ApiResource, sink: WatchSink, *, namespace: str, labels: str
    ) -> None:
        self._cluster = cluster
        work = cluster._inform(resource, sink, namespace=namespace, labels=labels)
        name = f"watch {cluster.name} {resource.full_name}"
        self.task = asyncio.get_running_loop().create_task(work, name=name)

    def close(self) -> None:
        self.task.cancel()
        self._cluster._watches.discard(self)


def _write_query(field_manager: str, *, dry_run: bool) -> dict[str, str]:
    return {"fieldManager": field_manager} | ({"dryRun": "All"} if dry_run else {})


def _meta(obj: Obj, key: str) -> str:
    metadata = obj.get("metadata")
    return str(metadata.get(key) or "") if isinstance(metadata, dict) else ""


if TYPE_CHECKING:

    def _is_a_cluster(cluster: KubeCluster) -> Cluster:
        return cluster
