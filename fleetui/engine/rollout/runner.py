"""Carries rollouts on: looks, stores what follows, does what is to be done, stores the outcome.

Owns: `Runner`. Called by `fleetui.fleet.rollouts`. What follows from what is `machine`'s; here is when it is asked, and
that a process which is not the driver any more does nothing: each effect that changes something comes after a write
of the rollout's ConfigMap, which fails where somebody else has written it.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable, Sequence
from contextlib import closing, suppress

import msgspec

from fleetui.engine.clock import Clock
from fleetui.engine.rollout import driving, machine, restoring
from fleetui.engine.rollout.board import Board, brief
from fleetui.engine.rollout.effects import Ask, Check, Effect, Merged, Refresh, Sync, Trouble, Write
from fleetui.engine.rollout.pace import Pace
from fleetui.engine.rollout.ports import Outside, Sight, Sights, Truths, Written
from fleetui.engine.rollout.store import RolloutStore
from fleetui.model.errors import (
    ClusterError,
    ConflictError,
    FleetError,
    GoneError,
    MissingError,
    OverloadedError,
    RefusedError,
    RepositoryUnreachableError,
    UnauthorizedError,
    UnreachableError,
)
from fleetui.model.objects import is_older
from fleetui.model.rollout import CellKey, CellPlan, Driver, GateKind, Rollout, RolloutKey, RolloutPlan

_log = logging.getLogger(__name__)

_AGAIN = 5.0
"""Seconds until the hub is tried again that does not answer."""
_PASSING = (UnreachableError, OverloadedError, UnauthorizedError, ConflictError)
_AWAY = (*_PASSING, GoneError, RepositoryUnreachableError)
"""What an effect may fail with that does not mean that it will fail again."""


class Runner:
    """Drives rollouts of one hub in this process.

    Args:
        store: where they are.
        truths: the versions in Git.
        sights: the applications.
        outside: metrics and webhooks.
        clock: the time.
        holder: this process, unlike any other.
        who: who has started it, as ``ann@bastion``.
    """

    def __init__(
        self,
        store: RolloutStore,
        truths: Truths,
        sights: Sights,
        outside: Outside,
        *,
        clock: Clock,
        holder: str,
        who: str,
    ) -> None:
        self.store = store
        self.truths = truths
        self.sights = sights
        self.outside = outside
        self.clock = clock
        self.holder = holder
        self.who = who

    async def run(self, key: RolloutKey, *, take_over: bool = False) -> Rollout:
        """Carries a rollout on until it ends, waits for a human, or another process drives it; returns it as it is.

        Raises:
            RefusedError: another process drives it, and `take_over` is not asked for; its plan leads to a repository
                that nothing of the fleet names, or was changed after it began.
            MissingError: there is none, or no longer.
            ClusterError: the hub does not let it be read or written.
        """
        rollout = await self.store.get(key)
        if rollout.state.phase.ended or machine.waits_for_human(rollout):
            return rollout
        plan = rollout.plan
        await self.truths.refuse_strange(plan)

        def take(rollout: Rollout) -> Rollout:
            _refuse_changed(rollout, plan)
            now = self.clock.now()
            return driving.take(rollout, self.me(since=now), now, take_over=take_over)

        rollout = await self.store.update(rollout, take)
        return await _Drive(self, rollout).run()

    def me(self, *, since: float) -> Driver:
        return Driver(self.holder, self.who, self.clock.now() + driving.DURATION, since)


def _refuse_changed(rollout: Rollout, plan: RolloutPlan) -> None:
    """A plan never changes: one that did is not what was looked at, and some hand's."""
    if rollout.plan is not plan and rollout.plan != plan:
        message = (
            f"the plan of rollout {plan.key.name} was changed in {plan.key.hub}/{plan.key.namespace} after it began"
        )
        raise RefusedError(message, "look at what it says now, and resume it or delete it")


class _LostError(Exception):
    """Another process is the driver now."""


class _Drive:
    """One rollout while this process drives it."""

    def __init__(self, runner: Runner, rollout: Rollout) -> None:
        self._runner = runner
        self._rollout = rollout
        self._plan = rollout.plan
        self._board = Board(rollout.plan)
        self._pace = Pace()
        self._woken = asyncio.Event()
        self._writing = asyncio.Lock()
        self._lost = False
        self._writing_to_git = False
        self._away = ""
        self._answers: list[tuple[Effect, machine.Answer | Trouble]] = []

    async def run(self) -> Rollout:
        store, key = self._runner.store, self._rollout.plan.key
        renewal = asyncio.create_task(self._renew(), name=f"driver of rollout {key.name}")
        try:
            with (
                closing(store.watch(key, self._woken.set)),
                closing(self._runner.sights.subscribe(self._rollout.plan.cells, self._woken.set)),
            ):
                await self._go()
        except _LostError:
            _log.info("rollout %s is driven by %s now", key.name, self._rollout.state.driver.who)
            await self._tell_late()
        finally:
            renewal.cancel()
            await asyncio.gather(renewal, return_exceptions=True)
            await self._release()
        return self._rollout

    async def _go(self) -> None:
        while True:
            self._woken.clear()
            try:
                wait = await self._step()
                self._away = ""
            except _PASSING as error:
                self._warn(error)
                wait = _AGAIN
            if wait is None:
                return
            if wait > 0:
                await self._sleep(wait)

    def _warn(self, error: FleetError) -> None:
        """Says why the rollout stands still in the hub, once for as long as it does."""
        if self._away != str(error):
            self._away = str(error)
            _log.warning("rollout %s waits: %s", self._rollout.plan.key.name, error)

    async def _step(self) -> float | None:
        """Does what can be done now; returns for how many seconds nothing will be, None where it is over."""
        clock = self._runner.clock
        await self._take_orders()
        if self._answers:
            await self._change(self._answered)
            self._answers.clear()
        if self._rollout.state.phase.ended:
            return None
        seen = await self._look()
        before = self._rollout.version
        await self._change(lambda rollout: machine.advance(rollout, self._board, seen, clock.now()))
        if self._rollout.state.phase.ended or machine.waits_for_human(self._rollout):
            return None
        now = clock.now()
        due = self._pace.due(machine.effects(self._rollout, self._board, seen, now), now)
        if due:
            if self._rollout.version == before and any(isinstance(effect, Write | Sync) for effect in due):
                await self._change(lambda rollout: rollout, renew=True)
                # What was stored meanwhile may want something else.
                wanted = set(machine.effects(self._rollout, self._board, seen, now))
                due = [effect for effect in due if effect in wanted]
            await self._carry_out(due)
            return 0.0
        times = (machine.wake_at(self._rollout, self._board, now), self._pace.wake_at(now))
        # An hour: the clock may be set, and a look costs little.
        return min([time - now for time in times if time is not None], default=3600.0)

    async def _take_orders(self) -> None:
        """Reads the rollout again where somebody else has changed it."""
        store, key = self._runner.store, self._rollout.plan.key
        told = store.version_seen(key)
        if is_older(self._rollout.version, told):
            async with self._writing:
                self._rollout = await store.get(key)
            self._pace.at_once()
        self._refuse_lost(self._rollout)

    async def _look(self) -> dict[CellKey, Sight]:
        cells = self._rollout.plan.cells
        begun = [cells[position] for position in self._board.begun(self._rollout.state)]
        return {cell.key: await self._runner.sights.look(cell) for cell in begun}

    # --- effects ----------------------------------------------------------------------------------------------------

    async def _carry_out(self, due: Sequence[Effect]) -> None:
        self._writing_to_git = any(isinstance(effect, Write) for effect in due)
        answers = await asyncio.gather(*map(self._one, due))
        self._writing_to_git = False
        now = self._runner.clock.now()
        for effect, answer in zip(due, answers, strict=True):
            self._pace.done(effect, now, failed=isinstance(answer, Trouble))
        self._answers += zip(due, answers, strict=True)
        await self._change(self._answered)
        self._answers.clear()

    async def _tell_late(self) -> None:
        """What this process wrote to Git while another one took over is told to the rollout, which may have gone back
        in that moment without a trace of it."""
        for effect, answer in self._answers:
            if isinstance(effect, Write) and isinstance(answer, Written) and not effect.back:
                try:
                    await self._written_late(effect)
                except FleetError as error:
                    _log.warning("rollout %s: what was written last could not be told: %s", self._plan.key.name, error)

    async def _written_late(self, effect: Write) -> None:
        runner = self._runner
        found = await runner.truths.versions([self._cell(key) for key in effect.cells])
        known = await runner.store.get(self._plan.key)
        self._rollout = await runner.store.update(
            known, lambda rollout: restoring.written_late(rollout, effect, found, runner.clock.now())
        )

    async def _one(self, effect: Effect) -> machine.Answer | Trouble:
        try:
            return await self._ask(effect)
        except FleetError as error:
            return Trouble(brief(str(error)), lasting=not isinstance(error, _AWAY))

    async def _ask(self, effect: Effect) -> machine.Answer:
        runner, rollout = self._runner, self._rollout
        plan = rollout.plan
        match effect:
            case Write():
                wanted = dict(zip(effect.cells, effect.wanted, strict=True))
                expected = dict(zip(effect.cells, effect.expected, strict=True))
                return await runner.truths.write(plan, plan.waves[effect.wave].name, wanted, expected=expected)
            case Merged():
                # A page for each repository; all of them count.
                found = [await runner.truths.merged(plan, page) for page in effect.pull_request.split()]
                return found[-1] if all(found) else ""
            case Check():
                return await runner.truths.versions([self._cell(key) for key in effect.cells])
            case Refresh():
                await runner.sights.refresh(self._cell(effect.cell))
                return None
            case Sync():
                await runner.sights.sync(self._cell(effect.cell), rollout)
                return None
            case Ask():
                wave = plan.waves[effect.wave]
                gate = wave.gates[effect.gate]
                if gate.kind is GateKind.METRIC:
                    return await runner.outside.metric(gate)
                return await runner.outside.webhook(gate, rollout, wave.name)

    def _cell(self, key: CellKey) -> CellPlan:
        return self._plan.cells[self._board.index[key]]

    # --- the stored rollout -----------------------------------------------------------------------------------------

    def _answered(self, rollout: Rollout) -> Rollout:
        now = self._runner.clock.now()
        for effect, answer in self._answers:
            rollout = machine.answered(rollout, self._board, effect, answer, now)
        return rollout

    async def _change(self, change: Callable[[Rollout], Rollout], *, renew: bool = False) -> None:
        """Stores a change, and that this process is the driver for a while longer.

        Raises:
            _LostError: it is not the driver any more; nothing is written.
        """

        def changed(rollout: Rollout) -> Rollout:
            self._refuse_lost(rollout)
            after = change(rollout)
            if after is rollout and not renew:
                return rollout
            me = self._runner.me(since=after.state.driver.since)
            return msgspec.structs.replace(after, state=msgspec.structs.replace(after.state, driver=me))

        async with self._writing:
            self._rollout = await self._runner.store.update(self._rollout, changed)

    def _refuse_lost(self, rollout: Rollout) -> None:
        _refuse_changed(rollout, self._plan)
        if self._lost or not driving.drives(rollout, self._runner.holder):
            self._rollout = rollout
            self._lost = True
            raise _LostError

    async def _renew(self) -> None:
        pause = driving.RENEW
        while True:
            await self._pause(pause)
            try:
                due = self._rollout.state.driver.until - self._runner.clock.now()
                if due <= driving.DURATION - driving.RENEW:
                    await self._change(lambda rollout: rollout, renew=True)
                pause = driving.RENEW
            except ClusterError as error:
                self._warn(error)
                pause = _AGAIN
            except (_LostError, MissingError, RefusedError):
                self._woken.set()
                return

    async def _release(self) -> None:
        if self._writing_to_git:
            return  # a push that was interrupted may still arrive: it expires, and nobody goes back before that

        def released(rollout: Rollout) -> Rollout:
            if not driving.drives(rollout, self._runner.holder):
                return rollout
            return msgspec.structs.replace(rollout, state=msgspec.structs.replace(rollout.state, driver=Driver()))

        with suppress(FleetError):  # it expires
            self._rollout = await self._runner.store.update(self._rollout, released)

    # --- waiting ----------------------------------------------------------------------------------------------------

    async def _sleep(self, seconds: float) -> None:
        timer = self._runner.clock.call_later(seconds, self._woken.set)
        try:
            await self._woken.wait()
        finally:
            timer.cancel()

    async def _pause(self, seconds: float) -> None:
        over = asyncio.Event()
        timer = self._runner.clock.call_later(seconds, over.set)
        try:
            await over.wait()
        finally:
            timer.cancel()
