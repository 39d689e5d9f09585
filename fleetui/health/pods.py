"""The health of Pods.

Owns: the rule of argo-cd v3.6.1 (gitops-engine/pkg/health/health_pod.go). Called through the table in `assessment`;
odd fields raise `OddObjectError`.
"""

from __future__ import annotations

from fleetui.health.hooks import annotations_of, is_hook
from fleetui.health.reading import (
    Section,
    condition,
    number,
    optional_section,
    section,
    sections,
    text,
)
from fleetui.health.verdicts import degraded, healthy, progressing, unknown
from fleetui.model.status import Health
from fleetui.model.text import go_quoted

_IGNORE_RESTART_POLICY = "argocd.argoproj.io/ignore-restart-policy"


def pod(obj: Section) -> Health:
    """A container that can't start, then the phase; a pod that may end is never Healthy while it runs.

    A hook that waits for its image must not fail its phase, so the first test is left to pods that are to stay
    (restart policy `Always`, or annotated so and no hook).
    """
    policy = text(section(obj, "spec"), "restartPolicy")
    status = section(obj, "status")
    stays = policy == "Always" or _told_to_stay(obj)
    if stays and (stuck := _stuck_containers(status)) is not None:
        return degraded(stuck)
    message = text(status, "message")
    match text(status, "phase"):
        case "Pending":
            return progressing(message)
        case "Succeeded":
            return healthy(message)
        case "Failed":
            return degraded(message or _failure(status))
        case "Running" if stays:
            return _running(status, message)
        case "Running" if policy in {"OnFailure", "Never"}:
            return progressing(message)
    return unknown(message)


def _told_to_stay(obj: Section) -> bool:
    return annotations_of(obj).get(_IGNORE_RESTART_POLICY) == "true" and not is_hook(obj)


def _stuck_containers(status: Section) -> str | None:
    """The messages of the containers that wait for something that went wrong; None where none does."""
    messages = []
    for container in sections(status, "containerStatuses"):
        waiting = section(section(container, "state"), "waiting")
        reason = text(waiting, "reason")
        if reason.startswith("Err") or reason.endswith(("Error", "BackOff")):
            messages.append(text(waiting, "message"))
    return ", ".join(messages) if messages else None


def _failure(status: Section) -> str:
    for container in sections(status, "initContainerStatuses") + sections(status, "containerStatuses"):
        if message := _container_failure(container):
            return message
    return ""


def _container_failure(container: Section) -> str:
    terminated = section(section(container, "state"), "terminated")
    if message := text(terminated, "message"):
        return message
    if text(terminated, "reason") == "OOMKilled":
        return "OOMKilled"
    if code := number(terminated, "exitCode"):
        return f"container {go_quoted(text(container, 'name'))} failed with exit code {code}"
    return ""


def _running(status: Section, message: str) -> Health:
    ready = condition(status, "Ready")
    if ready is not None and text(ready, "status") == "True":
        return healthy(message)
    for container in sections(status, "containerStatuses"):
        if optional_section(section(container, "lastState"), "terminated") is not None:
            return degraded(message)
    return progressing(message)
