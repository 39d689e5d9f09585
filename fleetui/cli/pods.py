"""The commands about Pods: `logs`, `exec`, `port-forward`.

Owns: which Pod is meant, and how its streams are connected to this process. Logs are read from the cluster as they are;
what gets into a Pod goes through `fleetui.fleet.podaccess`.
"""

from __future__ import annotations

import asyncio
import os
import sys
from collections.abc import Callable, Coroutine, Sequence
from typing import TYPE_CHECKING, Any

import click

from fleetui.cli.connect import chosen_contexts, scope_of
from fleetui.cli.options import Scope
from fleetui.cli.report import say
from fleetui.model.errors import ExitCode, FleetError, RefusedError, UsageError
from fleetui.runtime import Runtime
from fleetui.terminal import LocalTerminal, is_terminal, talk

if TYPE_CHECKING:
    from backends.kube.cluster import KubeCluster
    from fleetui.fleet.podaccess import PodAccess, PodTarget
    from fleetui.ports import ByteStream, Output

_PIECE = 2**15
_FORM = "[CONTEXT/][NAMESPACE/]POD"


class _Here:
    """One cluster of the kubeconfig, and the Pod that was named; the cluster is used on the engine's loop alone.

    Raises:
        UsageError: there is no usable kubeconfig, several clusters are meant, or the text names no Pod.
    """

    def __init__(self, scope: Scope, text: str, container: str) -> None:
        from backends.kube.cluster import KubeCluster
        from fleetui.config import Paths, load_settings
        from fleetui.fleet.podaccess import PodTarget

        kubeconfig, names = chosen_contexts(scope_of(scope, text))
        if len(names) > 1:
            raise UsageError(f"a Pod is on one cluster, and {len(names)} are chosen", f"name one: {_FORM}")
        context = kubeconfig.context(names[0])
        namespace, pod = _named(text.removeprefix(f"{names[0]}/"), scope.namespace or context.namespace)
        self.protected = load_settings(Paths.of(os.environ).settings_file).protects(names[0])
        self.cluster: KubeCluster = KubeCluster(context, name=names[0], protected=self.protected)
        self.target: PodTarget = PodTarget(namespace, pod, container)
        self._scope = scope

    def access(self) -> PodAccess:
        from fleetui.engine.clock import SystemClock
        from fleetui.fleet.audit import default_audit
        from fleetui.fleet.permissions import Permissions
        from fleetui.fleet.podaccess import PodAccess

        clock = SystemClock()
        return PodAccess(Permissions(clock), default_audit(clock.now), read_only=self._scope.read_only)


def _named(text: str, namespace: str) -> tuple[str, str]:
    parts = text.split("/")
    if len(parts) > 2 or not all(parts):
        raise UsageError(f"{text} names no Pod", f"write it like {_FORM}")
    return (parts[0], parts[1]) if len(parts) == 2 else (namespace, parts[0])


def _run(here: _Here, work: Callable[[], Coroutine[Any, Any, int]]) -> int:
    async def run() -> int:
        try:
            return await work()
        finally:
            await here.cluster.close()

    with Runtime() as runtime:
        return runtime.submit(run()).result()


# --- logs -----------------------------------------------------------------------------------------------------------


def show_logs(
    scope: Scope,
    text: str,
    *,
    container: str,
    follow: bool,
    previous: bool,
    timestamps: bool,
    tail: int | None,
    since: float | None,
) -> int:
    """`logs POD`: harmless lines for a terminal, the bytes as they are for anything else."""
    show = _Lines() if sys.stdout.isatty() else _Bytes()
    here = _Here(scope, text, container)

    async def work() -> int:
        target = here.target
        stream = here.cluster.pods.logs(
            target.namespace,
            target.pod,
            container=target.container,
            follow=follow,
            previous=previous,
            timestamps=timestamps,
            tail=tail,
            since=since,
        )
        async with stream as pieces:
            async for piece in pieces:
                show.take(piece)
        show.end()
        return ExitCode.OK

    return _run(here, work)


class _Bytes:
    def take(self, piece: bytes) -> None:
        _write(1, piece)

    def end(self) -> None:
        pass


class _Lines:
    def __init__(self) -> None:
        from fleetui.model.loglines import LogLines

        self._lines = LogLines()

    def take(self, piece: bytes) -> None:
        self._print(self._lines.feed(piece))

    def end(self) -> None:
        self._print(self._lines.end())

    def _print(self, lines: list[str]) -> None:
        _write(1, "".join(f"{line}\n" for line in lines).encode())


def _write(output: int, data: bytes) -> None:
    """Writes all of it, at once: whoever looks on wants to see it now."""
    stream = sys.stdout.buffer if output == 1 else sys.stderr.buffer
    stream.write(data)
    stream.flush()


# --- exec -----------------------------------------------------------------------------------------------------------


def run_exec(
    scope: Scope, text: str, command: Sequence[str], *, container: str, stdin: bool, tty: bool, yes: str
) -> int:
    """`exec POD -- COMMAND`; ends with the command's own exit code."""
    if tty and not is_terminal():
        say("fleetui: this is no terminal: the command gets none")
        tty = False
    if tty and not stdin:
        raise UsageError("-t without -i: a terminal needs somebody to type", "-it")

    here = _Here(scope, text, container)
    _confirm(here, yes)

    async def work() -> int:
        async with here.access().exec(here.cluster.urgent, here.target, command, tty=tty, stdin=stdin) as session:
            if stdin and not session.can_end_input and not tty:
                say("fleetui: the server speaks v4: the command will not see the end of its input")
            return await talk(session, terminal, stdin=stdin, show=show)

    async def show(output: Output, data: bytes) -> None:
        _write(int(output), data)

    with LocalTerminal(raw=tty) as terminal:
        return _run(here, work)


def _confirm(here: _Here, yes: str) -> None:
    """A protected cluster wants its name, from the command line or typed.

    Raises:
        RefusedError: it was not given, or another one was.
    """
    wanted = here.cluster.name
    if not here.protected or yes == wanted:
        return
    if not yes and sys.stdin.isatty():
        say(f"{wanted} is protected. Type its name to run a command in {here.target}:")
        yes = sys.stdin.readline()
    if yes.strip() != wanted:
        raise RefusedError(f"cluster {wanted} is protected: nothing was done", f"--yes {wanted} confirms")


# --- port-forward ---------------------------------------------------------------------------------------------------


def port_pair(text: str) -> tuple[int, int]:
    """``LOCAL:REMOTE``, ``PORT`` for both, or ``:REMOTE`` for any free local one (0).

    Raises:
        UsageError: it is neither.
    """
    local, colon, remote = text.rpartition(":")
    numbers = [local or "0", remote] if colon else [remote, remote]
    if (
        not all(number.isascii() and number.isdigit() and int(number) < 65536 for number in numbers)
        or numbers[1] == "0"
    ):
        raise UsageError(f"{text} is no LOCAL:REMOTE", "e.g. 8080:80, 8080 or :80")
    return int(numbers[0]), int(numbers[1])


def run_port_forward(scope: Scope, text: str, ports: Sequence[str], *, address: str) -> int:
    """`port-forward POD LOCAL:REMOTE…`; stays until it is interrupted."""
    pairs = [port_pair(one) for one in ports]
    here = _Here(scope, text, "")

    async def work() -> int:
        access = here.access()
        servers: list[asyncio.Server] = []
        try:
            for local, remote in pairs:
                connect = await access.forward(here.cluster.urgent, here.target, remote)
                servers.append(await _listen(address, local, connect, f"{here.target} {remote}"))
                bound = servers[-1].sockets[0].getsockname()[1]
                click.echo(f"Forwarding from {address}:{bound} to port {remote} of {here.target}")
            await asyncio.Event().wait()
        finally:
            for server in servers:
                server.close()
        return ExitCode.OK

    return _run(here, work)


async def _listen(address: str, port: int, connect: Callable[[], Any], what: str) -> asyncio.Server:
    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            async with connect() as stream:
                await _join(stream, reader, writer)
        except FleetError as error:
            say(f"fleetui: {what}: {error}")
        except ConnectionError:
            pass  # whoever connected went away
        finally:
            writer.close()

    try:
        return await asyncio.start_server(serve, address, port)
    except OSError as error:
        raise UsageError(
            f"{address}:{port} can't be listened on: {error.strerror}", "take another local port"
        ) from error


async def _join(stream: ByteStream, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    """Copies both ways until both halves have ended."""

    async def send() -> None:
        while data := await reader.read(_PIECE):
            await stream.write(data)
        await stream.end()

    sending = asyncio.create_task(send())
    try:
        while data := await stream.read():
            writer.write(data)
            await writer.drain()
        if writer.can_write_eof():
            writer.write_eof()
    finally:
        sending.cancel()
        await asyncio.gather(sending, return_exceptions=True)
