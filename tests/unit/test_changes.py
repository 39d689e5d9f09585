"""Merging change sets, and telling them at most ten times a second."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from fleetui.fleet.changes import Publisher, merge
from fleetui.fleet.views import ChangeSet
from fleetui.model.app import App, AppKey
from fleetui.model.objects import ClusterName
from fleetui.model.status import ClusterState, ClusterStatus
from tests.unit.fakes import FakeClock

HUB = ClusterName("hub")


def key(name: str) -> AppKey:
    return AppKey(HUB, "argo", "argocd", name)


def shows(name: str, revision: str = "") -> ChangeSet:
    return ChangeSet(apps={key(name): App(key=key(name), revision=revision)})


def removes(name: str) -> ChangeSet:
    return ChangeSet(removed=frozenset({key(name)}))


def touches(name: str, *, loading: bool = False) -> ChangeSet:
    return ChangeSet(trees=frozenset({key(name)}), loading=frozenset({HUB} if loading else ()))


def test_the_newest_word_counts() -> None:
    assert merge([shows("a", "1"), shows("a", "2")]).apps[key("a")].revision == "2"
    gone = merge([shows("a"), removes("a")])
    assert gone == removes("a")
    back = merge([removes("a"), shows("a")])
    assert (set(back.apps), back.removed) == ({key("a")}, frozenset())


def test_a_cluster_that_went_is_gone_until_it_is_there_again() -> None:
    edge = ClusterStatus(name=ClusterName("edge"), state=ClusterState.REGISTERED, since=0.0)
    there, went = ChangeSet(clusters={edge.name: edge}), ChangeSet(gone=frozenset({edge.name}))
    assert merge([there, went]) == went
    assert merge([went, there]) == there


def test_trees_add_up_and_loading_is_as_of_now() -> None:
    merged = merge([touches("a", loading=True), touches("b")])
    assert merged.trees == {key("a"), key("b")}
    assert merged.loading == frozenset()


def after(changes: list[ChangeSet]) -> dict[AppKey, App]:
    """The picture of somebody who takes every change set in."""
    picture: dict[AppKey, App] = {}
    for change in changes:
        picture = {k: app for k, app in picture.items() if k not in change.removed} | change.apps
    return picture


names = st.sampled_from("abc")


@given(st.lists(st.builds(shows, names, st.sampled_from("12")) | st.builds(removes, names), max_size=8), st.data())
def test_whoever_hears_merged_sets_sees_the_same(changes: list[ChangeSet], data: st.DataObject) -> None:
    cut = data.draw(st.integers(0, len(changes)))
    assert after([merge(changes[:cut]), merge(changes[cut:])]) == after(changes)
    assert merge([merge(changes[:cut]), merge(changes[cut:])]) == merge(changes)


def test_a_burst_is_told_at_once_then_ten_times_a_second() -> None:
    clock = FakeClock()
    publisher = Publisher(clock)
    told: list[tuple[float, list[str]]] = []
    start = clock.now()
    publisher.subscribe(
        lambda change: told.append((round(clock.now() - start, 3), sorted(k.name for k in change.apps)))
    )
    publisher.publish(shows("a"))
    publisher.publish(shows("b"))
    clock.advance(0)
    for step in range(20):
        publisher.publish(shows(f"c{step:02}"))
        clock.advance(0.01)
    clock.advance(1)
    assert [at for at, _ in told] == [0.0, 0.1, 0.2]
    assert told[0][1] == ["a", "b"]
    assert [len(names) for _, names in told] == [2, 10, 10]
    publisher.publish(shows("d"))
    clock.advance(0)
    assert told[-1] == (1.2, ["d"]), "after a pause the next is told at once again"


def test_the_first_applications_do_not_wait_for_the_interval() -> None:
    clock = FakeClock()
    publisher = Publisher(clock)
    heard: list[ChangeSet] = []
    publisher.subscribe(heard.append)
    publisher.publish(touches("a", loading=True))
    clock.advance(0.0)
    publisher.publish(touches("a", loading=True))
    publisher.publish(shows("a"))
    clock.advance(0.0)
    assert [set(change.apps) for change in heard] == [set(), {key("a")}]
    publisher.publish(shows("b"))
    clock.advance(0.09)
    assert len(heard) == 2, "the next ones do"
    clock.advance(0.02)
    assert len(heard) == 3


def test_a_clock_set_back_does_not_silence_the_fleet() -> None:
    clock = FakeClock()
    publisher = Publisher(clock)
    told: list[ChangeSet] = []
    publisher.subscribe(told.append)
    publisher.publish(shows("a"))
    clock.advance(0)
    clock.advance(-3600)
    publisher.publish(shows("b"))
    clock.advance(0.1)
    assert len(told) == 2


def test_who_unsubscribes_hears_no_more() -> None:
    clock = FakeClock()
    publisher = Publisher(clock)
    told: list[ChangeSet] = []
    subscription = publisher.subscribe(told.append)
    publisher.publish(shows("a"))
    subscription.close()
    subscription.close()
    clock.advance(1)
    assert told == []
