"""A world for rollouts, in memory: Git, applications on several clusters, a hub's ConfigMaps, processes that die.

Owns: `World`, its `Process`es, and `plan`. Time is a `FakeClock`; each tick of `World.until` moves the applications on
by one stage. Every write of a ConfigMap and every effect is a point at which a process may be killed, or somebody may
interfere; and the driver is held to it that nobody else than it changes anything.
"""

from __future__ import annotations

import asyncio
import copy
from collections import Counter, defaultdict
from collections.abc import Awaitable, Callable, Iterable, Mapping, Sequence
from typing import Any

from fleetui.engine.rollout import codec
from fleetui.engine.rollout.orders import obey
from fleetui.engine.rollout.ports import Sight, Verdict, Written
from fleetui.engine.rollout.runner import Runner
from fleetui.engine.rollout.store import RolloutStore
from fleetui.model.app import AppKey
from fleetui.model.errors import ConflictError, NotFoundError, RefusedError, UnreachableError
from fleetui.model.objects import ClusterName, Obj, ObjectRef
from fleetui.model.rollout import (
    CellKey,
    CellPlan,
    Delivery,
    Gate,
    GateKind,
    Order,
    Rollout,
    RolloutKey,
    RolloutPlan,
    RolloutState,
    Truth,
    Verb,
    WavePlan,
)
from fleetui.model.status import HealthStatus
from tests.engine.fake_clock import FakeClock
from tests.unit.fakes import Closing, stored

HUB = ClusterName("hub")
KEY = RolloutKey(HUB, "argocd", "certs")
ADDON = "cert-manager"
OLD, NEW = "1.14", "1.15"
TICK = 5.0

GATES = (Gate(GateKind.SYNCED), Gate(GateKind.HEALTHY, seconds=10))


def cell(number: int) -> CellKey:
    return CellKey(ClusterName(f"c{number:02}"), ADDON)


def plan(
    waves: Sequence[int] = (2, 4, 6),
    *,
    gates: Sequence[Gate] = GATES,
    wave_failures: int = 0,
    failures: int = 0,
    delivery: Delivery = Delivery.COMMIT,
    patience: float = 10.0,
) -> RolloutPlan:
    """A rollout with as many cells in each wave as `waves` says."""
    cells = [cell(number) for number in range(sum(waves))]
    taken = iter(cells)
    return RolloutPlan(
        key=KEY,
        moves={ADDON: NEW},
        cells=tuple(
            CellPlan(
                key,
                AppKey(HUB, "argo", "argocd", f"{key.cluster}-{ADDON}"),
                OLD,
                NEW,
                Truth("values", "https://git.example/fleet.git", "main", f"{key.cluster}.yaml"),
            )
            for key in cells
        ),
        waves=tuple(
            WavePlan(f"wave-{index}", tuple(next(taken) for _ in range(count)), tuple(gates), wave_failures)
            for index, count in enumerate(waves)
        ),
        failures_allowed=failures,
        delivery=delivery,
        patience=patience,
        created_at=1.0,
        created_by="ann@bastion",
    )


class AppSim:
    """An application: compared with Git at a refresh, or at the next tick; synced in two ticks, healthy in a third."""

    def __init__(self, *, automated: bool) -> None:
        self.automated = automated
        self.version, self.running = OLD, OLD
        self.health = HealthStatus.HEALTHY
        self.busy = False
        self.failed = ""
        self.away = ""
        self.missing = False
        self.pinned = ""
        """The version that somebody gave the application itself, whatever Git says."""

    @property
    def synced(self) -> bool:
        return self.running == self.version

    def sight(self) -> Sight:
        return Sight(
            version=self.version,
            synced=self.synced,
            health=self.health,
            busy=self.busy,
            failed=self.failed,
            automated=self.automated,
            away=self.away,
            missing=self.missing,
        )


class Killed(BaseException):
    """The process is gone."""


async def at_once(_: str) -> None:
    """A write that nothing holds up."""


class World:
    def __init__(self, planned: RolloutPlan) -> None:
        self.plan = planned
        self.clock = FakeClock()
        self.git = {each.key: OLD for each in planned.cells}
        self.wrote: defaultdict[CellKey, list[str]] = defaultdict(list)
        self.order_of_writes: list[CellKey] = []
        self.syncs: Counter[CellKey] = Counter()
        self.refreshes: Counter[CellKey] = Counter()
        self.commits: dict[tuple[CellKey, str], str] = {}
        self.requests: dict[str, tuple[str, dict[CellKey, str]]] = {}
        # Every third one is synced by hand.
        self.apps = {each.key: AppSim(automated=index % 3 != 2) for index, each in enumerate(planned.cells)}
        self.bad: set[tuple[CellKey, str]] = set()
        self.sync_fails: set[tuple[CellKey, str]] = set()
        self.refuse_sync: dict[CellKey, Exception] = {}
        self.git_down: Exception | None = None
        self.verdicts: list[Verdict] = []
        self.asked = 0
        self.maps: dict[str, Obj] = {}
        self.map_writes = 0
        self._version = 100
        self.points = 0
        self.strict = True
        """Whether only the driver may change anything; not where it is replaced in the very moment between the write
        that says so and what it does next, which is why all of that is idempotent."""
        self.at: Callable[[int], None] = lambda point: None
        self.before_write: Callable[[str], Awaitable[object]] = at_once
        self.before_renewal: Callable[[], None] = lambda: None
        self.store_listeners: list[Callable[..., None]] = []
        self.sight_listeners: list[Callable[[], None]] = []
        self.maps[codec.PREFIX + KEY.name] = self._stamped(codec.encode(Rollout(planned, RolloutState())))

    # --- the stored rollout -----------------------------------------------------------------------------------------

    @property
    def rollout(self) -> Rollout:
        return codec.decode(HUB, self.maps[codec.PREFIX + KEY.name])

    def order(self, verb: Verb, *cells: CellKey, who: str = "bob@laptop") -> Rollout:
        """An order from another process."""
        after = obey(self.rollout, Order(verb, who, cells), self.clock.now())
        self.save(after)
        return after

    def save(self, rollout: Rollout) -> None:
        name = codec.PREFIX + KEY.name
        known = self.maps[name]
        changes = codec.changes(rollout)
        self.put({**known, "data": changes["data"], "binaryData": {**known["binaryData"], **changes["binaryData"]}})

    def put(self, obj: Obj) -> Obj:
        self.map_writes += 1
        written = self._stamped(obj)
        self.maps[obj["metadata"]["name"]] = written
        for listener in tuple(self.store_listeners):
            listener(stored(written), deleted=False)
        return written

    def _stamped(self, obj: Obj) -> Obj:
        self._version += 1
        return {**obj, "metadata": {**obj["metadata"], "uid": "u", "resourceVersion": str(self._version)}}

    # --- hands and time ---------------------------------------------------------------------------------------------

    def by_hand(self, key: CellKey, version: str) -> None:
        """Somebody pushes another version."""
        self.git[key] = version

    def merge(self, url: str) -> None:
        _, changes = self.requests[url]
        self.requests[url] = ("merged", changes)
        for key, version in changes.items():
            self._write(key, version)

    def _write(self, key: CellKey, version: str) -> str:
        self.git[key] = version
        self.wrote[key].append(version)
        self.order_of_writes.append(key)
        return self.commits.setdefault((key, version), f"{len(self.commits):07x}aaaa")

    def tick(self) -> None:
        for key, app in self.apps.items():
            if app.away:
                continue
            if app.version != (app.pinned or self.git[key]):
                app.version, app.failed, app.busy = app.pinned or self.git[key], "", False
            elif app.busy or (app.automated and not app.synced and not app.failed):
                if not app.busy:
                    app.busy = True
                    continue
                app.busy = False
                if (key, app.version) in self.sync_fails:
                    app.failed = "one object was not applied"
                    continue
                app.running, app.failed = app.version, ""
                app.health = HealthStatus.PROGRESSING
            elif app.health is HealthStatus.PROGRESSING:
                bad = (key, app.running) in self.bad
                app.health = HealthStatus.DEGRADED if bad else HealthStatus.HEALTHY
        for listener in tuple(self.sight_listeners):
            listener()

    async def until(self, done: Callable[[], object], *, ticks: int = 200) -> None:
        for _ in range(ticks):
            for _ in range(8):
                await asyncio.sleep(0)
            if done():
                return
            self.tick()
            self.clock.advance(TICK)
        raise AssertionError(f"not within {ticks} ticks: {self.rollout.state.phase}, {self.rollout.state.reason}")

    # --- what became of it ------------------------------------------------------------------------------------------

    def assert_done_once(self) -> None:
        self.assert_done_once_in(self.rollout)

    def assert_done_once_in(self, rollout: Rollout) -> None:
        assert rollout.state.phase == "done"
        assert self.git == dict.fromkeys(self.git, NEW)
        assert all(self.wrote[key] == [NEW] for key in self.git)
        assert {key: self.syncs[key] for key, app in self.apps.items() if not app.automated} == {
            key: 1 for key, app in self.apps.items() if not app.automated
        }
        assert not any(self.syncs[key] for key, app in self.apps.items() if app.automated)
        assert all(app.running == NEW and app.health is HealthStatus.HEALTHY for app in self.apps.values())

    def assert_restored(self) -> None:
        assert self.rollout.state.phase == "rolled back"
        assert self.git == dict.fromkeys(self.git, OLD)
        assert all(self.wrote[key] in ([], [NEW, OLD]) for key in self.git)
        assert all(app.running == OLD and app.health is HealthStatus.HEALTHY for app in self.apps.values())


class Process:
    """One process that may drive the rollout; all that it does ends when it is killed."""

    def __init__(self, world: World, name: str, *, kill_at: int = -1) -> None:
        self.world = world
        self.name = name
        self.kill_at = kill_at
        self.alive = True
        self.runner = Runner(
            RolloutStore(self),  # type: ignore[arg-type]  # as far as a store asks
            self,
            self,
            self,
            clock=world.clock,
            holder=name,
            who=f"{name}@bastion",
        )

    async def run(self, *, take_over: bool = False) -> Rollout:
        return await self.runner.run(KEY, take_over=take_over)

    async def to_the_end(self, *, take_over: bool = False) -> bool:
        """Drives until nothing more happens; whether it lived to see that."""
        task = asyncio.ensure_future(self.run(take_over=take_over))
        await self.world.until(task.done)
        if isinstance(task.exception(), Killed):
            return False
        task.result()
        return True

    def _begin(self) -> None:
        if not self.alive:
            raise Killed

    def _point(self) -> None:
        """Something has just been done."""
        world = self.world
        world.points += 1
        if world.points == self.kill_at:
            self.alive = False
            raise Killed
        world.at(world.points)

    def _as_driver(self) -> None:
        self._begin()
        drives = self.world.rollout.state.driver.holder == self.name
        assert drives or not self.world.strict, f"{self.name} is not the driver"

    # --- LiveCluster and Cluster, as far as the store asks ----------------------------------------------------------

    api = property(lambda self: self)
    urgent = property(lambda self: self)

    def want(self, *_: Any, **__: Any) -> Closing:
        return Closing(lambda: None)

    def subscribe(self, *args: Any) -> Closing:
        """`LiveCluster.subscribe` with one argument, `Sights.subscribe` with two."""
        listeners: list[Any] = self.world.store_listeners if len(args) == 1 else self.world.sight_listeners
        listeners.append(args[-1])
        return Closing(lambda: listeners.remove(args[-1]))

    def get(self, ref: Any, name: str = "", namespace: str = "") -> Any:
        """`LiveCluster.get` of an `ObjectRef`, `Cluster.get` of a resource and a name."""
        if isinstance(ref, ObjectRef):
            obj = self.world.maps.get(ref.name)
            return stored(obj) if obj is not None else None
        return self._get(name)

    async def _get(self, name: str) -> Obj:
        self._begin()
        if name not in self.world.maps:
            raise NotFoundError(f"{name} not found", code=404)
        return copy.deepcopy(self.world.maps[name])

    async def patch(self, _: Any, name: str, namespace: str, body: Obj, **__: Any) -> Obj:
        self._begin()
        if "binaryData" not in body:
            self.world.before_renewal()
        known = self.world.maps[name]
        if body["metadata"]["resourceVersion"] != known["metadata"]["resourceVersion"]:
            raise ConflictError("it was changed", code=409)
        merged = {**known, "data": {**known["data"], **body["data"]}}
        merged["binaryData"] = {**known["binaryData"], **body.get("binaryData", {})}
        written = self.world.put(merged)
        self._point()
        return written

    # --- Truths -----------------------------------------------------------------------------------------------------

    def vouch(self, truths: Iterable[str]) -> None:
        pass

    async def refuse_strange(self, plan: RolloutPlan) -> None:
        self._begin()

    async def versions(self, cells: Sequence[CellPlan]) -> Mapping[CellKey, str]:
        self._begin()
        return {each.key: self.world.git[each.key] for each in cells}

    async def write(
        self, plan: RolloutPlan, wave: str, wanted: Mapping[CellKey, str], *, expected: Mapping[CellKey, str]
    ) -> Written:
        self._as_driver()
        world = self.world
        await world.before_write(self.name)
        if world.git_down is not None:
            raise world.git_down
        changed = {k: world.git[k] for k in wanted if world.git[k] not in (wanted[k], expected[k])}
        todo = {key: version for key, version in wanted.items() if key not in changed and world.git[key] != version}
        url = ""
        if plan.delivery is Delivery.PULL_REQUEST and todo:
            url = f"https://git.example/pulls/{wave}-{'-'.join(sorted(set(todo.values())))}"
            world.requests.setdefault(url, ("open", todo))
        else:
            for key, version in todo.items():
                world._write(key, version)
        self._point()
        commits = {k: world.commits.get((k, v), "") for k, v in wanted.items() if k not in changed}
        return Written(commits, changed, url)

    async def merged(self, plan: RolloutPlan, pull_request: str) -> str:
        self._begin()
        state, _ = self.world.requests[pull_request]
        if state == "closed":
            raise RefusedError(f"pull request {pull_request} was closed")
        return "feedbee0" if state == "merged" else ""

    # --- Sights -----------------------------------------------------------------------------------------------------

    async def look(self, cell: CellPlan) -> Sight:
        return self.world.apps[cell.key].sight()

    async def refresh(self, cell: CellPlan) -> None:
        self._begin()
        self.world.refreshes[cell.key] += 1
        self._point()

    async def sync(self, cell: CellPlan, rollout: Rollout) -> None:
        self._as_driver()
        refusal = self.world.refuse_sync.get(cell.key)
        if refusal is not None:
            raise refusal
        app = self.world.apps[cell.key]
        if app.busy and not self.world.strict:
            return
        assert not app.busy, f"{cell.key} is synced twice"
        app.busy = True
        self.world.syncs[cell.key] += 1
        self._point()

    # --- Outside ----------------------------------------------------------------------------------------------------

    async def metric(self, gate: Gate) -> Verdict:
        self._begin()
        self.world.asked += 1
        return self.world.verdicts.pop(0) if len(self.world.verdicts) > 1 else self.world.verdicts[0]

    async def webhook(self, gate: Gate, rollout: Rollout, wave: str) -> Verdict:
        return await self.metric(gate)


def away(app: AppSim) -> None:
    app.away = "cluster does not answer"


def unreachable() -> UnreachableError:
    return UnreachableError("git.example does not answer")
