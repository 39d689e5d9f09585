"""The kustomize binary: what it sees, and how it ends. The binary is a script, but for the tests of whole overlays."""

from __future__ import annotations

import asyncio
import stat
import tempfile
from pathlib import Path
from typing import Any

import pytest

from backends import kustomize
from backends.kustomize import KustomizeBinary
from fleetui.model.errors import ManifestError, RefusedError, ToolMissingError
from fleetui.render.kustomize.export import exported
from fleetui.renderports import KustomizeRequest
from tests.waiting import await_until, wait_until

FILES = {
    "app/kustomization.yaml": b"resources: [../base, x.yaml]\n",
    "app/x.yaml": b"x",
    "base/kustomization.yaml": b"resources: [y.yaml]\n",
    "base/y.yaml": b"y",
    "base/charts/z": b"z",
    "other/secret": b"s",
}


@pytest.fixture
def place(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An empty folder for binaries, the only one on the PATH besides that of the shell."""
    bin_folder, temp = tmp_path / "bin", tmp_path / "tmp"
    bin_folder.mkdir()
    temp.mkdir()
    monkeypatch.setenv("PATH", str(bin_folder))
    monkeypatch.setattr(tempfile, "tempdir", str(temp))
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "hidden")
    return tmp_path


def script(place: Path, name: str, body: str) -> None:
    path = place / "bin" / name
    path.write_text(f"#!/bin/sh\nPATH=/usr/bin:/bin\n{body}\n")
    path.chmod(0o755)


def build(files: dict[str, bytes] = FILES, folder: str = "app", **options: Any) -> bytes:
    request = KustomizeRequest(files=files, folder=folder, options=options)
    return asyncio.run(KustomizeBinary(timeout=20).build(request))


def test_exports_the_folders_that_are_reached_and_nothing_else() -> None:
    assert set(exported(FILES, "app", {})) == set(FILES) - {"other/secret"}


def test_the_options_are_in_the_file_that_is_built() -> None:
    files = exported(FILES, "app", {"namePrefix": "p-"})
    assert files["app/kustomization.yaml"] == b'{"resources": ["../base", "x.yaml"], "namePrefix": "p-"}'
    assert files["base/kustomization.yaml"] == FILES["base/kustomization.yaml"]


@pytest.mark.parametrize(
    "kustomization",
    [
        b"resources: [https://example.com/a]",
        b"patches: [{path: 'https://example.com/a'}]",
        b"configMapGenerator: [{files: ['a=https://example.com/a']}]",
        b"openapi: {path: 'https://example.com/a'}",
        b"crds: [https://example.com/a]",
        b"transformers: [https://example.com/a]",
    ],
)
def test_what_is_remote_is_refused_wherever_it_is_named(kustomization: bytes) -> None:
    files = {"app/kustomization.yaml": b"resources: [../base]", "base/kustomization.yaml": kustomization}
    with pytest.raises(RefusedError, match=r"base/kustomization.yaml uses the remote resource .*https://example.com/a"):
        exported(files, "app", {})
    assert set(exported(files, "app", {}, remote=True)) == set(files)


def test_too_much_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("fleetui.render.kustomize.export.MAX_EXPORT", 10)
    with pytest.raises(ManifestError, match=r"app/kustomization\.yaml: needs more than 0 MiB of files"):
        exported(FILES, "app", {})


def test_runs_kustomize_in_a_folder_of_its_own(place: Path) -> None:
    script(place, "kustomize", 'echo "$@"; pwd; env; find . -printf "%m %y %p\\n"; stat -c %a ..; cat')
    lines = build().decode().splitlines()
    assert lines[0].startswith("build ")
    assert lines[0].endswith("/repository/app")
    assert {"600 f ./app/x.yaml", "700 d ./base", "600 f ./base/charts/z", "700 d .", "700"} <= set(lines)
    names = {line.partition("=")[0] for line in lines if "=" in line}
    assert "AWS_SECRET_ACCESS_KEY" not in names
    assert {"HOME", "GIT_ALLOW_PROTOCOL", "HTTPS_PROXY", "KUBECONFIG"} <= names
    home = next(line for line in lines if line.startswith("HOME="))
    assert str(place) in home
    assert list((place / "tmp").iterdir()) == []


def test_runs_kubectl_where_there_is_no_kustomize(place: Path) -> None:
    script(place, "kubectl", 'echo "$1"')
    assert build() == b"kustomize\n"


def test_without_a_binary_it_says_what_to_install(place: Path) -> None:
    with pytest.raises(ToolMissingError) as caught:
        build()
    assert str(caught.value) == "neither kustomize nor kubectl is installed (install kustomize or kubectl)"


def test_its_own_words_come_back_without_our_folder(place: Path) -> None:
    script(place, "kustomize", 'echo "# Warning: old" >&2; echo "Error: no such thing in $(pwd)/app/x" >&2; exit 1')
    with pytest.raises(ManifestError) as caught:
        build()
    assert str(caught.value) == "app: kustomize: no such thing in app/x"


def test_the_words_of_kubectl_come_without_its_logs_head(place: Path) -> None:
    said = 'E1126 01:31:36.475574   30168 run.go:72] "command failed" err="unknown field \\"x\\""'
    script(place, "kubectl", f"cat >&2 <<'END'\n{said}\nEND\nexit 1")
    with pytest.raises(ManifestError) as caught:
        build()
    assert str(caught.value) == 'app: kustomize: unknown field "x"'


def test_a_silent_failure_has_a_message(place: Path) -> None:
    script(place, "kustomize", "exit 3")
    with pytest.raises(ManifestError, match="app: kustomize: ended with 3"):
        build()


def test_too_much_output_is_cut_off(place: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(kustomize, "MAX_OUTPUT", 1000)
    script(place, "kustomize", "yes")
    with pytest.raises(ManifestError, match="app: kustomize writes more than 0 MiB"):
        build()


def test_what_takes_too_long_is_ended_with_all_that_it_started(place: Path) -> None:
    script(place, "kustomize", f"sleep 1000 & echo $! > {place}/child; wait")
    request = KustomizeRequest(files=FILES, folder="app")
    with pytest.raises(ManifestError, match="app: kustomize did not end within 3 seconds"):
        asyncio.run(KustomizeBinary(timeout=3).build(request))
    wait_until(lambda: is_gone(int((place / "child").read_text())), 60, "what the binary started is gone")
    assert list((place / "tmp").iterdir()) == []


def test_is_ended_when_the_build_is_cancelled(place: Path) -> None:
    script(place, "kustomize", f"sleep 1000 & echo $! > {place}/new; mv {place}/new {place}/child; wait")

    async def run() -> None:
        request = KustomizeRequest(files=FILES, folder="app")
        task = asyncio.create_task(KustomizeBinary().build(request))
        await await_until((place / "child").exists, 60, "the binary runs")
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task

    asyncio.run(run())
    wait_until(lambda: is_gone(int((place / "child").read_text())), 60, "what the binary started is gone")
    assert list((place / "tmp").iterdir()) == []


def is_gone(pid: int) -> bool:
    """Whether a process has ended; in a container nobody may have taken note of it."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] == "Z"
    except FileNotFoundError:
        return True


@pytest.mark.parametrize("path", ["../x", "a/../../x", "/etc/x"])
def test_no_file_is_written_outside(tmp_path: Path, path: str) -> None:
    with pytest.raises(RefusedError, match="leads out of the repository"):
        kustomize._write(tmp_path, path, b"")
    assert stat.S_ISDIR(tmp_path.stat().st_mode)
    assert list(tmp_path.iterdir()) == []
