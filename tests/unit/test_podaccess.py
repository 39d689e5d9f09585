"""What gets into a Pod: that it is on record however it ends, and that a connection ends with whoever made it."""

from __future__ import annotations

import asyncio
import errno
import json
import socket
import struct
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import pytest

from fleetui.cli.pods import _listen
from fleetui.fleet.audit import Audit, Operator
from fleetui.fleet.permissions import Permissions
from fleetui.fleet.podaccess import PodAccess, PodTarget
from fleetui.model.objects import ObjectRef
from tests.unit.fakes import FakeClock, FakeCluster
from tests.waiting import await_until

TARGET = PodTarget("shop", "web-0")


class Pages:
    def __init__(self) -> None:
        self.lines: list[bytes] = []
        self.warned: list[str] = []
        self.full = False

    def append(self, line: bytes) -> None:
        if self.full:
            raise OSError(errno.ENOSPC, "No space left on device")
        self.lines.append(line)

    def tail(self) -> bytes:
        return b"\n".join(self.lines)


class Slow(FakeCluster):
    """A cluster whose Pods take their time."""

    def __init__(self) -> None:
        super().__init__()
        self.asked = asyncio.Event()

    @property
    def pods(self) -> Any:
        return self

    @asynccontextmanager
    async def exec(self, *_: object, **__: object) -> AsyncIterator[Any]:
        self.asked.set()
        await asyncio.Event().wait()
        yield None


async def test_a_command_that_was_given_up_while_it_was_started_is_on_record() -> None:
    cluster, pages, clock = Slow(), Pages(), FakeClock()
    audit = Audit(pages, Operator("ann", "bastion", "tty"), now=clock.now)
    access = PodAccess(Permissions(clock), audit, read_only=False, warn=pages.warned.append)

    async def run() -> None:
        async with access.exec(cluster, TARGET, ["rm", "-rf", "/data"]):
            raise AssertionError("it never starts")

    running = asyncio.create_task(run())
    await cluster.asked.wait()
    running.cancel()
    with pytest.raises(asyncio.CancelledError):
        await running
    records = [json.loads(line) for line in pages.lines]
    assert [(each["ending"], each["message"]) for each in records] == [
        ("failed", "rm: CancelledError while it was started")
    ]


async def test_that_a_record_could_not_be_written_is_told() -> None:
    cluster, pages, clock = FakeCluster(), Pages(), FakeClock()
    pages.full = True
    cluster.objects[ObjectRef("", "Pod", TARGET.namespace, TARGET.pod)] = {}
    audit = Audit(pages, Operator("ann", "bastion", "tty"), now=clock.now)
    access = PodAccess(Permissions(clock), audit, read_only=False, warn=pages.warned.append)
    await access.forward(cluster, TARGET, 80)
    assert pages.warned == ["the audit record could not be written: No space left on device"]


class Silent:
    """A connection to a port that never says anything."""

    def __init__(self) -> None:
        self.written = b""
        self.open = False

    async def read(self) -> bytes:
        await asyncio.Event().wait()
        raise AssertionError

    async def write(self, data: bytes) -> None:
        self.written += data

    async def end(self) -> None: ...

    @asynccontextmanager
    async def connect(self) -> AsyncIterator[Silent]:
        self.open = True
        try:
            yield self
        finally:
            self.open = False


async def test_a_forwarded_connection_ends_when_whoever_made_it_is_gone() -> None:
    stream = Silent()
    server = await _listen("127.0.0.1", 0, stream.connect, "web-0 80")
    async with server:
        _, writer = await asyncio.open_connection(*server.sockets[0].getsockname())
        writer.write(b"hello")
        await await_until(lambda: stream.written == b"hello", 5, "forwarded")
        # Closed like this, a socket says RST, as it does when its process is killed with something unread.
        writer.get_extra_info("socket").setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        writer.transport.abort()
        await await_until(lambda: not stream.open, 5, "the connection to the Pod has ended")
