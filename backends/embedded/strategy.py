"""What a write keeps, resets and counts, kind by kind: the registries' PrepareForCreate and PrepareForUpdate.

Owns: generated metadata, generation, what a subresource may change, what a write does not persist. Pure functions that
change the new object in place. Called by `store`. Rules: Kubernetes v1.37 pkg/registry/*/*/strategy.go,
apiextensions-apiserver v0.37 pkg/registry/customresource/strategy.go.
"""

from __future__ import annotations

import secrets
from collections.abc import Callable
from typing import Any

from backends.embedded import fieldsets
from backends.embedded.fieldsets import Fields
from backends.embedded.registry import ResourceType

Obj = dict[str, Any]
Kind = tuple[str, str]
_ALPHABET = "bcdfghjklmnpqrstvwxz2456789"
_KEPT_META = ("uid", "creationTimestamp", "deletionTimestamp", "deletionGracePeriodSeconds", "generation", "selfLink")
_ADMISSION = "admissionregistration.k8s.io"

COUNTED: frozenset[Kind] = frozenset(
    {
        ("", "Pod"),
        ("", "PodTemplate"),
        ("", "ReplicationController"),
        ("apps", "DaemonSet"),
        ("apps", "Deployment"),
        ("apps", "ReplicaSet"),
        ("apps", "StatefulSet"),
        ("autoscaling", "HorizontalPodAutoscaler"),
        ("batch", "CronJob"),
        ("batch", "Job"),
        ("discovery.k8s.io", "EndpointSlice"),
        ("networking.k8s.io", "Ingress"),
        ("networking.k8s.io", "IngressClass"),
        ("networking.k8s.io", "NetworkPolicy"),
        ("policy", "PodDisruptionBudget"),
        ("scheduling.k8s.io", "PriorityClass"),
        ("apiextensions.k8s.io", "CustomResourceDefinition"),
        (_ADMISSION, "MutatingWebhookConfiguration"),
        (_ADMISSION, "ValidatingAdmissionPolicy"),
        (_ADMISSION, "ValidatingAdmissionPolicyBinding"),
        (_ADMISSION, "ValidatingWebhookConfiguration"),
    }
)
"""The built-in kinds that have a generation; every custom kind has one."""

CREATED_BY_PUT: frozenset[Kind] = frozenset(
    {
        ("", "Endpoints"),
        ("", "Event"),
        ("", "LimitRange"),
        ("", "Service"),
        ("coordination.k8s.io", "Lease"),
        ("node.k8s.io", "RuntimeClass"),
        ("rbac.authorization.k8s.io", "ClusterRole"),
        ("rbac.authorization.k8s.io", "ClusterRoleBinding"),
        ("rbac.authorization.k8s.io", "Role"),
        ("rbac.authorization.k8s.io", "RoleBinding"),
    }
)
"""AllowCreateOnUpdate: a PUT of what does not exist creates it."""

_VERSION_NEEDED: frozenset[Kind] = frozenset(
    {
        ("policy", "PodDisruptionBudget"),
        ("coordination.k8s.io", "Lease"),
        ("node.k8s.io", "RuntimeClass"),
        ("storage.k8s.io", "CSIDriver"),
        ("storage.k8s.io", "CSINode"),
        ("storage.k8s.io", "VolumeAttachment"),
        ("apiextensions.k8s.io", "CustomResourceDefinition"),
        (_ADMISSION, "MutatingWebhookConfiguration"),
        (_ADMISSION, "ValidatingWebhookConfiguration"),
    }
)

_STATUS = fieldsets.path_set(("f:status",))
_SPEC = fieldsets.path_set(("f:spec",))
_ALL_BUT_STATUS = fieldsets.path_set(("f:spec",), ("f:metadata",))
_STATUS_IGNORES: dict[Kind, Fields] = {
    ("apps", "Deployment"): fieldsets.path_set(("f:spec",), ("f:metadata", "f:labels")),
    ("", "Pod"): fieldsets.path_set(
        ("f:spec",), ("f:metadata", "f:deletionTimestamp"), ("f:metadata", "f:ownerReferences")
    ),
}


def needs_version(resource: ResourceType) -> bool:
    """Whether an update must say which resource version it is based on (AllowUnconditionalUpdate)."""
    return resource.custom or resource.group_kind in _VERSION_NEEDED


def ignored_fields(resource: ResourceType, subresource: str) -> Fields:
    """What a write through `subresource` does not persist, and nobody owns for it (GetResetFields)."""
    if subresource == "status":
        return _ALL_BUT_STATUS if resource.custom else _STATUS_IGNORES.get(resource.group_kind, _SPEC)
    return _STATUS if resource.has_status else {}


def generate_name(base: str) -> str:
    """`base` with five random letters (apiserver pkg/storage/names/generate.go)."""
    return base[:58] + "".join(secrets.choice(_ALPHABET) for _ in range(5))


def prepare_create(resource: ResourceType, obj: Obj, *, now: str, uid: str) -> None:
    """Fills what the server alone decides."""
    meta = obj["metadata"]
    for key in ("deletionTimestamp", "deletionGracePeriodSeconds", "selfLink", "resourceVersion"):
        meta.pop(key, None)
    meta["uid"] = uid
    meta["creationTimestamp"] = now
    if resource.custom or resource.group_kind in COUNTED:
        meta["generation"] = 1
    special = _ON_CREATE.get(resource.group_kind)
    if special is not None:
        special(obj)


def prepare_update(resource: ResourceType, new: Obj, old: Obj, *, subresource: str) -> None:
    """Puts back what this write may not change, and counts the generation up when the desired state changed."""
    meta, old_meta = new["metadata"], old["metadata"]
    for key in _KEPT_META:
        meta.pop(key, None)
        if key in old_meta:
            meta[key] = old_meta[key]
    if subresource == "status":
        _keep_all_but_status(resource, new, old)
    elif resource.has_status:
        _keep(new, old, "status")
    special = _ON_UPDATE.get(resource.group_kind)
    if special is not None:
        special(new, old, subresource)
    if subresource != "status" and "generation" in old_meta and _desired(resource, new) != _desired(resource, old):
        new["metadata"]["generation"] = old_meta["generation"] + 1


def _keep(new: Obj, old: Obj, key: str) -> None:
    new.pop(key, None)
    if key in old:
        new[key] = old[key]


def _keep_all_but_status(resource: ResourceType, new: Obj, old: Obj) -> None:
    for key in {*new, *old} - {"status", "metadata", "apiVersion", "kind"}:
        _keep(new, old, key)
    if resource.custom:
        managers = new["metadata"].get("managedFields")
        new["metadata"] = dict(old["metadata"])
        new["metadata"].pop("managedFields", None)
        if managers:
            new["metadata"]["managedFields"] = managers
    elif resource.group_kind == ("apps", "Deployment"):
        _keep(new["metadata"], old["metadata"], "labels")
    elif resource.group_kind == ("", "Pod"):
        _keep(new["metadata"], old["metadata"], "ownerReferences")


def _desired(resource: ResourceType, obj: Obj) -> Obj:
    left_out = {"metadata", "status"} if resource.has_status else {"metadata"}
    desired = {key: value for key, value in obj.items() if key not in left_out}
    if resource.group_kind == ("apps", "Deployment"):
        # A Deployment's annotations are copied to its ReplicaSets.
        desired["annotations"] = obj["metadata"].get("annotations") or {}
    return desired


# --- kind by kind


def _create_namespace(obj: Obj) -> None:
    finalizers = obj["spec"].setdefault("finalizers", [])
    if "kubernetes" not in finalizers:
        finalizers.append("kubernetes")
    obj["metadata"].setdefault("labels", {})["kubernetes.io/metadata.name"] = obj["metadata"].get("name", "")


def _update_namespace(new: Obj, old: Obj, subresource: str) -> None:
    if subresource != "finalize":
        _keep(new["spec"], old["spec"], "finalizers")


def _create_job(obj: Obj) -> None:
    """Gives a Job the selector and the Pod labels that are its alone (generateSelector)."""
    spec, meta = obj["spec"], obj["metadata"]
    if spec.get("manualSelector"):
        return
    labels = spec["template"]["metadata"].setdefault("labels", {})
    for key in ("job-name", "batch.kubernetes.io/job-name"):
        labels.setdefault(key, meta.get("name", ""))
    for key in ("controller-uid", "batch.kubernetes.io/controller-uid"):
        labels.setdefault(key, meta["uid"])
    selector = spec.setdefault("selector", {}).setdefault("matchLabels", {})
    selector.setdefault("batch.kubernetes.io/controller-uid", meta["uid"])
    if not meta.get("labels"):
        meta["labels"] = dict(labels)


def _create_pod(obj: Obj) -> None:
    obj["status"] = {"phase": "Pending", "qosClass": quality_of_service(obj["spec"])}
    spec = obj["spec"]
    # Admission: Priority and DefaultTolerationSeconds.
    if not spec.get("priorityClassName"):
        spec.setdefault("priority", 0)
    spec.setdefault("preemptionPolicy", "PreemptLowerPriority")
    tolerations = spec.setdefault("tolerations", [])
    for name in ("not-ready", "unreachable"):
        key = f"node.kubernetes.io/{name}"
        if not any(t.get("key") in (key, None) and t.get("effect") in ("NoExecute", None) for t in tolerations):
            tolerations.append({"key": key, "operator": "Exists", "effect": "NoExecute", "tolerationSeconds": 300})


def quality_of_service(spec: Obj) -> str:
    """The QoS class of a Pod (pkg/apis/core/helper/qos/qos.go)."""
    containers = [*(spec.get("containers") or ()), *(spec.get("initContainers") or ())]
    resources = [container.get("resources", {}) for container in containers]
    wanted = ("cpu", "memory")
    if not any(r.get(side, {}).get(name) for r in resources for side in ("requests", "limits") for name in wanted):
        return "BestEffort"
    guaranteed = all(
        r.get("limits", {}).get(name) and r.get("requests", r["limits"]).get(name) == r["limits"][name]
        for r in resources
        for name in wanted
    )
    return "Guaranteed" if guaranteed else "Burstable"


def _update_pod(new: Obj, old: Obj, subresource: str) -> None:
    if subresource == "status":
        new["status"].setdefault("qosClass", old.get("status", {}).get("qosClass", "BestEffort"))


def _create_daemon_set(obj: Obj) -> None:
    obj["metadata"].setdefault("annotations", {})["deprecated.daemonset.template.generation"] = "1"


def _update_daemon_set(new: Obj, old: Obj, subresource: str) -> None:
    key = "deprecated.daemonset.template.generation"
    before = int((old["metadata"].get("annotations") or {}).get(key, "1"))
    moved = new["spec"].get("template") != old["spec"].get("template")
    new["metadata"].setdefault("annotations", {})[key] = str(before + 1 if moved else before)


def _create_definition(obj: Obj) -> None:
    stored = [version["name"] for version in obj["spec"].get("versions") or () if version.get("storage")]
    obj["status"]["storedVersions"] = stored


_ON_CREATE: dict[Kind, Callable[[Obj], None]] = {
    ("", "Namespace"): _create_namespace,
    ("", "Pod"): _create_pod,
    ("apiextensions.k8s.io", "CustomResourceDefinition"): _create_definition,
    ("apps", "DaemonSet"): _create_daemon_set,
    ("batch", "Job"): _create_job,
}
_ON_UPDATE: dict[Kind, Callable[[Obj, Obj, str], None]] = {
    ("", "Namespace"): _update_namespace,
    ("", "Pod"): _update_pod,
    ("apps", "DaemonSet"): _update_daemon_set,
}
