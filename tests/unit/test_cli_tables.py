"""The tables that commands print."""

from __future__ import annotations

import msgspec
import pytest

from fleetui.cli import documents, tables
from fleetui.cli.output import emit
from fleetui.cli.report import say
from fleetui.fleet.views import Evidence, Link, Orphan, Orphans, Why
from fleetui.model.app import App, AppKey, Condition, OperationState
from fleetui.model.objects import ClusterName, ObjectRef
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


def test_why_is_a_paragraph_the_way_and_the_evidence() -> None:
    hub, claim = ClusterName("prod"), ObjectRef("", "PersistentVolumeClaim", "shop", "data")
    links = (
        Link(ObjectRef("argoproj.io", "Application", "argocd", "checkout"), hub, said="Degraded, Synced"),
        Link(ObjectRef("", "Pod", "shop", "db-0"), hub, said="Pending"),
        Link(claim, hub, "spec.volumes"),
    )
    evidence = (Evidence("event", "FailedBinding: none fits", claim, 40.0), Evidence("operation", "Failed"))
    found = Why(BROKEN.key, "NoStorageClass", "It waits.", "Name one.", links, evidence, ("a note",))
    assert tables.explained(found, now=100.0).splitlines() == [
        "prod/argocd/checkout: It waits. Name one.",
        "  Application checkout: Degraded, Synced",
        "    Pod db-0: Pending",
        "      PersistentVolumeClaim data (spec.volumes)",
        "  event PersistentVolumeClaim data, 60s ago: FailedBinding: none fits",
        "  operation: Failed",
    ]
    document = documents.why(found)
    assert list(document) == ["app", "cause", "words", "remedy", "object", "chain", "evidence", "notes"]
    assert document["object"] == {"group": "", "kind": "PersistentVolumeClaim", "namespace": "shop", "name": "data"}
    assert document["chain"][2] == {**document["object"], "context": "prod", "by": "spec.volumes", "said": ""}
    assert document["evidence"][0]["time"] == "1970-01-01T00:00:40Z"
    nothing = documents.why(Why(BROKEN.key, "", "It waits for nothing."))
    assert (nothing["object"], nothing["chain"], nothing["cause"]) == (None, [], "")


def test_a_name_that_is_an_attack_neither_moves_the_cursor_nor_makes_a_row(capsys: pytest.CaptureFixture[str]) -> None:
    role = ObjectRef("rbac.authorization.k8s.io", "Role", "shop", "x\x1b[2J\nDeployment   web   shop   Healthy")
    emit(tables.orphans(Orphans(BROKEN.key, BROKEN.key.hub, "shop", (Orphan(role, None),)), 0.0))
    say(f"fleetui: {role} is not compared")
    shown = capsys.readouterr()
    assert "\x1b" not in shown.out + shown.err
    assert len(shown.out.splitlines()) == 2
