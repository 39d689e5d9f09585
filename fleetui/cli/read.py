"""The commands that read: `get`, `tree`, `diff`, `history`, `events`, `why`.

Owns: what each asks of the fleet; how it looks is in `fleetui.cli.output` and `fleetui.cli.tables`.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

from msgspec.structs import replace

from fleetui.cli import documents, tables
from fleetui.cli.connect import scope_of, with_fleet
from fleetui.cli.options import Scope
from fleetui.cli.output import emit, emit_rows
from fleetui.cli.report import say
from fleetui.cli.waiting import loaded
from fleetui.fleet.find import find_app
from fleetui.model import selectors
from fleetui.model.app import App, AppKey
from fleetui.model.errors import ClusterError, ExitCode, FleetError, UsageError

_BLAME_WITHIN = 10.0
"""Seconds that Git has to say who wrote what differs; a long history may take longer."""

if TYPE_CHECKING:
    from fleetui.fleet.fleet import LiveFleet
    from fleetui.fleet.views import AppDiff, ChangeSet


async def loaded_app(fleet: LiveFleet, text: str, scope: Scope) -> AppKey:
    """The key of the application that `text` names, once every cluster has answered.

    Raises:
        MissingError, UsageError: none fits, or several do.
        ClusterError: a cluster did not answer, and none of the others knows it.
    """
    await loaded(fleet)
    with where_all_answered(fleet):
        return find_app(fleet.apps, text, namespace=scope.namespace)


@contextmanager
def where_all_answered(fleet: LiveFleet) -> Iterator[None]:
    """What is not found within it may be where a cluster did not answer, and then that is said.

    Raises:
        ClusterError: in place of any other error, where a cluster shows nothing.
    """
    try:
        yield
    except FleetError:
        _tell_narrowed(fleet)
        problems = fleet.problems
        if problems:
            raise ClusterError("; ".join(problems.values())) from None
        raise


def _tell_narrowed(fleet: LiveFleet) -> None:
    """Says on stderr of which clusters some namespaces alone are shown, and why; that is no failure."""
    for name, narrowed in fleet.narrowed.items():
        if narrowed.namespaces:
            say(f"fleetui: {name}: {narrowed.words}: {narrowed.refusal}")


def tell_problems(fleet: LiveFleet) -> ExitCode:
    """Says on stderr what keeps clusters from showing all; returns the exit status that this makes."""
    _tell_narrowed(fleet)
    for problem in fleet.problems.values():
        say(f"fleetui: {problem}")
    return ExitCode.FAILED if fleet.problems else ExitCode.OK


def _name(app: App) -> str:
    ref = app.key.ref
    return f"{ref.kind.lower()}.{ref.group}/{ref.name}"


def show_apps(scope: Scope, output: str, *, selector: str, watch: bool) -> int:
    """`get apps`.

    Raises:
        UsageError: `selector` is no label selector.
    """
    try:
        labelled = selectors.parse(selector)
    except ValueError as error:
        raise UsageError(f"-l {selector}: {error}", "write it like team=shop,tier!=test") from error

    def chosen(app: App) -> bool:
        return labelled(app.labels)

    async def work(fleet: LiveFleet) -> int:
        await loaded(fleet)
        apps = sorted((app for app in fleet.apps.values() if chosen(app)), key=tables.problems_first)
        emit_rows(
            apps,
            output,
            document=documents.app,
            name=_name,
            table=tables.apps(wide=output == "wide", now=time.time()),
            empty="No applications found." if not fleet.problems else "No applications on the clusters that answer.",
        )
        code = tell_problems(fleet)
        if watch:
            await _follow(fleet, output, chosen)
        return code

    return with_fleet(scope, work)


async def _follow(fleet: LiveFleet, output: str, chosen: tables.Keep) -> None:
    changes: asyncio.Queue[ChangeSet] = asyncio.Queue()
    with_first = True
    subscription = fleet.subscribe(changes.put_nowait)
    try:
        while True:
            change = await changes.get()
            if with_first:
                with_first = False
                continue
            apps = [app for app in change.apps.values() if chosen(app)]
            emit_rows(
                apps,
                output,
                document=documents.app,
                name=_name,
                table=tables.apps(wide=output == "wide", now=time.time(), head=False),
                empty="",
            )
    finally:
        subscription.close()


def show_clusters(scope: Scope, output: str, *, check: bool) -> int:
    """`get clusters`; with `check`, the registered ones are connected to too."""

    async def work(fleet: LiveFleet) -> int:
        await loaded(fleet)
        await fleet.registered(check=check)
        await fleet.versions()
        counts, narrowed = tables.count_apps(fleet.apps.values(), fleet.clusters.values()), fleet.narrowed
        emit_rows(
            sorted(fleet.clusters.values(), key=lambda status: status.name),
            output,
            document=lambda status: documents.cluster(status, counts.get(status.name, 0), narrowed.get(status.name)),
            name=lambda status: status.name,
            table=tables.clusters(counts, narrowed, wide=output == "wide", now=time.time()),
            empty="No clusters.",
        )
        return ExitCode.OK

    return with_fleet(scope, work)


def show_orphans(scope: Scope, text: str, output: str) -> int:
    """`tree APP --orphans`."""

    async def work(fleet: LiveFleet) -> int:
        found = await fleet.orphans(await loaded_app(fleet, text, scope))
        if output not in {"table", "wide"}:
            emit(documents.orphans(found), output)
        elif found.objects:
            emit(tables.orphans(found, time.time()))
        else:
            say(f"No orphans in namespace {found.namespace} on {found.cluster}.")
        if found.problem:
            say(f"fleetui: {found.problem}")
        return ExitCode.OK

    return with_fleet(scope_of(scope, text), work)


def show_tree(scope: Scope, text: str, output: str) -> int:
    """`tree APP`."""

    async def work(fleet: LiveFleet) -> int:
        key = await loaded_app(fleet, text, scope)
        found = await fleet.tree(key)
        if output in {"table", "wide"}:
            emit(tables.tree(found, wide=output == "wide"))
        else:
            emit(documents.tree(found), output)
        if found.problem:
            say(f"fleetui: {found.problem}")
        return ExitCode.OK

    return with_fleet(scope_of(scope, text), work)


def show_diff(scope: Scope, text: str, output: str, *, revision: str) -> int:
    """`diff APP`; exit status 4 where something differs."""

    async def work(fleet: LiveFleet) -> int:
        key = await loaded_app(fleet, text, scope)
        from fleetui.cli import diffs

        found = await fleet.diff(key, revision=revision)
        if output not in diffs.NAMELESS:
            found = await _with_commits(fleet, found)
        if output in {"json", "yaml"}:
            emit(documents.diff(found), output)
        else:
            diffs.show(found.objects, output)
        for note in found.notes:
            say(f"fleetui: {note}")
        return ExitCode.DIFFERS if any(one.differs for one in found.objects) else ExitCode.OK

    return with_fleet(scope_of(scope, text), work)


async def _with_commits(fleet: LiveFleet, diff: AppDiff) -> AppDiff:
    try:
        async with asyncio.timeout(_BLAME_WITHIN):
            return await fleet.with_commits(diff)
    except TimeoutError:
        return replace(diff, notes=(*diff.notes, f"who wrote it in Git is not known after {_BLAME_WITHIN:g} seconds"))


def show_history(scope: Scope, text: str, output: str, *, changes: bool) -> int:
    """`history APP`; `changes`: with what each entry changed."""

    async def work(fleet: LiveFleet) -> int:
        key = await loaded_app(fleet, text, scope)
        rows = await fleet.history(key)
        changed = [await fleet.deployed(key, row.id) for row in rows] if changes else [None] * len(rows)
        emit_rows(
            list(zip(rows, changed, strict=True)),
            output,
            document=lambda row: documents.history_row(*row),
            name=lambda row: str(row[0].id),
            table=tables.history(now=time.time()),
            empty=f"{key} has never been synced.",
        )
        return ExitCode.OK

    return with_fleet(scope_of(scope, text), work)


def show_events(scope: Scope, text: str, output: str) -> int:
    """`events APP`."""

    async def work(fleet: LiveFleet) -> int:
        key = await loaded_app(fleet, text, scope)
        emit_rows(
            list(await fleet.events(key)),
            output,
            document=documents.event,
            name=lambda event: str(event.ref),
            table=tables.events(now=time.time()),
            empty=f"There are no events about {key}.",
        )
        return ExitCode.OK

    return with_fleet(scope_of(scope, text), work)


def show_why(scope: Scope, text: str, output: str) -> int:
    """`why APP`."""

    async def work(fleet: LiveFleet) -> int:
        found = await fleet.why(await loaded_app(fleet, text, scope))
        emit(tables.explained(found, now=time.time()) if output == "table" else documents.why(found), output)
        for note in found.notes:
            say(f"fleetui: {note}")
        return ExitCode.OK

    return with_fleet(scope_of(scope, text), work)
