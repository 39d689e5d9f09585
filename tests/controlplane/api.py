"""The harness's own way to the API server: owns requests and watches over the standard library.

Called by server.py and kubelet.py. Deliberately not the client fleetui has: what tests a client must not
use it.
"""

from __future__ import annotations

import json
import socket
import ssl
from collections.abc import Iterator
from contextlib import suppress
from http.client import HTTPException, HTTPResponse, HTTPSConnection
from pathlib import Path
from typing import Any, NamedTuple

Json = dict[str, Any]

FAILURES = (OSError, HTTPException)
"""What a request raises when the server is away or dies half-way."""


class Answer(NamedTuple):
    """What the API server said to one request."""

    status: int
    body: Json

    @property
    def ok(self) -> bool:
        return 200 <= self.status < 300

    @property
    def message(self) -> str:
        return str(self.body.get("message", ""))[:256]


class Watch:
    """One stream of watch events: iterate in one thread, interrupt from any."""

    def __init__(self, connection: HTTPSConnection, response: HTTPResponse) -> None:
        self._connection = connection
        self._response = response
        # http.client forgets the socket of a response that ends with the connection.
        self._socket = connection.sock

    def __iter__(self) -> Iterator[Json]:
        while line := self._response.readline():
            yield json.loads(line)

    def interrupt(self) -> None:
        """Makes the iteration end; closing the stream stays with the thread that iterates."""
        with suppress(OSError):  # the other side was faster
            # Past SSLSocket.shutdown, which would also take the TLS state from under the reading thread.
            socket.socket.shutdown(self._socket, socket.SHUT_RDWR)

    def close(self) -> None:
        self._response.close()
        self._connection.close()


class Api:
    """Requests of one user on one kept-alive connection; for one thread."""

    def __init__(self, port: int, *, ca_file: Path, token: str) -> None:
        self._port = port
        self._tls = ssl.create_default_context(cafile=str(ca_file))
        self._headers = {"Authorization": f"Bearer {token}", "Accept": "application/json"}
        self._connection: HTTPSConnection | None = None

    def request(
        self,
        method: str,
        path: str,
        *,
        body: Json | None = None,
        content_type: str = "application/json",
        timeout: float = 10.0,
    ) -> Answer:
        """The server's answer, an error status included; raises one of FAILURES where there is none."""
        fresh = self._connection is None
        connection = self._connection = self._connection or self._connect(timeout)
        try:
            return self._exchange(connection, method, path, body, content_type)
        except FAILURES:
            self.close()
            if fresh:
                raise
            # A kept-alive connection may have been closed by a server that went away since.
            return self.request(method, path, body=body, content_type=content_type, timeout=timeout)

    def _exchange(
        self, connection: HTTPSConnection, method: str, path: str, body: Json | None, content_type: str
    ) -> Answer:
        data = None if body is None else json.dumps(body).encode()
        connection.request(method, path, body=data, headers={**self._headers, "Content-Type": content_type})
        response = connection.getresponse()
        return Answer(response.status, _parsed(response.read()))

    def watch(self, path: str) -> Watch:
        """A stream on a connection of its own, without an end of its own."""
        connection = self._connect(None)
        try:
            connection.request("GET", path, headers=self._headers)
            response = connection.getresponse()
            if response.status != 200:
                raise HTTPException(f"watching {path} was answered with {response.status}")
        except BaseException:
            connection.close()
            raise
        return Watch(connection, response)

    def _connect(self, timeout: float | None) -> HTTPSConnection:
        connection = HTTPSConnection("127.0.0.1", self._port, context=self._tls, timeout=timeout)
        try:
            connection.connect()
        except BaseException:
            connection.close()  # a failed handshake leaves its socket open
            raise
        # Headers and body are two segments: with Nagle's algorithm the second waits 40 ms for the first.
        connection.sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        return connection

    def close(self) -> None:
        connection, self._connection = self._connection, None
        if connection is not None:
            connection.close()


def _parsed(data: bytes) -> Json:
    """The JSON object; text such as the `ok` of /readyz becomes the message."""
    try:
        parsed = json.loads(data)
    except ValueError:
        return {"message": data.decode(errors="replace")}
    return parsed if isinstance(parsed, dict) else {"message": str(parsed)}
