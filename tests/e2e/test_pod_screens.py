"""Logs, Events and a shell in the console: in front of the demo, and of a real cluster with a node of its own."""

from __future__ import annotations

import json
import re
import sys
import time
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

import pytest

from tests.controlplane.node import LocalNode
from tests.controlplane.server import ControlPlane
from tests.e2e.story import bootstrap, settings
from tests.terminal import Terminal
from tests.waiting import wait_until

pytestmark = pytest.mark.timeout(180)

SERVER = "https://kubernetes.default.svc"


def environment(home: Path) -> dict[str, str]:
    names = {"HOME": home, "XDG_STATE_HOME": home / "state", "XDG_CONFIG_HOME": home, "XDG_CACHE_HOME": home / "cache"}
    return settings() | {key: str(value) for key, value in names.items()}


def audited(home: Path) -> list[tuple[str, str, str]]:
    path = home / "state" / "fleetui" / "audit.jsonl"
    records = [json.loads(line) for line in path.read_text(encoding="utf-8").splitlines()]
    return [(record["action"], record["cluster"], record["ending"]) for record in records]


@pytest.fixture
def demo(tmp_path: Path) -> Iterator[Terminal]:
    command = [sys.executable, "-m", "fleetui", "demo", "--clusters", "2"]
    with Terminal(command, columns=120, rows=36, environment=environment(tmp_path)) as terminal:
        terminal.wait_for("? help")
        yield terminal


def type_into(terminal: Terminal, text: str) -> None:
    """Types into the field of a dialog. Keys that come before the dialog was painted are dropped on purpose, and a test
    can be that fast: so one key is typed until it is there, then the others."""
    for _ in range(3):
        terminal.send(text[0])
        with suppress(AssertionError):
            terminal.wait_for(lambda screen: re.search(rf"│\s*{text[0]}\s*│", screen) is not None, timeout=8)
            break
    terminal.send(text[1:])
    terminal.wait_for(lambda screen: re.search(rf"│\s*{text}\s*│", screen) is not None)


def test_the_logs_events_and_a_shell_of_an_application_of_the_demo(demo: Terminal, tmp_path: Path) -> None:
    demo.wait_for("payments-service", timeout=60)
    demo.send("/payments-service\r")
    demo.wait_for(lambda text: "Healthy" in text, timeout=60)

    demo.send("l")
    demo.wait_for(lambda text: "[l logs]" in text and "listening on :8080" in text and "Following" in text)
    demo.send("k")
    demo.wait_for("Paused")
    demo.send("e")
    demo.wait_for(lambda text: "[e events]" in text and "ScalingReplicaSet" in text and "Started container" in text)

    demo.send("x")
    demo.wait_for(lambda text: "Shell in Pod payments-prod/payments-api" in text and "to go on" in text)
    type_into(demo, "prod-eu-1")
    demo.send("\r")
    demo.wait_for("/ #")
    demo.send("stty size\r")
    demo.wait_for("36 120")
    demo.send("exit\r")
    demo.wait_for("[e events]")
    assert audited(tmp_path) == [("exec", "prod-eu-1", "accepted")]
    demo.send("q")
    demo.wait_for("payments-service")


@pytest.mark.real
def test_all_three_on_a_real_cluster(
    control_plane: ControlPlane, node: LocalNode, namespace: str, unique: str, tmp_path: Path
) -> None:
    bootstrap(control_plane.kubeconfig())
    body = {
        "apiVersion": "argoproj.io/v1alpha1",
        "kind": "Application",
        "metadata": {"name": unique, "namespace": "argocd"},
        "spec": {"project": "default", "source": {"repoURL": "file:///none"}, "destination": {"server": SERVER}},
        "status": {"resources": [{"version": "v1", "kind": "Pod", "namespace": namespace, "name": "web"}]},
    }
    pod = {
        "apiVersion": "v1",
        "kind": "Pod",
        "metadata": {"name": "web", "namespace": namespace},
        "spec": {"nodeName": node.name, "containers": [{"name": "main", "image": "registry.example.com/echo:1"}]},
    }
    control_plane.kubectl("apply", "-f", "-", input=json.dumps(body))
    control_plane.kubectl("apply", "-f", "-", input=json.dumps(pod))
    control_plane.kubectl("-n", namespace, "wait", "pod/web", "--for=condition=Ready", "--timeout=60s")
    folder = node.folder(namespace, "web")
    node.write_log(folder, [(time.time() - 9 + at, "stdout", b"line %d \x1b[2J" % at) for at in range(9)])
    command = [sys.executable, "-m", "fleetui", "--kubeconfig", str(control_plane.kubeconfig())]
    try:
        with Terminal(command, columns=120, rows=36, environment=environment(tmp_path)) as terminal:
            terminal.wait_for(unique)
            terminal.send(f"/{unique}\r")
            terminal.wait_for("1 of")
            terminal.send("l")
            terminal.wait_for("line 8 \ufffd[2J")
            node.write_log(folder, [(time.time(), "stdout", b"one more")])
            terminal.wait_for(lambda text: "one more" in text and "Following" in text)
            terminal.send("x")
            terminal.wait_for("fleetui: a shell in main of Pod")
            terminal.send("echo $((6 * 7)) > answer; cat answer; exit\r")
            terminal.wait_for("[l logs]")
            answer = folder / "answer"
            wait_until(lambda: answer.is_file() and answer.read_bytes() == b"42\n", 10, "the shell's answer")
            terminal.send("e")
            terminal.wait_for("[e events]")
    finally:
        control_plane.kubectl("-n", "argocd", "delete", "applications.argoproj.io", unique, "--ignore-not-found")
