"""Where Git hosts send their webhooks.

Owns: `WebhookServer`: ``POST /api/webhook`` over plain HTTP, for the composition root. What a request means is
`fleetui.engine.webhook`'s to say.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping

from aiohttp import web

from backends.http_listening import listening
from fleetui.engine.webhook import LARGEST, TOO_LARGE, Answer

PATH = "/api/webhook"
PATIENCE = 30.0
"""Seconds that a sender may take for a body."""
MOST_AT_ONCE = 16
"""Bodies that are read at the same time: each may be `LARGEST`."""


class WebhookServer:
    """Listens until it is closed.

    Args:
        host, port: where; port 0 takes a free one.
        receive: answers a request, given method, headers and body.
        patience: see `PATIENCE`.
    """

    def __init__(
        self,
        host: str,
        port: int,
        receive: Callable[[str, Mapping[str, str], bytes], Answer],
        *,
        patience: float = PATIENCE,
    ) -> None:
        self._host, self._port = host, port
        self._receive = receive
        self._patience = patience
        self._reading = asyncio.Semaphore(MOST_AT_ONCE)
        self._runner: web.AppRunner | None = None

    async def start(self) -> int:
        """Begins to listen; returns the port.

        Raises:
            FleetError: the address can't be listened on.
        """
        app = web.Application(client_max_size=LARGEST)
        app.add_routes([web.route("*", PATH, self._handle)])
        self._runner, found = await listening(app, self._host, self._port, purpose="for webhooks")
        return found

    async def close(self) -> None:
        """Stops to listen."""
        if self._runner is not None:
            await self._runner.cleanup()

    async def _handle(self, request: web.Request) -> web.Response:
        try:
            async with asyncio.timeout(self._patience), self._reading:
                body = await request.read()
        except web.HTTPRequestEntityTooLarge:
            return _response(Answer(400, TOO_LARGE))
        except TimeoutError:
            return _response(Answer(408, "the body did not come in time"))
        return _response(self._receive(request.method, request.headers, body))


def _response(answer: Answer) -> web.Response:
    return web.Response(status=answer.status, text=f"{answer.text}\n" if answer.text else "")
