"""The table of causes: each from a text of an API server, a controller or Git, or from an object as they leave it."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from fleetui.fleet.causes import told_by
from fleetui.fleet.finalizers import keeper_of
from fleetui.fleet.stuck import in_trouble, said_by, stuck
from fleetui.fleet.stuck_pods import Crashed, crashed


@pytest.mark.parametrize(
    ("message", "name", "words"),
    [
        (
            'pods "web-1" is forbidden: exceeded quota: compute, requested: limits.cpu=2, used: limits.cpu=3, '
            "limited: limits.cpu=4",
            "QuotaExceeded",
            "the ResourceQuota compute is exceeded: limits.cpu=2 was asked for, limits.cpu=3 of limits.cpu=4 is used",
        ),
        (
            'admission webhook "policy.acme.io" denied the request: image tag latest is not allowed',
            "WebhookRefuses",
            "the admission webhook policy.acme.io refuses it: image tag latest is not allowed",
        ),
        (
            'Internal error occurred: failed calling webhook "v.acme.io": Post "https://v.acme.svc:443/": no endpoints',
            "WebhookUnreachable",
            'the admission webhook v.acme.io does not answer: Post "https://v.acme.svc:443/": no endpoints',
        ),
        (
            "ValidatingAdmissionPolicy 'limits' with binding 'all' denied request: too many replicas",
            "PolicyRefuses",
            "the ValidatingAdmissionPolicy limits refuses it: too many replicas",
        ),
        (
            'pods "web" is forbidden: violates PodSecurity "restricted:latest": allowPrivilegeEscalation != false',
            "PodSecurity",
            "the namespace's Pod security level restricted:latest forbids it: allowPrivilegeEscalation != false",
        ),
        (
            'resource mapping not found for name: "x": no matches for kind "Widget" in version "acme.io/v1"',
            "MissingDefinition",
            "nothing on the cluster defines the kind Widget in acme.io/v1",
        ),
        (
            "The Kubernetes API could not find acme.io/Widget for requested resource shop/x. Make sure it is there",
            "MissingDefinition",
            "nothing on the cluster defines the kind Widget of acme.io",
        ),
        (
            'The Kubernetes API could not find version "v9" of apps/Deployment for requested resource a/web. Version',
            "MissingVersion",
            "the cluster does not serve the version v9 of the kind Deployment",
        ),
        ('namespaces "shop" not found', "MissingNamespace", "the namespace shop does not exist"),
        (
            'Deployment.apps "web" is invalid: spec.selector: Invalid value: {}: field is immutable',
            "Immutable",
            "a field has changed that can't be changed in place",
        ),
        ("Sync operation blocked by sync window", "SyncWindow", "a sync window is shut"),
        (
            "dependency 'flux-system/crds' is not ready",
            "DependencyNotReady",
            "it depends on flux-system/crds, which is not ready",
        ),
        (
            "failed to list refs: authentication required.",
            "SourceAuthentication",
            "the Git server does not accept the login: failed to list refs: authentication required",
        ),
        (
            "fatal: unable to access 'https://git.acme.io/x/': Could not resolve host: git.acme.io",
            "SourceUnreachable",
            "the source can't be fetched: fatal: unable to access 'https://git.acme.io/x/': "
            "Could not resolve host: git.acme.io",
        ),
        (
            "0/3 nodes are available: 3 Insufficient cpu. preemption: 0/3 nodes are available: 3 No victims.",
            "Unschedulable",
            "no node takes it: 3 Insufficient cpu",
        ),
        (
            'MountVolume.SetUp failed for volume "tls" : secret "web-tls" not found',
            "MountFails",
            'the volume tls can\'t be mounted: secret "web-tls" not found',
        ),
        (
            'Back-off pulling image "shop/web:9": ErrImagePull: not found',
            "ImagePull",
            "the image shop/web:9 can't be pulled: ErrImagePull: not found",
        ),
        ("waiting for completion of hook batch/Job/migrate", "Hook", "the sync waits for the hook batch/Job/migrate"),
        (
            'secrets is forbidden: User "system:serviceaccount:a:b" cannot list resource "secrets" in API group ""',
            "Forbidden",
            'user system:serviceaccount:a:b cannot list resource "secrets" in API group ""',
        ),
        (
            'Deployment.apps "web" is invalid: spec.template.spec.containers[0].image: Required value',
            "Invalid",
            "the API server finds it invalid: spec.template.spec.containers[0].image: Required value",
        ),
        (
            'Apply failed with 1 conflict: conflict with "kubectl-edit" using v1: .data.color',
            "FieldConflict",
            "the field manager kubectl-edit holds what was to be applied: .data.color",
        ),
        (
            'configmaps "a" is forbidden: unable to create new content in namespace old because it is being terminated',
            "NamespaceTerminating",
            "the namespace old is being deleted, and takes nothing new",
        ),
        (
            'pods "web-1" is forbidden: maximum cpu usage per Container is 1, but limit is 2',
            "LimitRange",
            "a LimitRange forbids it: maximum cpu usage per Container is 1, but limit is 2",
        ),
        (
            "Application referencing project payments which does not exist",
            "MissingProject",
            "the AppProject payments does not exist",
        ),
        (
            "application repo https://git.acme.io/x is not permitted in project 'shop'",
            "NotPermitted",
            "its project does not allow that: application repo https://git.acme.io/x is not permitted in project "
            "'shop'",
        ),
        (
            "dependency 'flux-system/crds' revision is not up to date",
            "DependencyNotReady",
            "it depends on flux-system/crds, which is not ready",
        ),
        (
            "HelmChart 'flux-system/shop-web' is not ready: chart not found",
            "SourceNotReady",
            "its source, the HelmChart flux-system/shop-web, is not ready",
        ),
        (
            "health check failed after 30.1s: timeout waiting for: [Deployment/shop/web status: 'InProgress']",
            "HealthCheck",
            "its health check waits for Deployment/shop/web status: 'InProgress'",
        ),
        (
            "failed to checkout and determine revision: unable to clone 'https://git.acme.io/p': repository not found",
            "SourceUnreachable",
            "the source can't be fetched: failed to checkout and determine revision: unable to clone "
            "'https://git.acme.io/p': repository not found",
        ),
        (
            "failed to fetch Helm repository index: dial tcp 10.0.0.7:443: connect: connection refused",
            "SourceUnreachable",
            "the source can't be fetched: failed to fetch Helm repository index: dial tcp 10.0.0.7:443: connect: "
            "connection refused",
        ),
        (
            'Readiness probe failed: Get "http://10.0.0.7:8080/": dial tcp 10.0.0.7:8080: connect: connection refused',
            "Probe",
            'its Readiness probe fails: Get "http://10.0.0.7:8080/": dial tcp 10.0.0.7:8080: connect: connection '
            "refused",
        ),
        (
            'Failed to pull image "r.acme.io/x:1": dial tcp 10.0.0.7:443: connect: connection refused',
            "ImagePull",
            "the image r.acme.io/x:1 can't be pulled: dial tcp 10.0.0.7:443: connect: connection refused",
        ),
        (
            'Multi-Attach error for volume "pvc-1" Volume is already used by pod(s) db-0',
            "VolumeInUse",
            "the volume pvc-1 is in use elsewhere: Volume is already used by pod(s) db-0",
        ),
        (
            "waiting for pruning confirmation of v1/Namespace/shop",
            "PruneConfirmation",
            "the sync waits for somebody to confirm that v1/Namespace/shop is pruned",
        ),
        (
            "no persistent volumes available for this claim and no storage class is set",
            "NoStorageClass",
            "no PersistentVolume fits, and no StorageClass is set or the default",
        ),
        (
            "Waiting for a volume to be created either by the external provisioner 'ebs.csi.aws.com' or manually by "
            "the system administrator. If volume creation is delayed, please verify that the provisioner is running",
            "Provisioning",
            "the provisioner ebs.csi.aws.com has not made its volume",
        ),
        (
            'failed to provision volume with StorageClass "fast": rpc error: code = ResourceExhausted desc = no space',
            "ProvisioningFailed",
            "the StorageClass fast can't give it a volume: rpc error: code = ResourceExhausted desc = no space",
        ),
        (
            "the HPA was unable to compute the replica count: failed to get cpu utilization: unable to get metrics for "
            "resource cpu: no metrics returned from resource metrics API",
            "Metrics",
            "its metrics can't be had: the HPA was unable to compute the replica count: failed to get cpu utilization: "
            "unable to get metrics for resource cpu: no metrics returned from resource metrics API",
        ),
        (
            'pods "web-" is forbidden: error looking up service account shop/web: serviceaccount "web" not found',
            "MissingObject",
            "the serviceaccount web does not exist",
        ),
        (
            "couldn't find key password in Secret shop/db",
            "MissingKey",
            "the Secret shop/db has no key password",
        ),
        (
            'connect failed: cannot get referenced ProviderConfig: "default": ProviderConfig.aws.upbound.io "default" '
            "not found",
            "MissingObject",
            "the ProviderConfig.aws.upbound.io default does not exist",
        ),
        ("all is well", "", ""),
    ],
)
def test_a_message_names_its_cause(message: str, name: str, words: str) -> None:
    found = told_by(message)
    assert (found.name, found.words) == (name, words) if found is not None else name == ""


def pod(*, status: Any = None, **metadata: Any) -> dict[str, Any]:
    containers = [{"name": "web", "image": "shop/web:9"}]
    return {
        "apiVersion": "v1",
        "kind": "Pod",
        "metadata": {"name": "web-1", **metadata},
        "spec": {"containers": containers},
        "status": status,
    }


def container(waiting: Any = None, last: Any = None) -> dict[str, Any]:
    one = {"name": "web", "state": {"waiting": waiting}, "lastState": {"terminated": last}, "restartCount": 4}
    return {"containerStatuses": [one]}


METRICS = "the HPA was unable to compute the replica count: unable to get metrics for resource memory"


def ended(terminated: Any) -> dict[str, Any]:
    return {"phase": "Failed", "containerStatuses": [{"name": "web", "state": {"terminated": terminated}}]}


def other(
    api_version: str, kind: str, *, spec: Any = None, annotations: Any = None, deleted: bool = False, **status: Any
) -> dict[str, Any]:
    metadata: dict[str, Any] = {"name": "web", "namespace": "shop", "annotations": annotations or {}}
    if deleted:
        metadata["deletionTimestamp"] = "2026-01-01T00:00:00Z"
    return {"apiVersion": api_version, "kind": kind, "metadata": metadata, "spec": spec or {}, "status": status}


def on(kind: str, message: str = "", reason: str = "R") -> dict[str, Any]:
    return {"type": kind, "status": "True", "reason": reason, "message": message}


def off(kind: str, message: str = "", reason: str = "R") -> dict[str, Any]:
    return {"type": kind, "status": "False", "reason": reason, "message": message}


def failed(message: str) -> dict[str, Any]:
    return on("Failed", message, "BackoffLimitExceeded")


@pytest.mark.parametrize(
    ("obj", "name", "words"),
    [
        (
            pod(deletionTimestamp="2026-01-01T00:00:00Z", finalizers=["acme.io/drain"]),
            "Finalizer",
            "Pod web-1 is deleted, and stays until the finalizer acme.io/drain is removed",
        ),
        (
            pod(status=container({"reason": "ImagePullBackOff", "message": "Back-off"})),
            "ImagePull",
            "Pod web-1 can't pull the image shop/web:9",
        ),
        (
            pod(status=container({"reason": "ErrImagePull", "message": "manifest unknown"})),
            "ImagePull",
            "Pod web-1 can't pull the image shop/web:9: manifest unknown",
        ),
        (
            pod(status=container({"reason": "CreateContainerConfigError", "message": 'secret "db" not found'})),
            "ContainerConfig",
            'Pod web-1: container web can\'t be made: secret "db" not found',
        ),
        (
            pod(status=container({"reason": "CrashLoopBackOff"}, {"exitCode": 2})),
            "CrashLoop",
            "Pod web-1: container web ends with exit code 2 again and again, 4 times so far",
        ),
        (
            pod(status=container({"reason": "CrashLoopBackOff"}, {"exitCode": 137, "reason": "OOMKilled"})),
            "OutOfMemory",
            "Pod web-1: container web was killed because it used more memory than its limit",
        ),
        (
            pod(
                status={
                    "conditions": [
                        {"type": "PodScheduled", "status": "False", "message": "0/1 nodes are available: 1 is tainted."}
                    ]
                }
            ),
            "Unschedulable",
            "Pod web-1: no node takes it: 1 is tainted",
        ),
        (
            pod(
                status=container(
                    {
                        "reason": "ImagePullBackOff",
                        "message": 'Back-off pulling image "x": ErrImagePull: rpc error: code = NotFound: not found',
                    }
                )
            ),
            "ImagePull",
            "Pod web-1 can't pull the image shop/web:9: not found",
        ),
        (
            pod(status=ended({"exitCode": 3, "reason": "Error"})),
            "ContainerFailed",
            "Pod web-1: container web ended with exit code 3",
        ),
        (
            pod(status={"phase": "Failed", "reason": "Evicted", "message": "The node was low on resource: memory."}),
            "Evicted",
            "Pod web-1 was evicted: The node was low on resource: memory.",
        ),
        (
            other("batch/v1", "Job", conditions=[failed("Job has reached the specified backoff limit")]),
            "JobFailed",
            "Job web failed: Job has reached the specified backoff limit",
        ),
        (
            other("v1", "PersistentVolumeClaim", spec={"volumeName": "pv-7"}, phase="Lost"),
            "VolumeLost",
            "PersistentVolumeClaim web is bound to the PersistentVolume pv-7, which is gone",
        ),
        (
            other("autoscaling/v2", "HorizontalPodAutoscaler", conditions=[off("ScalingActive", METRICS)]),
            "Metrics",
            f"HorizontalPodAutoscaler web: its metrics can't be had: {METRICS}",
        ),
        (
            other("kustomize.toolkit.fluxcd.io/v1", "Kustomization", spec={"suspend": True}),
            "Suspended",
            "Kustomization web is suspended (spec.suspend)",
        ),
        (
            other("apps/v1", "Deployment", spec={"paused": True}),
            "Suspended",
            "Deployment web is suspended (spec.paused)",
        ),
        (
            other("rds.aws.upbound.io/v1", "Instance", annotations={"crossplane.io/paused": "true"}),
            "Suspended",
            "Instance web is paused (the annotation crossplane.io/paused)",
        ),
        (
            other("acme.cert-manager.io/v1", "Challenge", reason="Waiting for DNS-01 challenge propagation: NXDOMAIN"),
            "CertificateNotIssued",
            "Challenge web: Waiting for DNS-01 challenge propagation: NXDOMAIN",
        ),
        (
            other(
                "v1",
                "Namespace",
                deleted=True,
                conditions=[
                    on(
                        "NamespaceContentRemaining",
                        "Some resources are remaining: widgets.acme.io has 1 resource instances",
                    ),
                    on(
                        "NamespaceFinalizersRemaining",
                        "Some content in the namespace has finalizers remaining: a/b in 1",
                    ),
                    off("NamespaceDeletionContentFailure", "All content successfully deleted"),
                ],
            ),
            "NamespaceTerminating",
            "Namespace web is being deleted, and can't go: Some content in the namespace has finalizers remaining: a/b "
            "in 1. Some resources are remaining: widgets.acme.io has 1 resource instances",
        ),
        (
            other(
                "v1",
                "Namespace",
                deleted=True,
                conditions=[
                    on(
                        "NamespaceDeletionDiscoveryFailure",
                        "Discovery failed for some groups, 1 failing: unable to retrieve the complete list of server "
                        "APIs: metrics.k8s.io/v1beta1: stale GroupVersion discovery: metrics.k8s.io/v1beta1",
                    )
                ],
            ),
            "NamespaceTerminating",
            "Namespace web is being deleted, and can't go: Discovery failed for some groups, 1 failing: unable to "
            "retrieve the complete list of server APIs: metrics.k8s.io/v1beta1: stale GroupVersion discovery: "
            "metrics.k8s.io/v1beta1",
        ),
        (
            {
                "kind": "ReplicaSet",
                "metadata": {"name": "web"},
                "status": {"conditions": [{"message": 'admission webhook "p.io" denied the request: no'}]},
            },
            "WebhookRefuses",
            "ReplicaSet web: the admission webhook p.io refuses it: no",
        ),
    ],
)
def test_an_object_tells_what_it_waits_for(obj: dict[str, Any], name: str, words: str) -> None:
    found = stuck(obj)
    assert found is not None
    assert (found.name, found.words) == (name, words)


def test_an_object_that_is_fine_waits_for_nothing() -> None:
    assert stuck(pod(status=container(None, {"exitCode": 0}))) is None
    assert stuck(pod(finalizers=["acme.io/drain"])) is None


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.sampled_from(["Pod", "ImagePullBackOff"]),
    lambda inner: (
        st.lists(inner, max_size=2)
        | st.dictionaries(st.sampled_from(["state", "waiting", "reason", "conditions", "containerStatuses"]), inner)
    ),
    max_leaves=8,
)


@settings(max_examples=300, deadline=None)
@given(JSON, JSON, JSON)
def test_no_object_is_too_odd(metadata: Any, spec: Any, status: Any) -> None:
    stuck({"apiVersion": "v1", "kind": "Pod", "metadata": metadata, "spec": spec, "status": status})


# --- Services, finalizers, conditions, logs -------------------------------------------------------------------------


def slices(*ready: bool) -> list[dict[str, Any]]:
    return [{"endpoints": [{"addresses": ["10.0.0.7"], "conditions": {"ready": each}} for each in ready]}]


def test_a_service_without_endpoints_says_whether_its_selector_or_its_pods_are_to_blame() -> None:
    service = other("v1", "Service", spec={"selector": {"app": "web", "tier": "front"}})
    assert stuck(service, slices(False, True)) is None
    unready, nobody = stuck(service, slices(False)), stuck(service, slices())
    assert unready is not None
    assert nobody is not None
    assert unready.words == "Service web has no endpoints: none of its Pods is ready"
    assert nobody.words == "Service web has no endpoints: no Pod has the labels app=web,tier=front"
    assert stuck(other("v1", "Service", spec={}), []) is None


@pytest.mark.parametrize(
    ("finalizer", "group", "who", "workload"),
    [
        ("kubernetes.io/pvc-protection", "", "Kubernetes' controller manager", None),
        ("resources-finalizer.argocd.argoproj.io", "argoproj.io", "Argo CD's application controller", "StatefulSet"),
        ("finalizers.fluxcd.io", "helm.toolkit.fluxcd.io", "Flux's helm-controller", "Deployment"),
        ("finalizer.managedresource.crossplane.io", "rds.aws.upbound.io", "its Crossplane provider", None),
        ("acme.io/drain", "", "the controller of acme.io", None),
        ("odd", "acme.io", "the controller of odd", None),
    ],
)
def test_who_removes_a_finalizer(finalizer: str, group: str, who: str, workload: str | None) -> None:
    keeper = keeper_of(finalizer, group)
    assert keeper.who == who
    assert (keeper.workloads[0][0] if keeper.workloads else None) == workload


def test_a_finalizer_says_what_is_waited_for_before_it_is_removed() -> None:
    deleted = other("v1", "PersistentVolumeClaim", deleted=True)
    deleted["metadata"]["finalizers"] = ["kubernetes.io/pvc-protection"]
    found = stuck(deleted)
    assert found is not None
    assert (
        found.remedy == "Kubernetes' controller manager removes it, once no Pod uses it any more; see whether that runs"
    )


def test_of_several_conditions_the_one_that_says_most_is_taken() -> None:
    crossplane = [off("Ready", "", "Creating"), off("Synced", "create failed: AccessDenied", "ReconcileError")]
    found = said_by(other("acme.io/v1", "X", conditions=crossplane))
    assert found is not None
    assert (found.type, found.words) == ("Synced", "create failed: AccessDenied")
    stalled = said_by(other("acme.io/v1", "X", conditions=[off("Ready", "a"), on("Stalled", "b")]))
    assert stalled is not None
    assert stalled.words == "b"
    repeats = [off("Ready", "containers with unready status: [web]", "ContainersNotReady"), on("Initialized")]
    assert said_by(other("v1", "Pod", conditions=repeats)) is None


def test_what_flux_calls_ready_is_in_no_trouble_unless_it_is_suspended() -> None:
    git = other("source.toolkit.fluxcd.io/v1", "GitRepository", conditions=[on("Ready", "stored artifact")])
    assert not in_trouble(git)
    git["spec"]["suspend"] = True
    assert in_trouble(git)
    assert not in_trouble(other("v1", "ConfigMap"))


@pytest.mark.parametrize(
    ("status", "found"),
    [
        (container({"reason": "CrashLoopBackOff"}, {"exitCode": 2}), Crashed("web", previous=True)),
        (ended({"exitCode": 3}), Crashed("web", previous=False)),
        (ended({"exitCode": 0}), None),
        (container({"reason": "ImagePullBackOff"}), None),
        (
            {
                "initContainerStatuses": [{"name": "migrate", "state": {"terminated": {"exitCode": 1}}}],
                "containerStatuses": [{"name": "web", "state": {"waiting": {"reason": "PodInitializing"}}}],
            },
            Crashed("migrate", previous=False),
        ),
        ({"containerStatuses": [{"name": "web", "ready": True, "lastState": {"terminated": {"exitCode": 1}}}]}, None),
    ],
)
def test_which_log_says_why_a_container_ended(status: dict[str, Any], found: Crashed | None) -> None:
    assert crashed(pod(status=status)) == found
