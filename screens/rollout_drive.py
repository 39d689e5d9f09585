"""The rollouts that this console carries on.

Owns: `drive`, and the name of the workers that do it. A rollout goes on when its screen is left; how it
stopped is told.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, cast

from textual.app import App

if TYPE_CHECKING:
    from fleetui.model.rollout import Rollout, RolloutKey
    from screens.host import Host

DRIVING = "driving"
"""The group of the workers that carry rollouts on; each is named after its rollout."""


def drive(app: App[None], key: RolloutKey, *, take_over: bool = False) -> None:
    """Carries a rollout on while the console runs, until it ends or waits for a human; one that it does already
    once."""
    if any(worker.group == DRIVING and worker.name == key.name and worker.is_running for worker in app.workers):
        return
    app.run_worker(
        _drive(cast("Host", app), key, take_over=take_over), name=key.name, group=DRIVING, exit_on_error=False
    )


async def _drive(host: Host, key: RolloutKey, *, take_over: bool) -> None:
    from fleetui.fleet.rolloutview import waits_for
    from fleetui.model.errors import FleetError

    fleet = host.fleet
    if fleet is None:
        return

    async def driven() -> Rollout:
        await fleet.rollouts.drive(key, take_over=take_over)
        return await fleet.rollouts.get(key)

    try:
        rollout = await host.on_engine(driven())
    except FleetError as error:
        host.tell(str(error), error=True)
    except Exception as error:
        host.tell(host.tell_unexpected(error, f"driving the rollout {key.name}"), error=True)
    else:
        waits = waits_for(rollout, host.now())
        host.tell(f"Rollout {key.name}: {waits or rollout.state.phase}", error=bool(waits))
