"""An application as a row of the applications table.

Owns: the columns, what each cell says, the orders. Pure: picture and time in, cells out.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from enum import StrEnum
from typing import Any

from fleetui.model.app import App
from fleetui.model.status import HealthStatus, SyncStatus
from fleetui.model.times import age
from screens.cells import Cell, Span
from screens.glyphs import HEALTH_ROLE, SYNC_ROLE, Glyphs
from screens.picture import Picture
from screens.theme import cluster_role
from screens.why import why
from screens.widgets.columns import Column
from screens.widgets.table import Row
from screens.words import ago, short_revision, who

COLUMNS = (
    Column("cluster", "CLUSTER", least=9, most=28, flash=False, name=True),
    Column("app", "APP", least=18, most=63, flash=False, name=True),
    Column("health", "HEALTH", least=13, most=13),
    Column("sync", "SYNC", least=11, most=11),
    Column("revision", "REVISION", least=8, most=14, priority=1),
    Column("engine", "ENGINE", least=6, most=8, priority=3, flash=False),
    Column("age", "AGE", least=4, most=5, priority=2, right=True, flash=False),
    Column("project", "PROJECT", least=8, most=20, priority=5, wide=True),
    Column("destination", "DESTINATION", least=11, most=30, priority=6, wide=True),
    Column("path", "PATH", least=10, most=40, priority=7, wide=True),
    Column("last", "LAST SYNC", least=14, most=20, priority=8, wide=True, flash=False),
    Column("message", "MESSAGE", least=20, most=20, priority=9, wide=True, rest=True, flash=False, prose=True),
)

LONG = 300.0
"""Seconds after which something that is still progressing needs a human."""


class Order(StrEnum):
    """The orders that a person may ask for."""

    PROBLEM = "problem"
    NAME = "name"
    CLUSTER = "cluster"
    AGE = "age"


def rank(app: App, now: float) -> int:
    """What needs a human first: 0 for Degraded to 7 for nothing to do."""
    status = app.health.status
    long = app.health_since is None or now - app.health_since >= LONG
    failed = app.operation is not None and app.operation.phase.completed and app.operation.phase.value != "Succeeded"
    if status is HealthStatus.DEGRADED:
        return 0
    if status is HealthStatus.MISSING:
        return 1
    if app.sync is SyncStatus.OUT_OF_SYNC or failed:
        return 2
    if status is HealthStatus.PROGRESSING and long:
        return 3
    if status is HealthStatus.UNKNOWN or app.sync is SyncStatus.UNKNOWN:
        return 4
    return {HealthStatus.SUSPENDED: 5, HealthStatus.PROGRESSING: 6}.get(status, 7)


def is_problem(app: App) -> bool:
    """Whether a human may have something to do here."""
    return app.health.status is not HealthStatus.HEALTHY or app.sync is not SyncStatus.SYNCED


def sort_key(order: Order, app: App, picture: Picture, *, now: float) -> tuple[Any, ...]:
    """What to sort an application by."""
    key = app.key
    name = (key.name, picture.cluster_of(app), key.namespace, key.hub, key.dialect)
    if order is Order.NAME:
        return name
    if order is Order.CLUSTER:
        return (picture.cluster_of(app), rank(app, now), *name)
    if order is Order.AGE:
        return (-(_since(app) or 0.0), *name)
    return (rank(app, now), *name)


STALE = 5
"""Cells of a stale cluster's mark and age: the name stays whole, or prod-eu-1 and prod-eu-2 look alike."""


def _since(app: App) -> float | None:
    return app.health_since if app.health_since is not None else app.created_at


def row(app: App, picture: Picture, now: float, *, glyphs: Glyphs) -> Row:
    """The row of an application, a cell for each of `COLUMNS`."""
    stale = picture.stale_since(app.key)
    since = _since(app)
    message = why(app, picture.clusters.get(app.key.hub), now) if is_problem(app) else ""
    cells = (
        cluster_cell(picture, picture.cluster_of(app), now, stale=stale, glyphs=glyphs),
        Cell(app.key.name),
        health_cell(app, glyphs),
        sync_cell(app, glyphs),
        Cell(short_revision(app.revision), "muted"),
        Cell(app.key.dialect, "muted"),
        Cell(age(now - since) if since is not None else "", "muted"),
        Cell(app.project, "muted"),
        Cell(app.destination.namespace, "muted"),
        Cell(app.source.path or app.source.chart, "muted"),
        Cell(_last_sync(app, now), "muted"),
        Cell(message, "muted"),
    )
    return Row(cells, dim=stale is not None)


def widths(apps: Iterable[App], picture: Picture) -> Mapping[str, int]:
    """How wide the widest content of the columns is whose width depends on names."""
    names = ("cluster", "app", "revision", "engine", "project", "destination", "path")
    wanted = dict.fromkeys(names, 0) | {"age": 4, "last": 0}
    for app in apps:
        cluster = picture.cluster_of(app)
        marks = 2 * picture.protected(cluster) + STALE * (picture.stale_since(app.key) is not None)
        wanted["cluster"] = max(wanted["cluster"], len(cluster) + marks)
        wanted["app"] = max(wanted["app"], len(app.key.name))
        wanted["last"] = max(wanted["last"], 20 * (app.operation is not None))
        wanted["revision"] = max(wanted["revision"], len(short_revision(app.revision)))
        wanted["engine"] = max(wanted["engine"], len(app.key.dialect))
        wanted["project"] = max(wanted["project"], len(app.project))
        wanted["destination"] = max(wanted["destination"], len(app.destination.namespace))
        wanted["path"] = max(wanted["path"], len(app.source.path or app.source.chart))
    return wanted


def cluster_cell(picture: Picture, cluster: str, now: float, *, stale: float | None, glyphs: Glyphs) -> Cell:
    """A cluster's name in its colour, marked where it is protected, with the age of what is known of it."""
    tail = [Span(f" {glyphs.protected}", "warning")] if picture.protected(cluster) else []
    if stale is not None:
        tail.append(Span(f"{glyphs.stale}{age(now - stale)}", "warning"))
    return Cell(cluster, cluster_role(picture.place(cluster)), tuple(tail))


def health_cell(app: App, glyphs: Glyphs) -> Cell:
    """Health in the table: calm where it is fine."""
    status = app.health.status
    if status is HealthStatus.HEALTHY:
        return Cell(f"  {status.value}")
    return Cell(f"{glyphs.health(status)} {status.value}", HEALTH_ROLE[status])


def sync_cell(app: App, glyphs: Glyphs) -> Cell:
    """Sync status in the table, or what is being done about it."""
    glyph = glyphs.sync(app.sync)
    role = SYNC_ROLE[app.sync]
    doing = _doing(app)
    if doing:
        return Cell(f"{glyph} {doing}", "info")
    if app.sync is not SyncStatus.OUT_OF_SYNC:
        return Cell(glyph, role)
    count = app.out_of_sync
    if not count:
        return Cell(f"{glyph} OutOfSync", role)
    return Cell(f"{glyph} {count} {'differs' if count == 1 else 'differ'}", role)


def _doing(app: App) -> str:
    operation = app.operation
    if app.deleting:
        return "deleting"
    if operation is not None and not operation.phase.completed:
        return f"retry {operation.retry_count}" if operation.retry_count else "syncing"
    if app.pending:
        return "asked"
    return "comparing" if app.refreshing else ""


def _last_sync(app: App, now: float) -> str:
    operation = app.operation
    if operation is None or operation.finished_at is None:
        return ""
    return f"{ago(operation.finished_at, now)} {who(operation.initiated_by, operation.automated)}"
