"""The history of one application: which commit was synced when, by whom.

Owns: `HistoryScreen`. `B` on a row asks whether to go back to it.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, ClassVar

from textual import on
from textual.app import ComposeResult

from screens.app_base import AppViewScreen
from screens.causes import REST
from screens.cells import Cell, Span, wrap
from screens.host import Refetch
from screens.widgets.columns import Column
from screens.widgets.lines import Bar, BarLine
from screens.widgets.rows import VirtualRows
from screens.widgets.table import FleetTable, Row
from screens.words import ago, plural, short_revision, who

if TYPE_CHECKING:
    from textual.timer import Timer

    from fleetui.fleet.views import ChangeSet, Deployed, HistoryRow
    from fleetui.model.app import AppKey

COLUMNS = (
    Column("now", "", least=3, most=3, flash=False),
    Column("id", "ID", least=3, most=6, right=True, flash=False),
    Column("revision", "REVISION", least=8, most=14),
    Column("when", "SYNCED", least=7, most=9, flash=False),
    Column("by", "BY", least=9, most=24, priority=2, flash=False),
    Column("author", "AUTHOR", least=10, most=24, priority=3, flash=False),
    Column("time", "WRITTEN", least=8, most=9, priority=4, flash=False),
    Column("subject", "COMMIT", least=24, most=72, priority=1, rest=True, prose=True, flash=False),
)


class HistoryScreen(AppViewScreen):
    """Newest first; the current one is marked."""

    SCOPES: ClassVar[tuple[str, ...]] = ("view", "pods", "why", "rows")
    HINTS: ClassVar[tuple[str, ...]] = ("view.rollback", "view.sync", "view.refresh", "screen.copy_name", "screen.help")
    HERE = "h"

    def __init__(self, key: AppKey) -> None:
        super().__init__(key)
        self.table = FleetTable(COLUMNS, self._row, id="history")
        self.table.opens = lambda key: self.action_rollback()
        self._history: dict[int, HistoryRow] = {}
        self._refetch = Refetch(self._ask_history)
        self._length = -1
        self._changes: dict[int, Deployed] = {}
        self._resting: Timer | None = None

    def body(self) -> ComposeResult:
        yield self.table
        yield Bar(least=2, id="why")

    # --- asking --------------------------------------------------------------------------------------------------

    def load(self) -> None:
        self.table.say([f"Reading the history{self.host.glyphs.ellipsis}"])
        self._refetch.want()

    def _ask_history(self) -> None:
        self.ask(lambda fleet: fleet.history(self.key), self._take, doing="reading the history", failed=self._failed)

    def _take(self, rows: tuple[HistoryRow, ...]) -> None:
        first = not self._history
        self._history = {row.id: row for row in rows}
        self._changes.clear()
        self.table.grow(_widths(rows))
        self.table.set_rows([row.id for row in rows], now=True)
        self.table.touch_all()
        if not rows:
            self.say_in(self.table, "No sync of this application has succeeded yet")
        elif first and len(rows) > 1:
            # What a rollback goes to is what one looks for here.
            self.table.move_to(next((place + 1 for place, row in enumerate(rows[:-1]) if row.current), 0))
        self.draw_frame()
        self._refetch.done()

    def _failed(self, message: str) -> None:
        self.say_in(self.table, message)
        self._refetch.done()

    def picture_changed(self, change: ChangeSet) -> None:
        app = change.apps.get(self.key)
        if app is not None and len(app.history) != self._length:
            self._length = len(app.history)
            self._refetch.want()
        super().picture_changed(change)

    def tick(self) -> None:
        self.table.touch_all()
        super().tick()

    # --- what is shown -------------------------------------------------------------------------------------------

    def head(self) -> Sequence[BarLine]:
        count = plural(len(self._history), "sync") if self._history else ""
        return (*self.title_line(), self.views_line(Span(count, "muted")))

    def _row(self, key: Any) -> Row:
        return history_row(self._history[key], self.host.now())

    def draw_frame(self) -> None:
        if not self.is_mounted:
            return
        super().draw_frame()
        row = self.current()
        text = "" if row is None else entry_words(row)
        role = "warning" if row is not None and row.problem else ""
        width, ellipsis = self.size.width - 3, self.host.glyphs.ellipsis
        shown = [BarLine((Span(f" {line}", role),)) for line in wrap(text, width, 2, ellipsis=ellipsis)]
        if row is not None and row.origin:
            shown.append(BarLine((Span(f" asked for by {row.origin}", "muted"),)))
        changed = self._changes.get(row.id) if row is not None else None
        if changed is not None:
            lines = wrap(deployed_words(changed), width, 2, ellipsis=ellipsis)
            shown += [BarLine((Span(f" {line}", "muted"),)) for line in lines]
        self.query_one("#why", Bar).show(*shown)

    def current(self) -> HistoryRow | None:
        """The entry under the cursor."""
        key = self.table.key
        return self._history.get(key) if isinstance(key, int) else None

    def name_under_cursor(self) -> str:
        row = self.current()
        return row.revision if row else self.key.name

    @on(VirtualRows.Moved, "#history")
    def _moved(self) -> None:
        self.draw_frame()
        if self._resting is not None:
            self._resting.stop()
        row = self.current()
        if row is not None and row.id not in self._changes:
            self._resting = self.set_timer(REST, lambda: self._ask_changes(row.id))

    def _ask_changes(self, history_id: int) -> None:
        """Asks what an entry changed: two commits are rendered for it, so only where the cursor rests."""

        def take(changed: Deployed) -> None:
            self._changes[history_id] = changed
            self.draw_frame()

        self.ask(lambda fleet: fleet.deployed(self.key, history_id), take, doing="reading what it changed")

    def action_rollback(self) -> None:
        from screens.confirm import roll_back

        row = self.current()
        if row is None:
            self.app.bell()
        elif row.current and len(self._history) == 1:
            self.host.tell("It is the only entry: there is nothing to roll back to")
        elif row.current:
            self.host.tell(f"{short_revision(row.revision)} is the current one; choose another entry")
        else:
            roll_back(self, self.key, row.id)


def history_row(row: HistoryRow, now: float) -> Row:
    """One entry, a cell for each of `COLUMNS`."""
    commit = row.commit
    role = "bright" if row.current else ""
    return Row(
        (
            Cell("now" if row.current else "", "info"),
            Cell(str(row.id), "muted"),
            Cell(short_revision(row.revision), role),
            Cell(ago(row.deployed_at, now), role),
            Cell(who(row.initiated_by, row.automated).removeprefix("by "), "muted"),
            Cell(commit.author if commit else "", "muted"),
            Cell(ago(commit.time, now) if commit else "", "muted"),
            Cell(commit.subject if commit else row.problem, role if commit else "warning"),
        )
    )


def entry_words(row: HistoryRow) -> str:
    """An entry in whole: revision, author, subject and message of its commit, or why they are not known."""
    if row.commit is None:
        return f"{row.revision}  {row.problem}"
    commit = row.commit
    body = commit.message.removeprefix(commit.subject).strip()
    return f"{row.revision}  {commit.author} <{commit.email}>: {commit.subject}{f'. {body}' if body else ''}"


def deployed_words(changed: Deployed) -> str:
    """What an entry changed: ``Deployment api image 1.98 → 1.99; creates ConfigMap settings``."""
    if changed.problem:
        return changed.problem
    if not changed.entries:
        return "changed no object"
    words = {"create": "creates ", "prune": "removes ", "change": ""}
    return "changed: " + "; ".join(
        f"{words[entry.verb]}{entry.ref.kind} {entry.ref.name} {entry.summary}".rstrip() for entry in changed.entries
    )


def _widths(rows: Sequence[HistoryRow]) -> dict[str, int]:
    by = max((len(who(row.initiated_by, row.automated)) for row in rows), default=0)
    author = max((len(row.commit.author) for row in rows if row.commit), default=0)
    subject = max((len(row.commit.subject) for row in rows if row.commit), default=0)
    return {"by": by, "author": author, "subject": subject, "id": 3, "revision": 8}
