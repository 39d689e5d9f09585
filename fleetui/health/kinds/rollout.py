"""Health of an Argo Rollout.

Owns: `rollout`. Rules: argo-cd v3.6.1 resource_customizations/argoproj.io/Rollout/health.lua.
"""

from __future__ import annotations

from fleetui.health.kinds.common import conditions_of, has_conditions, message
from fleetui.health.reading import OddObjectError, Section, number, section, text, type_name
from fleetui.health.verdicts import HEALTHY, degraded, progressing, suspended, unknown
from fleetui.model.status import Health, HealthStatus


def rollout(obj: Section) -> Health:
    """The phase that Argo Rollouts 1.0 writes; before it, from conditions and replicas."""
    if not (_is_observed(obj) and _is_workload_observed(obj)):
        return progressing("Waiting for rollout spec update to be observed")
    status = section(obj, "status")
    if status.get("phase") is not None:
        return _phase(status)
    if not has_conditions(obj):
        raise OddObjectError("status.conditions is missing")
    for condition in conditions_of(obj):
        stopped = condition.get("type") == "Progressing" and condition.get("reason") in (
            "RolloutAborted",
            "ProgressDeadlineExceeded",
        )
        if condition.get("type") == "InvalidSpec" or stopped:
            return degraded(message(condition))
    return _before_phases(section(obj, "spec"), status)


def _phase(status: Section) -> Health:
    phase, said = text(status, "phase"), text(status, "message")
    if phase == "Paused":
        return suspended(said)
    try:
        return Health(HealthStatus(phase), said)
    except ValueError:
        return unknown("Lua returned an invalid health status")


def _is_observed(obj: Section) -> bool:
    if obj.get("status") is None:
        return False
    observed = _as_number(section(obj, "status").get("observedGeneration"))
    generation = number(section(obj, "metadata"), "generation")
    # Rollouts before 0.10 wrote a hash there.
    return observed is None or observed >= generation


def _is_workload_observed(obj: Section) -> bool:
    annotations = section(obj, "metadata").get("annotations")
    if section(obj, "spec").get("workloadRef") is None or annotations is None:
        return True
    if not isinstance(annotations, dict):
        raise OddObjectError(f"annotations is {type_name(annotations)}, not a map")
    wanted = _as_number(annotations.get("rollout.argoproj.io/workload-generation"))
    return wanted == _as_number(section(obj, "status").get("workloadObservedGeneration"))


def _before_phases(spec: Section, status: Section) -> Health:
    if status.get("pauseConditions") or spec.get("paused"):
        return suspended("Rollout is paused")
    current = status.get("currentPodHash")
    if current is None:
        return progressing("Waiting for rollout to finish: status has not been reconciled.")
    wanted = 1 if spec.get("replicas") is None else number(spec, "replicas")
    updated = number(status, "updatedReplicas")
    if updated < wanted:
        return progressing("Waiting for roll out to finish: More replicas need to be updated")
    if number(status, "availableReplicas") < updated:
        return progressing("Waiting for roll out to finish: updated replicas are still becoming available")
    if spec.get("strategy") is None:
        raise OddObjectError("spec.strategy is missing")
    return _by_strategy(section(spec, "strategy"), status, str(current))


def _by_strategy(strategy: Section, status: Section, current: str) -> Health:
    stable = _stable(status)
    if strategy.get("blueGreen") is not None:
        if section(status, "blueGreen").get("activeSelector") != current:
            return progressing("active service cutover pending")
        if stable not in ("", current):
            return progressing("waiting for analysis to complete")
    elif strategy.get("canary") is not None:
        if number(status, "replicas") > number(status, "updatedReplicas"):
            return progressing("Waiting for roll out to finish: old replicas are pending termination")
        if stable != current or not current:
            return progressing("Waiting for rollout to finish steps")
    return HEALTHY


def _stable(status: Section) -> object:
    if status.get("stableRS") is not None:
        return status.get("stableRS")
    return section(status, "canary").get("stableRS") if status.get("canary") is not None else ""


def _as_number(value: object) -> float | None:
    """As Lua's tonumber reads it."""
    try:
        return float(value) if isinstance(value, int | float | str) and not isinstance(value, bool) else None
    except ValueError:
        return None
