"""The resource tree: what stands below what, in which order, and what each node says."""

from __future__ import annotations

from typing import Any

import msgspec
import pytest

from fleetui.fleet.edges import GroupKind, child_kinds
from fleetui.fleet.facts import describe, facts_of
from fleetui.fleet.store import LiveStore
from fleetui.fleet.tree import build
from fleetui.fleet.views import Tree
from fleetui.model.app import App, AppKey, AppResource, OperationState, ResourceResult
from fleetui.model.objects import ClusterName, Obj, ObjectRef, StoredObject
from fleetui.model.status import Health, HealthStatus, OperationPhase, SyncStatus
from tests.unit.fakes import (
    CONFIG_MAP,
    DEPLOYMENT,
    ENDPOINT_SLICE,
    POD,
    REPLICA_SET,
    SERVICE,
    FakeCluster,
    manifest,
    stored,
)

HUB = ClusterName("hub")
KEY = AppKey(HUB, "argo", "argocd", "payments")


def owned_by(kind: str, name: str, **metadata: Any) -> Obj:
    owner = {"apiVersion": "v1", "kind": kind, "name": name, "uid": f"uid-{name}", "controller": True}
    return {"ownerReferences": [owner], **metadata}


def deployment(name: str, *, ready: int = 1, replicas: int = 1) -> StoredObject:
    status = {"readyReplicas": ready, "updatedReplicas": replicas, "availableReplicas": ready, "replicas": replicas}
    return stored(manifest("Deployment", name, api_version="apps/v1", spec={"replicas": replicas}, status=status))


def replica_set(name: str, owner: str, *, revision: int | str, pods: int) -> StoredObject:
    metadata = owned_by("Deployment", owner, annotations={"deployment.kubernetes.io/revision": str(revision)})
    spec, status = {"replicas": pods}, {"replicas": pods, "readyReplicas": pods, "availableReplicas": pods}
    return stored(manifest("ReplicaSet", name, api_version="apps/v1", metadata=metadata, spec=spec, status=status))


def pod(name: str, owner: str) -> StoredObject:
    status = {"phase": "Running", "conditions": [{"type": "Ready", "status": "True"}]}
    spec = {"restartPolicy": "Always"}
    return stored(manifest("Pod", name, metadata=owned_by("ReplicaSet", owner), spec=spec, status=status))


def service(name: str) -> StoredObject:
    return stored(manifest("Service", name, spec={"type": "ClusterIP"}))


def endpoint_slice(name: str, owner: str, *ready: bool) -> StoredObject:
    each = [{"addresses": ["10.0.0.1"], "conditions": {"ready": is_ready}} for is_ready in ready]
    body = manifest("EndpointSlice", name, api_version="discovery.k8s.io/v1", metadata=owned_by("Service", owner))
    return stored({**body, "endpoints": each})


def application(*refs: ObjectRef, **fields: Any) -> App:
    resources = tuple(AppResource(ref=ref, sync=SyncStatus.SYNCED) for ref in refs)
    return App(key=KEY, **{"resources": resources, **fields})


def holding(*objects: StoredObject) -> LiveStore:
    cluster = FakeCluster()
    store = LiveStore(cluster)
    for resource in (CONFIG_MAP, DEPLOYMENT, ENDPOINT_SLICE, POD, REPLICA_SET, SERVICE):
        store.want(resource)
        cluster.watch_of(resource.kind).lists(*(obj for obj in objects if obj.ref.kind == resource.kind))
    return store


def lines(tree: Tree) -> list[str]:
    """The tree as indented text, without its root."""
    return [f"{'  ' * (n.depth - 1)}{n.ref.kind} {n.ref.name} {n.info}".rstrip() for n in tree.nodes[1:]]


def test_what_grew_stands_below_what_it_grew_from() -> None:
    store = holding(
        deployment("api", ready=1, replicas=3),
        replica_set("api-1", "api", revision=1, pods=0),
        replica_set("api-2", "api", revision=2, pods=0),
        replica_set("api-3", "api", revision=3, pods=1),
        pod("api-3-b", "api-3"),
        pod("api-3-a", "api-3"),
        pod("stranger", "elsewhere"),
        service("web"),
        endpoint_slice("web-x", "web", True, True, False),
    )
    app = application(service("web").ref, deployment("api").ref)
    tree = build(app, cluster=HUB, objects=store)
    assert lines(tree) == [
        "Deployment api 1/3 ready",
        "  ReplicaSet api-3 1/1",
        "    Pod api-3-a Running",
        "    Pod api-3-b Running",
        "  ReplicaSet api-2 (old, 0 pods)",
        "  ReplicaSet api-1 (old, 0 pods)",
        "Service web 2 endpoints",
        "  EndpointSlice web-x 2 endpoints",
    ]
    by_name = {node.ref.name: node for node in tree.nodes}
    assert [by_name[n].children for n in ("payments", "api", "api-3", "api-3-a", "web")] == [2, 3, 2, 0, 1]
    assert [by_name[n].sync for n in ("api", "api-3", "web")] == [SyncStatus.SYNCED, None, SyncStatus.SYNCED]
    assert by_name["api"].health == Health(
        HealthStatus.PROGRESSING, "Waiting for rollout to finish: 1 of 3 updated replicas are available..."
    )
    assert by_name["api-3-a"].health == Health(HealthStatus.HEALTHY)


def test_a_deployment_scaled_to_nothing_keeps_its_newest_replica_set() -> None:
    store = holding(deployment("api", ready=0, replicas=0), replica_set("api-1", "api", revision=1, pods=0))
    assert lines(build(application(deployment("api").ref), cluster=HUB, objects=store))[1] == "  ReplicaSet api-1 0/0"


def test_a_revision_that_is_no_number_of_kubernetes_s_is_none() -> None:
    store = holding(deployment("api"), replica_set("api-1", "api", revision="9" * 5000, pods=1))
    assert lines(build(application(deployment("api").ref), cluster=HUB, objects=store))[1] == "  ReplicaSet api-1 1/1"


def test_what_is_not_there_is_missing_and_what_can_not_be_seen_is_unknown() -> None:
    refs = [ObjectRef("", "ConfigMap", "default", "settings"), ObjectRef("", "Service", "default", "web")]
    tree = build(application(*refs), cluster=HUB, objects=holding(), unseen={("", "ConfigMap")})
    assert [node.health and node.health.status for node in tree.nodes[1:]] == [
        HealthStatus.MISSING,
        HealthStatus.UNKNOWN,
    ]
    assert lines(tree) == ["Service web", "ConfigMap settings"]


def test_endpoints_that_can_not_be_seen_are_not_none() -> None:
    app, store = application(service("web").ref), holding(service("web"))
    assert lines(build(app, cluster=HUB, objects=store)) == ["Service web 0 endpoints"]
    unseen = {("discovery.k8s.io", "EndpointSlice")}
    assert lines(build(app, cluster=HUB, objects=store, unseen=unseen)) == ["Service web"]


def test_a_managed_object_stands_below_the_managed_object_that_owns_it() -> None:
    store = holding(deployment("api"), replica_set("api-1", "api", revision=1, pods=1))
    app = application(ObjectRef("apps", "ReplicaSet", "default", "api-1"), deployment("api").ref)
    assert lines(build(app, cluster=HUB, objects=store)) == ["Deployment api 1/1 ready", "  ReplicaSet api-1 1/1"]


def test_a_ring_of_owners_ends() -> None:
    ring = [stored(manifest("ConfigMap", name, metadata=owned_by("ConfigMap", other))) for name, other in ("ab", "ba")]
    tree = build(application(*(obj.ref for obj in ring)), cluster=HUB, objects=holding(*ring))
    assert lines(tree) == ["ConfigMap a", "  ConfigMap b"]
    assert tree.nodes[0].children == 1


def test_an_object_with_two_owners_stands_below_one() -> None:
    both = owned_by("ConfigMap", "a")["ownerReferences"] + owned_by("ConfigMap", "b")["ownerReferences"]
    parents = [stored(manifest("ConfigMap", name)) for name in "ab"]
    child = stored(manifest("Service", "child", metadata={"ownerReferences": both}))
    tree = build(application(*(obj.ref for obj in parents)), cluster=HUB, objects=holding(*parents, child))
    assert [node.ref.name for node in tree.nodes[1:]] == ["a", "child", "b"]
    assert [node.children for node in tree.nodes[1:]] == [1, 0, 0]


def test_a_failed_hook_that_is_gone_is_still_told_of() -> None:
    migrate = ObjectRef("batch", "Job", "default", "migrate")
    result = ResourceResult(ref=migrate, hook_type="PreSync", hook_phase="Failed")
    failed = OperationState(OperationPhase.FAILED, results=(result,))
    tree = build(application(operation=failed), cluster=HUB, objects=holding())
    assert lines(tree) == ["Job migrate PreSync Failed"]
    assert (tree.nodes[1].hook, tree.nodes[1].health) == (True, None)
    succeeded = msgspec.structs.replace(failed, phase=OperationPhase.SUCCEEDED)
    assert lines(build(application(operation=succeeded), cluster=HUB, objects=holding())) == []


def test_an_app_of_apps_that_manages_itself_is_its_own_root_only() -> None:
    itself = ObjectRef("argoproj.io", "Application", "argocd", "payments")
    assert len(build(application(itself), cluster=HUB, objects=holding()).nodes) == 1
    elsewhere = build(application(itself), cluster=ClusterName("prod"), objects=holding())
    assert [node.cluster for node in elsewhere.nodes] == ["hub", "prod"]


def test_text_of_the_cluster_is_made_harmless() -> None:
    waiting = {"waiting": {"reason": "Err\x1b[31m", "message": "a\x1b]0;b\x07"}}
    status = {"phase": "Pending", "containerStatuses": [{"restartCount": 1, "state": waiting}]}
    facts = facts_of(stored(manifest("Pod", "x", spec={"restartPolicy": "Always"}, status=status)))
    assert facts.info == "Err\ufffd[31m, 1 restart"
    assert facts.health == Health(HealthStatus.DEGRADED, "a\ufffd]0;b\ufffd")


@pytest.mark.parametrize(
    ("managed", "expected"),
    [
        (("apps", "Deployment"), {("apps", "ReplicaSet"), ("", "Pod")}),
        (("batch", "CronJob"), {("batch", "Job"), ("", "Pod")}),
        (("", "Service"), {("discovery.k8s.io", "EndpointSlice")}),
        (("", "ConfigMap"), set()),
    ],
)
def test_which_kinds_grow_from_which(managed: GroupKind, expected: set[GroupKind]) -> None:
    assert child_kinds([managed]) == expected


def container(reason: str = "", *, restarts: int = 0, ready: bool = False, state: str = "waiting") -> Obj:
    return {"restartCount": restarts, "ready": ready, "state": {state: {"reason": reason} if reason else {}}}


RUNNING = container(state="running", ready=True)


@pytest.mark.parametrize(
    ("kind", "body", "expected"),
    [
        ("Pod", {"status": {"phase": "Pending"}}, "Pending"),
        (
            "Pod",
            {"status": {"phase": "Pending", "containerStatuses": [container("ImagePullBackOff", restarts=12)]}},
            "ImagePullBackOff, 12 restarts",
        ),
        (
            "Pod",
            {"status": {"phase": "Running", "containerStatuses": [RUNNING, container(state="running")]}},
            "Running, 1/2 ready",
        ),
        (
            "Pod",
            {"spec": {"initContainers": [{}, {}]}, "status": {"initContainerStatuses": [container(state="running")]}},
            "Init:0/2",
        ),
        (
            "Pod",
            {"status": {"initContainerStatuses": [container("CrashLoopBackOff")], "containerStatuses": [container()]}},
            "Init:CrashLoopBackOff",
        ),
        ("Pod", {"status": {"phase": "Failed", "reason": "Evicted"}}, "Evicted"),
        ("Pod", {"status": {"containerStatuses": [container("Completed", state="terminated")]}}, "Completed"),
        (
            "Pod",
            {"status": {"containerStatuses": [container("Completed", state="terminated"), RUNNING]}},
            "Running, 1/2 ready",
        ),
        ("Pod", {"metadata": {"deletionTimestamp": "2026-01-01T00:00:00Z"}}, "Terminating"),
        ("Pod", {"status": "odd", "spec": 3}, ""),
        ("apps/Deployment", {"spec": {"paused": True}}, "0/1 ready, paused"),
        ("apps/DaemonSet", {"status": {"numberReady": 2, "desiredNumberScheduled": 3}}, "2/3 ready"),
        ("batch/Job", {"status": {"conditions": [{"type": "Complete", "status": "True"}]}}, "Succeeded"),
        ("batch/Job", {"status": {"failed": 2}}, "Running, 2 failed"),
        ("batch/CronJob", {"spec": {"schedule": "0 * * * *", "suspend": True}}, "0 * * * *, suspended"),
        ("Service", {"spec": {"type": "ExternalName", "externalName": "db.example"}}, "db.example"),
        ("PersistentVolumeClaim", {"status": {"phase": "Pending"}}, "Pending"),
        ("Namespace", {"status": {"phase": "Active"}}, ""),
        ("ConfigMap", {"metadata": {"deletionTimestamp": "2026-01-01T00:00:00Z"}}, "Terminating"),
        ("ConfigMap", {}, ""),
    ],
)
def test_what_stands_behind_a_name(kind: str, body: Obj, expected: str) -> None:
    group, _, name = kind.rpartition("/")
    obj = {"apiVersion": f"{group}/v1" if group else "v1", "kind": name, **body}
    assert describe(obj, (group, name)) == expected
