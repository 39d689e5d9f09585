"""The live fleet over scripted clusters: what it shows, what it publishes, what it survives."""

from __future__ import annotations

import asyncio
import base64
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from typing import Any

import msgspec
import pytest

from backends.argocd import ArgoDialect
from backends.argocd_clusters import ClusterSecrets
from fleetui.fleet import trees
from fleetui.fleet.appwatch import FIRST_LOOK
from fleetui.fleet.audit import Audit, Operator
from fleetui.fleet.clusters import Clusters
from fleetui.fleet.fleet import LiveFleet
from fleetui.fleet.store import LiveStore
from fleetui.fleet.views import Action, ActionKind, ChangeSet
from fleetui.hubports import Registration
from fleetui.model.app import AppKey
from fleetui.model.errors import ForbiddenError, MissingError, NotFoundError, UnreachableError
from fleetui.model.objects import ApiResource, ClusterName, Discovery, Obj, ObjectRef, StoredObject
from fleetui.model.status import ClusterState, Health, HealthStatus
from tests.unit.fakes import APPLICATION, SERVED, FakeClock, FakeCluster, config_map, manifest, stored
from tests.unit.test_dispatch import Pages
from tests.unit.test_history import FakeRepositories, FakeRepository
from tests.waiting import await_until

SETTINGS = ObjectRef("", "ConfigMap", "payments-prod", "settings")

NOWHERE = "there are no clusters with this name: nowhere; neither a context here leads to it nor has hub registered it"


def application(
    name: str = "payments", *, version: str = "1", server: str = "https://kubernetes.default.svc", **rest: Any
) -> StoredObject:
    resources = [{"version": "v1", "kind": "ConfigMap", "namespace": "payments-prod", "name": "settings"}]
    status = {"health": {"status": "Healthy"}, "sync": {"status": "Synced"}, "resources": resources}
    body = manifest(
        "Application",
        name,
        namespace="argocd",
        api_version="argoproj.io/v1alpha1",
        metadata={"resourceVersion": version},
        spec={"destination": {"server": server, "namespace": "payments-prod"}},
        status=status | rest.pop("status", {}),
        **rest,
    )
    return stored(body)


class Running:
    """A started fleet and what it was heard to say."""

    def __init__(self, fleet: LiveFleet, clusters: list[FakeCluster], clock: FakeClock) -> None:
        self.fleet, self.clusters, self.clock = fleet, clusters, clock
        self.heard: list[ChangeSet] = []

    def key(self, name: str = "payments", cluster: int = 0) -> AppKey:
        return AppKey(self.clusters[cluster].name, "argo", "argocd", name)

    def lists(self, *objects: StoredObject, cluster: int = 0) -> None:
        self.clusters[cluster].watch_of("Application").lists(*objects)

    def told(self) -> ChangeSet:
        """The next change set."""
        self.heard.clear()
        self.clock.advance(0.1)
        (change,) = self.heard
        return change

    async def until(self, condition: Callable[[], object], what: str) -> None:
        await await_until(lambda: bool(condition()), 5, what)


@asynccontextmanager
async def running(*clusters: FakeCluster, **options: Any) -> AsyncIterator[Running]:
    clock = FakeClock()
    audit = Audit(Pages(), Operator("ann", "bastion", "no terminal"), now=clock.now)
    fleet = LiveFleet(
        [LiveStore(cluster) for cluster in clusters],
        [ArgoDialect()],
        FakeRepositories(FakeRepository()),
        audit=audit,
        clock=clock,
        **options,
    )
    await fleet.start()
    run = Running(fleet, list(clusters), clock)
    clock.advance(0.1)
    subscription = fleet.subscribe(run.heard.append)
    try:
        yield run
    finally:
        subscription.close()
        await fleet.close()


# --- applications and clusters --------------------------------------------------------------------------------------


async def test_whoever_subscribes_hears_the_whole_picture_first() -> None:
    async with running(FakeCluster("hub")) as run:
        assert run.heard[0].loading == {"hub"}
        assert not run.heard[0].apps
        run.lists(application("a"), application("b"))
        change = run.told()
        assert {key.name for key in change.apps} == {"a", "b"}
        assert change.loading == frozenset()
        later: list[ChangeSet] = []
        run.fleet.subscribe(later.append)
        assert later[0].apps == dict(run.fleet.apps)
        assert set(later[0].clusters) == {"hub"}


async def test_an_application_that_changes_or_goes_is_told_once() -> None:
    async with running(FakeCluster("hub")) as run:
        run.lists(application("a"), application("b"))
        run.told()
        sink = run.clusters[0].watch_of("Application").sink
        sink.upsert([application("a", version="2", status={"health": {"status": "Degraded"}})])
        sink.remove(application("b", version="3"))
        change = run.told()
        assert [(key.name, app.health.status) for key, app in change.apps.items()] == [("a", HealthStatus.DEGRADED)]
        assert change.removed == {run.key("b")}
        assert set(run.fleet.apps) == {run.key("a")}


async def test_a_cluster_that_is_down_costs_the_others_nothing() -> None:
    async with running(FakeCluster("hub"), FakeCluster("old-lab")) as run:
        loaded = asyncio.create_task(run.fleet.loaded())
        run.lists(application())
        await asyncio.sleep(0)
        assert not loaded.done()
        away = UnreachableError("https://old-lab refuses connections")
        run.clusters[1].watch_of("Application").sink.failed(away)
        run.clusters[1].becomes(ClusterState.UNREACHABLE, str(away))
        await loaded
        assert set(run.fleet.apps) == {run.key()}
        assert run.fleet.problems == {"old-lab": "old-lab: https://old-lab refuses connections"}
        change = run.told()
        assert change.problems == {}, "the state of the cluster says it"
        assert change.clusters[ClusterName("old-lab")].state is ClusterState.UNREACHABLE


async def test_rows_stay_when_their_cluster_goes() -> None:
    async with running(FakeCluster("hub")) as run:
        run.lists(application())
        run.told()
        run.clusters[0].watch_of("Application").sink.failed(UnreachableError("gone"))
        run.clusters[0].becomes(ClusterState.STALE, "gone")
        assert run.told().clusters[ClusterName("hub")].state is ClusterState.STALE
        assert set(run.fleet.apps) == {run.key()}


async def test_those_who_answer_are_greeted_and_one_that_does_not_holds_nobody_up() -> None:
    first, away, last = FakeCluster("first"), FakeCluster("away"), FakeCluster("last")
    away.becomes(ClusterState.UNREACHABLE, "gone")

    async def failing() -> None:
        raise UnreachableError("gone this very moment")

    first.greet = failing  # type: ignore[method-assign]
    async with running(first, away, last) as run:
        await run.fleet.greet()
        assert (away.greetings, last.greetings) == (0, 1)


async def test_forbidden_is_not_empty() -> None:
    async with running(FakeCluster("hub")) as run:
        refused = ForbiddenError("applications.argoproj.io is forbidden: ann may not list", code=403)
        run.clusters[0].watch_of("Application").sink.failed(refused)
        # The reviews are not answered here, so that the watch goes on trying.
        await run.until(lambda: run.fleet.problems == {"hub": f"hub: {refused}"}, "the refusal")
        assert run.told().problems == {"hub": str(refused)}
        run.lists(application())
        assert run.told().problems == {}


async def test_a_missing_definition_is_looked_for_until_it_is_there() -> None:
    hub = FakeCluster("hub")
    hub.served = Discovery(resource for resource in SERVED if resource is not APPLICATION)
    async with running(hub) as run:
        hub.watch_of("Application").sink.failed(NotFoundError("not found", code=404))
        change = run.told()
        assert change.problems == {
            "hub": "no applications.argoproj.io definition here; fleetui bootstrap puts it there"
        }
        assert change.loading == frozenset()
        assert not any(watch.open for watch in hub.watches)
        run.clock.advance(FIRST_LOOK)
        await run.until(lambda: hub.discoveries == 1, "a look at what is served")
        run.clock.advance(FIRST_LOOK * 2)
        await run.until(lambda: hub.discoveries == 2, "another look")
        hub.served = Discovery(SERVED)
        hub.becomes(ClusterState.CONNECTING)
        hub.becomes(ClusterState.LIVE)
        await run.until(lambda: any(watch.open for watch in hub.watches), "a watch once it is served")
        run.lists(application())
        assert run.told().problems == {}
        assert set(run.fleet.apps) == {run.key()}


async def test_a_404_after_the_first_listing_keeps_the_rows() -> None:
    async with running(FakeCluster("hub")) as run:
        run.lists(application())
        run.clusters[0].watch_of("Application").sink.failed(NotFoundError("still starting", code=404))
        assert set(run.fleet.apps) == {run.key()}
        run.lists()
        assert run.told().removed == {run.key()}


async def test_namespaces_narrow_what_is_watched() -> None:
    hub = FakeCluster("hub")
    async with running(hub, namespaces=("argocd", "team-a")) as run:
        assert [watch.namespace for watch in hub.watches] == ["argocd", "team-a"]
        hub.watch_of("Application", "argocd").lists(application())
        assert run.told().loading == {"hub"}
        hub.watch_of("Application", "team-a").lists()
        assert run.told().loading == frozenset()


async def test_an_application_that_two_contexts_lead_to_is_shown_once_by_the_first() -> None:
    async with running(FakeCluster("by-address"), FakeCluster("by-name", server="https://lb.example")) as run:
        run.lists(application("a"), cluster=1)
        assert set(run.told().apps) == {run.key("a", 1)}
        run.lists(application("a"), application("b"), cluster=0)
        change = run.told()
        assert set(change.apps) == {run.key("a"), run.key("b")}
        assert change.removed == {run.key("a", 1)}
        assert run.fleet.clusters[ClusterName("by-address")].aliases == ("by-name",)
        run.lists(application("a"), application("b"), cluster=1)
        assert set(run.fleet.apps) == {run.key("a"), run.key("b")}
        run.clusters[0].watch_of("Application").sink.remove(application("a", version="2"))
        assert set(run.fleet.apps) == {run.key("a", 1), run.key("b")}, "the other one has not seen it go"
        run.clusters[1].watch_of("Application").sink.remove(application("a", version="2"))
        assert set(run.fleet.apps) == {run.key("b")}


async def test_a_registered_cluster_is_where_its_applications_run() -> None:
    hub, edge = FakeCluster("hub"), FakeCluster("edge", server="https://edge.example:6443")

    class Edge(ClusterSecrets):
        def connect(self, registration: Registration, name: ClusterName) -> FakeCluster:
            return edge

    clock = FakeClock()
    clusters = Clusters([LiveStore(hub)], Edge(), clock=clock)
    fleet = LiveFleet(clusters, [ArgoDialect()], FakeRepositories(FakeRepository()), clock=clock)
    await fleet.start()
    heard: list[ChangeSet] = []
    fleet.subscribe(heard.append)
    try:
        hub.watch_of("Application").lists(application(server="https://edge.example:6443"))
        key = AppKey(hub.name, "argo", "argocd", "payments")
        asking = asyncio.create_task(fleet.tree(key))
        await asyncio.sleep(0)
        assert not asking.done(), "it waits for what the hub has registered"
        data = {"name": "edge", "server": "https://edge.example:6443", "config": "{}"}
        encoded = {name: base64.b64encode(value.encode()).decode() for name, value in data.items()}
        secret = stored(manifest("Secret", "cluster-edge", namespace="argocd", data=encoded))
        hub.watch_of("Secret", "argocd").lists(secret)
        await await_until(lambda: len(edge.watches) == 1, 5, "its objects are watched there")
        edge.watch_of("ConfigMap", "payments-prod").lists(config_map("settings", namespace="payments-prod"))
        assert [node.cluster for node in (await asking).nodes] == ["hub", "edge"]
        assert set(fleet.clusters) == {"hub", "edge"}
        hub.watch_of("Secret", "argocd").lists()
        clock.advance(1)
        assert heard[-1].gone == {"edge"}
        assert set(fleet.clusters) == {"hub"}
        assert "not found" in (await fleet.tree(key)).problem
        assert fleet.problems == {}
    finally:
        await fleet.close()
        await clusters.close()


async def test_a_protected_cluster_is_marked() -> None:
    async with running(FakeCluster("prod-eu-1"), FakeCluster("stage-1"), protects=lambda name: "prod" in name) as run:
        assert [status.protected for status in run.fleet.clusters.values()] == [True, False]


# --- trees ----------------------------------------------------------------------------------------------------------


async def test_a_tree_is_watched_while_it_is_looked_at() -> None:
    hub = FakeCluster("hub")
    async with running(hub) as run:
        run.lists(application())
        looking = run.fleet.watch_tree(run.key())
        await run.until(lambda: len(hub.watches) == 2, "the kinds of the tree are watched")
        hub.watch_of("ConfigMap", "payments-prod").lists(config_map("settings", namespace="payments-prod"))
        tree = await run.fleet.tree(run.key())
        assert [(node.ref.name, node.depth) for node in tree.nodes] == [("payments", 0), ("settings", 1)]
        assert tree.problem == ""
        run.told()
        sink = hub.watch_of("ConfigMap", "payments-prod").sink
        sink.upsert([config_map("stranger", namespace="payments-prod")])
        sink.upsert([config_map("settings", namespace="payments-prod", resourceVersion="2")])
        assert run.told().trees == {run.key()}
        sink.upsert([config_map("stranger", namespace="payments-prod", resourceVersion="2")])
        run.clock.advance(1)
        assert run.heard[1:] == [], "what does not belong to it is not told"
        looking.close()
        assert [watch.resource.kind for watch in hub.watches if watch.open] == ["Application"]


async def test_a_tree_follows_what_its_objects_list_to_kinds_that_git_does_not_name() -> None:
    hub = FakeCluster("hub")
    composite = ApiResource("acme.io", "v1", "XDatabase", "xdatabases", namespaced=False)
    claim = ApiResource("acme.io", "v1", "Database", "databases", namespaced=True)
    hub.served = Discovery([*SERVED, claim, composite])
    reference = {"apiVersion": "acme.io/v1", "kind": "XDatabase", "name": "orders-x1"}
    body = manifest("Database", "orders", namespace="shop", api_version="acme.io/v1", spec={"resourceRef": reference})
    async with running(hub) as run:
        listed = {"group": "acme.io", "version": "v1", "kind": "Database", "namespace": "shop", "name": "orders"}
        run.lists(application(status={"resources": [listed]}))
        looking = run.fleet.watch_tree(run.key())
        growing = asyncio.create_task(run.fleet.tree(run.key()))
        await run.until(lambda: len(hub.watches) == 2, "the claims are watched")
        hub.watch_of("Database", "shop").lists(stored(body))
        await run.until(lambda: len(hub.watches) == 3, "what the claim leads to is watched")
        hub.watch_of("XDatabase").lists(
            stored(manifest("XDatabase", "orders-x1", namespace="", api_version="acme.io/v1"))
        )
        assert [(node.ref.kind, node.depth, bool(node.uid)) for node in (await growing).nodes] == [
            ("Application", 0, True),
            ("Database", 1, True),
            ("XDatabase", 2, True),
        ]
        body["spec"] = {}
        body["metadata"]["resourceVersion"] = "2"
        hub.watch_of("Database", "shop").sink.upsert([stored(body)])
        assert len((await run.fleet.tree(run.key())).nodes) == 2
        assert [watch.resource.kind for watch in hub.watches if watch.open] == ["Application", "Database"]
        looking.close()


async def test_a_server_that_says_nothing_is_not_waited_for_without_end(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(trees, "PATIENCE", 0.05)
    async with running(FakeCluster("hub")) as run:
        run.lists(application())
        assert (await run.fleet.tree(run.key())).problem == "hub: configmaps are not listed yet"


async def test_what_is_watched_already_is_in_a_tree_that_begins_later() -> None:
    hub = FakeCluster("hub")
    async with running(hub) as run:
        other = application("other")
        run.lists(application(), other)
        first = run.fleet.watch_tree(run.key())
        await run.until(lambda: len(hub.watches) == 2, "its kind is watched")
        hub.watch_of("ConfigMap", "payments-prod").lists(config_map("settings", namespace="payments-prod"))
        second = run.fleet.watch_tree(run.key("other"))
        assert [node.uid for node in (await run.fleet.tree(run.key("other"))).nodes] == ["uid-other", "uid-settings"]
        assert len(hub.watches) == 2
        first.close()
        second.close()


async def test_a_tree_that_nobody_looks_at_any_more_begins_no_watch() -> None:
    hub = Slow("hub")
    async with running(hub) as run:
        run.lists(application())
        looking = run.fleet.watch_tree(run.key())
        await run.until(lambda: hub.waiting, "the tree waits for what the cluster serves")
        looking.close()
        hub.go_on.set()
        await run.until(lambda: not hub.waiting, "it is known")
        await asyncio.sleep(0)
        assert [watch.resource.kind for watch in hub.watches if watch.open] == ["Application"]


class Slow(FakeCluster):
    """A cluster that says what it serves when it is told to."""

    def __init__(self, name: str) -> None:
        super().__init__(name)
        self.go_on = asyncio.Event()
        self.waiting = 0

    async def discover(self, *, refresh: bool = False) -> Discovery:
        self.waiting += 1
        await self.go_on.wait()
        self.waiting -= 1
        return await super().discover(refresh=refresh)


async def test_a_tree_follows_its_application_to_new_kinds() -> None:
    hub = FakeCluster("hub")
    async with running(hub) as run:
        run.lists(application())
        run.fleet.watch_tree(run.key())
        await run.until(lambda: len(hub.watches) == 2, "the first kind is watched")
        hub.watch_of("ConfigMap", "payments-prod").lists(config_map("settings", namespace="payments-prod"))
        service = {"version": "v1", "kind": "Service", "namespace": "payments-prod", "name": "web"}
        moved = application(version="2", status={"resources": [service]})
        hub.watch_of("Application").sink.upsert([moved])
        assert run.key() in run.told().trees
        growing = asyncio.create_task(run.fleet.tree(run.key()))
        await run.until(lambda: len([w for w in hub.watches if w.open]) == 3, "the new kinds are watched")
        assert {w.resource.kind for w in hub.watches if w.open} == {"Application", "Service", "EndpointSlice"}
        for kind in ("Service", "EndpointSlice"):
            hub.watch_of(kind, "payments-prod").lists()
        missing = Health(HealthStatus.MISSING, "not in the cluster")
        assert [node.health for node in (await growing).nodes[1:]] == [missing]


async def test_a_tree_that_nobody_watches_leaves_nothing_behind() -> None:
    hub = FakeCluster("hub")
    async with running(hub) as run:
        run.lists(application())
        asking = asyncio.create_task(run.fleet.tree(run.key()))
        await run.until(lambda: len(hub.watches) == 2, "its kind is listed")
        hub.watch_of("ConfigMap", "payments-prod").lists()
        await asking
        assert [watch.open for watch in hub.watches] == [True, False]


async def test_a_kind_that_may_not_be_listed_is_forbidden_and_said() -> None:
    hub = FakeCluster("hub")
    async with running(hub) as run:
        run.lists(application())
        asking = asyncio.create_task(run.fleet.tree(run.key()))
        await run.until(lambda: len(hub.watches) == 2, "its kind is listed")
        hub.watch_of("ConfigMap", "payments-prod").sink.failed(ForbiddenError("configmaps is forbidden", code=403))
        tree = await asking
        assert tree.nodes[1].health is not None
        assert tree.nodes[1].health.status is HealthStatus.UNKNOWN
        assert (tree.nodes[1].forbidden, tree.nodes[1].info) == (True, "forbidden")
        assert tree.problem.startswith("hub: you may not list or watch configmaps in namespace payments-prod (see ")


async def test_a_tree_in_a_cluster_that_is_away_comes_at_once_and_says_so() -> None:
    hub, edge = FakeCluster("hub"), FakeCluster("edge", server="https://edge.example:6443")
    edge.becomes(ClusterState.UNREACHABLE, "https://edge.example:6443 refuses connections")
    async with running(hub, edge) as run:
        run.lists(application(server="https://edge.example:6443/"))
        tree = await run.fleet.tree(run.key())
        assert tree.problem == "edge: https://edge.example:6443 refuses connections"
        assert [node.cluster for node in tree.nodes] == ["hub", "edge"]
        assert tree.nodes[1].health is not None
        assert tree.nodes[1].health.status is HealthStatus.UNKNOWN
        edge.away = UnreachableError("no answer")
        edge.served = Discovery(())
        assert (await run.fleet.tree(run.key())).problem == "edge: no answer"


@pytest.mark.parametrize(
    ("destination", "expected"),
    [
        ({"server": "https://kubernetes.default.svc"}, "hub"),
        ({"server": "https://kubernetes.default.svc/"}, "hub"),
        ({"name": "in-cluster"}, "hub"),
        ({"name": "edge"}, "edge"),
        ({"server": "https://edge.example:6443"}, "edge"),
        (
            {"name": "nowhere"},
            NOWHERE,
        ),
        ({}, "Destination server missing from app spec"),
    ],
)
async def test_where_an_application_runs(destination: Obj, expected: str) -> None:
    edge = FakeCluster("edge", server="https://edge.example:6443")
    async with running(FakeCluster("hub"), edge) as run:
        body = msgspec.json.decode(application().raw)
        body["spec"]["destination"] = destination
        body["status"]["resources"] = [{"kind": "NoSuchKind", "name": "x"}]
        run.lists(stored(body))
        tree = await run.fleet.tree(run.key())
        assert expected in (tree.nodes[1].cluster, tree.problem)


# --- actions --------------------------------------------------------------------------------------------------------


async def test_an_action_has_been_seen_when_it_is_done() -> None:
    """Whoever follows the operation must not take the former one for it."""
    hub = FakeCluster("hub")
    before = application(status={"operationState": {"phase": "Succeeded"}})
    asked = application(version="2", operation={"sync": {}})
    hub.objects[before.ref] = before.decode()
    hub.answer = lambda verb, name, body: {"status": {"allowed": True}} if verb == "create" else asked.decode()
    async with running(hub) as run:
        run.lists(before)
        doing = asyncio.create_task(run.fleet.execute(Action(ActionKind.SYNC, run.key())))
        await run.until(lambda: any(verb == "patch" for verb, _, _ in hub.writes), "the patch")
        await asyncio.sleep(0)
        assert not doing.done()
        hub.watch_of("Application").sink.upsert([asked])
        assert (await doing).accepted
        assert run.fleet.apps[run.key()].pending


async def test_an_application_that_is_not_there_is_missing() -> None:
    async with running(FakeCluster("hub")) as run:
        run.lists()
        for question in (
            run.fleet.tree(run.key()),
            run.fleet.diff(run.key()),
            run.fleet.history(run.key()),
            run.fleet.manifest(run.key(), SETTINGS),
            run.fleet.plan(Action(ActionKind.SYNC, run.key())),
            run.fleet.execute(Action(ActionKind.SYNC, run.key())),
        ):
            with pytest.raises(MissingError, match="there is no application hub/argocd/payments"):
                await question


async def test_a_login_is_the_named_clusters_alone() -> None:
    one, two = FakeCluster("one"), FakeCluster("two")
    async with running(one, two) as fleet:
        await fleet.fleet.login(ClusterName("two"))
        assert (one.logins, two.logins) == (0, 1)
        with pytest.raises(MissingError, match="the fleet has no cluster three"):
            await fleet.fleet.login(ClusterName("three"))
