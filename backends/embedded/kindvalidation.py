"""What the API server does not accept in the body of a built-in object: missing, wrong and immutable fields.

Owns: validation kind by kind, as far as clients run into it. Pure functions from objects to causes. Called by
`writing`. Rules and wordings: Kubernetes v1.37 pkg/apis/*/validation.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Sequence
from typing import Any

from backends.embedded import errors
from backends.embedded.errors import Cause
from backends.embedded.registry import ResourceType
from backends.embedded.selectors import of_label_selector
from backends.embedded.validation import LABEL, LABEL_TEXT, label_faults, metadata_update_faults

Obj = dict[str, Any]
Kind = tuple[str, str]
_RBAC = "rbac.authorization.k8s.io"
_NAME_FIELD = "metadata.name"


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


def _workload(obj: Obj) -> Iterator[Cause]:
    spec = obj["spec"]
    yield from _not_negative(spec, "replicas", "minReadySeconds", "revisionHistoryLimit", path="spec")
    selector, labels = spec.get("selector"), spec["template"]["metadata"].get("labels") or {}
    if selector is None:
        yield errors.field_required("spec.selector")
        text = "`selector` does not match template `labels`"
        yield errors.field_invalid("spec.template.metadata.labels", labels or None, text)
    elif not (selector.get("matchLabels") or selector.get("matchExpressions")):
        yield errors.field_invalid("spec.selector", selector, "empty selector is invalid for deployment")
    elif not of_label_selector(selector)(labels):
        text = "`selector` does not match template `labels`"
        yield errors.field_invalid("spec.template.metadata.labels", labels, text)
    yield from label_faults(labels, "spec.template.labels")
    claims = [claim["metadata"].get("name") for claim in spec.get("volumeClaimTemplates") or ()]
    yield from _pod_spec(spec["template"]["spec"], "spec.template.spec", claims=claims)
    policy = spec["template"]["spec"].get("restartPolicy")
    if policy != "Always":
        yield errors.field_unsupported("spec.template.spec.restartPolicy", policy, ["Always"])


def _not_negative(obj: Obj, *keys: str, path: str) -> Iterator[Cause]:
    for key in keys:
        value = obj.get(key)
        if value is not None and value < 0:
            yield errors.field_invalid(f"{path}.{key}", value, "must be greater than or equal to 0")


def _job(obj: Obj) -> Iterator[Cause]:
    spec = obj["spec"]
    yield from _not_negative(spec, "parallelism", "completions", "activeDeadlineSeconds", "backoffLimit", path="spec")
    yield from _job_template(spec, "spec")


def _job_template(spec: Obj, path: str) -> Iterator[Cause]:
    yield from _pod_spec(spec["template"]["spec"], f"{path}.template.spec")
    policy = spec["template"]["spec"].get("restartPolicy")
    if policy == "Always":
        yield errors.field_required(f"{path}.template.spec.restartPolicy", 'valid values: "OnFailure", "Never"')
    elif policy not in ("OnFailure", "Never"):
        yield errors.field_unsupported(f"{path}.template.spec.restartPolicy", policy, ["OnFailure", "Never"])


def _cron_job(obj: Obj) -> Iterator[Cause]:
    if not obj["spec"].get("schedule"):
        yield errors.field_required("spec.schedule")
    yield from _job_template(obj["spec"]["jobTemplate"]["spec"], "spec.jobTemplate.spec")


def _pod(obj: Obj) -> Iterator[Cause]:
    return _pod_spec(obj["spec"], "spec")


def _pod_spec(spec: Obj, path: str, *, claims: Sequence[Any] = ()) -> Iterator[Cause]:
    """`claims` are volumes that a controller will add."""
    if not spec.get("containers"):
        yield errors.field_required(f"{path}.containers")
    volumes = {*claims, *(volume.get("name") for volume in spec.get("volumes") or ())}
    names: set[str] = set()
    for key in ("initContainers", "containers"):
        for position, container in enumerate(spec.get(key) or ()):
            yield from _container(container, f"{path}.{key}[{position}]", names=names, volumes=volumes)


def _container(container: Obj, path: str, *, names: set[str], volumes: set[Any]) -> Iterator[Cause]:
    name = container.get("name") or ""
    if not name:
        yield errors.field_required(f"{path}.name")
    elif not re.fullmatch(LABEL, name):
        yield errors.field_invalid(f"{path}.name", name, LABEL_TEXT)
    elif name in names:
        yield Cause("FieldValueDuplicate", f'Duplicate value: "{name}"', f"{path}.name")
    names.add(name)
    if not container.get("image"):
        yield errors.field_required(f"{path}.image")
    for position, mount in enumerate(container.get("volumeMounts") or ()):
        if mount.get("name") not in volumes:
            field = f"{path}.volumeMounts[{position}].name"
            yield Cause("FieldValueNotFound", f'Not found: "{mount.get("name", "")}"', field)


def _service(obj: Obj) -> Iterator[Cause]:
    spec = obj["spec"]
    ports = spec.get("ports") or ()
    if not ports and spec.get("clusterIP") != "None" and spec["type"] != "ExternalName":
        yield errors.field_required("spec.ports")
    for position, port in enumerate(ports):
        path = f"spec.ports[{position}]"
        if len(ports) > 1 and not port.get("name"):
            yield errors.field_required(f"{path}.name")
        if not 1 <= port.get("port", 0) <= 65535:
            yield errors.field_invalid(f"{path}.port", port.get("port", 0), "must be between 1 and 65535, inclusive")
    kinds = ["ClusterIP", "ExternalName", "LoadBalancer", "NodePort"]
    if spec["type"] not in kinds:
        yield errors.field_unsupported("spec.type", spec["type"], kinds)


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


def _definition(obj: Obj) -> Iterator[Cause]:
    spec = obj["spec"]
    wanted = f"{spec['names'].get('plural', '')}.{spec.get('group', '')}"
    if obj["metadata"].get("name") != wanted:
        text = 'must be spec.names.plural+"."+spec.group'
        yield errors.field_invalid(_NAME_FIELD, obj["metadata"].get("name", ""), text)
    if sum(bool(version.get("storage")) for version in spec.get("versions") or ()) != 1:
        text = "must have exactly one version marked as storage version"
        yield errors.field_invalid("spec.versions", spec.get("versions") or [], text)
    if spec.get("scope") not in ("Cluster", "Namespaced"):
        yield errors.field_unsupported("spec.scope", spec.get("scope", ""), ["Cluster", "Namespaced"])
    for position, version in enumerate(spec.get("versions") or ()):
        if not (version.get("schema") or {}).get("openAPIV3Schema"):
            field = f"spec.versions[{position}].schema.openAPIV3Schema"
            yield errors.field_required(field)


_BODIES: dict[Kind, Callable[[Obj], Iterator[Cause]]] = {
    ("", "ConfigMap"): _keys,
    ("", "Pod"): _pod,
    ("", "Secret"): _secret,
    ("", "Service"): _service,
    ("apiextensions.k8s.io", "CustomResourceDefinition"): _definition,
    ("apps", "DaemonSet"): _workload,
    ("apps", "Deployment"): _workload,
    ("apps", "ReplicaSet"): _workload,
    ("apps", "StatefulSet"): _workload,
    ("batch", "CronJob"): _cron_job,
    ("batch", "Job"): _job,
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
    ("batch", "Job"): ("spec.selector", "spec.template", "spec.completionMode", "spec.podFailurePolicy"),
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


def _update_job(new: Obj, old: Obj) -> Iterator[Cause]:
    if new["spec"].get("completionMode") != "Indexed" and new["spec"].get("completions") != old["spec"].get(
        "completions"
    ):
        yield errors.field_invalid("spec.completions", new["spec"].get("completions"), "field is immutable")


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
    ("batch", "Job"): _update_job,
    (_RBAC, "ClusterRoleBinding"): _update_binding,
    (_RBAC, "RoleBinding"): _update_binding,
}
