"""Logins that end while they are used: tokens, plugins and certificates, and what the operator is told meanwhile."""

from __future__ import annotations

import dataclasses
import json
import subprocess
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest

from backends.embedded.cluster import EmbeddedCluster
from backends.kube import credentials, execplugin
from backends.kube.cluster import KubeCluster
from backends.kube.context import ContextConfig
from backends.kube.kubeconfig import load
from fleetui.model.errors import UnauthorizedError
from fleetui.model.status import ClusterState
from tests.controlplane.server import ControlPlane
from tests.e2e.embedded_plane import EmbeddedPlane
from tests.e2e.story import settings
from tests.e2e.test_kube_cluster import CONFIG_MAPS, Names, config_map
from tests.terminal import Terminal
from tests.unit.kube.plugin import plugin, runs
from tests.unit.kube.test_plugins import is_running
from tests.waiting import await_until, wait_until

ADMIN = "kubernetes-admin"


@asynccontextmanager
async def embedded(name: str = "hub") -> AsyncIterator[EmbeddedCluster]:
    cluster = EmbeddedCluster(name, anonymous=False)
    await cluster.start()
    try:
        yield cluster
    finally:
        await cluster.stop()


@asynccontextmanager
async def connected(context: ContextConfig) -> AsyncIterator[tuple[KubeCluster, Names]]:
    """A cluster of which ConfigMaps are watched."""
    cluster, seen = KubeCluster(context), Names()
    cluster.watch(CONFIG_MAPS, seen, namespace="default")
    try:
        yield cluster, seen
    finally:
        await cluster.close()


async def made(server: EmbeddedCluster, name: str) -> None:
    server.store.create(config_map("default", name), manager="test")


async def until_watching(server: EmbeddedCluster, seen: Names) -> None:
    """What came after the list has come by the watch."""
    await await_until(lambda: seen.complete, 10, "listed")
    await made(server, "first")
    await await_until(lambda: "first" in seen.present, 10, "watched")


def replace_token(server: EmbeddedCluster, old: str, new: str) -> None:
    server.tokens[new] = server.tokens.pop(old)


@pytest.mark.parametrize("by", ["token file", "plugin"])
async def test_a_token_that_ends_mid_watch_costs_no_event(tmp_path: Path, by: str) -> None:
    file = tmp_path / "token"
    async with embedded() as server:
        file.write_text(server.token)
        context = ContextConfig("hub", server.url, token_file=file)
        if by == "plugin":
            given = plugin(tmp_path, f"out(token=open({str(file)!r}).read())")
            context = dataclasses.replace(context, token_file=None, exec=given)
        async with connected(context) as (cluster, seen):
            await until_watching(server, seen)
            replace_token(server, server.token, "second")
            await made(server, "while-open")
            await await_until(lambda: "while-open" in seen.present, 10, "the open watch goes on")
            file.write_text("second")
            await server.stop()
            await made(server, "while-cut")
            await server.start()
            await await_until(lambda: "while-cut" in seen.present, 20, "resumed with the new token")
            await await_until(lambda: cluster.status.state is ClusterState.LIVE, 10, "live")
            assert seen.listings == 1
            if by == "plugin":
                assert len(runs(tmp_path)) == 2


async def test_a_login_that_ends_for_good_is_told_and_comes_back_with_another(tmp_path: Path) -> None:
    file = tmp_path / "token"
    async with embedded() as server:
        file.write_text(server.token)
        async with connected(ContextConfig("hub", server.url, token_file=file)) as (cluster, seen):
            await until_watching(server, seen)
            replace_token(server, server.token, "second")
            await server.stop()
            await server.start()
            await await_until(lambda: cluster.status.state is ClusterState.UNAUTHORIZED, 20, "login expired")
            assert cluster.status.message.startswith("the API server refuses the login: Unauthorized")
            await made(server, "while-away")
            file.write_text("second")
            await cluster.login()
            await await_until(lambda: "while-away" in seen.present, 10, "resumed")
            assert seen.listings == 1


async def test_a_plugin_that_hangs_is_its_clusters_state_and_nobody_elses(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(execplugin, "TIMEOUT", 2.0)
    monkeypatch.setattr(credentials, "_PATIENCE", 0.1)
    hangs = plugin(tmp_path, "import time; time.sleep(600)")
    async with embedded("one") as one, embedded("two") as two:
        good = ContextConfig("good", two.url, token=two.token)
        async with connected(ContextConfig("bad", one.url, user="jane", exec=hangs)) as (bad, nothing):
            async with connected(good) as (fine, seen):
                await await_until(lambda: seen.complete, 10, "listed")
                slow = "the plugin kubelogin has not given a login for 0.1 s"
                await await_until(lambda: bad.status.message == slow, 10, "told that it is slow")
                assert bad.status.state is ClusterState.CONNECTING
                assert fine.status.state is ClusterState.LIVE
            await await_until(lambda: bad.status.state is ClusterState.UNAUTHORIZED, 20, "told")
            message = "no login for jane: the plugin kubelogin did not end within 2 s"
            assert bad.status.message.startswith(message)
            assert not nothing.complete
            assert "LIST" not in bad.requests
            # Mended: the operator asks for a login, and everything goes on.
            plugin(tmp_path, f"out(token={one.token!r})")
            await bad.login()
            await await_until(lambda: nothing.complete, 10, "listed")


@pytest.mark.real
async def test_a_client_certificate_that_rotates_is_used_for_the_next_request(
    control_plane: ControlPlane, namespace: str, tmp_path: Path
) -> None:
    given = load([control_plane.kubeconfig("cert")]).context()
    assert isinstance(given.client_cert, bytes)
    assert isinstance(given.client_key, bytes)
    cert, key = tmp_path / "client.crt", tmp_path / "client.key"
    cert.write_bytes(given.client_cert)
    key.write_bytes(given.client_key)
    cluster, seen = KubeCluster(dataclasses.replace(given, client_cert=cert, client_key=key)), Names()
    try:
        cluster.watch(CONFIG_MAPS, seen, namespace=namespace)
        await await_until(lambda: seen.complete, 10, "listed")
        await cluster.create(CONFIG_MAPS, config_map(namespace, "first"), field_manager="t")
        await await_until(lambda: "first" in seen.present, 10, "watched")
        cert.write_text("ended")
        with pytest.raises(UnauthorizedError, match=r"client\.crt\) is not usable with its key"):
            await cluster.list(CONFIG_MAPS, namespace)
        await await_until(lambda: cluster.status.state is ClusterState.UNAUTHORIZED, 10, "told")
        cert.write_bytes(given.client_cert)
        await cluster.create(CONFIG_MAPS, config_map(namespace, "rotated"), field_manager="t")
        await await_until(lambda: "rotated" in seen.present, 20, "the watch goes on")
        assert seen.listings == 1
    finally:
        await cluster.close()


@pytest.mark.real
async def test_a_plugins_token_that_the_server_refuses_is_renewed(
    control_plane: ControlPlane, namespace: str, tmp_path: Path
) -> None:
    file = tmp_path / "token"
    file.write_text("ended")
    code = f"token = open({str(file)!r}).read(); open({str(file)!r}, 'w').write({control_plane.admin_token!r})"
    given = load([control_plane.kubeconfig("admin")]).context()
    exec_plugin = plugin(tmp_path, f"{code}; out(token=token)")
    cluster = KubeCluster(dataclasses.replace(given, token="", exec=exec_plugin))
    try:
        assert isinstance(await cluster.list(CONFIG_MAPS, namespace), list)
        assert len(runs(tmp_path)) == 2
    finally:
        await cluster.close()


def kubeconfig(folder: Path, url: str, **user: object) -> Path:
    file = folder / "kubeconfig"
    content = {
        "current-context": "hub",
        "clusters": [{"name": "c", "cluster": {"server": url}}],
        "contexts": [{"name": "hub", "context": {"cluster": "c", "user": "jane"}}],
        "users": [{"name": "jane", "user": user}],
    }
    file.write_text(json.dumps(content))
    return file


def test_fleetui_login_lends_the_plugin_its_terminal(embedded_plane: EmbeddedPlane, tmp_path: Path) -> None:
    given = load([embedded_plane.kubeconfig()]).context()
    asks = plugin(tmp_path, "print('Password:', end=' ', file=sys.stderr, flush=True)\nout(token=input())")
    exec_plugin = {"command": asks.command, "apiVersion": asks.api_version, "interactiveMode": "Always"}
    file = kubeconfig(tmp_path, given.server, exec=exec_plugin)
    command = [sys.executable, "-m", "fleetui", "login", "--kubeconfig", str(file), "hub"]
    with Terminal(command, columns=100, environment=settings() | {"HOME": str(tmp_path)}) as terminal:
        terminal.wait_for("Password:")
        assert runs(tmp_path) == [{"interactive": True}]
        terminal.send(f"{given.token}\r")
        terminal.wait_for(f"logged in to hub ({given.server}) as {ADMIN}")
        assert terminal.exit_status() == 0


def test_fleetui_login_ends_with_its_plugin_when_the_operator_gives_up(
    embedded_plane: EmbeddedPlane, tmp_path: Path
) -> None:
    given = load([embedded_plane.kubeconfig()]).context()
    code = f"""
import signal
signal.signal(signal.SIGINT, signal.SIG_IGN)
with open({str(tmp_path / "pid")!r}, "w") as file: print(os.getpid(), file=file)
print("Password:", end=" ", file=sys.stderr, flush=True)
input()
"""
    asks = plugin(tmp_path, code)
    exec_plugin = {"command": asks.command, "apiVersion": asks.api_version, "interactiveMode": "Always"}
    file = kubeconfig(tmp_path, given.server, exec=exec_plugin)
    command = [sys.executable, "-m", "fleetui", "login", "--kubeconfig", str(file)]
    with Terminal(command, columns=100, environment=settings() | {"HOME": str(tmp_path)}) as terminal:
        terminal.wait_for("Password:")
        terminal.send("\x03")
        assert terminal.exit_status() == 130
        assert "Traceback" not in terminal.text
    wait_until(lambda: not is_running(int((tmp_path / "pid").read_text())), 5, "the plugin is gone too")


def test_fleetui_login_says_why_there_is_none(embedded_plane: EmbeddedPlane, tmp_path: Path) -> None:
    given = load([embedded_plane.kubeconfig()]).context()
    for user, sentence, status in (
        ({"token": given.token}, "fleetui: the kubeconfig gives jane a fixed login, which fleetui can't renew", 5),
        ({"exec": {"command": "false", "apiVersion": "client.authentication.k8s.io/v1beta1"}}, "false failed (1)", 1),
    ):
        file = kubeconfig(tmp_path, given.server, **user)
        done = fleetui("login", "--kubeconfig", str(file), home=tmp_path)
        assert sentence in done.stderr
        assert (done.returncode, done.stdout, done.stderr.count("\n")) == (status, "", 1)


def fleetui(*arguments: str, home: Path) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "fleetui", *arguments]
    environment = settings() | {"HOME": str(home)}
    return subprocess.run(
        command, stdin=subprocess.DEVNULL, capture_output=True, text=True, env=environment, timeout=60, check=False
    )


def test_all_contexts_with_one_that_can_t_be_used_shows_the_others(
    embedded_plane: EmbeddedPlane, tmp_path: Path
) -> None:
    content = json.loads(embedded_plane.kubeconfig().read_text())
    content["users"].append({"name": "broken", "user": {"exec": {"command": ""}}})
    cluster = content["contexts"][0]["context"]["cluster"]
    content["contexts"].append({"name": "broken", "context": {"cluster": cluster, "user": "broken"}})
    file = tmp_path / "kubeconfig"
    file.write_text(json.dumps(content))
    done = fleetui("get", "clusters", "--all-contexts", "--kubeconfig", str(file), "-o", "json", home=tmp_path)
    shown = {entry["name"]: entry for entry in json.loads(done.stdout)}
    assert shown["broken"]["state"] == "unreachable"
    assert shown["broken"]["message"].endswith("user broken: exec: command is missing")
    assert shown["embedded"]["state"] == "live"
