"""What an embedded server is asked, noted or held up by a test before the server looks at it.

Owns: `listen`. For what goes wrong on demand there is `backends.embedded.faults`.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from aiohttp.web import BaseRequest, StreamResponse

    from backends.embedded.server import EmbeddedServer


def listen(server: EmbeddedServer, heard: Callable[[BaseRequest], Awaitable[None]]) -> None:
    """Has `heard` called with each request, which the server then answers. To be called before the server starts."""
    assert not server.running, "it answers already"
    answer = server._answer

    async def answered(request: BaseRequest) -> StreamResponse:
        await heard(request)
        return await answer(request)

    server._answer = answered  # type: ignore[method-assign]
