"""Health of Cluster API's objects.

Owns: `RULES` for the groups below ``cluster.x-k8s.io``. Rules: argo-cd v3.6.1 resource_customizations.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping

from fleetui.health.kinds.common import conditions_of, has_conditions, message, says
from fleetui.health.reading import Section, needed_section, section, text
from fleetui.health.verdicts import degraded, healthy, progressing, suspended
from fleetui.model.status import Health, HealthStatus


def cluster(obj: Section) -> Health:
    """By its phase, unless Ready is False with more than Info, which it is all the time while a cluster is made."""
    if needed_section(obj, "spec").get("paused"):
        return suspended("Cluster is paused")
    for condition in conditions_of(obj):
        if says(condition, "Ready", "False") and condition.get("severity") != "Info":
            return degraded(message(condition))
    return _by_phase(obj, {"Provisioned": healthy("Cluster is running"), "Failed": degraded()}, "Waiting for clusters")


def machine(obj: Section) -> Health:
    found = _by_phase(obj, {"Running": healthy("Machine is running"), "Failed": degraded()}, "")
    if found.status is HealthStatus.HEALTHY:
        return found
    for condition in conditions_of(obj):
        if says(condition, "Ready", "False"):
            return Health(found.status, message(condition))
    return Health(found.status, "Condition is unknown")


_DEPLOYMENT = {
    "Running": healthy("Machines are running under this deployment"),
    "ScalingUp": progressing("Cluster is spawning machines"),
    "ScalingDown": progressing("Cluster is stopping machines"),
    "Failed": degraded("MachineDeployment is failed"),
}


def machine_deployment(obj: Section) -> Health:
    if needed_section(obj, "spec").get("paused"):
        return suspended("MachineDeployment is paused")
    return _by_phase(obj, _DEPLOYMENT, "Waiting for machines")


def _by_phase(obj: Section, phases: Mapping[str, Health], waiting: str) -> Health:
    return phases.get(text(section(obj, "status"), "phase")) or progressing(waiting)


def machine_health_check(obj: Section) -> Health:
    status = section(obj, "status")
    if status.get("currentHealthy") is None:
        return progressing()
    return healthy() if status.get("expectedMachines") == status.get("currentHealthy") else degraded()


def machine_pool(obj: Section) -> Health:
    phase = section(obj, "status").get("phase")
    said = "" if phase is None else f"MachinePool is {text(section(obj, 'status'), 'phase')}"
    lacks = ", ".join(map(_lack, filter(_is_lack, conditions_of(obj))))
    said += f": {lacks}" if lacks else ""
    if phase in ("Running", "Scaling"):
        return healthy(said)
    return degraded(said) if phase in ("Failed", "Unknown") else progressing(said)


def _is_lack(condition: Section) -> bool:
    return condition.get("type") is not None and condition.get("status") == "False"


def _lack(condition: Section) -> str:
    reason = f" ({text(condition, 'reason')})" if condition.get("reason") is not None else ""
    return f"Not {text(condition, 'type')}{reason}"


def resource_set(obj: Section) -> Health:
    for condition in conditions_of(obj):
        if says(condition, "ResourcesApplied", "True"):
            return healthy("cluster resource set is applied")
        if says(condition, "ResourcesApplied", "False"):
            return degraded(message(condition))
    return progressing("Initializing cluster resource set")


def aws_control_plane(obj: Section) -> Health:
    """An EKS control plane; a status of an older spec says nothing, and Ready stays True while it is updated."""
    if obj.get("status") is None:
        return progressing("Provisioning...")
    status, generation = section(obj, "status"), section(obj, "metadata").get("generation")
    observed = status.get("observedGeneration")
    if generation is not None and observed is not None and generation != observed:
        return progressing("Waiting for the control plane spec to be reconciled")
    if failure := text(status, "failureMessage"):
        return degraded(failure)
    if not has_conditions(obj):
        return progressing("Provisioning...")
    if any(says(condition, "EKSControlPlaneUpdating", "True") for condition in conditions_of(obj)):
        return progressing("EKS control plane is updating")
    errors = ""
    for condition in conditions_of(obj):
        if says(condition, "Ready", "True"):
            return healthy("Control plane is ready")
        if condition.get("status") == "False" and condition.get("severity") == "Error":
            errors += f"{message(condition)} "
    if errors:
        return degraded(errors)
    why = " (.status.ready is false)" if status.get("ready") is False else ""
    return progressing(f"Control plane is not ready{why}")


RULES: dict[tuple[str, str], Callable[[Section], Health | None]] = {
    ("cluster.x-k8s.io", "Cluster"): cluster,
    ("cluster.x-k8s.io", "Machine"): machine,
    ("cluster.x-k8s.io", "MachineDeployment"): machine_deployment,
    ("cluster.x-k8s.io", "MachineHealthCheck"): machine_health_check,
    ("cluster.x-k8s.io", "MachinePool"): machine_pool,
    ("addons.cluster.x-k8s.io", "ClusterResourceSet"): resource_set,
    ("controlplane.cluster.x-k8s.io", "AWSManagedControlPlane"): aws_control_plane,
}
