"""What one live object that is in trouble waits for, read from the object itself.

Owns: `stuck`. Called by `fleetui.fleet.why`. Pure; a field of an odd type is as good as none.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from fleetui.engine.application import mapping, mappings
from fleetui.fleet.causes import Cause, told_by

_IMAGE = frozenset({"ErrImagePull", "ImagePullBackOff", "InvalidImageName", "ErrImageNeverPull", "RegistryUnavailable"})
_CONFIG = frozenset({"CreateContainerConfigError", "CreateContainerError", "RunContainerError"})


def stuck(obj: Mapping[str, Any]) -> Cause | None:
    """What `obj` waits for; None where it does not say."""
    return _finalizers(obj) or (_pod(obj) if obj.get("kind") == "Pod" else None) or _conditions(obj)


def _finalizers(obj: Mapping[str, Any]) -> Cause | None:
    metadata = mapping(obj.get("metadata"))
    finalizers = metadata.get("finalizers")
    if not metadata.get("deletionTimestamp") or not isinstance(finalizers, list) or not finalizers:
        return None
    names = ", ".join(str(name) for name in finalizers)
    words = f"{_name(obj)} is deleted, and stays until the finalizer {names} is removed"
    return Cause("Finalizer", words, "Its controller removes it; see whether that runs")


def _pod(obj: Mapping[str, Any]) -> Cause | None:
    spec, status = mapping(obj.get("spec")), mapping(obj.get("status"))
    images = {
        str(one.get("name")): one.get("image")
        for key in ("initContainers", "containers")
        for one in mappings(spec.get(key))
    }
    for container in (*mappings(status.get("initContainerStatuses")), *mappings(status.get("containerStatuses"))):
        cause = _container(obj, container, str(images.get(str(container.get("name"))) or container.get("image")))
        if cause is not None:
            return cause
    for condition in mappings(status.get("conditions")):
        if condition.get("type") == "PodScheduled" and condition.get("status") == "False":
            found = told_by(str(condition.get("message") or ""))
            words = found.words if found is not None else str(condition.get("message") or "no node takes it")
            return Cause("Unschedulable", f"{_name(obj)}: {words}")
    return None


def _container(obj: Mapping[str, Any], container: Mapping[str, Any], image: str) -> Cause | None:
    state, last = mapping(container.get("state")), mapping(container.get("lastState"))
    waiting = mapping(state.get("waiting"))
    reason, message = str(waiting.get("reason") or ""), str(waiting.get("message") or "")
    name = container.get("name")
    if reason in _IMAGE:
        detail = f": {message}" if message and reason != "ImagePullBackOff" else ""
        words = f"{_name(obj)} can't pull the image {image}{detail}"
        return Cause("ImagePull", words, "See to its name, its tag and the registry's login")
    if reason in _CONFIG:
        return Cause("ContainerConfig", f"{_name(obj)}: container {name} can't be made: {message or reason}")
    ended = mapping(state.get("terminated")) or mapping(last.get("terminated"))
    if ended.get("reason") == "OOMKilled":
        words = f"{_name(obj)}: container {name} was killed because it used more memory than its limit"
        return Cause("OutOfMemory", words, "Raise the limit, or see what uses it")
    if reason == "CrashLoopBackOff":
        code = f" with exit code {ended['exitCode']}" if "exitCode" in ended else ""
        restarts = container.get("restartCount")
        words = f"{_name(obj)}: container {name} ends{code} again and again, {restarts} times so far"
        return Cause("CrashLoop", words, "Its log says why: fleetui logs --previous")
    return None


def _conditions(obj: Mapping[str, Any]) -> Cause | None:
    """What a condition says that a controller has refused or can't do."""
    for condition in mappings(mapping(obj.get("status")).get("conditions")):
        found = told_by(str(condition.get("message") or ""))
        if found is not None:
            return Cause(found.name, f"{_name(obj)}: {found.words}", found.remedy)
    return None


def _name(obj: Mapping[str, Any]) -> str:
    return f"{obj.get('kind')} {mapping(obj.get('metadata')).get('name')}"
