"""The status of a Pod, as the kubelet writes it. Pure.

Owns: container states, Pod conditions and phase. Called by `kubelet` and `lives`. After kubernetes
`pkg/kubelet/kubelet_pods.go` and `pkg/kubelet/status/generate.go`.
"""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from typing import Any

from backends.embedded.controllers import conditions, images
from fleetui.model.objects import Obj

State = dict[str, Any]
"""One of ``waiting``, ``running``, ``terminated`` with its fields."""


def waiting(reason: str, message: str = "") -> State:
    return {"waiting": {"reason": reason, **({"message": message} if message else {})}}


def running(stamp: str) -> State:
    return {"running": {"startedAt": stamp}}


def terminated(*, code: int, since: str, stamp: str, container: str) -> State:
    reason = "Error" if code else "Completed"
    times = {"startedAt": since, "finishedAt": stamp, "containerID": container}
    return {"terminated": {"exitCode": code, "reason": reason, **times}}


def container_id(pod: Obj, name: str, restarts: int) -> str:
    text = f"{pod['metadata']['uid']}/{name}/{restarts}"
    return f"containerd://{hashlib.sha256(text.encode()).hexdigest()}"


def container_status(pod: Obj, container: Obj, state: State, *, restarts: int = 0, last: State | None = None) -> Obj:
    """One entry of `containerStatuses`; a container that runs is ready."""
    started = "waiting" not in state
    image = container.get("image", "")
    known = started or restarts > 0
    status = {
        "name": container["name"],
        "state": state,
        "lastState": last or {},
        "ready": "running" in state,
        "restartCount": restarts,
        "image": images.reference(image) if known else image,
        "imageID": images.image_id(image) if known else "",
        "started": "running" in state,
    }
    if known:
        status["containerID"] = container_id(pod, container["name"], restarts)
    return status


def pod_status(pod: Obj, containers: Sequence[Obj], *, inits: Sequence[Obj] = (), place: Obj, stamp: str) -> Obj:
    """The whole status.

    Args:
        pod: the Pod as it is; its conditions keep their transition times.
        containers: its `containerStatuses`.
        inits: its `initContainerStatuses`.
        place: `hostIP`, and `podIP` once the Pod has one.
        stamp: now.
    """
    old = pod.get("status") or {}
    phase = _phase(containers, inits, restarts=pod["spec"].get("restartPolicy", "Always") != "Never")
    status: Obj = {
        "observedGeneration": pod["metadata"].get("generation", 1),
        "phase": phase,
        "conditions": _conditions(old.get("conditions") or (), phase, containers, inits=inits, stamp=stamp),
        "hostIP": place["hostIP"],
        "hostIPs": [{"ip": place["hostIP"]}],
    }
    if place.get("podIP"):
        status |= {"podIP": place["podIP"], "podIPs": [{"ip": place["podIP"]}]}
    status["startTime"] = old.get("startTime") or stamp
    if inits:
        status["initContainerStatuses"] = list(inits)
    return status | {"containerStatuses": list(containers), "qosClass": old.get("qosClass", "BestEffort")}


def _phase(containers: Sequence[Obj], inits: Sequence[Obj], *, restarts: bool) -> str:
    if any("terminated" not in init["state"] for init in inits):
        return "Pending"
    if any(init["state"]["terminated"]["exitCode"] for init in inits):
        return "Failed"
    states = [one["state"] for one in containers]
    if any("waiting" in state and not one["restartCount"] for state, one in zip(states, containers, strict=True)):
        started = any("running" in state or one["lastState"] for state, one in zip(states, containers, strict=True))
        return "Running" if started else "Pending"
    if all("terminated" in state for state in states):
        failed = any(state["terminated"]["exitCode"] for state in states)
        return ("Running" if restarts else "Failed") if failed else "Succeeded"
    return "Running"


def _conditions(
    old: Sequence[Obj], phase: str, containers: Sequence[Obj], *, inits: Sequence[Obj], stamp: str
) -> list[Obj]:
    unready = [one["name"] for one in containers if not one["ready"]]
    waiting_inits = [one["name"] for one in inits if "terminated" not in one["state"]]
    sandbox = any("waiting" not in one["state"] or one["state"]["waiting"]["reason"] != "ContainerCreating"
                  for one in (*containers, *inits))  # fmt: skip
    over = {"Succeeded": "PodCompleted", "Failed": "PodFailed"}.get(phase, "")
    readiness = _gate(unready, "ContainersNotReady", "containers with unready status")
    initialized = _gate(waiting_inits, "ContainersNotInitialized", "containers with incomplete status")
    if over:
        readiness = {"status": "False", "reason": over}
        initialized = {"status": "True", "reason": over} if over == "PodCompleted" else {"status": "True"}
    wanted = {
        "PodReadyToStartContainers": {"status": "True" if sandbox and not over else "False"},
        "Initialized": initialized,
        "Ready": readiness,
        "ContainersReady": readiness,
        "PodScheduled": {"status": "True"},
    }
    found: list[Obj] = []
    for kind, state in wanted.items():
        fresh = {"type": kind, "lastProbeTime": None, "lastTransitionTime": stamp, **state}
        before = conditions.find(old, kind)
        found.append(conditions.put([before] if before else [], fresh)[0])
    return found


def _gate(names: Sequence[str], reason: str, text: str) -> dict[str, str]:
    if not names:
        return {"status": "True"}
    return {"status": "False", "reason": reason, "message": f"{text}: [{' '.join(names)}]"}
