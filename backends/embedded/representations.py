"""What form an answer takes: the object itself, a Table, or its metadata alone.

Owns: content negotiation and rendering. Pure functions over stored records. Called by `handlers` and `watches`.
Rules: apiserver v0.37 pkg/endpoints/handlers/response.go.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import msgspec

from backends.embedded import conversion, tables
from backends.embedded.errors import ApiError, bad_request
from backends.embedded.registry import ResourceType
from backends.embedded.storage import Obj, Record

JSON = "application/json"
_GROUP = "meta.k8s.io"
_KINDS = frozenset({"Table", "PartialObjectMetadata", "PartialObjectMetadataList"})


class Form(msgspec.Struct, frozen=True):
    """What the client accepts.

    `kind` is empty for the object itself, or Table, PartialObjectMetadata, PartialObjectMetadataList; `include` is
    what a table's rows carry of their objects.
    """

    kind: str = ""
    version: str = "v1"
    include: str = "Metadata"

    @property
    def content_type(self) -> str:
        return f"{JSON};as={self.kind};g={_GROUP};v={self.version}" if self.kind else JSON


def negotiate(accept: str, *, include: str = "", many: bool = False) -> Form:
    """The first form of an Accept header that can be made, of a list (`many`) or of one object.

    Raises:
        ApiError: 406, none can; 400, `include` is no word for what a table carries.
    """
    if not accept:
        return Form()
    for clause in accept.split(","):
        media, *parameters = [part.strip() for part in clause.split(";")]
        given = dict(part.split("=", 1) for part in parameters if "=" in part)
        if media not in (JSON, "*/*", "application/*"):
            continue
        if "as" not in given:
            return Form()
        if given["as"] in _KINDS and given.get("g") == _GROUP and given.get("v") in ("v1", "v1beta1"):
            return _fitting(Form(given["as"], given["v"], include or "Metadata"), many=many)
    media = ", ".join((JSON, "application/yaml", "application/vnd.kubernetes.protobuf"))
    text = f"406: Not Acceptable\n\nAvailable representations: {media}"
    raise ApiError(406, "NotAcceptable", text, details={})


def _fitting(form: Form, *, many: bool) -> Form:
    if form.kind == "Table" and form.include not in ("Metadata", "Object", "None"):
        why = f"includeObject: Invalid value: \"{form.include}\": must be 'Metadata', 'Object', 'None', or empty"
        raise bad_request(f"Unable to convert to Table as requested: {why}")
    if form.kind == "PartialObjectMetadata" and many:
        raise ApiError(406, "NotAcceptable", f"you requested {form.kind}, but the requested object is a list")
    if form.kind == "PartialObjectMetadataList" and not many:
        raise ApiError(406, "NotAcceptable", f"you requested {form.kind}, but the requested object is not a list")
    return form


def raw_of(resource: ResourceType, record: Record) -> bytes:
    """The record's bytes in the version that was asked for."""
    if not conversion.needed(resource):
        return record.raw
    return msgspec.json.encode(conversion.outgoing(resource, record.decode()))


def render(resource: ResourceType, record: Record, form: Form, *, now: float, columns: bool = True) -> bytes:
    """One object in the form asked for; a table without its `columns` where they are known already."""
    if not form.kind:
        return raw_of(resource, record)
    obj = conversion.outgoing(resource, record.decode())
    if form.kind == "Table":
        made = tables.table(resource, [obj], now=now, include=form.include, version=form.version)
        known = {} if columns else {"columnDefinitions": None}
        return tables.encode(made | {"metadata": {"resourceVersion": str(record.version)}} | known)
    return msgspec.json.encode(_partial(obj, form.version))


def render_object(resource: ResourceType, obj: Obj, form: Form, *, now: float) -> bytes:
    """An object that is not, or not yet, stored: the answer of a dry run."""
    obj = conversion.outgoing(resource, obj)
    if form.kind == "Table":
        return tables.encode(tables.table(resource, [obj], now=now, include=form.include, version=form.version))
    return msgspec.json.encode(_partial(obj, form.version) if form.kind else obj)


def render_list(
    resource: ResourceType, records: Sequence[Record], form: Form, *, meta: dict[str, Any], now: float
) -> bytes:
    """A list in the form asked for; `meta` is its metadata."""
    if form.kind == "Table":
        objects = [conversion.outgoing(resource, record.decode()) for record in records]
        made = tables.table(resource, objects, now=now, include=form.include, version=form.version)
        return tables.encode(made | {"metadata": meta})
    if form.kind:
        version = form.version
        items = [_partial(conversion.outgoing(resource, record.decode()), version) for record in records]
        kind = {"kind": "PartialObjectMetadataList", "apiVersion": f"{_GROUP}/{version}"}
        return msgspec.json.encode(kind | {"metadata": meta, "items": items})
    head = {"apiVersion": resource.api_version, "kind": resource.list_name}
    if resource.custom:
        meta = {"continue": "", **meta}
    if not resource.custom:
        head = {"kind": resource.list_name, "apiVersion": resource.api_version}
    start = msgspec.json.encode(head | {"metadata": meta})[:-1]
    return b"".join((start, b',"items":[', b",".join(_items(resource, records)), b"]}"))


def _items(resource: ResourceType, records: Sequence[Record]) -> list[bytes]:
    raws = [raw_of(resource, record) for record in records]
    if resource.custom:
        return raws
    # The items of a built-in list do not repeat their kind and version; both stand first in what is stored.
    prefix = msgspec.json.encode({"apiVersion": resource.api_version, "kind": resource.kind})[:-1] + b","
    cut = len(prefix)
    return [b"{" + raw[cut:] if raw.startswith(prefix) else raw for raw in raws]


def _partial(obj: Obj, version: str) -> Obj:
    kind = {"kind": "PartialObjectMetadata", "apiVersion": f"{_GROUP}/{version}"}
    return kind | {"metadata": obj["metadata"]}
