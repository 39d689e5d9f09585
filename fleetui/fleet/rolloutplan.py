"""The plan of a rollout: which cells move in which wave, what changes in each, and what forbids it.

Owns: `RolloutPlanner`, which answers `fleetui.fleet.rolloutapi.Rollouts.plan`. Changes nothing. What becomes of each
cell is found out by `rolloutcells`, what that changes by `rolloutchanges`, what forbids it by `rolloutrefusals`.

A cell that no wave takes is a refusal, not a last wave of its own: what moves when is for the operator to say, and
``rest`` says it.
"""

from __future__ import annotations

import re
from collections.abc import Awaitable, Callable, Iterable, Mapping, Sequence
from contextlib import suppress
from datetime import UTC, datetime

from fleetui.engine.clock import Clock
from fleetui.engine.rollout.truth import ELEMENT
from fleetui.engine.rollout.waves import Rule, Waves, by_count, by_labels, by_name, by_percent, the_rest, waves_of
from fleetui.fleet.audit import Operator
from fleetui.fleet.cells import DEFAULT, CellRules, cell_of
from fleetui.fleet.naming import ClusterNames
from fleetui.fleet.rolloutapi import ChangeGroup, PlannedRollout, RolloutRequest, WaveRule
from fleetui.fleet.rolloutcells import Beside, CellMover, Draft, Moving, also_changing, file_of
from fleetui.fleet.rolloutchanges import Changes, Move
from fleetui.fleet.rolloutorigins import Origins, parent_of, parents
from fleetui.fleet.rolloutpick import newest_first
from fleetui.fleet.rolloutrefusals import Chosen, Refusals, away, backwards, overlapping, project_key, some, unpermitted
from fleetui.fleet.rolloutvalues import VALUES
from fleetui.fleet.rolloutversions import versions_in_git
from fleetui.gitports import GitHosts, Repository
from fleetui.model.app import App, AppKey
from fleetui.model.errors import FleetError, RefusedError
from fleetui.model.objects import ClusterName, Obj
from fleetui.model.rollout import CellKey, CellPlan, Delivery, Gate, Rollout, RolloutKey, RolloutPlan, Truth, WavePlan
from fleetui.model.status import ClusterStatus
from fleetui.model.text import one_line

_UNNAMED = re.compile(r"[^a-z0-9]+")
_NAMED = 8
"""Versions that a refusal names."""
_ONE_WAVE = WaveRule("all", rest=True)


class RolloutPlanner:
    """Plans rollouts.

    Args:
        apps, clusters: all of the fleet, as they are now.
        origins: finds where versions are written.
        changes: finds out what a move changes.
        refusals: asks what forbids one.
        others: the rollouts that there are.
        obj: an application's object.
        protects: which clusters want their name typed.
        operator: who plans.
        clock: the time.
        hosts: where pull requests are opened; None: nowhere.
        rules: which applications are cells.
    """

    def __init__(
        self,
        apps: Callable[[], Mapping[AppKey, App]],
        clusters: Callable[[], Mapping[ClusterName, ClusterStatus]],
        *,
        origins: Origins,
        changes: Changes,
        refusals: Refusals,
        others: Callable[[], Awaitable[Sequence[Rollout]]],
        obj: Callable[[AppKey], Awaitable[Obj]],
        protects: Callable[[ClusterName], bool],
        operator: Operator,
        clock: Clock,
        hosts: GitHosts | None = None,
        rules: CellRules = DEFAULT,
    ) -> None:
        self._apps = apps
        self._clusters = clusters
        self._origins = origins
        self._object = obj
        self._changes = changes
        self._refusals = refusals
        self._others = others
        self._protects = protects
        self._operator = operator
        self._clock = clock
        self._hosts = hosts
        self._rules = rules

    async def plan(self, request: RolloutRequest) -> PlannedRollout:
        """What a rollout would do; changes nothing.

        Raises:
            RefusedError: no cell is chosen, or cells of several hubs are.
            FleetError: the hub does not answer.
        """
        draft = Draft()
        names = ClusterNames(self._clusters().values())
        apps = self._chosen(request, names, draft)
        hub = next(iter(apps.values())).key.hub
        await CellMover(self._apps, self._origins, self._object).locate(apps, request, draft)
        chosen = [cell.chosen for cell in draft.cells]
        key = RolloutKey(hub, next(iter(apps.values())).key.namespace, request.name or self._name(request))
        waves = self._waves(request, [cell.key for cell in chosen], draft)
        projects = await self._refusals.projects(cell.app for cell in chosen)
        found = await self._changes.of(
            hub,
            [
                Move(
                    cell.chosen.key,
                    cell.chosen.app,
                    cell.before,
                    cell.after,
                    _own_names(cell.chosen, names),
                    projects.get(project_key(cell.chosen.app)),
                    cell.edited,
                )
                for cell in draft.cells
            ],
        )
        change_of = {cell: group.change for group in found.groups for cell in group.cells}
        for cell in draft.cells:
            if why := unpermitted(cell.after, projects.get(project_key(cell.chosen.app))):
                draft.refuse(why, cell.chosen.key)
        refusals = [
            *draft.refusals,
            *found.refusals,
            *(await self._not_in_git(chosen) if found.refusals else ()),
            *await self._refusals.rights(key, chosen),
            *self._refusals.windows(chosen, projects),
            *overlapping(chosen, await self._others()),
            *_divided(request, waves, draft.cells),
            *_torn(waves, draft.cells),
            *_unused(found.groups, draft.cells),
            *await self._moved_along(draft.beside, names),
            *await self._without_host(request, draft.cells),
        ]
        draft.notes += [
            *away(chosen, self._clusters()),
            *backwards(chosen),
            *_files(draft.cells),
            *self._by_hand(chosen),
        ]
        protected = (cell.key.cluster for cell in chosen if self._protects(cell.key.cluster))
        return PlannedRollout(
            self._made(request, key, waves, draft.cells, change_of),
            groups=found.groups,
            refusals=tuple(dict.fromkeys(map(one_line, refusals))),
            notes=tuple(dict.fromkeys(map(one_line, draft.notes))),
            unchanged=tuple(draft.unchanged),
            type_to_confirm=next(protected, ""),
        )

    def _made(
        self,
        request: RolloutRequest,
        key: RolloutKey,
        waves: tuple[WavePlan, ...],
        cells: Sequence[Moving],
        change_of: Mapping[CellKey, str],
    ) -> RolloutPlan:
        return RolloutPlan(
            key=key,
            moves=dict(request.moves),
            cells=tuple(
                CellPlan(
                    cell.chosen.key,
                    cell.chosen.app.key,
                    cell.chosen.from_version,
                    cell.chosen.to_version,
                    cell.truth,
                    change_of.get(cell.chosen.key, ""),
                )
                for cell in cells
            ),
            waves=waves,
            failures_allowed=request.failures_allowed,
            patience=request.patience,
            delivery=request.delivery,
            author=(self._operator.user, self._operator.who),
            message=request.message,
            created_at=self._clock.now(),
            created_by=self._operator.who,
        )

    async def _not_in_git(self, cells: Sequence[Chosen]) -> list[str]:
        """Which versions there are, of addons whose folders have no such one."""

        def opened(app: App) -> Repository:
            return self._origins.opened(app.source.repo_url, hub=app.key.hub, project=app.project)

        by_move: dict[tuple[str, str], list[App]] = {}
        for cell in cells:
            by_move.setdefault((cell.key.addon, cell.to_version), []).append(cell.app)
        said = []
        for (addon, version), apps in by_move.items():
            with suppress(FleetError):  # that Git does not answer is said by what can't be rendered
                known = await versions_in_git(apps, opened)
                if known and version not in known:
                    said.append(f"Git has no {addon} {version}: it has {', '.join(newest_first(known)[:_NAMED])}")
        return said

    async def _moved_along(self, beside: Sequence[Beside], names: ClusterNames) -> list[str]:
        """The refusal where a file of values changes applications that nobody chose."""
        by_hub: dict[ClusterName, list[Move]] = {}
        for each in beside:
            key = CellKey(names.of(each.app), each.app.key.name)
            move = Move(key, each.app, each.obj, each.obj, (), edited=each.edited)
            by_hub.setdefault(each.app.key.hub, []).append(move)
        moved = [
            cell
            for hub, moves in by_hub.items()
            for group in (await self._changes.of(hub, moves)).groups
            if group.entries or group.problem
            for cell in group.cells
        ]
        return [also_changing(cell.addon for cell in moved)] if moved else []

    async def _without_host(self, request: RolloutRequest, cells: Iterable[Moving]) -> list[str]:
        """Why there are no pull requests where some are asked for."""
        if request.delivery is not Delivery.PULL_REQUEST:
            return []
        app_of = {cell.truth.url: cell.chosen.app for cell in cells}
        if self._hosts is None:
            return [f"no pull request can be opened on {url} here" for url in app_of]
        refused = []
        for url, app in app_of.items():
            try:
                await self._hosts.of(url, hub=app.key.hub, project=app.project)
            except FleetError as error:
                refused.append(str(error))
        return refused

    def _by_hand(self, cells: Iterable[Chosen]) -> list[str]:
        """Notes on what brings the cells' ApplicationSets and Applications into the hub, and waits for a human."""
        apps = self._apps()
        known = parents(apps.values())
        brought = dict.fromkeys(filter(None, (parent_of(cell.app, known) for cell in cells)))
        return [
            f"{parent} is not synced automatically: sync it after each wave, or nothing reaches the cells"
            for parent in brought
            if not apps[parent].automation.enabled
        ]

    # --- cells --------------------------------------------------------------------------------------------------------

    def _chosen(self, request: RolloutRequest, names: ClusterNames, draft: Draft) -> dict[CellKey, App]:
        """The cells that are asked for, in their order."""
        wanted = frozenset(request.cells)
        found: dict[CellKey, App] = {}
        for app in self._apps().values():
            cell = cell_of(app, names, self._rules)
            if cell is None or cell.addon not in request.moves or (request.hub and app.key.hub != request.hub):
                continue
            if wanted and app.key not in wanted:
                continue
            if cell in found:
                draft.refuse(f"{found[cell].key} and {app.key} are both this cell", cell)
            found[cell] = app
        hubs = sorted({app.key.hub for app in found.values()})
        if not found:
            addons = ", ".join(request.moves) or "no addon"
            raise RefusedError(f"there is no cell of {addons} to move", "fleetui get matrix shows the addons")
        if len(hubs) > 1:
            raise RefusedError(f"the cells are of several hubs ({', '.join(hubs)})", "roll out one hub after the other")
        known = {cell.addon for cell in found}
        for addon in request.moves.keys() - known:
            draft.refuse(f"no application is of the addon {addon}")
        return dict(sorted(found.items()))

    # --- waves --------------------------------------------------------------------------------------------------------

    def _waves(self, request: RolloutRequest, cells: Sequence[CellKey], draft: Draft) -> tuple[WavePlan, ...]:
        labels = {name: status.labels for name, status in self._clusters().items()}
        rules = []
        for rule in request.waves or (_ONE_WAVE,):
            try:
                rules.append(_rule(rule, request, labels))
            except ValueError as error:
                draft.refuse(f"wave {rule.name}: {error}")
            unknown = [name for name in rule.clusters if name not in {cell.cluster for cell in cells}]
            if unknown:
                draft.refuse(f"wave {rule.name}: no chosen cell is on {', '.join(unknown)}")
        names = [rule.name for rule in request.waves]
        for name in dict.fromkeys(names):
            if names.count(name) > 1:
                draft.refuse(f"two waves are called {name}")
        found: Waves = waves_of(rules, cells)
        draft.notes += [] if not cells else [f"wave {name} has no cells, and is left out" for name in found.empty]
        if found.left:
            draft.refuse("in no wave (add one that takes the rest)", *found.left)
        return found.waves

    def _name(self, request: RolloutRequest) -> str:
        """A name for a rollout that was given none: what moves where, and when."""
        what = "-".join(f"{addon}-{version}" for addon, version in request.moves.items())
        when = datetime.fromtimestamp(self._clock.now(), UTC).strftime("%m%d-%H%M%S")
        return f"{_UNNAMED.sub('-', what.lower())[:40].strip('-')}-{when}"


def _rule(rule: WaveRule, request: RolloutRequest, labels: Mapping[ClusterName, Mapping[str, str]]) -> Rule:
    failures = request.failures_allowed if rule.failures_allowed is None else rule.failures_allowed
    gates: tuple[Gate, ...] = request.gates if rule.gates is None else rule.gates
    wave = WavePlan(rule.name, (), failures_allowed=failures)
    if gates or rule.gates is not None:
        wave = WavePlan(rule.name, (), gates, failures)
    if rule.labels:
        return Rule(wave, by_labels(rule.labels, labels))
    if rule.percent is not None:
        return Rule(wave, by_percent(rule.percent))
    if rule.count is not None:
        return Rule(wave, by_count(rule.count))
    if rule.clusters:
        return Rule(wave, by_name(rule.clusters))
    if rule.rest:
        return Rule(wave, the_rest)
    raise ValueError("it says not which cells it takes")


def _own_names(cell: Chosen, names: ClusterNames) -> tuple[str, ...]:
    """What only one cell has: the names of its application and its cluster, and the cluster's server."""
    destination = cell.app.destination
    return cell.app.key.name, *names.called(cell.key.cluster), destination.name, destination.server


def _divided(request: RolloutRequest, waves: Sequence[WavePlan], cells: Iterable[Moving]) -> list[str]:
    """A wave is one pull request, so that it is merged as a whole."""
    if request.delivery is not Delivery.PULL_REQUEST:
        return []
    branch_of = {cell.chosen.key: (cell.truth.url, cell.truth.branch) for cell in cells}
    return [
        f"wave {wave.name}: its versions are on {len(branches)} branches, and a wave is one pull request"
        for wave in waves
        if len(branches := {branch_of[cell] for cell in wave.cells}) > 1
    ]


def _torn(waves: Sequence[WavePlan], cells: Iterable[Moving]) -> list[str]:
    """Cells that read their version in one and the same field move at once, and to one version."""
    wave_of = {cell: wave.name for wave in waves for cell in wave.cells}
    sharing: dict[Truth, list[Chosen]] = {}
    for cell in cells:
        if cell.truth.kind != ELEMENT:
            sharing.setdefault(cell.truth, []).append(cell.chosen)
    refused = []
    for truth, mine in sharing.items():
        place = f"{truth.field} of {truth.path} is the version of them all"
        if len({wave_of.get(cell.key) for cell in mine}) > 1:
            refused.append(f"{some([cell.key for cell in mine])}: {place}: they can only move in one wave")
        if len({cell.to_version for cell in mine}) > 1:
            refused.append(f"{some([cell.key for cell in mine])}: {place}: they can only go to one version")
    return refused


def _unused(groups: Iterable[ChangeGroup], cells: Iterable[Moving]) -> list[str]:
    """Cells of which nothing would change: then what was written is not what says their version."""
    truth_of = {cell.chosen.key: cell.truth for cell in cells if cell.truth.kind == VALUES}
    unchanged = [cell for group in groups if not group.entries and not group.problem for cell in group.cells]
    found: dict[str, list[CellKey]] = {}
    for cell in unchanged:
        if cell in truth_of:
            found.setdefault(truth_of[cell].field, []).append(cell)
    return [
        f"{some(mine)}: nothing changes: {field} of its values is not what its manifests are made of (say which with "
        "--field)"
        for field, mine in found.items()
    ]


def _files(cells: Iterable[Moving]) -> list[str]:
    files = dict.fromkeys(file_of(cell.truth) for cell in cells)
    if len(files) > 3:
        return [f"written to {len(files)} files of {', '.join(sorted({file.url for file in files}))}"]
    return [f"written to {file.path} of {file.url} ({file.branch})" for file in files]
