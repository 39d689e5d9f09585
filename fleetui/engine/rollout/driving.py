"""Who carries a rollout on: the field that says so, taken, held and given back.

Owns: the rules of `Driver`. Called by `fleetui.engine.rollout.runner`. Pure.
"""

from __future__ import annotations

from fleetui.engine.rollout.board import Board, Draft
from fleetui.engine.rollout.gates import reopened
from fleetui.model.errors import RefusedError
from fleetui.model.rollout import Driver, Rollout
from fleetui.model.times import format_time

DURATION = 60.0
"""Seconds without a renewal after which a driver counts as gone."""
RENEW = 20.0
"""Seconds between two renewals; two may fail in a row."""


def take(rollout: Rollout, me: Driver, now: float, *, take_over: bool) -> Rollout:
    """The rollout with `me` as its driver.

    Where nobody looked on for a while, what must hold without a break begins anew.

    Raises:
        RefusedError: another process drives it, and `take_over` is not asked for.
    """
    driver = rollout.state.driver
    if is_driven(rollout, now) and driver.holder != me.holder and not take_over:
        raise RefusedError(
            f"rollout {rollout.plan.key.name} is driven by {driver.who} until {format_time(driver.until)}",
            "it goes on there; take it over to drive it from here",
        )
    draft = Draft(rollout, Board(rollout.plan), now)
    draft.set(driver=me)
    if driver.holder != me.holder:
        if not is_driven(rollout, now) and rollout.state.started_at is not None:
            wave = reopened(draft.waves[draft.state.wave])
            draft.put_wave(draft.state.wave, gates=wave.gates)
        draft.tell("taken over" if is_driven(rollout, now) else "carried on", who=me.who)
    return draft.done()


def is_driven(rollout: Rollout, now: float) -> bool:
    """Whether some process drives it now."""
    return bool(rollout.state.driver.holder) and now < rollout.state.driver.until


def drives(rollout: Rollout, holder: str) -> bool:
    """Whether `holder` is the driver, also where it is late with its renewal: nobody else has taken it yet."""
    return rollout.state.driver.holder == holder
