"""A hundred clusters, one of them dead and one that hangs: what the others ask, and that they wait for nobody."""

from __future__ import annotations

from collections import Counter
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import pytest

from backends import definitions
from backends.argocd import ArgoDialect
from backends.embedded.cluster import EmbeddedCluster
from backends.embedded.faults import Fault, Kind
from backends.git import GitRepositories
from backends.kube.cluster import KubeCluster
from backends.kube.context import ContextConfig
from fleetui.fleet.fleet import LiveFleet
from fleetui.fleet.store import LiveStore
from fleetui.model.objects import ClusterName
from fleetui.model.status import ClusterState
from tests.waiting import await_until

CLUSTERS, APPS = 100, 3
DEAD, HANGING = ClusterName("dead"), ClusterName("hanging")


def filled(name: str) -> EmbeddedCluster:
    cluster = EmbeddedCluster(name)
    for definition in definitions.load():
        cluster.store.create(definition, manager="test")
    cluster.store.create({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": "argocd"}}, manager="test")
    for number in range(APPS):
        spec = {
            "project": "default",
            "source": {"repoURL": "https://git.example.com/a", "path": "a"},
            "destination": {"server": "https://kubernetes.default.svc", "namespace": "a"},
        }
        meta = {"name": f"app-{number}", "namespace": "argocd"}
        app = {"apiVersion": "argoproj.io/v1alpha1", "kind": "Application", "metadata": meta, "spec": spec}
        cluster.store.create(app, manager="test")
    return cluster


@asynccontextmanager
async def opened(servers: list[EmbeddedCluster]) -> AsyncIterator[tuple[LiveFleet, dict[str, KubeCluster]]]:
    """A fleet over these servers, in their order, as the console makes it."""
    contexts = [ContextConfig(name=server.name, server=server.url, token=server.token) for server in servers]
    clusters = [KubeCluster(context) for context in contexts]
    repositories = GitRepositories()
    fleet = LiveFleet([LiveStore(cluster) for cluster in clusters], [ArgoDialect()], repositories)
    await fleet.start()
    try:
        yield fleet, {str(cluster.name): cluster for cluster in clusters}
    finally:
        await fleet.close()
        for cluster in clusters:
            await cluster.close()
        await repositories.close()


async def settled(fleet: LiveFleet, live: list[KubeCluster]) -> None:
    """Returns when the live clusters show their applications and have said what they serve: then they ask no more."""
    await await_until(lambda: len(fleet.apps) == APPS * len(live), 60, "all applications are there")
    await await_until(lambda: all(cluster.status.version for cluster in live), 60, "every version is known")
    await await_until(lambda: all(cluster.requests["WATCH"] for cluster in live), 60, "everything is watched")


@pytest.fixture
async def servers() -> AsyncIterator[list[EmbeddedCluster]]:
    live = [filled(f"cluster-{number:02}") for number in range(CLUSTERS - 2)]
    dead, hanging = EmbeddedCluster(DEAD), EmbeddedCluster(HANGING)
    found = [dead, hanging, *live]
    for server in found:
        await server.start()
    await dead.stop()
    hanging.faults.add(Fault(kind=Kind.HANG))
    yield found
    for server in found:
        await server.stop()


async def test_one_dead_and_one_hanging_cluster_cost_the_others_nothing(servers: list[EmbeddedCluster]) -> None:
    async with opened([servers[2]]) as (fleet, clusters):
        await settled(fleet, list(clusters.values()))
        alone = Counter(clusters["cluster-00"].requests)
    assert alone["LIST"] + alone["WATCH"] > 0
    async with opened(servers) as (fleet, clusters):
        away = {clusters.pop(DEAD), clusters.pop(HANGING)}
        await settled(fleet, list(clusters.values()))
        assert {cluster.status.state for cluster in clusters.values()} == {ClusterState.LIVE}
        assert all(cluster.status.state is not ClusterState.LIVE for cluster in away)
        assert {name: cluster.requests for name, cluster in clusters.items()} == dict.fromkeys(clusters, alone)
        assert servers[1].faults.listeners >= 1, "it still hangs"
