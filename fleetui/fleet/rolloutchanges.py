"""What a rollout changes in each cell, and which cells it changes alike.

Owns: `Changes`: the manifests before and after, rendered as the engine renders them, and the groups of equal
differences. Called by `fleetui.fleet.rolloutplan`.
"""

from __future__ import annotations

import asyncio
import hashlib
import re
from collections.abc import Awaitable, Callable, Iterable, Mapping, Sequence
from functools import partial
from typing import Any, NamedTuple

import msgspec

from fleetui.diff.objects import object_diff
from fleetui.diff.summary import summary
from fleetui.engine.projects import Project
from fleetui.fleet.desired import Desires, Shared
from fleetui.fleet.differ import harmless_diff
from fleetui.fleet.rolloutapi import ChangeGroup
from fleetui.fleet.rolloutrefusals import some
from fleetui.fleet.views import PlanEntry
from fleetui.model.app import App
from fleetui.model.change import ObjectDiff
from fleetui.model.errors import ClusterError, FleetError, RepositoryUnreachableError
from fleetui.model.objects import ClusterName, Discovery, Obj, ObjectRef, ref_of
from fleetui.model.rollout import CellKey
from fleetui.model.text import one_line
from fleetui.render.directory import Manifest

_AT_ONCE = 32
"""Cells that are rendered side by side: enough for every thread that renders."""
_VERBS = ("create", "change", "prune")

_Manifests = dict[ObjectRef, bytes]


class Move(NamedTuple):
    """A cell, its Application as it is to be now and after the move, the names that only this cell has, its project
    where that is known, and what of its sources the move itself changes, by repository and path."""

    key: CellKey
    app: App
    before: Obj
    after: Obj
    names: tuple[str, ...]
    project: Project | None = None
    edited: Mapping[tuple[str, str], bytes] = {}


class Served(NamedTuple):
    """What a cell's cluster serves, and what its hub wants of every ``kustomize build``."""

    discovery: Discovery
    build_options: str = ""


class Found(NamedTuple):
    """The groups, the largest first; `refusals`: sentences on what can't be rendered at the new version, and on what a
    project does not let a cell hold."""

    groups: tuple[ChangeGroup, ...]
    refusals: tuple[str, ...]


class _Cell(NamedTuple):
    """How one cell's manifests differ: the objects before and after, as JSON, of those that do."""

    key: CellKey
    before: _Manifests
    after: _Manifests
    names: tuple[str, ...]
    problem: str = ""
    refusal: str = ""
    """What is wrong with the new version, for this cell and others alike."""


class Changes:
    """Finds out what changes.

    Args:
        desires: renders Applications.
        served: what an Application's cluster serves; raises a `FleetError` where that can't be asked.
    """

    def __init__(self, desires: Desires, served: Callable[[App], Awaitable[Served]]) -> None:
        self._desires = desires
        self._served = served

    async def of(self, hub: ClusterName, moves: Sequence[Move]) -> Found:
        """The differences of all cells, grouped: two are the same where they are once a cell's own names are not
        looked at (that of its application, its cluster, its server)."""
        gate = asyncio.Semaphore(_AT_ONCE)
        shared = Shared()
        # Each cluster is asked once, however many cells wait for one that does not answer.
        first = {move.key.cluster: move.app for move in moves}
        answers = await asyncio.gather(*map(self._served, first.values()), return_exceptions=True)
        served = dict(zip(first, answers, strict=True))
        cells = await asyncio.gather(*(self._cell(hub, move, served[move.key.cluster], gate, shared) for move in moves))
        groups = await asyncio.to_thread(_grouped, cells)
        refused: dict[str, list[CellKey]] = {}
        for cell in cells:
            if cell.refusal:
                refused.setdefault(cell.refusal, []).append(cell.key)
        refusals = tuple(f"{some(keys)}: {sentence}" for sentence, keys in refused.items())
        return Found(tuple(sorted(groups, key=lambda group: -len(group.cells))), refusals)

    async def _cell(
        self,
        hub: ClusterName,
        move: Move,
        served: Served | BaseException,
        gate: asyncio.Semaphore,
        shared: Shared,
    ) -> _Cell:
        if move.app.key.dialect != "argo":
            # What Flux renders is not known here: the object that it obeys is what changes.
            before, after = ({ref_of(obj): msgspec.json.encode(obj)} for obj in (move.before, move.after))
            return _Cell(move.key, before, after, move.names)
        if isinstance(served, FleetError):
            return _Cell(move.key, {}, {}, move.names, f"its cluster can't be asked what it serves: {served}")
        if isinstance(served, BaseException):
            raise served
        async with gate:
            render = partial(
                self._desires.loaded,
                hub=hub,
                discovery=served.discovery,
                build_options=served.build_options,
                shared=shared,
            )
            try:
                new = (await render(move.after, edited=move.edited)).manifests
            except FleetError as error:
                passing = isinstance(error, ClusterError | RepositoryUnreachableError)
                return _Cell(move.key, {}, {}, move.names, str(error), refusal="" if passing else str(error))
            try:
                old = (await render(move.before)).manifests
            except FleetError as error:
                problem = f"what it is now can't be rendered: {error}"
                return _Cell(move.key, {}, {}, move.names, problem)
        refusal = _forbidden(move, new, served.discovery)
        return _Cell(move.key, *_differing(old, new), move.names, refusal=refusal)


def _forbidden(move: Move, manifests: Iterable[Manifest], discovery: Discovery) -> str:
    if move.project is None:
        return ""
    kinds: dict[str, None] = {}
    for manifest in manifests:
        ref, resource = ref_of(manifest.obj), discovery.of(manifest.obj)
        namespaced = resource.namespaced if resource is not None else bool(ref.namespace)
        if not move.project.permits_kind(ref, namespaced=namespaced):
            kinds[f"{ref.kind}.{ref.group}".rstrip(".")] = None
    if not kinds:
        return ""
    return one_line(f"project {move.project.name} does not permit {', '.join(kinds)}")


def _differing(before: Iterable[Manifest], after: Iterable[Manifest]) -> tuple[_Manifests, _Manifests]:
    """The objects that are not the same on both sides, as JSON."""
    old, new = ({ref_of(each.obj): each.obj for each in side} for side in (before, after))
    encode = msgspec.json.encode
    left = {ref: encode(obj) for ref, obj in old.items()}
    right = {ref: encode(obj) for ref, obj in new.items()}
    differ = {ref for ref in left.keys() | right.keys() if left.get(ref) != right.get(ref)}
    return {ref: left[ref] for ref in left if ref in differ}, {ref: right[ref] for ref in right if ref in differ}


# --- groups -----------------------------------------------------------------------------------------------------------


def _grouped(cells: Sequence[_Cell]) -> list[ChangeGroup]:
    alike: dict[str, list[_Cell]] = {}
    digests: dict[bytes, str] = {}
    for cell in cells:
        if cell.problem:
            alike.setdefault(_digest(cell.problem.encode()), []).append(cell)
            continue
        before, after = _anonymous(cell.before, cell), _anonymous(cell.after, cell)
        key = hashlib.sha256(b"\0".join([*before, b"\1", *after])).digest()
        if key not in digests:
            digests[key] = _digest(msgspec.json.encode(_told(_diffs(_parsed(before), _parsed(after)))))
        alike.setdefault(digests[key], []).append(cell)
    return [_group(change, same) for change, same in alike.items()]


def _group(change: str, cells: Sequence[_Cell]) -> ChangeGroup:
    first = cells[0]
    keys = tuple(cell.key for cell in cells)
    if first.problem:
        return ChangeGroup(change, keys, problem=one_line(first.problem))
    diffs = _diffs(_parsed(first.before.values()), _parsed(first.after.values()))
    entries = sorted((_entry(each) for each in diffs), key=lambda entry: (_VERBS.index(entry.verb), entry.ref))
    return ChangeGroup(change, keys, tuple(entries))


def _anonymous(manifests: _Manifests, cell: _Cell) -> list[bytes]:
    """Objects without the names that only this cell has."""
    names = sorted({name for name in cell.names if name}, key=len, reverse=True)
    content = list(manifests.values())
    if not any(name.encode() in each for name in names for each in content):
        return content
    pattern = re.compile(
        rb"(?<![A-Za-z0-9])(?:%s)(?![A-Za-z0-9])" % b"|".join(re.escape(each.encode()) for each in names)
    )
    return [pattern.sub(b"*", each) for each in content]


def _parsed(content: Iterable[bytes]) -> dict[ObjectRef, Any]:
    objects = [msgspec.json.decode(each) for each in content]
    return {ref_of(obj): obj for obj in objects}


def _diffs(before: Mapping[ObjectRef, Obj], after: Mapping[ObjectRef, Obj]) -> list[ObjectDiff]:
    refs = sorted(before.keys() | after.keys())
    return [object_diff(after.get(ref), before.get(ref), predicted=after.get(ref))[0] for ref in refs]


def _told(diffs: Sequence[ObjectDiff]) -> list[Any]:
    """A difference as data that are equal where it is."""
    return [
        [str(each.ref), _verb(each), [[list(c.path), c.kind.value, c.before, c.after] for c in each.changes]]
        for each in diffs
    ]


def _entry(diff: ObjectDiff) -> PlanEntry:
    verb = _verb(diff)
    return PlanEntry(verb, diff.ref, summary(harmless_diff(diff).changes) if verb == "change" else "")


def _verb(diff: ObjectDiff) -> str:
    return "create" if diff.live is None else "prune" if diff.desired is None else "change"


def _digest(content: bytes) -> str:
    return hashlib.sha256(content).hexdigest()[:12]
