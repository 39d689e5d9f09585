"""What a rollout's plan says of its cells by their positions, and the draft in which a step is worked out.

Owns: `Board`, made once for a plan, and `Draft`, a `Rollout` that can be changed until it is `done`. Called by the
other modules of `fleetui.engine.rollout`. Pure.
"""

from __future__ import annotations

from collections.abc import Iterable

import msgspec

from fleetui.model.rollout import (
    Asked,
    CellKey,
    CellPhase,
    CellState,
    GateState,
    Rollout,
    RolloutEvent,
    RolloutPhase,
    RolloutPlan,
    RolloutState,
    WaveState,
)
from fleetui.model.text import cut_middle, one_line

EVENTS_KEPT = 4000
"""Lines of the timeline that are stored; a ConfigMap holds 1 MiB."""
_LONGEST = 300
"""Characters that are kept of what an application or a server says: it may be a whole manifest."""
_DROPPED = "earlier steps are not kept"

replace = msgspec.structs.replace


class Board:
    """The cells of a plan by position, and those of each wave."""

    def __init__(self, plan: RolloutPlan) -> None:
        self.plan = plan
        self.index = {cell.key: position for position, cell in enumerate(plan.cells)}
        self.waves = tuple(tuple(self.index[key] for key in wave.cells) for wave in plan.waves)
        self.wave_of = {position: wave for wave, positions in enumerate(self.waves) for position in positions}

    def begun(self, state: RolloutState) -> Iterable[int]:
        """The cells of the waves that have begun."""
        return (position for wave in self.waves[: state.wave + 1] for position in wave)

    def base(self, position: int, state: CellState) -> str:
        """The version that a cell has, or had, before the rollout writes its own."""
        return state.found or self.plan.cells[position].from_version


def changed_by_us(state: CellState) -> bool:
    """Whether the rollout has, or may have, written a cell's version, and nobody has changed it since."""
    if state.phase in {CellPhase.CHANGED, CellPhase.RESTORED}:
        return False
    return state.phase is CellPhase.WRITING or state.asked is not Asked.NOTHING


class Draft:
    """A rollout while a step of it is worked out. `done` is the same object as before where nothing changed."""

    def __init__(self, rollout: Rollout, board: Board, now: float) -> None:
        self._rollout = rollout
        self.board = board
        self.plan = rollout.plan
        self.now = now
        state = rollout.state
        self.state = state
        self.cells = list(state.cells) or [CellState() for _ in rollout.plan.cells]
        self.waves = list(state.waves) or [
            WaveState(gates=tuple(GateState() for _ in wave.gates)) for wave in rollout.plan.waves
        ]
        self._events: list[RolloutEvent] = []
        self._touched = not state.cells

    def done(self) -> Rollout:
        if not self._touched and self.state is self._rollout.state:
            return self._rollout
        state = replace(
            self.state,
            cells=tuple(self.cells),
            waves=tuple(self.waves),
            events=kept((*self.state.events, *self._events)),
        )
        return replace(self._rollout, state=state)

    def set(self, **fields: object) -> None:
        """Changes fields of the state itself."""
        if isinstance(reason := fields.get("reason"), str):
            fields["reason"] = brief(reason)
        if any(getattr(self.state, name) != value for name, value in fields.items()):
            self.state = replace(self.state, **fields)

    def put(self, position: int, cell: CellState, *, what: str = "", who: str = "") -> None:
        """Changes a cell; `what` is its line in the timeline."""
        if cell is not self.cells[position]:
            self._touched = True
            self.cells[position] = cell
        if what:
            key = self.plan.cells[position].key
            self.tell(what, who=who, wave=self.board.wave_of.get(position), cell=key)

    def put_wave(self, index: int, **fields: object) -> None:
        if any(getattr(self.waves[index], name) != value for name, value in fields.items()):
            self._touched = True
            self.waves[index] = replace(self.waves[index], **fields)

    def put_gate(self, wave: int, index: int, gate: GateState) -> None:
        gates = self.waves[wave].gates
        if gates[index] != gate:
            self.put_wave(wave, gates=(*gates[:index], gate, *gates[index + 1 :]))

    def tell(self, what: str, *, who: str = "", wave: int | None = None, cell: CellKey | None = None) -> None:
        self._touched = True
        name = self.plan.waves[wave].name if wave is not None else ""
        self._events.append(RolloutEvent(time=self.now, what=brief(what), who=who, wave=name, cell=cell))

    def halt(self, reason: str) -> None:
        """Stops before anything more is begun."""
        self.set(phase=RolloutPhase.HALTED, reason=reason)
        self.tell(f"halted: {reason}")

    def end(self, phase: RolloutPhase, reason: str = "", *, who: str = "") -> None:
        self.set(phase=phase, reason=reason, ended_at=self.now)
        self.tell(f"{phase}: {reason}" if reason else str(phase), who=who)


def brief(text: str) -> str:
    """What is stored of a stranger's words, on one line."""
    return cut_middle(one_line(text), _LONGEST)


def kept(events: tuple[RolloutEvent, ...]) -> tuple[RolloutEvent, ...]:
    """The events that are stored: the first one, the newest, and between them how many are missing."""
    if len(events) <= EVENTS_KEPT:
        return events
    gone = 0
    rest = events[1:]
    if rest[0].what.endswith(_DROPPED):
        gone = int(rest[0].what.split()[0])
        rest = rest[1:]
    newest = rest[-(EVENTS_KEPT - EVENTS_KEPT // 4) :]  # not at each step again
    gone += len(rest) - len(newest)
    note = RolloutEvent(time=newest[0].time, what=f"{gone} {_DROPPED}")
    return (events[0], note, *newest)
