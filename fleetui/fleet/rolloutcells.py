"""The cells of a rollout: where each has its version, which one, and what its Application becomes at the other.

Owns: `CellMover`, `Moving` and the `Draft` of a plan. Called by `fleetui.fleet.rolloutplan`. Where versions are written
is found by `rolloutorigins`.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Mapping, Sequence
from typing import NamedTuple

from fleetui.engine.rollout.truth import ELEMENT, versions, with_versions
from fleetui.engine.rollout.truthtext import document_of
from fleetui.fleet.rolloutapi import RolloutRequest
from fleetui.fleet.rolloutorigins import File, Made, Origins, SetKey, set_of
from fleetui.fleet.rolloutrefusals import Chosen, some
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


class Draft:
    """What is found out while a plan is made."""

    def __init__(self) -> None:
        self.cells: list[Moving] = []
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
    """Finds out what becomes of the chosen cells.

    Args:
        origins: finds where versions are written.
        obj: an application's object.
    """

    def __init__(self, origins: Origins, obj: Callable[[AppKey], Awaitable[Obj]]) -> None:
        self._origins = origins
        self._object = obj

    async def locate(self, apps: Mapping[CellKey, App], request: RolloutRequest, draft: Draft) -> None:
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
        self, key: SetKey, apps: Mapping[CellKey, App], request: RolloutRequest, draft: Draft
    ) -> list[Moving]:
        try:
            made = await self._origins.made(key, request.truths)
            truths = self._origins.truths_of(made)
            missing = [cell for cell, app in apps.items() if app.key.name not in truths]
            if missing:
                what = "no element of a list and no file of a git generator gives it a version"
                hint = "say where with --truth URL#PATH"
                draft.refuse(f"{key.document} makes it, and {what} ({hint})", *missing)
            mine = {cell: truths[app.key.name] for cell, app in apps.items() if app.key.name in truths}
            return await self._moved(made, apps, mine, tuple(truths.values()), request, draft)
        except FleetError as error:
            draft.refuse(str(error), *apps)
            return []

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
        if also := sorted(others - moving):
            more = f" and {len(also) - 3} more" if len(also) > 3 else ""
            draft.refuse(f"{', '.join(also[:3])}{more}: would change too, though not chosen")
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


def _by_file(truths: Mapping[CellKey, Truth]) -> dict[File, dict[CellKey, Truth]]:
    found: dict[File, dict[CellKey, Truth]] = {}
    for cell, truth in truths.items():
        found.setdefault(file_of(truth), {})[cell] = truth
    return found
