"""What a kustomization changes in all objects: namespace, names, labels, annotations, replicas, images.

Owns: one function for each. Follows api 0.21.2 (internal/builtins and filters). Called by `target`.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from functools import lru_cache
from typing import Any

from fleetui.render.kustomize.errors import Problem
from fleetui.render.kustomize.fields import Setter, applicable, leads_somewhere, parts_of, visit
from fleetui.render.kustomize.images import with_image
from fleetui.render.kustomize.kustomization import Image, Labels, Replica
from fleetui.render.kustomize.resource import PREFIXES, SUFFIXES, Resource, Resources
from fleetui.render.kustomize.selectors import pattern
from fleetui.render.kustomize.tables import (
    COMMON_ANNOTATIONS,
    COMMON_LABELS,
    IMAGES,
    NAMESPACES,
    REPLICAS,
    TEMPLATE_LABELS,
    VOLUME_CLAIM_LABELS,
    FieldSpec,
)
from fleetui.render.kustomize.values import is_null, is_scalar, replaced, retyped, text_of, written

_TAG_AND_DIGEST = r"(:[a-zA-Z0-9_.{}-]*)?(@[a-zA-Z0-9]+([.+_-][a-zA-Z0-9]+)*:[a-zA-Z0-9_.{}-]*)?"
_CRD = "CustomResourceDefinition"
_IMAGE_FIELDS = [(spec, parts_of(spec.path.replace("[]", ""))) for spec in IMAGES]
_NAME = FieldSpec("metadata/name")
_METADATA_LABELS = FieldSpec("metadata/labels", create=True)


# --- namespace ------------------------------------------------------------------------------------------------


def set_namespace(namespace: str, resources: Resources) -> None:
    """NamespaceTransformer.go: also in role bindings' subjects named default, and the name of a Namespace."""

    def put(container: Any, key: Any) -> None:
        _demand_scalar(container, key)
        container[key] = retyped(container[key], namespace)

    for resource in resources:
        resource.store_id()
        if not resource.id.cluster_scoped:
            visit(resource, FieldSpec("metadata/namespace", create=True), put, str)
        if resource.kind in ("RoleBinding", "ClusterRoleBinding"):
            _set_subjects(resource, namespace)
        for spec in NAMESPACES:
            if spec.path != "metadata/name" or resource.obj.get("apiVersion") == "v1":
                visit(resource, spec, put, str)
    keys: set[object] = set()
    for resource in resources:
        if resource.id.key in keys:
            raise Problem(f"in the namespace {namespace} {resource.id} would be there twice")
        keys.add(resource.id.key)


def _set_subjects(resource: Resource, namespace: str) -> None:
    subjects = resource.obj.get("subjects")
    if is_null(subjects):
        return
    if not isinstance(subjects, list) or not all(isinstance(subject, dict) for subject in subjects):
        raise Problem(f"subjects of {resource.id} is no list of subjects")
    for subject in subjects:
        if subject.get("name") == "default":
            subject["namespace"] = namespace


def _demand_scalar(container: Any, key: Any) -> None:
    if not is_scalar(container[key]):
        raise Problem(f"{key} is a mapping or a list where a text must be")


# --- names ----------------------------------------------------------------------------------------------------


def add_prefix(prefix: str, resources: Resources) -> None:
    """PrefixTransformer.go."""
    for resource in _named(resources):
        resource.append(PREFIXES, prefix)
        resource.store_id()
        _rename(resource, prefix, "")


def add_suffix(suffix: str, resources: Resources) -> None:
    """SuffixTransformer.go."""
    for resource in _named(resources):
        resource.append(SUFFIXES, suffix)
        resource.store_id()
        _rename(resource, "", suffix)


def _named(resources: Resources) -> Iterator[Resource]:
    """The objects whose names change: not definitions, API services and namespaces, whose names say something."""
    for resource in resources:
        gvk = resource.original_id.gvk
        api_service = gvk.kind == "APIService" and gvk.group == "apiregistration.k8s.io"
        if gvk.kind not in (_CRD, "Namespace") and not api_service:
            yield resource


def _rename(resource: Resource, prefix: str, suffix: str) -> None:
    def put(container: Any, key: Any) -> None:
        _demand_scalar(container, key)
        container[key] = replaced(container[key], f"{prefix}{text_of(container[key])}{suffix}")

    visit(resource, _NAME, put)


# --- labels and annotations -----------------------------------------------------------------------------------


def add_labels(labels: Sequence[Labels], common: Mapping[str, str], resources: Resources) -> None:
    """LabelTransformer.go: the fields `labels` and `commonLabels`."""
    for each in labels:
        _put_all(each.pairs, _label_fields(each), resources)
    _put_all(common, COMMON_LABELS, resources)


def add_annotations(annotations: Mapping[str, str], resources: Resources) -> None:
    """AnnotationsTransformer.go."""
    _put_all(annotations, COMMON_ANNOTATIONS, resources)


def _label_fields(labels: Labels) -> Sequence[FieldSpec]:
    specs: list[FieldSpec] = [
        FieldSpec(field.path, field.group, field.version, field.kind, field.create) for field in labels.fields
    ]
    if labels.include_selectors:
        return _merged(specs, COMMON_LABELS)
    if labels.include_templates:
        _merged(specs, TEMPLATE_LABELS)
    if labels.include_volume_claim_templates:
        _merged(specs, VOLUME_CLAIM_LABELS)
    return _merged(specs, [_METADATA_LABELS])


def _merged(specs: list[FieldSpec], others: Sequence[FieldSpec]) -> list[FieldSpec]:
    """`FsSlice.MergeAll`: in place, each field once."""
    for other in others:
        same = next((spec for spec in specs if spec.same_field(other)), None)
        if same is None:
            specs.append(other)
        elif same.create != other.create:
            raise Problem(f"the label field {other.path} conflicts with the built-in one over create")
    return specs


def _put_all(values: Mapping[str, str], specs: Sequence[FieldSpec], resources: Resources) -> None:
    if not values:
        return

    chosen = tuple(specs)
    for resource in resources:
        places: list[dict[str, Any]] = []

        def put(container: Any, key: Any, places: list[dict[str, Any]] = places) -> None:
            if not isinstance(container[key], dict):
                raise Problem(f"{key} is no mapping, so nothing can be added to it")
            places.append(container[key])

        for spec in applicable(chosen, resource.gvk):
            visit(resource, spec, put, dict)
        for name, text in values.items():
            _put(resource, name, text, places)


def _put(resource: Resource, name: str, text: str, places: Sequence[dict[str, Any]]) -> None:
    for place in places:
        if name in place:
            place[name] = text if is_null(place[name]) else retyped(place[name], text)
    resource.spread_shared()
    if fresh := [place for place in places if name not in place]:
        resource.share(name, written(text), fresh)


# --- replicas -------------------------------------------------------------------------------------------------


def set_replicas(replicas: Sequence[Replica], resources: Resources) -> None:
    """ReplicaCountTransformer.go."""
    for replica in replicas:
        _set_replicas(replica, resources)


def _set_replicas(replica: Replica, resources: Resources) -> None:
    def put(container: Any, key: Any) -> None:
        _demand_scalar(container, key)
        container[key] = replica.count

    found = False
    for resource in resources:
        kinds = {each.gvk.kind for each in resource.all_ids if each.name == replica.name}
        for spec in REPLICAS:
            if spec.kind in kinds:
                found = True
                visit(resource, spec, put, int)
    if not found:
        raise Problem(f"replicas names {replica.name}, but no workload with replicas is called so")


# --- images ---------------------------------------------------------------------------------------------------


def set_images(images: Sequence[Image], resources: Resources) -> None:
    """ImageTagTransformer.go: all lists called containers or initContainers, and then the known fields."""
    for image in images:
        _set_image(image, resources)


def _set_image(image: Image, resources: Resources) -> None:
    # The name is an expression, too: kustomize builds one of it and of what may follow a name.
    matches = _reference(pattern(image.name).pattern)

    def put(container: Any, key: Any) -> None:
        if not is_scalar(container[key]):
            raise Problem("an image is a mapping or a list where a text must be")
        text = text_of(container[key])
        if matches.fullmatch(text):
            container[key] = replaced(container[key], with_image(text, image))

    for resource in resources:
        if resource.kind != _CRD:
            _walk(resource.obj, put)
            for spec, parts in _IMAGE_FIELDS:
                if leads_somewhere(resource.obj, parts):
                    visit(resource, spec, put)


@lru_cache(maxsize=256)
def _reference(name: str) -> re.Pattern[str]:
    return re.compile(name + _TAG_AND_DIGEST, re.ASCII)


def _walk(value: Any, put: Setter) -> None:
    if isinstance(value, dict):
        for key, item in value.items():
            if isinstance(item, dict | list):
                _walk(item, put)
                if key in ("containers", "initContainers") and isinstance(item, list):
                    _set_containers(item, put)
    elif isinstance(value, list):
        for item in value:
            _walk(item, put)


def _set_containers(containers: list[Any], put: Setter) -> None:
    for container in containers:
        if not isinstance(container, dict):
            raise Problem("a container is no mapping")
        if "image" in container:
            put(container, "image")
