"""One request to an API server, as it is sent.

Owns: `Request`. Made by `backends.kube.transport`, which sends it as often as it takes.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import lru_cache
from io import BytesIO
from urllib.parse import urlencode

import aiohttp
from yarl import URL

from backends.kube.etag import Tag

JSON = "application/json"
_LONG = 2**20
"""Bytes of a body from which on aiohttp sends it in pieces, so that it does not hold the loop."""

Query = Mapping[str, str]


@dataclass(slots=True)
class Request:
    """What is asked, and how far it got."""

    method: str
    path: str
    """Percent-encoded where that is needed."""
    verb: str
    """What it counts as."""
    headers: Mapping[str, str]
    timeout: aiohttp.ClientTimeout
    query: Query = field(default_factory=dict)
    body: bytes = b""
    tag: Tag | None = None
    waits_for: str = "its turn"
    """What it waits for now, in words; a request that is too late says so."""
    sent: bool = False
    """Whether the server may have it."""

    def __str__(self) -> str:
        return f"{self.method} {self.path}"

    def url(self, server: str) -> URL:
        # Encoded here once: yarl would normalise a name that has dots or a percent sign.
        return URL(f"{server}{self.path}{_encoded(tuple(self.query.items()))}", encoded=True)

    @property
    def data(self) -> bytes | BytesIO | None:
        """The body as aiohttp wants it."""
        return BytesIO(self.body) if len(self.body) > _LONG else self.body or None


@lru_cache(64)
def _encoded(query: tuple[tuple[str, str], ...]) -> str:
    """As the end of a URL. The writes of a sync all have the same."""
    return f"?{urlencode(query)}" if query else ""
