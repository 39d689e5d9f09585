"""What must be watched to show a tree, and how much of it is.

Owns: `Want`, `wanted` and `MOST`. Called by `fleetui.fleet.trees`. Pure.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence

from fleetui.fleet.edges import GroupKind, child_kinds
from fleetui.model.objects import ApiResource, Discovery

Want = tuple[ApiResource, str]
"""A resource and a namespace; all of them where it is empty."""

MOST = 128
"""Watches for one tree: each is a connection, a cluster has 256 of them for everybody, and anybody who may write an
inventory could name every kind in every namespace. What stands nearest to the application goes first."""


def wanted(
    kinds: Iterable[tuple[GroupKind, str]], discovery: Discovery, *, everywhere: Callable[[ApiResource], bool]
) -> tuple[Want, ...]:
    """What must be watched to show a tree: each of its kinds, and what grows from these, in the namespaces where it may
    be; in the order of `kinds`.

    `everywhere` tells which resources are watched in all namespaces already: those are taken as they are.
    """
    found: dict[Want, None] = {}
    for kind, namespace in kinds:
        for each in (kind, *sorted(child_kinds([kind]))):
            resource = discovery.by_kind(*each)
            if resource is None or not _is_watchable(resource):
                continue
            if not resource.namespaced or everywhere(resource):
                found.setdefault((resource, ""))
            elif namespace:  # in none there can't be any: an inventory that says so would have all namespaces watched
                found.setdefault((resource, namespace))
    return tuple(found)


def unwatchable(kinds: Iterable[tuple[GroupKind, str]], discovery: Discovery) -> frozenset[GroupKind]:
    """The kinds of a tree that the server serves and that can't be watched."""
    resources = [discovery.by_kind(*kind) for kind, _ in kinds]
    return frozenset(each.group_kind for each in resources if each is not None and not _is_watchable(each))


def _is_watchable(resource: ApiResource) -> bool:
    return not resource.verbs or "watch" in resource.verbs


def too_much(left_out: Sequence[Want]) -> str:
    """Says what of a tree is not watched because it is beyond `MOST`."""
    resource, namespace = left_out[0]
    where = f" in namespace {namespace}" if namespace else ""
    more = f" and {len(left_out) - 1} more such" if len(left_out) > 1 else ""
    return f"the tree has too many kinds and namespaces: {resource.full_name}{where}{more} are not watched"


def scope_of(want: Want) -> tuple[GroupKind, str]:
    return want[0].group_kind, want[1]


def is_of(want: Want, kind: GroupKind, namespace: str) -> bool:
    return want[0].group_kind == kind and want[1] == namespace
