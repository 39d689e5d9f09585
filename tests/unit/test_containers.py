"""What runs in the containers of an embedded cluster: shell, terminal and log, without a server."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

from backends.embedded.containers.commands import Machine, Streams
from backends.embedded.containers.container import Container, find
from backends.embedded.containers.logs import KEPT, Log
from backends.embedded.containers.ports import answer
from backends.embedded.containers.shell import NoCommandError, run
from backends.embedded.containers.terminal import Terminal
from backends.embedded.containers.words import ShellSyntaxError, expand, parse
from backends.embedded.errors import ApiError
from fleetui.model.times import parse_time

Obj = dict[str, Any]
START = "2026-01-01T00:00:00Z"
BEGIN = parse_time(START) or 0.0


def pod(image: str = "registry.example.com/web:1", **status: Any) -> Obj:
    env = [{"name": "MODE", "value": "test"}, {"name": "KEY", "valueFrom": {"secretKeyRef": {"name": "s", "key": "k"}}}]
    spec = {"name": "main", "image": image, "ports": [{"containerPort": 8080}], "env": env}
    state = status or {"state": {"running": {"startedAt": START}}}
    return {
        "metadata": {"name": "web-1", "namespace": "shop", "uid": "u1"},
        "spec": {"containers": [spec]},
        "status": {"podIP": "10.244.0.9", "containerStatuses": [{"name": "main", **state}]},
    }


def container(image: str = "registry.example.com/web:1", **status: Any) -> Container:
    return find(pod(image, **status), "")


async def sh(script: str, given: bytes = b"") -> tuple[int, str, str]:
    """Exit code, stdout and stderr of a script."""
    out, err = bytearray(), bytearray()
    left = [given] if given else []

    async def read() -> bytes:
        return left.pop(0) if left else b""

    async def to_out(data: bytes) -> None:
        out.extend(data)

    async def to_err(data: bytes) -> None:
        err.extend(data)

    machine = Machine(container(), lambda: BEGIN)
    code = await run(machine, ["sh", "-c", script], Streams(read, to_out, to_err))
    return code, out.decode(), err.decode()


@pytest.mark.parametrize(
    ("script", "expected"),
    [
        ("echo a  b 'c  d' \"e $MODE\"", (0, "a b c  d e test\n", "")),
        ("echo -n x; echo y", (0, "xy\n", "")),
        ("false && echo no || echo yes", (0, "yes\n", "")),
        ("true || echo no; echo $?", (0, "0\n", "")),
        ("nosuch; echo $?", (0, "127\n", "sh: nosuch: not found\n")),
        ("echo err >&2; exit 3", (3, "", "err\n")),
        ("sh -c 'exit 4'; echo $?", (0, "4\n", "")),
        ("echo one | cat | wc -c", (0, "4\n", "")),
        ("head -c 100000 /dev/zero | wc -c", (0, "100000\n", "")),
        ("cat /absent 2>&1", (1, "cat: can't open '/absent': No such file or directory\n", "")),
        ("cat /absent 2>/dev/null >/dev/null", (1, "", "")),
        ("A=1; echo $A${B:-2}", (0, "12\n", "")),
        ("read x; read y; echo $y $x", (0, "two one\n", "")),
        ("cd /etc; pwd; hostname", (0, "/etc\nweb-1\n", "")),
        ("command -v bash >/dev/null && exec sh -c 'echo in' || echo out", (0, "in\n", "")),
        ("command -v bash >/dev/null && exec bash -c 'exit 5' || echo no", (5, "", "")),
        ("exit 6 | cat; echo on", (0, "on\n", "")),
        ("printf '%s-%s\\n' a b # comment", (0, "a-b\n", "")),
        ("echo $KEY", (0, "<secretKeyRef>\n", "")),
        ("cat /etc/hostname; date", (0, "web-1\nThu Jan  1 00:00:00 UTC 2026\n", "")),
        ("", (0, "", "")),
    ],
)
async def test_shell(script: str, expected: tuple[int, str, str]) -> None:
    assert await sh(script, b"one\ntwo\n") == expected


@pytest.mark.parametrize(
    "script", ["echo 'open", "| cat", "a && ; b", "echo >", "x &&", "if true; then echo; fi", "f(x)"]
)
async def test_what_is_not_spoken_is_said(script: str) -> None:
    code, out, err = await sh(script)
    assert (code, out) == (2, "")
    assert err.startswith("sh: syntax error: ")


async def test_substitutions_are_refused_and_not_printed() -> None:
    assert await sh('echo "$(ls)"') == (2, "", "sh: command substitution is not spoken here\n")


async def test_a_shell_without_a_script_reads_its_input() -> None:
    out = bytearray()
    given = [b"echo o", b"ne\nexit 3\necho two\n"]

    async def read() -> bytes:
        return given.pop(0) if given else b""

    async def write(data: bytes) -> None:
        out.extend(data)

    machine = Machine(container(), lambda: BEGIN)
    assert (await run(machine, ["sh"], Streams(read, write, write)), out) == (3, bytearray(b"one\n"))


def test_a_variable_is_split_where_it_is_not_quoted() -> None:
    variables = {"A": "x  y", "E": ""}
    assert expand("$A", variables) == ["x", "y"]
    assert expand('"$A"', variables) == ["x  y"]
    assert expand("$E", variables) == []
    assert expand('"$E"', variables) == [""]
    with pytest.raises(ShellSyntaxError):
        parse("a | | b")


async def test_a_program_that_is_not_there() -> None:
    machine = Machine(container(), lambda: BEGIN)

    async def nothing(data: bytes = b"") -> Any:
        return b""

    with pytest.raises(NoCommandError, match=r'exec: "nosuch": executable file not found in \$PATH'):
        await run(machine, ["nosuch"], Streams(nothing, nothing, nothing))
    with pytest.raises(NoCommandError, match='exec: "/x/y": stat /x/y: no such file or directory'):
        await run(machine, ["/x/y"], Streams(nothing, nothing, nothing))
    assert await run(machine, ["/bin/true"], Streams(nothing, nothing, nothing)) == 0


async def test_a_terminal_echoes_edits_and_ends() -> None:
    shown = bytearray()

    async def show(data: bytes) -> None:
        shown.extend(data)

    terminal = Terminal(show)
    await terminal.feed(b"ab\x7fc\r")
    assert await terminal.read() == b"ac\n"
    assert shown == b"ab\b \bc\r\n"
    await terminal.feed(b"gone\x15\x1b[Ax\r")
    assert await terminal.read() == b"[Ax\n"
    await terminal.feed(b"\x04")
    assert await terminal.read() == b""
    shown.clear()
    await terminal.write(b"one\ntwo\n")
    assert shown == b"one\r\ntwo\r\n"


async def test_an_interrupt_ends_what_is_in_front() -> None:
    async def show(data: bytes) -> None:
        return None

    terminal = Terminal(show)
    streams = Streams(terminal.read, terminal.write, terminal.write, lambda: terminal.size)
    machine = Machine(container(), lambda: BEGIN)
    running = asyncio.create_task(run(machine, ["sleep", "1000"], streams, terminal.foreground))
    for _ in range(5):
        await asyncio.sleep(0)
    await terminal.feed(b"\x03")
    assert await running == 130


# --- logs and ports -----------------------------------------------------------------------------------------------


def test_a_log_is_the_same_whenever_it_is_read_and_bounded() -> None:
    one = container()
    log = Log(one, one.life(previous=False))
    early, late = log.lines(BEGIN + 100), log.lines(BEGIN + 200)
    assert late[: len(early)] == early
    assert len(late) > len(early)
    assert [line.text for line in early[:4]] == [
        "starting main from registry.example.com/web:1",
        "pod shop/web-1, pid 1",
        "listening on :8080",
        "ready",
    ]
    times = [line.time for line in late]
    assert times == sorted(times)
    assert list(log.after(early[-1].time, BEGIN + 200)) == late[len(early) :]
    assert list(log.after(late[-1].time, BEGIN + 200)) == []
    years = log.lines(BEGIN + 10 * 365 * 86400)
    assert len(years) == KEPT
    assert years[0].time > BEGIN + 9 * 365 * 86400


def test_a_container_that_failed_says_why_in_its_former_life() -> None:
    ended = {"terminated": {"exitCode": 1, "startedAt": START, "finishedAt": START, "containerID": "c"}}
    one = container(
        "registry.example.com/crashes:1",
        state={"waiting": {"reason": "CrashLoopBackOff"}},
        lastState=ended,
        restartCount=3,
    )
    former = one.life(previous=True)
    assert (former.code, former.restarts) == (1, 2)
    texts = [line.text for line in Log(one, former).lines(BEGIN + 50)]
    assert texts[-1] == "fatal: giving up, exit status 1"
    assert "ready" not in texts
    assert one.life(previous=False).ended == START, "while it waits its last run is what there is"


@pytest.mark.parametrize(
    ("reason", "words"),
    [
        ("ImagePullBackOff", "trying and failing to pull image"),
        ("ErrImagePull", "image can't be pulled"),
        ("ContainerCreating", "ContainerCreating"),
    ],
)
def test_a_container_that_was_never_started_has_no_log(reason: str, words: str) -> None:
    with pytest.raises(ApiError, match=f'container "main" in pod "web-1" is waiting to start: {words}'):
        container(state={"waiting": {"reason": reason}}).life(previous=False)


async def test_ports_answer_http_and_say_what_they_are() -> None:
    async def ask(given: bytes, image: str = "registry.example.com/web:1") -> bytes:
        left, said = [given], bytearray()

        async def read() -> bytes:
            return left.pop(0) if left else b""

        async def write(data: bytes) -> None:
            said.extend(data)

        await answer(container(image), 8080, read, write)
        return bytes(said)

    page = await ask(b"GET /x HTTP/1.1\r\nHost: a\r\n\r\n")
    assert page.startswith(b"HTTP/1.1 200 OK\r\n")
    assert b"main of pod shop/web-1, port 8080" in page
    assert (await ask(b"HEAD / HTTP/1.1\r\n\r\n")).endswith(b"\r\n\r\n")
    assert (await ask(b"hello\r\n\r\n")).startswith(b"HTTP/1.1 400")
    assert await ask(b"hello", "registry.example.com/echo:1") == b"hello"
