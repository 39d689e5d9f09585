"""The way back: the cells that a rollout changed get the version that they had, the newest wave first.

Owns: `enter` and `advance`, called by `fleetui.engine.rollout.machine` and `orders`, and `written_late`, called by
`fleetui.engine.rollout.runner`. Pure.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping

from fleetui.engine.rollout.board import Board, Draft, changed_by_us, replace
from fleetui.engine.rollout.effects import Write
from fleetui.engine.rollout.gates import ON_CELLS, blocked
from fleetui.engine.rollout.observing import IN_GIT, changed, failed
from fleetui.model.rollout import Asked, CellKey, CellPhase, CellState, Rollout, RolloutPhase
from fleetui.model.times import format_duration


def enter(draft: Draft, wave: int) -> None:
    """Turns a wave round: what the rollout changed in it, and nobody since, is to be restored."""
    draft.set(phase=RolloutPhase.ROLLING_BACK, restoring=True, wave=wave, reason="")
    state = draft.waves[wave]
    unmerged = f"; pull request {state.change} is to be closed" if state.change and not state.merged else ""
    draft.tell(f"goes back{unmerged}", wave=wave)
    draft.put_wave(wave, change="", merged="")
    for position in draft.board.waves[wave]:
        cell = draft.cells[position]
        if cell.phase is CellPhase.CHANGED:
            draft.put(position, cell, what=f"left as it is: {cell.message}")
        elif changed_by_us(cell) and draft.board.base(position, cell) != draft.plan.cells[position].to_version:
            draft.put(position, turned(cell, draft.now), what="to be restored")


def turned(cell: CellState, now: float) -> CellState:
    """A cell that is to be restored; nothing of that has been done yet."""
    return replace(
        cell, phase=CellPhase.RESTORING, since=now, message="", asked=Asked.NOTHING, trouble_since=None, away=""
    )


def written_late(rollout: Rollout, effect: Write, in_git: Mapping[CellKey, str], now: float) -> Rollout:
    """The rollout after a process wrote a wave that was no longer its driver: what went back before that goes back
    again, and of a rollout that has ended it is shown as changed.

    Args:
        in_git: the versions that Git has since.
    """
    draft = Draft(rollout, Board(rollout.plan), now)
    for key, wanted in zip(effect.cells, effect.wanted, strict=True):
        position = draft.board.index[key]
        cell = draft.cells[position]
        if cell.phase not in {CellPhase.RESTORING, CellPhase.RESTORED} or in_git.get(key) != wanted:
            continue
        what = f"{wanted} was written by the driver that was taken over, after it went back"
        if draft.state.phase.ended:
            cell = replace(changed(cell, wanted, IN_GIT, now), message=what, asked=Asked.NOTHING)
            draft.put(position, cell, what=what)
        else:
            draft.put(position, turned(cell, now), what=f"{what}: to be restored again")
            draft.set(wave=max(draft.state.wave, effect.wave))
    return draft.done()


def advance(draft: Draft, look: Callable[[int], None]) -> None:
    """Goes on to the next older wave where one is restored; `look` takes in what is seen of a wave that comes up."""
    while True:
        wave = draft.state.wave
        _overdue(draft, wave)
        problem = blocked(draft.board, draft.plan, draft.state, draft.cells, draft.waves)
        if problem:
            draft.halt(problem)
            return
        if any(draft.cells[position].phase is CellPhase.RESTORING for position in draft.board.waves[wave]):
            return
        if wave == 0:
            draft.end(RolloutPhase.ROLLED_BACK, _left(draft))
            return
        look(wave - 1)
        enter(draft, wave - 1)


def times(rollout: Rollout, board: Board) -> Iterator[float]:
    """When a cell of the current wave has taken too long."""
    timeout = _timeout(board, rollout.state.wave)
    if timeout:
        for position in board.waves[rollout.state.wave]:
            cell = rollout.state.cells[position]
            if cell.phase is CellPhase.RESTORING:
                yield cell.since + timeout


def _overdue(draft: Draft, wave: int) -> None:
    timeout = _timeout(draft.board, wave)
    if not timeout or (draft.waves[wave].change and not draft.waves[wave].merged):
        return
    for position in draft.board.waves[wave]:
        cell = draft.cells[position]
        if cell.phase is CellPhase.RESTORING and not cell.away and draft.now - cell.since >= timeout:
            message = f"not restored within {format_duration(timeout)}"
            draft.put(position, failed(cell, message, draft.now), what=f"failed: {message}")


def _timeout(board: Board, wave: int) -> float:
    """As long as the way forth might take; 0 where that is not bounded."""
    timeouts = [gate.timeout for gate in board.plan.waves[wave].gates if gate.kind in ON_CELLS]
    return sum(timeouts) if timeouts and all(timeouts) else 0.0


def _left(draft: Draft) -> str:
    changed = sum(cell.phase is CellPhase.CHANGED for cell in draft.cells)
    skipped = sum(cell.phase is CellPhase.SKIPPED for cell in draft.cells)
    words = []
    if changed:
        words.append(f"{changed} changed by hand")
    if skipped:
        words.append(f"{skipped} skipped")
    return f"left as they are: {', '.join(words)}" if words else ""
