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
        "allocationMode", "apiGroup", "apiVersion", "count", "divisor", "expirationSeconds", "kind", "protocol",
        "scope", "status", "volumeMode",
    }
)  # fmt: skip
"""The defaults that a server writes into what an apply replaces as a whole: ports, references, subjects, rules, claim
templates."""

_SELECTED_BY_MAP = frozenset({"Service", "ReplicationController"})
"""Kinds whose `selector` is a plain map, and gone when it is empty."""

_EMPTY_LEFT_OUT = frozenset(
    {
        "annotations", "clusterIP", "data", "externalName", "hostIPC", "hostIP", "hostNetwork", "hostPID", "hostname",
        "initialDelaySeconds", "labels", "limits", "loadBalancerIP", "matchLabels", "minReadySeconds", "namespace",
        "nodeName", "nodeSelector", "paused", "priorityClassName", "publishNotReadyAddresses", "readOnly", "requests",
        "schedulerName", "serviceAccount", "serviceAccountName", "stdin", "stdinOnce", "subPath",
        "subPathExpr", "subdomain", "tty", "value", "workingDir",
    }
)  # fmt: skip
"""Fields that are no pointers in Go and have `omitempty`: an empty string, 0, false or an empty map is not kept."""


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


def is_server_added(field: str) -> bool:
    """Whether a server may have written `field` by itself into what is replaced as a whole."""
    return field in _SERVER_ADDS


def with_defaults(field: str, item: Any, kind: str) -> Any:
    """An item of the list at `field` with the few defaults that nearly every manifest leaves to the server."""
    if field != "ports" or not isinstance(item, dict) or not ("port" in item or "containerPort" in item):
        return item
    result = {"protocol": DEFAULTS["protocol"], **item}
    if kind == "Service":
        result.setdefault("targetPort", item.get("port"))
    return result


def is_omitted(field: str, value: Any, kind: str) -> bool:
    """Whether a server keeps nothing of a manifest's `value`, because it is empty."""
    if value == []:
        return True
    return not value and (field in _EMPTY_LEFT_OUT or (field == "selector" and kind in _SELECTED_BY_MAP))
