"""The Protocols of what goes on in a Pod: its logs, commands in it, connections to its ports.

Owns: `PodStreams` and what it hands out. Part of `fleetui.ports`, in a module of its own; reached as `Cluster.pods`.
Implemented by `backends.kube.podstreams`. Everything runs on the engine's event loop and raises the errors of
`fleetui.model.errors` alone.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Sequence
from contextlib import AbstractAsyncContextManager
from enum import IntEnum
from typing import Protocol


class Output(IntEnum):
    """Where a process wrote; the numbers are those of the websocket protocol's channels."""

    OUT = 1
    ERR = 2


class ExecSession(Protocol):
    """A process in a container, connected. Bytes are as they came: whoever shows them as text sanitises them."""

    @property
    def exit_code(self) -> int | None:
        """What the process ended with; None until `read` has said that it ended, and after `attach` where the server
        does not tell."""
        ...

    @property
    def can_end_input(self) -> bool:
        """Whether `end_input` reaches the process; an older server (protocol v4) has no word for it."""
        ...

    async def read(self) -> tuple[Output, bytes] | None:
        """What the process wrote next, at most some 32 KiB; None once it has ended.

        Raises:
            UnreachableError: the connection broke.
            StatusError: it could not be run (no such command), or its end is not known.
        """
        ...

    async def write(self, data: bytes) -> None:
        """Input for the process; waits while the server takes no more.

        What a process that has ended no longer takes is dropped, here and in the next two: `read` tells of the end.
        """
        ...

    async def end_input(self) -> None:
        """Ends the process's input; nothing happens where `can_end_input` is false."""
        ...

    async def resize(self, columns: int, rows: int) -> None:
        """Tells the process the size of its terminal, in characters."""
        ...


class ByteStream(Protocol):
    """A connection to a port of a Pod; each direction ends by itself."""

    async def read(self) -> bytes:
        """What came next; empty once the Pod's side has ended its half.

        Raises:
            UnreachableError: the connection broke.
            StatusError: nobody listens on the port, or the forwarding failed; the server's words.
        """
        ...

    async def write(self, data: bytes) -> None:
        """Waits while the other side takes no more."""
        ...

    async def end(self) -> None:
        """Ends our half; what the other side still sends can be read."""
        ...


class PodStreams(Protocol):
    """What goes to a Pod's node and back for as long as it is open. Leaving the context closes the connection at once.

    Entering one raises what any request raises, and in particular: NotFoundError (no such Pod), InvalidError (no such
    container, not started yet), ForbiddenError (``pods/log``, ``pods/exec`` …), OverloadedError (the node is away).
    """

    def logs(
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
    ) -> AbstractAsyncContextManager[AsyncIterator[bytes]]:
        """The log of one container, as bytes in pieces of any length (`fleetui.model.loglines` makes lines of them).

        Args:
            container: may be left out where the Pod has but one.
            follow: goes on with what is written, until the container ends.
            previous: of the container's last life.
            timestamps: each line begins with its time, RFC 3339.
            tail: so many lines at most, from the end.
            since: so many seconds back at most.
            limit_bytes: so many bytes at most, from the beginning of what was asked for.
        """
        ...

    def exec(
        self,
        namespace: str,
        pod: str,
        command: Sequence[str],
        *,
        container: str = "",
        tty: bool = False,
        stdin: bool = False,
    ) -> AbstractAsyncContextManager[ExecSession]:
        """Runs a command in a container. With `tty` all its output is `Output.OUT`."""
        ...

    def attach(
        self, namespace: str, pod: str, *, container: str = "", tty: bool = False, stdin: bool = False
    ) -> AbstractAsyncContextManager[ExecSession]:
        """Connects to the container's own process; `tty` and `stdin` must be as its spec has them."""
        ...

    def port_forward(self, namespace: str, pod: str, port: int) -> AbstractAsyncContextManager[ByteStream]:
        """One connection to a port of a Pod, over a connection of its own: one that stands still holds up no other."""
        ...
