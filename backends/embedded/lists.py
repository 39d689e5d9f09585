"""Lists: selection, pages, continue tokens.

Owns: which records a LIST returns, and its metadata. Pure over one table. Called by `handlers`. Rules: apiserver v0.37
pkg/storage/continue.go, pkg/storage/etcd3/store.go (GetList).
"""

from __future__ import annotations

import base64
import binascii
from bisect import bisect_left, bisect_right
from collections.abc import Iterator, Mapping
from typing import Any

import msgspec

from backends.embedded import selectors
from backends.embedded.calls import Call
from backends.embedded.errors import ApiError, Cause, bad_request, expired, field_forbidden, invalid
from backends.embedded.registry import ResourceType
from backends.embedded.selectors import FieldPredicate, LabelSelector
from backends.embedded.storage import Record, Table

_EXPIRED = (
    "The provided continue parameter is too old to display a consistent list result. You can start a new list without "
    "the continue parameter, or use the continue token in this response to retrieve the remainder of the results. "
    "Continuing with the provided token results in an inconsistent list - objects that were created, modified, or "
    "deleted between the time the first chunk was returned and now may show up in the list."
)
_TOO_OLD = "The resourceVersion for the provided list is too old."
_MATCH = "resourceVersionMatch"


class _Token(msgspec.Struct):
    v: str
    rv: int
    start: str


class Selection(msgspec.Struct, frozen=True):
    """Which objects are meant: by namespace, by labels, by fields."""

    namespace: str = ""
    name: str = ""
    labels: LabelSelector = selectors.everything
    fields: FieldPredicate | None = None

    @property
    def everything(self) -> bool:
        return self.labels is selectors.everything and self.fields is None and not self.name

    def takes(self, record: Record) -> bool:
        """Whether a record is meant."""
        return (
            (not self.namespace or record.namespace == self.namespace)
            and (not self.name or record.name == self.name)
            and self.labels(record.labels)
            and (self.fields is None or self.fields(record.decode()))
        )


def selection(call: Call, resource: ResourceType, namespace: str) -> Selection:
    """What the parameters of a list or watch select.

    Raises:
        ApiError: 400, a selector can't be understood.
    """
    terms = selectors.parse_fields(
        call.query.get("fieldSelector", ""),
        group=resource.group,
        kind=resource.kind,
        selectable=resource.selectable,
    )
    name = ""
    # Name and namespace are known without decoding; kubectl watches single objects by name.
    if terms.get("metadata.name", ("", False))[1]:
        name = terms.pop("metadata.name")[0]
    if terms.get("metadata.namespace", ("", False))[1] and namespace in ("", terms["metadata.namespace"][0]):
        namespace = terms.pop("metadata.namespace")[0]
    labels = selectors.parse(call.query.get("labelSelector", ""))
    return Selection(namespace, name, labels, selectors.field_predicate(terms))


def check_options(call: Call, *, watching: bool) -> None:
    """Refuses parameters that do not go together (ValidateListOptions).

    Raises:
        ApiError: 422.
    """
    call.number("limit")
    causes = list(_watch_faults(call) if watching else _list_faults(call))
    if causes:
        raise invalid("meta.k8s.io", "ListOptions", "", causes=causes)


def _list_faults(call: Call) -> Iterator[Cause]:
    match, version = call.query.get("resourceVersionMatch", ""), call.query.get("resourceVersion", "")
    if match and not version:
        yield field_forbidden(_MATCH, f"{_MATCH} is forbidden unless resourceVersion is provided")
    if match and call.query.get("continue"):
        yield field_forbidden(_MATCH, f"{_MATCH} is forbidden when continue is provided")
    if match not in ("", "Exact", "NotOlderThan"):
        text = f'Unsupported value: "{match}": supported values: "Exact", "NotOlderThan", ""'
        yield Cause("FieldValueNotSupported", text, _MATCH)
    if match == "Exact" and version == "0":
        yield field_forbidden(_MATCH, f'{_MATCH} "exact" is forbidden for resourceVersion "0"')
    if "sendInitialEvents" in call.query:
        yield field_forbidden("sendInitialEvents", "sendInitialEvents is forbidden for list")


def _watch_faults(call: Call) -> Iterator[Cause]:
    match, initial = call.query.get("resourceVersionMatch", ""), "sendInitialEvents" in call.query
    if initial and match != "NotOlderThan":
        yield field_forbidden(_MATCH, f"sendInitialEvents requires setting {_MATCH} to NotOlderThan")
    if match and not initial:
        yield field_forbidden(_MATCH, f"{_MATCH} is forbidden for watch unless sendInitialEvents is provided")
    if match not in ("", "NotOlderThan"):
        text = f'Unsupported value: "{match}": supported values: "NotOlderThan"'
        yield Cause("FieldValueNotSupported", text, _MATCH)
    if match and call.query.get("continue"):
        yield field_forbidden(_MATCH, f"{_MATCH} is forbidden when continue is provided")


def page(call: Call, table: Table, wanted: Selection, *, version: int) -> tuple[list[Record], dict[str, Any]]:
    """The records of a LIST, and the list's metadata; `version` is the store's present one.

    Raises:
        ApiError: 400, a bad parameter; 410, the page or version asked for is too old; 504, it is in the future.
    """
    limit, token = call.number("limit"), call.query.get("continue", "")
    after = ""
    if token:
        version, after = _resume(token, table, version, namespace=wanted.namespace)
    else:
        version = _asked_version(call, version)
        if version < table.compacted:
            raise expired(_TOO_OLD)
    records, keys = _state(table, version)
    found: list[Record] = []
    left = 0
    for key in _from(keys, wanted.namespace, after):
        record = records[key]
        if limit and len(found) == limit:
            left += 1
            if not wanted.everything:
                break  # there are more keys; whether they are wanted the next page will tell
        elif wanted.takes(record):
            found.append(record)
    meta: dict[str, Any] = {"resourceVersion": str(version)}
    if left:
        meta["continue"] = _encode(found[-1].key, version, wanted.namespace)
        if wanted.everything:
            meta["remainingItemCount"] = left
    return found, meta


def _state(table: Table, version: int) -> tuple[Mapping[str, Record], list[str]]:
    records = table.at(version)
    return records, table.keys if records is table.records else sorted(records)


def _from(keys: list[str], namespace: str, after: str) -> Iterator[str]:
    prefix = f"{namespace}/" if namespace else ""
    start = max(bisect_left(keys, prefix), bisect_right(keys, after) if after else 0)
    for key in keys[start:]:
        if not key.startswith(prefix):
            return
        yield key


def version_of(call: Call, *, before: str = "", code: int = 500) -> int:
    """The resource version that is asked for, 0 where none is.

    Raises:
        ApiError: it is none.
    """
    text = call.query.get("resourceVersion") or "0"
    if text.isdigit():
        return int(text)
    why = f'resourceVersion: Invalid value: "{text}": strconv.ParseUint: parsing "{text}": invalid syntax'
    raise ApiError(code, "BadRequest" if code == 400 else "", before + why)


def _asked_version(call: Call, present: int) -> int:
    text, match = call.query.get("resourceVersion", ""), call.query.get("resourceVersionMatch", "")
    if text in ("", "0"):
        return present
    asked = version_of(call, before="invalid resource version: ", code=400)
    if asked > present:
        cause = {"causes": [{"reason": "ResourceVersionTooLarge", "message": "Too large resource version"}]}
        message = f"Timeout: Too large resource version: {asked}, current: {present}"
        raise ApiError(504, "Timeout", message, details=cause | {"retryAfterSeconds": 1})
    return asked if match == "Exact" or (not match and call.number("limit")) else present


def _resume(token: str, table: Table, present: int, *, namespace: str) -> tuple[int, str]:
    try:
        body = msgspec.json.decode(base64.urlsafe_b64decode(token + "=" * (-len(token) % 4)), type=_Token)
    except (ValueError, binascii.Error, msgspec.DecodeError, msgspec.ValidationError):
        raise bad_request("invalid continue token: continue key is not valid: it was not made by this server") from None
    after = body.start.removesuffix("\0")
    if namespace:
        after = f"{namespace}{after}"
    elif "/" not in after:
        after = f"/{after}"
    if body.rv < 0:
        return present, after
    if body.rv < table.compacted:
        error = ApiError(410, "Expired", _EXPIRED)
        error.metadata = {"continue": _encode(after, -1, namespace)}
        raise error
    return body.rv, after


def _encode(key: str, version: int, namespace: str) -> str:
    """A token that goes on after `key`: where a namespace is listed, from there on."""
    start = key.removeprefix(namespace) if namespace else key.removeprefix("/")
    body = _Token("meta.k8s.io/v1", version, start + "\0")
    return base64.urlsafe_b64encode(msgspec.json.encode(body)).decode().rstrip("=")
