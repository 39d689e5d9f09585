"""Of a cluster whose applications may not all be listed: which namespaces are watched, what is said, what it costs."""

from __future__ import annotations

from fleetui.fleet.appwatch import RECHECK
from fleetui.fleet.reach import MOST
from fleetui.fleet.views import Action, ActionKind
from fleetui.model.errors import ForbiddenError
from fleetui.model.objects import ClusterName, ObjectRef, StoredObject
from fleetui.model.status import ClusterState
from tests.unit.fakes import APPLICATION, manifest, stored
from tests.unit.rbac import GuardedCluster
from tests.unit.test_fleet import Running, running

HUB = ClusterName("hub")


def application(name: str, namespace: str) -> StoredObject:
    return stored(manifest("Application", name, namespace=namespace, api_version="argoproj.io/v1alpha1", spec={}))


def hub(*namespaces: str, **more: list[str]) -> GuardedCluster:
    """A cluster that lets applications be read in these namespaces; an empty one stands for all."""
    return GuardedCluster(*((namespace, "applications") for namespace in namespaces), **more)  # type: ignore[arg-type]


async def watched(run: Running, cluster: GuardedCluster, *namespaces: str) -> None:
    await run.until(lambda: cluster.watched() == list(namespaces), f"watches in {namespaces}")


def names(run: Running) -> set[str]:
    return {key.name for key in run.fleet.apps}


async def test_who_may_read_one_namespace_gets_that_namespace() -> None:
    cluster = hub("default")
    async with running(cluster) as run:
        cluster.refuse("Application")
        await watched(run, cluster, "default")
        assert run.told().loading == {HUB}
        cluster.watch_of("Application", "default").lists(application("shop", "default"))
        change = run.told()
        assert (change.loading, change.problems, names(run)) == (frozenset(), {}, {"shop"})
        assert change.narrowed[HUB].namespaces == ("default",)
        assert change.narrowed[HUB].refusal == (
            'applications.argoproj.io is forbidden: User "ann" cannot list resource "applications" at the cluster scope'
            " (see kubectl auth can-i list applications.argoproj.io -A;"
            " a ClusterRole, or a Role for one namespace, with get, list, watch on applications.argoproj.io gives it)"
        )
        assert run.fleet.clusters[HUB].state is ClusterState.LIVE
        assert sorted(cluster.reviews) == ["list applications", "rules default", "watch applications"]


async def test_namespaces_of_the_settings_and_those_that_can_be_listed_are_looked_into() -> None:
    cluster = hub("team-a", "team-c", namespaces=["default", "team-a", "team-b", "team-c"])
    async with running(cluster, named=("team-c",)) as run:
        cluster.refuse("Application")
        await watched(run, cluster, "team-c")  # the namespaces themselves may not be listed
        cluster.grants.add(("", "namespaces"))
        await run.fleet.retry(HUB)
        await watched(run, cluster, "team-c", "team-a")
        assert run.fleet.narrowed[HUB].namespaces == ("team-c", "team-a")


async def test_where_nothing_may_be_seen_the_cluster_is_forbidden_and_says_what_is_missing() -> None:
    cluster = hub()
    async with running(cluster) as run:
        cluster.refuse("Application")
        await run.fleet.loaded()
        status = run.fleet.clusters[HUB]
        assert status.state is ClusterState.FORBIDDEN
        assert status.message == run.told().problems[HUB]
        assert status.message.startswith('applications.argoproj.io is forbidden: User "ann"')
        cluster.becomes(ClusterState.FORBIDDEN, "secrets is forbidden")
        assert run.fleet.clusters[HUB].message == status.message
        assert "kubectl auth can-i list applications.argoproj.io -A" in status.message
        assert cluster.watched() == []


async def test_a_permission_that_comes_later_is_noticed_within_a_minute_and_costs_three_requests_until_then() -> None:
    cluster = hub()
    async with running(cluster) as run:
        cluster.refuse("Application")
        await run.fleet.loaded()
        asked, listed = len(cluster.reviews), cluster.lists
        run.clock.advance(RECHECK)
        await run.until(lambda: len(cluster.reviews) == asked + 3, "another look")
        assert cluster.lists == listed
        cluster.grants.add(("default", "applications"))
        run.clock.advance(RECHECK)
        await watched(run, cluster, "default")
        cluster.watch_of("Application", "default").lists(application("shop", "default"))
        assert (names(run), run.fleet.clusters[HUB].state) == ({"shop"}, ClusterState.LIVE)
        cluster.grants.add(("", "applications"))
        run.clock.advance(RECHECK)
        await watched(run, cluster, "")
        cluster.watch_of("Application").lists(application("shop", "default"), application("till", "bank"))
        assert (names(run), run.fleet.narrowed, run.fleet.problems) == ({"shop", "till"}, {}, {})
        asked = len(cluster.reviews)
        run.clock.advance(10 * RECHECK)
        assert len(cluster.reviews) == asked


async def test_many_namespaces_are_asked_about_less_often() -> None:
    everywhere = [f"team-{number:03}" for number in range(MOST + 20)]
    cluster = hub(everywhere[3], everywhere[-1], namespaces=everywhere)
    cluster.grants.add(("", "namespaces"))
    async with running(cluster) as run:
        cluster.refuse("Application")
        await watched(run, cluster, everywhere[3])
        asked = len(cluster.reviews)
        assert asked == 2 + 1 + MOST  # the cluster's scope, the context's namespace, the first fifty
        run.clock.advance(4 * RECHECK)
        assert (len(cluster.reviews), cluster.lists) == (asked, 1)
        run.clock.advance(2 * RECHECK)
        await run.until(lambda: len(cluster.reviews) == 2 * asked, "another look")
        assert cluster.lists == 1


async def test_rows_of_a_namespace_that_may_no_longer_be_seen_go_and_the_others_stay() -> None:
    cluster = hub("", "default")
    async with running(cluster) as run:
        cluster.watch_of("Application").lists(application("shop", "default"), application("till", "bank"))
        cluster.grants = {("default", "applications")}
        cluster.refuse("Application")
        await watched(run, cluster, "default")
        assert names(run) == {"shop"}
        assert {key.name for key in run.told().removed} == {"till"}


async def test_what_one_context_may_no_longer_see_is_shown_by_another_one_that_may() -> None:
    first, second = hub("", "default", name="first"), hub("", name="second")  # type: ignore[arg-type]
    async with running(first, second) as run:
        for cluster in (first, second):
            cluster.watch_of("Application").lists(application("shop", "default"), application("till", "bank"))
        assert {(key.hub, key.name) for key in run.fleet.apps} == {("first", "shop"), ("first", "till")}
        first.grants = {("default", "applications")}
        first.refuse("Application")
        await watched(run, first, "default")
        assert {(key.hub, key.name) for key in run.fleet.apps} == {("first", "shop"), ("second", "till")}


async def test_rows_stay_as_old_ones_where_nothing_may_be_seen_any_more() -> None:
    cluster = hub("")
    async with running(cluster) as run:
        cluster.watch_of("Application").lists(application("shop", "default"))
        cluster.grants.clear()
        cluster.refuse("Application")
        await run.until(lambda: run.fleet.clusters[HUB].state is ClusterState.FORBIDDEN, "the refusal")
        assert names(run) == {"shop"}


async def test_a_namespace_that_was_asked_for_and_may_not_be_seen() -> None:
    cluster = hub("team-a")
    async with running(cluster, namespaces=("team-a", "team-b")) as run:
        cluster.watch_of("Application", "team-a").lists()
        cluster.refuse("Application", "team-b")
        await watched(run, cluster, "team-a")
        assert run.fleet.narrowed[HUB].namespaces == ("team-a",)
        assert "-n team-b" in run.fleet.narrowed[HUB].refusal


async def test_to_list_without_to_watch_is_not_enough_and_the_missing_verb_is_named() -> None:
    cluster = hub("default")
    cluster.verbs.discard("watch")
    async with running(cluster, namespaces=("default",)) as run:
        cluster.watch_of("Application", "default").sink.failed(ForbiddenError("no watch", cluster="hub", code=403))
        await run.fleet.loaded()
        assert cluster.watched() == []
        assert "kubectl auth can-i watch applications.argoproj.io -n default" in run.fleet.problems[HUB]


async def test_a_server_that_answers_no_review_is_asked_for_the_objects_themselves() -> None:
    cluster = hub()
    cluster.mute = True
    async with running(cluster) as run:
        cluster.refuse("Application")
        await run.fleet.loaded()
        assert cluster.watched() == [""]
        assert "is forbidden" in run.fleet.problems[HUB]
        cluster.watch_of("Application").lists(application("shop", "default"))
        assert (names(run), run.fleet.problems) == ({"shop"}, {})


async def test_a_login_and_a_hard_refresh_void_what_was_known() -> None:
    cluster = hub()
    async with running(cluster) as run:
        cluster.refuse("Application")
        await run.fleet.loaded()
        cluster.grants.add(("", "applications"))
        await run.fleet.login(HUB)
        await watched(run, cluster, "")
        cluster.watch_of("Application").lists(application("shop", "default"))
        (key,) = run.fleet.apps
        refresh = Action(ActionKind.REFRESH, key)
        await run.fleet.plan(refresh)
        asked = len(cluster.reviews)
        await run.fleet.plan(refresh)
        assert len(cluster.reviews) == asked
        cluster.objects[ObjectRef(*APPLICATION.group_kind, key.namespace, key.name)] = manifest(
            "Application", key.name, namespace=key.namespace, api_version="argoproj.io/v1alpha1", spec={}
        )
        await run.fleet.execute(Action(ActionKind.REFRESH, key, hard=True))
        assert len(cluster.reviews) == asked + 1
