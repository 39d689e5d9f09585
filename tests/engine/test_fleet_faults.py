"""The live fleet over embedded clusters: servers that come, go and come back."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest
import yaml

import backends.definitions
from backends.argocd import ArgoDialect
from backends.embedded.cluster import EmbeddedCluster
from backends.embedded.thread import EmbeddedHost
from backends.git import GitRepositories
from backends.kube.cluster import KubeCluster
from backends.kube.kubeconfig import load
from fleetui.fleet.audit import Audit, FileJournal, Operator
from fleetui.fleet.fleet import LiveFleet
from fleetui.fleet.store import LiveStore
from fleetui.model.objects import ClusterName, Obj
from fleetui.model.status import ClusterState
from tests.waiting import await_until

PATIENCE = 20.0
HUB, EDGE = ClusterName("hub"), ClusterName("edge")
APPLICATION = ArgoDialect.app_resource


@pytest.fixture
def host(tmp_path: Path) -> Iterator[EmbeddedHost]:
    with EmbeddedHost([EmbeddedCluster(HUB), EmbeddedCluster(EDGE)]) as running:
        running.kubeconfig(tmp_path / "kubeconfig")
        yield running


class View:
    """A fleet over the embedded clusters, and an administrator's hand in them."""

    def __init__(self, folder: Path) -> None:
        kubeconfig = load([folder / "kubeconfig"])
        self.clusters = {name: KubeCluster(kubeconfig.context(name)) for name in (HUB, EDGE)}
        self.stores = [LiveStore(cluster) for cluster in self.clusters.values()]
        self.repositories = GitRepositories(cache=folder / "mirrors")
        audit = Audit(FileJournal(folder / "audit.jsonl"), Operator("ann", "bastion", "no terminal"), now=time.time)
        self.fleet = LiveFleet(self.stores, [ArgoDialect()], self.repositories, audit=audit)

    async def bootstrap(self, name: ClusterName) -> None:
        definition = yaml.safe_load((Path(backends.definitions.__file__).parent / "applications.yaml").read_text())
        await self.apply(name, definition)
        await self.apply(name, {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": "argocd"}})
        cluster = self.clusters[name]

        async def served() -> bool:
            return (await cluster.discover(refresh=True)).by_kind(*APPLICATION.group_kind) is not None

        look: Callable[[], bool | Awaitable[bool]] = served
        await await_until(look, PATIENCE, f"{name} serves Applications")

    async def apply(self, name: ClusterName, obj: Obj) -> None:
        cluster = self.clusters[name]
        resource = (await cluster.discover()).of(obj)
        assert resource is not None
        await cluster.apply(resource, obj, field_manager="test")

    async def create_app(self, hub: ClusterName, name: str, **spec: Any) -> None:
        source = {"repoURL": "https://git.example/k8s", "path": "apps"}
        destination = {"server": "https://kubernetes.default.svc", "namespace": "default"}
        body = {
            "apiVersion": APPLICATION.api_version,
            "kind": APPLICATION.kind,
            "metadata": {"name": name, "namespace": "argocd"},
            "spec": {"project": "default", "source": source, "destination": destination, **spec},
        }
        await self.clusters[hub].create(APPLICATION, body, field_manager="test")

    async def until(self, condition: Callable[[], object], what: str) -> None:
        await await_until(lambda: bool(condition()), PATIENCE, what)

    def names(self, hub: ClusterName) -> set[str]:
        return {key.name for key in self.fleet.apps if key.hub == hub}

    def is_in(self, name: ClusterName, state: ClusterState) -> bool:
        return self.fleet.clusters[name].state is state


@asynccontextmanager
async def view_of(folder: Path, *, start: bool = True) -> AsyncIterator[View]:
    view = View(folder)
    try:
        if start:
            await view.fleet.start()
        yield view
    finally:
        await view.fleet.close()
        for store in view.stores:
            store.close()
            await store.api.close()
        await view.repositories.close()


async def test_a_server_goes_and_comes_back_and_nobody_presses_a_key(host: EmbeddedHost, tmp_path: Path) -> None:
    async with view_of(tmp_path) as view:
        for hub in (HUB, EDGE):
            await view.bootstrap(hub)
            await view.create_app(hub, "payments")
        await view.until(lambda: view.names(HUB) == view.names(EDGE) == {"payments"}, "the applications")

        await asyncio.to_thread(host.stop_server, EDGE)
        await view.until(lambda: view.is_in(EDGE, ClusterState.STALE), "the cluster is marked stale")
        assert view.names(EDGE) == {"payments"}, "its rows stay"
        assert view.fleet.problems[EDGE].startswith("edge: ")
        await view.create_app(HUB, "checkout")
        await view.until(lambda: view.names(HUB) == {"payments", "checkout"}, "the other cluster goes on")

        await asyncio.to_thread(host.start_server, EDGE)
        await view.until(lambda: view.is_in(EDGE, ClusterState.LIVE), "the cluster is live again")
        await view.create_app(EDGE, "telemetry")
        await view.until(lambda: view.names(EDGE) == {"payments", "telemetry"}, "what is new comes again")
        assert view.fleet.problems == {}


async def test_a_server_that_is_down_at_the_start_is_taken_in_when_it_comes(host: EmbeddedHost, tmp_path: Path) -> None:
    async with view_of(tmp_path, start=False) as view:
        for hub in (HUB, EDGE):
            await view.bootstrap(hub)
            await view.create_app(hub, "payments")
        await asyncio.to_thread(host.stop_server, EDGE)
        await view.fleet.start()
        await asyncio.wait_for(view.fleet.loaded(), PATIENCE)
        assert (view.names(HUB), view.names(EDGE)) == ({"payments"}, set())
        await asyncio.to_thread(host.start_server, EDGE)
        await view.until(lambda: view.names(EDGE) == {"payments"}, "the application of the late cluster")


async def test_a_definition_that_comes_late_is_found(host: EmbeddedHost, tmp_path: Path) -> None:
    async with view_of(tmp_path) as view:
        await asyncio.wait_for(view.fleet.loaded(), PATIENCE)
        wanting = "no applications.argoproj.io definition here; fleetui bootstrap puts it there"
        assert view.fleet.problems == {name: f"{name}: {wanting}" for name in (HUB, EDGE)}
        await view.bootstrap(HUB)
        await view.create_app(HUB, "payments")
        await view.until(lambda: view.names(HUB) == {"payments"}, "the application")
        assert set(view.fleet.problems) == {EDGE}


async def test_a_thousand_applications_cost_one_watch_that_lists_them(host: EmbeddedHost, tmp_path: Path) -> None:
    async with view_of(tmp_path, start=False) as view:
        await view.bootstrap(HUB)
        for first in range(0, 1000, 100):
            await asyncio.gather(*(view.create_app(HUB, f"app-{n:04}") for n in range(first, first + 100)))
        before = dict(view.clusters[HUB].requests)
        heard: list[int] = []
        await view.fleet.start()
        view.fleet.subscribe(lambda change: heard.append(len(change.apps)))
        await view.until(lambda: len(view.fleet.apps) == 1000, "all applications")
        await view.until(lambda: sum(heard) == 1000, "all applications told")
        after = view.clusters[HUB].requests
        assert {verb: after[verb] - before.get(verb, 0) for verb in ("LIST", "WATCH")} == {"LIST": 0, "WATCH": 1}
        assert len([count for count in heard if count]) <= 4, "a listing is told in few change sets"
