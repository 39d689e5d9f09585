"""Which commit an Application follows, what it shares with others, and what its deletion takes along.

Told before a real kube-apiserver and before the embedded one, reconciled by `fleetui engine run`.
"""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.e2e.conftest import Stage
from tests.e2e.manifests import article, config_map, files
from tests.e2e.story import Story

FINALIZER = "resources-finalizer.argocd.argoproj.io"


# --- the end of an Application --------------------------------------------------------------------------------------


@pytest.mark.parametrize("finalizer", [FINALIZER, f"{FINALIZER}/background", ""])
def test_the_deletion_of_an_application_takes_its_objects_if_it_was_asked_to(story: Story, finalizer: str) -> None:
    revision = story.repository.commit(article(), "initial manifests")
    manifest = story.application()
    manifest["metadata"]["finalizers"] = [finalizer] if finalizer else []
    story.apply(manifest)
    story.until_settled(revision)
    foreign = {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "foreign", "namespace": story.namespace}}
    story.client.create(foreign)
    story.client.delete("application", story.name, "argocd")
    story.until(lambda: not story.app(), "the Application gone")
    kinds = ("deployment", "service")
    gone = [story.get(kind, "payments-api") is None for kind in kinds] + [story.data() is None]
    assert gone == [bool(finalizer)] * 3
    assert story.get("configmap", "foreign") is not None
    if finalizer == FINALIZER:
        assert story.all("replicaset") == [], "in the foreground: dependents go first"
    elif finalizer:
        story.until(lambda: story.all("replicaset") == [], "the garbage collector follows")
    assert story.client.get("namespace", story.namespace) is not None, "what CreateNamespace made is not tracked"


def test_an_application_made_again_under_its_name_begins_anew_and_touches_nothing(story: Story, stage: Stage) -> None:
    revision = story.repository.commit(article(), "initial manifests")
    story.apply(story.application())
    story.until_settled(revision)
    before = story.there("deployment", "payments-api")["metadata"]
    story.client.delete("application", story.name, "argocd")
    story.until(lambda: not story.app(), "gone")
    mark = len(stage.recorder.calls)
    story.apply(story.application())
    story.until_settled(revision)
    after = story.there("deployment", "payments-api")["metadata"]
    assert (after["uid"], after["generation"]) == (before["uid"], before["generation"])
    assert not story.revisions(), "in sync already: there was nothing to do"
    assert {call.path.rsplit("/", 2)[1] for call in stage.recorder.since(mark) if call.writes} == {"applications"}


# --- revisions ------------------------------------------------------------------------------------------------------


def test_a_tag_and_a_commit_as_target_revision(story: Story) -> None:
    first = story.repository.commit(files(settings=config_map("settings", color="blue")), "blue")
    second = story.repository.commit(files(settings=config_map("settings", color="red")), "red")
    story.repository.tag("v1", first)
    source = story.application()["spec"]["source"]
    story.apply(story.application(source={**source, "targetRevision": "v1"}))
    story.until_settled(first)
    assert story.data() == {"color": "blue"}
    story.repository.tag("v1", second)
    story.until_settled(second)
    assert story.data() == {"color": "red"}
    story.edit({"spec": {"source": {"targetRevision": first}}})
    story.until_settled(first)
    assert story.data() == {"color": "blue"}
    assert story.revisions() == [first, second, first]
    assert story.status("sync", "comparedTo", "source", "targetRevision") == first


def test_a_branch_moved_back_by_force_is_followed(story: Story) -> None:
    first = story.repository.commit(files(settings=config_map("settings", color="blue")), "blue")
    story.apply(story.application())
    story.until_settled(first)
    added = files(settings=config_map("settings", color="red"), more=config_map("more", a="1"))
    second = story.repository.commit(added, "red, and more")
    story.until_settled(second)
    story.repository.go_back(first)
    story.until_settled(first)
    assert story.data() == {"color": "blue"}
    story.until(lambda: story.data("more") is None, "pruned")
    third = story.repository.commit(files(settings=config_map("settings", color="green")), "another way on")
    story.until_settled(third)
    assert story.revisions() == [first, second, first, third]


def test_two_applications_of_one_repository_keep_to_themselves(story: Story, stage: Stage, tmp_path: Path) -> None:
    other = Story(stage.plane, story.repository, stage.engine, name=f"{story.name}-b", namespace=f"{story.namespace}-b")
    try:
        first = story.repository.commit(
            files(settings=config_map("settings", color="blue")) | {"apps/b/settings.json": _B % "blue"}, "both"
        )
        story.apply(story.application())
        source = {**story.application()["spec"]["source"], "path": "apps/b"}
        other.apply(other.application(source=source))
        story.until_settled(first)
        other.until_settled(first)
        second = story.repository.commit({"apps/b/settings.json": _B % "red"}, "only the other")
        other.until_settled(second)
        story.until_settled(second)
        assert other.data() == {"color": "red"}
        assert story.data() == {"color": "blue"}
        assert other.revisions() == [first, second]
        assert story.revisions() == [first], "seen, and nothing to do"
    finally:
        other.close()


_B = '{"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "settings"}, "data": {"color": "%s"}}'


def test_a_repository_that_goes_away_changes_nothing_and_is_followed_again(story: Story) -> None:
    first = story.repository.commit(files(settings=config_map("settings", color="blue")), "blue")
    story.apply(story.application())
    story.until_settled(first)
    story.repository.vanish()
    try:
        # What is known goes on being held, without a word: a repository may be away for a moment.
        story.client.delete("configmap", "settings", story.namespace)
        story.until(lambda: story.data() == {"color": "blue"}, "healed from what is known")
        story.until_settled(first)
        assert not story.status("conditions")
        # Who asks is told.
        story.refresh()
        story.until(lambda: story.condition("ComparisonError"), "the repository is named")
        assert story.repository.url in story.condition("ComparisonError")
        assert story.status("sync", "status") == "Unknown"
        assert story.data() == {"color": "blue"}
    finally:
        story.repository.come_back()
    second = story.repository.commit(files(settings=config_map("settings", color="red")), "red")
    story.until_settled(second)
    assert story.data() == {"color": "red"}
    assert not story.status("conditions")
