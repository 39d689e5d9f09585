"""Which other objects an object needs before it can be what it is meant to be.

Owns: `Need`, `waits_for` and its table of kinds, `named_in`. A rule says what is named where; whether that is there and
well is found out by `fleetui.fleet.walk`, which calls this. Pure; a field of an odd type is as good as none. Fields are
those of Kubernetes 1.37, Flux 2.7, Crossplane 1.20 and 2.1, cert-manager 1.19, External Secrets 1.3.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping
from typing import Any, NamedTuple

from fleetui.engine.application import mapping, mappings, text
from fleetui.fleet.causes import LONGEST
from fleetui.fleet.edges import (
    ENDPOINT_SLICE,
    HELM_RELEASE,
    KUSTOMIZATION,
    POD,
    SERVICE,
    SOURCES,
    chart_of,
    composed_of,
    source_ref,
    typed_ref,
)
from fleetui.model.objects import ObjectRef, ref_of

Section = Mapping[str, Any]

ANY_GROUP = "*"
"""The group of a kind that a message names without one."""
DEPENDS_ON = "spec.dependsOn"

_CERTIFICATES = "cert-manager.io"
_ACME = "acme.cert-manager.io"
_GATEWAY = "gateway.networking.k8s.io"


class Need(NamedTuple):
    """An object that another one needs.

    `field` is where it is named, or ``its message``. With `grown` the name is empty, and those objects of the kind are
    meant that name the other one as their owner; with `latest` the newest of them alone.
    """

    ref: ObjectRef
    field: str
    grown: bool = False
    latest: bool = False


def waits_for(obj: Section) -> tuple[Need, ...]:
    """What a decoded object names that it can't do without, the likeliest to be missed first; nothing twice."""
    ref = ref_of(obj)
    rule = _RULES.get(ref.group_kind, _composed)
    found = [*rule(obj, ref.namespace)]
    for condition in mappings(_status(obj).get("conditions")):
        if condition.get("status") != "True":
            found += named_in(text(condition.get("message")), ref.namespace)
    unique: dict[ObjectRef, Need] = {}
    for need in found:
        if need.ref.kind and (need.ref.name or need.grown) and need.ref != ref:
            unique.setdefault(need.ref, need)
    return tuple(unique.values())


def named_in(message: str, namespace: str = "") -> tuple[Need, ...]:
    """The objects that a message says to wait for.

    Texts: apiserver's NamespaceLifecycle plugin and webhook client, Flux's health checks (fluxcd/pkg/ssa).
    """
    message, found = message[:LONGEST], list[Need]()
    if ended := re.search(r"in namespace (\S+) because it is being terminated", message):
        found.append(Need(ObjectRef("", "Namespace", "", ended[1]), "its message"))
    if "failed calling webhook" in message:
        found += [
            Need(ObjectRef("", "Service", one[2], one[1]), "its message")
            for one in re.finditer(r"https://([\w-]+)\.([\w-]+)\.svc\b", message)
        ]
    if listed := re.search(r"(?:timeout waiting for|stalled resources): \[(.+)\]", message):
        for kind, _, inside, name in re.findall(r"\b(\w+)/(([\w.-]+)/)?([\w.-]+) status:", listed[1]):
            found.append(Need(ObjectRef(ANY_GROUP, kind, inside or namespace, name), "its message"))
    return tuple(found)


# --- Kubernetes -----------------------------------------------------------------------------------------------------

_IS_THERE = re.compile(r"not found|manifest unknown|no such host|timeout", re.IGNORECASE)
"""Of an image that can't be pulled, that the registry was reached, or can't be: no login would help."""


def _pod(obj: Section, namespace: str) -> Iterator[Need]:
    """What a Pod names, as far as it can still wait for it: nothing once its containers have run."""
    spec, status = _spec(obj), _status(obj)
    waiting = [
        mapping(mapping(each.get("state")).get("waiting"))
        for key in ("initContainerStatuses", "containerStatuses")
        for each in mappings(status.get(key))
    ]
    reasons = {text(each.get("reason")) for each in waiting}
    said = " ".join(text(each.get("message")) for each in waiting)
    if reasons & {"ErrImagePull", "ImagePullBackOff"}:
        if not _IS_THERE.search(said):
            yield from _named("Secret", namespace, "spec.imagePullSecrets", mappings(spec.get("imagePullSecrets")))
        return
    if text(status.get("phase")) != "Pending" and "CreateContainerConfigError" not in reasons:
        return
    yield from _volumes(spec, namespace, claims=_may_miss_a_volume(status))
    for container in (*mappings(spec.get("initContainers")), *mappings(spec.get("containers"))):
        yield from _environment(container, namespace)
    if account := text(spec.get("serviceAccountName")):
        yield _core("ServiceAccount", namespace, account, "spec.serviceAccountName")


def _may_miss_a_volume(status: Section) -> bool:
    """Whether a Pending Pod may wait for a claim. One that no node has room for does not: its claims then wait for it
    (a storage class that binds on the first consumer)."""
    for condition in mappings(status.get("conditions")):
        if condition.get("type") == "PodScheduled" and condition.get("status") == "False":
            said = text(condition.get("message")).lower()
            return not said or "volume" in said
    return True


def _volumes(spec: Section, namespace: str, *, claims: bool) -> Iterator[Need]:
    for volume in mappings(spec.get("volumes")):
        projected = mappings(mapping(volume.get("projected")).get("sources"))
        for source in (volume, *projected):
            settings, secret = mapping(source.get("configMap")), mapping(source.get("secret"))
            if settings.get("optional") is not True:
                yield _core("ConfigMap", namespace, text(settings.get("name")), "spec.volumes")
            if secret.get("optional") is not True:
                yield _core("Secret", namespace, text(secret.get("secretName") or secret.get("name")), "spec.volumes")
        if claims:
            claim = text(mapping(volume.get("persistentVolumeClaim")).get("claimName"))
            yield _core("PersistentVolumeClaim", namespace, claim, "spec.volumes")


def _environment(container: Section, namespace: str) -> Iterator[Need]:
    named = [(each, "configMapRef", "secretRef", "envFrom") for each in mappings(container.get("envFrom"))]
    values = [mapping(each.get("valueFrom")) for each in mappings(container.get("env"))]
    named += [(each, "configMapKeyRef", "secretKeyRef", "env") for each in values]
    for source, settings, secret, field in named:
        for kind, key in (("ConfigMap", settings), ("Secret", secret)):
            reference = mapping(source.get(key))
            if reference.get("optional") is not True:
                yield _core(kind, namespace, text(reference.get("name")), f"spec.containers.{field}")


def _claim(obj: Section, namespace: str) -> Iterator[Need]:
    if _status(obj).get("phase") != "Bound":
        name = text(_spec(obj).get("storageClassName"))
        yield Need(ObjectRef("storage.k8s.io", "StorageClass", "", name), "spec.storageClassName")
        yield Need(ObjectRef("", "PersistentVolume", "", text(_spec(obj).get("volumeName"))), "spec.volumeName")


def _service(obj: Section, namespace: str) -> Iterator[Need]:
    if mapping(_spec(obj).get("selector")):
        yield _grown(*ENDPOINT_SLICE, namespace)


def _ingress(obj: Section, namespace: str) -> Iterator[Need]:
    spec = _spec(obj)
    name = text(spec.get("ingressClassName"))
    yield Need(ObjectRef("networking.k8s.io", "IngressClass", "", name), "spec.ingressClassName")
    paths = [path for rule in mappings(spec.get("rules")) for path in mappings(mapping(rule.get("http")).get("paths"))]
    backends = [mapping(spec.get("defaultBackend")), *(mapping(path.get("backend")) for path in paths)]
    services = [mapping(backend.get("service")) for backend in backends]
    yield from _named("Service", namespace, "spec.rules", services)
    yield from _named("Secret", namespace, "spec.tls", mappings(spec.get("tls")), key="secretName")


def _autoscaler(obj: Section, namespace: str) -> Iterator[Need]:
    target = mapping(_spec(obj).get("scaleTargetRef"))
    yield Need(typed_ref(target, namespace, group="apps"), "spec.scaleTargetRef")


def _api_service(obj: Section, namespace: str) -> Iterator[Need]:
    service = mapping(_spec(obj).get("service"))
    yield _core("Service", text(service.get("namespace")), text(service.get("name")), "spec.service")


def _route(obj: Section, namespace: str) -> Iterator[Need]:
    spec = _spec(obj)
    for parent in mappings(spec.get("parentRefs")):
        if text(parent.get("kind")) in ("", "Gateway"):
            inside = text(parent.get("namespace")) or namespace
            yield Need(ObjectRef(_GATEWAY, "Gateway", inside, text(parent.get("name"))), "spec.parentRefs")
    for rule in mappings(spec.get("rules")):
        for backend in mappings(rule.get("backendRefs")):
            if text(backend.get("kind")) in ("", "Service"):
                inside = text(backend.get("namespace")) or namespace
                yield _core("Service", inside, text(backend.get("name")), "spec.rules.backendRefs")


def _gateway(obj: Section, namespace: str) -> Iterator[Need]:
    name = text(_spec(obj).get("gatewayClassName"))
    yield Need(ObjectRef(_GATEWAY, "GatewayClass", "", name), "spec.gatewayClassName")


# --- Flux -----------------------------------------------------------------------------------------------------------


def _kustomization(obj: Section, namespace: str) -> Iterator[Need]:
    spec = _spec(obj)
    yield from _depends_on(spec, ref_of(obj))
    yield Need(source_ref(mapping(spec.get("sourceRef")), namespace), "spec.sourceRef")
    for settings in mappings(mapping(spec.get("postBuild")).get("substituteFrom")):
        if settings.get("optional") is not True:
            yield _core(text(settings.get("kind")), namespace, text(settings.get("name")), "spec.postBuild")
    yield _secret(mapping(spec.get("decryption")), namespace, "spec.decryption.secretRef")
    yield _secret(mapping(spec.get("kubeConfig")), namespace, "spec.kubeConfig.secretRef")


def _helm_release(obj: Section, namespace: str) -> Iterator[Need]:
    spec = _spec(obj)
    yield from _depends_on(spec, ref_of(obj))
    yield Need(source_ref(mapping(spec.get("chartRef")), namespace), "spec.chartRef")
    yield Need(chart_of(obj), "status.helmChart")
    template = mapping(mapping(spec.get("chart")).get("spec"))
    yield Need(source_ref(mapping(template.get("sourceRef")), namespace), "spec.chart.spec.sourceRef")
    for values in mappings(spec.get("valuesFrom")):
        if values.get("optional") is not True:
            yield _core(text(values.get("kind")), namespace, text(values.get("name")), "spec.valuesFrom")
    yield _secret(mapping(spec.get("kubeConfig")), namespace, "spec.kubeConfig.secretRef")


def _fetched(obj: Section, namespace: str) -> Iterator[Need]:
    """What a source of Flux is fetched with, or made from."""
    spec = _spec(obj)
    yield Need(source_ref(mapping(spec.get("sourceRef")), namespace), "spec.sourceRef")
    yield _secret(spec, namespace, "spec.secretRef")
    yield _secret(spec, namespace, "spec.certSecretRef", key="certSecretRef")


def _resource_set(obj: Section, namespace: str) -> Iterator[Need]:
    for each in mappings(_spec(obj).get("dependsOn")):
        yield Need(typed_ref(each, namespace), DEPENDS_ON)


def _depends_on(spec: Section, ref: ObjectRef) -> Iterator[Need]:
    for each in mappings(spec.get("dependsOn")):
        inside = text(each.get("namespace")) or ref.namespace
        yield Need(ObjectRef(ref.group, ref.kind, inside, text(each.get("name"))), DEPENDS_ON)


# --- Crossplane -----------------------------------------------------------------------------------------------------


def _composed(obj: Section, namespace: str) -> Iterator[Need]:
    """A claim names its composite, a composite what it is composed of; these kinds are anybody's, so the fields tell
    them."""
    spec = _spec(obj)
    if not ref_of(obj).group:
        return
    yield Need(typed_ref(mapping(spec.get("resourceRef")), namespace), "spec.resourceRef")
    for field, reference in composed_of(spec):
        yield Need(typed_ref(reference, namespace), field)


def _package(obj: Section, namespace: str) -> Iterator[Need]:
    name, ref = text(_status(obj).get("currentRevision")), ref_of(obj)
    yield Need(ObjectRef(ref.group, f"{ref.kind}Revision", "", name), "status.currentRevision")


# --- cert-manager, External Secrets, Keda ---------------------------------------------------------------------------


def _certificate(obj: Section, namespace: str) -> Iterator[Need]:
    yield _issuer(obj, namespace)
    yield _grown(_CERTIFICATES, "CertificateRequest", namespace)._replace(latest=True)


def _certificate_request(obj: Section, namespace: str) -> Iterator[Need]:
    yield _issuer(obj, namespace)
    yield _grown(_ACME, "Order", namespace)


def _order(obj: Section, namespace: str) -> Iterator[Need]:
    yield _grown(_ACME, "Challenge", namespace)


def _issuer(obj: Section, namespace: str) -> Need:
    reference = mapping(_spec(obj).get("issuerRef"))
    group, kind = text(reference.get("group")) or _CERTIFICATES, text(reference.get("kind")) or "Issuer"
    inside = "" if kind.startswith("Cluster") else namespace
    return Need(ObjectRef(group, kind, inside, text(reference.get("name"))), "spec.issuerRef")


def _external_secret(obj: Section, namespace: str) -> Iterator[Need]:
    reference = mapping(_spec(obj).get("secretStoreRef"))
    kind = text(reference.get("kind")) or "SecretStore"
    inside = "" if kind.startswith("Cluster") else namespace
    yield Need(ObjectRef("external-secrets.io", kind, inside, text(reference.get("name"))), "spec.secretStoreRef")


_RULES: dict[tuple[str, str], Callable[[Section, str], Iterator[Need]]] = {
    POD: _pod,
    ("", "PersistentVolumeClaim"): _claim,
    SERVICE: _service,
    ("networking.k8s.io", "Ingress"): _ingress,
    ("autoscaling", "HorizontalPodAutoscaler"): _autoscaler,
    ("apiregistration.k8s.io", "APIService"): _api_service,
    (_GATEWAY, "HTTPRoute"): _route,
    (_GATEWAY, "GRPCRoute"): _route,
    (_GATEWAY, "Gateway"): _gateway,
    KUSTOMIZATION: _kustomization,
    HELM_RELEASE: _helm_release,
    **{(SOURCES, kind): _fetched for kind in ("GitRepository", "OCIRepository", "HelmRepository", "Bucket")},
    (SOURCES, "HelmChart"): _fetched,
    ("fluxcd.controlplane.io", "ResourceSet"): _resource_set,
    **{("pkg.crossplane.io", kind): _package for kind in ("Provider", "Configuration", "Function")},
    (_CERTIFICATES, "Certificate"): _certificate,
    (_CERTIFICATES, "CertificateRequest"): _certificate_request,
    (_ACME, "Order"): _order,
    ("external-secrets.io", "ExternalSecret"): _external_secret,
    ("keda.sh", "ScaledObject"): _autoscaler,
}


def _core(kind: str, namespace: str, name: str, field: str) -> Need:
    return Need(ObjectRef("", kind, namespace, name), field)


def _named(kind: str, namespace: str, field: str, entries: list[Section], *, key: str = "name") -> Iterator[Need]:
    for entry in entries:
        yield _core(kind, namespace, text(entry.get(key)), field)


def _secret(owner: Section, namespace: str, field: str, *, key: str = "secretRef") -> Need:
    return _core("Secret", namespace, text(mapping(owner.get(key)).get("name")), field)


def _grown(group: str, kind: str, namespace: str) -> Need:
    return Need(ObjectRef(group, kind, namespace, ""), "ownerReferences", grown=True)


def _spec(obj: Section) -> Section:
    return mapping(obj.get("spec"))


def _status(obj: Section) -> Section:
    return mapping(obj.get("status"))
