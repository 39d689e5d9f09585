"""A fleet with an addon matrix, for tests of the screen and for its figures."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from fleetui.model.app import App, AppResource, Destination, Source
from fleetui.model.status import ClusterState, ClusterStatus, HealthStatus, SyncStatus
from tests.screens.fake_fleet import FakeFleet, app, ref, status

STAGES = {
    "seoul-1": "canary",
    "tokyo-1": "canary",
    "paris-1": "prod",
    "milan-1": "prod",
    "oslo-1": "prod",
}
VERSIONS = {"cert-manager": "1.14.5", "external-secrets": "0.9.4", "metrics-server": "0.7.1"}


def cluster(name: str, stage: str, state: ClusterState = ClusterState.REGISTERED, **more: Any) -> ClusterStatus:
    return status(name, state, server=f"https://{name}:6443", origin="hub hub", labels={"stage": stage}, **more)


def cell(
    where: str, addon: str, version: str = "", health: HealthStatus = HealthStatus.HEALTHY, drift: int = 0, **more: Any
) -> App:
    changed = tuple(AppResource(ref("ConfigMap", f"c{n}"), sync=SyncStatus.OUT_OF_SYNC) for n in range(drift))
    return app(
        f"{where}-{addon}",
        "hub",
        health=health,
        sync=SyncStatus.OUT_OF_SYNC if drift else SyncStatus.SYNCED,
        resources=changed,
        application_set="cluster-addons",
        source=Source(path=f"addons/{addon}/{version or VERSIONS.get(addon, '1.0.0')}", target_revision="main"),
        destination=Destination(server=f"https://{where}:6443", namespace=addon),
        **more,
    )


def clusters() -> tuple[ClusterStatus, ...]:
    """A hub, and the clusters of the mock-up."""
    return (status("hub"), *(cluster(name, stage, protected=name == "paris-1") for name, stage in STAGES.items()))


def apps() -> list[App]:
    """The mock-up's matrix."""
    made = {(name, addon): cell(name, addon) for name in STAGES for addon in VERSIONS}
    made["seoul-1", "cert-manager"] = cell("seoul-1", "cert-manager", "1.15.0")
    made["tokyo-1", "cert-manager"] = cell("tokyo-1", "cert-manager", "1.15.0", HealthStatus.PROGRESSING)
    made["paris-1", "metrics-server"] = cell("paris-1", "metrics-server", drift=2)
    made["milan-1", "cert-manager"] = cell(
        "milan-1", "cert-manager", health=HealthStatus.DEGRADED, message="webhook has no endpoints"
    )
    made["milan-1", "metrics-server"] = cell("milan-1", "metrics-server", "0.6.4")
    del made["oslo-1", "external-secrets"]
    return list(made.values())


def fleet(**more: Any) -> FakeFleet:
    return FakeFleet(*apps(), clusters=clusters(), **more)


def large(wide: int = 30, tall: int = 200) -> tuple[Sequence[App], tuple[ClusterStatus, ...]]:
    """`tall` clusters by `wide` addons, some of them in trouble."""
    names = [f"cluster-{number}" for number in range(1, tall + 1)]
    sick = {0: HealthStatus.DEGRADED, 7: HealthStatus.PROGRESSING}
    found = [
        cell(name, f"addon-{n}", f"1.{(n + place) % 40 // 39}.0", sick.get((place * 31 + n) % 97, HealthStatus.HEALTHY))
        for place, name in enumerate(names)
        for n in range(wide)
    ]
    stages = ("canary", "asia", "europe", "prod")
    return found, (status("hub"), *(cluster(name, stages[place % 4]) for place, name in enumerate(names)))
