"""Two engines and one Lease: who holds it and lives is left alone, at once where that can be told."""

from __future__ import annotations

import asyncio
import os
import socket
from collections.abc import AsyncIterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from fleetui.engine import lease as leases
from fleetui.engine.clock import SystemClock
from fleetui.engine.lease import EngineLease
from fleetui.model.errors import RefusedError
from tests.engine.bench import Hub, embedded_hub

CLOCK = SystemClock()
HERE = f"{socket.gethostname()}_{os.getpid()}_0000"
GONE = f"{socket.gethostname()}_4194304999_0000"
ELSEWHERE = "bastion-2_77_0000"


@pytest.fixture
async def hub(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[Hub]:
    monkeypatch.setattr(leases, "_LOOK", 0.05)
    async with embedded_hub(tmp_path) as hub:
        yield hub


async def held(hub: Hub, by: str, *, duration: int = 45) -> None:
    await hub.create(
        {
            "apiVersion": "coordination.k8s.io/v1",
            "kind": "Lease",
            "metadata": {"name": "fleetui-engine", "namespace": "default"},
            "spec": {"holderIdentity": by, "leaseDurationSeconds": duration, "renewTime": now()},
        }
    )


def now() -> str:
    return datetime.fromtimestamp(CLOCK.now(), UTC).strftime("%Y-%m-%dT%H:%M:%S.%fZ")


async def holder(hub: Hub) -> Any:
    found = await hub.get("Lease", "fleetui-engine", "default")
    return found and found["spec"]["holderIdentity"]


async def test_an_engine_of_this_machine_that_lives_is_told_of_at_once(hub: Hub) -> None:
    await held(hub, HERE)
    with pytest.raises(RefusedError, match=rf"reconciles cluster hub .*process {os.getpid()}"):
        async with asyncio.timeout(10):
            await EngineLease(hub.api, CLOCK).guard(nothing)


async def test_an_engine_of_another_machine_is_told_of_when_it_renews(hub: Hub) -> None:
    await held(hub, ELSEWHERE)
    starting = asyncio.create_task(EngineLease(hub.api, CLOCK).guard(nothing))
    renewing = asyncio.create_task(renewed(hub))
    with pytest.raises(RefusedError, match="bastion-2, process 77"):
        async with asyncio.timeout(10):
            await starting
    renewing.cancel()
    await asyncio.gather(renewing, return_exceptions=True)


@pytest.mark.parametrize(("by", "duration"), [(GONE, 45), (ELSEWHERE, 1), ("", 45)])
async def test_one_that_is_dead_or_renews_no_more_is_taken_over_from(hub: Hub, by: str, duration: int) -> None:
    await held(hub, by, duration=duration)
    seen: list[str] = []

    async def run() -> None:
        seen.append(await holder(hub))

    async with asyncio.timeout(10):
        await EngineLease(hub.api, CLOCK).guard(run)
    assert seen[0].startswith(f"{socket.gethostname()}_{os.getpid()}_")
    assert await holder(hub) in {None, ""}, "it is given back"


async def renewed(hub: Hub) -> None:
    """Goes on renewing the Lease as its holder would."""
    while True:
        await hub.patch("Lease", "fleetui-engine", {"spec": {"renewTime": now()}}, namespace="default")


async def nothing() -> None:
    raise AssertionError("it must not begin")
