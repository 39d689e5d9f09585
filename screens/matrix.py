"""The addon matrix: every addon on every cluster, each cell with version and state, live.

Owns: `MatrixScreen`. What a cell says is in `screens.matrix_cells`, what there is in `fleetui.fleet.matrix`. The screen
is made with the host, so that its first frame has all cells.
"""

from __future__ import annotations

import shlex
from collections.abc import Sequence
from typing import TYPE_CHECKING, ClassVar

from textual import on
from textual.app import ComposeResult
from textual.binding import BindingType

from fleetui.fleet.cells import DEFAULT, CellRules
from fleetui.fleet.matrix import Cell, Matrix, Touched
from fleetui.fleet.matrixfilter import parse
from screens import actions
from screens.base import TALL, FleetScreen
from screens.causes import CauseFollower, FollowsCause
from screens.cells import Span, wrap
from screens.matrix_cells import MatrixView, glyph
from screens.nothing import no_applications
from screens.status import summary
from screens.widgets.lines import Bar, BarLine
from screens.widgets.matrix import MatrixGrid
from screens.widgets.rows import Key, VirtualRows
from screens.words import plural

if TYPE_CHECKING:
    from fleetui.fleet.views import ChangeSet
    from fleetui.model.app import App, AppKey
    from screens.host import Host


class MatrixScreen(FollowsCause, FleetScreen):
    """All addons of all clusters."""

    SCOPES: ClassVar[tuple[str, ...]] = ("matrix", "grid", "rows")
    HINTS: ClassVar[tuple[str, ...]] = (
        "rows.open",
        "rows.mark",
        "grid.mark_column",
        "matrix.roll_out",
        "matrix.versions",
        "matrix.group",
        "matrix.turn",
        "matrix.filter",
        "matrix.diff",
        "matrix.why",
        "matrix.wide",
        "screen.help",
    )
    BINDINGS: ClassVar[list[BindingType]] = actions.bindings("matrix")

    def __init__(self, host: Host, words: str = "") -> None:
        super().__init__()
        self.matrix = Matrix(_rules(host))
        self.matrix.show(parse(words))
        self.view = MatrixView(self.matrix, host)
        self.table = MatrixGrid(self.view, id="matrix")
        self.table.opens = self._open
        self._cause = CauseFollower(self, self.draw_frame)
        picture = host.picture
        self.matrix.update(picture.apps.values(), clusters=picture.clusters.values())

    def body(self) -> ComposeResult:
        yield self.table
        yield Bar(least=2, id="why")

    # --- the picture ---------------------------------------------------------------------------------------------

    def on_mount(self) -> None:  # the base's own handler is called too, after this one
        self._reshape()

    def picture_changed(self, change: ChangeSet) -> None:
        marked = self._marked()
        touched = self.matrix.update(
            change.apps.values(), removed=change.removed, clusters=change.clusters.values(), gone=change.gone
        )
        self._mark(marked)
        self._show(touched)
        self._cause.touched(change.trees)
        self.follow_cause()
        super().picture_changed(change)

    def _marked(self) -> set[AppKey]:
        marks = self.table.marks
        return {cell.app for key, cell in self.matrix.cells.items() if key in marks} if marks else set()

    def _mark(self, apps: set[AppKey]) -> None:
        """Marks follow the applications: what a cluster or an addon is called may become known later."""
        if apps != self._marked():
            self.table.marks = {key for key, cell in self.matrix.cells.items() if cell.app in apps}

    def _begin_anew(self) -> None:
        before, picture, marked = self.matrix, self.host.picture, self._marked()
        self.matrix = self.view.matrix = Matrix(_rules(self.host), group_by=before.group_by)
        self.matrix.show(before.filter)
        self.matrix.update(picture.apps.values(), clusters=picture.clusters.values())
        self._mark(marked)
        self._reshape()

    def _show(self, touched: Touched) -> None:
        places = [self.view.at_of(key) for key in touched.cells]
        if touched.shape:
            self._reshape()
            return
        self.table.grow(self.view.wants({column for _, column in places}))
        if touched.usual:
            self.table.touch_all()
        else:
            self.table.touch(places)

    def _reshape(self) -> None:
        view = self.view
        columns = view.columns()
        self.table.set_shape(view.rows(), columns, list(view.wants(columns).values()), view.titles())
        self.table.marks &= set(self.matrix.cells)
        self.draw_frame()

    # --- what is said around the grid ----------------------------------------------------------------------------

    def head(self) -> Sequence[BarLine]:
        matrix = self.matrix
        clusters = sum(len(names) for _, names in matrix.groups)
        more = "+" if self.host.picture.loading else ""
        left = [
            Span(" Addons  ", "title"),
            Span(f"{len(matrix.addons)} {self.host.glyphs.times} {plural(clusters, 'cluster')}{more}", "bright"),
        ]
        left += [Span(f"   by {matrix.group_by}", "muted")] if matrix.group_by else []
        left += [Span(f"   {matrix.filter.text}", "accent")] if matrix.filter else []
        marked = len(self.table.marks)
        left += [Span(f"   {marked:,} marked", "accent")] if marked else []
        totals = self.view.totals(matrix.of_all) if matrix.cells else ()
        return (BarLine(tuple(left), (*totals, Span(" "), *summary(self.host), *self.lock_spans(), Span(" "))),)

    def draw_frame(self) -> None:
        if not self.is_mounted:
            return
        if self.matrix.rules is not _rules(self.host):  # it was opened before the fleet was
            self._begin_anew()
            return
        super().draw_frame()
        self.query_one("#why", Bar).show(*self._why(self.size.width))
        if not self.matrix.cells:
            self.table.say(self._nothing(self.size.width))

    def _why(self, width: int) -> list[BarLine]:
        """Where the cursor is, and why the application there is as it is."""
        from screens.why import why

        at, cell, app = self.table.at, self.cell(), self.current()
        if at is None:
            return []
        key, glyphs = self.view.cell_at(*at), self.host.glyphs
        if cell is None or app is None:
            return [BarLine((Span(f" {glyphs.nothing} {key.cluster} {key.addon}: not there", "muted"),))]
        hub = self.host.picture.clusters.get(app.key.hub)
        text = f"{key.cluster} {key.addon} {cell.version or 'of unknown version'}{self._beside(cell)}: "
        text += why(app, hub, self.host.now(), told=self._cause.told)
        sign = glyph(cell, glyphs)
        lines = wrap(text, width - 4, 4 if self.size.height >= TALL else 2, ellipsis=glyphs.ellipsis)
        first = Span(f" {sign.text} ", sign.role)
        return [BarLine((first if number == 0 else Span("   "), Span(line))) for number, line in enumerate(lines)]

    def _beside(self, cell: Cell) -> str:
        """How the version stands to that of the others, and what else is in the same place."""
        usual = self.matrix.of_addon(cell.key.addon, self.matrix.group_of(cell.key.cluster)).usual
        skew = {-1: f", behind {usual}", 1: f", ahead of {usual}"}.get(self.matrix.skew(cell), "")
        return skew + (f", the worst of {cell.more + 1} applications here ({cell.app.name})" if cell.more else "")

    def _nothing(self, width: int) -> list[str]:
        """What stands in the grid while it has no cells."""
        if self.matrix.total:
            return [f"No cell matches {self.matrix.filter.text}", "esc takes the filter away"]
        picture, rules = self.host.picture, self.matrix.rules
        if not picture.apps or picture.loading:
            return no_applications(self.host, width)
        made = f"was made by an ApplicationSet or has the label {rules.label}"
        wanted = made if rules.selector is None else "is chosen by addon_selector in config.yaml"
        told = f"No addons: of {plural(len(picture.apps), 'application')} none {wanted}"
        return wrap(told, width - 4, 3)

    # --- what is under the cursor --------------------------------------------------------------------------------

    def cell(self) -> Cell | None:
        """The cell under the cursor."""
        at = self.table.at
        return None if at is None else self.matrix.cells.get(self.view.cell_at(*at))

    def current(self) -> App | None:
        """The application under the cursor."""
        cell = self.cell()
        return None if cell is None else self.matrix.app(cell)

    def chosen_cells(self) -> list[Cell]:
        """The marked cells, in the order of the grid; without marks the one under the cursor."""
        marks = self.table.marks
        if not marks:
            cell = self.cell()
            return [] if cell is None else [cell]
        marked = [cell for key, cell in self.matrix.cells.items() if key in marks]
        return sorted(marked, key=lambda cell: (cell.key.addon, cell.key.cluster))

    def chosen(self) -> list[AppKey]:
        """The applications of the marked cells, or of the one under the cursor."""
        return [cell.app for cell in self.chosen_cells()]

    def name_under_cursor(self) -> str:
        app = self.current()
        return app.key.name if app else ""

    def command_line(self) -> str:
        options = [f"--context={name}" for name in self.host.contexts]
        options += [f"--group-by={self.matrix.group_by}"] if self.matrix.group_by else []
        options += ["--turn"] if self.view.turned else []
        return shlex.join(["fleetui", "get", "matrix", *options, *self.matrix.filter.text.split()])

    @on(VirtualRows.Moved, "#matrix")
    def _moved(self) -> None:
        self.follow_cause()
        self.draw_frame()

    # --- actions -------------------------------------------------------------------------------------------------

    def _open(self, _: Key) -> None:
        from screens.app_view import AppScreen

        if app := self.current():
            self.app.push_screen(AppScreen(app.key))
        else:
            self.app.bell()

    def action_diff(self) -> None:
        from screens.diff import DiffScreen

        if app := self.current():
            self.app.push_screen(DiffScreen(app.key))

    def action_why(self) -> None:
        from screens.why_view import WhyScreen

        if app := self.current():
            self.app.push_screen(WhyScreen(app.key))

    def action_sync(self) -> None:
        from screens.confirm import sync_each

        sync_each(self, self.chosen())

    def action_refresh(self) -> None:
        from screens.confirm import refresh_each

        refresh_each(self, self.chosen())

    def action_roll_out(self) -> None:
        from screens.rollout_wizard import open_wizard

        open_wizard(self.app, [(cell.app, cell.key, cell.version) for cell in self.chosen_cells()])

    def action_versions(self) -> None:
        from screens.versions import VersionsScreen

        at = self.table.at
        if at is not None:
            self.app.push_screen(VersionsScreen(self.matrix, self.view.cell_at(*at).addon, self.set_filter))

    def action_turn(self) -> None:
        at = self.table.at
        key = None if at is None else self.view.cell_at(*at)
        self.view.turned = not self.view.turned
        self._reshape()
        if key is not None:
            self.table.show_at(*self.view.at_of(key))

    def action_group(self) -> None:
        labels = ["", *self.matrix.group_labels]
        if len(labels) == 1:
            self.host.tell("No label of these clusters is shared by several of them")
            return
        place = labels.index(self.matrix.group_by) if self.matrix.group_by in labels else 0
        self.matrix.group(labels[(place + 1) % len(labels)])
        self._reshape()

    def action_wide(self) -> None:
        self.table.toggle_wide()

    def action_filter(self) -> None:
        from screens.prompt import PromptScreen

        before = self.matrix.filter.text

        def entered(text: str | None) -> None:
            self.set_filter(before if text is None else text)

        self.app.push_screen(PromptScreen("/", before, self.set_filter), entered)

    def set_filter(self, text: str) -> None:
        """Shows the cells that match `text` (see `fleetui.fleet.matrixfilter`); empty: every one."""
        if self.matrix.show(parse(text)):
            self._reshape()

    def action_back(self) -> None:
        if self.matrix.filter:
            self.set_filter("")
        else:
            super().action_back()


def _rules(host: Host) -> CellRules:
    """Which applications are addons, once there is a fleet to say so."""
    return host.fleet.cell_rules if host.fleet is not None else DEFAULT
