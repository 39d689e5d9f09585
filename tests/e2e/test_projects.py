"""What a project denies an Application, reconciled by `fleetui engine run`, before a real API server and our own."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest

from tests.e2e.client import Json
from tests.e2e.manifests import article
from tests.e2e.story import Story

ANYTHING = [{"group": "*", "kind": "*"}]


@pytest.fixture
def project(story: Story) -> Iterator[str]:
    """The name of a project of the story's own, which is taken away afterwards."""
    yield story.name
    story.client.delete("appproject", story.name, "argocd")


def permitting(story: Story, **spec: Any) -> Json:
    everything = {
        "sourceRepos": ["*"],
        "destinations": [{"server": "*", "namespace": "*"}],
        "clusterResourceWhitelist": ANYTHING,
    }
    return {
        "apiVersion": "argoproj.io/v1alpha1",
        "kind": "AppProject",
        "metadata": {"name": story.name, "namespace": "argocd"},
        "spec": everything | spec,
    }


def test_an_application_is_held_to_its_project(story: Story, project: str) -> None:
    first = story.repository.commit(article(), "initial manifests")
    story.apply(story.application(project=project, syncPolicy=story.policy()))
    missing = f"Application referencing project {project} which does not exist"
    story.until(lambda: story.condition("InvalidSpecError") == missing, "the missing project told")

    # A destination that the project does not have.
    story.apply(permitting(story, destinations=[{"server": "*", "namespace": "elsewhere"}]))
    denied = (
        f"application destination server 'https://kubernetes.default.svc' and namespace '{story.namespace}' do not "
        f"match any of the allowed destinations in project '{project}'"
    )
    story.until(lambda: story.condition("InvalidSpecError") == denied, "the destination denied")
    assert story.status("sync", "status") == "Unknown"

    # A kind that it does not have: nothing is applied, not even what it has.
    story.apply(permitting(story, namespaceResourceBlacklist=[{"group": "", "kind": "Service"}]))
    story.until(lambda: story.status("operationState", "phase") == "Failed", "the kind denied")
    reason = f"resource :Service is not permitted in project {project}"
    told = f"one or more synchronization tasks are not valid: {reason}"
    assert story.status("operationState", "message") == told
    assert story.rows("kind", "status", "message") == [("Service", "SyncFailed", reason)]
    assert story.data() is None

    # The project is widened, and the next sync comes through.
    story.apply(permitting(story))
    story.until(lambda: story.status("sync", "status") == "OutOfSync", "the project's change seen")
    story.sync(syncOptions=["CreateNamespace=true"])
    story.until_settled(first)
    assert story.condition("InvalidSpecError") == ""


def test_a_sync_waits_for_its_window(story: Story, project: str) -> None:
    story.repository.commit(article(), "initial manifests")
    always = {"kind": "deny", "schedule": "* * * * *", "duration": "1h", "applications": [story.name]}
    story.apply(permitting(story, syncWindows=[always]))
    story.apply(story.application(project=project))
    story.until(lambda: story.status("sync", "status") == "OutOfSync", "it is compared")
    story.operate({"initiatedBy": {"username": "ann"}, "sync": {"syncOptions": ["CreateNamespace=true"]}})
    blocked = ("Running", "Sync operation blocked by sync window")
    story.until(
        lambda: (story.status("operationState", "phase"), story.status("operationState", "message")) == blocked,
        "the operation waits",
    )
    assert story.data() is None
    story.apply(permitting(story, syncWindows=[always | {"manualSync": True}]))
    story.until(story.is_over, "the window lets it through")
    assert story.status("operationState", "phase") == "Succeeded"
