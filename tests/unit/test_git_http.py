"""Repositories behind a network: logins, failures, and how seldom they are asked."""

from __future__ import annotations

import asyncio
import socket
from collections.abc import AsyncIterator, Iterator
from pathlib import Path
from typing import Any

import pytest

from backends.git import GitRepositories
from backends.git_mirror import Timeouts
from backends.git_process import Processes
from fleetui.model.errors import GitAuthenticationError, GitError, NotARepositoryError, RepositoryUnreachableError
from tests.unit.git_source import Source, WebServer, files_of
from tests.waiting import await_until

INTERVAL = 0.05


@pytest.fixture
def source(tmp_path: Path) -> Source:
    source = Source(tmp_path / "source")
    source.write(a_yaml="a")
    source.commit("one")
    source.publish(tmp_path / "web" / "x.git")
    return source


@pytest.fixture
def web(tmp_path: Path) -> Iterator[WebServer]:
    server = WebServer(tmp_path / "web")
    yield server
    server.close()


@pytest.fixture
async def repositories(tmp_path: Path) -> AsyncIterator[GitRepositories]:
    opened = GitRepositories(tmp_path / "cache", interval=INTERVAL)
    yield opened
    await opened.close()


async def test_reads_over_http(source: Source, web: WebServer, repositories: GitRepositories) -> None:
    repository = repositories.open(web.url("x.git"))
    sha = await repository.resolve("main")
    assert await files_of(repository, sha) == {"a.yaml": b"a"}


async def test_asks_once_an_interval_and_fetches_only_what_changed(
    source: Source, web: WebServer, repositories: GitRepositories, tmp_path: Path
) -> None:
    repository = repositories.open(web.url("x.git"))
    await repository.resolve("main")
    told: list[None] = []
    subscription = repository.subscribe(lambda: told.append(None))
    web.requests.clear()
    await await_until(lambda: len(web.requests) >= 5, 10, "five looks at the remote")
    assert {path.partition("?")[0] for path in web.requests} == {"/x.git/info/refs", "/x.git/HEAD"}
    assert told == []
    sha = source.commit("two")
    source.publish(tmp_path / "web" / "x.git")
    await await_until(lambda: told, 10, "the new commit is told")
    assert await repository.resolve("main") == sha
    subscription.close()
    await asyncio.sleep(0)
    web.requests.clear()
    assert await repository.resolve(sha) == sha
    assert await files_of(repository, sha) == {"a.yaml": b"a"}
    assert web.requests == []


async def test_a_login_is_used_and_kept_out_of_sight(
    source: Source, web: WebServer, repositories: GitRepositories, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    commands: list[str] = []
    run = Processes.run

    def spy(self: Processes, arguments: Any, **options: Any) -> Any:
        commands.extend(map(str, arguments))
        return run(self, arguments, **options)

    monkeypatch.setattr(Processes, "run", spy)
    web.login = "ada:s3cr3t"
    repository = repositories.open(web.url("x.git", login="ada:s3cr3t"))
    sha = await repository.resolve("main")
    assert await files_of(repository, sha) == {"a.yaml": b"a"}
    assert not [word for word in commands if "s3cr3t" in word]
    kept = [path for path in (tmp_path / "cache").rglob("*") if path.is_file()]
    assert kept
    assert not [path for path in kept if b"s3cr3t" in path.read_bytes() or "s3cr3t" in path.name]


@pytest.mark.parametrize("login", ["", "ada:wrong"])
async def test_says_that_the_login_was_refused(
    source: Source, web: WebServer, repositories: GitRepositories, login: str
) -> None:
    web.login = "ada:s3cr3t"
    with pytest.raises(GitAuthenticationError, match="refused the login") as caught:
        await repositories.open(web.url("x.git", login=login)).resolve("main")
    assert "wrong" not in str(caught.value)
    assert "netrc" in caught.value.hint


@pytest.mark.parametrize(
    ("status", "kind"),
    [
        (403, GitAuthenticationError),
        (404, NotARepositoryError),
        (500, RepositoryUnreachableError),
        (503, RepositoryUnreachableError),
    ],
)
async def test_names_what_a_status_means(
    source: Source, web: WebServer, repositories: GitRepositories, status: int, kind: type[GitError]
) -> None:
    web.status = status
    with pytest.raises(kind, match=rf"x\.git.*{status}|x\.git.*not found"):
        await repositories.open(web.url("x.git")).resolve("main")


async def test_says_that_a_web_page_is_no_repository(
    web: WebServer, repositories: GitRepositories, tmp_path: Path
) -> None:
    (tmp_path / "web" / "page" / "info").mkdir(parents=True)
    (tmp_path / "web" / "page" / "info" / "refs").write_text("<html>\nhello\n</html>\n")
    with pytest.raises(NotARepositoryError, match="there is no Git repository at"):
        await repositories.open(web.url("page")).resolve("main")


async def test_says_that_a_closed_port_is_unreachable(repositories: GitRepositories) -> None:
    with socket.socket() as unused:
        unused.bind(("127.0.0.1", 0))
        url = f"http://127.0.0.1:{unused.getsockname()[1]}/x.git"
        with pytest.raises(RepositoryUnreachableError, match=r"can't be reached: .*[Cc]onnect.*check the address"):
            await repositories.open(url).resolve("main")


async def test_gives_up_on_a_host_that_does_not_answer(web: WebServer, tmp_path: Path) -> None:
    web.stuck = "/"
    repositories = GitRepositories(tmp_path / "cache", timeouts=Timeouts(ask=0.3))
    with pytest.raises(RepositoryUnreachableError, match=r"no answer within 0\.3 seconds"):
        await repositories.open(web.url("x.git")).resolve("main")
    await repositories.close()


async def test_an_outage_loses_nothing_and_its_end_is_told(
    source: Source, web: WebServer, repositories: GitRepositories, tmp_path: Path
) -> None:
    repository = repositories.open(web.url("x.git"))
    sha = await repository.resolve("main")
    told: list[None] = []
    repository.subscribe(lambda: told.append(None))
    web.status = 503
    with pytest.raises(RepositoryUnreachableError):
        await repository.resolve("main", fetch=True)
    assert await files_of(repository, sha) == {"a.yaml": b"a"}
    assert told == []
    web.status = 0
    await await_until(lambda: told, 10, "the end of the outage is told")
    assert await repository.resolve("main") == sha
