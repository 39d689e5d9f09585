"""What happened to an application's objects, or to one of them: the cluster's Events.

Owns: `EventsScreen`. The newest is last; the cursor stays there until somebody moves it.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, ClassVar

from textual import on
from textual.app import ComposeResult

from screens.app_base import AppViewScreen
from screens.base import TALL
from screens.cells import Cell, Span, cell_len, clean, wrap
from screens.host import Refetch
from screens.widgets.columns import Column
from screens.widgets.lines import Bar, BarLine
from screens.widgets.rows import VirtualRows
from screens.widgets.table import FleetTable, Row
from screens.words import ago, plural

if TYPE_CHECKING:
    from fleetui.fleet.views import ChangeSet, ObjectEvent
    from fleetui.model.app import AppKey
    from fleetui.model.objects import ObjectRef
    from fleetui.ports import Subscription

AGAIN = 5.0
"""Seconds after which the Events are listed again: they belong to no tree, and nobody tells of them."""
COLUMNS = (
    Column("age", "LAST", least=4, most=5, right=True, flash=False),
    Column("type", "", least=1, most=1, flash=False),
    Column("reason", "REASON", least=12, most=24, flash=False),
    Column("object", "OBJECT", least=18, most=48, flash=False),
    Column("count", "COUNT", least=5, most=6, right=True, priority=1),
    Column("source", "FROM", least=10, most=24, priority=3, wide=True, flash=False),
    Column("message", "MESSAGE", least=16, most=400, priority=1, rest=True, prose=True, flash=False),
)


class EventsScreen(AppViewScreen):
    """The Events about `ref`, or about the whole application."""

    SCOPES: ClassVar[tuple[str, ...]] = ("view", "pods", "why", "rows")
    HINTS: ClassVar[tuple[str, ...]] = (
        "rows.next_problem",
        "rows.last",
        "view.tree",
        "pods.logs",
        "screen.copy_name",
        "screen.help",
    )
    HERE = "e"

    def __init__(self, key: AppKey, ref: ObjectRef | None = None) -> None:
        super().__init__(key)
        self._ref = ref
        self.table = FleetTable(COLUMNS, self._row, problem=lambda key: self._known[key].warning, id="events")
        self._known: dict[Any, ObjectEvent] = {}
        self._order: list[Any] = []
        self._asked = False
        self._refetch = Refetch(self._ask_events)
        self._watch: Subscription | None = None

    def body(self) -> ComposeResult:
        yield self.table
        yield Bar(least=2, id="why")

    def node(self) -> ObjectRef | None:
        return self._ref

    # --- asking --------------------------------------------------------------------------------------------------

    def load(self) -> None:
        self.table.say([f"Reading the Events{self.host.glyphs.ellipsis}"])
        self._watch = self.host.hold(lambda fleet: fleet.watch_tree(self.key))
        self.set_interval(AGAIN, self._again, name="events")
        self._refetch.want()

    def on_unmount(self) -> None:
        if self._watch is not None:
            self._watch.close()

    def _again(self) -> None:
        if self._is_read:
            self._refetch.want()

    @property
    def _is_read(self) -> bool:
        """Behind another screen nobody reads them; `is_current` holds for the one below the topmost too."""
        return self.app.screen is self

    def on_screen_resume(self) -> None:
        if self._asked:
            self._refetch.want()

    def _ask_events(self) -> None:
        self.ask(
            lambda fleet: fleet.events(self.key, self._ref), self._take, doing="reading the Events", failed=self._failed
        )

    def _take(self, events: tuple[ObjectEvent, ...]) -> None:
        at_end = not self._asked or self.table.cursor >= self.table.row_count - 1
        self._asked = True
        self._known = {(e.ref, e.cluster, e.warning, e.reason, e.message, e.source): e for e in events}
        self._order = list(self._known)
        self.table.grow(_widths(events))
        self.table.set_rows(self._order, now=True)
        self.table.touch_all()
        if at_end and self._order:
            self.table.move_to(len(self._order) - 1)
        if not events:
            self.say_in(self.table, f"No Events about {self._about()}: the API server keeps them for an hour or so")
        self.draw_frame()
        self._refetch.done()

    def _failed(self, message: str) -> None:
        if self._order:
            self.host.tell(message, error=True)
        else:
            self.say_in(self.table, message)
        self._refetch.done()

    def picture_changed(self, change: ChangeSet) -> None:
        if self.key in change.trees and self._is_read:
            self._refetch.want()
        super().picture_changed(change)

    def tick(self) -> None:
        self.table.touch_all()
        super().tick()

    # --- what is shown -------------------------------------------------------------------------------------------

    def _about(self) -> str:
        return f"{self._ref.kind} {self._ref.name}" if self._ref else f"application {self.key.name}"

    def head(self) -> Sequence[BarLine]:
        what = [Span(f"{self._ref.kind} {self._ref.name}", "bright")] if self._ref else []
        warnings = sum(event.warning for event in self._known.values())
        bad = (Span(f"  {plural(warnings, 'warning')}", "warning"),) if warnings else ()
        count = plural(len(self._known), "event") if self._asked else ""
        return (*self.title_line(*what), self.views_line(Span(count, "muted"), *bad))

    def _row(self, key: Any) -> Row:
        return event_row(self._known[key], self.host.now())

    def draw_frame(self) -> None:
        if not self.is_mounted:
            return
        super().draw_frame()
        self.query_one("#why", Bar).show(*self._why())

    def _why(self) -> list[BarLine]:
        """The Event under the cursor: what it says in whole, and about what, by whom and how often."""
        event = self.current()
        if event is None:
            return []
        most = 3 if self.size.height >= TALL else 1
        width, ellipsis = self.size.width - 3, self.host.glyphs.ellipsis
        role = "warning" if event.warning else ""
        said = [BarLine((Span(f" {line}", role),)) for line in wrap(event.message, width, most, ellipsis=ellipsis)]
        return [*said, BarLine((Span(f" {event_words(event, self.host.now())}", "muted"),))]

    def current(self) -> ObjectEvent | None:
        """The Event under the cursor."""
        return self._known.get(self.table.key) if self.table.key is not None else None

    def name_under_cursor(self) -> str:
        event = self.current()
        return event.ref.name if event else super().name_under_cursor()

    @on(VirtualRows.Moved, "#events")
    def _moved(self) -> None:
        self.draw_frame()


def event_row(event: ObjectEvent, now: float) -> Row:
    """One Event, a cell for each of `COLUMNS`."""
    role = "warning" if event.warning else ""
    return Row(
        (
            Cell(ago(event.last, now).removesuffix(" ago"), "muted"),
            Cell("W" if event.warning else "", role),
            Cell(event.reason, role),
            Cell(f"{event.ref.kind} {event.ref.name}", "bright" if event.warning else ""),
            Cell(str(event.count), "muted"),
            Cell(event.source, "muted"),
            Cell(event.message),
        )
    )


def event_words(event: ObjectEvent, now: float) -> str:
    """About what an Event is, when it was last told, by whom and how often."""
    often = f", {event.count:,} times since {ago(event.first, now)}" if event.count > 1 and event.first else ""
    source = f", by {event.source}" if event.source else ""
    last = f", last {ago(event.last, now)}" if event.last else ""
    kind = "Warning" if event.warning else "Normal"
    return f"{kind} about {event.ref.kind} {event.ref.name}{source}{last}{often}"


def _widths(events: Sequence[ObjectEvent]) -> dict[str, int]:
    names = {
        "reason": [event.reason for event in events],
        "object": [f"{event.ref.kind} {event.ref.name}" for event in events],
        "source": [event.source for event in events],
        "message": [event.message for event in events],
    }
    widest = {name: max((cell_len(clean(text[:400])) for text in texts), default=0) for name, texts in names.items()}
    return widest | {"age": 4, "type": 1, "count": 5}
