"""Applications whose manifests come from several repositories, reconciled by `fleetui engine run` on an API server."""

from __future__ import annotations

from pathlib import Path

from tests.e2e.manifests import article, config_map, files
from tests.e2e.story import Repository, Story

NOTHING = {"repoURL": ""}


def test_an_application_of_several_sources(story: Story, tmp_path: Path) -> None:
    (tmp_path / "other").mkdir()
    other = Repository(tmp_path / "other")
    first = story.repository.commit(article(), "initial manifests")
    kustomization = "namePrefix: platform-\nresources: [limits.yaml]\n"
    limits = "apiVersion: v1\nkind: ConfigMap\nmetadata: {name: limits}\ndata: {cpu: '1'}\n"
    second = other.commit({"base/kustomization.yaml": kustomization, "base/limits.yaml": limits}, "the platform's part")
    sources = [
        {**story.application()["spec"]["source"]},
        {"repoURL": other.url, "path": "base", "targetRevision": "main"},
        {"repoURL": other.url, "ref": "values"},
    ]
    app = story.application(sources=sources)
    del app["spec"]["source"]
    story.apply(app)
    story.until(lambda: story.status("operationState", "phase") == "Succeeded", "it is synced")
    story.until(lambda: story.status("sync", "status") == "Synced", "it is compared again")
    revisions = [first, second, second]
    assert story.status("sync")["revisions"] == revisions
    assert "revision" not in story.status("sync")
    assert story.status("sync")["comparedTo"]["sources"] == sources
    assert story.status("sync")["comparedTo"]["source"] == NOTHING
    assert story.status("sourceTypes") == ["Directory", "Kustomize", ""]
    assert story.status("history")[0]["revisions"] == revisions
    assert story.status("history")[0]["source"] == NOTHING
    assert story.status("operationState")["syncResult"]["sources"] == sources
    made = story.there("configmap", "platform-limits")
    tracking = made["metadata"]["annotations"]["argocd.argoproj.io/tracking-id"]
    assert tracking == f"{story.name}:/ConfigMap:{story.namespace}/platform-limits"

    third = other.commit({"base/limits.yaml": limits.replace("'1'", "'2'")}, "more")
    story.until(lambda: story.data("platform-limits") == {"cpu": "2"}, "the second source followed")
    story.until(lambda: len(story.status("history")) == 2, "a history entry")
    assert story.status("history")[1]["revisions"] == [first, third, third]

    # The same object in both: the last one wins.
    story.repository.commit(files(limits=config_map("platform-limits", cpu="9")), "the same object")
    text = f"Resource /ConfigMap/{story.namespace}/platform-limits appeared 2 times among application resources."
    story.until(lambda: story.condition("RepeatedResourceWarning") == text, "the warning")
    assert story.there("configmap", "platform-limits")["data"] == {"cpu": "2"}
