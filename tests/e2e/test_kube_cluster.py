"""backends.kube against a real kube-apiserver: logins, pages, watches, writes, and a server that goes and comes."""

from __future__ import annotations

import asyncio
import dataclasses
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from pathlib import Path

import pytest

from backends.kube.cluster import KubeCluster
from backends.kube.context import Impersonation
from backends.kube.kubeconfig import load
from fleetui.model.errors import (
    AlreadyExistsError,
    ConflictError,
    ForbiddenError,
    InvalidError,
    NotFoundError,
    UnauthorizedError,
)
from fleetui.model.objects import ApiResource, Obj, StoredObject
from fleetui.model.status import ClusterState
from fleetui.ports import PatchType
from tests.controlplane.server import ControlPlane, User
from tests.waiting import await_until

pytestmark = pytest.mark.real

CONFIG_MAPS = ApiResource("", "v1", "ConfigMap", "configmaps", namespaced=True)
SECRETS = ApiResource("", "v1", "Secret", "secrets", namespaced=True)
DEPLOYMENTS = ApiResource("apps", "v1", "Deployment", "deployments", namespaced=True)
REPLICA_SETS = ApiResource("apps", "v1", "ReplicaSet", "replicasets", namespaced=True)


class Names:
    """A sink that keeps what a store would: which objects there are."""

    def __init__(self) -> None:
        self.present: dict[str, StoredObject] = {}
        self.listings = 0
        self.complete = False
        self.errors: list[Exception] = []
        self._coming: set[str] = set()

    def listing(self) -> None:
        self.listings += 1
        self._coming = set()

    def upsert(self, objects: Sequence[StoredObject]) -> None:
        self.present |= {obj.ref.name: obj for obj in objects}
        self._coming |= {obj.ref.name for obj in objects}

    def remove(self, obj: StoredObject) -> None:
        self.present.pop(obj.ref.name, None)

    def listed(self) -> None:
        self.complete = True
        self.present = {name: obj for name, obj in self.present.items() if name in self._coming}

    def failed(self, error: Exception) -> None:
        self.errors.append(error)


@asynccontextmanager
async def connected(plane: ControlPlane, user: User = "admin") -> AsyncIterator[KubeCluster]:
    cluster = KubeCluster(load([plane.kubeconfig(user)]).context())
    try:
        yield cluster
    finally:
        await cluster.close()


def config_map(namespace: str, name: str, **data: str) -> Obj:
    return {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"namespace": namespace, "name": name}, "data": data}


def deployment(namespace: str, name: str) -> Obj:
    labels = {"app": name}
    pod = {"metadata": {"labels": labels}, "spec": {"containers": [{"name": "c", "image": "nginx"}]}}
    spec = {"replicas": 1, "selector": {"matchLabels": labels}, "template": pod}
    return {
        "apiVersion": "apps/v1",
        "kind": "Deployment",
        "metadata": {"namespace": namespace, "name": name},
        "spec": spec,
    }


# --- logins -------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("user", ["admin", "cert"])
async def test_token_and_client_certificate(control_plane: ControlPlane, namespace: str, user: User) -> None:
    async with connected(control_plane, user) as cluster:
        await cluster.create(CONFIG_MAPS, config_map(namespace, "made"), field_manager="t")
        assert (await cluster.get(CONFIG_MAPS, "made", namespace))["kind"] == "ConfigMap"
        assert cluster.status.state is ClusterState.LIVE


async def test_what_a_person_waits_for_has_a_deadline_that_the_server_takes(
    control_plane: ControlPlane, namespace: str
) -> None:
    async with connected(control_plane) as cluster:
        person = cluster.urgent
        made = await person.apply(CONFIG_MAPS, config_map(namespace, "asked"), field_manager="t")
        assert await person.get(CONFIG_MAPS, "asked", namespace) == await cluster.get(CONFIG_MAPS, "asked", namespace)
        await person.delete(CONFIG_MAPS, "asked", namespace, uid=made["metadata"]["uid"])


async def test_token_file_and_impersonation(control_plane: ControlPlane, namespace: str, tmp_path: Path) -> None:
    file = tmp_path / "token"
    file.write_text(f"{control_plane.admin_token}\n")
    given = load([control_plane.kubeconfig("admin")]).context()
    viewer = Impersonation("viewer", groups=("viewers",))
    cluster = KubeCluster(dataclasses.replace(given, token="", token_file=file, impersonate=viewer))
    assert isinstance(await cluster.list(CONFIG_MAPS, namespace), list)
    with pytest.raises(ForbiddenError, match='User "viewer" cannot create resource "configmaps"'):
        await cluster.create(CONFIG_MAPS, config_map(namespace, "x"), field_manager="t")
    await cluster.close()


async def test_a_wrong_token_is_a_login_that_failed(control_plane: ControlPlane) -> None:
    given = load([control_plane.kubeconfig("admin")]).context()
    cluster = KubeCluster(dataclasses.replace(given, token="wrong"))
    sink = Names()
    cluster.watch(CONFIG_MAPS, sink)
    await await_until(lambda: cluster.status.state is ClusterState.UNAUTHORIZED, 10, "login expired")
    assert isinstance(sink.errors[0], UnauthorizedError)
    assert cluster.status.message.startswith("the API server refuses the login: Unauthorized")
    await cluster.close()


async def test_what_a_viewer_may_not_see_is_forbidden(control_plane: ControlPlane, namespace: str) -> None:
    async with connected(control_plane, "viewer") as cluster:
        secrets, maps = Names(), Names()
        cluster.watch(SECRETS, secrets, namespace=namespace)
        await await_until(lambda: cluster.status.state is ClusterState.FORBIDDEN, 10, "forbidden")
        assert 'cannot list resource "secrets"' in cluster.status.message
        cluster.watch(CONFIG_MAPS, maps, namespace=namespace)
        await await_until(lambda: cluster.status.state is ClusterState.LIVE, 10, "one kind can be had")
        assert isinstance(secrets.errors[0], ForbiddenError)


# --- reading ------------------------------------------------------------------------------------------------------


async def test_discovery(control_plane: ControlPlane) -> None:
    async with connected(control_plane) as cluster:
        found = await cluster.discover()
        assert cluster.requests == {"DISCOVER": 3}
        assert found.version == cluster.status.version
        assert found.version.startswith("v1.")
        assert found.failed == ()
        (deployments,) = found.find("deploy")
        assert deployments.api_version == "apps/v1"
        assert {"status", "scale"} <= deployments.subresources
        assert {"list", "watch", "patch"} <= deployments.verbs
        hpa = found.by_kind("autoscaling", "HorizontalPodAutoscaler")
        assert hpa is not None
        assert hpa.version == "v2"


async def test_1200_objects_are_three_pages_for_a_list_and_for_a_watch(
    control_plane: ControlPlane, namespace: str
) -> None:
    async with connected(control_plane) as cluster:
        slots = asyncio.Semaphore(24)

        async def make(number: int) -> None:
            async with slots:
                obj = config_map(namespace, f"m{number}", text="x" * 200)
                obj["metadata"]["labels"] = {"made": "here"}
                await cluster.create(CONFIG_MAPS, obj, field_manager="t")

        await asyncio.gather(*map(make, range(1200)))
        cluster.requests.clear()
        assert len(await cluster.list(CONFIG_MAPS, namespace, labels="made=here")) == 1200
        assert cluster.requests == {"LIST": 3}
        (one,) = await cluster.list(CONFIG_MAPS, namespace, fields="metadata.name=m7", metadata_only=True)
        assert (one["apiVersion"], one["kind"], "data" in one) == ("v1", "ConfigMap", False)
        sink = Names()
        cluster.watch(CONFIG_MAPS, sink, namespace=namespace, labels="made=here")
        await await_until(lambda: sink.complete, 10, "listed")
        assert len(sink.present) == 1200
        assert cluster.requests["LIST"] == 7
        assert sink.present["m7"].decode()["kind"] == "ConfigMap"


async def test_a_watch_follows_what_happens(control_plane: ControlPlane, namespace: str) -> None:
    async with connected(control_plane) as cluster:
        sink = Names()
        cluster.watch(CONFIG_MAPS, sink, namespace=namespace, labels="seen=yes")
        await await_until(lambda: sink.complete, 10, "listed")
        seen = config_map(namespace, "seen", k="1")
        seen["metadata"]["labels"] = {"seen": "yes"}
        await cluster.create(CONFIG_MAPS, seen, field_manager="t")
        await cluster.create(CONFIG_MAPS, config_map(namespace, "unseen"), field_manager="t")
        await await_until(lambda: set(sink.present) == {"seen"}, 10, "added")
        body = {"data": {"k": "2"}}
        await cluster.patch(CONFIG_MAPS, "seen", namespace, body, kind=PatchType.MERGE, field_manager="t")
        await await_until(lambda: sink.present["seen"].decode()["data"] == {"k": "2"}, 10, "modified")
        await cluster.delete(CONFIG_MAPS, "seen", namespace, uid=sink.present["seen"].uid)
        await await_until(lambda: sink.present == {}, 10, "removed")
        assert cluster.requests["LIST"] == 1
        assert sink.errors == []


# --- writing ------------------------------------------------------------------------------------------------------


async def test_server_side_apply(control_plane: ControlPlane, namespace: str) -> None:
    async with connected(control_plane) as cluster:
        wanted = config_map(namespace, "a", k="1")
        shown = await cluster.apply(CONFIG_MAPS, wanted, field_manager="one", dry_run=True)
        assert shown["data"] == {"k": "1"}
        with pytest.raises(NotFoundError, match='configmaps "a" not found'):
            await cluster.get(CONFIG_MAPS, "a", namespace)
        made = await cluster.apply(CONFIG_MAPS, wanted, field_manager="one")
        assert [entry["manager"] for entry in made["metadata"]["managedFields"]] == ["one"]
        other = config_map(namespace, "a", k="2")
        with pytest.raises(ConflictError, match=r'conflict with "one": \.data\.k'):
            await cluster.apply(CONFIG_MAPS, other, field_manager="two", force=False)
        taken = await cluster.apply(CONFIG_MAPS, other, field_manager="two")
        assert taken["data"] == {"k": "2"}
        with pytest.raises(InvalidError, match=r"\.dta: field not declared in schema"):
            await cluster.apply(CONFIG_MAPS, wanted | {"dta": {}}, field_manager="one")


async def test_create_replace_and_patch(control_plane: ControlPlane, namespace: str) -> None:
    async with connected(control_plane) as cluster:
        await cluster.create(CONFIG_MAPS, config_map(namespace, "dry"), field_manager="t", dry_run=True)
        assert "dry" not in [obj["metadata"]["name"] for obj in await cluster.list(CONFIG_MAPS, namespace)]
        made = await cluster.create(CONFIG_MAPS, config_map(namespace, "a", k="1"), field_manager="t")
        with pytest.raises(AlreadyExistsError, match='configmaps "a" already exists'):
            await cluster.create(CONFIG_MAPS, config_map(namespace, "a"), field_manager="t")
        await cluster.replace(CONFIG_MAPS, made | {"data": {"k": "2"}}, field_manager="t")
        with pytest.raises(ConflictError, match="the object has been modified"):
            await cluster.replace(CONFIG_MAPS, made | {"data": {"k": "3"}}, field_manager="t")
        operations = [{"op": "test", "path": "/data/k", "value": "2"}, {"op": "remove", "path": "/data/k"}]
        patched = await cluster.patch(CONFIG_MAPS, "a", namespace, operations, kind=PatchType.JSON, field_manager="t")
        assert "data" not in patched
        with pytest.raises(InvalidError):
            await cluster.patch(CONFIG_MAPS, "a", namespace, operations, kind=PatchType.JSON, field_manager="t")


async def test_status_is_a_subresource_of_its_own(control_plane: ControlPlane, namespace: str) -> None:
    async with connected(control_plane) as cluster:
        made = await cluster.create(DEPLOYMENTS, deployment(namespace, "web"), field_manager="t")
        del made["metadata"]["resourceVersion"]
        made["status"]["observedGeneration"] = 99
        plain = await cluster.replace(DEPLOYMENTS, made, field_manager="t")
        assert plain["status"].get("observedGeneration") != 99
        body = {"status": {"observedGeneration": 98}}
        shown = await cluster.patch(
            DEPLOYMENTS, "web", namespace, body, kind=PatchType.STRATEGIC, subresource="status", field_manager="t",
            dry_run=True,
        )  # fmt: skip
        assert shown["status"]["observedGeneration"] == 98


async def test_delete_follows_the_propagation_policy(control_plane: ControlPlane, namespace: str) -> None:
    if not control_plane.has_controllers:
        pytest.skip("needs kube-controller-manager")
    async with connected(control_plane) as cluster:
        for name in ("gone", "kept"):
            await cluster.create(DEPLOYMENTS, deployment(namespace, name), field_manager="t")
        sink = Names()
        cluster.watch(REPLICA_SETS, sink, namespace=namespace)
        await await_until(lambda: len(sink.present) == 2, 30, "both have a ReplicaSet")
        with pytest.raises(ConflictError):
            await cluster.delete(DEPLOYMENTS, "gone", namespace, uid="another")
        await cluster.delete(DEPLOYMENTS, "gone", namespace, dry_run=True)
        await cluster.delete(DEPLOYMENTS, "gone", namespace, propagation="Foreground")
        await cluster.delete(DEPLOYMENTS, "kept", namespace, propagation="Orphan")
        await await_until(lambda: len(sink.present) == 1, 30, "the one's ReplicaSet went with it")
        (left,) = sink.present.values()
        assert left.ref.name.startswith("kept-")
        await await_until(lambda: not sink.present[left.ref.name].meta.owner_references, 30, "the other's is free")


# --- a server that goes and comes ---------------------------------------------------------------------------------


async def test_a_restart_is_seen_at_once_and_the_watch_goes_on(isolated_control_plane: ControlPlane) -> None:
    plane = isolated_control_plane
    async with connected(plane) as cluster:
        sink = Names()
        cluster.watch(CONFIG_MAPS, sink, namespace="default")
        await await_until(lambda: cluster.requests["WATCH"] and sink.complete, 30, "watching")
        await asyncio.to_thread(plane.stop_apiserver)
        await await_until(lambda: cluster.status.state is ClusterState.STALE, 2, "stale at once")
        known = set(sink.present)
        await asyncio.to_thread(plane.start_apiserver)
        await await_until(lambda: cluster.status.state is ClusterState.LIVE, 4, "live again")
        assert set(sink.present) >= known
        await cluster.create(CONFIG_MAPS, config_map("default", "after"), field_manager="t")
        await await_until(lambda: "after" in sink.present, 5, "the watch goes on")
        assert [type(error).__name__ for error in sink.errors] == ["UnreachableError"]
        # The watch cache of a new apiserver may begin after the version last seen: then one more list is right.
        assert cluster.requests["LIST"] == sink.listings <= 2
