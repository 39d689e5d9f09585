"""Which cells move together: from the rules of a rollout's waves to its waves.

Owns: `waves_of`. Called by `fleetui.fleet.rolloutplan`. Pure.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from typing import NamedTuple

from fleetui.model import selectors
from fleetui.model.objects import ClusterName
from fleetui.model.rollout import CellKey, WavePlan

Labels = Mapping[ClusterName, Mapping[str, str]]


class Rule(NamedTuple):
    """A wave before its cells are known. `takes`: which of the clusters that are left, of how many in all."""

    wave: WavePlan
    takes: Callable[[Sequence[ClusterName], int], Sequence[ClusterName]]


class Waves(NamedTuple):
    """Every wave that has cells; `left` are the cells of clusters that no rule takes, `empty` the waves without any."""

    waves: tuple[WavePlan, ...]
    left: tuple[CellKey, ...] = ()
    empty: tuple[str, ...] = ()


def waves_of(rules: Sequence[Rule], cells: Sequence[CellKey]) -> Waves:
    """Gives every cell to the first wave whose rule takes its cluster: all addons of a cluster move in one wave.

    Clusters come in the order of their names, so that the same request gives the same canary.
    """
    clusters = sorted({cell.cluster for cell in cells})
    left, waves, empty = list(clusters), [], []
    for wave, takes in rules:
        taken = set(takes(left, len(clusters)))
        left = [cluster for cluster in left if cluster not in taken]
        mine = tuple(cell for cell in cells if cell.cluster in taken)
        if mine:
            waves.append(WavePlan(wave.name, mine, wave.gates, wave.failures_allowed))
        else:
            empty.append(wave.name)
    return Waves(tuple(waves), tuple(cell for cell in cells if cell.cluster in set(left)), tuple(empty))


def by_labels(selector: str, labels: Labels) -> Callable[[Sequence[ClusterName], int], Sequence[ClusterName]]:
    """Takes the clusters whose labels a selector selects.

    Raises:
        ValueError: it is no selector.
    """
    selects = selectors.parse(selector)
    return lambda left, _: [cluster for cluster in left if selects(labels.get(cluster, {}))]


def by_percent(percent: float) -> Callable[[Sequence[ClusterName], int], Sequence[ClusterName]]:
    """Takes so many of all clusters, rounded up."""
    # In thousandths, or 10 % of 30 would be four.
    return lambda left, all_of_them: left[: math.ceil(round(all_of_them * percent * 10) / 1000)]


def by_count(count: int) -> Callable[[Sequence[ClusterName], int], Sequence[ClusterName]]:
    """Takes so many clusters."""
    return lambda left, _: left[:count]


def by_name(names: Sequence[ClusterName]) -> Callable[[Sequence[ClusterName], int], Sequence[ClusterName]]:
    """Takes these clusters."""
    named = frozenset(names)
    return lambda left, _: [cluster for cluster in left if cluster in named]


def the_rest(left: Sequence[ClusterName], _: int) -> Sequence[ClusterName]:
    """Takes every cluster that is left."""
    return left
