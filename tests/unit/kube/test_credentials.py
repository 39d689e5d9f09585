"""Logins: token files and plugins, renewed when they end; and never a request without the login asked for."""

from __future__ import annotations

import base64
import json
import stat
import sys
from pathlib import Path

import pytest

from backends.kube import credentials
from backends.kube.context import ContextConfig, ExecPlugin, Impersonation
from backends.kube.credentials import Credentials, impersonation_headers
from fleetui.model.errors import RefusedError, UnauthorizedError
from fleetui.model.times import format_time

V1 = "client.authentication.k8s.io/v1"


def context(**settings: object) -> ContextConfig:
    return ContextConfig(name="prod", server="https://x", user="jane", **settings)  # type: ignore[arg-type]


class Clock:
    def __init__(self) -> None:
        self.now = 1_000_000_000.0

    def __call__(self) -> float:
        return self.now


def plugin(folder: Path, code: str, **settings: object) -> ContextConfig:
    """A context with a plugin of these lines of Python; `out(status)` prints a credential."""
    program = folder / "plugin"
    head = f"""#!{sys.executable}
import json, os, sys
def out(**status):
    print(json.dumps({{"apiVersion": "{V1}", "kind": "ExecCredential", "status": status}}))
with open({str(folder / "runs")!r}, "a") as runs: runs.write(os.environ["KUBERNETES_EXEC_INFO"] + "\\n")
"""
    program.write_text(head + code)
    program.chmod(program.stat().st_mode | stat.S_IXUSR)
    return context(exec=ExecPlugin(command=str(program), api_version=V1, **settings))  # type: ignore[arg-type]


def runs(folder: Path) -> list[dict[str, object]]:
    return [json.loads(line)["spec"] for line in (folder / "runs").read_text().splitlines()]


# --- what the kubeconfig gives ------------------------------------------------------------------------------------


async def test_token_basic_and_anonymous() -> None:
    assert (await Credentials(context(token="t")).login()).authorization == "Bearer t"
    basic = (await Credentials(context(username="me", password="pass:word")).login()).authorization
    assert base64.b64decode(basic.removeprefix("Basic ")) == b"me:pass:word"
    assert (await Credentials(context()).login()).authorization == ""


async def test_a_token_given_beats_a_plugin(tmp_path: Path) -> None:
    config = plugin(tmp_path, "out(token='plugin')")
    login = await Credentials(context(token="own", exec=config.exec)).login()
    assert login.authorization == "Bearer own"
    assert not (tmp_path / "runs").exists()


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


def test_impersonation_headers_are_client_gos() -> None:
    who = Impersonation("jane", "7", ("a", "b"), {"example.com/team": ("x", "y")})
    assert impersonation_headers(who) == {
        "Impersonate-User": ("jane",),
        "Impersonate-Uid": ("7",),
        "Impersonate-Group": ("a", "b"),
        "Impersonate-Extra-example.com%2Fteam": ("x", "y"),
    }


# --- plugins ------------------------------------------------------------------------------------------------------


async def test_a_plugin_runs_without_a_terminal_and_is_told_of_its_cluster(tmp_path: Path) -> None:
    cluster = {"server": "https://x"}
    code = "assert not sys.stdin.read()\nout(token=os.environ['GREETING'] + sys.argv[1] + '\\n')"
    config = plugin(tmp_path, code, args=("-you",), env={"GREETING": "hi"}, cluster=cluster)
    assert (await Credentials(config).login()).authorization == "Bearer hi-you"
    assert runs(tmp_path) == [{"interactive": False, "cluster": cluster}]


async def test_a_plugins_login_is_kept_until_just_before_its_end(tmp_path: Path) -> None:
    clock = Clock()
    config = plugin(tmp_path, f"out(token='t', expirationTimestamp='{format_time(clock.now + 600)}')")
    own = Credentials(config, clock=clock)
    for _ in range(3):
        await own.login()
    assert len(runs(tmp_path)) == 1
    clock.now += 575
    await own.login()
    assert len(runs(tmp_path)) == 2


async def test_a_plugin_may_give_a_certificate(tmp_path: Path) -> None:
    login = await Credentials(plugin(tmp_path, "out(clientCertificateData='c', clientKeyData='k')")).login()
    assert (login.authorization, login.cert, login.key) == ("", b"c", b"k")


@pytest.mark.parametrize(
    ("code", "problem"),
    [
        (
            "sys.exit('not logged\\x1b[31m in')",
            "no login for jane: the plugin plugin failed (1): not logged\ufffd[31m in",
        ),
        ("sys.exit(3)", "the plugin plugin failed (3): it said nothing"),
        ("print('hello')", "the plugin plugin did not print an ExecCredential with a status"),
        ("print('[]')", "the plugin plugin did not print an ExecCredential with a status"),
        ("out()", "the plugin gave neither a token nor a client certificate"),
        ("out(clientKeyData='k')", "the plugin gave a client certificate without its key, or a key alone"),
        ("print(json.dumps({'apiVersion': 'v9', 'status': {}}))", f"the plugin plugin answered in v9, not in {V1}"),
    ],
)
async def test_a_plugin_that_fails_is_an_error_and_is_not_run_at_each_request(
    tmp_path: Path, code: str, problem: str
) -> None:
    clock = Clock()
    own = Credentials(plugin(tmp_path, code), clock=clock)
    for _ in range(2):
        with pytest.raises(UnauthorizedError) as caught:
            await own.login()
        assert problem in str(caught.value)
    assert len(runs(tmp_path)) == 1
    clock.now += 31
    with pytest.raises(UnauthorizedError):
        await own.login()
    assert len(runs(tmp_path)) == 2


async def test_a_plugin_that_is_not_there_says_how_to_install_it(tmp_path: Path) -> None:
    absent = ExecPlugin(command=str(tmp_path / "aws"), api_version=V1, install_hint="pip install awscli")
    with pytest.raises(UnauthorizedError, match=r"the plugin aws can't be run: No such file .*; pip install awscli"):
        await Credentials(context(exec=absent)).login()


async def test_a_plugin_that_does_not_end_is_killed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from backends.kube import plugins

    monkeypatch.setattr(plugins, "_TIMEOUT", 0.3)
    with pytest.raises(UnauthorizedError, match=r"did not end within 0\.3 s"):
        await Credentials(plugin(tmp_path, "import time; time.sleep(600)")).login()


# --- OIDC ---------------------------------------------------------------------------------------------------------


def id_token(ends: float) -> str:
    parts = [base64.urlsafe_b64encode(json.dumps(part).encode()).decode().rstrip("=") for part in ({}, {"exp": ends})]
    return f"{parts[0]}.{parts[1]}.sig"


@pytest.mark.filterwarnings("ignore:datetime.datetime.utc:DeprecationWarning")
async def test_an_oidc_token_is_used_while_it_lasts_and_taken_anew_from_the_file(tmp_path: Path) -> None:
    import time

    old, new = id_token(time.time() - 60), id_token(time.time() + 3600)
    file = tmp_path / "config"

    def saved(token: str) -> None:
        provider = {"name": "oidc", "config": {"id-token": token, "refresh-token": "r"}}
        file.write_text(json.dumps({"users": [{"name": "jane", "user": {"auth-provider": provider}}]}))

    provider = {"name": "oidc", "config": {"id-token": old, "refresh-token": "r"}}
    config = context(auth_provider=provider, source=file)
    saved(old)
    clock = Clock()
    own = Credentials(config, clock=clock)
    with pytest.raises(UnauthorizedError, match=r"its OIDC token has expired; renew it by any command of kubectl"):
        await own.login()
    saved(new)
    clock.now += credentials._PLUGIN_PAUSE
    assert (await own.login()).authorization == f"Bearer {new}"
