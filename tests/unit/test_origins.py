"""Who wrote in Git what differs, over a real repository."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any, cast

import pytest

from backends.git import GitRepositories
from fleetui.diff import object_diff
from fleetui.engine.sourceset import SourceSet
from fleetui.fleet.origins import with_commits
from fleetui.fleet.subject import Subject
from fleetui.fleet.views import AppDiff
from fleetui.model.app import AppKey
from fleetui.model.change import Commit, ObjectDiff
from fleetui.model.errors import FleetError
from fleetui.model.objects import ClusterName, Obj
from fleetui.render.source import folder_of, from_directory
from tests.unit.git_source import Source, files_of

KEY = AppKey(ClusterName("hub"), "argo", "argocd", "payments")
SETTINGS = """\
apiVersion: v1
kind: ConfigMap
metadata: {name: settings}
data:
  color: blue
  size: "1"
---
apiVersion: v1
kind: ConfigMap
metadata: {name: fresh}
"""


APP = SimpleNamespace(key=SimpleNamespace(hub=""), project="")


@pytest.fixture
async def repositories(tmp_path: Path) -> AsyncIterator[GitRepositories]:
    opened = GitRepositories(tmp_path / "cache", interval=3600, local_interval=0.02)
    yield opened
    await opened.close()


class Case:
    """A repository and an application of it; `live` objects by name."""

    def __init__(self, source: Source, repositories: GitRepositories, path: str = "apps/payments") -> None:
        self.source, self.repositories, self.path = source, repositories, path

    @property
    def subject(self) -> Subject:
        wanted = SourceSet(({"repoURL": self.source.url, "path": self.path},))
        return cast(Subject, SimpleNamespace(sources=lambda: wanted, app=APP))

    async def diff(self, sha: str, live: dict[str, Obj]) -> AppDiff:
        source = self.subject.sources().sources[0]
        files = await files_of(self.repositories.open(self.source.url), sha, folder_of(source))
        found: list[ObjectDiff] = []
        for each in from_directory(source, files):
            running = live.get(each.obj["metadata"]["name"])
            found.append(object_diff(each.obj, running, file=each.file, line=each.line)[0])
        return AppDiff(KEY, sha, None, tuple(found))

    async def told(self, diff: AppDiff) -> dict[str, Commit | None]:
        found = await with_commits(self.subject, self.repositories, diff)
        assert [each.ref for each in found.objects] == [each.ref for each in diff.objects]
        return {f"{each.ref.name}:{change.dotted}": change.commit for each in found.objects for change in each.changes}


def config(name: str, **data: str) -> Obj:
    return {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": name}, "data": data}


@pytest.mark.parametrize("path", ["apps/payments", "./apps/payments/", "linked"])
async def test_each_change_has_the_commit_that_wrote_it(
    tmp_path: Path, repositories: GitRepositories, path: str
) -> None:
    source = Source(tmp_path / "source")
    source.put("apps/payments/settings.yaml", SETTINGS.encode())
    (source.path / "linked").symlink_to("apps/payments")
    first = source.commit("initial settings", GIT_AUTHOR_DATE="1700000000 +0000")
    source.put("apps/payments/settings.yaml", SETTINGS.replace('size: "1"', 'size: "2"').encode())
    second = source.commit("raise size", GIT_AUTHOR_DATE="1700000600 +0000")
    case = Case(source, repositories, path)
    diff = await case.diff(second, {"settings": config("settings", color="red", size="1")})
    found = await case.told(diff)
    assert {where: commit and commit.sha for where, commit in found.items()} == {
        "settings:data.color": first,
        "settings:data.size": second,
        "fresh:": first,
    }
    color = found["settings:data.color"]
    assert color is not None
    assert (color.author, color.subject, color.time) == ("Ada", "initial settings", 1_700_000_000.0)


async def test_of_a_value_of_many_lines_the_latest_commit_counts(tmp_path: Path, repositories: GitRepositories) -> None:
    source = Source(tmp_path / "source")
    text = "apiVersion: v1\nkind: ConfigMap\nmetadata: {name: a}\ndata:\n  script: |\n    one\n    two\n"
    source.write(a_yaml=text)
    source.commit(GIT_AUTHOR_DATE="1700000000 +0000")
    source.write(a_yaml=text.replace("two", "2"))
    second = source.commit(GIT_AUTHOR_DATE="1700000600 +0000")
    source.write(a_yaml="# a comment\n" + text.replace("two", "2"))
    third = source.commit(GIT_AUTHOR_DATE="1700000900 +0000")
    case = Case(source, repositories, ".")
    (commit,) = (await case.told(await case.diff(third, {"a": config("a", script="one\ntwo\n")}))).values()
    assert commit is not None
    assert commit.sha == second


async def test_where_it_can_not_be_told_nothing_is_said(tmp_path: Path, repositories: GitRepositories) -> None:
    source = Source(tmp_path / "source")
    source.put("a.yaml", "apiVersion: v1\nkind: ConfigMap\nmetadata: {name: a}\ndata: {x: '1'}\n".encode("utf-16"))
    source.put("b.yaml", b"apiVersion: v1\rkind: ConfigMap\rmetadata: {name: b}\rdata: {x: '1'}\r")
    sha = source.commit()
    case = Case(source, repositories, ".")
    diff = await case.diff(sha, {"a": config("a", x="2"), "b": config("b", x="2")})
    assert await case.told(diff) == {"a:data.x": None, "b:data.x": None}
    elsewhere = [ObjectDiff(each.ref, each.live, each.desired, each.changes, "gone.yaml", 1) for each in diff.objects]
    assert set((await case.told(AppDiff(KEY, sha, None, tuple(elsewhere)))).values()) == {None}
    # Generated ones have no file, and Git is not asked at all.
    generated = [ObjectDiff(each.ref, each.live, each.desired, each.changes) for each in diff.objects]
    nothing: Any = None
    plain = AppDiff(KEY, sha, None, tuple(generated))
    assert await with_commits(nothing, nothing, plain) is plain


async def test_that_git_can_not_be_asked_is_a_note(tmp_path: Path, repositories: GitRepositories) -> None:
    source = Source(tmp_path / "source")
    source.write(a_yaml="apiVersion: v1\nkind: ConfigMap\nmetadata: {name: a}\ndata: {x: '1'}\n")
    case = Case(source, repositories, ".")
    diff = await case.diff(source.commit(), {"a": config("a", x="2")})

    def gone() -> Obj:
        raise FleetError("the application is gone")

    subject = cast(Subject, SimpleNamespace(sources=gone))
    found = await with_commits(subject, repositories, diff)
    assert found.objects == diff.objects
    assert found.notes == ("who wrote it in Git is not known: the application is gone",)


async def test_of_several_sources_the_one_counts_that_has_the_file(
    tmp_path: Path, repositories: GitRepositories
) -> None:
    manifest = "apiVersion: v1\nkind: ConfigMap\nmetadata: {name: a}\ndata: {x: '1'}\n"
    ours, theirs = Source(tmp_path / "ours"), Source(tmp_path / "theirs")
    ours.write(app__a_yaml=manifest)
    sha = ours.commit("ours")
    theirs.write(app__b_yaml="", app__kustomization_yaml="resources: [a.yaml]")
    other = theirs.commit("theirs")
    case = Case(ours, repositories, "app")
    diff = await case.diff(sha, {"a": config("a", x="2")})

    async def who(*wanted: Obj, revisions: tuple[str, ...]) -> Commit | None:
        found = SourceSet(wanted, multiple=True)
        subject = cast(Subject, SimpleNamespace(sources=lambda: found, revisions=lambda _: revisions, app=APP))
        told = await with_commits(subject, repositories, diff)
        assert told.notes == ()
        return told.objects[0].changes[0].commit

    one, two = {"repoURL": ours.url, "path": "app"}, {"repoURL": theirs.url, "path": "app"}
    values = {"repoURL": theirs.url, "ref": "values"}
    commit = await who(two, values, one, revisions=(other, other, sha))
    assert commit is not None
    assert commit.sha == sha
    assert await who(one, one, revisions=(sha, sha)) is None, "it may be either's"
    ours.write(app__kustomization_yaml="resources: [a.yaml]")
    assert await who(one, revisions=(ours.commit(),)) is None, "what a tool makes is on no line"
