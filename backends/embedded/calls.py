"""One HTTP request and its answer, without HTTP.

Owns: `Call`, `Reply`, and what a path means (`Target`). Pure. Called by `server` and `handlers`. Rules: apiserver v0.37
pkg/endpoints/request/requestinfo.go.
"""

from __future__ import annotations

from collections.abc import Mapping

import msgspec

from backends.embedded.access import NOBODY, User
from backends.embedded.errors import (
    ApiError,
    Cause,
    PageNotFoundError,
    bad_request,
    invalid,
    no_such_path,
    not_found,
)
from backends.embedded.registry import Registry, ResourceType, Subresource

JSON = "application/json"


class Call(msgspec.Struct, frozen=True):
    """A request; `query` has the first value of each parameter, header names are in lower case."""

    method: str
    path: str
    query: Mapping[str, str]
    headers: Mapping[str, str]
    body: bytes
    user: User = NOBODY

    def flag(self, name: str) -> bool:
        """Whether a boolean parameter is set."""
        return self.query.get(name, "").lower() in ("true", "1") or (name in self.query and not self.query[name])

    def number(self, name: str, default: int = 0) -> int:
        """An integer parameter.

        Raises:
            ApiError: 400, it is none.
        """
        text = self.query.get(name, "")
        if not text:
            return default
        try:
            return int(text)
        except ValueError:
            message = f'strconv.ParseInt: parsing "{text}": invalid syntax'
            raise bad_request(message) from None

    @property
    def dry_run(self) -> bool:
        """Whether nothing is to be committed.

        Raises:
            ApiError: 422, dryRun is something else than All.
        """
        text = self.query.get("dryRun", "")
        if text not in ("", "All"):
            raise self.bad_option("dryRun", f'Unsupported value: ["{text}"]: supported values: "All"')
        return text == "All"

    def bad_option(self, field: str, message: str, *, reason: str = "FieldValueNotSupported") -> ApiError:
        """422 of a parameter that has no such value."""
        kinds = {"POST": "CreateOptions", "PUT": "UpdateOptions", "PATCH": "PatchOptions"}
        kind = kinds.get(self.method, "DeleteOptions")
        return invalid("meta.k8s.io", kind, "", causes=[Cause(reason, message, field)])

    @property
    def manager(self) -> str:
        """The field manager: the parameter, or the user agent up to its slash (managerOrUserAgent)."""
        name = self.query.get("fieldManager") or self.headers.get("user-agent", "").partition("/")[0]
        return "".join(letter for letter in name if letter.isprintable())[:128]


class Reply(msgspec.Struct, frozen=True):
    """An answer."""

    status: int
    body: bytes
    content_type: str = JSON
    warnings: tuple[str, ...] = ()
    headers: dict[str, str] = {}


def error_reply(error: ApiError) -> Reply:
    """The Status of a refusal."""
    headers = {}
    if error.details and "retryAfterSeconds" in error.details:
        headers["Retry-After"] = str(error.details["retryAfterSeconds"])
    if isinstance(error, PageNotFoundError):
        return Reply(404, error.message.encode(), "text/plain; charset=utf-8")
    return Reply(error.code, msgspec.json.encode(error.status()), headers=headers)


class Target(msgspec.Struct, frozen=True):
    """What a path names."""

    resource: ResourceType
    namespace: str = ""
    name: str = ""
    subresource: str = ""

    @property
    def declared(self) -> Subresource | None:
        """The subresource as discovery has it."""
        return self.resource.subresources.get(self.subresource)


def find_target(registry: Registry, path: str) -> Target:
    """What a path under /api or /apis names.

    Raises:
        ApiError: 404, nothing is served there.
    """
    parts = [part for part in path.split("/") if part]
    group, rest = ("", parts[1:]) if parts[0] == "api" else (parts[1], parts[2:])
    if len(rest) < 2:
        raise no_such_path()
    version, *steps = rest
    if not registry.serves(group, version):
        raise no_such_path() if registry.is_built_in(group) else PageNotFoundError
    namespace = ""
    if steps[0] == "namespaces" and len(steps) > 2 and registry.lookup(group, version, steps[2]) is not None:
        namespace, steps = steps[1], steps[2:]
    resource = registry.lookup(group, version, steps[0])
    if resource is None and registry.is_custom(group):
        raise PageNotFoundError
    if resource is None or len(steps) > 3 or bool(namespace) > resource.namespaced:
        raise no_such_path()
    target = Target(resource, namespace, *steps[1:])
    if target.subresource and target.declared is None:
        if resource.custom and target.subresource in ("status", "scale"):
            raise not_found(group, resource.plural, target.name)
        raise no_such_path()
    if resource.namespaced and target.name and not namespace:
        raise no_such_path()
    return target
