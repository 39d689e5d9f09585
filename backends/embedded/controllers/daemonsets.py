"""DaemonSets: one Pod on each node that fits.

Owns: the DaemonSet controller. After kubernetes `pkg/controller/daemon` (`manage`, `rollingUpdate`,
`updateDaemonSetStatus`). Taints and affinity are not looked at: embedded nodes have no taints.
"""

from __future__ import annotations

from backends.embedded.controllers import pods, revisions
from backends.embedded.controllers.adoption import claim
from backends.embedded.controllers.events import Recorder
from backends.embedded.controllers.naming import suffix
from backends.embedded.controllers.rollout import share
from backends.embedded.controllers.world import DAEMON_SET, NODE, POD, World, deleting, pod_from
from fleetui.model.objects import Obj


class DaemonSets:
    """Reconciles one DaemonSet at a time."""

    def __init__(self, world: World, recorder: Recorder) -> None:
        self._world = world
        self._events = recorder

    def reconcile(self, namespace: str, name: str) -> float | None:
        """Makes the missing Pods, deletes the surplus ones, replaces old ones as far as `maxUnavailable` allows."""
        daemon = self._world.get(DAEMON_SET, namespace, name)
        if daemon is None or deleting(daemon):
            return None
        update = revisions.sync(self._world, daemon)
        nodes = self._nodes(daemon)
        found = claim(self._world, daemon, POD)
        self._place(daemon, found, nodes, update=update)
        self._roll(daemon, self._world.owned(daemon, POD), nodes, update=update)
        found = self._world.owned(daemon, POD)
        self._world.set_status(daemon, _status(daemon, found, nodes, update=update, now=self._world.now))
        revisions.prune(
            self._world, daemon, {update["metadata"]["name"], *(f"{name}-{_revision(pod)}" for pod in found)}
        )
        seconds = int(daemon["spec"].get("minReadySeconds") or 0)
        waits = [pods.available_in(pod, seconds, self._world.now) for pod in found]
        return min((wait for wait in waits if wait), default=None)

    def _nodes(self, daemon: Obj) -> list[str]:
        wanted = (daemon["spec"]["template"].get("spec") or {}).get("nodeSelector") or {}
        return sorted(
            node["metadata"]["name"]
            for node in self._world.all(NODE)
            if wanted.items() <= (node["metadata"].get("labels") or {}).items()
        )

    def _place(self, daemon: Obj, found: list[Obj], nodes: list[str], *, update: Obj) -> None:
        taken: set[str] = set()
        for pod in found:
            node = pod["spec"].get("nodeName", "")
            if node not in nodes or node in taken or pods.finished(pod):
                self._delete(daemon, pod)
            else:
                taken.add(node)
        for node in nodes:
            if node not in taken:
                self._create(daemon, node, update)

    def _create(self, daemon: Obj, node: str, update: Obj) -> None:
        base = f"{daemon['metadata']['name']}-"
        generation = str(daemon["metadata"].get("generation", 1))
        labels = {revisions.LABEL: update["metadata"]["labels"][revisions.LABEL], "pod-template-generation": generation}
        template = daemon["spec"]["template"]
        pod = pod_from(template, owner=daemon, name=base + suffix(self._world.random), labels=labels)
        pod["metadata"]["generateName"] = base
        pod["spec"]["nodeName"] = node
        if self._world.create(pod) is not None:
            self._events.normal(daemon, "SuccessfulCreate", f"Created pod: {pod['metadata']['name']}")

    def _roll(self, daemon: Obj, found: list[Obj], nodes: list[str], *, update: Obj) -> None:
        strategy = daemon["spec"].get("updateStrategy") or {}
        if strategy.get("type") == "OnDelete":
            return
        rolling = strategy.get("rollingUpdate") or {}
        budget = max(1, share(rolling.get("maxUnavailable", 1), len(nodes), up=True))
        old = [pod for pod in found if _revision(pod) != update["metadata"]["labels"][revisions.LABEL]]
        budget -= sum(not pods.ready(pod) for pod in found if pod not in old)
        # What does not serve anybody is replaced first, and costs nothing.
        for pod in sorted(old, key=pods.ready):
            if pods.ready(pod):
                budget -= 1
                if budget < 0:
                    return
            self._delete(daemon, pod)

    def _delete(self, daemon: Obj, pod: Obj) -> None:
        if not deleting(pod):
            self._world.delete(pod)
            self._events.normal(daemon, "SuccessfulDelete", f"Deleted pod: {pod['metadata']['name']}")


def _revision(pod: Obj) -> str:
    return str((pod["metadata"].get("labels") or {}).get(revisions.LABEL, ""))


def _status(daemon: Obj, found: list[Obj], nodes: list[str], *, update: Obj, now: float) -> Obj:
    seconds = int(daemon["spec"].get("minReadySeconds") or 0)
    waits = [pods.available_in(pod, seconds, now) for pod in found]
    digest = update["metadata"]["labels"][revisions.LABEL]
    available = sum(wait == 0 for wait in waits)
    optional = {
        "updatedNumberScheduled": sum(_revision(pod) == digest for pod in found),
        "numberAvailable": available,
        "numberUnavailable": len(nodes) - available,
    }
    return {
        "currentNumberScheduled": len({pod["spec"].get("nodeName") for pod in found}),
        "numberMisscheduled": 0,
        "desiredNumberScheduled": len(nodes),
        "numberReady": sum(wait is not None for wait in waits),
        "observedGeneration": daemon["metadata"].get("generation", 1),
        **{field: number for field, number in optional.items() if number},
    }
