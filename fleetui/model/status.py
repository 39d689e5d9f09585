"""The words for how things stand: health, sync status, operation phase, a cluster's state.

Owns: the enums and their orders. Names and orders are Argo CD's for every dialect (gitops-engine `health.go`,
`healthOrder`). Pure data.
"""

from __future__ import annotations

from enum import StrEnum

import msgspec

from fleetui.model.objects import ClusterName


class HealthStatus(StrEnum):
    HEALTHY = "Healthy"
    SUSPENDED = "Suspended"
    PROGRESSING = "Progressing"
    MISSING = "Missing"
    DEGRADED = "Degraded"
    UNKNOWN = "Unknown"


HEALTH_ORDER = {status: rank for rank, status in enumerate(HealthStatus)}
"""Best to worst, as Argo CD aggregates."""

PROBLEM_ORDER = {
    HealthStatus.DEGRADED: 0,
    HealthStatus.MISSING: 1,
    HealthStatus.UNKNOWN: 3,
    HealthStatus.PROGRESSING: 2,
    HealthStatus.SUSPENDED: 4,
    HealthStatus.HEALTHY: 5,
}
"""What needs a human first, for lists."""


class Health(msgspec.Struct, frozen=True, gc=False):
    """How an object is, and why, in its own words."""

    status: HealthStatus
    message: str = ""


class SyncStatus(StrEnum):
    SYNCED = "Synced"
    OUT_OF_SYNC = "OutOfSync"
    UNKNOWN = "Unknown"


class OperationPhase(StrEnum):
    RUNNING = "Running"
    TERMINATING = "Terminating"
    FAILED = "Failed"
    ERROR = "Error"
    SUCCEEDED = "Succeeded"

    @property
    def completed(self) -> bool:
        return self in {OperationPhase.FAILED, OperationPhase.ERROR, OperationPhase.SUCCEEDED}


class ClusterState(StrEnum):
    REGISTERED = "registered"
    """Known from a hub, and not connected to, because nobody needs it now: no failure."""
    CONNECTING = "connecting"
    LIVE = "live"
    STALE = "stale"
    UNAUTHORIZED = "login expired"
    FORBIDDEN = "forbidden"
    UNREACHABLE = "unreachable"


AWAY = frozenset({ClusterState.STALE, ClusterState.UNREACHABLE, ClusterState.UNAUTHORIZED})
"""Where a cluster does not answer now."""


class ClusterStatus(msgspec.Struct, frozen=True):
    """One cluster as the operator sees it.

    `since` is when `state` began, in seconds since the epoch; `message` says why it is not live, in one sentence.
    `stale` means: was live before, its last known rows stay on the screen. `insecure`: the server's certificate is not
    checked (``insecure-skip-tls-verify``). `latency` is how many seconds it takes to answer a small request; None where
    that is not known. It is told seldom, and is no measurement.
    """

    name: ClusterName
    state: ClusterState
    since: float
    message: str = ""
    server: str = ""
    version: str = ""
    protected: bool = False
    insecure: bool = False
    latency: float | None = None
    origin: str = "kubeconfig"
    """Where it is known from: ``kubeconfig``, ``hub NAME``, or several of them with commas between."""
    aliases: tuple[str, ...] = ()
    """Other names of the same cluster: contexts that lead to it, names that hubs registered it under."""
    labels: dict[str, str] = {}
    """What hubs label it with where they register it."""
