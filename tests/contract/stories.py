"""More conversations: objects, lists, watches.

Owns: `ALL`, as `conversations` owns those about rights.
"""

from __future__ import annotations

from typing import Any

from tests.contract.conversations import (
    CONFIGMAPS,
    DEPLOYMENTS,
    JOBS,
    POD_SPEC,
    PODS,
    ROLES,
    SECRETS,
    SERVICES,
    TEMPLATE,
    Json,
    Step,
    configmap,
    delete,
    deployment,
    get,
    patch,
    post,
    put,
)

TABLE = (("Accept", "application/json;as=Table;v=v1;g=meta.k8s.io,application/json"),)
PARTIAL = (("Accept", "application/json;as=PartialObjectMetadata;v=v1;g=meta.k8s.io,application/json"),)
PARTIALS = (("Accept", "application/json;as=PartialObjectMetadataList;v=v1;g=meta.k8s.io,application/json"),)
A = f"{CONFIGMAPS}/a"
OWN = "labelSelector=own"
"""Selects what a conversation made, which the controllers' kube-root-ca.crt is not.

A list without a version comes before each that may be answered from a cache: the real server then fills that first.
"""


def own(name: str, **data: str) -> Json:
    body = configmap(name, **data)
    return body | {"metadata": {"name": name, "labels": {"own": ""}}}


def secret(name: str) -> Json:
    return {"metadata": {"name": name, "labels": {"own": ""}}, "data": {"a": "MQ=="}}


def service(name: str, **spec: Any) -> Json:
    return {"metadata": {"name": name}, "spec": {"selector": {"a": "b"}, "ports": [{"port": 80}]} | spec}


def job(name: str, **spec: Any) -> Json:
    body: Json = {"suspend": True, "template": {"spec": POD_SPEC | {"restartPolicy": "Never"}}}
    return {"metadata": {"name": name}, "spec": body | spec}


def applied(name: str, data: Json | None = None, **metadata: Any) -> Json:
    head: Json = {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": name, **metadata}}
    return head if data is None else head | {"data": data}


DRY = "dryRun=All"
OBJECTS: dict[str, list[Step]] = {
    "names": [
        post(CONFIGMAPS, configmap("Bad_Name")),
        post(CONFIGMAPS, configmap("a" * 254)),
        post(CONFIGMAPS, configmap("")),
        post(CONFIGMAPS, configmap("a..b")),
        post(SERVICES, service("1a")),
        post(SERVICES, service("a" * 64)),
        post("/api/v1/namespaces", {"metadata": {"name": "a.b"}}),
        post(ROLES, {"metadata": {"name": "a/b"}}),
        post(ROLES, {"metadata": {"name": "system:a"}}),
        post(PODS, {"metadata": {"name": "A"}, "spec": POD_SPEC}),
        post(CONFIGMAPS, {"metadata": {"generateName": "Bad_"}}),
        post(CONFIGMAPS, {"metadata": {"name": "a", "labels": {"-": "b"}}}),
        post(CONFIGMAPS, {"metadata": {"name": "a", "labels": {"c": "d e"}}}),
        post(CONFIGMAPS, {"metadata": {"name": "a", "annotations": {"a b": "c"}}}),
        post(CONFIGMAPS, {"metadata": {"name": "a", "finalizers": ["nodomain"]}}),
        post(CONFIGMAPS, {"metadata": {"name": "a", "finalizers": ["foregroundDeletion", "orphan"]}}),
        post(CONFIGMAPS, {"metadata": {"name": "a", "ownerReferences": [{"kind": "Pod", "name": "p"}]}}),
        post(CONFIGMAPS, {"metadata": {"name": "a", "namespace": "other"}}),
        post(CONFIGMAPS, {"metadata": {"name": "a", "resourceVersion": "5"}}),
        post(CONFIGMAPS, {"metadata": {"name": "a", "uid": "x"}}),
        put(A, {"data": {}}),
        put(A, configmap("b")),
        put(A, configmap("a")),
    ],
    "what may not change": [
        post(SECRETS, {"metadata": {"name": "s"}, "immutable": True, "data": {"a": "YQ=="}}),
        patch("merge", f"{SECRETS}/s", {"data": {"a": "Yg=="}}),
        patch("merge", f"{SECRETS}/s", {"immutable": False}),
        patch("merge", f"{SECRETS}/s", {"type": "other"}),
        post(CONFIGMAPS, configmap("a") | {"immutable": True}),
        patch("merge", A, {"data": {"a": "2"}}),
        patch("merge", A, {"immutable": None}),
        post(SERVICES, service("s")),
        patch("merge", f"{SERVICES}/s", {"spec": {"clusterIP": "10.0.0.99"}}),
        patch("merge", f"{SERVICES}/s", {"spec": {"clusterIP": None}}),
        patch("merge", f"{SERVICES}/s", {"spec": {"ports": [{"port": 0}]}}),
        patch("merge", f"{SERVICES}/s", {"spec": {"ports": [{"port": 80}, {"port": 81}]}}),
        post(JOBS, job("j")),
        patch("merge", f"{JOBS}/j", {"spec": {"completions": 5}}),
        patch("merge", f"{JOBS}/j", {"spec": {"template": {"metadata": {"labels": {"a": "b"}}}}}),
        patch("merge", f"{JOBS}/j", {"spec": {"selector": {"matchLabels": {"a": "b"}}}}),
        post(DEPLOYMENTS, deployment("d", paused=True)),
        patch("merge", f"{DEPLOYMENTS}/d?{DRY}", {"spec": {"selector": {"matchLabels": {"a": "b"}}}}),
        patch("merge", f"{DEPLOYMENTS}/d?{DRY}", {"metadata": {"uid": "x"}}),
        patch("merge", f"{DEPLOYMENTS}/d?{DRY}", {"metadata": {"name": "x"}}),
        patch("merge", f"{DEPLOYMENTS}/d?{DRY}", {"metadata": {"namespace": "x"}}),
        post("/apis/apps/v1/namespaces/NS/statefulsets", {
            "metadata": {"name": "s"},
            "spec": {"replicas": 0, "serviceName": "x", "selector": {"matchLabels": {"app": "web"}},
                     "template": TEMPLATE}}),
        patch("merge", "/apis/apps/v1/namespaces/NS/statefulsets/s?dryRun=All", {"spec": {"serviceName": "y"}}),
    ],
    "what makes no sense": [
        post(DEPLOYMENTS, deployment("d", replicas=-1)),
        post(DEPLOYMENTS, deployment("d", selector={"matchLabels": {"app": "other"}})),
        post(DEPLOYMENTS, deployment("d", selector=None)),
        post(DEPLOYMENTS, deployment("d", template=None)),
        post(DEPLOYMENTS, deployment("d", template={"metadata": {"labels": {"app": "web"}}, "spec": {}})),
        post(DEPLOYMENTS, deployment("d", strategy={"type": "Recreate", "rollingUpdate": {"maxSurge": 1}})),
        post(DEPLOYMENTS, deployment("d", strategy={"type": "Nonsense"})),
        post(DEPLOYMENTS, deployment("d", strategy={"rollingUpdate": {"maxSurge": 0, "maxUnavailable": 0}})),
        post(PODS, {"metadata": {"name": "p"}, "spec": {}}),
        post(PODS, {"metadata": {"name": "p"}, "spec": {"containers": [{"name": "A", "image": "x"}]}}),
        post(PODS, {"metadata": {"name": "p"}, "spec": {"containers": [{"name": "a"}]}}),
        post(PODS, {"metadata": {"name": "p"}, "spec": {"containers": [
            {"name": "a", "image": "x"}, {"name": "a", "image": "x"}]}}),
        post(PODS, {"metadata": {"name": "p"}, "spec": {"containers": [
            {"name": "a", "image": "x", "ports": [{"containerPort": 70000}]}]}}),
        post(SERVICES, service("s", ports=[])),
        post(SERVICES, service("s", ports=[{"port": 70000}])),
        post(SERVICES, service("s", type="Nonsense")),
        post(SERVICES, service("s", clusterIP="nonsense")),
        post(JOBS, job("j", template={"spec": POD_SPEC})),
        post(JOBS, job("j", template={"spec": POD_SPEC | {"restartPolicy": "Always"}})),
        post("/apis/batch/v1/namespaces/NS/cronjobs", {"metadata": {"name": "c"}, "spec": {
            "schedule": "nonsense", "jobTemplate": {"spec": {"template": {
                "spec": POD_SPEC | {"restartPolicy": "Never"}}}}}}),
        post("/apis/networking.k8s.io/v1/namespaces/NS/ingresses", {"metadata": {"name": "i"}, "spec": {}}),
        post("/apis/autoscaling/v2/namespaces/NS/horizontalpodautoscalers", {"metadata": {"name": "h"}, "spec": {
            "maxReplicas": 0, "scaleTargetRef": {"kind": "Deployment", "name": "x"}}}),
        post(ROLES, {"metadata": {"name": "r"}, "rules": [{"verbs": []}]}),
        post(ROLES, {"metadata": {"name": "r"}, "rules": [
            {"verbs": ["get"], "nonResourceURLs": ["/x"]}]}),
        post(SECRETS, {"metadata": {"name": "s"}, "data": {"a b": "YQ=="}}),
        post(SECRETS, {"metadata": {"name": "s"}, "data": {"a": "not base64"}}),
        post(CONFIGMAPS, {"metadata": {"name": "a"}, "data": {"a": 1}}),
        post(CONFIGMAPS, {"metadata": {"name": "a"}, "data": {"a": "1"}, "binaryData": {"a": "YQ=="}}),
    ],
    "unknown and duplicate fields": [
        post(f"{CONFIGMAPS}?fieldValidation=Strict", configmap("a") | {"nonsense": 1}),
        post(f"{CONFIGMAPS}?fieldValidation=Warn&{DRY}", configmap("a") | {"nonsense": 1}),
        post(f"{CONFIGMAPS}?fieldValidation=Ignore&{DRY}", configmap("a") | {"nonsense": 1}),
        post(f"{CONFIGMAPS}?fieldValidation=Nonsense", configmap("a")),
        post(f"{CONFIGMAPS}?dryRun=Nonsense", configmap("a")),
        post(f"{CONFIGMAPS}?fieldManager={'m' * 129}", configmap("a")),
    ],
    "dry runs": [
        post(f"{CONFIGMAPS}?{DRY}", configmap("a")),
        get(A),
        post(CONFIGMAPS, configmap("a")),
        put(f"{A}?{DRY}", configmap("a", a="2")),
        patch("merge", f"{A}?{DRY}", {"data": {"a": "3"}}),
        delete(f"{A}?{DRY}"),
        get(A),
        delete(A, {"dryRun": ["All"]}),
        delete(A, {"dryRun": ["Some"]}),
        delete(f"{CONFIGMAPS}?{OWN}&{DRY}"),
    ],
}  # fmt: skip

LISTS: dict[str, list[Step]] = {
    "pages and versions": [
        *(post(SECRETS, secret(name)) for name in "abcde"),
        get(f"{SECRETS}?{OWN}&limit=2"),
        post(SECRETS, secret("aa")),
        get(f"{SECRETS}?{OWN}&limit=2&continue=TOKEN"),
        get(f"{SECRETS}?{OWN}&limit=2&continue=TOKEN"),
        get(f"{SECRETS}?{OWN}"),
        get(f"{SECRETS}?{OWN}&resourceVersion=0"),
        delete(f"{SECRETS}/a"),
        get(f"{SECRETS}?{OWN}"),
    ],
    "a version exactly": [
        post(SECRETS, secret("a")),
        get(f"{SECRETS}?{OWN}"),
        post(SECRETS, secret("b")),
        get(f"{SECRETS}?{OWN}&limit=1"),
        delete(f"{SECRETS}/b"),
        get(f"{SECRETS}?{OWN}&resourceVersion=VERSION&resourceVersionMatch=Exact"),
        get(f"{SECRETS}?{OWN}&resourceVersion=VERSION&resourceVersionMatch=Exact&limit=1"),
        get(f"{SECRETS}?{OWN}&resourceVersion=VERSION&resourceVersionMatch=NotOlderThan"),
        get(f"{SECRETS}?{OWN}&resourceVersion=VERSION&resourceVersionMatch=NotOlderThan&limit=1"),
        get(f"{SECRETS}?{OWN}"),
        get(f"{SECRETS}?{OWN}&resourceVersion=0&resourceVersionMatch=NotOlderThan"),
        get(f"{SECRETS}/a?resourceVersion=0"),
        get(f"{SECRETS}/a?resourceVersion=VERSION"),
    ],
    "parameters that do not go together": [
        get(f"{CONFIGMAPS}?resourceVersionMatch=Exact"),
        get(f"{CONFIGMAPS}?resourceVersion=0&resourceVersionMatch=Exact"),
        get(f"{CONFIGMAPS}?resourceVersion=1&resourceVersionMatch=Nonsense"),
        get(f"{CONFIGMAPS}?resourceVersion=nonsense"),
        get(f"{CONFIGMAPS}?limit=nonsense"),
        get(f"{CONFIGMAPS}?limit=-1&{OWN}"),
        get(f"{CONFIGMAPS}?continue=nonsense"),
        get(f"{CONFIGMAPS}?continue=nonsense&resourceVersion=5"),
        get(f"{CONFIGMAPS}?sendInitialEvents=true"),
        get(f"{CONFIGMAPS}?watch=true&sendInitialEvents=true&timeoutSeconds=1"),
        get(f"{CONFIGMAPS}?watch=true&sendInitialEvents=true&resourceVersionMatch=Exact"),
        get(f"{CONFIGMAPS}?watch=true&resourceVersionMatch=NotOlderThan&timeoutSeconds=1"),
        get(f"{CONFIGMAPS}?watch=true&timeoutSeconds=1&limit=nonsense"),
        get(f"{CONFIGMAPS}?labelSelector=a+in"),
        get(f"{CONFIGMAPS}?fieldSelector=data.a%3Db"),
        get(f"{PODS}?fieldSelector=spec.nonsense%3Db"),
        get(f"{A}?resourceVersion=nonsense"),
        delete(f"{CONFIGMAPS}?labelSelector=a+in"),
    ],
    "forms": [
        post(SECRETS, secret("a")),
        get(f"{SECRETS}/a", headers=TABLE),
        get(f"{SECRETS}?{OWN}", headers=TABLE),
        get(f"{SECRETS}?{OWN}&includeObject=None", headers=TABLE),
        get(f"{SECRETS}?{OWN}&includeObject=Object", headers=TABLE),
        get(f"{SECRETS}?{OWN}&includeObject=Nonsense", headers=TABLE),
        get(f"{SECRETS}?{OWN}&limit=1", headers=TABLE),
        get(f"{SECRETS}/a", headers=PARTIAL),
        get(f"{SECRETS}?{OWN}", headers=PARTIALS),
        get(f"{SECRETS}?{OWN}", headers=PARTIAL),
        get(f"{SECRETS}/a", headers=PARTIALS),
        get(f"{SECRETS}/a", headers=(("Accept", "text/html"),)),
        get(f"{SECRETS}/a", headers=(("Accept", "application/vnd.kubernetes.protobuf;as=Nonsense,application/json"),)),
        patch("merge", f"{SECRETS}/a", {"stringData": {"b": "2"}}, headers=PARTIAL),
    ],
}

WATCH = f"{SECRETS}?watch=true&timeoutSeconds=1"
WATCHES: dict[str, list[Step]] = {
    "a watch from a version": [
        post(SECRETS, secret("a")),
        get(f"{SECRETS}?{OWN}"),
        post(SECRETS, secret("b")),
        patch("merge", f"{SECRETS}/a", {"metadata": {"labels": {"own": None}}}),
        patch("merge", f"{SECRETS}/a", {"metadata": {"labels": {"own": ""}}}),
        patch("merge", f"{SECRETS}/b", {"metadata": {"labels": {"x": "y"}}}),
        delete(f"{SECRETS}/b"),
        get(f"{WATCH}&{OWN}&resourceVersion=LISTED"),
        get(f"{WATCH}&resourceVersion=LISTED", headers=PARTIAL),
    ],
    "a watch from the beginning": [
        post(SECRETS, secret("a")),
        post(SECRETS, secret("b")),
        get(f"{SECRETS}?{OWN}"),
        get(f"{WATCH}&{OWN}"),
        get(f"{WATCH}&{OWN}&resourceVersion=0"),
        get(f"{WATCH}&fieldSelector=metadata.name%3Db"),
        get(f"{WATCH}&{OWN}&includeObject=None", headers=TABLE),
        get(f"{WATCH}&{OWN}", headers=PARTIAL),
        get(f"{WATCH}&{OWN}&sendInitialEvents=true&resourceVersionMatch=NotOlderThan&allowWatchBookmarks=true"),
        get(f"{WATCH}&{OWN}&sendInitialEvents=true&resourceVersionMatch=NotOlderThan&allowWatchBookmarks=true",
            headers=PARTIAL),
        get(f"{WATCH}&{OWN}&sendInitialEvents=true&resourceVersionMatch=NotOlderThan"),
        get(f"{WATCH}&{OWN}&sendInitialEvents=false&resourceVersionMatch=NotOlderThan&resourceVersion=VERSION"),
        get(f"{WATCH}&{OWN}&resourceVersion=nonsense"),
        get(f"{WATCH}&{OWN}&timeoutSeconds=nonsense"),
    ],
}  # fmt: skip

ALL = {**OBJECTS, **LISTS, **WATCHES}
