"""Which commit wrote each line of a file."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from backends.git import GitRepositories
from backends.git_blame import parse_blame
from backends.git_process import Processes
from fleetui.model.change import Commit
from fleetui.model.errors import GitError, PathNotFoundError
from tests.unit.git_source import Source

ANNA = {
    "GIT_AUTHOR_NAME": "Anna \x1b[31m",
    "GIT_AUTHOR_EMAIL": "anna@example.org",
    "GIT_AUTHOR_DATE": "1700000000 +0000",
}


@pytest.fixture
def source(tmp_path: Path) -> Source:
    return Source(tmp_path / "source")


@pytest.fixture
async def repositories(tmp_path: Path) -> AsyncIterator[GitRepositories]:
    opened = GitRepositories(tmp_path / "cache", interval=3600, local_interval=0.02)
    yield opened
    await opened.close()


@pytest.mark.parametrize("kind", ["sha1", "sha256"])
async def test_each_line_has_the_commit_that_wrote_it(
    tmp_path: Path, repositories: GitRepositories, kind: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    source = Source(tmp_path / kind, object_format=kind)
    source.write(apps__settings_yaml="a: 1\nb: 1\nc: 1\n")
    first = source.commit("initial settings", **ANNA)
    source.write(apps__settings_yaml="a: 1\nb: 2\nc: 1\nd: 1")
    second = source.commit("raise b\n\nbecause")
    source.write(apps__settings_yaml="a: 9\n")
    source.commit("later")
    calls: list[object] = []
    run = Processes.run

    def spy(self: Processes, arguments: list[str], **options: object) -> object:
        calls.extend(each for each in arguments if each == "blame")
        return run(self, arguments, **options)  # type: ignore[arg-type]

    monkeypatch.setattr(Processes, "run", spy)
    repository = repositories.open(source.url)
    found = await repository.blame(second, "apps/settings.yaml")
    assert [commit.sha for commit in found] == [first, second, first, second]
    assert found[0] == Commit(first, "Anna \ufffd[31m", "anna@example.org", 1_700_000_000.0, "initial settings")
    assert (found[1].author, found[1].subject) == ("Ada", "raise b")
    assert await repository.blame(second, "apps/settings.yaml") is found
    assert len(calls) == 1


async def test_links_are_followed_and_names_are_taken_as_they_are(
    source: Source, repositories: GitRepositories
) -> None:
    source.put("real/*.yaml", b"a: 1\n")
    source.put("real/-x.yaml", b"a: 1\n")
    source.put(":(top)y.yaml", b"a: 1\n")
    (source.path / "link").symlink_to("real")
    sha = source.commit()
    repository = repositories.open(source.url)
    for path in ("link/*.yaml", "real/-x.yaml", ":(top)y.yaml"):
        assert [commit.sha for commit in await repository.blame(sha, path)] == [sha]


async def test_the_history_is_that_of_the_pinned_commit(source: Source, repositories: GitRepositories) -> None:
    source.write(a_yaml="a: 1\n")
    sha = source.commit(**ANNA)
    # A bare repository of that branch would take the names from here.
    source.git("branch", "-m", "master")
    source.put(".mailmap", b"Somebody Else <else@example.org> <anna@example.org>\n")
    source.commit()
    (commit,) = await repositories.open(source.url).blame(sha, "a.yaml")
    assert commit.email == "anna@example.org"


async def test_what_is_no_file_is_told_in_one_sentence(source: Source, repositories: GitRepositories) -> None:
    source.write(folder__a_yaml="a: 1\n", empty_yaml="")
    sha = source.commit()
    repository = repositories.open(source.url)
    for path in ("nothing.yaml", "folder", "", "../a"):
        with pytest.raises(PathNotFoundError, match="there is no file"):
            await repository.blame(sha, path)
    assert await repository.blame(sha, "empty.yaml") == ()
    with pytest.raises(GitError):
        await repositories.open("nonsense\n").blame(sha, "a")


lines = st.sampled_from([b"a" * 40 + b" 1 1 2", b"a" * 40 + b" 3 2 1", b"author x", b"author-time 9", b"boundary"])


@given(st.lists(lines | st.binary(max_size=20), max_size=8))
def test_no_output_is_too_odd(output: list[bytes]) -> None:
    assert all(isinstance(commit, Commit) for commit in parse_blame(b"\n".join(output)))


def test_odd_output_is_no_error() -> None:
    sha = b"a" * 40
    assert parse_blame(b"") == ()
    assert parse_blame(b"garbage\n\xff\xfe\n") == ()
    (commit,) = parse_blame(sha + b" 1 1 1\nauthor \xff\nauthor-time x\n")
    assert commit == Commit("a" * 40, "\ufffd", "", 0.0, "")
