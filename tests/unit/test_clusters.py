"""The clusters that hubs register: found, shown, connected to when needed, and each of them once."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import asynccontextmanager
from typing import Any

import msgspec
import pytest

from fleetui.fleet.clusters import Clusters
from fleetui.fleet.fleet import LiveFleet
from fleetui.fleet.places import place_of
from fleetui.fleet.registered import UNUSED
from fleetui.fleet.store import LiveStore
from fleetui.fleet.twins import Twins
from fleetui.hubports import Registration
from fleetui.model.app import App, AppKey, Destination
from fleetui.model.errors import ForbiddenError, MissingError, UnreachableError
from fleetui.model.objects import ClusterName, Discovery, Obj, ObjectRef, StoredObject
from fleetui.model.servers import ServerIdentity
from fleetui.model.status import ClusterState, ClusterStatus
from tests.unit.fakes import (
    CONFIG_MAP,
    SECRET,
    FakeClock,
    FakeCluster,
    manifest,
    stored,
)
from tests.unit.test_history import FakeRepositories, FakeRepository
from tests.waiting import await_until

HUB, SECOND = ClusterName("hub"), ClusterName("second")
EDGE = "https://edge.example:6443"
KUBE_SYSTEM = ObjectRef("", "Namespace", "", "kube-system")


class Registrar:
    """Registrations as tests write them down; the clusters they lead to are made by hand."""

    resource = SECRET
    labels = "argocd.argoproj.io/secret-type=cluster"
    namespaces: tuple[str, ...] = ("argocd",)

    def __init__(self) -> None:
        self.made: list[FakeCluster] = []
        self.uids: dict[str, str] = {}

    def read(self, obj: StoredObject) -> Registration:
        given = {"name": obj.ref.name, **obj.decode()["data"]}
        given["namespaces"] = tuple(given.get("namespaces", ()))
        identity = ServerIdentity.of(given["server"])
        return Registration(source=f"Secret {obj.ref.name}", identity=identity, **given)

    def connect(self, registration: Registration, name: ClusterName) -> FakeCluster:
        cluster = FakeCluster(name, server=registration.server)
        state = ClusterState.UNREACHABLE if registration.problem else ClusterState.CONNECTING
        cluster.status = msgspec.structs.replace(
            cluster.status, state=state, message=registration.problem, protected=name.startswith("prod")
        )
        if registration.server in self.uids:
            cluster.objects[KUBE_SYSTEM] = {"metadata": {"uid": self.uids[registration.server]}}
        self.made.append(cluster)
        return cluster


def secret(called: str = "edge", /, *, version: str = "1", **data: Any) -> StoredObject:
    data = {"server": EDGE, "access": "token", **data}
    return stored(manifest("Secret", called, namespace="argocd", metadata={"resourceVersion": version}, data=data))


class Bench:
    def __init__(self, **options: Any) -> None:
        self.hub, self.second = FakeCluster("hub"), FakeCluster("second", server="https://second.example")
        self.registrar, self.clock = Registrar(), FakeClock()
        stores = [LiveStore(self.hub), LiveStore(self.second)]
        self.clusters = Clusters(stores, self.registrar, clock=self.clock, **options)
        self.statuses: list[ClusterStatus] = []
        self.gone: list[str] = []
        self.changes = 0
        self.clusters.on_status(self.statuses.append)
        self.clusters.on_gone(self.gone.append)
        self.clusters.subscribe(self._changed)
        self.clusters.start()

    def _changed(self) -> None:
        self.changes += 1

    def lists(self, *secrets: StoredObject, on: FakeCluster | None = None) -> None:
        """A hub registers these."""
        hub = on or self.hub
        self.clusters.look_at(hub.name)
        hub.watch_of("Secret", "argocd").lists(*secrets)

    def found(self, server: str = "", name: str = "", hub: ClusterName = HUB) -> LiveStore:
        return self.clusters.store(hub, server=server, name=name)

    def missing(self, server: str = "", name: str = "") -> str:
        with pytest.raises(MissingError) as caught:
            self.found(server, name)
        return str(caught.value)

    @property
    def shown(self) -> dict[str, str]:
        return {name: status.state.value for name, status in self.clusters.statuses.items()}

    async def until(self, condition: Callable[[], object], what: str) -> None:
        await await_until(lambda: bool(condition()), 5, what)


@asynccontextmanager
async def bench(**options: Any) -> AsyncIterator[Bench]:
    made = Bench(**options)
    try:
        yield made
    finally:
        await made.clusters.close()


# --- found ----------------------------------------------------------------------------------------------------------


async def test_a_registered_cluster_is_found_by_server_and_name_and_connected_to_only_then() -> None:
    async with bench() as run:
        run.lists(secret())
        assert run.shown == {"hub": "live", "second": "live", "edge": "registered"}
        status = run.clusters.statuses[ClusterName("edge")]
        assert (status.origin, status.server, status.message) == ("hub hub", EDGE, "")
        connected = len(run.registrar.made)
        store = run.found(EDGE + "/")
        assert store is run.found(name="edge")
        assert len(run.registrar.made) == connected + 1
        assert run.missing(name="nowhere") == "there are no clusters with this name: nowhere"
        assert 'cluster "https://nowhere" not found' in run.missing("https://nowhere")


async def test_each_cluster_that_is_shown_can_be_had_by_its_name() -> None:
    async with bench() as it:
        it.lists(secret())
        assert it.clusters.named(HUB).api is it.hub
        edge = it.clusters.named(ClusterName("edge"))
        assert edge is it.found(EDGE)
        assert [store.api.name for store in it.clusters.answering] == ["hub", "second"]
        assert isinstance(edge.api, FakeCluster)
        edge.api.becomes(ClusterState.LIVE)
        assert [store.api.name for store in it.clusters.answering] == ["hub", "second", "edge"]
        with pytest.raises(MissingError, match="the fleet has no cluster nowhere"):
            it.clusters.named(ClusterName("nowhere"))


async def test_only_the_hub_that_registers_a_cluster_may_name_it() -> None:
    async with bench() as run:
        run.lists(secret())
        run.lists(on=run.second)
        with pytest.raises(MissingError):
            run.found(EDGE, hub=SECOND)


async def test_the_hub_and_the_chosen_ones_are_found_without_being_registered() -> None:
    async with bench() as run:
        hub, second = run.clusters.chosen.values()
        assert run.found("https://kubernetes.default.svc/") is run.found(name="in-cluster") is hub
        assert run.found(name="in-cluster", hub=SECOND) is second
        assert run.found("https://HUB.example:6443/") is run.found(name="hub") is hub
        assert run.found("https://second.example:443") is run.found(name="second") is second


async def test_a_sync_goes_nowhere_that_the_hub_has_not_registered() -> None:
    """Whoever writes Applications in one hub must not reach what only the operator's contexts open."""
    async with bench() as run:
        run.lists(secret())
        hub = run.clusters.chosen[HUB]
        for asked in ({"server": "https://HUB.example:6443"}, {"name": "hub"}, {"name": "in-cluster"}):
            assert run.clusters.find(HUB, **{"server": "", "name": "", **asked}).live is hub
        for asked in ({"server": "https://second.example"}, {"name": "second"}):
            with pytest.raises(MissingError):
                run.clusters.find(HUB, **{"server": "", "name": "", **asked})


async def test_a_sync_into_a_cluster_with_a_context_goes_by_the_hub_s_login() -> None:
    async with bench() as run:
        run.lists(secret("prod-2", server="https://second.example"))
        first = run.clusters.find(HUB, server="", name="prod-2").live
        assert (first.api.name, first.api.server) == ("second", "https://second.example")
        assert first is not run.clusters.chosen[SECOND]
        assert run.clusters.find(HUB, server="https://second.example", name="").live is first
        run.lists(secret("prod-2", server="https://second.example", access="rotated"))
        assert run.changes == 2
        second = run.clusters.find(HUB, server="", name="prod-2").live
        assert second is not first
        run.lists()
        with pytest.raises(MissingError):
            run.clusters.find(HUB, server="", name="prod-2")
        assert set(run.shown) == {"hub", "second"}


async def test_a_secret_may_rename_the_hub_and_limit_it() -> None:
    async with bench() as run:
        inside = "https://kubernetes.default.svc"
        run.lists(secret("the-hub", server=inside, namespaces=["a"], cluster_resources=False))
        site = run.clusters.find(HUB, server="", name="the-hub")
        assert site.live is run.clusters.chosen[HUB]
        assert (site.namespaces, site.cluster_resources) == (("a",), False)
        assert run.clusters.find(HUB, server=inside, name="") == site
        assert run.clusters.statuses[HUB].aliases == ("the-hub",)
        assert set(run.shown) == {"hub", "second"}


async def test_two_clusters_of_one_name_are_told_in_argo_cds_words_and_shown_apart() -> None:
    async with bench() as run:
        run.lists(secret("a", name="twin"), secret("b", name="twin", server="https://other.example"))
        assert run.missing(name="twin") == f"there are 2 clusters with the same name: [{EDGE} https://other.example]"
        assert set(run.shown) == {"hub", "second", "twin", "hub/twin"}
        assert run.found(EDGE) is not run.found("https://other.example")


async def test_a_name_that_a_context_has_is_the_registered_one_for_its_hub() -> None:
    async with bench() as run:
        run.lists(secret("second"))
        assert run.found(name="second").api.server == EDGE
        assert set(run.shown) == {"hub", "second", "hub/second"}


# --- once -----------------------------------------------------------------------------------------------------------


async def test_a_server_that_has_a_context_is_that_context() -> None:
    async with bench() as run:
        run.lists(secret("prod-2", server="https://SECOND.example:443/"))
        assert run.found(name="prod-2") is run.clusters.chosen[SECOND]
        assert set(run.shown) == {"hub", "second"}
        status = run.clusters.statuses[SECOND]
        assert (status.aliases, status.origin) == (("prod-2",), "kubeconfig, hub hub")
        assert run.registrar.made == []


async def test_a_server_that_two_hubs_register_is_one_cluster_and_stays_with_the_other() -> None:
    async with bench() as run:
        run.lists(secret("edge"))
        run.lists(secret("edge-of-second"), on=run.second)
        store = run.found(EDGE)
        assert run.found(EDGE, hub=SECOND) is store
        status = run.clusters.statuses[ClusterName("edge")]
        assert (status.origin, status.aliases) == ("hub hub, hub second", ("edge-of-second",))
        run.lists()
        assert run.found(EDGE, hub=SECOND) is store
        assert run.clusters.statuses[ClusterName("edge")].origin == "hub second"
        assert run.gone == []


async def test_a_cluster_has_the_labels_that_hubs_give_it_and_so_has_a_context_that_is_registered() -> None:
    async with bench() as run:
        run.lists(
            secret("edge", labels={"stage": "canary", "region": "asia"}),
            secret("prod-2", server="https://second.example", labels={"stage": "prod"}),
        )
        run.lists(secret("edge-of-second", labels={"stage": "test", "size": "small"}), on=run.second)
        edge = ClusterName("edge")
        assert run.clusters.statuses[edge].labels == {"stage": "canary", "region": "asia", "size": "small"}
        assert run.clusters.statuses[SECOND].labels == {"stage": "prod"}
        assert run.clusters.statuses[HUB].labels == {}
        changes = run.changes
        run.lists(secret("edge", labels={"stage": "prod"}))
        assert run.statuses[-2].name == edge
        assert run.statuses[-2].labels == {"stage": "prod", "size": "small"}
        assert run.clusters.statuses[SECOND].labels == {}
        assert run.changes == changes + 1, "prod-2 went; a label alone leads no sync elsewhere"


async def test_a_server_that_says_it_is_a_context_s_gives_it_its_labels() -> None:
    async with bench() as run:
        run.registrar.uids[EDGE] = "uid-of-second"
        run.second.objects[KUBE_SYSTEM] = {"metadata": {"uid": "uid-of-second"}}
        run.lists(secret("prod", labels={"stage": "prod"}))
        run.found(EDGE)
        run.registrar.made[-1].becomes(ClusterState.LIVE)
        await run.until(lambda: set(run.shown) == {"hub", "second"}, "they are one")
        assert run.clusters.statuses[SECOND].labels == {"stage": "prod"}


async def test_another_proxy_may_lead_to_another_server() -> None:
    identities = {SECOND: ServerIdentity(EDGE, proxy="http://proxy:3128")}
    async with bench(identities=identities) as run:
        run.lists(secret())
        assert run.found(EDGE) is not run.clusters.chosen[SECOND]


async def test_a_server_under_two_urls_is_shown_once_when_it_says_so_and_goes_its_own_way() -> None:
    async with bench() as run:
        run.registrar.uids[EDGE] = "uid-of-second"
        run.second.objects[KUBE_SYSTEM] = {"metadata": {"uid": "uid-of-second"}}
        run.lists(secret("prod"))
        store = run.found(EDGE)
        run.registrar.made[-1].becomes(ClusterState.LIVE)
        await run.until(lambda: set(run.shown) == {"hub", "second"}, "they are one")
        assert run.gone == ["prod"]
        assert run.clusters.statuses[SECOND].aliases == ("prod",)
        assert run.found(EDGE) is store, "a server says itself who it is: that must not redirect a sync"
        assert run.clusters.is_protected(ClusterName("prod"))


async def test_a_cluster_that_goes_before_its_turn_is_not_connected_to(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("fleetui.fleet.clusters.AT_ONCE", 1)
    asked, go_on = asyncio.Event(), asyncio.Event()

    async def slow(*, refresh: bool = False) -> Discovery:
        asked.set()
        await go_on.wait()
        return Discovery(())

    async with bench() as run:
        run.lists(secret("a", server="https://a.example"), secret("b", server="https://b.example"))
        run.found("https://a.example")
        run.registrar.made[-1].discover = slow  # type: ignore[method-assign]
        checking = asyncio.create_task(run.clusters.check())
        await asked.wait()
        run.hub.watch_of("Secret", "argocd").sink.remove(secret("b"))
        made = len(run.registrar.made)
        go_on.set()
        await checking
        assert (len(run.registrar.made), run.gone) == (made, ["b"])


async def test_a_cluster_that_does_not_say_who_it_is_holds_up_no_other() -> None:
    async def hangs(*_: object) -> Obj:
        await asyncio.Event().wait()
        raise AssertionError

    async with bench() as run:
        run.registrar.uids[EDGE] = "uid-of-second"
        run.second.objects[KUBE_SYSTEM] = {"metadata": {"uid": "uid-of-second"}}
        run.lists(secret("hangs", server="https://hangs.example"), secret("prod"))
        run.found("https://hangs.example")
        run.registrar.made[-1].get = hangs  # type: ignore[method-assign, assignment]
        run.registrar.made[-1].becomes(ClusterState.LIVE)
        run.found(EDGE)
        run.registrar.made[-1].becomes(ClusterState.LIVE)
        await run.until(lambda: set(run.shown) == {"hub", "second", "hangs"}, "prod and second are one")


def test_who_has_not_said_who_it_is_costs_no_look_at_the_chosen_ones() -> None:
    class Counted(dict[ClusterName, LiveStore]):
        looks = 0

        def __iter__(self) -> Iterator[ClusterName]:
            self.looks += 1
            return super().__iter__()

    chosen = Counted({HUB: LiveStore(FakeCluster("hub"))})
    assert Twins(chosen).of(ClusterName("edge")) is None
    assert chosen.looks == 0, "a hundred registered clusters are asked about for each of a hundred chosen ones"


async def test_clusters_that_do_not_say_who_they_are_stay_apart() -> None:
    async with bench() as run:
        run.lists(secret(), secret("b", server="https://b.example"))
        for server in (EDGE, "https://b.example"):
            run.found(server)
            run.registrar.made[-1].becomes(ClusterState.LIVE)
        await run.clusters.check()
        assert set(run.shown) == {"hub", "second", "edge", "b"}


# --- as they come and go --------------------------------------------------------------------------------------------


async def test_a_cluster_that_comes_later_changes_or_goes_is_told() -> None:
    async with bench() as run:
        run.lists()
        assert run.changes == 0
        sink = run.hub.watch_of("Secret", "argocd").sink
        sink.upsert([secret()])
        assert (run.changes, run.statuses[-1].name) == (1, "edge")
        first = run.found(EDGE)
        sink.upsert([secret(version="2")])
        assert run.changes == 1, "nothing that matters is another"
        assert run.found(EDGE) is first
        sink.upsert([secret(version="3", access="rotated")])
        assert run.changes == 2
        second = run.found(EDGE)
        assert second is not first
        sink.remove(secret(version="4"))
        assert (run.changes, run.gone) == (3, ["edge"])
        assert "not found" in run.missing(EDGE)


async def test_what_was_watched_is_closed_with_its_old_login() -> None:
    async with bench() as run:
        run.lists(secret())
        old = run.found(EDGE)
        old.want(CONFIG_MAP)
        cluster = run.registrar.made[-1]
        run.lists(secret(access="rotated"))
        await run.until(lambda: not any(watch.open for watch in cluster.watches), "the old watches are closed")
        assert not old.in_use


async def test_a_secret_with_another_server_keeps_its_name_and_leaves_the_old_connection() -> None:
    async with bench() as run:
        run.lists(secret(name="edge"))
        run.found(EDGE).want(CONFIG_MAP)
        old = run.registrar.made[-1]
        moved = secret(name="edge", server="https://moved.example", version="2")
        run.hub.watch_of("Secret", "argocd").sink.upsert([moved])
        assert run.shown == {"hub": "live", "second": "live", "edge": "registered"}
        assert run.clusters.statuses[ClusterName("edge")].server == "https://moved.example"
        assert run.gone == []
        await run.until(lambda: not any(watch.open for watch in old.watches), "the old watches are closed")


async def test_a_namespace_more_is_another_way_to_touch_the_same_cluster() -> None:
    async with bench() as run:
        run.lists(secret(namespaces=["a"], cluster_resources=False))
        before = run.clusters.find(HUB, server=EDGE, name="")
        run.lists(secret(namespaces=["a", "b"], cluster_resources=False))
        after = run.clusters.find(HUB, server=EDGE, name="")
        assert before.live is after.live
        assert (before.namespaces, after.namespaces, run.changes) == (("a",), ("a", "b"), 2)


async def test_a_secret_that_breaks_is_that_cluster_s_state_and_mends() -> None:
    async with bench() as run:
        run.lists(secret(), secret("fine", server="https://fine.example"))
        run.lists(secret(problem="no token", access=None), secret("fine", server="https://fine.example"))
        status = run.clusters.statuses[ClusterName("edge")]
        assert (status.state, status.message) == (ClusterState.UNREACHABLE, "no token")
        assert run.shown["fine"] == "registered"
        assert run.found(EDGE).api.status.message == "no token"
        run.lists(secret(), secret("fine", server="https://fine.example"))
        assert run.shown["edge"] == "registered"


async def test_of_two_secrets_for_one_server_the_one_that_can_be_used_is() -> None:
    async with bench() as run:
        run.lists(secret("a", problem="broken", access=None), secret("b"))
        assert run.found(EDGE).api.status.message == ""
        assert run.shown == {"hub": "live", "second": "live", "a": "registered"}


async def test_secrets_that_may_not_be_read_are_said_by_their_hub_and_found_later() -> None:
    async with bench() as run:
        run.clusters.look_at(HUB)
        run.hub.watch_of("Secret", "argocd").sink.failed(ForbiddenError("secrets is forbidden: no", code=403))
        await run.clusters.ready(HUB)
        said = "the clusters that it registers can't be read: secrets is forbidden: no"
        assert run.clusters.statuses[HUB].message == said
        assert {status.name: status.message for status in run.statuses}[HUB] == said
        assert run.shown == {"hub": "live", "second": "live"}
        runs_where = App(key=AppKey(HUB, "argo", "argocd", "a"), destination=Destination(name="edge"))
        nowhere = "there are no clusters with this name: edge; no context here leads to it, and of hub "
        assert place_of(runs_where, run.clusters) == nowhere + said
        run.lists(secret())
        assert run.clusters.statuses[HUB].message == ""
        assert run.found(EDGE)


async def test_what_was_registered_stays_while_a_hub_does_not_answer() -> None:
    async with bench() as run:
        run.lists(secret())
        run.hub.watch_of("Secret", "argocd").sink.failed(UnreachableError("gone"))
        assert run.found(EDGE)
        assert run.clusters.statuses[HUB].message == ""


async def test_whoever_needs_a_place_waits_until_the_hub_has_said_what_it_registers() -> None:
    async with bench() as run:
        waiting = asyncio.create_task(run.clusters.ready(HUB))
        await asyncio.sleep(0)
        assert not waiting.done()
        run.lists(secret())
        await waiting
        assert len(run.hub.watches) == 1, "one watch, however many ask"


# --- connected to when needed ---------------------------------------------------------------------------------------


async def test_three_hundred_registered_clusters_are_not_connected_to() -> None:
    async with bench() as run:
        run.lists(*(secret(f"c-{n}", server=f"https://c-{n}.example") for n in range(300)))
        assert list(run.shown.values()).count("registered") == 300
        assert sum(cluster.discoveries + len(cluster.watches) for cluster in run.registrar.made) == 0
        await run.clusters.check()
        assert sum(cluster.discoveries for cluster in run.registrar.made) == 300


async def test_a_cluster_that_nobody_looks_at_any_more_is_not_called_live() -> None:
    async with bench() as run:
        run.lists(secret())
        store = run.found(EDGE)
        want = store.want(CONFIG_MAP)
        run.registrar.made[-1].becomes(ClusterState.LIVE)
        assert run.shown["edge"] == "live"
        run.clock.advance(UNUSED * 3)
        assert run.shown["edge"] == "live"
        want.close()
        run.clock.advance(UNUSED)
        assert run.shown["edge"] == "registered"
        assert run.statuses[-1].state is ClusterState.REGISTERED
        assert run.found(EDGE) is not store


async def test_a_cluster_stays_connected_to_while_a_person_logs_in_there() -> None:
    asked, go_on = asyncio.Event(), asyncio.Event()

    async def slow() -> None:
        asked.set()
        await go_on.wait()

    async with bench() as run:
        run.lists(secret())
        store = run.clusters.named(ClusterName("edge"))
        run.registrar.made[-1].login = slow  # type: ignore[method-assign]
        fleet = LiveFleet(run.clusters, [], FakeRepositories(FakeRepository()), clock=run.clock)
        login = asyncio.create_task(fleet.login(ClusterName("edge")))
        await asked.wait()
        run.clock.advance(3 * UNUSED)
        assert run.clusters.named(ClusterName("edge")) is store
        go_on.set()
        await login
        run.clock.advance(3 * UNUSED)
        assert run.clusters.named(ClusterName("edge")) is not store


async def test_a_registered_cluster_that_is_away_is_its_own_state() -> None:
    async with bench() as run:
        run.lists(secret("prod"))
        run.found(EDGE)
        run.registrar.made[-1].becomes(ClusterState.UNAUTHORIZED, "the token has expired")
        status = run.statuses[-1]
        assert (status.name, status.state, status.message) == (
            "prod",
            ClusterState.UNAUTHORIZED,
            "the token has expired",
        )
        assert status.protected
        assert run.shown["hub"] == "live"
