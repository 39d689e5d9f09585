"""What the sight of an application means for its cell.

Owns: `observe`, from a cell and what is seen to the cell as it then stands. Called by `fleetui.engine.rollout.machine`
for each cell that the rollout has written. Pure: no clock; `now` is given.
"""

from __future__ import annotations

from fleetui.engine.rollout.board import brief, replace
from fleetui.engine.rollout.ports import Sight
from fleetui.model.rollout import Asked, CellPhase, CellState
from fleetui.model.status import HealthStatus

IN_GIT = "git"
IN_APP = "application"

_UNDER_WAY = frozenset({CellPhase.SYNCING, CellPhase.PROGRESSING, CellPhase.HEALTHY})
"""The application has been seen with the rollout's version."""
_OBSERVED = _UNDER_WAY | {CellPhase.WRITTEN, CellPhase.RESTORING, CellPhase.FAILED}


def observe(state: CellState, sight: Sight, *, goal: str, back: bool, now: float, patience: float) -> CellState:
    """A cell as it stands after a look at its application; the same object where that is no news.

    Args:
        goal: the version that the cell is on its way to.
        back: it is the version that the cell had before.
        patience: seconds for which the application may be degraded or gone.
    """
    if state.phase not in _OBSERVED or state.asked is Asked.NOTHING:
        return state
    if sight.away:
        # Of the time that nobody sees it nothing counts as trouble.
        away = brief(sight.away)
        return state if state.away == away else replace(state, away=away, trouble_since=None)
    if state.away:
        # On the way back its time is counted from here.
        state = replace(state, away="", since=now if back else state.since)
    if sight.missing:
        return _troubled(state, "there is no such application any more", now, patience)
    if sight.error and not sight.synced:
        return _troubled(state, sight.error, now, patience)
    if sight.version != goal:
        return _elsewhere(state, sight, now)
    if not sight.synced:
        return _unsynced(state, sight, back, now)
    if state.asked is not Asked.SYNC:  # somebody, or something, has synced it already
        state = replace(state, asked=Asked.SYNC)
    if sight.health is HealthStatus.HEALTHY:
        return moved(state, CellPhase.RESTORED if back else CellPhase.HEALTHY, now)
    if not back and state.phase is not CellPhase.FAILED:
        state = moved(state, CellPhase.PROGRESSING, now, trouble_since=state.trouble_since)
    if sight.health is HealthStatus.DEGRADED:
        return _troubled(state, f"degraded{': ' + sight.message if sight.message else ''}", now, patience)
    return _untroubled(state)


def moved(
    state: CellState, phase: CellPhase, now: float, message: str = "", *, trouble_since: float | None = None
) -> CellState:
    """The cell in a phase; `since` stays where it was in that phase already."""
    since = state.since if state.phase is phase else now
    message = brief(message)
    if (state.phase, state.message, state.trouble_since) == (phase, message, trouble_since):
        return state
    return replace(state, phase=phase, since=since, message=message, trouble_since=trouble_since)


def failed(state: CellState, message: str, now: float) -> CellState:
    return moved(state, CellPhase.FAILED, now, message)


def changed(state: CellState, found: str, where: str, now: float) -> CellState:
    """The cell after somebody else has given it the version `found`."""
    said = f"somebody gave it version {found} meanwhile ({'in Git' if where == IN_GIT else 'in its application'})"
    return replace(moved(state, CellPhase.CHANGED, now, said), found=found, found_in=where)


def _elsewhere(state: CellState, sight: Sight, now: float) -> CellState:
    if state.phase in _UNDER_WAY and sight.version:
        return changed(state, sight.version, IN_APP, now)
    return _untroubled(state)  # not compared with Git since it was written


def _unsynced(state: CellState, sight: Sight, back: bool, now: float) -> CellState:
    # What failed before a retry says nothing about the retry.
    counts = state.asked is Asked.SYNC or not state.attempts
    if sight.failed and not sight.busy and counts:
        return failed(state, f"sync failed: {sight.failed}", now)
    if back or state.phase is CellPhase.FAILED:
        return _untroubled(state)
    return moved(state, CellPhase.SYNCING, now)


def _troubled(state: CellState, what: str, now: float, patience: float) -> CellState:
    if state.phase is CellPhase.FAILED:
        return state
    since = now if state.trouble_since is None else state.trouble_since
    if now - since >= patience:
        return failed(state, f"{what} (for {patience:g} s)" if patience else what, now)
    phase = CellPhase.PROGRESSING if state.phase is CellPhase.HEALTHY else state.phase
    return moved(state, phase, now, state.message, trouble_since=since)


def _untroubled(state: CellState) -> CellState:
    return state if state.trouble_since is None else replace(state, trouble_since=None)
