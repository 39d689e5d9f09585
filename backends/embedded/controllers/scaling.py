"""HorizontalPodAutoscalers and PodDisruptionBudgets.

Owns: keeping a target within its autoscaler's bounds, and both kinds' status. No load is simulated: within the bounds
the number of replicas stays what it is. After kubernetes `pkg/controller/{podautoscaler,disruption}`.
"""

from __future__ import annotations

from backends.embedded.controllers import conditions, pods
from backends.embedded.controllers.events import Recorder
from backends.embedded.controllers.rollout import replicas_of, share
from backends.embedded.controllers.world import AUTOSCALER, BUDGET, POD, World, deleting, matches
from fleetui.model.objects import Obj, split_api_version

_CALM = {
    "AbleToScale": ("True", "ReadyForNewScale", "recommended size matches current size"),
    "ScalingActive": (
        "True",
        "ValidMetricFound",
        "the HPA was able to successfully calculate a replica count from cpu resource utilization "
        "(percentage of request)",
    ),
    "ScalingLimited": ("False", "DesiredWithinRange", "the desired count is within the acceptable range"),
}
_NO_TARGET = {
    "AbleToScale": ("False", "FailedGetScale", "the HPA controller was unable to get the target's current scale")
}


class Autoscalers:
    """Reconciles one autoscaler at a time."""

    def __init__(self, world: World, recorder: Recorder) -> None:
        self._world = world
        self._events = recorder

    def reconcile(self, namespace: str, name: str) -> float | None:
        """Scales the target into the bounds and reports."""
        scaler = self._world.get(AUTOSCALER, namespace, name)
        if scaler is None or deleting(scaler):
            return None
        reference = scaler["spec"]["scaleTargetRef"]
        kind = split_api_version(reference.get("apiVersion", ""))[0], reference["kind"]
        target = self._world.get(kind, namespace, reference["name"]) if kind[0] == "apps" else None
        if target is None:
            self._report(scaler, _NO_TARGET, current=0, desired=0)
            return None
        current = replicas_of(target)
        low, high = int(scaler["spec"].get("minReplicas") or 1), int(scaler["spec"]["maxReplicas"])
        desired = min(max(current, low), high) if current else 0
        if desired != current:
            self._world.change({**target, "spec": {**target["spec"], "replicas": desired}})
            message = f"New size: {desired}; reason: Current number of replicas out of Spec.MinReplicas and MaxReplicas"
            self._events.normal(scaler, "SuccessfulRescale", message)
        self._report(scaler, _CALM, current=current, desired=desired)
        return None

    def _report(self, scaler: Obj, wanted: dict[str, tuple[str, str, str]], *, current: int, desired: int) -> None:
        found = list((scaler.get("status") or {}).get("conditions") or ())
        for kind, (status, reason, message) in wanted.items():
            stamp = self._world.stamp()
            fresh = {"type": kind, "status": status, "lastTransitionTime": stamp, "reason": reason, "message": message}
            found = conditions.put(found, fresh)
        generation = scaler["metadata"].get("generation", 1)
        numbers = {"observedGeneration": generation, "currentReplicas": current, "desiredReplicas": desired}
        self._world.set_status(scaler, {**numbers, "conditions": found})


class Budgets:
    """Reconciles one disruption budget at a time."""

    def __init__(self, world: World) -> None:
        self._world = world

    def reconcile(self, namespace: str, name: str) -> float | None:
        """Counts the Pods that the budget is about."""
        budget = self._world.get(BUDGET, namespace, name)
        if budget is None or deleting(budget):
            return None
        selector = budget["spec"].get("selector")
        found = pods.active(
            pod for pod in self._world.of_namespace(POD, namespace) if matches(selector, pod["metadata"].get("labels"))
        )
        self._world.set_status(budget, _status(budget, found, self._world.stamp()))
        return None


def _status(budget: Obj, found: list[Obj], stamp: str) -> Obj:
    spec, total = budget["spec"], len(found)
    healthy = sum(map(pods.ready, found))
    if spec.get("maxUnavailable") is not None:
        desired = max(0, total - share(spec["maxUnavailable"], total, up=True))
    else:
        desired = share(spec.get("minAvailable", 1), total, up=True)
    allowed = max(0, healthy - desired) if total else 0
    condition = {
        "type": "DisruptionAllowed",
        "status": "True" if allowed else "False",
        "observedGeneration": budget["metadata"].get("generation", 1),
        "lastTransitionTime": stamp,
        "reason": "SufficientPods" if allowed else "InsufficientPods",
        "message": "",
    }
    return {
        "observedGeneration": budget["metadata"].get("generation", 1),
        "disruptionsAllowed": allowed,
        "currentHealthy": healthy,
        "desiredHealthy": desired,
        "expectedPods": total,
        "conditions": conditions.put((budget.get("status") or {}).get("conditions") or [], condition),
    }
