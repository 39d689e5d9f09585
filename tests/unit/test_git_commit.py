"""Commits of single files, pushed to real repositories while others push too."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from pathlib import Path

import pytest

from backends.git import GitRepositories
from fleetui.gitports import Files
from fleetui.model.errors import GitError, RefusedError
from tests.unit.git_source import Source, WebServer

ANN = ("ann", "ann@bastion")


@pytest.fixture(autouse=True)
def _nobody(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HOME", "/nonexistent")


@pytest.fixture
def source(tmp_path: Path) -> Source:
    made = Source(tmp_path / "work")
    made.write(apps__a_yaml="a: 1\n", apps__b_yaml="b: 1\n", alone__only_yaml="o: 1\n")
    made.put("run.sh", b"#!/bin/sh\n")
    (made.path / "run.sh").chmod(0o755)
    (made.path / "link.yaml").symlink_to("apps/a.yaml")
    made.commit("first")
    made.git("config", "receive.denyCurrentBranch", "ignore")
    return made


@pytest.fixture
async def repositories(tmp_path: Path) -> AsyncIterator[GitRepositories]:
    opened = GitRepositories(tmp_path / "cache", interval=3600)
    yield opened
    await opened.close()


def to(**files: str | None) -> Callable[[Files], Files]:
    """A change that writes files, named as `Source.write` names them."""
    named = {name.replace("__", "/").replace("_yaml", ".yaml"): text for name, text in files.items()}
    return lambda found: {path: None if text is None else text.encode() for path, text in named.items()}


async def commit(
    repositories: GitRepositories, source: Source, change: Callable[[Files], Files], *paths: str, **options: str
) -> str:
    branch, onto = options.get("branch", "main"), options.get("onto", "")
    return await repositories.open(source.url).commit_files(
        branch=branch, paths=paths, change=change, message="Move\n\nRollout: x\n", author=ANN, onto=onto
    )


async def test_files_change_come_and_go_in_one_commit(source: Source, repositories: GitRepositories) -> None:
    old = source.git("rev-parse", "main")
    given: list[Files] = []

    def change(files: Files) -> Files:
        given.append(files)
        return {"apps/a.yaml": b"a: 2\r\n", "new/deep/n.yaml": b"\xff\x00", "alone/only.yaml": None, "run.sh": b"#!\n"}

    paths = ("apps/a.yaml", "new/deep/n.yaml", "alone/only.yaml", "run.sh")
    made = await commit(repositories, source, change, *paths, branch="HEAD")
    assert given == [
        {"apps/a.yaml": b"a: 1\n", "new/deep/n.yaml": None, "alone/only.yaml": b"o: 1\n", "run.sh": b"#!/bin/sh\n"}
    ]
    assert source.git("rev-parse", "main") == made
    assert source.git("rev-parse", "main~1") == old
    status = source.git("diff", "--name-status", "--no-renames", old, made).split("\n")
    assert sorted(status) == ["A\tnew/deep/n.yaml", "D\talone/only.yaml", "M\tapps/a.yaml", "M\trun.sh"]
    assert source.git("ls-tree", made, "run.sh").startswith("100755 ")
    assert "alone" not in source.git("ls-tree", "--name-only", made).split()
    assert source.git("cat-file", "blob", f"{made}:apps/a.yaml") == "a: 2"
    assert source.git("log", "-1", "--format=%an <%ae> %cn %B", made) == "ann <ann@bastion> ann Move\n\nRollout: x"
    assert await repositories.open(source.url).resolve("main") == made


async def test_a_symbolic_link_stays_and_what_it_leads_to_changes(
    source: Source, repositories: GitRepositories
) -> None:
    made = await commit(
        repositories, source, lambda files: {"link.yaml": (files["link.yaml"] or b"") + b"b: 2\n"}, "link.yaml"
    )
    assert source.git("cat-file", "blob", f"{made}:apps/a.yaml") == "a: 1\nb: 2"
    assert source.git("ls-tree", made, "link.yaml").startswith("120000 ")
    with pytest.raises(RefusedError, match=r"apps/a\.yaml is to be two at once"):
        await commit(repositories, source, lambda _: {"link.yaml": b"1", "apps/a.yaml": b"2"}, "link.yaml")


async def test_where_nothing_changes_nothing_is_pushed(source: Source, repositories: GitRepositories) -> None:
    old = source.git("rev-parse", "main")
    assert await commit(repositories, source, lambda files: files, "apps/a.yaml") == old
    assert await commit(repositories, source, to(apps__a_yaml="a: 1\n", gone_yaml=None), "apps/a.yaml") == old
    assert await commit(repositories, source, lambda files: {}, "apps/a.yaml", onto="moves") == old
    assert source.git("for-each-ref", "--format=%(refname)") == "refs/heads/main"


async def test_what_somebody_pushes_meanwhile_is_taken_along(source: Source, repositories: GitRepositories) -> None:
    seen: list[bytes | None] = []

    def change(files: Files) -> Files:
        seen.append(files["apps/a.yaml"])
        if len(seen) < 3:
            source.write(apps__a_yaml=f"a: 1\nother: {len(seen)}\n")
            source.git("checkout", "-q", "main", "--", "run.sh")
            source.commit("somebody else's")
        return {"apps/a.yaml": (files["apps/a.yaml"] or b"").replace(b"a: 1", b"a: 2")}

    made = await commit(repositories, source, change, "apps/a.yaml")
    assert seen == [b"a: 1\n", b"a: 1\nother: 1\n", b"a: 1\nother: 2\n"]
    assert source.git("cat-file", "blob", "main:apps/a.yaml") == "a: 2\nother: 2"
    assert source.git("log", "--format=%s", made).split("\n") == ["Move", "somebody else's", "somebody else's", "first"]


async def test_many_operators_at_once_lose_nothing(source: Source, tmp_path: Path) -> None:
    operators = [GitRepositories(tmp_path / f"cache-{number}", interval=3600) for number in range(3)]

    def append(line: bytes) -> Callable[[Files], Files]:
        return lambda files: {"apps/a.yaml": (files["apps/a.yaml"] or b"") + line}

    await asyncio.gather(
        *(commit(each, source, append(b"# %d\n" % number), "apps/a.yaml") for number, each in enumerate(operators))
    )
    assert sorted(source.git("cat-file", "blob", "main:apps/a.yaml").split("\n")) == ["# 0", "# 1", "# 2", "a: 1"]
    for each in operators:
        await each.close()


async def test_a_protected_branch_is_told_in_the_words_of_its_host(
    source: Source, repositories: GitRepositories
) -> None:
    hook = source.path / ".git/hooks/pre-receive"
    hook.parent.mkdir(exist_ok=True)
    hook.write_text("#!/bin/sh\necho 'main is protected: make a merge request' >&2\nexit 1\n")
    hook.chmod(0o755)
    old, asked = source.git("rev-parse", "main"), []

    def change(files: Files) -> Files:
        asked.append(1)
        return {"apps/a.yaml": b"a: 2\n"}

    with pytest.raises(
        GitError, match=r"does not take the push: pre-receive hook declined: main is protected.*pull request"
    ):
        await commit(repositories, source, change, "apps/a.yaml")
    assert (source.git("rev-parse", "main"), asked) == (old, [1])


async def test_a_remote_that_only_hands_out_takes_nothing(
    source: Source, repositories: GitRepositories, tmp_path: Path
) -> None:
    web = WebServer(tmp_path / "web")
    try:
        source.publish(tmp_path / "web/fleet.git")
        repository = repositories.open(web.url("fleet.git"))
        with pytest.raises(GitError, match=r"127\.0\.0\.1"):
            await repository.commit_files(
                branch="main", paths=["apps/a.yaml"], change=to(apps__a_yaml="a: 2"), message="Move", author=ANN
            )
    finally:
        web.close()


async def test_a_branch_for_a_pull_request_is_made_once_and_anew(source: Source, repositories: GitRepositories) -> None:
    change = to(apps__a_yaml="a: 2\n")
    old = source.git("rev-parse", "main")
    made = await commit(repositories, source, change, "apps/a.yaml", onto="fleetui/x-1")
    assert source.git("rev-parse", "fleetui/x-1") == made
    assert source.git("rev-parse", "main", "fleetui/x-1~1").split() == [old, old]
    assert await commit(repositories, source, change, "apps/a.yaml", onto="fleetui/x-1") == made
    moved = source.commit("main moves on")
    anew = await commit(repositories, source, change, "apps/a.yaml", onto="fleetui/x-1")
    assert source.git("rev-parse", "main", "fleetui/x-1", "fleetui/x-1~1").split() == [moved, anew, moved]


async def test_what_is_pushed_to_that_branch_meanwhile_stays(source: Source, repositories: GitRepositories) -> None:
    await commit(repositories, source, to(apps__a_yaml="a: 2\n"), "apps/a.yaml", onto="moves")

    def change(files: Files) -> Files:
        source.git("branch", "-f", "moves", source.commit("a reviewer's"))
        return {"apps/a.yaml": b"a: 3\n"}

    with pytest.raises(GitError, match="does not take the push"):
        await commit(repositories, source, change, "apps/a.yaml", onto="moves")
    assert source.git("log", "-1", "--format=%s", "moves") == "a reviewer's"


@pytest.mark.parametrize(
    ("path", "why"),
    [
        ("../out.yaml", "no file of the repository"),
        ("", "no file of the repository"),
        ("apps", "is no file, or lies below one"),
        ("run.sh/x", "is no file, or lies below one"),
        ("vendor/x/values.yaml", "lies in the submodule vendor/x"),
        ("vendor/x", "lies in the submodule vendor/x"),
    ],
)
async def test_what_is_no_file_is_refused(source: Source, repositories: GitRepositories, path: str, why: str) -> None:
    head = source.git("rev-parse", "main")
    source.git("update-index", "--add", "--cacheinfo", f"160000,{head},vendor/x")
    source.git("commit", "-q", "-m", "a submodule")
    with pytest.raises(RefusedError, match=why):
        await commit(repositories, source, lambda _: {path: b"1"}, "apps/a.yaml")


async def test_a_tag_takes_no_commit(source: Source, repositories: GitRepositories) -> None:
    source.git("tag", "v1")
    with pytest.raises(RefusedError, match="'v1' is no branch"):
        await commit(repositories, source, to(apps__a_yaml="2"), "apps/a.yaml", branch="v1")


async def test_the_commits_that_changed_a_file(source: Source, repositories: GitRepositories) -> None:
    first = source.git("rev-parse", "main")
    source.write(apps__a_yaml="a: 2\n")
    second = source.commit("Move a")
    source.write(apps__b_yaml="b: 2\n")
    third = source.commit("Move b")
    repository = repositories.open(source.url)
    await repository.resolve("main")
    assert [each.sha for each in await repository.touched(third, "apps/a.yaml", limit=5)] == [second, first]
    assert [each.subject for each in await repository.touched(third, "link.yaml", limit=1)] == ["Move a"]
    assert [each.sha for each in await repository.touched(second, "apps/b.yaml", limit=5)] == [first]
    assert await repository.touched(third, "*.yaml", limit=5) == ()
