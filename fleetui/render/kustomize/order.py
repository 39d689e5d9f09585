"""The order that objects come out in.

Owns: `ordered`. Follows api 0.21.2 (internal/builtins/SortOrderTransformer.go). Called by `target` once, at the root.
"""

from __future__ import annotations

from collections.abc import Callable

from fleetui.render.kustomize.errors import Problem, UnsupportedProblem
from fleetui.render.kustomize.kustomization import LegacySortOptions, SortOptions
from fleetui.render.kustomize.resource import Resource, Resources
from fleetui.render.kustomize.tables import ORDER_FIRST, ORDER_LAST

_Key = tuple[int, str, str]


def ordered(resources: Resources, options: SortOptions | None) -> list[Resource]:
    """The objects sorted as `sortOptions` says; by kind, as kustomize always did, where it says nothing."""
    legacy = options.legacy_sort_options if options is not None else None
    if options is not None and options.order not in ("fifo", "legacy"):
        raise Problem("sortOptions.order must be fifo or legacy")
    if options is not None and options.order == "fifo":
        if legacy is not None:
            raise Problem("sortOptions has legacySortOptions, but the order is fifo")
        return list(resources)
    legacy = legacy or LegacySortOptions(order_first=list(ORDER_FIRST), order_last=list(ORDER_LAST))
    return sorted(resources, key=_key(legacy))


def _key(options: LegacySortOptions) -> Callable[[Resource], _Key]:
    ranks = {kind: rank - len(options.order_first) for rank, kind in enumerate(options.order_first)}
    ranks |= {kind: rank + 1 for rank, kind in enumerate(options.order_last)}

    def key(resource: Resource) -> _Key:
        group, version, kind = resource.gvk
        if kind == "Namespace" and group:
            # Two kinds called Namespace have an order of their own, which only they have.
            raise UnsupportedProblem(f"the kind Namespace of {group}")
        by_kind = f"{group or '~G'}_{version or '~V'}_{kind or '~K'}"
        identity = f"{kind}.{version or '[noVer]'}.{group or '[noGrp]'}"
        by_id = f"{identity}|{resource.namespace or '~X'}|{resource.name or '~N'}"
        return ranks.get(kind, 0), by_kind, by_id

    return key
