"""A process in a container, over a websocket.

Owns: `Session`, the channels of the remote command protocol. Made by `backends.kube.podstreams`. Protocols:
``v5.channel.k8s.io`` and ``v4.channel.k8s.io`` (k8s.io/apimachinery v0.37 pkg/util/remotecommand/constants.go); the
fifth adds a word for the end of the input. What the process wrote is handed on as it is.
"""

from __future__ import annotations

from contextlib import suppress
from typing import TYPE_CHECKING

import msgspec

from fleetui.model.errors import StatusError, UnreachableError
from fleetui.model.text import one_line
from fleetui.podports import Output

if TYPE_CHECKING:
    from backends.kube.websocket import WebSocket
    from fleetui.podports import ExecSession

V5, V4 = "v5.channel.k8s.io", "v4.channel.k8s.io"
PROTOCOLS = (V5, V4)

_INPUT, _ERROR, _RESIZE, _CLOSE = 0, 3, 4, 255
_PIECE = 2**15
_LONGEST = 500
"""Characters of a server's message that are kept."""
_NO_ANSWER = "the server ended the connection without a word on how the process ended"


class _Cause(msgspec.Struct):
    reason: str = ""
    message: str = ""


class _Details(msgspec.Struct):
    causes: list[_Cause] | None = None


class _Status(msgspec.Struct):
    status: str = ""
    message: str = ""
    reason: str = ""
    code: int = 0
    details: _Details | None = None


class Session:
    """One process; an `ExecSession`."""

    def __init__(self, socket: WebSocket, *, cluster: str) -> None:
        self._socket = socket
        self._cluster = cluster
        self._exit_code: int | None = None
        self._ended = False

    @property
    def exit_code(self) -> int | None:
        return self._exit_code

    @property
    def can_end_input(self) -> bool:
        return self._socket.protocol == V5

    async def read(self) -> tuple[Output, bytes] | None:
        while not self._ended:
            message = await self._socket.receive()
            if message is None:
                raise StatusError(_NO_ANSWER, cluster=self._cluster)
            if not message:
                continue
            channel, data = message[0], message[1:]
            if channel == _ERROR and data:
                self._ended = True
                self._exit_code = exit_code(data, cluster=self._cluster)
            elif data and channel in (Output.OUT, Output.ERR):
                return Output(channel), data
        return None

    async def write(self, data: bytes) -> None:
        for at in range(0, len(data), _PIECE):
            await self._send(_INPUT, data[at : at + _PIECE])

    async def end_input(self) -> None:
        if self.can_end_input:
            await self._send(_CLOSE, bytes([_INPUT]))

    async def resize(self, columns: int, rows: int) -> None:
        await self._send(_RESIZE, msgspec.json.encode({"Width": columns, "Height": rows}))

    async def _send(self, channel: int, data: bytes) -> None:
        # A process may end before it has read its input, and the connection with it: `read` says which it was.
        if not self._ended:
            with suppress(UnreachableError):
                await self._socket.send(bytes([channel]) + data)


def exit_code(body: bytes, *, cluster: str) -> int:
    """The exit code in a `Status` of the error channel.

    Raises:
        StatusError: the process could not be run, or the Status is none.
    """
    try:
        status = msgspec.json.decode(body, type=_Status)
    except (msgspec.DecodeError, UnicodeDecodeError):
        raise StatusError(_message(body.decode(errors="replace")), cluster=cluster) from None
    if status.status == "Success":
        return 0
    for cause in (status.details.causes if status.details else None) or ():
        code = cause.message
        if cause.reason == "ExitCode" and code.isascii() and code.isdigit() and len(code) < 12:
            return int(code)
    raise StatusError(_message(status.message), cluster=cluster, code=status.code, reason=one_line(status.reason))


def _message(text: str) -> str:
    text = one_line(text) or _NO_ANSWER
    return text if len(text) <= _LONGEST else f"{text[: _LONGEST - 1]}…"


if TYPE_CHECKING:

    def _is_a_session(session: Session) -> ExecSession:
        return session
