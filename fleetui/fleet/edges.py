"""Which object comes from which: the edges of a resource tree, beside owner references and tracking ids.

Owns: the kinds that grow from others, what an object lists as its own, and what an object says it came from. Called by
`fleetui.fleet.tree`, `fleetui.fleet.trees` (what must be watched) and `fleetui.fleet.store` (its index). Pure; a field
of an odd type is as good as none.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from functools import cache
from typing import Any

from fleetui.engine.application import mapping, mappings, text
from fleetui.model.objects import Obj, ObjectRef, StoredObject, inventory_ref, split_api_version

GroupKind = tuple[str, str]

POD: GroupKind = ("", "Pod")
SERVICE: GroupKind = ("", "Service")
REPLICA_SET: GroupKind = ("apps", "ReplicaSet")
STATEFUL_SET: GroupKind = ("apps", "StatefulSet")
ENDPOINT_SLICE: GroupKind = ("discovery.k8s.io", "EndpointSlice")
APPLICATION: GroupKind = ("argoproj.io", "Application")
KUSTOMIZATION: GroupKind = ("kustomize.toolkit.fluxcd.io", "Kustomization")
HELM_RELEASE: GroupKind = ("helm.toolkit.fluxcd.io", "HelmRelease")
CLAIM: GroupKind = ("", "PersistentVolumeClaim")
SOURCES = "source.toolkit.fluxcd.io"
_IMAGES = "image.toolkit.fluxcd.io"
_CAPI = "cluster.x-k8s.io"
_CERTIFICATES = "cert-manager.io"
_PACKAGES = "pkg.crossplane.io"

GROWS: dict[GroupKind, tuple[GroupKind, ...]] = {
    ("apps", "Deployment"): (REPLICA_SET,),
    REPLICA_SET: (POD,),
    STATEFUL_SET: (POD, CLAIM),
    ("apps", "DaemonSet"): (POD,),
    ("", "ReplicationController"): (POD,),
    ("batch", "CronJob"): (("batch", "Job"),),
    ("batch", "Job"): (POD,),
    SERVICE: (ENDPOINT_SLICE,),
    ("argoproj.io", "ApplicationSet"): (APPLICATION,),
    ("argoproj.io", "Rollout"): (REPLICA_SET, ("argoproj.io", "AnalysisRun"), ("argoproj.io", "Experiment")),
    ("argoproj.io", "Experiment"): (REPLICA_SET, ("argoproj.io", "AnalysisRun")),
    ("argoproj.io", "CronWorkflow"): (("argoproj.io", "Workflow"),),
    ("argoproj.io", "Workflow"): (POD,),
    HELM_RELEASE: ((SOURCES, "HelmChart"),),
    (_CERTIFICATES, "Certificate"): ((_CERTIFICATES, "CertificateRequest"),),
    (_CERTIFICATES, "CertificateRequest"): (("acme.cert-manager.io", "Order"),),
    ("acme.cert-manager.io", "Order"): (("acme.cert-manager.io", "Challenge"),),
    (_PACKAGES, "Provider"): ((_PACKAGES, "ProviderRevision"),),
    (_PACKAGES, "Configuration"): ((_PACKAGES, "ConfigurationRevision"),),
    (_PACKAGES, "Function"): ((_PACKAGES, "FunctionRevision"),),
    ("serving.knative.dev", "Service"): (("serving.knative.dev", "Configuration"), ("serving.knative.dev", "Route")),
    ("serving.knative.dev", "Configuration"): (("serving.knative.dev", "Revision"),),
    ("serving.knative.dev", "Revision"): (("apps", "Deployment"),),
    ("keda.sh", "ScaledObject"): (("autoscaling", "HorizontalPodAutoscaler"),),
    ("keda.sh", "ScaledJob"): (("batch", "Job"),),
    (_CAPI, "Cluster"): ((_CAPI, "MachineDeployment"), (_CAPI, "MachinePool")),
    (_CAPI, "MachineDeployment"): ((_CAPI, "MachineSet"),),
    (_CAPI, "MachineSet"): ((_CAPI, "Machine"),),
}
"""The kinds whose objects name one of the key's kind as their owner, or say otherwise that they come from it."""


def child_kinds(kinds: Iterable[GroupKind]) -> frozenset[GroupKind]:
    """The kinds that grow, at any depth, from objects of `kinds`."""
    found: set[GroupKind] = set()
    open_kinds = list(kinds)
    while open_kinds:
        for child in GROWS.get(open_kinds.pop(), ()):
            if child not in found:
                found.add(child)
                open_kinds.append(child)
    return frozenset(found)


# --- how references are written -------------------------------------------------------------------------------------


def typed_ref(reference: Mapping[str, Any], inside: str, *, group: str = "") -> ObjectRef:
    """What a reference by apiVersion, kind and name names; without a namespace it is `inside`, without an apiVersion of
    `group`. What is not said is empty."""
    version = text(reference.get("apiVersion"))
    return ObjectRef(
        split_api_version(version)[0] if version else group,
        text(reference.get("kind")),
        text(reference.get("namespace")) or inside,
        text(reference.get("name")),
    )


def source_ref(reference: Mapping[str, Any], inside: str) -> ObjectRef:
    """What a Flux object's `sourceRef` or `chartRef` names."""
    return typed_ref(reference, inside, group=SOURCES)


def chart_of(release: Mapping[str, Any]) -> ObjectRef:
    """The HelmChart that Flux made for a HelmRelease, ``namespace/name`` in its status; without a name where there is
    none."""
    namespace, _, name = text(mapping(release.get("status")).get("helmChart")).partition("/")
    return ObjectRef(SOURCES, "HelmChart", namespace, name)


def composed_of(spec: Mapping[str, Any]) -> list[tuple[str, Mapping[str, Any]]]:
    """The references of a Crossplane composite to what it is composed of, each with its field; v1 has them in the spec
    itself, v2 in ``spec.crossplane``."""
    fields = (("spec.crossplane.resourceRefs", mapping(spec.get("crossplane"))), ("spec.resourceRefs", spec))
    return [(field, reference) for field, owner in fields for reference in mappings(owner.get("resourceRefs"))]


# --- what an object lists -------------------------------------------------------------------------------------------


@cache
def may_list(kind: GroupKind) -> bool:
    """Whether objects of `kind` may list others at all: Kubernetes' own kinds don't."""
    group = kind[0]
    return "." in group and not group.endswith(".k8s.io")


def listed(obj: Obj) -> tuple[ObjectRef, ...]:
    """The objects that a decoded one lists as its own, in its own cluster or in that which it names.

    The inventory of a Kustomization (flux kustomize-controller v1, api/v1/inventory_types.go) or a HelmRelease, and its
    chart; a Crossplane claim's composite, and a composite's resources (crossplane v1 and v2, spec.resourceRefs and
    spec.crossplane.resourceRefs). Argo CD's Applications are not read here: their dialect does that.
    """
    group, _ = split_api_version(text(obj.get("apiVersion")))
    kind = (group, text(obj.get("kind")))
    if kind in (KUSTOMIZATION, HELM_RELEASE):
        status = mapping(obj.get("status"))
        entries = mappings(mapping(status.get("inventory")).get("entries"))
        refs = [ref for entry in entries if (ref := inventory_ref(text(entry.get("id")))) is not None]
        chart = chart_of(obj)
        return (*refs, chart) if chart.name else tuple(refs)
    return tuple(_composed(obj)) if may_list(kind) else ()


def _composed(obj: Obj) -> Iterable[ObjectRef]:
    spec = mapping(obj.get("spec"))
    inside = text(mapping(obj.get("metadata")).get("namespace"))
    yield from (typed_ref(reference, inside) for _, reference in composed_of(spec) if _is_whole(reference))
    claimed = mapping(spec.get("resourceRef"))
    if _is_whole(claimed):
        # A composite has its claim's group, and no namespace (crossplane v2.1, internal/xcrd/crd.go). Kinds of others
        # have such a field for what is not theirs.
        composite = typed_ref(claimed, "")
        if composite.group == split_api_version(text(obj.get("apiVersion")))[0]:
            yield composite


def _is_whole(reference: Mapping[str, Any]) -> bool:
    return all(text(reference.get(field)) for field in ("apiVersion", "kind", "name"))


def elsewhere(obj: Obj) -> str:
    """The Secret whose kubeconfig leads to the cluster where a Flux object's inventory is; empty: its own cluster."""
    config = mapping(mapping(obj.get("spec")).get("kubeConfig"))
    return text(mapping(config.get("secretRef")).get("name")) or text(mapping(config.get("configMapRef")).get("name"))


_ORIGINS = frozenset(
    {STATEFUL_SET, SERVICE, KUSTOMIZATION, HELM_RELEASE, ("", "ServiceAccount"), (_CERTIFICATES, "Certificate")}
)


@cache
def may_be_named(kind: GroupKind) -> bool:
    """Whether an object may say that it came from one of `kind`, otherwise than by an owner reference."""
    return kind in _ORIGINS or kind[0] in {SOURCES, _IMAGES}


# --- what an object came from ---------------------------------------------------------------------------------------

_APPLIERS = tuple((kind, f"{kind[0]}/name", f"{kind[0]}/namespace") for kind in (KUSTOMIZATION, HELM_RELEASE))
_SERVICE_NAME = "kubernetes.io/service-name"
_SERVICE_ACCOUNT = "kubernetes.io/service-account.name"
_CERTIFICATE = "cert-manager.io/certificate-name"


def applied_by(labels: Mapping[str, Any]) -> list[ObjectRef]:
    """The Kustomization or HelmRelease that applied an object, by the labels that Flux writes on it."""
    found = []
    for applier, name_label, namespace_label in _APPLIERS:
        name, namespace = text(labels.get(name_label)), text(labels.get(namespace_label))
        if name and namespace:
            found.append(ObjectRef(*applier, namespace, name))
    return found


def came_from(stored: StoredObject) -> tuple[ObjectRef, ...]:
    """What an object says it came from, otherwise than by an owner reference or a tracking id; in its own cluster.

    By the labels that Flux writes on all that it applies (name and namespace of the Kustomization or HelmRelease), by
    the source that a Flux object reads, and by the rules for objects without owners of Argo CD (v3.6.1,
    gitops-engine/pkg/cache/references.go): a token Secret from its ServiceAccount, a claim from its StatefulSet.
    """
    found = applied_by(stored.meta.labels) if stored.meta.labels else []
    rule = _CAME_FROM.get(stored.ref.group_kind)
    if rule is not None:
        found += rule(stored)
    return tuple(found)


def _of_statefulset(claim: StoredObject) -> Iterable[ObjectRef]:
    """Every StatefulSet that a claim's name may have been made by: ``<template>-<set>-<ordinal>``."""
    base, dash, ordinal = claim.ref.name.rpartition("-")
    if dash and ordinal.isdecimal():
        parts = base.split("-")
        for cut in range(1, len(parts)):
            yield ObjectRef(*STATEFUL_SET, claim.ref.namespace, "-".join(parts[cut:]))


def _of_secret(secret: StoredObject) -> Iterable[ObjectRef]:
    annotations = secret.meta.annotations or {}
    namespace = secret.ref.namespace
    if name := annotations.get(_SERVICE_ACCOUNT):
        yield ObjectRef("", "ServiceAccount", namespace, name)
    if name := annotations.get(_CERTIFICATE):
        yield ObjectRef(_CERTIFICATES, "Certificate", namespace, name)


def _of_slice(endpoints: StoredObject) -> Iterable[ObjectRef]:
    if name := (endpoints.meta.labels or {}).get(_SERVICE_NAME):
        yield ObjectRef(*SERVICE, endpoints.ref.namespace, name)


def _of_source(*paths: tuple[str, ...]) -> Callable[[StoredObject], Iterable[ObjectRef]]:
    def rule(stored: StoredObject) -> Iterable[ObjectRef]:
        spec = _spec_of(stored)
        for path in paths:
            reference = spec
            for part in path:
                reference = mapping(reference.get(part))
            source = source_ref(reference, stored.ref.namespace)
            if source.name:
                yield source

    return rule


def _of_repository(policy: StoredObject) -> Iterable[ObjectRef]:
    repository = typed_ref(mapping(_spec_of(policy).get("imageRepositoryRef")), policy.ref.namespace, group=_IMAGES)
    if repository.name:
        yield ObjectRef(_IMAGES, "ImageRepository", repository.namespace, repository.name)


def _spec_of(stored: StoredObject) -> Mapping[str, Any]:
    """What an object is to be; nothing where it is nested too deeply to be read."""
    try:
        return mapping(stored.decode().get("spec"))
    except RecursionError:
        return {}


_CAME_FROM: dict[GroupKind, Callable[[StoredObject], Iterable[ObjectRef]]] = {
    CLAIM: _of_statefulset,
    ("", "Secret"): _of_secret,
    ENDPOINT_SLICE: _of_slice,
    KUSTOMIZATION: _of_source(("sourceRef",)),
    HELM_RELEASE: _of_source(("chartRef",), ("chart", "spec", "sourceRef")),
    (_IMAGES, "ImageUpdateAutomation"): _of_source(("sourceRef",)),
    (_IMAGES, "ImagePolicy"): _of_repository,
}


def is_from(child: ObjectRef, parent: ObjectRef, templates: tuple[str, ...]) -> bool:
    """Whether what `came_from` supposed is so, as far as it takes the parent to know: a claim is of a StatefulSet only
    where that has such a template."""
    if parent.group_kind != STATEFUL_SET or child.group_kind != CLAIM:
        return True
    return any(child.name.startswith(f"{template}-{parent.name}-") for template in templates)
