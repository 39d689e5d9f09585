"""A document that is asked for only if it has changed.

Owns: `Tag`. Made by `backends.kube.discovery`, carried through `backends.kube.transport` (RFC 9110, If-None-Match).
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

_NOT_MODIFIED = 304


@dataclass(slots=True)
class Tag:
    """The ETag of what is at hand; after the request, of what the server has."""

    value: str = ""
    unchanged: bool = False

    @property
    def headers(self) -> dict[str, str]:
        return {"If-None-Match": self.value} if self.value else {}

    def answered(self, status: int, headers: Mapping[str, str]) -> None:
        """Takes note of an answer; one of 304 has no body."""
        self.unchanged = bool(self.value) and status == _NOT_MODIFIED
        if not self.unchanged:
            self.value = headers.get("ETag", "")
