"""Repositories on this machine: revisions, files, commits, and how changes are noticed."""

from __future__ import annotations

import asyncio
import contextlib
import os
import shutil
import subprocess
import sys
from collections.abc import AsyncIterator, Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from backends import git_poll
from backends.git import GitRepositories
from backends.git_commit import author_of
from backends.git_process import Processes
from backends.git_refs import fingerprint
from fleetui.model.errors import (
    FleetError,
    GitError,
    NotARepositoryError,
    PathNotFoundError,
    RefusedError,
    RepositoryUnreachableError,
    RevisionNotFoundError,
)
from tests.unit.git_source import Source, WebServer, files_of
from tests.waiting import await_until


@pytest.fixture
def source(tmp_path: Path) -> Source:
    return Source(tmp_path / "source")


@pytest.fixture
async def repositories(tmp_path: Path) -> AsyncIterator[GitRepositories]:
    opened = GitRepositories(tmp_path / "cache", interval=3600, local_interval=0.02)
    yield opened
    await opened.close()


@pytest.fixture
def web(tmp_path: Path) -> Iterator[WebServer]:
    server = WebServer(tmp_path / "web")
    yield server
    server.close()


@pytest.fixture
def commands(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """The git commands that are run, by their names."""
    names: list[str] = []
    run = Processes.run

    def spy(self: Processes, arguments: Any, **options: Any) -> Any:
        names.append(next(str(each) for each in arguments if not str(each).startswith("--git-dir")))
        return run(self, arguments, **options)

    monkeypatch.setattr(Processes, "run", spy)
    return names


# --- revisions ------------------------------------------------------------------------------------------------------


async def test_resolves_every_kind_of_revision(source: Source, repositories: GitRepositories) -> None:
    first, second = source.commit("one"), source.commit("two")
    source.git("tag", "plain", first)
    source.git("tag", "-a", "annotated", "-m", "x", first)
    source.git("tag", "-a", "nested", "-m", "x", "annotated")
    source.git("branch", "feature/x", first)
    source.git("branch", "both", first)
    source.git("tag", "both", second)
    repository = repositories.open(source.url)
    for revision in ("plain", "annotated", "nested", "feature/x", "refs/tags/annotated", first, first[:7]):
        assert await repository.resolve(revision) == first, revision
    for revision in ("main", "HEAD", "", "refs/heads/main", second.upper(), source.git("rev-parse", "--short", "HEAD")):
        assert await repository.resolve(revision) == second, revision
    assert await repository.resolve("both") == first
    assert await repository.resolve(source.git("rev-parse", "nested")) == first


async def test_follows_a_head_that_is_on_no_branch(source: Source, repositories: GitRepositories) -> None:
    source.commit("one")
    source.git("checkout", "-q", "--detach")
    sha = source.commit("two")
    assert await repositories.open(source.url).resolve("HEAD") == sha


async def test_a_range_of_versions_means_the_newest_tag_that_it_allows(
    source: Source, repositories: GitRepositories
) -> None:
    made: dict[str, str] = {}
    for tag in ("v1.0.0", "v1.9.0", "v1.10.0", "v2.0.0-rc.1", "nightly", "api-1.4.0", "api-1.5.0", "web-1.7.0"):
        made[tag] = source.commit(tag)
        source.git("tag", "-a", "-m", tag, tag)
    main = source.commit("after")
    repository = repositories.open(source.url)
    wanted = {"1.*": "v1.10.0", "~1.9": "v1.9.0", ">=1.0 <1.10": "v1.9.0", ">=2.0.0-0": "v2.0.0-rc.1"}
    assert {wish: await repository.resolve(wish) for wish in wanted} == {k: made[v] for k, v in wanted.items()}
    prefixed = {"*": "api-1.5.0", "<1.5": "api-1.4.0", "1.4.0": "api-1.4.0"}
    found = {wish: await repository.resolve(wish, tag_prefix="api-") for wish in prefixed}
    assert found == {wish: made[tag] for wish, tag in prefixed.items()}
    assert await repository.resolve("main", tag_prefix="api-") == main
    assert await repository.resolve("v1.0.0") == made["v1.0.0"]
    with pytest.raises(RevisionNotFoundError, match="has no branch, tag or commit"):
        await repository.resolve(">=9", tag_prefix="api-")


async def test_fetches_what_lies_on_no_branch_and_no_tag_when_it_is_asked_for(
    source: Source, repositories: GitRepositories
) -> None:
    main = source.commit("one")
    source.git("checkout", "-q", "--detach")
    pull, lost = source.commit("pull request"), source.commit("on no reference at all")
    source.git("update-ref", "refs/pull/1/head", pull)
    source.git("config", "uploadpack.allowAnySHA1InWant", "true")
    source.git("checkout", "-q", "main")
    repository = repositories.open(source.url)
    assert await repository.resolve("main") == main
    assert await repository.resolve("refs/pull/1/head") == pull
    assert await repository.resolve(lost) == lost
    again = source.git("commit-tree", "-p", pull, "-m", "pushed again", f"{pull}^{{tree}}")
    source.git("update-ref", "refs/pull/1/head", again)
    assert await repository.resolve("refs/pull/1/head", fetch=True) == again


@pytest.mark.parametrize(
    ("revision", "hint"),
    [
        ("nope", "check its name"),
        ("1.*", "has no branch, tag or commit '1.*'"),
        ("0" * 40, "check its name"),
        ("abcdef0", "check its name"),
        ("refs/heads/nope", "check its name"),
        ("refs/pull/1/head", "check its name"),
        ("refs/../x", "check its name"),
        ("--output=/tmp/x", "check its name"),
        ("main~1", "check its name"),
        ("main:a.yaml", "check its name"),
        ("@{upstream}", "check its name"),
        ("\x1b[2J", "check its name"),
    ],
)
async def test_says_that_a_revision_is_missing(
    source: Source, repositories: GitRepositories, revision: str, hint: str
) -> None:
    source.commit()
    with pytest.raises(RevisionNotFoundError, match=hint) as caught:
        await repositories.open(source.url).resolve(revision)
    assert "\x1b" not in str(caught.value)


async def test_an_empty_repository_has_no_commits_until_the_first(
    source: Source, repositories: GitRepositories
) -> None:
    repository = repositories.open(source.url)
    with pytest.raises(RevisionNotFoundError, match="has no commits yet"):
        await repository.resolve("HEAD")
    sha = source.commit()
    assert await repository.resolve("HEAD") == sha


async def test_never_answers_from_a_mirror_of_an_earlier_run(source: Source, tmp_path: Path) -> None:
    old = source.commit("one")
    before = GitRepositories(tmp_path / "cache")
    assert await before.open(source.url).resolve("main") == old
    await before.close()
    new = source.commit("two")
    after = GitRepositories(tmp_path / "cache")
    assert await after.open(source.url).resolve("main") == new
    shutil.rmtree(source.path)
    with pytest.raises(RepositoryUnreachableError, match="no such folder"):
        await after.open(source.url).resolve("main")
    assert await after.open(source.url).resolve(old) == old
    assert (await after.open(source.url).commit(old)).subject == "one"
    await after.close()


async def test_follows_a_branch_that_is_rewritten_moved_or_replaced(
    source: Source, repositories: GitRepositories
) -> None:
    source.commit("one")
    gone = source.commit("two")
    source.git("branch", "topic")
    repository = repositories.open(source.url)
    assert await repository.resolve("topic") == gone
    source.git("reset", "-q", "--hard", "HEAD~1")
    forced = source.commit("two, again")
    source.git("branch", "-D", "topic")
    source.git("branch", "topic/below", forced)
    assert await repository.resolve("main") == forced
    assert await repository.resolve("topic/below") == forced
    with pytest.raises(RevisionNotFoundError):
        await repository.resolve("topic")
    shutil.rmtree(source.path)
    other = Source(source.path).commit("another repository at the same place")
    assert await repository.resolve("main") == other


# --- files ----------------------------------------------------------------------------------------------------------


async def test_reads_the_files_of_a_folder(source: Source, repositories: GitRepositories) -> None:
    blob = bytes(range(256)) * 40
    source.put("apps/a/x.yaml", blob)
    source.put("apps/a/empty", b"")
    source.put("apps/a/ü/☃ y.yaml", b"y")
    source.put("apps/ab.yaml", b"not below apps/a")
    sha = source.commit()
    repository = repositories.open(source.url)
    for path in ("apps/a", "/apps/a/", "./apps//a/.", "apps/b/../a"):
        files = await files_of(repository, sha, path)
        assert files == {"x.yaml": blob, "empty": b"", "ü/☃ y.yaml": b"y"}, path
    assert len(await files_of(repository, sha)) == 4
    assert await files_of(repository, sha, "apps/a/ü") == {"☃ y.yaml": b"y"}


@pytest.mark.parametrize(
    ("path", "what"),
    [
        ("nope", "does not exist"),
        ("a.yaml", "is a file"),
        ("../x", "does not exist"),
        ("a", "does not exist"),
        ("a.yaml/b", "does not exist"),
        ("loop/x", "does not exist"),
    ],
)
async def test_says_that_a_folder_is_missing(
    source: Source, repositories: GitRepositories, path: str, what: str
) -> None:
    source.write(a_yaml="x")
    (source.path / "loop").symlink_to("loop")
    sha = source.commit()
    with pytest.raises(PathNotFoundError, match=what):
        await files_of(repositories.open(source.url), sha, path)


async def test_links_stand_for_files_of_the_commit(source: Source, repositories: GitRepositories) -> None:
    source.write(base__x_yaml="x", base__deep__y_yaml="y")
    links = {
        "app/to-file.yaml": "../base/x.yaml",
        "app/through-folder.yaml": "folder/deep/y.yaml",
        "app/through-link.yaml": "to-file.yaml",
        "app/folder": "../base",
        "app/dangling.yaml": "nowhere.yaml",
        "app/loop.yaml": "loop.yaml",
    }
    (source.path / "app").mkdir()
    for name, target in links.items():
        (source.path / name).symlink_to(target)
    sha = source.commit()
    repository = repositories.open(source.url)
    assert await files_of(repository, sha, "app") == {
        "to-file.yaml": b"x",
        "through-folder.yaml": b"y",
        "through-link.yaml": b"x",
    }
    assert await files_of(repository, sha, "app/folder/deep") == {"y.yaml": b"y"}
    # A listing does not go into folders behind links, as filepath.Walk does not; who knows a path gets the file.
    files = (await repository.tree(sha)).files("app")
    assert await asyncio.to_thread(files.__getitem__, "folder/deep/y.yaml") == b"y"
    assert "folder/deep/y.yaml" in files
    assert [name in files for name in ("folder/deep", "../../x", "dangling.yaml", "loop.yaml")] == [False] * 4


@pytest.mark.parametrize("version", ["git-lfs.github.com", "hawser.github.com"])
async def test_what_lies_in_lfs_is_refused_by_name_where_it_is_rendered(
    source: Source, repositories: GitRepositories, version: str
) -> None:
    pointer = f"version https://{version}/spec/v1\noid sha256:{'0' * 64}\nsize 12\n".encode()
    for name in ("app/a.yaml", "app/charts/x.tgz", "app/Kustomization", "app/logo.png"):
        source.put(name, pointer)
    files = (await repositories.open(source.url).tree(source.commit())).files("app")
    for name in ("a.yaml", "charts/x.tgz", "Kustomization"):
        with pytest.raises(GitError, match=rf"the file 'app/{name}' of file:.* lies in Git LFS, which is not"):
            await asyncio.to_thread(files.__getitem__, name)
    assert await asyncio.to_thread(files.__getitem__, "logo.png") == pointer


async def test_names_of_files_are_made_harmless(source: Source, repositories: GitRepositories) -> None:
    source.put("\x1b]0;x\x07.yaml", b"1")
    source.put("two\nlines\t.yaml", b"2")
    source.put(os.fsdecode(b"bytes/\xff.yaml"), b"3")
    sha = source.commit()
    files = await files_of(repositories.open(source.url), sha)
    assert files == {"\ufffd]0;x\ufffd.yaml": b"1", "two\ufffdlines\ufffd.yaml": b"2", "bytes/\\xff.yaml": b"3"}


async def test_huge_files_are_not_read(source: Source, repositories: GitRepositories) -> None:
    source.put("video.bin", b"\0" * (17 * 1024 * 1024))
    source.put("a.yaml", b"x")
    files = (await repositories.open(source.url).tree(source.commit())).files("")
    assert await asyncio.to_thread(files.__getitem__, "a.yaml") == b"x"
    with pytest.raises(GitError, match=r"'video\.bin' of .* is larger than 16 MiB"):
        await asyncio.to_thread(files.__getitem__, "video.bin")


@pytest.mark.parametrize("target", ["/etc/passwd", "../../x", "../../source/a.yaml"])
async def test_a_commit_with_a_link_to_the_outside_is_refused(
    source: Source, repositories: GitRepositories, target: str
) -> None:
    source.write(app__x_yaml="x", a_yaml="a")
    (source.path / "app" / "out.yaml").symlink_to(target)
    with pytest.raises(RefusedError, match=r"repository contains out-of-bounds symlinks\. file: app/out\.yaml"):
        await files_of(repositories.open(source.url), source.commit(), "app")


async def test_the_id_of_a_folder_is_that_of_its_content(source: Source, repositories: GitRepositories) -> None:
    source.write(app__x_yaml="x", base__y_yaml="y", linked__a_yaml="a")
    (source.path / "linked" / "y.yaml").symlink_to("../base/y.yaml")
    repository = repositories.open(source.url)
    before = await repository.tree(source.commit())
    source.write(app__z_yaml="z", other__b_yaml="b")
    added = await repository.tree(source.commit())
    source.write(base__y_yaml="new")
    changed = await repository.tree(source.commit())
    assert before.oid("app") != added.oid("app") == changed.oid("app") != ""
    assert before.oid("app/x.yaml") == changed.oid("app/x.yaml") != ""
    assert before.oid("base") == added.oid("base") != changed.oid("base")
    assert before.oid("linked") == added.oid("linked") != changed.oid("linked"), "a link's target counts"
    assert len({tree.oid("") for tree in (before, added, changed)}) == 3
    assert before.oid("nope") == before.oid("app/nope.yaml") == before.oid("../x") == ""


async def test_a_folder_is_read_at_once_and_only_what_changed_again(
    source: Source, repositories: GitRepositories, commands: list[str]
) -> None:
    for number in range(50):
        source.put(f"app/{number}.yaml", b"%d" % number)
    repository = repositories.open(source.url)
    await files_of(repository, source.commit(), "app")
    assert commands.count("cat-file") == 1
    assert await files_of(repository, source.commit("nothing new"), "app")
    assert commands.count("cat-file") == 1


async def test_reads_a_new_commit_without_reading_the_old_files_again(
    source: Source, repositories: GitRepositories, monkeypatch: pytest.MonkeyPatch
) -> None:
    read: list[bytes] = []
    run = Processes.run

    def spy(self: Processes, arguments: Any, **options: Any) -> Any:
        if "cat-file" in arguments:
            read.extend(options["stdin"].split())
        return run(self, arguments, **options)

    monkeypatch.setattr(Processes, "run", spy)
    source.write(a_yaml="a", b_yaml="b", c_yaml="c")
    repository = repositories.open(source.url)
    await files_of(repository, source.commit())
    assert len(read) == 3
    source.write(b_yaml="changed")
    assert (await files_of(repository, source.commit()))["b.yaml"] == b"changed"
    assert len(read) == 4


@pytest.mark.parametrize("object_format", ["sha1", "sha256"])
async def test_eight_readers_at_once_each_get_their_own_commit(
    tmp_path: Path, repositories: GitRepositories, object_format: str
) -> None:
    source = Source(tmp_path / "many", object_format=object_format)
    commits: list[str] = []
    for number in range(8):
        for name in range(20):
            source.put(f"d{name % 5}/f{name}.yaml", f"commit {number} file {name}\n".encode() * (number + 1))
        commits.append(source.commit(f"number {number}"))
    repository = repositories.open(source.url)

    async def read(number: int) -> None:
        for _ in range(3):
            files = await files_of(repository, commits[number], f"d{number % 5}")
            commit = await repository.commit(commits[number])
            assert commit.subject == f"number {number}"
            for name, content in files.items():
                wanted = f"commit {number} file {name[1:-5]}\n".encode() * (number + 1)
                assert content == wanted

    await asyncio.gather(*(read(number) for number in range(8)))


# --- commits --------------------------------------------------------------------------------------------------------


async def test_tells_who_committed_what_and_when(source: Source, repositories: GitRepositories) -> None:
    sha = source.commit("a subject\nof two lines\n\nand a body", GIT_AUTHOR_DATE="1700000000 +0530")
    commit = await repositories.open(source.url).commit(sha)
    assert (commit.sha, commit.author, commit.email, commit.time) == (sha, "Ada", "ada@example.org", 1700000000.0)
    assert (commit.subject, commit.message) == ("a subject of two lines", "a subject\nof two lines\n\nand a body")
    assert (await repositories.open(source.url).commit(sha[:8])).sha == sha


async def test_text_of_a_commit_is_made_harmless(source: Source, repositories: GitRepositories) -> None:
    text = "\x1b[2J\x1b]0;x\x07[@click=app.quit]\u202eevil"
    sha = source.commit(text, GIT_AUTHOR_NAME=f"A{text}")
    commit = await repositories.open(source.url).commit(sha)
    assert commit.subject == "\ufffd[2J\ufffd]0;x\ufffd[@click=app.quit]\ufffdevil"
    assert not any(char in commit.author + commit.message for char in "\x1b\x07\u202e")


async def test_reads_a_message_in_another_encoding(source: Source, repositories: GitRepositories) -> None:
    source.git("config", "i18n.commitEncoding", "ISO-8859-1")
    source.git(b"commit", b"--allow-empty", b"-qm", "Grüße".encode("latin-1"))
    assert (await repositories.open(source.url).commit(source.git("rev-parse", "HEAD"))).subject == "Grüße"


# --- noticing changes -----------------------------------------------------------------------------------------------


async def test_a_change_on_this_machine_is_told_at_once_and_costs_nothing_until_then(
    source: Source, repositories: GitRepositories, commands: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    looks: list[None] = []
    look = fingerprint

    def counted(folder: Path) -> Any:
        looks.append(None)
        return look(folder)

    monkeypatch.setattr(git_poll, "fingerprint", counted)
    source.commit("one")
    repository = repositories.open(source.url)
    await repository.resolve("main")
    told: list[None] = []
    subscription = repository.subscribe(lambda: told.append(None))
    before = list(commands)
    await await_until(lambda: len(looks) >= 8, 5, "eight looks at the references")
    assert commands == before
    assert told == []
    changes: list[Callable[[], str]] = [
        lambda: source.commit("two"),
        lambda: source.git("tag", "v1"),
        lambda: source.git("branch", "topic"),
        lambda: source.git("branch", "-D", "topic"),
    ]
    for count, change in enumerate(changes, start=1):
        change()
        await await_until(lambda: len(told) == count, 5, f"change {count} is told")  # noqa: B023 - awaited in the loop
    source.git("pack-refs", "--all")
    before_packing = len(commands)
    await await_until(lambda: len(commands) > before_packing, 5, "the packed references are looked at")
    subscription.close()
    subscription.close()
    assert len(told) == len(changes)


async def test_a_listener_that_fails_does_not_keep_the_news_from_others(
    source: Source, repositories: GitRepositories, caplog: pytest.LogCaptureFixture
) -> None:
    source.commit("one")
    repository = repositories.open(source.url)
    await repository.resolve("main")
    told: list[None] = []

    def broken() -> None:
        raise RuntimeError("listener")

    repository.subscribe(broken)
    repository.subscribe(lambda: told.append(None))
    source.commit("two")
    await await_until(lambda: told, 5, "the second listener is told")
    assert "a listener of" in caplog.text


async def test_tells_when_a_repository_can_be_read_again(source: Source, repositories: GitRepositories) -> None:
    source.commit()
    away = source.path.with_name("away")
    source.path.rename(away)
    repository = repositories.open(source.url)
    told: list[None] = []
    repository.subscribe(lambda: told.append(None))
    with pytest.raises(RepositoryUnreachableError):
        await repository.resolve("main")
    away.rename(source.path)
    await await_until(lambda: told, 5, "the repository's return is told")


async def test_those_who_ask_at_once_share_one_question(
    source: Source, repositories: GitRepositories, commands: list[str]
) -> None:
    sha = source.commit()
    repository = repositories.open(source.url)
    assert set(await asyncio.gather(*(repository.resolve("main", fetch=True) for _ in range(8)))) == {sha}
    assert commands.count("ls-remote") == 1
    assert commands.count("fetch") == 1


async def test_who_asks_later_does_not_get_an_earlier_answer(
    source: Source, repositories: GitRepositories, commands: list[str]
) -> None:
    source.commit("one")
    repository = repositories.open(source.url)
    early = asyncio.ensure_future(repository.resolve("main", fetch=True))
    await await_until(lambda: "ls-remote" in commands, 5, "the first question is under way")
    sha = source.commit("two")
    assert await repository.resolve("main", fetch=True) == sha
    await early


# --- mirrors --------------------------------------------------------------------------------------------------------


def mirror_of(tmp_path: Path) -> Path:
    [mirror] = [path for path in (tmp_path / "cache").iterdir() if path.is_dir()]
    return mirror


@pytest.mark.parametrize("damage", ["objects", "HEAD", "everything", "one pack", "refs"])
async def test_a_damaged_mirror_is_made_anew(
    source: Source, repositories: GitRepositories, tmp_path: Path, damage: str
) -> None:
    source.write(a_yaml="a")
    sha = source.commit()
    repository = repositories.open(source.url)
    await repository.resolve("main")
    mirror = mirror_of(tmp_path)
    if damage == "objects":
        shutil.rmtree(mirror / "objects")
        (mirror / "objects").mkdir()
    elif damage == "HEAD":
        (mirror / "HEAD").unlink()
    elif damage == "everything":
        shutil.rmtree(mirror)
    elif damage == "refs":
        shutil.rmtree(mirror / "refs")
    else:
        for path in (mirror / "objects").rglob("*"):
            if path.is_file():
                path.chmod(0o644)
                path.write_bytes(b"garbage")
    assert await files_of(repository, sha) == {"a.yaml": b"a"}
    newer = source.commit("after the damage")
    assert await repository.resolve("main") == newer
    assert await files_of(repository, newer) == {"a.yaml": b"a"}


async def test_what_a_killed_process_left_is_swept(source: Source, tmp_path: Path) -> None:
    source.commit("one")
    first = GitRepositories(tmp_path / "cache")
    await first.open(source.url).resolve("main")
    await first.close()
    mirror = mirror_of(tmp_path)
    leftover = mirror.with_name(f"{mirror.name}.new-00ff00ff")
    (leftover / "objects").mkdir(parents=True)
    for name in ("packed-refs.lock", "HEAD.lock", "refs/heads/main.lock"):
        (mirror / name).touch()
    sha = source.commit("two")
    second = GitRepositories(tmp_path / "cache")
    assert await second.open(source.url).resolve("main") == sha
    await second.close()
    assert mirror_of(tmp_path) == mirror


PROGRAM = """
import asyncio, sys
from pathlib import Path
from backends.git import GitRepositories

async def main(cache, url):
    repositories = GitRepositories(Path(cache))
    repository = repositories.open(url)
    sha = await repository.resolve("main")
    tree = await repository.tree(sha)
    print(sha, len(await asyncio.to_thread(lambda: dict(tree.files('')))), flush=True)
    await repositories.close()

asyncio.run(main(*sys.argv[1:]))
"""


def run_program(*arguments: str | Path) -> subprocess.Popen[str]:
    root = Path(__file__).parents[2]
    command = [sys.executable, "-c", PROGRAM, *map(str, arguments)]
    return subprocess.Popen(command, cwd=root, stdout=subprocess.PIPE, text=True, start_new_session=True)


def test_processes_share_a_mirror(source: Source, tmp_path: Path) -> None:
    for name in range(50):
        source.put(f"{name}.yaml", str(name).encode())
    sha = source.commit()
    programs = [run_program(tmp_path / "cache", source.url) for _ in range(3)]
    assert [program.communicate()[0].split() for program in programs] == [[sha, "50"]] * 3
    assert (mirror_of(tmp_path) / "HEAD").is_file()


async def test_a_process_killed_while_it_makes_the_mirror_leaves_no_half_of_it(
    source: Source, repositories: GitRepositories, web: WebServer, tmp_path: Path
) -> None:
    sha = source.commit()
    source.publish(tmp_path / "web" / "x.git")
    web.stuck = "/objects/"
    program = run_program(tmp_path / "cache", web.url("x.git"))
    await await_until(lambda: any("/objects/" in path for path in web.requests), 10, "a mirror is half made")
    assert list((tmp_path / "cache").glob("*.new-*/HEAD"))
    program.kill()
    program.communicate()
    web.stuck = ""
    assert await repositories.open(web.url("x.git")).resolve("main") == sha
    assert (mirror_of(tmp_path) / "HEAD").is_file()


# --- environment ----------------------------------------------------------------------------------------------------


async def test_the_operators_git_settings_and_variables_do_not_count(
    source: Source, repositories: GitRepositories, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    sha = source.commit("right")
    wrong = Source(tmp_path / "wrong")
    wrong.commit("wrong")
    (tmp_path / ".gitconfig").write_text(f'[url "{wrong.url}"]\n  insteadOf = {source.url}\n')
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setenv("GIT_DIR", str(wrong.path / ".git"))
    monkeypatch.setenv("GIT_WORK_TREE", str(wrong.path))
    monkeypatch.setenv("GIT_INDEX_FILE", "/nonexistent")
    monkeypatch.setenv("GIT_CONFIG_COUNT", "1")
    monkeypatch.setenv("GIT_CONFIG_KEY_0", f"url.{wrong.url}.insteadOf")
    monkeypatch.setenv("GIT_CONFIG_VALUE_0", source.url)
    repository = repositories.open(source.url)
    assert await repository.resolve("main") == sha
    assert (await repository.commit(sha)).subject == "right"


async def test_says_that_git_is_not_installed(
    source: Source, repositories: GitRepositories, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    url = source.url
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(FleetError, match=r"git is not installed .*apt-get install git"):
        await repositories.open(url).resolve("main")


async def test_says_that_the_cache_can_not_be_written(source: Source, tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    repositories = GitRepositories(tmp_path / "file" / "cache")
    with pytest.raises(FleetError, match=r"cache folder .* can't be made: .*XDG_CACHE_HOME"):
        await repositories.open(source.url).resolve("main")
    await repositories.close()


async def test_says_that_a_folder_is_no_repository(repositories: GitRepositories, tmp_path: Path) -> None:
    with pytest.raises(NotARepositoryError, match="there is no Git repository at"):
        await repositories.open(str(tmp_path)).resolve("main")


async def test_an_address_that_can_not_be_used_is_told_by_the_first_call(repositories: GitRepositories) -> None:
    repository = repositories.open("ext::sh -c x")
    repository.subscribe(lambda: None).close()
    for call in (repository.resolve("main"), files_of(repository, "0" * 40), repository.commit("0" * 40)):
        with pytest.raises(GitError, match="no address of a Git repository"):
            await call


async def test_closing_ends_what_waits_for_a_dead_host(web: WebServer, tmp_path: Path) -> None:
    web.stuck = "/"
    repositories = GitRepositories(tmp_path / "cache")
    waiting = asyncio.ensure_future(repositories.open(web.url("x.git")).resolve("main"))
    await await_until(lambda: web.requests, 10, "the remote is asked")
    assert running(web.url("x.git"))
    await repositories.close()
    with pytest.raises(FleetError, match=r"was closed|is ending"):
        await waiting
    await await_until(lambda: not running(web.url("x.git")), 5, "every git process has ended")
    with pytest.raises(FleetError, match="is ending"):
        await repositories.open(web.url("x.git")).resolve("main")


def running(word: str) -> list[str]:
    """The command lines of this machine's processes that contain `word`."""
    found = []
    for path in Path("/proc").glob("[0-9]*/cmdline"):
        with contextlib.suppress(OSError):
            line = path.read_text(errors="replace")
            if word in line:
                found.append(line)
    return found


# --- putting a folder back ------------------------------------------------------------------------------------------


async def put_back(
    repositories: GitRepositories, source: Source, path: str, revision: str, branch: str = "HEAD"
) -> str:
    return await repositories.open(source.url).put_back(
        branch=branch, path=path, revision=revision, message="Roll back\n\nBecause.\n", author=("ann", "ann@bastion")
    )


@pytest.fixture
def bare(tmp_path: Path) -> Source:
    """A repository that takes pushes, with two commits on main; `main~1` is the older one."""
    source = Source(tmp_path / "work")
    source.write(shop__app_yaml="a: 1", shop__old_yaml="o: 1", other__app_yaml="x: 1")
    source.commit("first")
    (source.path / "shop/old.yaml").unlink()
    source.write(shop__app_yaml="a: 2", shop__new_yaml="n: 1", other__app_yaml="x: 2", top_yaml="t: 1")
    source.commit("second")
    source.git("config", "receive.denyCurrentBranch", "ignore")
    return source


async def test_a_folder_is_put_back_by_a_commit_and_nothing_else_is_touched(
    bare: Source, repositories: GitRepositories, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HOME", "/nonexistent")
    old, new = bare.git("rev-parse", "main~1"), bare.git("rev-parse", "main")
    made = await put_back(repositories, bare, "shop", old)
    assert bare.git("rev-parse", "main") == made
    assert bare.git("rev-parse", "main~1") == new
    assert bare.git("diff", "--name-status", new, made).split("\n") == [
        "M\tshop/app.yaml",
        "D\tshop/new.yaml",
        "A\tshop/old.yaml",
    ]
    assert bare.git("rev-parse", f"{made}:shop") == bare.git("rev-parse", f"{old}:shop")
    assert bare.git("log", "-1", "--format=%an <%ae> %s", made) == "ann <ann@bastion> Roll back"
    assert await repositories.open(bare.url).resolve("main") == made
    with pytest.raises(RefusedError, match="nothing to put back"):
        await put_back(repositories, bare, "shop", old, branch="main")


async def test_a_nested_folder_one_that_was_not_there_and_the_whole(
    bare: Source, repositories: GitRepositories
) -> None:
    old = bare.git("rev-parse", "main~1")
    bare.write(deep__er__a_yaml="1", deep__b_yaml="1")
    bare.commit("third")
    made = await put_back(repositories, bare, "deep/er", old, branch="main")
    assert bare.git("ls-tree", "-r", "--name-only", made, "deep") == "deep/b.yaml"
    made = await put_back(repositories, bare, "", old, branch="main")
    assert bare.git("rev-parse", f"{made}^{{tree}}") == bare.git("rev-parse", f"{old}^{{tree}}")


async def test_a_folder_that_git_can_not_name_is_the_error(bare: Source, repositories: GitRepositories) -> None:
    with pytest.raises(GitError, match="can't be read"):
        await put_back(repositories, bare, "../shop", bare.git("rev-parse", "main~1"))


async def test_what_can_not_be_committed_to_is_told(bare: Source, repositories: GitRepositories) -> None:
    old = bare.git("rev-parse", "main~1")
    bare.git("tag", "v1")
    for name in ("v1", old, "nowhere"):
        with pytest.raises(RefusedError, match="is no branch"):
            await put_back(repositories, bare, "shop", old, branch=name)
    bare.git("config", "receive.denyCurrentBranch", "refuse")
    with pytest.raises(GitError, match="does not take the push"):
        await put_back(repositories, bare, "shop", old, branch="main")


async def test_an_operator_is_named_as_their_git_names_them(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HOME", str(tmp_path))
    (tmp_path / ".gitconfig").write_text("[user]\n\tname = Ann Lee\n\temail = ann@example.org\n")
    assert author_of("ann", "ann@bastion", {}) == ("Ann Lee", "ann@example.org")
    assert author_of("ann", "ann@bastion", {"GIT_AUTHOR_NAME": "A", "GIT_AUTHOR_EMAIL": "a@b"}) == ("A", "a@b")
