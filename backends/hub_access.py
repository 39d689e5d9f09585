"""From what a hub registers to a cluster that can be asked.

Owns: `connect`. Called by the readers of hubs' Secrets.
"""

from __future__ import annotations

from backends.kube.context import ContextConfig
from fleetui.hubports import Registration
from fleetui.model.objects import ClusterName
from fleetui.ports import Cluster


def connect(registration: Registration, name: ClusterName, *, protected: bool, qps: float) -> Cluster:
    """The cluster, under the name that the fleet knows it by. Connects to nothing yet, and never fails: what can't be
    used is a cluster that says why."""
    from backends.kube.cluster import KubeCluster

    access = registration.access
    if not isinstance(access, ContextConfig):
        problem = registration.problem or f"{registration.source} says nothing to connect with"
        access = ContextConfig(name, registration.server, problem=problem)
    return KubeCluster(access, name=name, protected=protected, qps=qps)
