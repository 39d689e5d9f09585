"""An executor on a cluster without a server, for tests of single effects."""

from __future__ import annotations

from typing import Any

from fleetui.engine.application import FIELD_MANAGER
from fleetui.engine.apply import ApplyOptions
from fleetui.engine.destination import Destination
from fleetui.engine.effects import Effect, EffectResult, Step, StepOutcome
from fleetui.engine.execute import Executor
from fleetui.engine.hooks import Phase
from fleetui.engine.tasks import Task
from fleetui.fleet.store import LiveStore
from fleetui.hubports import Site
from fleetui.model.objects import ApiResource, Discovery, Obj, ref_of
from fleetui.model.status import OperationPhase
from tests.engine.fake_clock import FakeClock
from tests.unit.fakes import SERVED, FakeCluster, resource

OTHERS = [
    resource("Job", group="batch"),
    resource("CustomResourceDefinition", group="apiextensions.k8s.io", namespaced=False),
    *(resource(kind, group="rbac.authorization.k8s.io") for kind in ("Role", "RoleBinding")),
]


class Server(FakeCluster):
    """A cluster whose answers a test may take away: `refusals` are raised in turn, the rest goes well."""

    def __init__(self) -> None:
        super().__init__()
        self.served = Discovery([*SERVED, *OTHERS])
        self.refusals: list[Exception | None] = []
        self.answer = self._answered

    def _answered(self, verb: str, name: str, body: Any) -> Obj:
        refusal = self.refusals.pop(0) if self.refusals else None
        if refusal is not None:
            raise refusal
        obj = body if isinstance(body, dict) else {}
        return {**obj, "metadata": {"uid": "u", "resourceVersion": "9", **obj.get("metadata", {})}}

    async def create(self, resource: ApiResource, obj: Obj, *, dry_run: bool = False, **_: Any) -> Obj:
        return self._write("create dry-run" if dry_run else "create", resource.full_name, obj)

    async def replace(self, resource: ApiResource, obj: Obj, *, dry_run: bool = False, **_: Any) -> Obj:
        return self._write("replace dry-run" if dry_run else "replace", resource.full_name, obj)

    async def get(self, resource: ApiResource, name: str, namespace: str = "") -> Obj:
        self.writes.append(("get", name, None))
        return await super().get(resource, name, namespace)


class Hands:
    """An executor on a cluster."""

    def __init__(self, *options: str, force: bool = False, since: float = 0.0) -> None:
        self.server = Server()
        self.destination = Destination(Site(LiveStore(self.server)), FakeClock(), lambda *_: None)
        self._executor = Executor(self.destination, ApplyOptions.of(options, force=force, app={}, since=since))

    async def do(self, effect: Effect) -> EffectResult:
        await self.destination.rediscover()
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


def ours(found: Obj, *, fields: Obj | None = None, **metadata: Any) -> Obj:
    """The live object of what we applied."""
    entry = {"manager": FIELD_MANAGER, "operation": "Apply", "apiVersion": found["apiVersion"]}
    return there(found, managedFields=[{**entry, "fieldsV1": fields or {}}], **metadata)
