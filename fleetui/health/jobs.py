"""The health of what runs to an end: Jobs, CronJobs, Argo Workflows.

Owns: the rules of argo-cd v3.6.1: gitops-engine/pkg/health/health_job.go and health_argo.go, and
resource_customizations/batch/CronJob/health.lua, which needs no Lua here. Called through the table in `assessment`;
odd fields raise `OddObjectError`.
"""

from __future__ import annotations

from fleetui.health.reading import OddObjectError, Section, conditions, flag, section, text, type_name
from fleetui.health.verdicts import degraded, healthy, progressing, suspended, unknown
from fleetui.model.status import Health


def job(obj: Section) -> Health:
    """Failed, then suspended, then over; the status of `Failed` and `Complete` conditions is not looked at."""
    messages: dict[str, str] = {}
    latest, halted = "", False
    for entry in conditions(section(obj, "status")):
        kind = text(entry, "type")
        if kind not in {"Failed", "Complete", "Suspended"}:
            continue
        messages[kind] = text(entry, "message")
        if kind != "Failed":
            latest = messages[kind]
        halted = halted or (kind == "Suspended" and text(entry, "status") == "True")
    if not messages:
        return progressing()
    if "Failed" in messages:
        return degraded(messages["Failed"])
    return suspended(latest) if halted else healthy(latest)


def cron_job(obj: Section) -> Health:
    """Healthy unless the last run ended without success.

    A suspended one is Healthy too: as long as argo-cd issue 24428 is open, Suspended would stop its application.
    """
    if obj.get("spec") is None:
        raise OddObjectError("spec is missing")
    if flag(section(obj, "spec"), "suspend"):
        return healthy("CronJob is Suspended")
    if obj.get("status") is None:
        return progressing("Waiting for CronJob")
    status = section(obj, "status")
    scheduled, succeeded = text(status, "lastScheduleTime"), text(status, "lastSuccessfulTime")
    if not scheduled:
        return healthy("CronJob has not been scheduled yet")
    if not succeeded:
        return healthy("The CronJob never completed successfully. It may not be healthy")
    if _active(status):
        return healthy("The job is running. Its last execution may not have been successful")
    if succeeded < scheduled:  # both RFC 3339 in UTC, so their text sorts as they do
        return degraded("CronJob has not completed its last execution successfully")
    return healthy("CronJob has completed its last execution successfully")


def _active(status: Section) -> bool:
    active = status.get("active")
    if active is not None and not isinstance(active, list):
        raise OddObjectError(f"active is {type_name(active)}, not a list")
    return bool(active)


def workflow(obj: Section) -> Health:
    """The phase of an Argo Workflow; no phase yet is Progressing."""
    status = section(obj, "status")
    message = text(status, "message")
    match text(status, "phase"):
        case "" | "Pending" | "Running":
            return progressing(message)
        case "Succeeded":
            return healthy(message)
        case "Failed" | "Error":
            return degraded(message)
    return unknown(message)
