"""A cluster as the engine works on it: what is asked once for all, and what is not asked while nobody answers."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator

import pytest

from fleetui.engine.destination import Destination
from fleetui.fleet.store import LiveStore
from fleetui.hubports import Site
from fleetui.model.errors import UnreachableError
from fleetui.model.objects import Discovery
from fleetui.model.status import ClusterState
from tests.engine.fake_clock import FakeClock
from tests.unit.fakes import FakeCluster
from tests.waiting import await_until

KINDS = {("", "ConfigMap")}


class Silent(FakeCluster):
    """A cluster that answers what it serves when the test says so."""

    def __init__(self) -> None:
        super().__init__()
        self.answers = asyncio.Event()
        self.looks = 0

    async def discover(self, *, refresh: bool = False) -> Discovery:
        self.looks += 1
        await self.answers.wait()
        return await super().discover(refresh=refresh)


@pytest.fixture
async def cluster() -> Silent:
    return Silent()


@pytest.fixture
async def back() -> list[Site]:
    return []


@pytest.fixture
async def destination(cluster: Silent, back: list[Site]) -> AsyncIterator[Destination]:
    made = Destination(Site(LiveStore(cluster)), FakeClock(), lambda *_: None, back=back.append)
    yield made
    made.close()


async def test_many_who_want_to_know_what_is_served_ask_once(cluster: Silent, destination: Destination) -> None:
    asking = [asyncio.create_task(destination.know(KINDS)) for _ in range(10)]
    await await_until(lambda: cluster.looks, 5, "it is asked")
    asking.pop().cancel()
    cluster.answers.set()
    await asyncio.gather(*asking)
    assert cluster.looks == 1
    assert destination.discovery.by_kind("", "ConfigMap") is not None


async def test_who_waits_for_a_cluster_is_told_that_it_is_away_and_of_its_return(
    cluster: Silent, destination: Destination, back: list[Site]
) -> None:
    asking = [asyncio.create_task(destination.know(KINDS)) for _ in range(3)]
    await await_until(lambda: cluster.looks, 5, "it is asked")
    cluster.becomes(ClusterState.UNREACHABLE, message="edge does not answer")
    for found in await asyncio.gather(*asking, return_exceptions=True):
        assert isinstance(found, UnreachableError)
        assert str(found) == "edge does not answer"
    with pytest.raises(UnreachableError):
        await destination.know(KINDS)
    assert cluster.looks == 1, "what is known to be away is not asked"
    assert not back
    cluster.becomes(ClusterState.LIVE)
    assert back == [Site(destination.live)]
    cluster.answers.set()
    await destination.know(KINDS)
    cluster.becomes(ClusterState.LIVE)
    assert len(back) == 1
