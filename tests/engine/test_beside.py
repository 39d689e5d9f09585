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


async def controller(hub: Hub) -> None:
    """Argo CD's controller, as far as it honours refreshes."""
    resource = await hub.resource("Application")
    while True:
        await asyncio.sleep(0)
        app = await hub.api.get(resource, "shop", "argocd")
        if "argocd.argoproj.io/refresh" in app["metadata"].get("annotations", {}):
            body = {"metadata": {"annotations": {"argocd.argoproj.io/refresh": None}}}
            await hub.api.patch(resource, "shop", "argocd", body, kind=PatchType.MERGE, field_manager=CONTROLLER)


async def test_a_controller_that_runs_anywhere_is_seen_by_its_answer(hub: Hub) -> None:
    await hub.create(application())
    assert await refusal(hub) == ""
    await wrote(hub)
    # One that has just been stopped does not answer, and is taken over from.
    assert await refusal(hub) == ""
    # What an engine of ours wrote says nothing.
    assert await refusal(hub, ours_until=CLOCK.now() + 60) == ""

    alive = asyncio.create_task(controller(hub))
    assert "it answers to a refresh" in await refusal(hub)
    alive.cancel()
    await asyncio.gather(alive, return_exceptions=True)


def shown(second: int, uid: str = "u1") -> Application:
    entry = {"manager": CONTROLLER, "time": f"2026-01-01T00:00:{second:02d}Z"}
    where = {"namespace": "argocd", "name": "shop", "uid": uid, "resourceVersion": str(second)}
    return Application({"metadata": {**where, "managedFields": [entry]}})


class Watching:
    """An engine's eye on the writes of others, on a hub with one Application that was written just now."""

    def __init__(self, hub: Hub) -> None:
        self.hub = hub
        self.foreign = ForeignWrites(hub.api, CLOCK, namespace="argocd")
        self.ending = asyncio.create_task(self.foreign.until_certain())

    async def calm(self) -> bool:
        """Whether nothing is suspected, after whoever waits has had his turn."""
        for _ in range(3):
            await asyncio.sleep(0)
        try:
            async with asyncio.timeout(0):
                await self.foreign.calm()
        except TimeoutError:
            return False
        return True

    def shows(self, first: int) -> None:
        for second in range(first, first + FOREIGN):
            self.foreign.seen(shown(second))


@pytest.fixture
async def watching(hub: Hub) -> AsyncIterator[Watching]:
    await hub.create(application())
    await wrote(hub)
    watching = Watching(hub)
    watching.foreign.seen(shown(0))
    yield watching
    watching.ending.cancel()
    await asyncio.gather(watching.ending, return_exceptions=True)


async def test_our_own_writes_are_not_suspected(watching: Watching) -> None:
    for second in range(1, FOREIGN):
        watching.foreign.wrote(shown(0), shown(second))
        watching.foreign.seen(shown(second))
    for second in range(10, 10 + FOREIGN - 1):
        watching.foreign.seen(shown(second))
    assert await watching.calm()


async def test_an_event_of_a_write_of_ours_that_comes_before_its_answer_is_not_another_ones(watching: Watching) -> None:
    for second in range(1, 2 * FOREIGN):
        with watching.foreign.reconciling("argocd", "shop"):
            watching.foreign.seen(shown(second))
            watching.foreign.wrote(shown(second - 1), shown(second))
    assert await watching.calm()
    with watching.foreign.reconciling("argocd", "shop"):
        watching.shows(40)
    assert not await watching.calm()


async def test_an_engine_that_suspects_another_controller_holds_still_and_goes_on_where_none_answers(
    watching: Watching,
) -> None:
    watching.shows(10)
    assert not await watching.calm()
    await watching.foreign.calm()
    assert not watching.ending.done()
    watching.shows(30)
    assert not await watching.calm()


async def test_an_engine_ends_where_another_controller_answers(watching: Watching) -> None:
    alive = asyncio.create_task(controller(watching.hub))
    watching.shows(10)
    with pytest.raises(RefusedError, match="writes the Applications"):
        await watching.ending
    alive.cancel()
    await asyncio.gather(alive, return_exceptions=True)


async def test_an_engine_is_not_frightened_by_its_own_writes(hub: Hub) -> None:
    repo = Repo()
    async with running(hub, repo) as process:
        await hub.create(application())
        for number in range(FOREIGN + 3):
            data = {"n": str(number)}
            repo.push({"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "c"}, "data": data})
            await hub.until(lambda app: synced(app) and app["status"]["sync"]["revision"] == repo.head, "synced")
        assert process.running
