"""What desired and live state make of an application (`controller/state.go`, `health.go`, Argo CD v3.6)."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import pytest

from fleetui.engine.application import COMPARE_OPTIONS, TRACKING_ID, Application
from fleetui.engine.compare import Comparison, Member, Provenance, compare, failed, members_of
from fleetui.engine.desired import Target, Targets
from fleetui.engine.tracking import BY_ANNOTATION
from fleetui.model.objects import Obj, ref_of
from fleetui.model.status import HealthStatus, SyncStatus
from tests.engine.objects import application, judge, live, obj

HEALTHY, DEGRADED = HealthStatus.HEALTHY, HealthStatus.DEGRADED


def target(each: Obj) -> Target:
    return Target(ref_of(each), each)


def compared(
    *members: tuple[Obj | None, Obj | None] | tuple[Obj | None, Obj | None, bool],
    app: Application | None = None,
    hooks: Iterable[Obj] = (),
) -> Comparison:
    """The comparison of (desired, live, modified) triples."""
    found = []
    for member in members:
        want, have = member[0], member[1]
        modified = len(member) == 3 and member[2]
        ref = ref_of(want or have or {})
        copied = want is None and have is not None and not BY_ANNOTATION.is_own(have)
        found.append(Member(ref, target(want) if want is not None else None, have, modified, copied))
    targets = Targets(hooks=tuple(map(target, hooks)))
    return compare(app or application(), found, targets, instance="shop", origin=Provenance("abc"), judge=judge)


def row(comparison: Comparison, name: str) -> Obj:
    return next(each for each in comparison.resources if each["name"] == name)


A, APP = obj("ConfigMap", "a"), obj("Deployment", "api", wave=3)
OURS = {"annotations": {TRACKING_ID: "shop:/ConfigMap:shop/old"}}
OLD = obj("ConfigMap", "old", metadata=OURS)


def test_everything_as_desired() -> None:
    comparison = compared((A, live(A)), (APP, live(APP, HEALTHY)))
    assert (comparison.status, comparison.health.status) == (SyncStatus.SYNCED, HEALTHY)
    assert comparison.resources == [
        {"kind": "ConfigMap", "namespace": "shop", "name": "a", "version": "v1", "status": "Synced"},
        {
            "group": "apps",
            "kind": "Deployment",
            "namespace": "shop",
            "name": "api",
            "version": "v1",
            "status": "Synced",
            "syncWave": 3,
        },
    ]


@pytest.mark.parametrize(
    ("member", "status"),
    [
        ((A, live(A), True), "OutOfSync"),
        ((A, None), "OutOfSync"),
        ((None, live(OLD)), "OutOfSync"),
        ((A, live(A), False), "Synced"),
    ],
    ids=["changed", "missing", "extra", "same"],
)
def test_each_way_to_be_out_of_sync(member: Any, status: str) -> None:
    comparison = compared(member, (APP, live(APP, HEALTHY)))
    assert comparison.status == status
    assert next(each["status"] for each in comparison.resources if each["kind"] == "ConfigMap") == status


def test_what_git_has_no_more_requires_pruning() -> None:
    assert row(compared((None, live(OLD))), "old")["requiresPruning"] is True
    assert "requiresPruning" not in row(compared((A, None)), "a")


def test_an_extra_object_may_be_ignored_for_the_application_but_not_for_itself() -> None:
    annotations = {**OURS["annotations"], COMPARE_OPTIONS: "IgnoreExtraneous"}
    comparison = compared((None, live(obj("ConfigMap", "old", metadata={"annotations": annotations}))))
    assert comparison.status is SyncStatus.SYNCED
    assert row(comparison, "old")["status"] == "OutOfSync"
    changed = obj("ConfigMap", "old", metadata={"annotations": annotations})
    assert compared((changed, live(changed), True)).status is SyncStatus.OUT_OF_SYNC


def test_hooks_and_skipped_objects_have_no_status_of_their_own() -> None:
    ours = {TRACKING_ID: "shop:batch/Job:shop/h", "argocd.argoproj.io/hook": "PreSync"}
    hook = obj("Job", "h", metadata={"annotations": ours})
    skipped = obj("ConfigMap", "s", hook="Skip")
    comparison = compared(
        (None, live(hook, DEGRADED)), (skipped, None), hooks=[obj("Job", "h", hook="PreSync", wave=4)]
    )
    assert (comparison.status, comparison.health.status) == (SyncStatus.SYNCED, HEALTHY)
    assert row(comparison, "h") == {
        "group": "batch",
        "version": "v1",
        "kind": "Job",
        "namespace": "shop",
        "name": "h",
        "hook": True,
        "requiresPruning": True,
        "syncWave": 4,
    }
    assert "status" not in row(comparison, "s")


def test_a_copied_object_is_neither_judged_nor_pruned() -> None:
    copied = live(obj("ConfigMap", "copy", metadata=OURS))
    comparison = compared((None, copied))
    assert comparison.status is SyncStatus.SYNCED
    assert row(comparison, "copy").keys() == {"version", "kind", "namespace", "name"}


@pytest.mark.parametrize(
    ("options", "own", "expected"),
    [
        ([], "", None),
        ([], "Prune=confirm", True),
        ([], "Delete=confirm", True),
        (["Prune=confirm"], "", True),
        (["Delete=confirm"], "Delete=true,Prune=true", None),
        (["Delete=confirm", "Prune=false"], "Delete=false", None),
    ],
)
def test_what_needs_to_be_confirmed(options: list[str], own: str, expected: bool | None) -> None:
    app = application(spec={"syncPolicy": {"syncOptions": options}})
    each = obj("ConfigMap", "a", options=own)
    assert row(compared((each, None), app=app), "a").get("requiresDeletionConfirmation") is expected
    assert row(compared((None, live(each)), app=app), "a").get("requiresDeletionConfirmation") is expected


def test_rows_come_in_argo_cds_order() -> None:
    names = [("Deployment", "b"), ("ConfigMap", "z"), ("ConfigMap", "a"), ("Deployment", "a"), ("Namespace", "n")]
    comparison = compared(*((obj(kind, name), None) for kind, name in names))
    assert [(each["kind"], each["name"]) for each in comparison.resources] == [
        ("ConfigMap", "a"),
        ("ConfigMap", "z"),
        ("Namespace", "n"),
        ("Deployment", "a"),
        ("Deployment", "b"),
    ]


# --- health -----------------------------------------------------------------------------------------------------


def test_the_worst_health_wins_and_what_is_missing_does_not_count() -> None:
    other = obj("Deployment", "web")
    assert compared((APP, live(APP, HEALTHY)), (other, live(other, DEGRADED))).health.status is DEGRADED
    assert compared((APP, live(APP, HEALTHY)), (other, None)).health.status is HEALTHY
    assert compared((APP, None), (other, None)).health.status is HealthStatus.MISSING
    assert compared().health.status is HEALTHY


def test_an_object_may_ask_not_to_count() -> None:
    ignored = live(obj("Deployment", "x", metadata={"annotations": {"argocd.argoproj.io/ignore-healthcheck": "true"}}))
    assert compared((None, {**ignored, "health": ["Degraded", ""]})).health.status is HEALTHY


def test_an_application_that_manages_itself_does_not_make_itself_ill() -> None:
    itself = live(obj("Application", "shop"), DEGRADED)
    itself["metadata"]["uid"] = "app-uid"
    assert compared((itself, itself)).health.status is HEALTHY
    assert compared((itself, itself), app=application(metadata={"uid": "other"})).health.status is DEGRADED


# --- the rest ---------------------------------------------------------------------------------------------------


def test_an_object_of_two_applications_is_told() -> None:
    theirs = live(obj("ConfigMap", "a", metadata={"annotations": {TRACKING_ID: "team_other:/ConfigMap:shop/a"}}))
    assert compared((A, theirs)).shared == ("ConfigMap/a is part of applications argocd/shop and team/other",)
    assert compared((A, live(A)), (None, live(OLD))).shared == ()


@pytest.mark.parametrize(
    ("ill", "message"),
    [
        (1, "Caused by batch/Job:shop/j0"),
        (4, "Caused by batch/Job:shop/j0, batch/Job:shop/j1, batch/Job:shop/j2 and 1 more"),
    ],
)
def test_the_health_says_what_caused_it(ill: int, message: str) -> None:
    jobs = [obj("Job", f"j{number}") for number in range(ill)]
    found = compared((A, live(A)), *[(job, live(job, DEGRADED)) for job in jobs])
    assert (found.health.status, found.health.message) == (DEGRADED, message)


def test_an_object_that_needs_a_namespace_and_has_none_is_told_in_argo_cds_words() -> None:
    homeless = obj("ConfigMap", "none", namespace="")
    found = compared((homeless, None), (obj("Deployment", "d", namespace=""), None), (A, live(A)))
    assert found.misplaced == (
        "Namespace for none /v1, Kind=ConfigMap is missing.",
        "Namespace for d apps/v1, Kind=Deployment is missing.",
    )
    cluster_wide = obj("ClusterRole", "r")
    member = Member(ref_of(cluster_wide), Target(ref_of(cluster_wide), cluster_wide, namespaced=False), None)
    everything = compare(application(), [member], Targets(), instance="shop", origin=Provenance("abc"), judge=judge)
    assert everything.misplaced == ()


def test_other_metadata_for_the_namespace_is_a_difference() -> None:
    spec = {"syncPolicy": {"managedNamespaceMetadata": {"labels": {"a": "b"}}}}

    def status(synced: Any, spec: Any = spec) -> SyncStatus:
        state = {"operationState": {"phase": "Succeeded", "syncResult": synced}} if synced is not None else {}
        return compared((A, live(A)), app=application(spec=spec, status=state)).status

    assert status({"managedNamespaceMetadata": {"labels": {"a": "b"}}}) is SyncStatus.SYNCED
    assert status({"managedNamespaceMetadata": {"labels": {"a": "c"}}}) is SyncStatus.OUT_OF_SYNC
    assert status({}) is SyncStatus.OUT_OF_SYNC
    assert status(None) is SyncStatus.SYNCED
    assert status({"managedNamespaceMetadata": {}}, spec={}) is SyncStatus.SYNCED


def test_members_are_what_is_desired_and_what_is_left_over() -> None:
    targets = Targets(objects=(target(A),), by_ref={ref_of(A): target(A)})
    there = live(A)
    members = members_of(targets, lambda ref: there if ref == ref_of(A) else None, [there, live(OLD)])
    assert [(each.ref.name, each.target is not None, each.live is not None) for each in members] == [
        ("a", True, True),
        ("old", False, True),
    ]


def test_a_comparison_that_could_not_be_made() -> None:
    sick = live(
        obj("Deployment", "api", metadata={"annotations": {TRACKING_ID: "shop:apps/Deployment:shop/api"}}), DEGRADED
    )
    comparison = failed(
        application(), [Member(ref_of(sick), None, sick)], origin=Provenance("main"), judge=judge, error="no repo"
    )
    assert (comparison.status, comparison.health.status, comparison.error) == (SyncStatus.UNKNOWN, DEGRADED, "no repo")
    assert comparison.revision == "main"
    assert [each["status"] for each in comparison.resources] == ["Unknown"]


def test_a_blind_comparison_remembers_what_was_there() -> None:
    before = [
        {"kind": "ConfigMap", "namespace": "shop", "name": "a", "version": "v1", "status": "Synced"},
        {"kind": "Secret", "namespace": "shop", "name": "s", "version": "v1", "status": "OutOfSync"},
        "odd",
    ]
    app = application(status={"resources": before})
    member = Member(ref_of(A), target(A), None)
    comparison = failed(app, [member], origin=Provenance("abc"), judge=judge, error="no cluster", blind=True)
    assert [(each["name"], each["status"]) for each in comparison.resources] == [("a", "Unknown"), ("s", "Unknown")]
    assert failed(app, [member], origin=Provenance("abc"), judge=judge, error="x").resources == comparison.resources[:1]
