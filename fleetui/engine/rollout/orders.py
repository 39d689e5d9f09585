"""What people may ask of a rollout, and when it makes no sense.

Owns: `obey`, from a rollout and an order to the rollout after it. Called on whatever is stored, by whoever gives the
order; the driver sees the outcome. Pure.
"""

from __future__ import annotations

from fleetui.engine.rollout import gates, restoring
from fleetui.engine.rollout.board import Board, Draft, changed_by_us, replace
from fleetui.engine.rollout.observing import IN_GIT, moved
from fleetui.model.errors import RefusedError
from fleetui.model.rollout import (
    Asked,
    CellPhase,
    CellState,
    GateKind,
    GateState,
    Order,
    Rollout,
    RolloutPhase,
    Verb,
)

_GOING = frozenset({RolloutPhase.PLANNED, RolloutPhase.RUNNING, RolloutPhase.ROLLING_BACK})
_STOPPED = frozenset({RolloutPhase.PAUSED, RolloutPhase.HALTED})
_DECIDED = frozenset({CellPhase.FAILED, CellPhase.CHANGED})


def obey(rollout: Rollout, order: Order, now: float) -> Rollout:
    """The rollout after an order.

    Raises:
        RefusedError: it makes no sense as the rollout stands; the sentence says why.
    """
    draft = Draft(rollout, Board(rollout.plan), now)
    match order.verb:
        case Verb.PAUSE:
            _pause(draft, order)
        case Verb.RESUME:
            _resume(draft, order)
        case Verb.APPROVE:
            _approve(draft, rollout, order)
        case Verb.SKIP:
            _skip(draft, order)
        case Verb.RETRY:
            _retry(draft, order)
        case Verb.ABORT:
            _abort(draft, order)
        case Verb.ROLL_BACK:
            _roll_back(draft, order)
    return draft.done()


def _pause(draft: Draft, order: Order) -> None:
    if draft.state.phase not in _GOING:
        raise _no(draft, "there is nothing to pause")
    if draft.state.phase is RolloutPhase.ROLLING_BACK and not draft.state.restoring:
        restoring.enter(draft, draft.state.wave)
    reason = f"by {order.who}{': ' + order.reason if order.reason else ''}"
    draft.set(phase=RolloutPhase.PAUSED, reason=reason)
    draft.tell(f"paused{': ' + order.reason if order.reason else ''}", who=order.who)


def _resume(draft: Draft, order: Order) -> None:
    if draft.state.phase not in _STOPPED:
        raise _no(draft, "there is nothing to resume")
    problem = _blocked(draft)
    if problem:
        raise _no(draft, problem)
    draft.tell("resumed", who=order.who)
    _go_on(draft)


def _approve(draft: Draft, rollout: Rollout, order: Order) -> None:
    wave = draft.plan.waves[draft.state.wave]
    if draft.state.restoring or draft.state.phase not in {RolloutPhase.RUNNING, RolloutPhase.PAUSED}:
        raise _no(draft, "there is nothing to approve")
    index = gates.approval_open(rollout)
    if index is None:
        kinds = {gate.kind for gate in wave.gates}
        if GateKind.APPROVAL not in kinds:
            raise _no(draft, f"wave {wave.name} asks for no approval")
        open_gate = gates.open_gate(rollout)
        waiting = f", gate {gates.gate_words(wave.gates[open_gate])} is open" if open_gate is not None else ""
        raise _no(draft, f"wave {wave.name} does not wait for its approval now{waiting}")
    state = draft.waves[draft.state.wave].gates[index]
    draft.put_gate(draft.state.wave, index, replace(state, passed_at=draft.now, by=order.who, message=order.reason))
    draft.tell(f"approved{': ' + order.reason if order.reason else ''}", who=order.who, wave=draft.state.wave)


def _skip(draft: Draft, order: Order) -> None:
    _refuse_ended(draft)
    stood = bool(_blocked(draft))
    positions = _chosen(draft, order)
    if not order.cells and not positions:
        _skip_gate(draft, order)
    for position in positions:
        cell = draft.cells[position]
        if cell.phase is CellPhase.WRITING or (draft.state.restoring and cell.phase is CellPhase.RESTORING):
            raise _no(draft, f"{_key(draft, position)} is being written to Git just now: pause first, and skip it then")
        if cell.phase in {CellPhase.SKIPPED, CellPhase.RESTORED}:
            raise _no(draft, f"{_key(draft, position)} is {cell.phase} already")
        # What somebody changed is no longer the rollout's to take back.
        asked = Asked.NOTHING if cell.phase is CellPhase.CHANGED else cell.asked
        after = replace(moved(cell, CellPhase.SKIPPED, draft.now, cell.message), asked=asked)
        draft.put(position, after, what=f"skipped{': ' + order.reason if order.reason else ''}", who=order.who)
    _go_on_if(draft, stood)


def _skip_gate(draft: Draft, order: Order) -> None:
    wave = draft.state.wave
    for index, gate in enumerate(draft.waves[wave].gates):
        if gate.failed and not draft.state.restoring:
            passed = replace(gate, failed=False, passed_at=draft.now, by=order.who)
            draft.put_gate(wave, index, passed)
            draft.tell(f"gate {draft.plan.waves[wave].gates[index].kind} skipped", who=order.who, wave=wave)
            return
    raise _no(draft, "nothing has failed or was changed: name the cells to skip")


def _retry(draft: Draft, order: Order) -> None:
    _refuse_ended(draft)
    stood = bool(_blocked(draft))
    positions = _chosen(draft, order)
    gate = _reopen_gates(draft) if not draft.state.restoring else False
    if not positions and not gate:
        raise _no(draft, "nothing has failed or was changed")
    for position in positions:
        cell = draft.cells[position]
        if cell.phase not in _DECIDED:
            raise _no(draft, f"{_key(draft, position)} is {cell.phase}: only what failed or was changed is retried")
        draft.put(position, _retried(draft, cell), what="to be retried", who=order.who)
    if gate:
        draft.tell("the gate is to be tried again", who=order.who, wave=draft.state.wave)
    _go_on_if(draft, stood)


def _retried(draft: Draft, cell: CellState) -> CellState:
    if draft.state.restoring:
        cell = restoring.turned(cell, draft.now)
        return replace(cell, attempts=cell.attempts + 1)
    attempts = cell.attempts + 1
    if cell.phase is CellPhase.CHANGED:
        # Taken along: what Git has now is what is expected there, and what rolling back restores.
        found = cell.found if cell.found_in == IN_GIT or cell.asked is not Asked.NOTHING else ""
        back = replace(cell, found=found, asked=Asked.NOTHING, attempts=attempts)
        return moved(back, CellPhase.WAITING, draft.now)
    if cell.asked is Asked.NOTHING:
        return moved(replace(cell, attempts=attempts), CellPhase.WAITING, draft.now)
    return moved(replace(cell, asked=Asked.WRITE, attempts=attempts), CellPhase.WRITTEN, draft.now)


def _abort(draft: Draft, order: Order) -> None:
    _refuse_ended(draft)
    changed = sum(changed_by_us(cell) for cell in draft.cells)
    reason = f"{changed} of {len(draft.cells)} cells were changed, and stay so" if changed else "nothing was changed"
    if order.reason:
        reason = f"{order.reason}; {reason}"
    draft.end(RolloutPhase.ABORTED, reason, who=order.who)


def _roll_back(draft: Draft, order: Order) -> None:
    state = draft.state
    if state.phase is RolloutPhase.ROLLED_BACK:
        raise _no(draft, "there is nothing left to roll back")
    if state.phase is RolloutPhase.ROLLING_BACK or (state.restoring and not state.phase.ended):
        raise _no(draft, "it goes back already")
    if not any(changed_by_us(cell) for cell in draft.cells):
        raise _no(draft, "it has changed nothing: abort ends it")
    draft.set(phase=RolloutPhase.ROLLING_BACK, restoring=False, reason="", ended_at=None)
    draft.tell(f"to be rolled back{': ' + order.reason if order.reason else ''}", who=order.who)


def _chosen(draft: Draft, order: Order) -> list[int]:
    """The cells that an order is about."""
    unknown = [key for key in order.cells if key not in draft.board.index]
    if unknown:
        raise _no(draft, f"it has no cell {unknown[0]}")
    if order.cells:
        return [draft.board.index[key] for key in order.cells]
    if draft.state.restoring:  # those that were changed by hand are left alone
        wave = draft.board.waves[draft.state.wave]
        return [position for position in wave if draft.cells[position].phase is CellPhase.FAILED]
    return [position for position in draft.board.begun(draft.state) if draft.cells[position].phase in _DECIDED]


def _reopen_gates(draft: Draft) -> bool:
    wave = draft.state.wave
    found = False
    for index, gate in enumerate(draft.waves[wave].gates):
        if gate.failed:
            draft.put_gate(wave, index, GateState())
            found = True
    return found


def _go_on_if(draft: Draft, stood: bool) -> None:
    """Goes on where it stood for want of this decision; what a human paused stays so."""
    if stood and draft.state.phase in _STOPPED and not _blocked(draft):
        _go_on(draft)


def _go_on(draft: Draft) -> None:
    phase = RolloutPhase.ROLLING_BACK if draft.state.restoring else RolloutPhase.RUNNING
    draft.set(phase=phase, reason="")
    wave = draft.state.wave
    draft.waves[wave] = gates.reopened(draft.waves[wave])


def _blocked(draft: Draft) -> str:
    return gates.blocked(draft.board, draft.plan, draft.state, draft.cells, draft.waves)


def _refuse_ended(draft: Draft) -> None:
    if draft.state.phase.ended:
        raise _no(draft, "it has ended")


def _key(draft: Draft, position: int) -> str:
    return str(draft.plan.cells[position].key)


def _no(draft: Draft, why: str) -> RefusedError:
    return RefusedError(f"rollout {draft.plan.key.name} is {draft.state.phase}: {why}")
