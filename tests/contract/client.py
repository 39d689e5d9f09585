"""The contract tests' own way to an API server: JSON over the standard library.

Owns: `Client`, for one thread. What tests a client or a server must not use it.
"""

from __future__ import annotations

import json
import ssl
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from http.client import HTTPConnection, HTTPResponse, HTTPSConnection
from pathlib import Path
from typing import Any, NamedTuple
from urllib.parse import urlsplit

Json = dict[str, Any]
KINDS = {
    "merge": "application/merge-patch+json",
    "json": "application/json-patch+json",
    "strategic": "application/strategic-merge-patch+json",
    "apply": "application/apply-patch+yaml",
}
TIMEOUT = 20.0


class Answer(NamedTuple):
    """What the server said: its status, the decoded body (text where it is no JSON), and the headers that matter."""

    status: int
    body: Any
    warnings: tuple[str, ...] = ()
    content_type: str = ""
    etag: str = ""

    @property
    def message(self) -> str:
        return str(self.body.get("message", "")) if isinstance(self.body, dict) else str(self.body)

    @property
    def causes(self) -> list[tuple[str, str]]:
        """Field and message of each cause."""
        found = (self.body.get("details") or {}).get("causes") or []
        return [(cause.get("field", ""), cause["message"]) for cause in found]

    def must(self, status: int = 200) -> Any:
        """The body; fails where the status is another one."""
        assert self.status == status, f"{self.status} instead of {status}: {self.body}"
        return self.body


class Client:
    """Requests of one user on one kept-alive connection."""

    def __init__(self, url: str, *, token: str = "", ca_file: Path | None = None) -> None:
        self.url = url
        self.token = token
        self._tls = ssl.create_default_context(cafile=str(ca_file)) if ca_file else None
        self._connection: HTTPConnection | None = None

    def again(self) -> Client:
        """The same user on a connection of another one, to ask while this one waits."""
        other = Client(self.url, token=self.token)
        other._tls = self._tls
        return other

    def close(self) -> None:
        if self._connection is not None:
            self._connection.close()
            self._connection = None

    def get(self, path: str, *, accept: str = "application/json") -> Answer:
        return self.request("GET", path, headers={"Accept": accept})

    def post(self, path: str, body: Any) -> Answer:
        return self.request("POST", path, body)

    def put(self, path: str, body: Any) -> Answer:
        return self.request("PUT", path, body)

    def delete(self, path: str, body: Any = None) -> Answer:
        return self.request("DELETE", path, body)

    def patch(self, path: str, body: Any, kind: str = "merge") -> Answer:
        return self.request("PATCH", path, body, content_type=KINDS[kind])

    def apply(self, path: str, body: Any, manager: str, **parameters: str) -> Answer:
        """Server-side apply to the object at `path`."""
        more = "".join(f"&{key}={value}" for key, value in parameters.items())
        return self.patch(f"{path}?fieldManager={manager}{more}", body, "apply")

    def request(
        self,
        method: str,
        path: str,
        body: Any = None,
        *,
        content_type: str = "application/json",
        headers: Mapping[str, str] | None = None,
    ) -> Answer:
        connection = self._connection = self._connection or self._connect(TIMEOUT)
        response = self._send(connection, method, path, body=body, content_type=content_type, headers=headers or {})
        data = response.read()
        try:
            parsed = json.loads(data)
        except ValueError:
            parsed = data.decode()
        warnings = tuple(response.headers.get_all("Warning") or ())
        head = response.headers
        return Answer(response.status, parsed, warnings, head.get("Content-Type", ""), head.get("ETag", ""))

    @contextmanager
    def watch(self, path: str, *, seconds: int = 10, accept: str = "application/json") -> Iterator[Iterator[Json]]:
        """The events of a watch that the server ends after `seconds`, on a connection of its own."""
        connection = self._connect(seconds + TIMEOUT)
        try:
            target = f"{path}{'&' if '?' in path else '?'}watch=1&timeoutSeconds={seconds}"
            headers = {"Accept": accept}
            response = self._send(connection, "GET", target, body=None, content_type="", headers=headers)
            assert response.status == 200, response.read()
            yield (json.loads(line) for line in response)
        finally:
            connection.close()

    def _connect(self, timeout: float) -> HTTPConnection:
        parts = urlsplit(self.url)
        host, port = parts.hostname or "", parts.port
        if self._tls is not None:
            return HTTPSConnection(host, port, context=self._tls, timeout=timeout)
        return HTTPConnection(host, port, timeout=timeout)

    def _send(
        self,
        connection: HTTPConnection,
        method: str,
        path: str,
        *,
        body: Any,
        content_type: str,
        headers: Mapping[str, str],
    ) -> HTTPResponse:
        data = body if body is None or isinstance(body, (str, bytes)) else json.dumps(body)
        sent = {"Accept": "application/json", "User-Agent": "contract/1.0", **headers}
        if content_type and data is not None:
            sent["Content-Type"] = content_type
        if self.token:
            sent.setdefault("Authorization", f"Bearer {self.token}")
        connection.request(method, path, body=data, headers=sent)
        return connection.getresponse()
