"""What each namespace of an embedded cluster has from its beginning."""

from __future__ import annotations

from tests.unit.embedded_cluster import Bench, bench

WANTED = {("ServiceAccount", "default"), ("ConfigMap", "kube-root-ca.crt")}


def held(cluster: Bench, namespace: str) -> set[tuple[str, str]]:
    return {
        (kind, obj["metadata"]["name"])
        for kind in ("ServiceAccount", "ConfigMap")
        for obj in cluster.store.list("", kind, namespace)
    }


async def test_each_has_an_account_and_a_certificate_from_its_beginning() -> None:
    async with bench() as cluster:
        await cluster.until(lambda: held(cluster, "default") == WANTED, "one that was there has both")
        cluster.create({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": "shop"}})
        await cluster.until(lambda: held(cluster, "shop") == WANTED, "a new one gets both")
        cluster.store.delete("", "ServiceAccount", "shop", "default")
        await cluster.until(lambda: held(cluster, "shop") == WANTED, "an account that is deleted comes back")


async def test_one_that_goes_gets_nothing_any_more() -> None:
    async with bench() as cluster:
        cluster.create({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": "shop"}})
        await cluster.until(lambda: held(cluster, "shop") == WANTED, "it gets both")
        cluster.store.delete("", "Namespace", "", "shop")
        names = {obj["metadata"]["name"] for obj in cluster.store.list("", "Namespace")}
        assert "shop" not in names
        assert held(cluster, "shop") == set()
