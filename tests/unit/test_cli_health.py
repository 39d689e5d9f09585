"""`fleetui health`: a JSON line for each object of a file."""

from __future__ import annotations

import json
import os
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
