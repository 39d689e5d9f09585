"""The stories' own way to an API server: JSON over the standard library, for either control plane.

Owns: `Client`. Deliberately not the client fleetui has: what a story finds must not be what fleetui believes.
"""

from __future__ import annotations

import base64
import json
import socket
import ssl
from http.client import HTTPConnection, HTTPException, HTTPSConnection
from pathlib import Path
from typing import Any, NamedTuple
from urllib.parse import urlsplit

import yaml

from tests.waiting import wait_until

Json = dict[str, Any]
FIELD_MANAGER = "a-person"
MERGE, JSON_PATCH, APPLY = (
    f"application/{kind}" for kind in ("merge-patch+json", "json-patch+json", "apply-patch+yaml")
)

_ARGO, _APPS = "/apis/argoproj.io/v1alpha1", "/apis/apps/v1"
KINDS = {
    "application": (_ARGO, "applications"),
    "applicationset": (_ARGO, "applicationsets"),
    "appproject": (_ARGO, "appprojects"),
    "configmap": ("/api/v1", "configmaps"),
    "customresourcedefinition": ("/apis/apiextensions.k8s.io/v1", "customresourcedefinitions"),
    "deployment": (_APPS, "deployments"),
    "event": ("/api/v1", "events"),
    "job": ("/apis/batch/v1", "jobs"),
    "lease": ("/apis/coordination.k8s.io/v1", "leases"),
    "namespace": ("/api/v1", "namespaces"),
    "pod": ("/api/v1", "pods"),
    "replicaset": (_APPS, "replicasets"),
    "secret": ("/api/v1", "secrets"),
    "service": ("/api/v1", "services"),
    "widget": ("/apis/example.com/v1", "widgets"),
}
"""Where the kinds of the stories are served, by their names in lower case."""


class Upstream(NamedTuple):
    """What a kubeconfig with a bearer token says."""

    url: str
    token: str
    ca: bytes | None

    def tls(self) -> ssl.SSLContext | None:
        return None if self.ca is None else ssl.create_default_context(cadata=self.ca.decode())


def upstream(kubeconfig: Path) -> Upstream:
    """The server and the token of a kubeconfig that has one cluster and one user."""
    found = yaml.safe_load(kubeconfig.read_text())
    cluster, user = found["clusters"][0]["cluster"], found["users"][0]["user"]
    data = cluster.get("certificate-authority-data")
    return Upstream(cluster["server"], user["token"], base64.b64decode(data) if data else None)


class RefusedError(Exception):
    """The server's answer to a request of the story that it did not take."""


class Client:
    """Requests of an administrator on one kept-alive connection; for one thread."""

    def __init__(self, kubeconfig: Path) -> None:
        self._to = upstream(kubeconfig)
        self._tls = self._to.tls()
        self._connection: HTTPConnection | None = None

    def __del__(self) -> None:
        self.close()

    def close(self) -> None:
        connection, self._connection = self._connection, None
        if connection is not None:
            connection.close()

    # --- objects ----------------------------------------------------------------------------------------------------

    def get(self, kind: str, name: str, namespace: str = "") -> Json | None:
        """An object; None where there is none, or where its kind is not served."""
        return self._send("GET", path_of(kind, namespace, name), absent=True)

    def all(self, kind: str, namespace: str = "") -> list[Json]:
        found = self._send("GET", path_of(kind, namespace)) or {}
        items: list[Json] = found["items"]
        return items

    def create(self, manifest: Json, *, manager: str = FIELD_MANAGER) -> Json:
        meta = manifest["metadata"]
        path = path_of(manifest["kind"], meta.get("namespace", ""))
        return self._send("POST", f"{path}?fieldManager={manager}", manifest) or {}

    def apply(self, manifest: Json, *, manager: str = FIELD_MANAGER) -> Json:
        """Applies on the server's side, and takes over what others own."""
        meta = manifest["metadata"]
        path = path_of(manifest["kind"], meta.get("namespace", ""), meta["name"])
        return self._send("PATCH", f"{path}?fieldManager={manager}&force=true", manifest, APPLY) or {}

    def patch(self, kind: str, name: str, namespace: str, change: Json | list[Json]) -> Json:
        """A merge patch, or a JSON patch where `change` is a list."""
        content = JSON_PATCH if isinstance(change, list) else MERGE
        path = f"{path_of(kind, namespace, name)}?fieldManager={FIELD_MANAGER}"
        return self._send("PATCH", path, change, content) or {}

    def delete(self, kind: str, name: str, namespace: str = "", *, propagation: str = "Background") -> None:
        """Begins a deletion; what is not there is fine."""
        options = {"apiVersion": "v1", "kind": "DeleteOptions", "propagationPolicy": propagation}
        self._send("DELETE", path_of(kind, namespace, name), options, absent=True)

    # --- requests ---------------------------------------------------------------------------------------------------

    def _send(
        self,
        method: str,
        path: str,
        body: Json | list[Json] | None = None,
        content: str = "application/json",
        *,
        absent: bool = False,
    ) -> Json | None:
        sent = None if body is None else json.dumps(body).encode()

        def answered() -> tuple[int, Json] | None:
            # What was just defined is served a moment later.
            status, found = self._exchange(method, path, sent, content)
            return None if status == 429 else (status, found)

        status, found = wait_until(answered, 10, f"{method} {path} is served") or (429, {})
        if status == 404 and absent:
            return None
        if status >= 300:
            raise RefusedError(f"{method} {path}: {status} {found.get('message')}")
        return found

    def _exchange(self, method: str, path: str, body: bytes | None, content: str) -> tuple[int, Json]:
        fresh = self._connection is None
        connection = self._connection = self._connection or self._connect()
        headers = {"Authorization": f"Bearer {self._to.token}", "Accept": "application/json", "Content-Type": content}
        try:
            connection.request(method, path, body=body, headers=headers)
            response = connection.getresponse()
            return response.status, _parsed(response.read())
        except (OSError, HTTPException):
            self.close()
            if fresh:
                raise
            # A kept-alive connection may have been closed by a server that went away since.
            return self._exchange(method, path, body, content)

    def _connect(self) -> HTTPConnection:
        parts = urlsplit(self._to.url)
        host, port = parts.hostname or "", parts.port
        connection = (
            HTTPConnection(host, port, timeout=30)
            if self._tls is None
            else HTTPSConnection(host, port, context=self._tls, timeout=30)
        )
        connection.connect()
        # Headers and body are two segments: with Nagle's algorithm the second waits 40 ms for the first.
        connection.sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        return connection


def path_of(kind: str, namespace: str = "", name: str = "") -> str:
    """The path of a kind, or of one object; `kind` as kubectl takes it: in any case, plural, with its group."""
    word = kind.lower().partition(".")[0]
    prefix, plural = KINDS[word] if word in KINDS else KINDS[word.removesuffix("s")]
    cluster_wide = plural in {"namespaces", "customresourcedefinitions"}
    where = "" if cluster_wide or not namespace else f"/namespaces/{namespace}"
    return f"{prefix}{where}/{plural}" + (f"/{name}" if name else "")


def _parsed(data: bytes) -> Json:
    """The JSON object; text such as `404 page not found` becomes the message."""
    try:
        parsed = json.loads(data)
    except ValueError:
        return {"message": data.decode(errors="replace")}
    return parsed if isinstance(parsed, dict) else {"message": str(parsed)}
