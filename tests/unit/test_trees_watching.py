"""What a tree has watched: how much at most, and what becomes of it when a server describes its kinds anew."""

from __future__ import annotations

from typing import Any

from msgspec.structs import replace

from fleetui.fleet.wants import MOST
from fleetui.model.objects import Discovery, StoredObject
from fleetui.model.status import HealthStatus
from tests.unit.fakes import CONFIG_MAP, SERVED, manifest, resource, stored
from tests.unit.rbac import GuardedCluster
from tests.unit.test_trees_forbidden import looking, nodes

KUSTOMIZATION = resource("Kustomization", group="kustomize.toolkit.fluxcd.io")


def settings(namespace: str = "shop") -> StoredObject:
    return stored(manifest("ConfigMap", "settings", namespace=namespace))


async def test_an_inventory_that_names_half_the_cluster_has_a_bounded_part_of_it_watched() -> None:
    entries = [{"id": f"ns-{at:03}_{kind.lower()}__{kind}"} for at in range(300) for kind in ("ConfigMap", "Secret")]
    body = manifest("Kustomization", "greedy", namespace="shop", api_version=f"{KUSTOMIZATION.group}/v1")
    greedy = stored(body | {"status": {"inventory": {"entries": entries}}})
    kinds = [("", kind) for kind in ("configmaps", "secrets", "kustomizations")]
    cluster = GuardedCluster(*kinds)
    cluster.served = Discovery((*SERVED, KUSTOMIZATION))
    managed = ((*KUSTOMIZATION.group_kind, "shop", "greedy"), ("", "ConfigMap", "shop", "settings"))
    async with looking(cluster, *managed) as found:
        tree = await found.tree(Kustomization=(greedy,))
        opened = [watch for watch in cluster.watches if watch.open and watch.resource.kind != "Application"]
        assert len(opened) == MOST
        assert {"shop"} == {watch.namespace for watch in opened[:2]}, "what the application lists itself goes first"
        assert tree.problem.startswith("hub: the tree has too many kinds and namespaces: ")
        assert tree.problem.endswith(f" and {602 - MOST - 1} more such are not watched")
        last = next(node for node in tree.nodes if node.ref.namespace == "ns-299")
        assert last.health is not None
        assert last.health.status is HealthStatus.UNKNOWN, "what is not looked for is not missing"


async def test_an_object_without_the_namespace_that_its_kind_has_makes_nobody_watch_all_namespaces() -> None:
    cluster = GuardedCluster(("", "configmaps"), ("", "pods"))
    async with looking(cluster, ("", "ConfigMap", "", "nowhere"), ("", "ConfigMap", "shop", "settings")) as found:
        tree = await found.tree(ConfigMap=(settings(),))
        assert cluster.watched("ConfigMap") == ["shop"]
        assert {name: node.uid for name, node in nodes(tree).items()} | {"shop": ""} == {
            "shop": "",
            "nowhere": "",
            "settings": "uid-settings",
        }


async def test_a_kind_that_the_server_describes_otherwise_by_now_is_watched_on() -> None:
    cluster: Any = GuardedCluster(("shop", "configmaps"))
    async with looking(cluster, ("", "ConfigMap", "shop", "settings")) as found:
        tree = await found.tree(ConfigMap=(settings(),))
        assert nodes(tree)["settings"].uid == "uid-settings"
        other = replace(CONFIG_MAP, short_names=("cm",))
        cluster.served = Discovery([other if each is CONFIG_MAP else each for each in SERVED])
        tree = await found.tree(ConfigMap=(settings(),))
        assert nodes(tree)["settings"].uid == "uid-settings"
        changed = stored(manifest("ConfigMap", "settings", namespace="shop", metadata={"uid": "another"}))
        cluster.watch_of("ConfigMap", "shop").sink.upsert([changed])
        assert nodes(await found.tree())["settings"].uid == "another"
