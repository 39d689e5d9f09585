"""What wakes which application, and what does not."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from typing import Any

import pytest

from fleetui.engine.application import TRACKING_ID
from fleetui.engine.controller import Engine
from fleetui.engine.onlyhub import OnlyTheHub
from fleetui.engine.webhook import Push
from fleetui.fleet.store import LiveStore
from fleetui.gitports import Repository
from fleetui.hubports import Site
from fleetui.model.errors import RefusedError
from fleetui.model.objects import ClusterName, Obj, ref_of
from tests.engine.bench import Repo
from tests.engine.fake_clock import FakeClock
from tests.engine.objects import application, obj
from tests.unit.fakes import APPLICATION, CONFIG_MAP, FakeCluster, stored
from tests.waiting import await_until


class Both(OnlyTheHub):
    """A hub that has registered another cluster."""

    def __init__(self, hub: LiveStore, edge: LiveStore) -> None:
        super().__init__(hub)
        self._edge = edge

    def find(self, hub: ClusterName, *, server: str, name: str) -> Site:
        return Site(self._edge) if server == self._edge.api.server else super().find(hub, server=server, name=name)


class Bench:
    """An engine over fake clusters, whose reconciles are only counted."""

    def __init__(self) -> None:
        self.hub, self.edge = FakeCluster(), FakeCluster("edge", server="https://edge.example")
        self.stores = [LiveStore(self.hub), LiveStore(self.edge)]
        self.repo = Repo()
        self.clock = FakeClock()
        self.engine = Engine(self.stores[0], self.repo, clock=self.clock, directory=Both(*self.stores))
        self.worked: list[tuple[str, str]] = []
        self.wanted = [store.want(CONFIG_MAP) for store in self.stores]

        async def count(reconciler: object, key: tuple[str, str]) -> None:
            self.worked.append(key)

        self.engine.work_on = count  # type: ignore[method-assign]

    def show(self, cluster: FakeCluster, kind: str, *objects: Obj) -> None:
        """A watch lists these objects."""
        cluster.watch_of(kind).lists(*map(stored, objects))

    async def settled(self) -> list[str]:
        """The names that were worked on since the last look."""
        for _ in range(20):
            await asyncio.sleep(0)
        names, self.worked = [name for _, name in self.worked], []
        return names


@pytest.fixture
async def bench() -> AsyncIterator[Bench]:
    bench = Bench()
    task = asyncio.create_task(bench.engine.run())
    await await_until(lambda: any(w.resource.kind == "Application" for w in bench.hub.watches), 5, "it watches")
    yield bench
    task.cancel()
    await asyncio.gather(task, return_exceptions=True)


def app(name: str, *, version: str = "1", spec: Any = ...) -> Obj:
    found = dict(application(metadata={"name": name, "uid": name, "resourceVersion": version}).obj)
    return found if spec is ... else found | {"spec": spec}


def tracked(name: str, owner: str, *, version: str = "1") -> Obj:
    annotations = {TRACKING_ID: f"{owner}:/ConfigMap:shop/{name}"}
    return obj("ConfigMap", name, metadata={"annotations": annotations, "uid": name, "resourceVersion": version})


async def test_an_application_wakes_itself(bench: Bench) -> None:
    bench.show(bench.hub, "Application", app("a"), app("b"))
    assert await bench.settled() == ["a", "b"]
    bench.show(bench.hub, "Application", app("a", version="2"), app("b"))
    assert await bench.settled() == ["a"]


async def test_an_object_wakes_whose_it_is_on_any_cluster(bench: Bench) -> None:
    bench.show(bench.hub, "Application", app("a"), app("b"))
    await bench.settled()
    bench.engine._destinations.find({"server": bench.edge.server})
    bench.show(bench.hub, "ConfigMap", tracked("x", "a"), tracked("y", "nobody"))
    assert await bench.settled() == ["a"]
    bench.show(bench.edge, "ConfigMap", tracked("x", "b"))
    assert await bench.settled() == ["b"]
    bench.show(bench.edge, "ConfigMap")
    assert await bench.settled() == ["b"], "its deletion wakes too"


async def test_who_loses_an_object_is_woken_too(bench: Bench) -> None:
    bench.show(bench.hub, "Application", app("a"), app("b"))
    bench.show(bench.hub, "ConfigMap", tracked("x", "a"))
    await bench.settled()
    bench.show(bench.hub, "ConfigMap", tracked("x", "b", version="2"))
    assert sorted(await bench.settled()) == ["a", "b"], "another application has it now"
    bench.show(bench.hub, "ConfigMap", obj("ConfigMap", "x", metadata={"uid": "x", "resourceVersion": "3"}))
    assert await bench.settled() == ["b"], "nobody has"
    bench.show(bench.hub, "ConfigMap")
    assert await bench.settled() == []


async def test_an_object_that_went_wakes_who_looks_into_its_namespace_on_its_cluster(bench: Bench) -> None:
    bench.show(bench.hub, "Application", app("a"), app("b"))
    bench.engine._destinations.find({"server": bench.edge.server})
    stray = obj("ConfigMap", "stray", metadata={"uid": "s", "resourceVersion": "1"})
    bench.show(bench.hub, "ConfigMap", stray)
    await bench.settled()
    monitors = bench.engine._monitors
    monitors.looked(("argocd", "a"), bench.hub.name, "shop", frozenset({ref_of(stray)}))
    monitors.looked(("argocd", "b"), bench.edge.name, "shop", frozenset())
    bench.show(bench.edge, "ConfigMap", stray)
    assert await bench.settled() == ["b"]
    bench.show(bench.hub, "ConfigMap")
    assert await bench.settled() == ["a"]


async def test_the_engine_ends_with_what_ended_it() -> None:
    bench = Bench()

    async def refused() -> None:
        raise RefusedError("another controller is at work", "scale it to 0")

    bench.engine._foreign.until_certain = refused  # type: ignore[method-assign]
    with pytest.raises(RefusedError, match="another controller"):
        await bench.engine.run()


async def test_a_push_is_asked_for_with_the_login_of_each_project(bench: Bench) -> None:
    team = {**application().spec, "project": "team"}
    bench.show(bench.hub, "Application", app("a", spec=team), app("b", spec=team), app("c"))
    await bench.settled()
    opened: list[tuple[str, str]] = []

    def noted(url: str, *, hub: str = "", project: str = "") -> Repository:
        opened.append((hub, project))
        return bench.repo

    bench.repo.open = noted  # type: ignore[method-assign]
    assert bench.engine.pushed(Push("GitHub", (application().spec["source"]["repoURL"],), ("main",), touched_head=True))
    assert sorted(await bench.settled()) == ["a", "b", "c"]
    assert sorted(opened) == [("hub", "default"), ("hub", "team")]


async def test_a_repository_wakes_who_reads_it(bench: Bench) -> None:
    other = {"source": {"repoURL": "https://git.example/other.git", "path": "x"}}
    bench.show(bench.hub, "Application", app("a"), app("b", spec=other))
    await bench.settled()
    bench.engine._moved("https://git.example/other.git")
    assert await bench.settled() == ["b"]
    bench.show(bench.hub, "Application", app("a"), app("b", version="2"))
    await bench.settled()
    bench.engine._moved("https://git.example/other.git")
    assert await bench.settled() == [], "it reads another one now"


async def test_an_application_on_another_cluster_is_none_of_ours(bench: Bench) -> None:
    bench.stores[1].want(APPLICATION)
    bench.show(bench.edge, "Application", app("theirs"))
    assert await bench.settled() == []


async def test_an_application_that_went_wakes_once_and_is_forgotten(bench: Bench) -> None:
    bench.show(bench.hub, "Application", app("a"))
    await bench.settled()
    bench.show(bench.hub, "Application")
    assert await bench.settled() == ["a"]
    bench.show(bench.hub, "ConfigMap", tracked("x", "a"))
    bench.engine._moved(bench.repo.url)
    assert await bench.settled() == []


@pytest.mark.parametrize("spec", [None, 3, "x", [], {"source": 3}, {"source": {"repoURL": {"a": 1}}}])
async def test_an_odd_application_is_looked_at_all_the_same(spec: Any, bench: Bench) -> None:
    bench.show(bench.hub, "Application", app("odd", spec=spec), app("a"))
    assert await bench.settled() == ["odd", "a"]


async def test_applications_that_somebody_watches_already_are_found() -> None:
    bench = Bench()
    bench.stores[0].want(APPLICATION)
    bench.show(bench.hub, "Application", app("a"))
    late = Engine(bench.stores[0], bench.repo, clock=bench.clock)
    late.work_on = bench.engine.work_on  # type: ignore[method-assign]
    task = asyncio.create_task(late.run())
    await await_until(lambda: ("argocd", "a") in bench.worked, 5, "it is found")
    task.cancel()
    await asyncio.gather(task, return_exceptions=True)
