"""Health of what the Argo project makes beside Workflows: Rollouts, analysis, ApplicationSets, events.

Owns: `RULES` for the group ``argoproj.io``. Rules: argo-cd v3.6.1 resource_customizations/argoproj.io.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping

from fleetui.health.kinds.common import conditions_of, message, says
from fleetui.health.kinds.rollout import rollout
from fleetui.health.reading import Section, section, text
from fleetui.health.verdicts import degraded, healthy, progressing, unknown
from fleetui.model.status import Health

_Verdict = Callable[[str], Health]
_RUN: Mapping[str, tuple[_Verdict, str]] = {
    "Successful": (healthy, "Analysis run completed successfully"),
    "Failed": (degraded, "Analysis run failed"),
    "Error": (degraded, "Analysis run had an error"),
    "Inconclusive": (unknown, "Analysis run was inconclusive"),
}
_EXPERIMENT: Mapping[str, tuple[_Verdict, str]] = {
    "Pending": (progressing, "Experiment is pending"),
    "Running": (progressing, "Experiment is running"),
    "Successful": (healthy, "Experiment is successful"),
    "Failed": (degraded, "Experiment has failed"),
    "Error": (degraded, "Experiment had an error"),
}


def analysis_run(obj: Section) -> Health | None:
    """By its phase; one that Argo CD does not know either has no health."""
    if obj.get("status") is None:
        return progressing("Waiting for analysis run to finish: status has not been reconciled.")
    status = section(obj, "status")
    phase = text(status, "phase")
    if phase in ("Pending", "Running"):
        return progressing("Analysis run is running")
    if phase not in _RUN:
        return None
    verdict, said = _RUN[phase]
    return verdict(text(status, "message") if status.get("message") is not None else said)


def experiment(obj: Section) -> Health | None:
    """By its phase; one that Argo CD does not know either has no health."""
    if obj.get("status") is None:
        return progressing("Waiting for experiment to finish: status has not been reconciled.")
    found = _EXPERIMENT.get(text(section(obj, "status"), "phase"))
    return found[0](found[1]) if found else None


_SET_ORDER: tuple[tuple[str, str, _Verdict], ...] = (
    ("ErrorOccurred", "True", degraded),
    ("ResourcesUpToDate", "False", degraded),
    ("RolloutProgressing", "True", progressing),
    ("ResourcesUpToDate", "True", healthy),
)


def application_set(obj: Section) -> Health:
    entries = conditions_of(obj)
    for kind, status, verdict in _SET_ORDER:
        for condition in entries:
            if says(condition, kind, status):
                return verdict(message(condition))
    return progressing("Waiting for the status to be reported")


def cron_workflow(obj: Section) -> Health:
    for condition in conditions_of(obj):
        if says(condition, "SpecError", "True") or says(condition, "SubmissionError", "True"):
            return degraded(message(condition))
        if says(condition, "Completed", "True"):
            return healthy(message(condition))
    return healthy("CronWorkflow is healthy.")


def event_bus(obj: Section) -> Health:
    for condition in conditions_of(obj):
        if condition.get("type") == "Deployed" and condition.get("status") in ("True", "False"):
            said = message(condition) if condition.get("message") is not None else text(condition, "reason")
            return healthy(said) if condition.get("status") == "True" else degraded(said)
    return progressing("Waiting for initialization")


RULES: dict[tuple[str, str], Callable[[Section], Health | None]] = {
    ("argoproj.io", "AnalysisRun"): analysis_run,
    ("argoproj.io", "ApplicationSet"): application_set,
    ("argoproj.io", "CronWorkflow"): cron_workflow,
    ("argoproj.io", "EventBus"): event_bus,
    ("argoproj.io", "Experiment"): experiment,
    ("argoproj.io", "Rollout"): rollout,
}
