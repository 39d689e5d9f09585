"""Answers of an API server, decoded no further than needed.

Owns: list pages, watch events and `StoredObject` from their bytes. Pure; called by `backends.kube.informer` and
`backends.kube.cluster`. An object's own text is left as the server sent it, or its bytes would no longer be the object:
it is sanitised where it is decoded to be shown. That goes for names too, which say what to ask for: nearly all kinds
have DNS names, but those of RBAC may hold any character but ``/`` and ``%``.
"""

from __future__ import annotations

import msgspec

from fleetui.model.objects import ApiResource, Meta, Obj, ObjectRef, StoredObject


class ListMeta(msgspec.Struct, rename="camel"):
    """`metav1.ListMeta`; `next` is the continue token."""

    resource_version: str = ""
    next: str = msgspec.field(name="continue", default="")


class ListPage(msgspec.Struct):
    """One answer to LIST; the items are still JSON."""

    metadata: ListMeta = msgspec.field(default_factory=ListMeta)
    items: list[msgspec.Raw] | None = None


class Event(msgspec.Struct):
    """One line of a watch; the object is still JSON."""

    type: str
    object: msgspec.Raw


class _Head(msgspec.Struct):
    metadata: Meta = msgspec.field(default_factory=Meta)
    kind: str = ""


_PAGE = msgspec.json.Decoder(ListPage)
_EVENT = msgspec.json.Decoder(Event)
_HEAD = msgspec.json.Decoder(_Head)
_OBJECT = msgspec.json.Decoder(dict)


def list_page(body: bytes) -> ListPage:
    """Raises msgspec.DecodeError where the body is no list."""
    return _PAGE.decode(body)


def event(line: bytes) -> Event:
    """Raises msgspec.DecodeError where the line is no event."""
    return _EVENT.decode(line)


def obj(body: bytes | msgspec.Raw) -> Obj:
    """The dict of an object. Raises msgspec.DecodeError where the body is none."""
    decoded: Obj = _OBJECT.decode(body)
    return decoded


def resource_version(raw: msgspec.Raw) -> str:
    """The resourceVersion of an object, such as a bookmark's."""
    return _HEAD.decode(raw).metadata.resource_version


def stored(resource: ApiResource, raw: msgspec.Raw) -> StoredObject:
    """An object with its metadata decoded and the rest as it came.

    In a list, the API server leaves out ``apiVersion`` and ``kind`` of the kinds built into it; they are put back.
    """
    head = _HEAD.decode(raw)
    meta = head.metadata
    text = bytes(raw) if head.kind else _prefix(resource) + memoryview(raw)[1:]
    ref = ObjectRef(resource.group, resource.kind, meta.namespace, meta.name)
    return StoredObject(ref=ref, version=resource.version, meta=meta, raw=text)


def listed_objects(resource: ApiResource, page: ListPage) -> list[Obj]:
    """The dicts of a page's items, with ``apiVersion`` and ``kind``."""
    head = {"apiVersion": resource.api_version, "kind": resource.kind}
    return [head | obj(raw) for raw in page.items or ()]


def _prefix(resource: ApiResource) -> bytes:
    """The beginning of an object that has at least its metadata, up to the first field."""
    return f'{{"apiVersion":"{resource.api_version}","kind":"{resource.kind}",'.encode()
