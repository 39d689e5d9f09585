"""The kinds for which kstatus has a rule of their own.

Owns: `RULES`, by group and kind, and Flux's own rule for Jobs. Called by `kstatus` once the generation is observed and
no condition has decided. Pure. Rules and wordings: fluxcd/cli-utils v1.2.2, pkg/kstatus/status/core.go.
"""

from __future__ import annotations

from collections.abc import Callable

from fleetui.health.kstatus_result import (
    Kstatus,
    Seen,
    conditions_of,
    count,
    current,
    failed,
    in_progress,
    integer,
    word,
)
from fleetui.health.reading import OddObjectError, Section, section, sections, text
from fleetui.model.times import parse_time

NO_DEADLINE = 2**31 - 1
"""The `progressDeadlineSeconds` that stands for none."""
TO_SCHEDULE = 15.0
"""Seconds that a Pod may take to be scheduled."""


def _always(message: str) -> Callable[[Seen], Kstatus]:
    return lambda _: current(message)


def stateful_set(seen: Seen) -> Kstatus:
    obj = seen.obj
    if word(obj, "spec.updateStrategy.type") == "OnDelete":
        return current("StatefulSet is using the ondelete update strategy")
    wanted, there = count(obj, "spec.replicas", 1), count(obj, "status.replicas", 0)
    ready, updated = count(obj, "status.readyReplicas", 0), count(obj, "status.updatedReplicas", 0)
    if wanted > there:
        return in_progress("LessReplicas", f"Replicas: {there}/{wanted}")
    if wanted > ready:
        return in_progress("LessReady", f"Ready: {ready}/{wanted}")
    if there > wanted:
        return in_progress("ExtraPods", f"Pending termination: {there - wanted}")
    partition = count(obj, "spec.updateStrategy.rollingUpdate.partition", -1)
    if partition != -1:
        if updated < wanted - partition:
            return in_progress("PartitionRollout", f"updated: {updated}/{wanted - partition}")
        return current(f"Partition rollout complete. updated: {updated}")
    if wanted > (of_revision := count(obj, "status.currentReplicas", 0)):
        return in_progress("LessCurrent", f"current: {of_revision}/{wanted}")
    if word(obj, "status.currentRevision") != word(obj, "status.updateRevision"):
        return in_progress("RevisionMismatch", "Waiting for updated revision to match current")
    return current(f"All replicas scheduled as expected. Replicas: {there}")


def deployment(seen: Seen) -> Kstatus:
    obj = seen.obj
    # Without a deadline the controller sets no Progressing condition.
    progressing = count(obj, "spec.progressDeadlineSeconds", NO_DEADLINE) == NO_DEADLINE
    available = False
    for condition in conditions_of(obj):
        if condition.type == "Progressing":
            if condition.reason == "ProgressDeadlineExceeded":
                told = failed(condition.reason, condition.message)
                return Kstatus(told.status, "Progress deadline exceeded", told.conditions)
            progressing |= condition.status == "True" and condition.reason == "NewReplicaSetAvailable"
        available |= condition.type == "Available" and condition.status == "True"
    behind = _replicas_behind(obj)
    if behind is not None:
        return behind
    if not progressing:
        return in_progress("ReplicaSetNotAvailable", "ReplicaSet not Available")
    if not available:
        return in_progress("DeploymentNotAvailable", "Deployment not Available")
    return current(f"Deployment is available. Replicas: {count(obj, 'status.replicas', 0)}")


def _replicas_behind(obj: Section) -> Kstatus | None:
    wanted, there = count(obj, "spec.replicas", 1), count(obj, "status.replicas", 0)
    updated, ready = count(obj, "status.updatedReplicas", 0), count(obj, "status.readyReplicas", 0)
    available = count(obj, "status.availableReplicas", 0)
    if wanted > there:
        return in_progress("LessReplicas", f"Replicas: {there}/{wanted}")
    if wanted > updated:
        return in_progress("LessUpdated", f"Updated: {updated}/{wanted}")
    if there > wanted:
        return in_progress("ExtraPods", f"Pending termination: {there - wanted}")
    if updated > available:
        return in_progress("LessAvailable", f"Available: {available}/{updated}")
    if wanted > ready:
        return in_progress("LessReady", f"Ready: {ready}/{wanted}")
    return None


def replica_set(seen: Seen) -> Kstatus:
    obj = seen.obj
    if any(each.type == "ReplicaFailure" and each.status == "True" for each in conditions_of(obj)):
        return in_progress("ReplicaFailure", "Replica Failure condition. Check Pods")
    wanted, there = count(obj, "spec.replicas", 1), count(obj, "status.replicas", 0)
    available, ready = count(obj, "status.availableReplicas", 0), count(obj, "status.readyReplicas", 0)
    if wanted > (labelled := count(obj, "status.fullyLabeledReplicas", 0)):
        return in_progress("LessLabelled", f"Labelled: {labelled}/{wanted}")
    if wanted > available:
        return in_progress("LessAvailable", f"Available: {available}/{wanted}")
    if wanted > ready:
        return in_progress("LessReady", f"Ready: {ready}/{wanted}")
    if there > wanted:
        return in_progress("ExtraPods", f"Pending termination: {there - wanted}")
    return current(f"ReplicaSet is available. Replicas: {there}")


def daemon_set(seen: Seen) -> Kstatus:
    obj = seen.obj
    kind = text(obj, "kind")
    if integer(section(obj, "metadata"), "generation") is None:
        return in_progress("NoGeneration", f"{kind} metadata.generation not found")
    if integer(section(obj, "status"), "observedGeneration") is None:
        return in_progress("NoObservedGeneration", f"{kind} status.observedGeneration not found")
    wanted = count(obj, "status.desiredNumberScheduled", -1)
    if wanted == -1:
        return in_progress("NoDesiredNumber", "Missing .status.desiredNumberScheduled")
    steps = (
        ("currentNumberScheduled", "LessCurrent", "Current"),
        ("updatedNumberScheduled", "LessUpdated", "Updated"),
        ("numberAvailable", "LessAvailable", "Available"),
        ("numberReady", "LessReady", "Ready"),
    )
    for field, reason, label in steps:
        if wanted > (reached := count(obj, f"status.{field}", 0)):
            return in_progress(reason, f"{label}: {reached}/{wanted}")
    return current(f"All replicas scheduled as expected. Replicas: {wanted}")


def volume_claim(seen: Seen) -> Kstatus:
    phase = word(seen.obj, "status.phase", "unknown")
    if phase != "Bound":
        return in_progress("NotBound", f"PVC is not Bound. phase: {phase}")
    return current("PVC is Bound")


def pod(seen: Seen) -> Kstatus:
    obj = seen.obj
    states = {(each.type, each.status): each for each in reversed(conditions_of(obj))}
    match word(obj, "status.phase"):
        case "Succeeded":
            return current("Pod has completed successfully")
        case "Failed":
            return current("Pod has completed, but not successfully")
        case "Running":
            if ("Ready", "True") in states:
                return current("Pod is Ready")
            if crashing := _crash_looping(obj):
                return failed("ContainerCrashLooping", f"Containers in CrashLoop state: {','.join(crashing)}")
            return in_progress("PodRunningNotReady", "Pod is running but is not Ready")
        case "Pending":
            scheduled = states.get(("PodScheduled", "False"))
            if scheduled is not None and scheduled.reason == "Unschedulable":
                return _unschedulable(seen)
            return in_progress("PodPending", "Pod is in the Pending phase")
        case "":
            return in_progress("PodNotObserved", "Pod phase not available")
        case phase:
            raise OddObjectError(f"unknown phase {phase}")


def _unschedulable(seen: Seen) -> Kstatus:
    created = parse_time(section(seen.obj, "metadata").get("creationTimestamp"))
    if created is not None and seen.now - TO_SCHEDULE < created:
        return in_progress("PodNotScheduled", "Pod has not been scheduled")
    return failed("PodUnschedulable", "Pod could not be scheduled")


def _crash_looping(obj: Section) -> list[str]:
    return [
        text(container, "name")
        for container in sections(section(obj, "status"), "containerStatuses")
        if "name" in container and text(section(section(container, "state"), "waiting"), "reason") == "CrashLoopBackOff"
    ]


def job(seen: Seen) -> Kstatus:
    obj = seen.obj
    over = _ended_job(obj)
    if over is not None:
        return over
    if not word(obj, "status.startTime"):
        return in_progress("JobNotStarted", "Job not started")
    return current(_running(obj))


def _ended_job(obj: Section) -> Kstatus | None:
    wanted = count(obj, "spec.completions", count(obj, "spec.parallelism", 1))
    for condition in conditions_of(obj):
        if condition.status != "True":
            continue
        if condition.type == "Complete":
            return current(f"Job Completed. succeeded: {count(obj, 'status.succeeded', 0)}/{wanted}")
        if condition.type == "Failed":
            return failed("JobFailed", f"Job Failed. failed: {count(obj, 'status.failed', 0)}/{wanted}")
    return None


def flux_job(obj: Section) -> Kstatus:
    """A Job as Flux waits for it: until it has ended (fluxcd/pkg runtime v0.122.0, statusreaders/job.go)."""
    if section(obj, "spec").get("suspend") is True:
        return current("Job is suspended")
    over = _ended_job(obj)
    if over is not None:
        return over
    if not word(obj, "status.startTime"):
        return in_progress("JobNotStarted", f"Job not started. active: 0/{count(obj, 'spec.parallelism', 1)}")
    return in_progress("JobInProgress", _running(obj))


def _running(obj: Section) -> str:
    succeeded, active, failures = (count(obj, f"status.{field}", 0) for field in ("succeeded", "active", "failed"))
    return f"Job in progress. success:{succeeded}, active: {active}, failed: {failures}"


def service(seen: Seen) -> Kstatus:
    if word(seen.obj, "spec.type", "ClusterIP") == "LoadBalancer" and not word(seen.obj, "spec.clusterIP"):
        return in_progress("NoIPAssigned", "ClusterIP not set. Service type: LoadBalancer")
    return current("Service is ready")


def definition(seen: Seen) -> Kstatus:
    for condition in conditions_of(seen.obj):
        if condition.type == "NamesAccepted" and condition.status == "False":
            return failed(condition.reason, condition.message)
        if condition.type == "Established":
            if condition.status == "False" and condition.reason != "Installing":
                return failed(condition.reason, condition.message)
            if condition.status == "True":
                return current("CRD is established")
    return in_progress("Installing", "Install in progress")


RULES: dict[tuple[str, str], Callable[[Seen], Kstatus]] = {
    ("", "Service"): service,
    ("", "Pod"): pod,
    ("", "Secret"): _always("Resource is always ready"),
    ("", "ConfigMap"): _always("Resource is always ready"),
    ("", "PersistentVolumeClaim"): volume_claim,
    ("apps", "StatefulSet"): stateful_set,
    ("apps", "DaemonSet"): daemon_set,
    ("extensions", "DaemonSet"): daemon_set,
    ("apps", "Deployment"): deployment,
    ("extensions", "Deployment"): deployment,
    ("apps", "ReplicaSet"): replica_set,
    ("extensions", "ReplicaSet"): replica_set,
    ("policy", "PodDisruptionBudget"): _always("AllowedDisruptions has been computed."),
    ("batch", "CronJob"): _always("Resource is always ready"),
    ("batch", "Job"): job,
    ("apiextensions.k8s.io", "CustomResourceDefinition"): definition,
}
