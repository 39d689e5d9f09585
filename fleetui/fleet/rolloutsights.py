"""The applications of a rollout's cells, as the fleet sees them.

Owns: `FleetSights`, the implementation of `fleetui.engine.rollout.ports.Sights`. Called by the runner, through
`fleetui.fleet.rollouts`. Changes go through the fleet's dispatcher, with its permissions, windows and audit record.
"""

from __future__ import annotations

import asyncio
from collections import defaultdict
from collections.abc import Callable, Iterable, Mapping, Sequence
from contextlib import suppress
from hashlib import sha256
from typing import Protocol

from fleetui.engine.giturl import normalized
from fleetui.engine.observe import TARGET_STATE
from fleetui.engine.rollout.ports import Sight
from fleetui.engine.rollout.truth import versions
from fleetui.fleet.cells import version_of
from fleetui.fleet.rolloutflux import FluxSources
from fleetui.fleet.rolloutorigins import ARGO, KUSTOMIZATION, parent_of, parents, text_in
from fleetui.fleet.rolloutvalues import VALUES
from fleetui.fleet.views import Action, ActionKind, ChangeSet, Outcome
from fleetui.gitports import Repositories
from fleetui.model.app import App, AppKey
from fleetui.model.errors import FleetError, MissingError, RefusedError
from fleetui.model.objects import ClusterName, ObjectRef
from fleetui.model.rollout import CellPlan, Rollout, Truth
from fleetui.model.status import AWAY, ClusterState, ClusterStatus, OperationPhase, SyncStatus
from fleetui.ports import Subscription

_UNSURE = AWAY | {ClusterState.REGISTERED}
"""Where it is not known here whether a cluster answers."""
_COMMITS, _FILES = 16, 16384
"""The versions in so many commits, and in so many different files, are remembered."""

_ONE_WRITE = 5.0
"""Seconds within which what brings many of the cells is refreshed once for all of them."""


class Picture(Protocol):
    """What is asked of the fleet (`fleetui.fleet.fleet.LiveFleet`)."""

    @property
    def apps(self) -> Mapping[AppKey, App]: ...

    @property
    def clusters(self) -> Mapping[ClusterName, ClusterStatus]: ...

    @property
    def problems(self) -> Mapping[ClusterName, str]: ...

    async def loaded(self) -> None: ...

    def probe(self, cluster: ClusterName) -> None: ...

    def subscribe(self, listener: Callable[[ChangeSet], None]) -> Subscription: ...

    async def execute(self, action: Action) -> Outcome: ...


class FleetSights:
    """See `fleetui.engine.rollout.ports.Sights`.

    Args:
        fleet: the live picture.
        repositories: where a version is read that an application does not tell.
        flux: has the repositories of Kustomizations fetched; None: where there is no Flux.
    """

    def __init__(self, fleet: Picture, repositories: Repositories, flux: FluxSources | None = None) -> None:
        self._fleet = fleet
        self._flux = flux
        self._repositories = repositories
        self._known: dict[AppKey, tuple[App, ClusterStatus | None, Sight]] = {}
        self._parents: Mapping[tuple[ClusterName, ObjectRef], AppKey] | None = None
        self._refreshed: set[AppKey] = set()
        self._watched: list[frozenset[Truth]] = []
        self._in_git: dict[tuple[str, str], dict[Truth, str]] = {}
        self._in_files: dict[tuple[str, bytes], dict[Truth, str]] = {}

    async def look(self, cell: CellPlan) -> Sight:
        await self._fleet.loaded()
        hub = cell.app.hub
        app, status = self._fleet.apps.get(cell.app), self._fleet.clusters.get(hub)
        if status is not None and status.state in AWAY:
            return Sight(away=_silent(status))
        if app is None:
            problem = self._fleet.problems.get(hub, "")
            return Sight(away=problem) if problem else Sight(missing=True)
        there = self._fleet.clusters.get(cell.key.cluster)
        known = self._known.get(cell.app)
        if known is not None and known[0] is app and known[1] is there:
            return known[2]
        try:
            sight = sight_of(app, there, await self._version(cell, app))
        except FleetError as error:  # asked again at the next look
            return Sight(away=str(error))
        if sight.away and there is not None and there.state is ClusterState.REGISTERED:
            self._fleet.probe(there.name)
        self._known[cell.app] = (app, there, sight)
        return sight

    def subscribe(self, cells: Sequence[CellPlan], listener: Callable[[], None]) -> Subscription:
        mine = {cell.app for cell in cells}
        clusters = {cell.app.hub for cell in cells} | {cell.key.cluster for cell in cells}

        problems: dict[ClusterName, str] = {}

        def changed(change: ChangeSet) -> None:
            nonlocal problems
            before, problems = problems, change.problems
            others = not (mine.isdisjoint(change.apps) and mine.isdisjoint(change.removed))
            if others or not clusters.isdisjoint(change.clusters) or before != problems:
                listener()

        truths = frozenset(cell.truth for cell in cells if cell.truth.kind == VALUES)
        self._watched.append(truths)
        subscription = self._fleet.subscribe(changed)

        def close() -> None:
            self._watched = [each for each in self._watched if each is not truths]
            subscription.close()

        return _Closing(close)

    async def refresh(self, cell: CellPlan) -> None:
        app = self._fleet.apps.get(cell.app)
        if app is None:
            raise MissingError(f"there is no application {cell.app}")
        parent = parent_of(app, self._brought())
        if parent is not None and parent not in self._refreshed:
            self._refreshed.add(parent)
            with suppress(FleetError):  # it is compared in its time
                if parent.dialect == KUSTOMIZATION and self._flux is not None:
                    await self._flux.fetch(self._fleet.apps[parent])
                await self._fleet.execute(Action(ActionKind.REFRESH, parent))
        if parent is None or cell.truth.kind == VALUES:
            await self._fleet.execute(Action(ActionKind.REFRESH, cell.app))

    def _brought(self) -> Mapping[tuple[ClusterName, ObjectRef], AppKey]:
        """Which application brings what, found out once for all cells of a wave."""
        if self._parents is None:
            self._parents = parents(self._fleet.apps.values())
            asyncio.get_running_loop().call_later(_ONE_WRITE, self._forget)
        return self._parents

    def _forget(self) -> None:
        self._parents = None
        self._refreshed.clear()

    async def sync(self, cell: CellPlan, rollout: Rollout) -> None:
        app = self._fleet.apps.get(cell.app)
        if app is None:
            raise MissingError(f"there is no application {cell.app}")
        if _busy(app):
            return  # what runs ends, and is looked at again
        # What Flux prunes its objects say themselves.
        prune = app.automation.prune and app.key.dialect == ARGO
        try:
            await self._fleet.execute(Action(ActionKind.SYNC, cell.app, prune=prune, rollout=rollout.plan.key.name))
        except RefusedError:
            now = self._fleet.apps.get(cell.app)
            if now is None or not _busy(now):
                raise

    async def _version(self, cell: CellPlan, app: App) -> str:
        """The version in what the application was last compared with; empty where that is not known."""
        if cell.truth.kind != VALUES:
            return version_of(app) if app.compared else ""
        revision = _revision(cell.truth, app)
        if not revision:
            return ""
        known: Mapping[Truth, str] = self._in_git.get((cell.truth.url, revision), {})
        if cell.truth not in known:
            known = await self._read(cell.truth, app, revision)
        return known[cell.truth]

    async def _read(self, truth: Truth, app: App, revision: str) -> Mapping[Truth, str]:
        """The versions of a commit: that of `truth`, and with it those of all cells that are watched, because each
        commit moves many and is read once."""
        repository = self._repositories.open(truth.url, hub=app.key.hub, project=app.project)
        tree = await repository.tree(await repository.resolve(revision))
        key = truth.url, revision
        first = key not in self._in_git
        others = {each for truths in self._watched for each in truths if each.url == truth.url} if first else set()

        def read() -> dict[Truth, str]:
            files = tree.files("")
            found: dict[Truth, str] = {}
            for path, mine in _by_path(others - {truth}).items():
                with suppress(FleetError):  # it is the error of the cells that stand in this file, at their turn
                    found |= self._said(path, files.get(path), mine)
            return found | self._said(truth.path, files.get(truth.path), [truth])

        found = await asyncio.to_thread(read)
        while len(self._in_git) >= _COMMITS:
            del self._in_git[next(iter(self._in_git))]
        self._in_git[key] = self._in_git.get(key, {}) | found
        return self._in_git[key]

    def _said(self, path: str, content: bytes | None, truths: Sequence[Truth]) -> dict[Truth, str]:
        """The versions in a file; one that a commit has left as it was is not parsed again."""
        if content is None:
            return dict.fromkeys(truths, "")
        key = path, sha256(content).digest()
        known = self._in_files.get(key, {})
        if any(each not in known for each in truths):
            if len(self._in_files) >= _FILES:
                self._in_files.clear()
            said = versions(text_in(content, path), truths)
            known = self._in_files[key] = known | {each: said.get(each, "") for each in truths}
        return {each: known[each] for each in truths}


class _Closing:
    """A subscription that ends by a call."""

    def __init__(self, close: Callable[[], None]) -> None:
        self.close = close


def _by_path(truths: Iterable[Truth]) -> dict[str, list[Truth]]:
    found: dict[str, list[Truth]] = defaultdict(list)
    for truth in truths:
        found[truth.path].append(truth)
    return found


def sight_of(app: App, there: ClusterStatus | None, version: str) -> Sight:
    """What an application says of itself; `there` is the cluster that it runs on, `version` what it was last compared
    with. Where the cluster can't be looked at it is away, unless it answers here, and then the error counts."""
    errors = [condition.message for condition in app.conditions if condition.is_error]
    error = errors[0] if errors and app.sync is SyncStatus.UNKNOWN else ""
    away = ""
    if error and not error.startswith(TARGET_STATE) and there is not None and there.state in _UNSURE:
        away, error = f"cluster {there.name}: {error}", ""
    return Sight(
        version=version,
        synced=app.sync is SyncStatus.SYNCED and not _busy(app),
        health=app.health.status,
        message=app.health.message,
        busy=_busy(app),
        failed=_failed(app),
        error=error,
        automated=app.automation.enabled,
        away=away,
        missing=app.deleting,
    )


def _silent(status: ClusterStatus) -> str:
    return f"cluster {status.name}: {status.message or status.state}"


def _busy(app: App) -> bool:
    return app.pending or (app.operation is not None and not app.operation.phase.completed)


def _failed(app: App) -> str:
    """What the last operation failed with, where it was one for what is compared with now."""
    operation = app.operation
    if operation is None or operation.phase not in {OperationPhase.FAILED, OperationPhase.ERROR} or operation.dry_run:
        return ""
    if operation.revision and app.revision and operation.revision != app.revision:
        return ""
    return operation.message or str(operation.phase)


def _revision(truth: Truth, app: App) -> str:
    for url, revision in app.revisions.items():
        if normalized(url) == normalized(truth.url):
            return revision
    return app.revision if normalized(app.source.repo_url) == normalized(truth.url) else ""
