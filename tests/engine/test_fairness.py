"""What one application, one cluster or one repository may cost the others: counted in requests and in reconciles."""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterable
from pathlib import Path
from typing import Any

import pytest

from backends.embedded.faults import Fault, Kind
from fleetui.engine.controller import PLACES
from fleetui.engine.destination import REQUESTS
from fleetui.model.objects import Obj, ObjectRef
from tests.engine.bench import URL, Hub, Repo, Running, application, embedded_hub, eventually, running, synced
from tests.engine.objects import obj
from tests.engine.test_registered import Edge
from tests.waiting import await_until

TWICE = 2
"""An event of our own write that is read before the answer to it wakes once more; that reconcile does nothing."""


class Folders(Repo):
    """A repository with a folder for each application."""

    def folder(self, name: str, *names: str, value: str = "1") -> None:
        manifests = [obj("ConfigMap", each, namespace="", data={"value": value}) for each in names or [name]]
        before = self.commits.get(self.head, {})
        self.push(*manifests)
        texts = self.commits[self.head]
        self.commits[self.head] = {**before, f"{name}/all.yaml": texts["shop/all.yaml"]}


@pytest.fixture
def edge() -> Edge:
    return Edge()


@pytest.fixture
async def hub(tmp_path: Path, edge: Edge) -> AsyncIterator[Hub]:
    async with embedded_hub(tmp_path, edge.cluster) as found:
        edge.host = found.host
        await found.create(edge.secret())
        await found.create({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": "shop"}})
        yield found


@pytest.fixture
def repo() -> Folders:
    return Folders()


def app_of(name: str, *, cluster: str = "in-cluster", url: str = URL, **spec: Any) -> Obj:
    source = {"repoURL": url, "path": name, "targetRevision": "main"}
    return application(name, source=source, destination={"namespace": "shop", "name": cluster}, **spec)


async def all_synced(hub: Hub, names: Iterable[str]) -> None:
    for name in names:
        await hub.until(synced, f"{name} is synced", app=name)


def asked(engine: Running, before: dict[str, int]) -> dict[str, int]:
    """The requests since, by verb; watches apart, and what is merely looked up at the start."""
    counted = {verb: count - before.get(verb, 0) for verb, count in engine.api.requests.items()}
    return {verb: count for verb, count in counted.items() if count and verb not in {"WATCH", "PROBE"}}


async def test_a_sync_of_one_object_costs_three_requests(hub: Hub, repo: Folders) -> None:
    names = [f"app-{number}" for number in range(10)]
    for name in ("first", *names):
        repo.folder(name)
    async with running(hub, repo) as engine:
        await hub.create(app_of("first"))
        await all_synced(hub, ["first"])
        await engine.idle()
        before = dict(engine.api.requests)
        for name in names:
            await hub.create(app_of(name))
        await all_synced(hub, names)
        await engine.idle()
        # That it begins, the object, and that it has ended and what the comparison then found.
        assert asked(engine, before) == {"PATCH": 3 * len(names)}


async def test_a_drift_that_is_put_right_costs_four(hub: Hub, repo: Folders) -> None:
    repo.folder("shop")
    await hub.create(app_of("shop"))
    async with running(hub, repo) as engine:
        await all_synced(hub, ["shop"])
        await engine.idle()
        before = dict(engine.api.requests)
        await hub.patch("ConfigMap", "shop", {"data": {"value": "drifted"}})

        async def healed() -> bool:
            found = await hub.get("ConfigMap", "shop")
            return found is not None and found["data"] == {"value": "1"}

        await eventually(healed, "the drift is put right")
        await all_synced(hub, ["shop"])
        await engine.idle()
        # Whether it is one is asked once: what was asked is not asked again as the sync's own dry run.
        assert asked(engine, before) == {"PATCH": 4}


async def test_a_commit_costs_who_it_does_not_touch_one_request_and_no_sync(hub: Hub, repo: Folders) -> None:
    names = [f"app-{number}" for number in range(12)]
    for name in names:
        repo.folder(name)
        await hub.create(app_of(name))
    async with running(hub, repo) as engine:
        await all_synced(hub, names)
        await engine.idle()
        before, reconciles = dict(engine.api.requests), engine.engine.reconciles
        repo.folder("app-7", value="2")

        def heard(app: Any) -> object:
            return synced(app) and app["status"]["sync"]["revision"] == repo.head

        for name in names:
            app = await hub.until(heard, "it has heard of the commit", app=name)
            assert len(app["status"]["history"]) == (2 if name == "app-7" else 1)
        await engine.idle()
        assert asked(engine, before) == {"PATCH": len(names) - 1 + 4}
        assert engine.engine.reconciles - reconciles <= TWICE * len(names)


async def test_a_cluster_that_hangs_holds_up_no_other_one_and_is_asked_once(
    hub: Hub, edge: Edge, repo: Folders
) -> None:
    there, here = [f"there-{number}" for number in range(2 * PLACES)], [f"here-{number}" for number in range(5)]
    for name in (*there, *here):
        repo.folder(name)
    edge.cluster.faults.add(Fault(kind=Kind.HANG))
    for name in there:
        await hub.create(app_of(name, cluster="edge"))
    async with running(hub, repo) as engine:
        await await_until(lambda: engine.engine.reconciles >= PLACES, 10, "their places are taken")
        assert not engine.engine.idle
        for name in here:
            await hub.create(app_of(name))
        await all_synced(hub, here)
        assert engine.engine.reconciles <= PLACES + TWICE * len(here)
        assert edge.cluster.faults.listeners > 0
        api = engine.engine._destinations.find({"name": "edge"}).api
        assert api.requests["DISCOVER"] == 3, "one look, of three requests, for all of them together"  # type: ignore[attr-defined]
        edge.host.run(edge.cluster.faults.clear)
        await all_synced(hub, there)


async def test_a_large_application_that_hangs_holds_up_no_small_one(hub: Hub, edge: Edge, repo: Folders) -> None:
    large = [f"large-{number}" for number in range(2)]
    for name in large:
        repo.folder(name, *(f"{name}-{number}" for number in range(2 * REQUESTS)))
    repo.folder("small")
    hub.cluster.faults.add(Fault(kind=Kind.HANG, verbs=frozenset({"patch"}), resource="configmaps"))
    async with running(hub, repo) as engine:
        for name in large:
            await hub.create(app_of(name))
        await await_until(lambda: hub.cluster.faults.listeners >= REQUESTS, 10, "the objects hang")
        reconciles = engine.engine.reconciles
        await hub.create(app_of("small", cluster="edge"))
        await all_synced(hub, ["small"])
        assert engine.engine.reconciles - reconciles <= TWICE
        hub.host.run(hub.cluster.faults.clear)
        await all_synced(hub, large)


async def test_what_somebody_asks_for_goes_before_what_a_commit_stirs_up(hub: Hub, repo: Folders) -> None:
    names = [f"app-{number:02}" for number in range(3 * PLACES)]
    for name in names:
        repo.folder(name)
        await hub.create(app_of(name))
    async with running(hub, repo) as engine:
        await all_synced(hub, names)
        await engine.idle()
        worked: list[str] = []
        original = engine.engine.work_on

        async def noted(reconciler: Any, key: tuple[str, str]) -> None:
            worked.append(key[1])
            await original(reconciler, key)

        engine.engine.work_on = noted  # type: ignore[method-assign]
        hang = Fault(kind=Kind.HANG, verbs=frozenset({"patch"}), resource="applications", count=PLACES)
        hub.cluster.faults.add(hang)
        repo.folder("other")
        await await_until(lambda: hub.cluster.faults.listeners >= PLACES, 10, "the commit has taken every place")
        last = next(name for name in reversed(names) if name not in worked)
        refresh = {"metadata": {"annotations": {"argocd.argoproj.io/refresh": "normal"}}}
        await hub.patch("Application", last, refresh, namespace="argocd")
        await await_until(lambda: _is_asked_to_refresh(engine, last), 10, "the engine has heard of it")
        hub.host.run(hub.cluster.faults.clear)
        await engine.idle()
        assert worked.index(last) == PLACES, "it is the next"


def _is_asked_to_refresh(engine: Running, name: str) -> bool:
    stored = engine.engine._hub.get(ObjectRef("argoproj.io", "Application", "argocd", name))
    return stored is not None and "argocd.argoproj.io/refresh" in (stored.meta.annotations or {})
