"""`bootstrap`.

Owns: how a hub gets the definitions that it needs.
"""

from __future__ import annotations

import asyncio

import click

from fleetui.cli.connect import Connection
from fleetui.cli.options import Scope
from fleetui.engine.tracking import CONTROL_PLANE_NAMESPACE
from fleetui.model.errors import ClusterError
from fleetui.model.objects import ApiResource, Obj
from fleetui.ports import Cluster
from fleetui.runtime import Runtime

SERVED_TRIES = 100
SERVED_INTERVAL = 0.1
"""Seconds between two looks at what a server serves, after a definition was applied."""


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
