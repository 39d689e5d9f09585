"""How an object stands by kstatus, which Flux goes by.

Owns: `kstatus`, its `Kstatus`, and the order in which rules are asked. Called for Flux's objects and its health checks.
Pure; the rules of single kinds are in `kstatus_kinds`. Rules and wordings: fluxcd/cli-utils v1.2.2, pkg/kstatus/status
(status.go, generic.go).
"""

from __future__ import annotations

import time
from collections.abc import Mapping
from typing import Any

from fleetui.health.kstatus_kinds import RULES, flux_job
from fleetui.health.kstatus_result import (
    Kstatus,
    KstatusStatus,
    Seen,
    conditions_of,
    current,
    failed,
    in_progress,
    integer,
)
from fleetui.health.reading import OddObjectError, Section, refuse_nameless, refuse_unreadable, section, text
from fleetui.model.objects import split_api_version

__all__ = ["Kstatus", "KstatusStatus", "kstatus"]


def kstatus(obj: Mapping[str, Any], *, waits_for_jobs: bool = False, now: float | None = None) -> Kstatus:
    """The status of one decoded object.

    Args:
        waits_for_jobs: a Job that runs is in progress, one that is suspended is current: so Flux's controllers see it
            (fluxcd/pkg runtime/statusreaders/job.go). By default kstatus' own rule, for which a running Job is current.
        now: seconds since the epoch, for the 15 of them that a Pod gets to be scheduled; None: the clock's.

    Returns:
        Unknown with a reason for an odd object. Never raises for what `obj` holds.
    """
    try:
        return _compute(obj, waits_for_jobs=waits_for_jobs, now=now)
    except OddObjectError as error:
        return Kstatus(KstatusStatus.UNKNOWN, str(error))


def _compute(obj: Section, *, waits_for_jobs: bool, now: float | None) -> Kstatus:
    refuse_unreadable(obj)
    if text(section(obj, "metadata"), "deletionTimestamp"):
        return Kstatus(KstatusStatus.TERMINATING, "Resource scheduled for deletion")
    refuse_nameless(obj)
    generic = _unobserved(obj) or _announced(obj)
    if generic is not None:
        return generic
    group_kind = (split_api_version(text(obj, "apiVersion"))[0], text(obj, "kind"))
    if waits_for_jobs and group_kind == ("batch", "Job"):
        return flux_job(obj)
    rule = RULES.get(group_kind)
    if rule is not None:
        return rule(Seen(obj, time.time() if now is None else now))
    return _ready(obj) or current("Resource is current")


def _unobserved(obj: Section) -> Kstatus | None:
    generation = integer(section(obj, "metadata"), "generation")
    if generation is None:
        return None
    observed = integer(section(obj, "status"), "observedGeneration")
    if observed is None or observed == generation:
        return None
    kind = text(obj, "kind")
    message = f"{kind} generation is {generation}, but latest observed generation is {observed}"
    return in_progress("LatestGenerationNotObserved", message)


def _announced(obj: Section) -> Kstatus | None:
    """What the conditions say that kstatus itself has defined; the first one counts."""
    for condition in conditions_of(obj):
        if condition.status == "True" and condition.type == "Reconciling":
            return in_progress(condition.reason, condition.message)
        if condition.status == "True" and condition.type == "Stalled":
            return failed(condition.reason, condition.message)
    return None


def _ready(obj: Section) -> Kstatus | None:
    for condition in conditions_of(obj):
        if condition.type != "Ready":
            continue
        if condition.status == "True":
            return current("Resource is Ready")
        if condition.status in ("False", "Unknown"):
            return in_progress(condition.reason, condition.message)
    return None
