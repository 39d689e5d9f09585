"""Jobs, CronJobs, Workflows, Services, Ingresses, APIServices, claims, autoscalers (argo-cd v3.6.1)."""

from __future__ import annotations

import json
from typing import Any

import pytest

from fleetui.health import assess
from fleetui.model.status import Health, HealthStatus

H, P, D, S, U = (
    HealthStatus.HEALTHY,
    HealthStatus.PROGRESSING,
    HealthStatus.DEGRADED,
    HealthStatus.SUSPENDED,
    HealthStatus.UNKNOWN,
)
Verdict = tuple[HealthStatus, str]


def made(api_version: str, kind: str, **parts: Any) -> dict[str, Any]:
    return {"apiVersion": api_version, "kind": kind, "metadata": {"name": "it"}, "spec": {}, **parts}


def condition(kind: str, status: str = "True", reason: str = "", message: str = "") -> dict[str, str]:
    return {"type": kind, "status": status, "reason": reason, "message": message}


@pytest.mark.parametrize(
    ("conditions", "expected"),
    [
        ([], (P, "")),
        ([condition("FailureTarget", message="soon")], (P, "")),
        ([condition("Complete", message="done")], (H, "done")),
        ([condition("Failed", "False", message="no more tries")], (D, "no more tries")),
        ([condition("Complete"), condition("Failed", message="late")], (D, "late")),
        ([condition("Suspended", message="Job suspended")], (S, "Job suspended")),
        ([condition("Suspended", "False", message="Job resumed")], (H, "Job resumed")),
    ],
)
def test_job(conditions: Any, expected: Verdict) -> None:
    assert assess(made("batch/v1", "Job", status={"conditions": conditions})) == Health(*expected)


EARLY, LATE = "2026-01-01T00:00:00Z", "2026-01-02T00:00:00Z"


@pytest.mark.parametrize(
    ("parts", "expected"),
    [
        ({"spec": {"suspend": True}}, (H, "CronJob is Suspended")),
        ({}, (P, "Waiting for CronJob")),
        ({"status": {}}, (H, "CronJob has not been scheduled yet")),
        (
            {"status": {"lastScheduleTime": LATE}},
            (H, "The CronJob never completed successfully. It may not be healthy"),
        ),
        (
            {"status": {"lastScheduleTime": LATE, "lastSuccessfulTime": EARLY, "active": [{"name": "it-1"}]}},
            (H, "The job is running. Its last execution may not have been successful"),
        ),
        (
            {"status": {"lastScheduleTime": LATE, "lastSuccessfulTime": EARLY, "active": []}},
            (D, "CronJob has not completed its last execution successfully"),
        ),
        (
            {"status": {"lastScheduleTime": EARLY, "lastSuccessfulTime": LATE}},
            (H, "CronJob has completed its last execution successfully"),
        ),
    ],
)
def test_cron_job(parts: Any, expected: Verdict) -> None:
    assert assess(made("batch/v1", "CronJob", **parts)) == Health(*expected)


@pytest.mark.parametrize(
    ("phase", "status"),
    [("", P), ("Pending", P), ("Running", P), ("Succeeded", H), ("Failed", D), ("Error", D), ("Odd", U)],
)
def test_workflow(phase: str, status: HealthStatus) -> None:
    obj = made("argoproj.io/v1alpha1", "Workflow", status={"phase": phase, "message": "so"})
    assert assess(obj) == Health(status, "so")


ADDRESS = {"loadBalancer": {"ingress": [{"ip": "192.0.2.1"}]}}


@pytest.mark.parametrize(
    ("api_version", "kind", "parts", "expected"),
    [
        ("v1", "Service", {"spec": {"type": "ClusterIP"}}, (H, "")),
        ("v1", "Service", {"spec": {"type": "LoadBalancer"}, "status": {"loadBalancer": {}}}, (P, "")),
        ("v1", "Service", {"spec": {"type": "LoadBalancer"}, "status": ADDRESS}, (H, "")),
        ("networking.k8s.io/v1", "Ingress", {"status": {"loadBalancer": {"ingress": []}}}, (P, "")),
        ("extensions/v1beta1", "Ingress", {"status": ADDRESS}, (H, "")),
        ("v1", "PersistentVolumeClaim", {"status": {"phase": "Bound"}}, (H, "")),
        ("v1", "PersistentVolumeClaim", {"status": {"phase": "Pending"}}, (P, "")),
        ("v1", "PersistentVolumeClaim", {"status": {"phase": "Lost"}}, (D, "")),
        ("v1", "PersistentVolumeClaim", {}, (U, "")),
        ("apiregistration.k8s.io/v1", "APIService", {}, (P, "Waiting to be processed")),
        (
            "apiregistration.k8s.io/v1",
            "APIService",
            {"status": {"conditions": [condition("Available", "True", "Passed", "all checks passed")]}},
            (H, "Passed: all checks passed"),
        ),
        (
            "apiregistration.k8s.io/v1beta1",
            "APIService",
            {"status": {"conditions": [condition("Available", "False", "MissingEndpoints", "none")]}},
            (P, "MissingEndpoints: none"),
        ),
    ],
)
def test_what_others_reach(api_version: str, kind: str, parts: Any, expected: Verdict) -> None:
    assert assess(made(api_version, kind, **parts)) == Health(*expected)


AUTOSCALED: list[tuple[Any, Verdict]] = [
    ([], (P, "Waiting to Autoscale")),
    ([condition("ScalingActive", message="counting")], (P, "Waiting to Autoscale")),
    ([condition("AbleToScale", message="recommended")], (H, "recommended")),
    (
        [condition("AbleToScale", "False", "BackoffBoth"), condition("ScalingLimited", message="too few")],
        (H, "too few"),
    ),
    ([condition("AbleToScale"), condition("ScalingActive", "False", "FailedGetObjectMetric", "gone")], (D, "gone")),
    ([condition("AbleToScale", "True", "FailedGetScale", "who?")], (D, "who?")),
    ([condition("ScalingActive", "True", "FailedGetScale"), condition("AbleToScale", message="yes")], (H, "yes")),
]


@pytest.mark.parametrize(("conditions", "expected"), AUTOSCALED)
def test_autoscaler(conditions: Any, expected: Verdict) -> None:
    noted = {"annotations": {"autoscaling.alpha.kubernetes.io/conditions": json.dumps(conditions)}}
    kind = "HorizontalPodAutoscaler"
    assert assess(made("autoscaling/v2", kind, status={"conditions": conditions})) == Health(*expected)
    assert assess(made("autoscaling/v1", kind, metadata=noted)) == Health(*expected)


def test_an_autoscaler_without_the_annotation_waits_and_with_a_broken_one_is_unknown() -> None:
    kind = "HorizontalPodAutoscaler"
    assert assess(made("autoscaling/v1", kind)) == Health(P, "Waiting to Autoscale")
    broken = {"annotations": {"autoscaling.alpha.kubernetes.io/conditions": "["}}
    health = assess(made("autoscaling/v1", kind, metadata=broken))
    assert health is not None
    assert health.status is U
    assert health.message.startswith("failed to convert conditions annotation to typed: ")
