"""`fleetui logs`, `exec` and `port-forward` against an embedded server: what they print, and what they exit with."""

from __future__ import annotations

import base64
import json
import os
import pty
import select
import signal
import socket
import subprocess
import sys
import termios
import urllib.request
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from backends.embedded.cluster import EmbeddedCluster
from backends.embedded.thread import EmbeddedHost
from tests.contract.podplaces import EmbeddedPlace, RealPlace, connected, echoing, start_pod
from tests.contract.test_kubectl_pods import MANIFEST
from tests.controlplane.node import LocalNode
from tests.controlplane.server import ControlPlane
from tests.e2e.story import settings
from tests.waiting import wait_until

TIMEOUT = 30.0
Fleetui = Callable[..., subprocess.CompletedProcess[bytes]]


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Iterator[EmbeddedPlace]:
    import yaml

    place = EmbeddedPlace(tmp_path_factory.mktemp("place"), "shop")
    documents = list(yaml.safe_load_all(MANIFEST))
    for document in documents:
        document["metadata"]["namespace"] = "shop"
        place.create(document)
    wait_until(lambda: place.is_running("shell"), TIMEOUT, "the Pods run")
    place.logged("shell")
    yield place
    place.close()


@pytest.fixture
def environment(place: EmbeddedPlace, tmp_path: Path) -> dict[str, str]:
    folders = {"HOME": tmp_path, "XDG_STATE_HOME": tmp_path / "state", "XDG_CONFIG_HOME": tmp_path / "config"}
    return settings() | {key: str(value) for key, value in folders.items()} | {"KUBECONFIG": str(place.kubeconfig)}


@pytest.fixture
def fleetui(environment: dict[str, str]) -> Fleetui:
    def run(*arguments: str, given: bytes = b"") -> subprocess.CompletedProcess[bytes]:
        command = [sys.executable, "-m", "fleetui", *arguments]
        return subprocess.run(command, input=given, capture_output=True, env=environment, timeout=60, check=False)

    return run


@pytest.fixture
def audit(environment: dict[str, str]) -> Callable[[], list[dict[str, Any]]]:
    """The audit log, line by line."""
    path = Path(environment["XDG_STATE_HOME"]) / "fleetui" / "audit.jsonl"
    return lambda: [json.loads(line) for line in path.read_text().splitlines()] if path.exists() else []


def start(environment: dict[str, str], *arguments: str, **streams: Any) -> subprocess.Popen[bytes]:
    return subprocess.Popen([sys.executable, "-m", "fleetui", *arguments], env=environment, **streams)


def test_logs_are_bytes_for_a_pipe(fleetui: Fleetui) -> None:
    whole = fleetui("logs", "shop/shell")
    assert (whole.returncode, whole.stderr) == (0, b"")
    assert whole.stdout.startswith(b"starting main from registry.example.com/shell:1\n")
    tail = fleetui("logs", "pods/shop/shell", "--tail", "2", "--timestamps")
    assert len(tail.stdout.splitlines()) == 2
    assert tail.stdout.startswith(b"20")
    assert b"fatal" in fleetui("logs", "-n", "shop", "broken", "--previous").stdout
    assert fleetui("logs", "shop/shell", "--since", "1s").stdout.count(b"\n") <= 1


def test_a_log_that_nobody_reads_any_more_is_no_error(environment: dict[str, str], place: EmbeddedPlace) -> None:
    streams = {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE}
    following = start(environment, "logs", "-f", "shop/shell", **streams)
    assert following.stdout is not None
    assert following.stderr is not None
    assert following.stdout.readline()
    following.stdout.close()

    def ended() -> bool:
        place.write("shell")
        return following.poll() is not None

    wait_until(ended, TIMEOUT, "it notices")
    assert (following.returncode, following.stderr.read()) == (0, b"")
    following.stderr.close()


def test_logs_that_are_not_there(fleetui: Fleetui) -> None:
    absent = fleetui("logs", "shop/absent")
    assert (absent.returncode, absent.stdout) == (3, b"")
    assert b'pods "absent" not found, in the namespace ' in absent.stderr
    wrong = fleetui("logs", "shop/shell", "-c", "other")
    assert (wrong.returncode, wrong.stderr) == (1, b"fleetui: container other is not valid for pod shell\n")
    assert fleetui("logs", "shop//shell").returncode == 2


def test_exec_has_the_commands_outputs_and_its_status(fleetui: Fleetui, audit: Callable[[], list[Any]]) -> None:
    done = fleetui("exec", "shop/shell", "--", "sh", "-c", "echo out; echo err >&2; exit 7")
    assert (done.returncode, done.stdout, done.stderr) == (7, b"out\n", b"err\n")
    data = bytes(range(256)) * 4096
    piped = fleetui("exec", "-i", "shop/shell", "--", "cat", given=data)
    assert (piped.returncode, piped.stdout) == (0, data)
    record = audit()[0]
    assert (record["action"], record["cluster"], record["ending"]) == ("exec", "pods", "accepted")
    assert (record["resources"], record["message"]) == (["Pod shop/shell"], "sh")


def test_exec_is_refused_where_nothing_may_be_changed(fleetui: Fleetui, audit: Callable[[], list[Any]]) -> None:
    done = fleetui("--read-only", "exec", "shop/shell", "--", "ls")
    assert (done.returncode, done.stdout) == (5, b"")
    assert done.stderr == b"fleetui: this console is read-only (--read-only)\n"
    assert [record["ending"] for record in audit()] == ["refused"]


def test_exec_on_a_protected_cluster_wants_its_name(environment: dict[str, str], fleetui: Fleetui) -> None:
    folder = Path(environment["XDG_CONFIG_HOME"]) / "fleetui"
    folder.mkdir(parents=True)
    (folder / "config.yaml").write_text("protected: [pods]\n")
    refused = fleetui("exec", "shop/shell", "--", "hostname")
    assert (refused.returncode, refused.stdout) == (5, b"")
    assert b"cluster pods is protected: nothing was done (--yes pods confirms)" in refused.stderr
    assert fleetui("exec", "--yes", "pods", "shop/shell", "--", "hostname").stdout == b"shell\n"


def test_what_can_not_be_run(fleetui: Fleetui) -> None:
    done = fleetui("exec", "shop/shell", "--", "nosuch")
    assert done.returncode == 1
    assert b'exec: "nosuch": executable file not found in $PATH\n' in done.stderr
    assert b"Traceback" not in done.stderr


def test_a_shell_at_a_terminal_which_is_given_back(environment: dict[str, str]) -> None:
    ours, theirs = pty.openpty()
    before = termios.tcgetattr(theirs)
    termios.tcsetwinsize(theirs, (33, 111))  # type: ignore[attr-defined, unused-ignore]
    shell = start(environment, "exec", "-it", "shop/shell", "--", "sh", stdin=theirs, stdout=theirs, stderr=theirs)
    seen = bytearray()

    def shows(text: bytes) -> bool:
        while select.select([ours], [], [], 0)[0]:
            seen.extend(os.read(ours, 65536))
        return text in seen

    try:
        wait_until(lambda: shows(b"/ # "), TIMEOUT, "the shell asks")
        os.write(ours, b"stty size\r")
        wait_until(lambda: shows(b"33 111"), TIMEOUT, "it knows its size")
        os.write(ours, b"sleep 1000\r")
        wait_until(lambda: shows(b"sleep 1000\r\n"), TIMEOUT, "it sleeps")
        os.write(ours, b"\x03")
        wait_until(lambda: shows(b"^C"), TIMEOUT, "Ctrl-C is for the command")
        termios.tcsetwinsize(theirs, (44, 122))  # type: ignore[attr-defined, unused-ignore]
        shell.send_signal(signal.SIGWINCH)
        os.write(ours, b"stty size\r")

        def grown() -> bool:
            if not shows(b"44 122"):
                os.write(ours, b"stty size\r")
            return shows(b"44 122")

        wait_until(grown, TIMEOUT, "it follows the size")
        os.write(ours, b"exit 3\r")
        assert shell.wait(TIMEOUT) == 3
        assert termios.tcgetattr(theirs) == before
    finally:
        shell.kill()
        shell.wait()
        os.close(ours)
        os.close(theirs)


def test_a_terminal_is_given_back_even_when_we_are_ended(environment: dict[str, str]) -> None:
    ours, theirs = pty.openpty()
    before = termios.tcgetattr(theirs)
    shell = start(environment, "exec", "-it", "shop/shell", "--", "sh", stdin=theirs, stdout=theirs, stderr=theirs)
    try:
        wait_until(lambda: termios.tcgetattr(theirs) != before, TIMEOUT, "the terminal is raw")
        wait_until(lambda: select.select([ours], [], [], 0)[0] and os.read(ours, 65536), TIMEOUT, "the shell asks")
        shell.send_signal(signal.SIGTERM)
        assert shell.wait(TIMEOUT) == 128 + signal.SIGTERM
        assert termios.tcgetattr(theirs) == before
    finally:
        shell.kill()
        shell.wait()
        os.close(ours)
        os.close(theirs)


def test_a_port_of_a_pod(environment: dict[str, str], fleetui: Fleetui, place: EmbeddedPlace) -> None:
    pod = place.pod_of("web-")
    forward = start(environment, "port-forward", f"shop/{pod}", ":8080", stdout=subprocess.PIPE, stderr=subprocess.PIPE)
    assert forward.stdout is not None
    assert forward.stderr is not None
    try:
        line = forward.stdout.readline().decode()
        assert line.startswith("Forwarding from 127.0.0.1:")
        port = int(line.split(":")[1].split()[0])
        for path in ("first", "second"):
            with urllib.request.urlopen(f"http://127.0.0.1:{port}/{path}", timeout=TIMEOUT) as answer:
                assert f"GET /{path}" in answer.read().decode()
        busy = fleetui("port-forward", f"shop/{pod}", f"{port}:8080")
        assert (busy.returncode, busy.stdout) == (2, b"")
        assert f"127.0.0.1:{port} can't be listened on".encode() in busy.stderr
        forward.send_signal(signal.SIGINT)
        assert forward.wait(TIMEOUT) == 130
        assert forward.stderr.read().strip() == b""
    finally:
        forward.kill()
        forward.wait()
        forward.stdout.close()
        forward.stderr.close()


def test_a_port_on_which_nobody_listens(environment: dict[str, str], fleetui: Fleetui) -> None:
    assert fleetui("port-forward", "shop/absent", "80").returncode == 3
    assert fleetui("port-forward", "shop/shell", "eighty").returncode == 2
    assert fleetui("--read-only", "port-forward", "shop/shell", ":80").returncode == 5
    forward = start(environment, "port-forward", "shop/shell", ":81", stdout=subprocess.PIPE, stderr=subprocess.PIPE)
    assert forward.stdout is not None
    assert forward.stderr is not None
    try:
        port = int(forward.stdout.readline().split(b":")[1].split()[0])
        with socket.create_connection(("127.0.0.1", port), timeout=TIMEOUT) as connection:
            assert connection.recv(100) == b""
        assert b"connection refused" in forward.stderr.readline()
    finally:
        forward.kill()
        forward.wait()
        forward.stdout.close()
        forward.stderr.close()


def test_a_pod_of_a_cluster_that_a_hub_registers(
    place: EmbeddedPlace, environment: dict[str, str], fleetui: Fleetui, audit: Callable[[], list[Any]], tmp_path: Path
) -> None:
    hub = EmbeddedCluster("hub")
    with EmbeddedHost([hub]) as host:
        namespace = {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": "argocd"}}
        host.run(lambda: hub.store.create(namespace, manager="test"))
        labels = {"argocd.argoproj.io/secret-type": "cluster"}
        config = json.dumps({"bearerToken": place.token, "tlsClientConfig": {"insecure": False}})
        values = {"name": "edge", "server": place.url, "config": config}
        data = {key: base64.b64encode(value.encode()).decode() for key, value in values.items()}
        meta = {"name": "edge", "namespace": "argocd", "labels": labels}
        secret = {"apiVersion": "v1", "kind": "Secret", "metadata": meta, "data": data}
        host.run(lambda: hub.store.create(secret, manager="test"))
        environment["KUBECONFIG"] = str(host.kubeconfig(tmp_path / "hub"))
        done = fleetui("exec", "edge/shop/shell", "--", "hostname")
        assert (done.returncode, done.stdout, done.stderr) == (0, b"shell\n", b"")
        assert audit()[-1]["cluster"] == "edge"
        assert fleetui("logs", "hub/edge/shop/shell", "--tail", "1").stdout
        absent = fleetui("logs", "nowhere/shop/shell")
        assert (absent.returncode, absent.stderr) == (3, b"fleetui: the fleet has no cluster nowhere\n")


@pytest.mark.real
async def test_all_three_on_a_real_cluster(
    control_plane: ControlPlane, node: LocalNode, namespace: str, tmp_path: Path
) -> None:
    with echoing() as port:
        place = RealPlace(control_plane, node, namespace, port)
        async with connected(place) as cluster:
            await start_pod(cluster, place, "p")
        place.logged("p")
        folders = {"HOME": str(tmp_path), "XDG_STATE_HOME": str(tmp_path / "state"), "XDG_CONFIG_HOME": str(tmp_path)}
        environment = settings() | folders | {"KUBECONFIG": str(place.kubeconfig)}

        def run(*arguments: str, given: bytes = b"") -> tuple[int, bytes, bytes]:
            command = [sys.executable, "-m", "fleetui", *arguments]
            done = subprocess.run(command, input=given, capture_output=True, env=environment, timeout=60, check=False)
            return done.returncode, done.stdout, done.stderr

        assert run("logs", f"real/{namespace}/p", "--tail", "1") == (0, b"line 9\n", b"")
        assert run("exec", f"{namespace}/p", "-i", "--", "sh", "-c", "cat; exit 6", given=b"in\n") == (6, b"in\n", b"")
        forward = start(environment, "port-forward", "-n", namespace, "p", f":{port}", stdout=subprocess.PIPE)
        assert forward.stdout is not None
        try:
            bound = int(forward.stdout.readline().split(b":")[1].split()[0])
            with socket.create_connection(("127.0.0.1", bound), timeout=TIMEOUT) as connection:
                connection.sendall(b"there and back")
                connection.shutdown(socket.SHUT_WR)
                assert connection.makefile("rb").read() == b"there and back"
        finally:
            forward.kill()
            forward.wait()
            forward.stdout.close()
