"""Pods: placed on a node, pulled, started, and what goes wrong with them.

Owns: `Scheduler` and `Kubelet`, together the life of a Pod. How a container fares is decided by `images`, what the
status says by `podstatus`; here are the steps and their timing. Reasons and messages: kubernetes
`pkg/kubelet/images/image_manager.go` and `pkg/kubelet/kuberuntime/kuberuntime_manager.go`.
"""

from __future__ import annotations

from collections.abc import Callable

from backends.embedded.controllers import pods, podstatus
from backends.embedded.controllers.events import Recorder
from backends.embedded.controllers.images import Fate, pull_error
from backends.embedded.controllers.lives import (
    Life,
    Stage,
    broken,
    containers,
    fate_of,
    full_name,
    inits,
    look,
    restart_policy,
)
from backends.embedded.controllers.naming import fnv32a, stretch
from backends.embedded.controllers.world import NODE, POD, World, deleting
from fleetui.model.objects import Obj

SCHEDULER, KUBELET = "kube-scheduler", "kubelet"


class Scheduler:
    """Gives each Pod a node: the one that its name falls on, of those that its `nodeSelector` takes."""

    def __init__(self, world: World, recorder: Recorder) -> None:
        self._world = world
        self._events = recorder

    def reconcile(self, namespace: str, name: str) -> float | None:
        pod = self._world.get(POD, namespace, name)
        if pod is None or deleting(pod) or pod["spec"].get("nodeName"):
            return None
        wanted = pod["spec"].get("nodeSelector") or {}
        nodes = list(self._world.all(NODE))
        fitting = [node for node in nodes if wanted.items() <= (node["metadata"].get("labels") or {}).items()]
        if not fitting:
            self._refuse(pod, len(nodes))
            return None
        names = sorted(node["metadata"]["name"] for node in fitting if not node["spec"].get("unschedulable"))
        if not names:
            self._refuse(pod, len(nodes))
            return None
        node = names[fnv32a(name.encode()) % len(names)]
        self._world.change({**pod, "spec": {**pod["spec"], "nodeName": node}}, manager=SCHEDULER)
        self._events.normal(pod, "Scheduled", f"Successfully assigned {namespace}/{name} to {node}")
        return None

    def _refuse(self, pod: Obj, nodes: int) -> None:
        message = f"0/{nodes} nodes are available: {nodes} node(s) didn't match Pod's node affinity/selector."
        if not nodes:
            message = "no nodes available to schedule pods"
        condition = {
            "type": "PodScheduled",
            "status": "False",
            "lastProbeTime": None,
            "lastTransitionTime": self._world.stamp(),
            "reason": "Unschedulable",
            "message": message,
        }
        if (pod.get("status") or {}).get("conditions"):
            return
        self._world.set_status(pod, {**(pod.get("status") or {}), "conditions": [condition]}, manager=SCHEDULER)
        self._events.warning(pod, "FailedScheduling", message)


class Kubelet:
    """The kubelets of all nodes of one cluster.

    Args:
        time: the loop's clock, in seconds; the steps of a Pod are timed by it.
    """

    def __init__(self, world: World, recorder: Recorder, time: Callable[[], float]) -> None:
        self._world = world
        self._events = recorder
        self._time = time
        self._lives: dict[tuple[str, str], tuple[str, Life]] = {}
        self._addresses = 0

    def reconcile(self, namespace: str, name: str) -> float | None:
        """Takes the Pod one step further; returns the seconds until its next step, or None."""
        pod = self._world.get(POD, namespace, name)
        if pod is None or deleting(pod) or pods.finished(pod):
            self._lives.pop((namespace, name), None)
            return None
        if not pod["spec"].get("nodeName"):
            return None
        uid, life = self._lives.get((namespace, name), ("", None))
        if life is None or uid != pod["metadata"]["uid"]:
            life = Life(Stage.CREATING, self._time() + self._pause(pod))
            self._lives[namespace, name] = pod["metadata"]["uid"], life
            self._write(pod, life)
        elif life.stage is not Stage.UP and life.due <= self._time():
            self._step(pod, life)
            self._write(pod, life)
        # The write brings an event, which brings this Pod here again; what it waits for is then `due`.
        resting = life.stage in {Stage.UP, Stage.ENDED}
        return None if resting else max(0.0, life.due - self._time())

    def _step(self, pod: Obj, life: Life) -> None:
        match life.stage:
            case Stage.CREATING | Stage.PULL_WAITS:
                self._start(pod, life)
            case Stage.PULL_FAILED:
                self._hold_pull(pod, life)
            case Stage.WILL_CRASH | Stage.WILL_END:
                self._end(pod, life)
            case Stage.CRASH_WAITS:
                life.restarts += 1
                self._run(pod, life)

    # --- the steps -------------------------------------------------------------------------------------------------

    def _start(self, pod: Obj, life: Life) -> None:
        unpulled = [one for one in broken(pod) if fate_of(one) is Fate.NEVER_PULLED]
        if not unpulled:
            self._run(pod, life)
            return
        life.tries += 1
        self._wait(life, Stage.PULL_FAILED, self._pause(pod))
        for container in unpulled:
            image = container.get("image", "")
            self._warn(pod, container, reason="Failed", message=f'Failed to pull image "{image}": {pull_error(image)}')
            self._warn(pod, container, reason="Failed", message="Error: ErrImagePull")

    def _hold_pull(self, pod: Obj, life: Life) -> None:
        self._wait(life, Stage.PULL_WAITS, self._backoff(life.tries - 1))
        for container in broken(pod):
            self._tell(
                pod, container, reason="BackOff", message=f'Back-off pulling image "{container.get("image", "")}"'
            )
            self._warn(pod, container, reason="Failed", message="Error: ImagePullBackOff")

    def _run(self, pod: Obj, life: Life) -> None:
        life.since = self._world.stamp()
        if not life.address:
            life.address = self._address(pod)
        if restart_policy(pod) != "Always":
            self._wait(life, Stage.WILL_END, self._pause(pod))
        elif broken(pod):
            self._wait(life, Stage.WILL_CRASH, self._pause(pod))
        else:
            life.stage = Stage.UP
        for container in containers(pod):
            if not life.restarts:
                image = container.get("image", "")
                self._tell(
                    pod, container, reason="Pulled", message=f'Container image "{image}" already present on machine'
                )
            self._tell(pod, container, reason="Started", message=f"Started container {container['name']}")

    def _end(self, pod: Obj, life: Life) -> None:
        culprits, policy = broken(pod), restart_policy(pod)
        if policy == "Never" or (policy == "OnFailure" and not culprits):
            life.stage = Stage.ENDED
            return
        if not life.restarts:
            # The first restart comes at once; back-off begins with the second (kubelet, `doBackOff`).
            life.restarts = 1
            self._run(pod, life)
            return
        self._wait(life, Stage.CRASH_WAITS, self._backoff(life.restarts - 1))
        for container in culprits:
            text = f"Back-off restarting failed container {container['name']} in pod {full_name(pod)}"
            self._warn(pod, container, reason="BackOff", message=text)

    # --- writing and timing ----------------------------------------------------------------------------------------

    def _write(self, pod: Obj, life: Life) -> None:
        stamp = self._world.stamp()
        found, first = look(pod, life, stamp)
        place = {"hostIP": self._host(pod), "podIP": life.address}
        status = podstatus.pod_status(pod, found, inits=first, place=place, stamp=stamp)
        self._world.set_status(pod, status, manager=KUBELET)

    def _wait(self, life: Life, stage: Stage, seconds: float) -> None:
        life.stage, life.wait, life.due = stage, seconds, self._time() + seconds

    def _pause(self, pod: Obj) -> float:
        return stretch(pod["metadata"]["uid"], self._world.timing.pod)

    def _backoff(self, tries: int) -> float:
        timing = self._world.timing
        return min(timing.backoff * 2.0 ** min(tries, 16), timing.backoff_max)

    def _host(self, pod: Obj) -> str:
        node = self._world.get(NODE, "", pod["spec"]["nodeName"])
        addresses = ((node or {}).get("status") or {}).get("addresses") or ()
        return next((one["address"] for one in addresses if one["type"] == "InternalIP"), "")

    def _address(self, pod: Obj) -> str:
        if pod["spec"].get("hostNetwork"):
            return self._host(pod)
        self._addresses += 1
        third, fourth = divmod(self._addresses - 1, 250)
        return f"10.244.{third % 256}.{fourth + 2}"

    def _tell(self, pod: Obj, container: Obj, *, reason: str, message: str) -> None:
        self._events.normal(pod, reason, message, field=_field(pod, container), node=pod["spec"]["nodeName"])

    def _warn(self, pod: Obj, container: Obj, *, reason: str, message: str) -> None:
        self._events.warning(pod, reason, message, field=_field(pod, container), node=pod["spec"]["nodeName"])


def _field(pod: Obj, container: Obj) -> str:
    part = "initContainers" if container in inits(pod) else "containers"
    return f"spec.{part}{{{container['name']}}}"
