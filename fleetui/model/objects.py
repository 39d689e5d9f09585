"""Kubernetes objects as fleetui holds them: raw bytes beside a small struct.

Owns: references, metadata, `StoredObject` and what an API server serves (`ApiResource`, `Discovery`). Pure data.
Bytes plus struct is 5 times smaller than dicts and keeps a full collection under 30 ms; `StoredObject.decode` gives the
dict where one is needed.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from functools import cached_property
from typing import Any, NewType

import msgspec

ClusterName = NewType("ClusterName", str)
"""A kubeconfig context's name, or the name under which a hub registered a cluster."""

Obj = dict[str, Any]
"""A decoded Kubernetes object, as JSON has it."""

MAX_DEPTH = 200
"""Deepest nesting of an object; the deepest published CRDs have some 60 levels."""
_NESTING = frozenset({dict, list})


class ObjectRef(msgspec.Struct, frozen=True, gc=False, order=True):
    """Names one object of one cluster; the version is not part of its identity."""

    group: str
    kind: str
    namespace: str
    name: str

    @property
    def group_kind(self) -> tuple[str, str]:
        return self.group, self.kind

    def __str__(self) -> str:
        """``apps/Deployment payments-prod/api``, or ``ConfigMap default/settings`` for the core group."""
        kind = f"{self.group}/{self.kind}" if self.group else self.kind
        return f"{kind} {self.namespace}/{self.name}" if self.namespace else f"{kind} {self.name}"


def split_api_version(api_version: str) -> tuple[str, str]:
    """``apps/v1`` -> ``("apps", "v1")``; ``v1`` -> ``("", "v1")``."""
    group, slash, version = api_version.rpartition("/")
    return (group, version) if slash else ("", api_version)


def join_api_version(group: str, version: str) -> str:
    """The inverse of `split_api_version`."""
    return f"{group}/{version}" if group else version


def ref_of(obj: Mapping[str, Any]) -> ObjectRef:
    """The reference of a decoded object; what is absent or odd is an empty string."""
    metadata = obj.get("metadata")
    if not isinstance(metadata, Mapping):
        metadata = {}
    return ObjectRef(
        group=split_api_version(str(obj.get("apiVersion", "")))[0],
        kind=str(obj.get("kind", "")),
        namespace=str(metadata.get("namespace") or ""),
        name=str(metadata.get("name") or ""),
    )


def from_json(text: str) -> Any:
    """What a JSON text within an object says, such as that of an annotation.

    Raises:
        ValueError: it is none, nests more deeply than can be read, or holds half of a surrogate pair.
    """
    try:
        return msgspec.json.decode(text)
    except (msgspec.DecodeError, RecursionError, UnicodeEncodeError) as error:
        raise ValueError(str(error)) from error


def merge_patched(value: Any, patch: Any) -> Any:
    """What a JSON merge patch (RFC 7386) makes of a value; what it does not touch is shared with it, in its order."""
    if not isinstance(patch, Mapping):
        return patch
    found = dict(value) if isinstance(value, Mapping) else {}
    for key, each in patch.items():
        if each is None:
            found.pop(key, None)
        else:
            found[key] = merge_patched(found.get(key), each)
    return found


def is_surely_shallow(value: Any) -> bool:
    """Whether a decoded map or list has so few maps and lists that it can't nest beyond `MAX_DEPTH`: five times quicker
    to tell than `json_flaw` for what nearly every object is."""
    try:
        text = msgspec.json.encode(value)
    except (TypeError, ValueError, OverflowError, RecursionError, msgspec.EncodeError):
        return False
    return text.count(b"{") + text.count(b"[") <= MAX_DEPTH


def json_flaw(value: Any) -> str:
    """What keeps a decoded map or list from being JSON of a sane depth; empty where nothing does. Never recurses."""
    level = [value]
    for _ in range(MAX_DEPTH):
        below: list[Any] = []
        add = below.append
        for each in level:
            if type(each) is dict:
                for key, item in each.items():
                    if type(key) is not str and not isinstance(key, str):
                        return f"has the key {key!r}, which is no text"
                    if type(item) in _NESTING:
                        add(item)
            else:
                for item in each:
                    if type(item) in _NESTING:
                        add(item)
        if not below:
            return ""
        level = below
    return f"is nested deeper than {MAX_DEPTH} levels"


def is_older(one: str, other: str) -> bool:
    """Whether resourceVersion `one` of a kind is surely older than `other`.

    They are comparable integers of any size (KEP-5504; apimachinery v0.37 pkg/util/resourceversion); of what is none,
    nothing is sure.
    """
    return one.isdecimal() and other.isdecimal() and int(one) < int(other)


def inventory_ref(entry: str) -> ObjectRef | None:
    """The object of an inventory's entry, ``<namespace>_<name>_<group>_<kind>``; None where it is none.

    A colon of a name is written as two underscores (cli-utils, pkg/object/objmetadata.go, `ParseObjMetadata`).
    """
    namespace, first, rest = entry.partition("_")
    rest, last, kind = rest.rpartition("_")
    name, middle, group = rest.rpartition("_")
    if not (first and last and middle and name and kind):
        return None
    return ObjectRef(group, kind, namespace, name.replace("__", ":"))


class OwnerRef(msgspec.Struct, frozen=True, gc=False, rename="camel"):
    """`metadata.ownerReferences[]`."""

    api_version: str = ""
    kind: str = ""
    name: str = ""
    uid: str = ""
    controller: bool | None = None


class Meta(msgspec.Struct, frozen=True, gc=False, rename="camel"):
    """The part of `metadata` that indexes, trees and the engine need without decoding the rest.

    Nothing of it is ever changed, so it can't be part of a cycle, and the collector need not look at it.
    """

    name: str = ""
    namespace: str = ""
    uid: str = ""
    resource_version: str = ""
    generation: int = 0
    creation_timestamp: str | None = None
    deletion_timestamp: str | None = None
    labels: dict[str, str] | None = None
    annotations: dict[str, str] | None = None
    """Without the long ones (the last-applied configuration), which `StoredObject.decode` has."""
    owner_references: tuple[OwnerRef, ...] | None = None
    finalizers: tuple[str, ...] | None = None


class StoredObject(msgspec.Struct, frozen=True, gc=False):
    """One object of one cluster at one resourceVersion.

    `raw` is the object's JSON as the server sent it; where only metadata was asked for, `whole` is False, and `raw` has
    apiVersion, kind and metadata alone.
    """

    ref: ObjectRef
    version: str
    meta: Meta
    raw: bytes
    whole: bool = True

    @property
    def uid(self) -> str:
        return self.meta.uid

    def decode(self) -> Obj:
        """The object as a fresh dict, free to be changed."""
        obj: Obj = msgspec.json.decode(self.raw)
        return obj


def unchanged(obj: StoredObject) -> Obj:
    """The part of a JSON patch that fails where the object has changed."""
    return {"op": "test", "path": "/metadata/resourceVersion", "value": obj.meta.resource_version}


class ApiResource(msgspec.Struct, frozen=True):
    """One resource that an API server serves, as discovery says it."""

    group: str
    version: str
    kind: str
    plural: str
    namespaced: bool
    verbs: frozenset[str] = frozenset()
    short_names: tuple[str, ...] = ()
    singular: str = ""
    subresources: frozenset[str] = frozenset()
    categories: tuple[str, ...] = ()

    @property
    def api_version(self) -> str:
        return join_api_version(self.group, self.version)

    @property
    def group_kind(self) -> tuple[str, str]:
        return self.group, self.kind

    @property
    def full_name(self) -> str:
        """``deployments.apps``, as kubectl names a resource."""
        return f"{self.plural}.{self.group}" if self.group else self.plural

    def path(self, namespace: str = "", name: str = "", subresource: str = "") -> str:
        """The URL path of the collection, of one object or of its subresource; `namespace` is ignored where the
        resource is cluster-scoped."""
        root = f"/apis/{self.group}/{self.version}" if self.group else f"/api/{self.version}"
        scope = f"/namespaces/{namespace}" if self.namespaced and namespace else ""
        tail = (f"/{name}" if name else "") + (f"/{subresource}" if subresource else "")
        return f"{root}{scope}/{self.plural}{tail}"


class Discovery:
    """What one API server serves; immutable.

    `resources` come in the server's own order of preference: the first of a group and kind is the preferred version.
    """

    def __init__(self, resources: Iterable[ApiResource], *, version: str = "", failed: Iterable[str] = ()) -> None:
        self._all = tuple(resources)
        self._preferred: dict[tuple[str, str], ApiResource] = {}
        self._exact: dict[tuple[str, str, str], ApiResource] = {}
        for resource in self._all:
            self._preferred.setdefault(resource.group_kind, resource)
            self._exact.setdefault((resource.group, resource.version, resource.kind), resource)
        self.version = version
        """The server's version, such as ``v1.37.2``."""
        self.failed = tuple(failed)
        """Group/versions that could not be asked (a dead aggregated API)."""

    def __iter__(self) -> Iterator[ApiResource]:
        return iter(self._all)

    @cached_property
    def api_versions(self) -> tuple[str, ...]:
        """``apps/v1`` and ``apps/v1/Deployment`` of all that is served, sorted: what charts ask for
        (Argo CD 3.6 util/argo/argo.go, `APIResourcesToStrings`)."""
        versions = {resource.api_version for resource in self._all}
        return tuple(sorted(versions | {f"{each.api_version}/{each.kind}" for each in self._all}))

    def by_kind(self, group: str, kind: str, version: str = "") -> ApiResource | None:
        """The resource of a kind, in `version` or else the preferred one; None where it is not served."""
        if version:
            return self._exact.get((group, version, kind))
        return self._preferred.get((group, kind))

    def of(self, obj: Mapping[str, Any]) -> ApiResource | None:
        """The resource of a decoded object in the object's own version; None where it is not served."""
        group, version = split_api_version(str(obj.get("apiVersion", "")))
        return self._exact.get((group, version, str(obj.get("kind", ""))))

    def find(self, word: str) -> list[ApiResource]:
        """What a person may mean by `word`, the likeliest first; more than one is for the person to choose from.

        As kubectl has it (apimachinery v0.37 pkg/api/meta/restmapper.go, client-go v0.37 restmapper/shortcut.go):
        ``NAME``, ``NAME.GROUP`` or ``NAME.VERSION.GROUP``, where NAME is plural, singular, kind or short name, in any
        case; the beginning of a group will do where no group is called just so; a whole name goes before a short one.
        """
        name, _, rest = word.lower().partition(".")
        version, dot, group = rest.partition(".")
        if dot:
            exact = [resource for resource in self._all if (resource.version, resource.group) == (version, group)]
            if found := _called(name, exact):
                return found
        served = self._preferred.values()
        if not rest:
            return _called(name, served)
        inside = _called(name, [resource for resource in served if resource.group == rest])
        return inside or _called(name, [resource for resource in served if resource.group.startswith(rest)])


def _called(name: str, resources: Iterable[ApiResource]) -> list[ApiResource]:
    resources = tuple(resources)
    whole = [found for found in resources if name in (found.plural, found.singular, found.kind.lower())]
    return whole or [found for found in resources if name in found.short_names]
