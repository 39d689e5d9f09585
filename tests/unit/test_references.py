"""Clusters that Flux objects reach by a kubeconfig in a Secret: read when named, and again when they stop to answer."""

from __future__ import annotations

import asyncio
import base64
import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

from backends.flux_kubeconfig import FluxKubeconfigs
from fleetui.fleet.clusters import Clusters
from fleetui.fleet.references import References
from fleetui.fleet.store import LiveStore
from fleetui.hubports import Registration
from fleetui.model.errors import ForbiddenError, UnreachableError
from fleetui.model.objects import ClusterName, Discovery, Obj, ObjectRef, StoredObject
from fleetui.model.status import ClusterState, ClusterStatus
from tests.unit.fakes import SERVED, FakeClock, FakeCluster, manifest, resource, stored
from tests.waiting import await_until

KUSTOMIZATION = resource("Kustomization", group="kustomize.toolkit.fluxcd.io")
HELM_RELEASE = resource("HelmRelease", group="helm.toolkit.fluxcd.io", version="v2")
EDGE = "https://edge.example:6443"


class Flux(FluxKubeconfigs):
    """Flux's, but for the clusters, which are made by hand."""

    def __init__(self) -> None:
        super().__init__()
        self.made: list[FakeCluster] = []

    def connect(self, registration: Registration, name: ClusterName) -> FakeCluster:
        self.made.append(FakeCluster(name, server=registration.server))
        self.made[-1].becomes(
            ClusterState.UNREACHABLE if registration.problem else ClusterState.CONNECTING, registration.problem
        )
        return self.made[-1]


class Bench:
    def __init__(self) -> None:
        self.hub = FakeCluster("hub")
        self.hub.served = Discovery((*SERVED, KUSTOMIZATION, HELM_RELEASE))
        self.flux = Flux()
        self.clusters = Clusters([LiveStore(self.hub)], None, self.flux, clock=FakeClock())
        self.told: list[ClusterStatus] = []
        self.gone: list[str] = []
        self.clusters.on_status(self.told.append)
        self.clusters.on_gone(self.gone.append)
        self.clusters.start()

    def has(self, name: str, *, token: str = "a", server: str = EDGE, namespace: str = "apps") -> None:
        """The hub has a Secret with a kubeconfig."""
        config = {
            "current-context": "x",
            "contexts": [{"name": "x", "context": {"cluster": "x", "user": "x"}}],
            "clusters": [{"name": "x", "cluster": {"server": server}}],
            "users": [{"name": "x", "user": {"token": token}}],
        }
        data = {"value": base64.b64encode(json.dumps(config).encode()).decode()}
        self.hub.objects[ObjectRef("", "Secret", namespace, name)] = {"kind": "Secret", "data": data}

    def lists(self, *objects: StoredObject, releases: tuple[StoredObject, ...] = ()) -> None:
        self.hub.watch_of("Kustomization").lists(*objects)
        self.hub.watch_of("HelmRelease").lists(*releases)

    async def knows(self, *objects: StoredObject, releases: tuple[StoredObject, ...] = ()) -> dict[str, ClusterStatus]:
        """What is known of clusters when these objects were listed."""
        task = asyncio.create_task(self.clusters.referred())
        await await_until(lambda: len(self.hub.watches) == 2, 5, "both kinds are watched")
        self.lists(*objects, releases=releases)
        await task
        return {name: status for name, status in self.clusters.statuses.items() if name != "hub"}


@asynccontextmanager
async def bench() -> AsyncIterator[Bench]:
    made = Bench()
    try:
        yield made
    finally:
        await made.clusters.close()


def flux(
    name: str, secret: str | None, *, kind: str = "Kustomization", version: str = "1", key: str = ""
) -> StoredObject:
    group = {"Kustomization": "kustomize.toolkit.fluxcd.io/v1", "HelmRelease": "helm.toolkit.fluxcd.io/v2"}[kind]
    reference: Any = {"secretRef": {"name": secret, **({"key": key} if key else {})}}
    spec: Obj = {"kubeConfig": reference} if secret else {}
    return stored(
        manifest(kind, name, namespace="apps", api_version=group, spec=spec, metadata={"resourceVersion": version})
    )


async def test_a_cluster_is_known_by_the_secret_that_objects_name() -> None:
    async with bench() as run:
        run.has("edge")
        known = await run.knows(
            flux("a", "edge"), flux("b", "edge"), flux("c", None), releases=(flux("d", "edge", kind="HelmRelease"),)
        )
        assert {name: (each.state.value, each.origin, each.server) for name, each in known.items()} == {
            "edge": ("registered", "flux hub", EDGE)
        }
        assert sum(cluster.discoveries for cluster in run.flux.made) == 0
        await run.clusters.check()
        assert sum(cluster.discoveries for cluster in run.flux.made) == 1


async def test_the_same_server_is_one_cluster_whoever_names_it() -> None:
    async with bench() as run:
        run.has("edge")
        run.has("edge-again")
        run.has("the-hub", server=run.hub.server)
        known = await run.knows(flux("a", "edge"), flux("b", "edge-again"), flux("c", "the-hub"))
        assert {name: each.aliases for name, each in known.items()} == {"edge": ("edge-again",)}
        assert run.clusters.statuses[ClusterName("hub")].aliases == ("the-hub",)


async def test_a_secret_that_is_not_there_or_says_nothing_is_that_cluster_s_state() -> None:
    async with bench() as run:
        run.hub.objects[ObjectRef("", "Secret", "apps", "odd")] = {"kind": "Secret", "data": {}}
        run.has("edge")
        known = await run.knows(flux("a", "missing"), flux("b", "odd"), flux("c", "edge"))
        assert {name: (each.state, each.message) for name, each in known.items()} == {
            "edge": (ClusterState.REGISTERED, ""),
            "missing": (ClusterState.UNREACHABLE, "Secret apps/missing: there is no such Secret"),
            "odd": (
                ClusterState.UNREACHABLE,
                "Secret apps/odd does not contain a 'value' key with a kubeconfig",
            ),
        }


async def test_what_is_named_no_more_is_forgotten() -> None:
    async with bench() as run:
        run.has("edge")
        await run.knows(flux("a", "edge"), flux("b", "edge"))
        sink = run.hub.watch_of("Kustomization").sink
        sink.remove(flux("a", "edge"))
        assert run.gone == []
        sink.upsert([flux("b", None, version="2")])
        assert run.gone == ["edge"]


async def test_a_rotated_login_is_read_when_the_old_one_is_refused() -> None:
    async with bench() as run:
        run.has("edge")
        await run.knows(flux("a", "edge"))
        await run.clusters.check()
        old = run.flux.made[-1]
        old.becomes(ClusterState.LIVE)
        run.has("edge", token="b")
        old.becomes(ClusterState.UNAUTHORIZED, "the token was refused")
        await await_until(lambda: run.flux.made[-1] is not old, 5, "the Secret was read again")
        assert run.clusters.statuses[ClusterName("edge")].state is ClusterState.REGISTERED


async def test_where_flux_is_not_there_or_may_not_be_read_nothing_is_known() -> None:
    async with bench() as run:
        run.hub.served = Discovery(SERVED)
        await run.clusters.referred()
        assert run.hub.watches == []
    async with bench() as run:
        task = asyncio.create_task(run.clusters.referred())
        await await_until(lambda: len(run.hub.watches) == 2, 5, "both kinds are watched")
        for watch in run.hub.watches:
            watch.sink.failed(ForbiddenError("no", code=403))
        await task
        assert set(run.clusters.statuses) == {"hub"}


async def test_a_secret_that_comes_later_is_read_when_an_object_that_names_it_has_news() -> None:
    async with bench() as run:
        await run.knows(flux("a", "edge"), flux("b", None))
        assert run.clusters.statuses[ClusterName("edge")].state is ClusterState.UNREACHABLE
        run.has("edge")
        sink = run.hub.watch_of("Kustomization").sink
        sink.upsert([flux("b", None, version="2")])
        sink.upsert([flux("a", "edge", version="2")])
        await await_until(
            lambda: run.clusters.statuses[ClusterName("edge")].state is ClusterState.REGISTERED, 5, "read again"
        )


async def test_a_hub_that_could_not_be_asked_is_asked_again_the_next_time() -> None:
    async with bench() as run:
        run.has("edge")
        run.hub.away = UnreachableError("gone for a moment")
        await run.clusters.referred()
        assert run.hub.watches == []
        run.hub.away = None
        assert set(await run.knows(flux("a", "edge"))) == {"edge"}
        await run.clusters.referred()
        assert len(run.hub.watches) == 2


async def test_a_hub_that_is_closed_while_it_is_asked_is_not_watched() -> None:
    hub = FakeCluster("hub")
    hub.served = Discovery((*SERVED, KUSTOMIZATION, HELM_RELEASE))
    references = References(hub, Flux(), lambda: None)
    starting = references.start()
    await references.close()
    await starting
    assert [watch for watch in hub.watches if watch.open] == []
