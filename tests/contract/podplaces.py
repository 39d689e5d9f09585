"""Where the contract tests of pod streams run: Pods of an embedded server, and of a node of a real one.

Owns: `Place` and its two kinds. Both are looked at with fleetui's own client, `backends.kube`: the other end of it is
what is tested here, together with it.
"""

from __future__ import annotations

import socket
import threading
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from contextlib import asynccontextmanager, contextmanager
from pathlib import Path
from typing import Any, Protocol

from backends.embedded.cluster import EmbeddedCluster
from backends.embedded.controllers.manager import Controllers
from backends.embedded.controllers.world import Timing
from backends.embedded.deletion import DeleteOptions
from backends.embedded.thread import EmbeddedHost
from backends.kube.cluster import KubeCluster
from backends.kube.kubeconfig import load
from fleetui.model.objects import ApiResource
from tests.controlplane.node import LocalNode
from tests.controlplane.server import ControlPlane
from tests.waiting import await_until

Json = dict[str, Any]
POD = ApiResource("", "v1", "Pod", "pods", namespaced=True)
AGE = 120.0
"""Seconds that a container of a test has been running."""


class Place(Protocol):
    """One server with Pods of which something runs."""

    namespace: str
    kubeconfig: Path
    viewers: Path
    """The kubeconfig that has the second user."""
    viewer: str
    """The context of the kubeconfig whose user may do what roles let him do; empty: it is another kubeconfig's."""
    echo_port: int
    """A port of each Pod that sends back what it is sent."""

    def spec(self, **container: Any) -> Json:
        """The spec of a Pod of one container that runs ``cat``."""
        ...

    def logged(self, pod: str) -> None:
        """Sees to it that the Pod's container has written a few lines in the last `AGE` seconds."""
        ...

    def write(self, pod: str) -> None:
        """Has the container write one line more."""
        ...

    def end(self, pod: str) -> None:
        """Ends the container."""
        ...

    def only_v4(self) -> None:
        """Is from here on a server that knows no newer protocol than v4."""
        ...


class EmbeddedPlace:
    echo_port = 7
    viewer = "pods-viewer"

    def __init__(self, folder: Path, namespace: str) -> None:
        self.namespace = namespace
        self._ahead = 0.0
        self._cluster = EmbeddedCluster("pods", clock=lambda: time.time() + self._ahead)
        self._host = EmbeddedHost([self._cluster])
        self._host.start()
        self.kubeconfig = self._host.kubeconfig(folder / "config")
        self.viewers = self._host.kubeconfig(folder / "config-viewers", viewers=True)
        self._controllers = Controllers(self._cluster.store, cluster="pods", timing=Timing.immediate())
        self._host.run(self._controllers.start)
        self.create({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": namespace}})

    @property
    def url(self) -> str:
        return self._cluster.url

    @property
    def token(self) -> str:
        return self._cluster.token

    def close(self) -> None:
        self._host.run(self._controllers.stop)
        self._host.stop()

    def create(self, obj: Json) -> None:
        self._host.run(lambda: self._cluster.store.create(obj, manager="test"))

    def is_running(self, pod: str) -> bool:
        status = self._pod(pod).get("status") or {}
        return any("running" in one["state"] for one in status.get("containerStatuses") or ())

    def pod_of(self, prefix: str) -> str:
        """The name of a Pod that begins with `prefix`."""
        pods = self._host.run(lambda: self._cluster.store.list("", "Pod", self.namespace))
        return next(str(pod["metadata"]["name"]) for pod in pods if pod["metadata"]["name"].startswith(prefix))

    def _pod(self, name: str) -> Json:
        found: Json = self._host.run(lambda: self._cluster.store.get("", "Pod", self.namespace, name))
        return found

    def spec(self, **container: Any) -> Json:
        main = {"name": "main", "image": "registry.example.com/echo:1", "command": ["cat"], "stdin": True}
        return {"containers": [main | {"ports": [{"containerPort": self.echo_port}]} | container]}

    def logged(self, pod: str) -> None:
        self._ahead += AGE

    def write(self, pod: str) -> None:
        self._ahead += 15.0

    def end(self, pod: str) -> None:
        resource = self._cluster.store.resources.by_kind("", "Pod")
        assert resource is not None
        self._host.run(lambda: self._cluster.store.remove(resource, self.namespace, pod, DeleteOptions()))

    def only_v4(self) -> None:
        self._cluster.server.protocols = ("v4.channel.k8s.io",)


class RealPlace:
    viewer = ""

    def __init__(self, plane: ControlPlane, node: LocalNode, namespace: str, echo_port: int) -> None:
        self.namespace = namespace
        self.kubeconfig = plane.kubeconfig()
        self.viewers = plane.kubeconfig("viewer")
        self.echo_port = echo_port
        self._node = node

    def spec(self, **container: Any) -> Json:
        main = {"name": "main", "image": "registry.example.com/echo:1", "command": ["cat"], "stdin": True}
        return {"nodeName": self._node.name, "containers": [main | container]}

    def logged(self, pod: str) -> None:
        start = time.time() - AGE
        lines = [(start + 10 * at, "stderr" if at % 3 == 2 else "stdout", b"line %d" % at) for at in range(10)]
        self._node.write_log(self._node.folder(self.namespace, pod), lines)
        self._node.write_log(self._node.folder(self.namespace, pod, "crashing"), lines[:3], previous=True)

    def write(self, pod: str) -> None:
        self._node.write_log(self._node.folder(self.namespace, pod), [(time.time(), "stdout", b"one more")])

    def end(self, pod: str) -> None:
        (self._node.folder(self.namespace, pod) / "ended").touch()
        self.write(pod)

    def only_v4(self) -> None:
        """A client that asks for no more than v4 is passed on by the real server to a node's server that has no more
        either: that is how older ones answer."""


@contextmanager
def echoing() -> Iterator[int]:
    """A port of loopback that sends back what it is sent."""

    def serve(connection: socket.socket) -> None:
        with connection:
            while data := connection.recv(65536):
                connection.sendall(data)

    def accept() -> None:
        while True:
            try:
                connection, _ = listener.accept()
            except OSError:
                return
            threading.Thread(target=serve, args=(connection,), daemon=True).start()

    listener = socket.create_server(("127.0.0.1", 0))
    thread = threading.Thread(target=accept, daemon=True)
    thread.start()
    yield listener.getsockname()[1]
    listener.shutdown(socket.SHUT_RDWR)
    listener.close()
    thread.join()


@asynccontextmanager
async def connected(place: Place, *, viewer: bool = False) -> AsyncIterator[KubeCluster]:
    """A client of the place's administrator, or of its second user."""
    kubeconfig = load([place.viewers if viewer else place.kubeconfig])
    named = viewer and place.viewer
    cluster = KubeCluster(kubeconfig.context(place.viewer) if named else kubeconfig.context())
    try:
        yield cluster
    finally:
        await cluster.close()


async def start_pod(
    cluster: KubeCluster, place: Place, name: str, spec: Json | None = None, *, state: str = "running"
) -> None:
    """Makes a Pod and waits until its last container is in `state` (running or waiting; empty: for nothing)."""
    meta = {"name": name, "namespace": place.namespace}
    body = {"apiVersion": "v1", "kind": "Pod", "metadata": meta, "spec": spec or place.spec()}
    await cluster.create(POD, body, field_manager="test")

    async def reached() -> bool:
        status = (await cluster.get(POD, name, place.namespace)).get("status") or {}
        containers = status.get("containerStatuses") or [{}]
        return not state or state in (containers[-1].get("state") or {})

    look: Callable[[], bool | Awaitable[bool]] = reached
    await await_until(look, 20, f"a container of Pod {name} is {state}")
