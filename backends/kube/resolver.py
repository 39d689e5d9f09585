"""Host names to addresses.

Owns: `Resolver`. Called by the connections of `backends.kube.transport`. asyncio looks names up in the loop's executor,
which has six threads on a machine with two processors, and takes ten seconds and more for a name whose servers do not
answer: a few such clusters, and none of the others gets as far as connecting. Here each name has a thread of its own
for as long as it is looked up, and who asks for the same one meanwhile waits for the same answer.
"""

from __future__ import annotations

import asyncio
import socket
import threading
from collections.abc import Sequence
from concurrent.futures import Future
from typing import Any

from aiohttp.abc import AbstractResolver, ResolveResult

_Infos = Sequence[tuple[socket.AddressFamily, socket.SocketKind, int, str, tuple[Any, ...]]]
_Key = tuple[str, int, socket.AddressFamily]


class Resolver(AbstractResolver):
    """Looks names up as the system does."""

    def __init__(self) -> None:
        self._lookups: dict[_Key, Future[_Infos]] = {}

    async def resolve(
        self, host: str, port: int = 0, family: socket.AddressFamily = socket.AF_INET
    ) -> list[ResolveResult]:
        """The addresses of a name.

        Raises:
            OSError: it has none, or nobody who knows it can be asked.
        """
        # A lookup can't be ended; who gives up leaves it to who comes next.
        infos = await asyncio.shield(_waiting(self._lookup((host, port, family))))
        return [_result(host, info) for info in infos]

    async def close(self) -> None:
        """Nothing is held: a lookup under way ends by itself, and holds up nobody."""

    def _lookup(self, key: _Key) -> Future[_Infos]:
        found = self._lookups.get(key)
        if found is None or found.done():
            found = self._lookups[key] = Future()
            # Running, it can't be cancelled: not by one of those who wait for it either.
            found.set_running_or_notify_cancel()
            # A daemon, or a name that is looked up in vain would keep the program from ending.
            threading.Thread(target=_look, args=(key, found), name=f"look up {key[0]}", daemon=True).start()
        return found


def _look(key: _Key, future: Future[_Infos]) -> None:
    host, port, family = key
    try:
        flags = socket.AI_ADDRCONFIG
        future.set_result(socket.getaddrinfo(host, port, type=socket.SOCK_STREAM, family=family, flags=flags))
    except Exception as error:  # whatever it is, who waits for the answer must have it
        future.set_exception(error)


def _waiting(lookup: Future[_Infos]) -> asyncio.Future[_Infos]:
    waiting = asyncio.wrap_future(lookup)
    # Nobody may be left to be told that there is no such name.
    waiting.add_done_callback(lambda done: done.cancelled() or done.exception())
    return waiting


def _result(hostname: str, info: tuple[Any, ...]) -> ResolveResult:
    family, _, proto, _, address = info
    host = address[0]
    if family == socket.AF_INET6 and len(address) > 3 and address[3]:
        # A link-local address is nothing without its interface.
        host = socket.getnameinfo(address, socket.NI_NUMERICHOST | socket.NI_NUMERICSERV)[0]
    flags = socket.AI_NUMERICHOST | socket.AI_NUMERICSERV
    return ResolveResult(hostname=hostname, host=host, port=address[1], family=family, proto=proto, flags=flags)
