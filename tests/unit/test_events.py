"""Events about objects as one list: which belong, what is one entry, and how few requests it takes."""

from __future__ import annotations

from typing import Any

from fleetui.fleet.events import Subject, events_of, events_of_tree, merged
from fleetui.fleet.views import Tree, TreeNode
from fleetui.model.app import AppKey
from fleetui.model.errors import NotFoundError
from fleetui.model.objects import ApiResource, ClusterName, Obj, ObjectRef
from tests.unit.fakes import FakeCluster

HUB = ClusterName("hub")
POD = ObjectRef("", "Pod", "shop", "web-1")
DEPLOYMENT = ObjectRef("apps", "Deployment", "shop", "web")


def event(about: ObjectRef, reason: str, *, uid: str = "u", at: int = 0, **rest: Any) -> Obj:
    version = "apps/v1" if about.group else "v1"
    involved = {"kind": about.kind, "namespace": about.namespace, "name": about.name, "apiVersion": version, "uid": uid}
    times = {"firstTimestamp": f"2026-01-01T00:00:{at:02}Z", "lastTimestamp": f"2026-01-01T00:00:{at:02}Z"}
    base = {"type": "Normal", "reason": reason, "message": f"{reason} it", "source": {"component": "kubelet"}}
    return {"metadata": {"name": f"{about.name}.{at}"}, "involvedObject": involved, "count": 1, **times, **base, **rest}


class Eventful(FakeCluster):
    """A cluster whose Events are those given; it keeps which lists were asked for."""

    def __init__(self, *events: Obj) -> None:
        super().__init__()
        self.events = events
        self.asked: list[tuple[str, str]] = []

    async def list(
        self,
        resource: ApiResource,
        namespace: str = "",
        *,
        labels: str = "",
        fields: str = "",
        metadata_only: bool = False,
    ) -> list[Obj]:
        self.asked.append((namespace, fields))
        uid = fields.removeprefix("involvedObject.uid=")
        return [one for one in self.events if not fields or one["involvedObject"]["uid"] == uid]


def test_the_newest_is_last_and_what_says_the_same_is_one() -> None:
    found = merged(
        [
            event(POD, "BackOff", at=30, count=4, lastTimestamp="2026-01-01T00:00:40Z"),
            event(POD, "Pulled", at=10),
            event(POD, "BackOff", at=20, count=3),
            event(POD, "Killing", at=35),
        ],
        {POD: "u"},
        cluster=HUB,
    )
    assert [(one.reason, one.count) for one in found] == [("Pulled", 1), ("Killing", 1), ("BackOff", 7)]
    backoff = found[-1]
    assert backoff.first is not None
    assert backoff.last == backoff.first + 20


def test_a_series_says_how_often_and_when_last() -> None:
    series = {"count": 12, "lastObservedTime": "2026-01-01T00:01:00.000000Z"}
    told = event(POD, "Failed", type="Warning", series=series, eventTime="2026-01-01T00:00:05.000000Z",
                 firstTimestamp=None, lastTimestamp=None, count=None)  # fmt: skip
    (found,) = merged([told], {POD: "u"}, cluster=HUB)
    assert (found.warning, found.count, found.source) == (True, 12, "kubelet")
    assert found.first is not None
    assert found.last == found.first + 55


def test_events_of_another_object_of_the_same_name_are_left_out() -> None:
    events = [event(POD, "Old", uid="former"), event(POD, "New"), event(DEPLOYMENT, "Other")]
    assert [one.reason for one in merged(events, {POD: "u"}, cluster=HUB)] == ["New"]
    assert [one.reason for one in merged(events, {POD: ""}, cluster=HUB)] == ["Old", "New"]


def test_hostile_text_is_harmless() -> None:
    (found,) = merged([event(POD, "Bad\x1b[31m", message="line\n\x1b]0;x\x07")], {POD: "u"}, cluster=HUB)
    assert "\x1b" not in found.reason + found.message
    assert "\n" not in found.reason


async def test_few_objects_are_asked_for_one_by_one_and_many_by_namespace() -> None:
    cluster = Eventful(event(POD, "Pulled"))
    assert [one.reason for one in await events_of(cluster, [Subject(POD, "u")])] == ["Pulled"]
    assert cluster.asked == [("shop", "involvedObject.uid=u")]
    cluster.asked.clear()
    many = [Subject(ObjectRef("", "Pod", "shop", f"web-{at}"), f"u{at}") for at in range(2, 7)]
    assert [one.reason for one in await events_of(cluster, [Subject(POD, "u"), *many])] == ["Pulled"]
    assert cluster.asked == [("shop", "")]


async def test_events_about_an_object_without_a_namespace_are_in_the_default_one() -> None:
    cluster = Eventful()
    assert await events_of(cluster, [Subject(ObjectRef("", "Node", "", "n1"))]) == []
    assert cluster.asked == [("default", "involvedObject.kind=Node,involvedObject.name=n1")]


async def test_a_namespace_that_has_gone_has_no_events() -> None:
    class Gone(FakeCluster):
        async def list(
            self,
            resource: ApiResource,
            namespace: str = "",
            *,
            labels: str = "",
            fields: str = "",
            metadata_only: bool = False,
        ) -> list[Obj]:
            raise NotFoundError("gone", code=404)

    assert await events_of(Gone(), [Subject(POD, "u")]) == []


async def test_a_tree_is_asked_for_cluster_by_cluster() -> None:
    hub = Eventful(event(DEPLOYMENT, "Scaled", at=20))
    edge = Eventful(event(POD, "Pulled", at=10))
    nodes = (
        TreeNode(DEPLOYMENT, HUB, 1, uid="u"),
        TreeNode(POD, ClusterName("edge"), 1, uid="u"),
    )
    key = AppKey(hub=HUB, dialect="argo", namespace="argocd", name="shop")
    tree = Tree(key, nodes)
    clusters = {HUB: hub, ClusterName("edge"): edge}
    assert [one.reason for one in await events_of_tree(tree, clusters.__getitem__)] == ["Pulled", "Scaled"]
    assert [one.reason for one in await events_of_tree(tree, clusters.__getitem__, POD)] == ["Pulled"]


async def test_an_object_that_the_tree_does_not_have_is_looked_for_where_the_others_are() -> None:
    other = ObjectRef("", "Pod", "shop", "other")
    hub = Eventful()
    key = AppKey(hub=HUB, dialect="argo", namespace="argocd", name="shop")
    tree = Tree(key, (TreeNode(POD, HUB, 1, uid="u"),))

    assert [one.reason for one in await events_of_tree(tree, {HUB: hub}.__getitem__, other)] == []
    assert hub.asked == [("shop", "involvedObject.kind=Pod,involvedObject.name=other")]
