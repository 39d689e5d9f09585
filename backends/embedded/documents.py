"""What the API server says about itself: version, health, discovery, OpenAPI.

Owns: the answers to paths that name no resource, cached until the registry changes. Called by `handlers`.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from typing import Any

import msgspec

from backends.embedded import discovery, openapi, openapiv2
from backends.embedded.calls import Call, Reply
from backends.embedded.errors import PageNotFoundError, wrong_method
from backends.embedded.registry import SERVER_VERSION, Registry

_HEALTH = frozenset({"healthz", "livez", "readyz"})
_CHECKS = ("ping", "log", "etcd", "informer-sync", "shutdown", "poststarthook")


class Documents:
    """The documents of one server; `address` gives its host and port."""

    def __init__(self, registry: Registry, *, address: Callable[[], str]) -> None:
        self._registry = registry
        self._address = address
        self._cache: dict[tuple[str, str], Reply] = {}
        self._generation = -1

    def find(self, call: Call) -> Reply | None:
        """The document at the call's path, or None where the path names a resource.

        Raises:
            ApiError: 404, nothing is there; 405, it can only be read.
        """
        parts = [part for part in call.path.split("/") if part]
        if len(parts) > (2 if parts[0] == "api" else 3) and parts[0] in ("api", "apis"):
            return None
        if call.method not in ("GET", "HEAD"):
            raise wrong_method()
        if self._generation != self._registry.generation:
            self._cache.clear()
            self._generation = self._registry.generation
        form = _form(call.headers.get("accept", ""))
        key = call.path.rstrip("/"), form
        found = self._cache.get(key)
        if found is None:
            found = self._cache[key] = self._make(parts, form)
        return _unless_known(found, call)

    def _make(self, parts: list[str], form: str) -> Reply:
        match parts:
            case []:
                return _json({"paths": ["/api", "/api/v1", "/apis", "/healthz", "/livez", "/openapi/v2",
                                        "/openapi/v3", "/readyz",
                                        "/version"]})  # fmt: skip
            case [word, *check] if word in _HEALTH and (not check or check[0] in _CHECKS):
                return Reply(200, b"ok", "text/plain; charset=utf-8")
            case ["version"]:
                return _json(_version())
            case ["api" | "apis" as root] if form == discovery.AGGREGATED:
                return Reply(200, discovery.aggregated(self._registry, core=root == "api"), discovery.AGGREGATED)
            case ["api"]:
                return _json(discovery.versions_document(self._address()))
            case ["apis"]:
                return _json(discovery.groups_document(self._registry))
            case ["api", version]:
                return _json(discovery.resources_document(self._registry, "", version))
            case ["apis", group]:
                return _json(discovery.group_document(self._registry, group))
            case ["apis", group, version]:
                return _json(discovery.resources_document(self._registry, group, version))
            case ["openapi", "v2"]:
                document = openapi.definitions(self._registry)
                if form == openapiv2.MEDIA_TYPE:
                    return Reply(200, openapiv2.encode(document), openapiv2.CONTENT_TYPE)
                return _json(document)
            case ["openapi", "v3"]:
                return _json(openapi.index(self._registry))
            case ["openapi", "v3", "api", version]:
                return _json(openapi.document(self._registry, "", version))
            case ["openapi", "v3", "apis", group, version]:
                return _json(openapi.document(self._registry, group, version))
        raise PageNotFoundError


def _unless_known(reply: Reply, call: Call) -> Reply:
    """Aggregated discovery with its ETag, or 304 where that is the one at hand (discovery/aggregated/etag.go)."""
    if reply.content_type != discovery.AGGREGATED:
        return reply
    tag = f'"{hashlib.sha512(reply.body).hexdigest().upper()}"'
    headers = {"ETag": tag, "Vary": "Accept", "Cache-Control": "public"}
    if call.headers.get("if-none-match") == tag:
        return Reply(304, b"", reply.content_type, headers=headers)
    return msgspec.structs.replace(reply, headers=headers)


def _form(accept: str) -> str:
    """The form of a document that is not plain JSON, where the client prefers one."""
    if discovery.wants_aggregated(accept):
        return discovery.AGGREGATED
    return openapiv2.MEDIA_TYPE if openapiv2.MEDIA_TYPE in accept else ""


def _version() -> dict[str, str]:
    major, minor = SERVER_VERSION.removeprefix("v").split(".")[:2]
    return {
        "major": major,
        "minor": minor,
        "emulationMajor": major,
        "emulationMinor": minor,
        "minCompatibilityMajor": major,
        "minCompatibilityMinor": str(int(minor) - 1),
        "gitVersion": SERVER_VERSION,
        "gitCommit": "embedded",
        "gitTreeState": "clean",
        "buildDate": "2026-11-01T00:00:00Z",
        "goVersion": "none",
        "compiler": "python",
        "platform": "embedded",
    }


def _json(body: Any) -> Reply:
    return Reply(200, msgspec.json.encode(body))
