"""An object on its way through a kustomization, and the list of all of them.

Owns: `Resource`, `Id`, `Resources`. Follows api 0.21.2 (resource/resource.go, resmap/reswrangler.go) and kyaml
(resid/resid.go). What kustomize has to remember of an object it writes into the object's annotations, where patches,
selectors and replacements see it; so do we. Used by every step of this package.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from functools import lru_cache
from typing import Any, NamedTuple

from fleetui.render.kustomize.errors import Problem, UnsupportedProblem
from fleetui.render.kustomize.tables import tables
from fleetui.render.kustomize.values import copied, is_null, new_key, replaced, text_of, written

_INTERNAL = "internal.config.kubernetes.io/"
PREVIOUS_KINDS = _INTERNAL + "previousKinds"
PREVIOUS_NAMES = _INTERNAL + "previousNames"
PREVIOUS_NAMESPACES = _INTERNAL + "previousNamespaces"
PREFIXES = _INTERNAL + "prefixes"
SUFFIXES = _INTERNAL + "suffixes"
REFERRED_BY = _INTERNAL + "refBy"
BEHAVIOR = _INTERNAL + "generatorBehavior"
NEEDS_HASH = _INTERNAL + "needsHashSuffix"
ALLOW_NAME_CHANGE = _INTERNAL + "allowNameChange"
ALLOW_KIND_CHANGE = _INTERNAL + "allowKindChange"
ENABLED = "enabled"

BUILD_ANNOTATIONS = frozenset(
    {
        *(PREVIOUS_KINDS, PREVIOUS_NAMES, PREFIXES, SUFFIXES, PREVIOUS_NAMESPACES, ALLOW_NAME_CHANGE),
        *(ALLOW_KIND_CHANGE, REFERRED_BY, BEHAVIOR, NEEDS_HASH),
        *(_INTERNAL + name for name in ("path", "index", "seqindent", "id", "annotations-migration-resource-id")),
        *("config.kubernetes.io/path", "config.kubernetes.io/index", "config.k8s.io/id"),
        "internal.config.kubernetes.io/helm-generated",
    }
)
DEFAULT_NAMESPACE = "default"
NO_NAMESPACE = "_non_namespaceable_"


class Gvk(NamedTuple):
    group: str
    version: str
    kind: str

    def selected_by(self, group: str, version: str, kind: str) -> bool:
        """Whether each part is named or left open (`Gvk.IsSelected`)."""
        return group in ("", self.group) and version in ("", self.version) and kind in ("", self.kind)


@lru_cache(maxsize=1024)
def _gvk(api_version: str, kind: str) -> tuple[Gvk, bool]:
    """Group, version and kind, and whether the kind has certainly no namespace."""
    group, slash, version = api_version.partition("/")
    gvk = Gvk(group, version, kind) if slash else Gvk("", group, kind)
    return gvk, f"{api_version}|{kind}" in tables().cluster_scoped


class Id(NamedTuple):
    """What an object is or was called; ids of the past do not know whether their kind has namespaces."""

    gvk: Gvk
    name: str
    namespace: str
    cluster_scoped: bool = False

    @property
    def effective_namespace(self) -> str:
        if self.cluster_scoped:
            return NO_NAMESPACE
        return self.namespace or DEFAULT_NAMESPACE

    @property
    def key(self) -> tuple[Gvk, str, str]:
        """What no two objects have in common."""
        return self.gvk, self.name, self.effective_namespace

    def equals(self, other: Id) -> bool:
        return self.name == other.name and self.key == other.key

    def __str__(self) -> str:
        group = f".{self.gvk.group}" if self.gvk.group else ""
        where = f"{self.namespace}/" if self.namespace else ""
        return f"{self.gvk.kind}{group} {where}{self.name}"


class _Shared:
    """One text in several places, each a mapping; `name` is its key there."""

    def __init__(self, name: str, text: Any, places: list[dict[str, Any]]) -> None:
        self.name = name
        self.places = places
        self._text = text

    def spread(self, owner: Id) -> None:
        self.places = [place for place in self.places if self.name in place]
        changed = [place[self.name] for place in self.places if place[self.name] is not self._text]
        if not changed:
            return
        if any(type(value) is not type(changed[0]) or value != changed[0] for value in changed):
            raise UnsupportedProblem(f"a change of {self.name} into different texts in {owner}, which shares one,")
        self._text = changed[0]
        for place in self.places:
            place[self.name] = self._text


class Resource:
    """One object; `file` and `line` are where it comes from."""

    __slots__ = ("file", "line", "obj", "shared", "untyped")

    def __init__(self, obj: dict[str, Any], file: str, line: int) -> None:
        self.obj = obj
        self.file = file
        self.line = line
        self.shared: list[_Shared] = []
        """Texts that stand in several places. kustomize puts one node there, and what is written into one of them
        later shows in all."""

        self.untyped = False
        """Whether a scalar was made whose text reads as a number or the like: a strategic merge makes a text of it."""

    def spread_shared(self) -> None:
        """Writes a change of one place into those that share its text.

        Raises:
            UnsupportedProblem: they were changed into different texts.
        """
        for shared in self.shared:
            shared.spread(self.id)

    # --- what it is called ----------------------------------------------------------------------------------

    @property
    def kind(self) -> str:
        kind = self.obj.get("kind", "")
        return kind if isinstance(kind, str) else text_of(kind)

    @property
    def api_version(self) -> str:
        version = self.obj.get("apiVersion", "")
        return version if isinstance(version, str) else text_of(version)

    @property
    def name(self) -> str:
        return self._metadata_text("name")

    @property
    def namespace(self) -> str:
        return self._metadata_text("namespace")

    def _metadata_text(self, field: str) -> str:
        metadata = self.obj.get("metadata")
        value = metadata.get(field, "") if isinstance(metadata, dict) else ""
        if isinstance(value, str):
            return value
        return "" if is_null(value) else text_of(value)

    @property
    def gvk(self) -> Gvk:
        return _gvk(self.api_version, self.kind)[0]

    @property
    def id(self) -> Id:
        gvk, cluster_scoped = _gvk(self.api_version, self.kind)
        return Id(gvk, self.name, self.namespace, cluster_scoped)

    @property
    def previous_ids(self) -> list[Id]:
        """The oldest first; without the present one."""
        annotations = self._map("annotations")
        if PREVIOUS_NAMES not in annotations:
            return []
        names = text_of(annotations[PREVIOUS_NAMES]).split(",")
        namespaces = text_of(annotations.get(PREVIOUS_NAMESPACES, "")).split(",")
        kinds = text_of(annotations.get(PREVIOUS_KINDS, "")).split(",")
        if not len(names) == len(namespaces) == len(kinds):
            raise Problem("kustomize's own annotations of former names are spoilt")
        group, version, _ = self.gvk
        return [
            Id(Gvk(group, version, kind), name, namespace)
            for name, namespace, kind in zip(names, namespaces, kinds, strict=True)
        ]

    @property
    def all_ids(self) -> list[Id]:
        return [*self.previous_ids, self.id]

    @property
    def original_id(self) -> Id:
        previous = self.previous_ids
        return previous[0] if previous else self.id

    def store_id(self) -> None:
        """Remembers what the object is called now, before that changes."""
        now = self.id
        self.append(PREVIOUS_NAMES, now.name)
        self.append(PREVIOUS_NAMESPACES, now.effective_namespace)
        self.append(PREVIOUS_KINDS, now.gvk.kind)

    def set_name(self, name: str) -> None:
        self.metadata["name"] = replaced(self.metadata.get("name"), name)

    def set_namespace(self, namespace: str) -> None:
        if namespace:
            self.metadata["namespace"] = replaced(self.metadata.get("namespace"), namespace)
        else:
            self.metadata.pop("namespace", None)

    # --- metadata -------------------------------------------------------------------------------------------

    @property
    def metadata(self) -> dict[str, Any]:
        """`metadata`, made where it is missing."""
        metadata = self.obj.get("metadata")
        if is_null(metadata):
            metadata = self.obj["metadata"] = {}
        if not isinstance(metadata, dict):
            raise Problem(f"metadata of {self.id} is no mapping")
        return metadata

    def _map(self, field: str) -> Mapping[str, Any]:
        metadata = self.obj.get("metadata")
        values = metadata.get(field) if isinstance(metadata, dict) else None
        return values if isinstance(values, dict) else {}

    @property
    def labels(self) -> dict[str, str]:
        return {key: text_of(value) for key, value in self._map("labels").items()}

    @property
    def annotations(self) -> dict[str, str]:
        return {key: text_of(value) for key, value in self._map("annotations").items()}

    def share(self, name: str, text: str, places: list[dict[str, Any]]) -> None:
        """Puts one text into places where `name` is not yet."""
        for shared in self.shared:
            if shared.name == name:
                shared.places = [place for place in shared.places if not any(place is fresh for fresh in places)]
        for place in places:
            place[new_key(name)] = text
        if len(places) > 1:
            self.shared.append(_Shared(name, text, places))

    def set_map(self, field: str, values: Mapping[str, str]) -> None:
        metadata = self.metadata
        metadata.pop(field, None)
        if values:
            metadata[field] = {new_key(key): written(str(value)) for key, value in values.items()}

    def annotation(self, name: str) -> str:
        return text_of(self._map("annotations").get(name, ""))

    def append(self, annotation: str, value: str) -> None:
        """Adds to one of kustomize's own annotations, which are lists parted by commas."""
        if not value:
            return
        metadata = self.metadata
        annotations = metadata.get("annotations")
        if is_null(annotations):
            annotations = metadata["annotations"] = {}
        if not isinstance(annotations, dict):
            raise Problem(f"metadata.annotations of {self.id} is no mapping")
        known = text_of(annotations[annotation]) if annotation in annotations else None
        annotations[annotation] = value if known is None else f"{known},{value}"

    def listed(self, annotation: str) -> list[str]:
        values = self._map("annotations")
        return text_of(values[annotation]).split(",") if annotation in values else []

    def enable(self, annotation: str) -> None:
        self.set_map("annotations", self.annotations | {annotation: ENABLED})

    def enabled(self, annotation: str) -> bool:
        return self.annotation(annotation) == ENABLED

    def copy_metadata(self, other: Resource) -> None:
        """`CopyMergeMetaDataFieldsFrom`: the name of `other`, and its labels and annotations below one's own."""
        self.set_map("labels", other.labels | self.labels)
        own, others = self.annotations, other.annotations
        merged = {key: value for key, value in (others | own).items() if key not in BUILD_ANNOTATIONS}
        merged |= {key: value for key, value in others.items() if key in BUILD_ANNOTATIONS}
        if NEEDS_HASH not in own:
            merged.pop(NEEDS_HASH, None)
        self.set_map("annotations", merged)
        self.set_name(other.name)
        self.set_namespace(other.namespace)

    def copy(self) -> Resource:
        return Resource(copied(self.obj), self.file, self.line)

    def finish(self) -> None:
        """Takes out kustomize's own annotations; the rest becomes text, and an empty mapping goes."""
        left = {key: value for key, value in self.annotations.items() if key not in BUILD_ANNOTATIONS}
        self.set_map("annotations", left)


class Resources(list[Resource]):
    """The objects in their order; no two have the same id."""

    def add_all(self, resources: Iterable[Resource]) -> None:
        """Raises `Problem` where an id is taken."""
        known = {resource.id.key: resource for resource in self}
        for resource in resources:
            new = resource.id
            if (other := known.setdefault(new.key, resource)) is not resource:
                raise Problem(f"{new} is there twice, also in {other.file}; rename or remove one of them")
            self.append(resource)

    def with_any_id(self, matches: Callable[[Id], bool]) -> list[Resource]:
        return [resource for resource in self if resource.obj and any(map(matches, resource.all_ids))]

    def target_of(self, patch: Resource) -> Resource:
        """The one object that a patch without a selector is for."""
        wanted = patch.original_id
        found = self.with_any_id(wanted.equals)
        if len(found) == 1:
            return found[0]
        if found:
            raise Problem(f"the patch of {wanted} matches {len(found)} resources; name one of them")
        raise Problem(f"no resource matches the patch of {wanted}; check its name, namespace, kind and apiVersion")
