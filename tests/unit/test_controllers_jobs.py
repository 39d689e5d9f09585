"""Jobs of an embedded cluster end as Kubernetes' own do."""

from __future__ import annotations

from typing import Any

from tests.unit.embedded_cluster import Bench, Obj, bench, template


def job(name: str, image: str = "registry.example.com/migrate:1", *, policy: str = "Never", **spec: Any) -> Obj:
    body = {"template": template(image, name, restartPolicy=policy), **spec}
    return {"apiVersion": "batch/v1", "kind": "Job", "metadata": {"name": name, "namespace": "default"}, "spec": body}


def ended(cluster: Bench, kind: str) -> bool:
    return cluster.condition("Job", "work", kind, "batch").get("status") == "True"


async def test_a_job_completes() -> None:
    async with bench() as cluster:
        cluster.create(job("work"))
        await cluster.until(lambda: ended(cluster, "Complete"), "the job completes")
        status = cluster.status("Job", "work", "batch")
        assert (status["succeeded"], status.get("active", 0)) == (1, 0)
        assert status["startTime"] <= status["completionTime"]
        [pod] = cluster.pods()
        assert pod["status"]["phase"] == "Succeeded"
        assert pod["metadata"]["labels"]["batch.kubernetes.io/job-name"] == "work"
        assert {"SuccessfulCreate", "Completed"} <= set(cluster.reasons("work"))


async def test_a_failing_job_is_tried_again_and_then_fails() -> None:
    async with bench() as cluster:
        cluster.create(job("work", "registry.example.com/migrate:1-fails", backoffLimit=2))
        await cluster.until(lambda: ended(cluster, "Failed"), "the job fails")
        condition = cluster.condition("Job", "work", "Failed", "batch")
        assert condition["reason"] == "BackoffLimitExceeded"
        assert condition["message"] == "Job has reached the specified backoff limit"
        assert cluster.status("Job", "work", "batch")["failed"] == 3
        codes = [pod["status"]["containerStatuses"][0]["state"]["terminated"]["exitCode"] for pod in cluster.pods()]
        assert codes == [1, 1, 1]


async def test_completions_are_worked_off_in_parallel() -> None:
    async with bench() as cluster:
        cluster.create(job("work", completions=5, parallelism=2))
        most = 0

        def watch(_: object) -> None:
            nonlocal most
            most = max(most, sum(pod["status"]["phase"] in {"Pending", "Running"} for pod in cluster.pods()))

        cluster.store.subscribe(watch)
        await cluster.until(lambda: ended(cluster, "Complete"), "the job completes")
        assert cluster.status("Job", "work", "batch")["succeeded"] == len(cluster.pods()) == 5
        assert most == 2


async def test_a_suspended_job_has_no_pods_until_it_is_resumed() -> None:
    async with bench() as cluster:
        cluster.create(job("work", suspend=True))
        await cluster.until(lambda: ended(cluster, "Suspended"), "the job is suspended")
        assert cluster.pods() == []
        cluster.edit("Job", "work", lambda obj: obj["spec"].update(suspend=False), "batch")
        await cluster.until(lambda: ended(cluster, "Complete"), "the job completes")
        resumed = cluster.condition("Job", "work", "Suspended", "batch")
        assert (resumed["status"], resumed["reason"]) == ("False", "JobResumed")


async def test_a_finished_job_is_deleted_after_its_time_to_live() -> None:
    async with bench() as cluster:
        cluster.create(job("work", ttlSecondsAfterFinished=0))
        await cluster.until(lambda: not cluster.store.list("batch", "Job", "default"), "the job has gone")
