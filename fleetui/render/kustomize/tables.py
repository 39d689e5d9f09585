"""What kustomize knows of Kubernetes: fields, kinds, merge keys.

Owns: the built-in field specifications, the name references, which kinds have no namespace, which lists are merged by
which keys, and the order of kinds. All of kustomize 5.8.2 (api/internal/konfig/builtinpluginconsts and kyaml/openapi of
0.21.2); `tables.json` holds the large ones as they come out of its OpenAPI document, cut to what merging needs.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import cache
from importlib import resources
from typing import NamedTuple

import msgspec


class FieldSpec(NamedTuple):
    """A field of the kinds that it names; empty group, version and kind stand for all."""

    path: str
    group: str = ""
    version: str = ""
    kind: str = ""
    create: bool = False

    def same_field(self, other: FieldSpec) -> bool:
        """`effectivelyEquals` of types/fieldspec.go."""
        return (
            self.path == other.path
            and other.group in ("", self.group)
            and other.version in ("", self.version)
            and other.kind in ("", self.kind)
        )


class Reference(NamedTuple):
    """The fields that hold names of objects of one kind."""

    group: str
    version: str
    kind: str
    referrers: Sequence[FieldSpec]


class Type(msgspec.Struct, frozen=True):
    """Of a type of Kubernetes' OpenAPI document what a strategic merge needs; the numbers count `Tables.types`.

    `keys` is there for lists that are merged, and empty for those of scalars.
    """

    fields: dict[str, int] = {}
    items: int | None = None
    values: int | None = None
    keys: tuple[str, ...] | None = None


class _Referrers(msgspec.Struct, frozen=True):
    target: tuple[str, str, str]
    referrers: list[tuple[str, str, str, str]]


class _File(msgspec.Struct, frozen=True):
    cluster_scoped: frozenset[str]
    references: list[_Referrers]
    roots: dict[str, int]
    types: list[Type]


class Tables(NamedTuple):
    """The large tables; kinds are named ``apiVersion|kind``."""

    cluster_scoped: frozenset[str]
    references: Sequence[Reference]
    roots: dict[str, int]
    types: Sequence[Type]


@cache
def tables() -> Tables:
    """The large tables, read once."""
    raw = resources.files(__package__).joinpath("tables.json").read_bytes()
    file = msgspec.json.decode(raw, type=_File)
    references = [
        Reference(
            *entry.target, [FieldSpec(path, group, version, kind) for group, version, kind, path in entry.referrers]
        )
        for entry in file.references
    ]
    return Tables(file.cluster_scoped, references, file.roots, file.types)


_METADATA_LABELS = (
    FieldSpec("metadata/labels", create=True),
    FieldSpec("spec/template/metadata/labels", version="v1", kind="ReplicationController", create=True),
    FieldSpec("spec/template/metadata/labels", kind="Deployment", create=True),
    FieldSpec("spec/template/metadata/labels", kind="ReplicaSet", create=True),
    FieldSpec("spec/template/metadata/labels", kind="DaemonSet", create=True),
    FieldSpec("spec/template/metadata/labels", group="apps", kind="StatefulSet", create=True),
    FieldSpec("spec/template/metadata/labels", group="batch", kind="Job", create=True),
    FieldSpec("spec/jobTemplate/metadata/labels", group="batch", kind="CronJob", create=True),
    FieldSpec("spec/jobTemplate/spec/template/metadata/labels", group="batch", kind="CronJob", create=True),
)
TEMPLATE_LABELS = _METADATA_LABELS
VOLUME_CLAIM_LABELS = (
    FieldSpec("spec/volumeClaimTemplates[]/metadata/labels", group="apps", kind="StatefulSet", create=True),
)

_TERMS = (
    "affinity/podAffinity/preferredDuringSchedulingIgnoredDuringExecution/podAffinityTerm",
    "affinity/podAffinity/requiredDuringSchedulingIgnoredDuringExecution",
    "affinity/podAntiAffinity/preferredDuringSchedulingIgnoredDuringExecution/podAffinityTerm",
    "affinity/podAntiAffinity/requiredDuringSchedulingIgnoredDuringExecution",
    "topologySpreadConstraints",
)
COMMON_LABELS = (
    FieldSpec("spec/selector", version="v1", kind="Service", create=True),
    FieldSpec("spec/selector", version="v1", kind="ReplicationController", create=True),
    FieldSpec("spec/selector/matchLabels", kind="Deployment", create=True),
    FieldSpec("spec/selector/matchLabels", kind="ReplicaSet", create=True),
    FieldSpec("spec/selector/matchLabels", kind="DaemonSet", create=True),
    FieldSpec("spec/selector/matchLabels", group="apps", kind="StatefulSet", create=True),
    *(
        FieldSpec(f"spec/template/spec/{term}/labelSelector/matchLabels", group="apps", kind=kind)
        for kind in ("Deployment", "StatefulSet")
        for term in _TERMS
    ),
    FieldSpec("spec/selector/matchLabels", group="batch", kind="Job"),
    FieldSpec("spec/jobTemplate/spec/selector/matchLabels", group="batch", kind="CronJob"),
    FieldSpec("spec/selector/matchLabels", group="policy", kind="PodDisruptionBudget"),
    FieldSpec("spec/podSelector/matchLabels", group="networking.k8s.io", kind="NetworkPolicy"),
    FieldSpec("spec/ingress/from/podSelector/matchLabels", group="networking.k8s.io", kind="NetworkPolicy"),
    FieldSpec("spec/egress/to/podSelector/matchLabels", group="networking.k8s.io", kind="NetworkPolicy"),
    *_METADATA_LABELS,
    *VOLUME_CLAIM_LABELS,
)
COMMON_ANNOTATIONS = (
    FieldSpec("metadata/annotations", create=True),
    FieldSpec("spec/template/metadata/annotations", version="v1", kind="ReplicationController", create=True),
    FieldSpec("spec/template/metadata/annotations", kind="Deployment", create=True),
    FieldSpec("spec/template/metadata/annotations", kind="ReplicaSet", create=True),
    FieldSpec("spec/template/metadata/annotations", kind="DaemonSet", create=True),
    FieldSpec("spec/template/metadata/annotations", kind="StatefulSet", create=True),
    FieldSpec("spec/template/metadata/annotations", group="batch", kind="Job", create=True),
    FieldSpec("spec/jobTemplate/metadata/annotations", group="batch", kind="CronJob", create=True),
    FieldSpec("spec/jobTemplate/spec/template/metadata/annotations", group="batch", kind="CronJob", create=True),
)
NAMESPACES = (
    FieldSpec("metadata/name", version="v1", kind="Namespace", create=True),
    FieldSpec("spec/service/namespace", group="apiregistration.k8s.io", kind="APIService", create=True),
    FieldSpec(
        "spec/conversion/webhook/clientConfig/service/namespace",
        group="apiextensions.k8s.io",
        kind="CustomResourceDefinition",
    ),
)
IMAGES = (
    FieldSpec("spec/containers[]/image", create=True),
    FieldSpec("spec/initContainers[]/image", create=True),
    FieldSpec("spec/volumes[]/image/reference", create=True),
    FieldSpec("spec/template/spec/containers[]/image", create=True),
    FieldSpec("spec/template/spec/initContainers[]/image", create=True),
    FieldSpec("spec/template/spec/volumes[]/image/reference", create=True),
    FieldSpec("spec/jobTemplate/spec/template/spec/volumes[]/image/reference", create=True),
)
REPLICAS = tuple(
    FieldSpec("spec/replicas", kind=kind, create=True)
    for kind in ("Deployment", "ReplicationController", "ReplicaSet", "StatefulSet")
)

ORDER_FIRST = (
    *("Namespace", "ResourceQuota", "StorageClass", "CustomResourceDefinition", "ServiceAccount", "PodSecurityPolicy"),
    *("Role", "ClusterRole", "RoleBinding", "ClusterRoleBinding", "ConfigMap", "Secret", "Endpoints", "Service"),
    *("LimitRange", "PriorityClass", "PersistentVolume", "PersistentVolumeClaim", "Deployment", "StatefulSet"),
    *("CronJob", "PodDisruptionBudget"),
)
ORDER_LAST = ("MutatingWebhookConfiguration", "ValidatingWebhookConfiguration")
