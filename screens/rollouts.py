"""The rollouts of the chosen hubs in one table: what each moves, how far it is, who drives it.

Owns: `RolloutsScreen`. They are read when the screen opens and when asked for; those under way are watched.
"""

from __future__ import annotations

import shlex
from collections.abc import Mapping, Sequence
from functools import partial
from typing import TYPE_CHECKING, Any, ClassVar, cast

from textual import on
from textual.app import ComposeResult
from textual.binding import BindingType
from textual.message import Message

from fleetui.engine.rollout.driving import is_driven
from fleetui.fleet.rolloutview import driver_words, failed_cells, moves_text, waits_for, waves_of
from screens import actions
from screens.base import FleetScreen
from screens.cells import Cell, Span, cell_len, clean, wrap
from screens.glyphs import ROLLOUT_ROLE
from screens.heard import Heard
from screens.widgets.columns import Column
from screens.widgets.lines import Bar, BarLine
from screens.widgets.rows import Key, VirtualRows
from screens.widgets.table import FleetTable, Row
from screens.words import ago, plural

if TYPE_CHECKING:
    from fleetui.fleet.api import Fleet
    from fleetui.model.rollout import Rollout, RolloutKey
    from fleetui.ports import Subscription

COLUMNS = (
    Column("name", "ROLLOUT", least=12, most=40, flash=False, name=True),
    Column("state", "STATE", least=12, most=12),
    Column("wave", "WAVE", least=4, most=7, right=True),
    Column("cells", "CELLS", least=5, most=11, right=True),
    Column("failed", "FAILED", least=6, most=6, right=True),
    Column("age", "BEGUN", least=9, most=10, flash=False, priority=1),
    Column("moves", "ADDONS", least=16, most=60, flash=False, priority=2, prose=True),
    Column("driver", "DRIVEN BY", least=10, most=30, priority=3),
)


class SomeChanged(Message):
    """Rollouts of the table have changed."""


class RolloutsScreen(FleetScreen):
    """All rollouts, those under way first."""

    SCOPES: ClassVar[tuple[str, ...]] = ("rollouts", "rows")
    HINTS: ClassVar[tuple[str, ...]] = (
        "rows.open",
        "rollouts.again",
        "rows.next_problem",
        "screen.command",
        "screen.copy_name",
        "screen.back",
        "screen.help",
    )
    BINDINGS: ClassVar[list[BindingType]] = actions.bindings("rollouts")

    def __init__(self) -> None:
        super().__init__()
        self._rollouts: dict[RolloutKey, Rollout] = {}
        self._heard: Heard[RolloutKey, Rollout] = Heard(lambda: self.post_message(SomeChanged()))
        self._watches: dict[RolloutKey, Subscription] = {}
        self._said = "Reading the rollouts"
        self.table = FleetTable(COLUMNS, self._row, problem=self._problem, id="rollouts")
        self.table.opens = self._open

    def body(self) -> ComposeResult:
        yield self.table
        yield Bar(least=2, id="about")

    # --- what is shown -------------------------------------------------------------------------------------------

    def on_mount(self) -> None:  # the base's own handler is called too, after this one
        self.action_again()

    def on_unmount(self) -> None:
        for watch in self._watches.values():
            watch.close()

    def on_screen_resume(self) -> None:
        if self._rollouts:
            self.action_again()  # another one may have been begun meanwhile

    def action_again(self) -> None:
        self.ask(lambda fleet: fleet.rollouts.all(), self._take, doing="reading the rollouts", failed=self._failed)

    def _failed(self, message: str) -> None:
        self._said = message
        if self._rollouts:
            self.host.tell(message, error=True)
        self.draw_frame()

    def _take(self, found: Sequence[Rollout]) -> None:
        self._rollouts = {each.plan.key: each for each in found}
        self._said = "No rollouts. :rollout ADDON VERSION plans one, U in the matrix one of the marked cells"
        self._follow()
        self.table.grow(self._widths())
        self.table.set_rows(list(self._rollouts), now=not self.table.row_count)
        self.table.touch_all()
        self.draw_frame()

    def _follow(self) -> None:
        """Watches those that may still change."""
        running = {key for key, each in self._rollouts.items() if not each.state.phase.ended}
        for key in self._watches.keys() - running:
            self._watches.pop(key).close()
        for key in running - self._watches.keys():
            self._watches[key] = self.host.hold(partial(_watch, key, self._heard))

    def on_some_changed(self) -> None:
        heard = self._heard.take()
        self._rollouts |= {key: each for key, each in heard.items() if key in self._rollouts}
        self.table.touch(heard)
        self.draw_frame()

    def tick(self) -> None:
        self.table.touch_all()
        super().tick()

    def _widths(self) -> Mapping[str, int]:
        wanted = {column.id: 0 for column in COLUMNS}
        for key in self._rollouts:
            for column, cell in zip(COLUMNS, self._row(key).cells, strict=True):
                wanted[column.id] = max(wanted[column.id], cell_len(clean(cell.text)))
        return wanted

    def _row(self, key: Any) -> Row:
        rollout, now = self._rollouts[key], self.host.now()
        plan, state = rollout.plan, rollout.state
        failed = failed_cells(rollout)
        driver = state.driver.who if is_driven(rollout, now) else "nobody"
        return Row(
            (
                Cell(plan.key.name),
                Cell(state.phase.value, ROLLOUT_ROLE[state.phase]),
                Cell(f"{min(state.wave + 1, len(plan.waves))}/{len(plan.waves)}", "muted"),
                Cell(f"{sum(wave.finished for wave in waves_of(rollout))}/{len(plan.cells)}"),
                Cell(str(failed) if failed else "", "error"),
                Cell(ago(plan.created_at, now), "muted"),
                Cell(moves_text(rollout), "muted"),
                Cell("" if state.phase.ended else driver, "warning" if driver == "nobody" else "muted"),
            )
        )

    def _problem(self, key: Any) -> bool:
        return bool(waits_for(self._rollouts[key], self.host.now()))

    def head(self) -> Sequence[BarLine]:
        running = sum(not each.state.phase.ended for each in self._rollouts.values())
        under_way = f"   {running} under way" if running else ""
        left = (Span(" Rollouts  ", "title"), Span(plural(len(self._rollouts), "rollout"), "bright"), Span(under_way))
        return (BarLine(left, (*self.lock_spans(), Span(" "))),)

    def draw_frame(self) -> None:
        if not self.is_mounted:
            return
        super().draw_frame()
        self.query_one("#about", Bar).show(*(BarLine((Span(f" {line}"),)) for line in self._about()))
        if not self._rollouts:
            self.table.say(wrap(self._said, self.size.width - 4, 6))

    def _about(self) -> list[str]:
        rollout = self.current()
        if rollout is None:
            return []
        now = self.host.now()
        said = waits_for(rollout, now) or driver_words(rollout, now) or f"begun by {rollout.plan.created_by}"
        what = f"{rollout.plan.key.name}: {moves_text(rollout)}; {said}"  # the table may have had to cut both
        return wrap(what, self.size.width - 3, 2, ellipsis=self.host.glyphs.ellipsis)

    # --- what is under the cursor --------------------------------------------------------------------------------

    def current(self) -> Rollout | None:
        """The rollout under the cursor."""
        return self._rollouts.get(cast("RolloutKey", self.table.key))

    def name_under_cursor(self) -> str:
        rollout = self.current()
        return rollout.plan.key.name if rollout is not None else ""

    def command_line(self) -> str:
        return shlex.join(["fleetui", "rollout", "list", *(f"--context={name}" for name in self.host.contexts)])

    @on(VirtualRows.Moved, "#rollouts")
    def _moved(self) -> None:
        self.draw_frame()

    def _open(self, key: Key) -> None:
        from screens.rollout import RolloutScreen

        rollout = self._rollouts[cast("RolloutKey", key)]
        self.app.push_screen(RolloutScreen(rollout.plan.key, rollout))


def _watch(key: RolloutKey, heard: Heard[RolloutKey, Rollout], fleet: Fleet) -> Subscription:
    return fleet.rollouts.subscribe(key, partial(heard.put, key))
