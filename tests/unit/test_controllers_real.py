"""The embedded controllers against kube-controller-manager: the same manifests come out the same.

Compared field by field: metadata, spec and status of workloads and of what they made, field managers, Events. Left
out: times, identities and hashes, and what a kubelet says, since the control plane of the tests has no real one either.
"""

from __future__ import annotations

import json
import re
import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from backends.embedded.cluster import EmbeddedCluster
from backends.embedded.controllers.manager import Controllers
from backends.embedded.controllers.world import Timing
from backends.embedded.thread import EmbeddedHost
from tests.controlplane.server import ControlPlane

pytestmark = pytest.mark.real

Obj = dict[str, Any]
Kubectl = Callable[..., str]

KINDS = "deployments,replicasets,statefulsets,jobs,controllerrevisions,poddisruptionbudgets"
SPECS = """
apiVersion: apps/v1
kind: Deployment
metadata: {name: web, annotations: {team: shop}}
spec:
  replicas: 2
  selector: {matchLabels: {app: web}}
  template:
    metadata: {labels: {app: web}}
    spec: {containers: [{name: c, image: example/web}]}
---
apiVersion: apps/v1
kind: Deployment
metadata: {name: broken}
spec:
  progressDeadlineSeconds: 1
  selector: {matchLabels: {app: broken}}
  template:
    metadata: {labels: {app: broken}}
    spec: {containers: [{name: c, image: "example/broken:never-starts"}]}
---
apiVersion: apps/v1
kind: StatefulSet
metadata: {name: db}
spec:
  replicas: 2
  serviceName: db
  selector: {matchLabels: {app: db}}
  template:
    metadata: {labels: {app: db}}
    spec: {containers: [{name: c, image: example/db}]}
---
apiVersion: batch/v1
kind: Job
metadata: {name: good}
spec: {template: {spec: {restartPolicy: Never, containers: [{name: c, image: example/job}]}}}
---
apiVersion: batch/v1
kind: Job
metadata: {name: bad}
spec: {backoffLimit: 0, template: {spec: {restartPolicy: Never, containers: [{name: c, image: "example/job:fails"}]}}}
---
apiVersion: batch/v1
kind: Job
metadata: {name: held}
spec: {suspend: true, template: {spec: {restartPolicy: Never, containers: [{name: c, image: example/job}]}}}
---
apiVersion: policy/v1
kind: PodDisruptionBudget
metadata: {name: web}
spec: {minAvailable: 1, selector: {matchLabels: {app: web}}}
"""

WAITS = (
    ("rollout", "status", "deployment/web"),
    ("rollout", "status", "statefulset/db"),
    (
        "wait",
        "--for=jsonpath={.status.conditions[?(@.reason=='ProgressDeadlineExceeded')].status}=False",
        "deploy/broken",
    ),
    ("wait", "--for=condition=Complete", "job/good"),
    ("wait", "--for=condition=Failed", "job/bad"),
    ("wait", "--for=condition=Suspended", "job/held"),
    ("wait", "--for=jsonpath={.status.disruptionsAllowed}=1", "pdb/web"),
)
STORY: tuple[tuple[str, ...], ...] = (
    ("set", "image", "deployment/web", "c=example/web:2"),
    ("rollout", "status", "deployment/web"),
    (
        "wait",
        "--for=jsonpath={.status.conditions[?(@.type=='Progressing')].reason}=NewReplicaSetAvailable",
        "deploy/web",
    ),
    ("scale", "deployment/web", "--replicas=3"),
    ("rollout", "status", "deployment/web"),
    ("set", "image", "statefulset/db", "c=example/db:2"),
    ("rollout", "status", "statefulset/db"),
    ("wait", "--for=jsonpath={.status.currentReplicas}=2", "statefulset/db"),
    ("rollout", "pause", "deployment/web"),
    ("wait", "--for=jsonpath={.status.conditions[?(@.type=='Progressing')].reason}=DeploymentPaused", "deploy/web"),
    ("wait", "--for=jsonpath={.status.disruptionsAllowed}=2", "pdb/web"),
)


@pytest.fixture
def embedded(tmp_path: Path) -> Iterator[Kubectl]:
    """kubectl on an embedded cluster with its controllers."""
    cluster = EmbeddedCluster("embedded")
    with EmbeddedHost([cluster]) as host:
        controllers = Controllers(cluster.store, cluster="embedded", timing=Timing.immediate())
        host.run(controllers.start)
        config = host.kubeconfig(tmp_path / "kubeconfig")

        def run(*arguments: str, text: str | None = None) -> str:
            command = ["kubectl", "--kubeconfig", str(config), *arguments]
            return subprocess.run(command, input=text, capture_output=True, text=True, check=True).stdout

        yield run
        host.run(controllers.stop)


def played(kubectl: Kubectl, namespace: str) -> tuple[dict[str, Any], list[str]]:
    """The objects and the Events after the story, without what can't be the same."""
    scope = ("-n", namespace)
    kubectl("apply", "-f", "-", *scope, text=SPECS)
    for step in (*WAITS, *STORY):
        timeout = () if step[0] in {"set", "scale"} or step[1] == "pause" else ("--timeout=30s",)
        kubectl(*step, *scope, *timeout)
    listed = json.loads(kubectl("get", KINDS, *scope, "-o", "json", "--show-managed-fields"))
    events = json.loads(kubectl("get", "events", *scope, "-o", "json"))
    objects = {identity(obj): plain(obj) for obj in listed["items"]}
    told = {f"{event['type']} {event['reason']} {event['involvedObject']['kind']} {event['message']}"
            for event in events["items"] if event["involvedObject"]["kind"] != "Pod"}  # fmt: skip
    return objects, sorted({nameless(text) for text in told})


def identity(obj: Obj) -> str:
    name = obj["metadata"]["name"]
    if obj["kind"] == "ReplicaSet":
        name = obj["spec"]["template"]["spec"]["containers"][0]["image"]
    elif obj["kind"] == "ControllerRevision":
        name = str(obj["revision"])
    return f"{obj['kind']} {name}"


STORE = re.compile(r"\.Job \w+\.metadata\.managedFields|\.StatefulSet \w+\.spec\.updateStrategy\.rollingUpdate\.maxU")
"""What the store defaults otherwise than kube-apiserver: no matter of the controllers."""
LEFT_OUT = {"uid", "resourceVersion", "creationTimestamp", "time"}


def plain(node: Any) -> Any:
    """JSON without times and identities, hashes in names replaced."""
    if isinstance(node, dict):
        if "manager" in node:
            return f"{node['manager']} {node['operation']} {node.get('subresource', '')} {sorted(node['fieldsV1'])}"
        kept = {nameless(key): value for key, value in node.items() if key not in LEFT_OUT and not key.endswith("Time")}
        return {key: plain(value) for key, value in kept.items() if not key.endswith("-uid")}
    if isinstance(node, list):
        found = [plain(each) for each in node]
        return sorted(found) if found and all(isinstance(each, str) for each in found) else found
    return nameless(node) if isinstance(node, str) else node


def nameless(text: str) -> str:
    """Text without generated names: `web-5886d967cf-b4rgv` becomes `web-#-#`."""
    text = re.sub(r"\b[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}\b", "UID", text)
    text = re.sub(r"^[456789bcdf]{8,10}$", "#", text)
    return re.sub(r"-(?:[456789bcdf]{8,10}|[bcdfghjklmnpqrstvwxz2456789]{5})\b", "-#", text)


def differences(real: Any, ours: Any, path: str = "") -> Iterator[str]:
    if isinstance(real, dict) and isinstance(ours, dict):
        for key in sorted({*real, *ours}):
            yield from differences(real.get(key), ours.get(key), f"{path}.{key}")
    elif isinstance(real, list) and isinstance(ours, list) and len(real) == len(ours):
        for index, pair in enumerate(zip(real, ours, strict=True)):
            yield from differences(*pair, f"{path}[{index}]")
    elif real != ours:
        yield f"{path}: real {real!r}, embedded {ours!r}"


def test_workloads_come_out_as_under_kube_controller_manager(
    control_plane: ControlPlane, namespace: str, embedded: Kubectl
) -> None:
    def real(*arguments: str, text: str | None = None) -> str:
        return control_plane.kubectl(*arguments, input=text).stdout

    body = {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": namespace}}
    embedded("apply", "-f", "-", text=json.dumps(body))
    theirs, their_events = played(real, namespace)
    ours, our_events = played(embedded, namespace)
    found = [text for text in differences(theirs, ours) if not STORE.match(text)]
    assert found == []
    assert our_events == their_events
