"""Every case of phases x waves x kinds of task x outcomes, played to its end beside a small model of it.

The model knows nothing of steps, results or effects: it reads the plan from top to bottom. Each case is a plan of two
or three tasks, each of which goes well, is refused when it is applied, or fails once it runs.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from itertools import product

import pytest

from fleetui.engine.application import HOOK_FINALIZER
from fleetui.engine.effects import Apply, Delete, Effect, EffectResult, Recorded, ReleaseHook, StepOutcome
from fleetui.engine.plan import SyncContext, SyncSettings
from fleetui.engine.sync import sync_step
from fleetui.model.objects import Obj, ObjectRef, ref_of
from fleetui.model.status import Health, HealthStatus, OperationPhase
from fleetui.model.times import format_time
from tests.engine.objects import NAMESPACE, REVISION, STARTED, name, obj

ORDER = {"PreSync": -1, "Sync": 0, "PostSync": 1}
GOOD, REFUSED, FAILS = "goes well", "is refused", "fails"
POLICIES = ("BeforeHookCreation", "HookSucceeded", "HookFailed")


@dataclass(frozen=True)
class Part:
    """One task of a plan: at a `phase` (empty: an object, no hook) and a wave, with its fate."""

    phase: str
    wave: int
    fate: str
    policy: str = ""

    @property
    def step(self) -> tuple[int, int]:
        return ORDER[self.phase or "Sync"], self.wave


Plan = tuple[Part, ...]


def plans() -> Iterator[Plan]:
    """All pairs of tasks at all places with all fates; then all policies of a hook beside each fate of an object."""
    places = [*product(("", "PreSync", "Sync", "PostSync"), (0, 1))]
    for (first, one), (second, two) in product(places, repeat=2):
        for fate, other in product((GOOD, REFUSED, FAILS), repeat=2):
            yield Part(first, one, fate), Part(second, two, other)
    for policy, phase, fate, other in product(POLICIES, ORDER, (GOOD, FAILS), (GOOD, REFUSED, FAILS)):
        yield Part(phase, 0, fate, policy), Part("", 0, other), Part("", 1, GOOD)


@dataclass(frozen=True)
class End:
    """What a plan comes to: how it ends, what was tried in which step, and which hooks are left in the cluster."""

    phase: OperationPhase
    tried: tuple[frozenset[int], ...]
    left: frozenset[int]
    alarmed: bool


def expected(plan: Plan) -> End:
    """What should become of a plan, with a SyncFail hook beside it."""
    steps = sorted({part.step for part in plan})
    tried: list[frozenset[int]] = []
    broken = False
    for step in steps:
        now = [number for number, part in enumerate(plan) if part.step == step]
        tried.append(frozenset(now))
        refused = any(plan[number].fate == REFUSED for number in now)
        # The last step, where no hook runs in it, is over when it is applied; what becomes of it is nobody's affair.
        alone = step == steps[-1] and not any(plan[number].phase for number in now)
        if refused or (not alone and any(plan[number].fate == FAILS for number in now)):
            broken = True
            break
    made = {number for number in set().union(*tried) if plan[number].phase and plan[number].fate != REFUSED}
    going = "HookFailed" if broken else "HookSucceeded"
    left = frozenset(number for number in made if plan[number].policy != going)
    return End(OperationPhase.FAILED if broken else OperationPhase.SUCCEEDED, tuple(tried), left, broken)


class Cluster:
    """Plays a plan; what is made is ready, or has failed, when the next step looks at it."""

    def __init__(self, plan: Plan) -> None:
        self._plan = plan
        self.objects: dict[ObjectRef, Obj] = {}
        self.tried: list[str] = []
        self.batches: list[set[str]] = []
        self._manifests = [self._manifest(number, part) for number, part in enumerate(plan)]

    @staticmethod
    def _manifest(number: int, part: Part) -> Obj:
        kind = "Job" if part.phase else "Deployment"
        return obj(kind, f"t{number}", wave=part.wave, hook=part.phase, policy=part.policy)

    def play(self) -> StepOutcome:
        recorded: tuple[Recorded, ...] = ()
        for _ in range(40):
            self.batches.append(set())
            outcome = self._step(recorded)
            if outcome.phase.completed:
                return outcome
            recorded = outcome.results
            for found in self.objects.values():
                found["ready"] = True
        raise AssertionError(f"it never ends: {outcome.message}")

    def _step(self, recorded: tuple[Recorded, ...]) -> StepOutcome:
        step = sync_step(self._context(recorded))
        answers: list[EffectResult] | None = None
        while True:
            try:
                batch = next(step) if answers is None else step.send(answers)
            except StopIteration as stop:
                outcome: StepOutcome = stop.value
                return outcome
            answers = [self._carry_out(effect) for effect in batch]

    def _context(self, recorded: tuple[Recorded, ...]) -> SyncContext:
        alarm = obj("Job", "alarm", hook="SyncFail")
        return SyncContext(
            revision=REVISION,
            started_at=STARTED,
            namespace=NAMESPACE,
            settings=SyncSettings(),
            resources=[
                (ref_of(each), each, self.objects.get(ref_of(each)))
                for each, part in zip(self._manifests, self._plan, strict=True)
                if not part.phase
            ],
            hooks=[(ref_of(each), each) for each, part in zip(self._manifests, self._plan, strict=True) if part.phase]
            + [(ref_of(alarm), alarm)],
            live=self.objects.get,
            health=self._health,
            recorded=recorded,
        )

    def _fate(self, ref: ObjectRef) -> str:
        return GOOD if ref.name == "alarm" else self._plan[int(ref.name[1:])].fate

    def _health(self, found: Obj) -> Health:
        if not found.get("ready"):
            return Health(HealthStatus.PROGRESSING)
        failed = self._fate(ref_of(found)) == FAILS
        return Health(HealthStatus.DEGRADED if failed else HealthStatus.HEALTHY, "broken" if failed else "")

    def _carry_out(self, effect: Effect) -> EffectResult:
        ref = effect.task.ref
        if isinstance(effect, Apply):
            if effect.dry_run:
                return EffectResult(True)
            assert ref.name not in self.tried, "applied twice"
            self.tried.append(ref.name)
            self.batches[-1].add(ref.name)
            if self._fate(ref) == REFUSED:
                return EffectResult(False, "refused")
            self.objects[ref] = {
                **effect.obj,
                "metadata": {**effect.obj["metadata"], "creationTimestamp": format_time(STARTED)},
            }
            return EffectResult(True, f"{name(effect)} created")
        if isinstance(effect, Delete):
            finalizers = self.objects[ref]["metadata"].get("finalizers")
            assert not finalizers, "a hook is let go of before it is deleted"
            del self.objects[ref]
        elif isinstance(effect, ReleaseHook):
            held = self.objects[ref]["metadata"]
            held["finalizers"] = [each for each in held["finalizers"] if each != HOOK_FINALIZER]
        return EffectResult(True)


PLANS = list(plans())


def test_the_table_is_the_whole_of_it() -> None:
    assert len(PLANS) == 64 * 9 + 54
    assert len({(part.phase, part.wave, part.fate) for plan in PLANS for part in plan}) == 24


@pytest.mark.parametrize("ends", [OperationPhase.SUCCEEDED, OperationPhase.FAILED])
def test_every_plan_comes_to_the_end_that_it_should(ends: OperationPhase) -> None:
    wanted = [(plan, end) for plan in PLANS if (end := expected(plan)).phase is ends]
    assert len(wanted) > 90
    for plan, end in wanted:
        cluster = Cluster(plan)
        outcome = cluster.play()
        tried = [frozenset(int(each[1:]) for each in batch if each != "alarm") for batch in cluster.batches]
        hooks = {int(ref.name[1:]) for ref in cluster.objects if ref.kind == "Job" and ref.name != "alarm"}
        found = End(outcome.phase, tuple(filter(None, tried)), frozenset(hooks), "alarm" in cluster.tried)
        assert found == end, f"{plan}: {outcome.message}"
        held = [found for found in cluster.objects.values() if found["metadata"].get("finalizers")]
        assert not held, f"{plan}: {held}"
