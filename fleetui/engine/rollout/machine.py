"""The steps of a rollout: from how it stands and what is seen to how it then stands, and what is to be asked.

Owns: `advance`, `effects`, `answered` and `wake_at`. Called by `fleetui.engine.rollout.runner`, which stores what
`advance` returns before it carries out an effect, and what `answered` returns after it. Pure: no clock, no I/O.

A rollout killed anywhere goes on where it was, because its effects follow from what is stored: a cell whose write was
begun is ``writing`` until the answer is stored, and Git says whether it was written.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import TypeAlias

from fleetui.engine.rollout import gates, restoring
from fleetui.engine.rollout.board import Board, Draft, replace
from fleetui.engine.rollout.effects import Ask, Check, Effect, Merged, Refresh, Sync, Trouble, Write
from fleetui.engine.rollout.observing import IN_APP, IN_GIT, changed, failed, moved, observe
from fleetui.engine.rollout.ports import Sight, Verdict, Written
from fleetui.model.rollout import Asked, CellKey, CellPhase, CellState, Rollout, RolloutPhase, WaveState

CHECK_AFTER = 60.0
"""Seconds for which an application may not show the version that was written before Git is asked whether it is still
there."""
_UNDER_WAY = frozenset(
    {CellPhase.WRITING, CellPhase.WRITTEN, CellPhase.SYNCING, CellPhase.PROGRESSING, CellPhase.RESTORING}
)
_UNSEEN = Sight(away="it has not been seen yet")

_TOLD: dict[CellPhase, str] = {
    CellPhase.SYNCING: "its application has the new version",
    CellPhase.PROGRESSING: "synced",
    CellPhase.HEALTHY: "healthy",
    CellPhase.FAILED: "failed",
    CellPhase.CHANGED: "changed by hand",
    CellPhase.RESTORED: "restored",
}

Sights: TypeAlias = Mapping[CellKey, Sight]
Answer: TypeAlias = Written | Verdict | Mapping[CellKey, str] | str | None


def advance(rollout: Rollout, board: Board, seen: Sights, now: float) -> Rollout:
    """The rollout after all that follows from what is seen; the same object where nothing does."""
    phase = rollout.state.phase
    if phase not in {RolloutPhase.PLANNED, RolloutPhase.RUNNING, RolloutPhase.ROLLING_BACK}:
        return rollout
    draft = Draft(rollout, board, now)
    if phase is RolloutPhase.ROLLING_BACK and not rollout.state.restoring:
        _observe(draft, seen)  # what somebody changed since anybody looked is left alone
        restoring.enter(draft, rollout.state.wave)
    elif rollout.state.started_at is None:
        draft.set(phase=RolloutPhase.RUNNING, started_at=now)
        draft.tell("begun", who=rollout.plan.created_by)
        _begin_wave(draft, 0)
    _observe(draft, seen)
    if draft.state.restoring:
        restoring.advance(draft, lambda wave: _observe_wave(draft, seen, wave))
    else:
        _forward(draft, seen)
    return draft.done()


def effects(rollout: Rollout, board: Board, seen: Sights, now: float) -> tuple[Effect, ...]:
    """What is to be asked now, as the rollout stands. Whoever carries it out bounds how often."""
    state = rollout.state
    if state.phase is not (RolloutPhase.ROLLING_BACK if state.restoring else RolloutPhase.RUNNING):
        return ()
    waves = [state.wave] if state.restoring else range(state.wave + 1)
    found: list[Effect] = []
    for wave in waves:
        found += _write(rollout, board, wave)
        if not _is_in_git(state.waves[wave]):
            found.append(Merged(wave, state.waves[wave].change))
            continue
        found += _follow(rollout, board, board.waves[wave], seen, now)
    if not state.restoring:
        found += gates.asks(rollout)
    return tuple(found)


def answered(rollout: Rollout, board: Board, effect: Effect, answer: Answer | Trouble, now: float) -> Rollout:
    """The rollout after an effect was carried out, or failed. What it asked for may be out of date by then."""
    draft = Draft(rollout, board, now)
    if isinstance(answer, Trouble):
        _troubled(draft, effect, answer)
        return draft.done()
    if draft.state.phase in {RolloutPhase.RUNNING, RolloutPhase.ROLLING_BACK}:
        draft.set(reason="")
    match effect, answer:
        case Write(), Written():
            _written(draft, effect, answer)
        case Merged(), str() if answer:
            _merged(draft, effect, answer)
        case Check(), Mapping():
            _checked(draft, effect, answer)
        case Refresh(), _:
            _asked(draft, effect.cell, Asked.REFRESH)
        case Sync(), _:
            _asked(draft, effect.cell, Asked.SYNC)
        case Ask(), Verdict():
            gates.said(draft, effect.wave, effect.gate, answer)
    return draft.done()


def wake_at(rollout: Rollout, board: Board, now: float) -> float | None:
    """When `advance` or `effects` may say something else although nothing else was seen; None where never."""
    state = rollout.state
    if state.phase not in {RolloutPhase.RUNNING, RolloutPhase.ROLLING_BACK}:
        return None
    times = list(gates.times(rollout)) if not state.restoring else list(restoring.times(rollout, board))
    for position in board.begun(state):
        cell = state.cells[position]
        if cell.trouble_since is not None:
            times.append(cell.trouble_since + rollout.plan.patience)
        if _awaits_git(cell):
            times.append(cell.since + CHECK_AFTER)
    return min((time for time in times if time > now), default=None)


def waits_for_human(rollout: Rollout) -> bool:
    """Whether nothing happens until somebody gives an order."""
    state = rollout.state
    if state.phase in {RolloutPhase.PAUSED, RolloutPhase.HALTED}:
        return True
    if state.phase is not RolloutPhase.RUNNING or gates.approval_open(rollout) is None:
        return False
    return not any(cell.phase in _UNDER_WAY for cell in state.cells)


# --- forward --------------------------------------------------------------------------------------------------------


def _forward(draft: Draft, seen: Sights) -> None:
    while True:
        if _stops(draft):
            return
        wave = draft.state.wave
        _begin_cells(draft, seen)
        if _stops(draft) or not gates.advance(draft, wave, written=_settled(draft, wave)):
            return
        draft.put_wave(wave, ended_at=draft.now)
        draft.tell("wave complete", wave=wave)
        if wave + 1 == len(draft.plan.waves):
            draft.end(RolloutPhase.DONE)
            return
        _begin_wave(draft, wave + 1)


def _begin_wave(draft: Draft, wave: int) -> None:
    draft.set(wave=wave)
    draft.put_wave(wave, started_at=draft.now)
    draft.tell("wave begun", wave=wave)


def _begin_cells(draft: Draft, seen: Sights) -> None:
    """Gives the waiting cells of the waves that have begun their turn."""
    for position in draft.board.begun(draft.state):
        cell = draft.cells[position]
        if cell.phase is not CellPhase.WAITING:
            continue
        plan = draft.plan.cells[position]
        sight = seen.get(plan.key, _UNSEEN)
        if sight.missing and not sight.away:
            cell = failed(cell, "there is no such application", draft.now)
            draft.put(position, cell, what=_line(cell))
        elif _is_strange(cell, sight, draft.board.base(position, cell), plan.to_version):
            cell = changed(cell, sight.version, IN_APP, draft.now)
            draft.put(position, cell, what=_line(cell))
        else:
            draft.put(position, moved(cell, CellPhase.WRITING, draft.now))


def _is_strange(cell: CellState, sight: Sight, base: str, goal: str) -> bool:
    # After a retry a human has seen what the application has.
    return not cell.attempts and not sight.away and sight.version not in {"", base, goal}


def _stops(draft: Draft) -> bool:
    """Pauses for what wants a decision, and halts where more failed than may: before anything more is begun."""
    problem = gates.blocked(draft.board, draft.plan, draft.state, draft.cells, draft.waves)
    if not problem:
        return False
    by_hand = any(draft.cells[position].phase is CellPhase.CHANGED for position in draft.board.begun(draft.state))
    if by_hand:
        draft.set(phase=RolloutPhase.PAUSED, reason=problem)
        draft.tell(f"paused: {problem}")
    else:
        draft.halt(problem)
    return True


def _settled(draft: Draft, wave: int) -> bool:
    """Whether all of a wave is in Git."""
    if not _is_in_git(draft.waves[wave]):
        return False
    unwritten = {CellPhase.WAITING, CellPhase.WRITING}
    return not any(draft.cells[position].phase in unwritten for position in draft.board.waves[wave])


# --- what is seen ---------------------------------------------------------------------------------------------------


def _observe(draft: Draft, seen: Sights) -> None:
    waves = [draft.state.wave] if draft.state.restoring else range(draft.state.wave + 1)
    for wave in waves:
        _observe_wave(draft, seen, wave)
    if draft.state.phase is RolloutPhase.RUNNING:
        gates.overdue(draft, draft.state.wave)


def _observe_wave(draft: Draft, seen: Sights, wave: int) -> None:
    """Takes in what is seen of a wave's cells; while going back, of older waves as they came."""
    if not _is_in_git(draft.waves[wave]):
        return
    for position in draft.board.waves[wave]:
        before = draft.cells[position]
        cell = draft.plan.cells[position]
        back = draft.state.restoring and draft.state.wave == wave
        after = observe(
            before,
            seen.get(cell.key, _UNSEEN),
            goal=draft.board.base(position, before) if back else cell.to_version,
            back=back,
            now=draft.now,
            patience=draft.plan.patience,
        )
        if after is not before:
            draft.put(position, after, what=_difference(before, after))
            if before.away and not after.away and wave == draft.state.wave:
                gates.restart(draft, wave)


def _difference(before: CellState, after: CellState) -> str:
    if before.away != after.away:
        return f"waits: {after.away}" if after.away else "answers again"
    if before.phase is after.phase or after.phase not in _TOLD:
        return ""
    return _line(after)


def _line(cell: CellState) -> str:
    return f"{_TOLD[cell.phase]}: {cell.message}" if cell.message else _TOLD[cell.phase]


# --- effects --------------------------------------------------------------------------------------------------------


def _is_in_git(wave: WaveState) -> bool:
    return not wave.change or bool(wave.merged)


def _awaits_git(cell: CellState) -> bool:
    """Whether a cell's application is to show a version that was written, and may not have yet."""
    if cell.asked in {Asked.NOTHING, Asked.WRITE}:
        return False
    return cell.phase is CellPhase.WRITTEN or (cell.phase is CellPhase.RESTORING and cell.asked is Asked.REFRESH)


def _write(rollout: Rollout, board: Board, wave: int) -> Iterator[Write]:
    state = rollout.state
    back = state.restoring
    phase = CellPhase.RESTORING if back else CellPhase.WRITING
    wanting = [p for p in board.waves[wave] if state.cells[p].phase is phase and _unwritten(state.cells[p])]
    if not wanting:
        return
    cells = [rollout.plan.cells[position] for position in wanting]
    goals = tuple(cell.to_version for cell in cells)
    bases = tuple(board.base(position, state.cells[position]) for position in wanting)
    wanted, expected = (bases, goals) if back else (goals, bases)
    yield Write(wave, tuple(cell.key for cell in cells), wanted, expected, back)


def _unwritten(cell: CellState) -> bool:
    return cell.phase is CellPhase.WRITING or cell.asked is Asked.NOTHING


def _follow(
    rollout: Rollout, board: Board, positions: Sequence[int], seen: Sights, now: float
) -> Iterator[Refresh | Sync | Check]:
    """What is to be asked of cells whose version is in Git."""
    back = rollout.state.restoring
    unshown = []
    for position in positions:
        cell = rollout.state.cells[position]
        if cell.asked is Asked.NOTHING or cell.asked is Asked.SYNC:
            continue
        if cell.phase not in {CellPhase.WRITTEN, CellPhase.SYNCING, CellPhase.RESTORING}:
            continue
        plan = rollout.plan.cells[position]
        sight = seen.get(plan.key, _UNSEEN)
        if sight.away or sight.missing:
            continue
        goal = board.base(position, cell) if back else plan.to_version
        if sight.version == goal:
            if _wants_sync(cell, sight):
                yield Sync(plan.key)
        elif cell.asked is Asked.WRITE:
            yield Refresh(plan.key)
        elif now >= cell.since + CHECK_AFTER:
            unshown.append(plan.key)
    if unshown:
        yield Check(tuple(unshown))


def _wants_sync(cell: CellState, sight: Sight) -> bool:
    # One that syncs by itself does not try again by itself what failed.
    return not sight.synced and not sight.busy and (not sight.automated or bool(cell.attempts))


# --- answers --------------------------------------------------------------------------------------------------------


def _written(draft: Draft, effect: Write, answer: Written) -> None:
    current = effect.back is draft.state.restoring
    wrote = 0
    for key, wanted in zip(effect.cells, effect.wanted, strict=True):
        position = draft.board.index[key]
        cell = draft.cells[position]
        waiting = CellPhase.RESTORING if effect.back else CellPhase.WRITING
        if cell.phase is not waiting or not current or not _unwritten(cell):
            continue  # it goes back meanwhile: what was written is found in Git
        if key in answer.changed:
            cell = changed(replace(cell, asked=Asked.NOTHING), answer.changed[key], IN_GIT, draft.now)
            draft.put(position, cell, what=_line(cell))
            continue
        wrote += 1
        commit = answer.commits.get(key, "")
        phase = CellPhase.RESTORING if effect.back else CellPhase.WRITTEN
        cell = replace(moved(cell, phase, draft.now), commit=commit, asked=Asked.WRITE)
        draft.put(position, cell, what=f"{wanted} written{' as ' + commit[:7] if commit else ''}")
    if current and wrote:
        draft.put_wave(effect.wave, change=answer.pull_request, merged="")
        if answer.pull_request:
            draft.tell(f"pull request {answer.pull_request} opened", wave=effect.wave)


def _merged(draft: Draft, effect: Merged, commit: str) -> None:
    if draft.waves[effect.wave].change != effect.pull_request:
        return
    draft.put_wave(effect.wave, merged=commit)
    draft.tell(f"pull request {effect.pull_request} merged as {commit[:7]}", wave=effect.wave)
    for position in draft.board.waves[effect.wave]:
        cell = draft.cells[position]
        if cell.asked is Asked.WRITE:
            draft.put(position, replace(cell, commit=commit, since=draft.now))


def _checked(draft: Draft, effect: Check, versions: Mapping[CellKey, str]) -> None:
    for key in effect.cells:
        position = draft.board.index[key]
        cell = draft.cells[position]
        plan = draft.plan.cells[position]
        goal = draft.board.base(position, cell) if draft.state.restoring else plan.to_version
        found = versions.get(key, "")
        if _awaits_git(cell) and found and found != goal:
            cell = changed(cell, found, IN_GIT, draft.now)
            draft.put(position, cell, what=_line(cell))


def _asked(draft: Draft, key: CellKey, asked: Asked) -> None:
    position = draft.board.index[key]
    cell = draft.cells[position]
    before = {Asked.WRITE, Asked.REFRESH} if asked is Asked.SYNC else {Asked.WRITE}
    if cell.asked in before and cell.phase not in {CellPhase.FAILED, CellPhase.CHANGED, CellPhase.SKIPPED}:
        draft.put(position, replace(cell, asked=asked), what="sync asked for" if asked is Asked.SYNC else "")


def _troubled(draft: Draft, effect: Effect, trouble: Trouble) -> None:
    if draft.state.phase not in {RolloutPhase.RUNNING, RolloutPhase.ROLLING_BACK}:
        return
    if not trouble.lasting:
        if draft.state.reason != trouble.message:
            draft.set(reason=trouble.message)
            draft.tell(f"waits: {trouble.message}")
        return
    match effect:
        case Sync():
            position = draft.board.index[effect.cell]
            cell = failed(draft.cells[position], f"sync refused: {trouble.message}", draft.now)
            draft.put(position, cell, what=_line(cell))
        case Merged():
            _closed(draft, effect, trouble.message)
        case Ask():
            gates.fail(draft, effect.wave, effect.gate, trouble.message)
        case Write():
            draft.halt(trouble.message)
        case _:
            draft.set(reason=trouble.message)


def _closed(draft: Draft, effect: Merged, message: str) -> None:
    """A pull request that was closed: nothing of it is in Git, and it is for a human to say what follows."""
    draft.put_wave(effect.wave, change="", merged="")
    for position in draft.board.waves[effect.wave]:
        cell = draft.cells[position]
        if cell.asked is Asked.WRITE:
            cell = failed(replace(cell, asked=Asked.NOTHING, commit=""), message, draft.now)
            draft.put(position, cell, what=_line(cell))
    draft.halt(message)
