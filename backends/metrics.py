"""What an engine tells Prometheus, under the names that Argo CD uses, so that its dashboards go on working.

Owns: `EngineMetrics`, a `fleetui.engine.telling.Listener` (`controller/metrics/metrics.go`, Argo CD v3.6). For the
composition root; `backends.health_server` serves its text.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, generate_latest
from prometheus_client.core import GaugeMetricFamily
from prometheus_client.registry import Collector

from fleetui.engine.application import Application, mapping, mappings, text
from fleetui.engine.appset.applicationset import ApplicationSet
from fleetui.engine.appset.status import RESOURCES_UP_TO_DATE
from fleetui.engine.events import Told
from fleetui.engine.operation import phase_of
from fleetui.engine.sourceset import SourceSet
from fleetui.model.objects import Obj
from fleetui.model.times import parse_time

_APP = ("namespace", "name", "project")
_INFO = (*_APP, *"autosync_enabled repo dest_server dest_namespace sync_status health_status".split())
_INFO += ("hydrator_status", "operation", "phase")
_BUCKETS = (0.05, 0.25, 0.5, 1, 2, 4, 8, 16)


class EngineMetrics:
    """The figures of the engines of this process.

    Args:
        applications: gives the Applications as they are now.
        sets: gives the ApplicationSets as they are now.
        waiting: how many Applications wait for their turn now.
    """

    def __init__(
        self,
        applications: Callable[[], Iterable[Obj]],
        waiting: Callable[[], int],
        *,
        sets: Callable[[], Iterable[Obj]] = tuple,
    ) -> None:
        self._registry = CollectorRegistry()
        self._registry.register(_Applications(applications))
        self._registry.register(_Sets(sets))
        self._syncs = Counter(
            "argocd_app_sync_total",
            "Number of application syncs.",
            (*_APP, "dest_server", "phase", "dry_run"),
            registry=self._registry,
        )
        self._seconds = Counter(
            "argocd_app_sync_duration_seconds_total",
            "Application sync performance in seconds total.",
            (*_APP, "dest_server"),
            registry=self._registry,
        )
        self._reconciles = Histogram(
            "argocd_app_reconcile",
            "Application reconciliation performance in seconds.",
            ("namespace",),
            buckets=_BUCKETS,
            registry=self._registry,
        )
        depth = Gauge("workqueue_depth", "Current depth of workqueue.", ("name",), registry=self._registry)
        depth.labels("app_reconciliation_queue").set_function(waiting)

    def text(self) -> bytes:
        """Everything, as Prometheus reads it."""
        return generate_latest(self._registry)

    def wrote(self, before: Application, after: Application) -> None:
        """Counts a sync that has come to its end."""
        phase = phase_of(after.operation_state)
        if phase is None or not phase.completed or _ended(before) == _ended(after):
            return
        state = mapping(after.operation_state)
        labels = (*_identity(after), text(after.destination.get("server")))
        dry = mapping(mapping(state.get("operation")).get("sync")).get("dryRun") is True
        self._syncs.labels(*labels, phase.value, str(dry).lower()).inc()
        started, finished = (parse_time(text(state.get(key))) for key in ("startedAt", "finishedAt"))
        if started is not None and finished is not None:
            self._seconds.labels(*labels).inc(max(0.0, finished - started))

    def generated(self, appset: Obj, told: Told) -> None:
        """Counts nothing."""

    @contextmanager
    def reconciling(self, namespace: str, name: str) -> Iterator[None]:
        """Times a reconcile."""
        began = time.perf_counter()
        try:
            yield
        finally:
            self._reconciles.labels(namespace).observe(time.perf_counter() - began)


class _Applications(Collector):
    """`argocd_app_info` and `argocd_app_condition`, made when they are asked for."""

    def __init__(self, applications: Callable[[], Iterable[Obj]]) -> None:
        self._applications = applications

    def collect(self) -> Iterator[GaugeMetricFamily]:
        """The families."""
        info = GaugeMetricFamily("argocd_app_info", "Information about application.", labels=_INFO)
        conditions = GaugeMetricFamily(
            "argocd_app_condition", "Report application conditions.", labels=(*_APP, "condition")
        )
        for app in map(Application, self._applications()):
            info.add_metric(_info(app), 1)
            for kind, number in _conditions(app).items():
                conditions.add_metric((*_identity(app), kind), number)
        yield info
        yield conditions


class _Sets(Collector):
    """`argocd_appset_info` and `argocd_appset_owned_applications` (`applicationset/metrics/metrics.go`)."""

    def __init__(self, sets: Callable[[], Iterable[Obj]]) -> None:
        self._sets = sets

    def collect(self) -> Iterator[GaugeMetricFamily]:
        """The families."""
        names = ("namespace", "name")
        info = GaugeMetricFamily(
            "argocd_appset_info", "Information about applicationset", labels=(*names, "resource_update_status")
        )
        owned = GaugeMetricFamily(
            "argocd_appset_owned_applications", "Number of applications owned by the applicationset", labels=names
        )
        for appset in map(ApplicationSet, self._sets()):
            conditions = mappings(appset.status.get("conditions"))
            of_type = {text(each.get("type")): text(each.get("reason")) for each in conditions}
            identity = appset.namespace, appset.name
            info.add_metric((*identity, of_type.get(RESOURCES_UP_TO_DATE, "Unknown")), 1)
            owned.add_metric(identity, len(mappings(appset.status.get("resources"))))
        yield info
        yield owned


def _identity(app: Application) -> tuple[str, str, str]:
    return app.namespace, app.name, text(app.spec.get("project")) or "default"


def _ended(app: Application) -> tuple[object, ...]:
    state = mapping(app.operation_state)
    return tuple(state.get(key) for key in ("startedAt", "finishedAt", "phase"))


def _info(app: Application) -> tuple[str, ...]:
    source = SourceSet.of(app.spec).sources[0]
    sync, health = (text(mapping(app.status.get(key)).get("status")) or "Unknown" for key in ("sync", "health"))
    operation = "delete" if app.deleting else "sync" if app.operation is not None else ""
    return (
        *_identity(app),
        str(app.automated is not None).lower(),
        text(source.get("repoURL")),
        text(app.destination.get("server")),
        app.destination_namespace,
        sync,
        health,
        "",
        operation,
        text(mapping(app.operation_state).get("phase")),
    )


def _conditions(app: Application) -> dict[str, int]:
    found = app.status.get("conditions")
    kinds = [text(mapping(condition).get("type")) for condition in found] if isinstance(found, list) else []
    return {kind: kinds.count(kind) for kind in kinds if kind}
