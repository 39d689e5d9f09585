"""Single steps of a sync, driven by hand (gitops-engine `sync_context.go`, Argo CD v3.6)."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import pytest

from fleetui.engine.application import HOOK_FINALIZER
from fleetui.engine.effects import EffectResult, Recorded, StepOutcome
from fleetui.engine.sync import sync_step
from fleetui.engine.tasks import ResultCode
from fleetui.model.objects import Obj, ref_of
from fleetui.model.status import HealthStatus, OperationPhase
from tests.engine.objects import NAMESPACE, REVISION, STARTED, Driver, context, live, obj

HEALTHY, PROGRESSING, DEGRADED = HealthStatus.HEALTHY, HealthStatus.PROGRESSING, HealthStatus.DEGRADED
RUNNING, SUCCEEDED, FAILED, ERROR = (
    OperationPhase.RUNNING,
    OperationPhase.SUCCEEDED,
    OperationPhase.FAILED,
    OperationPhase.ERROR,
)
REFUSED = EffectResult(False, "no way")
GONE = EffectResult(False, "not found", gone=True)
A, B = obj("ConfigMap", "a"), obj("ConfigMap", "b")
APP, LATER = obj("Deployment", "api"), obj("Deployment", "web", wave=1)
MIGRATE = obj("Job", "migrate", hook="PreSync")
NOTIFY = obj("Job", "notify", hook="PostSync", policy="HookSucceeded")
ALARM = obj("Job", "alarm", hook="SyncFail")


def run(*args: Any, answers: Mapping[str, EffectResult] | None = None, **kwargs: Any) -> tuple[StepOutcome, Driver]:
    driver = Driver(answers)
    return driver.run(sync_step(context(*args, **kwargs))), driver


def row(
    target: Obj,
    status: ResultCode | None = ResultCode.SYNCED,
    phase: OperationPhase | None = RUNNING,
    *,
    at: str = "Sync",
    message: str = "",
    **ref: str,
) -> Recorded:
    """What an earlier step recorded of `target`."""
    own = ref_of(target)
    named = type(own)(own.group, own.kind, own.namespace or NAMESPACE, ref.get("name", own.name))
    kind = at if "argocd.argoproj.io/hook" in target["metadata"].get("annotations", {}) else ""
    return Recorded(named, "v1", status, message, at, phase, kind)


def results(outcome: StepOutcome) -> dict[str, tuple[str, str, str]]:
    """Name to status, phase and message."""
    return {each.ref.name: (each.status or "", each.hook_phase or "", each.message) for each in outcome.results}


# --- one wave -------------------------------------------------------------------------------------------------


def test_a_single_wave_is_applied_and_done_whatever_its_health() -> None:
    outcome, driver = run((APP, None), (B, live(B)), (A, live(A)))
    assert (outcome.phase, outcome.message) == (SUCCEEDED, "successfully synced (all tasks run)")
    assert driver.asked == [
        ["dry ConfigMap/a", "dry ConfigMap/b"],
        ["dry Deployment/api"],
        ["apply ConfigMap/a", "apply ConfigMap/b"],
        ["apply Deployment/api"],
    ]
    assert [each.ref.name for each in outcome.results] == ["a", "b", "api"]
    assert results(outcome)["a"] == ("Synced", "Running", "apply ConfigMap/a done")
    assert not outcome.waved


def test_results_are_those_of_argo_cd() -> None:
    pod = {"containers": [{"image": "api:1"}], "initContainers": [{"image": "init:1"}]}
    outcome, _ = run(
        (obj("Deployment", "api", spec={"template": {"spec": pod}}), None), (obj("ClusterRole", "r"), None)
    )
    first, second = outcome.results
    assert (first.ref.namespace, first.ref.group, first.version) == (NAMESPACE, "rbac.authorization.k8s.io", "v1")
    assert second == Recorded(
        ref=ref_of(APP),
        version="v1",
        status=ResultCode.SYNCED,
        message="apply Deployment/api done",
        sync_phase="Sync",
        hook_phase=RUNNING,
        images=("api:1",),
    )


def test_nothing_to_do_is_a_success() -> None:
    outcome, driver = run()
    assert (outcome.phase, outcome.message) == (SUCCEEDED, "successfully synced (no more tasks)")
    assert driver.asked == []


def test_a_dry_run_that_fails_ends_the_operation_before_anything_is_changed() -> None:
    outcome, driver = run((A, None), (APP, None), answers={"dry ConfigMap/a": REFUSED})
    assert (outcome.phase, outcome.message) == (FAILED, "one or more objects failed to apply (dry run)")
    assert driver.changes == []
    assert results(outcome) == {"a": ("SyncFailed", "Failed", "no way")}


def test_the_dry_run_is_made_once_in_an_operation() -> None:
    _, driver = run((A, None), (LATER, None), recorded=[row(A, phase=SUCCEEDED)])
    assert driver.asked == [["apply Deployment/web"]]


def test_a_dry_run_operation_changes_nothing_and_succeeds() -> None:
    old = live(obj("ConfigMap", "old"))
    outcome, driver = run(
        (A, None),
        (LATER, None),
        (None, old),
        hooks=[MIGRATE, NOTIFY],
        cluster=[live(MIGRATE, HEALTHY, held=True), live(NOTIFY, HEALTHY)],
        dry_run=True,
        prune=True,
    )
    assert outcome.phase is SUCCEEDED
    assert driver.changes == []
    assert {key: value[:2] for key, value in results(outcome).items()} == {
        "migrate": ("Synced", "Succeeded"),
        "notify": ("Synced", "Succeeded"),
        "old": ("Pruned", "Succeeded"),
        "a": ("Synced", "Succeeded"),
        "web": ("Synced", "Succeeded"),
    }
    assert results(outcome)["old"][2] == "pruned (dry run)"


def test_a_failing_apply_fails_the_operation() -> None:
    outcome, _ = run((A, None), answers={"apply ConfigMap/a": REFUSED})
    assert (outcome.phase, outcome.message) == (FAILED, "one or more objects failed to apply, reason: no way")


def test_what_was_applied_beside_a_failure_is_waited_for_first() -> None:
    # Argo CD v3.6 takes what runs for hooks, and ends the operation one step later, with another sentence.
    outcome, driver = run((A, None), (B, None), (APP, None), answers={"apply ConfigMap/a": REFUSED})
    assert (outcome.phase, outcome.message) == (
        RUNNING,
        "waiting for healthy state of /ConfigMap/b and 1 more resources",
    )
    assert driver.changes == [["apply ConfigMap/a", "apply ConfigMap/b"], ["apply Deployment/api"]]
    again, driver = run((A, None), (B, live(B)), (APP, live(APP, PROGRESSING)), recorded=outcome.results)
    assert again.phase is FAILED
    assert again.message == "one or more synchronization tasks completed unsuccessfully, reason: no way"
    assert driver.asked == []


def test_each_reason_is_told_once() -> None:
    answers = {f"apply ConfigMap/{name}": REFUSED for name in "ab"} | {"apply Deployment/api": EffectResult(False, "x")}
    outcome, _ = run((A, None), (B, None), (APP, None), answers=answers)
    assert outcome.message == "one or more objects failed to apply, reason: no way,x"


# --- waves ------------------------------------------------------------------------------------------------------


def test_the_next_wave_waits_for_the_health_of_the_one_before() -> None:
    first, driver = run((APP, None), (LATER, None))
    assert (first.phase, first.message) == (RUNNING, "waiting for healthy state of apps/Deployment/api")
    assert first.waved
    assert driver.changes == [["apply Deployment/api"]]

    waits, driver = run((APP, live(APP, PROGRESSING)), (LATER, None), recorded=first.results)
    assert (waits.phase, waits.message) == (RUNNING, "waiting for healthy state of apps/Deployment/api")
    assert driver.asked == []
    assert waits.results == first.results

    last, driver = run((APP, live(APP, HEALTHY, message="fine")), (LATER, None), recorded=waits.results)
    assert (last.phase, last.message) == (SUCCEEDED, "successfully synced (all tasks run)")
    assert driver.changes == [["apply Deployment/web"]]
    assert results(last)["api"] == ("Synced", "Succeeded", "fine")


def test_a_wave_that_degrades_fails_the_operation() -> None:
    sick = live(APP, DEGRADED, message="crashes")
    outcome, driver = run((APP, sick), (LATER, None), recorded=[row(APP, message="created")])
    assert (outcome.phase, outcome.message) == (FAILED, "one or more synchronization tasks completed unsuccessfully")
    assert results(outcome) == {"api": ("Synced", "Failed", "crashes")}
    assert driver.asked == []


def test_objects_without_health_hold_no_wave_up() -> None:
    outcome, driver = run((A, live(A)), (LATER, None), recorded=[row(A, message="configmap/a created")])
    assert outcome.phase is SUCCEEDED
    assert results(outcome)["a"] == ("Synced", "Succeeded", "configmap/a created")
    assert driver.asked == [["apply Deployment/web"]]


@pytest.mark.parametrize(
    ("answer", "after"),
    [
        (GONE, ("SyncFailed", "Error", "Resource apps/Deployment/api is missing, it might have been deleted")),
        (EffectResult(True), ("Synced", "Running", "")),
        (REFUSED, ("Synced", "Error", "Failed to get live resource no way")),
    ],
)
def test_what_nobody_sees_is_looked_for_before_it_is_called_missing(
    answer: EffectResult, after: tuple[str, ...]
) -> None:
    outcome, driver = run((APP, None), (LATER, None), recorded=[row(APP)], answers={"look Deployment/api": answer})
    assert driver.asked == [["look Deployment/api"]]
    assert outcome.phase is RUNNING
    assert results(outcome)["api"] == after


def test_what_was_called_missing_fails_the_operation_one_step_later() -> None:
    lost = row(APP, ResultCode.SYNC_FAILED, ERROR, message="missing")
    outcome, _ = run((APP, None), (LATER, None), recorded=[lost])
    assert outcome.phase is FAILED
    assert outcome.message == "one or more synchronization tasks completed unsuccessfully, reason: missing"


# --- the namespace ----------------------------------------------------------------------------------------------


def test_a_missing_namespace_is_made_before_anything_is_tried() -> None:
    outcome, driver = run((A, None), create_namespace=True)
    assert driver.asked == [[f"apply Namespace/{NAMESPACE}"], ["dry ConfigMap/a"]]
    assert (outcome.phase, outcome.message) == (RUNNING, f"waiting for healthy state of /Namespace/{NAMESPACE}")
    (made,) = outcome.results
    assert (made.ref.namespace, made.sync_phase, made.hook_phase) == ("", "PreSync", RUNNING)
    assert driver.applied[f"Namespace/{NAMESPACE}"]["metadata"] == {"name": NAMESPACE}

    there = live(obj("Namespace", NAMESPACE))
    after, driver = run((A, None), create_namespace=True, cluster=[there], recorded=outcome.results)
    assert after.phase is SUCCEEDED
    assert driver.asked == [["apply ConfigMap/a"]]
    assert [each.hook_phase for each in after.results] == [RUNNING, RUNNING]


def test_a_namespace_that_cannot_be_made_ends_the_operation() -> None:
    outcome, driver = run((A, None), create_namespace=True, answers={f"apply Namespace/{NAMESPACE}": REFUSED})
    assert (outcome.phase, outcome.message) == (FAILED, "the namespace failed to apply, reason: no way")
    assert len(driver.asked) == 1


def test_a_namespace_in_git_is_made_first_and_no_other() -> None:
    own = obj("Namespace", NAMESPACE, metadata={"labels": {"team": "pay"}})
    outcome, driver = run((own, None), (A, None), create_namespace=True)
    assert driver.asked == [[f"apply Namespace/{NAMESPACE}"], ["dry ConfigMap/a"], ["apply ConfigMap/a"]]
    assert outcome.phase is SUCCEEDED
    assert (outcome.results[0].ref.kind, outcome.results[0].ref.namespace) == ("Namespace", NAMESPACE)


def test_managed_metadata_is_kept_on_a_namespace_that_exists() -> None:
    there = live(obj("Namespace", NAMESPACE))
    managed = {"labels": {"team": "pay"}, "annotations": {"a": "b"}, "name": "ignored"}
    outcome, driver = run((A, live(A)), create_namespace=True, namespace_metadata=managed, cluster=[there])
    assert driver.applied[f"Namespace/{NAMESPACE}"]["metadata"] == {
        "name": NAMESPACE,
        "labels": {"team": "pay"},
        "annotations": {"a": "b", "argocd.argoproj.io/sync-options": "ServerSideApply=true"},
    }
    assert outcome.phase is RUNNING


@pytest.mark.parametrize("settings", [{"create_namespace": False}, {"create_namespace": True, "namespace": ""}])
def test_no_namespace_is_made_unasked(settings: dict[str, Any]) -> None:
    _, driver = run((A, None), **settings)
    assert all("Namespace" not in word for batch in driver.asked for word in batch)


# --- pruning ----------------------------------------------------------------------------------------------------

OLD = obj("ConfigMap", "old")


@pytest.mark.parametrize(
    ("options", "settings", "code", "message"),
    [
        ("", {"prune": False}, "PruneSkipped", "ignored (requires pruning)"),
        ("Prune=false", {"prune": True}, "PruneSkipped", "ignored (no prune)"),
        ("", {"prune": True, "default_prune": "false"}, "PruneSkipped", "ignored (no prune)"),
        ("Prune=true", {"prune": True, "default_prune": "false"}, "Pruned", "pruned"),
        ("", {"prune": True}, "Pruned", "pruned"),
        ("Prune=confirm", {"prune": True, "prune_confirmed": True}, "Pruned", "pruned"),
    ],
)
def test_what_becomes_of_what_git_has_no_more(options: str, settings: dict[str, Any], code: str, message: str) -> None:
    old = live(obj("ConfigMap", "old", options=options))
    outcome, driver = run((A, live(A)), (None, old), **settings)
    assert outcome.phase is SUCCEEDED
    assert results(outcome)["old"] == (code, "Succeeded", message)
    assert driver.changes == ([["delete ConfigMap/old"]] if code == "Pruned" else []) + [["apply ConfigMap/a"]]


@pytest.mark.parametrize("settings", [{}, {"default_prune": "confirm"}])
def test_a_prune_that_wants_a_human_changes_nothing_until_one_approves(settings: dict[str, Any]) -> None:
    old = live(obj("ConfigMap", "old", options="" if settings else "Prune=confirm"))
    outcome, driver = run((A, live(A)), (None, old), prune=True, **settings)
    assert (outcome.phase, outcome.message) == (RUNNING, "waiting for pruning confirmation of /ConfigMap/old")
    assert driver.changes == []


def test_what_is_going_already_is_not_deleted_again() -> None:
    outcome, driver = run((None, live(OLD, leaving=True)), prune=True)
    assert driver.changes == []
    assert results(outcome)["old"] == ("Pruned", "Succeeded", "pruned")


def test_a_prune_that_fails_stops_the_wave() -> None:
    outcome, driver = run((A, None), (None, live(OLD)), prune=True, answers={"delete ConfigMap/old": REFUSED})
    assert (outcome.phase, outcome.message) == (FAILED, "one or more objects failed to apply, reason: no way")
    assert driver.changes == [["delete ConfigMap/old"]]


def test_what_is_gone_already_counts_as_pruned() -> None:
    outcome, _ = run((None, live(OLD)), prune=True, answers={"delete ConfigMap/old": GONE})
    assert results(outcome)["old"][0] == "Pruned"


def test_the_next_wave_waits_until_what_was_pruned_is_gone() -> None:
    pruned = row(OLD, ResultCode.PRUNED, SUCCEEDED)
    leaving = live(obj("ConfigMap", "old", wave=-1), leaving=True)
    outcome, driver = run((A, None), (None, leaving), prune=True, recorded=[pruned])
    assert (outcome.phase, outcome.message) == (RUNNING, "waiting for deletion of /ConfigMap/old")
    assert driver.asked == []


# --- hooks ------------------------------------------------------------------------------------------------------


def test_a_hook_runs_before_the_sync_and_is_let_go_after_its_end_was_written_down() -> None:
    first, driver = run((A, None), hooks=[MIGRATE])
    assert (first.phase, first.message) == (RUNNING, "waiting for completion of hook batch/Job/migrate")
    assert driver.changes == [["apply Job/migrate"]]
    assert driver.applied["Job/migrate"]["metadata"]["finalizers"] == [HOOK_FINALIZER]
    assert first.results[0].hook_type == "PreSync"

    done = live(MIGRATE, HEALTHY, message="done", held=True)
    ended, driver = run((A, None), hooks=[MIGRATE], cluster=[done], recorded=first.results)
    assert (ended.phase, ended.message) == (RUNNING, "waiting for completion of hook batch/Job/migrate")
    assert driver.asked == [], "nothing is let go of before the status says that it ended"
    assert results(ended) == {"migrate": ("Synced", "Succeeded", "done")}

    last, driver = run((A, None), hooks=[MIGRATE], cluster=[done], recorded=ended.results)
    assert last.phase is SUCCEEDED
    assert driver.asked == [["release Job/migrate"], ["apply ConfigMap/a"]]


@pytest.mark.parametrize(
    ("health", "phase", "message"),
    [
        (None, "Succeeded", "migrate created"),
        (HealthStatus.HEALTHY, "Succeeded", "words"),
        (HealthStatus.PROGRESSING, "Running", "words"),
        (HealthStatus.SUSPENDED, "Running", "words"),
        (HealthStatus.DEGRADED, "Failed", "words"),
        (HealthStatus.UNKNOWN, "Failed", "words"),
    ],
)
def test_how_far_a_hook_is(health: HealthStatus | None, phase: str, message: str) -> None:
    found = live(MIGRATE, health, message="words", held=True)
    outcome, _ = run((A, None), hooks=[MIGRATE], cluster=[found], recorded=[row(MIGRATE, at="PreSync")])
    assert results(outcome)["migrate"] == ("Synced", phase, message)


def test_a_failed_hook_fails_the_operation_and_is_kept_or_deleted_as_asked() -> None:
    strict = obj("Job", "strict", hook="PreSync", policy="HookFailed")
    failed = [row(hook, phase=FAILED, at="PreSync", message="exit 1") for hook in (MIGRATE, strict)]
    cluster = [live(MIGRATE, DEGRADED, held=True), live(strict, DEGRADED, held=True)]
    outcome, driver = run((A, None), hooks=[MIGRATE, strict], cluster=cluster, recorded=failed)
    assert (outcome.phase, outcome.message) == (FAILED, "one or more synchronization tasks completed unsuccessfully")
    assert driver.asked == [["release Job/migrate", "release Job/strict"], ["delete Job/strict"]]


def test_hooks_that_succeeded_are_deleted_at_the_end_of_the_sync() -> None:
    recorded = [row(A, phase=SUCCEEDED), row(NOTIFY, phase=SUCCEEDED, at="PostSync")]
    outcome, driver = run((A, live(A)), hooks=[NOTIFY], cluster=[live(NOTIFY, HEALTHY, held=True)], recorded=recorded)
    assert (outcome.phase, outcome.message) == (SUCCEEDED, "successfully synced (no more tasks)")
    assert driver.asked == [["release Job/notify"], ["delete Job/notify"]]


def test_a_hook_of_the_sync_before_is_deleted_first_and_waited_for() -> None:
    before = live(MIGRATE, HEALTHY, held=True)
    outcome, driver = run((A, None), hooks=[MIGRATE], cluster=[before])
    assert (outcome.phase, outcome.message) == (RUNNING, "waiting for deletion of hook batch/Job/migrate")
    assert driver.changes == [["release Job/migrate"], ["delete Job/migrate"]]
    assert outcome.results == ()

    leaving = live(MIGRATE, HEALTHY, leaving=True)
    outcome, driver = run((A, None), hooks=[MIGRATE], cluster=[leaving])
    assert outcome.message == "waiting for deletion of hook batch/Job/migrate"

    outcome, driver = run((A, None), hooks=[MIGRATE])
    assert driver.changes == [["apply Job/migrate"]]


def test_a_hook_that_was_gone_before_it_could_be_deleted_is_made_at_once() -> None:
    _, driver = run((A, None), hooks=[MIGRATE], cluster=[live(MIGRATE)], answers={"delete Job/migrate": GONE})
    assert driver.changes == [["delete Job/migrate"], ["apply Job/migrate"]]


def test_a_hook_with_other_policies_is_applied_over_its_last_run() -> None:
    kept = obj("Job", "kept", hook="PreSync", policy="HookSucceeded")
    _, driver = run(hooks=[kept], cluster=[live(kept, HEALTHY, held=True)])
    assert driver.changes == [["release Job/kept"], ["apply Job/kept"]]


def test_somebody_elses_object_of_a_hooks_name_is_not_deleted() -> None:
    tracked = obj(
        "Job", "migrate", hook="PreSync", metadata={"annotations": {"argocd.argoproj.io/tracking-id": "shop:x"}}
    )
    tracked["metadata"]["annotations"]["argocd.argoproj.io/hook"] = "PreSync"
    _, driver = run(hooks=[tracked], cluster=[live(obj("Job", "migrate"))])
    assert driver.changes == [["apply Job/migrate"]]


@pytest.mark.parametrize("answer", ["release Job/migrate", "delete Job/migrate"])
def test_a_hook_that_can_be_neither_released_nor_deleted_fails_the_operation(answer: str) -> None:
    outcome, driver = run((A, None), hooks=[MIGRATE], cluster=[live(MIGRATE, held=True)], answers={answer: REFUSED})
    assert outcome.phase is FAILED
    assert results(outcome)["migrate"][1] == "Error"
    assert "apply ConfigMap/a" not in [word for batch in driver.asked for word in batch]


def test_sync_fail_hooks_run_before_the_operation_fails() -> None:
    broken = row(A, ResultCode.SYNC_FAILED, FAILED, message="no way")
    first, driver = run((A, None), hooks=[ALARM], recorded=[broken])
    assert (first.phase, first.message) == (RUNNING, "waiting for completion of hook batch/Job/alarm")
    assert driver.changes == [["apply Job/alarm"]]
    ended, _ = run((A, None), hooks=[ALARM], cluster=[live(ALARM, HEALTHY, held=True)], recorded=first.results)
    assert ended.phase is RUNNING
    last, driver = run((A, None), hooks=[ALARM], cluster=[live(ALARM, HEALTHY, held=True)], recorded=ended.results)
    assert last.phase is FAILED
    assert last.message == "one or more synchronization tasks completed unsuccessfully, reason: no way"
    assert driver.changes == [["release Job/alarm"]]


def test_sync_fail_hooks_that_fail_are_told_too() -> None:
    broken = row(A, ResultCode.SYNC_FAILED, FAILED, message="no way")
    first, _ = run(
        (A, None), hooks=[ALARM], recorded=[broken], answers={"apply Job/alarm": EffectResult(False, "quota")}
    )
    assert first.phase is RUNNING
    last, _ = run((A, None), hooks=[ALARM], recorded=first.results)
    assert last.phase is FAILED
    assert last.message == (
        "one or more synchronization tasks completed unsuccessfully, reason: no way\n"
        "one or more SyncFail hooks failed, reason: quota"
    )


def test_sync_fail_hooks_do_not_run_when_all_is_well() -> None:
    outcome, driver = run((A, live(A)), hooks=[ALARM], recorded=[row(A)])
    assert outcome.phase is SUCCEEDED
    assert driver.asked == []


def test_generated_names_are_the_same_at_every_step() -> None:
    hook = obj("Job", "migrate-", hook="PreSync", policy="HookSucceeded")
    name = f"migrate-{REVISION[:7]}-presync-{int(STARTED)}"
    first, driver = run(hooks=[hook])
    assert driver.applied[f"Job/{name}"]["metadata"] == {
        "name": name,
        "generateName": "migrate-",
        "namespace": NAMESPACE,
        "annotations": hook["metadata"]["annotations"],
        "finalizers": [HOOK_FINALIZER],
    }
    done = live(obj("Job", name, hook="PreSync"), HEALTHY, held=True)
    again, _ = run(hooks=[hook], cluster=[done], recorded=first.results)
    assert results(again)[name][1] == "Succeeded"


def test_a_hook_of_two_phases_runs_in_each() -> None:
    both = obj("Job", "both", hook="PreSync,PostSync")
    pre = row(both, phase=SUCCEEDED, at="PreSync")
    _, driver = run((A, live(A)), hooks=[both], cluster=[live(both, HEALTHY)], recorded=[pre, row(A, phase=SUCCEEDED)])
    assert driver.asked == [["delete Job/both"]]
    outcome, driver = run((A, live(A)), hooks=[both], recorded=[pre, row(A, phase=SUCCEEDED)])
    assert driver.asked == [["apply Job/both"]]
    assert [each.sync_phase for each in outcome.results] == ["PreSync", "Sync", "PostSync"]


def test_a_finalizer_of_the_hooks_own_stays_and_ours_is_there_once() -> None:
    own = obj("Job", "own", hook="PreSync", metadata={"finalizers": ["x", HOOK_FINALIZER]})
    _, driver = run(hooks=[own])
    assert driver.applied["Job/own"]["metadata"]["finalizers"] == ["x", HOOK_FINALIZER]


def test_resources_are_waited_for_where_hooks_are_in_play_and_named_after_them() -> None:
    beside = obj("Job", "beside", hook="Sync")
    outcome, _ = run((APP, None), (A, None), hooks=[beside])
    assert outcome.message == "waiting for completion of hook batch/Job/beside and 2 more resources"


# --- a step entered again ---------------------------------------------------------------------------------------


def test_a_hook_that_a_lost_step_made_is_taken_over() -> None:
    lost = live(MIGRATE, PROGRESSING, held=True, created=STARTED + 1)
    outcome, driver = run((A, None), hooks=[MIGRATE], cluster=[lost])
    assert driver.changes == []
    assert results(outcome) == {"migrate": ("Synced", "Running", "job.batch/migrate created")}


@pytest.mark.parametrize(
    "found",
    [live(MIGRATE, held=True, created=STARTED - 1), live(MIGRATE, created=STARTED + 1)],
    ids=["of the sync before", "of an attempt before"],
)
def test_a_hook_of_an_earlier_run_is_not_taken_over(found: Obj) -> None:
    _, driver = run((A, None), hooks=[MIGRATE], cluster=[found])
    assert ["delete Job/migrate"] in driver.changes


def test_a_hook_of_two_phases_is_not_taken_over_by_the_second() -> None:
    both = obj("Job", "both", hook="PreSync,PostSync")
    running = live(both, PROGRESSING, held=True, created=STARTED + 1)
    outcome, _ = run((A, None), hooks=[both], cluster=[running], recorded=[row(both, at="PreSync")])
    assert [each.sync_phase for each in outcome.results] == ["PreSync"]
    outcome, _ = run((A, None), hooks=[both], cluster=[running])
    assert [each.sync_phase for each in outcome.results] == ["PreSync"]


# --- options ----------------------------------------------------------------------------------------------------


def test_hooks_are_skipped_on_demand() -> None:
    outcome, driver = run((A, None), hooks=[MIGRATE, NOTIFY], skip_hooks=True)
    assert outcome.phase is SUCCEEDED
    assert driver.changes == [["apply ConfigMap/a"]]


def test_apply_out_of_sync_only_leaves_alone_what_is_in_sync() -> None:
    old = live(obj("ConfigMap", "old"))
    outcome, driver = run(
        (A, live(A)),
        (B, live(B)),
        (APP, None),
        (None, old),
        hooks=[obj("Job", "h", hook="Sync")],
        modified=[B, APP, OLD],
        prune=True,
        apply_out_of_sync_only=True,
    )
    assert ["dry ConfigMap/a"] not in driver.asked
    assert driver.changes == [
        ["delete ConfigMap/old"],
        ["apply ConfigMap/b"],
        ["apply Deployment/api"],
        ["apply Job/h"],
    ]
    assert "a" not in results(outcome)


def test_apply_out_of_sync_only_with_nothing_out_of_sync_is_done() -> None:
    outcome, driver = run((A, live(A)), apply_out_of_sync_only=True)
    assert outcome.message == "successfully synced (no more tasks)"
    assert driver.asked == []


def test_kinds_that_are_not_served_make_the_operation_invalid() -> None:
    unserved = {"Widget": ("no widgets", "no widgets, install them"), "Job": ("a jobs outage", "a jobs outage")}
    outcome, driver = run((A, None), (obj("Widget", "w"), None), hooks=[MIGRATE], unserved=unserved)
    assert outcome.phase is FAILED
    assert outcome.message == "one or more synchronization tasks are not valid: a jobs outage; no widgets"
    assert results(outcome)["w"] == ("SyncFailed", "", "no widgets, install them")
    assert driver.asked == []


@pytest.mark.parametrize(
    ("widget", "settings"),
    [
        (obj("Widget", "w", options="SkipDryRunOnMissingResource=true"), {}),
        (obj("Widget", "w"), {"skip_dry_run_on_missing": True}),
    ],
)
def test_kinds_that_are_not_served_yet_can_be_waved_through(widget: Obj, settings: dict[str, Any]) -> None:
    _, driver = run((widget, None), unserved={"Widget": ("no", "no")}, **settings)
    assert driver.asked == [["apply Widget/w"]]


def test_instances_of_a_definition_in_the_same_sync_are_not_tried_before_it() -> None:
    spec = {"group": "example.com", "names": {"kind": "Widget"}}
    defined = obj("CustomResourceDefinition", "widgets.example.com", spec=spec)
    _, driver = run((obj("Widget", "w"), None), (defined, None), unserved={"Widget": ("no", "no")})
    assert driver.asked == [
        ["dry CustomResourceDefinition/widgets.example.com"],
        ["apply CustomResourceDefinition/widgets.example.com"],
        ["apply Widget/w"],
    ]


def test_skipped_objects_are_never_applied() -> None:
    outcome, driver = run((obj("ConfigMap", "s", hook="Skip"), None))
    assert driver.asked == []
    assert outcome.phase is SUCCEEDED


# --- termination ------------------------------------------------------------------------------------------------


def terminated(found: Obj | None, **kwargs: Any) -> tuple[StepOutcome, Driver]:
    recorded = [row(MIGRATE, at="PreSync", message="working")]
    cluster = [found] if found is not None else []
    return run((A, None), hooks=[MIGRATE], cluster=cluster, recorded=recorded, terminating=True, **kwargs)


def test_terminating_deletes_running_hooks() -> None:
    outcome, driver = terminated(live(MIGRATE, PROGRESSING, held=True))
    assert (outcome.phase, outcome.message) == (FAILED, "Operation terminated")
    assert driver.asked == [["release Job/migrate"], ["delete Job/migrate"]]
    assert results(outcome) == {"migrate": ("Synced", "Failed", "Terminated")}


def test_terminating_keeps_what_has_just_ended() -> None:
    outcome, driver = terminated(live(MIGRATE, HEALTHY, message="done", held=True))
    assert driver.asked == [["release Job/migrate"]]
    assert results(outcome) == {"migrate": ("Synced", "Succeeded", "done")}


def test_terminating_without_the_hook() -> None:
    outcome, driver = terminated(None)
    assert driver.asked == []
    assert results(outcome) == {"migrate": ("Synced", "Succeeded", "Terminated")}


@pytest.mark.parametrize(
    ("word", "result"),
    [
        ("release Job/migrate", ("Synced", "Error", "Failed to remove hook finalizer: no way")),
        ("delete Job/migrate", ("Synced", "Failed", "Failed to delete: no way")),
    ],
)
def test_terminating_that_goes_wrong(word: str, result: tuple[str, ...]) -> None:
    outcome, _ = terminated(live(MIGRATE, PROGRESSING, held=True), answers={word: REFUSED})
    assert (outcome.phase, outcome.message) == (ERROR, "Operation termination had errors")
    assert results(outcome) == {"migrate": result}


def test_terminating_before_anything_ran_changes_nothing() -> None:
    outcome, driver = run((A, None), hooks=[MIGRATE], terminating=True)
    assert (outcome.phase, outcome.message) == (FAILED, "Operation terminated")
    assert driver.asked == []
    assert outcome.results == ()
