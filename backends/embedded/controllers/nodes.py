"""The nodes of an embedded cluster. Pure.

Owns: what a Node looks like. Made by `manager` at the start; nothing here fails or drains by itself.
"""

from __future__ import annotations

import uuid

from backends.embedded.registry import SERVER_VERSION
from fleetui.model.objects import Obj

_GOOD = {
    "MemoryPressure": ("False", "KubeletHasSufficientMemory", "kubelet has sufficient memory available"),
    "DiskPressure": ("False", "KubeletHasNoDiskPressure", "kubelet has no disk pressure"),
    "PIDPressure": ("False", "KubeletHasSufficientPID", "kubelet has sufficient PID available"),
    "Ready": ("True", "KubeletReady", "kubelet is posting ready status"),
}
_SIZE = {"cpu": "8", "ephemeral-storage": "100Gi", "memory": "32Gi", "pods": "250"}


def architecture(cluster: str) -> str:
    """Which processors a cluster's nodes have: those of one site at the edge differ, so that a rollout can stumble."""
    return "arm64" if cluster == "edge-07" else "amd64"


def node(cluster: str, index: int) -> Obj:
    """The Node with that 1-based number, without its status."""
    name = f"{cluster}-worker-{index}"
    labels = {
        "kubernetes.io/hostname": name,
        "kubernetes.io/os": "linux",
        "kubernetes.io/arch": architecture(cluster),
        "node-role.kubernetes.io/worker": "",
        "topology.kubernetes.io/zone": f"zone-{'abc'[(index - 1) % 3]}",
    }
    return {
        "apiVersion": "v1",
        "kind": "Node",
        "metadata": {"name": name, "labels": labels},
        "spec": {"podCIDR": f"10.244.{index}.0/24"},
    }


def node_status(name: str, index: int, stamp: str, *, architecture: str) -> Obj:
    """The status that its kubelet reports."""
    return {
        "addresses": [
            {"type": "InternalIP", "address": f"192.0.2.{10 + index}"},
            {"type": "Hostname", "address": name},
        ],
        "capacity": _SIZE,
        "allocatable": _SIZE,
        "conditions": [
            {
                "type": kind,
                "status": status,
                "lastHeartbeatTime": stamp,
                "lastTransitionTime": stamp,
                "reason": reason,
                "message": message,
            }
            for kind, (status, reason, message) in _GOOD.items()
        ],
        "nodeInfo": {
            "architecture": architecture,
            "bootID": str(uuid.uuid5(uuid.NAMESPACE_DNS, f"boot.{name}")),
            "containerRuntimeVersion": "containerd://2.2.0",
            "kernelVersion": "6.12.57",
            "kubeProxyVersion": "",
            "kubeletVersion": SERVER_VERSION,
            "machineID": uuid.uuid5(uuid.NAMESPACE_DNS, name).hex,
            "operatingSystem": "linux",
            "osImage": "Debian GNU/Linux 12 (bookworm)",
            "systemUUID": str(uuid.uuid5(uuid.NAMESPACE_DNS, f"system.{name}")),
        },
    }
