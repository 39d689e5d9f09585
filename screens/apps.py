"""The applications of every cluster in one table.

Owns: `AppsScreen`: filter, order, counts, and the line that says why. What a row says is in `screens.app_rows`.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING, Any, ClassVar, NamedTuple, cast

from textual import on
from textual.app import ComposeResult
from textual.binding import BindingType

from screens import actions
from screens.base import TALL, FleetScreen
from screens.causes import CauseFollower, FollowsCause
from screens.cells import Line, Span, wrap
from screens.status import summary, trouble
from screens.widgets.lines import Bar, BarLine
from screens.widgets.rows import Key, VirtualRows
from screens.widgets.table import FleetTable, Row

if TYPE_CHECKING:
    from fleetui.fleet.views import ChangeSet
    from fleetui.model.app import App, AppKey
    from fleetui.model.status import HealthStatus


class Judged(NamedTuple):
    """What decides on a row's place, and what is counted of it."""

    sort_key: tuple[Any, ...]
    health: HealthStatus
    differs: bool


class AppsScreen(FollowsCause, FleetScreen):
    """The first screen: all applications of all chosen clusters."""

    CSS_PATH = "apps.tcss"
    SCOPES: ClassVar[tuple[str, ...]] = ("apps", "view", "pods", "why", "rows")
    HINTS: ClassVar[tuple[str, ...]] = (
        "rows.open",
        "view.diff",
        "why.why",
        "pods.logs",
        "view.sync",
        "apps.filter",
        "screen.command",
        "view.refresh",
        "view.history",
        "pods.events",
        "rows.mark",
        "apps.order",
        "apps.wide",
        "screen.help",
    )
    BINDINGS: ClassVar[list[BindingType]] = actions.bindings("view", "pods", "why", "apps")

    def __init__(self) -> None:
        from screens import app_rows, filters

        super().__init__()
        self._rows = app_rows
        self._parse = filters.parse
        self.filter = filters.Filter()
        self.order = app_rows.Order.PROBLEM
        self._shown: dict[AppKey, Judged] = {}
        self._tally: Counter[str] = Counter()
        self._cause = CauseFollower(self, self.draw_frame)
        self.table = FleetTable(app_rows.COLUMNS, self._row, problem=self._problem, id="apps")
        self.table.opens = self._open

    def body(self) -> ComposeResult:
        yield Bar(state="bar", id="counts")
        yield self.table
        yield Bar(least=2, id="why")
        yield Bar(least=0, id="trouble")

    # --- the picture ---------------------------------------------------------------------------------------------

    def on_mount(self) -> None:
        self._collect(self.host.picture.apps)
        self.draw_frame()

    def picture_changed(self, change: ChangeSet) -> None:
        # What a cluster's server is called decides on which cluster an application runs.
        moved = self._collect(self.host.picture.apps if change.clusters else change.apps)
        for key in change.removed:
            moved |= self._judge(key, None)
        if moved:
            self._arrange()
        if change.clusters:
            self.table.touch_all()
        else:
            self.table.touch(change.apps)
        self.follow_cause()
        self._cause.touched(change.trees)
        self.draw_frame()

    def _collect(self, keys: Iterable[AppKey]) -> bool:
        """Judges these applications anew; whether a row comes, goes or belongs elsewhere now."""
        picture, now, moved = self.host.picture, self.host.now(), False
        apps = [picture.apps[key] for key in keys if key in picture.apps]
        for app in apps:
            shown = self.filter.matches(app, picture.cluster_of(app))
            sort_key = self._rows.sort_key(self.order, app, picture, now=now) if shown else ()
            moved |= self._judge(
                app.key, Judged(sort_key, app.health.status, app.sync == "OutOfSync") if shown else None
            )
        self.table.grow(self._rows.widths(apps, picture))
        return moved

    def _judge(self, key: AppKey, after: Judged | None) -> bool:
        """Takes a judgement over, None for a row that isn't shown; whether a row comes, goes or belongs elsewhere.

        The tally is kept on the way: counting 5,000 rows on each key would be felt.
        """
        before = self._shown.pop(key, None)
        if after is not None:
            self._shown[key] = after
        for judged, step in ((before, -1), (after, 1)):
            if judged is not None:
                self._tally[judged.health] += step
                self._tally["differs"] += step * judged.differs
        return (before and before.sort_key) != (after and after.sort_key)

    def _arrange(self, *, now: bool = False) -> None:
        order = sorted(self._shown.items(), key=lambda item: item[1].sort_key)
        self.table.set_rows([key for key, _ in order], now=now)

    def _collect_all(self) -> None:
        """Judges and orders everything anew: another filter, another order."""
        self._shown.clear()
        self._tally.clear()
        self._collect(self.host.picture.apps)
        self._arrange(now=True)
        self.draw_frame()

    def tick(self) -> None:
        # The others' places don't depend on the time.
        progressing = [key for key, judged in self._shown.items() if judged.health == "Progressing"]
        if self._collect(progressing):
            self._arrange()
        self.table.touch_all()
        self.draw_frame()

    def _row(self, key: Any) -> Row:
        host = self.host
        return self._rows.row(host.picture.apps[key], host.picture, host.now(), glyphs=host.glyphs)

    def _problem(self, key: Any) -> bool:
        return self._rows.is_problem(self.host.picture.apps[key])

    # --- what is said around the table ---------------------------------------------------------------------------

    def head(self) -> Sequence[BarLine]:
        total, shown = len(self.host.picture.apps), len(self._shown)
        more = "+" if self.host.picture.loading else ""
        count = f"{shown:,} of {total:,}{more}" if self.filter else f"{total:,}{more}"
        left = (Span(" Apps  ", "title"), Span(count, "bright"), Span(f"   {self.filter.text}", "accent"))
        return (BarLine(left, (*summary(self.host), Span(" "))),)

    def draw_frame(self) -> None:
        if not self.is_mounted:
            return
        super().draw_frame()
        self.query_one("#counts", Bar).show(self._counts())
        width = self.size.width
        self.query_one("#why", Bar).show(*self._why(width))
        wrong = trouble(self.host, width)
        self.query_one("#trouble", Bar).show(*([BarLine(wrong)] if wrong else []))
        self.table.say(self._nothing(width))

    def _counts(self) -> BarLine:
        from fleetui.model.status import HealthStatus
        from screens.glyphs import HEALTH_ROLE

        glyphs, tally = self.host.glyphs, self._tally
        counted = [
            (glyphs.degraded, tally[HealthStatus.DEGRADED], HEALTH_ROLE[HealthStatus.DEGRADED]),
            (glyphs.missing, tally[HealthStatus.MISSING], HEALTH_ROLE[HealthStatus.MISSING]),
            (glyphs.out_of_sync, tally["differs"], "warning"),
            (glyphs.progressing, tally[HealthStatus.PROGRESSING], HEALTH_ROLE[HealthStatus.PROGRESSING]),
            (glyphs.suspended, tally[HealthStatus.SUSPENDED], ""),
            (glyphs.unknown, tally[HealthStatus.UNKNOWN], ""),
        ]
        left = [Span(f" {glyph} {count:,}  ", role if count else "faint") for glyph, count, role in counted]
        return BarLine(tuple(left), (Span(f"by {self.order.value} ", "muted"), *self.lock_spans()))

    def _why(self, width: int) -> list[BarLine]:
        """Why the application under the cursor is as it is, and its whole name where the table had to cut it."""
        app = self.current()
        if app is None:
            return []
        from screens.glyphs import HEALTH_ROLE
        from screens.why import why

        host = self.host
        glyphs, status = host.glyphs, app.health.status
        name: list[str] = []
        if self.table.is_cut(app.key):
            cluster = host.picture.cluster_of(app)
            name = wrap(f"{cluster} {glyphs.into} {app.key.namespace}/{app.key.name}", width - 4, 3)
        text = why(app, host.picture.clusters.get(app.key.hub), host.now(), told=self._cause.told)
        most = 4 if self.size.height >= TALL else 2
        lines = wrap(text, width - 4, most - bool(name), ellipsis=glyphs.ellipsis)
        role = HEALTH_ROLE[status] if self._problem(app.key) else "muted"
        first: Line = (Span(f" {glyphs.health(status)} ", role),)
        said = [BarLine((Span("   "), Span(line, "bright"))) for line in name]
        for number, line in enumerate(lines):
            said.append(BarLine((*(first if number == 0 else (Span("   "),)), Span(line))))
        return said

    def _nothing(self, width: int) -> list[str]:
        """What stands in the table while it has no rows."""
        host = self.host
        if self.filter and host.picture.apps:
            return [f"No application matches {self.filter.text}", "esc takes the filter away"]
        from screens.nothing import no_applications

        return no_applications(host, width)

    def fleet_failed(self) -> None:
        self.draw_frame()

    # --- what is under the cursor --------------------------------------------------------------------------------

    def current(self) -> App | None:
        """The application under the cursor."""
        return self.host.picture.apps.get(cast("AppKey", self.table.key))

    def chosen(self) -> list[AppKey]:
        """The marked applications, in their order on the screen; without marks the one under the cursor."""
        marked = [key for key in self.table.order if key in self.table.marks]
        return cast("list[AppKey]", marked or ([self.table.key] if self.table.key is not None else []))

    def name_under_cursor(self) -> str:
        app = self.current()
        return app.key.name if app else ""

    def command_line(self) -> str:
        import shlex

        return shlex.join(["fleetui", "get", "apps", *(f"--context={name}" for name in self.host.contexts)])

    @on(VirtualRows.Moved)
    def _moved(self) -> None:
        self.follow_cause()
        self.draw_frame()

    # --- actions -------------------------------------------------------------------------------------------------

    def _open(self, key: Key) -> None:
        from screens.app_view import AppScreen

        self.app.push_screen(AppScreen(cast("AppKey", key)))

    def action_tree(self) -> None:
        self.table.action_open()

    def action_diff(self) -> None:
        from screens.diff import DiffScreen

        if app := self.current():
            self.app.push_screen(DiffScreen(app.key))

    def action_history(self) -> None:
        from screens.history import HistoryScreen

        if app := self.current():
            self.app.push_screen(HistoryScreen(app.key))

    def action_yaml(self) -> None:
        from screens.manifest import ManifestScreen

        if app := self.current():
            self.app.push_screen(ManifestScreen(app.key))

    def action_logs(self) -> None:
        from screens.logs import LogsScreen

        if app := self.current():
            self.app.push_screen(LogsScreen(app.key))

    def action_events(self) -> None:
        from screens.events import EventsScreen

        if app := self.current():
            self.app.push_screen(EventsScreen(app.key))

    def action_why(self) -> None:
        from screens.why_view import WhyScreen

        if app := self.current():
            self.app.push_screen(WhyScreen(app.key))

    def action_shell(self) -> None:
        from screens.shell import open_shell

        if app := self.current():
            open_shell(self, app.key)

    def action_rollback(self) -> None:
        self.action_history()

    def action_suspend(self) -> None:
        from screens.confirm import suspend_each

        suspend_each(self, self.chosen())

    def action_terminate(self) -> None:
        from screens.confirm import terminate_each

        terminate_each(self, self.chosen())

    def action_sync(self) -> None:
        from screens.confirm import sync_each

        sync_each(self, self.chosen())

    def action_refresh(self) -> None:
        from screens.confirm import refresh_each

        refresh_each(self, self.chosen())

    def action_hard_refresh(self) -> None:
        from screens.confirm import refresh_each

        refresh_each(self, self.chosen(), hard=True)

    def action_filter(self) -> None:
        from screens.prompt import PromptScreen

        before = self.filter.text

        def entered(text: str | None) -> None:
            self.set_filter(before if text is None else text)

        self.app.push_screen(PromptScreen("/", before, self.set_filter), entered)

    def set_filter(self, text: str) -> None:
        """Shows what matches `text` (see `screens.filters`); empty: everything."""
        wanted = self._parse(text)
        if wanted != self.filter:
            self.filter = wanted
            self._collect_all()

    def action_order(self) -> None:
        orders = list(type(self.order))
        self.order = orders[(orders.index(self.order) + 1) % len(orders)]
        self._collect_all()

    def action_wide(self) -> None:
        self.table.toggle_wide()

    def action_retry(self) -> None:
        if self.host.failure:
            self.host.open_fleet()

    def action_back(self) -> None:
        if self.filter:
            self.set_filter("")

    def action_leave(self) -> None:
        from screens.prompt import QuitScreen

        self.app.push_screen(QuitScreen())
