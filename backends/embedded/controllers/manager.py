"""All controllers of one embedded cluster, woken by its store.

Owns: `Controllers`: which event wakes which controller. Called by the demo and by tests, on the loop that the store
belongs to. No controller's logic is here.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterable
from random import Random
from typing import Protocol

from backends.embedded.controllers import nodes
from backends.embedded.controllers.daemonsets import DaemonSets
from backends.embedded.controllers.deployments import Deployments
from backends.embedded.controllers.events import EventLog, Recorder
from backends.embedded.controllers.jobs import Jobs
from backends.embedded.controllers.kubelet import KUBELET, SCHEDULER, Kubelet, Scheduler
from backends.embedded.controllers.namespaces import Namespaces
from backends.embedded.controllers.queue import Key, WorkQueue
from backends.embedded.controllers.replicasets import ReplicaSets
from backends.embedded.controllers.scaling import Autoscalers, Budgets
from backends.embedded.controllers.services import CLOUD, Ingresses, Services
from backends.embedded.controllers.statefulsets import StatefulSets
from backends.embedded.controllers.volumes import Claims, Volumes
from backends.embedded.controllers.world import (
    AUTOSCALER,
    BUDGET,
    CLAIM,
    DAEMON_SET,
    DEPLOYMENT,
    INGRESS,
    JOB,
    NAMESPACE,
    NODE,
    POD,
    REPLICA_SET,
    SERVICE,
    SERVICE_ACCOUNT,
    STATEFUL_SET,
    VOLUME,
    Kind,
    Timing,
    World,
    controller_of,
    kind_of,
    matches,
)
from backends.embedded.storage import Event
from backends.embedded.store import ObjectStore
from fleetui.model.objects import Obj, split_api_version

OWN: dict[Kind, tuple[str, ...]] = {
    DEPLOYMENT: ("deployment",),
    REPLICA_SET: ("replicaset",),
    STATEFUL_SET: ("statefulset",),
    DAEMON_SET: ("daemonset",),
    JOB: ("job",),
    POD: ("scheduler", "kubelet"),
    SERVICE: ("service",),
    INGRESS: ("ingress",),
    CLAIM: ("claim",),
    VOLUME: ("volume",),
    AUTOSCALER: ("autoscaler",),
    BUDGET: ("budget",),
    NAMESPACE: ("namespace",),
}
"""The controllers that an object's own changes wake."""

ADOPTERS = {POD: (REPLICA_SET, STATEFUL_SET, DAEMON_SET), REPLICA_SET: (DEPLOYMENT,)}
"""Who may take an object that nobody owns."""


class Controller(Protocol):
    def reconcile(self, namespace: str, name: str) -> float | None: ...


class Controllers:
    """The controllers of one cluster.

    Args:
        store: the cluster's objects.
        cluster: its name; nodes and addresses follow from it.
        timing: how long things take.
        nodes: how many Nodes there are.
        seed: for generated names.
    """

    def __init__(
        self, store: ObjectStore, *, cluster: str, timing: Timing | None = None, nodes: int = 3, seed: int = 1
    ) -> None:
        self._world = World(store, cluster=cluster, timing=timing or Timing(), random=Random(f"{seed}/{cluster}"))
        self._nodes = nodes
        self._queue: WorkQueue | None = None
        self._controllers: dict[str, Controller] = {}
        self._unsubscribe: Callable[[], object] | None = None
        self._held: set[Key] | None = None

    def start(self) -> None:
        """Makes the Nodes and begins to work; called on the running loop that the store belongs to."""
        loop = asyncio.get_running_loop()
        self._controllers = _build(self._world, loop.time)
        self._queue = WorkQueue(self._reconcile, loop)
        self._unsubscribe = self._world.store.subscribe(self._observe)
        for obj in self._world.load():
            self._wake(kind_of(obj), obj, None)
        self._make_nodes()

    def stop(self) -> None:
        """Stops working; harmless when it never began."""
        if self._unsubscribe is not None:
            self._unsubscribe()
        if self._queue is not None:
            self._queue.close()

    def hold_pods(self) -> None:
        """From here on Pods keep the status they have, as if every kubelet were stuck; deletions go on."""
        self._held = set()

    def release_pods(self) -> None:
        """Lets the kubelets catch up; harmless when they were not held."""
        held, self._held = self._held, None
        if self._queue is not None:
            for key in held or ():
                self._queue.add(key)

    def _reconcile(self, key: Key) -> float | None:
        if self._held is not None and key.controller == "kubelet":
            self._held.add(key)
            return None
        return self._controllers[key.controller].reconcile(key.namespace, key.name)

    def _make_nodes(self) -> None:
        for index in range(1, self._nodes + 1):
            made = self._world.create(nodes.node(self._world.cluster, index), manager=KUBELET)
            if made is not None:
                status = nodes.node_status(
                    made["metadata"]["name"],
                    index,
                    self._world.stamp(),
                    architecture=nodes.architecture(self._world.cluster),
                )
                self._world.set_status(made, status, manager=KUBELET)

    # --- who is woken ----------------------------------------------------------------------------------------------

    def _observe(self, event: Event) -> None:
        kind = event.resource.group_kind
        old = self._world.get(kind, event.record.namespace, event.record.name)
        if not self._world.observe(event):
            return
        self._wake(kind, event.obj, old)
        if old is not None and controller_of(event.obj) != controller_of(old):
            self._wake_owner(old)

    def _wake(self, kind: Kind, obj: Obj, old: Obj | None) -> None:
        meta = obj["metadata"]
        namespace, name = meta.get("namespace", ""), meta["name"]
        self._add(OWN.get(kind, ()), namespace, name)
        owner = controller_of(obj)
        if owner is None:
            self._wake_adopters(kind, obj)
        else:
            self._wake_owner(obj)
        if kind == POD:
            self._wake_for_pod(obj, old)
        elif kind == NODE:
            self._wake_for_node(obj, old)
        elif kind in {DEPLOYMENT, STATEFUL_SET}:
            self._wake_scalers(namespace, obj)
        elif kind == SERVICE_ACCOUNT:
            self._add(("namespace",), "", namespace)
        elif kind == CLAIM and obj["spec"].get("volumeName"):
            self._add(("volume",), "", obj["spec"]["volumeName"])
        elif kind == VOLUME and obj["spec"].get("claimRef"):
            self._add(("claim",), obj["spec"]["claimRef"]["namespace"], obj["spec"]["claimRef"]["name"])

    def _wake_owner(self, obj: Obj) -> None:
        owner = controller_of(obj)
        if owner is not None:
            kind = split_api_version(owner["apiVersion"])[0], owner["kind"]
            self._add(OWN.get(kind, ()), obj["metadata"].get("namespace", ""), owner["name"])

    def _wake_adopters(self, kind: Kind, orphan: Obj) -> None:
        meta = orphan["metadata"]
        for adopter in ADOPTERS.get(kind, ()):
            for owner in self._world.of_namespace(adopter, meta["namespace"]):
                if matches(owner["spec"].get("selector"), meta.get("labels")):
                    self._add(OWN[adopter], meta["namespace"], owner["metadata"]["name"])

    def _wake_for_pod(self, pod: Obj, old: Obj | None) -> None:
        namespace = pod["metadata"]["namespace"]
        labels = [each["metadata"].get("labels") for each in (pod, old) if each is not None]
        for service in self._world.of_namespace(SERVICE, namespace):
            if any(matches({"matchLabels": service["spec"].get("selector")}, each) for each in labels):
                self._add(("service",), namespace, service["metadata"]["name"])
        for budget in self._world.of_namespace(BUDGET, namespace):
            if any(matches(budget["spec"].get("selector"), each) for each in labels):
                self._add(("budget",), namespace, budget["metadata"]["name"])

    def _wake_for_node(self, node: Obj, old: Obj | None) -> None:
        # A heartbeat changes the status alone, and nobody places Pods by it.
        if old is not None and _placing(old) == _placing(node):
            return
        for kind in (DAEMON_SET, POD):
            for obj in self._world.all(kind):
                if kind == DAEMON_SET or not obj["spec"].get("nodeName"):
                    self._add(OWN[kind][:1], obj["metadata"]["namespace"], obj["metadata"]["name"])

    def _wake_scalers(self, namespace: str, target: Obj) -> None:
        for scaler in self._world.of_namespace(AUTOSCALER, namespace):
            if scaler["spec"]["scaleTargetRef"].get("name") == target["metadata"]["name"]:
                self._add(("autoscaler",), namespace, scaler["metadata"]["name"])

    def _add(self, controllers: Iterable[str], namespace: str, name: str) -> None:
        if self._queue is not None:
            for controller in controllers:
                self._queue.add(Key(controller, namespace, name))


def _placing(node: Obj) -> tuple[object, object]:
    return node["metadata"].get("labels"), node["spec"]


def _build(world: World, time: Callable[[], float]) -> dict[str, Controller]:
    log = EventLog(world)

    def speak(component: str, manager: str = "kube-controller-manager") -> Recorder:
        return Recorder(log, component=component, manager=manager)

    return {
        "deployment": Deployments(world, speak("deployment-controller")),
        "replicaset": ReplicaSets(world, speak("replicaset-controller")),
        "statefulset": StatefulSets(world, speak("statefulset-controller")),
        "daemonset": DaemonSets(world, speak("daemonset-controller")),
        "job": Jobs(world, speak("job-controller")),
        "scheduler": Scheduler(world, speak("default-scheduler", SCHEDULER)),
        "kubelet": Kubelet(world, speak("kubelet", KUBELET), time),
        "service": Services(world, speak("service-controller", CLOUD)),
        "ingress": Ingresses(world),
        "claim": Claims(world, speak("persistentvolume-controller")),
        "volume": Volumes(world),
        "autoscaler": Autoscalers(world, speak("horizontal-pod-autoscaler")),
        "budget": Budgets(world),
        "namespace": Namespaces(world),
    }
