"""The network stack, imported when it is needed first.

Owns: `transport_class`. Called by `backends.kube.cluster`.
"""

from __future__ import annotations

import asyncio
import importlib
import sys
from types import ModuleType
from typing import TYPE_CHECKING

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
