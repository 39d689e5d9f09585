"""The Argo CD dialect: what an Application says, whatever its shape, and what an action writes."""

from __future__ import annotations

import copy
from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from backends.argocd import ArgoDialect
from fleetui.model.app import App, Automation, Condition, Source
from fleetui.model.errors import MissingError, RefusedError
from fleetui.model.objects import ClusterName, Obj, ObjectRef
from fleetui.model.status import Health, HealthStatus, OperationPhase, SyncStatus
from tests.unit.fakes import stored

ARGO = ArgoDialect()
HUB = ClusterName("hub")

APPLICATION: Obj = {
    "apiVersion": "argoproj.io/v1alpha1",
    "kind": "Application",
    "metadata": {
        "name": "payments-service",
        "namespace": "argocd",
        "uid": "u1",
        "resourceVersion": "42",
        "creationTimestamp": "2026-03-01T10:00:00Z",
    },
    "spec": {
        "project": "production",
        "source": {"repoURL": "https://git.example/k8s", "targetRevision": "main", "path": "apps/payments"},
        "destination": {"server": "https://kubernetes.default.svc", "namespace": "payments-prod"},
        "syncPolicy": {
            "syncOptions": ["CreateNamespace=true", "PrunePropagationPolicy=foreground"],
            "retry": {"limit": 3, "backoff": {"duration": "5s", "factor": 2, "maxDuration": "3m"}},
        },
    },
    "status": {
        "sync": {"status": "OutOfSync", "revision": "a1b2c3d"},
        "health": {"status": "Degraded", "message": "0 of 3", "lastTransitionTime": "2026-03-01T10:05:00Z"},
        "reconciledAt": "2026-03-01T10:06:00Z",
        "resources": [
            {"version": "v1", "kind": "ConfigMap", "namespace": "prod", "name": "settings", "status": "OutOfSync"},
            {"group": "batch", "version": "v1", "kind": "Job", "namespace": "prod", "name": "migrate", "hook": True},
        ],
        "history": [
            {
                "id": 0,
                "revision": "77aa001",
                "deployedAt": "2026-03-01T10:01:00Z",
                "source": {"repoURL": "https://git.example/k8s", "path": "apps/payments"},
                "initiatedBy": {"username": "ann"},
            },
            {"id": 1, "revision": "a1b2c3d", "deployedAt": "2026-03-01T10:02:00Z", "initiatedBy": {"automated": True}},
        ],
        "conditions": [{"type": "SyncError", "message": "Failed last sync attempt"}],
        "operationState": {
            "phase": "Failed",
            "message": "one or more objects failed to apply",
            "startedAt": "2026-03-01T10:03:00Z",
            "finishedAt": "2026-03-01T10:03:20Z",
            "retryCount": 2,
            "operation": {"initiatedBy": {"automated": True}, "retry": {"limit": 5}},
            "syncResult": {
                "revision": "a1b2c3d",
                "resources": [{"kind": "ConfigMap", "name": "settings", "status": "SyncFailed"}],
            },
        },
        "summary": {"images": ["registry.example/payments:1.99"]},
    },
}


def application(**changes: Any) -> Obj:
    """The sample with dotted paths (``spec__syncPolicy``) replaced; None takes a field out."""
    obj = copy.deepcopy(APPLICATION)
    for dotted, value in changes.items():
        *parents, last = dotted.split("__")
        target = obj
        for parent in parents:
            target = target.setdefault(parent, {})
        if value is None:
            target.pop(last, None)
        else:
            target[last] = value
    return obj


def read(obj: Obj) -> App:
    return ARGO.app(HUB, stored(obj))


def test_everything_a_row_and_a_page_show_is_read() -> None:
    app = read(APPLICATION)
    assert str(app.key) == "hub/argocd/payments-service"
    assert (app.project, app.revision, app.sync) == ("production", "a1b2c3d", SyncStatus.OUT_OF_SYNC)
    assert app.source == Source("https://git.example/k8s", "apps/payments", "main")
    assert app.health == Health(HealthStatus.DEGRADED, "0 of 3")
    assert app.health_since == 1772359500.0
    assert app.automation == Automation()
    assert app.out_of_sync == 1
    assert [(r.ref.kind, r.sync, r.health, r.hook) for r in app.resources] == [
        ("ConfigMap", SyncStatus.OUT_OF_SYNC, None, False),
        ("Job", None, None, True),
    ]
    assert [(h.id, h.revision, h.initiated_by, h.automated) for h in app.history] == [
        (0, "77aa001", "ann", False),
        (1, "a1b2c3d", "", True),
    ]
    assert app.conditions == (Condition("SyncError", "Failed last sync attempt"),)
    assert app.images == ("registry.example/payments:1.99",)
    operation = app.operation
    assert operation is not None
    assert (operation.phase, operation.retry_count, operation.retry_limit) == (OperationPhase.FAILED, 2, 5)
    assert (operation.revision, operation.automated) == ("a1b2c3d", True)
    assert operation.results[0].ref == ObjectRef("", "ConfigMap", "", "settings")


@pytest.mark.parametrize(
    ("automated", "expected"),
    [
        pytest.param({}, Automation(enabled=True), id="present is on"),
        pytest.param({"enabled": False, "prune": True}, Automation(prune=True), id="switched off"),
        pytest.param({"selfHeal": True, "prune": None}, Automation(enabled=True, self_heal=True), id="null is unset"),
    ],
)
def test_automated_sync_is_on_when_present_and_not_switched_off(automated: Obj, expected: Automation) -> None:
    assert read(application(spec__syncPolicy={"automated": automated})).automation == expected


def test_an_operation_is_pending_until_its_state_runs() -> None:
    asked = {"sync": {"revision": "x"}}
    assert read(application(operation=asked)).pending, "the state is still the former operation's"
    assert read(application(operation=asked, status__operationState=None)).pending
    assert not read(application(operation=asked, status__operationState__phase="Running")).pending
    assert not read(application()).pending


@pytest.mark.parametrize(
    ("spec", "expected"),
    [
        pytest.param(
            {"sources": [{"repoURL": "v", "ref": "values"}, {"repoURL": "r", "path": "p"}], "source": {"repoURL": "o"}},
            Source("r", "p"),
            id="sources win, a mere reference is passed over",
        ),
        pytest.param({"sources": [{"repoURL": "v", "ref": "values"}]}, Source("v"), id="nothing but a reference"),
        pytest.param(
            {"sourceHydrator": {"drySource": {"repoURL": "d"}, "syncSource": {"targetBranch": "env", "path": "p"}}},
            Source("d", "p", "env"),
            id="hydrated",
        ),
        pytest.param({}, Source(), id="none"),
    ],
)
def test_the_source_that_counts(spec: Obj, expected: Source) -> None:
    assert read({**APPLICATION, "spec": spec}).source == expected


@pytest.mark.parametrize(
    "odd",
    [
        {"status": "a string"},
        {"status": None, "spec": []},
        {"status__history": "null", "status__resources": 7, "status__conditions": [1, None, {"type": 3}]},
        {"status__sync": {"status": ["OutOfSync"]}, "status__health": {"status": "Splendid"}},
        {"spec__syncPolicy": {"automated": "yes"}, "spec__destination": None, "operation": 1},
    ],
)
def test_odd_shapes_are_unknown_and_never_an_error(odd: Obj) -> None:
    app = read(application(**odd))
    assert app.key.name == "payments-service"
    assert HealthStatus(app.health.status)
    assert app.automation == Automation()


def test_one_odd_field_costs_only_itself() -> None:
    app = read(application(status__history="lost"))
    assert app.history == ()
    assert app.health.status is HealthStatus.DEGRADED
    assert app.sync is SyncStatus.OUT_OF_SYNC


@given(
    st.recursive(
        st.none() | st.booleans() | st.integers(-5, 5) | st.text(max_size=3),
        lambda inner: (
            st.lists(inner, max_size=2)
            | st.dictionaries(
                st.sampled_from(["sync", "status", "history", "health", "source", "id"]), inner, max_size=3
            )
        ),
        max_leaves=8,
    )
)
def test_no_shape_raises(value: Any) -> None:
    assert read({**APPLICATION, "spec": value, "status": value, "operation": value}).key.name == "payments-service"


@pytest.mark.parametrize(
    "text",
    ["\x1b[31mred", "\x1b]0;title\x07", "\u202egnp.exe", "a\x7fb", "\x9b1m", "[@click=app.quit]", "c\rd"],
)
def test_no_control_character_gets_through(text: str) -> None:
    obj = application(status__conditions=[{"type": "SyncError", "message": text}], status__health={"message": text})
    app = read(obj)
    shown = app.conditions[0].message + app.health.message
    assert not any(ord(c) < 32 or 0x7F <= ord(c) < 0xA0 or c in "\u202e\x1b" for c in shown)
    assert app.source.path == "apps/payments"
    assert ("[" in text) == ("[" in shown), "markup is text and stays"


# --- actions --------------------------------------------------------------------------------------------------------


def test_a_sync_is_written_as_the_api_server_writes_it() -> None:
    patch = ARGO.sync_patch(stored(APPLICATION), prune=True, username="ann")
    assert patch == [
        {"op": "test", "path": "/metadata/resourceVersion", "value": "42"},
        {"op": "remove", "path": "/status/operationState"},
        {
            "op": "add",
            "path": "/operation",
            "value": {
                "initiatedBy": {"username": "ann"},
                "sync": {
                    "source": APPLICATION["spec"]["source"],
                    "prune": True,
                    "syncOptions": ["CreateNamespace=true", "PrunePropagationPolicy=foreground"],
                    "syncStrategy": {"hook": {}},
                },
                "retry": {"limit": 3, "backoff": {"duration": "5s", "factor": 2, "maxDuration": "3m"}},
            },
        },
    ]


def test_a_first_partial_dry_run_of_several_sources() -> None:
    obj = application(status=None, spec__sources=[{"repoURL": "r"}], spec__syncPolicy=None)
    chosen = (ObjectRef("apps", "Deployment", "prod", "api"), ObjectRef("", "Namespace", "", "prod"))
    patch = ARGO.sync_patch(stored(obj), dry_run=True, resources=chosen, username="ann")
    assert [step["op"] for step in patch] == ["test", "add"]
    assert patch[-1]["value"] == {
        "initiatedBy": {"username": "ann"},
        "sync": {
            "sources": [{"repoURL": "r"}],
            "dryRun": True,
            "resources": [
                {"group": "apps", "kind": "Deployment", "name": "api", "namespace": "prod"},
                {"kind": "Namespace", "name": "prod"},
            ],
            "syncStrategy": {"hook": {}},
        },
    }


AUTOMATED: Obj = {"spec__syncPolicy": {"automated": {}}}


@pytest.mark.parametrize(
    ("changes", "arguments", "why"),
    [
        ({"operation": {"sync": {}}}, {}, "already in progress"),
        ({"metadata__deletionTimestamp": "2026-03-01T10:00:00Z"}, {}, "being deleted"),
        (AUTOMATED, {"revision": "v1"}, "can't sync to v1 while automated sync follows main"),
        ({"spec__sources": [{"repoURL": "r"}]}, {"revision": "v1"}, "several sources"),
    ],
)
def test_syncs_that_are_refused(changes: Obj, arguments: Any, why: str) -> None:
    with pytest.raises(RefusedError, match=why):
        ARGO.sync_patch(stored(application(**changes)), username="ann", **arguments)


@pytest.mark.parametrize(
    "arguments", [{"revision": "main"}, {"revision": "v1", "dry_run": True}, {}], ids=["followed", "dry run", "none"]
)
def test_automated_sync_allows_its_own_revision_and_dry_runs(arguments: Any) -> None:
    patch = ARGO.sync_patch(stored(application(**AUTOMATED)), username="ann", **arguments)
    assert patch[-1]["value"]["sync"].get("revision", "") == arguments.get("revision", "")


def test_a_rollback_applies_the_former_source_without_hooks_or_retry() -> None:
    patch = ARGO.rollback_patch(stored(APPLICATION), history_id=0, username="ann")
    assert patch[-1]["value"] == {
        "initiatedBy": {"username": "ann"},
        "sync": {
            "revision": "77aa001",
            "source": {"repoURL": "https://git.example/k8s", "path": "apps/payments"},
            "syncOptions": ["CreateNamespace=true", "PrunePropagationPolicy=foreground"],
            "syncStrategy": {"apply": {}},
        },
    }


def test_rollbacks_that_are_refused() -> None:
    with pytest.raises(MissingError, match=r"no history entry 9 \(it keeps: 0, 1\)"):
        ARGO.rollback_patch(stored(APPLICATION), history_id=9, username="ann")
    with pytest.raises(MissingError, match="it keeps: none"):
        ARGO.rollback_patch(stored(application(status__history=3)), history_id=9, username="ann")
    with pytest.raises(RefusedError, match="keeps no source"):
        ARGO.rollback_patch(stored(APPLICATION), history_id=1, username="ann")


def test_a_rollback_switches_automated_sync_off_but_its_dry_run_does_not() -> None:
    automated = stored(application(**AUTOMATED))
    assert (
        ARGO.rollback_patch(automated, history_id=0, username="ann")[-1]["path"] == "/spec/syncPolicy/automated/enabled"
    )
    assert ARGO.rollback_patch(automated, history_id=0, username="ann", dry_run=True)[-1]["path"] == "/operation"


def test_automated_sync_is_suspended_and_resumed() -> None:
    on, off = ({"spec__syncPolicy": {"automated": {"prune": True, **more}}} for more in ({}, {"enabled": False}))
    place = "/spec/syncPolicy/automated/enabled"
    assert ARGO.automation_patch(stored(application(**on)), on=False)[1:] == [
        {"op": "add", "path": place, "value": False}
    ]
    assert ARGO.automation_patch(stored(application(**off)), on=True)[1:] == [{"op": "remove", "path": place}]
    for changes, wish, why in (
        (on, True, "is on already"),
        (off, False, "is off already"),
        ({}, True, "write spec.syncPolicy.automated"),
    ):
        with pytest.raises(RefusedError, match=why):
            ARGO.automation_patch(stored(application(**changes)), on=wish)


def test_an_operation_that_runs_can_be_terminated() -> None:
    running = {"operation": {"sync": {}}, "status__operationState": {"phase": "Running"}}
    assert ARGO.terminate_patch(stored(application(**running)))[1:] == [
        {"op": "add", "path": "/status/operationState/phase", "value": "Terminating"}
    ]
    with pytest.raises(RefusedError, match="no operation is in progress"):
        ARGO.terminate_patch(stored(APPLICATION))


@pytest.mark.parametrize(
    ("changes", "why"),
    [
        ({"spec__sources": [{"repoURL": "r"}]}, "several sources"),
        ({"spec__source": {"repoURL": "r", "chart": "c"}}, "not lie in a folder"),
        ({"spec__source": {"repoURL": "https://git.example/k8s", "path": "moved"}}, "came from path apps/payments"),
    ],
)
def test_a_folder_that_can_not_be_put_back(changes: Obj, why: str) -> None:
    with pytest.raises(RefusedError, match=why):
        ARGO.folder(stored(application(**changes)), history_id=0)


def test_a_refresh_is_an_annotation_and_shows_until_it_is_done() -> None:
    patch = ARGO.refresh_patch(stored(APPLICATION), hard=True, now=0.0)
    assert patch == {"metadata": {"annotations": {"argocd.argoproj.io/refresh": "hard"}}}
    assert read(application(metadata__annotations=patch["metadata"]["annotations"])).refreshing
    assert not read(APPLICATION).refreshing


def test_what_is_written_comes_from_the_object_unchanged() -> None:
    """Sanitised text is for eyes: a write must carry the very bytes that the object has."""
    obj = application(spec__source={"repoURL": "r", "path": "a\u202eb"})
    patch = ARGO.sync_patch(stored(obj), username="ann")
    assert msgspec.json.encode(patch[-1]["value"]["sync"]["source"]) == msgspec.json.encode(obj["spec"]["source"])


def test_the_revision_is_that_of_the_source_which_gives_manifests() -> None:
    sources = [{"repoURL": "v", "ref": "values"}, {"repoURL": "r", "path": "p"}]
    obj = application(
        spec__sources=sources,
        status__sync={
            "status": "Synced",
            "revisions": ["values", "manifests"],
            "comparedTo": {"source": {"repoURL": ""}},
        },
        status__history=[{"id": 1, "sources": sources, "revisions": ["old", "older"], "source": {"repoURL": ""}}],
    )
    app = ARGO.app(HUB, stored(obj))
    assert (app.revision, app.source.repo_url) == ("manifests", "r")
    assert (app.history[0].revision, app.history[0].source.repo_url) == ("older", "r")
