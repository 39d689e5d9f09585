"""What Git hosts list for generators: each provider's own answers, its pages, its login."""

from __future__ import annotations

import base64
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import pytest

from backends.appset_answers import AppSetAnswers
from backends.github_app import InstallationTokens
from backends.hosts.api import Line
from backends.hosts.own import OwnHosts
from fleetui.engine.appset.questions import Answer, HostPullRequests, HostRepositories, Question
from fleetui.model.objects import ClusterName
from tests.unit.charts import serving
from tests.unit.fakes import FakeCluster
from tests.unit.git_hosts import HostServer, hub, spec

REF = {"secretName": "login", "key": "token"}
BASIC = f"Basic {base64.b64encode(b'ann:s3cr3t').decode()}"
LOGIN = {"token": "s3cr3t"}


@asynccontextmanager
async def answering(*servers: HostServer, of: FakeCluster | None = None, **own: Any) -> AsyncIterator[AppSetAnswers]:
    line = Line()
    known = of or hub(login=LOGIN)
    async with serving(*servers):
        yield AppSetAnswers(
            None,  # type: ignore[arg-type]  # nothing here asks Git
            hubs=lambda name: known if name == known.name else None,
            charts=lambda _: None,  # type: ignore[arg-type,return-value]
            own=OwnHosts(own.get("environment", {}), own.get("hosts", {})),
            line=line,
            tokens=InstallationTokens(),
        )
        await line.close()


async def ask(answers: AppSetAnswers, question: Question, **how: Any) -> Answer:
    return await answers.answer(question, hub=ClusterName(how.pop("hub", "hub")), namespace="argocd", **how)


async def listed(server: HostServer, kind: str, part: dict[str, Any], **more: Any) -> list[dict[str, Any]]:
    async with answering(server) as answers:
        part = {**part, "api": server.url}
        found = await ask(answers, HostRepositories(kind, spec(**{kind: part}, **more)))
    assert not found.problem, found.problem
    return list(found.value)


REPOSITORIES = [
    pytest.param(
        "github",
        {"organization": "acme", "tokenRef": REF},
        ("Authorization", "Bearer s3cr3t"),
        [("shop", "main", "a", ("web", "prod"), 1), ("attic", "main", "b", (), 2)],
        ("git@ghe.example:acme/shop.git", "https://ghe.example/acme/shop.git"),
        id="github",
    ),
    pytest.param(
        "gitlab",
        {"group": "acme/web", "includeSubgroups": True, "topic": "web", "tokenRef": REF},
        ("PRIVATE-TOKEN", "s3cr3t"),
        [("shop", "main", "a", ("web", "prod"), 11), ("old", "main", "b", ("tagged",), 12)],
        ("git@gl.example:acme/web/shop.git", "https://gl.example/acme/web/shop.git"),
        id="gitlab",
    ),
    pytest.param(
        "gitea",
        {"owner": "acme", "tokenRef": REF},
        ("Authorization", "token s3cr3t"),
        [("shop", "main", "a", ("web", "prod"), 1), ("attic", "main", "b", (), 2)],
        ("git@gitea.example:acme/shop.git", "https://gitea.example/acme/shop"),
        id="gitea",
    ),
    pytest.param(
        "bitbucket",
        {"owner": "acme", "user": "ann", "appPasswordRef": REF},
        ("Authorization", BASIC),
        [("shop", "main", "a", (), "{aa}")],
        ("git@bitbucket.org:acme/shop.git", "https://ann@bitbucket.org/acme/shop.git"),
        id="bitbucket",
    ),
    pytest.param(
        "bitbucketServer",
        {"project": "ACME", "basicAuth": {"username": "ann", "passwordRef": REF}},
        ("Authorization", BASIC),
        [("Web Shop", "main", "a", (), 1)],
        ("ssh://git@bb.example:7999/acme/web-shop.git", "https://bb.example/scm/acme/web-shop.git"),
        id="bitbucketServer",
    ),
    pytest.param(
        "azureDevOps",
        {"organization": "acme", "teamProject": "web", "accessTokenRef": REF},
        ("Authorization", f"Basic {base64.b64encode(b':s3cr3t').decode()}"),
        [("shop", "main", "a", (), "5febef5a-833d-4e14-b9c0-14cb638f91e6")],
        ("https://acme@dev.azure.com/acme/web/_git/shop", "https://acme@dev.azure.com/acme/web/_git/shop"),
        id="azureDevOps",
    ),
]


@pytest.mark.parametrize(("kind", "part", "login", "wanted", "urls"), REPOSITORIES)
async def test_repositories_at_their_default_branches(
    kind: str, part: dict[str, Any], login: tuple[str, str], wanted: list[Any], urls: tuple[str, str]
) -> None:
    server = HostServer(kind)
    found = await listed(server, kind, part)
    assert [
        (one["repository"], one["branch"], one["sha"][:1], one["labels"], one["repository_id"]) for one in found
    ] == wanted
    assert found[0]["url"] == urls[0]
    assert {headers.get(login[0]) for headers in server.headers} == {login[1]}


@pytest.mark.parametrize(("kind", "part", "login", "wanted", "urls"), REPOSITORIES)
async def test_all_branches_that_have_a_path_by_https(
    kind: str, part: dict[str, Any], login: tuple[str, str], wanted: list[Any], urls: tuple[str, str]
) -> None:
    server = HostServer(kind)
    part = {**part, "allBranches": True}
    every = await listed(server, kind, part, cloneProtocol="https")
    assert [(one["repository"], one["branch"], one["sha"][:1]) for one in every][:2] == [
        (wanted[0][0], "main", "a"),
        (wanted[0][0], "feature/x", "c"),
    ]
    assert every[0]["url"] == urls[1]
    found = await listed(server, kind, part, filters=[{"pathsExist": ["deploy/app.yaml/"]}])
    assert [(one["repository"], one["branch"]) for one in found] == [(wanted[0][0], "main")]
    others = await listed(server, kind, part, filters=[{"pathsDoNotExist": ["deploy/app.yaml"]}])
    assert [one["branch"] for one in others if one["repository"] == wanted[0][0]] == ["feature/x"]


@pytest.mark.parametrize(
    ("filters", "wanted"),
    [
        ([], ["shop main", "shop feature/x", "old main"]),
        ([{"repositoryMatch": "^sh"}], ["shop main", "shop feature/x"]),
        ([{"labelMatch": "pro"}, {"repositoryMatch": "^old$"}], ["shop main", "shop feature/x", "old main"]),
        ([{"branchMatch": "^main$"}], ["shop main", "old main"]),
        # Of each sort one has to fit.
        ([{"repositoryMatch": "shop"}, {"branchMatch": "feature/.*"}], ["shop feature/x"]),
        (
            [{"repositoryMatch": "old", "branchMatch": "main"}, {"branchMatch": "feature"}],
            ["shop feature/x", "old main"],
        ),
        ([{"pathsExist": ["deploy"]}], ["shop main"]),
        ([{"pathsExist": []}], ["shop main", "shop feature/x", "old main"]),
        ([{"labelMatch": "nowhere"}], []),
        ([{}], ["shop main", "shop feature/x", "old main"]),
    ],
)
async def test_filters_are_argo_cds(filters: list[Any], wanted: list[str]) -> None:
    server = HostServer("gitlab")
    part = {"group": "acme/web", "includeSubgroups": True, "topic": "web", "allBranches": True, "tokenRef": REF}
    found = await listed(server, "gitlab", part, filters=filters)
    assert [f"{one['repository']} {one['branch']}" for one in found] == wanted


async def test_what_is_archived_is_left_out_where_that_is_wanted() -> None:
    for kind, owner in (("github", "organization"), ("gitea", "owner")):
        found = await listed(HostServer(kind), kind, {owner: "acme", "excludeArchivedRepos": True, "tokenRef": REF})
        assert [one["repository"] for one in found] == ["shop"]


CART = {
    "number": 7,
    "title": "Add cart",
    "branch": "cart",
    "target_branch": "main",
    "head_sha": "d" * 40,
    "labels": ("preview", "web"),
    "author": "ann",
}


@pytest.mark.parametrize(
    ("kind", "provider", "part", "wanted"),
    [
        ("github", "github", {"owner": "acme", "repo": "shop", "labels": ["preview"]}, CART),
        (
            "gitlab",
            "gitlab",
            {"project": "acme/shop", "labels": ["preview", "web"], "pullRequestState": "opened"},
            CART,
        ),
        ("gitea", "gitea", {"owner": "acme", "repo": "shop", "labels": ["web"]}, CART),
        (
            "bitbucket",
            "bitbucket",
            {"owner": "acme", "repo": "shop"},
            CART | {"labels": (), "head_sha": "1a8dd249c04a"},
        ),
        ("bitbucketServer", "bitbucketServer", {"project": "ACME", "repo": "web-shop"}, CART | {"labels": ()}),
        (
            "azureDevOps",
            "azuredevops",
            {"organization": "acme", "project": "web", "repo": "shop", "labels": ["preview"]},
            CART,
        ),
    ],
)
async def test_pull_requests_with_all_wanted_labels(
    kind: str, provider: str, part: dict[str, Any], wanted: dict[str, Any]
) -> None:
    server = HostServer(kind)
    async with answering(server) as answers:
        question = HostPullRequests(provider, spec(**{provider: {**part, "api": server.url}}))
        found = await ask(answers, question)
    assert found == Answer(value=(wanted,))


@pytest.mark.parametrize(
    ("filters", "wanted"),
    [
        ([{"branchMatch": "^cart$"}], [7]),
        ([{"targetBranchMatch": "release-.*"}], [8]),
        ([{"titleMatch": "(?i)add"}, {"branchMatch": "fix"}], [7, 8]),
        ([{"titleMatch": "Add", "targetBranchMatch": "release"}], []),
        ([{}], [7, 8]),
    ],
)
async def test_filters_of_pull_requests(filters: list[Any], wanted: list[int]) -> None:
    server = HostServer("github")
    async with answering(server) as answers:
        part = {"owner": "acme", "repo": "shop", "api": server.url}
        found = await ask(answers, HostPullRequests("github", spec(github=part, filters=filters)))
    assert [one["number"] for one in found.value] == wanted


async def test_a_repository_that_is_not_there_has_no_pull_requests_where_that_may_be() -> None:
    server = HostServer("github")
    part = {"owner": "acme", "repo": "nowhere"}
    async with answering(server) as answers:
        part["api"] = server.url
        found = await ask(answers, HostPullRequests("github", spec(github=part)))
        assert "there is nothing at" in found.problem
        assert "repos/acme/nowhere/pulls" in found.problem
        quiet = HostPullRequests("github", spec(github=part, continueOnRepoNotFoundError=True))
        assert await ask(answers, quiet) == Answer(value=())


async def test_azure_is_asked_for_all_pages() -> None:
    server = HostServer("azureDevOps")
    query = "GET /acme/web/_apis/git/pullrequests?api-version=6.0&searchCriteria.status=active&$top=100"
    one = server.routes[query]["body"]["value"][0]
    server.routes[query] = {"body": {"value": [{**one, "pullRequestId": number} for number in range(100)]}}
    server.routes[f"{query}&$skip=100"] = {"body": {"value": [{**one, "pullRequestId": 100}]}}
    async with answering(server) as answers:
        part = {"organization": "acme", "project": "web", "repo": "shop", "api": server.url}
        found = await ask(answers, HostPullRequests("azuredevops", spec(azuredevops=part)))
    assert [each["number"] for each in found.value] == list(range(101))
