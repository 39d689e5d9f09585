"""Logging in to a cluster with the terminal to itself: a plugin may ask for a password, or print where to go.

Owns: `log_in`. Called by the clusters screen, when a person asks for it. What a login is, is the fleet's.
"""

from __future__ import annotations

import asyncio
from contextlib import nullcontext
from typing import TYPE_CHECKING, cast

from textual.app import App

from screens.leaving import interrupts, stays, terminal, write

if TYPE_CHECKING:
    from fleetui.model.objects import ClusterName
    from screens.host import Host

GROUP = "login"


def log_in(app: App[None], cluster: ClusterName) -> None:
    """Has the fleet log in to `cluster`, in the terminal that the console leaves meanwhile; how it went is told.

    One at a time: a second one, asked for before the first has left the terminal, is dropped.
    """
    if not any(worker.group == GROUP and not worker.is_finished for worker in app.workers):
        app.run_worker(_log_in(app, cluster), name=f"log in to {cluster}", group=GROUP, exit_on_error=False)


async def _log_in(app: App[None], cluster: ClusterName) -> None:
    host = cast("Host", app)
    with terminal(app) as out:
        write(out, f"fleetui: logging in to {cluster}; ctrl+c gives up")
        failure = await _tried(host, cluster, interruptible=out is not None)
        if failure and out is not None:
            await stays(out, failure)
    if not failure:
        host.tell(f"Logged in to {cluster}")
    elif out is None:
        host.tell(failure, error=True)


async def _tried(host: Host, cluster: ClusterName, *, interruptible: bool) -> str:
    """Why the login failed, in a sentence; empty where it didn't."""
    from fleetui.model.errors import FleetError
    from screens.cells import clean

    if host.fleet is None:
        return "there is no fleet yet"
    login = asyncio.ensure_future(host.on_engine(host.fleet.login(cluster)))
    try:
        with interrupts(login.cancel) if interruptible else nullcontext():
            await asyncio.wait({login})
    finally:
        login.cancel()  # where the console itself ends
    if login.cancelled():
        return f"{cluster}: the login was given up"
    error = login.exception()
    if error is None:
        return ""
    told = str(error) if isinstance(error, FleetError) else host.tell_unexpected(error, f"logging in to {cluster}")
    return clean(told)
