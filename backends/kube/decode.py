"""Answers of an API server, decoded no further than needed.

Owns: list pages, watch events and `StoredObject` from their bytes. Pure; called by `backends.kube.informer` and
`backends.kube.cluster`. An object's own text is left as the server sent it, or its bytes would no longer be the object:
it is sanitised where it is decoded to be shown. That goes for names too, which say what to ask for: nearly all kinds
have DNS names, but those of RBAC may hold any character but ``/`` and ``%``.
"""

from __future__ import annotations

import sys

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


class _Partial(msgspec.Struct):
    metadata: msgspec.Raw


LONG = 512
"""Characters of an annotation that `Meta` has beside the object's text; a longer one is a document of its own, such as
the last-applied configuration, and nobody looks for it there."""
_PAGE = msgspec.json.Decoder(ListPage)
_EVENT = msgspec.json.Decoder(Event)
_HEAD = msgspec.json.Decoder(_Head)
_PARTIAL = msgspec.json.Decoder(_Partial)
_META = msgspec.json.Decoder(Meta)
_INITIAL_EVENTS_END = "k8s.io/initial-events-end"
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


def bookmark(raw: msgspec.Raw) -> tuple[str, bool]:
    """The resourceVersion of a bookmark, and whether it ends the initial events of a streaming list (KEP-3157)."""
    meta = _HEAD.decode(raw).metadata
    return meta.resource_version, (meta.annotations or {}).get(_INITIAL_EVENTS_END) == "true"


def stored(resource: ApiResource, raw: msgspec.Raw) -> StoredObject:
    """An object with its metadata decoded and the rest as it came.

    In a list, the API server leaves out ``apiVersion`` and ``kind`` of the kinds built into it; they are put back.
    """
    head = _HEAD.decode(raw)
    text = bytes(raw) if head.kind else _prefix(resource) + memoryview(raw)[1:]
    return _stored(resource, head.metadata, text, whole=True)


def stored_metadata(resource: ApiResource, raw: msgspec.Raw) -> StoredObject:
    """An object's metadata, from a PartialObjectMetadata or from an object of a server that does not know those; it
    gets the ``apiVersion`` and ``kind`` of the object that it stands for."""
    metadata = _PARTIAL.decode(raw).metadata
    text = b'%b"metadata":%b}' % (_prefix(resource), metadata)
    return _stored(resource, _META.decode(metadata), text, whole=False)


def _stored(resource: ApiResource, meta: Meta, text: bytes, *, whole: bool) -> StoredObject:
    # Thousands of objects share a namespace, or a kind of owner: one string will do.
    namespace = sys.intern(meta.namespace)
    msgspec.structs.force_setattr(meta, "namespace", namespace)
    for owner in meta.owner_references or ():
        msgspec.structs.force_setattr(owner, "api_version", sys.intern(owner.api_version))
        msgspec.structs.force_setattr(owner, "kind", sys.intern(owner.kind))
    if meta.finalizers:
        msgspec.structs.force_setattr(meta, "finalizers", tuple(map(sys.intern, meta.finalizers)))
    annotations = meta.annotations or {}
    for key in [key for key, value in annotations.items() if len(value) > LONG]:
        del annotations[key]
    ref = ObjectRef(resource.group, resource.kind, namespace, meta.name)
    return StoredObject(ref=ref, version=resource.version, meta=meta, raw=text, whole=whole)


def listed_objects(resource: ApiResource, page: ListPage) -> list[Obj]:
    """The dicts of a page's items, with the ``apiVersion`` and ``kind`` of the resource: those of built-in kinds have
    none, those that are metadata alone have others."""
    head = {"apiVersion": resource.api_version, "kind": resource.kind}
    return [head | obj(raw) | head for raw in page.items or ()]


def _prefix(resource: ApiResource) -> bytes:
    """The beginning of an object that has at least its metadata, up to the first field."""
    return f'{{"apiVersion":"{resource.api_version}","kind":"{resource.kind}",'.encode()
