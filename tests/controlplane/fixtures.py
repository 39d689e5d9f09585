"""The control plane as pytest fixtures: owns when it is built, started, skipped and closed.

Loaded by tests/conftest.py. FLEETUI_CONTROL_PLANE=required turns a skip into a failure (for CI, where a
skip would go unseen); FLEETUI_CONTROL_PLANE=off skips without looking.
"""

from __future__ import annotations

import os
import secrets
from collections.abc import Iterator
from contextlib import closing

import pytest

from tests.controlplane.build import Assets, Unavailable, find_or_build
from tests.controlplane.node import LocalNode
from tests.controlplane.server import ControlPlane

SWITCH = "FLEETUI_CONTROL_PLANE"
NEEDS, NEEDS_HELM = "needs a control plane: ", "needs Helm: "
"""How every such skip begins, for the summary below and for who greps."""

_FOUND = pytest.StashKey[Assets | Unavailable]()


@pytest.hookimpl(tryfirst=True)
def pytest_runtestloop(session: pytest.Session) -> None:
    """Builds before the first test, or minutes of building would count as the first one's and kill it."""
    if session.config.option.collectonly:
        return
    if any("control_plane_assets" in getattr(item, "fixturenames", ()) for item in session.items):
        session.config.stash[_FOUND] = _look(session.config)


def _look(config: pytest.Config) -> Assets | Unavailable:
    if os.environ.get(SWITCH) == "off":
        return Unavailable(f"{SWITCH} is off")
    capture = config.pluginmanager.getplugin("capturemanager")
    if capture is None:
        return find_or_build()
    with capture.global_and_fixture_disabled():  # the progress of a build of minutes has to be seen
        return find_or_build()


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    """Says aloud that tests were left out, which a run that ends in green hides."""
    reports = terminalreporter.stats.get("skipped", [])
    for needs, what in ((NEEDS, "a control plane"), (NEEDS_HELM, "Helm")):
        skipped = [report for report in reports if needs in str(report.longrepr)]
        if skipped:
            text = f"{len(skipped)} tests did NOT run, for want of {what}"
            terminalreporter.write_sep("!", text, red=True, bold=True)


@pytest.fixture(scope="session")
def control_plane_assets(request: pytest.FixtureRequest) -> Assets:
    """The binaries; skips, or fails where they are required."""
    found = request.config.stash.get(_FOUND, None) or _look(request.config)
    if isinstance(found, Assets):
        return found
    if os.environ.get(SWITCH) == "required":
        pytest.fail(f"{NEEDS}{found.reason}", pytrace=False)
    pytest.skip(f"{NEEDS}{found.reason}")


@pytest.fixture(scope="session")
def control_plane(control_plane_assets: Assets) -> Iterator[ControlPlane]:
    """One control plane for the whole run: tests keep to their own `namespace` and `unique` names."""
    with ControlPlane(control_plane_assets) as running:
        yield running


@pytest.fixture(scope="session")
def node(control_plane: ControlPlane) -> Iterator[LocalNode]:
    """A node, for logs, commands and ports of the Pods on it; started by the first who needs it."""
    command = control_plane.kubelet_command
    if command is None:
        pytest.skip(f"{NEEDS}the binaries of KUBEBUILDER_ASSETS have no server for a node's Pods")
    with LocalNode(control_plane, command) as running:
        yield running


@pytest.fixture
def isolated_control_plane(control_plane_assets: Assets) -> Iterator[ControlPlane]:
    """A control plane of the test's own, to stop or to break; half a gigabyte of memory, seconds to start."""
    with ControlPlane(control_plane_assets) as running:
        yield running


@pytest.fixture
def unique() -> str:
    """A short string no other test has, fit for the name of any object."""
    return f"t{secrets.token_hex(4)}"


@pytest.fixture
def namespace(control_plane: ControlPlane, unique: str) -> Iterator[str]:
    """A namespace of the test's own; its deletion is started afterwards and not waited for."""
    body = {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": unique}}
    with closing(control_plane.api()) as api:
        created = api.request("POST", "/api/v1/namespaces", body=body)
        assert created.ok, created.message
    yield unique
    with closing(control_plane.api()) as api:
        api.request("DELETE", f"/api/v1/namespaces/{unique}")
