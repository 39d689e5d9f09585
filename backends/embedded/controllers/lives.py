"""Where a Pod stands in its life, and what its containers look like there. Pure.

Owns: `Stage`, `Life` and `look`. Called by `kubelet`, which moves a Pod from stage to stage.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from typing import Any

from backends.embedded.controllers import podstatus
from backends.embedded.controllers.images import Fate, fate, pull_error
from backends.embedded.controllers.podstatus import State
from fleetui.model.objects import Obj


class Stage(StrEnum):
    CREATING = "creating"
    UP = "up"
    PULL_FAILED = "pull failed"
    PULL_WAITS = "pull waits"
    WILL_CRASH = "will crash"
    CRASH_WAITS = "crash waits"
    WILL_END = "will end"
    ENDED = "ended"


@dataclass
class Life:
    """One Pod's place: what it does until `due` (loop time, s), and how often it was tried or restarted."""

    stage: Stage
    due: float
    tries: int = 0
    restarts: int = 0
    wait: float = 0.0
    """Seconds of the present back-off."""
    address: str = ""
    since: str = ""
    """When the containers were started last."""


def containers(pod: Obj) -> list[Obj]:
    return list(pod["spec"].get("containers") or ())


def inits(pod: Obj) -> list[Obj]:
    return list(pod["spec"].get("initContainers") or ())


def restart_policy(pod: Obj) -> str:
    return str(pod["spec"].get("restartPolicy") or "Always")


def fate_of(container: Obj) -> Fate:
    return fate(str(container.get("image", "")))


def broken(pod: Obj) -> list[Obj]:
    """The containers that keep the Pod from running: the first broken init container, or else the broken ones."""
    for container in inits(pod):
        if fate_of(container) is not Fate.RUNS:
            return [container]
    found = [one for one in containers(pod) if fate_of(one) is not Fate.RUNS]
    unpulled = [one for one in found if fate_of(one) is Fate.NEVER_PULLED]
    return unpulled or found


def look(pod: Obj, life: Life, stamp: str) -> tuple[list[Obj], list[Obj]]:
    """`containerStatuses` and `initContainerStatuses` at this point of the Pod's life."""
    culprits = [one["name"] for one in broken(pod)]
    first = _look_init(pod, life, culprits, stamp=stamp)
    stuck = any("terminated" not in one["state"] or one["state"]["terminated"]["exitCode"] for one in first)
    if stuck:
        waits = podstatus.waiting("PodInitializing")
        return [podstatus.container_status(pod, one, waits) for one in containers(pod)], first
    return [_look_one(pod, one, life, culprit=one["name"] in culprits, stamp=stamp) for one in containers(pod)], first


def _look_init(pod: Obj, life: Life, culprits: list[str], *, stamp: str) -> list[Obj]:
    found: list[Obj] = []
    blocked = life.stage is Stage.CREATING
    for container in inits(pod):
        if container["name"] in culprits and not blocked:
            found.append(_look_one(pod, container, life, culprit=True, stamp=stamp))
            blocked = True
        elif blocked:
            found.append(podstatus.container_status(pod, container, podstatus.waiting("PodInitializing")))
        else:
            state = _ended(pod, container, 0, life=life, stamp=stamp)
            found.append({**podstatus.container_status(pod, container, state), "ready": True})
    return found


def _look_one(pod: Obj, container: Obj, life: Life, *, culprit: bool, stamp: str) -> Obj:
    if life.stage is Stage.CREATING:
        return podstatus.container_status(pod, container, podstatus.waiting("ContainerCreating"))
    restarts = life.restarts if culprit else 0
    last = _ended(pod, container, 1, life=life, stamp=stamp) if restarts else None
    state = _state(pod, container, life, culprit=culprit, stamp=stamp)
    status = podstatus.container_status(pod, container, state, restarts=restarts, last=last)
    if culprit and container.get("readinessProbe"):
        # It dies before its probe succeeds once.
        status["ready"] = False
    return status


def _state(pod: Obj, container: Obj, life: Life, *, culprit: bool, stamp: str) -> State:
    image = str(container.get("image", ""))
    match life.stage:
        case Stage.PULL_FAILED if culprit:
            return podstatus.waiting("ErrImagePull", pull_error(image))
        case Stage.PULL_WAITS if culprit:
            message = f'Back-off pulling image "{image}": ErrImagePull: {pull_error(image)}'
            return podstatus.waiting("ImagePullBackOff", message)
        case Stage.CRASH_WAITS if culprit:
            text = f"back-off {int(life.wait)}s restarting failed container={container['name']} pod={full_name(pod)}"
            return podstatus.waiting("CrashLoopBackOff", text)
        case Stage.ENDED:
            return _ended(pod, container, int(culprit), life=life, stamp=stamp)
        case _:
            return podstatus.running(life.since or stamp)


def _ended(pod: Obj, container: Obj, code: int, *, life: Life, stamp: str) -> State:
    identity = podstatus.container_id(pod, container["name"], max(0, life.restarts - 1))
    return podstatus.terminated(code=code, since=life.since or stamp, stamp=stamp, container=identity)


def full_name(pod: Obj) -> str:
    """``name_namespace(uid)``, as the kubelet names a Pod in its messages."""
    meta: dict[str, Any] = pod["metadata"]
    return f"{meta['name']}_{meta['namespace']}({meta['uid']})"
