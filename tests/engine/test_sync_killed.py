"""An engine that dies after any single request: started again it comes to the same end, and does nothing twice.

A sync, its retry and the deletion that follows are played through the real executor on an API server of dicts. Only
what would outlive a death does: the server, and what a step that came to its end had written into the Application.
"""

from __future__ import annotations

import asyncio
import copy
from collections.abc import Awaitable, Callable, Iterable
from dataclasses import dataclass, field, replace
from functools import partial
from typing import Any

import pytest

from fleetui.diff.normalize import LAST_APPLIED
from fleetui.engine.application import FIELD_MANAGER, FINALIZER, TRACKING_ID
from fleetui.engine.application import POST_DELETE_FINALIZER as POST
from fleetui.engine.application import PRE_DELETE_FINALIZER as PRE
from fleetui.engine.apply import ApplyOptions
from fleetui.engine.deletehooks import CLEANUP
from fleetui.engine.desired import Target
from fleetui.engine.destination import Destination
from fleetui.engine.effects import Recorded, StepOutcome
from fleetui.engine.execute import Executor
from fleetui.engine.finalize import DeletionFailedError, finalize
from fleetui.engine.plan import SyncContext, SyncSettings
from fleetui.engine.sync import sync_step
from fleetui.fleet.store import LiveStore
from fleetui.hubports import Site
from fleetui.model.errors import AlreadyExistsError, ConflictError, InvalidError, NotFoundError
from fleetui.model.objects import ApiResource, Discovery, Obj, ObjectRef, ref_of
from fleetui.model.status import Health, HealthStatus, OperationPhase
from fleetui.model.times import format_time
from tests.engine.fake_clock import FakeClock
from tests.engine.objects import NAMESPACE, REVISION, STARTED, application, obj
from tests.unit.fakes import CONFIG_MAP, DEPLOYMENT, SERVED, FakeCluster, resource, stored
from tests.unit.fakes import NAMESPACE as NAMESPACES

JOB = resource("Job", group="batch")
WATCHED = (NAMESPACES, CONFIG_MAP, DEPLOYMENT, JOB)
KUBECTL = {
    "manager": "kubectl-client-side-apply",
    "operation": "Update",
    "apiVersion": "v1",
    "fieldsV1": {"f:data": {}},
}


class KilledError(BaseException):
    """The engine's process is gone. No layer catches it, as none outlives its process."""


class World(FakeCluster):
    """An API server: it counts what is asked of it, and after request `dies_after` answers nobody any more.

    An object whose name begins with ``fixed`` can't be changed; one of `refused` can't be created while it is in there.
    """

    def __init__(self) -> None:
        super().__init__()
        self.served = Discovery([*SERVED, JOB])
        self.refused: set[str] = set()
        self.requests: list[str] = []
        self.made: list[str] = []
        self.changed: list[str] = []
        self.dies_after: int | None = None
        self.dead = False
        self._version = 10

    async def get(self, resource: ApiResource, name: str, namespace: str = "") -> Obj:
        return self._asked("get", lambda: copy.deepcopy(self._found(resource, name, namespace)), name)

    async def apply(self, resource: ApiResource, obj: Obj, **_: Any) -> Obj:
        return self._asked("apply", lambda: self._apply(obj), ref_of(obj).name)

    async def create(self, resource: ApiResource, obj: Obj, **_: Any) -> Obj:
        def made() -> Obj:
            if ref_of(obj) in self.objects:
                raise AlreadyExistsError("already exists", code=409)
            return self._make(obj, "Update")

        return self._asked("create", made, ref_of(obj).name)

    async def replace(self, resource: ApiResource, obj: Obj, **_: Any) -> Obj:
        def put() -> Obj:
            found = self._found(resource, ref_of(obj).name, NAMESPACE)
            if obj["metadata"]["resourceVersion"] != found["metadata"]["resourceVersion"]:
                raise ConflictError("stale", code=409)
            return self._written(found, obj)

        return self._asked("replace", put, ref_of(obj).name)

    async def patch(self, resource: ApiResource, name: str, namespace: str, body: Any, **_: Any) -> Obj:
        def patched() -> Obj:
            found = self._found(resource, name, namespace)
            own = found["metadata"]
            if isinstance(body, list):
                own["managedFields"] = body[1]["value"]
            elif body["metadata"]["resourceVersion"] != own["resourceVersion"]:
                raise ConflictError("stale", code=409)
            else:
                own["finalizers"] = body["metadata"]["finalizers"] or []
            own["resourceVersion"] = self._next()
            self._collect(found)
            return copy.deepcopy(found)

        return self._asked("patch", patched, name)

    async def delete(self, resource: ApiResource, name: str, namespace: str = "", *, uid: str = "", **_: Any) -> None:
        def gone() -> Obj:
            found = self._found(resource, name, namespace)
            assert uid in {"", found["metadata"]["uid"]}, "another object of that name"
            found["metadata"] |= {"deletionTimestamp": format_time(STARTED), "resourceVersion": self._next()}
            self._collect(found)
            return {}

        self._asked("delete", gone, name)

    def _asked(self, verb: str, answer: Callable[[], Obj], name: str) -> Obj:
        if self.dead:
            raise KilledError
        self.requests.append(f"{verb} {name}")
        try:
            return answer()
        finally:
            if len(self.requests) == self.dies_after:
                self.dead = True
                raise KilledError

    def _found(self, resource: ApiResource, name: str, namespace: str) -> Obj:
        try:
            return self.objects[ObjectRef(resource.group, resource.kind, namespace, name)]
        except KeyError:
            raise NotFoundError("not found", code=404, reason="NotFound") from None

    def _apply(self, target: Obj) -> Obj:
        found = self.objects.get(ref_of(target))
        if found is None:
            if ref_of(target).name in self.refused:
                raise InvalidError("no way", code=422)
            return self._make(target, "Apply")
        if ref_of(target).name.startswith("fixed") and found.get("data") != target.get("data"):
            raise InvalidError("field is immutable", code=422)
        return self._written(found, target)

    def _make(self, target: Obj, operation: str) -> Obj:
        ref = ref_of(target)
        self.made.append(f"{ref.kind}/{ref.name}")
        version = self._next()
        own = {
            **target["metadata"],
            "uid": f"uid-{version}",
            "resourceVersion": version,
            "creationTimestamp": format_time(STARTED),
            "managedFields": [{"manager": FIELD_MANAGER, "operation": operation, "fieldsV1": {}}],
        }
        self.objects[ref] = {**copy.deepcopy(target), "metadata": own}
        return copy.deepcopy(self.objects[ref])

    def _written(self, found: Obj, target: Obj) -> Obj:
        before = {key: value for key, value in found.items() if key not in {"metadata", "ready"}}
        if before != {key: value for key, value in target.items() if key != "metadata"}:
            found.update({key: value for key, value in target.items() if key != "metadata"})
            found["metadata"]["resourceVersion"] = self._next()
            self.changed.append(ref_of(found).name)
        return copy.deepcopy(found)

    def _collect(self, found: Obj) -> None:
        if found["metadata"].get("deletionTimestamp") and not found["metadata"].get("finalizers"):
            self.objects.pop(ref_of(found), None)

    def _next(self) -> str:
        self._version += 1
        return str(self._version)

    def has(self, *objects: Obj, **metadata: Any) -> None:
        """Puts objects there that were made before the story began."""
        for each in objects:
            own = {**each["metadata"], "uid": f"uid-{self._next()}", "resourceVersion": self._next(), **metadata}
            self.objects[ref_of(each)] = {
                **each,
                "metadata": {**own, "creationTimestamp": format_time(STARTED - 3600)},
                "ready": True,
            }

    def tick(self) -> None:
        """Lets Jobs and Deployments become ready."""
        for found in self.objects.values():
            if not found.get("ready"):
                found["ready"] = True
                found["metadata"]["resourceVersion"] = self._next()

    async def started(self) -> Destination:
        """The cluster as a new process finds it."""
        await asyncio.sleep(0)  # what the dead one had begun dies, too
        self.dead = False
        for old in self.watches:
            old.close()
        store = LiveStore(self)
        destination = Destination(Site(store), FakeClock(), lambda *_: None)
        await destination.rediscover()
        for kind in WATCHED:
            store.want(kind)
        self.tell()
        return destination

    def tell(self) -> None:
        """Lets the watches catch up."""
        for kind in WATCHED:
            self.watch_of(kind.kind).lists(
                *(stored(copy.deepcopy(each)) for each in self.objects.values() if each["kind"] == kind.kind)
            )


def judge(found: Obj) -> Health | None:
    if found["kind"] not in {"Job", "Deployment"}:
        return None
    bad = ref_of(found).name.startswith("bad")
    ended = HealthStatus.DEGRADED if bad else HealthStatus.HEALTHY
    return Health(ended if found.get("ready") else HealthStatus.PROGRESSING, "")


def ours(found: Obj) -> Obj:
    """With the tracking id that the application `shop` gives."""
    ref = ref_of(found)
    annotations = {
        **found["metadata"].get("annotations", {}),
        TRACKING_ID: f"shop:{ref.group}/{ref.kind}:shop/{ref.name}",
    }
    return {**found, "metadata": {**found["metadata"], "annotations": annotations}}


@dataclass
class Story:
    """What is desired and what was there; `tries` are the attempts of the operation, of which all but the last find
    `refused` refused."""

    targets: list[Obj]
    hooks: list[Obj] = field(default_factory=list)
    pruned: list[Obj] = field(default_factory=list)
    by_kubectl: list[Obj] = field(default_factory=list)
    before: list[Obj] = field(default_factory=list)
    refused: frozenset[str] = frozenset()
    tries: int = 1
    options: tuple[str, ...] = ()
    force: bool = False
    end: OperationPhase = OperationPhase.SUCCEEDED

    def begin(self) -> World:
        world = World()
        world.has(*map(ours, [*self.pruned, *self.before]))
        for each in map(ours, self.by_kubectl):
            annotations = {**each["metadata"]["annotations"], LAST_APPLIED: "{}"}
            world.has(each, managedFields=[KUBECTL], annotations=annotations)
        world.refused = set(self.refused)
        return world

    def context(self, destination: Destination, recorded: Iterable[Recorded]) -> SyncContext:
        there = destination.get
        members: list[tuple[ObjectRef, Obj | None, Obj | None]] = [
            (ref_of(target), ours(target), there(ref_of(target))) for target in self.targets
        ]
        members += [(ref_of(old), None, live) for old in self.pruned if (live := there(ref_of(old))) is not None]
        return SyncContext(
            revision=REVISION,
            started_at=STARTED,
            namespace=NAMESPACE,
            settings=SyncSettings(prune=True, create_namespace=True),
            resources=members,
            hooks=[(ref_of(hook), ours(hook)) for hook in self.hooks],
            live=there,
            health=judge,
            recorded=tuple(recorded),
        )


class Life:
    """The operation, over as many processes as it takes."""

    def __init__(self, story: Story, world: World) -> None:
        self._story, self._world = story, world
        self._destination: Destination | None = None

    async def _survives(self, work: Callable[[Destination], Awaitable[Any]]) -> Any:
        """What `work` comes to, begun anew by another process where one dies in it."""
        while True:
            try:
                if self._destination is None:
                    self._destination = await self._world.started()
                return await work(self._destination)
            except KilledError:
                self._destination = None

    async def sync(self) -> StepOutcome:
        for attempt in range(self._story.tries):
            if attempt == self._story.tries - 1 and self._story.tries > 1:
                self._world.refused = set()
            outcome = await self._attempt()
        return outcome

    async def _attempt(self) -> StepOutcome:
        options = ApplyOptions.of(self._story.options, force=self._story.force, app={}, since=STARTED)
        recorded: tuple[Recorded, ...] = ()
        waiting = 0
        while waiting < 5:
            outcome: StepOutcome = await self._survives(partial(self._step, options, recorded))
            waiting = waiting + 1 if outcome.results == recorded else 0
            recorded = outcome.results
            self._world.tick()
            self._world.tell()
            if outcome.phase.completed:
                return outcome
        raise AssertionError(f"it would never end: {outcome.message}")

    async def _step(
        self, options: ApplyOptions, recorded: tuple[Recorded, ...], destination: Destination
    ) -> StepOutcome:
        return await Executor(destination, options).drive(sync_step(self._story.context(destination, recorded)))

    async def delete(self) -> list[str]:
        """Deletes the application; returns the DeletionErrors on the way."""
        rows = [{"group": kind.group, "kind": kind.kind} for kind in WATCHED]
        finalizers: tuple[str, ...] = (FINALIZER, PRE, PRE + CLEANUP, POST, POST + CLEANUP)
        hooks = [Target(ref_of(hook), ours(hook)) for hook in self._story.hooks]
        errors: list[str] = []
        for _ in range(60):
            metadata = {"deletionTimestamp": format_time(STARTED), "finalizers": list(finalizers)}
            app = application(metadata=metadata, status={"resources": rows})
            stage = partial(finalize, app, instance="shop", hooks=hooks, judge=judge)
            try:
                left = await self._survives(stage)
            except DeletionFailedError as error:
                errors.append(str(error))
                if len(errors) > 1:
                    return errors
                left = None
            finalizers = finalizers if left is None else left
            if not finalizers:
                return errors
            self._world.tick()
            self._world.tell()
        raise AssertionError(f"it would never end: {finalizers}")


GOOD = Story(
    targets=[
        obj("ConfigMap", "settings", wave=-1, data={"a": "2"}),
        obj("ConfigMap", "same"),
        obj("Deployment", "api"),
        obj("Deployment", "web", wave=1),
    ],
    hooks=[
        obj("Job", "migrate", hook="PreSync"),
        obj("Job", "seed-", hook="PreSync", wave=1, policy="HookSucceeded"),
        obj("ConfigMap", "marker", hook="Sync", policy="HookSucceeded"),
        obj("Job", "notify", hook="PostSync", policy="HookSucceeded"),
        obj("Job", "twice", hook="PreSync,PostSync"),
        obj("Job", "alarm", hook="SyncFail"),
        obj("Job", "before", hook="PreDelete", policy="HookSucceeded"),
        obj("Job", "before-", hook="PreDelete"),
        obj("Job", "after", hook="PostDelete", policy="HookSucceeded"),
    ],
    pruned=[obj("ConfigMap", "old"), obj("ConfigMap", "older", wave=2)],
    by_kubectl=[obj("ConfigMap", "settings", data={"a": "1", "legacy": "1"})],
    before=[obj("Job", "migrate", hook="PreSync"), obj("ConfigMap", "same")],
)
FORCED = Story(
    targets=[obj("ConfigMap", "fixed", data={"a": "2"}), obj("ConfigMap", "other")],
    before=[obj("ConfigMap", "fixed", data={"a": "1"})],
    force=True,
)
REPLACED = Story(
    targets=[obj("ConfigMap", "a", data={"a": "2"}), obj("ConfigMap", "new"), obj("ConfigMap", "made", wave=1)],
    before=[obj("ConfigMap", "a", data={"a": "1"})],
    options=("Replace=true",),
)
REPLACED_BY_FORCE = Story(
    targets=[obj("ConfigMap", "a", data={"a": "2"}), obj("ConfigMap", "new", wave=1)],
    before=[obj("ConfigMap", "a", data={"a": "1"})],
    options=("Replace=true",),
    force=True,
)
FAILED = Story(
    targets=[obj("ConfigMap", "settings"), obj("Deployment", "api", wave=1)],
    hooks=[
        obj("Job", "migrate", hook="PreSync"),
        obj("Job", "bad-check", hook="Sync", policy="HookFailed"),
        obj("Job", "alarm", hook="SyncFail", policy="HookSucceeded"),
        obj("Job", "bad-goodbye", hook="PreDelete"),
    ],
    end=OperationPhase.FAILED,
)
RETRIED = Story(
    targets=[obj("ConfigMap", "a"), obj("Deployment", "late", wave=1)],
    hooks=[
        obj("Job", "migrate", hook="PreSync"),
        obj("Job", "once-", hook="PreSync"),
        obj("Job", "alarm", hook="SyncFail"),
        obj("Job", "notify", hook="PostSync", policy="HookSucceeded"),
    ],
    refused=frozenset({"late"}),
    tries=2,
)
STORIES = {
    "all goes well": GOOD,
    "what can't be changed is made anew": FORCED,
    "everything is replaced": REPLACED,
    "everything is replaced by force": REPLACED_BY_FORCE,
    "a hook fails, and so does one of the deletion": FAILED,
    "the first attempt fails": RETRIED,
}


@dataclass(frozen=True)
class End:
    """What a story comes to."""

    phase: OperationPhase
    results: frozenset[tuple[str, str]]
    objects: frozenset[tuple[str, str]]
    made: tuple[str, ...]
    changed: tuple[str, ...]
    errors: tuple[str, ...]
    left: frozenset[str]


async def play(story: Story, world: World) -> End:
    life = Life(story, world)
    outcome = await life.sync()
    objects = frozenset((str(ref), str(found.get("data"))) for ref, found in world.objects.items())
    made, changed = tuple(sorted(world.made)), tuple(sorted(world.changed))
    errors = tuple(await life.delete())
    assert not any("hook-finalizer" in str(found["metadata"].get("finalizers")) for found in world.objects.values())
    return End(
        outcome.phase,
        # Of a prune that was made before a death nothing tells any more.
        frozenset((str(each.ref), each.sync_phase) for each in outcome.results if each.status != "Pruned"),
        objects,
        made,
        changed,
        errors,
        frozenset(map(str, world.objects)),
    )


@pytest.mark.parametrize("title", STORIES)
async def test_after_any_single_request_the_engine_may_die(title: str) -> None:
    story, first = STORIES[title], STORIES[title].begin()
    expected = await play(story, first)
    assert expected.phase is story.end
    assert story.by_kubectl == [] or "patch settings" in first.requests, "a migration is among them"
    for moment in range(1, len(first.requests) + 1):
        world = story.begin()
        world.dies_after = moment
        end = await play(story, world)
        told = f"{title}: killed after request {moment}: {first.requests[moment - 1]}"
        if story.end is OperationPhase.FAILED:
            # What was applied beside a hook that failed is not looked at again.
            assert end.results <= expected.results, told
            end = replace(end, results=expected.results)
        assert end == expected, told
