"""`fleetui demo`: an embedded fleet, real Git repositories, the engine, and the console over them.

Owns: `run_demo`. Everything is made in a folder of its own and gone afterwards.
"""

from __future__ import annotations

import asyncio
import shutil
import tempfile
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

import click

from fleetui.cli.options import Scope
from fleetui.cli.report import say
from fleetui.cli.service import serve_until_stopped
from fleetui.runtime import Runtime

if TYPE_CHECKING:
    from backends.embedded.demo.fleet import DemoFleet
    from fleetui.cli.connect import Connection
    from fleetui.cli.console import Opened

GIT_INTERVAL = 60.0
PROTECTED = "prod-"
"""How the names of the demo's protected clusters begin."""


def run_demo(scope: Scope, *, clusters: int, apps: int | None, seed: int, serve: bool) -> None:
    """Starts the demo and stays until it is left (console) or stopped (`--serve`).

    Raises:
        UsageError: there is no terminal for the console.
        FleetError: git is not installed.
    """
    if not serve:
        from fleetui.cli.console import need_terminal

        need_terminal()
    folder = Path(tempfile.mkdtemp(prefix="fleetui-demo-"))
    try:
        if serve:
            _serve(_started(folder, clusters, apps, seed), scope)
        else:
            _show(folder, scope, clusters, apps, seed)
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def _started(folder: Path, clusters: int, apps: int | None, seed: int) -> DemoFleet:
    from backends.embedded.demo.fleet import DemoFleet

    fleet = DemoFleet(folder, clusters=clusters, apps=apps, seed=seed)
    fleet.start()
    return fleet


def _demo_scope(scope: Scope, fleet: DemoFleet) -> Scope:
    return replace(scope, kubeconfig=fleet.kubeconfig, contexts=(), all_contexts=True)


def _serve(fleet: DemoFleet, scope: Scope) -> None:
    from fleetui.cli.connect import Connection

    async def work() -> None:
        connection = Connection(_demo_scope(scope, fleet), git_interval=GIT_INTERVAL)
        try:
            await _run_engines(connection)
        finally:
            await connection.close()

    click.echo(str(fleet.kubeconfig))
    say(f"try: kubectl --kubeconfig {fleet.kubeconfig} get applications -A; ctrl+c ends it")
    say(f"as one who may only look: kubectl --kubeconfig {fleet.viewers} get applications -A")
    try:
        serve_until_stopped(work)
    finally:
        fleet.stop()


def _show(folder: Path, scope: Scope, clusters: int, apps: int | None, seed: int) -> None:
    from fleetui.cli.console import show

    async def opening() -> Opened:
        return await opening_of(folder, scope, clusters=clusters, apps=apps, seed=seed)

    with Runtime() as runtime:
        show(opening, runtime, contexts=(), read_only=scope.read_only)


async def opening_of(folder: Path, scope: Scope, *, clusters: int, apps: int | None, seed: int) -> Opened:
    """Starts the demo's clusters and engines in `folder`, and opens a fleet over them; with what closes it all."""
    from fleetui.cli.connect import Connection

    demo = await asyncio.to_thread(_started, folder, clusters, apps, seed)
    connection = Connection(_demo_scope(scope, demo), git_interval=GIT_INTERVAL)
    fleet = connection.fleet(protects=lambda cluster: cluster.startswith(PROTECTED))
    engines = asyncio.create_task(_run_engines(connection), name="engines")
    await fleet.start()

    async def close() -> None:
        engines.cancel()
        await asyncio.gather(engines, return_exceptions=True)
        await fleet.close()
        await connection.close()
        await asyncio.to_thread(demo.stop)

    return fleet, close


async def _run_engines(connection: Connection) -> None:
    from fleetui.engine.clock import SystemClock
    from fleetui.engine.controller import Engine
    from fleetui.engine.lease import EngineLease
    from fleetui.engine.recorder import EventRecorder

    clock = SystemClock()
    async with asyncio.TaskGroup() as group:
        for store in connection.stores:
            recorder = EventRecorder(store.api, clock)
            lease = EngineLease(store.api, clock)
            engine = Engine(
                store,
                connection.repositories,
                clock=clock,
                directory=connection.clusters,
                jq=connection.jq,
                tools=connection.renderers_of(store.api.name).tools,
                listener=recorder,
                answers=connection.hosting,
                ours_until=lease.ours_until,
            )
            group.create_task(recorder.run(), name=f"events {store.api.name}")
            # The lease keeps off an engine that somebody else runs on these clusters.
            group.create_task(lease.guard(engine.run), name=f"engine {store.api.name}")
