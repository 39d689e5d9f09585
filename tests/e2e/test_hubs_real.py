"""A real hub whose Secrets register clusters: an embedded one by token, and itself by certificate under another URL."""

from __future__ import annotations

import asyncio
import base64
import json
import secrets
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest
import yaml

from backends.argocd import ArgoDialect
from backends.argocd_clusters import ClusterSecrets
from backends.embedded.cluster import ADMIN, EmbeddedCluster
from backends.embedded.errors import ApiError
from backends.embedded.thread import EmbeddedHost
from backends.git import GitRepositories
from backends.kube.cluster import KubeCluster
from backends.kube.kubeconfig import load
from fleetui.fleet.clusters import Clusters
from fleetui.fleet.fleet import LiveFleet
from fleetui.fleet.store import LiveStore
from fleetui.model.app import AppKey
from fleetui.model.objects import ClusterName
from fleetui.model.status import ClusterState, ClusterStatus
from tests.controlplane.server import ControlPlane, User
from tests.e2e.client import Json
from tests.e2e.manifests import config_map, files
from tests.e2e.story import EngineProcess, Repository, Story, bootstrap
from tests.waiting import await_until

pytestmark = pytest.mark.real

PATIENCE = 40.0
LABELS = {"argocd.argoproj.io/secret-type": "cluster"}


class Edge:
    """An embedded cluster that only its token opens."""

    def __init__(self, host: EmbeddedHost, cluster: EmbeddedCluster) -> None:
        self._host = host
        self._cluster = cluster
        self.token = cluster.token
        self.url = cluster.url

    @property
    def config(self) -> Json:
        return {"bearerToken": self.token}

    def rotate(self) -> None:
        """The old token is refused from now on."""
        self._host.run(lambda: self._cluster.tokens.pop(self.token))
        self.token = secrets.token_hex(8)
        self._host.run(lambda: self._cluster.tokens.update({self.token: ADMIN}))

    def data(self, namespace: str) -> Any:
        try:
            return self._host.run(lambda: self._cluster.store.get("", "ConfigMap", namespace, "settings"))["data"]
        except ApiError:
            return None


@pytest.fixture
def edge() -> Iterator[Edge]:
    cluster = EmbeddedCluster("edge", anonymous=False)
    with EmbeddedHost([cluster]) as host:
        yield Edge(host, cluster)


@pytest.fixture(scope="module")
def plane(control_plane: ControlPlane) -> ControlPlane:
    bootstrap(control_plane.kubeconfig())
    return control_plane


@pytest.fixture
def story(plane: ControlPlane, unique: str, tmp_path: Path) -> Iterator[Story]:
    engine = EngineProcess(plane.kubeconfig(), tmp_path)
    told = Story(plane, Repository(tmp_path), engine, name=f"shop-{unique}", namespace=f"shop-{unique}")
    try:
        yield told
    finally:
        told.close()
        for name in ("edge", "same", "itself"):
            plane.kubectl("-n", "argocd", "delete", "secret", f"cluster-{name}", "--ignore-not-found")
        assert engine.stop() == 0, engine.log


def register(story: Story, name: str, server: str, config: Json) -> None:
    body = {
        "apiVersion": "v1",
        "kind": "Secret",
        "metadata": {"name": f"cluster-{name}", "namespace": "argocd", "labels": LABELS},
        "stringData": {"name": name, "server": server, "config": json.dumps(config)},
    }
    story.plane.kubectl("apply", "-f", "-", input=json.dumps(body))


def by_certificate(plane: ControlPlane) -> tuple[str, Json]:
    """The hub under another URL, opened by its administrator's certificate."""
    user = yaml.safe_load(plane.kubeconfig("cert").read_text())["users"][0]["user"]
    tls = {
        "caData": base64.b64encode(plane.ca_data).decode(),
        "certData": user["client-certificate-data"],
        "keyData": user["client-key-data"],
        "serverName": "127.0.0.1",
    }
    return f"https://localhost:{plane.port}", {"tlsClientConfig": tls}


@asynccontextmanager
async def looking_at(plane: ControlPlane, folder: Path, user: User = "admin") -> AsyncIterator[LiveFleet]:
    store = LiveStore(KubeCluster(load([plane.kubeconfig(user)]).context()))
    repositories = GitRepositories(cache=folder / "mirrors")
    clusters = Clusters([store], ClusterSecrets())
    fleet = LiveFleet(clusters, [ArgoDialect()], repositories)
    await fleet.start()
    try:
        await fleet.loaded()
        await fleet.registered()
        yield fleet
    finally:
        await fleet.close()
        await clusters.close()
        store.close()
        await store.api.close()
        await repositories.close()


async def test_an_application_goes_to_a_registered_cluster_and_on_when_the_token_is_rotated(
    story: Story, edge: Edge, plane: ControlPlane, tmp_path: Path
) -> None:
    first = story.repository.commit(files(settings=config_map("settings", color="blue")), "blue")
    await asyncio.to_thread(register, story, "edge", edge.url, edge.config)
    await asyncio.to_thread(story.apply, story.application(destination={"name": "edge", "namespace": story.namespace}))
    story.engine.start()
    await asyncio.to_thread(story.until_settled, first)
    assert edge.data(story.namespace) == {"color": "blue"}
    assert story.get("configmap", "settings") is None

    async with looking_at(plane, tmp_path) as fleet:
        status = fleet.clusters[ClusterName("edge")]
        assert (status.state, status.origin, status.server) == (ClusterState.REGISTERED, "hub real", edge.url)
        key = AppKey(ClusterName("real"), "argo", "argocd", story.name)
        tree = await fleet.tree(key)
        assert [(node.cluster, node.ref.kind) for node in tree.nodes] == [
            ("real", "Application"),
            ("edge", "ConfigMap"),
        ]
        assert tree.problem == ""
        assert (await fleet.diff(key)).objects == ()
        edge.rotate()
        second = story.repository.commit(files(settings=config_map("settings", color="red")), "red")
        await asyncio.to_thread(story.refresh)
        await asyncio.to_thread(story.until, lambda: story.condition("ComparisonError"), "the old token is refused")
        await asyncio.to_thread(register, story, "edge", edge.url, edge.config)
        await asyncio.to_thread(story.until_settled, second)
        assert edge.data(story.namespace) == {"color": "red"}
        await await_until(lambda: fleet.apps[key].revision == second, PATIENCE, "the console has seen it")
        assert (await fleet.tree(key)).problem == ""
        assert (await fleet.diff(key)).objects == ()


async def test_the_hub_under_two_urls_is_one_cluster_and_syncs_by_either(
    story: Story, plane: ControlPlane, tmp_path: Path
) -> None:
    first = story.repository.commit(files(settings=config_map("settings", color="blue")), "blue")
    await asyncio.to_thread(register, story, "same", plane.url, {"bearerToken": "never used"})
    await asyncio.to_thread(register, story, "itself", *by_certificate(plane))
    await asyncio.to_thread(
        story.apply, story.application(destination={"name": "itself", "namespace": story.namespace})
    )
    story.engine.start()
    await asyncio.to_thread(story.until_settled, first)
    assert story.data() == {"color": "blue"}
    made = story.there("configmap", "settings")["metadata"]
    assert [entry["manager"] for entry in made["managedFields"]] == ["argocd-controller"]

    async with looking_at(plane, tmp_path) as fleet:
        assert set(fleet.clusters) == {"real", "itself"}
        assert fleet.clusters[ClusterName("real")].aliases == ("same",)
        await fleet.registered(check=True)
        assert set(fleet.clusters) == {"real"}
        assert fleet.clusters[ClusterName("real")].aliases == ("same", "itself")
        tree = await fleet.tree(AppKey(ClusterName("real"), "argo", "argocd", story.name))
        assert (len(tree.nodes), tree.problem) == (2, "")


async def test_who_may_not_read_secrets_is_told_so_and_sees_the_applications(
    plane: ControlPlane, tmp_path: Path
) -> None:
    grant = [
        ("create", "clusterrole", "apps-viewer", "--verb=get,list,watch", "--resource=applications.argoproj.io"),
        ("create", "clusterrolebinding", "apps-viewer", "--clusterrole=apps-viewer", "--user=viewer"),
    ]
    for arguments in grant:
        await asyncio.to_thread(plane.kubectl, *arguments)
    try:
        async with looking_at(plane, tmp_path, "viewer") as fleet:

            def hub() -> ClusterStatus:
                return fleet.clusters[ClusterName("real")]

            await await_until(lambda: hub().message, PATIENCE, "it is told")
            assert hub().state is ClusterState.LIVE
            assert hub().message.startswith("the clusters that it registers can't be read: secrets is forbidden")
            assert fleet.problems == {}
    finally:
        for kind in ("clusterrole", "clusterrolebinding"):
            await asyncio.to_thread(plane.kubectl, "delete", kind, "apps-viewer")
