"""Repositories that a hub says how to log in to, over real http, https and ssh processes."""

from __future__ import annotations

import asyncio
import getpass
import os
import shutil
import stat
import subprocess
from collections.abc import AsyncIterator, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from backends.git import GitRepositories
from backends.git_login import prepared
from backends.git_process import Processes
from backends.git_remote import Remote
from backends.github_app import InstallationTokens
from backends.repository_access import RepositoryAccess
from fleetui.gitports import Repository
from fleetui.model.errors import FleetError, GitAuthenticationError, GitError, RepositoryUnreachableError
from tests.unit.certificates import Authority
from tests.unit.git_source import Source, WebServer, files_of
from tests.unit.repository_secrets import HandBook, books, secret, template
from tests.waiting import wait_until

HIDDEN = "s3cr3t"


@pytest.fixture
def source(tmp_path: Path) -> Source:
    source = Source(tmp_path / "source")
    source.write(a_yaml="a")
    source.commit("one")
    source.publish(tmp_path / "web" / "x.git")
    return source


@pytest.fixture
def web(tmp_path: Path, source: Source) -> Iterator[WebServer]:
    server = WebServer(tmp_path / "web")
    yield server
    server.close()


class Runs:
    """Every git process of a test: what it was told, and its environment."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.arguments: list[list[str]] = []
        run = Processes.run

        def spy(processes: Processes, arguments: Any, **options: Any) -> Any:
            self.arguments.append([str(word) for word in arguments])
            return run(processes, arguments, **options)

        monkeypatch.setattr(Processes, "run", spy)

    def count(self, command: str) -> int:
        return sum(command in words for words in self.arguments)


@pytest.fixture
def runs(monkeypatch: pytest.MonkeyPatch) -> Runs:
    return Runs(monkeypatch)


Opened = dict[str, GitRepositories]


@pytest.fixture
async def opened(tmp_path: Path) -> AsyncIterator[Opened]:
    """What a test puts here is closed at its end."""
    found: Opened = {}
    yield found
    for each in found.values():
        await each.close()


def at_hub(opened: Opened, tmp_path: Path, book: HandBook, **more: HandBook) -> GitRepositories:
    opened["it"] = GitRepositories(tmp_path / "cache", interval=3600, books=books(hub=book, **more))
    return opened["it"]


async def head(repository: Repository) -> str:
    return await repository.resolve("main", fetch=True)


def nothing_hidden(tmp_path: Path, runs: Runs, caplog: pytest.LogCaptureFixture, hidden: str = HIDDEN) -> None:
    """No secret is in a command line, on the disk of the mirrors, or in the log."""
    assert not [word for words in runs.arguments for word in words if hidden in word]
    kept = [path for path in (tmp_path / "cache").rglob("*") if path.is_file()]
    assert kept
    assert not [path for path in kept if hidden.encode() in path.read_bytes() or hidden in path.name]
    assert hidden not in caplog.text


# --- http ------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("login", ["", f"ada:{HIDDEN}"])
async def test_a_redirect_to_another_host_takes_no_login_along(
    login: str, web: WebServer, tmp_path: Path, opened: Opened
) -> None:
    stranger = WebServer(tmp_path / "web")
    try:
        web.login = f"ada:{HIDDEN}"
        web.moved = {"old.git": f"http://localhost:{stranger.port}/x.git"}
        known = () if login else (secret(url=web.url("old.git"), username="ada", password=HIDDEN),)
        repository = at_hub(opened, tmp_path, HandBook(*known)).open(web.url("old.git", login=login), hub="hub")
        assert await files_of(repository, await head(repository)) == {"a.yaml": b"a"}
        assert stranger.requests
        assert set(stranger.logins) == {None}
        # And once away, it stays without one.
        stranger.moved = {"x.git": web.url("x.git")}
        web.requests.clear()
        with pytest.raises(GitAuthenticationError, match="refused the login"):
            await head(repository)
        assert "/x.git/info/refs" in {path.partition("?")[0] for path in web.requests}
    finally:
        stranger.close()


async def test_a_redirect_on_the_same_host_is_followed_with_the_login(
    web: WebServer, tmp_path: Path, opened: Opened
) -> None:
    web.login = f"ada:{HIDDEN}"
    web.moved = {"old.git": web.url("x.git")}
    book = HandBook(secret(url=web.url("old.git"), username="ada", password=HIDDEN))
    repository = at_hub(opened, tmp_path, book).open(web.url("old.git"), hub="hub")
    sha = await head(repository)
    assert await files_of(repository, sha) == {"a.yaml": b"a"}
    web.requests.clear()
    await head(repository)
    assert not [path for path in web.requests if path.startswith("/old.git")], "the redirect is remembered"
    web.moved.clear()
    (tmp_path / "web" / "x.git").rename(tmp_path / "web" / "old.git")
    assert await head(repository) == sha, "until it leads nowhere"


@pytest.mark.parametrize(
    ("to", "says"),
    [
        ("{old}", "redirects, and to no address that can be followed"),
        ("ftp://example.org/x", "ftp:// are not supported"),
        ("http://[", "can't be reached"),
        ("{login}?from=", "there is no Git repository at .* it redirects to .*/login"),
    ],
)
async def test_a_redirect_that_can_not_be_followed_is_the_error(
    to: str, says: str, web: WebServer, tmp_path: Path, opened: Opened
) -> None:
    web.login = f"ada:{HIDDEN}"
    web.moved = {"old.git": to.format(old=web.url("old.git"), login=web.url("login"))}
    book = HandBook(secret(url=web.url("old.git"), username="ada", password=HIDDEN))
    repository = at_hub(opened, tmp_path, book).open(web.url("old.git"), hub="hub")
    with pytest.raises(GitError, match=says):
        await head(repository)


@pytest.mark.parametrize(
    ("data", "login", "bearer"),
    [
        ({"username": "ada", "password": HIDDEN}, f"ada:{HIDDEN}", ""),
        ({"password": HIDDEN}, f"x-access-token:{HIDDEN}", ""),
        ({"bearerToken": HIDDEN}, "", HIDDEN),
        (
            {"username": "ada", "password": HIDDEN, "bearerToken": "t", "forceHttpBasicAuth": "true"},
            f"ada:{HIDDEN}",
            "",
        ),
        ({"username": "ada", "password": "p", "bearerToken": HIDDEN}, "", HIDDEN),
    ],
)
async def test_a_password_or_a_token_is_used_and_kept_out_of_sight(
    source: Source, web: WebServer, tmp_path: Path, opened: Opened, runs: Runs, caplog: pytest.LogCaptureFixture,
    data: dict[str, str], login: str, bearer: str,
) -> None:  # fmt: skip
    web.login, web.bearer = login, bearer
    repository = at_hub(opened, tmp_path, HandBook(secret(url=web.url("x"), **data))).open(web.url("x.git"), hub="hub")
    assert await head(repository) == source.git("rev-parse", "HEAD")
    nothing_hidden(tmp_path, runs, caplog)


async def test_a_refused_login_names_the_secret_to_look_at_and_no_password(
    web: WebServer, tmp_path: Path, opened: Opened
) -> None:
    web.login = "ada:right"
    book = HandBook(secret(url=web.url("x.git"), username="ada", password=HIDDEN))
    with pytest.raises(GitAuthenticationError, match="refused the login") as caught:
        await head(at_hub(opened, tmp_path, book).open(web.url("x.git"), hub="hub"))
    assert HIDDEN not in str(caught.value)
    assert "repository Secret" in caught.value.hint


async def test_a_secret_of_one_hub_is_never_used_for_another(
    source: Source, web: WebServer, tmp_path: Path, opened: Opened
) -> None:
    web.login = "ada:right"
    url = web.url("x.git")
    repositories = at_hub(
        opened, tmp_path, HandBook(secret(url=url, username="ada", password="right")), other=HandBook()
    )
    sha = await head(repositories.open(url, hub="hub"))
    for stranger in (repositories.open(url, hub="other"), repositories.open(url)):
        with pytest.raises(GitAuthenticationError, match="refused the login"):
            await stranger.resolve("main")
        # Not even what the other's mirror has already.
        with pytest.raises(FleetError):
            await stranger.resolve(sha)


async def test_a_projects_secret_is_used_for_that_project_alone(
    source: Source, web: WebServer, tmp_path: Path, opened: Opened
) -> None:
    web.login = "ada:right"
    url = web.url("x.git")
    book = HandBook(secret(url=url, project="web", username="ada", password="right"))
    repositories = at_hub(opened, tmp_path, book)
    assert await head(repositories.open(url, hub="hub", project="web"))
    with pytest.raises(GitAuthenticationError):
        await head(repositories.open(url, hub="hub", project="shop"))


async def test_a_secret_that_a_project_gets_later_is_nothing_to_those_it_shared_a_mirror_with(
    source: Source, web: WebServer, tmp_path: Path, opened: Opened
) -> None:
    url = web.url("x.git")
    web.login = "ada:all"
    everybodys = secret("all", url=url, username="ada", password="all")
    book = HandBook(everybodys)
    repositories = at_hub(opened, tmp_path, book)
    first, second = (repositories.open(url, hub="hub", project=project) for project in ("web", "shop"))
    assert await head(first) == await head(second)
    web.login = "ada:web"
    book.says(everybodys, secret("web", url=url, project="web", username="ada", password="web"))
    assert await head(first)
    with pytest.raises(GitAuthenticationError):
        await head(second)


async def test_a_changed_secret_counts_at_once_and_is_told(
    source: Source, web: WebServer, tmp_path: Path, opened: Opened
) -> None:
    url = web.url("x.git")
    web.login = "ada:one"
    book = HandBook(secret(url=url, username="ada", password="one"))
    repository = at_hub(opened, tmp_path, book).open(url, hub="hub")
    told: list[None] = []
    repository.subscribe(lambda: told.append(None))
    assert await repository.resolve("main")
    web.login = "ada:two"
    book.says(secret(url=url, username="ada", password="wrong"))
    assert told
    with pytest.raises(GitAuthenticationError):
        await repository.resolve("main")
    told.clear()
    book.says(secret(url=url, username="ada", password="two"))
    assert told
    assert await repository.resolve("main") == source.git("rev-parse", "HEAD")
    before = len(told)
    book.says(secret(url=url, username="ada", password="two"), template(url="https://else.example", password="x"))
    assert len(told) == before, "another repository's Secret is nothing to this one"


async def test_a_secret_that_can_not_be_used_is_the_error(web: WebServer, tmp_path: Path, opened: Opened) -> None:
    url = web.url("x.git")
    book = HandBook(secret(url=url, password=HIDDEN, depth="deep"))
    with pytest.raises(GitError, match=r"x\.git can't be read: Secret argocd/repo: depth is no whole number") as caught:
        await head(at_hub(opened, tmp_path, book).open(url, hub="hub"))
    assert HIDDEN not in str(caught.value)
    assert not web.requests


# --- https -----------------------------------------------------------------------------------------------------------


@contextmanager
def secure(tmp_path: Path, authority: Authority, **options: Any) -> Iterator[WebServer]:
    server = WebServer(tmp_path / "web", tls=authority.server(**options))
    try:
        yield server
    finally:
        server.close()


async def test_the_certificates_of_the_hub_decide_whom_to_trust(
    source: Source, tmp_path: Path, opened: Opened, runs: Runs
) -> None:
    authority = Authority(tmp_path / "authority")
    with secure(tmp_path, authority) as web:
        url = web.url("x.git")
        book = HandBook(certificates={"127.0.0.1": authority.text("ca.crt")})
        insecure = HandBook(secret(url=url, insecure="true"))
        repositories = at_hub(opened, tmp_path, book, careless=insecure)
        with pytest.raises(RepositoryUnreachableError, match="certificate"):
            await head(repositories.open(url))
        expected = source.git("rev-parse", "HEAD")
        assert await head(repositories.open(url, hub="hub")) == expected
        assert await head(repositories.open(url, hub="careless")) == expected


async def test_a_client_certificate_is_shown_to_a_host_that_wants_one(
    source: Source, tmp_path: Path, opened: Opened, runs: Runs, caplog: pytest.LogCaptureFixture
) -> None:
    authority = Authority(tmp_path / "authority")
    with secure(tmp_path, authority, wants_client=True) as web:
        url = web.url("x.git")
        pair = {"tlsClientCertData": authority.text("client.crt"), "tlsClientCertKey": authority.text("client.key")}
        trusted = {"127.0.0.1": authority.text("ca.crt")}
        book = HandBook(secret(url=url, **pair), certificates=trusted)
        repositories = at_hub(opened, tmp_path, book, without=HandBook(certificates=trusted))
        assert await head(repositories.open(url, hub="hub")) == source.git("rev-parse", "HEAD")
        with pytest.raises(GitError):
            await head(repositories.open(url, hub="without"))
    nothing_hidden(tmp_path, runs, caplog, authority.text("client.key").splitlines()[3])


async def test_the_proxy_of_a_secret_is_used_unless_it_names_the_host_as_none_of_its_own(
    source: Source, web: WebServer, tmp_path: Path, opened: Opened
) -> None:
    # No name server knows the host: only a proxy can have been asked.
    url = "http://git.invalid/x.git"
    proxy = {"proxy": f"http://127.0.0.1:{web.port}"}
    repositories = at_hub(
        opened,
        tmp_path,
        HandBook(secret(url=url, **proxy)),
        direct=HandBook(secret(url=url, noProxy="git.invalid", **proxy)),
    )
    with pytest.raises(GitError):
        await head(repositories.open(url, hub="hub"))
    assert any(path.startswith(url) for path in web.requests)
    web.requests.clear()
    with pytest.raises(RepositoryUnreachableError):
        await head(repositories.open(url, hub="direct"))
    assert not web.requests


# --- ssh -------------------------------------------------------------------------------------------------------------

KEY = f"-----BEGIN OPENSSH PRIVATE KEY-----\n{HIDDEN}\n-----END OPENSSH PRIVATE KEY-----"

_SSH = """#!/bin/sh
# Stands for ssh: writes down how it was called and what it was given, then serves the repository itself.
printf '%s\\n' "$@" > "{log}/arguments"
while [ $# -gt 0 ]; do
    case "$1" in
        -i) cp -p "$2" "{log}/key"; shift ;;
        UserKnownHostsFile=*) cp "${{1#*=}}" "{log}/hosts" 2>/dev/null ;;
    esac
    last="$1"; shift
done
eval "exec $last"
"""


@pytest.fixture
def ssh(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The folder where a stand-in for ssh, first in the PATH, writes down what it was called with."""
    (tmp_path / "bin").mkdir()
    (tmp_path / "log").mkdir()
    program = tmp_path / "bin" / "ssh"
    program.write_text(_SSH.format(log=tmp_path / "log"))
    program.chmod(0o755)
    monkeypatch.setenv("PATH", f"{tmp_path / 'bin'}{os.pathsep}{os.environ['PATH']}")
    monkeypatch.setenv("XDG_RUNTIME_DIR", str(tmp_path / "log"))
    return tmp_path / "log"


def files_in(folder: Path) -> list[str]:
    return [path.name for path in folder.iterdir()]


async def test_a_key_lies_in_a_file_of_its_own_for_one_process(
    source: Source, tmp_path: Path, opened: Opened, ssh: Path, runs: Runs, caplog: pytest.LogCaptureFixture
) -> None:
    url = f"git@git.example:{source.path}"
    book = HandBook(secret(url=url, sshPrivateKey=KEY), hosts="git.example ssh-ed25519 AAAA")
    assert await head(at_hub(opened, tmp_path, book).open(url, hub="hub")) == source.git("rev-parse", "HEAD")
    words = (ssh / "arguments").read_text().splitlines()
    assert words[:2] == ["-F", "/dev/null"]
    for option in ("IdentitiesOnly=yes", "IdentityAgent=none", "BatchMode=yes", "StrictHostKeyChecking=yes"):
        assert option in words
    assert "GlobalKnownHostsFile=/dev/null" in words
    assert (ssh / "key").read_text() == KEY + "\n"
    assert stat.S_IMODE((ssh / "key").stat().st_mode) == 0o600
    assert (ssh / "hosts").read_text() == "git.example ssh-ed25519 AAAA\n"
    assert sorted(files_in(ssh)) == ["arguments", "hosts", "key"], "what was made for the process went with it"
    nothing_hidden(tmp_path, runs, caplog)


@pytest.mark.parametrize("flag", ["insecure", "insecureIgnoreHostKey"])
async def test_a_hosts_key_is_not_looked_at_where_the_secret_says_so(
    source: Source, tmp_path: Path, opened: Opened, ssh: Path, flag: str
) -> None:
    url = f"ssh://git@git.example{source.path}"
    book = HandBook(secret(url=url, sshPrivateKey=KEY, **{flag: "true"}), hosts="git.example ssh-ed25519 AAAA")
    await head(at_hub(opened, tmp_path, book).open(url, hub="hub"))
    words = (ssh / "arguments").read_text().splitlines()
    assert "StrictHostKeyChecking=no" in words
    assert "UserKnownHostsFile=/dev/null" in words


async def test_without_a_key_of_the_hub_ssh_is_the_users_own(
    source: Source, tmp_path: Path, opened: Opened, ssh: Path
) -> None:
    url = f"git@git.example:{source.path}"
    await head(at_hub(opened, tmp_path, HandBook(hosts="git.example ssh-ed25519 AAAA")).open(url, hub="hub"))
    words = (ssh / "arguments").read_text().splitlines()
    assert "BatchMode=yes" in words
    assert not {"-F", "-i", "IdentitiesOnly=yes", "StrictHostKeyChecking=yes"} & set(words)


def told(url: str, **fields: Any) -> Mapping[str, str]:
    access = RepositoryAccess(url=url, ssh_key=KEY, **fields)
    with prepared(Remote.parse(url), access, InstallationTokens()) as login:
        return login.environment


def test_ssh_goes_through_a_socks_proxy_and_through_no_shell_word_of_a_strangers() -> None:
    url = "git@git.example:x"
    command = told(url, proxy="socks5://proxy.example:1080")["GIT_SSH_COMMAND"]
    assert "'ProxyCommand=connect-proxy -5 -S proxy.example:1080 %h %p'" in command
    for proxy in ("http://proxy.example:3128", "socks5://$(touch x):1", "socks5://proxy", "socks5://proxy:port"):
        with pytest.raises(GitError, match=r"is no socks5://HOST:PORT"):
            told(url, proxy=proxy)


@contextmanager
def sshd(folder: Path, port: int) -> Iterator[str]:
    """A real sshd on a port, with the keys ``host`` and ``user`` in the folder; gives its lines of known hosts."""
    program = shutil.which("sshd", path=f"{os.environ['PATH']}{os.pathsep}/usr/sbin")
    if program is None:
        pytest.skip("sshd is not installed: ssh is tested with a stand-in alone")
    for name in ("host", "user"):
        subprocess.run(["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", folder / name], check=True)
    (folder / "sshd_config").write_text(
        f"Port {port}\nListenAddress 127.0.0.1\nHostKey {folder / 'host'}\nPidFile none\nStrictModes no\n"
        f"AuthorizedKeysFile {folder / 'user.pub'}\nPasswordAuthentication no\n"
    )
    check = subprocess.run([program, "-t", "-f", folder / "sshd_config"], capture_output=True, text=True)
    if check.returncode != 0:
        pytest.skip(f"sshd can't be started here: {check.stderr.strip()}")
    server = subprocess.Popen([program, "-D", "-e", "-f", str(folder / "sshd_config")], stderr=subprocess.DEVNULL)
    try:
        scan = ["ssh-keyscan", "-p", str(port), "127.0.0.1"]
        yield wait_until(lambda: subprocess.run(scan, capture_output=True, text=True).stdout, 20, "sshd listens")
    finally:
        server.terminate()
        server.wait()


async def test_a_real_sshd(source: Source, tmp_path: Path, opened: Opened, unused_tcp_port: int) -> None:
    with sshd(tmp_path, unused_tcp_port) as hosts:
        url = f"ssh://{getpass.getuser()}@127.0.0.1:{unused_tcp_port}{source.path}"
        own = secret(url=url, sshPrivateKey=(tmp_path / "user").read_text())
        stranger = secret(url=url, sshPrivateKey=(tmp_path / "host").read_text())
        unknown = HandBook(own, hosts="other.example ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIA")
        wrong = HandBook(stranger, hosts=hosts)
        repositories = at_hub(opened, tmp_path, HandBook(own, hosts=hosts), wrong=wrong, unknown=unknown)
        assert await head(repositories.open(url, hub="hub")) == source.git("rev-parse", "HEAD")
        for hub in ("wrong", "unknown"):
            with pytest.raises(GitAuthenticationError, match="refused the login"):
                await head(repositories.open(url, hub=hub))


# --- many applications -----------------------------------------------------------------------------------------------


async def test_five_hundred_applications_ask_once_and_fetch_once(
    source: Source, web: WebServer, tmp_path: Path, opened: Opened, runs: Runs
) -> None:
    spellings = [web.url("x.git"), web.url("x.git/"), web.url("x.git").replace("http:", "HTTP:")]
    repositories = at_hub(opened, tmp_path, HandBook(template(url=web.url(""), password="x")))
    apps = [repositories.open(spellings[number % 3], hub="hub", project=f"p{number % 10}") for number in range(500)]
    found = await asyncio.gather(*(app.resolve("main") for app in apps))
    assert (len(set(found)), runs.count("ls-remote"), runs.count("fetch")) == (1, 1, 1)
    sha = source.commit("two")
    source.publish(tmp_path / "web" / "x.git")
    found = await asyncio.gather(*(app.resolve("main", fetch=True) for app in apps))
    assert (set(found), runs.count("ls-remote"), runs.count("fetch")) == ({sha}, 2, 2)
    await asyncio.gather(*(app.resolve("main", fetch=True) for app in apps))
    assert (runs.count("ls-remote"), runs.count("fetch")) == (3, 2), "nothing new, nothing fetched"
    assert len(list((tmp_path / "cache").glob("*/objects"))) == 1


async def test_how_one_application_writes_an_address_is_no_harm_to_another(
    source: Source, web: WebServer, tmp_path: Path, opened: Opened
) -> None:
    repositories = at_hub(opened, tmp_path, HandBook())
    short = repositories.open(web.url("x"), hub="hub")
    with pytest.raises(GitError, match="no Git repository at"):
        await short.resolve("main")
    right = repositories.open(web.url("x.git"), hub="hub")
    assert await right.resolve("main") == source.git("rev-parse", "HEAD")
    web.requests.clear()
    await head(right)
    assert web.requests
    assert not [path for path in web.requests if path.startswith("/x/")], "the wrong one is not tried again"


def commits_kept(tmp_path: Path) -> int:
    mirror = next((tmp_path / "cache").glob("*/objects")).parent
    count = ["git", f"--git-dir={mirror}", "rev-list", "--count", "--all"]
    return int(subprocess.run(count, capture_output=True, check=True).stdout)


async def test_the_depth_of_a_secret_is_what_is_fetched(source: Source, tmp_path: Path, opened: Opened) -> None:
    first = source.git("rev-parse", "HEAD")
    for number in range(5):
        source.write(a_yaml=str(number))
        last = source.commit()
    book = HandBook(secret(url=source.url, depth="2"))
    repository = at_hub(opened, tmp_path, book).open(source.url, hub="hub")
    assert await head(repository) == last
    assert commits_kept(tmp_path) == 2
    assert await repository.resolve(first) == first, "a commit that is named is fetched by itself"
    book.says(secret(url=source.url))
    source.write(a_yaml="the last")
    last = source.commit()
    assert await head(repository) == last
    assert commits_kept(tmp_path) == 7
