"""Tokens of GitHub App installations, from a server that checks the app's signature."""

from __future__ import annotations

import asyncio
import base64
import json
import subprocess
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest

from backends.git import GitRepositories
from backends.github_app import InstallationTokens
from backends.repository_access import RepositoryAccess
from fleetui.model.errors import GitAuthenticationError, RepositoryUnreachableError, ToolMissingError
from tests.unit.certificates import Authority
from tests.unit.git_source import Source, WebServer
from tests.unit.repository_secrets import HandBook, books, secret

NOW = 1_750_000_000.0
TOKEN = "ghs_s3cr3t"


class GitHub:
    """What of GitHub's interface gives tokens. `expires` is when they end; `answers` what was asked for."""

    def __init__(self, authority: Authority) -> None:
        self._authority = authority
        self.status = 201
        self.location = ""
        self.expires = "2025-06-15T16:06:40Z"
        self.asked: list[str] = []
        self.claims: list[dict[str, Any]] = []
        owner = self

        class Handler(BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                owner.answer(self)

            def do_POST(self) -> None:
                owner.answer(self)

            def log_message(self, *_: Any) -> None:
                pass

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self._thread = threading.Thread(target=self._server.serve_forever, kwargs={"poll_interval": 0.01})
        self._thread.start()

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self._server.server_port}/api/v3"

    def close(self) -> None:
        self._server.shutdown()
        self._thread.join()
        self._server.server_close()

    def answer(self, request: BaseHTTPRequestHandler) -> None:
        self.asked.append(f"{request.command} {request.path}")
        self.claims.append(self._verified(request.headers["Authorization"].removeprefix("Bearer ")))
        body: Any = {"token": TOKEN, "expires_at": self.expires}
        if "access_tokens" not in request.path:
            accounts = [{"id": 7, "account": {"login": "Other"}}, {"id": 34, "account": {"login": "Team"}}]
            body = accounts if request.path.endswith("&page=1") else []
        request.send_response(self.status if request.command == "POST" else 200)
        if self.location:
            request.send_header("Location", self.location)
        request.end_headers()
        request.wfile.write(json.dumps(body).encode())

    def _verified(self, assertion: str) -> dict[str, Any]:
        signed, _, signature = assertion.rpartition(".")
        folder = self._authority.folder
        (folder / "signature").write_bytes(decoded(signature))
        key = ["openssl", "x509", "-in", "client.crt", "-pubkey", "-noout"]
        (folder / "public").write_bytes(subprocess.run(key, cwd=folder, capture_output=True, check=True).stdout)
        check = ["openssl", "dgst", "-sha256", "-verify", "public", "-signature", "signature"]
        subprocess.run(check, cwd=folder, input=signed.encode(), capture_output=True, check=True)
        header, _, claims = signed.partition(".")
        assert json.loads(decoded(header)) == {"alg": "RS256", "typ": "JWT"}
        found: dict[str, Any] = json.loads(decoded(claims))
        return found


def decoded(part: str) -> bytes:
    return base64.urlsafe_b64decode(part + "=" * (-len(part) % 4))


@pytest.fixture
def authority(tmp_path: Path) -> Authority:
    return Authority(tmp_path / "authority")


@pytest.fixture
def github(authority: Authority) -> Iterator[GitHub]:
    server = GitHub(authority)
    yield server
    server.close()


def access(github: GitHub, authority: Authority, **fields: Any) -> RepositoryAccess:
    given: dict[str, Any] = {"url": "https://github.example/team/shop.git", "app_id": 12, "app_installation_id": 34}
    given |= {"app_private_key": authority.text("client.key"), "app_base_url": f"{github.url}/"}
    return RepositoryAccess(**(given | fields))


def key(authority: Authority) -> Path:
    return authority.folder / "client.key"


def test_a_token_is_asked_for_with_the_apps_signature_and_kept_until_shortly_before_its_end(
    github: GitHub, authority: Authority
) -> None:
    now = [NOW]
    tokens = InstallationTokens(lambda: now[0])
    app = access(github, authority)
    assert tokens.get(app, "x", key=key(authority)) == tokens.get(app, "x", key=key(authority)) == TOKEN
    assert github.asked == ["POST /api/v3/app/installations/34/access_tokens"]
    assert github.claims == [{"iat": NOW - 30, "exp": NOW + 90, "iss": "12"}]
    now[0] = NOW + 3600 - 61
    tokens.get(app, "x", key=key(authority))
    assert len(github.asked) == 1
    now[0] = NOW + 3600 - 59
    tokens.get(app, "x", key=key(authority))
    assert len(github.asked) == 2


async def test_who_wait_for_a_token_wait_for_one(github: GitHub, authority: Authority) -> None:
    tokens = InstallationTokens(lambda: NOW)
    app = access(github, authority)
    found = await asyncio.gather(*(asyncio.to_thread(tokens.get, app, "x", key=key(authority)) for _ in range(8)))
    assert (set(found), len(github.asked)) == ({TOKEN}, 1)


def test_the_installation_is_found_by_the_owner_of_the_repository(github: GitHub, authority: Authority) -> None:
    app = access(github, authority, app_installation_id=0)
    assert InstallationTokens(lambda: NOW).get(app, "x", key=key(authority)) == TOKEN
    assert github.asked[-1] == "POST /api/v3/app/installations/34/access_tokens"
    stranger = access(github, authority, app_installation_id=0, url="git@github.example:nobody/x.git")
    with pytest.raises(GitAuthenticationError, match="the GitHub App 12: it is not installed for nobody"):
        InstallationTokens(lambda: NOW).get(stranger, "x", key=key(authority))


def test_what_goes_wrong_is_one_sentence_without_the_key(
    github: GitHub, authority: Authority, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    tokens = InstallationTokens(lambda: NOW)
    github.status = 401
    with pytest.raises(
        GitAuthenticationError, match=r"x refused the login: the GitHub App 12: 127\.0\.0\.1 answers 401"
    ):
        tokens.get(access(github, authority), "x", key=key(authority))
    github.status, github.location = 307, f"{github.url}/elsewhere"
    asked = len(github.asked)
    with pytest.raises(GitAuthenticationError, match="answers 307"):
        tokens.get(access(github, authority), "x", key=key(authority))
    assert len(github.asked) == asked + 1, "the assertion follows no redirect"
    with pytest.raises(RepositoryUnreachableError, match=r"no token from git\.invalid"):
        tokens.get(access(github, authority, app_base_url="http://git.invalid"), "x", key=key(authority))
    (tmp_path / "garbage").write_text("-----BEGIN RSA PRIVATE KEY-----\ns3cr3t\n-----END RSA PRIVATE KEY-----\n")
    with pytest.raises(GitAuthenticationError, match="the private key of the GitHub App 12 is unusable") as caught:
        tokens.get(access(github, authority), "x", key=tmp_path / "garbage")
    assert "s3cr3t" not in str(caught.value)
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(ToolMissingError, match="needs openssl"):
        tokens.get(access(github, authority), "x", key=key(authority))


async def test_a_repository_is_read_as_the_app(github: GitHub, authority: Authority, tmp_path: Path) -> None:
    source = Source(tmp_path / "source")
    sha = source.commit()
    source.publish(tmp_path / "web" / "x.git")
    web = WebServer(tmp_path / "web", login=f"x-access-token:{TOKEN}")
    github.expires = "2099-01-01T00:00:00Z"
    app = {"githubAppID": "12", "githubAppInstallationID": "34", "githubAppEnterpriseBaseUrl": github.url}
    book = HandBook(secret(url=web.url("x.git"), githubAppPrivateKey=authority.text("client.key"), **app))
    repositories = GitRepositories(tmp_path / "cache", books=books(hub=book))
    try:
        assert await repositories.open(web.url("x.git"), hub="hub").resolve("main") == sha
        assert len(github.asked) == 1, "one token for the question and the fetch"
        kept = [path for path in (tmp_path / "cache").rglob("*") if path.is_file()]
        assert not [path for path in kept if TOKEN.encode() in path.read_bytes()]
    finally:
        await repositories.close()
        web.close()
