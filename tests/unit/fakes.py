"""Scripted doubles for the unit tests: a cluster that does what the test says, and objects made in one line."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import msgspec

from fleetui.model.errors import NotFoundError
from fleetui.model.objects import ApiResource, ClusterName, Discovery, Meta, Obj, ObjectRef, StoredObject, ref_of
from fleetui.model.status import ClusterState, ClusterStatus
from fleetui.podports import PodStreams
from fleetui.ports import PatchType, Subscription, Validation, WatchSink


def resource(kind: str, *, group: str = "", version: str = "v1", namespaced: bool = True) -> ApiResource:
    return ApiResource(group=group, version=version, kind=kind, plural=kind.lower() + "s", namespaced=namespaced)


APPLICATION = resource("Application", group="argoproj.io", version="v1alpha1")
CONFIG_MAP = resource("ConfigMap")
SECRET = resource("Secret")
SERVICE = resource("Service")
POD = resource("Pod")
NAMESPACE = resource("Namespace", namespaced=False)
DEPLOYMENT = resource("Deployment", group="apps")
REPLICA_SET = resource("ReplicaSet", group="apps")
ENDPOINT_SLICE = resource("EndpointSlice", group="discovery.k8s.io")

PROJECT = ApiResource("argoproj.io", "v1alpha1", "AppProject", "appprojects", namespaced=True)
"""Served by no `FakeCluster` unless a test says so."""
SERVED = (APPLICATION, CONFIG_MAP, SECRET, SERVICE, POD, NAMESPACE, DEPLOYMENT, REPLICA_SET, ENDPOINT_SLICE)


def stored(obj: Obj) -> StoredObject:
    """A decoded object as an informer hands it on."""
    raw = msgspec.json.encode(obj)
    meta = msgspec.convert(obj.get("metadata", {}), Meta)
    return StoredObject(ref=ref_of(obj), version=str(obj["apiVersion"]).rpartition("/")[2], meta=meta, raw=raw)


def manifest(kind: str, name: str, *, namespace: str = "default", api_version: str = "v1", **rest: Any) -> Obj:
    """An object's dict; `rest` holds top-level fields, `metadata` of it is merged."""
    metadata = {"name": name, "namespace": namespace, "uid": f"uid-{name}", "resourceVersion": "1"}
    metadata |= rest.pop("metadata", {})
    return {"apiVersion": api_version, "kind": kind, "metadata": {k: v for k, v in metadata.items() if v}, **rest}


def config_map(name: str, *, namespace: str = "default", **metadata: Any) -> StoredObject:
    return stored(manifest("ConfigMap", name, namespace=namespace, metadata=metadata))


class FakeWatch:
    """One watch that the test feeds by hand."""

    def __init__(
        self, resource: ApiResource, namespace: str, sink: WatchSink, *, mode: tuple[str, str, bool] = ("", "", False)
    ) -> None:
        self.resource, self.namespace, self.sink, self.mode = resource, namespace, sink, mode
        self.open = True

    def close(self) -> None:
        self.open = False

    def lists(self, *objects: StoredObject) -> None:
        self.sink.listing()
        self.sink.upsert(objects)
        self.sink.listed()


class FakeCluster:
    """A `Cluster` without a server: watches are fed by the test, writes are recorded and answered by `answer`.

    Whoever asks for a hub's ``argocd-cm`` is answered at once, with `config`; that watch, which is none of `watches`,
    is `settings`.
    """

    def __init__(self, name: str = "hub", *, server: str = "https://hub.example:6443") -> None:
        self.name = ClusterName(name)
        self.server = server
        self.namespace = "default"
        self.status = ClusterStatus(name=self.name, state=ClusterState.LIVE, since=0.0, server=server)
        self.served = Discovery(SERVED, version="v1.37.2")
        self.watches: list[FakeWatch] = []
        self.settings: FakeWatch | None = None
        self.config: list[StoredObject] = []
        self.objects: dict[ObjectRef, Obj] = {}
        self.writes: list[tuple[str, str, Any]] = []
        self.discoveries = 0
        self.logins = 0
        self.retries = 0
        self.greetings = 0
        self.away: Exception | None = None
        self.answer: Callable[[str, str, Any], Obj] = lambda verb, name, body: body if isinstance(body, dict) else {}
        self._status_listeners: list[Callable[[ClusterStatus], None]] = []

    @property
    def urgent(self) -> FakeCluster:
        return self

    def watch_of(self, kind: str, namespace: str = "") -> FakeWatch:
        """The newest open watch of a kind."""
        return next(
            w for w in reversed(self.watches) if w.open and w.resource.kind == kind and w.namespace == namespace
        )

    def becomes(self, state: ClusterState, message: str = "") -> None:
        self.status = msgspec.structs.replace(self.status, state=state, message=message)
        for listener in tuple(self._status_listeners):
            listener(self.status)

    def on_status(self, listener: Callable[[ClusterStatus], None]) -> Subscription:
        self._status_listeners.append(listener)
        return Closing(lambda: self._status_listeners.remove(listener))

    @property
    def pods(self) -> PodStreams:
        raise NotImplementedError(f"{self.name} has no Pods: give the test's cluster its own")

    async def greet(self) -> None:
        self.greetings += 1

    def retry(self) -> None:
        self.retries += 1

    async def login(self) -> None:
        self.logins += 1

    async def discover(self, *, refresh: bool = False) -> Discovery:
        self.discoveries += 1
        if self.away is not None:
            raise self.away
        return self.served

    async def get(self, resource: ApiResource, name: str, namespace: str = "") -> Obj:
        ref = ObjectRef(resource.group, resource.kind, namespace, name)
        if ref not in self.objects:
            raise NotFoundError(f"{self.name}: {ref} not found", cluster=self.name, code=404, reason="NotFound")
        return self.objects[ref]

    async def list(
        self,
        resource: ApiResource,
        namespace: str = "",
        *,
        labels: str = "",
        fields: str = "",
        metadata_only: bool = False,
    ) -> list[Obj]:
        return [obj for ref, obj in self.objects.items() if ref.group_kind == resource.group_kind]

    async def create(
        self,
        resource: ApiResource,
        obj: Obj,
        *,
        field_manager: str,
        dry_run: bool = False,
        validation: Validation = "Warn",
    ) -> Obj:
        return self._write("create", resource.full_name, obj)

    async def apply(
        self,
        resource: ApiResource,
        obj: Obj,
        *,
        field_manager: str,
        force: bool = True,
        dry_run: bool = False,
        validation: str = "Strict",
    ) -> Obj:
        return self._write("apply", f"{resource.full_name}{' dry-run' if dry_run else ''}", obj)

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
        return self._write("patch", f"{namespace}/{name}", body)

    async def replace(
        self, resource: ApiResource, obj: Obj, *, field_manager: str, subresource: str = "", dry_run: bool = False
    ) -> Obj:
        return self._write("replace", resource.full_name, obj)

    async def delete(
        self,
        resource: ApiResource,
        name: str,
        namespace: str = "",
        *,
        propagation: str | None = None,
        uid: str = "",
        dry_run: bool = False,
    ) -> None:
        self._write("delete", f"{namespace}/{name}", {})

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
        watch = FakeWatch(resource, namespace, sink, mode=(labels, fields, metadata_only))
        if fields == "metadata.name=argocd-cm":
            self.settings = watch
            watch.lists(*self.config)
        else:
            self.watches.append(watch)
        return watch

    async def close(self) -> None:
        for watch in self.watches:
            watch.close()

    def _write(self, verb: str, name: str, body: Any) -> Obj:
        self.writes.append((verb, name, body))
        return self.answer(verb, name, body)


class FakeClock:
    """A `Clock` that stands still until the test moves it."""

    def __init__(self, now: float = 1_000_000.0) -> None:
        self._now = now
        self._timers: list[FakeTimer] = []

    def now(self) -> float:
        return self._now

    def call_later(self, delay: float, callback: Callable[[], None]) -> FakeTimer:
        self._timers.append(FakeTimer(self._now + delay, callback))
        return self._timers[-1]

    def advance(self, seconds: float) -> None:
        """Moves on and runs what falls due, in its order."""
        end = self._now + seconds
        while due := sorted((t for t in self._timers if t.due <= end), key=lambda timer: timer.due):
            self._timers.remove(due[0])
            self._now = max(self._now, due[0].due)
            if not due[0].cancelled:
                due[0].callback()
        self._now = end


class FakeTimer:
    def __init__(self, due: float, callback: Callable[[], None]) -> None:
        self.due, self.callback, self.cancelled = due, callback, False

    def cancel(self) -> None:
        self.cancelled = True


class Closing:
    def __init__(self, close: Callable[[], object]) -> None:
        self._close: Callable[[], object] | None = close

    def close(self) -> None:
        close, self._close = self._close, None
        if close is not None:
            close()
