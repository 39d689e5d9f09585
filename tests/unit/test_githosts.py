"""Pull requests of rollouts: whose host a repository's is, with which token, and what each kind of host is told."""

from __future__ import annotations

import base64
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import pytest
from aiohttp import web as http

from backends.github_app import InstallationTokens
from backends.hosts.api import Api, Line
from backends.hosts.bitbucket import Bitbucket
from backends.hosts.githosts import HostsOfRepositories, placed
from backends.hosts.own import OwnHosts
from fleetui.gitports import PullRequest
from fleetui.model.errors import FleetError, GitError, RefusedError
from tests.unit.charts import serving
from tests.unit.git_hosts import HostServer
from tests.unit.repository_secrets import HandBook, books, secret

BASIC = f"Basic {base64.b64encode(b'ann:s3cr3t').decode()}"
MINE = {"GITHUB_TOKEN": "mine", "GITEA_TOKEN": "mine", "GITLAB_TOKEN": "mine"}
OPEN = {"head": "rollout", "base": "main", "title": "cert-manager 1.15", "body": "Wave 1"}


@asynccontextmanager
async def hosts(
    *servers: HostServer,
    book: HandBook | None = None,
    own: dict[str, str] | None = None,
    environment: dict[str, str] | None = None,
) -> AsyncIterator[HostsOfRepositories]:
    line = Line()
    async with serving(*servers):
        yield HostsOfRepositories(
            line,
            books=books(hub=book or HandBook()),
            own=OwnHosts(environment or {}, {"127.0.0.1": "gitea"} if own is None else own),
            tokens=InstallationTokens(),
        )
        await line.close()


def with_password(url: str, user: str = "") -> HandBook:
    return HandBook(secret(url=url, password="s3cr3t", username=user))


GITHUB = {
    "number": 5,
    "html_url": "https://ghe.example/team/deploy/pull/5",
    "state": "open",
    "merged": False,
    "merge_commit_sha": "f" * 40,
    "head": {"ref": "rollout"},
    "base": {"ref": "main"},
}
GITLAB = {"iid": 5, "web_url": "https://gl.example/a/-/merge_requests/5", "state": "opened", "sha": "d" * 40}
BITBUCKET = {"id": 5, "state": "OPEN", "links": {"html": {"href": "https://bitbucket.org/team/deploy/pull-requests/5"}}}
SERVER: dict[str, Any] = {
    "id": 5,
    "state": "OPEN",
    "toRef": {"displayId": "main"},
    "links": {"self": [{"href": "https://bb.example/projects/TEAM/repos/deploy/pull-requests/5"}]},
}
AZURE = {"pullRequestId": 5, "status": "active", "lastMergeCommit": {"commitId": "c" * 40}}
REPOSITORY = {"slug": "deploy", "project": {"key": "TEAM"}}

KINDS = [
    pytest.param(
        "github",
        "/team/deploy.git",
        "/api/v3/repos/team/deploy/pulls",
        "?state=open&head=team:rollout&base=main",
        [],
        GITHUB,
        {"title": "cert-manager 1.15", "head": "rollout", "base": "main", "body": "Wave 1"},
        (GITHUB | {"state": "closed", "merged": True}, GITHUB | {"state": "closed"}),
        ("f" * 40, "https://ghe.example/team/deploy/pull/5"),
        ("Authorization", "Bearer s3cr3t"),
        id="github",
    ),
    pytest.param(
        "gitlab",
        "/group/sub/deploy",
        "/api/v4/projects/group%2Fsub%2Fdeploy/merge_requests",
        "?state=opened&source_branch=rollout&target_branch=main",
        [],
        GITLAB,
        {"source_branch": "rollout", "target_branch": "main", "title": "cert-manager 1.15", "description": "Wave 1"},
        (GITLAB | {"state": "merged", "merge_commit_sha": None}, GITLAB | {"state": "closed"}),
        ("d" * 40, "https://gl.example/a/-/merge_requests/5"),
        ("PRIVATE-TOKEN", "s3cr3t"),
        id="gitlab",
    ),
    pytest.param(
        "gitea",
        "/team/deploy.git",
        "/api/v1/repos/team/deploy/pulls",
        "?state=open&limit=50",
        [],
        GITHUB,
        {"title": "cert-manager 1.15", "head": "rollout", "base": "main", "body": "Wave 1"},
        (GITHUB | {"state": "closed", "merged": True}, GITHUB | {"state": "closed"}),
        ("f" * 40, "https://ghe.example/team/deploy/pull/5"),
        ("Authorization", BASIC),
        id="gitea",
    ),
    pytest.param(
        "bitbucketServer",
        "/scm/TEAM/deploy.git",
        "/rest/api/1.0/projects/TEAM/repos/deploy/pull-requests",
        "?state=OPEN&direction=OUTGOING&at=refs/heads/rollout&limit=100",
        {"values": [], "isLastPage": True},
        SERVER,
        {
            "title": "cert-manager 1.15",
            "description": "Wave 1",
            "fromRef": {"id": "refs/heads/rollout", "repository": REPOSITORY},
            "toRef": {"id": "refs/heads/main", "repository": REPOSITORY},
        },
        (
            SERVER | {"state": "MERGED", "properties": {"mergeCommit": {"id": "b" * 40}}},
            SERVER | {"state": "DECLINED"},
        ),
        ("b" * 40, "https://bb.example/projects/TEAM/repos/deploy/pull-requests/5"),
        ("Authorization", BASIC),
        id="bitbucketServer",
    ),
    pytest.param(
        "azureDevOps",
        "/tfs/acme/web/_git/deploy",
        "/tfs/acme/web/_apis/git/repositories/deploy/pullrequests",
        "?api-version=6.0&searchCriteria.status=active"
        "&searchCriteria.sourceRefName=refs/heads/rollout&searchCriteria.targetRefName=refs/heads/main",
        {"value": []},
        AZURE,
        {
            "sourceRefName": "refs/heads/rollout",
            "targetRefName": "refs/heads/main",
            "title": "cert-manager 1.15",
            "description": "Wave 1",
        },
        (AZURE | {"status": "completed"}, AZURE | {"status": "abandoned"}),
        ("c" * 40, "{url}/tfs/acme/web/_git/deploy/pullrequest/5"),
        ("Authorization", f"Basic {base64.b64encode(b':s3cr3t').decode()}"),
        id="azureDevOps",
    ),
]


def listed(nothing: Any, one: Any) -> Any:
    """A list of one, as the host that lists nothing so writes it."""
    if isinstance(nothing, list):
        return [one]
    return {**nothing, next(key for key, value in nothing.items() if value == []): [one]}


@pytest.mark.parametrize(
    ("kind", "path", "api", "search", "nothing", "opened", "posted", "ends", "wanted", "login"), KINDS
)
async def test_a_pull_request_is_opened_once_and_followed_to_its_end(
    kind: str,
    path: str,
    api: str,
    search: str,
    nothing: Any,
    opened: Any,
    posted: Any,
    ends: tuple[Any, Any],
    wanted: tuple[str, str],
    login: tuple[str, str],
) -> None:
    server = HostServer()
    version = "?api-version=6.0" if kind == "azureDevOps" else ""
    server.routes = {f"GET {api}{search}": {"body": nothing}, f"POST {api}{version}": {"body": opened, "status": 201}}
    book = HandBook()
    async with hosts(server, book=book, own={"127.0.0.1": kind}) as found:
        book.says(secret(url=f"{server.url}{path}", password="s3cr3t", username="ann"))
        host = await found.of(f"{server.url}{path}", hub="hub")
        commit, url = wanted[0], wanted[1].replace("{url}", server.url)
        made = PullRequest(url, 5, "open")
        assert await host.open_pull_request(**OPEN) == made
        assert server.posted == [posted]
        # Who asks again, as one does who was killed in between, gets the same.
        server.routes[f"GET {api}{search}"] = {"body": listed(nothing, opened)}
        assert await host.open_pull_request(**OPEN) == made
        assert len(server.posted) == 1
        for state, (end, by) in {"merged": (ends[0], commit), "closed": (ends[1], "")}.items():
            server.routes[f"GET {api}/5{version}"] = {"body": end}
            assert await host.pull_request(5) == PullRequest(url, 5, state, by)
        with pytest.raises(GitError, match="there is nothing at"):
            await host.pull_request(6)
    assert {headers.get(login[0]) for headers in server.headers} == {login[1]}


async def test_one_that_somebody_else_opened_meanwhile_is_taken(monkeypatch: pytest.MonkeyPatch) -> None:
    server = HostServer()
    search = "GET /api/v3/repos/team/deploy/pulls?state=open&head=team:rollout&base=main"
    server.routes[search] = {"body": []}
    server.routes["POST /api/v3/repos/team/deploy/pulls"] = {"status": 422, "body": {"message": "Validation Failed"}}
    book = HandBook()
    async with hosts(server, book=book, own={"127.0.0.1": "github"}) as found:
        book.says(secret(url=f"{server.url}/team/deploy", password="s3cr3t"))
        host = await found.of(f"{server.url}/team/deploy", hub="hub")
        with pytest.raises(GitError, match="422: 'Validation Failed'"):
            await host.open_pull_request(**OPEN)
        known = server.fallback

        def meanwhile(request: Any) -> Any:
            if request.method == "POST":
                server.routes[search] = {"body": [GITHUB]}
            return known(request)

        monkeypatch.setattr(server, "fallback", meanwhile)
        assert (await host.open_pull_request(**OPEN)).number == 5


async def test_bitbucket_cloud_is_asked_in_its_own_language() -> None:
    server = HostServer()
    path = "/repositories/team/deploy/pullrequests"
    query = 'state="OPEN" AND source.branch.name="a\\"b" AND destination.branch.name="main"'
    seen: list[str] = []
    server.answers[path] = lambda request: _noted(request, seen)
    line = Line()
    async with serving(server):
        host = Bitbucket(Api(line, server.url)).requests("team/deploy.git")
        made = await host.open_pull_request(**(OPEN | {"head": 'a"b'}))
        assert made == PullRequest("https://bitbucket.org/team/deploy/pull-requests/5", 5, "open")
        server.routes[f"GET {path}/5"] = {"body": BITBUCKET | {"state": "MERGED", "merge_commit": {"hash": "ab12"}}}
        assert (await host.pull_request(5))[2:] == ("merged", "ab12")
        server.routes[f"GET {path}/5"] = {"body": BITBUCKET | {"state": "SUPERSEDED"}}
        assert (await host.pull_request(5))[2:] == ("closed", "")
    await line.close()
    assert seen == [query]
    assert server.posted[0]["source"] == {"branch": {"name": 'a"b'}}


def _noted(request: Any, seen: list[str]) -> Any:
    if request.method == "POST":
        return http.json_response(BITBUCKET, status=201)
    seen.append(request.query["q"])
    return http.json_response({"values": []})


# --- where it is ------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("url", "web", "path"),
    [
        ("https://github.com/team/deploy.git", "https://github.com", "team/deploy.git"),
        ("https://user:pass@GitHub.com/team/deploy/", "https://github.com", "team/deploy"),
        ("git@github.com:team/deploy.git", "https://github.com", "team/deploy.git"),
        ("ssh://git@ssh.github.com:443/team/deploy", "https://github.com", "team/deploy"),
        ("http://gitea.example:3000/team/deploy", "http://gitea.example:3000", "team/deploy"),
        ("ssh://git@bb.example:7999/TEAM/deploy.git", "https://bb.example", "TEAM/deploy.git"),
        ("git@ssh.dev.azure.com:v3/acme/my%20web/deploy", "https://dev.azure.com", "v3/acme/my web/deploy"),
        ("https://acme.visualstudio.com/DefaultCollection/web/_git/x", "https://dev.azure.com", "acme/web/_git/x"),
    ],
)
def test_an_address_names_a_host_and_a_path(url: str, web: str, path: str) -> None:
    assert placed(url)[:2] == (web, path)


@pytest.mark.parametrize(
    ("url", "base"),
    [
        ("https://acme@dev.azure.com/acme/web/_git/deploy", "https://dev.azure.com/acme"),
        ("https://dev.azure.com/acme/_git/deploy", "https://dev.azure.com/acme"),
        ("git@ssh.dev.azure.com:v3/acme/web/deploy", "https://dev.azure.com/acme"),
        ("https://github.com/team/deploy", "https://api.github.com"),
        ("git@gitlab.com:team/deploy.git", "https://gitlab.com/api/v4"),
        ("https://bitbucket.org/team/deploy.git", "https://api.bitbucket.org/2.0"),
        ("https://codeberg.org/team/deploy.git", "https://codeberg.org/api/v1"),
        ("https://bb.example/git/scm/TEAM/deploy.git", "https://bb.example/git/rest/api/1.0"),
    ],
)
async def test_public_hosts_are_known(url: str, base: str) -> None:
    tokens = dict.fromkeys(["GH_TOKEN", "GITLAB_TOKEN", "BITBUCKET_TOKEN", "GITEA_TOKEN", "AZURE_DEVOPS_EXT_PAT"], "t")
    async with hosts(own={"bb.example": "bitbucketServer"}, environment=tokens) as found:
        host: Any = await found.of(url)
        assert host._api.base == base


# --- with which token -------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("url", "said"),
    [
        ("/srv/git/deploy.git", "lies on no Git host, so there are no pull requests"),
        ("https://git.unknown.example/team/deploy", "set git_hosts: {git.unknown.example: KIND} in config.yaml"),
        ("git@github.com:team/deploy.git", "set GITHUB_TOKEN"),
        ("https://github.com/deploy", "is no path of a repository of GitHub"),
        ("https://dev.azure.com/acme/deploy", "is no address of a repository of Azure DevOps"),
    ],
)
async def test_what_is_missing_is_said(url: str, said: str) -> None:
    environment = {"GITHUB_TOKEN": "t"} if url.endswith("com/deploy") else {}
    async with hosts(environment=environment) as found:
        with pytest.raises(RefusedError, match=said):
            await found.of(url, hub="hub")


async def test_an_ssh_key_is_no_token() -> None:
    key = "-----BEGIN OPENSSH PRIVATE KEY-----\nx\n-----END OPENSSH PRIVATE KEY-----\n"
    book = HandBook(secret(url="git@github.com:team/deploy.git", sshPrivateKey=key))
    async with hosts(book=book) as found:
        with pytest.raises(RefusedError, match="there is no token to open pull requests of"):
            await found.of("git@github.com:team/deploy.git", hub="hub")
    async with hosts(book=book, environment=MINE) as found:
        host: Any = await found.of("git@github.com:team/deploy.git", hub="hub")
        assert host._api._headers["Authorization"] == "Bearer mine"


async def test_the_hubs_token_goes_before_ones_own_and_for_its_own_project_alone() -> None:
    book = HandBook(secret(url="https://github.com/team/deploy", password="hub", project="web"))
    async with hosts(book=book, environment=MINE) as found:
        for project, token in (("web", "hub"), ("other", "mine")):
            host: Any = await found.of("https://github.com/team/deploy", hub="hub", project=project)
            assert host._api._headers["Authorization"] == f"Bearer {token}"


async def test_certificates_are_those_of_the_host_that_is_asked() -> None:
    github = secret(url="https://github.com/team/deploy", password="s3cr3t")
    for certificates, wanted in (({"github.com": "A"}, ""), ({"github.com": "A", "api.github.com": "B"}, "B")):
        async with hosts(book=HandBook(github, certificates=certificates)) as found:
            host: Any = await found.of("https://github.com/team/deploy", hub="hub")
            assert host._api._access.certificate_authority == wanted


async def test_ones_own_token_goes_to_no_host_that_a_hub_names() -> None:
    server = HostServer()
    async with hosts(server, own={}, environment=MINE) as found:
        with pytest.raises(RefusedError, match="it is not known which kind of Git host"):
            await found.of(f"{server.url}/team/deploy", hub="hub")
    assert server.asked == []


@pytest.mark.parametrize(
    ("route", "answer", "base"),
    [
        ("/api/v1/version", {"body": {"version": "1.24.0"}}, "/api/v1"),
        (
            "/rest/api/1.0/application-properties",
            {"body": {"version": "8.9.1", "displayName": "Bitbucket"}},
            "/rest/api/1.0",
        ),
        ("/api/v3/meta", {"body": {"installed_version": "3.17.0"}}, "/api/v3"),
        ("/api/v4/version", {"body": {"message": "401 Unauthorized"}, "status": 401}, "/api/v4"),
    ],
)
async def test_a_host_of_unknown_kind_is_asked_what_it_is_without_the_token(
    route: str, answer: dict[str, Any], base: str
) -> None:
    server, book = HostServer(), HandBook()
    server.routes[f"GET {route}"] = answer
    async with hosts(server, book=book, own={}) as found:
        book.says(secret(url=f"{server.url}/team/deploy", password="s3cr3t"))
        host: Any = await found.of(f"{server.url}/team/deploy", hub="hub")
        assert host._api.base == f"{server.url}{base}"
        asked = len(server.asked)
        await found.of(f"{server.url}/team/deploy", hub="hub")
        assert len(server.asked) == asked
    assert not any("Authorization" in headers or "PRIVATE-TOKEN" in headers for headers in server.headers)


async def test_a_host_that_is_none_of_them_is_refused() -> None:
    server, book = HostServer(), HandBook()
    async with hosts(server, book=book, own={}) as found:
        book.says(secret(url=f"{server.url}/team/deploy", password="s3cr3t"))
        with pytest.raises(FleetError, match="KIND one of github, gitlab, gitea, bitbucketServer, azureDevOps"):
            await found.of(f"{server.url}/team/deploy", hub="hub")
