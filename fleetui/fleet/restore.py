"""Automated sync after a rollback: off, until Git no longer leads to what was rolled back.

Owns: `restore_automation`. To switch it on at once would undo the rollback, because Git still says what it said. Called
by the command line and the console; it goes on only as long as they do.
"""

from __future__ import annotations

from fleetui.fleet.api import Fleet
from fleetui.fleet.views import Action, ActionKind, Outcome
from fleetui.fleet.wait import until, wait_for
from fleetui.model.app import App, AppKey
from fleetui.model.errors import UnmetError
from fleetui.model.status import OperationPhase


async def restore_automation(fleet: Fleet, key: AppKey, *, away_from: str, timeout: float | None = None) -> Outcome:
    """Waits for the end of a rollback, and then until Git leads to another commit; then resumes automated sync.

    Args:
        fleet: a fleet that has been started.
        key: the application.
        away_from: the commit that was rolled back.
        timeout: seconds; None waits for ever.

    Raises:
        UnmetError: the rollback failed, or the time is over: automated sync stays off, and the sentence says so.
        FleetError: as `wait_for` and the action itself.
    """
    app = await wait_for(fleet, key, operation=True, timeout=timeout)
    if app.operation is not None and app.operation.phase is not OperationPhase.SUCCEEDED:
        raise UnmetError(f"{key}: the rollback {app.operation.phase}, so automated sync stays off", resume_hint(key))

    def lacks(app: App | None) -> list[str]:
        moved = app is not None and app.revision not in {"", away_from}
        return [] if moved else [f"Git still leads to {away_from[:7]}; automated sync stays off"]

    await until(fleet, key, lacks, timeout=timeout, hint=resume_hint(key))
    return await fleet.execute(Action(kind=ActionKind.RESUME, app=key))


def resume_hint(key: AppKey) -> str:
    """How an operator switches it on later."""
    return f"fleetui resume {key}"
