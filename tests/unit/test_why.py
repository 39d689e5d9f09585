"""What an application waits for: each cause from the texts and objects that tell it."""

from __future__ import annotations

from typing import Any

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from fleetui.fleet.causes import told_by
from fleetui.fleet.stuck import stuck
from fleetui.fleet.trail import Trail
from fleetui.fleet.views import ObjectEvent, Tree, TreeNode, Why
from fleetui.fleet.walk import Looked
from fleetui.fleet.why import begin, explain
from fleetui.model.app import App, AppKey, AppResource, Automation, Condition, OperationState, ResourceResult
from fleetui.model.objects import ClusterName, ObjectRef
from fleetui.model.status import (
    ClusterState,
    ClusterStatus,
    Health,
    HealthStatus,
    OperationPhase,
    SyncStatus,
)

HUB = ClusterName("prod")
KEY = AppKey(HUB, "argo", "argocd", "shop")
POD = ObjectRef("", "Pod", "shop", "web-1")
FINE = App(KEY, sync=SyncStatus.SYNCED, health=Health(HealthStatus.HEALTHY))
SICK = msgspec.structs.replace(FINE, health=Health(HealthStatus.DEGRADED))


@pytest.mark.parametrize(
    ("message", "name", "words"),
    [
        (
            'pods "web-1" is forbidden: exceeded quota: compute, requested: limits.cpu=2, used: limits.cpu=3, '
            "limited: limits.cpu=4",
            "QuotaExceeded",
            "the ResourceQuota compute is exceeded: limits.cpu=2 was asked for, limits.cpu=3 of limits.cpu=4 is used",
        ),
        (
            'admission webhook "policy.acme.io" denied the request: image tag latest is not allowed',
            "WebhookRefuses",
            "the admission webhook policy.acme.io refuses it: image tag latest is not allowed",
        ),
        (
            'Internal error occurred: failed calling webhook "v.acme.io": Post "https://v.acme.svc:443/": no endpoints',
            "WebhookUnreachable",
            'the admission webhook v.acme.io does not answer: Post "https://v.acme.svc:443/": no endpoints',
        ),
        (
            "ValidatingAdmissionPolicy 'limits' with binding 'all' denied request: too many replicas",
            "PolicyRefuses",
            "the ValidatingAdmissionPolicy limits refuses it: too many replicas",
        ),
        (
            'pods "web" is forbidden: violates PodSecurity "restricted:latest": allowPrivilegeEscalation != false',
            "PodSecurity",
            "the namespace's Pod security level restricted:latest forbids it: allowPrivilegeEscalation != false",
        ),
        (
            'resource mapping not found for name: "x": no matches for kind "Widget" in version "acme.io/v1"',
            "MissingDefinition",
            "nothing on the cluster defines the kind Widget in acme.io/v1",
        ),
        (
            "The Kubernetes API could not find acme.io/Widget for requested resource shop/x. Make sure it is there",
            "MissingDefinition",
            "nothing on the cluster defines the kind Widget of acme.io",
        ),
        (
            'The Kubernetes API could not find version "v9" of apps/Deployment for requested resource a/web. Version',
            "MissingVersion",
            "the cluster does not serve the version v9 of the kind Deployment",
        ),
        ('namespaces "shop" not found', "MissingNamespace", "the namespace shop does not exist"),
        (
            'Deployment.apps "web" is invalid: spec.selector: Invalid value: {}: field is immutable',
            "Immutable",
            "a field has changed that can't be changed in place",
        ),
        ("Sync operation blocked by sync window", "SyncWindow", "a sync window is shut"),
        (
            "dependency 'flux-system/crds' is not ready",
            "DependencyNotReady",
            "it depends on flux-system/crds, which is not ready",
        ),
        (
            "failed to list refs: authentication required.",
            "SourceAuthentication",
            "the Git server does not accept the login: failed to list refs: authentication required",
        ),
        (
            "fatal: unable to access 'https://git.acme.io/x/': Could not resolve host: git.acme.io",
            "SourceUnreachable",
            "the source can't be fetched: fatal: unable to access 'https://git.acme.io/x/': "
            "Could not resolve host: git.acme.io",
        ),
        (
            "0/3 nodes are available: 3 Insufficient cpu. preemption: 0/3 nodes are available: 3 No victims.",
            "Unschedulable",
            "no node takes it: 3 Insufficient cpu",
        ),
        (
            'MountVolume.SetUp failed for volume "tls" : secret "web-tls" not found',
            "MountFails",
            'the volume tls can\'t be mounted: secret "web-tls" not found',
        ),
        (
            'Back-off pulling image "shop/web:9": ErrImagePull: not found',
            "ImagePull",
            "the image shop/web:9 can't be pulled: ErrImagePull: not found",
        ),
        ("waiting for completion of hook batch/Job/migrate", "Hook", "the sync waits for the hook batch/Job/migrate"),
        (
            'secrets is forbidden: User "system:serviceaccount:a:b" cannot list resource "secrets" in API group ""',
            "Forbidden",
            'system:serviceaccount:a:b cannot list resource "secrets" in API group ""',
        ),
        ("all is well", "", ""),
    ],
)
def test_a_message_names_its_cause(message: str, name: str, words: str) -> None:
    found = told_by(message)
    assert (found.name, found.words) == (name, words) if found is not None else name == ""


def pod(*, status: Any = None, **metadata: Any) -> dict[str, Any]:
    containers = [{"name": "web", "image": "shop/web:9"}]
    return {
        "kind": "Pod",
        "metadata": {"name": "web-1", **metadata},
        "spec": {"containers": containers},
        "status": status,
    }


def container(waiting: Any = None, last: Any = None) -> dict[str, Any]:
    one = {"name": "web", "state": {"waiting": waiting}, "lastState": {"terminated": last}, "restartCount": 4}
    return {"containerStatuses": [one]}


@pytest.mark.parametrize(
    ("obj", "name", "words"),
    [
        (
            pod(deletionTimestamp="2026-01-01T00:00:00Z", finalizers=["acme.io/drain"]),
            "Finalizer",
            "Pod web-1 is deleted, and stays until the finalizer acme.io/drain is removed",
        ),
        (
            pod(status=container({"reason": "ImagePullBackOff", "message": "Back-off"})),
            "ImagePull",
            "Pod web-1 can't pull the image shop/web:9",
        ),
        (
            pod(status=container({"reason": "ErrImagePull", "message": "manifest unknown"})),
            "ImagePull",
            "Pod web-1 can't pull the image shop/web:9: manifest unknown",
        ),
        (
            pod(status=container({"reason": "CreateContainerConfigError", "message": 'secret "db" not found'})),
            "ContainerConfig",
            'Pod web-1: container web can\'t be made: secret "db" not found',
        ),
        (
            pod(status=container({"reason": "CrashLoopBackOff"}, {"exitCode": 2})),
            "CrashLoop",
            "Pod web-1: container web ends with exit code 2 again and again, 4 times so far",
        ),
        (
            pod(status=container({"reason": "CrashLoopBackOff"}, {"exitCode": 137, "reason": "OOMKilled"})),
            "OutOfMemory",
            "Pod web-1: container web was killed because it used more memory than its limit",
        ),
        (
            pod(
                status={
                    "conditions": [
                        {"type": "PodScheduled", "status": "False", "message": "0/1 nodes are available: 1 is tainted."}
                    ]
                }
            ),
            "Unschedulable",
            "Pod web-1: no node takes it: 1 is tainted",
        ),
        (
            {
                "kind": "ReplicaSet",
                "metadata": {"name": "web"},
                "status": {"conditions": [{"message": 'admission webhook "p.io" denied the request: no'}]},
            },
            "WebhookRefuses",
            "ReplicaSet web: the admission webhook p.io refuses it: no",
        ),
    ],
)
def test_an_object_tells_what_it_waits_for(obj: dict[str, Any], name: str, words: str) -> None:
    found = stuck(obj)
    assert found is not None
    assert (found.name, found.words) == (name, words)


def test_an_object_that_is_fine_waits_for_nothing() -> None:
    assert stuck(pod(status=container(None, {"exitCode": 0}))) is None
    assert stuck(pod(finalizers=["acme.io/drain"])) is None


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.sampled_from(["Pod", "ImagePullBackOff"]),
    lambda inner: (
        st.lists(inner, max_size=2)
        | st.dictionaries(st.sampled_from(["state", "waiting", "reason", "conditions", "containerStatuses"]), inner)
    ),
    max_leaves=8,
)


@settings(max_examples=300, deadline=None)
@given(JSON, JSON, JSON)
def test_no_object_is_too_odd(metadata: Any, spec: Any, status: Any) -> None:
    stuck({"kind": "Pod", "metadata": metadata, "spec": spec, "status": status})


# --- what is looked at first ----------------------------------------------------------------------------------------


def tree(*nodes: TreeNode) -> Tree:
    return Tree(KEY, (TreeNode(ObjectRef("argoproj.io", "Application", "argocd", "shop"), HUB, 0), *nodes))


def sick(ref: ObjectRef = POD, message: str = "", depth: int = 1) -> TreeNode:
    return TreeNode(ref, HUB, depth, health=Health(HealthStatus.DEGRADED, message))


def event(message: str, ref: ObjectRef = POD) -> ObjectEvent:
    return ObjectEvent(ref, HUB, True, "Failed", message, 1, 1.0, 2.0, "kubelet")


def told(app: App, *nodes: TreeNode, live: Any = None, events: tuple[ObjectEvent, ...] = (), **state: Any) -> Why:
    found = tree(*nodes)
    status = ClusterStatus(HUB, **{"state": ClusterState.LIVE, "since": 0.0, **state})
    way = begin(app, found).nodes
    steps = (Looked(way[-1].ref, HUB, obj=live),) if way else ()
    return explain(app, cluster=status, tree=found, trail=Trail(way, steps, events))


def culprit(found: Why) -> ObjectRef | None:
    return found.culprit.ref if found.culprit is not None else None


def operation(phase: OperationPhase, message: str, *results: ResourceResult) -> App:
    state = OperationState(phase, message, results=results)
    return msgspec.structs.replace(FINE, sync=SyncStatus.OUT_OF_SYNC, operation=state)


def test_nothing_holds_it_up() -> None:
    assert told(FINE) == Why(KEY, "", "shop waits for nothing: it is Healthy and Synced.")


def test_a_cluster_that_is_down_comes_before_all_that_was_known() -> None:
    found = told(SICK, sick(), state=ClusterState.UNREACHABLE, message="connection refused.")
    assert (found.cause, culprit(found)) == ("ClusterUnreachable", None)
    assert "prod is unreachable: connection refused." in found.words


def test_what_keeps_the_engine_from_comparing_comes_next() -> None:
    broken = Condition("ComparisonError", "apps/x.yaml:8: not a valid manifest", 5.0)
    found = told(msgspec.structs.replace(SICK, conditions=(broken,)), sick())
    assert (found.cause, found.words) == ("ComparisonError", "ComparisonError: apps/x.yaml:8: not a valid manifest.")
    assert [(one.kind, one.time) for one in found.evidence] == [("condition", 5.0)]
    away = msgspec.structs.replace(broken, message="Could not resolve host: git")
    assert told(msgspec.structs.replace(SICK, conditions=(away,))).cause == "SourceUnreachable"


def test_of_a_sync_that_failed_the_object_that_was_refused_is_named() -> None:
    refusal = 'admission webhook "p.io" denied the request: no'
    result = ResourceResult(POD, "SyncFailed", refusal)
    found = told(operation(OperationPhase.FAILED, "one or more objects failed to apply", result), sick())
    assert (found.cause, culprit(found)) == ("WebhookRefuses", POD)
    assert found.words == "Pod web-1: the admission webhook p.io refuses it: no."
    assert [one.kind for one in found.evidence] == ["operation", "result"]


def test_a_sync_that_failed_for_a_reason_of_its_own() -> None:
    found = told(operation(OperationPhase.ERROR, "the moon was full"))
    assert (found.cause, found.words) == ("SyncFailed", "The last sync error: the moon was full.")


def test_an_old_failure_is_no_cause_once_all_is_synced() -> None:
    app = msgspec.structs.replace(operation(OperationPhase.FAILED, "no"), sync=SyncStatus.SYNCED)
    assert told(app).cause == ""


def test_the_object_at_the_bottom_of_the_tree_is_looked_into() -> None:
    top = sick(ObjectRef("apps", "Deployment", "shop", "web"))
    live = pod(status=container({"reason": "ImagePullBackOff"}))
    found = told(SICK, top, sick(message="Back-off", depth=2), live=live, events=(event("a"), event("b"), event("c")))
    assert (found.cause, culprit(found)) == ("ImagePull", POD)
    assert [(one.kind, one.text) for one in found.evidence] == [
        ("status", "Back-off"),
        ("event", "Failed: c"),
        ("event", "Failed: b"),
        ("event", "Failed: a"),
    ]


def test_an_event_tells_what_the_object_does_not() -> None:
    found = told(SICK, sick(), live=pod(), events=(event('MountVolume.SetUp failed for volume "t" : no secret'),))
    assert found.cause == "MountFails"
    assert found.words == "Pod web-1: the volume t can't be mounted: no secret."
    elsewhere = ObjectRef("", "Pod", "shop", "other")
    assert told(SICK, sick(), events=(event("0/1 nodes are available: 1 x.", elsewhere),)).cause == "Unhealthy"


def test_what_has_no_name_is_told_in_its_own_words() -> None:
    found = told(SICK, sick(message="the moon is full"), events=(event("it rises"),))
    assert (found.cause, found.words) == (
        "Unhealthy",
        "Pod web-1: the moon is full. Its newest warning: it rises.",
    )


@pytest.mark.parametrize(
    ("change", "cause", "words"),
    [
        ({"sync": SyncStatus.OUT_OF_SYNC}, "ManualSync", "automated sync is off"),
        (
            {"sync": SyncStatus.OUT_OF_SYNC, "automation": Automation(enabled=True)},
            "SelfHealDisabled",
            "self-heal is off",
        ),
        (
            {
                "sync": SyncStatus.OUT_OF_SYNC,
                "automation": Automation(enabled=True, self_heal=True),
                "resources": (AppResource(POD, sync=SyncStatus.OUT_OF_SYNC, requires_pruning=True),),
            },
            "PruneDisabled",
            "Pod web-1 is no longer in Git, and automated prune is off",
        ),
        ({"sync": SyncStatus.OUT_OF_SYNC, "automation": Automation(True, True, True)}, "OutOfSync", "has yet to sync"),
        ({"pending": True}, "OperationPending", "no engine has begun it"),
        ({"operation": OperationState(OperationPhase.RUNNING, "applying")}, "Syncing", "A sync is running: applying"),
        ({"health": Health(HealthStatus.SUSPENDED, "paused")}, "Suspended", "until somebody resumes it: paused"),
        ({"health": Health(HealthStatus.MISSING, "gone")}, "Unhealthy", "It is Missing: gone"),
    ],
)
def test_then_what_nobody_does(change: dict[str, Any], cause: str, words: str) -> None:
    found = told(msgspec.structs.replace(FINE, **change))
    assert found.cause == cause
    assert words in found.words
