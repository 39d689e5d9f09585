"""Credential plugins: what one run may do and give, and that many contexts share one."""

from __future__ import annotations

import asyncio
import os
import pty
import sys
import termios
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from datetime import date
from pathlib import Path

import pytest

from backends.kube.context import ExecPlugin
from fleetui.model.errors import RefusedError, UnauthorizedError
from fleetui.model.times import format_time
from tests.unit.kube.plugin import V1, logging_in, plugin, runs
from tests.unit.kube.test_credentials import Clock
from tests.waiting import await_until

TEN = tuple(f"prod-{number}" for number in range(10))


@contextmanager
def at_a_terminal(monkeypatch: pytest.MonkeyPatch, typed: str = "") -> Iterator[None]:
    """This process with a terminal as its stdin, at which `typed` was typed."""
    ours, theirs = pty.openpty()
    stdin = os.dup(0)
    try:
        os.dup2(theirs, 0)
        os.write(ours, typed.encode())
        with open(0, closefd=False) as file:
            monkeypatch.setattr(sys, "__stdin__", file)
            yield
    finally:
        monkeypatch.undo()
        os.dup2(stdin, 0)
        for descriptor in (ours, theirs, stdin):
            os.close(descriptor)


# --- one run ------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("version", [V1, "client.authentication.k8s.io/v1beta1"])
async def test_a_plugin_runs_without_a_terminal_and_is_told_of_its_cluster(tmp_path: Path, version: str) -> None:
    cluster = {"server": "https://x"}
    code = """
assert not sys.stdin.read()
try:
    open("/dev/tty")
    sys.exit("it has a terminal")
except OSError:
    print("no browser found", file=sys.stderr)
out(token=os.environ["GREETING"] + sys.argv[1] + "\\n")
"""
    given = plugin(tmp_path, code, args=("-you",), env={"GREETING": "hi"}, cluster=cluster, api_version=version)
    async with logging_in(given) as (own,):
        assert (await own.login()).authorization == "Bearer hi-you"
    assert runs(tmp_path) == [{"interactive": False, "cluster": cluster}]


async def test_a_plugin_may_give_a_certificate(tmp_path: Path) -> None:
    async with logging_in(plugin(tmp_path, "out(clientCertificateData='c', clientKeyData='k')")) as (own,):
        login = await own.login()
    assert (login.authorization, login.cert, login.key) == ("", b"c", b"k")


@pytest.mark.parametrize(
    ("code", "problem"),
    [
        (
            "sys.exit('not logged\\x1b[31m in')",
            "no login for jane: the plugin kubelogin failed (1): not logged\ufffd[31m in",
        ),
        ("sys.exit('x' * 9000 + ' the end')", "xxx the end"),
        ("sys.exit(3)", "the plugin kubelogin failed (3): it said nothing"),
        ("os.kill(os.getpid(), 9)", "the plugin kubelogin failed (-9): it said nothing"),
        ("print('hello')", "the plugin kubelogin did not print an ExecCredential"),
        ("print('[]')", "the plugin kubelogin did not print an ExecCredential"),
        ("print('[' * 100_000)", "the plugin kubelogin did not print an ExecCredential"),
        ("print(json.dumps({'apiVersion': 'v9', 'kind': 'ExecCredential'}))", f"answered v9 ExecCredential, not {V1} "),
        (f"print(json.dumps({{'apiVersion': '{V1}', 'kind': 'Pod'}}))", f"answered {V1} Pod, not {V1} ExecCredential"),
        (f"print(json.dumps({{'apiVersion': '{V1}', 'kind': 'ExecCredential'}}))", "without a status"),
        ("out()", "the plugin kubelogin gave neither a token nor a client certificate"),
        ("out(token='')", "the plugin kubelogin gave neither a token nor a client certificate"),
        ("out(token=7)", "the plugin kubelogin gave a token that is no text"),
        ("out(token='a\\nb')", "gave a token with a character in it that no header may have"),
        ("out(clientKeyData='k')", "gave a client certificate without its key, or a key alone"),
        ("out(token='t', expirationTimestamp='soon')", "gave an expirationTimestamp that is no time: soon"),
        (
            "out(token='t', expirationTimestamp='2001-09-09T01:46:39Z')",
            "gave a login that has ended already; is this machine's clock right?",
        ),
        ("while True: os.write(1, b'x' * 65536)", "printed more than 1 MB, which is no login"),
        ("while True: os.write(2, b'x' * 65536)", "did not end within 2 s"),
        ("import time; time.sleep(600)", "did not end within 2 s"),
    ],
)
async def test_a_plugin_that_gives_no_login_is_told_in_a_sentence(tmp_path: Path, code: str, problem: str) -> None:
    async with logging_in(plugin(tmp_path, code), clock=Clock(), timeout=2.0) as (own,):
        with pytest.raises(UnauthorizedError) as caught:
            await own.login()
    assert problem in str(caught.value)
    assert "\n" not in str(caught.value)
    assert len(str(caught.value)) < 450
    assert caught.value.cluster == "prod"


async def test_nothing_of_a_plugin_that_hangs_is_left(tmp_path: Path) -> None:
    pids = tmp_path / "pids"
    code = f"""
import subprocess
child = subprocess.Popen(["sleep", "600"])
with open({str(pids)!r}, "w") as file: print(os.getpid(), child.pid, file=file)
child.wait()
"""
    async with logging_in(plugin(tmp_path, code), timeout=2.0) as (own,):
        with pytest.raises(UnauthorizedError, match=r"did not end within 2 s$"):
            await own.login()
    for pid in map(int, pids.read_text().split()):
        await await_until(lambda pid=pid: not is_running(pid), 5, "killed")  # type: ignore[misc]


def is_running(pid: int) -> bool:
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except (FileNotFoundError, ProcessLookupError):
        return False


async def test_a_plugin_that_is_not_there_says_how_to_install_it(tmp_path: Path) -> None:
    absent = ExecPlugin(command=str(tmp_path / "aws"), api_version=V1, install_hint="pip install awscli")
    async with logging_in(absent) as (own,):
        with pytest.raises(UnauthorizedError, match=r"the plugin aws can't be run: No such file .*; pip install aws"):
            await own.login()


# --- kept and shared ----------------------------------------------------------------------------------------------


async def test_ten_contexts_with_the_same_plugin_ask_once(tmp_path: Path) -> None:
    async with logging_in(plugin(tmp_path, "out(token='t')"), *TEN) as all_ten:
        logins = await asyncio.gather(*(own.login() for own in all_ten))
        assert {login.authorization for login in logins} == {"Bearer t"}
        await asyncio.gather(*(own.login() for own in all_ten))
    assert len(runs(tmp_path)) == 1


@pytest.mark.parametrize(
    "other",
    [
        {"args": ("--cluster", "b")},
        {"env": {"PROFILE": "b"}},
        {"cluster": {"server": "https://b"}},
        {"interactive_mode": "IfAvailable"},
    ],
)
async def test_what_the_plugin_is_told_makes_another_login(tmp_path: Path, other: dict[str, object]) -> None:
    given = plugin(tmp_path, "out(token=' '.join(sys.argv))")
    async with logging_in(given, "a") as (one,), logging_in(replace(given, **other), "b") as (two,):  # type: ignore[arg-type]
        await asyncio.gather(one.login(), two.login())
    assert len(runs(tmp_path)) == 2


async def test_a_login_is_renewed_before_its_end_while_it_still_serves(tmp_path: Path) -> None:
    clock = Clock()
    code = f"""
import time
ends = 1_000_000_000 + 600 * len(open({str(tmp_path / "runs")!r}).readlines())
out(token=str(ends), expirationTimestamp=time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(ends)))
"""
    async with logging_in(plugin(tmp_path, code), *TEN, clock=clock) as all_ten:
        first = await all_ten[0].login()
        clock.now += 569
        assert await all_ten[0].login() is first
        assert len(runs(tmp_path)) == 1
        clock.now += 2
        for own in all_ten:
            assert (await own.login()).authorization == first.authorization
        await await_until(lambda: len(runs(tmp_path)) == 2, 5, "renewed")
        await await_until_renewed(all_ten[0], first)
        assert len(runs(tmp_path)) == 2


async def await_until_renewed(own: object, former: object) -> None:
    from backends.kube.credentials import Credentials

    assert isinstance(own, Credentials)
    for _ in range(500):
        if await own.login() != former:
            return
        await asyncio.sleep(0.01)
    raise AssertionError("the login was not renewed")


async def test_a_login_that_can_t_be_renewed_early_serves_until_its_end(tmp_path: Path) -> None:
    clock = Clock()
    once = f"len(open({str(tmp_path / 'runs')!r}).readlines()) == 1 or sys.exit('the VPN is down')\n"
    ends = format_time(clock.now + 600)
    async with logging_in(plugin(tmp_path, f"{once}out(token='t', expirationTimestamp='{ends}')"), clock=clock) as (
        own,
    ):
        first = await own.login()
        clock.now += 580
        assert await own.login() is first
        await await_until(lambda: len(runs(tmp_path)) == 2, 5, "run again")
        for _ in range(3):
            assert await own.login() is first
        clock.now += 20.5
        with pytest.raises(UnauthorizedError, match="the VPN is down"):
            await own.login()


async def test_a_401_drops_a_shared_login_once(tmp_path: Path) -> None:
    clock = Clock()
    code = f"out(token=str(len(open({str(tmp_path / 'runs')!r}).readlines())))"
    async with logging_in(plugin(tmp_path, code), *TEN, clock=clock) as all_ten:
        first = [await own.login() for own in all_ten]
        assert all(own.refused(login) for own, login in zip(all_ten, first, strict=True))
        second = await asyncio.gather(*(own.login() for own in all_ten))
        assert {login.authorization for login in second} == {"Bearer 2"}
        # A plugin whose logins the server never takes is not run at each request.
        assert not any(own.refused(login) for own, login in zip(all_ten, second, strict=True))
        assert await all_ten[0].login() is second[0]
        clock.now += 31
        assert all_ten[0].refused(second[0])
        assert (await all_ten[0].login()).authorization == "Bearer 3"
    assert len(runs(tmp_path)) == 3


async def test_after_a_failure_nobody_runs_it_for_a_while(tmp_path: Path) -> None:
    clock = Clock()
    async with logging_in(plugin(tmp_path, "sys.exit('no')"), *TEN, clock=clock) as all_ten:
        for _ in range(2):
            for own in all_ten:
                with pytest.raises(UnauthorizedError, match=r"failed \(1\): no$") as caught:
                    await own.login()
            assert caught.value.cluster == TEN[-1]
        assert len(runs(tmp_path)) == 1
        clock.now += 31
        with pytest.raises(UnauthorizedError):
            await all_ten[3].login()
    assert len(runs(tmp_path)) == 2


async def test_a_clock_that_is_set_back_makes_no_pause_longer(tmp_path: Path) -> None:
    clock, works = Clock(), tmp_path / "works"
    code = f"os.path.exists({str(works)!r}) or sys.exit('no')\nout(token=str(len(open(sys.argv[1]).readlines())))"
    given = plugin(tmp_path, code, args=(str(tmp_path / "runs"),))
    async with logging_in(given, clock=clock) as (own,):
        with pytest.raises(UnauthorizedError):
            await own.login()
        clock.now -= 3600
        works.touch()
        second = await own.login()
        assert second.authorization == "Bearer 2"
        assert own.refused(second)
        third = await own.login()
        clock.now -= 3600
        assert own.refused(third)
        assert (await own.login()).authorization == "Bearer 4"


async def test_a_plugin_may_be_told_of_its_cluster_what_json_has_no_word_for(tmp_path: Path) -> None:
    cluster = {"server": "https://x", "config": {"since": date(2024, 1, 1)}}
    async with logging_in(plugin(tmp_path, "out(token='t')", cluster=cluster)) as (own,):
        await own.login()
    assert runs(tmp_path)[0]["cluster"]["config"] == {"since": "2024-01-01"}


async def test_who_gives_up_waiting_takes_nothing_from_the_others(tmp_path: Path) -> None:
    go = tmp_path / "go"
    os.mkfifo(go)
    async with logging_in(plugin(tmp_path, f"open({str(go)!r}).read(); out(token='t')"), "a", "b") as (one, two):
        first, second = asyncio.ensure_future(one.login()), asyncio.ensure_future(two.login())
        await await_until(lambda: len(runs(tmp_path)) == 1, 5, "running")
        first.cancel()
        with pytest.raises(asyncio.CancelledError):
            await first
        go.write_text("")
        assert (await second).authorization == "Bearer t"
    assert len(runs(tmp_path)) == 1


async def test_the_last_that_closes_ends_the_run(tmp_path: Path) -> None:
    async with logging_in(plugin(tmp_path, "import time; time.sleep(600)"), "a", "b") as (one, two):
        waiting = asyncio.ensure_future(one.login())
        await await_until(lambda: len(runs(tmp_path)) == 1, 5, "running")
        await two.close()
        assert not waiting.done()
    with pytest.raises(UnauthorizedError, match="it was given up"):
        await waiting


# --- at the terminal ----------------------------------------------------------------------------------------------

ASKS = "assert json.loads(os.environ['KUBERNETES_EXEC_INFO'])['spec']['interactive']\nout(token=input())"


async def test_a_plugin_that_needs_a_terminal_is_never_run_in_the_background(tmp_path: Path) -> None:
    async with logging_in(plugin(tmp_path, ASKS, interactive_mode="Always"), "prod eu") as (own,):
        with pytest.raises(UnauthorizedError) as caught:
            await own.login()
    assert str(caught.value) == (
        "no login for jane: the plugin kubelogin asks in a terminal (log in: fleetui login 'prod eu')"
    )
    assert runs(tmp_path) == []


@pytest.mark.parametrize("mode", ["Always", "IfAvailable"])
async def test_the_operator_logs_in_at_the_terminal_for_all_who_share_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, mode: str
) -> None:
    given = plugin(tmp_path, ASKS, interactive_mode=mode)
    async with logging_in(given, *TEN) as all_ten:
        with pytest.raises(UnauthorizedError, match="log in: fleetui login prod-0"):
            await all_ten[0].login()
        before = len(runs(tmp_path))
        with at_a_terminal(monkeypatch, "s3cret\n"):
            await all_ten[7].renew()
        assert {(await own.login()).authorization for own in all_ten} == {"Bearer s3cret"}
    assert runs(tmp_path)[before:] == [{"interactive": True}]


async def test_without_a_terminal_there_is_nobody_to_ask(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with Path(os.devnull).open() as nothing:  # noqa: ASYNC230 - a device
        monkeypatch.setattr(sys, "__stdin__", nothing)
        async with logging_in(plugin(tmp_path, ASKS, interactive_mode="Always")) as (own,):
            with pytest.raises(UnauthorizedError, match=r"asks in a terminal, and standard input is none$"):
                await own.renew()


async def test_a_plugin_that_is_ended_leaves_the_terminal_as_it_was(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    code = """
import termios, time
settings = termios.tcgetattr(0)
settings[3] &= ~termios.ECHO
termios.tcsetattr(0, termios.TCSANOW, settings)
time.sleep(600)
"""
    async with logging_in(plugin(tmp_path, code, interactive_mode="Always")) as (own,):
        with at_a_terminal(monkeypatch):
            before = termios.tcgetattr(0)
            asking = asyncio.ensure_future(own.renew())
            await await_until(lambda: termios.tcgetattr(0) != before, 5, "it asks for a password")
            asking.cancel()
            with pytest.raises(asyncio.CancelledError):
                await asking
            assert termios.tcgetattr(0) == before


async def test_one_login_at_a_time(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    go, other = tmp_path / "go", tmp_path / "other"
    os.mkfifo(go)
    other.mkdir()
    slow = plugin(tmp_path, f"open({str(go)!r}).read(); out(token='t')", interactive_mode="IfAvailable")
    async with logging_in(slow, "a", "b") as (one, two), logging_in(plugin(other, "out(token='u')"), "c") as (three,):
        with at_a_terminal(monkeypatch):
            first = asyncio.ensure_future(one.renew())
            await await_until(lambda: len(runs(tmp_path)) == 1, 5, "running")
            for own in (two, three):
                with pytest.raises(RefusedError, match=r"another login is going on \(one at a time\)"):
                    await own.renew()
            with pytest.raises(UnauthorizedError, match="a login at the terminal is going on"):
                await two.login()
            assert (await three.login()).authorization == "Bearer u"
            go.write_text("")
            await first
        assert (await two.login()).authorization == "Bearer t"
        await three.renew()
    assert (len(runs(tmp_path)), len(runs(other))) == (1, 2)


async def test_a_login_at_the_terminal_that_fails_costs_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    code = f"len(open({str(tmp_path / 'runs')!r}).readlines()) == 1 or sys.exit(4)\nout(token='t')"
    async with logging_in(plugin(tmp_path, code, interactive_mode="IfAvailable")) as (own,):
        held = await own.login()
        with at_a_terminal(monkeypatch), pytest.raises(UnauthorizedError, match=r"failed \(4\): see above"):
            await own.renew()
        assert await own.login() is held
