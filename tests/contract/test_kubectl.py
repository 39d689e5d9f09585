"""kubectl against an embedded server: what an operator types without thinking."""

from __future__ import annotations

import os
import shutil
import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from backends.embedded.cluster import EmbeddedCluster
from backends.embedded.thread import EmbeddedHost

MANIFEST = """\
apiVersion: v1
kind: Namespace
metadata:
  name: shop
---
apiVersion: apps/v1
kind: Deployment
metadata:
  name: web
  namespace: shop
spec:
  replicas: 2
  selector: {matchLabels: {app: web}}
  template:
    metadata: {labels: {app: web}}
    spec:
      containers:
      - name: web
        image: IMAGE
---
apiVersion: v1
kind: Service
metadata: {name: web, namespace: shop}
spec:
  selector: {app: web}
  ports: [{port: 80}]
"""
Kubectl = Callable[..., str]


@pytest.fixture
def program(request: pytest.FixtureRequest) -> str:
    """The kubectl of the PATH, or the one that was built for the control plane."""
    found = shutil.which("kubectl")
    return found or str(request.getfixturevalue("control_plane_assets").kubectl)


@pytest.fixture
def kubectl(tmp_path: Path, program: str) -> Iterator[Kubectl]:
    """Runs kubectl against a fresh cluster and returns what it printed; fails where it fails."""
    with EmbeddedHost([EmbeddedCluster("lone")]) as host:
        config = host.kubeconfig(tmp_path / "config")
        env = {"PATH": os.environ["PATH"], "HOME": str(tmp_path), "KUBECONFIG": str(config)}

        def run(*args: str, stdin: str = "", status: int = 0) -> str:
            command = [program, *args]
            done = subprocess.run(command, input=stdin, capture_output=True, text=True, env=env, timeout=60)
            assert done.returncode == status, done.stderr
            return done.stdout if status == 0 else done.stdout + done.stderr

        yield run


def manifest(image: str = "nginx:1.27") -> str:
    return MANIFEST.replace("IMAGE", image)


def test_apply_on_the_clients_side(kubectl: Kubectl) -> None:
    created = ["namespace/shop created", "deployment.apps/web created", "service/web created"]
    assert kubectl("apply", "-f", "-", stdin=manifest()).splitlines() == created
    unchanged = [line.replace("created", "unchanged") for line in created]
    assert kubectl("apply", "-f", "-", stdin=manifest()).splitlines() == unchanged
    changes = kubectl("diff", "-f", "-", stdin=manifest("nginx:1.28"), status=1)
    assert "-      - image: nginx:1.27" in changes
    assert "+      - image: nginx:1.28" in changes
    assert "deployment.apps/web configured" in kubectl("apply", "-f", "-", stdin=manifest("nginx:1.28"))


def test_apply_on_the_servers_side(kubectl: Kubectl) -> None:
    kubectl("apply", "--server-side", "-f", "-", stdin=manifest())
    kubectl("scale", "-n", "shop", "deployment/web", "--replicas=4")
    refused = kubectl("apply", "--server-side", "-f", "-", stdin=manifest(), status=1)
    assert "Apply failed with 1 conflict" in refused
    assert ".spec.replicas" in refused
    kubectl("apply", "--server-side", "--force-conflicts", "-f", "-", stdin=manifest())
    assert kubectl("get", "-n", "shop", "deployment", "web", "-o", "jsonpath={.spec.replicas}") == "2"


def test_reading(kubectl: Kubectl) -> None:
    kubectl("apply", "-f", "-", stdin=manifest())
    header, row = kubectl("get", "deployments", "-n", "shop", "-o", "wide").splitlines()
    assert header.split() == ["NAME", "READY", "UP-TO-DATE", "AVAILABLE", "AGE", "CONTAINERS", "IMAGES", "SELECTOR"]
    cells = row.split()
    assert (cells[:4], cells[5:]) == (["web", "0/2", "0", "0"], ["web", "nginx:1.27", "app=web"])
    assert "RollingUpdateStrategy:  25% max unavailable, 25% max surge" in kubectl(
        "describe", "-n", "shop", "deployment", "web"
    )
    assert "deployments deploy apps/v1 true Deployment" in " ".join(kubectl("api-resources").split())
    assert "FIELD: replicas <integer>" in kubectl("explain", "deployment.spec.replicas")


def test_changing(kubectl: Kubectl) -> None:
    kubectl("apply", "-f", "-", stdin=manifest())
    kubectl("set", "image", "-n", "shop", "deployment/web", "web=nginx:2")
    kubectl("patch", "-n", "shop", "deployment", "web", "--type=merge", "-p", '{"spec":{"paused":true}}')
    kubectl("label", "-n", "shop", "deployment", "web", "tier=front")
    kubectl("annotate", "-n", "shop", "deployment", "web", "note=x")
    found = kubectl(
        "get", "-n", "shop", "deployment", "web", "-o",
        "jsonpath={.spec.template.spec.containers[0].image} {.spec.paused} {.metadata.labels.tier}",
    )  # fmt: skip
    assert found == "nginx:2 true front"
    kubectl("patch", "-n", "shop", "deployment", "web", "--subresource=status", "--type=merge", "-p",
            '{"status":{"conditions":[{"type":"Available","status":"True"}]}}')  # fmt: skip
    assert "condition met" in kubectl(
        "wait", "-n", "shop", "deployment/web", "--for=condition=Available", "--timeout=5s"
    )


def test_deleting(kubectl: Kubectl) -> None:
    kubectl("apply", "-f", "-", stdin=manifest())
    # Newer ones say from which namespace.
    assert kubectl("delete", "-n", "shop", "service", "web").startswith('service "web" deleted')
    kubectl("delete", "namespace", "shop", "--timeout=10s")
    assert "NotFound" in kubectl("get", "namespace", "shop", status=1)
    assert kubectl("get", "deployments", "-A") == ""
