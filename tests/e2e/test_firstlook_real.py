"""The console's head start against a real kube-apiserver: nothing is asked twice, nothing is left behind."""

from __future__ import annotations

import signal
import subprocess
import sys
from contextlib import closing
from pathlib import Path

import pytest

from tests.controlplane.server import ControlPlane
from tests.e2e.recorder import Recorder
from tests.e2e.test_console_real import console, environment
from tests.waiting import wait_until

pytestmark = [
    pytest.mark.real,
    pytest.mark.skipif(not Path("/proc/self/stat").exists(), reason="looks at processes in /proc"),
]


@pytest.fixture
def app(control_plane: ControlPlane, unique: str, tmp_path: Path) -> str:
    """An Application on a server where nobody reconciles it."""
    command = [sys.executable, "-m", "fleetui", "bootstrap", "--kubeconfig", str(control_plane.kubeconfig())]
    subprocess.run(command, check=True, capture_output=True, env=environment(tmp_path))
    spec = {"project": "default", "source": {"repoURL": "https://git.example.com/a", "path": "."}, "destination": {}}
    body = {"apiVersion": "argoproj.io/v1alpha1", "kind": "Application", "metadata": {"name": unique}, "spec": spec}
    with closing(control_plane.api()) as api:
        path = "/apis/argoproj.io/v1alpha1/namespaces/default/applications"
        assert api.request("POST", path, body=body).status == 201
    return unique


def lists(recorder: Recorder) -> int:
    """LIST requests of Applications. Counted between the console and the server: its own controllers list them too."""
    return sum(
        call.about("applications") and call.method == "GET" and "watch" not in call.query for call in recorder.calls
    )


def session(leader: int) -> list[str]:
    """The programs of a terminal's session, those that nobody has buried among them."""
    found = []
    for entry in Path("/proc").glob("[0-9]*"):
        try:
            head, _, rest = (entry / "stat").read_text().rpartition(")")
            if int(rest.split()[3]) == leader:
                found.append((entry / "cmdline").read_text().replace("\0", " ") or f"{head}) defunct")
        except OSError:  # it ended meanwhile
            continue
    return found


def test_the_first_page_is_asked_for_once_and_the_other_process_goes(
    control_plane: ControlPlane, app: str, tmp_path: Path
) -> None:
    with (
        Recorder(control_plane.kubeconfig(), tmp_path) as recorder,
        console(recorder, tmp_path, columns=120, rows=40) as terminal,
    ):
        terminal.wait_for(lambda text: app in text and "live" in text)
        wait_until(lambda: len(session(terminal.pid)) == 1, 10, "the console is alone in its session")
        assert lists(recorder) == 1
        assert terminal.leave() == 0
    assert session(terminal.pid) == []


def test_a_console_that_is_killed_leaves_no_process(control_plane: ControlPlane, tmp_path: Path) -> None:
    with console(control_plane, tmp_path) as terminal:
        wait_until(lambda: any("firstlook_child" in each for each in session(terminal.pid)), 10, "a look has begun")
        terminal.signal(signal.SIGKILL)
        assert terminal.exit_status() == -signal.SIGKILL
        wait_until(lambda: session(terminal.pid) == [], 10, "the session is empty")
