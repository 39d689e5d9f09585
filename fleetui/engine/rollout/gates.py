"""The gates behind a wave: which are open, hold, have passed; and what keeps a rollout from going on.

Owns: how `Gate`s are judged, and `blocked`. Called by `fleetui.engine.rollout.machine` and `orders`. Pure.

The gates of a wave open one after another. Those on cells (synced, healthy) are judged at each step, also after they
passed: a wave ends only while they hold.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from urllib.parse import urlsplit

from fleetui.engine.rollout.board import Board, Draft, brief, replace
from fleetui.engine.rollout.effects import Ask
from fleetui.engine.rollout.observing import failed
from fleetui.engine.rollout.ports import Verdict
from fleetui.model.rollout import (
    CellPhase,
    CellState,
    Gate,
    GateKind,
    GateState,
    Rollout,
    RolloutPlan,
    RolloutState,
    WaveState,
)
from fleetui.model.times import format_duration

ON_CELLS = frozenset({GateKind.SYNCED, GateKind.HEALTHY})
_HOLDING = {
    GateKind.SYNCED: frozenset({CellPhase.PROGRESSING, CellPhase.HEALTHY}),
    GateKind.HEALTHY: frozenset({CellPhase.HEALTHY}),
}
_OUT = frozenset({CellPhase.FAILED, CellPhase.SKIPPED, CellPhase.CHANGED})
"""Cells that a gate does not ask about: they are counted, or decided on, elsewhere."""


def advance(draft: Draft, wave: int, *, written: bool) -> bool:
    """Judges the gates of a wave; returns whether all have passed. `written`: all of the wave is in Git."""
    opened = written
    for index, gate in enumerate(draft.plan.waves[wave].gates):
        state = draft.waves[wave].gates[index]
        after = _judged(draft, wave, gate, state) if opened else _closed(gate, state)
        draft.put_gate(wave, index, after)
        if after.passed_at is not None and state.passed_at is None:
            draft.tell(f"gate passed: {gate_words(gate)}", wave=wave)
        if after.failed and not state.failed:
            draft.halt(f"gate {gate.kind} of wave {draft.plan.waves[wave].name}: {after.message}")
        opened = opened and after.passed_at is not None
    return opened


def overdue(draft: Draft, wave: int) -> None:
    """Cells that are not as a gate wants them when its time is over have failed; those out of reach are waited for."""
    for index, gate in enumerate(draft.plan.waves[wave].gates):
        state = draft.waves[wave].gates[index]
        if gate.kind not in ON_CELLS or not gate.timeout or state.opened_at is None or state.passed_at is not None:
            continue
        if draft.now - state.opened_at < gate.timeout:
            continue
        message = f"not {gate.kind} within {format_duration(gate.timeout)}"
        for position in draft.board.waves[wave]:
            cell = draft.cells[position]
            if not cell.away and not _holds(gate, cell):
                draft.put(position, failed(cell, message, draft.now), what=f"failed: {message}")


def restart(draft: Draft, wave: int) -> None:
    """Gives what was out of reach and is back all of the time again that an open gate on cells has."""
    for index, gate in enumerate(draft.plan.waves[wave].gates):
        state = draft.waves[wave].gates[index]
        if gate.kind in ON_CELLS and state.opened_at is not None and state.passed_at is None:
            draft.put_gate(wave, index, replace(state, opened_at=draft.now))


def said(draft: Draft, wave: int, index: int, verdict: Verdict) -> None:
    """Takes in what a metric or a webhook says."""
    gate, state = draft.plan.waves[wave].gates[index], draft.waves[wave].gates[index]
    if wave != draft.state.wave or state.opened_at is None or state.passed_at is not None or state.failed:
        return
    if verdict.holds:
        since = draft.now if state.held_since is None else state.held_since
        state = replace(state, held_since=since, message=brief(verdict.message))
    else:
        state = replace(state, held_since=None, message=brief(verdict.message))
    draft.put_gate(wave, index, state)
    if verdict.holds is False and gate.kind is GateKind.WEBHOOK:
        fail(draft, wave, index, verdict.message)


def fail(draft: Draft, wave: int, index: int, message: str) -> None:
    gate, state = draft.plan.waves[wave].gates[index], draft.waves[wave].gates[index]
    if not state.failed:
        draft.put_gate(wave, index, replace(state, failed=True, held_since=None, message=brief(message)))
        draft.halt(f"gate {gate.kind} of wave {draft.plan.waves[wave].name}: {message}")


def asks(rollout: Rollout) -> Iterator[Ask]:
    """The metric or webhook that is open."""
    wave = rollout.state.wave
    index = open_gate(rollout)
    if index is not None and rollout.plan.waves[wave].gates[index].kind in {GateKind.METRIC, GateKind.WEBHOOK}:
        yield Ask(wave, index)


def open_gate(rollout: Rollout) -> int | None:
    """The gate of the current wave whose turn it is, by its index; None where none is open."""
    if not rollout.state.waves:
        return None
    for index, state in enumerate(rollout.state.waves[rollout.state.wave].gates):
        if state.passed_at is None:
            return index if state.opened_at is not None and not state.failed else None
    return None


def approval_open(rollout: Rollout) -> int | None:
    """The approval that is waited for, by its index."""
    index = open_gate(rollout)
    gates = rollout.plan.waves[rollout.state.wave].gates
    return index if index is not None and gates[index].kind is GateKind.APPROVAL else None


def times(rollout: Rollout) -> Iterator[float]:
    """When a gate of the current wave may come to another end by the time alone."""
    if not rollout.state.waves:
        return
    wave = rollout.state.wave
    for gate, state in zip(rollout.plan.waves[wave].gates, rollout.state.waves[wave].gates, strict=True):
        if state.passed_at is None and state.opened_at is not None:
            if state.held_since is not None:
                yield state.held_since + gate.seconds
            if gate.timeout:
                yield state.opened_at + gate.timeout


def reopened(state: WaveState) -> WaveState:
    """A wave whose gates that have not passed, or not held, begin anew: nobody looked on meanwhile."""
    gates = tuple(gate if gate.passed_at is not None else GateState() for gate in state.gates)
    return state if gates == state.gates else replace(state, gates=gates)


def blocked(
    board: Board, plan: RolloutPlan, state: RolloutState, cells: Sequence[CellState], waves: Sequence[WaveState]
) -> str:
    """Why the rollout can't go on before somebody decides; empty where it can."""
    if state.restoring:
        failures = _count(cells, board.waves[state.wave], CellPhase.FAILED)
        return f"{_cells(failures)} could not be restored: retry or skip" if failures else ""
    begun = list(board.begun(state))
    by_hand = _count(cells, begun, CellPhase.CHANGED)
    if by_hand:
        was = "was" if by_hand == 1 else "were"
        return f"{_cells(by_hand)} {was} changed by hand: retry takes them along, skip leaves them"
    for index, wave in enumerate(plan.waves[: state.wave + 1]):
        failures = _count(cells, board.waves[index], CellPhase.FAILED)
        if failures > wave.failures_allowed:
            return f"{_cells(failures)} of wave {wave.name} failed, {_may(wave.failures_allowed)}"
    failures = _count(cells, begun, CellPhase.FAILED)
    if failures > plan.failures_allowed:
        return f"{_cells(failures)} failed in all, {_may(plan.failures_allowed)}"
    if waves:
        for gate, gate_state in zip(plan.waves[state.wave].gates, waves[state.wave].gates, strict=True):
            if gate_state.failed:
                return f"gate {gate.kind} of wave {plan.waves[state.wave].name}: {gate_state.message}"
    return ""


def problems(plan: RolloutPlan) -> list[str]:
    """Why a plan can't be carried out as it is, each with its wave."""
    found = []
    keys = [cell.key for cell in plan.cells]
    taken = [key for wave in plan.waves for key in wave.cells]
    if not plan.cells:
        found.append("no cell is chosen")
    if len(taken) != len(set(taken)) or set(taken) != set(keys) or len(keys) != len(set(keys)):
        found.append("each cell must be in exactly one wave")
    for wave in plan.waves:
        for gate in wave.gates:
            if gate.timeout and gate.timeout <= gate.seconds:
                found.append(f"wave {wave.name}: gate {gate.kind} can't hold for longer than its timeout")
            if gate.kind in {GateKind.METRIC, GateKind.WEBHOOK} and not gate.url:
                found.append(f"wave {wave.name}: gate {gate.kind} has no address")
            if gate.kind is GateKind.METRIC and not (gate.query and gate.condition):
                found.append(f"wave {wave.name}: gate metric needs a query and a condition")
    return found


def gate_words(gate: Gate) -> str:
    """A gate in a few words: ``healthy 10m``, ``approval by a human``, ``webhook of example.com``."""
    words = str(gate.kind)
    if gate.kind is GateKind.APPROVAL:
        words = "approval by a human"
    if gate.kind is GateKind.METRIC:
        words = f"metric {gate.query} {gate.condition}"
    if gate.kind is GateKind.WEBHOOK:
        words = f"webhook of {urlsplit(gate.url).hostname or gate.url}"
    return f"{words} {format_duration(gate.seconds)}" if gate.seconds else words


def _judged(draft: Draft, wave: int, gate: Gate, state: GateState) -> GateState:
    """A gate whose turn has come."""
    now = draft.now
    if state.opened_at is None:
        state = replace(state, opened_at=now)
    if gate.kind in ON_CELLS:
        if not all(_holds(gate, draft.cells[position]) for position in draft.board.waves[wave]):
            return replace(state, held_since=None, passed_at=None)
        if state.held_since is None:
            state = replace(state, held_since=now)
    if state.passed_at is not None or state.failed:
        return state
    if state.held_since is not None and now - state.held_since >= gate.seconds:
        return replace(state, passed_at=now)
    opened = now if state.opened_at is None else state.opened_at
    if gate.kind not in ON_CELLS and gate.timeout and now - opened >= gate.timeout:
        missing = f": {state.message}" if state.message else ""
        return replace(state, failed=True, message=f"not within {format_duration(gate.timeout)}{missing}")
    return state


def _closed(gate: Gate, state: GateState) -> GateState:
    """A gate whose turn has not come, or is over because one before it holds no longer."""
    if gate.kind not in ON_CELLS and state.passed_at is not None:
        return state  # an approval stays one
    return GateState()


def _holds(gate: Gate, cell: CellState) -> bool:
    return cell.phase in _OUT or (cell.phase in _HOLDING[gate.kind] and not cell.away)


def _count(cells: Sequence[CellState], positions: Iterable[int], phase: CellPhase) -> int:
    return sum(cells[position].phase is phase for position in positions)


def _cells(count: int) -> str:
    return "1 cell" if count == 1 else f"{count} cells"


def _may(allowed: int) -> str:
    return "none may" if not allowed else f"{allowed} may"
