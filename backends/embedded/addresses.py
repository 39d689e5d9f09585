"""Cluster addresses and node ports of Services.

Owns: what is taken and what comes next. Called by `store` before a Service is written, told by the store's events what
was freed. Rules: Kubernetes v1.37 pkg/registry/core/service/storage/alloc.go.
"""

from __future__ import annotations

from typing import Any

from backends.embedded import errors
from backends.embedded.storage import Event

Obj = dict[str, Any]
_PORTS = range(30000, 32768)


class Addresses:
    """The allocator of one cluster: 10.96.0.0/16, node ports 30000 to 32767."""

    def __init__(self) -> None:
        self._addresses: dict[str, str] = {}
        self._ports: dict[int, str] = {}
        self._next_address = 10
        self._next_port = 0

    def on_event(self, event: Event) -> None:
        """Keeps the books: called for each committed change of a Service."""
        uid = event.record.uid
        if event.before is not None and event.old is not None:
            for address, port in _used(event.old["spec"]):
                self._addresses.pop(address, None)
                self._ports.pop(port, None)
        if event.type != "DELETED":
            for address, port in _used(event.obj["spec"]):
                if address:
                    self._addresses[address] = uid
                if port:
                    self._ports[port] = uid

    def fill(self, service: Obj, old: Obj | None) -> None:
        """Completes the spec of a Service that is about to be written: addresses, families, node ports.

        Raises:
            ApiError: 422, an address or port that was asked for is taken.
        """
        spec = service["spec"]
        before = old["spec"] if old else {}
        if spec["type"] == "ExternalName":
            for key in ("clusterIP", "clusterIPs", "ipFamilies", "ipFamilyPolicy"):
                spec.pop(key, None)
            return
        for key in ("clusterIP", "clusterIPs", "ipFamilies", "ipFamilyPolicy"):
            if not spec.get(key) and before.get(key):
                spec[key] = before[key]
        self._fill_address(service, before)
        # A headless Service without a selector is of both families whatever the cluster is.
        both = spec["clusterIP"] == "None" and not spec.get("selector")
        spec.setdefault("ipFamilies", ["IPv4", "IPv6"] if both else ["IPv4"])
        spec.setdefault("ipFamilyPolicy", "RequireDualStack" if both else "SingleStack")
        if spec["type"] in ("NodePort", "LoadBalancer") and spec.get("allocateLoadBalancerNodePorts", True):
            self._fill_ports(service, before)

    def _fill_address(self, service: Obj, before: Obj) -> None:
        spec = service["spec"]
        address = spec.get("clusterIP") or next(iter(spec.get("clusterIPs") or ()), "")
        if address and address != "None" and address != before.get("clusterIP") and address in self._addresses:
            cause = errors.field_invalid(
                "spec.clusterIPs", [address],
                f"failed to allocate IP {address}: provided IP is already allocated",
            )  # fmt: skip
            raise errors.invalid("", "Service", service["metadata"]["name"], causes=[cause])
        spec["clusterIP"] = address or self._new_address()
        spec["clusterIPs"] = [spec["clusterIP"]]

    def _new_address(self) -> str:
        while True:
            high, low = divmod(self._next_address, 256)
            self._next_address += 1
            address = f"10.96.{high % 256}.{low}"
            if address not in self._addresses and low not in (0, 255):
                return address

    def _fill_ports(self, service: Obj, before: Obj) -> None:
        mine = {(p.get("port"), p.get("protocol")): p.get("nodePort") for p in before.get("ports") or ()}
        kept = set(mine.values())
        for position, port in enumerate(service["spec"].get("ports") or ()):
            asked = port.get("nodePort")
            if asked and asked in self._ports and asked not in kept:
                path = f"spec.ports[{position}].nodePort"
                cause = errors.field_invalid(path, asked, "provided port is already allocated")
                raise errors.invalid("", "Service", service["metadata"]["name"], causes=[cause])
            if not asked:
                port["nodePort"] = mine.get((port.get("port"), port.get("protocol"))) or self._new_port()

    def _new_port(self) -> int:
        while True:
            # A stride that is prime to the range's length: ports look as scattered as the real ones.
            self._next_port = (self._next_port + 1283) % len(_PORTS)
            if _PORTS[self._next_port] not in self._ports:
                return _PORTS[self._next_port]


def _used(spec: Obj) -> list[tuple[str, int]]:
    address = spec.get("clusterIP", "")
    found = [("" if address == "None" else address, 0)]
    return found + [("", port["nodePort"]) for port in spec.get("ports") or () if port.get("nodePort")]
