"""What one entry of an application's history changed, object by object.

Owns: `deployed_changes`. Called by `fleetui.fleet.fleet` for the entry that somebody looks at. Both entries are
rendered as the engine did; the cluster is asked for nothing but which kinds it serves.
"""

from __future__ import annotations

import asyncio

from fleetui.diff import compare, mask
from fleetui.diff.summary import summary
from fleetui.engine.desired import Targets
from fleetui.fleet.desired import Desires
from fleetui.fleet.subject import Subject
from fleetui.fleet.views import Deployed, PlanEntry
from fleetui.model.app import HistoryEntry
from fleetui.model.errors import FleetError, MissingError


async def deployed_changes(subject: Subject, desires: Desires, history_id: int) -> Deployed:
    """What changed with a history entry against the one before it.

    Raises:
        MissingError: there is no such entry.
    """
    entries = {entry.id: entry for entry in subject.app.history}
    entry = entries.get(history_id)
    if entry is None:
        raise MissingError(f"{subject.app.key} has no history entry {history_id}")
    earlier = max((each for each in entries if each < history_id), default=None)
    if earlier is None:
        return Deployed(problem="the first entry that is kept: what it changed is not known")
    try:
        before, after = await asyncio.gather(*(_targets(subject, desires, each) for each in (entries[earlier], entry)))
        return Deployed(entries=changes_between(before, after))
    except FleetError as error:
        return Deployed(problem=f"what it changed can't be said: {error}")


async def _targets(subject: Subject, desires: Desires, entry: HistoryEntry) -> Targets:
    history_id = entry.id if entry.source.repo_url else None
    return (await desires.of(subject, revision=entry.revision, history_id=history_id)).targets


def changes_between(before: Targets, after: Targets) -> tuple[PlanEntry, ...]:
    """The objects that differ: created ones first, then changed, then pruned."""
    old, new = before.by_ref, after.by_ref
    created = [PlanEntry("create", ref) for ref in new if ref not in old]
    pruned = [PlanEntry("prune", ref) for ref in old if ref not in new]
    changed = []
    for ref in new:
        if ref in old and new[ref].obj != old[ref].obj:
            live, desired = mask(old[ref].obj, new[ref].obj)
            changed.append(PlanEntry("change", ref, summary(compare(desired, live))))
    return (*created, *changed, *pruned)
