"""Rollouts as screens and commands see them.

Owns: the Protocol `Rollouts` and what is handed to it and back. Implemented in `fleetui.fleet.rollouts`. Coroutines run
on the engine's loop, and raise the errors of `fleetui.model.errors` alone.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Protocol

import msgspec

from fleetui.fleet.views import PlanEntry
from fleetui.model.app import AppKey
from fleetui.model.objects import ClusterName
from fleetui.model.rollout import CellKey, Delivery, Gate, Order, Rollout, RolloutKey, RolloutPlan
from fleetui.ports import Subscription


class WaveRule(msgspec.Struct, frozen=True):
    """Which of the cells that no wave before has taken belong to a wave.

    Exactly one of these is set: `labels` (a label selector over the clusters' labels), `percent` of all clusters
    (rounded up), `count` clusters, `clusters` by name, or `rest`.
    """

    name: str
    labels: str = ""
    percent: float | None = None
    count: int | None = None
    clusters: tuple[ClusterName, ...] = ()
    rest: bool = False
    gates: tuple[Gate, ...] | None = None
    """None: those of the request."""
    failures_allowed: int | None = None


class RolloutRequest(msgspec.Struct, frozen=True):
    """What a rollout is planned from. `moves` gives each addon the version that it goes to. `cells`: only these;
    empty: every cell of these addons. `patience`: that of the plan. `name`: empty for one that is made up. `truths`:
    where the version is written, as ``URL#PATH``, for an ApplicationSet of which the fleet does not see it by itself;
    as ``URL#PATH#FIELD``, with ``{cluster}`` and ``{addon}``, for every cell. `field`: which field of the Helm values
    files of each cell's own sources says it, with the same in braces; empty: found out.
    """

    moves: Mapping[str, str]
    cells: tuple[AppKey, ...] = ()
    waves: tuple[WaveRule, ...] = ()
    gates: tuple[Gate, ...] = ()
    failures_allowed: int = 0
    patience: float = 60.0
    delivery: Delivery = Delivery.COMMIT
    message: str = ""
    name: str = ""
    hub: ClusterName = ""  # type: ignore[assignment]  # empty: that of the cells
    truths: tuple[str, ...] = ()
    field: str = ""


class ChangeGroup(msgspec.Struct, frozen=True):
    """Cells whose difference is the same: what changes in each. `problem` is why that can't be said."""

    change: str
    cells: tuple[CellKey, ...]
    entries: tuple[PlanEntry, ...] = ()
    problem: str = ""


class PlannedRollout(msgspec.Struct, frozen=True):
    """What `Rollouts.plan` answers: the plan, and what an operator must know before it begins.

    `refusals` are the reasons why it can't be begun, each with its cell or wave; `notes` are worth knowing.
    `unchanged` are chosen cells that have the version already.
    """

    plan: RolloutPlan
    groups: tuple[ChangeGroup, ...] = ()
    refusals: tuple[str, ...] = ()
    notes: tuple[str, ...] = ()
    unchanged: tuple[CellKey, ...] = ()
    type_to_confirm: str = ""


class Rollouts(Protocol):
    """The rollouts of every chosen hub, and the one way to begin and to steer one."""

    async def versions(self, apps: Sequence[AppKey]) -> frozenset[str]:
        """The versions that Git has beside those that applications of one addon run, in no order.

        Raises:
            GitError: a repository does not answer.
        """
        ...

    async def plan(self, request: RolloutRequest) -> PlannedRollout: ...

    async def start(self, planned: PlannedRollout, *, drive: bool = True) -> Rollout:
        """Stores the rollout in its hub, and with `drive` carries it on in this process.

        Raises:
            RefusedError: read-only, or the plan has refusals, or another rollout has one of its cells.
        """
        ...

    async def all(self) -> tuple[Rollout, ...]:
        """Those that are stored in the hubs, running ones first, then the newest."""
        ...

    async def get(self, key: RolloutKey) -> Rollout:
        """Raises:
        MissingError: there is none.
        """
        ...

    def subscribe(self, key: RolloutKey, listener: Callable[[Rollout], None]) -> Subscription:
        """Watches one rollout: calls `listener` on the engine's thread with it as it is, and after each change."""
        ...

    async def order(self, key: RolloutKey, order: Order) -> Rollout:
        """Asks something of a rollout, whoever drives it; returns it as it then is.

        Raises:
            RefusedError: read-only, or it makes no sense now; the sentence says why.
            ConflictError: somebody else changed it at that moment, again and again.
        """
        ...

    async def drive(self, key: RolloutKey, *, take_over: bool = False, truths: Sequence[str] = ()) -> None:
        """Carries the rollout on in this process until it ends, waits for a human, or the driver is another one.

        Args:
            truths: repositories that versions may be written to although nothing of the fleet names them.

        Raises:
            RefusedError: another process drives it, and `take_over` was not asked for; what is stored leads to a
                repository that neither the fleet nor `truths` name.
        """
        ...

    def driving(self, key: RolloutKey) -> bool:
        """Whether this process is the driver."""
        ...
