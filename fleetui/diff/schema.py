"""What an apply has to know of the built-in kinds' schema, and no more.

Owns: which lists are merged by key, which maps are replaced as a whole, which empty values a server leaves out. Called
by `predicted`. The facts are those of Kubernetes 1.37: client-go applyconfigurations/internal (`elementRelationship`),
k8s.io/api (`omitempty` on fields that are no pointers).
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from fleetui.diff.lists import BY_NAME, DEFAULTS, KEYS
from fleetui.model.objects import split_api_version

_GROUPS = frozenset(
    {
        "", "admissionregistration.k8s.io", "apiextensions.k8s.io", "apiregistration.k8s.io", "apps", "autoscaling",
        "batch", "certificates.k8s.io", "coordination.k8s.io", "discovery.k8s.io", "events.k8s.io", "extensions",
        "flowcontrol.apiserver.k8s.io", "networking.k8s.io", "node.k8s.io", "policy", "rbac.authorization.k8s.io",
        "resource.k8s.io", "scheduling.k8s.io", "storage.k8s.io", "storagemigration.k8s.io",
    }
)  # fmt: skip

_REPLACED_LISTS = {
    ("ServiceAccount", "imagePullSecrets"),
    ("NetworkPolicy", "ports"),
    ("Endpoints", "ports"),
    ("EndpointSlice", "ports"),
    ("MutatingAdmissionPolicy", "variables"),
}
"""Lists that have the name of a merged one and are replaced as a whole."""

_FINALIZERS_REPLACED = frozenset({"Namespace"})
"""The kinds whose `spec.finalizers` are replaced; nobody applies them, but `metadata.finalizers` has the same name."""

_ATOMIC_MAPS = frozenset(
    {
        "claimRef", "configMapKeyRef", "dataSource", "fieldRef", "labelSelector", "matchLabels", "namespaceSelector",
        "nodeSelector", "objectSelector", "podSelector", "port", "preference", "resourceFieldRef", "roleRef",
        "scaleTargetRef", "scopeSelector", "secretKeyRef", "secretRef", "selector", "targetRef",
    }
)  # fmt: skip

_SERVER_ADDS = frozenset(
    {
        "allocationMode", "apiGroup", "apiVersion", "count", "creationTimestamp", "divisor", "expirationSeconds",
        "kind", "protocol", "scope", "status", "volumeMode",
    }
)  # fmt: skip
"""The defaults that a server writes into what an apply replaces as a whole: ports, references, subjects, rules, claim
templates."""

_SELECTED_BY_MAP = frozenset({"Service", "ReplicationController"})
"""Kinds whose `selector` is a plain map, and gone when it is empty."""

_EMPTY_LEFT_OUT = frozenset(
    {
        "annotations", "binaryData", "data", "deprecated", "description", "exclusiveMaximum", "exclusiveMinimum",
        "externalName", "generateName", "globalDefault", "hard", "hostIP", "hostIPC", "hostNetwork", "hostPID",
        "hostPort", "hostname", "initialDelaySeconds", "labels", "limits", "loadBalancerIP", "matchLabels",
        "maxLimitRequestRatio", "medium", "minReadySeconds", "namespace", "nodeSelector", "nullable", "overhead",
        "paused", "podFixed", "prefix", "preserveUnknownFields", "publishNotReadyAddresses", "readOnly", "requests",
        "stdin", "stdinOnce", "subPath", "subPathExpr", "subdomain", "title", "tty", "uniqueItems", "unschedulable",
        "value", "volumeAttributes", "workingDir", "x-kubernetes-embedded-resource", "x-kubernetes-int-or-string",
    }
)  # fmt: skip
"""Fields that are no pointers in Go and have `omitempty`: an empty string, 0, false or an empty map is not kept."""

_LEFT_TO_SERVER = frozenset(
    {
        "clusterIP", "concurrencyPolicy", "dnsPolicy", "externalTrafficPolicy", "failureThreshold",
        "healthCheckNodePort", "imagePullPolicy", "nodeName", "nodePort", "periodSeconds",
        "persistentVolumeReclaimPolicy", "podManagementPolicy", "priorityClassName", "protocol", "pullPolicy",
        "restartPolicy", "schedulerName", "scheme", "serviceAccount", "serviceAccountName", "sessionAffinity",
        "successThreshold", "terminationMessagePath", "terminationMessagePolicy", "timeoutSeconds", "type",
        "volumeName", "whenDeleted", "whenScaled",
    }
)  # fmt: skip
"""Fields of which an empty text or 0 says that the server (a default, an allocator, the scheduler) is to choose."""

_DEFAULTS: dict[str, Any] = {
    "dnsPolicy": "ClusterFirst", "failureThreshold": 3, "imagePullPolicy": "IfNotPresent", "periodSeconds": 10,
    "progressDeadlineSeconds": 600, "protocol": "TCP", "replicas": 1, "restartPolicy": "Always",
    "revisionHistoryLimit": 10, "schedulerName": "default-scheduler", "scheme": "HTTP", "sessionAffinity": "None",
    "successThreshold": 1, "terminationGracePeriodSeconds": 30, "terminationMessagePath": "/dev/termination-log",
    "terminationMessagePolicy": "File", "timeoutSeconds": 1,
}  # fmt: skip
"""What a server fills in where a manifest says nothing (Kubernetes 1.37, pkg/apis/*/v1/defaults.go)."""
_TYPES = {"Secret": "Opaque", "Service": "ClusterIP"}


def is_built_in(obj: Mapping[str, Any]) -> bool:
    """Whether the kind comes with every API server, so that what is known here holds for it."""
    return split_api_version(str(obj.get("apiVersion", "")))[0] in _GROUPS


def is_merged_by_key(field: str, kind: str) -> bool:
    """Whether an apply merges the list at `field` item by item; any other list it replaces."""
    return (field in BY_NAME or field in KEYS) and (kind, field) not in _REPLACED_LISTS


def is_merged_set(field: str, kind: str) -> bool:
    """Whether an apply merges the list at `field` value by value."""
    return field == "finalizers" and kind not in _FINALIZERS_REPLACED


def is_atomic_map(field: str) -> bool:
    """Whether server-side apply replaces the map at `field` as a whole, so that what it does not say goes."""
    return field in _ATOMIC_MAPS


def is_replaced_map(field: str, kind: str) -> bool:
    """Whether client-side apply too replaces the map at `field` (k8s.io/api v0.37, ``patchStrategy:"replace"``)."""
    return kind == "PodDisruptionBudget" and field in {"selector", "matchLabels"}


def is_server_added(field: str) -> bool:
    """Whether a server may have written `field` by itself into what is replaced as a whole."""
    return field in _SERVER_ADDS


def is_left_to_server(field: str, value: Any) -> bool:
    """Whether a manifest's `value` of a built-in kind's field says no more than that the server is to choose it."""
    return not value and isinstance(value, str | int) and field in _LEFT_TO_SERVER


def is_default(field: str, value: Any, kind: str) -> bool:
    """Whether a live `value` is what the server would write again, were it taken away."""
    default = _TYPES.get(kind) if field == "type" else _DEFAULTS.get(field)
    return default is not None and bool(value == default)


def with_defaults(field: str, item: Any, kind: str) -> Any:
    """An item of the list at `field` with the few defaults that nearly every manifest leaves to the server."""
    if field == "limits" and kind == "LimitRange":
        return _limit_range_item(item)
    if field != "ports" or not isinstance(item, dict) or not ("port" in item or "containerPort" in item):
        return item
    result = {"protocol": DEFAULTS["protocol"], **item}
    if kind == "Service":
        result.setdefault("targetPort", item.get("port"))
    return result


def _limit_range_item(item: Any) -> Any:
    """Kubernetes 1.37, pkg/apis/core/v1/defaults.go, `SetDefaults_LimitRangeItem`."""
    if not isinstance(item, dict) or item.get("type") != "Container":
        return item
    most, least, default, request = (
        value if isinstance(value := item.get(key), dict) else {} for key in ("max", "min", "default", "defaultRequest")
    )
    default = most | default
    filled = {"default": default, "defaultRequest": least | default | request}
    return {**item, **{key: value for key, value in filled.items() if value}}


def is_omitted(field: str, value: Any, kind: str) -> bool:
    """Whether a server keeps nothing of a manifest's `value`, because it is empty."""
    if value == []:
        return True
    if field == "selector":
        return not value and kind in _SELECTED_BY_MAP
    return (not value and field in _EMPTY_LEFT_OUT) or is_left_to_server(field, value)
