"""Logins that the kubeconfig gives itself, which of them counts, and impersonation."""

from __future__ import annotations

import base64
from pathlib import Path

import pytest

from backends.kube.context import ContextConfig, ExecPlugin, Impersonation
from backends.kube.credentials import Credentials, impersonation_headers
from fleetui.model.errors import RefusedError, UnauthorizedError


def context(**settings: object) -> ContextConfig:
    return ContextConfig(name="prod", server="https://x", user="jane", **settings)  # type: ignore[arg-type]


class Clock:
    def __init__(self) -> None:
        self.now = 1_000_000_000.0

    def __call__(self) -> float:
        return self.now


# --- what the kubeconfig gives ------------------------------------------------------------------------------------


async def test_token_basic_and_anonymous() -> None:
    assert (await Credentials(context(token="t")).login()).authorization == "Bearer t"
    basic = (await Credentials(context(username="me", password="pass:word")).login()).authorization
    assert base64.b64decode(basic.removeprefix("Basic ")) == b"me:pass:word"
    assert (await Credentials(context()).login()).authorization == ""


CERT = {"client_cert": b"c", "client_key": b"k"}


@pytest.mark.parametrize(
    ("settings", "authorization", "certificate"),
    [
        ({"token": "own"}, "Bearer own", None),
        ({"username": "me", "password": "it"}, "Basic bWU6aXQ=", None),
        (CERT, "", b"c"),
        (CERT | {"token": "own"}, "Bearer own", b"c"),
    ],
)
async def test_what_the_kubeconfig_gives_beats_a_plugin(
    tmp_path: Path, settings: dict[str, object], authorization: str, certificate: bytes | None
) -> None:
    absent = ExecPlugin(command=str(tmp_path / "absent"), api_version="client.authentication.k8s.io/v1")
    login = await Credentials(context(exec=absent, **settings)).login()
    assert (login.authorization, login.cert) == (authorization, certificate)


async def test_a_token_file_is_stripped_beats_the_token_and_is_read_again(tmp_path: Path) -> None:
    file, clock = tmp_path / "token", Clock()
    file.write_text("one\n")
    own = Credentials(context(token="inline", token_file=file), clock=clock)
    login = await own.login()
    assert login.authorization == "Bearer one"
    file.write_text("two\n")
    assert await own.login() is login
    assert own.refused(login)
    assert (await own.login()).authorization == "Bearer two"
    file.write_text("three\n")
    clock.now += 11
    assert (await own.login()).authorization == "Bearer three"


@pytest.mark.parametrize(("content", "problem"), [(None, "can't be read: No such file"), ("\n", "holds no token")])
async def test_a_token_file_without_a_token_is_an_error(tmp_path: Path, content: str | None, problem: str) -> None:
    file = tmp_path / "token"
    if content is not None:
        file.write_text(content)
    with pytest.raises(UnauthorizedError, match=problem) as caught:
        await Credentials(context(token_file=file)).login()
    assert caught.value.cluster == "prod"


async def test_a_renewed_login_is_another_one_and_a_fixed_one_is_refused(tmp_path: Path) -> None:
    file = tmp_path / "token"
    file.write_text("one")
    own = Credentials(context(token_file=file))
    await own.login()
    file.write_text("two")
    await own.renew()
    assert (await own.login()).authorization == "Bearer two"
    with pytest.raises(RefusedError, match="gives jane a fixed login, which fleetui can't renew"):
        await Credentials(context(token="t")).renew()


async def test_while_a_token_file_is_away_what_was_read_before_serves_and_else_the_token(tmp_path: Path) -> None:
    file, clock = tmp_path / "token", Clock()
    own = Credentials(context(token="inline", token_file=file), clock=clock)
    assert (await own.login()).authorization == "Bearer inline"
    file.write_text("one")
    clock.now += 11
    assert (await own.login()).authorization == "Bearer one"
    file.unlink()
    clock.now += 11
    assert (await own.login()).authorization == "Bearer one"


def test_impersonation_headers_are_client_gos() -> None:
    who = Impersonation("jane", "7", ("a", "b"), {"example.com/team": ("x", "y")})
    assert impersonation_headers(who) == {
        "Impersonate-User": ("jane",),
        "Impersonate-Uid": ("7",),
        "Impersonate-Group": ("a", "b"),
        "Impersonate-Extra-example.com%2Fteam": ("x", "y"),
    }
