"""What a user sees who may not see everything, on the embedded server and on a real kube-apiserver with RBAC.

The user is impersonated, and a new one in each test: what one test grants no other has.
"""

from __future__ import annotations

import dataclasses
import json
import subprocess
import sys
from collections import Counter
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager, suppress
from pathlib import Path
from typing import Any

import pytest

from backends.argocd import ArgoDialect
from backends.git import GitRepositories
from backends.kube.cluster import KubeCluster
from backends.kube.context import Impersonation
from backends.kube.kubeconfig import load
from fleetui.fleet.appwatch import RECHECK
from fleetui.fleet.fleet import LiveFleet
from fleetui.fleet.permissions import KEPT, Permissions
from fleetui.fleet.rules import attributes
from fleetui.fleet.store import LiveStore
from fleetui.fleet.views import Tree, TreeNode
from fleetui.model.errors import NotFoundError
from fleetui.model.objects import ApiResource, Obj
from fleetui.model.status import ClusterState, HealthStatus
from tests.e2e.conftest import PLANES
from tests.e2e.plane import Plane
from tests.e2e.story import bootstrap, settings
from tests.unit.fakes import FakeClock
from tests.waiting import await_until

PATIENCE = 20.0
RBAC = "rbac.authorization.k8s.io"
APPLICATIONS = ApiResource("argoproj.io", "v1alpha1", "Application", "applications", namespaced=True)
NAMESPACES = ApiResource("", "v1", "Namespace", "namespaces", namespaced=False)
CONFIG_MAPS = ApiResource("", "v1", "ConfigMap", "configmaps", namespaced=True)
SECRETS = ApiResource("", "v1", "Secret", "secrets", namespaced=True)
PODS = ApiResource("", "v1", "Pod", "pods", namespaced=True)
RESOURCES = {
    "Role": ApiResource(RBAC, "v1", kind="Role", plural="roles", namespaced=True),
    "RoleBinding": ApiResource(RBAC, "v1", kind="RoleBinding", plural="rolebindings", namespaced=True),
    "ClusterRole": ApiResource(RBAC, "v1", kind="ClusterRole", plural="clusterroles", namespaced=False),
    "ClusterRoleBinding": ApiResource(
        RBAC, "v1", kind="ClusterRoleBinding", plural="clusterrolebindings", namespaced=False
    ),
    "Namespace": NAMESPACES,
    "Application": APPLICATIONS,
    "ConfigMap": CONFIG_MAPS,
    "Secret": SECRETS,
}


class World:
    """A control plane with two namespaces of this test's own, an administrator, and a user without any right."""

    def __init__(self, plane: Plane, unique: str) -> None:
        self.context = load([plane.kubeconfig()]).context()
        self.admin = KubeCluster(self.context, name="admin")
        self.user = f"ann-{unique}"
        self.mine, self.other = f"mine-{unique}", f"other-{unique}"
        self.unique = unique
        self._made: list[Obj] = []

    async def make(self, kind: str, name: str, namespace: str = "", **rest: Any) -> None:
        resource = RESOURCES[kind]
        metadata = {"name": name} | ({"namespace": namespace} if namespace else {})
        obj = {"apiVersion": resource.api_version, "kind": kind, "metadata": metadata, **rest}
        await self.admin.create(resource, obj, field_manager="t")
        self._made.append(obj)

    async def grant(self, namespace: str, *resources: str, group: str = "", verbs: str = "get,list,watch") -> None:
        """Lets the user read these resources in a namespace, or everywhere where it is empty."""
        kind, name = ("Role" if namespace else "ClusterRole"), f"t-{self.unique}-{len(self._made)}"
        rules = [{"apiGroups": [group], "resources": list(resources), "verbs": verbs.split(",")}]
        await self.make(kind, name, namespace, rules=rules)
        role = {"apiGroup": RBAC, "kind": kind, "name": name}
        subjects = [{"kind": "User", "name": self.user, "apiGroup": RBAC}]
        await self.make(f"{kind}Binding", name, namespace, roleRef=role, subjects=subjects)

    async def revoke(self) -> None:
        """Takes back all that was granted."""
        for obj in [each for each in self._made if each["kind"].endswith("Binding")]:
            await self._delete(obj)
            self._made.remove(obj)

    async def application(self, name: str, namespace: str, *resources: Obj) -> None:
        source = {"repoURL": "https://git.example/apps", "path": name}
        destination = {"server": "https://kubernetes.default.svc", "namespace": namespace}
        spec = {"project": "default", "source": source, "destination": destination}
        status = {"health": {"status": "Healthy"}, "resources": [{"version": "v1", **each} for each in resources]}
        await self.make("Application", name, namespace, spec=spec, status=status)

    def cluster(self, namespace: str = "") -> KubeCluster:
        """The same server as the user reaches it, whose context names `namespace`."""
        impersonate = Impersonation(self.user)
        config = dataclasses.replace(self.context, impersonate=impersonate, namespace=namespace or self.mine)
        return KubeCluster(config, name="east")

    async def close(self) -> None:
        for obj in reversed(self._made):
            await self._delete(obj)
        await self.admin.close()

    async def _delete(self, obj: Obj) -> None:
        metadata = obj["metadata"]
        with suppress(NotFoundError):
            await self.admin.delete(RESOURCES[obj["kind"]], metadata["name"], metadata.get("namespace", ""))


class View:
    """The fleet as the user sees it; its clock is moved by the test."""

    def __init__(self, world: World, folder: Path, **options: Any) -> None:
        self.world = world
        self.clock = FakeClock()
        self.cluster = world.cluster()
        self.store = LiveStore(self.cluster)
        self.repositories = GitRepositories(cache=folder / "mirrors")
        self.fleet = LiveFleet([self.store], [ArgoDialect()], self.repositories, clock=self.clock, **options)

    @property
    def names(self) -> set[str]:
        return {key.name for key in self.fleet.apps}

    @property
    def namespaces(self) -> tuple[str, ...] | None:
        """The namespaces that are shown alone; None where all are."""
        narrowed = self.fleet.narrowed.get(self.cluster.name)
        return None if narrowed is None else narrowed.namespaces

    async def until(self, holds: Callable[[], object], what: str) -> None:
        await await_until(lambda: bool(holds()), PATIENCE, what)

    async def tree(self) -> Tree:
        (key,) = self.fleet.apps
        return await self.fleet.tree(key)


@pytest.fixture(scope="module", params=PLANES)
def plane(request: pytest.FixtureRequest) -> Plane:
    found: Plane = request.getfixturevalue(request.param)
    bootstrap(found.kubeconfig())
    return found


@pytest.fixture
async def world(plane: Plane, unique: str) -> AsyncIterator[World]:
    made = World(plane, unique)
    try:
        await made.make("Namespace", made.mine)
        await made.make("Namespace", made.other)
        yield made
    finally:
        await made.close()


@asynccontextmanager
async def looking(world: World, folder: Path, **options: Any) -> AsyncIterator[View]:
    view = View(world, folder, **options)
    await view.fleet.start()
    try:
        await view.fleet.loaded()
        yield view
    finally:
        await view.fleet.close()
        view.store.close()
        await view.cluster.close()
        await view.repositories.close()


def nodes(tree: Tree) -> dict[str, TreeNode]:
    return {node.ref.name: node for node in tree.nodes}


async def test_the_rules_of_a_namespace_say_in_one_request_what_each_question_alone_says(world: World) -> None:
    await world.grant(world.mine, "configmaps", "pods/log")
    await world.grant(world.mine, "*", group="apps", verbs="*")
    named = {"apiGroups": [""], "resources": ["secrets"], "resourceNames": ["tls"], "verbs": ["get"]}
    await world.make("Role", "named", world.mine, rules=[named])
    subjects = [{"kind": "User", "name": world.user, "apiGroup": RBAC}]
    role = {"apiGroup": RBAC, "kind": "Role", "name": "named"}
    await world.make("RoleBinding", "named", world.mine, roleRef=role, subjects=subjects)
    cluster = world.cluster()
    deployments = ApiResource("apps", "v1", "Deployment", "deployments", namespaced=True)
    asked = [
        *(attributes(verb, CONFIG_MAPS, world.mine) for verb in ("get", "list", "watch", "create")),
        *(attributes(verb, deployments, world.mine) for verb in ("list", "patch", "deletecollection")),
        attributes("patch", deployments, world.mine, name="web", subresource="scale"),
        attributes("get", PODS, world.mine, name="web"),
        attributes("get", PODS, world.mine, name="web", subresource="log"),
        attributes("get", SECRETS, world.mine, name="tls"),
        attributes("get", SECRETS, world.mine, name="other"),
        attributes("list", SECRETS, world.mine),
    ]
    try:
        permissions = Permissions(FakeClock())

        async def answers() -> list[bool | None]:
            permissions.forget(cluster.name)
            found = await permissions.may_each(cluster, asked)
            return [found[each].allowed for each in asked]

        expected = [True, True, True, False, True, True, True, True, False, True, True, False, False]
        # The authorizer hears of a binding through a watch, a moment after the answer.
        await await_until_async(answers, expected)
        cluster.requests.clear()
        assert await answers() == expected
        assert cluster.requests == Counter(CREATE=1)
        for each, by_rules in zip(asked, expected, strict=True):
            resource = next(one for one in (CONFIG_MAPS, deployments, PODS, SECRETS) if one.plural == each.resource)
            alone = await permissions.may(
                cluster,
                each.verb,
                resource=resource,
                namespace=each.namespace,
                name=each.name,
                subresource=each.subresource,
            )
            assert (each, alone.allowed) == (each, by_rules)
    finally:
        await cluster.close()


async def await_until_async(found: Callable[[], Any], expected: object) -> None:
    """Waits until the coroutine gives what is expected."""
    for _ in range(100):
        if await found() == expected:
            return
    raise AssertionError(f"never {expected}, but {await found()}")


async def test_who_may_read_one_namespace_gets_it_and_later_all_without_a_restart(world: World, tmp_path: Path) -> None:
    await world.application("shop", world.mine)
    await world.application("till", world.other)
    await world.grant(world.mine, "applications", group="argoproj.io")
    async with looking(world, tmp_path) as view:
        await view.until(lambda: view.names == {"shop"}, "the namespace's application")
        assert view.namespaces == (world.mine,)
        assert view.fleet.clusters[view.cluster.name].state is ClusterState.LIVE
        refusal = view.fleet.narrowed[view.cluster.name].refusal
        assert refusal.startswith(f'applications.argoproj.io is forbidden: User "{world.user}" cannot list resource')
        assert "kubectl auth can-i list applications.argoproj.io -A" in refusal
        # What came in the meantime is watched.
        await world.application("cart", world.mine)
        await view.until(lambda: view.names == {"shop", "cart"}, "a new one")
        # A minute later: three questions, and no list.
        before = Counter(view.cluster.requests)
        view.clock.advance(RECHECK)
        await view.until(lambda: view.cluster.requests["CREATE"] == before["CREATE"] + 3, "asked again")
        assert view.cluster.requests["LIST"] == before["LIST"]
        await world.grant("", "applications", group="argoproj.io")
        await asked_again(view, lambda: view.namespaces is None)
        await view.until(lambda: {"shop", "cart", "till"} <= view.names, "all of them")


async def asked_again(view: View, holds: Callable[[], bool]) -> None:
    """Lets minutes pass until it holds, the authorizer needs a moment for a binding; no review is on its way then."""
    for _ in range(50):
        if holds():
            break
        before = view.cluster.requests["CREATE"]
        view.clock.advance(RECHECK)
        await view.until(lambda: holds() or view.cluster.requests["CREATE"] >= before + 2, "asked again")  # noqa: B023
    await view.until(holds, "it holds")
    (watch,) = view.fleet._coverage._watches.values()
    await view.until(lambda: watch._review is None or watch._review.done(), "the review is done")


async def test_nothing_may_be_seen_until_it_may(world: World, tmp_path: Path) -> None:
    await world.application("shop", world.mine)
    async with looking(world, tmp_path) as view:
        status = view.fleet.clusters[view.cluster.name]
        assert status.state is ClusterState.FORBIDDEN
        assert f'User "{world.user}" cannot list resource "applications" in API group "argoproj.io"' in status.message
        lists = view.cluster.requests["LIST"]
        await world.grant(world.mine, "applications", group="argoproj.io")
        await asked_again(view, lambda: view.namespaces == (world.mine,))
        await view.until(lambda: view.names == {"shop"}, "the application")
        assert view.fleet.clusters[view.cluster.name].state is ClusterState.LIVE
        assert view.cluster.requests["LIST"] == lists + 1


async def test_namespaces_that_can_be_listed_are_looked_through(world: World, tmp_path: Path) -> None:
    await world.application("till", world.other)
    await world.grant("", "namespaces")
    await world.grant(world.other, "applications", group="argoproj.io")
    # Of the many namespaces of a shared server the first fifty are looked through; the settings name one.
    async with looking(world, tmp_path, named=(world.other,)) as view:
        await asked_again(view, lambda: view.namespaces == (world.other,))
        await view.until(lambda: view.names == {"till"}, "the application")


async def test_a_tree_shows_what_may_not_be_read_as_forbidden_and_recovers(world: World, tmp_path: Path) -> None:
    await world.make("ConfigMap", "settings", world.mine)
    await world.make("Secret", "credentials", world.mine)
    managed = [
        {"kind": "ConfigMap", "namespace": world.mine, "name": "settings"},
        {"kind": "ConfigMap", "namespace": world.mine, "name": "gone"},
        {"kind": "Secret", "namespace": world.mine, "name": "credentials"},
        {"kind": "Secret", "namespace": world.other, "name": "vault"},
        {"kind": "Deployment", "group": "apps", "namespace": world.mine, "name": "web"},
    ]
    await world.application("shop", world.mine, *managed)
    await world.grant(world.mine, "applications", group="argoproj.io")
    await world.grant(world.mine, "configmaps")
    async with looking(world, tmp_path) as view:
        await asked_again(view, lambda: view.names == {"shop"})
        (key,) = view.fleet.apps
        watched = view.fleet.watch_tree(key)
        view.fleet._tools.permissions.forget(view.cluster.name)
        before = Counter(view.cluster.requests)
        by_name = nodes(await view.tree())
        assert {name for name, node in by_name.items() if node.forbidden} == {"credentials", "vault", "web"}
        health = {name: node.health.status for name, node in by_name.items() if node.health is not None}
        assert (health["gone"], health["credentials"]) == (HealthStatus.MISSING, HealthStatus.UNKNOWN)
        assert health["shop"] is HealthStatus.HEALTHY
        # One question a namespace; what may be read is listed and watched, and nothing else is tried.
        asked = view.cluster.requests - before
        assert asked["CREATE"] == 2
        assert asked["LIST"] + asked["WATCH"] <= 2
        tree = await view.tree()
        assert tree.problem.startswith("east: you may not list or watch ")
        assert f"in namespace {world.mine} and in 1 more" in tree.problem

        await world.grant(world.mine, "secrets")
        for _ in range(50):
            view.clock.advance(KEPT)
            tree = await view.tree()
            if not nodes(tree)["credentials"].forbidden:
                break
        assert nodes(tree)["credentials"].forbidden is False
        assert nodes(tree)["vault"].forbidden
        watched.close()


async def test_the_command_line_says_which_part_it_shows(world: World, tmp_path: Path) -> None:
    managed = {"kind": "Secret", "namespace": world.mine, "name": "credentials"}
    await world.application("shop", world.mine, managed)
    await world.grant(world.mine, "applications", group="argoproj.io")
    async with looking(world, tmp_path) as view:
        await asked_again(view, lambda: view.names == {"shop"})
    kubeconfig = tmp_path / "config"
    kubeconfig.write_text(json.dumps(as_kubeconfig(world)))

    def fleetui(*args: str) -> subprocess.CompletedProcess[str]:
        command = [sys.executable, "-m", "fleetui", *args, "--kubeconfig", str(kubeconfig)]
        return subprocess.run(command, capture_output=True, text=True, env=settings(), check=False)

    done = fleetui("get", "apps", "-o", "json")
    assert ([app["name"] for app in json.loads(done.stdout)], done.returncode) == (["shop"], 0)
    assert done.stderr.startswith(f"fleetui: east: namespace {world.mine} only: applications.argoproj.io is forbidden")
    (cluster,) = json.loads(fleetui("get", "clusters", "-o", "json").stdout)
    assert (cluster["state"], cluster["namespaces"], cluster["insecure"]) == ("live", [world.mine], False)
    done = fleetui("tree", "shop", "-o", "json")
    (node,) = json.loads(done.stdout)["nodes"][1:]
    assert (node["name"], node["forbidden"], node["health"]["status"]) == ("credentials", True, "Unknown")
    assert "you may not list or watch secrets in namespace" in done.stderr
    await world.revoke()
    for _ in range(50):
        done = fleetui("get", "apps")
        if done.returncode:
            break
    assert done.returncode == 1
    assert "kubectl auth can-i list applications.argoproj.io -A" in done.stderr


def as_kubeconfig(world: World) -> Obj:
    """What the user's kubeconfig would be."""
    config = world.context
    cluster: Obj = {"server": config.server}
    if isinstance(config.ca, Path):
        cluster["certificate-authority"] = str(config.ca)
    elif config.ca:
        import base64

        cluster["certificate-authority-data"] = base64.b64encode(config.ca).decode()
    return {
        "apiVersion": "v1",
        "kind": "Config",
        "current-context": "east",
        "clusters": [{"name": "c", "cluster": cluster}],
        "users": [{"name": "u", "user": {"token": config.token, "as": world.user}}],
        "contexts": [{"name": "east", "context": {"cluster": "c", "user": "u", "namespace": world.mine}}],
    }
