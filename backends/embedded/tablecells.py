"""The cells of built-in tables: one object's state in a word.

Owns: the functions that `tables` puts into its columns. Pure. Rules: Kubernetes v1.37
pkg/printers/internalversion/printers.go, apimachinery v0.37 pkg/util/duration/duration.go.
"""

from __future__ import annotations

from typing import Any

from fleetui.model.times import parse_time

Obj = dict[str, Any]


def get(obj: Any, *path: str) -> Any:
    """The value at a path, None where it ends early."""
    for step in path:
        obj = obj.get(step) if isinstance(obj, dict) else None
    return obj


def human_duration(seconds: float) -> str:
    """A duration as kubectl shows it: two units while that says something."""
    whole = int(seconds)
    if whole < -1:
        return "<invalid>"
    whole = max(whole, 0)
    minutes, hours, days = whole // 60, whole // 3600, whole // 86400
    if whole < 120:
        return f"{whole}s"
    if minutes < 10:
        return _two(minutes, whole % 60, "ms")
    if minutes < 180:
        return f"{minutes}m"
    if hours < 8:
        return _two(hours, minutes % 60, "hm")
    if hours < 48:
        return f"{hours}h"
    if hours < 192:
        return _two(days, hours % 24, "dh")
    if days < 730:
        return f"{days}d"
    if days < 2920:
        return _two(days // 365, days % 365, "yd")
    return f"{days // 365}y"


def _two(large: int, small: int, units: str) -> str:
    return f"{large}{units[0]}{small}{units[1]}" if small else f"{large}{units[0]}"


def since(timestamp: Any, now: float, *, absent: str = "<unknown>") -> str:
    """How long ago a metav1.Time was."""
    moment = parse_time(timestamp if isinstance(timestamp, str) else None)
    return absent if moment is None else human_duration(now - moment)


def containers(entries: Any) -> str:
    return ",".join(entry.get("name", "") for entry in entries or ())


def images(entries: Any) -> str:
    return ",".join(entry.get("image", "") for entry in entries or ())


def labels_text(labels: Any) -> str:
    return ",".join(f"{key}={value}" for key, value in sorted((labels or {}).items())) or "<none>"


def selector_text(selector: Any) -> str:
    """A label selector in one line (metav1.FormatLabelSelector); a plain map for ReplicationControllers."""
    selector = selector or {}
    if selector and not {"matchLabels", "matchExpressions"} & set(selector):
        return labels_text(selector)
    parts = [f"{key}={value}" for key, value in sorted((selector.get("matchLabels") or {}).items())]
    for entry in selector.get("matchExpressions") or ():
        key, operator, values = entry["key"], entry["operator"], ",".join(sorted(entry.get("values") or ()))
        forms = {"In": f"{key} in ({values})", "NotIn": f"{key} notin ({values})", "Exists": key}
        parts.append(forms.get(operator, f"!{key}"))
    return ",".join(parts) or "<none>"


# --- pods


def pod_ready(pod: Obj) -> str:
    statuses = get(pod, "status", "containerStatuses") or ()
    ready = sum(bool(status.get("ready") and get(status, "state", "running") is not None) for status in statuses)
    return f"{ready}/{len(get(pod, 'spec', 'containers') or ())}"


def pod_status(pod: Obj) -> str:
    """The reason that says most about a Pod (printPod)."""
    phase = get(pod, "status", "phase") or ""
    reason = get(pod, "status", "reason") or phase
    conditions = get(pod, "status", "conditions") or ()
    if any(c.get("type") == "PodScheduled" and c.get("reason") == "SchedulingGated" for c in conditions):
        reason = "SchedulingGated"
    waiting = _init_reason(pod)
    reason = _container_reason(pod, reason, conditions) if waiting is None else waiting
    if "deletionTimestamp" in pod["metadata"] and phase not in ("Succeeded", "Failed"):
        return "Unknown" if get(pod, "status", "reason") == "NodeLost" else "Terminating"
    return reason


def _init_reason(pod: Obj) -> str | None:
    total = len(get(pod, "spec", "initContainers") or ())
    for position, status in enumerate(get(pod, "status", "initContainerStatuses") or ()):
        ended, waiting = get(status, "state", "terminated"), get(status, "state", "waiting") or {}
        if ended is not None and not ended.get("exitCode"):
            continue
        if ended is not None:
            return f"Init:{_end_reason(ended)}"
        if waiting.get("reason") not in (None, "", "PodInitializing"):
            return f"Init:{waiting['reason']}"
        return f"Init:{position}/{total}"
    return None


def _end_reason(ended: Obj) -> str:
    if ended.get("reason"):
        return str(ended["reason"])
    return f"Signal:{ended['signal']}" if ended.get("signal") else f"ExitCode:{ended.get('exitCode', 0)}"


def _container_reason(pod: Obj, reason: str, conditions: Any) -> str:
    running, error = False, ""
    for status in reversed(get(pod, "status", "containerStatuses") or []):
        waiting, ended = get(status, "state", "waiting") or {}, get(status, "state", "terminated")
        if waiting.get("reason"):
            reason = waiting["reason"]
        elif ended is not None:
            reason = _end_reason(ended)
            if ended.get("exitCode"):
                error = reason
        elif status.get("ready") and get(status, "state", "running") is not None:
            running = True
    if reason != "Completed":
        return reason
    if running and any(c.get("type") == "Ready" and c.get("status") == "True" for c in conditions):
        return "Running"
    return error or ("NotReady" if running else reason)


def pod_restarts(pod: Obj, now: float) -> str:
    statuses = get(pod, "status", "containerStatuses") or ()
    count = sum(status.get("restartCount", 0) for status in statuses)
    ends = [get(status, "lastState", "terminated", "finishedAt") for status in statuses]
    last = max((end for end in ends if end), default=None)
    return f"{count} ({since(last, now)} ago)" if count and last else str(count)


def pod_ip(pod: Obj) -> str:
    addresses = get(pod, "status", "podIPs") or ()
    return next((entry["ip"] for entry in addresses), "<none>")


def pod_gates(pod: Obj) -> str:
    gates = get(pod, "spec", "readinessGates") or ()
    if not gates:
        return "<none>"
    true = held(pod)
    return f"{sum(gate['conditionType'] in true for gate in gates)}/{len(gates)}"


# --- services


def external_address(service: Obj) -> str:
    spec = service.get("spec") or {}
    given = spec.get("externalIPs") or []
    match spec.get("type"):
        case "LoadBalancer":
            ingress = get(service, "status", "loadBalancer", "ingress") or ()
            found = [entry.get("ip") or entry.get("hostname") or "" for entry in ingress] + given
            return ",".join(found) or "<pending>"
        case "ExternalName":
            return str(spec.get("externalName", ""))
    return ",".join(given) or "<none>"


def service_ports(service: Obj) -> str:
    return ports_text(get(service, "spec", "ports"), none="<none>")


def ports_text(ports: Any, *, none: str = "<unset>") -> str:
    if not ports:
        return none
    if none == "<unset>":
        return ",".join(str(port.get("port", "*")) for port in ports)
    return ",".join(
        f"{port['port']}:{port['nodePort']}/{port['protocol']}"
        if port.get("nodePort")
        else f"{port['port']}/{port['protocol']}"
        for port in ports
    )


def load_balancer(obj: Obj) -> str:
    ingress = get(obj, "status", "loadBalancer", "ingress") or ()
    return ",".join(entry.get("ip") or entry.get("hostname") or "" for entry in ingress)


def endpoints(obj: Obj) -> str:
    found = [
        f"{address['ip']}:{port['port']}"
        for subset in obj.get("subsets") or ()
        for port in subset.get("ports") or ()
        for address in subset.get("addresses") or ()
    ]
    return ",".join(found[:3]) + (f" + {len(found) - 3} more..." if len(found) > 3 else "") or "<none>"


def hosts(ingress: Obj) -> str:
    found = [rule["host"] for rule in get(ingress, "spec", "rules") or () if rule.get("host")]
    return ",".join(found[:3]) + (f" + {len(found) - 3} more..." if len(found) > 3 else "") or "*"


# --- jobs


def job_status(job: Obj) -> str:
    true = held(job)
    ended = next((word for word in ("Complete", "Failed") if word in true), "")
    if ended or "deletionTimestamp" in job["metadata"]:
        return ended or "Terminating"
    return next((word for word in ("Suspended", "FailureTarget", "SuccessCriteriaMet") if word in true), "Running")


def job_completions(job: Obj) -> str:
    done, wanted = get(job, "status", "succeeded") or 0, get(job, "spec", "completions")
    if wanted is not None:
        return f"{done}/{wanted}"
    parallel = get(job, "spec", "parallelism") or 0
    return f"{done}/1 of {parallel}" if parallel > 1 else f"{done}/1"


def job_duration(job: Obj, now: float) -> str:
    began, ended = parse_time(get(job, "status", "startTime")), parse_time(get(job, "status", "completionTime"))
    return "" if began is None else human_duration((now if ended is None else ended) - began)


# --- the rest


def event_time(event: Obj, now: float) -> str:
    last = get(event, "series", "lastObservedTime") or event.get("lastTimestamp")
    return since(last or event.get("firstTimestamp") or event.get("eventTime"), now)


def event_start(event: Obj, now: float) -> str:
    return since(event.get("firstTimestamp") or event.get("eventTime"), now)


def event_target(event: Obj) -> str:
    involved = event.get("involvedObject") or event.get("regarding") or {}
    kind = str(involved.get("kind", "")).lower()
    return f"{kind}/{involved['name']}" if involved.get("name") else kind


def event_source(event: Obj) -> str:
    source = event.get("source") or {}
    component = source.get("component") or event.get("reportingComponent") or ""
    return ", ".join(filter(None, (component, source.get("host") or event.get("reportingInstance") or "")))


def node_status(node: Obj) -> str:
    ready = next((c for c in get(node, "status", "conditions") or () if c.get("type") == "Ready"), None)
    words = ["Unknown" if ready is None else "Ready" if ready.get("status") == "True" else "NotReady"]
    return ",".join(words + (["SchedulingDisabled"] if get(node, "spec", "unschedulable") else []))


def node_roles(node: Obj) -> str:
    prefix = "node-role.kubernetes.io/"
    labels = node["metadata"].get("labels") or {}
    roles = [key.removeprefix(prefix) for key in labels if key.startswith(prefix) and key != prefix]
    return ",".join(sorted(roles)) or "<none>"


def node_address(node: Obj, type_: str) -> str:
    addresses = get(node, "status", "addresses") or ()
    return next((entry["address"] for entry in addresses if entry.get("type") == type_), "<none>")


def claim_class(claim: Obj) -> str:
    legacy = (claim["metadata"].get("annotations") or {}).get("volume.beta.kubernetes.io/storage-class")
    return str(legacy or get(claim, "spec", "storageClassName") or "")


def binding_role(binding: Obj) -> str:
    return f"{get(binding, 'roleRef', 'kind')}/{get(binding, 'roleRef', 'name')}"


def subjects(binding: Obj, kind: str) -> str:
    found = [entry for entry in binding.get("subjects") or () if entry.get("kind") == kind]
    if kind == "ServiceAccount":
        return ", ".join(f"{entry.get('namespace', '')}/{entry['name']}" for entry in found)
    return ", ".join(entry["name"] for entry in found)


def held(obj: Obj) -> set[str]:
    """The conditions that are true."""
    return {entry["type"] for entry in get(obj, "status", "conditions") or () if entry.get("status") == "True"}


def definition_versions(definition: Obj) -> str:
    served = [version for version in get(definition, "spec", "versions") or () if version.get("served")]
    return ",".join(sorted(v["name"] + ("(storage)" if v.get("storage") else "") for v in served))


def quota(obj: Obj, *, limits: bool) -> str:
    hard, used = get(obj, "status", "hard") or {}, get(obj, "status", "used") or {}
    names = [name for name in sorted(hard) if name.startswith("limits.") is limits]
    return ", ".join(f"{name}: {used.get(name, '0')}/{hard[name]}" for name in names)


def metrics(autoscaler: Obj) -> str:
    """The targets of an autoscaler, as far as they are resources (formatHPAMetrics)."""
    current = {
        get(entry, "resource", "name"): get(entry, "resource", "current", "averageUtilization")
        for entry in get(autoscaler, "status", "currentMetrics") or ()
    }
    shown = []
    for entry in get(autoscaler, "spec", "metrics") or ():
        name, wanted = get(entry, "resource", "name"), get(entry, "resource", "target", "averageUtilization")
        have = current.get(name)
        left = "<unknown>" if have is None else f"{have}%"
        shown.append(f"{name}: {left}/{wanted}%" if wanted is not None else f"{name or entry.get('type')}: {left}")
    return ", ".join(shown) or "<none>"


_MODES = {"ReadWriteOnce": "RWO", "ReadOnlyMany": "ROX", "ReadWriteMany": "RWX", "ReadWriteOncePod": "RWOP"}


def access_modes(modes: Any) -> str:
    """How a volume may be mounted, abbreviated (GetAccessModesAsString)."""
    return ",".join(short for mode, short in _MODES.items() if mode in (modes or ()))
