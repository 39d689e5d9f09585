"""What a Pod that is in trouble waits for, and which log tells why a container of it ended.

Owns: `stuck_pod`, `crashed`. Called by `fleetui.fleet.stuck` and `fleetui.fleet.asking`. Pure. Reasons are those of
the kubelet (Kubernetes 1.37 pkg/kubelet/images/types.go, pkg/kubelet/kuberuntime/kuberuntime_container.go).
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any, NamedTuple

from fleetui.engine.application import mapping, mappings, text, whole
from fleetui.fleet.causes import Cause, told_by

_IMAGE = frozenset({"ErrImagePull", "ImagePullBackOff", "InvalidImageName", "ErrImageNeverPull", "RegistryUnavailable"})
_CONFIG = frozenset({"CreateContainerConfigError", "CreateContainerError", "RunContainerError"})
_PULL = "Check the image's name and tag, and the registry's login"


class Crashed(NamedTuple):
    """A container that ended badly; `previous`: its log is that of its last life, because a new one is waited for."""

    container: str
    previous: bool


def stuck_pod(name: str, pod: Mapping[str, Any]) -> Cause | None:
    """What a Pod, called `name` in sentences, waits for; None where it does not say."""
    spec, status = mapping(pod.get("spec")), mapping(pod.get("status"))
    images = {
        text(one.get("name")): one.get("image")
        for key in ("initContainers", "containers")
        for one in mappings(spec.get(key))
    }
    for container in _containers(status):
        cause = _container(name, pod, container, str(images.get(text(container.get("name"))) or container.get("image")))
        if cause is not None:
            return cause
    for condition in mappings(status.get("conditions")):
        if condition.get("type") == "PodScheduled" and condition.get("status") == "False":
            message = text(condition.get("message"))
            found = told_by(message)
            return Cause("Unschedulable", f"{name}: {found.words if found else message or 'no node takes it'}")
    if status.get("reason") == "Evicted":
        return Cause("Evicted", f"{name} was evicted: {text(status.get('message'))}")
    return None


def crashed(pod: Mapping[str, Any]) -> Crashed | None:
    """The container whose log says why the Pod is in trouble; None where none has ended badly."""
    for container in _containers(mapping(pod.get("status"))):
        state, last = mapping(container.get("state")), mapping(container.get("lastState"))
        if whole(mapping(state.get("terminated")).get("exitCode")):
            return Crashed(text(container.get("name")), previous=False)
        if whole(mapping(last.get("terminated")).get("exitCode")) and container.get("ready") is not True:
            return Crashed(text(container.get("name")), previous=True)
    return None


def _pull_error(message: str) -> str:
    """The last part of what the runtime says, which wraps one error in another; the back-off alone says nothing."""
    _, _, error = message.rpartition("ErrImagePull: ")
    if error.startswith("Back-off"):
        return ""
    last = error.rpartition(": ")[2]
    return f": {error if last.startswith('http') else last}" if last else ""


def _containers(status: Mapping[str, Any]) -> Iterator[Mapping[str, Any]]:
    for key in ("initContainerStatuses", "containerStatuses"):
        yield from mappings(status.get(key))


def _container(name: str, pod: Mapping[str, Any], container: Mapping[str, Any], image: str) -> Cause | None:
    state, last = mapping(container.get("state")), mapping(container.get("lastState"))
    waiting = mapping(state.get("waiting"))
    reason, message = text(waiting.get("reason")), text(waiting.get("message"))
    called = container.get("name")
    if reason in _IMAGE:
        return Cause("ImagePull", f"{name} can't pull the image {image}{_pull_error(message)}", _PULL)
    if reason in _CONFIG:
        return Cause("ContainerConfig", f"{name}: container {called} can't be made: {message or reason}")
    ended = mapping(state.get("terminated")) or mapping(last.get("terminated"))
    if ended.get("reason") == "OOMKilled":
        words = f"{name}: container {called} was killed because it used more memory than its limit"
        return Cause("OutOfMemory", words, "Raise the limit, or see what uses it")
    code = f" with exit code {ended['exitCode']}" if "exitCode" in ended else ""
    if reason == "CrashLoopBackOff":
        words = f"{name}: container {called} ends{code} again and again, {container.get('restartCount')} times so far"
        return Cause("CrashLoop", words, f"The log says why: {_logs(pod)} -c {called} --previous")
    if whole(mapping(state.get("terminated")).get("exitCode")):
        words = f"{name}: container {called} ended{code}"
        return Cause("ContainerFailed", words, f"The log says why: {_logs(pod)} -c {called}")
    return None


def _logs(pod: Mapping[str, Any]) -> str:
    metadata = mapping(pod.get("metadata"))
    return f"fleetui logs {metadata.get('namespace')}/{metadata.get('name')}"
