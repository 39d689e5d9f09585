"""Pods of an embedded cluster start, fail and try again as the kubelet has it."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine
from itertools import pairwise
from typing import Any

from backends.embedded.controllers.world import Timing
from tests.unit.embedded_cluster import Bench, Obj, TravelLoop, bench, template

SLOW = Timing(pod=(1.0, 1.0), backoff=10.0, backoff_max=300.0)


def pod(name: str, image: str, **spec: Any) -> Obj:
    body = template(image, name, **spec)
    meta = {**body["metadata"], "name": name, "namespace": "default"}
    return {"apiVersion": "v1", "kind": "Pod", "metadata": meta, "spec": body["spec"]}


def state(cluster: Bench, name: str = "app") -> Obj:
    found: Obj = cluster.status("Pod", name, "")["containerStatuses"][0]
    return found


def waits_for(cluster: Bench) -> str:
    return str(state(cluster)["state"].get("waiting", {}).get("reason", ""))


def in_time(story: Callable[[TravelLoop], Coroutine[Any, Any, None]]) -> None:
    loop = TravelLoop()
    with asyncio.Runner(loop_factory=lambda: loop) as runner:
        runner.run(story(loop))


def test_a_pod_is_placed_created_and_becomes_ready() -> None:
    async def story(loop: TravelLoop) -> None:
        async with bench(timing=SLOW) as cluster:
            cluster.create(pod("app", "registry.example.com/app:1"))
            await loop.travel(0.5)
            assert waits_for(cluster) == "ContainerCreating"
            assert cluster.condition("Pod", "app", "Ready", "")["reason"] == "ContainersNotReady"
            assert cluster.get("Pod", "app", "")["spec"]["nodeName"].startswith("test-worker-")
            await loop.travel(1)
            status = cluster.status("Pod", "app", "")
            assert (status["phase"], state(cluster)["ready"]) == ("Running", True)
            assert status["podIP"] == status["podIPs"][0]["ip"]
            assert state(cluster)["imageID"].startswith("registry.example.com/app@sha256:")
            conditions = {one["type"]: one["status"] for one in status["conditions"]}
            assert set(conditions.values()) == {"True"}
            assert {"PodReadyToStartContainers", "Initialized", "Ready", "ContainersReady", "PodScheduled"} == set(
                conditions
            )
            writers = {entry["manager"] for entry in cluster.get("Pod", "app", "")["metadata"]["managedFields"]}
            assert "kubelet" in writers
            assert set(cluster.reasons("app")) == {"Scheduled", "Pulled", "Started"}

    in_time(story)


def test_an_image_that_cannot_be_pulled_backs_off_and_says_so() -> None:
    async def story(loop: TravelLoop) -> None:
        async with bench(timing=SLOW) as cluster:
            cluster.create(pod("app", "registry.example.com/app:1.2-does-not-exist"))
            await loop.travel(1.5)
            assert waits_for(cluster) == "ErrImagePull"
            await loop.travel(1)
            assert waits_for(cluster) == "ImagePullBackOff"
            message = state(cluster)["state"]["waiting"]["message"]
            assert message.startswith('Back-off pulling image "registry.example.com/app:1.2-does-not-exist"')
            assert cluster.status("Pod", "app", "")["phase"] == "Pending"
            await loop.travel(10)
            assert waits_for(cluster) == "ErrImagePull", "it is tried again after the back-off"
            warnings = [event for event in cluster.store.list("", "Event", "default") if event["type"] == "Warning"]
            pulls = [event for event in warnings if event["message"].startswith("Failed to pull image")]
            assert [event["count"] for event in pulls] == [2], "what is repeated is counted up"
            assert "BackOff" in cluster.reasons("app")

    in_time(story)


def test_a_crashing_container_restarts_with_growing_waits() -> None:
    async def story(loop: TravelLoop) -> None:
        async with bench(timing=SLOW) as cluster:
            cluster.create(pod("app", "registry.example.com/app:crashes"))
            restarts: list[tuple[float, int]] = []
            begin = loop.time()

            def note(_: object) -> None:
                found = cluster.status("Pod", "app", "").get("containerStatuses")
                count = found[0]["restartCount"] if found else 0
                if not restarts or restarts[-1][1] != count:
                    restarts.append((loop.time() - begin, count))

            cluster.store.subscribe(note)
            await loop.travel(3.5)
            assert waits_for(cluster) == "CrashLoopBackOff"
            assert state(cluster)["lastState"]["terminated"]["exitCode"] == 1
            assert cluster.status("Pod", "app", "")["phase"] == "Running"
            await loop.travel(2000)
            pauses = [round(b[0] - a[0]) for a, b in pairwise(restarts[1:])]
            assert pauses[:6] == [11, 21, 41, 81, 161, 301]
            assert set(pauses[5:]) == {301}, "the wait is capped"

    in_time(story)


def test_a_broken_init_container_keeps_the_others_waiting() -> None:
    async def story(loop: TravelLoop) -> None:
        async with bench(timing=SLOW) as cluster:
            inits = [{"name": "migrate", "image": "registry.example.com/migrate:crashes"}]
            cluster.create(pod("app", "registry.example.com/app:1", initContainers=inits))
            await loop.travel(5)
            status = cluster.status("Pod", "app", "")
            assert status["initContainerStatuses"][0]["state"]["waiting"]["reason"] == "CrashLoopBackOff"
            assert waits_for(cluster) == "PodInitializing"
            assert status["phase"] == "Pending"

    in_time(story)


def test_a_good_init_container_runs_first() -> None:
    async def story(loop: TravelLoop) -> None:
        async with bench(timing=SLOW) as cluster:
            inits = [{"name": "migrate", "image": "registry.example.com/migrate:1"}]
            cluster.create(pod("app", "registry.example.com/app:1", initContainers=inits))
            await loop.travel(5)
            status = cluster.status("Pod", "app", "")
            assert status["initContainerStatuses"][0]["state"]["terminated"]["exitCode"] == 0
            assert (status["phase"], state(cluster)["ready"]) == ("Running", True)

    in_time(story)


async def test_a_pod_that_fits_no_node_stays_pending_until_one_comes() -> None:
    async with bench() as cluster:
        cluster.create(pod("app", "registry.example.com/app:1", nodeSelector={"disk": "ssd"}))
        await cluster.until(lambda: cluster.condition("Pod", "app", "PodScheduled", ""), "it is refused")
        assert cluster.condition("Pod", "app", "PodScheduled", "")["reason"] == "Unschedulable"
        node = cluster.store.get("", "Node", "", "test-worker-2")
        node["metadata"]["labels"]["disk"] = "ssd"
        cluster.store.update(node, manager="test")
        await cluster.until(lambda: cluster.status("Pod", "app", "").get("phase") == "Running", "it runs")
        assert cluster.get("Pod", "app", "")["spec"]["nodeName"] == "test-worker-2"
