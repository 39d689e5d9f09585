"""What an Application lives through, from Git to an API server, reconciled by `fleetui engine run`.

Each story is told twice and has to come out the same: before a real kube-apiserver and before the embedded one.
"""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.e2e.client import Json
from tests.e2e.conftest import Stage
from tests.e2e.manifests import (
    FOLDER,
    article,
    config_map,
    definition,
    deployment,
    files,
    hook,
    waved,
    widget,
)
from tests.e2e.story import Story

ALL_RUN = "successfully synced (all tasks run)"
NO_MORE = "successfully synced (no more tasks)"


def replicas(story: Story) -> int | None:
    found = story.get("deployment", "payments-api")
    return None if found is None else found["spec"]["replicas"]


# --- the article ----------------------------------------------------------------------------------------------------


def test_the_articles_application_lives_through_its_story(story: Story) -> None:
    first = story.repository.commit(article(), "initial manifests")
    story.apply(story.application())
    story.until_settled(first)
    made = story.there("deployment", "payments-api")
    assert made["status"]["availableReplicas"] == 2
    tracking = made["metadata"]["annotations"]["argocd.argoproj.io/tracking-id"]
    assert tracking == f"{story.name}:apps/Deployment:{story.namespace}/payments-api"
    history = story.status("history")
    assert [entry["revision"] for entry in history] == [first]
    assert history[0]["id"] == 0
    assert history[0]["initiatedBy"] == {"automated": True}
    state = story.status("operationState")
    assert (state["phase"], state["message"]) == ("Succeeded", ALL_RUN)
    assert state["operation"]["retry"]["limit"] == 3
    assert story.rows("syncPhase", "kind", "name", "status", "message") == [
        ("PreSync", "Namespace", story.namespace, "Synced", f"namespace/{story.namespace} created"),
        ("Sync", "ConfigMap", "settings", "Synced", "configmap/settings created"),
        ("Sync", "Service", "payments-api", "Synced", "service/payments-api created"),
        ("Sync", "Deployment", "payments-api", "Synced", "deployment.apps/payments-api created"),
    ]

    # A commit that removes the ConfigMap prunes it.
    second = story.repository.commit(files(settings=None), "drop the settings")
    story.until(lambda: story.data() is None, "the ConfigMap pruned")
    story.until_settled(second)
    assert [entry["id"] for entry in story.status("history")] == [0, 1]
    assert ("ConfigMap", "Pruned", "pruned") in story.rows("kind", "status", "message")

    # What kubectl scales is put back.
    story.patch("deployment", "payments-api", {"spec": {"replicas": 5}})
    story.until(lambda: replicas(story) == 2, "the Deployment healed")
    story.until_settled(second)
    assert len(story.revisions()) == 2, "a self-heal is a partial sync and makes no history"

    # A commit that removes every manifest is refused.
    story.repository.commit(files(deployment=None, service=None), "oops")
    story.until(lambda: "will wipe out all resources" in story.condition("SyncError"), "the empty state refused")
    assert story.get("deployment", "payments-api") is not None

    # A broken manifest says where it is broken, and the next commit mends it.
    broken = article() | {f"{FOLDER}/settings.yaml": "apiVersion: v1\nkind: ConfigMap\nmetadata:\n  name: [broken\n"}
    story.repository.commit(broken, "break the settings")
    story.until(lambda: f"{FOLDER}/settings.yaml:" in story.condition("ComparisonError"), "file and line named")
    assert story.status("sync", "status") == "Unknown"
    assert story.get("deployment", "payments-api") is not None
    mended = story.repository.commit(article(color="green"), "mend the settings")
    story.until_settled(mended)
    assert not story.status("conditions")
    assert story.data() == {"color": "green"}


def test_a_failing_apply_is_retried_with_the_back_off_asked_for_and_then_fails(story: Story) -> None:
    bad = deployment()
    bad["spec"]["template"]["spec"]["restartPolicy"] = "Never"
    story.repository.commit(files(bad=bad), "a Deployment that no API server takes")
    policy = story.policy()
    policy["retry"] = {"limit": 2, "backoff": {"duration": "1s", "factor": 2, "maxDuration": "1m"}}
    story.apply(story.application(syncPolicy=policy))
    story.until(lambda: story.status("operationState", "phase") == "Failed", "the operation failed for good")
    state = story.status("operationState")
    assert state["retryCount"] == 2
    assert "(retried 2 times)." in state["message"]
    assert 'Unsupported value: "Never"' in state["message"]
    assert "operation" not in story.app()
    assert story.status("sync", "status") == "OutOfSync"
    assert not story.revisions()
    story.until(lambda: story.condition("SyncError").startswith("Failed last sync attempt to ["), "it says so")


def test_what_changes_nothing_writes_nothing(story: Story) -> None:
    revision = story.repository.commit(article(), "initial manifests")
    story.apply(story.application())
    story.until_settled(revision)
    settled = story.app()["metadata"]["resourceVersion"]
    # It concerns the application, but does not make it differ: it is looked at, and nothing is written.
    note = {"metadata": {"annotations": {"example.com/note": "1"}}}
    story.patch("deployment", "payments-api", note)
    story.patch("configmap", "settings", note)
    story.patch("configmap", "settings", {"data": {"color": "red"}})
    story.until(lambda: story.data() == {"color": "blue"}, "the ConfigMap healed: the notes were seen before")
    story.until_settled(revision)
    healed = story.app()
    assert healed["metadata"]["resourceVersion"] != settled
    assert story.rows("kind") == [("ConfigMap",)], "only what differed was synced"
    assert len(story.revisions()) == 1


# --- operations by hand ---------------------------------------------------------------------------------------------


def test_an_operation_asked_for_by_hand_is_honoured(story: Story) -> None:
    first = story.repository.commit(article(), "initial manifests")
    story.client.create({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": story.namespace}})
    story.apply(story.application(syncPolicy={}))
    story.until(lambda: story.status("sync", "status") == "OutOfSync", "OutOfSync without automation")
    assert story.status("health", "status") == "Missing"
    story.sync(dryRun=True)
    assert story.status("operationState", "phase") == "Succeeded"
    assert story.get("deployment", "payments-api") is None
    assert not story.revisions()
    assert ("configmap/settings created (dry run)",) in story.rows("message")
    story.sync(revision=first)
    story.until_settled(first)
    assert story.status("history")[0]["initiatedBy"] == {"username": "ann"}
    changed = files(settings=config_map("settings", color="red"), more=config_map("more", a="1"), service=None)
    second = story.repository.commit(changed, "red, one more, no service")
    story.refresh()
    assert story.status("sync", "revision") == second

    # Some resources only: nothing else is touched, no history.
    story.sync(resources=[{"kind": "ConfigMap", "name": "settings"}])
    assert story.data() == {"color": "red"}
    assert story.data("more") is None
    assert story.rows("kind", "name", "message") == [("ConfigMap", "settings", "configmap/settings configured")]
    assert story.revisions() == [first]
    story.until(lambda: _out_of_sync(story) == ["more", "payments-api"], "the rest is still OutOfSync")

    story.sync()
    assert story.data("more") == {"a": "1"}
    assert story.get("service", "payments-api") is not None, "prune was not asked for"
    assert ("Service", "PruneSkipped", "ignored (requires pruning)") in story.rows("kind", "status", "message")
    assert story.revisions() == [first, second]

    # Back to an older commit, which an application that is not automated keeps.
    story.sync(revision=first, prune=True)
    assert story.data() == {"color": "blue"}
    assert story.data("more") is None
    assert story.revisions() == [first, second, first]
    story.refresh("hard")
    assert story.status("sync", "status") == "OutOfSync"
    assert story.status("sync", "revision") == second
    assert story.data() == {"color": "blue"}


def _out_of_sync(story: Story) -> list[str]:
    return [row["name"] for row in story.status("resources") if row.get("status") == "OutOfSync"]


def test_an_operation_is_terminated_while_its_hook_runs(story: Story, stage: Stage) -> None:
    story.repository.commit(article() | files(migrate=hook("migrate", "PreSync")), "migrate first")
    with stage.plane.kubelet.paused():
        story.apply(story.application())
        story.until(lambda: story.get("job", "migrate"), "the hook running")
        story.until(lambda: "waiting for completion of hook" in (_message(story) or ""), "it is waited for")
        story.edit({"status": {"operationState": {"phase": "Terminating"}}})
        story.until(story.is_over, "the operation over")
        state = story.status("operationState")
        assert (state["phase"], state["message"]) == ("Failed", "Operation terminated")
        assert "retryCount" not in state, "what a human ends is not tried again"
        story.until(lambda: story.get("job", "migrate") is None, "the hook gone")
        assert ("migrate", "Failed", "Terminated") in story.rows("name", "hookPhase", "message")
    assert story.get("deployment", "payments-api") is None
    story.until(lambda: "Operation terminated" in story.condition("SyncError"), "not started again by itself")
    assert not story.revisions()


def _message(story: Story) -> str | None:
    found: str | None = story.status("operationState", "message")
    return found


# --- hooks and waves ------------------------------------------------------------------------------------------------


def test_hooks_and_waves_run_in_order_and_hooks_go_as_their_policy_says(story: Story, stage: Stage) -> None:
    revision = story.repository.commit(
        files(
            before=hook("before", "PreSync", policy="HookSucceeded"),
            zero=config_map("zero", a="0"),
            one=waved(1, deployment(replicas=1)),
            after=hook("after-", "PostSync"),
            broken=hook("broken", "SyncFail"),
        ),
        "hooks and waves",
    )
    mark = len(stage.recorder.calls)
    story.apply(story.application())
    story.until_settled(revision)
    made = [call.path.rsplit("/", 1)[1] for call in stage.recorder.since(mark) if call.writes and _is_apply(call.body)]
    story.until(lambda: story.get("job", "before") is None, "gone as its policy says")
    (after,) = story.all("job")
    assert after["metadata"]["name"].startswith(f"after-{revision[:7]}-postsync-")
    assert made == [story.namespace, "before", "zero", "payments-api", after["metadata"]["name"]]
    assert "finalizers" not in after["metadata"]
    state = story.status("operationState")
    assert (state["phase"], state["message"]) == ("Succeeded", NO_MORE)
    assert story.rows("syncPhase", "name", "hookType", "hookPhase", "status") == [
        ("PreSync", story.namespace, "", "Running", "Synced"),
        ("PreSync", "before", "PreSync", "Succeeded", "Synced"),
        ("Sync", "zero", "", "Succeeded", "Synced"),
        ("Sync", "payments-api", "", "Succeeded", "Synced"),
        ("PostSync", after["metadata"]["name"], "PostSync", "Succeeded", "Synced"),
    ]
    own = [row["name"] for row in story.status("resources") if not row.get("hook")]
    assert own == ["zero", "payments-api"]
    assert story.revisions() == [revision]


def _is_apply(body: Json | None) -> bool:
    return isinstance(body, dict) and body.get("kind") not in {None, "Application", "DeleteOptions", "Event"}


def test_a_presync_hook_that_fails_stops_everything_and_runs_the_syncfail_hook(story: Story) -> None:
    revision = story.repository.commit(
        article()
        | files(
            migrate=hook("migrate", "PreSync", image="registry.example.com/fails:1", policy="HookFailed"),
            cleanup=hook("cleanup", "SyncFail"),
        ),
        "a migration that fails",
    )
    story.apply(story.application(syncPolicy=story.policy()))
    story.until(story.is_over, "the operation over")
    state = story.status("operationState")
    assert state["phase"] == "Failed"
    assert state["message"].startswith("one or more synchronization tasks completed unsuccessfully")
    assert story.rows("syncPhase", "name", "hookPhase", "status") == [
        ("PreSync", story.namespace, "Running", "Synced"),
        ("PreSync", "migrate", "Failed", "Synced"),
        ("SyncFail", "cleanup", "Succeeded", "Synced"),
    ]
    story.until(lambda: [job["metadata"]["name"] for job in story.all("job")] == ["cleanup"], "only one is kept")
    assert "finalizers" not in story.there("job", "cleanup")["metadata"]
    assert story.data() is None
    assert story.get("deployment", "payments-api") is None
    assert story.get("service", "payments-api") is None
    assert not story.revisions()
    story.until(lambda: f"Failed last sync attempt to [{revision}]" in story.condition("SyncError"), "it says so")
    assert story.status("sync", "status") == "OutOfSync"


# --- what drifts ----------------------------------------------------------------------------------------------------


def test_with_prune_off_what_left_git_stays_and_is_not_synced_again_and_again(story: Story, stage: Stage) -> None:
    more = files(kept=config_map("kept", a="1"), also=config_map("also", a="1"))
    story.apply(story.application(syncPolicy=story.policy(prune=False)))
    first = story.repository.commit(article() | more, "initial manifests")
    story.until_settled(first)
    # Something to sync beside it: the operation skips the pruning.
    second = story.repository.commit(files(kept=None, settings=config_map("settings", color="red")), "red, drop one")
    story.until(lambda: story.data() == {"color": "red"}, "synced")
    story.until(lambda: len(story.revisions()) == 2, "the operation over")
    skipped = ("kept", "PruneSkipped", "ignored (requires pruning)")
    assert skipped in story.rows("name", "status", "message")
    assert story.status("operationState", "phase") == "Succeeded"
    started = story.status("operationState", "startedAt")
    # Nothing to sync beside it: no operation at all.
    third = story.repository.commit(files(also=None), "drop another")
    story.until(lambda: story.status("sync", "revision") == third, "the commit seen")
    mark = len(stage.recorder.calls)
    for _ in range(2):
        story.refresh()
    assert story.status("sync", "status") == "OutOfSync"
    assert _out_of_sync(story) == ["also", "kept"]
    assert [row["name"] for row in story.status("resources") if row.get("requiresPruning")] == ["also", "kept"]
    assert story.revisions() == [first, second]
    assert story.status("operationState", "startedAt") == started
    assert not [call for call in stage.recorder.since(mark) if "operation" in (call.body or {})]
    assert story.data("kept") == story.data("also") == {"a": "1"}


def test_what_is_to_be_ignored_is_no_difference_and_is_not_healed(story: Story) -> None:
    revision = story.repository.commit(article(), "initial manifests")
    replicas_ignored = [{"group": "apps", "kind": "Deployment", "jsonPointers": ["/spec/replicas"]}]
    story.apply(story.application(ignoreDifferences=replicas_ignored))
    story.until_settled(revision)
    assert story.status("sync", "comparedTo", "ignoreDifferences") == replicas_ignored
    story.patch("deployment", "payments-api", {"spec": {"replicas": 3}})
    # Healed later than the replicas were changed: whoever looks at the one has seen the other.
    story.patch("configmap", "settings", {"data": {"color": "red"}})
    story.until(lambda: story.data() == {"color": "blue"}, "the ConfigMap healed")
    story.until_settled(revision)
    assert replicas(story) == 3
    assert story.rows("kind", "name") == [("ConfigMap", "settings")]


def test_self_heal_makes_what_was_deleted_and_leaves_alone_what_is_not_gits(story: Story) -> None:
    settings = config_map("settings", color="blue")
    settings["metadata"]["labels"] = {"team": "payments"}
    revision = story.repository.commit(article() | files(settings=settings), "initial manifests")
    story.apply(story.application())
    story.until_settled(revision)
    before = story.there("deployment", "payments-api")["metadata"]["uid"]
    story.client.delete("deployment", "payments-api", story.namespace)
    story.until(
        lambda: (story.get("deployment", "payments-api") or {"metadata": {"uid": before}})["metadata"]["uid"] != before,
        "a new one",
    )
    story.until_settled(revision)
    assert story.rows("kind", "message") == [("Deployment", "deployment.apps/payments-api created")]
    operation = story.status("operationState", "operation")
    assert operation["initiatedBy"] == {"automated": True}
    assert operation["sync"]["autoHealAttemptsCount"] == 1
    assert operation["sync"]["resources"] == [{"group": "apps", "kind": "Deployment", "name": "payments-api"}]

    foreign = {"metadata": {"annotations": {"example.com/note": "1"}, "labels": {"team": None}}, "data": {"extra": "1"}}
    story.patch("configmap", "settings", foreign)
    story.patch("deployment", "payments-api", {"spec": {"minReadySeconds": 1}})
    story.until(
        lambda: story.there("configmap", "settings")["metadata"].get("labels") == {"team": "payments"}, "healed"
    )
    story.until_settled(revision)
    assert story.rows("kind", "name") == [("ConfigMap", "settings")]
    assert story.data() == {"color": "blue", "extra": "1"}
    assert story.there("configmap", "settings")["metadata"]["annotations"]["example.com/note"] == "1"
    assert story.there("deployment", "payments-api")["spec"]["minReadySeconds"] == 1
    assert story.revisions() == [revision]


# --- definitions ----------------------------------------------------------------------------------------------------


@pytest.fixture
def no_widgets(stage: Stage, story: Story) -> Iterator[None]:
    """Takes the definition of Widgets away afterwards; a Story is for one server."""
    yield
    if story.app():
        story.edit({"metadata": {"finalizers": None}})
        story.client.delete("application", story.name, "argocd")
    name = "widgets.example.com"
    story.client.delete("customresourcedefinition", name)
    story.until(lambda: story.client.get("customresourcedefinition", name) is None, "the definition gone")


@pytest.mark.usefixtures("no_widgets")
def test_a_definition_and_its_object_come_in_one_sync(story: Story) -> None:
    revision = story.repository.commit(files(gear=widget(), widgets=definition()), "widgets")
    story.apply(story.application())
    story.until_settled(revision)
    assert story.there("widget", "gear")["spec"] == {"size": 3}
    assert story.rows("kind", "status", "message") == [
        ("Namespace", "Synced", f"namespace/{story.namespace} created"),
        (
            "CustomResourceDefinition",
            "Synced",
            "customresourcedefinition.apiextensions.k8s.io/widgets.example.com created",
        ),
        ("Widget", "Synced", "widget.example.com/gear created"),
    ]
    assert story.status("operationState", "phase") == "Succeeded"
    second = story.repository.commit(files(gear=widget(size=4)), "bigger")
    story.until_settled(second)
    assert story.there("widget", "gear")["spec"] == {"size": 4}


@pytest.mark.usefixtures("no_widgets")
def test_an_object_of_an_unknown_kind_fails_is_retried_and_recovers_with_its_definition(story: Story) -> None:
    policy = story.policy()
    policy["retry"] = {"limit": 30, "backoff": {"duration": "1s", "factor": 1, "maxDuration": "1s"}}
    revision = story.repository.commit(files(gear=widget(), settings=config_map("settings", a="1")), "a widget")
    story.apply(story.application(syncPolicy=policy))
    story.until(lambda: (story.status("operationState", "retryCount") or 0) >= 1, "the first attempt failed")
    state = story.status("operationState")
    assert state["phase"] == "Running"
    reason = (
        "The Kubernetes API could not find example.com/Widget for requested resource "
        f'{story.namespace}/gear. Make sure the "Widget" CRD is installed on the destination cluster.'
    )
    assert "Retrying attempt #" in state["message"]
    assert (reason,) in story.rows("message")
    assert story.data() is None, "nothing is applied where something can't be"
    story.client.create(definition())
    story.until(lambda: _is_established(story), "the definition is served")
    story.refresh()
    story.until_settled(revision)
    assert story.there("widget", "gear")["spec"] == {"size": 3}
    assert story.data() == {"a": "1"}
    assert story.status("operationState", "retryCount") >= 1
    assert story.revisions() == [revision]
    assert not story.status("conditions")


def _is_established(story: Story) -> bool:
    found = story.client.get("customresourcedefinition", "widgets.example.com") or {}
    conditions = found.get("status", {}).get("conditions") or []
    return ("Established", "True") in [(one["type"], one["status"]) for one in conditions]


# --- the hub's settings ---------------------------------------------------------------------------------------------


@pytest.fixture
def hub_settings(story: Story) -> Iterator[Json]:
    """``argocd-cm`` with rules that only the story's own objects feel."""
    script = f"if obj.metadata.namespace == '{story.namespace}' then return {{status = 'Suspended'}} end"
    yield {
        "apiVersion": "v1",
        "kind": "ConfigMap",
        "metadata": {
            "name": "argocd-cm",
            "namespace": "argocd",
            "labels": {"app.kubernetes.io/part-of": "argocd"},
        },
        "data": {
            "resource.customizations.health.ConfigMap": script,
            "resource.customizations": "'ap*/*': {ignoreDifferences: 'jsonPointers: [/spec/replicas]'}",
        },
    }
    story.client.delete("configmap", "argocd-cm", "argocd")


def test_the_settings_of_the_hub_decide_health_and_what_differs(story: Story, hub_settings: Json) -> None:
    first = story.repository.commit(article(), "initial manifests")
    story.apply(story.application())
    story.until_settled(first)
    story.apply(hub_settings)
    story.until_settled(first, health="Suspended")
    story.patch("deployment", "payments-api", {"spec": {"replicas": 5}})
    story.refresh()
    story.until_settled(first, health="Suspended")
    assert replicas(story) == 5, "what the hub ignores is not healed"
    story.client.delete("configmap", "argocd-cm", "argocd")
    story.until(lambda: replicas(story) == 2, "without the hub's settings it is healed")
    story.until_settled(first)
