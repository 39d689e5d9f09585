"""Deployments, ReplicaSets, DaemonSets and StatefulSets, with Argo CD's exact words (argo-cd v3.6.1)."""

from __future__ import annotations

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


def workload(kind: str, spec: dict[str, Any], status: dict[str, Any], *, generation: int = 1) -> dict[str, Any]:
    return {
        "apiVersion": "apps/v1",
        "kind": kind,
        "metadata": {"name": "web", "namespace": "shop", "generation": generation},
        "spec": spec,
        "status": {"observedGeneration": 1, **status},
    }


LATE = {"conditions": [{"type": "Progressing", "status": "False", "reason": "ProgressDeadlineExceeded"}]}
ROLLING = {"updateStrategy": {"type": "RollingUpdate"}}
WAITING = "Waiting for rollout to finish: "


@pytest.mark.parametrize(
    ("spec", "status", "generation", "expected"),
    [
        ({"paused": True}, LATE, 9, (S, "Deployment is paused")),
        ({}, LATE, 2, (P, WAITING + "observed deployment generation less than desired generation")),
        ({"replicas": 3}, LATE, 1, (D, 'Deployment "web" exceeded its progress deadline')),
        ({"replicas": 3}, {"updatedReplicas": 1}, 1, (P, WAITING + "1 out of 3 new replicas have been updated...")),
        (
            {"replicas": 3},
            {"replicas": 5, "updatedReplicas": 3},
            1,
            (P, WAITING + "2 old replicas are pending termination..."),
        ),
        (
            {"replicas": 3},
            {"replicas": 3, "updatedReplicas": 3, "availableReplicas": 2},
            1,
            (P, WAITING + "2 of 3 updated replicas are available..."),
        ),
        ({"replicas": 3}, {"replicas": 3, "updatedReplicas": 3, "availableReplicas": 3}, 1, (H, "")),
        ({"replicas": 0}, {}, 1, (H, "")),
        ({}, {"replicas": 2, "updatedReplicas": 2, "availableReplicas": 2}, 1, (H, "")),
        ({"replicas": 2.0}, {"updatedReplicas": 1}, 1, (P, WAITING + "1 out of 2 new replicas have been updated...")),
    ],
)
def test_deployment(spec: Any, status: Any, generation: int, expected: Any) -> None:
    assert assess(workload("Deployment", spec, status, generation=generation)) == Health(*expected)


@pytest.mark.parametrize(
    ("spec", "status", "generation", "expected"),
    [
        ({}, {}, 2, (P, WAITING + "observed replica set generation less than desired generation")),
        (
            {"replicas": 1},
            {"conditions": [{"type": "ReplicaFailure", "status": "True", "message": "quota exceeded"}]},
            1,
            (D, "quota exceeded"),
        ),
        (
            {"replicas": 2},
            {"conditions": [{"type": "ReplicaFailure", "status": "False"}], "availableReplicas": 1},
            1,
            (P, WAITING + "1 out of 2 new replicas are available..."),
        ),
        ({"replicas": 2}, {"availableReplicas": 2}, 1, (H, "")),
    ],
)
def test_replica_set(spec: Any, status: Any, generation: int, expected: Any) -> None:
    assert assess(workload("ReplicaSet", spec, status, generation=generation)) == Health(*expected)


@pytest.mark.parametrize(
    ("spec", "status", "generation", "expected"),
    [
        (ROLLING, {}, 2, (P, WAITING + "observed daemon set generation less than desired generation")),
        (
            {"updateStrategy": {"type": "OnDelete"}},
            {"updatedNumberScheduled": 1, "desiredNumberScheduled": 4},
            1,
            (H, "daemon set 1 out of 4 new pods have been updated"),
        ),
        (
            ROLLING,
            {"updatedNumberScheduled": 1, "desiredNumberScheduled": 4},
            1,
            (P, 'Waiting for daemon set "web" rollout to finish: 1 out of 4 new pods have been updated...'),
        ),
        (
            ROLLING,
            {"updatedNumberScheduled": 4, "desiredNumberScheduled": 4, "numberAvailable": 3},
            1,
            (P, 'Waiting for daemon set "web" rollout to finish: 3 of 4 updated pods are available...'),
        ),
        (ROLLING, {"updatedNumberScheduled": 4, "desiredNumberScheduled": 4, "numberAvailable": 4}, 1, (H, "")),
    ],
)
def test_daemon_set(spec: Any, status: Any, generation: int, expected: Any) -> None:
    assert assess(workload("DaemonSet", spec, status, generation=generation)) == Health(*expected)


PARTITION = {"replicas": 4, "updateStrategy": {"type": "RollingUpdate", "rollingUpdate": {"partition": 1}}}


@pytest.mark.parametrize(
    ("spec", "status", "generation", "expected"),
    [
        ({}, {"observedGeneration": 0}, 0, (P, "Waiting for statefulset spec update to be observed...")),
        ({}, {}, 2, (P, "Waiting for statefulset spec update to be observed...")),
        ({"replicas": 3}, {"readyReplicas": 1}, 1, (P, "Waiting for 2 pods to be ready...")),
        (
            PARTITION,
            {"readyReplicas": 4, "updatedReplicas": 2},
            1,
            (P, "Waiting for partitioned roll out to finish: 2 out of 3 new pods have been updated..."),
        ),
        (
            PARTITION,
            {"readyReplicas": 4, "updatedReplicas": 3},
            1,
            (H, "partitioned roll out complete: 3 new pods have been updated..."),
        ),
        (
            {"updateStrategy": {"type": "OnDelete"}},
            {"readyReplicas": 2, "updateRevision": "b", "currentRevision": "a"},
            1,
            (H, "statefulset has 2 ready pods"),
        ),
        (
            ROLLING,
            {"updatedReplicas": 1, "updateRevision": "web-2", "currentRevision": "web-1"},
            1,
            (P, "waiting for statefulset rolling update to complete 1 pods at revision web-2..."),
        ),
        (
            ROLLING,
            {"currentReplicas": 2, "updateRevision": "web-2", "currentRevision": "web-2"},
            1,
            (H, "statefulset rolling update complete 2 pods at revision web-2..."),
        ),
    ],
)
def test_stateful_set(spec: Any, status: Any, generation: int, expected: Any) -> None:
    assert assess(workload("StatefulSet", spec, status, generation=generation)) == Health(*expected)
