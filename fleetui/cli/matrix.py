"""`get matrix`: addons by clusters, as a table and as a document.

Owns: how the matrix is written down. Called by `fleetui.cli.commands`; what is in it is made in `fleetui.fleet.matrix`.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from msgspec.structs import replace

from fleetui.cli.connect import with_fleet
from fleetui.cli.documents import Document
from fleetui.cli.options import Scope
from fleetui.cli.output import aligned, emit
from fleetui.cli.read import tell_problems
from fleetui.cli.report import say
from fleetui.cli.waiting import loaded
from fleetui.fleet.cells import CellRules
from fleetui.fleet.matrix import CALM, Cell, Matrix, Tally
from fleetui.fleet.matrixfilter import parse
from fleetui.model import selectors
from fleetui.model.errors import UsageError
from fleetui.model.objects import ClusterName
from fleetui.model.rollout import CellKey
from fleetui.model.status import HealthStatus, SyncStatus

if TYPE_CHECKING:
    from fleetui.fleet.fleet import LiveFleet

_SKEW = {-1: "behind", 0: "", 1: "ahead"}


def show_matrix(
    scope: Scope, output: str, *, words: Sequence[str], selector: str, label: str, group_by: str, turn: bool
) -> int:
    """`get matrix`.

    Raises:
        UsageError: `selector` is no label selector.
    """
    try:
        chosen = selectors.parse(selector) if selector else None
    except ValueError as error:
        raise UsageError(f"-l {selector}: {error}", "write it like tier=addon,team!=test") from error

    async def work(fleet: LiveFleet) -> int:
        await loaded(fleet)
        await fleet.registered()  # the names and the labels of clusters
        matrix = Matrix(_rules(fleet.cell_rules, label, chosen), group_by=group_by)
        matrix.show(parse(" ".join(words)))
        matrix.update(fleet.apps.values(), clusters=fleet.clusters.values())
        if output in {"json", "yaml"}:
            emit(document(matrix), output)
        elif matrix.cells:
            emit(table(matrix, wide=output == "wide", turn=turn))
        else:
            say(f"No cell matches {matrix.filter.text}." if matrix.total else "No addons found.")
        return tell_problems(fleet)

    return with_fleet(scope, work)


def _rules(rules: CellRules, label: str, chosen: selectors.LabelSelector | None) -> CellRules:
    rules = replace(rules, label=label) if label else rules
    return replace(rules, selector=chosen) if chosen is not None else rules


def table(matrix: Matrix, *, wide: bool, turn: bool) -> str:
    """The matrix with totals at both edges: clusters down and addons across, or the other way round."""
    clusters = [cluster for _, names in matrix.groups for cluster in names]
    lines = [_line(matrix, cluster, wide=wide) for cluster in clusters]
    grouped = [matrix.group_by] if matrix.group_by else []
    titles = ["addon" if turn else "cluster", *grouped, *matrix.addons, "total"]
    totals = ["total", *([""] if grouped else []), *(_total_of_addon(matrix, addon) for addon in matrix.addons)]
    rows = [titles, *lines, [*totals, _total(matrix.of_all)]]
    head, *body = zip(*rows, strict=True) if turn else rows
    return aligned([title.upper() for title in head], body)


def _line(matrix: Matrix, cluster: ClusterName, *, wide: bool) -> list[str]:
    found = (matrix.cells.get(CellKey(cluster, addon)) for addon in matrix.addons)
    group = [matrix.group_of(cluster)] if matrix.group_by else []
    return [cluster, *group, *(_cell(matrix, cell, wide=wide) for cell in found), _total(matrix.of_cluster(cluster))]


def _cell(matrix: Matrix, cell: Cell | None, *, wide: bool) -> str:
    """A version, and behind it what is out of the ordinary; all of its state where there is room."""
    if cell is None:
        return "-"
    drift = f"{cell.sync.value}({cell.drift})" if cell.drift else cell.sync.value
    told = [cell.version or "?", _SKEW[matrix.skew(cell)]]
    told.append(cell.health.value if wide or cell.health not in CALM else "")
    told.append(drift if wide or cell.sync is not SyncStatus.SYNCED else "")
    told += ["stale" if cell.stale else "", f"+{cell.more}" if cell.more else ""]
    return " ".join(filter(None, told))


def _total(tally: Tally) -> str:
    healths = [(status, tally.health[status]) for status in reversed(HealthStatus) if status not in CALM]
    wrong = [f"{count} {status.value}" for status, count in healths if count]
    wrong += [f"{tally.differ} OutOfSync"] if tally.differ else []
    return ", ".join([str(tally.cells), *wrong])


def _total_of_addon(matrix: Matrix, addon: str) -> str:
    tally = matrix.of_addon(addon)
    several = len(tally.versions) > 1
    return _total(tally) + (f", {len(tally.versions)} versions" if several else "")


def document(matrix: Matrix) -> Document:
    """The matrix as data."""
    return {
        "groupBy": matrix.group_by,
        "filter": matrix.filter.text,
        "total": _tally(matrix.of_all),
        "addons": [{"name": addon, **_tally(matrix.of_addon(addon))} for addon in matrix.addons],
        "groups": [
            {
                "name": group,
                "clusters": clusters,
                "addons": [{"name": addon, **_tally(matrix.of_addon(addon, group))} for addon in matrix.addons],
            }
            for group, clusters in matrix.groups
        ],
        "clusters": [
            {"name": cluster, "group": group, "labels": matrix.labels_of(cluster), **_tally(matrix.of_cluster(cluster))}
            for group, clusters in matrix.groups
            for cluster in clusters
        ],
        "cells": [
            _cell_document(matrix, cell)
            for _, clusters in matrix.groups
            for cluster in clusters
            for addon in matrix.addons
            if (cell := matrix.cells.get(CellKey(cluster, addon))) is not None
        ],
    }


def _tally(tally: Tally) -> Document:
    return {
        "cells": tally.cells,
        "health": {status.value: tally.health[status] for status in HealthStatus if tally.health[status]},
        "outOfSync": tally.differ,
        "versions": [{"version": version, "cells": count} for version, count in tally.by_version],
    }


def _cell_document(matrix: Matrix, cell: Cell) -> Document:
    return {
        "cluster": cell.key.cluster,
        "addon": cell.key.addon,
        "app": str(cell.app),
        "engine": cell.app.dialect,
        "version": cell.version,
        "skew": _SKEW[matrix.skew(cell)],
        "health": cell.health.value,
        "sync": cell.sync.value,
        "outOfSync": cell.drift,
        "stale": cell.stale,
        "apps": [str(app) for app in matrix.apps_at(cell.key)],
    }
