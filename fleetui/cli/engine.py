"""`engine run` and `bootstrap`.

Owns: how the engine is started without a console, and how a hub gets the definitions it needs.
"""

from __future__ import annotations

import asyncio
import logging
from functools import partial

import click

from fleetui.cli.connect import Connection
from fleetui.cli.options import Scope
from fleetui.cli.report import say
from fleetui.cli.service import serve_until_stopped
from fleetui.engine.application import GROUP, KIND
from fleetui.engine.clock import SystemClock
from fleetui.engine.controller import Engine
from fleetui.engine.lease import EngineLease
from fleetui.engine.tracking import CONTROL_PLANE_NAMESPACE
from fleetui.fleet.store import LiveStore
from fleetui.model.errors import ClusterError, FleetError, OverloadedError, UnreachableError
from fleetui.model.objects import ApiResource, Obj, ObjectRef
from fleetui.ports import Cluster
from fleetui.runtime import Runtime

_log = logging.getLogger(__name__)

FIRST_RETRY = 1.0
LAST_RETRY = 30.0
"""Seconds between two tries to begin on a hub that does not answer."""
SETTLED_INTERVAL = 0.1
"""Seconds between two looks at whether an engine that runs once is done."""
SERVED_TRIES = 100
SERVED_INTERVAL = 0.1
"""Seconds between two looks at what a server serves, after a definition was applied."""


def run_engine(scope: Scope, *, git_interval: float, qps: float, once: bool = False) -> None:
    """`engine run`: reconciles every chosen hub until SIGINT or SIGTERM, or `once`: until nothing is left to do.

    A hub that does not answer is tried again, but not with `once`. One that can't be used ends its own engine, the last
    one the command.

    Raises:
        FleetError: no hub can be used: no definition of Applications, another engine at work, no permission.
    """
    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(levelname)s %(name)s: %(message)s")

    async def work() -> None:
        connection = Connection(scope, git_interval=git_interval, qps=qps)
        try:
            engines = [_run_hub(connection, store, once=once) for store in connection.stores]
            refused = [error for error in await asyncio.gather(*engines) if error is not None]
            if refused:
                raise refused[-1]
        finally:
            await connection.close()

    if serve_until_stopped(work):
        say("fleetui: engine stopped")


async def _run_hub(connection: Connection, store: LiveStore, *, once: bool) -> FleetError | None:
    """Reconciles one hub for as long as it can be used; returns why it can't be any more, None where it is done."""
    delay = FIRST_RETRY
    while True:
        engine = Engine(
            store, connection.repositories, clock=SystemClock(), directory=connection.clusters, jq=connection.jq
        )
        try:
            run = partial(_until_settled, engine, store) if once else engine.run
            await EngineLease(store.api, SystemClock()).guard(run)
            return None
        except (UnreachableError, OverloadedError) as error:
            if once:
                _log.error("%s", error)
                return error
            _log.warning("%s; next try in %.0f s", error, delay)
            await asyncio.sleep(delay)
            delay = min(2 * delay, LAST_RETRY)
        except FleetError as error:
            _log.error("%s", error)
            return error


async def _until_settled(engine: Engine, store: LiveStore) -> None:
    """Runs an engine until every Application has been looked at and no operation is in progress."""
    running = asyncio.create_task(engine.run(), name=f"engine {store.api.name}")
    settling = asyncio.create_task(_settled(engine, store), name=f"settling {store.api.name}")
    try:
        await asyncio.wait({running, settling}, return_when=asyncio.FIRST_COMPLETED)
        for task in (running, settling):
            if task.done():
                task.result()
    finally:
        for task in (running, settling):
            task.cancel()
        await asyncio.gather(running, settling, return_exceptions=True)


async def _settled(engine: Engine, store: LiveStore) -> None:
    resource = (await store.api.discover()).by_kind(GROUP, KIND)
    while True:
        await asyncio.sleep(SETTLED_INTERVAL)
        if resource is None or not store.knows(ObjectRef(GROUP, KIND, "", "")) or not engine.idle:
            continue
        if not any("operation" in obj.decode() for obj in store.of_kind(GROUP, KIND)):
            return


def hub_manifests() -> list[Obj]:
    """What a hub needs: the definitions, the namespace of the control plane and Argo CD's `default` project, which
    permits everything."""
    from backends import definitions

    everything = {"group": "*", "kind": "*"}
    project: Obj = {
        "apiVersion": "argoproj.io/v1alpha1",
        "kind": "AppProject",
        "metadata": {"name": "default", "namespace": CONTROL_PLANE_NAMESPACE},
        "spec": {
            "clusterResourceWhitelist": [everything],
            "destinations": [{"namespace": "*", "server": "*"}],
            "sourceRepos": ["*"],
        },
    }
    namespace: Obj = {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": CONTROL_PLANE_NAMESPACE}}
    return [*definitions.load(), namespace, project]


def run_bootstrap(scope: Scope, *, only_print: bool) -> None:
    """`bootstrap`: applies what a hub needs, or prints it.

    Raises:
        ClusterError: a cluster refuses.
    """
    if only_print:
        from fleetui.render.yaml import dump

        click.echo("---\n".join(dump(manifest) for manifest in hub_manifests()), nl=False)
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
    """Puts into one hub what it needs, and says what it did.

    Raises:
        ClusterError: the cluster refuses, or does not serve a definition that it has just taken.
    """
    for manifest in hub_manifests():
        resource = await _served(api, manifest)
        await api.apply(resource, manifest, field_manager="fleetui")
        click.echo(f"{api.name}: {manifest['kind'].lower()}/{manifest['metadata']['name']} serverside-applied")


async def _served(api: Cluster, manifest: Obj) -> ApiResource:
    """The resource of a manifest; a definition that was just made is served a moment later."""
    for attempt in range(SERVED_TRIES):
        resource = (await api.discover(refresh=attempt > 0)).of(manifest)
        if resource is not None:
            return resource
        await asyncio.sleep(SERVED_INTERVAL)
    raise ClusterError(f"cluster {api.name} does not serve {manifest['apiVersion']} {manifest['kind']}")
