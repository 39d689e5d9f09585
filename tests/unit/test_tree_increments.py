"""A tree kept as objects come, change and go is the tree that is made at once from what there is."""

from __future__ import annotations

import itertools
from collections.abc import Iterable

import msgspec
from hypothesis import given, settings
from hypothesis import strategies as st

from fleetui.engine.application import TRACKING_ID
from fleetui.fleet.edges import came_from
from fleetui.fleet.items import Grown
from fleetui.fleet.tree import ResourceTree
from fleetui.fleet.views import TreeNode
from fleetui.model.app import App, AppKey, AppResource
from fleetui.model.objects import ClusterName, Obj, ObjectRef, StoredObject
from fleetui.model.status import SyncStatus
from tests.unit.fakes import manifest, stored

HUB, EDGE = ClusterName("hub"), ClusterName("edge")
KINDS = {
    "ConfigMap": "v1",
    "PersistentVolumeClaim": "v1",
    "Service": "v1",
    "EndpointSlice": "discovery.k8s.io/v1",
    "StatefulSet": "apps/v1",
    "Deployment": "apps/v1",
    "ReplicaSet": "apps/v1",
    "Kustomization": "kustomize.toolkit.fluxcd.io/v1",
    "GitRepository": "source.toolkit.fluxcd.io/v1",
    "XDatabase": "acme.io/v1",
    "Application": "argoproj.io/v1alpha1",
}
NAMES = ("a", "b", "a-a-0")
SUBJECTS = st.tuples(st.sampled_from(sorted(KINDS)), st.sampled_from(NAMES))
Subject = tuple[str, str]


def ref(subject: Subject) -> ObjectRef:
    kind, name = subject
    return ObjectRef(KINDS[kind].rpartition("/")[0], kind, "default", name)


def entry(subject: Subject) -> str:
    named = ref(subject)
    return f"default_{named.name}_{named.group}_{named.kind}"


@st.composite
def bodies(draw: st.DrawFn, subject: Subject) -> Obj:
    """An object that leads to others, and says where it comes from, in every way that there is."""
    kind, name = subject
    owners = draw(st.lists(st.tuples(SUBJECTS, st.booleans()), max_size=2))
    if kind == "ReplicaSet" and draw(st.booleans()):
        owners.append((("Deployment", "a"), True))
    metadata: Obj = {
        "uid": f"{kind}-{name}-{draw(st.integers(0, 1))}",
        "ownerReferences": [
            {"kind": one[0], "name": one[1], "uid": f"{one[0]}-{one[1]}-0", "controller": controls}
            for one, controls in owners
        ],
        "labels": {},
        "annotations": {"deployment.kubernetes.io/revision": draw(st.sampled_from("12"))},
    }
    if draw(st.integers(0, 3)) == 0:
        prefix = "kustomize.toolkit.fluxcd.io"
        metadata["labels"] |= {f"{prefix}/name": draw(st.sampled_from(NAMES)), f"{prefix}/namespace": "default"}
    if draw(st.integers(0, 2)) == 0:
        app = draw(st.sampled_from(["shop", "default_a", "default_b"]))
        metadata["annotations"][TRACKING_ID] = f"{app}:{ref(subject).group}/{kind}:default/{name}"
    several = draw(st.lists(SUBJECTS, max_size=3, unique=True))
    spec: Obj = {"replicas": draw(st.integers(0, 1)), "sourceRef": {"kind": "GitRepository", "name": "a"}}
    spec["volumeClaimTemplates"] = [{"metadata": {"name": draw(st.sampled_from("ab"))}}]
    if kind == "XDatabase":
        refs = [{"apiVersion": KINDS[one], "kind": one, "name": other} for one, other in several]
        spec["crossplane"] = {"resourceRefs": refs}
    status: Obj = {"inventory": {"entries": [{"id": entry(one)} for one in several]}}
    status["resources"] = [msgspec.to_builtins(ref(one)) for one in several]
    return manifest(kind, name, api_version=KINDS[kind], metadata=metadata, spec=spec, status=status)


class Held:
    """The objects of a cluster, without any index."""

    def __init__(self) -> None:
        self.objects: dict[ObjectRef, StoredObject] = {}

    def get(self, ref: ObjectRef) -> StoredObject | None:
        return self.objects.get(ref)

    def owned(self, uid: str) -> Iterable[StoredObject]:
        return [obj for obj in self.objects.values() if uid in {each.uid for each in obj.meta.owner_references or ()}]

    def named(self, ref: ObjectRef) -> Iterable[StoredObject]:
        return [obj for obj in self.objects.values() if ref in came_from(obj)]

    def tracked(self, tracking_app: str) -> Iterable[StoredObject]:
        told = f"{tracking_app}:"
        return [
            obj for obj in self.objects.values() if (obj.meta.annotations or {}).get(TRACKING_ID, "").startswith(told)
        ]


def grown(obj: StoredObject) -> Grown | None:
    """An Application as its dialect reads it, more or less: the one called b manages another cluster."""
    key = AppKey(EDGE, "argo", obj.ref.namespace, obj.ref.name)
    resources = tuple(
        AppResource(ref=msgspec.convert(one, ObjectRef), sync=SyncStatus.SYNCED)
        for one in obj.decode()["status"]["resources"]
    )
    place = HUB if obj.ref.name == "b" else EDGE
    return Grown(App(key=key, resources=resources), place, f"default_{obj.ref.name}")


def application(subjects: Iterable[Subject]) -> App:
    resources = tuple(AppResource(ref=ref(one), sync=SyncStatus.SYNCED) for one in subjects)
    return App(key=AppKey(HUB, "argo", "argocd", "shop"), resources=resources)


def tree_of(app: App, held: Held) -> ResourceTree:
    return ResourceTree(app, cluster=EDGE, objects=held, tracking="shop", grown=grown)


def anew(app: App, held: Held) -> tuple[TreeNode, ...]:
    """The nodes by the other way to a tree: all that there is first, the places then."""
    tree = tree_of(app, held)
    tree._structure.make_anew()
    return tree.shown().nodes


Step = tuple[str, Subject, Obj | None, list[Subject]]


@st.composite
def stories(draw: st.DrawFn) -> list[Step]:
    """Objects that come, change and go, and an application that lists others."""
    steps: list[Step] = []
    for _ in range(draw(st.integers(1, 14))):
        what, subject = draw(st.sampled_from(["put", "put", "put", "go", "list"])), draw(SUBJECTS)
        body = draw(bodies(subject)) if what == "put" else None
        steps.append((what, subject, body, draw(st.lists(SUBJECTS, max_size=3, unique=True))))
    return steps


@settings(max_examples=250)
@given(stories())
def test_a_tree_made_by_increments_is_the_tree_made_at_once(story: list[Step]) -> None:
    app, held = application([("Deployment", "a"), ("Application", "a"), ("Kustomization", "b")]), Held()
    tree = tree_of(app, held)
    shown = tree.shown().nodes
    for what, subject, body, several in story:
        if what == "list":
            app = application(several)
            tree.take(app)
        elif body is not None:
            held.objects[ref(subject)] = stored(body)
        else:
            held.objects.pop(ref(subject), None)
        concerned = tree.touch(ref(subject))
        before, shown = shown, tree.shown().nodes
        assert shown == tree_of(app, held).shown().nodes
        assert shown == anew(app, held)
        assert concerned or what == "list" or before == shown
        assert_is_a_tree(shown)


@settings(max_examples=150)
@given(stories())
def test_it_is_so_too_where_nobody_looks_in_between(story: list[Step]) -> None:
    app, held = application([("Deployment", "a"), ("Application", "a"), ("Kustomization", "b")]), Held()
    tree = tree_of(app, held)
    before, concerned = tree.shown().nodes, False
    for what, subject, body, several in story:
        if what == "list":
            app, concerned = application(several), True
            tree.take(app)
        elif body is not None:
            held.objects[ref(subject)] = stored(body)
        else:
            held.objects.pop(ref(subject), None)
        concerned |= tree.touch(ref(subject))
    shown = tree.shown().nodes
    assert shown == tree_of(app, held).shown().nodes
    assert concerned or before == shown
    assert_is_a_tree(shown)


def assert_is_a_tree(nodes: tuple[TreeNode, ...]) -> None:
    """Each object once, each at most one step deeper than the one before, and each counts its children."""
    assert len({(node.cluster, node.ref) for node in nodes}) == len(nodes)
    assert all(node.depth <= above.depth + 1 for above, node in itertools.pairwise(nodes))
    for place, node in enumerate(nodes):
        below = list(nodes[place + 1 :])
        end = next((i for i, other in enumerate(below) if other.depth <= node.depth), len(below))
        assert node.children == sum(other.depth == node.depth + 1 for other in below[:end])
