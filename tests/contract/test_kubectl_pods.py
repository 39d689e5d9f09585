"""kubectl and the Pods of an embedded server: logs, exec, attach, port-forward, as an operator types them."""

from __future__ import annotations

import os
import pty
import select
import subprocess
import urllib.request
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import pytest

from tests.contract.podplaces import EmbeddedPlace
from tests.contract.test_kubectl import program
from tests.waiting import wait_until

__all__ = ["program"]
TIMEOUT = 30.0

MANIFEST = """\
apiVersion: apps/v1
kind: Deployment
metadata: {name: web}
spec:
  replicas: 1
  selector: {matchLabels: {app: web}}
  template:
    metadata: {labels: {app: web}}
    spec:
      containers:
      - {name: web, image: "registry.example.com/web:1", ports: [{containerPort: 8080}]}
      - {name: side, image: "registry.example.com/side:1"}
---
apiVersion: v1
kind: Pod
metadata: {name: broken}
spec:
  containers: [{name: main, image: "registry.example.com/crashes:1"}]
---
apiVersion: v1
kind: Pod
metadata: {name: shell}
spec:
  containers: [{name: main, image: "registry.example.com/shell:1", command: [cat], stdin: true}]
"""


class Kubectl:
    """kubectl in the namespace of a place."""

    def __init__(self, program: str, place: EmbeddedPlace, home: Path) -> None:
        self._command = [program, "--kubeconfig", str(place.kubeconfig), "-n", place.namespace]
        self._env = {"PATH": os.environ["PATH"], "HOME": str(home)}

    def __call__(self, *args: str, stdin: str = "", status: int = 0) -> str:
        done = subprocess.run(
            [*self._command, *args], input=stdin, capture_output=True, text=True, env=self._env, timeout=TIMEOUT
        )
        assert done.returncode == status, done.stderr
        return done.stdout if status == 0 else done.stdout + done.stderr

    def start(self, args: Sequence[str], **streams: Any) -> subprocess.Popen[bytes]:
        return subprocess.Popen([*self._command, *args], env=self._env, **streams)


@pytest.fixture
def place(unique: str, tmp_path: Path) -> Iterator[EmbeddedPlace]:
    place = EmbeddedPlace(tmp_path, unique)
    yield place
    place.close()


@pytest.fixture
def kubectl(program: str, place: EmbeddedPlace, tmp_path: Path) -> Kubectl:
    run = Kubectl(program, place, tmp_path)
    run("apply", "-f", "-", stdin=MANIFEST)
    run("rollout", "status", "deploy/web", "--timeout=20s")
    run("wait", "pod/shell", "--for=condition=Ready", "--timeout=20s")
    place.logged("web")
    return run


def test_logs(kubectl: Kubectl, place: EmbeddedPlace) -> None:
    def lines(*more: str) -> list[str]:
        return kubectl("logs", "deploy/web", "-c", "web", *more).splitlines()

    assert "listening on :8080" in lines()
    wait_until(lambda: lines("--tail=2") == lines()[-2:], TIMEOUT, "no line comes between two questions")
    assert kubectl("logs", "deploy/web", "--all-containers", "--prefix").count("/side] ") > 3
    assert "starting main from registry.example.com/crashes:1" in kubectl("logs", "broken", "--previous")
    assert "starting main" in kubectl("logs", "broken")
    refused = kubectl("logs", "deploy/web", "-c", "none", status=1)
    assert "container none is not valid for pod web-" in refused


def test_logs_are_followed_to_the_containers_end(kubectl: Kubectl, place: EmbeddedPlace) -> None:
    known = len(kubectl("logs", "shell").splitlines())
    following = kubectl.start(["logs", "-f", "shell"], stdout=subprocess.PIPE)
    assert following.stdout is not None
    for _ in range(known):
        following.stdout.readline()
    place.write("shell")
    assert following.stdout.readline()
    place.end("shell")
    assert following.wait(TIMEOUT) == 0
    following.stdout.close()


def test_exec(kubectl: Kubectl) -> None:
    assert kubectl("exec", "shell", "--", "hostname") == "shell\n"
    assert "etc\n" in kubectl("exec", "shell", "--", "ls", "/")
    assert kubectl("exec", "-i", "shell", "--", "cat", stdin="as it came\n") == "as it came\n"
    assert "exit code 4" in kubectl("exec", "shell", "--", "sh", "-c", "exit 4", status=4)
    assert 'exec: "nosuch": executable file not found' in kubectl("exec", "shell", "--", "nosuch", status=1)
    assert "Defaulted container" in kubectl("exec", "deploy/web", "--", "sh", "-c", "exit 2", status=2)


def test_a_shell_at_a_terminal(kubectl: Kubectl) -> None:
    ours, theirs = pty.openpty()
    shell = kubectl.start(["exec", "-it", "shell", "--", "sh"], stdin=theirs, stdout=theirs, stderr=theirs)
    os.close(theirs)
    seen = bytearray()

    def shows(text: bytes) -> bool:
        while select.select([ours], [], [], 0)[0]:
            try:
                piece = os.read(ours, 65536)
            except OSError:  # the other end is closed
                break
            seen.extend(piece)
        return text in seen

    wait_until(lambda: shows(b"/ # "), TIMEOUT, "the shell asks")
    os.write(ours, b"echo one-$HOSTNAME\r")
    wait_until(lambda: shows(b"one-shell"), TIMEOUT, "the shell answers")
    os.write(ours, b"sleep 1000\r")
    wait_until(lambda: shows(b"sleep 1000\r\n"), TIMEOUT, "it sleeps")
    os.write(ours, b"\x03")
    wait_until(lambda: shows(b"^C"), TIMEOUT, "it is interrupted")
    os.write(ours, b"exit 5\r")
    assert shell.wait(TIMEOUT) == 5
    os.close(ours)


def test_attach(kubectl: Kubectl) -> None:
    assert kubectl("attach", "-i", "shell", stdin="hello\n") == "hello\n"


def test_port_forward(kubectl: Kubectl) -> None:
    forward = kubectl.start(["port-forward", "deploy/web", ":8080"], stdout=subprocess.PIPE, stderr=subprocess.DEVNULL)
    assert forward.stdout is not None
    try:
        port = int(forward.stdout.readline().split(b":")[1].split()[0])
        for path in ("first", "second"):
            with urllib.request.urlopen(f"http://127.0.0.1:{port}/{path}", timeout=TIMEOUT) as answer:
                body = answer.read().decode()
            assert body.startswith("web of pod ")
            assert f"GET /{path}" in body
    finally:
        forward.kill()
        forward.wait()
        forward.stdout.close()
