"""What a tree takes from one object: its health, what stands behind its name (``0/3 ready``, ``ImagePullBackOff, 12
restarts``, ``2 endpoints``), and what it lists.

Owns: `Facts`, `facts_of`, `describe` and the rule of each kind. Pure; an odd object gives an empty text. Called by
`fleetui.fleet.tree`. Never here: the rules of health (`fleetui.health`), and which object comes from which
(`fleetui.fleet.edges`).
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import msgspec

from fleetui.engine.application import mapping, mappings, text, whole
from fleetui.engine.orphans import claim_templates
from fleetui.fleet.edges import (
    ENDPOINT_SLICE,
    REPLICA_SET,
    STATEFUL_SET,
    GroupKind,
    elsewhere,
    listed,
    may_list,
)
from fleetui.health import Judge
from fleetui.health import judge as by_argo
from fleetui.model.objects import ObjectRef, StoredObject
from fleetui.model.status import Health, HealthStatus
from fleetui.model.text import one_line, sanitize

Section = Mapping[str, Any]


class Facts(msgspec.Struct, frozen=True, gc=False):
    """What a tree takes from an object's content; the same for one uid, resourceVersion and judge.

    `endpoints` are those of an EndpointSlice that take traffic; an `idle` ReplicaSet neither wants nor has pods.
    `listed` are objects that it lists as its own, in the cluster that the Secret `elsewhere` leads to, where it names
    one. `templates` are a StatefulSet's claims.
    """

    health: Health | None = None
    info: str = ""
    endpoints: int = 0
    idle: bool = False
    forbidden: bool = False
    listed: tuple[ObjectRef, ...] = ()
    elsewhere: str = ""
    templates: tuple[str, ...] = ()


def facts_of(stored: StoredObject, judge: Judge = by_argo) -> Facts:
    """Decodes one object and has it judged. Never raises; text is sanitised."""
    try:
        obj = stored.decode()
    except RecursionError:
        return Facts(Health(HealthStatus.UNKNOWN, "the object is nested too deeply to be read"))
    kind = stored.ref.group_kind
    health = judge(obj)
    if health is not None and health.message:
        health = Health(health.status, sanitize(health.message))
    if kind == ENDPOINT_SLICE:
        count = ready_endpoints(obj)
        return Facts(health, endpoints(count), endpoints=count)
    info = one_line(describe(obj, kind))
    if may_list(kind):
        return Facts(health, info, listed=tuple(map(_harmless, listed(obj))), elsewhere=one_line(elsewhere(obj)))
    if kind == REPLICA_SET:
        return Facts(health, info, idle=is_idle_replica_set(obj))
    if kind == STATEFUL_SET:
        return Facts(health, info, templates=claim_templates(obj))
    return Facts(health, info)


def _harmless(ref: ObjectRef) -> ObjectRef:
    """A reference as it may be shown: what an object names need not be a name."""
    return ObjectRef(one_line(ref.group), one_line(ref.kind), one_line(ref.namespace), one_line(ref.name))


def describe(obj: Section, kind: GroupKind) -> str:
    """The short text of a decoded object of a kind; empty where there is nothing worth saying."""
    rule = _RULES.get(kind)
    said = rule(obj) if rule else ""
    if mapping(obj.get("metadata")).get("deletionTimestamp") and "Terminating" not in said:
        return f"{said}, Terminating" if said else "Terminating"
    return said


def ready_endpoints(endpoint_slice: Section) -> int:
    """How many addresses of an EndpointSlice take traffic; one without a condition counts as ready (discovery/v1)."""
    count = 0
    for endpoint in mappings(endpoint_slice.get("endpoints")):
        if mapping(endpoint.get("conditions")).get("ready") is not False:
            count += len(_list(endpoint.get("addresses")))
    return count


def endpoints(count: int) -> str:
    return f"{count} endpoint" if count == 1 else f"{count} endpoints"


def is_idle_replica_set(obj: Section) -> bool:
    """Whether a ReplicaSet neither wants nor has pods."""
    return whole(_spec(obj).get("replicas"), 1) == 0 and whole(_status(obj).get("replicas")) == 0


# --- rules ----------------------------------------------------------------------------------------------------------


def _replicas(obj: Section) -> str:
    return f"{whole(_status(obj).get('readyReplicas'))}/{whole(_spec(obj).get('replicas'), 1)}"


def _workload(obj: Section) -> str:
    paused = ", paused" if _spec(obj).get("paused") is True else ""
    return f"{_replicas(obj)} ready{paused}"


def _daemon_set(obj: Section) -> str:
    status = _status(obj)
    return f"{whole(status.get('numberReady'))}/{whole(status.get('desiredNumberScheduled'))} ready"


def _job(obj: Section) -> str:
    held = {text(each.get("type")) for each in mappings(_status(obj).get("conditions")) if each.get("status") == "True"}
    for condition, word in (("Complete", "Succeeded"), ("Failed", "Failed"), ("Suspended", "Suspended")):
        if condition in held:
            return word
    failures = whole(_status(obj).get("failed"))
    return f"Running, {failures} failed" if failures else "Running"


def _cron_job(obj: Section) -> str:
    return text(_spec(obj).get("schedule")) + (", suspended" if _spec(obj).get("suspend") is True else "")


def _pod(obj: Section) -> str:
    """The STATUS column of kubectl (pkg/printers/internalversion/printers.go, `printPod`), and the restarts."""
    status = _status(obj)
    statuses = mappings(status.get("containerStatuses"))
    restarts = ready = 0
    for container in statuses:
        restarts += whole(container.get("restartCount"))
        ready += container.get("ready") is True
    going = mapping(obj.get("metadata")).get("deletionTimestamp")
    said = "Terminating" if going else _pod_reason(obj, status, statuses)
    if said == "Running" and ready < len(statuses):
        said = f"Running, {ready}/{len(statuses)} ready"
    return f"{said}, {restarts} restart{'' if restarts == 1 else 's'}" if restarts else said


def _pod_reason(obj: Section, status: Section, statuses: list[Section]) -> str:
    phase = text(status.get("reason")) or text(status.get("phase"))
    if "initContainerStatuses" in status and (initialising := _initialising(obj, status)):
        return initialising
    reason = phase
    for container in reversed(statuses):
        reason = _container_reason(container) or reason
    if reason == "Completed" and any("running" in mapping(each.get("state")) for each in statuses):
        return "Running"
    return reason


def _initialising(obj: Section, status: Section) -> str:
    statuses = mappings(status.get("initContainerStatuses"))
    for index, container in enumerate(statuses):
        state = mapping(container.get("state"))
        terminated = mapping(state.get("terminated"))
        sidecar_started = "running" in state and container.get("started") is True
        if sidecar_started or ("terminated" in state and whole(terminated.get("exitCode")) == 0):
            continue
        reason = _container_reason(container)
        if reason and reason != "PodInitializing":
            return f"Init:{reason}"
        return f"Init:{index}/{len(_list(_spec(obj).get('initContainers'))) or len(statuses)}"
    return ""


def _container_reason(container: Section) -> str:
    state = mapping(container.get("state"))
    if "waiting" in state and (reason := text(mapping(state["waiting"]).get("reason"))):
        return reason
    if "terminated" not in state:
        return ""
    terminated = mapping(state.get("terminated"))
    signal = whole(terminated.get("signal"))
    fallback = f"Signal:{signal}" if signal else f"ExitCode:{whole(terminated.get('exitCode'))}"
    return text(terminated.get("reason")) or fallback


def _service(obj: Section) -> str:
    if text(_spec(obj).get("type")) == "ExternalName":
        return text(_spec(obj).get("externalName"))
    return ""


def _phase(obj: Section) -> str:
    phase = text(_status(obj).get("phase"))
    return "" if phase == "Active" else phase


def _autoscaler(obj: Section) -> str:
    spec, status = _spec(obj), _status(obj)
    wanted = f"{whole(spec.get('minReplicas'), 1)}-{whole(spec.get('maxReplicas'))}"
    return f"{whole(status.get('currentReplicas'))} of {wanted} replicas"


_RULES: dict[tuple[str, str], Callable[[Section], str]] = {
    ("apps", "Deployment"): _workload,
    ("apps", "StatefulSet"): _workload,
    ("apps", "DaemonSet"): _daemon_set,
    ("apps", "ReplicaSet"): _replicas,
    ("", "ReplicationController"): _replicas,
    ("batch", "Job"): _job,
    ("batch", "CronJob"): _cron_job,
    ("", "Pod"): _pod,
    ("", "Service"): _service,
    ("", "PersistentVolumeClaim"): _phase,
    ("", "PersistentVolume"): _phase,
    ("", "Namespace"): _phase,
    ("autoscaling", "HorizontalPodAutoscaler"): _autoscaler,
}


def _spec(obj: Section) -> Section:
    return mapping(obj.get("spec"))


def _status(obj: Section) -> Section:
    return mapping(obj.get("status"))


def _list(value: Any) -> list[Any]:
    return value if isinstance(value, list) else []
