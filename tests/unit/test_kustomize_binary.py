"""The kustomize binary: what it sees, and how it ends. The binary is a script, but for the tests of whole overlays."""

from __future__ import annotations

import asyncio
import tempfile
from pathlib import Path
from typing import Any

import pytest

from backends import kustomize
from backends.kustomize import KustomizeBinary
from backends.tool_process import lay_out
from fleetui.model.errors import ManifestError, RefusedError, ToolMissingError
from fleetui.render.kustomize.export import exported
from fleetui.render.kustomize.loader import is_remote, repository_of
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
    assert set(exported(FILES, "app", {}).files) == set(FILES) - {"other/secret"}


def test_the_options_are_in_the_file_that_is_built() -> None:
    files = exported(FILES, "app", {"namePrefix": "p-"}).files
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
    export = exported(files, "app", {}, permits=lambda url: url == "https://example.com/a")
    assert (set(export.files), export.remote) == (set(files), True)


@pytest.mark.parametrize(
    ("base", "repository"),
    [
        ("https://example.com/team/x//base?ref=v1", "https://example.com/team/x"),
        ("git::https://example.com/team/x.git/base", "https://example.com/team/x.git"),
        ("https://example.com/team/x.git?ref=v1", "https://example.com/team/x.git"),
        ("https://example.com/org/_git/x/base", "https://example.com/org/_git/x"),
        ("https://example.com/deploy.yaml", "https://example.com/deploy.yaml"),
        ("https://github.com/team/x/base?ref=v1", "https://github.com/team/x"),
        ("github.com/team/x//base", "https://github.com/team/x"),
        ("https://example.com/team/x//../../other/.git", ""),
        ("https://example.com@evil.example/x", ""),
        ("https://user:word@example.com/x", ""),
        ("git@example.com:team/x.git", ""),
        ("ssh://git@example.com/team/x", ""),
        ("file:///srv/git/x", ""),
        ("/srv/git/x?ref=v1", ""),
    ],
)
def test_the_repository_of_a_remote_base(base: str, repository: str) -> None:
    assert is_remote(base)
    assert repository_of(base) == repository


@pytest.mark.parametrize("base", ["../../x", "../../../etc", ".."])
def test_a_folder_outside_the_repository_is_refused(base: str) -> None:
    """Kustomize itself goes to whatever folder lies there, with a kustomization of the operator's."""
    files = {
        "app/kustomization.yaml": b"resources: [../base]",
        "base/kustomization.yaml": f"bases: ['{base}']".encode(),
    }
    if base == "..":
        files = {"kustomization.yaml": b"resources: ['..']"}
    with pytest.raises(RefusedError, match=r"which leads out of the repository"):
        exported(files, "" if base == ".." else "app", {})


def test_a_remote_base_gets_the_network_where_the_project_permits_its_repository(
    place: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HTTPS_PROXY", "http://proxy.example:3128")
    script(place, "kustomize", "env")
    files = {"app/kustomization.yaml": b"resources: ['https://git.example/team/x//base?ref=v1']"}

    def environment(*source_repos: str) -> list[str]:
        request = KustomizeRequest(files=files, folder="app", project="team", source_repos=source_repos)
        return asyncio.run(KustomizeBinary(timeout=20).build(request)).decode().splitlines()

    assert {"GIT_ALLOW_PROTOCOL=https:http", "HTTPS_PROXY=http://proxy.example:3128"} <= set(environment("*"))
    assert environment("https://git.example/team/*")
    with pytest.raises(RefusedError, match="which the project does not permit"):
        environment("https://git.example/other/*")
    with pytest.raises(RefusedError, match="which the project does not permit"):
        environment("*", "!https://git.example/**")


def test_too_much_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("fleetui.render.kustomize.export.MAX_EXPORT", 10)
    with pytest.raises(ManifestError, match=r"app/kustomization\.yaml: needs more than 0 MiB of files"):
        exported(FILES, "app", {})


def test_runs_kustomize_in_a_folder_of_its_own(place: Path) -> None:
    script(place, "kustomize", 'echo "$@"; pwd; env; find . -printf "%m %y %p\\n"; stat -c %a ..; cat')
    lines = build().decode().splitlines()
    assert "GIT_ALLOW_PROTOCOL=none" in lines
    assert lines[0].startswith("build ")
    assert lines[0].endswith("/repository/app")
    assert any(line.endswith(" f ./base/charts/z") for line in lines)
    assert lines[-1] == "700", "nobody else may look into it"
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
    with pytest.raises(ManifestError, match="app: kustomize printed more than 0 MiB"):
        build()


def test_what_takes_too_long_is_ended_with_all_that_it_started(place: Path) -> None:
    script(place, "kustomize", f"sleep 1000 & echo $! > {place}/child; wait")
    request = KustomizeRequest(files=FILES, folder="app")
    with pytest.raises(ManifestError, match="app: kustomize did not end within 3 s"):
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
    with pytest.raises(RefusedError, match="holds a path that leads out of it"):
        asyncio.run(lay_out(tmp_path, {path: b""}, what="it"))
    assert list(tmp_path.iterdir()) == []


def test_a_binary_that_can_not_be_run_is_the_error(place: Path) -> None:
    script(place, "kustomize", "")
    (place / "bin" / "kustomize").write_text("#!/nowhere\n")
    with pytest.raises(ToolMissingError, match="kustomize can't be run"):
        build()
    assert list((place / "tmp").iterdir()) == []
