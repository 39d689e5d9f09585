"""How this process listens for HTTP: for monitoring (`backends.health_server`) and for webhooks
(`backends.webhook_server`).

Owns: `listening`. Never here: what is answered.
"""

from __future__ import annotations

import os

from aiohttp import web

from fleetui.model.errors import FleetError


async def listening(app: web.Application, host: str, port: int, *, purpose: str = "") -> tuple[web.AppRunner, int]:
    """Begins to listen; returns what `cleanup` ends it with, and the port (of port 0: the one that was free).

    Raises:
        FleetError: the address can't be listened on; `purpose` follows on it in the sentence.
    """
    runner = web.AppRunner(app, access_log=None)
    await runner.setup()
    try:
        await web.TCPSite(runner, host, port).start()
    except OSError as error:
        await runner.cleanup()
        # asyncio's own words name the address again; a name that is not known has an error number that is no system's.
        reason = os.strerror(error.errno) if error.errno and error.errno > 0 else error.strerror or str(error)
        message = f"can't listen on {host}:{port}{purpose and f' {purpose}'}: {reason}"
        raise FleetError(message, "choose another address") from error
    return runner, int(runner.addresses[0][1])
