"""A property: whatever breaks, and in whatever order, what informers tell is in order and becomes the server's picture.

10,000 writes of every sort to an embedded cluster, while its faults come and go, seen through `KubeCluster` over HTTP
and a `LiveStore`. Every now and then the sky clears, and the pictures must become equal without a further write: one
event lost, and they never do. ``FLEETUI_SEED=7 pytest tests/contract/test_informers_through_faults.py`` tries another
seed; a failure says which it was.
"""

from __future__ import annotations

import asyncio
import os
import random
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager, suppress

import pytest

from backends.embedded.cluster import EmbeddedCluster
from backends.embedded.faults import Kind
from backends.kube import informer, link, reading, retry
from backends.kube.backoff import Backoff
from backends.kube.cluster import KubeCluster
from backends.kube.context import ContextConfig
from fleetui.fleet.store import LiveStore
from fleetui.model.errors import ClusterError
from fleetui.model.objects import ApiResource, ObjectRef
from fleetui.ports import Subscription
from tests.contract.churn import KINDS, LABEL, NAMESPACES, WAYS, Churn, Weather
from tests.contract.witness import Holder, Picture, Witness
from tests.waiting import await_until

OPERATIONS = 10_000
BETWEEN_LOOKS = 200
HURRY = 1000.0
"""How much faster than in earnest everything is tried again."""
VERBS = frozenset({"list", "watch"})
RESOURCES = {
    kind: ApiResource(group, version, kind, plural, namespaced=True, verbs=VERBS)
    for kind, (group, version, plural) in KINDS.items()
} | {"Namespace": ApiResource("", "v1", "Namespace", "namespaces", namespaced=False, verbs=VERBS)}
SELECTOR = f"{LABEL}=a"


@pytest.fixture
def hurried(monkeypatch: pytest.MonkeyPatch) -> None:
    """Pauses and pages are as small as the test is short."""

    def hurry(pause: Callable[..., float | None]) -> Callable[..., float | None]:
        def hurried(*args: object, **kwargs: object) -> float | None:
            found = pause(*args, **kwargs)
            return None if found is None else found / HURRY

        return hurried

    monkeypatch.setattr(Backoff, "pause", hurry(Backoff.pause))
    monkeypatch.setattr(link, "probe_delay", hurry(link.probe_delay))
    for pause in (retry.retry_delay, retry.pause_after):
        monkeypatch.setattr(f"backends.kube.transport.{pause.__name__}", hurry(pause))
    for module in (informer, reading):
        monkeypatch.setattr(module, "PAGE", 7)


class World:
    """An embedded cluster, one who writes to it and everyone who watches."""

    def __init__(self, server: EmbeddedCluster, seed: int) -> None:
        context = ContextConfig(name="lone", server=server.url, token=server.token)
        self.chance = random.Random(seed)
        self.server = server
        self.churn = Churn(server, self.chance)
        self.weather = Weather(server, self.chance)
        self.api, self.writer = KubeCluster(context), KubeCluster(context)
        self.store = LiveStore(self.api)
        self.witness = Witness(self.exists)
        self.store.subscribe(self.witness)
        self.wants = [self.store.want(resource) for resource in RESOURCES.values()]
        self.selected = {kind: Holder() for kind in KINDS}
        for kind, holder in self.selected.items():
            self.api.watch(RESOURCES[kind], holder, namespace=NAMESPACES[0], labels=SELECTOR)
        self.outlined = Holder()
        self.api.watch(RESOURCES["Deployment"], self.outlined, metadata_only=True)
        self.sometimes: dict[tuple[str, str], Subscription] = {}
        self.writes: set[asyncio.Task[None]] = set()

    def exists(self, uid: str) -> bool:
        return self.server.store.storage.find(uid) is not None

    async def step(self, number: int) -> None:
        """One write, one in twenty of them over HTTP; now and then a fault, a restart, a watch that begins or ends."""
        chance = self.chance
        if chance.random() < 0.05:
            task = asyncio.get_running_loop().create_task(self._write())
            self.writes.add(task)
            task.add_done_callback(self.writes.discard)
        else:
            self.churn.step()
        if number % 8 == 0:
            self.weather.change()
        if chance.random() < 0.01:
            self._take_or_leave()
        if chance.random() < 0.001:
            await self.server.stop()
            await self.server.start()
        for _ in range(chance.choice((0, 0, 0, 1, 5, 20))):
            await asyncio.sleep(0)

    async def settle(self) -> None:
        """Clears the sky and waits until everyone sees what the server has."""
        self.weather.clear()
        if self.writes:
            await asyncio.wait(self.writes)
        await await_until(lambda: not self.differences(), 20, f"the pictures are equal; {self.differences()}")

    def differences(self) -> list[str]:
        """What is seen otherwise than it is."""
        found = []
        for kind, resource in RESOURCES.items():
            seen: Picture = {
                obj.ref: (obj.uid, obj.meta.resource_version) for obj in self.store.of_kind(resource.group, kind)
            }
            found += _differences(f"store, {kind}", seen, self._truth(resource))
        for kind, holder in self.selected.items():
            truth = self._truth(RESOURCES[kind], namespace=NAMESPACES[0], side="a")
            found += _differences(f"selected, {kind}", holder.picture, truth)
        truth = self._truth(RESOURCES["Deployment"])
        return found + _differences("outlined", self.outlined.picture, truth)

    @property
    def faults(self) -> list[str]:
        holders = (*self.selected.values(), self.outlined)
        return self.witness.faults + [fault for holder in holders for fault in holder.faults]

    async def close(self) -> None:
        self.store.close()
        await self.api.close()
        await self.writer.close()

    def _truth(self, resource: ApiResource, *, namespace: str = "", side: str = "") -> Picture:
        found = self.server.store.resources.by_kind(resource.group, resource.kind)
        assert found is not None
        return {
            ObjectRef(resource.group, resource.kind, record.namespace, record.name): (record.uid, str(record.version))
            for record in self.server.store.table(found).records.values()
            if namespace in ("", record.namespace) and side in ("", record.labels.get(LABEL))
        }

    async def _write(self) -> None:
        kind, namespace, name = self.churn.any_of()
        resource = RESOURCES[kind]
        with suppress(ClusterError):
            if self.chance.random() < 0.5:
                await self.writer.create(resource, self.churn.made(kind, namespace, name), field_manager="far")
            else:
                await self.writer.delete(resource, name, namespace)

    def _take_or_leave(self) -> None:
        kind, namespace, _ = self.churn.any_of()
        taken = self.sometimes.pop((kind, namespace), None)
        if taken is None:
            self.sometimes[kind, namespace] = self.store.want(RESOURCES[kind], namespace)
        else:
            taken.close()
            self.witness.forget(self.store.get)


def _differences(who: str, seen: Picture, truth: Picture) -> list[str]:
    refs = sorted(ref for ref in seen.keys() | truth.keys() if seen.get(ref) != truth.get(ref))
    return [f"{who}: {ref} is {truth.get(ref)}, seen as {seen.get(ref)}" for ref in refs]


@asynccontextmanager
async def world(seed: int) -> AsyncIterator[World]:
    server = EmbeddedCluster("lone", seed=seed)
    server.server.api.bookmark_every = 0.05
    await server.start()
    made = World(server, seed)
    await made.api.discover()  # from now on it is known that the server can stream lists
    try:
        yield made
    finally:
        await made.close()
        await server.stop()


@pytest.mark.usefixtures("hurried")
async def test_pictures_become_equal_and_nothing_is_told_out_of_order() -> None:
    seed = int(os.environ.get("FLEETUI_SEED", "4"))
    async with world(seed) as here:
        for number in range(OPERATIONS):
            await here.step(number)
            if number % BETWEEN_LOOKS == BETWEEN_LOOKS - 1:
                await here.settle()
                assert here.faults == [], f"seed {seed}, after {number} operations"
        assert {kind for kind in Kind if not here.weather.fired[kind]} == set(), "every kind of fault has struck"
        assert {way for way in WAYS if here.churn.done[way] < 20} == set(), "every kind of write was made"
        assert here.witness.changes > OPERATIONS // 5
        assert here.witness.deletions > OPERATIONS // 10
