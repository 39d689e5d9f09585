"""Health of kinds of Kubernetes itself for which Argo CD has scripts: definitions, disruption budgets, snapshots.

Owns: `RULES` for them. Rules: argo-cd v3.6.1 resource_customizations.
"""

from __future__ import annotations

from collections.abc import Callable

from fleetui.health.kinds.common import conditions_of, message, says
from fleetui.health.reading import Section, needed, section
from fleetui.health.verdicts import degraded, healthy, progressing
from fleetui.model.status import Health


def definition(obj: Section) -> Health:
    """A CustomResourceDefinition; what blocks it comes first in the order of its conditions."""
    if section(obj, "metadata").get("deletionTimestamp") is not None:
        return progressing("CRD is terminating")
    entries = conditions_of(obj)
    if not entries:
        return progressing("Status conditions not found")
    established = False
    for condition in entries:
        blocked = _blocked(condition)
        if blocked is not None:
            return blocked
        established = established or says(condition, "Established", "True")
    return healthy("CRD is healthy") if established else progressing("CRD is not established")


def _blocked(condition: Section) -> Health | None:
    if says(condition, "Terminating", "True"):
        return progressing(f"CRD is terminating: {needed(condition, 'message')}")
    if says(condition, "NamesAccepted", "False"):
        return degraded(f"CRD names have not been accepted: {needed(condition, 'message')}")
    if says(condition, "NonStructuralSchema", "True"):
        return degraded(f"Schema violations found: {needed(condition, 'message')}")
    if condition.get("type") == "Established" and condition.get("status") != "True":
        if condition.get("reason") == "InvalidCABundle":
            return degraded(f"CRD is not established: {needed(condition, 'message')}")
        if condition.get("reason") == "Installing":
            return progressing("CRD is being installed")
    return None


def disruption_budget(obj: Section) -> Health:
    """Too few Pods is no fault (argo-cd issue 20171)."""
    found = progressing("Waiting for status")
    for condition in conditions_of(obj):
        said = f"PodDisruptionBudget has {needed(condition, 'reason')}"
        if condition.get("status") == "False" and condition.get("reason") != "InsufficientPods":
            return degraded(said)
        found = healthy(said)
    return found


def snapshot(obj: Section) -> Health:
    status = section(obj, "status")
    if status.get("readyToUse"):
        return healthy("Ready to use")
    if status.get("error") is not None:
        return degraded(message(section(status, "error")))
    return progressing("Waiting for status")


RULES: dict[tuple[str, str], Callable[[Section], Health | None]] = {
    ("apiextensions.k8s.io", "CustomResourceDefinition"): definition,
    ("policy", "PodDisruptionBudget"): disruption_budget,
    ("snapshot.storage.k8s.io", "VolumeSnapshot"): snapshot,
    ("snapshot.storage.k8s.io", "VolumeSnapshotContent"): snapshot,
}
