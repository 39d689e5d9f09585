"""An engine that takes over, hands back, is killed at the worst moments, and does nothing where there is nothing to do.

Told before a real kube-apiserver and before the embedded one; what the engine asks of them is counted.
"""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

import pytest
import yaml

from tests.e2e.client import Json
from tests.e2e.conftest import PLANES, Stage
from tests.e2e.manifests import article, config_map, deployment, files, hook, waved
from tests.e2e.recorder import Call
from tests.e2e.story import Story

MANAGER = "argocd-controller"
"""The field manager of Argo CD's own client-side apply."""


# --- taking over from Argo CD, and handing back ---------------------------------------------------------------------


def test_what_argo_cd_applied_is_taken_over_as_it_is_kept_by_git_and_handed_back(story: Story, stage: Stage) -> None:
    first = story.repository.commit(files(**_wanted(old=True)), "as Argo CD has it")
    story.client.create({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": story.namespace}})
    _apply_client_side(story, old=True)
    story.until(lambda: _available(story) == 2, "the Deployment is there")
    before = _versions(story)
    mark = len(stage.recorder.calls)
    story.client.create(_as_argo_cd_left_it(story, first))
    story.refresh()
    story.until_settled(first)
    story.until(lambda: any(call.writes for call in stage.recorder.since(mark)), "what was written is noted")
    assert {call.path.split("/")[-2] for call in stage.recorder.since(mark) if call.writes} == {"applications"}
    assert _versions(story) == before
    left = _as_argo_cd_left_it(story, first)["status"]
    assert story.status("history") == left["history"]
    assert story.status("operationState") == left["operationState"]
    assert not story.status("conditions")

    # What leaves Git leaves the cluster, although another's client-side apply had put it there.
    second = story.repository.commit(files(**_wanted(old=False)), "less of everything")
    story.until_settled(second)
    assert story.data() == {"color": "blue"}
    made = story.there("deployment", "payments-api")
    assert made["metadata"]["labels"] == {"app": "payments-api"}
    (container,) = made["spec"]["template"]["spec"]["containers"]
    assert container["env"] == [{"name": "MODE", "value": "fast"}]
    assert [(entry["id"], entry["revision"]) for entry in story.status("history")] == [(7, first), (8, second)]
    assert story.rows("kind", "message") == [
        ("ConfigMap", "configmap/settings configured"),
        ("Deployment", "deployment.apps/payments-api configured"),
    ]

    # Back to Argo CD: its client-side apply finds nothing to do, and no conflict.
    story.client.delete("application", story.name, "argocd")
    story.until(lambda: not story.app(), "the Application gone")
    spec = story.there("deployment", "payments-api")["spec"]
    diff = story.plane.kubectl(
        "diff", f"--field-manager={MANAGER}", "-f", "-", input=_documents(story, old=False), check=False
    )
    assert (diff.returncode, diff.stdout) == (0, ""), diff.stderr
    _apply_client_side(story, old=False)
    again = _apply_client_side(story, old=False)
    assert again.split("\n")[:2] == ["configmap/settings unchanged", "deployment.apps/payments-api unchanged"]
    assert story.there("deployment", "payments-api")["spec"] == spec
    # And what Argo CD then takes out goes too.
    story.kubectl(
        "apply", f"--field-manager={MANAGER}", "-f", "-", input=json.dumps(_tracked(story, config_map("settings")))
    )
    assert not story.data()


def _wanted(*, old: bool) -> dict[str, Json]:
    made = deployment()
    env = [{"name": "MODE", "value": "fast"}] + ([{"name": "LEGACY", "value": "1"}] if old else [])
    made["spec"]["template"]["spec"]["containers"][0]["env"] = env
    if old:
        made["metadata"]["labels"]["tier"] = "old"
    settings = config_map("settings", color="blue", legacy="1") if old else config_map("settings", color="blue")
    return {"settings": settings, "deployment": made}


def _tracked(story: Story, obj: Json) -> Json:
    """The object as Argo CD applies it: in its namespace, with the annotation by which it is known."""
    group = obj["apiVersion"].rpartition("/")[0]
    meta = {**obj["metadata"], "namespace": story.namespace}
    tracking = f"{story.name}:{group}/{obj['kind']}:{story.namespace}/{meta['name']}"
    return {**obj, "metadata": {**meta, "annotations": {"argocd.argoproj.io/tracking-id": tracking}}}


def _documents(story: Story, *, old: bool) -> str:
    return yaml.safe_dump_all(_tracked(story, obj) for obj in _wanted(old=old).values())


def _apply_client_side(story: Story, *, old: bool) -> str:
    return story.kubectl("apply", f"--field-manager={MANAGER}", "-f", "-", input=_documents(story, old=old))


def _available(story: Story) -> Any:
    return story.there("deployment", "payments-api").get("status", {}).get("availableReplicas")


def _versions(story: Story) -> list[str]:
    kinds = (("configmap", "settings"), ("deployment", "payments-api"))
    return [story.there(kind, name)["metadata"]["resourceVersion"] for kind, name in kinds]


def _as_argo_cd_left_it(story: Story, revision: str) -> Json:
    """The Application with the status that Argo CD v3 writes after an automated sync."""
    manifest = story.application()
    source, destination = manifest["spec"]["source"], manifest["spec"]["destination"]
    began, ended = "2026-11-20T09:00:00Z", "2026-11-20T09:00:02Z"
    synced = {
        "status": "Synced",
        "hookPhase": "Running",
        "syncPhase": "Sync",
        "namespace": story.namespace,
        "version": "v1",
    }
    rows: list[Json] = [
        {**synced, "group": "", "kind": "ConfigMap", "name": "settings", "message": "configmap/settings created"},
        {
            **synced,
            "group": "apps",
            "kind": "Deployment",
            "name": "payments-api",
            "message": "deployment.apps/payments-api created",
            "images": ["registry.example.com/payments:1.98"],
        },
    ]
    by = {"initiatedBy": {"automated": True}}
    entry = {"id": 7, "revision": revision, "source": source, "deployStartedAt": began, "deployedAt": ended, **by}
    kept = ("group", "version", "kind", "namespace", "name", "status")
    manifest["status"] = {
        "controllerNamespace": "argocd",
        "health": {"lastTransitionTime": ended, "status": "Healthy"},
        "history": [entry],
        "operationState": {
            "operation": {**by, "retry": {"limit": 3}, "sync": {"prune": True, "revision": revision, "source": source}},
            "phase": "Succeeded",
            "message": "successfully synced (all tasks run)",
            "startedAt": began,
            "finishedAt": ended,
            "syncResult": {"revision": revision, "source": source, "resources": rows},
        },
        "reconciledAt": ended,
        "resourceHealthSource": "appTree",
        "resources": [{key: row[key] for key in kept if row[key]} for row in rows],
        "sourceType": "Directory",
        "summary": {"images": ["registry.example.com/payments:1.98"]},
        "sync": {
            "comparedTo": {"destination": destination, "source": source},
            "revision": revision,
            "status": "Synced",
        },
    }
    return manifest


# --- killed ---------------------------------------------------------------------------------------------------------


class Strikes:
    """Kills the engine when the server has carried out what it asked for, and before it can hear of that."""

    def __init__(self, stage: Stage, story: Story) -> None:
        self._stage, self._story = stage, story
        self._mark = len(stage.recorder.calls)

    def when(self, moment: Callable[[Call], bool], description: str, begin: Callable[[], object]) -> None:
        """Begins something, waits for the moment, and starts another engine after the killed one."""
        struck: list[Call] = []

        def answered(call: Call) -> None:
            if not struck and moment(call):
                self._stage.engine.kill()
                struck.append(call)

        self._stage.recorder.answered = answered
        begin()
        self._story.until(lambda: struck, f"killed: {description}")
        self._stage.recorder.answered = None

    @property
    def applied(self) -> list[str]:
        """What was written besides Applications, by kind and name, in order; refused writes too."""
        calls = self._stage.recorder.since(self._mark)
        return ["/".join(call.path.split("/")[-2:]) for call in calls if call.writes and _is_apply(call)]


def _is_apply(call: Call) -> bool:
    return isinstance(call.body, dict) and "kind" in call.body and call.body["kind"] != "DeleteOptions"


def test_killed_at_every_turn_of_a_sync_nothing_is_lost_and_nothing_applied_twice(story: Story, stage: Stage) -> None:
    revision = story.repository.commit(
        files(
            migrate=hook("migrate", "PreSync"),
            zero=config_map("zero", a="1"),
            also=config_map("also", a="1"),
            one=waved(1, deployment()),
        ),
        "a hook and two waves",
    )
    strikes, start = Strikes(stage, story), stage.engine.start
    strikes.when(
        lambda call: call.writes and call.about("namespaces", story.namespace),
        "the namespace was made, and nothing is recorded",
        lambda: story.apply(story.application()),
    )
    assert story.client.get("namespace", story.namespace)
    strikes.when(lambda call: call.writes and call.about("jobs", "migrate"), "the hook was made", start)
    strikes.when(lambda call: call.writes and call.about("configmaps", "zero"), "in the middle of a wave", start)
    assert story.get("deployment", "payments-api") is None
    strikes.when(
        lambda call: call.writes and call.about("applications", story.name) and bool(_rows(call, "zero")),
        "between two waves",
        start,
    )
    assert story.get("deployment", "payments-api") is None
    strikes.when(lambda call: call.writes and call.about("deployments"), "the last wave was applied", start)
    strikes.when(lambda call: call.about("applications", story.name) and _is_end(call), "the end was written", start)
    start()
    story.refresh()
    story.until_settled(revision)
    once = [
        f"namespaces/{story.namespace}",
        "jobs/migrate",
        "configmaps/also",
        "configmaps/zero",
        "deployments/payments-api",
    ]
    assert sorted(strikes.applied) == sorted(once)
    made = story.there("deployment", "payments-api")
    assert made["metadata"]["generation"] == 1
    assert len(story.all("job")) == 1
    assert "finalizers" not in story.there("job", "migrate")["metadata"]
    assert story.revisions() == [revision]
    state = story.status("operationState")
    assert state["phase"] == "Succeeded"
    assert "retryCount" not in state
    assert story.rows("syncPhase", "name", "hookPhase", "status") == [
        ("PreSync", story.namespace, "Running", "Synced"),
        ("PreSync", "migrate", "Succeeded", "Synced"),
        ("Sync", "also", "Succeeded", "Synced"),
        ("Sync", "zero", "Succeeded", "Synced"),
        ("Sync", "payments-api", "Running", "Synced"),
    ]


def _rows(call: Call, name: str) -> list[Json]:
    """The results of an object that a write to the Application records."""
    state = ((call.body or {}).get("status") or {}).get("operationState") or {}
    rows = (state.get("syncResult") or {}).get("resources") or []
    return [row for row in rows if row["name"] == name]


def _is_end(call: Call) -> bool:
    return isinstance(call.body, dict) and "operation" in call.body and call.body["operation"] is None


def test_killed_while_it_waits_for_a_retry_it_goes_on_waiting_and_counts_on(story: Story, stage: Stage) -> None:
    bad = deployment("bad")
    bad["spec"]["template"]["spec"]["restartPolicy"] = "Never"
    story.repository.commit(files(bad=bad), "a Deployment that no API server takes")
    policy = story.policy()
    policy["retry"] = {"limit": 2, "backoff": {"duration": "3s", "factor": 1, "maxDuration": "3s"}}
    strikes = Strikes(stage, story)
    story.apply(story.application(syncPolicy=policy))
    story.until(lambda: story.status("operationState", "retryCount") == 1, "it waits for its first retry")
    stage.engine.kill()
    waiting = story.status("operationState")
    assert waiting["phase"] == "Running"
    assert len([one for one in strikes.applied if one == "deployments/bad"]) == 1
    stage.engine.start()
    story.until(lambda: story.status("operationState", "phase") == "Failed", "failed for good")
    state = story.status("operationState")
    assert state["startedAt"] == waiting["startedAt"], "still the same operation"
    assert state["retryCount"] == 2
    assert "(retried 2 times)." in state["message"]
    assert len([one for one in strikes.applied if one == "deployments/bad"]) == 3
    assert len([one for one in strikes.applied if one.startswith("namespaces/")]) == 1


def test_killed_while_an_application_is_deleted_the_deletion_comes_to_its_end(story: Story, stage: Stage) -> None:
    revision = story.repository.commit(article() | files(later=waved(1, config_map("later", a="1"))), "two waves")
    manifest = story.application()
    manifest["metadata"]["finalizers"] = ["resources-finalizer.argocd.argoproj.io"]
    story.apply(manifest)
    story.until_settled(revision)
    strikes = Strikes(stage, story)
    strikes.when(
        lambda call: call.method == "DELETE" and call.about("configmaps", "later"),
        "the last wave went first",
        lambda: story.client.delete("application", story.name, "argocd"),
    )
    assert story.app()["metadata"]["deletionTimestamp"]
    assert story.data() == {"color": "blue"}
    stage.engine.start()
    story.until(lambda: not story.app(), "the Application gone")
    assert story.data() is None
    assert story.get("deployment", "payments-api") is None


# --- nothing to do --------------------------------------------------------------------------------------------------


# It waits for the clock, so it is told of one server; what the embedded one is not asked, tests/engine holds.
@pytest.mark.parametrize("stage", PLANES[-1:], indirect=True)
def test_an_engine_with_nothing_to_do_asks_for_nothing(story: Story, stage: Stage) -> None:
    revision = story.repository.commit(article(), "initial manifests")
    story.apply(story.application())
    story.until_settled(revision)
    calls = stage.recorder.calls

    def renewals(mark: int) -> list[Call]:
        return [call for call in calls[mark:] if call.lease and call.writes]

    def watched(plural: str) -> bool:
        return any(call.path.endswith(f"/{plural}") and "watch" in call.query for call in calls)

    # What a server serves is watched too, but not at once.
    story.until(lambda: watched("customresourcedefinitions") and watched("apiservices"), "new kinds are noticed")
    still = [0, 0]

    def rested() -> bool:
        """Whether nothing was asked in thirty looks, one after the other."""
        asked = len(calls)
        still[:] = [asked, still[1] + 1 if asked == still[0] else 0]
        return still[1] > 30

    story.until(rested, "what came after the sync has come to rest")
    mark = len(calls)
    story.until(lambda: renewals(mark), "the Lease was renewed again, fifteen seconds later")
    assert stage.recorder.since(mark) == []
