"""The bodies of answers that are not read as a whole.

Owns: `Stream`, the lines of a watch, and `problem`, the explanation of a failure. Called by `backends.kube.transport`.
"""

from __future__ import annotations

import aiohttp

from backends.kube.errors import from_exception

_LONGEST_PROBLEM = 2**18
"""Bytes that are read of an answer that is no success: no Status is as long."""


class Stream:
    """The body of a watch or of a log, as it comes."""

    def __init__(self, content: aiohttp.StreamReader, *, cluster: str, server: str) -> None:
        self._content = content
        self._cluster = cluster
        self._server = server
        self._rest: list[bytes] = []

    async def lines(self) -> list[bytes]:
        """The complete lines that came since the last call, at least one; empty when the server has ended the body.

        Lines may be of any length. What follows the last line break is never handed out.

        Raises:
            UnreachableError: the connection broke, or nothing came for as long as the stream may be idle.
        """
        while True:
            chunk = await self.piece()
            if not chunk:
                return []
            head, *others = chunk.split(b"\n")
            self._rest.append(head)
            if not others:
                continue
            first = b"".join(self._rest)
            self._rest = [others.pop()]
            lines = [line for line in (first, *others) if line]
            if lines:
                return lines

    async def piece(self) -> bytes:
        """What came since the last call, at least a byte; empty when the server has ended the body.

        Raises:
            UnreachableError: as for `lines`.
        """
        try:
            return await self._content.readany()
        except (aiohttp.ClientError, OSError) as error:
            raise from_exception(error, cluster=self._cluster, server=self._server) from error


async def problem(answer: aiohttp.ClientResponse) -> bytes:
    """The body of an answer that is no success; empty where it is longer than any of Kubernetes', or broken."""
    found: list[bytes] = []
    length = 0
    try:
        while chunk := await answer.content.readany():
            found.append(chunk)
            length += len(chunk)
            if length > _LONGEST_PROBLEM:
                return b""
    except (aiohttp.ClientError, OSError):
        # The status says more than how its explanation ended.
        return b""
    return b"".join(found)
