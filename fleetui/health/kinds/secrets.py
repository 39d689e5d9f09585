"""Health of External Secrets' objects.

Owns: `RULES` for the group ``external-secrets.io``. Rules: argo-cd v3.6.1 resource_customizations.
"""

from __future__ import annotations

from collections.abc import Callable

from fleetui.health.kinds.common import by_condition, conditions_of, has_conditions, message
from fleetui.health.reading import OddObjectError, Section
from fleetui.health.verdicts import degraded, healthy, progressing
from fleetui.model.status import Health


def cluster_external_secret(obj: Section) -> Health:
    """By the last condition: new ones are put behind the others."""
    entries = conditions_of(obj)
    if has_conditions(obj) and not entries:
        raise OddObjectError("conditions is empty")
    if entries and entries[-1].get("status") == "True":
        match entries[-1].get("type"):
            case "Ready":
                return healthy(message(entries[-1]))
            case "PartiallyReady" | "NotReady":
                return degraded(message(entries[-1]))
    return progressing("Waiting for ClusterExternalSecret")


RULES: dict[tuple[str, str], Callable[[Section], Health | None]] = {
    ("external-secrets.io", "ClusterExternalSecret"): cluster_external_secret,
    **{
        ("external-secrets.io", kind): by_condition("Ready", f"Waiting for {kind}")
        for kind in ("ClusterSecretStore", "ExternalSecret", "PushSecret", "SecretStore")
    },
}
