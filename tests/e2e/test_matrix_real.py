"""The addon matrix over a real API server: Applications and Flux's objects, clusters by the labels of their Secrets."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.controlplane.server import ControlPlane
from tests.e2e.client import Json
from tests.e2e.story import bootstrap, settings

pytestmark = pytest.mark.real

STAGES = {"seoul-1": "canary", "paris-1": "prod"}
FLUX = {"Kustomization": ("kustomize.toolkit.fluxcd.io", "v1"), "HelmRelease": ("helm.toolkit.fluxcd.io", "v2")}
Run = Callable[..., subprocess.CompletedProcess[str]]


def definition(kind: str) -> Json:
    """Flux's own kind, whatever stands in it."""
    group, version = FLUX[kind]
    anything = {"type": "object", "x-kubernetes-preserve-unknown-fields": True}
    schema = {"openAPIV3Schema": {"type": "object", "properties": {"spec": anything, "status": anything}}}
    served = {"name": version, "served": True, "storage": True, "schema": schema, "subresources": {"status": {}}}
    names = {"kind": kind, "plural": f"{kind.lower()}s", "singular": kind.lower()}
    return {
        "apiVersion": "apiextensions.k8s.io/v1",
        "kind": "CustomResourceDefinition",
        "metadata": {"name": f"{names['plural']}.{group}"},
        "spec": {"group": group, "scope": "Namespaced", "names": names, "versions": [served]},
    }


def application(cluster: str, addon: str, version: str) -> Json:
    source = {"repoURL": "https://git.example.com/addons", "path": f"{addon}/{version}", "targetRevision": "main"}
    destination = {"name": cluster, "namespace": addon}
    return {
        "apiVersion": "argoproj.io/v1alpha1",
        "kind": "Application",
        "metadata": {"name": f"{cluster}-{addon}", "namespace": "argocd", "labels": {"addon": addon}},
        "spec": {"project": "default", "source": source, "destination": destination},
        "status": {"sync": {"status": "Synced", "comparedTo": {"source": source, "destination": destination}},
                   "health": {"status": "Healthy"}},
    }  # fmt: skip


def secret(cluster: str, stage: str) -> Json:
    labels = {"argocd.argoproj.io/secret-type": "cluster", "stage": stage}
    data = {"name": cluster, "server": f"https://{cluster}.example.com", "config": "{}"}
    metadata = {"name": f"cluster-{cluster}", "namespace": "argocd", "labels": labels}
    return {"apiVersion": "v1", "kind": "Secret", "metadata": metadata, "stringData": data}


def kustomization(cluster: str) -> Json:
    return {
        "apiVersion": "kustomize.toolkit.fluxcd.io/v1",
        "kind": "Kustomization",
        "metadata": {"name": f"dns-{cluster}", "namespace": "argocd", "labels": {"addon": "dns"}},
        "spec": {"path": "./dns/1.2.0", "prune": True, "kubeConfig": {"secretRef": {"name": f"kubeconfig-{cluster}"}}},
    }


@pytest.fixture
def plane(control_plane: ControlPlane) -> Iterator[ControlPlane]:
    bootstrap(control_plane.kubeconfig())
    things = [secret(*each) for each in STAGES.items()]
    things += [application("seoul-1", "cert-manager", "1.15.0"), application("paris-1", "cert-manager", "1.14.5")]
    things += [application("paris-1", "metrics", "0.7.1")]
    made = json.dumps({"apiVersion": "v1", "kind": "List", "items": things})
    kinds = json.dumps({"apiVersion": "v1", "kind": "List", "items": [definition(kind) for kind in FLUX]})
    control_plane.kubectl("apply", "-f", "-", input=made)
    control_plane.kubectl("apply", "-f", "-", input=kinds)
    control_plane.kubectl("wait", "--for=condition=Established", "crd", "kustomizations.kustomize.toolkit.fluxcd.io")
    control_plane.kubectl("apply", "-f", "-", input=json.dumps(kustomization("edge")))
    try:
        yield control_plane
    finally:
        control_plane.kubectl("delete", "--wait=false", "-f", "-", input=made)
        control_plane.kubectl("delete", "-f", "-", input=kinds)


@pytest.fixture
def run(plane: ControlPlane, tmp_path: Path) -> Run:
    environment = settings() | {"HOME": str(tmp_path), "KUBECONFIG": str(plane.kubeconfig())}

    def fleetui(*arguments: str) -> subprocess.CompletedProcess[str]:
        command = [sys.executable, "-m", "fleetui", *arguments]
        return subprocess.run(command, capture_output=True, text=True, env=environment, timeout=60, check=False)

    return fleetui


def test_applications_and_kustomizations_are_cells_and_flux_is_asked_in_its_own_way(run: Run, plane: Any) -> None:
    done = run("get", "matrix", "--group-by", "stage", "-o", "json")
    assert (done.returncode, done.stderr) == (0, "")
    found = json.loads(done.stdout)
    cells = {(cell["cluster"], cell["addon"]): (cell["version"], cell["engine"]) for cell in found["cells"]}
    assert cells == {
        ("seoul-1", "cert-manager"): ("1.15.0", "argo"),
        ("paris-1", "cert-manager"): ("1.14.5", "argo"),
        ("paris-1", "metrics"): ("0.7.1", "argo"),
        ("kubeconfig-edge", "dns"): ("1.2.0", "flux"),
    }
    assert {group["name"]: group["clusters"] for group in found["groups"]} == {
        "canary": ["seoul-1"],
        "prod": ["paris-1"],
        "": ["kubeconfig-edge"],
    }
    narrowed = run("get", "matrix", "stage=prod", "addon:cert*")
    assert narrowed.stdout.split() == ["CLUSTER", "CERT-MANAGER", "TOTAL", "paris-1", "1.14.5", "1", "total", "1", "1"]
    clusters = {each["name"]: each["labels"] for each in json.loads(run("get", "clusters", "-o", "json").stdout)}
    assert clusters["seoul-1"]["stage"] == "canary"

    asked = run("sync", "ks/dns-edge")
    assert asked.returncode == 0, asked.stderr
    got = json.loads(plane.kubectl("-n", "argocd", "get", "kustomization", "dns-edge", "-o", "json").stdout)
    assert "reconcile.fluxcd.io/requestedAt" in got["metadata"]["annotations"]
    assert run("suspend", "ks/dns-edge").returncode == 0
    refused = run("sync", "ks/dns-edge")
    assert refused.returncode != 0
    assert "Kustomization argocd/dns-edge is suspended" in refused.stderr
