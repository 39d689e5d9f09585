"""Deployments of an embedded cluster roll as Kubernetes' own do."""

from __future__ import annotations

import asyncio

from backends.embedded.controllers import rollout
from tests.unit.embedded_cluster import Bench, Obj, TravelLoop, bench, set_image, settle, workload

REVISION = "deployment.kubernetes.io/revision"


def done(cluster: Bench, name: str, replicas: int) -> bool:
    status = cluster.status("Deployment", name)
    meta = cluster.get("Deployment", name)["metadata"]
    wanted = {"replicas", "updatedReplicas", "readyReplicas", "availableReplicas"}
    return status.get("observedGeneration") == meta["generation"] and all(status.get(key) == replicas for key in wanted)


def image_of(pod: Obj) -> str:
    return str(pod["spec"]["containers"][0]["image"])


async def test_a_new_deployment_becomes_available_with_the_real_words() -> None:
    async with bench() as cluster:
        cluster.create(workload("Deployment", "web", replicas=3))
        await cluster.until(lambda: done(cluster, "web", 3), "web is available")
        [owned] = cluster.store.list("apps", "ReplicaSet", "default")
        assert cluster.condition("Deployment", "web", "Available")["reason"] == "MinimumReplicasAvailable"
        progress = cluster.condition("Deployment", "web", "Progressing")
        assert (progress["status"], progress["reason"]) == ("True", "NewReplicaSetAvailable")
        assert progress["message"] == f'ReplicaSet "{owned["metadata"]["name"]}" has successfully progressed.'
        for pod in cluster.pods(app="web"):
            [owner] = pod["metadata"]["ownerReferences"]
            assert (owner["uid"], owner["controller"]) == (owned["metadata"]["uid"], True)
            assert pod["metadata"]["labels"]["pod-template-hash"] in owned["metadata"]["name"]
            assert pod["status"]["phase"] == "Running"


async def test_an_update_rolls_within_surge_and_unavailable_and_keeps_the_old_replicaset() -> None:
    async with bench() as cluster:
        rolling = {"type": "RollingUpdate", "rollingUpdate": {"maxSurge": 1, "maxUnavailable": 1}}
        cluster.create(workload("Deployment", "web", replicas=5, strategy=rolling))
        await cluster.until(lambda: done(cluster, "web", 5), "web is available")
        cluster.changes.clear()
        cluster.edit("Deployment", "web", set_image("registry.example.com/app:2"))
        await cluster.until(lambda: done(cluster, "web", 5), "web has rolled")

        seen = [event.obj.get("status", {}) for event in cluster.changes if event.resource.kind == "Deployment"]
        assert all(status.get("replicas", 0) <= 6 and status.get("availableReplicas", 0) >= 4 for status in seen)
        assert len({status.get("updatedReplicas", 0) for status in seen}) >= 4, "it rolls in steps"
        assert {image_of(pod) for pod in cluster.pods(app="web")} == {"registry.example.com/app:2"}
        sets = cluster.store.list("apps", "ReplicaSet", "default")
        assert sorted((rs["metadata"]["annotations"][REVISION], rs["spec"]["replicas"]) for rs in sets) == [
            ("1", 0),
            ("2", 5),
        ]
        assert cluster.get("Deployment", "web")["metadata"]["annotations"][REVISION] == "2"


async def test_going_back_takes_the_old_replicaset_again() -> None:
    async with bench() as cluster:
        cluster.create(workload("Deployment", "web", replicas=1))
        await cluster.until(lambda: done(cluster, "web", 1), "first version is up")
        [first] = cluster.store.list("apps", "ReplicaSet", "default")
        for image in ("registry.example.com/app:2", "registry.example.com/app:1"):
            cluster.edit("Deployment", "web", set_image(image))
            await cluster.until(lambda: done(cluster, "web", 1), f"{image} is up")
        again = cluster.get("ReplicaSet", first["metadata"]["name"])
        assert again["spec"]["replicas"] == 1
        assert again["metadata"]["annotations"][REVISION] == "3"
        assert again["metadata"]["annotations"]["deployment.kubernetes.io/revision-history"] == "1"


def test_an_image_that_never_starts_leaves_the_old_pods_and_runs_into_the_deadline() -> None:
    loop = TravelLoop()

    async def story() -> None:
        async with bench(clock=lambda: 1_800_000_000 + loop.time()) as cluster:
            cluster.create(workload("Deployment", "web", replicas=2, progressDeadlineSeconds=60))
            await settle()
            cluster.edit("Deployment", "web", set_image("registry.example.com/app:never-starts"))
            await loop.travel(30)
            progress = cluster.condition("Deployment", "web", "Progressing")
            assert (progress["status"], progress["reason"]) == ("True", "ReplicaSetUpdated")
            await loop.travel(40)
            progress = cluster.condition("Deployment", "web", "Progressing")
            assert (progress["status"], progress["reason"]) == ("False", "ProgressDeadlineExceeded")
            assert progress["message"].endswith(" has timed out progressing.")
            status = cluster.status("Deployment", "web")
            assert (status["availableReplicas"], status["updatedReplicas"], status["unavailableReplicas"]) == (2, 1, 1)
            cluster.edit("Deployment", "web", set_image("registry.example.com/app:3"))
            await loop.travel(1)
            assert done(cluster, "web", 2)
            assert cluster.condition("Deployment", "web", "Progressing")["status"] == "True"

    with asyncio.Runner(loop_factory=lambda: loop) as runner:
        runner.run(story())


async def test_paused_it_waits_and_resumed_it_rolls() -> None:
    async with bench() as cluster:
        cluster.create(workload("Deployment", "web", replicas=1))
        await cluster.until(lambda: done(cluster, "web", 1), "web is available")
        cluster.edit("Deployment", "web", lambda obj: obj["spec"].update(paused=True))
        cluster.edit("Deployment", "web", set_image("registry.example.com/app:2"))
        await cluster.until(
            lambda: cluster.condition("Deployment", "web", "Progressing").get("reason") == "DeploymentPaused",
            "it pauses",
        )
        assert [image_of(pod) for pod in cluster.pods(app="web")] == ["registry.example.com/app:1"]
        cluster.edit("Deployment", "web", lambda obj: obj["spec"].pop("paused"))
        await cluster.until(lambda: done(cluster, "web", 1), "web has rolled")
        assert [image_of(pod) for pod in cluster.pods(app="web")] == ["registry.example.com/app:2"]


async def test_recreate_never_runs_both_versions() -> None:
    async with bench() as cluster:
        cluster.create(workload("Deployment", "web", replicas=2, strategy={"type": "Recreate"}))
        await cluster.until(lambda: done(cluster, "web", 2), "web is available")
        alive: dict[str, str] = {}
        mixed: list[set[str]] = []

        def watch() -> None:
            alive.clear()
            alive.update({pod["metadata"]["name"]: image_of(pod) for pod in cluster.pods(app="web")})
            mixed.append(set(alive.values()))

        cluster.store.subscribe(lambda _: watch())
        cluster.edit("Deployment", "web", set_image("registry.example.com/app:2"))
        await cluster.until(lambda: done(cluster, "web", 2), "web is recreated")
        assert all(len(images) <= 1 for images in mixed)
        assert set() in mixed


async def test_scaling_down_takes_the_pod_that_is_not_ready() -> None:
    async with bench() as cluster:
        cluster.create(workload("Deployment", "web", replicas=3))
        await cluster.until(lambda: done(cluster, "web", 3), "web is available")
        victim = cluster.pods(app="web")[1]
        for condition in victim["status"]["conditions"]:
            condition["status"] = "False" if condition["type"] == "Ready" else condition["status"]
        cluster.store.update(victim, manager="test", subresource="status")
        cluster.edit("Deployment", "web", lambda obj: obj["spec"].update(replicas=2))
        await cluster.until(lambda: done(cluster, "web", 2), "web is smaller")
        assert victim["metadata"]["name"] not in [pod["metadata"]["name"] for pod in cluster.pods(app="web")]


async def test_old_replicasets_go_beyond_the_history_limit() -> None:
    async with bench() as cluster:
        cluster.create(workload("Deployment", "web", replicas=1, revisionHistoryLimit=1))
        for number in range(2, 6):
            await cluster.until(lambda: done(cluster, "web", 1), "web is up")
            cluster.edit("Deployment", "web", set_image(f"registry.example.com/app:{number}"))
        await cluster.until(lambda: done(cluster, "web", 1), "web is up")

        def revisions() -> list[str]:
            sets = cluster.store.list("apps", "ReplicaSet", "default")
            return sorted(rs["metadata"]["annotations"][REVISION] for rs in sets)

        await cluster.until(lambda: revisions() == ["4", "5"], "one old ReplicaSet is kept")


async def test_a_deleted_pod_is_replaced() -> None:
    async with bench() as cluster:
        cluster.create(workload("Deployment", "web", replicas=2))
        await cluster.until(lambda: done(cluster, "web", 2), "web is available")
        gone = cluster.pods(app="web")[0]["metadata"]["name"]
        cluster.store.delete("", "Pod", "default", gone)
        await cluster.until(
            lambda: done(cluster, "web", 2) and gone not in {pod["metadata"]["name"] for pod in cluster.pods()},
            "another Pod took its place",
        )


def test_percentages_round_as_kubernetes_rounds_them() -> None:
    deployment = workload("Deployment", "web", replicas=3)
    assert rollout.fenceposts(deployment) == (1, 0)
    both_zero = {"rollingUpdate": {"maxSurge": 0, "maxUnavailable": "10%"}}
    assert rollout.fenceposts(workload("Deployment", "web", replicas=3, strategy=both_zero)) == (0, 1)
