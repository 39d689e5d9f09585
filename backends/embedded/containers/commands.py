"""The programs of a container: each a few lines, none of them real.

Owns: `COMMANDS`, by name, and `Streams`, what a program is given. Called by `shell`. What they print is made of the
container's own description; files are the few of `files`.
"""

from __future__ import annotations

import asyncio
import hashlib
from collections.abc import Awaitable, Callable, Coroutine, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

from backends.embedded.containers.container import Container

_PIECE = 2**15
_OS_RELEASE = 'NAME="fleetui demo"\nID=fleetui\nPRETTY_NAME="A container that is not there"\n'


@dataclass(slots=True)
class Streams:
    """What a program reads and writes; `read` returns empty bytes at the end of the input."""

    read: Callable[[], Awaitable[bytes]]
    out: Callable[[bytes], Awaitable[None]]
    err: Callable[[bytes], Awaitable[None]]
    size: Callable[[], tuple[int, int]] | None = None
    """Columns and rows of the terminal; None without one."""


@dataclass(slots=True)
class Machine:
    """The inside of one container, for as long as somebody is in it."""

    container: Container
    clock: Callable[[], float]
    variables: dict[str, str] = field(default_factory=dict)
    rest: bytearray = field(default_factory=bytearray)
    """Input that was read but not used: `read` takes one line of a piece."""

    def __post_init__(self) -> None:
        self.variables |= environment(self.container)


def environment(container: Container) -> dict[str, str]:
    """The environment of the container's processes; what comes from Secrets and the like is named, not shown."""
    found = {
        "PATH": "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin",
        "HOSTNAME": container.pod_name,
        "KUBERNETES_SERVICE_HOST": "10.96.0.1",
        "KUBERNETES_SERVICE_PORT": "443",
        "HOME": "/root",
        "PWD": "/",
    }
    for entry in container.spec.get("env") or ():
        source = ", ".join(entry.get("valueFrom") or ())
        found[entry["name"]] = entry.get("value", "") if not source else f"<{source}>"
    return found


def files(container: Container) -> dict[str, str]:
    """The files of a container that have contents."""
    address = (container.pod.get("status") or {}).get("podIP", "")
    return {
        "/etc/hostname": f"{container.pod_name}\n",
        "/etc/hosts": f"127.0.0.1\tlocalhost\n{address}\t{container.pod_name}\n",
        "/etc/os-release": _OS_RELEASE,
        "/var/run/secrets/kubernetes.io/serviceaccount/namespace": container.namespace,
    }


def listing(container: Container, path: str) -> list[str] | None:
    """The names in a folder; None where there is no such folder."""
    known = files(container)
    folders = {"/bin", "/dev", "/etc", "/home", "/proc", "/root", "/tmp", "/usr", "/var"}
    folders |= {str(mount.get("mountPath", "/")).rstrip("/") for mount in container.spec.get("volumeMounts") or ()}
    paths = set(known) | folders
    prefix = "/" if path in ("/", "") else f"{path.rstrip('/')}/"
    inside = {entry[len(prefix) :].split("/")[0] for entry in paths if entry.startswith(prefix) and entry != prefix}
    return sorted(inside - {""}) if inside or prefix.rstrip("/") in folders else None


Program = Callable[[Machine, list[str], Streams], Coroutine[Any, Any, int]]


async def _echo(machine: Machine, args: list[str], streams: Streams) -> int:
    plain = args[:1] != ["-n"]
    await streams.out((" ".join(args if plain else args[1:]) + ("\n" if plain else "")).encode())
    return 0


async def _printf(machine: Machine, args: list[str], streams: Streams) -> int:
    text = (args[0] if args else "").replace("\\n", "\n").replace("\\t", "\t")
    for value in args[1:]:
        text = text.replace("%s", value, 1).replace("%d", value, 1)
    await streams.out(text.encode())
    return 0


async def _cat(machine: Machine, args: list[str], streams: Streams) -> int:
    status = 0
    for path in args or ["-"]:
        if path == "-":
            while data := await _read(machine, streams):
                await streams.out(data)
        elif path in (known := files(machine.container)):
            await streams.out(known[path].encode())
        else:
            await streams.err(f"cat: can't open '{path}': No such file or directory\n".encode())
            status = 1
    return status


async def _read(machine: Machine, streams: Streams) -> bytes:
    if machine.rest:
        data = bytes(machine.rest)
        machine.rest.clear()
        return data
    return await streams.read()


async def _head(machine: Machine, args: list[str], streams: Streams) -> int:
    if args[:1] != ["-c"] or len(args) < 2 or not args[1].isdigit():
        await streams.err(b"head: only -c NUMBER is known here\n")
        return 1
    left = int(args[1])
    while left > 0:
        data = bytes(min(_PIECE, left)) if args[2:] == ["/dev/zero"] else (await _read(machine, streams))[:left]
        if not data:
            break
        left -= len(data)
        await streams.out(data)
    return 0


async def _sha256sum(machine: Machine, args: list[str], streams: Streams) -> int:
    digest = hashlib.sha256()
    while data := await _read(machine, streams):
        digest.update(data)
    await streams.out(f"{digest.hexdigest()}  -\n".encode())
    return 0


async def _wc(machine: Machine, args: list[str], streams: Streams) -> int:
    size = lines = words = 0
    while data := await _read(machine, streams):
        size, lines, words = size + len(data), lines + data.count(b"\n"), words + len(data.split())
    shown = {"-c": f"{size}", "-l": f"{lines}", "-w": f"{words}"}.get(
        args[0] if args else "", f"{lines} {words} {size}"
    )
    await streams.out(f"{shown}\n".encode())
    return 0


async def _line(machine: Machine, args: list[str], streams: Streams) -> int:
    """`read NAME`: one line of the input."""
    while b"\n" not in machine.rest:
        data = await streams.read()
        if not data:
            break
        machine.rest += data
    line, found, rest = bytes(machine.rest).partition(b"\n")
    machine.rest[:] = rest
    machine.variables[args[-1] if args else "REPLY"] = line.decode(errors="replace").strip()
    return 0 if found else 1


async def _ls(machine: Machine, args: list[str], streams: Streams) -> int:
    long = any(arg.startswith("-") and "l" in arg for arg in args)
    path = next((arg for arg in args if not arg.startswith("-")), machine.variables.get("PWD", "/"))
    names = listing(machine.container, path)
    if names is None and path in files(machine.container):
        names = [path]
    if names is None:
        await streams.err(f"ls: {path}: No such file or directory\n".encode())
        return 1
    shown = [f"drwxr-xr-x    1 root     root          4096 {name}" for name in names] if long else names
    await streams.out("".join(f"{line}\n" for line in shown).encode())
    return 0


async def _ps(machine: Machine, args: list[str], streams: Streams) -> int:
    spec = machine.container.spec
    command = " ".join([*(spec.get("command") or ()), *(spec.get("args") or ())]) or f"/{machine.container.name}"
    rows = ("PID   USER     COMMAND", f"    1 root     {command}", "    7 root     ps")
    await streams.out("".join(f"{row}\n" for row in rows).encode())
    return 0


async def _sleep(machine: Machine, args: list[str], streams: Streams) -> int:
    try:
        await asyncio.sleep(float(args[0].rstrip("s")))
    except (IndexError, ValueError):
        await streams.err(b"sleep: invalid number\n")
        return 1
    return 0


async def _stty(machine: Machine, args: list[str], streams: Streams) -> int:
    if streams.size is None:
        await streams.err(b"stty: standard input: Not a tty\n")
        return 1
    columns, rows = streams.size()
    await streams.out(f"{rows} {columns}\n".encode() if args == ["size"] else b"")
    return 0


async def _env(machine: Machine, args: list[str], streams: Streams) -> int:
    await streams.out("".join(f"{name}={value}\n" for name, value in machine.variables.items()).encode())
    return 0


async def _date(machine: Machine, args: list[str], streams: Streams) -> int:
    await streams.out(datetime.fromtimestamp(machine.clock(), UTC).strftime("%a %b %e %H:%M:%S UTC %Y\n").encode())
    return 0


def _says(text: Callable[[Machine], str]) -> Program:
    async def program(machine: Machine, args: list[str], streams: Streams) -> int:
        await streams.out(f"{text(machine)}\n".encode())
        return 0

    return program


def _ends(code: int) -> Program:
    async def program(machine: Machine, args: list[str], streams: Streams) -> int:
        return code

    return program


COMMANDS: Mapping[str, Program] = {
    "cat": _cat,
    "clear": _says(lambda machine: "\x1b[H\x1b[2J"),
    "date": _date,
    "echo": _echo,
    "env": _env,
    "false": _ends(1),
    "head": _head,
    "hostname": _says(lambda machine: machine.container.pod_name),
    "id": _says(lambda machine: "uid=0(root) gid=0(root)"),
    "ls": _ls,
    "printenv": _env,
    "printf": _printf,
    "ps": _ps,
    "pwd": _says(lambda machine: machine.variables.get("PWD", "/")),
    "sha256sum": _sha256sum,
    "sleep": _sleep,
    "stty": _stty,
    "true": _ends(0),
    "uname": _says(lambda machine: "Linux"),
    "wc": _wc,
    "whoami": _says(lambda machine: "root"),
}
BUILTINS: Mapping[str, Program] = {":": _ends(0), "read": _line}
"""What a shell has beyond programs."""
