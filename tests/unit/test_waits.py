"""What an object needs: each kind as its controllers leave it, and the texts that name an object to wait for."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from fleetui.fleet.waits import named_in, waits_for
from fleetui.model.objects import ObjectRef

FLUX, SOURCES = "kustomize.toolkit.fluxcd.io/v1", "source.toolkit.fluxcd.io/v1"
PENDING = {"phase": "Pending"}


def obj(
    api_version: str, kind: str, *, spec: Any = None, status: Any = None, namespace: str = "shop"
) -> dict[str, Any]:
    metadata = {"name": "it", "namespace": namespace}
    return {"apiVersion": api_version, "kind": kind, "metadata": metadata, "spec": spec, "status": status}


def needs(what: dict[str, Any]) -> list[str]:
    """``Kind namespace/name by field`` of each need."""
    return [f"{need.ref} by {need.field.removeprefix('spec.')}" for need in waits_for(what)]


VOLUMES = [
    {"name": "c", "configMap": {"name": "settings"}},
    {"name": "o", "configMap": {"name": "extra", "optional": True}},
    {"name": "s", "secret": {"secretName": "tls"}},
    {"name": "p", "projected": {"sources": [{"secret": {"name": "token"}}, {"configMap": {"name": "ca"}}]}},
    {"name": "d", "persistentVolumeClaim": {"claimName": "data"}},
]
CONTAINER = {
    "name": "web",
    "envFrom": [{"secretRef": {"name": "db"}}, {"secretRef": {"name": "may-miss", "optional": True}}],
    "env": [
        {"name": "A", "valueFrom": {"configMapKeyRef": {"name": "flags", "key": "a"}}},
        {"name": "B", "value": "b"},
    ],
}
POD = {
    "volumes": VOLUMES,
    "containers": [CONTAINER],
    "serviceAccountName": "web",
    "imagePullSecrets": [{"name": "reg"}],
}


def waiting(reason: str, message: str = "") -> dict[str, Any]:
    state = {"waiting": {"reason": reason, "message": message}}
    return {"phase": "Pending", "containerStatuses": [{"name": "web", "state": state}]}


def unscheduled(message: str) -> dict[str, Any]:
    condition = {"type": "PodScheduled", "status": "False", "reason": "Unschedulable", "message": message}
    return {"phase": "Pending", "conditions": [condition]}


@pytest.mark.parametrize(
    ("what", "found"),
    [
        pytest.param(
            obj("v1", "Pod", spec=POD, status=PENDING),
            [
                "ConfigMap shop/settings by volumes",
                "Secret shop/tls by volumes",
                "Secret shop/token by volumes",
                "ConfigMap shop/ca by volumes",
                "PersistentVolumeClaim shop/data by volumes",
                "Secret shop/db by containers.envFrom",
                "ConfigMap shop/flags by containers.env",
                "ServiceAccount shop/web by serviceAccountName",
            ],
            id="pod-that-has-not-begun",
        ),
        pytest.param(obj("v1", "Pod", spec=POD, status={"phase": "Running"}), [], id="pod-that-runs"),
        pytest.param(
            obj("v1", "Pod", spec={"volumes": VOLUMES[4:]}, status=unscheduled("0/3 nodes are available: 3 x cpu.")),
            [],
            id="its-claim-waits-for-the-pod",
        ),
        pytest.param(
            obj(
                "v1",
                "Pod",
                spec={"volumes": VOLUMES[4:]},
                status=unscheduled("0/3 nodes are available: pod has unbound immediate PersistentVolumeClaims."),
            ),
            ["PersistentVolumeClaim shop/data by volumes"],
            id="the-pod-waits-for-its-claim",
        ),
        pytest.param(
            obj("v1", "Pod", spec=POD, status=waiting("ImagePullBackOff", "pull access denied")),
            ["Secret shop/reg by imagePullSecrets"],
            id="a-login-for-the-registry",
        ),
        pytest.param(
            obj("v1", "Pod", spec=POD, status=waiting("ErrImagePull", "manifest unknown")), [], id="no-such-image"
        ),
        pytest.param(
            obj("v1", "PersistentVolumeClaim", spec={"storageClassName": "fast"}, status=PENDING),
            ["storage.k8s.io/StorageClass fast by storageClassName"],
            id="claim",
        ),
        pytest.param(
            obj("v1", "PersistentVolumeClaim", spec={"storageClassName": "fast"}, status={"phase": "Bound"}),
            [],
            id="bound",
        ),
        pytest.param(
            obj("v1", "Service", spec={"selector": {"app": "web"}}),
            ["discovery.k8s.io/EndpointSlice shop/ by ownerReferences"],
            id="service",
        ),
        pytest.param(obj("v1", "Service", spec={"type": "ExternalName"}), [], id="service-without-pods"),
        pytest.param(
            obj(
                "networking.k8s.io/v1",
                "Ingress",
                spec={
                    "ingressClassName": "nginx",
                    "rules": [{"http": {"paths": [{"backend": {"service": {"name": "web"}}}]}}],
                    "tls": [{"secretName": "tls"}],
                },
            ),
            [
                "networking.k8s.io/IngressClass nginx by ingressClassName",
                "Service shop/web by rules",
                "Secret shop/tls by tls",
            ],
            id="ingress",
        ),
        pytest.param(
            obj(
                "autoscaling/v2",
                "HorizontalPodAutoscaler",
                spec={"scaleTargetRef": {"apiVersion": "apps/v1", "kind": "Deployment", "name": "web"}},
            ),
            ["apps/Deployment shop/web by scaleTargetRef"],
            id="autoscaler",
        ),
        pytest.param(
            obj(
                "apiregistration.k8s.io/v1",
                "APIService",
                namespace="",
                spec={"service": {"namespace": "kube-system", "name": "metrics-server"}},
            ),
            ["Service kube-system/metrics-server by service"],
            id="aggregated-api",
        ),
        pytest.param(
            obj(
                "gateway.networking.k8s.io/v1",
                "HTTPRoute",
                spec={
                    "parentRefs": [{"name": "edge", "namespace": "infra"}],
                    "rules": [{"backendRefs": [{"name": "web", "port": 80}]}],
                },
            ),
            ["gateway.networking.k8s.io/Gateway infra/edge by parentRefs", "Service shop/web by rules.backendRefs"],
            id="route",
        ),
        pytest.param(
            obj(
                FLUX,
                "Kustomization",
                spec={
                    "dependsOn": [{"name": "crds"}, {"name": "infra", "namespace": "flux-system"}],
                    "sourceRef": {"kind": "GitRepository", "name": "apps"},
                    "postBuild": {
                        "substituteFrom": [
                            {"kind": "ConfigMap", "name": "vars"},
                            {"kind": "Secret", "name": "may-miss", "optional": True},
                        ]
                    },
                    "decryption": {"provider": "sops", "secretRef": {"name": "age"}},
                    "kubeConfig": {"secretRef": {"name": "edge"}},
                },
            ),
            [
                "kustomize.toolkit.fluxcd.io/Kustomization shop/crds by dependsOn",
                "kustomize.toolkit.fluxcd.io/Kustomization flux-system/infra by dependsOn",
                "source.toolkit.fluxcd.io/GitRepository shop/apps by sourceRef",
                "ConfigMap shop/vars by postBuild",
                "Secret shop/age by decryption.secretRef",
                "Secret shop/edge by kubeConfig.secretRef",
            ],
            id="kustomization",
        ),
        pytest.param(
            obj(
                "helm.toolkit.fluxcd.io/v2",
                "HelmRelease",
                spec={
                    "dependsOn": [{"name": "cert-manager"}],
                    "chart": {"spec": {"chart": "web", "sourceRef": {"kind": "HelmRepository", "name": "charts"}}},
                    "valuesFrom": [{"kind": "Secret", "name": "values"}],
                },
                status={"helmChart": "flux-system/shop-it"},
            ),
            [
                "helm.toolkit.fluxcd.io/HelmRelease shop/cert-manager by dependsOn",
                "source.toolkit.fluxcd.io/HelmChart flux-system/shop-it by status.helmChart",
                "source.toolkit.fluxcd.io/HelmRepository shop/charts by chart.spec.sourceRef",
                "Secret shop/values by valuesFrom",
            ],
            id="helm-release",
        ),
        pytest.param(
            obj(
                "helm.toolkit.fluxcd.io/v2", "HelmRelease", spec={"chartRef": {"kind": "OCIRepository", "name": "web"}}
            ),
            ["source.toolkit.fluxcd.io/OCIRepository shop/web by chartRef"],
            id="helm-release-of-an-artifact",
        ),
        pytest.param(
            obj(SOURCES, "HelmChart", spec={"sourceRef": {"kind": "HelmRepository", "name": "charts"}}),
            ["source.toolkit.fluxcd.io/HelmRepository shop/charts by sourceRef"],
            id="helm-chart",
        ),
        pytest.param(
            obj(SOURCES, "GitRepository", spec={"secretRef": {"name": "git"}}),
            ["Secret shop/git by secretRef"],
            id="git-repository",
        ),
        pytest.param(
            obj(
                "acme.io/v1",
                "Database",
                spec={"resourceRef": {"apiVersion": "acme.io/v1", "kind": "XDatabase", "name": "it-x7k"}},
            ),
            ["acme.io/XDatabase shop/it-x7k by resourceRef"],
            id="claim-of-crossplane-v1",
        ),
        pytest.param(
            obj(
                "acme.io/v1",
                "XDatabase",
                namespace="",
                spec={"resourceRefs": [{"apiVersion": "rds.aws.upbound.io/v1beta1", "kind": "Instance", "name": "db"}]},
            ),
            ["rds.aws.upbound.io/Instance db by resourceRefs"],
            id="composite-of-crossplane-v1",
        ),
        pytest.param(
            obj(
                "acme.io/v1",
                "Database",
                spec={
                    "crossplane": {
                        "resourceRefs": [{"apiVersion": "rds.aws.m.upbound.io/v1", "kind": "I", "name": "d"}]
                    }
                },
            ),
            ["rds.aws.m.upbound.io/I shop/d by crossplane.resourceRefs"],
            id="composite-of-crossplane-v2",
        ),
        pytest.param(
            obj("pkg.crossplane.io/v1", "Provider", namespace="", status={"currentRevision": "aws-1a2b"}),
            ["pkg.crossplane.io/ProviderRevision aws-1a2b by status.currentRevision"],
            id="provider",
        ),
        pytest.param(
            obj("cert-manager.io/v1", "Certificate", spec={"issuerRef": {"kind": "ClusterIssuer", "name": "le"}}),
            [
                "cert-manager.io/ClusterIssuer le by issuerRef",
                "cert-manager.io/CertificateRequest shop/ by ownerReferences",
            ],
            id="certificate",
        ),
        pytest.param(
            obj("acme.cert-manager.io/v1", "Order"),
            ["acme.cert-manager.io/Challenge shop/ by ownerReferences"],
            id="order",
        ),
        pytest.param(
            obj("external-secrets.io/v1", "ExternalSecret", spec={"secretStoreRef": {"name": "vault"}}),
            ["external-secrets.io/SecretStore shop/vault by secretStoreRef"],
            id="external-secret",
        ),
        pytest.param(obj("v1", "ConfigMap", spec={"resourceRef": {"kind": "X", "name": "x"}}), [], id="nothing"),
    ],
)
def test_what_an_object_needs(what: dict[str, Any], found: list[str]) -> None:
    assert needs(what) == found


@pytest.mark.parametrize(
    ("message", "found"),
    [
        (
            'configmaps "a" is forbidden: unable to create new content in namespace old because it is being terminated',
            ["Namespace old"],
        ),
        (
            'Internal error occurred: failed calling webhook "v.acme.io": failed to call webhook: Post '
            '"https://hook.acme.svc:443/validate?timeout=10s": no endpoints available for service "hook"',
            ["Service acme/hook"],
        ),
        (
            "health check failed after 30.1s: timeout waiting for: [Deployment/shop/web status: 'InProgress', "
            "Namespace/shop status: 'NotFound']",
            ["*/Deployment shop/web", "*/Namespace default/shop"],
        ),
        ("all is well at https://hook.acme.svc", []),
    ],
)
def test_a_message_names_what_is_waited_for(message: str, found: list[str]) -> None:
    assert [str(need.ref) for need in named_in(message, "default")] == found


def test_a_condition_of_an_object_is_read_too_and_nothing_is_named_twice_or_itself() -> None:
    said = "timeout waiting for: [Deployment/shop/web status: 'InProgress', Deployment/shop/web status: 'InProgress']"
    status = {"conditions": [{"type": "Ready", "status": "False", "message": said}]}
    assert needs(obj(FLUX, "Kustomization", status=status)) == ["*/Deployment shop/web by its message"]
    status["conditions"][0]["status"] = "True"
    assert needs(obj(FLUX, "Kustomization", status=status)) == []
    own = obj(FLUX, "Kustomization", spec={"dependsOn": [{"name": "it"}]})
    assert waits_for(own) == ()


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.sampled_from(["Pod", "x", "apps/v1"]),
    lambda inner: (
        st.lists(inner, max_size=2)
        | st.dictionaries(
            st.sampled_from(["name", "kind", "volumes", "sourceRef", "dependsOn", "conditions", "resourceRefs"]), inner
        )
    ),
    max_leaves=8,
)


@settings(max_examples=200, deadline=None)
@given(
    st.sampled_from([("v1", "Pod"), (FLUX, "Kustomization"), ("acme.io/v1", "X"), (SOURCES, "HelmChart")]), JSON, JSON
)
def test_no_object_is_too_odd(kind: tuple[str, str], spec: Any, status: Any) -> None:
    for need in waits_for(obj(*kind, spec=spec, status=status)):
        assert isinstance(need.ref, ObjectRef)
        assert need.ref.kind
