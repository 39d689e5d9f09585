"""Helm for the tests: owns where it is found and when its tests are left out.

Never installs anything: .ci/run does, in the version that these tests were written against. FLEETUI_HELM=required turns
a skip into a failure.
"""

from __future__ import annotations

import os
import shutil
from pathlib import Path

import pytest

from tests.controlplane.fixtures import NEEDS_HELM

SWITCH = "FLEETUI_HELM"


def find_helm() -> str:
    """The helm of the PATH, or the one that ``go install`` puts into ~/go/bin; skips, or fails where it is required."""
    folders = [os.environ.get("PATH", os.defpath), str(Path.home() / "go" / "bin")]
    found = shutil.which("helm", path=os.pathsep.join(folders))
    if found is not None:
        return found
    reason = f"{NEEDS_HELM}none on the PATH, none in ~/go/bin (go install helm.sh/helm/v4/cmd/helm@latest)"
    if os.environ.get(SWITCH) == "required":
        pytest.fail(reason, pytrace=False)
    pytest.skip(reason)
