"""What a kubelet would report of a Pod: owns the rules by which a test's image names decide it. Pure.

An image that contains `never-starts` or `does-not-exist` is never pulled; in a Job's Pod an image that
contains `fails` ends with exit code 1, any other with 0; everything else runs and is ready at once.
"""

from __future__ import annotations

from typing import Any

Json = dict[str, Any]

UNPULLABLE = ("never-starts", "does-not-exist")
FAILING = "fails"
_TIMES = frozenset({"startTime", "startedAt", "finishedAt", "lastTransitionTime"})


def pod_status(pod: Json, *, now: str) -> Json:
    """The status to patch in; times that did not change are taken over from the Pod's present one."""
    spec, metadata = pod["spec"], pod["metadata"]
    current: Json = pod.get("status", {})
    inits = [_init_container(container, now=now) for container in spec.get("initContainers", [])]
    initialized = not any("waiting" in status["state"] for status in inits)
    job = any(owner["kind"] == "Job" for owner in metadata.get("ownerReferences", []))
    containers = [_container(one, now=now, initialized=initialized, job=job) for one in spec["containers"]]
    phase = _phase(containers, job=job)
    status: Json = {
        "phase": phase,
        "conditions": _conditions(current, _facts(containers, initialized=initialized, phase=phase), now=now),
        "startTime": current.get("startTime", now),
        "containerStatuses": containers,
    }
    if inits:
        status["initContainerStatuses"] = inits
    if "generation" in metadata:
        status["observedGeneration"] = metadata["generation"]
    if phase != "Pending":
        address = _address(metadata["uid"])
        status |= {"podIP": address, "podIPs": [{"ip": address}]}
    return status


def is_reported(pod: Json, status: Json) -> bool:
    """Whether the Pod says all of this already, times apart."""
    current: Json = pod.get("status", {})
    return all(_covers(current.get(key), value) for key, value in status.items() if key not in _TIMES)


def is_finished(pod: Json) -> bool:
    """Whether the Pod ended: its status is final, the API server refuses another."""
    return pod.get("status", {}).get("phase") in ("Succeeded", "Failed")


def _covers(current: Any, wanted: Any) -> bool:
    if isinstance(wanted, dict):
        return isinstance(current, dict) and all(
            _covers(current.get(key), value) for key, value in wanted.items() if key not in _TIMES
        )
    if isinstance(wanted, list):
        return isinstance(current, list) and _covers_list(current, wanted)
    return bool(current == wanted)


def _covers_list(current: list[Any], wanted: list[Any]) -> bool:
    if wanted and "type" in wanted[0]:  # conditions: those of others (a disruption's) stand beside ours
        return all(any(_covers(have, one) for have in current) for one in wanted)
    return len(current) == len(wanted) and all(map(_covers, current, wanted))


def _init_container(container: Json, *, now: str) -> Json:
    if _is_unpullable(container):
        return _status_of(container, state=_not_pulled(container), ready=False)
    if container.get("restartPolicy") == "Always":  # a sidecar
        return _status_of(container, state={"running": {"startedAt": now}}, ready=True)
    return _status_of(container, state=_ended(0, now=now), ready=True)


def _container(container: Json, *, now: str, initialized: bool, job: bool) -> Json:
    if not initialized:
        return _status_of(container, state={"waiting": {"reason": "PodInitializing"}}, ready=False)
    if _is_unpullable(container):
        return _status_of(container, state=_not_pulled(container), ready=False)
    if job:
        return _status_of(container, state=_ended(int(FAILING in container["image"]), now=now), ready=False)
    return _status_of(container, state={"running": {"startedAt": now}}, ready=True)


def _is_unpullable(container: Json) -> bool:
    return any(part in container["image"] for part in UNPULLABLE)


def _not_pulled(container: Json) -> Json:
    message = f'Back-off pulling image "{container["image"]}"'
    return {"waiting": {"reason": "ImagePullBackOff", "message": message}}


def _ended(code: int, *, now: str) -> Json:
    reason = "Error" if code else "Completed"
    return {"terminated": {"exitCode": code, "reason": reason, "startedAt": now, "finishedAt": now}}


def _status_of(container: Json, *, state: Json, ready: bool) -> Json:
    return {
        "name": container["name"],
        "image": container["image"],
        "imageID": "" if "waiting" in state else f"test://{container['image']}",
        "ready": ready,
        "started": "running" in state,
        "restartCount": 0,
        "state": state,
    }


def _phase(containers: list[Json], *, job: bool) -> str:
    if any("waiting" in status["state"] for status in containers):
        return "Pending"
    if not job:
        return "Running"
    failed = any(status["state"]["terminated"]["exitCode"] for status in containers)
    return "Failed" if failed else "Succeeded"


def _facts(containers: list[Json], *, initialized: bool, phase: str) -> dict[str, Json]:
    """Status, reason and message of each condition."""
    unready = [status["name"] for status in containers if not status["ready"]]
    ready: Json = {"status": "True"}
    if phase == "Succeeded":
        ready = {"status": "False", "reason": "PodCompleted"}
    elif unready:
        message = f"containers with unready status: [{' '.join(unready)}]"
        ready = {"status": "False", "reason": "ContainersNotReady", "message": message}
    begun: Json = {"status": "True"}
    if not initialized:
        begun = {"status": "False", "reason": "ContainersNotInitialized"}
    return {
        "PodScheduled": {"status": "True"},
        "Initialized": begun,
        "ContainersReady": ready,
        "Ready": ready,
    }


def _conditions(current: Json, facts: dict[str, Json], *, now: str) -> list[Json]:
    present = {condition["type"]: condition for condition in current.get("conditions", [])}
    return [_condition(kind, fields, present.get(kind, {}), now=now) for kind, fields in facts.items()]


def _condition(kind: str, fields: Json, present: Json, *, now: str) -> Json:
    same = present.get("status") == fields["status"]
    since = present.get("lastTransitionTime") if same else None
    # A merge patch leaves a field it does not name: None takes out the reason of what was unready before.
    cleared: Json = {key: None for key in ("reason", "message") if key in present and key not in fields}
    return {"type": kind, "lastTransitionTime": since or now, **fields, **cleared}


def _address(uid: str) -> str:
    number = int(uid.replace("-", "")[-4:], 16)
    return f"10.244.{number >> 8}.{(number & 255) or 1}"
