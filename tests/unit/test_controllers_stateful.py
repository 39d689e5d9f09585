"""StatefulSets and DaemonSets of an embedded cluster: order, volumes, one Pod a node."""

from __future__ import annotations

from typing import Any

from tests.unit.embedded_cluster import Bench, Obj, bench, set_image, workload

CLAIM = {
    "metadata": {"name": "data"},
    "spec": {"accessModes": ["ReadWriteOnce"], "resources": {"requests": {"storage": "5Gi"}}},
}


def stateful(**spec: Any) -> Obj:
    return workload("StatefulSet", "db", serviceName="db", volumeClaimTemplates=[CLAIM], **spec)


def ready(cluster: Bench, replicas: int) -> bool:
    status = cluster.status("StatefulSet", "db")
    meta = cluster.get("StatefulSet", "db")["metadata"]
    numbers = {status.get(field, 0) for field in ("replicas", "readyReplicas", "updatedReplicas", "availableReplicas")}
    return numbers == {replicas} and status["observedGeneration"] == meta["generation"]


def history(cluster: Bench, kind: str) -> list[str]:
    return [event.record.name for event in cluster.changes if event.resource.kind == "Pod" and event.type == kind]


async def test_ordinals_come_one_after_the_other_and_go_in_reverse() -> None:
    async with bench() as cluster:
        cluster.create(stateful(replicas=3))
        alone: list[bool] = []

        def watch(event: Any) -> None:
            if event.resource.kind == "Pod" and event.type == "ADDED":
                others = [pod for pod in cluster.pods() if pod["metadata"]["name"] != event.record.name]
                alone.append(all(pod["status"]["phase"] == "Running" for pod in others))

        cluster.store.subscribe(watch)
        await cluster.until(lambda: ready(cluster, 3), "all are ready")
        assert history(cluster, "ADDED") == ["db-0", "db-1", "db-2"]
        assert alone == [True, True, True]
        cluster.edit("StatefulSet", "db", lambda obj: obj["spec"].update(replicas=1))
        await cluster.until(lambda: ready(cluster, 1), "one is left")
        assert history(cluster, "DELETED") == ["db-2", "db-1"]
        labels = cluster.pods()[0]["metadata"]["labels"]
        assert (labels["statefulset.kubernetes.io/pod-name"], labels["apps.kubernetes.io/pod-index"]) == ("db-0", "0")


async def test_each_pod_has_a_bound_volume_that_outlives_it() -> None:
    async with bench() as cluster:
        cluster.create(stateful(replicas=2))
        await cluster.until(lambda: ready(cluster, 2), "all are ready")
        cluster.edit("StatefulSet", "db", lambda obj: obj["spec"].update(replicas=1))
        await cluster.until(lambda: ready(cluster, 1), "one is left")
        claims = cluster.store.list("", "PersistentVolumeClaim", "default")
        assert [claim["metadata"]["name"] for claim in claims] == ["data-db-0", "data-db-1"]
        for claim in claims:
            assert claim["status"]["phase"] == "Bound"
            volume = cluster.store.get("", "PersistentVolume", "", claim["spec"]["volumeName"])
            assert volume["spec"]["claimRef"]["uid"] == claim["metadata"]["uid"]
        cluster.store.delete("", "PersistentVolumeClaim", "default", "data-db-1")
        await cluster.until(
            lambda: len(cluster.store.list("", "PersistentVolume")) == 1, "the volume has gone with its claim"
        )


async def test_an_update_begins_at_the_highest_ordinal_and_moves_the_revision() -> None:
    async with bench() as cluster:
        cluster.create(stateful(replicas=2))
        await cluster.until(lambda: ready(cluster, 2), "all are ready")
        first = cluster.status("StatefulSet", "db")["updateRevision"]
        cluster.changes.clear()
        cluster.edit("StatefulSet", "db", set_image("registry.example.com/app:2"))
        await cluster.until(lambda: ready(cluster, 2), "all are updated")
        assert history(cluster, "DELETED") == ["db-1", "db-0"]
        status = cluster.status("StatefulSet", "db")
        assert status["currentRevision"] == status["updateRevision"] != first
        revisions = cluster.store.list("apps", "ControllerRevision", "default")
        assert sorted(each["revision"] for each in revisions) == [1, 2]


async def test_a_partition_holds_the_lower_ordinals_back() -> None:
    async with bench() as cluster:
        rolling = {"type": "RollingUpdate", "rollingUpdate": {"partition": 1}}
        cluster.create(stateful(replicas=2, updateStrategy=rolling))
        await cluster.until(lambda: cluster.status("StatefulSet", "db").get("readyReplicas") == 2, "all are ready")
        cluster.edit("StatefulSet", "db", set_image("registry.example.com/app:2"))
        images = ["registry.example.com/app:1", "registry.example.com/app:2"]
        await cluster.until(
            lambda: [pod["spec"]["containers"][0]["image"] for pod in cluster.pods()] == images, "db-1 alone is updated"
        )


async def test_a_daemonset_runs_on_each_node_and_on_new_ones() -> None:
    async with bench(nodes=2) as cluster:

        def on_all(nodes: int, image: str) -> bool:
            status = cluster.status("DaemonSet", "agent")
            fields = ("desiredNumberScheduled", "numberAvailable", "updatedNumberScheduled", "currentNumberScheduled")
            images = {pod["spec"]["containers"][0]["image"] for pod in cluster.pods()}
            return {status.get(field) for field in fields} == {nodes} and images == {image}

        cluster.create(workload("DaemonSet", "agent"))
        await cluster.until(lambda: on_all(2, "registry.example.com/app:1"), "two nodes have one")
        cluster.create({"apiVersion": "v1", "kind": "Node", "metadata": {"name": "late"}, "spec": {}})
        await cluster.until(lambda: on_all(3, "registry.example.com/app:1"), "the third has one")
        cluster.edit("DaemonSet", "agent", set_image("registry.example.com/app:2"))
        await cluster.until(lambda: on_all(3, "registry.example.com/app:2"), "all are updated")
        assert sorted(pod["spec"]["nodeName"] for pod in cluster.pods()) == ["late", "test-worker-1", "test-worker-2"]
