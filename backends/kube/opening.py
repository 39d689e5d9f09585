"""The network stack, imported when it is needed first, and what is said of a cluster that was closed.

Owns: `transport_class` and `closed`. Called by `backends.kube.cluster` and what it is made of.
"""

from __future__ import annotations

import asyncio
import importlib
import sys
from types import ModuleType
from typing import TYPE_CHECKING

from fleetui.model.errors import UnreachableError

if TYPE_CHECKING:
    from backends.kube.transport import Transport

_importing: dict[asyncio.AbstractEventLoop, asyncio.Future[ModuleType]] = {}


async def transport_class() -> type[Transport]:
    """0.1 s of imports that must hold neither the first frame nor the loop; one thread for all who wait for them."""
    name, loop = "backends.kube.transport", asyncio.get_running_loop()
    found: type[Transport] | None = getattr(sys.modules.get(name), "Transport", None)
    if found is None:
        importing = _importing.get(loop) or loop.run_in_executor(None, importlib.import_module, name)
        _importing[loop] = importing
        try:
            found = (await asyncio.shield(importing)).Transport
        finally:
            _importing.pop(loop, None)
    return found


def closed(cluster: str) -> UnreachableError:
    """The error of whoever asks a cluster that was closed: a login or an address changed, or a hub dropped it."""
    return UnreachableError(f"{cluster} is not reached in this way any more", "look again", cluster=cluster)
