"""`fleetui engine run --once`: for a cron job or a pipeline, it ends when nothing is left to do."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

from backends.embedded.demo.fleet import DemoFleet
from tests.e2e.story import settings


def test_an_engine_that_runs_once_ends_when_every_application_was_looked_at(tmp_path: Path) -> None:
    environment = settings() | {"HOME": str(tmp_path), "XDG_CACHE_HOME": str(tmp_path / "cache")}
    with DemoFleet(tmp_path / "demo", clusters=1, pace=None, pod_delay=(0.0, 0.0)) as demo:
        command = [sys.executable, "-m", "fleetui", "engine", "run", "--once", "--kubeconfig", str(demo.kubeconfig)]
        done = subprocess.run(
            [*command, "--all-contexts"], capture_output=True, text=True, env=environment, timeout=60, check=False
        )
        assert done.returncode == 0, done.stderr
        store = next(iter(demo.host.clusters.values())).store
        apps = demo.host.run(lambda: store.list("argoproj.io", "Application"))
    states = {app["metadata"]["name"]: app.get("status", {}).get("sync", {}).get("status") for app in apps}
    assert states["payments-service"] == "Synced"
    assert set(states.values()) <= {"Synced", "OutOfSync"}
    assert not [app for app in apps if "operation" in app]


def test_an_engine_that_runs_once_does_not_wait_for_a_server_that_is_down(tmp_path: Path) -> None:
    kubeconfig = tmp_path / "kubeconfig"
    kubeconfig.write_text(
        """
        {current-context: away, contexts: [{name: away, context: {cluster: away, user: me}}],
         clusters: [{name: away, cluster: {server: "https://127.0.0.1:1"}}], users: [{name: me, user: {token: t}}]}
        """
    )
    command = [sys.executable, "-m", "fleetui", "engine", "run", "--once", "--kubeconfig", str(kubeconfig)]
    environment = settings() | {"HOME": str(tmp_path), "XDG_CACHE_HOME": str(tmp_path / "cache")}
    done = subprocess.run(command, capture_output=True, text=True, env=environment, timeout=60, check=False)
    assert done.returncode == 1
    assert "refuses connections" in done.stderr
