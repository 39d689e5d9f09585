"""Health of cert-manager's objects.

Owns: `RULES` for the groups of cert-manager. Rules: argo-cd v3.6.1 resource_customizations.
"""

from __future__ import annotations

from collections.abc import Callable

from fleetui.health.kinds.common import by_condition, conditions_of, message, says
from fleetui.health.reading import Section, section, text
from fleetui.health.verdicts import degraded, healthy, progressing
from fleetui.model.status import Health

_WAITING = "Waiting for certificate"
_by_ready = by_condition("Ready", _WAITING)


def certificate(obj: Section) -> Health:
    for condition in conditions_of(obj):
        if says(condition, "Issuing", "True"):
            return progressing(message(condition))
    return _by_ready(obj)


def request(obj: Section) -> Health:
    entries = conditions_of(obj)
    for condition in entries:
        if says(condition, "Denied", "True") or says(condition, "InvalidRequest", "True"):
            return degraded(message(condition))
    for condition in entries:
        if condition.get("type") == "Ready":
            if condition.get("status") == "True":
                return healthy(message(condition))
            pending = condition.get("reason") == "Pending"
            return progressing(message(condition)) if pending else degraded(message(condition))
    return progressing("Waiting for certificate request")


def _acme(called: str, *, tells: bool) -> Callable[[Section], Health]:
    """An order or a challenge, by its state; `tells`: the reason is told while it goes on, too."""

    def rule(obj: Section) -> Health:
        status = section(obj, "status")
        state = text(status, "state")
        if not state:
            return progressing(f"Waiting for {called.lower()}")
        if state == "valid":
            return healthy(f"{called} is valid")
        said = f"{called} is {state}" if status.get("reason") is None else text(status, "reason")
        if state in ("invalid", "expired", "errored"):
            return degraded(said)
        return progressing(said if tells else f"{called} is {state}")

    return rule


RULES: dict[tuple[str, str], Callable[[Section], Health | None]] = {
    ("cert-manager.io", "Certificate"): certificate,
    ("cert-manager.io", "CertificateRequest"): request,
    ("cert-manager.io", "ClusterIssuer"): by_condition("Ready", "Initializing ClusterIssuer"),
    ("cert-manager.io", "Issuer"): by_condition("Ready", "Initializing issuer"),
    ("acme.cert-manager.io", "Challenge"): _acme("Challenge", tells=True),
    ("acme.cert-manager.io", "Order"): _acme("Order", tells=False),
    ("certmanager.k8s.io", "Certificate"): _by_ready,
    ("certmanager.k8s.io", "Issuer"): by_condition("Ready", "Initializing issuer"),
}
