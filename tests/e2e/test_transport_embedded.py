"""The transport against an embedded server: what an open and idle console asks for, and what the server sees of a
request that is given up."""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest

from backends.argocd import ArgoDialect
from backends.definitions import load as definitions
from backends.embedded.calls import Call
from backends.embedded.cluster import EmbeddedCluster
from backends.embedded.faults import Fault, Kind
from backends.git import GitRepositories
from backends.kube.cluster import KubeCluster
from backends.kube.context import ContextConfig
from fleetui.fleet.fleet import LiveFleet
from fleetui.fleet.store import LiveStore
from fleetui.fleet.views import ChangeSet
from fleetui.model.objects import ApiResource
from tests.bench.bench_console import application
from tests.relay import Relay
from tests.unit.kube.test_informer import Sink
from tests.waiting import await_until

APPS = 1_000
PATIENCE = 30.0
BOOKMARKS = 3
"""Of each watch, for the idle minute: kube-apiserver sends one a minute, and none in the first two."""
BOOKMARK_SIZE = 400
"""Bytes that one may take at most, its chunk's frame included."""
CONFIG_MAPS = ApiResource("", "v1", "ConfigMap", "configmaps", namespaced=True, verbs=frozenset({"list", "watch"}))


@dataclass
class Place:
    """One embedded cluster, what it was asked, and a client of it behind a relay."""

    embedded: EmbeddedCluster
    relay: Relay
    client: KubeCluster
    asked: Counter[str] = field(default_factory=Counter)

    @property
    def bookmarks(self) -> int:
        return self.relay.received.count(b'"type":"BOOKMARK"')

    def forget(self) -> None:
        self.asked.clear()
        self.client.requests.clear()
        self.relay.received.clear()


@asynccontextmanager
async def place(name: str) -> AsyncIterator[Place]:
    embedded = EmbeddedCluster(name)
    embedded.server.api.bookmark_every = 0.05
    await embedded.start()
    async with Relay(embedded.url) as relay:
        found = Place(embedded, relay, KubeCluster(ContextConfig(name=name, server=relay.url, token=embedded.token)))

        handle = embedded.server.api.handle

        def recorded(call: Call) -> Any:
            found.asked[f"{'WATCH' if 'watch' in call.query else call.method} {call.path}"] += 1
            return handle(call)

        embedded.server.api.handle = recorded  # type: ignore[method-assign]
        try:
            yield found
        finally:
            await found.client.close()
            await embedded.stop()


def fill(embedded: EmbeddedCluster, apps: int) -> None:
    for definition in definitions():
        embedded.store.create(definition, manager="test")
    for name in ("argocd", "app-0000"):
        embedded.store.create({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": name}}, manager="test")
    for number in range(apps):
        embedded.store.create(dict(application(f"app-{number:04}")), manager="test")


async def test_a_thousand_applications_open_and_idle_ask_for_nothing(tmp_path: Path) -> None:
    async with AsyncExitStack() as stack:
        places = [await stack.enter_async_context(place(name)) for name in ("hub", "other")]
        for each, count in zip(places, (APPS, 10), strict=True):
            fill(each.embedded, count)
        stores = [LiveStore(each.client) for each in places]
        repositories = GitRepositories(cache=tmp_path)
        fleet = LiveFleet(stores, [ArgoDialect()], repositories)
        await fleet.start()
        await fleet.loaded()
        assert len(fleet.apps) == APPS + 10
        # The tree of one is open, as it is on a console that somebody left.
        key = next(key for key in fleet.apps if (key.hub, key.name) == ("hub", "app-0000"))
        fleet.watch_tree(key)
        await fleet.tree(key)
        watches = await _settled(places)
        assert set(watches.values()) == {1}, "one watch of each kind and cluster"
        assert len([watch for watch in watches if watch.startswith("hub")]) > 1

        heard: list[ChangeSet] = []
        subscription = fleet.subscribe(heard.append)
        heard.clear()
        for each in places:
            each.forget()
        total = len(watches) * BOOKMARKS
        await await_until(
            lambda: sum(each.bookmarks for each in places) >= total, PATIENCE, "every watch had some bookmarks"
        )
        received = [(len(each.relay.received), each.bookmarks) for each in places]
        assert [dict(each.asked) for each in places] == [{}, {}]
        assert [dict(each.client.requests) for each in places] == [{}, {}]
        assert heard == []
        for size, bookmarks in received:
            assert size <= (bookmarks + 1) * BOOKMARK_SIZE
        subscription.close()
        await fleet.close()
        for store in stores:
            store.close()
        await repositories.close()


async def _settled(places: list[Place]) -> Counter[str]:
    """How often each cluster's each kind was watched, when nothing more is asked for and every watch is open."""
    seen: list[int] = []

    def calm() -> bool:
        seen.append(sum(sum(each.asked.values()) for each in places))
        return len(seen) > 10 and len(set(seen[-10:])) == 1

    await await_until(calm, PATIENCE, "the fleet rests")
    found: Counter[str] = Counter()
    for each in places:
        for line, count in each.asked.items():
            if line.startswith("WATCH"):
                found[f"{each.client.name} {line}"] += count
        lists = sum(count for line, count in each.asked.items() if line.startswith("GET /apis/argoproj.io/"))
        # In pages of 500; a streaming list would be none.
        assert lists <= -(-len(each.embedded.store.list("argoproj.io", "Application")) // 500)
    return found


# --- giving up ----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("urgent", [False, True])
async def test_the_server_sees_at_once_that_a_request_was_given_up(urgent: bool) -> None:
    async with place("hub") as found:
        faults = found.embedded.faults
        faults.add(Fault(kind=Kind.HANG, path="/api/v1/namespaces/default/configmaps/slow"))
        client = found.client.urgent if urgent else found.client
        task = asyncio.create_task(client.get(CONFIG_MAPS, "slow", "default"))
        await await_until(lambda: faults.listeners == 1, PATIENCE, "the server is asked")
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)
        await await_until(lambda: faults.listeners == 0, PATIENCE, "the server sees it")
        assert await client.list(CONFIG_MAPS) == []
        assert found.client.requests == {"GET": 1, "LIST": 1}


async def test_the_server_sees_at_once_that_a_watch_was_closed() -> None:
    async with place("hub") as found:
        storage = found.embedded.store.storage
        subscription = found.client.watch(CONFIG_MAPS, Sink())
        await await_until(lambda: sum(len(table.ends) for table in storage.tables()) == 1, PATIENCE, "it is watched")
        subscription.close()
        await await_until(lambda: not any(table.ends for table in storage.tables()), PATIENCE, "the server sees it")
        assert await found.client.list(CONFIG_MAPS) == []
