"""PATCH bodies: which kind they are of, what they make of an object, and how Go words what they can't.

Owns: the four media types. Pure functions. Called by `handlers`; how patches are carried out is `patches`'. Wordings:
apiserver v0.37 pkg/endpoints/handlers/patch.go.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import msgspec

from backends.embedded import errors, patches
from backends.embedded.calls import Call
from backends.embedded.errors import ApiError
from backends.embedded.registry import ResourceType
from backends.embedded.schemas import type_of
from fleetui.model.gotext import go_text

Obj = dict[str, Any]
APPLY = "application/apply-patch+yaml"
JSON_PATCH, MERGE_PATCH = "application/json-patch+json", "application/merge-patch+json"
STRATEGIC = "application/strategic-merge-patch+json"


def kind_of(call: Call, resource: ResourceType) -> str:
    """The media type of a PATCH.

    Raises:
        ApiError: 415, the resource takes no such patch.
    """
    media = call.headers.get("content-type", "").partition(";")[0].strip()
    accepted = (JSON_PATCH, MERGE_PATCH, APPLY) if resource.custom else (JSON_PATCH, MERGE_PATCH, STRATEGIC, APPLY)
    if media not in accepted:
        raise unsupported(accepted, custom=resource.custom)
    return media


def patched(resource: ResourceType | None, kind: str, live: Obj, *, body: Any) -> Obj:
    """What a patch of that kind makes of `live`, which it may change.

    Raises:
        ApiError: 400, it is no patch; 422, it does not fit the object.
    """
    if kind == JSON_PATCH:
        return patches.json_patch(live, body)
    if not isinstance(body, dict):
        raise errors.bad_request(f"error decoding patch: {no_object(body)[6:]}")
    if kind == STRATEGIC and resource is not None:
        return patches.strategic_merge_patch(type_of(resource), live, body)
    merged: Obj = patches.merge_patch(live, body)
    return merged


def no_object(value: Any) -> str:
    """Go's words for a value that is none."""
    given = "array" if isinstance(value, list) else {str: "string", bool: "bool"}.get(type(value), "number")
    return f"JSON: json: cannot unmarshal {given} into Go value of type map[string]interface {{}}"


def json_unfit(new: Obj, why: str) -> ApiError:
    """422 of a patch that makes an object that can't be decoded."""
    shown = msgspec.json.encode({key: new[key] for key in sorted(new)}).decode()
    return errors.invalid("", "", "", causes=[errors.field_invalid("patch", shown, why)])


def strategic_unfit(patch: Any) -> Callable[[Obj, str], ApiError]:
    """The same for a strategic merge patch, of which the patch itself is told."""
    return lambda _, why: errors.invalid("", "", "", causes=[errors.field_invalid("patch", go_text(patch), why)])


def unsupported(accepted: tuple[str, ...], *, custom: bool = False) -> ApiError:
    """415, worded by the server of definitions for `custom` kinds."""
    text = f"the body of the request was in an unknown format - accepted media types include: {', '.join(accepted)}"
    if custom:
        return ApiError(415, "UnsupportedMediaType", text)
    return ApiError(415, "UnsupportedMediaType", "415: Unsupported Media Type", details={})
