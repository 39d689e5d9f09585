"""The plan of a rollout: which cells move in which wave, what changes in each, and what forbids it.

Owns: `RolloutPlanner`, which answers `fleetui.fleet.rolloutapi.Rollouts.plan`. Changes nothing. Where versions are
written is found by `rolloutorigins`, what changes by `rolloutchanges`, what forbids it by `rolloutrefusals`.

A cell that no wave takes is a refusal, not a last wave of its own: what moves when is for the operator to say, and
``rest`` says it.
"""

from __future__ import annotations

import asyncio
import re
from collections.abc import Awaitable, Callable, Iterable, Mapping, Sequence
from datetime import UTC, datetime
from typing import NamedTuple

from fleetui.engine.clock import Clock
from fleetui.engine.rollout.truth import ELEMENT, versions, with_versions
from fleetui.engine.rollout.truthtext import document_of
from fleetui.engine.rollout.waves import Rule, Waves, by_count, by_labels, by_name, by_percent, the_rest, waves_of
from fleetui.fleet.audit import Operator
from fleetui.fleet.cells import DEFAULT, CellRules, cell_of
from fleetui.fleet.naming import ClusterNames
from fleetui.fleet.rolloutapi import PlannedRollout, RolloutRequest, WaveRule
from fleetui.fleet.rolloutchanges import Changes, Move
from fleetui.fleet.rolloutorigins import File, Made, Origins, SetKey, parent_of, parents, set_of
from fleetui.fleet.rolloutrefusals import Chosen, Refusals, away, backwards, overlapping, project_key, some, unpermitted
from fleetui.model.app import App, AppKey
from fleetui.model.errors import FleetError, RefusedError
from fleetui.model.objects import ClusterName, Obj
from fleetui.model.rollout import CellKey, CellPlan, Delivery, Gate, Rollout, RolloutKey, RolloutPlan, Truth, WavePlan
from fleetui.model.status import ClusterStatus

_UNNAMED = re.compile(r"[^a-z0-9]+")
_ONE_WAVE = WaveRule("all", rest=True)


class _Cell(NamedTuple):
    """A chosen cell, with where its version is written, its Application now and after the move, and the files that the
    move changes, by repository and path."""

    chosen: Chosen
    truth: Truth
    before: Obj
    after: Obj
    edited: Mapping[tuple[str, str], bytes] = {}


class _Draft:
    """A plan while it is made."""

    def __init__(self) -> None:
        self.cells: list[_Cell] = []
        self.refusals: list[str] = []
        self.notes: list[str] = []
        self.unchanged: list[CellKey] = []


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
        rules: CellRules = DEFAULT,
    ) -> None:
        self._apps = apps
        self._clusters = clusters
        self._origins = origins
        self._changes = changes
        self._refusals = refusals
        self._others = others
        self._object = obj
        self._protects = protects
        self._operator = operator
        self._clock = clock
        self._rules = rules

    async def plan(self, request: RolloutRequest) -> PlannedRollout:
        """What a rollout would do; changes nothing.

        Raises:
            RefusedError: no cell is chosen, or cells of several hubs are.
            FleetError: the hub does not answer.
        """
        draft = _Draft()
        names = ClusterNames(self._clusters().values())
        apps = self._chosen(request, names, draft)
        hub = next(iter(apps.values())).key.hub
        await self._locate(apps, request, draft)
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
        draft.refusals += [
            *found.refusals,
            *await self._refusals.rights(key, chosen),
            *self._refusals.windows(chosen, projects),
            *overlapping(chosen, await self._others()),
            *filter(None, (self._unpermitted(cell, projects) for cell in draft.cells)),
            *_divided(request, waves, draft.cells),
        ]
        draft.notes += [
            *away(chosen, self._clusters()),
            *backwards(chosen),
            *_files(draft.cells),
            *self._by_hand(chosen),
        ]
        plan = RolloutPlan(
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
                for cell in draft.cells
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
        protected = (cell.key.cluster for cell in chosen if self._protects(cell.key.cluster))
        return PlannedRollout(
            plan,
            groups=found.groups,
            refusals=tuple(dict.fromkeys(draft.refusals)),
            notes=tuple(dict.fromkeys(draft.notes)),
            unchanged=tuple(draft.unchanged),
            type_to_confirm=next(protected, ""),
        )

    def _unpermitted(self, cell: _Cell, projects: Mapping[tuple[ClusterName, str, str], object]) -> str:
        project = projects.get(project_key(cell.chosen.app))
        return unpermitted(cell.chosen.key, cell.after, project)  # type: ignore[arg-type]

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

    def _chosen(self, request: RolloutRequest, names: ClusterNames, draft: _Draft) -> dict[CellKey, App]:
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
                draft.refusals.append(f"{cell}: {found[cell].key} and {app.key} are both this cell")
            found[cell] = app
        hubs = sorted({app.key.hub for app in found.values()})
        if not found:
            addons = ", ".join(request.moves) or "no addon"
            raise RefusedError(f"there is no cell of {addons} to move", "fleetui get matrix shows the addons")
        if len(hubs) > 1:
            raise RefusedError(f"the cells are of several hubs ({', '.join(hubs)})", "roll out one hub after the other")
        known = {cell.addon for cell in found}
        draft.refusals += [f"no application is of the addon {each}" for each in request.moves if each not in known]
        return dict(sorted(found.items()))

    async def _locate(self, apps: Mapping[CellKey, App], request: RolloutRequest, draft: _Draft) -> None:
        """Finds where each cell's version is written, what it is, and what its Application becomes."""
        first = next(iter(apps.values()))
        given = await self._origins.given(apps, request.truths, hub=first.key.hub, project=first.project)
        if given:
            draft.cells += await self._of_fields(apps, given, request, draft)
            return
        sets: dict[SetKey, dict[CellKey, App]] = {}
        alone: dict[CellKey, App] = {}
        for cell, app in apps.items():
            key = set_of(app)
            (alone if key is None else sets.setdefault(key, {}))[cell] = app
        jobs = [self._of_set(key, mine, request, draft) for key, mine in sets.items()]
        jobs += [self._of_one(cell, app, request, draft) for cell, app in alone.items()]
        for found in await asyncio.gather(*jobs):
            draft.cells += found
        draft.cells.sort(key=lambda cell: cell.chosen.key)

    async def _of_set(
        self, key: SetKey, apps: Mapping[CellKey, App], request: RolloutRequest, draft: _Draft
    ) -> list[_Cell]:
        try:
            made = await self._origins.made(key, request.truths)
            truths = self._origins.truths_of(made)
            missing = [cell for cell, app in apps.items() if app.key.name not in truths]
            if missing:
                what = "no element of a list and no file of a git generator gives it a version"
                hint = "say where with --truth URL#PATH"
                draft.refusals.append(f"{some(missing)}: {key.document} makes it, and {what} ({hint})")
            mine = {cell: truths[app.key.name] for cell, app in apps.items() if app.key.name in truths}
            return await self._moved(made, apps, mine, tuple(truths.values()), request, draft)
        except FleetError as error:
            draft.refusals.append(f"{some(list(apps))}: {error}")
            return []

    async def _moved(
        self,
        made: Made,
        apps: Mapping[CellKey, App],
        truths: Mapping[CellKey, Truth],
        known: Sequence[Truth],
        request: RolloutRequest,
        draft: _Draft,
    ) -> list[_Cell]:
        """The cells that an ApplicationSet makes, as they are and as they become."""
        any_app = next(iter(apps.values()))
        moves: dict[CellKey, Chosen] = {}
        edited: dict[File, bytes] = {}
        by_file = _by_file(truths)
        texts = await self._origins.texts(by_file, hub=made.key.hub, project=any_app.project)
        for file, cells in by_file.items():
            text = texts.get(file, "")
            said = await asyncio.to_thread(versions, text, list(cells.values()))
            wanted: dict[Truth, str] = {}
            for cell, truth in cells.items():
                move = _move(cell, apps[cell], said.get(truth), request, draft, file)
                if move is not None:
                    moves[cell] = move
                    wanted[truth] = move.to_version
            if wanted:
                beside = [each for each in known if each.path == file.path and each.kind == ELEMENT]
                edited[file] = (await asyncio.to_thread(with_versions, text, wanted, beside)).encode()
        appset = made.appset
        if (text_of_set := edited.get(made.file)) is not None:
            appset = document_of(text_of_set.decode(), made.file.path, made.key.document).value
        after = await self._origins.generated(made.key, appset, edited)
        before = {each.name: each.app for each in made.generated.applications}
        then = {each.name: each.app for each in after.applications}
        moving = {move.app.key.name for move in moves.values()}
        others = sorted(name for name in before.keys() | then.keys() if before.get(name) != then.get(name))
        draft.refusals += [
            f"{name}: it would change too, though it is not chosen" for name in others if name not in moving
        ]
        draft.refusals += [
            f"{cell}: its Application stays the same at {move.to_version}: the template does not use the version"
            for cell, move in moves.items()
            if move.app.key.name not in others
        ]
        return [
            _Cell(move, truths[cell], before[move.app.key.name], then[move.app.key.name])
            for cell, move in moves.items()
            if move.app.key.name in then
        ]

    async def _of_one(self, cell: CellKey, app: App, request: RolloutRequest, draft: _Draft) -> list[_Cell]:
        """A cell whose Application nothing makes."""
        try:
            truth = await self._origins.truth_of(app, request.truths)
            file = _file(truth)
            text = (await self._origins.texts([file], hub=app.key.hub, project=app.project))[file]
            move = _move(cell, app, versions(text, [truth]).get(truth), request, draft, file)
            if move is None:
                return []
            edited = with_versions(text, {truth: move.to_version})
            before, after = (document_of(each, file.path, truth.document).value for each in (text, edited))
            return [_Cell(move, truth, before, after)]
        except FleetError as error:
            draft.refusals.append(f"{cell}: {error}")
            return []

    async def _of_fields(
        self,
        apps: Mapping[CellKey, App],
        given: Mapping[CellKey, tuple[Truth, ...]],
        request: RolloutRequest,
        draft: _Draft,
    ) -> list[_Cell]:
        """Cells whose version is in a field that the operator names."""
        first = next(iter(apps.values()))
        files = [_file(truth) for truths in given.values() for truth in truths]
        texts = await self._origins.texts(files, hub=first.key.hub, project=first.project)
        moves: dict[CellKey, tuple[Chosen, Truth]] = {}
        wanted: dict[File, dict[Truth, str]] = {}
        for cell, truths in given.items():
            try:
                said = {each: versions(texts[_file(each)], [each]).get(each) for each in truths if _file(each) in texts}
            except FleetError as error:
                draft.refusals.append(f"{cell}: {error}")
                continue
            truth = next((each for each in truths if said.get(each) is not None), truths[0])
            move = _move(cell, apps[cell], said.get(truth), request, draft, _file(truth))
            if move is not None:
                moves[cell] = move, truth
                wanted.setdefault(_file(truth), {})[truth] = move.to_version
        edited = {file: with_versions(texts[file], of).encode() for file, of in wanted.items()}
        found = []
        for move, truth in moves.values():
            obj = await self._object(move.app.key)
            file = _file(truth)
            found.append(_Cell(move, truth, obj, obj, {(file.url, file.path): edited[file]}))
        return found

    # --- waves --------------------------------------------------------------------------------------------------------

    def _waves(self, request: RolloutRequest, cells: Sequence[CellKey], draft: _Draft) -> tuple[WavePlan, ...]:
        labels = {name: status.labels for name, status in self._clusters().items()}
        rules = []
        for rule in request.waves or (_ONE_WAVE,):
            try:
                rules.append(_rule(rule, request, labels))
            except ValueError as error:
                draft.refusals.append(f"wave {rule.name}: {error}")
            unknown = [name for name in rule.clusters if name not in {cell.cluster for cell in cells}]
            if unknown:
                draft.refusals.append(f"wave {rule.name}: no chosen cell is on {', '.join(unknown)}")
        names = [rule.name for rule in request.waves]
        draft.refusals += [f"two waves are called {name}" for name in dict.fromkeys(names) if names.count(name) > 1]
        found: Waves = waves_of(rules, cells)
        draft.notes += [f"wave {name} has no cells, and is left out" for name in found.empty]
        if found.left:
            draft.refusals.append(f"{some(found.left)}: in no wave (add one that takes the rest)")
        return found.waves

    def _name(self, request: RolloutRequest) -> str:
        """A name for a rollout that was given none: what moves where, and when."""
        what = "-".join(f"{addon}-{version}" for addon, version in request.moves.items())
        when = datetime.fromtimestamp(self._clock.now(), UTC).strftime("%m%d-%H%M%S")
        return f"{_UNNAMED.sub('-', what.lower())[:40].strip('-')}-{when}"


def _move(
    cell: CellKey, app: App, version: str | None, request: RolloutRequest, draft: _Draft, file: File
) -> Chosen | None:
    wanted = request.moves[cell.addon]
    if version is None:
        draft.refusals.append(f"{cell}: {file.path} of {file.url} ({file.branch}) says no version of it")
        return None
    if version == wanted:
        draft.unchanged.append(cell)
        return None
    return Chosen(cell, app, version, wanted)


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


def _file(truth: Truth) -> File:
    return File(truth.url, truth.branch, truth.path)


def _by_file(truths: Mapping[CellKey, Truth]) -> dict[File, dict[CellKey, Truth]]:
    found: dict[File, dict[CellKey, Truth]] = {}
    for cell, truth in truths.items():
        found.setdefault(_file(truth), {})[cell] = truth
    return found


def _own_names(cell: Chosen, names: ClusterNames) -> tuple[str, ...]:
    """What only one cell has: the names of its application and its cluster, and the cluster's server."""
    destination = cell.app.destination
    return cell.app.key.name, *names.called(cell.key.cluster), destination.name, destination.server


def _divided(request: RolloutRequest, waves: Sequence[WavePlan], cells: Iterable[_Cell]) -> list[str]:
    """A wave is one pull request, so that it is merged as a whole."""
    if request.delivery is not Delivery.PULL_REQUEST:
        return []
    branch_of = {cell.chosen.key: (cell.truth.url, cell.truth.branch) for cell in cells}
    return [
        f"wave {wave.name}: its versions are on {len(branches)} branches, and a wave is one pull request"
        for wave in waves
        if len(branches := {branch_of[cell] for cell in wave.cells}) > 1
    ]


def _files(cells: Iterable[_Cell]) -> list[str]:
    files = dict.fromkeys(_file(cell.truth) for cell in cells)
    if len(files) > 3:
        return [f"written to {len(files)} files of {', '.join(sorted({file.url for file in files}))}"]
    return [f"written to {file.path} of {file.url} ({file.branch})" for file in files]
