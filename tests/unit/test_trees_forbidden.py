"""A tree of which its user may not see everything: what it shows, how few requests it takes, how it recovers."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

from fleetui.cli import documents, tables
from fleetui.fleet.cause import hidden_in, path_of
from fleetui.fleet.permissions import KEPT
from fleetui.fleet.views import Tree, TreeNode
from fleetui.model.objects import StoredObject
from fleetui.model.status import HealthStatus
from tests.unit.fakes import config_map, manifest, stored
from tests.unit.rbac import GuardedCluster
from tests.unit.test_fleet import Running, running

MANAGED = (
    ("", "ConfigMap", "shop", "settings"),
    ("", "Secret", "shop", "credentials"),
    ("", "Secret", "bank", "vault"),
    ("", "Service", "shop", "web"),
)


def application(*managed: tuple[str, str, str, str]) -> StoredObject:
    keys = ("group", "kind", "namespace", "name")
    resources = [dict(zip(keys, each, strict=True)) | {"version": "v1"} for each in managed]
    status = {"health": {"status": "Healthy"}, "sync": {"status": "Synced"}, "resources": resources}
    spec = {"destination": {"server": "https://kubernetes.default.svc", "namespace": "shop"}}
    body = manifest("Application", "shop", namespace="argocd", api_version="argoproj.io/v1alpha1", spec=spec)
    return stored(body | {"status": status})


class Looking:
    def __init__(self, run: Running, cluster: GuardedCluster) -> None:
        self.run, self.cluster = run, cluster

    @property
    def key(self) -> Any:
        return next(iter(self.run.fleet.apps))

    async def tree(self, **listed: tuple[StoredObject, ...]) -> Tree:
        """The tree, once what may be watched has been listed; `listed` are objects by kind, all others are empty."""
        asking = asyncio.ensure_future(self.run.fleet.tree(self.key))
        while not asking.done():
            for watch in self.cluster.watches:
                if watch.open and not getattr(watch, "fed", watch.resource.kind == "Application"):
                    watch.fed = True  # type: ignore[attr-defined]
                    watch.lists(*listed.get(watch.resource.kind, ()))
            await asyncio.sleep(0)
        return await asking


@asynccontextmanager
async def looking(cluster: GuardedCluster, *managed: tuple[str, str, str, str]) -> AsyncIterator[Looking]:
    cluster.grants.add(("", "applications"))
    async with running(cluster) as run:
        cluster.watch_of("Application").lists(application(*managed))
        watched = run.fleet.watch_tree(next(iter(run.fleet.apps)))
        try:
            yield Looking(run, cluster)
        finally:
            watched.close()


def nodes(tree: Tree) -> dict[str, TreeNode]:
    return {node.ref.name: node for node in tree.nodes}


async def test_what_may_not_be_read_is_forbidden_and_not_missing_and_one_request_a_namespace_tells_it() -> None:
    cluster = GuardedCluster(("shop", "configmaps"), ("shop", "services"))
    async with looking(cluster, *MANAGED) as found:
        tree = await found.tree(ConfigMap=(config_map("settings", namespace="shop"),))
        by_name = nodes(tree)
        assert {name for name, node in by_name.items() if node.forbidden} == {"credentials", "vault"}
        credentials, web = by_name["credentials"], by_name["web"]
        assert credentials.health is not None
        assert web.health is not None
        assert (credentials.health.status, web.health.status) == (HealthStatus.UNKNOWN, HealthStatus.MISSING)
        assert credentials.health.message == "you may not list or watch secrets in namespace shop"
        assert by_name["shop"].health is not None
        assert by_name["shop"].health.status is HealthStatus.HEALTHY  # what the engine says, and nothing of ours
        assert tree.problem.startswith("hub: you may not list or watch secrets in namespace bank and in 1 more (see ")
        assert [node.ref.name for node in path_of(tree)] == ["web"]
        assert sorted(cluster.reviews) == ["rules bank", "rules shop"]
        assert cluster.watched("Secret") == []


async def test_the_command_line_and_its_json_say_so() -> None:
    async with looking(GuardedCluster(), *MANAGED[1:2]) as found:
        tree = await found.tree()
        (node,) = documents.tree(tree)["nodes"][1:]
        assert (node["forbidden"], node["info"], node["health"]["status"]) == (True, "forbidden", "Unknown")
        assert tables.tree(tree).splitlines()[-1].split() == ["Secret", "credentials", "shop", "Unknown", "forbidden"]


async def test_the_cause_of_trouble_may_lie_in_what_may_not_be_read() -> None:
    async with looking(GuardedCluster(), *MANAGED[:2]) as found:
        tree = await found.tree()
        assert path_of(tree) == ()
        assert hidden_in(tree) == "2 of its objects may not be read, and what is behind it may lie there."
        one = Tree(tree.key, tree.nodes[:2])
        assert hidden_in(one).startswith("ConfigMap settings may not be read, and")


async def test_endpoints_that_may_not_be_read_are_not_none() -> None:
    cluster = GuardedCluster(("shop", "services"))
    web = stored(manifest("Service", "web", namespace="shop", spec={"type": "ClusterIP"}))
    async with looking(cluster, MANAGED[3]) as found:
        assert nodes(await found.tree(Service=(web,)))["web"].info == ""
        assert "endpointslices.discovery.k8s.io" in (await found.tree()).problem


async def test_a_permission_that_comes_later_is_noticed_within_a_minute_without_a_restart() -> None:
    cluster = GuardedCluster()
    async with looking(cluster, MANAGED[1]) as found:
        await found.tree()
        for _ in range(5):
            assert nodes(await found.tree())["credentials"].forbidden
        assert cluster.reviews == ["rules shop"]
        cluster.grants.add(("shop", "secrets"))
        found.run.heard.clear()
        found.run.clock.advance(KEPT)
        found.run.clock.advance(0.1)
        assert any(found.key in change.trees for change in found.run.heard)
        secret = stored(manifest("Secret", "credentials", namespace="shop"))
        tree = await found.tree(Secret=(secret,))
        assert (nodes(tree)["credentials"].forbidden, tree.problem) == (False, "")
        assert cluster.reviews == ["rules shop"] * 2
        found.run.clock.advance(10 * KEPT)
        await found.tree()
        assert cluster.reviews == ["rules shop"] * 2


async def test_a_permission_that_is_taken_away_while_one_looks() -> None:
    cluster = GuardedCluster(("shop", "secrets"))
    async with looking(cluster, MANAGED[1]) as found:
        secret = stored(manifest("Secret", "credentials", namespace="shop"))
        assert not nodes(await found.tree(Secret=(secret,)))["credentials"].forbidden
        cluster.grants.discard(("shop", "secrets"))
        cluster.refuse("Secret", "shop")
        assert cluster.watched("Secret") == []
        node = nodes(await found.tree())["credentials"]
        assert (node.forbidden, node.info) == (True, "forbidden")


async def test_a_403_that_no_review_explains_is_tried_again_after_a_minute_and_no_sooner() -> None:
    cluster = GuardedCluster()
    cluster.mute = True
    async with looking(cluster, MANAGED[1]) as found:
        asking = asyncio.ensure_future(found.run.fleet.tree(found.key))
        await found.run.until(lambda: cluster.watched("Secret") == ["shop"], "it is tried")
        cluster.refuse("Secret", "shop")
        assert nodes(await asking)["credentials"].forbidden
        for _ in range(5):
            assert nodes(await found.tree())["credentials"].forbidden
        assert len([watch for watch in cluster.watches if watch.resource.kind == "Secret"]) == 1
        found.run.clock.advance(KEPT)
        asking = asyncio.ensure_future(found.run.fleet.tree(found.key))
        await found.run.until(lambda: cluster.watched("Secret") == ["shop"], "it is tried again")
        cluster.watch_of("Secret", "shop").lists()
        assert not nodes(await asking)["credentials"].forbidden
