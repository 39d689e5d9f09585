"""Of which types the fields of Kubernetes' own kinds are, down to the first level of each section.

Owns: `refuse_misshapen`. Argo CD converts an object of these kinds as a whole before it judges it, so that a list where
a map belongs makes it Unknown also where no rule looks at it. Called by `assessment`. The table is that of k8s.io/api
and kube-aggregator v0.37 (Go's reflection over the types). Times, quantities and what may be a number or a text are
left out, and so is what lies deeper, but for labels and annotations: no API server gives it in another shape.
"""

from __future__ import annotations

from collections.abc import Mapping

from fleetui.health.reading import OddObjectError, Section, section, type_name

_Fields = Mapping[type, str]
_METADATA: _Fields = {
    dict: "annotations labels",
    list: "finalizers ownerReferences",
    str: "generateName name namespace resourceVersion selfLink uid",
    int: "deletionGracePeriodSeconds generation",
}
_SECTIONS: Mapping[tuple[str, str], tuple[_Fields, _Fields]] = {
    ("apps/v1", "Deployment"): (
        {
            dict: "selector strategy template",
            int: "minReadySeconds progressDeadlineSeconds replicas revisionHistoryLimit",
            bool: "paused",
        },
        {
            int: (
                "availableReplicas collisionCount observedGeneration readyReplicas replicas terminatingReplicas "
                "unavailableReplicas updatedReplicas"
            ),
        },
    ),
    ("apps/v1", "ReplicaSet"): (
        {
            dict: "selector template",
            int: "minReadySeconds replicas",
        },
        {
            int: (
                "availableReplicas fullyLabeledReplicas observedGeneration readyReplicas replicas terminatingReplicas"
            ),
        },
    ),
    ("apps/v1", "DaemonSet"): (
        {
            dict: "selector template updateStrategy",
            int: "minReadySeconds revisionHistoryLimit",
        },
        {
            int: (
                "collisionCount currentNumberScheduled desiredNumberScheduled numberAvailable numberMisscheduled "
                "numberReady numberUnavailable observedGeneration updatedNumberScheduled"
            ),
        },
    ),
    ("apps/v1", "StatefulSet"): (
        {
            dict: "ordinals persistentVolumeClaimRetentionPolicy selector template updateStrategy",
            list: "volumeClaimTemplates",
            str: "podManagementPolicy serviceName",
            int: "minReadySeconds replicas revisionHistoryLimit",
        },
        {
            str: "currentRevision updateRevision",
            int: (
                "availableReplicas collisionCount currentReplicas observedGeneration readyReplicas replicas "
                "updatedReplicas"
            ),
        },
    ),
    ("batch/v1", "Job"): (
        {
            dict: "podFailurePolicy scheduling selector successPolicy template",
            str: "completionMode managedBy podReplacementPolicy",
            int: (
                "activeDeadlineSeconds backoffLimit backoffLimitPerIndex completions maxFailedIndexes parallelism "
                "ttlSecondsAfterFinished"
            ),
            bool: "manualSelector suspend",
        },
        {
            dict: "uncountedTerminatedPods",
            str: "completedIndexes failedIndexes",
            int: "active failed ready succeeded terminating",
        },
    ),
    ("v1", "Pod"): (
        {
            dict: "affinity dnsConfig nodeSelector os overhead resources schedulingGroup securityContext",
            list: (
                "containers ephemeralContainers evictionResponders hostAliases imagePullSecrets initContainers "
                "readinessGates resourceClaims schedulingGates tolerations topologySpreadConstraints volumes"
            ),
            str: (
                "dnsPolicy hostname hostnameOverride nodeName preemptionPolicy priorityClassName restartPolicy "
                "runtimeClassName schedulerName serviceAccount serviceAccountName subdomain"
            ),
            int: "activeDeadlineSeconds priority terminationGracePeriodSeconds",
            bool: (
                "automountServiceAccountToken enableServiceLinks hostIPC hostNetwork hostPID hostUsers "
                "setHostnameAsFQDN shareProcessNamespace"
            ),
        },
        {
            dict: "allocatedResources extendedResourceClaimStatus resources",
            list: (
                "containerStatuses ephemeralContainerStatuses hostIPs initContainerStatuses "
                "nodeAllocatableResourceClaimStatuses podIPs resourceClaimStatuses volumeHealth"
            ),
            str: "hostIP message nominatedNodeName phase podIP qosClass reason resize",
            int: "observedGeneration",
        },
    ),
    ("v1", "Service"): (
        {
            dict: "selector sessionAffinityConfig",
            list: "clusterIPs externalIPs ipFamilies loadBalancerSourceRanges ports",
            str: (
                "clusterIP externalName externalTrafficPolicy internalTrafficPolicy ipFamilyPolicy loadBalancerClass "
                "loadBalancerIP sessionAffinity trafficDistribution type"
            ),
            int: "healthCheckNodePort",
            bool: "allocateLoadBalancerNodePorts publishNotReadyAddresses",
        },
        {
            dict: "loadBalancer",
        },
    ),
    ("v1", "PersistentVolumeClaim"): (
        {
            dict: "dataSource dataSourceRef resources selector",
            list: "accessModes",
            str: "storageClassName volumeAttributesClassName volumeMode volumeName",
        },
        {
            dict: "allocatedResourceStatuses allocatedResources capacity healthStatus modifyVolumeStatus",
            list: "accessModes",
            str: "currentVolumeAttributesClassName phase",
        },
    ),
    ("apiregistration.k8s.io/v1", "APIService"): (
        {
            dict: "service",
            str: "group version",
            int: "groupPriorityMinimum versionPriority",
            bool: "insecureSkipTLSVerify",
        },
        {},
    ),
    ("autoscaling/v1", "HorizontalPodAutoscaler"): (
        {
            dict: "scaleTargetRef",
            int: "maxReplicas minReplicas targetCPUUtilizationPercentage",
        },
        {
            int: "currentCPUUtilizationPercentage currentReplicas desiredReplicas observedGeneration",
        },
    ),
    ("autoscaling/v2", "HorizontalPodAutoscaler"): (
        {
            dict: "behavior scaleTargetRef",
            list: "metrics",
            int: "maxReplicas minReplicas",
        },
        {
            list: "currentMetrics",
            int: "currentReplicas desiredReplicas observedGeneration",
        },
    ),
}
"""By apiVersion and kind: the fields of `spec` and of `status`, by the type that JSON has for them."""

_TEXTS = frozenset({str, type(None)})
_NAMES = {dict: "a map", list: "a list", str: "a string", int: "a whole number", bool: "a boolean"}


def _by_name(fields: _Fields) -> dict[str, type]:
    return {name: kind for kind, names in fields.items() for name in names.split()}


_SHAPES = {
    key: (("metadata", _by_name(_METADATA)), ("spec", _by_name(spec)), ("status", _by_name(status)))
    for key, (spec, status) in _SECTIONS.items()
}


def refuse_misshapen(obj: Section, api_version: str, kind: str) -> None:
    """Refuses an object of a built-in kind of which a field has another type than the kind gives it.

    Raises:
        OddObjectError: with the field, and what is there.
    """
    shapes = _SHAPES.get((api_version, kind))
    if shapes is None:
        return
    for name, shape in shapes:
        for key, value in section(obj, name).items():
            wanted = shape.get(key)
            if wanted is None or type(value) is wanted or value is None or _fits(value, wanted):
                continue
            raise OddObjectError(f"{name}.{key} is {type_name(value)}, not {_NAMES[wanted]}")
    metadata = section(obj, "metadata")
    for name in ("labels", "annotations"):
        texts = metadata.get(name)
        if not texts or _TEXTS.issuperset(map(type, texts.values())):
            continue
        for key, value in texts.items():
            if value is not None and not isinstance(value, str):
                raise OddObjectError(f"metadata.{name}.{key} is {type_name(value)}, not a string")


def _fits(value: object, wanted: type) -> bool:
    """As Kubernetes' converter has it (apimachinery v0.37, runtime/converter.go): a whole float is an integer."""
    if wanted is int:
        return isinstance(value, float) and value.is_integer()
    return isinstance(value, Mapping) if wanted is dict else isinstance(value, wanted)
