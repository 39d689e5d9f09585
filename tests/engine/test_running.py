"""How an engine is told to end, what it tells, and what it would do."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from backends.metrics import EngineMetrics
from fleetui.engine.application import Application
from fleetui.engine.clock import SystemClock
from fleetui.engine.recorder import EventRecorder
from fleetui.engine.rehearsal import Rehearsal
from fleetui.engine.telling import Listeners
from fleetui.model.objects import Obj
from tests.engine.bench import Hub, Repo, application, embedded_hub, eventually, running, synced


@pytest.fixture
async def hub(tmp_path: Path) -> AsyncIterator[Hub]:
    async with embedded_hub(tmp_path) as hub:
        yield hub


def config(name: str, **data: str) -> Obj:
    return {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": name}, "data": data}


async def test_the_events_of_a_sync(hub: Hub) -> None:
    repo = Repo()
    sha = repo.push(config("a"))
    recorder = EventRecorder(hub.api, SystemClock())
    sending = asyncio.create_task(recorder.run())
    resource = await hub.resource("Event")
    async with running(hub, repo, listener=recorder):
        await hub.create(application())
        await hub.until(synced, "synced")

        async def told() -> list[tuple[str, str]]:
            events = [
                each for each in await hub.api.list(resource, "argocd") if each["involvedObject"]["name"] == "shop"
            ]
            return [
                (each["reason"], each["message"]) for each in sorted(events, key=lambda each: each["metadata"]["name"])
            ]

        async def complete() -> bool:
            return ("ResourceUpdated", "Updated health status: Missing -> Healthy") in await told()

        await eventually(complete, "the last event is there")
        assert await told() == [
            ("OperationStarted", f"Initiated automated sync to '{sha}'"),
            ("ResourceUpdated", "Updated sync status:  -> OutOfSync"),
            ("ResourceUpdated", "Updated health status:  -> Missing"),
            ("OperationCompleted", f"Sync operation to {sha} succeeded"),
            ("ResourceUpdated", "Updated sync status: OutOfSync -> Synced"),
            ("ResourceUpdated", "Updated health status: Missing -> Healthy"),
        ]
    sending.cancel()
    await asyncio.gather(sending, return_exceptions=True)


async def test_events_that_nobody_takes_hold_nothing_up(hub: Hub) -> None:
    repo = Repo()
    repo.push(config("a"))
    async with running(hub, repo, listener=EventRecorder(hub.api, SystemClock())):
        await hub.create(application())
        await hub.until(synced, "synced")


async def test_an_engine_that_is_stopped_ends_its_step(hub: Hub) -> None:
    """The application is deleted only when the step that runs has been written down."""
    repo = Repo()
    repo.push(config("a"))
    async with running(hub, repo) as process:
        await hub.create(application())
        await hub.until(synced, "synced")
        before = process.engine.reconciles
        process.engine.stop()
        await process.ended()
        repo.push(config("b"))
        assert process.engine.reconciles == before


async def test_a_step_that_runs_is_not_cut_off(hub: Hub) -> None:
    repo = Repo()
    repo.push(*(config(f"c{number}") for number in range(40)))
    async with running(hub, repo) as process:
        await hub.create(application())

        async def begun() -> bool:
            return await hub.get("ConfigMap", "c0") is not None

        await eventually(begun, "the first object is there")
        process.engine.stop()
        await process.ended()
        state = (await hub.app())["status"]["operationState"]
        assert (state["phase"], len(state["syncResult"]["resources"])) == ("Succeeded", 41)


async def test_a_rehearsal_writes_nothing(hub: Hub) -> None:
    repo = Repo()
    sha = repo.push(config("a"), config("b"))
    rehearsal = Rehearsal()
    made = await hub.create(application())
    await hub.create(application("broken", source={"repoURL": "", "path": "shop"}))
    async with running(hub, repo, rehearsal=rehearsal) as process:
        await eventually(lambda: _is(len(rehearsal.verdicts) == 2), "both were looked at")
        await process.idle()
        assert await hub.app() == made
        assert await hub.get("ConfigMap", "a") is None
    verdict = rehearsal.verdicts["argocd", "shop"]
    assert (verdict.sync, verdict.health) == ("OutOfSync", "Missing")
    assert verdict.would == f"sync to {sha[:7]} (create 2)"
    broken = rehearsal.verdicts["argocd", "broken"]
    assert "repoURL" in broken.error
    assert broken.would == ""


async def _is(fact: bool) -> bool:
    return fact


async def test_metrics_have_argo_cds_names(hub: Hub) -> None:
    repo = Repo()
    repo.push(config("a"))
    apps: list[Obj] = []
    metrics = EngineMetrics(lambda: apps, lambda: 3)
    async with running(hub, repo, listener=Listeners(metrics)):
        await hub.create(application())
        await hub.until(synced, "synced")
    apps.append(await hub.app())
    text = metrics.text().decode()
    labels = 'dest_server="https://kubernetes.default.svc",dry_run="false",name="shop",namespace="argocd"'
    assert f'argocd_app_sync_total{{{labels},phase="Succeeded",project="default"}} 1.0' in text
    assert 'argocd_app_reconcile_count{namespace="argocd"}' in text
    assert 'workqueue_depth{name="app_reconciliation_queue"} 3.0' in text
    info = next(line for line in text.splitlines() if line.startswith("argocd_app_info{"))
    for label in ('autosync_enabled="true"', 'sync_status="Synced"', 'health_status="Healthy"', 'phase="Succeeded"'):
        assert label in info


def test_metrics_of_applicationsets_have_argo_cds_names() -> None:
    status = {
        "conditions": [{"type": "ResourcesUpToDate", "status": "True", "reason": "ApplicationSetUpToDate"}],
        "resources": [{"name": "a"}, {"name": "b"}],
    }
    sets: list[Obj] = [{"metadata": {"name": "addons", "namespace": "argocd"}, "status": status}, {"status": 1}]
    text = EngineMetrics(list, lambda: 0, sets=lambda: sets).text().decode()
    labels = 'name="addons",namespace="argocd"'
    assert f'argocd_appset_info{{{labels},resource_update_status="ApplicationSetUpToDate"}} 1.0' in text
    assert f"argocd_appset_owned_applications{{{labels}}} 2.0" in text
    assert 'argocd_appset_info{name="",namespace="",resource_update_status="Unknown"} 1.0' in text


def test_odd_applications_do_not_break_metrics() -> None:
    odd: list[Obj] = [
        {},
        {"metadata": {"name": 3}, "spec": {"sources": [1]}, "status": {"conditions": [1, {"type": "X"}]}},
    ]
    text = EngineMetrics(lambda: odd, lambda: 0).text().decode()
    assert text.count("argocd_app_info{") == 2
    assert 'condition="X"' in text


def test_traces_tell_what_was_written() -> None:
    sdk = pytest.importorskip("opentelemetry.sdk.trace.export", reason="the extra fleetui[otel] is not installed")
    memory = pytest.importorskip("opentelemetry.sdk.trace.export.in_memory_span_exporter")
    from backends.tracing import EngineTraces

    exporter = memory.InMemorySpanExporter()
    traces = EngineTraces(sdk.SimpleSpanProcessor(exporter))
    before = Application(application())
    after = Application({**application(), "status": {"sync": {"status": "Synced"}}})
    with traces.reconciling("argocd", "shop"):
        traces.wrote(before, after)
    with pytest.raises(RuntimeError), traces.reconciling("argocd", "other"):
        raise RuntimeError("it broke")
    traces.close()
    first, second = exporter.get_finished_spans()
    assert dict(first.attributes) == {"argocd.app.namespace": "argocd", "argocd.app.name": "shop"}
    assert [dict(event.attributes) for event in first.events] == [{"message": "Updated sync status:  -> Synced"}]
    assert second.status.status_code.name == "ERROR"


@pytest.mark.parametrize(
    ("level", "message", "said"),
    [
        (logging.WARNING, "Transient error HTTPConnectionPool(...), retrying in 1.17s.", None),
        (logging.ERROR, "Failed to export spans batch due to timeout", "does a collector listen there?"),
        (
            logging.ERROR,
            "Failed to export spans batch code: 404, reason: Not Found",
            "it answers 404, reason: Not Found",
        ),
    ],
)
def test_traces_that_can_not_be_sent_are_told_in_one_sentence(
    level: int, message: str, said: str | None, monkeypatch: pytest.MonkeyPatch
) -> None:
    from backends.tracing import PlainWords

    monkeypatch.setenv("OTEL_EXPORTER_OTLP_ENDPOINT", "http://collector:4318")
    record = logging.LogRecord("exporter", level, "", 0, message, None, None)
    assert PlainWords().filter(record) is (said is not None)
    if said is not None:
        assert record.getMessage() == f"traces can't be sent to http://collector:4318 ({said})"
