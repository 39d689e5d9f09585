"""What many of these rules have in common.

Owns: readers of conditions and the rule that goes by `Ready` alone. Called by the other modules of this package.
"""

from __future__ import annotations

from collections.abc import Callable

from fleetui.health.reading import Section, section, sections, text
from fleetui.health.verdicts import degraded, healthy, progressing
from fleetui.model.status import Health


def conditions_of(obj: Section) -> list[Section]:
    """`status.conditions`; empty where there are none."""
    return sections(section(obj, "status"), "conditions")


def has_conditions(obj: Section) -> bool:
    """Whether there is a list of conditions at all, be it empty."""
    return section(obj, "status").get("conditions") is not None


def says(condition: Section, kind: str, status: str) -> bool:
    """Whether a condition is of this type and has this status."""
    return condition.get("type") == kind and condition.get("status") == status


def message(condition: Section) -> str:
    return text(condition, "message")


def by_condition(kind: str, waiting: str) -> Callable[[Section], Health]:
    """The rule that the first condition `kind` decides: False is Degraded, True is Healthy; else `waiting`."""

    def rule(obj: Section) -> Health:
        for condition in conditions_of(obj):
            if says(condition, kind, "False"):
                return degraded(message(condition))
            if says(condition, kind, "True"):
                return healthy(message(condition))
        return progressing(waiting)

    return rule
