"""Submodules: what a commit pins is part of its files, from whichever repository, and refused where it may not be."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import pytest

import backends.git_submodules as submodules
from backends.git import GitRepositories
from fleetui.model.errors import FleetError, GitAuthenticationError, GitError
from fleetui.renderports import Tree
from tests.unit.git_source import Source, WebServer, files_of
from tests.unit.repository_secrets import HandBook, books, secret


class Hosted:
    """Repositories on a web server; each is a `Source` by its name."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        folder.mkdir(exist_ok=True)
        self.web = WebServer(folder / "web")
        self._sources: dict[str, Source] = {}

    def url(self, name: str) -> str:
        return self.web.url(f"{name}.git")

    def commit(self, name: str, modules: str = "", pins: dict[str, str] | None = None, **files: str) -> str:
        """A commit with these files, this ``.gitmodules`` and these pinned commits by path."""
        source = self._sources.get(name)
        if source is None:
            source = self._sources[name] = Source(self._folder / name)
        source.write(**files)
        if modules:
            source.put(".gitmodules", modules.encode())
        source.git("add", "--all")
        for path, sha in (pins or {}).items():
            source.git("update-index", "--add", "--cacheinfo", f"160000,{sha},{path}")
        source.git("commit", "-q", "--allow-empty", "-m", "a change")
        source.publish(self._folder / "web" / f"{name}.git")
        return source.git("rev-parse", "HEAD")


def module(path: str, url: str, more: str = "") -> str:
    return f'[submodule "{path}"]\n\tpath = {path}\n\turl = {url}\n{more}'


@pytest.fixture
def hosted(tmp_path: Path) -> Iterator[Hosted]:
    found = Hosted(tmp_path)
    yield found
    found.web.close()


@pytest.fixture
async def repositories(tmp_path: Path) -> AsyncIterator[GitRepositories]:
    opened = GitRepositories(tmp_path / "cache", interval=3600)
    yield opened
    await opened.close()


async def test_the_pinned_files_appear_however_deep(
    hosted: Hosted, repositories: GitRepositories, tmp_path: Path
) -> None:
    deep = hosted.commit("deep", deep_yaml="pinned")
    hosted.commit("deep", deep_yaml="newer than the pin")
    library = hosted.commit("library", module("vendor/deep", hosted.url("deep")), {"vendor/deep": deep}, lib_yaml="lib")
    sha = hosted.commit("app", module("apps/lib", "../library.git"), {"apps/lib": library}, apps__a_yaml="a")
    repository = repositories.open(hosted.url("app"))
    tree = await repository.tree(sha)
    assert await files_of(repository, sha, "apps") == {
        "a.yaml": b"a",
        "lib/.gitmodules": module("vendor/deep", hosted.url("deep")).encode(),
        "lib/lib.yaml": b"lib",
        "lib/vendor/deep/deep.yaml": b"pinned",
    }
    assert await files_of(repository, sha, "apps/lib/vendor/deep") == {"deep.yaml": b"pinned"}
    assert len(list_mirrors(tmp_path)) == 3
    library = hosted.commit("library", pins={"vendor/deep": deep}, lib_yaml="changed")
    moved = await repository_tree(repositories, hosted, hosted.commit("app", pins={"apps/lib": library}))
    assert tree.oid("apps/lib") != moved.oid("apps/lib") != ""
    assert tree.oid("apps") != moved.oid("apps")
    assert tree.oid("apps/a.yaml") == moved.oid("apps/a.yaml")
    assert tree.oid("apps/lib/vendor/deep") == moved.oid("apps/lib/vendor/deep") == deep


def list_mirrors(tmp_path: Path) -> list[Path]:
    return list((tmp_path / "cache").glob("*/objects"))


async def repository_tree(repositories: GitRepositories, hosted: Hosted, sha: str) -> Tree:
    repository = repositories.open(hosted.url("app"))
    await repository.resolve("main", fetch=True)
    return await repository.tree(sha)


async def test_a_file_of_the_repository_may_be_a_link_into_a_submodule(
    hosted: Hosted, repositories: GitRepositories, tmp_path: Path
) -> None:
    library = hosted.commit("library", lib_yaml="lib")
    hosted.commit("app", apps__a_yaml="a")
    (tmp_path / "app" / "apps" / "linked.yaml").symlink_to("../lib/lib.yaml")
    sha = hosted.commit("app", module("lib", "../library.git"), {"lib": library})
    found = await files_of(repositories.open(hosted.url("app")), sha, "apps")
    assert found == {"a.yaml": b"a", "linked.yaml": b"lib"}


@pytest.mark.parametrize(
    ("modules", "said"),
    [
        (
            module("lib", "file:///etc"),
            "the submodule 'lib' of .*app.git is at file:///etc: transport 'file' not allowed",
        ),
        (module("lib", "/etc"), "transport 'file' not allowed"),
        (module("lib", "ext::sh -c touch"), "is no address of a Git repository"),
        (module("lib", "--upload-pack=touch"), "is no address of a Git repository"),
        (module("other", "../x.git"), "no url found for the submodule 'lib' of .*app.git in .gitmodules"),
        ("", "no url found for the submodule 'lib'"),
        ("[submodule", r"the file \.gitmodules of .*app\.git is broken in commit"),
        (module("lib", "../nowhere.git"), "the submodule 'lib' of .*app.git can't be read: there is no Git repository"),
    ],
)
async def test_what_can_not_be_had_is_one_sentence(
    hosted: Hosted, repositories: GitRepositories, modules: str, said: str
) -> None:
    sha = hosted.commit("app", modules, {"lib": "1" * 40}, a_yaml="a")
    with pytest.raises(GitError, match=said):
        await repositories.open(hosted.url("app")).tree(sha)


async def test_a_folder_of_this_machine_is_no_submodule_of_a_repository_on_it_either(
    repositories: GitRepositories, tmp_path: Path
) -> None:
    source = Source(tmp_path / "source")
    source.put(".gitmodules", module("lib", "../secret").encode())
    source.git("add", "--all")
    source.git("update-index", "--add", "--cacheinfo", f"160000,{'1' * 40},lib")
    source.git("commit", "-q", "-m", "x")
    with pytest.raises(GitError, match="transport 'file' not allowed"):
        await repositories.open(source.url).tree(source.git("rev-parse", "HEAD"))


async def test_a_commit_that_is_not_there_is_named(hosted: Hosted, repositories: GitRepositories) -> None:
    hosted.commit("library", lib_yaml="lib")
    sha = hosted.commit("app", module("lib", "../library.git"), {"lib": "1" * 40})
    with pytest.raises(GitError, match=rf"the submodule 'lib' of .* has no branch, tag or commit '{'1' * 40}'"):
        await repositories.open(hosted.url("app")).tree(sha)


async def test_what_is_marked_as_not_wanted_is_left_out(hosted: Hosted, repositories: GitRepositories) -> None:
    modules = module("lib", "../nowhere.git", "\tupdate = none\n")
    sha = hosted.commit("app", modules, {"lib": "1" * 40}, a_yaml="a")
    assert set(await files_of(repositories.open(hosted.url("app")), sha)) == {".gitmodules", "a.yaml"}


async def test_without_the_setting_submodules_are_left_out(hosted: Hosted, tmp_path: Path) -> None:
    sha = hosted.commit("app", "", {"lib": "1" * 40}, a_yaml="a")
    repositories = GitRepositories(tmp_path / "cache", submodules=False)
    assert await files_of(repositories.open(hosted.url("app")), sha) == {"a.yaml": b"a"}
    await repositories.close()


async def test_they_are_not_nested_without_end(
    hosted: Hosted, repositories: GitRepositories, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(submodules, "DEEPEST", 3)
    sha = hosted.commit("r0", a_yaml="a")
    for number in range(1, 5):
        sha = hosted.commit(f"r{number}", module("sub", f"../r{number - 1}.git"), {"sub": sha})
    with pytest.raises(GitError, match="nested more than 3 deep"):
        await repositories.open(hosted.url("r4")).tree(sha)


async def test_a_login_serves_the_submodules_of_its_host_and_nobody_else(hosted: Hosted, tmp_path: Path) -> None:
    hosted.web.login = "ada:right"
    library = hosted.commit("library", lib_yaml="lib")
    sha = hosted.commit("app", module("lib", "../library.git"), {"lib": library})
    book = HandBook(secret(url=hosted.url("app"), username="ada", password="right"))
    repositories = GitRepositories(tmp_path / "cache", interval=3600, books=books(hub=book))
    try:
        files = await files_of(repositories.open(hosted.url("app"), hub="hub"), sha)
        assert files["lib/lib.yaml"] == b"lib"
        with pytest.raises(GitAuthenticationError):
            await repositories.open(hosted.url("library"), hub="hub").resolve("main")
        with pytest.raises(FleetError):
            await repositories.open(hosted.url("library"), hub="hub").tree(library)
    finally:
        await repositories.close()


async def test_a_login_does_not_go_to_another_host(hosted: Hosted, tmp_path: Path) -> None:
    elsewhere = Hosted(tmp_path / "elsewhere")
    library = elsewhere.commit("library", lib_yaml="lib")
    elsewhere.web.login = hosted.web.login = "ada:right"
    url = elsewhere.url("library").replace("127.0.0.1", "localhost")
    sha = hosted.commit("app", module("lib", url), {"lib": library})
    book = HandBook(secret(url=hosted.url("app"), username="ada", password="right"))
    repositories = GitRepositories(tmp_path / "cache", interval=3600, books=books(hub=book))
    try:
        with pytest.raises(GitError, match=r"the submodule 'lib' of .* can't be read: .*refused the login"):
            await repositories.open(hosted.url("app"), hub="hub").tree(sha)
        book.says(
            secret("app", url=hosted.url("app"), username="ada", password="right"),
            secret("lib", url=url, username="ada", password="right"),
        )
        files = await files_of(repositories.open(hosted.url("app"), hub="hub"), sha)
        assert files["lib/lib.yaml"] == b"lib"
    finally:
        await repositories.close()
        elsewhere.web.close()


async def test_many_who_read_a_commit_fetch_its_submodule_once(
    hosted: Hosted, repositories: GitRepositories, tmp_path: Path
) -> None:
    library = hosted.commit("library", lib_yaml="lib")
    sha = hosted.commit("app", module("lib", "../library.git"), {"lib": library})
    repository = repositories.open(hosted.url("app"))
    await repository.resolve("main")
    hosted.web.requests.clear()
    trees = await asyncio.gather(*(repository.tree(sha) for _ in range(50)))
    assert len({tree.oid("lib") for tree in trees}) == 1
    asked = [path for path in hosted.web.requests if path.startswith("/library.git/info/refs")]
    assert len(asked) == 2, "one question, one fetch"
