"""What was deployed when, beside the commits of it.

Owns: `history_of` and `Commits`. Called by `fleetui.fleet.fleet` and the planner.
"""

from __future__ import annotations

import asyncio
from collections.abc import Sequence

from fleetui.fleet.audit import AuditRecord, Ending
from fleetui.fleet.views import HistoryRow
from fleetui.gitports import Repositories, Repository
from fleetui.model.app import App, HistoryEntry, Source
from fleetui.model.change import Commit
from fleetui.model.errors import GitError, RevisionNotFoundError
from fleetui.model.times import parse_time


class Commits:
    """Looks up commits; a lookup that fails is a sentence, not an error."""

    def __init__(self, repositories: Repositories) -> None:
        self._repositories = repositories

    async def of(self, app: App, source: Source, revision: str) -> tuple[Commit | None, str]:
        """The commit of `revision` in the repository of an application's source, or None and why it can't be told."""
        if source.chart:
            return None, f"version {revision} of chart {source.chart}: no commit"
        if not source.repo_url or not revision:
            return None, "no revision is on record" if source.repo_url else "no repository is on record"
        try:
            repository = self._repositories.open(source.repo_url, hub=app.key.hub, project=app.project)
            return await _commit(repository, revision), ""
        except GitError as error:
            return None, str(error)


BEGUN_WITHIN = 600.0
"""Seconds in which what was asked for has begun; an operation may wait for a sync window or for the one before it."""
_CLOCKS = 5.0
_SYNCS = frozenset({"sync", "rollback"})


async def history_of(app: App, commits: Commits, records: Sequence[AuditRecord] = ()) -> tuple[HistoryRow, ...]:
    """The rows of an application's history, newest first; `records` are what was asked of it from this machine."""
    entries = tuple(reversed(app.history))
    wanted = {(_source(entry, app), entry.revision) for entry in entries}
    found = dict(zip(wanted, await asyncio.gather(*(commits.of(app, *each) for each in wanted)), strict=True))
    return tuple(
        _row(entry, *found[_source(entry, app), entry.revision], current=index == 0, origin=origin_of(entry, records))
        for index, entry in enumerate(entries)
    )


def origin_of(entry: HistoryEntry, records: Sequence[AuditRecord]) -> str:
    """Who of this machine asked for what a history entry deployed, and from where; empty where that is not on record.

    The last request before it began; the two clocks may differ by some seconds.
    """
    if entry.automated or entry.started_at is None:
        return ""
    for record in reversed(records):
        asked = parse_time(record.time)
        wanted = record.action in _SYNCS and record.ending is Ending.ACCEPTED and not record.dry_run
        if wanted and asked is not None and -BEGUN_WITHIN <= asked - entry.started_at <= _CLOCKS:
            return f"{record.who}, {record.origin}"
    return ""


def _row(entry: HistoryEntry, commit: Commit | None, problem: str, *, current: bool, origin: str) -> HistoryRow:
    return HistoryRow(
        id=entry.id,
        revision=entry.revision,
        deployed_at=entry.deployed_at,
        initiated_by=entry.initiated_by,
        automated=entry.automated,
        current=current,
        commit=commit,
        problem=problem,
        origin=origin,
    )


def _source(entry: HistoryEntry, app: App) -> Source:
    return entry.source if entry.source.repo_url else app.source


async def _commit(repository: Repository, revision: str) -> Commit:
    try:
        return await repository.commit(await repository.resolve(revision))
    except RevisionNotFoundError:
        # It may have been pushed since the mirror last looked.
        return await repository.commit(await repository.resolve(revision, fetch=True))
