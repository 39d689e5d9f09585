"""The stage of the end-to-end stories: a real kube-apiserver or the embedded one, and an engine before it.

Owns: the fixtures `stage` and `story`. A module with fixtures of its own under these names keeps them.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import pytest

from tests.e2e.embedded_plane import EmbeddedPlane
from tests.e2e.plane import Plane
from tests.e2e.recorder import Recorder
from tests.e2e.story import EngineProcess, Repository, Story, bootstrap

PLANES = [
    pytest.param("embedded_plane", id="embedded"),
    pytest.param("control_plane", id="real", marks=pytest.mark.real),
]


@dataclass(frozen=True)
class Stage:
    """A control plane and the engine that reconciles it, with a recorder between the two."""

    plane: Plane
    recorder: Recorder
    engine: EngineProcess


@pytest.fixture(scope="session")
def embedded_plane(tmp_path_factory: pytest.TempPathFactory) -> Iterator[EmbeddedPlane]:
    """One embedded cluster for the whole run."""
    with EmbeddedPlane(tmp_path_factory.mktemp("embedded")) as running:
        yield running


@pytest.fixture(scope="module", params=PLANES)
def stage(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stage]:
    """A control plane with what `fleetui bootstrap` puts into it, and `fleetui engine run`."""
    plane: Plane = request.getfixturevalue(request.param)
    with on_stage(plane, tmp_path_factory.mktemp("engine")) as ready:
        yield ready


@contextmanager
def on_stage(plane: Plane, home: Path) -> Iterator[Stage]:
    """An engine before a control plane; for modules that are told before one of them alone, too."""
    assert "customresourcedefinition/applications.argoproj.io serverside-applied" in bootstrap(plane.kubeconfig())
    with Recorder(plane.kubeconfig(), home) as recorder:
        engine = EngineProcess(recorder.kubeconfig(), home)
        engine.start()
        yield Stage(plane, recorder, engine)
        assert engine.stop() == 0, engine.log


@pytest.fixture
def story(stage: Stage, unique: str, tmp_path: Path) -> Iterator[Story]:
    """An Application that is not there yet, with a repository and a namespace of its own."""
    name = f"payments-{unique}"
    told = Story(stage.plane, Repository(tmp_path), stage.engine, name=name, namespace=name)
    try:
        yield told
    finally:
        stage.recorder.answered = None
        told.close()
