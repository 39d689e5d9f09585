"""What an engine would do: ``engine run --dry-run``, which writes nothing.

Owns: `Verdict` and `Rehearsal`, in which `fleetui.engine.reconcile` notes what it would have done. Pure but for its
memory.
"""

from __future__ import annotations

import logging
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from fleetui.engine.application import Application, mapping, strings, text
from fleetui.engine.compare import Comparison, Member
from fleetui.model.objects import Obj
from fleetui.model.status import HealthStatus, SyncStatus

_log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Verdict:
    """One Application: how it is, and in `would` what the engine would do about it (empty: nothing). `error` is why it
    could not be judged."""

    namespace: str
    name: str
    sync: SyncStatus
    health: HealthStatus
    revision: str = ""
    would: str = ""
    error: str = ""


@dataclass(frozen=True)
class SetVerdict:
    """One ApplicationSet: the names of the Applications that it would create, change and delete, and in `error` what is
    wrong with it."""

    namespace: str
    name: str
    create: tuple[str, ...] = ()
    change: tuple[str, ...] = ()
    delete: tuple[str, ...] = ()
    error: str = ""

    @property
    def would(self) -> str:
        """What the engine would do about it; empty: nothing."""
        verbs = {"create": self.create, "change": self.change, "delete": self.delete}
        return "; ".join(f"{verb} {', '.join(names)}" for verb, names in verbs.items() if names)

    @property
    def told(self) -> str:
        """What is wrong, and what would be done all the same."""
        return "; ".join(filter(None, (self.error, self.would)))


class Rehearsal:
    """The verdicts of one engine; `verdicts`, and `sets`, are keyed by namespace and name, and each is logged at
    `log_level`."""

    def __init__(self, log_level: int = logging.INFO) -> None:
        self._log_level = log_level
        self.verdicts: dict[tuple[str, str], Verdict] = {}
        self.sets: dict[tuple[str, str], SetVerdict] = {}

    def compared(self, app: Application, comparison: Comparison, operation: Obj | None) -> None:
        """Notes a comparison, and the automated operation that would follow on it."""
        asked = app.operation if app.operation is not None else operation
        self._note(
            Verdict(
                namespace=app.namespace,
                name=app.name,
                sync=comparison.status,
                health=comparison.health.status,
                revision=", ".join(comparison.origin.each),
                would="" if asked is None or comparison.error else _would(asked, comparison),
                error=comparison.error,
            )
        )

    def refused(self, app: Application, problem: str) -> None:
        """Notes a spec that can't be worked with."""
        unknown = (SyncStatus.UNKNOWN, HealthStatus.UNKNOWN)
        self._note(Verdict(app.namespace, app.name, *unknown, error=problem))

    def deleting(self, app: Application) -> None:
        """Notes an Application that is being deleted."""
        sync, health = (text(mapping(app.status.get(key)).get("status")) for key in ("sync", "health"))
        known = (
            SyncStatus(sync) if sync in set(SyncStatus) else SyncStatus.UNKNOWN,
            HealthStatus(health) if health in set(HealthStatus) else HealthStatus.UNKNOWN,
        )
        would = "delete what it has made" if app.finalizers else ""
        self._note(Verdict(app.namespace, app.name, *known, would=would))

    def generated(self, verdict: SetVerdict) -> None:
        """Notes what an ApplicationSet makes."""
        key = (verdict.namespace, verdict.name)
        if self.sets.get(key) == verdict:
            return
        self.sets[key] = verdict
        said = (verdict.error, f"would {verdict.would}" if verdict.would else "nothing to do")
        _log.log(self._log_level, "ApplicationSet %s/%s: %s", *key, "; ".join(filter(None, said)))

    def gone(self, namespace: str, name: str) -> None:
        """Forgets an Application."""
        self.verdicts.pop((namespace, name), None)

    def _note(self, verdict: Verdict) -> None:
        key = (verdict.namespace, verdict.name)
        if self.verdicts.get(key) == verdict:
            return
        self.verdicts[key] = verdict
        would = verdict.error or (f"would {verdict.would}" if verdict.would else "nothing to do")
        _log.log(self._log_level, "%s/%s: %s, %s: %s", *key, verdict.sync, verdict.health, would)


def _would(operation: Mapping[str, Any], comparison: Comparison) -> str:
    sync = mapping(operation.get("sync"))
    chosen = sync.get("resources")
    what = f"sync {len(chosen)} objects" if isinstance(chosen, list) and chosen else "sync"
    revisions = strings(sync.get("revisions")) or strings([sync.get("revision")]) or comparison.origin.each
    return f"{what} to {', '.join(each[:7] for each in revisions)}{_amounts(comparison.members, sync)}"


def _amounts(members: Sequence[Member], sync: Mapping[str, Any]) -> str:
    judged = [member for member in members if member.judged and member.differs]
    prune = [member for member in judged if member.requires_pruning]
    amounts = {
        "create": sum(member.live is None for member in judged),
        "change": sum(member.live is not None and member.target is not None for member in judged),
        "prune" if sync.get("prune") is True else "leave though Git has it no more": len(prune),
    }
    said = [f"{verb} {number}" for verb, number in amounts.items() if number]
    return f" ({', '.join(said)})" if said else ""
