"""The engine syncs into clusters that its hub registers: as they come, as their logins change, as they go."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest

from backends.embedded.access import Access
from backends.embedded.cluster import ADMIN, EmbeddedCluster
from backends.embedded.errors import ApiError
from backends.embedded.thread import EmbeddedHost
from fleetui.engine.application import FINALIZER
from fleetui.model.objects import Obj
from tests.engine.bench import Hub, Repo, application, embedded_hub, eventually, running, synced
from tests.engine.objects import obj
from tests.waiting import await_until

IN_CLUSTER = "https://kubernetes.default.svc"


class Edge:
    """A cluster without a context: only its token opens it. Its store belongs to the thread of the clusters."""

    host: EmbeddedHost

    def __init__(self) -> None:
        self.cluster = EmbeddedCluster("edge", anonymous=False)
        self.token = self.cluster.token

    def secret(self, *, token: str = "", name: str = "edge", config: str = "", **data: str) -> Obj:
        """The Secret by which a hub registers it."""
        config = config or json.dumps({"bearerToken": token or self.token, "tlsClientConfig": {"insecure": False}})
        return {
            "apiVersion": "v1",
            "kind": "Secret",
            "metadata": {
                "name": "cluster-edge",
                "namespace": "argocd",
                "labels": {"argocd.argoproj.io/secret-type": "cluster"},
            },
            "stringData": {"name": name, "server": self.cluster.url, "config": config, **data},
        }

    def rotate(self) -> str:
        """The old login is refused from now on; returns the new one."""
        self.cluster.tokens.pop(self.token)
        self.token = f"{self.token}-next"
        self.cluster.tokens[self.token] = ADMIN
        return self.token

    def data(self, name: str = "a", namespace: str = "shop") -> Any:
        """What a ConfigMap holds there; None where there is none."""
        try:
            return self.host.run(lambda: self.cluster.store.get("", "ConfigMap", namespace, name)).get("data", {})
        except ApiError:
            return None

    def edit(self, data: Obj) -> None:
        """Somebody edits the ConfigMap there."""
        store = self.cluster.store
        self.host.run(lambda: store.update({**store.get("", "ConfigMap", "shop", "a"), "data": data}, manager="me"))

    async def until(self, value: Any, what: str) -> None:
        await await_until(lambda: self.data() == value, 15, what)


@pytest.fixture
def edge() -> Edge:
    return Edge()


@pytest.fixture
async def hub(tmp_path: Path, edge: Edge) -> AsyncIterator[Hub]:
    async with embedded_hub(tmp_path, edge.cluster) as found:
        edge.host = found.host
        yield found


@pytest.fixture
def repo() -> Repo:
    repo = Repo()
    repo.push(config("1"))
    return repo


def config(value: str) -> Obj:
    return obj("ConfigMap", "a", namespace="", data={"value": value})


def there(name: str = "shop", *, server: str = "", cluster: str = "", **spec: Any) -> Obj:
    destination = {
        "namespace": "shop",
        **({"server": server} if server else {}),
        **({"name": cluster} if cluster else {}),
    }
    return application(name, **{"destination": destination, **spec})


def condition(app: Any) -> str:
    return " ".join(one["message"] for one in app.get("status", {}).get("conditions", []))


async def test_an_application_syncs_into_a_registered_cluster_and_goes_on_when_the_login_is_rotated(
    hub: Hub, edge: Edge, repo: Repo
) -> None:
    await hub.create(edge.secret())
    await hub.create(there(cluster="edge"))
    async with running(hub, repo) as engine:
        await hub.until(synced, "the first sync")
        assert edge.data() == {"value": "1"}
        assert await hub.get("ConfigMap", "a") is None, "nothing of it is on the hub"
        edge.cluster.store.update({**edge.cluster.store.get("", "ConfigMap", "shop", "a"), "data": {}}, manager="me")
        await edge.until({"value": "1"}, "the drift there is healed")
        await engine.idle()

        token = edge.rotate()
        second = repo.push(config("2"))
        await hub.until(lambda app: "401" in condition(app) or "nauthorized" in condition(app), "the login is refused")
        assert edge.data() == {"value": "1"}
        await hub.patch(
            "Secret", "cluster-edge", {"stringData": edge.secret(token=token)["stringData"]}, namespace="argocd"
        )
        app = await hub.until(lambda app: synced(app) and app["status"]["sync"]["revision"] == second, "it goes on")
        assert edge.data() == {"value": "2"}
        assert "conditions" not in app["status"]


async def test_an_application_waits_for_its_cluster_and_both_may_go(hub: Hub, edge: Edge, repo: Repo) -> None:
    await hub.create(there(server=edge.cluster.url, metadata={"finalizers": [FINALIZER]}))
    async with running(hub, repo) as engine:
        app = await hub.until(condition, "it says what it waits for")
        lookup = f'rpc error: code = NotFound desc = cluster "{edge.cluster.url}" not found'
        assert condition(app) == f'error getting cluster by server "{edge.cluster.url}": {lookup}'
        await engine.idle()
        reconciles = engine.engine.reconciles

        await hub.create(edge.secret())
        await hub.until(synced, "it is synced as soon as the cluster is registered")
        await hub.delete("Secret", "cluster-edge", "argocd")
        await hub.until(lambda app: "not found" in condition(app), "it says that the cluster went")
        assert edge.data() == {"value": "1"}
        assert engine.engine.reconciles > reconciles
        await hub.delete("Application", "shop", "argocd")
        await eventually(lambda: _gone(hub), "an Application of a cluster that is not known any more goes")
        assert edge.data() == {"value": "1"}


async def _gone(hub: Hub) -> bool:
    return await hub.get("Application", "shop", "argocd") is None


async def test_a_secret_that_breaks_costs_the_others_nothing_and_prunes_nothing(
    hub: Hub, edge: Edge, repo: Repo
) -> None:
    await hub.create(edge.secret())
    await hub.create(there(cluster="edge", metadata={"finalizers": [FINALIZER]}))
    await hub.create(application("near", destination={"server": IN_CLUSTER, "namespace": "near"}))
    async with running(hub, repo):
        for name in ("shop", "near"):
            await hub.until(synced, f"{name} is synced", app=name)
        await hub.patch("Secret", "cluster-edge", {"stringData": {"config": "{"}}, namespace="argocd")
        app = await hub.until(condition, "the application says so")
        assert "Secret argocd/cluster-edge: config is not JSON" in condition(app)
        assert app["status"]["sync"]["status"] == "Unknown"
        second = repo.push(config("2"))
        await hub.until(lambda app: app["status"]["sync"]["revision"] == second, "the other goes on", app="near")
        await hub.delete("Application", "shop", "argocd")
        await hub.until(
            lambda app: "config is not JSON" in condition(app), "it is not dropped while it can't be cleaned up"
        )
        assert edge.data() == {"value": "1"}
        await hub.patch("Secret", "cluster-edge", {"stringData": edge.secret()["stringData"]}, namespace="argocd")
        await edge.until(None, "it is cleaned up when the Secret is mended")


async def test_two_clusters_of_one_name_are_refused_in_argo_cds_words(hub: Hub, edge: Edge, repo: Repo) -> None:
    await hub.create(edge.secret())
    twin = edge.secret(server="https://twin.example")
    twin["metadata"]["name"] = "cluster-twin"
    await hub.create(twin)
    await hub.create(there(cluster="edge"))
    async with running(hub, repo):
        app = await hub.until(condition, "it is refused")
        assert condition(app) == f"there are 2 clusters with the same name: [{edge.cluster.url} https://twin.example]"
        await hub.delete("Secret", "cluster-twin", "argocd")
        await hub.until(synced, "and synced when one of them went")


def accesses(edge: Edge, monkeypatch: pytest.MonkeyPatch) -> list[Access]:
    """What the cluster is asked from now on; it grows."""
    asked: list[Access] = []
    authorizer = edge.cluster.server.api.authorizer
    authorize = authorizer.authorize

    def noted(access: Access) -> None:
        asked.append(access)
        authorize(access)

    monkeypatch.setattr(authorizer, "authorize", noted)
    return asked


class TestNamespaced:
    """A cluster that is registered for some namespaces is touched there alone."""

    @pytest.fixture
    def edge(self, monkeypatch: pytest.MonkeyPatch) -> Edge:
        edge = Edge()
        self.asked = accesses(edge, monkeypatch)
        return edge

    async def test_only_these_namespaces_are_watched_and_written(self, hub: Hub, edge: Edge, repo: Repo) -> None:
        namespace = {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": "shop"}}
        hub.host.run(lambda: edge.cluster.store.create(namespace, manager="test"))
        await hub.create(edge.secret(namespaces="shop"))
        await hub.create(there(cluster="edge"))
        async with running(hub, repo) as engine:
            await hub.until(synced, "the first sync")
            assert edge.data() == {"value": "1"}
            assert {access.namespace for access in self.asked if not access.path} == {"shop"}
            repo.push(config("2"), other=_manifest("ClusterRole", "x"))
            app = await hub.until(condition, "what is not of a namespace is refused")
            words = 'cluster level ClusterRole "x" can not be managed when in namespaced mode'
            assert condition(app) == f"Failed to load live state: {words}"
            repo.push(config("2"), other=_manifest("ConfigMap", "x", namespace="else"))
            words = 'namespace "else" for ConfigMap "x" is not managed'
            await hub.until(lambda app: words in condition(app), "and what is of another one")
            repo.push(config("3"))
            await edge.until({"value": "3"}, "it goes on")
            await engine.idle()
            assert {access.namespace for access in self.asked if not access.path} == {"shop"}


def _manifest(kind: str, name: str, **metadata: str) -> str:
    api = {"ClusterRole": "rbac.authorization.k8s.io/v1"}.get(kind, "v1")
    return json.dumps({"apiVersion": api, "kind": kind, "metadata": {"name": name, **metadata}})


async def test_what_is_registered_is_not_asked_until_an_application_needs_it(
    hub: Hub, edge: Edge, repo: Repo, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked = accesses(edge, monkeypatch)
    await hub.create(edge.secret())
    await hub.create(application())
    async with running(hub, repo) as engine:
        await hub.until(synced, "the hub's own application")
        await engine.idle()
        assert asked == []
        await hub.create(there("far", cluster="edge"))
        await hub.until(synced, "the one that needs it", app="far")
        assert asked
