"""What a person may ask of a rollout, by keys: pause, skip, retry, approve, abort, roll back, drive, export.

Owns: `RolloutOrders`, the base of the running view. Each key but pause and export asks first; whether an order makes
sense is decided behind `fleetui.fleet.rolloutapi.Rollouts`.
"""

from __future__ import annotations

import shlex
from collections.abc import Sequence
from typing import TYPE_CHECKING, ClassVar

from textual.binding import BindingType

from fleetui.engine.rollout import telling
from fleetui.engine.rollout.driving import is_driven
from fleetui.fleet.audit import Operator
from fleetui.fleet.rolloutview import PROBLEMS, awaits_approval, driver_words
from fleetui.model.rollout import Order, RolloutPhase, Verb
from screens import actions
from screens.base import FleetScreen
from screens.cells import Span
from screens.rollout_ask import AskScreen
from screens.rollout_drive import drive

if TYPE_CHECKING:
    from fleetui.fleet.rolloutview import CellView, WaveView
    from fleetui.model.rollout import CellKey, Rollout, RolloutKey


class RolloutOrders(FleetScreen):
    """A screen about one rollout; `waves` are those of `rollout`, which is None until it is known."""

    BINDINGS: ClassVar[list[BindingType]] = actions.bindings("rollout")

    def __init__(self, key: RolloutKey, rollout: Rollout | None) -> None:
        super().__init__()
        self.key = key
        self.rollout = rollout
        self.waves: tuple[WaveView, ...] = ()

    def at(self) -> tuple[WaveView | None, CellView | None]:
        """The wave and the cell under the cursor; no cell on a wave's own row."""
        raise NotImplementedError

    def take(self, rollout: Rollout) -> None:
        """Shows the rollout as it is."""
        raise NotImplementedError

    def action_hold(self) -> None:
        if self.rollout is None or self._locked():
            return
        if self.rollout.state.phase in {RolloutPhase.PAUSED, RolloutPhase.HALTED}:
            self._question(Verb.RESUME, "Resume", ["It goes on where it stands."], carry_on=True)
        else:
            self._give(Verb.PAUSE)  # at once: a brake does not ask

    def action_skip(self) -> None:
        self._question_cells(
            Verb.SKIP, "Skip", "stays as it is, and the rollout goes on without it", "counts as passed"
        )

    def action_retry(self) -> None:
        what = "is tried again; what was changed by hand is taken along"
        self._question_cells(Verb.RETRY, "Retry", what, "is tried again")

    def action_approve(self) -> None:
        if self.rollout is None or not awaits_approval(self.rollout):
            self.host.tell("No approval is waited for", error=True)
            return
        place = self.rollout.state.wave
        wave, after = self.waves[place], self.waves[place + 1 :]
        then = f"then wave {after[0].plan.name} begins, {len(after[0].cells)} cells" if after else "it is the last one"
        self._question(Verb.APPROVE, "Approve", [f"Wave {wave.plan.name} is let through; {then}."], carry_on=True)

    def action_abort(self) -> None:
        self._question(Verb.ABORT, "Abort", ["It ends here. What it has changed stays; what waits is left alone."])

    def action_roll_back(self) -> None:
        begun = [cell for wave in self.waves if wave.state.started_at is not None for cell in wave.cells]
        said = "Each cell that this rollout has changed gets the version that it had, the newest wave first."
        self._question(Verb.ROLL_BACK, "Roll back", [said, f"{len(begun)} cells have had their turn."], carry_on=True)

    def action_drive(self) -> None:
        rollout = self.rollout
        if rollout is None or self._locked():
            return
        if rollout.state.phase.ended:
            self.host.tell("It has ended: there is nothing to drive", error=True)
        elif self.host.fleet is not None and self.host.fleet.rollouts.driving(self.key):
            self.host.tell("This console drives it already")
        elif is_driven(rollout, self.host.now()):
            said = (
                f"It is {driver_words(rollout, self.host.now())}. That process stops driving it; nothing is done twice."
            )
            command = self._command("resume", "--take-over")
            question = AskScreen(
                f"Take over {self.key.name}", [Span(said, "warning")], verb="Take over", command=command
            )
            self.app.push_screen(question, lambda yes: drive(self.app, self.key, take_over=True) if yes else None)
        else:
            drive(self.app, self.key)

    def action_export(self) -> None:
        if self.rollout is None:
            return
        from screens.saving import save

        name = f"rollout-{self.key.name}"
        save(self.host, name, telling.as_json(self.rollout).splitlines(), "json")
        save(self.host, name, telling.as_markdown(self.rollout).splitlines(), "md")

    def _locked(self) -> bool:
        if self.host.read_only:
            self.host.tell("Read-only: nothing can be changed from here", error=True)
        return self.host.read_only

    def _question_cells(self, verb: Verb, title: str, what: str, of_gate: str) -> None:
        """About the cell under the cursor; on a wave's row about all of it that failed or was changed by hand, else
        about the gate that did not hold."""
        wave, cell = self.at()
        cells = [cell] if cell is not None else [c for c in (wave.cells if wave else ()) if c.state.phase in PROBLEMS]
        keys = tuple(each.plan.key for each in cells)
        named = ", ".join(map(str, keys[:6])) + (f" and {len(keys) - 6} more" if len(keys) > 6 else "")
        failed = [view for view in wave.gates(self.host.now()) if view.failed] if wave is not None else []
        if keys:
            self._question(verb, title, [f"{named} {what}."], cells=keys, carry_on=True)
        elif failed:
            self._question(verb, title, [f"The gate {failed[0].words} {of_gate}."], carry_on=True)
        else:
            self.host.tell("Nothing here failed or was changed by hand: put the cursor on a cell", error=True)

    def _question(
        self, verb: Verb, title: str, says: Sequence[str], *, cells: tuple[CellKey, ...] = (), carry_on: bool = False
    ) -> None:
        """Asks before an order is given; with `carry_on` this console carries the rollout on where nobody does."""
        if self.rollout is None or self._locked():
            return
        begins = carry_on and not is_driven(self.rollout, self.host.now())
        spans = [Span(each) for each in says]
        if begins:
            spans.append(Span("Nobody drives it: this console does from then on.", "warning"))
        command = self._command(verb.value, *(f"--cell={key}" for key in cells))
        question = AskScreen(f"{title} {self.key.name}", spans, verb=title, command=command)

        def closed(yes: bool | None) -> None:
            if yes:
                self._give(verb, cells, carry_on=begins)

        self.app.push_screen(question, closed)

    def _give(self, verb: Verb, cells: tuple[CellKey, ...] = (), *, carry_on: bool = False) -> None:
        order = Order(verb, Operator.current().who, cells=cells)

        def given(rollout: Rollout) -> None:
            self.take(rollout)
            if carry_on and not rollout.state.phase.ended:
                drive(self.app, self.key)

        self.ask(lambda fleet: fleet.rollouts.order(self.key, order), given, doing=f"asking for {verb.value}")

    def _command(self, verb: str, *more: str) -> str:
        return shlex.join(["fleetui", "rollout", verb, self.key.name, f"--context={self.key.hub}", *more])
