"""What every cluster holds from its first moment.

Owns: the namespaces, the Service of the API server itself, the two priority classes and the roles that kube-apiserver
makes at start (pkg/controlplane/controller/systemnamespaces, pkg/registry/scheduling/rest, pkg/registry/rbac/rest).
Called by `store`.
"""

from __future__ import annotations

from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

import msgspec

if TYPE_CHECKING:
    from backends.embedded.store import ObjectStore

MANAGER = "kube-apiserver"
NAMESPACES = ("default", "kube-node-lease", "kube-public", "kube-system")
_PRIORITIES = {"system-cluster-critical": 2000000000, "system-node-critical": 2000001000}


@cache
def _roles() -> tuple[dict[str, Any], ...]:
    body = Path(__file__).with_name("data").joinpath("roles.json").read_bytes()
    return tuple(msgspec.json.decode(body, type=list[dict[str, Any]]))


def bootstrap(store: ObjectStore) -> None:
    """Makes the objects that are there before anybody comes."""
    for name in NAMESPACES:
        store.create({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": name}}, manager=MANAGER)
    for name, value in _PRIORITIES.items():
        node = "node" if "node" in name else "cluster"
        store.create(
            {
                "apiVersion": "scheduling.k8s.io/v1",
                "kind": "PriorityClass",
                "metadata": {"name": name},
                "value": value,
                "description": f"Used for system critical pods that must {_MOVABLE[node]}.",
            },
            manager=MANAGER,
        )
    for role in _roles():
        store.create(role, manager=MANAGER)
    store.create(
        {
            "apiVersion": "v1",
            "kind": "Service",
            "metadata": {
                "name": "kubernetes",
                "namespace": "default",
                "labels": {"component": "apiserver", "provider": "kubernetes"},
            },
            "spec": {
                "clusterIP": "10.96.0.1",
                "ports": [{"name": "https", "port": 443, "protocol": "TCP", "targetPort": 6443}],
            },
        },
        manager=MANAGER,
    )


_MOVABLE = {
    "cluster": "run in the cluster, but can be moved to another node if necessary",
    "node": "not be moved from their current node",
}
