"""What an end-to-end story needs of a control plane, whichever it is.

Owns: `Plane`, which tests/controlplane/server.py and embedded_plane.py both are. Nothing here starts one.
"""

from __future__ import annotations

import subprocess
from contextlib import AbstractContextManager
from pathlib import Path
from typing import Protocol


class Kubelet(Protocol):
    """What makes Pods run, end and go."""

    def paused(self) -> AbstractContextManager[None]:
        """Within it Pods keep the status they have; deletions go on."""


class Plane(Protocol):
    """An API server with its controllers."""

    def kubeconfig(self) -> Path:
        """A file whose current context is an administrator's."""

    def kubectl(
        self,
        *args: str,
        input: str | None = None,  # noqa: A002 - as subprocess.run has it
        check: bool = True,
    ) -> subprocess.CompletedProcess[str]:
        """Runs kubectl; raises if it fails and `check` is on."""

    @property
    def kubelet(self) -> Kubelet: ...
