"""What an API server refuses with: `ApiError`, and the wordings of the common refusals.

Owns: the Status bodies. Raised by the whole package, turned into responses by `handlers`. Never leaves the package
otherwise: clients see HTTP. Wordings: k8s.io/apimachinery v0.37 pkg/api/errors/errors.go.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import msgspec

Status = dict[str, Any]


class Cause(msgspec.Struct, frozen=True):
    """One entry of `Status.details.causes`."""

    reason: str
    message: str
    field: str = ""

    def to_json(self) -> dict[str, str]:
        body = {"reason": self.reason, "message": self.message}
        return body | {"field": self.field} if self.field else body


class ApiError(Exception):
    """A request that the API server refuses.

    Args:
        code: HTTP status.
        reason: `Status.reason`, such as ``NotFound``.
        message: the real server's wording.
        causes: `Status.details.causes`.
        details: the rest of `Status.details` (name, group, kind, uid, retryAfterSeconds); None for no details.
    """

    def __init__(
        self,
        code: int,
        reason: str,
        message: str,
        *,
        causes: Sequence[Cause] = (),
        details: dict[str, Any] | None = None,
    ) -> None:
        super().__init__(message)
        self.code = code
        self.reason = reason
        self.message = message
        self.causes = tuple(causes)
        self.details = details
        self.metadata: dict[str, Any] = {}
        """`Status.metadata`: a continue token to go on with."""

    def status(self) -> Status:
        """The Status object that goes over the wire."""
        details = dict(self.details or {})
        if self.causes:
            details["causes"] = [cause.to_json() for cause in self.causes]
        body: Status = {"kind": "Status", "apiVersion": "v1", "metadata": self.metadata, "status": "Failure"}
        if self.message:
            body["message"] = self.message
        if self.reason:
            body["reason"] = self.reason
        shown = {} if self.details is None and not details else {"details": details}
        return body | shown | {"code": self.code}


def full_name(group: str, plural: str) -> str:
    """``deployments.apps``, or ``pods`` for the core group (schema.GroupResource.String)."""
    return f"{plural}.{group}" if group else plural


def _details(group: str, plural: str, name: str, **more: Any) -> dict[str, Any]:
    details = {"name": name, "group": group, "kind": plural}
    return {key: value for key, value in details.items() if value} | more


def not_found(group: str, plural: str, name: str) -> ApiError:
    """404 for one object."""
    message = f'{full_name(group, plural)} "{name}" not found'
    return ApiError(404, "NotFound", message, details=_details(group, plural, name))


def no_such_path() -> ApiError:
    """404 for a resource that is not served (NewGenericServerResponse)."""
    return ApiError(404, "NotFound", "the server could not find the requested resource", details={})


class PageNotFoundError(ApiError):
    """404 for a group or version that is not served: plain text, no Status."""

    def __init__(self) -> None:
        super().__init__(404, "NotFound", "404 page not found\n")


def wrong_method() -> ApiError:
    """405."""
    return ApiError(
        405, "MethodNotAllowed", "the server does not allow this method on the requested resource", details={}
    )


def already_exists(group: str, plural: str, name: str, *, leaving: bool = False) -> ApiError:
    """409 of a create; `leaving`: what has the name is being deleted."""
    message = f'{"object is being deleted: " if leaving else ""}{full_name(group, plural)} "{name}" already exists'
    return ApiError(409, "AlreadyExists", message, details=_details(group, plural, name))


MODIFIED = "the object has been modified; please apply your changes to the latest version and try again"


def conflict(group: str, plural: str, name: str, *, why: str = MODIFIED) -> ApiError:
    """409 of a write that came too late, or whose precondition does not hold."""
    message = f'Operation cannot be fulfilled on {full_name(group, plural)} "{name}": {why}'
    return ApiError(409, "Conflict", message, details=_details(group, plural, name))


def forbidden(group: str, plural: str, name: str, *, why: str, causes: Sequence[Cause] = ()) -> ApiError:
    """403 of an admission rule."""
    resource = full_name(group, plural)
    named = f'{resource} "{name}" is ' if name else f"{resource} is " if resource else ""
    message = f"{named}forbidden: {why}"
    return ApiError(403, "Forbidden", message, causes=causes, details=_details(group, plural, name))


def bad_request(message: str) -> ApiError:
    """400."""
    return ApiError(400, "BadRequest", message)


def invalid(group: str, kind: str, name: str, *, causes: Sequence[Cause]) -> ApiError:
    """422 of validation: every fault at once, as field.ErrorList.ToAggregate words it."""
    faults = list(dict.fromkeys(f"{cause.field}: {cause.message}" for cause in causes))
    text = faults[0] if len(faults) == 1 else f"[{', '.join(faults)}]"
    message = f'{f"{kind}.{group}" if group else kind} "{name}" is invalid: {text}'
    return ApiError(422, "Invalid", message, causes=causes, details=_details(group, kind, name))


def unprocessable(message: str) -> ApiError:
    """422 of a patch that can't be carried out (NewGenericServerResponse)."""
    return ApiError(422, "Invalid", message, details={})


def expired(message: str) -> ApiError:
    """410: a resourceVersion or a continue token that is too old."""
    return ApiError(410, "Expired", message)


def unauthorized() -> ApiError:
    """401: no credentials, or wrong ones."""
    return ApiError(401, "Unauthorized", "Unauthorized")


def internal(message: str) -> ApiError:
    """500."""
    return ApiError(500, "InternalError", f"Internal error occurred: {message}", causes=[Cause("", message)])


def field_required(field: str, detail: str = "") -> Cause:
    return Cause("FieldValueRequired", f"Required value: {detail}" if detail else "Required value", field)


def field_invalid(field: str, value: Any, detail: str) -> Cause:
    """`value` as Go prints it: strings quoted, the rest as JSON."""
    shown = msgspec.json.encode(value).decode()
    return Cause("FieldValueInvalid", f"Invalid value: {shown}: {detail}", field)


def field_unsupported(field: str, value: str, allowed: Sequence[str]) -> Cause:
    words = ", ".join(f'"{word}"' for word in sorted(allowed))
    return Cause("FieldValueNotSupported", f'Unsupported value: "{value}": supported values: {words}', field)


def field_forbidden(field: str, detail: str) -> Cause:
    return Cause("FieldValueForbidden", f"Forbidden: {detail}", field)
