"""`fleetui health`: a JSON line for each object of a file."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from fleetui.cli.health import show_health
from fleetui.model.errors import ManifestError, UsageError

MANIFESTS = """\
apiVersion: v1
kind: List
items:
- {apiVersion: v1, kind: Service, metadata: {name: web, namespace: shop}}
- {apiVersion: v1, kind: ConfigMap, metadata: {name: settings, namespace: shop}}
---
apiVersion: x.io/v1
kind: Widget
metadata: {name: w}
---
apiVersion: batch/v1
kind: Job
metadata: {name: j}
status: {startTime: "2026-01-01T00:00:00Z"}
"""


@pytest.fixture
def shown(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> Any:
    def show(text: str, *, customizations: Path | None = None, flux: bool = False) -> list[dict[str, Any]]:
        file = tmp_path / "manifests.yaml"
        file.write_text(text)
        assert show_health([file], customizations=customizations, flux=flux) == 0
        return [json.loads(line) for line in capsys.readouterr().out.splitlines()]

    return show


def test_each_object_has_a_line(shown: Any) -> None:
    lines = shown(MANIFESTS)
    told = [(line["line"], line["group"], line["kind"], line["namespace"], line["name"]) for line in lines]
    assert told == [
        (4, "", "Service", "shop", "web"),
        (5, "", "ConfigMap", "shop", "settings"),
        (7, "x.io", "Widget", "", "w"),
        (11, "batch", "Job", "", "j"),
    ]
    assert [line["health"] and line["health"]["status"] for line in lines] == ["Healthy", None, None, "Progressing"]


def test_scripts_count(shown: Any, tmp_path: Path) -> None:
    script = tmp_path / "scripts" / "x.io" / "_" / "health.lua"
    script.parent.mkdir(parents=True)
    script.write_text("return {status = 'Degraded', message = obj.metadata.name .. ' is broken'}")
    lines = shown(MANIFESTS, customizations=tmp_path / "scripts")
    assert lines[2]["health"] == {"status": "Degraded", "message": "w is broken"}


def test_flux_sees_it_otherwise(shown: Any) -> None:
    lines = shown(MANIFESTS, flux=True)
    assert [line["health"]["status"] for line in lines] == ["Current", "Current", "Current", "InProgress"]


def test_what_an_api_server_lists_says_its_kind_once(shown: Any) -> None:
    lines = shown('{"apiVersion": "apps/v1", "kind": "DeploymentList", "items": [{"metadata": {"name": "a"}}, 1]}')
    assert [(line["group"], line["kind"], line["name"]) for line in lines] == [
        ("apps", "Deployment", "a"),
        ("", "", ""),
    ]
    assert [line["health"]["status"] for line in lines] == ["Healthy", "Unknown"]


def test_a_folder_stands_for_the_manifests_in_it(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    for name in ("b.yaml", "a/c.json", "a/d.yml", "a/notes.txt", ".git/e.yaml", "a/.f.yaml"):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_text('{"apiVersion": "v1", "kind": "Service", "metadata": {"name": "s"}}')
    assert show_health([tmp_path], customizations=None, flux=False) == 0
    files = [json.loads(line)["file"] for line in capsys.readouterr().out.splitlines()]
    assert [Path(file).name for file in files] == ["c.json", "d.yml", "b.yaml"]
    (tmp_path / "empty").mkdir()
    with pytest.raises(UsageError, match=r"has no \.yaml, \.yml or \.json file"):
        show_health([tmp_path / "empty"], customizations=None, flux=False)


@pytest.mark.parametrize(
    ("text", "line", "message"),
    [
        ("a: [", 2, "not a valid manifest: "),
        ("kind: X\nspec: " + "[" * 1000 + "]" * 1000, 2, "nested deeper than 200 levels"),
        ("kind: X\nspec: {a: .nan}", 2, ".nan is no number that JSON can carry"),
    ],
)
def test_what_can_not_be_read_is_unknown_and_the_rest_is_judged(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], text: str, line: int, message: str
) -> None:
    broken, fine = tmp_path / "broken.yaml", tmp_path / "fine.yaml"
    broken.write_text(text)
    fine.write_text(MANIFESTS)
    with pytest.raises(ManifestError, match=re.escape(message)):
        show_health([broken, fine], customizations=None, flux=False)
    first, *others = (json.loads(line) for line in capsys.readouterr().out.splitlines())
    assert (first["file"], first["line"], first["kind"]) == (str(broken), line, "")
    assert first["health"]["status"] == "Unknown"
    assert message in first["health"]["message"]
    assert len(others) == 4


def test_what_health_can_not_do() -> None:
    with pytest.raises(UsageError, match="stdin can be read once"):
        show_health([Path("-"), Path("-")], customizations=None, flux=False)
    with pytest.raises(UsageError, match="kstatus knows no scripts"):
        show_health([Path("-")], customizations=Path(), flux=True)


def test_a_file_that_is_none(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="can't be read: No such file"):
        show_health([tmp_path / "absent.yaml"], customizations=None, flux=False)
    broken = tmp_path / "broken.yaml"
    broken.write_text("a: [")
    with pytest.raises(ManifestError, match=r"broken\.yaml:2: not a valid manifest"):
        show_health([broken], customizations=None, flux=False)


def test_an_output_that_nobody_reads_is_no_error(tmp_path: Path) -> None:
    file = tmp_path / "manifests.yaml"
    file.write_text(MANIFESTS)
    reading, writing = os.pipe()
    os.close(reading)
    try:
        command = [sys.executable, "-m", "fleetui", "health", str(file)]
        done = subprocess.run(command, stdout=writing, stderr=subprocess.PIPE, timeout=60, check=False)
    finally:
        os.close(writing)
    assert (done.returncode, done.stderr) == (0, b"")
