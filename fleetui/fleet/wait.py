"""Waiting until an application is as one wants it.

Owns: `wait_for`. Called by `fleetui wait` and `fleetui sync --wait` on the engine's loop. Woken by change sets, never
by a timer.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable

from fleetui.fleet.api import Fleet
from fleetui.fleet.views import ChangeSet
from fleetui.model.app import App, AppKey
from fleetui.model.errors import ClusterError, MissingError, UnmetError
from fleetui.model.status import ClusterState, HealthStatus, OperationPhase, SyncStatus


async def wait_for(
    fleet: Fleet,
    key: AppKey,
    *,
    sync: bool = False,
    health: bool = False,
    operation: bool = False,
    timeout: float | None = None,
) -> App:
    """The application as soon as all that was asked for holds.

    Args:
        fleet: a fleet that has been started.
        key: the application.
        sync: wait for Synced.
        health: wait for Healthy.
        operation: wait for the end of the operation that runs or was asked for. One that fails ends the waiting
            whatever else was asked for: look at `App.operation`.
        timeout: seconds; None waits for ever.

    Raises:
        MissingError: there is no such application, or it goes away.
        ClusterError: its cluster shows no applications at all.
        UnmetError: the time is over; the sentence says what was still missing.
    """

    def lacks(app: App | None) -> list[str]:
        return missing(app, sync=sync, health=health, operation=operation)

    return await until(fleet, key, lacks, timeout=timeout)


async def until(
    fleet: Fleet, key: AppKey, lacks: Callable[[App | None], list[str]], *, timeout: float | None, hint: str = ""
) -> App:
    """The application as soon as it lacks nothing; `lacks` says what, in words, and `hint` what to do about it.

    Raises:
        MissingError, ClusterError, UnmetError: as `wait_for`.
    """
    loop = asyncio.get_running_loop()
    done: asyncio.Future[App] = loop.create_future()

    def look(change: ChangeSet) -> None:
        if done.done():
            return
        app = fleet.apps.get(key)
        if app is not None:
            if not lacks(app):
                done.set_result(app)
        elif key in change.removed:
            done.set_exception(MissingError(f"application {key} is gone"))
        elif key.hub in change.problems:
            done.set_exception(ClusterError(f"{key.hub}: {change.problems[key.hub]}", cluster=key.hub))
        elif key.hub not in change.loading and _is_live(fleet, key):
            done.set_exception(MissingError(f"there is no application {key}"))

    subscription = fleet.subscribe(look)
    try:
        return await asyncio.wait_for(done, timeout)
    except TimeoutError as error:
        raise _too_late(fleet, key, lacks(fleet.apps.get(key)), hint) from error
    finally:
        subscription.close()


def missing(app: App | None, *, sync: bool, health: bool, operation: bool) -> list[str]:
    """What of the wanted does not hold yet, in words; empty when there is nothing to wait for any more."""
    if app is None:
        return ["its cluster has not listed its applications"]
    if operation and not _ended(app):
        return ["its operation has not ended"]
    if operation and app.operation is not None and app.operation.phase is not OperationPhase.SUCCEEDED:
        return []
    lacks = []
    if sync and app.sync is not SyncStatus.SYNCED:
        lacks.append(f"it is {app.sync}, not Synced")
    if health and app.health.status is not HealthStatus.HEALTHY:
        lacks.append(f"it is {app.health.status}, not Healthy")
    return lacks


def _is_live(fleet: Fleet, key: AppKey) -> bool:
    cluster = fleet.clusters.get(key.hub)
    return cluster is None or cluster.state is ClusterState.LIVE


def _ended(app: App) -> bool:
    return not app.pending and (app.operation is None or app.operation.phase.completed)


def _too_late(fleet: Fleet, key: AppKey, lacks: list[str], hint: str) -> UnmetError:
    app = fleet.apps.get(key)
    message = app.health.message or _failure(app) if app else ""
    return UnmetError(f"application {key}: time is over, and {' and '.join(lacks)}", hint or message)


def _failure(app: App) -> str:
    """What the last operation says, unless it has succeeded: then it is not what is missing."""
    operation = app.operation
    return "" if operation is None or operation.phase is OperationPhase.SUCCEEDED else operation.message
