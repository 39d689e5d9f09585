"""`status` of an ApplicationSet, as Argo CD writes it.

Owns: `with_conditions` (conditions, and the health that follows from them) and `with_resources`. The rules, and every
word of the messages, are those of Argo CD v3.6.1 (`applicationset/controllers/applicationset_controller.go`,
`setApplicationSetStatusCondition`; `pkg/apis/application/v1alpha1/applicationset_types.go`, `SetConditions` and
`CalculateHealth`; `applicationset/status/resource_status.go`). Pure: the time is passed in.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any, NamedTuple

from fleetui.engine.application import GROUP, KIND, mapping, mappings, text
from fleetui.model.objects import Obj
from fleetui.model.times import format_time

MOST_RESOURCES = 5000
"""Applications that `status.resources` names; `resourcesCount` counts all (Argo CD's default)."""

ERROR_OCCURRED = "ErrorOccurred"
PARAMETERS_GENERATED = "ParametersGenerated"
RESOURCES_UP_TO_DATE = "ResourcesUpToDate"
ROLLOUT_PROGRESSING = "RolloutProgressing"
INVALID_ROLLOUT_CONFIG = "InvalidRolloutConfig"

UP_TO_DATE = "ApplicationSetUpToDate"
UPDATE_ERROR = "UpdateApplicationError"
CREATE_ERROR = "CreateApplicationError"
DELETE_ERROR = "DeleteApplicationError"
VALIDATION_ERROR = "ApplicationValidationError"
MODIFIED = "ApplicationSetModified"
ROLLOUT_COMPLETE = "ApplicationSetRolloutComplete"
ROLLOUT_ERROR = "ApplicationSetRolloutError"
INVALID_CONFIG = "ApplicationSetInvalidRolloutConfig"
VALID_CONFIG = "ApplicationSetValidRolloutConfig"


class Condition(NamedTuple):
    """One condition, without its time."""

    type: str
    holds: bool
    reason: str
    message: str


def error(reason: str, message: str) -> Condition:
    """What went wrong."""
    return Condition(ERROR_OCCURRED, True, reason, message)


ALL_GENERATED = Condition(RESOURCES_UP_TO_DATE, True, UP_TO_DATE, "All applications have been generated successfully")


def with_conditions(
    status: Mapping[str, Any], found: Sequence[Condition], *, generated: bool, rolls: bool, now: float
) -> Obj:
    """`status` with what was found, what follows from it, and the health.

    Args:
        status: as it is; conditions that are not about what was found stay.
        found: at most one of each type, and not `ParametersGenerated`.
        generated: whether the generators gave their parameters.
        rolls: whether the strategy is RollingSync; without it nothing is told of rollouts.
        now: seconds since the epoch.
    """
    problem = next((each.message for each in found if each.type == ERROR_OCCURRED), "progressive sync")
    told = [
        Condition(PARAMETERS_GENERATED, True, PARAMETERS_GENERATED, "All parameters have been generated successfully")
        if generated
        else Condition(PARAMETERS_GENERATED, False, ERROR_OCCURRED, problem)
    ]
    rollout = {ROLLOUT_PROGRESSING, INVALID_ROLLOUT_CONFIG}
    for each in found:
        if each.type in rollout and not rolls:
            continue
        told.append(each)
        if each.type == RESOURCES_UP_TO_DATE and each.holds:
            told.append(Condition(ERROR_OCCURRED, False, each.reason, each.message))
        elif each.type == ERROR_OCCURRED and each.holds:
            told.append(Condition(RESOURCES_UP_TO_DATE, False, ERROR_OCCURRED, each.message))
    evaluated = {each.type for each in told} | (set() if rolls else rollout)
    before = mappings(status.get("conditions"))
    kept = [dict(each) for each in before if text(each.get("type")) not in evaluated]
    conditions = sorted(
        [*kept, *(_written(each, before, now) for each in told)],
        key=lambda each: tuple(text(each.get(key)) for key in ("type", "status", "reason", "message")),
    )
    return {**status, "conditions": conditions, "health": health_of(conditions)}


def health_of(conditions: Iterable[Mapping[str, Any]]) -> Obj:
    """The health that conditions mean (`CalculateHealth`)."""
    holding = {text(each.get("type")): text(each.get("message")) for each in conditions if each.get("status") == "True"}
    for kind, health in (
        (ERROR_OCCURRED, "Degraded"),
        (ROLLOUT_PROGRESSING, "Progressing"),
        (RESOURCES_UP_TO_DATE, "Healthy"),
    ):
        if kind in holding:
            return {"status": health, "message": holding[kind]}
    return {"status": "Unknown", "message": "Waiting for health status to be determined"}


def with_resources(status: Mapping[str, Any], apps: Iterable[Mapping[str, Any]]) -> Obj:
    """`status` with the Applications that there are, by name, and how many."""
    resources = sorted(map(_resource, apps), key=lambda each: text(each["name"]))
    changed = {key: value for key, value in status.items() if key not in {"resources", "resourcesCount"}}
    if resources:
        changed |= {"resources": resources[:MOST_RESOURCES], "resourcesCount": len(resources)}
    return changed


def _written(found: Condition, before: Iterable[Mapping[str, Any]], now: float) -> Obj:
    """A condition with its time: that of the one that says the same, where there is one."""
    condition = {
        "type": found.type,
        "status": "True" if found.holds else "False",
        "reason": found.reason,
        "message": found.message,
    }
    same = next((each for each in before if all(each.get(key) == value for key, value in condition.items())), {})
    return {**condition, "lastTransitionTime": text(same.get("lastTransitionTime")) or format_time(now)}


def _resource(app: Mapping[str, Any]) -> Obj:
    metadata, status = mapping(app.get("metadata")), mapping(app.get("status"))
    resource = {
        "group": GROUP,
        "version": "v1alpha1",
        "kind": KIND,
        "namespace": text(metadata.get("namespace")),
        "name": text(metadata.get("name")),
        "status": text(mapping(status.get("sync")).get("status")),
    }
    health = text(mapping(status.get("health")).get("status"))
    named = {key: value for key, value in resource.items() if value}
    return {**named, "health": {"status": health} if health else {}}
