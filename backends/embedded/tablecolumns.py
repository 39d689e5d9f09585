"""The columns of built-in tables, kind by kind.

Owns: `Column`, `COLUMNS`. Pure data over the functions of `tablecells`. Called by `tables`. Rules: Kubernetes v1.37
pkg/printers/internalversion/printers.go (`AddHandlers`).
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import msgspec

from backends.embedded.tablecells import (
    Obj,
    access_modes,
    binding_role,
    claim_class,
    containers,
    definition_versions,
    endpoints,
    event_source,
    event_start,
    event_target,
    event_time,
    external_address,
    get,
    held,
    hosts,
    images,
    job_completions,
    job_duration,
    job_status,
    labels_text,
    load_balancer,
    metrics,
    node_address,
    node_roles,
    node_status,
    pod_gates,
    pod_ip,
    pod_ready,
    pod_restarts,
    pod_status,
    ports_text,
    quota,
    selector_text,
    service_ports,
    since,
    subjects,
)

Cell = Callable[[Obj, float], Any]


class Column(msgspec.Struct, frozen=True):
    """One column; those with priority 1 are shown by ``-o wide`` alone."""

    name: str
    cell: Cell
    type: str = "string"
    format: str = ""
    priority: int = 0
    description: str = ""


def _name(obj: Obj, _: float) -> Any:
    return obj["metadata"]["name"]


def _age(obj: Obj, now: float) -> Any:
    return since(obj["metadata"].get("creationTimestamp"), now)


def _at(*path: str, default: Any = "") -> Cell:
    def cell(obj: Obj, _: float) -> Any:
        value = get(obj, *path)
        return default if value is None else value

    return cell


def _count(*path: str) -> Cell:
    return lambda obj, _: len(get(obj, *path) or ())


def _plain(function: Callable[[Obj], Any]) -> Cell:
    return lambda obj, _: function(obj)


def _node_info(key: str) -> Cell:
    return lambda obj, _: get(obj, "status", "nodeInfo", key) or "<unknown>"


def _ready(of: str) -> Cell:
    return lambda obj, _: f"{get(obj, 'status', 'readyReplicas') or 0}/{get(obj, 'spec', of) or 0}"


NAME = Column("Name", _name, format="name")
_AGE = Column("Age", _age)
_TEMPLATE = ("spec", "template", "spec", "containers")
_JOB_TEMPLATE = ("spec", "jobTemplate", "spec", "template", "spec")
_WIDE = (
    Column("Containers", _plain(lambda obj: containers(get(obj, *_TEMPLATE))), priority=1),
    Column("Images", _plain(lambda obj: images(get(obj, *_TEMPLATE))), priority=1),
)
_SELECTOR = Column("Selector", _plain(lambda obj: selector_text(get(obj, "spec", "selector"))), priority=1)
DEFAULT = (NAME, Column("Created At", _at("metadata", "creationTimestamp"), "date"))
_NUMBER = "integer"

COLUMNS: dict[tuple[str, str], tuple[Column, ...]] = {
    ("", "ConfigMap"): (
        NAME,
        Column("Data", lambda obj, _: len(obj.get("data") or ()) + len(obj.get("binaryData") or ())),
        _AGE,
    ),
    ("", "Secret"): (NAME, Column("Type", _at("type")), Column("Data", _count("data")), _AGE),
    ("", "ServiceAccount"): (NAME, _AGE),
    ("", "ResourceQuota"): (
        NAME,
        Column("Request", _plain(lambda obj: quota(obj, limits=False))),
        Column("Limit", _plain(lambda obj: quota(obj, limits=True))),
        _AGE,
    ),
    ("", "Namespace"): (NAME, Column("Status", _at("status", "phase")), _AGE),
    ("", "Pod"): (
        NAME,
        Column("Ready", _plain(pod_ready)),
        Column("Status", _plain(pod_status)),
        Column("Restarts", pod_restarts),
        _AGE,
        Column("IP", _plain(pod_ip), priority=1),
        Column("Node", _at("spec", "nodeName", default="<none>"), priority=1),
        Column("Nominated Node", _at("status", "nominatedNodeName", default="<none>"), priority=1),
        Column("Readiness Gates", _plain(pod_gates), priority=1),
    ),
    ("", "Service"): (
        NAME,
        Column("Type", _at("spec", "type")),
        Column("Cluster-IP", _at("spec", "clusterIP", default="<none>")),
        Column("External-IP", _plain(external_address)),
        Column("Port(s)", _plain(service_ports)),
        _AGE,
        Column("Selector", _plain(lambda obj: labels_text(get(obj, "spec", "selector"))), priority=1),
    ),
    ("", "Endpoints"): (NAME, Column("Endpoints", _plain(endpoints)), _AGE),
    ("", "Event"): (
        Column("Last Seen", event_time),
        Column("Type", _at("type")),
        Column("Reason", _at("reason")),
        Column("Object", _plain(event_target)),
        Column("Subobject", _at("involvedObject", "fieldPath"), priority=1),
        Column("Source", _plain(event_source), priority=1),
        Column("Message", _plain(lambda obj: str(obj.get("message", "")).strip())),
        Column("First Seen", event_start, priority=1),
        Column("Count", _plain(lambda obj: get(obj, "series", "count") or obj.get("count") or 1), priority=1),
        Column("Name", _name, format="name", priority=1),
    ),
    ("", "Node"): (
        NAME,
        Column("Status", _plain(node_status)),
        Column("Roles", _plain(node_roles)),
        _AGE,
        Column("Version", _at("status", "nodeInfo", "kubeletVersion")),
        Column("Internal-IP", _plain(lambda obj: node_address(obj, "InternalIP")), priority=1),
        Column("External-IP", _plain(lambda obj: node_address(obj, "ExternalIP")), priority=1),
        Column("OS-Image", _node_info("osImage"), priority=1),
        Column("Kernel-Version", _node_info("kernelVersion"), priority=1),
        Column("Container-Runtime", _node_info("containerRuntimeVersion"), priority=1),
    ),
    ("", "PodTemplate"): (
        NAME,
        Column("Containers", _plain(lambda obj: containers(get(obj, "template", "spec", "containers")))),
        Column("Images", _plain(lambda obj: images(get(obj, "template", "spec", "containers")))),
        Column("Pod Labels", _plain(lambda obj: labels_text(get(obj, "template", "metadata", "labels")))),
    ),
    ("node.k8s.io", "RuntimeClass"): (NAME, Column("Handler", _at("handler")), _AGE),
    ("", "PersistentVolume"): (
        NAME,
        Column("Capacity", _at("spec", "capacity", "storage")),
        Column("Access Modes", _plain(lambda obj: access_modes(get(obj, "spec", "accessModes")))),
        Column("Reclaim Policy", _at("spec", "persistentVolumeReclaimPolicy")),
        Column("Status", _at("status", "phase")),
        Column("Claim", _plain(lambda obj: "/".join(filter(None, (
            get(obj, "spec", "claimRef", "namespace"), get(obj, "spec", "claimRef", "name")))))),
        Column("StorageClass", _at("spec", "storageClassName")),
        Column("VolumeAttributesClass", _at("spec", "volumeAttributesClassName", default="<unset>")),
        Column("Reason", _at("status", "reason")),
        _AGE,
        Column("VolumeMode", _at("spec", "volumeMode", default="<unset>"), priority=1),
    ),
    ("", "PersistentVolumeClaim"): (
        NAME,
        Column("Status", _at("status", "phase")),
        Column("Volume", _at("spec", "volumeName")),
        Column("Capacity", _at("status", "capacity", "storage")),
        Column("Access Modes", _plain(lambda obj: access_modes(get(obj, "status", "accessModes")))),
        Column("StorageClass", _plain(claim_class)),
        Column("VolumeAttributesClass", _at("spec", "volumeAttributesClassName", default="<unset>")),
        _AGE,
        Column("VolumeMode", _at("spec", "volumeMode", default="<unset>"), priority=1),
    ),
    ("apps", "Deployment"): (
        NAME,
        Column("Ready", _ready("replicas")),
        Column("Up-to-date", _at("status", "updatedReplicas", default=0)),
        Column("Available", _at("status", "availableReplicas", default=0)),
        _AGE,
        *_WIDE,
        _SELECTOR,
    ),
    ("apps", "ReplicaSet"): (
        NAME,
        Column("Desired", _at("spec", "replicas", default=0), _NUMBER),
        Column("Current", _at("status", "replicas", default=0), _NUMBER),
        Column("Ready", _at("status", "readyReplicas", default=0), _NUMBER),
        _AGE,
        *_WIDE,
        _SELECTOR,
    ),
    ("apps", "StatefulSet"): (NAME, Column("Ready", _ready("replicas")), _AGE, *_WIDE),
    ("apps", "DaemonSet"): (
        NAME,
        Column("Desired", _at("status", "desiredNumberScheduled", default=0), _NUMBER),
        Column("Current", _at("status", "currentNumberScheduled", default=0), _NUMBER),
        Column("Ready", _at("status", "numberReady", default=0), _NUMBER),
        Column("Up-to-date", _at("status", "updatedNumberScheduled", default=0), _NUMBER),
        Column("Available", _at("status", "numberAvailable", default=0), _NUMBER),
        Column("Node Selector", _plain(lambda obj: labels_text(get(obj, "spec", "template", "spec", "nodeSelector")))),
        _AGE,
        *_WIDE,
        _SELECTOR,
    ),
    ("apps", "ControllerRevision"): (
        NAME,
        Column("Controller", _plain(lambda obj: next(
            (f"{o['kind'].lower()}.apps/{o['name']}" for o in obj["metadata"].get("ownerReferences") or ()
             if o.get("controller")), "<none>"))),
        Column("Revision", _plain(lambda obj: obj.get("revision", 0))),
        _AGE,
    ),
    ("batch", "Job"): (
        NAME,
        Column("Status", _plain(job_status)),
        Column("Completions", _plain(job_completions)),
        Column("Duration", job_duration),
        _AGE,
        *_WIDE,
        _SELECTOR,
    ),
    ("batch", "CronJob"): (
        NAME,
        Column("Schedule", _at("spec", "schedule")),
        Column("Timezone", _at("spec", "timeZone", default="<none>")),
        Column("Suspend", _plain(lambda obj: "True" if get(obj, "spec", "suspend") else "False"), "boolean"),
        Column("Active", _count("status", "active"), _NUMBER),
        Column("Last Schedule", lambda obj, now: since(get(obj, "status", "lastScheduleTime"), now, absent="<none>")),
        _AGE,
        Column("Containers", _plain(lambda obj: containers(get(obj, *_JOB_TEMPLATE, "containers"))), priority=1),
        Column("Images", _plain(lambda obj: images(get(obj, *_JOB_TEMPLATE, "containers"))), priority=1),
        Column(
            "Selector",
            _plain(lambda obj: selector_text(get(obj, "spec", "jobTemplate", "spec", "selector"))),
            priority=1,
        ),
    ),
    ("networking.k8s.io", "Ingress"): (
        NAME,
        Column("Class", _at("spec", "ingressClassName", default="<none>")),
        Column("Hosts", _plain(hosts)),
        Column("Address", _plain(load_balancer)),
        Column("Ports", _plain(lambda obj: "80, 443" if get(obj, "spec", "tls") else "80")),
        _AGE,
    ),
    ("networking.k8s.io", "IngressClass"): (
        NAME,
        Column("Controller", _at("spec", "controller")),
        Column("Parameters", _at("spec", "parameters", "name", default="<none>")),
        _AGE,
    ),
    ("networking.k8s.io", "NetworkPolicy"): (
        NAME,
        Column("Pod-Selector", _plain(lambda obj: selector_text(get(obj, "spec", "podSelector")))),
        _AGE,
    ),
    ("autoscaling", "HorizontalPodAutoscaler"): (
        NAME,
        Column("Reference", _plain(lambda obj: (
            f"{get(obj, 'spec', 'scaleTargetRef', 'kind')}/{get(obj, 'spec', 'scaleTargetRef', 'name')}"))),
        Column("Targets", _plain(metrics)),
        Column("MinPods", _plain(lambda obj: str(get(obj, "spec", "minReplicas") or "<unset>"))),
        Column("MaxPods", _at("spec", "maxReplicas", default=0)),
        Column("Replicas", _at("status", "currentReplicas", default=0)),
        _AGE,
    ),
    ("policy", "PodDisruptionBudget"): (
        NAME,
        Column("Min Available", _plain(lambda obj: str(get(obj, "spec", "minAvailable") or "N/A"))),
        Column("Max Unavailable", _plain(lambda obj: str(get(obj, "spec", "maxUnavailable") or "N/A"))),
        Column("Allowed Disruptions", _at("status", "disruptionsAllowed", default=0), _NUMBER),
        _AGE,
    ),
    ("rbac.authorization.k8s.io", "RoleBinding"): (
        NAME,
        Column("Role", _plain(binding_role)),
        _AGE,
        Column("Users", _plain(lambda obj: subjects(obj, "User")), priority=1),
        Column("Groups", _plain(lambda obj: subjects(obj, "Group")), priority=1),
        Column("ServiceAccounts", _plain(lambda obj: subjects(obj, "ServiceAccount")), priority=1),
    ),
    ("storage.k8s.io", "StorageClass"): (
        NAME,
        Column("Provisioner", _at("provisioner")),
        Column("ReclaimPolicy", _at("reclaimPolicy")),
        Column("VolumeBindingMode", _at("volumeBindingMode")),
        Column("AllowVolumeExpansion", _at("allowVolumeExpansion", default=False)),
        _AGE,
    ),
    ("scheduling.k8s.io", "PriorityClass"): (
        NAME,
        Column("Value", _at("value", default=0), _NUMBER),
        Column("Global-Default", _at("globalDefault", default=False), "boolean"),
        _AGE,
        Column("PreemptionPolicy", _at("preemptionPolicy")),
    ),
    ("coordination.k8s.io", "Lease"): (NAME, Column("Holder", _at("spec", "holderIdentity")), _AGE),
    ("discovery.k8s.io", "EndpointSlice"): (
        NAME,
        Column("AddressType", _at("addressType")),
        Column("Ports", _plain(lambda obj: ports_text(obj.get("ports")))),
        Column("Endpoints", _plain(lambda obj: _slice_addresses(obj))),
        _AGE,
    ),
    ("apiextensions.k8s.io", "CustomResourceDefinition"): (
        NAME,
        Column("Scope", _at("spec", "scope")),
        Column("Versions", _plain(definition_versions)),
        Column("Created At", _at("metadata", "creationTimestamp"), "date"),
        Column("Group", _at("spec", "group"), priority=1),
        Column("Kind", _at("spec", "names", "kind"), priority=1),
        Column("ShortNames", _plain(lambda obj: ",".join(get(obj, "spec", "names", "shortNames") or ())), priority=1),
        Column("Established", _plain(lambda obj: "Established" in held(obj)), "boolean", priority=1),
    ),
    ("apiregistration.k8s.io", "APIService"): (
        NAME,
        Column("Service", _plain(lambda obj: "/".join(filter(None, (
            get(obj, "spec", "service", "namespace"), get(obj, "spec", "service", "name")))) or "Local")),
        Column("Available", _plain(lambda obj: next(
            (c["status"] for c in get(obj, "status", "conditions") or () if c["type"] == "Available"), "Unknown"))),
        _AGE,
    ),
}  # fmt: skip
COLUMNS[("events.k8s.io", "Event")] = COLUMNS[("", "Event")]
COLUMNS[("rbac.authorization.k8s.io", "ClusterRoleBinding")] = COLUMNS[("rbac.authorization.k8s.io", "RoleBinding")]
COLUMNS[("", "ReplicationController")] = COLUMNS[("apps", "ReplicaSet")]
for _kind in ("MutatingWebhookConfiguration", "ValidatingWebhookConfiguration"):
    COLUMNS[("admissionregistration.k8s.io", _kind)] = (NAME, Column("Webhooks", _count("webhooks"), _NUMBER), _AGE)


def _slice_addresses(obj: Obj) -> str:
    found = [address for entry in obj.get("endpoints") or () for address in entry.get("addresses") or ()]
    if not found:
        return "<unset>"
    return ",".join(found[:3]) + (f" + {len(found) - 3} more..." if len(found) > 3 else "")
