"""Services and Ingresses: their addresses and their endpoints.

Owns: the EndpointSlice controller, and what a cloud's load balancer and an ingress controller write back. After
kubernetes `pkg/controller/endpointslice`; one slice for each Service, IPv4 alone.
"""

from __future__ import annotations

from typing import Any

from backends.embedded.controllers import conditions, pods
from backends.embedded.controllers.events import Recorder
from backends.embedded.controllers.naming import fnv32a, suffix
from backends.embedded.controllers.world import INGRESS, POD, SERVICE, SLICE, World, deleting, matches, owner_reference
from fleetui.model.objects import Obj

CLOUD, INGRESS_CONTROLLER = "cloud-controller-manager", "nginx-ingress-controller"
_NAME_LABEL, _MANAGED_LABEL = "kubernetes.io/service-name", "endpointslice.kubernetes.io/managed-by"


class Services:
    """Reconciles one Service at a time."""

    def __init__(self, world: World, recorder: Recorder) -> None:
        self._world = world
        self._events = recorder

    def reconcile(self, namespace: str, name: str) -> float | None:
        """Gives the Service its public address and writes its EndpointSlice."""
        service = self._world.get(SERVICE, namespace, name)
        if service is None or deleting(service) or service["spec"].get("type") == "ExternalName":
            return None
        if service["spec"].get("type") == "LoadBalancer":
            self._balance(service)
        if service["spec"].get("selector"):
            self._endpoints(service)
        return None

    def _balance(self, service: Obj) -> None:
        if ((service.get("status") or {}).get("loadBalancer") or {}).get("ingress"):
            return
        status = {"loadBalancer": {"ingress": [{"ip": public_address(self._world, service), "ipMode": "VIP"}]}}
        self._world.set_status(service, {**(service.get("status") or {}), **status}, manager=CLOUD)
        self._events.normal(service, "EnsuredLoadBalancer", "Ensured load balancer")

    def _endpoints(self, service: Obj) -> None:
        wanted = {"matchLabels": service["spec"]["selector"]}
        found = [
            pod
            for pod in self._world.of_namespace(POD, service["metadata"]["namespace"])
            if matches(wanted, pod["metadata"].get("labels")) and _reachable(pod)
        ]
        body = {
            "endpoints": [endpoint(pod, service) for pod in sorted(found, key=lambda pod: pod["metadata"]["name"])],
            "ports": [_port(port, found) for port in service["spec"].get("ports") or ()],
        }
        slices = self._world.owned(service, SLICE)
        if not slices:
            self._world.create(_new_slice(service, body, name=suffix(self._world.random)))
        elif {key: slices[0].get(key) for key in body} != body:
            self._world.change({**slices[0], **body})


class Ingresses:
    """Gives each Ingress the address of the cluster's ingress controller."""

    def __init__(self, world: World) -> None:
        self._world = world

    def reconcile(self, namespace: str, name: str) -> float | None:
        ingress = self._world.get(INGRESS, namespace, name)
        if ingress is None or deleting(ingress):
            return None
        status = {"loadBalancer": {"ingress": [{"ip": _address("203.0.113", self._world.cluster, "ingress")}]}}
        self._world.set_status(ingress, status, manager=INGRESS_CONTROLLER)
        return None


def public_address(world: World, service: Obj) -> str:
    """The address that the cloud gives a Service of type LoadBalancer: a documentation address (RFC 5737)."""
    meta = service["metadata"]
    return _address("198.51.100", world.cluster, f"{meta['namespace']}/{meta['name']}")


def _address(prefix: str, cluster: str, name: str) -> str:
    return f"{prefix}.{fnv32a(f'{cluster}/{name}'.encode()) % 250 + 2}"


def _reachable(pod: Obj) -> bool:
    return bool((pod.get("status") or {}).get("podIP")) and not pods.finished(pod) and not deleting(pod)


def endpoint(pod: Obj, service: Obj) -> dict[str, Any]:
    """One entry of `endpoints`; only a ready one gets traffic."""
    up = conditions.is_true(pod, "Ready")
    meta = pod["metadata"]
    entry: dict[str, Any] = {
        "addresses": [pod["status"]["podIP"]],
        "conditions": {
            "ready": up or bool(service["spec"].get("publishNotReadyAddresses")),
            "serving": up,
            "terminating": False,
        },
        "nodeName": pod["spec"]["nodeName"],
        "targetRef": {"kind": "Pod", "name": meta["name"], "namespace": meta["namespace"], "uid": meta["uid"]},
    }
    return {**entry, "hostname": pod["spec"]["hostname"]} if pod["spec"].get("hostname") else entry


def _port(port: dict[str, Any], found: list[Obj]) -> dict[str, Any]:
    target = port.get("targetPort", port["port"])
    if isinstance(target, str):
        target = next((number for pod in found for number in [_named_port(pod, target)] if number), None)
    entry = {"name": port.get("name", ""), "protocol": port.get("protocol", "TCP")}
    return entry if target is None else {**entry, "port": target}


def _named_port(pod: Obj, name: str) -> int | None:
    for container in pod["spec"].get("containers") or ():
        for port in container.get("ports") or ():
            if port.get("name") == name:
                return int(port["containerPort"])
    return None


def _new_slice(service: Obj, body: dict[str, Any], *, name: str) -> Obj:
    meta = service["metadata"]
    own = {_NAME_LABEL: meta["name"], _MANAGED_LABEL: "endpointslice-controller.k8s.io"}
    if service["spec"].get("clusterIP") == "None":
        own["service.kubernetes.io/headless"] = ""
    return {
        "apiVersion": "discovery.k8s.io/v1",
        "kind": "EndpointSlice",
        "metadata": {
            "name": f"{meta['name']}-{name}",
            "generateName": f"{meta['name']}-",
            "namespace": meta["namespace"],
            "labels": {**(meta.get("labels") or {}), **own},
            "ownerReferences": [owner_reference(service)],
        },
        "addressType": "IPv4",
        **body,
    }
