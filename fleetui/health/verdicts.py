"""Short names for the verdicts that rules end with.

Owns: one maker for each status, and how Go quotes a name. Called by the rules of `fleetui.health` alone.
"""

from __future__ import annotations

from fleetui.model.status import Health, HealthStatus

HEALTHY = Health(HealthStatus.HEALTHY)


def healthy(message: str = "") -> Health:
    return Health(HealthStatus.HEALTHY, message)


def suspended(message: str = "") -> Health:
    return Health(HealthStatus.SUSPENDED, message)


def progressing(message: str = "") -> Health:
    return Health(HealthStatus.PROGRESSING, message)


def degraded(message: str = "") -> Health:
    return Health(HealthStatus.DEGRADED, message)


def unknown(message: str = "") -> Health:
    return Health(HealthStatus.UNKNOWN, message)
