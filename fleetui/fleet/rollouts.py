"""The rollouts of every hub: begun, watched, steered, and carried on in this process.

Owns: `LiveRollouts`, the implementation of `fleetui.fleet.rolloutapi.Rollouts`. Made by `fleetui.fleet.fleet`. What
follows from what is decided in `fleetui.engine.rollout`; here is who may ask for it, and which process drives.
"""

from __future__ import annotations

import asyncio
import logging
import os
import socket
from collections.abc import Awaitable, Callable, Iterable, Mapping, Sequence
from contextlib import suppress
from uuid import uuid4

from fleetui.engine.clock import Clock
from fleetui.engine.lease import is_dead
from fleetui.engine.rollout import gates
from fleetui.engine.rollout.orders import obey
from fleetui.engine.rollout.ports import Outside, Sights, Truths, Verdict
from fleetui.engine.rollout.runner import Runner
from fleetui.engine.rollout.store import RolloutStore
from fleetui.fleet.audit import Audit, AuditRecord, Ending
from fleetui.fleet.rolloutapi import PlannedRollout, RolloutRequest
from fleetui.fleet.store import LiveStore
from fleetui.model.app import AppKey
from fleetui.model.errors import ClusterError, FleetError, ForbiddenError, MissingError, RefusedError
from fleetui.model.objects import ClusterName
from fleetui.model.rollout import Gate, Order, Rollout, RolloutKey, RolloutPlan, RolloutState, Verb
from fleetui.ports import Subscription

_log = logging.getLogger(__name__)


class LiveRollouts:
    """See `fleetui.fleet.rolloutapi.Rollouts`.

    Args:
        stores: the chosen clusters.
        hubs: those of them that hold applications, each with the namespaces in which they are.
        planner: answers `plan`.
        versions: answers `versions`.
        truths, sights, outside: what rollouts ask of the world.
        audit: where it is recorded who began one, and asked something of it.
        clock: the time.
        read_only: refuse everything.
    """

    def __init__(
        self,
        stores: Mapping[ClusterName, LiveStore],
        hubs: Callable[[], Mapping[ClusterName, frozenset[str]]],
        *,
        planner: Callable[[RolloutRequest], Awaitable[PlannedRollout]],
        versions: Callable[[Sequence[AppKey]], Awaitable[frozenset[str]]],
        truths: Truths,
        sights: Sights,
        outside: Outside,
        audit: Audit,
        clock: Clock,
        read_only: bool,
    ) -> None:
        self._stores = {name: RolloutStore(store) for name, store in stores.items()}
        self._hubs = hubs
        self._planner = planner
        self._versions = versions
        self._truths, self._sights, self._outside = truths, sights, outside
        self._audit = audit
        self._clock = clock
        self._read_only = read_only
        self._holder = f"{socket.gethostname()}_{os.getpid()}_{uuid4().hex[:8]}"
        self._drives: dict[RolloutKey, asyncio.Task[Rollout]] = {}

    async def versions(self, apps: Sequence[AppKey]) -> frozenset[str]:
        return await self._versions(apps)

    async def plan(self, request: RolloutRequest) -> PlannedRollout:
        return await self._planner(request)

    async def start(self, planned: PlannedRollout, *, drive: bool = True) -> Rollout:
        plan = planned.plan
        self._refuse_read_only()
        nothing = () if plan.cells else ("there is nothing to do",)
        problem = next(iter((*planned.refusals, *nothing, *gates.problems(plan))), "")
        if problem:
            raise RefusedError(f"rollout {plan.key.name} can't begin: {problem}")
        await self._refuse_shared(plan)
        self._truths.vouch({cell.truth.url for cell in plan.cells})  # planned by this process, not read from a hub
        try:
            rollout = await self._store(plan.key.hub).create(Rollout(plan, RolloutState()))
        except FleetError as error:
            self._record("start", plan.key, message=str(error))
            raise
        self._record("start", plan.key)
        if drive:
            self._begin(plan.key, take_over=False).add_done_callback(_log_failure)
        return rollout

    async def all(self) -> tuple[Rollout, ...]:
        found = await asyncio.gather(*(self._of_hub(*hub) for hub in self._hubs().items()))
        rollouts = [rollout for each in found for rollout in each]
        return tuple(sorted(rollouts, key=lambda each: (each.state.phase.ended, -each.plan.created_at)))

    async def get(self, key: RolloutKey) -> Rollout:
        return await self._store(key.hub).get(key)

    def subscribe(self, key: RolloutKey, listener: Callable[[Rollout], None]) -> Subscription:
        store = self._store(key.hub)
        told = ""

        def changed() -> None:
            nonlocal told
            if store.version_seen(key) == told:
                return
            told = store.version_seen(key)
            try:
                rollout = store.seen(key)
            except FleetError as error:
                _log.warning("%s", error)
                return
            if rollout is not None:
                listener(rollout)

        subscription = store.watch(key, changed)
        changed()
        return subscription

    async def order(self, key: RolloutKey, order: Order) -> Rollout:
        self._refuse_read_only()
        store = self._store(key.hub)
        try:
            rollout = await store.get(key)
            if order.verb is Verb.ROLL_BACK and rollout.state.phase.ended:
                await self._refuse_shared(rollout.plan)
            after = await store.update(rollout, lambda rollout: obey(rollout, order, self._clock.now()))
        except FleetError as error:
            self._record(order.verb, key, message=str(error), refused=isinstance(error, RefusedError))
            raise
        self._record(order.verb, key)
        return after

    async def drive(self, key: RolloutKey, *, take_over: bool = False, truths: Sequence[str] = ()) -> None:
        self._refuse_read_only()
        self._truths.vouch(truths)
        task = self._drives.get(key)
        if task is not None:
            await asyncio.shield(task)
            return
        # What was a process of this machine and is gone does not come back.
        gone = is_dead((await self.get(key)).state.driver.holder)
        task = self._begin(key, take_over=take_over or gone)
        try:
            await asyncio.shield(task)
        except asyncio.CancelledError:
            task.cancel()
            await asyncio.gather(task, return_exceptions=True)
            raise

    def driving(self, key: RolloutKey) -> bool:
        return key in self._drives

    async def close(self) -> None:
        """Gives every rollout back that this process drives."""
        tasks = list(self._drives.values())
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)

    # --- inside -----------------------------------------------------------------------------------------------------

    def _begin(self, key: RolloutKey, *, take_over: bool) -> asyncio.Task[Rollout]:
        runner = Runner(
            self._store(key.hub),
            self._truths,
            self._sights,
            self._outside,
            clock=self._clock,
            holder=self._holder,
            who=self._audit.operator.who,
        )
        task = asyncio.get_running_loop().create_task(runner.run(key, take_over=take_over), name=f"rollout {key}")
        self._drives[key] = task
        task.add_done_callback(lambda _: self._drives.pop(key, None))
        return task

    def _store(self, hub: ClusterName) -> RolloutStore:
        if hub not in self._stores:
            raise MissingError(f"there is no hub {hub} among the chosen clusters", "--context chooses it")
        return self._stores[hub]

    async def _of_hub(self, hub: ClusterName, namespaces: Iterable[str]) -> list[Rollout]:
        store = self._store(hub)
        with suppress(ForbiddenError):
            try:
                return await store.all()
            except ForbiddenError:
                found = await asyncio.gather(*map(store.all, sorted(namespaces)))
                return [rollout for each in found for rollout in each]
            except ClusterError as error:  # that it does not answer is shown as its state
                _log.info("the rollouts of %s are not known: %s", hub, error)
        return []

    async def _refuse_shared(self, plan: RolloutPlan) -> None:
        """Two rollouts that move one cell would undo each other."""
        mine = {cell.app for cell in plan.cells}
        for other in await self.all():
            if other.plan.key == plan.key or other.state.phase.ended:
                continue
            shared = next((cell.key for cell in other.plan.cells if cell.app in mine), None)
            if shared is not None:
                name = other.plan.key.name
                raise RefusedError(
                    f"rollout {name}, which is {other.state.phase}, has {shared} too", f"end {name} first"
                )

    def _refuse_read_only(self) -> None:
        if self._read_only:
            raise RefusedError("this console is read-only (--read-only)")

    def _record(self, what: str, key: RolloutKey, *, message: str = "", refused: bool = False) -> None:
        ending = Ending.ACCEPTED if not message else Ending.REFUSED if refused else Ending.FAILED
        self._audit.write(
            lambda time, operator: AuditRecord(
                time=time,
                who=operator.who,
                origin=operator.origin,
                action=f"rollout {what}",
                app="",
                cluster=key.hub,
                ending=ending,
                message=message,
                rollout=f"{key.namespace}/{key.name}",
            )
        )


class NobodyOutside:
    """See `fleetui.engine.rollout.ports.Outside`: for a fleet that can ask nobody."""

    async def metric(self, gate: Gate) -> Verdict:
        raise RefusedError(f"nothing here can ask {gate.url}")

    async def webhook(self, gate: Gate, rollout: Rollout, wave: str) -> Verdict:
        raise RefusedError(f"nothing here can ask {gate.url}")


def _log_failure(task: asyncio.Task[Rollout]) -> None:
    if not task.cancelled() and task.exception() is not None:
        _log.error("%s: %s", task.get_name(), task.exception())
