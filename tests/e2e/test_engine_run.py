"""`fleetui engine run` as a service: what it serves, how it ends, what a dry run says."""

from __future__ import annotations

import json
import signal
import subprocess
import sys
import urllib.error
import urllib.request
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from backends.embedded.demo.fleet import DemoFleet
from tests.e2e.story import settings
from tests.waiting import wait_until

PATIENCE = 30.0


@pytest.fixture
def demo(tmp_path: Path) -> Iterator[DemoFleet]:
    with DemoFleet(tmp_path / "demo", clusters=1, pace=None, pod_delay=(0.0, 0.0)) as demo:
        yield demo


def command(demo: DemoFleet, *arguments: str) -> list[str]:
    where = ["--kubeconfig", str(demo.kubeconfig), "--all-contexts"]
    return [sys.executable, "-m", "fleetui", "engine", "run", *where, *arguments]


def environment(tmp_path: Path) -> dict[str, str]:
    return settings() | {"HOME": str(tmp_path), "XDG_CACHE_HOME": str(tmp_path / "cache")}


def applications(demo: DemoFleet) -> list[Any]:
    store = next(iter(demo.host.clusters.values())).store
    found: list[Any] = demo.host.run(lambda: store.list("argoproj.io", "Application"))
    return found


def ask(url: str) -> tuple[int, str]:
    try:
        with urllib.request.urlopen(url, timeout=10) as answer:
            return answer.status, answer.read().decode()
    except urllib.error.HTTPError as error:
        return error.code, error.read().decode()


def test_an_engine_tells_how_it_is_and_ends_when_it_is_asked_to(demo: DemoFleet, tmp_path: Path) -> None:
    log = tmp_path / "log"
    with log.open("w") as stream:
        arguments = command(demo, "--listen", "127.0.0.1:0", "--log-format", "json")
        process = subprocess.Popen(arguments, stderr=stream, stdout=stream, text=True, env=environment(tmp_path))
        try:

            def lines() -> list[Any]:
                return [json.loads(line) for line in log.read_text().splitlines() if line.startswith("{")]

            def port() -> str:
                said = [line["msg"] for line in lines() if line["msg"].startswith("listening on ")]
                return said[0].split()[2].rpartition(":")[2] if said else ""

            wait_until(port, PATIENCE, "the engine listens")
            url = f"http://127.0.0.1:{port()}"
            wait_until(lambda: ask(f"{url}/healthz") == (200, "ok\n"), PATIENCE, "the engine is well")

            def synced() -> bool:
                return "argocd_app_sync_total{" in ask(f"{url}/metrics")[1]

            wait_until(synced, PATIENCE, "a sync is counted")
            process.send_signal(signal.SIGTERM)
            assert process.wait(PATIENCE) == 0
        finally:
            process.kill()
            process.wait()
    told = [line for line in lines() if line.get("event") == "OperationCompleted"]
    assert {"time", "level", "logger", "msg", "namespace", "application"} <= told[0].keys()
    assert "engine stopped" in [line["msg"] for line in lines()]
    assert len(lines()) == len(log.read_text().splitlines())  # nothing but JSON


def test_a_dry_run_tells_what_would_be_done_and_writes_nothing(demo: DemoFleet, tmp_path: Path) -> None:
    before = applications(demo)
    done = subprocess.run(
        command(demo, "--once", "--dry-run"),
        capture_output=True,
        text=True,
        env=environment(tmp_path),
        timeout=60,
        check=False,
    )
    assert done.returncode == 4, done.stderr
    assert "sync to " in done.stdout
    assert done.stdout.splitlines()[0].split() == ["NAMESPACE", "NAME", "SYNC", "HEALTH", "WOULD"]
    assert applications(demo) == before


def test_an_address_that_is_taken_is_told(demo: DemoFleet, tmp_path: Path) -> None:
    done = subprocess.run(
        command(demo, "--once", "--listen", "192.0.2.1:1"),
        capture_output=True,
        text=True,
        env=environment(tmp_path),
        timeout=60,
        check=False,
    )
    assert done.returncode == 1
    assert done.stderr.splitlines()[-1].endswith("(choose another address)")
    for wrong in ("8082", "host:port", "h:99999"):
        refused = subprocess.run(command(demo, "--listen", wrong), capture_output=True, text=True, check=False)
        assert refused.returncode == 2
        assert "is no HOST:PORT" in refused.stderr
