"""What nobody owns is adopted by whose selector fits, and what no longer fits is let go."""

from __future__ import annotations

from typing import Any

from tests.unit.embedded_cluster import Bench, Obj, bench, workload


def owners(obj: Obj) -> list[str]:
    return [str(each["uid"]) for each in obj["metadata"].get("ownerReferences") or ()]


def ready(cluster: Bench, kind: str, name: str, replicas: int) -> bool:
    return cluster.status(kind, name).get("readyReplicas") == replicas


async def test_a_deployment_made_again_takes_over_what_its_orphaning_left() -> None:
    async with bench() as cluster:
        cluster.create(workload("Deployment", "web", replicas=2))
        await cluster.until(lambda: ready(cluster, "Deployment", "web", 2), "web is ready")
        [before] = cluster.store.list("apps", "ReplicaSet", "default")
        pods = [pod["metadata"]["uid"] for pod in cluster.pods()]
        cluster.store.delete("apps", "Deployment", "default", "web", propagation="Orphan")
        await cluster.until(lambda: not cluster.store.list("apps", "Deployment", "default"), "web has gone")
        again = cluster.create(workload("Deployment", "web", replicas=2))
        await cluster.until(lambda: ready(cluster, "Deployment", "web", 2), "web is ready again")
        [after] = cluster.store.list("apps", "ReplicaSet", "default")
        assert after["metadata"]["uid"] == before["metadata"]["uid"]
        assert owners(after) == [again["metadata"]["uid"]]
        assert [pod["metadata"]["uid"] for pod in cluster.pods()] == pods


async def test_a_statefulset_made_again_keeps_its_pods() -> None:
    async with bench() as cluster:
        cluster.create(workload("StatefulSet", "db", replicas=2, serviceName="db"))
        await cluster.until(lambda: ready(cluster, "StatefulSet", "db", 2), "db is ready")
        pods = [pod["metadata"]["uid"] for pod in cluster.pods()]
        cluster.store.delete("apps", "StatefulSet", "default", "db", propagation="Orphan")
        await cluster.until(lambda: not cluster.store.list("apps", "StatefulSet", "default"), "db has gone")
        again = cluster.create(workload("StatefulSet", "db", replicas=2, serviceName="db"))
        await cluster.until(lambda: ready(cluster, "StatefulSet", "db", 2), "db is ready again")
        assert [pod["metadata"]["uid"] for pod in cluster.pods()] == pods
        assert {uid for pod in cluster.pods() for uid in owners(pod)} == {again["metadata"]["uid"]}


async def test_a_pod_taken_out_by_its_label_is_replaced_and_stays() -> None:
    async with bench() as cluster:
        cluster.create(workload("Deployment", "web", replicas=1))
        await cluster.until(lambda: ready(cluster, "Deployment", "web", 1), "web is ready")
        [pod] = cluster.pods(app="web")

        def take_out(obj: dict[str, Any]) -> None:
            obj["metadata"]["labels"]["app"] = "under-the-microscope"

        cluster.edit("Pod", pod["metadata"]["name"], take_out, "")
        await cluster.until(lambda: len(cluster.pods(app="web")) == 1, "another one took its place")
        [kept] = cluster.pods(app="under-the-microscope")
        assert (kept["metadata"]["uid"], owners(kept)) == (pod["metadata"]["uid"], [])
