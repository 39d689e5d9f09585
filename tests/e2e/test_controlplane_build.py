"""Finding the binaries: every way there are none ends in one sentence, and nothing is built twice.

Builds nothing: `go` is a script that notes how it was called.
"""

from __future__ import annotations

import os
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from tests.controlplane import build
from tests.controlplane.build import Assets, Unavailable, find_or_build

ROOT = Path(__file__).resolve().parents[2]

FAKE_GO = """\
#!/bin/sh
echo "$*" >> "$GO_CALLS"
case "$1" in
version) echo "go version go$GO_VERSION linux/amd64" ;;
list) printf 'a\\nb\\n' ;;
build)
    while [ "$1" != -o ]; do shift; done
    [ -n "$GO_FAILS" ] && { echo "$GO_FAILS" >&2; exit 1; }
    for name in controlplane kubectl; do printf '#!/bin/sh\\n' > "$2$name"; chmod +x "$2$name"; done ;;
esac
"""


@pytest.fixture
def calls(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """What the fake Go was called with, a line per call; the cache and PATH are the test's own."""
    tools = tmp_path / "tools"
    tools.mkdir()
    (tools / "go").write_text(FAKE_GO)
    (tools / "go").chmod(0o755)
    noted = tmp_path / "calls"
    monkeypatch.delenv("KUBEBUILDER_ASSETS", raising=False)
    for name, value in {
        "PATH": f"{tools}{os.pathsep}{os.defpath}",
        "XDG_CACHE_HOME": str(tmp_path / "cache"),
        "GO_CALLS": str(noted),
        "GO_VERSION": "1.26.8",
        "GO_FAILS": "",
    }.items():
        monkeypatch.setenv(name, value)
    return noted


def builds(calls: Path) -> int:
    return sum(line.startswith("build ") for line in calls.read_text().splitlines())


def reason() -> str:
    found = find_or_build()
    assert isinstance(found, Unavailable)
    return found.reason


def test_what_was_built_is_found_again(calls: Path, tmp_path: Path) -> None:
    first = find_or_build()
    assert isinstance(first, Assets)
    assert Path(first.kubectl).is_relative_to(tmp_path / "cache" / "fleetui" / "controlplane")
    assert find_or_build() == first
    assert builds(calls) == 1


def test_two_runs_at_once_build_once(calls: Path) -> None:
    with ThreadPoolExecutor(max_workers=4) as runs:
        found = list(runs.map(lambda _: find_or_build(), range(4)))
    assert len({str(one) for one in found}) == 1
    assert builds(calls) == 1


@pytest.mark.usefixtures("calls")
def test_another_go_builds_anew(monkeypatch: pytest.MonkeyPatch) -> None:
    first = find_or_build()
    monkeypatch.setenv("GO_VERSION", "1.27.0")
    assert find_or_build() != first


def test_a_failed_build_tells_why_and_leaves_nothing(
    calls: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("GO_FAILS", "main.go:1: no such thing")
    assert reason() == "go build of the control plane failed: main.go:1: no such thing"
    assert not list((tmp_path / "cache").rglob("bin"))
    monkeypatch.setenv("GO_FAILS", "")
    assert isinstance(find_or_build(), Assets)
    assert builds(calls) == 2


@pytest.mark.usefixtures("calls")
@pytest.mark.parametrize("version", ["1.9", "1.25.7", "1.25rc1"])
def test_an_old_go_is_refused(monkeypatch: pytest.MonkeyPatch, version: str) -> None:
    monkeypatch.setenv("GO_VERSION", version)
    assert "too old: the control plane needs Go 1.26.0 or newer" in reason()


@pytest.mark.usefixtures("calls")
def test_no_go_is_a_reason(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    assert reason() == "Go is not installed, and KUBEBUILDER_ASSETS names no binaries"


@pytest.mark.usefixtures("calls")
def test_a_cache_that_cannot_be_written_is_a_reason(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "file").touch()
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "file"))
    assert reason().startswith("building the control plane failed: ")


def test_named_binaries_come_first_and_must_be_whole(
    calls: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("KUBEBUILDER_ASSETS", str(tmp_path))
    assert reason() == f"KUBEBUILDER_ASSETS={tmp_path} lacks etcd, kube-apiserver or kubectl"
    assert not calls.exists()


@pytest.mark.usefixtures("calls")
@pytest.mark.parametrize("command", [["-m", "tests.controlplane.build"], [str(Path(build.__file__))]])
def test_by_hand_it_prints_the_folder(command: list[str]) -> None:
    done = subprocess.run([sys.executable, *command], cwd=ROOT, capture_output=True, text=True, check=True)
    assert (Path(done.stdout.strip()) / "kubectl").exists()
    assert "control plane built in" in done.stderr


@pytest.mark.usefixtures("calls")
def test_by_hand_a_reason_is_one_line_and_no_traceback(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("GO_VERSION", "1.2")
    command = [sys.executable, "-m", "tests.controlplane.build"]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True)
    assert (done.returncode, done.stdout, len(done.stderr.splitlines())) == (1, "", 1)
