"""Name lookups: each name on a thread of its own, one for all who ask, and nobody held up by one that hangs."""

from __future__ import annotations

import asyncio
import socket
import threading
from collections import Counter
from collections.abc import Iterator
from typing import Any

import pytest

from backends.kube.resolver import Resolver
from backends.kube.transport import Transport
from fleetui.model.errors import UnreachableError
from tests.unit.kube.scripted import Script, body, context, serving

ADDRESS = [(socket.AF_INET, socket.SOCK_STREAM, 6, "", ("127.0.0.1", 80))]


class Names:
    """The system's lookups: those of ``hangs`` wait for the end of the test."""

    def __init__(self) -> None:
        self.asked: list[str] = []
        self.end = threading.Event()

    def __call__(self, host: str, port: int, **_: Any) -> list[Any]:
        self.asked.append(host)
        if host.startswith("hangs"):
            self.end.wait(30)
        if host.startswith("no"):
            raise socket.gaierror(socket.EAI_NONAME, "Name or service not known")
        return [(*ADDRESS[0][:4], ("127.0.0.1", port))]


@pytest.fixture
def names(monkeypatch: pytest.MonkeyPatch) -> Iterator[Names]:
    found = Names()
    monkeypatch.setattr("backends.kube.resolver.socket.getaddrinfo", found)
    yield found
    found.end.set()


async def test_names_that_hang_hold_up_nobody(names: Names) -> None:
    resolvers = [Resolver() for _ in range(40)]
    hanging = [asyncio.ensure_future(resolver.resolve(f"hangs{number}")) for number, resolver in enumerate(resolvers)]
    async with asyncio.timeout(5):
        (found,) = await Resolver().resolve("fine", 443)
    assert (found["hostname"], found["host"], found["port"]) == ("fine", "127.0.0.1", 443)
    # The loop's own threads are free.
    assert await asyncio.to_thread(lambda: 1) == 1
    for task in hanging:
        task.cancel()
    await asyncio.wait(hanging)


async def test_who_gives_up_leaves_the_lookup_to_the_next(names: Names) -> None:
    resolver = Resolver()
    first = asyncio.ensure_future(resolver.resolve("hangs", 1))
    await asyncio.sleep(0)
    first.cancel()
    await asyncio.wait([first])
    second = asyncio.ensure_future(resolver.resolve("hangs", 1))
    await asyncio.sleep(0)
    names.end.set()
    assert len(await second) == 1
    assert names.asked == ["hangs"]
    await resolver.resolve("hangs", 1)
    assert names.asked == ["hangs", "hangs"], "an old answer is not kept"


async def test_a_name_that_nobody_knows_is_an_error(names: Names) -> None:
    transport = Transport(context("http://nobody.example"), requests=Counter(), env={})
    with pytest.raises(UnreachableError, match=r"the host name of http://nobody\.example is not known"):
        await transport.request("GET", "/api")
    await transport.close()


async def test_the_transport_looks_names_up_so(names: Names) -> None:
    script = Script([body({})])
    async with serving(script) as url:
        transport = Transport(context(url.replace("127.0.0.1", "somewhere")), requests=Counter(), env={})
        assert await transport.request("GET", "/api") == b"{}"
        await transport.close()
    assert names.asked == ["somewhere"]
