"""Conditions of a status, written the way Kubernetes' own controllers write them. Pure.

Owns: reading and setting of `status.conditions`. Each function returns new lists; what comes in stays as it is.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

Condition = dict[str, Any]


def find(conditions: Iterable[Condition] | None, kind: str) -> Condition | None:
    """The condition of that type, or None."""
    return next((one for one in conditions or () if one.get("type") == kind), None)


def is_true(obj: Mapping[str, Any], kind: str) -> bool:
    """Whether an object's status has that condition with status True."""
    found = find((obj.get("status") or {}).get("conditions"), kind)
    return found is not None and found.get("status") == "True"


def put(conditions: Sequence[Condition], new: Condition) -> list[Condition]:
    """`conditions` with `new` in its type's place, or at the end.

    `lastTransitionTime` stays what it was while the status is the same.
    """
    old = find(conditions, new["type"])
    if old is None:
        return [*conditions, new]
    if old.get("status") == new["status"] and "lastTransitionTime" in old:
        new = {**new, "lastTransitionTime": old["lastTransitionTime"]}
    return [new if one is old else one for one in conditions]


def put_last(conditions: Sequence[Condition], new: Condition) -> list[Condition]:
    """As a Deployment's conditions are set: nothing changes while status and reason are the same, else the new one
    goes to the end (kubernetes `pkg/controller/deployment/util`, `SetDeploymentCondition`)."""
    old = find(conditions, new["type"])
    if old is not None and old.get("status") == new["status"]:
        if old.get("reason") == new.get("reason"):
            return list(conditions)
        new = {**new, "lastTransitionTime": old["lastTransitionTime"]}
    return [*without(conditions, new["type"]), new]


def without(conditions: Iterable[Condition], kind: str) -> list[Condition]:
    return [one for one in conditions if one.get("type") != kind]
