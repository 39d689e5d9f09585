"""The informer against both API servers: every way to list, what it selects, and what happens when history is lost."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest

from backends.kube.cluster import KubeCluster
from backends.kube.informer import Informer
from backends.kube.kubeconfig import load
from backends.kube.reading import Reader
from backends.kube.selection import Selection
from backends.kube.streaming import Streaming
from backends.kube.transport import Transport
from fleetui.fleet.store import LiveStore
from fleetui.model.errors import ForbiddenError, InvalidError
from fleetui.model.objects import ApiResource, Obj
from tests.controlplane.server import ControlPlane
from tests.e2e.conftest import PLANES
from tests.e2e.plane import Plane
from tests.unit.kube.test_informer import Monitor, Sink
from tests.waiting import await_until

CONFIG_MAPS = ApiResource("", "v1", "ConfigMap", "configmaps", namespaced=True)
NAMESPACES = ApiResource("", "v1", "Namespace", "namespaces", namespaced=False)
OURS = "made=here"
"""A label of what the tests make: a real cluster has a ConfigMap of its own in each namespace."""


@pytest.fixture(params=PLANES)
def plane(request: pytest.FixtureRequest) -> Plane:
    found: Plane = request.getfixturevalue(request.param)
    return found


@asynccontextmanager
async def connected(plane: Plane) -> AsyncIterator[KubeCluster]:
    cluster = KubeCluster(load([plane.kubeconfig()]).context())
    try:
        yield cluster
    finally:
        await cluster.close()


def config_map(namespace: str, name: str, **labels: str) -> Obj:
    metadata = {"namespace": namespace, "name": name, "labels": {"made": "here"} | labels}
    return {"apiVersion": "v1", "kind": "ConfigMap", "metadata": metadata, "data": {"text": "x" * 100}}


async def make_namespace(cluster: KubeCluster, name: str) -> None:
    obj = {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": name}}
    await cluster.create(NAMESPACES, obj, field_manager="t")


async def make(cluster: KubeCluster, namespace: str, count: int) -> None:
    slots = asyncio.Semaphore(16)

    async def one(number: int) -> None:
        async with slots:
            await cluster.create(CONFIG_MAPS, config_map(namespace, f"m{number}"), field_manager="t")

    await asyncio.gather(*map(one, range(count)))


@pytest.mark.parametrize("streamed", [False, True], ids=["pages", "stream"])
async def test_both_ways_to_list_bring_the_same(plane: Plane, unique: str, streamed: bool) -> None:
    async with connected(plane) as cluster:
        await make_namespace(cluster, unique)
        await make(cluster, unique, 1100)
        if streamed:
            await cluster.discover()
        cluster.requests.clear()
        sink = Sink()
        cluster.watch(CONFIG_MAPS, sink, namespace=unique, labels=OURS)
        await await_until(lambda: "listed" in sink.told, 20, "listed")
        assert len(sink.names) == 1100
        await await_until(lambda: cluster.requests["WATCH"], 10, "watching")
        assert cluster.requests == ({"WATCH": 1} if streamed else {"LIST": 3, "WATCH": 1})
        assert {obj.decode()["data"]["text"] for obj in sink.objects.values()} == {"x" * 100}
        await cluster.delete(CONFIG_MAPS, "m7", unique)
        await await_until(lambda: "m7" not in sink.names, 10, "the watch goes on")
        assert sink.errors == []


@pytest.mark.parametrize("streamed", [False, True], ids=["pages", "stream"])
async def test_metadata_alone(plane: Plane, unique: str, streamed: bool) -> None:
    async with connected(plane) as cluster:
        await make_namespace(cluster, unique)
        await make(cluster, unique, 2)
        if streamed:
            await cluster.discover()
        sink = Sink()
        cluster.watch(CONFIG_MAPS, sink, namespace=unique, labels=OURS, metadata_only=True)
        await await_until(lambda: len(sink.names) == 2, 10, "listed")
        await cluster.create(CONFIG_MAPS, config_map(unique, "later"), field_manager="t")
        await await_until(lambda: len(sink.names) == 3, 10, "watched")
        for obj in sink.objects.values():
            decoded = obj.decode()
            assert (decoded["apiVersion"], decoded["kind"]) == ("v1", "ConfigMap")
            assert set(decoded) == {"apiVersion", "kind", "metadata"}
            assert decoded["metadata"]["labels"] == {"made": "here"}
        assert sink.errors == []


async def test_selectors(plane: Plane, unique: str) -> None:
    async with connected(plane) as cluster:
        await make_namespace(cluster, unique)
        for name, labels in (("a", {"app": "x"}), ("b", {"app": "y"}), ("c", {})):
            await cluster.create(CONFIG_MAPS, config_map(unique, name, **labels), field_manager="t")
        by_name, by_label = Sink(), Sink()
        cluster.watch(CONFIG_MAPS, by_name, namespace=unique, fields="metadata.name=a")
        cluster.watch(CONFIG_MAPS, by_label, namespace=unique, labels="app in (x,y)")
        await await_until(lambda: "listed" in by_name.told and "listed" in by_label.told, 10, "listed")
        assert (by_name.names, by_label.names) == (["a"], ["a", "b"])
        changed = config_map(unique, "b", app="z")
        await cluster.apply(CONFIG_MAPS, changed, field_manager="t")
        await await_until(lambda: by_label.names == ["a"], 10, "it has left the selection")
        found = await cluster.list(CONFIG_MAPS, unique, labels=OURS, fields="metadata.name!=a")
        assert sorted(obj["metadata"]["name"] for obj in found) == ["b", "c"]
        odd = Sink()
        cluster.watch(CONFIG_MAPS, odd, namespace=unique, fields="data.text=x")
        await await_until(lambda: odd.errors, 10, "no such field")
        assert isinstance(odd.errors[0], InvalidError)


class Driven:
    """An informer of its own, started from where the test says."""

    def __init__(self, plane: Plane, namespace: str, *, version: Callable[[], str]) -> None:
        self.sink = Sink()
        config = load([plane.kubeconfig()]).context()
        cluster = KubeCluster(config)
        self.requests = cluster.requests
        self.transport = Transport(config, requests=self.requests, env={})
        selection = Selection(namespace, labels=OURS)
        reader = Reader(self.transport, CONFIG_MAPS, selection, path=CONFIG_MAPS.path(namespace), cluster="c")
        self.informer = Informer(
            reader, self.sink, name="c: configmaps", monitor=Monitor(), streaming=Streaming(version)
        )

    @asynccontextmanager
    async def running(self) -> AsyncIterator[None]:
        task = asyncio.create_task(self.informer.run())
        try:
            yield
        finally:
            task.cancel()
            await asyncio.wait([task])
            await self.transport.close()


@pytest.mark.parametrize("version", ["", "v1.37.2"], ids=["pages", "stream"])
async def test_a_server_of_another_life_is_listed_anew(
    plane: Plane, unique: str, version: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    # More than the three seconds that a real server waits for a version to come.
    monkeypatch.setattr("backends.kube.informer._IDLE", 4.0)
    await _loses_history(plane, unique, version=version, at="999999999", between=lambda: None)


@pytest.mark.parametrize("version", ["", "v1.37.2"], ids=["pages", "stream"])
async def test_history_that_is_gone_means_a_list_on_the_embedded_server(
    embedded_plane: Plane, unique: str, version: str
) -> None:
    await _loses_history(embedded_plane, unique, version=version, at="1", between=lambda: None)


@pytest.mark.real
async def test_history_that_is_gone_means_a_list_on_the_real_server(
    isolated_control_plane: ControlPlane, unique: str
) -> None:
    def restart() -> None:
        isolated_control_plane.stop_apiserver()
        isolated_control_plane.start_apiserver()

    # A new apiserver remembers nothing of what was before it.
    await _loses_history(isolated_control_plane, unique, version="v1.37.2", at="1", between=restart)


async def _loses_history(plane: Plane, namespace: str, *, version: str, at: str, between: Callable[[], None]) -> None:
    """Objects go while nobody watches; the next watch begins at a version that the server does not have."""
    async with connected(plane) as cluster:
        await make_namespace(cluster, namespace)
        await make(cluster, namespace, 3)
        driven = Driven(plane, namespace, version=lambda: version)
        async with driven.running():
            await await_until(lambda: "listed" in driven.sink.told, 10, "listed")
        driven = _resumed(driven, plane, namespace, version=version, lost=at)
        await cluster.delete(CONFIG_MAPS, "m1", namespace)
        await asyncio.to_thread(between)
        async with driven.running():
            await await_until(lambda: driven.sink.told.count("listed") == 2, 20, "listed again")
            assert driven.sink.names == ["m0", "m2"]
            assert driven.requests["LIST"] <= (0 if version else 3)
        assert driven.sink.errors == []


def _resumed(former: Driven, plane: Plane, namespace: str, *, version: str, lost: str) -> Driven:
    """The next informer for the same sink, which takes itself to be at a version that the server does not have."""
    driven = Driven(plane, namespace, version=lambda: version)
    driven.sink = driven.informer._sink = former.sink
    driven.informer._version = driven.informer._seen = lost
    return driven


async def test_takers_share_a_watch_that_ends_with_the_last(plane: Plane, unique: str) -> None:
    async with connected(plane) as cluster:
        await make_namespace(cluster, unique)
        await make(cluster, unique, 1)
        store = LiveStore(cluster)
        first = store.want(CONFIG_MAPS, unique, labels=OURS)
        second = store.want(CONFIG_MAPS, unique, labels=OURS, metadata_only=True)
        await store.listed(CONFIG_MAPS, unique, labels=OURS)
        await await_until(lambda: cluster.requests["WATCH"] == 1, 10, "watching")
        first.close()
        assert [obj.ref.name for obj in store.of_kind("", "ConfigMap")] == ["m0"]
        second.close()
        assert not store.of_kind("", "ConfigMap")
        assert cluster.requests == {"CREATE": 2, "LIST": 1, "WATCH": 1}
        store.close()


async def test_a_new_start_downloads_no_discovery(plane: Plane, tmp_path: Path) -> None:
    config = load([plane.kubeconfig()]).context()
    folder, found = tmp_path / "discovery", []
    for _ in range(2):
        cluster = KubeCluster(config, cache=folder)
        found.append(await cluster.discover())
        assert cluster.requests == {"DISCOVER": 3}
        assert cluster.status.version == found[0].version
        await cluster.close()
    assert list(found[0]) == list(found[1])
    assert found[1].by_kind("apps", "Deployment") is not None
    (kept,) = folder.iterdir()
    # What comes from the file and not from the server: the tags still hold, so nothing else can have been sent.
    kept.write_bytes(kept.read_bytes().replace(b'"deployments"', b'"from-the-file"'))
    cluster = KubeCluster(config, cache=folder)
    deployment = (await cluster.discover()).by_kind("apps", "Deployment")
    assert deployment is not None
    assert deployment.plural == "from-the-file"
    await cluster.close()


async def test_a_definition_that_comes_and_goes_is_noticed(
    plane: Plane, unique: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("backends.kube.definitions._AFTER", 0.0)
    group = f"{unique}.example.com"
    schema = {"openAPIV3Schema": {"type": "object"}}
    definition = {
        "apiVersion": "apiextensions.k8s.io/v1",
        "kind": "CustomResourceDefinition",
        "metadata": {"name": f"things.{group}"},
        "spec": {
            "group": group,
            "scope": "Namespaced",
            "names": {"plural": "things", "kind": "Thing", "shortNames": ["thg"]},
            "versions": [{"name": "v1", "served": True, "storage": True, "schema": schema}],
        },
    }
    async with connected(plane) as cluster:
        definitions = (await cluster.discover()).by_kind("apiextensions.k8s.io", "CustomResourceDefinition")
        assert definitions is not None
        await await_until(lambda: cluster.requests["WATCH"] == 2, 10, "definitions and API services are watched")

        async def found() -> Any:
            return (await cluster.discover()).find(f"thg.{group}")

        async def gone() -> Any:
            return not await found()

        assert await gone()
        await cluster.create(definitions, definition, field_manager="t")
        await await_until(found, 15, "served")
        await cluster.delete(definitions, f"things.{group}")

        await await_until(gone, 15, "gone")
        assert "LIST" not in cluster.requests


@pytest.mark.real
async def test_who_may_list_and_not_watch_sees_what_there_is(control_plane: Plane) -> None:
    async with connected(control_plane) as cluster:
        await cluster.discover()
        sink = Sink()
        # The kind of an access review can be neither: the server says so in its own words.
        reviews = ApiResource(
            "authorization.k8s.io", "v1", "SelfSubjectAccessReview", "selfsubjectaccessreviews", False
        )
        cluster.watch(reviews, sink)
        await await_until(lambda: sink.errors, 10, "told")
        assert not isinstance(sink.errors[0], ForbiddenError)
        assert "not allow" in str(sink.errors[0])
