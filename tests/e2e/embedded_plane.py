"""The embedded cluster as a control plane for stories: server and controllers on a thread of the test process.

Owns: `EmbeddedPlane`. It is for stories what tests/controlplane/server.py is, without Go, etcd or kubectl.
"""

from __future__ import annotations

import os
import shutil
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from backends.embedded.cluster import EmbeddedCluster
from backends.embedded.controllers.manager import Controllers
from backends.embedded.controllers.world import Timing
from backends.embedded.thread import EmbeddedHost
from tests.controlplane.build import Unavailable, find_or_build

NAME = "embedded"


class EmbeddedPlane:
    """One embedded cluster in which nothing takes time; a context manager.

    Args:
        folder: where its kubeconfig is written.
    """

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._cluster = EmbeddedCluster(NAME)
        self._host = EmbeddedHost([self._cluster])
        self._controllers = Controllers(self._cluster.store, cluster=NAME, timing=Timing.immediate())

    def __enter__(self) -> EmbeddedPlane:
        self._host.start()
        self._host.run(self._controllers.start)
        return self

    def __exit__(self, *_: object) -> None:
        self._host.run(self._controllers.stop)
        self._host.stop()

    @property
    def kubelet(self) -> EmbeddedPlane:
        """What makes Pods run: the plane itself can hold them."""
        return self

    @contextmanager
    def paused(self) -> Iterator[None]:
        """Holds Pods within a `with`; deletions go on."""
        self._host.run(self._controllers.hold_pods)
        try:
            yield
        finally:
            self._host.run(self._controllers.release_pods)

    def kubeconfig(self) -> Path:
        path = self._folder / "kubeconfig-embedded.yaml"
        return path if path.exists() else self._host.kubeconfig(path)

    def kubectl(
        self,
        *args: str,
        input: str | None = None,  # noqa: A002 - as subprocess.run has it
        check: bool = True,
    ) -> subprocess.CompletedProcess[str]:
        """Runs the kubectl of the PATH, or the one built for the control plane; skips where there is neither."""
        program = shutil.which("kubectl")
        if program is None:
            assets = find_or_build()
            if isinstance(assets, Unavailable):
                pytest.skip(f"needs kubectl, of which this story is: none on the PATH, and {assets.reason}")
            program = assets.kubectl
        done = subprocess.run(
            [program, "--kubeconfig", str(self.kubeconfig()), *args],
            input=input,
            capture_output=True,
            text=True,
            env={"PATH": os.environ.get("PATH", os.defpath), "HOME": str(self._folder)},
        )
        assert not check or done.returncode == 0, f"kubectl {' '.join(args)} failed: {done.stderr.strip()}"
        return done
