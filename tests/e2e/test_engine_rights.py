"""`fleetui engine run` as somebody who may not do all that an engine does: it says so and ends, and never waits."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from backends.embedded.demo.fleet import DemoFleet
from tests.e2e.story import settings

RBAC = "rbac.authorization.k8s.io"


@pytest.fixture
def demo(tmp_path: Path) -> Iterator[DemoFleet]:
    with DemoFleet(tmp_path / "demo", clusters=1, pace=None, pod_delay=(0.0, 0.0)) as demo:
        yield demo


def run(demo: DemoFleet, tmp_path: Path, *options: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "fleetui", *options[:-1], "engine", "run", "--once", *options[-1].split()]
    environment = settings() | {
        "HOME": str(tmp_path),
        "XDG_CACHE_HOME": str(tmp_path / "cache"),
        "KUBECONFIG": str(demo.viewers),
    }
    return subprocess.run(command, capture_output=True, text=True, env=environment, timeout=60, check=False)


def allow(demo: DemoFleet, group: str, resource: str) -> None:
    """Lets the viewers do anything with a resource."""
    role: Any = {"apiVersion": f"{RBAC}/v1", "kind": "ClusterRole", "metadata": {"name": resource}}
    role["rules"] = [{"apiGroups": [group], "resources": [resource], "verbs": ["*"]}]
    binding: Any = {"apiVersion": f"{RBAC}/v1", "kind": "ClusterRoleBinding", "metadata": {"name": resource}}
    binding["roleRef"] = {"apiGroup": RBAC, "kind": "ClusterRole", "name": resource}
    binding["subjects"] = [{"apiGroup": RBAC, "kind": "Group", "name": "viewers"}]
    store = next(iter(demo.host.clusters.values())).store
    demo.host.run(lambda: [store.create(obj, manager="test") for obj in (role, binding)])


def forbid_applications(demo: DemoFleet) -> None:
    store = next(iter(demo.host.clusters.values())).store
    role = demo.host.run(lambda: store.get(RBAC, "ClusterRole", "", "argocd-aggregate-to-view"))
    demo.host.run(lambda: store.update({**role, "rules": []}, manager="test"))


def test_without_a_lease_it_says_what_is_missing(demo: DemoFleet, tmp_path: Path) -> None:
    done = run(demo, tmp_path, "")
    assert done.returncode == 5, done.stderr
    last = done.stderr.splitlines()[-1]
    assert "the engine may not work on cluster" in last
    assert "leases" in last
    assert "Permissions" in last
    assert done.stderr.count("leases.coordination") == 1


@pytest.mark.parametrize("options", ["", "--dry-run"])
def test_who_may_not_list_applications_waits_for_none(demo: DemoFleet, tmp_path: Path, options: str) -> None:
    allow(demo, "coordination.k8s.io", "leases")
    forbid_applications(demo)
    done = run(demo, tmp_path, options)
    assert done.returncode == 5, done.stderr
    assert "applications.argoproj.io is forbidden" in done.stderr.splitlines()[-1]
    assert done.stdout == ""


def test_an_engine_that_can_write_nothing_ends_with_an_error(demo: DemoFleet, tmp_path: Path) -> None:
    allow(demo, "coordination.k8s.io", "leases")
    done = run(demo, tmp_path, "")
    assert done.returncode == 1, done.stderr
    last = done.stderr.splitlines()[-1]
    assert "could not be reconciled in 3 tries" in last
    assert "forbidden" in last


def test_one_who_only_looks_may_rehearse_and_not_run(demo: DemoFleet, tmp_path: Path) -> None:
    done = run(demo, tmp_path, "--read-only", "")
    assert done.returncode == 5
    assert "--dry-run" in done.stderr
    assert "WOULD" in run(demo, tmp_path, "--read-only", "--dry-run").stdout
