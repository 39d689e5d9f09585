"""Which versions of an addon there are, and on which clusters.

Owns: `VersionsScreen`. It looks at the matrix of the screen below, and is as live as that.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any, ClassVar, cast

from textual.app import ComposeResult
from textual.binding import BindingType

from fleetui.fleet.matrix import Matrix, natural, version_order
from screens import actions
from screens.base import FleetScreen
from screens.cells import Cell, Span
from screens.widgets.columns import Column
from screens.widgets.lines import BarLine
from screens.widgets.table import FleetTable, Row
from screens.words import plural

if TYPE_CHECKING:
    from fleetui.fleet import matrix as fleet_matrix
    from fleetui.fleet.views import ChangeSet

COLUMNS = (
    Column("version", "VERSION", least=10, most=40, name=True),
    Column("count", "COUNT", least=5, most=6, right=True),
    Column("skew", "", least=6, most=6, flash=False),
    Column("clusters", "CLUSTERS", least=20, most=200, rest=True, prose=True),
)


class VersionsScreen(FleetScreen):
    """The versions of one addon, the newest first."""

    SCOPES: ClassVar[tuple[str, ...]] = ("versions", "rows")
    HINTS: ClassVar[tuple[str, ...]] = ("rows.open", "screen.copy_name", "screen.back", "screen.help")
    BINDINGS: ClassVar[list[BindingType]] = actions.bindings("versions")

    def __init__(self, matrix: Matrix, addon: str, show: Callable[[str], None]) -> None:
        super().__init__()
        self._show = show
        self._matrix = matrix
        self._addon = addon
        self._found: dict[str, list[fleet_matrix.Cell]] = {}
        self.table = FleetTable(COLUMNS, self._row, problem=self._problem, id="versions")
        self.table.opens = lambda key: self.action_filter()

    def body(self) -> ComposeResult:
        yield self.table

    def on_mount(self) -> None:  # the base's own handler is called too, after this one
        self._collect()

    def picture_changed(self, change: ChangeSet) -> None:
        self._collect()
        self.table.touch_all()
        super().picture_changed(change)

    def _collect(self) -> None:
        self._found = {}
        for key, cell in self._matrix.cells.items():
            if key.addon == self._addon:
                self._found.setdefault(cell.version, []).append(cell)
        self.table.grow({"version": max(map(len, self._found), default=0)})
        self.table.set_rows([*sorted(self._found, key=version_order, reverse=True)], now=True)
        self.table.say([f"There is no {self._addon} any more, or the filter of the matrix takes none of it"])

    def _row(self, key: Any) -> Row:
        cells = self._found[key]
        names = sorted((cell.key.cluster for cell in cells), key=natural)
        skews = {self._matrix.skew(cell) for cell in cells} - {0}
        word = {-1: Cell("behind", "warning"), 1: Cell("ahead", "info")}.get(skews.pop() if len(skews) == 1 else 0)
        return Row((Cell(key or "?", "bright"), Cell(f"{len(cells):,}"), word or Cell(""), Cell(", ".join(names))))

    def _problem(self, key: Any) -> bool:
        return any(cell.problem for cell in self._found[key])

    def head(self) -> Sequence[BarLine]:
        left = [Span(f" {self._addon}  ", "title"), Span(plural(len(self._found), "version"), "bright")]
        left.append(Span(f"   on {plural(sum(map(len, self._found.values())), 'cluster')}", "muted"))
        return (BarLine(tuple(left), (*self.lock_spans(), Span(" "))),)

    def name_under_cursor(self) -> str:
        return cast(str, self.table.key or "")

    def action_filter(self) -> None:
        """The matrix with the version under the cursor alone."""
        if not self.table.key:
            self.app.bell()
            return
        self.app.pop_screen()
        self._show(f"addon:={self._addon} version:={self.table.key}")
