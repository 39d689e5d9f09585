"""An engine does not begin, and does not go on, where Argo CD's own controller is at work."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest

from fleetui.engine import beside
from fleetui.engine.application import Application
from fleetui.engine.beside import FOREIGN, ForeignWrites, refuse_beside_argocd
from fleetui.engine.clock import SystemClock
from fleetui.engine.lease import EngineLease
from fleetui.model.errors import RefusedError
from fleetui.model.objects import Obj
from fleetui.model.times import format_time
from fleetui.ports import PatchType
from tests.engine.bench import Hub, Repo, application, embedded_hub, running, synced

CONTROLLER = "argocd-application-controller"
CLOCK = SystemClock()


@pytest.fixture
async def hub(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[Hub]:
    monkeypatch.setattr(beside, "ANSWER", 0.5)
    monkeypatch.setattr(beside, "_LOOK", 0.02)
    async with embedded_hub(tmp_path) as hub:
        yield hub


async def refusal(hub: Hub, *, ours_until: float = 0.0) -> str:
    try:
        await refuse_beside_argocd(hub.api, CLOCK, namespace="argocd", ours_until=ours_until)
    except RefusedError as error:
        return str(error)
    return ""


def workload(namespace: str) -> Obj:
    labels = {"app.kubernetes.io/name": CONTROLLER}
    template: Any = {"metadata": {"labels": labels}, "spec": {"containers": [{"name": "c", "image": "i"}]}}
    return {
        "apiVersion": "apps/v1",
        "kind": "StatefulSet",
        "metadata": {"name": CONTROLLER, "namespace": namespace, "labels": labels},
        "spec": {"serviceName": "c", "selector": {"matchLabels": labels}, "template": template},
    }


async def test_a_workload_that_is_ready_is_seen_in_its_namespace(hub: Hub) -> None:
    await hub.create(workload("argocd"))
    assert await refusal(hub) == ""
    ready = {"status": {"replicas": 1, "readyReplicas": 1}}
    await hub.patch("StatefulSet", CONTROLLER, ready, namespace="argocd", subresource="status")
    assert f"(StatefulSet argocd/{CONTROLLER})" in await refusal(hub)
    with pytest.raises(RefusedError, match="is at work on cluster hub"):
        await EngineLease(hub.api, CLOCK).guard(asyncio.Event().wait)  # type: ignore[arg-type]


async def test_a_controller_of_another_namespace_has_other_applications(hub: Hub) -> None:
    await hub.create({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": "team"}})
    await hub.create(workload("team"))
    ready = {"status": {"replicas": 1, "readyReplicas": 1}}
    await hub.patch("StatefulSet", CONTROLLER, ready, namespace="team", subresource="status")
    assert await refusal(hub) == ""


@pytest.mark.parametrize(("age", "refused"), [(0.0, True), (3600.0, False)])
async def test_a_lease_counts_while_it_is_held(hub: Hub, age: float, refused: bool) -> None:
    renewed = format_time(CLOCK.now() - age).replace("Z", ".000000Z")
    spec = {"holderIdentity": "pod-0", "leaseDurationSeconds": 15, "renewTime": renewed}
    metadata = {"name": CONTROLLER, "namespace": "argocd"}
    await hub.create({"apiVersion": "coordination.k8s.io/v1", "kind": "Lease", "metadata": metadata, "spec": spec})
    assert ("held by pod-0" in await refusal(hub)) is refused


@pytest.mark.parametrize(("age", "refused"), [(0.0, True), (3600.0, False)])
async def test_the_heartbeat_of_a_shard_counts_for_a_minute(hub: Hub, age: float, refused: bool) -> None:
    shards = [{"ShardNumber": 0, "ControllerName": "pod-0", "HeartbeatTime": format_time(CLOCK.now() - age)}]
    metadata = {"name": "argocd-app-controller-shard-cm", "namespace": "argocd"}
    data = {"shardControllerMapping": json.dumps(shards)}
    await hub.create({"apiVersion": "v1", "kind": "ConfigMap", "metadata": metadata, "data": data})
    assert ("a heartbeat of pod-0" in await refusal(hub)) is refused


async def wrote(hub: Hub, name: str = "shop") -> None:
    """A write of Argo CD's controller."""
    body: Any = {"status": {"reconciledAt": format_time(CLOCK.now()), "controllerNamespace": "argocd"}}
    resource = await hub.resource("Application")
    await hub.api.patch(resource, name, "argocd", body, kind=PatchType.MERGE, field_manager=CONTROLLER)


async def test_a_controller_that_runs_anywhere_is_seen_by_its_answer(hub: Hub) -> None:
    await hub.create(application())
    assert await refusal(hub) == ""
    await wrote(hub)
    # One that has just been stopped does not answer, and is taken over from.
    assert await refusal(hub) == ""
    # What an engine of ours wrote says nothing.
    assert await refusal(hub, ours_until=CLOCK.now() + 60) == ""

    async def controller() -> None:
        resource = await hub.resource("Application")
        while True:
            await asyncio.sleep(0)
            app = await hub.api.get(resource, "shop", "argocd")
            if "argocd.argoproj.io/refresh" in app["metadata"].get("annotations", {}):
                body = {"metadata": {"annotations": {"argocd.argoproj.io/refresh": None}}}
                await hub.api.patch(resource, "shop", "argocd", body, kind=PatchType.MERGE, field_manager=CONTROLLER)

    alive = asyncio.create_task(controller())
    assert "it answers to a refresh" in await refusal(hub)
    alive.cancel()
    await asyncio.gather(alive, return_exceptions=True)


def shown(second: int, uid: str = "u1") -> Application:
    entry = {"manager": CONTROLLER, "time": f"2026-01-01T00:00:{second:02d}Z"}
    return Application({"metadata": {"uid": uid, "managedFields": [entry]}})


async def test_the_writes_of_another_controller_end_an_engine(hub: Hub) -> None:
    foreign = ForeignWrites(hub.api, CLOCK)
    ending = asyncio.create_task(foreign.until_certain())
    foreign.seen(shown(0))
    for second in range(1, FOREIGN):
        foreign.wrote(shown(0), shown(second))
        foreign.seen(shown(second))
    for second in range(10, 10 + FOREIGN - 1):
        foreign.seen(shown(second))
    await asyncio.sleep(0)
    assert not ending.done()
    foreign.seen(shown(40))
    with pytest.raises(RefusedError, match="writes the Applications"):
        await ending


async def test_an_engine_is_not_frightened_by_its_own_writes(hub: Hub) -> None:
    repo = Repo()
    async with running(hub, repo) as process:
        await hub.create(application())
        for number in range(FOREIGN + 3):
            data = {"n": str(number)}
            repo.push({"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "c"}, "data": data})
            await hub.until(lambda app: synced(app) and app["status"]["sync"]["revision"] == repo.head, "synced")
        assert process.running
