"""A rollout while it runs: its waves, cells and gates, and its timeline.

Owns: `RolloutScreen`. What its lines say is in `screens.rollout_rows`, what may be asked in `screens.rollout_orders`.
It only looks: who carries the rollout on is `screens.rollout_drive` here, or any other process.
"""

from __future__ import annotations

import shlex
from collections.abc import Sequence
from functools import partial
from typing import TYPE_CHECKING, ClassVar

from textual import on
from textual.app import ComposeResult
from textual.binding import BindingType
from textual.containers import Container, Vertical
from textual.message import Message
from textual.timer import Timer

from fleetui.fleet.rolloutview import PROBLEMS, awaits_approval, waits_for, waves_of
from fleetui.model.rollout import RolloutPhase
from screens import actions
from screens.base import TALL
from screens.cells import Span, wrap
from screens.heard import Heard
from screens.rollout_orders import RolloutOrders
from screens.rollout_rows import WaveKey, about_cell, about_wave, head_lines, log_lines, wave_rows
from screens.widgets.lines import Bar, BarLine, Pager
from screens.widgets.rows import Key, VirtualRows

if TYPE_CHECKING:
    from fleetui.fleet.rolloutview import CellView, WaveView
    from fleetui.model.rollout import Rollout, RolloutKey
    from fleetui.ports import Subscription

WIDE = 140
"""The width from which the timeline stands beside the waves."""
COUNT = 1.0
"""Seconds between two looks at a gate whose time runs; what counts is painted then, and nothing else."""


class RolloutChanged(Message):
    """The rollout is another than before."""


class RolloutWaves(Pager, inherit_bindings=False):
    """The waves with their cells; waves open and close."""

    BINDINGS: ClassVar[list[BindingType]] = [*actions.bindings("rows"), *actions.bindings("tree")]

    def __init__(self, screen: RolloutScreen) -> None:
        super().__init__(id="waves")
        self._rollout_screen = screen

    @property
    def shows_cursor(self) -> bool:
        return True

    def action_expand(self) -> None:
        self._rollout_screen.open_wave(True)

    def action_collapse(self) -> None:
        self._rollout_screen.open_wave(False)


class RolloutScreen(RolloutOrders):
    """One rollout, live; `rollout` is what is known of it already."""

    SCOPES: ClassVar[tuple[str, ...]] = ("rollout", "tree", "rows")
    HINTS: ClassVar[tuple[str, ...]] = (
        "rollout.hold",
        "rollout.skip",
        "rollout.retry",
        "rollout.approve",
        "rollout.abort",
        "rollout.roll_back",
        "rollout.drive",
        "rollout.export",
        "screen.help",
    )
    CSS_PATH = "rollout.tcss"

    def __init__(self, key: RolloutKey, rollout: Rollout | None = None) -> None:
        super().__init__(key, rollout)
        self._heard: Heard[RolloutKey, Rollout] = Heard(lambda: self.post_message(RolloutChanged()))
        self._by_hand: dict[int, bool] = {}
        self._watch: Subscription | None = None
        self._timer: Timer | None = None
        self.rows = RolloutWaves(self)
        self.rows.opens = self._open

    def body(self) -> ComposeResult:
        with Container(id="panes"):
            with Vertical():
                yield Bar(least=0, id="waits")
                yield self.rows
                yield Bar(least=1, id="about")
            yield Pager(id="log")

    # --- hearing of it -------------------------------------------------------------------------------------------

    def on_mount(self) -> None:  # the base's own handler is called too, after this one
        self._timer = self.set_interval(COUNT, self._count, name="countdown", pause=True)
        put = partial(self._heard.put, self.key)
        self._watch = self.host.hold(lambda fleet: fleet.rollouts.subscribe(self.key, put))
        if self.rollout is not None:
            self.take(self.rollout)
        else:
            self.rows.say([f"Reading the rollout{self.host.glyphs.ellipsis}"])
            self.ask(
                lambda fleet: fleet.rollouts.get(self.key), self.take, doing="reading the rollout", failed=self._failed
            )
        self._sizes()

    def on_unmount(self) -> None:
        if self._watch is not None:
            self._watch.close()

    def on_resize(self) -> None:
        self._sizes()

    def _sizes(self) -> None:
        self.set_class(self.size.width >= WIDE, "-wide")

    def _failed(self, message: str) -> None:
        if self.rollout is None:
            self.rows.say(wrap(message, self.size.width - 4, 6, ellipsis=self.host.glyphs.ellipsis))
        else:
            self.host.tell(message, error=True)

    def on_rollout_changed(self) -> None:
        for rollout in self._heard.take().values():
            self.take(rollout)

    def take(self, rollout: Rollout) -> None:
        first, self.rollout = not self.waves, rollout
        self.draw_frame()
        if first:
            self._to_current()

    def _to_current(self) -> None:
        """Puts the cursor on the wave that runs."""
        current = next((place for place, wave in enumerate(self.waves) if wave.current), 0)
        self.rows.move_to(next((row for row, line in enumerate(self.rows.lines) if line.key == (current,)), 0))

    # --- what is shown -------------------------------------------------------------------------------------------

    def head(self) -> Sequence[BarLine]:
        if self.rollout is None:
            return [
                BarLine((Span(" Rollout ", "title"), Span(self.key.name)), (*self.lock_spans(), Span(" "))),
                BarLine(()),
            ]

        return head_lines(self.rollout, self.host, self.lock_spans())

    def hints(self) -> Sequence[str]:
        if self.rollout is None:
            return self.HINTS
        if not self.rollout.state.phase.ended:
            idle = () if awaits_approval(self.rollout) else ("rollout.approve",)
            return [hint for hint in self.HINTS if hint not in idle]
        back = ["rollout.roll_back"] * (self.rollout.state.phase is not RolloutPhase.ROLLED_BACK)
        return (*back, "rollout.export", "rows.open", "screen.back", "screen.help")

    def draw_frame(self) -> None:
        if not self.is_mounted:
            return
        super().draw_frame()
        if self.rollout is None:
            return
        self._draw_waits(self.rollout)
        self._draw_rows(self.rollout)
        self._draw_log(self.rollout)
        self._draw_about()

    def _draw_waits(self, rollout: Rollout) -> None:
        waits = waits_for(rollout, self.host.now())
        if not waits:
            self.query_one("#waits", Bar).show()
            return
        glyphs = self.host.glyphs
        role = "error" if rollout.state.phase is RolloutPhase.HALTED else "warning"
        said = f"{waits[0].upper()}{waits[1:]}{self._remedy(rollout)}"
        lines = wrap(said, self._room - 4, 3, ellipsis=glyphs.ellipsis)
        lead = [f" {glyphs.degraded} " if role == "error" else " - ", *["   "] * len(lines)]
        self.query_one("#waits", Bar).show(
            *(BarLine((Span(f"{start}{line}", role),)) for start, line in zip(lead, lines, strict=False))
        )

    @property
    def _room(self) -> int:
        """The width of what stands above and below the waves; in rollout.tcss the timeline has the rest."""
        return self.size.width * 3 // 5 if self.size.width >= WIDE else self.size.width

    def _remedy(self, rollout: Rollout) -> str:
        """The keys that carry it on."""
        if self.host.read_only:
            return ""
        phase = rollout.state.phase
        if phase is RolloutPhase.HALTED:
            return ": r tries again, s goes on without, B goes back, X ends it here"
        if phase is RolloutPhase.PAUSED:
            return ": p resumes it"
        return ": A approves" if awaits_approval(rollout) else "; D drives it from here"

    def _draw_rows(self, rollout: Rollout) -> None:
        self.waves = waves_of(rollout)
        self.rows.set_lines(wave_rows(self.waves, self._opened(), self.host))
        if self._timer is not None:
            (self._timer.resume if self._counts() else self._timer.pause)()

    def _opened(self) -> set[int]:
        """The places of the open waves: the current one and those with problems, unless a hand said otherwise."""
        return {
            place
            for place, wave in enumerate(self.waves)
            if self._by_hand.get(place, wave.current or any(cell.state.phase in PROBLEMS for cell in wave.cells))
        }

    def _counts(self) -> bool:
        now = self.host.now()
        return any(view.left is not None for wave in self.waves if wave.current for view in wave.gates(now))

    def _count(self) -> None:
        """A second of a running gate has gone by."""
        if self.rollout is not None and self.is_current:
            self.query_one("#head", Bar).show(*self.head())
            self._draw_rows(self.rollout)
            self._draw_about()

    def _draw_log(self, rollout: Rollout) -> None:
        log = self.query_one("#log", Pager)
        at_end = log.cursor >= log.row_count - 1
        log.set_lines(log_lines(rollout.state.events, [cell.key for cell in rollout.plan.cells]))
        if at_end:
            log.move_to(log.row_count - 1)
        if not log.row_count:
            log.say(["Nothing has happened yet"])

    def _draw_about(self) -> None:
        wave, cell = self.at()
        if cell is not None and wave is not None:
            said = about_cell(cell, wave.plan.name)
        else:
            said = about_wave(wave, self.host.now(), self.host.glyphs) if wave is not None else []
        most = 4 if self.size.height >= TALL else 2
        ellipsis = self.host.glyphs.ellipsis
        lines = [line for each in said for line in wrap(each, self._room - 3, 2, ellipsis=ellipsis)][:most]
        self.query_one("#about", Bar).show(*(BarLine((Span(f" {line}"),)) for line in lines))

    # --- what is under the cursor --------------------------------------------------------------------------------

    def at(self) -> tuple[WaveView | None, CellView | None]:
        key = self.rows.key
        if isinstance(key, WaveKey):
            return self.waves[key.place], None
        for wave in self.waves:
            for cell in wave.cells:
                if cell.plan.key == key:
                    return wave, cell
        return None, None

    def name_under_cursor(self) -> str:
        wave, cell = self.at()
        return cell.plan.key.cluster if cell is not None else wave.plan.name if wave is not None else self.key.name

    def command_line(self) -> str:
        return shlex.join(["fleetui", "rollout", "status", self.key.name, f"--context={self.key.hub}"])

    @on(VirtualRows.Moved, "#waves")
    def _moved(self) -> None:
        self._draw_about()

    def open_wave(self, wanted: bool) -> None:
        """Opens or closes the wave under the cursor, or the one whose cell that is."""
        wave, cell = self.at()
        if wave is None or self.rollout is None:
            return
        place = self.waves.index(wave)
        self._by_hand[place] = wanted
        if cell is not None and not wanted:
            row = next(row for row, line in enumerate(self.rows.lines) if line.key == (place,))
            self.rows.move_to(row)
        self._draw_rows(self.rollout)

    def _open(self, _: Key) -> None:
        wave, cell = self.at()
        if cell is None:
            if wave is not None:
                self.open_wave(self.waves.index(wave) not in self._opened())
            return
        from screens.app_view import AppScreen

        if cell.plan.app in self.host.picture.apps:
            self.app.push_screen(AppScreen(cell.plan.app))
        else:
            self.host.tell(f"{cell.plan.app} is not among the applications of the chosen clusters", error=True)
