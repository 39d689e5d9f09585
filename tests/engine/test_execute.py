"""Carrying out single effects: what is asked of the server, and in whose words it is told."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from fleetui.engine.application import HOOK_FINALIZER
from fleetui.engine.destination import Destination
from fleetui.engine.effects import Apply, Delete, Effect, EffectResult, Look, ReleaseHook, Step, StepOutcome
from fleetui.engine.execute import ApplyOptions, Executor, migrated_fields
from fleetui.engine.hooks import Phase
from fleetui.engine.tasks import Task
from fleetui.fleet.store import LiveStore
from fleetui.hubports import Site
from fleetui.model.errors import ConflictError, InvalidError, NotFoundError, UnreachableError
from fleetui.model.objects import ApiResource, Discovery, Obj, ref_of
from fleetui.model.status import OperationPhase
from tests.engine.fake_clock import FakeClock
from tests.engine.objects import obj
from tests.unit.fakes import SERVED, FakeCluster, resource

JOB = resource("Job", group="batch")


class Server(FakeCluster):
    """A cluster whose answers a test may take away: `refusals` are raised in turn, the rest goes well."""

    def __init__(self) -> None:
        super().__init__()
        self.served = Discovery([*SERVED, JOB])
        self.refusals: list[Exception | None] = []
        self.answer = self._answered

    def _answered(self, verb: str, name: str, body: Any) -> Obj:
        refusal = self.refusals.pop(0) if self.refusals else None
        if refusal is not None:
            raise refusal
        return {**body, "metadata": {"uid": "u", "resourceVersion": "9", **body.get("metadata", {})}}

    async def get(self, resource: ApiResource, name: str, namespace: str = "") -> Obj:
        self.writes.append(("get", name, None))
        return await super().get(resource, name, namespace)


class Hands:
    """An executor on a cluster."""

    def __init__(self, *options: str, force: bool = False) -> None:
        self.server = Server()
        self.destination = Destination(Site(LiveStore(self.server)), FakeClock(), lambda obj, deleted: None)
        self._executor = Executor(self.destination, ApplyOptions.of(options, force=force))

    async def do(self, effect: Effect) -> EffectResult:
        await self.destination.know(())
        answers: list[EffectResult] = []

        def step() -> Step:
            answers.extend((yield [effect]))
            return StepOutcome(OperationPhase.SUCCEEDED, "", ())

        await self._executor.drive(step())
        return answers[0]

    @property
    def verbs(self) -> list[str]:
        return [verb for verb, _, _ in self.server.writes]


def task(target: Obj | None, live: Obj | None = None) -> Task:
    return Task(Phase.SYNC, ref_of(target or live or {}), target, live, "shop")


def there(found: Obj, *finalizers: str, version: str = "1", **metadata: Any) -> Obj:
    own = {"uid": "u", "resourceVersion": version, **metadata} | (
        {"finalizers": list(finalizers)} if finalizers else {}
    )
    return {**found, "metadata": {**found["metadata"], **own}}


CONFIG = obj("ConfigMap", "a")
HOOK = obj("Job", "h", hook="PreSync")


@pytest.mark.parametrize(
    ("options", "own", "live", "dry_run", "message"),
    [
        ((), "", None, False, "configmap/a created"),
        ((), "", there(CONFIG), False, "configmap/a configured"),
        ((), "", there(CONFIG, version="9"), False, "configmap/a unchanged"),
        ((), "", None, True, "configmap/a created (dry run)"),
        ((), "", there(CONFIG), True, "configmap/a configured (dry run)"),
        (("ServerSideApply=true",), "", None, False, "configmap/a serverside-applied"),
        (("ServerSideApply=true",), "", None, True, "configmap/a created (dry run)"),
        (("ServerSideApply=true",), "ServerSideApply=false", None, False, "configmap/a created"),
        ((), "ServerSideApply=true", None, False, "configmap/a serverside-applied"),
    ],
)
async def test_kubectls_words(options: tuple[str, ...], own: str, live: Any, dry_run: bool, message: str) -> None:
    target = obj("ConfigMap", "a", options=own)
    answer = await Hands(*options).do(Apply(task(target, live), target, dry_run))
    assert answer == EffectResult(True, message)


async def test_words_name_the_group() -> None:
    target = obj("Deployment", "api")
    assert (await Hands().do(Apply(task(target), target))).message == "deployment.apps/api created"


async def test_the_servers_own_words_and_nothing_else_are_told() -> None:
    hands = Hands()
    hands.server.refusals = [
        InvalidError("field is immutable", "a hint", code=422),
        UnreachableError("no route", "hint"),
    ]
    assert await hands.do(Apply(task(CONFIG), CONFIG)) == EffectResult(False, "field is immutable")
    assert await hands.do(Apply(task(CONFIG), CONFIG)) == EffectResult(False, "no route (hint)")


async def test_a_missing_namespace_is_a_failure_of_the_apply() -> None:
    hands = Hands()
    hands.server.refusals = [NotFoundError('namespaces "shop" not found', code=404)]
    answer = await hands.do(Apply(task(CONFIG), CONFIG))
    assert answer.failed
    assert answer.message == 'namespaces "shop" not found'


async def test_the_dry_run_minds_only_what_no_server_could_read() -> None:
    hands = Hands()
    hands.server.refusals = [
        InvalidError("field is immutable", code=422),
        InvalidError('strict decoding error: unknown field "x"', code=400),
    ]
    assert (await hands.do(Apply(task(CONFIG), CONFIG, dry_run=True))).ok
    assert not (await hands.do(Apply(task(CONFIG), CONFIG, dry_run=True))).ok


async def test_what_the_server_has_taken_is_not_asked_again_unless_a_schema_may_have_changed() -> None:
    hands = Hands()
    assert (await hands.do(Apply(task(CONFIG), CONFIG))).ok
    assert (await hands.do(Apply(task(CONFIG), CONFIG, dry_run=True))).ok
    assert hands.verbs == ["apply"]
    hands.destination.readable.clear()
    assert (await hands.do(Apply(task(CONFIG), CONFIG, dry_run=True))).ok
    assert hands.verbs == ["apply", "apply"]
    lenient = Hands("Validate=false")
    assert (await lenient.do(Apply(task(CONFIG), CONFIG))).ok
    assert CONFIG not in lenient.destination.readable, "it was taken without being validated"


async def test_what_was_not_checked_and_can_not_be_read_costs_nothing_that_is_there() -> None:
    unknown = InvalidError('strict decoding error: unknown field "x"', code=400)
    hands = Hands()
    hands.server.refusals = [unknown]
    answer = await hands.do(Apply(task(CONFIG), CONFIG, checked=False))
    assert answer == EffectResult(False, unknown.message, malformed=True)
    forceful = Hands(force=True)
    forceful.server.refusals = [unknown]
    live = there(CONFIG)
    assert (await forceful.do(Apply(task(CONFIG, live), CONFIG, checked=False))).malformed
    assert forceful.verbs == ["apply"], "nothing is deleted to make way for it"


async def test_what_is_written_is_seen_at_once() -> None:
    hands = Hands()
    await hands.do(Apply(task(CONFIG), CONFIG))
    assert (hands.destination.get(ref_of(CONFIG)) or {})["metadata"]["resourceVersion"] == "9"


async def test_what_is_deleted_is_looked_after() -> None:
    hands = Hands()
    assert (await hands.do(Delete(task(None, there(CONFIG))))).ok
    assert hands.verbs == ["delete", "get"]
    assert hands.destination.get(ref_of(CONFIG)) is None

    held = there(CONFIG, "x.io/y", version="2", deletionTimestamp="now")
    hands.server.objects[ref_of(CONFIG)] = there(held, uid="v")
    assert (await hands.do(Delete(task(None, there(CONFIG, uid="v"))))).ok
    assert (hands.destination.get(ref_of(CONFIG)) or {})["metadata"]["deletionTimestamp"] == "now"


@pytest.mark.parametrize("effect", [Delete, ReleaseHook, Look])
async def test_what_is_gone_is_gone(effect: Callable[[Task], Effect]) -> None:
    hands = Hands()
    hands.server.refusals = [NotFoundError("gone", code=404)]
    answer = await hands.do(effect(task(HOOK, there(HOOK, HOOK_FINALIZER))))
    assert answer.gone
    assert not answer.failed


async def test_what_is_found_by_a_look_is_seen_from_then_on() -> None:
    hands = Hands()
    hands.server.objects[ref_of(HOOK)] = there(HOOK)
    assert (await hands.do(Look(task(HOOK)))).ok
    assert hands.destination.get(ref_of(HOOK)) is not None


async def test_releasing_takes_only_our_finalizer_off() -> None:
    hands = Hands()
    assert (await hands.do(ReleaseHook(task(HOOK, there(HOOK, "x.io/y", HOOK_FINALIZER))))).ok
    assert hands.server.writes[-1][2] == {"metadata": {"finalizers": ["x.io/y"], "resourceVersion": "1"}}
    assert (await hands.do(ReleaseHook(task(HOOK, there(HOOK, HOOK_FINALIZER))))).ok
    assert hands.server.writes[-1][2] == {"metadata": {"finalizers": None, "resourceVersion": "1"}}
    assert (await hands.do(ReleaseHook(task(HOOK, there(HOOK, "x.io/y"))))).ok
    assert hands.verbs == ["patch", "patch"]


async def test_releasing_loses_no_finalizer_that_came_meanwhile() -> None:
    hands = Hands()
    hands.server.objects[ref_of(HOOK)] = there(HOOK, HOOK_FINALIZER, "foregroundDeletion", version="2")
    hands.server.refusals = [ConflictError("stale", code=409)]
    assert (await hands.do(ReleaseHook(task(HOOK, there(HOOK, HOOK_FINALIZER))))).ok
    assert hands.server.writes[-1][2] == {"metadata": {"finalizers": ["foregroundDeletion"], "resourceVersion": "2"}}


async def test_force_replaces_what_cannot_be_changed() -> None:
    hands = Hands(force=True)
    hands.server.refusals = [InvalidError("field is immutable", code=422)]
    assert (await hands.do(Apply(task(CONFIG, there(CONFIG)), CONFIG))).ok
    assert hands.verbs == ["apply", "delete", "get", "create"]


@pytest.mark.parametrize(("options", "own"), [(("Replace=true",), ""), ((), "Replace=true")])
async def test_replace_creates_or_puts(options: tuple[str, ...], own: str) -> None:
    hands = Hands(*options)
    target = obj("ConfigMap", "a", options=own)
    await hands.do(Apply(task(target), target))
    await hands.do(Apply(task(target, there(target)), target))
    assert hands.verbs == ["create", "replace"]
    assert hands.server.writes[-1][2]["metadata"]["resourceVersion"] == "1"


@pytest.mark.parametrize(
    ("options", "propagation"),
    [
        ((), "Foreground"),
        (("PrunePropagationPolicy=background",), "Background"),
        (("PrunePropagationPolicy=orphan",), "Orphan"),
        (("PrunePropagationPolicy=orphan", "PrunePropagationPolicy=foreground"), "Foreground"),
        (("PrunePropagationPolicy=nonsense",), "Foreground"),
    ],
)
def test_how_objects_are_deleted(options: tuple[str, ...], propagation: str) -> None:
    assert ApplyOptions.of(options, force=False).propagation == propagation


def test_what_client_side_apply_owns_becomes_ours() -> None:
    def entry(manager: str, operation: str, fields: Obj, **rest: str) -> Obj:
        return {"manager": manager, "operation": operation, "apiVersion": "v1", "fieldsV1": fields, **rest}

    theirs = entry("kubelet", "Update", {"f:status": {}}, subresource="status")
    found = there(
        CONFIG,
        managedFields=[
            entry("kubectl-client-side-apply", "Update", {"f:data": {"f:a": {}}}),
            entry("argocd-controller", "Apply", {"f:data": {"f:b": {}}}),
            theirs,
        ],
    )
    mine, *others = migrated_fields(found)
    assert mine["fieldsV1"] == {"f:data": {"f:a": {}, "f:b": {}}}
    assert (mine["manager"], mine["operation"]) == ("argocd-controller", "Apply")
    assert others == [theirs]
