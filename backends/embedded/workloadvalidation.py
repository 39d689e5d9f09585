"""What the API server does not accept in the body of a workload: Pods, and what makes Pods.

Owns: validation of Pods, Deployments, ReplicaSets, StatefulSets, DaemonSets, Jobs and CronJobs, as far as clients run
into it. Pure functions from objects to causes. Called by `kindvalidation`. Rules and wordings: Kubernetes v1.37
pkg/apis/apps/validation, pkg/apis/batch/validation, pkg/apis/core/validation.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

import msgspec

from backends.embedded import errors
from backends.embedded.errors import Cause
from backends.embedded.selectors import of_label_selector
from backends.embedded.validation import label_faults, label_name_faults

Obj = dict[str, Any]
PORT = "must be between 1 and 65535, inclusive"


def workload(obj: Obj) -> Iterator[Cause]:
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
        yield errors.field_invalid("spec.template.metadata.labels", labels or None, text)
    yield from _strategy(spec.get("strategy"))
    yield from label_faults(labels, "spec.template.labels")
    claims = [claim["metadata"].get("name") for claim in spec.get("volumeClaimTemplates") or ()]
    yield from _pod_spec(spec["template"]["spec"], "spec.template.spec", claims=claims)
    policy = spec["template"]["spec"].get("restartPolicy")
    if policy != "Always":
        yield errors.field_unsupported("spec.template.spec.restartPolicy", policy, ["Always"])


def _strategy(strategy: Obj | None) -> Iterator[Cause]:
    if strategy is None:
        return
    kind, rolling = strategy.get("type"), strategy.get("rollingUpdate")
    if kind == "Recreate" and rolling is not None:
        yield errors.field_forbidden(
            "spec.strategy.rollingUpdate", "may not be specified when strategy `type` is 'Recreate'"
        )
    if kind not in ("Recreate", "RollingUpdate"):
        # The real server shows its internal type, whose fields Go names.
        shown = msgspec.json.encode({"Type": kind, "RollingUpdate": rolling}).decode()
        text = f'Unsupported value: {shown}: supported values: "Recreate", "RollingUpdate"'
        yield Cause("FieldValueNotSupported", text, "spec.strategy")
    if kind == "RollingUpdate" and rolling and _none(rolling.get("maxSurge")) and _none(rolling.get("maxUnavailable")):
        field = "spec.strategy.rollingUpdate.maxUnavailable"
        yield errors.field_invalid(field, rolling["maxUnavailable"], "may not be 0 when `maxSurge` is 0")


def _none(value: Any) -> bool:
    return value in (0, "0%")


def _not_negative(obj: Obj, *keys: str, path: str) -> Iterator[Cause]:
    for key in keys:
        value = obj.get(key)
        if value is not None and value < 0:
            yield errors.field_invalid(f"{path}.{key}", value, "must be greater than or equal to 0")


def job(obj: Obj) -> Iterator[Cause]:
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


def cron_job(obj: Obj) -> Iterator[Cause]:
    schedule = obj["spec"].get("schedule") or ""
    if not schedule:
        yield errors.field_required("spec.schedule")
    elif not schedule.startswith("@") and len(schedule.split()) != 5:
        parts = schedule.split()
        text = f"expected exactly 5 fields, found {len(parts)}: [{' '.join(parts)}]"
        yield errors.field_invalid("spec.schedule", schedule, text)
    yield from _job_template(obj["spec"]["jobTemplate"]["spec"], "spec.jobTemplate.spec")


def pod(obj: Obj) -> Iterator[Cause]:
    return _pod_spec(obj["spec"], "spec")


def pod_template(obj: Obj) -> Iterator[Cause]:
    """A PodTemplate: its Pods' part alone."""
    return _pod_spec((obj.get("template") or {}).get("spec") or {}, "template.spec")


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
    elif faults := label_name_faults(name):
        for fault in faults:
            yield errors.field_invalid(f"{path}.name", name, fault)
    elif name in names:
        yield Cause("FieldValueDuplicate", f'Duplicate value: "{name}"', f"{path}.name")
    names.add(name)
    if not container.get("image"):
        yield errors.field_required(f"{path}.image")
    for position, port in enumerate(container.get("ports") or ()):
        number = port.get("containerPort", 0)
        if not number:
            yield errors.field_required(f"{path}.ports[{position}].containerPort")
        elif not 1 <= number <= 65535:
            yield errors.field_invalid(f"{path}.ports[{position}].containerPort", number, PORT)
    for position, mount in enumerate(container.get("volumeMounts") or ()):
        if mount.get("name") not in volumes:
            field = f"{path}.volumeMounts[{position}].name"
            yield Cause("FieldValueNotFound", f'Not found: "{mount.get("name", "")}"', field)


def update_job(new: Obj, old: Obj) -> Iterator[Cause]:
    """What an update of a Job must not change; a Job that is suspended and never ran may get other labels."""
    after, before = new["spec"], old["spec"]
    if after.get("completionMode") != "Indexed" and after.get("completions") != before.get("completions"):
        yield errors.field_invalid("spec.completions", after.get("completions"), "field is immutable")
    loose = before.get("suspend") and not (old.get("status") or {}).get("startTime")
    if _fixed(after["template"], loose=loose) != _fixed(before["template"], loose=loose):
        yield errors.field_invalid("spec.template", after["template"], "field is immutable")


def _fixed(template: Obj, *, loose: Any) -> Obj:
    if not loose:
        return template
    meta = {key: value for key, value in template["metadata"].items() if key not in ("labels", "annotations")}
    spec = {k: v for k, v in template["spec"].items() if k not in ("nodeSelector", "tolerations", "schedulingGates")}
    return {"metadata": meta, "spec": spec}
