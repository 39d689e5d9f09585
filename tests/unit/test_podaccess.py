"""What gets into a Pod: that it is on record however it ends."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import pytest

from fleetui.fleet.audit import Audit, Operator
from fleetui.fleet.permissions import Permissions
from fleetui.fleet.podaccess import PodAccess, PodTarget
from tests.unit.fakes import FakeClock, FakeCluster

TARGET = PodTarget("shop", "web-0")


class Pages:
    def __init__(self) -> None:
        self.lines: list[bytes] = []

    def append(self, line: bytes) -> None:
        self.lines.append(line)


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
    access = PodAccess(Permissions(clock), audit, read_only=False)

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
