"""Who asks, and for what.

Owns: `User`, `Access`, how a request becomes an `Access`, and the refusal. Whether somebody may is decided by `rbac`.
Rules: apiserver v0.37 pkg/endpoints/request/requestinfo.go; wordings: pkg/endpoints/handlers/responsewriters/errors.go.
"""

from __future__ import annotations

import re
from collections.abc import Mapping

import msgspec

from backends.embedded import errors
from backends.embedded.errors import ApiError

AUTHENTICATED, UNAUTHENTICATED = "system:authenticated", "system:unauthenticated"
ANONYMOUS = "system:anonymous"
MASTERS = "system:masters"
"""The group that may do everything, whatever the roles say."""

_VERBS = {"POST": "create", "GET": "get", "HEAD": "get", "PUT": "update", "PATCH": "patch", "DELETE": "delete"}
_NAMESPACE_SUBRESOURCES = ("status", "finalize")


class User(msgspec.Struct, frozen=True):
    """Who a request comes from, or who it speaks for."""

    name: str
    groups: tuple[str, ...] = ()
    uid: str = ""
    extra: tuple[tuple[str, tuple[str, ...]], ...] = ()

    def to_json(self) -> dict[str, object]:
        """The UserInfo of authentication.k8s.io/v1."""
        extra = {key: list(values) for key, values in self.extra}
        body = {"username": self.name, "uid": self.uid, "groups": list(self.groups), "extra": extra}
        return {key: value for key, value in body.items() if value}


NOBODY = User(ANONYMOUS, (UNAUTHENTICATED,))


class Access(msgspec.Struct, frozen=True):
    """One thing that a user wants to do.

    `verb` is Kubernetes' (get, list, watch, create, update, patch, delete, deletecollection, impersonate, …), or the
    HTTP method in lower case where `path` is asked for, which names no resource.
    """

    user: User
    verb: str
    group: str = ""
    plural: str = ""
    namespace: str = ""
    name: str = ""
    subresource: str = ""
    path: str = ""

    @property
    def resource(self) -> str:
        """The resource with its subresource, as rules name it."""
        return f"{self.plural}/{self.subresource}" if self.subresource else self.plural


def access_of(user: User, method: str, path: str, query: Mapping[str, str]) -> Access:
    """What a request wants (NewRequestInfo)."""
    parts = [part for part in path.strip("/").split("/") if part]
    rest = parts[2:] if parts[:1] == ["api"] else parts[3:] if parts[:1] == ["apis"] else []
    if not rest:
        return Access(user, method.lower(), path=path)
    group = parts[1] if parts[0] == "apis" else ""
    namespace = ""
    if rest[0] == "namespaces" and len(rest) > 1:
        namespace = rest[1]
        if len(rest) > 2 and rest[2] not in _NAMESPACE_SUBRESOURCES:
            rest = rest[2:]
    plural, name, subresource = (*rest[:3], "", "")[:3]
    verb = _VERBS.get(method, "")
    if not name and verb == "get":
        verb = "watch" if query.get("watch", "false").lower() not in ("false", "0") else "list"
        name = _selected_name(query.get("fieldSelector", ""))
    if not name and verb == "delete":
        verb = "deletecollection"
    return Access(user, verb, group, plural, namespace, name, subresource)


def _selected_name(text: str) -> str:
    """The one name that a field selector lets through; such a list is a request for that object."""
    found = [match[1] for term in text.split(",") if (match := re.fullmatch(r"metadata\.name==?([^=%/]+)", term))]
    return found[0] if found else ""


def refusal(access: Access, reason: str = "") -> ApiError:
    """403 (ForbiddenStatusError); `reason` is the authorizer's."""
    user = f'User "{access.user.name}" cannot {access.verb}'
    if access.path:
        why = f'{user} path "{access.path}"'
    else:
        where = f'in the namespace "{access.namespace}"' if access.namespace else "at the cluster scope"
        why = f'{user} resource "{access.resource}" in API group "{access.group}" {where}'
    # Browsers must not read markup in it (responsewriters.sanitizer).
    why = why.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")
    return errors.forbidden(access.group, access.plural, access.name, why=f"{why}: {reason}" if reason else why)
