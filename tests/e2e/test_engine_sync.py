"""What a sync meets on an API server: many objects, what refuses them, and what other tools have applied or apply next.

Told before a real kube-apiserver alone: it is its admission, its quota and its garbage collection that matter here.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

import pytest

from tests.e2e.client import Json
from tests.e2e.conftest import Stage, on_stage
from tests.e2e.manifests import ANNOTATION, config_map, definition, files, hook, waved, widget
from tests.e2e.plane import Plane
from tests.e2e.story import Story

pytestmark = pytest.mark.real
LAST_APPLIED = "kubectl.kubernetes.io/last-applied-configuration"
PRE, POST = "pre-delete-finalizer.argocd.argoproj.io", "post-delete-finalizer.argocd.argoproj.io"
FINALIZER = "resources-finalizer.argocd.argoproj.io"
RBAC = {"apiVersion": "rbac.authorization.k8s.io/v1"}


@pytest.fixture(scope="module")
def stage(control_plane: Plane, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stage]:
    """As everywhere, but before the real one alone."""
    with on_stage(control_plane, tmp_path_factory.mktemp("engine")) as ready:
        yield ready


def message(story: Story) -> str:
    return str(story.status("operationState", "message"))


def begin(story: Story, **changes: Any) -> None:
    """Makes the namespace and an Application that is synced by hand."""
    story.client.create({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": story.namespace}})
    story.apply(story.application(syncPolicy={}, **changes))
    story.until(lambda: story.status("sync", "status"), "compared")


def resync(story: Story, objects: dict[str, Json | None], *, options: tuple[str, ...] = (), **sync: Any) -> str:
    """Commits, has it noticed, and syncs."""
    revision = story.repository.commit(files(**objects), "another state")
    story.refresh()
    story.sync(prune=True, syncOptions=list(options), **sync)
    return revision


# --- many, and in order -----------------------------------------------------------------------------------------------


def test_three_hundred_objects_of_one_application_come_stay_and_go(story: Story, stage: Stage) -> None:
    many: dict[str, Json | None] = {f"c{number:03}": config_map(f"c{number:03}", a="1") for number in range(299)}
    revision = story.repository.commit(files(**many, last=waved(1, config_map("last", a="1"))), "many")
    story.apply(story.application())
    story.until_settled(revision)
    assert len(story.all("configmap")) == 301, "with the one that every namespace has"
    assert len(story.rows("name")) == 301, "with the namespace"
    mark = len(stage.recorder.calls)
    story.refresh("hard")
    writes = [call for call in stage.recorder.since(mark) if call.writes and "/applications/" not in call.path]
    assert not writes, "nothing differs"
    gone = story.repository.commit(files(**dict.fromkeys(list(many)[1:])), "all but two")
    story.until_settled(gone)
    assert len(story.all("configmap")) == 3
    assert sorted(set(story.rows("status"))) == [("Pruned",), ("Synced",)]


def test_a_definition_its_instances_and_hooks_between_come_in_one_sync(story: Story) -> None:
    cleanup = {"gear": waved(1, widget()), "wheel": waved(1, widget("wheel")), "widgets": definition()}
    try:
        revision = story.repository.commit(
            files(**cleanup, migrate=hook("migrate", "PreSync"), after=hook("after", "PostSync")), "all at once"
        )
        story.apply(story.application())
        story.until_settled(revision)
        assert story.rows("syncPhase", "kind", "name", "status") == [
            ("PreSync", "Namespace", story.namespace, "Synced"),
            ("PreSync", "Job", "migrate", "Synced"),
            ("Sync", "CustomResourceDefinition", "widgets.example.com", "Synced"),
            ("Sync", "Widget", "gear", "Synced"),
            ("Sync", "Widget", "wheel", "Synced"),
            ("PostSync", "Job", "after", "Synced"),
        ]
    finally:
        story.client.delete("customresourcedefinition", "widgets.example.com")


# --- what is refused --------------------------------------------------------------------------------------------------


def test_a_quota_that_is_exceeded_fails_what_it_refuses_and_no_more(story: Story) -> None:
    story.repository.commit(files(a=config_map("a", x="1"), b=config_map("b", x="1")), "two")
    begin(story)
    quota = {"apiVersion": "v1", "kind": "ResourceQuota", "metadata": {"name": "q", "namespace": story.namespace}}
    story.kubectl("create", "-f", "-", input=json.dumps({**quota, "spec": {"hard": {"count/configmaps": "2"}}}))
    counted = "{.status.used.count/configmaps}"
    story.until(lambda: story.kubectl("get", "resourcequota", "q", "-o", f"jsonpath={counted}") == "1", "counted")
    story.sync()
    assert story.status("operationState", "phase") == "Failed"
    refused = [row for row in story.rows("name", "status", "message") if row[1] == "SyncFailed"]
    ((name, _, said),) = refused
    assert said == (
        f'configmaps "{name}" is forbidden: exceeded quota: q, requested: count/configmaps=1, '
        "used: count/configmaps=2, limited: count/configmaps=2"
    )
    assert message(story) == f"one or more synchronization tasks completed unsuccessfully, reason: {said}"
    assert len(story.all("configmap")) == 2


def test_a_webhook_that_does_not_answer_refuses(story: Story) -> None:
    story.repository.commit(files(a=config_map("a", x="1")), "one")
    begin(story)
    webhook = {
        "name": "refuses.example.com",
        "clientConfig": {"url": "https://127.0.0.1:1/x"},
        "sideEffects": "None",
        "admissionReviewVersions": ["v1"],
        "namespaceSelector": {"matchLabels": {"kubernetes.io/metadata.name": story.namespace}},
        "rules": [{"apiGroups": [""], "apiVersions": ["v1"], "operations": ["*"], "resources": ["configmaps"]}],
    }
    configuration = {
        "apiVersion": "admissionregistration.k8s.io/v1",
        "kind": "ValidatingWebhookConfiguration",
        "metadata": {"name": story.name},
        "webhooks": [webhook],
    }
    story.plane.kubectl("create", "-f", "-", input=json.dumps(configuration))
    try:
        probe = json.dumps({**config_map("probe"), "metadata": {"name": "probe", "namespace": story.namespace}})
        probing = ("create", "--dry-run=server", "-f", "-")
        story.until(
            lambda: story.plane.kubectl(*probing, input=probe, check=False).returncode != 0, "the webhook is asked"
        )
        story.sync()
    finally:
        story.plane.kubectl("delete", "validatingwebhookconfiguration", story.name)
    said = (
        'Internal error occurred: failed calling webhook "refuses.example.com": failed to call webhook: Post '
        '"https://127.0.0.1:1/x?timeout=10s": dial tcp 127.0.0.1:1: connect: connection refused'
    )
    assert story.rows("name", "status", "hookPhase", "message") == [("a", "SyncFailed", "Failed", said)]
    assert (story.status("operationState", "phase"), message(story)) == (
        "Failed",
        f"one or more objects failed to apply, reason: {said}",
    )


def test_a_namespace_that_is_stuck_in_terminating_takes_nothing(story: Story) -> None:
    story.repository.commit(files(a=config_map("a", x="1")), "one")
    begin(story)
    held = {"name": "held", "namespace": story.namespace, "finalizers": ["example.com/hold"]}
    story.client.create({"apiVersion": "v1", "kind": "ConfigMap", "metadata": held})
    story.client.delete("namespace", story.namespace)
    path = ("get", "namespace", story.namespace, "-o", "jsonpath={.status.phase}")
    story.until(lambda: story.plane.kubectl(*path).stdout == "Terminating", "stuck")
    story.sync(syncOptions=["CreateNamespace=true"])
    said = (
        f'configmaps "a" is forbidden: unable to create new content in namespace {story.namespace} '
        "because it is being terminated"
    )
    assert story.rows("kind", "status", "message") == [("ConfigMap", "SyncFailed", said)]
    assert message(story) == f"one or more objects failed to apply, reason: {said}"
    story.patch("configmap", "held", {"metadata": {"finalizers": None}})


def test_what_a_kind_does_not_know_is_dropped_client_side_and_refused_server_side(story: Story) -> None:
    odd = {**config_map("odd", x="1"), "nonsense": 1}
    story.repository.commit(files(odd=odd), "odd")
    begin(story)
    story.sync(syncOptions=["ServerSideApply=true"])
    said = f"failed to create typed patch object ({story.namespace}/odd; /v1, Kind=ConfigMap): .nonsense: "
    assert story.rows("status", "message") == [("SyncFailed", said + "field not declared in schema")]
    story.sync()
    assert story.rows("status", "message") == [("Synced", "configmap/odd created")]
    assert story.data("odd") == {"x": "1"}


# --- how it is written ------------------------------------------------------------------------------------------------


def test_replace_and_force_make_anew_what_an_apply_can_not_change(story: Story) -> None:
    story.repository.commit(files(settings=config_map("settings", a="1"), job=_job("1")), "first")
    begin(story)
    story.sync(syncOptions=["Replace=true"])
    assert story.rows("message") == [("configmap/settings created",), ("job.batch/work created",)]
    story.patch("configmap", "settings", {"data": {"extra": "1"}})
    first = story.there("job", "work")["metadata"]["uid"]
    resync(story, {"settings": config_map("settings", a="2")}, options=("Replace=true",), resources=[SETTINGS])
    assert story.rows("message") == [("configmap/settings replaced",)]
    assert story.data() == {"a": "2"}, "what others had put there is gone"
    resync(story, {"job": _job("2")}, resources=[JOB])
    assert "field is immutable" in message(story)
    story.sync(resources=[JOB], syncStrategy={"hook": {"force": True}})
    assert story.status("operationState", "phase") == "Succeeded"
    second = story.there("job", "work")
    assert second["metadata"]["uid"] != first
    assert second["spec"]["template"]["spec"]["containers"][0]["image"].endswith(":2")
    forced = _job("3")
    forced["metadata"]["annotations"] = {ANNOTATION + "sync-options": "Replace=true,Force=true"}
    resync(story, {"job": forced}, resources=[JOB])
    said = f'job.batch "work" deleted from {story.namespace} namespace\njob.batch/work replaced'
    assert story.rows("message") == [(said,)]


SETTINGS = {"kind": "ConfigMap", "name": "settings"}
JOB = {"group": "batch", "kind": "Job", "name": "work"}


def _job(version: str) -> Json:
    found = hook("work", "", image=f"registry.example.com/work:{version}")
    found["metadata"].pop("annotations")
    return found


def test_a_binding_whose_role_changes_is_made_anew(story: Story) -> None:
    def binding(role: str) -> Json:
        ref = {"apiGroup": "rbac.authorization.k8s.io", "kind": "Role", "name": role}
        account = {"kind": "ServiceAccount", "name": "default", "namespace": story.namespace}
        return {**RBAC, "kind": "RoleBinding", "metadata": {"name": "b"}, "roleRef": ref, "subjects": [account]}

    story.repository.commit(files(b=binding("one")), "one")
    begin(story)
    story.sync()
    assert story.rows("message")[0][0].startswith(
        "rolebinding.rbac.authorization.k8s.io/b reconciled. reconciliation required create\n\tmissing subjects added:"
    )
    resync(story, {"b": binding("two")})
    assert story.status("operationState", "phase") == "Succeeded"
    assert ". reconciliation required recreate" in story.rows("message")[0][0]


# --- hand-over --------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("manager", ["kubectl-client-side-apply", "argocd-controller", "somebody"])
def test_what_leaves_git_goes_whoever_applies_next(story: Story, manager: str) -> None:
    """From a client-side apply to us, and back, twice: a field that one had applied the other takes out."""
    story.repository.commit(files(settings=config_map("settings", old="1", theirs="1")), "theirs")
    begin(story)
    _apply_client_side(story, manager, old="1", theirs="1")
    resync(story, {"settings": config_map("settings", old="1", ours="1")})
    assert story.data() == {"old": "1", "ours": "1"}, "what they had applied has left Git"
    last = json.loads(story.there("configmap", "settings")["metadata"]["annotations"][LAST_APPLIED])
    assert last["data"] == {"old": "1", "ours": "1"}, "the annotation is true"
    _apply_client_side(story, manager, old="1", again="1")
    assert story.data() == {"old": "1", "again": "1"}, "what we had applied, they take out"
    story.repository.commit(files(settings=config_map("settings", last="1")), "ours again")
    story.refresh()
    assert story.status("sync", "status") == "OutOfSync"
    story.sync()
    assert story.data() == {"last": "1"}
    story.until(lambda: story.status("sync", "status") == "Synced", "and it is in sync")


def _apply_client_side(story: Story, manager: str, **data: str) -> None:
    tracking = {ANNOTATION + "tracking-id": f"{story.name}:/ConfigMap:{story.namespace}/settings"}
    made = config_map("settings", annotations=tracking, **data)
    story.kubectl("apply", f"--field-manager={manager}", "-f", "-", input=json.dumps(made))


def test_without_migration_a_server_side_apply_leaves_what_others_own(story: Story) -> None:
    options = ("ServerSideApply=true", "ClientSideApplyMigration=false")
    story.repository.commit(files(settings=config_map("settings", theirs="1")), "theirs")
    story.client.create({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": story.namespace}})
    _apply_client_side(story, "kubectl-client-side-apply", theirs="1")
    story.apply(story.application(syncPolicy={"syncOptions": list(options)}))
    story.until(lambda: story.status("sync", "status"), "compared")
    resync(story, {"settings": config_map("settings", ours="1")}, options=options)
    assert story.data() == {"theirs": "1", "ours": "1"}
    story.until(lambda: story.status("sync", "status") == "Synced", "what is not ours is no difference")
    resync(story, {"settings": config_map("settings", ours="2")}, options=options[:1])
    assert story.data() == {"ours": "2"}


# --- deletion ---------------------------------------------------------------------------------------------------------


def test_hooks_run_before_and_after_what_is_deleted(story: Story, stage: Stage) -> None:
    revision = story.repository.commit(
        files(
            settings=config_map("settings", a="1"),
            before=hook("before", "PreDelete", policy="HookSucceeded"),
            after=hook("after", "PostDelete", policy="HookSucceeded"),
            kept=hook("kept", "PostDelete"),
        ),
        "hooks of a deletion",
    )
    manifest = story.application()
    manifest["metadata"]["finalizers"] = [FINALIZER]
    story.apply(manifest)
    story.until_settled(revision)
    wanted = [FINALIZER, PRE, f"{PRE}/cleanup", POST, f"{POST}/cleanup"]
    assert story.app()["metadata"]["finalizers"] == wanted
    assert story.all("job") == []
    mark = len(stage.recorder.calls)
    story.client.delete("application", story.name, "argocd")
    story.until(lambda: not story.app(), "the Application gone")
    jobs = [
        call.body["metadata"]["name"]
        for call in stage.recorder.since(mark)
        if call.writes and isinstance(call.body, dict) and call.body.get("kind") == "Job"
    ]
    assert (jobs[0], sorted(jobs[1:])) == ("before", ["after", "kept"])
    assert story.data() is None
    story.until(lambda: [job["metadata"]["name"] for job in story.all("job")] == ["kept"], "gone as their policy says")


def test_a_hook_before_the_deletion_that_fails_keeps_everything(story: Story) -> None:
    failing = hook("before", "PreDelete", image="registry.example.com/fails:1")
    revision = story.repository.commit(files(settings=config_map("settings", a="1"), before=failing), "it fails")
    manifest = story.application()
    manifest["metadata"]["finalizers"] = [FINALIZER]
    story.apply(manifest)
    story.until_settled(revision)
    story.client.delete("application", story.name, "argocd")
    said = f"error executing pre-delete hooks: PreDelete hook(s) failed: {story.namespace}/before"
    story.until(lambda: story.condition("DeletionError") == said, "it is told")
    assert story.data() == {"a": "1"}
    # Mended in Git, it is run again.
    story.repository.commit(files(before=hook("before", "PreDelete")), "it works")
    story.until(lambda: not story.app(), "the Application gone")
    assert story.data() is None
