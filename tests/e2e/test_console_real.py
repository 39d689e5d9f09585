"""The console in a terminal, over a real kube-apiserver, while the article's Application lives through its day."""

from __future__ import annotations

import signal
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Protocol

import pytest

from tests.controlplane.server import ControlPlane
from tests.e2e.manifests import FOLDER
from tests.e2e.manifests import article as files
from tests.e2e.story import EngineProcess, Repository, Story, bootstrap, settings
from tests.terminal import Terminal


def environment(home: Path) -> dict[str, str]:
    names = {"HOME": home, "XDG_STATE_HOME": home / "state", "XDG_CACHE_HOME": home / "cache"}
    return settings() | {key: str(value) for key, value in names.items()}


class Served(Protocol):
    def kubeconfig(self) -> Path: ...


def console(plane: Served, home: Path, **size: int) -> Terminal:
    command = [sys.executable, "-m", "fleetui", "--kubeconfig", str(plane.kubeconfig())]
    return Terminal(command, environment=environment(home), **size)


@pytest.fixture
def plane(isolated_control_plane: ControlPlane) -> ControlPlane:
    bootstrap(isolated_control_plane.kubeconfig())
    return isolated_control_plane


@pytest.fixture
def story(plane: ControlPlane, tmp_path: Path) -> Iterator[Story]:
    engine = EngineProcess(plane.kubeconfig(), tmp_path)
    engine.start()
    yield Story(plane, Repository(tmp_path), engine, name="payments-service", namespace="payments-prod")
    engine.stop()


@pytest.mark.timeout(240)
def test_the_console_shows_the_day_as_it_happens(story: Story, plane: ControlPlane, tmp_path: Path) -> None:
    story.repository.commit(files(), "initial manifests")
    with console(plane, tmp_path, columns=120, rows=40) as terminal:
        terminal.wait_for("Apps")
        story.apply(story.application())
        terminal.wait_for(lambda text: "payments-service" in text and "Healthy" in text)

        terminal.send("\r")
        terminal.wait_for(lambda text: "Deployment" in text and text.count("Running") >= 2)

        # A commit shows, and what it prunes goes.
        terminal.wait_for("settings")
        story.repository.commit({f"{FOLDER}/settings.yaml": None}, "drop [red]the[/red] settings")
        terminal.wait_for(lambda text: "ConfigMap" not in text)
        terminal.send("h")
        terminal.wait_for("drop [red]the[/red] settings")
        terminal.wait_for("Ann Lee")
        terminal.send("\x1b")

        # What a human scales is seen, and put back.
        terminal.wait_for("2/2")
        with story.engine.paused(), story.plane.kubelet.paused():
            story.kubectl("scale", "deployment", "payments-api", "--replicas=4")
            terminal.wait_for(lambda text: "2/4" in text or "ContainerCreating" in text or "Pending" in text)
        terminal.wait_for(lambda text: "2/2" in text and text.count("Running") == 2)

        # A broken manifest says where.
        broken = {f"{FOLDER}/settings.yaml": "apiVersion: v1\nkind: ConfigMap\nmetadata:\n  name: [broken\n"}
        story.repository.commit(broken, "break the settings")
        terminal.wait_for("settings.yaml:")

        # The API server goes away: the rows stay, marked stale; it comes back, and nobody presses a key.
        plane.stop_apiserver()
        terminal.wait_for("stale")
        terminal.wait_for("payments-api")
        plane.start_apiserver()
        terminal.wait_for(lambda text: "stale" not in text and "live" in text)
        story.repository.commit(files(color="green"), "mend the settings")
        terminal.wait_for("ConfigMap")

        terminal.send("\x1b")
        terminal.wait_for("Apps")
        assert terminal.leave() == 0


@pytest.mark.timeout(120)
def test_a_lost_terminal_and_a_dead_server_end_nothing_badly(plane: ControlPlane, tmp_path: Path) -> None:
    kubeconfig = plane.kubeconfig()
    plane.stop_apiserver()
    command = [sys.executable, "-m", "fleetui", "--kubeconfig", str(kubeconfig)]
    with Terminal(command, environment=environment(tmp_path)) as terminal:
        terminal.wait_for("unreachable")
        terminal.signal(signal.SIGHUP)
        assert terminal.exit_status() in {0, 128 + signal.SIGHUP, -signal.SIGHUP}
