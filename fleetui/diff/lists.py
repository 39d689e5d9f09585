"""Which items of two lists are the same item.

Owns: the merge keys of Kubernetes' lists, and the matching of lists by key or by position. Called by `structure` (what
differs), `predicted` (what an apply would leave) and `render` (which lines stand side by side).

The keys are those of Kubernetes 1.37's own schema (client-go, applyconfigurations/internal: every list there that is
`associative`); a list that it does not know is matched by `name` where each item has its own.
"""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Hashable, Sequence
from itertools import pairwise
from typing import Any

_NAME = (("name",),)

KEYS: dict[str, tuple[tuple[str, ...], ...]] = {
    "conditions": (("type",), *_NAME),
    "devices": (("driver", "device", "pool"), *_NAME),
    "hostAliases": (("ip",), *_NAME),
    "hostIPs": (("ip",), *_NAME),
    "nodeAllocatableResourceClaimStatuses": (("resourceClaimName",), *_NAME),
    "ownerReferences": (("uid",), *_NAME),
    "podIPs": (("ip",), *_NAME),
    "ports": (("containerPort", "protocol"), ("port", "protocol"), *_NAME),
    "reservedFor": (("uid",), *_NAME),
    "storageVersions": (("apiServerID",), *_NAME),
    "topologySpreadConstraints": (("topologyKey", "whenUnsatisfiable"), *_NAME),
    "volumeDevices": (("devicePath",), *_NAME),
    "volumeMounts": (("mountPath",),),
}
"""By the list's field: the keys that may tell its items apart, the first that does counts. All others have `name`."""

BY_NAME = frozenset(
    {
        "allocatedResourcesStatus", "claims", "compositePodGroupTemplates", "containers", "drivers", "env",
        "ephemeralContainers", "evictionResponders", "imagePullSecrets", "initContainers", "matchConditions",
        "podGroupTemplates", "resourceClaimStatuses", "resourceClaims", "schedulingGates", "secrets", "variables",
        "volumes", "webhooks",
    }
)  # fmt: skip
"""The fields of the built-in kinds whose lists are merged by `name`, rather than replaced as a whole."""

DEFAULTS = {"protocol": "TCP"}
"""What the API server writes for a part of a key that is left out."""


Key = Hashable | None


class Matched:
    """Two lists of maps told apart by a key: the keys in order, and where each lies.

    `fields` are the key's fields; `live` and `desired` the items' keys, each of them unique.
    """

    __slots__ = ("desired", "fields", "live")

    def __init__(self, fields: tuple[str, ...], live: list[Key], desired: list[Key]) -> None:
        self.fields = fields
        self.live = live
        self.desired = desired


def match(field: str, live: Sequence[Any], desired: Sequence[Any]) -> Matched | None:
    """The two lists below `field` matched by a merge key; None where no key tells the items of both apart."""
    for fields in KEYS.get(field, _NAME):
        live_keys = keys_of(live, fields)
        if live_keys is None:
            continue
        desired_keys = keys_of(desired, fields)
        if desired_keys is not None:
            return Matched(fields, live_keys, desired_keys)
    return None


def keys_of(items: Sequence[Any], fields: tuple[str, ...]) -> list[Key] | None:
    """The key of each item; None where an item is no map, lacks a part of the key, or shares its key with another.

    A key of one field is its value, one of several fields is a tuple.
    """
    for item in items:
        if type(item) is not dict:
            return None
    keys: list[Key]
    if len(fields) == 1:
        field = fields[0]
        keys = [item.get(field) for item in items]
    else:
        keys = [_key(item, fields) for item in items]
    try:
        return None if None in keys or len(set(keys)) != len(keys) else keys
    except TypeError:  # a part of a key is a map or a list
        return None


def _key(item: dict[str, Any], fields: tuple[str, ...]) -> Key:
    key = tuple([item.get(field, DEFAULTS.get(field)) for field in fields])
    return None if None in key else key


def steady(live: Sequence[Key], desired: Sequence[Key]) -> set[Key]:
    """The keys in both lists that need not move: the longest run of them that has the same order in both."""
    place = {key: index for index, key in enumerate(live)}
    shared = [key for key in desired if key in place]
    positions = [place[key] for key in shared]
    if all(left < right for left, right in pairwise(positions)):
        return set(shared)
    return {live[position] for position in _longest_rise(positions)}


def _longest_rise(positions: Sequence[int]) -> list[int]:
    """A longest strictly increasing subsequence (patience sorting)."""
    tails: list[int] = []
    ends: list[int] = []
    before: list[int] = []
    for index, position in enumerate(positions):
        pile = bisect_left(tails, position)
        before.append(ends[pile - 1] if pile else -1)
        if pile == len(tails):
            tails.append(position)
            ends.append(index)
        else:
            tails[pile], ends[pile] = position, index
    rise: list[int] = []
    index = ends[-1] if ends else -1
    while index >= 0:
        rise.append(positions[index])
        index = before[index]
    return rise[::-1]
