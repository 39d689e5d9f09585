"""The values that the API server fills in where nobody set them.

Owns: defaulting of built-in types, by the name of their definition. Pure functions that change the value in place.
Called by `decoding`, for every struct that it meets. Rules: Kubernetes v1.37 pkg/apis/*/v1/defaults.go; what has a
declared default in the OpenAPI schema is filled in from there and does not appear here.
"""

from __future__ import annotations

import base64
from collections.abc import Callable
from typing import Any

Obj = dict[str, Any]
Default = Callable[[Obj], None]


def unset(obj: Obj, **values: Any) -> None:
    """Sets what is absent or Go's zero value."""
    for key, value in values.items():
        if not obj.get(key):
            obj[key] = value


def absent(obj: Obj, **values: Any) -> None:
    """Sets what is absent: zero is a value of its own behind a pointer."""
    for key, value in values.items():
        obj.setdefault(key, value)


def pull_policy(image: str) -> str:
    """Always for the tag ``latest``, named or not; IfNotPresent for other tags and digests (ParseImageName)."""
    name, _, digest = image.partition("@")
    tag = name.rpartition("/")[2].partition(":")[2]
    return "Always" if tag == "latest" or not (tag or digest) else "IfNotPresent"


def _container(obj: Obj) -> None:
    unset(
        obj,
        imagePullPolicy=pull_policy(obj.get("image", "")),
        terminationMessagePath="/dev/termination-log",
        terminationMessagePolicy="File",
    )


def _pod_spec(obj: Obj) -> None:
    account = obj.get("serviceAccountName") or obj.get("serviceAccount")
    if account:
        obj["serviceAccountName"] = obj["serviceAccount"] = account
    unset(obj, dnsPolicy="ClusterFirst", restartPolicy="Always", schedulerName="default-scheduler")
    absent(obj, securityContext={}, terminationGracePeriodSeconds=30)


def _volume(obj: Obj) -> None:
    if set(obj) <= {"name"}:
        obj["emptyDir"] = {}


def _pod(obj: Obj) -> None:
    spec = obj["spec"]
    for container in [*(spec.get("containers") or ()), *(spec.get("initContainers") or ())]:
        limits = container.get("resources", {}).get("limits")
        if limits:
            container["resources"]["requests"] = limits | container["resources"].get("requests", {})
        if spec.get("hostNetwork"):
            for port in container.get("ports", ()):
                unset(port, hostPort=port.get("containerPort", 0))
    absent(spec, enableServiceLinks=True)


def _pod_status(obj: Obj) -> None:
    """Keeps the one address and the list of addresses together."""
    address, addresses = obj.get("podIP"), obj.get("podIPs")
    if address and (not addresses or addresses[0].get("ip") != address):
        obj["podIPs"] = [{"ip": address}]
    elif addresses and not address:
        obj["podIP"] = addresses[0].get("ip", "")


def _service(obj: Obj) -> None:
    spec = obj["spec"]
    unset(spec, sessionAffinity="None", type="ClusterIP")
    if spec["sessionAffinity"] == "None":
        spec.pop("sessionAffinityConfig", None)
    elif not (spec.get("sessionAffinityConfig") or {}).get("clientIP", {}).get("timeoutSeconds"):
        spec["sessionAffinityConfig"] = {"clientIP": {"timeoutSeconds": 10800}}
    for port in spec.get("ports", ()):
        unset(port, protocol="TCP", targetPort=port.get("port", 0))
    external = spec["type"] in ("NodePort", "LoadBalancer")
    if external or (spec["type"] == "ClusterIP" and spec.get("externalIPs")):
        unset(spec, externalTrafficPolicy="Cluster")
    if spec["type"] != "ExternalName":
        absent(spec, internalTrafficPolicy="Cluster")
    if spec["type"] == "LoadBalancer":
        absent(spec, allocateLoadBalancerNodePorts=True)


def _namespace(obj: Obj) -> None:
    name = obj["metadata"].get("name")
    if name:
        obj["metadata"].setdefault("labels", {})["kubernetes.io/metadata.name"] = name


def _replication_controller(obj: Obj) -> None:
    absent(obj["spec"], replicas=1)
    labels = obj["spec"].get("template", {}).get("metadata", {}).get("labels")
    if labels:
        unset(obj["spec"], selector=dict(labels))
        unset(obj["metadata"], labels=dict(labels))


def _deployment(obj: Obj) -> None:
    spec = obj["spec"]
    absent(spec, replicas=1, revisionHistoryLimit=10, progressDeadlineSeconds=600)
    unset(spec["strategy"], type="RollingUpdate")
    if spec["strategy"]["type"] == "RollingUpdate":
        absent(spec["strategy"].setdefault("rollingUpdate", {}), maxUnavailable="25%", maxSurge="25%")


def _daemon_set(obj: Obj) -> None:
    spec = obj["spec"]
    obj["metadata"].setdefault("annotations", {}).setdefault("deprecated.daemonset.template.generation", "0")
    unset(spec["updateStrategy"], type="RollingUpdate")
    if spec["updateStrategy"]["type"] == "RollingUpdate":
        absent(spec["updateStrategy"].setdefault("rollingUpdate", {}), maxUnavailable=1, maxSurge=0)
    absent(spec, revisionHistoryLimit=10)


def _stateful_set(obj: Obj) -> None:
    spec = obj["spec"]
    unset(spec, podManagementPolicy="OrderedReady")
    strategy = spec["updateStrategy"]
    if not strategy.get("type"):
        strategy["type"] = "RollingUpdate"
        strategy.setdefault("rollingUpdate", {})
    if strategy["type"] == "RollingUpdate" and "rollingUpdate" in strategy:
        absent(strategy["rollingUpdate"], partition=0, maxUnavailable=1)
    for claim in spec.get("volumeClaimTemplates", ()):
        unset(claim, apiVersion="v1", kind="PersistentVolumeClaim")
    unset(spec.setdefault("persistentVolumeClaimRetentionPolicy", {}), whenDeleted="Retain", whenScaled="Retain")
    absent(spec, replicas=1, revisionHistoryLimit=10)


def _job_labels(obj: Obj) -> None:
    labels = obj["spec"]["template"]["metadata"].get("labels")
    if labels and not obj["metadata"].get("labels"):
        obj["metadata"]["labels"] = dict(labels)


def _job(obj: Obj) -> None:
    spec = obj["spec"]
    if "completions" not in spec and "parallelism" not in spec:
        spec["completions"] = 1
    _job_labels(obj)
    absent(
        spec,
        parallelism=1,
        backoffLimit=2147483647 if "backoffLimitPerIndex" in spec else 6,
        completionMode="NonIndexed",
        suspend=False,
        podReplacementPolicy="Failed" if "podFailurePolicy" in spec else "TerminatingOrFailed",
        manualSelector=False,
    )


def _cron_job(obj: Obj) -> None:
    unset(obj["spec"], concurrencyPolicy="Allow")
    absent(obj["spec"], suspend=False, successfulJobsHistoryLimit=3, failedJobsHistoryLimit=1)


def _network_policy(obj: Obj) -> None:
    spec = obj["spec"]
    if not spec.get("policyTypes"):
        spec["policyTypes"] = ["Ingress", "Egress"] if spec.get("egress") else ["Ingress"]


def _autoscaler(obj: Obj) -> None:
    absent(obj["spec"], minReplicas=1)
    if not obj["spec"].get("metrics"):
        resource = {"name": "cpu", "target": {"type": "Utilization", "averageUtilization": 80}}
        obj["spec"]["metrics"] = [{"type": "Resource", "resource": resource}]


def _role_ref(obj: Obj) -> None:
    unset(obj["roleRef"], apiGroup="rbac.authorization.k8s.io")


def _subject(obj: Obj) -> None:
    if obj.get("kind") in ("User", "Group"):
        unset(obj, apiGroup="rbac.authorization.k8s.io")


def _ingress_class(obj: Obj) -> None:
    if "parameters" in obj["spec"]:
        absent(obj["spec"]["parameters"], scope="Cluster")


def _secret(obj: Obj) -> None:
    unset(obj, type="Opaque")
    text = obj.pop("stringData", None)
    if text:
        encoded = {key: base64.b64encode(value.encode()).decode() for key, value in text.items()}
        obj["data"] = obj.get("data", {}) | encoded


def _persistent_volume(obj: Obj) -> None:
    unset(obj["status"], phase="Pending")
    unset(obj["spec"], persistentVolumeReclaimPolicy="Retain")
    absent(obj["spec"], volumeMode="Filesystem")


def _claim(obj: Obj) -> None:
    unset(obj["status"], phase="Pending")
    absent(obj["spec"], volumeMode="Filesystem")


def _limit_range_item(obj: Obj) -> None:
    if obj.get("type") != "Container":
        return
    obj["default"] = obj.get("max", {}) | obj.get("default", {})
    obj["defaultRequest"] = obj.get("min", {}) | obj["default"] | obj.get("defaultRequest", {})


def _definition(obj: Obj) -> None:
    spec = obj["spec"]
    names = spec["names"]
    unset(names, singular=names.get("kind", "").lower(), listKind=f"{names.get('kind', '')}List")
    absent(spec, conversion={"strategy": "None"})


def _webhook(obj: Obj) -> None:
    absent(
        obj,
        failurePolicy="Fail",
        matchPolicy="Equivalent",
        namespaceSelector={},
        objectSelector={},
        timeoutSeconds=10,
    )
    for rule in obj.get("rules", ()):
        absent(rule, scope="*")


def _mutating_webhook(obj: Obj) -> None:
    _webhook(obj)
    absent(obj, reinvocationPolicy="Never")


def _fixed(**values: Any) -> Default:
    return lambda obj: unset(obj, **values)


def _pointer(**values: Any) -> Default:
    return lambda obj: absent(obj, **values)


_CORE = "io.k8s.api.core.v1."
DEFAULTS: dict[str, Default] = {
    _CORE + "Container": _container,
    _CORE + "EphemeralContainer": _container,
    _CORE + "Pod": _pod,
    _CORE + "PodSpec": _pod_spec,
    _CORE + "Volume": _volume,
    _CORE + "Service": _service,
    _CORE + "Namespace": _namespace,
    _CORE + "EndpointPort": _fixed(protocol="TCP"),
    _CORE + "PodStatus": _pod_status,
    _CORE + "NamespaceStatus": _fixed(phase="Active"),
    _CORE + "Probe": _fixed(timeoutSeconds=1, periodSeconds=10, successThreshold=1, failureThreshold=3),
    _CORE + "HTTPGetAction": _fixed(path="/", scheme="HTTP"),
    _CORE + "SecretVolumeSource": _pointer(defaultMode=420),
    _CORE + "ConfigMapVolumeSource": _pointer(defaultMode=420),
    _CORE + "DownwardAPIVolumeSource": _pointer(defaultMode=420),
    _CORE + "ProjectedVolumeSource": _pointer(defaultMode=420),
    _CORE + "ServiceAccountTokenProjection": _pointer(expirationSeconds=3600),
    _CORE + "HostPathVolumeSource": _pointer(type=""),
    _CORE + "ObjectFieldSelector": _fixed(apiVersion="v1"),
    _CORE + "ReplicationController": _replication_controller,
    _CORE + "Secret": _secret,
    _CORE + "PersistentVolume": _persistent_volume,
    _CORE + "PersistentVolumeClaim": _claim,
    _CORE + "LimitRangeItem": _limit_range_item,
    "io.k8s.api.apps.v1.Deployment": _deployment,
    "io.k8s.api.apps.v1.DaemonSet": _daemon_set,
    "io.k8s.api.apps.v1.StatefulSet": _stateful_set,
    "io.k8s.api.apps.v1.ReplicaSet": lambda obj: absent(obj["spec"], replicas=1),
    "io.k8s.api.batch.v1.Job": _job,
    "io.k8s.api.batch.v1.CronJob": _cron_job,
    "io.k8s.api.networking.v1.NetworkPolicy": _network_policy,
    "io.k8s.api.networking.v1.NetworkPolicyPort": _pointer(protocol="TCP"),
    "io.k8s.api.networking.v1.IngressClass": _ingress_class,
    "io.k8s.api.autoscaling.v2.HorizontalPodAutoscaler": _autoscaler,
    "io.k8s.api.rbac.v1.RoleBinding": _role_ref,
    "io.k8s.api.rbac.v1.ClusterRoleBinding": _role_ref,
    "io.k8s.api.rbac.v1.Subject": _subject,
    "io.k8s.api.storage.v1.StorageClass": _pointer(reclaimPolicy="Delete", volumeBindingMode="Immediate"),
    "io.k8s.api.scheduling.v1.PriorityClass": _pointer(preemptionPolicy="PreemptLowerPriority"),
    "io.k8s.api.discovery.v1.EndpointPort": _pointer(name="", protocol="TCP"),
    "io.k8s.api.admissionregistration.v1.ValidatingWebhook": _webhook,
    "io.k8s.api.admissionregistration.v1.MutatingWebhook": _mutating_webhook,
    "io.k8s.apiextensions-apiserver.pkg.apis.apiextensions.v1.CustomResourceDefinition": _definition,
}
