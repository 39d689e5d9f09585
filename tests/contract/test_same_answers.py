"""Each built-in kind, made in the same way on both servers, comes out the same field by field.

What differs on purpose stands in `DIFFERS`, and in docs/embedded.md.
"""

from __future__ import annotations

import pytest

from tests.contract.client import Client, Json
from tests.contract.comparing import differences, plain

pytestmark = pytest.mark.real

POD = {"containers": [{"name": "c", "image": "nginx:1", "livenessProbe": {"httpGet": {"port": 80}}}]}
RUN = POD | {"restartPolicy": "Never"}
TEMPLATE = {"metadata": {"labels": {"app": "x"}}, "spec": POD}
SELECTOR = {"matchLabels": {"app": "x"}}
CLAIM = {"accessModes": ["ReadWriteOnce"], "resources": {"requests": {"storage": "1024Mi"}}}
FULL_POD = {
    "containers": [
        {
            "name": "c",
            "image": "registry:5000/x",
            "env": [{"name": "A", "valueFrom": {"fieldRef": {"fieldPath": "metadata.name"}}}],
            "ports": [{"containerPort": 80, "name": "http"}],
            "resources": {"limits": {"cpu": 1, "memory": "1.5Gi"}},
            "readinessProbe": {"tcpSocket": {"port": "http"}, "periodSeconds": 3},
            "lifecycle": {"preStop": {"httpGet": {"path": "/bye", "port": 80}}},
        }
    ],
    "initContainers": [{"name": "i", "image": "x:latest"}],
    "volumes": [
        {"name": "a", "secret": {"secretName": "x"}},
        {"name": "b"},
        {"name": "c", "hostPath": {"path": "/x"}},
        {"name": "d", "projected": {"sources": [{"configMap": {"name": "x"}}]}},
        {"name": "e", "downwardAPI": {"items": [{"path": "x", "fieldRef": {"fieldPath": "metadata.name"}}]}},
    ],
}
WEBHOOK = {
    "name": "a.b.c",
    "sideEffects": "None",
    "admissionReviewVersions": ["v1"],
    "clientConfig": {"url": "https://x.example.com/y"},
}
BACKEND = {"service": {"name": "s", "port": {"number": 80}}}
RULE = {"host": "a.example.com", "http": {"paths": [{"path": "/", "pathType": "Prefix", "backend": BACKEND}]}}
JOB_TEMPLATE = {"spec": {"template": {"spec": RUN}}}
EGRESS = [{"ports": [{"port": 80}]}]
ROLE_REF = {"kind": "Role", "name": "r"}

CORE, APPS, BATCH, RBAC = "v1", "apps/v1", "batch/v1", "rbac.authorization.k8s.io/v1"
NAMESPACED: list[tuple[str, str, str, Json]] = [
    (CORE, "configmaps", "ConfigMap", {"data": {"a": "b"}, "binaryData": {"c": "AAAA"}}),
    (CORE, "configmaps", "ConfigMap", {}),
    (CORE, "secrets", "Secret", {"stringData": {"a": "b"}, "data": {"c": "ZA=="}}),
    (CORE, "serviceaccounts", "ServiceAccount", {}),
    (CORE, "services", "Service", {"spec": {"selector": {"a": "b"}, "ports": [{"port": 80}]}}),
    (CORE, "services", "Service", {"spec": {"clusterIP": "None", "ports": [{"port": 80, "targetPort": "http"}]}}),
    (CORE, "services", "Service", {"spec": {"type": "ExternalName", "externalName": "a.example.com"}}),
    (CORE, "pods", "Pod", {"spec": POD}),
    (CORE, "pods", "Pod", {"spec": FULL_POD}),
    (CORE, "persistentvolumeclaims", "PersistentVolumeClaim", {"spec": CLAIM}),
    (CORE, "resourcequotas", "ResourceQuota", {"spec": {"hard": {"secrets": "100"}}}),
    (CORE, "limitranges", "LimitRange", {"spec": {"limits": [{"type": "Pod", "max": {"cpu": "2000m"}}]}}),
    (CORE, "podtemplates", "PodTemplate", {"template": TEMPLATE}),
    (CORE, "replicationcontrollers", "ReplicationController", {"spec": {"template": TEMPLATE}}),
    (CORE, "endpoints", "Endpoints", {"subsets": [{"addresses": [{"ip": "1.2.3.4"}], "ports": [{"port": 80}]}]}),
    (APPS, "deployments", "Deployment", {"spec": {"selector": SELECTOR, "template": TEMPLATE}}),
    (APPS, "replicasets", "ReplicaSet", {"spec": {"selector": SELECTOR, "template": TEMPLATE}}),
    (APPS, "daemonsets", "DaemonSet", {"spec": {"selector": SELECTOR, "template": TEMPLATE}}),
    (
        APPS,
        "statefulsets",
        "StatefulSet",
        {
            "spec": {
                "serviceName": "x",
                "selector": SELECTOR,
                "template": TEMPLATE,
                "volumeClaimTemplates": [{"metadata": {"name": "d"}, "spec": CLAIM}],
            }
        },
    ),
    (APPS, "controllerrevisions", "ControllerRevision", {"revision": 1, "data": {"a": 1}}),
    (BATCH, "jobs", "Job", {"spec": {"template": {"spec": RUN}}}),
    (BATCH, "cronjobs", "CronJob", {"spec": {"schedule": "* * * * *", "jobTemplate": JOB_TEMPLATE}}),
    ("networking.k8s.io/v1", "ingresses", "Ingress", {"spec": {"rules": [RULE]}}),
    ("networking.k8s.io/v1", "networkpolicies", "NetworkPolicy", {"spec": {"podSelector": {}, "egress": EGRESS}}),
    (
        "autoscaling/v2",
        "horizontalpodautoscalers",
        "HorizontalPodAutoscaler",
        {"spec": {"maxReplicas": 3, "scaleTargetRef": {"kind": "Deployment", "name": "x", "apiVersion": "apps/v1"}}},
    ),
    ("policy/v1", "poddisruptionbudgets", "PodDisruptionBudget", {"spec": {"minAvailable": 1, "selector": SELECTOR}}),
    (RBAC, "roles", "Role", {"rules": [{"apiGroups": [""], "resources": ["pods"], "verbs": ["get"]}]}),
    (RBAC, "roles", "Role", {}),
    (RBAC, "rolebindings", "RoleBinding", {"roleRef": ROLE_REF, "subjects": [{"kind": "User", "name": "u"}]}),
    ("coordination.k8s.io/v1", "leases", "Lease", {"spec": {"holderIdentity": "x", "leaseDurationSeconds": 15}}),
    (
        "discovery.k8s.io/v1",
        "endpointslices",
        "EndpointSlice",
        {"addressType": "IPv4", "endpoints": [{"addresses": ["1.2.3.4"]}], "ports": [{"port": 80}]},
    ),
]  # fmt: skip
CLUSTER: list[tuple[str, str, str, Json]] = [
    (CORE, "namespaces", "Namespace", {}),
    (CORE, "nodes", "Node", {}),
    (
        CORE,
        "persistentvolumes",
        "PersistentVolume",
        {"spec": {"capacity": {"storage": "1Gi"}, "accessModes": ["ReadWriteOnce"], "hostPath": {"path": "/x"}}},
    ),
    (RBAC, "clusterroles", "ClusterRole", {}),
    (RBAC, "clusterrolebindings", "ClusterRoleBinding", {"roleRef": {"kind": "ClusterRole", "name": "r"}}),
    ("networking.k8s.io/v1", "ingressclasses", "IngressClass", {"spec": {"controller": "a.example.com/b"}}),
    ("storage.k8s.io/v1", "storageclasses", "StorageClass", {"provisioner": "a.example.com/b"}),
    ("scheduling.k8s.io/v1", "priorityclasses", "PriorityClass", {"value": 5}),
    ("node.k8s.io/v1", "runtimeclasses", "RuntimeClass", {"handler": "x"}),
    ("admissionregistration.k8s.io/v1", "validatingwebhookconfigurations", "ValidatingWebhookConfiguration",
     {"webhooks": [WEBHOOK]}),
    ("admissionregistration.k8s.io/v1", "mutatingwebhookconfigurations", "MutatingWebhookConfiguration",
     {"webhooks": [WEBHOOK]}),
]  # fmt: skip

DIFFERS: dict[str, set[str]] = {
    "Node": {".spec.taints"},
    "PersistentVolume": {".metadata.finalizers", ".status.lastPhaseTransitionTime"},
    "PersistentVolumeClaim": {".metadata.finalizers"},
}
"""What the real server's admission plug-ins add, and no embedded controller would take away again."""


@pytest.mark.parametrize("case", [*NAMESPACED, *CLUSTER], ids=lambda case: case[2])
def test_a_new_object_is_the_same_on_both(
    both: tuple[Client, Client], unique: str, case: tuple[str, str, str, Json]
) -> None:
    api_version, plural, kind, body = case
    root = "/api/v1" if api_version == "v1" else f"/apis/{api_version}"
    path = f"{root}/namespaces/default/{plural}" if case in NAMESPACED else f"{root}/{plural}"
    sent = {"apiVersion": api_version, "kind": kind, "metadata": {"name": unique, "labels": {"x": "y"}}, **body}
    mine, theirs = (client.post(f"{path}?dryRun=All", sent) for client in both)
    assert mine.status == theirs.status == 201, (mine.body, theirs.body)
    assert mine.warnings == theirs.warnings
    found = set(differences(plain(mine.body), plain(theirs.body)))
    assert found - DIFFERS.get(kind, set()) == set(), (mine.body, theirs.body)


TABLE = {"Accept": "application/json;as=Table;v=v1;g=meta.k8s.io,application/json"}


@pytest.mark.parametrize("case", [*NAMESPACED, *CLUSTER], ids=lambda case: case[2])
def test_a_table_is_the_same_on_both(
    both: tuple[Client, Client], unique: str, case: tuple[str, str, str, Json]
) -> None:
    """Columns with their descriptions, and the cells of an object that nobody has touched."""
    api_version, plural, kind, body = case
    root = "/api/v1" if api_version == "v1" else f"/apis/{api_version}"
    path = f"{root}/namespaces/default/{plural}" if case in NAMESPACED else f"{root}/{plural}"
    sent = {"apiVersion": api_version, "kind": kind, "metadata": {"name": unique}, **body}
    target = f"{path}?dryRun=All&includeObject=None"
    mine, theirs = (client.request("POST", target, sent, headers=TABLE) for client in both)
    assert mine.must(201)["columnDefinitions"] == theirs.must(201)["columnDefinitions"]
    found, wanted = (plain(answer.body["rows"][0]["cells"]) for answer in (mine, theirs))
    own = {at for at, column in enumerate(mine.body["columnDefinitions"]) if column["name"] in CELLS_OF_ITS_OWN}
    for at, (cell, real) in enumerate(zip(found, wanted, strict=True)):
        assert type(cell) is type(real)
        assert at in own or cell == real, mine.body["columnDefinitions"][at]["name"]


CELLS_OF_ITS_OWN = {"Age", "Cluster-IP", "Created At"}
