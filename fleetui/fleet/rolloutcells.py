"""The cells of a rollout: where each has its version, which one, and what its Application becomes at the other.

Owns: `CellMover`, `Moving` and the `Draft` of a plan. Called by `fleetui.fleet.rolloutplan`. Where versions are written
is found by `rolloutorigins`.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Iterable, Mapping, Sequence
from typing import NamedTuple

from fleetui.engine.giturl import normalized
from fleetui.engine.rollout.truth import ELEMENT, versions, with_versions
from fleetui.engine.rollout.truthtext import document_of
from fleetui.fleet.rolloutapi import RolloutRequest
from fleetui.fleet.rolloutorigins import File, Made, Origins, SetKey, set_of
from fleetui.fleet.rolloutrefusals import Chosen, some
from fleetui.fleet.rolloutvalues import VALUES, ValuesFiles, reads_from
from fleetui.model.app import App, AppKey
from fleetui.model.errors import FleetError
from fleetui.model.objects import Obj
from fleetui.model.rollout import CellKey, Truth
from fleetui.model.text import one_line


class Moving(NamedTuple):
    """A chosen cell, with where its version is written, its Application now and after the move, and the files that the
    move changes, by repository and path."""

    chosen: Chosen
    truth: Truth
    before: Obj
    after: Obj
    edited: Mapping[tuple[str, str], bytes] = {}


class Beside(NamedTuple):
    """An application that is not chosen and reads a file that changes; `edited` as of `Moving`."""

    app: App
    obj: Obj
    edited: Mapping[tuple[str, str], bytes]


class Draft:
    """What is found out while a plan is made."""

    def __init__(self) -> None:
        self.cells: list[Moving] = []
        self.beside: list[Beside] = []
        self.notes: list[str] = []
        self.unchanged: list[CellKey] = []
        self._refused: dict[str, list[CellKey]] = {}

    def refuse(self, sentence: str, *cells: CellKey) -> None:
        """Notes why the rollout can't begin, and for which cells: many of the same reason are one sentence."""
        self._refused.setdefault(sentence, []).extend(cells)

    @property
    def refusals(self) -> list[str]:
        """The reasons, each with its cells."""
        return [f"{some(cells)}: {sentence}" if cells else sentence for sentence, cells in self._refused.items()]


class CellMover:
    """Finds out what becomes of the chosen cells of one plan.

    Args:
        apps: all of the fleet, as they are now.
        origins: finds where versions are written.
        obj: an application's object.
    """

    def __init__(
        self,
        apps: Callable[[], Mapping[AppKey, App]],
        origins: Origins,
        obj: Callable[[AppKey], Awaitable[Obj]],
    ) -> None:
        self._apps = apps
        self._origins = origins
        self._values = ValuesFiles(origins)
        self._object = obj

    async def locate(self, apps: Mapping[CellKey, App], request: RolloutRequest, draft: Draft) -> None:
        """Finds where each cell's version is written, what it is, and what its Application becomes."""
        first = next(iter(apps.values()))
        self._origins.vouch(request.truths)
        given = await self._origins.given(apps, request.truths, hub=first.key.hub, project=first.project)
        if given:
            draft.cells += await self._of_fields(apps, given, request, draft)
        elif request.field:
            draft.cells += await self._of_values(apps, request, draft, "it reads no values from files in Git")
        else:
            draft.cells += await self._of_what_makes_them(apps, request, draft)
        draft.cells.sort(key=lambda cell: cell.chosen.key)
        draft.beside = await self._beside(draft.cells)

    async def _of_what_makes_them(
        self, apps: Mapping[CellKey, App], request: RolloutRequest, draft: Draft
    ) -> list[Moving]:
        """Cells by their ApplicationSets, and by the manifests of those that none makes."""
        sets: dict[SetKey, dict[CellKey, App]] = {}
        alone: dict[CellKey, App] = {}
        for cell, app in apps.items():
            key = set_of(app)
            (alone if key is None else sets.setdefault(key, {}))[cell] = app
        jobs = [self._of_set(key, mine, request, draft) for key, mine in sets.items()]
        jobs += [self._of_one(cell, app, request, draft) for cell, app in alone.items()]
        return [each for found in await asyncio.gather(*jobs) for each in found]

    async def _of_set(
        self, key: SetKey, apps: Mapping[CellKey, App], request: RolloutRequest, draft: Draft
    ) -> list[Moving]:
        try:
            made = await self._origins.made(key, request.truths)
        except FleetError as error:
            return await self._of_values(apps, request, draft, str(error))
        truths = self._origins.truths_of(made)
        what = "no element of a list and no file of a git generator gives it a version"
        why = f"{key.document} makes it, and {what} (say where with --truth URL#PATH)"
        missing = {cell: app for cell, app in apps.items() if app.key.name not in truths}
        found = await self._of_values(missing, request, draft, why)
        mine = {cell: truths[app.key.name] for cell, app in apps.items() if app.key.name in truths}
        if not mine:
            return found
        try:
            return found + await self._moved(made, apps, mine, tuple(truths.values()), request, draft)
        except FleetError as error:
            draft.refuse(str(error), *mine)
            return found

    async def _moved(
        self,
        made: Made,
        apps: Mapping[CellKey, App],
        truths: Mapping[CellKey, Truth],
        known: Sequence[Truth],
        request: RolloutRequest,
        draft: Draft,
    ) -> list[Moving]:
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
        others = {name for name in before.keys() | then.keys() if before.get(name) != then.get(name)}
        if also := others - moving:
            draft.refuse(also_changing(also))
        for cell, move in moves.items():
            if move.app.key.name not in others:
                same = f"its Application stays the same at {move.to_version}: the template does not use the version"
                draft.refuse(same, cell)
        return [
            Moving(move, truths[cell], before[move.app.key.name], then[move.app.key.name])
            for cell, move in moves.items()
            if move.app.key.name in then
        ]

    async def _of_one(self, cell: CellKey, app: App, request: RolloutRequest, draft: Draft) -> list[Moving]:
        """A cell whose Application nothing makes."""
        try:
            truth = await self._origins.truth_of(app, request.truths)
        except FleetError as error:
            return await self._of_values({cell: app}, request, draft, str(error))
        try:
            file = file_of(truth)
            text = (await self._origins.texts([file], hub=app.key.hub, project=app.project)).get(file, "")
            move = _move(cell, app, versions(text, [truth]).get(truth), request, draft, file)
            if move is None:
                return []
            edited = with_versions(text, {truth: move.to_version})
            before, after = (document_of(each, file.path, truth.document).value for each in (text, edited))
            return [Moving(move, truth, before, after)]
        except FleetError as error:
            draft.refuse(str(error), cell)
            return []

    async def _of_values(
        self, apps: Mapping[CellKey, App], request: RolloutRequest, draft: Draft, otherwise: str
    ) -> list[Moving]:
        """Cells whose version is in a file of values; `otherwise` is the refusal of those that read none."""
        given: dict[CellKey, tuple[Truth, ...]] = {}
        for cell, app in apps.items():
            wanted = request.moves[cell.addon]
            try:
                obj = await self._object(app.key)
                truth = await self._values.truth_of(cell, app, obj, field=request.field, wanted=wanted)
            except FleetError as error:
                draft.refuse(str(error), cell)
                continue
            if truth is None:
                draft.refuse(otherwise, cell)
            else:
                given[cell] = (truth,)
        return await self._of_fields(apps, given, request, draft) if given else []

    async def _beside(self, cells: Sequence[Moving]) -> list[Beside]:
        """Who reads the same fields of the files of values that change, and is not chosen."""
        moving = [cell for cell in cells if cell.truth.kind == VALUES]
        urls = {normalized(cell.truth.url) for cell in moving}
        chosen = {cell.chosen.app.key for cell in cells}
        truths = {(*_place(cell.truth), cell.truth.branch): cell for cell in moving}
        found = []
        for app in list(self._apps().values()) if moving else ():
            if app.key in chosen or app.key.dialect != "argo" or not reads_from(app, urls):
                continue
            try:
                obj = await self._object(app.key)
                files = await self._values.files(app, obj)
                if not any((normalized(file.url), file.path) == place[:2] for place in truths for file in files):
                    continue
                said = await self._values.said(app, files, dict.fromkeys(place[2] for place in truths))
                places = [(*_place(truth), await self._values.branch(app, truth)) for truth in said]
            except FleetError:
                continue  # it follows no branch, or can't be rendered now: nothing of it changes now
            reads = [truths[place] for place in places if place in truths]
            if reads:
                edited = {place: content for cell in reads for place, content in cell.edited.items()}
                found.append(Beside(app, obj, edited))
        return found

    async def _of_fields(
        self,
        apps: Mapping[CellKey, App],
        given: Mapping[CellKey, tuple[Truth, ...]],
        request: RolloutRequest,
        draft: Draft,
    ) -> list[Moving]:
        """Cells whose version is in a field that the operator names."""
        first = next(iter(apps.values()))
        files = [file_of(truth) for truths in given.values() for truth in truths]
        texts = await self._origins.texts(files, hub=first.key.hub, project=first.project)
        moves: dict[CellKey, tuple[Chosen, Truth]] = {}
        wanted: dict[File, dict[Truth, str]] = {}
        for cell, truths in given.items():
            try:
                said = {
                    each: versions(texts[file_of(each)], [each]).get(each) for each in truths if file_of(each) in texts
                }
            except FleetError as error:
                draft.refuse(str(error), cell)
                continue
            truth = next((each for each in truths if said.get(each) is not None), truths[0])
            move = _move(cell, apps[cell], said.get(truth), request, draft, file_of(truth))
            if move is not None:
                moves[cell] = move, truth
                wanted.setdefault(file_of(truth), {})[truth] = move.to_version
        edited: dict[File, bytes] = {}
        for file, of in wanted.items():
            try:
                edited[file] = with_versions(texts[file], of).encode()
            except FleetError as error:
                draft.refuse(str(error), *(cell for cell, (_, truth) in moves.items() if truth in of))
        found = []
        for move, truth in moves.values():
            file = file_of(truth)
            if file in edited:
                obj = await self._object(move.app.key)
                found.append(Moving(move, truth, obj, obj, {(file.url, file.path): edited[file]}))
        return found


def also_changing(names: Iterable[str]) -> str:
    """The refusal of a plan that would change other applications."""
    also = sorted(names)
    more = f" and {len(also) - 3} more" if len(also) > 3 else ""
    return f"{', '.join(also[:3])}{more}: would change too, though not chosen"


def _move(
    cell: CellKey, app: App, version: str | None, request: RolloutRequest, draft: Draft, file: File
) -> Chosen | None:
    wanted = request.moves[cell.addon]
    if version is None:
        draft.refuse(f"{file.path} of {file.url} ({file.branch}) says no version of it", cell)
        return None
    if version != one_line(version):
        draft.refuse(f"the version that {file.path} of {file.url} gives it is no text of one line", cell)
        return None
    if version == wanted:
        draft.unchanged.append(cell)
        return None
    return Chosen(cell, app, version, wanted)


def file_of(truth: Truth) -> File:
    """The file in which a version is written."""
    return File(truth.url, truth.branch, truth.path)


def _place(truth: Truth) -> tuple[str, str, str]:
    return normalized(truth.url), truth.path, truth.field


def _by_file(truths: Mapping[CellKey, Truth]) -> dict[File, dict[CellKey, Truth]]:
    found: dict[File, dict[CellKey, Truth]] = {}
    for cell, truth in truths.items():
        found.setdefault(file_of(truth), {})[cell] = truth
    return found
