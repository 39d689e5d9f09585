"""The addon matrix as a grid: what each place, head and total says, either way round.

Owns: `MatrixView`, the `screens.widgets.matrix.Source` of the addon matrix. Pure: matrix and picture in, cells out.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING, cast

from fleetui.fleet.matrix import Cell, Matrix, Tally
from fleetui.model.objects import ClusterName
from fleetui.model.rollout import CellKey
from fleetui.model.status import HealthStatus, SyncStatus
from screens import cells
from screens.cells import Line, Span
from screens.glyphs import HEALTH_ROLE, Glyphs
from screens.theme import cluster_role
from screens.widgets.matrix import GridRow
from screens.widgets.matrix_layout import Place

if TYPE_CHECKING:
    from fleetui.model.status import ClusterStatus
    from screens.host import Host
    from screens.widgets.rows import Key

WIDEST = 48
"""Cells of a column at most: anybody may write a version of any length."""
WIDEST_SUMMARY = 20
"""Cells that a column may be widened by what a group has in it."""
_SKEWS = {-1: Span("behind", "warning"), 0: Span(""), 1: Span("ahead", "info")}
_WORD = max(len(span.text) for span in _SKEWS.values())
_GLYPH = 2
"""The cells of a glyph and the blank behind it."""


class MatrixView:
    """The matrix, turned or not."""

    def __init__(self, matrix: Matrix, host: Host) -> None:
        self.matrix = matrix
        self.turned = False
        self._host = host

    # --- rows and columns ----------------------------------------------------------------------------------------

    def rows(self) -> list[GridRow]:
        """The rows: the clusters, each group below a line of its own; turned, the addons below one that names the
        groups."""
        if self.turned:
            addons = [GridRow(addon) for addon in self.matrix.addons]
            return [GridRow("", group=True), *addons] if self.matrix.group_by and addons else addons
        rows: list[GridRow] = []
        for group, clusters in self.matrix.groups:
            rows += [GridRow(("group", group), group=True), *map(GridRow, clusters)]
        return rows

    def columns(self) -> list[Key]:
        """The addons; turned, the clusters."""
        if self.turned:
            return [cluster for _, clusters in self.matrix.groups for cluster in clusters]
        return list(self.matrix.addons)

    def wants(self, columns: Iterable[Key]) -> dict[Key, int]:
        """How wide these columns would like to be, in cells."""
        groups = [row.key for row in self.rows() if row.group]
        return {column: self._want(column, groups) for column in columns}

    def titles(self) -> int:
        """How wide the titles of the rows would like to be, in cells."""
        return max((self.title(row).width + (4 if row.group else 0) for row in self.rows()), default=0)

    def cell_at(self, row: Key, column: Key) -> CellKey:
        """Which cell stands where a row and a column meet."""
        cluster, addon = (column, row) if self.turned else (row, column)
        return CellKey(cast("ClusterName", cluster), cast(str, addon))

    def at_of(self, key: CellKey) -> tuple[Key, Key]:
        """Where a cell stands."""
        return (key.addon, key.cluster) if self.turned else (key.cluster, key.addon)

    def _want(self, column: Key, groups: Sequence[Key]) -> int:
        tally = self._tally(column)
        versions = max((cells.cell_len(version) for version in tally.versions), default=0)
        skew = _WORD + 1 if len(tally.versions) > 1 or self.turned else 0
        want = max(cells.cell_len(self.head(column).text), _GLYPH + versions + skew)
        summaries = [cells.cell_len(self.summary(group, column, WIDEST_SUMMARY).text) for group in groups]
        return min(WIDEST, max(want, max(summaries, default=0)))

    # --- screens.widgets.matrix.Source ---------------------------------------------------------------------------

    def place(self, row: Key, column: Key) -> Place | None:
        cell = self.matrix.cells.get(self.cell_at(row, column))
        return None if cell is None else self._place(cell)

    def title(self, row: GridRow) -> cells.Cell:
        if row.group:
            return cells.Cell(self._group_title(row), "head")
        if self.turned:
            return cells.Cell(f" {row.key}")
        name = cast("ClusterName", row.key)
        return cells.Cell(f" {name}", cluster_role(self._host.picture.place(name)), self._marks(name))

    def edge(self, row: GridRow) -> Line:
        if not row.group:
            return self.totals(self._tally(row.key, row=True))
        return () if self.turned else self.totals(self._group_tally(cast("tuple[str, str]", row.key)[1]))

    def head(self, column: Key) -> Span:
        return Span(str(column), "head")

    def foot(self, column: Key) -> Line:
        return self.totals(self._tally(column))

    def summary(self, group: Key, column: Key, width: int) -> Span:
        if self.turned:
            return Span(self.matrix.group_of(cast("ClusterName", column)) or "none", "muted")
        tally = self.matrix.of_addon(cast(str, column), cast("tuple[str, str]", group)[1])
        several = len(tally.versions) > 1
        return Span(versions_line(tally, width, self._host.glyphs), "warning" if several else "muted")

    # --- cells ---------------------------------------------------------------------------------------------------

    def _place(self, cell: Cell) -> Place:
        glyphs = self._host.glyphs
        if cell.stale:
            tail, short = Span("stale", "warning"), glyphs.stale
        else:
            skew = self.matrix.skew(cell)
            tail, short = _SKEWS[skew], {-1: glyphs.behind, 1: glyphs.ahead}.get(skew, "")
        more = f" +{cell.more}" if cell.more else ""
        return Place(
            key=cell.key,
            glyph=glyph(cell, glyphs),
            text=f"{cell.version}{more}",
            tail=tail,
            short=short,
            dim=cell.stale,
            problem=cell.problem,
        )

    def totals(self, tally: Tally) -> Line:
        """What is wrong, worst first; where nothing is, how many there are."""
        glyphs = self._host.glyphs
        counted = [
            (glyphs.health(status), tally.health[status], HEALTH_ROLE[status])
            for status in (HealthStatus.DEGRADED, HealthStatus.MISSING)
        ]
        counted.append((glyphs.out_of_sync, tally.differ, "warning"))
        counted += [
            (glyphs.health(status), tally.health[status], HEALTH_ROLE[status])
            for status in (HealthStatus.PROGRESSING, HealthStatus.UNKNOWN, HealthStatus.SUSPENDED)
        ]
        wrong = tuple(Span(f"{sign}{count} ", role) for sign, count, role in counted if count)
        return wrong or (Span(f"{glyphs.healthy}{tally.cells} ", "faint"),)

    def _marks(self, name: ClusterName) -> Line:
        status: ClusterStatus | None = self._host.picture.clusters.get(name)
        if status is None:
            return ()
        from fleetui.model.status import AWAY

        glyphs = self._host.glyphs
        lock = (Span(f" {glyphs.protected}", "warning"),) if status.protected else ()
        return (*lock, *((Span(f" {glyphs.stale}", "warning"),) if status.state in AWAY else ()))

    def _group_title(self, row: GridRow) -> str:
        if self.turned:
            return self.matrix.group_by
        if not self.matrix.group_by:
            return "all"
        return cast("tuple[str, str]", row.key)[1] or f"no {self.matrix.group_by}"

    def _group_tally(self, group: str) -> Tally:
        total = Tally()
        for addon in self.matrix.addons:
            total.add(self.matrix.of_addon(addon, group))
        return total

    def _tally(self, key: Key, *, row: bool = False) -> Tally:
        if self.turned is row:
            return self.matrix.of_addon(cast(str, key))
        return self.matrix.of_cluster(cast("ClusterName", key))


def glyph(cell: Cell, glyphs: Glyphs) -> Span:
    """A cell in one glyph and colour: its health, and where that is fine, whether it differs from Git."""
    if cell.health in {HealthStatus.HEALTHY, HealthStatus.SUSPENDED} and cell.sync is not SyncStatus.SYNCED:
        differs = cell.sync is SyncStatus.OUT_OF_SYNC
        return Span(glyphs.sync(cell.sync), "warning" if differs else "muted")
    return Span(glyphs.health(cell.health), HEALTH_ROLE[cell.health])


def versions_line(tally: Tally, width: int, glyphs: Glyphs) -> str:
    """``1.15.0 ×2 1.14.5 ×9``, the newest first, as many as fit into `width` cells; one of which nothing is known is
    ``?``. Where not even one fits: the version alone, or how many there are."""
    found = tally.by_version
    told = [f"{version or '?'} {glyphs.times}{count}" for version, count in found]
    for shown in range(len(told), 0, -1):
        more = f" +{len(told) - shown}" if shown < len(told) else ""
        line = " ".join(told[:shown]) + more
        if cells.cell_len(line) <= width:
            return line
    only = found[0][0] if len(found) == 1 else ""
    return only if only and cells.cell_len(only) <= width else f"{len(found)}v" if found else ""
