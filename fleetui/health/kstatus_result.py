"""What kstatus says of an object, and how its rules read one.

Owns: `Kstatus`, `KstatusStatus`, `KstatusCondition` and the readers that `kstatus` and `kstatus_kinds` share. Pure.
Rules: fluxcd/cli-utils v1.2.2, pkg/kstatus/status (status.go, util.go).
"""

from __future__ import annotations

from enum import StrEnum
from typing import NamedTuple

import msgspec

from fleetui.health.reading import OddObjectError, Section, conditions, section, text, type_name


class KstatusStatus(StrEnum):
    IN_PROGRESS = "InProgress"
    FAILED = "Failed"
    CURRENT = "Current"
    TERMINATING = "Terminating"
    NOT_FOUND = "NotFound"
    UNKNOWN = "Unknown"


class KstatusCondition(msgspec.Struct, frozen=True, gc=False):
    """A condition: of an object, or one that kstatus would have it show."""

    type: str
    status: str
    reason: str = ""
    message: str = ""


class Kstatus(msgspec.Struct, frozen=True, gc=False):
    """How an object stands, why, and the standard condition (Reconciling, Stalled) that says the same."""

    status: KstatusStatus
    message: str = ""
    conditions: tuple[KstatusCondition, ...] = ()


class Seen(NamedTuple):
    """An object, and when it is looked at, in seconds since the epoch."""

    obj: Section
    now: float


def current(message: str) -> Kstatus:
    return Kstatus(KstatusStatus.CURRENT, message)


def in_progress(reason: str, message: str) -> Kstatus:
    condition = KstatusCondition("Reconciling", "True", reason, message)
    return Kstatus(KstatusStatus.IN_PROGRESS, message, (condition,))


def failed(reason: str, message: str) -> Kstatus:
    condition = KstatusCondition("Stalled", "True", reason, message)
    return Kstatus(KstatusStatus.FAILED, message, (condition,))


def conditions_of(obj: Section) -> list[KstatusCondition]:
    """`status.conditions`, as far as kstatus reads them; all of them have to be readable."""
    return [
        KstatusCondition(*(text(entry, field) for field in ("type", "status", "reason", "message")))
        for entry in conditions(section(obj, "status"))
    ]


def integer(parent: Section, key: str) -> int | None:
    """The integer at `key`, None where it is absent; anything else is odd (`unstructured.NestedInt64`)."""
    if key not in parent:
        return None
    value = parent[key]
    if type(value) is not int:
        raise OddObjectError(f"{key} is {type_name(value)}, not a whole number")
    return value


def count(obj: Section, path: str, default: int) -> int:
    """The integer at a dotted path; `default` where there is none (`GetIntField`)."""
    value = _at(obj, path)
    return value if type(value) is int else default


def word(obj: Section, path: str, default: str = "") -> str:
    """The text at a dotted path; `default` where there is none (`GetStringField`)."""
    value = _at(obj, path)
    return value if isinstance(value, str) else default


def _at(obj: Section, path: str) -> object:
    node: object = obj
    for step in path.split("."):
        if not isinstance(node, dict):
            return None
        node = node.get(step)
    return node
