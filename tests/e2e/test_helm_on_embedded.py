"""Helm against an embedded cluster: a chart's whole life, with hooks, a definition and --wait."""

from __future__ import annotations

import json
import os
import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.e2e.embedded_plane import EmbeddedPlane
from tests.e2e.helm import find_helm

Helm = Callable[..., str]
RELEASE, NAMESPACE = "shop", "shop-ns"
CHART = {
    "Chart.yaml": "apiVersion: v2\nname: shop\nversion: 0.1.0\n",
    "values.yaml": "replicas: 1\nimage: nginx:1.27\n",
    "crds/lamps.yaml": """\
apiVersion: apiextensions.k8s.io/v1
kind: CustomResourceDefinition
metadata: {name: lamps.example.com}
spec:
  group: example.com
  scope: Namespaced
  names: {plural: lamps, singular: lamp, kind: Lamp}
  versions:
  - name: v1
    served: true
    storage: true
    schema: {openAPIV3Schema: {type: object, properties: {spec: {type: object, properties: {watts: {type: integer}}}}}}
""",
    "templates/lamp.yaml": """\
apiVersion: example.com/v1
kind: Lamp
metadata: {name: {{ .Release.Name }}}
spec: {watts: 40}
""",
    "templates/deployment.yaml": """\
apiVersion: apps/v1
kind: Deployment
metadata: {name: {{ .Release.Name }}}
spec:
  replicas: {{ .Values.replicas }}
  selector: {matchLabels: {app: {{ .Release.Name }}}}
  template:
    metadata: {labels: {app: {{ .Release.Name }}}}
    spec: {containers: [{name: web, image: {{ .Values.image }}}]}
""",
    "templates/service.yaml": """\
apiVersion: v1
kind: Service
metadata: {name: {{ .Release.Name }}}
spec: {selector: {app: {{ .Release.Name }}}, ports: [{port: 80}]}
""",
    "templates/hook.yaml": """\
apiVersion: batch/v1
kind: Job
metadata:
  name: {{ .Release.Name }}-before
  annotations: {helm.sh/hook: "pre-install,pre-upgrade", helm.sh/hook-delete-policy: before-hook-creation}
spec: {template: {spec: {restartPolicy: Never, containers: [{name: a, image: busybox}]}}}
""",
    "templates/tests/probe.yaml": """\
apiVersion: v1
kind: Pod
metadata: {name: {{ .Release.Name }}-probe, annotations: {helm.sh/hook: test}}
spec: {restartPolicy: Never, containers: [{name: a, image: busybox}]}
""",
}


@pytest.fixture
def plane(tmp_path: Path) -> Iterator[EmbeddedPlane]:
    with EmbeddedPlane(tmp_path) as running:
        yield running


@pytest.fixture
def helm(plane: EmbeddedPlane, tmp_path: Path) -> Helm:
    """Runs helm with a chart of ours in its folder, and returns what it printed; fails where it fails."""
    program = find_helm()
    chart = tmp_path / "chart"
    for name, text in CHART.items():
        path = chart / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
    env = {"PATH": os.environ["PATH"], "HOME": str(tmp_path), "KUBECONFIG": str(plane.kubeconfig())}

    def run(*args: str) -> str:
        command = [program, *args, "--namespace", NAMESPACE]
        done = subprocess.run(command, cwd=tmp_path, env=env, capture_output=True, text=True, timeout=90)
        assert done.returncode == 0, f"helm {' '.join(args)}: {done.stdout}{done.stderr}"
        return done.stdout

    return run


def live(plane: EmbeddedPlane, kind: str, name: str = RELEASE) -> dict[str, Any]:
    found: dict[str, Any] = json.loads(plane.kubectl("get", kind, name, "-n", NAMESPACE, "-o", "json").stdout)
    return found


@pytest.mark.timeout(300)
def test_a_release_comes_changes_goes_back_and_goes(helm: Helm, plane: EmbeddedPlane) -> None:
    wait = ("--wait", "--timeout", "60s")
    assert "STATUS: deployed" in helm("install", RELEASE, "chart", "--create-namespace", *wait)
    assert live(plane, "deployment")["status"]["readyReplicas"] == 1
    assert live(plane, "lamps.example.com")["spec"] == {"watts": 40}
    assert live(plane, "job", f"{RELEASE}-before")["status"]["succeeded"] == 1
    assert [release["name"] for release in json.loads(helm("list", "-o", "json"))] == [RELEASE]

    helm("upgrade", RELEASE, "chart", "--set", "replicas=2,image=nginx:1.28", *wait)
    changed = live(plane, "deployment")
    assert changed["status"]["readyReplicas"] == 2
    assert changed["spec"]["template"]["spec"]["containers"][0]["image"] == "nginx:1.28"

    helm("rollback", RELEASE, "1", *wait)
    back = live(plane, "deployment")
    assert (back["spec"]["replicas"], back["status"]["readyReplicas"]) == (1, 1)
    assert back["spec"]["template"]["spec"]["containers"][0]["image"] == "nginx:1.27"
    history = json.loads(helm("history", RELEASE, "-o", "json"))
    assert [entry["status"] for entry in history] == ["superseded", "superseded", "deployed"]

    assert "Phase:          Succeeded" in helm("test", RELEASE)
    assert "uninstalled" in helm("uninstall", RELEASE, *wait)
    assert plane.kubectl("get", "deployment,service,lamps", "-n", NAMESPACE).stdout == ""
    assert "lamps.example.com" in plane.kubectl("get", "crds", "-o", "name").stdout
    assert helm("list", "--short") == ""


@pytest.mark.timeout(300)
def test_what_the_server_refuses_fails_the_release(helm: Helm, plane: EmbeddedPlane) -> None:
    with pytest.raises(AssertionError, match=r"spec\.replicas: Invalid value: -1"):
        helm("install", RELEASE, "chart", "--create-namespace", "--set", "replicas=-1")
    assert json.loads(helm("list", "-o", "json", "--failed"))[0]["status"] == "failed"
    assert "STATUS: deployed" in helm("upgrade", "--install", "--reset-values", RELEASE, "chart", "--wait")
