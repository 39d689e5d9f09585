"""Objects in another version than the one they are stored in.

Owns: the two conversions there are: custom resources (by changing the version alone, strategy None) and Events, which
are one object in two groups. Pure functions. Called by `representations` and `handlers`. Rules: Kubernetes v1.37
pkg/apis/events/v1/conversion.go.
"""

from __future__ import annotations

from typing import Any

from backends.embedded.registry import ResourceType

Obj = dict[str, Any]
EVENTS = ("events.k8s.io", "Event")
CORE_EVENTS = ("", "Event")
_TO_CORE = {
    "note": "message",
    "regarding": "involvedObject",
    "reportingController": "reportingComponent",
    "deprecatedSource": "source",
    "deprecatedFirstTimestamp": "firstTimestamp",
    "deprecatedLastTimestamp": "lastTimestamp",
    "deprecatedCount": "count",
}
_FROM_CORE = {core: new for new, core in _TO_CORE.items()}


def needed(resource: ResourceType) -> bool:
    """Whether stored bytes can't be sent as they are."""
    return resource.api_version != resource.storage_api_version or resource.group_kind == EVENTS


def outgoing(resource: ResourceType, obj: Obj) -> Obj:
    """A stored object as the version of `resource` has it."""
    if resource.group_kind == EVENTS:
        obj = {_FROM_CORE.get(key, key): value for key, value in obj.items()}
        for key in ("reportingController", "reportingInstance"):
            if not obj.get(key):
                obj.pop(key, None)
    return obj | {"apiVersion": resource.api_version}


def incoming(resource: ResourceType, obj: Obj) -> Obj:
    """An object in the version of `resource` as it is to be stored."""
    if resource.group_kind == EVENTS:
        obj = {_TO_CORE.get(key, key): value for key, value in obj.items()}
        return obj | {"apiVersion": "v1"}
    return obj
