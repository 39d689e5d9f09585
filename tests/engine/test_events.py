"""The Events of a write, in Argo CD's words."""

from __future__ import annotations

from typing import Any

import pytest

from fleetui.engine.application import Application
from fleetui.engine.clock import SystemClock
from fleetui.engine.events import Told, event_of, told_by
from fleetui.engine.recorder import MOST, EventRecorder
from tests.engine.fake_clock import FakeClock
from tests.unit.fakes import FakeCluster

SHA = "b" * 40


def app(operation: Any = None, **status: Any) -> Application:
    metadata = {"name": "shop", "namespace": "argocd", "uid": "u1", "resourceVersion": "7"}
    spec = {"destination": {"server": "https://kubernetes.default.svc", "namespace": "shop"}}
    return Application({"metadata": metadata, "spec": spec, "status": status, "operation": operation})


def ended(phase: str, **more: Any) -> Any:
    return {"startedAt": "2026-01-01T00:00:00Z", "finishedAt": "2026-01-01T00:00:09Z", "phase": phase, **more}


@pytest.mark.parametrize(
    ("before", "after", "told"),
    [
        ({}, {}, []),
        (
            {"sync": {"status": "OutOfSync"}},
            {"sync": {"status": "Synced"}},
            [Told("Normal", "ResourceUpdated", "Updated sync status: OutOfSync -> Synced")],
        ),
        ({}, {"sync": {"status": "Synced"}}, [Told("Normal", "ResourceUpdated", "Updated sync status:  -> Synced")]),
        (
            {"health": {"status": "Healthy"}},
            {"health": {"status": "Degraded", "message": "crash loop"}},
            [Told("Normal", "ResourceUpdated", "Updated health status: Healthy -> Degraded (crash loop)")],
        ),
        (
            {},
            {"conditions": [{"type": "DeletionError", "message": "no"}]},
            [Told("Warning", "StatusRefreshed", "Unable to delete application resources: no")],
        ),
        (
            {"operationState": {"phase": "Running"}},
            {"operationState": ended("Succeeded", syncResult={"revision": SHA}, operation={"sync": {}})},
            [Told("Normal", "OperationCompleted", f"Sync operation to {SHA} succeeded")],
        ),
        (
            {"operationState": {"phase": "Running"}},
            {
                "operationState": ended(
                    "Failed",
                    message="it broke",
                    syncResult={"revisions": ["a", "b"]},
                    operation={"sync": {"resources": [{"kind": "Pod"}]}},
                )
            },
            [Told("Warning", "OperationCompleted", "Partial sync operation to a,b failed: it broke")],
        ),
        ({"operationState": ended("Succeeded")}, {"operationState": ended("Succeeded")}, []),
        ({}, {"operationState": {"phase": "Running"}}, []),
    ],
)
def test_a_write_is_told(before: Any, after: Any, told: list[Told]) -> None:
    assert told_by(app(**before), app(**after)) == told


def test_an_automated_operation_is_told_when_it_begins() -> None:
    operation = {"initiatedBy": {"automated": True}, "sync": {"revision": SHA}}
    begun = [Told("Normal", "OperationStarted", f"Initiated automated sync to '{SHA}'")]
    assert told_by(app(), app(operation)) == begun
    assert told_by(app(operation), app(operation)) == []
    assert told_by(app(), app({"initiatedBy": {"username": "alice"}, "sync": {}})) == []


def test_an_event_is_about_its_application() -> None:
    event = event_of(app(), Told("Normal", "ResourceUpdated", "hello"), 1767225600.5)
    assert event["metadata"] == {
        "name": f"shop.{1767225600500000000:x}",
        "namespace": "argocd",
        "annotations": {"dest-server": "https://kubernetes.default.svc", "dest-namespace": "shop"},
    }
    assert event["involvedObject"] == {
        "kind": "Application",
        "name": "shop",
        "namespace": "argocd",
        "uid": "u1",
        "resourceVersion": "7",
        "apiVersion": "argoproj.io/v1alpha1",
    }
    assert event["source"] == {"component": "argocd-application-controller"}
    assert event["firstTimestamp"] == event["lastTimestamp"] == "2026-01-01T00:00:00Z"
    assert (event["type"], event["reason"], event["message"], event["count"]) == (
        *("Normal", "ResourceUpdated", "hello"),
        1,
    )


def test_the_log_says_why_an_application_is_unknown_and_says_it_once(caplog: pytest.LogCaptureFixture) -> None:
    recorder = EventRecorder(None, SystemClock())  # type: ignore[arg-type]  # nothing is sent here
    broken = app(conditions=[{"type": "ComparisonError", "message": "no such path", "lastTransitionTime": "t"}])
    recorder.wrote(app(), broken)
    recorder.wrote(broken, app(conditions=[{"type": "ComparisonError", "message": "no such path"}]))
    assert [record.getMessage() for record in caplog.records] == ["argocd/shop: ComparisonError: no such path"]


async def test_no_more_events_wait_than_may() -> None:
    """Each of these writes tells three, and nothing is sent."""
    hub = FakeCluster()
    recorder = EventRecorder(hub, FakeClock())
    for number in range(MOST // 2):
        health, sync = ({"status": f"{number}"} for _ in range(2))
        recorder.wrote(app(), app(health=health, sync=sync, operationState=ended("Succeeded")))
    await recorder.drain(60)
    assert len(hub.writes) == MOST
