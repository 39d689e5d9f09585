"""How often the same is asked: owns `Pace`. Called by `fleetui.engine.rollout.runner`. Pure; `now` is given."""

from __future__ import annotations

from collections.abc import Sequence

from fleetui.engine.rollout.effects import Ask, Check, Effect, Merged, Sync

ASK = 15.0
"""Seconds between two looks at a metric, a webhook or a pull request."""
CHECK = 60.0
_FIRST, _LAST = 5.0, 60.0
"""Seconds after which what failed is tried again: at first, and at most."""
AT_ONCE = 200
SYNCS_AT_ONCE = 20
"""Few, because what they bring decides whether more are begun."""


class Pace:
    """Bounds the effects of one rollout."""

    def __init__(self) -> None:
        self._next: dict[Effect, float] = {}
        self._pauses: dict[Effect, float] = {}

    def due(self, effects: Sequence[Effect], now: float) -> list[Effect]:
        """Those that may be carried out now. What is not wanted any more is forgotten."""
        wanted = set(effects)
        for kept in (self._next, self._pauses):
            for effect in [effect for effect in kept if effect not in wanted]:
                del kept[effect]
        due = [effect for effect in effects if self._next.get(effect, now) <= now]
        syncs = [effect for effect in due if isinstance(effect, Sync)][:SYNCS_AT_ONCE]
        return [*syncs, *(effect for effect in due if not isinstance(effect, Sync))][:AT_ONCE]

    def done(self, effect: Effect, now: float, *, failed: bool) -> None:
        """Says that an effect was carried out, or could not be."""
        if failed:
            pause = self._pauses.get(effect, _FIRST / 2) * 2
            self._pauses[effect] = min(pause, _LAST)
            self._next[effect] = now + self._pauses[effect]
            return
        self._pauses.pop(effect, None)
        pause = CHECK if isinstance(effect, Check) else ASK if isinstance(effect, Ask | Merged) else _FIRST
        self._next[effect] = now + pause

    def at_once(self) -> None:
        """Forgets all pauses: somebody gave an order."""
        self._next.clear()
        self._pauses.clear()

    def wake_at(self, now: float) -> float | None:
        return min((time for time in self._next.values() if time > now), default=None)
