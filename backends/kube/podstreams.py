"""Logs, commands and ports of the Pods of one API server.

Owns: `KubePods`, the implementation of `fleetui.podports.PodStreams` for real servers and for the embedded ones.
Made by `backends.kube.cluster`. What they mean to the cluster's state is told to its link; how the protocols work is in
`execsession` and `portforward`.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import asynccontextmanager
from math import ceil
from typing import TYPE_CHECKING
from urllib.parse import urlencode

from backends.kube.execsession import PROTOCOLS, Session
from backends.kube.portforward import PROTOCOLS as FORWARDING
from backends.kube.portforward import forwarded
from fleetui.model.errors import ClusterError, InvalidError, StatusError
from fleetui.podports import ByteStream, ExecSession, PodStreams

if TYPE_CHECKING:
    from backends.kube.link import Link
    from backends.kube.transport import Transport
    from backends.kube.websocket import WebSocket

Params = list[tuple[str, str]]


class KubePods:
    """The Pods of one cluster.

    Args:
        cluster: its name, for errors.
        transport: where its requests go.
        path: of a Pod and one of its subresources, by namespace and name.
        link: hears whether the server answers.
    """

    def __init__(
        self,
        cluster: str,
        *,
        transport: Callable[[], Awaitable[Transport]],
        path: Callable[[str, str, str], str],
        link: Link,
    ) -> None:
        self._cluster = cluster
        self._transport = transport
        self._path = path
        self._link = link

    @asynccontextmanager
    async def logs(
        self,
        namespace: str,
        pod: str,
        *,
        container: str = "",
        follow: bool = False,
        previous: bool = False,
        timestamps: bool = False,
        tail: int | None = None,
        since: float | None = None,
        limit_bytes: int | None = None,
    ) -> AsyncIterator[AsyncIterator[bytes]]:
        flags = {"follow": follow, "previous": previous, "timestamps": timestamps}
        query = {name: "true" for name, wanted in flags.items() if wanted}
        if container:
            query["container"] = container
        numbers = {"tailLines": tail, "sinceSeconds": None if since is None else ceil(since), "limitBytes": limit_bytes}
        query |= {name: str(number) for name, number in numbers.items() if number is not None}
        path = self._path(namespace, pod, "log")
        transport = await self._transport()
        try:
            async with transport.stream(path, query=query, idle=None, verb="LOG", accept="*/*") as stream:
                self._link.succeeded()
                yield _pieces(stream.piece)
        except ClusterError as error:
            self._link.failed(error)
            raise

    @asynccontextmanager
    async def exec(
        self,
        namespace: str,
        pod: str,
        command: Sequence[str],
        *,
        container: str = "",
        tty: bool = False,
        stdin: bool = False,
    ) -> AsyncIterator[ExecSession]:
        if not command:
            raise InvalidError("there is no command to run", cluster=self._cluster)
        params = [*(("command", word) for word in command), *_process(container, tty=tty, stdin=stdin)]
        path = f"{self._path(namespace, pod, 'exec')}?{urlencode(params)}"
        async with self._open(path, verb="EXEC", protocols=PROTOCOLS) as socket:
            yield Session(socket, cluster=self._cluster)

    @asynccontextmanager
    async def attach(
        self, namespace: str, pod: str, *, container: str = "", tty: bool = False, stdin: bool = False
    ) -> AsyncIterator[ExecSession]:
        path = f"{self._path(namespace, pod, 'attach')}?{urlencode(_process(container, tty=tty, stdin=stdin))}"
        async with self._open(path, verb="ATTACH", protocols=PROTOCOLS) as socket:
            yield Session(socket, cluster=self._cluster)

    @asynccontextmanager
    async def port_forward(self, namespace: str, pod: str, port: int) -> AsyncIterator[ByteStream]:
        if not 0 < port < 65536:
            raise InvalidError(f"{port} is no port", cluster=self._cluster)
        # The tunnel names the port within; it is in the query for servers that know no tunnel.
        path = f"{self._path(namespace, pod, 'portforward')}?ports={port}"
        async with (
            self._open(path, verb="FORWARD", protocols=FORWARDING) as socket,
            forwarded(socket, port, cluster=self._cluster) as stream,
        ):
            yield stream

    @asynccontextmanager
    async def _open(self, path: str, *, verb: str, protocols: Sequence[str]) -> AsyncIterator[WebSocket]:
        transport = await self._transport()
        try:
            async with transport.websocket(path, verb=verb, protocols=protocols) as socket:
                self._link.succeeded()
                if socket.protocol not in protocols:
                    text = f"the server speaks none of {', '.join(protocols)}"
                    raise StatusError(text, "is a proxy in between?", cluster=self._cluster)
                yield socket
        except ClusterError as error:
            self._link.failed(error)
            raise


def _process(container: str, *, tty: bool, stdin: bool) -> Params:
    """How a process is connected; with a terminal there is no separate stderr."""
    flags = {"stdin": stdin, "stdout": True, "stderr": not tty, "tty": tty}
    return [*([("container", container)] if container else []), *((name, "true") for name, on in flags.items() if on)]


async def _pieces(piece: Callable[[], Awaitable[bytes]]) -> AsyncIterator[bytes]:
    while data := await piece():
        yield data


if TYPE_CHECKING:

    def _is_pod_streams(pods: KubePods) -> PodStreams:
        return pods
