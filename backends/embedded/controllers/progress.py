"""The status of a Deployment: its numbers and its conditions. Pure.

Owns: reasons and messages of ``Available`` and ``Progressing``. Called by `deployments`. After kubernetes
`pkg/controller/deployment/{progress,sync}.go` (`syncRolloutStatus`, `calculateStatus`, `checkPausedConditions`).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from backends.embedded.controllers import conditions
from backends.embedded.controllers.conditions import Condition
from backends.embedded.controllers.rollout import max_unavailable, replicas_of, status_of
from fleetui.model.objects import Obj
from fleetui.model.times import format_time, parse_time

DEFAULT_DEADLINE = 600
"""`spec.progressDeadlineSeconds` where it is not given."""


def counts(deployment: Obj, new: Obj | None, sets: Sequence[Obj]) -> Obj:
    """The numbers of the status; zeros are left out, as Kubernetes' JSON has it."""
    available = sum(status_of(rs, "availableReplicas") for rs in sets)
    numbers = {
        "replicas": sum(status_of(rs, "replicas") for rs in sets),
        "updatedReplicas": status_of(new, "replicas") if new else 0,
        "readyReplicas": sum(status_of(rs, "readyReplicas") for rs in sets),
        "availableReplicas": available,
        # Pods and not wishes: what is short of the total that the ReplicaSets ask for.
        "unavailableReplicas": max(0, sum(map(replicas_of, sets)) - available),
    }
    collisions = (deployment.get("status") or {}).get("collisionCount")
    return {
        "observedGeneration": deployment["metadata"].get("generation", 1),
        **{field: number for field, number in numbers.items() if number},
        "terminatingReplicas": sum(status_of(rs, "terminatingReplicas") for rs in sets),
        **({"collisionCount": collisions} if collisions else {}),
    }


def condition(kind: str, status: str, reason: str, *, message: str, now: float) -> Condition:
    """A `DeploymentCondition` as of `now` (seconds since the epoch)."""
    stamp = format_time(now)
    return {
        "type": kind,
        "status": status,
        "lastUpdateTime": stamp,
        "lastTransitionTime": stamp,
        "reason": reason,
        "message": message,
    }


def available(deployment: Obj, numbers: Obj, now: float) -> Condition:
    enough = numbers.get("availableReplicas", 0) >= replicas_of(deployment) - max_unavailable(deployment)
    if enough:
        reason, message = "MinimumReplicasAvailable", "Deployment has minimum availability."
    else:
        reason, message = "MinimumReplicasUnavailable", "Deployment does not have minimum availability."
    return condition("Available", "True" if enough else "False", reason, message=message, now=now)


def complete(deployment: Obj, numbers: Obj) -> bool:
    """Whether the roll-out is done (``DeploymentComplete``)."""
    wanted = replicas_of(deployment)
    return all(numbers.get(field, 0) == wanted for field in ("updatedReplicas", "replicas", "availableReplicas"))


def advanced(old: Mapping[str, Any], new: Mapping[str, Any]) -> bool:
    """Whether anything came nearer to the end since the last status (``DeploymentProgressing``)."""

    def stale(status: Mapping[str, Any]) -> int:
        return int(status.get("replicas", 0)) - int(status.get("updatedReplicas", 0))

    grew = ("updatedReplicas", "readyReplicas", "availableReplicas")
    return stale(new) < stale(old) or any(new.get(field, 0) > old.get(field, 0) for field in grew)


def statements(deployment: Obj, new: Obj | None, numbers: Obj, *, now: float) -> list[Condition]:
    """All conditions as they are to be, after the numbers of the next status."""
    old = list((deployment.get("status") or {}).get("conditions") or ())
    found = conditions.put_last(old, available(deployment, numbers, now))
    current = conditions.find(old, "Progressing")
    if deployment["spec"].get("paused") or (current and current["reason"] == "DeploymentPaused"):
        return _pause(deployment, found, now=now)
    finished = current is not None and current["reason"] == "NewReplicaSetAvailable"
    if finished and numbers.get("replicas", 0) == numbers.get("updatedReplicas", 0):
        return found  # not judged again when a Pod comes and goes
    fresh = _progress(deployment, new, numbers, now=now)
    if fresh is None:
        return found
    if fresh["status"] == "True" and fresh["reason"] == "ReplicaSetUpdated" and current is not None:
        if current["status"] == "True":
            fresh["lastTransitionTime"] = current["lastTransitionTime"]
        found = conditions.without(found, "Progressing")
    return conditions.put_last(found, fresh)


def _pause(deployment: Obj, found: list[Condition], *, now: float) -> list[Condition]:
    current = conditions.find(found, "Progressing")
    if current is not None and current["reason"] == "ProgressDeadlineExceeded":
        return found
    reason, message = "DeploymentResumed", "Deployment is resumed"
    if deployment["spec"].get("paused"):
        reason, message = "DeploymentPaused", "Deployment is paused"
    return conditions.put_last(found, condition("Progressing", "Unknown", reason, message=message, now=now))


def _progress(deployment: Obj, new: Obj | None, numbers: Obj, *, now: float) -> Condition | None:
    name = deployment["metadata"]["name"]
    who = f'ReplicaSet "{new["metadata"]["name"]}"' if new else f'Deployment "{name}"'
    if complete(deployment, numbers):
        message = f"{who} has successfully progressed."
        return condition("Progressing", "True", "NewReplicaSetAvailable", message=message, now=now)
    if advanced(deployment.get("status") or {}, numbers):
        message = f"{who} is progressing."
        return condition("Progressing", "True", "ReplicaSetUpdated", message=message, now=now)
    left = seconds_left(deployment, now)
    if left is not None and left <= 0:
        message = f"{who} has timed out progressing."
        return condition("Progressing", "False", "ProgressDeadlineExceeded", message=message, now=now)
    return None


def seconds_left(deployment: Obj, now: float) -> float | None:
    """Seconds until the roll-out counts as stuck; None where no deadline runs."""
    progress = conditions.find((deployment.get("status") or {}).get("conditions"), "Progressing")
    if progress is None or progress["reason"] in {"NewReplicaSetAvailable", "ProgressDeadlineExceeded"}:
        return None
    if deployment["spec"].get("paused"):
        return None
    since = parse_time(progress.get("lastUpdateTime")) or now
    deadline = deployment["spec"].get("progressDeadlineSeconds")
    return since + (DEFAULT_DEADLINE if deadline is None else int(deadline)) - now
