"""What an application waits for: where it is looked for first, and how it is told."""

from __future__ import annotations

from typing import Any

import msgspec
import pytest

from fleetui.fleet.finalizers import keeper_of
from fleetui.fleet.trail import Kept, Looked, Trail
from fleetui.fleet.views import Evidence, Link, ObjectEvent, Tree, TreeNode, Why
from fleetui.fleet.why import begin, explain, through_child
from fleetui.model.app import (
    App,
    AppKey,
    AppResource,
    Automation,
    Condition,
    OperationState,
    ResourceResult,
)
from fleetui.model.objects import ClusterName, Obj, ObjectRef
from fleetui.model.status import (
    ClusterState,
    ClusterStatus,
    Health,
    HealthStatus,
    OperationPhase,
    SyncStatus,
)
from tests.unit.test_why_causes import container, pod

HUB = ClusterName("prod")
KEY = AppKey(HUB, "argo", "argocd", "shop")
POD = ObjectRef("", "Pod", "shop", "web-1")
FINE = App(KEY, sync=SyncStatus.SYNCED, health=Health(HealthStatus.HEALTHY))
SICK = msgspec.structs.replace(FINE, health=Health(HealthStatus.DEGRADED))


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


def test_what_can_not_be_judged_is_named_where_that_alone_makes_the_application_unknown() -> None:
    gadget = ObjectRef("example.org", "Gadget", "shop", "one")
    node = TreeNode(gadget, HUB, 1, health=Health(HealthStatus.UNKNOWN, "the script argocd-cm: unfinished string"))
    app = msgspec.structs.replace(FINE, health=Health(HealthStatus.UNKNOWN))
    live = {"apiVersion": "example.org/v1", "kind": "Gadget", "metadata": {"name": "one", "namespace": "shop"}}
    found = told(app, node, live=live)
    assert (found.words, culprit(found)) == ("Gadget one: the script argocd-cm: unfinished string.", gadget)
    assert culprit(told(app, node, sick(), live=pod())) == POD, "what is known to be bad comes first"


# --- the way ----------------------------------------------------------------------------------------------------------

FLUX, SOURCES = "kustomize.toolkit.fluxcd.io", "source.toolkit.fluxcd.io"
APPS = ObjectRef(FLUX, "Kustomization", "flux-system", "apps")
INFRA = ObjectRef(FLUX, "Kustomization", "flux-system", "infra")
GIT = ObjectRef(SOURCES, "GitRepository", "flux-system", "platform")


def live(ref: ObjectRef, message: str = "", reason: str = "R", **spec: Any) -> Obj:
    at = "1970-01-01T00:00:09Z"
    condition = {"type": "Ready", "status": "False", "reason": reason, "message": message, "lastTransitionTime": at}
    metadata = {"name": ref.name, "namespace": ref.namespace}
    version = f"{ref.group}/v1" if ref.group else "v1"
    return {
        "apiVersion": version,
        "kind": ref.kind,
        "metadata": metadata,
        "spec": spec,
        "status": {"conditions": [condition]},
    }


def along(*steps: Looked, app: App = SICK, kept: tuple[Kept, ...] = (), log: tuple[Evidence, ...] = ()) -> Why:
    """What is told of a way that begins at the first of `steps`, which the tree has."""
    found = tree(sick(steps[0].ref))
    trail = Trail(begin(app, found).nodes, steps, kept=kept, log=log)
    return explain(app, cluster=None, tree=found, trail=trail)


def test_each_on_the_way_is_named_with_how_it_leads_on() -> None:
    waits = live(APPS, "dependency 'flux-system/infra' is not ready", "DependencyNotReady")
    fetch = "failed to list refs: authentication required"
    found = along(
        Looked(APPS, HUB, obj=waits),
        Looked(INFRA, HUB, "spec.dependsOn", live(INFRA, "kustomize build failed")),
        Looked(GIT, HUB, "spec.sourceRef", live(GIT, fetch, url="https://secret@git.acme.io/p")),
    )
    assert found.cause == "SourceAuthentication"
    assert found.words == (
        "Kustomization apps waits for Kustomization infra (dependsOn), which waits for GitRepository platform "
        "(sourceRef). GitRepository platform: the Git server does not accept the login: failed to list refs: "
        "authentication required (https://***@git.acme.io/p)."
    )
    root = ObjectRef("argoproj.io", "Application", "argocd", "shop")
    assert [(link.ref, link.by) for link in found.chain] == [
        (root, ""),
        (APPS, ""),
        (INFRA, "spec.dependsOn"),
        (GIT, "spec.sourceRef"),
    ]
    assert [(one.kind, one.ref, one.time) for one in found.evidence] == [
        ("condition", APPS, 9.0),
        ("condition", INFRA, 9.0),
        ("condition", GIT, 9.0),
    ]


@pytest.mark.parametrize(
    ("last", "cause", "words"),
    [
        (
            Looked(INFRA, HUB, "spec.dependsOn"),
            "MissingObject",
            "Kustomization infra does not exist in the namespace flux-system",
        ),
        (
            Looked(ObjectRef("acme.io", "Widget", "", "w"), HUB, "spec.resourceRef", is_served=False),
            "MissingDefinition",
            "Nothing on the cluster defines the kind Widget of acme.io",
        ),
        (
            Looked(INFRA, HUB, "spec.dependsOn", live(INFRA), ring=APPS),
            "DependencyCycle",
            "Kustomization apps and Kustomization infra depend on each other",
        ),
        (
            Looked(INFRA, HUB, "spec.dependsOn", live(INFRA, "kustomize build failed: no such file")),
            "DependencyNotReady",
            "Kustomization infra: kustomize build failed: no such file",
        ),
        (
            Looked(GIT, HUB, "spec.sourceRef", live(GIT, "something odd")),
            "SourceNotReady",
            "GitRepository platform: something odd",
        ),
        (
            Looked(GIT, HUB, "spec.sourceRef", live(GIT, suspend=True)),
            "Suspended",
            "GitRepository platform is suspended",
        ),
    ],
)
def test_what_stands_at_the_end(last: Looked, cause: str, words: str) -> None:
    found = along(Looked(APPS, HUB, obj=live(APPS)), last)
    assert found.cause == cause
    assert words in found.words
    assert culprit(found) == last.ref


@pytest.mark.parametrize(
    ("is_there", "words"),
    [
        (False, "Flux's kustomize-controller seems to be gone: there is no Deployment kustomize-controller"),
        (True, "stays until the finalizer finalizers.fluxcd.io is removed."),
        (None, "stays until the finalizer finalizers.fluxcd.io is removed."),
    ],
)
def test_of_a_finalizer_it_is_told_whether_its_controller_is_there(is_there: bool | None, words: str) -> None:
    deleted = live(APPS)
    deleted["metadata"] |= {"deletionTimestamp": "2026-01-01T00:00:00Z", "finalizers": ["finalizers.fluxcd.io"]}
    kept = Kept("finalizers.fluxcd.io", keeper_of("finalizers.fluxcd.io", FLUX), is_there)
    found = along(Looked(APPS, HUB, obj=deleted), kept=(kept,))
    assert found.cause == "Finalizer"
    assert words in found.words
    assert ("take finalizers.fluxcd.io away by hand" in found.remedy) is (is_there is False)


def test_the_lines_of_a_log_come_after_the_events() -> None:
    lines = (Evidence("log", "panic", POD, 7.0),)
    found = along(
        Looked(POD, HUB, obj=pod(status=container({"reason": "CrashLoopBackOff"}, {"exitCode": 2}))), log=lines
    )
    assert found.evidence[-1] == lines[0]


def test_an_application_that_is_deleted_waits_for_the_deepest_object_that_goes() -> None:
    app = msgspec.structs.replace(SICK, deleting=True)
    going = TreeNode(POD, HUB, 2, health=Health(HealthStatus.PROGRESSING, "Pending deletion"), info="Terminating")
    found = tree(
        sick(ObjectRef("", "ConfigMap", "shop", "calm")), sick(ObjectRef("apps", "ReplicaSet", "shop", "w")), going
    )
    start = begin(app, found)
    assert start.nodes[-1].ref == POD
    told = explain(app, cluster=None, tree=found, trail=Trail(start.nodes, (Looked(POD, HUB, obj=pod()),)))
    assert told.words.startswith("It is being deleted. ")
    bare = tree()
    assert begin(app, bare).nodes == bare.nodes
    assert explain(app, cluster=None, tree=bare, trail=Trail()).cause == "Deleting"


def test_a_sync_that_waits_for_a_hook_leads_to_what_the_hook_waits_for() -> None:
    job = ObjectRef("batch", "Job", "shop", "migrate")
    found = tree(sick(), TreeNode(job, HUB, 1), sick(POD, depth=2))
    app = operation(OperationPhase.RUNNING, "waiting for completion of hook batch/Job/migrate and 1 more hooks")
    start = begin(app, found)
    assert [node.ref for node in start.nodes] == [job, POD]
    crash = pod(status=container({"reason": "CrashLoopBackOff"}, {"exitCode": 2}))
    told = explain(app, cluster=None, tree=found, trail=Trail(start.nodes, (Looked(POD, HUB, obj=crash),)))
    assert told.cause == "CrashLoop"
    assert told.words.startswith("The sync waits for the hook batch/Job/migrate. Pod web-1: container web ends with")
    healthy = operation(OperationPhase.RUNNING, "waiting for healthy state of batch/Job/migrate")
    told = explain(healthy, cluster=None, tree=found, trail=Trail(start.nodes, (Looked(POD, HUB, obj=crash),)))
    assert told.words.startswith("The sync is waiting for healthy state of batch/Job/migrate. Pod web-1: ")


def test_a_refusal_that_names_what_is_in_the_way_leads_there() -> None:
    refusal = 'pods "web-1" is forbidden: unable to create new content in namespace shop because it is being terminated'
    app = operation(OperationPhase.FAILED, "one or more objects failed", ResourceResult(POD, "SyncFailed", refusal))
    found = tree(sick())
    start = begin(app, found)
    namespace = ObjectRef("", "Namespace", "", "shop")
    assert ([need.ref for need in start.needs], start.about) == ([namespace], POD)
    gone = {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": "shop", "deletionTimestamp": "x"}}
    told = explain(app, cluster=None, tree=found, trail=Trail(steps=(Looked(namespace, HUB, "its message", gone),)))
    assert told.cause == "NamespaceTerminating"
    assert told.words == (
        "Pod web-1: the namespace shop is being deleted, and takes nothing new. Namespace shop is being deleted."
    )
    assert [link.ref for link in told.chain[1:]] == [POD, namespace]


def test_a_cluster_that_an_application_runs_on_and_that_is_away_is_told_after_what_its_hub_says() -> None:
    edge = ClusterStatus(ClusterName("edge"), ClusterState.UNREACHABLE, 0.0, "no route")
    found = tree(sick())
    told = explain(SICK, cluster=None, place=edge, tree=found, trail=Trail(begin(SICK, found).nodes))
    assert told.words == "The cluster that it runs on, edge, is unreachable: no route. Its objects can't be looked at."
    refused = operation(OperationPhase.FAILED, "no", ResourceResult(POD, "SyncFailed", "field is immutable"))
    assert explain(refused, cluster=None, place=edge, tree=found, trail=Trail()).cause == "Immutable"


def test_what_may_not_be_read_may_hide_the_trouble() -> None:
    secret = ObjectRef("", "Secret", "shop", "token")
    hidden = TreeNode(secret, HUB, 1, health=Health(HealthStatus.UNKNOWN), forbidden=True)
    assert told(SICK, hidden).words == (
        "It is Degraded. Secret token may not be read, and what is behind it may lie there."
    )


def test_what_is_suspended_is_looked_at_where_that_is_all() -> None:
    job = ObjectRef("batch", "CronJob", "shop", "nightly")
    found = tree(TreeNode(job, HUB, 1, health=Health(HealthStatus.SUSPENDED)))
    held = msgspec.structs.replace(FINE, health=Health(HealthStatus.SUSPENDED))
    assert [node.ref for node in begin(held, found).nodes] == [job]
    behind = msgspec.structs.replace(held, sync=SyncStatus.OUT_OF_SYNC)
    assert begin(behind, found).nodes == ()
    assert explain(behind, cluster=None, tree=found, trail=Trail()).cause == "ManualSync"


def test_what_is_in_the_same_trouble_beside_it_is_counted() -> None:
    owner = sick(ObjectRef("apps", "ReplicaSet", "shop", "web"), "0/3")
    pods = [
        TreeNode(
            ObjectRef("", "Pod", "shop", f"web-{i}"), HUB, 2, health=Health(HealthStatus.DEGRADED, "no"), info=info
        )
        for i, info in enumerate(("ErrImagePull", "ErrImagePull, 1 restart", "CrashLoopBackOff"))
    ]
    stranger = TreeNode(ObjectRef("", "Pod", "shop", "job-1"), HUB, 2, health=pods[0].health, info=pods[0].info)
    other = sick(ObjectRef("apps", "ReplicaSet", "shop", "zzz"))
    found = told(SICK, owner, *pods, other, stranger)
    assert "It is the same with 1 more Pod of ReplicaSet web. 1 more of its objects is in trouble." in found.words
    assert "the same" not in told(SICK, owner, pods[0], pods[2]).words


def test_others_in_trouble_are_counted() -> None:
    assert told(SICK, sick(message="a"), sick(ObjectRef("", "Pod", "shop", "web-2"), "b")).words == (
        "Pod web-1: a. 1 more of its objects is in trouble."
    )


def test_a_child_application_is_named_and_its_way_is_taken_over() -> None:
    ref = ObjectRef("argoproj.io", "Application", "argocd", "child")
    key = msgspec.structs.replace(KEY, name="child")
    child = Why(key, "ImagePull", "No image.", "Mend it.", (Link(ref, HUB), Link(POD, HUB)), notes=("a note",))
    found = tree(sick(ref))
    told = explain(SICK, cluster=None, tree=found, trail=Trail(), child=child)
    assert (told.cause, told.words, told.remedy) == (
        "ImagePull",
        "It waits for the Application child. No image.",
        "Mend it.",
    )
    assert [link.ref.name for link in told.chain] == ["shop", "child", "web-1"]
    assert told.notes == ("a note",)
    manual = msgspec.structs.replace(child, chain=())
    assert [link.ref.name for link in through_child(FINE, found, found.nodes[1], manual).chain] == ["shop", "child"]


# --- what failed ------------------------------------------------------------------------------------------------------


def test_of_a_failure_without_a_name_the_object_is_told() -> None:
    odd = ResourceResult(POD, "SyncFailed", "the moon was full")
    found = told(operation(OperationPhase.FAILED, "one or more objects failed to apply", odd), sick())
    assert (found.cause, culprit(found)) == ("SyncFailed", POD)
    assert found.words == "The last sync failed: Pod web-1: the moon was full."


def test_of_a_hook_that_failed_its_pod_is_looked_into() -> None:
    job = ObjectRef("batch", "Job", "shop", "migrate")
    said = "Job has reached the specified backoff limit"
    failed = ResourceResult(job, "Synced", said, hook_type="PreSync", hook_phase="Failed")
    app = operation(OperationPhase.FAILED, "one or more synchronization tasks completed unsuccessfully", failed)
    found = tree(sick(ObjectRef("apps", "Deployment", "shop", "a")), TreeNode(job, HUB, 1), sick(POD, depth=2))
    start = begin(app, found)
    assert ([node.ref for node in start.nodes], start.about) == ([job, POD], job)
    state = {"terminated": {"exitCode": 7}}
    ended = pod(status={"containerStatuses": [{"name": "web", "state": state}]})
    why = explain(app, cluster=None, tree=found, trail=Trail(start.nodes, (Looked(POD, HUB, obj=ended),)))
    assert why.cause == "ContainerFailed"
    assert why.words == f"The last sync failed: Job migrate: {said}. Pod web-1: container web ended with exit code 7."
    assert [link.ref.name for link in why.chain] == ["shop", "migrate", "web-1"]
    assert [one.kind for one in why.evidence] == ["operation", "result"]


def test_a_condition_that_repeats_the_failed_sync_does_not_hide_which_object_it_was() -> None:
    repeated = Condition("SyncError", "Failed last sync attempt to 1a2b3c: one or more objects failed to apply")
    odd = ResourceResult(POD, "SyncFailed", 'admission webhook "p.io" denied the request: no')
    app = msgspec.structs.replace(operation(OperationPhase.FAILED, "failed", odd), conditions=(repeated,))
    assert told(app).cause == "WebhookRefuses"
    assert told(msgspec.structs.replace(FINE, conditions=(repeated,))).cause == "SyncError"
