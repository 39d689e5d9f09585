"""The store: shared watches, indexes, mark and sweep, and what listeners hear."""

from __future__ import annotations

import asyncio
import gc

import msgspec
import pytest

from backends.kube import decode
from fleetui.fleet.store import LiveStore
from fleetui.model.errors import ClusterError, ForbiddenError
from fleetui.model.objects import ApiResource, StoredObject
from fleetui.ports import Subscription
from tests.unit.fakes import CONFIG_MAP, NAMESPACE, FakeCluster, config_map, manifest, stored


class Heard:
    """What a listener was told, as ``+name`` and ``-name``."""

    def __init__(self, store: LiveStore) -> None:
        self.log: list[str] = []
        store.subscribe(self)

    def __call__(self, obj: StoredObject, *, deleted: bool) -> None:
        self.log.append(f"{'-' if deleted else '+'}{obj.ref.name}")

    def take(self) -> list[str]:
        log, self.log = self.log, []
        return log


def names(objects: object) -> set[str]:
    return {obj.ref.name for obj in objects}  # type: ignore[attr-defined]


@pytest.fixture
def cluster() -> FakeCluster:
    return FakeCluster()


@pytest.fixture
def store(cluster: FakeCluster) -> LiveStore:
    return LiveStore(cluster)


def test_takers_share_one_watch_and_the_last_one_ends_it(cluster: FakeCluster, store: LiveStore) -> None:
    first, second = store.want(CONFIG_MAP), store.want(CONFIG_MAP)
    heard = Heard(store)
    cluster.watch_of("ConfigMap").lists(config_map("a"))
    assert len(cluster.watches) == 1
    first.close()
    first.close()
    assert [watch.open for watch in cluster.watches] == [True]
    assert names(store.of_kind("", "ConfigMap")) == {"a"}
    second.close()
    assert [watch.open for watch in cluster.watches] == [False]
    assert names(store.of_kind("", "ConfigMap")) == set()
    assert heard.take() == ["+a"], "forgotten is not deleted"
    store.want(CONFIG_MAP)
    assert len(cluster.watches) == 2


def test_a_relist_sweeps_out_what_did_not_come_again(cluster: FakeCluster, store: LiveStore) -> None:
    store.want(CONFIG_MAP)
    watch, heard = cluster.watch_of("ConfigMap"), Heard(store)
    watch.lists(config_map("a"), config_map("b"))
    assert heard.take() == ["+a", "+b"]
    watch.lists(config_map("b"), config_map("c"))
    assert heard.take() == ["+c", "-a"], "b has the same resourceVersion and is not told again"
    watch.sink.upsert([config_map("b", resourceVersion="2")])
    watch.sink.remove(config_map("c"))
    assert heard.take() == ["+b", "-c"]


def test_a_listing_that_breaks_off_sweeps_nothing(cluster: FakeCluster, store: LiveStore) -> None:
    store.want(CONFIG_MAP)
    watch = cluster.watch_of("ConfigMap")
    watch.lists(config_map("a"), config_map("b"))
    watch.sink.listing()
    watch.sink.upsert([config_map("a")])
    watch.sink.failed(ClusterError("gone"))
    assert names(store.of_kind("", "ConfigMap")) == {"a", "b"}


def test_indexes_follow_the_object(store: LiveStore, cluster: FakeCluster) -> None:
    store.want(CONFIG_MAP)
    watch = cluster.watch_of("ConfigMap")
    owner = {"apiVersion": "v1", "kind": "Job", "name": "j", "uid": "owner-1"}
    tracked = {"argocd.argoproj.io/tracking-id": "ns_app:/ConfigMap:default/a"}
    watch.lists(config_map("a", annotations=tracked, ownerReferences=[owner]))
    assert names(store.tracked("ns_app")) == names(store.owned("owner-1")) == {"a"}
    assert not store.tracked("ns")
    watch.sink.upsert([config_map("a", resourceVersion="2")])
    assert not store.tracked("ns_app")
    assert not store.owned("owner-1")


@pytest.mark.parametrize("closes_first", ["all", "one"])
def test_an_object_stays_while_another_want_covers_it(
    cluster: FakeCluster, store: LiveStore, closes_first: str
) -> None:
    wants = {"all": store.want(CONFIG_MAP), "one": store.want(CONFIG_MAP, "default")}
    cluster.watch_of("ConfigMap").lists(config_map("a"), config_map("far", namespace="other"))
    cluster.watch_of("ConfigMap", "default").lists(config_map("a"))
    heard = Heard(store)
    wants.pop(closes_first).close()
    assert "a" in names(store.of_kind("", "ConfigMap"))
    assert ("far" in names(store.of_kind("", "ConfigMap"))) is (closes_first == "one")
    wants.popitem()[1].close()
    assert not store.of_kind("", "ConfigMap")
    assert heard.take() == []


def test_an_object_survives_until_the_watch_that_takes_it_over_has_listed(
    cluster: FakeCluster, store: LiveStore
) -> None:
    everywhere = store.want(CONFIG_MAP)
    cluster.watch_of("ConfigMap").lists(config_map("a"), config_map("b"))
    store.want(CONFIG_MAP, "default")
    heard = Heard(store)
    everywhere.close()
    assert names(store.of_kind("", "ConfigMap")) == {"a", "b"}
    cluster.watch_of("ConfigMap", "default").lists(config_map("a"))
    assert heard.take() == ["-b"]


def test_two_watches_of_one_object_never_take_it_back_in_time(cluster: FakeCluster, store: LiveStore) -> None:
    store.want(CONFIG_MAP)
    store.want(CONFIG_MAP, "default")
    cluster.watch_of("ConfigMap").lists(config_map("a", resourceVersion="12"))
    heard = Heard(store)
    cluster.watch_of("ConfigMap", "default").lists(config_map("a", resourceVersion="9"))
    (kept,) = store.of_kind("", "ConfigMap")
    assert kept.meta.resource_version == "12"
    # The sister's late delete of a former object of the same name must not take the new one away.
    cluster.watch_of("ConfigMap", "default").sink.remove(config_map("a", uid="former", resourceVersion="8"))
    assert heard.take() == []


def test_what_one_watch_says_is_gone_another_one_that_is_behind_does_not_bring_back(
    cluster: FakeCluster, store: LiveStore
) -> None:
    store.want(CONFIG_MAP)
    store.want(CONFIG_MAP, "default")
    ahead, behind = cluster.watch_of("ConfigMap"), cluster.watch_of("ConfigMap", "default")
    ahead.lists(config_map("a", resourceVersion="10"))
    behind.lists()
    heard = Heard(store)
    ahead.sink.upsert([config_map("a", resourceVersion="12")])
    ahead.sink.remove(config_map("a", resourceVersion="14"))
    behind.sink.upsert([config_map("a", resourceVersion="10")])
    behind.sink.upsert([config_map("a", resourceVersion="12")])
    behind.sink.remove(config_map("a", resourceVersion="14"))
    assert heard.take() == ["+a", "-a"]
    behind.sink.upsert([config_map("a", uid="another", resourceVersion="15")])
    assert heard.take() == ["+a"]


def test_a_listing_that_is_behind_brings_nothing_back_though_the_watch_ahead_has_ended(
    cluster: FakeCluster, store: LiveStore
) -> None:
    here = store.want(CONFIG_MAP, "default")
    store.want(CONFIG_MAP)
    ahead, behind = cluster.watch_of("ConfigMap", "default"), cluster.watch_of("ConfigMap")
    ahead.lists(config_map("a", resourceVersion="10"))
    heard = Heard(store)
    behind.sink.listing()
    ahead.sink.upsert([config_map("a", resourceVersion="12")])
    here.close()
    behind.sink.upsert([config_map("a", resourceVersion="10")])
    behind.sink.listed()
    assert [obj.meta.resource_version for obj in store.of_kind("", "ConfigMap")] == ["12"]
    assert heard.take() == ["+a"]


async def test_listed_waits_for_the_first_listing(cluster: FakeCluster, store: LiveStore) -> None:
    store.want(NAMESPACE, "ignored-for-cluster-scoped")
    waiting = asyncio.create_task(store.listed(NAMESPACE))
    await asyncio.sleep(0)
    assert not waiting.done()
    cluster.watch_of("Namespace").lists(stored(manifest("Namespace", "prod", namespace="")))
    await waiting
    await store.listed(NAMESPACE)


async def test_listed_raises_what_the_watch_failed_with_until_it_lists(cluster: FakeCluster, store: LiveStore) -> None:
    store.want(CONFIG_MAP)
    reports: list[Exception | None] = []
    store.on_watch(lambda resource, namespace, error: reports.append(error))
    waiting = asyncio.create_task(store.listed(CONFIG_MAP))
    await asyncio.sleep(0)
    refused = ForbiddenError("configmaps is forbidden", cluster="hub")
    cluster.watch_of("ConfigMap").sink.failed(refused)
    with pytest.raises(ForbiddenError):
        await waiting
    with pytest.raises(ForbiddenError):
        await store.listed(CONFIG_MAP, "default")
    cluster.watch_of("ConfigMap").lists()
    await store.listed(CONFIG_MAP, "default")
    assert reports == [refused, None]


async def test_listed_of_what_nobody_wants_is_an_error(store: LiveStore) -> None:
    with pytest.raises(ClusterError, match="configmaps is not watched"):
        await store.listed(CONFIG_MAP)
    taken = store.want(CONFIG_MAP)
    waiting = asyncio.create_task(store.listed(CONFIG_MAP))
    await asyncio.sleep(0)
    taken.close()
    with pytest.raises(ClusterError, match="no longer watched"):
        await waiting


def test_a_listener_may_read_write_and_fail_without_harm(
    cluster: FakeCluster, store: LiveStore, caplog: pytest.LogCaptureFixture
) -> None:
    store.want(CONFIG_MAP)
    watch = cluster.watch_of("ConfigMap")
    closing: list[Subscription] = []
    closing.append(store.subscribe(lambda obj, *, deleted: closing[0].close()))

    def fails(obj: StoredObject, *, deleted: bool) -> None:
        raise ValueError("a listener's mistake")

    store.subscribe(fails)
    heard = Heard(store)
    watch.lists(config_map("a"), config_map("b"))
    for obj in store.of_kind("", "ConfigMap"):
        watch.sink.remove(obj)
    assert heard.take() == ["+a", "+b", "-a", "-b"]
    assert "a listener of the store failed" in caplog.text


# --- selectors, metadata alone ------------------------------------------------------------------------------------


def bare(obj: StoredObject) -> StoredObject:
    """The object as a watch of metadata brings it."""
    return msgspec.structs.replace(obj, raw=b"{}", whole=False)


def test_takers_share_a_watch_by_kind_namespace_and_selectors(cluster: FakeCluster, store: LiveStore) -> None:
    for _ in range(2):
        store.want(CONFIG_MAP)
        store.want(CONFIG_MAP, labels="app=x")
        store.want(CONFIG_MAP, "default", fields="metadata.name=a")
    assert [(watch.namespace, watch.mode) for watch in cluster.watches] == [
        ("", ("", "", False)),
        ("", ("app=x", "", False)),
        ("default", ("", "metadata.name=a", False)),
    ]


def test_a_whole_watch_serves_those_who_want_metadata_alone(cluster: FakeCluster, store: LiveStore) -> None:
    whole = store.want(CONFIG_MAP)
    store.want(CONFIG_MAP, metadata_only=True)
    whole.close()
    (watch,) = cluster.watches
    assert watch.open
    assert watch.mode == ("", "", False)


async def test_a_watch_of_metadata_becomes_whole_when_somebody_wants_more(
    cluster: FakeCluster, store: LiveStore
) -> None:
    store.want(CONFIG_MAP, metadata_only=True)
    cluster.watches[0].lists(bare(config_map("a")), bare(config_map("b")))
    heard = Heard(store)
    store.want(CONFIG_MAP)
    waiting = asyncio.create_task(store.listed(CONFIG_MAP))
    await asyncio.sleep(0)
    assert [watch.open for watch in cluster.watches] == [False, True]
    assert not waiting.done(), "what is there is not whole yet"
    assert all(store.knows(obj.ref) for obj in store.of_kind("", "ConfigMap"))
    cluster.watches[1].lists(config_map("a"))
    await waiting
    assert heard.take() == ["+a", "-b"], "the same version, but whole now"
    assert [obj.whole for obj in store.of_kind("", "ConfigMap")] == [True]


def test_metadata_alone_never_takes_the_place_of_a_whole_object(cluster: FakeCluster, store: LiveStore) -> None:
    store.want(CONFIG_MAP)
    store.want(CONFIG_MAP, "default", metadata_only=True)
    whole, partial = cluster.watches
    whole.lists(config_map("a"))
    partial.lists(bare(config_map("a")))
    partial.sink.upsert([bare(config_map("a", resourceVersion="2"))])
    (kept,) = store.of_kind("", "ConfigMap")
    assert kept.whole
    whole.sink.upsert([config_map("a", resourceVersion="2")])
    (kept,) = store.of_kind("", "ConfigMap")
    assert (kept.whole, kept.meta.resource_version) == (True, "2")


def test_what_leaves_a_selection_stays_while_another_watch_has_it(cluster: FakeCluster, store: LiveStore) -> None:
    everything, chosen = store.want(CONFIG_MAP), store.want(CONFIG_MAP, labels="app=x")
    plain, selective = cluster.watches
    plain.lists(config_map("a"), config_map("b"))
    selective.lists(config_map("a"))
    heard = Heard(store)
    selective.sink.remove(config_map("a", resourceVersion="2"))
    assert heard.take() == []
    everything.close()
    assert names(store.of_kind("", "ConfigMap")) == set()
    selective.sink.upsert([config_map("a", resourceVersion="3")])
    selective.sink.remove(config_map("a", resourceVersion="4"))
    assert heard.take() == ["+a", "-a"]
    chosen.close()


def test_a_selection_tells_nothing_about_what_it_leaves_out(cluster: FakeCluster, store: LiveStore) -> None:
    reports: list[Exception | None] = []
    store.on_watch(lambda resource, namespace, error: reports.append(error))
    store.want(CONFIG_MAP, labels="app=x")
    cluster.watches[0].lists()
    assert not store.knows(config_map("a").ref)
    assert not store.watches(CONFIG_MAP)
    assert reports == []


# --- order --------------------------------------------------------------------------------------------------------


def test_an_older_version_never_replaces_a_newer_one_within_a_watch(cluster: FakeCluster, store: LiveStore) -> None:
    store.want(CONFIG_MAP)
    watch = cluster.watches[0]
    watch.lists(config_map("a", resourceVersion="10"))
    heard = Heard(store)
    watch.sink.upsert([config_map("a", resourceVersion="9")])
    assert heard.take() == []
    (kept,) = store.of_kind("", "ConfigMap")
    assert kept.meta.resource_version == "10", "compared as numbers"


def test_a_restored_server_is_believed_when_all_its_lists_say_so(cluster: FakeCluster, store: LiveStore) -> None:
    store.want(CONFIG_MAP)
    watch = cluster.watches[0]
    watch.lists(config_map("a", resourceVersion="10"))
    watch.lists(config_map("a", resourceVersion="4"))
    assert [obj.meta.resource_version for obj in store.of_kind("", "ConfigMap")] == ["4"]
    store.want(CONFIG_MAP, "default")
    sister = cluster.watches[1]
    sister.lists(config_map("a", resourceVersion="4"))
    watch.lists(config_map("a", resourceVersion="2"))
    assert [obj.meta.resource_version for obj in store.of_kind("", "ConfigMap")] == ["4"]
    sister.lists(config_map("a", resourceVersion="2"))
    assert [obj.meta.resource_version for obj in store.of_kind("", "ConfigMap")] == ["2"]


def test_another_object_under_the_same_name_is_a_delete_and_an_add(cluster: FakeCluster, store: LiveStore) -> None:
    store.want(CONFIG_MAP)
    watch = cluster.watches[0]
    watch.lists(config_map("a", uid="former"))
    told: list[tuple[str, bool]] = []
    store.subscribe(lambda obj, *, deleted: told.append((obj.uid, deleted)))
    watch.lists(config_map("a", uid="new", resourceVersion="7"))
    assert told == [("former", True), ("new", False)]
    assert [obj.uid for obj in store.of_kind("", "ConfigMap")] == ["new"]


# --- what it costs ------------------------------------------------------------------------------------------------


def test_held_objects_are_nothing_to_the_collector(cluster: FakeCluster, store: LiveStore) -> None:
    resource = ApiResource("", "v1", "Pod", "pods", namespaced=True)
    store.want(resource)
    gc.collect()
    before = len(gc.get_objects())
    cluster.watches[0].lists(*(decode.stored(resource, pod(number)) for number in range(1000)))
    # The first collection finds out that the tuples hold nothing that could lead back to them.
    gc.collect()
    assert len(gc.get_objects()) - before < 50
    assert len(names(store.of_kind("", "Pod"))) == 1000
    assert names(store.owned("owner-7")) == names(store.tracked("app-7")) == {"pod-7"}


def test_what_many_objects_share_is_held_once() -> None:
    resource = ApiResource("", "v1", "Pod", "pods", namespaced=True)
    one, other = (decode.stored(resource, pod(number)) for number in (1, 2))
    assert one.ref.namespace is other.ref.namespace is one.meta.namespace
    (mine,), (theirs,) = one.meta.owner_references or (), other.meta.owner_references or ()
    assert mine.kind is theirs.kind
    assert mine.api_version is theirs.api_version
    assert one.meta.finalizers is not None
    assert other.meta.finalizers is not None
    assert one.meta.finalizers[0] is other.meta.finalizers[0]


def pod(number: int) -> msgspec.Raw:
    owner = {"apiVersion": "apps/v1", "kind": "ReplicaSet", "name": "r", "uid": f"owner-{number}"}
    metadata = {
        "name": f"pod-{number}",
        "namespace": "team",
        "uid": f"uid-{number}",
        "resourceVersion": str(number),
        "labels": {"app": f"app-{number}"},
        "annotations": {"argocd.argoproj.io/tracking-id": f"app-{number}:/Pod:team/pod-{number}"},
        "ownerReferences": [owner],
        "finalizers": ["example.com/keep"],
    }
    return msgspec.Raw(msgspec.json.encode({"metadata": metadata, "spec": {"nodeName": "n"}}))
