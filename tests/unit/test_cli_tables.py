"""The tables that commands print."""

from __future__ import annotations

import msgspec
import pytest

from fleetui.cli import tables
from fleetui.model.app import App, AppKey, Condition, OperationState
from fleetui.model.objects import ClusterName
from fleetui.model.status import Health, HealthStatus, OperationPhase

BROKEN = App(
    key=AppKey(ClusterName("prod"), "argo", "argocd", "checkout"), health=Health(HealthStatus.DEGRADED, "0 of 3 ready")
)


@pytest.mark.parametrize(
    ("phase", "message"),
    [(OperationPhase.SUCCEEDED, "0 of 3 ready"), (OperationPhase.FAILED, "what the sync said")],
)
def test_that_a_sync_succeeded_explains_nothing(phase: OperationPhase, message: str) -> None:
    app = msgspec.structs.replace(BROKEN, operation=OperationState(phase=phase, message="what the sync said"))
    assert tables.why(app) == message


def test_a_condition_tells_most() -> None:
    app = msgspec.structs.replace(BROKEN, conditions=(Condition("ComparisonError", "no such path"),))
    assert tables.why(app) == "no such path"
