"""The head start of the console: the page is used once, and whatever is wrong with it costs nothing."""

from __future__ import annotations

import os
import socket
import time
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from backends.argocd import ArgoDialect
from backends.kube import firstlook, firstlook_child, reading
from backends.kube.cluster import KubeCluster
from backends.kube.context import ContextConfig, ExecPlugin, Impersonation
from fleetui.cli.console import APPLICATIONS
from fleetui.model.status import ClusterState
from tests.unit.kube.scripted import (
    PEM,
    Answer,
    Script,
    body,
    config_map,
    context,
    dropped,
    hanging,
    page,
    server_tls,
    serving,
    status,
    zipped,
)
from tests.unit.kube.test_informer import CONFIG_MAPS, Sink
from tests.waiting import await_until

PATH = CONFIG_MAPS.path("")
QUERY = {"limit": "500"}
LIST = {"metadata": {"resourceVersion": "7"}, "items": [config_map("a", "5")]}


@pytest.fixture(autouse=True)
def patience(monkeypatch: pytest.MonkeyPatch) -> None:
    """A loaded machine may take longer to start a process than the console would wait."""
    monkeypatch.setattr(firstlook, "LATE", 30.0)


@contextmanager
def looking(*contexts: ContextConfig) -> Iterator[firstlook.FirstLook]:
    look = firstlook.begin(contexts, PATH, env={})
    assert look is not None
    try:
        yield look
    finally:
        look.close()


def is_gone(pid: int) -> bool:
    """Whether there is no such process; one that nobody has buried still counts."""
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return True
    return False


async def shown(look: firstlook.FirstLook, config: ContextConfig, requests: Counter[str], *, version: str = "") -> Sink:
    """What a watch of `config`, whose server may be known already, tells its sink until it has listed."""
    cluster, sink = KubeCluster(config, first_look=look), Sink()
    cluster._link.served(version)
    watch = cluster.watch(CONFIG_MAPS, sink)
    await await_until(lambda: "listed" in sink.told, 10, "it is listed")
    watch.close()
    await cluster.close()
    requests.update(cluster.requests)
    return sink


def test_what_is_looked_at_is_what_the_informer_asks_first() -> None:
    assert ArgoDialect.app_resource.path("") == APPLICATIONS
    assert firstlook.LIMIT == reading.PAGE
    assert (firstlook.HEAD.format, firstlook.FAILED, firstlook.PLAIN, firstlook.GZIP) == (
        firstlook_child.HEAD.format,
        firstlook_child.FAILED,
        firstlook_child.PLAIN,
        firstlook_child.GZIP,
    )


@pytest.mark.parametrize("version", ["", "v1.37.2"], ids=["unknown", "one that streams"])
@pytest.mark.parametrize("answer", [pytest.param(body(LIST), id="plain"), pytest.param(zipped(LIST), id="gzip")])
async def test_the_page_stands_for_the_first_request_and_for_no_other(answer: Answer, version: str) -> None:
    script = Script([answer, hanging()])
    async with serving(script) as server:
        with looking(context(server, token="t0ken")) as look:
            await await_until(lambda: len(script.asked) == 1, 10, "the first look asks")
            requests: Counter[str] = Counter()
            sink = await shown(look, context(server, token="t0ken"), requests, version=version)
            assert await look.page("prod", PATH, QUERY) is None
    assert sink.told[:3] == ["listing", "upsert a@5", "listed"]
    assert requests["LIST"] == 1
    first, *others = script.asked
    assert (first.path, first.query, first.headers["authorization"]) == (PATH, {"limit": "100"}, "Bearer t0ken")
    assert all("watch" in asked.query for asked in others)


async def test_another_request_is_not_answered_by_it() -> None:
    async with serving(Script([body(LIST)])) as server:
        with looking(context(server)) as look:
            assert await look.page("prod", PATH, {"limit": "500", "labelSelector": "a=b"}) is None
            assert await look.page("prod", "/api/v1/secrets", QUERY) is None
            assert await look.page("test", PATH, QUERY) is None
            assert await look.page("prod", PATH, QUERY) is not None


@pytest.mark.parametrize(
    "answer",
    [
        pytest.param(status(403, "Forbidden"), id="forbidden"),
        pytest.param(dropped(), id="cut"),
        pytest.param(body(LIST, headers={"Content-Encoding": "br"}), id="an encoding nobody asked for"),
        pytest.param(body(b"no gzip", headers={"Content-Encoding": "gzip"}), id="a body that is not what it says"),
        pytest.param(body(b"", status=302, headers={"Location": "http://127.0.0.1:1/"}), id="sent elsewhere"),
    ],
)
async def test_what_went_wrong_is_asked_again_in_the_ordinary_way(answer: Answer) -> None:
    script = Script([answer, page([config_map("b", "6")], "8"), hanging()])
    async with serving(script) as server:
        with looking(context(server)) as look:
            await await_until(lambda: len(script.asked) == 1, 10, "the first look asks")
            sink = await shown(look, context(server), Counter())
    assert sink.told[:3] == ["listing", "upsert b@6", "listed"]
    assert sink.errors == []


@pytest.mark.parametrize(
    ("answer", "understood"),
    [
        pytest.param(b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\n{}", (1, b"{}"), id="whole"),
        pytest.param(b"HTTP/1.1 200 OK\r\nContent-Length: 3\r\n\r\n{}", (0, b""), id="cut"),
        pytest.param(b"HTTP/1.1 200 OK\r\n\r\n{}", (0, b""), id="of no known length"),
        pytest.param(b"HTTP/1.1 500 Oh\r\nContent-Length: 2\r\n\r\n{}", (0, b""), id="failed"),
        pytest.param(b"SSH-2.0-OpenSSH_9.2\r\n", (0, b""), id="another protocol"),
        pytest.param(b"", (0, b""), id="nothing"),
        pytest.param(
            b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\nContent-Encoding: gzip\r\n\r\n"
            b"3\r\nabc\r\n1;x=y\r\nd\r\n0\r\n\r\n",
            (2, b"abcd"),
            id="chunks",
        ),
    ],
)
def test_an_answer_counts_only_where_it_is_whole(answer: bytes, understood: tuple[int, bytes]) -> None:
    assert firstlook_child.understood(answer) == understood


@pytest.mark.parametrize("body", [b"", b"3\r\nab", b"3\r\nabc\r\n", b"x\r\n"])
def test_chunks_that_do_not_end_are_no_answer(body: bytes) -> None:
    with pytest.raises(ValueError, match=r"cut|not found|invalid literal"):
        firstlook_child.unchunked(body)


async def test_an_answer_that_is_late_is_not_waited_for(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(firstlook, "LATE", 0.05)
    script = Script([hanging(), page([config_map("b", "6")], "8"), hanging()])
    async with serving(script) as server:
        with looking(context(server)) as look:
            await await_until(lambda: len(script.asked) == 1, 10, "the first look asks")
            sink = await shown(look, context(server), Counter())
            assert sink.told[1] == "upsert b@6"
            await await_until(lambda: is_gone(look.pid), 10, "the other process is gone")


async def test_a_server_that_never_answers_is_told_while_the_look_is_still_on_its_way(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr("backends.kube.link._PATIENCE", 0.05)
    monkeypatch.setattr("backends.kube.cluster._PROBE_TIMEOUT", 0.05)
    with socket.create_server(("127.0.0.1", 0)) as silent:
        config = context(f"http://127.0.0.1:{silent.getsockname()[1]}")
        with looking(config) as look:
            cluster = KubeCluster(config, first_look=look)
            cluster.watch(CONFIG_MAPS, Sink())
            await await_until(lambda: cluster.status.state is ClusterState.UNREACHABLE, 10, "it is told")
            assert cluster.status.message.startswith(f"no answer from {config.server} for ")
            assert cluster.requests["LIST"] == 0
            await cluster.close()


async def test_a_server_that_is_down_delays_nobody() -> None:
    async with serving(Script()) as server:
        pass
    with looking(context(server)) as look:
        began = time.monotonic()
        assert await look.page("prod", PATH, QUERY) is None
        assert time.monotonic() - began < firstlook.LATE
        await await_until(lambda: is_gone(look.pid), 10, "the other process is gone")


async def test_several_clusters_are_asked_at_once() -> None:
    async with serving(Script([body(LIST)])) as one, serving(Script([dropped()])) as two:
        with looking(context(one, name="one"), context(two, name="two")) as look:
            assert await look.page("two", PATH, QUERY) is None
            assert await look.page("one", PATH, QUERY) is not None


def key_pair(load: Callable[[Path], Path | bytes]) -> dict[str, Path | bytes]:
    return {"client_cert": load(PEM / "client.crt"), "client_key": load(PEM / "client.key")}


@pytest.mark.parametrize("load", [pytest.param(Path, id="files"), pytest.param(Path.read_bytes, id="data")])
async def test_a_client_certificate_is_shown(load: Callable[[Path], Path | bytes]) -> None:
    script = Script([body(LIST)])
    async with serving(script, tls=server_tls(client_ca=True)) as server:
        with looking(context(server, ca=load(PEM / "ca.crt"), **key_pair(load))) as look:
            assert await look.page("prod", PATH, QUERY) is not None
    assert script.asked[0].peer


async def test_a_server_that_nobody_vouches_for_is_told_nothing() -> None:
    script = Script([body(LIST)])
    async with serving(script, tls=server_tls()) as server:
        with looking(context(server, token="t0ken")) as look:
            assert await look.page("prod", PATH, QUERY) is None
    assert script.asked == []


async def test_a_token_is_read_from_its_file(tmp_path: Path) -> None:
    (tmp_path / "token").write_text("fresh\n")
    script = Script([body(LIST)])
    async with serving(script) as server:
        with looking(context(server, token="old", token_file=tmp_path / "token")) as look:
            assert await look.page("prod", PATH, QUERY) is not None
    assert script.asked[0].headers["authorization"] == "Bearer fresh"


@pytest.mark.skipif(not Path("/proc/self/environ").exists(), reason="needs /proc")
async def test_no_secret_stands_where_others_may_read_it() -> None:
    async with serving(Script([hanging()])) as server:
        with looking(context(server, token="t0ken")) as look:
            process = Path(f"/proc/{look.pid}")
            assert b"t0ken" not in process.joinpath("cmdline").read_bytes()
            assert b"t0ken" not in process.joinpath("environ").read_bytes()


@pytest.mark.parametrize(
    ("settings", "env"),
    [
        pytest.param({"exec": ExecPlugin("aws", "client.authentication.k8s.io/v1")}, {}, id="plugin"),
        pytest.param({"auth_provider": {"name": "oidc"}}, {}, id="auth provider"),
        pytest.param({"impersonate": Impersonation("ann")}, {}, id="impersonation"),
        pytest.param({"proxy_url": "http://proxy.example.com:3128"}, {}, id="proxy of the context"),
        pytest.param({}, {"HTTPS_PROXY": "http://proxy.example.com:3128"}, id="proxy of the environment"),
    ],
)
def test_logins_that_need_more_are_left_alone(settings: dict[str, object], env: dict[str, str]) -> None:
    assert firstlook.begin([context("https://10.0.0.1:6443", **settings)], PATH, env=env) is None


async def test_nothing_is_left_when_it_is_closed_before_an_answer() -> None:
    script = Script([hanging()])
    async with serving(script) as server:
        with looking(context(server)) as look:
            await await_until(lambda: len(script.asked) == 1, 10, "the first look asks")
        assert is_gone(look.pid)
        assert await look.page("prod", PATH, QUERY) is None


def test_the_other_process_ends_with_stdin() -> None:
    """As when its parent is killed: no signal reaches it then."""
    look = firstlook.begin([context("http://192.0.2.1:80")], PATH, env={})
    assert look is not None
    stdin = look._process.stdin
    assert stdin is not None
    stdin.close()
    assert look._process.wait(timeout=10) == 0
    look.close()
