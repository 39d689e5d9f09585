"""A sync whose engine dies at any moment: started again it ends, nothing is run twice and nothing is lost.

The whole operation is played on a cluster of dicts. What survives a death is what survives one in life: the cluster,
and the results that the last step which came to its end had written down.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Any

import pytest

from fleetui.engine.application import FIELD_MANAGER, HOOK_FINALIZER
from fleetui.engine.effects import Apply, Delete, Effect, EffectResult, Recorded, ReleaseHook, StepOutcome
from fleetui.engine.plan import SyncContext, SyncSettings
from fleetui.engine.sync import sync_step
from fleetui.engine.tasks import ResultCode
from fleetui.model.objects import Obj, ObjectRef, ref_of
from fleetui.model.status import Health, HealthStatus, OperationPhase
from fleetui.model.times import format_time
from tests.engine.objects import NAMESPACE, REVISION, STARTED, name, obj


class KilledError(Exception):
    """The engine's process is gone."""


@dataclass
class World:
    """A cluster: it remembers what was made and deleted, and lets Jobs and Deployments become ready between steps."""

    failing: frozenset[str] = frozenset()
    objects: dict[ObjectRef, Obj] = field(default_factory=dict)
    made: list[str] = field(default_factory=list)
    deleted: list[str] = field(default_factory=list)
    effects: int = 0
    steps: int = 0

    def carry_out(self, effect: Effect) -> EffectResult:
        ref, words = effect.task.ref, name(effect)
        if isinstance(effect, Apply):
            if effect.dry_run:
                return EffectResult(True)
            self.effects += 1
            if words in self.failing:
                return EffectResult(False, f"{words} refused")
            return self._apply(ref, effect.obj, words)
        if ref not in self.objects:
            return EffectResult(False, "not found", gone=True)
        if isinstance(effect, Delete):
            self.effects += 1
            self.deleted.append(words)
            self.objects[ref]["metadata"]["deletionTimestamp"] = format_time(STARTED)
            self._collect(ref)
        elif isinstance(effect, ReleaseHook):
            self.effects += 1
            self.objects[ref]["metadata"]["finalizers"] = []
            self._collect(ref)
        return EffectResult(True)

    def _apply(self, ref: ObjectRef, target: Obj, words: str) -> EffectResult:
        if ref in self.objects:
            return EffectResult(True, "unchanged")
        self.made.append(words)
        metadata = {
            **target["metadata"],
            "creationTimestamp": format_time(STARTED),
            "managedFields": [{"manager": FIELD_MANAGER, "operation": "Apply"}],
        }
        self.objects[ref] = {**target, "metadata": metadata, "ready": False}
        return EffectResult(True, "created")

    def _collect(self, ref: ObjectRef) -> None:
        metadata = self.objects[ref]["metadata"]
        if metadata.get("deletionTimestamp") and not metadata.get("finalizers"):
            del self.objects[ref]

    def tick(self) -> None:
        for found in self.objects.values():
            found["ready"] = True


def judge(found: Obj) -> Health | None:
    if found["kind"] not in {"Job", "Deployment"}:
        return None
    if ref_of(found).name.startswith("bad"):
        return Health(HealthStatus.DEGRADED if found["ready"] else HealthStatus.PROGRESSING, "broken")
    return Health(HealthStatus.HEALTHY if found["ready"] else HealthStatus.PROGRESSING)


@dataclass
class Story:
    """What is desired, and what is pruned."""

    targets: list[Obj]
    hooks: list[Obj]
    pruned: list[Obj] = field(default_factory=list)

    def context(self, world: World, recorded: Iterable[Recorded]) -> SyncContext:
        members: list[tuple[ObjectRef, Obj | None, Obj | None]] = [
            (ref_of(target), target, world.objects.get(ref_of(target))) for target in self.targets
        ]
        members += [(ref_of(old), None, there) for old in self.pruned if (there := world.objects.get(ref_of(old)))]
        return SyncContext(
            revision=REVISION,
            started_at=STARTED,
            namespace=NAMESPACE,
            settings=SyncSettings(prune=True, create_namespace=True),
            resources=members,
            hooks=[(ref_of(hook), hook) for hook in self.hooks],
            live=world.objects.get,
            health=judge,
            recorded=tuple(recorded),
        )


def play(
    story: Story, world: World, *, dies_after: int | None = None, dies_before_writing: int | None = None
) -> StepOutcome:
    """Plays the operation to its end; the engine dies once, after an effect or before it writes a step down."""
    recorded: tuple[Recorded, ...] = ()
    waiting = 0
    while True:
        try:
            outcome = _step(story, world, recorded, dies_after)
            world.steps += 1
            if world.steps == dies_before_writing:
                raise KilledError
        except KilledError:
            dies_after = dies_before_writing = None
            continue
        waiting = waiting + 1 if outcome.results == recorded else 0
        assert waiting < 5, f"it would never end: {outcome.message}"
        recorded = outcome.results
        if outcome.phase.completed:
            return outcome
        world.tick()


def _step(story: Story, world: World, recorded: tuple[Recorded, ...], dies_after: int | None) -> StepOutcome:
    step = sync_step(story.context(world, recorded))
    answers: list[EffectResult] | None = None
    while True:
        try:
            batch = next(step) if answers is None else step.send(answers)
        except StopIteration as stop:
            outcome: StepOutcome = stop.value
            return outcome
        answers = []
        for effect in batch:
            answers.append(world.carry_out(effect))
            if dies_after is not None and world.effects >= dies_after:
                raise KilledError


def start(story: Story, failing: frozenset[str] = frozenset()) -> World:
    """A cluster with what is to be pruned, and the PreSync hook of an earlier sync."""
    world = World(failing)
    for old in [*story.pruned, *(hook for hook in story.hooks if ref_of(hook).name == "migrate")]:
        metadata = {**old["metadata"], "creationTimestamp": format_time(STARTED - 3600), "finalizers": []}
        world.objects[ref_of(old)] = {**old, "metadata": metadata, "ready": True}
    return world


def _recorded(outcome: StepOutcome) -> dict[Any, Any]:
    """Every result but those of prunes: of an object that is gone nothing tells that it was there."""
    return {each.key: each.hook_phase for each in outcome.results if each.status is not ResultCode.PRUNED}


def _finalizers(found: Obj) -> list[str]:
    return list(found["metadata"].get("finalizers") or ())


GOOD = Story(
    targets=[
        obj("ConfigMap", "settings", wave=-1),
        obj("Deployment", "api"),
        obj("Deployment", "web", wave=1),
    ],
    hooks=[
        obj("Job", "migrate", hook="PreSync"),
        obj("Job", "seed-", hook="PreSync", wave=1, policy="HookSucceeded"),
        obj("ConfigMap", "marker", hook="Sync", policy="HookSucceeded"),
        obj("Job", "notify", hook="PostSync", policy="HookSucceeded"),
        obj("Job", "alarm", hook="SyncFail"),
    ],
    pruned=[obj("ConfigMap", "old"), obj("ConfigMap", "older")],
)
BAD = Story(
    targets=[obj("ConfigMap", "settings"), obj("Deployment", "api", wave=1)],
    hooks=[
        obj("Job", "migrate", hook="PreSync"),
        obj("Job", "bad-check", hook="Sync", policy="HookFailed"),
        obj("Job", "alarm", hook="SyncFail", policy="HookSucceeded"),
    ],
)
REFUSED = frozenset({"Deployment/api"})
STORIES = {
    "all goes well": (GOOD, frozenset[str](), OperationPhase.SUCCEEDED),
    "a hook fails": (BAD, frozenset[str](), OperationPhase.FAILED),
    "an object is refused": (GOOD, REFUSED, OperationPhase.FAILED),
}


@pytest.mark.parametrize("title", STORIES)
def test_nothing_is_run_twice_and_nothing_lost(title: str) -> None:
    story, failing, end = STORIES[title]
    expected = start(story, failing)
    outcome = play(story, expected)
    assert outcome.phase is end
    assert expected.effects > 5
    assert not [str(ref) for ref, each in expected.objects.items() if HOOK_FINALIZER in _finalizers(each)]
    deaths = [{"dies_after": moment} for moment in range(1, expected.effects + 1)]
    deaths += [{"dies_before_writing": moment} for moment in range(1, expected.steps + 1)]
    for death in deaths:
        world = start(story, failing)
        killed = play(story, world, **death)
        told = f"{title}: {death}"
        assert killed.phase is end, told
        assert sorted(world.made) == sorted(expected.made), told
        assert sorted(set(world.deleted)) == sorted(set(expected.deleted)), told
        assert world.objects.keys() == expected.objects.keys(), told
        if end is OperationPhase.SUCCEEDED:
            assert _recorded(killed) == _recorded(outcome), told
        else:
            # What was applied beside a hook that failed is not looked at again.
            assert _recorded(killed).items() <= _recorded(outcome).items(), told
