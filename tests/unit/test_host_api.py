"""The interface of a Git host as it fails: limits, refusals, redirects, pages without end."""

from __future__ import annotations

from collections.abc import AsyncIterator
from typing import Any

import pytest
from aiohttp import web

from backends.charts_http import Timeouts
from backends.hosts import api as api_module
from backends.hosts.api import Api, Line, MissingOnHostError, file_path, segment
from backends.hosts.kinds import Token
from backends.repository_access import RepositoryAccess
from fleetui.model.errors import FleetError, GitAuthenticationError, GitError, RepositoryUnreachableError
from tests.unit.charts import Server, serving
from tests.unit.kube.scripted import PEM, server_tls

LOGIN = {"Authorization": "Bearer s3cr3t"}


class Clock:
    now = 1_750_000_000.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
async def line(clock: Clock) -> AsyncIterator[Line]:
    made = Line(Timeouts(total=20), now=clock)
    yield made
    await made.close()


@pytest.fixture
async def server() -> AsyncIterator[Server]:
    made = Server()
    async with serving(made):
        yield made


def says(status: int, body: Any = None, **headers: str) -> Any:
    return lambda _: web.json_response(
        body, status=status, headers={k.replace("_", "-"): v for k, v in headers.items()}
    )


@pytest.mark.parametrize(
    ("status", "headers", "until"),
    [
        (429, {"Retry_After": "30"}, "15:07:10"),
        (429, {}, "15:07:40"),
        (429, {"RateLimit_Reset": "1750000100"}, "15:08:20"),
        (403, {"X_RateLimit_Remaining": "0", "X_RateLimit_Reset": "1750000005"}, "15:06:45"),
        (429, {"Retry_After": "Thu, 01 Jan 2099 00:00:00 GMT"}, "15:07:40"),
        (429, {"Retry_After": "999999999"}, "16:06:40"),
    ],
)
async def test_a_host_that_wants_rest_gets_it(
    line: Line, clock: Clock, server: Server, status: int, headers: dict[str, str], until: str
) -> None:
    server.answers["/things"] = says(status, {"message": "slow down"}, **headers)
    api = Api(line, server.url, headers=LOGIN)
    for _ in range(2):
        with pytest.raises(
            RepositoryUnreachableError, match=f"takes no more requests from this login until {until} UTC"
        ):
            await api.get("things")
    assert server.count("things") == 1
    # Another login may have requests left.
    with pytest.raises(RepositoryUnreachableError):
        await Api(line, server.url).get("things")
    assert server.count("things") == 2
    clock.now += 3600
    server.answers["/things"] = says(200, [1])
    assert await api.get("things") == [1]


@pytest.mark.parametrize(
    ("status", "body", "kind", "said"),
    [
        (401, {"message": "Bad credentials"}, GitAuthenticationError, "refuses the login (401: 'Bad credentials')"),
        (403, {"message": "no"}, GitAuthenticationError, "is not permitted to this login (403: 'no')"),
        (203, {"a": 1}, GitAuthenticationError, "refuses the login (203)"),
        (
            404,
            {"errors": [{"message": "no such\u001b[31m project"}]},
            MissingOnHostError,
            "(404: 'no such\ufffd[31m project')",
        ),
        (500, None, RepositoryUnreachableError, "answered 500"),
        (422, {"error": {"message": "x"}}, GitError, "answered 422: 'x'"),
        (409, {"message": ["one open already"]}, GitError, "answered 409: 'one open already'"),
        (400, {"error": "invalid_scope"}, GitError, "answered 400: 'invalid_scope'"),
    ],
)
async def test_what_a_host_refuses_is_one_sentence_with_its_own_words(
    line: Line, server: Server, status: int, body: Any, kind: type[FleetError], said: str
) -> None:
    server.answers["/things"] = says(status, body)
    with pytest.raises(kind) as caught:
        await Api(line, server.url, headers=LOGIN).get("things")
    assert type(caught.value) is kind
    assert said in str(caught.value)
    assert f"{server.url}/things" in str(caught.value)
    assert "s3cr3t" not in str(caught.value)


async def test_what_is_no_json_is_said_to_be_none(line: Line, server: Server) -> None:
    server.answers["/things"] = lambda _: web.Response(text="<html>")
    with pytest.raises(GitError, match="answers with no JSON"):
        await Api(line, server.url).get("things")
    server.answers["/things"] = lambda _: web.Response(text="[" * 100_000)
    with pytest.raises(GitError, match="answers with no JSON"):
        await Api(line, server.url).get("things")


async def test_a_redirect_is_followed_on_the_same_host_and_nowhere_else(line: Line, server: Server) -> None:
    other = Server()
    server.answers["/old"] = lambda _: web.Response(status=301, headers={"Location": "/new"})
    server.answers["/new"] = says(200, {"a": 1})
    api = Api(line, server.url, headers=LOGIN)
    assert await api.get("old") == {"a": 1}
    async with serving(other):
        server.answers["/away"] = lambda _: web.Response(status=302, headers={"Location": f"{other.url}/new"})
        with pytest.raises(GitAuthenticationError, match="redirects elsewhere, and a login goes nowhere else"):
            await api.get("away")
        with pytest.raises(GitAuthenticationError):
            await api.post("old", {})
        assert other.asked == []
    server.answers["/round"] = lambda _: web.Response(status=302, headers={"Location": "/round"})
    with pytest.raises(GitError, match="redirects more than 5 times"):
        await api.get("round")


async def test_a_list_has_an_end(line: Line, server: Server, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(api_module, "MOST_PAGES", 3)
    server.answers["/things"] = says(200, [{"a": 1}])
    api = Api(line, server.url)
    with pytest.raises(GitError, match="has more than 3 pages"):
        await api.pages("things", {}, lambda *_: {"page": 1})
    assert server.count("things") == 3
    server.answers["/things"] = says(200, {"a": 1})
    with pytest.raises(GitError, match="something other than a list"):
        await api.pages("things", {}, lambda *_: None)


async def test_all_pages_of_a_list_have_a_size(line: Line, server: Server, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(api_module, "_MOST_BYTES_LISTED", 2 << 20)
    server.answers["/things"] = says(200, ["x" * (1 << 20)])
    with pytest.raises(GitError, match="lists more than 2 MiB"):
        await Api(line, server.url).pages("things", {}, lambda *_: {"page": 1})
    assert server.count("things") == 2


async def test_an_answer_has_a_size(line: Line, server: Server, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(api_module, "_MOST_BYTES", 100)
    server.answers["/things"] = says(200, "x" * 1000)
    with pytest.raises(GitError, match="answers with more than 100 bytes"):
        await Api(line, server.url).get("things")


async def test_a_host_that_does_not_answer_is_away(server: Server) -> None:
    hasty = Line(Timeouts(total=0.05))
    with pytest.raises(RepositoryUnreachableError, match="did not answer in time"):
        await Api(hasty, server.url).get("slow")
    await hasty.close()


async def test_certificates_are_looked_at_unless_told_otherwise(line: Line) -> None:
    server = Server()
    server.tls = server_tls()
    server.answers["/things"] = says(200, [])
    async with serving(server):
        with pytest.raises(GitError, match="certificate is not trusted"):
            await Api(line, server.url).get("things")
        insecure = RepositoryAccess(url=server.url, insecure=True)
        assert await Api(line, server.url, access=insecure).get("things") == []
        trusted = RepositoryAccess(url=server.url, certificate_authority=(PEM / "ca.crt").read_text())
        assert await Api(line, server.url, access=trusted).get("things") == []


@pytest.mark.parametrize("base", ["ftp://host", "git.example", "", "http://"])
async def test_a_base_that_is_no_address_is_refused(line: Line, base: str) -> None:
    with pytest.raises(GitError, match="is no http or https address"):
        Api(line, base)


def test_no_part_of_a_path_leads_elsewhere() -> None:
    assert segment("a/b c") == "a%2Fb%20c"
    assert file_path("/deploy/a b.yaml/") == "deploy/a%20b.yaml"
    for bad in ("..", ".", ""):
        with pytest.raises(GitError):
            segment(bad)
    for path in ("../../user", "a/./b", "a//b"):
        with pytest.raises(GitError):
            file_path(path)


def test_nobody_prints_a_token() -> None:
    assert "s3cr3t" not in repr(Token(secret="s3cr3t", user="ann"))
