"""The health of what others reach: Services, Ingresses, APIServices; and of PersistentVolumeClaims.

Owns: the rules of argo-cd v3.6.1 (gitops-engine/pkg/health: health_service.go, health_ingress.go,
health_apiservice.go, health_pvc.go). Called through the table in `assessment`; odd fields raise `OddObjectError`.
"""

from __future__ import annotations

from fleetui.health.reading import Section, condition, section, sections, text
from fleetui.health.verdicts import HEALTHY, degraded, healthy, progressing, unknown
from fleetui.model.status import Health


def service(obj: Section) -> Health:
    """Only a load balancer has something to wait for: its address."""
    if text(section(obj, "spec"), "type") == "LoadBalancer":
        return ingress(obj)
    return HEALTHY


def ingress(obj: Section) -> Health:
    """Healthy as soon as a load balancer has given an address."""
    addresses = sections(section(section(obj, "status"), "loadBalancer"), "ingress")
    return HEALTHY if addresses else progressing()


def api_service(obj: Section) -> Health:
    """The `Available` condition, with its reason and message."""
    available = condition(section(obj, "status"), "Available")
    if available is None:
        return progressing("Waiting to be processed")
    message = f"{text(available, 'reason')}: {text(available, 'message')}"
    return healthy(message) if text(available, "status") == "True" else progressing(message)


def volume_claim(obj: Section) -> Health:
    """The phase of a PersistentVolumeClaim."""
    match text(section(obj, "status"), "phase"):
        case "Lost":
            return degraded()
        case "Pending":
            return progressing()
        case "Bound":
            return HEALTHY
    return unknown()
