"""The health of Deployments, ReplicaSets, DaemonSets and StatefulSets.

Owns: one rule for each, field by field those of argo-cd v3.6.1 (gitops-engine/pkg/health, one file a kind), which
follow `kubectl rollout status`. Called through the table in `assessment`; odd fields raise `OddObjectError`.
"""

from __future__ import annotations

from fleetui.health.reading import (
    Section,
    condition,
    flag,
    number,
    optional_number,
    optional_section,
    section,
    text,
)
from fleetui.health.verdicts import HEALTHY, degraded, healthy, progressing, suspended
from fleetui.model.status import Health
from fleetui.model.text import go_quoted

_WAITING = "Waiting for rollout to finish: "


def deployment(obj: Section) -> Health:
    """Paused, then not observed, then past its deadline, then three counts of replicas."""
    metadata, spec, status = section(obj, "metadata"), section(obj, "spec"), section(obj, "status")
    if flag(spec, "paused"):
        return suspended("Deployment is paused")
    if number(metadata, "generation") > number(status, "observedGeneration"):
        return progressing(_WAITING + "observed deployment generation less than desired generation")
    # The condition's status is not looked at: the reason alone says that the deadline has passed.
    rollout = condition(status, "Progressing")
    if rollout is not None and text(rollout, "reason") == "ProgressDeadlineExceeded":
        return degraded(f"Deployment {go_quoted(text(metadata, 'name'))} exceeded its progress deadline")
    return _deployment_replicas(spec, status)


def _deployment_replicas(spec: Section, status: Section) -> Health:
    wanted, updated = optional_number(spec, "replicas"), number(status, "updatedReplicas")
    total, available = number(status, "replicas"), number(status, "availableReplicas")
    if wanted is not None and updated < wanted:
        return progressing(f"{_WAITING}{updated} out of {wanted} new replicas have been updated...")
    if total > updated:
        return progressing(f"{_WAITING}{total - updated} old replicas are pending termination...")
    if available < updated:
        return progressing(f"{_WAITING}{available} of {updated} updated replicas are available...")
    return HEALTHY


def replica_set(obj: Section) -> Health:
    """Not observed, then failing to make pods, then too few available."""
    metadata, spec, status = section(obj, "metadata"), section(obj, "spec"), section(obj, "status")
    if number(metadata, "generation") > number(status, "observedGeneration"):
        return progressing(_WAITING + "observed replica set generation less than desired generation")
    failure = condition(status, "ReplicaFailure")
    if failure is not None and text(failure, "status") == "True":
        return degraded(text(failure, "message"))
    wanted, available = optional_number(spec, "replicas"), number(status, "availableReplicas")
    if wanted is not None and available < wanted:
        return progressing(f"{_WAITING}{available} out of {wanted} new replicas are available...")
    return HEALTHY


def daemon_set(obj: Section) -> Health:
    """Not observed, then (where it updates by itself) pods to update, then pods to become available."""
    metadata, spec, status = section(obj, "metadata"), section(obj, "spec"), section(obj, "status")
    if number(metadata, "generation") > number(status, "observedGeneration"):
        return progressing(_WAITING + "observed daemon set generation less than desired generation")
    updated, wanted = number(status, "updatedNumberScheduled"), number(status, "desiredNumberScheduled")
    if text(section(spec, "updateStrategy"), "type") == "OnDelete":
        return healthy(f"daemon set {updated} out of {wanted} new pods have been updated")
    waiting = f"Waiting for daemon set {go_quoted(text(metadata, 'name'))} rollout to finish: "
    if updated < wanted:
        return progressing(f"{waiting}{updated} out of {wanted} new pods have been updated...")
    available = number(status, "numberAvailable")
    if available < wanted:
        return progressing(f"{waiting}{available} of {wanted} updated pods are available...")
    return HEALTHY


def stateful_set(obj: Section) -> Health:
    """Not observed, then pods to become ready, then as its update strategy has it."""
    metadata, spec, status = section(obj, "metadata"), section(obj, "spec"), section(obj, "status")
    observed = number(status, "observedGeneration")
    if observed == 0 or number(metadata, "generation") > observed:
        return progressing("Waiting for statefulset spec update to be observed...")
    wanted, ready = optional_number(spec, "replicas"), number(status, "readyReplicas")
    if wanted is not None and ready < wanted:
        return progressing(f"Waiting for {wanted - ready} pods to be ready...")
    strategy = section(spec, "updateStrategy")
    rolling = optional_section(strategy, "rollingUpdate")
    kind = text(strategy, "type")
    if kind == "RollingUpdate" and rolling is not None:
        return _partitioned(wanted, optional_number(rolling, "partition"), status)
    if kind == "OnDelete":
        return healthy(f"statefulset has {ready} ready pods")
    return _stateful_revision(status)


def _partitioned(wanted: int | None, partition: int | None, status: Section) -> Health:
    updated = number(status, "updatedReplicas")
    if wanted is not None and partition is not None and updated < wanted - partition:
        return progressing(
            f"Waiting for partitioned roll out to finish: {updated} out of {wanted - partition} "
            "new pods have been updated..."
        )
    return healthy(f"partitioned roll out complete: {updated} new pods have been updated...")


def _stateful_revision(status: Section) -> Health:
    update, current = text(status, "updateRevision"), text(status, "currentRevision")
    if update != current:
        updated = number(status, "updatedReplicas")
        return progressing(f"waiting for statefulset rolling update to complete {updated} pods at revision {update}...")
    replicas = number(status, "currentReplicas")
    return healthy(f"statefulset rolling update complete {replicas} pods at revision {current}...")
