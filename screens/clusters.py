"""The clusters of the fleet in one table: how each is, why, and what helps.

Owns: `ClustersScreen`. What a row says is in `screens.cluster_rows`, how one logs in in `screens.login`.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, ClassVar, cast

from textual import on
from textual.app import ComposeResult
from textual.binding import BindingType

from screens import actions, cluster_rows
from screens.base import TALL, FleetScreen
from screens.cells import Span, wrap
from screens.status import summary
from screens.widgets.lines import Bar, BarLine
from screens.widgets.rows import Key, VirtualRows
from screens.widgets.table import FleetTable, Row
from screens.words import plural

if TYPE_CHECKING:
    from fleetui.fleet.views import ChangeSet
    from fleetui.model.objects import ClusterName
    from fleetui.model.status import ClusterStatus
    from screens.glyphs import Glyphs


class ClustersScreen(FleetScreen):
    """All clusters, those that need a human first."""

    SCOPES: ClassVar[tuple[str, ...]] = ("clusters", "rows")
    HINTS: ClassVar[tuple[str, ...]] = (
        "rows.open",
        "clusters.login",
        "clusters.retry",
        "screen.command",
        "screen.copy_name",
        "clusters.wide",
        "screen.back",
        "screen.help",
    )
    BINDINGS: ClassVar[list[BindingType]] = actions.bindings("clusters")

    def __init__(self, glyphs: Glyphs) -> None:
        super().__init__()
        self._census = cluster_rows.Census()
        self.table = FleetTable(cluster_rows.columns(glyphs), self._row, problem=self._problem, id="clusters")
        self.table.opens = self._open

    def body(self) -> ComposeResult:
        yield self.table
        yield Bar(least=2, id="why")

    # --- the picture ---------------------------------------------------------------------------------------------

    def on_mount(self) -> None:  # the base's own handler is called too, after this one
        self.query_one("#status").display = False  # the table says all of it
        self._census.take(self.host.picture.apps.values(), self.host.picture)
        self._arrange(now=True)
        self.ask(lambda fleet: fleet.greet(), lambda _: None, doing="timing the clusters")

    def picture_changed(self, change: ChangeSet) -> None:
        picture = self.host.picture
        # What a cluster's server is called decides on which cluster an application runs.
        changed = picture.apps.values() if change.clusters else change.apps.values()
        self._census.take(changed, picture)
        for key in change.removed:
            self._census.drop(key)
        self._arrange()
        self.table.touch_all()
        super().picture_changed(change)

    def tick(self) -> None:
        self.table.touch_all()
        super().tick()

    def _arrange(self, *, now: bool = False) -> None:
        picture = self.host.picture
        ordered = sorted(picture.clusters.values(), key=lambda status: cluster_rows.sort_key(status, picture))
        self.table.grow(cluster_rows.widths(ordered, self._census, picture, self.host.now()))
        self.table.set_rows([status.name for status in ordered], now=now)

    def _row(self, key: Any) -> Row:
        host = self.host
        return cluster_rows.row(host.picture.clusters[key], self._census, host.picture, host.now(), glyphs=host.glyphs)

    def _problem(self, key: Any) -> bool:
        return cluster_rows.needs_human(self.host.picture.clusters[key], self.host.picture)

    # --- what is said around the table ---------------------------------------------------------------------------

    def head(self) -> Sequence[BarLine]:
        count = plural(len(self.host.picture.clusters), "cluster")
        left = (Span(" Fleet  ", "title"), Span(count, "bright"))
        return (BarLine(left, (*summary(self.host), *self.lock_spans(), Span(" "))),)

    def draw_frame(self) -> None:
        if not self.is_mounted:
            return
        super().draw_frame()
        self.query_one("#why", Bar).show(*self._why())
        if not self.host.picture.clusters:
            names = ", ".join(self.host.contexts) or "the current context"
            said = self.host.failure or f"Connecting to {names}{self.host.glyphs.ellipsis}"
            self.table.say(wrap(said, self.size.width - 4, 6))

    def _why(self) -> list[BarLine]:
        status = self.current()
        if status is None:
            return []
        picture = self.host.picture
        text = cluster_rows.why(status, picture, self.host.now())
        role = "warning" if cluster_rows.needs_human(status, picture) else ""
        most = 4 if self.size.height >= TALL else 3
        lines = wrap(text, self.size.width - 3, most, ellipsis=self.host.glyphs.ellipsis)
        return [BarLine((Span(f" {line}", role),)) for line in lines]

    # --- what is under the cursor --------------------------------------------------------------------------------

    def current(self) -> ClusterStatus | None:
        """The cluster under the cursor."""
        return self.host.picture.clusters.get(cast("ClusterName", self.table.key))

    def name_under_cursor(self) -> str:
        status = self.current()
        return status.name if status else ""

    def command_line(self) -> str:
        import shlex

        return shlex.join(["fleetui", "get", "clusters", *(f"--context={name}" for name in self.host.contexts)])

    @on(VirtualRows.Moved, "#clusters")
    def _moved(self) -> None:
        self.draw_frame()

    # --- actions -------------------------------------------------------------------------------------------------

    def _open(self, key: Key) -> None:
        from screens.command import to_apps

        to_apps(self, cluster_rows.filter_for(cast("ClusterName", key)))

    def action_login(self) -> None:
        from fleetui.model.status import ClusterState
        from screens.login import log_in

        status = self.current()
        if status is None:
            self.app.bell()
        elif status.state is not ClusterState.UNAUTHORIZED:
            self.host.tell(f"{status.name} is {status.state.value}: it asks for no login")
        else:
            log_in(self.app, status.name)

    def action_retry(self) -> None:
        if self.host.failure:
            self.host.open_fleet()
            return
        status = self.current()
        if status is None:
            self.app.bell()
            return
        name = status.name
        self.ask(
            lambda fleet: fleet.retry(name),
            lambda _: self.host.tell(f"{name} is asked again"),
            doing=f"asking {name} again",
        )

    def action_wide(self) -> None:
        self.table.toggle_wide()
