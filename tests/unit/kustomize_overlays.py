"""Overlays for the tests of kustomize: owns how they are kept, and where the binary is found.

One overlay is one file in Go's txtar form: ``-- path --`` lines part its files; the first is the kustomization that is
built, ``options`` is `spec.source.kustomize`. What `kustomize build` 5.8.2 made of each is kept beside them, so that
they count on machines without it, too.
"""

from __future__ import annotations

import json
import os
import posixpath
import re
import shutil
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
import yaml

DATA = Path(__file__).parent / "data" / "kustomize"
BUILT = DATA / "built.json"
SWITCH = "FLEETUI_KUSTOMIZE"
_FILE = re.compile(r"^-- (.*) --\n", re.MULTILINE)


@dataclass(frozen=True)
class Overlay:
    files: dict[str, bytes]
    folder: str
    options: dict[str, Any]


def names() -> list[str]:
    return sorted(path.stem for path in DATA.glob("*.txtar"))


def overlay(name: str) -> Overlay:
    return parsed((DATA / f"{name}.txtar").read_text())


def parsed(text: str) -> Overlay:
    """An overlay written in a test."""
    _, *parts = _FILE.split(text)
    files = dict(zip(parts[::2], parts[1::2], strict=True))
    options = yaml.safe_load(files.pop("options", "")) or {}
    return Overlay({path: text.encode() for path, text in files.items()}, posixpath.dirname(parts[0]), options)


def built() -> dict[str, Any]:
    """The objects of each overlay by its name, as the binary made them."""
    known: dict[str, Any] = json.loads(BUILT.read_text())
    return known


def find_kustomize() -> str:
    """The kustomize of the PATH or of ~/go/bin; skips, or fails where FLEETUI_KUSTOMIZE=required."""
    folders = [os.environ.get("PATH", os.defpath), str(Path.home() / "go" / "bin")]
    found = shutil.which("kustomize", path=os.pathsep.join(folders))
    if found is not None:
        return found
    reason = (
        "needs kustomize: none on the PATH, none in ~/go/bin (go install sigs.k8s.io/kustomize/kustomize/v5@v5.8.2)"
    )
    if os.environ.get(SWITCH) == "required":
        pytest.fail(reason, pytrace=False)
    pytest.skip(reason)
