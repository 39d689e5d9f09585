"""OIDC: the ID token of a kubeconfig, renewed at a provider whose certificate is checked, and saved where it was."""

from __future__ import annotations

import base64
import json
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest
import yaml
from aiohttp import web

from backends.kube import oidc_file
from backends.kube.context import ContextConfig
from backends.kube.credentials import Credentials
from backends.kube.kubeconfig import load
from backends.kube.oidc_file import replaced
from fleetui.model.errors import UnauthorizedError
from tests.unit.kube.scripted import PEM, server_tls, serving

CA = base64.b64encode((PEM / "ca.crt").read_bytes()).decode()


def id_token(ends: float) -> str:
    parts = [base64.urlsafe_b64encode(json.dumps(part).encode()).decode().rstrip("=") for part in ({}, {"exp": ends})]
    return f"{parts[0]}.{parts[1]}.sig"


OLD, NEW = id_token(time.time() - 60), id_token(time.time() + 3600)


class Provider:
    """An identity provider that gives each refresh token one successor."""

    def __init__(self) -> None:
        self.url = ""
        self.asked: list[str] = []
        self.posted: list[dict[str, str]] = []
        self.clients: list[str] = []
        self.status = 200
        self.answer: dict[str, Any] = {"id_token": NEW, "refresh_token": "r2", "access_token": "a"}

    async def __call__(self, request: web.BaseRequest) -> web.StreamResponse:
        self.asked.append(f"{request.method} {request.path}")
        if request.method == "GET":
            return web.json_response({"issuer": self.url, "token_endpoint": f"{self.url}/token"})
        self.clients.append(base64.b64decode(request.headers.get("Authorization", "").removeprefix("Basic ")).decode())
        self.posted.append({key: str(value) for key, value in (await request.post()).items()})
        return web.json_response(self.answer, status=self.status)


@asynccontextmanager
async def providing(certificate: str = "server") -> AsyncIterator[Provider]:
    provider = Provider()
    async with serving(provider, tls=server_tls(certificate)) as url:
        provider.url = url
        yield provider


def written(folder: Path, provider: Provider, **settings: str) -> Path:
    config = {"client-id": "kubernetes", "client-secret": "s+1", "id-token": OLD, "refresh-token": "r1"}
    config |= {"idp-issuer-url": provider.url, "idp-certificate-authority-data": CA} | settings
    given = {key: value for key, value in config.items() if value}
    content = {
        "current-context": "prod",
        "clusters": [{"name": "c", "cluster": {"server": "https://x"}}],
        "contexts": [{"name": "prod", "context": {"cluster": "c", "user": "jane"}}],
        "users": [{"name": "jane", "user": {"auth-provider": {"name": "oidc", "config": given}}}],
    }
    file = folder / "config"
    file.write_text(f"# mine\n{yaml.safe_dump(content)}")
    file.chmod(0o640)
    return file


def saved(file: Path) -> dict[str, str]:
    found: dict[str, str] = yaml.safe_load(file.read_text())["users"][0]["user"]["auth-provider"]["config"]
    return found


def names(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.iterdir())


@asynccontextmanager
async def logging_in(file: Path) -> AsyncIterator[Credentials]:
    config: ContextConfig = load([file]).context()
    own = Credentials(config)
    try:
        yield own
    finally:
        await own.close()


async def test_a_token_that_has_ended_is_renewed_and_saved(tmp_path: Path) -> None:
    async with providing() as provider:
        file = written(tmp_path, provider)
        async with logging_in(file) as own, logging_in(file) as other:
            assert (await own.login()).authorization == f"Bearer {NEW}"
            assert (await other.login()).authorization == f"Bearer {NEW}"
    assert provider.asked == ["GET /.well-known/openid-configuration", "POST /token"]
    assert provider.posted == [{"grant_type": "refresh_token", "refresh_token": "r1"}]
    assert provider.clients == ["kubernetes:s%2B1"]
    assert (saved(file)["id-token"], saved(file)["refresh-token"]) == (NEW, "r2")
    assert file.read_text().startswith("# mine\n")
    assert file.stat().st_mode & 0o777 == 0o640
    assert names(tmp_path) == ["config"]


async def test_a_client_without_a_secret_names_itself(tmp_path: Path) -> None:
    async with providing() as provider:
        del provider.answer["refresh_token"]
        file = written(tmp_path, provider, **{"client-secret": "", "id-token": ""})
        async with logging_in(file) as own:
            assert (await own.login()).authorization == f"Bearer {NEW}"
    assert provider.posted[0]["client_id"] == "kubernetes"
    assert (saved(file)["id-token"], saved(file)["refresh-token"]) == (NEW, "r1")


async def test_a_token_is_used_while_it_lasts_and_taken_from_the_file_when_kubectl_has_renewed_it(
    tmp_path: Path,
) -> None:
    async with providing() as provider:
        file = written(tmp_path, provider)
        async with logging_in(file) as own:
            written(tmp_path, provider, **{"id-token": NEW})
            assert (await own.login()).authorization == f"Bearer {NEW}"
    assert provider.asked == []


@pytest.mark.parametrize(
    ("settings", "status", "answer", "problem"),
    [
        ({"refresh-token": ""}, 200, {}, "its OIDC token has ended, and there is no refresh-token"),
        ({"id-token": "x", "refresh-token": ""}, 200, {}, "its OIDC id-token is no JWT with a time at which it ends"),
        ({}, 400, {"error": "invalid_grant"}, "gives no new token: oidc: failed to refresh access token"),
        ({}, 200, {"access_token": "a"}, "gives no id_token; was the scope openid asked for at login?"),
        ({}, 200, {"id_token": "a.b"}, "its OIDC id-token is no JWT"),
        ({"idp-issuer-url": "https://127.0.0.1:1"}, 200, {}, "gives no new token: Cannot connect to host 127.0.0.1:1"),
        ({"idp-certificate-authority-data": ""}, 200, {}, "certificate verify failed"),
        ({"idp-certificate-authority-data": "YQ=="}, 200, {}, "certificate authority in the kubeconfig can't be used"),
    ],
)
async def test_no_new_token_is_an_error_and_leaves_the_file_alone(
    tmp_path: Path, settings: dict[str, str], status: int, answer: dict[str, str], problem: str
) -> None:
    async with providing() as provider:
        provider.status, provider.answer = status, answer
        file = written(tmp_path, provider, **settings)
        before = file.read_bytes()
        async with logging_in(file) as own:
            with pytest.raises(UnauthorizedError) as caught:
                await own.login()
    assert problem in str(caught.value)
    assert "\n" not in str(caught.value)
    assert file.read_bytes() == before


async def test_a_refresh_token_is_not_used_up_where_its_successor_could_not_be_saved(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("os.access", lambda path, mode: False)
    async with providing() as provider, logging_in(written(tmp_path, provider)) as own:
        with pytest.raises(UnauthorizedError, match="a new one could not be saved in"):
            await own.login()
    assert provider.asked == []


async def test_a_file_that_kubectl_is_writing_is_waited_for_and_then_told(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(oidc_file, "_LOCK_PAUSE", 0.0)
    async with providing() as provider:
        file = written(tmp_path, provider)
        (tmp_path / "config.lock").touch()
        async with logging_in(file) as own:
            with pytest.raises(UnauthorizedError, match=r"config\.lock says that the kubeconfig is being written"):
                await own.login()
    assert provider.asked == []


TEXT = """
# users
users:
- name: other
  user: {auth-provider: {name: oidc, config: {id-token: a.b.c, refresh-token: r1}}}  # theirs
- name: jane
  user:
    auth-provider:
      name: oidc
      config:
"""


@pytest.mark.parametrize(
    "config",
    [
        "        id-token: a.b.c\n        refresh-token: r1  # mine\n        client-id: 012\n",
        "        refresh-token: 'r1'\n        client-id: 012\n        id-token: \"a.\\\n          b.c\"\n",
        "        id-token: >-\n          a.b.c\n        client-id: 012\n        refresh-token: |-\n          r1\n",
        '        {"id-token": "a.b.c", "client-id": 012, "refresh-token": r1}\n',
    ],
)
def test_only_the_two_values_change_however_they_are_written(config: str) -> None:
    old, new = {"id-token": "a.b.c", "refresh-token": "r1"}, {"id-token": "d.e.f", "refresh-token": 'r"2'}
    text = replaced(f"{TEXT}{config}preferences: {{}}  # end\n", "jane", old=old, new=new)
    assert text is not None
    assert text.startswith(TEXT)
    assert text.endswith("preferences: {}  # end\n")
    document = yaml.load(text, Loader=yaml.BaseLoader)
    assert document["users"][1]["user"]["auth-provider"]["config"] == new | {"client-id": "012"}
    assert document["users"][0]["user"]["auth-provider"]["config"] == old


@pytest.mark.parametrize(
    "config",
    [
        "        client-id: x\n        refresh-token: r1\n",
        "        id-token:\n        client-id: x\n        refresh-token: r1\n",
        "        {client-id: x, refresh-token: r1}\n",
    ],
)
def test_a_token_that_was_not_there_is_put_in(config: str) -> None:
    new = {"id-token": "d.e.f", "refresh-token": "r2"}
    text = replaced(TEXT + config, "jane", old={"refresh-token": "r1", "client-id": "x"}, new=new)
    assert yaml.safe_load(text or "")["users"][1]["user"]["auth-provider"]["config"] == new | {"client-id": "x"}


@pytest.mark.parametrize("user", ["jane", "gone"])
def test_what_somebody_else_has_renewed_stays(user: str) -> None:
    config = "        id-token: x.y.z\n        refresh-token: r9\n"
    old, new = {"id-token": "a.b.c", "refresh-token": "r1"}, {"id-token": "d.e.f", "refresh-token": "r2"}
    assert replaced(TEXT + config, user, old=old, new=new) is None
