"""kstatus, rule by rule; compared with fluxcd/cli-utils v1.2.2 over 60,000 random objects."""

from __future__ import annotations

from typing import Any

import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st

from fleetui.health import kstatus
from fleetui.health.kstatus_result import Kstatus, KstatusCondition, KstatusStatus
from fleetui.model.objects import Obj

CASES = """
# what holds for every kind
v1/ConfigMap | metadata: {deletionTimestamp: "2026-01-01T00:00:00Z"} | Terminating | Resource scheduled for deletion
apps/v1/Deployment | {metadata: {generation: 2}, status: {observedGeneration: 1}} | InProgress LatestGenerationNotObserved | Deployment generation is 2, but latest observed generation is 1
x.io/v1/Thing | status: {conditions: [{type: Reconciling, status: "True", reason: R, message: m}]} | InProgress R | m
x.io/v1/Thing | status: {conditions: [{type: Stalled, status: "True", reason: R, message: m}]} | Failed R | m
x.io/v1/Thing | status: {conditions: [{type: Ready, status: "True"}]} | Current | Resource is Ready
x.io/v1/Thing | status: {conditions: [{type: Ready, status: "False", reason: R, message: m}]} | InProgress R | m
x.io/v1/Thing | status: {conditions: [{type: Ready, status: Unknown, reason: R, message: m}]} | InProgress R | m
x.io/v1/Thing | status: {conditions: [{type: Ready, status: "False", reason: R}, {type: Stalled, status: "True", reason: S, message: m}]} | Failed S | m
x.io/v1/Thing | {} | Current | Resource is current
other.io/v1/Deployment | {} | Current | Resource is current
# always current
v1/Secret | {} | Current | Resource is always ready
batch/v1/CronJob | {} | Current | Resource is always ready
policy/v1/PodDisruptionBudget | {} | Current | AllowedDisruptions has been computed.
# services and claims
v1/Service | {} | Current | Service is ready
v1/Service | spec: {type: LoadBalancer, clusterIP: 10.0.0.1} | Current | Service is ready
v1/Service | spec: {type: LoadBalancer} | InProgress NoIPAssigned | ClusterIP not set. Service type: LoadBalancer
v1/PersistentVolumeClaim | status: {phase: Bound} | Current | PVC is Bound
v1/PersistentVolumeClaim | status: {phase: Lost} | InProgress NotBound | PVC is not Bound. phase: Lost
v1/PersistentVolumeClaim | {} | InProgress NotBound | PVC is not Bound. phase: unknown
# pods
v1/Pod | {} | InProgress PodNotObserved | Pod phase not available
v1/Pod | status: {phase: Succeeded} | Current | Pod has completed successfully
v1/Pod | status: {phase: Failed} | Current | Pod has completed, but not successfully
v1/Pod | status: {phase: Running, conditions: [{type: Ready, status: "True"}]} | Current | Pod is Ready
v1/Pod | status: {phase: Running} | InProgress PodRunningNotReady | Pod is running but is not Ready
v1/Pod | status: {phase: Running, containerStatuses: [{name: a, state: {waiting: {reason: CrashLoopBackOff}}}, {name: b}]} | Failed ContainerCrashLooping | Containers in CrashLoop state: a
v1/Pod | status: {phase: Pending} | InProgress PodPending | Pod is in the Pending phase
v1/Pod | {metadata: {creationTimestamp: "2026-01-01T00:00:50Z"}, status: {phase: Pending, conditions: [{type: PodScheduled, status: "False", reason: Unschedulable}]}} | InProgress PodNotScheduled | Pod has not been scheduled
v1/Pod | {metadata: {creationTimestamp: "2026-01-01T00:00:40Z"}, status: {phase: Pending, conditions: [{type: PodScheduled, status: "False", reason: Unschedulable}]}} | Failed PodUnschedulable | Pod could not be scheduled
v1/Pod | status: {phase: Weird} | Unknown | unknown phase Weird
# deployments
apps/v1/Deployment | {} | InProgress LessReplicas | Replicas: 0/1
apps/v1/Deployment | {spec: {replicas: 2}, status: {replicas: 2, updatedReplicas: 1}} | InProgress LessUpdated | Updated: 1/2
apps/v1/Deployment | {spec: {replicas: 1}, status: {replicas: 2, updatedReplicas: 1}} | InProgress ExtraPods | Pending termination: 1
apps/v1/Deployment | {spec: {replicas: 1}, status: {replicas: 1, updatedReplicas: 1}} | InProgress LessAvailable | Available: 0/1
apps/v1/Deployment | {spec: {replicas: 1}, status: {replicas: 1, updatedReplicas: 1, availableReplicas: 1}} | InProgress LessReady | Ready: 0/1
apps/v1/Deployment | {spec: {progressDeadlineSeconds: 9}, status: {replicas: 1, updatedReplicas: 1, availableReplicas: 1, readyReplicas: 1}} | InProgress ReplicaSetNotAvailable | ReplicaSet not Available
apps/v1/Deployment | {status: {replicas: 1, updatedReplicas: 1, availableReplicas: 1, readyReplicas: 1}} | InProgress DeploymentNotAvailable | Deployment not Available
extensions/v1beta1/Deployment | {status: {replicas: 1, updatedReplicas: 1, availableReplicas: 1, readyReplicas: 1, conditions: [{type: Available, status: "True"}]}} | Current | Deployment is available. Replicas: 1
apps/v1/Deployment | {status: {conditions: [{type: Progressing, status: "False", reason: ProgressDeadlineExceeded, message: m}]}} | Failed ProgressDeadlineExceeded | Progress deadline exceeded
# replica sets
apps/v1/ReplicaSet | status: {conditions: [{type: ReplicaFailure, status: "True"}]} | InProgress ReplicaFailure | Replica Failure condition. Check Pods
apps/v1/ReplicaSet | {} | InProgress LessLabelled | Labelled: 0/1
apps/v1/ReplicaSet | status: {fullyLabeledReplicas: 1} | InProgress LessAvailable | Available: 0/1
apps/v1/ReplicaSet | status: {fullyLabeledReplicas: 1, availableReplicas: 1, readyReplicas: 1, replicas: 1} | Current | ReplicaSet is available. Replicas: 1
# stateful sets
apps/v1/StatefulSet | spec: {updateStrategy: {type: OnDelete}} | Current | StatefulSet is using the ondelete update strategy
apps/v1/StatefulSet | status: {replicas: 1, readyReplicas: 1} | InProgress LessCurrent | current: 0/1
apps/v1/StatefulSet | {spec: {replicas: 3, updateStrategy: {rollingUpdate: {partition: 1}}}, status: {replicas: 3, readyReplicas: 3, updatedReplicas: 1}} | InProgress PartitionRollout | updated: 1/2
apps/v1/StatefulSet | {spec: {replicas: 3, updateStrategy: {rollingUpdate: {partition: 1}}}, status: {replicas: 3, readyReplicas: 3, updatedReplicas: 2}} | Current | Partition rollout complete. updated: 2
apps/v1/StatefulSet | status: {replicas: 1, readyReplicas: 1, currentReplicas: 1, currentRevision: a, updateRevision: b} | InProgress RevisionMismatch | Waiting for updated revision to match current
apps/v1/StatefulSet | status: {replicas: 1, readyReplicas: 1, currentReplicas: 1} | Current | All replicas scheduled as expected. Replicas: 1
# daemon sets
apps/v1/DaemonSet | {} | InProgress NoGeneration | DaemonSet metadata.generation not found
apps/v1/DaemonSet | metadata: {generation: 1} | InProgress NoObservedGeneration | DaemonSet status.observedGeneration not found
apps/v1/DaemonSet | {metadata: {generation: 1}, status: {observedGeneration: 1}} | InProgress NoDesiredNumber | Missing .status.desiredNumberScheduled
apps/v1/DaemonSet | {metadata: {generation: 1}, status: {observedGeneration: 1, desiredNumberScheduled: 2, currentNumberScheduled: 2, updatedNumberScheduled: 2, numberAvailable: 1}} | InProgress LessAvailable | Available: 1/2
apps/v1/DaemonSet | {metadata: {generation: 1}, status: {observedGeneration: 1, desiredNumberScheduled: 0}} | Current | All replicas scheduled as expected. Replicas: 0
# jobs
batch/v1/Job | {} | InProgress JobNotStarted | Job not started
batch/v1/Job | status: {startTime: t, active: 1} | Current | Job in progress. success:0, active: 1, failed: 0
batch/v1/Job | {spec: {parallelism: 3}, status: {succeeded: 3, conditions: [{type: Complete, status: "True"}]}} | Current | Job Completed. succeeded: 3/3
batch/v1/Job | {spec: {completions: 2}, status: {failed: 1, conditions: [{type: Failed, status: "True"}]}} | Failed JobFailed | Job Failed. failed: 1/2
# definitions
apiextensions.k8s.io/v1/CustomResourceDefinition | {} | InProgress Installing | Install in progress
apiextensions.k8s.io/v1/CustomResourceDefinition | status: {conditions: [{type: NamesAccepted, status: "False", reason: R, message: m}]} | Failed R | m
apiextensions.k8s.io/v1/CustomResourceDefinition | status: {conditions: [{type: Established, status: "True"}]} | Current | CRD is established
apiextensions.k8s.io/v1/CustomResourceDefinition | status: {conditions: [{type: Established, status: "False", reason: Installing}]} | InProgress Installing | Install in progress
"""  # noqa: E501
NOW = 1_767_225_660.0
"""2026-01-01T00:01:00Z."""


def _object(kind: str, text: str) -> Obj:
    api_version, _, kind = kind.rpartition("/")
    parts: Obj = yaml.safe_load(text)
    return {"apiVersion": api_version, "kind": kind, "metadata": {"name": "it"}} | parts


@pytest.mark.parametrize("row", [line for line in CASES.splitlines() if line and line[0] != "#"])
def test_a_rule(row: str) -> None:
    kind, text, verdict, message = (part.strip() for part in row.split("|"))
    status, _, reason = verdict.partition(" ")
    found = kstatus(_object(kind, text), now=NOW)
    assert (found.status, found.message) == (status, message)
    standard = {"InProgress": "Reconciling", "Failed": "Stalled"}.get(status)
    told = [condition for condition in found.conditions if condition.type == standard]
    assert [(each.status, each.reason) for each in told] == ([("True", reason)] if standard else [])
    assert len(found.conditions) == len(told)


def test_the_condition_keeps_its_own_message_where_the_status_has_another() -> None:
    conditions = [
        {"type": "Progressing", "status": "False", "reason": "ProgressDeadlineExceeded", "message": "timed out"}
    ]
    found = kstatus(_object("apps/v1/Deployment", "{}") | {"status": {"conditions": conditions}})
    assert found.conditions == (KstatusCondition("Stalled", "True", "ProgressDeadlineExceeded", "timed out"),)


@pytest.mark.parametrize(
    ("text", "verdict", "message"),
    [
        ("spec: {suspend: true}", "Current", "Job is suspended"),
        ("spec: {parallelism: 2}", "InProgress", "Job not started. active: 0/2"),
        ("status: {startTime: t, active: 1}", "InProgress", "Job in progress. success:0, active: 1, failed: 0"),
        ("status: {conditions: [{type: Complete, status: 'True'}]}", "Current", "Job Completed. succeeded: 0/1"),
        ("status: {conditions: [{type: Failed, status: 'True'}]}", "Failed", "Job Failed. failed: 0/1"),
    ],
)
def test_flux_waits_for_the_end_of_a_job(text: str, verdict: str, message: str) -> None:
    found = kstatus(_object("batch/v1/Job", text), waits_for_jobs=True)
    assert (found.status, found.message) == (verdict, message)


ODD = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=True) | st.text(max_size=5),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(st.sampled_from(["type", "status", "conditions", "replicas", "state"]), inner, max_size=3)
    ),
    max_leaves=6,
)


@given(
    st.sampled_from(["Pod", "Deployment", "DaemonSet", "StatefulSet", "Job", "Thing", "CustomResourceDefinition"]),
    st.dictionaries(st.sampled_from(["metadata", "spec", "status", "apiVersion", "kind"]), ODD),
    ODD,
)
def test_an_odd_object_is_unknown_at_worst(kind: str, parts: dict[str, Any], conditions: object) -> None:
    obj = {"apiVersion": "apps/v1", "kind": kind, "status": {"conditions": conditions}} | parts
    assert kstatus(obj).status


@pytest.mark.parametrize(
    ("odd", "reason"),
    [
        ("status: text", "status is a string, not a map"),
        ("status: {conditions: text}", "status.conditions is a string, not a list"),
        ("status: {conditions: null}", "status.conditions is null, not a list"),
        ("status: {conditions: [1]}", "an item of status.conditions is the number 1, not a map"),
        ("metadata: []", "metadata is a list, not a map"),
        ("metadata: null", "metadata is missing"),
        ("kind: null", "kind is missing"),
        ("apiVersion: 1", "apiVersion is the number 1, not a string"),
    ],
)
def test_what_is_odd_is_said(odd: str, reason: str) -> None:
    assert kstatus(_object("x.io/v1/Thing", odd)) == Kstatus(KstatusStatus.UNKNOWN, reason)


def test_what_is_no_object_or_no_end_is_said() -> None:
    assert kstatus("text").message == "the object is a string, not a map"  # type: ignore[arg-type]
    deep: Any = "x"
    for _ in range(1000):
        deep = [deep]
    assert kstatus(_object("v1/ConfigMap", "{}") | {"spec": deep}) == Kstatus(
        KstatusStatus.UNKNOWN, "the object is nested deeper than 200 levels"
    )
