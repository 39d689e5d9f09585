"""The page that tells monitoring how an engine is.

Owns: `HealthServer`: ``/healthz`` and ``/metrics`` over plain HTTP, for the composition root; and `cant_listen`, which
`backends.webhook_server` says too.
"""

from __future__ import annotations

import os
from collections.abc import Callable

from aiohttp import web

from fleetui.model.errors import FleetError


def cant_listen(host: str, port: int, error: OSError, what: str = "") -> FleetError:
    """The sentence for an address that can't be listened on; `what` is listened for there."""
    # asyncio's own words name the address again; a name that is not known has an error number that is no system's.
    reason = os.strerror(error.errno) if error.errno and error.errno > 0 else error.strerror or str(error)
    return FleetError(f"can't listen on {host}:{port}{what}: {reason}", "choose another address")


class HealthServer:
    """Listens until it is closed.

    Args:
        host, port: where; port 0 takes a free one.
        problem: why this process is not well, in a sentence; empty where it is.
        metrics: what Prometheus is told.
    """

    def __init__(self, host: str, port: int, *, problem: Callable[[], str], metrics: Callable[[], bytes]) -> None:
        self._host, self._port = host, port
        self._problem = problem
        self._metrics = metrics
        self._runner: web.AppRunner | None = None

    async def start(self) -> int:
        """Begins to listen; returns the port.

        Raises:
            FleetError: the address can't be listened on.
        """
        app = web.Application()
        app.add_routes([web.get("/healthz", self._healthz), web.get("/metrics", self._show_metrics)])
        self._runner = web.AppRunner(app, access_log=None)
        await self._runner.setup()
        site = web.TCPSite(self._runner, self._host, self._port)
        try:
            await site.start()
        except OSError as error:
            await self.close()
            raise cant_listen(self._host, self._port, error) from error
        return int(self._runner.addresses[0][1])

    async def close(self) -> None:
        """Stops to listen."""
        if self._runner is not None:
            await self._runner.cleanup()

    async def _healthz(self, _: web.Request) -> web.Response:
        problem = self._problem()
        return web.Response(status=503, text=f"{problem}\n") if problem else web.Response(text="ok\n")

    async def _show_metrics(self, _: web.Request) -> web.Response:
        return web.Response(body=self._metrics(), headers={"Content-Type": "text/plain; version=0.0.4; charset=utf-8"})
