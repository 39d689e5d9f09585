"""Argo CD's projects in one table: what each permits, how its sync windows are, which roles it has.

Owns: `ProjectsScreen`. What a row says is in `screens.project_rows`. Projects are read when the screen opens, and again
when asked for; how their windows are follows the clock.
"""

from __future__ import annotations

import shlex
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, ClassVar, cast

from textual import on
from textual.app import ComposeResult
from textual.binding import BindingType

from screens import actions, project_rows
from screens.base import TALL, FleetScreen
from screens.cells import Span, wrap
from screens.widgets.lines import Bar, BarLine
from screens.widgets.rows import Key, VirtualRows
from screens.widgets.table import FleetTable, Row
from screens.words import plural

if TYPE_CHECKING:
    from fleetui.fleet.projects import Projects, ProjectView

ProjectKey = tuple[str, str, str]


class ProjectsScreen(FleetScreen):
    """All projects, by cluster and name."""

    SCOPES: ClassVar[tuple[str, ...]] = ("projects", "rows")
    HINTS: ClassVar[tuple[str, ...]] = (
        "rows.open",
        "projects.again",
        "screen.command",
        "screen.copy_name",
        "projects.wide",
        "screen.back",
        "screen.help",
    )
    BINDINGS: ClassVar[list[BindingType]] = actions.bindings("projects")

    def __init__(self) -> None:
        super().__init__()
        self._views: dict[ProjectKey, ProjectView] = {}
        self._said = "Reading the projects"
        self.table = FleetTable(project_rows.COLUMNS, self._row, problem=self._problem, id="projects")
        self.table.opens = self._open

    def body(self) -> ComposeResult:
        yield self.table
        yield Bar(least=2, id="about")

    # --- what is shown -------------------------------------------------------------------------------------------

    def on_mount(self) -> None:  # the base's own handler is called too, after this one
        self.action_again()

    def action_again(self) -> None:
        self.ask(lambda fleet: fleet.projects(), self._take, doing="reading the projects")

    def action_wide(self) -> None:
        self.table.toggle_wide()

    def _take(self, found: Projects) -> None:
        self._views = {(view.hub, view.namespace, view.project.name): view for view in found.rows}
        self._said = "; ".join(found.problems) or "No projects"
        if found.problems and found.rows:
            self.host.tell(self._said, error=True)
        self.table.grow(project_rows.widths(found.rows, self.host.now()))
        self.table.set_rows(list(self._views), now=True)
        self.table.touch_all()
        self.draw_frame()

    def tick(self) -> None:
        self.table.touch_all()
        super().tick()

    def _row(self, key: Any) -> Row:
        return project_rows.row(self._views[key], self.host.now())

    def _problem(self, key: Any) -> bool:
        return project_rows.needs_human(self._views[key], self.host.now())

    def head(self) -> Sequence[BarLine]:
        left = (Span(" Projects  ", "title"), Span(plural(len(self._views), "project"), "bright"))
        return (BarLine(left, (*self.lock_spans(), Span(" "))),)

    def draw_frame(self) -> None:
        if not self.is_mounted:
            return
        super().draw_frame()
        self.query_one("#about", Bar).show(*self._about())
        if not self._views:
            self.table.say(wrap(self._said, self.size.width - 4, 6))

    def _about(self) -> list[BarLine]:
        view = self.current()
        if view is None:
            return []
        most = 6 if self.size.height >= TALL else 3
        said = project_rows.about(view, self.host.now())
        ellipsis = self.host.glyphs.ellipsis
        lines = [line for each in said for line in wrap(each, self.size.width - 3, 2, ellipsis=ellipsis)]
        if len(lines) > most:
            lines = [*lines[: most - 1], f"{len(lines) - most + 1} more lines: fleetui get projects -o wide"]
        return [BarLine((Span(f" {line}"),)) for line in lines]

    # --- what is under the cursor --------------------------------------------------------------------------------

    def current(self) -> ProjectView | None:
        """The project under the cursor."""
        return self._views.get(cast("ProjectKey", self.table.key))

    def name_under_cursor(self) -> str:
        view = self.current()
        return view.project.name if view is not None else ""

    def command_line(self) -> str:
        return shlex.join(["fleetui", "get", "projects", *(f"--context={name}" for name in self.host.contexts)])

    @on(VirtualRows.Moved, "#projects")
    def _moved(self) -> None:
        self.draw_frame()

    def _open(self, key: Key) -> None:
        from screens.command import to_apps

        view = self._views[cast("ProjectKey", key)]
        # Another hub's project of the same name is another project.
        hub = f"hub:={view.hub} " if len({each.hub for each in self._views.values()}) > 1 else ""
        to_apps(self, f"{hub}project:={view.project.name}")
