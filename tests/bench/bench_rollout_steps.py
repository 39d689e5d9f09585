"""What a step of a rollout over 6,000 cells costs: ``python -m tests.bench.bench_rollout_steps``.

A rollout in three waves, driven without a cluster: advance, effects and answers as they come, and what is stored.
Wanted: no more than 20 ms for a step in which one application changed, so that ten a second leave the loop free.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any, TypeVar

import msgspec

from fleetui.engine.rollout import codec, machine
from fleetui.engine.rollout.board import Board
from fleetui.engine.rollout.effects import Write
from fleetui.engine.rollout.ports import Sight, Written
from fleetui.model.rollout import Rollout, RolloutPhase, RolloutState
from fleetui.model.status import HealthStatus
from tests.engine.rollout_world import HUB, NEW, OLD, plan

WAVES = (10, 490, 5_500)
WANTED = 20.0
T = TypeVar("T")


def main() -> None:
    planned = plan(WAVES)
    board = Board(planned)
    old, new = (Sight(version, True, HealthStatus.HEALTHY, automated=True) for version in (OLD, NEW))
    seen = {cell.key: old for cell in planned.cells}
    rollout, now, steps = Rollout(planned, RolloutState()), 1e9, 0
    slowest = dict.fromkeys(("advance", "effects", "answered", "stored"), 0.0)

    def timed(what: str, work: Callable[..., T], *given: Any) -> T:
        begun = time.perf_counter()
        found = work(*given)
        slowest[what] = max(slowest[what], (time.perf_counter() - begun) * 1000)
        return found

    while not rollout.state.phase.ended:
        steps += 1
        rollout = timed("advance", machine.advance, rollout, board, seen, now)
        for effect in timed("effects", machine.effects, rollout, board, seen, now):
            answer = Written(dict.fromkeys(effect.cells, "c" * 40)) if isinstance(effect, Write) else None
            rollout = timed("answered", machine.answered, rollout, board, effect, answer, now)
            seen |= dict.fromkeys(effect.cells, new) if isinstance(effect, Write) else {}
        timed("stored", codec.changes, rollout)
        now += 11
    print(f"{sum(WAVES)} cells in {steps} steps; the slowest of each, milliseconds:")
    for what, took in slowest.items():
        print(f"{what:12}{took:8.1f}")

    running = msgspec.structs.replace(rollout.state, phase=RolloutPhase.RUNNING, ended_at=None)
    rollout = msgspec.structs.replace(rollout, state=running)
    begun = time.perf_counter()
    one = planned.cells[-1].key
    for _ in range(20):
        seen[one] = Sight(NEW, True, HealthStatus.PROGRESSING, automated=True)
        rollout = machine.advance(rollout, board, seen, now)
        machine.effects(rollout, board, seen, now)
        seen[one] = new
        rollout = machine.advance(rollout, board, seen, now)
        rollout = msgspec.structs.replace(rollout, state=msgspec.structs.replace(rollout.state, phase="running"))
    took = (time.perf_counter() - begun) * 1000 / 40
    print(f"one application changed: {took:.1f} (wanted: {WANTED:g} at most)")
    obj = codec.encode(rollout)
    begun = time.perf_counter()
    codec.decode(HUB, obj, plan=planned)
    took = (time.perf_counter() - begun) * 1000
    print(f"ConfigMap: {len(msgspec.json.encode(obj)) // 1024} KiB; read in {took:.1f}")


if __name__ == "__main__":
    main()
