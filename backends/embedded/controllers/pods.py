"""What all that own Pods need to know of one: is it there, ready, available, done. Pure.

Owns: the predicates of kubernetes `pkg/api/v1/pod/util.go` and `pkg/controller/controller_utils.go`
(`ActivePods`, `ActivePodsWithRanks`).
"""

from __future__ import annotations

from collections.abc import Iterable

from backends.embedded.controllers import conditions
from backends.embedded.controllers.world import deleting
from fleetui.model.objects import Obj
from fleetui.model.times import parse_time

_PHASES = {"Pending": 0, "Unknown": 1, "Running": 2}


def phase(pod: Obj) -> str:
    return str((pod.get("status") or {}).get("phase") or "Pending")


def finished(pod: Obj) -> bool:
    return phase(pod) in {"Succeeded", "Failed"}


def active(pods: Iterable[Obj]) -> list[Obj]:
    """The Pods that count: neither finished nor being deleted."""
    return [pod for pod in pods if not finished(pod) and not deleting(pod)]


def ready(pod: Obj) -> bool:
    return conditions.is_true(pod, "Ready") and not deleting(pod)


def available_in(pod: Obj, seconds: int, now: float) -> float | None:
    """Seconds until a Pod has been ready for `seconds` (`minReadySeconds`): 0 where it is available, None where it is
    not ready."""
    if not ready(pod):
        return None
    condition = conditions.find(pod["status"]["conditions"], "Ready") or {}
    since = parse_time(condition.get("lastTransitionTime")) or now
    return max(0.0, since + seconds - now) if seconds else 0.0


def restarts(pod: Obj) -> int:
    return sum(one.get("restartCount", 0) for one in (pod.get("status") or {}).get("containerStatuses") or ())


def to_delete_first(pods: Iterable[Obj]) -> list[Obj]:
    """The order in which a scale-down takes Pods: unassigned, pending, not ready, dearest kept, restarted, youngest."""

    def rank(pod: Obj) -> tuple[bool, int, bool, int, int, float]:
        meta = pod["metadata"]
        cost = (meta.get("annotations") or {}).get("controller.kubernetes.io/pod-deletion-cost", "0")
        born = parse_time(meta.get("creationTimestamp")) or 0.0
        place = bool(pod["spec"].get("nodeName")), _PHASES.get(phase(pod), 1), ready(pod)
        return *place, int(cost), -restarts(pod), -born

    return sorted(pods, key=rank)
