"""What a rollout asks of the world while it runs.

Owns: the Protocols that the runner is given. `Truths` and `Sights` are implemented in `fleetui.fleet`, `Outside` in
`backends`. All run on the engine's event loop and raise the errors of `fleetui.model.errors` alone.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Protocol

import msgspec

from fleetui.model.rollout import CellKey, CellPlan, Gate, Rollout, RolloutPlan
from fleetui.model.status import HealthStatus
from fleetui.ports import Subscription


class Written(msgspec.Struct, frozen=True):
    """What became of a wave's change. `commits`: the commit that has each cell's version now. `changed`: the version
    that somebody else gave a cell, which was left as it is. `pull_request`: its page, where the change waits there."""

    commits: Mapping[CellKey, str]
    changed: Mapping[CellKey, str] = {}
    pull_request: str = ""


class Truths(Protocol):
    """The versions of cells, as Git has them."""

    def vouch(self, truths: Iterable[str]) -> None:
        """Takes note of where an operator says that versions are written, as ``URL#PATH`` or a mere URL."""
        ...

    async def refuse_strange(self, plan: RolloutPlan) -> None:
        """Holds a stored plan to what is known of the fleet: whoever may write a ConfigMap must not have an operator
        commit, with the operator's login, to a repository of their choice.

        Raises:
            RefusedError: a version is to be written to a repository that no application of the hub and no generator
                names, and that no operator named here.
        """
        ...

    async def versions(self, cells: Sequence[CellPlan]) -> Mapping[CellKey, str]:
        """What Git says now, at the tips of the branches; a cell that Git says nothing about is left out."""
        ...

    async def write(
        self, plan: RolloutPlan, wave: str, wanted: Mapping[CellKey, str], *, expected: Mapping[CellKey, str]
    ) -> Written:
        """Writes the wanted versions where Git has the expected ones, in one commit for each repository and branch (or
        pull request, as the plan says).

        Doing it again does nothing, and answers with the same commits: a process that died in between asks again. Where
        all of a file is as this rollout left it, what was there before is restored byte by byte.
        """
        ...

    async def merged(self, plan: RolloutPlan, pull_request: str) -> str:
        """The commit by which a pull request was merged; empty while it is open.

        Raises:
            RefusedError: it was closed.
        """
        ...


class Sight(msgspec.Struct, frozen=True):
    """How a cell's application is, as it was last seen.

    `version` is the one in what it was last compared with, empty where that is not known. `synced`: that is what runs.
    `busy`: an operation is asked for or in progress. `failed` is what the last operation for this version failed with,
    `error` why the application can't be compared with Git at all.
    `away` says why nothing newer is known (the hub or the cluster does not answer).
    """

    version: str = ""
    synced: bool = False
    health: HealthStatus = HealthStatus.UNKNOWN
    message: str = ""
    busy: bool = False
    failed: str = ""
    error: str = ""
    automated: bool = False
    away: str = ""
    missing: bool = False
    """There is no such application (any more)."""


class Sights(Protocol):
    """The applications of a rollout's cells."""

    async def look(self, cell: CellPlan) -> Sight: ...

    def subscribe(self, cells: Sequence[CellPlan], listener: Callable[[], None]) -> Subscription:
        """Calls `listener` whenever `look` may answer otherwise than before."""
        ...

    async def refresh(self, cell: CellPlan) -> None:
        """Has the application compared with Git now (and what makes it, where something does)."""
        ...

    async def sync(self, cell: CellPlan, rollout: Rollout) -> None:
        """Asks for a sync; the audit record names the rollout.

        Raises:
            RefusedError: read-only, a window, the project's or the cluster's rules.
        """
        ...


class Verdict(msgspec.Struct, frozen=True):
    """What a metric or a webhook says of a gate: whether it holds, None for not yet, and why in a few words."""

    holds: bool | None
    message: str = ""


class Outside(Protocol):
    """What gates ask beyond the fleet."""

    async def metric(self, gate: Gate) -> Verdict:
        """The query's value held against the condition; a server that does not answer is not yet."""
        ...

    async def webhook(self, gate: Gate, rollout: Rollout, wave: str) -> Verdict: ...
