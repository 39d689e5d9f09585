"""Rollouts that say what a test tells them to, and a fleet with an addon matrix for them.

`FakeRollouts` implements `fleetui.fleet.rolloutapi.Rollouts`.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from functools import partial
from math import ceil
from typing import Any

from msgspec.structs import replace

from fleetui.fleet.cells import cell_of, version_of
from fleetui.fleet.naming import ClusterNames
from fleetui.fleet.rolloutapi import ChangeGroup, PlannedRollout, RolloutRequest, WaveRule
from fleetui.fleet.views import PlanEntry
from fleetui.model.app import App, AppKey, Destination
from fleetui.model.errors import MissingError, RefusedError
from fleetui.model.objects import ClusterName
from fleetui.model.rollout import (
    CellKey,
    CellPhase,
    CellPlan,
    CellState,
    Driver,
    Gate,
    GateKind,
    GateState,
    Order,
    Rollout,
    RolloutEvent,
    RolloutKey,
    RolloutPhase,
    RolloutPlan,
    RolloutState,
    Truth,
    WavePlan,
    WaveState,
)
from tests.screens.fake_fleet import NOW, FakeFleet, FakeSubscription, app, ref, status

HUB = ClusterName("hub")
CITIES = {
    "seoul-1": "asia", "tokyo-1": "asia", "osaka-1": "asia", "busan-1": "asia", "delhi-1": "asia", "macau-1": "asia",
    "hanoi-1": "asia", "paris-1": "europe", "milan-1": "europe", "porto-1": "europe", "turin-1": "europe",
    "basel-1": "europe",
}  # fmt: skip
TRUTH = Truth(
    "element", "https://git.example.com/addons.git", "main", "appsets/addons.yaml", field="elements.1.version"
)
GATES = (Gate(GateKind.SYNCED), Gate(GateKind.HEALTHY, seconds=300.0))


def addon_app(cluster: str, addon: str, version: str, **more: Any) -> App:
    return app(
        f"{cluster}-{addon}",
        HUB,
        labels={"addon": addon, "version": version},
        destination=Destination(name=cluster, namespace=addon),
        **more,
    )


def addon_fleet(**more: Any) -> FakeFleet:
    """Twelve clusters in two regions behind one hub, with cert-manager on each; the European ones are protected."""
    apps = [addon_app(city, "cert-manager", "1.15.0" if city == "basel-1" else "1.14.5") for city in CITIES]
    clusters = [
        status(city, labels={"region": region}, origin=f"hub {HUB}", protected=region == "europe")
        for city, region in CITIES.items()
    ]
    fleet = FakeFleet(*apps, clusters=(status(HUB), *clusters), **more)
    fleet.rollouts = FakeRollouts(fleet)
    return fleet


class FakeRollouts:
    """Scripted rollouts.

    `stored` are those that there are, `in_git` the versions that Git has; `orders`, `started`, `driven` and `requests`
    what was asked. `refusals` and `notes` go into each plan, and where a protected cluster takes part its name must be
    typed. `obey` makes of a rollout and an order what it then is. A drive makes of the rollout one after the other of
    `course`, and without a course goes on until `release` is called.
    """

    def __init__(self, fleet: FakeFleet, *rollouts: Rollout) -> None:
        self.fleet = fleet
        self.stored = {each.plan.key: each for each in rollouts}
        self.requests: list[RolloutRequest] = []
        self.started: list[PlannedRollout] = []
        self.orders: list[Order] = []
        self.driven: list[tuple[RolloutKey, bool]] = []
        self.vouched: list[str] = []
        self.refusals: tuple[str, ...] = ()
        self.notes: tuple[str, ...] = ()
        self.failure: Exception | None = None
        self.obey: Callable[[Rollout, Order], Rollout] = lambda rollout, order: rollout
        self.course: tuple[RolloutState, ...] = ()
        self.in_git: frozenset[str] = frozenset()
        self._listeners: dict[RolloutKey, list[Callable[[Rollout], None]]] = {}
        self._released: asyncio.Event | None = None

    async def versions(self, apps: Sequence[AppKey]) -> frozenset[str]:
        return self.in_git

    async def plan(self, request: RolloutRequest) -> PlannedRollout:
        self.requests.append(request)
        if self.failure is not None:
            raise self.failure
        return planned(self.fleet, request, refusals=self.refusals, notes=self.notes)

    async def start(self, planned: PlannedRollout, *, drive: bool = True) -> Rollout:
        assert not drive
        self.started.append(planned)
        if self.failure is not None:
            raise self.failure
        rollout = Rollout(planned.plan, RolloutState())
        self.stored[planned.plan.key] = rollout
        return rollout

    async def all(self) -> tuple[Rollout, ...]:
        if self.failure is not None:
            raise self.failure
        return tuple(sorted(self.stored.values(), key=lambda each: each.state.phase.ended))

    async def get(self, key: RolloutKey) -> Rollout:
        if key not in self.stored:
            raise MissingError(f"there is no rollout {key}")
        return self.stored[key]

    def subscribe(self, key: RolloutKey, listener: Callable[[Rollout], None]) -> FakeSubscription:
        listeners = self._listeners.setdefault(key, [])
        listeners.append(listener)
        if key in self.stored:
            listener(self.stored[key])
        return FakeSubscription(partial(listeners.remove, listener))

    @property
    def watched(self) -> int:
        """How many listen."""
        return sum(map(len, self._listeners.values()))

    def becomes(self, rollout: Rollout) -> None:
        """Has a rollout be another one; may be called from any thread."""
        assert self.fleet._loop is not None
        self.fleet._loop.call_soon_threadsafe(self._put, rollout)

    def _put(self, rollout: Rollout) -> None:
        self.stored[rollout.plan.key] = rollout
        for listener in tuple(self._listeners.get(rollout.plan.key, ())):
            listener(rollout)

    async def order(self, key: RolloutKey, order: Order) -> Rollout:
        if self.fleet.read_only:
            raise RefusedError("this console is read-only")
        self.orders.append(order)
        self._put(self.obey(await self.get(key), order))
        return self.stored[key]

    async def drive(self, key: RolloutKey, *, take_over: bool = False, truths: Sequence[str] = ()) -> None:
        self.vouched += truths
        self.driven.append((key, take_over))
        for state in self.course:
            self._put(replace(self.stored[key], state=state))
        if self.course:
            return
        self._released = asyncio.Event()
        await self._released.wait()

    def release(self) -> None:
        """Ends a drive; may be called from any thread."""
        assert self.fleet._loop is not None
        assert self._released is not None
        self.fleet._loop.call_soon_threadsafe(self._released.set)

    def driving(self, key: RolloutKey) -> bool:
        return any(each == key for each, _ in self.driven)


# --- plans -----------------------------------------------------------------------------------------------------------


def planned(
    fleet: FakeFleet, request: RolloutRequest, *, refusals: tuple[str, ...] = (), notes: tuple[str, ...] = ()
) -> PlannedRollout:
    """A plan by the rules of the request; basel-1 changes in another way than all others."""
    names = ClusterNames(fleet.clusters.values())
    cells: list[tuple[CellKey, AppKey, str]] = []
    for key, each in fleet.apps.items():
        cell = cell_of(each, names)
        if cell is not None and cell.addon in request.moves and key in (request.cells or fleet.apps):
            cells.append((cell, key, version_of(each)))
    moved = [
        CellPlan(cell, key, version, request.moves[cell.addon], TRUTH, "other" if cell.cluster == "milan-1" else "same")
        for cell, key, version in cells
        if version != request.moves[cell.addon]
    ]
    waves = tuple(_waves([each.key for each in moved], fleet, request))
    groups = tuple(
        ChangeGroup(change, found, _entries(change))
        for change in ("same", "other")
        if (found := tuple(each.key for each in moved if each.change == change))
    )
    plan = RolloutPlan(
        key=RolloutKey(HUB, "argocd", request.name or "cert-manager-1"),
        moves=dict(request.moves),
        cells=tuple(moved),
        waves=waves,
        failures_allowed=request.failures_allowed,
        delivery=request.delivery,
        message=request.message,
        created_at=NOW,
        created_by="ann@bastion",
    )
    protected = sorted(each.key.cluster for each in moved if fleet.clusters[each.key.cluster].protected)
    unchanged = tuple(cell for cell, _, version in cells if version == request.moves[cell.addon])
    return PlannedRollout(plan, groups, refusals, notes, unchanged, protected[0] if protected else "")


def _entries(change: str) -> tuple[PlanEntry, ...]:
    deployment = PlanEntry("change", ref("Deployment", "cert-manager", "apps"), "image 1.14.5 → 1.15.0")
    definition = PlanEntry("create", ref("CustomResourceDefinition", "issuers.example.com"), "")
    return (deployment, definition) if change == "same" else (deployment,)


def _waves(cells: list[CellKey], fleet: FakeFleet, request: RolloutRequest) -> list[WavePlan]:
    left, total, waves = list(cells), len(cells), []
    for rule in request.waves:
        taken = [cell for cell in left if _takes(rule, cell, fleet)]
        if rule.count is not None:
            taken = left[: rule.count]
        elif rule.percent is not None:
            taken = left[: ceil(total * rule.percent / 100)]
        left = [cell for cell in left if cell not in taken]
        gates = request.gates if rule.gates is None else rule.gates
        waves.append(WavePlan(rule.name, tuple(taken), gates, rule.failures_allowed or 0))
    return [wave for wave in waves if wave.cells]


def _takes(rule: WaveRule, cell: CellKey, fleet: FakeFleet) -> bool:
    label, _, value = rule.labels.partition("=")
    if rule.labels:
        return fleet.clusters[cell.cluster].labels.get(label) == value
    return rule.rest or cell.cluster in rule.clusters


# --- rollouts that are under way -------------------------------------------------------------------------------------


def underway(fleet: FakeFleet, **state: Any) -> Rollout:
    """The mock-up's: the second of three waves runs, its gate too, and one Deployment is not ready yet."""
    request = RolloutRequest(
        moves={"cert-manager": "1.15.0"},
        waves=(
            WaveRule("canary", clusters=(ClusterName("seoul-1"), ClusterName("tokyo-1"))),
            WaveRule("asia", labels="region=asia"),
            WaveRule("europe", rest=True, gates=(*GATES, Gate(GateKind.APPROVAL))),
        ),
        gates=GATES,
        failures_allowed=1,
    )
    plan = planned(fleet, request).plan
    healthy = CellState(CellPhase.HEALTHY, since=NOW - 300, commit="4e1f07a" + "0" * 33)
    progressing = CellState(
        CellPhase.PROGRESSING, NOW - 15, "Deployment webhook 1 of 2 ready", commit="4e1f07a" + "0" * 33
    )
    written = CellState(CellPhase.WRITTEN, NOW - 15, commit="4e1f07a" + "0" * 33)
    cells = (*[healthy] * 5, progressing, written, *[CellState()] * 4)
    passed = GateState(passed_at=NOW - 200)
    waves = (
        WaveState(NOW - 372, NOW - 200, (passed, passed)),
        WaveState(NOW - 200, None, (passed, GateState(held_since=NOW - 170))),
        WaveState(gates=(GateState(), GateState(), GateState())),
    )
    events = (
        RolloutEvent(NOW - 372, "begun", who="ann@bastion"),
        RolloutEvent(NOW - 372, "wave begun", wave="canary"),
        RolloutEvent(NOW - 200, "wave complete", wave="canary"),
        RolloutEvent(NOW - 30, "synced, healthy", cell=CellKey(ClusterName("osaka-1"), "cert-manager")),
    )
    given: dict[str, Any] = {
        "phase": RolloutPhase.RUNNING,
        "wave": 1,
        "cells": cells,
        "waves": waves,
        "driver": Driver("x", "ann@bastion", NOW + 60),
        "started_at": NOW - 372,
        "events": events,
    }
    return Rollout(plan, RolloutState(**(given | state)), version="7")


def with_cell(rollout: Rollout, cluster: str, cell: CellState, **state: Any) -> Rollout:
    """The rollout with another state of a cell."""
    cells = tuple(
        cell if plan.key.cluster == cluster else before
        for plan, before in zip(rollout.plan.cells, rollout.state.cells, strict=True)
    )
    return replace(rollout, state=replace(rollout.state, cells=cells, **state))
