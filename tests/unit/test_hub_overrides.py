"""The console goes by each hub's argocd-cm: its trees, live, and with one watch a hub."""

from __future__ import annotations

from typing import Any

from fleetui.engine.gathering import RECHECK
from fleetui.fleet.views import Tree
from fleetui.health.assessment import Verdict
from fleetui.health.lua import customizations as lua
from fleetui.model.errors import ForbiddenError, UnreachableError
from fleetui.model.objects import StoredObject
from fleetui.model.status import ClusterState, Health, HealthStatus
from tests.unit.fakes import FakeCluster, FakeWatch, config_map, manifest, stored
from tests.unit.test_fleet import Running, application, running

SCRIPT = "return {{status = '{}', message = 'by the hub'}}"


def settings(status: str, *, version: str = "1", **data: str) -> StoredObject:
    labels = {"app.kubernetes.io/part-of": "argocd"}
    data = {"resource.customizations.health.ConfigMap": SCRIPT.format(status)} | data
    metadata = {"labels": labels, "resourceVersion": version}
    return stored(manifest("ConfigMap", "argocd-cm", namespace="argocd", metadata=metadata, data=data))


def settings_watch(hub: FakeCluster) -> FakeWatch:
    assert hub.settings is not None
    return hub.settings


async def look(run: Running) -> Any:
    """Looks at the tree of `payments`, whose one object is listed."""
    run.lists(application())
    looking = run.fleet.watch_tree(run.key())
    await run.until(lambda: len(run.clusters[0].watches) == 2, "the kinds of the tree are watched")
    listed = config_map("settings", namespace="payments-prod")
    run.clusters[0].watch_of("ConfigMap", "payments-prod").lists(listed)
    return looking


def health(tree: Tree) -> Health | None:
    return tree.nodes[1].health


async def test_a_tree_is_judged_by_the_scripts_of_its_hub_as_they_are_now() -> None:
    hub = FakeCluster("hub")
    hub.config = [settings("Degraded")]
    async with running(hub) as run:
        assert hub.settings is None, "nobody has looked"
        looking = await look(run)
        assert health(await run.fleet.tree(run.key())) == Health(HealthStatus.DEGRADED, "by the hub")
        watch = settings_watch(hub)
        assert (watch.namespace, watch.mode) == ("argocd", ("", "metadata.name=argocd-cm", False))
        run.clock.advance(1)

        watch.sink.upsert([settings("Suspended", version="2")])
        assert run.told().trees == {run.key()}
        assert health(await run.fleet.tree(run.key())) == Health(HealthStatus.SUSPENDED, "by the hub")
        watch.sink.upsert([settings("Suspended", version="3", url="https://argocd.example")])
        run.clock.advance(1)
        assert run.heard[1:] == [], "what does not matter is not told"
        watch.sink.remove(settings("Suspended", version="3"))
        assert run.told().trees == {run.key()}
        assert health(await run.fleet.tree(run.key())) is None
        looking.close()
        assert settings_watch(hub) is watch, "one watch, which stays"
    assert not watch.open


async def test_an_object_is_judged_once_for_each_of_its_versions_and_each_version_of_the_scripts(
    monkeypatch: Any,
) -> None:
    judged: list[str] = []
    real = lua.LuaCustomizations.verdict

    def counted(self: lua.LuaCustomizations, obj: Any) -> Verdict | None:
        judged.append(obj["metadata"]["resourceVersion"])
        return real(self, obj)

    monkeypatch.setattr(lua.LuaCustomizations, "verdict", counted)
    hub = FakeCluster("hub")
    hub.config = [settings("Degraded")]
    async with running(hub) as run:
        await look(run)
        for _ in range(3):
            await run.fleet.tree(run.key())
        assert judged == ["1"]
        hub.watch_of("ConfigMap", "payments-prod").sink.upsert(
            [config_map("settings", namespace="payments-prod", resourceVersion="2")]
        )
        settings_watch(hub).sink.upsert([settings("Degraded", version="2", url="x")])
        await run.fleet.tree(run.key())
        assert judged == ["1", "2"]
        settings_watch(hub).sink.upsert([settings("Healthy", version="3")])
        for _ in range(3):
            await run.fleet.tree(run.key())
        assert judged == ["1", "2", "2"]


async def test_each_hub_judges_its_own_applications_wherever_they_run() -> None:
    hubs = [FakeCluster(name, server=f"https://{name}.example:6443") for name in ("one", "two")]
    hubs[0].config = [settings("Degraded")]
    async with running(*hubs) as run:
        run.lists(application("a", server=hubs[1].server))
        run.lists(application("b"), cluster=1)
        watched = [run.fleet.watch_tree(run.key("a")), run.fleet.watch_tree(run.key("b", 1))]
        await run.until(lambda: len(hubs[1].watches) == 2, "both look at the same objects")
        hubs[1].watch_of("ConfigMap", "payments-prod").lists(config_map("settings", namespace="payments-prod"))
        assert health(await run.fleet.tree(run.key("a"))) == Health(HealthStatus.DEGRADED, "by the hub")
        assert health(await run.fleet.tree(run.key("b", 1))) is None
        for one in watched:
            one.close()


async def test_a_hub_that_does_not_say_costs_a_tree_nothing_but_its_scripts() -> None:
    for error in (UnreachableError("no answer"), ForbiddenError("configmaps is forbidden", code=403)):
        hub = Refusing("hub", error)
        async with running(hub) as run:
            looking = await look(run)
            tree = await run.fleet.tree(run.key())
            assert (health(tree), tree.problem) == (None, "")
            hub.error = None
            run.clock.advance(RECHECK)
            settings_watch(hub).lists(settings("Degraded"))
            assert health(await run.fleet.tree(run.key())) == Health(HealthStatus.DEGRADED, "by the hub")
            looking.close()


async def test_a_hub_that_is_away_is_not_waited_for() -> None:
    hub, edge = Refusing("hub", None), FakeCluster("edge", server="https://edge.example:6443")
    async with running(hub, edge) as run:
        run.lists(application(server=edge.server))
        hub.becomes(ClusterState.STALE, "no answer")
        looking = run.fleet.watch_tree(run.key())
        await run.until(lambda: len(edge.watches) == 2, "it goes on")
        edge.watch_of("ConfigMap", "payments-prod").lists(config_map("settings", namespace="payments-prod"))
        assert health(await run.fleet.tree(run.key())) is None
        looking.close()


class Refusing(FakeCluster):
    """A hub that answers a question about argocd-cm with an error, or with silence."""

    def __init__(self, name: str, error: Exception | None) -> None:
        super().__init__(name)
        self.error = error

    def watch(self, resource: Any, sink: Any, **options: Any) -> Any:
        if options.get("fields") != "metadata.name=argocd-cm":
            return super().watch(resource, sink, **options)
        self.settings = FakeWatch(resource, options["namespace"], sink)
        if self.error is not None:
            sink.failed(self.error)
        return self.settings
