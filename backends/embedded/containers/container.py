"""One container of a Pod, as far as logs and commands are concerned. Pure.

Owns: `Container`, which one is meant, and whether it runs. Called by `podstreams` and the rest of this package. Rules
and wordings: kubernetes v1.37 pkg/registry/core/pod/strategy.go (validateContainer), pkg/kubelet/kubelet_pods.go
(validateContainerLogStatus).
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import msgspec

from backends.embedded import errors

Obj = dict[str, Any]
_WAITING = {
    "ErrImagePull": "image can't be pulled",
    "ImagePullBackOff": "trying and failing to pull image",
}


class Life(msgspec.Struct, frozen=True):
    """One run of a container: when it began (RFC 3339), when it ended (empty: it has not) and with what."""

    started: str
    ended: str = ""
    code: int = 0
    restarts: int = 0


class Container(msgspec.Struct, frozen=True):
    """A container and its Pod."""

    pod: Obj
    spec: Obj

    @property
    def name(self) -> str:
        return str(self.spec["name"])

    @property
    def image(self) -> str:
        return str(self.spec.get("image") or "")

    @property
    def pod_name(self) -> str:
        return str(self.pod["metadata"]["name"])

    @property
    def namespace(self) -> str:
        return str(self.pod["metadata"].get("namespace") or "")

    @property
    def status(self) -> Obj:
        """Its entry in the Pod's status; empty where there is none."""
        status = self.pod.get("status") or {}
        for key in ("containerStatuses", "initContainerStatuses"):
            for entry in status.get(key) or ():
                if entry["name"] == self.name:
                    return dict(entry)
        return {}

    @property
    def runs(self) -> bool:
        return "running" in (self.status.get("state") or {})

    @property
    def ports(self) -> list[int]:
        return [int(port["containerPort"]) for port in self.spec.get("ports") or ()]

    def life(self, *, previous: bool) -> Life:
        """The run whose log is asked for.

        Raises:
            ApiError: 400, there is none.
        """
        status = self.status
        state, last = status.get("state") or {}, (status.get("lastState") or {}).get("terminated")
        restarts = int(status.get("restartCount") or 0)
        where = f'container "{self.name}" in pod "{self.pod_name}"'
        if previous:
            if not last:
                why = f'previous terminated container "{self.name}" in pod "{self.pod_name}" not found'
                raise errors.bad_request(why)
            return _over(last, restarts - 1)
        if not status:
            raise errors.bad_request(f"{where} is not available")
        if "running" in state:
            return Life(started=state["running"]["startedAt"], restarts=restarts)
        over = state.get("terminated") or last
        if over:
            return _over(over, restarts)
        reason = (state.get("waiting") or {}).get("reason", "")
        raise errors.bad_request(f"{where} is waiting to start: {_WAITING.get(reason, reason)}")


def _over(terminated: Obj, restarts: int) -> Life:
    ended, code = terminated.get("finishedAt") or "", int(terminated.get("exitCode") or 0)
    return Life(started=terminated.get("startedAt") or ended, ended=ended, code=code, restarts=max(0, restarts))


def find(pod: Obj, name: str) -> Container:
    """The container that is meant; the only one where `name` is empty.

    Raises:
        ApiError: 400, there is no such container, or more than one.
    """
    pod_name = pod["metadata"]["name"]
    containers = pod["spec"].get("containers") or []
    if not name:
        if len(containers) == 1:
            return Container(pod, containers[0])
        names = " ".join(spec["name"] for spec in _all(pod))
        raise errors.bad_request(f"a container name must be specified for pod {pod_name}, choose one of: [{names}]")
    for spec in _all(pod):
        if spec["name"] == name:
            return Container(pod, spec)
    raise errors.bad_request(f"container {name} is not valid for pod {pod_name}")


def _all(pod: Obj) -> Iterator[Obj]:
    yield from pod["spec"].get("initContainers") or ()
    yield from pod["spec"].get("containers") or ()


def listening(pod: Obj) -> dict[int, Container]:
    """The ports on which something listens, and which container does."""
    found: dict[int, Container] = {}
    for spec in pod["spec"].get("containers") or ():
        container = Container(pod, spec)
        if container.runs:
            found.update(dict.fromkeys(container.ports, container))
    return found
