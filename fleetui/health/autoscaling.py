"""The health of HorizontalPodAutoscalers.

Owns: the rules of argo-cd v3.6.1 (gitops-engine/pkg/health/health_hpa.go) for autoscaling/v1, whose conditions lie in
an annotation, and v2. Called through the table in `assessment`; odd fields raise `OddObjectError`.
"""

from __future__ import annotations

from collections.abc import Sequence

from fleetui.health.hooks import annotations_of
from fleetui.health.reading import Section, conditions, section, sections, text
from fleetui.health.verdicts import degraded, healthy, progressing, unknown
from fleetui.model.objects import from_json
from fleetui.model.status import Health

_CONDITIONS = "autoscaling.alpha.kubernetes.io/conditions"
_BROKEN = frozenset(
    {
        ("AbleToScale", "FailedGetScale"),
        ("AbleToScale", "FailedUpdateScale"),
        ("ScalingActive", "FailedGetResourceMetric"),
        ("ScalingActive", "FailedGetObjectMetric"),
        ("ScalingActive", "FailedGetPodsMetric"),
        ("ScalingActive", "FailedGetExternalMetric"),
        ("ScalingActive", "FailedComputeMetricsReplicas"),
        ("ScalingActive", "InvalidSelector"),
    }
)


def autoscaler_v1(obj: Section) -> Health:
    """The conditions that the annotation holds as JSON."""
    annotation = text(annotations_of(obj), _CONDITIONS)
    if _CONDITIONS not in annotations_of(obj):
        return _verdict(())
    try:
        entries = from_json(annotation)
    except ValueError as error:
        return unknown(f"failed to convert conditions annotation to typed: {error}")
    return _verdict(sections({_CONDITIONS: entries}, _CONDITIONS))


def autoscaler_v2(obj: Section) -> Health:
    return _verdict(conditions(section(obj, "status")))


def _verdict(entries: Sequence[Section]) -> Health:
    """The first condition that says what is broken, else the first that says that it can scale."""
    for entry in entries:
        if (text(entry, "type"), text(entry, "reason")) in _BROKEN:
            return degraded(text(entry, "message"))
    for entry in entries:
        if text(entry, "type") in {"AbleToScale", "ScalingLimited"} and text(entry, "status") == "True":
            return healthy(text(entry, "message"))
    return progressing("Waiting to Autoscale")
