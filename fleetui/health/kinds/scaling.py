"""Health of what scales and serves: Keda and Knative.

Owns: `RULES` for the groups ``keda.sh``, ``serving.knative.dev`` and ``operator.knative.dev``. Rules: argo-cd v3.6.1
resource_customizations.
"""

from __future__ import annotations

from collections.abc import Callable

from fleetui.health.kinds.common import conditions_of, has_conditions, message, says
from fleetui.health.reading import Section, needed, text
from fleetui.health.verdicts import degraded, healthy, progressing, suspended
from fleetui.model.status import Health


def _scaled(waiting: str, *bad: tuple[str, str]) -> Callable[[Section], Health]:
    """Degraded by `bad` conditions besides Ready=False; the last condition that counts has the word."""

    def rule(obj: Section) -> Health:
        said, ready, failed, paused = "", False, False, False
        for condition in conditions_of(obj):
            fails = says(condition, "Ready", "False") or any(says(condition, *each) for each in bad)
            fits, pauses = says(condition, "Ready", "True"), says(condition, "Paused", "True")
            if fails or fits or pauses:
                said = message(condition)
            failed, ready, paused = failed or fails, ready or fits, paused or pauses
        if failed:
            return degraded(said)
        if ready:
            return suspended(said) if paused else healthy(said)
        return progressing(waiting)

    return rule


def knative_service(obj: Section) -> Health:
    if not has_conditions(obj):
        return progressing("Waiting for status update.")
    fine = failed = unknown = 0
    said = ""
    for condition in conditions_of(obj):
        status = condition.get("status")
        if status == "True" and condition.get("type") in ("ConfigurationsReady", "RoutesReady", "Ready"):
            fine += 1
        elif status in ("False", "Unknown"):
            said += f"{_trouble(condition)}\n"
            failed += status == "False"
            unknown += status == "Unknown"
    if (fine, failed, unknown) == (3, 0, 0):
        return healthy("Knative Service is healthy.")
    return degraded(said) if failed else progressing(said)


def _trouble(condition: Section) -> str:
    reason, said = text(condition, "reason"), message(condition)
    told = f"{needed(condition, 'type')} is {text(condition, 'status')}"
    return f"{told}{f', since {reason}.' if reason else ''}{f' {said}' if said else ''}"


def _installed(called: str, *wanted: str, may_fail: tuple[str, ...]) -> Callable[[Section], Health]:
    """What Knative's operator installs: exactly the `wanted` conditions are True."""

    def rule(obj: Section) -> Health:
        if not has_conditions(obj):
            return progressing(f"Waiting for {called}")
        told, fine, waiting = "", 0, 0
        for place, condition in enumerate(conditions_of(obj), 1):
            kind, status = needed(condition, "type"), needed(condition, "status")
            told += f"{place}: {kind} | {status}\n"
            fine += kind in wanted and status == "True"
            waiting += status == "Unknown" or (kind in may_fail and status == "False")
        if waiting:
            return progressing(told)
        return healthy(f"{called} is healthy.") if fine == len(wanted) else degraded(told)

    return rule


RULES: dict[tuple[str, str], Callable[[Section], Health | None]] = {
    ("keda.sh", "ScaledJob"): _scaled("Waiting for ScaledJob", ("Ready", "Unknown")),
    ("keda.sh", "ScaledObject"): _scaled("Creating HorizontalPodAutoscaler Object", ("Fallback", "True")),
    ("serving.knative.dev", "Service"): knative_service,
    ("operator.knative.dev", "KnativeEventing"): _installed(
        "KnativeEventing", "Ready", "InstallSucceeded", may_fail=("Ready",)
    ),
    ("operator.knative.dev", "KnativeServing"): _installed(
        "KnativeServing",
        "Ready",
        "InstallSucceeded",
        "DependenciesInstalled",
        "DeploymentsAvailable",
        may_fail=("Ready", "DeploymentsAvailable"),
    ),
}
