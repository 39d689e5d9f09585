"""What the API server does not accept in the body of a built-in object: missing, wrong and immutable fields.

Owns: validation kind by kind, as far as clients run into it. Pure functions from objects to causes. Called by
`writing`. Rules and wordings: Kubernetes v1.37 pkg/apis/*/validation.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from ipaddress import ip_address
from typing import Any

from backends.embedded import definitionvalidation, errors, workloadvalidation
from backends.embedded.errors import Cause
from backends.embedded.registry import ResourceType
from backends.embedded.validation import metadata_update_faults

Obj = dict[str, Any]
Kind = tuple[str, str]
_RBAC = "rbac.authorization.k8s.io"


def object_faults(resource: ResourceType, obj: Obj) -> list[Cause]:
    """What is wrong with the body of a built-in object."""
    check = _BODIES.get(resource.group_kind)
    return list(check(obj)) if check else []


def update_faults(resource: ResourceType, new: Obj, old: Obj) -> list[Cause]:
    """What an update must not do: change immutable fields, add finalizers to what is being deleted."""
    found = list(metadata_update_faults(new["metadata"], old["metadata"], custom=resource.custom))
    for path in _IMMUTABLE.get(resource.group_kind, ()):
        value = _at(new, path)
        if value != _at(old, path):
            found.append(errors.field_invalid(path, value, "field is immutable"))
    special = _UPDATES.get(resource.group_kind)
    return found + (list(special(new, old)) if special else [])


def _at(obj: Obj, path: str) -> Any:
    node: Any = obj
    for step in path.split("."):
        node = node.get(step) if isinstance(node, dict) else None
    return node


def _service(obj: Obj) -> Iterator[Cause]:
    spec = obj["spec"]
    ports = spec.get("ports") or ()
    if not ports and spec.get("clusterIP") != "None" and spec["type"] != "ExternalName":
        yield errors.field_required("spec.ports")
    for position, port in enumerate(ports):
        path = f"spec.ports[{position}]"
        if len(ports) > 1 and not port.get("name"):
            yield errors.field_required(f"{path}.name")
        for key in ("port", "targetPort"):
            number = port.get(key, 0)
            if isinstance(number, int) and not 1 <= number <= 65535:
                yield errors.field_invalid(f"{path}.{key}", number, workloadvalidation.PORT)
    for position, address in enumerate(spec.get("clusterIPs") or filter(None, [spec.get("clusterIP")])):
        if address != "None" and not _is_address(address):
            text = "must be a valid IP address, (e.g. 10.9.8.7 or 2001:db8::ffff)"
            yield errors.field_invalid(f"spec.clusterIPs[{position}]", address, text)
    kinds = ["ClusterIP", "ExternalName", "LoadBalancer", "NodePort"]
    if spec["type"] not in kinds:
        yield errors.field_unsupported("spec.type", spec["type"], kinds)


def _is_address(text: str) -> bool:
    try:
        ip_address(text)
    except ValueError:
        return False
    return True


def _ingress(obj: Obj) -> Iterator[Cause]:
    spec = obj.get("spec") or {}
    if not spec.get("rules") and not spec.get("defaultBackend"):
        text = "either `defaultBackend` or `rules` must be specified"
        yield errors.field_invalid("spec", spec.get("rules"), text)


def _autoscaler(obj: Obj) -> Iterator[Cause]:
    spec = obj["spec"]
    least, most, target = spec.get("minReplicas", 1), spec.get("maxReplicas", 0), spec.get("scaleTargetRef") or {}
    if most < least:
        yield errors.field_invalid("spec.maxReplicas", most, "must be greater than or equal to `minReplicas`")
    if "/" not in target.get("apiVersion", ""):
        text = "apiVersion must specify API group"
        yield errors.field_invalid("spec.scaleTargetRef.apiVersion", target.get("apiVersion", ""), text)
    for key in ("kind", "name"):
        if not target.get(key):
            yield errors.field_required(f"spec.scaleTargetRef.{key}")
    if not most:
        yield errors.field_required("spec.maxReplicas")


def _role(obj: Obj) -> Iterator[Cause]:
    for position, rule in enumerate(obj.get("rules") or ()):
        path, urls = f"rules[{position}]", rule.get("nonResourceURLs")
        if urls and "namespace" in obj["metadata"]:
            text = "namespaced rules cannot apply to non-resource URLs"
            yield errors.field_invalid(f"{path}.nonResourceURLs", urls, text)
        elif urls and (rule.get("apiGroups") or rule.get("resources") or rule.get("resourceNames")):
            text = "rules cannot apply to both regular resources and non-resource URLs"
            yield errors.field_invalid(f"{path}.nonResourceURLs", urls, text)
        elif not urls:
            for key, what in (("apiGroups", "api group"), ("resources", "resource")):
                if not rule.get(key):
                    yield errors.field_required(f"{path}.{key}", f"resource rules must supply at least one {what}")
        if not rule.get("verbs"):
            yield errors.field_required(f"{path}.verbs")


def _config(obj: Obj) -> Iterator[Cause]:
    for key in sorted({*(obj.get("data") or {})} & {*(obj.get("binaryData") or {})}):
        yield errors.field_invalid(f"data[{key}]", key, "duplicate of key present in binaryData")
    yield from _keys(obj)


def _keys(obj: Obj) -> Iterator[Cause]:
    for field in ("data", "binaryData"):
        for key in obj.get(field) or {}:
            if not re.fullmatch(r"[-._a-zA-Z0-9]+", key) or len(key) > 253:
                text = (
                    "a valid config key must consist of alphanumeric characters, '-', '_' or '.' (e.g. 'key.name',  "
                    "or 'KEY_NAME',  or 'key-name', regex used for validation is '[-._a-zA-Z0-9]+')"
                )
                yield errors.field_invalid(f"{field}[{key}]", key, text)


_SECRET_KEYS = {
    "kubernetes.io/tls": ("tls.crt", "tls.key"),
    "kubernetes.io/dockerconfigjson": (".dockerconfigjson",),
    "kubernetes.io/dockercfg": (".dockercfg",),
    "kubernetes.io/ssh-auth": ("ssh-privatekey",),
}


def _secret(obj: Obj) -> Iterator[Cause]:
    yield from _keys(obj)
    for key in _SECRET_KEYS.get(obj.get("type", ""), ()):
        if key not in (obj.get("data") or {}):
            yield errors.field_required(f"data[{key}]")


_BODIES: dict[Kind, Callable[[Obj], Iterator[Cause]]] = {
    ("", "ConfigMap"): _config,
    ("", "Pod"): workloadvalidation.pod,
    ("", "PodTemplate"): workloadvalidation.pod_template,
    ("", "Secret"): _secret,
    ("", "Service"): _service,
    ("apiextensions.k8s.io", "CustomResourceDefinition"): definitionvalidation.definition,
    ("apps", "DaemonSet"): workloadvalidation.workload,
    ("apps", "Deployment"): workloadvalidation.workload,
    ("apps", "ReplicaSet"): workloadvalidation.workload,
    ("apps", "StatefulSet"): workloadvalidation.workload,
    ("autoscaling", "HorizontalPodAutoscaler"): _autoscaler,
    ("batch", "CronJob"): workloadvalidation.cron_job,
    ("batch", "Job"): workloadvalidation.job,
    ("networking.k8s.io", "Ingress"): _ingress,
    (_RBAC, "ClusterRole"): _role,
    (_RBAC, "Role"): _role,
}

_IMMUTABLE: dict[Kind, tuple[str, ...]] = {
    ("", "Secret"): ("type",),
    ("apps", "ControllerRevision"): ("data",),
    ("apps", "DaemonSet"): ("spec.selector",),
    ("apps", "Deployment"): ("spec.selector",),
    ("apps", "ReplicaSet"): ("spec.selector",),
    ("apps", "StatefulSet"): (
        "spec.selector", "spec.volumeClaimTemplates", "spec.serviceName", "spec.podManagementPolicy",
    ),
    ("apiextensions.k8s.io", "CustomResourceDefinition"): (
        "spec.group", "spec.names.kind", "spec.names.plural", "spec.scope",
    ),
    ("batch", "Job"): ("spec.selector", "spec.completionMode", "spec.podFailurePolicy"),
    ("discovery.k8s.io", "EndpointSlice"): ("addressType",),
    ("storage.k8s.io", "StorageClass"): ("provisioner", "reclaimPolicy", "volumeBindingMode"),
}  # fmt: skip


def _update_config(new: Obj, old: Obj) -> Iterator[Cause]:
    if not old.get("immutable"):
        return
    if not new.get("immutable"):
        yield errors.field_forbidden("immutable", "field is immutable when `immutable` is set")
    for field in ("data", "binaryData"):
        if new.get(field, {}) != old.get(field, {}):
            yield errors.field_forbidden(field, "field is immutable when `immutable` is set")


def _update_binding(new: Obj, old: Obj) -> Iterator[Cause]:
    if new["roleRef"] != old["roleRef"]:
        # The real server shows its internal type, whose fields Go names.
        shown = {"APIGroup": new["roleRef"]["apiGroup"], "Kind": new["roleRef"]["kind"], "Name": new["roleRef"]["name"]}
        yield errors.field_invalid("roleRef", shown, "field is immutable")


def _update_service(new: Obj, old: Obj) -> Iterator[Cause]:
    before, after = old["spec"].get("clusterIPs") or [], new["spec"].get("clusterIPs") or []
    if before and after and before[0] != after[0] and "ExternalName" not in (new["spec"]["type"], old["spec"]["type"]):
        yield errors.field_invalid("spec.clusterIPs[0]", after, "may not change once set")


def _update_claim(new: Obj, old: Obj) -> Iterator[Cause]:
    free = ("resources", "volumeAttributesClassName", "volumeName")
    if any(new["spec"].get(k) != old["spec"].get(k) for k in {*new["spec"], *old["spec"]} - set(free)):
        text = (
            "spec is immutable after creation except resources.requests and volumeAttributesClassName for bound claims"
        )
        yield errors.field_forbidden("spec", text)


_POD_FIELDS = (
    "pod updates may not change fields other than `spec.containers[*].image`,`spec.initContainers[*].image`,"
    "`spec.activeDeadlineSeconds`,`spec.tolerations` (only additions to existing tolerations),"
    "`spec.terminationGracePeriodSeconds` (allow it to be set to 1 if it was previously negative)"
)


def _update_pod(new: Obj, old: Obj) -> Iterator[Cause]:
    if _fixed_part(new["spec"]) != _fixed_part(old["spec"]):
        yield errors.field_forbidden("spec", _POD_FIELDS)


def _fixed_part(spec: Obj) -> Obj:
    free = ("activeDeadlineSeconds", "tolerations", "terminationGracePeriodSeconds", "nodeName", "ephemeralContainers")
    fixed = {key: value for key, value in spec.items() if key not in free}
    for key in ("containers", "initContainers"):
        fixed[key] = [{k: v for k, v in c.items() if k not in ("image", "resources")} for c in spec.get(key) or ()]
    return fixed


_UPDATES: dict[Kind, Callable[[Obj, Obj], Iterator[Cause]]] = {
    ("", "ConfigMap"): _update_config,
    ("", "PersistentVolumeClaim"): _update_claim,
    ("", "Pod"): _update_pod,
    ("", "Secret"): _update_config,
    ("", "Service"): _update_service,
    ("batch", "Job"): workloadvalidation.update_job,
    (_RBAC, "ClusterRoleBinding"): _update_binding,
    (_RBAC, "RoleBinding"): _update_binding,
}
