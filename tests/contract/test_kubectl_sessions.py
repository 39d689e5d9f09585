"""The same kubectl sessions against an embedded cluster and a real one: kubectl prints the same.

Both with their controllers, both with the kubectl of the server's version. What is each cluster's own is masked: ages,
addresses, generated names.
"""

from __future__ import annotations

import os
import re
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.controlplane.build import Assets
from tests.controlplane.server import ControlPlane
from tests.e2e.embedded_plane import EmbeddedPlane
from tests.waiting import wait_until

pytestmark = pytest.mark.real

APP = """\
apiVersion: apps/v1
kind: Deployment
metadata: {name: web, labels: {set: a}}
spec:
  replicas: 1
  selector: {matchLabels: {app: web}}
  template:
    metadata: {labels: {app: web}}
    spec:
      containers:
      - {name: web, image: "nginx:1.27", ports: [{containerPort: 80}]}
---
apiVersion: v1
kind: Service
metadata: {name: web, labels: {set: a}}
spec:
  selector: {app: web}
  ports: [{port: 80}]
"""
LIST = """\
apiVersion: v1
kind: List
items:
- {apiVersion: v1, kind: ConfigMap, metadata: {name: l1, labels: {set: b}}, data: {a: "1"}}
- {apiVersion: v1, kind: ConfigMap, metadata: {name: l2, labels: {set: b}}, data: {a: "1"}}
"""
FILES = {
    "app.yaml": APP,
    "app2.yaml": APP.replace("1.27", "1.28"),
    "list.yaml": LIST,
    "list1.yaml": "\n".join(LIST.splitlines()[:-1]) + "\n",
    "bad.yaml": LIST.replace("data: {a", "datta: {a"),
    "kustomization.yaml": "namePrefix: k-\nresources: [list.yaml]\n",
    "role.yaml": """\
apiVersion: rbac.authorization.k8s.io/v1
kind: Role
metadata: {name: reader}
rules: [{apiGroups: [""], resources: [pods], verbs: [get, list]}]
""",
    "cron.yaml": """\
apiVersion: batch/v1
kind: CronJob
metadata: {name: tick}
spec:
  schedule: "0 0 1 1 *"
  jobTemplate: {spec: {template: {spec: {restartPolicy: Never, containers: [{name: a, image: busybox}]}}}}
""",
    "crd.yaml": """\
apiVersion: apiextensions.k8s.io/v1
kind: CustomResourceDefinition
metadata: {name: gadgets.NS.example.com}
spec:
  group: NS.example.com
  scope: Namespaced
  names: {plural: gadgets, singular: gadget, kind: Gadget, shortNames: [gd]}
  versions:
  - name: v1
    served: true
    storage: true
    subresources: {status: {}, scale: {specReplicasPath: .spec.size, statusReplicasPath: .status.size}}
    additionalPrinterColumns: [{name: Size, type: integer, jsonPath: .spec.size}]
    schema:
      openAPIV3Schema:
        type: object
        description: A gadget.
        properties:
          spec:
            type: object
            description: What it is to be.
            required: [size]
            properties:
              size: {type: integer, minimum: 0, description: How big.}
              color: {type: string, enum: [red, blue], default: red}
          status: {type: object, properties: {size: {type: integer}}}
""",
    "gadget.yaml": "apiVersion: NS.example.com/v1\nkind: Gadget\nmetadata: {name: g}\nspec: {size: 3}\n",
    "editor.sh": "#!/bin/sh\nsed -i -e 's/nginx:1.28/nginx:1.30/' -e 's/size: 3/size: 6/' \"$1\"\n",
}
SESSIONS = {
    "apply": """\
apply -f app.yaml
apply -f app.yaml
diff -f app2.yaml
apply -f app2.yaml
apply --server-side -f app2.yaml
apply --server-side -f app2.yaml --force-conflicts
diff --server-side -f app.yaml --force-conflicts
apply view-last-applied deployment/web
apply -f list.yaml
apply -f list.yaml
apply --prune -l set=b -f list1.yaml
apply -f bad.yaml
apply -f list.yaml --dry-run=server
replace -f list.yaml
apply -k .
diff -k .
delete -k .
edit deployment web
create -f app.yaml
get deployment web -o jsonpath={.spec.template.spec.containers[0].image}
""",
    "workloads": """\
apply -f app.yaml
rollout status deployment/web --timeout=60s
get deployments -o wide
get replicasets
get pods -o custom-columns=IMAGE:.spec.containers[*].image,PHASE:.status.phase
get pods -l app=web --show-labels
get pods --field-selector=status.phase=Running -o name
scale deployment/web --replicas=2
wait deployment/web --for=jsonpath={.status.readyReplicas}=2 --timeout=60s
scale deployment/web --current-replicas=5 --replicas=1
rollout restart deployment/web
rollout status deployment/web --timeout=60s
rollout history deployment/web
rollout undo deployment/web
rollout pause deployment/web
rollout resume deployment/web
set image deployment/web web=nginx:1.29
set env deployment/web A=B
set resources deployment/web --limits=cpu=200m
rollout status deployment/web --timeout=60s
wait deployment/web --for=condition=Available --timeout=60s
expose deployment/web --name=web2 --port=80
get service web2 --sort-by=.metadata.name
apply -f cron.yaml
create job once --from=cronjob/tick
wait job/once --for=condition=Complete --timeout=60s
get jobs,cronjobs
delete deployment web --cascade=foreground
get deployments,replicasets,pods -l app=web
""",
    "objects": """\
create configmap cm --from-literal=a=b
create secret generic s --from-literal=a=b
create serviceaccount sa
create role r --verb=get,list --resource=pods
create rolebinding rb --role=r --user=jane
create quota q --hard=pods=10
create poddisruptionbudget pdb --selector=app=web --min-available=1
create service clusterip sv --tcp=80:80
create service externalname se --external-name=a.example.com
create deployment d --image=nginx --replicas=0
create configmap cm --from-literal=a=b
run p --image=nginx --dry-run=server -o name
label configmap cm x=y
label configmap cm x=z
label configmap cm x-
annotate configmap cm note=hello
patch configmap cm -p {"data":{"c":"d"}}
patch configmap cm --type=merge -p {"data":{"c":null}}
patch configmap cm --type=json -p [{"op":"replace","path":"/data/a","value":"x"}]
scale deployment d --replicas=0
get configmap cm --show-managed-fields -o jsonpath={.metadata.managedFields[?(@.manager=="kubectl-create")].fieldsV1}
get configmap cm --show-managed-fields -o jsonpath={.metadata.managedFields[?(@.manager=="kubectl-label")].fieldsV1}
get configmap cm --show-managed-fields -o jsonpath={.metadata.managedFields[?(@.manager=="kubectl-annotate")].fieldsV1}
get configmap cm --show-managed-fields -o jsonpath={.metadata.managedFields[?(@.manager=="kubectl-patch")].fieldsV1}
describe configmap cm
describe secret s
describe role r
describe rolebinding rb
get cm,secrets,roles,rolebindings,pdb
get configmap nosuch
get nosuch
auth can-i list pods --as=jane
auth can-i delete pods --as=jane
get secrets --as=jane
get pods --as=jane -o name
auth whoami --as=jane --as-group=team
auth reconcile -f role.yaml
top pods
delete configmap,secret --all --field-selector=metadata.name!=kube-root-ca.crt
""",
    "definitions": """\
create -f crd.yaml
wait crd/gadgets.NS.example.com --for=condition=Established
? explain gadget
explain gadget.spec --recursive
explain gadget.spec.color
? explain gadget --output=plaintext-openapiv2
explain deployment.spec.template.metadata
explain pods.spec.containers.env --recursive
explain service.spec.clusterIP
apply -f gadget.yaml
get gadgets
get gd -o wide
scale gadget/g --replicas=5
get gadget g -o jsonpath={.spec}
replace -f gadget.yaml
edit gadget g
patch gadget g --type=merge -p {"spec":{"color":"green"}}
describe gadget g
delete crd gadgets.NS.example.com
get gadgets
""",
}


@pytest.fixture(scope="module")
def embedded_plane(tmp_path_factory: pytest.TempPathFactory) -> Iterator[EmbeddedPlane]:
    with EmbeddedPlane(tmp_path_factory.mktemp("embedded")) as plane:
        yield plane


@pytest.mark.timeout(300)
@pytest.mark.parametrize("name", SESSIONS)
def test_the_same_session_with_both(
    name: str,
    embedded_plane: EmbeddedPlane,
    control_plane: ControlPlane,
    control_plane_assets: Assets,
    unique: str,
    tmp_path: Path,
) -> None:
    printed = [
        session(control_plane_assets.kubectl, plane.kubeconfig(), SESSIONS[name], namespace=unique, folder=folder)
        for plane, folder in ((embedded_plane, tmp_path / "mine"), (control_plane, tmp_path / "theirs"))
    ]
    differing = [
        f"$ kubectl {command}\n{mine}\n--- instead of\n{theirs}"
        for command, mine, theirs in zip(SESSIONS[name].splitlines(), *printed, strict=True)
        if mine != theirs
    ]
    assert not differing, "\n\n".join(differing)


def session(program: str, kubeconfig: Path, commands: str, *, namespace: str, folder: Path) -> list[str]:
    """What each command printed in a namespace that is made for them, masked.

    One that begins with a question mark is tried until it works: a server publishes a schema when it gets to it.
    """
    folder.mkdir()
    for file, text in FILES.items():
        (folder / file).write_text(text.replace("NS", namespace))
        (folder / file).chmod(0o755)
    env = {"PATH": os.environ["PATH"], "HOME": str(folder), "KUBECONFIG": str(kubeconfig)}
    env["KUBE_EDITOR"] = str(folder / "editor.sh")
    kubectl = [program, "--namespace", namespace]
    subprocess.run([*kubectl, "create", "namespace", namespace], env=env, check=True, capture_output=True)
    found = []
    for command in commands.splitlines():
        arguments = [*kubectl, *command.removeprefix("? ").replace("NS", namespace).split()]
        answers: list[subprocess.CompletedProcess[str]] = []

        def run(arguments: list[str] = arguments, answers: list[Any] = answers) -> bool:
            done = subprocess.run(arguments, env=env, cwd=folder, capture_output=True, text=True, timeout=90)
            answers.append(done)
            return done.returncode == 0

        if command.startswith("? "):
            wait_until(run, 20, f"kubectl {command} works")
        else:
            run()
        done = answers[-1]
        found.append(masked(f"{done.stdout}{done.stderr}[{done.returncode}]", namespace))
    return found


_MASKS = (
    (r"\d{4}-\d\d-\d\d[T ]\d\d:\d\d:\d\d[^\s\"]*( [+-]\d{4})?", "TIME"),
    (r"(?<![\w.])\d+(ms|s|m|h)\d*s?\b", "AGE"),
    (r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}", "UID"),
    (r"\b\d+\.\d+\.\d+\.\d+\b", "IP"),
    (r"/tmp/\S+/(LIVE|MERGED)-\d+|/tmp/(LIVE|MERGED)-\d+", "DIFF"),
    (r"/tmp/\S+", "FILE"),
    (r"(?i)(resource ?version: *)\S+", r"\1VERSION"),
    (r"\b(web|once)-[a-z0-9]{5,10}(-[a-z0-9]{5})?\b", r"\1-HASH"),
    (r"(hash=)[a-z0-9]+", r"\1HASH"),
    (r"W\d{4} .*prune\.go:\d+\]", "W"),
    (r" +", " "),
    (r"-{3,}", "---"),
)


def masked(text: str, namespace: str) -> str:
    """Without what is each cluster's own."""
    text = text.replace(namespace, "NS")
    for pattern, mask in _MASKS:
        text = re.sub(pattern, mask, text)
    # While Pods come and go, kubectl says so as often as it looks.
    return "\n".join(line.rstrip() for line in text.splitlines() if not line.startswith("Waiting for "))
