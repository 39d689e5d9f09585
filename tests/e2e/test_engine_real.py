"""The article's Application, from a Git commit to a real kube-apiserver, reconciled by `fleetui engine run`."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.controlplane.server import ControlPlane
from tests.e2e.story import EngineProcess, Repository, Story, settings

FOLDER = "apps/payments/production"

CONFIG = """
apiVersion: v1
kind: ConfigMap
metadata:
  name: settings
data:
  color: {color}
"""

DEPLOYMENT = """
apiVersion: apps/v1
kind: Deployment
metadata:
  name: payments-api
  labels: {{app: payments-api}}
spec:
  replicas: 2
  selector: {{matchLabels: {{app: payments-api}}}}
  template:
    metadata: {{labels: {{app: payments-api}}}}
    spec:
      containers:
      - name: api
        image: registry.example.com/payments:{tag}
        ports: [{{containerPort: 8080}}]
"""

SERVICE = """
apiVersion: v1
kind: Service
metadata:
  name: payments-api
spec:
  selector: {app: payments-api}
  ports: [{port: 80, targetPort: 8080}]
"""


def files(*, color: str = "blue", tag: str = "1.98") -> dict[str, str | None]:
    return {
        f"{FOLDER}/README.md": "# payments\n",
        f"{FOLDER}/settings.yaml": CONFIG.format(color=color),
        f"{FOLDER}/deployment.yaml": DEPLOYMENT.format(tag=tag),
        f"{FOLDER}/service.yaml": SERVICE,
    }


@pytest.fixture(scope="module")
def plane(control_plane: ControlPlane) -> ControlPlane:
    """The control plane with what `fleetui bootstrap` puts into it."""
    command = [sys.executable, "-m", "fleetui", "bootstrap", "--kubeconfig", str(control_plane.kubeconfig())]
    done = subprocess.run(command, capture_output=True, text=True, env=settings(), check=False)
    assert done.returncode == 0, done.stderr
    assert "customresourcedefinition/applications.argoproj.io serverside-applied" in done.stdout
    return control_plane


@pytest.fixture(scope="module")
def engine(plane: ControlPlane, tmp_path_factory: pytest.TempPathFactory) -> Iterator[EngineProcess]:
    process = EngineProcess(plane.kubeconfig(), tmp_path_factory.mktemp("engine"))
    process.start()
    yield process
    process.stop()


@pytest.fixture
def story(plane: ControlPlane, engine: EngineProcess, unique: str, tmp_path: Path) -> Iterator[Story]:
    told = Story(plane, Repository(tmp_path), engine, name=f"payments-{unique}", namespace=f"payments-{unique}")
    try:
        yield told
    finally:
        plane.kubectl("-n", "argocd", "delete", "applications.argoproj.io", told.name, "--ignore-not-found")
        plane.kubectl("delete", "namespace", told.namespace, "--ignore-not-found", "--wait=false")


def test_the_articles_application_lives_through_its_story(story: Story) -> None:
    first = story.repository.commit(files(), "initial manifests")
    story.apply(story.application())
    story.until_settled(first)
    deployment = story.get("deployment", "payments-api")
    assert deployment is not None
    assert deployment["status"]["availableReplicas"] == 2
    tracking = deployment["metadata"]["annotations"]["argocd.argoproj.io/tracking-id"]
    assert tracking == f"{story.name}:apps/Deployment:{story.namespace}/payments-api"
    history = story.status("history")
    assert [entry["revision"] for entry in history] == [first]
    assert history[0]["id"] == 0
    assert history[0]["initiatedBy"] == {"automated": True}
    state = story.status("operationState")
    assert (state["phase"], state["message"]) == ("Succeeded", "successfully synced (all tasks run)")
    assert state["operation"]["retry"]["limit"] == 3

    # A commit that removes the ConfigMap prunes it.
    second = story.repository.commit({f"{FOLDER}/settings.yaml": None}, "drop the settings")
    story.until(lambda: story.get("configmap", "settings") is None, "the ConfigMap pruned")
    story.until_settled(second)
    assert [entry["id"] for entry in story.status("history")] == [0, 1]
    pruned = [row for row in story.status("operationState", "syncResult", "resources") if row["kind"] == "ConfigMap"]
    assert [(row["status"], row["message"]) for row in pruned] == [("Pruned", "pruned")]

    # What kubectl scales is put back.
    story.kubectl("scale", "deployment", "payments-api", "--replicas=5")
    story.until(lambda: _replicas(story) == 2, "the Deployment healed")
    story.until_settled(second)
    assert len(story.status("history")) == 2, "a self-heal is a partial sync and makes no history"

    # A commit that removes every manifest is refused.
    story.repository.commit({f"{FOLDER}/deployment.yaml": None, f"{FOLDER}/service.yaml": None}, "oops")
    story.until(lambda: "will wipe out all resources" in story.condition("SyncError"), "the empty state refused")
    assert story.get("deployment", "payments-api") is not None

    # A broken manifest says where it is broken, and the next commit mends it.
    broken = files() | {f"{FOLDER}/settings.yaml": "apiVersion: v1\nkind: ConfigMap\nmetadata:\n  name: [broken\n"}
    story.repository.commit(broken, "break the settings")
    story.until(lambda: f"{FOLDER}/settings.yaml:" in story.condition("ComparisonError"), "file and line named")
    assert story.status("sync", "status") == "Unknown"
    assert story.get("deployment", "payments-api") is not None
    mended = story.repository.commit(files(color="green"), "mend the settings")
    story.until_settled(mended)
    assert not story.status("conditions")
    settings_map = story.get("configmap", "settings")
    assert settings_map is not None
    assert settings_map["data"] == {"color": "green"}


def _replicas(story: Story) -> int | None:
    deployment = story.get("deployment", "payments-api")
    return None if deployment is None else deployment["spec"]["replicas"]


def test_a_failing_apply_is_retried_with_the_back_off_asked_for_and_then_fails(story: Story) -> None:
    bad = DEPLOYMENT.format(tag="1").replace("      containers:", "      restartPolicy: Never\n      containers:")
    story.repository.commit({f"{FOLDER}/bad.yaml": bad}, "a Deployment that no API server takes")
    policy = story.application()["spec"]["syncPolicy"]
    policy["retry"] = {"limit": 2, "backoff": {"duration": "1s", "factor": 2, "maxDuration": "1m"}}
    story.apply(story.application(syncPolicy=policy))
    story.until(lambda: story.status("operationState", "phase") == "Failed", "the operation failed for good")
    state = story.status("operationState")
    assert state["retryCount"] == 2
    assert "(retried 2 times)." in state["message"]
    assert 'Unsupported value: "Never"' in state["message"]
    assert "operation" not in story.app()
    assert story.status("sync", "status") == "OutOfSync"
    assert not story.status("history")
    story.until(lambda: story.condition("SyncError").startswith("Failed last sync attempt to ["), "it says so")


def test_an_operation_asked_for_by_hand_is_honoured(story: Story) -> None:
    first = story.repository.commit(files(), "initial manifests")
    story.apply(story.application(syncPolicy={}))
    story.until(lambda: story.status("sync", "status") == "OutOfSync", "OutOfSync without automation")
    assert story.status("health", "status") == "Missing"
    story.kubectl("create", "namespace", story.namespace)
    _operate(story, {"initiatedBy": {"username": "ann"}, "sync": {"dryRun": True}})
    story.until(lambda: story.status("operationState", "phase") == "Succeeded", "the dry run ended")
    assert story.get("deployment", "payments-api") is None
    assert not story.status("history")
    _operate(story, {"initiatedBy": {"username": "ann"}, "sync": {"revision": first}})
    story.until_settled(first)
    assert story.status("history")[0]["initiatedBy"] == {"username": "ann"}
    second = story.repository.commit(files(color="red") | {f"{FOLDER}/service.yaml": None}, "red, no service")
    _refresh(story)
    story.until(lambda: story.status("sync", "revision") == second, "the commit seen")
    _operate(story, {"initiatedBy": {"username": "ann"}, "sync": {}})
    story.until(lambda: _data(story) == {"color": "red"}, "synced to red")
    assert story.get("service", "payments-api") is not None, "prune was not asked for"
    _operate(story, {"initiatedBy": {"username": "ann"}, "sync": {"revision": first, "prune": True}})
    story.until(lambda: _data(story) == {"color": "blue"}, "back at the first revision")


def _data(story: Story) -> Any:
    return (story.get("configmap", "settings") or {}).get("data")


def _operate(story: Story, operation: dict[str, Any]) -> None:
    """Writes an operation, as Argo CD's API server does."""
    story.until(lambda: "operation" not in story.app(), "no operation in progress")
    patch = [{"op": "add", "path": "/operation", "value": operation}]
    if story.status("operationState") is not None:
        patch.append({"op": "remove", "path": "/status/operationState"})
    story.plane.kubectl(
        "-n", "argocd", "patch", "applications.argoproj.io", story.name, "--type=json", "-p", json.dumps(patch)
    )


def _refresh(story: Story) -> None:
    story.plane.kubectl(
        *("-n", "argocd", "annotate", "applications.argoproj.io", story.name),
        *("argocd.argoproj.io/refresh=normal", "--overwrite"),
    )
    key = "argocd.argoproj.io/refresh"
    story.until(lambda: key not in story.app()["metadata"].get("annotations", {}), "the annotation taken away")


HOOK = """
apiVersion: batch/v1
kind: Job
metadata:
  generateName: migrate-
  annotations:
    argocd.argoproj.io/hook: PreSync
spec:
  template:
    spec:
      restartPolicy: Never
      containers: [{name: migrate, image: "registry.example.com/migrate:1"}]
"""


def test_kill_dash_nine_in_the_middle_of_a_sync_loses_nothing_and_repeats_nothing(
    story: Story, engine: EngineProcess
) -> None:
    revision = story.repository.commit(files() | {f"{FOLDER}/migrate.yaml": HOOK}, "migrate first")
    with story.plane.kubelet.paused():
        story.apply(story.application())
        story.until(lambda: _jobs(story) and story.status("operationState", "phase") == "Running", "the hook running")
        engine.kill()
        hooks = _jobs(story)
        assert len(hooks) == 1
        assert story.get("deployment", "payments-api") is None
    engine.start()
    story.until_settled(revision)
    assert _jobs(story) == hooks, "the hook ran once"
    assert len(story.status("history")) == 1
    deployment = story.get("deployment", "payments-api")
    assert deployment is not None
    assert deployment["metadata"]["generation"] == 1, "applied once"


def _jobs(story: Story) -> list[str]:
    found = json.loads(story.kubectl("get", "jobs", "-o", "json"))["items"]
    return [job["metadata"]["uid"] for job in found]


def test_what_changes_nothing_writes_nothing(story: Story) -> None:
    revision = story.repository.commit(files(), "initial manifests")
    story.apply(story.application())
    story.until_settled(revision)
    settled = story.app()["metadata"]["resourceVersion"]
    # It concerns the application, but does not make it differ: it is looked at, and nothing is written.
    story.kubectl("annotate", "deployment", "payments-api", "example.com/note=1")
    story.kubectl("annotate", "configmap", "settings", "example.com/note=1")
    story.kubectl("patch", "configmap", "settings", "--type=merge", "-p", '{"data":{"color":"red"}}')
    story.until(lambda: _data(story) == {"color": "blue"}, "the ConfigMap healed: the notes were seen before")
    story.until_settled(revision)
    healed = story.app()
    assert healed["metadata"]["resourceVersion"] != settled
    rows = healed["status"]["operationState"]["syncResult"]["resources"]
    assert [row["kind"] for row in rows] == ["ConfigMap"], "only what differed was synced"
    assert len(healed["status"]["history"]) == 1
