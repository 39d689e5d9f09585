"""The commands about Pods: `logs`, `exec`, `port-forward`.

Owns: which Pod is meant, and how its streams are connected to this process. Logs are read from the cluster as they are;
what gets into a Pod goes through `fleetui.fleet.podaccess`.
"""

from __future__ import annotations

import asyncio
import os
import sys
from collections.abc import AsyncIterator, Callable, Coroutine, Sequence
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING, Any

import click

from fleetui.cli.connect import Connection, chosen_contexts, scope_of
from fleetui.cli.options import Scope
from fleetui.cli.report import say
from fleetui.model.errors import ExitCode, FleetError, NotFoundError, RefusedError, UsageError
from fleetui.model.objects import ClusterName
from fleetui.runtime import Runtime
from fleetui.terminal import LocalTerminal, is_terminal, talk

if TYPE_CHECKING:
    from fleetui.fleet.podaccess import PodAccess, PodTarget
    from fleetui.podports import ByteStream, Output
    from fleetui.ports import Cluster

_PIECE = 2**15
_FORM = "[CLUSTER/][NAMESPACE/]POD"


class _Here:
    """The Pod that was named, and the cluster it is on: a context, or one that the chosen hub registers.

    Raises:
        UsageError: there is no usable kubeconfig, several clusters are meant, or the text names no Pod.
    """

    def __init__(self, scope: Scope, text: str, container: str) -> None:
        from fleetui.config import Paths, load_settings
        from fleetui.fleet.podaccess import PodTarget

        self._scope = scope_of(scope, text)
        kubeconfig, names = chosen_contexts(self._scope)
        if len(names) > 1:
            raise UsageError(f"a Pod is on one cluster, and {len(names)} are chosen", f"name one: {_FORM}")
        self._hub = names[0]
        parts = text.removeprefix(f"{self._hub}/").split("/")
        if not all(parts):
            raise UsageError(f"{text} names no Pod", f"write it like {_FORM}")
        namespace = scope.namespace or kubeconfig.context(self._hub).namespace
        self.name = "/".join(parts[:-2]) or self._hub
        self.target: PodTarget = PodTarget(parts[-2] if len(parts) > 1 else namespace, parts[-1], container)
        self.protected = load_settings(Paths.of(os.environ).settings_file).protects(self.name)

    @asynccontextmanager
    async def cluster(self) -> AsyncIterator[Cluster]:
        """The cluster, to be used on the engine's loop.

        Raises:
            MissingError: the hub registers no cluster of that name.
        """
        connection = Connection(self._scope)
        try:
            if self.name != self._hub:
                connection.clusters.start()
                await connection.clusters.ready(ClusterName(self._hub))
            yield connection.clusters.named(ClusterName(self.name)).api.urgent
        finally:
            await connection.close()

    def access(self) -> PodAccess:
        from fleetui.engine.clock import SystemClock
        from fleetui.fleet.audit import default_audit
        from fleetui.fleet.permissions import Permissions
        from fleetui.fleet.podaccess import PodAccess

        clock = SystemClock()
        return PodAccess(
            Permissions(clock),
            default_audit(clock.now),
            read_only=self._scope.read_only,
            warn=lambda trouble: say(f"fleetui: {trouble}"),
        )


def _run(here: _Here, work: Callable[[Cluster], Coroutine[Any, Any, int]]) -> int:
    from fleetui.config import Paths, set_up_log

    async def run() -> int:
        async with here.cluster() as cluster:
            try:
                return await work(cluster)
            except NotFoundError as error:
                sentence = f"{here.name}: {error}, in the namespace {here.target.namespace}"
                raise NotFoundError(sentence, f"name another: {_FORM}, or -n") from error

    # asyncio of 3.11 complains on stderr where a server ends a connection in the middle of our input; that is no news.
    set_up_log(Paths.of(os.environ).log_file)
    with Runtime() as runtime:
        try:
            return runtime.submit(run()).result()
        except _UnreadError:
            return ExitCode.OK


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

    async def work(cluster: Cluster) -> int:
        target = here.target
        stream = cluster.pods.logs(
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


class _UnreadError(Exception):
    """Whoever read our output has gone (`| head`). Not a BrokenPipeError: click ends with 1 for that."""


def _write(output: int, data: bytes) -> None:
    """Writes all of it, at once: whoever looks on wants to see it now.

    Raises:
        _UnreadError: nobody reads it.
    """
    stream = sys.stdout.buffer if output == 1 else sys.stderr.buffer
    try:
        stream.write(data)
        stream.flush()
    except BrokenPipeError as error:
        # What Python would still flush has nowhere to go.
        os.dup2(os.open(os.devnull, os.O_WRONLY), stream.fileno())
        raise _UnreadError from error


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

    async def work(cluster: Cluster) -> int:
        async with here.access().exec(cluster, here.target, command, tty=tty, stdin=stdin) as session:
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
    wanted = here.name
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

    async def work(cluster: Cluster) -> int:
        access = here.access()
        servers: list[asyncio.Server] = []
        try:
            for local, remote in pairs:
                connect = await access.forward(cluster, here.target, remote)
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

    async def receive() -> None:
        while data := await stream.read():
            writer.write(data)
            await writer.drain()
        if writer.can_write_eof():
            writer.write_eof()

    sending, receiving = asyncio.create_task(send()), asyncio.create_task(receive())
    try:
        ended, _ = await asyncio.wait({sending, receiving}, return_when=asyncio.FIRST_COMPLETED)
        if receiving not in ended and isinstance(sending.exception(), ConnectionError):
            # Whoever connected is gone without a farewell: the Pod would keep its end, and we ours, for ever.
            return
        await receiving
    finally:
        sending.cancel()
        receiving.cancel()
        await asyncio.gather(sending, receiving, return_exceptions=True)
