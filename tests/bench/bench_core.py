"""How fast the pure core judges and compares: ``python -m tests.bench.bench_core``.

One thread, objects already decoded. Wanted: 100,000 objects judged a second, 3,000 by Lua; 20,000 comparisons a second
of a 3 KB Deployment with five differences, deepdiff's figure beside it.
"""

from __future__ import annotations

import json
import time
from collections.abc import Callable
from typing import Any

from deepdiff import DeepDiff

from backends.jq import JqWorker
from fleetui.diff import compare, is_modified, jq, mask, merge, normalize, object_diff, rows
from fleetui.health import AppMember, aggregate, assess, load_customizations
from fleetui.model.objects import ref_of

SECONDS = 0.7
"""How long each measurement runs, three times; the best counts."""

SCRIPT = """
for _, condition in ipairs(obj.status.conditions) do
  if condition.type == "Ready" and condition.status == "True" then
    return {status = "Healthy", message = condition.message}
  end
end
return {status = "Progressing", message = "waiting"}
"""

Obj = dict[str, Any]

CLAIM: Obj = {
    "apiVersion": "acme.io/v1",
    "kind": "Database",
    "metadata": {"name": "orders", "namespace": "shop", "generation": 2},
    "spec": {"size": "small", "region": "eu", "version": 17},
    "status": {
        "observedGeneration": 2,
        "conditions": [
            {"type": "Synced", "status": "True", "reason": "ReconcileSuccess"},
            {"type": "Ready", "status": "True", "reason": "Available", "message": "up"},
        ],
    },
}


def main() -> None:
    live, desired = deployment(), with_five_differences(deployment())
    print(f"a Deployment of {len(json.dumps(live))} bytes, {len(compare(desired, live))} differences\n")
    kinds = [live, pod(), service(), job(), stateful_set()]
    show("assess, five kinds in turn", lambda: [assess(obj) for obj in kinds], each=len(kinds))
    show("assess, by conditions alone", lambda: assess(CLAIM))
    scripts = load_customizations(config={"resource.customizations.health.acme.io_Database": SCRIPT})
    show("assess, by a Lua script", lambda: assess(CLAIM, scripts))
    members = [AppMember(ref_of(live), present=True, health=assess(live))] * 100
    show("aggregate, 100 objects", lambda: aggregate(members))
    equal = deployment()
    show("compare, equal", lambda: compare(equal, live, managed_fields=()))
    show("compare, five differences", lambda: compare(desired, live, managed_fields=()))
    show("  with blame", lambda: compare(desired, live))
    show("  DeepDiff", lambda: DeepDiff(live, desired))
    query = jq.parse('.spec.template.spec.containers[] | select(.name == "web") | .image')
    assert query is not None
    show("jq path, nothing removed", lambda: jq.paths(query, desired))
    worker = JqWorker()
    computes = '.spec.template.spec.containers[] | select(.name | test("^web")) | .image'
    show("  by jq, in the other process", lambda: worker.paths(computes, desired))
    worker.close()
    show("normalize", lambda: normalize(live))
    show("is_modified, equal", lambda: is_modified(equal, live))
    show("merge, three-way offline", lambda: merge(desired, live))
    show("object_diff, from raw to Changes", lambda: object_diff(desired, live))
    diff = object_diff(desired, live)[0]
    show("rows for the diff screen", lambda: rows(diff))
    masked = secret("a"), secret("b")
    show("mask, a Secret of ten values", lambda: mask(*masked))


def show(name: str, work: Callable[[], object], *, each: int = 1) -> None:
    best = max(rate(work) for _ in range(3)) * each
    print(f"{name:36} {1e6 / best:9.1f} us {best:11,.0f} a second")


def rate(work: Callable[[], object]) -> float:
    """How often a second `work` runs."""
    count, start = 0, time.perf_counter()
    while (elapsed := time.perf_counter() - start) < SECONDS / 3:
        for _ in range(10):
            work()
        count += 10
    return count / elapsed


# --- what is judged and compared ------------------------------------------------------------------------------------


def parsed(obj: Obj) -> Obj:
    """The object as it comes from a server: no string shared with any other."""
    result: Obj = json.loads(json.dumps(obj))
    return result


def deployment() -> Obj:
    meta = {
        "name": "payments-api",
        "namespace": "payments-prod",
        "generation": 4,
        "labels": {"app": "payments", "team": "core", "tier": "backend"},
        "annotations": {"argocd.argoproj.io/tracking-id": "payments:apps/Deployment:payments-prod/payments-api"},
        "managedFields": [
            {
                "manager": "argocd-controller",
                "operation": "Apply",
                "time": "2026-01-01T00:00:00Z",
                "fieldsV1": {"f:spec": {"f:replicas": {}, "f:template": {"f:spec": {"f:containers": {}}}}},
            },
            {
                "manager": "kubectl-edit",
                "operation": "Update",
                "time": "2026-01-02T00:00:00Z",
                "fieldsV1": {"f:metadata": {"f:labels": {"f:tier": {}}}},
            },
        ],
    }
    spec = {
        "replicas": 3,
        "revisionHistoryLimit": 10,
        "progressDeadlineSeconds": 600,
        "selector": {"matchLabels": {"app": "payments"}},
        "strategy": {"type": "RollingUpdate", "rollingUpdate": {"maxSurge": "25%", "maxUnavailable": "25%"}},
        "template": {"metadata": {"labels": {"app": "payments", "version": "v1"}}, "spec": pod_spec()},
    }
    status = {
        "observedGeneration": 4,
        "replicas": 3,
        "updatedReplicas": 3,
        "readyReplicas": 3,
        "availableReplicas": 3,
        "conditions": [{"type": "Progressing", "status": "True", "reason": "NewReplicaSetAvailable"}],
    }
    return parsed({"apiVersion": "apps/v1", "kind": "Deployment", "metadata": meta, "spec": spec, "status": status})


def pod_spec() -> Obj:
    probe = {"periodSeconds": 10, "timeoutSeconds": 1, "successThreshold": 1, "failureThreshold": 3}
    container = {
        "name": "api",
        "image": "registry.example.com/payments/api:1.98",
        "imagePullPolicy": "IfNotPresent",
        "args": ["--port=8080", "--log=info", "--region=eu"],
        "env": [
            *({"name": f"SETTING_{number}", "value": f"value-{number}"} for number in range(8)),
            {"name": "PASSWORD", "valueFrom": {"secretKeyRef": {"name": "payments-db", "key": "password"}}},
        ],
        "ports": [
            {"name": "http", "containerPort": 8080, "protocol": "TCP"},
            {"name": "metrics", "containerPort": 9090, "protocol": "TCP"},
        ],
        "resources": {
            "limits": {"cpu": "500m", "memory": "512Mi"},
            "requests": {"cpu": "100m", "memory": "128Mi"},
        },
        "livenessProbe": {"httpGet": {"path": "/healthz", "port": "http", "scheme": "HTTP"}, **probe},
        "readinessProbe": {"httpGet": {"path": "/ready", "port": "http", "scheme": "HTTP"}, **probe},
        "volumeMounts": [
            {"name": "config", "mountPath": "/etc/app", "readOnly": True},
            {"name": "tmp", "mountPath": "/tmp"},
        ],
        "terminationMessagePath": "/dev/termination-log",
        "terminationMessagePolicy": "File",
        "securityContext": {"allowPrivilegeEscalation": False, "capabilities": {"drop": ["ALL"]}},
    }
    return {
        "containers": [container],
        "volumes": [
            {"name": "config", "configMap": {"name": "settings", "defaultMode": 420}},
            {"name": "tmp", "emptyDir": {}},
        ],
        "restartPolicy": "Always",
        "dnsPolicy": "ClusterFirst",
        "schedulerName": "default-scheduler",
        "securityContext": {"runAsNonRoot": True},
        "serviceAccountName": "payments",
        "terminationGracePeriodSeconds": 30,
    }


def with_five_differences(obj: Obj) -> Obj:
    container = obj["spec"]["template"]["spec"]["containers"][0]
    container["image"] = "registry.example.com/payments/api:1.99"
    container["env"].insert(2, {"name": "NEW", "value": "1"})
    del container["resources"]["limits"]["cpu"]
    obj["spec"]["replicas"] = 5
    obj["metadata"]["labels"]["tier"] = "front"
    return obj


def pod() -> Obj:
    status = {"phase": "Running", "conditions": [{"type": "Ready", "status": "True"}], "containerStatuses": [{}, {}]}
    spec = {"restartPolicy": "Always"}
    return parsed({"apiVersion": "v1", "kind": "Pod", "metadata": {"name": "p"}, "spec": spec, "status": status})


def service() -> Obj:
    spec = {"type": "ClusterIP"}
    return parsed({"apiVersion": "v1", "kind": "Service", "metadata": {"name": "s"}, "spec": spec})


def job() -> Obj:
    status = {"conditions": [{"type": "Complete", "status": "True"}]}
    return parsed({"apiVersion": "batch/v1", "kind": "Job", "metadata": {"name": "j"}, "status": status})


def stateful_set() -> Obj:
    status = {"observedGeneration": 1, "readyReplicas": 3, "updateRevision": "a", "currentRevision": "a"}
    spec = {"replicas": 3, "updateStrategy": {"type": "RollingUpdate"}}
    meta = {"name": "db", "generation": 1}
    return parsed({"apiVersion": "apps/v1", "kind": "StatefulSet", "metadata": meta, "spec": spec, "status": status})


def secret(salt: str) -> Obj:
    data = {f"key-{number}": f"{salt}{number}" for number in range(10)}
    return parsed({"apiVersion": "v1", "kind": "Secret", "metadata": {"name": "s"}, "data": data})


if __name__ == "__main__":
    main()
