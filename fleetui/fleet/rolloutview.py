"""How a rollout stands, in the words and numbers that screens and commands share.

Owns: what is counted and said of a `Rollout`. Pure: a rollout and a time in, words out; what may follow is decided in
`fleetui.engine.rollout`.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from typing import NamedTuple

from fleetui.engine.rollout.driving import is_driven
from fleetui.engine.rollout.gates import approval_open, gate_words
from fleetui.model.errors import ExitCode
from fleetui.model.rollout import (
    CellKey,
    CellPhase,
    CellPlan,
    CellState,
    Gate,
    GateState,
    Rollout,
    RolloutPhase,
    WavePlan,
    WaveState,
)
from fleetui.model.times import age

PROBLEMS = frozenset({CellPhase.FAILED, CellPhase.CHANGED})
"""What a human has to decide about a cell."""
FINISHED = frozenset({CellPhase.HEALTHY, CellPhase.SKIPPED, CellPhase.RESTORED})


class CellView(NamedTuple):
    """One cell: what was planned for it, and how it stands."""

    plan: CellPlan
    state: CellState


class GateView(NamedTuple):
    """A gate in words; `left` are the seconds that it must still hold, None where no clock runs."""

    words: str
    passed: bool = False
    failed: bool = False
    left: float | None = None


class WaveView(NamedTuple):
    """One wave: what was planned, how it stands, its cells; whether it is the current one, until when the rollout is
    driven (0: it is not), so that time goes by for its gates, and whether it is over."""

    plan: WavePlan
    state: WaveState
    cells: tuple[CellView, ...]
    current: bool
    runs_until: float
    over: bool = False

    @property
    def finished(self) -> int:
        """How many of its cells need nothing more."""
        return sum(cell.state.phase in FINISHED for cell in self.cells)

    def gates(self, now: float) -> list[GateView]:
        """Its gates, in their order."""
        states = self.state.gates
        return [
            _gate_view(gate, states[place] if place < len(states) else GateState(), now, runs=now < self.runs_until)
            for place, gate in enumerate(self.plan.gates)
        ]

    @property
    def words(self) -> str:
        """``done``, ``running``, ``waiting``, ``2 failed``; where nothing follows any more ``ended``, ``not begun``."""
        phases = Counter(cell.state.phase for cell in self.cells)
        if failed := sum(phases[phase] for phase in PROBLEMS):
            return f"{failed} failed" if phases[CellPhase.FAILED] else "changed"
        if phases[CellPhase.RESTORING]:
            return "restoring"
        if phases[CellPhase.RESTORED]:
            return "restored"
        if self.state.ended_at is not None:
            return "done"
        begun = self.state.started_at is not None
        if self.over:
            return "ended" if begun else "not begun"
        return "running" if begun else "waiting"


def cells_of(rollout: Rollout) -> tuple[CellView, ...]:
    """Each cell of the plan with its state; one that has none yet waits."""
    states = rollout.state.cells
    return tuple(
        CellView(plan, states[place] if place < len(states) else CellState())
        for place, plan in enumerate(rollout.plan.cells)
    )


def waves_of(rollout: Rollout) -> tuple[WaveView, ...]:
    """Each wave of the plan with its state and cells."""
    cells = {cell.plan.key: cell for cell in cells_of(rollout)}
    states, phase, driver = rollout.state.waves, rollout.state.phase, rollout.state.driver
    return tuple(
        WaveView(
            plan,
            states[place] if place < len(states) else WaveState(),
            tuple(cells[key] for key in plan.cells if key in cells),
            place == rollout.state.wave and not phase.ended and phase is not RolloutPhase.PLANNED,
            driver.until if phase is RolloutPhase.RUNNING and driver.holder else 0.0,
            phase.ended,
        )
        for place, plan in enumerate(rollout.plan.waves)
    )


def moves_text(rollout: Rollout) -> str:
    """``cert-manager 1.14.5 → 1.15.0``; several versions that are left are counted."""
    before: dict[str, dict[str, None]] = {}
    for cell in rollout.plan.cells:
        before.setdefault(cell.key.addon, {}).setdefault(cell.from_version)
    return ", ".join(
        f"{addon} {versions_text(before.get(addon, ()))} → {version}" for addon, version in rollout.plan.moves.items()
    )


def versions_text(versions: Iterable[str]) -> str:
    """``1.14.5``, or ``3 versions``."""
    known = [version or "?" for version in versions]
    return known[0] if len(known) == 1 else f"{len(known)} versions"


def failed_cells(rollout: Rollout) -> int:
    """How many cells count as failed now."""
    return sum(cell.state.phase is CellPhase.FAILED for cell in cells_of(rollout))


def counts(rollout: Rollout) -> Counter[CellPhase]:
    """How many cells are in each phase."""
    return Counter(cell.state.phase for cell in cells_of(rollout))


# --- gates ----------------------------------------------------------------------------------------------------------


def _gate_view(gate: Gate, state: GateState, now: float, *, runs: bool) -> GateView:
    words = gate_words(gate)
    if state.passed_at is not None:
        return GateView(f"{words}, by {state.by}" if state.by else words, passed=True)
    if state.failed:
        return GateView(f"{words}: {state.message}" if state.message else words, failed=True)
    if runs and state.held_since is not None and gate.seconds:
        left = max(0.0, gate.seconds - (now - state.held_since))
        return GateView(f"{words}, {countdown(left)} left", left=left)
    return GateView(f"{words}: {state.message}" if state.message else words)


def countdown(seconds: float) -> str:
    """``2:10``, ``1:02:10``."""
    whole = int(seconds + 0.999)
    hours, minutes, left = whole // 3600, whole // 60 % 60, whole % 60
    return f"{hours}:{minutes:02}:{left:02}" if hours else f"{minutes}:{left:02}"


def awaits_approval(rollout: Rollout) -> bool:
    """Whether the current wave's next gate is a human's yes: all before it have been passed."""
    state = rollout.state
    return not (state.phase.ended or state.restoring) and approval_open(rollout) is not None


# --- who drives it --------------------------------------------------------------------------------------------------


def driver_words(rollout: Rollout, now: float) -> str:
    """Who drives it, or since when nobody does; empty where it has ended."""
    driver = rollout.state.driver
    if rollout.state.phase.ended:
        return ""
    if is_driven(rollout, now):
        since = f" since {age(now - driver.since)}" if driver.since else ""
        return f"driven by {driver.who or 'a process without a name'}{since}"
    return f"nobody drives it since {age(now - driver.until)}" if driver.until else "nobody drives it"


def waits_for(rollout: Rollout, now: float) -> str:
    """Why it does not go on by itself, in a sentence; empty where it does, or has ended."""
    state = rollout.state
    if state.phase.ended or state.phase is RolloutPhase.PLANNED:
        return ""
    if state.phase in {RolloutPhase.HALTED, RolloutPhase.PAUSED}:
        return f"{state.phase}: {state.reason}" if state.reason else state.phase.value
    if awaits_approval(rollout):
        wave = rollout.plan.waves[state.wave].name
        return f"wave {wave} waits for a human's approval"
    return "" if is_driven(rollout, now) else driver_words(rollout, now)


# --- the end of a command -------------------------------------------------------------------------------------------


def exit_code(rollout: Rollout, *, wanted: RolloutPhase = RolloutPhase.DONE) -> ExitCode:
    """What a command ends with that leaves a rollout like this; `wanted` is the end that was asked for."""
    phase = rollout.state.phase
    if phase is wanted:
        return ExitCode.OK
    if phase is RolloutPhase.HALTED or phase.ended:
        return ExitCode.FAILED
    if phase is RolloutPhase.PAUSED or awaits_approval(rollout):
        return ExitCode.DIFFERS
    return ExitCode.OK


def cell_words(cell: CellView) -> str:
    """What is to say of a cell, in a few words: why it waits, what was found where somebody changed it, else its
    message."""
    state = cell.state
    if state.phase is CellPhase.CHANGED:
        return f"changed by hand to {state.found or 'another version'}{f': {state.message}' if state.message else ''}"
    return f"waits: {state.away}" if state.away else state.message


def undecided(rollout: Rollout) -> tuple[CellKey, ...]:
    """The cells that failed or were changed by hand."""
    return tuple(cell.plan.key for cell in cells_of(rollout) if cell.state.phase in PROBLEMS)
