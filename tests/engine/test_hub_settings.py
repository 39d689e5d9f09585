"""A hub's argocd-cm at work in the engine: it decides health, waves and what differs, and as it is now."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest

from backends.embedded.faults import Fault, Kind
from fleetui.engine.gathering import RECHECK
from fleetui.engine.hubsettings import HubSettings
from fleetui.model.errors import ForbiddenError, UnreachableError
from fleetui.model.objects import Obj
from tests.engine.bench import Hub, Repo, application, embedded_hub, eventually, message, phase, running, synced
from tests.engine.objects import obj
from tests.unit.fakes import FakeClock, FakeCluster, manifest, stored

HEALTH, IGNORE = "resource.customizations.health.ConfigMap", "resource.customizations.ignoreDifferences.ConfigMap"
MANUAL: Obj = {"syncPolicy": {"syncOptions": ["CreateNamespace=true"]}}
BROKEN = "return {status = 'Degraded', message = 'says ' .. obj.data.value}"
WATCHES = Fault(
    kind=Kind.STATUS,
    code=403,
    verbs=frozenset({"list", "watch"}),
    resource="configmaps",
    namespace="argocd",
    after=10**6,
)
"""Strikes nobody; it counts who asks for ConfigMaps in Argo CD's namespace."""


@pytest.fixture
async def hub(tmp_path: Path) -> AsyncIterator[Hub]:
    async with embedded_hub(tmp_path) as found:
        yield found


@pytest.fixture
def repo() -> Repo:
    return Repo()


def config(name: str = "a", value: str = "1", **rest: Any) -> Obj:
    return obj("ConfigMap", name, namespace="", data={"value": value}, **rest)


def settings(**data: str) -> Obj:
    labels = {"app.kubernetes.io/part-of": "argocd"}
    return obj("ConfigMap", "argocd-cm", namespace="argocd", metadata={"labels": labels}, data=data)


async def change(hub: Hub, **data: str | None) -> None:
    await hub.patch("ConfigMap", "argocd-cm", {"data": data}, namespace="argocd")


def stands(app: Any, sync: str, health: str = "Healthy") -> bool:
    status = app.get("status", {})
    return (status.get("sync", {}).get("status"), status.get("health", {}).get("status")) == (sync, health)


async def test_a_script_of_the_hub_decides_health_for_as_long_as_it_is_there(hub: Hub, repo: Repo) -> None:
    repo.push(config())
    await hub.create(application())
    asked = hub.cluster.faults.add(WATCHES)
    async with running(hub, repo) as engine:
        await hub.until(lambda app: synced(app) and stands(app, "Synced"), "the first sync")
        await hub.create(settings(**{HEALTH: BROKEN}))
        await hub.until(lambda app: stands(app, "Synced", "Degraded"), "the script is taken up")
        await change(hub, **{HEALTH: "return {status = 'Suspended'}"})
        await hub.until(lambda app: stands(app, "Synced", "Suspended"), "it is another one now")
        await engine.idle()

        reconciles, requests = engine.engine.reconciles, dict(engine.api.requests)
        await change(hub, url="https://argocd.example")
        await change(hub, **{HEALTH: "return {status = 'Progressing'}"})
        await hub.until(lambda app: stands(app, "Synced", "Progressing"), "a later change is seen")
        await engine.idle()
        assert engine.engine.reconciles - reconciles == 1, "the script wakes, the URL does not"
        assert {verb: count - requests.get(verb, 0) for verb, count in engine.api.requests.items()} == {
            verb: int(verb == "PATCH") for verb in engine.api.requests
        }, "and only the status is written"

        await hub.delete("ConfigMap", "argocd-cm", "argocd")
        await hub.until(lambda app: stands(app, "Synced"), "without it the rules are the built-in ones")
        assert asked.seen in {1, 2}, "one watch, which lists first or is the list"


async def test_an_object_that_no_selector_of_the_hub_takes_in_is_applied_but_not_seen(hub: Hub, repo: Repo) -> None:
    repo.push(config())
    await hub.create(settings(**{"resource.selectors": "- kinds: [ConfigMap]\n  selector: x=zz\n"}))
    await hub.create(application(**MANUAL))
    async with running(hub, repo):
        app = await hub.until(lambda app: stands(app, "OutOfSync", "Missing"), "it counts as absent")
        (condition,) = app["status"]["conditions"]
        assert (condition["type"], condition["message"]) == (
            "ExcludedResourceWarning",
            'Resource /ConfigMap a does not match the resource selector "x=zz" in the settings and will not be '
            "watched; it will appear as OutOfSync",
        )
        asked = {"operation": {"sync": {"syncOptions": ["CreateNamespace=true"]}}}
        await hub.patch("Application", "shop", asked, namespace="argocd")
        await hub.until(lambda app: phase(app) == "Succeeded", "it is applied")
        assert await hub.get("ConfigMap", "a")
        assert stands(await hub.app(), "OutOfSync", "Missing")


async def test_waves_wait_by_the_scripts_of_the_hub(hub: Hub, repo: Repo) -> None:
    waits = "return {status = obj.data.value == 'ready' and 'Healthy' or 'Progressing'}"
    await hub.create(settings(**{HEALTH: waits}))
    repo.push(config("first", "not yet", wave=0), config("second", "ready", wave=1))
    await hub.create(application(syncPolicy={"automated": {}, "syncOptions": ["CreateNamespace=true"]}))
    async with running(hub, repo) as engine:
        app = await hub.until(lambda app: "healthy state of /ConfigMap/first" in message(app), "it waits")
        await engine.idle()
        assert phase(app) == "Running"
        assert await hub.get("ConfigMap", "second") is None
        await hub.patch("ConfigMap", "first", {"data": {"value": "ready"}})
        await hub.until(lambda app: phase(app) == "Succeeded", "the next wave")
        assert await hub.get("ConfigMap", "second")


async def test_differences_that_the_hub_ignores_are_none_and_not_healed(hub: Hub, repo: Repo) -> None:
    await hub.create(settings(**{IGNORE: "jsonPointers: [/data/value]"}))
    repo.push(config(), obj("Namespace", "other"))
    await hub.create(application())
    async with running(hub, repo) as engine:
        await hub.until(synced, "the first sync")
        await hub.patch("ConfigMap", "a", {"data": {"value": "drifted"}})
        await engine.idle()
        assert stands(await hub.app(), "Synced")
        await change(hub, **{IGNORE: "jsonPointers: [/data/other]"})

        async def healed() -> bool:
            return bool((await hub.get("ConfigMap", "a") or {})["data"] == {"value": "1"})

        await eventually(healed, "it is ignored no more")


async def test_a_rule_that_cannot_be_read_is_said_and_heals_nothing(hub: Hub, repo: Repo) -> None:
    await hub.create(settings(**{IGNORE: "jsonPointers: [/data/value]"}))
    repo.push(config())
    await hub.create(application())
    async with running(hub, repo) as engine:
        await hub.until(synced, "the first sync")
        await hub.patch("ConfigMap", "a", {"data": {"value": "drifted"}})
        await change(hub, **{IGNORE: "jsonPointers: [", HEALTH: BROKEN})
        app = await hub.until(lambda app: app["status"].get("conditions"), "it is said")
        (condition,) = app["status"]["conditions"]
        assert condition["type"] == "ComparisonError"
        assert "live state: argocd-cm: ignoreDifferences of ConfigMap is not YAML: " in condition["message"]
        assert stands(app, "Unknown", "Degraded"), "health is judged all the same"
        await engine.idle()
        assert (await hub.get("ConfigMap", "a") or {})["data"] == {"value": "drifted"}
        await hub.patch("Application", "shop", {"operation": {"sync": {}}}, namespace="argocd")
        app = await hub.until(lambda app: phase(app) == "Error", "a sync by hand says so, too")
        assert "ignoreDifferences of ConfigMap" in message(app)

        await change(hub, **{IGNORE: "jsonPointers: [/data/value]", HEALTH: None})
        await hub.until(lambda app: stands(app, "Synced") and "conditions" not in app["status"], "it is mended")
        assert (await hub.get("ConfigMap", "a") or {})["data"] == {"value": "drifted"}


async def test_nothing_is_compared_before_the_hubs_rules_are_known(hub: Hub, repo: Repo) -> None:
    await hub.create(settings(**{IGNORE: "jsonPointers: [/data/value]"}))
    repo.push(config())
    await hub.create(application())
    async with running(hub, repo):
        await hub.until(synced, "the first sync")
    await hub.patch("ConfigMap", "a", {"data": {"value": "drifted"}})
    failing = hub.cluster.faults.add(Fault(kind=Kind.STATUS, code=500, resource="configmaps", namespace="argocd"))
    async with running(hub, repo) as engine:
        await eventually(lambda: _true(failing.fired >= 2), "the hub does not say")
        assert engine.engine.reconciles == 0
        failing.clear()
        await eventually(lambda: _true(engine.engine.reconciles), "it goes on")
        await engine.idle()
        assert (await hub.get("ConfigMap", "a") or {})["data"] == {"value": "drifted"}


async def _true(value: object) -> bool:
    return bool(value)


async def test_an_engine_that_may_not_read_them_goes_by_the_defaults(hub: Hub, repo: Repo) -> None:
    await hub.create(settings(**{HEALTH: BROKEN}))
    hub.cluster.faults.add(Fault(kind=Kind.STATUS, code=403, resource="configmaps", namespace="argocd"))
    repo.push(config())
    await hub.create(application())
    async with running(hub, repo) as engine:
        app = await hub.until(lambda app: synced(app) and stands(app, "Synced"), "the first sync")
        await engine.idle()
        assert "conditions" not in app["status"]


# --- the watch alone --------------------------------------------------------------------------------------------------


class Watched:
    def __init__(self) -> None:
        self.clock, self.changes = FakeClock(), 0
        self.cluster = Silent()
        self.settings = HubSettings(self.cluster, namespace="argocd", clock=self.clock, changed=self._changed)
        self.settings.start()

    def _changed(self) -> None:
        self.changes += 1

    @property
    def known(self) -> tuple[bool, bool]:
        return self.settings._known.is_set(), self.settings._answered.is_set()

    def status(self) -> object:
        health = self.settings.overrides.judge(manifest("ConfigMap", "a", data={"value": "x"}))
        return health and health.status


class Silent(FakeCluster):
    """A cluster whose answer about argocd-cm is the test's to give."""

    def watch(self, resource: Any, sink: Any, **options: Any) -> Any:
        assert options["fields"] == "metadata.name=argocd-cm"
        assert options["namespace"] == "argocd"
        return super().watch(resource, sink, **{**options, "fields": "told by the test"})

    @property
    def asked(self) -> int:
        return len(self.watches)


def seen(version: str, **data: str) -> Any:
    found = settings(**data)
    return stored({**found, "metadata": {**found["metadata"], "uid": "u", "resourceVersion": version}})


async def test_the_settings_follow_their_watch() -> None:
    watched = Watched()
    assert (watched.known, watched.status()) == ((False, False), None)
    watch = watched.cluster.watches[0]
    watch.sink.failed(UnreachableError("no answer"))
    assert watched.known == (False, True), "it goes on trying"
    watch.lists(seen("1", **{HEALTH: BROKEN}))
    assert (watched.known, watched.status(), watched.changes) == ((True, True), "Degraded", 1)
    watch.sink.failed(UnreachableError("no answer"))
    watch.lists(seen("2", **{HEALTH: BROKEN, "url": "x"}))
    assert (watched.status(), watched.changes) == ("Degraded", 1), "nothing that matters changed"
    watch.sink.remove(seen("2"))
    assert (watched.status(), watched.changes) == (None, 2)
    watch.sink.upsert([seen("3", **{HEALTH: BROKEN})])
    watch.lists()
    assert (watched.status(), watched.changes) == (None, 4), "deleted while nobody looked"
    assert watched.cluster.asked == 1
    watched.settings.close()
    assert not watch.open


async def test_what_may_not_be_read_is_asked_for_once_a_minute(caplog: pytest.LogCaptureFixture) -> None:
    watched = Watched()
    for asked in (1, 2, 3):
        assert watched.cluster.asked == asked
        watched.cluster.watches[-1].sink.failed(ForbiddenError("configmaps is forbidden", code=403))
        assert not any(watch.open for watch in watched.cluster.watches)
        assert watched.known == (True, True)
        watched.clock.advance(RECHECK)
    assert watched.cluster.asked == 4
    assert [record.getMessage() for record in caplog.records] == [
        "hub: configmaps is forbidden; Argo CD's defaults hold"
    ]
    watched.cluster.watches[-1].lists(seen("1", **{HEALTH: BROKEN}))
    assert watched.status() == "Degraded"
    watched.settings.close()
    watched.clock.advance(2 * RECHECK)
    assert watched.cluster.asked == 4


async def test_what_is_left_out_is_logged_once(caplog: pytest.LogCaptureFixture) -> None:
    watched = Watched()
    wrong = {"resource.customizations.helth.a_b": ""}
    watched.cluster.watches[0].lists(seen("1", **wrong))
    watched.cluster.watches[0].sink.upsert([seen("2", **wrong, **{HEALTH: BROKEN})])
    (line,) = [record.getMessage() for record in caplog.records]
    assert line.startswith("hub: argocd/argocd-cm: resource.customizations.helth.a_b: ")
