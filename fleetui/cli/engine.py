"""`engine run` and `bootstrap`.

Owns: how the engine is started without a console, and how a hub gets the definitions it needs.
"""

from __future__ import annotations

import asyncio
import logging

import click

from fleetui.cli.connect import Connection
from fleetui.cli.options import Scope
from fleetui.cli.report import say
from fleetui.cli.service import serve_until_stopped
from fleetui.engine.clock import SystemClock
from fleetui.engine.controller import Engine
from fleetui.engine.lease import EngineLease
from fleetui.model.errors import FleetError
from fleetui.ports import Cluster
from fleetui.runtime import Runtime


def run_engine(scope: Scope, *, git_interval: float) -> None:
    """`engine run`: reconciles every chosen hub until SIGINT or SIGTERM.

    Raises:
        FleetError: a hub can't be used: unreachable, no definition of Applications, or another engine at work.
    """
    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(levelname)s %(name)s: %(message)s")

    async def work() -> None:
        connection = Connection(scope, git_interval=git_interval)
        try:
            async with asyncio.TaskGroup() as group:
                for store in connection.stores:
                    engine = Engine(store, connection.repositories, clock=SystemClock(), others=connection.stores)
                    lease = EngineLease(store.api, SystemClock())
                    group.create_task(lease.guard(engine.run), name=f"engine {store.api.name}")
        finally:
            await connection.close()

    if serve_until_stopped(work):
        say("fleetui: engine stopped")


def run_bootstrap(scope: Scope, *, only_print: bool) -> None:
    """`bootstrap`: applies the definitions and the default project, or prints them.

    Raises:
        ClusterError: a cluster refuses.
    """
    from backends import definitions

    manifests = definitions.load()
    if only_print:
        from fleetui.render.yaml import dump

        click.echo("---\n".join(dump(manifest) for manifest in manifests), nl=False)
        return

    async def work() -> None:
        connection = Connection(scope)
        try:
            for store in connection.stores:
                await bootstrap(store.api)
        finally:
            await connection.close()

    with Runtime() as runtime:
        runtime.submit(work()).result()


async def bootstrap(api: Cluster) -> None:
    """Puts the definitions, the namespace and the default project into one hub, and says what it did."""
    from backends import definitions

    for manifest in definitions.load():
        kind, name = manifest["kind"], manifest["metadata"]["name"]
        resource = (await api.discover()).of(manifest)
        for _ in range(50):
            if resource is not None:
                break
            await asyncio.sleep(0.1)
            resource = (await api.discover(refresh=True)).of(manifest)
        if resource is None:
            raise FleetError(f"cluster {api.name} does not serve {manifest['apiVersion']} {kind}")
        await api.apply(resource, manifest, field_manager="fleetui")
        click.echo(f"{api.name}: {kind.lower()}/{name} serverside-applied")
