"""The page that tells monitoring how an engine is.

Owns: `HealthServer`: ``/healthz`` and ``/metrics`` over plain HTTP, for the composition root.
"""

from __future__ import annotations

from collections.abc import Callable

from aiohttp import web

from backends.http_listening import listening


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
        self._runner, found = await listening(app, self._host, self._port)
        return found

    async def close(self) -> None:
        """Stops to listen."""
        if self._runner is not None:
            await self._runner.cleanup()

    async def _healthz(self, _: web.Request) -> web.Response:
        problem = self._problem()
        return web.Response(status=503, text=f"{problem}\n") if problem else web.Response(text="ok\n")

    async def _show_metrics(self, _: web.Request) -> web.Response:
        return web.Response(body=self._metrics(), headers={"Content-Type": "text/plain; version=0.0.4; charset=utf-8"})
