"""What a cluster serves: asked once, confirmed from disk, asked again when it has aged, and never too often."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest
from aiohttp import web

from backends.kube import served as served_module
from backends.kube.cluster import KubeCluster
from fleetui.model.errors import ClusterError
from fleetui.model.objects import ApiResource
from fleetui.model.status import ClusterState
from tests.unit.kube.scripted import context, event, serving
from tests.unit.kube.test_discovery import DEPLOYMENTS, VERSION, aggregated, served
from tests.unit.kube.test_informer import Sink, end_of_initial
from tests.waiting import await_until

CRDS = ApiResource(
    "apiextensions.k8s.io", "v1", "CustomResourceDefinition", "customresourcedefinitions", namespaced=False
)
DEFINITIONS = served(CRDS.plural, CRDS.kind, scope="Cluster", verbs=["list", "watch"])
CRD = {"apiVersion": "apiextensions.k8s.io/v1", "kind": CRDS.kind, "metadata": {"name": "a", "resourceVersion": "11"}}


class Server:
    """Serves aggregated discovery with ETags, and no definitions but what the test puts into their watch."""

    def __init__(self) -> None:
        self.kinds: list[dict[str, Any]] = [DEPLOYMENTS]
        self.sent: list[tuple[str, int]] = []
        self.lines: asyncio.Queue[bytes] = asyncio.Queue()
        self.away = self.forbidden = False
        self.forms: list[str] = []
        self.gone = 0
        self.gate = asyncio.Event()
        self.gate.set()

    async def __call__(self, request: web.BaseRequest) -> web.StreamResponse:
        if self.away:
            assert request.transport is not None
            request.transport.abort()
            return web.Response()
        if request.path == CRDS.path():
            return await self._definitions(request)
        await self.gate.wait()
        found: dict[str, Any] = {
            "/api": aggregated(),
            "/apis": aggregated(
                ("apps", [{"version": "v1", "resources": self.kinds}]),
                ("apiextensions.k8s.io", [{"version": "v1", "resources": self.kinds[1:]}]),
            ),
            "/version": VERSION,
        }
        answer = web.json_response(found[request.path])
        if request.path != "/version":
            tag = f'"{request.path}{len(self.kinds)}"'
            answer = web.Response(status=304) if request.headers.get("If-None-Match") == tag else answer
            answer.headers["ETag"] = tag
        self.sent.append((request.path, answer.status))
        return answer

    async def _definitions(self, request: web.BaseRequest) -> web.StreamResponse:
        if self.forbidden:
            return web.json_response({"kind": "Status", "code": 403, "reason": "Forbidden"}, status=403)
        self.forms.append(request.headers["Accept"])
        response = web.StreamResponse()
        await response.prepare(request)
        await response.write(end_of_initial("10"))
        try:
            while line := await self.lines.get():
                await response.write(line)
        finally:
            self.gone += 1
        return response

    def take(self) -> list[tuple[str, int]]:
        sent, self.sent = sorted(self.sent), []
        return sent


@asynccontextmanager
async def connected(server: Server, cache: Path | None = None, *, url: str = "") -> AsyncIterator[KubeCluster]:
    async with serving(server) as bound:
        cluster = KubeCluster(context(url or bound), cache=cache)
        try:
            yield cluster
        finally:
            await cluster.close()


@pytest.fixture(autouse=True)
def no_pause(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(served_module, "_PAUSE", 0.0)
    monkeypatch.setattr(served_module, "_SETTLES", 0.0)


ALL_SENT = [("/api", 200), ("/apis", 200), ("/version", 200)]
UNCHANGED = [("/api", 304), ("/apis", 304), ("/version", 200)]


async def test_a_new_start_downloads_nothing_that_has_not_changed(tmp_path: Path) -> None:
    server = Server()
    async with serving(server) as url:
        first = KubeCluster(context(url), cache=tmp_path / "d")
        assert (await first.discover()).by_kind("apps", "Deployment") is not None
        await first.close()
        assert server.take() == ALL_SENT
        second = KubeCluster(context(url), cache=tmp_path / "d")
        found = await second.discover()
        assert server.take() == UNCHANGED
        assert found.by_kind("apps", "Deployment") is not None
        assert second.status.version == "v1.37.2"
        await second.close()
        # Another authority is another cluster, whatever its address.
        third = KubeCluster(context(url, ca=b"another"), cache=tmp_path / "d")
        await third.discover()
        assert server.take() == ALL_SENT
        await third.close()


async def test_a_kind_that_is_new_is_never_said_not_to_be_served(tmp_path: Path) -> None:
    server = Server()
    async with serving(server) as url:
        for kinds in (1, 2):
            cluster = KubeCluster(context(url), cache=tmp_path / "d")
            found = await cluster.discover()
            assert (found.by_kind("apps", "Thing") is not None) is (kinds == 2)
            await cluster.close()
            server.kinds.append(served("things", "Thing"))


async def test_it_is_asked_once_and_again_only_when_that_is_wanted() -> None:
    server = Server()
    async with connected(server) as cluster:
        first = await cluster.discover()
        assert await cluster.discover() is first
        assert server.take() == ALL_SENT
        assert await cluster.discover(refresh=True) is first
        assert server.take() == UNCHANGED
        server.kinds.append(served("things", "Thing"))
        assert (await cluster.discover(refresh=True)).by_kind("apps", "Thing") is not None


async def test_many_who_miss_a_kind_ask_once() -> None:
    server = Server()
    async with connected(server) as cluster:
        await cluster.discover()
        server.take()
        server.gate.clear()
        early = [asyncio.create_task(cluster.discover(refresh=True)) for _ in range(5)]
        await await_until(lambda: cluster.requests["DISCOVER"] == 6, 5, "asked")
        # The answer that is under way may have been made before what these miss.
        late = [asyncio.create_task(cluster.discover(refresh=True)) for _ in range(5)]
        await asyncio.sleep(0)
        server.gate.set()
        await asyncio.gather(*early, *late)
        assert cluster.requests["DISCOVER"] == 9


async def test_it_is_not_asked_again_and_again(monkeypatch: pytest.MonkeyPatch) -> None:
    pauses: list[float] = []

    async def sleep(seconds: float) -> None:
        pauses.append(seconds)

    monkeypatch.setattr(served_module, "_PAUSE", 1.0)
    async with connected(Server()) as cluster:
        cluster._served._sleep = sleep
        for _ in range(3):
            await cluster.discover(refresh=True)
    assert len(pauses) == 2
    assert all(0 < pause <= 1 for pause in pauses)


async def test_a_definition_that_changes_under_a_watch_ages_what_is_known() -> None:
    server = Server()
    async with connected(server) as cluster:
        await cluster.discover()
        sink = Sink()
        cluster.watch(CRDS, sink, metadata_only=True)
        await await_until(lambda: "listed" in sink.told, 5, "watching")
        server.take()
        await cluster.discover()
        assert server.take() == [], "a first list is no news"
        server.kinds.append(served("things", "Thing"))
        server.lines.put_nowait(event("ADDED", CRD))
        await await_until(lambda: sink.names == ["a"], 5, "the event came")
        assert (await cluster.discover()).by_kind("apps", "Thing") is not None
        assert (await cluster.discover()).by_kind("apps", "Thing") is not None
        assert cluster.requests["DISCOVER"] == 6
        server.lines.put_nowait(event("DELETED", CRD))
        await await_until(lambda: sink.names == [], 5, "the event came")
        await cluster.discover()
        assert cluster.requests["DISCOVER"] == 9
        server.lines.put_nowait(b"")


@pytest.fixture
def at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("backends.kube.definitions._AFTER", 0.0)


@pytest.mark.usefixtures("at_once")
async def test_a_cluster_that_is_used_for_longer_watches_its_definitions() -> None:
    server = Server()
    server.kinds.append(DEFINITIONS)
    async with connected(server) as cluster:
        await cluster.discover()
        await cluster.discover()
        await await_until(lambda: server.forms, 5, "watching")
        assert cluster.requests == {"DISCOVER": 3, "WATCH": 1}
        assert server.forms == ["application/json;as=PartialObjectMetadata;g=meta.k8s.io;v=v1,application/json"]
        server.kinds.append(served("things", "Thing"))
        server.lines.put_nowait(event("ADDED", CRD))
        await await_until(lambda: cluster._served._aged, 5, "the event came")
        assert (await cluster.discover()).by_kind("apiextensions.k8s.io", "Thing") is not None
        # Who wants to see them has the one watch there is.
        sink = Sink()
        theirs = cluster.watch(CRDS, sink)
        await await_until(lambda: "listed" in sink.told, 5, "watching")
        await await_until(lambda: server.gone == 1, 5, "ours has ended")
        await cluster.discover()
        assert cluster.requests["WATCH"] == 2
        theirs.close()
        await cluster.discover()
        await await_until(lambda: cluster.requests["WATCH"] == 3, 5, "ours again")


@pytest.mark.usefixtures("at_once")
async def test_who_may_not_watch_definitions_is_not_told_so_for_ever() -> None:
    server = Server()
    server.kinds.append(DEFINITIONS)
    server.forbidden = True
    async with connected(server) as cluster:
        states: list[ClusterState] = []
        await cluster.discover()
        cluster.on_status(lambda status: states.append(status.state))
        await await_until(lambda: cluster.requests["LIST"] == 1, 5, "tried")
        await await_until(lambda: not cluster._watches._running, 5, "given up")
        assert cluster.status.state is ClusterState.LIVE
        assert cluster.requests == {"DISCOVER": 3, "WATCH": 1, "LIST": 1}
        assert ClusterState.FORBIDDEN not in states


async def test_a_command_that_ends_soon_watches_nothing() -> None:
    server = Server()
    server.kinds.append(DEFINITIONS)
    async with connected(server) as cluster:
        await cluster.discover()
        await asyncio.sleep(0)
    assert cluster.requests == {"DISCOVER": 3}


async def test_a_change_is_asked_about_until_it_must_have_settled(monkeypatch: pytest.MonkeyPatch) -> None:
    now = 100.0
    monkeypatch.setattr(served_module, "_PAUSE", 1.0)
    monkeypatch.setattr(served_module, "_SETTLES", 5.0)
    async with connected(Server()) as cluster:
        cluster._served._clock = lambda: now
        await cluster.discover()
        cluster._served.age()
        asked = []
        for at in (100.5, 101.5, 102.0, 104.0, 105.5, 107.0, 200.0):
            now = at
            await cluster.discover()
            asked.append(cluster.requests["DISCOVER"] // 3)
        # Not twice a second, and for the last time after five.
        assert asked == [1, 2, 2, 3, 4, 4, 4]


async def test_what_is_known_lasts_while_the_server_is_away() -> None:
    server = Server()
    async with connected(server) as cluster:
        first = await cluster.discover()
        cluster._served.age()
        server.away = True
        assert await cluster.discover() is first
        await await_until(lambda: cluster.status.state is ClusterState.STALE, 5, "stale")
        asked = cluster.requests["DISCOVER"]
        assert await cluster.discover() is first
        assert cluster.requests["DISCOVER"] == asked, "a server that is away is not asked"
        with pytest.raises(ClusterError):
            await cluster.discover(refresh=True)
        server.away = False
        await await_until(lambda: cluster.status.state is ClusterState.LIVE, 5, "live")
        server.kinds.append(served("things", "Thing"))
        assert (await cluster.discover()).by_kind("apps", "Thing") is not None
