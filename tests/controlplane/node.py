"""A node of a real control plane: owns its server's process, its Node object and what its containers wrote.

Started by fixtures.py for the tests that need it. The server is kubelet.go: Kubernetes' own kubelet server over
processes of this machine. Which status a Pod has is still kubelet.py's to say.
"""

from __future__ import annotations

import shutil
import socket
from collections.abc import Iterable, Iterator
from contextlib import closing, contextmanager
from datetime import UTC, datetime
from pathlib import Path
from types import TracebackType
from typing import Self

from tests.controlplane.api import Json
from tests.controlplane.process import Component, ControlPlaneError, free_ports
from tests.controlplane.server import START_TIMEOUT, ControlPlane
from tests.waiting import wait_until


class LocalNode:
    """A node on loopback: a Pod that names it in its spec has its logs, commands and ports here.

    A command runs in the container's folder; a port of a Pod is that port of loopback.
    """

    def __init__(self, plane: ControlPlane, command: list[str]) -> None:
        self.name = "local"
        (self.port,) = free_ports(1)
        self._plane = plane
        self._folder = plane.logs / "containers"
        arguments = [*command, f"--port={self.port}", f"--folder={self._folder}"]
        self._server = Component("kubelet-server", arguments, folder=plane.logs)

    def __enter__(self) -> Self:
        self._folder.mkdir(exist_ok=True)
        self._start()
        with closing(self._plane.api()) as api:
            made = api.request("POST", "/api/v1/nodes", body=self._node())
            if not made.ok:
                raise ControlPlaneError(f"the node could not be made: {made.message}")
            status = api.request("PUT", f"/api/v1/nodes/{self.name}/status", body=made.body | self._node())
            if not status.ok:
                raise ControlPlaneError(f"the node's address could not be told: {status.message}")
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        with closing(self._plane.api()) as api:
            api.request("DELETE", f"/api/v1/nodes/{self.name}")
        self._server.stop()
        shutil.rmtree(self._folder, ignore_errors=True)

    @contextmanager
    def away(self) -> Iterator[None]:
        """Nobody listens on the node's port within a `with`."""
        self._server.stop()
        try:
            yield
        finally:
            self._start()

    def _start(self) -> None:
        self._server.start()
        wait_until(self._listens, START_TIMEOUT, "the node's server listens")

    def folder(self, namespace: str, pod: str, container: str = "main") -> Path:
        """Where a container's commands run; made where it does not exist."""
        folder = self._folder / namespace / pod / container
        folder.mkdir(parents=True, exist_ok=True)
        return folder

    def write_log(self, folder: Path, lines: Iterable[tuple[float, str, bytes]], *, previous: bool = False) -> None:
        """Appends to a container's log.

        Args:
            lines: time (seconds since the epoch), stream (stdout or stderr) and text of each.
            previous: to that of its last life.
        """
        with (folder / ("previous.log" if previous else "log")).open("ab") as log:
            for time, stream, text in lines:
                stamp = datetime.fromtimestamp(time, UTC).strftime("%Y-%m-%dT%H:%M:%S.%f000Z")
                log.write(f"{stamp} {stream} F ".encode() + text + b"\n")

    def _listens(self) -> bool:
        self._server.insist()
        with socket.socket() as client:
            return client.connect_ex(("127.0.0.1", self.port)) == 0

    def _node(self) -> Json:
        return {
            "apiVersion": "v1",
            "kind": "Node",
            "metadata": {"name": self.name},
            "status": {
                "addresses": [{"type": "InternalIP", "address": "127.0.0.1"}],
                "daemonEndpoints": {"kubeletEndpoint": {"Port": self.port}},
            },
        }
