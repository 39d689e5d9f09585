"""The cluster as the engine sees it: what each method asks, and its state while its server comes and goes."""

from __future__ import annotations

import asyncio
import json
import socket
import subprocess
import sys
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest
from aiohttp import web

from backends.kube.cluster import KubeCluster
from fleetui.model.errors import ConflictError, InvalidError, StatusError, UnreachableError
from fleetui.model.objects import ApiResource, Obj
from fleetui.model.status import ClusterState
from fleetui.ports import PatchType
from tests.unit.kube.scripted import (
    Answer,
    Script,
    body,
    bookmark,
    config_map,
    context,
    hanging,
    page,
    serving,
    status,
    whole,
)
from tests.unit.kube.test_informer import Sink
from tests.waiting import await_until

CONFIG_MAPS = ApiResource("", "v1", "ConfigMap", "configmaps", namespaced=True, verbs=frozenset({"list", "watch"}))
ROLES = ApiResource("rbac.authorization.k8s.io", "v1", "ClusterRole", "clusterroles", namespaced=False)
OBJ: Obj = whole({"metadata": {"name": "a", "namespace": "x"}, "data": {"k": "ü\x1b"}})
ANSWER: Obj = {"kind": "ConfigMap", "metadata": {"resourceVersion": "7"}}

Call = Callable[[KubeCluster], Any]


@asynccontextmanager
async def scripted(*answers: Answer, **settings: Any) -> AsyncIterator[tuple[KubeCluster, Script]]:
    script = Script(list(answers))
    async with serving(script) as url:
        cluster = KubeCluster(context(url, **settings))
        try:
            yield cluster, script
        finally:
            await cluster.close()


WRITE = {"fieldManager": "fleetui"}


@pytest.mark.parametrize(
    ("call", "line", "query", "media", "sent"),
    [
        (lambda c: c.get(CONFIG_MAPS, "a", "x"), "GET /api/v1/namespaces/x/configmaps/a", {}, "", None),
        (
            lambda c: c.get(ROLES, "system:a b"),
            "GET /apis/rbac.authorization.k8s.io/v1/clusterroles/system:a%20b",
            {},
            "",
            None,
        ),
        (
            lambda c: c.create(CONFIG_MAPS, OBJ, field_manager="fleetui", dry_run=True),
            "POST /api/v1/namespaces/x/configmaps",
            WRITE | {"dryRun": "All"},
            "application/json",
            OBJ,
        ),
        (
            lambda c: c.apply(CONFIG_MAPS, OBJ, field_manager="fleetui"),
            "PATCH /api/v1/namespaces/x/configmaps/a",
            WRITE | {"force": "true", "fieldValidation": "Strict"},
            "application/apply-patch+yaml",
            OBJ,
        ),
        (
            lambda c: c.apply(
                CONFIG_MAPS, OBJ, field_manager="fleetui", force=False, dry_run=True, validation="Ignore"
            ),
            "PATCH /api/v1/namespaces/x/configmaps/a",
            WRITE | {"force": "false", "fieldValidation": "Ignore", "dryRun": "All"},
            "application/apply-patch+yaml",
            OBJ,
        ),
        (
            lambda c: c.patch(
                CONFIG_MAPS,
                "a",
                "x",
                [{"op": "remove"}],
                kind=PatchType.JSON,
                field_manager="fleetui",
                subresource="status",
            ),
            "PATCH /api/v1/namespaces/x/configmaps/a/status",
            WRITE,
            "application/json-patch+json",
            [{"op": "remove"}],
        ),
        (
            lambda c: c.patch(CONFIG_MAPS, "a", "x", {}, kind=PatchType.MERGE, field_manager="fleetui", dry_run=True),
            "PATCH /api/v1/namespaces/x/configmaps/a",
            WRITE | {"dryRun": "All"},
            "application/merge-patch+json",
            {},
        ),
        (
            lambda c: c.replace(CONFIG_MAPS, OBJ, field_manager="fleetui", subresource="status"),
            "PUT /api/v1/namespaces/x/configmaps/a/status",
            WRITE,
            "application/json",
            OBJ,
        ),
        (
            lambda c: c.delete(CONFIG_MAPS, "a", "x", propagation="Foreground", uid="u-1", dry_run=True),
            "DELETE /api/v1/namespaces/x/configmaps/a",
            {},
            "application/json",
            {
                "kind": "DeleteOptions",
                "apiVersion": "v1",
                "propagationPolicy": "Foreground",
                "preconditions": {"uid": "u-1"},
                "dryRun": ["All"],
            },
        ),
        (
            lambda c: c.delete(CONFIG_MAPS, "a", "x"),
            "DELETE /api/v1/namespaces/x/configmaps/a",
            {},
            "application/json",
            {"kind": "DeleteOptions", "apiVersion": "v1"},
        ),
    ],
)
async def test_each_method_asks_as_kubernetes_wants_it(
    call: Call, line: str, query: dict[str, str], media: str, sent: Any
) -> None:
    async with scripted(body(ANSWER)) as (cluster, script):
        answer = await call(cluster)
    asked = script.asked[0]
    assert answer in (ANSWER, None)
    assert script.lines == [line]
    assert asked.query == query
    assert asked.headers.get("content-type", "") == media
    assert (json.loads(asked.body) if asked.body else None) == sent


@pytest.mark.parametrize(
    ("call", "problem"),
    [
        (lambda c: c.get(CONFIG_MAPS, "", "x"), "a ConfigMap needs a name"),
        (lambda c: c.get(CONFIG_MAPS, "a"), "a ConfigMap needs a namespace"),
        (lambda c: c.create(CONFIG_MAPS, {"metadata": None}, field_manager="f"), "a ConfigMap needs a namespace"),
        (lambda c: c.get(CONFIG_MAPS, "../../secrets/b", "x"), "../../secrets/b is no name"),
        (lambda c: c.delete(ROLES, ".."), ".. is no name"),
        (lambda c: c.list(CONFIG_MAPS, "x/pods"), "x/pods is no namespace"),
    ],
)
async def test_a_name_can_not_lead_elsewhere(call: Call, problem: str) -> None:
    async with scripted() as (cluster, script):
        with pytest.raises(InvalidError, match=problem.replace(".", r"\.")):
            await call(cluster)
        assert script.asked == []


async def test_a_list_whose_token_expires_is_read_in_one_page() -> None:
    first, whole_list = page([config_map("a", "1")], "10", next="m"), page([config_map("b", "2")], "20")
    async with scripted(first, status(410, "Expired"), whole_list) as (cluster, script):
        found = await cluster.list(CONFIG_MAPS, fields="metadata.name!=x")
    assert [obj["metadata"]["name"] for obj in found] == ["b"]
    selected = {"fieldSelector": "metadata.name!=x"}
    limited = selected | {"limit": "500"}
    assert [asked.query for asked in script.asked] == [limited, limited | {"continue": "m"}, selected]


async def test_a_list_is_read_in_pages_and_has_kinds() -> None:
    pages = page([config_map("a", "1")], "10", next="m"), page([config_map("b", "2")], "10")
    async with scripted(*pages) as (cluster, script):
        found = await cluster.list(CONFIG_MAPS, labels="app=x")
        assert found == [whole(config_map("a", "1")), whole(config_map("b", "2"))]
        assert script.asked[1].query == {"limit": "500", "labelSelector": "app=x", "continue": "m"}
        assert cluster.requests == {"LIST": 2}


async def test_an_answer_that_is_no_object_is_an_error() -> None:
    async with scripted(body(b"<html>"), body(b"[]")) as (cluster, _):
        for _ in range(2):
            with pytest.raises(StatusError, match="does not answer the request as a Kubernetes API server does"):
                await cluster.get(ROLES, "a")


async def test_what_is_urgent_is_the_same_cluster_with_a_deadline() -> None:
    async with scripted(body(ANSWER), body(ANSWER), page([], "7"), body(ANSWER)) as (cluster, script):
        urgent = cluster.urgent
        await urgent.get(CONFIG_MAPS, "a", "x")
        await cluster.get(CONFIG_MAPS, "a", "x")
        await urgent.list(CONFIG_MAPS)
        await urgent.urgent.apply(CONFIG_MAPS, OBJ, field_manager="fleetui")
        assert urgent.status is cluster.status
        assert cluster.requests == {"GET": 2, "LIST": 1, "PATCH": 1}
        assert urgent.requests is cluster.requests
        assert len(script.peers) == 1
        # Whoever closes one closes the other.
        await urgent.close()
    assert ["timeout" in asked.query for asked in script.asked] == [True, False, False, True]


async def test_errors_name_the_cluster_as_the_fleet_does() -> None:
    script = Script([status(409, "Conflict", "the object has been modified")])
    async with serving(script) as url:
        cluster = KubeCluster(context(url), name="hub-eu", protected=True)
        with pytest.raises(ConflictError, match="the object has been modified") as caught:
            await cluster.replace(CONFIG_MAPS, OBJ, field_manager="f")
        await cluster.close()
    assert caught.value.cluster == "hub-eu"
    assert (cluster.status.name, cluster.status.protected, cluster.status.server) == ("hub-eu", True, url)


# --- watches and state --------------------------------------------------------------------------------------------


class Flaky:
    """A server of ConfigMaps on one port that can go away and come back."""

    def __init__(self) -> None:
        self.port = 0
        self.lists = 0

    async def __call__(self, request: web.BaseRequest) -> web.StreamResponse:
        if request.path == "/readyz":
            return web.Response(text="ok")
        if "watch" in request.query:
            return await hanging(bookmark("20"))(request)  # type: ignore[arg-type]
        self.lists += 1
        return await page([config_map("a", "1")], "10")(request)  # type: ignore[arg-type]

    @asynccontextmanager
    async def up(self) -> AsyncIterator[str]:
        async with serving(self, port=self.port) as url:
            self.port = int(url.rpartition(":")[2])
            yield url


@asynccontextmanager
async def closing(cluster: KubeCluster) -> AsyncIterator[KubeCluster]:
    try:
        yield cluster
    finally:
        await cluster.close()


async def test_a_server_that_stops_is_stale_at_once_and_live_again_when_it_starts() -> None:
    server, sink, states = Flaky(), Sink(), [ClusterState.CONNECTING]
    async with server.up() as url:
        pass
    cluster = KubeCluster(context(url))
    cluster.on_status(lambda status: None if status.state is states[-1] else states.append(status.state))
    async with closing(cluster):
        async with server.up():
            cluster.watch(CONFIG_MAPS, sink)
            await await_until(lambda: cluster.requests["WATCH"] == 1, 5, "watching")
            await await_until(lambda: cluster.status.state is ClusterState.LIVE, 5, "live")
        await await_until(lambda: cluster.status.state is ClusterState.STALE, 1, "stale")
        await await_until(lambda: "reconnecting in" in cluster.status.message, 5, "it says when it tries again")
        reason = f"{url} refuses connections (is the API server running?); reconnecting in"
        assert cluster.status.message.startswith(reason)
        assert sink.names == ["a"]
        with pytest.raises(UnreachableError):
            await cluster.get(CONFIG_MAPS, "a", "default")
        async with server.up():
            await await_until(lambda: cluster.status.state is ClusterState.LIVE, 4, "live again")
            await await_until(lambda: cluster.requests["WATCH"] >= 3, 4, "watching again")
            assert states == [ClusterState.CONNECTING, ClusterState.LIVE, ClusterState.STALE, ClusterState.LIVE]
            assert server.lists == 1


async def test_a_server_that_was_never_there_is_unreachable() -> None:
    server, sink = Flaky(), Sink()
    async with server.up() as url:
        pass
    async with closing(KubeCluster(context(url))) as cluster:
        cluster.watch(CONFIG_MAPS, sink)
        await await_until(lambda: cluster.status.state is ClusterState.UNREACHABLE, 5, "unreachable")
        async with server.up():
            await await_until(lambda: "listed" in sink.told, 5, "listed")
    assert sink.told == ["listing", "UnreachableError", "listing", "upsert a@1", "listed"]


async def test_a_server_that_is_still_starting_is_told_as_that() -> None:
    async def answer(request: web.BaseRequest) -> web.StreamResponse:
        if request.path == "/readyz":
            return web.Response(status=500, text="[+]ping ok\n[-]etcd failed: reason withheld\n")
        assert request.transport is not None
        request.transport.abort()
        return web.Response()

    async with serving(answer) as url, closing(KubeCluster(context(url))) as cluster:
        cluster.watch(CONFIG_MAPS, Sink())
        await await_until(lambda: "not ready" in cluster.status.message, 5, "not ready")
        assert cluster.status.message.startswith(f"{url} is not ready yet; reconnecting")
        assert cluster.status.state is ClusterState.UNREACHABLE


@pytest.fixture
def impatient(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("backends.kube.link._PATIENCE", 0.05)
    monkeypatch.setattr("backends.kube.cluster._PROBE_TIMEOUT", 0.05)


@pytest.mark.usefixtures("impatient")
@pytest.mark.parametrize("scheme", ["http", "https"])
async def test_a_server_that_accepts_connections_and_never_answers_is_told_as_that(scheme: str) -> None:
    said: list[tuple[ClusterState, str]] = []
    with socket.create_server(("127.0.0.1", 0)) as silent:
        url = f"{scheme}://127.0.0.1:{silent.getsockname()[1]}"
        async with closing(KubeCluster(context(url))) as cluster:
            cluster.on_status(lambda status: said.append((status.state, status.message)))
            cluster.watch(CONFIG_MAPS, Sink())
            await await_until(lambda: "(attempt 4)" in cluster.status.message, 15, "it goes on trying")
            assert cluster.requests["LIST"] == 1
    assert {state for state, _ in said[1:]} == {ClusterState.UNREACHABLE}
    assert said[0] == (ClusterState.CONNECTING, f"no answer from {url} for 0 s")
    assert all(message.startswith(f"no answer from {url} for ") for _, message in said)
    assert len(said) <= 5, "a status for each probe at most"


@pytest.mark.usefixtures("impatient")
@pytest.mark.parametrize("begun", [False, True], ids=["nothing sent", "head sent"])
async def test_a_list_that_is_slow_is_waited_for(begun: bool) -> None:
    go_on, probes = asyncio.Event(), []

    async def answer(request: web.BaseRequest) -> web.StreamResponse:
        if request.path == "/readyz":
            probes.append(request.path)
            return web.Response(text="ok")
        if "watch" in request.query:
            return await hanging(bookmark("20"))(request)  # type: ignore[arg-type]
        response = web.StreamResponse()
        if begun:
            await response.prepare(request)
        await go_on.wait()
        await response.prepare(request)
        await response.write(b'{"metadata": {"resourceVersion": "10"}, "items": []}')
        return response

    sink = Sink()
    async with serving(answer) as url, closing(KubeCluster(context(url))) as cluster:
        cluster.watch(CONFIG_MAPS, sink)
        await await_until(lambda: cluster.status.state is ClusterState.LIVE, 5, "it answers")
        assert begun or probes
        assert sink.told == ["listing"]
        go_on.set()
        await await_until(lambda: "listed" in sink.told, 5, "listed")
        assert cluster.requests["LIST"] == 1


async def test_a_closed_watch_leaves_the_server_alone() -> None:
    gone = []

    async def answer(request: web.BaseRequest) -> web.StreamResponse:
        if "watch" not in request.query:
            return await page([], "1")(request)  # type: ignore[arg-type]
        try:
            return await hanging(bookmark("2"))(request)  # type: ignore[arg-type]
        finally:
            gone.append(request.path)

    async with serving(answer) as url:
        cluster = KubeCluster(context(url))
        subscription = cluster.watch(CONFIG_MAPS, Sink())
        await await_until(lambda: cluster.requests["WATCH"], 5, "watching")
        subscription.close()
        subscription.close()
        await await_until(lambda: gone, 5, "the connection has ended")
        await cluster.close()
    assert cluster.requests == {"LIST": 1, "WATCH": 1}


@pytest.mark.parametrize("begun", [False, True], ids=["nothing sent", "head sent"])
async def test_a_cluster_that_is_closed_while_it_is_asked_fails_at_once_and_asks_nothing_more(begun: bool) -> None:
    asked: list[str] = []

    async def answer(request: web.BaseRequest) -> web.StreamResponse:
        asked.append(request.path)
        if begun:
            return await hanging(b"{")(request)  # type: ignore[arg-type]
        await asyncio.Event().wait()
        raise AssertionError

    async with serving(answer) as url:
        cluster, tasks = KubeCluster(context(url)), asyncio.all_tasks()
        asking = asyncio.ensure_future(cluster.list(CONFIG_MAPS))
        state = ClusterState.LIVE if begun else ClusterState.CONNECTING
        await await_until(lambda: asked and cluster.status.state is state, 5, "asked")
        await cluster.close()
        with pytest.raises(UnreachableError, match="prod is not reached in this way any more"):
            await asyncio.wait_for(asking, 5)
        assert not [task.get_name() for task in asyncio.all_tasks() - tasks if task.get_name().startswith("probe")]
    assert len(asked) == 1


async def test_a_cluster_that_is_closed_is_neither_asked_nor_watched_any_more() -> None:
    async with scripted() as (cluster, script):
        view, sink = cluster.urgent, Sink()
        await cluster.close()
        for again in (cluster, view):
            with pytest.raises(UnreachableError, match="prod is not reached in this way any more"):
                await again.get(CONFIG_MAPS, "a", "x")
        cluster.watch(CONFIG_MAPS, sink)
        await await_until(lambda: sink.errors, 5, "told")
        assert str(sink.errors[0]).startswith("prod is not reached in this way any more")
        assert script.asked == []


async def test_a_resource_without_watch_is_told_so() -> None:
    async with scripted() as (cluster, script):
        sink = Sink()
        metrics = ApiResource(
            "metrics.k8s.io", "v1", "PodMetrics", "pods", namespaced=True, verbs=frozenset({"get", "list"})
        )
        cluster.watch(metrics, sink)
        await await_until(lambda: sink.errors, 5, "told")
        assert str(sink.errors[0]) == "pods.metrics.k8s.io can't be watched"
        assert script.asked == []


def test_importing_and_making_a_cluster_loads_no_network_stack() -> None:
    code = """
import sys
from backends.kube.cluster import KubeCluster
from backends.kube.kubeconfig import ContextConfig
KubeCluster(ContextConfig(name="a", server="https://b"))
print(sorted({"aiohttp", "kubernetes", "yaml", "textual"} & set(sys.modules)))
"""
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"


def test_a_request_loads_nothing_of_the_kubernetes_package() -> None:
    code = """
import sys
import backends.kube.transport, backends.kube.informer, backends.kube.discovery
print("kubernetes" in sys.modules)
"""
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "False"


async def test_a_login_that_the_operator_renews_is_tried_at_once(tmp_path: Path) -> None:
    token = tmp_path / "token"
    token.write_text("old")

    async def answer(request: web.BaseRequest) -> web.StreamResponse:
        if request.headers["Authorization"] != "Bearer new":
            return web.json_response({"kind": "Status", "code": 401, "message": "Unauthorized"}, status=401)
        return web.Response(text="ok")

    async with serving(answer) as url, closing(KubeCluster(context(url, token_file=token))) as cluster:
        sink = Sink()
        cluster.watch(CONFIG_MAPS, sink)
        await await_until(lambda: "(attempt 1)" in cluster.status.message, 5, "waiting to probe again")
        assert cluster.status.state is ClusterState.UNAUTHORIZED
        token.write_text("new")
        await cluster.login()
        await await_until(lambda: cluster.status.state is ClusterState.LIVE, 2, "live")


def test_a_server_whose_certificate_is_not_checked_is_known_by_it() -> None:
    assert KubeCluster(context("https://x", insecure=True)).status.insecure
    assert not KubeCluster(context("https://x")).status.insecure


async def test_a_context_that_can_t_be_used_is_a_state_and_costs_nothing() -> None:
    unusable = context("", problem="~/.kube/config: user jane: exec: command is missing")
    async with closing(KubeCluster(unusable)) as cluster:
        told = (ClusterState.UNREACHABLE, "~/.kube/config: user jane: exec: command is missing")
        assert (cluster.status.state, cluster.status.message) == told
        sink = Sink()
        cluster.watch(CONFIG_MAPS, sink)
        await await_until(lambda: "UnreachableError" in sink.told, 5, "told")
        for asking in (cluster.get(CONFIG_MAPS, "a", "x"), cluster.discover(), cluster.login()):
            with pytest.raises(UnreachableError, match="user jane: exec: command is missing"):
                await asking
        assert (cluster.status.state, cluster.status.message) == told
        assert cluster.requests == {}
