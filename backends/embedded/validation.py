"""What the API server does not accept in an object: names, required fields, immutable fields.

Owns: validation of metadata and of the built-in kinds, as far as clients run into it. Pure functions from objects to
causes. Called by `store`. Rules and wordings: apimachinery v0.37 pkg/api/validation, pkg/util/validation, Kubernetes
v1.37 pkg/apis/*/validation.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Sequence
from typing import Any

from backends.embedded import errors
from backends.embedded.errors import Cause
from backends.embedded.registry import ResourceType
from backends.embedded.selectors import of_label_selector

Obj = dict[str, Any]
Kind = tuple[str, str]

_LABEL = r"[a-z0-9]([-a-z0-9]*[a-z0-9])?"
_SUBDOMAIN = rf"{_LABEL}(\.{_LABEL})*"
_QUALIFIED = r"([A-Za-z0-9][-A-Za-z0-9_.]*)?[A-Za-z0-9]"
_VALUE = r"(([A-Za-z0-9][-A-Za-z0-9_.]*)?[A-Za-z0-9])?"

_SUBDOMAIN_TEXT = (
    "a lowercase RFC 1123 subdomain must consist of lower case alphanumeric characters, '-' or '.', and must start "
    f"and end with an alphanumeric character (e.g. 'example.com', regex used for validation is '{_SUBDOMAIN}')"
)
_LABEL_TEXT = (
    "a lowercase RFC 1123 label must consist of lower case alphanumeric characters or '-', and must start and end "
    f"with an alphanumeric character (e.g. 'my-name',  or '123-abc', regex used for validation is '{_LABEL}')"
)
_QUALIFIED_TEXT = (
    "name part must consist of alphanumeric characters, '-', '_' or '.', and must start and end with an alphanumeric "
    "character (e.g. 'MyName',  or 'my.name',  or '123-abc', regex used for validation is "
    f"'{_QUALIFIED}')"
)
_VALUE_TEXT = (
    "a valid label must be an empty string or consist of alphanumeric characters, '-', '_' or '.', and must start and "
    "end with an alphanumeric character (e.g. 'MyValue',  or 'my_value',  or '12345', regex used for validation is "
    f"'{_VALUE}')"
)
_RBAC = "rbac.authorization.k8s.io"
_PATH_NAMED = frozenset({(_RBAC, kind) for kind in ("Role", "ClusterRole", "RoleBinding", "ClusterRoleBinding")})
_LABEL_NAMED: frozenset[Kind] = frozenset({("", "Namespace"), ("", "Service")})
_NAME_FIELD = "metadata.name"


def name_faults(resource: ResourceType, name: str, *, field: str = _NAME_FIELD) -> list[Cause]:
    """What is wrong with the name of an object of that kind."""
    kind = resource.group_kind
    if kind in _PATH_NAMED:
        bad = next((part for part in ("/", "%") if part in name), None) or (name if name in (".", "..") else None)
        return (
            [errors.field_invalid(field, name, f"may not {'be' if bad == name else 'contain'} '{bad}'")] if bad else []
        )
    if kind in _LABEL_NAMED:
        return _shaped(field, name, pattern=_LABEL, text=_LABEL_TEXT, most=63)
    return _shaped(field, name, pattern=_SUBDOMAIN, text=_SUBDOMAIN_TEXT, most=253)


def _path_faults(name: str) -> list[str]:
    if name in (".", ".."):
        return [f"may not be '{name}'"]
    return [f"may not contain '{part}'" for part in ("/", "%") if part in name]


def _shaped(field: str, name: str, *, pattern: str, text: str, most: int) -> list[Cause]:
    found = []
    if len(name) > most:
        found.append(errors.field_invalid(field, name, f"must be no more than {most} characters"))
    if not re.fullmatch(pattern, name):
        found.append(errors.field_invalid(field, name, text))
    return found


def metadata_faults(resource: ResourceType, obj: Obj) -> list[Cause]:
    """What is wrong with the metadata of a new object."""
    meta = obj["metadata"]
    if not meta.get("name"):
        return [errors.field_required(_NAME_FIELD, "name or generateName is required")]
    found = name_faults(resource, meta["name"])
    found += label_faults(meta.get("labels") or {}, "metadata.labels")
    found += _key_faults(meta.get("annotations") or {}, "metadata.annotations", lower=True)
    found += _finalizer_faults(meta.get("finalizers") or (), custom=resource.custom)
    found += _owner_faults(meta.get("ownerReferences") or ())
    return found


def label_faults(labels: dict[str, Any], field: str) -> list[Cause]:
    """What is wrong with labels: their keys, their values."""
    found = _key_faults(labels, field)
    for value in labels.values():
        if len(value) > 63:
            found.append(errors.field_invalid(field, value, "must be no more than 63 bytes"))
        if not re.fullmatch(_VALUE, value):
            found.append(errors.field_invalid(field, value, _VALUE_TEXT))
    return found


def _key_faults(keys: dict[str, Any], field: str, *, lower: bool = False) -> list[Cause]:
    return [
        errors.field_invalid(field, key, fault) for key in keys for fault in _qualified(key.lower() if lower else key)
    ]


def _qualified(key: str) -> list[str]:
    prefix, slash, name = key.rpartition("/")
    found = []
    if slash and not (prefix and re.fullmatch(_SUBDOMAIN, prefix)):
        found.append(f"prefix part {_SUBDOMAIN_TEXT}" if prefix else "prefix part must be non-empty")
    if not name:
        found.append("name part must be non-empty")
    if len(name) > 63:
        found.append("name part must be no more than 63 bytes")
    if not re.fullmatch(_QUALIFIED, name):
        found.append(_QUALIFIED_TEXT)
    return found


_STANDARD_FINALIZERS = ("kubernetes", "orphan", "foregroundDeletion")


def _finalizer_faults(finalizers: Any, *, custom: bool) -> list[Cause]:
    found = []
    for position, name in enumerate(finalizers):
        faults = _qualified(name)
        if not faults and not custom and "/" not in name and name not in _STANDARD_FINALIZERS:
            faults = ["name is neither a standard finalizer name nor is it fully qualified"]
        field = "metadata.finalizers" if custom else f"metadata.finalizers[{position}]"
        found += [errors.field_invalid(field, name, fault) for fault in faults]
    return found


def _owner_faults(owners: Any) -> list[Cause]:
    found = []
    for position, owner in enumerate(owners):
        for key in ("apiVersion", "kind", "name", "uid"):
            if not owner.get(key):
                found.append(errors.field_required(f"metadata.ownerReferences[{position}].{key}", "must not be empty"))
    controllers = [owner for owner in owners if owner.get("controller")]
    if len(controllers) > 1:
        text = 'Only one reference can have Controller set to true. Found "true" in references for {} and {}'
        names = [f"{owner['kind']}/{owner['name']}" for owner in controllers[:2]]
        found.append(errors.field_invalid("metadata.ownerReferences", owners, text.format(*names)))
    return found


def object_faults(resource: ResourceType, obj: Obj) -> list[Cause]:
    """What is wrong with the body of a built-in object."""
    check = _BODIES.get(resource.group_kind)
    return list(check(obj)) if check else []


def update_faults(resource: ResourceType, new: Obj, old: Obj) -> list[Cause]:
    """What an update must not do: change immutable fields, add finalizers to what is being deleted."""
    found = list(_meta_update_faults(new["metadata"], old["metadata"], custom=resource.custom))
    for path in _IMMUTABLE.get(resource.group_kind, ()):
        value = _at(new, path)
        if value != _at(old, path):
            found.append(errors.field_invalid(path, value, "field is immutable"))
    special = _UPDATES.get(resource.group_kind)
    return found + (list(special(new, old)) if special else [])


def _meta_update_faults(new: Obj, old: Obj, *, custom: bool) -> Iterator[Cause]:
    yield from label_faults(new.get("labels") or {}, "metadata.labels")
    yield from _key_faults(new.get("annotations") or {}, "metadata.annotations", lower=True)
    yield from _finalizer_faults(new.get("finalizers") or (), custom=custom)
    yield from _owner_faults(new.get("ownerReferences") or ())
    if "deletionTimestamp" in old:
        added = sorted(set(new.get("finalizers") or ()) - set(old.get("finalizers") or ()))
        if added:
            shown = ", ".join(f'"{name}"' for name in added)
            text = "no new finalizers can be added if the object is being deleted, found new finalizers "
            yield errors.field_forbidden("metadata.finalizers", f"{text}[]string{{{shown}}}")


def _at(obj: Obj, path: str) -> Any:
    node: Any = obj
    for step in path.split("."):
        node = node.get(step) if isinstance(node, dict) else None
    return node


# --- kind by kind


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
    elif not re.fullmatch(_LABEL, name):
        yield errors.field_invalid(f"{path}.name", name, _LABEL_TEXT)
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
            yield errors.field_required(field, "schemas are required")


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
