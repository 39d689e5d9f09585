"""How fast the console is there, and what it costs while open: ``python -m tests.bench.bench_console``.

Against a real kube-apiserver with 1,000 Applications. Prints ratios where a time alone would be noise:

- first painted frame, against an empty Textual application on the same machine (wanted: at most 1.4)
- first rows, against kubectl's own ``get applications`` of the same objects (wanted: at most 1.5)
- LIST requests and bytes to the terminal while open and idle (wanted: none)
"""

from __future__ import annotations

import re
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

from tests.controlplane.build import Unavailable, find_or_build
from tests.controlplane.server import ControlPlane
from tests.e2e.story import settings
from tests.terminal import Terminal

APPS = 1_000
RUNS = 7
IDLE_SECONDS = 20.0


def main() -> None:
    assets = find_or_build()
    if isinstance(assets, Unavailable):
        sys.exit(f"needs a control plane: {assets.reason}")
    with ControlPlane(assets) as plane, tempfile.TemporaryDirectory() as home:
        fill(plane)
        environment = settings() | {"HOME": home, "XDG_STATE_HOME": f"{home}/state", "XDG_CACHE_HOME": f"{home}/cache"}
        kubeconfig = plane.kubeconfig()
        console = [sys.executable, "-m", "fleetui", "--kubeconfig", str(kubeconfig)]
        empty = [sys.executable, "-m", "tests.bench.empty_app"]
        command = ["kubectl", "--kubeconfig", str(kubeconfig), "get", "applications.argoproj.io", "-n", "argocd"]
        command[0] = assets.kubectl
        blank = median(lambda: shown(empty, "ready", environment))
        frame = median(lambda: shown(console, "Apps", environment))
        rows = median(lambda: shown(console, "app-0", environment))
        kubectl = median(lambda: ran(command, environment))
        print(f"first frame      {frame * 1000:6.0f} ms   empty app {blank * 1000:6.0f} ms   ratio {frame / blank:.2f}")
        print(
            f"first rows       {rows * 1000:6.0f} ms   kubectl   {kubectl * 1000:6.0f} ms   ratio {rows / kubectl:.2f}"
        )
        lists, received = idle(plane, console, environment)
        print(f"idle {IDLE_SECONDS:.0f} s        {lists} LIST requests, {received} bytes to the terminal")


def fill(plane: ControlPlane) -> None:
    """The definitions and a thousand Applications with the status of a synced one."""
    bootstrap = [sys.executable, "-m", "fleetui", "bootstrap", "--kubeconfig", str(plane.kubeconfig())]
    subprocess.run(bootstrap, check=True, capture_output=True, env=settings())
    api = plane.api("admin")
    for number in range(APPS):
        answer = api.request(
            "POST",
            "/apis/argoproj.io/v1alpha1/namespaces/argocd/applications",
            body=application(f"app-{number:04}"),
        )
        assert answer.status == 201, answer


def application(name: str) -> dict[str, object]:
    source = {"repoURL": "https://git.example.com/manifests", "path": f"apps/{name}", "targetRevision": "main"}
    destination = {"server": "https://kubernetes.default.svc", "namespace": name}
    resources = [
        {"group": "apps", "kind": "Deployment", "name": f"{name}-{part}", "namespace": name, "status": "Synced"}
        for part in ("api", "worker", "web", "cache")
    ]
    return {
        "apiVersion": "argoproj.io/v1alpha1",
        "kind": "Application",
        "metadata": {"name": name, "namespace": "argocd"},
        "spec": {"project": "default", "source": source, "destination": destination},
        "status": {
            "sync": {
                "status": "Synced",
                "revision": "a" * 40,
                "comparedTo": {"source": source, "destination": destination},
            },
            "health": {"status": "Healthy"},
            "resources": resources,
            "history": [{"id": 0, "revision": "a" * 40, "deployedAt": "2026-11-01T10:00:00Z", "source": source}],
        },
    }


def median(measure: Callable[[], float]) -> float:
    measure()
    return statistics.median(measure() for _ in range(RUNS))


def shown(command: list[str], text: str, environment: dict[str, str]) -> float:
    """Seconds from the start of a program until it has written what makes its screen show `text`."""
    began = time.perf_counter()
    with Terminal(command, columns=120, rows=40, environment=environment) as terminal:
        terminal.wait_for(text)
        return terminal.arrived - began


def ran(command: list[str], environment: dict[str, str]) -> float:
    began = time.perf_counter()
    subprocess.run(command, check=True, capture_output=True, env=environment)
    return time.perf_counter() - began


def list_requests(plane: ControlPlane) -> int:
    """LIST requests of Applications that the API server has served."""
    text = plane.kubectl("get", "--raw", "/metrics").stdout
    pattern = r'^apiserver_request_total\{[^}]*group="argoproj\.io"[^}]*verb="LIST"[^}]*\} (\d+)'
    return sum(int(count) for count in re.findall(pattern, text, re.MULTILINE))


def idle(plane: ControlPlane, console: list[str], environment: dict[str, str]) -> tuple[int, int]:
    """LIST requests and bytes while the console is open and nothing happens."""
    with Terminal(console, columns=120, rows=40, environment=environment) as terminal:
        terminal.wait_for("app-0")
        settle = time.monotonic() + 3.0
        while time.monotonic() < settle:
            terminal.read()
        before, received = list_requests(plane), terminal.received
        until = time.monotonic() + IDLE_SECONDS
        while time.monotonic() < until:
            terminal.read()
        return list_requests(plane) - before, terminal.received - received


if __name__ == "__main__":
    assert Path("pyproject.toml").exists(), "run it from the checkout's root"
    main()
